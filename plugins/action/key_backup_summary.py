# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""key_backup_summary: the outcome of a fleet's key backups, each compared with the escrow. Runs on the controller,
changes nothing.
"""

from __future__ import annotations

import typing as t
from datetime import datetime, timezone

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.actions.controller import Arguments, ControllerAction
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.key_escrow import TRUST_SPEC, open_escrow
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.escrow_coverage import examine
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.key_backup_summary import (
    Attempt,
    Fleet,
    row_of,
    sink_failures,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.registered import loop_results

# What was fresh when the run began must not be too old at its end, however long it took.
LONGEST_RUN_HOURS = 24.0
# The inventory's word for a host's management group.
GROUP_VARIABLE = "opsmgr_management_group"
STEP = "sum up the key backups"


class ActionModule(ControllerAction):
    SPEC = {
        "escrow": {"type": "path", "required": True},
        "escrow_name": {"type": "str"},
        **TRUST_SPEC,
        "max_age": {"type": "float", "default": 24.0},
        "hosts": {"type": "list", "elements": "str", "required": True},
        "backup_variable": {"type": "str", "required": True},
        "tools_variable": {"type": "str"},
        "not_found_variable": {"type": "str"},
        "not_tried": {"type": "list", "elements": "str", "default": []},
        "groups_left": {"type": "list", "elements": "str", "default": []},
        "sink_results": {"type": "list", "elements": "dict", "default": []},
    }

    def tell(self, arguments: Arguments, task_vars: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        # Extracting them from hostvars with Jinja costs a fleet several times what all the rest here does.
        attempts = [_attempt(host, task_vars["hostvars"][host], arguments) for host in arguments["hosts"]]
        return _summary(attempts, arguments, bool(self._task.check_mode), datetime.now(timezone.utc))


def _summary(attempts: t.Sequence[Attempt], arguments: Arguments, check_mode: bool, now: datetime) -> dict[str, t.Any]:
    looks = [attempt.look() for attempt in attempts if not attempt.predicted(check_mode)]
    escrow_now = open_escrow(arguments["escrow"], arguments["trusted_signers"])
    found = examine(escrow_now, looks, arguments["max_age"] + LONGEST_RUN_HOURS, now)
    servers = {server["host"]: server for server in found.described_servers()}
    uncovered = found.uncovered()
    rows = [
        row_of(attempt, servers.get(attempt.server), uncovered.get(attempt.server, ""), check_mode)
        for attempt in attempts
    ]
    sink = sink_failures(arguments["sink_results"])
    fleet = Fleet(rows, arguments["not_tried"], arguments["groups_left"], [*sink, *found.faults()])
    escrow = arguments["escrow_name"] or arguments["escrow"]
    return {
        "lines": fleet.lines(escrow, check_mode),
        "problems": {row["host"]: row["problem"] for row in rows if row["problem"]},
        "shared": [*sink, *fleet.missed_groups],
        "summary": {
            "made_at": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "escrow": escrow,
            "max_age_hours": arguments["max_age"],
            "counts": fleet.counts,
            "groups_left": fleet.groups_left,
            "not_tried": fleet.not_tried,
            "hosts": fleet.failures_first,
            "escrow_problems": fleet.escrow_problems,
        },
    }


def _attempt(host: str, variables: t.Mapping[str, t.Any], arguments: Arguments) -> Attempt:
    """What the host's tasks registered. Raises OpsmgrError when the backup never ran for it."""
    results = _results(variables, arguments["backup_variable"])
    if not results:
        found = f"{host} has no result in {arguments['backup_variable']}"
        raise OpsmgrError(
            STEP, found, "Register a task with secure_storage_backup for each of the hosts, and give that name"
        )
    return Attempt(
        host,
        str(variables.get(GROUP_VARIABLE, "")),
        results,
        _results(variables, arguments["tools_variable"]),
        str(variables.get(arguments["not_found_variable"] or "", {}).get("problem") or ""),
    )


def _results(variables: t.Mapping[str, t.Any], name: str | None) -> list[t.Mapping[str, t.Any]]:
    """The results that a task registered, be it a loop or not; none of one that was skipped."""
    return loop_results(variables.get(name or ""))
