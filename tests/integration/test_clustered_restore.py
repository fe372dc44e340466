# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The clustered RMS is restored: on nodes without Operations Manager, and on a cluster that only lost its key or its
database.
"""

from __future__ import annotations

from typing import Any

import pytest
from labs import StartLab
from playing import PASSWORD, SEAL, Player, Run
from unit.plugins.plugin_utils.officers import hire

from lab.drill import unproven_cluster
from lab.faults import Fault
from lab.windows.services import Service

PLAYBOOK = "playbooks/clustered_rms_restore.yml"
KEY_FILE = "C:\\RMS-key.bin"


@pytest.fixture
def lost(start_lab: StartLab) -> Player:
    """The cluster without Operations Manager, and somebody carried the key's backup to both nodes."""
    player = start_lab("odyssey-cluster-new")
    carry_key(player)
    return player


def carry_key(player: Player) -> None:
    content = player.lab.hosts["thunder"].fs.read(backup_folder(player) + "\\RMS-key.bin")
    for node in ("castor", "pollux"):
        player.lab.hosts[node].fs.write(KEY_FILE, content)


def backup_folder(player: Player) -> str:
    return f"{player.lab.sql['thunder'].folder}\\Backup"


def restore(player: Player, **options: Any) -> Run:
    variables = {
        "clustered_rms_restore_database_backup": backup_folder(player) + "\\OperationsManager.bak",
        "clustered_rms_restore_key_file": KEY_FILE,
        "clustered_rms_restore_backup_password": "for rehearsals only",
        "clustered_rms_restore_escrow": str(player.escrow),
        "clustered_rms_restore_stable_seconds": 1,
    }
    check = options.pop("check", False)
    cut = options.pop("cut", None)
    return player.play(PLAYBOOK, check=check, cut=cut, only={**variables, **options})


def report(run: Run) -> list[str]:
    return list(run.results("Report what was done and what remains")[-1]["msg"])


def test_nodes_without_operations_manager_become_the_clustered_rms_that_was(lost: Player) -> None:
    before = lost.lab.dump()
    checked = restore(lost, check=True)
    assert checked.ended_well, checked.output
    assert lost.lab.dump() == before
    assert report(checked)[0] == "This would be done:"
    run = restore(lost)
    assert run.ended_well, run.output
    assert unproven_cluster(lost.lab.dump()) == []
    # The account of the nodes' services is each node's own, and nobody has given the virtual server its names.
    assert [line.partition(" (")[0] for line in report(run) if line.startswith("setspn ")] == [
        "setspn -A MSOMSdkSvc/RMSVS ACCOUNT",
        "setspn -A MSOMSdkSvc/RMSVS.odyssey.com ACCOUNT",
        "setspn -A MSOMHSvc/RMSVS RMSVS",
        "setspn -A MSOMHSvc/RMSVS.odyssey.com RMSVS",
        # The setup made castor the RMS before it made the cluster.
        "setspn -D MSOMSdkSvc/CASTOR CASTOR",
        "setspn -D MSOMSdkSvc/castor.odyssey.com CASTOR",
    ]
    after = lost.lab.dump()
    for check in (True, False):
        again = restore(lost, check=check)
        assert again.ended_well, again.output
        assert again.changed == 0
        assert lost.lab.dump() == after


# --- the cluster is there, and the key or the database is lost --------------------------------------------------------


EXISTING = {"clustered_rms_restore_setup": False}


@pytest.fixture
def gemini(start_lab: StartLab) -> Player:
    """The clustered RMS at work, and the backups that somebody made of it."""
    player = start_lab("odyssey-cluster")
    job = hire(player.directory, "job")
    signed = {
        "clustered_rms_restore_signing_key": str(job.private_key),
        "clustered_rms_restore_signing_certificate": str(job.certificate),
    }
    run = in_escrow(player, clustered_rms_restore_backup_only=True, **signed)
    assert run.ended_well, run.output
    return player


def in_escrow(player: Player, **options: Any) -> Run:
    """Restore with the key from the escrow."""
    signer = player.directory / "job.pem"
    secrets = {
        "clustered_rms_restore_backup_password": PASSWORD,
        "clustered_rms_restore_seal_passphrase": SEAL,
        "clustered_rms_restore_trusted_signers": [str(signer)] if signer.exists() else [],
    }
    return restore(player, **{**secrets, "clustered_rms_restore_key_file": "", **options})


def backed_up(player: Player) -> str:
    """The last backup that was made of the database."""
    rows = player.lab.dump()["sql"]["thunder"]["databases"]["msdb"]["tables"]["dbo.backupmediafamily"]
    return str(rows[-1]["physical_device_name"])


def replace_key(player: Player, *nodes: str) -> None:
    for node in nodes:
        player.lab.installation(node).store_key(bytes(32))


