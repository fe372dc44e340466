# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logging in and asking, with a real driver."""

from __future__ import annotations

import datetime as dt
import socket
import threading
import uuid
from collections.abc import Callable
from decimal import Decimal

import pyodbc
import pytest

from lab.faults import Fault
from lab.sql.server import SqlServer

Connect = Callable[..., pyodbc.Connection]
ASK_BROKER = "SELECT name, is_broker_enabled FROM sys.databases WHERE name = ?"


@pytest.mark.parametrize("encryption", ["off", "request"])
@pytest.mark.parametrize("tds", ["7.2", "7.3", "7.4"])
def test_every_protocol_version_logs_in_and_asks_with_a_parameter(connect: Connect, tds: str, encryption: str) -> None:
    with connect(tds=tds, encryption=encryption) as connection:
        assert tuple(connection.execute(ASK_BROKER, "operationsmanager").fetchone()) == ("OperationsManager", True)
        assert connection.execute(ASK_BROKER, "x").fetchall() == []


@pytest.mark.parametrize(
    ("given", "number"),
    [
        ({"password": "wrong"}, 18456),
        ({"user": "nobody"}, 18456),
        ({"user": "ODYSSEY\\administrator", "password": "wrong"}, 18456),
        ({"database": "Nowhere"}, 4060),
        ({"database": "Other", "user": "reader"}, 4060),
    ],
)
def test_a_refused_login_says_18456_and_the_log_knows_why(
    server: SqlServer, connect: Connect, errors: Callable[[], list[int]], given: dict[str, str], number: int
) -> None:
    server.add_database("Other")
    with pytest.raises(pyodbc.Error, match="18456"):
        connect(**given)
    assert errors() == [number]
    assert server.sessions == {}


@pytest.mark.parametrize("encryption", ["off", "request"])
def test_a_windows_account_proves_itself_by_ntlm(connect: Connect, encryption: str) -> None:
    with connect(user="ODYSSEY\\administrator", encryption=encryption) as connection:
        row = connection.execute("SELECT SUSER_SNAME(), IS_SRVROLEMEMBER('sysadmin')").fetchone()
    assert tuple(row) == ("ODYSSEY\\administrator", 1)


def test_no_password_is_recorded(server: SqlServer, connect: Connect) -> None:
    connect().close()
    assert server.recorder is not None
    assert "Tr0ub4dor" not in repr(server.recorder.entries)
    assert "Tr0ub4dor" not in repr(server.dump())
    assert server.recorder.entries[0]["statement"] == "login"


@pytest.mark.parametrize("tds", ["7.2", "7.4"])
@pytest.mark.parametrize(
    "value",
    [
        0,
        -1,
        2**40,
        1.5,
        "",
        "O'Brien \u4e2d ?",
        "long" * 5000,
        b"\x00\xff",
        b"x" * 20000,
        True,
        None,
        Decimal("-12.340000"),
        dt.datetime(2007, 3, 23, 12, 34, 56, 120000),
    ],
    ids=repr,
)
def test_parameters_come_back_as_they_were(connect: Connect, tds: str, value: object) -> None:
    with connect(tds=tds) as connection:
        assert connection.execute("SELECT ? AS value", value).fetchval() == value


def test_parameters_that_a_driver_sends_as_something_else(connect: Connect) -> None:
    identity = uuid.uuid4()
    with connect(tds="7.4") as connection:
        row = connection.execute("SELECT ?, CAST(? AS datetime)", identity, dt.date(2007, 3, 23)).fetchone()
    assert tuple(row) == (str(identity).upper(), dt.datetime(2007, 3, 23))


def test_a_null_in_every_kind_of_column(connect: Connect) -> None:
    kinds = [
        "int",
        "bit",
        "float",
        "nvarchar(20)",
        "nvarchar(max)",
        "varbinary(max)",
        "datetime",
        "uniqueidentifier",
        "decimal(9,2)",
        "date",
    ]
    with connect(tds="7.4") as connection:
        row = connection.execute("SELECT " + ", ".join(f"CAST(NULL AS {kind})" for kind in kinds)).fetchone()
    assert list(row) == [None] * len(kinds)


def test_a_statement_is_prepared_once_and_run_often(connect: Connect) -> None:
    with connect() as connection:
        cursor = connection.cursor()
        answers = [cursor.execute("SELECT ? + 1", number).fetchval() for number in range(5)]
    assert answers == [1, 2, 3, 4, 5]


