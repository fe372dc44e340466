# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions of the lab's own services, the dump, and the parts that need no network."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.sql import opsmgr_schema
from lab.sql.batch import If, Node, parse_batch
from lab.sql.lexer import quote, tokenize
from lab.sql.messages import SqlError
from lab.sql.server import SqlServer


def heads(nodes: list[Node]) -> list[str]:
    return ["IF" if isinstance(node, If) else node.head for node in nodes]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT 1 SELECT 2; SELECT 3", ["SELECT"] * 3),
        ("INSERT INTO t SELECT 1 UNION SELECT 2 SELECT 3", ["INSERT", "SELECT"]),
        ("UPDATE t SET a = CASE WHEN b = 1 THEN 2 ELSE 3 END SET NOCOUNT ON", ["UPDATE", "SET"]),
        ("WITH c AS (SELECT 1 AS a) SELECT a FROM c", ["SELECT"]),
        (
            "ALTER DATABASE [a] SET SINGLE_USER WITH ROLLBACK IMMEDIATE ALTER DATABASE [a] SET MULTI_USER",
            ["ALTER DATABASE", "ALTER DATABASE"],
        ),
        ("IF @@TRANCOUNT > 0 BEGIN COMMIT; PRINT 'x' END ELSE SELECT 1 BEGIN TRAN", ["IF", "BEGIN TRANSACTION"]),
        ("-- nothing\n/* at /* all */ */", []),
    ],
)
def test_statements_end_where_the_next_one_begins(sql: str, expected: list[str]) -> None:
    assert heads(parse_batch(sql)) == expected


@pytest.mark.parametrize("sql", ["IF 1 = 1", "IF 1 = 1 SELECT 1 ELSE", "IF 1 = 1 SELECT 1; ELSE"])
def test_a_condition_without_a_statement_is_refused(sql: str) -> None:
    with pytest.raises(SqlError, match="102"):
        parse_batch(sql)


@given(st.text(min_size=1))
def test_any_name_survives_quoting(name: str) -> None:
    tokens = tokenize(f"USE {quote(name)}")
    assert [token.value for token in tokens] == ["USE", name]


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    refused: list[SqlError] = []
    try:
        parse_batch(text)
    except SqlError as problem:
        refused.append(problem)
    assert [problem.messages[0].severity for problem in refused] in ([], [15])


_WORDS = (
    "SELECT INSERT UPDATE DELETE FROM WHERE SET USE KILL DECLARE PRINT RAISERROR WAITFOR DELAY IF ELSE BEGIN END ALTER DATABASE "
    "OperationsManager master MTV_HealthService IsRHS SINGLE_USER WITH ROLLBACK AFTER BACKUP RESTORE VERIFYONLY TO DISK = CREATE "
    "TABLE DROP EXEC sp_who2 TRAN COMMIT NOCOUNT LOCK_TIMEOUT ON @a int 1 -1 'x' N'y' 0x01 ( ) , ; . * + [a]]b] TOP AS NULL VALUES"
).split()


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(_WORDS), min_size=1, max_size=9))
def test_any_statement_is_run_or_refused(server: SqlServer, words: list[str]) -> None:
    with server.connect("fuzz", "master") as session, suppress(SqlError):
        session.query(" ".join(words))


def test_a_service_asks_with_question_marks_and_reads_by_name(server: SqlServer) -> None:
    with server.connect("OMSDK", "OperationsManager") as session:
        named = "(SELECT BaseManagedEntityId FROM BaseManagedEntity WHERE DisplayName = ?)"
        gateway = f"UPDATE MT_HealthService SET IsGateway = ? WHERE BaseManagedEntityId IN {named}"
        session.execute(gateway, [True, "hydra.odyssey.com"])
        rows = session.query("SELECT DisplayName, IsGateway FROM MTV_HealthService WHERE DisplayName <> '?' ORDER BY 1")
    assert [(row[0], row["isgateway"]) for row in rows] == [
        ("deathsting.odyssey.com", False),
        ("hydra.odyssey.com", True),
    ]
    assert rows[0].DisplayName == "deathsting.odyssey.com"
    assert server.sessions == {}


