# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The escrow: key backups on the controller, each with a readable manifest beside it.

    <directory>/<management group>/<server>/<UTC time>-<first 8 of the SHA-256>.<extension of the seal>
    <directory>/<management group>/<server>/<UTC time>-<first 8 of the SHA-256>.json
    <directory>/<management group>/<server>/<UTC time>-<first 8 of the SHA-256>.p7s     where backups are signed

A backup exists from the moment its manifest has its name, and the manifest comes last, after the sealed file was read
back and found good; when one is removed, the manifest goes first. Nothing here overwrites what an earlier call stored,
and only remove() removes. A sealed file without a manifest is a write that was cut off: it is reported and never used.

What a seal holds begins with the manifest once more, so that whoever opens it notices an edited or exchanged manifest.
That needs no signature. It does not prove who made a backup where everybody can seal, as for a certificate: that is
what the signature is for, a detached one of the manifest, which names the SHA-256 of the sealed file.

A backup dated after now is listed, and is nothing else: not the newest, not a generation. A wrong clock made it, or
somebody planted it.

This file is private to the collection: others must not import it.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Protocol

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.module_utils.versions import (
    COLLECTION_VERSION,
    ServerVersion,
    key_backup_problem,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.cms import envelope_recipients, issuer_and_serial
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.folders import TEMPORARY_PREFIX, Folder
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.manifest import (
    SEALED_FOR_CERTIFICATES,
    Entry,
    ManifestError,
    Recipient,
    components_of,
    entry_from_manifest,
    file_stem,
    is_component,
    manifest_bytes,
    path_component,
    server_component,
    with_header,
    without_header,
)

__all__ = [
    "BackupOrigin",
    "Damaged",
    "Entry",
    "Escrow",
    "EscrowError",
    "Listing",
    "Opener",
    "Problem",
    "Recipient",
    "Seal",
    "SealError",
    "Signer",
    "Trust",
    "WrongSeal",
    "is_dated_ahead",
]

MANIFEST_LIMIT_BYTES = 64 * 1024
# A key backup has a few kilobytes [field]. The limits keep a wrong file from filling the controller's memory.
KEY_FILE_LIMIT_BYTES = 16 * 1024 * 1024
SEALED_FILE_LIMIT_BYTES = 8 * KEY_FILE_LIMIT_BYTES
SIGNATURE_EXTENSION = "p7s"
# A signature has some two kilobytes, its certificates included.
SIGNATURE_LIMIT_BYTES = 256 * 1024

_FILE_NAME = re.compile(r"(?P<stem>[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}(?:-[0-9]+)?)\.(?P<extension>[a-z0-9]+)\Z")
_NAMES_TRIED = 100

_STEP_STORE = "store the key backup in the escrow"
_STEP_READ = "read the escrow"
_STEP_OPEN = "open the key backup from the escrow"
_STEP_VERIFY = "verify the key backup in the escrow"
_STEP_REMOVE = "remove an older key backup from the escrow"

_ADVICE_UNVERIFIED = (
    "Check the file system of the escrow, then rerun; nothing new was kept, older backups are untouched"
)
_ADVICE = {
    errno.EIO: _ADVICE_UNVERIFIED,
    errno.ENOSPC: "Free space on that file system",
    errno.EDQUOT: "Free space, or have the quota raised, on that file system",
    errno.EACCES: "Give the user who runs the playbook access to it",
    errno.EPERM: "Give the user who runs the playbook access to it",
    errno.EROFS: "Choose an escrow directory on a file system that can be written",
    errno.ELOOP: "Find out who put the link there, then remove it: the escrow follows none below its own directory",
    errno.ENOTDIR: "Move away what is there: a directory is needed",
    errno.ENOENT: "Check the escrow directory",
}
_ADVICE_OTHERWISE = "Remove the cause, then rerun"
_ADVICE_FOREIGN = "Find out who made it, and sign it if it is yours; until then it is never used and never removed"
_ADVICE_DAMAGED = "Use an older backup or make a new one; keep this file for the investigation"


class EscrowError(OpsmgrError):
    """Something about the escrow, with C(what_to_do). Never holds content or a passphrase."""


class SealError(EscrowError):
    """What a seal raises when it cannot seal or does not open."""


class WrongSeal(EscrowError):
    """The backup is sealed in another way or with another secret than the one given."""


class Damaged(EscrowError):
    """The backup is not, byte for byte, what was stored."""


class Opener(Protocol):
    """What opens a seal. Raises SealError."""

    @property
    def name(self) -> str:
        """What the manifest calls the seal."""

    @property
    def holds_manifest(self) -> bool:
        """Whether the manifest is sealed together with the key file."""

    def unseal(self, sealed: bytes) -> bytes:
        """Return what C(seal()) was given."""


class Signer(Protocol):
    """Who says that the escrow's own job made a backup. Raises SealError."""

    def sign(self, manifest: bytes) -> bytes:
        """Return a detached signature of the manifest."""


class Trust(Protocol):
    """Whose signatures count."""

    def problem(self, manifest: bytes, signature: bytes) -> str | None:
        """Why the signature is not one of theirs, or None when it is one."""


class Seal(Opener, Protocol):
    """How a key backup is protected at rest. Raises SealError."""

    @property
    def extension(self) -> str:
        """File extension without the dot, lower-case letters and digits, not C(json)."""

    @property
    def can_unseal(self) -> bool:
        """False for a seal whose maker cannot open it; then only the sealed bytes are verified after writing."""

    @property
    def recipients(self) -> tuple[Recipient, ...]:
        """Whom it seals for, where that can be said."""

    def seal(self, content: bytes) -> bytes:
        """Return the sealed form of C(content)."""


@dataclass(frozen=True)
class BackupOrigin:
    """Where and when a key backup was made. C(taken_at) carries its time zone.

    C(inventory_host) is the host of the inventory that the server was reached as: the server says the rest of itself.
    """

    management_group: str
    server: str
    server_version: ServerVersion
    taken_at: datetime
    key_fingerprint: str | None = None
    inventory_host: str | None = None


@dataclass(frozen=True)
class Problem:
    """Something in the escrow that is not a usable backup."""

    path: str
    found: str
    what_to_do: str


@dataclass(frozen=True)
class Listing:
    """The backups, newest first, and what was found besides."""

    entries: list[Entry]
    problems: list[Problem]


class Escrow:
    """The escrow in C(directory). It is created by the first C(store()).

    With C(trust), a backup without a signature that counts is a problem and no backup.
    """

    def __init__(self, directory: str, trust: Trust | None = None) -> None:
        self.directory = os.path.abspath(directory)
        self._trust = trust

    def store(self, content: bytes, origin: BackupOrigin, seal: Seal, signer: Signer | None = None) -> Entry:
        """Add the key file C(content), sealed, verified, with its manifest and, with C(signer), a signature of that.

        Raises EscrowError; then no new file is left and the older ones are untouched.
        """
        _check_content(content)
        entry = _described(content, origin, seal)
        sealed = seal.seal(with_header(entry, content) if seal.holds_manifest else content)
        with _explained(_STEP_STORE), self._server_folder(origin) as folder:
            return _store_under_free_name(folder, replace(entry, sealed_sha256=_sha256(sealed)), sealed, seal, signer)

    def entries(self, management_group: str | None = None, server: str | None = None) -> Listing:
        """List the backups, of one group and server if given. Group names are case-sensitive [ms], server names are
        not.

        Files that cannot be used are listed as problems. An escrow that does not exist yet is empty.
        """
        listing = Listing([], [])
        with _explained(_STEP_READ):
            self._walk(listing, management_group, server)
        found = [entry for entry in listing.entries if management_group in (None, entry.management_group)]
        found.sort(key=_age_order, reverse=True)
        return Listing(found, listing.problems)

    def newest(
        self, management_group: str, *, server_version: ServerVersion | None = None, now: datetime | None = None
    ) -> Entry | None:
        """The newest backup of the group up to C(now), or the newest one that restores on C(server_version)."""
        for entry in self.entries(management_group).entries:
            if not is_dated_ahead(entry, now) and (
                server_version is None or key_backup_problem(entry.server_version, server_version) is None
            ):
                return entry
        return None

    def find(self, management_group: str, sha256: str) -> Entry | None:
        """The newest backup of the group with this very content."""
        for entry in self.entries(management_group).entries:
            if entry.sha256 == sha256.lower():
                return entry
        return None

    def open(self, entry: Entry, opener: Opener) -> bytes:
        """Return the key file, after manifest, size and both hashes were verified. Raises WrongSeal, Damaged,
        EscrowError.
        """
        return _verified_content(entry, _read_sealed(entry, _STEP_OPEN), opener)

    def verify(self, entry: Entry) -> None:
        """Verify what can be without opening: the sealed file's hash, and for whom it is sealed. Raises Damaged,
        EscrowError.

        Whoever may write in the escrow can make a backup of his own that passes; open() notices more.
        """
        _verify_sealed(entry, _read_sealed(entry, _STEP_VERIFY))

    def superseded(
        self,
        management_group: str,
        server: str,
        keep: int,
        newest: Entry | None = None,
        *,
        made_for: str | None,
        now: datetime | None = None,
    ) -> list[Entry]:
        """The backups of the server that C(keep) generations, at least 1, have no room for.

        Only what the host C(made_for) of the inventory made counts and goes: group and server are what a server says of
        itself. C(newest) is the first generation. Backups that are newer still are left alone: another job that made
        one at the same time counts from there, so that of several jobs at once none removes the last. Without it, one
        is about to be made. One dated after C(now) is no generation. Damaged backups are none either, and stay as
        evidence.
        """
        entries = self.entries(management_group, server).entries
        older = [entry for entry in entries if newest is None or _age_order(entry) < _age_order(newest)]
        own = [
            entry
            for entry in older
            if made_for is not None and entry.inventory_host == made_for and not is_dated_ahead(entry, now)
        ]
        return [entry for entry in own if _is_intact(self, entry)][max(keep, 1) - 1 :]

    def remove(self, entry: Entry) -> None:
        """Remove a backup. That it is gone already is no error. Raises EscrowError."""
        with _explained(_STEP_REMOVE), Folder.open(os.path.dirname(entry.path)) as folder:
            folder.remove(os.path.basename(entry.manifest_path))
            folder.remove(os.path.basename(entry.path))
            folder.remove(_signature_name(entry))

    @contextmanager
    def _server_folder(self, origin: BackupOrigin) -> Iterator[Folder]:
        try:
            group, server = path_component(origin.management_group), server_component(origin.server)
        except ValueError as error:
            raise EscrowError(
                _STEP_STORE, str(error), "Check the names of the management group and of the server"
            ) from error
        with Folder.open(self.directory, create=True) as root, root.folder(group, create=True) as group_folder:
            with group_folder.folder(server, create=True) as server_folder:
                yield server_folder

    def _walk(self, listing: Listing, management_group: str | None, server: str | None) -> None:
        try:
            root = Folder.open(self.directory)
        except FileNotFoundError:
            return
        with root:
            for group_folder, group in _folders(root, management_group, listing):
                for server_folder, found_server in _folders(group_folder, server, listing):
                    _list_server(server_folder, (group, found_server), listing, self._trust)


def _check_content(content: bytes) -> None:
    if not content:
        raise EscrowError(_STEP_STORE, "the key file is empty", "Make the backup again")
    if len(content) > KEY_FILE_LIMIT_BYTES:
        raise EscrowError(
            _STEP_STORE,
            f"the key file has {len(content)} bytes, more than {KEY_FILE_LIMIT_BYTES}",
            "Check that this file is a key backup, which has a few kilobytes",
        )


def _described(content: bytes, origin: BackupOrigin, seal: Seal) -> Entry:
    """The backup to be stored, without what is not known yet: its name, and the hash of what is not sealed yet."""
    return Entry(
        path="",
        manifest_path="",
        management_group=origin.management_group,
        server=origin.server,
        server_version=origin.server_version,
        taken_at=origin.taken_at.astimezone(timezone.utc).replace(microsecond=0),
        sha256=_sha256(content),
        size=len(content),
        seal=seal.name,
        sealed_sha256="",
        key_fingerprint=origin.key_fingerprint,
        collection_version=COLLECTION_VERSION,
        recipients=seal.recipients,
        inventory_host=origin.inventory_host,
    )


def is_dated_ahead(entry: Entry, now: datetime | None = None) -> bool:
    """Whether the backup is dated after C(now): by a wrong clock, or by somebody who planted it."""
    return entry.taken_at > (now or datetime.now(timezone.utc))


def _store_under_free_name(folder: Folder, described: Entry, sealed: bytes, seal: Seal, signer: Signer | None) -> Entry:
    for number in range(1, _NAMES_TRIED + 1):
        stem = file_stem(described.taken_at, described.sha256, number)
        if any(name.startswith(stem + ".") for name in folder.names()):
            continue
        entry = replace(
            described, path=folder.path_of(f"{stem}.{seal.extension}"), manifest_path=folder.path_of(stem + ".json")
        )
        try:
            _add_files(folder, entry, sealed, seal, signer)
        except FileExistsError:
            # Another writer took this name meanwhile.
            continue
        return entry
    raise EscrowError(_STEP_STORE, f"{folder.path} has no free file name for this second", "Rerun")


def _add_files(folder: Folder, entry: Entry, sealed: bytes, seal: Seal, signer: Signer | None) -> None:
    """Add the sealed file, verify it, add the signature and the manifest. Whatever goes wrong, what was added is
    removed again.
    """
    manifest = manifest_bytes(entry)
    _check_manifest(manifest)
    signature = None if signer is None else signer.sign(manifest)
    added: list[str] = []
    try:
        _add(folder, os.path.basename(entry.path), sealed, added)
        _verify_stored(folder, entry, seal)
        if signature is not None:
            _add(folder, _signature_name(entry), signature, added)
        # Nothing may fail after this: another job may see the backup now, and remove it for a newer one.
        _add(folder, os.path.basename(entry.manifest_path), manifest, added)
    except BaseException:
        _withdraw(folder, added)
        raise


def _check_manifest(manifest: bytes) -> None:
    if len(manifest) > MANIFEST_LIMIT_BYTES:
        found = f"the manifest would have {len(manifest)} bytes, more than {MANIFEST_LIMIT_BYTES}"
        raise EscrowError(_STEP_STORE, found, "Seal for fewer certificates")


def _add(folder: Folder, name: str, content: bytes, added: list[str]) -> None:
    added.append(name)
    try:
        folder.add(name, content)
    except FileExistsError:
        # It is another writer's, and not ours to remove.
        added.remove(name)
        raise


def _withdraw(folder: Folder, added: list[str]) -> None:
    """Remove what was added, the last first. Where one stays, so do those before it: a manifest without its sealed file
    would be a lost backup.

    The first error is the one to report. A sealed file that stays behind has no manifest and is listed as a problem.
    """
    with suppress(OSError):
        for name in reversed(added):
            folder.remove(name)


def _signature_name(entry: Entry) -> str:
    return os.path.basename(entry.manifest_path).removesuffix(".json") + "." + SIGNATURE_EXTENSION


def _verify_stored(folder: Folder, entry: Entry, seal: Seal) -> None:
    sealed = folder.read(os.path.basename(entry.path), limit_bytes=SEALED_FILE_LIMIT_BYTES)
    try:
        if seal.can_unseal:
            _verified_content(entry, sealed, seal)
        else:
            _verify_sealed(entry, sealed)
    except EscrowError as error:
        raise EscrowError(_STEP_STORE, f"read back after writing: {error.found}", _ADVICE_UNVERIFIED) from error


def _read_sealed(entry: Entry, step: str) -> bytes:
    with _explained(step), Folder.open(os.path.dirname(entry.path)) as folder:
        return folder.read(os.path.basename(entry.path), limit_bytes=SEALED_FILE_LIMIT_BYTES)


def _verify_sealed(entry: Entry, sealed: bytes) -> None:
    if _sha256(sealed) != entry.sealed_sha256:
        raise _damaged(entry.path, "the sealed file has another SHA-256 than its manifest says")
    if entry.seal == SEALED_FOR_CERTIFICATES:
        _verify_recipients(entry, sealed)


def _verify_recipients(entry: Entry, sealed: bytes) -> None:
    try:
        found = envelope_recipients(sealed)
        expected = [issuer_and_serial(recipient.certificate) for recipient in entry.recipients]
    except ValueError as error:
        raise _damaged(entry.path, f"it, or a certificate in its manifest, {error}") from error
    if sorted(found) != sorted(expected):
        raise _damaged(entry.path, "it is sealed for others than its manifest says")


def _verified_content(entry: Entry, sealed: bytes, opener: Opener) -> bytes:
    # Damage is looked for first: a flipped bit would otherwise be reported as a wrong passphrase.
    _verify_sealed(entry, sealed)
    unsealed = _unsealed(entry, sealed, opener)
    try:
        content = without_header(entry, unsealed) if opener.holds_manifest else unsealed
    except ManifestError as error:
        raise _damaged(entry.path, error.found) from error
    if len(content) != entry.size or _sha256(content) != entry.sha256:
        raise _damaged(entry.path, "the opened key file has another size or SHA-256 than its manifest says")
    return content


def _unsealed(entry: Entry, sealed: bytes, opener: Opener) -> bytes:
    if opener.name != entry.seal:
        raise WrongSeal(
            _STEP_OPEN,
            f"{entry.path} is sealed as {entry.seal}, and what was given opens {opener.name}",
            f"Give what opens a backup sealed as {entry.seal}",
        )
    try:
        return opener.unseal(sealed)
    except SealError as error:
        raise WrongSeal(_STEP_OPEN, f"{entry.path}: {error.found}", error.what_to_do) from error


def _is_intact(escrow: Escrow, entry: Entry) -> bool:
    try:
        escrow.verify(entry)
    except EscrowError:
        return False
    return True


def _age_order(entry: Entry) -> tuple[datetime, str]:
    return entry.taken_at, entry.path


def _folders(parent: Folder, wanted: str | None, listing: Listing) -> Iterator[tuple[Folder, str]]:
    """Open the directories of C(parent) whose names the escrow made, or the one of C(wanted), with their names."""
    for component in parent.names():
        # Compared before it is understood: with hundreds of groups that is most of what a look costs.
        if wanted is not None and component.lower() not in components_of(wanted):
            continue
        if not is_component(component) or not parent.is_folder(component):
            continue
        try:
            folder = parent.folder(component)
        except OSError as error:
            listing.problems.append(_os_problem(error))
            continue
        with folder:
            yield folder, component


def _list_server(folder: Folder, place: tuple[str, str], listing: Listing, trust: Trust | None) -> None:
    names = folder.names()
    for name in names:
        match = _FILE_NAME.match(name)
        if name.startswith(TEMPORARY_PREFIX) or (
            match and match["extension"] != "json" and match["stem"] + ".json" not in names
        ):
            listing.problems.append(_unfinished(folder.path_of(name)))
        elif match and match["extension"] == "json":
            _list_manifest(folder, match["stem"], place, listing, trust)


def _list_manifest(folder: Folder, stem: str, place: tuple[str, str], listing: Listing, trust: Trust | None) -> None:
    path = folder.path_of(stem + ".json")
    try:
        manifest = folder.read(stem + ".json", limit_bytes=MANIFEST_LIMIT_BYTES)
        entry = entry_from_manifest(manifest, path, stem)
        problem = _misplaced(entry, *place) or _without_file(entry, folder) or _foreign(entry, manifest, folder, trust)
    except OSError as error:
        problem = _os_problem(error)
    except ManifestError as error:
        problem = Problem(path, error.found, _ADVICE_DAMAGED)
    if problem:
        listing.problems.append(problem)
    else:
        listing.entries.append(entry)


def _foreign(entry: Entry, manifest: bytes, folder: Folder, trust: Trust | None) -> Problem | None:
    """What is wrong with the signature of a backup, where signatures are asked for."""
    if trust is None:
        return None
    try:
        signature = folder.read(_signature_name(entry), limit_bytes=SIGNATURE_LIMIT_BYTES)
    except FileNotFoundError:
        return Problem(entry.manifest_path, "the backup is not signed", _ADVICE_FOREIGN)
    found = trust.problem(manifest, signature)
    return None if found is None else Problem(folder.path_of(_signature_name(entry)), found, _ADVICE_FOREIGN)


def _misplaced(entry: Entry, group: str, server: str) -> Problem | None:
    if group.lower() in components_of(entry.management_group) and server.lower() in components_of(entry.server):
        return None
    return Problem(
        entry.manifest_path,
        f"the manifest says that this is a backup of {entry.server} in {entry.management_group}, and it lies in the directory of another",
        "Move it back with its key file if somebody moved it; do not restore it where it lies",
    )


def _without_file(entry: Entry, folder: Folder) -> Problem | None:
    if folder.is_file(os.path.basename(entry.path)):
        return None
    return Problem(
        entry.path,
        "is missing or not an ordinary file, though it has a manifest",
        "Bring the file back, or use another backup",
    )


def _unfinished(path: str) -> Problem:
    return Problem(
        path,
        "is a backup without a manifest: it was cut off, or is being written just now",
        "Remove it if no backup is running; it is never restored",
    )


def _os_problem(error: OSError) -> Problem:
    return Problem(_path_text(error), _reason(error), _advice(error))


@contextmanager
def _explained(step: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise EscrowError(step, f"{_path_text(error)}: {_reason(error)}", _advice(error)) from error


def _path_text(error: OSError) -> str:
    return os.fsdecode(error.filename) if isinstance(error.filename, (str, bytes)) else "the escrow"


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__


def _advice(error: OSError) -> str:
    return _ADVICE.get(error.errno or 0, _ADVICE_OTHERWISE)


def _damaged(path: str, found: str) -> Damaged:
    return Damaged(_STEP_OPEN, f"{path}: {found}", _ADVICE_DAMAGED)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
