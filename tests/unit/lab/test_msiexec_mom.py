# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MOM.msi as the lab plays it: Setup of a management server, and a new key where there is no backup."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from unit.lab.opsmgr_prompt import group_of, provide_tools, quick_lab, run, settings, states

from lab.faults import Fault
from lab.lab import Lab

SETUP = 'start "" /wait msiexec /i D:\\Server\\amd64\\MOM.msi /qn /l*v C:\\mom.log '
NEW_KEY = SETUP + "CREATE_NEWKEY=1 MANAGEMENT_GROUP=ODYSSEY"
INSTALL = (
    SETUP
    + "ADDLOCAL=MOMServer MANAGEMENT_GROUP=ODYSSEY MOM_DB_SERVER=thunder ACTIONS_USE_COMPUTER_ACCOUNT=1 SDK_USE_COMPUTER_ACCOUNT=1"
)
QUICK = settings(setup_seconds=0.02)
VESTA: dict[str, Any] = {**QUICK, "hosts": {"vesta": {"roles": ["management_server"], "installed": False}}}


@pytest.fixture
def lab() -> Iterator[Lab]:
    with quick_lab(**QUICK) as started:
        started.power("hydra", False)
        yield started


@pytest.fixture
def bare() -> Iterator[Lab]:
    """With a computer on which Operations Manager is not installed."""
    with quick_lab(**VESTA) as started:
        yield started


def test_a_new_key_makes_the_server_the_root_and_opens_no_old_secret(lab: Lab) -> None:
    assert run(lab, "deathsting", NEW_KEY).exit_code == 0
    group = group_of(lab)
    assert group["rms"] == "deathsting.odyssey.com"
    assert (group["roles"]["deathsting"], group["key"]["deathsting"]) == ("rms", "right")
    assert set(group["run_as"]["deathsting"].values()) == {False}
    assert states(lab, "deathsting") == dict.fromkeys(("HealthService", "OMSDK", "OMCFG"), ("running", "auto"))


def test_the_old_key_is_the_wrong_one_from_then_on(lab: Lab) -> None:
    run(lab, "deathsting", NEW_KEY)
    lab.power("hydra", True)
    assert group_of(lab)["key"]["hydra"] == "wrong"
    assert states(lab, "hydra")["OMSDK"][0] == "stopped"


def test_without_promotion_the_server_has_the_key_and_waits_to_be_promoted(lab: Lab) -> None:
    lab.hosts["deathsting"].settings["new_key_promotes"] = False
    assert run(lab, "deathsting", NEW_KEY).exit_code == 0
    assert (group_of(lab)["rms"], group_of(lab)["key"]["deathsting"]) == ("hydra.odyssey.com", "right")
    provide_tools(lab, "deathsting")
    assert run(lab, "deathsting", "ManagementServerConfigTool PromoteRMS /DeleteExistingRMS:true", "Y\r").exit_code == 0
    assert states(lab, "deathsting")["OMSDK"] == ("running", "auto")


SERVICE_ACCOUNT, ACTION_ACCOUNT = "ODYSSEY\\svc-sdk", "ODYSSEY\\svc-action"


@pytest.mark.parametrize(
    ("properties", "resets", "expected"),
    [
        ("", False, (SERVICE_ACCOUNT, ACTION_ACCOUNT)),
        ("", True, ("LocalSystem", "LocalSystem")),
        (" SDK_USE_COMPUTER_ACCOUNT=1", False, ("LocalSystem", ACTION_ACCOUNT)),
        (" ACTIONS_USE_COMPUTER_ACCOUNT=1", False, (SERVICE_ACCOUNT, "LocalSystem")),
        (" SDK_ACCOUNT=ODYSSEY\\other", False, ("ODYSSEY\\other", ACTION_ACCOUNT)),
    ],
)
def test_with_a_new_key_accounts_are_what_setup_is_given(
    lab: Lab, properties: str, resets: bool, expected: tuple[str, str]
) -> None:
    installation = lab.installation("deathsting")
    installation.set_accounts(sdk=SERVICE_ACCOUNT, action=ACTION_ACCOUNT)
    lab.hosts["deathsting"].settings["new_key_resets_accounts"] = resets
    assert run(lab, "deathsting", NEW_KEY + properties).exit_code == 0
    services = lab.hosts["deathsting"].services
    assert (services["OMSDK"].account, installation.action_account) == expected
    assert services["OMCFG"].account == services["OMSDK"].account
    assert services["HealthService"].account == "LocalSystem"


