# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services that stop and start one after the other, quickly, slowly, or not at all."""

from __future__ import annotations

import re

import pytest
from unit.plugins.plugin_utils.doubles import Clock
from unit.plugins.plugin_utils.recorded_server import RecordedServer

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.windows.host import WindowsHost
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.windows.service_turns import (
    ServiceTurn,
    TurnsTaken,
    take_turns,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs import shell as winrs
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.shell import Shell

STOP_HEALTH = ServiceTurn("HealthService", "stopped")
START_HEALTH = ServiceTurn("HealthService", "running")
STOP_SDK = ServiceTurn("OMSDK", "stopped")
START_SDK = ServiceTurn("OMSDK", "running")
START_CONFIG = ServiceTurn("OMCFG", "running")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(winrs, "time", clock)
    return clock


class SlowServer(RecordedServer):
    """A server whose services are pending for some commands before they come to a state."""

    pending: dict[str, int]
    refused: dict[str, int]
    # By service, after how many commands it comes to which state.
    arriving: dict[str, tuple[int, str]]

    def _sc(self, command: str) -> tuple[bool, str]:
        order = re.match(r"sc (start|stop) (\S+)", command)
        if order is None:
            return super()._sc(command)
        verb, name = order.groups()
        if name in self.refused:
            return False, f"[SC] ControlService FAILED {self.refused[name]}:\r\n"
        target, mode = {"start": "running", "stop": "stopped"}[verb], self.services[name][1]
        self.arriving[name] = (self.pending.get(name, 0), target)
        self.services[name] = (f"{verb}_pending" if self.pending.get(name) else target, mode)
        return True, ""

    def next_command(self) -> None:
        for name, (commands, target) in list(self.arriving.items()):
            self.arriving[name] = (commands - 1, target)
            if commands == 1:
                self.services[name] = (target, self.services[name][1])


def slow(clock: Clock, pending: dict[str, int] | None = None, refused: dict[str, int] | None = None) -> SlowServer:
    server = SlowServer(clock)
    server.pending, server.refused, server.arriving = pending or {}, refused or {}, {}
    respond = server.protocol._respond

    def answer(command: str) -> object:
        server.next_command()
        return respond(command)

    server.protocol._respond = answer  # type: ignore[assignment]
    return server


def take(server: RecordedServer, *turns: ServiceTurn, timeout: float = 60, stable: int = 0) -> TurnsTaken:
    return take_turns(WindowsHost(Shell(server.protocol, "shell-1")), turns, timeout, stable_seconds=stable)


def orders(server: RecordedServer) -> list[list[str]]:
    """The orders in each command."""
    return [re.findall(r"\bsc ((?:start|stop) \w+)\)", command) for command in server.commands]


def test_a_restart_is_one_command(clock: Clock) -> None:
    server = slow(clock)
    taken = take(server, STOP_HEALTH, START_HEALTH)
    assert orders(server) == [["stop HealthService", "start HealthService"]]
    assert taken.unfinished is None
    assert taken.states["HealthService"].state == "running"


def test_what_stops_slowly_is_started_by_a_later_command_and_ordered_once(clock: Clock) -> None:
    server = slow(clock, pending={"HealthService": 2})
    taken = take(server, STOP_HEALTH, START_HEALTH)
    assert [order for command in orders(server) for order in command].count("stop HealthService") == 1
    assert taken.unfinished is None
    assert taken.states["HealthService"].state == "running"


def test_the_next_has_no_turn_before_the_one_before_has_come_to_its_end(clock: Clock) -> None:
    server = slow(clock, pending={"OMSDK": 100})
    taken = take(server, START_SDK, START_CONFIG, timeout=0)
    assert taken.unfinished == START_SDK
    assert taken.states["OMSDK"].state == "start_pending"
    assert "OMCFG" not in server.arriving


def test_one_that_never_stops_was_not_restarted(clock: Clock) -> None:
    server = slow(clock, refused={"HealthService": 1061})
    taken = take(server, STOP_HEALTH, START_HEALTH, timeout=20)
    assert taken.unfinished == STOP_HEALTH
    assert taken.states["HealthService"].state == "running"


def test_a_refused_order_is_an_error(clock: Clock) -> None:
    with pytest.raises(OpsmgrError) as caught:
        take(slow(clock, refused={"OMSDK": 5}), STOP_HEALTH, STOP_SDK)
    assert caught.value.step == "stop service OMSDK"
    assert "error 5" in caught.value.found


def test_each_turn_has_the_whole_time(clock: Clock) -> None:
    server = slow(clock, pending={"HealthService": 30, "OMSDK": 30})
    taken = take(server, STOP_HEALTH, STOP_SDK, timeout=40)
    assert taken.unfinished is None
    assert {state.state for state in taken.states.values()} == {"stopped"}


def test_after_the_last_turn_it_waits_whether_it_stays_so(clock: Clock) -> None:
    server = slow(clock)
    take(server, START_SDK, stable=7)
    assert "ping -n 8 127.0.0.1" in server.commands[-1]


def test_services_have_their_turns_before_the_server_is_asked_what_came_of_them(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked at once, it would answer once for each turn."""
    pauses: list[float] = []
    monkeypatch.setattr(clock, "sleep", pauses.append)
    take(slow(clock), STOP_HEALTH, START_HEALTH, stable=5)
    assert pauses == [winrs.SETTLE_SECONDS + 2 + 5]
