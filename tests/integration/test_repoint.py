# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reporting server, web console and consoles are pointed at another RMS and back, and refuse what they must."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from labs import StartLab
from playing import Player

from lab.faults import Fault
from lab.windows.filesystem import File
from lab.windows.process import Process

RMS = "deathsting.odyssey.com"
FORMER = "hydra.odyssey.com"
OPSMGR = "HKLM\\SOFTWARE\\Microsoft\\Microsoft Operations Manager\\3.0"
REPORT_CONFIG = "C:\\Program Files\\Microsoft SQL Server\\MSRS10.MSSQLSERVER\\Reporting Services\\ReportServer\\rsreportserver.config"
WEB_CONFIG = "C:\\Program Files\\System Center Operations Manager 2007\\Web Console\\Web.config"
# Module: host, file, how often the RMS is named in it.
FILES: dict[str, tuple[str, str, int]] = {
    "reporting_server_rms": ("argus", REPORT_CONFIG, 2),
    "web_console_rms": ("hermes", WEB_CONFIG, 1),
}
NAMES = {"rms": RMS, "former_rms": [FORMER]}
QUICK = {"stable_seconds": 1}


def options(module: str, **more: Any) -> dict[str, Any]:
    return {**NAMES, **(QUICK if module == "reporting_server_rms" else {}), **more}


def content(player: Player, module: str) -> bytes:
    host, path, _count = FILES[module]
    return player.lab.hosts[host].fs.read(path)


def beside(player: Player, module: str) -> list[str]:
    """Names of the files in the folder of the configuration file, and of what is left in temporary folders."""
    host, path, _count = FILES[module]
    files = player.lab.dump()["hosts"][host]["files"]
    folder = path.rpartition("\\")[0].lower() + "\\"
    return [name for name in files if name.lower().startswith(folder) or "opsmgr-recovery" in name]


def registry(player: Player, host: str, key: str) -> Any:
    return player.lab.hosts[host].registry.get(f"{OPSMGR}\\{key}", "DefaultSDKServiceMachine")


def diff_text(result: dict[str, Any]) -> str:
    return "".join(each.get("prepared", "") + each.get("before", "") + each.get("after", "") for each in result["diff"])


@pytest.mark.parametrize("module", FILES)
def test_check_run_check_run_and_back(odyssey: Player, module: str) -> None:
    host, path, count = FILES[module]
    before, original = odyssey.lab.dump(), content(odyssey, module)
    predicted = odyssey.task(module, host, options(module), check=True)
    assert (predicted["changed"], len(predicted["changes"]), predicted["backup"]) == (True, count, None)
    assert odyssey.lab.dump() == before
    done = odyssey.task(module, host, options(module))
    assert (done["changed"], done["changes"], done["path"]) == (True, predicted["changes"], path)
    assert content(odyssey, module) == original.replace(FORMER.encode(), RMS.encode())
    assert odyssey.lab.hosts[host].fs.read(done["backup"]) == original
    assert beside(odyssey, module) == sorted([path, done["backup"]])
    after = odyssey.lab.dump()
    for check in (True, False):
        again = odyssey.task(module, host, options(module), check=check)
        assert (again["changed"], again["changes"], again["backup"]) == (False, [], None)
    assert odyssey.lab.dump() == after
    back = odyssey.task(module, host, options(module, rms=FORMER, former_rms=[RMS]))
    assert back["changed"] is True
    assert content(odyssey, module) == original
    assert odyssey.lab.dump()["hosts"][host]["registry"] == before["hosts"][host]["registry"]


def test_consoles_check_run_check_run_and_back(odyssey: Player) -> None:
    before = odyssey.lab.dump()
    predicted = odyssey.task("console_rms", "hermes", {"rms": RMS}, check=True)
    assert (predicted["changed"], predicted["registry"]) == (True, FORMER)
    assert odyssey.lab.dump() == before
    assert (
        odyssey.task("console_rms", "hermes", {"rms": RMS})["registry"]
        == registry(odyssey, "hermes", "Machine Settings")
        == RMS
    )
    for check in (True, False):
        assert odyssey.task("console_rms", "hermes", {"rms": RMS}, check=check)["changed"] is False
    assert odyssey.task("console_rms", "hermes", {"rms": FORMER})["changed"] is True
    assert odyssey.lab.dump() == before


