# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One WinRS shell over the connection's pywinrm Protocol: run a command, or hold a conversation with one.

Private to opsmgr.recovery. Knows nothing of Windows tools or Operations Manager; nothing above it imports pywinrm.
"""

from __future__ import annotations

import contextlib
import enum
import re
import secrets
import time
import typing as t
from dataclasses import dataclass, field
from xml.etree import ElementTree

from ansible_collections.opsmgr.recovery.plugins.module_utils.server_text import harmless
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.redaction import redact

# The winrm connection plugin refuses by name to connect without these, so nothing here is reached when one is missing.
with contextlib.suppress(ImportError):
    from winrm.exceptions import WinRMError, WinRMOperationTimeoutError, WinRMTransportError, WSManFaultError

# [field] ansible-core's winrm connection opens its shell with this code page.
SHELL_ENCODING = "utf-8"
SHELL_CODE_PAGE = 65001
# Seconds. A command that answers a question takes far less; one that hangs must not hang the night.
RUN_TIMEOUT_SECONDS = 120.0
# Seconds the server may hold one Receive. Short, so that a silent program is noticed in time; a TimedOut fault means
# "ask again".
RECEIVE_SECONDS = 20
SETTLE_SECONDS = 0.05
# Bytes of input in one Send: Base64 in an envelope, of which WinRM 2.0 takes 150 KB [ms].
SEND_BYTES = 64 * 1024
PROBE_TIMEOUT_SECONDS = 30.0
PROBE = "set /p opsmgr_a=& set /p opsmgr_b=& set opsmgr_& echo [probed]& "
_PROBED = re.compile(r"(?m)^opsmgr_a=1(\r2)?\r*$")
TRANSCRIPT_CHARACTERS = 4000
# More than that of what came after a secret is not even looked at.
REDACTED_CHARACTERS = 4 * TRANSCRIPT_CHARACTERS
# WinRM 2.0 allows a user 15 concurrent operations, and a command counts until its shell is closed, even when it has
# ended [ms].
COMMANDS_PER_SHELL = 12
# Ended commands that may wait to be released. Each costs a round trip, and the shell takes them all with it; far below
# the quota that is all they need.
ENDED_COMMANDS = 4
# How often a command that only reads is sent at most, when the connection breaks.
READ_ATTEMPTS = 4
# The variable of cmd.exe that keeps a program's exit code while more commands of the same line run.
EXIT_CODE_VARIABLE = "opsmgr_exit"
# cmd.exe expands %NAME% when it reads a line. Behind a caret it is left alone, and `call` expands it when it is its
# turn [field].
EXIT_CODE = f"%^{EXIT_CODE_VARIABLE}%"
# How much of what a program wrote a prompt is searched in. A pattern may take the square of it, and a prompt stands at
# the end.
PROMPT_CHARACTERS = 2000
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

# What Send gets when the program has ended: no error, its output and exit code are still to be received [field].
ERROR_BROKEN_PIPE = 109

# Too many operations or shells of this user [ms].
QUOTA_FAULTS = (2150859173, 2150859174, 2150859182)
# WSMan fault codes with their names and what to do [ms].
FAULTS = {
    5: ("ERROR_ACCESS_DENIED", "Use an account that is a local administrator of this server."),
    2150858843: ("ERROR_WSMAN_INVALID_SELECTORS", "The shell is gone; run it again."),
    2150859173: (
        "ERROR_WSMAN_QUOTA_MAX_SHELLS",
        "This user has too many open shells on the server; they close by themselves after a few minutes.",
    ),
    2150859174: (
        "ERROR_WSMAN_QUOTA_MAX_SHELLS_PPQ",
        "This user has too many open shells on the server; they close by themselves after a few minutes.",
    ),
    2150859182: (
        "ERROR_WSMAN_QUOTA_USER",
        "This user has too many open shells on the server; they close by themselves after a few minutes.",
    ),
}


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


class ConnectionLost(Exception):
    """The server could not be reached, did not let us in, or went away. What a running command did is not known."""


class _TimedOut(ConnectionLost):
    """The server did not answer within the operation timeout: for Receive and Send an answer like another, else an
    error.
    """

    def __init__(self) -> None:
        super().__init__("the WinRM service did not answer in time")


class ShellFault(Exception):
    """The WinRM service answered with a fault.

    :ivar reason: the server's own words
    :ivar code: the WSMan fault code, or None
    """

    def __init__(self, reason: str, code: int | None) -> None:
        name, advice = FAULTS.get(code or 0, ("", ""))
        super().__init__(
            " ".join(
                part for part in (reason.strip(), f"({name or 'WSMan fault'} {code})" if code else "", advice) if part
            )
        )
        self.reason = reason
        self.code = code


class CommandTimeout(Exception):
    """A command did not end within its deadline; it was terminated."""

    def __init__(self, seconds: float, output: str) -> None:
        super().__init__(f"the command did not end within {seconds:g} seconds")
        self.output = output


class Decision(enum.Enum):
    """Whether a reply that decides something has reached the program."""

    NOT_SENT = "not sent"
    MAY_BE_SENT = "may have been sent"
    SENT = "sent"


class ConversationError(Exception):
    """A conversation did not go as agreed. The program was terminated, unless a decision was or may have been sent.

    :ivar transcript: what was said, with secrets removed
    :ivar input_kind: "console", "pipe" or None when it could not be found out
    :ivar decision: whether a reply that decides something had been sent already
    """

    def __init__(self, message: str, transcript: str, input_kind: str | None, decision: Decision) -> None:
        super().__init__(message)
        self.transcript = transcript
        self.input_kind = input_kind
        self.decision = decision


class PromptNeverCame(ConversationError):
    """The program was silent where a question was expected."""


class EndedEarly(ConversationError):
    """The program ended before it had asked everything."""


class UnexpectedQuestion(ConversationError):
    """The program wrote something that is not the expected question, and then waited."""


class NeverEnded(ConversationError):
    """Everything was answered, but the program did not end before the deadline."""


class ConversationLost(ConversationError):
    """The connection broke, or the service refused, when a decision was or may have been sent. What the program does is
    not known.
    """


@dataclass(frozen=True)
class CommandReference:
    """Where a program runs, so that a later run can go on with the conversation.

    :ivar word: what the mark begins with that its command line writes when it has ended
    """

    shell_id: str
    command_id: str
    word: str

    def __str__(self) -> str:
        return f"{self.shell_id} {self.command_id} {self.word}"

    @classmethod
    def parse(cls, text: str) -> CommandReference | None:
        """From the text of one; None when it is not one. The identifiers are the server's own words, so only plain ones
        are accepted.
        """
        found = re.fullmatch(r"([0-9A-Za-z-]{1,64}) ([0-9A-Za-z-]{1,64}) ([0-9a-f]{8})", text.strip())
        return cls(*found.groups()) if found else None


@dataclass(frozen=True)
class Exchange:
    """One question and its answer.

    :ivar prompt: regular expression, searched in what the program wrote since the last answer
    :ivar reply: without line end
    :ivar secret: the reply is removed from every transcript
    :ivar decides: the reply is only ever sent to its own prompt, never ahead of it
    :ivar optional: the program may end without asking
    :ivar asked: the question was asked in an earlier run. Its answer is sent into silence; when the program writes
    something, it has been answered
    :ivar before_reply: called when the prompt has come, before the reply is sent
    :ivar after_reply: called when the server has confirmed that it took the reply
    :ivar then_seconds: the deadline of what follows this reply; None keeps the conversation's own
    """

    prompt: str
    reply: str = field(repr=False)
    secret: bool = False
    decides: bool = False
    optional: bool = False
    asked: bool = False
    before_reply: t.Callable[[CommandReference], None] | None = None
    after_reply: t.Callable[[], None] | None = None
    then_seconds: float | None = None


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


@dataclass(frozen=True)
class Conversation:
    """A conversation that ended well: every question that had to come was answered and the program ended.

    :ivar transcript: what the program wrote, secrets removed
    :ivar private_output: what the commands behind the program wrote; it may hold a secret
    :ivar exit_code: the program's own, unsigned; None when it could not be observed
    :ivar answered: how many questions were answered
    """

    transcript: str
    private_output: str = field(repr=False)
    exit_code: int | None
    answered: int


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
class _Running:
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
        manner: ConversationOptions | None = None,
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
        self._ended: list[_Running] = []
        self.manner = manner or ConversationOptions()
        self._probed: str | None = None
        # A program past its decision is never killed: closing this shell would do that, so the caller must leave it
        # open.
        self.left_running = False

    def run(self, command: str, stdin: bytes | None = None, timeout_seconds: float = RUN_TIMEOUT_SECONDS) -> Completed:
        """Run a command to its end, with `stdin` (whole, then closed) on a pipe if given.

        :raises CommandTimeout: it did not end in time and was terminated
        :raises ConnectionLost: the server went away
        :raises ShellFault: the WinRM service refused
        """
        deadline = Deadline(timeout_seconds)
        with (
            self._command(command, console=stdin is None) as running,
            self._tracing(command, running, private=stdin is not None),
        ):
            if stdin is not None:
                self._send_all(running, stdin)
            while not running.done:
                if deadline.passed():
                    raise CommandTimeout(timeout_seconds, running.text())
                self._receive(running, deadline.left())
        return _completed(running)

    def read(self, command: str, probe: bool = False) -> Completed:
        """Run a command that changes nothing. It is sent again, over a new connection, when the connection breaks.

        :param probe: find out the kind of standard input on the way
        :raises CommandTimeout: it did not end in time and was terminated
        :raises ConnectionLost: the connection broke each time
        :raises ShellFault: the WinRM service refused
        """
        for _attempt in range(READ_ATTEMPTS - 1):
            try:
                return self._run_or_probe(command, probe)
            except ConnectionLost as error:
                if self._owner is None:
                    break
                self._tell(2, f"{error}: the command only reads, and is sent again")
        return self._run_or_probe(command, probe)

    def _run_or_probe(self, command: str, probe: bool) -> Completed:
        return self.run_and_probe(command) if probe else self.run(command)

    def run_and_probe(self, command: str) -> Completed:
        """Run a command that reads nothing, and find out on the way what standard input a command gets here.

        A harmless question goes first in the same command line, so this costs one message more than run(). On a console
        CR is Enter and the first answer is "1"; a pipe hands on the CR as an ordinary character. End of input means
        nothing on a console and ends the second question on a pipe.
        """
        if self.manner.input_kind != "auto":
            return self.run(command)
        deadline = Deadline(PROBE_TIMEOUT_SECONDS)
        with self._command(PROBE + command, console=True) as running, self._tracing(command, running):
            # Nothing may be left over for the next program that reads: no LF behind the last CR.
            self._send(running, b"1\r2\r", end=True)
            while not running.done and not deadline.passed():
                self._receive(running, deadline.left())
        if not running.done:
            return self.run(command)
        completed = _completed(running)
        head, _marker, rest = completed.stdout.partition("[probed]")
        answer = _PROBED.search(head)
        self._probed = None if answer is None else PIPE if answer[1] else CONSOLE
        self._tell(3, f"standard input of a program is: {self._probed or 'not known'}")
        return Completed(rest.lstrip("\r\n "), completed.stderr, completed.exit_code)

    @property
    def input_kind(self) -> str | None:
        """What a program's standard input is in this shell: as the user says, else as found out, else None."""
        return self._probed if self.manner.input_kind == "auto" else self.manner.input_kind

    def converse(self, command: str, exchanges: t.Sequence[Exchange], then: str = "") -> Conversation:
        """Run a program that asks, and answer it.

        :param then: commands that the same command line runs when the program has ended, whatever becomes of the
            connection. EXIT_CODE behind `call` is the program's exit code for them. What they write stays out of every
            transcript.
        :raises ConversationError: one of its subclasses; the program was terminated, unless a decision was or may have
            been sent
        :raises ConnectionLost: the server went away before a decision was sent
        :raises ShellFault: the WinRM service refused before a decision was sent
        """
        end = _EndOfProgram(secrets.token_hex(4))
        with self._command(end.command_line(command, then), console=True) as running:
            talk = _Talk(self, running, exchanges, end)
            try:
                talk.hold()
            except (ConnectionLost, ShellFault) as error:
                told = talk.without_secrets(error)
                if talk.decision is Decision.NOT_SENT:
                    raise told from None
                raise talk.error(ConversationLost, str(told)) from error
            finally:
                # Also when the task is ended from outside: a task timeout is an exception of no kind that is listed
                # here.
                self.left_running = talk.decision is not Decision.NOT_SENT and not running.done
                # The next command gets a shell of its own: this one is not closed as long as the program may work in
                # it.
                self._broken = self._broken or self.left_running
                # Last, because this may be cut off as well, and the shell must be left open by then.
                self._tell_conversation(command, talk, running)
        return talk.conversation()

    def rejoin(self, reference: CommandReference, exchange: Exchange) -> Conversation:
        """Go on with the conversation of an earlier run that was cut off when it answered the question of `exchange`.
        The program is never terminated.

        :raises ConversationError: one of its subclasses
        :raises ConnectionLost: the server went away
        :raises ShellFault: the program's shell is gone, or belongs to another account
        """
        running = _Running(reference.shell_id, reference.command_id)
        talk = _Talk(self, running, [exchange], _EndOfProgram(reference.word))
        talk.hold()
        with contextlib.suppress(ConnectionLost, ShellFault):
            self._call(self._protocol.close_shell, reference.shell_id, close_session=False)
        return talk.conversation()

    def _tell(self, verbosity: int, text: str) -> None:
        if self._trace is not None and text:
            self._trace(verbosity, text)

    def _tell_conversation(self, command: str, talk: _Talk, running: _Running) -> None:
        if self._trace is not None:
            ended = f"exit code {talk.exit_code}" if running.done else "not ended"
            self._trace(2, f"{command}: {ended}, {talk.answered} answers")
            self._tell(3, talk.transcript())

    @contextlib.contextmanager
    def _tracing(self, command: str, running: _Running, private: bool = False) -> t.Iterator[None]:
        """Tell of a command when it has ended, or was given up."""
        started = time.monotonic()
        try:
            yield
        finally:
            if self._trace is not None:
                ended = f"exit code {running.exit_code}" if running.done else "not ended"
                self._trace(2, f"{command}: {ended} after {time.monotonic() - started:.1f} s")
                self._tell(3, "" if private else _first_lines(running.text()))

    def _command(self, command: str, console: bool) -> _OpenCommand:
        return _OpenCommand(self, command, console)

    def _start(self, command: str, console: bool) -> _Running:
        if self._broken and not self._open_commands:
            self._reconnect()
        if self._started >= COMMANDS_PER_SHELL and self._replaceable:
            self._replace()
        if len(self._ended) > ENDED_COMMANDS:
            self._release_ended()
        self._started += 1
        try:
            return self._run_command(command, console)
        except ShellFault as fault:
            if fault.code not in QUOTA_FAULTS or not self._replaceable:
                raise
            # Another shell of this user takes part of the quota, perhaps one that an interrupted run left behind.
            self._replace()
            return self._run_command(command, console)

    def _run_command(self, command: str, console: bool) -> _Running:
        return _Running(
            self._shell_id, self._call(self._protocol.run_command, self._shell_id, command, console_mode_stdin=console)
        )

    def _call(self, function: t.Callable[..., t.Any], *arguments: t.Any, **options: t.Any) -> t.Any:
        """call_pywinrm(), noting that the connection broke."""
        try:
            return call_pywinrm(function, *arguments, **options)
        except _TimedOut:
            raise
        except ConnectionLost:
            self._broken = True
            raise

    @property
    def _replaceable(self) -> bool:
        return self._owner is not None and not self._open_commands

    def _replace(self) -> None:
        """Use a new shell: with the old one, its commands stop counting."""
        self._tell(3, "the shell is used up, and replaced by another one")
        owner = t.cast(ShellOwner, self._owner)
        self._shell_id = self._call(owner.renew_shell)
        self._forget_commands()

    def _reconnect(self) -> None:
        """Use a new connection with a new shell. A shell in which a program was left running stays open."""
        if self._owner is None:
            return
        self._tell(2, "the connection broke, and is made again")
        self._protocol, self._shell_id = self._owner.reconnect(close_old_shell=not self.left_running)
        self._broken = self.left_running = False
        self._forget_commands()

    def _forget_commands(self) -> None:
        self._started = 0
        self._ended.clear()

    def _terminate(self, running: _Running) -> None:
        self._call(self._protocol.cleanup_command, running.shell_id, running.command_id)

    def _release_ended(self) -> None:
        """Release commands that have ended by themselves. The last ones of a shell go with the shell."""
        while self._ended:
            with contextlib.suppress(ConnectionLost, ShellFault):
                self._terminate(self._ended.pop())

    def _send_all(self, running: _Running, data: bytes) -> None:
        """Send whole input in pieces that fit, the last with End. The program must not wait for its output to be
        received meanwhile.
        """
        last = max(0, len(data) - 1) // SEND_BYTES * SEND_BYTES
        for start in range(0, last, SEND_BYTES):
            self._send_once(running, data[start : start + SEND_BYTES], end=False)
        self._send(running, data[last:], end=True)

    def _send(self, running: _Running, data: bytes, end: bool = False) -> bool:
        """Send input, and give the program a moment to answer it: asking too early costs one round trip more. True when
        it was taken.
        """
        confirmed = self._send_once(running, data, end)
        time.sleep(SETTLE_SECONDS)
        return confirmed

    def _send_once(self, running: _Running, data: bytes, end: bool) -> bool:
        try:
            self._call(self._protocol.send_command_input, running.shell_id, running.command_id, data, end=end)
        except _TimedOut:
            # A server under load is only slow to confirm; ansible-core carries on as well. Sending it again would
            # answer twice.
            return False
        except ShellFault as fault:
            if fault.code != ERROR_BROKEN_PIPE:
                raise
            return False
        return True

    def _receive(self, running: _Running, wait_seconds: float) -> bool:
        """Ask once for output; False when there was none. A TimedOut fault (2150858793) only means "nothing yet"."""
        usual = self._protocol.operation_timeout_sec
        # Never above the connection's own: the transport gives up reading soon after that.
        self._protocol.operation_timeout_sec = max(1, min(RECEIVE_SECONDS, usual, int(wait_seconds)))
        try:
            stdout, stderr, exit_code, running.done = self._call(
                self._protocol.get_command_output_raw, running.shell_id, running.command_id
            )
        except _TimedOut:
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


