# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Message encryption inside HTTP: the body is sealed with the keys of the NTLM login [ms: MS-WSMV 2.2.9.1]."""

from __future__ import annotations

import re
import struct
from typing import Protocol

from spnego.exceptions import SpnegoError

PROTOCOL = "application/HTTP-SPNEGO-session-encrypted"
CONTENT_TYPE = f'multipart/encrypted;protocol="{PROTOCOL}";boundary="Encrypted Boundary"'
_BOUNDARY = b"--Encrypted Boundary"
_OCTETS = b"\tContent-Type: application/octet-stream\r\n"
_MESSAGE = re.compile(
    rb"--Encrypted Boundary\r\n(?P<header>.*?)\r\n--Encrypted Boundary\r\n\s*Content-Type: application/octet-stream\r\n"
    rb"(?P<sealed>.*)--Encrypted Boundary--\r\n\Z",
    re.DOTALL,
)


class SealingContext(Protocol):
    """The part of pyspnego's context that seals messages."""

    def wrap_winrm(self, data: bytes) -> tuple[bytes, bytes, int]: ...

    def unwrap_winrm(self, header: bytes, data: bytes) -> bytes: ...


class NotDecipherable(Exception):
    """The body is not what a client with this login would have sealed."""


NOT_DECIPHERABLE = (NotDecipherable, SpnegoError, ValueError, struct.error)


def is_sealed(content_type: str) -> bool:
    """Whether a body of this type is an encrypted message."""
    return content_type.lower().startswith("multipart/encrypted") and PROTOCOL.lower() in content_type.lower()


def unseal(context: SealingContext, body: bytes) -> bytes:
    """The SOAP text inside an encrypted body."""
    message = _MESSAGE.match(body)
    if message is None:
        raise NotDecipherable("not a multipart/encrypted message")
    sealed = message["sealed"]
    signature_length = struct.unpack("<i", sealed[:4])[0]
    text = context.unwrap_winrm(sealed[4 : 4 + signature_length], sealed[4 + signature_length :])
    length = re.search(rb"Length=(\d+)", message["header"])
    if length is None or int(length[1]) != len(text):
        raise NotDecipherable("the length inside is not the length announced")
    return text


def damage(body: bytes) -> bytes:
    """An answer with one bit turned over: in the sealed text, so that its signature is wrong, or so that a readable one
    is no XML.
    """
    at = len(body) // 2 if body.startswith(_BOUNDARY) else 0
    return body[:at] + bytes((body[at] ^ 1,)) + body[at + 1 :]


def seal(context: SealingContext, text: bytes) -> bytes:
    """An encrypted body with this SOAP text."""
    signature, sealed, padding = context.wrap_winrm(text)
    original = f"\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length={len(text) + padding}\r\n"
    return b"".join(
        (
            _BOUNDARY, b"\r\n", f"\tContent-Type: {PROTOCOL}\r\n".encode(), original.encode(),
            _BOUNDARY, b"\r\n", _OCTETS, struct.pack("<i", len(signature)), signature, sealed,
            _BOUNDARY, b"--\r\n",
        )
    )  # fmt: skip
