# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Has the role moved? Every combination of evidence has its answer, and what the run says follows from it."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.promotion import Phase
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.failover_verdict import (
    OPEN_PHASES,
    Names,
    Question,
    RoleEvidence,
    RoleVerdict,
    find,
    judge,
    message,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.observation import Observation, ServerObservation

MOVED, NOT_MOVED, OPEN = RoleVerdict.HAS_MOVED, RoleVerdict.HAS_NOT_MOVED, RoleVerdict.CANNOT_BE_TOLD
CLOSED_PHASES = [phase for phase in Phase if phase not in OPEN_PHASES]


def expected(evidence: RoleEvidence) -> RoleVerdict:
    """The answer said another way: two witnesses must agree, and nothing may be under way."""
    target, old = evidence.target_is_rms, evidence.old_is_rms
    if evidence.phase in OPEN_PHASES:
        return OPEN
    if evidence.phase is None:
        unmoved = evidence.database is Names.OLD_RMS and target is not True and old is not False
        moved = evidence.database is Names.TARGET and target is True
        return OPEN if evidence.begun else NOT_MOVED if unmoved else MOVED if moved else OPEN
    if evidence.target_is_node and target is None:
        silent = {Names.TARGET: MOVED, Names.OLD_RMS: NOT_MOVED if old is not False else OPEN}
        return silent.get(evidence.database, OPEN)
    if evidence.database is Names.TARGET and target is True:
        return MOVED
    if evidence.database is Names.OLD_RMS and target is not True and old is not False:
        return NOT_MOVED
    return OPEN


ALL = [
    RoleEvidence(database, target, node, old, phase, begun)
    for database, target, node, old, phase, begun in product(
        Names, (True, False, None), (True, False), (True, False, None), (None, *Phase), (True, False)
    )
    # The registry of a node is never evidence.
    if not (node and target is not None)
]


def test_every_combination_of_evidence_has_its_answer() -> None:
    assert [each for each in ALL if judge(each) is not expected(each)] == []
    assert len(ALL) == 672


@pytest.mark.parametrize(
    ("database", "target", "old", "phase", "begun", "verdict"),
    [
        pytest.param(Names.TARGET, True, False, Phase.ENDED, True, MOVED, id="it ended well"),
        pytest.param(
            Names.OLD_RMS,
            False,
            True,
            Phase.ENDED,
            True,
            NOT_MOVED,
            id="the tool took Y, ended with an error and changed nothing",
        ),
        pytest.param(Names.OLD_RMS, False, True, Phase.NONE, False, NOT_MOVED, id="it failed before the promotion"),
        pytest.param(
            Names.OLD_RMS, False, True, Phase.AT_WORK, True, OPEN, id="the task was killed while the tool works"
        ),
        pytest.param(
            Names.OLD_RMS, False, True, Phase.MAY_BE_ANSWERED, True, OPEN, id="the connection broke at the answer"
        ),
        pytest.param(Names.OLD_RMS, False, True, Phase.CANNOT_BE_TOLD, True, OPEN, id="tasklist fails"),
        pytest.param(
            Names.TARGET, False, True, Phase.ENDED, True, OPEN, id="the tool died between database and registry"
        ),
        pytest.param(Names.OLD_RMS, True, True, Phase.ENDED, True, OPEN, id="registry without database"),
        pytest.param(Names.NOT_KNOWN, True, False, Phase.ENDED, True, OPEN, id="the database cannot be asked"),
        pytest.param(Names.ANOTHER, False, False, Phase.NONE, True, OPEN, id="somebody else promoted another server"),
        pytest.param(Names.OLD_RMS, None, True, None, True, OPEN, id="the target is gone in the middle"),
        pytest.param(
            Names.OLD_RMS, None, True, None, False, NOT_MOVED, id="the target is gone before the promotion began"
        ),
        pytest.param(
            Names.OLD_RMS, False, None, Phase.ENDED, True, NOT_MOVED, id="the old RMS is lost, as it was before"
        ),
        pytest.param(Names.OLD_RMS, False, False, Phase.ENDED, True, OPEN, id="the old RMS says that it is not"),
    ],
)
def test_what_happened_and_what_follows(
    database: Names, target: bool | None, old: bool | None, phase: Phase | None, begun: bool, verdict: RoleVerdict
) -> None:
    assert judge(RoleEvidence(database, target, False, old, phase, begun)) is verdict


# --- from what was seen -----------------------------------------------------------------------------------------------


def server(name: str, is_rms: bool, running: bool, phase: str = "none", **changes: Any) -> dict[str, Any]:
    state = {"state": "running" if running else "stopped", "start_mode": "auto"}
    return {
        "computer_name": name.upper(),
        "is_rms": is_rms,
        "management_group": "ODYSSEY",
        "version": "6.1.7221.0",
        "services": {"HealthService": {"state": "running", "start_mode": "auto"}, "OMSDK": state, "OMCFG": state},
        "promotion": {"phase": phase, "running": None, "exit_code": None},
        **changes,
    }


def seen(rms: str = "hydra", *, phase: str = "none", database: bool = True, **changes: Any) -> Observation:
    servers: dict[str, Any] = {
        name: server(name, is_rms=name == rms, running=name == rms, phase=phase if name == "deathsting" else "none")
        for name in ("hydra", "deathsting", "jupiter")
    }
    looks = [
        ServerObservation(name, each, None if each else "it does not answer")
        for name, each in {**servers, **changes}.items()
    ]
    listed = [{"name": f"{name}.odyssey.com", "roles": ["rms"] if name == rms else []} for name in servers]
    reachable = {"reachable": True, "servers": listed, "database": {"state": "ONLINE", "user_access": "MULTI_USER"}}
    return Observation(looks, reachable if database else {"reachable": False, "problem": "it does not answer"})


QUESTION = Question("deathsting", "hydra", begun=True)


def test_a_role_that_has_not_moved_and_a_service_that_does_not_start_again() -> None:
    down = server("hydra", is_rms=True, running=False)
    finding = find(QUESTION, seen(hydra=down), seen())
    assert finding.verdict is NOT_MOVED
    [disturbed] = finding.disturbed
    assert 'management_services -a "sdk_service=running config_service=running"' in disturbed
    told = message(finding, "It failed.", undone=True)
    assert disturbed in told
    assert "was put back" not in told


def test_what_was_put_back_is_only_said_when_it_is_seen() -> None:
    assert "What was stopped or copied was put back." in message(find(QUESTION, seen(), seen()), "", undone=True)
    gone = message(find(QUESTION, seen(hydra=None), seen()), "", undone=True)
    assert "was put back" not in gone
    assert "hydra does not answer" in gone


def test_when_it_cannot_be_told_the_commands_that_tell_are_named() -> None:
    told = message(find(QUESTION, seen(phase="at work"), seen()), "Timed out.", undone=False)
    assert all(word in told for word in ("tasklist", "reg query", "SELECT"))


def test_a_node_of_the_clustered_rms_is_judged_by_the_database_alone() -> None:
    now = seen(castor=server("castor", is_rms=True, running=False))
    question = Question("castor", "hydra", begun=True, cluster_nodes=["castor", "pollux"], virtual_server="rmsvs")
    assert find(question, now).verdict is NOT_MOVED
    now.database["servers"].append({"name": "rmsvs.odyssey.com", "roles": ["rms"]})
    assert find(question, now).verdict is OPEN, "two servers are called the RMS"
    now.database["servers"][0]["roles"] = []
    assert find(question, now).verdict is MOVED


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (seen(), []),
        (seen(jupiter=None), []),
        (seen("jupiter"), ["jupiter.odyssey.com", "hydra", "jupiter"]),
        (seen(hydra=None), ["hydra does not answer any more"]),
        (seen(deathsting=server("deathsting", False, False, management_group="ILIAD")), ["ILIAD"]),
        (seen(phase="at work"), ["is at work on deathsting"]),
        (seen(phase="unanswered"), ["waits for an answer"]),
        (seen(phase="ended"), []),
        (seen(database=False), ["nobody knows whom", "None"]),
    ],
)
def test_the_second_look_finds_what_makes_the_plan_wrong(now: Observation, words: list[str]) -> None:
    different = find(QUESTION, now, seen()).different
    assert bool(different) is bool(words)
    assert all(any(word in each for each in different) for word in words)


def test_a_database_that_somebody_closed_meanwhile_makes_the_plan_wrong() -> None:
    now = seen()
    now.database["database"] = {"state": "ONLINE", "user_access": "RESTRICTED_USER"}
    assert find(QUESTION, now, seen()).different == ["the database was MULTI_USER, and is RESTRICTED_USER now"]


def test_that_a_promotion_of_an_earlier_run_has_ended_meanwhile_is_no_difference() -> None:
    assert find(QUESTION, seen("deathsting", phase="ended"), seen(phase="at work")).different == []


@pytest.mark.parametrize(
    ("before", "now"),
    [
        # One that was at work and has not moved the role, and one that nobody knew of.
        (seen(phase="at work"), seen("jupiter", phase="ended")),
        (seen(), seen("deathsting", phase="ended")),
    ],
)
def test_only_the_promotion_that_was_waited_for_is_no_difference(before: Observation, now: Observation) -> None:
    assert find(QUESTION, now, before).different != []
