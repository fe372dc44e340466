# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Planned faults of messages, hosts without power, many listeners, certificates."""

from __future__ import annotations

import functools
import socket
import ssl
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import pytest
import requests
from spnego.exceptions import BadMICError
from unit.lab.test_winrm.conftest import PASSWORD, USER, next_address
from unit.lab.test_winrm.scripted_host import ScriptedHost
from waiting import until
from winrm.exceptions import InvalidCredentialsError, WinRMTransportError, WSManFaultError
from winrm.protocol import Protocol

from lab.faults import Fault, Faults
from lab.winrm.certificates import CertificateAuthority, make_ca
from lab.winrm.server import WinRMServer

# After which a client that is not cut off is answered all the same: pywinrm's own.
OPERATION_TIMEOUT = Protocol.DEFAULT_OPERATION_TIMEOUT_SEC


def listens(host: ScriptedHost) -> bool:
    try:
        socket.create_connection((host.address, 5985), timeout=1).close()
    except OSError:
        return False
    return True


Connect = Callable[..., Protocol]


def test_a_fault_begins_at_the_nth_match_and_is_used_up() -> None:
    faults = Faults()
    faults.add(Fault("Hydra", "command", "SC*", "fail", nth=2, times=2))
    names = [
        ("hydra", "sc"),
        ("deathsting", "sc"),
        ("hydra", "net"),
        ("hydra", "sc"),
        ("hydra", "Sc.exe"),
        ("hydra", "sc"),
    ]
    assert [faults.match(host, "command", name) is not None for host, name in names] == [
        False,
        False,
        False,
        True,
        True,
        False,
    ]
    assert faults.pending() == []


def test_a_fault_can_last_for_ever() -> None:
    faults = Faults()
    faults.add(Fault("*", "sql", "alter database*", "fail", times=0, code=5064))
    struck = [faults.match("sql1", "sql", "ALTER DATABASE x SET ENABLE_BROKER") for _number in range(3)]
    assert [fault.code for fault in struck if fault] == [5064, 5064, 5064]
    faults.clear()
    assert faults.match("sql1", "sql", "ALTER DATABASE x") is None


def test_a_fraction_of_the_matches_is_hit_and_always_the_same_ones() -> None:
    def struck(seed: int, hosts: list[str]) -> list[tuple[str, int]]:
        faults = Faults()
        faults.add(Fault("*", "message", "*", "reset", times=0, text="either", fraction=0.02, seed=seed))
        counts = dict.fromkeys(hosts, 0)
        found = []
        for name in hosts * 1000:
            counts[name] += 1
            if faults.match(name, "message", "Receive") is not None:
                found.append((name, counts[name]))
        return sorted(found)

    alone = struck(7, ["hydra"])
    assert 8 <= len(alone) <= 35
    assert struck(7, ["deathsting", "hydra"])[-len(alone) :] == alone, "what other hosts do changes nothing"
    assert struck(8, ["hydra"]) != alone


def test_either_side_of_a_message_can_be_lost() -> None:
    faults = Faults()
    faults.add(Fault("*", "message", "*", "reset", times=0, text="either", seed=1))
    assert {fault.text for fault in (faults.match("hydra", "message", "Send") for _number in range(40)) if fault} == {
        "",
        "after",
    }


def test_a_window_of_matches_holds_for_a_fraction_too() -> None:
    faults = Faults()
    faults.add(Fault("*", "message", "*", "reset", nth=3, times=2, fraction=0.999999))
    assert [faults.match("hydra", "message", "Send") is not None for _number in range(5)] == [
        False,
        False,
        True,
        True,
        False,
    ]
    assert faults.pending() == []


@pytest.mark.parametrize("action", ["reset", "corrupt", "truncate"])
def test_only_a_message_can_be_damaged(action: Any) -> None:
    with pytest.raises(ValueError, match="can only happen to a message"):
        Fault("hydra", "command", "sc", action)


def test_a_message_fails(host: ScriptedHost, protocol: Connect) -> None:
    host.faults.add(Fault("hydra", "message", "command", "fail", code=2147942405, text="The plugin is ill."))
    connection = protocol()
    shell = connection.open_shell()
    with pytest.raises(WSManFaultError, match="The plugin is ill") as raised:
        connection.run_command(shell, "ver")
    assert raised.value.wsman_fault_code == 2147942405
    assert host.commands == []
    connection.run_command(shell, "ver")


def test_a_message_stalls(host: ScriptedHost, protocol: Connect) -> None:
    host.faults.add(Fault("hydra", "message", "Create", "stall", seconds=0.5))
    started = time.monotonic()
    protocol().open_shell()
    assert time.monotonic() - started > 0.5


