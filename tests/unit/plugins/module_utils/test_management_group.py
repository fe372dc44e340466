# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from ansible_collections.opsmgr.recovery.plugins.module_utils import management_group as mg
from ansible_collections.opsmgr.recovery.plugins.module_utils.sqlserver import ConnectionProblem, SqlError

ODYSSEY: dict[str, Any] = {
    mg.GROUP_NAME: [{"ManagementGroupName": "ODYSSEY"}],
    mg.SERVERS[0]: [
        {"DisplayName": "DeathSting.Odyssey.com", "IsRHS": False, "IsManagementServer": True, "IsGateway": False},
        # Published scripts say so: a gateway is marked as a management server, too.
        {"DisplayName": "gate.ithaca.com", "IsRHS": None, "IsManagementServer": True, "IsGateway": True},
        {"DisplayName": "Hydra.Odyssey.com", "IsRHS": 1, "IsManagementServer": 1, "IsGateway": 0},
    ],
    mg.VERSIONS[0]: [
        {"DisplayName": "DeathSting.Odyssey.com", "Version": "6.0.6278.0"},
        {"DisplayName": "gate.ithaca.com", "Version": None},
        {"DisplayName": "Hydra.Odyssey.com", "Version": "6.0.6278.100"},
    ],
    mg.DATABASE: [
        {
            "name": "OperationsManager",
            "state_desc": "ONLINE",
            "user_access_desc": "MULTI_USER",
            "is_broker_enabled": True,
            "recovery_model_desc": "SIMPLE",
        }
    ],
    mg.SQL_SERVER_VERSION: [{"version": "10.0.2531.0"}],
    mg.LAST_FULL_BACKUP: [{"finished": datetime(2026, 1, 31, 2, 3, 4)}],
    mg.RUN_AS_ACCOUNTS[0]: [
        {"Name": "Action", "Description": "Runs responses", "Domain": "ODYSSEY", "UserName": "momaction"},
        {"Name": "SQL", "Description": None, "Domain": None, "UserName": "sa"},
    ],
}


def statements(name: str) -> tuple[str, ...]:
    """All ways to ask for a part."""
    found = getattr(mg, name)
    return found if isinstance(found, tuple) else (found,)


class Answers:
    """A connection that answers from a table; an exception in the table is raised."""

    def __init__(self, **changes: Any) -> None:
        changed = {statement: answer for name, answer in changes.items() for statement in statements(name)}
        self.answers = {**ODYSSEY, **changed}
        self.asked: list[tuple[object, ...]] = []

    def rows(self, statement: str, *values: object) -> list[dict[str, Any]]:
        self.asked.append((statement, *values))
        answer = self.answers[statement]
        if isinstance(answer, Exception):
            raise answer
        return list(answer)


def sql_error(number: int, message: str) -> SqlError:
    return SqlError(number, "42S22", message, "SELECT ...", "sql1:1433")


def test_the_group_of_the_book() -> None:
    facts = mg.read_group(Answers(), "OperationsManager", run_as_accounts=True)
    assert (facts.management_group, facts.rms, facts.sql_server_version) == (
        "ODYSSEY",
        "Hydra.Odyssey.com",
        "10.0.2531.0",
    )
    assert {server.name: server.roles for server in facts.servers or []} == {
        "DeathSting.Odyssey.com": ["management_server"],
        "gate.ithaca.com": ["gateway"],
        "Hydra.Odyssey.com": ["rms", "management_server"],
    }
    assert {server.name: server.version for server in facts.servers or []} == {
        "DeathSting.Odyssey.com": "6.0.6278.0",
        "gate.ithaca.com": None,
        "Hydra.Odyssey.com": "6.0.6278.100",
    }
    assert facts.database == mg.DatabaseState("OperationsManager", "ONLINE", "MULTI_USER", True, "SIMPLE")
    assert facts.last_full_backup == datetime(2026, 1, 31, 2, 3, 4)
    assert facts.run_as_accounts == [
        mg.RunAsAccount("Action", "Runs responses", "ODYSSEY", "momaction"),
        mg.RunAsAccount("SQL", "", "", "sa"),
    ]
    assert [str(account) for account in facts.run_as_accounts] == ["Action (ODYSSEY\\momaction)", "SQL (sa)"]
    assert facts.problems == []


def test_names_are_bound_and_run_as_accounts_only_asked_for_on_request() -> None:
    reader = Answers(DATABASE=[])
    facts = mg.read_group(reader, "x'; DROP DATABASE master --")
    bound = [asked for asked in reader.asked if len(asked) > 1]
    assert bound == [(mg.DATABASE, "x'; DROP DATABASE master --"), (mg.LAST_FULL_BACKUP, "x'; DROP DATABASE master --")]
    assert not {asked[0] for asked in reader.asked}.intersection(mg.RUN_AS_ACCOUNTS)
    assert (facts.run_as_accounts, facts.database) == (None, None)


def test_no_statement_asks_for_a_secret() -> None:
    for statement in mg.RUN_AS_ACCOUNTS:
        columns = statement.removeprefix("SELECT ").partition(" FROM ")[0].split(", ")
        assert set(columns) <= {"Name", "Description", "Domain", "UserName"}


