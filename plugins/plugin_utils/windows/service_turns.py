# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stopping and starting services one after the other, each when the one before has got there.

Private to opsmgr.recovery. The server itself waits for each service, so that the whole sequence is one command as a rule.
What the server saw meanwhile only decides whether the next service has its turn; what counts is what is read at the end.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.windows.host import (
    SERVICE_STATES,
    Answer,
    Questions,
    ServiceChange,
    ServiceState,
    WindowsHost,
    pause_command,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.shell import RUN_TIMEOUT_SECONDS, Deadline

# Seconds that the server waits for one service in one command. A service that takes longer is waited for by the next.
WAIT_SECONDS = 10
# Seconds that a turn takes at least when its service is not there at once: so often it is looked at.
TURN_SECONDS = 1
_NUMBERS = {state: number for number, state in SERVICE_STATES.items()}
_CHANGES = {"running": ServiceChange.start, "stopped": ServiceChange.stop}


@dataclass(frozen=True)
class ServiceTurn:
    """One service comes into one state, "running" or "stopped"."""

    name: str
    state: str

    @property
    def change(self) -> ServiceChange:
        """The order that brings it there."""
        return _CHANGES[self.state](self.name)

    @property
    def test(self) -> str:
        """A command that succeeds when it is there. The number of a state is followed by its word, that of an exit code
        by a parenthesis.
        """
        return f'sc queryex {self.name}|findstr /r /c:": {_NUMBERS[self.state]}  *[A-Z]">nul'

    def waiting(self, seconds: int) -> str:
        """A command that waits until it is there, or so many seconds."""
        return f"for /l %i in (1,1,{seconds}) do @({self.test}||{pause_command(TURN_SECONDS)})"


@dataclass(frozen=True)
class TurnsTaken:
    """The services as seen last, and the first turn that did not come to its end when the time was over.

    :ivar answers: to what else was asked, when the services were seen last
    """

    states: dict[str, ServiceState]
    unfinished: ServiceTurn | None
    answers: t.Mapping[str, Answer] = field(default_factory=dict)


def take_turns(
    windows: WindowsHost,
    turns: t.Sequence[ServiceTurn],
    timeout_seconds: float,
    first: t.Sequence[ServiceChange] = (),
    stable_seconds: int = 0,
    also: t.Callable[[Questions], None] = lambda _questions: None,
) -> TurnsTaken:
    """Let services take their turns. One that has ended may still be undone: what counts is how it was seen last.

    :param timeout_seconds: for each turn
    :param first: what else is ordered before the first turn, such as start modes
    :param stable_seconds: waited after the last turn, before the last look
    :param also: adds what else is asked in the last look
    :raises OpsmgrError: the service control manager refused an order
    """
    names = list(dict.fromkeys(turn.name for turn in turns))
    left, given = list(turns), set[ServiceTurn]()
    deadline = Deadline(timeout_seconds)
    while True:
        seconds = max(1, min(WAIT_SECONDS, int(deadline.left())))
        questions = _questions(first, left, given, seconds, stable_seconds)
        windows.ask_services(questions, names)
        also(questions)
        answers = windows.order(questions, RUN_TIMEOUT_SECONDS + seconds * len(left) + stable_seconds)
        windows.require_accepted(first, answers)
        first = ()
        states = windows.read_services(answers, names)
        given.update(turn for turn in left if _was_given(turn, answers))
        before, left = left, _left(left, given, states)
        if not left:
            return TurnsTaken(states, None, answers)
        windows.require_accepted([left[0].change], answers)
        if len(left) < len(before):
            deadline = Deadline(timeout_seconds)
        elif deadline.passed():
            return TurnsTaken(states, left[0], answers)


def _questions(
    first: t.Sequence[ServiceChange],
    turns: t.Sequence[ServiceTurn],
    given: t.Collection[ServiceTurn],
    seconds: int,
    stable_seconds: int,
) -> Questions:
    questions = Questions(TURN_SECONDS * len(turns) + stable_seconds)
    for change in first:
        questions.ask(change.what, change.command)
    condition = ""
    for turn in turns:
        if turn not in given:
            questions.ask(turn.change.what, condition + turn.change.command)
        questions.ask(f"wait until {turn.name} is {turn.state}", condition + turn.waiting(seconds))
        condition = f"{turn.test}&& "
    if stable_seconds:
        questions.ask("wait whether it stays so", condition + pause_command(stable_seconds))
    return questions


def _was_given(turn: ServiceTurn, answers: t.Mapping[str, Answer]) -> bool:
    """Whether its order was given: sc says something whatever becomes of it."""
    answer = answers.get(turn.change.what)
    return answer is not None and (answer.succeeded or bool(answer.text.strip()))


def _left(
    turns: t.Sequence[ServiceTurn], given: t.Collection[ServiceTurn], states: t.Mapping[str, ServiceState]
) -> list[ServiceTurn]:
    """The turns from the first that did not come to its end. One whose successor had its turn did."""
    for index, turn in enumerate(turns):
        followed = index + 1 < len(turns) and turns[index + 1] in given
        if not followed and states[turn.name].state != turn.state:
            return list(turns[index:])
    return []
