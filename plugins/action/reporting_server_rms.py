# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""reporting_server_rms: rsreportserver.config and the registry name this RMS, and Reporting Services has read it."""

from __future__ import annotations

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.module_utils.optional import phrase
from ansible_collections.opsmgr.recovery.plugins.module_utils.versions import require_supported
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.actions.repoint import (
    NAMES_SPEC,
    REPORTING_KEY,
    FileEdit,
    check_names,
    former_names,
    look,
    plan_file,
    point_registry,
    registered,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.actions.reporting import (
    INSTANCES_KEY,
    RESTART_MARK_KEY,
    RESTART_MARK_VALUE,
    choose_instance,
    locate,
    restart,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.actions.windows import (
    Arguments,
    Facts,
    OpsmgrAction,
    Work,
    changing,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.server import SETUP_KEY, product_version
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.repoint.edit import change_server_names, names_server
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.windows.host import ServiceState, quote

STEP = "let the reporting server use the RMS"
KEYS = {"setup": SETUP_KEY, "instances": INSTANCES_KEY, "reporting": REPORTING_KEY, "mark": RESTART_MARK_KEY}


class ActionModule(OpsmgrAction):
    STEP = STEP
    SPEC = {
        **NAMES_SPEC,
        "instance": {"type": "str"},
        "path": {"type": "str"},
        "timeout": {"type": "float", "default": 120.0},
        "stable_seconds": {"type": "int", "default": 5},
    }
    RESULT = {
        "instance": None, "path": None, "changes": [], "untouched": [], "backup": None, "registry": None, "registry_before": None, "service": None,
        "restarted": False, "warnings": [],
    }  # fmt: skip

    def check_arguments(self, arguments: Arguments) -> None:
        check_names(STEP, arguments)

    def act(self, work: Work) -> None:
        work.result["diff"] = []
        windows, wanted = work.opsmgr.windows, work.arguments
        found = look(windows, STEP, KEYS)
        require_supported(STEP, product_version(found["setup"]))
        instances = found["instances"]
        instance = choose_instance(
            STEP, [name.upper() for name in instances], wanted["instance"], found["reporting"].get("srsinstance")
        )
        work.result["instance"] = instance
        reporting = locate(windows, STEP, instance, instances[instance.lower()], wanted["path"])
        current = registered(found["reporting"])
        plan = _plan(work, reporting.configuration, current)
        work.result.update(_observed(reporting.service, reporting.state))
        pending = found["mark"].get(RESTART_MARK_VALUE.lower(), "").upper() == instance
        if not (pending or work.check_mode) and (plan.edit.changed or (current or "").lower() != wanted["rms"].lower()):
            windows.set_registry_text(RESTART_MARK_KEY, RESTART_MARK_VALUE, instance, STEP)
        plan.write(work, STEP)
        point_registry(work, STEP, REPORTING_KEY, current)
        work.result["changed"] = work.result["changed"] or pending
        if work.result["changed"] and not work.check_mode:
            _restart(work, reporting.service)


def _plan(work: Work, path: str, current: str | None) -> FileEdit:
    """The edit of the file, refused when afterwards nothing in it would name the RMS."""
    rms, former = work.arguments["rms"], former_names(work.arguments, current)
    plan = plan_file(work, STEP, path, lambda content: change_server_names(content, former, rms, path=path))
    left = [f"line {each.line}: {each.value or 'nothing'}" for each in plan.edit.untouched]
    if not names_server(plan.edit.content, rms, path=path):
        found = f"no <ServerName> in {path} names the RMS or a former one ({'; '.join(left)})"
        raise OpsmgrError(
            STEP, found, "Add the name to former_rms if it was the RMS of this management group, then rerun"
        )
    if left:
        work.result["warnings"].append(
            f"{path} has a <ServerName> that names neither the RMS nor a former one and was left as it is ({'; '.join(left)})"
        )
    return plan


def _observed(name: str, service: ServiceState) -> Facts:
    return {"service": {"name": name, "state": service.state, "start_mode": service.start_mode}}


def _restart(work: Work, name: str) -> None:
    """Restart the service, unless it is disabled, and forget that it has to be."""
    if work.result["service"]["start_mode"] == "disabled":
        work.result["warnings"].append(f"{name} is disabled and was not restarted")
    else:
        windows = work.opsmgr.windows
        with changing(
            work, {"service": work.result["service"]}, lambda: _observed(name, windows.services([name])[name])
        ):
            service = restart(windows, STEP, name, work.arguments["timeout"], work.arguments["stable_seconds"])
        work.result["service"].update(state=service.state)
        work.result["restarted"] = service.state == "running"
        if service.state != "running":
            before = phrase("; the file as it was before is {}", work.result["backup"])
            advice = f"Check the Application event log and the log files of Reporting Services there{before}"
            done = f"{work.result['path']} and the registry name {work.arguments['rms']}"
            raise OpsmgrError(STEP, f"{name} is {service.state} after its restart", advice, done, "restart it again")
    work.opsmgr.windows.shell.run(f"reg delete {quote(RESTART_MARK_KEY)} /f")
