# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The escrow as the action plugins use it: its options, its seals, and which backup fits a server.

Private to opsmgr.recovery.
"""

from __future__ import annotations

import typing as t

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.module_utils.versions import ServerVersion, key_backup_problem
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.certificate_seal import (
    CertificateSeal,
    PrivateKeyOpener,
    load_private_key,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.cms import Asn1cryptoMissing
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.manifest import (
    NOT_SEALED,
    SEALED_FOR_CERTIFICATES,
    SEALED_WITH_VAULT,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.seals import PlainSeal, VaultSeal
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.signature import JobSigner, TrustedSigners
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.store import Entry, Escrow, Opener, Recipient, Seal
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.server import MINIMUM_PASSWORD_CHARACTERS

if t.TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

# Twin of doc_fragments/escrow.py.
ESCROW_SPEC: dict[str, dict[str, t.Any]] = {
    "escrow": {"type": "path"},
    "seal_passphrase": {"type": "str", "no_log": True},
    "backup_password": {"type": "str", "no_log": True},
}
# Twin of PRIVATE_KEY in doc_fragments/escrow.py.
PRIVATE_KEY_SPEC: dict[str, dict[str, t.Any]] = {
    "seal_private_key": {"type": "path", "no_log": False},
    "seal_private_key_passphrase": {"type": "str", "no_log": True},
}

# Twin of TRUST in doc_fragments/escrow.py.
TRUST_SPEC: dict[str, dict[str, t.Any]] = {"trusted_signers": {"type": "list", "elements": "str"}}
# Twin of the options of secure_storage_backup.
SIGNING_SPEC: dict[str, dict[str, t.Any]] = {
    "signing_key": {"type": "path", "no_log": False},
    "signing_key_passphrase": {"type": "str", "no_log": True},
    "signing_certificate": {"type": "str"},
}

# How much is known of a backup, as results say it.
OPENED = "opened"
INTACT = "intact"
FAULTY = "faulty"


def password_problem(password: str) -> str | None:
    """Why the tool would not take this backup password, or None. At least eight characters [book], and typed in one
    line.
    """
    if len(password) < MINIMUM_PASSWORD_CHARACTERS:
        return f"the backup password has {len(password)} characters, and SecureStorageBackup takes at least {MINIMUM_PASSWORD_CHARACTERS}"
    if any(ord(character) < 32 or ord(character) == 127 for character in password):
        return "the backup password has a control character, which cannot be typed"
    return None


def open_escrow(directory: str, trusted_signers: t.Sequence[str] | None = None) -> Escrow:
    """The escrow in a directory on the controller. With certificates in `trusted_signers`, only what their owners
    signed is a backup.

    :raises OpsmgrError: a certificate cannot be read or is not for signatures
    """
    return Escrow(directory, TrustedSigners(trusted_signers) if trusted_signers else None)


def signer_from(arguments: t.Mapping[str, t.Any]) -> JobSigner | None:
    """Who signs a new backup by the options of SIGNING_SPEC, or None.

    :raises OpsmgrError: key and certificate are not fit for that
    """
    if arguments["signing_key"] is None:
        return None
    return JobSigner(arguments["signing_key"], arguments["signing_key_passphrase"], arguments["signing_certificate"])


def signers_that_count(arguments: t.Mapping[str, t.Any]) -> list[str] | None:
    """Whose signatures count for who makes backups: the own one, and those of others that are named; None when none is
    asked for.
    """
    own = [arguments["signing_certificate"]] if arguments["signing_certificate"] else []
    return [*own, *(arguments["trusted_signers"] or [])] or None


def seal_for_writing(passphrase: str | None, certificates: t.Sequence[str] | None = None) -> Seal:
    """How a new backup is sealed: for certificates, as an ansible-vault file, or not at all.

    :raises OpsmgrError: nothing should be sealed so
    """
    if certificates is not None:
        return CertificateSeal(certificates)
    return VaultSeal(passphrase) if passphrase is not None else PlainSeal()


def private_key_from(arguments: t.Mapping[str, t.Any]) -> RSAPrivateKey | None:
    """The private key that the options of PRIVATE_KEY_SPEC name, or None.

    :raises OpsmgrError: it cannot be read
    """
    path = arguments["seal_private_key"]
    return None if path is None else load_private_key(path, arguments["seal_private_key_passphrase"])


def open_backup(
    escrow: Escrow, entry: Entry, passphrase: str | None, private_key: RSAPrivateKey | None = None
) -> bytes:
    """The verified key file of a backup, whichever seal it has.

    :raises OpsmgrError: it is damaged, or sealed and what opens it is missing or wrong
    """
    return escrow.open(entry, _opener(entry, passphrase, private_key))


def verify_backup(
    escrow: Escrow, entry: Entry, passphrase: str | None, private_key: RSAPrivateKey | None = None
) -> tuple[str, str | None]:
    """How much is known of a backup: OPENED, INTACT when nothing is at hand that opens its seal, or FAULTY with the
    reason.
    """
    at_hand = {
        NOT_SEALED: True,
        SEALED_WITH_VAULT: passphrase is not None,
        SEALED_FOR_CERTIFICATES: private_key is not None,
    }
    try:
        if at_hand.get(entry.seal, True):
            open_backup(escrow, entry, passphrase, private_key)
            return OPENED, None
        escrow.verify(entry)
    except Asn1cryptoMissing:
        # Then it cannot be told.
        raise
    except OpsmgrError as error:
        return FAULTY, error.found
    return INTACT, None


def _opener(entry: Entry, passphrase: str | None, private_key: RSAPrivateKey | None) -> Opener:
    if entry.seal == SEALED_WITH_VAULT:
        if passphrase is None:
            raise OpsmgrError(
                "open the key backup",
                f"{entry.path} is sealed with a passphrase and none was given",
                "Give seal_passphrase",
            )
        return VaultSeal(passphrase)
    if entry.seal == SEALED_FOR_CERTIFICATES:
        if private_key is None:
            found = f"{entry.path} is sealed for {_named(entry)} and no private key was given"
            raise OpsmgrError("open the key backup", found, "Give seal_private_key, the private key of one of them")
        return _private_key_opener(entry, private_key)
    return PlainSeal()


def _private_key_opener(entry: Entry, private_key: RSAPrivateKey) -> Opener:
    try:
        return PrivateKeyOpener(private_key, entry.recipients)
    except OpsmgrError as error:
        raise OpsmgrError(error.step, f"{entry.path}: {error.found}", error.what_to_do) from error


def _named(entry: Entry) -> str:
    return "; ".join(recipient.subject for recipient in entry.recipients)


def fitting_backup(escrow: Escrow, management_group: str, version: ServerVersion | None) -> Entry:
    """The newest backup of the group that restores on this version.

    :raises OpsmgrError: no such backup exists; the sentence says what is there instead
    """
    entry = escrow.newest(management_group, server_version=version)
    if entry is not None:
        return entry
    found = _why_none(escrow, management_group, version)
    raise OpsmgrError(
        "choose a key backup", found, "Name the right escrow, or make a backup on the RMS while it still runs"
    )


def _why_none(escrow: Escrow, management_group: str, version: ServerVersion | None) -> str:
    listing = escrow.entries()
    own = [entry for entry in listing.entries if entry.management_group == management_group]
    first = f"{listing.problems[0].path}: {listing.problems[0].found}" if listing.problems else ""
    unusable = f"; {len(listing.problems)} file(s) there are not usable, the first is {first}" if first else ""
    if own and version is not None:
        return f"no backup of management group {management_group} in {escrow.directory} fits: {key_backup_problem(own[0].server_version, version)}{unusable}"
    others = sorted({entry.management_group for entry in listing.entries})
    there = f"only of {', '.join(others)}" if others else "it holds none at all"
    return f"{escrow.directory} has no key backup of management group {management_group}, {there}{unusable}"


def describe(entry: Entry) -> dict[str, t.Any]:
    """A backup as plain data for a result: what its manifest says. Nothing in it is a secret."""
    return {
        "file": entry.path,
        "manifest": entry.manifest_path,
        "management_group": entry.management_group,
        "server": entry.server,
        "server_version": str(entry.server_version),
        "taken_at": entry.taken_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "sha256": entry.sha256,
        "size": entry.size,
        "seal": entry.seal,
        "recipients": describe_recipients(entry.recipients),
        "key_fingerprint": entry.key_fingerprint,
        "inventory_host": entry.inventory_host,
    }


def describe_recipients(recipients: t.Iterable[Recipient]) -> list[dict[str, str]]:
    """Whom a backup is sealed for, as plain data for a result."""
    return [{"subject": recipient.subject, "sha256": recipient.sha256} for recipient in recipients]
