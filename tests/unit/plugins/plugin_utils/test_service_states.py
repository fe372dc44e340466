# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order of stops and starts, and services that do not do as they are told."""

from __future__ import annotations

import re

import pytest
from unit.plugins.plugin_utils.doubles import Clock
from unit.plugins.plugin_utils.recorded_server import RecordedServer

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.events import events_of
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.service_states import (
    bring_about,
    describe,
    to_change,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.windows.host import ServiceState, WindowsHost
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs import shell as winrs
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.shell import Shell

ALL = ("HealthService", "OMSDK", "OMCFG")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(winrs, "time", clock)
    return clock


def orders(recorded: RecordedServer) -> list[str]:
    return re.findall(r"\bsc ((?:config|start|stop) [^)]*)\)", " ".join(recorded.commands))


def change(
    recorded: RecordedServer, todo: dict[str, str], timeout: float = 60, stable: int = 5
) -> dict[str, ServiceState]:
    return bring_about(WindowsHost(Shell(recorded.protocol, "shell-1")), "set services", todo, timeout, stable)


def test_what_runs_is_stopped_from_the_top(clock: Clock) -> None:
    recorded = RecordedServer(clock)
    states = change(recorded, dict.fromkeys(reversed(ALL), "stopped"))
    assert orders(recorded) == ["stop HealthService", "stop OMCFG", "stop OMSDK"]
    assert {state.state for state in states.values()} == {"stopped"}
    assert {state.start_mode for state in states.values()} == {"auto"}, "stopped leaves the start mode as it is"


def test_what_is_down_is_started_from_the_bottom_after_its_start_mode_is_set(clock: Clock) -> None:
    recorded = RecordedServer(clock, services=dict.fromkeys(ALL, ("stopped", "disabled")))
    states = change(recorded, dict.fromkeys(ALL, "running"))
    assert sorted(orders(recorded)[:3]) == [
        "config HealthService start= auto",
        "config OMCFG start= auto",
        "config OMSDK start= auto",
    ]
    assert orders(recorded)[3:] == ["start OMSDK", "start OMCFG", "start HealthService"]
    assert set(states.values()) == {ServiceState("running", "auto")}


def test_stops_come_before_starts(clock: Clock) -> None:
    recorded = RecordedServer(clock, services={"HealthService": ("stopped", "auto")})
    change(recorded, {"HealthService": "running", "OMSDK": "disabled"})
    assert [order for order in orders(recorded) if "config" not in order] == ["stop OMSDK", "start HealthService"]
    assert recorded.services["OMSDK"] == ("stopped", "disabled")


def test_a_service_that_does_not_stay_up(clock: Clock) -> None:
    recorded = RecordedServer(clock, services={"OMSDK": ("stopped", "auto")})

    def ends_meanwhile(command: str) -> tuple[bool, str]:
        if "ping -n 6 " in command:
            recorded.services["OMSDK"] = ("stopped", "auto")
        return RecordedServer._answer(recorded, command)

    recorded._answer = ends_meanwhile  # type: ignore[method-assign]
    with pytest.raises(OpsmgrError) as caught:
        change(recorded, {"OMSDK": "running"})
    assert (caught.value.step, caught.value.found) == ("set services", "OMSDK is stopped and not running")
    assert re.findall(r"\b\d{4,5}\b", caught.value.what_to_do) == ["26322", "26380", "26371"]
    assert "the database cannot be reached, or the key on this server is not the key of" in caught.value.what_to_do


def test_a_service_that_never_comes_up_is_waited_for_in_time(clock: Clock) -> None:
    recorded = RecordedServer(clock, services={"HealthService": ("start_pending", "auto")})

    def stuck(command: str) -> tuple[bool, str]:
        return (True, "") if "sc start" in command else RecordedServer._answer(recorded, command)

    recorded._answer = stuck  # type: ignore[method-assign]
    with pytest.raises(
        OpsmgrError,
        match=r"HealthService is start_pending and not running. Check the Operations Manager and System event logs",
    ):
        change(recorded, {"HealthService": "running"}, timeout=60)
    assert 60 <= clock.now - 1000 <= 120


@pytest.mark.parametrize(
    ("wanted", "todo"),
    [
        ({"OMSDK": "running"}, {}),
        ({"OMSDK": "stopped"}, {"OMSDK": "stopped"}),
        ({"OMCFG": "disabled", "HealthService": "stopped"}, {"OMCFG": "disabled"}),
        ({"OMCFG": "stopped"}, {}),
        ({"OMCFG": "running"}, {"OMCFG": "running"}),
    ],
)
def test_only_what_is_not_so_yet_is_changed(wanted: dict[str, str], todo: dict[str, str]) -> None:
    services = {
        "OMSDK": ServiceState("running", "auto"),
        "OMCFG": ServiceState("stopped", "auto"),
        "HealthService": ServiceState("stopped", "demand"),
    }
    assert to_change("set services", services, wanted) == todo


def test_services_that_are_missing_are_all_named() -> None:
    services = {
        "OMSDK": ServiceState(None, None),
        "OMCFG": ServiceState(None, None),
        "HealthService": ServiceState("running", "auto"),
    }
    with pytest.raises(OpsmgrError, match="set services: there is no service OMSDK and no service OMCFG here"):
        to_change("set services", services, dict.fromkeys(services, "running"))
    assert describe(services, ["HealthService"]) == {"HealthService": "running, auto"}


@pytest.mark.parametrize(
    ("services", "numbers"),
    [
        (["OMCFG"], ["29112", "29104"]),
        (["HealthService"], ["7022"]),
        (["healthservice", "omcfg", "OMSDK"], ["26322", "26380", "26371", "29112", "29104", "7022"]),
        (["RMS Disk"], []),
        ([], []),
    ],
)
def test_the_events_of_each_service(services: list[str], numbers: list[str]) -> None:
    assert re.findall(r"\b\d{4,5}\b", events_of(services)) == numbers
