# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Actions that fail when part of their work is done: the result says what was done, as it was read back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from unit.plugins.action.bench import Connection, run
from unit.plugins.plugin_utils.doubles import Breaks, Clock, Ends, Hears, Script, Silence
from unit.plugins.plugin_utils.recorded_node import RecordedNode, RecordedResource
from unit.plugins.plugin_utils.recorded_server import (
    ASK,
    FINGERPRINT,
    OTHER_FINGERPRINT,
    PASSWORD,
    RecordedServer,
    fetched,
)
from unit.plugins.plugin_utils.recorded_server import KEY as KEY_FILE
from unit.plugins.plugin_utils.test_windows_files import BACKUP, NEW, OLD, PATH, Disk

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.actions import repoint
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.actions import windows as action_base
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.actions.repoint import FileEdit, point_registry
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.actions.windows import Work
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.repoint.document import Change, Edit
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.windows.host import WindowsHost
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs import shell as winrs
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.faults import ConnectionLost
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.shell import Shell

LOST: Script = [Breaks(requests.exceptions.ConnectionError())]
RUNS = ("running", "auto")
STOPPED = ("stopped", "auto")
OFF = ("stopped", "disabled")
ALL_STOPPED = {"health_service": "stopped", "config_service": "stopped", "sdk_service": "stopped"}
REFUSED = "[SC] ControlService FAILED 5:\r\n\r\nAccess is denied.\r\n"


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(winrs, "time", clock)
    monkeypatch.setattr(action_base, "time", clock)
    return clock


def refusing(recorded: RecordedServer, order: str) -> RecordedServer:
    """The service control manager refuses this order."""
    usual = recorded._sc
    recorded._sc = lambda command: (False, REFUSED) if command == order else usual(command)  # type: ignore[method-assign]
    return recorded


def losing(recorded: RecordedServer, order: str, effect: Callable[[], None]) -> RecordedServer:
    """The connection breaks after this order was carried out, and nobody sees how it ended."""
    recorded.scripts[order] = LOST
    recorded.effects[order] = effect
    return recorded


def and_never_answers_again(recorded: RecordedServer) -> RecordedServer:
    for order, effect in recorded.effects.items():

        def dies(effect: Callable[[], None] = effect) -> None:
            effect()
            recorded.protocol.start_error = requests.exceptions.ConnectionError()

        recorded.effects[order] = dies
    return recorded


# --- services ---------------------------------------------------------------------------------------------------------


def test_two_services_are_stopped_and_the_third_is_refused(clock: Clock) -> None:
    recorded = refusing(RecordedServer(clock), "sc stop OMSDK")
    result = run("management_services", Connection(recorded), **ALL_STOPPED)
    assert (result["failed"], result["changed"]) == (True, True)
    assert result["services"] == {"HealthService": "stopped, auto", "OMCFG": "stopped, auto", "OMSDK": "running, auto"}


def test_the_first_service_is_refused(clock: Clock) -> None:
    recorded = refusing(RecordedServer(clock), "sc stop HealthService")
    result = run("management_services", Connection(recorded), **ALL_STOPPED)
    assert (result["failed"], result["changed"]) == (True, False)
    assert set(result["services"].values()) == {"running, auto"}


def test_the_connection_breaks_between_two_services(clock: Clock) -> None:
    recorded = RecordedServer(clock)
    losing(recorded, "sc stop OMCFG", lambda: recorded.services.update(HealthService=STOPPED, OMCFG=STOPPED))
    result = run("management_services", Connection(recorded), **ALL_STOPPED)
    assert (result["failed"], result["changed"]) == (True, True)
    assert result["services"] == {"HealthService": "stopped, auto", "OMCFG": "stopped, auto", "OMSDK": "running, auto"}


def test_a_server_that_is_gone_may_have_been_changed(clock: Clock) -> None:
    recorded = RecordedServer(clock)
    losing(recorded, "sc stop HealthService", lambda: None)
    result = run("management_services", Connection(and_never_answers_again(recorded)), **ALL_STOPPED)
    assert (result["failed"], result["changed"], result["services"]) == (True, True, None)


