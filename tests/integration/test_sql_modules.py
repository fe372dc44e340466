# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules that change a database, run by ansible-playbook against the whole lab, whose services use that database."""

from __future__ import annotations

import os
from typing import Any

import pytest
import yaml
from labs import StartLab
from playing import Player
from waiting import until

from ansible_collections.opsmgr.recovery.plugins.module_utils.closed_database import CLOSED_NOTE
from ansible_collections.opsmgr.recovery.plugins.modules import management_group_info
from lab.sql.store import Database

pyodbc = pytest.importorskip("pyodbc")
if "FreeTDS" not in pyodbc.drivers():
    pytest.skip("FreeTDS is not installed", allow_module_level=True)

PATH = "C:\\operations.bak"


def database(player: Player) -> Database:
    return player.lab.sql["thunder"].databases["OperationsManager"]


def connection(player: Player) -> dict[str, Any]:
    """The options that connect to the lab's SQL Server, as its inventory has them."""
    server, login = player.lab.sql["thunder"], player.lab.topology.sql.login
    return {"server": server.address, "login_user": login.name, "login_password": login.password}


def task(player: Player, module: str, *, check: bool = False, **options: Any) -> dict[str, Any]:
    return player.task(module, "localhost", {**connection(player), **options}, check=check)


def servers(player: Player) -> list[str]:
    tables = player.lab.dump()["sql"]["thunder"]["databases"]["OperationsManager"]["tables"]
    return sorted(row["DisplayName"] for row in tables["dbo.MTV_HealthService"])


def test_the_broker_while_opsmgr_runs(odyssey: Player) -> None:
    database(odyssey).is_broker_enabled = False
    before = odyssey.lab.dump()
    assert task(odyssey, "service_broker", check=True)["changed"] is True
    assert odyssey.lab.dump() == before
    result = task(odyssey, "service_broker")
    assert result["changed"] is True
    assert result["sessions"], "the services of the RMS are in the database"
    assert (database(odyssey).is_broker_enabled, database(odyssey).user_access) == (True, "MULTI_USER")
    for check in (True, False):
        assert task(odyssey, "service_broker", check=check)["changed"] is False


@pytest.mark.parametrize("enabled", [True, False])
def test_a_database_that_a_killed_run_left(odyssey: Player, enabled: bool) -> None:
    database(odyssey).is_broker_enabled = enabled
    for host in ("hydra", "deathsting", "jupiter"):
        for service in ("OMSDK", "OMCFG", "HealthService"):
            odyssey.lab.hosts[host].services.stop(service)
    until(lambda: not odyssey.lab.sql["thunder"].seat("OperationsManager"))
    database(odyssey).user_access = "SINGLE_USER"
    refused = task(odyssey, "service_broker")
    assert (refused["failed"], database(odyssey).user_access) == (True, "SINGLE_USER")
    database(odyssey).properties[CLOSED_NOTE] = (CLOSED_NOTE, "")
    assert task(odyssey, "service_broker")["changed"] is True
    assert (database(odyssey).is_broker_enabled, database(odyssey).user_access) == (True, "MULTI_USER")


COMPARING = [
    "Look at all management servers of the group",
    "Do they and the database agree about who is the RMS?",
    "Stop unless they do",
]


def compare(player: Player, loop: str | None = None) -> tuple[bool, dict[str, Any]]:
    """Run the documented example, over other servers if wanted: whether its assertion held, and what was found."""
    tasks = [task for task in yaml.safe_load(management_group_info.EXAMPLES) if task["name"] in COMPARING]
    assert len(tasks) == len(COMPARING)
    tasks[0]["loop"] = loop or tasks[0]["loop"]
    tasks[1]["opsmgr.recovery.management_group_info"].update(connection(player))
    run = player.play([{"hosts": "deathsting", "gather_facts": False, "tasks": tasks}])
    [found] = run.results(COMPARING[1])
    return run.ended_well, found


