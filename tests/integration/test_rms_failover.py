# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The failover from hydra to deathsting, whole: planned and after a disaster, checked first, run, and run again."""

from __future__ import annotations

from typing import Any

import pytest
from playing import PASSWORD, SEAL, Player

from lab.drill import unproven
from lab.inventory import WinRMAccess


def back_up_on_a_quiet_day(player: Player) -> None:
    """What the disaster needs: the key of hydra in the escrow."""
    player.task("support_tools", "hydra", {})
    options = {"escrow": str(player.escrow), "backup_password": PASSWORD, "seal_passphrase": SEAL}
    assert player.task("secure_storage_backup", "hydra", options)["changed"] is True


def test_a_planned_failover_reverses_the_roles(odyssey: Player) -> None:
    run = odyssey.play()
    assert run.ended_well, run.output
    assert unproven(odyssey.lab.dump()) == []


def test_a_second_run_changes_nothing(odyssey: Player) -> None:
    odyssey.play()
    before = odyssey.lab.dump()
    # The role has moved: there is nothing to confirm.
    again = odyssey.play(rms_failover_confirm="")
    assert again.ended_well, again.output
    assert again.changed == 0
    assert odyssey.lab.dump() == before


def test_check_mode_changes_nothing_and_lists_what_would_be_done(odyssey: Player) -> None:
    before = odyssey.lab.dump()
    page = odyssey.directory / "failover.html"
    checked = odyssey.play(check=True, rms_failover_report=str(page))
    assert checked.ended_well, checked.output
    assert odyssey.lab.dump() == before
    assert (odyssey.escrow.exists(), list(page.parent.glob("failover.*"))) == (False, [])
    report = checked.results("Report what was done and what remains")[-1]["msg"]
    assert report[0] == "This would be done:"
    assert any("deathsting promoted to the RMS" in line for line in report)


def test_what_check_mode_predicts_is_what_happens(odyssey: Player) -> None:
    predicted = {
        event["task"]
        for event in odyssey.play(check=True).events
        if event["event"] == "result" and event["result"].get("changed")
    }
    done = {
        event["task"]
        for event in odyssey.play().events
        if event["event"] == "result" and event["result"].get("changed")
    }
    # PromoteRMS may start the services by itself; nobody can know that before.
    assert predicted - done <= {"opsmgr.recovery.rms_failover : Start the services of the new RMS"}
    assert done <= predicted


def test_after_a_disaster_the_key_comes_from_the_escrow_and_the_old_rms_is_demoted_when_it_is_back(
    odyssey: Player,
) -> None:
    back_up_on_a_quiet_day(odyssey)
    odyssey.lab.power("hydra", False)
    run = odyssey.play(rms_failover_mode="disaster")
    assert run.ended_well, run.output
    report = run.results("Report what was done and what remains")[-1]["msg"]
    assert any(line.startswith("hydra does not answer and has not been demoted") for line in report)
    odyssey.lab.power("hydra", True)
    again = odyssey.play(rms_failover_mode="disaster")
    assert again.ended_well, again.output
    assert unproven(odyssey.lab.dump()) == []
    assert odyssey.play(rms_failover_mode="disaster").changed == 0


def test_over_https_with_basic_authentication(odyssey: Player) -> None:
    run = odyssey.play(access=WinRMAccess("https", "basic"))
    assert run.ended_well, run.output
    assert unproven(odyssey.lab.dump()) == []


@pytest.mark.parametrize("topology", ["odyssey-2003", "odyssey-hard", "odyssey-rtm", "odyssey-r2"])
def test_other_machines_versions_names_and_passwords(start_lab: Any, topology: str) -> None:
    player = start_lab(topology)
    run = player.play()
    assert run.ended_well, run.output
    assert unproven(player.lab.dump()) == []
    assert player.play().changed == 0
