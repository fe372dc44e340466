# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the runbook view says, as lines with a tone: no Ansible, no terminal, no colours. Private to opsmgr.recovery."""

from __future__ import annotations

import re
import textwrap
import typing as t
from dataclasses import dataclass

from ansible_collections.opsmgr.recovery.plugins.module_utils.optional import phrase
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.runbook import book

HEADING = "heading"
NOTE = "note"
POINT = "point"
WARNING = "warning"
ERROR = "error"
GOOD = "good"
CHANGE = "change"
PLAIN = "plain"

# Beside the number and the outcome, which stand in columns of their own.
TEXT_COLUMN = 16
_OUTCOME_WIDTH = 9
_MANY_HOSTS = 4
_RULE_WIDTH = 60
_AFTER_STOP = {
    book.AHEAD: "The point of no return was NOT passed.",
    book.REACHED: "The point of no return was reached, and perhaps passed.",
    book.UNCERTAIN: "The point of no return was reached, and perhaps passed.",
    book.PASSED: "The point of no return IS PASSED.",
}
_AFTER_INTERRUPTION = {
    book.NO_POINT: ["No point of no return was reached."],
    book.AHEAD: [
        "The point of no return was NOT passed. Nothing was undone: what had been stopped may still be stopped, on the old RMS too."
    ],
    book.PASSED: ["The point of no return IS PASSED."],
}
_PERHAPS = [
    "The point of no return was reached, and perhaps passed. The program that crosses it may still be at work.",
    "Start, stop or promote nothing by hand before the command below has said where the role is.",
]
_TONES = {
    book.OK: GOOD,
    book.CHANGED: CHANGE,
    book.FAILED: ERROR,
    book.UNREACHABLE: ERROR,
    book.IGNORED: WARNING,
    book.SKIPPED: NOTE,
}


@dataclass(frozen=True)
class Line:
    """A line and how it is meant. Where it has to be broken, what follows is indented by so many columns; what is to be
    copied is never broken.
    """

    text: str
    tone: str = PLAIN
    indent: int = 0
    whole: bool = False

    def wrapped(self, width: int | None) -> str:
        """As it is shown, within so many columns; None leaves it whole."""
        if self.whole or width is None or len(self.text) <= width:
            return self.text
        wrapper = textwrap.TextWrapper(
            width, subsequent_indent=" " * self.indent, replace_whitespace=False, break_on_hyphens=False
        )
        # Also between the parts of a path.
        wrapper.wordsep_simple_re = re.compile(r"(\s+|(?<=[\\/])(?=\S))")
        return "\n".join(wrapper.wrap(self.text))


def clock(seconds: float) -> str:
    """Seconds as minutes and seconds, with hours where there are some."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if not hours:
        return f"{minutes}:{rest:02}"
    return f"{hours}:{minutes:02}:{rest:02}"


def hosts_text(hosts: t.Sequence[str]) -> str:
    """Some hosts by name, many by their number."""
    names = list(dict.fromkeys(hosts))
    if len(names) > _MANY_HOSTS:
        return f"{len(names)} hosts"
    return ", ".join(names)


def play_lines(name: str) -> list[Line]:
    """The heading of a play."""
    return [Line(""), Line(name, HEADING)]


def step_line(step: book.Step) -> Line:
    """A step that ended, with the hosts it went well on."""
    outcomes = step.went_well
    worst = next(iter(outcomes))
    told = f"{step.name}: {hosts_text(outcomes[worst])}"
    if len(outcomes) > 1:
        where = "; ".join(f"{outcome}: {hosts_text(hosts)}" for outcome, hosts in outcomes.items())
        told = f"{step.name}: {where}"
    if step.seconds >= 1:
        told += f", {clock(step.seconds)}"
    return _numbered(step.number, worst, told)


def result_line(step: book.Step, host: str, outcome: str) -> Line:
    """One host's result, told by itself."""
    return _numbered(step.number, outcome, f"{step.name}: {host}")


def message_lines(messages: t.Iterable[str], tone: str = PLAIN) -> list[Line]:
    """What belongs to the line above. Lines of a message stay lines."""
    return [
        Line(" " * TEXT_COLUMN + text.rstrip(), tone, TEXT_COLUMN + 2)
        for message in messages
        for text in message.splitlines()
    ]


def titled_lines(title: str, messages: t.Iterable[str]) -> list[Line]:
    """A message to the reader, which is not a step."""
    return [Line(" " * TEXT_COLUMN + title, HEADING, TEXT_COLUMN), *message_lines(messages)]


def trouble_lines(step: book.Step, host: str, outcome: str, messages: t.Iterable[str]) -> list[Line]:
    """What went wrong, with all that is known about it."""
    return [result_line(step, host, outcome), *message_lines(messages, _TONES[outcome])]


def plan_lines(new_rms: str, old_rms: str | None) -> list[Line]:
    """What a plan without problems comes to."""
    moves = f"{new_rms} becomes the RMS."
    if old_rms:
        moves = f"The RMS role moves from {old_rms} to {new_rms}."
    ahead = f"{book.MARK} ahead: the promotion of {new_rms}. It is announced when it is reached; what fails before it is undone."
    return message_lines([moves, ahead], NOTE)


