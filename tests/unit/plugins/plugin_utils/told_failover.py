# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The failover of ODYSSEY from hydra to deathsting as its role hands it to the record, whole or cut off."""

from __future__ import annotations

from typing import Any

from unit.plugins.plugin_utils.test_failover import failed_over, healthy

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


def steps() -> list[dict[str, Any]]:
    """Those of a planned failover that matter, all done."""
    moved = {"before": "hydra.odyssey.com", "after": "deathsting.odyssey.com"}
    return [
        {"text": "support tools copied to *", "hosts": ["deathsting"], "results": [result(5, copied=TOOLS)]},
        {
            "text": "key restored on *",
            "hosts": ["deathsting"],
            "results": [result(10, key={"present": True, "fingerprint": KEY})],
        },
        {
            "text": "services of * stopped",
            "hosts": ["hydra"],
            "results": [result(15, services=dict.fromkeys(STATES, "stopped, auto"))],
        },
        {
            "text": "* promoted to the RMS",
            "hosts": ["deathsting"],
            "results": [
                result(
                    20, is_rms=True, past_point_of_no_return=True, command="ManagementServerConfigTool.exe PromoteRMS"
                )
            ],
            "point_of_no_return": True,
        },
        {
            "text": "services of * running",
            "hosts": ["deathsting"],
            "results": [result(25, services=STATES, changed=False)],
        },
        {
            "text": "* made an ordinary management server",
            "hosts": ["hydra"],
            "results": [result(30, item="hydra", is_rms=False)],
        },
        {
            "text": "web console * pointed at it",
            "hosts": ["hermes"],
            "results": [result(35, item="hermes", changes=[{"line": 5, **moved}])],
            "part": "web console",
        },
        {
            "text": "consoles on * open it",
            "hosts": ["hermes", "argus"],
            "results": [
                result(number, item=host, registry=moved["after"], registry_before=moved["before"])
                for number, host in ((40, "hermes"), (41, "argus"))
            ],
            "part": "console",
        },
    ]


def told(**values: Any) -> dict[str, Any]:
    """The arguments of rms_failover_record for a failover that ended well."""
    return {
        "target": "deathsting",
        "rms_name": "deathsting.odyssey.com",
        "old_rms": "hydra",
        "promotion_needed": True,
        "management_group": "ODYSSEY",
        "mode": "planned",
        "database": "OperationsManager",
        "database_host": "sql",
        "seen": seen(healthy(), BEGAN_AT),
        "seen_again": seen(failed_over(), ASKED_AGAIN_AT),
        "steps": steps(),
        "came_to_end": True,
        "left": ["In the inventory deathsting is not in opsmgr_rms."],
        **values,
    }


def cut_off(number: int, **failure: Any) -> dict[str, Any]:
    """The same when step `number` (from 0) failed so: nothing after it was tried, and nobody was asked again."""
    done = steps()
    [failed] = done[number]["results"]
    done[number]["results"] = [{**failed, "changed": False, "failed": True, **failure}]
    for one in done[number + 1 :]:
        one["results"] = []
    return told(steps=done, seen_again=seen(healthy(), BEGAN_AT), came_to_end=False)