def prove_restored(player: Player, **options: Any) -> None:
    """Check, run, check, run: the first changes nothing, the second restores, nothing is left for the others."""
    before = player.lab.dump()
    checked = in_escrow(player, check=True, **options)
    assert checked.ended_well, checked.output
    assert (report(checked)[0], player.lab.dump() == before) == ("This would be done:", True)
    run = in_escrow(player, **options)
    assert run.ended_well, run.output
    assert unproven_cluster(player.lab.dump()) == []
    assert changes(run) - changes(checked) <= UNPREDICTABLE
    for check in (True, False):
        again = in_escrow(player, check=check, **options)
        assert (again.ended_well, again.changed) == (True, 0), again.output


# A restored database has its broker off, and what a task on the console did to the services is nobody's to predict.
UNPREDICTABLE = {
    "Take the group offline while the database is needed alone",
    "Stop the other management servers while the database is restored",
    "Turn on Service Broker of the operational database",
    "Bring the group online again, so that the cluster restarts OMSDK",
    "Start the other management servers",
    "Stop services that run outside the control of the cluster",
}


def changes(run: Run) -> set[str]:
    found = [event for event in run.events if event["event"] == "result" and event["result"].get("changed")]
    return {event["task"].rpartition(" : ")[2] for event in found}


@pytest.mark.parametrize("nodes", [("castor", "pollux"), pytest.param(("pollux",), marks=pytest.mark.soak)])
def test_a_lost_key_is_restored_on_every_node(gemini: Player, nodes: tuple[str, ...]) -> None:
    replace_key(gemini, *nodes)
    prove_restored(gemini, **EXISTING, clustered_rms_restore_database=False)


@pytest.mark.soak
def test_a_lost_database_is_restored(gemini: Player) -> None:
    path = backed_up(gemini)
    sql = gemini.lab.sql["thunder"]
    sql.remove_database(sql.databases["OperationsManager"])
    prove_restored(gemini, **EXISTING, clustered_rms_restore_database_backup=path, clustered_rms_restore_key=False)


def test_nothing_lost_nothing_done(gemini: Player) -> None:
    before = gemini.lab.dump()
    run = in_escrow(gemini, clustered_rms_restore_database=False)
    assert (run.ended_well, run.changed) == (True, 0), run.output
    assert gemini.lab.dump() == before
    assert report(run) == ["The clustered RMS rmsvs works on all its nodes. Nothing to do."]


@pytest.mark.soak
def test_a_node_with_the_registry_of_another_server_is_refused_then_repaired(gemini: Player) -> None:
    gemini.lab.installation("pollux").set_root(False)
    before = gemini.lab.dump()
    refused = in_escrow(gemini, clustered_rms_restore_database=False)
    assert (
        "pollux: preflight: the cluster starts its services, but its registry is not that of a node"
        in refused.failures[-1]
    )
    assert gemini.lab.dump() == before
    prove_restored(gemini, clustered_rms_restore_database=False, clustered_rms_restore_repair_registry=True)


def test_a_database_that_was_used_is_kept(gemini: Player) -> None:
    before = gemini.lab.dump()
    refused = in_escrow(gemini, **EXISTING, clustered_rms_restore_database_backup=backed_up(gemini))
    assert "not proven to be a new one" in refused.failures[-1]
    assert gemini.lab.dump() == before


@pytest.mark.soak
def test_a_database_that_names_another_rms_is_told_before_and_after(gemini: Player) -> None:
    replace_key(gemini, "castor")
    before = gemini.lab.dump()
    refused = in_escrow(
        gemini, **EXISTING, clustered_rms_restore_database=False, clustered_rms_restore_virtual_server="other"
    )
    assert "the RMS is RMSVS.odyssey.com, not other" in refused.failures[-1]
    assert gemini.lab.dump() == before
    sql = gemini.lab.sql["thunder"]
    path = backup_folder(gemini) + "\\moved.bak"
    with sql.connect("somebody", "OperationsManager") as session:
        session.run("UPDATE dbo.MT_HealthService SET IsRHS = 0")
        session.run(
            "UPDATE dbo.MT_HealthService SET IsRHS = 1 WHERE BaseManagedEntityId IN "
            "(SELECT BaseManagedEntityId FROM dbo.BaseManagedEntity WHERE DisplayName LIKE 'deathsting%')"
        )
        session.run("BACKUP DATABASE OperationsManager TO DISK = ?", [path])
    sql.remove_database(sql.databases["OperationsManager"])
    stopped = in_escrow(gemini, **EXISTING, clustered_rms_restore_database_backup=path)
    assert "by the operational database the RMS is deathsting.odyssey.com, not rmsvs" in stopped.failures[-1]
    assert nodes_that_run_it(gemini) == []


# --- what goes wrong --------------------------------------------------------------------------------------------------


def nodes_that_run_it(player: Player) -> list[str]:
    player.lab.clusters["gemini"].settle()
    hosts = player.lab.dump()["hosts"]
    return [node for node in ("castor", "pollux") if hosts[node]["services"].get("OMSDK", {}).get("state") == "running"]


