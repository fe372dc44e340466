# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups: files with sets in them, and what comes back from one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pyodbc
import pytest

from lab.faults import Fault
from lab.sql import opsmgr_schema
from lab.sql.media import MemoryFiles
from lab.sql.server import SqlServer

Connect = Callable[..., pyodbc.Connection]
Errors = Callable[[], list[int]]
PATH = "D:\\Backups\\om.bak"
BACKUP = f"BACKUP DATABASE OperationsManager TO DISK = N'{PATH}' WITH INIT, CHECKSUM, NAME = N'before the drill'"
COPY = (
    f"RESTORE DATABASE Copy FROM DISK = N'{PATH}' WITH MOVE N'OperationsManager' TO N'E:\\copy.mdf', "
    "MOVE N'OperationsManager_log' TO N'E:\\copy.ldf'"
)


@pytest.fixture
def admin(connect: Connect) -> Iterator[pyodbc.Connection]:
    connection = connect("master")
    yield connection
    connection.close()


def refused(connection: pyodbc.Connection, sql: str) -> None:
    with pytest.raises(pyodbc.Error):
        connection.execute(sql)


def test_a_backup_is_listed_in_the_file_and_in_msdb(server: SqlServer, admin: pyodbc.Connection) -> None:
    said = [text for _state, text in admin.execute(BACKUP + ", STATS = 50").messages]
    assert "50 percent processed." in said[0]
    assert "successfully processed" in said[-1]
    admin.execute("BACKUP DATABASE OperationsManager TO DISK = ? WITH NOINIT, COPY_ONLY", PATH)
    rows = admin.execute(f"RESTORE HEADERONLY FROM DISK = N'{PATH}'").fetchall()
    assert [
        (row.BackupName, row.Position, row.DatabaseName, row.HasBackupChecksums, row.IsCopyOnly) for row in rows
    ] == [
        ("before the drill", 1, "OperationsManager", True, False),
        (None, 2, "OperationsManager", False, True),
    ]
    files = admin.execute(f"RESTORE FILELISTONLY FROM DISK = N'{PATH}'").fetchall()
    assert [(row.LogicalName, row.Type) for row in files] == [
        ("OperationsManager", "D"),
        ("OperationsManager_log", "L"),
    ]
    last = "SELECT MAX(backup_finish_date), COUNT(*) FROM msdb.dbo.backupset WHERE database_name = ? AND type = 'D'"
    finished, count = admin.execute(last, "OperationsManager").fetchone()
    assert finished is not None
    assert count == 2


def test_verify_finds_damage(server: SqlServer, admin: pyodbc.Connection, errors: Errors) -> None:
    admin.execute(BACKUP)
    verify = f"RESTORE VERIFYONLY FROM DISK = N'{PATH}' WITH CHECKSUM"
    assert "is valid" in admin.execute(verify).messages[0][1]
    files = server.files
    assert isinstance(files, MemoryFiles)
    data = bytearray(files.read(PATH))
    data[20] ^= 1
    files.write(PATH, bytes(data))
    refused(admin, verify)
    files.write(PATH, b"no backup")
    refused(admin, verify)
    refused(admin, "RESTORE VERIFYONLY FROM DISK = 'D:\\none.bak'")
    assert errors() == [3189, 3241, 3201]


def test_a_copy_beside_the_original_has_its_broker_id_and_no_broker(
    server: SqlServer, admin: pyodbc.Connection, errors: Errors
) -> None:
    opsmgr_schema.add_run_as(server, "OperationsManager", "action", "ODYSSEY\\svc-action", b"\x00secret\xff")
    admin.execute(BACKUP)
    refused(admin, f"RESTORE DATABASE Copy FROM DISK = N'{PATH}'")
    admin.execute(COPY)
    copy, original = server.databases["Copy"], server.databases["OperationsManager"]
    assert copy.service_broker_guid == original.service_broker_guid
    assert (copy.is_broker_enabled, original.is_broker_enabled) == (False, True)
    refused(admin, "ALTER DATABASE Copy SET ENABLE_BROKER")
    assert admin.execute("SELECT Data FROM Copy.dbo.CredentialManagerSecureStorage").fetchval() == b"\x00secret\xff"
    assert server.store.dump(copy) == server.store.dump(original)
    assert errors() == [1834, 9772]


