# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A clustered RMS: its group is moved and stopped, its nodes are corrected and joined, its services become resources
again.
"""

from __future__ import annotations

from typing import Any

import pytest
from labs import StartLab
from playing import Player, promotions

from lab.faults import Fault
from lab.opsmgr.installation import CLUSTER, GROUPS, Installation
from lab.opsmgr.operational_database import Databases

GROUP = {"group": "RMS", "timeout": 60, "stable_seconds": 1}
SERVICES = {"group": "RMS", "network_name": "RMS Name", "disk": "RMS Disk"}
NODE = {"virtual_server": "rmsvs", "disk": "X:"}
PARENT = f"{GROUPS}\\ODYSSEY\\Parent Health Services"


@pytest.fixture
def gemini(start_lab: StartLab) -> Player:
    """The cluster, with the RMS on castor."""
    return start_lab("odyssey-cluster")


@pytest.fixture
def gemini_r2(start_lab: StartLab) -> Player:
    """The same with R2, which alone can cluster the RMS of a group that exists."""
    return start_lab("odyssey-cluster", overrides={"defaults": {"version": "R2"}})


def group(player: Player) -> dict[str, Any]:
    """The group as the lab knows it, when there is nothing left to do."""
    player.lab.clusters["gemini"].settle()
    found: dict[str, Any] = player.lab.dump()["clusters"]["gemini"]["groups"]["RMS"]
    return found


def running(player: Player) -> dict[str, list[str]]:
    """The services of the RMS that run on each node."""
    hosts = player.lab.dump()["hosts"]
    names = ("HealthService", "OMSDK", "OMCFG")
    return {
        node: [name for name in names if hosts[node]["services"][name]["state"] == "running"]
        for node in ("castor", "pollux")
    }


ALL = ["HealthService", "OMSDK", "OMCFG"]


@pytest.mark.parametrize(
    ("host", "options", "node", "state", "runs"),
    [
        ("castor", {"state": "offline"}, "CASTOR", "Offline", {"castor": [], "pollux": []}),
        ("castor", {"node": "pollux"}, "POLLUX", "Online", {"castor": [], "pollux": ALL}),
        ("pollux", {"node": "pollux", "state": "offline"}, "POLLUX", "Offline", {"castor": [], "pollux": []}),
    ],
)
def test_orders_check_run_check_run_and_back(
    gemini: Player, host: str, options: dict[str, str], node: str, state: str, runs: dict[str, list[str]]
) -> None:
    before = gemini.lab.dump()
    predicted = gemini.task("rms_cluster_group", host, {**GROUP, **options}, check=True)
    assert (predicted["changed"], predicted["group"]) == (True, {"name": "RMS", "node": "CASTOR", "state": "online"})
    assert gemini.lab.dump() == before
    result = gemini.task("rms_cluster_group", host, {**GROUP, **options})
    assert (result["changed"], result["group"]) == (True, {"name": "RMS", "node": node, "state": state.lower()})
    assert (group(gemini)["node"], group(gemini)["state"], running(gemini)) == (node, state, runs)
    assert gemini.task("rms_cluster_group", host, {**GROUP, **options}, check=True)["changed"] is False
    assert gemini.task("rms_cluster_group", host, {**GROUP, **options})["changed"] is False
    assert gemini.task("rms_cluster_group", host, {**GROUP, "node": "castor", "state": "online"})["changed"] is True
    assert running(gemini) == {"castor": ALL, "pollux": []}


SPANISH = {"Up": "Activo", "Online": "En línea", "Offline": "Sin conexión", "Partially Online": "Parcialmente Online",
           "Online Pending": "Pendiente en línea", "Offline Pending": "Pendiente sin conexión", "Pending": "Pendiente", "Failed": "Error"}  # fmt: skip
MEANINGS = {word: state.lower().replace(" ", "_") for state, word in SPANISH.items()}


def test_a_windows_of_another_language_is_refused_until_its_words_are_said(gemini: Player) -> None:
    for node in ("castor", "pollux"):
        gemini.lab.hosts[node].settings["cluster_states"] = SPANISH
    refused = gemini.task("rms_cluster_group", "castor", {**GROUP, "state": "offline"})
    assert "not known: 'Activo'" in refused["msg"]
    assert running(gemini) == {"castor": ALL, "pollux": []}
    moved = gemini.task("rms_cluster_group", "castor", {**GROUP, "node": "pollux", "state_words": MEANINGS})
    assert (moved["changed"], moved["group"]) == (True, {"name": "RMS", "node": "POLLUX", "state": "online"})
    assert running(gemini) == {"castor": [], "pollux": ALL}
    wrong = gemini.task("rms_cluster_group", "castor", {**GROUP, "state_words": {"Activo": "on"}})
    assert "which is not one of" in wrong["msg"]


def test_all_nodes_tell_what_they_keep_for_themselves(gemini: Player) -> None:
    looks = [gemini.task("rms_cluster_group", host, GROUP)["registry"] for host in ("castor", "pollux")]
    assert looks[0] == looks[1]
    assert (looks[0]["consistent"], looks[0]["key_fingerprint"][:7]) == (True, "sha256:")


def test_a_node_with_the_registry_of_another_server_is_refused_then_repaired(gemini: Player) -> None:
    registry = gemini.lab.hosts["pollux"].registry
    gemini.lab.installation("pollux").set_root(False)
    registry.set(f"{PARENT}\\0", "NetworkName", "hydra.odyssey.com")
    refused = gemini.task("rms_cluster_group", "pollux", {**GROUP, "node": "pollux"})
    assert "IsRootHealthService is not 1 and the key Parent Health Services is there" in refused["msg"]
    assert running(gemini) == {"castor": ALL, "pollux": []}
    before = gemini.lab.dump()
    assert gemini.task("rms_cluster_group", "pollux", {**GROUP, "registry": "repair"}, check=True)["changed"] is True
    assert gemini.lab.dump() == before
    result = gemini.task("rms_cluster_group", "pollux", {**GROUP, "registry": "repair", "node": "pollux"})
    assert b"hydra.odyssey.com" in gemini.lab.hosts["pollux"].fs.read(result["backup"]).replace(b"\0", b"")
    assert (registry.exists(PARENT), running(gemini)) == (False, {"castor": [], "pollux": ALL})
    assert gemini.task("rms_cluster_group", "pollux", {**GROUP, "registry": "repair"})["changed"] is False


def test_a_group_that_does_not_come_online_names_the_resource_and_a_rerun_finishes_it(gemini: Player) -> None:
    gemini.task("rms_cluster_group", "castor", {**GROUP, "state": "offline"})
    gemini.lab.faults.add(Fault("*", "resource", "OMSDK", "fail", times=0))
    failed = gemini.task("rms_cluster_group", "castor", {**GROUP, "state": "online"})
    assert "the resource OMSDK is failed" in failed["msg"]
    assert failed["resources"]["OMSDK"] == "failed"
    gemini.lab.faults.clear()
    assert gemini.task("rms_cluster_group", "castor", {**GROUP, "state": "online"})["group"]["state"] == "online"
    assert group(gemini)["state"] == "Online"


@pytest.mark.soak
def test_slow_resources_are_waited_for(gemini: Player) -> None:
    gemini.task("rms_cluster_group", "castor", {**GROUP, "state": "offline"})
    gemini.lab.hosts["castor"].settings["cluster_wait_seconds"] = "0"
    gemini.lab.faults.add(Fault("castor", "resource", "OMSDK", "stall", seconds=12))
    assert gemini.task("rms_cluster_group", "castor", {**GROUP, "state": "online"})["group"]["state"] == "online"


def test_a_node_without_its_cluster_service(gemini: Player) -> None:
    gemini.lab.hosts["pollux"].services.stop("ClusSvc")
    gemini.lab.clusters["gemini"].settle()
    assert (
        "Start the cluster service (ClusSvc) of this node" in gemini.task("rms_cluster_group", "pollux", GROUP)["msg"]
    )
    assert "the node pollux is down" in gemini.task("rms_cluster_group", "castor", {**GROUP, "node": "pollux"})["msg"]
    assert group(gemini)["node"] == "CASTOR"


def test_services_that_are_missing_become_resources_again(gemini: Player) -> None:
    gemini.task("rms_cluster_group", "castor", {**GROUP, "state": "offline"})
    cluster = gemini.lab.clusters["gemini"]
    wanted = group(gemini)["resources"]
    cluster.delete_resource(cluster.resource("OMCFG"))
    cluster.remove_dependency(cluster.resource("OMSDK"), cluster.resource("RMS Disk"))
    before = gemini.lab.dump()
    predicted = gemini.task("rms_cluster_services", "pollux", SERVICES, check=True)
    assert gemini.lab.dump() == before
    result = gemini.task("rms_cluster_services", "pollux", SERVICES)
    assert (result["changed"], result["commands"], result["diff"]) == (True, predicted["commands"], predicted["diff"])
    assert group(gemini)["resources"] == wanted
    assert gemini.task("rms_cluster_services", "castor", SERVICES)["changed"] is False
    assert gemini.task("rms_cluster_group", "castor", {**GROUP, "state": "online"})["changed"] is True
    assert running(gemini)["castor"] == ALL


@pytest.mark.soak
def test_a_dependency_is_not_added_below_a_running_group(gemini: Player) -> None:
    gemini.task("rms_cluster_group", "castor", {**GROUP, "state": "offline"})
    cluster = gemini.lab.clusters["gemini"]
    cluster.remove_dependency(cluster.resource("OMSDK"), cluster.resource("RMS Disk"))
    gemini.task("rms_cluster_group", "castor", {**GROUP, "state": "online"})
    assert "Take the group offline first" in gemini.task("rms_cluster_services", "castor", SERVICES)["msg"]


# --- joining ----------------------------------------------------------------------------------------------------------


def ordinary(player: Player) -> Installation:
    """Pollux as it was before it joined: an ordinary management server, to which the key was brought."""
    pollux = player.lab.installation("pollux")
    pollux.host.registry.delete(CLUSTER)
    pollux.set_root(False)
    pollux.set_parent("RMSVS.odyssey.com")
    pollux.configure_service("HealthService", "auto")
    pollux.configure_service("OMSDK", "disabled")
    pollux.configure_service("OMCFG", "disabled")
    player.task("support_tools", "pollux", {})
    return pollux


def alone(player: Player) -> Installation:
    """Castor as it was before: the RMS, with the cluster's disk and network name, but not their services."""
    cluster = player.lab.clusters["gemini"]
    cluster.take_offline(cluster.resource("HealthService"))
    cluster.settle()
    castor = player.lab.installation("castor")
    castor.host.registry.delete(CLUSTER)
    with database(player) as opened:
        opened.promote("castor.odyssey.com", delete_old=False)
    for name in ALL:
        castor.configure_service(name, "auto")
    player.task("support_tools", "castor", {})
    return castor


