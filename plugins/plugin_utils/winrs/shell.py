# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One WinRS shell over the connection's pywinrm Protocol: run a command in it.

Private to opsmgr.recovery. Knows nothing of Windows tools or Operations Manager; nothing above it imports pywinrm.
"""

from __future__ import annotations

import contextlib
import re
import time
import typing as t
from dataclasses import dataclass, field

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.faults import (
    ERROR_BROKEN_PIPE,
    AccountRefused,
    CommandTimeout,
    ConnectionLost,
    ShellFault,
    TimedOut,
    call_pywinrm,
)

# [field] ansible-core's winrm connection opens its shell with this code page.
SHELL_ENCODING = "utf-8"
SHELL_CODE_PAGE = 65001
# Seconds. A command that answers a question takes far less; one that hangs must not hang the night.
RUN_TIMEOUT_SECONDS = 120.0
# Seconds the server may hold one Receive. Short, so that a silent program is noticed in time; a TimedOut fault means
# "ask again".
RECEIVE_SECONDS = 20
# Until a program has answered as a rule: asking too early costs a round trip more.
SETTLE_SECONDS = 0.1
# Bytes of input in one Send: Base64 in an envelope, of which WinRM 2.0 takes 150 KB [ms].
SEND_BYTES = 64 * 1024
PROBE_TIMEOUT_SECONDS = 30.0
PROBE = "set /p opsmgr_a=& set /p opsmgr_b=& set opsmgr_& echo [probed]& "
_PROBED = re.compile(r"(?m)^opsmgr_a=1(\r2)?\r*$")
TRANSCRIPT_CHARACTERS = 4000
# WinRM 2.0 allows a user 15 concurrent operations, and a command counts until its shell is closed, even when it has
# ended [ms]. To release each of them by itself costs a round trip, so they go with their shell.
COMMANDS_PER_SHELL = 12
# How often a command that only reads is sent at most, when the connection breaks.
READ_ATTEMPTS = 4
# Bytes that one command may write. A key file has at most 16 MB, and comes as Base64.
OUTPUT_BYTES = 32 * 1024 * 1024

# How much of what a command wrote a trace shows.
TRACED_LINES = 10
TRACED_CHARACTERS = 1000

CONSOLE = "console"
PIPE = "pipe"
# How a reply must end, by what the program's standard input is. Measured, see doc_fragments/conversation.py: CR alone
# on a console (LF would be a second Enter), CR LF on a pipe (CR alone is no end of line there).
LINE_ENDS = {CONSOLE: b"\r", PIPE: b"\r\n"}


class Protocol(t.Protocol):
    """The part of pywinrm's Protocol that is used here."""

    operation_timeout_sec: int
    transport: t.Any

    def run_command(
        self, shell_id: str, command: str, arguments: t.Iterable[str | bytes] = ..., console_mode_stdin: bool = ...
    ) -> str: ...

    def close_shell(self, shell_id: str, close_session: bool = ...) -> None: ...

    def send_command_input(self, shell_id: str, command_id: str, stdin_input: bytes, end: bool = ...) -> None: ...

    def get_command_output_raw(self, shell_id: str, command_id: str) -> tuple[bytes, bytes, int, bool]: ...

    def cleanup_command(self, shell_id: str, command_id: str) -> None: ...


@dataclass(frozen=True)
class ConversationOptions:
    """How to talk to programs on a host: all of it can be set by the user.

    :ivar input_kind: "auto", "console" or "pipe"
    :ivar line_end: "auto", "cr", "crlf" or "lf"
    :ivar timeout_seconds: one deadline for the whole conversation
    :ivar answer_ahead_seconds: silence after which an answer that decides nothing is sent ahead of its prompt, because
    a
        program that buffers its output shows its prompts only when it ends
    """

    input_kind: str = "auto"
    line_end: str = "auto"
    timeout_seconds: float = 120.0
    answer_ahead_seconds: float = 4.0

    def line_end_for(self, input_kind: str | None) -> bytes:
        """The bytes that end a reply on this kind of input; an unknown kind is treated as a console."""
        if self.line_end != "auto":
            return {"cr": b"\r", "crlf": b"\r\n", "lf": b"\n"}[self.line_end]
        return LINE_ENDS[input_kind or CONSOLE]


@dataclass(frozen=True)
class Completed:
    """A command that ended by itself. Output is text, exit_code unsigned as Windows returns it."""

    stdout: str
    stderr: str
    exit_code: int


