# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""key_escrow_info: what is in the escrow, how much of it is sound, and which RMS lacks a backup. Runs on the controller, changes nothing."""
from __future__ import annotations

import typing as t
from datetime import datetime, timezone

from ansible.plugins.action import ActionBase

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow_coverage import CONTROLLER, STEP, examine
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.failover import Look
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.job_storage import lost_with_job
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.key_escrow import PRIVATE_KEY_SPEC, open_escrow, private_key_from

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
    found = examine(open_escrow(arguments["escrow"]), looks, arguments["max_age"], now, arguments["seal_passphrase"], private_key)
    uncovered = list(found.uncovered().values())
    return {
        "backups": found.described_backups(),
        "lost_with_job": lost_with_job(arguments["escrow"]),
        "unusable": [vars(problem) for problem in found.unusable],
        "servers": found.described_servers(),
        "problems": [*uncovered, *found.faults()],
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
