# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A person at the command prompt of a simulated Windows host, for the tests of lab.windows."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from lab.windows.host import WindowsHost
from lab.windows.process import RunningCommand

NAMES = {"hydra": 1, "deathsting": 2}


def make_host(profile: str = "2008r2", name: str = "hydra", **how: Any) -> WindowsHost:
    """A host of the book's domain."""
    return WindowsHost(name, f"{name}.odyssey.com", f"127.32.0.{NAMES[name]}", profile, **how)


@dataclass
class Ended:
    """The outcome of a command."""

    code: int | None
    out: str
    err: str
    pieces: list[bytes]

    @property
    def lines(self) -> list[str]:
        """Standard output as lines."""
        return self.out.split("\r\n")[:-1]


def start(
    host: WindowsHost, line: str, *, is_admin: bool = True, can_delegate: bool = False, **how: Any
) -> RunningCommand:
    """Start a command line."""
    session = host.session("ODYSSEY\\administrator", is_admin=is_admin, can_delegate=can_delegate)
    return host.start_command(session, line, **how)


def finish(command: RunningCommand, timeout: float = 60.0, encoding: str = "cp437") -> Ended:
    """Collect a command's output until it ends; code None when it did not end in time."""
    pieces: list[bytes] = []
    errors = b""
    deadline = time.monotonic() + timeout
    while True:
        output = command.read(max(deadline - time.monotonic(), 0))
        pieces += [output.stdout] if output.stdout else []
        errors += output.stderr
        if output.done or time.monotonic() >= deadline:
            return Ended(output.exit_code, b"".join(pieces).decode(encoding), errors.decode(encoding), pieces)


def run(
    host: WindowsHost, line: str, typed: bytes | None = None, *, end: bool = True, timeout: float = 60.0, **how: Any
) -> Ended:
    """Run a command line to its end; what is typed is there before it starts to read, ``end`` closes a pipe."""
    command = start(host, line, **how)
    command.feed(typed or b"", end)
    encoding = {65001: "utf-8"}.get(how.get("codepage", 0), f"cp{how.get('codepage', 437)}")
    return finish(command, timeout, encoding)


def out(host: WindowsHost, line: str, typed: bytes | None = None, **how: Any) -> str:
    """The standard output of a command that must succeed without a word on standard error."""
    ended = run(host, line, typed, **how)
    if ended.code or ended.err:
        raise AssertionError(f"{line}: {ended}")
    return ended.out