class Deadline:
    """One deadline for a whole piece of work, in seconds from now."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self._end - time.monotonic())

    def passed(self) -> bool:
        """Whether no time is left."""
        return self.left() <= 0.0


@dataclass
class RunningCommand:
    """A command under way: its output so far."""

    shell_id: str
    command_id: str
    stdout: bytearray = field(default_factory=bytearray)
    stderr: bytearray = field(default_factory=bytearray)
    # Both streams in the order of arrival: whether a piece is standard output, and the piece.
    pieces: list[tuple[bool, bytes]] = field(default_factory=list)
    exit_code: int = -1
    done: bool = False

    def text(self, stdout_bytes: int | None = None) -> str:
        """What was written, of standard output only the first `stdout_bytes` if given."""
        left = len(self.stdout) if stdout_bytes is None else stdout_bytes
        public = bytearray()
        for is_stdout, piece in self.pieces:
            public += piece[:left] if is_stdout else piece
            left -= min(left, len(piece)) if is_stdout else 0
        return public.decode(SHELL_ENCODING, "replace")


# Told of everything that happens between this controller and a server: from which verbosity on it is shown (2 is -vv),
# and what.
Trace = t.Callable[[int, str], None]


class ShellOwner(t.Protocol):
    """Who owns the connection and its shell, and can replace them."""

    def renew_shell(self) -> str:
        """Close the shell, open another over the same connection, and return its id."""

    def reconnect(self, close_old_shell: bool) -> tuple[Protocol, str]:
        """Connect again after the connection broke. Return the new connection's Protocol and the id of its shell."""


