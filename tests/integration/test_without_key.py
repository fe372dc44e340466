# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""hydra is lost for good and nobody has its key: checked first, run, run again, refused, failed and cut off; looked at
in the lab itself.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from playing import PASSWORD, Player, Run
from unit.plugins.plugin_utils.officers import hire

from lab.drill import unproven_new_key
from lab.faults import Fault

PLAYBOOK = "playbooks/rms_recover_without_key.yml"
ACCOUNTS = ["ODYSSEY\\svc-action", "ODYSSEY\\svc-dw-read", "ODYSSEY\\svc-dw-write", "ODYSSEY\\svc-sqlmon"]
SDK_ACCOUNT, ACTION_ACCOUNT = "ODYSSEY\\svc-sdk", "ODYSSEY\\svc-action"
NEW_KEY = "make a new key for the management group on this server"


@pytest.fixture
def lost(start_lab: Any) -> Player:
    """ODYSSEY without hydra and without a backup, whose SDK services and actions do not run as the computer."""
    started: Player = start_lab("odyssey-no-key")
    started.lab.installation("deathsting").set_accounts(sdk=SDK_ACCOUNT, action=ACTION_ACCOUNT)
    return started


def recover(player: Player, **how: Any) -> Run:
    variables = {
        "rms_recover_without_key_target": "deathsting",
        "rms_recover_without_key_confirm": "ODYSSEY",
        "rms_recover_without_key_escrow": str(player.escrow),
        "rms_recover_without_key_backup_password": PASSWORD,
    }
    return player.play(PLAYBOOK, **{**variables, **how})


def unproven(player: Player) -> list[str]:
    """What the lab itself shows otherwise than after a recovery; empty is the proof."""
    return unproven_new_key(player.lab.dump())


def setups(player: Player) -> int:
    return sum(entry["kind"] == "program" and entry["program"] == "MOM" for entry in player.lab.recorder.entries)


def listed(run: Run) -> list[str]:
    """The Run As accounts in the report."""
    [report] = run.results("Report the Run As accounts to enter again")
    return re.findall(r"\((ODYSSEY\\[^)]+)\)$", "\n".join(report["msg"]), re.MULTILINE)


def test_a_new_key_an_rms_a_backup_and_the_list_of_accounts(lost: Player) -> None:
    run = recover(lost)
    assert run.ended_well, run.output
    assert unproven(lost) == []
    assert sorted(listed(run)) == sorted(lost.lab.dump()["groups"]["ODYSSEY"]["run_as"]["deathsting"]) == ACCOUNTS
    assert len(list(lost.escrow.rglob("*.json"))) == 1
    deathsting = lost.lab.installation("deathsting")
    assert [deathsting.host.services[name].account for name in ("OMSDK", "OMCFG")] == [SDK_ACCOUNT, SDK_ACCOUNT]
    assert deathsting.action_account == ACTION_ACCOUNT
    [told] = run.results("Report what was done and what remains")
    assert any(line.startswith("setspn -D MSOMSdkSvc/HYDRA HYDRA (") for line in told["msg"])
    assert not [
        entry
        for entry in lost.lab.recorder.entries
        if entry["kind"] == "program" and "password" in entry["command"].lower()
    ]
    again = recover(lost)
    assert (again.ended_well, again.changed, setups(lost)) == (True, 0, 1), again.output
    assert sorted(listed(again)) == ACCOUNTS


@pytest.mark.soak
def test_the_backup_of_the_new_key_serves_a_disaster(lost: Player) -> None:
    job = hire(lost.directory, "job")
    signed = {
        "rms_recover_without_key_signing_key": str(job.private_key),
        "rms_recover_without_key_signing_certificate": str(job.certificate),
    }
    recover(lost, rms_recover_without_key_seal_passphrase="seal of the new key", **signed)
    lost.lab.power("deathsting", False)
    run = lost.play(
        rms_failover_mode="disaster",
        rms_failover_target="jupiter",
        rms_failover_confirm="jupiter",
        rms_failover_seal_passphrase="seal of the new key",
        rms_failover_escrow=str(lost.escrow),
        rms_failover_trusted_signers=[str(job.certificate)],
    )
    assert run.ended_well, run.output
    assert lost.lab.dump()["groups"]["ODYSSEY"]["key"]["jupiter"] == "right"


