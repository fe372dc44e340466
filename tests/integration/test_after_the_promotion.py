# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What else a failover does: the database, the broker, the other servers, everything that names the RMS, and the way
back.
"""

from __future__ import annotations

from typing import Any

import pytest
from playing import Player, Run, until

from ansible_collections.opsmgr.recovery.plugins.module_utils.closed_database import CLOSED_NOTE
from lab.drill import NEW_RMS, OLD_RMS, configuration, unproven
from lab.faults import Fault

REPORT = "Report what was done and what remains"
LEFT = "Verify that the failover is complete"
BROKER = "Turn on Service Broker of the operational database"


def database(player: Player) -> Any:
    return player.lab.sql["thunder"].find("OperationsManager")


def report(run: Run) -> list[str]:
    lines: list[str] = run.results(REPORT)[-1]["msg"]
    return lines


def fail_back(player: Player) -> Run:
    """The way back, without the variables of the way there."""
    variables = {name: value for name, value in player.variables.items() if name != "rms_failover_target"}
    return player.play("playbooks/rms_failback.yml", only={**variables, "rms_failover_confirm": "hydra"})


def test_there_and_back_leaves_the_configuration_files_byte_for_byte_as_they_were(odyssey: Player) -> None:
    before = odyssey.lab.dump()
    assert odyssey.play().ended_well
    back = fail_back(odyssey)
    assert back.ended_well, back.output
    after = odyssey.lab.dump()
    assert unproven(after, OLD_RMS, NEW_RMS) == []
    assert len(configuration(after)) == 2
    assert configuration(after) == configuration(before)
    assert fail_back(odyssey).changed == 0


def test_before_sp1_the_former_rms_feeds_the_data_warehouse_until_the_role_is_back(start_lab: Any) -> None:
    player = start_lab("odyssey-rtm")
    run = player.play()
    assert any(line.startswith("hydra is older than Service Pack 1") for line in report(run)), run.output
    assert player.lab.hosts["hydra"].services["OMSDK"].state == "running"
    back = fail_back(player)
    assert back.ended_well, back.output
    assert unproven(player.lab.dump(), OLD_RMS, NEW_RMS) == []


def test_a_broker_that_is_off_is_turned_on_with_the_services_stopped_meanwhile(odyssey: Player) -> None:
    database(odyssey).is_broker_enabled = False
    assert odyssey.play(check=True).results(BROKER)[-1]["changed"] is True
    run = odyssey.play()
    assert run.ended_well, run.output
    assert unproven(odyssey.lab.dump()) == []
    assert any(line.startswith("Service Broker of the operational database turned on (") for line in report(run))
    [sessions] = [result["sessions"] for result in run.results(BROKER) if result.get("changed")]
    assert sessions == []
    assert odyssey.play().changed == 0


def test_a_run_killed_with_the_database_in_single_user_is_finished_by_the_next_one(odyssey: Player) -> None:
    """Somebody is in the database, so that ENABLE_BROKER alone is in vain, and SINGLE_USER comes before it."""
    database(odyssey).is_broker_enabled = False
    odyssey.lab.faults.add(Fault("thunder", "sql", "ALTER DATABASE", "stall", seconds=600, nth=3))
    with odyssey.lab.sql["thunder"].connect("Management Studio", "OperationsManager", host="ITHACA"):
        odyssey.play(cut_when=lambda: database(odyssey).user_access == "SINGLE_USER")
    assert database(odyssey).user_access == "SINGLE_USER"
    # It may have been killed before it came to the statement that stalls.
    odyssey.lab.faults.clear()
    run = odyssey.play()
    assert run.ended_well, run.output
    assert unproven(odyssey.lab.dump()) == []
    assert odyssey.play().changed == 0


def test_a_database_that_a_killed_run_left_closed_is_opened_by_the_next_one(odyssey: Player) -> None:
    """Nobody is in it: every service was stopped before it was closed."""
    assert odyssey.play().ended_well
    for host in ("hydra", "deathsting", "jupiter"):
        for service in ("OMSDK", "OMCFG", "HealthService"):
            odyssey.lab.hosts[host].services.stop(service)
    until(lambda: not odyssey.lab.sql["thunder"].seat("OperationsManager"))
    database(odyssey).user_access = "SINGLE_USER"
    database(odyssey).properties[CLOSED_NOTE] = (CLOSED_NOTE, "")
    before = odyssey.lab.dump()
    predicted = odyssey.play(check=True)
    assert any("which a killed run had left closed, opened to all" in line for line in report(predicted))
    assert odyssey.lab.dump() == before
    run = odyssey.play()
    assert run.ended_well, run.output
    assert unproven(odyssey.lab.dump()) == []
    assert odyssey.play().changed == 0


def test_a_broker_that_must_not_be_turned_on_is_reported_when_all_the_rest_is_done(odyssey: Player) -> None:
    copy = odyssey.lab.sql["thunder"].add_database("OperationsManager before")
    copy.service_broker_guid = database(odyssey).service_broker_guid
    database(odyssey).is_broker_enabled = False
    run = odyssey.play()
    assert not run.ended_well
    [left] = run.results(LEFT)
    assert any("has the same broker id" in line for line in left["msg"]), left
    assert unproven(odyssey.lab.dump()) == ["the operational database is open to all and Service Broker is on"]
    told = odyssey.play(rms_failover_new_broker=True)
    assert told.ended_well, told.output
    assert unproven(odyssey.lab.dump()) == []


def test_a_web_console_that_is_down_does_not_keep_the_rest_from_being_done(odyssey: Player) -> None:
    odyssey.lab.power("hermes", False)
    run = odyssey.play()
    assert not run.ended_well
    assert run.results(LEFT)[-1]["msg"][1:] == ["hermes: the server does not answer: [Errno 111] Connection refused"]
    assert unproven(odyssey.lab.dump()) == ["what is on hermes names deathsting"]
    odyssey.lab.power("hermes", True)
    again = odyssey.play()
    assert again.ended_well, again.output
    assert unproven(odyssey.lab.dump()) == []


@pytest.mark.soak
def test_a_configuration_file_that_cannot_be_edited_is_reported_at_the_end(odyssey: Player) -> None:
    path = r"C:\Program Files\System Center Operations Manager 2007\Web Console\Web.config"
    whole = odyssey.lab.hosts["hermes"].fs.read(path)
    odyssey.lab.hosts["hermes"].fs.write(path, whole[:200])
    run = odyssey.play()
    assert not run.ended_well
    assert any(line.startswith("hermes: ") and "Web.config" in line for line in run.results(LEFT)[-1]["msg"]), (
        run.output
    )
    assert odyssey.lab.hosts["hermes"].fs.read(path) == whole[:200]
    odyssey.lab.hosts["hermes"].fs.write(path, whole)
    assert odyssey.play().ended_well
    assert unproven(odyssey.lab.dump()) == []


def test_a_backup_that_is_not_possible_stops_the_failover_before_anything_is_changed(odyssey: Player) -> None:
    before = odyssey.lab.dump()
    run = odyssey.play(rms_failover_database_backup_directory=r"Q:\nowhere")
    assert not run.ended_well
    [message] = run.results("Check that nothing stands in the way")
    assert "back up the database OperationsManager" in str(message["msg"])
    assert odyssey.lab.dump() == before


def test_a_backup_that_fails_is_undone_like_everything_before_the_point_of_no_return(odyssey: Player) -> None:
    before = odyssey.lab.dump()
    odyssey.lab.faults.add(Fault("thunder", "sql", "BACKUP DATABASE", "fail", code=3013))
    run = odyssey.play()
    assert not run.ended_well
    assert "The role has not moved: " in run.failures[-1]
    assert "What was stopped or copied was put back." in run.failures[-1]
    after = odyssey.lab.dump()
    assert after["groups"]["ODYSSEY"]["roles"] == before["groups"]["ODYSSEY"]["roles"]
    assert [after["hosts"][host]["services"] for host in after["hosts"]] == [
        before["hosts"][host]["services"] for host in before["hosts"]
    ]


@pytest.mark.soak
def test_without_a_backup_when_told_so(odyssey: Player) -> None:
    run = odyssey.play(rms_failover_database_backup=False)
    assert run.ended_well, run.output
    assert unproven(odyssey.lab.dump()) == ["the operational database was backed up"]


@pytest.mark.soak
def test_a_health_service_that_does_not_start_again_is_reported(odyssey: Player) -> None:
    odyssey.lab.faults.add(Fault("jupiter", "service", "HealthService", "fail", code=1053, times=0))
    run = odyssey.play(rms_failover_service_timeout=3)
    assert not run.ended_well
    assert any(line.startswith("jupiter: ") for line in run.results(LEFT)[-1]["msg"][1:]), run.output
    odyssey.lab.faults.clear()
    assert odyssey.play().ended_well
    assert unproven(odyssey.lab.dump()) == []


@pytest.mark.soak
@pytest.mark.parametrize("group", ["opsmgr_reporting", "opsmgr_web_console"])
def test_hosts_of_another_management_group_are_left_alone(odyssey: Player, group: str) -> None:
    variable = {
        "opsmgr_reporting": "rms_failover_reporting_servers",
        "opsmgr_web_console": "rms_failover_web_consoles",
    }[group]
    before = configuration(odyssey.lab.dump())
    assert odyssey.play(**{variable: []}).ended_well
    left = {"opsmgr_reporting": "argus", "opsmgr_web_console": "hermes"}[group]
    after = configuration(odyssey.lab.dump())
    assert {path for path in before if after[path] == before[path]} == {
        path for path in before if path.startswith(left)
    }


@pytest.mark.parametrize("settings", [{"update_demoted_known": False}, {"texts": {"demote_warning": "Sicher? "}, "update_demoted_asks": True}],
                         ids=["no such verb", "another question"])  # fmt: skip
def test_a_former_rms_that_cannot_be_demoted_keeps_nothing_else_from_being_done(
    odyssey: Player, settings: dict[str, Any]
) -> None:
    odyssey.lab.hosts["hydra"].settings.update({"restart_demotes": False, **settings})
    run = odyssey.play(rms_failover_service_timeout=4, rms_failover_conversation_timeout=8)
    assert not run.ended_well
    assert "hydra still calls itself the RMS in its registry" in run.output
    assert unproven(odyssey.lab.dump()) == ["only the registry of deathsting calls it the RMS"]
    assert odyssey.lab.hosts["hydra"].services["OMSDK"].start == "disabled"
    # The database has named another RMS all the time: a restart that works is enough.
    odyssey.lab.hosts["hydra"].settings["restart_demotes"] = True
    again = odyssey.play()
    assert again.ended_well, again.output
    assert unproven(odyssey.lab.dump()) == []
