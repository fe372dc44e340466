# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a clustered restore as a task sees it: before the work, after it, and with no secret."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from unit.plugins.action.bench import Connection, run, texts
from unit.plugins.plugin_utils.test_clustered_restore import NODES, REQUEST, at_work, lost

LOOPS = ("servers", "cluster", "setup_preview", "key_preview")


def tell(situation: dict[str, Any], check_mode: bool = False, **arguments: Any) -> dict[str, Any]:
    """The result of a task that gets the situation as the role gives it."""
    asked = {each.name: getattr(REQUEST, each.name) for each in fields(REQUEST) if each.name != "check_mode"}
    seen = {name: value for name, value in situation.items() if name != "request"}
    loops = {name: [{"item": host, **each} for host, each in situation[name].items()] for name in LOOPS}
    result = run(
        "clustered_rms_restore_plan",
        Connection(None, AssertionError("was opened"), transport="local"),
        check_mode=check_mode,
        **{**asked, "nodes": list(NODES), **seen, **loops, **arguments},
    )
    assert not any(REQUEST.backup_password in text for text in texts(result))
    return result


def test_a_plan_of_nodes_that_are_lost() -> None:
    plan = tell(lost())
    assert (plan["changed"], plan["problems"], plan["join"]) == (False, [], [*NODES])
    assert [step["id"] for step in plan["steps"] if step["point_of_no_return"]] == ["restored"]


def test_check_mode_plans_for_the_nodes_that_are_there() -> None:
    assert (tell(lost())["present"], tell(lost(), check_mode=True)["present"]) == ([*NODES], [])


def test_a_first_look_says_where_it_is_worth_to_look_further() -> None:
    servers = [{"item": name, **look} for name, look in at_work()["servers"].items()]
    found = run("clustered_rms_restore_plan", Connection(None), nodes=list(NODES), servers=servers)
    assert (found["installed"], found["missing"], found["first_answers"]) == ([*NODES], [], True)


def test_the_end_of_a_run_by_the_plan_that_it_began_with() -> None:
    registered = {"key": {"results": [{"item": "castor", "changed": True, "elapsed_seconds": 6.3}]}}
    end = tell(at_work(), plan=tell(lost()), results=registered)
    assert (end["done"], end["open"]) == (["key restored on castor (6.3 s)"], [])
    assert end["lines"][:2] == ["Done:", "key restored on castor (6.3 s)"]
    assert "problems" not in end


def test_without_a_node_there_is_no_plan() -> None:
    result = run("clustered_rms_restore_plan", Connection(None), nodes=[], servers=[])
    assert (result["failed"], result["changed"]) == (True, False)
    assert result["msg"] == (
        "controller: preflight: no node of the cluster is named. Put the nodes into the group opsmgr_rms_cluster."
    )


def test_what_is_no_plan_is_refused() -> None:
    result = tell(at_work(), plan={"msg": "something else"})
    assert result["msg"].startswith("controller: preflight: plan is not what this module returned before the work.")
