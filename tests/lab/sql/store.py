# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases and their tables, all kept in one in-memory sqlite: a table's name there tells its database and schema."""

from __future__ import annotations

import datetime as dt
import hashlib
import sqlite3
import threading
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from .values import SqlType, to_storage

Cell = Any


@dataclass(frozen=True)
class Column:
    """A table's column."""

    name: str
    type: SqlType
    nullable: bool = True
    identity: bool = False
    default: str | None = None


@dataclass
class Table:
    """A table's definition; ``key`` lists the columns of its primary key.

    ``query`` makes it a view: a SELECT for sqlite, with tables of the same database in braces.
    """

    schema: str
    name: str
    columns: list[Column]
    key: list[str] = field(default_factory=list)
    object_id: int = 0
    created: dt.datetime = field(default_factory=dt.datetime.now)
    query: str = ""

    @property
    def is_view(self) -> bool:
        """Whether it only shows rows of other tables."""
        return bool(self.query)


@dataclass
class Database:
    """One database: its options, its broker, its tables' definitions, and its own extended properties by their names in
    lower case.
    """

    name: str
    id: int
    state: str = "ONLINE"
    user_access: str = "MULTI_USER"
    is_broker_enabled: bool = True
    service_broker_guid: str = field(default_factory=lambda: str(uuid.uuid4()).upper())
    recovery_model: str = "FULL"
    compatibility_level: int = 100
    owner: str = "sa"
    create_date: dt.datetime = field(default_factory=dt.datetime.now)
    options: dict[str, str] = field(default_factory=dict)
    conversations: int = 0
    family: str = field(default_factory=lambda: str(uuid.uuid4()).upper())
    tables: dict[tuple[str, str], Table] = field(default_factory=dict)
    properties: dict[str, tuple[str, Any]] = field(default_factory=dict)
    object_ids: int = 2_000_000_000 // 2

    @property
    def is_system(self) -> bool:
        """Whether it came with the server."""
        return self.id <= 4

    def table(self, schema: str, name: str) -> Table | None:
        """The table of that name in any case."""
        return self.tables.get((schema.lower() or "dbo", name.lower()))

    def add_table(self, table: Table) -> Table:
        """Give a table its object id and list it."""
        self.object_ids += 1_600_003
        table.object_id = self.object_ids
        self.tables[(table.schema.lower(), table.name.lower())] = table
        return table


def quoted(name: str) -> str:
    """A name as sqlite writes it."""
    return '"' + name.replace('"', '""') + '"'


def stored_name(database: Database, schema: str, name: str) -> str:
    """What a table is called in sqlite."""
    return f"{database.id}|{schema.lower()}|{name.lower()}"


def _collate(left: str, right: str) -> int:
    """Text compares without regard to case and trailing blanks, as in SQL Server's default collation [ms]."""
    first, second = left.rstrip(" ").casefold(), right.rstrip(" ").casefold()
    return (first > second) - (first < second)


