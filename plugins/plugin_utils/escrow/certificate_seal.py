# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The seal for certificates: CMS EnvelopedData (RFC 5652), AES-256-CBC, for one or more X.509 certificates with RSA
keys.

Who seals cannot open. C(openssl cms -decrypt -inform DER) opens it without this collection.

This file is private to the collection: others must not import it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timezone

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.cms import require_asn1crypto
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.manifest import SEALED_FOR_CERTIFICATES
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.store import Recipient, SealError

# ansible-core needs the package too, for its vault, and is content with older versions.
CRYPTOGRAPHY_FITS = False
with suppress(ImportError):
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
    from cryptography.hazmat.primitives.ciphers.algorithms import AES256
    from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key, pkcs7
    from cryptography.x509.oid import PublicKeyAlgorithmOID

    # This came with version 45.
    CRYPTOGRAPHY_FITS = hasattr(getattr(pkcs7, "PKCS7EnvelopeBuilder", None), "set_content_encryption_algorithm")

__all__ = [
    "CertificateSeal",
    "PrivateKeyOpener",
    "load_private_key",
    "read_certificates",
    "read_private_key",
    "require_libraries",
    "subject_of",
]

MINIMUM_KEY_BITS = 2048

_STEP_SEAL = "seal the key backup for certificates"
_STEP_UNSEAL = "open the seal of the key backup"
_STEP_KEY = "read the private key"
# Longer than any certificate chain or private key in PEM.
_PEM_LIMIT_BYTES = 1024 * 1024
_PEM_BEGIN = "-----BEGIN "
_PRIVATE = "PRIVATE KEY-----"
_CERTIFICATE_ADVICE = f"Give certificates that are valid now, with RSA keys of at least {MINIMUM_KEY_BITS} bits, and that may be used for key encipherment"


class CertificateSeal:
    """Seals for the owners of certificates. C(sources) are paths of PEM files on the controller, or PEM texts, with one
    or more each.

    Raises SealError for what is no certificate to seal for: expired, not yet valid, not for encryption, another key
    than RSA.
    """

    name = SEALED_FOR_CERTIFICATES
    extension = "cms"
    can_unseal = False
    holds_manifest = True

    def __init__(self, sources: Sequence[str]) -> None:
        require_libraries(_STEP_SEAL)
        self._certificates = _load_certificates(sources)
        self.recipients = tuple(
            Recipient(subject_of(each), each.public_bytes(Encoding.DER)) for each in self._certificates
        )

    def seal(self, content: bytes) -> bytes:
        """Return C(content) as EnvelopedData in DER."""
        builder = pkcs7.PKCS7EnvelopeBuilder().set_data(content).set_content_encryption_algorithm(AES256)
        for certificate in self._certificates:
            builder = builder.add_recipient(certificate)
        # Without Binary, line ends would be changed as if it were mail.
        return builder.encrypt(Encoding.DER, [pkcs7.PKCS7Options.Binary])

    def unseal(self, sealed: bytes) -> bytes:
        """Raise SealError: a certificate opens nothing."""
        raise SealError(
            _STEP_UNSEAL, "a certificate cannot open what was sealed for it", "Give the private key of its owner"
        )


class PrivateKeyOpener:
    """Opens what was sealed for C(recipients). Raises SealError when the private key belongs to none of them."""

    name = SEALED_FOR_CERTIFICATES
    holds_manifest = True

    def __init__(self, private_key: RSAPrivateKey, recipients: Sequence[Recipient]) -> None:
        self._private_key = private_key
        self._certificate = _certificate_of(private_key, recipients)

    def __repr__(self) -> str:
        return "PrivateKeyOpener()"

    def unseal(self, sealed: bytes) -> bytes:
        """Return what was sealed."""
        try:
            return pkcs7.pkcs7_decrypt_der(sealed, self._certificate, self._private_key, [])
        except (ValueError, UnsupportedAlgorithm):
            raise SealError(
                _STEP_UNSEAL,
                f"the private key of {subject_of(self._certificate)} does not open it, though it was sealed for that certificate",
                "Use an older backup or make a new one; keep this file for the investigation",
            ) from None


def load_private_key(path: str, passphrase: str | None) -> RSAPrivateKey:
    """Read a recovery officer's private key in PEM from a file on the controller. Raises SealError, which never holds
    any of it.
    """
    key = read_private_key(path, passphrase, "seal_private_key_passphrase", _STEP_KEY)
    if not isinstance(key, RSAPrivateKey):
        raise SealError(
            _STEP_KEY,
            f"{path} is not an RSA key",
            "Give the private key of one of the certificates that the backup was sealed for",
        )
    return key


def read_private_key(path: str, passphrase: str | None, passphrase_option: str, step: str) -> PrivateKeyTypes:
    """Read any private key in PEM from a file on the controller. Raises SealError, which never holds any of it."""
    require_libraries(step)
    pem = _read(path, step)
    try:
        return load_pem_private_key(pem, None if passphrase is None else passphrase.encode("utf-8", "surrogatepass"))
    except TypeError:
        found = (
            "is encrypted and no passphrase was given"
            if passphrase is None
            else "is not encrypted, and a passphrase was given"
        )
        raise SealError(step, f"{path} {found}", f"Correct {passphrase_option}") from None
    except (ValueError, UnsupportedAlgorithm):
        # Not chained: nobody knows what the original repeats of the file.
        reason = (
            "is no private key in PEM" if passphrase is None else "is no private key in PEM, or the passphrase is wrong"
        )
        raise SealError(
            step, f"{path} {reason}", "Give the PEM file of a private key, and its passphrase if it has one"
        ) from None


