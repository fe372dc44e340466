# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of key backups as a task sees it: of the inventory, and what keeps it from being begun."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from unit.plugins.action.bench import Connection, run

HOSTVARS = {"hydra": {"opsmgr_management_group": "ODYSSEY"}, "thunder": {"opsmgr_management_group": "ODYSSEY"}}
GROUPS = {"opsmgr_rms": ["hydra"], "opsmgr_database": ["thunder"]}
TASK_VARS = {"groups": GROUPS, "hostvars": HOSTVARS}


def plan(**arguments: Any) -> dict[str, Any]:
    task_vars = arguments.pop("task_vars", TASK_VARS)
    connection = Connection(None, AssertionError("was opened"), transport="local")
    return run("key_backup_plan", connection, task_vars=task_vars, **{"hosts": ["hydra"], **arguments})


def test_who_stands_for_an_rms_by_the_inventory() -> None:
    found = plan(find_rms=True)
    assert (found["hosts"], found["problems"], found["changed"]) == (["hydra"], [], False)
    assert found["databases"] == {"ODYSSEY": "thunder"}


@pytest.mark.parametrize("groups", [{}, GROUPS])
def test_a_play_without_an_rms(groups: dict[str, list[str]]) -> None:
    [problem] = plan(hosts=["argus"], task_vars={**TASK_VARS, "groups": groups})["problems"]
    assert problem.startswith("This play must run on hosts in opsmgr_rms, and none was found.")


@pytest.mark.parametrize(("report", "count"), [("", 0), ("keys.html", 0), ("keys.htm", 1), ("nowhere/keys.html", 1)])
def test_a_place_for_the_report(tmp_path: Path, report: str, count: int) -> None:
    problems = plan(report=report and str(tmp_path / report))["problems"]
    assert [problem.startswith("The directory of rms_key_backup_report must exist") for problem in problems] == [
        True
    ] * count


def test_an_escrow_that_is_lost_with_a_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWX_PRIVATE_DATA_DIR", str(tmp_path))
    [problem] = plan(escrow=str(tmp_path / "key_escrow"))["problems"]
    assert problem.startswith(f"The escrow {tmp_path}/key_escrow would be lost with this job: ")
    assert plan(escrow="/srv/key_escrow")["problems"] == []


def test_the_host_that_the_database_names() -> None:
    candidates = plan(find_rms=True)["candidates"]
    connection = Connection(None, AssertionError("was opened"), transport="local")
    arguments = {"host": "zeus", "management_group": "ODYSSEY", "candidates": candidates, "database_host": "thunder"}
    found = run("key_backup_servers", connection, **arguments, database={"rms": "HYDRA.odyssey.com"})
    assert (found["servers"], found["problem"], found["changed"]) == (["hydra"], "", False)
