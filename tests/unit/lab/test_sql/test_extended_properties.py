# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Extended properties of databases, by pyodbc and FreeTDS: names are unique, values bounded, and they travel with a
backup.
"""

from __future__ import annotations

from collections.abc import Callable

import pyodbc
import pytest
from unit.lab.test_sql.conftest import Connect

from lab.sql.server import SqlServer

ADD = "EXEC sys.sp_addextendedproperty @name = ?, @value = ?"
UPDATE = "EXEC sys.sp_updateextendedproperty @name = ?, @value = ?"
DROP = "EXEC sys.sp_dropextendedproperty @name = ?"
READ = "SELECT name, CAST(value AS nvarchar(3750)) AS value FROM sys.extended_properties WHERE class = 0 AND name LIKE ? ORDER BY name"


def read(connection: pyodbc.Connection, like: str = "%") -> list[tuple[str, str]]:
    return [(row.name, row.value) for row in connection.execute(READ, like).fetchall()]


def test_a_property_is_added_once_changed_and_dropped(
    connect: Connect, errors: Callable[[], list[int]], server: SqlServer
) -> None:
    first, second = connect(), connect()
    first.execute(ADD, "Whose", 'née "x"')
    with pytest.raises(pyodbc.Error, match="Property 'WHOSE' already exists for 'object specified'"):
        second.execute(ADD, "WHOSE", "another")
    assert read(second) == [("Whose", 'née "x"')]
    second.execute(UPDATE, "whose", "another")
    assert read(first, "wh%") == [("Whose", "another")]
    assert server.dump()["databases"]["OperationsManager"]["extended_properties"] == {"Whose": "another"}
    first.execute(DROP, "whose")
    for statement, values in ((DROP, ("whose",)), (UPDATE, ("whose", "x"))):
        with pytest.raises(pyodbc.Error, match="does not exist for 'object specified'"):
            first.execute(statement, *values)
    assert read(first) == []
    assert errors() == [15233, 15217, 15217]


@pytest.mark.parametrize(
    ("call", "number"),
    [
        ("sp_addextendedproperty", 201),
        ("sp_addextendedproperty @value = 'x'", 201),
        ("sp_addextendedproperty NULL, 'x'", 15600),
        ("sp_addextendedproperty 'a', 'x', NULL, NULL", None),
        ("sp_addextendedproperty 'a', 1", None),
        ("sp_addextendedproperty @name = 'a', @who = 'x'", 8145),
        ("sp_dropextendedproperty 'a', NULL, NULL, NULL, NULL, NULL, NULL, NULL", 8144),
        ("sp_addextendedproperty 'a', 'x', 'SCHEMA', 'dbo'", 50000),
        ("OperationsManager.sys.sp_dropextendedproperty 'a'", 15217),
        ("nowhere.sys.sp_dropextendedproperty 'a'", 911),
    ],
)
def test_a_call_is_carried_out_or_refused(
    server: SqlServer, connect: Connect, errors: Callable[[], list[int]], call: str, number: int | None
) -> None:
    connection = connect("master")
    if number is None:
        connection.execute(f"EXEC {call}")
    else:
        with pytest.raises(pyodbc.Error):
            connection.execute(f"EXEC {call}")
    assert errors()[:1] == ([] if number is None else [number])
    assert len(server.databases["master"].properties) == (number is None)


@pytest.mark.parametrize(("length", "refused"), [(3750, False), (3751, True)])
def test_a_value_has_at_most_7500_bytes(
    connect: Connect, errors: Callable[[], list[int]], length: int, refused: bool
) -> None:
    connection = connect()
    try:
        connection.execute(ADD, "a", "x" * length)
    except pyodbc.Error:
        assert refused
    assert errors() == ([15097] if refused else [])


def test_who_may_not_change_the_database_only_reads(connect: Connect, errors: Callable[[], list[int]]) -> None:
    connect().execute(ADD, "a", "x")
    reader = connect(user="reader")
    for statement, values in ((ADD, ("b", "y")), (UPDATE, ("a", "y")), (DROP, ("a",))):
        with pytest.raises(pyodbc.Error):
            reader.execute(statement, *values)
    assert errors() == [15135] * 3
    assert read(reader) == [("a", "x")]


def test_each_database_has_its_own_and_a_restore_brings_those_of_the_backup(
    server: SqlServer, connect: Connect
) -> None:
    server.add_database("Other")
    connection = connect()
    connection.execute(ADD, "a", "then")
    connection.execute("BACKUP DATABASE OperationsManager TO DISK = 'D:\\om.bak'")
    connection.execute(UPDATE, "a", "now")
    connection.execute(ADD, "b", "now")
    connection.execute("USE Other")
    assert read(connection) == []
    connection.execute("RESTORE DATABASE OperationsManager FROM DISK = 'D:\\om.bak' WITH REPLACE")
    connection.execute("USE OperationsManager")
    assert read(connection) == [("a", "then")]
