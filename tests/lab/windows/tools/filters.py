# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""find, more, sort and fc."""

from __future__ import annotations

import re

from .. import paths
from ..errors import Win32Error
from ..process import Process


def find(process: Process) -> int:
    """``find "text" [/v] [/c] [/n] [/i] [files]``: the text must stand in quotes; 0 found, 1 not, 2 an error [ms]."""
    match = re.search(r'"((?:[^"]|"")*)"', process.command_line)
    if match is None:
        process.complain("FIND: Parameter format not correct")
        return 2
    wanted = match.group(1).replace('""', '"')
    rest = process.command_line[: match.start()] + " " + process.command_line[match.end() :]
    words = [word.strip('"') for word in re.findall(r'"[^"]*"|[^\s"/]+|/\w+', rest)]
    flags = {word[1:].lower() for word in words if word.startswith("/")}
    files = [word for word in words if not word.startswith("/")]
    if not files:
        count = _find_in(process, process.stdin.read_all_pipe(), wanted, flags, "")
        return 0 if count else 1
    total = 0
    for file in files:
        try:
            total += _find_in(process, process.files.read(file), wanted, flags, f"---------- {file.upper()}")
        except Win32Error:
            process.complain(f"File not found - {file.upper()}")
    return 0 if total else 1


def _find_in(process: Process, data: bytes, wanted: str, flags: set[str], header: str) -> int:
    """Print and count the lines that fit; an empty text fits nothing."""
    hits: list[str] = []
    lines = re.split(r"\r?\n", process.decode(data).removesuffix("\n").removesuffix("\r")) if data else []
    for number, line in enumerate(lines, 1):
        here, there = (line.lower(), wanted.lower()) if "i" in flags else (line, wanted)
        if (bool(there) and there in here) != ("v" in flags):
            hits.append(f"[{number}]{line}" if "n" in flags else line)
    if "c" in flags:
        process.say(*(["", f"{header}: {len(hits)}"] if header else [str(len(hits))]))
    else:
        process.say(*(["", header] if header else []), *hits)
    return len(hits)


def more(process: Process) -> int:
    """``more [files]``: into a pipe it never stops between pages."""
    files = [word for word in process.argv[1:] if not word.startswith(("/", "+"))]
    if not files:
        process.out(_ended(process.stdin.read_all_pipe()), apart=False)
        return 0
    for file in files:
        try:
            process.out(_ended(process.files.read(file)), apart=False)
        except Win32Error:
            process.complain(f"Cannot access file {process.files.absolute(file)}")
            return 1
    return 0


def _ended(data: bytes) -> bytes:
    return data if data.endswith(b"\n") or not data else data + b"\r\n"


def sort(process: Process) -> int:
    """``sort [/r] [file] [/o file]``: without regard to case."""
    words = process.argv[1:]
    target = ""
    for index, word in enumerate(words[:-1]):
        if word.lower() in ("/o", "/output"):
            target = words[index + 1]
            del words[index : index + 2]
            break
    files = [word for word in words if not word.startswith("/")]
    try:
        data = process.files.read(files[0]) if files else process.stdin.read_all_pipe()
    except Win32Error as error:
        process.complain(f"{files[0]}{error.text}")
        return 1
    lines = sorted(
        process.decode(data).splitlines(), key=str.lower, reverse=any(word.lower().startswith("/r") for word in words)
    )
    output = process.encode("".join(line + "\r\n" for line in lines))
    if target:
        process.files.write(target, output)
    else:
        process.out(output, apart=False)
    return 0


def fc(process: Process) -> int:
    """``fc [/b] a b``: 0 the same, 1 different, 2 a file is missing."""
    files = [word for word in process.argv[1:] if not word.startswith("/")]
    if len(files) != 2:
        process.complain("FC: Insufficient number of file specifications")
        return 2
    contents: list[bytes] = []
    for file in files:
        try:
            contents.append(process.files.read(file))
        except Win32Error:
            process.complain(f"FC: cannot open {file.upper()} - No such file or folder", "")
            return 2
    process.say(f"Comparing files {files[0]} and {files[1].upper()}")
    if contents[0] == contents[1]:
        process.say("FC: no differences encountered", "")
        return 0
    binary = any(word.lower() == "/b" for word in process.argv[1:])
    process.say(*(_binary_differences(files, contents) if binary else _text_differences(files, contents)), "")
    return 1


def _binary_differences(files: list[str], contents: list[bytes]) -> list[str]:
    pairs = zip(*contents, strict=False)
    lines = [f"{offset:08X}: {one:02X} {two:02X}" for offset, (one, two) in enumerate(pairs) if one != two]
    if len(contents[0]) != len(contents[1]):
        longer = 0 if len(contents[0]) > len(contents[1]) else 1
        lines.append(f"FC: {files[longer].upper()} longer than {files[1 - longer].upper()}")
    return lines


def _text_differences(files: list[str], contents: list[bytes]) -> list[str]:
    """Everything from the first to the last line that differs [assumed: the real tool resynchronizes]."""
    one, two = (content.decode("latin-1").splitlines() for content in contents)
    start = next(
        (index for index, pair in enumerate(zip(one, two, strict=False)) if pair[0] != pair[1]), min(len(one), len(two))
    )
    return [f"***** {files[0]}", *one[start:], f"***** {files[1].upper()}", *two[start:], "*****"]


def where(process: Process) -> int:
    r"""``where name``, ``where folder:pattern``, ``where /r folder pattern``: 0 found, 1 not [ms]."""
    words = process.argv[1:]
    found: list[str] = []
    if words[:1] and words[0].lower() == "/r" and len(words) > 2:
        for pattern in words[2:]:
            found += _where_below(process, process.files.absolute(words[1]), pattern)
    else:
        for word in (word for word in words if not word.startswith("/")):
            folder, colon, pattern = word.rpartition(":")
            places = [folder] if colon else [process.cwd, *process.env.get("PATH", "").split(";")]
            found += [
                path
                for place in places
                for path in _where_in(process, process.env.get(place.strip("$"), place), pattern)
            ]
    unique = list(dict.fromkeys(found))
    if not unique:
        process.complain("INFO: Could not find files for the given pattern(s).")
        return 1
    process.say(*unique)
    return 0


def _where_in(process: Process, folder: str, pattern: str) -> list[str]:
    extensions = ["", *process.env.get("PATHEXT", "").split(";")]
    if not folder or not process.files.is_dir(folder):
        return []
    entries = [
        entry for entry in process.files.entries(folder) if process.files.is_file(paths.join(folder, entry.name))
    ]
    names = [
        entry.name
        for entry in entries
        if any(paths.matches(pattern + extension, entry.name) for extension in extensions)
    ]
    return [paths.join(process.files.absolute(folder), name) for name in names]


def _where_below(process: Process, folder: str, pattern: str) -> list[str]:
    if not process.files.is_dir(folder):
        return []
    found = _where_in(process, folder, pattern)
    for entry in process.files.entries(folder):
        path = paths.join(folder, entry.name)
        if process.files.is_dir(path):
            found += _where_below(process, path, pattern)
    return found
