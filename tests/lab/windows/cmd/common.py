# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the parts of the interpreter share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..files import Files
from ..process import Process
from ..stdin import Stdin
from ..streams import NullSink, Sink

if TYPE_CHECKING:
    from .interpreter import Interpreter

Run = Callable[["Interpreter", Process, str], int]
"""A command inside cmd.exe: the interpreter, its process with the command's handles, the arguments as typed."""


class CmdExit(Exception):
    """``exit``: the interpreter ends."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class Builtin:
    """A command inside cmd.exe, and when it changes %ERRORLEVEL% (published tables, on the command line) [field]."""

    run: Run
    sets_on_success: bool = True
    sets_on_error: bool = True


class FileSink:
    """A file as standard output."""

    def __init__(self, files: Files, path: str) -> None:
        self._files = files
        self._path = path

    def write(self, data: bytes, *, apart: bool) -> None:
        """Append to the file."""
        self._files.write(self._path, data, append=True)


@dataclass(frozen=True)
class Handles:
    """The numbered handles of a command."""

    stdin: Stdin
    outputs: Mapping[int, Sink]

    def output(self, number: int) -> Sink:
        """The output handle of that number; one that is not open swallows everything."""
        return self.outputs.get(number) or NullSink()


def signed(code: int) -> int:
    """An exit code as cmd.exe prints it."""
    return code - (1 << 32) if code & 0x80000000 else code
