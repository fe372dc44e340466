# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the record says of failovers that ended well, stopped at each side of the point of no return, or had nothing to
do.
"""

from __future__ import annotations

from typing import Any

import pytest
from messages import Line, saying
from unit.plugins.action.bench import Connection, run
from unit.plugins.plugin_utils.test_failover import failed_over, healthy
from unit.plugins.plugin_utils.told_failover import (
    ASKED_AGAIN_AT,
    BEGAN_AT,
    KEY,
    cut_off,
    loop,
    planned,
    result,
    results,
    seen,
    told,
)

from ansible_collections.opsmgr.recovery.plugins.module_utils.versions import COLLECTION_VERSION

RUNNING = saying("Services", "deathsting", "running")
BROKER = saying("Service Broker", "on")
STOPPED = saying("Services", "hydra", "stopped")
PROMOTED = saying("deathsting", "promoted")
DEMOTED = saying("hydra", "ordinary management server")
MOVED = saying("deathsting is the RMS", "not finished")
NOT_MOVED = saying("not moved", "hydra is the RMS")
NOT_PROVEN = saying("not proven", "deathsting is the RMS")
COMPONENTS_AND_AGENTS = [
    saying("HealthService", "kraken", "restarted"),
    saying("Web console", "hermes"),
    saying("Consoles", "hermes", "argus"),
]
SENTENCE = "deathsting: promote: it did not end well. Look at it."


def record(arguments: dict[str, Any]) -> dict[str, Any]:
    recorded: dict[str, Any] = run_record(arguments)["record"]
    return recorded


def run_record(arguments: dict[str, Any], *, check_mode: bool = False) -> dict[str, Any]:
    found: dict[str, Any] = run(
        "rms_failover_record",
        Connection(None, AssertionError("was opened"), transport="local"),
        check_mode=check_mode,
        **arguments,
    )
    assert found["changed"] is False
    assert len(found["drawings"]["bars"]) == len(found["record"]["steps"])
    return found


def titles(recorded: dict[str, Any], *outcomes: str) -> list[str]:
    return [step["title"] for step in recorded["steps"] if step["outcome"] in outcomes]


def roles(topology: dict[str, Any]) -> dict[str, str]:
    return {server["host"]: server["role"] for server in topology["servers"]}


def named(topology: dict[str, Any]) -> list[Any]:
    return [component["names"] for component in topology["components"]]


def test_a_failover_that_ended_well() -> None:
    recorded = record(told())
    assert (recorded["outcome"], recorded["headline"]) == (
        "finished",
        saying("deathsting is the RMS", "hydra no longer"),
    )
    assert (recorded["problems"], recorded["advice"]) == ([], saying("rerun", "nothing"))
    assert titles(recorded, "done") == [
        saying("Support tools", "deathsting"),
        saying("Key", "hydra", "backed up"),
        saying("Key", "restored", "deathsting"),
        STOPPED,
        PROMOTED,
        DEMOTED,
        *COMPONENTS_AND_AGENTS,
    ]
    assert titles(recorded, "as it was") == [RUNNING, BROKER]
    assert (recorded["steps"][-1]["started_at"], recorded["steps"][-1]["elapsed_seconds"]) == (
        "2026-01-31T02:03:44Z",
        3.0,
    )
    assert roles(recorded["before"]) == {
        "hydra": "RMS",
        "deathsting": "management server",
        "kraken": "management server",
    }
    assert roles(recorded["after"]) == {
        "hydra": "management server",
        "deathsting": "RMS",
        "kraken": "management server",
    }
    assert (named(recorded["before"]), named(recorded["after"])) == (
        ["hydra.odyssey.com"] * 3,
        ["deathsting.odyssey.com"] * 3,
    )
    assert recorded["versions"]["operations_manager"] == ["2007 R2 (6.1.7221.0)"]
    assert (recorded["versions"]["collection"], recorded["versions"]["sql_server"]) == (
        COLLECTION_VERSION,
        "10.0.6556.0",
    )


def test_one_that_stopped_before_the_point_of_no_return() -> None:
    arguments = cut_off("promote", msg=SENTENCE, is_rms=False, past_point_of_no_return=False)
    arguments["results"]["start_old_rms"] = result(22)
    recorded = record(arguments)
    assert (recorded["outcome"], recorded["headline"]) == (
        "stopped before the point of no return",
        NOT_MOVED,
    )
    assert (recorded["problems"], recorded["left"]) == ([SENTENCE], [])
    assert "begins from the start" in recorded["advice"]
    assert titles(recorded, "failed") == [PROMOTED]
    assert titles(recorded, "not reached") == titles(recorded, "not reached", "failed")[1:]
    assert [step["title"] for step in recorded["steps"]][5] == saying("Services", "hydra", "running again")
    assert roles(recorded["after"])["hydra"] == "RMS"
    assert recorded["after"]["servers"][1]["key_fingerprint"] == KEY
    assert recorded["after"]["servers"][0]["services"]["OMSDK"] == "stopped, auto"
    assert named(recorded["after"]) == [None, None, None]


@pytest.mark.parametrize(
    ("failure", "headline"),
    [
        ({"is_rms": None}, NOT_PROVEN),
        (
            {"past_point_of_no_return": True},
            NOT_PROVEN,
        ),
    ],
)
def test_one_of_which_nobody_knows_whether_the_role_moved(failure: dict[str, Any], headline: Line) -> None:
    recorded = record(cut_off("promote", msg=SENTENCE, **failure))
    assert (recorded["outcome"], recorded["headline"]) == ("stopped after the point of no return", headline)


@pytest.mark.parametrize(
    ("verdict", "outcome", "headline"),
    [
        ("has_not_moved", "stopped before the point of no return", NOT_MOVED),
        (
            "has_moved",
            "stopped after the point of no return",
            MOVED,
        ),
        ("cannot_be_told", "stopped after the point of no return", saying("cannot be told", "role")),
    ],
)
def test_the_verdict_of_this_run_counts_more_than_the_result_of_the_promotion(
    verdict: str, outcome: str, headline: Line
) -> None:
    """A task that was killed returned nothing."""
    arguments = {**cut_off("promote", msg=SENTENCE), "verdict": {"verdict": verdict, "started_at": ASKED_AGAIN_AT}}
    assert [record(arguments)[name] for name in ("outcome", "headline")] == [outcome, headline]
    older = {**arguments, "verdict": {"verdict": verdict, "started_at": "2026-01-31T02:03:03Z"}}
    assert record(older)["headline"] == NOT_PROVEN


def test_one_that_stopped_after_the_point_of_no_return() -> None:
    recorded = record(cut_off("start_services", msg=SENTENCE))
    assert (recorded["outcome"], recorded["headline"]) == (
        "stopped after the point of no return",
        MOVED,
    )
    ahead = titles(recorded, "failed", "not reached")
    assert ahead == [RUNNING, DEMOTED, BROKER, *COMPONENTS_AND_AGENTS]
    assert recorded["advice"] == saying("only what is left", "; ".join(ahead))
    assert recorded["left"] != []
    # The database was not asked since; each registry is as the steps read it.
    assert recorded["after"]["rms"] is None
    assert roles(recorded["after"]) == {"hydra": "calls itself RMS", "deathsting": "RMS", "kraken": "management server"}
    assert [server["names"] for server in recorded["after"]["servers"]] == [None, None, "Hydra.Odyssey.com"]


def test_one_that_a_task_stopped_which_is_no_step() -> None:
    arguments = told(seen_again=seen(healthy(), BEGAN_AT), seen_at_end=None)
    assert record(arguments)["problems"] == [saying("None of the steps", "output")]


def test_one_that_left_something_undone() -> None:
    missing = {"unreachable": True, "msg": "the server answers, but gives no access: HTTP", "changed": False}
    console = {**loop({"item": "hermes", **missing}), "changed": False}
    found = run_record(told(results={**results(), "point_web_console": console, "point_console": console}))
    recorded = found["record"]
    sentence = saying("hermes", missing["msg"])
    assert (recorded["outcome"], recorded["problems"]) == ("left undone", [sentence])
    assert found["left_undone"][1:] == [sentence]
    assert recorded["advice"] == saying("only what is left", "Web console", "hermes")
    failed = [step for step in recorded["steps"] if step["outcome"] == "failed"]
    assert {(step["problem"], step["started_at"]) for step in failed} == {(missing["msg"], None)}
    assert (named(recorded["before"])[0], named(recorded["after"])[0]) == (None, None)


def test_what_differs_from_a_finished_failover_is_left_undone() -> None:
    situation = failed_over()
    situation["hydra"]["is_rms"] = True
    found = run_record(told(seen_at_end=seen(situation, ASKED_AGAIN_AT)))
    assert found["left_undone"][1:] == [saying("hydra", "RMS", "registry", "HealthService")]
    assert run_record(told())["left_undone"] == []


def test_a_step_before_the_promotion_that_failed_is_not_left_undone_when_the_role_has_moved() -> None:
    """Such as a promotion that ended badly although the role has moved: what was seen at the end decides."""
    failed = {**results()["promote"], "msg": SENTENCE}
    assert run_record(told(results={**results(), "promote": failed}))["left_undone"] == []


def test_a_rerun_with_nothing_to_do() -> None:
    there = seen(failed_over(), BEGAN_AT)
    unchanged = {
        "start_services": result(5, changed=False),
        "turn_on_broker": result(5, changed=False),
        "point_web_console": loop(result(5, changed=False, item="hermes")),
        "point_console": loop(*(result(5, changed=False, item=host) for host in ("hermes", "argus"))),
    }
    found = run_record(told(plan=planned(there), results=unchanged))
    recorded = found["record"]
    assert (recorded["outcome"], recorded["headline"]) == (
        "unchanged",
        saying("deathsting was the RMS already"),
    )
    assert recorded["steps"] == []
    assert found["lines"][:2] == [
        saying("deathsting", "RMS already", "Nothing to do"),
        saying("Manual follow-up"),
    ]
    # What had not to be changed names the RMS.
    assert named(recorded["after"]) == ["deathsting.odyssey.com"] * 3


NOTHING_DONE = {
    "turn_on_broker": result(5, changed=False),
    "point_reporting_server": loop(result(5, changed=False, item="argus")),
    "point_web_console": loop(result(5, changed=False, item="hermes")),
    "point_console": loop(*(result(5, changed=False, item=host) for host in ("hermes", "argus"))),
}


@pytest.mark.parametrize(
    ("results", "settled"),
    [
        pytest.param(NOTHING_DONE, True, id="nothing had to be changed"),
        pytest.param({**NOTHING_DONE, "turn_on_broker": result(5, changed=True)}, False, id="something was changed"),
        pytest.param({**NOTHING_DONE, "turn_on_broker": result(5, msg=SENTENCE)}, False, id="something failed"),
        pytest.param({**NOTHING_DONE, "turn_on_broker": {}}, False, id="something was not reached"),
    ],
)
def test_only_a_run_that_changed_nothing_is_settled(results: dict[str, Any], settled: bool) -> None:
    there = seen(failed_over(), BEGAN_AT)
    arguments = told(plan=planned(there), results=results, seen_again=there, seen_at_end=None)
    assert run_record(arguments)["settled"] is settled
    assert run_record(arguments, check_mode=True)["settled"] is False


def test_results_of_an_earlier_failover_do_not_count() -> None:
    old = {
        "copy_tools": {**result(0, copied=["old.exe"]), "started_at": "2026-01-31T02:03:03Z"},
        "back_up_key": {"changed": False, "skipped": True, "skip_reason": "Conditional result was False"},
        "restore_key": {"changed": False, "skipped": True, "skip_reason": "Conditional result was False"},
    }
    found = run_record(told(results={**results(), **old}))
    assert titles(found["record"], "done")[0] == STOPPED
    assert found["lines"][:2] == [saying("Done"), saying("services", "hydra", "stopped", "(1.5 s)")]


def test_the_end_of_an_earlier_failover_is_not_the_end_of_this_one() -> None:
    earlier = seen(failed_over(), "2026-01-31T02:00:00Z")
    arguments = {**cut_off("start_services", msg=SENTENCE), "seen_at_end": earlier}
    assert record(arguments)["outcome"] == "stopped after the point of no return"


def test_the_last_message_of_check_mode() -> None:
    """Nobody is asked again then, so nothing can differ from a finished failover."""
    predicted = {"promote": result(20), "demote": loop(result(30, item="hydra"))}
    arguments = told(results=predicted, seen_again=seen(healthy(), BEGAN_AT), seen_at_end=None)
    found = run_record(arguments, check_mode=True)
    # What follows are service principal names and what else may name hydra.
    assert found["lines"][:6] == [
        saying("would be done"),
        saying("deathsting", "promoted", "(1.5 s)"),
        saying("hydra", "ordinary management server", "(1.5 s)"),
        saying("Manual follow-up"),
        saying("Consoles", "opsmgr_consoles", "deathsting.odyssey.com"),
        saying("inventory", "deathsting", "opsmgr_rms"),
    ]
    assert found["left_undone"] == []


def test_a_plan_that_is_none() -> None:
    found = run("rms_failover_record", Connection(None, transport="local"), **told(plan={"steps": "all"}))
    assert found["failed"]
    assert found["msg"] == saying("option plan", "rms_failover_plan")


def test_a_server_that_does_not_answer() -> None:
    recorded = record(told(plan=planned(seen({**healthy(), "hydra": None}, BEGAN_AT))))
    assert recorded["before"]["servers"][0]["role"] == "does not answer"
    assert recorded["before"]["servers"][0]["answers"] is False
    assert recorded["before"]["rms"] == "hydra.odyssey.com"


def test_a_clustered_rms_goes_by_the_name_of_its_virtual_server() -> None:
    cluster = {"cluster_nodes": ["hydra"], "virtual_server": "rmsvs"}
    found = seen(healthy(), BEGAN_AT)
    found["database"]["rms"] = "rmsvs.odyssey.com"
    quiet = failed_over()
    for service in quiet["hydra"]["services"].values():
        service["state"] = "stopped"
    recorded = record(told(plan=planned(found, **cluster), seen_at_end=seen(quiet, ASKED_AGAIN_AT)))
    assert recorded["headline"] == saying("deathsting is the RMS", "rmsvs no longer")
    assert roles(recorded["before"]) == {
        "rmsvs": "RMS",
        "hydra": "node of rmsvs",
        "deathsting": "management server",
        "kraken": "management server",
    }
    assert roles(recorded["after"])["rmsvs"] == "virtual server"
