# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service control manager of a simulated host.  All calls return Win32 codes, as the real one does."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from .errors import Win32Error

if TYPE_CHECKING:
    from .host import Session, WindowsHost

State = Literal["stopped", "start_pending", "running", "stop_pending"]
Start = Literal["auto", "demand", "disabled"]

STATES: dict[State, tuple[int, str]] = {
    "stopped": (1, "STOPPED"),
    "start_pending": (2, "START_PENDING"),
    "stop_pending": (3, "STOP_PENDING"),
    "running": (4, "RUNNING"),
}
"""State -> its number and word [ms]."""
START_MODES: dict[Start, tuple[int, str]] = {
    "auto": (2, "AUTO_START"),
    "demand": (3, "DEMAND_START"),
    "disabled": (4, "DISABLED"),
}
"""Start mode -> its number (also in the registry) and word [ms]."""
NEVER_STARTED = 1077


@dataclass
class Service:
    """A service.

    ``on_start`` runs while it starts and returns 0 or the Win32 error it fails with; ``on_running`` when it runs;
    ``on_stop`` while it stops.  They run in a thread of their own and get the service.
    """

    key: str
    display_name: str
    binary: str = "C:\\WINDOWS\\system32\\svchost.exe -k netsvcs"
    start: Start = "demand"
    state: State = "stopped"
    account: str = "LocalSystem"
    depends: list[str] = field(default_factory=list)
    start_seconds: float = 0.05
    stop_seconds: float = 0.05
    exit_code: int = NEVER_STARTED
    specific_code: int = 0
    pid: int = 0
    on_start: Callable[[Service], int] | None = None
    on_running: Callable[[Service], None] | None = None
    on_stop: Callable[[Service], None] | None = None

    def __post_init__(self) -> None:
        if self.state == "running":
            self.exit_code = 0


