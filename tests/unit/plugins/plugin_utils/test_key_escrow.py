# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which backup fits a server, and what is said when none does."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from unit.plugins.plugin_utils.officers import Officer, hire, rsa_key

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.module_utils.versions import R2, RTM, SP1, ServerVersion
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow import cms as escrow_cms
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.certificate_seal import CertificateSeal
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.key_escrow import (
    describe,
    fitting_backup,
    open_backup,
    open_escrow,
    password_problem,
    seal_for_writing,
    verify_backup,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.manifest import with_header
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.store import BackupOrigin, Entry, Escrow

NIGHT = datetime(2026, 3, 1, 2, 0, tzinfo=timezone.utc)
KEY = b"key file"
Deed = Callable[[Entry, list[Officer]], None]
PASSPHRASE = "p%PATH%^&\"!' ü8"


@pytest.fixture
def escrow(tmp_path: Path) -> Escrow:
    return open_escrow(str(tmp_path / "escrow"))


def keep(
    escrow: Escrow,
    version: ServerVersion = R2,
    hours: int = 0,
    group: str = "ODYSSEY",
    passphrase: str | None = None,
    officers: list[Officer] | None = None,
) -> Entry:
    origin = BackupOrigin(group, "HYDRA", version, NIGHT + timedelta(hours=hours), None)
    certificates = None if officers is None else [str(officer.certificate) for officer in officers]
    return escrow.store(KEY + str(hours).encode(), origin, seal_for_writing(passphrase, certificates))


def test_the_newest_that_fits_is_chosen(escrow: Escrow) -> None:
    keep(escrow, SP1, hours=1)
    newest = keep(escrow, R2, hours=2)
    keep(escrow, RTM, hours=3)
    keep(escrow, R2, hours=4, group="ILIAD")
    assert fitting_backup(escrow, "ODYSSEY", R2) == newest
    assert fitting_backup(escrow, "ODYSSEY", SP1) == newest


def test_when_the_version_is_not_known_the_newest_is_chosen(escrow: Escrow) -> None:
    newest = keep(escrow, RTM, hours=3)
    keep(escrow, R2)
    assert fitting_backup(escrow, "ODYSSEY", None) == newest


def why(escrow: Escrow) -> str:
    with pytest.raises(OpsmgrError) as caught:
        fitting_backup(escrow, "ODYSSEY", R2)
    return str(caught.value).replace(escrow.directory, "ESCROW")


def test_an_empty_escrow(escrow: Escrow) -> None:
    assert why(escrow) == (
        "choose a key backup: ESCROW has no key backup of management group ODYSSEY, it holds none at all. "
        "Name the right escrow, or make a backup on the RMS while it still runs."
    )


def test_an_escrow_of_others(escrow: Escrow) -> None:
    keep(escrow, group="TROY")
    keep(escrow, group="ILIAD")
    assert "no key backup of management group ODYSSEY, only of ILIAD, TROY. Name" in why(escrow)


def test_only_backups_from_before_sp1(escrow: Escrow) -> None:
    keep(escrow, RTM)
    assert (
        "no backup of management group ODYSSEY in ESCROW fits: the key backup was made on 2007 RTM (6.0.5000.0), before Service Pack 1, "
        "and does not restore on 2007 R2 (6.1.7221.0)." in why(escrow)
    )


def test_a_backup_that_cannot_be_used_is_named(escrow: Escrow) -> None:
    entry = keep(escrow)
    Path(entry.manifest_path).unlink()
    name = Path(entry.path).name
    assert (
        f"it holds none at all; 1 file(s) there are not usable, the first is ESCROW/ODYSSEY/hydra/{name}: is a backup".lower()
        in why(escrow).lower()
    )


def test_sealed_and_opened(escrow: Escrow) -> None:
    plain, sealed = keep(escrow), keep(escrow, hours=1, passphrase=PASSPHRASE)
    assert open_backup(escrow, plain, None) == KEY + b"0"
    assert open_backup(escrow, plain, PASSPHRASE) == KEY + b"0"
    assert open_backup(escrow, sealed, PASSPHRASE) == KEY + b"1"
    assert (describe(plain)["seal"], describe(sealed)["seal"]) == ("none", "ansible-vault")


@pytest.mark.parametrize(
    ("passphrase", "sentence"),
    [
        (None, "is sealed with a passphrase and none was given. Give seal_passphrase."),
        ("another one", "the seal passphrase does not open it"),
    ],
)
def test_sealed_and_not_opened(escrow: Escrow, passphrase: str | None, sentence: str) -> None:
    sealed = keep(escrow, passphrase=PASSPHRASE)
    with pytest.raises(OpsmgrError) as caught:
        open_backup(escrow, sealed, passphrase)
    assert sentence in str(caught.value)
    assert PASSPHRASE not in str(caught.value)


@pytest.fixture
def officers(tmp_path: Path) -> list[Officer]:
    return [hire(tmp_path, name) for name in ("anna", "ben")]


def test_sealed_for_certificates_and_opened(escrow: Escrow, officers: list[Officer]) -> None:
    entry = keep(escrow, officers=officers)
    assert escrow.entries().entries == [entry]
    assert [open_backup(escrow, entry, None, rsa_key(name)) for name in ("anna", "ben")] == [KEY + b"0"] * 2
    assert [recipient["subject"] for recipient in describe(entry)["recipients"]] == [
        "O=Odyssey,CN=anna",
        "O=Odyssey,CN=ben",
    ]


def test_sealed_for_certificates_and_not_opened(escrow: Escrow, officers: list[Officer]) -> None:
    entry = keep(escrow, officers=officers)
    for stranger, sentence in (
        (None, "is sealed for O=Odyssey,CN=anna; O=Odyssey,CN=ben and no private key was given. Give seal_private_key"),
        (
            rsa_key("stranger"),
            "the private key is of none of those it was sealed for: O=Odyssey,CN=anna; O=Odyssey,CN=ben",
        ),
    ):
        with pytest.raises(OpsmgrError, match=sentence) as caught:
            open_backup(escrow, entry, PASSPHRASE, stranger)
        assert entry.path in str(caught.value)


def test_without_asn1crypto_a_backup_is_not_called_faulty(
    escrow: Escrow, officers: list[Officer], monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed, plain = keep(escrow, officers=officers), keep(escrow, hours=1)
    monkeypatch.setattr(escrow_cms, "HAS_ASN1CRYPTO", False)
    with pytest.raises(escrow_cms.Asn1cryptoMissing):
        verify_backup(escrow, sealed, None)
    assert verify_backup(escrow, plain, None) == ("opened", None)


def test_an_escrow_on_another_disk_opens(escrow: Escrow, officers: list[Officer], tmp_path: Path) -> None:
    keep(escrow, officers=officers)
    copy = open_escrow(shutil.copytree(escrow.directory, tmp_path / "copy"))
    shutil.rmtree(escrow.directory)
    assert open_backup(copy, copy.entries().entries[0], None, rsa_key("ben")) == KEY + b"0"


def test_how_much_is_known_of_a_backup(escrow: Escrow, officers: list[Officer]) -> None:
    plain, vault, cms = (
        keep(escrow),
        keep(escrow, hours=1, passphrase=PASSPHRASE),
        keep(escrow, hours=2, officers=officers),
    )
    assert [verify_backup(escrow, entry, None) for entry in (plain, vault, cms)] == [
        ("opened", None),
        ("intact", None),
        ("intact", None),
    ]
    assert verify_backup(escrow, vault, PASSPHRASE) == ("opened", None)
    assert verify_backup(escrow, cms, None, rsa_key("anna")) == ("opened", None)
    for entry, passphrase, key in ((vault, "another one", None), (cms, None, rsa_key("stranger"))):
        verified, problem = verify_backup(escrow, entry, passphrase, key)
        assert verified == "faulty"
        assert problem is not None
        assert problem.startswith(entry.path)


# What somebody does who may write in the escrow. Whether it is noticed without a private key, and with one.


def flip(at: int) -> Deed:
    def deed(entry: Entry, officers: list[Officer]) -> None:
        content = bytearray(Path(entry.path).read_bytes())
        content[at] ^= 1
        Path(entry.path).write_bytes(content)

    return deed


def cut(entry: Entry, officers: list[Officer]) -> None:
    os.truncate(entry.path, os.path.getsize(entry.path) - 16)


def edit(entry: Entry, **changes: Any) -> None:
    path = Path(entry.manifest_path)
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="ascii")), **changes}), encoding="ascii")


