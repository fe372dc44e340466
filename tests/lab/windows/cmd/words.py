# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands that only speak and remember: echo, set, exit, ver, vol and the like."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..errors import Win32Error
from ..process import Process
from .arguments import parse_arguments, unquote
from .arithmetic import ArithmeticProblem, evaluate
from .common import Builtin, CmdExit
from .variables import time_of_day

if TYPE_CHECKING:
    from .interpreter import Interpreter


def _echo(shell: Interpreter, io: Process, arguments: str) -> int:
    """``echo text``; the character after ``echo`` is dropped; ``echo`` alone says whether commands are shown."""
    text = arguments[1:]
    state = text.strip().lower() if arguments[:1] in (" ", "\t", ",", ";", "=", "") else None
    if state == "":
        io.say(f"ECHO is {'on' if shell.echo else 'off'}.")
    elif state in ("on", "off"):
        shell.echo = state == "on"
    else:
        io.say(text)
    return 0


def _set(shell: Interpreter, io: Process, arguments: str) -> int:
    """``set``, ``set prefix``, ``set name=value``, ``set /p name=prompt``, ``set /a expression``."""
    text = arguments.lstrip(" \t,;=")
    switch = text[:2].lower()
    if switch == "/p":
        return _ask(shell, io, _inside_quotes(text[2:].lstrip()))
    if switch == "/a":
        return _compute(shell, io, text[2:])
    text = _inside_quotes(text)
    name, equals, value = text.partition("=")
    if equals and not name:
        io.complain("The syntax of the command is incorrect.")
        return 1
    if not equals:
        return _show_variables(shell, io, name.rstrip())
    if value:
        shell.process.env[name] = value
    elif name in shell.process.env:
        del shell.process.env[name]
    else:
        return 1
    return 0


def _inside_quotes(text: str) -> str:
    """``"name=value"`` counts up to its last quote; what stands after that is dropped."""
    if not text.startswith('"'):
        return text
    inside, quote, _rest = text[1:].rpartition('"')
    return inside if quote else text[1:]


def _show_variables(shell: Interpreter, io: Process, prefix: str) -> int:
    found = [
        f"{name}={shell.process.env[name]}" for name in shell.process.env if name.upper().startswith(prefix.upper())
    ]
    if not found and prefix:
        io.complain(f"Environment variable {prefix} not defined")
        return 1
    io.say(*found)
    return 0


def _ask(shell: Interpreter, io: Process, text: str) -> int:
    """``set /p``: the prompt without line end, then a line; nothing typed, or the end of a pipe: 1 and nothing changes.

    Control characters at the end of the answer are dropped [field].
    """
    name, equals, prompt = text.partition("=")
    if not equals or not name:
        io.complain("The syntax of the command is incorrect.")
        return 1
    io.out(_inside_quotes(prompt.lstrip(" \t") if shell.process.host.windows.wide else prompt), apart=False)
    line = io.stdin.read_line()
    answer = (line or "")[:1023].rstrip("".join(map(chr, range(32))))
    if not answer:
        return 1
    shell.process.env[name] = answer
    return 0


def _compute(shell: Interpreter, io: Process, expression: str) -> int:
    """``set /a``; on the command line the result is shown, without line end [ms]."""
    try:
        result = evaluate(expression, shell.process.env)
    except ArithmeticProblem as error:
        io.complain(str(error))
        return error.code
    io.out(str(result), apart=False)
    return 0


def _exit(shell: Interpreter, io: Process, arguments: str) -> int:
    """``exit [/b] [code]``: outside a batch file both end cmd.exe."""
    match = re.search(r"-?\d+", re.sub(r"^\s*/b", "", arguments, flags=re.IGNORECASE))
    raise CmdExit(int(match.group()) & 0xFFFFFFFF if match else shell.errorlevel)


def _ver(shell: Interpreter, io: Process, arguments: str) -> int:
    io.say("", shell.process.host.windows.ver_line)
    return 0


