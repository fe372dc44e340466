# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens in answer to a batch, as TDS tokens.

pysqlbridge has the tokens of a login, of messages and of plain result sets; the ones of procedure calls, and
the types it does not encode, are here.  Layouts: [MS-TDS] 2.2.7 and 2.2.5.4 [ms].
"""

from __future__ import annotations

import datetime as dt
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from pysqlbridge.tds import (
    Column,
    DoneStatus,
    EnvChangeType,
    Float,
    Integer,
    NVarChar,
    col_metadata,
    done,
    env_change,
    info,
    row,
)
from pysqlbridge.tds import error as error_token
from pysqlbridge.tds.result import Bit, DateTime, UniqueIdentifier, VarBinary

from .messages import Message, error
from .values import SqlType, from_storage

TDS_73 = 0x730A0003
DONE_IN_PROC, DONE_PROC = 0xFF, 0xFE
SELECT_COMMAND = 0xC1


@dataclass(frozen=True)
class ResultSet:
    """A SELECT's answer: its columns (name and type) and its rows as a client gets them."""

    columns: list[tuple[str, SqlType]]
    rows: list[tuple[Any, ...]]

    @classmethod
    def of(cls, columns: list[tuple[str, SqlType]], kept: Iterable[tuple[Any, ...]]) -> ResultSet:
        """Rows as sqlite keeps them, converted; raises 8114 for a value that is not of its column's type."""
        kinds = [kind for _name, kind in columns]
        return cls(columns, [tuple(map(_converted, row, kinds)) for row in kept])


def _converted(cell: Any, kind: SqlType) -> Any:
    try:
        return from_storage(cell, kind)
    except (ValueError, ArithmeticError):
        raise error(8114, "nvarchar", kind.name) from None


@dataclass(frozen=True)
class Done:
    """One statement ended; ``count`` is None when it has no row count."""

    count: int | None = None
    failed: bool = False
    command: int = 0


@dataclass(frozen=True)
class Changed:
    """The session's setting changed: another database, a transaction begun or ended."""

    kind: str
    new: str
    old: str


Event = ResultSet | Done | Changed | Message


@dataclass
class Outcome:
    """All that happened, in order."""

    events: list[Event] = field(default_factory=list)

    @property
    def errors(self) -> list[Message]:
        """The errors, in order."""
        return [event for event in self.events if isinstance(event, Message) and event.is_error]

    @property
    def messages(self) -> list[Message]:
        """The messages that are no errors, in order."""
        return [event for event in self.events if isinstance(event, Message) and not event.is_error]

    @property
    def results(self) -> list[ResultSet]:
        """The result sets, in order."""
        return [event for event in self.events if isinstance(event, ResultSet)]

    @property
    def rowcount(self) -> int:
        """The last row count, -1 without one."""
        counts = [event.count for event in self.events if isinstance(event, Done) and event.count is not None]
        return counts[-1] if counts else -1


class _LongBytes:
    """varbinary(max), in one chunk."""

    nullable = True

    def type_info(self) -> bytes:
        return b"\xa5\xff\xff"

    def encode(self, value: object) -> bytes:
        if value is None:
            return b"\xff" * 8
        raw = bytes(value)  # type: ignore[call-overload]
        return struct.pack("<Q", len(raw)) + (struct.pack("<I", len(raw)) + raw if raw else b"") + bytes(4)


class _LongText:
    """nvarchar(max), in one chunk."""

    nullable = True

    def type_info(self) -> bytes:
        return b"\xe7\xff\xff\x09\x04\xd0\x00\x34"

    def encode(self, value: object) -> bytes:
        return _LongBytes().encode(None if value is None else str(value).encode("utf-16-le", "surrogatepass"))


class _Date:
    """date, which came with TDS 7.3."""

    nullable = True

    def type_info(self) -> bytes:
        return b"\x28"

    def encode(self, value: object) -> bytes:
        if not isinstance(value, dt.date):
            return b"\x00"
        return b"\x03" + (value.toordinal() - 1).to_bytes(3, "little")


@dataclass(frozen=True)
class _Decimal:
    """decimal, always of 38 digits on the wire (17 bytes)."""

    precision: int
    scale: int
    nullable = True

    def type_info(self) -> bytes:
        return bytes([0x6A, 17, self.precision, self.scale])

    def encode(self, value: object) -> bytes:
        if value is None:
            return b"\x00"
        number = int(Decimal(str(value)).scaleb(self.scale).to_integral_value())
        return bytes([17, number >= 0]) + abs(number).to_bytes(16, "little")


_FIXED_TYPES = {
    "bit": Bit(),
    "float": Float(8),
    "real": Float(4),
    "datetime": DateTime(),
    "uniqueidentifier": UniqueIdentifier(),
}


