# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The three services of a management server.

``HealthService`` is on every one of them, ``OMSDK`` and ``OMCFG`` do their work on the root only and are disabled
elsewhere [ms].  All keep a session in the operational database and get a new one as soon as they lose it, so a database
that is to be had alone must be taken from them.

``OMSDK`` runs where the database can be reached, calls this server the root and has Run As secrets that the key here
opens; anywhere else it starts and stops by itself a moment later, with an event and an exit code [assumed in detail].
Before SP1 it also runs on a former root, where the data warehouse's processing stays [book].  ``OMCFG`` also needs
``OMSDK`` on the same server.  ``HealthService``, once (re)started, does as the database says: a former root becomes an
ordinary management server [book], and comes back to the database if it was deleted from there [book].

On a node of a clustered root all three are started by hand, that is by the cluster, and are the virtual server's: its
name is what they look for in the database.  ``OMSDK`` and ``OMCFG`` also stop, with event 29104, where the registry
does not say root or names a parent [field].  ``HealthService`` started on a node while another server is the root
damages the clustered root [field]; what exactly it does is not known, so here it only tells ``on_damage``.

``OMSDK`` registers its service principal names when it runs. It may do so where its account is the computer's [ms, of
2012], and not where it is a domain account: then there is event 26371 instead [ms].

Host settings: ``service_seconds`` (0.3) is how long a service looks around before it stays or stops;
``restart_demotes`` (true) says whether the restart of ``HealthService`` makes a former root an ordinary management
server; ``sdk_account`` is the account of ``OMSDK`` and ``OMCFG``, ``LocalSystem`` or ``DOMAIN\\name``.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ..windows.directory import is_computer, service_names
from ..windows.services import Service
from .installation import ROOT_SERVICES, Installation
from .operational_database import Databases, OperationalDatabase, UnreachableError
from .versions import Version, is_before_sp1

_LOOKS_AROUND = 0.3
_LOCAL_SYSTEM = "LocalSystem"
_SDK_NAMES = "MSOMSdkSvc"
_NAMES_NOT_REGISTERED = 26371
_SPECIFIC_ERROR = 1066
_SDK_ERROR = 0x80131500
_RECONNECT_SECONDS = 0.2
_EVENTS = {"OMSDK": ("OpsMgr SDK Service", 26380), "OMCFG": ("OpsMgr Config Service", 29112)}
_NODE_IS_NO_ROOT = 29104
_DATABASE_NOT_USABLE = 26322
_BINARIES = {
    "HealthService": "HealthService.exe",
    "OMSDK": "Microsoft.Mom.Sdk.ServiceHost.exe",
    "OMCFG": "Microsoft.Mom.ConfigServiceHost.exe",
}


class ServiceStopsError(Exception):
    """A service cannot do its work here; ``event`` is the number of an event that is not the service's usual one."""

    def __init__(self, reason: str, event: int = 0) -> None:
        super().__init__(reason)
        self.event = event


@dataclass
class _Kept:
    connect: Callable[[], OperationalDatabase]
    give_up: Callable[[ServiceStopsError], None]
    database: OperationalDatabase | None


