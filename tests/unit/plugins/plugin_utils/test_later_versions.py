# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A management group of 2012 or later: each plan refuses it in one sentence, and judges it by nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from unit.plugins.plugin_utils import test_clustered_restore as clustered
from unit.plugins.plugin_utils import test_failover as failover
from unit.plugins.plugin_utils import test_new_key as new_key

from ansible_collections.opsmgr.recovery.plugins.module_utils.versions import ServerVersion, unsupported

LATER = "10.22.10118.0"
WHY = unsupported(ServerVersion.parse(LATER))


def servers_tell(situation: dict[str, Any]) -> None:
    """All that answer."""
    hosts = situation.get("servers", situation)
    for each in hosts.values():
        look = each.get("server", each) if isinstance(each, dict) else None
        if look and "computer_name" in look:
            look.update(version=LATER, unsupported=WHY)


def database_tells(situation: dict[str, Any]) -> None:
    situation["group" if "group" in situation else "database"]["unsupported"] = WHY


def both_tell(situation: dict[str, Any]) -> None:
    servers_tell(situation)
    database_tells(situation)


TELLS = [servers_tell, database_tells, both_tell]


@pytest.mark.parametrize("tells", TELLS)
@pytest.mark.parametrize("situation", [failover.healthy, failover.failed_over])
def test_a_failover(situation: Any, tells: failover.Change) -> None:
    plan = failover.decide(situation(), tells)
    assert [LATER in problem for problem in plan.problems] == [True]
    assert (plan.promotion_needed, plan.demote, plan.restart, plan.left) == (False, [], [], [])


@pytest.mark.parametrize("tells", TELLS)
@pytest.mark.parametrize("situation", [new_key.lost, new_key.recovered])
def test_a_recovery_without_a_key(situation: Any, tells: new_key.Change) -> None:
    plan = new_key.decide(situation(), tells)
    assert [LATER in problem for problem in plan.problems] == [True]
    assert (plan.needed, plan.backup_needed) == (False, False)


@pytest.mark.parametrize("tells", TELLS)
@pytest.mark.parametrize("situation", [clustered.at_work, clustered.lost])
def test_a_restore_and_a_backup_of_a_clustered_rms(situation: Any, tells: clustered.Change) -> None:
    plan = clustered.decide(situation(), tells)
    assert [LATER in problem for problem in plan.problems] == [True]
    assert plan.backup_problems == plan.problems
    assert plan.refusal[1:] == plan.problems
    assert (plan.join, plan.build, plan.database, plan.key, plan.outage) == ([], False, False, False, False)


def test_all_who_have_it_are_named() -> None:
    [problem] = failover.decide(failover.healthy(), servers_tell).problems
    assert all(host in problem for host in ("hydra", "deathsting", "kraken"))


def test_one_server_is_enough() -> None:
    """In the middle of an upgrade, the tools of 2007 have no business there."""
    [problem] = failover.decide(failover.healthy(), failover.on("kraken", unsupported=WHY)).problems
    assert problem.startswith("kraken:")
