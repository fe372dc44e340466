# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A failover cluster and its cluster.exe, with a clustered root management server to move."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests
import winrm
import yaml
from unit.lab.cluster_prompt import ALL_RUN, NONE_RUNS, cluster, settled, where
from unit.lab.opsmgr_prompt import finish, quick_lab, run, settings, start, states
from waiting import until

from lab.faults import Fault
from lab.inventory import INVENTORY_GROUPS, WinRMAccess, inventory
from lab.lab import Lab
from lab.topologies import load_topology


@pytest.fixture
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """odyssey-cluster: castor has the group RMS; a parameter is a topology's overrides."""
    with quick_lab("odyssey-cluster", **getattr(request, "param", {})) as made:
        yield made


NO_QUORUM_DISK = {"clusters": {"gemini": {"quorum_disk": None}}}


# Where the group is


def test_at_first_the_group_is_online_on_the_first_node_only(lab: Lab) -> None:
    assert where(lab) == ("CASTOR", "Online")
    assert states(lab, "castor") == ALL_RUN
    assert states(lab, "pollux") == NONE_RUNS
    assert "X" in lab.hosts["castor"].fs.volumes
    assert "X" not in lab.hosts["pollux"].fs.volumes


def test_a_moved_group_leaves_nothing_behind(lab: Lab) -> None:
    lab.hosts["castor"].fs.write("X:\\note.txt", b"shared")
    assert cluster(lab, 'group "RMS" /moveto:POLLUX').exit_code == 0
    assert where(lab) == ("POLLUX", "Online")
    assert (states(lab, "castor"), states(lab, "pollux")) == (NONE_RUNS, ALL_RUN)
    assert "X" not in lab.hosts["castor"].fs.volumes
    assert lab.hosts["pollux"].fs.read("X:\\note.txt") == b"shared"


def test_offline_and_online_again_changes_nothing_else(lab: Lab) -> None:
    before = lab.dump()
    assert cluster(lab, "group RMS /offline").exit_code == 0
    assert where(lab) == ("CASTOR", "Offline")
    assert (states(lab, "castor"), states(lab, "pollux")) == (NONE_RUNS, NONE_RUNS)
    assert cluster(lab, "group RMS /online", "pollux").exit_code == 0
    assert where(lab) == ("CASTOR", "Online")
    after = lab.dump()
    assert {key: after[key] for key in ("hosts", "groups", "clusters")} == {
        key: before[key] for key in ("hosts", "groups", "clusters")
    }


def test_a_node_without_power_loses_its_groups_to_the_other(lab: Lab) -> None:
    lab.power("castor", False)
    assert where(lab) == ("POLLUX", "Online")
    assert states(lab, "pollux") == ALL_RUN
    assert "CASTOR               1 Down" in cluster(lab, "node", "pollux").out
    lab.power("castor", True)
    assert where(lab) == ("POLLUX", "Online")
    assert states(lab, "castor") == NONE_RUNS


def test_so_does_a_node_whose_cluster_service_stops_but_not_before_it_has_let_go(lab: Lab) -> None:
    lab.hosts["castor"].services.stop("ClusSvc")
    assert lab.hosts["castor"].services.wait("ClusSvc", "stopped")
    assert states(lab, "castor") == NONE_RUNS
    assert "X" not in lab.hosts["castor"].fs.volumes
    assert where(lab) == ("POLLUX", "Online")


def test_with_the_last_node_everything_is_down_until_it_comes_back(lab: Lab) -> None:
    lab.power("castor", False)
    lab.power("pollux", False)
    assert settled(lab)["state"] == "Offline"
    lab.power("pollux", True)
    assert where(lab) == ("POLLUX", "Online")


# Quorum


def test_one_node_and_the_quorum_disk_go_on_two_of_three(lab: Lab) -> None:
    assert "Quorum Disk          Q:\\MSCS\\" in cluster(lab, ". /quorum").out
    lab.power("pollux", False)
    assert where(lab) == ("CASTOR", "Online")