class SessionKeeper:
    """The sessions of all services of a lab: one thread sees which were lost and gets new ones."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, str], _Kept] = {}
        self._stopping = threading.Event()

    def start(self) -> None:
        """Begin to look after the sessions."""
        threading.Thread(target=self._watch, daemon=True, name="service sessions").start()

    def stop(self) -> None:
        """Let all sessions go."""
        self._stopping.set()
        for owner in list(self._kept):
            self.release(*owner)

    def keep(
        self,
        host: str,
        service: str,
        connect: Callable[[], OperationalDatabase],
        give_up: Callable[[ServiceStopsError], None],
        database: OperationalDatabase | None,
    ) -> None:
        """This service has, or wants, a session from now on."""
        with self._lock:
            self._kept[(host, service)] = _Kept(connect, give_up, database)

    def release(self, host: str, service: str) -> None:
        """This service has stopped."""
        with self._lock:
            kept = self._kept.pop((host, service), None)
        if kept is not None and kept.database is not None:
            kept.database.close()

    def _watch(self) -> None:
        while not self._stopping.wait(_RECONNECT_SECONDS):
            with self._lock:
                lost = [
                    (owner, kept)
                    for owner, kept in self._kept.items()
                    if kept.database is None or kept.database.is_lost
                ]
            for owner, kept in lost:
                self._reconnect(owner, kept)

    def _reconnect(self, owner: tuple[str, str], kept: _Kept) -> None:
        database: OperationalDatabase | None = None
        try:
            database = kept.connect()
        except UnreachableError:
            return
        except ServiceStopsError as error:
            kept.give_up(error)
            return
        with self._lock:
            if self._kept.get(owner) is kept:
                kept.database = database
                return
        database.close()


class ManagementServices:
    """The services of one management server."""

    def __init__(
        self, installation: Installation, databases: Databases, keeper: SessionKeeper, on_damage: Callable[[], None]
    ) -> None:
        self.installation = installation
        self._on_damage = on_damage
        self._databases = databases
        self._keeper = keeper
        self._settled = False
        self._work: dict[str, Callable[[], OperationalDatabase]] = {
            "HealthService": self._connect_health,
            "OMSDK": self._connect_sdk,
            "OMCFG": self._connect_config,
        }

    def install(self, version: Version) -> None:
        """Register the services as Setup does for a root or an ordinary management server."""
        host = self.installation.host
        account = str(host.settings.get("sdk_account", _LOCAL_SYSTEM))
        if host.directory is not None and not is_computer(account):
            host.directory.add_user(account)
        for key, name in version.service_names.items():
            automatic = key not in ROOT_SERVICES or self.installation.is_root
            service = Service(
                key,
                name,
                f'"{self.installation.install_directory}\\{_BINARIES[key]}"',
                start="auto" if automatic else "disabled",
                account=account if key in ROOT_SERVICES else _LOCAL_SYSTEM,
                on_running=self._running,
                on_stop=self._stopping,
            )
            host.services.add(service)

    def _running(self, service: Service) -> None:
        host = self.installation.host
        host.sleep(float(host.settings.get("service_seconds", _LOOKS_AROUND)))
        if service.state != "running" or not host.powered:
            return
        database: OperationalDatabase | None = None
        self._settled = self._settled and service.key != "HealthService"
        try:
            database = self._work[service.key]()
        except (ServiceStopsError, UnreachableError) as error:
            if service.key in ROOT_SERVICES:
                self._give_up(service, error)
                return
        else:
            if service.key == "OMSDK":
                self._register_names(service)
        self._keep(service, database)

    def _register_names(self, service: Service) -> None:
        host = self.installation.host
        if host.directory is None:
            return
        if is_computer(service.account):
            host.directory.register(host.name, *service_names(_SDK_NAMES, self.installation.computer))
            return
        message = "The System Center Data Access service failed to register an SPN."
        source, _number = _EVENTS[service.key]
        event = {"log": "Operations Manager", "source": source, "id": _NAMES_NOT_REGISTERED, "level": "warning"}
        host.event_log.append({**event, "message": message})

    def _keep(self, service: Service, database: OperationalDatabase | None) -> None:
        connect = self._work[service.key]
        name = self.installation.host.name
        self._keeper.keep(name, service.key, connect, lambda reason: self._give_up(service, reason), database)
        if service.state != "running":
            self._stopping(service)

    def _stopping(self, service: Service) -> None:
        self._keeper.release(self.installation.host.name, service.key)

    def _give_up(self, service: Service, reason: ServiceStopsError | UnreachableError) -> None:
        """The service ends by itself, and says why in the event log."""
        source, number = _EVENTS[service.key]
        if isinstance(reason, ServiceStopsError) and reason.event:
            number = reason.event
        elif isinstance(reason, UnreachableError) and service.key == "OMSDK":
            number = _DATABASE_NOT_USABLE
        host = self.installation.host
        message = f"The {service.display_name} failed: {reason}"
        host.event_log.append(
            {"log": "Operations Manager", "source": source, "id": number, "level": "error", "message": message}
        )
        if service.state == "running":
            host.services.fail(service.key, _SPECIFIC_ERROR, _SDK_ERROR)

    def _open(self, program: str) -> OperationalDatabase:
        return self._databases.open(*self.installation.database, program)

    def _connect_health(self) -> OperationalDatabase:
        database = self._open("HealthService")
        with _closing_on_error(database):
            if not self._settled:
                self._settle_role(database)
        self._settled = True
        return database

    def _settle_role(self, database: OperationalDatabase) -> None:
        """What the Health Service does once after each start: to be what the database says."""
        root = database.root()
        if root and root.lower() != self.installation.computer.lower():
            if self.installation.virtual_server:
                self._on_damage()
                return
            if not database.lists(self.installation.computer):
                database.add_management_server(self.installation.computer, self.installation.server_version)
            if self.installation.host.settings.get("restart_demotes", True):
                self.installation.set_root(False)
                self.installation.set_parent(root)

    def _connect_sdk(self) -> OperationalDatabase:
        database = self._open("OMSDK")
        with _closing_on_error(database):
            if not is_before_sp1(self.installation.server_version):
                self._check_root(database)
            self._check_key(database)
        return database

    def _connect_config(self) -> OperationalDatabase:
        sdk = self.installation.host.services["OMSDK"]
        if sdk.state not in ("running", "start_pending"):
            raise ServiceStopsError(f"the {sdk.display_name} is not running on this computer")
        database = self._open("OMCFG")
        with _closing_on_error(database):
            self._check_root(database)
        return database

    def _check_root(self, database: OperationalDatabase) -> None:
        installation = self.installation
        if installation.virtual_server and (not installation.is_root or installation.has_parent):
            raise ServiceStopsError(
                "the registry of this node does not belong to a Root Management Server", _NODE_IS_NO_ROOT
            )
        root = database.root()
        if not root or root.lower() != self.installation.computer.lower():
            raise ServiceStopsError(f"this computer is not the Root Management Server, {root or 'no one'} is")

    def _check_key(self, database: OperationalDatabase) -> None:
        key = self.installation.key
        if key is None:
            raise ServiceStopsError("there are no encryption keys on this computer")
        if not database.accepts(key):
            raise ServiceStopsError("the Run As accounts cannot be decrypted with the encryption keys of this computer")


@contextlib.contextmanager
def _closing_on_error(database: OperationalDatabase) -> Iterator[None]:
    try:
        yield
    except BaseException:
        database.close()
        raise
