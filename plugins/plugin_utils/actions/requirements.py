# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which libraries the steps of a run need on the controller: asked before the first of them, because a later one may be
past the point of no return.

Private to opsmgr.recovery. What is asked in a preflight anyway says for itself what it lacks: SQL Server and its ODBC
driver, and every seal.
"""

from __future__ import annotations

import importlib
import sys
import typing as t
from dataclasses import dataclass

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import CONTROLLER, error_sentence

STEP = "preflight"
WINRM = "winrm"
_NAMED = 4


@dataclass(frozen=True)
class Library:
    """A library for the Python that runs Ansible: what is imported, what is installed, and what for."""

    module: str
    package: str
    purpose: str


PYWINRM = Library("winrm.protocol", "pywinrm", "talks to")
PYODBC = Library("pyodbc", "pyodbc", "asks SQL Server for")
TRANSPORTS = {
    "ntlm": Library("requests_ntlm", "requests-ntlm", "logs on with NTLM to"),
    "kerberos": Library("kerberos", "pywinrm[kerberos]", "logs on with Kerberos to"),
    "credssp": Library("requests_credssp", "pywinrm[credssp]", "logs on with CredSSP to"),
}


@dataclass(frozen=True)
class InventoryHost:
    """How the inventory says that a host is connected to; None and empty where it does not say it."""

    name: str
    connection: str | None = None
    transports: t.Sequence[str] = ()

    @classmethod
    def of(cls, name: str, variables: t.Mapping[str, t.Any]) -> InventoryHost:
        """From a host's variables, with the default that ansible-core's winrm has."""
        given = variables.get("ansible_winrm_transport") or []
        transports = given.split(",") if isinstance(given, str) else given
        if not transports and "@" in str(variables.get("ansible_user") or ""):
            transports = ["kerberos"]
        connection = variables.get("ansible_connection")
        return cls(
            name, None if connection is None else str(connection), tuple(str(each).strip() for each in transports)
        )


def can_be_imported(module: str) -> bool:
    """Whether it is there and works: a library that was built for another Python is there and does not."""
    try:
        importlib.import_module(module)
    except (ImportError, OSError):
        return False
    return True


def requirement_problems(
    hosts: t.Sequence[InventoryHost],
    importable: t.Callable[[str], bool] = can_be_imported,
    *,
    sql: bool = False,
) -> list[str]:
    """What is missing for a run that talks to `hosts` and, with `sql`, asks SQL Server."""
    needed: dict[Library, list[str]] = {}
    for host in hosts:
        for library in (PYWINRM, *(TRANSPORTS[each] for each in host.transports if each in TRANSPORTS)):
            needed.setdefault(library, []).append(host.name)
    if sql:
        needed[PYODBC] = ["the operational database"]
    problems = [_missing(library, names) for library, names in needed.items() if not importable(library.module)]
    return problems + [_wrong_connection(host) for host in hosts if _is_wrong(host.connection)]


def _is_wrong(connection: str | None) -> bool:
    return connection is not None and connection.rpartition(".")[2] != WINRM


def _wrong_connection(host: InventoryHost) -> str:
    found = f"the connection plugin is {host.connection}, which cannot hold a conversation with a console program"
    return error_sentence(host.name, STEP, found, "Set ansible_connection to winrm for this host")


def _missing(library: Library, names: t.Sequence[str]) -> str:
    named = ", ".join(dict.fromkeys(names)) if len(set(names)) <= _NAMED else f"{len(set(names))} hosts"
    found = (
        f"the Python library {library.module.partition('.')[0]}, which {library.purpose} {named}, cannot be imported"
    )
    return error_sentence(
        CONTROLLER,
        STEP,
        found,
        f"Install the package {library.package} for the Python that runs Ansible, {sys.executable}",
    )
