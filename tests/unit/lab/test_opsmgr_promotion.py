# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ManagementServerConfigTool.exe and the services: who is the root management server, and when."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from unit.lab.opsmgr_prompt import carry_key, finish, group_of, provide_tools, quick_lab, run, settings, start, states

from lab.faults import Fault
from lab.lab import Lab
from lab.opsmgr.installation import GROUPS
from lab.opsmgr.key import new_key

TOOL = "ManagementServerConfigTool"
PROMOTE = f"{TOOL} PromoteRMS /DeleteExistingRMS:true"
KEEP_OLD = f"{TOOL} PromoteRMS"
DEMOTE = f"{TOOL} UpdateDemotedRMS"
RUNNING, AUTO_BUT_STOPPED, DISABLED = ("running", "auto"), ("stopped", "auto"), ("stopped", "disabled")
HYDRA, DEATHSTING, JUPITER = "hydra.odyssey.com", "deathsting.odyssey.com", "jupiter.odyssey.com"


@pytest.fixture
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """odyssey with tools and key where they are needed; a parameter is a topology's overrides."""
    with quick_lab(**getattr(request, "param", {})) as made:
        provide_tools(made, "hydra", "deathsting")
        carry_key(made, "hydra", "deathsting")
        yield made


def with_settings(*values: dict[str, Any]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("lab", [settings(**value) for value in values], indirect=True, ids=str)


def restart(lab: Lab, host: str, *keys: str) -> None:
    services = lab.hosts[host].services
    for key in keys:
        services.stop(key)
        services.settle()
        services.start(key)
        services.settle()


def test_at_first_hydra_is_the_root_and_nobody_else() -> None:
    with quick_lab() as lab:
        group = group_of(lab)
        assert group["rms"] == HYDRA
        assert group["servers"] == [DEATHSTING, HYDRA, JUPITER]
        assert group["roles"] == {"hydra": "rms", "deathsting": "management_server", "jupiter": "management_server"}
        assert states(lab, "hydra") == {"HealthService": RUNNING, "OMSDK": RUNNING, "OMCFG": RUNNING}
        assert states(lab, "jupiter") == {"HealthService": RUNNING, "OMSDK": DISABLED, "OMCFG": DISABLED}


@pytest.mark.parametrize("answer", ["Y\r", "y\r"])
def test_promotion_that_deletes_the_old_root(lab: Lab, answer: str) -> None:
    ended = run(lab, "deathsting", PROMOTE, answer)
    assert ended.exit_code == 0
    assert "irreversible damage to your Operations Database" in ended.out
    group = group_of(lab)
    assert (group["rms"], group["servers"]) == (DEATHSTING, [DEATHSTING, JUPITER])
    assert group["roles"]["deathsting"] == "rms"
    assert states(lab, "deathsting") == {"HealthService": RUNNING, "OMSDK": RUNNING, "OMCFG": RUNNING}
    assert not lab.hosts["deathsting"].registry.exists(f"{GROUPS}\\ODYSSEY\\Parent Health Services")


@pytest.mark.parametrize(("setting", "roots"), [("true", [DEATHSTING, HYDRA]), ("false", [DEATHSTING])])
def test_what_was_deleted_lingers_in_the_view(lab: Lab, setting: str, roots: list[str]) -> None:
    lab.hosts["deathsting"].settings["deleted_root_lingers"] = setting
    run(lab, "deathsting", PROMOTE, "Y\r")
    with lab.sql["thunder"].connect("test", "OperationsManager") as session:
        rows = session.query("SELECT DisplayName FROM dbo.MTV_HealthService WHERE IsRHS = 1 ORDER BY 1")
        marked = session.query("SELECT DisplayName FROM dbo.BaseManagedEntity WHERE IsDeleted = 1")
    assert [row[0] for row in rows] == roots
    assert [row[0] for row in marked] == [root for root in roots if root != DEATHSTING]


def test_the_deleted_root_comes_back_as_an_ordinary_server(lab: Lab) -> None:
    run(lab, "deathsting", PROMOTE, "Y\r")
    assert group_of(lab)["roles"]["hydra"] == "rms"
    restart(lab, "hydra", "HealthService")
    group = group_of(lab)
    assert group["servers"] == [DEATHSTING, HYDRA, JUPITER]
    assert group["roles"] == {"hydra": "management_server", "deathsting": "rms", "jupiter": "management_server"}


def test_promotion_without_the_switch_demotes_the_old_root(lab: Lab) -> None:
    assert run(lab, "deathsting", KEEP_OLD, "Y\r").exit_code == 0
    group = group_of(lab)
    assert (group["rms"], group["servers"]) == (DEATHSTING, [DEATHSTING, HYDRA, JUPITER])


def test_a_demoted_root_s_sdk_service_does_not_stay_up_again(lab: Lab) -> None:
    run(lab, "deathsting", PROMOTE, "Y\r")
    assert states(lab, "hydra")["OMSDK"] == RUNNING
    restart(lab, "hydra", "OMSDK")
    assert states(lab, "hydra")["OMSDK"] == AUTO_BUT_STOPPED
    service = lab.hosts["hydra"].services["OMSDK"]
    assert (service.exit_code, service.specific_code) == (1066, 0x80131500)


@pytest.mark.parametrize("lab", [{"topology": "odyssey-rtm"}], indirect=True)
def test_before_sp1_it_does_because_the_data_warehouse_needs_it(lab: Lab) -> None:
    run(lab, "deathsting", PROMOTE, "Y\r")
    restart(lab, "hydra", "OMSDK")
    assert states(lab, "hydra")["OMSDK"] == RUNNING


@pytest.mark.parametrize("answer", ["n\r", "\r", "Yes\r", "j\r"])
def test_any_other_answer_changes_nothing(lab: Lab, answer: str) -> None:
    before = lab.dump()
    ended = run(lab, "deathsting", PROMOTE, answer)
    assert ended.exit_code == 1
    assert "No changes have been made" in ended.out
    assert lab.dump() == before


@with_settings({"tool_reads": "getch"}, {"tool_reads": "readline"}, {"prompts": "pieces"}, {"prompts": "at_end"})
def test_the_question_can_come_and_be_answered_in_every_way(lab: Lab) -> None:
    assert run(lab, "deathsting", PROMOTE, "Y\r").exit_code == 0
    assert group_of(lab)["rms"] == DEATHSTING


def test_no_key_no_promotion(lab: Lab) -> None:
    provide_tools(lab, "jupiter")
    ended = run(lab, "jupiter", PROMOTE, "Y\r")
    assert ended.exit_code == 1
    assert "have not been restored" in ended.out


def test_the_wrong_key_is_found_out_too_late(lab: Lab) -> None:
    lab.installation("deathsting").store_key(new_key())
    assert run(lab, "deathsting", PROMOTE, "Y\r").exit_code == 0
    assert group_of(lab)["rms"] == DEATHSTING
    assert group_of(lab)["key"]["deathsting"] == "wrong"
    assert states(lab, "deathsting") == {"HealthService": RUNNING, "OMSDK": AUTO_BUT_STOPPED, "OMCFG": AUTO_BUT_STOPPED}


REFUSED = [
    ("hydra", PROMOTE, {}, 1, "already the Root Management Server"),
    ("hydra", DEMOTE, {}, 1, "names this computer as the Root Management Server"),
    ("deathsting", TOOL, {}, 1, "Usage: ManagementServerConfigTool.exe"),
    ("deathsting", f"{TOOL} DemoteRMS", {}, 1, "The action 'DemoteRMS' is not known"),
    ("deathsting", f"{TOOL} InstallCluster /vs:rmsvs /disk:X:", {}, 1, "not a node of a cluster"),
    ("deathsting", f"{TOOL} PromoteRMS /DeleteExistingRMS:maybe", {}, 1, "'/DeleteExistingRMS:maybe' is not valid"),
    ("deathsting", PROMOTE, {"is_admin": False}, 1, "Administrators group"),
    ("deathsting", f"D:\\SupportTools\\amd64\\{PROMOTE}", {"cwd": "D:\\SupportTools\\amd64"}, 0xE0434F4D, ""),
]


def test_what_is_refused_is_refused_before_the_question(lab: Lab) -> None:
    before = lab.dump()
    for host, line, how, code, words in REFUSED:
        ended = run(lab, host, line, "Y\r", **how)
        assert (ended.exit_code, words in ended.out) == (code, True), (line, ended)
        assert "Type Y" not in ended.out
    assert lab.dump() == before


def test_no_database_no_promotion(lab: Lab) -> None:
    lab.power("thunder", False)
    ended = run(lab, "deathsting", PROMOTE, "Y\r")
    assert ended.exit_code == 1
    assert "Cannot connect to the database OperationsManager on thunder.odyssey.com" in ended.out


def test_a_database_for_one_user_is_refused(lab: Lab) -> None:
    for host in ("hydra", "deathsting", "jupiter"):
        for key in ("OMCFG", "OMSDK", "HealthService"):
            lab.hosts[host].services.stop(key)
        lab.hosts[host].services.settle()
    with lab.sql["thunder"].connect("test", "OperationsManager") as session:
        session.execute("ALTER DATABASE OperationsManager SET SINGLE_USER WITH ROLLBACK IMMEDIATE")
        assert run(lab, "deathsting", PROMOTE, "Y\r").exit_code == 1
        session.execute("USE master")
        lab.sql["thunder"].notify()
    ended = run(lab, "deathsting", PROMOTE, "Y\r")
    assert ended.exit_code == 1
    assert "not in multi-user mode" in ended.out


@pytest.mark.parametrize(
    ("place", "root", "registry"),
    [
        ("before-change", HYDRA, "management_server"),
        ("after-database", DEATHSTING, "management_server"),
        ("after-registry", DEATHSTING, "rms"),
    ],
)
def test_a_tool_can_die_half_way(lab: Lab, place: str, root: str, registry: str) -> None:
    lab.faults.add(Fault("deathsting", "command", f"{TOOL}:{place}", "drop"))
    ended = run(lab, "deathsting", PROMOTE, "Y\r")
    assert ended.exit_code != 0
    assert "has been promoted" not in ended.out
    assert (group_of(lab)["rms"], group_of(lab)["roles"]["deathsting"]) == (root, registry)
    assert states(lab, "deathsting")["OMSDK"] == DISABLED


@pytest.mark.parametrize("place", ["before-change", "after-database"])
def test_and_the_next_run_does_the_rest(lab: Lab, place: str) -> None:
    lab.faults.add(Fault("deathsting", "command", f"{TOOL}:{place}", "fail", code=7, text="boom"))
    ended = run(lab, "deathsting", PROMOTE, "Y\r")
    assert (ended.exit_code, ended.err) == (7, "boom")
    assert run(lab, "deathsting", PROMOTE, "Y\r").exit_code == 0
    assert group_of(lab)["roles"]["deathsting"] == "rms"
    assert states(lab, "deathsting")["OMSDK"] == RUNNING


def test_a_tool_that_takes_y_complains_and_changes_nothing(lab: Lab) -> None:
    before = group_of(lab)
    words = "Login failed for user 'NT AUTHORITY\\ANONYMOUS LOGON'."
    lab.faults.add(Fault("deathsting", "command", f"{TOOL}:before-change", "fail", code=1, text=words))
    ended = run(lab, "deathsting", PROMOTE, "Y\r")
    assert (ended.exit_code, ended.err) == (1, words)
    assert group_of(lab) == before


@pytest.mark.parametrize(("place", "role"), [("before-change", "rms"), ("after-registry", "management_server")])
def test_the_tool_can_die_while_it_demotes(lab: Lab, place: str, role: str) -> None:
    assert run(lab, "deathsting", PROMOTE, "Y\r").exit_code == 0
    lab.faults.add(Fault("hydra", "command", f"{TOOL}:{place}", "drop"))
    assert run(lab, "hydra", DEMOTE).exit_code != 0
    assert group_of(lab)["roles"]["hydra"] == role


def test_a_tool_killed_while_it_waits_changes_nothing(lab: Lab) -> None:
    before = lab.dump()
    command = start(lab, "deathsting", PROMOTE)
    assert command.read(5).stdout
    command.terminate("terminate")
    assert command.wait(5)
    assert lab.dump() == before


@with_settings({"promote_starts_services": "enable"}, {"promote_starts_services": False})
def test_the_tool_may_leave_the_services_to_others(lab: Lab) -> None:
    assert run(lab, "deathsting", PROMOTE, "Y\r").exit_code == 0
    expected = AUTO_BUT_STOPPED if lab.hosts["deathsting"].settings["promote_starts_services"] else DISABLED
    assert states(lab, "deathsting")["OMSDK"] == states(lab, "deathsting")["OMCFG"] == expected


@with_settings({}, {"update_demoted_asks": True})
def test_the_former_root_is_updated(lab: Lab) -> None:
    run(lab, "deathsting", PROMOTE, "Y\r")
    command = start(lab, "hydra", DEMOTE)
    if lab.hosts["hydra"].settings.get("update_demoted_asks"):
        assert b"Type Y" in command.read(5).stdout
        command.feed(b"Y\r", False)
    assert finish(command).exit_code == 0
    assert group_of(lab)["roles"]["hydra"] == "management_server"
    assert states(lab, "hydra") == {"HealthService": RUNNING, "OMSDK": DISABLED, "OMCFG": DISABLED}


def test_the_config_service_needs_the_sdk_service(lab: Lab) -> None:
    services = lab.hosts["hydra"].services
    services.stop("OMSDK")
    services.settle()
    restart(lab, "hydra", "OMCFG")
    assert states(lab, "hydra")["OMCFG"] == AUTO_BUT_STOPPED


def test_the_sdk_service_does_not_stay_up_without_the_database(lab: Lab) -> None:
    lab.hosts["thunder"].services.stop("MSSQLSERVER")
    lab.hosts["thunder"].services.settle()
    restart(lab, "hydra", "OMSDK")
    assert states(lab, "hydra")["OMSDK"] == AUTO_BUT_STOPPED
    lab.hosts["thunder"].services.start("MSSQLSERVER")
    lab.hosts["thunder"].services.settle()
    restart(lab, "hydra", "OMSDK")
    assert states(lab, "hydra")["OMSDK"] == RUNNING


def test_services_that_lost_the_database_come_back_to_it(lab: Lab) -> None:
    lab.hosts["thunder"].services.stop("MSSQLSERVER")
    lab.hosts["thunder"].services.settle()
    assert lab.dump()["sql"]["thunder"]["sessions"] == []
    lab.hosts["thunder"].services.start("MSSQLSERVER")
    lab.hosts["thunder"].services.settle()
    wanted = sorted(["HealthService"] * 3 + ["OMSDK", "OMCFG"])
    for _attempt in range(50):
        programs = sorted(session["program"] for session in lab.dump()["sql"]["thunder"]["sessions"])
        if programs == wanted:
            break
        lab.hosts["hydra"].sleep(0.1)
    assert programs == wanted


def test_a_root_that_was_lost_comes_back_as_an_ordinary_server(lab: Lab) -> None:
    lab.power("hydra", False)
    assert run(lab, "deathsting", PROMOTE, "Y\r").exit_code == 0
    assert group_of(lab)["servers"] == [DEATHSTING, JUPITER]
    lab.power("hydra", True)
    assert states(lab, "hydra") == {"HealthService": RUNNING, "OMSDK": AUTO_BUT_STOPPED, "OMCFG": AUTO_BUT_STOPPED}
    assert group_of(lab)["roles"]["hydra"] == "management_server"
    assert group_of(lab)["servers"] == [DEATHSTING, HYDRA, JUPITER]


def test_a_whole_failover_and_back(lab: Lab) -> None:
    run(lab, "deathsting", KEEP_OLD, "Y\r")
    run(lab, "hydra", DEMOTE)
    run(lab, "hydra", KEEP_OLD, "Y\r")
    run(lab, "deathsting", DEMOTE)
    assert group_of(lab)["rms"] == HYDRA
    assert group_of(lab)["roles"] == {"hydra": "rms", "deathsting": "management_server", "jupiter": "management_server"}
    assert states(lab, "hydra") == {"HealthService": RUNNING, "OMSDK": RUNNING, "OMCFG": RUNNING}