def read_certificates(source: str, option: str, step: str) -> list[x509.Certificate]:
    """The certificates in a PEM file on the controller, or in a PEM text. Raises SealError without any."""
    require_libraries(step)
    return _parsed(source, f"the text in {option}" if _PEM_BEGIN in source else os.path.expanduser(source), step)


def require_libraries(step: str) -> None:
    """Raise SealError or Asn1cryptoMissing unless both libraries are there and new enough."""
    if not CRYPTOGRAPHY_FITS:
        found = "the Python package cryptography on the controller is missing or older than version 45"
        raise SealError(step, found, "Install a newer one where ansible-core runs")
    require_asn1crypto()


def _load_certificates(sources: Sequence[str]) -> list[x509.Certificate]:
    """All certificates, each once, and all fit to seal for."""
    certificates: dict[bytes, x509.Certificate] = {}
    named: set[tuple[bytes, int]] = set()
    for number, source in enumerate(sources, 1):
        place = f"item {number} of seal_certificates" if _PEM_BEGIN in source else os.path.expanduser(source)
        for certificate in _parsed(source, place, _STEP_SEAL):
            encoded = certificate.public_bytes(Encoding.DER)
            if encoded in certificates:
                continue
            name = _checked(certificate, place)
            if name in named:
                # The envelope names recipients so: of two that are named alike, only one could open it.
                raise _refused(certificate, place, "another certificate has the same issuer and serial number")
            named.add(name)
            certificates[encoded] = certificate
    if not certificates:
        raise SealError(_STEP_SEAL, "seal_certificates is empty", _CERTIFICATE_ADVICE)
    return list(certificates.values())


def _parsed(source: str, place: str, step: str) -> list[x509.Certificate]:
    pem = source.encode("utf-8", "surrogatepass") if _PEM_BEGIN in source else _read(place, step)
    if _PRIVATE.encode() in pem:
        advice = "Take it away: whoever makes backups needs the certificate alone, and must not be able to open them"
        raise SealError(step, f"{place} holds a private key", advice)
    try:
        return x509.load_pem_x509_certificates(pem)
    except (ValueError, x509.InvalidVersion):
        raise SealError(
            step,
            f"{place} is no certificate in PEM",
            _CERTIFICATE_ADVICE if step == _STEP_SEAL else "Give certificates in PEM",
        ) from None


def _read(path: str, step: str) -> bytes:
    try:
        with open(path, "rb") as stream:
            return stream.read(_PEM_LIMIT_BYTES)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SealError(
            step, f"{path}: {reason}", "Give a file on the controller that the user who runs the playbook can read"
        ) from error


def _checked(certificate: x509.Certificate, place: str) -> tuple[bytes, int]:
    """What an envelope names the certificate by. Raises SealError when nothing should be sealed for it."""
    try:
        problem = _problem(certificate, datetime.now(timezone.utc))
        name = certificate.issuer.public_bytes(), certificate.serial_number
    except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension) as error:
        raise SealError(_STEP_SEAL, f"{place}: the certificate cannot be read: {error}", _CERTIFICATE_ADVICE) from error
    if problem:
        raise _refused(certificate, place, problem)
    return name


def _problem(certificate: x509.Certificate, now: datetime) -> str | None:
    key = certificate.public_key()
    if certificate.not_valid_after_utc < now:
        return f"it expired at {certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}"
    if certificate.not_valid_before_utc > now:
        return f"it is not valid before {certificate.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}"
    if not isinstance(key, RSAPublicKey):
        return "its key is not an RSA key, and this seal knows no other"
    if certificate.public_key_algorithm_oid != PublicKeyAlgorithmOID.RSAES_PKCS1_v1_5:
        # RSA-PSS is for signatures alone, and nothing opens what was enciphered for such a key (RFC 4055).
        return f"its RSA key is for signatures or one scheme alone (algorithm {certificate.public_key_algorithm_oid.dotted_string})"
    if key.key_size < MINIMUM_KEY_BITS:
        return f"its RSA key has {key.key_size} bits"
    if not _may_encipher(certificate):
        return "it is not for encryption: its key usage lacks key encipherment"
    return None


def _may_encipher(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value.key_encipherment
    except x509.ExtensionNotFound:
        # Without the extension, the key may be used for everything (RFC 5280).
        return True


def _refused(certificate: x509.Certificate, place: str, problem: str) -> SealError:
    return SealError(
        _STEP_SEAL, f"{place}: the certificate of {subject_of(certificate)} is refused: {problem}", _CERTIFICATE_ADVICE
    )


def _certificate_of(private_key: RSAPrivateKey, recipients: Sequence[Recipient]) -> x509.Certificate:
    numbers = private_key.public_key().public_numbers()
    for recipient in recipients:
        try:
            certificate = x509.load_der_x509_certificate(recipient.certificate)
            key = certificate.public_key()
        except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion):
            continue
        if isinstance(key, RSAPublicKey) and key.public_numbers() == numbers:
            return certificate
    subjects = "; ".join(recipient.subject for recipient in recipients)
    raise SealError(
        _STEP_UNSEAL,
        f"the private key is of none of those it was sealed for: {subjects}",
        "Give the private key of one of them",
    )


def subject_of(certificate: x509.Certificate) -> str:
    """Whose it is, for people."""
    return certificate.subject.rfc4514_string()