def test_question_marks_in_quotes_are_no_places(server: SqlServer) -> None:
    with server.connect("OMSDK", "master") as session:
        [row] = session.query("""SELECT ? AS [a?]]'b?], '?''?' AS "?'", ? AS c""", [1, 2])
    assert dict(zip(row.names, row, strict=True)) == {"a?]'b?": 1, "?'": "?'?", "c": 2}


def test_a_services_statements_are_not_the_clients(server: SqlServer) -> None:
    with server.connect("OMSDK", "OperationsManager") as session:
        session.query("SELECT 1")
    assert server.recorder is not None
    assert server.recorder.entries == []


def test_expressions(server: SqlServer) -> None:
    asked = {
        "'a' + N'b'": "ab",
        "1 + 2 * 3": 7,
        "-7 / 2": -3,
        "7 / 2.0": 3.5,
        "LEN('abc  ')": 3,
        "LEFT('hydra', 2) + RIGHT('hydra', 2)": "hyra",
        "CHARINDEX('D', 'hydra')": 3,
        "ISNULL(NULL, 'x')": "x",
        "CONVERT(nvarchar(10), CAST('2007-03-23T10:00:00' AS datetime), 120)": "2007-03-23",
        "DATEDIFF(day, '20070323', '20070401')": 9,
        "DATEADD(month, 1, '20070131')": "2007-02-28 00:00:00",
        "CAST(0x4100 AS nvarchar(5))": "A",
        "CASE WHEN 'Hydra' LIKE 'h[x-z]%' THEN 1 END": 1,
        "IIF(OBJECT_ID('dbo.MTV_HealthService') IS NULL, 0, 1)": 1,
        "QUOTENAME('a]b')": "[a]]b]",
        "DATABASEPROPERTYEX('OperationsManager', 'Status')": "ONLINE",
    }
    with server.connect("test", "OperationsManager") as session:
        answers = {sql: session.query(f"SELECT {sql}")[0][0] for sql in asked}
    assert {sql: str(answer) for sql, answer in answers.items()} == {sql: str(value) for sql, value in asked.items()}


def test_the_dump_is_stable_and_shows_no_bytes(server: SqlServer) -> None:
    opsmgr_schema.add_run_as(server, "OperationsManager", "action", "ODYSSEY\\svc", b"secret")
    first = server.dump()
    assert first == server.dump()
    database = first["databases"]["OperationsManager"]
    assert (database["state"], database["user_access"], database["is_broker_enabled"]) == ("ONLINE", "MULTI_USER", True)
    (row,) = database["tables"]["dbo.CredentialManagerSecureStorage"]
    assert row["Data"].startswith("sha256:")
    assert first["logins"] == ["ODYSSEY\\administrator", "reader", "sa"]


def test_a_view_shows_rows_of_tables_and_is_no_table(server: SqlServer) -> None:
    with server.connect("test", "OperationsManager") as session:
        assert session.query("SELECT COUNT(*) FROM MTV_HealthService")[0][0] == 2
        kinds = session.query("SELECT name, type_desc FROM sys.objects WHERE name LIKE 'MT%HealthService' ORDER BY 1")
        assert [tuple(kind) for kind in kinds] == [("MT_HealthService", "USER_TABLE"), ("MTV_HealthService", "VIEW")]
        assert session.query("SELECT COUNT(*) FROM sys.tables WHERE name = 'MTV_HealthService'")[0][0] == 0
        with pytest.raises(SqlError, match="3705"):
            session.execute("DROP TABLE dbo.MTV_HealthService")
        session.execute("DROP TABLE dbo.MT_HealthService")
        with pytest.raises(SqlError, match="208"):
            session.query("SELECT * FROM dbo.MTV_HealthService")
        session.execute("DROP VIEW dbo.MTV_HealthService")
        for gone in ("MTV_HealthService", "BaseManagedEntity"):
            with pytest.raises(SqlError, match="3701"):
                session.execute(f"DROP VIEW dbo.{gone}")
