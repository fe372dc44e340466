# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ALTER DATABASE: who gets in, who is thrown out, and Service Broker."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pyodbc
import pytest
from waiting import until

from lab.sql.messages import SessionEnded, SqlError
from lab.sql.server import SqlServer, SqlSession

Connect = Callable[..., pyodbc.Connection]
Errors = Callable[[], list[int]]
SINGLE = "ALTER DATABASE OperationsManager SET SINGLE_USER WITH ROLLBACK IMMEDIATE"
MULTI = "ALTER DATABASE OperationsManager SET MULTI_USER"
BROKER = "ALTER DATABASE OperationsManager SET ENABLE_BROKER"


@pytest.fixture
def admin(connect: Connect) -> Iterator[pyodbc.Connection]:
    """An administrator in master."""
    connection = connect("master")
    yield connection
    connection.close()


def access(server: SqlServer) -> tuple[str, bool]:
    database = server.databases["OperationsManager"]
    return database.user_access, database.is_broker_enabled


def refused(connection: pyodbc.Connection, sql: str) -> None:
    with pytest.raises(pyodbc.Error):
        connection.execute(sql)


def test_the_books_three_statements(server: SqlServer, admin: pyodbc.Connection) -> None:
    server.databases["OperationsManager"].is_broker_enabled = False
    for sql in (SINGLE, BROKER, MULTI):
        admin.execute(sql)
    assert access(server) == ("MULTI_USER", True)


def test_rollback_immediate_ends_the_others_and_says_so(
    server: SqlServer, admin: pyodbc.Connection, connect: Connect
) -> None:
    other = connect(autocommit=False)
    other.execute("DELETE FROM MT_HealthService")
    cursor = admin.execute(SINGLE)
    assert [text.rsplit(":", 1)[1].strip() for _state, text in cursor.messages] == ["0%.", "100%."]
    refused(other, "SELECT 1")
    admin.execute(MULTI)
    assert admin.execute("SELECT COUNT(*) FROM OperationsManager.dbo.MTV_HealthService").fetchval() == 2


def test_without_others_nothing_is_said(admin: pyodbc.Connection) -> None:
    assert admin.execute(SINGLE).messages == []


def test_the_only_seat_keeps_everybody_else_out(
    server: SqlServer, admin: pyodbc.Connection, connect: Connect, errors: Errors
) -> None:
    admin.execute(SINGLE)
    other = connect("master")
    refused(other, "USE OperationsManager")
    refused(other, "SELECT * FROM OperationsManager.dbo.MTV_HealthService")
    refused(other, MULTI)
    refused(other, MULTI + " WITH ROLLBACK IMMEDIATE")
    with pytest.raises(pyodbc.Error):
        connect()
    assert errors() == [924, 924, 5064, 5064, 4060]
    assert access(server)[0] == "SINGLE_USER"
    admin.execute(MULTI)
    other.execute("USE OperationsManager")


def test_who_leaves_frees_the_seat(server: SqlServer, connect: Connect) -> None:
    first = connect()
    first.execute(SINGLE)
    first.close()
    until(lambda: not server.sessions)
    second, third = connect(), connect("master")
    refused(third, MULTI)
    second.execute("USE master")
    third.execute(MULTI)
    assert access(server)[0] == "MULTI_USER"


class Service:
    """A service of the lab that reconnects at once when somebody throws it out."""

    def __init__(self, server: SqlServer) -> None:
        self.server = server
        self.ended: list[str] = []
        self.refusals: list[int] = []
        self.session: SqlSession = server.connect("OMSDK", "OperationsManager", on_end=self.again)

    def again(self, why: str) -> None:
        self.ended.append(why)
        try:
            self.session = self.server.connect("OMSDK", "OperationsManager", on_end=self.again)
        except SqlError as problem:
            self.refusals.append(problem.number)


def test_a_service_that_reconnects_finds_the_seat_taken(server: SqlServer, admin: pyodbc.Connection) -> None:
    service = Service(server)
    admin.execute(SINGLE)
    until(lambda: service.refusals)
    assert (service.ended, service.refusals) == (["rollback"], [4060])
    with pytest.raises(SessionEnded):
        service.session.query("SELECT 1")
    admin.execute(MULTI)


def test_a_service_steals_the_seat_of_one_who_works_from_master(
    server: SqlServer, admin: pyodbc.Connection, errors: Errors
) -> None:
    server.issuer_keeps_seat = False
    service = Service(server)
    admin.execute(SINGLE)
    until(lambda: service.session.alive)
    for sql in (BROKER, MULTI, "USE OperationsManager"):
        refused(admin, sql)
    assert errors() == [5064, 5064, 924]
    assert [session.program for session in server.seat("OperationsManager")] == ["OMSDK"]
    service.session.close()
    admin.execute(MULTI)


