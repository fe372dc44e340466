# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""rms_demotion: this former RMS is an ordinary management server."""

from __future__ import annotations

import typing as t

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
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
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.service_states import (
    WANTED,
    bring_about,
    describe,
    restart_health_service,
    to_change,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.shell import Deadline

STEP = "demote this former RMS"


class ActionModule(OpsmgrAction):
    STEP = STEP
    SPEC = {
        **CONVERSATION_SPEC,
        "demotion_prompt": {"type": "str", "default": DEMOTION_PROMPT},
        "health_service": {"type": "str", "default": "running", "choices": ["running", "stopped"]},
        "sdk_service": {"type": "str", "default": "disabled", "choices": ["disabled", "running"]},
        "timeout": {"type": "float", "default": 120.0},
    }
    RESULT = {"is_rms": None, "services": None, "command": None, "transcript": None}

    def act(self, work: Work) -> None:
        server = work.opsmgr.require_server(STEP, probe=True)
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
            predicted = (
                {**before, "RMS": False, **{name: WANTED[state].text for name, state in todo.items()}}
                if needed
                else before
            )
            work.result.update(changed=needed, diff=diff(before, predicted, server.computer_name))
            return
        if server.is_rms:
            work.opsmgr.require_tool(server, CONFIG_TOOL, STEP)

        def look() -> Facts:
            return _observed(work.opsmgr.observe(), wanted)

        with changing(work, _observed(server, wanted), look):
            if server.is_rms:
                _demote(work, server)
            after = _settle_services(work, wanted)
        work.result.update(changed=True, services=after)
        work.result["diff"] = diff(before, {"RMS": work.result["is_rms"], **after}, server.computer_name)


def _observed(server: ManagementServer, services: t.Iterable[str]) -> Facts:
    return {"is_rms": server.is_rms, "services": describe(server.services, services)}


def _demote(work: Work, server: ManagementServer) -> None:
    """Tell the server that it is no longer the RMS, and read that back before its services are touched."""
    work.result["command"] = f"{CONFIG_TOOL} UpdateDemotedRMS"
    try:
        work.result["transcript"] = work.opsmgr.demote(server, work.arguments["demotion_prompt"]).transcript
    except FAILURES:
        # The server knows what the tool did. While the tool runs, or nobody can tell whether it runs, nothing else is
        # done.
        work.result["changed"] = work.opsmgr.windows.shell.left_running
        now = work.opsmgr.observe()
        if now.is_rms or now.promotion.running is not False:
            raise
    work.result["changed"] = True
    if work.arguments["health_service"] == "running":
        restart_health_service(work.opsmgr.windows, STEP, work.arguments["timeout"])
    deadline = Deadline(work.arguments["timeout"])
    while work.opsmgr.observe().is_rms:
        if deadline.passed() or work.arguments["health_service"] == "stopped":
            raise OpsmgrError(
                STEP,
                f"its registry still calls this server the RMS; {CONFIG_TOOL} wrote: {work.result['transcript']}",
                "Check in the database that another server is the RMS now, and run it again",
            )
        work.opsmgr.windows.pause(1)
    work.result["is_rms"] = False


def _settle_services(work: Work, wanted: dict[str, str]) -> dict[str, str]:
    todo = to_change(STEP, work.opsmgr.windows.services(list(wanted)), wanted)
    if todo:
        bring_about(work.opsmgr.windows, STEP, todo, work.arguments["timeout"], 0)
    return describe(work.opsmgr.windows.services(list(wanted)), wanted)
