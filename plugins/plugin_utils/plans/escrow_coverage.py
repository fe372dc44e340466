# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether each RMS has a backup of its key that would restore.

Private to opsmgr.recovery.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from datetime import datetime, timedelta

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import CONTROLLER, error_sentence
from ansible_collections.opsmgr.recovery.plugins.module_utils.optional import if_known
from ansible_collections.opsmgr.recovery.plugins.module_utils.server_names import name_key
from ansible_collections.opsmgr.recovery.plugins.module_utils.versions import ServerVersion, key_backup_problem
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.key_escrow import FAULTY, describe, verify_backup
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.store import Entry, Escrow, Problem, is_dated_ahead
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.observation import ServerObservation

if t.TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

STEP = "verify the escrow"

MAKE_ONE = "Make a backup with secure_storage_backup while the RMS runs"
MAKE_ONE_NOW = "Make a new backup now: if this RMS is lost, so is every Run As password of the group"


@dataclass(frozen=True)
class Checked:
    """A backup, how much is known of it (OPENED, INTACT or FAULTY of key_escrow), and for FAULTY why."""

    entry: Entry
    verified: str
    problem: str | None


@dataclass(frozen=True)
class Coverage:
    """What an RMS of the inventory has: `backup` is the newest that could be meant, `problem` why it is not good
    enough, or None.
    """

    look: ServerObservation
    backup: Checked | None
    problem: str | None = None
    what_to_do: str = ""


@dataclass(frozen=True)
class Examination:
    """What the escrow holds, and what each server has in it. `now` is when it was looked at."""

    backups: t.Sequence[Checked]
    unusable: t.Sequence[Problem]
    servers: t.Sequence[Coverage]
    now: datetime

    def uncovered(self) -> dict[str, str]:
        """A sentence for each server without a good backup, by inventory name."""
        return {
            each.look.host: error_sentence(each.look.host, STEP, each.problem, each.what_to_do)
            for each in self.servers
            if each.problem
        }

    def faults(self) -> list[str]:
        """A sentence for each backup that is not sound, and for whatever else is wrong in the escrow."""
        advice = "Find out what happened to it, and have another backup of that server"
        faulty = [
            error_sentence(CONTROLLER, STEP, each.problem or "", advice)
            for each in self.backups
            if each.verified == FAULTY
        ]
        return faulty + [
            error_sentence(CONTROLLER, STEP, f"{problem.path}: {problem.found}", problem.what_to_do)
            for problem in self.unusable
        ]

    def described_backups(self) -> list[dict[str, t.Any]]:
        """The backups as plain data for a result."""
        return [self._backup(each) for each in self.backups]

    def described_servers(self) -> list[dict[str, t.Any]]:
        """The servers, with the backup that each has, as plain data for a result."""
        return [self._server(each) for each in self.servers]

    def _backup(self, backup: Checked) -> dict[str, t.Any]:
        age = (self.now - backup.entry.taken_at).total_seconds() / 3600
        return {
            **describe(backup.entry),
            "age_hours": round(age, 1),
            "verified": backup.verified,
            "problem": backup.problem,
        }

    def _server(self, coverage: Coverage) -> dict[str, t.Any]:
        server = coverage.look.server or {}
        return {
            "host": coverage.look.host,
            "management_group": server.get("management_group"),
            "server_version": server.get("version"),
            "covered": coverage.problem is None,
            "backup": if_known(self._backup, coverage.backup),
            "problem": coverage.problem,
        }


def examine(
    escrow: Escrow,
    looks: t.Iterable[ServerObservation],
    max_age_hours: float,
    now: datetime,
    passphrase: str | None = None,
    private_key: RSAPrivateKey | None = None,
) -> Examination:
    """Verify every backup of the escrow, and find for each server one that would restore. Raises OpsmgrError."""
    listing = escrow.entries()
    backups = [_checked(escrow, entry, now, passphrase, private_key) for entry in listing.entries]
    oldest = now - timedelta(hours=max_age_hours)
    return Examination(backups, listing.problems, [cover(look, backups, oldest, now) for look in looks], now)


