# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command interpreter cmd.exe: options and quotes of ``cmd /C``, then one line of commands."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .. import launch
from ..process import Process
from .common import CmdExit
from .interpreter import LONGEST_LINE, Interpreter

__all__ = ["cmd_exe"]

SPECIAL_CHARACTERS = set("&<>()@^|")
_SWITCH = re.compile(r"\s*/([A-Za-z?])(:[A-Za-z]+)?")


@dataclass
class Options:
    """What stands before ``/C``."""

    mode: str = ""
    strip_always: bool = False
    quiet: bool = False
    delayed: bool = False
    help: bool = False
    line: str = ""


def parse_options(tail: str) -> Options:
    """The switches of cmd.exe; everything after ``/C`` or ``/K`` is the line."""
    options = Options()
    position = 0
    while match := _SWITCH.match(tail, position):
        letter, value = match.group(1).lower(), (match.group(2) or "").lower()
        position = match.end()
        if letter in "ckr":
            options.mode, options.line = letter, tail[position:].lstrip(" \t")
            break
        options.strip_always |= letter == "s"
        options.quiet |= letter == "q"
        options.help |= letter == "?"
        if letter == "v":
            options.delayed = value != ":off"
    return options


def strip_quotes(options: Options, process: Process) -> str:
    """``cmd /?``'s two cases: the quotes stay when there are exactly two, without special characters between them, with
    blanks between them, around the name of a program file, and no ``/S``; else the first and the last quote go [ms].
    """
    line = options.line
    if not line.startswith('"'):
        return line
    inside = line[1:].partition('"')[0]
    if (
        not options.strip_always
        and line.count('"') == 2
        and not SPECIAL_CHARACTERS & set(inside)
        and any(char.isspace() for char in inside)
        and launch.find_executable(process, inside, launch.executable_extensions(process.env.get("PATHEXT", "")))
    ):
        return line
    head, _quote, tail = line[1:].rpartition('"')
    return head + tail if _quote else line[1:]


def cmd_exe(process: Process) -> int:
    """The program cmd.exe.  Without ``/C`` it reads commands from its input until End or ``exit``."""
    options = parse_options(process.command_line)
    interpreter = Interpreter(process, delayed=options.delayed, echo=not options.quiet)
    if options.help:
        process.say("Starts a new instance of the Windows command interpreter")
        return 1
    try:
        if not options.mode:
            return _interactive(process, interpreter)
        line = strip_quotes(options, process)
        if len(line) > LONGEST_LINE:
            process.complain("The command line is too long.")
            return 1
        code = interpreter.execute_line(line)
        return code if options.mode in "cr" else _prompts(process, interpreter)
    except CmdExit as end:
        return end.code


def _interactive(process: Process, interpreter: Interpreter) -> int:
    windows = process.host.windows
    process.say(windows.ver_line, windows.banner)
    return _prompts(process, interpreter)


def _prompts(process: Process, interpreter: Interpreter) -> int:
    """Prompt, read, execute, until the input ends."""
    while True:
        process.out("\r\n" + interpreter.prompt(), apart=False)
        line = process.stdin.read_line()
        if line is None:
            return interpreter.errorlevel
        if not process.stdin.console:
            process.out(line + "\r\n", apart=False)
        interpreter.execute_line(line)