def _vol(shell: Interpreter, io: Process, arguments: str) -> int:
    """``vol [drive:]``."""
    letter = (parse_arguments(arguments).words or [shell.process.cwd[:2]])[0]
    volume = shell.process.host.fs.volumes.get(letter[:1].upper())
    if not re.fullmatch(r"[A-Za-z]:", letter) or volume is None:
        raise Win32Error(123 if len(letter) != 2 else 3, letter)
    has = f"is {volume.label}" if volume.label else "has no label."
    io.say(f" Volume in drive {volume.letter} {has}", f" Volume Serial Number is {volume.serial}")
    return 0


def _type(shell: Interpreter, io: Process, arguments: str) -> int:
    """``type files``: bytes as they are; a UTF-16 file (with its mark) comes in the shell's code page [field]."""
    words = parse_arguments(arguments).words
    if not words:
        io.complain("The syntax of the command is incorrect.")
        return 1
    code = 0
    for word in words:
        try:
            data = io.files.read(word)
        except Win32Error as error:
            io.complain(error.text)
            if len(words) > 1:
                io.complain(f"Error occurred while processing: {word}.")
            code = 1
            continue
        if len(words) > 1:
            io.err(f"\r\n{word}\r\n\r\n\r\n", apart=False)
        io.out(data[2:].decode("utf-16-le", "replace") if data.startswith(b"\xff\xfe") else data, apart=False)
    return code


def _call(shell: Interpreter, io: Process, arguments: str) -> int:
    """``call command``: the line is expanded and parsed once more, carets doubled [field]."""
    if not arguments.strip():
        return 0
    return shell.execute_again(arguments.lstrip(" \t,;="), io)


def _verify(shell: Interpreter, io: Process, arguments: str) -> int:
    word = arguments.strip().lower()
    if word not in ("", "on", "off"):
        io.complain("An incorrect parameter was", "entered for the command.")
        return 1
    if not word:
        io.say("VERIFY is off.")
    return 0


def _path(shell: Interpreter, io: Process, arguments: str) -> int:
    value = arguments.strip().lstrip("=").strip()
    if not value:
        io.say(f"PATH={shell.process.env.get('PATH', '')}" if shell.process.env.get("PATH") else "PATH=(null)")
    elif value == ";":
        shell.process.env.pop("PATH", None)
    else:
        shell.process.env["PATH"] = value
    return 0


def _date(shell: Interpreter, io: Process, arguments: str) -> int:
    """``date /t``."""
    io.say(shell.variable("DATE") or "")
    return 0


def _time(shell: Interpreter, io: Process, arguments: str) -> int:
    """``time /t``."""
    io.say(time_of_day()[:5])
    return 0


def _pause(shell: Interpreter, io: Process, arguments: str) -> int:
    """A key on a console, a character of a pipe."""
    io.out("Press any key to continue . . . ", apart=False)
    if io.stdin.console:
        io.stdin.getch()
    else:
        io.stdin.read_line()
    io.say("")
    return 0


def _nothing(shell: Interpreter, io: Process, arguments: str) -> int:
    """break, rem, title, cls, color, setlocal, endlocal: nothing that a client could see."""
    return 0


def _prompt(shell: Interpreter, io: Process, arguments: str) -> int:
    shell.process.env["PROMPT"] = unquote(arguments.strip()) or "$P$G"
    return 0


COMMANDS: dict[str, Builtin] = {
    "break": Builtin(_nothing, sets_on_success=False),
    "call": Builtin(_call, sets_on_success=False, sets_on_error=False),
    "cls": Builtin(_nothing, sets_on_success=False),
    "color": Builtin(_nothing, sets_on_success=False),
    "date": Builtin(_date),
    "echo": Builtin(_echo, sets_on_success=False),
    "endlocal": Builtin(_nothing, sets_on_success=False),
    "exit": Builtin(_exit),
    "path": Builtin(_path, sets_on_success=False),
    "pause": Builtin(_pause, sets_on_success=False),
    "prompt": Builtin(_prompt, sets_on_success=False),
    "rem": Builtin(_nothing, sets_on_success=False),
    "set": Builtin(_set, sets_on_success=False),
    "setlocal": Builtin(_nothing),
    "time": Builtin(_time),
    "title": Builtin(_nothing, sets_on_success=False),
    "type": Builtin(_type),
    "ver": Builtin(_ver),
    "verify": Builtin(_verify),
    "vol": Builtin(_vol),
}
