# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The built-in functions of Transact-SQL that sqlite does not have."""

from __future__ import annotations

import datetime as dt
import re
import sqlite3
import uuid
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from .messages import error
from .values import parse_datetime, parse_type, to_storage

_STYLES = {
    1: "%m/%d/%y",
    101: "%m/%d/%Y",
    103: "%d/%m/%Y",
    104: "%d.%m.%Y",
    108: "%H:%M:%S",
    110: "%m-%d-%Y",
    111: "%Y/%m/%d",
    112: "%Y%m%d",
    120: "%Y-%m-%d %H:%M:%S",
    126: "%Y-%m-%dT%H:%M:%S",
}
_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}
_UNITS = {
    "ss": "second", "s": "second", "mi": "minute", "n": "minute", "hh": "hour", "dd": "day", "d": "day", "dayofyear": "day",
    "dy": "day", "wk": "week", "ww": "week", "mm": "month", "m": "month", "yy": "year", "yyyy": "year",
}  # fmt: skip


def _moment(value: Any) -> dt.datetime:
    return parse_datetime(str(value))


def _add(left: Any, right: Any) -> Any:
    """``+`` joins two texts and adds anything else; a text beside a number is read as one [ms]."""
    if left is None or right is None:
        return None
    if isinstance(left, str) and isinstance(right, str):
        return left + right
    if isinstance(left, bytes) and isinstance(right, bytes):
        return left + right
    return _number(left) + _number(right)


def _divide(left: Any, right: Any) -> Any:
    """``/`` of two integers is an integer, cut off towards zero; nothing is divided by zero [ms]."""
    if left is None or right is None:
        return None
    first, second = _number(left), _number(right)
    if second == 0:
        raise error(8134)
    if isinstance(first, int) and isinstance(second, int):
        return abs(first) // abs(second) * (1 if (first < 0) == (second < 0) else -1)
    return first / second


def _number(value: Any) -> int | float:
    if isinstance(value, (int, float)):
        return value
    text = str(value).strip()
    return float(text) if "." in text else int(text)


def _styled(value: Any, style: int) -> str:
    if isinstance(value, str) and style in _STYLES:
        return _moment(value).strftime(_STYLES[style])
    return str(value)


def _to_bytes(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, int):
        return value.to_bytes(4 if abs(value) < 2**31 else 8, "big", signed=True)
    return str(value).encode("utf-16-le")


def _to_integer(value: Any) -> int:
    return int.from_bytes(value, "big", signed=True) if isinstance(value, bytes) else int(_number(value))


def _to_guid(value: Any) -> str:
    return str(uuid.UUID(bytes_le=value) if isinstance(value, bytes) else uuid.UUID(str(value).strip())).upper()


_CASTS: dict[str, Callable[[Any], Any]] = {
    "bit": lambda value: int(str(value).lower() not in ("0", "false", "0.0")),
    "float": float,
    "real": float,
    "decimal": lambda value: float(_number(value)),
    "datetime": lambda value: to_storage(_moment(value)),
    "date": lambda value: _moment(value).date().isoformat(),
    "uniqueidentifier": _to_guid,
}


def _cast(value: Any, kind_text: str, style: Any = None) -> Any:
    """CAST and CONVERT; what cannot be converted is error 8114 or 8169."""
    if value is None:
        return None
    kind = parse_type(kind_text)
    try:
        if kind.is_text:
            text = value.decode("utf-16-le") if isinstance(value, bytes) else _styled(value, int(style or 0))
            return text[: kind.length or (30 if "(" not in kind_text else None)]
        if kind.is_binary:
            return _to_bytes(value)[: kind.length or None]
        return _to_integer(value) if kind.integer_width else _CASTS.get(kind.name, lambda same: same)(value)
    except (ValueError, ArithmeticError):
        raise error(8169) if kind.name == "uniqueidentifier" else error(8114, "nvarchar", kind.name) from None


