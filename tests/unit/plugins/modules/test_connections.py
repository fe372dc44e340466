# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connections that the documentation shows: each one that can be tried here is, and what an option promises is
looked up on the wire.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from unit.plugins.modules.sql_server import ADDRESS, ADMIN, NAME, READER, Run, Subject, require_freetds

from ansible_collections.opsmgr.recovery.plugins.module_utils.sql_options import SqlOptions
from ansible_collections.opsmgr.recovery.plugins.modules import management_group_info
from lab.sql.opsmgr_schema import add_health_service, create_operations_manager
from lab.sql.server import SqlServer

require_freetds()

MODULE = "opsmgr.recovery.management_group_info"
PORT = 50123
OTHER = "OperationsManager_ODYSSEY"
# Nothing here can answer these two; test_sql_options.py has their connection strings.
NOT_TRIED = {"The same by Kerberos, after kinit", "The same with Microsoft's driver"}


def examples() -> dict[str, dict[str, Any]]:
    """The documented tasks of this module, those that look at servers first left out."""
    tasks = yaml.safe_load(management_group_info.EXAMPLES)
    return {task["name"]: task[MODULE] for task in tasks if MODULE in task and "management_servers" not in task[MODULE]}


@pytest.fixture
def subject() -> Subject:
    return Subject(management_group_info, {})


@pytest.fixture
def sql(new_sql: SqlServer) -> SqlServer:
    """Two operational databases, not on the usual port; the usual one is for what the test puts there."""
    for database in (NAME, OTHER):
        if database == OTHER:
            create_operations_manager(new_sql, OTHER, "ODYSSEY")
        add_health_service(new_sql, database, "Hydra.Odyssey.com", is_root=True)
    new_sql.port = PORT
    new_sql.start()
    return new_sql


class Browser:
    """The SQL Server Browser service: tells the port of an instance, and is silent about others [ms, MC-SQLR 2.2.3 and
    2.2.5].
    """

    def __init__(self, address: str, ports: dict[str, int]) -> None:
        self._ports = ports
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((address, 1434))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._ports = {}
        # It wakes the thread, which closing the socket does not.
        self._socket.sendto(b"\0", self._socket.getsockname())
        self._thread.join(5)

    def _serve(self) -> None:
        with self._socket:
            while self._ports:
                request, client = self._socket.recvfrom(100)
                name = request[1:].rstrip(b"\0").decode().upper()
                if request[0] == 4 and name in self._ports:
                    text = f"ServerName;SQL1;InstanceName;{name};IsClustered;No;Version;10.0.2531.0;tcp;{self._ports[name]};;".encode()
                    self._socket.sendto(b"\x05" + struct.pack("<H", len(text)) + text, client)


class Relay:
    """Passes the usual port on to the server, and keeps what clients sent."""

    def __init__(self, address: str, port: int) -> None:
        self.sent = b""
        self._target = (address, port)
        self._socket = socket.create_server((address, 1433))
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _peer = self._socket.accept()
            except OSError:
                return
            server = socket.create_connection(self._target)
            threading.Thread(target=self._pass, args=(server, client, False), daemon=True).start()
            self._pass(client, server, True)

    def _pass(self, source: socket.socket, target: socket.socket, is_kept: bool) -> None:
        with source:
            while data := self._received(source):
                self.sent += data if is_kept else b""
                target.sendall(data)
            target.close()

    @staticmethod
    def _received(source: socket.socket) -> bytes:
        try:
            return source.recv(65536)
        except OSError:
            return b""


@pytest.fixture
def browser() -> Iterator[Browser]:
    made = Browser(ADDRESS, {"OPSMGR": PORT})
    yield made
    made.close()


@pytest.fixture
def relay(sql: SqlServer) -> Iterator[Relay]:
    made = Relay(ADDRESS, PORT)
    yield made
    made.close()


def test_the_examples_show_every_kind_of_connection() -> None:
    shown = list(examples().values())
    assert examples().keys() >= NOT_TRIED
    for option in ("port", "instance", "driver", "tds_version", "encryption", "database"):
        assert any(option in options for options in shown), option
    users = [options.get("login_user") for options in shown]
    assert None in users
    assert any("\\" in str(user) for user in users)
    assert all(options.get("login_password") in (None, "{{ opsmgr_sql_password }}") for options in shown)
    # What is not tried can be said to the driver at least.
    for name in NOT_TRIED:
        assert SqlOptions(**examples()[name]).label == "sql1.odyssey.com:1433"


@pytest.mark.parametrize("name", sorted(examples().keys() - NOT_TRIED))
@pytest.mark.usefixtures("browser", "relay")
def test_the_examples_connect(sql: SqlServer, run: Run, name: str) -> None:
    options = examples()[name]
    if "/" in options.get("driver", "") and not Path(options["driver"]).exists():
        pytest.skip("FreeTDS has another path here")
    login = ADMIN if "\\" in options["login_user"] else READER
    result = run(**{**options, "server": ADDRESS, **login})
    assert (result["problem"], result["rms"], result["database"]["name"]) == (
        None,
        "Hydra.Odyssey.com",
        options.get("database", NAME),
    )


STATEMENT = "SELECT ManagementGroupName".encode("utf-16-le")


@pytest.mark.parametrize(
    ("encryption", "is_login_readable", "is_rest_readable"),
    [("off", True, True), ("request", False, True), ("require", False, False)],
)
def test_encryption_is_what_it_says(
    relay: Relay, run: Run, encryption: str, is_login_readable: bool, is_rest_readable: bool
) -> None:
    assert run(encryption=encryption, **READER)["reachable"] is True
    # A login has the user as text.
    assert (READER["login_user"].encode("utf-16-le") in relay.sent) is is_login_readable
    assert (STATEMENT in relay.sent) is is_rest_readable


# The version in a login [ms, MS-TDS 2.2.7.14].
VERSIONS = {"7.2": 0x72090002, "7.3": 0x730B0003, "7.4": 0x74000004}


@pytest.mark.parametrize("version", VERSIONS)
def test_the_tds_version_is_the_one_that_was_asked_for(relay: Relay, run: Run, version: str) -> None:
    result = run(encryption="off", tds_version=version, **READER)
    assert (result["problem"], result["rms"]) == (None, "Hydra.Odyssey.com")
    # A login is a packet of type 16; its version follows the packet's header and its own length.
    login = relay.sent[relay.sent.index(b"\x10\x01") :]
    assert struct.unpack_from("<I", login, 12)[0] == VERSIONS[version]


def test_freetds_can_try_for_the_version(relay: Relay, run: Run) -> None:
    assert run(tds_version="auto", **READER)["problem"] is None