def database(player: Player) -> Any:
    databases = Databases()
    databases.add(player.lab.sql["thunder"], "thunder")
    return databases.open("thunder", "OperationsManager", "test")


def joins(player: Player, first: bool) -> tuple[str, Installation, dict[str, Any]]:
    host = "castor" if first else "pollux"
    return host, (alone if first else ordinary)(player), {**NODE, "first": first}


@pytest.mark.parametrize(("first", "asks"), [(True, "true"), (False, "true"), (False, "false")])
def test_a_node_joins_check_run_check_run(gemini_r2: Player, first: bool, asks: str) -> None:
    host, installation, options = joins(gemini_r2, first)
    installation.host.settings["install_cluster_asks"] = asks
    before = gemini_r2.lab.dump()
    assert gemini_r2.task("rms_cluster_node", host, options, check=True)["changed"] is True
    assert gemini_r2.lab.dump() == before
    result = gemini_r2.task("rms_cluster_node", host, options)
    assert (result["changed"], result["registry"]["consistent"], set(result["services"].values())) == (
        True,
        True,
        {"stopped, demand"},
    )
    assert (installation.virtual_server, gemini_r2.lab.dump()["groups"]["ODYSSEY"]["rms"]) == (
        "RMSVS.odyssey.com",
        "RMSVS.odyssey.com",
    )
    assert promotions(gemini_r2) == (asks == "true")
    assert gemini_r2.task("rms_cluster_node", host, options, check=True)["changed"] is False
    assert gemini_r2.task("rms_cluster_node", host, options)["changed"] is False
    assert (
        gemini_r2.task("rms_cluster_group", host, {**GROUP, "node": host, "state": "online"})["group"]["state"]
        == "online"
    )
    assert running(gemini_r2)[host] == ALL


