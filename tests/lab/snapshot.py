# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of a running lab, kept so that it can be brought back as often as needed: files, registries, services,
databases and the names in the directory.

Clusters and hosts that were switched on or off since are not brought back.
"""

from __future__ import annotations

import copy
import sqlite3
import time
from dataclasses import dataclass, fields
from typing import Any

from .lab import Lab
from .sql.server import SqlServer
from .sql.store import Database
from .windows.host import WindowsHost
from .windows.registry import Key

_SECONDS = 20.0
_POLL = 0.02


class NotRestoredError(Exception):
    """The lab is not in the state that was kept; the message names where it differs."""


class Snapshot:
    """What a lab was like when this was made; programs and connections are not part of it."""

    def __init__(self, lab: Lab) -> None:
        lab.settle()
        self._lab = lab
        self._hosts = [_HostState(host) for host in lab.hosts.values()]
        self._servers = [_ServerState(server) for server in lab.sql.values()]
        self._directory = lab.domain.kept()
        self._dump = _comparable(lab.dump())

    def restore(self) -> None:
        """End all programs and connections, and bring everything back. Raises NotRestoredError."""
        lab = self._lab
        lab.faults.clear()
        end_programs(lab)
        for host in self._hosts:
            host.stop_services()
        for server in self._servers:
            server.restore()
        for host in self._hosts:
            host.restore()
        for host in self._hosts:
            host.start_services()
        lab.settle()
        # A service writes into the registry when it starts.
        for host in self._hosts:
            host.restore()
        lab.domain.restore(self._directory)
        self._check()

    def _check(self) -> None:
        """A service that was started looks around for a moment before it has its connections again."""
        deadline = time.monotonic() + _SECONDS
        while (different := difference(self._dump, _comparable(self._lab.dump()))) and time.monotonic() < deadline:
            time.sleep(_POLL)
        if different:
            raise NotRestoredError(", ".join(different))


def end_programs(lab: Lab) -> None:
    """Close every shell, which kills the programs in it, and wait until they have ended."""
    for host in lab.hosts.values():
        lab.shells(host.name).close_all()
    wait_for_programs(lab)


def wait_for_programs(lab: Lab, seconds: float = _SECONDS) -> bool:
    """Wait until no host runs a program of a client any more; whether that is so."""
    deadline = time.monotonic() + seconds
    while any(host.running() for host in lab.hosts.values()):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL)
    lab.settle()
    return True


def difference(one: Any, other: Any, place: str = "") -> list[str]:
    """The places where two dumps differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        names = [*one, *(name for name in other if name not in one)]
        return [found for name in names for found in difference(one.get(name), other.get(name), f"{place}/{name}")]
    return [] if one == other else [place]


def _comparable(dump: dict[str, Any]) -> dict[str, Any]:
    """A dump without what does not come back: the sessions of clients, and the order of sessions."""
    for server in dump["sql"].values():
        server["sessions"] = sorted(repr(session) for session in server["sessions"] if "OpsMgr" in session["program"])
    return dump


@dataclass(frozen=True)
class _KeptService:
    state: str
    start: Any


class _HostState:
    def __init__(self, host: WindowsHost) -> None:
        self._host = host
        with host.lock:
            self._registry = {name: _copied(key) for name, key in host.registry.roots.items()}
            self._volumes = copy.deepcopy(host.fs.volumes)
            self._services = {
                service.key: _KeptService(service.state, service.start) for service in host.services.all()
            }

    def restore(self) -> None:
        with self._host.lock:
            self._host.registry.roots.update({name: _copied(key) for name, key in self._registry.items()})
            self._host.fs.volumes.clear()
            self._host.fs.volumes.update(copy.deepcopy(self._volumes))
            for service in self._host.services.all():
                service.start = self._services[service.key].start

    def stop_services(self) -> None:
        """Stop what did not run; one that others depend on when these have stopped."""
        self._change("stopped", self._host.services.stop)

    def start_services(self) -> None:
        self._change("running", self._host.services.start)

    def _change(self, state: str, order: Any) -> None:
        deadline = time.monotonic() + _SECONDS
        services = self._host.services
        while wrong := [one.key for one in services.all() if self._services[one.key].state == state != one.state]:
            if time.monotonic() > deadline:
                raise NotRestoredError(
                    f"{', '.join(wrong)} of {self._host.name} cannot be brought to the state {state}"
                )
            for key in wrong:
                order(key)
            services.settle()


def _copied(key: Key) -> Key:
    copied = Key(key.name)
    key.copy_to(copied)
    return copied


class _ServerState:
    def __init__(self, server: SqlServer) -> None:
        self._server = server
        self._rows = sqlite3.connect(":memory:", check_same_thread=False)
        self._rows.create_collation("CI", lambda left, right: (left > right) - (left < right))
        with server.lock:
            server.store.sqlite.backup(self._rows)
            self._databases = {name: _fields(database) for name, database in server.databases.items()}

    def restore(self) -> None:
        server = self._server
        with server.changed:
            self._rows.backup(server.store.sqlite)
            for name in [name for name in server.databases if name not in self._databases]:
                del server.databases[name]
            for name, values in self._databases.items():
                for field, value in values.items():
                    setattr(server.databases[name], field, copy.copy(value))
            server.changed.notify_all()


def _fields(database: Database) -> dict[str, Any]:
    return {field.name: copy.copy(getattr(database, field.name)) for field in fields(database)}