class Store:
    """The sqlite connection of one server and the one transaction that can be open in it.

    A transaction locks the databases it wrote to as a whole: coarser than SQL Server's row locks [assumed].
    """

    def __init__(self) -> None:
        self.sqlite = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        self.sqlite.create_collation("CI", _collate)
        self.lock = threading.RLock()
        self.owner: object | None = None
        self.written: set[int] = set()

    def run(self, sql: str, values: dict[str, Any] | Iterable[Any] = ()) -> sqlite3.Cursor:
        """Run one sqlite statement."""
        return self.sqlite.execute(sql, values if isinstance(values, dict) else tuple(values))

    def begin(self, owner: object) -> None:
        """Open the transaction for its owner, unless it has it already."""
        if self.owner is not owner:
            self.run("BEGIN")
            self.owner = owner

    def end(self, owner: object, *, commit: bool) -> None:
        """Close the owner's transaction, if it is the owner."""
        if self.owner is owner:
            self.run("COMMIT" if commit else "ROLLBACK")
            self.owner = None
            self.written.clear()

    def create(self, database: Database, table: Table) -> None:
        """Make a table or a view."""
        name = quoted(stored_name(database, table.schema, table.name))
        if table.is_view:
            sources = {
                other.name: quoted(stored_name(database, other.schema, other.name))
                for other in database.tables.values()
            }
            self.run(f"CREATE VIEW {name} AS {table.query.format(**sources)}")
        else:
            self.run(f"CREATE TABLE {name} ({', '.join(_definitions(table))})")
        database.add_table(table)

    def drop(self, database: Database, table: Table) -> None:
        """Remove a table with its rows, or a view."""
        kind = "VIEW" if table.is_view else "TABLE"
        self.run(f"DROP {kind} {quoted(stored_name(database, table.schema, table.name))}")
        del database.tables[(table.schema.lower(), table.name.lower())]

    def drop_all(self, database: Database) -> None:
        """Remove all tables of a database."""
        for table in list(database.tables.values()):
            self.drop(database, table)

    def rows(self, database: Database, table: Table) -> list[tuple[Any, ...]]:
        """A table's rows in the order of their insertion; those of a view in any order."""
        order = "" if table.is_view else " ORDER BY rowid"
        return self.run(f"SELECT * FROM {quoted(stored_name(database, table.schema, table.name))}{order}").fetchall()

    def insert(self, database: Database, table: Table, rows: Iterable[Iterable[Any]]) -> None:
        """Add whole rows to a table."""
        places = ", ".join("?" * len(table.columns))
        name = quoted(stored_name(database, table.schema, table.name))
        self.sqlite.executemany(
            f"INSERT INTO {name} VALUES ({places})", [[to_storage(cell) for cell in row] for row in rows]
        )

    def show(self, name: str, columns: list[tuple[str, SqlType]], rows: Iterable[Iterable[Any]]) -> None:
        """Put a catalogue view's present rows where a statement finds them."""
        definitions = ", ".join(f"{quoted(column)} {kind.storage}" for column, kind in columns)
        self.run(f"CREATE TABLE IF NOT EXISTS {quoted(name)} ({definitions})")
        self.run(f"DELETE FROM {quoted(name)}")
        places = ", ".join("?" * len(columns))
        values = [[to_storage(cell) for cell in row] for row in rows]
        self.sqlite.executemany(f"INSERT INTO {quoted(name)} VALUES ({places})", values)

    def dump(self, database: Database) -> dict[str, list[dict[str, Any]]]:
        """All rows of all tables, sorted; bytes appear as the SHA-256 of them."""
        out = {}
        for table in sorted(database.tables.values(), key=lambda table: (table.schema, table.name)):
            names = [column.name for column in table.columns]
            rows = [dict(zip(names, map(_shown, row), strict=True)) for row in self.rows(database, table)]
            out[f"{table.schema}.{table.name}"] = sorted(rows, key=repr)
        return out

    def close(self) -> None:
        """Forget everything."""
        self.sqlite.close()


def _shown(cell: Cell) -> Cell:
    return "sha256:" + hashlib.sha256(cell).hexdigest() if isinstance(cell, bytes) else cell


def _definitions(table: Table) -> list[str]:
    """The columns and the key of CREATE TABLE; sqlite counts identities only in a primary key of their own."""
    identity = next((column.name for column in table.columns if column.identity), None)
    parts = []
    for column in table.columns:
        text = f"{quoted(column.name)} {column.type.storage}"
        if column.identity:
            text = f"{quoted(column.name)} INTEGER PRIMARY KEY AUTOINCREMENT"
        elif not column.nullable:
            text += " NOT NULL"
        if column.default is not None:
            text += f" DEFAULT ({column.default})"
        parts.append(text)
    keys = [name for name in table.key if name != identity]
    if keys and identity is None:
        parts.append(f"PRIMARY KEY ({', '.join(map(quoted, keys))})")
    return parts