class Shell:
    """An open WinRS shell. The caller owns and closes the connection that opened it."""

    def __init__(
        self,
        protocol: Protocol,
        shell_id: str,
        options: ConversationOptions | None = None,
        owner: ShellOwner | None = None,
        trace: Trace | None = None,
    ) -> None:
        """:param owner: replaces a shell that is used up, or a connection that broke; without one neither is done
        :param trace: told of each command; what was written on standard input, and what a program wrote behind its end,
            is never told
        """
        self._trace = trace
        self._protocol = protocol
        self._shell_id = shell_id
        self._owner = owner
        # After any broken message the state of the connection (its HTTP session, its NTLM sealing) is not known.
        self._broken = False
        self._started = 0
        self._open_commands = 0
        self.options = options or ConversationOptions()
        self._probed: str | None = None
        # A program past its decision is never killed: closing this shell would do that, so the caller must leave it
        # open.
        self.left_running = False

    def run(
        self,
        command: str,
        stdin: bytes | None = None,
        timeout_seconds: float = RUN_TIMEOUT_SECONDS,
        usual_seconds: float = 0.0,
    ) -> Completed:
        """Run a command to its end, with `stdin` (whole, then closed) on a pipe if given.

        :param usual_seconds: how long it takes as a rule when it gets no input. It is not asked for output before, because
            each piece of output that is fetched by itself costs a round trip
        :raises CommandTimeout: it did not end in time and was terminated
        :raises ConnectionLost: the server went away
        :raises ShellFault: the WinRM service refused
        """
        deadline = Deadline(timeout_seconds)
        with (
            self.open_command(command, console=stdin is None) as running,
            self._tracing(command, running, private=stdin is not None),
        ):
            if stdin is not None:
                self._send_all(running, stdin)
            else:
                time.sleep(SETTLE_SECONDS + min(usual_seconds, deadline.left() / 2))
            while not running.done:
                if deadline.passed():
                    raise CommandTimeout(timeout_seconds, running.text())
                self.receive(running, deadline.left())
        return _completed(running)

    def read(self, command: str, probe: bool = False, usual_seconds: float = 0.0) -> Completed:
        """Run a command that changes nothing. It is sent again, over a new connection, when the connection breaks.

        :param probe: find out the kind of standard input on the way
        :param usual_seconds: as in run()
        :raises CommandTimeout: it did not end in time and was terminated
        :raises ConnectionLost: the connection broke each time
        :raises AccountRefused: the account was refused twice: more attempts would lock it
        :raises ShellFault: the WinRM service refused
        """
        attempts = 1 if self._owner is None else READ_ATTEMPTS
        while attempts > 1:
            try:
                return self._run_or_probe(command, probe, usual_seconds)
            except ConnectionLost as error:
                # One more logon tells a connection that has lost its own from an account that may no longer log on.
                attempts = 1 if isinstance(error, AccountRefused) else attempts - 1
                self.trace(2, f"{error}: the command only reads, and is sent again")
        return self._run_or_probe(command, probe, usual_seconds)

    def _run_or_probe(self, command: str, probe: bool, usual_seconds: float) -> Completed:
        return self.run_and_probe(command) if probe else self.run(command, usual_seconds=usual_seconds)

    def run_and_probe(self, command: str) -> Completed:
        """Run a command that reads nothing, and find out on the way what standard input a command gets here.

        A harmless question goes first in the same command line, so this costs one message more than run(). On a console
        CR is Enter and the first answer is "1"; a pipe hands on the CR as an ordinary character. End of input means
        nothing on a console and ends the second question on a pipe.
        """
        if self.options.input_kind != "auto":
            return self.run(command)
        deadline = Deadline(PROBE_TIMEOUT_SECONDS)
        with self.open_command(PROBE + command, console=True) as running, self._tracing(command, running):
            # Nothing may be left over for the next program that reads: no LF behind the last CR.
            self.send(running, b"1\r2\r", end=True)
            while not running.done and not deadline.passed():
                self.receive(running, deadline.left())
        if not running.done:
            return self.run(command)
        completed = _completed(running)
        head, _marker, rest = completed.stdout.partition("[probed]")
        answer = _PROBED.search(head)
        self._probed = None if answer is None else PIPE if answer[1] else CONSOLE
        self.trace(3, f"standard input of a program is: {self._probed or 'not known'}")
        return Completed(rest.lstrip("\r\n "), completed.stderr, completed.exit_code)

    @property
    def input_kind(self) -> str | None:
        """What a program's standard input is in this shell: as the user says, else as found out, else None."""
        return self._probed if self.options.input_kind == "auto" else self.options.input_kind

    def trace(self, verbosity: int, text: str) -> None:
        """Tell of something that happened, from a verbosity on (2 is -vv)."""
        if self._trace is not None and text:
            self._trace(verbosity, text)

    @contextlib.contextmanager
    def _tracing(self, command: str, running: RunningCommand, private: bool = False) -> t.Iterator[None]:
        """Tell of a command when it has ended, or was given up."""
        started = time.monotonic()
        try:
            yield
        finally:
            if self._trace is not None:
                ended = f"exit code {running.exit_code}" if running.done else "not ended"
                self._trace(2, f"{command}: {ended} after {time.monotonic() - started:.1f} s")
                self.trace(3, "" if private else _first_lines(running.text()))

    def open_command(self, command: str, console: bool) -> OpenCommand:
        return OpenCommand(self, command, console)

    def _start(self, command: str, console: bool) -> RunningCommand:
        if self._broken and not self._open_commands:
            self._reconnect()
        if self._started >= COMMANDS_PER_SHELL and self._replaceable:
            self._replace()
        self._started += 1
        try:
            return self._run_command(command, console)
        except ShellFault as fault:
            if not fault.new_shell_helps or not self._replaceable:
                raise
            self.trace(2, f"{fault}: the command is given again in a new shell")
            self._replace()
            return self._run_command(command, console)

    def _run_command(self, command: str, console: bool) -> RunningCommand:
        return RunningCommand(
            self._shell_id, self._call(self._protocol.run_command, self._shell_id, command, console_mode_stdin=console)
        )

    def leave_running(self) -> None:
        """A program past its decision works in this shell: it is not closed, and the next command gets another one."""
        self.left_running = self._broken = True

    def close(self, shell_id: str) -> None:
        """Close a shell over this connection."""
        self._call(self._protocol.close_shell, shell_id, close_session=False)

    def _call(self, function: t.Callable[..., t.Any], *arguments: t.Any, **options: t.Any) -> t.Any:
        """call_pywinrm(), noting that the connection broke."""
        try:
            return call_pywinrm(function, *arguments, **options)
        except TimedOut:
            raise
        except ConnectionLost:
            self._broken = True
            raise

    @property
    def _replaceable(self) -> bool:
        return self._owner is not None and not self._open_commands

    def _replace(self) -> None:
        """Use a new shell: with the old one, its commands stop counting."""
        self.trace(3, "the shell is used up, and replaced by another one")
        owner = t.cast(ShellOwner, self._owner)
        self._shell_id = self._call(owner.renew_shell)
        self._forget_commands()

    def _reconnect(self) -> None:
        """Use a new connection with a new shell. A shell in which a program was left running stays open."""
        if self._owner is None:
            return
        self.trace(2, "the connection broke, and is made again")
        self._protocol, self._shell_id = self._owner.reconnect(close_old_shell=not self.left_running)
        self._broken = self.left_running = False
        self._forget_commands()

    def _forget_commands(self) -> None:
        self._started = 0

    def _terminate(self, running: RunningCommand) -> None:
        self._call(self._protocol.cleanup_command, running.shell_id, running.command_id)

    def _send_all(self, running: RunningCommand, data: bytes) -> None:
        """Send whole input in pieces that fit, the last with End. The program must not wait for its output to be
        received meanwhile.
        """
        last = max(0, len(data) - 1) // SEND_BYTES * SEND_BYTES
        for start in range(0, last, SEND_BYTES):
            self._send_once(running, data[start : start + SEND_BYTES], end=False)
        self.send(running, data[last:], end=True)

    def send(self, running: RunningCommand, data: bytes, end: bool = False) -> bool:
        """Send input, and give the program a moment to answer it: asking too early costs one round trip more. True when
        it was taken.
        """
        confirmed = self._send_once(running, data, end)
        time.sleep(SETTLE_SECONDS)
        return confirmed

    def _send_once(self, running: RunningCommand, data: bytes, end: bool) -> bool:
        try:
            self._call(self._protocol.send_command_input, running.shell_id, running.command_id, data, end=end)
        except TimedOut:
            # A server under load is only slow to confirm; ansible-core carries on as well. Sending it again would
            # answer twice.
            return False
        except ShellFault as fault:
            if fault.code != ERROR_BROKEN_PIPE:
                raise
            return False
        return True

    def receive(self, running: RunningCommand, wait_seconds: float) -> bool:
        """Ask once for output; False when there was none. A TimedOut fault (2150858793) only means "nothing yet"."""
        usual = self._protocol.operation_timeout_sec
        # Never above the connection's own: the transport gives up reading soon after that.
        self._protocol.operation_timeout_sec = max(1, min(RECEIVE_SECONDS, usual, int(wait_seconds)))
        try:
            stdout, stderr, exit_code, running.done = self._call(
                self._protocol.get_command_output_raw, running.shell_id, running.command_id
            )
        except TimedOut:
            return False
        finally:
            self._protocol.operation_timeout_sec = usual
        if len(running.stdout) + len(running.stderr) + len(stdout) + len(stderr) > OUTPUT_BYTES:
            self._broken = True
            raise ConnectionLost(f"the command wrote more than {OUTPUT_BYTES // (1024 * 1024)} MB")
        running.stdout += stdout
        running.stderr += stderr
        running.pieces += [(True, stdout), (False, stderr)]
        if running.done:
            running.exit_code = exit_code
        return bool(stdout or stderr)


