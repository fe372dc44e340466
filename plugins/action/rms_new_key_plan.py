# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""rms_new_key_plan: what a recovery without a key would do and everything that stands in its way. Runs on the
controller, changes nothing.
"""

from __future__ import annotations

import typing as t
from dataclasses import asdict, fields

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.actions.controller import Arguments, ControllerAction
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.key_escrow import ESCROW_SPEC, SIGNING_SPEC
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.writability import (
    password_problems,
    writing_problems,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.new_key import (
    STEP,
    NewKeyPrediction,
    NewKeyRequest,
    make_plan,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.observation import SEEN_SPEC, Observation

# Its variables are named in what this says.
ROLE = "rms_recover_without_key"


class ActionModule(ControllerAction):
    SPEC = {
        **SEEN_SPEC,
        **ESCROW_SPEC,
        **SIGNING_SPEC,
        "target": {"type": "str", "required": True},
        "management_group": {"type": "str"},
        "new_key": {"type": "dict", "required": True},
        "lock": {"type": "dict", "default": {}},
        "discard_keys": {"type": "bool", "default": False},
        "old_rms_is_off": {"type": "bool", "default": False},
        "database_host": {"type": "str"},
        "database_backup": {"type": "bool", "default": True},
    }

    def tell(self, arguments: Arguments, task_vars: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        request = NewKeyRequest(**{each.name: arguments[each.name] for each in fields(NewKeyRequest)})
        plan = make_plan(
            request,
            Observation.from_results(arguments),
            NewKeyPrediction.from_result(arguments["new_key"]),
            arguments["lock"].get("msg"),
        )
        if plan.backup_needed:
            plan.problems += writing_problems(arguments, STEP, ROLE)
        else:
            plan.problems += password_problems(arguments, STEP, ROLE)
        return asdict(plan)
