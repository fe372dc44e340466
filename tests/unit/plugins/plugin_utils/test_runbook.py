# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of a run, their numbers, and the point of no return: by tables of what happens."""

from __future__ import annotations

import pytest

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.runbook.book import (
    AHEAD,
    CHANGED,
    FAILED,
    IGNORED,
    MARK,
    NO_POINT,
    OK,
    PASSED,
    REACHED,
    SKIPPED,
    UNCERTAIN,
    UNREACHABLE,
    HostNames,
    Runbook,
    Step,
)


def played(run: Runbook, outcomes: list[tuple[str, str]], *, quiet: bool = False, seconds: float = 0) -> Step | None:
    """One step with these hosts and outcomes; what is told of it when it has ended."""
    step = run.begin(str(id(outcomes)), "a step", 10, quiet=quiet)
    for host, outcome in outcomes:
        run.report(step.key, host, outcome, 10 + seconds)
    return run.end()


@pytest.mark.parametrize(
    ("outcomes", "quiet", "told", "numbers"),
    [
        ([("hydra", OK)], False, {OK: ["hydra"]}, 1),
        (
            [("hydra", CHANGED), ("jupiter", OK), ("argus", CHANGED)],
            False,
            {CHANGED: ["hydra", "argus"], OK: ["jupiter"]},
            1,
        ),
        ([("hydra", SKIPPED)], False, None, 0),
        ([("hydra", SKIPPED), ("jupiter", OK)], False, {OK: ["jupiter"]}, 1),
        ([("hydra", OK)], True, None, 0),
        ([("hydra", FAILED)], True, None, 1),
        ([("hydra", FAILED)], False, None, 1),
        ([("hydra", UNREACHABLE), ("jupiter", OK)], False, {OK: ["jupiter"]}, 1),
        ([("hydra", IGNORED)], False, None, 1),
        ([], False, None, 0),
    ],
)
def test_a_step_has_a_number_when_there_is_something_to_tell(
    outcomes: list[tuple[str, str]], quiet: bool, told: dict[str, list[str]] | None, numbers: int
) -> None:
    run = Runbook(0)
    step = played(run, outcomes, quiet=quiet)
    assert (step.went_well if step else None) == told
    assert run.told == numbers


def test_numbers_have_no_gaps_and_the_step_under_way_knows_its_own() -> None:
    run = Runbook(0)
    numbers = []
    for number, outcome in enumerate((OK, SKIPPED, FAILED, CHANGED)):
        step = run.begin(str(number), "a step", 0)
        under_way = run.next_number
        run.report(step.key, "hydra", outcome, 1)
        assert run.next_number == under_way
        run.end()
        numbers.append(step.number)
    assert numbers == [1, None, 2, 3]
    assert (run.told, run.changed) == (3, 1)


def test_a_step_lasts_until_its_last_result_and_not_until_the_next_step_begins() -> None:
    run = Runbook(0)
    step = played(run, [("hydra", OK)], seconds=3)
    assert step is not None
    assert step.seconds == 3


def test_a_result_that_comes_late_counts_for_its_own_step() -> None:
    run = Runbook(0)
    first = run.begin("first", "first", 0)
    run.end()
    run.begin("second", "second", 1)
    assert run.report("first", "hydra", FAILED, 2) is first
    assert run.current is not first
    assert [trouble.step.name for trouble in run.troubles] == ["first"]


def test_what_was_ignored_is_no_trouble_in_the_end() -> None:
    run = Runbook(0)
    played(run, [("hydra", IGNORED), ("jupiter", UNREACHABLE), ("argus", FAILED)])
    assert [trouble.host for trouble in run.troubles] == ["jupiter", "argus"]


@pytest.mark.parametrize(
    ("outcome", "past_point", "point"),
    [
        (CHANGED, None, PASSED),
        (OK, None, PASSED),
        (SKIPPED, None, AHEAD),
        (FAILED, True, PASSED),
        (FAILED, False, AHEAD),
        (FAILED, None, UNCERTAIN),
        (UNREACHABLE, None, UNCERTAIN),
    ],
)
def test_the_point_of_no_return_is_passed_when_its_step_says_so(
    outcome: str, past_point: bool | None, point: str
) -> None:
    run = Runbook(0)
    assert run.point == NO_POINT
    run.see_point_ahead()
    assert run.point == AHEAD
    run.begin("point", f"{MARK} - deathsting is promoted", 0)
    assert run.point == REACHED
    run.report("point", "deathsting", outcome, 1, past_point=past_point)
    assert run.point == point


def test_nothing_leads_back_across_the_point_of_no_return() -> None:
    run = Runbook(0)
    run.begin("first", f"{MARK} - a new key", 0)
    run.report("first", "deathsting", OK, 1)
    run.see_point_ahead()
    run.begin("second", f"{MARK} - deathsting is promoted", 2)
    run.report("second", "deathsting", FAILED, 3, past_point=False)
    assert run.point == PASSED


def test_a_check_does_not_pass_it() -> None:
    run = Runbook(0, check_mode=True)
    run.begin("point", f"{MARK} - deathsting is promoted", 0)
    run.report("point", "deathsting", CHANGED, 1)
    assert run.point == AHEAD


INVENTORY = {
    "opsmgr_rms": ["hydra"],
    "opsmgr_management_servers": ["deathsting", "jupiter", "hydra"],
    "opsmgr_web_console": ["hermes"],
    "opsmgr_consoles": ["hermes"],
    "opsmgr_rms_cluster": ["castor"],
}


@pytest.mark.parametrize(
    ("host", "by_inventory", "before_promotion", "afterwards"),
    [
        ("hydra", "hydra (RMS)", "hydra (old RMS)", "hydra (former RMS)"),
        ("deathsting", "deathsting (management server)", "deathsting (new RMS)", "deathsting (new RMS)"),
        ("jupiter", "jupiter (management server)", "jupiter (management server)", "jupiter (management server)"),
        ("hermes", "hermes (web console)", "hermes (web console)", "hermes (web console)"),
        ("castor", "castor (node of the RMS)", "castor (node of the RMS)", "castor (node of the RMS)"),
        ("somebody", "somebody", "somebody", "somebody"),
    ],
)
def test_hosts_are_shown_with_what_they_are_for(
    host: str, by_inventory: str, before_promotion: str, afterwards: str
) -> None:
    names = HostNames()
    names.learn_groups(INVENTORY)
    assert names.shown(host) == by_inventory
    names.learn_plan("deathsting", "hydra", promotion_needed=True)
    assert names.shown(host) == before_promotion
    # The next play tells the inventory again, which does not know what happened.
    names.learn_groups(INVENTORY)
    names.learn_plan("deathsting", "hydra", promotion_needed=False)
    assert names.shown(host) == afterwards


def test_on_the_way_back_the_inventory_is_right_again() -> None:
    names = HostNames()
    names.learn_groups(INVENTORY)
    names.learn_plan("deathsting", "hydra", promotion_needed=False)
    names.learn_plan("hydra", "deathsting", promotion_needed=True)
    assert [names.shown(host) for host in ("hydra", "deathsting")] == ["hydra (new RMS)", "deathsting (old RMS)"]
