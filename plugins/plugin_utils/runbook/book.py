# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a run of playbooks is: numbered steps, their outcomes on each host, and the point of no return.

Knows no Ansible and no terminal. Times are seconds of one clock, and come in as arguments. Private to opsmgr.recovery.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

OK = "ok"
CHANGED = "changed"
SKIPPED = "skipped"
IGNORED = "ignored"
FAILED = "FAILED"
UNREACHABLE = "NO ANSWER"
# What is told at once, and not when the step has ended on all hosts.
TROUBLES = (FAILED, UNREACHABLE, IGNORED)

# A task whose name begins so cannot be undone once it has done its work.
MARK = "POINT OF NO RETURN"
# Where the run is, seen from there.
NO_POINT = "none in this run"
AHEAD = "ahead"
REACHED = "reached"
PASSED = "passed"
UNCERTAIN = "uncertain"


@dataclass
class Step:
    """One task. It has a number as soon as there is something to tell of it."""

    key: str
    name: str
    started: float
    quiet: bool = False
    number: int | None = None
    last_heard: float = 0.0
    hosts: dict[str, list[str]] = field(default_factory=dict)
    """Outcome to the hosts that had it."""

    @property
    def is_marked(self) -> bool:
        """Whether it is a point of no return."""
        return self.name.startswith(MARK)

    @property
    def seconds(self) -> float:
        """How long it took, up to its last result."""
        return max(0.0, self.last_heard - self.started)

    @property
    def went_well(self) -> dict[str, list[str]]:
        """The outcomes that are told when it has ended."""
        return {outcome: self.hosts[outcome] for outcome in (CHANGED, OK) if outcome in self.hosts}


@dataclass(frozen=True)
class Trouble:
    """What went wrong in a step on a host, for the recap."""

    step: Step
    host: str
    outcome: str


class Runbook:
    """Takes what happens and knows what is to be told. In check mode no point of no return is ever passed."""

    def __init__(self, started: float, *, check_mode: bool = False) -> None:
        self.started = started
        self.check_mode = check_mode
        self.current: Step | None = None
        self.point = NO_POINT
        self.troubles: list[Trouble] = []
        self.told = 0
        self.changed = 0
        self._steps: dict[str, Step] = {}
        self._last: Step | None = None

    @property
    def next_number(self) -> int:
        """The number that the current step has, or gets when there is something to tell of it."""
        if self.current and self.current.number:
            return self.current.number
        return self.told + 1

    @property
    def where(self) -> Step | None:
        """The step under way, else the last one that had begun; None before the first."""
        return self.current or self._last

    def see_point_ahead(self) -> None:
        """A plan says that this run has a point of no return."""
        self._move(AHEAD)

    def begin(self, key: str, name: str, now: float, *, quiet: bool = False) -> Step:
        """A task starts. `quiet`: it is told only when it goes wrong. The one before it has to be ended first."""
        step = self.current = self._last = self._steps[key] = Step(key, name, now, quiet, last_heard=now)
        if step.is_marked:
            self._move(REACHED)
        return step

    def has_begun(self, key: str) -> bool:
        """Whether a result of that task can be reported."""
        return key in self._steps

    def report(self, key: str, host: str, outcome: str, now: float, *, past_point: bool | None = None) -> Step:
        """One host's result. `past_point` is what a failed step says about the point of no return; None when it does
        not know.
        """
        step = self._steps[key]
        step.last_heard = now
        step.hosts.setdefault(outcome, []).append(host)
        if outcome in TROUBLES:
            self._tell(step)
        if outcome in (FAILED, UNREACHABLE):
            self.troubles.append(Trouble(step, host, outcome))
        if step.is_marked:
            self._move(_point_after(outcome, past_point))
        return step

    def end(self) -> Step | None:
        """The current step is over on all hosts. Returns it if there is something to tell of it."""
        step, self.current = self.current, None
        if step is None or step.quiet or not step.went_well:
            return None
        self._tell(step)
        self.changed += CHANGED in step.hosts
        return step

    def _tell(self, step: Step) -> None:
        if step.number is None:
            self.told += 1
            step.number = self.told

    def _move(self, point: str) -> None:
        """Nothing leads back across the point of no return, and a rehearsal does not lead there."""
        if self.check_mode:
            point = AHEAD
        if self.point != PASSED:
            self.point = point


def _point_after(outcome: str, past_point: bool | None) -> str:
    if outcome == SKIPPED:
        return AHEAD
    if outcome in (OK, CHANGED):
        return PASSED
    if past_point is None:
        return UNCERTAIN
    if past_point:
        return PASSED
    return AHEAD


class HostNames:
    """Hosts with what they are for, as in C(hydra (old RMS))."""

    GROUPS: t.Mapping[str, str] = {
        "opsmgr_rms": "RMS",
        "opsmgr_rms_cluster": "node of the RMS",
        "opsmgr_management_servers": "management server",
        "opsmgr_reporting": "reporting",
        "opsmgr_web_console": "web console",
        "opsmgr_consoles": "console",
        "opsmgr_database": "database",
    }

    def __init__(self) -> None:
        self._roles: dict[str, str] = {}

    def learn_groups(self, groups: t.Mapping[str, t.Iterable[str]]) -> None:
        """From the inventory: the first of these groups that a host is in counts. What a plan said is known better."""
        for group, role in self.GROUPS.items():
            for host in groups.get(group, ()):
                self._roles.setdefault(host, role)

    def learn_plan(self, new_rms: str, old_rms: str | None, *, promotion_needed: bool) -> None:
        """From a plan: who is to be the RMS and who was it."""
        for host, role in self._roles.items():
            if role.endswith("RMS") and not role.startswith("node"):
                self._roles[host] = "management server"
        self._roles[new_rms] = "new RMS"
        if old_rms and promotion_needed:
            self._roles[old_rms] = "old RMS"
        elif old_rms:
            self._roles[old_rms] = "former RMS"

    def shown(self, host: str) -> str:
        """The host as it is shown."""
        role = self._roles.get(host)
        return f"{host} ({role})" if role else host
