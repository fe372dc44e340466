# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan as a result that other tasks are given, and read back from it.

Private to opsmgr.recovery.
"""

from __future__ import annotations

import typing as t
from dataclasses import asdict, dataclass

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.failover import FailoverRequest, Plan, make_plan
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.observation import Observation
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.step_plan import StepPlan

Seen = t.Mapping[str, t.Any]


@dataclass(frozen=True)
class PlannedFailover:
    """A plan with what it was made of.

    :ivar seen: what was seen when the plan was made, as SEEN_SPEC describes it
    :ivar made_at: when that was
    """

    plan: Plan
    request: FailoverRequest
    seen: Seen
    made_at: str

    @classmethod
    def from_result(cls, result: t.Mapping[str, t.Any], step: str) -> PlannedFailover:
        """From the result of rms_failover_plan. Raises OpsmgrError when it is not one."""
        try:
            values = {name: result[name] for name in Plan.__dataclass_fields__}
            steps = [StepPlan(**each) for each in values.pop("steps")]
            request = FailoverRequest(**result["request"])
            return cls(Plan(**values, steps=steps), request, result["seen"], str(result["made_at"]))
        except (KeyError, TypeError) as error:
            what_to_do = "Give what a task with opsmgr.recovery.rms_failover_plan registered"
            raise OpsmgrError(step, "the option plan is not a result of rms_failover_plan", what_to_do) from error

    def as_result(self) -> dict[str, t.Any]:
        """The other way round."""
        steps = [asdict(step) for step in self.plan.steps]
        result = {**vars(self.plan), "steps": steps, "request": asdict(self.request)}
        return {**result, "seen": self.seen, "made_at": self.made_at}

    def renewed(self, seen: Seen) -> Plan:
        """The plan for the same request by what was seen later."""
        return make_plan(self.request, Observation.from_results(seen), self.plan.former_names)


def without_arguments(seen: Seen) -> dict[str, t.Any]:
    """What was seen, without the options of the tasks that saw it."""
    servers = [_without_arguments(look) for look in seen["servers"]]
    return {"servers": servers, "database": _without_arguments(seen["database"])}


def _without_arguments(result: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    return {name: value for name, value in result.items() if name not in ("invocation", "exception")}