@pytest.mark.parametrize(
    ("order", "changed", "services"),
    [
        ("sc start MSSQLSERVER", False, {"MSSQLSERVER": "stopped, auto", "SQLSERVERAGENT": "stopped, auto"}),
        ("sc start SQLSERVERAGENT", True, {"MSSQLSERVER": "running, auto", "SQLSERVERAGENT": "stopped, auto"}),
    ],
)
def test_a_service_of_sql_server_is_refused(clock: Clock, order: str, changed: bool, services: dict[str, str]) -> None:
    recorded = RecordedServer(clock, services={"MSSQLSERVER": STOPPED, "SQLSERVERAGENT": STOPPED})
    result = run("sql_server_services", Connection(refusing(recorded, order)))
    assert (result["failed"], result["changed"], result["services"]) == (True, changed, services)


@pytest.mark.parametrize(
    ("order", "changed", "state"), [("sc stop", False, "running, auto"), ("sc start", True, "stopped, auto")]
)
def test_a_health_service_that_is_not_restarted(clock: Clock, order: str, changed: bool, state: str) -> None:
    recorded = refusing(RecordedServer(clock, is_rms=False), f"{order} HealthService")
    result = run("management_server_rms", Connection(recorded), rms="deathsting.odyssey.com")
    assert (result["failed"], result["changed"], result["restarted"]) == (True, changed, False)
    assert result["services"] == {"HealthService": state}


def test_a_restart_that_nobody_saw_the_end_of_may_have_happened(clock: Clock) -> None:
    recorded = losing(RecordedServer(clock, is_rms=False), "sc stop HealthService", lambda: None)
    result = run("management_server_rms", Connection(recorded), rms="deathsting.odyssey.com")
    assert (result["failed"], result["changed"], result["services"]) == (True, True, {"HealthService": "running, auto"})


# --- tools ------------------------------------------------------------------------------------------------------------


def test_one_of_two_tools_is_copied(clock: Clock) -> None:
    recorded = RecordedServer(clock, tools=[], media=[r"D:\SupportTools\amd64"])
    recorded.scripts['copy /b /y "D:'] = [Ends()]
    recorded.effects['copy /b /y "D:'] = lambda: setattr(recorded, "tools", ["SecureStorageBackup.exe"])
    result = run("support_tools", Connection(recorded))
    assert (result["failed"], result["changed"], result["copied"]) == (True, True, ["SecureStorageBackup.exe"])


def test_no_tool_is_copied(clock: Clock) -> None:
    result = run("support_tools", Connection(RecordedServer(clock, tools=[], media=[r"D:\SupportTools\amd64"])))
    assert (result["failed"], result["changed"], result["copied"]) == (True, False, [])


def test_tools_that_may_have_been_copied_are_named_for_an_undo(clock: Clock) -> None:
    recorded = RecordedServer(clock, tools=["SecureStorageBackup.exe"], media=[r"D:\SupportTools\amd64"])
    losing(recorded, 'copy /b /y "D:', lambda: None)
    result = run("support_tools", Connection(and_never_answers_again(recorded)))
    assert (result["failed"], result["changed"], result["copied"]) == (True, True, ["ManagementServerConfigTool.exe"])


# --- the key ----------------------------------------------------------------------------------------------------------


def restoring(
    clock: Clock, escrow: Path, script: Script, before: str | None, after: str | None, **server: Any
) -> RecordedServer:
    """A server whose key becomes `after` when the tool is told the password."""
    source = RecordedServer(clock)
    source.backs_up(fetched(KEY_FILE))
    run("secure_storage_backup", Connection(source), escrow=str(escrow), backup_password=PASSWORD)
    recorded = RecordedServer(clock, is_rms=False, fingerprint=before, **server)
    recorded.scripts["exe Restore"] = [ASK, Hears(PASSWORD.encode() + b"\r"), *script]
    recorded.effects["exe Restore"] = lambda: setattr(recorded, "fingerprint", after)
    return recorded


COMPLAINS: Script = [Ends(1, b"An error occurred.")]


