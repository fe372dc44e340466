# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the WinRM server needs from a simulated host; any class with these members will do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from ..faults import Faults
from ..recorder import Recorder


class User(Protocol):
    """An account: ``DOMAIN\\name`` or, for a local one, ``name``."""

    @property
    def name(self) -> str: ...
    @property
    def password(self) -> str: ...


class LogonSession(Protocol):
    """A user who is logged on."""

    @property
    def user(self) -> str: ...
    @property
    def is_admin(self) -> bool: ...


class Output(Protocol):
    """What a command has printed since it was last asked, and whether it has ended."""

    @property
    def stdout(self) -> bytes: ...
    @property
    def stderr(self) -> bytes: ...
    @property
    def done(self) -> bool: ...
    @property
    def exit_code(self) -> int | None: ...


class RunningCommand(Protocol):
    """A command line that runs on a host."""

    def feed(self, data: bytes, end: bool) -> None:
        """Give it standard input."""

    def read(self, timeout: float) -> Output:
        """Wait until it has printed something or has ended, at most ``timeout`` seconds."""

    def terminate(self, code: str) -> None:
        """``terminate``, ``ctrl_c`` or ``ctrl_break``."""

    def reading_program(self) -> str:
        """The program that would read standard input now."""


class Host(Protocol):
    """A simulated Windows host."""

    @property
    def name(self) -> str: ...
    @property
    def fqdn(self) -> str: ...
    @property
    def address(self) -> str: ...
    @property
    def profile(self) -> str: ...
    @property
    def users(self) -> Sequence[User]: ...
    @property
    def settings(self) -> Mapping[str, Any]: ...
    @property
    def powered(self) -> bool: ...
    @property
    def recorder(self) -> Recorder: ...
    @property
    def faults(self) -> Faults: ...

    def logon(self, user: str, password: str) -> LogonSession | None:
        """The session of this user, or nothing when the password is wrong."""

    def start_command(
        self,
        session: Any,
        command_line: str,
        *,
        cwd: str | None,
        env: Mapping[str, str],
        console: bool,
        skip_cmd_shell: bool,
        codepage: int,
    ) -> RunningCommand:
        """Start a command line as this user."""
