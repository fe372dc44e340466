# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Doubles for what lies below the code under test: pywinrm's Protocol with programs that follow a script, and a clock
that nobody waits for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import SimpleNamespace

from requests import Session
from winrm.exceptions import WinRMOperationTimeoutError, WSManFaultError

OPERATION_TIMEOUT_SECONDS = 20


class Clock:
    """Stands in for the time module; only what is scripted takes time."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        """What the code under test waits on the controller is short and takes no time here."""

    def pass_seconds(self, seconds: float) -> None:
        self.now += seconds


@dataclass(frozen=True)
class Errors:
    """The program writes to standard error."""

    text: bytes


@dataclass(frozen=True)
class Silence:
    """The program says nothing for so long."""

    seconds: float


@dataclass(frozen=True)
class Hears:
    """The program waits until exactly this has been typed."""

    typed: bytes


@dataclass(frozen=True)
class Breaks:
    """The next Receive raises this."""

    error: Exception


@dataclass(frozen=True)
class Ends:
    """The program ends; the same answer may carry its last words, and what the commands behind it write."""

    exit_code: int = 0
    words: bytes = b""
    private: bytes = b""


@dataclass(frozen=True)
class Happens:
    """Something happens on the server; the program goes on at once."""

    effect: Callable[[], object]


# bytes are one piece of standard output.
Step = bytes | Errors | Silence | Hears | Happens | Breaks | Ends
Script = list[Step]


@dataclass
class Program:
    """A command that was started."""

    command: str
    console: bool
    script: Script
    typed: bytearray = field(default_factory=bytearray)
    input_ended: bool = False
    ended: bool = False
    cleaned_up: bool = False


@dataclass
class Owner:
    """Owns the connection of a shell: `renewed` and `reconnected` say how often it was asked for another."""

    protocol: ScriptedProtocol
    renewed: int = 0
    reconnected: list[bool] = field(default_factory=list)
    on_renew: Callable[[], None] = lambda: None

    def renew_shell(self) -> str:
        self.renewed += 1
        self.on_renew()
        return f"shell-{1 + self.renewed}"

    def reconnect(self, close_old_shell: bool) -> tuple[ScriptedProtocol, str]:
        self.reconnected.append(close_old_shell)
        return self.protocol, f"shell-{1 + len(self.reconnected)}"


def fault(code: int | None, reason: str = "The reason.", wmi: int | None = None) -> WSManFaultError:
    """What pywinrm raises when the service answers with a fault."""
    return WSManFaultError(500, "Bad HTTP response", "<xml/>", reason, wsman_fault_code=code, wmierror_code=wmi)


class ScriptedProtocol:
    """A pywinrm Protocol: each command gets the script that `respond` gives it."""

    def __init__(self, respond: Callable[[str], Script], clock: Clock) -> None:
        self.operation_timeout_sec = OPERATION_TIMEOUT_SECONDS
        self.transport = SimpleNamespace(session=Session())
        self.programs: list[Program] = []
        self.waits: list[int] = []
        self.send_error: Exception | None = None
        self.cleanup_error: Exception | None = None
        self.start_error: Exception | None = None
        self.closed: list[str] = []
        self._respond = respond
        self._clock = clock

    @property
    def commands(self) -> list[str]:
        return [program.command for program in self.programs]

    def open_shell(self, codepage: int = 65001) -> str:
        return "shell-2"

    def close_shell(self, shell_id: str, close_session: bool = True) -> None:
        self.closed.append(shell_id)

    def run_command(
        self, shell_id: str, command: str, arguments: Iterable[str | bytes] = (), console_mode_stdin: bool = True
    ) -> str:
        if self.start_error is not None:
            raise self.start_error
        self.programs.append(Program(command, console_mode_stdin, list(self._respond(command))))
        return str(len(self.programs) - 1)

    def send_command_input(self, shell_id: str, command_id: str, stdin_input: bytes, end: bool = False) -> None:
        assert isinstance(stdin_input, bytes), "pywinrm would encode text as code page 437"
        if self.send_error is not None:
            raise self.send_error
        program = self.programs[int(command_id)]
        program.typed += stdin_input
        program.input_ended = end

    def get_command_output_raw(self, shell_id: str, command_id: str) -> tuple[bytes, bytes, int, bool]:
        self.waits.append(self.operation_timeout_sec)
        program = self.programs[int(command_id)]
        left = float(self.operation_timeout_sec)
        while isinstance(step := program.script[0], (Silence, Hears, Happens)):
            if isinstance(step, Happens):
                step.effect()
                program.script.pop(0)
                continue
            left = self._pass(program, step, left)
        program.script.pop(0)
        program.ended = isinstance(step, Ends)
        return _answer(step, program.command)

    def _pass(self, program: Program, step: Silence | Hears, left: float) -> float:
        """Let the program wait; returns how long this Receive may still last, or ends it as WinRM does when there is
        nothing to say.
        """
        if isinstance(step, Hears) and program.typed.startswith(step.typed):
            del program.typed[: len(step.typed)]
            program.script.pop(0)
            return left
        if isinstance(step, Silence) and step.seconds < left:
            self._clock.pass_seconds(step.seconds)
            program.script.pop(0)
            return left - step.seconds
        self._clock.pass_seconds(left)
        if isinstance(step, Silence):
            program.script[0] = Silence(step.seconds - left)
        raise WinRMOperationTimeoutError

    def cleanup_command(self, shell_id: str, command_id: str) -> None:
        self.programs[int(command_id)].cleaned_up = True
        if self.cleanup_error is not None:
            raise self.cleanup_error


def _answer(step: Step, command: str) -> tuple[bytes, bytes, int, bool]:
    if isinstance(step, Breaks):
        raise step.error
    if isinstance(step, Errors):
        return b"", step.text, -1, False
    if isinstance(step, Ends):
        # The command line of a conversation writes a mark with the program's exit code, and itself ends with that of
        # its last command.
        mark = re.search(r"call echo \[(\w+) %\^opsmgr_exit%\]", command)
        written = step.words + f"[{mark[1]} {step.exit_code}]\r\n".encode() + step.private if mark else step.words
        return written, b"", 0 if mark else step.exit_code, True
    assert isinstance(step, bytes)
    return step, b"", -1, False


Reply = Callable[[str], tuple[bool, str]]


def answer_batch(command_line: str, reply: Reply) -> str:
    """What cmd.exe writes for the command line of a Questions batch, when `reply` says how each of its commands ends
    and what it writes.
    """
    asked = re.findall(r"echo (\[(\w+) [^\]]*\])& \((.*?)\)2>&1&& echo", command_line)
    written = []
    for marker, mark, command in asked:
        succeeded, text = reply(command)
        written.append(f"{marker}\r\n{text}[{mark} {'yes' if succeeded else 'no'}]\r\n")
    return "".join(written)