class OpenCommand:
    """Starts a command, and terminates one that has not ended: left behind, it keeps its shell and its files busy."""

    def __init__(self, shell: Shell, command: str, console: bool) -> None:
        self._shell = shell
        self._command = command
        self._console = console

    def __enter__(self) -> RunningCommand:
        self._running = self._shell._start(self._command, self._console)
        self._shell._open_commands += 1
        return self._running

    def __exit__(self, *_error: object) -> None:
        self._shell._open_commands -= 1
        if not self._running.done and not self._shell.left_running:
            # After an error the first one is what the user must see.
            with contextlib.suppress(ConnectionLost, ShellFault):
                self._shell._terminate(self._running)


def ignore_environment_proxies(protocol: Protocol) -> None:
    """Keep what the session took from the environment when the shell was opened: proxies, certificates.

    requests would look for the same there again with every message, which is a sixth of what a task costs the
    controller.
    """
    protocol.transport.session.trust_env = False


def _first_lines(text: str) -> str:
    return "\n".join(text.splitlines()[:TRACED_LINES])[:TRACED_CHARACTERS]


def _completed(running: RunningCommand) -> Completed:
    return Completed(
        running.stdout.decode(SHELL_ENCODING, "replace"),
        running.stderr.decode(SHELL_ENCODING, "replace"),
        running.exit_code,
    )
