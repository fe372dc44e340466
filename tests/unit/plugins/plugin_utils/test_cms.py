# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading who can open an envelope; whatever else is given, it is a ValueError."""

from __future__ import annotations

from contextlib import suppress

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st
from unit.plugins.plugin_utils.officers import make_certificate, pem, rsa_key

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.certificate_seal import CertificateSeal
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.cms import envelope_recipients, issuer_and_serial

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


ENVELOPED = part(0x06, bytes.fromhex("2a864886f70d010703"))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "does not consist of one part"),
        (ENVELOPE + b"\x05\x00", "does not consist of one part"),
        (ENVELOPE[:-1], "ends in the middle of a part"),
        (b"\x30", "ends in the middle of a part"),
        (b"\x30\x84\x01", "ends in the middle of a part"),
        (b"\x30\x80\x00\x00", "a part without a length"),
        (part(0x31), "kind 31 where 30 belongs"),
        (part(0x30, ENVELOPED), "a part is missing"),
        (part(0x30, part(0x06, b"\x2a"), part(0xA0)), "is not EnvelopedData"),
        (part(0x30, ENVELOPED, part(0xA0, part(0x30, part(2), part(0xA0), part(0x31)))), "kind a0 where 31 belongs"),
        (part(0x30, ENVELOPED, part(0xA0, part(0x30, part(2), part(0x31, part(0xA1)), part(0x30)))), "kind a1 where 30 belongs"),
        (part(0x30, ENVELOPED, part(0xA0, part(0x30, part(2), part(0x31, part(0x30, part(2), part(0x80), part(0x30), part(4))), part(0x30)))), "kind 80 where"),
    ],
    ids=["empty", "more behind it", "cut off", "tag only", "length cut off", "indefinite length", "not a sequence", "no content", "other content",
         "originator", "key agreement", "subject key identifier"],
)  # fmt: skip
def test_what_is_no_envelope_of_ours(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        envelope_recipients(data)


@given(st.one_of(st.binary(max_size=200), st.tuples(st.integers(0, len(ENVELOPE) - 1), st.integers(0, 255))))
def test_any_bytes_are_read_or_refused(change: bytes | tuple[int, int]) -> None:
    for real, read in ((ENVELOPE, envelope_recipients), (CERTIFICATE, issuer_and_serial)):
        data = change if isinstance(change, bytes) else real[: change[0]] + bytes([change[1]]) + real[change[0] + 1 :]
        with suppress(ValueError):
            assert read(data) is not None
