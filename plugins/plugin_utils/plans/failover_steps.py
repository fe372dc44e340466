# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of a failover, with what their tasks returned: what each did on each host, when, and what was read back.

Private to opsmgr.recovery.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace

from ansible_collections.opsmgr.recovery.plugins.module_utils.optional import if_known
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.step_plan import StepPlan
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.reachability import why_unreachable

DONE = "done"
AS_IT_WAS = "as it was"
FAILED = "failed"
NOT_REACHED = "not reached"

# The task of the first does the second, too, on other hosts.
TASKS_OF_TWO = {"point_other_console": "point_console"}

Result = t.Mapping[str, t.Any]


@dataclass(frozen=True)
class StepRun:
    """A step and what its task returned on each host: nothing yet where it was not reached."""

    plan: StepPlan
    results: t.Mapping[str, Result] = field(default_factory=dict)

    def fresh(self, begun_at: str) -> dict[str, Result]:
        """What this run returned, by host. A skipped task returned nothing, and what is older is another run's."""
        return {host: result for host, result in self.results.items() if _is_fresh(result, begun_at)}


def join(steps: t.Iterable[StepPlan], registered: t.Mapping[str, Result | None]) -> list[StepRun]:
    """The steps with what the role registered for each of them, by the step's id.

    One task may serve two steps: each takes the results of its own hosts.
    """
    return [StepRun(step, _by_host(step, _of_task(step.id, registered))) for step in steps]


def _of_task(step: str, registered: t.Mapping[str, Result | None]) -> Result:
    return registered.get(step) or registered.get(TASKS_OF_TWO.get(step, step)) or {}


def _by_host(step: StepPlan, registered: Result) -> dict[str, Result]:
    """The results of a loop over hosts, or of a task that runs on one."""
    if not registered:
        return {}
    results = registered.get("results", [registered])
    by_host = {str(result.get("item", next(iter(step.hosts), ""))): result for result in results}
    return {host: result for host, result in by_host.items() if host in step.hosts}


def _is_fresh(result: Result, begun_at: str) -> bool:
    if result.get("skipped"):
        return False
    if "started_at" in result:
        return bool(result["started_at"] >= begun_at)
    # What does not answer does not begin either.
    return "msg" in result


def has_settled(runs: t.Sequence[StepRun], begun_at: str) -> bool:
    """Whether every step that is needed was reached on each of its hosts, and none of all changed anything or failed: then
    what was seen before them still holds.
    """
    fresh = [(run, run.fresh(begun_at)) for run in runs]
    if any(set(run.plan.hosts) - set(results) for run, results in fresh if run.plan.needed):
        return False
    return not any(result.get("changed") or "msg" in result for _run, results in fresh for result in results.values())


def has_begun(runs: t.Iterable[StepRun]) -> bool:
    """Whether the promotion has begun, or may have: its task returned something, whatever it says."""
    return any(run.results for run in runs if run.plan.point_of_no_return)


def has_passed(runs: t.Iterable[StepRun], begun_at: str) -> bool:
    """Whether the promotion was answered in this run, or may have been."""
    promotions = [result for run in runs if run.plan.point_of_no_return for result in run.fresh(begun_at).values()]
    return any(result.get("past_point_of_no_return", True) for result in promotions)


def done_lines(runs: t.Iterable[StepRun], begun_at: str) -> list[str]:
    """What this run did, or in check mode would do, on each host, with the seconds that it took."""
    return [
        run.plan.title([host], result) + _seconds(result)
        for run in runs
        for host, result in run.fresh(begun_at).items()
        if result.get("changed")
    ]


def _seconds(result: Result) -> str:
    if "elapsed_seconds" not in result:
        return ""
    return f" ({result['elapsed_seconds']} s)"


def failures(runs: t.Sequence[StepRun], begun_at: str) -> list[str]:
    """Why steps failed that a failover goes on after: those that come after the point of no return."""
    promotion = next(number for number, run in enumerate(runs) if run.plan.point_of_no_return)
    failed = [
        (host, result)
        for run in runs[promotion + 1 :]
        for host, result in run.fresh(begun_at).items()
        if "msg" in result
    ]
    said = [str(result["msg"]) for _host, result in failed if not result.get("unreachable")]
    absent = [f"{host}: {_problem(result)}" for host, result in failed if result.get("unreachable")]
    # One host may be missed by several steps.
    return said + list(dict.fromkeys(absent))


@dataclass(frozen=True)
class StepOutcome:
    """A step on the hosts that it went alike on. `started_at` and `elapsed_seconds`, those of all together, are None
    where nothing ran.
    """

    title: str
    hosts: list[str]
    outcome: str
    point_of_no_return: bool = False
    started_at: str | None = None
    elapsed_seconds: float | None = None
    evidence: list[str] = field(default_factory=list)
    statements: list[str] = field(default_factory=list)
    problem: str | None = None


def steps_of(runs: t.Iterable[StepRun], begun_at: str, stopped: bool) -> list[StepOutcome]:
    """The outcome of each step. Those that are still to be done are only told of a run that stopped."""
    told: list[StepOutcome] = []
    for run in runs:
        fresh = run.fresh(begun_at)
        told += _together(run.plan, [(host, _step(run.plan, result), result) for host, result in fresh.items()])
        if stopped and run.plan.needed:
            ahead = StepOutcome("", [], NOT_REACHED, run.plan.point_of_no_return)
            told += _together(run.plan, [(host, ahead, {}) for host in run.plan.hosts if host not in fresh])
    # What is still to be done comes last.
    return sorted(filter(_is_worth_a_line, told), key=lambda step: step.outcome == NOT_REACHED)


def _is_worth_a_line(step: StepOutcome) -> bool:
    """That a computer has no console, for example, is not."""
    return step.outcome != AS_IT_WAS or bool(step.evidence)