def _wire_type(kind: SqlType, tds_version: int) -> Any:
    if kind.integer_width:
        return Integer(kind.integer_width)
    if kind.name in _FIXED_TYPES:
        return _FIXED_TYPES[kind.name]
    if kind.is_binary:
        return VarBinary(kind.length) if kind.length and kind.length <= 8000 else _LongBytes()
    if kind.name == "decimal":
        return _Decimal(kind.precision, kind.scale)
    if kind.name == "date":
        return _Date() if tds_version >= TDS_73 else NVarChar(10)
    return NVarChar(kind.length) if kind.length and kind.length <= 4000 else _LongText()


class Encoder:
    """Turns events into the payload of one answer to one client."""

    def __init__(self, server: str, tds_version: int) -> None:
        self.server = server
        self.version = tds_version

    def batch(self, outcome: Outcome) -> bytes:
        """The answer to a SQL batch."""
        events = self._closed(outcome.events)
        return b"".join(
            self._event(event, more=place < len(events) - 1, in_procedure=False) for place, event in enumerate(events)
        )

    def call(self, outcome: Outcome, status: int, handle: int | None) -> bytes:
        """The answer to a procedure call: its events, its return status and the handle it returned."""
        events = [
            event
            for event in outcome.events
            if not (isinstance(event, Done) and event.count is None and not event.failed)
        ]
        body = b"".join(self._event(event, more=True, in_procedure=True) for event in events)
        returned = struct.pack("<Bi", 0x79, status)
        if handle is not None:
            returned += self._handle(handle)
        failed = DoneStatus.ERROR if outcome.errors else DoneStatus.FINAL
        return body + returned + self._done(DONE_PROC, failed, 0)

    @staticmethod
    def _closed(events: list[Event]) -> list[Event]:
        """Every answer ends with a done; those in between that say nothing are left out."""
        kept: list[Event] = [event for event in events if not (isinstance(event, Done) and event == Done())]
        return kept if kept and isinstance(kept[-1], Done) else [*kept, Done()]

    def _event(self, event: Event, *, more: bool, in_procedure: bool) -> bytes:
        if isinstance(event, Message):
            return self.message(event)
        if isinstance(event, ResultSet):
            return self._rows(event)
        if isinstance(event, Changed):
            return self._change(event)
        status = (DoneStatus.MORE if more else DoneStatus.FINAL) | (
            DoneStatus.ERROR if event.failed else DoneStatus.FINAL
        )
        if event.count is not None:
            status |= DoneStatus.COUNT
        token = DONE_IN_PROC if in_procedure else 0xFD
        return self._done(token, status, event.count or 0, event.command)

    def _done(self, token: int, status: int, count: int, command: int = 0) -> bytes:
        body: bytes = done(
            status=DoneStatus(status), current_command=command, row_count=count, tds_version=self.version
        )
        return bytes([token]) + body[1:]

    def message(self, event: Message) -> bytes:
        """One ERROR or INFO token; a driver turns away texts that make it longer than 64 KiB."""
        make = error_token if event.is_error else info
        token: bytes = make(
            event.number,
            event.text[:8000],
            state=event.state,
            severity=event.severity,
            server=self.server,
            procedure=event.procedure,
            tds_version=self.version,
        )
        return token

    def _rows(self, result: ResultSet) -> bytes:
        columns = [Column(name[:128], _wire_type(kind, self.version)) for name, kind in result.columns]
        return b"".join([col_metadata(columns, self.version), *(row(columns, list(values)) for values in result.rows)])

    def _handle(self, handle: int) -> bytes:
        """RETURNVALUE of ``@handle int output``; its user type grew to four bytes in TDS 7.2."""
        name = "@handle".encode("utf-16-le")
        user_type = bytes(4)
        return (
            b"\xac"
            + struct.pack("<HB", 0, 7)
            + name
            + b"\x01"
            + user_type
            + b"\x00\x00"
            + b"\x26\x04"
            + b"\x04"
            + struct.pack("<i", handle)
        )

    @staticmethod
    def _change(event: Changed) -> bytes:
        token: bytes
        if event.kind == "database":
            token = env_change(EnvChangeType.DATABASE, event.new, event.old)
        elif event.kind == "begin":
            token = env_change(EnvChangeType.BEGIN_TRAN, struct.pack("<Q", int(event.new)), b"")
        else:
            kind = EnvChangeType.COMMIT_TRAN if event.kind == "commit" else EnvChangeType.ROLLBACK_TRAN
            token = env_change(kind, b"", struct.pack("<Q", int(event.old)))
        return token