class _OpenCommand:
    """Starts a command and always terminates it: a command left behind keeps its shell and its files busy."""

    def __init__(self, shell: Shell, command: str, console: bool) -> None:
        self._shell = shell
        self._command = command
        self._console = console

    def __enter__(self) -> _Running:
        self._running = self._shell._start(self._command, self._console)
        self._shell._open_commands += 1
        return self._running

    def __exit__(self, *_error: object) -> None:
        self._shell._open_commands -= 1
        if self._running.done:
            self._shell._ended.append(self._running)
        elif not self._shell.left_running:
            # After an error the first one is what the user must see.
            with contextlib.suppress(ConnectionLost, ShellFault):
                self._shell._terminate(self._running)


class _EndOfProgram:
    """The mark that a command line writes when its program has ended, with the program's own exit code.

    The exit code of the command line is that of its last command.
    """

    def __init__(self, word: str) -> None:
        self.word = word
        self._pattern = re.compile(rb"\[%b (-?\d+)\]" % self.word.encode())

    def command_line(self, command: str, then: str) -> str:
        """The command line that runs the program, writes the mark, and runs the commands behind it."""
        mark = f"call set {EXIT_CODE_VARIABLE}=%^errorlevel%& call echo [{self.word} {EXIT_CODE}]"
        return f"{command}& {mark}& ({then})2>nul" if then else f"{command}& {mark}"

    def find(self, running: _Running) -> re.Match[bytes] | None:
        """The mark in what was written so far."""
        return self._pattern.search(running.stdout)

    def private_output(self, running: _Running) -> str:
        """What stands behind the mark."""
        found = self.find(running)
        return running.stdout[found.end() :].decode(SHELL_ENCODING, "replace") if found else ""


