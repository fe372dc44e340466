# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading who can open an envelope, and who signed; whatever else is given, it is a ValueError of one sentence."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from contextlib import suppress

import pytest
from asn1crypto import core
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st
from unit.plugins.plugin_utils.officers import make_certificate, pem, rsa_key

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow import cms
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.certificate_seal import CertificateSeal
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.cms import (
    Asn1cryptoMissing,
    envelope_recipients,
    issuer_and_serial,
    signer_infos,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.signature import TrustedSigners

CERTIFICATES = [make_certificate(name, rsa_key(name)) for name in ("anna", "ben")]
ENVELOPE = CertificateSeal([pem(certificate) for certificate in CERTIFICATES]).seal(b"content")
CERTIFICATE = CERTIFICATES[0].public_bytes(Encoding.DER)


def part(tag: int, *contents: bytes) -> bytes:
    content = b"".join(contents)
    return bytes([tag, 0x84]) + len(content).to_bytes(4, "big") + content


def test_recipients_are_those_it_was_sealed_for() -> None:
    assert set(envelope_recipients(ENVELOPE)) == {
        issuer_and_serial(certificate.public_bytes(Encoding.DER)) for certificate in CERTIFICATES
    }


def test_issuer_and_serial_of_a_certificate() -> None:
    serial = CERTIFICATES[0].serial_number
    encoded = serial.to_bytes(serial.bit_length() // 8 + 1, "big")
    assert issuer_and_serial(CERTIFICATE) == CERTIFICATES[0].issuer.public_bytes() + bytes([2, len(encoded)]) + encoded


def test_a_certificate_of_version_1_has_no_version() -> None:
    serial, issuer = part(0x02, b"\x07"), part(0x30, b"")
    fields = part(0x30, serial, part(0x30), issuer, part(0x30), part(0x30), part(0x30))
    assert issuer_and_serial(part(0x30, fields, part(0x30), part(0x03))) == issuer + serial


DATA, SIGNED, ENVELOPED = (part(0x06, bytes.fromhex(f"2a864886f70d01070{number}")) for number in (1, 2, 3))


def envelope(*fields: bytes) -> bytes:
    return part(0x30, ENVELOPED, part(0xA0, part(0x30, part(0x02, b"\x00"), *fields)))


def with_more_inside(whole: bytes) -> bytes:
    """The same content, and null behind it."""
    content_type, content = core.SequenceOf.load(whole, spec=core.Any)
    return part(0x30, content_type.dump(), part(0xA0, content.contents, b"\x05\x00"))


HOSTILE = {
    "empty": b"",
    "tag only": b"\x30",
    "length cut off": b"\x30\x84\x01",
    "length without end": b"\x30\x80\x00\x00",
    "a length of 4 GB": b"\x30\x84\xff\xff\xff\xff",
    "a length of 127 bytes": b"\x30\xff" + b"\xff" * 127,
    "nested without end": b"\x30\x80" * 100_000,
    "nested": b"".join(b"\x30\x84" + (6 * n).to_bytes(4, "big") for n in range(9999, -1, -1)),
    "not a sequence": part(0x31),
    "one part": part(0x30, ENVELOPED),
    "three parts": part(0x30, ENVELOPED, part(0xA0), part(0xA0)),
    "other content": part(0x30, part(0x06, b"\x2a"), part(0xA0, part(0x30))),
    "content of a name of a megabyte": part(0x30, part(0x06, b"\xff" * 1_000_000 + b"\x01"), part(0xA0, part(0x30))),
    "a high tag": b"\x3f" + b"\xff" * 1000 + b"\x01\x00",
}


@pytest.mark.parametrize("read", [envelope_recipients, issuer_and_serial, signer_infos])
@pytest.mark.parametrize("case", HOSTILE)
def test_what_is_something_else_is_one_sentence(case: str, read: Callable[[bytes], object]) -> None:
    reason = r"(is no (EnvelopedData for RSA keys|certificate|SignedData) in DER|ends in the middle of a part)\Z"
    with pytest.raises(ValueError, match=reason) as caught:
        read(HOSTILE[case])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "data",
    [
        ENVELOPE + b"\x05\x00",
        with_more_inside(ENVELOPE),
        envelope(),
        envelope(part(0xA0), part(0x31)),
        envelope(part(0x31, part(0xA1)), part(0x30)),
        envelope(part(0x31, part(0x30, part(2), part(0x80), part(0x30), part(4))), part(0x30)),
    ],
    ids=[
        "more behind it",
        "more behind its content",
        "no recipients",
        "originator",
        "key agreement",
        "subject key identifier",
    ],
)
def test_what_is_no_envelope_of_ours(data: bytes) -> None:
    with pytest.raises(ValueError, match="is no EnvelopedData for RSA keys in DER"):
        envelope_recipients(data)


def test_a_certificate_has_nothing_behind_it() -> None:
    with pytest.raises(ValueError, match="is no certificate in DER"):
        issuer_and_serial(CERTIFICATE + b"\x05\x00")


@pytest.mark.parametrize("length", [1, 2, 4, 20, len(ENVELOPE) // 2, len(ENVELOPE) - 1])
def test_an_envelope_that_was_cut_off_is_called_so(length: int) -> None:
    with pytest.raises(ValueError, match="ends in the middle of a part"):
        envelope_recipients(ENVELOPE[:length])


SHA256 = part(0x30, part(0x06, bytes.fromhex("608648016503040201")))
NAME = part(0x30, part(0x30), part(0x02, b"\x07"))
CONTENT_TYPE = part(0x30, part(0x06, bytes.fromhex("2a864886f70d010903")), part(0x31, DATA))
DIGEST = part(0x30, part(0x06, bytes.fromhex("2a864886f70d010904")), part(0x31, part(0x04, b"digest")))


def signed(
    attributes: bytes = b"", *, content: bytes = b"", name: bytes = NAME, signature: bytes = b"\x04\x01s"
) -> bytes:
    signer = part(0x30, part(0x02, b"\x01"), name, SHA256, attributes, SHA256, signature)
    inside = (part(0x02, b"\x01"), part(0x31, SHA256), part(0x30, b"\x06\x09" + DATA[6:], content), part(0x31, signer))
    return part(0x30, SIGNED, part(0xA0, part(0x30, *inside)))


def test_a_signature_with_what_it_is_of() -> None:
    [signer] = signer_infos(signed(part(0xA0, CONTENT_TYPE, DIGEST)))
    assert signer.issuer_and_serial == part(0x30) + part(0x02, b"\x07")
    assert (signer.digest_algorithm.hex(), signer.signature) == ("608648016503040201", b"s")
    assert signer.signed_attributes is not None
    assert signer.signed_attributes.message_digest == b"digest"
    assert signer.signed_attributes.signed_bytes[:1] == b"\x31"
    assert signer.signed_attributes.signed_bytes.endswith(CONTENT_TYPE + DIGEST)
    [signer] = signer_infos(signed())
    assert signer.signed_attributes is None


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (signed() + b"\x05\x00", "is no SignedData"),
        (with_more_inside(signed()), "is no SignedData"),
        (signed(content=part(0xA0, part(0x04, b"x"))), "is not detached"),
        (signed(part(0xA0, CONTENT_TYPE, DIGEST, DIGEST)), "has an attribute twice"),
        (signed(part(0xA0, CONTENT_TYPE.replace(DATA, SIGNED), DIGEST)), "signs something else than data"),
        (signed(part(0xA0, CONTENT_TYPE)), "is no SignedData"),
        (signed(part(0xA0, DIGEST)), "is no SignedData"),
        (signed(part(0xA0, CONTENT_TYPE, DIGEST.replace(b"\x04\x84", b"\x0c\x84"))), "is no SignedData"),
        (signed(part(0xA0, CONTENT_TYPE[:-1], DIGEST)), "ends in the middle of a part"),
        (signed(name=part(0x80, b"identifier")), "is no SignedData"),
        (signed(signature=b""), "is no SignedData"),
        (signed(signature=part(0x02, b"\x01")), "is no SignedData"),
    ],
)
def test_what_is_no_signature_of_ours(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        signer_infos(data)
    assert "\n" not in str(caught.value)


def test_without_asn1crypto_nothing_is_said_of_a_backup(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cms, "HAS_ASN1CRYPTO", False)
    for attempt in (lambda: envelope_recipients(ENVELOPE), lambda: CertificateSeal([]), lambda: TrustedSigners([])):
        with pytest.raises(Asn1cryptoMissing, match=r"asn1crypto.* cannot be imported\. Install") as caught:
            attempt()
        assert isinstance(pickle.loads(pickle.dumps(caught.value)), Asn1cryptoMissing)


@given(st.one_of(st.binary(max_size=200), st.tuples(st.integers(0, len(ENVELOPE) - 1), st.integers(0, 255))))
def test_any_bytes_are_read_or_refused(change: bytes | tuple[int, int]) -> None:
    whole = signed(part(0xA0, CONTENT_TYPE, DIGEST))
    for real, read in ((ENVELOPE, envelope_recipients), (CERTIFICATE, issuer_and_serial), (whole, signer_infos)):
        data = change if isinstance(change, bytes) else real[: change[0]] + bytes([change[1]]) + real[change[0] + 1 :]
        with suppress(ValueError):
            assert read(data) is not None