def test_the_diff_shows_the_lines_and_no_other(odyssey: Player) -> None:
    reporting = diff_text(odyssey.task("reporting_server_rms", "argus", options("reporting_server_rms"), check=True))
    assert (
        reporting.count(f"<ServerName>{FORMER}</ServerName>") == reporting.count(f"<ServerName>{RMS}</ServerName>") == 2
    )
    assert f"DefaultSDKServiceMachine: {RMS}" in reporting
    assert "<Dsn>" not in reporting
    web = diff_text(odyssey.task("web_console_rms", "hermes", NAMES, check=True))
    assert f'+    <add key="MOMServer" value="{RMS}"/>' in web
    assert "CookieTimeout" not in web


# --- Reporting Services -----------------------------------------------------------------------------------------------


def test_reporting_services_is_restarted_only_after_a_change(odyssey: Player) -> None:
    service = odyssey.lab.hosts["argus"].services["ReportServer"]
    first = service.pid
    done = odyssey.task("reporting_server_rms", "argus", options("reporting_server_rms"))
    assert (done["restarted"], done["instance"]) == (True, "MSSQLSERVER")
    assert done["service"] == {"name": "ReportServer", "state": "running", "start_mode": "auto"}
    assert registry(odyssey, "argus", "Reporting") == done["registry"] == RMS
    second = service.pid
    assert second != first
    assert odyssey.task("reporting_server_rms", "argus", options("reporting_server_rms"))["restarted"] is False
    assert service.pid == second


@pytest.mark.parametrize(
    ("sql_version", "instance", "identity"),
    [("9.0", "MSSQLSERVER", "MSSQL.2"), ("10.0", "OPS$MGR_1", "MSRS10.OPS$MGR_1")],
)
def test_reporting_services_is_found_through_the_registry(
    start_lab: StartLab, sql_version: str, instance: str, identity: str
) -> None:
    settings = {
        "sql": {"version": sql_version},
        "hosts": {"argus": {"profile": "2003", "settings": {"reporting_instance": instance}}},
    }
    player = start_lab("odyssey", settings)
    done = player.task("reporting_server_rms", "argus", options("reporting_server_rms"))
    assert (done["changed"], done["instance"], done["restarted"]) == (True, instance, True)
    assert f"\\{identity}\\" in done["path"]
    player.lab.hosts["argus"].registry.set(f"{OPSMGR}\\Reporting", "SRSInstance", "ARGUS\\NOWHERE")
    lost = player.task("reporting_server_rms", "argus", options("reporting_server_rms"))
    assert (
        f"there is no instance ARGUS\\NOWHERE of Reporting Services here; the registry lists: {instance}" in lost["msg"]
    )
    assert (
        player.task("reporting_server_rms", "argus", options("reporting_server_rms", instance=instance))["changed"]
        is False
    )


def test_a_service_that_does_not_come_up_is_restarted_by_the_next_run(odyssey: Player) -> None:
    odyssey.lab.faults.add(Fault("argus", "service", "ReportServer", "fail", nth=2))
    failed = odyssey.task("reporting_server_rms", "argus", options("reporting_server_rms", timeout=3))
    assert failed["failed"]
    assert "ReportServer is stopped after its restart" in failed["msg"]
    assert f"the file as it was before is {failed['backup']}" in failed["msg"]
    assert (failed["changed"], failed["restarted"], failed["service"]["state"]) == (True, False, "stopped")
    assert odyssey.task("reporting_server_rms", "argus", options("reporting_server_rms"), check=True)["changed"] is True
    again = odyssey.task("reporting_server_rms", "argus", options("reporting_server_rms"))
    assert (again["changed"], again["changes"], again["restarted"]) == (True, [], True)
    assert odyssey.task("reporting_server_rms", "argus", options("reporting_server_rms"))["changed"] is False


