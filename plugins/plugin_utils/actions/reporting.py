# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The SQL Server Reporting Services that Operations Manager's reports are on: where it is, and its restart.

Private to opsmgr.recovery.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.actions.repoint import values_of
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.windows.host import (
    ServiceState,
    WindowsHost,
    directory_join,
    quote,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.windows.service_turns import ServiceTurn, take_turns

# [field] instance name -> MSSQL.2 (SQL Server 2005), MSRS10.X or MSRS10_50.X (2008, R2); below that Setup\SQLPath.
SQL_SERVER_KEY = r"HKLM\SOFTWARE\Microsoft\Microsoft SQL Server"
INSTANCES_KEY = SQL_SERVER_KEY + r"\Instance Names\RS"
CONFIGURATION_FILE = r"ReportServer\rsreportserver.config"
DEFAULT_INSTANCE = "MSSQLSERVER"
# Our own mark on the server: something was changed and the service was not restarted since.
RESTART_MARK_KEY = r"HKLM\SOFTWARE\opsmgr.recovery.reporting"
RESTART_MARK_VALUE = "RestartNeeded"

# [ms] letters, digits, # $ and _: it becomes part of a service's key name.
_INSTANCE = re.compile(r"[\w#$]{1,16}")
_ADVICE = "Name the instance of Reporting Services in the option instance"


@dataclass(frozen=True)
class ReportingServices:
    """One instance of Reporting Services: its configuration file, and the key name and the state of its service."""

    configuration: str
    service: str
    state: ServiceState


def service_of(instance: str) -> str:
    """Key name of an instance's service [ms]."""
    return "ReportServer" if instance.upper() == DEFAULT_INSTANCE else f"ReportServer${instance}"


def choose_instance(step: str, instances: t.Iterable[str], wanted: str | None, registered: str | None) -> str:
    r"""The name of an instance: as wanted, else the one that OpsMgr Reporting uses, else the only one.

    :param registered: SRSInstance: HOST, HOST\INSTANCE or INSTANCE [field, the last two assumed]
    :raises OpsmgrError: no such instance exists, or it cannot be told which
    """
    known = {name.upper(): name for name in instances}
    there = ", ".join(known.values()) or "none"
    if wanted:
        named = [wanted.rpartition("\\")[2]]
    elif registered:
        # A name without a backslash is an instance, or the computer, which then means the default instance.
        named = [registered.rpartition("\\")[2], *([] if "\\" in registered else [DEFAULT_INSTANCE])]
    else:
        named = list(known) if len(known) == 1 else []
    found = next((known[name.upper()] for name in named if name.upper() in known), None)
    if found is None:
        asked = (
            f"no instance {wanted or registered} of Reporting Services"
            if wanted or registered
            else "not exactly one instance of Reporting Services"
        )
        raise OpsmgrError(step, f"there is {asked} here; the registry lists: {there}", _ADVICE)
    if not _INSTANCE.fullmatch(found):
        raise OpsmgrError(step, f"{found!r} is not a name of an instance", _ADVICE)
    return found


def locate(windows: WindowsHost, step: str, instance: str, identity: str, path: str | None) -> ReportingServices:
    """An instance with its configuration file, at `path` if given, else where its Setup says.

    :raises OpsmgrError: there is no such service, or the registry does not say where the file is
    """
    service, key = service_of(instance), f"{SQL_SERVER_KEY}\\{identity}\\Setup"
    questions = windows.questions()
    questions.ask("setup", f"reg query {quote(key)}")
    windows.ask_services(questions, [service])
    answers = windows.ask(questions)
    state = windows.read_services(answers, [service])[service]
    if not state.exists:
        raise OpsmgrError(step, f"there is no service {service} here", _ADVICE)
    folder = values_of(answers["setup"].text, key).get("sqlpath")
    if path:
        return ReportingServices(path, service, state)
    if not folder:
        found = f"the registry does not say where Reporting Services is: SQLPath below {key} is missing"
        raise OpsmgrError(step, found, "Name the file rsreportserver.config in the option path")
    return ReportingServices(directory_join(folder, CONFIGURATION_FILE), service, state)


def restart(windows: WindowsHost, step: str, service: str, timeout_seconds: float, stable_seconds: int) -> ServiceState:
    """Restart a service; return it as seen last, some seconds after it has started.

    :raises OpsmgrError: it does not stop, or is refused to start
    """
    turns = [ServiceTurn(service, state) for state in ("stopped", "running")]
    taken = take_turns(windows, turns, timeout_seconds, stable_seconds=stable_seconds)
    state = taken.states[service]
    if taken.unfinished == turns[0]:
        raise OpsmgrError(
            step,
            f"{service} is {state.state} and does not stop",
            "Check the System event log there, then rerun",
        )
    return state
