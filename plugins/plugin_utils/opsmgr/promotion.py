# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one owner of a promotion: whether PromoteRMS was asked, answered and has ended is kept on the server itself, and
read from there.

The mark is written before the reply Y is sent, again when the server has confirmed the reply, and once more, by the
command line that runs the tool, when the tool has ended, with its exit code. So its end is known whatever becomes of
the connection, of the controller, and of tasklist.

Private to opsmgr.recovery.
"""

from __future__ import annotations

import contextlib
import enum
import re
import typing as t
from dataclasses import dataclass

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.windows.host import (
    Answer,
    Questions,
    WindowsHost,
    parse_registry,
    process_ids,
    processes_command,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.conversation import (
    EXIT_CODE,
    CommandReference,
    ConversationError,
    Decision,
    Exchange,
    HeldConversation,
    converse,
    rejoin,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.faults import (
    CommandTimeout,
    ConnectionLost,
    ShellFault,
)

CONFIG_TOOL = "ManagementServerConfigTool.exe"
MARK_KEY = r"HKLM\SOFTWARE\opsmgr.recovery"
# 0: asked, 1: the reply was sent or may have been, 2: the server has confirmed the reply.
ANSWERED_VALUE = "PromotionAnswered"
EXIT_CODE_VALUE = "PromotionExitCode"
CONVERSATION_VALUE = "PromotionConversation"
NOT_ANSWERED, MAY_BE_ANSWERED, CONFIRMED = range(3)

PROCESSES_COMMAND = processes_command(CONFIG_TOOL)
MARK_COMMAND = f'reg query "{MARK_KEY}"'
CLEAR_COMMAND = f'reg delete "{MARK_KEY}" /f'
SHOW_PROCESSES = f'tasklist /fi "imagename eq {CONFIG_TOOL}"'


class Phase(enum.Enum):
    """How far a promotion on a server is."""

    NONE = "none"
    UNANSWERED = "unanswered"
    MAY_BE_ANSWERED = "may be answered"
    AT_WORK = "at work"
    ENDED = "ended"
    CANNOT_BE_TOLD = "cannot be told"


@dataclass(frozen=True)
class PromotionState:
    """What a server shows of a promotion.

    :ivar readable: whether the mark could be read, which tells a mark that is absent from one that is not known
    :ivar answered: the mark: 0, 1 or 2; None without a mark, -1 for a mark that is not understood
    :ivar exit_code: the tool's own, written when it had ended; None as long as it has not, or when nobody could write
    it
    :ivar process_ids: of ManagementServerConfigTool, whatever its arguments; None when the list of processes is not to
    be had
    :ivar conversation: where the tool was started, to go on with the conversation
    """

    readable: bool = True
    answered: int | None = None
    exit_code: int | None = None
    process_ids: tuple[int, ...] | None = ()
    conversation: CommandReference | None = None

    @property
    def running(self) -> bool | None:
        """Whether the tool runs: yes, no, or None for "cannot be told"."""
        return None if self.process_ids is None else bool(self.process_ids)

    @property
    def phase(self) -> Phase:
        """What follows from mark and processes. A promotion has only ended when that is proved."""
        if not self.readable or self.answered == -1:
            return Phase.CANNOT_BE_TOLD
        if self.answered is None:
            # Every promotion of ours is marked before it begins: without a mark, only a process that is seen counts.
            return Phase.AT_WORK if self.running else Phase.NONE
        if self.exit_code is not None:
            return Phase.AT_WORK if self.running else Phase.ENDED
        if self.running is None:
            return Phase.CANNOT_BE_TOLD
        if not self.running:
            return Phase.NONE if self.answered == NOT_ANSWERED else Phase.ENDED
        return {NOT_ANSWERED: Phase.UNANSWERED, MAY_BE_ANSWERED: Phase.MAY_BE_ANSWERED}.get(
            self.answered, Phase.AT_WORK
        )

    def as_result(self) -> dict[str, t.Any]:
        """As plain data for a module's result."""
        return {"phase": self.phase.value, "running": self.running, "exit_code": self.exit_code}


def read_state(mark: Answer, processes: Answer, readable: bool) -> PromotionState:
    """The state in the answers to MARK_COMMAND and PROCESSES_COMMAND.

    :param readable: whether the account could read a registry key that is always there
    """
    values = {name.lower(): data for found in parse_registry(mark.text).values() for name, data in found.items()}
    answered = values.get(ANSWERED_VALUE.lower())
    ended = values.get(EXIT_CODE_VALUE.lower(), "")
    return PromotionState(
        readable=readable,
        answered=None if answered is None else _answered(answered),
        exit_code=int(ended) & 0xFFFFFFFF if re.fullmatch(r"-?\d{1,10}", ended) else None,
        process_ids=process_ids(processes, CONFIG_TOOL),
        conversation=CommandReference.parse(values.get(CONVERSATION_VALUE.lower(), "")),
    )


def _answered(text: str) -> int:
    known = {hex(value): value for value in (NOT_ANSWERED, MAY_BE_ANSWERED, CONFIRMED)}
    return known.get(text.lower(), -1)