def test_a_disabled_service_is_left_disabled(odyssey: Player) -> None:
    argus = odyssey.lab.hosts["argus"]
    argus.services.stop("ReportServer")
    argus.services.settle()
    argus.services.configure("ReportServer", start="disabled")
    done = odyssey.task("reporting_server_rms", "argus", options("reporting_server_rms"))
    assert (done["changed"], done["restarted"], done["service"]["state"]) == (True, False, "stopped")
    assert odyssey.task("reporting_server_rms", "argus", options("reporting_server_rms"))["changed"] is False


def test_an_entry_that_names_another_server_is_reported_and_left(odyssey: Player) -> None:
    fs = odyssey.lab.hosts["argus"].fs
    fs.write(REPORT_CONFIG, fs.read(REPORT_CONFIG).replace(FORMER.encode(), b"zeus.odyssey.com", 1))
    done = odyssey.task("reporting_server_rms", "argus", options("reporting_server_rms"))
    assert [each["value"] for each in done["untouched"]] == ["zeus.odyssey.com"]
    assert len(done["changes"]) == 1
    assert fs.read(REPORT_CONFIG).count(b"zeus.odyssey.com") == 1


# --- What is refused --------------------------------------------------------------------------------------------------


def refused(player: Player, module: str, words: str, *, check: bool = False, **more: Any) -> dict[str, Any]:
    """Run a module that must refuse, with `words` in its message, and change nothing."""
    host = FILES[module][0]
    before = player.lab.dump()["hosts"][host]
    result = player.task(module, host, options(module, **more), check=check)
    assert (result["failed"], result["changed"]) == (True, False)
    assert words in result["msg"]
    assert host in result["msg"]
    assert player.lab.dump()["hosts"][host]["files"] == before["files"]
    return result


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("module", FILES)
def test_a_read_only_file_is_left_alone(odyssey: Player, module: str, check: bool) -> None:
    host, path, _count = FILES[module]
    file = odyssey.lab.hosts[host].fs.node(path)
    assert isinstance(file, File)
    file.readonly = True
    refused(odyssey, module, "has the attribute read-only and was left as it is", check=check)


@pytest.mark.parametrize("module", FILES)
def test_bad_files_are_left_alone(odyssey: Player, module: str) -> None:
    host, path, _count = FILES[module]
    fs, original = odyssey.lab.hosts[host].fs, content(odyssey, module)
    fs.write(path, original[:-20])
    refused(odyssey, module, f"edit {path}: line ")
    fs.write(path, original.replace(b"ServerName", b"Host").replace(b"MOMServer", b"Host"))
    refused(odyssey, module, "there is no <")
    fs.write(path, b"")
    refused(odyssey, module, path)
    fs.write(path, original + b"\r\n" * 200_000)
    refused(odyssey, module, "bytes, which no configuration file has")
    fs.write(path, original.replace(FORMER.encode(), b"zeus.odyssey.com"))
    refused(odyssey, module, "zeus.odyssey.com")
    fs.remove(path)
    refused(odyssey, module, f"there is no file {path}")


def test_settings_that_another_file_overrides_are_not_reported_as_done(odyssey: Player) -> None:
    fs, original = odyssey.lab.hosts["hermes"].fs, content(odyssey, "web_console_rms")
    other = WEB_CONFIG.replace("Web.config", "user.config")
    referring = original.replace(b"<appSettings>", b'<appSettings file="user.config">')
    assert referring != original
    fs.write(WEB_CONFIG, referring)
    fs.write(other, b'<appSettings>\r\n  <add key="momServer" value="hydra.odyssey.com"/>\r\n</appSettings>\r\n')
    refused(odyssey, "web_console_rms", f"{other} overrides the key MOMServer, and names {FORMER}")
    there = odyssey.task("web_console_rms", "hermes", options("web_console_rms", path=other))
    assert (there["changed"], [each["after"] for each in there["changes"]]) == (True, [RMS])
    done = odyssey.task("web_console_rms", "hermes", options("web_console_rms"))
    assert (done["failed"], done["changed"]) == (False, True)
    # ASP.NET ignores a file that is not there.
    fs.write(WEB_CONFIG, referring)
    fs.remove(other)
    assert odyssey.task("web_console_rms", "hermes", options("web_console_rms"))["changed"] is True


