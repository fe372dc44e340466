# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Seals for key backups in the escrow. They need ansible-core's vault, so they live on the controller.

This file is private to the collection: others must not import it.
"""

from __future__ import annotations

from ansible.errors import AnsibleError
from ansible.parsing.vault import VaultLib, VaultSecret, parse_vaulttext_envelope

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.manifest import NOT_SEALED, SEALED_WITH_VAULT
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.store import Recipient, SealError

__all__ = ["PlainSeal", "SealError", "VaultSeal"]

_STEP_SEAL = "seal the key backup"
_STEP_UNSEAL = "open the seal of the key backup"
_VAULT_ID = "escrow"


class PlainSeal:
    """No seal of our own: the key file as SecureStorageBackup made it, protected by the password typed there [book]."""

    name = NOT_SEALED
    extension = "key"
    can_unseal = True
    holds_manifest = False
    recipients: tuple[Recipient, ...] = ()

    def seal(self, content: bytes) -> bytes:
        """Return C(content)."""
        return content

    def unseal(self, sealed: bytes) -> bytes:
        """Return C(sealed)."""
        return sealed


class VaultSeal:
    """An ansible-vault file: C(ansible-vault decrypt) opens it without this collection.

    C(passphrase) is text, used as UTF-8. Raises SealError for one that ansible-vault could not be given by hand.
    """

    name = SEALED_WITH_VAULT
    extension = "vault"
    can_unseal = True
    holds_manifest = True
    recipients: tuple[Recipient, ...] = ()

    def __init__(self, passphrase: str) -> None:
        # ansible-vault strips white space around what is typed at its prompt, so such a passphrase would not open the
        # file.
        if not passphrase or passphrase != passphrase.strip():
            raise SealError(
                _STEP_SEAL,
                "the seal passphrase is empty or begins or ends with white space",
                "Choose another one: ansible-vault could not be given this one at its prompt",
            )
        self._secret = VaultSecret(_utf8(passphrase))

    def __repr__(self) -> str:
        return "VaultSeal()"

    def seal(self, content: bytes) -> bytes:
        """Return C(content) as an ansible-vault file (ASCII). Raises SealError for content that is sealed already."""
        try:
            return bytes(VaultLib([(_VAULT_ID, self._secret)]).encrypt(content))
        except AnsibleError as error:
            raise SealError(
                _STEP_SEAL, f"ansible-vault refused: {error.message}", "Seal the key file as the tool made it"
            ) from None

    def unseal(self, sealed: bytes) -> bytes:
        """Return what was sealed. Raises SealError for another passphrase, or when C(sealed) is not an ansible-vault
        file.
        """
        try:
            # The label in the file is the one to file our secret under, or the setting vault_id_match would refuse it.
            label = parse_vaulttext_envelope(sealed)[3]
            return bytes(VaultLib([(label, self._secret)]).decrypt(sealed))
        except (AnsibleError, ValueError, IndexError):
            # Not chained: the original carries the sealed bytes with it.
            raise SealError(
                _STEP_UNSEAL,
                "the seal passphrase does not open it",
                "Give the passphrase that was set when this backup was made",
            ) from None


def _utf8(passphrase: str) -> bytes:
    try:
        return passphrase.encode("utf-8")
    except UnicodeEncodeError:
        # Not chained: the original carries the passphrase with it.
        raise SealError(_STEP_SEAL, "the seal passphrase is not valid text", "Choose another one") from None
