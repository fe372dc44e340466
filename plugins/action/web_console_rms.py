# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""web_console_rms: Web.config of the web console names this RMS."""

from __future__ import annotations

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.module_utils.server_names import is_one_of, known_as
from ansible_collections.opsmgr.recovery.plugins.module_utils.versions import require_supported
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.actions.repoint import (
    NAMES_SPEC,
    FileEdit,
    Values,
    check_names,
    former_names,
    look,
    plan_file,
    require_installed,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.actions.windows import Arguments, OpsmgrAction, Work
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.server import SETUP_KEY, product_version
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.repoint.edit import (
    MOM_SERVER,
    Edit,
    change_mom_server,
    mom_server,
    overriding_paths,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.windows.files import WindowsFiles
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.windows.host import directory_join

STEP = "let the web console use the RMS"
WEB_CONFIG = r"Web Console\Web.config"  # [book] below the install directory


class ActionModule(OpsmgrAction):
    STEP = STEP
    SPEC = {**NAMES_SPEC, "path": {"type": "str"}}
    RESULT = {"path": None, "changes": [], "untouched": [], "backup": None}

    def check_arguments(self, arguments: Arguments) -> None:
        check_names(STEP, arguments)

    def act(self, work: Work) -> None:
        work.result["diff"] = []
        setup = look(work.opsmgr.windows, STEP, {"setup": SETUP_KEY})["setup"]
        require_supported(STEP, product_version(setup))
        path = _path(work, setup)
        plan = plan_file(work, STEP, path, lambda content: change_mom_server(content, work.arguments["rms"], path=path))
        _refuse_strangers(work, plan.edit)
        _refuse_overridden(work, plan)
        plan.write(work, STEP)


def _path(work: Work, setup: Values) -> str:
    if work.arguments["path"]:
        return str(work.arguments["path"])
    require_installed(STEP, setup)
    return directory_join(setup.get("installdirectory", ""), WEB_CONFIG)


def _refuse_overridden(work: Work, plan: FileEdit) -> None:
    """Refuse when another file overrides the key: whatever Web.config says, the web console goes by that one."""
    for line, path in overriding_paths(plan.old, path=plan.path):
        other = WindowsFiles(work.opsmgr.windows, STEP).read_file(path)
        named = None
        if other is not None:
            named = mom_server(other.content, path=path)
        if named is not None and named.lower() != work.arguments["rms"].lower():
            found = f"{plan.path}: line {line}: {path} overrides the key {MOM_SERVER}, and names {named or 'nothing'}; nothing was changed"
            advice = f"Correct it there first, with the option path: {path}. Then rerun, and restart the web console's application pool in IIS"
            raise OpsmgrError(STEP, found, advice)


def _refuse_strangers(work: Work, edit: Edit) -> None:
    """Refuse to overwrite the name of a server that was never the RMS: another management group's, perhaps."""
    if work.arguments["former_rms"] is None:
        return
    former = known_as(former_names(work.arguments))
    named = [each for each in edit.changes if each.old_value]
    strangers = [each for each in named if not is_one_of(each.old_value, former)]
    if strangers:
        work.result["untouched"] = [
            {"line": each.line, "value": each.old_value, "reason": "it names another server"} for each in strangers
        ]
        found = f"{work.result['path']}: line {strangers[0].line} names {strangers[0].old_value}, which is not one of the former RMSs"
        raise OpsmgrError(
            STEP, found, "Add the name to former_rms if it was the RMS of this management group, then rerun"
        )
