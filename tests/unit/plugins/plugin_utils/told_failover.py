# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The failover of ODYSSEY from hydra to deathsting as its role hands it to the record, whole or cut off."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from unit.plugins.plugin_utils.test_failover import REQUEST, failed_over, healthy

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.failover import make_plan
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.failover_result import PlannedFailover
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.observation import Observation

BEGAN_AT = "2026-01-31T02:03:04Z"
ASKED_AGAIN_AT = "2026-01-31T02:05:04Z"
KEY = "sha256:" + "5f1c" * 16
TOOLS = ["SecureStorageBackup.exe"]
STATES = {"HealthService": "running, auto", "OMSDK": "running, auto", "OMCFG": "running, auto"}


def result(seconds: int, **values: Any) -> dict[str, Any]:
    """What a task returned that began so many seconds after the first look."""
    return {"changed": True, "started_at": f"2026-01-31T02:03:{4 + seconds:02}Z", "elapsed_seconds": 1.5, **values}


def seen(situation: dict[str, Any], at: str) -> dict[str, Any]:
    """Everyone as asked at that time; a server that is None did not answer."""
    servers = [_look(name, situation[name], at) for name in ("hydra", "deathsting", "kraken")]
    database = {**situation["database"], "sql_server_version": "10.0.6556.0"}
    rms = next((server["name"] for server in database["servers"] if "rms" in server["roles"]), None)
    return {"servers": servers, "database": {**database, "rms": rms}}


def _look(name: str, server: dict[str, Any] | None, at: str) -> dict[str, Any]:
    if server is None:
        return {"item": name, "server": None, "problem": "the server does not answer: timed out", "started_at": at}
    key = {**server["key"], "fingerprint": KEY if server["key"]["present"] else None}
    return {"item": name, "server": {**server, "product": "2007 R2", "key": key}, "started_at": at}


def planned(found: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """The plan of that failover as its role has it: made of what was seen first."""
    seen_first = found or seen(healthy(), BEGAN_AT)
    computers = {"web_consoles": ["hermes"], "consoles": ["hermes", "argus"], "sql_server": "sql"}
    request = replace(REQUEST, database_backup=False, **computers, **changes)
    plan = make_plan(request, Observation.from_results(seen_first))
    return PlannedFailover(plan, request, seen_first, BEGAN_AT).as_result()


def loop(*results: dict[str, Any]) -> dict[str, Any]:
    """What a loop over hosts registered."""
    return {"results": list(results), "changed": any(one["changed"] for one in results)}


def results() -> dict[str, dict[str, Any]]:
    """What the tasks returned, by the step's id, in their order."""
    moved = {"before": "hydra.odyssey.com", "after": "deathsting.odyssey.com"}
    promotion = {
        "is_rms": True,
        "past_point_of_no_return": True,
        "command": "ManagementServerConfigTool.exe PromoteRMS",
    }
    console = {"registry": moved["after"], "registry_before": moved["before"]}
    broker = {"is_broker_enabled": True, "user_access": "MULTI_USER"}
    consoles = loop(result(40, item="hermes", **console), result(41, item="argus", **console))
    return {
        "copy_tools": result(5, copied=TOOLS),
        "copy_tools_to_old_rms": result(6, copied=[], changed=False),
        "back_up_key": result(8),
        "restore_key": result(10, key={"present": True, "fingerprint": KEY}),
        "stop_old_rms": result(15, services=dict.fromkeys(STATES, "stopped, auto")),
        "promote": result(20, **promotion),
        "start_services": result(25, services=STATES, changed=False),
        "demote": loop(result(30, item="hydra", is_rms=False)),
        "turn_on_broker": result(32, after=broker, changed=False),
        "restart_health_service": loop(result(33, item="kraken", reports_to="deathsting.odyssey.com")),
        "point_web_console": loop(result(35, item="hermes", changes=[{"line": 5, **moved}])),
        "point_console": consoles,
        "point_other_console": consoles,
    }


def told(**values: Any) -> dict[str, Any]:
    """The arguments of rms_failover_record for a failover that ended well."""
    at_end = seen(failed_over(), ASKED_AGAIN_AT)
    arguments = {
        "plan": planned(),
        "results": results(),
        "database": "OperationsManager",
        "database_host": "sql",
        "seen_again": at_end,
        "seen_at_end": at_end,
    }
    return {**arguments, **values}


def cut_off(step: str, **failure: Any) -> dict[str, Any]:
    """The same when that step failed so: nothing after it was tried, and nobody was asked again."""
    done = results()
    reached = list(done)[: list(done).index(step)]
    failed = {**done[step], "changed": False, "failed": True, **failure}
    seen_once = seen(healthy(), BEGAN_AT)
    return told(
        results={**{each: done[each] for each in reached}, step: failed}, seen_again=seen_once, seen_at_end=None
    )