def test_one_connection_that_ends_between_the_statements_loses_the_seat(
    server: SqlServer, connect: Connect, errors: Errors
) -> None:
    service = Service(server)
    first = connect("master")
    first.execute(SINGLE)
    # The service that is thrown out comes back at once: before it is refused, the seat must not be free.
    until(lambda: service.refusals)
    first.close()
    until(lambda: len(server.sessions) == 0)
    thief = service.server.connect("OMSDK", "OperationsManager")
    second = connect("master")
    refused(second, BROKER)
    assert errors() == [5064]
    thief.close()


def test_inside_a_transaction_it_is_refused(server: SqlServer, connect: Connect, errors: Errors) -> None:
    connection = connect("master", autocommit=False)
    refused(connection, SINGLE)
    connection.rollback()
    connection.autocommit = True
    refused(connection, "BEGIN TRAN; " + SINGLE)
    connection.execute("ROLLBACK; SET IMPLICIT_TRANSACTIONS ON")
    refused(connection, SINGLE)
    assert errors() == [226, 226, 226]
    connection.execute("SET IMPLICIT_TRANSACTIONS OFF; " + SINGLE)


def test_broker_waits_for_the_others(
    server: SqlServer, admin: pyodbc.Connection, connect: Connect, errors: Errors
) -> None:
    other = connect()
    refused(admin, BROKER + " WITH NO_WAIT")
    admin.execute("SET LOCK_TIMEOUT 100")
    refused(admin, BROKER)
    admin.execute("SET LOCK_TIMEOUT -1")
    waiting = threading.Thread(target=admin.execute, args=("ALTER DATABASE OperationsManager SET DISABLE_BROKER",))
    waiting.start()
    waiting.join(0.2)
    assert waiting.is_alive()
    assert access(server)[1]
    other.execute("USE master")
    waiting.join(5)
    assert not access(server)[1]
    assert errors() == [5070, 5061]


def test_rollback_after_gives_the_others_time(server: SqlServer, admin: pyodbc.Connection, connect: Connect) -> None:
    other = connect()
    started = time.monotonic()
    admin.execute("ALTER DATABASE OperationsManager SET SINGLE_USER WITH ROLLBACK AFTER 1 SECONDS")
    assert time.monotonic() - started > 0.9
    refused(other, "SELECT 1")


def test_two_databases_cannot_have_one_broker_id(server: SqlServer, admin: pyodbc.Connection, errors: Errors) -> None:
    original = server.databases["OperationsManager"]
    copy = server.add_database("Copy", broker=False)
    copy.service_broker_guid = original.service_broker_guid
    refused(admin, "ALTER DATABASE Copy SET ENABLE_BROKER")
    admin.execute("ALTER DATABASE Copy SET NEW_BROKER")
    assert errors() == [9772]
    assert copy.is_broker_enabled
    assert copy.service_broker_guid != original.service_broker_guid


def test_what_has_no_such_option(admin: pyodbc.Connection, errors: Errors) -> None:
    refused(admin, "ALTER DATABASE Nowhere SET MULTI_USER")
    refused(admin, "ALTER DATABASE master SET SINGLE_USER")
    assert errors() == [5011, 5058]


def test_a_failed_alter_does_not_end_the_batch(server: SqlServer, admin: pyodbc.Connection) -> None:
    with pytest.raises(pyodbc.Error):
        admin.execute(f"{SINGLE}; ALTER DATABASE Nowhere SET ENABLE_BROKER; {MULTI}")
    until(lambda: access(server)[0] == "MULTI_USER")


def test_offline_and_restricted(server: SqlServer, admin: pyodbc.Connection, connect: Connect, errors: Errors) -> None:
    admin.execute("ALTER DATABASE OperationsManager SET OFFLINE")
    refused(admin, "USE OperationsManager")
    refused(admin, BROKER)
    admin.execute("ALTER DATABASE OperationsManager SET ONLINE, RESTRICTED_USER, RECOVERY SIMPLE")
    reader = connect("master", "reader")
    refused(reader, "USE OperationsManager")
    admin.execute("USE OperationsManager")
    assert errors() == [942, 942, 923]
    row = admin.execute(
        "SELECT state_desc, user_access_desc, recovery_model_desc FROM sys.databases WHERE database_id = DB_ID()"
    ).fetchone()
    assert tuple(row) == ("ONLINE", "RESTRICTED_USER", "SIMPLE")


def test_kill_ends_an_idle_session_and_a_running_one(
    server: SqlServer, admin: pyodbc.Connection, connect: Connect, errors: Errors
) -> None:
    idle, busy = connect(), connect()
    numbers = [connection.execute("SELECT @@SPID").fetchval() for connection in (idle, busy)]
    said: list[str] = []

    def work() -> None:
        try:
            busy.execute("WAITFOR DELAY '00:01:00'")
        except pyodbc.Error as problem:
            said.append(str(problem))

    worker = threading.Thread(target=work)
    worker.start()
    until(lambda: server.sessions[numbers[1]].running)
    for number in numbers:
        admin.execute(f"KILL {number}")
    worker.join(5)
    refused(idle, "SELECT 1")
    refused(admin, f"KILL {numbers[0]}")
    refused(admin, "KILL 51")
    assert "kill state" in said[0]
    assert sorted(errors()) == [596, 6104, 6106]
