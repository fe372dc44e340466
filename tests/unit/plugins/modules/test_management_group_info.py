# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module against the lab's SQL Server, through the real pyodbc and FreeTDS."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
import yaml
from unit.plugins.modules.sql_server import (
    ADDRESS,
    ADMIN,
    NAME,
    READER,
    Run,
    Subject,
    assert_no_password,
    fault,
    require_freetds,
)

from ansible_collections.opsmgr.recovery.plugins.module_utils import sqlserver
from ansible_collections.opsmgr.recovery.plugins.module_utils.closed_database import CLOSED_NOTE
from ansible_collections.opsmgr.recovery.plugins.modules import management_group_info
from lab.recorder import Recorder
from lab.sql.opsmgr_schema import (
    add_health_service,
    add_relationship,
    add_run_as,
    create_operations_manager,
    insert,
)
from lab.sql.server import SqlServer
from lab.sql.sessions import Login

require_freetds()

KEYS = {
    "changed",
    "reachable",
    "problem",
    "problem_kind",
    "management_group",
    "rms",
    "servers",
    "agree",
    "unsupported",
    "database",
    "sql_server_version",
    "run_as_accounts",
    "parents",
    "problems",
    "statements",
}


@pytest.fixture
def subject() -> Subject:
    return Subject(management_group_info, READER)


@pytest.fixture
def sql(new_sql: SqlServer) -> SqlServer:
    databases = frozenset({"operationsmanager", "offline", "restoring", "my]d'b;", "empty"})
    new_sql.add_login(Login(READER["login_user"], READER["login_password"], databases=databases))
    add_health_service(new_sql, NAME, "Hydra.Odyssey.com", is_root=True)
    add_health_service(new_sql, NAME, "DeathSting.Odyssey.com")
    add_health_service(new_sql, NAME, "penelope.odyssey.com", is_management_server=False)
    add_run_as(new_sql, NAME, "Action", "momaction", b"sealed", "ODYSSEY", "Runs responses")
    new_sql.start()
    return new_sql


@pytest.mark.parametrize("emulators", [0, 1, 2])
def test_a_healthy_group_of_2022_is_not_called_broken(new_sql: SqlServer, run: Run, emulators: int) -> None:
    version = "10.22.10118.0"
    for number, name in enumerate(("deathsting.odyssey.com", "hydra.odyssey.com")):
        add_health_service(new_sql, NAME, name, is_root=number < emulators, version=version)
    new_sql.start()
    servers = [
        {
            "computer_name": name,
            "administrator": True,
            "installed": True,
            "version": version,
            "management_group": "ODYSSEY",
            "is_rms": False,
            "clustered": False,
            "services": {"OMSDK": {"state": "running"}, "OMCFG": {"state": None}},
        }
        for name in ("DEATHSTING", "HYDRA")
    ]
    result = run(
        **ADMIN, management_servers=[{"item": each["computer_name"].lower(), "server": each} for each in servers]
    )
    assert (result["rms"], result["agree"], result["problems"]) == (None, None, [])
    assert version in result["unsupported"]
    assert [server["roles"] for server in result["servers"]] == [
        ["rms_emulator", "management_server"] if number < emulators else ["management_server"] for number in range(2)
    ]


def test_the_management_group(sql: SqlServer, run: Run) -> None:
    finished = dt.datetime(2026, 1, 31, 2, 3, 4)
    for kind, day in (("D", 30), ("D", 31), ("L", 1)):
        when = finished.replace(day=day, month=1 if kind == "D" else 2)
        insert(
            sql, "msdb", "backupset", {"database_name": "OperationsManager", "type": kind, "backup_finish_date": when}
        )
    result = run(run_as_accounts=True)
    statements = result.pop("statements")
    assert result == {
        "changed": False,
        "reachable": True,
        "problem": None,
        "problem_kind": None,
        "management_group": "ODYSSEY",
        "rms": "Hydra.Odyssey.com",
        "servers": [
            {"name": "DeathSting.Odyssey.com", "roles": ["management_server"], "version": "6.0.6278.0"},
            {"name": "Hydra.Odyssey.com", "roles": ["rms", "management_server"], "version": "6.0.6278.0"},
        ],
        "agree": None,
        "unsupported": None,
        "database": {
            "name": "OperationsManager",
            "state": "ONLINE",
            "user_access": "MULTI_USER",
            "is_broker_enabled": True,
            "recovery_model": "FULL",
            "last_full_backup": "2026-01-31T02:03:04",
            "closed_by_us": False,
            "sessions": None,
        },
        "sql_server_version": "10.0.2531.0",
        "run_as_accounts": [
            {
                "name": "Action",
                "description": "Runs responses",
                "domain": "ODYSSEY",
                "user_name": "momaction",
                "text": "Action (ODYSSEY\\momaction)",
            }
        ],
        "parents": None,
        "problems": [],
    }
    assert len(statements) == 7
    assert all(statement.startswith("SELECT ") for statement in statements)