PARTS = [
    ("GROUP_NAME", "management_group", "the management group's name"),
    ("SERVERS", "servers", "the servers"),
    ("DATABASE", "database", "the state of the database"),
    ("SQL_SERVER_VERSION", "sql_server_version", "the version of SQL Server"),
    ("LAST_FULL_BACKUP", "last_full_backup", "the last backup of the database"),
    ("RUN_AS_ACCOUNTS", "run_as_accounts", "the Run As accounts"),
]


@pytest.mark.parametrize(("statement", "part", "words"), PARTS)
def test_a_part_that_cannot_be_read_costs_only_itself(statement: str, part: str, words: str) -> None:
    reader = Answers(**{statement: sql_error(207, "Invalid column name 'UserName'.")})
    facts = mg.read_group(reader, "OperationsManager", run_as_accounts=True)
    assert getattr(facts, part) is None
    (problem,) = facts.problems
    assert problem.startswith(f"Could not read {words}: error 207 (Invalid column name 'UserName'). ")
    others = [other[1] for other in PARTS if other[1] != part]
    assert all(getattr(facts, name) is not None for name in others)


def test_versions_that_cannot_be_read_cost_only_themselves() -> None:
    facts = mg.read_group(Answers(VERSIONS=sql_error(207, "Invalid column name 'Version'.")), "OperationsManager")
    assert [server.version for server in facts.servers or []] == [None, None, None]
    assert facts.rms == "Hydra.Odyssey.com"
    (problem,) = facts.problems
    assert problem.startswith("Could not read the versions of the servers: error 207 (Invalid column name 'Version'). ")


def test_without_servers_there_are_no_versions_to_ask_for() -> None:
    reader = Answers(SERVERS=sql_error(208, "Invalid object name."))
    assert len(mg.read_group(reader, "OperationsManager").problems) == 1
    assert not {asked[0] for asked in reader.asked}.intersection(mg.VERSIONS)


NOT_KNOWN = sql_error(207, "Invalid column name 'DisplayName'."), sql_error(208, "Invalid object name 'dbo.X'.")


@pytest.mark.parametrize("part", ["SERVERS", "VERSIONS", "RUN_AS_ACCOUNTS"])
@pytest.mark.parametrize("error", NOT_KNOWN)
def test_names_that_a_database_does_not_know_are_asked_for_in_another_way(part: str, error: SqlError) -> None:
    first, *others = statements(part)
    for place, answering in enumerate(others):
        reader = Answers(**{part: error})
        reader.answers[answering] = ODYSSEY[first]
        facts = mg.read_group(reader, "OperationsManager", run_as_accounts=True)
        assert facts.problems == []
        assert (facts.rms, len(facts.run_as_accounts or [])) == ("Hydra.Odyssey.com", 2)
        assert [asked[0] for asked in reader.asked if asked[0] in (first, *others)] == [first, *others[: place + 1]]


def test_what_is_not_allowed_is_not_asked_for_in_another_way() -> None:
    reader = Answers(SERVERS=sql_error(229, "The SELECT permission was denied."))
    assert mg.read_group(reader, "OperationsManager").servers is None
    assert [asked[0] for asked in reader.asked if asked[0] in mg.SERVERS] == [mg.SERVERS[0]]


def test_accounts_without_names() -> None:
    reader = Answers(RUN_AS_ACCOUNTS=NOT_KNOWN[0])
    reader.answers[mg.RUN_AS_ACCOUNTS[-1]] = [{"UserName": "momaction"}]
    assert [str(account) for account in mg.read_run_as_accounts(reader)] == ["momaction"]


def test_a_lost_connection_is_not_swallowed() -> None:
    reader = Answers(SERVERS=ConnectionProblem("unreachable", "sql1", "lost", "Look"))
    with pytest.raises(ConnectionProblem):
        mg.read_group(reader, "OperationsManager")


def server(name: str, rms: bool) -> dict[str, Any]:
    return {"DisplayName": name, "IsRHS": rms, "IsManagementServer": True, "IsGateway": False}


def database(**changes: Any) -> list[dict[str, Any]]:
    return [{**ODYSSEY[mg.DATABASE][0], **changes}]


JUDGED = [
    ({"SERVERS": [server("hydra", False)]}, "No server is the RMS"),
    (
        {"SERVERS": [server("hydra", True), server("deathsting", True)]},
        "More than one server is the RMS according to the database: hydra, deathsting.",
    ),
    ({"GROUP_NAME": []}, "does not name exactly one management group"),
    (
        {"GROUP_NAME": [{"ManagementGroupName": "A"}, {"ManagementGroupName": "B"}]},
        "does not name exactly one management group",
    ),
    ({"DATABASE": database(is_broker_enabled=False)}, "Service Broker is off"),
    ({"DATABASE": database(user_access_desc="SINGLE_USER")}, "is in SINGLE_USER"),
    ({"DATABASE": database(state_desc="SUSPECT", is_broker_enabled=False)}, "is SUSPECT, not ONLINE"),
]


@pytest.mark.parametrize(("answers", "message"), JUDGED)
def test_what_is_wrong_is_said(answers: dict[str, Any], message: str) -> None:
    facts = mg.read_group(Answers(**answers), "OperationsManager")
    (problem,) = facts.problems
    assert message in problem
    assert facts.rms == ("Hydra.Odyssey.com" if "SERVERS" not in answers else None)


def test_no_backup_is_no_problem_by_itself() -> None:
    facts = mg.read_group(Answers(LAST_FULL_BACKUP=[{"finished": None}]), "OperationsManager")
    assert (facts.last_full_backup, facts.problems) == (None, [])
