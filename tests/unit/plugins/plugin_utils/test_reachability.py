# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a server is off is read from what the winrm connection plugin of ansible-core really says, of real sockets."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible.errors import AnsibleError
from ansible.playbook.play_context import PlayContext
from ansible.plugins.loader import connection_loader
from winrm.transport import Transport

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.reachability import (
    ACCOUNT_ADVICE,
    CANNOT_ASK,
    REFUSED,
    SILENT,
    USUAL_ADVICE,
    account_refused,
    connection_advice,
    reachability,
    why_unreachable,
)

ADDRESS = "127.0.0.1"
Talk = Callable[[socket.socket], None]


def message(port: int, *, host: str = ADDRESS, scheme: str = "http", transport: str = "ntlm", **extras: Any) -> str:
    """What the connection plugin says when it connects."""
    connection = connection_loader.get("winrm", PlayContext(), None)
    options = {
        "ansible_host": host,
        "ansible_port": port,
        "ansible_winrm_scheme": scheme,
        "ansible_winrm_transport": transport,
    }
    account = {"ansible_user": "somebody", "ansible_password": "some password"}
    connection.set_options(var_options={**options, **account, **extras, "_extras": extras})
    with pytest.raises(AnsibleError) as caught:
        connection._connect()
    return str(caught.value)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """ansible-core waits for at least ten seconds."""
    patient = Transport.__init__

    def hasty(self: Transport, *arguments: Any, **options: Any) -> None:
        patient(self, *arguments, **{**options, "read_timeout_sec": 0.5})

    monkeypatch.setattr(Transport, "__init__", hasty)


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as found:
        found.bind((ADDRESS, 0))
        port: int = found.getsockname()[1]
        return port


