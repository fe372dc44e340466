# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulated processes: what a program sees (:class:`Process`) and what a client sees (:class:`RunningCommand`)."""

from __future__ import annotations

import ntpath
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .codepages import codec
from .environment import Environment
from .lifeline import Killed, Lifeline
from .stdin import Crlf, InvalidOperation, Stdin, empty_stdin
from .streams import ClientOutput, Output, Sink

if TYPE_CHECKING:
    from .files import Files
    from .host import Session, WindowsHost

__all__ = [
    "Crlf", "InvalidOperation", "Killed", "Lifeline", "Output", "Process", "Program", "RunningCommand", "Stdin",
    "base_name", "empty_stdin",
]  # fmt: skip

TERMINATED = 1
"""Exit code of a terminated process [assumed: what TerminateProcess is given by WinRS and taskkill]."""
CTRL_C_EXIT = 0xC000013A
"""STATUS_CONTROL_C_EXIT [ms]."""


@dataclass
class Process:
    """A running program.

    ``command_line`` is the raw tail, from right after the program's own token, as programs with rules of their own
    (cmd.exe) need it; ``argv`` is split by the C runtime's rules, ``argv[0]`` as typed.
    """

    host: WindowsHost
    session: Session
    argv: list[str]
    command_line: str
    cwd: str
    env: Environment
    stdin: Stdin
    stdout: Sink
    stderr: Sink
    image: str
    command: RunningCommand
    lifeline: Lifeline = field(default_factory=Lifeline)
    pid: int = 0

    def out(self, text: str | bytes, *, apart: bool = True) -> None:
        """Write to standard output (text in the shell's code page, line ends as given).

        The client sees the piece at once and by itself; in-box tools pass ``apart=False``: their pieces may be joined.
        """
        self._write(self.stdout, text, apart)

    def err(self, text: str | bytes, *, apart: bool = True) -> None:
        """Write to standard error."""
        self._write(self.stderr, text, apart)

    def say(self, *lines: str) -> None:
        """Write whole lines to standard output; they may reach the client together with others."""
        self.out("".join(line + "\r\n" for line in lines), apart=False)

    def complain(self, *lines: str) -> None:
        """Write whole lines to standard error."""
        self.err("".join(line + "\r\n" for line in lines), apart=False)

    def sleep(self, seconds: float) -> None:
        """Sleep; raises :class:`Killed` as soon as the command is terminated."""
        self.lifeline.sleep(seconds)

    @property
    def codepage(self) -> int:
        """The console's code page; ``chcp`` changes it."""
        return self.command.codepage

    @property
    def name(self) -> str:
        """The program's name without folder and extension, as faults name it: ``sc``, ``SecureStorageBackup``."""
        return base_name(self.image)

    @property
    def files(self) -> Files:
        """The files as this program sees them: relative to its current directory, with its session's rights."""
        return self.host.files(self.session, self.cwd)

    def encode(self, text: str) -> bytes:
        """Text in the shell's code page; what it cannot show is ``?``."""
        return text.encode(codec(self.codepage), "replace")

    def decode(self, data: bytes) -> str:
        """Bytes in the shell's code page."""
        return data.decode(codec(self.codepage), "replace")

    def _write(self, sink: Sink, text: str | bytes, apart: bool) -> None:
        self.lifeline.check()
        sink.write(self.encode(text) if isinstance(text, str) else text, apart=apart)


Program = Callable[[Process], int]
"""A simulated program: returns its exit code."""


class RunningCommand:
    """A command started for a client: its input, output, end, and the programs that run for it."""

    def __init__(self, command_line: str, stdin: Stdin, lifeline: Lifeline, codepage: int = 437) -> None:
        self.command_line = command_line
        self.codepage = codepage
        self.lifeline = lifeline
        self.stdin = stdin
        self.output = ClientOutput()
        self._lock = threading.Lock()
        self._running: list[Process] = []
        self._exit_when_cut = TERMINATED

    def feed(self, data: bytes, end: bool = False) -> None:
        """Standard input from the client."""
        self.stdin.feed(data, end)

    def read(self, timeout: float = 60.0) -> Output:
        """Output since the last time; blocks until there is some, it is done, or ``timeout`` seconds passed."""
        return self.output.read(timeout)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end without taking output."""
        return self.output.wait(timeout)

    def terminate(self, code: str = "terminate") -> None:
        """The signal ``terminate``, ``ctrl_c`` or ``ctrl_break`` (the last part of WinRS' URI): kills all its programs."""
        self._exit_when_cut = CTRL_C_EXIT if code.rsplit("/", 1)[-1].startswith("ctrl_") else TERMINATED
        self.lifeline.cut()

    def reading_program(self) -> str:
        """The innermost running program that inherited the client's input: name without extension; empty after the end."""
        with self._lock:
            readers = [process for process in self._running if process.stdin.shares(self.stdin)]
            return readers[-1].name if readers else ""

    def processes(self) -> list[Process]:
        """The programs that run now, outermost first."""
        with self._lock:
            return list(self._running)

    def entered(self, process: Process) -> None:
        """A program starts."""
        with self._lock:
            self._running.append(process)

    def left(self, process: Process) -> None:
        """A program has ended."""
        with self._lock:
            self._running.remove(process)

    def start(self, main: Callable[[], int]) -> None:
        """Run ``main`` in a thread of its own; its result is the exit code."""
        self.lifeline.on_cut(lambda: self.output.finish(self._exit_when_cut))
        threading.Thread(target=self._run, args=(main,), daemon=True, name=f"command {self.command_line[:40]}").start()

    def _run(self, main: Callable[[], int]) -> None:
        code = TERMINATED
        try:
            code = main()
        except Killed:
            code = self._exit_when_cut
        finally:
            self.output.finish(code)


def base_name(path: str) -> str:
    """The name of a program file without folder and extension."""
    return ntpath.splitext(ntpath.basename(path))[0]