def test_when_hydra_comes_back_a_failover_to_the_same_server_demotes_it(lost: Player) -> None:
    recover(lost)
    lost.lab.power("hydra", True)
    run = recover(lost)
    assert run.ended_well, run.output
    group = lost.lab.dump()["groups"]["ODYSSEY"]
    assert (group["roles"]["hydra"], group["key"]["hydra"], group["rms"]) == (
        "management_server",
        "wrong",
        "deathsting.odyssey.com",
    )


def test_check_mode_changes_nothing_and_says_what_would_be_lost(lost: Player) -> None:
    before = lost.lab.dump()
    checked = recover(lost, check=True)
    assert checked.ended_well, checked.output
    assert lost.lab.dump() == before
    assert not lost.escrow.exists()
    assert checked.results(NEW_KEY)[-1]["changed"] is True
    assert sorted(listed(checked)) == ACCOUNTS


@pytest.mark.soak
def test_where_the_setup_only_makes_the_key_the_server_is_promoted_with_it(lost: Player) -> None:
    lost.lab.hosts["deathsting"].settings["new_key_promotes"] = False
    run = recover(lost)
    assert run.ended_well, run.output
    assert unproven(lost) == []
    assert recover(lost).changed == 0


def with_backup(player: Player) -> None:
    player.lab.power("hydra", True)
    player.lab.hosts["hydra"].services.settle()
    player.task("support_tools", "hydra", {})
    player.task("secure_storage_backup", "hydra", {"escrow": str(player.escrow), "backup_password": PASSWORD})
    player.lab.power("hydra", False)


def with_something_in_the_escrow(player: Player) -> None:
    folder = player.escrow / "ODYSSEY" / "hydra"
    folder.mkdir(parents=True)
    (folder / "20260131T020304Z-9f86d081.vault").write_bytes(b"perhaps the key")


def without_deathsting(player: Player) -> None:
    player.lab.power("deathsting", False)


def without_the_database(player: Player) -> None:
    player.lab.power("thunder", False)


def with_hydra(player: Player) -> None:
    player.lab.power("hydra", True)
    player.lab.hosts["hydra"].services.settle()


def with_hydra_locked(player: Player) -> None:
    with_hydra(player)
    for user in player.lab.hosts["hydra"].users:
        user.password = "changed yesterday"


def with_a_key_on_jupiter(player: Player) -> None:
    player.lab.installation("jupiter").store_key(bytes(32))


