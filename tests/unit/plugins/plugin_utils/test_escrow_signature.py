# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who made a backup: the job's signature, with the real openssl too, and what is no signature of it."""

from __future__ import annotations

import shutil
import subprocess
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from unit.plugins.plugin_utils.officers import PrivateKey, hire, key_pem, make_certificate, pem, rsa_key

from ansible_collections.opsmgr.recovery.plugins.module_utils.versions import R2
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.cms import signer_infos
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.seals import PlainSeal
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.signature import JobSigner, TrustedSigners
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.store import BackupOrigin, Escrow, SealError

MANIFEST = b'{\r\n  "format": 1\n}\n'
PASSPHRASE = "p%PATH%^&\"!' ü8"


def openssl(*arguments: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["openssl", *map(str, arguments)], capture_output=True, check=False)


@pytest.fixture
def job(tmp_path: Path) -> dict[str, str]:
    officer = hire(tmp_path, "job", PASSPHRASE)
    return {"private_key": str(officer.private_key), "passphrase": PASSPHRASE, "certificate": str(officer.certificate)}


@pytest.fixture
def elliptic(tmp_path: Path) -> dict[str, Any]:
    key = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "curve.key").write_text(key_pem(key), encoding="ascii")
    return {
        "private_key": str(tmp_path / "curve.key"),
        "passphrase": None,
        "certificate": pem(make_certificate("curve", key, last_day=-1, first_day=-9)),
    }


@pytest.mark.parametrize("kind", ["job", "elliptic"])
def test_a_signature_counts_for_its_owner_and_its_manifest_alone(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    signer = request.getfixturevalue(kind)
    signature = JobSigner(**signer).sign(MANIFEST)
    assert TrustedSigners([signer["certificate"]]).problem(MANIFEST, signature) is None
    assert "was changed" in str(TrustedSigners([signer["certificate"]]).problem(MANIFEST + b" ", signature))
    assert "does not count here" in str(
        TrustedSigners([str(hire(tmp_path, "stranger").certificate)]).problem(MANIFEST, signature)
    )


@pytest.mark.parametrize(("kind", "digest"), [("job", "sha256"), ("job", "sha384"), ("elliptic", "sha512")])
def test_openssl_verifies_it_and_signs_in_its_place(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str, digest: str
) -> None:
    signer = request.getfixturevalue(kind)
    (tmp_path / "x.json").write_bytes(MANIFEST)
    (tmp_path / "x.p7s").write_bytes(JobSigner(**signer).sign(MANIFEST))
    certificate = Path(signer["certificate"]) if kind == "job" else tmp_path / "curve.pem"
    if kind == "elliptic":
        certificate.write_text(signer["certificate"], encoding="ascii")
    verify = [
        "cms",
        "-verify",
        "-binary",
        "-inform",
        "DER",
        "-in",
        tmp_path / "x.p7s",
        "-CAfile",
        certificate,
        "-purpose",
        "any",
        "-no_check_time",
    ]
    assert openssl(*verify, "-content", tmp_path / "x.json").returncode == 0
    (tmp_path / "y.json").write_bytes(MANIFEST + b" ")
    assert openssl(*verify, "-content", tmp_path / "y.json").returncode != 0
    password = ["-passin", f"pass:{signer['passphrase']}"] if signer["passphrase"] else []
    sign = [
        "cms",
        "-sign",
        "-binary",
        "-md",
        digest,
        "-outform",
        "DER",
        "-signer",
        certificate,
        "-inkey",
        signer["private_key"],
        *password,
    ]
    made = openssl(*sign, "-in", tmp_path / "x.json").stdout
    assert TrustedSigners([str(certificate)]).problem(MANIFEST, made) is None


@pytest.mark.parametrize(
    ("own", "other"),
    [
        (rsa_key("job"), rsa_key("stranger")),
        (ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())),
    ],
    ids=["RSA", "elliptic curve"],
)
def test_a_forged_signature_under_the_name_of_the_job_does_not_count(
    tmp_path: Path, own: PrivateKey, other: PrivateKey
) -> None:
    """Issuer and serial number stand in every certificate, so that anybody can name the job; nobody else has its key."""
    (tmp_path / "genuine.pem").write_text(pem(make_certificate("job", own, serial=7)), encoding="ascii")
    (tmp_path / "forged.pem").write_text(pem(make_certificate("job", other, serial=7)), encoding="ascii")
    (tmp_path / "other.key").write_text(key_pem(other), encoding="ascii")
    forged = JobSigner(str(tmp_path / "other.key"), None, str(tmp_path / "forged.pem")).sign(MANIFEST)
    assert "was changed" in str(TrustedSigners([str(tmp_path / "genuine.pem")]).problem(MANIFEST, forged))


