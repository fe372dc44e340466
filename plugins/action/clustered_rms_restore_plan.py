# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""clustered_rms_restore_plan: what a restore of the clustered RMS would do, what stands in its way, and what is still
open after it. Runs on the controller, asks nobody and changes nothing.
"""

from __future__ import annotations

import typing as t
from dataclasses import asdict, fields

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.actions.controller import Arguments, ControllerAction
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.clustered_restore import (
    STEP,
    ClusteredRestoreRequest,
    ClusterObservation,
    make_plan,
    make_report,
)

# What of a plan the report needs.
_OF_PLAN = {"steps", "join", "present", "database", "person", "remarks"}


class ActionModule(ControllerAction):
    SPEC = {
        "nodes": {"type": "list", "elements": "str", "required": True},
        "management_group": {"type": "str", "default": ""},
        "cluster_group": {"type": "str", "default": ""},
        "virtual_server": {"type": "str", "default": ""},
        "disk": {"type": "str", "default": ""},
        "database_host": {"type": "str", "default": ""},
        "setup": {"type": "bool", "default": True},
        "database": {"type": "bool", "default": True},
        "key": {"type": "bool", "default": True, "no_log": False},
        "repair_registry": {"type": "bool", "default": False},
        "database_backup": {"type": "str", "default": ""},
        "escrow": {"type": "str", "default": ""},
        "key_file": {"type": "str", "default": "", "no_log": False},
        "backup_password": {"type": "str", "default": "", "no_log": True},
        "sql_services_started": {"type": "bool", "default": False},
        "found_before": {"type": "list", "elements": "str", "default": []},
        "lock": {"type": "dict", "default": {}},
        "servers": {"type": "list", "elements": "dict", "required": True},
        "cluster": {"type": "list", "elements": "dict", "default": []},
        "group": {"type": "dict", "default": {}},
        "setup_preview": {"type": "list", "elements": "dict", "default": []},
        "services_preview": {"type": "dict", "default": {}},
        "database_preview": {"type": "dict", "default": {}},
        "key_preview": {"type": "list", "elements": "dict", "default": [], "no_log": False},
        "escrow_backups": {"type": "dict", "default": {}},
        "plan": {"type": "dict"},
        "results": {"type": "dict", "default": {}},
    }

    def tell(self, arguments: Arguments, task_vars: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        if not arguments["nodes"]:
            raise OpsmgrError(
                STEP, "no node of the cluster is named", "Put the nodes into the group opsmgr_rms_cluster"
            )
        given = {each.name: arguments[each.name] for each in fields(ClusteredRestoreRequest) if each.name in self.SPEC}
        request = ClusteredRestoreRequest(**given, check_mode=bool(self._task.check_mode))
        seen = ClusterObservation.from_results(arguments)
        if arguments["plan"] is None:
            return asdict(make_plan(request, seen))
        if not _OF_PLAN.issubset(arguments["plan"]):
            raise OpsmgrError(STEP, "plan is not what this module returned before the work", "Give its result")
        return asdict(make_report(arguments["plan"], request, seen, arguments["results"]))
