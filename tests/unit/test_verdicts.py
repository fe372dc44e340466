# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The judge of the sweep: what a run says about the role against what the lab knows."""

from __future__ import annotations

from typing import Any

import pytest
from integration.verdicts import (
    CANNOT_BE_TOLD,
    HALF,
    MOVED,
    NOT_MOVED,
    Case,
    named_as_down,
    said_in,
    stated,
    stopped_services,
    truth,
)

HYDRA, DEATHSTING = "hydra.odyssey.com", "deathsting.odyssey.com"


def dump(rms: str, hydra: str, deathsting: str, services: str = "running") -> dict[str, Any]:
    states = {name: {"state": services, "start": "auto"} for name in ("HealthService", "OMSDK", "OMCFG")}
    return {
        "groups": {"ODYSSEY": {"rms": rms, "roles": {"hydra": hydra, "deathsting": deathsting}}},
        "hosts": {"hydra": {"services": states}},
    }


@pytest.mark.parametrize(
    ("rms", "hydra", "deathsting", "expected"),
    [
        (HYDRA, "rms", "management_server", NOT_MOVED),
        (DEATHSTING, "management_server", "rms", MOVED),
        (DEATHSTING, "rms", "rms", MOVED),
        (DEATHSTING, "rms", "management_server", HALF),
        (HYDRA, "rms", "rms", HALF),
        (HYDRA, "management_server", "management_server", HALF),
    ],
)
def test_where_the_role_is(rms: str, hydra: str, deathsting: str, expected: str) -> None:
    assert truth(dump(rms, hydra, deathsting), "deathsting", "hydra") == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("deathsting: it broke. The role has\n   not moved; what was stopped runs again.", [NOT_MOVED]),
        ("The role has moved. Rerun.", [MOVED]),
        ("It cannot be told whether the role has moved.", [CANNOT_BE_TOLD]),
        ("A rerun will promote only if the role has not moved.", []),
        ("The role has moved on", [MOVED]),
        ("The role was moved", []),
        ("TASK [rms_failover : The role has moved] ****\nok: [deathsting]", []),
    ],
)
def test_what_a_text_says(text: str, said: list[str]) -> None:
    assert said_in(text) == said


def test_the_last_failure_counts_and_not_what_an_earlier_one_said() -> None:
    assert (
        stated(
            "The role has not moved",
            ["The role has not moved", "The role has moved", "something else"],
            ended_well=False,
        )
        == MOVED
    )
    assert stated("...The role has not moved...", ["something else"], ended_well=False) == NOT_MOVED
    assert stated("...", ["something else"], ended_well=False) is None
    assert stated("...", [], ended_well=True) == MOVED


@pytest.mark.parametrize(
    ("said", "at_end", "settled", "true"),
    [
        (MOVED, MOVED, MOVED, True),
        (MOVED, HALF, MOVED, False),
        (MOVED, NOT_MOVED, MOVED, False),
        (NOT_MOVED, NOT_MOVED, NOT_MOVED, True),
        (NOT_MOVED, NOT_MOVED, MOVED, False),
        (NOT_MOVED, HALF, HALF, False),
        (CANNOT_BE_TOLD, NOT_MOVED, MOVED, True),
        (None, NOT_MOVED, NOT_MOVED, False),
    ],
)
def test_a_sentence_is_true_when_it_is_said_and_stays_so(
    said: str | None, at_end: str, settled: str, true: bool
) -> None:
    assert (Case(said, at_end, settled).problem is None) is true


def test_a_run_that_was_killed_may_be_silent() -> None:
    assert Case(None, NOT_MOVED, MOVED, was_killed=True).problem is None
    assert Case(None, MOVED, MOVED, failed=False).problem is None


def test_a_message_must_not_say_both() -> None:
    assert (
        Case(MOVED, MOVED, MOVED, sentences=(NOT_MOVED, MOVED)).problem
        == "one message says has_not_moved and has_moved"
    )
    assert Case(MOVED, MOVED, MOVED, sentences=(MOVED, MOVED)).problem is None


def test_what_could_have_been_told() -> None:
    assert Case(CANNOT_BE_TOLD, MOVED, MOVED).could_have_been_told
    assert not Case(CANNOT_BE_TOLD, MOVED, MOVED, programs_ran=True).could_have_been_told
    assert not Case(CANNOT_BE_TOLD, NOT_MOVED, MOVED).could_have_been_told
    assert not Case(MOVED, MOVED, MOVED).could_have_been_told


def test_services_that_are_down_are_named() -> None:
    down = stopped_services(dump(HYDRA, "rms", "management_server", "stopped"), "hydra")
    assert down == ["HealthService", "OMSDK", "OMCFG"]
    assert named_as_down("HealthService, OMSDK and OMCFG are down", down)
    assert not named_as_down("OMSDK is down", down)
    assert stopped_services(dump(HYDRA, "rms", "management_server"), "hydra") == []
