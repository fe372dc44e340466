# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who can open a CMS EnvelopedData, and who signed a CMS SignedData, read without any key: by issuer and serial number.

Structures are those of RFC 5652 (EnvelopedData, SignedData) and RFC 5280 (certificates), in DER. Everything else is
refused.

This file is private to the collection: others must not import it.
"""

from __future__ import annotations

from dataclasses import dataclass

_INTEGER, _OCTETS, _OBJECT, _SEQUENCE, _SET, _CONTEXT_0 = 0x02, 0x04, 0x06, 0x30, 0x31, 0xA0
# 1.2.840.113549.1.7.1 to 3
_DATA = bytes.fromhex("2a864886f70d010701")
_SIGNED_DATA = bytes.fromhex("2a864886f70d010702")
_ENVELOPED_DATA = bytes.fromhex("2a864886f70d010703")
# 1.2.840.113549.1.9.3 and 4
_CONTENT_TYPE = bytes.fromhex("2a864886f70d010903")
_MESSAGE_DIGEST = bytes.fromhex("2a864886f70d010904")


@dataclass(frozen=True)
class _Element:
    tag: int
    encoded: bytes
    content: bytes


@dataclass(frozen=True)
class SignedAttributes:
    """What a signer signed: the hash of the content among other things.

    :ivar signed_bytes: the very bytes that the signature is of
    """

    message_digest: bytes
    signed_bytes: bytes


@dataclass(frozen=True)
class SignerInfo:
    """One signature, unverified. C(signed_attributes) is None where the content itself was signed."""

    issuer_and_serial: bytes
    digest_algorithm: bytes
    signed_attributes: SignedAttributes | None
    signature: bytes


def envelope_recipients(envelope: bytes) -> list[bytes]:
    """The encoded issuer and serial number of each recipient, in no certain order. Raises ValueError for anything else
    than EnvelopedData for RSA keys.
    """
    fields = _fields(envelope, _ENVELOPED_DATA, "EnvelopedData")
    # Nothing that names certificates of the originator comes from here, so the recipients are the second field.
    return [_recipient(each) for each in _elements(_expect(fields[1], _SET).content)]


def issuer_and_serial(certificate: bytes) -> bytes:
    """The same of a certificate, for comparing. Raises ValueError when it is none."""
    fields = _children(_children(_only(certificate), 3)[0], 6)
    # Certificates of version 1 do not name their version.
    first = 1 if fields[0].tag == _CONTEXT_0 else 0
    return _expect(fields[first + 2], _SEQUENCE).encoded + _expect(fields[first], _INTEGER).encoded


def signer_infos(signed: bytes) -> list[SignerInfo]:
    """The signatures in a detached SignedData, of signers named by issuer and serial number. Raises ValueError for
    anything else.
    """
    fields = _fields(signed, _SIGNED_DATA, "SignedData")
    if len(_children(fields[2], 1)) != 1:
        raise ValueError("holds what it signs, and is not detached")
    # Certificates and revocation lists may stand between; the signatures come last.
    return [_signer(each) for each in _elements(_expect(fields[-1], _SET).content)]


def _fields(encoded: bytes, kind: bytes, name: str) -> list[_Element]:
    content_type, content = _children(_only(encoded), 2)[:2]
    if content_type.tag != _OBJECT or content_type.content != kind:
        raise ValueError(f"is not {name}")
    return _children(_only(_expect(content, _CONTEXT_0).content), 3)


def _signer(signer: _Element) -> SignerInfo:
    _version, name, digest, *rest = _children(signer, 5)
    attributes = _signed_attributes(rest.pop(0)) if rest[0].tag == _CONTEXT_0 else None
    if len(rest) < 2:
        raise ValueError("a part is missing")
    return SignerInfo(
        # A signer who is named by a subject key identifier has no sequence here.
        issuer_and_serial=_expect(name, _SEQUENCE).content,
        digest_algorithm=_expect(_children(digest, 1)[0], _OBJECT).content,
        signed_attributes=attributes,
        signature=_expect(rest[1], _OCTETS).content,
    )


def _signed_attributes(attributes: _Element) -> SignedAttributes:
    values: dict[bytes, bytes] = {}
    for attribute in _elements(attributes.content):
        name, value = _children(attribute, 2)[:2]
        if name.content in values:
            raise ValueError("has an attribute twice")
        values[name.content] = _expect(value, _SET).content
    if _expect(_only(values.get(_CONTENT_TYPE, b"")), _OBJECT).content != _DATA:
        raise ValueError("signs something else than data")
    digest = _expect(_only(values.get(_MESSAGE_DIGEST, b"")), _OCTETS).content
    # They are signed as a SET, whatever tag they have where they stand (RFC 5652, 5.4).
    return SignedAttributes(digest, bytes([_SET]) + attributes.encoded[1:])


def _recipient(recipient: _Element) -> bytes:
    # Other kinds than a key transport have another tag, and one that names a subject key identifier has no sequence
    # here.
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
