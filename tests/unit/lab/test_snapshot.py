# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab is brought back to a state that was kept."""

from __future__ import annotations

import pytest
from unit.lab.test_opsmgr_promotion import PROMOTE, TOOL, group_of, lab, run, start

from lab.faults import Fault
from lab.lab import Lab
from lab.snapshot import NotRestoredError, Snapshot, difference, wait_for_programs

__all__ = ["lab"]


def test_a_promotion_is_taken_back_as_often_as_needed(lab: Lab) -> None:
    kept = Snapshot(lab)
    before = group_of(lab)
    for _time in range(2):
        assert run(lab, "deathsting", PROMOTE, "Y\r").exit_code == 0
        lab.hosts["hydra"].services.stop("HealthService")
        lab.hosts["hydra"].fs.write("C:\\left.txt", b"x")
        lab.hosts["hydra"].registry.set("HKLM\\SOFTWARE\\left", "Over", "x")
        lab.settle()
        assert group_of(lab)["roles"]["deathsting"] == "rms"
        kept.restore()
        assert group_of(lab) == before
        assert not lab.hosts["hydra"].fs.exists("C:\\left.txt")
        assert lab.hosts["hydra"].registry.get("HKLM\\SOFTWARE\\left", "Over") is None
        assert lab.hosts["hydra"].services["OMSDK"].state == "running"


def test_programs_that_still_run_are_ended(lab: Lab) -> None:
    kept = Snapshot(lab)
    start(lab, "deathsting", PROMOTE)
    lab.faults.add(Fault("deathsting", "command", f"{TOOL}:before-change", "stall", seconds=60))
    assert not wait_for_programs(lab, 0.2)
    for command in lab.hosts["deathsting"].running():
        command.command.terminate()
    kept.restore()
    assert wait_for_programs(lab, 0)
    assert lab.faults.pending() == []


def test_what_does_not_come_back_is_named(lab: Lab) -> None:
    kept = Snapshot(lab)
    lab.power("hydra", False)
    with pytest.raises(NotRestoredError, match="hydra"):
        kept.restore()


def test_places_where_dumps_differ() -> None:
    assert difference({"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"b": 1, "c": 4}, "e": 3}) == ["/a/c", "/d", "/e"]