def _checked(
    escrow: Escrow, entry: Entry, now: datetime, passphrase: str | None, private_key: RSAPrivateKey | None
) -> Checked:
    """What is known of one backup. One dated after now is no use, however sound it is: a wrong clock made it, or
    somebody planted it.
    """
    if is_dated_ahead(entry, now):
        return Checked(
            entry,
            FAULTY,
            f"{entry.path}: it is dated in the future, {_time(entry)}, by a wrong clock or by somebody who put it there",
        )
    return Checked(entry, *verify_backup(escrow, entry, passphrase, private_key))


def cover(look: ServerObservation, backups: t.Sequence[Checked], oldest: datetime, now: datetime) -> Coverage:
    """Find a backup for what was seen of a server. `backups` are newest first; one from before `oldest` is not fresh."""
    if look.server is None:
        return _unseen(look, backups, now)
    group, version = look.server["management_group"], look.server["version"]
    if group is None or version is None:
        return Coverage(
            look,
            None,
            "the registry does not say which management group and version this server has",
            "Check that it is a management server",
        )
    if not look.is_rms:
        found = "it is not the RMS by its own registry, so that a backup of it says nothing"
        return Coverage(look, None, found, "Correct the inventory: name the server that is the RMS now")
    own = [backup for backup in backups if backup.entry.management_group == group]
    if not own:
        return Coverage(look, None, f"there is no backup of management group {group}", MAKE_ONE)
    fit = next((backup for backup in own if _unfit(backup, look.server, oldest, now) is None), None)
    if fit is not None:
        return Coverage(look, fit)
    # What is dated in the future says nothing about the newest one.
    newest = next((backup for backup in own if not is_dated_ahead(backup.entry, now)), own[0])
    return Coverage(look, newest, *(_unfit(newest, look.server, oldest, now) or ()))


def _unseen(look: ServerObservation, backups: t.Sequence[Checked], now: datetime) -> Coverage:
    """Without a look at the server, nobody knows whether it was upgraded or got another key since."""
    own = [backup for backup in backups if name_key(backup.entry.server) == look.name]
    newest = next((backup for backup in own if not is_dated_ahead(backup.entry, now)), None)
    there = "there is no backup that was made on it"
    if newest:
        there = f"its newest backup, of {_time(newest.entry)}, cannot be compared with it"
    return Coverage(look, newest, f"{look.trouble}; {there}", "Check that the server answers, then rerun")


def _unfit(backup: Checked, server: t.Mapping[str, t.Any], oldest: datetime, now: datetime) -> tuple[str, str] | None:
    """Why a backup of the group is not what this server needs, and what to do."""
    entry, version = backup.entry, ServerVersion.parse(server["version"])
    key = server["key"]["fingerprint"]
    name = f"the newest backup, of {_time(entry)},"
    if is_dated_ahead(entry, now):
        return (
            f"{name} is dated in the future",
            "Set the clock of the controller, find out who made it, and make a new backup",
        )
    if backup.problem:
        return f"{name} is not usable: {backup.problem}", MAKE_ONE
    if entry.server_version != version:
        return f"{name} is WORTHLESS after the upgrade: {_upgraded(entry.server_version, version)}", MAKE_ONE_NOW
    if key is not None and entry.key_fingerprint is not None and entry.key_fingerprint != key:
        return f"{name} is WORTHLESS: it holds another key than the server has now", MAKE_ONE_NOW
    if entry.taken_at <= oldest:
        return f"{name} is too old", MAKE_ONE
    return None


def _upgraded(backup: ServerVersion, server: ServerVersion) -> str:
    return key_backup_problem(backup, server) or f"it was made at version {backup}, and the server is at {server} now"


def _time(entry: Entry) -> str:
    return entry.taken_at.strftime("%Y-%m-%dT%H:%M:%SZ")
