# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who made a backup: the job's detached CMS signature (RFC 5652) of a manifest, in DER.

C(openssl cms -verify -binary -inform DER -in X.p7s -content X.json) verifies it without this collection.

This file is private to the collection: others must not import it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.certificate_seal import (
    read_certificates,
    read_private_key,
    require_libraries,
    subject_of,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.cms import (
    SignedAttributes,
    SignerInfo,
    issuer_and_serial,
    signer_infos,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.store import SealError

with suppress(ImportError):
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
    from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

__all__ = ["JobSigner", "TrustedSigners"]

_STEP_SIGN = "sign the key backup"
_STEP_TRUST = "read whose signatures count"
_ADVICE = "Give a certificate for digital signatures with an RSA key of at least 2048 bits or an elliptic curve's, and the private key that belongs to it"
MINIMUM_RSA_BITS = 2048
# The digests that a signature may use, by object identifier.
_DIGESTS = {
    bytes.fromhex("608648016503040201"): "sha256",
    bytes.fromhex("608648016503040202"): "sha384",
    bytes.fromhex("608648016503040203"): "sha512",
}


class JobSigner:
    """Signs manifests with the job's own private key. C(certificate) is a PEM file on the controller or a PEM text.

    Raises SealError when the two do not belong together, or are not for signatures.
    """

    def __init__(self, private_key: str, passphrase: str | None, certificate: str) -> None:
        # Those that follow the first are its chain.
        self._certificate = read_certificates(certificate, "signing_certificate", _STEP_SIGN)[0]
        key = read_private_key(private_key, passphrase, "signing_key_passphrase", _STEP_SIGN)
        problem = _unfit(self._certificate)
        if problem:
            raise SealError(_STEP_SIGN, f"{subject_of(self._certificate)}: {problem}", _ADVICE)
        if (
            not isinstance(key, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey))
            or key.public_key() != self._certificate.public_key()
        ):
            raise SealError(
                _STEP_SIGN, f"{private_key} is not the private key of {subject_of(self._certificate)}", _ADVICE
            )
        self._key = key

    def __repr__(self) -> str:
        return "JobSigner()"

    def sign(self, manifest: bytes) -> bytes:
        """Return a detached signature of the manifest."""
        builder = (
            pkcs7.PKCS7SignatureBuilder().set_data(manifest).add_signer(self._certificate, self._key, hashes.SHA256())
        )
        # Without Binary, line ends would be changed as if it were mail.
        return builder.sign(Encoding.DER, [pkcs7.PKCS7Options.DetachedSignature, pkcs7.PKCS7Options.Binary])


class TrustedSigners:
    """Whose signatures count: the owners of certificates. C(sources) are PEM files on the controller, or PEM texts,
    with one or more each.

    The certificates themselves are trusted, so that neither their issuers nor their dates are asked: a backup outlives
    a certificate.
    """

    def __init__(self, sources: Sequence[str]) -> None:
        require_libraries(_STEP_TRUST)
        self._certificates = {}
        for certificate in (
            each for source in sources for each in read_certificates(source, "trusted_signers", _STEP_TRUST)
        ):
            problem = _unfit(certificate)
            if problem:
                raise SealError(_STEP_TRUST, f"{subject_of(certificate)}: {problem}", _ADVICE)
            self._certificates[issuer_and_serial(certificate.public_bytes(Encoding.DER))] = certificate
        if not self._certificates:
            raise SealError(_STEP_TRUST, "trusted_signers is empty", _ADVICE)

    def problem(self, manifest: bytes, signature: bytes) -> str | None:
        """Why the signature is not one of theirs, or None when it is one."""
        try:
            signers = [(self._certificates.get(each.issuer_and_serial), each) for each in signer_infos(signature)]
        except ValueError as error:
            return f"the signature {error}"
        known = [(certificate, signer) for certificate, signer in signers if certificate is not None]
        if not known:
            return "the backup is signed by somebody whose signature does not count here"
        if any(_is_signed(certificate, signer, manifest) for certificate, signer in known):
            return None
        return "the signature is not one of this manifest: one of them was changed"


def _unfit(certificate: x509.Certificate) -> str | None:
    """Why signatures with the key of a certificate are neither made nor believed."""
    try:
        key = certificate.public_key()
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        signs = usage.digital_signature or usage.content_commitment
    except x509.ExtensionNotFound:
        # Without the extension, the key may be used for everything (RFC 5280).
        signs = True
    except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension):
        return "the certificate cannot be read"
    if not signs:
        return "it is not for digital signatures"
    if isinstance(key, rsa.RSAPublicKey):
        return f"its RSA key has {key.key_size} bits" if key.key_size < MINIMUM_RSA_BITS else None
    return (
        None if isinstance(key, ec.EllipticCurvePublicKey) else "its key is neither an RSA key nor an elliptic curve's"
    )


def _is_signed(certificate: x509.Certificate, signer: SignerInfo, manifest: bytes) -> bool:
    digest = _DIGESTS.get(signer.digest_algorithm)
    attributes = signer.signed_attributes
    if digest is None or attributes is None or attributes.message_digest != hashlib.new(digest, manifest).digest():
        return False
    try:
        _verify_signature(certificate, signer, attributes, digest)
    except (InvalidSignature, ValueError, UnsupportedAlgorithm):
        return False
    return True


def _verify_signature(
    certificate: x509.Certificate, signer: SignerInfo, attributes: SignedAttributes, digest: str
) -> None:
    algorithm = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}[digest]
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        key.verify(signer.signature, attributes.signed_bytes, padding.PKCS1v15(), algorithm)
    elif isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(signer.signature, attributes.signed_bytes, ec.ECDSA(algorithm))
    else:
        raise InvalidSignature
