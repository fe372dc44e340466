# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""cmd.exe's variables: ``%NAME%`` when a line is read, ``!NAME!`` when a command runs, ``%a`` of ``for``.

This is the command line's dialect (not the batch file's): an undefined ``%NAME%`` stays as it is and ``%%`` is two
percent signs [field].
"""

from __future__ import annotations

import ntpath
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Lookup = Callable[[str], "str | None"]


def expand_percent(line: str, lookup: Lookup) -> str:
    """Expand ``%NAME%``, ``%NAME:~1,2%`` and ``%NAME:old=new%``."""
    result, position = "", 0
    while (start := line.find("%", position)) >= 0:
        result += line[position:start]
        value, end = _reference(line, start + 1, "%", lookup)
        result += "%" if value is None else value
        position = start + 1 if value is None else end
    return result + line[position:]


def expand_delayed(text: str, lookup: Lookup) -> str:
    """Expand ``!NAME!``; in a text with a ``!``, ``^`` escapes once more and a lonely ``!`` vanishes."""
    if "!" not in text:
        return text
    result, position = "", 0
    while position < len(text):
        char = text[position]
        position += 1
        if char == "^":
            result += text[position : position + 1]
            position += 1
        elif char == "!":
            value, end = _reference(text, position, "!", lookup)
            closed = text.find("!", position)
            if value is not None:
                result, position = result + value, end
            elif closed >= 0:
                position = closed + 1
        else:
            result += char
    return result


def _reference(text: str, start: int, mark: str, lookup: Lookup) -> tuple[str | None, int]:
    """The value of the reference that begins at ``start`` and the position after it; None when it is not a reference."""
    end = text.find(mark, start)
    if end < 0:
        return None, start
    name = text[start:end]
    colon = name.find(":", 1)
    if colon < 0:
        return (lookup(name) if name else None), end + 1
    value = lookup(name[:colon])
    if value is None:
        return None, start
    return _modified(value, name[colon + 1 :]), end + 1


def _modified(value: str, modifier: str) -> str | None:
    """``~start,length`` or ``old=new`` (``*old=new`` replaces everything up to ``old``)."""
    if match := re.fullmatch(r"~\s*(-?\d+)?\s*(?:,\s*(-?\d+)?)?", modifier):
        start, length = (int(group) if group else None for group in match.groups())
        begin = max(len(value) + start, 0) if start is not None and start < 0 else (start or 0)
        rest = value[begin:]
        return rest if length is None else rest[:length]
    old, equals, new = modifier.partition("=")
    if not equals or not old:
        return None
    if old.startswith("*") and len(old) > 1:
        found = value.lower().find(old[1:].lower())
        return value if found < 0 else new + value[found + len(old) - 1 :]
    return re.sub(re.escape(old), lambda _match: new, value, flags=re.IGNORECASE)


@dataclass(frozen=True)
class LoopPaths:
    """What the modifiers of ``%~`` need to know of files."""

    absolute: Callable[[str], str]
    short: Callable[[str], str]
    details: Callable[[str], Mapping[str, str]]


def expand_loop(text: str, values: Mapping[str, str], files: LoopPaths) -> str:
    """Expand ``%a`` and ``%~nxa`` of the loops around a command."""
    if not values or "%" not in text:
        return text
    result, position = "", 0
    while (start := text.find("%", position)) >= 0:
        result += text[position:start]
        match = re.compile(r"%(?:~([fdpnxsatz]*))?(.)", re.DOTALL).match(text, start)
        found = _loop_value(match, values) if match else None
        if found is None:
            result, position = result + "%", start + 1
            continue
        modifiers, name, end = found
        result += values[name] if modifiers is None else _loop_modified(values[name], modifiers, files)
        position = end
    return result + text[position:]


def _loop_value(match: re.Match[str], values: Mapping[str, str]) -> tuple[str | None, str, int] | None:
    """Modifiers, variable and end; the variable is the last letter that a loop knows (``%~dpa``: ``dp`` of ``a``)."""
    modifiers, name = match.group(1), match.group(2)
    if name in values:
        return modifiers, name, match.end()
    while modifiers:
        modifiers, name = modifiers[:-1], modifiers[-1]
        if name in values:
            return modifiers, name, match.start() + 2 + len(modifiers) + 1
    return None


def _loop_modified(value: str, modifiers: str, files: LoopPaths) -> str:
    value = value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value.strip('"')
    if not modifiers:
        return value
    full = files.absolute(value)
    if "s" in modifiers:
        full = files.short(full)
    details = files.details(full)
    shown = [details[letter] for letter in "atz" if letter in modifiers and details.get(letter)]
    drive, rest = full[:2], full[2:]
    folder, name = rest.rsplit("\\", 1) if "\\" in rest else ("", rest)
    stem, extension = ntpath.splitext(name)
    parts = {"d": drive, "p": folder + "\\", "n": stem, "x": extension}
    wanted = "dpnx" if "f" in modifiers or not set(modifiers) & set("dpnxatz") else modifiers
    path = "".join(parts[letter] for letter in "dpnx" if letter in wanted)
    return " ".join([*shown, *([path] if path else [])])