@pytest.mark.parametrize(
    ("script", "before", "after", "changed"),
    [
        (COMPLAINS, None, None, False),
        (COMPLAINS, OTHER_FINGERPRINT, OTHER_FINGERPRINT, False),
        (COMPLAINS, None, OTHER_FINGERPRINT, True),
        (COMPLAINS, OTHER_FINGERPRINT, "e" * 64, True),
        (LOST, OTHER_FINGERPRINT, FINGERPRINT, True),
        (LOST, OTHER_FINGERPRINT, OTHER_FINGERPRINT, True),
        ([Silence(5000)], OTHER_FINGERPRINT, FINGERPRINT, True),
    ],
    ids=[
        "no key",
        "old key",
        "a key",
        "another key",
        "lost, with effect",
        "lost, perhaps with effect",
        "never ends, with effect",
    ],
)
def test_a_restore_that_fails_says_which_key_is_there(
    clock: Clock, tmp_path: Path, script: Script, before: str | None, after: str | None, changed: bool
) -> None:
    recorded = restoring(clock, tmp_path, script, before, after)
    result = run("secure_storage_restore", Connection(recorded), escrow=str(tmp_path), backup_password=PASSWORD)
    assert (result["failed"], result["changed"]) == (True, changed)
    assert result["key"] == {"present": after is not None, "fingerprint": after and f"sha256:{after}"}


def test_a_key_whose_fingerprint_cannot_be_seen_may_have_been_replaced(clock: Clock, tmp_path: Path) -> None:
    recorded = restoring(clock, tmp_path, COMPLAINS, OTHER_FINGERPRINT, FINGERPRINT, hashfile=False)
    result = run("secure_storage_restore", Connection(recorded), escrow=str(tmp_path), backup_password=PASSWORD)
    assert (result["failed"], result["changed"], result["key"]) == (True, True, {"present": True, "fingerprint": None})


# --- demotion ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("demoted", [False, True])
def test_a_demotion_whose_tool_fails_is_judged_by_its_effect(clock: Clock, demoted: bool) -> None:
    recorded = RecordedServer(clock, scripts={"UpdateDemotedRMS": [b"Sure?", Silence(5000)]})
    recorded.effects["UpdateDemotedRMS"] = lambda: setattr(recorded, "is_rms", not demoted)
    result = run("rms_demotion", Connection(recorded))
    assert (result.get("failed", False), result["changed"], result["is_rms"]) == (False, True, not demoted)
    assert bool(result["warnings"]) is not demoted


def test_a_tool_that_may_still_run_leaves_a_demotion_open(clock: Clock) -> None:
    recorded = RecordedServer(clock, scripts={"UpdateDemotedRMS": LOST}, promotion_running=[False, *[None] * 9])
    recorded.effects["UpdateDemotedRMS"] = lambda: setattr(recorded, "is_rms", False)
    result = run("rms_demotion", Connection(recorded))
    assert (result["failed"], result["changed"]) == (True, True)


def test_a_demoted_server_whose_service_cannot_be_disabled(clock: Clock) -> None:
    recorded = RecordedServer(clock, restart_demotes=True)
    result = run("rms_demotion", Connection(refusing(recorded, "sc stop OMSDK")))
    assert (result["failed"], result["changed"], result["is_rms"]) == (True, True, True)
    assert result["services"] == {
        "HealthService": "running, auto",
        "OMSDK": "running, disabled",
        "OMCFG": "stopped, disabled",
    }


def test_a_demotion_that_was_answered_and_goes_on_may_still_change_the_server(clock: Clock) -> None:
    recorded = RecordedServer(
        clock, scripts={"UpdateDemotedRMS": [b"Type Y to continue", Hears(b"Y\r"), Silence(5000)]}
    )
    result = run("rms_demotion", Connection(recorded))
    assert (result["failed"], result["changed"], result["is_rms"]) == (True, True, True)


# --- cluster ----------------------------------------------------------------------------------------------------------

NODE = {"virtual_server": "rmsvs", "disk": "X:"}
SERVICES = {"group": "RMS", "network_name": "RMS Name", "disk": "RMS Disk"}


