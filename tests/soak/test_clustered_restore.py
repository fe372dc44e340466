# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A restore of the clustered RMS that is cut off anywhere, or fails anywhere, is finished by the next run."""

from __future__ import annotations

from typing import Any

import pytest
from labs import StartLab
from playing import Player
from test_clustered_restore import carry_key, restore

from lab.drill import unproven_cluster
from lab.faults import Fault

# A test says when there are more.
LAST_TASK = 67


@pytest.fixture
def lost(start_lab: StartLab) -> Player:
    """The cluster without Operations Manager, and the key's backup on both nodes."""
    player = start_lab("odyssey-cluster-new")
    carry_key(player)
    return player


def finish(player: Player) -> None:
    run = restore(player)
    assert run.ended_well, run.output
    assert unproven_cluster(player.lab.dump()) == []
    assert restore(player).changed == 0


def test_all_tasks_are_cut_off_once(lost: Player) -> None:
    assert len(restore(lost).tasks) == LAST_TASK


@pytest.mark.parametrize("task", range(1, LAST_TASK + 1))
@pytest.mark.parametrize("seconds", [None, 0.7], ids=["at its start", "in its middle"])
def test_a_restore_that_is_cut_off_is_finished_by_the_next(lost: Player, task: int, seconds: float | None) -> None:
    restore(lost, cut=f"{task}" if seconds is None else f"{task}+{seconds}")
    finish(lost)


FAULTS = [
    *(
        Fault(node, "command", f"MOM:{place}", action)
        for node in ("castor", "pollux")
        for place in ("before-change", "after-database")
        for action in ("fail", "drop")
    ),
    *(
        Fault(node, "command", f"ManagementServerConfigTool:{place}", "fail", code=1, text="it died")
        for node in ("castor", "pollux")
        for place in ("before-change", "after-database", "after-registry")
    ),
    *(
        Fault(node, "command", "SecureStorageBackup", "fail", code=1, nth=nth)
        for node in ("castor", "pollux")
        for nth in (1, 2)
    ),
    *(Fault("*", "sql", statement, "fail") for statement in ("RESTORE DATABASE", "ALTER DATABASE")),
    *(Fault("*", "sql", statement, "drop") for statement in ("RESTORE DATABASE", "ALTER DATABASE")),
    *(
        Fault("*", "resource", resource, "fail", times=4)
        for resource in ("RMS Disk", "HealthService", "OMSDK", "OMCFG")
    ),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.host}-{fault.name}-{fault.action}-{fault.nth}")
def test_a_step_that_fails_is_finished_by_the_next_run(lost: Player, fault: Fault) -> None:
    lost.lab.faults.add(fault)
    first: Any = restore(lost)
    lost.lab.faults.clear()
    assert "Traceback" not in first.output
    finish(lost)