@pytest.mark.parametrize("place", ["before-change", "after-key", "after-database", "after-registry"])
@pytest.mark.parametrize("action", ["fail", "drop"])
def test_setup_that_fails_or_dies_can_be_run_again(lab: Lab, place: str, action: Any) -> None:
    registry = lab.hosts["deathsting"].registry.dump()
    lab.faults.add(Fault("deathsting", "command", f"MOM:{place}", action))
    assert run(lab, "deathsting", NEW_KEY).exit_code == (1603 if action == "fail" else 1)
    log = lab.hosts["deathsting"].fs.read("C:\\mom.log").decode("utf-16")
    assert ("Action ended 2:40:11: _CreateNewKey. Return value 3.\r\n" in log) is (action == "fail")
    if action == "fail":
        after = lab.hosts["deathsting"].registry.dump()
        assert {key: after[key] for key in registry if "Microsoft Operations Manager" in key} == {
            key: registry[key] for key in registry if "Microsoft Operations Manager" in key
        }
    assert run(lab, "deathsting", NEW_KEY).exit_code == 0
    if action == "fail" or place != "after-registry":
        assert states(lab, "deathsting")["OMSDK"] == ("running", "auto")
    assert (group_of(lab)["rms"], group_of(lab)["key"]["deathsting"]) == ("deathsting.odyssey.com", "right")


def test_before_sp1_the_property_is_not_known() -> None:
    with quick_lab("odyssey-rtm", **QUICK) as lab:
        lab.power("hydra", False)
        assert run(lab, "deathsting", NEW_KEY).exit_code == 0
        assert (group_of(lab)["rms"], group_of(lab)["key"]["deathsting"]) == ("hydra.odyssey.com", "none")


def test_it_installs_a_management_server(bare: Lab) -> None:
    assert "vesta" not in group_of(bare)["roles"]
    assert run(bare, "vesta", INSTALL, cwd="C:\\").exit_code == 0
    assert "vesta.odyssey.com" in group_of(bare)["servers"]
    assert (group_of(bare)["roles"]["vesta"], group_of(bare)["key"]["vesta"]) == ("management_server", "none")
    assert states(bare, "vesta") == {
        "HealthService": ("running", "auto"),
        "OMSDK": ("stopped", "disabled"),
        "OMCFG": ("stopped", "disabled"),
    }
    assert run(bare, "vesta", INSTALL, cwd="C:\\").exit_code == 0


@pytest.mark.parametrize(
    ("line", "action"),
    [
        (INSTALL.replace("=ODYSSEY", "=ILIAD"), "_ConfigureDatabase"),
        (INSTALL.replace("=thunder", "=nobody"), "_ConfigureDatabase"),
        (INSTALL.replace("SDK_USE_COMPUTER_ACCOUNT=1", "SDK_ACCOUNT=svc-sdk"), "_ValidateProperties"),
        (INSTALL.replace("ADDLOCAL=MOMServer", ""), "_ValidateProperties"),
    ],
)
def test_a_setup_that_fails_says_in_which_action_and_leaves_nothing(bare: Lab, line: str, action: str) -> None:
    bare.hosts["vesta"].settings["windows_language"] = "de"
    before = bare.dump()["groups"]
    assert run(bare, "vesta", line, cwd="C:\\").exit_code == 1603
    assert f"Aktion beendet um 2:40:11: {action}. Rückgabewert 3.\r\n" in bare.hosts["vesta"].fs.read(
        "C:\\mom.log"
    ).decode("utf-16")
    assert bare.dump()["groups"] == before


def test_media_of_another_version_are_refused(lab: Lab) -> None:
    lab.hosts["deathsting"].registry.set(
        "HKLM\\SOFTWARE\\Microsoft\\Microsoft Operations Manager\\3.0\\Setup", "ServerVersion", "6.1.7221.0"
    )
    assert run(lab, "deathsting", NEW_KEY).exit_code == 1638


def test_a_reboot_may_be_wanted(lab: Lab) -> None:
    lab.hosts["deathsting"].settings["setup_wants_reboot"] = True
    assert run(lab, "deathsting", NEW_KEY).exit_code == 3010


@pytest.mark.parametrize(
    ("language", "ended"),
    [("en", "Action ended 2:40:11: InstallFinalize. Return value 3."), ("zh", "操作结束 2:40:11: InstallFinalize。返回值 3。"),
     ("ja", "操作終了 2:40:11: InstallFinalize。 戻り値 3。")],
)  # fmt: skip
def test_a_deferred_action_is_named_in_english_and_fails_its_runner_in_the_language_of_windows(
    bare: Lab, language: str, ended: str
) -> None:
    bare.hosts["vesta"].settings["windows_language"] = language
    bare.faults.add(Fault("vesta", "command", "MOM:deferred", "fail"))
    assert run(bare, "vesta", INSTALL, cwd="C:\\").exit_code == 1603
    lines = bare.hosts["vesta"].fs.read("C:\\mom.log").decode("utf-16").splitlines()
    named = next(
        line for line in lines if line.startswith("CustomAction _InstallServices returned actual error code 1603")
    )
    assert lines.index(named) < lines.index(ended)
