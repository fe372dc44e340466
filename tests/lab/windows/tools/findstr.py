# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""findstr.exe, with its own kind of regular expressions [field].

From a pipe it reads until End; a last line without end gets one.  Lines longer than 8191 bytes are not searched
(``FINDSTR: Line n is too long.``) [field].
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from .. import paths
from ..errors import Win32Error
from ..filesystem import Directory
from ..process import Process

LONGEST_LINE = 8191
_META = set(".*^$[\\<>")


@dataclass
class _Search:
    process: Process
    flags: set[str] = field(default_factory=set)
    strings: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    several: bool = False
    pattern: re.Pattern[str] | None = None


def translate(text: str) -> str:
    """A findstr expression as one of Python; what findstr does not know as special is literal."""
    result, index = "", 0
    while index < len(text):
        char, rest = text[index], text[index + 1 :]
        index += 1
        if char == "\\" and rest:
            index += 1
            result += r"\b" if rest[0] in "<>" else re.escape(rest[0])
        elif char == "[" and "]" in rest[1:]:
            end = rest.index("]", 1)
            negated = rest.startswith("^")
            result += (
                "["
                + ("^" if negated else "")
                + rest[int(negated) : end].replace("\\", "\\\\").replace("[", "\\[")
                + "]"
            )
            index += end + 1
        elif char == "*" and result not in ("", "^"):
            result += "*"
        elif char == "^":
            result += "^" if not result else r"\^"
        elif char == "$":
            result += "$" if not rest else r"\$"
        else:
            result += "." if char == "." else re.escape(char)
    return result


def _parse(process: Process) -> _Search | None:
    search = _Search(process)
    literal: list[str] = []
    separate = True
    words = process.argv[1:]
    while words:
        word = words.pop(0)
        lowered = word.lower()
        if not word.startswith("/") and not (word.startswith("-") and len(word) > 1):
            if not (search.strings or literal):
                search.strings = [part for part in word.split(" ") if part]
            else:
                search.files.append(word)
        elif lowered[1:3] == "c:":
            literal.append(word[3:])
            separate = False
        elif lowered[1:3] == "g:":
            data = process.files.read(word[3:]) if word[3:] != "/" else process.stdin.read_all_pipe()
            search.strings += process.decode(data).splitlines()
        elif lowered[1:3] not in ("f:", "d:", "a:"):
            search.flags |= set(lowered[1:])
    strings = search.strings if separate else literal
    if not separate and search.strings:
        search.files = search.strings + search.files
    if not strings:
        return None
    search.pattern = _compiled(strings, search.flags, expression=separate)
    return search


def _compiled(strings: list[str], flags: set[str], *, expression: bool) -> re.Pattern[str]:
    """``/c:`` texts are literal unless ``/r``; others are expressions when they contain a special character, unless
    ``/l``.
    """
    is_expression = "r" in flags or ("l" not in flags and expression and bool(set("".join(strings)) & _META))
    parts = [translate(text) if is_expression else re.escape(text) for text in strings]
    if "b" in flags:
        parts = ["^" + part for part in parts]
    if "e" in flags:
        parts = [part + "$" for part in parts]
    if "x" in flags:
        parts = ["^(?:" + part + ")$" for part in parts]
    return re.compile("|".join(f"(?:{part})" for part in parts), re.IGNORECASE if "i" in flags else 0)


def _lines(data: bytes) -> list[bytes]:
    """Lines with their ends; CR LF is added to a last one without."""
    lines = (
        data.splitlines(keepends=True)
        if b"\r" not in data.replace(b"\r\n", b"")
        else re.findall(rb"[^\n]*\n|[^\n]+$", data)
    )
    if lines and not lines[-1].endswith(b"\n"):
        lines[-1] += b"\r\n"
    return lines


def _search_in(search: _Search, data: bytes, name: str) -> bool:
    """Print what fits; whether something did."""
    process, flags = search.process, search.flags
    found, output, offset = False, b"", 0
    for number, line in enumerate(_lines(data), 1):
        body = line.rstrip(b"\n").removesuffix(b"\r")
        if len(body) > LONGEST_LINE:
            process.complain(f"FINDSTR: Line {number} is too long.")
            continue
        text = process.decode(body)
        if bool(search.pattern and search.pattern.search(text)) != ("v" in flags):
            found = True
            prefix = f"{name}:" if search.several else ""
            prefix += f"{number}:" if "n" in flags else ""
            prefix += f"{offset}:" if "o" in flags else ""
            output += process.encode(prefix) + line
        offset += len(line)
    if "m" in flags:
        output = process.encode(name + "\r\n") if found else b""
    process.out(output, apart=False)
    return found


def _targets(search: _Search) -> list[str]:
    """The files that are searched, patterns and ``/s`` resolved."""
    found: list[str] = []
    for word in search.files:
        prefix, backslash, name = word.rpartition("\\")
        if paths.has_wildcard(name) or "s" in search.flags:
            found += _below(search.process, prefix + backslash, name, deep="s" in search.flags)
        else:
            found.append(word)
    return found


def _below(process: Process, prefix: str, pattern: str, *, deep: bool) -> list[str]:
    try:
        entries = process.files.entries(prefix or ".")
    except Win32Error:
        return []
    files = [entry for entry in entries if not isinstance(entry, Directory)]
    found = [prefix + entry.name for entry in files if paths.matches(pattern, entry.name, entry.short)]
    for entry in entries:
        if deep and isinstance(entry, Directory):
            found += _below(process, f"{prefix}{entry.name}\\", pattern, deep=True)
    return found


def findstr(process: Process) -> int:
    """The program: 0 when something fitted, 1 when not, 2 for errors."""
    search = _parse(process)
    if search is None:
        process.complain("FINDSTR: Bad command line")
        return 2
    if not search.files:
        return 0 if _search_in(search, process.stdin.read_all_pipe(), "(standard input)") else 1
    targets = _targets(search)
    search.several = len(targets) > 1 or any(paths.has_wildcard(word) for word in search.files)
    found = False
    for target in targets:
        try:
            found |= _search_in(search, process.files.read(target), target)
        except Win32Error:
            process.complain(f"FINDSTR: Cannot open {target}")
    return 0 if found else 1