def _together(plan: StepPlan, steps: t.Iterable[tuple[str, StepOutcome, Result]]) -> list[StepOutcome]:
    """Steps of several hosts as one where they differ in nothing but the time, with title and hosts."""
    alike: list[tuple[list[str], list[StepOutcome], Result]] = []
    for host, step, result in steps:
        hosts, same, _result = next((one for one in alike if _differs_only_in_time(one[1][0], step)), ([], [], {}))
        if not same:
            alike.append((hosts, same, result))
        hosts.append(host)
        same.append(step)
    return [
        replace(same[0], title=_title(plan, hosts, result), hosts=hosts, elapsed_seconds=_sum(same))
        for hosts, same, result in alike
    ]


def _differs_only_in_time(one: StepOutcome, other: StepOutcome) -> bool:
    return replace(one, started_at=None, elapsed_seconds=None) == replace(other, started_at=None, elapsed_seconds=None)


def _sum(steps: t.Iterable[StepOutcome]) -> float | None:
    seconds = [step.elapsed_seconds for step in steps if step.elapsed_seconds is not None]
    if not seconds:
        return None
    return round(sum(seconds), 1)


def _step(plan: StepPlan, result: Result) -> StepOutcome:
    problem = _problem(result)
    outcome = AS_IT_WAS
    if problem:
        outcome = FAILED
    elif result.get("changed"):
        outcome = DONE
    return StepOutcome(
        title="",
        hosts=[],
        outcome=outcome,
        point_of_no_return=plan.point_of_no_return,
        started_at=result.get("started_at"),
        elapsed_seconds=result.get("elapsed_seconds"),
        evidence=evidence(result),
        statements=list(result.get("statements") or []),
        problem=problem,
    )


def _title(plan: StepPlan, hosts: t.Sequence[str], result: Result) -> str:
    """With a capital letter, unless it begins with the name of a host."""
    title = plan.title(hosts, result)
    if plan.text.startswith("*"):
        return title
    return title[:1].upper() + title[1:]


def _problem(result: Result) -> str | None:
    """Also of a failure that the role does not stop for."""
    if result.get("unreachable"):
        # ansible-core 2.19 puts words of its own before what an action says.
        return why_unreachable(str(result.get("msg")).removeprefix("Task failed: "))
    return if_known(str, result.get("msg"))


def evidence(result: Result) -> list[str]:
    """What a task read back, in lines. Only what is known to be no secret is told."""
    return [
        line for key, tell in _TELLERS.items() if result.get(key) not in (None, [], {}, "") for line in tell(result)
    ]


def _backup(result: Result) -> list[str]:
    backup = result["backup"]
    if isinstance(backup, str):
        return [f"the file as it was: {backup}"]
    if "path" in backup:
        proof = "not verified by this run"
        if backup["verified"] and backup["checksums"]:
            proof = "verified, with checksums"
        return [f"backup set {backup['set_guid']}, {backup['size_bytes']} bytes, {proof}"]
    lines = [f"backup of {backup['taken_at']} on {backup['server']}: {backup['file']}, sealed: {backup['seal']}"]
    if "key" in result:
        return lines
    return [
        *lines,
        f"SHA-256 of the key file: {backup['sha256']}",
        f"fingerprint of the key: {backup['key_fingerprint'] or 'not known'}",
    ]


def _key(result: Result) -> list[str]:
    key, backup = result["key"], result.get("backup") or {}
    if not key["present"]:
        return ["key on the server: none"]
    line = f"key on the server: {key['fingerprint'] or 'present'}"
    if key["fingerprint"] and key["fingerprint"] == backup.get("key_fingerprint"):
        line += ", the one of the backup"
    return [line]


def _states(states: t.Mapping[str, str]) -> list[str]:
    return ["; ".join(f"{name}: {state}" for name, state in states.items())]


def _registry(result: Result) -> list[str]:
    registry = result["registry"]
    if isinstance(registry, str):
        return [f"registry: the RMS is {registry}"]
    consistent = _or_not("consistent", registry["consistent"])
    return [f"registry of the node: {consistent}, key {registry['key_fingerprint'] or 'not known'}"]


def _service_broker(result: Result) -> list[str]:
    after = result["after"]
    state = "off"
    if after["is_broker_enabled"]:
        state = "on"
    return [f"Service Broker: {state}, {after['user_access']}"]


def _or_not(text: str, is_so: object) -> str:
    if is_so:
        return text
    return f"not {text}"


_TELLERS: dict[str, t.Callable[[Result], list[str]]] = {
    "command": lambda result: [f"command: {result['command']}"],
    "copied": lambda result: [f"copied: {', '.join(result['copied'])}"],
    "removed": lambda result: [f"removed: {', '.join(result['removed'])}"],
    "backup": _backup,
    "key": _key,
    "is_rms": lambda result: [f"registry: it is {_or_not('the RMS', result['is_rms'])}"],
    "reports_to": lambda result: [f"registry: it reports to {result['reports_to']}"],
    "services": lambda result: _states(result["services"]),
    "service": lambda result: ["{name}: {state}, {start_mode}".format(**result["service"])],
    "group": lambda result: ["cluster group {name}: {state} on {node}".format(**result["group"])],
    "resources": lambda result: _states(result["resources"]),
    "registry": _registry,
    "changes": lambda result: ["line {line}: {before} became {after}".format(**each) for each in result["changes"]],
    "untouched": lambda result: [
        "line {line} still has {value}: {reason}".format(**each) for each in result["untouched"]
    ],
    "after": _service_broker,
    "problems": lambda result: list(map(str, result["problems"])),
    "warnings": lambda result: list(map(str, result["warnings"])),
}
