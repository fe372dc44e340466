# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""key_escrow_info: what is in the escrow, how much of it is sound, and which RMS lacks a backup. Runs on the
controller, changes nothing.
"""

from __future__ import annotations

import typing as t
from datetime import datetime, timezone

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.actions.controller import Arguments, ControllerAction
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.awx.job_storage import lost_with_job
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.key_escrow import (
    PRIVATE_KEY_SPEC,
    TRUST_SPEC,
    open_escrow,
    private_key_from,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.escrow_coverage import STEP, examine
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.observation import ServerObservation


class ActionModule(ControllerAction):
    SPEC = {
        **PRIVATE_KEY_SPEC,
        **TRUST_SPEC,
        "escrow": {"type": "path", "required": True},
        "seal_passphrase": {"type": "str", "no_log": True},
        "servers": {"type": "list", "elements": "dict", "default": []},
        "max_age": {"type": "float", "default": 48.0},
    }

    def tell(self, arguments: Arguments, task_vars: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        return _look(arguments, datetime.now(timezone.utc))


def _look(arguments: Arguments, now: datetime) -> dict[str, t.Any]:
    looks = _looks(arguments["servers"])
    private_key = private_key_from(arguments)
    found = examine(
        open_escrow(arguments["escrow"], arguments["trusted_signers"]),
        looks,
        arguments["max_age"],
        now,
        arguments["seal_passphrase"],
        private_key,
    )
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


def _looks(results: t.Iterable[t.Mapping[str, t.Any]]) -> list[ServerObservation]:
    """What was seen of the servers. Raises OpsmgrError for something else."""
    try:
        return [ServerObservation.from_result(result) for result in results]
    except KeyError as error:
        found = f"an element of servers has no {error}, and so is not a result of a loop with management_server_info"
        raise OpsmgrError(
            STEP, found, "Register a loop over inventory names with that module, and give its results"
        ) from error
