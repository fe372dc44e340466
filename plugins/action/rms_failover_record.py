# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""rms_failover_record: what a failover did and how it ended, for a report. Runs on the controller, asks nobody and
changes nothing.
"""

from __future__ import annotations

import typing as t
from dataclasses import asdict

from ansible.release import __version__ as ANSIBLE_CORE_VERSION

from ansible_collections.opsmgr.recovery.plugins.module_utils.optional import if_known
from ansible_collections.opsmgr.recovery.plugins.module_utils.utc import now_text, seconds_between
from ansible_collections.opsmgr.recovery.plugins.module_utils.versions import COLLECTION_VERSION
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.actions.controller import Arguments, ControllerAction
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.failover_result import PlannedFailover
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.failover_steps import (
    StepRun,
    has_settled,
    join,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.observation import SEEN_SPEC, Observation
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.runbook.drawing import bars, draw
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.runbook.record import (
    Record,
    RunHistory,
    last_message,
    left_undone,
    make_record,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.runbook.topology import DrawnGroup

STEP = "record the failover"


class ActionModule(ControllerAction):
    SPEC = {
        "plan": {"type": "dict", "required": True},
        "results": {"type": "dict", "required": True},
        "database": {"type": "str", "required": True},
        "database_host": {"type": "str", "required": True},
        "seen_again": {"type": "dict", "required": True, "options": SEEN_SPEC},
        "seen_at_end": {"type": "dict", "options": SEEN_SPEC},
        "verdict": {"type": "dict"},
    }

    def tell(self, arguments: Arguments, task_vars: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        planned = PlannedFailover.from_result(arguments["plan"], STEP)
        runs = join(planned.plan.steps, arguments["results"])
        # In check mode nothing was reached.
        settled = not self._task.check_mode and has_settled(runs, _looked_at(planned.seen))
        story = _story(planned, arguments, runs, settled)
        record = make_record(story)
        told = _as_result(record, story, planned)
        check_mode = bool(self._task.check_mode)
        return {
            "record": told,
            "settled": settled,
            "drawings": _drawings(record, told["began_at"], told["seconds"]),
            "lines": last_message(story, check_mode=check_mode),
            "left_undone": left_undone(story, check_mode=check_mode),
        }


def _story(planned: PlannedFailover, arguments: Arguments, runs: list[StepRun], settled: bool) -> RunHistory:
    plan, request = planned.plan, planned.request
    began_at = _looked_at(planned.seen)
    at_end = arguments["seen_at_end"]
    looked_at_end = bool(at_end and at_end["servers"]) and _looked_at(at_end) >= began_at
    seen_again = arguments["seen_again"]
    if looked_at_end:
        seen_again = at_end
    came_to_end = looked_at_end or settled
    left, unfinished = plan.left, []
    if came_to_end:
        plan_at_end = planned.renewed(seen_again)
        left, unfinished = plan_at_end.left, plan_at_end.unfinished
    return RunHistory(
        group=DrawnGroup(
            target=plan.new_rms,
            rms_name=plan.rms_name,
            database=arguments["database"],
            database_host=arguments["database_host"],
            cluster_nodes=request.cluster_nodes,
            virtual_server=request.virtual_server,
        ),
        old_rms=plan.old_rms,
        promotion_needed=plan.promotion_needed,
        seen=Observation.from_results(planned.seen),
        seen_again=Observation.from_results(seen_again),
        began_at=began_at,
        asked_again_at=_looked_at(seen_again),
        steps=runs,
        left=left,
        unfinished=unfinished,
        came_to_end=came_to_end,
        verdict=_verdict(arguments["verdict"] or {}, began_at),
    )


def _verdict(result: t.Mapping[str, t.Any], began_at: str) -> str | None:
    """The verdict of this run; what is older is another run's."""
    if str(result.get("started_at", "")) < began_at:
        return None
    return if_known(str, result.get("verdict"))


def _looked_at(seen: t.Mapping[str, t.Any]) -> str:
    """When the first server was asked; empty when none was."""
    return min((str(look["started_at"]) for look in seen["servers"] if "started_at" in look), default="")


def _drawings(record: Record, began_at: str, seconds: float) -> dict[str, t.Any]:
    return {
        "before": asdict(draw(record.before)),
        "after": asdict(draw(record.after)),
        "bars": [each and asdict(each) for each in bars(record.steps)],
    }


def _as_result(record: Record, story: RunHistory, planned: PlannedFailover) -> dict[str, t.Any]:
    made_at = now_text()
    versions = sorted(
        {f"{server.product or 'OpsMgr'} ({server.version})" for server in record.before.servers if server.version}
    )
    return {
        "made_at": made_at,
        "began_at": story.began_at,
        "seconds": seconds_between(story.began_at, made_at),
        "management_group": planned.request.management_group,
        "target": story.group.target,
        "old_rms": story.old_rms,
        "mode": planned.plan.mode,
        **asdict(record),
        "versions": {
            "collection": COLLECTION_VERSION,
            "ansible_core": ANSIBLE_CORE_VERSION,
            "operations_manager": versions,
            "sql_server": story.seen.database.get("sql_server_version"),
        },
    }
