# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""variable_names: no variable of the inventory is nearly one of this collection's. Runs on the controller, changes
nothing.
"""

from __future__ import annotations

import typing as t

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.module_utils.optional import phrase
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.actions.controller import Arguments, ControllerAction
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.inventory.variable_names import (
    known_variables,
    misspelt_variables,
)

STEP = "preflight"
HOSTS_NAMED = 3


class ActionModule(ControllerAction):
    SPEC: t.ClassVar[dict[str, dict[str, t.Any]]] = {}

    def tell(self, arguments: Arguments, task_vars: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        hosts_with = _hosts_by_variable(task_vars)
        misspelt = misspelt_variables(hosts_with, known_variables())
        if misspelt:
            named = "; ".join(f"{each}, set for {_some(hosts_with[each.name])}" for each in misspelt)
            found = f"nothing here has a variable of this name: {named}"
            raise OpsmgrError(
                STEP,
                found,
                "Correct the name, or take the variable out. A value that nothing asks for would leave a default in its place",
            )
        return {}


def _hosts_by_variable(task_vars: t.Mapping[str, t.Any]) -> dict[str, list[str]]:
    """Every variable, and the hosts that have it. Only names are read: a value may be a secret, or a template that
    fails.
    """
    hostvars = task_vars.get("hostvars") or {}
    # What is not there raw is a plain dict.
    read = getattr(hostvars, "raw_get", lambda host: hostvars.get(host, ()))
    hosts = [host for members in (task_vars.get("groups") or {}).values() for host in members]
    found: dict[str, list[str]] = {name: [str(task_vars.get("inventory_hostname"))] for name in task_vars}
    for host in dict.fromkeys(hosts):
        for name in read(host):
            having = found.setdefault(name, [])
            if host not in having:
                having.append(host)
    return found


def _some(hosts: t.Sequence[str]) -> str:
    return ", ".join(hosts[:HOSTS_NAMED]) + phrase(" and {} more", len(hosts[HOSTS_NAMED:]))