@pytest.mark.parametrize("joined", [False, True])
def test_a_node_whose_tool_fails_is_judged_by_its_effect(clock: Clock, joined: bool) -> None:
    recorded = RecordedNode(
        clock,
        is_rms=False,
        has_parent=True,
        scripts={"AddRMSNode": LOST if joined else [Ends(1, b"No.")], "ping": [Silence(1), Ends()]},
    )
    recorded.effects["AddRMSNode"] = lambda: recorded.__dict__.update(is_rms=joined, has_parent=not joined)
    result = run("rms_cluster_node", Connection(recorded), **NODE)
    assert (result.get("failed", False), result["changed"], result["registry"]["is_root"]) == (not joined, True, joined)


def test_a_node_whose_start_mode_is_refused(clock: Clock) -> None:
    recorded = RecordedNode(clock, services={"HealthService": RUNS, "OMSDK": OFF})
    result = run("rms_cluster_node", Connection(refusing(recorded, "sc config OMSDK start= demand")), **NODE)
    assert (result["failed"], result["changed"]) == (True, True)
    assert result["services"] == {
        "HealthService": "running, demand",
        "OMSDK": "stopped, disabled",
        "OMCFG": "running, demand",
    }


def test_the_second_command_of_the_cluster_is_refused(clock: Clock) -> None:
    node = RecordedNode(clock)
    node.resources = {name: node.resources[name] for name in ("RMS Disk", "RMS Name")}
    usual = node._resource
    node._resource = lambda command: (  # type: ignore[method-assign]
        usual(command) if "OMSDK" not in command else (False, "System error 5 has occurred (0x00000005).\r\n")
    )
    result = run("rms_cluster_services", Connection(node), **SERVICES)
    assert (result["failed"], result["changed"], result["resources"]["OMSDK"]) == (True, True, None)
    assert result["resources"]["HealthService"]["name"] == "HealthService"


def test_the_first_command_of_the_cluster_is_refused(clock: Clock) -> None:
    node = RecordedNode(clock)
    node.resources["OMSDK"] = RecordedResource(service="OMSDK", needs=["RMS Name", "HealthService"])
    usual = node._resource
    node._resource = lambda command: (
        (False, "System error 5019 has occurred (0x0000139b).") if "/adddep" in command else usual(command)
    )  # type: ignore
    result = run("rms_cluster_services", Connection(node), **SERVICES)
    assert (result["failed"], result["changed"]) == (True, False)
    assert result["resources"]["OMSDK"]["depends_on"] == ["RMS Name", "HealthService"]


@pytest.mark.parametrize("gone", [False, True])
def test_a_group_that_was_moved_when_the_connection_broke(clock: Clock, gone: bool) -> None:
    node = RecordedNode(clock)
    losing(node, "/moveto", lambda: setattr(node, "owner", "POLLUX"))
    recorded = and_never_answers_again(node) if gone else node
    usual = recorded.respond

    def respond(command: str) -> Script:
        if "/moveto" in command:
            recorded.effects["/moveto"]()
            return LOST
        return usual(command)

    recorded.protocol._respond = respond
    result = run("rms_cluster_group", Connection(recorded), group="RMS", node="POLLUX")
    assert (result["failed"], result["changed"]) == (True, True)
    assert result["group"] == (None if gone else {"name": "RMS", "node": "POLLUX", "state": "online"})


# --- names of the RMS -------------------------------------------------------------------------------------------------

RMS = "deathsting.odyssey.com"


CHANGE = Change(1, OLD.decode(), NEW.decode(), "hydra", "deathsting")
CHANGES = [{"line": 1, "before": "hydra", "after": "deathsting"}]