class Promotion:
    """Runs PromoteRMS on one server, and takes up what an earlier run left of one."""

    def __init__(self, windows: WindowsHost, step: str) -> None:
        """:param step: what an error says was being done"""
        self._windows = windows
        self._step = step

    def carry_out(
        self, command: str, prompt: str, timeout_seconds: float, look_again: t.Callable[[], None], then: str = ""
    ) -> HeldConversation:
        """Run the tool and answer its question. The reply Y is the point of no return.

        :param command: the command line of PromoteRMS
        :param timeout_seconds: how long the promotion itself may take once it was answered
        :param look_again: called before the reply; what it raises ends the tool, and nothing is answered
        :param then: a command that reads when the tool has ended; what it writes is the private output
        :raises ConversationError: with `decision` telling on which side of the point of no return it failed
        """

        def before_reply(reference: CommandReference) -> None:
            look_again()
            self._mark(MAY_BE_ANSWERED, reference)

        self._mark(NOT_ANSWERED)
        try:
            talk = converse(
                self._windows.shell,
                command,
                [self._question(prompt, timeout_seconds, before_reply)],
                then="& ".join(filter(None, (self._end_mark(), then))),
            )
        except (ConversationError, OpsmgrError) as error:
            if isinstance(error, OpsmgrError) or error.decision is Decision.NOT_SENT:
                # The tool was ended, and nothing was answered. Where that is not sure, because the connection is lost,
                # the mark stays for the next run.
                self.clear_mark()
            raise
        return talk

    def rejoin(self, reference: CommandReference, timeout_seconds: float) -> HeldConversation:
        """Go on with a conversation that an earlier run left when it sent its reply, and nobody knows whether the reply
        arrived.

        :raises ConversationError: the tool does not end in time
        :raises ShellFault: the conversation is another account's, or gone
        """
        question = Exchange("", "Y", decides=True, asked=True, after_reply=self._confirm, then_seconds=timeout_seconds)
        return rejoin(self._windows.shell, reference, question)

    def _question(
        self, prompt: str, timeout_seconds: float, before_reply: t.Callable[[CommandReference], None]
    ) -> Exchange:
        return Exchange(
            prompt,
            "Y",
            decides=True,
            before_reply=before_reply,
            after_reply=self._confirm,
            then_seconds=timeout_seconds,
        )

    def end_unanswered(self, state: PromotionState) -> None:
        """End a PromoteRMS that an interrupted run left waiting at its question: it has changed nothing yet.

        :raises OpsmgrError: more than one runs, and nobody knows which is ours
        """
        if state.process_ids is None or len(state.process_ids) != 1:
            numbers = ", ".join(map(str, state.process_ids or ()))
            found = f"{CONFIG_TOOL} runs more than once on this server (process ids {numbers}), and it cannot be told which one waits for an answer"
            raise OpsmgrError(
                self._step,
                found,
                "Check on the server's console what each of them does, end those that wait for an answer, then rerun",
            )
        self._windows.shell.run(f"taskkill /f /pid {state.process_ids[0]}")
        self.clear_mark()

    def clear_mark(self) -> None:
        """Remove the mark: no promotion is under way. That it fails does no harm, because the next run reads the mark
        as what it is.
        """
        with contextlib.suppress(ConnectionLost, ShellFault, CommandTimeout):
            self._windows.shell.run(CLEAR_COMMAND)

    def _confirm(self) -> None:
        """The server took the reply. Without this mark the next run looks whether the tool still waits."""
        with contextlib.suppress(ConnectionLost, ShellFault, CommandTimeout):
            self._windows.shell.run(_set(ANSWERED_VALUE, "REG_DWORD", str(CONFIRMED)))

    def _mark(self, answered: int, reference: CommandReference | None = None) -> None:
        """Without a true mark the next run could end a promotion that is at work, so Y is not sent unless this
        succeeds.
        """
        orders = Questions()
        if answered == NOT_ANSWERED:
            # What an earlier promotion left is not this one's.
            orders.ask("clear", f"{CLEAR_COMMAND}>nul 2>nul")
        if reference is not None and CommandReference.parse(str(reference)) is not None:
            orders.ask("conversation", _set(CONVERSATION_VALUE, "REG_SZ", f'"{reference}"'))
        orders.ask("answered", _set(ANSWERED_VALUE, "REG_DWORD", str(answered)))
        marked = self._windows.order(orders)["answered"]
        if not marked.succeeded:
            found = f"{MARK_KEY} in the registry could not be written: {marked.text}"
            raise OpsmgrError("mark the promotion", found, "Grant the account write access to that key, then rerun")

    @staticmethod
    def _end_mark() -> str:
        return "call " + _set(EXIT_CODE_VALUE, "REG_SZ", EXIT_CODE)


def _set(value: str, kind: str, data: str) -> str:
    return f'reg add "{MARK_KEY}" /v {value} /t {kind} /d {data} /f>nul'
