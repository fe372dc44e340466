# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who can open a CMS EnvelopedData, and who signed a CMS SignedData, read without any key: by issuer and serial number.

asn1crypto knows the structures (RFC 5652, RFC 5280), and reads only those parts that are asked for. cryptography makes
and opens them, and does not tell this.

This file is private to the collection: others must not import it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError

HAS_ASN1CRYPTO = True
try:
    from asn1crypto import cms, core, x509
except ImportError:
    HAS_ASN1CRYPTO = False

# 1.2.840.113549.1.7.1 to 3
_DATA = bytes.fromhex("2a864886f70d010701")
_SIGNED_DATA = bytes.fromhex("2a864886f70d010702")
_ENVELOPED_DATA = bytes.fromhex("2a864886f70d010703")
# 1.2.840.113549.1.9.3 and 4
_CONTENT_TYPE = bytes.fromhex("2a864886f70d010903")
_MESSAGE_DIGEST = bytes.fromhex("2a864886f70d010904")


class Asn1cryptoMissing(OpsmgrError):
    """asn1crypto is not installed for the Python that runs Ansible: it cannot be told who can open or who signed."""

    def __init__(self) -> None:
        found = "the Python library asn1crypto, which reads certificates' seals and signatures, cannot be imported"
        super().__init__("read a key backup", found, "Install the package asn1crypto where ansible-core runs")

    def __reduce__(self) -> tuple[type[Asn1cryptoMissing], tuple[()]]:
        return type(self), ()


class CmsError(ValueError):
    """It is something else. The text goes behind the name of what was read."""


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


def require_asn1crypto() -> None:
    """Raise Asn1cryptoMissing unless the library is there."""
    if not HAS_ASN1CRYPTO:
        raise Asn1cryptoMissing


def envelope_recipients(envelope: bytes) -> list[bytes]:
    """The encoded issuer and serial number of each recipient, in no certain order. Raises ValueError for anything else
    than EnvelopedData for RSA keys.
    """
    with _reading("EnvelopedData for RSA keys"):
        enveloped = cms.EnvelopedData.load(_content(envelope, _ENVELOPED_DATA), strict=True)
        # Other kinds than a key transport have no field rid.
        return [_named(recipient.chosen["rid"]) for recipient in enveloped["recipient_infos"]]


def issuer_and_serial(certificate: bytes) -> bytes:
    """The same of a certificate, for comparing. Raises ValueError for anything else."""
    with _reading("certificate"):
        fields = x509.Certificate.load(certificate, strict=True)["tbs_certificate"]
        return _encoded(fields["issuer"], fields["serial_number"])


def signer_infos(signed: bytes) -> list[SignerInfo]:
    """The signatures in a detached SignedData, of signers named by issuer and serial number. Raises ValueError for
    anything else.
    """
    with _reading("SignedData"):
        fields = cms.SignedData.load(_content(signed, _SIGNED_DATA), strict=True)
        if fields["encap_content_info"].contents != bytes([0x06, len(_DATA)]) + _DATA:
            raise CmsError("holds what it signs, and is not detached, or signs something else than data")
        return [_signer(signer) for signer in fields["signer_infos"]]


def _content(encoded: bytes, kind: bytes) -> bytes:
    [content_type, content] = _parts(encoded)
    if content_type != kind:
        raise ValueError
    return content


def _parts(sequence: bytes) -> list[bytes]:
    """What is in the parts of a sequence. The library's own types put each object identifier into words, and for one of
    megabytes that takes hours.
    """
    return [part.contents for part in core.SequenceOf.load(sequence, strict=True, spec=core.Any)]


def _signer(signer: cms.SignerInfo) -> SignerInfo:
    attributes = signer["signed_attrs"]
    return SignerInfo(
        issuer_and_serial=_named(signer["sid"]),
        digest_algorithm=_parts(signer["digest_algorithm"].dump())[0],
        signed_attributes=_signed_attributes(attributes) if attributes else None,
        signature=signer["signature"].native,
    )


def _named(identifier: cms.SignerIdentifier | cms.RecipientIdentifier) -> bytes:
    # One that is named by a subject key identifier has no such fields.
    return _encoded(identifier.chosen["issuer"], identifier.chosen["serial_number"])


def _encoded(issuer: x509.Name, serial: core.Integer) -> bytes:
    encoded: bytes = issuer.dump() + serial.dump()
    return encoded


def _signed_attributes(attributes: cms.CMSAttributes) -> SignedAttributes:
    # Each has a name, and a set of values: one here, of those that are read.
    pairs = [_parts(attribute.dump()) for attribute in attributes]
    values = dict(pairs)
    if len(values) != len(pairs):
        raise CmsError("has an attribute twice")
    if core.ObjectIdentifier.load(values[_CONTENT_TYPE], strict=True).contents != _DATA:
        raise CmsError("signs something else than data")
    digest = core.OctetString.load(values[_MESSAGE_DIGEST], strict=True).native
    # They are signed as a SET, whatever tag they have where they stand (RFC 5652, 5.4).
    return SignedAttributes(digest, attributes.untag().dump())


@contextmanager
def _reading(name: str) -> Iterator[None]:
    """Say in one line that it is something else. The library does so in many."""
    require_asn1crypto()
    try:
        yield
    except CmsError:
        raise
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        is_cut_off = str(error).startswith("Insufficient data")
        raise CmsError("ends in the middle of a part" if is_cut_off else f"is no {name} in DER") from error
