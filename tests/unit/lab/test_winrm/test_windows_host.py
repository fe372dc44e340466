# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The WinRM server in front of the lab's Windows hosts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests
from unit.lab.test_winrm.conftest import PASSWORD, USER, next_address
from winrm.exceptions import WSManFaultError
from winrm.protocol import Protocol

from lab.windows.host import User, WindowsHost
from lab.winrm.server import WinRMServer


@pytest.fixture(params=["2003", "2008r2"])
def windows(request: pytest.FixtureRequest) -> Iterator[WindowsHost]:
    """A Windows host of either kind, with WinRM."""
    host = WindowsHost("hydra", "hydra.odyssey.com", next_address(), request.param)
    host.users.append(User(USER, PASSWORD))
    server = WinRMServer([host])
    server.start()
    yield host
    server.stop()


@pytest.fixture
def connection(windows: WindowsHost) -> Protocol:
    """pywinrm, NTLM, encrypted messages."""
    return Protocol(f"http://{windows.address}:5985/wsman", "ntlm", USER, PASSWORD, ca_trust_path="")


def converse(connection: Protocol, command_line: str, *replies: bytes, console: bool) -> bytes:
    """Run a command, send each reply when something was printed, and return all output."""
    shell = connection.open_shell()
    command = connection.run_command(shell, command_line, console_mode_stdin=console)
    output, done = b"", False
    for reply in replies:
        stdout, _stderr, _code, done = connection.get_command_output_raw(shell, command)
        output += stdout
        connection.send_command_input(shell, command, reply)
    if not done:
        output += connection.get_command_output(shell, command)[0]
    connection.cleanup_command(shell, command)
    connection.close_shell(shell)
    return output


def test_ver(windows: WindowsHost, connection: Protocol) -> None:
    version = {"2003": b"5.2.3790", "2008r2": b"6.1.7601"}[windows.profile]
    assert version in converse(connection, "ver", console=False)


def test_answering_a_question_on_a_console(connection: Protocol) -> None:
    assert b"[yes]" in converse(connection, 'set /p A="A? "& set A', b"[yes]\r", console=True)


def test_answering_a_question_through_a_pipe(windows: WindowsHost, connection: Protocol) -> None:
    assert b"[yes]" in converse(connection, 'set /p A="A? "& set A', b"[yes]\r\n", console=False)
    windows.settings["console_mode"] = "pipe"
    assert b"[yes]" in converse(connection, 'set /p A="A? "& set A', b"[yes]\r\n", console=True)
    sent = [entry for entry in windows.recorder.entries if entry.get("stdin")]
    assert [entry["stdin_program"] for entry in sent] == ["cmd", "cmd"]


def test_where_a_command_cannot_start(connection: Protocol) -> None:
    shell = connection.open_shell(working_directory="C:\\nowhere")
    with pytest.raises(WSManFaultError) as raised:
        connection.run_command(shell, "ver")
    assert raised.value.wsman_fault_code == 267
    shell = connection.open_shell()
    with pytest.raises(WSManFaultError) as raised:
        connection.run_command(shell, "C:\\nothing.exe", skip_cmd_shell=True)
    assert raised.value.wsman_fault_code == 2


def test_power(windows: WindowsHost, connection: Protocol) -> None:
    shell = connection.open_shell()
    windows.powered = False
    with pytest.raises(requests.ConnectionError):
        connection.run_command(shell, "ver")
