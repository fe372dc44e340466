# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""key_backup_plan: which hosts of the inventory back up the key of an RMS, worked out once for all of them. Runs on the
controller, changes nothing.
"""

from __future__ import annotations

import os
import typing as t
from dataclasses import asdict

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.actions.controller import Arguments, ControllerAction
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.awx.job_storage import lost_with_job
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.key_backup import plan_key_backups


class ActionModule(ControllerAction):
    SPEC = {
        "hosts": {"type": "list", "elements": "str", "required": True},
        "find_rms": {"type": "bool", "default": False},
        "escrow": {"type": "path"},
        "report": {"type": "str"},
    }

    def tell(self, arguments: Arguments, task_vars: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        hostvars = task_vars.get("hostvars", {})

        def variable(host: str, name: str) -> str:
            return str(hostvars[host].get(name) or "")

        play_hosts = frozenset(arguments["hosts"])
        plan = plan_key_backups(task_vars.get("groups", {}), variable, play_hosts, find_rms=arguments["find_rms"])
        problems = [*_nobody(plan.hosts), *_report(arguments["report"]), *_passing(arguments["escrow"])]
        return {**asdict(plan), "find_rms": arguments["find_rms"], "problems": problems}


def _nobody(hosts: t.Sequence[str]) -> list[str]:
    if hosts:
        return []
    what = "Correct the inventory, or the hosts of the play."
    return [f"This play must run on hosts in opsmgr_rms, and none was found. {what}"]


def _report(path: str | None) -> list[str]:
    """Why the report cannot be written."""
    if not path:
        return []
    directory = os.path.dirname(os.path.realpath(os.path.expanduser(path)))
    if path.endswith(".html") and os.path.isdir(directory):
        return []
    wanted = "The directory of rms_key_backup_report must exist and its name end in .html"
    return [f"{wanted}, found was '{path}'. Correct the variable."]


def _passing(escrow: str | None) -> list[str]:
    """Why the escrow is lost with a job of AWX."""
    why = escrow and lost_with_job(escrow)
    if not why:
        return []
    sink = "a sink (rms_key_backup_sink_store, rms_key_backup_sink_fetch)"
    what = f"Name a directory of the host that is mounted into the job as rms_key_backup_escrow, or {sink}."
    return [f"The escrow {escrow} would be lost with this job: {why} {what}"]
