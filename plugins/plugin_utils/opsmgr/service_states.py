# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bringing services into a wanted state: first start modes, then stops, then starts, then proof that what runs keeps
running.

Private to opsmgr.recovery.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.events import events_of
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.server import (
    CONFIG_SERVICE,
    HEALTH_SERVICE,
    SDK_SERVICE,
    OpsMgrHost,
    RoleSeen,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.windows.host import (
    ServiceChange,
    ServiceState,
    WindowsHost,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.windows.service_turns import ServiceTurn, take_turns

# OMCFG needs OMSDK, so it stops first and starts last [assumed]; the Health Service uses both.
STOP_ORDER = (HEALTH_SERVICE, CONFIG_SERVICE, SDK_SERVICE)
START_ORDER = tuple(reversed(STOP_ORDER))


@dataclass(frozen=True)
class Wanted:
    """A wanted state. start_mode None leaves the start mode as it is."""

    state: str
    start_mode: str | None

    @property
    def text(self) -> str:
        """How the diff shows it."""
        return ", ".join(part for part in (self.state, self.start_mode) if part)

    def holds(self, service: ServiceState) -> bool:
        """Whether a service is so."""
        return service.state == self.state and self.start_mode in (None, service.start_mode)


WANTED = {
    "running": Wanted("running", "auto"),
    "stopped": Wanted("stopped", None),
    "disabled": Wanted("stopped", "disabled"),
}


def to_change(step: str, services: t.Mapping[str, ServiceState], wanted: t.Mapping[str, str]) -> dict[str, str]:
    """The part of `wanted` that is not so yet.

    :raises OpsmgrError: a service does not exist
    """
    missing = [name for name in wanted if not services[name].exists]
    if missing:
        raise OpsmgrError(
            step,
            f"there is no service {' and no service '.join(missing)} here",
            "Check that this is an Operations Manager management server",
        )
    return {name: state for name, state in wanted.items() if not WANTED[state].holds(services[name])}


def bring_about(
    windows: WindowsHost, step: str, todo: t.Mapping[str, str], timeout_seconds: float, stable_seconds: int
) -> dict[str, ServiceState]:
    """Change services and wait until they are as wanted; return them as seen last.

    :raises OpsmgrError: a service does not get there in time, or does not stay there for stable_seconds
    """
    targets = {name: WANTED[state].state for name, state in todo.items()}
    # One after the other: a service that another running one depends on refuses to stop (1051).
    stopping = [ServiceTurn(name, "stopped") for name in STOP_ORDER if targets.get(name) == "stopped"]
    starting = [ServiceTurn(name, "running") for name in START_ORDER if targets.get(name) == "running"]
    stable = stable_seconds if starting else 0
    taken = take_turns(windows, [*stopping, *starting], timeout_seconds, _start_modes(todo), stable)
    return _require_states(step, targets, taken.states)


def restart_health_service(
    opsmgr: OpsMgrHost, step: str, timeout_seconds: float, services: t.Sequence[str] = ()
) -> RoleSeen:
    """Let the Health Service start over, by which it becomes what the database says [book]. Return what the registry said
    right after that, with the Health Service and `services`.

    :raises OpsmgrError: it does not stop or start in time
    """
    turns = [ServiceTurn(HEALTH_SERVICE, state) for state in ("stopped", "running")]
    others = [name for name in services if name != HEALTH_SERVICE]
    taken = take_turns(
        opsmgr.windows, turns, timeout_seconds, also=lambda questions: opsmgr.ask_role(questions, others)
    )
    # One that did not stop may be seen running, and was not restarted.
    target = taken.unfinished or turns[-1]
    _require_states(step, {target.name: target.state}, taken.states)
    seen = opsmgr.read_role(taken.answers, others)
    return replace(seen, services={**seen.services, **taken.states})


def _start_modes(todo: t.Mapping[str, str]) -> list[ServiceChange]:
    modes = {name: WANTED[state].start_mode for name, state in todo.items()}
    return [ServiceChange.start_mode(name, mode) for name, mode in modes.items() if mode is not None]


def _require_states(
    step: str, targets: t.Mapping[str, str], states: dict[str, ServiceState]
) -> dict[str, ServiceState]:
    wrong = {name: states[name].state for name, state in targets.items() if states[name].state != state}
    if not wrong:
        return states
    found = ", ".join(f"{name} is {state} and not {targets[name]}" for name, state in wrong.items())
    raise OpsmgrError(step, found, _advice(wrong))


def _advice(wrong: t.Mapping[str, str | None]) -> str:
    if SDK_SERVICE in wrong:
        return (
            f"Check the Operations Manager event log there{events_of([SDK_SERVICE])}: most often the database cannot be reached, "
            "or the key on this server is not the key of the management group"
        )
    return f"Check the Operations Manager and System event logs there{events_of(wrong)}, then rerun"


def describe(services: t.Mapping[str, ServiceState], names: t.Iterable[str]) -> dict[str, str]:
    """State and start mode as text, for results and diffs."""
    return {name: f"{services[name].state}, {services[name].start_mode}" for name in names}