def new_key_plan_lines(new_rms: str) -> list[Line]:
    """What a plan without problems for a management group without a key comes to."""
    becomes = f"{new_rms} gets a new key and becomes the RMS."
    ahead = f"{book.MARK} ahead: the new key. It is announced when it is reached; what fails before it changed nothing."
    return message_lines([becomes, ahead], NOTE)


def point_lines(step: book.Step, number: int, *, check_mode: bool) -> list[Line]:
    """Said when the point of no return is reached, before anything of it is done."""
    what = step.name.removeprefix(book.MARK).lstrip(" -:")
    if check_mode:
        return [
            _numbered(number, "", f"{book.MARK} would be reached here: {what}. In check mode it is not passed.", POINT)
        ]
    return [
        Line("=" * _RULE_WIDTH, POINT),
        _numbered(number, "", f"{book.MARK}: {what}.", POINT),
        *message_lines(
            [
                "From here there is no way back. If this stops, or anything after it, run the same command again: it does what is left."
            ],
            POINT,
        ),
        Line("=" * _RULE_WIDTH, POINT),
    ]


def recap_lines(run: book.Runbook, failed_hosts: t.Sequence[str], now: float, *, hosts: int = 1) -> list[Line]:
    """How it ended, what went wrong where, and what to do next. `hosts` is the number of those that it had to do with."""
    took, steps = clock(now - run.started), _counted_steps(run)
    if not hosts:
        found = "no host is left"
        if run.where is None:
            found = "no host of the inventory matches"
        return [
            Line(""),
            Line(f"NOTHING WAS DONE: {found}. Correct the inventory, --limit or the hosts of the play.", ERROR, 2),
        ]
    if not failed_hosts:
        ending = f"ENDED WELL after {took}: {steps}."
        if run.check_mode:
            ending = f"CHECKED after {took}: {steps}. Nothing was changed: this was a check."
        return [Line(""), Line(ending, GOOD, 2), *_ignored(run)]
    lines = [Line(""), Line(f"STOPPED after {took}: {steps}. It failed on {hosts_text(failed_hosts)}.", ERROR, 2)]
    for trouble in run.troubles:
        lines.append(
            Line(f"  step {trouble.step.number} {trouble.outcome}: {trouble.step.name}: {trouble.host}", ERROR, 4)
        )
    return [
        *lines,
        *_after_stop(run),
        Line("What to do: fix the problems above, then rerun the same command. It does what is left.", HEADING, 2),
    ]


def interrupted_lines(run: book.Runbook, now: float, command: str) -> list[Line]:
    """Said when somebody ends the run: where it was, on which side of the point of no return, and the command that goes
    on.
    """
    lines = [Line(""), Line(f"INTERRUPTED after {clock(now - run.started)}, {_place(run)}.", ERROR, 2)]
    if run.check_mode:
        lines.append(Line("Nothing was changed: this was a check.", POINT))
    else:
        lines += [Line(text, POINT, 2) for text in _AFTER_INTERRUPTION.get(run.point, _PERHAPS)]
    what = "What to do: run the same command again. It looks first, and does what is left:"
    return [*lines, Line(what, HEADING, 2), Line(f"  {command}", HEADING, whole=True)]


def broken_off_lines(run: book.Runbook, now: float) -> list[Line]:
    """Said when Ansible itself gave up, and has told its reason."""
    lines = [
        Line(""),
        Line(f"STOPPED after {clock(now - run.started)}, {_place(run)}. The reason stands above.", ERROR, 2),
    ]
    return lines + _after_stop(run)


def _after_stop(run: book.Runbook) -> list[Line]:
    """On which side of the point of no return it stopped."""
    if run.check_mode or run.point not in _AFTER_STOP:
        return []
    return [Line(_AFTER_STOP[run.point], POINT)]


def _counted_steps(run: book.Runbook) -> str:
    steps, changed = f"{run.told} steps", "changed"
    if run.told == 1:
        steps = "1 step"
    if run.check_mode:
        changed = "would change"
    return f"{steps}, {run.changed} {changed} something"


def _place(run: book.Runbook) -> str:
    step = run.where
    if step is None:
        return "before the first step"
    if step is not run.current:
        return f"after the step: {step.name}"
    return f"in step {run.next_number}: {step.name}"


def _numbered(number: int | None, outcome: str, text: str, tone: str | None = None) -> Line:
    shown = phrase("{}", number)
    return Line(f"{shown:>4}  {outcome:<{_OUTCOME_WIDTH}} {text}", tone or _TONES[outcome], TEXT_COLUMN)


def _ignored(run: book.Runbook) -> list[Line]:
    """Failures that did not stop it, in the end."""
    return [
        Line(
            f"  step {trouble.step.number} {trouble.outcome}, and the playbook dealt with it: {trouble.host}",
            WARNING,
            4,
        )
        for trouble in run.troubles
    ]