def test_many_statements_in_one_batch(connect: Connect) -> None:
    batch = """
        SET NOCOUNT ON -- no semicolons needed
        DECLARE @limit int = 1, @name nvarchar(20)
        SELECT @name = DisplayName FROM MTV_HealthService WHERE IsRHS = @limit
        IF @name LIKE 'hydra[.]%' PRINT 'found' ELSE PRINT 'lost'
        SELECT @name AS name SELECT 2 UNION ALL SELECT 3
    """
    with connect() as connection:
        cursor = connection.execute(batch)
        assert [tuple(row) for row in cursor.fetchall()] == [("hydra.odyssey.com",)]
        assert "found" in cursor.messages[0][1]
        assert cursor.nextset()
        assert [row[0] for row in cursor.fetchall()] == [2, 3]


@pytest.mark.parametrize(
    ("sql", "number"),
    [
        ("SELECT * FROM nowhere", 208),
        ("SELECT nothing FROM sys.databases", 207),
        ("SELECT no_function(1)", 195),
        ("SELECT 'open", 105),
        ("SELECT @missing", 137),
        ("SELECT /* open", 113),
        ("ALERT DATABASE OperationsManager SET MULTI_USER", 156),
        ("SELECT is_broker_enabled FROM sys.databases WHERE name-'OperationsManager'", 4145),
        ("ALTER DATABASE OperationsManager SET SINGLE", 102),
        ("EXEC sp_nothing", 2812),
        ("USE Nowhere", 911),
        ("RAISERROR (N'%s failed', 16, 1, N'it')", 50000),
        ("COMMIT", 3902),
        ("SELECT CAST('x' AS int)", 8114),
        ("SELECT 1 / 0", 8134),
        ("SELECT CAST('x' AS uniqueidentifier)", 8169),
        ("WAITFOR DELAY 'soon'", 50000),
        ("SET LOCK_TIMEOUT soon", 50000),
        ("KILL 'x'", 6101),
        ("BACKUP DATABASE master TO DISK = 'x' WITH STATS = soon", 50000),
        ("INSERT INTO __MOMManagementGroupInfo__ (ManagementGroupName) VALUES ('x')", 515),
    ],
)
def test_errors_have_the_servers_numbers(
    connect: Connect, errors: Callable[[], list[int]], sql: str, number: int
) -> None:
    with connect() as connection, pytest.raises(pyodbc.Error):
        connection.execute(sql)
    assert errors() == [number]


def test_an_ordinary_login_may_look_and_no_more(connect: Connect, errors: Callable[[], list[int]]) -> None:
    with connect(user="reader") as connection:
        asked = connection.execute("SELECT HAS_DBACCESS('OperationsManager'), IS_SRVROLEMEMBER('sysadmin')").fetchone()
        assert tuple(asked) == (1, 0)
        for sql in (
            "ALTER DATABASE OperationsManager SET ENABLE_BROKER",
            "BACKUP DATABASE OperationsManager TO DISK='x'",
            "KILL 52",
        ):
            with pytest.raises(pyodbc.Error):
                connection.execute(sql)
    assert errors() == [5011, 262, 6102]


def test_a_transaction_is_rolled_back_with_autocommit_off(connect: Connect) -> None:
    count = "SELECT COUNT(*) FROM MTV_HealthService"
    with connect(autocommit=False) as connection:
        connection.execute("DELETE FROM [OperationsManager].[dbo].[MT_HealthService] WHERE IsRHS = 1")
        assert connection.execute(count).fetchval() == 1
        connection.rollback()
        assert connection.execute(count).fetchval() == 2
        connection.execute("DELETE FROM dbo.MT_HealthService WHERE IsRHS = 1")
        connection.commit()
    with connect() as connection:
        assert connection.execute(count).fetchval() == 1


def test_a_reader_waits_for_a_writers_transaction(connect: Connect) -> None:
    with connect(autocommit=False) as writer, connect() as reader:
        writer.execute("UPDATE MT_HealthService SET IsGateway = 1")
        reader.execute("SET LOCK_TIMEOUT 100")
        with pytest.raises(pyodbc.Error, match="1222"):
            reader.execute("SELECT * FROM MTV_HealthService")
        assert reader.execute("SELECT DB_NAME()").fetchval() == "OperationsManager"


def test_a_query_timeout_cancels_and_the_connection_lives_on(connect: Connect) -> None:
    with connect() as connection:
        connection.timeout = 1
        with pytest.raises(pyodbc.Error, match="HYT00"):
            connection.execute("WAITFOR DELAY '00:00:30'")
        assert connection.execute("SELECT 1").fetchval() == 1


def test_the_session_table_shows_who_is_there(connect: Connect) -> None:
    with connect() as connection, connect("master", "ODYSSEY\\administrator"):
        rows = connection.execute(
            "SELECT loginame, DB_NAME(dbid), program_name FROM sys.sysprocesses ORDER BY spid"
        ).fetchall()
        spid, count = connection.execute(
            "SELECT @@SPID, COUNT(*) FROM sys.dm_exec_sessions WHERE session_id = @@SPID"
        ).fetchone()
    assert [tuple(row) for row in rows] == [
        ("sa", "OperationsManager", "drill"),
        ("ODYSSEY\\administrator", "master", "drill"),
    ]
    assert (spid, count) == (51, 1)