class _Talk:
    """The state of one conversation."""

    def __init__(self, shell: Shell, running: _Running, exchanges: t.Sequence[Exchange], end: _EndOfProgram) -> None:
        self._shell = shell
        self._end = end
        self._running = running
        self._pending = list(exchanges)
        self._secrets = [each.reply for each in exchanges if each.secret and each.reply]
        self._line_end = shell.manner.line_end_for(shell.input_kind)
        self._read_to = 0
        # Where in what the program wrote it had the first secret; None before that.
        self._secret_from: int | None = None
        self._deadline = Deadline(shell.manner.timeout_seconds)
        self._listen()
        self.decision = Decision.NOT_SENT
        self.answered = 0

    def hold(self) -> None:
        """Answer until the program ends, in time."""
        while not self._running.done:
            self._forget_answered()
            if self._answer_prompt():
                continue
            if self._deadline.passed():
                raise self._overdue()
            wait = self._deadline.left()
            if self._may_answer_ahead():
                if self._silence.passed():
                    self._answer()
                wait = min(wait, self._silence.left())
            if self._shell._receive(self._running, wait):
                self._listen()
        self._check_everything_was_asked()

    def _forget_answered(self) -> None:
        """A program that goes on after a question that was asked in an earlier run has its answer."""
        if self._pending and self._pending[0].asked and self._unread().strip():
            exchange = self._pending.pop(0)
            self.decision = Decision.SENT
            self._allow(exchange)

    def _allow(self, exchange: Exchange) -> None:
        if exchange.then_seconds is not None:
            self._deadline = Deadline(exchange.then_seconds)

    def _listen(self) -> None:
        self._silence = Deadline(self._shell.manner.answer_ahead_seconds)

    @property
    def exit_code(self) -> int | None:
        """The program's own, unsigned as Windows returns it; None while it is not known."""
        found = self._end.find(self._running)
        return int(found[1]) & 0xFFFFFFFF if found else None

    def _said(self) -> str:
        """What the program wrote to both streams so far."""
        found = self._end.find(self._running)
        return self._running.text(found.start() if found else None)

    def _unread(self) -> str:
        return self._said()[self._read_to :]

    def _answer_prompt(self) -> bool:
        waiting = self._pending and not self._pending[0].asked
        unread = self._unread() if waiting else ""
        skipped = max(0, len(unread) - PROMPT_CHARACTERS)
        found = re.search(self._pending[0].prompt, unread[skipped:]) if waiting else None
        if found is None:
            return False
        self._read_to += skipped + found.end()
        self._answer()
        return True

    def _answer(self) -> None:
        exchange = self._pending.pop(0)
        if exchange.before_reply is not None:
            exchange.before_reply(CommandReference(self._running.shell_id, self._running.command_id, self._end.word))
        before = self.decision
        if exchange.secret and self._secret_from is None:
            self._secret_from = len(self._said())
        if exchange.decides:
            self.decision = Decision.MAY_BE_SENT
        try:
            confirmed = self._shell._send(self._running, exchange.reply.encode(SHELL_ENCODING) + self._line_end)
        except ShellFault:
            # The server refused to take the reply, so the program has not heard it. A connection that is lost leaves
            # that open.
            self.decision = before
            raise
        if exchange.decides and confirmed:
            self.decision = Decision.SENT
        self.answered += 1
        if confirmed and exchange.after_reply is not None:
            exchange.after_reply()
        self._allow(exchange)
        self._listen()

    def _may_answer_ahead(self) -> bool:
        """Only into silence, and never with something that decides, unless its question was asked in an earlier run."""
        return (
            bool(self._pending)
            and (self._pending[0].asked or not self._pending[0].decides)
            and not self._unread().strip()
        )

    def _check_everything_was_asked(self) -> None:
        missing = [each for each in self._pending if not each.optional]
        if missing:
            code = "not known" if self.exit_code is None else self.exit_code
            raise self.error(
                EndedEarly, f"the program ended (exit code {code}) before {missing[0].prompt!r} was asked and answered"
            )

    def _overdue(self) -> ConversationError:
        seconds = self._deadline.seconds
        if not self._pending:
            return self.error(
                NeverEnded, f"the program did not end within {seconds:g} seconds after its questions were answered"
            )
        if self._unread().strip():
            return self.error(
                UnexpectedQuestion,
                f"the program wrote something other than the expected question {self._pending[0].prompt!r} and waits",
            )
        return self.error(
            PromptNeverCame, f"the question {self._pending[0].prompt!r} never came within {seconds:g} seconds"
        )

    def conversation(self) -> Conversation:
        """A conversation that ended well, as a result."""
        return Conversation(self.transcript(), self._end.private_output(self._running), self.exit_code, self.answered)

    def error(self, kind: type[ConversationError], message: str) -> ConversationError:
        """An error of this conversation."""
        return kind(message, self.transcript(), self._shell.input_kind, self.decision)

    def without_secrets(self, error: ConnectionLost | ShellFault) -> ConnectionLost | ShellFault:
        """The error without what a server may say of the secrets that it was told: only a fault has a server's own
        words.
        """
        if self._secret_from is None or not isinstance(error, ShellFault):
            return error
        return ShellFault(redact(error.reason, self._secrets), error.code)

    def transcript(self) -> str:
        """What the program wrote, at most the last TRANSCRIPT_CHARACTERS characters, secrets removed."""
        said = self._said()
        # What was written before a secret was sent holds none; from then on, nothing is shown of which that is not
        # known.
        before, after = said[: self._secret_from], said[self._secret_from :]
        shown = redact(after[-REDACTED_CHARACTERS:], self._secrets) if self._secret_from is not None else ""
        return harmless(before + shown).strip()[-TRANSCRIPT_CHARACTERS:]


