# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""rms_demotion: this former RMS is an ordinary management server."""

from __future__ import annotations

import typing as t

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.module_utils.optional import phrase
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.actions.windows import (
    CONVERSATION_SPEC,
    FAILURES,
    Facts,
    OpsmgrAction,
    Work,
    changing,
    diff,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.promotion import CONFIG_TOOL
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.server import (
    CONFIG_SERVICE,
    DEMOTION_PROMPT,
    HEALTH_SERVICE,
    SDK_SERVICE,
    ManagementServer,
    RoleSeen,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.service_states import (
    WANTED,
    bring_about,
    describe,
    restart_health_service,
    to_change,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.windows.host import ServiceState
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.shell import Deadline

STEP = "demote this former RMS"
VERB = "UpdateDemotedRMS"


class ActionModule(OpsmgrAction):
    STEP = STEP
    SPEC = {
        **CONVERSATION_SPEC,
        "demotion_prompt": {"type": "str", "default": DEMOTION_PROMPT},
        "health_service": {"type": "str", "default": "running", "choices": ["running", "stopped"]},
        "media": {"type": "str"},
        "sdk_service": {"type": "str", "default": "disabled", "choices": ["disabled", "running"]},
        "timeout": {"type": "float", "default": 120.0},
    }
    RESULT = {"is_rms": None, "services": None, "command": None, "transcript": None, "copied": [], "warnings": []}

    def act(self, work: Work) -> None:
        server = work.opsmgr.require_server(STEP)
        wanted = {
            HEALTH_SERVICE: work.arguments["health_service"],
            SDK_SERVICE: work.arguments["sdk_service"],
            CONFIG_SERVICE: "disabled",
        }
        todo = to_change(STEP, server.services, wanted)
        before = {"RMS": server.is_rms, **describe(server.services, wanted)}
        needed = bool(server.is_rms or todo)
        work.result.update(_observed(server, wanted))
        if work.check_mode or not needed:
            predicted = before
            if needed:
                predicted = {**before, "RMS": False, **{name: WANTED[state].text for name, state in todo.items()}}
            work.result.update(changed=needed, diff=diff(before, predicted, server.computer_name))
            return

        def look() -> Facts:
            return _observed(work.opsmgr.observe(), wanted)

        with changing(work, _observed(server, wanted), look):
            # First of all it stops to act as the RMS.
            after = _settle_services(work, server.services, wanted)
            if server.is_rms:
                after = _settle_services(work, _demote(work, server, list(wanted)), wanted)
        work.result.update(changed=True, services=after)
        work.result["diff"] = diff(before, {"RMS": work.result["is_rms"], **after}, server.computer_name)


def _observed(server: ManagementServer, services: t.Iterable[str]) -> Facts:
    return {"is_rms": server.is_rms, "services": describe(server.services, services)}


def _demote(work: Work, server: ManagementServer, services: t.Sequence[str]) -> t.Mapping[str, ServiceState]:
    """Have the server learn that it is no longer the RMS: by the restart of its Health Service, which is documented, and only
    where that does not help by the tool's verb, which is not.

    The role has moved when this runs, so what does not help is a warning: the rest is to be done.

    :param services: whose state is returned, as seen last
    """
    seen = _restart(work, services)
    if seen.is_rms is not False:
        hindrance = _run_tool(work, server)
        seen = _restart(work, services) if hindrance is None else work.opsmgr.role(services)
        if seen.is_rms is not False:
            work.result["warnings"].append(_left_for_a_person(server, hindrance))
    work.result["is_rms"] = seen.is_rms
    return seen.services


def _restart(work: Work, services: t.Sequence[str]) -> RoleSeen:
    """Restart the Health Service, unless it is to be stopped, and wait until the registry no longer calls the server the
    RMS. Return what was seen last.
    """
    if work.arguments["health_service"] != "running":
        return work.opsmgr.role(services)
    seen = restart_health_service(work.opsmgr, STEP, work.arguments["timeout"], services)
    deadline = Deadline(work.arguments["timeout"])
    while seen.is_rms is not False and not deadline.passed():
        seen = work.opsmgr.role(services, after_seconds=1)
    return seen


def _run_tool(work: Work, server: ManagementServer) -> str | None:
    """Run the tool, which is copied from the media if it is missing. Why it is of no use, or None.

    While the tool runs, or nobody can tell whether it runs, nothing else is done: then it raises.
    """
    if not server.tools[CONFIG_TOOL]:
        if server.media is None:
            return f"{CONFIG_TOOL} is not in {server.install_directory}, and no installation media were found"
        if not work.opsmgr.copy_tools(server, [CONFIG_TOOL])[CONFIG_TOOL]:
            return f"{CONFIG_TOOL} could not be copied to {server.install_directory}"
        work.result["copied"] = [CONFIG_TOOL]
    work.result["command"] = f"{CONFIG_TOOL} {VERB}"
    try:
        work.result["transcript"] = work.opsmgr.demote(server, work.arguments["demotion_prompt"]).transcript
    except FAILURES as error:
        goes_on = work.opsmgr.windows.shell.left_running
        now = work.opsmgr.observe()
        if now.promotion.running is not False:
            raise
        if not now.is_rms:
            return None
        if goes_on or not isinstance(error, OpsmgrError):
            raise
        return error.found
    return None


def _left_for_a_person(server: ManagementServer, hindrance: str | None) -> str:
    reason = phrase(" ({})", hindrance)
    return (
        f"{server.computer_name}: its registry still calls this server the RMS{reason}. It does not act as the RMS. Check in the database that another "
        f"server is the RMS, restart {HEALTH_SERVICE} here, and check again. If that does not help, run {CONFIG_TOOL} {VERB} in "
        f"{server.install_directory} on the console"
    )


def _settle_services(work: Work, services: t.Mapping[str, ServiceState], wanted: dict[str, str]) -> dict[str, str]:
    todo = to_change(STEP, services, wanted)
    if todo:
        changed = bring_about(work.opsmgr.windows, STEP, todo, work.arguments["timeout"], 0)
        services = {**services, **changed}
    return describe(services, wanted)
