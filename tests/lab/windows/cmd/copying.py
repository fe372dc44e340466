# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""copy, move, ren."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import paths
from ..errors import Win32Error
from ..filesystem import Directory
from ..process import Process
from .arguments import parse_arguments
from .common import Builtin
from .questions import Overwriting

if TYPE_CHECKING:
    from .interpreter import Interpreter

SYNTAX = "The syntax of the command is incorrect."
END_OF_TEXT = b"\x1a"


@dataclass
class _Copy:
    """One ``copy``: groups of sources (joined with ``+``), the target, and what the switches say."""

    io: Process
    sources: list[str]
    joined: bool
    target: str
    binary: bool | None
    overwriting: Overwriting
    copied: int = 0


def _parse_copy(io: Process, arguments: str) -> _Copy | None:
    found = parse_arguments(arguments.replace("+", " + ") if '"' not in arguments else _spaced_plus(arguments))
    words, joined, sources = list(found.words), "+" in found.words, []
    if not words or words[0] == "+":
        return None
    sources.append(words.pop(0))
    while len(words) > 1 and words[0] == "+":
        sources.append(words[1])
        del words[:2]
    if len(words) > 1 or "+" in words:
        return None
    always = found.has("y") or "/y" in io.env.get("COPYCMD", "").lower()
    binary = True if found.has("b") else (False if found.has("a") else None)
    target = words[0] if words else (sources[0] if joined else io.cwd)
    return _Copy(io, sources, joined, target, binary, Overwriting(io, always and not found.has("-y")))


def _spaced_plus(text: str) -> str:
    """``+`` outside quotes with blanks around it."""
    result, quoted = "", False
    for char in text:
        quoted ^= char == '"'
        result += " + " if char == "+" and not quoted else char
    return result


def _copy(shell: Interpreter, io: Process, arguments: str) -> int:
    """``copy [/y] [/a|/b] source[+source...] [target]``: joined files are text (up to Ctrl+Z) unless ``/b`` [ms]."""
    job = _parse_copy(io, arguments)
    if job is None:
        io.complain(SYNTAX)
        return 1
    try:
        code = _join(job) if job.joined else _copy_each(job)
    except Win32Error as error:
        io.complain(error.text)
        if error.code in (2, 3) and not job.joined and not io.files.exists(job.sources[0]):
            return 1
        code = 1
    io.say(f"{job.copied:>9} file(s) copied.")
    return code


def expand_sources(io: Process, source: str) -> list[str]:
    """The files that a name or pattern means; a folder means all files in it; error 2 without any."""
    if paths.is_device(source):
        return [source]
    if io.files.is_dir(source):
        source = paths.join(source, "*")
    prefix, backslash, name = source.rpartition("\\")
    if not paths.has_wildcard(name):
        io.files.node(source)
        return [source]
    entries = io.files.entries(prefix + backslash or ".", name)
    found = [prefix + backslash + entry.name for entry in entries if not isinstance(entry, Directory)]
    if not found:
        raise Win32Error(2, source)
    return found


def _copy_each(job: _Copy) -> int:
    io, code = job.io, 0
    source = job.sources[0]
    found = expand_sources(io, source)
    several = paths.has_wildcard(source) or io.files.is_dir(source)
    to_one_file = several and not io.files.is_dir(job.target) and not paths.has_wildcard(job.target)
    if to_one_file and not paths.is_device(job.target):
        job.sources = found
        return _join(job)
    for path in found:
        if several:
            io.say(path)
        target = target_of(io, path, job.target)
        if io.files.absolute(path).lower() == io.files.absolute(target).lower():
            io.say("The file cannot be copied onto itself.")
            code = 1
        elif not _refused(job, target):
            io.files.copy(path, target) if not paths.is_device(path) else io.files.write(target, b"")
            job.copied += 1
    return code


def target_of(io: Process, source: str, target: str) -> str:
    """The file that a source becomes: in a folder it keeps its name; ``*`` and ``?`` in the target take parts of it."""
    name = source.replace("/", "\\").rpartition("\\")[2]
    if io.files.is_dir(target):
        return paths.join(target, name)
    prefix, backslash, last = target.rpartition("\\")
    return prefix + backslash + renamed(name, last) if paths.has_wildcard(last) else target