def test_a_restore_brings_the_rows_back(
    server: SqlServer, admin: pyodbc.Connection, connect: Connect, errors: Errors
) -> None:
    admin.execute(BACKUP)
    admin.execute("DELETE FROM OperationsManager.dbo.MT_HealthService")
    restore = f"RESTORE DATABASE OperationsManager FROM DISK = N'{PATH}'"
    refused(admin, restore)
    other = connect()
    refused(admin, restore + " WITH REPLACE")
    refused(other, restore + " WITH REPLACE")
    other.execute("USE master")
    admin.execute(restore + " WITH REPLACE, NORECOVERY")
    refused(other, "USE OperationsManager")
    admin.execute("RESTORE DATABASE OperationsManager WITH RECOVERY")
    assert admin.execute("SELECT COUNT(*) FROM OperationsManager.dbo.MTV_HealthService").fetchval() == 2
    assert not server.databases["OperationsManager"].is_broker_enabled
    assert errors() == [3159, 3101, 3102, 927]


def test_another_databases_backup_needs_replace(server: SqlServer, admin: pyodbc.Connection, errors: Errors) -> None:
    admin.execute(BACKUP)
    admin.execute("CREATE DATABASE Copy")
    refused(admin, COPY)
    admin.execute(COPY + ", REPLACE")
    assert errors() == [3154]


def test_no_backup_inside_a_transaction(connect: Connect, errors: Errors) -> None:
    connection = connect("master", autocommit=False)
    refused(connection, BACKUP)
    connection.close()
    assert errors() == [3021]


def test_a_restore_is_remembered_with_the_identity_of_its_backup(server: SqlServer, admin: pyodbc.Connection) -> None:
    admin.execute(BACKUP)
    identity = admin.execute(f"RESTORE HEADERONLY FROM DISK = N'{PATH}'").fetchone().BackupSetGUID
    admin.execute(COPY)
    row = admin.execute(
        "SELECT h.destination_database_name, s.backup_set_uuid FROM msdb.dbo.restorehistory AS h "
        "JOIN msdb.dbo.backupset AS s ON s.backup_set_id = h.backup_set_id"
    ).fetchone()
    assert tuple(row) == ("Copy", identity)


def test_a_stalled_backup_tells_its_progress_to_an_administrator_only(
    server: SqlServer, admin: pyodbc.Connection, connect: Connect
) -> None:
    assert server.faults is not None
    server.faults.add(Fault("thunder", "sql", "BACKUP DATABASE", "stall", seconds=2))
    number = admin.execute("SELECT @@SPID").fetchval()
    worker = threading.Thread(target=admin.execute, args=(BACKUP,))
    worker.start()
    asked = "SELECT percent_complete FROM sys.dm_exec_requests WHERE session_id = ?"
    seen, watcher = [], connect("master")
    while worker.is_alive():
        seen += [row.percent_complete for row in watcher.execute(asked, number).fetchall()]
        worker.join(0.1)
    assert 0 <= seen[0] < seen[-1] <= 100
    assert connect("master", "reader").execute("SELECT COUNT(*) FROM sys.sysprocesses").fetchval() == 1


REGISTRY = (
    "EXEC master.dbo.xp_instance_regread N'HKEY_LOCAL_MACHINE', N'SOFTWARE\\Microsoft\\MSSQLServer\\{key}', N'{value}'"
)


@pytest.mark.parametrize("user", ["sa", "reader"])
def test_the_registry_tells_where_backups_go(server: SqlServer, connect: Connect, user: str) -> None:
    connection = connect("master", user)
    row = connection.execute(REGISTRY.format(key="MSSQLServer", value="BackupDirectory")).fetchone()
    assert tuple(row) == (
        "BackupDirectory",
        "C:\\Program Files\\Microsoft SQL Server\\MSSQL10.MSSQLSERVER\\MSSQL\\Backup",
    )
    assert [column[0] for column in row.cursor_description] == ["Value", "Data"]


@pytest.mark.parametrize(("key", "call"), [("MSSQLServer", "RegQueryValueEx"), ("Nope", "RegOpenKeyEx")])
def test_the_registry_tells_what_is_not_there_in_a_message(admin: pyodbc.Connection, key: str, call: str) -> None:
    cursor = admin.execute(REGISTRY.format(key=key, value="Nope"))
    assert cursor.description is None
    assert f"{call}() returned error 2" in cursor.messages[0][1]


def test_drives_and_rights(admin: pyodbc.Connection, connect: Connect) -> None:
    assert [row[0] for row in admin.execute("EXEC master.dbo.xp_fixeddrives").fetchall()] == ["C", "D", "E"]
    asked = "SELECT HAS_PERMS_BY_NAME('[OperationsManager]', 'DATABASE', 'ALTER')"
    assert (admin.execute(asked).fetchval(), connect("master", "reader").execute(asked).fetchval()) == (1, 0)
