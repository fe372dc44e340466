# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A table of situations, and the steps that a failover of ODYSSEY from hydra to deathsting needs in each."""

from __future__ import annotations

from typing import Any

import pytest
from unit.plugins.plugin_utils.test_failover import Change, Situation, decide, down, failed_over, healthy, request

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.failover import Plan
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.step_plan import StepPlan

CLUSTER = {"cluster_nodes": ["castor", "pollux"], "virtual_server": "rmsvs"}
COMPUTERS = {
    "sql_server": "sql",
    "reporting_servers": ["argus"],
    "web_consoles": ["hermes"],
    "consoles": ["hermes", "desk1"],
}
# What every failover does after the promotion, whether the role moves now or has moved before.
ALWAYS = {"turn_on_broker": ["sql"]}
START = {"start_services": ["deathsting"]}
ALL_COMPUTERS = {
    "point_reporting_server": ["argus"],
    "point_web_console": ["hermes"],
    "point_console": ["hermes", "desk1"],
}


def needed(plan: Plan) -> dict[str, list[str]]:
    """The steps that are needed, each with its hosts."""
    return {step.id: list(step.hosts) for step in plan.steps if step.needed}


def step(plan: Plan, name: str) -> StepPlan:
    [found] = [each for each in plan.steps if each.id == name]
    return found


def clustered() -> Situation:
    """The RMS is the virtual server on castor and pollux."""
    situation = {**healthy(), "castor": healthy()["hydra"], "pollux": healthy()["hydra"]}
    situation.pop("hydra")
    for name in ("castor", "pollux"):
        situation[name] = {**situation[name], "computer_name": name.upper(), "clustered": True}
    situation["database"]["servers"][0]["name"] = "rmsvs.odyssey.com"
    request(**CLUSTER, inventory_rms=[], delete_existing_rms=False)(situation)
    return situation


def moved_away_from_the_cluster() -> Situation:
    """The same when deathsting has the role, and castor is to get it back."""
    situation = clustered()
    situation["database"]["servers"][0]["roles"] = ["management_server"]
    situation["database"]["servers"][1]["roles"] = ["management_server", "rms"]
    situation["deathsting"] = {**healthy()["hydra"], "computer_name": "DEATHSTING"}
    request(target="castor")(situation)
    return situation


def stopped(service: str) -> Change:
    """A service of the server that has the role is down."""

    def change(situation: Situation) -> None:
        there = situation["deathsting"]
        services = {**there["services"], service: {"state": "stopped", "start_mode": "auto"}}
        situation["deathsting"] = {**there, "services": services}

    return change


BEFORE = {
    "copy_tools": ["deathsting"],
    "copy_tools_to_old_rms": ["hydra"],
    "back_up_key": ["hydra"],
    "restore_key": ["deathsting"],
    "back_up_database": ["sql"],
    "stop_old_rms": ["hydra"],
    "promote": ["deathsting"],
}
DISASTER = {name: BEFORE[name] for name in ("copy_tools", "restore_key", "back_up_database", "promote")}
AGENTS = {"restart_health_service": ["kraken"]}
# What follows a promotion.
AFTER = START | AGENTS
DEMOTION = {"demote": ["hydra"]}
FROM_CLUSTER = {
    "copy_tools_to_old_rms": ["castor"],
    "back_up_key": ["castor"],
    "take_cluster_offline": ["castor"],
    "keep_cluster_offline": ["castor"],
}
TO_CLUSTER = {
    "copy_tools": ["castor"],
    "copy_tools_to_old_rms": ["deathsting"],
    "back_up_key": ["deathsting"],
    "restore_key": ["castor"],
    "back_up_database": ["sql"],
    "stop_old_rms": ["deathsting"],
    "prepare_cluster": ["castor"],
    "promote": ["castor"],
    "bring_cluster_online": ["castor"],
    "demote": ["deathsting"],
    "turn_on_broker": ["sql"],
    "restart_health_service": ["kraken"],
}


def without(steps: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: hosts for name, hosts in steps.items() if name not in names}


