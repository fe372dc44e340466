# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which backup fits a server, and what is said when none does."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.module_utils.escrow import BackupOrigin, Entry, Escrow
from ansible_collections.opsmgr.recovery.plugins.module_utils.versions import R2, RTM, SP1, ServerVersion
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.key_escrow import (
    describe,
    fitting_backup,
    open_backup,
    open_escrow,
    password_problem,
    seal_for_writing,
)

NIGHT = datetime(2026, 3, 1, 2, 0, tzinfo=timezone.utc)
KEY = b"key file"
PASSPHRASE = "p%PATH%^&\"!' ü8"


@pytest.fixture
def escrow(tmp_path: Path) -> Escrow:
    return open_escrow(str(tmp_path / "escrow"))


def keep(escrow: Escrow, version: ServerVersion = R2, hours: int = 0, group: str = "ODYSSEY", passphrase: str | None = None) -> Entry:
    origin = BackupOrigin(group, "HYDRA", version, NIGHT + timedelta(hours=hours), None)
    return escrow.store(KEY + str(hours).encode(), origin, seal_for_writing(passphrase))


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
    assert f"it holds none at all; 1 file(s) there are not usable, the first is ESCROW/ODYSSEY/hydra/{name}: is a backup".lower() in why(escrow).lower()


def test_sealed_and_opened(escrow: Escrow) -> None:
    plain, sealed = keep(escrow), keep(escrow, hours=1, passphrase=PASSPHRASE)
    assert open_backup(escrow, plain, None) == KEY + b"0"
    assert open_backup(escrow, plain, PASSPHRASE) == KEY + b"0"
    assert open_backup(escrow, sealed, PASSPHRASE) == KEY + b"1"
    assert (describe(plain)["seal"], describe(sealed)["seal"]) == ("none", "ansible-vault")


@pytest.mark.parametrize(
    ("passphrase", "sentence"),
    [(None, "is sealed with a passphrase and none was given. Give seal_passphrase."), ("another one", "the seal passphrase does not open it")],
)
def test_sealed_and_not_opened(escrow: Escrow, passphrase: str | None, sentence: str) -> None:
    sealed = keep(escrow, passphrase=PASSPHRASE)
    with pytest.raises(OpsmgrError) as caught:
        open_backup(escrow, sealed, passphrase)
    assert sentence in str(caught.value)
    assert PASSPHRASE not in str(caught.value)


@pytest.mark.parametrize(
    ("password", "problem"),
    [
        (PASSPHRASE, None),
        ("12345678", None),
        ("1234567", "the backup password has 7 characters, and SecureStorageBackup takes at least 8"),
        ("1234\t5678", "the backup password has a control character, which cannot be typed"),
        ("12345678\r", "the backup password has a control character, which cannot be typed"),
    ],
)
def test_passwords_that_cannot_be_typed(password: str, problem: str | None) -> None:
    assert password_problem(password) == problem