def keep_session_settings(protocol: Protocol) -> None:
    """Keep what the session took from the environment when the shell was opened: proxies, certificates.

    requests would look for the same there again with every message, which is a sixth of what a task costs the
    controller.
    """
    protocol.transport.session.trust_env = False


def close_quietly(close: t.Callable[[], None]) -> None:
    """Close a connection; that it fails no longer matters, and must not hide what happened before."""
    with contextlib.suppress(ConnectionLost, ShellFault):
        call_pywinrm(close)


def _prepare_for_forks() -> None:
    """What a process does slowly the first time only.

    ansible-core loads this file before it forks a process for each host, so it is done once for all of them. That
    OpenSSL finds RC4, with which NTLM seals every message, takes it 4 ms: a twentieth of a whole task.
    """
    "".encode("utf-16-le")
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.decrepit.ciphers.algorithms import ARC4
        from cryptography.hazmat.primitives.ciphers import Cipher
    except ImportError:
        return
    # Where it is forbidden, NTLM cannot be used either.
    with contextlib.suppress(UnsupportedAlgorithm):
        Cipher(ARC4(bytes(16)), mode=None).encryptor()


_prepare_for_forks()


def _first_lines(text: str) -> str:
    return "\n".join(text.splitlines()[:TRACED_LINES])[:TRACED_CHARACTERS]


