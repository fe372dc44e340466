# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""key_backup_servers: which hosts of the inventory may be the RMS that the operational database names. Runs on the
controller, asks nobody and changes nothing.
"""

from __future__ import annotations

import typing as t
from dataclasses import asdict

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.actions.controller import Arguments, ControllerAction
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.key_backup import Candidate, rms_of_database


class ActionModule(ControllerAction):
    SPEC = {
        "host": {"type": "str", "required": True},
        "management_group": {"type": "str", "default": ""},
        "candidates": {
            "type": "list",
            "elements": "dict",
            "required": True,
            "options": {
                "host": {"type": "str", "required": True},
                "management_group": {"type": "str", "required": True},
                "name": {"type": "str", "required": True},
                "address": {"type": "str", "default": ""},
                "virtual_server": {"type": "str", "default": ""},
            },
        },
        "database": {"type": "dict", "default": {}},
        "database_host": {"type": "str", "default": ""},
    }

    def tell(self, arguments: Arguments, task_vars: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        candidates = [Candidate(**each) for each in arguments["candidates"]]
        group, asked = arguments["management_group"], arguments["database_host"]
        return asdict(rms_of_database(arguments["host"], group, candidates, arguments["database"], asked))
