# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""sql_server_services: the database engine and the agent of an instance run, if they start by themselves."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.actions.windows import (
    Arguments,
    Facts,
    OpsmgrAction,
    Work,
    changing,
    diff,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.windows.host import ServiceState
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.windows.service_turns import ServiceTurn, take_turns

STEP = "start the SQL Server services"
RUNNING = "running"
STOPPED = "stopped"
AUTOMATIC = "auto"
# The names of an instance's two services, the engine's first [ms].
DEFAULT_SERVICES = ("MSSQLSERVER", "SQLSERVERAGENT")
NAMED_SERVICES = ("MSSQL${instance}", "SQLAgent${instance}")


class ActionModule(OpsmgrAction):
    STEP = STEP
    SPEC: t.ClassVar[dict[str, dict[str, t.Any]]] = {
        "instance": {"type": "str"},
        "timeout": {"type": "float", "default": 120.0},
    }
    RESULT = {"services": {}}

    def check_arguments(self, arguments: Arguments) -> None:
        # At most 16 characters, of which the first is a letter or an underscore [ms].
        if arguments["instance"] is not None and not re.fullmatch(
            r"[A-Za-z_][A-Za-z0-9_$]{0,15}", arguments["instance"]
        ):
            raise OpsmgrError(
                STEP,
                f"{arguments['instance']!r} is not the name of an instance",
                "Give the name without the server, such as OPSMGR",
            )

    def act(self, work: Work) -> None:
        names = _names(work.arguments["instance"])
        services = work.opsmgr.windows.services(names)
        work.result["services"] = _shown(services)
        stopped = [name for name in names if services[name].state == STOPPED]
        todo = [name for name in stopped if services[name].start_mode == AUTOMATIC]
        _require_engine(names[0], services[names[0]])
        after = services
        if todo and not work.check_mode:

            def look() -> Facts:
                return {"services": _shown(work.opsmgr.windows.services(names))}

            with changing(work, {"services": _shown(services)}, look):
                after = _start(work, services, todo)
        predicted = _shown(after)
        if work.check_mode:
            predicted.update(dict.fromkeys(todo, f"{RUNNING}, {AUTOMATIC}"))
        work.result.update(
            changed=bool(todo), services=_shown(after), diff=diff(_shown(services), predicted, "services of SQL Server")
        )


def _names(instance: str | None) -> tuple[str, ...]:
    if instance is None or instance.upper() == DEFAULT_SERVICES[0]:
        return DEFAULT_SERVICES
    return tuple(name.format(instance=instance) for name in NAMED_SERVICES)


def _require_engine(name: str, engine: ServiceState) -> None:
    if not engine.exists:
        raise OpsmgrError(
            STEP, f"there is no service {name} here", "Check that this is the SQL Server, and the option instance"
        )
    if engine.state == STOPPED and engine.start_mode != AUTOMATIC:
        found = f"{name} is stopped, and its start mode is {engine.start_mode}"
        raise OpsmgrError(
            STEP, found, "Start it the way it is meant to be started; on a cluster, bring its group online"
        )


def _start(work: Work, before: t.Mapping[str, ServiceState], todo: t.Sequence[str]) -> dict[str, ServiceState]:
    """Start one after the other: the agent needs the engine."""
    turns = [ServiceTurn(name, RUNNING) for name in todo]
    states = take_turns(work.opsmgr.windows, turns, work.arguments["timeout"]).states
    for name in todo:
        if states[name].state != RUNNING:
            raise OpsmgrError(
                STEP,
                f"{name} is {states[name].state} and not {RUNNING}",
                "Check the error log of SQL Server and the System event log there",
            )
    return {**before, **states}


def _shown(services: t.Mapping[str, ServiceState]) -> dict[str, str | None]:
    shown: dict[str, str | None] = dict.fromkeys(services)
    shown.update({name: f"{each.state}, {each.start_mode}" for name, each in services.items() if each.exists})
    return shown
