# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the escrow of key backups: the twins of ESCROW_SPEC, PRIVATE_KEY_SPEC and TRUST_SPEC in
plugin_utils/escrow/key_escrow.py.
"""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  escrow:
    description:
      - Directory on the controller that holds the key backups, each with a readable manifest beside it.
      - Backups lie below it by management group and server. None is ever overwritten. The directory may be moved as a whole.
    type: path
  seal_passphrase:
    description:
      - Passphrase of the seal. A backup is then an ansible-vault file, which V(ansible-vault decrypt) opens without this collection.
      - What it opens begins with the manifest; the key file is its last V(size) bytes, where V(size) is what the manifest says.
      - When left out, a new backup is not sealed with a passphrase, and one that is cannot be opened.
      - Lost, so is every backup sealed with it.
    type: str
  backup_password:
    description:
      - Password that encrypts the key file. SecureStorageBackup asks for it when it makes a backup and when it restores one.
      - At least eight characters, none of them a control character.
      - It travels on the tool's standard input, never in a command line. Lost, so is every backup made with it.
    type: str
"""

    # Whoever opens backups that were sealed for certificates.
    PRIVATE_KEY = r"""
options:
  seal_private_key:
    description:
      - File on the controller with the private key of one of the certificates that backups were sealed for, in PEM. It is never copied anywhere.
      - It works after the certificate has expired, too.
      - When left out, a backup that was sealed for certificates cannot be opened.
    type: path
  seal_private_key_passphrase:
    description:
      - Passphrase of O(seal_private_key).
      - When left out, the private key must not be encrypted.
    type: str
"""

    # Whoever reads the escrow, and wants to know who made what is in it.
    TRUST = r"""
options:
  trusted_signers:
    description:
      - Certificates whose owners may have made a backup, each the path of a PEM file on the controller or the PEM text itself.
      - With them, a backup that none of these owners signed is not a backup. It is never restored, never counts and is never removed, and it is reported.
      - The certificates themselves are trusted. Neither who issued them nor whether they have expired is asked, because a backup outlives a certificate.
      - When left out, signatures are not asked for.
    type: list
    elements: str
requirements:
  - cryptography 45.0.0 or later and asn1crypto 1.5.1 or later on the controller, for backups that are sealed for certificates or signed
"""

    # Whoever makes backups, or says beforehand whether one can be made.
    SIGNING = r"""
options:
  signing_key:
    description:
      - File on the controller with the private key of this job, in PEM, RSA or elliptic curve. Each new backup is then signed with it, in a detached CMS
        signature of the manifest beside the manifest, in a file that ends in V(.p7s).
      - Backups without a signature of this job or of another trusted signer are then reported and otherwise ignored. They are never fresh, never count and
        are never removed.
      - This is what shows a backup that somebody else put into the escrow. Keep the key where who may write in the escrow cannot read it.
      - When left out, backups are not signed.
    type: path
  signing_key_passphrase:
    description:
      - Passphrase of O(signing_key).
      - When left out, the private key must not be encrypted.
    type: str
  signing_certificate:
    description:
      - The certificate of O(signing_key), the path of a PEM file on the controller or the PEM text itself. It may be self-signed.
      - When left out, there is no O(signing_key).
    type: str
"""
