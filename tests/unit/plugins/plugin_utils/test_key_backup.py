# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A table of inventories and of answers of the database, and who stands for which RMS in each."""

from __future__ import annotations

from typing import Any

import pytest
from messages import Problem, about

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.key_backup import (
    Candidate,
    KeyBackupPlan,
    plan_key_backups,
    rms_of_database,
)

GROUPS = {
    "opsmgr_rms": ["hydra", "zeus.odyssey.com", "rmsvs"],
    "opsmgr_management_servers": ["deathsting", "kraken"],
    "opsmgr_rms_cluster": ["castor", "pollux"],
    "opsmgr_database": ["thunder", "thunder2", "sql-iliad"],
}
VARIABLES = {
    "hydra": {"opsmgr_management_group": "ODYSSEY"},
    "zeus.odyssey.com": {"opsmgr_management_group": "ODYSSEY"},
    "rmsvs": {"opsmgr_management_group": "ILIAD"},
    "deathsting": {"opsmgr_management_group": "ODYSSEY", "ansible_host": "Deathsting7.odyssey.com"},
    "kraken": {"opsmgr_management_group": "AENEID"},
    "castor": {"opsmgr_management_group": "ILIAD", "opsmgr_virtual_server": "RMSVS.troy.com"},
    "pollux": {"opsmgr_management_group": "ILIAD", "opsmgr_virtual_server": "rmsvs"},
    "thunder": {"opsmgr_management_group": "ODYSSEY"},
    "thunder2": {"opsmgr_management_group": "ODYSSEY"},
    "sql-iliad": {"opsmgr_management_group": "ILIAD"},
}
EVERYBODY = list(VARIABLES)


def variable(host: str, name: str) -> str:
    return VARIABLES[host].get(name, "")


def plan(*play_hosts: str, find_rms: bool) -> KeyBackupPlan:
    return plan_key_backups(GROUPS, variable, play_hosts or EVERYBODY, find_rms=find_rms)


def test_each_rms_of_the_inventory_stands_for_itself() -> None:
    found = plan(find_rms=False)
    assert found.hosts == ["hydra", "rmsvs", "zeus.odyssey.com"]
    assert (found.groups_left, found.candidates, found.databases) == ([], [], {})


def test_a_host_that_has_left_the_play_stands_for_nobody() -> None:
    assert plan("rmsvs", "deathsting", find_rms=False).hosts == ["rmsvs"]


def test_behind_a_virtual_server_is_each_of_its_nodes() -> None:
    assert plan(find_rms=False).nodes_behind == {"rmsvs": ["castor", "pollux"]}


def test_when_the_database_is_asked_one_of_each_management_group_is_enough() -> None:
    found = plan(find_rms=True)
    assert found.hosts == ["rmsvs", "hydra"]
    assert found.groups_left == ["AENEID"]
    assert found.databases == {"ODYSSEY": "thunder", "ILIAD": "sql-iliad"}


def test_the_second_stands_for_a_group_whose_first_has_left_the_play() -> None:
    assert plan("zeus.odyssey.com", find_rms=True).hosts == ["zeus.odyssey.com"]


@pytest.mark.parametrize(
    ("group", "name", "servers"),
    [
        ("ODYSSEY", "hydra.odyssey.com", ["hydra"]),
        ("ODYSSEY", "ZEUS", ["zeus.odyssey.com"]),
        ("ODYSSEY", "deathsting7", ["deathsting"]),
        ("ILIAD", "rmsvs.troy.com", ["rmsvs"]),
    ],
)
def test_the_host_that_the_database_names(group: str, name: str, servers: list[str]) -> None:
    candidates = plan(find_rms=True).candidates
    found = rms_of_database("hydra", group, candidates, {"rms": name}, "thunder")
    assert (found.servers, found.problem) == (servers, "")


def test_a_virtual_server_that_is_not_in_the_inventory_is_each_of_its_nodes() -> None:
    candidates = [each for each in plan(find_rms=True).candidates if each.host != "rmsvs"]
    assert rms_of_database("castor", "ILIAD", candidates, {"rms": "RMSVS"}, "sql").servers == ["castor", "pollux"]


@pytest.mark.parametrize(
    ("database", "asked", "problem"),
    [
        (
            {"skipped": True},
            "",
            about("hydra", "find the RMS", "opsmgr_database", "ODYSSEY", advice="rms_key_backup_find_rms"),
        ),
        (
            {"rms": None, "problem": "it is offline."},
            "thunder",
            about("hydra", "find the RMS", "database", "it is offline"),
        ),
        (
            {"failed": True, "msg": "no driver"},
            "thunder",
            about("hydra", "find the RMS", "database", "no driver"),
        ),
        (
            {"rms": None, "problems": ["one", "two"]},
            "thunder",
            about("hydra", "find the RMS", "database", "one two"),
        ),
        (
            {"rms": None},
            "thunder",
            about("hydra", "find the RMS", "database", "names none"),
        ),
        (
            {"rms": "kraken.odyssey.com"},
            "thunder",
            about("hydra", "find the RMS", "kraken.odyssey.com", "database", "ODYSSEY", advice="opsmgr_rms"),
        ),
    ],
)
def test_without_an_answer_there_is_still_the_inventory(database: dict[str, Any], asked: str, problem: Problem) -> None:
    found = rms_of_database("hydra", "ODYSSEY", plan(find_rms=True).candidates, database, asked)
    assert (found.servers, found.problem) == (["hydra"], problem)


def test_an_empty_name_is_nobody() -> None:
    """A host without an address has an empty one, and a database may name nobody."""
    candidates = [Candidate("hydra", "ODYSSEY", "hydra")]
    assert rms_of_database("zeus", "ODYSSEY", candidates, {"rms": ""}, "thunder").servers == ["zeus"]
