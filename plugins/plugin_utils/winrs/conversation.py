# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A conversation with a program that asks: every prompt is awaited, every reply is typed, and a decision is never sent ahead.

Private to opsmgr.recovery.
"""

from __future__ import annotations

import contextlib
import enum
import re
import secrets
import typing as t
from dataclasses import dataclass, field

from ansible_collections.opsmgr.recovery.plugins.module_utils.server_text import harmless
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.faults import ConnectionLost, ShellFault
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.redaction import redact
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.shell import (
    SHELL_ENCODING,
    TRANSCRIPT_CHARACTERS,
    Deadline,
    RunningCommand,
    Shell,
)

# More than that of what came after a secret is not even looked at.
REDACTED_CHARACTERS = 4 * TRANSCRIPT_CHARACTERS
# The variable of cmd.exe that keeps a program's exit code while more commands of the same line run.
EXIT_CODE_VARIABLE = "opsmgr_exit"
# cmd.exe expands %NAME% when it reads a line. Behind a caret it is left alone, and `call` expands it when it is its
# turn [field].
EXIT_CODE = f"%^{EXIT_CODE_VARIABLE}%"
# How much of what a program wrote a prompt is searched in. A pattern may take the square of it, and a prompt stands at
# the end.
PROMPT_CHARACTERS = 2000


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
class HeldConversation:
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


def converse(shell: Shell, command: str, exchanges: t.Sequence[Exchange], then: str = "") -> HeldConversation:
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
    with shell.open_command(end.command_line(command, then), console=True) as running:
        talk = Conversation(shell, running, exchanges, end)
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
            if talk.decision is not Decision.NOT_SENT and not running.done:
                shell.leave_running()
            else:
                shell.left_running = False
            # Last, because this may be cut off as well, and the shell must be left open by then.
            _trace(shell, command, talk, running)
    return talk.result()


def rejoin(shell: Shell, reference: CommandReference, exchange: Exchange) -> HeldConversation:
    """Go on with the conversation of an earlier run that was cut off when it answered the question of `exchange`.
    The program is never terminated.

    :raises ConversationError: one of its subclasses
    :raises ConnectionLost: the server went away
    :raises ShellFault: the program's shell is gone, or belongs to another account
    """
    running = RunningCommand(reference.shell_id, reference.command_id)
    talk = Conversation(shell, running, [exchange], _EndOfProgram(reference.word))
    talk.hold()
    with contextlib.suppress(ConnectionLost, ShellFault):
        shell.close(reference.shell_id)
    return talk.result()


def _trace(shell: Shell, command: str, talk: Conversation, running: RunningCommand) -> None:
    ended = f"exit code {talk.exit_code}" if running.done else "not ended"
    shell.trace(2, f"{command}: {ended}, {talk.answered} answers")
    shell.trace(3, talk.transcript())


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

    def find(self, running: RunningCommand) -> re.Match[bytes] | None:
        """The mark in what was written so far."""
        return self._pattern.search(running.stdout)

    def private_output(self, running: RunningCommand) -> str:
        """What stands behind the mark."""
        found = self.find(running)
        return running.stdout[found.end() :].decode(SHELL_ENCODING, "replace") if found else ""


class Conversation:
    """The state of one conversation."""

    def __init__(
        self, shell: Shell, running: RunningCommand, exchanges: t.Sequence[Exchange], end: _EndOfProgram
    ) -> None:
        self._shell = shell
        self._end = end
        self._running = running
        self._pending = list(exchanges)
        self._secrets = [each.reply for each in exchanges if each.secret and each.reply]
        self._line_end = shell.options.line_end_for(shell.input_kind)
        self._read_to = 0
        # Where in what the program wrote it had the first secret; None before that.
        self._secret_from: int | None = None
        self._deadline = Deadline(shell.options.timeout_seconds)
        self._reset_silence()
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
            if self._shell.receive(self._running, wait):
                self._reset_silence()
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

    def _reset_silence(self) -> None:
        self._silence = Deadline(self._shell.options.answer_ahead_seconds)

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
            confirmed = self._shell.send(self._running, exchange.reply.encode(SHELL_ENCODING) + self._line_end)
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
        self._reset_silence()

    def _may_answer_ahead(self) -> bool:
        """Only into silence, and never with something that decides, unless its question was asked in an earlier run.

        A question that need not come is waited for when the program shows what it asks. Only one that has shown nothing at
        all may have asked it.
        """
        if not self._pending or self._unread().strip():
            return False
        exchange = self._pending[0]
        if exchange.optional and self._said().strip():
            return False
        return exchange.asked or not exchange.decides

    def _check_everything_was_asked(self) -> None:
        missing = [each for each in self._pending if not each.optional]
        if missing:
            code = "not known" if self.exit_code is None else self.exit_code
            raise self.error(
                EndedEarly, f"the program ended (exit code {code}) before {missing[0].prompt!r} was asked and answered"
            )

    def _overdue(self) -> ConversationError:
        seconds = self._deadline.seconds
        nothing_due = all(each.optional for each in self._pending)
        if not self._pending or (nothing_due and not self._unread().strip()):
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

    def result(self) -> HeldConversation:
        """A conversation that ended well, as a result."""
        return HeldConversation(
            self.transcript(), self._end.private_output(self._running), self.exit_code, self.answered
        )

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