def renamed(name: str, pattern: str) -> str:
    """A name changed by a pattern such as ``*.bak``, stem and extension each for itself [assumed for rarer patterns]."""
    stem, _dot, extension = name.rpartition(".") if "." in name else (name, "", "")
    wanted_stem, wanted_dot, wanted_extension = pattern.rpartition(".") if "." in pattern else (pattern, "", "")
    new_stem = _filled(wanted_stem, stem)
    if not wanted_dot:
        return new_stem if wanted_stem != "*" else name
    new_extension = _filled(wanted_extension, extension)
    return new_stem + (wanted_dot + new_extension if new_extension else "")


def _filled(pattern: str, text: str) -> str:
    result = ""
    for index, char in enumerate(pattern):
        if char == "*":
            return result + text[index:]
        result += text[index : index + 1] if char == "?" else char
    return result


def _refused(job: _Copy, target: str) -> bool:
    return not paths.is_device(target) and job.io.files.exists(target) and not job.overwriting.allowed(target)


def _join(job: _Copy) -> int:
    io = job.io
    found = [path for source in job.sources for path in _sources_that_exist(io, source)]
    if not found:
        raise Win32Error(2, job.sources[0])
    target = target_of(io, found[0], job.target)
    data = b""
    for path in found:
        io.say(path)
        content = io.files.read(path)
        data += content if job.binary else content.partition(END_OF_TEXT)[0]
    onto_first = io.files.absolute(found[0]).lower() == io.files.absolute(target).lower()
    if not onto_first and _refused(job, target):
        return 0
    io.files.write(target, data if job.binary else data + END_OF_TEXT)
    job.copied = 1
    return 0


def _sources_that_exist(io: Process, source: str) -> list[str]:
    """Sources of a joined copy that are missing are left out [field]."""
    try:
        return expand_sources(io, source)
    except Win32Error as error:
        if error.code != 2:
            raise
        return []


def _move(shell: Interpreter, io: Process, arguments: str) -> int:
    """``move [/y] source [target]``."""
    found = parse_arguments(arguments)
    if not 1 <= len(found.words) <= 2:
        io.complain(SYNTAX)
        return 1
    source, target = [*found.words, "."][:2]
    overwriting = Overwriting(io, found.has("y") and not found.has("-y"))
    if io.files.is_dir(source):
        return _move_folder(io, source, target)
    moved = 0
    code = 0
    for path in _movable(io, source):
        goal = target_of(io, path, target)
        if (
            io.files.is_file(goal)
            and io.files.absolute(goal) != io.files.absolute(path)
            and not overwriting.allowed(goal)
        ):
            continue
        try:
            io.files.move(path, goal, replace=True)
            moved += 1
        except Win32Error as error:
            io.complain(error.text)
            code = 1
    io.say(f"{moved:>9} file(s) moved.")
    return code


def _movable(io: Process, source: str) -> list[str]:
    try:
        return expand_sources(io, source)
    except Win32Error as error:
        raise Win32Error(2 if error.code == 3 and paths.has_wildcard(source) else error.code, source) from error


def _move_folder(io: Process, source: str, target: str) -> int:
    if io.files.is_dir(target):
        target = paths.join(target, io.files.node(source).name)
    io.files.move(source, target)
    io.say(f"{1:>9} dir(s) moved.")
    return 0


def _ren(shell: Interpreter, io: Process, arguments: str) -> int:
    """``ren path name``: the new name has no folder."""
    words = parse_arguments(arguments).words
    if len(words) != 2 or "\\" in words[1] or ":" in words[1]:
        io.complain(SYNTAX)
        return 1
    prefix, backslash, name = words[0].rpartition("\\")
    names = (
        [entry.name for entry in io.files.entries(prefix + backslash or ".", name)]
        if paths.has_wildcard(name)
        else [name]
    )
    code = 0
    for old in names:
        new = renamed(old, words[1]) if paths.has_wildcard(words[1]) else words[1]
        try:
            io.files.move(prefix + backslash + old, prefix + backslash + new)
        except Win32Error as error:
            duplicate = ("A duplicate file name exists, or the file", "cannot be found.")
            io.complain(*(duplicate if error.code == 183 else (error.text,)))
            code = 1
    return code


COMMANDS: dict[str, Builtin] = {
    "copy": Builtin(_copy),
    "move": Builtin(_move),
    "ren": Builtin(_ren),
    "rename": Builtin(_ren),
}
