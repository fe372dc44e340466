# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever happens at whatever point, a rerun finishes it: runs cut off at every task, faults at every step."""

from __future__ import annotations

from typing import Any

import pytest
from playing import Player, promotions

from lab.drill import unproven
from lab.faults import Fault

# A test says when there are more: with a broker to repair, a run has all the tasks that there are.
LAST_TASK = 69


def broker_is_off(player: Player) -> None:
    database: Any = player.lab.sql["thunder"].find("OperationsManager")
    database.is_broker_enabled = False


def test_all_tasks_are_cut_off_once(odyssey: Player) -> None:
    broker_is_off(odyssey)
    assert len(odyssey.play().tasks) == LAST_TASK


@pytest.mark.parametrize("task", range(1, LAST_TASK + 1))
@pytest.mark.parametrize("seconds", [None, 0.7], ids=["at its start", "in its middle"])
def test_a_run_that_is_cut_off_is_finished_by_the_next(odyssey: Player, task: int, seconds: float | None) -> None:
    broker_is_off(odyssey)
    odyssey.play(cut=f"{task}" if seconds is None else f"{task}+{seconds}")
    run = odyssey.play()
    assert run.ended_well, run.output
    assert unproven(odyssey.lab.dump()) == []
    assert promotions(odyssey) == 1
    assert odyssey.play().changed == 0


FAULTS = [
    Fault(host, "message", action, kind, nth=nth)
    for host in ("hydra", "deathsting")
    for action in ("Create", "Command", "Send", "Receive")
    for kind in ("fail", "drop")
    for nth in (1, 5, 9)
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.host}-{fault.name}-{fault.action}-{fault.nth}")
def test_a_message_that_fails_loses_nothing(odyssey: Player, fault: Fault) -> None:
    odyssey.lab.faults.add(fault)
    first = odyssey.play()
    odyssey.lab.faults.clear()
    assert "Traceback" not in first.output
    run = odyssey.play()
    assert run.ended_well, run.output
    assert unproven(odyssey.lab.dump()) == []
    assert odyssey.play().changed == 0


@pytest.mark.parametrize("place", ["before-change", "after-database", "after-registry"])
def test_a_promotion_that_dies_half_way_is_finished_by_the_next_run(odyssey: Player, place: str) -> None:
    odyssey.lab.faults.add(
        Fault("deathsting", "command", f"ManagementServerConfigTool:{place}", "fail", code=1, text="it died")
    )
    first: Any = odyssey.play()
    assert not first.ended_well or place == "after-registry"
    odyssey.lab.faults.clear()
    run = odyssey.play()
    assert run.ended_well, run.output
    assert unproven(odyssey.lab.dump()) == []
