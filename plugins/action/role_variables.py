# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""role_variables: what an argument spec cannot refuse. Runs on the controller, changes nothing."""

from __future__ import annotations

import typing as t

import yaml
from ansible.errors import AnsibleError

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.module_utils.option_values import value_problem
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.actions.controller import Arguments, ControllerAction

STEP = "check the variables"


class ActionModule(ControllerAction):
    SPEC = {"specs": {"type": "path", "required": True}}

    def tell(self, arguments: Arguments, task_vars: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        specs = _specs(arguments["specs"])
        values = {name: self._value(task_vars[name]) for name in specs if name in task_vars}
        problems = {name: value_problem(name, value, specs[name]) for name, value in values.items()}
        told = [f"the variable {name} cannot be used: {problem}" for name, problem in problems.items() if problem]
        if told:
            raise OpsmgrError(STEP, "; ".join(told), "Correct the value, then rerun. Nothing was done")
        return {"checked": sorted(values)}

    def _value(self, raw: t.Any) -> t.Any:
        """The value of a variable; None for one whose template waits for what a later task finds out."""
        try:
            return self._templar.template(raw)
        except AnsibleError:
            return None


def _specs(path: str) -> dict[str, t.Any]:
    try:
        with open(path, encoding="utf-8") as stream:
            options: dict[str, t.Any] = yaml.safe_load(stream)["argument_specs"]["main"]["options"]
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise OpsmgrError(
            STEP, f"{path} holds no argument specs ({type(error).__name__})", "Name meta/argument_specs.yml of a role"
        ) from error
    return options
