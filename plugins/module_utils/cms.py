# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who can open a CMS EnvelopedData, read without any key: its recipients by issuer and serial number.

Structures are those of RFC 5652 (EnvelopedData) and RFC 5280 (certificates), in DER. Everything else is refused.

This file is private to the collection: others must not import it.
"""

from __future__ import annotations

from dataclasses import dataclass

_INTEGER, _OBJECT, _SEQUENCE, _SET, _CONTEXT_0 = 0x02, 0x06, 0x30, 0x31, 0xA0
# 1.2.840.113549.1.7.3
_ENVELOPED_DATA = bytes.fromhex("2a864886f70d010703")


@dataclass(frozen=True)
class _Element:
    tag: int
    encoded: bytes
    content: bytes


def envelope_recipients(envelope: bytes) -> list[bytes]:
    """The encoded issuer and serial number of each recipient, in no certain order. Raises ValueError for anything else than EnvelopedData for RSA keys."""
    content_type, content = _children(_only(envelope), 2)[:2]
    if content_type.tag != _OBJECT or content_type.content != _ENVELOPED_DATA:
        raise ValueError("is not EnvelopedData")
    fields = _children(_only(_expect(content, _CONTEXT_0).content), 3)
    # Nothing that names certificates of the originator comes from here, so the recipients are the second field.
    return [_recipient(each) for each in _elements(_expect(fields[1], _SET).content)]


def issuer_and_serial(certificate: bytes) -> bytes:
    """The same of a certificate, for comparing. Raises ValueError when it is none."""
    fields = _children(_children(_only(certificate), 3)[0], 6)
    # Certificates of version 1 do not name their version.
    first = 1 if fields[0].tag == _CONTEXT_0 else 0
    return _expect(fields[first + 2], _SEQUENCE).encoded + _expect(fields[first], _INTEGER).encoded


def _recipient(recipient: _Element) -> bytes:
    # Other kinds than a key transport have another tag, and one that names a subject key identifier has no sequence here.
    return _expect(_children(recipient, 4)[1], _SEQUENCE).content


def _children(element: _Element, at_least: int) -> list[_Element]:
    children = _elements(_expect(element, _SEQUENCE).content)
    if len(children) < at_least:
        raise ValueError("a part is missing")
    return children


def _expect(element: _Element, tag: int) -> _Element:
    if element.tag != tag:
        raise ValueError(f"has a part of kind {element.tag:02x} where {tag:02x} belongs")
    return element


def _only(data: bytes) -> _Element:
    elements = _elements(data)
    if len(elements) != 1:
        raise ValueError("does not consist of one part")
    return elements[0]


def _elements(data: bytes) -> list[_Element]:
    elements, start = [], 0
    while start < len(data):
        element = _element(data, start)
        elements.append(element)
        start += len(element.encoded)
    return elements


def _element(data: bytes, start: int) -> _Element:
    head = data[start : start + 2]
    if len(head) < 2:
        raise ValueError("ends in the middle of a part")
    length, begin = head[1], start + 2
    if length > 0x80:
        begin += length - 0x80
        length = int.from_bytes(data[start + 2 : begin], "big")
    elif length == 0x80:
        raise ValueError("has a part without a length")
    content = data[begin : begin + length]
    if begin > len(data) or len(content) < length:
        raise ValueError("ends in the middle of a part")
    return _Element(head[0], data[start : begin + length], content)
