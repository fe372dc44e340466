# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""management_server_info: look at an Operations Manager server and change nothing."""
from __future__ import annotations

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.action import OpsmgrAction, Work


class ActionModule(OpsmgrAction):
    STEP = "look at the server"
    SPEC = {"media": {"type": "str"}}
    RESULT = {"server": None}

    def act(self, work: Work) -> None:
        work.result["server"] = work.opsmgr.observe().as_result()
