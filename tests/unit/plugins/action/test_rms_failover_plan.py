# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan as a task sees it: what the decision needs of the controller, all problems at once, and no secret."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from unit.plugins.action.bench import Connection, run, texts
from unit.plugins.plugin_utils.officers import hire
from unit.plugins.plugin_utils.recorded_server import PASSWORD
from unit.plugins.plugin_utils.test_failover import failed_over, healthy

from ansible_collections.opsmgr.recovery.plugins.module_utils.versions import R2
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.key_escrow import open_escrow, seal_for_writing
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.store import BackupOrigin

PASSPHRASE = "seal it well & twice"


def plan(situation: dict[str, Any], **arguments: Any) -> dict[str, Any]:
    seen = {name: situation[name] for name in ("hydra", "deathsting", "kraken")}
    looks = [
        {"item": name, "server": server, "reachability": "reachable" if server else "silent"}
        for name, server in seen.items()
    ]
    given = {
        "target": "deathsting",
        "management_group": "ODYSSEY",
        "inventory_rms": ["hydra"],
        "servers": looks,
        "database": situation["database"],
    }
    result = run(
        "rms_failover_plan",
        Connection(None, AssertionError("was opened"), transport="local"),
        check_mode=True,
        **{**given, **arguments},
    )
    assert not any(secret in text for text in texts(result) for secret in (PASSWORD, PASSPHRASE))
    return result


def disaster(escrow: Path, **arguments: Any) -> dict[str, Any]:
    return plan(
        {**healthy(), "hydra": None}, mode="disaster", escrow=str(escrow), backup_password=PASSWORD, **arguments
    )


def test_a_planned_failover_needs_a_place_for_the_backup_and_its_password(tmp_path: Path) -> None:
    result = plan(healthy(), escrow=str(tmp_path / "new" / "escrow"), backup_password=PASSWORD)
    assert (result["problems"], result["changed"], result["backup"], result["old_rms"]) == ([], False, None, "hydra")
    assert not (tmp_path / "new").exists()


def test_all_problems_of_the_controller_are_found_at_once() -> None:
    assert plan(healthy(), seal_passphrase=" blank ")["problems"] == [
        "controller: preflight: no backup password is given. Set rms_failover_backup_password (from a vault).",
        "controller: seal the key backup: the seal passphrase is empty or begins or ends with white space. "
        "Choose another one: ansible-vault could not be given this one at its prompt.",
        "controller: preflight: no escrow directory is given. Set rms_failover_escrow.",
    ]


def test_an_escrow_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    [problem] = plan(healthy(), escrow=str(tmp_path / "file" / "escrow"), backup_password=PASSWORD)["problems"]
    assert "is not a directory that this user may write to" in problem


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("failover.html", None),
        ("failover.htm", "its name does not end in .html"),
        ("taken.html", "it is a directory"),
        ("nowhere/failover.html", "/nowhere is not a directory that this user may write to"),
        ("file/failover.html", "/file is not a directory that this user may write to"),
    ],
)
def test_a_place_for_the_report_that_does_not_do(tmp_path: Path, name: str, sentence: str | None) -> None:
    (tmp_path / "taken.html").mkdir()
    (tmp_path / "file").write_text("")
    problems = plan(failed_over(), report=str(tmp_path / name))["problems"]
    if sentence is None:
        assert problems == []
    else:
        assert problems[0].startswith(f"controller: preflight: the report {tmp_path / name} cannot be written: ")
        assert problems[0].endswith(f"{sentence}. Set rms_failover_report to a file that can be, or leave it out.")


def test_a_finished_failover_needs_no_key() -> None:
    assert plan(failed_over())["problems"] == []


@pytest.mark.parametrize(
    ("seal", "passphrase", "sentence"),
    [
        (None, None, None),
        (PASSPHRASE, PASSPHRASE, None),
        (PASSPHRASE, None, "is sealed with a passphrase and none was given. Give seal_passphrase."),
        (PASSPHRASE, "another one", "the seal passphrase does not open it"),
        (PASSPHRASE, " blank ", "the seal passphrase is empty or begins or ends with white space"),
    ],
)
def test_in_a_disaster_the_backup_is_opened_before_anything_is_done(
    tmp_path: Path, seal: str | None, passphrase: str | None, sentence: str | None
) -> None:
    origin = BackupOrigin("ODYSSEY", "HYDRA", R2, datetime(2026, 3, 1, tzinfo=timezone.utc))
    open_escrow(str(tmp_path)).store(b"key file", origin, seal_for_writing(seal))
    result = disaster(tmp_path, **({} if passphrase is None else {"seal_passphrase": passphrase}))
    assert len(result["problems"]) == (sentence is not None)
    assert sentence is None or sentence in result["problems"][0]
    assert sentence is not None or result["backup"]["server"] == "HYDRA"


def test_in_a_disaster_without_a_backup(tmp_path: Path) -> None:
    [problem] = disaster(tmp_path)["problems"]
    assert problem.startswith("controller: choose a key backup:")


def test_in_a_disaster_a_backup_sealed_for_certificates_is_opened_too(tmp_path: Path) -> None:
    anna, stranger = hire(tmp_path, "anna"), hire(tmp_path, "stranger")
    origin = BackupOrigin("ODYSSEY", "HYDRA", R2, datetime(2026, 3, 1, tzinfo=timezone.utc))
    escrow = tmp_path / "escrow"
    open_escrow(str(escrow)).store(b"key file", origin, seal_for_writing(None, [str(anna.certificate)]))
    found = disaster(escrow, seal_private_key=str(anna.private_key))
    assert (found["problems"], found["backup"]["seal"]) == ([], "cms")
    for given, sentence in (
        ({}, "and no private key was given. Give seal_private_key"),
        ({"seal_private_key": str(stranger.private_key)}, "the private key is of none of those it was sealed for"),
        ({"seal_private_key": "/nowhere/anna.key"}, "/nowhere/anna.key: No such file or directory"),
    ):
        [problem] = disaster(escrow, **given)["problems"]
        assert sentence in problem


@pytest.mark.parametrize(
    ("lock", "answers", "told"),
    [
        ({}, True, False),
        ({"held": True, "problem": None}, True, False),
        ({"msg": "it is held by somebody", "problem": "it is held"}, False, True),
        ({"msg": "the login may not alter it"}, True, True),
        # The database's own problem says it.
        ({"msg": "nobody answers"}, False, False),
    ],
)
def test_a_group_that_is_not_reserved_for_this_run(lock: dict[str, Any], answers: bool, told: bool) -> None:
    situation = healthy()
    situation["database"]["reachable"] = answers
    assert (lock.get("msg", "nothing") in plan(situation, lock=lock)["problems"]) == told
