# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""console_rms: consoles on this computer open this RMS."""

from __future__ import annotations

from ansible_collections.opsmgr.recovery.plugins.module_utils.versions import require_supported
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.actions.repoint import (
    check_names,
    look,
    point_registry,
    registered,
    require_installed,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.actions.windows import Arguments, OpsmgrAction, Work
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.server import (
    MACHINE_SETTINGS_KEY,
    SETUP_KEY,
    product_version,
)

STEP = "let consoles open the RMS"


class ActionModule(OpsmgrAction):
    STEP = STEP
    SPEC = {"rms": {"type": "str", "required": True}, "create": {"type": "bool", "default": True}}
    RESULT = {"registry": None, "registry_before": None}

    def check_arguments(self, arguments: Arguments) -> None:
        check_names(STEP, arguments)

    def act(self, work: Work) -> None:
        work.result["diff"] = []
        found = look(work.opsmgr.windows, STEP, {"setup": SETUP_KEY, "machine": MACHINE_SETTINGS_KEY})
        require_supported(STEP, product_version(found["setup"]))
        current = registered(found["machine"])
        if current is None and not work.arguments["create"]:
            return
        require_installed(STEP, found["setup"])
        point_registry(work, STEP, MACHINE_SETTINGS_KEY, current)
