# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""management_services: HealthService, OMSDK and OMCFG are in the wanted state and start mode."""

from __future__ import annotations

import typing as t

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.actions.windows import (
    Facts,
    OpsmgrAction,
    Work,
    changing,
    diff,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.server import (
    CONFIG_SERVICE,
    HEALTH_SERVICE,
    SDK_SERVICE,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.service_states import (
    WANTED,
    bring_about,
    describe,
    to_change,
)

STEP = "set the Operations Manager services"
OPTIONS = {"health_service": HEALTH_SERVICE, "sdk_service": SDK_SERVICE, "config_service": CONFIG_SERVICE}


class ActionModule(OpsmgrAction):
    STEP = STEP
    SPEC: t.ClassVar[dict[str, dict[str, t.Any]]] = {
        **{option: {"type": "str", "choices": list(WANTED)} for option in OPTIONS},
        "timeout": {"type": "float", "default": 120.0},
        "stable_seconds": {"type": "int", "default": 5},
    }
    REQUIRED = {"required_one_of": [tuple(OPTIONS)]}
    RESULT = {"services": None}

    def act(self, work: Work) -> None:
        server = work.opsmgr.require_server(STEP)
        wanted = {
            service: work.arguments[option] for option, service in OPTIONS.items() if work.arguments[option] is not None
        }
        todo = to_change(STEP, server.services, wanted)
        after = server.services
        if todo and not work.check_mode:
            windows = work.opsmgr.windows

            def look() -> Facts:
                return {"services": describe(windows.services(list(wanted)), wanted)}

            with changing(work, {"services": describe(after, wanted)}, look):
                # bring_about() returns what it changed; what was right before is not looked at again.
                after = {
                    **after,
                    **bring_about(windows, STEP, todo, work.arguments["timeout"], work.arguments["stable_seconds"]),
                }
        shown = describe(server.services, wanted)
        work.result.update(changed=bool(todo), services=describe(after, wanted))
        work.result["diff"] = diff(
            shown, {**shown, **{name: WANTED[state].text for name, state in todo.items()}}, server.computer_name
        )
