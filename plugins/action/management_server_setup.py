# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""management_server_setup: a management server of this management group is installed on this computer."""

from __future__ import annotations

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.module_utils.optional import if_known
from ansible_collections.opsmgr.recovery.plugins.module_utils.versions import ServerVersion, require_supported
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.actions.setup_package import (
    ACCOUNT_PROPERTIES,
    DEFAULT_DATABASE,
    SETUP_RESULT,
    SETUP_SPEC,
    check_properties,
    database_properties,
    prepare,
    run_setup,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.actions.windows import (
    Arguments,
    Facts,
    OpsmgrAction,
    Work,
    changing,
    diff,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.server import (
    HEALTH_SERVICE,
    ManagementServer,
    require_administrator,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.windows.installer import WindowsInstaller

STEP = "install the management server"
FEATURE = "MOMServer"


class ActionModule(OpsmgrAction):
    STEP = STEP
    SPEC = {
        **SETUP_SPEC,
        "management_group": {"type": "str", "required": True},
        "database_server": {"type": "str", "required": True},
        "database_name": {"type": "str", "default": DEFAULT_DATABASE},
        "install_directory": {"type": "str"},
        "version": {"type": "str"},
    }
    RESULT = {**SETUP_RESULT, "version": None, "management_group": None, "install_directory": None}

    def check_arguments(self, arguments: Arguments) -> None:
        check_properties(STEP, arguments["properties"])
        if arguments["version"] is not None:
            ServerVersion.parse(arguments["version"])

    def act(self, work: Work) -> None:
        installer = WindowsInstaller(work.opsmgr.windows, STEP, work.arguments["timeout"])
        if not work.check_mode:
            installer.wait_until_idle()
        before = work.opsmgr.observe()
        require_administrator(STEP, before.administrator)
        require_supported(STEP, before.product_version)
        if _is_installed(work, before):
            work.result.update(_observed(before))
            work.result["diff"] = diff(_facts(before), _facts(before), before.computer_name)
            return
        setup = prepare(work, STEP, _properties(work.arguments))
        if work.check_mode:
            predicted = {
                "management group": work.arguments["management_group"],
                "version": work.arguments["version"] or "that of the package",
            }
            work.result.update(changed=True, diff=diff(_facts(before), predicted, before.computer_name))
            return
        with changing(work, _observed(before), lambda: _observed(work.opsmgr.observe())):
            run_setup(work, STEP, installer, setup, lambda: _is_installed(work, work.opsmgr.observe()))
            after = work.opsmgr.observe()
            _require_installed(work, after)
        work.result.update(_observed(after))
        installer.remove_log()
        work.result["diff"] = diff(_facts(before), _facts(after), before.computer_name)


def _properties(arguments: Arguments) -> dict[str, str]:
    directory = {}
    if arguments["install_directory"]:
        directory["INSTALLDIR"] = str(arguments["install_directory"])
    database = database_properties(
        arguments["management_group"], arguments["database_server"], arguments["database_name"]
    )
    return {"ADDLOCAL": FEATURE, **database, **ACCOUNT_PROPERTIES, **directory}


def _is_installed(work: Work, server: ManagementServer) -> bool:
    """Whether this computer is the wanted management server.

    :raises OpsmgrError: it is another one
    """
    if server.version is None or server.management_group is None:
        return False
    wanted = work.arguments["management_group"]
    if server.management_group != wanted:
        found = f"it is a management server of {server.management_group} already, and not of {wanted}"
        raise OpsmgrError(STEP, found, "Choose another computer, or remove Operations Manager from this one first")
    version = work.arguments["version"]
    if version is not None and server.version != ServerVersion.parse(version):
        raise OpsmgrError(
            STEP,
            f"version {server.version} is installed, and not {version}",
            "Bring it to that version with the service pack's own setup",
        )
    return True


def _require_installed(work: Work, server: ManagementServer) -> None:
    if not _is_installed(work, server):
        found = "the setup ended well, but the registry does not call this computer a management server"
        raise OpsmgrError(STEP, found, "Set the option package to the package of a management server")
    if not server.services[HEALTH_SERVICE].exists:
        raise OpsmgrError(
            STEP,
            f"the setup ended well, but there is no service {HEALTH_SERVICE}",
            "Check the System and Application event logs there",
        )


def _observed(server: ManagementServer) -> Facts:
    return {
        "version": if_known(str, server.version),
        "management_group": server.management_group,
        "install_directory": server.install_directory,
    }


def _facts(server: ManagementServer) -> dict[str, object]:
    return {"management group": server.management_group, "version": if_known(str, server.version)}