def make_fit(deed: Deed) -> Deed:
    """Do it, and put the new hash of the sealed file into the manifest."""

    def fitting(entry: Entry, officers: list[Officer]) -> None:
        deed(entry, officers)
        edit(entry, sealed_sha256=hashlib.sha256(Path(entry.path).read_bytes()).hexdigest())

    return fitting


def other_version(entry: Entry, officers: list[Officer]) -> None:
    edit(entry, server_version="6.0.6278.0", product="2007 SP1")


def other_recipients(entry: Entry, officers: list[Officer]) -> None:
    edit(
        entry,
        recipients=[
            recipient.manifest()
            for recipient in CertificateSeal([str(officer.certificate) for officer in officers]).recipients
        ],
    )


def recipient_replaced(entry: Entry, officers: list[Officer]) -> None:
    """Ben named in the manifest is a stranger now."""
    other_recipients(entry, [officers[0], officers[2]])


def recipient_taken_away(entry: Entry, officers: list[Officer]) -> None:
    other_recipients(entry, officers[:1])


def sealed_again(entry: Entry, officers: list[Officer]) -> None:
    """Another key file, sealed for the same officers with the true manifest."""
    seal = CertificateSeal([str(officer.certificate) for officer in officers[:2]])
    Path(entry.path).write_bytes(seal.seal(with_header(entry, b"KEY FILE")))