def test_signed_content_and_nonsense_are_no_signatures(job: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(MANIFEST)
    sign = [
        "cms",
        "-sign",
        "-binary",
        "-outform",
        "DER",
        "-signer",
        job["certificate"],
        "-inkey",
        job["private_key"],
        "-passin",
        f"pass:{PASSPHRASE}",
    ]
    trust = TrustedSigners([job["certificate"]])
    attached = openssl(*sign, "-nodetach", "-in", tmp_path / "m").stdout
    assert "is not detached" in str(trust.problem(MANIFEST, attached))
    without_attributes = openssl(*sign, "-noattr", "-in", tmp_path / "m").stdout
    assert trust.problem(MANIFEST, without_attributes) is not None
    weak = openssl(*sign, "-md", "sha1", "-in", tmp_path / "m").stdout
    assert trust.problem(MANIFEST, weak) is not None
    assert trust.problem(MANIFEST, b"") is not None


@given(st.integers(0, 4000), st.integers(1, 255))
def test_a_damaged_signature_never_counts_and_never_breaks(position: int, change: int) -> None:
    signature = bytearray(_SIGNED)
    signature[position % len(signature)] ^= change
    before = signer_infos(_SIGNED)[0]
    problem = _TRUST.problem(MANIFEST, bytes(signature))
    if problem is None:
        # Parts that nobody relies on, such as the enclosed certificate.
        after = signer_infos(bytes(signature))[0]
        assert (after.signature, after.signed_attributes) == (before.signature, before.signed_attributes)


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"passphrase": None}, "is encrypted and no passphrase was given"),
        ({"passphrase": "wrong"}, "or the passphrase is wrong"),
        ({"private_key": "/nowhere/job.key"}, "/nowhere/job.key: No such file or directory"),
        ({"certificate": "/nowhere/job.pem"}, "/nowhere/job.pem: No such file or directory"),
        ({"certificate": "-----BEGIN nonsense"}, "signing_certificate is no certificate in PEM"),
        (
            {"certificate": pem(make_certificate("stranger", rsa_key("stranger")))},
            "is not the private key of O=Odyssey,CN=stranger",
        ),
        ({"certificate": pem(make_certificate("short", rsa_key("short", 1024)))}, "has 1024 bits"),
    ],
)
def test_what_nothing_can_be_signed_with(job: dict[str, Any], changes: dict[str, Any], found: str) -> None:
    with pytest.raises(SealError) as caught:
        JobSigner(**{**job, **changes})
    assert found in caught.value.found
    assert PASSPHRASE not in str(caught.value)


def test_what_is_wrong_with_a_passphrase_names_its_option(job: dict[str, Any]) -> None:
    with pytest.raises(SealError) as caught:
        JobSigner(**{**job, "passphrase": None})
    assert "signing_key_passphrase" in caught.value.what_to_do.split()


def test_a_signer_shows_nothing_of_its_key(job: dict[str, Any]) -> None:
    assert repr(JobSigner(**job)) == "JobSigner()"


# In the escrow


def origin() -> BackupOrigin:
    return BackupOrigin("ODYSSEY", "HYDRA", R2, datetime.now(timezone.utc), "sha256:00", "hydra")


def test_a_planted_backup_is_visible_and_is_no_backup(job: dict[str, str], tmp_path: Path) -> None:
    escrow = Escrow(str(tmp_path / "escrow"), TrustedSigners([job["certificate"]]))
    genuine = escrow.store(b"genuine", origin(), PlainSeal(), JobSigner(**job))
    planted = Escrow(escrow.directory).store(b"planted", origin(), PlainSeal())
    copied = Escrow(escrow.directory).store(b"planted too", origin(), PlainSeal())
    shutil.copyfile(genuine.manifest_path.replace(".json", ".p7s"), copied.manifest_path.replace(".json", ".p7s"))
    listing = escrow.entries()
    assert listing.entries == [genuine]
    assert {problem.path.rpartition(".")[0] for problem in listing.problems} == {
        each.manifest_path.rpartition(".")[0] for each in (planted, copied)
    }
    assert (escrow.newest("ODYSSEY"), escrow.find("ODYSSEY", planted.sha256)) == (genuine, None)
    assert escrow.superseded("ODYSSEY", "HYDRA", 1, genuine, made_for="hydra") == []


def test_a_signed_backup_is_removed_with_its_signature(job: dict[str, str], tmp_path: Path) -> None:
    escrow = Escrow(str(tmp_path / "escrow"), TrustedSigners([job["certificate"]]))
    entry = escrow.store(b"genuine", origin(), PlainSeal(), JobSigner(**job))
    names = sorted(path.suffix for path in (tmp_path / "escrow").rglob("*") if path.is_file())
    assert names == [".json", ".key", ".p7s"]
    escrow.remove(entry)
    assert [path for path in (tmp_path / "escrow").rglob("*") if path.is_file()] == []


def _signed() -> tuple[bytes, TrustedSigners]:
    import tempfile

    with tempfile.TemporaryDirectory() as directory:
        officer = hire(Path(directory), "job")
        signer = JobSigner(str(officer.private_key), None, str(officer.certificate))
        return signer.sign(MANIFEST), TrustedSigners([str(officer.certificate)])


_SIGNED, _TRUST = _signed()
