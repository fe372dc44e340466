# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sealed for certificates: who can open it and who cannot, with the real openssl too, and which certificates are
refused.
"""

from __future__ import annotations

import base64
import importlib
import subprocess
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from unit.plugins.plugin_utils.officers import Officer, days, hire, key_pem, make_certificate, pem, rsa_key

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow import certificate_seal
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.certificate_seal import (
    CertificateSeal,
    PrivateKeyOpener,
    SealError,
    load_private_key,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.cms import envelope_recipients, issuer_and_serial
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.store import Recipient

# Line ends that would be changed in a mail, and every byte.
KEY_FILE = b"\r\n.\n\r" + bytes(range(256)) * 5 + b"\n"
PASSPHRASE = "p%PATH%^&\"!' ü8"


@pytest.fixture
def officers(tmp_path: Path) -> list[Officer]:
    return [hire(tmp_path, name) for name in ("anna", "ben")]


def seal_for(officers: list[Officer]) -> CertificateSeal:
    return CertificateSeal([str(officer.certificate) for officer in officers])


def openssl(*arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["openssl", *arguments], input=given, capture_output=True, check=False)


def test_each_officer_opens_it_alone(officers: list[Officer]) -> None:
    seal = seal_for(officers)
    sealed = seal.seal(KEY_FILE)
    assert KEY_FILE[5:21] not in sealed
    for officer in officers:
        assert (
            PrivateKeyOpener(load_private_key(str(officer.private_key), None), seal.recipients).unseal(sealed)
            == KEY_FILE
        )


def test_openssl_opens_it_for_each_officer_and_for_nobody_else(officers: list[Officer], tmp_path: Path) -> None:
    (tmp_path / "backup.cms").write_bytes(seal_for(officers).seal(KEY_FILE))
    stranger = hire(tmp_path, "stranger")
    command = ["cms", "-decrypt", "-inform", "DER", "-in", str(tmp_path / "backup.cms")]

    def opened_by(officer: Officer) -> bytes:
        # Without -recip, OpenSSL 3.2 and newer takes the first recipient for the right one, and writes nonsense with
        # exit code 0.
        return openssl(*command, "-recip", str(officer.certificate), "-inkey", str(officer.private_key)).stdout

    assert [opened_by(officer) for officer in officers] == [KEY_FILE] * len(officers)
    assert opened_by(stranger) != KEY_FILE


def test_the_cipher_is_aes_256(officers: list[Officer]) -> None:
    shown = openssl("cms", "-cmsout", "-print", "-inform", "DER", given=seal_for(officers).seal(KEY_FILE)).stdout
    assert b"algorithm: aes-256-cbc" in shown
    assert shown.count(b"d.ktri:") == len(officers)


def test_what_openssl_sealed_opens_and_is_understood(officers: list[Officer]) -> None:
    sealed = openssl(
        "cms",
        "-encrypt",
        "-binary",
        "-aes256",
        "-outform",
        "DER",
        *(str(each.certificate) for each in officers),
        given=KEY_FILE,
    ).stdout
    recipients = seal_for(officers).recipients
    assert set(envelope_recipients(sealed)) == {issuer_and_serial(recipient.certificate) for recipient in recipients}
    assert PrivateKeyOpener(rsa_key("ben"), recipients).unseal(sealed) == KEY_FILE


def test_who_seals_cannot_open(officers: list[Officer]) -> None:
    seal = seal_for(officers)
    assert seal.can_unseal is False
    with pytest.raises(SealError, match="cannot open what was sealed for it"):
        seal.unseal(seal.seal(KEY_FILE))


def test_recipients_are_named_as_openssl_names_them(officers: list[Officer]) -> None:
    [recipient] = seal_for(officers[:1]).recipients
    shown = openssl("x509", "-in", str(officers[0].certificate), "-noout", "-fingerprint", "-sha256").stdout.decode()
    assert recipient.sha256 == shown.strip().rpartition("=")[2].replace(":", "").lower()
    assert recipient.subject == "O=Odyssey,CN=anna"


def test_certificates_come_as_files_as_texts_and_several_in_one_and_each_counts_once(
    officers: list[Officer], tmp_path: Path
) -> None:
    anna, ben = (officer.certificate.read_text(encoding="ascii") for officer in officers)
    (tmp_path / "both.pem").write_text("Anna and Ben\n" + anna + ben, encoding="ascii")
    recipients = CertificateSeal([str(tmp_path / "both.pem"), anna, str(officers[1].certificate)]).recipients
    assert recipients == seal_for(officers).recipients


def unusual(name: str) -> x509.Certificate:
    elliptic = ec.generate_private_key(ec.SECP256R1())
    made: dict[str, Callable[[], x509.Certificate]] = {
        "expired": lambda: make_certificate("anna", rsa_key("anna"), first_day=-9, last_day=-1),
        "not valid yet": lambda: make_certificate("anna", rsa_key("anna"), first_day=1, last_day=9),
        "for signatures": lambda: make_certificate("anna", rsa_key("anna"), key_encipherment=False),
        "elliptic curve": lambda: make_certificate("anna", elliptic),
        "short key": lambda: make_certificate("anna", rsa_key("short", 1024)),
    }
    return made[name]()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("expired", r"it expired at 20[0-9-]+T[0-9:]+Z"),
        ("not valid yet", r"it is not valid before 20[0-9-]+T[0-9:]+Z"),
        ("for signatures", "it is not for encryption: its key usage lacks key encipherment"),
        ("elliptic curve", "its key is not an RSA key"),
        ("short key", "its RSA key has 1024 bits"),
    ],
)
def test_certificates_that_nothing_should_be_sealed_for(officers: list[Officer], name: str, reason: str) -> None:
    with pytest.raises(
        SealError, match=r"item 2 of seal_certificates: the certificate of O=Odyssey,CN=anna is refused: " + reason
    ) as caught:
        CertificateSeal([str(officers[1].certificate), pem(unusual(name))])
    assert "key encipherment" in caught.value.what_to_do


def test_a_certificate_whose_key_is_for_signatures_alone_is_refused(tmp_path: Path) -> None:
    """openssl seals nothing for an RSA-PSS key, and could not open it either."""
    made = openssl(
        "req",
        "-x509",
        "-newkey",
        "rsa-pss",
        "-pkeyopt",
        "rsa_keygen_bits:2048",
        "-nodes",
        "-subj",
        "/CN=anna",
        "-keyout",
        str(tmp_path / "key"),
    )
    with pytest.raises(SealError, match="is refused: its RSA key is for signatures") as caught:
        CertificateSeal([made.stdout.decode()])
    assert "key encipherment" in caught.value.what_to_do


def test_a_certificate_without_a_key_usage_is_for_everything() -> None:
    assert len(CertificateSeal([pem(make_certificate("anna", rsa_key("anna"), key_encipherment=None))]).recipients) == 1


def test_two_certificates_that_an_envelope_cannot_tell_apart_are_refused() -> None:
    both = [pem(make_certificate("anna", rsa_key(owner), serial=7)) for owner in ("anna", "ben")]
    with pytest.raises(SealError, match="another certificate has the same issuer and serial number"):
        CertificateSeal(both)


def test_a_certificate_that_cannot_be_understood_is_refused() -> None:
    """The outside is sound, so that it is noticed only when somebody asks what it may be used for."""
    nonsense = x509.UnrecognizedExtension(x509.KeyUsage.oid, b"nonsense")
    name = x509.Name([])
    builder = x509.CertificateBuilder(name, name, rsa_key("anna").public_key(), 7, *days(-1, 1)).add_extension(
        nonsense, critical=True
    )
    with pytest.raises(SealError, match="item 1 of seal_certificates: the certificate cannot be read: "):
        CertificateSeal([pem(builder.sign(rsa_key("anna"), hashes.SHA256()))])


def test_a_certificate_of_a_version_that_does_not_exist_is_refused() -> None:
    der = make_certificate("anna", rsa_key("anna")).public_bytes(Encoding.DER)
    version = b"\xa0\x03\x02\x01"
    assert version + b"\x02" in der
    text = base64.encodebytes(der.replace(version + b"\x02", version + b"\x07", 1)).decode("ascii")
    with pytest.raises(SealError, match="is no certificate in PEM"):
        CertificateSeal([f"-----BEGIN CERTIFICATE-----\n{text}-----END CERTIFICATE-----\n"])


BROKEN = pem(make_certificate("anna", rsa_key("anna"))).replace("\nMII", "\nAAA", 1)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("/nowhere/anna.pem", "/nowhere/anna.pem: No such file or directory"),
        ("/", "/: Is a directory"),
        ("nul\x00", "null byte"),
        ("/dev/null", "/dev/null is no certificate in PEM"),
        (BROKEN, "item 1 of seal_certificates is no certificate in PEM"),
        ("-----BEGIN \udc80", "item 1 of seal_certificates is no certificate in PEM"),
    ],
)
def test_what_is_no_certificate(source: str, reason: str) -> None:
    with pytest.raises(SealError, match=reason):
        CertificateSeal([source])


def test_sealed_for_nobody_is_refused() -> None:
    with pytest.raises(SealError, match="seal_certificates is empty"):
        CertificateSeal([])


def test_a_private_key_beside_the_certificate_is_refused_and_not_repeated(officers: list[Officer]) -> None:
    secret = officers[0].private_key.read_text(encoding="ascii")
    with pytest.raises(SealError, match="holds a private key") as caught:
        CertificateSeal([officers[0].certificate.read_text(encoding="ascii") + secret])
    assert secret.splitlines()[1] not in "".join(traceback.format_exception(caught.value))


@pytest.fixture
def old_cryptography(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.delattr(pkcs7.PKCS7EnvelopeBuilder, "set_content_encryption_algorithm")
        importlib.reload(certificate_seal)
        yield
    importlib.reload(certificate_seal)


@pytest.mark.usefixtures("old_cryptography")
@pytest.mark.parametrize(
    "attempt",
    [lambda: certificate_seal.CertificateSeal([]), lambda: certificate_seal.load_private_key("/nowhere", None)],
)
def test_an_old_cryptography_is_one_sentence(attempt: Callable[[], object]) -> None:
    with pytest.raises(SealError, match="missing or older than version 45"):
        attempt()


# --- opening ----------------------------------------------------------------------------------------------------------


def test_a_private_key_opens_after_its_certificate_has_expired() -> None:
    expired = unusual("expired")
    sealed = (
        pkcs7.PKCS7EnvelopeBuilder()
        .set_data(KEY_FILE)
        .add_recipient(expired)
        .encrypt(Encoding.DER, [pkcs7.PKCS7Options.Binary])
    )
    assert (
        PrivateKeyOpener(rsa_key("anna"), [Recipient("anna", expired.public_bytes(Encoding.DER))]).unseal(sealed)
        == KEY_FILE
    )


def test_the_private_key_of_a_stranger_is_refused_by_name(officers: list[Officer]) -> None:
    recipients = [
        Recipient("CN=Junk", b"junk"),
        Recipient("CN=EC", unusual("elliptic curve").public_bytes(Encoding.DER)),
        *seal_for(officers).recipients,
    ]
    with pytest.raises(
        SealError, match="of none of those it was sealed for: CN=Junk; CN=EC; O=Odyssey,CN=anna; O=Odyssey,CN=ben"
    ):
        PrivateKeyOpener(rsa_key("stranger"), recipients)


@pytest.mark.parametrize(
    "damage",
    [
        lambda sealed: sealed[:-20],
        lambda sealed: b"",
        lambda sealed: b"not sealed",
        lambda sealed: sealed[:-17] + bytes([sealed[-17] ^ 1]) + sealed[-16:],
    ],
    ids=["cut off", "empty", "something else", "flipped bit"],
)
def test_what_does_not_open_is_one_error_without_content(
    officers: list[Officer], damage: Callable[[bytes], bytes]
) -> None:
    seal = seal_for(officers)
    # The last block is padding only, and a bit flipped in the block before it is flipped in the padding, too.
    sealed = damage(seal.seal(bytes(1024)))
    with pytest.raises(SealError, match="does not open it, though it was sealed for that certificate") as caught:
        PrivateKeyOpener(rsa_key("anna"), seal.recipients).unseal(sealed)
    assert caught.value.__cause__ is None


def test_the_private_key_is_not_in_the_repr(officers: list[Officer]) -> None:
    assert repr(PrivateKeyOpener(rsa_key("anna"), seal_for(officers).recipients)) == "PrivateKeyOpener()"


def test_a_private_key_may_have_a_passphrase(tmp_path: Path) -> None:
    officer = hire(tmp_path, "anna", PASSPHRASE)
    assert load_private_key(str(officer.private_key), PASSPHRASE).private_numbers() == rsa_key("anna").private_numbers()


@pytest.mark.parametrize(
    ("content", "passphrase", "reason"),
    [
        (key_pem(rsa_key("anna"), PASSPHRASE), None, "is encrypted and no passphrase was given"),
        (key_pem(rsa_key("anna"), PASSPHRASE), "another one", "or the passphrase is wrong"),
        (key_pem(rsa_key("anna"), PASSPHRASE), "no text \udcff", "or the passphrase is wrong"),
        (key_pem(rsa_key("anna")), PASSPHRASE, "is not encrypted, and a passphrase was given"),
        (key_pem(rsa_key("anna"))[:400], None, "is no private key in PEM"),
        (key_pem(ec.generate_private_key(ec.SECP256R1())), None, "is not an RSA key"),
        ("", None, "is no private key in PEM"),
    ],
    ids=[
        "no passphrase",
        "wrong passphrase",
        "passphrase that is no text",
        "needless passphrase",
        "cut off",
        "elliptic curve",
        "empty",
    ],
)
def test_private_keys_that_cannot_be_used(tmp_path: Path, content: str, passphrase: str | None, reason: str) -> None:
    (tmp_path / "officer.key").write_text(content, encoding="ascii")
    with pytest.raises(SealError, match=reason) as caught:
        load_private_key(str(tmp_path / "officer.key"), passphrase)
    told = "".join(traceback.format_exception(caught.value))
    assert not any(secret in told for secret in (PASSPHRASE, "another one", *content.splitlines()[1:2]))


def test_a_private_key_that_is_not_there() -> None:
    with pytest.raises(SealError, match=r"read the private key: /nowhere/officer\.key: No such file or directory"):
        load_private_key("/nowhere/officer.key", None)
