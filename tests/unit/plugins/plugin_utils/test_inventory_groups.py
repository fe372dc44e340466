# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A table of inventories, and why a play on them would do nothing or not enough."""

from __future__ import annotations

import pytest

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.inventory.groups import (
    Inventory,
    controller_problem,
    misspelt_problems,
    run_problem,
)

WANTED = ("opsmgr_rms", "opsmgr_management_servers")
READ = ("opsmgr_reporting", "opsmgr_database")


def inventory(limit: str | None = None, left: tuple[str, ...] | None = None, **groups: list[str]) -> Inventory:
    everyone = list(dict.fromkeys(host for hosts in groups.values() for host in hosts))
    return Inventory(
        {"all": everyone, "ungrouped": [], **groups}, everyone if left is None else left, limit, ["/srv/inventory.yml"]
    )


GOOD = {
    "all groups": inventory(opsmgr_rms=["hydra"], opsmgr_management_servers=["deathsting"], opsmgr_reporting=["argus"]),
    "one of them is enough": inventory(opsmgr_management_servers=["deathsting"]),
    "groups of other names": inventory(
        opsmgr_rms=["hydra"], windows=["hydra"], opsmgr_servers=["hydra"], opsmgr_rms_odyssey=["hydra"]
    ),
    "an empty group of nearly that name": inventory(opsmgr_rms=["hydra"], opsmgr_reportng=[]),
    "a group of nearly that name beside it": inventory(
        opsmgr_rms=["hydra"], opsmgr_reporting=["argus"], opsmgr_reporting2=["argus"]
    ),
    "a limit that leaves one": inventory(
        "hydra", ("hydra",), opsmgr_rms=["hydra"], opsmgr_management_servers=["deathsting"]
    ),
}


@pytest.mark.parametrize("case", GOOD)
def test_an_inventory_that_will_do(case: str) -> None:
    assert run_problem(WANTED, READ, GOOD[case]) is None


BAD = {
    "nothing at all": (
        inventory(),
        ["no host in the inventory /srv/inventory.yml", "opsmgr_rms or opsmgr_management_servers", "-i"],
    ),
    "other groups": (
        inventory(rms=["hydra"], web=["argus"]),
        ["No host of the inventory /srv/inventory.yml is in", "its groups are rms, web"],
    ),
    "hosts without groups": (
        Inventory({"all": ["hydra"], "ungrouped": ["hydra"]}, ["hydra"]),
        ["it has no groups", "Put the hosts into opsmgr_rms"],
    ),
    "empty groups": (
        inventory(opsmgr_rms=[], opsmgr_management_servers=[], others=["argus"]),
        ["is in opsmgr_rms or opsmgr_management_servers"],
    ),
    "misspelt": (inventory(opsmgr_rsm=["hydra"]), ["rename the group opsmgr_rsm to opsmgr_rms"]),
    "misspelt, one of two": (
        inventory(opsmgr_rms=["hydra"], opsmgr_managment_servers=["deathsting"]),
        ["rename the group opsmgr_managment_servers to opsmgr_management_servers"],
    ),
    "misspelt, and only read": (
        inventory(opsmgr_rms=["hydra"], **{"OpsMgr-Reporting": ["argus"]}),
        ["OpsMgr-Reporting to opsmgr_reporting"],
    ),
    "a limit that leaves none": (
        inventory("argus", ("argus",), opsmgr_rms=["hydra"], opsmgr_reporting=["argus"]),
        ["--limit argus leaves out every host of opsmgr_rms or opsmgr_management_servers (hydra)"],
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_an_inventory_that_will_not_do(case: str) -> None:
    found, said = BAD[case]
    problem = run_problem(WANTED, READ, found)
    assert problem is not None
    for words in said:
        assert words in problem


def test_a_group_that_nobody_looks_at_may_be_called_anything() -> None:
    assert run_problem(WANTED, (), inventory(opsmgr_rms=["hydra"], opsmgr_reportng=["argus"])) is None


def test_many_groups_are_counted() -> None:
    problem = run_problem(WANTED, READ, inventory(**{f"group{number}": ["hydra"] for number in range(30)}))
    assert problem is not None
    assert "group9 and 20 more" in problem


def test_a_misspelt_group_is_told_of_the_name_that_is_nearest() -> None:
    groups = {"opsmgr_web_consoles": ["argus"]}
    assert len(misspelt_problems(["opsmgr_consoles", "opsmgr_web_console"], groups)) == 1
    assert "to opsmgr_web_console;" in misspelt_problems(["opsmgr_consoles", "opsmgr_web_console"], groups)[0]


@pytest.mark.parametrize(
    ("limit", "works"),
    [(None, True), ("localhost", True), ("hydra,localhost", True), ("hydra", False), ("not_localhost", False)],
)
def test_a_limit_holds_for_the_controller_too(limit: str | None, works: bool) -> None:
    assert (controller_problem(inventory(limit, opsmgr_rms=["hydra"])) is None) is works