@pytest.mark.parametrize("module", FILES)
def test_a_file_that_is_open_elsewhere_is_left_alone(odyssey: Player, module: str) -> None:
    swap_is_refused(odyssey, FILES[module][0])
    refused(odyssey, module, "could not be replaced and is as it was")


def swap_is_refused(player: Player, host: str) -> None:
    """From now on the file cannot be renamed over, though it can be read: as when another program has it open."""
    fs = player.lab.hosts[host].fs
    move = fs.move

    def refuse(source: str, target: str, *, replace: bool = False) -> None:
        fs.file(target).locked = True
        try:
            move(source, target, replace=replace)
        finally:
            fs.file(target).locked = False

    fs.move = refuse  # type: ignore[method-assign]


@pytest.mark.parametrize("program", ["xcopy.exe", "fc.exe"])
@pytest.mark.parametrize("module", FILES)
def test_a_file_that_someone_changes_meanwhile_is_left_alone(odyssey: Player, module: str, program: str) -> None:
    """Someone saves it when it has been read: before the backup is made, or after."""
    host, path, _count = FILES[module]
    fs, theirs = odyssey.lab.hosts[host].fs, content(odyssey, module) + b"<!-- theirs -->"
    before_the_first(odyssey, host, program, lambda: fs.write(path, theirs))
    result = odyssey.task(module, host, options(module))
    assert (result["failed"], result["changed"]) == (True, False)
    assert f"{path} was changed by someone else meanwhile and was left as it is now" in result["msg"]
    assert fs.read(path) == theirs
    assert beside(odyssey, module) == [path]


def before_the_first(player: Player, host: str, program: str, act: Callable[[], object]) -> None:
    """Let something happen just before a program runs on a host for the first time."""
    windows = player.lab.hosts[host]
    path = f"{windows.windows.system32}\\{program}"
    real = windows.behaviour(path, windows.fs.file(path))
    assert real is not None
    pending = [act]

    def wrapped(process: Process) -> int:
        while pending:
            pending.pop()()
        return real(process)

    windows.install_program(path, wrapped, b"MZ with an intruder")


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ({"rms": "deathsting"}, "it has no domain"),
        ({"rms": 'x.y" & del c:\\'}, "is not usable as a server's name"),
        ({"former_rms": ["hydra", "10.1.2.3"]}, "it looks like an address or a number"),
        ({"path": "Web.config"}, "is not the full path of a file"),
        ({"path": "C:\\%TEMP%\\Web.config"}, "has a '%'"),
    ],
)
def test_unusable_options_are_refused(odyssey: Player, names: dict[str, Any], words: str) -> None:
    for module in FILES:
        refused(odyssey, module, words, **names)


def test_an_account_that_is_no_administrator_is_refused(start_lab: StartLab) -> None:
    player = start_lab("odyssey", {"defaults": {"settings": {"winrm_for_users": True}}})
    user = next(user for user in player.lab.topology.hosts["hermes"].users if not user.is_admin)
    login = {"ansible_user": user.name, "ansible_password": user.password}
    assert "not an administrator" in player.task("console_rms", "hermes", {"rms": RMS}, **login)["msg"]