def _dateadd(unit: str, count: Any, moment: Any) -> str | None:
    if count is None or moment is None:
        return None
    unit, start = _UNITS.get(unit, unit), _moment(moment)
    if unit in _SECONDS:
        return str(to_storage(start + dt.timedelta(seconds=int(count) * _SECONDS[unit])))
    months = start.year * 12 + start.month - 1 + int(count) * (12 if unit == "year" else 1)
    year, month = divmod(months, 12)
    last = (dt.date(year + month // 11, (month + 1) % 12 + 1, 1) - dt.timedelta(days=1)).day
    return str(to_storage(start.replace(year=year, month=month + 1, day=min(start.day, last))))


def _datediff(unit: str, start: Any, end: Any) -> int | None:
    """Counts the boundaries crossed, as the server does [ms]."""
    if start is None or end is None:
        return None
    unit, first, second = _UNITS.get(unit, unit), _moment(start), _moment(end)
    if unit in _SECONDS:
        zero, step = dt.datetime(1, 1, 1), dt.timedelta(seconds=_SECONDS[unit])
        return (second - zero) // step - (first - zero) // step
    months = (second.year - first.year) * 12 + second.month - first.month
    return second.year - first.year if unit == "year" else months


@lru_cache(maxsize=256)
def _like_pattern(pattern: str, escape: str) -> re.Pattern[str]:
    out, at = [], 0
    while at < len(pattern):
        char = pattern[at]
        close = pattern.find("]", at + 2) if char == "[" else -1
        if escape and char == escape and at + 1 < len(pattern):
            at += 1
            out.append(re.escape(pattern[at]))
        elif close > 0:
            inner = pattern[at + 1 : close].replace("\\", "\\\\").replace("[", "\\[")
            out.append(f"[{inner}]")
            at = close
        else:
            out.append({"%": ".*", "_": "."}.get(char, re.escape(char)))
        at += 1
    return re.compile("".join(out), re.IGNORECASE | re.DOTALL)


def _like(pattern: Any, value: Any, escape: str = "") -> int | None:
    if pattern is None or value is None:
        return None
    return int(_like_pattern(str(pattern), escape).fullmatch(str(value)) is not None)


def _text(function: Callable[..., Any]) -> Callable[..., Any]:
    """NULL in, NULL out."""
    return lambda *values: None if any(value is None for value in values) else function(*values)


def _stuff(text: str, start: int, length: int, new: str) -> str:
    return text[: start - 1] + new + text[start - 1 + length :]


PLAIN: dict[str, tuple[int, Callable[..., Any]]] = {
    "GETDATE": (0, lambda: to_storage(dt.datetime.now())),
    "GETUTCDATE": (0, lambda: to_storage(dt.datetime.now(dt.timezone.utc))),
    "SYSDATETIME": (0, lambda: to_storage(dt.datetime.now())),
    "SYSUTCDATETIME": (0, lambda: to_storage(dt.datetime.now(dt.timezone.utc))),
    "NEWID": (0, lambda: str(uuid.uuid4()).upper()),
    "LAB_ADD": (2, _add),
    "LAB_DIV": (2, _divide),
    "LAB_CAST": (-1, _cast),
    "LAB_DATEADD": (3, _dateadd),
    "LAB_DATEDIFF": (3, _datediff),
    "LAB_RIGHT": (2, _text(lambda text, count: str(text)[-count:] if count else "")),
    "LEN": (1, _text(lambda text: len(str(text).rstrip(" ")))),
    "DATALENGTH": (1, _text(lambda value: len(value) if isinstance(value, bytes) else 2 * len(str(value)))),
    "CHARINDEX": (2, _text(lambda part, text: str(text).lower().find(str(part).lower()) + 1)),
    "QUOTENAME": (1, _text(lambda name: "[" + name.replace("]", "]]") + "]")),
    "STUFF": (4, _text(_stuff)),
    "REPLICATE": (2, _text(lambda text, count: str(text) * count)),
    "SPACE": (1, _text(lambda count: " " * count)),
}


def register(
    sqlite: sqlite3.Connection, more: dict[str, tuple[int, Callable[..., Any]]], failed: Callable[[Exception], None]
) -> None:
    """Give sqlite these functions and ``more``; an exception in one is handed to ``failed``, for sqlite forgets it."""

    def guarded(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*values: Any) -> Any:
            try:
                return function(*values)
            except Exception as problem:
                failed(problem)
                raise

        return call

    for name, (count, function) in {**PLAIN, **more}.items():
        sqlite.create_function(name, count, guarded(function))
    sqlite.create_function("like", 2, _like)
    sqlite.create_function("like", 3, _like)
