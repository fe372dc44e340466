# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a failover did and how it ended, over what was seen before and after and what each task returned.

Private to opsmgr.recovery.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.opsmgr.recovery.plugins.module_utils.optional import phrase
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.failover_steps import (
    DONE,
    FAILED,
    NOT_REACHED,
    StepOutcome,
    StepRun,
    done_lines,
    failures,
    has_passed,
    steps_of,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.failover_verdict import RoleVerdict
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.observation import Observation
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.runbook.topology import (
    DrawnGroup,
    Topology,
    after,
    before,
)

FINISHED = "finished"
UNCHANGED = "unchanged"
LEFT_UNDONE = "left undone"
STOPPED_BEFORE = "stopped before the point of no return"
STOPPED_AFTER = "stopped after the point of no return"


@dataclass(frozen=True)
class RunHistory:
    """What the role hands over.

    :ivar group: the management group
    :ivar old_rms: the server that the role comes from, if one is known
    :ivar promotion_needed: whether this run was to move the role
    :ivar seen: what was seen before the first step
    :ivar seen_again: what was seen last, the same if everyone was not asked again
    :ivar came_to_end: whether every step was reached, so that `seen_again` is what the failover left
    :ivar steps: the steps in their order, and those that undo them, with what their tasks returned
    :ivar left: the manual follow-up
    :ivar verdict: whether the role has moved, as it was judged last in this run; None when it was not
    :ivar unfinished: what differs from a finished failover, if everyone was asked again
    :ivar began_at: when `seen` was seen
    :ivar asked_again_at: when `seen_again` was seen
    """

    group: DrawnGroup
    old_rms: str | None
    promotion_needed: bool
    seen: Observation
    seen_again: Observation
    began_at: str
    asked_again_at: str
    steps: t.Sequence[StepRun]
    left: t.Sequence[str]
    unfinished: t.Sequence[str]
    came_to_end: bool
    verdict: str | None = None

    @property
    def may_have_moved(self) -> bool:
        """Whether the role has moved, or may have. Without a verdict, the promotion's own result decides."""
        if self.verdict is not None:
            return self.verdict != RoleVerdict.HAS_NOT_MOVED.value
        return has_passed(self.steps, self.began_at)

    @property
    def undone(self) -> list[str]:
        """What failed without stopping the rest, and what differs from a finished failover."""
        return [*failures(self.steps, self.began_at), *self.unfinished]

    @property
    def has_stopped(self) -> bool:
        """Whether steps were not reached."""
        return not self.came_to_end

    @property
    def database_was_asked_since(self) -> bool:
        """Whether what the database said last is still true: a promotion that began afterwards may have changed it."""
        return self.came_to_end or self.verdict is not None or not self.may_have_moved


@dataclass(frozen=True)
class Record:
    """How a failover ended, in one word, one sentence and in all detail."""

    outcome: str
    headline: str
    advice: str
    problems: list[str]
    steps: list[StepOutcome]
    before: Topology
    after: Topology
    left: list[str]


def make_record(story: RunHistory) -> Record:
    """Put together what a failover did and how it ended."""
    steps = steps_of(story.steps, story.began_at, story.has_stopped)
    outcome = _outcome(story, steps)
    problems = list(dict.fromkeys(story.undone))
    if story.has_stopped:
        problems = _problems(steps)
    left = list(story.left)
    if outcome == STOPPED_BEFORE:
        # It speaks of a role that has moved.
        left = []
    return Record(
        outcome=outcome,
        headline=_headline(outcome, story, steps),
        advice=_next_run(outcome, steps),
        problems=problems,
        steps=steps,
        before=before(story.group, story.seen, story.steps, story.began_at),
        after=after(
            story.group,
            story.seen_again,
            story.steps,
            story.began_at,
            asked_again_at=story.asked_again_at,
            rms_is_known=story.database_was_asked_since,
        ),
        left=left,
    )


def last_message(story: RunHistory, *, check_mode: bool) -> list[str]:
    """What was done and what is left, in one line for each."""
    done = done_lines(story.steps, story.began_at)
    if not done:
        done = [f"{story.group.target} is the RMS already and everything is as it should be. Nothing to do."]
    elif check_mode:
        done = ["This would be done:", *done]
    else:
        done = ["Done:", *done]
    return [*done, "Manual follow-up:", *story.left]


def left_undone(story: RunHistory, *, check_mode: bool) -> list[str]:
    """Why a failover that came to its end is not finished, below a headline; empty for one that is."""
    if not story.undone:
        return []
    if check_mode:
        return ["This would be left undone:", *story.undone]
    moved = f"The role has moved: {story.group.target} is the RMS. Not everything is done yet."
    return [f"{moved} Fix the problems below, then rerun the playbook:", *story.undone]


def _problems(steps: t.Sequence[StepOutcome]) -> list[str]:
    return [step.problem for step in steps if step.problem] or [
        "None of the steps below failed: the output of the run says why it stopped."
    ]


def _outcome(story: RunHistory, steps: t.Sequence[StepOutcome]) -> str:
    if story.has_stopped:
        if story.promotion_needed and not story.may_have_moved:
            return STOPPED_BEFORE
        return STOPPED_AFTER
    if story.undone:
        return LEFT_UNDONE
    if any(step.outcome == DONE for step in steps):
        return FINISHED
    return UNCHANGED


def _headline(outcome: str, story: RunHistory, steps: t.Sequence[StepOutcome]) -> str:
    target, old = _named(story, story.group.target), story.old_rms and _named(story, story.old_rms)
    if outcome == STOPPED_BEFORE:
        return f"The role has not moved{phrase(': {} is the RMS', old)}"
    if outcome == UNCHANGED:
        return f"{target} was the RMS already: nothing was to be done"
    if outcome == LEFT_UNDONE:
        return f"{target} is the RMS, but not everything is done"
    if outcome == FINISHED and story.promotion_needed:
        return f"{target} is the RMS{phrase(', and {} no longer', old)}"
    if outcome == FINISHED:
        return f"{target} is the RMS"
    if story.verdict == RoleVerdict.CANNOT_BE_TOLD.value:
        return "It cannot be told whether the role has moved"
    if story.verdict is None and any(step.point_of_no_return and step.outcome == FAILED for step in steps):
        return f"It is not proven that {target} is the RMS: the promotion began and did not end well"
    return f"{target} is the RMS, but the failover is not finished"


def _named(story: RunHistory, host: str) -> str:
    """A clustered RMS goes by the name of its virtual server."""
    if host in story.group.cluster_nodes:
        return str(story.group.virtual_server)
    return host


def _next_run(outcome: str, steps: t.Sequence[StepOutcome]) -> str:
    """What a rerun will do."""
    if outcome in (FINISHED, UNCHANGED):
        return "A rerun changes nothing."
    if outcome == STOPPED_BEFORE:
        put_back = "What was stopped or copied was put back, unless stated otherwise below."
        return f"{put_back} Fix the problems named above, then rerun the same command: it begins from the start."
    ahead = [step.title for step in steps if step.outcome in (FAILED, NOT_REACHED)]
    return f"Fix the problems named above, then rerun the same command. It does only what is left: {'; '.join(ahead) or 'see above'}."
