# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Transact-SQL's types and values: how they are named, kept in sqlite and given to a client."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

_ALIASES = {
    "sysname": "nvarchar",
    "integer": "int",
    "dec": "decimal",
    "numeric": "decimal",
    "double precision": "float",
    "double": "float",
    "character varying": "varchar",
    "rowversion": "binary",
    "timestamp": "binary",
    "datetime2": "datetime",
    "smalldatetime": "datetime",
    "national varchar": "nvarchar",
}
_INTEGERS = {"tinyint": 1, "smallint": 2, "int": 4, "bigint": 8}
_TEXTS = frozenset({"char", "varchar", "text", "nchar", "nvarchar", "ntext", "xml"})
_BINARIES = frozenset({"binary", "varbinary", "image"})
_MAX = frozenset({"text", "ntext", "xml", "image"})


@dataclass(frozen=True)
class SqlType:
    """A Transact-SQL type; ``length`` is None for max, ``scale`` is for decimals."""

    name: str
    length: int | None = None
    precision: int = 18
    scale: int = 0

    @property
    def is_text(self) -> bool:
        """Whether it holds characters."""
        return self.name in _TEXTS

    @property
    def is_binary(self) -> bool:
        """Whether it holds bytes."""
        return self.name in _BINARIES

    @property
    def integer_width(self) -> int:
        """The bytes of an integer type, 0 for others."""
        return _INTEGERS.get(self.name, 0)

    @property
    def storage(self) -> str:
        """The sqlite column type; text compares as SQL Server's default collation does, without regard to case."""
        if self.is_text or self.name in ("uniqueidentifier", "datetime", "date", "time"):
            return "TEXT COLLATE CI"
        if self.is_binary:
            return "BLOB"
        return "INTEGER" if self.integer_width or self.name == "bit" else "NUMERIC"


INT, BIGINT, BIT = SqlType("int"), SqlType("bigint"), SqlType("bit")
NAME, TEXT, GUID = SqlType("nvarchar", 128), SqlType("nvarchar"), SqlType("uniqueidentifier")
DATETIME, FLOAT, BYTES = SqlType("datetime"), SqlType("float"), SqlType("varbinary")


def parse_type(text: str) -> SqlType:
    """The type that a declaration names: ``nvarchar(256)``, ``varbinary(max)``, ``decimal(10, 2)``."""
    match = re.fullmatch(
        r"\s*([\w ]+?)\s*(?:\(\s*(\w+)\s*(?:,\s*(\d+)\s*)?\))?\s*", text.replace("[", "").replace("]", "")
    )
    if match is None:
        return TEXT
    name = match.group(1).lower()
    if name == "sysname":
        return NAME
    name = _ALIASES.get(name, name)
    first, second = match.group(2), int(match.group(3) or 0)
    if name == "decimal":
        return SqlType(name, None, int(first or 18), second)
    if name == "money":
        return SqlType("decimal", None, 19, 4)
    if name in _MAX or (first or "").lower() == "max":
        return SqlType(name)
    if name in _TEXTS or name in _BINARIES:
        return SqlType(name, int(first or 1))
    return SqlType(name)


def type_of(value: object) -> SqlType:
    """The type of a value that nothing else tells about."""
    if isinstance(value, bool):
        return BIT
    if isinstance(value, int):
        return INT if -(2**31) <= value < 2**31 else BIGINT
    for python, sql in (
        (float, FLOAT),
        (bytes, BYTES),
        (uuid.UUID, GUID),
        (dt.datetime, DATETIME),
        (Decimal, SqlType("decimal", None, 38, 6)),
    ):
        if isinstance(value, python):
            return sql
    return TEXT


def to_storage(value: object) -> Any:
    """A client's value as sqlite keeps it."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, dt.datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S.") + f"{value.microsecond // 1000:03d}"
    if isinstance(value, (dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, uuid.UUID):
        return str(value).upper()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return bytes(value) if isinstance(value, (bytearray, memoryview)) else value


def from_storage(value: Any, kind: SqlType) -> Any:
    """A kept value as a client of that type gets it."""
    if value is None:
        return None
    if kind.integer_width:
        return int(value)
    if kind.name in _CONVERTERS:
        return _CONVERTERS[kind.name](value)
    if kind.is_binary:
        return value if isinstance(value, bytes) else str(value).encode("utf-16-le")
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def parse_datetime(text: str) -> dt.datetime:
    """A date and time as Transact-SQL accepts them most often: ISO 8601, with or without its parts, or yyyymmdd."""
    text = text.strip()
    if re.fullmatch(r"\d{8}", text):
        return dt.datetime.strptime(text, "%Y%m%d")
    text = re.sub(r"(\.\d{1,6})\d*", lambda match: match.group(1).ljust(7, "0"), text.rstrip("Z"))
    return dt.datetime.fromisoformat(text)


def _guid(value: Any) -> str:
    return str(uuid.UUID(bytes_le=value) if isinstance(value, bytes) else uuid.UUID(str(value))).upper()


def _datetime(value: Any) -> dt.datetime:
    return value if isinstance(value, dt.datetime) else parse_datetime(str(value))


_CONVERTERS: dict[str, Any] = {
    "bit": bool,
    "float": float,
    "real": float,
    "decimal": lambda value: Decimal(str(value)),
    "datetime": _datetime,
    "date": lambda value: _datetime(value).date(),
    "uniqueidentifier": _guid,
}
