# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A failover over a network that resets a part of all messages, and what is wrong with what it says or leaves."""

from __future__ import annotations

from dataclasses import dataclass, field

from playing import Player, Run, promotions
from sweeping import OLD, QUICK, SETTLE_SECONDS, TARGET
from verdicts import Case, said_in, stated, truth

from lab.drill import unproven
from lab.faults import EITHER, Fault
from lab.snapshot import wait_for_programs

FRACTION = 0.02
# What only reads. The last of them names the servers that do not answer.
LOOKS = ("Observe the management servers", "Ask the operational database", "Check that nothing stands in the way")


@dataclass
class Told:
    """One run."""

    seed: int
    resets: int
    messages: int
    ended_well: bool
    said: str | None
    truth: str
    failed_at: str | None
    problems: list[str] = field(default_factory=list)
    output: str = ""


def suffer_resets(player: Player, seed: int, fraction: float = FRACTION) -> Told:
    """Run a failover so, judge it, and finish it by a clean rerun."""
    lab = player.lab
    lab.faults.add(Fault("*", "message", "*", "reset", times=0, text=EITHER, fraction=fraction, seed=seed))
    run = player.play(**QUICK)
    lab.faults.clear()
    at_end = lab.dump()
    programs = any(host.running() for host in lab.hosts.values())
    messages = [entry for entry in lab.recorder.entries if entry["kind"] == "winrm"]
    wait_for_programs(lab, SETTLE_SECONDS)
    last = run.failures[-1] if run.failures else ""
    said = stated(run.output, run.failures, ended_well=run.ended_well)
    case = Case(
        said,
        truth(at_end, TARGET, OLD),
        truth(lab.dump(), TARGET, OLD),
        failed=not run.ended_well,
        sentences=tuple(said_in(last)),
        programs_ran=programs,
    )
    told = Told(
        seed,
        sum(entry["bytes_out"] == 0 for entry in messages),
        len(messages),
        run.ended_well,
        said,
        case.settled,
        _failed_at(run),
    )
    told.problems += [case.problem] if case.problem else []
    told.problems += ["a traceback"] if "Traceback" in run.output else []
    if told.failed_at and told.failed_at.endswith(LOOKS):
        told.problems.append(f"refused at a look: {last}")
    if not run.ended_well:
        again = player.play(**QUICK)
        told.problems += [] if again.ended_well else [f"the rerun failed: {again.failures[-1:] or again.output[-800:]}"]
    told.problems += [f"not proven: {claim}" for claim in unproven(lab.dump())]
    count = promotions(player)
    told.problems += [] if count == 1 else [f"the tool was told Y {count} times"]
    told.output = run.output[-4000:] if told.problems else ""
    return told


def _failed_at(run: Run) -> str | None:
    """The first task that failed and was not ignored."""
    return next(
        (
            event["task"]
            for event in run.events
            if event["event"] == "result" and event["status"] in ("failed", "unreachable")
        ),
        None,
    )
