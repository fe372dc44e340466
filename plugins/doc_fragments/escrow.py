# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the escrow of key backups: the twin of ESCROW_SPEC in plugin_utils/key_escrow.py."""
from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  escrow:
    description:
      - Directory on the controller that holds the key backups, each with a readable manifest beside it.
      - Backups lie below it by management group and server. None is ever overwritten or removed.
    type: path
  seal_passphrase:
    description:
      - Passphrase of the seal. A backup is then an ansible-vault file, which V(ansible-vault decrypt) opens without this collection.
      - When left out, a new backup is kept as SecureStorageBackup wrote it, protected by O(backup_password) alone, and a sealed one cannot be opened.
      - Lost, so is every backup sealed with it.
    type: str
  backup_password:
    description:
      - Password that encrypts the key file. SecureStorageBackup asks for it when it makes a backup and when it restores one.
      - At least eight characters, none of them a control character.
      - It travels on the tool's standard input, never in a command line. Lost, so is every backup made with it.
    type: str
"""