def test_check_mode_reads_the_same_and_nothing_is_written(sql: SqlServer, run: Run) -> None:
    before = sql.dump()
    real = run()
    assert run(_ansible_check_mode=True) == real
    assert real["run_as_accounts"] is None
    after = sql.dump()
    assert json.dumps(after["databases"], default=str) == json.dumps(before["databases"], default=str)


OTHER_KIND = "2F71C644-E092-B80A-040B-5C81BA1EC353"


def let_report(sql: SqlServer, parent: str, children: dict[str, dict[str, bool]]) -> None:
    """Add health services that report to another one, which is deleted and not groomed away yet."""
    target = add_health_service(sql, NAME, parent, is_deleted=True)
    for name, what in children.items():
        child = add_health_service(sql, NAME, name, **what)
        add_relationship(sql, NAME, child, target)
        add_relationship(sql, NAME, child, target, is_deleted=True)
        add_relationship(sql, NAME, child, target, OTHER_KIND)


def test_who_reports_to_whom(sql: SqlServer, run: Run) -> None:
    assert run(parents=True)["parents"] == []
    agent = {"is_management_server": False}
    gone = {**agent, "is_deleted": True}
    children = {"ithaca.x": agent, "circe.x": agent, "styx.x": {"is_gateway": True}, "kraken.x": {}, "lost.x": gone}
    let_report(sql, "old.x", children)
    result = run(parents=True)
    assert result["parents"] == [{"name": "old.x", "agents": 2, "gateways": ["styx.x"]}]
    assert result["problems"] == []


CONNECTIONS = [
    pytest.param({}, id="SQL login"),
    pytest.param(ADMIN, id="NTLM"),
    pytest.param({"encryption": "off"}, id="not encrypted"),
    pytest.param({"encryption": "require"}, id="encrypted"),
    pytest.param({"tds_version": "7.3"}, id="TDS 7.3"),
    pytest.param({"tds_version": "7.4"}, id="TDS 7.4"),
    pytest.param({"port": 1433, "instance": "ignored"}, id="port given"),
]


@pytest.mark.parametrize("options", CONNECTIONS)
def test_the_ways_to_connect(sql: SqlServer, run: Run, options: dict[str, Any]) -> None:
    result = run(**options)
    assert (result["problem"], result["rms"]) == (None, "Hydra.Odyssey.com")


UNREACHABLE = [
    pytest.param({"login_password": "wrong"}, "login", "the login opsmgr_reader was refused (18456", id="password"),
    pytest.param(
        {**ADMIN, "login_password": "wrong"}, "login", "the login ODYSSEY\\sqladmin was refused", id="NTLM password"
    ),
    pytest.param({"login_user": "nobody"}, "login", "the login nobody was refused (18456", id="no such login"),
    pytest.param({"database": "Nope"}, "database", "the database Nope cannot be opened (911", id="no such database"),
    pytest.param({"database": "master]; DROP TABLE x --"}, "database", "(911", id="hostile name"),
    pytest.param({"database": "msdb_private"}, "database", "(916", id="no user there"),
    pytest.param({"port": 1}, "unreachable", f"SQL Server {ADDRESS}:1:", id="nobody listens"),
    pytest.param({"driver": "Nope"}, "driver", "installed are: ", id="no such driver"),
    pytest.param({"login_user": None, "login_password": None}, "unreachable", "Kerberos ticket", id="no ticket"),
]


@pytest.mark.parametrize(("options", "kind", "words"), UNREACHABLE)
def test_absence_is_an_answer(sql: SqlServer, run: Run, options: dict[str, Any], kind: str, words: str) -> None:
    sql.add_database("msdb_private")
    result = run(**options)
    assert result.keys() == KEYS
    assert (result["reachable"], result["problem_kind"], result["rms"], result["servers"]) == (False, kind, None, None)
    assert words in result["problem"]
    assert "Traceback" not in json.dumps(result)


def test_a_server_that_is_down(sql: SqlServer, run: Run) -> None:
    sql.stop()
    assert run()["problem_kind"] == "unreachable"


@pytest.mark.parametrize("state", ["RESTORING", "OFFLINE"])
def test_the_state_of_a_database_that_does_not_open_is_told_from_outside(sql: SqlServer, run: Run, state: str) -> None:
    sql.databases["OperationsManager"].state = state
    result = run()
    assert (result["reachable"], result["problem_kind"], result["database"]["state"]) == (False, "database", state)
    assert result["problems"] == [f"The server says that the database OperationsManager is {state} and MULTI_USER."]


