# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
r"""How reg.exe writes registry data: in listings, and in .reg files (version 5.00, UTF-16 with its mark) [ms]."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..registry import Data, Key, Type, Value

HEADER = "Windows Registry Editor Version 5.00"
_HEX_TYPES: dict[Type, int] = {"REG_NONE": 0, "REG_EXPAND_SZ": 2, "REG_BINARY": 3, "REG_MULTI_SZ": 7, "REG_QWORD": 11}
_WIDTH = 80


def shown(value: Value, wide: bool) -> str:
    """The data as ``reg query`` prints it; a list ends with two terminators on Windows Server 2003 [field]."""
    data = value.data
    if isinstance(data, int):
        return f"0x{data:x}"
    if isinstance(data, bytes):
        return data.hex().upper()
    if isinstance(data, list):
        return "\\0".join(data) + ("" if wide else "\\0\\0")
    return data


def parse_data(kind: Type, text: str, separator: str = "\\0") -> Data:
    """The data of ``reg add /d``; ValueError when it does not fit the type."""
    if kind in ("REG_DWORD", "REG_QWORD"):
        number = int(text, 0) if text else 0
        if not 0 <= number < 1 << (32 if kind == "REG_DWORD" else 64):
            raise ValueError(text)
        return number
    if kind in ("REG_BINARY", "REG_NONE"):
        return bytes.fromhex(text if len(text) % 2 == 0 else "0" + text)
    if kind == "REG_MULTI_SZ":
        return [part for part in text.split(separator) if part]
    return text


def to_bytes(value: Value) -> bytes:
    """The data as the registry stores it."""
    data = value.data
    if isinstance(data, int):
        return data.to_bytes(8 if value.type == "REG_QWORD" else 4, "little")
    if isinstance(data, list):
        return "".join(part + "\0" for part in [*data, ""]).encode("utf-16-le")
    return (data + "\0").encode("utf-16-le") if isinstance(data, str) else data


def export_text(path: str, key: Key) -> str:
    """A .reg file of a key and everything below it."""
    return "\r\n".join([HEADER, "", *_exported(path, key)]) + "\r\n"


def _exported(path: str, key: Key) -> Iterator[str]:
    yield f"[{path}]"
    for name in sorted(key.values):
        yield _exported_value(key.values[name])
    yield ""
    for name in sorted(key.subkeys):
        yield from _exported(f"{path}\\{key.subkeys[name].name}", key.subkeys[name])


def _exported_value(value: Value) -> str:
    name = f'"{_escaped(value.name)}"=' if value.name else "@="
    if value.type == "REG_SZ" and isinstance(value.data, str):
        return f'{name}"{_escaped(value.data)}"'
    if value.type == "REG_DWORD" and isinstance(value.data, int):
        return f"{name}dword:{value.data:08x}"
    number = _HEX_TYPES[value.type]
    return _wrapped(name + ("hex:" if number == 3 else f"hex({number:x}):"), to_bytes(value))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _wrapped(head: str, data: bytes) -> str:
    """Hexadecimal pairs, broken with a backslash before column 80."""
    lines, current = [], head
    for index, byte in enumerate(data):
        piece = f"{byte:02x}" + ("," if index < len(data) - 1 else "")
        if len(current) + len(piece) > _WIDTH - 3:
            lines.append(current + "\\")
            current = "  "
        current += piece
    return "\r\n".join([*lines, current])


def parse_file(data: bytes) -> Iterator[tuple[str, Value | str | None]]:
    """What a .reg file says: (key, value to set), (key, name of a value to delete), (key, None) to create it.

    A key to delete comes as ``-key``.  ValueError when this is no .reg file.
    """
    text = data[2:].decode("utf-16-le") if data.startswith(b"\xff\xfe") else data.decode("cp1252")
    lines = re.sub(r"\\\r?\n\s*", "", text).splitlines()
    if not lines or lines[0].strip() not in (HEADER, "REGEDIT4"):
        raise ValueError("not a registration file")
    key = ""
    for line in lines[1:]:
        if match := re.fullmatch(r"\[(.*)\]\s*", line):
            key = match.group(1)
            yield key, None
        elif match := re.fullmatch(r'(@|"(?:[^"\\]|\\.)*")\s*=\s*(.*?)\s*', line):
            name = re.sub(r"\\(.)", r"\1", match.group(1)[1:-1])
            yield key, name if match.group(2) == "-" else Value(name, *_parsed(match.group(2)))


def _parsed(text: str) -> tuple[Type, Data]:
    if text.startswith('"'):
        return "REG_SZ", re.sub(r"\\(.)", r"\1", text[1:-1])
    if text.startswith("dword:"):
        return "REG_DWORD", int(text[6:], 16)
    match = re.fullmatch(r"hex(?:\(([0-9a-f]+)\))?:(.*)", text, re.IGNORECASE)
    if match is None:
        raise ValueError(text)
    number = int(match.group(1) or "3", 16)
    kind = next(kind for kind, known in {**_HEX_TYPES, "REG_SZ": 1, "REG_DWORD": 4}.items() if known == number)
    return kind, _from_bytes(kind, bytes.fromhex(match.group(2).replace(",", " ")))


def _from_bytes(kind: Type, data: bytes) -> Data:
    if kind in ("REG_DWORD", "REG_QWORD"):
        return int.from_bytes(data, "little")
    if kind == "REG_MULTI_SZ":
        return [part for part in data.decode("utf-16-le").split("\0") if part]
    return data if kind in ("REG_BINARY", "REG_NONE") else data.decode("utf-16-le").rstrip("\0")
