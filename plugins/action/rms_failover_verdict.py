# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""rms_failover_verdict: whether the role has moved, by what was seen. Runs on the controller, asks nobody and changes
nothing.
"""

from __future__ import annotations

import typing as t

from ansible_collections.opsmgr.recovery.plugins.module_utils.utc import now_text
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.actions.controller import Arguments, ControllerAction
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.failover_result import PlannedFailover
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.failover_steps import has_begun, join
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.failover_verdict import Question, find, message
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.observation import SEEN_SPEC, Observation

STEP = "judge the promotion"


class ActionModule(ControllerAction):
    SPEC = {
        "plan": {"type": "dict", "required": True},
        "results": {"type": "dict", "default": {}},
        "now": {"type": "dict", "required": True, "options": SEEN_SPEC},
        "failure": {"type": "dict", "default": {}},
        "undone": {"type": "bool", "default": False},
    }

    def tell(self, arguments: Arguments, task_vars: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        planned = PlannedFailover.from_result(arguments["plan"], STEP)
        question = Question(
            target=planned.plan.new_rms,
            old_rms=planned.plan.old_rms,
            begun=has_begun(join(planned.plan.steps, arguments["results"])),
            cluster_nodes=planned.request.cluster_nodes,
            virtual_server=planned.request.virtual_server,
        )
        now, seen = Observation.from_results(arguments["now"]), Observation.from_results(planned.seen)
        finding = find(question, now, seen)
        return {
            "started_at": now_text(),
            "verdict": finding.verdict.value,
            "evidence": finding.evidence,
            "different": finding.different,
            "disturbed": finding.disturbed,
            "message": message(finding, why_failed(arguments["failure"]), arguments["undone"]),
        }


def why_failed(failure: t.Mapping[str, t.Any]) -> str:
    """The messages in the result of the task that failed, of a loop those of its items."""
    failed = filter(_has_failed, failure.get("results") or [failure])
    told = [str(result["msg"]) for result in failed if result.get("msg")]
    return " ".join(dict.fromkeys(told)) or str(failure.get("msg", ""))


def _has_failed(result: t.Mapping[str, t.Any]) -> bool:
    return bool(result.get("failed", True) or result.get("unreachable"))
