# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""preflight_info: whether controller and inventory have what a run needs. Runs on the controller, changes nothing."""

from __future__ import annotations

import typing as t

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import CONTROLLER, error_sentence
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.actions.controller import Arguments, ControllerAction
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.actions.requirements import (
    STEP,
    InventoryHost,
    requirement_problems,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.inventory.groups import KNOWN_GROUPS, misspelt_problems


class ActionModule(ControllerAction):
    SPEC = {
        "groups": {"type": "list", "elements": "str", "default": list(KNOWN_GROUPS)},
        "windows_hosts": {"type": "list", "elements": "str", "default": []},
        "sql": {"type": "bool", "default": False},
    }

    def tell(self, arguments: Arguments, task_vars: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        misspelt = misspelt_problems(arguments["groups"], task_vars.get("groups") or {})
        hosts = [
            InventoryHost.of(name, _variables(task_vars, name)) for name in dict.fromkeys(arguments["windows_hosts"])
        ]
        return {
            "problems": [error_sentence(CONTROLLER, STEP, found, "") for found in misspelt]
            + requirement_problems(hosts, sql=arguments["sql"])
        }


def _variables(task_vars: t.Mapping[str, t.Any], host: str) -> t.Mapping[str, t.Any]:
    """A host's own; none of one that the inventory does not know."""
    hostvars = task_vars.get("hostvars") or {}
    # Not get(): it gives something undefined for a host that is not there.
    if host not in hostvars:
        return {}
    found: t.Mapping[str, t.Any] = hostvars[host]
    return found
