# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backup files: one holds any number of backup sets, each with all rows of a database and a checksum."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
import struct
import uuid
import zlib
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from ..windows.errors import Win32Error
from .messages import error
from .store import Column, Database, Store, Table
from .values import SqlType

MAGIC = b"TAPE\x00\x00\x03\x00"
"""How a Microsoft Tape Format file begins; what follows here is the lab's own."""
_HEAD = struct.Struct("<Q32s")


class Files(Protocol):
    """What backups are written to: a Windows host's file system fits.  Failures are Win32Error."""

    def exists(self, path: str) -> bool:
        """Whether there is such a file."""

    def read(self, path: str) -> bytes:
        """A file's bytes."""

    def write(self, path: str, data: bytes) -> object:
        """Make or replace a file."""

    @property
    def free_megabytes(self) -> dict[str, int]:
        """The free space of each local drive."""


class MemoryFiles:
    """Files of a server that is on no simulated machine."""

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}
        self.free_megabytes: dict[str, int] = {"C": 20480, "D": 20480, "E": 20480}

    def exists(self, path: str) -> bool:
        """Whether there is such a file."""
        return path.lower() in self.content

    def read(self, path: str) -> bytes:
        """A file's bytes."""
        if not self.exists(path):
            raise Win32Error(2, path)
        return self.content[path.lower()]

    def write(self, path: str, data: bytes) -> None:
        """Make or replace a file."""
        self.content[path.lower()] = data


@dataclass
class BackupSet:
    """One backup of one database."""

    database: str
    name: str
    user: str
    server: str
    started: str
    finished: str
    family: str
    broker_guid: str
    recovery_model: str
    user_access: str
    compatibility_level: int
    create_date: str
    files: list[list[str]]
    copy_only: bool = False
    checksum: bool = False
    kind: str = "D"
    size: int = 0
    options: dict[str, str] = field(default_factory=dict)
    tables: list[dict[str, Any]] = field(default_factory=list)
    properties: list[list[Any]] = field(default_factory=list)
    damaged: bool = False
    identity: str = field(default_factory=lambda: str(uuid.uuid4()).upper())
    software: list[int] = field(default_factory=lambda: [10, 0, 0])

    @property
    def pages(self) -> int:
        """How many pages of 8 KiB the server says it processed."""
        return 168 + self.size // 8192

    def packed(self) -> bytes:
        """The set as a file holds it."""
        values = asdict(self)
        del values["damaged"]
        return zlib.compress(json.dumps(values).encode())


def take(database: Database, store: Store, files: list[tuple[str, str, str]], **given: Any) -> BackupSet:
    """Back up a database as it is now; ``given`` are the fields that the statement decides."""
    tables = [_table(store, database, table) for table in database.tables.values()]
    return BackupSet(
        database=database.name,
        family=database.family,
        broker_guid=database.service_broker_guid,
        recovery_model=database.recovery_model,
        user_access=database.user_access,
        compatibility_level=database.compatibility_level,
        create_date=database.create_date.isoformat(),
        files=[list(one) for one in files],
        options=dict(database.options),
        tables=tables,
        properties=[[name, _to_json(value)] for name, value in database.properties.values()],
        size=len(json.dumps(tables)),
        **given,
    )


def _table(store: Store, database: Database, table: Table) -> dict[str, Any]:
    return {
        "schema": table.schema,
        "name": table.name,
        "key": table.key,
        "query": table.query,
        "columns": [asdict(column) for column in table.columns],
        "rows": [] if table.is_view else [[_to_json(cell) for cell in row] for row in store.rows(database, table)],
    }


def put_back(taken: BackupSet, database: Database, store: Store) -> None:
    """Fill a database with what a backup holds, in place of what it has."""
    store.drop_all(database)
    for definition in taken.tables:
        columns = [Column(**{**column, "type": SqlType(**column["type"])}) for column in definition["columns"]]
        table = Table(
            definition["schema"], definition["name"], columns, list(definition["key"]), query=definition["query"]
        )
        store.create(database, table)
        if table.is_view:
            continue
        store.insert(database, table, [[_from_json(cell) for cell in row] for row in definition["rows"]])
    database.service_broker_guid = taken.broker_guid
    database.recovery_model = taken.recovery_model
    database.user_access = taken.user_access
    database.compatibility_level = taken.compatibility_level
    database.create_date = dt.datetime.now()
    database.family = taken.family
    database.options = dict(taken.options)
    database.properties = {name.casefold(): (name, _from_json(value)) for name, value in taken.properties}


def _to_json(cell: Any) -> Any:
    return {"bytes": base64.b64encode(cell).decode()} if isinstance(cell, bytes) else cell


def _from_json(cell: Any) -> Any:
    return base64.b64decode(cell["bytes"]) if isinstance(cell, dict) else cell


def _system_error(problem: Win32Error) -> str:
    return f"{problem.code}({problem.text})"


def read_sets(files: Files, path: str) -> list[BackupSet]:
    """The sets of a file; raises 3201 or 3241."""
    try:
        data = files.read(path)
    except Win32Error as problem:
        raise error(3201, path, _system_error(problem)) from None
    if not data.startswith(MAGIC):
        raise error(3241, path)
    sets, at = [], len(MAGIC)
    while at < len(data):
        taken = _unpack(data[at:], path)
        sets.append(taken[0])
        at += taken[1]
    return sets


def _unpack(data: bytes, path: str) -> tuple[BackupSet, int]:
    if len(data) < _HEAD.size:
        raise error(3241, path)
    length, digest = _HEAD.unpack_from(data)
    packed = data[_HEAD.size : _HEAD.size + length]
    damaged = hashlib.sha256(packed).digest() != digest
    try:
        taken = BackupSet(**json.loads(zlib.decompress(packed)))
    except (ValueError, TypeError, zlib.error):
        raise error(3241, path) from None
    taken.damaged = damaged
    return taken, _HEAD.size + length


def append(files: Files, path: str, taken: BackupSet, *, overwrite: bool) -> int:
    """Write a set behind those of a file, or as its only one; returns its position."""
    old, position = MAGIC, 1
    if files.exists(path) and not overwrite:
        position = len(read_sets(files, path)) + 1
        old = files.read(path)
    packed = taken.packed()
    try:
        files.write(path, old + _HEAD.pack(len(packed), hashlib.sha256(packed).digest()) + packed)
    except Win32Error as problem:
        raise error(3201, path, _system_error(problem), state=1) from None
    return position
