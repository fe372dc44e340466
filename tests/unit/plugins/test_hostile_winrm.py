# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A WinRM server that means harm, seen by ansible-core's own winrm connection, pywinrm and a module of the collection."""

from __future__ import annotations

import contextlib
import resource
import socket
import struct
import time
from collections.abc import Iterator
from typing import Any
from unittest.mock import Mock

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible.playbook.play_context import PlayContext
from ansible.playbook.task import Task
from ansible.plugins.loader import action_loader, connection_loader
from hostile_winrm import Deed, HostileServer
from hostile_winrm.server import continue_for_ever, drip, fault, flood, nonsense, raw, received, redirect
from unit.plugins import case_files

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs import bounded_transport
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.conversation import (
    ConversationError,
    Exchange,
    converse,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.faults import (
    CommandTimeout,
    ConnectionLost,
    ShellFault,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.session import WinRMSession
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.shell import ConversationOptions, Shell

PASSWORD = "Tr0ub4dor&3"
EVIL = "\x1b[2J\x1b]52;c;cm0gLXJmIC8=\x07\u202eENDED WELL\r"
ASK = Exchange(r"(?i)password[^\r\n]*[:?>]\s*$", PASSWORD, secret=True)
SECONDS = 2.0


@pytest.fixture(autouse=True)
def short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_transport, "GRACE_SECONDS", 0.5)


@pytest.fixture
def server() -> Iterator[HostileServer]:
    with HostileServer().running() as server:
        yield server


def connection(server: HostileServer) -> Any:
    """ansible-core's winrm connection plugin, as a play makes it."""
    made = connection_loader.get("ansible.builtin.winrm", PlayContext(), "/dev/null")
    variables = {
        "host": "127.0.0.1",
        "port": server.port,
        "user": "administrator",
        "password": "not this one",
        "winrm_transport": ["basic"],
    }
    extras = {"ansible_winrm_operation_timeout_sec": 1, "ansible_winrm_read_timeout_sec": SECONDS}
    made.set_options(
        var_options={
            "_extras": extras,
            "ansible_winrm_scheme": "http",
            **{f"ansible_{name}": value for name, value in variables.items()},
        }
    )
    return made


def shell(server: HostileServer) -> tuple[Shell, WinRMSession]:
    session = WinRMSession(connection(server))
    protocol, shell_id = session.open()
    return Shell(protocol, shell_id, ConversationOptions(input_kind="console", timeout_seconds=5), session), session


def look(server: HostileServer) -> dict[str, Any]:
    """What management_server_info gives."""
    task = Task()
    task.action, task.args = "opsmgr.recovery.management_server_info", {}
    double: dict[str, Any] = {"play_context": Mock(), "loader": Mock(), "templar": Mock(), "shared_loader_obj": Mock()}
    action = action_loader.get(task.action, task=task, connection=connection(server), **double)
    result: dict[str, Any] = action.run(task_vars={"inventory_hostname": "hydra"})
    return result


def memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


# Messages go nowhere else


@pytest.mark.parametrize(
    "status",
    ["301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"],
)
@pytest.mark.parametrize("action", ["Create", "Command", "Send", "Receive"])
def test_no_redirect_is_followed(server: HostileServer, action: str, status: str) -> None:
    with HostileServer().running() as thief:
        server.deeds[action] = redirect(status, thief.port)
        server.says, server.ends = b"password:", False
        with pytest.raises((ConnectionLost, ConversationError, AnsibleConnectionFailure)):
            converse(shell(server)[0], "backup", [ASK])
        assert thief.messages == []


# Nobody is held


@pytest.mark.parametrize(
    "deed",
    [drip("status"), drip("headers"), drip("body"), continue_for_ever],
    ids=["status", "headers", "body", "continue"],
)
@pytest.mark.parametrize("action", ["Create", "Command", "Receive"])
def test_a_server_that_answers_for_ever_holds_nobody(server: HostileServer, action: str, deed: Deed) -> None:
    server.deeds[action] = deed
    began = time.monotonic()
    with pytest.raises((ConnectionLost, AnsibleConnectionFailure)) as caught:
        shell(server)[0].run("hostname")
    assert "within 2.5 seconds" in str(caught.value)
    assert time.monotonic() - began < 4 * SECONDS


def test_a_module_ends_in_time_and_says_so_in_one_sentence(server: HostileServer) -> None:
    server.deeds["Receive"] = drip("body")
    began = time.monotonic()
    result = look(server)
    assert (result["failed"], result["msg"].startswith("hydra: look at the server: ")) == (True, True)
    assert time.monotonic() - began < 60


@pytest.mark.parametrize("length", [64 * 1024, 1_200_000])
def test_a_long_line_does_not_hold_the_search_for_a_prompt(server: HostileServer, length: int) -> None:
    server.says, server.ends = b"password" * (length // 8), False
    server.deeds["Send"] = fault("no")
    desk = shell(server)[0]
    began = time.monotonic()
    sent = iter([received(server.says, None)])
    server.deeds["Receive"] = lambda exchange: exchange.answer(next(sent, received(b"", "0")))
    with pytest.raises((ConversationError, ShellFault, ConnectionLost)):
        converse(desk, "backup", [ASK])
    assert time.monotonic() - began < 5


# Memory


@pytest.mark.parametrize("action", ["Create", "Command", "Receive"])
@pytest.mark.parametrize("status", ["200 OK", "401 Unauthorized", "500 Internal Server Error"])
def test_what_a_server_sends_is_read_to_a_limit(server: HostileServer, action: str, status: str) -> None:
    server.deeds[action] = flood(status, "WWW-Authenticate: Basic\r\n" if status.startswith("401") else "")
    before = memory_mb()
    with pytest.raises((ConnectionLost, AnsibleConnectionFailure)):
        shell(server)[0].run("hostname")
    assert memory_mb() - before < 200


def test_what_a_command_writes_is_read_to_a_limit(server: HostileServer) -> None:
    body = received(b"x" * 1_000_000, None)
    server.deeds["Receive"] = nonsense(body)
    before = memory_mb()
    with pytest.raises(ConnectionLost, match="wrote more than 32 MB"):
        shell(server)[0].run("hostname")
    assert memory_mb() - before < 300


# What it says


def test_what_it_says_is_harmless(server: HostileServer) -> None:
    server.deeds["Command"] = fault(EVIL)
    result = look(server)
    assert result["failed"]
    assert not any(ord(character) < 32 or character == "\u202e" for character in result["msg"])


def test_what_the_connection_says_of_a_server_that_lets_nobody_in_is_harmless(server: HostileServer) -> None:
    server.deeds["Create"] = fault(EVIL)
    with pytest.raises(AnsibleConnectionFailure) as caught:
        look(server)
    assert not any(
        (ord(character) < 32 and character != "\n") or character == "\u202e" for character in str(caught.value)
    )


FORMS = [
    PASSWORD,
    PASSWORD.encode("utf-16-le").decode(),
    PASSWORD.upper(),
    PASSWORD[::-1],
    PASSWORD.encode().hex(),
    PASSWORD[:6] + "\r\n" + PASSWORD[6:],
]


@pytest.mark.parametrize("form", FORMS)
def test_a_tool_that_says_the_password_back_in_any_form_is_not_repeated(server: HostileServer, form: str) -> None:
    answers = iter(
        [
            received(b"password:", None),
            received(f"\r\nIt was {form} it seems\r\nAccess denied.{EVIL}\r\n".encode(), "5"),
        ]
    )
    server.deeds["Receive"] = lambda exchange: exchange.answer(next(answers))
    talk = converse(shell(server)[0], "backup", [ASK])
    assert server.heard(PASSWORD)
    assert "Access denied." in talk.transcript
    assert not any(part in talk.transcript for part in form.split("\r\n"))
    assert not any(
        (ord(character) < 32 and character != "\n") or character == "\u202e"
        for character in talk.transcript.replace("\r\n", "\n")
    )


# Nonsense


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("action", ["Send", "Receive"])
def test_a_fault_does_not_tell_the_secret_in_any_form(server: HostileServer, action: str, form: str) -> None:
    server.says, server.ends = b"password:", False
    answers = iter([received(server.says, None)] if action == "Receive" else [])
    refuse = fault(f"no: {form}".replace("\0", " "))
    server.deeds[action] = lambda exchange: (
        exchange.answer(first) if (first := next(answers, None)) else refuse(exchange)
    )
    with pytest.raises(ShellFault) as caught:
        converse(shell(server)[0], "backup", [ASK])
    assert "********" in str(caught.value)
    assert not any(form[start : start + 5] in str(caught.value) for start in range(len(form) - 4))


@pytest.mark.parametrize("action", ["Create", "Command", "Receive"])
@pytest.mark.parametrize(
    "deed",
    [
        raw(b""),
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n<s:Envelope"),
        raw(b"SSH-2.0-OpenSSH_9.2\r\n"),
        raw(b"\x00" * 1000),
        nonsense("<rsp:Surprise/>"),
        nonsense(received(b"", "abc")),
        nonsense(received(b"", "1e400")),
        nonsense(received(b"", "9" * 5000)),
        nonsense('<rsp:ReceiveResponse><rsp:Stream Name="stdout">%%% no Base64 %%%</rsp:Stream></rsp:ReceiveResponse>'),
        nonsense('<rsp:ReceiveResponse><rsp:Stream Name="other">QQ==</rsp:Stream></rsp:ReceiveResponse>'),
        fault("", 0),
        fault("x", 2**63),
    ],
)
def test_nonsense_is_one_error_of_the_connection(server: HostileServer, action: str, deed: Deed) -> None:
    server.deeds[action] = deed
    # Nothing else is raised, and some of it is understood all the same.
    with contextlib.suppress(ConnectionLost, ShellFault, CommandTimeout, AnsibleConnectionFailure):
        shell(server)[0].run("hostname", timeout_seconds=1.5)


def http(status: str, body: bytes = b"", kind: str = "text/html") -> Deed:
    return raw(f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)


def reset(exchange: Any) -> None:
    exchange.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    exchange.connection.close()


def silent(exchange: Any) -> None:
    time.sleep(SECONDS + 1)


BROKEN: dict[str, Deed] = {
    "500 with nothing": http("500 Internal Server Error"),
    "500 with a page": http("500 Internal Server Error", b"<html><body>Runtime Error</body></html>"),
    "503": http("503 Service Unavailable"),
    "404": http("404 Not Found", b"<html/>"),
    "a reset": reset,
    "silence": silent,
    "half a chunk": raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1000\r\n<s:Envelope"),
    "junk": http("200 OK", b"junk", "application/soap+xml"),
    "a control character": http("200 OK", b"<s:Envelope>\x01</s:Envelope>", "application/soap+xml"),
}


@pytest.mark.parametrize("deed", BROKEN.values(), ids=BROKEN)
def test_an_answer_of_something_else_is_one_sentence(server: HostileServer, deed: Deed) -> None:
    desk, _session = shell(server)
    server.deeds["Receive"] = deed
    with pytest.raises(ConnectionLost) as caught:
        desk.run("hostname")
    assert len(str(caught.value).splitlines()) == 1


# What it keeps


def test_a_shell_that_a_broken_connection_left_open_is_closed_over_a_new_one(server: HostileServer) -> None:
    desk, session = shell(server)
    server.deeds["Receive"] = raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n<s:Envelope")
    with pytest.raises(ConnectionLost):
        desk.run("hostname")
    assert len(server.shells) == 1
    real = server.deeds.copy()
    deeds = iter([raw(b"")])

    def delete(exchange: Any) -> None:
        """The first answer is broken."""
        next(deeds, _closes)(exchange)

    server.deeds = {**real, "Delete": delete}
    session.close(leave_shell=False)
    assert server.shells == set()


@pytest.mark.parametrize("code", [5, 2150858843, 2150859174, 2147943418])
def test_a_shell_that_the_service_refuses_to_close_is_closed_at_the_second_attempt(
    server: HostileServer, code: int
) -> None:
    desk, session = shell(server)
    desk.run("hostname")
    deeds = iter([fault("not now", code)])

    def delete(exchange: Any) -> None:
        next(deeds, _closes)(exchange)

    server.deeds["Delete"] = delete
    session.close(leave_shell=False)
    assert server.shells == set()


def _closes(exchange: Any) -> None:
    exchange.server.shells = {shell for shell in exchange.server.shells if shell.encode() not in exchange.message}
    exchange.answer("")


# Who may log on no more


UNAUTHORIZED = raw(b'HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm="WSMAN"\r\nContent-Length: 0\r\n\r\n')


def test_an_account_that_is_locked_meanwhile_is_named_and_not_tried_again_and_again(server: HostileServer) -> None:
    refused: list[str] = []

    def refuse(exchange: Any) -> None:
        refused.append(exchange.action)
        UNAUTHORIZED(exchange)

    def locked(exchange: Any) -> None:
        server.deeds.update(dict.fromkeys(("Create", "Command", "Send", "Receive", "Delete", "Signal"), refuse))
        refuse(exchange)

    server.deeds["Receive"] = locked
    result = look(server)
    assert result["failed"]
    assert "the account is locked" in result["msg"]
    assert refused.count("Create") == 1


def test_a_shell_that_is_gone_is_replaced_although_it_cannot_be_closed(server: HostileServer) -> None:
    desk, _session = shell(server)
    desk.run("hostname")
    gone = fault("no such shell", 2150858843)

    def command(exchange: Any) -> None:
        del server.deeds["Command"]
        gone(exchange)

    server.deeds["Command"] = command
    server.deeds["Delete"] = gone
    assert desk.run("hostname").exit_code == 0


def test_a_fault_as_it_was_found(server: HostileServer) -> None:
    content = case_files.content("winrm_fault.xml")
    server.deeds["Command"] = lambda exchange: exchange.raw(exchange.head("500 Internal Server Error", "", content))
    with pytest.raises(ShellFault) as caught:
        shell(server)[0].run("hostname")
    assert str(caught.value) == "max operations (ERROR_WSMAN_QUOTA_MAX_OPERATIONS 2150859174)"
