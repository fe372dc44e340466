# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Enough of a WinRM service to be believed, and what it does instead of answering.

It speaks HTTP with Basic authentication. Create, Command, Send, Receive, Signal and Delete are answered as a client
expects, with a program that says what it is told to say; any of them can have a deed, which gets the raw connection.
"""

from __future__ import annotations

import base64
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from xml.sax.saxutils import escape

SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
_ACTION = re.compile(rb"<[\w:]*Action[^>]*>[^<]*/(\w+)</")
_MESSAGE_ID = re.compile(rb"<[\w:]*MessageID[^>]*>([^<]*)</")
_STREAM_IN = re.compile(rb'<[\w:]*Stream[^>]*Name="stdin"[^>]*>([^<]*)</')
_COMMAND_LINE = re.compile(rb"<[\w:]*Command>([^<]*)</")


@dataclass
class Exchange:
    """One message of the client, and the connection to do something about it."""

    server: HostileServer
    connection: socket.socket
    action: str
    message: bytes

    def answer(self, body: str, status: str = "200 OK", headers: str = "") -> None:
        """A whole SOAP answer, as a WinRM service gives it."""
        self.raw(self.head(status, headers, envelope(self.message_id, self.action, body).encode()))

    def head(self, status: str, headers: str, content: bytes) -> bytes:
        """An HTTP answer."""
        lines = f"HTTP/1.1 {status}\r\nContent-Type: application/soap+xml;charset=UTF-8\r\n{headers}Content-Length: {len(content)}\r\n\r\n"
        return lines.encode("latin-1") + content

    def raw(self, data: bytes) -> None:
        """Bytes."""
        self.connection.sendall(data)

    @property
    def message_id(self) -> str:
        found = _MESSAGE_ID.search(self.message)
        return found[1].decode() if found else ""


Deed = Callable[[Exchange], None]


def envelope(message_id: str, action: str, body: str) -> str:
    """A SOAP answer to a message."""
    return (
        '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing"'
        ' xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd" xmlns:x="http://schemas.xmlsoap.org/ws/2004/09/transfer"'
        f' xmlns:rsp="{SHELL}"><s:Header><a:Action>{SHELL}/{action}Response</a:Action><a:RelatesTo>{escape(message_id)}</a:RelatesTo></s:Header>'
        f"<s:Body>{body}</s:Body></s:Envelope>"
    )


@dataclass
class HostileServer:
    """The server. `says` is what each command writes; `deeds` are by the name of the action, each used up after `times`
    messages.
    """

    says: bytes = b""
    exit_code: str = "0"
    deeds: dict[str, Deed] = field(default_factory=dict)
    ends: bool = True
    messages: list[tuple[str, bytes]] = field(default_factory=list)
    shells: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._numbers = count(1)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._stopped = threading.Event()

    @contextmanager
    def running(self) -> Iterator[HostileServer]:
        """Serve until the end of the block."""
        threading.Thread(target=self._accept, daemon=True).start()
        try:
            yield self
        finally:
            self._stopped.set()
            self._listener.close()

    @property
    def stopped(self) -> bool:
        """Whether a deed that goes on for ever should end."""
        return self._stopped.is_set()

    def heard(self, text: str) -> bool:
        """Whether a message or an input of a program held that text."""
        found = text.encode()
        typed = [base64.b64decode(each) for _action, message in self.messages for each in _STREAM_IN.findall(message)]
        return any(found in message for _action, message in self.messages) or any(found in each for each in typed)

    def _accept(self) -> None:
        with suppress(OSError):
            while not self.stopped:
                connection, _address = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            stream = connection.makefile("rb")
            while not self.stopped:
                line = stream.readline()
                if not line:
                    return
                length = 0
                while (header := stream.readline().strip()) != b"":
                    name, _colon, value = header.partition(b":")
                    length = int(value) if name.lower() == b"content-length" else length
                message = stream.read(length)
                found = _ACTION.search(message)
                action = found[1].decode() if found else "?"
                self.messages.append((action, message))
                self.deeds.get(action, _honest)(Exchange(self, connection, action, message))

    def new_id(self) -> str:
        """The id of a shell or a command."""
        return f"11111111-2222-3333-4444-{next(self._numbers):012}"


def _honest(exchange: Exchange) -> None:
    """As a WinRM service answers."""
    server = exchange.server
    if exchange.action == "Create":
        shell = server.new_id()
        server.shells.add(shell)
        exchange.answer(f'<x:ResourceCreated><a:ReferenceParameters><w:SelectorSet><w:Selector Name="ShellId">{shell}</w:Selector></w:SelectorSet>'
                        f"</a:ReferenceParameters></x:ResourceCreated><rsp:Shell><rsp:ShellId>{shell}</rsp:ShellId></rsp:Shell>")  # fmt: skip
    elif exchange.action == "Command":
        exchange.answer(f"<rsp:CommandResponse><rsp:CommandId>{server.new_id()}</rsp:CommandId></rsp:CommandResponse>")
    elif exchange.action == "Receive":
        exchange.answer(received(server.says, server.exit_code if server.ends else None))
    elif exchange.action == "Send":
        exchange.answer("<rsp:SendResponse/>")
    elif exchange.action == "Signal":
        exchange.answer("<rsp:SignalResponse/>")
    else:
        server.shells = {shell for shell in server.shells if shell.encode() not in exchange.message}
        exchange.answer("")


def received(output: bytes, exit_code: str | None) -> str:
    """The body of an answer to Receive."""
    stream = (
        f'<rsp:Stream Name="stdout" CommandId="c">{base64.b64encode(output).decode()}</rsp:Stream>' if output else ""
    )
    state = f'<rsp:CommandState CommandId="c" State="{SHELL}/CommandState/Done"><rsp:ExitCode>{exit_code}</rsp:ExitCode></rsp:CommandState>'
    running = f'<rsp:CommandState CommandId="c" State="{SHELL}/CommandState/Running"/>'
    return f"<rsp:ReceiveResponse>{stream}{running if exit_code is None else state}</rsp:ReceiveResponse>"


# Deeds


def redirect(status: str, port: int) -> Deed:
    """Send the message to another port."""
    return lambda exchange: exchange.raw(exchange.head(status, f"Location: http://127.0.0.1:{port}/wsman\r\n", b""))


def drip(part: str, seconds: float = 0.05) -> Deed:
    """One byte now and then, for ever: in the "status" line, the "headers" or the "body"."""

    def do(exchange: Exchange) -> None:
        begun = {
            "status": b"HTTP/1.1 ",
            "headers": b"HTTP/1.1 200 OK\r\nX-Long: ",
            "body": b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n",
        }[part]
        exchange.raw(begun)
        while not exchange.server.stopped:
            exchange.raw(b" ")
            time.sleep(seconds)

    return do


def continue_for_ever(exchange: Exchange) -> None:
    """Tell the client to go on, for ever."""
    while not exchange.server.stopped:
        exchange.raw(b"HTTP/1.1 100 Continue\r\n\r\n")
        time.sleep(0.01)


def flood(status: str, headers: str = "") -> Deed:
    """As much as the client takes."""

    def do(exchange: Exchange) -> None:
        exchange.raw(
            f"HTTP/1.1 {status}\r\nContent-Type: application/soap+xml\r\n{headers}Content-Length: 4000000000\r\n\r\n".encode()
        )
        while not exchange.server.stopped:
            exchange.raw(b"x" * 65536)

    return do


def raw(data: bytes) -> Deed:
    """These bytes, and then the connection is closed."""

    def do(exchange: Exchange) -> None:
        exchange.raw(data)
        exchange.connection.shutdown(socket.SHUT_RDWR)

    return do


def nonsense(body: str) -> Deed:
    """An answer with this in it."""
    return lambda exchange: exchange.answer(body)


def fault(text: str, code: int = 5) -> Deed:
    """A fault of the service, in the server's own words."""

    def do(exchange: Exchange) -> None:
        said = escape(text)
        detail = f'<f:WSManFault xmlns:f="http://schemas.microsoft.com/wbem/wsman/1/wsmanfault" Code="{code}"><f:Message>{said}</f:Message></f:WSManFault>'
        reason = f"<s:Code><s:Value>s:Receiver</s:Value></s:Code><s:Reason><s:Text>{said}</s:Text></s:Reason>"
        exchange.answer(f"<s:Fault>{reason}<s:Detail>{detail}</s:Detail></s:Fault>", "500 Internal Server Error")

    return do
