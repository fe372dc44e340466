# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP/1.1 on one socket, with exact byte counts; just what WinRM clients need."""

from __future__ import annotations

import contextlib
import email.utils
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass

MAX_LINE = 65536
_MAX_HEADERS = 100
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
Header = tuple[str, str]


class BadRequest(Exception):
    """The bytes are not an HTTP request; ``status`` is what to answer before hanging up."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass
class HttpRequest:
    """One request; ``size`` counts all its bytes, header and body, as they came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    size: int

    @property
    def keep_alive(self) -> bool:
        """Whether the client wants to send more on this connection."""
        return self.headers.get("connection", "").lower() != "close"


def answer(status: int, headers: Iterable[Header] = (), body: bytes = b"") -> bytes:
    """The bytes of an answer.  Windows sends no reason phrase [field]."""
    lines = [f"HTTP/1.1 {status} "]
    lines += [f"{name}: {value}" for name, value in headers]
    lines += [
        "Server: Microsoft-HTTPAPI/2.0",
        f"Date: {email.utils.formatdate(usegmt=True)}",
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


class HttpConnection:
    """Reads requests from a socket and writes answers to it."""

    def __init__(self, sock: socket.socket, max_body: int) -> None:
        self._socket = sock
        self._file = sock.makefile("rb")
        self._max_body = max_body
        self._count = 0

    def read(self) -> HttpRequest | None:
        """The next request, or nothing when the client has hung up."""
        self._count = 0
        line = self._line()
        while line in (b"\r\n", b"\n"):
            line = self._line()
        if not line:
            return None
        parts = line.decode("latin-1").split()
        if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
            raise BadRequest(400, "not an HTTP/1.x request line")
        headers = self._headers()
        body = self._body(headers)
        return HttpRequest(parts[0], parts[1], headers, body, self._count)

    def send(self, data: bytes) -> None:
        """Send an answer."""
        self._socket.sendall(data)

    def reset(self) -> None:
        """Hang up so that the client gets a TCP reset."""
        with contextlib.suppress(OSError):  # the client was faster
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._file.close()
        self._socket.close()

    def close(self) -> None:
        """Hang up."""
        with contextlib.suppress(OSError):  # the client was faster
            self._socket.shutdown(socket.SHUT_RDWR)
        self._file.close()
        self._socket.close()

    def _line(self) -> bytes:
        line = self._file.readline(MAX_LINE + 1)
        if len(line) > MAX_LINE:
            raise BadRequest(400, "line too long")
        self._count += len(line)
        return line

    def _headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        for _index in range(_MAX_HEADERS):
            line = self._line()
            if line in (b"\r\n", b"\n"):
                return headers
            name, colon, value = line.decode("latin-1").partition(":")
            if not colon:
                raise BadRequest(400, "header without a colon")
            headers[name.strip().lower()] = value.strip()
        raise BadRequest(400, "too many headers")

    def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("expect", "").lower() == "100-continue":
            self._socket.sendall(_CONTINUE)
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return self._chunks()
        length = headers.get("content-length", "0")
        if not length.isdecimal():
            raise BadRequest(400, "Content-Length is not a number")
        return self._exactly(int(length))

    def _chunks(self) -> bytes:
        body = b""
        while True:
            size = self._line().partition(b";")[0].strip()
            try:
                length = int(size, 16)
            except ValueError as error:
                raise BadRequest(400, "chunk without a size") from error
            body += self._chunk(length, len(body))
            if length == 0:
                return body

    def _chunk(self, length: int, before: int) -> bytes:
        if length + before > self._max_body:
            raise BadRequest(413, "request too large")
        data = self._exactly(length)
        self._line()
        return data

    def _exactly(self, length: int) -> bytes:
        if length > self._max_body:
            raise BadRequest(413, "request too large")
        data = self._file.read(length)
        if len(data) < length:
            raise BadRequest(400, "the request ends early")
        self._count += length
        return data
