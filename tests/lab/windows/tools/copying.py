# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""xcopy and robocopy."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .. import paths
from ..errors import Win32Error
from ..filesystem import Directory
from ..process import Process

NO_FILES, FAILED = 4, 4
ROBOCOPY_COPIED, ROBOCOPY_FAILED, ROBOCOPY_FATAL = 1, 8, 16


def _tree(process: Process, folder: str, patterns: list[str], *, deep: bool) -> Iterator[tuple[str, bool]]:
    """Paths relative to a folder, and whether each is a folder."""
    for node in process.files.entries(folder):
        if isinstance(node, Directory):
            if deep:
                yield node.name, True
                inner = _tree(process, paths.join(folder, node.name), patterns, deep=True)
                yield from ((f"{node.name}\\{path}", is_folder) for path, is_folder in inner)
        elif any(paths.matches(pattern, node.name, node.short) for pattern in patterns):
            yield node.name, False


def xcopy(process: Process) -> int:
    """``xcopy source [target] [/y] [/s] [/e] [/i] [/q]``: 0 done, 4 a failure, 1 nothing to copy [ms]."""
    words = [word for word in process.argv[1:] if not word.startswith("/")]
    flags = {
        flag for word in process.argv[1:] if word.startswith("/") for flag in re.findall(r"/([a-z-]+)", word.lower())
    }
    if not 1 <= len(words) <= 2:
        process.complain("Invalid number of parameters", "0 File(s) copied")
        return FAILED
    source, target = [*words, process.cwd][:2]
    folder, pattern = (source, "*") if process.files.is_dir(source) else _split(process, source)
    try:
        found = list(_tree(process, folder, [pattern], deep=bool({"s", "e"} & flags)))
        files = [path for path, is_folder in found if not is_folder]
        if not files:
            raise Win32Error(2, source)
        goals = _goals(process, files, target, flags, several=pattern == "*" or paths.has_wildcard(pattern))
    except Win32Error as error:
        process.complain(f"File not found - {pattern}" if error.code in (2, 3) else error.text)
        process.say("0 File(s) copied")
        return NO_FILES
    empty = [path for path, is_folder in found if is_folder] if "e" in flags else []
    return _xcopy_all(process, folder, goals, [paths.join(target, path) for path in empty], flags)


def _split(process: Process, path: str) -> tuple[str, str]:
    folder, backslash, name = path.rpartition("\\")
    return folder + backslash or process.cwd, name


def _goals(process: Process, files: list[str], target: str, flags: set[str], *, several: bool) -> list[tuple[str, str]]:
    """Source and target of each file; a target that is not there may be a file or a folder, which is asked."""
    if process.files.is_dir(target) or target.endswith("\\") or (several and "i" in flags):
        return [(file, paths.join(target, file)) for file in files]
    if process.files.is_file(target):
        return [(files[0], target)]
    while True:
        name = target.rpartition("\\")[2]
        process.out(
            f"Does {name if several else target} specify a file name\r\nor directory name on the target\r\n"
            "(F = file, D = directory)? ",
            apart=True,
        )
        answer = process.stdin.read_line()
        if answer is None:
            raise Win32Error(1, target)
        if answer[:1].lower() in ("f", "d"):
            is_folder = answer[:1].lower() == "d"
            return [(file, paths.join(target, file) if is_folder else target) for file in files]


def _xcopy_all(process: Process, folder: str, goals: list[tuple[str, str]], empty: list[str], flags: set[str]) -> int:
    copied = 0
    try:
        for goal in empty:
            if not process.files.exists(goal):
                process.files.mkdir(goal)
        for file, goal in goals:
            above = paths.parent(process.files.absolute(goal))
            if not process.files.exists(above):
                process.files.mkdir(above)
            if process.files.exists(goal) and "y" not in flags and not _overwrite(process, goal):
                continue
            process.files.copy(paths.join(folder, file), goal)
            copied += 1
            if "q" not in flags:
                process.say(paths.join(folder, file))
    except Win32Error as error:
        process.complain(error.text)
        process.say(f"{copied} File(s) copied")
        return FAILED
    process.say(f"{copied} File(s) copied")
    return 0


def _overwrite(process: Process, goal: str) -> bool:
    while True:
        process.out(f"Overwrite {goal} (Yes/No/All)? ", apart=True)
        line = process.stdin.read_line()
        if line is None or line[:1].lower() in ("y", "n", "a"):
            return (line or "n")[:1].lower() != "n"


def robocopy(process: Process) -> int:
    """``robocopy source target [files] [/s|/e|/mir] ...``: 0 nothing to do, 1 copied, 8 failures, 16 no source [ms]."""
    words = [word for word in process.argv[1:] if not word.startswith("/")]
    flags = {word[1:].lower() for word in process.argv[1:] if word.startswith("/")}
    if len(words) < 2:
        process.say("", "ERROR : No Destination Directory Specified.", "")
        return ROBOCOPY_FATAL
    source, target = words[:2]
    try:
        found = list(_tree(process, source, words[2:] or ["*"], deep=bool({"s", "e", "mir"} & flags)))
        if not process.files.exists(target):
            process.files.mkdir(target)
    except Win32Error as error:
        process.say("", f"ERROR {error.code} (0x{error.code:08X}) Accessing Source Directory {source}", error.text, "")
        return ROBOCOPY_FATAL
    copied = failed = 0
    for path, is_folder in found:
        goal = paths.join(target, path)
        try:
            copied += _robocopy_one(process, paths.join(source, path), goal, is_folder=is_folder)
        except Win32Error as error:
            process.say(
                f"ERROR {error.code} (0x{error.code:08X}) Copying File {paths.join(source, path)}", error.text, ""
            )
            failed += 1
    if "njs" not in flags:
        process.say("", "-" * 78, "", f"   Files : {len(found):>9}{copied:>10}{failed:>10}", "")
    return (ROBOCOPY_COPIED if copied else 0) | (ROBOCOPY_FAILED if failed else 0)


def _robocopy_one(process: Process, source: str, goal: str, *, is_folder: bool) -> int:
    """1 for a file that was copied; a file with the same content and time is left alone."""
    if is_folder:
        if not process.files.exists(goal):
            process.files.mkdir(goal)
        return 0
    if process.files.is_file(goal) and process.files.read(goal) == process.files.read(source):
        return 0
    process.files.copy(source, goal)
    return 1