def test_a_single_seat_that_is_taken(sql: SqlServer, run: Run) -> None:
    sql.databases["OperationsManager"].user_access = "SINGLE_USER"
    with sql.lock:
        thief = sql.connect("thief", "OperationsManager")
    result = run(**ADMIN)
    assert (result["problem_kind"], result["database"]["user_access"]) == ("database", "SINGLE_USER")
    assert "(924" in result["problem"]
    assert result["database"]["closed_by_us"] is None
    [session] = result["database"]["sessions"]
    assert "program thief" in session
    thief.close()


@pytest.mark.parametrize(
    ("access", "note", "ours"),
    [
        ("MULTI_USER", True, False),
        ("SINGLE_USER", True, True),
        ("SINGLE_USER", False, False),
        ("RESTRICTED_USER", True, False),
    ],
)
def test_who_closed_the_database(sql: SqlServer, run: Run, access: str, note: bool, ours: bool) -> None:
    found = sql.databases["OperationsManager"]
    found.user_access = access
    if note:
        found.properties[CLOSED_NOTE] = (CLOSED_NOTE, "")
    shown = run(**ADMIN)["database"]
    assert (shown["closed_by_us"], shown["sessions"]) == (ours, None if access == "MULTI_USER" else [])


def test_names_with_brackets_and_quotes(sql: SqlServer, run: Run) -> None:
    create_operations_manager(sql, "My]D'b;", "ILIAD")
    result = run(database="My]D'b;")
    assert (result["problem"], result["management_group"], result["database"]["name"]) == (None, "ILIAD", "My]D'b;")
    assert result["problems"] == ["No server is the RMS according to the database."]


def test_a_database_that_is_not_of_opsmgr(sql: SqlServer, run: Run) -> None:
    sql.add_database("empty")
    result = run(database="empty", run_as_accounts=True)
    assert (result["reachable"], result["management_group"], result["servers"], result["run_as_accounts"]) == (
        True,
        None,
        None,
        None,
    )
    assert result["database"]["state"] == "ONLINE"
    assert [problem.partition(":")[0] for problem in result["problems"]] == [
        "Could not read the management group's name",
        "Could not read the servers",
        "Could not read the Run As accounts",
    ]


def test_a_gateway_is_no_management_server(sql: SqlServer, run: Run) -> None:
    add_health_service(sql, NAME, "gate.ithaca.com", is_gateway=True)
    result = run()
    assert {"name": "gate.ithaca.com", "roles": ["gateway"], "version": "6.0.6278.0"} in result["servers"]
    assert (result["rms"], result["problems"]) == ("Hydra.Odyssey.com", [])


def test_a_deleted_rms_that_is_not_groomed_away_yet_is_no_second_one(sql: SqlServer, run: Run) -> None:
    add_health_service(sql, NAME, "troy.odyssey.com", is_root=True, is_deleted=True)
    # The same computer as an ordinary server again, as after its Health Service was restarted.
    add_health_service(sql, NAME, "troy.odyssey.com", version="6.1.7221.0")
    result = run()
    assert (result["rms"], result["problems"]) == ("Hydra.Odyssey.com", [])
    assert [server for server in result["servers"] if server["name"].startswith("troy")] == [
        {"name": "troy.odyssey.com", "roles": ["management_server"], "version": "6.1.7221.0"}
    ]


def test_a_view_without_names(new_sql: SqlServer, run: Run) -> None:
    database = create_operations_manager(new_sql, "Older", "ODYSSEY", older_view=True)
    new_sql.add_login(Login(READER["login_user"], READER["login_password"], databases=frozenset({"older"})))
    add_health_service(new_sql, database.name, "Hydra.Odyssey.com", is_root=True)
    add_health_service(new_sql, database.name, "troy.odyssey.com", is_root=True, is_deleted=True)
    add_health_service(new_sql, database.name, "penelope.odyssey.com", is_management_server=False)
    new_sql.start()
    result = run(database=database.name)
    assert (result["rms"], result["problems"]) == ("Hydra.Odyssey.com", [])
    assert result["servers"] == [
        {"name": "Hydra.Odyssey.com", "roles": ["rms", "management_server"], "version": "6.0.6278.0"}
    ]


def test_a_database_that_marks_nothing_as_deleted(sql: SqlServer, run: Run) -> None:
    fault(sql, "SELECT*", "fail", nth=2, times=2, code=208, text="Invalid object name 'dbo.BaseManagedEntity'.")
    result = run()
    assert (result["rms"], result["problems"]) == ("Hydra.Odyssey.com", [])


def looked(name: str, *, is_rms: bool) -> dict[str, Any]:
    """One result of a loop with management_server_info, with what the module reads."""
    state = {"state": "running" if is_rms else "stopped", "start_mode": "auto"}
    server = {
        "computer_name": name,
        "administrator": True,
        "installed": True,
        "version": "6.0.6278.0",
        "is_rms": is_rms,
    }
    return {"item": name.lower(), "server": {**server, "services": {"OMSDK": state, "OMCFG": state}}}


