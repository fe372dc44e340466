# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""management_server_info: look at an Operations Manager server and change nothing."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleConnectionFailure

from ansible_collections.opsmgr.recovery.plugins.module_utils.optional import if_known
from ansible_collections.opsmgr.recovery.plugins.module_utils.server_names import (
    in_capitals,
    name_problem,
    short_name,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.actions.windows import (
    KEY_MATERIAL_SPEC,
    Arguments,
    OpsmgrAction,
    Work,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.reachability import (
    REACHABLE,
    reachability,
    why_unreachable,
)


class ActionModule(OpsmgrAction):
    STEP = "look at the server"
    SPEC = {
        **KEY_MATERIAL_SPEC,
        "media": {"type": "str"},
        "principal_names_of": {"type": "list", "elements": "str"},
        "report_unreachable": {"type": "bool", "default": False},
    }
    RESULT = {"reachable": True, "reachability": REACHABLE, "problem": None, "server": None}

    def when_unreachable(self, error: AnsibleConnectionFailure, arguments: Arguments, result: dict[str, t.Any]) -> None:
        if not arguments["report_unreachable"]:
            super().when_unreachable(error, arguments, result)
        result.update(reachable=False, reachability=reachability(error), problem=why_unreachable(error))

    def act(self, work: Work) -> None:
        names_of = if_known(_names_of_accounts, work.arguments["principal_names_of"])
        work.result["server"] = work.opsmgr.observe(fingerprint=True, first=True, names_of=names_of).as_result()


def _names_of_accounts(given: t.Sequence[str]) -> list[str]:
    """An inventory may call a server by its address, which no account has for a name."""
    return [in_capitals(short_name(name)) for name in given if name_problem(name, qualified=False) is None]
