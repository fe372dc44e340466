# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task refuses although every step before it went well: without one of these refusals, a key or a role is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from unit.plugins.action.bench import Connection, run
from unit.plugins.plugin_utils.doubles import Clock, Ends, Happens, Hears
from unit.plugins.plugin_utils.recorded_server import KEY, PASSWORD, WARNING, R, RecordedServer, fetched

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.actions import windows as action_base
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs import shell as winrs

ILIAD = f"{R}\\Server Management Groups\\ILIAD\r\n    IsRootHealthService    REG_DWORD    0x0\r\n"
WITH_CLUSTER = {"services": {"ClusSvc": ("running", "auto")}}


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(winrs, "time", clock)
    monkeypatch.setattr(action_base, "time", clock)
    return clock


def backup_of_odyssey(clock: Clock, escrow: Path) -> dict[str, Any]:
    recorded = RecordedServer(clock)
    recorded.backs_up(fetched(KEY))
    result = run("secure_storage_backup", Connection(recorded), escrow=str(escrow), backup_password=PASSWORD)
    assert result["changed"], result
    backup: dict[str, Any] = result["backup"]
    return backup


@pytest.mark.parametrize("check_mode", [False, True])
def test_the_key_of_another_management_group_is_not_restored(clock: Clock, tmp_path: Path, check_mode: bool) -> None:
    backup = backup_of_odyssey(clock, tmp_path)
    recorded = RecordedServer(clock, is_rms=False, fingerprint=None, groups=ILIAD)
    options = {"escrow": str(tmp_path), "backup_password": PASSWORD, "backup": backup}
    result = run("secure_storage_restore", Connection(recorded), check_mode, **options)
    assert (result["failed"], result["changed"]) == (True, False)
    assert "management group ODYSSEY" in result["msg"]
    assert "belongs to ILIAD" in result["msg"]
    assert not recorded.ran("exe Restore")


def test_without_the_key_a_server_is_not_promoted(clock: Clock) -> None:
    recorded = RecordedServer(clock, is_rms=False, fingerprint=None)
    recorded.scripts["PromoteRMS"] = [WARNING, Hears(b"Y\r"), Ends()]
    result = run("rms_promotion", Connection(recorded), existing_rms_clustered=False)
    assert (result["failed"], result["changed"], result["past_point_of_no_return"]) == (True, False, False)
    assert "the group's key is not on this server" in result["msg"]
    assert not recorded.ran("PromoteRMS")


def test_a_node_that_calls_itself_rms_is_promoted_all_the_same(clock: Clock) -> None:
    """A node of a clustered RMS does so at all times, also while another server has the role."""
    recorded = RecordedServer(clock, is_rms=True, **WITH_CLUSTER)
    recorded.scripts["PromoteRMS"] = [WARNING, Hears(b"Y\r"), Ends()]
    result = run("rms_promotion", Connection(recorded), delete_existing_rms=False)
    assert (result["changed"], result["past_point_of_no_return"]) == (True, True)
    assert recorded.ran("PromoteRMS")


@pytest.mark.parametrize("meanwhile", [{"is_rms": True}, {"groups": ILIAD}], ids=["it is the RMS", "another group"])
def test_a_registry_that_changed_while_the_tool_asked_is_not_answered(clock: Clock, meanwhile: dict[str, Any]) -> None:
    recorded = RecordedServer(clock, is_rms=False)
    changes = Happens(lambda: vars(recorded).update(meanwhile))
    recorded.scripts["PromoteRMS"] = [changes, WARNING, Hears(b"Y\r"), Ends()]
    result = run("rms_promotion", Connection(recorded), existing_rms_clustered=False)
    assert (result["failed"], result["changed"], result["past_point_of_no_return"]) == (True, False, False)
    assert "the registry of this server has changed meanwhile" in result["msg"]
    [tool] = [
        program
        for program, command in zip(recorded.protocol.programs, recorded.commands, strict=True)
        if "PromoteRMS" in command
    ]
    assert not tool.typed