@pytest.fixture
def full_port() -> Iterator[int]:
    """Where nobody takes a connection and nobody refuses one, as with a server that is off behind a router."""
    with socket.socket() as busy:
        busy.bind((ADDRESS, 0))
        busy.listen(0)
        waiting = [socket.socket() for _number in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(busy.getsockname())
        yield busy.getsockname()[1]
        for each in waiting:
            each.close()


@pytest.fixture
def listen() -> Iterator[Callable[[Talk], int]]:
    """Starts a server whose connections are given to a function; returns its port."""
    listening: list[socket.socket] = []

    def start(talk: Talk) -> int:
        server = socket.create_server((ADDRESS, 0))
        listening.append(server)

        def serve() -> None:
            while True:
                try:
                    connection, _address = server.accept()
                except OSError:
                    return
                with connection:
                    talk(connection)

        threading.Thread(target=serve, daemon=True).start()
        port: int = server.getsockname()[1]
        return port

    yield start
    for each in listening:
        each.close()


def says(text: bytes) -> Talk:
    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(text)

    return talk


def status(code: int) -> Talk:
    return says(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % code)


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


ANSWERS: dict[str, tuple[Talk, dict[str, Any]]] = {
    "401": (status(401), {}),
    "401, basic": (status(401), {"transport": "basic"}),
    "403": (status(403), {"transport": "basic"}),
    "404": (status(404), {"transport": "basic"}),
    "500": (status(500), {}),
    "503": (status(503), {"transport": "basic"}),
    "an empty answer": (status(200), {"transport": "basic"}),
    "a page": (says(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<p>Hi!"), {"transport": "basic"}),
    "another service": (says(b"SSH-2.0-OpenSSH\r\n"), {"transport": "basic"}),
    "it hangs up": (lambda connection: None, {"transport": "basic"}),
    "it resets": (reset, {}),
    "it says nothing": (lambda connection: time.sleep(1), {"transport": "basic"}),
    "TLS with a server that has none": (status(400), {"scheme": "https"}),
    "TLS, and it hangs up": (lambda connection: None, {"scheme": "https"}),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_whoever_answers_is_not_silent(listen: Callable[[Talk], int], name: str) -> None:
    talk, options = ANSWERS[name]
    said = message(listen(talk), **options)
    assert reachability(said) == REFUSED, said


CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "no Kerberos library": {"transport": "kerberos"},
    "no CredSSP library": {"transport": "credssp"},
    "no certificate": {"transport": "certificate", "scheme": "https"},
    "no such transport": {"transport": "telepathy"},
    "no such validation": {"ansible_winrm_server_cert_validation": "perhaps"},
    "no such file of certificates": {"scheme": "https", "ansible_winrm_ca_trust_path": "/nonexistent"},
    "encryption that basic cannot do": {"transport": "basic", "ansible_winrm_message_encryption": "always"},
    "a proxy that does not answer": {"ansible_winrm_proxy": "http://127.0.0.1:9"},
    "a name that nobody knows": {"host": "hydra.invalid"},
    "an incorrect name": {"host": "hy dra"},
}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_who_cannot_ask_knows_nothing(closed_port: int, name: str) -> None:
    said = message(closed_port, **CONFIGURATIONS[name])
    assert reachability(said) == CANNOT_ASK, said


@pytest.mark.parametrize("options", [{}, {"scheme": "https"}, {"transport": "basic"}], ids=str)
def test_where_nothing_listens_is_silence(closed_port: int, options: dict[str, Any]) -> None:
    said = message(closed_port, **options)
    assert reachability(said) == SILENT
    assert why_unreachable(said) == "the server does not answer: [Errno 111] Connection refused"


def test_where_nobody_takes_the_connection_is_silence(full_port: int) -> None:
    said = message(full_port)
    assert reachability(said) == SILENT
    assert "Connection to 127.0.0.1 timed out" in why_unreachable(said)


# What needs a network, or another release of urllib3 or Python, as it was said there.
NEW_CONNECTION = "ntlm: HTTPConnectionPool(host='10.1.2.3', port=5985): Max retries exceeded with url: /wsman (Caused by NewConnectionError({}))"
SKEW = "('Clock skew too great', -1765328347)"
TOLD = [
    (
        "No route to host",
        NEW_CONNECTION.format("'<...>: Failed to establish a new connection: [Errno 113] No route to host'"),
        SILENT,
    ),
    (
        "Host is down",
        NEW_CONNECTION.format("'<...>: Failed to establish a new connection: [Errno 112] Host is down'"),
        SILENT,
    ),
    (
        "given up by TCP",
        NEW_CONNECTION.format("'<...>: Failed to establish a new connection: [Errno 110] Connection timed out'"),
        SILENT,
    ),
    # This controller has lost its network: of the server that says nothing.
    (
        "no network",
        NEW_CONNECTION.format("'<...>: Failed to establish a new connection: [Errno 101] Network is unreachable'"),
        CANNOT_ASK,
    ),
    (
        "a firewall of its own",
        NEW_CONNECTION.format("'<...>: Failed to establish a new connection: [Errno 13] Permission denied'"),
        CANNOT_ASK,
    ),
    (
        "an older urllib3 and DNS",
        NEW_CONNECTION.format("'<...>: Failed to establish a new connection: [Errno -2] Name or service not known'"),
        CANNOT_ASK,
    ),
    (
        "kinit is missing",
        "Kerberos auth failure when calling kinit cmd 'kinit': [Errno 2] No such file or directory: 'kinit'",
        CANNOT_ASK,
    ),
    (
        "kinit fails",
        "Kerberos auth failure for principal a@B: kinit: Cannot contact any KDC for realm 'B' while getting initial credentials",
        CANNOT_ASK,
    ),
    (
        "no ticket",
        "kerberos: authGSSClientInit() failed: (('Unspecified GSS failure', 851968), ('No Kerberos credentials available', -1))",
        CANNOT_ASK,
    ),
    (
        "a TLS server that hangs up",
        "ntlm: (Caused by SSLError(SSLZeroReturnError(6, 'TLS/SSL connection has been closed (EOF)')))",
        REFUSED,
    ),
    (
        "the clocks differ",
        f"kerberos: authGSSClientStep() failed: (('Unspecified GSS failure', 851968), {SKEW})",
        CANNOT_ASK,
    ),
    ("no pywinrm", "winrm or requests is not installed: No module named 'winrm'", CANNOT_ASK),
    ("an operation that timed out", "the connection attempt timed out", REFUSED),
    (
        "a tunnel",
        "ntlm: HTTPSConnectionPool(...): (Caused by ProxyError('Unable to connect to proxy', OSError('Tunnel connection failed: 503')))",
        CANNOT_ASK,
    ),
    (
        "one of two transports",
        f"WinRM Kerberos authentication requested but ..., {NEW_CONNECTION.format('[Errno 111] Connection refused')}",
        SILENT,
    ),
    (
        "a fault in a server's own words",
        "ntlm: [Errno 111] it is off (extended fault data: {'http_status_code': 500})",
        REFUSED,
    ),
    ("something new", "flux capacitor", CANNOT_ASK),
]


@pytest.mark.parametrize(("text", "expected"), [told[1:] for told in TOLD], ids=[told[0] for told in TOLD])
def test_what_was_said_elsewhere(text: str, expected: str) -> None:
    assert reachability(text) == expected
    assert ("Correct the one that is wrong" in why_unreachable(text)) == (SKEW in text)
    # Told again, it stays what it is.
    assert reachability(why_unreachable(text)) == expected
    assert why_unreachable(why_unreachable(text)) == why_unreachable(text)


REJECTED = "the specified credentials were rejected by the server"


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        (f"ntlm: {REJECTED}", ACCOUNT_ADVICE),
        (f"the server answers, but gives no access: {REJECTED}", ACCOUNT_ADVICE),
        (f"this controller could not ask the server: {REJECTED}", USUAL_ADVICE),
        ("Bad HTTP response returned from server. Code 500", USUAL_ADVICE),
        ("[Errno 111] Connection refused", USUAL_ADVICE),
    ],
)
def test_what_a_person_does_about_it(text: str, advice: str) -> None:
    assert connection_advice(text) == advice
    assert account_refused(text) is (advice == ACCOUNT_ADVICE)
