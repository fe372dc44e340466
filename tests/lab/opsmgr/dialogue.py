# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a support tool talks to the person at its console, in all the ways nobody could check on a real one.

Host settings, each either one value for both tools or a mapping of the tool's name to a value:

``tool_reads``
    ``readkey`` (default: .NET ``Console.ReadKey``), ``getch`` (the C library's) or ``readline``.
``prompts``
    ``whole`` (default), ``pieces`` (a question arrives in several chunks) or ``at_end`` (nothing is seen before the
    tool ends).
``password_echo``
    what is printed for each character of a password, nothing by default; only a tool that reads keys can do that.
``tool_exit_codes``
    ``honest`` (default: 1 for a failure) or ``always_zero``: exit codes are undocumented, so a lab can make them
    worthless.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..windows.process import InvalidOperation, Process, Program
from .texts import text_of

UNHANDLED_EXCEPTION = 0xE0434F4D
"""Exit code of a .NET 2.0 program that ends with an unhandled exception (``0xE0`` and ``COM``) [ms]."""
_FAILED = 1
_PIECE_SECONDS = 0.03


class ToolFailedError(Exception):
    """The tool ends with a message; ``name`` is that of a text."""

    def __init__(self, name: str, *, always_one: bool = False, **values: str) -> None:
        super().__init__(name)
        self.name = name
        self.values = values
        self.always_one = always_one


class UnhandledError(Exception):
    """The tool ends as a .NET program with an unhandled exception does."""

    def __init__(self, exception: str, message: str, frames: tuple[str, ...]) -> None:
        super().__init__(message)
        lines = [f"Unhandled Exception: {exception}: {message}", *(f"   at {frame}" for frame in frames)]
        self.report = "\r\n" + "\r\n".join(lines) + "\r\n"


class ToolDiedError(Exception):
    """The tool ends in the middle of its work, as when it is killed; ``text`` goes to standard error."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class Dialogue:
    """One run of one tool, seen from its console."""

    def __init__(self, process: Process, tool: str) -> None:
        self.process = process
        self.tool = tool
        self._kept: list[str] = []

    def setting(self, name: str, default: str) -> str:
        """A host setting of this tool."""
        value: Any = self.process.host.settings.get(name, default)
        return str(value.get(self.tool, default)) if isinstance(value, Mapping) else str(value)

    def text(self, name: str, **values: str) -> str:
        """The words of this host's language and settings."""
        return text_of(self.process.host.settings, name, **values)

    def say(self, name: str, **values: str) -> None:
        """Print one sentence."""
        self._print(self.text(name, **values).rstrip("\r\n") + "\r\n")

    def ask(self, name: str, *, secret: bool = False) -> str:
        """Print a question and read the answer up to Enter."""
        question = self.text(name)
        for piece in _pieces(question) if self.setting("prompts", "whole") == "pieces" else (question,):
            self._print(piece)
            self._pause()
        answer = _READERS[self.setting("tool_reads", "readkey")](self, secret)
        self._print("\r\n")
        return answer

    def echo(self) -> None:
        """Print what this tool shows for one key of a password."""
        shown = self.setting("password_echo", "")
        if shown:
            self._print(shown)

    def finish(self) -> None:
        """The tool ends: what it kept back is printed."""
        if self._kept:
            self.process.out("".join(self._kept))
        self._kept.clear()

    def _print(self, text: str) -> None:
        if self.setting("prompts", "whole") == "at_end":
            self._kept.append(text)
        else:
            self.process.out(text)

    def _pause(self) -> None:
        if self.setting("prompts", "whole") == "pieces":
            self.process.sleep(_PIECE_SECONDS)


def _pieces(text: str) -> tuple[str, ...]:
    third = max(1, len(text) // 3)
    return tuple(piece for piece in (text[:third], text[third : 2 * third], text[2 * third :]) if piece)


def _by_keys(dialogue: Dialogue, secret: bool, read: Callable[[], str], enter: str) -> str:
    answer = ""
    while (key := read()) not in enter:
        answer = answer[:-1] if key == "\b" else answer + key
        if secret:
            dialogue.echo()
    return answer


def _read_keys(dialogue: Dialogue, secret: bool) -> str:
    return _by_keys(dialogue, secret, dialogue.process.stdin.read_key, "\r\n")


def _read_getch(dialogue: Dialogue, secret: bool) -> str:
    return _by_keys(dialogue, secret, dialogue.process.stdin.getch, "\r")


def _read_line(dialogue: Dialogue, secret: bool) -> str:
    return dialogue.process.stdin.read_line() or ""


_READERS: Mapping[str, Callable[[Dialogue, bool], str]] = {
    "readkey": _read_keys,
    "getch": _read_getch,
    "readline": _read_line,
}


def tool_program(tool: str, body: Callable[[Dialogue], None]) -> Program:
    """A tool as a program: ``body`` does the work and raises when something is wrong."""

    def program(process: Process) -> int:
        dialogue = Dialogue(process, tool)
        try:
            body(dialogue)
            code = 0
        except ToolFailedError as failure:
            dialogue.say(failure.name, **failure.values)
            honest = failure.always_one or dialogue.setting("tool_exit_codes", "honest") != "always_zero"
            code = _FAILED if honest else 0
        except InvalidOperation as error:
            code = _crash(dialogue, UnhandledError("System.InvalidOperationException", str(error), _frames(tool)))
        except UnhandledError as raised:
            code = _crash(dialogue, raised)
        except ToolDiedError as death:
            process.err(death.text)
            return death.code
        dialogue.finish()
        return code

    return program


def _frames(tool: str) -> tuple[str, ...]:
    return (
        "System.Console.ReadKey(Boolean intercept)",
        f"Microsoft.EnterpriseManagement.{tool}.Program.Main(String[] args)",
    )


def _crash(dialogue: Dialogue, raised: UnhandledError) -> int:
    dialogue.process.err(raised.report)
    return UNHANDLED_EXCEPTION