@pytest.mark.parametrize(
    ("situation", "changes", "expected"),
    [
        pytest.param(healthy(), [], BEFORE | DEMOTION | AFTER, id="planned"),
        pytest.param(
            healthy(),
            [request(database_backup=False)],
            without(BEFORE, "back_up_database") | DEMOTION | AFTER,
            id="without a backup of the database",
        ),
        pytest.param(healthy(), [request(mode="disaster"), down("hydra")], DISASTER | AFTER, id="disaster"),
        pytest.param(
            healthy(),
            [request(mode="disaster")],
            DISASTER | {"stop_old_rms": ["hydra"]} | DEMOTION | AFTER,
            id="disaster, and the old RMS answers",
        ),
        pytest.param(failed_over(), [], {}, id="finished"),
        pytest.param(failed_over(), [stopped("OMSDK")], START, id="finished, and a service is down"),
        pytest.param(
            clustered(),
            [],
            without(BEFORE, "stop_old_rms") | FROM_CLUSTER | AFTER,
            id="from a cluster",
        ),
    ],
)
def test_what_a_failover_needs_and_where(situation: Situation, changes: list[Change], expected: dict[str, Any]) -> None:
    computers = request(**COMPUTERS)
    assert needed(decide(situation, computers, *changes)) == {**ALWAYS, **expected, **ALL_COMPUTERS}


def test_the_way_back_to_a_cluster() -> None:
    plan = decide(moved_away_from_the_cluster(), request(sql_server="sql"))
    assert needed(plan) == TO_CLUSTER
    assert step(plan, "prepare_cluster").text == "name and disk of rmsvs online on *"
    assert step(plan, "bring_cluster_online").text == "clustered RMS rmsvs brought online on *"


def test_a_database_that_a_killed_run_left_closed_is_opened_first() -> None:
    situation = failed_over()
    situation["database"]["database"].update(user_access="SINGLE_USER", closed_by_us=True)
    plan = decide(situation, request(sql_server="sql"))
    assert next(iter(needed(plan).items())) == ("open_database", ["sql"])


def test_other_computers_may_have_a_console_and_need_none() -> None:
    plan = decide(healthy(), request(**COMPUTERS))
    other = step(plan, "point_other_console")
    # hermes is one of the consoles; on the management servers the registry names another RMS.
    assert (other.needed, list(other.hosts)) == (False, ["argus", *plan.consoles])


@pytest.mark.parametrize("situation", [healthy(), failed_over(), clustered(), moved_away_from_the_cluster()])
def test_what_can_be_undone_is_before_the_point_of_no_return(situation: Situation) -> None:
    steps = decide(situation).steps
    names = [each.id for each in steps]
    assert len(set(names)) == len(names)
    [promotion] = [names.index(each.id) for each in steps if each.point_of_no_return]
    assert names[promotion] == "promote"
    undone = {names.index(each.id): names.index(each.undone_by) for each in steps if each.undone_by}
    assert undone
    assert all(done < promotion < undoing for done, undoing in undone.items())
    # Nothing is undone by a step that a failover would need for itself.
    assert not any(steps[undoing].needed for undoing in undone.values())


@pytest.mark.parametrize(
    ("changes", "hosts"),
    [([], ["deathsting", "hydra"]), ([request(mode="disaster"), down("hydra")], ["deathsting"])],
)
def test_tools_are_removed_again_from_where_they_may_have_been_copied(changes: list[Change], hosts: list[str]) -> None:
    assert step(decide(healthy(), *changes), "remove_tools").hosts == hosts


def test_parts_are_what_the_report_draws() -> None:
    parts = {each.part: list(each.hosts) for each in decide(healthy(), request(**COMPUTERS)).steps if each.part}
    assert parts == {"reporting server": ["argus"], "web console": ["hermes"], "console": ["hermes", "desk1"]}


@pytest.mark.parametrize(
    ("hosts", "result", "title"),
    [
        (["sql"], {}, "operational database backed up"),
        (["sql"], {"path": None}, "operational database backed up"),
        (["sql"], {"path": "D:\\one.bak"}, "operational database backed up to D:\\one.bak"),
    ],
)
def test_a_title_says_where_it_went_to(hosts: list[str], result: dict[str, Any], title: str) -> None:
    assert step(decide(healthy()), "back_up_database").title(hosts, result) == title


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        ([], ["deathsting becomes the RMS instead of hydra.", "While the role moves"]),
        (
            [request(mode="disaster"), down("hydra")],
            ["deathsting becomes the RMS instead of hydra.", "What fails before"],
        ),
    ],
)
def test_the_question_says_what_a_yes_means(changes: list[Change], lines: list[str]) -> None:
    said = decide(healthy(), *changes).question.splitlines()
    assert [line[: len(begin)] for line, begin in zip(said[1:3], lines, strict=True)] == lines
    assert said[-1] == "Type deathsting to go on, anything else to leave everything as it is"


def test_a_finished_failover_asks_nothing() -> None:
    assert decide(failed_over()).question == ""