def test_only_the_answer_stalls(host: ScriptedHost, server: WinRMServer, protocol: Connect) -> None:
    host.faults.add(Fault("hydra", "message", "Create", "stall", text="after", seconds=1))
    client = threading.Thread(target=protocol().open_shell)
    client.start()
    time.sleep(0.5)
    assert (len(server.shells("hydra")), client.is_alive()) == (1, True)
    client.join()


@pytest.mark.parametrize(("action", "text"), [("reset", "after"), ("corrupt", ""), ("truncate", "")])
def test_a_login_can_be_lost_too(
    host: ScriptedHost, server: WinRMServer, protocol: Connect, action: Any, text: str
) -> None:
    host.faults.add(Fault("hydra", "message", "login", action, text=text))
    # A client may not miss the end of headers, but then it is not logged in.
    with pytest.raises((requests.RequestException, WinRMTransportError)):
        protocol().open_shell()
    assert len(server.shells("hydra")) == 0
    protocol().open_shell()


def test_a_message_is_dropped_before_anything_is_done(
    host: ScriptedHost, server: WinRMServer, protocol: Connect
) -> None:
    host.faults.add(Fault("hydra", "message", "Create", "drop"))
    with pytest.raises(requests.ConnectionError):
        protocol().open_shell()
    assert len(server.shells("hydra")) == 0
    assert (host.recorder.entries[-1]["action"], host.recorder.entries[-1]["bytes_out"]) == ("Create", 0)


def test_only_the_answer_is_dropped(host: ScriptedHost, server: WinRMServer, protocol: Connect) -> None:
    host.faults.add(Fault("hydra", "message", "Create", "drop", text="after"))
    with pytest.raises(requests.ConnectionError):
        protocol().open_shell()
    assert len(server.shells("hydra")) == 1


@pytest.mark.parametrize("transport", ["ntlm", "basic"])
@pytest.mark.parametrize(("text", "shells"), [("", 0), ("after", 1)])
def test_a_reset_is_one_of_tcp(
    host: ScriptedHost, server: WinRMServer, protocol: Connect, transport: str, text: str, shells: int
) -> None:
    host.faults.add(Fault("hydra", "message", "Create", "reset", text=text))
    # Below TLS, Python's client takes it for the end of the connection.
    with pytest.raises(
        requests.ConnectionError, match="Connection reset by peer" if transport == "ntlm" else "Connection aborted"
    ):
        protocol(transport).open_shell()
    assert len(server.shells("hydra")) == shells


def test_a_sealed_answer_with_a_wrong_bit_cannot_be_unsealed(
    host: ScriptedHost, server: WinRMServer, protocol: Connect
) -> None:
    host.faults.add(Fault("hydra", "message", "Create", "corrupt"))
    with pytest.raises(BadMICError):
        protocol().open_shell()
    assert len(server.shells("hydra")) == 1
    protocol().open_shell()


def test_a_plain_answer_with_a_wrong_bit_is_no_xml(host: ScriptedHost, server: WinRMServer, protocol: Connect) -> None:
    host.faults.add(Fault("hydra", "message", "Create", "corrupt"))
    with pytest.raises(ElementTree.ParseError):
        protocol("basic").open_shell()
    assert len(server.shells("hydra")) == 1


@pytest.mark.parametrize("transport", ["ntlm", "basic"])
def test_an_answer_that_ends_in_its_middle(
    host: ScriptedHost, server: WinRMServer, protocol: Connect, transport: str
) -> None:
    connection = protocol(transport)
    shell = connection.open_shell()
    host.faults.add(Fault("hydra", "message", "Command", "truncate"))
    with pytest.raises(requests.RequestException, match="IncompleteRead"):
        connection.run_command(shell, "ver")
    assert [command.started_with["command_line"] for command in host.commands] == ["ver"]
    assert host.recorder.entries[-1]["bytes_out"] > 300


