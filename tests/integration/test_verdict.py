# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a failover does when something unexpected happens around the answer Y: it asks the world, and the world decides."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest
from playing import Player, Run, promotions
from waiting import until

from lab.drill import unproven
from lab.faults import Fault

LOGIN_FAILED = "Login failed for user 'NT AUTHORITY\\ANONYMOUS LOGON'"


def verdict(run: Run) -> dict[str, Any]:
    """The last verdict of a run."""
    return [event["result"] for event in run.events if event["event"] == "result" and "verdict" in event["result"]][-1]


def roles(player: Player) -> dict[str, str]:
    found: dict[str, str] = player.lab.dump()["groups"]["ODYSSEY"]["roles"]
    return found


def services(player: Player, host: str) -> set[str]:
    states = player.lab.dump()["hosts"][host]["services"]
    return {states[name]["state"] for name in ("HealthService", "OMSDK", "OMCFG")}


def finished(player: Player) -> None:
    run = player.play()
    assert run.ended_well, run.output
    assert unproven(player.lab.dump()) == []


def test_a_task_that_has_had_its_time_while_the_tool_works_undoes_nothing(
    odyssey: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    odyssey.lab.hosts["deathsting"].settings["promote_seconds"] = 40
    monkeypatch.setenv("ANSIBLE_TASK_TIMEOUT", "20")
    run = odyssey.play()
    assert not run.ended_well
    assert verdict(run)["verdict"] == "cannot_be_told", run.output
    assert services(odyssey, "hydra") == {"stopped"}, "the old RMS was not started beside a tool that works"
    monkeypatch.delenv("ANSIBLE_TASK_TIMEOUT")
    finished(odyssey)
    assert promotions(odyssey) == 1


def test_a_tool_that_takes_the_answer_and_changes_nothing_is_undone_and_its_words_are_shown(odyssey: Player) -> None:
    fault = Fault(
        "deathsting", "command", "ManagementServerConfigTool:before-change", "fail", code=7, text=LOGIN_FAILED
    )
    odyssey.lab.faults.add(fault)
    run = odyssey.play()
    assert not run.ended_well
    assert verdict(run)["verdict"] == "has_not_moved", run.output
    assert all(words in run.failures[-1] for words in (LOGIN_FAILED, "exit code 7"))
    assert services(odyssey, "hydra") == {"running"}
    finished(odyssey)


def test_a_service_that_does_not_start_again_is_named_with_the_command_that_starts_it(odyssey: Player) -> None:
    odyssey.lab.faults.add(Fault("deathsting", "command", "ManagementServerConfigTool:before-change", "fail", code=1))
    # The first change is the stop.
    odyssey.lab.faults.add(Fault("hydra", "service", "OMSDK", "fail", nth=2, times=0, code=1053))
    run = odyssey.play(rms_failover_service_timeout=10)
    [disturbed] = verdict(run)["disturbed"]
    assert all(words in disturbed for words in ("hydra", "OMSDK", "management_services", "sdk_service=running"))
    assert disturbed in run.failures[-1]
    assert "was put back" not in run.failures[-1]
    odyssey.lab.faults.clear()
    finished(odyssey)


FAILS = Fault("deathsting", "command", "tasklist", "fail", times=0, code=1, text="ERROR: Critical error")
FINDS_NOTHING = Fault("deathsting", "command", "tasklist:finds-nothing", "fail", times=0)


@pytest.mark.parametrize("fault", [FAILS, FINDS_NOTHING], ids=["tasklist fails", "tasklist finds nothing under load"])
def test_there_is_never_a_second_promotion_beside_one_that_may_work(odyssey: Player, fault: Fault) -> None:
    odyssey.lab.hosts["deathsting"].settings["promote_seconds"] = 25
    odyssey.play(cut_when=lambda: promotions(odyssey) == 1)
    odyssey.lab.faults.add(replace(fault, seen=0))
    finished(odyssey)
    assert promotions(odyssey) == 1
    assert roles(odyssey)["deathsting"] == "rms"


def test_what_somebody_else_did_meanwhile_stops_the_run_before_the_answer(odyssey: Player) -> None:
    """A DBA closes the database while the old RMS stops."""

    def close() -> None:
        until(lambda: "stopped" in services(odyssey, "hydra"))
        database: Any = odyssey.lab.sql["thunder"].find("OperationsManager")
        database.user_access = "RESTRICTED_USER"

    somebody = threading.Thread(target=close)
    somebody.start()
    run = odyssey.play()
    somebody.join()
    assert not run.ended_well
    assert promotions(odyssey) == 0
    assert "RESTRICTED_USER now" in run.failures[-1]
    assert services(odyssey, "hydra") == {"running"}