REFUSALS: dict[str, tuple[Any, dict[str, Any], str]] = {
    "not confirmed": (
        None,
        {"rms_recover_without_key_confirm": ""},
        "confirm is '', and the management group of this server is 'ODYSSEY'",
    ),
    "confirmed for another": (None, {"rms_recover_without_key_confirm": "odyssey"}, "confirm is 'odyssey'"),
    "a backup fits": (with_backup, {}, "the escrow holds a backup of this management group's key"),
    "something in the escrow": (
        with_something_in_the_escrow,
        {},
        "1 file(s) in the escrow cannot be read as a backup and may still hold the key",
    ),
    "deathsting does not answer": (
        without_deathsting,
        {},
        "the server that is to become the RMS cannot be used: the server does not answer",
    ),
    "the database does not answer": (
        without_the_database,
        {},
        "Check that SQL Server is running and reachable on this port",
    ),
    "hydra answers": (with_hydra, {}, "hydra: preflight: it answers and still acts as the RMS"),
    "hydra lets nobody in": (
        with_hydra_locked,
        {},
        "hydra: preflight: whether it is the RMS, or has the key, is not known",
    ),
    "jupiter has a key": (with_a_key_on_jupiter, {}, "jupiter: preflight: there is a key in its registry"),
    "no password for the backup": (
        None,
        {"rms_recover_without_key_backup_password": ""},
        "no backup password is given",
    ),
    "no package": (None, {"rms_recover_without_key_package": "C:\\MOM.msi"}, "MOM.msi was not found on the server"),
    "a password for the setup": (
        None,
        {"rms_recover_without_key_properties": {"ACTIONSPASSWORD": "x"}},
        "ACTIONSPASSWORD would put a password",
    ),
    "not a management server": (
        None,
        {"rms_recover_without_key_target": "thunder"},
        "rms_recover_without_key_target is thunder, and exactly one of these hosts was expected",
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refused_before_anything_is_changed(lost: Player, case: str) -> None:
    prepare, variables, found = REFUSALS[case]
    if prepare is not None:
        prepare(lost)
    before = lost.lab.dump()
    run = recover(lost, **variables)
    assert not run.ended_well
    assert found in run.failures[-1]
    assert lost.lab.dump() == before


def test_a_database_that_cannot_be_backed_up_is_found_before_anything_is_done(lost: Player) -> None:
    before = lost.lab.dump()
    run = recover(lost, rms_recover_without_key_database_backup_directory=r"Q:\nowhere")
    assert not run.ended_well
    assert "Nothing was changed. 1 problem(s)" in run.failures[-1]
    assert "back up the database OperationsManager" in run.failures[-1]
    assert lost.lab.dump() == before


def test_a_restart_that_the_setup_wants_is_reported(lost: Player) -> None:
    lost.lab.hosts["deathsting"].settings["setup_wants_reboot"] = True
    run = recover(lost)
    assert run.ended_well, run.output
    [report] = run.results("Report that the server must be restarted")
    assert "deathsting" in report["msg"]


@pytest.mark.soak
def test_keys_that_are_known_to_be_worthless_are_no_obstacle(lost: Player) -> None:
    with_a_key_on_jupiter(lost)
    run = recover(lost, rms_recover_without_key_discard_keys=True)
    assert run.ended_well, run.output
    assert unproven(lost) == []


def test_before_sp1_there_is_no_new_key(start_lab: Any) -> None:
    player = start_lab("odyssey-rtm")
    player.lab.power("hydra", False)
    run = recover(player)
    assert "2007 RTM (6.0.5000.0) cannot make a new key" in run.failures[-1]


@pytest.mark.soak
# Every place with both ways to fail: tests/unit/lab/test_msiexec_mom.py.
@pytest.mark.parametrize(
    ("action", "place"), [("fail", "after-key"), ("fail", "after-registry"), ("drop", "after-database")]
)
def test_a_setup_that_fails_or_dies_is_named_and_run_again(lost: Player, place: str, action: Any) -> None:
    lost.lab.faults.add(Fault("deathsting", "command", f"MOM:{place}", action))
    run = recover(lost)
    assert not run.ended_well
    assert "the action that failed is _CreateNewKey; the log says: " in run.failures[-1] or action == "drop"
    assert "opsmgr-recovery-setup.log on the server" in run.failures[-1]
    again = recover(lost)
    assert again.ended_well, again.output
    assert unproven(lost) == []


@pytest.mark.soak
@pytest.mark.parametrize("moment", [f"{NEW_KEY}+2", "Back up the new key into the escrow+0.5"])
def test_a_run_that_is_killed_is_finished_by_the_next(lost: Player, moment: str) -> None:
    lost.lab.hosts["deathsting"].settings["setup_seconds"] = 4
    recover(lost, cut=moment)
    run = recover(lost)
    assert run.ended_well, run.output
    assert unproven(lost) == []
    assert setups(lost) == 1


@pytest.mark.soak
def test_on_windows_server_2003(start_lab: Any) -> None:
    player = start_lab("odyssey-2003")
    player.lab.power("hydra", False)
    run = recover(player)
    assert run.ended_well, run.output
    assert unproven(player) == []
    assert recover(player).changed == 0