@pytest.fixture
def backup(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(repoint, "backup_path", lambda path: BACKUP)
    return BACKUP


def edit_of(disk: Disk) -> tuple[FileEdit, Work]:
    """An edit of the file on that disk, and the task that makes it."""
    opsmgr: Any = SimpleNamespace(windows=WindowsHost(Shell(disk.protocol, "shell-1")))
    work = Work({}, False, opsmgr, {"changed": False, "changes": [], "backup": None, "diff": []})
    return FileEdit(PATH, OLD, Edit(NEW, [CHANGE], [])), work


def test_a_file_that_could_not_be_replaced(clock: Clock, backup: str) -> None:
    disk = Disk(clock, fails={"fc "})
    edit, work = edit_of(disk)
    with pytest.raises(OpsmgrError):
        edit.write(work, "edit it")
    assert (work.result["changed"], work.result["changes"], work.result["backup"]) == (False, [], None)


@pytest.mark.parametrize(("found", "changes"), [(OLD, []), (NEW, CHANGES), (b"<something-else/>", None)])
def test_a_file_whose_replacement_nobody_saw_the_end_of(
    clock: Clock, backup: str, found: bytes, changes: list[Any] | None
) -> None:
    disk = Disk(clock)
    edit, work = edit_of(disk)
    usual = disk.respond

    def respond(command: str) -> Script:
        script = usual(command)
        if "move /y" in command:
            disk.files[PATH] = found
            return LOST
        return script

    disk.protocol._respond = respond
    with pytest.raises(ConnectionLost):
        edit.write(work, "edit it")
    assert (work.result["changed"], work.result["changes"]) == (True, changes)
    assert work.result["backup"] == (None if found == OLD else backup)


@pytest.mark.parametrize("stored", [RMS, "hydra.odyssey.com"])
def test_a_registry_value_whose_writing_nobody_saw_the_end_of(clock: Clock, stored: str) -> None:
    recorded = losing(RecordedServer(clock), "reg add", lambda: None)
    recorded._answer = lambda command: (
        True,
        recorded._query(r"HKEY_LOCAL_MACHINE\SOFTWARE\Key", DefaultSDKServiceMachine=stored),
    )  # type: ignore
    opsmgr: Any = SimpleNamespace(windows=WindowsHost(Shell(recorded.protocol, "shell-1")))
    work = Work({"rms": RMS}, False, opsmgr, {"changed": False, "diff": []})
    with pytest.raises(ConnectionLost):
        point_registry(work, "point it", r"HKLM\SOFTWARE\Key", "hydra.odyssey.com")
    assert (work.result["changed"], work.result["registry"]) == (True, stored)


# --- setups -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("script", [LOST, [Silence(5000)], [Ends(1603)]], ids=["lost", "never ends", "fails"])
def test_a_setup_whose_end_was_not_seen_or_that_failed(clock: Clock, tmp_path: Path, script: Script) -> None:
    recorded = RecordedServer(clock, is_rms=False, fingerprint=None, scripts={"msiexec /i": script})
    recorded.effects["msiexec /i"] = lambda: setattr(recorded, "fingerprint", FINGERPRINT)
    usual = recorded._answers
    recorded._answers = lambda: {"MOM.msi": (True, "D:\\MOM.msi\r\n"), "new_key": (False, ""), **usual()}  # type: ignore[method-assign]
    recorded._answer = answering_marks(recorded)  # type: ignore[method-assign]
    result = run("rms_new_key", Connection(recorded), confirm="ODYSSEY", escrow=str(tmp_path))
    assert (result["failed"], result["changed"], result["is_rms"]) == (True, True, False), result["msg"]
    assert result["key"] == {"present": True, "fingerprint": f"sha256:{FINGERPRINT}"}


def answering_marks(recorded: RecordedServer) -> Callable[[str], tuple[bool, str]]:
    """The mark of a new key can be written and read back."""
    usual, marks = recorded._answer, ["begun"]

    def answer(command: str) -> tuple[bool, str]:
        if "new_key" in command and command.startswith("reg add"):
            marks.append(command.split('"')[-2])
        if "new_key" in command:
            return True, recorded._query(r"HKEY_LOCAL_MACHINE\SOFTWARE\opsmgr.recovery.new_key", NewKey=marks[-1])
        return usual(command)

    return answer


def test_an_installation_that_was_cut_off(clock: Clock) -> None:
    recorded = RecordedServer(clock, installed=False, groups="", scripts={"msiexec /i": LOST})
    usual = recorded._answers
    recorded._answers = lambda: {"MOM.msi": (True, "D:\\MOM.msi\r\n"), **usual()}  # type: ignore[method-assign]
    result = run("management_server_setup", Connection(recorded), management_group="ODYSSEY", database_server="SQL01")
    assert (result["failed"], result["changed"], result["version"]) == (True, True, None), result["msg"]
