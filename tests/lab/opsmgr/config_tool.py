# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ManagementServerConfigTool.exe: the role of the root management server moves here, or has moved away from here.

``PromoteRMS [/DeleteExistingRMS:true|false]`` runs on the server to promote, after the key was restored there; without the
switch it is ``false`` [field].  It warns and waits for ``Y`` [book]; ``y`` will do, anything else changes nothing [assumed].
``true`` deletes the old root from the database, ``false`` demotes it [book][field].  ``UpdateDemotedRMS`` runs on the old
root when it can be reached again [ms].  ``InstallCluster`` and ``AddRMSNode`` exist in the real tool [ms]; a lab has no
cluster, so here they are unknown actions.

The order of work is database, registry, services [assumed].  Besides the fault that every program start asks for, there are
``ManagementServerConfigTool:before-change``, ``:after-database`` and ``:after-registry``: a tool that fails or is dropped
there leaves what it did so far, and running it again does the rest.  Whether this is the root already is asked of the
registry, for the same reason [assumed].

Host settings: ``promote_seconds`` (0.3), ``promote_starts_services`` (true: ``OMSDK`` and ``OMCFG`` become automatic and are
started; ``enable``: only automatic; false: untouched), ``update_demoted_asks`` (false).  Exit codes as in
``secure_storage_backup.py`` [assumed].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lab.opsmgr.dialogue import Dialogue, ToolDiedError, ToolFailedError, tool_program
from lab.opsmgr.installation import ROOT_SERVICES, Installation
from lab.opsmgr.operational_database import Databases, OperationalDatabase, UnreachableError
from lab.opsmgr.secure_storage_backup import check_surroundings
from lab.windows.process import TERMINATED, Program

TOOL = "ManagementServerConfigTool"
_SWITCH = "/deleteexistingrms"
_TRUTH = {"true": True, "false": False}
_PROMOTE_SECONDS = 0.3


def config_tool(databases: Databases) -> Program:
    """The tool as a program of hosts that find their databases there."""
    actions: Mapping[str, Callable[[Dialogue, Databases, list[str]], None]] = {
        "promoterms": _promote,
        "updatedemotedrms": _update_demoted,
    }

    def body(dialogue: Dialogue) -> None:
        arguments = dialogue.process.argv[1:]
        if not arguments:
            raise ToolFailedError("config_usage", always_one=True)
        action = actions.get(arguments[0].lower())
        if action is None:
            dialogue.say("unknown_action", action=arguments[0])
            raise ToolFailedError("config_usage", always_one=True)
        action(dialogue, databases, arguments[1:])

    return tool_program(TOOL, body)


def _promote(dialogue: Dialogue, databases: Databases, options: list[str]) -> None:
    delete_old = _delete_existing(dialogue, options)
    installation = _checked(dialogue)
    if installation.is_root:
        raise ToolFailedError("already_root")
    if installation.key is None:
        raise ToolFailedError("no_key_to_promote")
    with _open(databases, installation) as database:
        if not database.lists(installation.computer):
            raise ToolFailedError("not_in_database", database=database.name)
    _confirm(dialogue, "promote_warning")
    dialogue.say("promoting")
    _fault_point(dialogue, "before-change")
    dialogue.process.sleep(float(dialogue.setting("promote_seconds", str(_PROMOTE_SECONDS))))
    with _open(databases, installation) as database:
        database.promote(installation.computer, delete_old=delete_old)
    _fault_point(dialogue, "after-database")
    installation.set_root(True)
    _fault_point(dialogue, "after-registry")
    _give_services(dialogue, installation)
    dialogue.say("promoted", computer=installation.computer)


def _delete_existing(dialogue: Dialogue, options: list[str]) -> bool:
    """The value of the only switch; everything else is refused."""
    delete = False
    for option in options:
        name, _colon, value = option.lower().partition(":")
        if name != _SWITCH or value not in _TRUTH:
            dialogue.say("unknown_option", option=option)
            raise ToolFailedError("config_usage", always_one=True)
        delete = _TRUTH[value]
    return delete


def _checked(dialogue: Dialogue) -> Installation:
    installation = check_surroundings(dialogue)
    if not installation.is_management_server:
        raise ToolFailedError("not_a_management_server")
    return installation


def _open(databases: Databases, installation: Installation) -> OperationalDatabase:
    """The operational database of this server, if everybody may use it now."""
    server, name = installation.database
    try:
        database = databases.open(server, name, TOOL)
    except UnreachableError as error:
        raise ToolFailedError("no_database", database=name, server=server, reason=str(error)) from error
    if not database.is_multi_user:
        database.close()
        raise ToolFailedError("single_user", database=name, server=server)
    return database


def _confirm(dialogue: Dialogue, question: str) -> None:
    if dialogue.ask(question) not in ("Y", "y"):
        raise ToolFailedError("cancelled")


def _fault_point(dialogue: Dialogue, place: str) -> None:
    """A place where a lab can be told to let the tool die."""
    process = dialogue.process
    fault = process.host.faults.match(process.host.name, "command", f"{TOOL}:{place}")
    if fault is None:
        return
    if fault.action == "stall":
        process.sleep(fault.seconds)
    elif fault.action == "fail":
        raise ToolDiedError(1 if fault.code is None else fault.code, fault.text)
    else:
        raise ToolDiedError(TERMINATED, "")


def _give_services(dialogue: Dialogue, installation: Installation) -> None:
    wanted = dialogue.setting("promote_starts_services", "true").lower()
    for key in ROOT_SERVICES:
        if wanted in ("true", "enable"):
            installation.configure_service(key, "auto")
        if wanted == "true":
            installation.start_service(key)


def _update_demoted(dialogue: Dialogue, databases: Databases, options: list[str]) -> None:
    if options:
        dialogue.say("unknown_option", option=options[0])
        raise ToolFailedError("config_usage", always_one=True)
    installation = _checked(dialogue)
    with _open(databases, installation) as database:
        if database.root() == installation.computer.lower():
            raise ToolFailedError("still_root", database=database.name)
    if dialogue.setting("update_demoted_asks", "false").lower() == "true":
        _confirm(dialogue, "demote_warning")
    installation.set_root(False)
    for key in reversed(ROOT_SERVICES):
        installation.stop_service(key)
        installation.configure_service(key, "disabled")
    dialogue.say("demoted", computer=installation.computer)
