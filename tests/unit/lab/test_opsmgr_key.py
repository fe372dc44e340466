# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The key of a management group, its secrets and its backup file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.opsmgr.key import (
    KeyBackup,
    NotABackupError,
    WrongKeyError,
    WrongPasswordError,
    backup_version,
    check_value,
    decrypt_secret,
    encrypt_secret,
    new_key,
    pack_backup,
    unpack_backup,
)
from lab.opsmgr.versions import find_version, key_generation

BACKUP = KeyBackup(new_key(), "ODYSSEY", "6.0.6278.0")
PACKED = pack_backup(BACKUP, "correct horse")


def test_a_secret_comes_back_with_the_right_key_only() -> None:
    key = new_key()
    data = encrypt_secret(key, "ODYSSEY\\svc", "pä$$word")
    assert decrypt_secret(key, "ODYSSEY\\svc", data) == "pä$$word"
    with pytest.raises(WrongKeyError):
        decrypt_secret(new_key(), "ODYSSEY\\svc", data)


def test_a_secret_belongs_to_its_account() -> None:
    key = new_key()
    with pytest.raises(WrongKeyError):
        decrypt_secret(key, "someone else", encrypt_secret(key, "me", "secret"))


@pytest.mark.parametrize("damaged", [b"", b"short", b"x" * 100])
def test_what_is_no_secret_or_no_key_is_a_wrong_key(damaged: bytes) -> None:
    with pytest.raises(WrongKeyError):
        decrypt_secret(new_key(), "me", damaged)
    with pytest.raises(WrongKeyError):
        decrypt_secret(b"five!", "me", encrypt_secret(new_key(), "me", "secret"))


def test_a_backup_opens_with_its_password_and_tells_who_wrote_it() -> None:
    assert unpack_backup(PACKED, "correct horse") == BACKUP
    assert backup_version(PACKED) == "6.0.6278.0"


def test_a_backup_does_not_open_with_another_password() -> None:
    with pytest.raises(WrongPasswordError):
        unpack_backup(PACKED, "battery staple")


def test_a_backup_shows_neither_key_nor_group() -> None:
    assert BACKUP.key not in PACKED
    assert BACKUP.key.hex().encode() not in PACKED
    assert b"ODYSSEY" not in PACKED


@given(st.integers(min_value=0, max_value=len(PACKED) - 1))
def test_a_backup_cut_off_anywhere_is_refused(length: int) -> None:
    with pytest.raises((NotABackupError, WrongPasswordError)):
        unpack_backup(PACKED[:length], "correct horse")


@given(st.binary(max_size=200))
def test_garbage_is_no_backup(data: bytes) -> None:
    with pytest.raises(NotABackupError):
        backup_version(data)


def test_the_check_value_tells_keys_apart_and_not_what_they_are() -> None:
    assert check_value(BACKUP.key) == check_value(BACKUP.key) != check_value(new_key())
    assert len(check_value(BACKUP.key)) == 16


@pytest.mark.parametrize(("version", "generation"), [("6.0.5000.0", 1), ("6.0.6278.0", 2), ("6.1.7221.0", 2)])
def test_backups_have_two_generations(version: str, generation: int) -> None:
    assert key_generation(version) == generation == find_version(version).key_generation


def test_versions_are_found_by_name_too() -> None:
    assert find_version("r2").server_version == "6.1.7221.0"
    with pytest.raises(ValueError, match="RTM, SP1, R2"):
        find_version("SP9")
