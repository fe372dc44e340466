# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
import sys
import traceback
from pathlib import Path

import pytest
from ansible import constants
from ansible.parsing.vault import VaultLib, VaultSecret

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.seals import PlainSeal, SealError, VaultSeal
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.store import Seal

KEY_FILE = bytes(range(256)) * 5
PASSPHRASE = "p%PATH%^&\"!' ü8"


@pytest.mark.parametrize("seal", [PlainSeal(), VaultSeal(PASSPHRASE)], ids=["plain", "vault"])
def test_what_is_sealed_comes_back(seal: Seal) -> None:
    assert seal.unseal(seal.seal(KEY_FILE)) == KEY_FILE


@pytest.mark.parametrize(
    ("seal", "name", "extension", "holds_manifest"),
    [(PlainSeal(), "none", "key", False), (VaultSeal(PASSPHRASE), "ansible-vault", "vault", True)],
    ids=["plain", "vault"],
)
def test_what_the_escrow_has_to_know_of_a_seal(seal: Seal, name: str, extension: str, holds_manifest: bool) -> None:
    assert (seal.name, seal.extension, seal.holds_manifest) == (name, extension, holds_manifest)
    # So that a backup is opened once after it was written.
    assert seal.can_unseal
    assert seal.recipients == ()


def test_the_vault_seal_hides_the_content() -> None:
    sealed = VaultSeal(PASSPHRASE).seal(KEY_FILE)
    assert sealed.startswith(b"$ANSIBLE_VAULT;1.1;AES256\n")
    assert KEY_FILE[:16].hex().encode() not in sealed


def test_the_real_command_opens_it(tmp_path: Path) -> None:
    (tmp_path / "backup.vault").write_bytes(VaultSeal(PASSPHRASE).seal(KEY_FILE))
    (tmp_path / "passphrase").write_text(PASSPHRASE + "\n", encoding="utf-8")
    command = ["decrypt", "--vault-password-file", "passphrase", "--output", "key.bin", "backup.vault"]
    subprocess.run([sys.executable, "-m", "ansible.cli.vault", *command], cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "key.bin").read_bytes() == KEY_FILE


@pytest.mark.parametrize("match", [False, True])
def test_a_file_labelled_by_hand_opens_too(monkeypatch: pytest.MonkeyPatch, match: bool) -> None:
    monkeypatch.setattr(constants, "DEFAULT_VAULT_ID_MATCH", match)
    by_hand = VaultLib().encrypt(KEY_FILE, VaultSecret(PASSPHRASE.encode()), vault_id="officers")
    assert VaultSeal(PASSPHRASE).unseal(by_hand) == KEY_FILE


@pytest.mark.parametrize(
    "sealed",
    [
        VaultSeal("another passphrase").seal(KEY_FILE),
        VaultSeal(PASSPHRASE).seal(KEY_FILE)[:-10],
        b"$ANSIBLE_VAULT",
        b"$ANSIBLE_VAULT;1.1;AES256\nzz\n",
        b"$ANSIBLE_VAULT;1.1;ROT13\n00\n",
        b"not sealed at all",
        b"",
    ],
    ids=["other passphrase", "cut off", "header only", "not hexadecimal", "other cipher", "plain", "empty"],
)
def test_what_does_not_open_is_one_error_without_content(sealed: bytes) -> None:
    with pytest.raises(SealError) as caught:
        VaultSeal(PASSPHRASE).unseal(sealed)
    text = "".join(traceback.format_exception(caught.type, caught.value, caught.tb))
    assert "does not open" in str(caught.value)
    assert PASSPHRASE not in text
    assert "another passphrase" not in text


def test_a_vault_file_is_not_sealed_again() -> None:
    with pytest.raises(SealError, match="already encrypted"):
        VaultSeal(PASSPHRASE).seal(VaultSeal(PASSPHRASE).seal(KEY_FILE))


@pytest.mark.parametrize("passphrase", ["", " ", " passphrase", "passphrase\n", "half\udc80"])
def test_passphrases_that_could_not_be_typed_are_refused(passphrase: str) -> None:
    with pytest.raises(SealError) as caught:
        VaultSeal(passphrase)
    assert caught.value.__cause__ is None
    assert "half" not in str(caught.value)


def test_the_passphrase_is_not_in_the_repr() -> None:
    seal = VaultSeal(PASSPHRASE)
    assert repr(seal) == "VaultSeal()"
