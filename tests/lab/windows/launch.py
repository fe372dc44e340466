# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting programs: finding the file, splitting arguments, faults and records."""

from __future__ import annotations

import ntpath
from dataclasses import replace

from . import paths
from .errors import Win32Error
from .filesystem import File
from .lifeline import Killed, Lifeline
from .process import TERMINATED, Process, Program
from .stdin import InvalidOperation

UNHANDLED_CLR = 0xE0434F4D
"""Exit code of an unhandled exception in .NET 2.0 [field]."""
WINDOWED = ("msiexec",)
"""Programs of the box that have windows: cmd.exe waits for them only behind ``start /wait`` [ms]."""


def split_arguments(tail: str) -> list[str]:
    r"""The C runtime's rules: quotes group, ``\"`` is a quote, so is ``""`` between quotes (and ends them), backslashes count
    only before quotes [ms].
    """
    arguments: list[str] = []
    current, quoted, present, index = "", False, False, 0
    while index < len(tail):
        run = len(tail[index:]) - len(tail[index:].lstrip("\\"))
        char = tail[index + run : index + run + 1]
        if char == '"':
            doubled = quoted and not run % 2 and tail[index + run + 1 : index + run + 2] == '"'
            current += "\\" * (run // 2) + ('"' if run % 2 or doubled else "")
            quoted, present = quoted ^ (not run % 2), True
            index += run + 1 + doubled
        elif run:
            current, present, index = current + "\\" * run, True, index + run
        elif char in " \t" and not quoted:
            arguments += [current] if present else []
            current, present, index = "", False, index + 1
        else:
            current, present, index = current + char, True, index + 1
    return [*arguments, *([current] if present else [])]


def executable_extensions(env_pathext: str) -> list[str]:
    """PATHEXT as a list."""
    return [extension for extension in env_pathext.split(";") if extension]


def find_executable(process: Process, name: str, extensions: list[str]) -> str | None:
    """The file that ``name`` starts: as cmd.exe looks for it, current directory first, then PATH [ms]."""
    candidates = ([name] if ntpath.splitext(name)[1] else []) + [name + extension for extension in extensions]
    files = process.files
    folders = [process.cwd]
    if "\\" not in name and ":" not in name:
        folders += [folder.strip('"') for folder in process.env.get("PATH", "").split(";") if folder.strip()]
    for folder in folders:
        for candidate in candidates:
            full = paths.absolute(candidate, folder)
            if "*" not in full and "?" not in full and files.is_file(full):
                return stored_name(process, full)
    return None


def stored_name(process: Process, path: str) -> str:
    """The path as the file system keeps it, when it is local."""
    files, local = process.files.locate(path)
    return files.long_path(local) if local.lower() == path.lower() else path


def child(
    parent: Process, image: str, token: str, tail: str, *, argv: list[str] | None = None, **handles: object
) -> Process:
    """The process that ``parent`` starts: it inherits everything that ``handles`` (fields of Process) does not replace."""
    lifeline = Lifeline(parent.lifeline)
    created = replace(
        parent,
        image=image,
        argv=argv or [token.strip('"'), *split_arguments(tail)],
        command_line=tail,
        lifeline=lifeline,
        pid=parent.host.next_pid(),
        **handles,  # type: ignore[arg-type]
    )
    created.env = created.env.copy()
    created.stdin = created.stdin.bound_to(lifeline)
    return created


def load(process: Process) -> Program:
    """The behaviour of the process' image; error 193 when the file is no program."""
    files, local = process.files.locate(process.image)
    node = files.node(local)
    program = process.host.behaviour(files.long_path(local), node) if isinstance(node, File) else None
    if program is None:
        raise Win32Error(193, process.image)
    return program


def run(process: Process, program: Program, *, recorded: bool = True) -> int:
    """Run a program to its end: its unsigned exit code.  :class:`Killed` goes on when more than this program was
    killed.
    """
    process.command.entered(process)
    code: int | None = None
    try:
        code = _guarded(process, program) & 0xFFFFFFFF
        return code
    finally:
        process.command.left(process)
        process.lifeline.release()
        if recorded:
            process.host.recorder.record(
                "program", process.host.name, program=process.name, user=process.session.user, cwd=process.cwd,
                command=process.argv[0] + process.command_line, exit_code=code,
            )  # fmt: skip


def _guarded(process: Process, program: Program) -> int:
    try:
        fault = process.host.faults.match(process.host.name, "command", process.name)
        if fault is not None and fault.action == "stall":
            process.sleep(fault.seconds)
        elif fault is not None:
            return _fail(process, fault.action == "fail", fault.code, fault.text)
        return program(process)
    except InvalidOperation as error:
        process.err(f"\r\nUnhandled Exception: System.InvalidOperationException: {error}\r\n")
        return UNHANDLED_CLR
    except Killed:
        if process.command.lifeline.is_cut:
            raise
        return TERMINATED


def _fail(process: Process, natural: bool, code: int | None, text: str) -> int:
    """A fault: the program says ``text`` and ends with ``code``, or is killed without a word."""
    if natural and text:
        process.err(text + "\r\n")
    return TERMINATED if code is None else code
