# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalogue: views filled from the model whenever a statement names them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .sessions import Session
from .store import Column, Database, Table
from .values import BIGINT, BIT, DATETIME, FLOAT, GUID, INT, NAME, SqlType

if TYPE_CHECKING:
    from .server import SqlServer

Rows = Iterable[tuple[Any, ...]]
_STATES = {
    "ONLINE": 0,
    "RESTORING": 1,
    "RECOVERING": 2,
    "RECOVERY_PENDING": 3,
    "SUSPECT": 4,
    "EMERGENCY": 5,
    "OFFLINE": 6,
}
_ACCESS = {"MULTI_USER": 0, "SINGLE_USER": 1, "RESTRICTED_USER": 2}
_RECOVERY = {"FULL": 1, "BULK_LOGGED": 2, "SIMPLE": 3}
_SMALL, _TINY, _PATH, _SID = SqlType("smallint"), SqlType("tinyint"), SqlType("nvarchar", 260), SqlType("varbinary", 85)


@dataclass(frozen=True)
class View:
    """A catalogue view; one that is not ``of_server`` shows the database it is asked in."""

    columns: list[tuple[str, SqlType]]
    rows: Callable[[SqlServer, Session, Database], Rows]
    of_server: bool = True


def _database(database: Database) -> tuple[Any, ...]:
    return (
        database.name,
        database.id,
        None,
        b"\x01",
        database.create_date,
        database.compatibility_level,
        "SQL_Latin1_General_CP1_CI_AS",
        _ACCESS[database.user_access],
        database.user_access,
        database.options.get("READ_ONLY") == "ON",
        _STATES[database.state],
        database.state,
        _RECOVERY[database.recovery_model],
        database.recovery_model,
        database.is_broker_enabled,
        database.service_broker_guid,
    )


def _databases(server: SqlServer, session: Session, database: Database) -> Rows:
    return [_database(one) for one in server.database_list()]


def _visible(server: SqlServer, session: Session) -> list[Session]:
    """Without VIEW SERVER STATE, which the lab's administrators have, a login sees only its own session [ms]."""
    return [one for one in server.session_list() if session.login.is_sysadmin or one is session]


def _status(session: Session) -> str:
    return "running" if session.running else "sleeping"


def _sessions(server: SqlServer, session: Session, database: Database) -> Rows:
    for one in _visible(server, session):
        yield (
            one.spid, one.login_time, one.host, one.program, 4711, one.interface, one.user, _status(one), one.trancount,
            one.database.id, True, one.user,
        )  # fmt: skip


def _processes(server: SqlServer, session: Session, database: Database) -> Rows:
    for one in _visible(server, session):
        yield (
            one.spid, 0, one.database.id, 0, one.login_time, _status(one), one.host, one.program, "4711", one.user, one.trancount,
            "AWAITING COMMAND" if not one.running else "SELECT", one.login_time,
        )  # fmt: skip


def _requests(server: SqlServer, session: Session, database: Database) -> Rows:
    for one in _visible(server, session):
        if one.running:
            yield (one.spid, one.command, one.percent_complete, one.database.id, "running")


def _recovery(server: SqlServer, session: Session, database: Database) -> Rows:
    return [(one.id, one.family, one.family) for one in server.database_list() if session.login.may_administer(one)]


def _locks(server: SqlServer, session: Session, database: Database) -> Rows:
    for one in server.session_list():
        for used in server.database_list():
            if one.uses(used):
                yield ("DATABASE", used.id, "S", "GRANT", one.spid)


def _principals(server: SqlServer, session: Session, database: Database) -> Rows:
    for place, login in enumerate(server.logins.values()):
        kind = ("U", "WINDOWS_LOGIN") if login.is_windows else ("S", "SQL_LOGIN")
        yield (login.name, place + 257, *kind, False, login.default_database)


def _files(server: SqlServer, session: Session, database: Database) -> Rows:
    for one in server.database_list():
        for number, (kind, logical, path) in enumerate(server.files_of(one), 1):
            yield (one.id, number, 0 if kind == "ROWS" else 1, kind, logical, path, 0, "ONLINE", 1280)


def _own_files(server: SqlServer, session: Session, database: Database) -> Rows:
    return [row[1:] for row in _files(server, session, database) if row[0] == database.id]


