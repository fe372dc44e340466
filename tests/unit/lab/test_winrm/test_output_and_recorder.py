# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Output in pieces that fit, big input, and a recorder whose numbers are exact."""

from __future__ import annotations

import base64
import json
import os
import re
import select
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from unit.lab.test_winrm.conftest import PASSWORD, USER
from unit.lab.test_winrm.scripted_host import ScriptedHost
from winrm.protocol import Protocol

from lab.recorder import Recorder
from lab.winrm.server import WinRMServer

Connect = Callable[..., Protocol]
MEGABYTE = os.urandom(1 << 20)


def receive_sizes(host: ScriptedHost) -> list[int]:
    """The HTTP sizes of the answers to Receive."""
    return [entry["bytes_out"] for entry in host.recorder.entries if entry["action"] == "Receive"]


@pytest.mark.parametrize("transport", ["ntlm", "basic"])
def test_a_megabyte_of_output_comes_in_envelopes_of_150_kilobytes(
    host: ScriptedHost, protocol: Connect, transport: str
) -> None:
    host.scripts["type big"] = lambda command: command.out(MEGABYTE) or command.err(MEGABYTE[:1000])
    connection = protocol(transport)
    shell = connection.open_shell()
    stdout, stderr, _code = connection.get_command_output(shell, connection.run_command(shell, "type", ["big"]))
    assert stdout == MEGABYTE
    assert stderr == MEGABYTE[:1000]
    sizes = receive_sizes(host)
    assert max(sizes) < 153600 + 1024
    assert len(sizes) <= 11


def _ask_for_envelopes_of(connection: Protocol, size: str, monkeypatch: pytest.MonkeyPatch) -> None:
    build = connection.build_wsman_header

    def smaller(*arguments: Any, **options: Any) -> dict[str, Any]:
        header = build(*arguments, **options)
        header["env:Header"]["w:MaxEnvelopeSize"]["#text"] = size
        return header

    monkeypatch.setattr(connection, "build_wsman_header", smaller)


def test_a_client_can_ask_for_smaller_envelopes(
    host: ScriptedHost, protocol: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.scripts["type big"] = lambda command: command.out(MEGABYTE[:200000])
    connection = protocol()
    _ask_for_envelopes_of(connection, "32768", monkeypatch)
    shell = connection.open_shell()
    stdout, _stderr, _code = connection.get_command_output(shell, connection.run_command(shell, "type big"))
    assert stdout == MEGABYTE[:200000]
    assert max(receive_sizes(host)) < 32768 + 1024


def test_big_input(host: ScriptedHost, protocol: Connect) -> None:
    connection = protocol()
    shell = connection.open_shell()
    command = connection.run_command(shell, "wait")
    for start in range(0, len(MEGABYTE), 100000):
        connection.send_command_input(shell, command, MEGABYTE[start : start + 100000])
    connection.send_command_input(shell, command, b"", end=True)
    connection.get_command_output(shell, command)
    assert host.commands[0].received == MEGABYTE


class CountingProxy:
    """Stands between a client and a server and counts the bytes in both directions."""

    def __init__(self, host: ScriptedHost) -> None:
        self.to_server = self.to_client = 0
        self._target = (host.address, 5985)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/wsman"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        client, _address = self._listener.accept()
        server = socket.create_connection(self._target)
        while True:
            for source in select.select([client, server], [], [])[0]:
                data = source.recv(65536)
                if source is client:
                    self.to_server += len(data)
                    server.sendall(data)
                else:
                    self.to_client += len(data)
                    client.sendall(data)
                if not data:
                    return


def test_the_recorder_counts_the_bytes_on_the_wire(host: ScriptedHost, server: WinRMServer) -> None:
    proxy = CountingProxy(host)
    connection = Protocol(proxy.url, "ntlm", USER, PASSWORD, ca_trust_path="")
    shell = connection.open_shell()
    connection.get_command_output(shell, connection.run_command(shell, "ver"))
    connection.close_shell(shell, close_session=False)
    entries = host.recorder.entries
    assert [entry["action"] for entry in entries] == [
        "login",
        "login",
        "login",
        "Create",
        "Command",
        "Receive",
        "Delete",
    ]
    assert sum(entry["bytes_in"] for entry in entries) == proxy.to_server
    assert sum(entry["bytes_out"] for entry in entries) == proxy.to_client
    connection.transport.close_session()


def test_what_a_request_leaves_in_the_recorder(host: ScriptedHost, protocol: Connect) -> None:
    connection = protocol()
    shell = connection.open_shell()
    command = connection.run_command(shell, "wait")
    connection.send_command_input(shell, command, b"geheim\r\n", end=True)
    connection.get_command_output(shell, command)
    entries = {entry["action"]: entry for entry in host.recorder.entries}
    assert {entry["connection"] for entry in host.recorder.entries} == {entries["Create"]["connection"]}
    assert (entries["Create"]["scheme"], entries["Create"]["transport"], entries["Create"]["shell"]) == (
        "http",
        "ntlm",
        shell,
    )
    assert entries["Command"]["command"] == "wait"
    assert (entries["Send"]["stdin"], entries["Send"]["stdin_program"]) == ("geheim\r\n", "wait")
    assert entries["Send"]["command_id"] == command
    assert base64.b64encode(b"geheim").decode() not in json.dumps(host.recorder.entries)
    assert re.search("<rsp:Stream [^>]*End=", entries["Send"]["request"])
    assert (entries["Receive"]["stdout"], entries["Receive"]["fault"]) == ("", None)


def test_a_recorder_file_has_every_entry_as_a_line(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "log.jsonl")
    recorder.record("program", "hydra", command_line="sc query", exit_code=0)
    recorder.record("sql", "sql1", statement="SELECT 1", parameters=[b"\xff"])
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["seq"] for line in lines] == [1, 2]
    assert lines[1]["parameters"] == ["ÿ"]
    assert [entry["kind"] for entry in recorder.since(1)] == ["sql"]
    assert recorder.last_seq == 2
    recorder.close()