@pytest.mark.parametrize("check", [True, False])
def test_servers_and_database_are_compared(sql: SqlServer, run: Run, check: bool) -> None:
    hydra, deathsting = looked("HYDRA", is_rms=True), looked("DEATHSTING", is_rms=False)
    agreed = run(management_servers=[hydra, deathsting], _ansible_check_mode=check)
    assert (agreed["agree"], agreed["problems"]) == (True, [])
    disagreed = run(management_servers=[hydra, looked("DEATHSTING", is_rms=True)], _ansible_check_mode=check)
    assert disagreed["agree"] is False
    assert [problem.partition(":")[0] for problem in disagreed["problems"]] == ["deathsting"]
    assert (
        "by the database it is an ordinary management server and the RMS is Hydra.Odyssey.com"
        in disagreed["problems"][0]
    )
    assert run(management_servers=[hydra], _ansible_check_mode=check)["agree"] is None


def test_servers_are_not_compared_with_a_database_that_does_not_open(sql: SqlServer, run: Run) -> None:
    result = run(management_servers=[looked("HYDRA", is_rms=True)], database="Nope")
    assert (result["agree"], result["problem_kind"]) == (None, "database")


def test_a_database_whose_versions_have_another_name(sql: SqlServer, run: Run) -> None:
    fault(sql, "SELECT*", "fail", nth=3, times=3, code=207, text="Invalid column name 'Version'.")
    result = run(management_servers=[looked("HYDRA", is_rms=True), looked("DEATHSTING", is_rms=False)])
    assert [server["version"] for server in result["servers"]] == [None, None]
    assert (result["agree"], result["rms"]) == (True, "Hydra.Odyssey.com")
    assert result["problems"] == [
        "Could not read the versions of the servers: error 207 (Invalid column name 'Version'). "
        "Look up the number in the documentation of SQL Server, then rerun."
    ]


def test_a_connection_that_is_cut_is_an_answer_too(sql: SqlServer, run: Run) -> None:
    fault(sql, "SELECT*", "drop", nth=2)
    result = run()
    assert (result["reachable"], result["problem_kind"], len(result["statements"])) == (False, "unreachable", 2)
    assert "the connection was lost" in result["problem"]


def test_a_statement_that_hangs_ends(sql: SqlServer, monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    fault(sql, "SELECT*", "stall", nth=2, seconds=30)
    real = sqlserver.connect
    monkeypatch.setattr(management_group_info, "connect", lambda options: real(options, query_timeout_seconds=1))
    result = run()
    assert result["servers"] is None
    assert "Could not read the servers" in result["problems"][0]
    assert result["management_group"] == "ODYSSEY"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"port": 70000}, "port is 70000. Use a port between 1 and 65535 (in the inventory: opsmgr_sql_port)."),
        ({"login_password": None}, "only one of login_user and login_password is set"),
        ({"server": None}, "missing required arguments: server"),
        (
            {"management_servers": [{"computer_name": "HYDRA"}]},
            "entry 1 of management_servers is not a result of management_server_info",
        ),
        ({"encryption": "maybe"}, "must be one of: off, request, require"),
    ],
    # The address differs between test workers, and a test's name must not.
    ids=["port", "login without password", "no server", "no result", "encryption"],
)
def test_options_that_cannot_work_fail(sql: SqlServer, run: Run, options: dict[str, Any], message: str) -> None:
    result = run(**options)
    assert result["failed"] is True
    assert message in result["msg"]


def test_encryption_off_without_quotes_in_yaml_means_off(sql: SqlServer, run: Run) -> None:
    assert run(encryption=yaml.safe_load("off"))["reachable"] is True


def test_missing_pyodbc_fails_by_name(sql: SqlServer, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlserver, "PYODBC_IMPORT_ERROR", "no module")
    monkeypatch.setattr(management_group_info, "PYODBC_IMPORT_ERROR", "no module")
    result = run()
    assert result["failed"] is True
    assert "(pyodbc)" in result["msg"]
    assert "unixODBC" in result["msg"]


def test_the_password_reaches_the_server_only_as_a_login(sql: SqlServer, run: Run) -> None:
    run(run_as_accounts=True)
    run(**ADMIN)
    assert isinstance(sql.recorder, Recorder)
    recorded = json.dumps(sql.recorder.entries, default=str)
    assert "SELECT ManagementGroupName" in recorded
    assert_no_password(recorded)


def test_the_documented_samples_have_the_real_keys() -> None:
    returned = yaml.safe_load(management_group_info.RETURN)
    assert returned.keys() == KEYS - {"changed"}
    assert all("sample" in value for value in returned.values())
