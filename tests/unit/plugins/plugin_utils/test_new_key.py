# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A table of situations of ODYSSEY, whose RMS hydra is lost without a backup of its key, and what a recovery on
deathsting would do in each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from messages import Problem, about

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.new_key import (
    NewKeyPlan,
    NewKeyPrediction,
    NewKeyRequest,
    make_plan,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.observation import Observation, ServerObservation
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.step_plan import StepPlan

SETUP = r'start "" /wait msiexec /i "D:\Server\amd64\MOM.msi" CREATE_NEWKEY="1"'

Situation = dict[str, Any]
Change = Callable[[Situation], None]


def server(name: str) -> dict[str, Any]:
    """A management server as management_server_info describes it, as far as this decision goes."""
    return {"computer_name": name.upper(), "is_rms": False, "key": {"present": False, "fingerprint": None}}


def silent() -> dict[str, Any]:
    return {"server": None, "reachability": "silent", "problem": "the server does not answer"}


def lost() -> Situation:
    """Hydra is off, and a new key is needed and possible."""
    names = ("hydra", "deathsting", "jupiter")
    return {
        "request": NewKeyRequest("deathsting", "ODYSSEY", database_host="thunder"),
        "hydra": silent(),
        "deathsting": {"server": server("deathsting")},
        "jupiter": {"server": server("jupiter")},
        "database": {
            "reachable": True,
            "management_group": "ODYSSEY",
            "database": {"state": "ONLINE", "user_access": "MULTI_USER", "closed_by_us": False, "sessions": None},
            "servers": [{"name": f"{name.title()}.odyssey.com", "roles": ["management_server"]} for name in names],
        },
        "prediction": NewKeyPrediction(command=SETUP),
        "lock": None,
    }


def recovered() -> Situation:
    """Deathsting is the RMS with a new key, which is in the escrow."""
    situation = lost()
    situation["deathsting"]["server"].update(is_rms=True, key={"present": True, "fingerprint": None})
    situation["prediction"] = NewKeyPrediction(key_present=True, key_is_new=True, key_is_backed_up=True)
    return situation


def decide(situation: Situation, *changes: Change) -> NewKeyPlan:
    for change in changes:
        change(situation)
    hosts = [name for name in ("hydra", "deathsting", "jupiter") if name in situation]
    looks = [ServerObservation.from_result({"item": name, **situation[name]}) for name in hosts]
    observation = Observation(looks, situation["database"])
    return make_plan(situation["request"], observation, situation["prediction"], situation["lock"])


def request(**changes: Any) -> Change:
    return lambda situation: situation.update(request=replace(situation["request"], **changes))


def prediction(**changes: Any) -> Change:
    return lambda situation: situation.update(prediction=replace(situation["prediction"], **changes))


def refused(problem: str) -> Change:
    """Rms_new_key refuses, and so predicts nothing."""
    return prediction(problem=problem, command=None)


def seen(name: str, **result: Any) -> Change:
    """What management_server_info returned for a server."""
    return lambda situation: situation.update({name: {"server": None, **result}})


def without(name: str) -> Change:
    return lambda situation: situation.pop(name)


def on(name: str, **changes: Any) -> Change:
    return lambda situation: situation[name]["server"].update(changes)


def key(name: str) -> Change:
    return on(name, key={"present": True, "fingerprint": None})


def database(**changes: Any) -> Change:
    return lambda situation: situation["database"].update(changes)


def state(**changes: Any) -> Change:
    return lambda situation: situation["database"]["database"].update(changes)


def roles(name: str, *values: str) -> Change:
    """The roles of a server in the database; without any it is not there."""

    def change(situation: Situation) -> None:
        others = [each for each in situation["database"]["servers"] if not each["name"].lower().startswith(name)]
        own = [{"name": f"{name}.odyssey.com", "roles": list(values)}] if values else []
        situation["database"]["servers"] = others + own

    return change


def locked(problem: str) -> Change:
    return lambda situation: situation.update(lock=problem)


def needed_steps(plan: NewKeyPlan) -> list[str]:
    return [step.text for step in plan.steps if step.needed]


DATABASE_BACKUP = "operational database on * backed up"
NEW_KEY = "new key of the management group made on *"
TOOLS = "support tools copied to *"
KEY_BACKUP = "key of * backed up into the escrow"
FAILOVER = "rest of the failover to * done by opsmgr.recovery.rms_failover"


# --- nothing in the way


def test_a_lost_rms_without_a_backup_of_its_key() -> None:
    plan = decide(lost())
    assert (plan.problems, plan.needed, plan.backup_needed, plan.left_closed) == ([], True, True, False)
    assert plan.steps == [
        StepPlan("back_up_database", DATABASE_BACKUP, ["thunder"], True),
        StepPlan("make_new_key", NEW_KEY, ["deathsting"], True, point_of_no_return=True),
        StepPlan("copy_tools", TOOLS, ["deathsting"], True),
        StepPlan("back_up_key", KEY_BACKUP, ["deathsting"], True),
        StepPlan("fail_over", FAILOVER, ["deathsting"], True),
    ]
    assert [remark for remark in plan.remarks if "opsmgr.recovery.rms_failover" in remark] == plan.remarks


STEPS: dict[str, tuple[Callable[[], Situation], list[Change], list[str]]] = {
    "all": (lost, [], [DATABASE_BACKUP, NEW_KEY, TOOLS, KEY_BACKUP, FAILOVER]),
    "the database is not to be backed up": (
        lost,
        [request(database_backup=False)],
        [NEW_KEY, TOOLS, KEY_BACKUP, FAILOVER],
    ),
    "an old backup that fits nothing else": (
        lost,
        [prediction(key_is_backed_up=True)],
        [DATABASE_BACKUP, NEW_KEY, TOOLS, KEY_BACKUP, FAILOVER],
    ),
    "recovered before": (recovered, [], [FAILOVER]),
    "recovered before, without the backup": (
        recovered,
        [prediction(key_is_backed_up=False)],
        [TOOLS, KEY_BACKUP, FAILOVER],
    ),
}


@pytest.mark.parametrize(("situation", "changes", "expected"), STEPS.values(), ids=list(STEPS))
def test_only_what_is_left_is_done(
    situation: Callable[[], Situation], changes: list[Change], expected: list[str]
) -> None:
    plan = decide(situation(), *changes)
    assert plan.problems == []
    assert needed_steps(plan) == expected
    assert (plan.needed, plan.backup_needed) == (NEW_KEY in expected, KEY_BACKUP in expected)


def test_one_step_is_the_point_of_no_return_and_what_is_before_it_leaves_nothing_to_undo() -> None:
    steps = decide(lost()).steps
    assert [step.text for step in steps if step.point_of_no_return] == [NEW_KEY]
    assert [step.undone_by for step in steps] == [None] * len(steps)


def test_a_database_without_a_host_in_the_inventory_is_named_for_what_it_is() -> None:
    assert decide(lost(), request(database_host=None)).steps[0].hosts == ["database"]


# --- problems

PROBLEMS: dict[str, tuple[list[Change], list[str | Problem]]] = {
    "the target does not answer": (
        [seen("deathsting", **silent()), prediction(command=None)],
        [about("deathsting", "preflight", "cannot be used", "does not answer")],
    ),
    "the look at the target failed": (
        [seen("deathsting", failed=True, msg="the connection broke"), prediction(command=None)],
        [about("deathsting", "preflight", "cannot be used", "connection broke")],
    ),
    "the target is not in the inventory": (
        [without("deathsting"), prediction(command=None)],
        [about("deathsting", "preflight", "cannot be used", "inventory")],
    ),
    "the target does not answer, nor does the database know the host by that name": (
        [seen("deathsting", **silent()), prediction(command=None), roles("deathsting")],
        [about("deathsting", "preflight", "cannot be used", "does not answer")],
    ),
    "rms_new_key refuses": (
        [refused("deathsting: make a new key: confirm is ''.")],
        [about("deathsting", "make a new key", "confirm")],
    ),
    "the database cannot be reached": (
        [database(reachable=False, problem="connect to SQL Server sql1: refused. Check the port.")],
        [about("database", "preflight", "connect to SQL Server sql1", "refused", advice="Check the port")],
    ),
    "the database could not be asked": (
        [database(reachable=None, msg="pyodbc is missing")],
        [about("database", "preflight", "pyodbc")],
    ),
    "the database was not asked": (
        [lambda situation: situation.update(database={"skipped": True})],
        [about("database", "preflight", "not asked")],
    ),
    "another run has the management group": (
        [locked("database: take the lock: it is held by somebody.")],
        ["database: take the lock: it is held by somebody."],
    ),
    # Whoever cannot reach the database cannot take the lock, either.
    "the database cannot be reached, nor the lock be taken": (
        [database(reachable=False, problem="refused"), locked("database: take the lock: refused.")],
        [about("database", "preflight", "refused")],
    ),
    "the database is offline": (
        [state(state="OFFLINE")],
        [about("database", "preflight", "OFFLINE", "MULTI_USER", advice="who closed it")],
    ),
    "the server has no such database": (
        [database(database=None)],
        [about("database", "preflight", "not there")],
    ),
    "somebody has the database for himself": (
        [state(user_access="SINGLE_USER", sessions=["session 53: ODYSSEY\\dba"])],
        [about("database", "preflight", "SINGLE_USER", "session 53: ODYSSEY\\dba", advice="who closed it")],
    ),
    "the database is for administrators only": (
        [state(user_access="RESTRICTED_USER")],
        [about("database", "preflight", "RESTRICTED_USER")],
    ),
    # Only the failover at the end opens what an earlier one left closed, and a new key comes before it.
    "closed by a run of ours, and a new key is needed": (
        [state(user_access="SINGLE_USER", closed_by_us=True)],
        [about("database", "preflight", "SINGLE_USER")],
    ),
    "the database of another group": (
        [database(management_group="ILIAD")],
        [about("database", "preflight", "ILIAD", advice="opsmgr_database_name")],
    ),
    "the database of another group, and nobody says which it should be": (
        [database(management_group="ILIAD"), request(management_group=None)],
        [],
    ),
    "the servers of the database cannot be read": (
        [database(servers=None, problems=["read the servers: permission denied."])],
        [about("database", "preflight", "read the servers", "permission denied")],
    ),
    "the servers of the database cannot be read, and nobody says why": (
        [database(servers=None)],
        [about("database", "preflight", "servers")],
    ),
    "the database does not know the target": (
        [roles("deathsting")],
        [about("deathsting", "preflight", "database", "not know")],
    ),
    "the target is a gateway": (
        [roles("deathsting", "gateway", "management_server")],
        [about("deathsting", "preflight", "database", "not know")],
    ),
    "the target has another role": (
        [roles("deathsting", "reporting")],
        [about("deathsting", "preflight", "database", "not know")],
    ),
    "the lost RMS answers": (
        [seen("hydra", server={**server("hydra"), "is_rms": True})],
        [about("hydra", "preflight", "answers", "RMS", advice="opsmgr.recovery.rms_failover")],
    ),
    "the lost RMS answers and has its key": (
        [seen("hydra", server=server("hydra")), on("hydra", is_rms=True), key("hydra")],
        [about("hydra", "preflight", "answers"), about("hydra", "preflight", "key", "registry")],
    ),
    "a server gives no access": (
        [seen("hydra", reachability="refused", problem="the credentials were rejected")],
        [about("hydra", "preflight", "RMS", "key", "not known", "credentials")],
    ),
    "a server cannot be asked": (
        [seen("jupiter", reachability="cannot_ask", problem="no Kerberos ticket")],
        [about("jupiter", "preflight", "RMS", "key", "not known", "no Kerberos ticket")],
    ),
    "the look at a server failed half way": (
        [seen("jupiter", reachability="reachable", msg="the connection broke")],
        [about("jupiter", "preflight", "RMS", "key", "not known", "connection broke")],
    ),
    "a server was not looked at": (
        [lambda situation: situation.update(jupiter={})],
        [about("jupiter", "preflight", "RMS", "key", "not known", "not answer")],
    ),
    "somebody knows that it is off": (
        [seen("hydra", reachability="refused", problem="the credentials were rejected"), request(old_rms_is_off=True)],
        [],
    ),
    "all others are silent": ([seen("jupiter", **silent())], []),
    "another server has a key": (
        [key("jupiter")],
        [about("jupiter", "preflight", "key", "registry", advice="Promote")],
    ),
    "the target has a key": (
        [key("deathsting"), prediction(key_present=True)],
        [about("deathsting", "preflight", "key", "registry")],
    ),
    "the target has a key that an earlier run may have made": (
        [key("deathsting"), prediction(key_present=True, key_is_new=True)],
        [],
    ),
    "those keys are worthless": (
        [key("jupiter"), key("deathsting"), prediction(key_present=True), request(discard_keys=True)],
        [],
    ),
    "everything at once": (
        [
            refused("deathsting: make a new key: no package."),
            state(state="SUSPECT"),
        ],
        [about("deathsting", "make a new key", "no package"), about("database", "preflight", "SUSPECT")],
    ),
    "everything at once, and a new key is possible": (
        [
            locked("database: take the lock: it is held."),
            seen("hydra", reachability="refused", problem="rejected"),
            on("jupiter", is_rms=True),
            key("jupiter"),
        ],
        [
            about("database", "take the lock", "held"),
            about("jupiter", "preflight", "answers"),
            about("hydra", "preflight", "not known", "rejected"),
            about("jupiter", "preflight", "key", "registry"),
        ],
    ),
}


@pytest.mark.parametrize(("changes", "expected"), PROBLEMS.values(), ids=list(PROBLEMS))
def test_every_problem_is_found_and_no_other(changes: list[Change], expected: list[str | Problem]) -> None:
    problems = decide(lost(), *changes).problems
    assert problems == expected
    assert all(problem.endswith(".") for problem in problems)


AFTERWARDS: dict[str, list[Change]] = {
    "as it is": [],
    "another key": [key("jupiter")],
    "hydra is back": [seen("hydra", server={**server("hydra"), "is_rms": True})],
    "a server gives no access": [seen("hydra", reachability="refused", problem="rejected")],
    "a database that the failover of a killed run left closed": [state(user_access="SINGLE_USER", closed_by_us=True)],
}


@pytest.mark.parametrize("changes", AFTERWARDS.values(), ids=list(AFTERWARDS))
def test_once_the_new_key_is_there_no_old_one_stands_in_the_way(changes: list[Change]) -> None:
    plan = decide(recovered(), *changes)
    assert (plan.problems, plan.remarks, plan.needed) == ([], [], False)


@pytest.mark.parametrize(
    ("situation", "ours", "left"),
    [(recovered, True, True), (recovered, False, False), (recovered, None, False), (lost, True, False)],
)
def test_only_a_database_that_a_killed_run_closed_after_the_new_key_is_left_to_the_failover(
    situation: Callable[[], Situation], ours: bool | None, left: bool
) -> None:
    plan = decide(situation(), state(user_access="SINGLE_USER", closed_by_us=ours))
    assert (plan.left_closed, len(plan.problems)) == (left, 0 if left else 1)


# --- remarks


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            [
                seen("hydra", reachability="refused", problem="the credentials were rejected"),
                request(old_rms_is_off=True),
            ],
            [about("hydra", "preflight", "counts as off")],
        ),
        (
            [key("jupiter"), prediction(key_present=True), request(discard_keys=True)],
            [
                about("jupiter", "preflight", "key", "given up"),
                about("deathsting", "preflight", "key", "given up"),
            ],
        ),
        ([request(old_rms_is_off=True, discard_keys=True)], []),
    ],
    ids=["off", "given up", "nothing to say"],
)
def test_what_was_waved_through_is_said(changes: list[Change], expected: list[Problem]) -> None:
    *remarks, _failover = decide(lost(), *changes).remarks
    assert remarks == expected


# --- what rms_new_key said


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ({"skipped": True, "changed": False}, NewKeyPrediction()),
        (
            {"changed": True, "command": SETUP, "is_rms": False, "key": {"present": False}, "begun_before": False},
            NewKeyPrediction(command=SETUP),
        ),
        (
            {"changed": True, "command": SETUP, "is_rms": False, "key": {"present": True}, "begun_before": True},
            NewKeyPrediction(command=SETUP, key_present=True, key_is_new=True),
        ),
        (
            {"is_rms": True, "key": {"present": True}, "backup": {"server": "DEATHSTING"}, "begun_before": False},
            NewKeyPrediction(key_present=True, key_is_new=True, key_is_backed_up=True),
        ),
        (
            {"failed": True, "msg": "no package", "command": None, "key": None, "is_rms": None, "begun_before": None},
            NewKeyPrediction(problem="no package"),
        ),
    ],
    ids=["skipped", "needed", "begun before", "done", "refused"],
)
def test_what_is_read_from_the_result_of_rms_new_key(result: dict[str, Any], expected: NewKeyPrediction) -> None:
    assert NewKeyPrediction.from_result(result) == expected