def _objects(server: SqlServer, session: Session, database: Database) -> Rows:
    for table in database.tables.values():
        kind = ("V ", "VIEW") if table.is_view else ("U ", "USER_TABLE")
        yield (table.name, table.object_id, 1, 0, *kind, table.created, table.created, False)


def _tables(server: SqlServer, session: Session, database: Database) -> Rows:
    return [row for row in _objects(server, session, database) if row[5] == "USER_TABLE"]


def _views(server: SqlServer, session: Session, database: Database) -> Rows:
    return [row for row in _objects(server, session, database) if row[5] == "VIEW"]


def _columns(server: SqlServer, session: Session, database: Database) -> Rows:
    for table in database.tables.values():
        for place, column in enumerate(table.columns, 1):
            yield (table.object_id, column.name, place, column.type.length or -1, column.nullable, column.identity)


def _properties(server: SqlServer, session: Session, database: Database) -> Rows:
    return [(0, "DATABASE", 0, 0, name, value) for name, value in database.properties.values()]


def _schema_tables(server: SqlServer, session: Session, database: Database) -> Rows:
    for table in database.tables.values():
        yield (database.name, table.schema, table.name, "VIEW" if table.is_view else "BASE TABLE")


def _schema_column(database: Database, table: Table, place: int, column: Column) -> tuple[Any, ...]:
    length = column.type.length or -1 if column.type.is_text or column.type.is_binary else None
    nullable = "YES" if column.nullable else "NO"
    return (database.name, table.schema, table.name, column.name, place, nullable, column.type.name, length)


def _schema_columns(server: SqlServer, session: Session, database: Database) -> Rows:
    for table in database.tables.values():
        for place, column in enumerate(table.columns, 1):
            yield _schema_column(database, table, place, column)


_OBJECT = [
    ("name", NAME), ("object_id", INT), ("schema_id", INT), ("parent_object_id", INT), ("type", SqlType("char", 2)),
    ("type_desc", NAME), ("create_date", DATETIME), ("modify_date", DATETIME), ("is_ms_shipped", BIT),
]  # fmt: skip
_FILE = [
    ("file_id", INT), ("type", _TINY), ("type_desc", NAME), ("name", NAME), ("physical_name", _PATH), ("state", _TINY),
    ("state_desc", NAME), ("size", INT),
]  # fmt: skip
_PROCESS = [
    ("spid", _SMALL), ("blocked", _SMALL), ("dbid", _SMALL), ("uid", _SMALL), ("login_time", DATETIME), ("status", NAME),
    ("hostname", NAME), ("program_name", NAME), ("hostprocess", NAME), ("loginame", NAME), ("open_tran", _SMALL), ("cmd", NAME),
    ("last_batch", DATETIME),
]  # fmt: skip
_DATABASE = [
    ("name", NAME), ("database_id", INT), ("source_database_id", INT), ("owner_sid", _SID), ("create_date", DATETIME),
    ("compatibility_level", _TINY), ("collation_name", NAME), ("user_access", _TINY), ("user_access_desc", NAME),
    ("is_read_only", BIT), ("state", _TINY), ("state_desc", NAME), ("recovery_model", _TINY), ("recovery_model_desc", NAME),
    ("is_broker_enabled", BIT), ("service_broker_guid", GUID),
]  # fmt: skip
_SESSION = [
    ("session_id", _SMALL), ("login_time", DATETIME), ("host_name", NAME), ("program_name", NAME), ("host_process_id", INT),
    ("client_interface_name", NAME), ("login_name", NAME), ("status", NAME), ("open_transaction_count", INT),
    ("database_id", _SMALL), ("is_user_process", BIT), ("original_login_name", NAME),
]  # fmt: skip

