# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the SQL Server modules share: the lab's server, running a module as Ansible does, and a service
that is in the way.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from lab.faults import Fault, Faults
from lab.recorder import Recorder
from lab.sql.media import MemoryFiles
from lab.sql.messages import SqlError
from lab.sql.opsmgr_schema import create_operations_manager
from lab.sql.server import SqlServer, SqlSession
from lab.sql.sessions import Login

# Workers of pytest-xdist must not share an address.
ADDRESS = f"127.66.{os.environ.get('PYTEST_XDIST_WORKER', 'gw').removeprefix('gw') or 100}.3"
NAME = "OperationsManager"
HOSTILE = "My]D'b; DROP DATABASE x --"
PATH = "D:\\Back'ups; --\\om 2(1).bak"
ADMIN = {"login_user": "ODYSSEY\\sqladmin", "login_password": "Pass}word1"}
READER = {"login_user": "opsmgr_reader", "login_password": "p%PATH%^&\"!' ü8;"}
COLLECTIONS = Path(__file__).resolve().parents[4] / ".build" / "collections"

Run = Callable[..., dict[str, Any]]


def require_freetds() -> None:
    """Skip the test module where the modules could not connect."""
    pyodbc = pytest.importorskip("pyodbc")
    if "FreeTDS" not in pyodbc.drivers():
        pytest.skip("FreeTDS is not installed", allow_module_level=True)


def odyssey_server() -> SqlServer:
    """A server with the operational database of ODYSSEY, not started yet."""
    logins = {
        ADMIN["login_user"]: Login(ADMIN["login_user"], ADMIN["login_password"], is_sysadmin=True, is_windows=True),
        READER["login_user"]: Login(READER["login_user"], READER["login_password"]),
    }
    server = SqlServer("sql1", ADDRESS, 1433, Recorder(), Faults(), logins=logins)
    create_operations_manager(server, NAME, "ODYSSEY")
    return server


@dataclass(frozen=True)
class Subject:
    """The module under test, with the options that every run has; an option that is None is not given."""

    module: ModuleType
    options: dict[str, Any]

    def arguments(self, **options: Any) -> bytes:
        """What Ansible hands to the module."""
        given = {"server": ADDRESS, "connect_timeout": 5, **self.options, **options}
        return json.dumps(
            {"ANSIBLE_MODULE_ARGS": {name: value for name, value in given.items() if value is not None}}
        ).encode()

    def start(self, **options: Any) -> subprocess.Popen[bytes]:
        """Run the module in a process of its own."""
        folder, _dot, name = self.module.__name__.rpartition(".")
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(COLLECTIONS), *sys.path])}
        code = f"from {folder} import {name} as s; s.main()"
        process = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
        )
        assert process.stdin is not None
        process.stdin.write(self.arguments(**options))
        process.stdin.close()
        return process


def assert_no_password(text: str) -> None:
    for login in (ADMIN, READER):
        assert json.dumps(login["login_password"])[1:-1] not in text


def files(sql: SqlServer) -> MemoryFiles:
    assert isinstance(sql.files, MemoryFiles)
    return sql.files


def fault(sql: SqlServer, name: str, action: Any, **more: Any) -> None:
    assert sql.faults is not None
    sql.faults.add(Fault("sql1", "sql", name, action, **more))


class Service:
    """A service that connects again at once when it is thrown out, as those of OpsMgr do."""

    def __init__(self, sql: SqlServer) -> None:
        self.sql = sql
        self.stopped = False
        self.session: SqlSession | None = None
        self.again("started")

    def again(self, _why: str) -> None:
        while not self.stopped:
            try:
                self.session = self.sql.connect("OpsMgr SDK Service", NAME, host="HYDRA", on_end=self.again)
                return
            except (SqlError, ConnectionRefusedError):
                time.sleep(0.01)

    def stop(self) -> None:
        self.stopped = True
        if self.session is not None:
            self.session.close()
