# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shells and the commands in them: limits, idle time, output that waits to be fetched."""

from __future__ import annotations

import threading
import time
import uuid
from dataclasses import dataclass, field

from . import wsfaults
from .interfaces import Host, LogonSession, RunningCommand

# WinRM 2.0's defaults: MaxShellsPerUser, MaxConcurrentOperationsPerUser, IdleTimeout [ms]
MAX_SHELLS = 5
MAX_OPERATIONS = 15
IDLE_SECONDS = 180.0


@dataclass
class Chunk:
    """What one Receive hands over."""

    stdout: bytes
    stderr: bytes
    done: bool
    exit_code: int


class Command:
    """A command of a shell and the output that nobody has fetched yet."""

    def __init__(self, command_id: str, line: str, running: RunningCommand) -> None:
        self.id = command_id
        self.line = line
        self.running = running
        self.ended = False
        self.aborted = False
        self.last_answer: tuple[str, Chunk] | None = None
        self._exit_code = 0
        self._stdout = b""
        self._stderr = b""
        self._fetching = threading.Lock()

    def fetch(self, seconds: float, limit: int) -> Chunk:
        """Up to ``limit`` bytes of output; a fault without any and the command runs on."""
        with self._fetching:
            self._wait_for_output(seconds)
            if self.aborted:
                raise wsfaults.WSManFault(wsfaults.OPERATION_ABORTED)
            if not self._waiting and not self.ended:
                raise wsfaults.WSManFault(wsfaults.OPERATION_TIMED_OUT)
            stdout, self._stdout = self._stdout[:limit], self._stdout[limit:]
            limit -= len(stdout)
            stderr, self._stderr = self._stderr[:limit], self._stderr[limit:]
            return Chunk(stdout, stderr, self.ended and not self._waiting, self._exit_code)

    def abort(self, code: str) -> None:
        """End it; a Receive that waits for it is told so."""
        self.aborted = True
        self.running.terminate(code)

    @property
    def _waiting(self) -> bool:
        return bool(self._stdout or self._stderr)

    def _wait_for_output(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not (self._waiting or self.ended or self.aborted):
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return
            output = self.running.read(remaining)
            self._stdout += output.stdout
            self._stderr += output.stderr
            if output.done:
                self._exit_code = (output.exit_code or 0) & 0xFFFFFFFF  # unsigned on the wire [field]
                self.ended = True


@dataclass
class Shell:
    """An open shell."""

    session: LogonSession
    client_ip: str
    cwd: str | None
    env: dict[str, str]
    codepage: int
    idle_seconds: float
    input_streams: str
    output_streams: str
    id: str = field(default_factory=lambda: str(uuid.uuid4()).upper())
    commands: dict[str, Command] = field(default_factory=dict)
    started: int = 0
    busy: int = 0
    used: float = field(default_factory=time.monotonic)

    def command(self, command_id: str) -> Command:
        """The command with this id, or the fault Windows gives."""
        try:
            return self.commands[command_id.upper()]
        except KeyError:
            raise wsfaults.command_not_found() from None

    def add(self, command: Command) -> None:
        """A command has been started here."""
        self.commands[command.id.upper()] = command

    def kill(self) -> None:
        """End all its commands."""
        for command in list(self.commands.values()):
            command.abort("terminate")
        self.commands.clear()


class Shells:
    """The shells of one host."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._lock = threading.RLock()
        self._shells: dict[str, Shell] = {}

    def open(self, shell: Shell) -> None:
        """Add a shell, unless its user has too many."""
        limit = int(self._host.settings.get("max_shells", MAX_SHELLS))
        with self._lock:
            if len(self._of_user(shell.session)) >= limit:
                raise wsfaults.too_many_shells(limit)
            self._shells[shell.id] = shell

    def find(self, shell_id: str, session: LogonSession) -> Shell:
        """The user's shell with this id; another user's is refused."""
        with self._lock:
            shell = self._shells.get(shell_id.upper())
            if shell is None:
                raise wsfaults.shell_not_found(shell_id)
            if shell.session.user.lower() != session.user.lower():
                raise wsfaults.WSManFault(wsfaults.ACCESS_DENIED)
            return shell

    def count_command(self, shell: Shell) -> None:
        """Count one more command of this user.

        Ended and terminated commands stay in the count until their shell is closed [ms: MS-WSMV, note on 3.1.4.12].
        """
        limit = int(self._host.settings.get("max_operations", MAX_OPERATIONS))
        with self._lock:
            if sum(each.started for each in self._of_user(shell.session)) >= limit:
                raise wsfaults.too_many_operations(limit)
            shell.started += 1

    def touch(self, shell: Shell, busy: int) -> None:
        """A message for it begins (1) or ends (-1): it is not idle."""
        with self._lock:
            shell.busy += busy
            shell.used = time.monotonic()

    def delete(self, shell: Shell) -> None:
        """Close it and end its commands."""
        with self._lock:
            self._shells.pop(shell.id, None)
        shell.kill()

    def expire(self) -> None:
        """Close the shells that nobody has used for too long."""
        now = time.monotonic()
        with self._lock:
            idle = [each for each in self._shells.values() if not each.busy and now - each.used > each.idle_seconds]
        for shell in idle:
            self.delete(shell)

    def close_all(self) -> None:
        """The host goes down: every shell and command with it."""
        with self._lock:
            shells = list(self._shells.values())
        for shell in shells:
            self.delete(shell)

    def _of_user(self, session: LogonSession) -> list[Shell]:
        return [each for each in self._shells.values() if each.session.user.lower() == session.user.lower()]

    def __len__(self) -> int:
        with self._lock:
            return len(self._shells)