def cut_off_and_rerun(odyssey: Player, lost: str, commands: Iterable[int]) -> None:
    """The connection breaks at one command after the other, before it ran or with its answer; at any time there is the
    old file or the new one.
    """
    module, names = "reporting_server_rms", [FORMER, RMS]
    texts = {FORMER: content(odyssey, module)}
    texts[RMS] = texts[FORMER].replace(FORMER.encode(), RMS.encode())
    for nth in commands:
        names.reverse()
        change = options(module, rms=names[0], former_rms=[names[1]])
        odyssey.lab.faults.add(Fault("argus", "message", "Command", "drop", nth=nth, text=lost))
        # What only reads is asked again.
        failed = odyssey.task(module, "argus", change)["failed"]
        assert content(odyssey, module) in ([texts[names[0]]] if not failed else list(texts.values())), nth
        odyssey.lab.faults.clear()
        assert not odyssey.task(module, "argus", change)["failed"], nth
        assert content(odyssey, module) == texts[names[0]]
        assert odyssey.lab.hosts["argus"].services["ReportServer"].state == "running"
        assert [name for name in beside(odyssey, module) if name != REPORT_CONFIG and not name.endswith(".bak")] == []
        assert odyssey.task(module, "argus", change, check=True)["changed"] is False


def test_cut_off_a_rerun_finishes_it(odyssey: Player) -> None:
    """At every command, and before it ran as well: tests/soak."""
    cut_off_and_rerun(odyssey, "after", (4, 8))


# --- The playbook -----------------------------------------------------------------------------------------------------


def named(player: Player) -> dict[str, Any]:
    """Whom everything names, as the lab knows it."""
    return {
        "reporting": content(player, "reporting_server_rms").count(RMS.encode()),
        "web console": content(player, "web_console_rms").count(RMS.encode()),
        "registry": [registry(player, "argus", "Reporting"), registry(player, "hermes", "Machine Settings")],
    }


ALL_NAMED = {"reporting": 2, "web console": 1, "registry": [RMS, RMS]}
PLAYBOOK = "playbooks/repoint.yml"


def test_the_playbook_asks_the_database(odyssey: Player) -> None:
    before = odyssey.lab.dump()
    nothing = odyssey.play(PLAYBOOK)
    assert nothing.ended_well, nothing.output
    assert (nothing.changed, odyssey.lab.dump()) == (0, before)
    becomes_rms(odyssey, RMS)
    assert odyssey.play(PLAYBOOK, check=True).changed == 4
    done = odyssey.play(PLAYBOOK)
    assert done.ended_well, done.output
    assert named(odyssey) == ALL_NAMED
    assert odyssey.play(PLAYBOOK).changed == 0
    becomes_rms(odyssey, FORMER)
    odyssey.play(PLAYBOOK)
    assert odyssey.lab.dump()["hosts"]["argus"]["registry"] == before["hosts"]["argus"]["registry"]
    for module, (host, path, _count) in FILES.items():
        assert odyssey.lab.dump()["hosts"][host]["files"][path] == before["hosts"][host]["files"][path], module


def becomes_rms(player: Player, fqdn: str) -> None:
    """Let the database name another RMS."""
    with player.lab._databases.open("thunder.odyssey.com", "OperationsManager", "test") as database:
        database.promote(fqdn, delete_old=False)


def test_one_host_that_does_not_answer_does_not_stop_the_others(odyssey: Player) -> None:
    odyssey.lab.power("argus", False)
    run = odyssey.play(PLAYBOOK, repoint_rms=RMS)
    assert not run.ended_well
    assert named(odyssey) == {"reporting": 0, "web console": 1, "registry": [FORMER, RMS]}
    odyssey.lab.power("argus", True)
    assert odyssey.play(PLAYBOOK, repoint_rms=RMS).ended_well
    assert named(odyssey) == ALL_NAMED


def test_without_a_database_nothing_is_guessed(odyssey: Player) -> None:
    odyssey.lab.power("thunder", False)
    before = odyssey.lab.dump()
    run = odyssey.play(PLAYBOOK)
    assert not run.ended_well
    assert "The operational database does not say who is the RMS" in run.output
    assert odyssey.lab.dump() == before
