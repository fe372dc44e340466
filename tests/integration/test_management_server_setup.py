# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""management_server_setup against the lab's Windows Installer: a computer becomes a management server, once, whatever
comes between.
"""

from __future__ import annotations

import threading
from typing import Any

import pytest
from playing import Player

from lab.faults import Fault

OPTIONS: dict[str, Any] = {"management_group": "ODYSSEY", "database_server": "thunder", "version": "6.0.6278.0"}
VESTA: dict[str, Any] = {"hosts": {"vesta": {"roles": ["management_server"], "installed": False}}}
LOG = "opsmgr-recovery-setup.log"


@pytest.fixture
def player(start_lab: Any) -> Player:
    """ODYSSEY with a computer on which Operations Manager is not installed."""
    started: Player = start_lab("odyssey", overrides=VESTA)
    return started


def set_up(player: Player, **how: Any) -> dict[str, Any]:
    options = {**OPTIONS, **how.pop("options", {})}
    return player.task("management_server_setup", "vesta", options, **how)


def logs(player: Player) -> list[str]:
    return [path for path in player.lab.hosts["vesta"].fs.dump() if path.lower().endswith(LOG)]


def setups(player: Player) -> int:
    """How often the package itself ran."""
    return sum(entry["kind"] == "program" and entry["program"] == "MOM" for entry in player.lab.recorder.entries)


def test_checked_installed_and_then_left_alone(player: Player) -> None:
    before = player.lab.dump()
    checked = set_up(player, check=True)
    assert (checked["changed"], checked["failed"]) == (True, False)
    assert player.lab.dump() == before
    done = set_up(player)
    assert (done["changed"], done["exit_code"], done["reboot_required"], done["management_group"]) == (
        True,
        0,
        False,
        "ODYSSEY",
    )
    assert done["command"].startswith('start "" /wait msiexec /i "D:\\Server\\amd64\\MOM.msi" /qn /norestart')
    assert "vesta.odyssey.com" in player.lab.dump()["groups"]["ODYSSEY"]["servers"]
    assert logs(player) == []
    after = player.lab.dump()
    again = set_up(player)
    assert (again["changed"], again["command"], again["version"]) == (False, None, "6.0.6278.0")
    assert (player.lab.dump()["hosts"], player.lab.dump()["groups"]) == (after["hosts"], after["groups"])
    assert setups(player) == 1


@pytest.mark.parametrize("language", ["en", "de", "ja", "zh"])
def test_a_failure_names_code_action_and_log(player: Player, language: str) -> None:
    player.lab.hosts["vesta"].settings["windows_language"] = language
    failed = set_up(player, options={"database_server": "nobody"})
    assert (failed["failed"], failed["exit_code"], failed["failed_action"]) == (True, 1603, "_ConfigureDatabase")
    assert "no SQL Server is called 'nobody'" in failed["log_excerpt"]
    assert failed["msg"].startswith(
        "vesta: install the management server: the setup D:\\Server\\amd64\\MOM.msi ended with 1603, a fatal error during the setup; "
        "the action that failed is _ConfigureDatabase; the log says: "
    )
    assert failed["log"].endswith("\\AppData\\Local\\Temp\\" + LOG)
    assert len(logs(player)) == 1
    assert set_up(player)["changed"] is True
    assert logs(player) == []


def test_a_deferred_action_that_fails_is_named_itself(player: Player) -> None:
    player.lab.hosts["vesta"].settings["windows_language"] = "zh"
    player.lab.faults.add(Fault("vesta", "command", "MOM:deferred", "fail"))
    failed = set_up(player)
    assert (failed["failed"], failed["exit_code"], failed["failed_action"]) == (True, 1603, "_InstallServices")


def test_a_reboot_that_is_wanted_is_reported(player: Player) -> None:
    player.lab.hosts["vesta"].settings["setup_wants_reboot"] = True
    done = set_up(player)
    assert (done["failed"], done["exit_code"], done["reboot_required"]) == (False, 3010, True)


@pytest.mark.soak
def test_another_setup_is_waited_for(player: Player) -> None:
    vesta = player.lab.hosts["vesta"]
    assert vesta.installing.acquire(blocking=False)
    threading.Timer(3, vesta.installing.release).start()
    done = set_up(player)
    assert (done["failed"], done["changed"], done["exit_code"]) == (False, True, 0)


def test_another_setup_that_does_not_end_is_named(player: Player) -> None:
    player.lab.faults.add(Fault("vesta", "command", "msiexec", "fail", times=0, code=1618))
    failed = set_up(player, options={"timeout": 3})
    assert failed["msg"] == (
        "vesta: install the management server: the setup D:\\Server\\amd64\\MOM.msi ended with 1618, another setup is running. "
        "Rerun when that one has ended."
    )
    assert failed["changed"] is False


def cut_off(player: Player) -> None:
    """Run, and kill the run while the setup works."""
    player.lab.hosts["vesta"].settings["setup_seconds"] = 6
    play = {
        "hosts": "vesta",
        "gather_facts": False,
        "tasks": [{"name": "The task", "opsmgr.recovery.management_server_setup": OPTIONS}],
    }
    player.play([play], cut_when=player.lab.hosts["vesta"].installing.locked)
    assert player.lab.hosts["vesta"].installing.locked()


def test_a_run_that_is_killed_while_the_setup_works_is_finished_by_the_next(player: Player) -> None:
    cut_off(player)
    done = set_up(player)
    assert (done["failed"], done["changed"], done["management_group"], setups(player)) == (False, False, "ODYSSEY", 1)


@pytest.mark.soak
@pytest.mark.parametrize(
    ("survives", "needed"), [(True, 1), (False, 2)], ids=["the service goes on", "the service gives up"]
)
def test_a_setup_whose_client_is_killed_is_finished_by_the_next_run(
    player: Player, survives: bool, needed: int
) -> None:
    vesta = player.lab.hosts["vesta"]
    vesta.settings["installer_survives"] = survives
    cut_off(player)
    client = next(process for process in vesta.running() if process.name.lower() == "msiexec")
    client.lifeline.cut()
    done = set_up(player)
    assert (done["failed"], done["management_group"], setups(player)) == (False, "ODYSSEY", needed)


@pytest.mark.soak
def test_a_timeout_leaves_the_setup_at_work(player: Player) -> None:
    player.lab.hosts["vesta"].settings["setup_seconds"] = 5
    failed = set_up(player, options={"timeout": 2})
    assert "the setup did not end within 2 seconds, and goes on" in failed["msg"]
    assert (set_up(player)["failed"], setups(player)) == (False, 1)


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (
            {"properties": {"SDK_PASSWORD": "a secret of somebody"}},
            "the property SDK_PASSWORD would put a password on a command line",
        ),
        ({"properties": {"lower": "1"}}, "'lower' is not the name of a public property"),
        ({"package": "D:\\nowhere\\MOM.msi"}, "D:\\nowhere\\MOM.msi was not found on the server"),
        ({"version": "six"}, "'six' is not a version"),
    ],
)
@pytest.mark.parametrize("check", [False, True])
def test_refusals(player: Player, options: dict[str, Any], found: str, check: bool) -> None:
    before = player.lab.dump()
    refused = set_up(player, options=options, check=check)
    assert refused["failed"]
    assert found in refused["msg"]
    assert "a secret of somebody" not in refused["msg"]
    assert player.lab.dump() == before


def test_a_server_of_another_group_or_version_is_left_alone(player: Player) -> None:
    other = player.task("management_server_setup", "jupiter", {**OPTIONS, "management_group": "ILIAD"})
    assert "it is a management server of ODYSSEY already, and not of ILIAD" in other["msg"]
    older = player.task("management_server_setup", "jupiter", {**OPTIONS, "version": "6.1.7221.0"})
    assert "version 6.0.6278.0 is installed, and not 6.1.7221.0" in older["msg"]


def test_on_windows_server_2003_with_an_account_instead_of_the_computer_s(start_lab: Any) -> None:
    player = start_lab("odyssey-2003", overrides=VESTA)
    done = set_up(
        player,
        options={"install_directory": "C:\\Tools & Co\\OpsMgr", "properties": {"ACTIONS_USE_COMPUTER_ACCOUNT": None}},
    )
    assert (done["exit_code"], done["failed_action"]) == (1603, "_ValidateProperties")
    done = set_up(player, options={"install_directory": "C:\\Tools & Co\\OpsMgr"})
    assert (done["changed"], done["install_directory"]) == (True, "C:\\Tools & Co\\OpsMgr\\")