def test_a_node_that_is_down_is_one_of_all_problems(lost: Player) -> None:
    lost.lab.power("pollux", False)
    before = lost.lab.dump()
    for check in (True, False):
        run = restore(
            lost,
            check=check,
            clustered_rms_restore_database_backup="D:\\none.bak",
            clustered_rms_restore_backup_password="short",
        )
        assert not run.ended_well
        problems = run.failures[-1]
        assert "Nothing was changed. 3 problem(s)" in problems
        assert "pollux: preflight: " in problems
        assert "The key has to be on all nodes" in problems
        assert "D:\\\\none.bak" in problems
        assert "no backup password of at least 8 characters" in problems
    assert lost.lab.dump() == before


STOPS = [
    (Fault("pollux", "command", "MOM:before-change", "fail"), "pollux", "castor"),
    (
        Fault("pollux", "command", "ManagementServerConfigTool:before-change", "fail", code=1, text="it died"),
        "pollux",
        None,
    ),
    (Fault("*", "sql", "RESTORE DATABASE", "drop"), "OperationsManager", None),
    # The new cluster's key was the first, the original one is the next.
    (Fault("pollux", "command", "SecureStorageBackup", "fail", code=1, text="it died"), "pollux", None),
    (Fault("*", "resource", "OMSDK", "fail", times=0), "the resource OMSDK is failed", None),
]


@pytest.mark.soak
def test_whatever_stops_a_restore_is_named_and_the_next_run_goes_on(lost: Player) -> None:
    for fault, words, runs_alone in STOPS:
        lost.lab.faults.add(fault)
        stopped = restore(lost)
        lost.lab.faults.clear()
        assert not stopped.ended_well, fault
        assert words in stopped.failures[-1]
        assert "Fix the cause, then rerun the playbook" in stopped.failures[-1]
        assert "Traceback" not in stopped.output
        assert nodes_that_run_it(lost) == ([runs_alone] if runs_alone else [])
    run = restore(lost)
    assert run.ended_well, run.output
    assert unproven_cluster(lost.lab.dump()) == []
    assert restore(lost).changed == 0


# --- the services of SQL Server ---------------------------------------------------------------------------------------


def add_agent(player: Player, start: str = "auto") -> None:
    player.lab.hosts["thunder"].services.add(
        Service("SQLSERVERAGENT", "SQL Server Agent (MSSQLSERVER)", start=start, depends=["MSSQLSERVER"])
    )


def test_sql_services_that_are_stopped_are_started_check_run_check_run(start_lab: StartLab) -> None:
    player = start_lab("odyssey-cluster")
    add_agent(player)
    player.lab.hosts["thunder"].services.stop("MSSQLSERVER")
    player.lab.hosts["thunder"].services.settle()
    before = player.lab.dump()
    predicted = player.task("sql_server_services", "thunder", {}, check=True)
    assert (predicted["changed"], predicted["services"]) == (
        True,
        {"MSSQLSERVER": "stopped, auto", "SQLSERVERAGENT": "stopped, auto"},
    )
    assert player.lab.dump() == before
    result = player.task("sql_server_services", "thunder", {})
    assert (result["changed"], set(result["services"].values())) == (True, {"running, auto"})
    assert predicted["diff"] == result["diff"]
    for check in (True, False):
        assert player.task("sql_server_services", "thunder", {}, check=check)["changed"] is False


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"instance": "OPSMGR"}, "there is no service MSSQL$OPSMGR here"),
        ({"instance": "a&b"}, "is not the name of an instance"),
        ({}, "MSSQLSERVER is stopped, and its start mode is demand"),
    ],
)
def test_sql_services_that_are_not_started(start_lab: StartLab, options: dict[str, str], words: str) -> None:
    player = start_lab("odyssey-cluster")
    services = player.lab.hosts["thunder"].services
    services.configure("MSSQLSERVER", start="demand")
    services.stop("MSSQLSERVER")
    services.settle()
    assert words in player.task("sql_server_services", "thunder", options)["msg"]


def test_an_agent_that_does_not_start_by_itself_is_left_alone(start_lab: StartLab) -> None:
    player = start_lab("odyssey-cluster")
    add_agent(player, "demand")
    result = player.task("sql_server_services", "thunder", {})
    assert (result["changed"], result["services"]["SQLSERVERAGENT"]) == (False, "stopped, demand")


def test_a_database_that_somebody_closed_stays_closed(gemini: Player) -> None:
    gemini.lab.sql["thunder"].databases["OperationsManager"].user_access = "RESTRICTED_USER"
    before = gemini.lab.dump()
    for options in ({"clustered_rms_restore_database": False}, {"clustered_rms_restore_overwrite": "same_group"}):
        run = in_escrow(gemini, **EXISTING, **{"clustered_rms_restore_database_backup": backed_up(gemini), **options})
        assert not run.ended_well
        assert "is in RESTRICTED_USER, and no run of this collection closed it" in run.failures[-1], run.output
        assert gemini.lab.dump() == before
