# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recovery officers for tests: a private key and a certificate of their own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@lru_cache
def rsa_key(owner: str, bits: int = 2048) -> rsa.RSAPrivateKey:
    """The key of that officer, always the same one."""
    return rsa.generate_private_key(65537, bits)


def days(first: int, last: int) -> tuple[datetime, datetime]:
    """Two times, in days from now."""
    now = datetime.now(timezone.utc)
    return now + timedelta(days=first), now + timedelta(days=last)


def make_certificate(
    name: str,
    key: PrivateKey,
    *,
    first_day: int = -1,
    last_day: int = 1,
    serial: int | None = None,
    key_encipherment: bool | None = True,
) -> x509.Certificate:
    """A certificate, valid between days counted from now; key_encipherment None leaves out the key usage."""
    subject = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, name), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Odyssey")]
    )
    begin, end = days(first_day, last_day)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
    )
    if key_encipherment is not None:
        builder = builder.add_extension(key_usage(key_encipherment), critical=True)
    return builder.sign(key, hashes.SHA256())


def key_usage(key_encipherment: bool) -> x509.KeyUsage:
    """A key usage for signatures, and for key encipherment if wanted."""
    return x509.KeyUsage(
        digital_signature=True, key_encipherment=key_encipherment, content_commitment=False, data_encipherment=False, key_agreement=False,
        key_cert_sign=False, crl_sign=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def pem(certificate: x509.Certificate) -> str:
    """A certificate as text."""
    return certificate.public_bytes(Encoding.PEM).decode("ascii")


def key_pem(key: PrivateKey, passphrase: str | None = None) -> str:
    """A private key as text."""
    encryption: KeySerializationEncryption = (
        NoEncryption() if passphrase is None else BestAvailableEncryption(passphrase.encode())
    )
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode("ascii")


@dataclass(frozen=True)
class Officer:
    """Somebody with a certificate and a private key, in files."""

    name: str
    certificate: Path
    private_key: Path


def hire(directory: Path, name: str, passphrase: str | None = None) -> Officer:
    """Write the files of a new officer."""
    key = rsa_key(name)
    officer = Officer(name, directory / f"{name}.pem", directory / f"{name}.key")
    officer.certificate.write_text(pem(make_certificate(name, key)), encoding="ascii")
    officer.private_key.write_text(key_pem(key, passphrase), encoding="ascii")
    return officer
