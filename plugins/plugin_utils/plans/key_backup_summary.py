# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The outcome of a fleet's key backups: one row for each RMS, failures first, and the lines that say it.

Private to opsmgr.recovery.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import error_sentence
from ansible_collections.opsmgr.recovery.plugins.module_utils.optional import phrase
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.observation import ServerObservation
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.reachability import (
    SILENT,
    reachability,
    why_unreachable,
)

Result = t.Mapping[str, t.Any]
Row = dict[str, t.Any]
STEP = "back up the key"


@dataclass(frozen=True)
class Attempt:
    """What this run did for one RMS of the inventory.

    :ivar host: who stands for it in the inventory
    :ivar management_group: the group by the inventory
    :ivar results: of secure_storage_backup, one for each server that was tried
    :ivar tools: of support_tools, likewise
    :ivar not_found: why it is not known which server is the RMS, or empty
    """

    host: str
    management_group: str
    results: t.Sequence[Result]
    tools: t.Sequence[Result] = ()
    not_found: str = ""

    @property
    def done(self) -> bool:
        """Whether a backup was made, found fresh, or predicted."""
        return not _failed(self.best)

    @property
    def best(self) -> Result:
        """The result of the server that was backed up, else of the first one that was tried."""
        return next((result for result in self.results if not _failed(result)), self.results[0])

    @property
    def server(self) -> str:
        """Inventory name of the server that the best result is about."""
        return str(self.best.get("item") or self.host)

    @property
    def trouble(self) -> str:
        """Why this run did not do what it should, in whole sentences, or empty."""
        # A server that does not answer says so once.
        tools = [result for result in self.tools if not result.get("unreachable")]
        causes = [self.not_found]
        if not self.done:
            causes += [self._cause(result) for result in (*tools, *self.results) if _failed(result)]
        return " ".join(filter(None, causes))

    def predicted(self, check_mode: bool) -> bool:
        """Whether a backup would be made that the escrow does not have yet."""
        seen = self.best.get("server") or {}
        return check_mode and self.done and not self.best["reused"] and bool(seen.get("is_rms"))

    def look(self) -> ServerObservation:
        """What was seen of the server, to be compared with the escrow."""
        return ServerObservation.from_result(
            {"item": self.server, "msg": "this run did not see it", "server": self.best.get("server")}
        )

    def _cause(self, result: Result) -> str:
        if "elapsed_seconds" in result:
            return str(result["msg"])
        if not result.get("unreachable"):
            # The task never began, for example for want of a variable: ansible-core's own words.
            return error_sentence(self.host, STEP, str(result["msg"]), "Fix the cause, then rerun")
        advice = "Correct its account, its connection or this controller, then rerun"
        if reachability(result.get("msg")) == SILENT:
            advice = "Check that it answers, then rerun"
        return error_sentence(str(result.get("item") or self.host), STEP, why_unreachable(result.get("msg")), advice)


@dataclass(frozen=True)
class Fleet:
    """What is known of all of them.

    :ivar not_tried: hosts that failed before their turn
    :ivar groups_left: management groups that no host stands for
    :ivar escrow_problems: what else is wrong in the escrow; fails nobody
    """

    rows: t.Sequence[Row]
    not_tried: t.Sequence[str] = ()
    groups_left: t.Sequence[str] = ()
    escrow_problems: t.Sequence[str] = field(default=())

    @property
    def counts(self) -> dict[str, int]:
        """How many RMS there are, how many failed, how many are good."""
        good = sum(not row["problem"] for row in self.rows)
        failed = len(self.rows) - good + len(self.not_tried) + len(self.groups_left)
        return {"all": good + failed, "failed": failed, "good": good}

    @property
    def failures_first(self) -> list[Row]:
        """The rows, those with a problem first, each part by host."""
        return sorted(self.rows, key=lambda row: (not row["problem"], row["host"]))

    @property
    def missed_groups(self) -> list[str]:
        """What to do about each management group that no host stands for."""
        advice = "Add one to the inventory, the one that is believed to be the RMS."
        reason = "because opsmgr_rms has no host of it"
        return [f"Nobody looked for the RMS of {group}, {reason}. {advice}" for group in self.groups_left]

    def lines(self, escrow: str, check_mode: bool) -> list[str]:
        """The fleet in one line for each, failures first."""
        have = "have"
        if check_mode:
            have = "would have"
        counts = self.counts
        return [
            f"{counts['good']} of {counts['all']} RMS {have} a fresh backup of their key that fits; {counts['failed']} failed. Escrow: {escrow}",
            *(f"FAILED {host}: it failed before its key could be backed up, see above." for host in self.not_tried),
            *(f"FAILED management group {group}: it has no host in opsmgr_rms." for group in self.groups_left),
            *(_line(row) for row in self.failures_first),
            *(f"escrow {problem}" for problem in self.escrow_problems),
        ]


def sink_failures(results: t.Iterable[Result]) -> list[str]:
    """Why the backups are not where they are kept: a sentence for each command that failed."""
    return [_sink_failure(result) for result in results if _sink_failed(result)]


def _sink_failed(result: Result) -> bool:
    return bool(result.get("failed") or result.get("rc"))


def _sink_failure(result: Result) -> str:
    command = (result.get("cmd") or ["the command"])[0]
    why = " ".join(str(result.get("stderr") or result.get("msg") or "").split())
    return f"The sink: {command} failed: {why}. Fix the cause, then rerun."


def row_of(attempt: Attempt, server: t.Mapping[str, t.Any] | None, sentence: str, check_mode: bool) -> Row:
    """What is known of one RMS.

    :param server: what the escrow holds for it, as key_escrow_info says it; None when that was not looked up
    :param sentence: what key_escrow_info complains of, or empty
    """
    seen = attempt.best.get("server") or {}
    backup = (server or {}).get("backup") or {}
    trouble = attempt.trouble
    in_escrow = ""
    if trouble:
        # What there is all the same.
        in_escrow = _in_escrow(server or {}, backup)
    version = str(seen.get("version") or "")
    return {
        "host": attempt.host,
        "server": attempt.server,
        "management_group": seen.get("management_group") or attempt.management_group,
        "server_version": version,
        "outcome": _outcome(attempt, trouble or sentence, check_mode),
        "problem": trouble or sentence,
        "backup": backup,
        "in_escrow": in_escrow,
        "other_version": version not in ("", backup.get("server_version", version)),
    }


def _outcome(attempt: Attempt, problem: str, check_mode: bool) -> str:
    if problem:
        return "failed"
    if attempt.best.get("reused"):
        return "left as it is"
    if check_mode:
        return "would be made"
    return "made"


def _in_escrow(server: t.Mapping[str, t.Any], backup: t.Mapping[str, t.Any]) -> str:
    if server.get("problem"):
        return str(server["problem"])
    return phrase("a backup of {} that fits", backup.get("taken_at"))


def _line(row: Row) -> str:
    if row["problem"]:
        return f"FAILED {row['problem']}{phrase(' In the escrow: {}.', row['in_escrow'])}"
    line = f"good {row['server']}"
    if row["server"] != row["host"]:
        line += f" ({row['host']} in the inventory)"
    line += f", {row['management_group']} {row['server_version']}: {row['outcome']}"
    if row["backup"]:
        line += f", {row['backup']['age_hours']} h old, sealed {row['backup']['seal']}"
    return line


def _failed(result: Result) -> bool:
    # A result that failed says why; one that was unreachable and ignored is not marked as failed.
    return "msg" in result