@pytest.mark.parametrize("lab", [NO_QUORUM_DISK], indirect=True)
def test_one_of_two_nodes_is_no_majority(lab: Lab) -> None:
    lab.power("pollux", False)
    assert lab.hosts["castor"].services.wait("ClusSvc", "stopped")
    assert settled(lab)["state"] == "Offline"
    assert states(lab, "castor") == NONE_RUNS
    assert cluster(lab, "group").exit_code == 1753
    lab.hosts["castor"].services.start("ClusSvc")
    assert settled(lab)["state"] == "Offline"
    lab.power("pollux", True)
    assert where(lab) == ("CASTOR", "Online")


def test_a_quorum_disk_that_failed_has_no_vote(lab: Lab) -> None:
    lab.faults.add(Fault("*", "resource", "Quorum Disk", "fail", times=0))
    cluster(lab, 'resource "Quorum Disk" /fail')
    settled(lab)
    assert "Quorum Disk          Cluster Group        POLLUX          Failed" in cluster(lab, "resource").out
    lab.power("pollux", False)
    assert lab.hosts["castor"].services.wait("ClusSvc", "stopped")


# Failures


def test_a_service_stopped_behind_the_cluster_s_back_is_started_again(lab: Lab) -> None:
    lab.hosts["castor"].services.stop("OMSDK")
    assert where(lab) == ("CASTOR", "Online")
    assert states(lab, "castor") == ALL_RUN


def test_what_needs_a_failed_resource_is_taken_down_and_brought_back_with_it(lab: Lab) -> None:
    before = lab.hosts["castor"].services["OMSDK"].pid
    assert cluster(lab, "resource HealthService /fail").exit_code == 0
    assert where(lab) == ("CASTOR", "Online")
    assert lab.hosts["castor"].services["OMSDK"].pid != before


def test_the_second_failure_moves_the_group(lab: Lab) -> None:
    for _time in range(2):
        assert cluster(lab, "resource OMSDK /fail").exit_code == 0
    assert where(lab) == ("POLLUX", "Online")
    assert [event["id"] for event in lab.hosts["castor"].event_log if event["id"] != 26371] == [1069, 1069]


def test_a_resource_that_comes_up_nowhere_stays_failed_and_the_rest_online(lab: Lab) -> None:
    lab.faults.add(Fault("*", "resource", "HealthService", "fail", times=0))
    cluster(lab, "group RMS /offline")
    ended = cluster(lab, "group RMS /online")
    assert ended.exit_code == 5038
    group = settled(lab)
    assert (group["node"], group["state"]) == ("POLLUX", "Failed")
    assert {name: resource["state"] for name, resource in group["resources"].items()} == {
        "RMS Disk": "Online",
        "RMS Address": "Online",
        "RMS Name": "Online",
        "HealthService": "Failed",
        "OMSDK": "Offline",
        "OMCFG": "Offline",
    }
    lab.faults.clear()
    assert cluster(lab, "group RMS /online").exit_code == 0
    assert where(lab) == ("POLLUX", "Online")


def test_a_service_that_does_not_stop_is_ended(lab: Lab) -> None:
    lab.faults.add(Fault("castor", "service", "OMSDK", "fail"))
    assert cluster(lab, "group RMS /moveto").exit_code == 0
    assert where(lab) == ("POLLUX", "Online")
    assert states(lab, "castor") == NONE_RUNS


def test_power_lost_while_a_group_comes_online(lab: Lab) -> None:
    cluster(lab, "group RMS /offline")
    lab.faults.add(Fault("castor", "resource", "OMSDK", "stall", seconds=30))
    waiting = start(lab, "castor", "cluster group RMS /online", cwd="C:\\")
    until(lambda: "Pending" in cluster(lab, "group RMS", "pollux").out)
    lab.power("castor", False)
    finish(waiting)
    assert where(lab) == ("POLLUX", "Online")
    lab.power("castor", True)
    settled(lab)
    assert states(lab, "castor") == NONE_RUNS


# cluster.exe