def test_servers_and_database_agree_until_one_says_otherwise(odyssey: Player) -> None:
    held, found = compare(odyssey)
    assert (held, found["agree"], found["problems"]) == (True, True, [])
    odyssey.lab.hosts["hydra"].services.stop("OMCFG")
    held, found = compare(odyssey)
    assert (held, found["agree"]) == (False, False)
    [problem] = found["problems"]
    assert problem.startswith(
        "hydra: its registry says that it is the RMS, and OMSDK is running and OMCFG is stopped; by the database it is the RMS."
    )
    odyssey.lab.hosts["hydra"].services.start("OMCFG")
    odyssey.lab.power("deathsting", False)
    held, found = compare(odyssey)
    assert (held, found["agree"]) == (False, None)
    assert [text.partition(":")[0] for text in found["problems"]] == ["deathsting"]


@pytest.mark.parametrize(
    "groups",
    ["opsmgr_rms_cluster:opsmgr_management_servers", "opsmgr_rms:opsmgr_rms_cluster:opsmgr_management_servers"],
)
def test_the_nodes_of_a_clustered_rms_agree_until_it_is_offline(start_lab: StartLab, groups: str) -> None:
    player = start_lab("odyssey-cluster")
    loop = "{{ query('inventory_hostnames', '" + groups + "') }}"
    held, found = compare(player, loop)
    assert (held, found["agree"], found["problems"]) == (True, True, [])
    cluster = player.lab.clusters["gemini"]
    cluster.offline(cluster.group("RMS"))
    assert cluster.settle()
    held, found = compare(player, loop)
    assert (held, found["agree"]) == (False, False)
    assert any("should run on one node of the cluster" in problem for problem in found["problems"])


def test_a_backup_goes_to_the_servers_own_directory_and_its_progress_to_the_terminal(odyssey: Player) -> None:
    screen, terminal = os.openpty()
    made = task(odyssey, "database_backup", max_age=1, progress_file=os.ttyname(terminal))
    assert b"BACKUP of OperationsManager: 100 percent" in os.read(screen, 10000)
    os.close(terminal)
    os.close(screen)
    assert odyssey.lab.hosts["thunder"].fs.is_file(made["path"])
    assert "\\MSSQL\\Backup\\OperationsManager_20" in made["path"]
    assert task(odyssey, "database_backup", max_age=1)["changed"] is False


def test_backup_and_restore(odyssey: Player) -> None:
    before = odyssey.lab.dump()
    assert task(odyssey, "database_backup", path=PATH, check=True)["changed"] is True
    assert odyssey.lab.dump() == before
    made = task(odyssey, "database_backup", path=PATH)
    assert made["backup"]["verified"] is True
    assert odyssey.lab.hosts["thunder"].fs.is_file(PATH)
    assert task(odyssey, "database_backup", path=PATH, max_age=1)["changed"] is False

    known = servers(odyssey)
    with odyssey.lab.sql["thunder"].connect("somebody", "OperationsManager") as session:
        session.run("DELETE FROM MT_HealthService WHERE IsRHS = 0")
    assert servers(odyssey) != known
    options = {"path": PATH, "overwrite": "same_group", "management_group": "ODYSSEY"}
    refused = task(odyssey, "database_restore", **options)
    assert "in use: session" in refused["msg"]
    predicted = task(odyssey, "database_restore", **options, disconnect=True, check=True)
    assert predicted["changed"] is True
    assert servers(odyssey) != known
    restored = task(odyssey, "database_restore", **options, disconnect=True)
    assert (restored["changed"], restored["after"]["management_group"]) == (True, "ODYSSEY")
    assert servers(odyssey) == known
    for check in (True, False):
        assert task(odyssey, "database_restore", **options, check=check)["changed"] is False
    assert task(odyssey, "service_broker")["changed"] is True
    assert (database(odyssey).is_broker_enabled, database(odyssey).user_access) == (True, "MULTI_USER")


def test_a_copy_beside_the_original_needs_a_broker_of_its_own(odyssey: Player) -> None:
    task(odyssey, "database_backup", path=PATH)
    assert task(odyssey, "database_restore", path=PATH, database="Copy")["changed"] is True
    refused = task(odyssey, "service_broker", database="Copy")
    assert (refused["failed"], refused["changed"]) == (True, False)
    assert "OperationsManager has the same broker id" in refused["msg"]
    assert task(odyssey, "service_broker", database="Copy", new_broker=True)["changed"] is True
    copy = odyssey.lab.sql["thunder"].databases["Copy"]
    assert (copy.is_broker_enabled, copy.user_access) == (True, "MULTI_USER")
    assert (database(odyssey).is_broker_enabled, database(odyssey).user_access) == (True, "MULTI_USER")