def test_a_name_can_be_anything(server: SqlServer, connect: Connect) -> None:
    name = "we]ird'na me"
    server.add_database(name)
    with connect("master") as connection:
        connection.execute("USE [we]]ird'na me]; CREATE TABLE [o]]dd] (a int PRIMARY KEY, b nvarchar(9))")
        assert tuple(connection.execute("SELECT DB_NAME(), DB_ID(?)", name).fetchone()) == (name, 6)
        connection.execute("INSERT INTO [we]]ird'na me].dbo.[o]]dd] VALUES (1, 'x]''')")
        assert connection.execute('SELECT b FROM "o]dd"').fetchval() == "x]'"
        assert connection.execute("SELECT TABLE_NAME FROM INFORMATION_SCHEMA.TABLES").fetchval() == "o]dd"


def test_twenty_clients_at_once(server: SqlServer, connect: Connect) -> None:
    answers: list[int] = []

    def ask(number: int) -> None:
        with connect() as connection:
            answers.append(connection.execute("SELECT ? FROM MTV_HealthService WHERE IsRHS = 1", number).fetchval())
        connection.close()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(answers) == list(range(20))


@pytest.mark.parametrize(
    "sent", [b"GET / HTTP/1.1\r\n\r\n" * 9, b"\x12\x01\x00\x09\x00\x00\x00\x00\xff", b"\x10\x01" + bytes(200), b""]
)
def test_who_speaks_no_tds_is_cut_off_and_the_server_lives_on(server: SqlServer, connect: Connect, sent: bytes) -> None:
    with socket.create_connection((server.address, 1433), timeout=2) as raw:
        raw.sendall(sent)
        raw.shutdown(socket.SHUT_WR)
        while raw.recv(4096):
            pass
    connect().close()


def test_a_stopped_server_refuses_and_comes_back_with_what_was_committed(server: SqlServer, connect: Connect) -> None:
    connection = connect()
    server.powered = False
    with pytest.raises(pyodbc.Error):
        connection.execute("SELECT 1")
    with pytest.raises(pyodbc.Error, match="08S01"):
        connect()
    with pytest.raises(ConnectionRefusedError):
        server.connect("OMSDK", "OperationsManager")
    server.powered = True
    with connect() as connection:
        assert connection.execute("SELECT COUNT(*) FROM MTV_HealthService").fetchval() == 2


def test_two_servers_share_a_process(server: SqlServer, connect: Connect) -> None:
    other = SqlServer("lightning", server.address.replace("127.34.", "127.35."), version="9.0", logins={"sa": "x"})
    other.start()
    try:
        text = f"DRIVER={{FreeTDS}};SERVER={other.address};PORT=1433;TDS_Version=7.2;Encryption=off;UID=sa;PWD=x"
        with pyodbc.connect(text, autocommit=True) as second, connect() as first:
            ask = "SELECT @@SERVERNAME, CAST(SERVERPROPERTY('ProductMajorVersion') AS nvarchar(9)), @@VERSION"
            answers = [tuple(connection.execute(ask).fetchone()) for connection in (first, second)]
    finally:
        other.stop()
    assert [answer[:2] for answer in answers] == [("THUNDER", "10"), ("LIGHTNING", "9")]
    assert "2008" in answers[0][2]
    assert "2005" in answers[1][2]


def test_a_fault_lets_a_statement_fail(server: SqlServer, connect: Connect) -> None:
    assert server.faults is not None
    server.faults.add(Fault("thunder", "sql", "SELECT", "fail", nth=2, code=1205, text="chosen as the deadlock victim"))
    with connect() as connection:
        assert connection.execute("SELECT 1").fetchval() == 1
        with pytest.raises(pyodbc.Error, match="deadlock victim"):
            connection.execute("SELECT 1")
        assert connection.execute("SELECT 1").fetchval() == 1


def test_a_fault_drops_a_connection_or_stalls_it(server: SqlServer, connect: Connect) -> None:
    assert server.faults is not None
    server.faults.add(Fault("*", "sql", "USE", "drop"))
    server.faults.add(Fault("*", "sql", "PRINT", "stall", seconds=30))
    with connect() as connection, pytest.raises(pyodbc.Error):
        connection.execute("USE master")
    with connect() as connection:
        connection.timeout = 1
        with pytest.raises(pyodbc.Error, match="HYT00"):
            connection.execute("PRINT 1")


def test_a_fault_at_login(server: SqlServer, connect: Connect) -> None:
    assert server.faults is not None
    server.faults.add(Fault("*", "sql", "login", "fail", code=18456))
    with pytest.raises(pyodbc.Error, match="18456"):
        connect()
    connect().close()
