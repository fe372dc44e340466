# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A failover cluster and its cluster.exe, with a clustered root management server to move."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from unit.lab.opsmgr_prompt import Ended, quick_lab, run, states

from lab.lab import Lab

RUNNING, STOPPED = ("running", "demand"), ("stopped", "demand")
ALL_RUN = dict.fromkeys(("HealthService", "OMSDK", "OMCFG"), RUNNING)
NONE_RUNS = dict.fromkeys(("HealthService", "OMSDK", "OMCFG"), STOPPED)


@pytest.fixture
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """odyssey-cluster: castor has the group RMS; a parameter is a topology's overrides."""
    with quick_lab("odyssey-cluster", **getattr(request, "param", {})) as made:
        yield made


def cluster(lab: Lab, line: str, host: str = "castor", **how: Any) -> Ended:
    """Run cluster.exe on a node."""
    return run(lab, host, f"cluster {line}", cwd="C:\\", **how)


def settled(lab: Lab) -> dict[str, Any]:
    """The group RMS, once the cluster has nothing left to do; services that stay up have been seen to."""
    for _round in range(3):
        lab.hosts["castor"].services.settle()
        lab.hosts["pollux"].services.settle()
        time.sleep(0.15)  # longer than the cluster needs to see that a service is gone
        assert lab.clusters["gemini"].settle()
    found: dict[str, Any] = lab.dump()["clusters"]["gemini"]["groups"]["RMS"]
    return found


def where(lab: Lab) -> tuple[str, str]:
    """Node and state of the group RMS."""
    group = settled(lab)
    return group["node"], group["state"]


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


def test_a_node_without_power_loses_its_groups_to_the_other(lab: Lab) -> None:
    lab.power("castor", False)
    assert where(lab) == ("POLLUX", "Online")
    assert states(lab, "pollux") == ALL_RUN
    assert "CASTOR               1 Down" in cluster(lab, "node", "pollux").out
    lab.power("castor", True)
    assert where(lab) == ("POLLUX", "Online")
    assert states(lab, "castor") == NONE_RUNS


def test_a_service_stopped_behind_the_cluster_s_back_is_started_again(lab: Lab) -> None:
    lab.hosts["castor"].services.stop("OMSDK")
    assert where(lab) == ("CASTOR", "Online")
    assert states(lab, "castor") == ALL_RUN


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


def test_the_tables_of_cluster_exe(lab: Lab) -> None:
    for line, table in (("node", NODES), ("group", GROUPS)):
        assert cluster(lab, line).out == table.replace("\n", "\r\n")
    resources = cluster(lab, "resource").out
    assert "\r\nOMSDK                RMS                  CASTOR          Online\r\n" in resources