def _completed(running: _Running) -> Completed:
    return Completed(
        running.stdout.decode(SHELL_ENCODING, "replace"),
        running.stderr.decode(SHELL_ENCODING, "replace"),
        running.exit_code,
    )


def call_pywinrm(function: t.Callable[..., t.Any], *arguments: t.Any, **options: t.Any) -> t.Any:
    """Call pywinrm and translate what it raises: the one place that knows its exceptions and those of the libraries
    below it.

    :raises ConnectionLost: for everything that is not a fault of the WinRM service, also for exceptions that nobody
        expects: a message that cannot be unsealed, a Kerberos ticket that has expired. Their texts may hold a part of a
        message, so only their type is named.
    :raises ShellFault: the WinRM service answered with a fault
    """
    try:
        return function(*arguments, **options)
    except (ConnectionLost, ShellFault):
        raise
    except WinRMOperationTimeoutError:
        raise _TimedOut from None
    except (AssertionError, StopIteration, ElementTree.ParseError):
        # pywinrm asserts that an answer belongs to its question, and parses without looking.
        raise ConnectionLost("the answer is not one of a WinRM service") from None
    except WSManFaultError as fault:
        raise ShellFault(fault.reason, fault.wsman_fault_code or fault.wmierror_code) from None
    except (WinRMError, WinRMTransportError) as error:
        raise ConnectionLost(str(error)) from None
    except Exception as error:
        raise ConnectionLost(f"{type(error).__name__}: the connection to the server broke") from None
