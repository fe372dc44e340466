# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""support_tools: the two tools are in the install directory, copied from the media (or removed again)."""

from __future__ import annotations

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.actions.windows import (
    Facts,
    OpsmgrAction,
    Work,
    changing,
    diff,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.server import ManagementServer

STEP = "put the support tools in place"
STATES = {True: "present", False: "absent"}
# What is done to tools that are wanted, and to others.
DONE = {True: "copied", False: "removed"}


class ActionModule(OpsmgrAction):
    STEP = STEP
    SPEC = {
        "media": {"type": "str"},
        "state": {"type": "str", "default": "present", "choices": ["present", "absent"]},
        "tools": {"type": "list", "elements": "str"},
    }
    RESULT = {"install_directory": None, "media": None, "copied": [], "removed": []}

    def act(self, work: Work) -> None:
        server = work.opsmgr.require_server(STEP)
        work.result.update(install_directory=server.install_directory, media=server.media)
        wanted = work.arguments["state"] == "present"
        named = work.arguments["tools"]
        if named is None:
            named = list(server.tools)
        todo = [tool for tool in _known(named, server) if server.tools[tool] != wanted]
        if wanted and todo:
            _require_media(server, todo)
        before = {tool: STATES[is_there] for tool, is_there in server.tools.items()}
        if not work.check_mode:
            self._change(work, server, todo, wanted)
        after = {**before, **dict.fromkeys(todo, str(work.arguments["state"]))}
        work.result.update(changed=bool(todo), diff=diff(before, after, str(server.install_directory)))
        work.result[DONE[wanted]] = todo

    @staticmethod
    def _change(work: Work, server: ManagementServer, todo: list[str], wanted: bool) -> None:
        if not todo:
            return
        key = DONE[wanted]

        def look() -> Facts:
            now = work.opsmgr.observe().tools
            return {key: [tool for tool in todo if now[tool] == wanted]}

        # Whoever undoes it must not leave behind what may be there.
        with changing(work, {key: []}, look, unknown={key: todo}):
            if wanted:
                now = work.opsmgr.copy_tools(server, todo)
            else:
                now = work.opsmgr.remove_tools(server, todo)
            done = [tool for tool in todo if now[tool] == wanted]
            if done != todo:
                found = f"{', '.join(tool for tool in todo if tool not in done)} could not be {key}"
                raise OpsmgrError(STEP, found, "Check the rights on the install directory, then rerun")


def _known(named: list[str], server: ManagementServer) -> list[str]:
    known = {tool.lower(): tool for tool in server.tools}
    unknown = [name for name in named if name.lower() not in known]
    if unknown:
        raise OpsmgrError(
            STEP,
            f"{', '.join(unknown)} is not one of the tools ({', '.join(server.tools)})",
            "Correct the option tools",
        )
    return [known[name.lower()] for name in named]


def _require_media(server: ManagementServer, todo: list[str]) -> None:
    if server.media is None:
        raise OpsmgrError(
            STEP,
            f"{', '.join(todo)} is missing in {server.install_directory} and no installation media with it was found",
            "Insert the installation media or copy its \\SupportTools folder to the server, and name the folder in the option media",
        )