NODES = """Listing status for all available nodes:

Node           Node ID Status
-------------- ------- ---------------------
CASTOR               1 Up
POLLUX               2 Up

"""
GROUPS = """Listing status for all available resource groups:

Group                Node            Status
-------------------- --------------- ------
Cluster Group        CASTOR          Online
RMS                  CASTOR          Online

"""
GROUP = """Listing status for resource group 'rms':

Group                Node            Status
-------------------- --------------- ------
RMS                  CASTOR          Online

"""
MOVED = """
Moving resource group 'RMS'...

Group                Node            Status
-------------------- --------------- ------
RMS                  POLLUX          Online

"""
PRIVATE = """
Listing private properties for 'OMSDK':

T  Resource             Name                           Value
-- -------------------- ------------------------------ -----------------------
S  OMSDK                ServiceName                    OMSDK
S  OMSDK                StartupParameters
D  OMSDK                UseNetworkName                 1 (0x1)

"""
DEPENDENCIES = """
Listing resource dependencies for 'OMSDK':

Resource             Group                Node            Status
-------------------- -------------------- --------------- ------
RMS Name             RMS                  CASTOR          Online
RMS Disk             RMS                  CASTOR          Online
HealthService        RMS                  CASTOR          Online

"""


def test_the_tables_of_cluster_exe(lab: Lab) -> None:
    tables = {
        "node": NODES,
        "group": GROUPS,
        "gemini group rms /stat": GROUP,
        "res OMSDK /priv": PRIVATE,
        "res OMSDK /listdep": DEPENDENCIES,
    }
    for line, table in tables.items():
        assert cluster(lab, line).out == table.replace("\n", "\r\n"), line
    assert cluster(lab, "/cluster:gemini group RMS /move:pollux /wait:20").out == MOVED.replace("\n", "\r\n")


def test_a_name_longer_than_its_column_pushes_the_rest_to_the_right(lab: Lab) -> None:
    cluster(lab, 'resource "OpsMgr Software Development Kit" /create /group:RMS /type:"Generic Service"')
    out = cluster(lab, 'resource "OpsMgr Software Development Kit"').out
    assert "\r\nOpsMgr Software Development Kit RMS                  CASTOR          Offline\r\n" in out


def test_a_service_becomes_a_resource(lab: Lab) -> None:
    lab.hosts["castor"].services.stop("Winmgmt")
    for line in (
        'resource "WMI" /create /group:"RMS" /type:"Generic Service"',
        'resource "WMI" /priv ServiceName=Winmgmt',
        'resource "WMI" /adddep:"RMS Name"',
        'resource "WMI" /online',
    ):
        assert cluster(lab, line).exit_code == 0, line
    group = settled(lab)
    assert group["resources"]["WMI"]["state"] == "Online"
    assert group["resources"]["WMI"]["depends"] == ["RMS Name"]
    assert cluster(lab, 'resource "WMI" /offline').exit_code == 0
    assert cluster(lab, 'resource "WMI" /removedep:"RMS Name"').exit_code == 0
    assert cluster(lab, 'resource "WMI" /delete').exit_code == 0
    assert "WMI" not in settled(lab)["resources"]


REFUSED = [
    ("node nestor", 5042),
    ("group nowhere /status", 5013),
    ("group RMS /moveto:nestor", 5042),
    ('group "Cluster Group" /offline', 5020),
    ("group RMS /create", 5010),
    ("group RMS /delete", 145),
    ("resource nothing /online", 5007),
    ("resource OMSDK /delete", 5019),
    ("resource OMSDK /adddep:HealthService", 5003),
    ("resource HealthService /adddep:OMSDK", 1059),
    ('resource OMSDK /adddep:"Quorum Disk"', 5002),
    ('resource OMSDK /removedep:"RMS Address"', 5002),
    ('resource new /create /group:RMS /type:"Print Spooler"', 5078),
    ('resource OMSDK /create /group:RMS /type:"Generic Service"', 5010),
    ("resource OMSDK /priv ServiceNam=OMSDK", 87),
    ("castors group", 1722),
    ("group RMS /up", 87),
    ("group RMS /online /create", 87),
    ("resource new /create /group:RMS", 87),
    ("resource OMSDK ServiceName=OMSDK", 87),
    ("", 87),
]


def test_what_is_refused_changes_nothing(lab: Lab) -> None:
    before = lab.dump()["clusters"]
    for line, code in REFUSED:
        ended = cluster(lab, line)
        assert ended.exit_code == code, (line, ended)
        assert (
            f"System error {code} has occurred (0x{code:08x})." in ended.out
            or "The syntax of this command is:" in ended.out
        )
    settled(lab)
    assert lab.dump()["clusters"] == before