@pytest.mark.soak
@pytest.mark.parametrize(
    ("first", "place"),
    [
        (True, "before-change"),
        (True, "after-database"),
        (True, "after-registry"),
        (False, "before-change"),
        (False, "after-registry"),
    ],
)
def test_a_tool_that_died_is_run_again(gemini_r2: Player, first: bool, place: str) -> None:
    host, installation, options = joins(gemini_r2, first)
    gemini_r2.lab.faults.add(Fault(host, "command", f"ManagementServerConfigTool:{place}", "drop"))
    gemini_r2.task("rms_cluster_node", host, options)
    result = gemini_r2.task("rms_cluster_node", host, options)
    assert result["failed"] is False
    assert (result["registry"]["consistent"], set(result["services"].values())) == (True, {"stopped, demand"})
    assert installation.virtual_server == "RMSVS.odyssey.com"


@pytest.mark.soak
def test_a_disk_that_is_elsewhere_is_what_the_tool_complains_of(gemini_r2: Player) -> None:
    host, _installation, options = joins(gemini_r2, first=True)
    result = gemini_r2.task("rms_cluster_node", host, {**options, "disk": "Y:"})
    assert "none of the services has the start mode demand" in result["msg"]
    assert "Y:" in result["transcript"]


# --- the role moves away ----------------------------------------------------------------------------------------------


def test_true_is_refused_wherever_a_cluster_may_be_meant(gemini: Player) -> None:
    unsaid = gemini.task("rms_promotion", "deathsting", {"delete_existing_rms": True})
    assert "it is not said whether the existing RMS is clustered" in unsaid["msg"]
    gemini.lab.installation("pollux").set_root(False)
    on_a_node = gemini.task("rms_promotion", "pollux", {"delete_existing_rms": True, "existing_rms_clustered": False})
    assert "this server is a node of a cluster" in on_a_node["msg"]
    assert (promotions(gemini), gemini.lab.dump()["groups"]["ODYSSEY"]["rms"]) == (0, "RMSVS.odyssey.com")
