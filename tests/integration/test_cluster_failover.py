# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Failover away from a clustered RMS and back to it: quiet on every node meanwhile, and never behind the cluster's
back.
"""

from __future__ import annotations

from typing import Any

import pytest
from playing import PASSWORD, SEAL, Player, Run

from lab.drill import configuration

SERVICES = ("HealthService", "OMSDK", "OMCFG")
NODES = ("castor", "pollux")


@pytest.fixture
def clustered(start_lab: Any) -> Player:
    player: Player = start_lab("odyssey-cluster")
    return player


def running(player: Player) -> dict[str, list[str]]:
    """The services that run on each management server."""
    hosts = player.lab.hosts
    return {
        name: [key for key in SERVICES if hosts[name].services[key].state == "running"]
        for name in (*NODES, "deathsting", "jupiter")
    }


def group(player: Player) -> dict[str, Any]:
    found: dict[str, Any] = player.lab.dump()["groups"]["ODYSSEY"]
    return found


def cluster_group(player: Player) -> str:
    state: str = player.lab.dump()["clusters"]["gemini"]["groups"]["RMS"]["state"]
    return state


def fail_back(player: Player, **how: Any) -> Run:
    variables = {name: value for name, value in player.variables.items() if name != "rms_failover_target"}
    return player.play("playbooks/rms_failback.yml", only={**variables, "rms_failover_confirm": "castor"}, **how)


def back_up_on_a_quiet_day(player: Player) -> None:
    player.task("support_tools", "castor", {})
    options = {"escrow": str(player.escrow), "backup_password": PASSWORD, "seal_passphrase": SEAL}
    assert player.task("secure_storage_backup", "castor", options)["changed"] is True


def test_away_from_the_cluster_and_back(clustered: Player) -> None:
    before = clustered.lab.dump()
    run = clustered.play()
    assert run.ended_well, run.output
    assert (group(clustered)["rms"], group(clustered)["cluster_damaged"]) == ("deathsting.odyssey.com", False)
    assert (cluster_group(clustered), running(clustered)) == (
        "Offline", {"castor": [], "pollux": [], "deathsting": list(SERVICES), "jupiter": ["HealthService"]},
    )  # fmt: skip
    assert any(
        line.startswith("TEMPORARY STATE: the clustered RMS rmsvs is out of service")
        for line in run.results("what remains")[-1]["msg"]
    )
    assert clustered.play().changed == 0
    quiet = clustered.lab.dump()
    assert fail_back(clustered, check=True).ended_well
    assert clustered.lab.dump() == quiet
    back = fail_back(clustered)
    assert back.ended_well, back.output
    assert (group(clustered)["rms"], group(clustered)["cluster_damaged"]) == ("RMSVS.odyssey.com", False)
    assert (cluster_group(clustered), running(clustered)) == (
        "Online", {"castor": list(SERVICES), "pollux": [], "deathsting": ["HealthService"], "jupiter": ["HealthService"]},
    )  # fmt: skip
    # In the files the name of the virtual server is in capitals now, as the database has it.
    assert {path.split(":")[0] for path in configuration(before)} == {"argus", "hermes"}
    assert all(
        name.lower() == "rmsvs.odyssey.com"
        for places in group(clustered)["root_named_by"].values()
        for names in places.values()
        for name in names
    )
    assert fail_back(clustered).changed == 0


def test_a_lost_cluster_that_comes_back_is_taken_offline_by_the_next_run(clustered: Player) -> None:
    back_up_on_a_quiet_day(clustered)
    for node in NODES:
        clustered.lab.power(node, False)
    run = clustered.play(rms_failover_mode="disaster")
    assert run.ended_well, run.output
    report = run.results("what remains")[-1]["msg"]
    assert [line.split(" ")[0] for line in report if "When this node is back" in line] == list(NODES)
    for node in NODES:
        clustered.lab.power(node, True)
    again = clustered.play(rms_failover_mode="disaster")
    assert again.ended_well, again.output
    assert cluster_group(clustered) == "Offline"
    assert [running(clustered)[node] for node in NODES] == [[], []]


@pytest.mark.soak
def test_with_one_node_down_the_other_is_enough(clustered: Player) -> None:
    clustered.lab.power("castor", False)
    run = clustered.play()
    assert run.ended_well, run.output
    assert (group(clustered)["rms"], cluster_group(clustered)) == ("deathsting.odyssey.com", "Offline")


def test_deleting_a_clustered_rms_is_refused_before_anything_is_changed(clustered: Player) -> None:
    before = clustered.lab.dump()
    run = clustered.play(rms_failover_delete_existing_rms=True)
    assert "/DeleteExistingRMS:true would remove it from the database for good" in run.failures[-1]
    assert clustered.lab.dump() == before


def test_a_failure_before_the_point_of_no_return_brings_the_cluster_back_online(clustered: Player) -> None:
    run = clustered.play(
        rms_failover_promotion_prompt="a question that never comes", rms_failover_conversation_timeout=8
    )
    assert not run.ended_well
    assert "The role has not moved: " in run.failures[-1]
    assert "What was stopped or copied was put back." in run.failures[-1]
    assert (group(clustered)["rms"], cluster_group(clustered)) == ("RMSVS.odyssey.com", "Online")


MOMENTS = {
    "while the group goes offline": "Take the clustered RMS offline, so that nothing writes while the role moves+0.4",
    "while the role moves": "promote this server to the RMS+0.8",
    "when the role has moved": "Start the services of the new RMS",
}


@pytest.mark.soak
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_run_that_is_killed_is_finished_by_the_next(clustered: Player, moment: str) -> None:
    clustered.play(cut=MOMENTS[moment])
    run = clustered.play()
    assert run.ended_well, run.output
    assert (group(clustered)["rms"], group(clustered)["cluster_damaged"], cluster_group(clustered)) == (
        "deathsting.odyssey.com",
        False,
        "Offline",
    )
    assert clustered.play().changed == 0


BACK_MOMENTS = {
    "while the disk comes online": "and not its services+0.4",
    "while the role moves": "promote this server to the RMS+0.8",
    "when the role has moved": "Bring the clustered RMS online",
}


@pytest.mark.soak
@pytest.mark.parametrize("moment", BACK_MOMENTS)
def test_a_way_back_that_is_killed_is_finished_by_the_next(clustered: Player, moment: str) -> None:
    assert clustered.play().ended_well
    fail_back(clustered, cut=BACK_MOMENTS[moment])
    run = fail_back(clustered)
    assert run.ended_well, run.output
    assert (group(clustered)["rms"], group(clustered)["cluster_damaged"], cluster_group(clustered)) == (
        "RMSVS.odyssey.com",
        False,
        "Online",
    )
    assert fail_back(clustered).changed == 0
