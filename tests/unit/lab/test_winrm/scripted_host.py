# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host whose commands are Python functions: enough of one to try the WinRM server alone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lab.faults import Faults
from lab.recorder import Recorder
from lab.windows.errors import Win32Error

Script = Callable[["ScriptedCommand"], int]


@dataclass
class User:
    """An account of the scripted host."""

    name: str
    password: str
    is_admin: bool = True


@dataclass
class Session:
    """A user who is logged on."""

    user: str
    is_admin: bool


@dataclass
class Output:
    """What came since the last time."""

    stdout: bytes
    stderr: bytes
    done: bool
    exit_code: int | None


class ScriptedCommand:
    """A running command: its script, a Python function, runs in a thread of its own and gets this object."""

    def __init__(self, script: Script, **started_with: Any) -> None:
        self.started_with = started_with
        self.received = b""
        self.input_ended = False
        self.terminated_by: str | None = None
        self._changed = threading.Condition()
        self._stdout = self._stderr = b""
        self._exit_code: int | None = None
        threading.Thread(target=self._run, args=(script,), daemon=True).start()

    def _run(self, script: Script) -> None:
        exit_code = script(self)
        with self._changed:
            self._exit_code = exit_code
            self._changed.notify_all()

    def out(self, data: bytes) -> int:
        """Print; returns the exit code of a script that does no more."""
        with self._changed:
            self._stdout += data
            self._changed.notify_all()
        return 0

    def err(self, data: bytes) -> int:
        """Print to standard error."""
        with self._changed:
            self._stderr += data
            self._changed.notify_all()
        return 0

    def read_until(self, mark: bytes) -> bytes:
        """Wait until the input has the mark, ends, or the command is terminated; all input so far."""
        with self._changed:
            self._changed.wait_for(lambda: mark in self.received or self.input_ended or self.terminated_by, 10)
            return self.received

    def wait_for_end(self) -> int:
        """Wait for the end of input or for a signal."""
        with self._changed:
            self._changed.wait_for(lambda: self.input_ended or self.terminated_by, 10)
        return 0

    def feed(self, data: bytes, end: bool) -> None:
        """Input from the client."""
        with self._changed:
            self.received += data
            self.input_ended = self.input_ended or end
            self._changed.notify_all()

    def read(self, timeout: float) -> Output:
        """Output for the client."""
        with self._changed:
            self._changed.wait_for(lambda: self._stdout or self._stderr or self._exit_code is not None, timeout)
            self._changed.wait_for(lambda: self._exit_code is not None, 0.01)
            output = Output(self._stdout, self._stderr, self._exit_code is not None, self._exit_code)
            self._stdout = self._stderr = b""
            return output

    def terminate(self, code: str) -> None:
        """A signal."""
        with self._changed:
            self.terminated_by = self.terminated_by or code
            self._exit_code = 1 if self._exit_code is None else self._exit_code
            self._changed.notify_all()

    def reading_program(self) -> str:
        """The first word of the command line."""
        return str(self.started_with["command_line"].split()[0])


class ScriptedHost:
    """A host that knows the command lines it was given in ``scripts``; any other program is not found."""

    profile = "2008r2"

    def __init__(self, name: str, address: str) -> None:
        self.name = name
        self.fqdn = f"{name}.odyssey.com"
        self.address = address
        self.users: list[User] = []
        self.settings: dict[str, Any] = {}
        self.powered = True
        self.recorder = Recorder()
        self.faults = Faults()
        self.scripts: dict[str, Script] = {}
        self.commands: list[ScriptedCommand] = []

    def add_user(self, name: str, password: str, is_admin: bool = True) -> User:
        """A new account."""
        self.users.append(User(name, password, is_admin))
        return self.users[-1]

    def logon(self, user: str, password: str) -> Session | None:
        """The session of a user, if the password is right."""
        for account in self.users:
            if (account.name.lower(), account.password) == (user.lower(), password):
                return Session(account.name, account.is_admin)
        return None

    def start_command(
        self,
        session: Session,
        command_line: str,
        *,
        cwd: str | None,
        env: Mapping[str, str],
        console: bool,
        skip_cmd_shell: bool,
        codepage: int,
    ) -> ScriptedCommand:
        """Start the script for this command line."""
        if command_line not in self.scripts:
            raise Win32Error(2, command_line)
        command = ScriptedCommand(
            self.scripts[command_line], session=session, command_line=command_line, cwd=cwd, env=dict(env),
            console=console, skip_cmd_shell=skip_cmd_shell, codepage=codepage,
        )  # fmt: skip
        self.commands.append(command)
        return command