def test_a_lost_answer_to_receive_is_there_for_the_very_same_request_only(
    host: ScriptedHost, protocol: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = protocol()
    shell = connection.open_shell()
    for same, expected in ((True, b"Microsoft"), (False, b"")):
        command = connection.run_command(shell, "ver")
        if same:
            build = functools.partial(connection.build_wsman_header, message_id=uuid.uuid4())
            monkeypatch.setattr(connection, "build_wsman_header", build)
        host.faults.add(Fault("hydra", "message", "Receive", "drop", text="after"))
        with pytest.raises(requests.ConnectionError):
            connection.get_command_output_raw(shell, command)
        # a new connection must log in before it can encrypt, and pywinrm does that for a new session only
        connection.transport.close_session()
        stdout, _stderr, code, done = connection.get_command_output_raw(shell, command)
        assert (stdout[:9], code, done) == (expected, 0, True)
        monkeypatch.undo()


def test_a_login_fails(host: ScriptedHost, protocol: Connect) -> None:
    for transport in ("ntlm", "basic"):
        host.faults.add(Fault("hydra", "message", "login", "fail"))
        with pytest.raises(InvalidCredentialsError):
            protocol(transport).open_shell()
        protocol(transport).open_shell()


def test_a_host_without_power_refuses_connections(host: ScriptedHost, server: WinRMServer, protocol: Connect) -> None:
    connection = protocol()
    shell = connection.open_shell()
    connection.run_command(shell, "wait")
    host.powered = False
    server.refresh()
    with pytest.raises(requests.ConnectionError):
        connection.run_command(shell, "ver")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host.address, 5985), timeout=1)
    assert host.commands[0].terminated_by == "terminate"
    host.powered = True
    until(lambda: listens(host))
    with pytest.raises(WSManFaultError, match="invalid selectors"):
        protocol().run_command(shell, "ver")


def test_losing_power_cuts_a_waiting_client_off(host: ScriptedHost, server: WinRMServer, protocol: Connect) -> None:
    connection = protocol()
    shell = connection.open_shell()
    command = connection.run_command(shell, "wait")
    threading.Timer(0.2, setattr, (host, "powered", False)).start()
    started = time.monotonic()
    with pytest.raises((requests.ConnectionError, WSManFaultError)):
        connection.get_command_output_raw(shell, command)
    assert time.monotonic() - started < OPERATION_TIMEOUT


def test_a_hundred_hosts_in_one_process(authority: CertificateAuthority) -> None:
    hosts = [ScriptedHost(f"host{number}", next_address()) for number in range(100)]
    for host in hosts:
        host.add_user(USER, PASSWORD)
        host.scripts["hostname"] = lambda command: command.out(
            b"this is " + command.started_with["session"].user.encode()
        )
    threads_before = set(threading.enumerate())
    server = WinRMServer(hosts, authority)
    server.start()
    # A thread of an earlier test may end meanwhile, so new ones are counted.
    assert len(set(threading.enumerate()) - threads_before) == 1
    for host in hosts[::20]:
        connection = Protocol(f"http://{host.address}:5985/wsman", "ntlm", USER, PASSWORD, ca_trust_path="")
        shell = connection.open_shell()
        assert (
            connection.get_command_output(shell, connection.run_command(shell, "hostname"))[0]
            == b"this is " + USER.encode()
        )
    server.stop()
    for host in hosts:
        for port in (5985, 5986):
            socket.create_server((host.address, port)).close()


def test_an_address_that_is_taken_is_an_error_at_start(authority: CertificateAuthority) -> None:
    hosts = [ScriptedHost("hydra", next_address()), ScriptedHost("deathsting", next_address())]
    with socket.create_server((hosts[1].address, 5986)):
        with pytest.raises(OSError, match="in use"):
            WinRMServer(hosts, authority).start()
        socket.create_server((hosts[0].address, 5985)).close()


def test_certificates_name_the_host_and_are_kept(
    host: ScriptedHost, server: WinRMServer, authority: CertificateAuthority
) -> None:
    trusting = ssl.create_default_context(cafile=str(authority.ca_file))
    for name in (host.address, host.fqdn, host.name):
        plain = socket.create_connection((host.address, 5986), timeout=5)
        with trusting.wrap_socket(plain, server_hostname=name) as secure:
            assert secure.getpeercert()
    with (
        pytest.raises(ssl.SSLCertVerificationError),
        socket.create_connection((host.address, 5986), timeout=5) as plain,
    ):
        trusting.wrap_socket(plain, server_hostname="deathsting")
    again = make_ca(authority.directory)
    before = again.server_certificate(host.name, host.fqdn, host.address).read_bytes()
    assert authority.server_certificate(host.name, host.fqdn, host.address).read_bytes() == before
    keys = [path for path in authority.directory.iterdir() if path != authority.ca_file]
    assert {path.stat().st_mode & 0o777 for path in keys} == {0o600}


@pytest.mark.parametrize("transport", ["ntlm", "basic"])
def test_an_account_can_be_locked_in_the_middle(host: ScriptedHost, protocol: Connect, transport: str) -> None:
    connection = protocol(transport)
    shell = connection.open_shell()
    command = connection.run_command(shell, "wait")
    host.faults.add(Fault("hydra", "message", "Receive", "fail", code=401))
    host.faults.add(Fault("hydra", "message", "login", "fail", times=0))
    with pytest.raises(InvalidCredentialsError):
        connection.get_command_output_raw(shell, command)
    with pytest.raises(InvalidCredentialsError):
        connection.cleanup_command(shell, command)
    host.faults.clear()
    assert protocol(transport).open_shell()