class ServiceManager:
    """Starts, stops and configures; accounts that are not administrators get 5 for that, and may query."""

    def __init__(self, host: WindowsHost) -> None:
        self._host = host
        self._changed = threading.Condition(host.lock)
        self._services: dict[str, Service] = {}
        self._threads: list[threading.Thread] = []

    # Looking

    def add(self, service: Service) -> Service:
        """Install a service, with its registry key."""
        with self._changed:
            self._services[service.key.lower()] = service
            if service.state == "running":
                service.pid = self._host.next_pid()
        path = self._registry_key(service)
        self._host.registry.set(path, "DisplayName", service.display_name)
        self._host.registry.set(path, "ImagePath", service.binary, "REG_EXPAND_SZ")
        self._host.registry.set(path, "ObjectName", service.account)
        self._host.registry.set(path, "Start", START_MODES[service.start][0])
        return service

    def remove(self, key: str) -> None:
        """Uninstall a service."""
        with self._changed:
            service = self._services.pop(key.lower())
        self._host.registry.delete(self._registry_key(service))

    def get(self, key: str) -> Service | None:
        """The service of that key name."""
        return self._services.get(key.lower())

    def __getitem__(self, key: str) -> Service:
        """The service of that key name; Win32 error 1060 if it does not exist."""
        service = self.get(key)
        if service is None:
            raise Win32Error(1060, key)
        return service

    def __contains__(self, key: str) -> bool:
        return self.get(key) is not None

    def find(self, name: str) -> Service | None:
        """The service of that key name or display name, as ``net`` looks for it."""
        by_display = (service for service in self.all() if service.display_name.lower() == name.lower())
        return self.get(name) or next(by_display, None)

    def all(self) -> list[Service]:
        """All services by key name."""
        with self._changed:
            return [self._services[key] for key in sorted(self._services)]

    def dependents(self, service: Service) -> list[Service]:
        """The services that depend on this one and are not stopped."""
        return [
            other
            for other in self.all()
            if service.key.lower() in (name.lower() for name in other.depends) and other.state != "stopped"
        ]

    def wait(self, key: str, state: State, timeout: float = 30.0) -> bool:
        """Wait until a service is in a state."""
        with self._changed:
            return self._changed.wait_for(lambda: self[key].state == state, timeout)

    def settled(self, service: Service, timeout: float = 30.0) -> State:
        """Wait until a service is neither starting nor stopping; its state then."""
        with self._changed:
            self._changed.wait_for(lambda: service.state in ("running", "stopped"), timeout)
            return service.state

    def settle(self, timeout: float = 30.0) -> bool:
        """Wait until no service is starting or stopping (nor running its hook)."""
        for thread in list(self._threads):
            thread.join(timeout)
        return not any(thread.is_alive() for thread in self._threads)

    # Changing

    def start(self, key: str, session: Session | None = None) -> int:
        """Ask a service to start; returns at once, 0 or the reason why not."""
        service = self.get(key)
        code = self._refusal(service, session) or self._not_startable(service)
        if code or service is None:
            return code
        for name in service.depends:
            failed = self._start_dependency(name)
            if failed:
                return failed
        with self._changed:
            if service.state != "stopped":
                return 1056
            if not self._host.powered:
                return 1115
            self._enter(service, "start_pending")
        self._in_thread(self._starting, service)
        return 0

    def stop(self, key: str, session: Session | None = None) -> int:
        """Ask a service to stop; returns at once, 0 or the reason why not."""
        service = self.get(key)
        code = self._refusal(service, session)
        if code or service is None:
            return code
        with self._changed:
            if service.state == "stopped":
                return 1062
            if service.state in ("start_pending", "stop_pending"):
                return 1061
            if self.dependents(service):
                return 1051
            self._enter(service, "stop_pending")
        self._in_thread(self._stopping, service)
        return 0

    def configure(self, key: str, session: Session | None = None, *, start: Start | None = None, **changes: Any) -> int:
        """Change a service's configuration."""
        service = self.get(key)
        code = self._refusal(service, session)
        if code or service is None:
            return code
        with self._changed:
            service.start = start or service.start
            for name, value in changes.items():
                setattr(service, name, value)
        path = self._registry_key(service)
        self._host.registry.set(path, "Start", START_MODES[service.start][0])
        self._host.registry.set(path, "DisplayName", service.display_name)
        self._host.registry.set(path, "ObjectName", service.account)
        return 0

    def fail(self, key: str, exit_code: int = 1067, specific_code: int = 0) -> None:
        """A running service ends by itself with an error (``on_stop`` runs first, so that it lets go of what it holds)."""
        service = self[key]
        if service.on_stop is not None and service.state != "stopped":
            service.on_stop(service)
        with self._changed:
            service.exit_code, service.specific_code = exit_code, specific_code
            self._enter(service, "stopped")

    def power_on(self) -> None:
        """Boot: what starts automatically is started."""
        for service in self.all():
            service.exit_code = NEVER_STARTED if service.state == "stopped" else service.exit_code
        for service in self.all():
            if service.start == "auto":
                self.start(service.key)

    def power_off(self) -> None:
        """Everything ends at once; ``on_stop`` runs so that connections to other machines are dropped."""
        for service in self.all():
            if service.state != "stopped":
                self.fail(service.key, 0)

    def dump(self) -> dict[str, dict[str, Any]]:
        """State and start mode of all services; a service that is on its way is shown at its goal."""
        goals = {"start_pending": "running", "stop_pending": "stopped"}
        return {
            service.key: {"state": goals.get(service.state, service.state), "start": service.start}
            for service in self.all()
        }

    # Inside

    def _registry_key(self, service: Service) -> str:
        return f"HKLM\\SYSTEM\\CurrentControlSet\\Services\\{service.key}"

    def _refusal(self, service: Service | None, session: Session | None) -> int:
        if service is None:
            return 1060
        return 5 if session is not None and not session.is_admin else 0

    def _not_startable(self, service: Service | None) -> int:
        if service is None:
            return 1060
        if service.start == "disabled":
            return 1058
        return 0 if service.state == "stopped" else 1056

    def _start_dependency(self, name: str) -> int:
        dependency = self.get(name)
        if dependency is None or dependency.start == "disabled":
            return 1075 if dependency is None else 1068
        if dependency.state == "stopped":
            self.start(name)
        return 0 if self.settled(dependency) == "running" else 1068

    def _in_thread(self, action: Callable[[Service], None], service: Service) -> None:
        thread = threading.Thread(target=action, args=(service,), daemon=True, name=f"service {service.key}")
        thread.start()
        self._threads = [*(known for known in self._threads if known.is_alive()), thread]

    def _enter(self, service: Service, state: State) -> None:
        with self._changed:
            service.state = state
            if state == "start_pending":
                service.pid, service.exit_code, service.specific_code = self._host.next_pid(), 0, 0
            if state == "stopped":
                service.pid = 0
            self._changed.notify_all()

    def _starting(self, service: Service) -> None:
        code = self._fault(service)
        self._host.sleep(service.start_seconds)
        if not self._host.powered:
            return
        if not code and service.on_start is not None:
            code = service.on_start(service)
        with self._changed:
            if service.state != "start_pending":
                return
            service.exit_code = code
            self._enter(service, "stopped" if code else "running")
        if not code and service.on_running is not None:
            service.on_running(service)

    def _stopping(self, service: Service) -> None:
        code = self._fault(service)
        self._host.sleep(service.stop_seconds)
        if not self._host.powered:
            return
        if service.on_stop is not None and not code:
            service.on_stop(service)
        with self._changed:
            if service.state == "stop_pending":
                self._enter(service, "running" if code else "stopped")

    def _fault(self, service: Service) -> int:
        """A fault's code for "fail"; a "stall" is slept here; "drop" is a service that ends unexpectedly."""
        fault = self._host.faults.match(self._host.name, "service", service.key)
        if fault is None:
            return 0
        if fault.action == "stall":
            self._host.sleep(fault.seconds)
            return 0
        return fault.code or (1053 if fault.action == "fail" else 1067)
