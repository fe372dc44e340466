# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parameters of a TDS remote procedure call, of every type that an ODBC driver sends.

pysqlbridge reads calls too, but not decimals, dates of TDS 7.3 and a NULL of a max type, which FreeTDS sends.
Layouts: [MS-TDS] 2.2.6.6 and 2.2.5.5 [ms].
"""

from __future__ import annotations

import datetime as dt
import struct
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pysqlbridge.tds import TdsProtocolError, skip_all_headers

PROCEDURES = {
    3: "sp_cursorprepare",
    10: "sp_executesql",
    11: "sp_prepare",
    12: "sp_execute",
    13: "sp_prepexec",
    14: "sp_prepexecrpc",
    15: "sp_unprepare",
}
_EPOCH = dt.datetime(1900, 1, 1)
_FIXED = {0x1F: 0, 0x30: 1, 0x32: 1, 0x34: 2, 0x38: 4, 0x3A: 4, 0x3B: 4, 0x3C: 8, 0x3D: 8, 0x3E: 8, 0x7A: 4, 0x7F: 8}
_BYTE_LENGTH = frozenset({0x24, 0x26, 0x68, 0x6A, 0x6C, 0x6D, 0x6E, 0x6F})
_CHARACTERS = frozenset({0xA7, 0xAF, 0xE7, 0xEF})
_BINARY = frozenset({0xA5, 0xAD})
_LONG = frozenset({0x22, 0x23, 0x63})
_WIDE = frozenset({0xE7, 0xEF, 0x63})
_DATES = frozenset({0x28, 0x29, 0x2A, 0x2B})


@dataclass(frozen=True)
class Parameter:
    """One parameter of a call."""

    name: str
    value: Any
    is_output: bool


@dataclass(frozen=True)
class Call:
    """One call of a procedure."""

    procedure: str
    parameters: list[Parameter]


class _Reader:
    """Reads little-endian fields one after the other."""

    def __init__(self, data: bytes, at: int) -> None:
        self.data = data
        self.at = at

    def take(self, count: int) -> bytes:
        if self.at + count > len(self.data):
            raise TdsProtocolError("the call is cut short")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, width: int) -> int:
        return int.from_bytes(self.take(width), "little")

    def text(self, characters: int) -> str:
        return self.take(characters * 2).decode("utf-16-le")

    def chunks(self) -> bytes | None:
        """A value of a max type: the whole length, then chunks up to an empty one."""
        if self.number(8) == 0xFFFFFFFFFFFFFFFF:
            return None
        parts = []
        while size := self.number(4):
            parts.append(self.take(size))
        return b"".join(parts)


def _decimal(raw: bytes, scale: int) -> Decimal:
    sign = 1 if raw[0] else -1
    return Decimal(sign * int.from_bytes(raw[1:], "little")).scaleb(-scale)


def _money(raw: bytes) -> Decimal:
    if len(raw) == 4:
        return Decimal(int.from_bytes(raw, "little", signed=True)).scaleb(-4)
    high, low = struct.unpack("<iI", raw)
    return Decimal((high << 32) + low).scaleb(-4)


def _datetime(raw: bytes) -> dt.datetime:
    if len(raw) == 4:
        days, minutes = struct.unpack("<HH", raw)
        return _EPOCH + dt.timedelta(days=days, minutes=minutes)
    days, ticks = struct.unpack("<iI", raw)
    return _EPOCH + dt.timedelta(days=days, milliseconds=round(ticks * 10 / 3))


def _float(raw: bytes) -> float:
    return float(struct.unpack("<f" if len(raw) == 4 else "<d", raw)[0])


def _integer(raw: bytes) -> int:
    return int.from_bytes(raw, "little", signed=len(raw) > 1)


_NUMBERS: dict[int, Callable[[bytes], Any]] = {
    0x24: lambda raw: uuid.UUID(bytes_le=raw),
    0x32: lambda raw: bool(raw[0]),
    0x68: lambda raw: bool(raw[0]),
    0x3B: _float,
    0x3E: _float,
    0x6D: _float,
    0x3A: _datetime,
    0x3D: _datetime,
    0x6F: _datetime,
    0x3C: _money,
    0x6E: _money,
    0x7A: _money,
}


def _time(raw: bytes, scale: int) -> dt.timedelta:
    return dt.timedelta(microseconds=int.from_bytes(raw, "little") * 10 ** (7 - scale) // 10)


def _day(raw: bytes) -> dt.datetime:
    return dt.datetime(1, 1, 1) + dt.timedelta(days=int.from_bytes(raw, "little"))


def _read_date(reader: _Reader, type_id: int) -> Any:
    """date, time, datetime2 and datetimeoffset; the last one's offset is in minutes behind its day."""
    scale = reader.number(1) if type_id != 0x28 else 0
    raw = reader.take(reader.number(1))
    if not raw:
        return None
    if type_id == 0x28:
        return _day(raw).date()
    if type_id == 0x29:
        return (_EPOCH + _time(raw, scale)).time()
    tail = 5 if type_id == 0x2B else 3
    moment = _day(raw[-tail:][:3]) + _time(raw[:-tail], scale)
    return moment + dt.timedelta(minutes=int.from_bytes(raw[-2:], "little", signed=True)) if type_id == 0x2B else moment


def _read_number(reader: _Reader, type_id: int) -> Any:
    if type_id in _FIXED:
        raw, scale = reader.take(_FIXED[type_id]), 0
    else:
        reader.take(1)
        scale = reader.take(2)[1] if type_id in (0x6A, 0x6C) else 0
        raw = reader.take(reader.number(1))
    if not raw:
        return None
    if type_id in (0x6A, 0x6C):
        return _decimal(raw, scale)
    return _NUMBERS.get(type_id, _integer)(raw)


def _read_string(reader: _Reader, type_id: int) -> Any:
    is_long = type_id in _LONG
    declared = reader.number(4 if is_long else 2)
    if type_id not in _BINARY and type_id != 0x22:
        reader.take(5)
    raw: bytes | None
    if declared == 0xFFFF and not is_long:
        raw = reader.chunks()
    else:
        width = 4 if is_long else 2
        length = reader.number(width)
        raw = None if length == (1 << 8 * width) - 1 else reader.take(length)
    if raw is None or type_id in _BINARY or type_id == 0x22:
        return raw
    return raw.decode("utf-16-le" if type_id in _WIDE else "cp1252", "replace")


def _read_value(reader: _Reader) -> Any:
    type_id = reader.number(1)
    if type_id in _FIXED or type_id in _BYTE_LENGTH:
        return _read_number(reader, type_id)
    if type_id in _CHARACTERS or type_id in _BINARY or type_id in _LONG:
        return _read_string(reader, type_id)
    if type_id in _DATES:
        return _read_date(reader, type_id)
    raise TdsProtocolError(f"a parameter has type 0x{type_id:02x}, which the lab cannot read")


def _well_known(number: int) -> str:
    return PROCEDURES.get(number, f"procedure {number}")


def parse_call(payload: bytes, tds_version: int) -> Call:
    """Read the call in the payload of an RPC packet."""
    reader = _Reader(payload, skip_all_headers(payload, tds_version))
    length = reader.number(2)
    procedure = _well_known(reader.number(2)) if length == 0xFFFF else reader.text(length)
    reader.take(2)
    parameters = []
    while reader.at < len(payload):
        name = reader.text(reader.number(1))
        status = reader.number(1)
        parameters.append(Parameter(name, _read_value(reader), bool(status & 1)))
    return Call(procedure, parameters)
