# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""rms_failover_record: what a failover did and how it ended, for a report. Runs on the controller, asks nobody and
changes nothing.
"""

from __future__ import annotations

import typing as t
from dataclasses import asdict, fields

from ansible.release import __version__ as ANSIBLE_CORE_VERSION

from ansible_collections.opsmgr.recovery.plugins.module_utils.utc import now_text, seconds_between
from ansible_collections.opsmgr.recovery.plugins.module_utils.versions import COLLECTION_VERSION
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.actions.controller import Arguments, ControllerAction
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.failover_steps import StepPlan
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.observation import SEEN_SPEC, Observation
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.runbook.drawing import bars, draw
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.runbook.record import Record, RunHistory, make_record
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.runbook.topology import GroupFacts


class ActionModule(ControllerAction):
    SPEC = {
        "target": {"type": "str", "required": True},
        "rms_name": {"type": "str"},
        "old_rms": {"type": "str"},
        "promotion_needed": {"type": "bool", "required": True},
        "management_group": {"type": "str"},
        "mode": {"type": "str", "required": True},
        "database": {"type": "str", "required": True},
        "database_host": {"type": "str", "required": True},
        "cluster_nodes": {"type": "list", "elements": "str", "default": []},
        "virtual_server": {"type": "str"},
        "seen": {"type": "dict", "required": True, "options": SEEN_SPEC},
        "seen_again": {"type": "dict", "required": True, "options": SEEN_SPEC},
        "steps": {
            "type": "list",
            "elements": "dict",
            "required": True,
            "options": {
                "text": {"type": "str", "required": True},
                "hosts": {"type": "list", "elements": "str", "default": []},
                "results": {"type": "list", "elements": "dict", "default": []},
                "part": {"type": "str"},
                "point_of_no_return": {"type": "bool", "default": False},
            },
        },
        "came_to_end": {"type": "bool", "required": True},
        "verdict": {"type": "dict"},
        "left": {"type": "list", "elements": "str", "default": []},
        "undone": {"type": "list", "elements": "str", "default": []},
    }

    def tell(self, arguments: Arguments, task_vars: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        story = _story(arguments)
        record = make_record(story)
        told = _as_result(record, story, arguments)
        return {"record": told, "drawings": _drawings(record, told["began_at"], told["seconds"])}


def _story(arguments: Arguments) -> RunHistory:
    group = GroupFacts(**{each.name: arguments[each.name] for each in fields(GroupFacts)})
    began_at, asked_again_at = (_looked_at(arguments[seen]) for seen in ("seen", "seen_again"))
    return RunHistory(
        group=group,
        old_rms=arguments["old_rms"],
        promotion_needed=arguments["promotion_needed"],
        seen=Observation.from_results(arguments["seen"]),
        seen_again=Observation.from_results(arguments["seen_again"]),
        began_at=began_at,
        asked_again_at=asked_again_at,
        steps=[StepPlan(**step) for step in arguments["steps"]],
        left=arguments["left"],
        undone=arguments["undone"],
        came_to_end=arguments["came_to_end"],
        verdict=_verdict(arguments["verdict"] or {}, began_at),
    )


def _verdict(result: t.Mapping[str, t.Any], began_at: str) -> str | None:
    """The verdict of this run; what is older is another run's."""
    return str(result["verdict"]) if str(result.get("started_at", "")) >= began_at and "verdict" in result else None


def _looked_at(seen: t.Mapping[str, t.Any]) -> str:
    """When the first server was asked; the server to promote was, or there was no failover."""
    return min(str(look["started_at"]) for look in seen["servers"] if "started_at" in look)


def _drawings(record: Record, began_at: str, seconds: float) -> dict[str, t.Any]:
    return {
        "before": asdict(draw(record.before)),
        "after": asdict(draw(record.after)),
        "bars": [each and asdict(each) for each in bars(record.steps)],
    }


def _as_result(record: Record, story: RunHistory, arguments: Arguments) -> dict[str, t.Any]:
    made_at = now_text()
    versions = sorted(
        {f"{server.product or 'OpsMgr'} ({server.version})" for server in record.before.servers if server.version}
    )
    return {
        "made_at": made_at,
        "began_at": story.began_at,
        "seconds": seconds_between(story.began_at, made_at),
        "management_group": arguments["management_group"],
        "target": story.group.target,
        "old_rms": story.old_rms,
        "mode": arguments["mode"],
        **asdict(record),
        "versions": {
            "collection": COLLECTION_VERSION,
            "ansible_core": ANSIBLE_CORE_VERSION,
            "operations_manager": versions,
            "sql_server": story.seen.database.get("sql_server_version"),
        },
    }
