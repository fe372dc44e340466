# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's own certificate authority, and a server certificate for each host."""

from __future__ import annotations

import datetime
import ipaddress
import os
import ssl
import threading
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALID_DAYS = 3650
_NOT_A_CA_USAGE = (
    "content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only", "decipher_only",
)  # fmt: skip
_CA_FILE, _CA_KEY_FILE = "ca.pem", "ca.key"


class CertificateAuthority:
    """Issues server certificates (EC P-256) and keeps them in a directory; made by :func:`make_ca`."""

    def __init__(self, directory: Path, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self.directory = directory
        self._certificate = certificate
        self._key = key
        self._lock = threading.Lock()

    @property
    def ca_file(self) -> Path:
        """The certificate that clients must trust."""
        return self.directory / _CA_FILE

    def server_certificate(self, name: str, fqdn: str, address: str, valid_in_days: int = -1) -> Path:
        """A file with key and certificate for this host, made once; its names are address, name and FQDN."""
        path = self.directory / f"{name.lower()}-{address}.pem"
        with self._lock:
            if not path.exists():
                key = ec.generate_private_key(ec.SECP256R1())
                _write(path, _key_pem(key) + _pem(self._issue(key, name, fqdn, address, valid_in_days)))
        return path

    def server_context(self, name: str, fqdn: str, address: str, valid_in_days: int = -1) -> ssl.SSLContext:
        """What a listener of this host needs to speak TLS.

        :param valid_in_days: when its certificate begins to be valid; later than now where the server's clock is ahead
            of the client's
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.server_certificate(name, fqdn, address, valid_in_days))
        return context

    def _issue(
        self, key: ec.EllipticCurvePrivateKey, name: str, fqdn: str, address: str, valid_in_days: int
    ) -> x509.Certificate:
        names: list[x509.GeneralName] = [x509.DNSName(each) for each in dict.fromkeys((fqdn.lower(), name.lower()))]
        names.append(x509.IPAddress(ipaddress.ip_address(address)))
        builder = _builder(fqdn, self._certificate.subject, key.public_key(), valid_in_days)
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return builder.add_extension(issuer, critical=False).sign(self._key, hashes.SHA256())


def make_ca(directory: str | Path) -> CertificateAuthority:
    """The authority kept in this directory, made on first use."""
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / _CA_FILE).exists():
        key = ec.generate_private_key(ec.SECP256R1())
        _write(folder / _CA_KEY_FILE, _key_pem(key))
        _write(folder / _CA_FILE, _pem(_self_signed(key)), mode=0o644)
    loaded = serialization.load_pem_private_key((folder / _CA_KEY_FILE).read_bytes(), password=None)
    if not isinstance(loaded, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{folder / _CA_KEY_FILE} is not the key of this lab's authority; remove the directory")
    return CertificateAuthority(folder, x509.load_pem_x509_certificate((folder / _CA_FILE).read_bytes()), loaded)


def _self_signed(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    title = "opsmgr.recovery lab CA"
    builder = _builder(title, x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, title)]), key.public_key())
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    usage = x509.KeyUsage(
        key_cert_sign=True, crl_sign=True, digital_signature=True, **dict.fromkeys(_NOT_A_CA_USAGE, False)
    )
    return builder.add_extension(usage, critical=True).sign(key, hashes.SHA256())


def _builder(
    subject: str, issuer: x509.Name, key: ec.EllipticCurvePublicKey, valid_in_days: int = -1
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days=valid_in_days))
        .not_valid_after(now + datetime.timedelta(days=VALID_DAYS))
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Write so that no half file is ever seen and a key is never readable by others."""
    temporary = path.with_suffix(f".{os.getpid()}")
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        file.write(data)
    temporary.replace(path)