def test_only_administrators_may(lab: Lab) -> None:
    ended = cluster(lab, "group RMS /offline", is_admin=False)
    assert (ended.exit_code, "Access is denied." in ended.out) == (5, True)


def test_a_node_whose_cluster_service_is_down_cannot_ask(lab: Lab) -> None:
    lab.hosts["pollux"].services.stop("ClusSvc")
    lab.hosts["pollux"].services.settle()
    ended = cluster(lab, "group", "pollux")
    assert (ended.exit_code, "System error 1753 has occurred (0x000006d9)." in ended.out) == (1753, True)
    assert cluster(lab, "group RMS /moveto:POLLUX").exit_code == 5050
    assert cluster(lab, "group RMS /moveto").exit_code == 5005


@pytest.mark.parametrize("lab", [settings(cluster_wait_seconds=0)], indirect=True)
def test_what_takes_longer_than_somebody_waits_goes_on_by_itself(lab: Lab) -> None:
    lab.faults.add(Fault("castor", "service", "OMCFG", "stall", seconds=1.5))
    assert cluster(lab, "group RMS /offline /wait:1").exit_code == 997
    assert settled(lab)["state"] == "Offline"
    assert cluster(lab, "group RMS /online").exit_code == 997
    assert where(lab) == ("CASTOR", "Online")


def test_new_properties_of_what_is_online_are_for_the_next_time(lab: Lab) -> None:
    assert cluster(lab, "resource OMSDK /prop Description=main").exit_code == 5024
    assert "Description                    main" in cluster(lab, "resource OMSDK /prop").out


# The virtual server


def test_the_virtual_server_s_address_reaches_the_active_node_or_nobody(lab: Lab) -> None:
    address = lab.topology.clusters["gemini"].address
    user = lab.hosts["castor"].users[0]

    def hostname() -> str:
        session = winrm.Session(
            f"http://{address}:5985/wsman", (user.name, user.password), transport="ntlm", ca_trust_path=""
        )
        return bytes(session.run_cmd("hostname").std_out).decode().strip()

    assert hostname() == "castor"
    cluster(lab, "group RMS /moveto:POLLUX")
    assert hostname() == "pollux"
    cluster(lab, "group RMS /offline")
    with pytest.raises(requests.exceptions.ConnectionError):
        hostname()


def test_its_name_reaches_shares_of_the_active_node(lab: Lab) -> None:
    assert run(lab, "castor", "ping -n 1 rmsvs", cwd="C:\\").exit_code == 0
    assert lab.hosts["jupiter"].find("rmsvs.odyssey.com") is lab.hosts["castor"]
    cluster(lab, "group RMS /offline")
    assert lab.hosts["jupiter"].find("rmsvs") is None


def test_the_inventory_has_the_virtual_server_as_root_and_the_nodes_by_themselves() -> None:
    text = inventory(load_topology("odyssey-cluster"), WinRMAccess())
    children = yaml.safe_load(text)["all"]["children"]
    assert set(children) == {*INVENTORY_GROUPS.values(), "opsmgr_rms_cluster"}
    assert list(children["opsmgr_rms"]["hosts"]) == ["rmsvs"]
    assert list(children["opsmgr_management_servers"]["hosts"]) == ["deathsting", "jupiter"]
    castor = children["opsmgr_rms_cluster"]["hosts"]["castor"]
    assert (castor["opsmgr_cluster_group"], castor["opsmgr_virtual_server"], castor["opsmgr_cluster_disk"]) == (
        "RMS",
        "rmsvs",
        "X:",
    )


@pytest.mark.parametrize(
    ("overrides", "complaint"),
    [
        (
            {"clusters": {"gemini": {"nodes": ["castor", "jupiter"]}}},
            "'jupiter', which is no host with the role rms_cluster",
        ),
        ({"clusters": {"gemini": {"colour": "blue"}}}, "cluster gemini: unknown colour"),
        ({"hosts": {"hydra": {"roles": ["rms"]}}}, "needs exactly one host with the role rms, not 2"),
    ],
)
def test_mistakes_in_a_topology_are_named(overrides: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        load_topology("odyssey-cluster", overrides)