def sealed_for_others(entry: Entry, officers: list[Officer]) -> None:
    Path(entry.path).write_bytes(CertificateSeal([str(officers[2].certificate)]).seal(with_header(entry, KEY + b"0")))


def claims_to_be_plain(entry: Entry, officers: list[Officer]) -> None:
    edit(entry, seal="none", recipients=[])


@pytest.mark.parametrize(
    ("deed", "without_key", "with_key"),
    [
        pytest.param(flip(-20), "another SHA-256", "another SHA-256", id="bit flipped in the content"),
        pytest.param(flip(200), "another SHA-256", "another SHA-256", id="bit flipped in the envelope"),
        pytest.param(cut, "another SHA-256", "another SHA-256", id="cut off"),
        pytest.param(make_fit(cut), "ends in the middle", "ends in the middle", id="cut off, and made to fit"),
        pytest.param(
            make_fit(flip(-1)),
            None,
            "does not open it|differs in|not JSON|another size",
            id="bit flipped in the content, and made to fit",
        ),
        pytest.param(other_version, None, "differs in server_version, product", id="manifest edited"),
        pytest.param(recipient_replaced, "sealed for others", "sealed for others", id="recipient replaced"),
        pytest.param(recipient_taken_away, "sealed for others", "sealed for others", id="recipient taken away"),
        pytest.param(sealed_again, "another SHA-256", "another SHA-256", id="sealed again"),
        pytest.param(make_fit(sealed_again), None, "another size or SHA-256", id="sealed again, and made to fit"),
        pytest.param(
            make_fit(sealed_for_others),
            "sealed for others",
            "sealed for others",
            id="sealed for others, and made to fit",
        ),
        pytest.param(claims_to_be_plain, "another size or SHA-256", "another size or SHA-256", id="called unsealed"),
    ],
)
def test_tampering_is_noticed_and_the_good_backup_survives(
    escrow: Escrow, officers: list[Officer], tmp_path: Path, deed: Deed, without_key: str | None, with_key: str
) -> None:
    good = keep(escrow, officers=officers)
    deed(keep(escrow, hours=1, officers=officers), [*officers, hire(tmp_path, "stranger")])
    tampered = escrow.entries().entries[0]
    assert tampered.path != good.path
    verified, problem = verify_backup(escrow, tampered, None)
    assert (verified == "faulty") is (without_key is not None)
    assert re.search(without_key or "None", str(problem))
    with pytest.raises(OpsmgrError, match=with_key):
        open_backup(escrow, tampered, None, rsa_key("anna"))
    assert open_backup(escrow, good, None, rsa_key("ben")) == KEY + b"0"


def test_manifests_that_were_swapped_are_no_backups_at_all(escrow: Escrow, officers: list[Officer]) -> None:
    one, other = keep(escrow, officers=officers), keep(escrow, hours=1, officers=officers)
    manifests = [Path(entry.manifest_path).read_bytes() for entry in (one, other)]
    for entry, manifest in zip((other, one), manifests, strict=True):
        Path(entry.manifest_path).write_bytes(manifest)
    listing = escrow.entries()
    assert (listing.entries, len(listing.problems)) == ([], 2)


def test_what_cannot_be_noticed_is_a_backup_that_is_wholly_made_up(escrow: Escrow, officers: list[Officer]) -> None:
    """As the documentation says: certificates are no secret. With a passphrase, it takes the passphrase."""
    keep(escrow, officers=officers)
    forged = keep(escrow, hours=1, officers=officers)
    assert verify_backup(escrow, forged, None, rsa_key("anna")) == ("opened", None)
    forged = keep(escrow, hours=2, passphrase="of somebody else")
    assert verify_backup(escrow, forged, PASSPHRASE)[0] == "faulty"


@pytest.mark.parametrize(
    ("password", "problem"),
    [
        (PASSPHRASE, None),
        ("12345678", None),
        ("1234567", "the backup password has 7 characters, and SecureStorageBackup takes at least 8"),
        ("1234\t5678", "the backup password has a control character, which cannot be typed"),
        ("12345678\x7f", "the backup password has a control character, which cannot be typed"),
        ("12345678\r", "the backup password has a control character, which cannot be typed"),
    ],
)
def test_passwords_that_cannot_be_typed(password: str, problem: str | None) -> None:
    assert password_problem(password) == problem
