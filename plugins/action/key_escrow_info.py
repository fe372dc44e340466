# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""key_escrow_info: what is in the escrow, how much of it is sound, and which RMS lacks a backup. Runs on the controller, changes nothing."""
from __future__ import annotations

import typing as t
from datetime import datetime, timedelta, timezone

from ansible.plugins.action import ActionBase

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError, error_sentence
from ansible_collections.opsmgr.recovery.plugins.module_utils.escrow import Problem
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow_coverage import Checked, Coverage, cover
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.failover import Look
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.key_escrow import (
    FAULTY,
    PRIVATE_KEY_SPEC,
    describe,
    open_escrow,
    private_key_from,
    verify_backup,
)

STEP = "verify the escrow"
CONTROLLER = "controller"
SPEC: dict[str, dict[str, t.Any]] = {
    **PRIVATE_KEY_SPEC,
    "escrow": {"type": "path", "required": True},
    "seal_passphrase": {"type": "str", "no_log": True},
    "servers": {"type": "list", "elements": "dict", "default": []},
    "max_age": {"type": "float", "default": 48.0},
}


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        del tmp
        _validated, arguments = self.validate_argument_spec(SPEC)
        result["changed"] = False
        try:
            result.update(_look(arguments, datetime.now(timezone.utc)))
        except OpsmgrError as error:
            result.update(failed=True, msg=error.sentence(CONTROLLER))
        return result


def _look(arguments: t.Mapping[str, t.Any], now: datetime) -> dict[str, t.Any]:
    looks = _looks(arguments["servers"])
    private_key = private_key_from(arguments)
    escrow = open_escrow(arguments["escrow"])
    listing = escrow.entries()
    backups = [Checked(entry, *verify_backup(escrow, entry, arguments["seal_passphrase"], private_key)) for entry in listing.entries]
    oldest = now - timedelta(hours=arguments["max_age"])
    servers = [cover(look, backups, oldest, now) for look in looks]
    uncovered = [_sentence(each.look.host, each.problem, each.what_to_do) for each in servers if each.problem]
    return {
        "backups": [_backup(each, now) for each in backups],
        "unusable": [vars(problem) for problem in listing.problems],
        "servers": [_server(each, now) for each in servers],
        "problems": [*uncovered, *_faults(backups), *(_unusable(problem) for problem in listing.problems)],
        # Shown in colour even where nobody looks at the result.
        "warnings": uncovered,
    }


def _looks(results: t.Iterable[t.Mapping[str, t.Any]]) -> list[Look]:
    """What was seen of the servers. Raises OpsmgrError for something else."""
    try:
        return [Look.from_result(result) for result in results]
    except KeyError as error:
        found = f"an element of servers has no {error}, and so is no result of a loop with management_server_info"
        raise OpsmgrError(STEP, found, "Register a loop over inventory names with that module, and give its results") from error


def _backup(backup: Checked, now: datetime) -> dict[str, t.Any]:
    age = (now - backup.entry.taken_at).total_seconds() / 3600
    return {**describe(backup.entry), "age_hours": round(age, 1), "verified": backup.verified, "problem": backup.problem}


def _server(coverage: Coverage, now: datetime) -> dict[str, t.Any]:
    server = coverage.look.server or {}
    return {
        "host": coverage.look.host,
        "management_group": server.get("management_group"),
        "server_version": server.get("version"),
        "covered": coverage.problem is None,
        "backup": _backup(coverage.backup, now) if coverage.backup else None,
        "problem": coverage.problem,
    }


def _faults(backups: t.Iterable[Checked]) -> list[str]:
    advice = "Find out what happened to it, and have another backup of that server"
    return [_sentence(CONTROLLER, each.problem or "", advice) for each in backups if each.verified == FAULTY]


def _unusable(problem: Problem) -> str:
    return _sentence(CONTROLLER, f"{problem.path}: {problem.found}", problem.what_to_do)


def _sentence(host: str, found: str, what_to_do: str) -> str:
    return error_sentence(host, STEP, found, what_to_do)