VIEWS: dict[str, View] = {
    "sys.databases": View(_DATABASE, _databases),
    "sys.dm_exec_sessions": View(_SESSION, _sessions),
    "sys.sysprocesses": View(_PROCESS, _processes),
    "sys.dm_exec_requests": View(
        [("session_id", _SMALL), ("command", NAME), ("percent_complete", FLOAT), ("database_id", _SMALL), ("status", NAME)], _requests
    ),
    "sys.database_recovery_status": View([("database_id", INT), ("database_guid", GUID), ("family_guid", GUID)], _recovery),
    "sys.dm_tran_locks": View(
        [("resource_type", NAME), ("resource_database_id", INT), ("request_mode", NAME), ("request_status", NAME), ("request_session_id", INT)],
        _locks,
    ),
    "sys.server_principals": View(
        [("name", NAME), ("principal_id", INT), ("type", SqlType("char", 1)), ("type_desc", NAME), ("is_disabled", BIT), ("default_database_name", NAME)],
        _principals,
    ),
    "sys.master_files": View([("database_id", INT), *_FILE], _files),
    "sys.database_files": View(_FILE, _own_files, of_server=False),
    "sys.extended_properties": View(
        [("class", _TINY), ("class_desc", NAME), ("major_id", INT), ("minor_id", INT), ("name", NAME), ("value", SqlType("nvarchar", 3750))],
        _properties,
        of_server=False,
    ),
    "sys.tables": View(_OBJECT, _tables, of_server=False),
    "sys.views": View(_OBJECT, _views, of_server=False),
    "sys.objects": View(_OBJECT, _objects, of_server=False),
    "sys.columns": View(
        [("object_id", INT), ("name", NAME), ("column_id", INT), ("max_length", _SMALL), ("is_nullable", BIT), ("is_identity", BIT)],
        _columns,
        of_server=False,
    ),
    "sys.schemas": View([("name", NAME), ("schema_id", INT)], lambda server, session, database: [("dbo", 1), ("sys", 4)], of_server=False),
    "information_schema.tables": View(
        [("TABLE_CATALOG", NAME), ("TABLE_SCHEMA", NAME), ("TABLE_NAME", NAME), ("TABLE_TYPE", NAME)], _schema_tables, of_server=False
    ),
    "information_schema.columns": View(
        [
            ("TABLE_CATALOG", NAME), ("TABLE_SCHEMA", NAME), ("TABLE_NAME", NAME), ("COLUMN_NAME", NAME), ("ORDINAL_POSITION", INT),
            ("IS_NULLABLE", NAME), ("DATA_TYPE", NAME), ("CHARACTER_MAXIMUM_LENGTH", INT),
        ],
        _schema_columns,
        of_server=False,
    ),
}  # fmt: skip
OLD_NAMES = {"sysprocesses": "sys.sysprocesses", "sysobjects": "sys.objects"}
"""Views of SQL Server 2000 that are found in any schema."""

BACKUPSET = Table(
    "dbo",
    "backupset",
    [
        Column("backup_set_id", INT, identity=True), Column("media_set_id", INT), Column("name", NAME), Column("user_name", NAME),
        Column("database_name", NAME), Column("server_name", NAME), Column("type", SqlType("char", 1)), Column("position", INT),
        Column("backup_start_date", DATETIME), Column("backup_finish_date", DATETIME), Column("backup_size", BIGINT),
        Column("is_copy_only", BIT), Column("has_backup_checksums", BIT), Column("is_damaged", BIT), Column("recovery_model", NAME),
        Column("backup_set_uuid", GUID),
    ],
)  # fmt: skip
BACKUPMEDIAFAMILY = Table(
    "dbo",
    "backupmediafamily",
    [
        Column("media_set_id", INT),
        Column("family_sequence_number", _TINY),
        Column("physical_device_name", _PATH),
        Column("device_type", _TINY),
    ],
)

RESTOREHISTORY = Table(
    "dbo",
    "restorehistory",
    [
        Column("restore_history_id", INT, identity=True), Column("restore_date", DATETIME), Column("destination_database_name", NAME),
        Column("user_name", NAME), Column("backup_set_id", INT), Column("restore_type", SqlType("char", 1)), Column("replace", BIT),
        Column("recovery", BIT),
    ],
)  # fmt: skip


def find_view(schema: str, name: str) -> tuple[str, View] | None:
    """The view of that name; ``sys`` need not be said for the old ones."""
    full = f"{schema.lower()}.{name.lower()}"
    if full not in VIEWS and schema.lower() in ("", "dbo", "sys"):
        full = OLD_NAMES.get(name.lower(), full)
    return (full, VIEWS[full]) if full in VIEWS else None


def copy_table(table: Table) -> Table:
    """A fresh definition of the same shape."""
    return Table(
        table.schema, table.name, list(table.columns), list(table.key), created=dt.datetime.now(), query=table.query
    )
