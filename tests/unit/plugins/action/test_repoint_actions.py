# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The actions that repoint: whole results on failure, nothing opened for options that cannot be right."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleActionFail
from unit.plugins.action.bench import Connection, run
from unit.plugins.plugin_utils.doubles import Clock, fault
from unit.plugins.plugin_utils.recorded_server import RecordedServer

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.actions import windows as action_base
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs import shell as winrs

RMS = "deathsting.odyssey.com"
FILE = {"path", "changes", "untouched", "backup"}
ACTIONS: dict[str, set[str]] = {
    "console_rms": {"registry", "registry_before"},
    "reporting_server_rms": FILE | {"instance", "registry", "registry_before", "service", "restarted", "warnings"},
    "web_console_rms": FILE,
}


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(winrs, "time", clock)
    monkeypatch.setattr(action_base, "time", clock)
    return clock


@pytest.mark.parametrize("check_mode", [False, True])
@pytest.mark.parametrize("name", ACTIONS)
def test_a_failure_has_the_whole_result_and_closes_the_shell(clock: Clock, name: str, check_mode: bool) -> None:
    recorded = RecordedServer(clock)
    recorded.protocol.start_error = fault(5, "Access is denied.")
    connection = Connection(recorded)
    result = run(name, connection, check_mode, rms=RMS)
    assert ACTIONS[name] | {"changed", "failed", "msg", "started_at", "elapsed_seconds"} <= result.keys()
    assert (result["changed"], result["failed"]) == (False, True)
    assert connection.closed_shells == ["shell-1"]


@pytest.mark.parametrize("name", ACTIONS)
def test_an_account_that_is_no_administrator(clock: Clock, name: str) -> None:
    recorded = RecordedServer(clock, administrator=False)
    result = run(name, Connection(recorded), rms=RMS)
    assert "the account is not an administrator of this server" in result["msg"]
    assert len(recorded.commands) == 1


@pytest.mark.parametrize("name", ["console_rms", "web_console_rms"])
def test_a_computer_without_operations_manager(clock: Clock, name: str) -> None:
    result = run(name, Connection(RecordedServer(clock, installed=False)), rms=RMS)
    assert "no component of Operations Manager is installed here" in result["msg"]


@pytest.mark.parametrize("check_mode", [False, True])
@pytest.mark.parametrize("name", ACTIONS)
def test_options_are_checked_before_anything_is_opened(name: str, check_mode: bool) -> None:
    connection = Connection(None, AssertionError("was opened"))
    with pytest.raises(AnsibleActionFail, match="rms"):
        run(name, connection, check_mode)
    result: dict[str, Any] = run(name, connection, check_mode, rms="deathsting")
    assert "'deathsting' is not usable as a server's name: it has no domain" in result["msg"]
