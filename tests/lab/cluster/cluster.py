# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A failover cluster: who is up, whether there is a quorum, and which resource is online where.

People and programs only say what they want: a resource online or not, a group on another node.  One thread per cluster
does the next thing that is missing, one after the other, so that nothing is ever online on two nodes: a group comes up
on another node only after nothing of it is left on the old one.

A resource that fails is restarted as often as ``RestartThreshold`` allows (once), then its group fails over to the next
node, as often as there are other nodes, then it stays Failed and what depends on it is offline; counting starts over
when somebody brings it online or moves its group [ms for the order and the numbers of Windows Server 2008; without the
periods after which the real cluster forgets].

Each node has a vote and so has the quorum disk: of two nodes and the disk one node alone goes on.  Without a majority
the cluster service ends on every node and takes the resources with it; started again, it waits for a majority [ms].
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Protocol, TypeVar

from ..windows.errors import Win32Error, message
from ..windows.host import WindowsHost
from ..windows.services import Service
from .resources import (
    RESTART_THRESHOLD,
    GenericService,
    Group,
    IPAddress,
    NetworkName,
    Node,
    PhysicalDisk,
    Resource,
    ResourceType,
)

SERVICE = "ClusSvc"
_TICK_SECONDS = 0.1
_RELEASE_SECONDS = 30.0
_ENDED = 1067
_ONLINE_FAILED = 5018
_FAILED = 5038


class _Named(Protocol):
    @property
    def name(self) -> str: ...


_Thing = TypeVar("_Thing", bound=_Named)


class Cluster:
    """A cluster of simulated hosts.  Every change that is refused raises :class:`Win32Error`, as the cluster API does
    [ms].
    """

    def __init__(self, name: str, hosts: Sequence[WindowsHost]) -> None:
        self.name = name.upper()
        self.nodes = [Node(host.name.upper(), number, host) for number, host in enumerate(hosts, 1)]
        self.disks = PhysicalDisk()
        self.types: list[ResourceType] = [GenericService(), IPAddress(), NetworkName(), self.disks]
        self.groups: list[Group] = []
        self.quorum: Resource | None = None
        self.on_change: Callable[[], None] = lambda: None
        """Called when a resource went online or offline."""
        self._formed = False
        self._idle = False
        self._stopping = False
        self._changed = threading.Condition(threading.RLock())
        self._thread = threading.Thread(target=self._run, daemon=True, name=f"cluster {name}")
        for node in self.nodes:
            node.host.services.add(self._service(node))

    def _service(self, node: Node) -> Service:
        return Service(
            SERVICE,
            "Cluster Service",
            f"{node.host.system_root}\\Cluster\\clussvc.exe -s",
            start="auto",
            on_running=lambda _service: self._join(node),
            on_stop=lambda _service: self._leave(node),
        )

    # Life

    def start(self) -> None:
        """Begin to look after the groups."""
        self._thread.start()

    def stop(self) -> None:
        """Do nothing any more; what is online stays as it is."""
        with self._change():
            self._stopping = True
            self.on_change = lambda: None

    def settle(self, timeout: float = 30.0) -> bool:
        """Wait until there is nothing left to do; whether that came in time."""
        with self._changed:
            return self._changed.wait_for(lambda: self._idle or self._stopping, timeout)

    def dump(self) -> dict[str, Any]:
        """Nodes, quorum, groups and resources."""
        with self._changed:
            return {
                "formed": self._formed,
                "quorum": self.quorum.name if self.quorum else None,
                "nodes": {node.name: self.state_of(node) for node in self.nodes},
                "groups": {group.name: _dump(group) for group in self.groups},
            }

    # Looking

    def serves(self, host: WindowsHost) -> bool:
        """Whether a program on this node can talk to the cluster."""
        return self._formed and any(node.host is host and node.up for node in self.nodes)

    def state_of(self, node: Node) -> str:
        """A node's state in the words of cluster.exe [ms]."""
        return ("Up" if self._formed else "Joining") if node.up else "Down"

    def node(self, name: str) -> Node:
        """The node of that name; error 5042 if it does not exist."""
        return _named(self.nodes, name, 5042)

    def group(self, name: str) -> Group:
        """The group of that name; error 5013 if it does not exist."""
        return _named(self.groups, name, 5013)

    def resource(self, name: str) -> Resource:
        """The resource of that name; error 5007 if it does not exist."""
        return _named(self.resources(), name, 5007)

    def resources(self) -> list[Resource]:
        """All resources, group by group."""
        return [resource for group in self.groups for resource in group.resources]

    def group_of(self, resource: Resource) -> Group:
        """The group that a resource is in."""
        return next(group for group in self.groups if resource in group.resources)

    # Changing: groups

    def create_group(self, name: str) -> Group:
        """An empty group; error 5010 when there is one of that name."""
        with self._change():
            _refuse_double(self.groups, name)
            home = next((node for node in self.nodes if node.up), self.nodes[0])
            group = Group(name, home, home)
            self.groups.append(group)
        return group

    def delete_group(self, group: Group) -> None:
        """Remove a group; error 145 when there is something in it [assumed]."""
        with self._change():
            if group.resources:
                raise Win32Error(145)
            self.groups.remove(group)

    def online(self, group: Group, node: Node | None = None) -> None:
        """Bring everything in a group online, there or where it is."""
        with self._change():
            if node is not None:
                self._move(group, node)
            group.failovers = 0
            for resource in group.resources:
                _want(resource, online=True)

    def offline(self, group: Group) -> None:
        """Take everything in a group offline; error 5020 for the quorum's group."""
        with self._change():
            self._refuse_quorum(*group.resources)
            for resource in group.resources:
                _want(resource, online=False)

    def move(self, group: Group, node: Node | None = None) -> None:
        """Move a group to a node, by default the next one; error 5005 without another, 5050 for one that is down."""
        with self._change():
            self._move(group, node or self._next_node(group))

    def _move(self, group: Group, node: Node | None) -> None:
        if node is None:
            raise Win32Error(5005)
        if not node.up:
            raise Win32Error(5050)
        group.goal, group.failovers = node, 0
        for resource in group.resources:
            resource.failures = 0

    def _next_node(self, group: Group) -> Node | None:
        after = self.nodes[group.node.number :] + self.nodes[: group.node.number - 1]
        return next((node for node in after if self._can_own(node)), None)

    def _can_own(self, node: Node) -> bool:
        return self._formed and node.up

    # Changing: resources

    def create_resource(self, name: str, group: Group, type_name: str) -> Resource:
        """A resource that is offline; error 5010 when there is one of that name, 5078 for an unknown type."""
        with self._change():
            _refuse_double(self.resources(), name)
            kind = _named(self.types, type_name, 5078)
            resource = Resource(name, kind, private=dict(kind.properties))
            group.resources.append(resource)
        return resource

    def delete_resource(self, resource: Resource) -> None:
        """Remove a resource; error 5019 when it is online, 5001 when others need it, 5020 for the quorum."""
        with self._change():
            self._refuse_quorum(resource)
            group = self.group_of(resource)
            if resource.state not in ("Offline", "Failed"):
                raise Win32Error(5019)
            if group.dependents(resource):
                raise Win32Error(5001)
            group.resources.remove(resource)

    def bring_online(self, resource: Resource) -> None:
        """Bring a resource online, and before it what it needs [ms]."""
        with self._change():
            group = self.group_of(resource)
            group.failovers = 0
            for each in [*group.dependencies(resource), resource]:
                _want(each, online=True)

    def take_offline(self, resource: Resource) -> None:
        """Take a resource offline, and before it what needs it [ms]; error 5020 for the quorum."""
        with self._change():
            self._refuse_quorum(resource)
            for each in [*self.group_of(resource).dependents(resource), resource]:
                _want(each, online=False)

    def fail(self, resource: Resource) -> None:
        """Let a resource fail; error 5004 when it is not online."""
        with self._change():
            if resource.state != "Online":
                raise Win32Error(5004)
            resource.broken = True

    def add_dependency(self, resource: Resource, needed: Resource) -> None:
        """Make a resource depend on another one of its group [ms for the refusals].

        Error 5019 when it is online, 5003 when it does already, 5002 for another group, 1059 for a circle.
        """
        with self._change():
            group = self.group_of(resource)
            if needed.name in resource.depends:
                raise Win32Error(5003)
            if needed not in group.resources:
                raise Win32Error(5002)
            if needed is resource or needed in group.dependents(resource):
                raise Win32Error(1059)
            if resource.state != "Offline":
                raise Win32Error(5019)
            resource.depends.append(needed.name)

    def remove_dependency(self, resource: Resource, needed: Resource) -> None:
        """Let a resource depend on another one no more; error 5019 when it is online, 5002 when it does not depend."""
        with self._change():
            if needed.name not in resource.depends:
                raise Win32Error(5002)
            if resource.state != "Offline":
                raise Win32Error(5019)
            resource.depends.remove(needed.name)

    # Nodes

    @property
    def has_quorum(self) -> bool:
        """Whether the nodes that are up, and the quorum disk, are a majority."""
        up = sum(node.up for node in self.nodes)
        disk = int(self.quorum is not None and self.quorum.state != "Failed")
        all_votes = len(self.nodes) + int(self.quorum is not None)
        return up > 0 and 2 * (up + disk) > all_votes

    def _join(self, node: Node) -> None:
        with self._change():
            node.up = True
            for resource in [resource for group in self.groups if group.node is node for resource in group.resources]:
                _want(resource, online=resource.wanted)

    def _leave(self, node: Node) -> None:
        """The cluster service ends: with power left, not before nothing of the groups is on the node any more."""
        with self._change():
            node.up = False
        if node.host.powered and threading.current_thread() is not self._thread and self._thread.is_alive():
            with self._changed:
                self._changed.wait_for(lambda: self._is_released(node) or self._stopping, _RELEASE_SECONDS)

    def _is_released(self, node: Node) -> bool:
        return not any(_held(group) for group in self.groups if group.node is node)

    # Work

    def _run(self) -> None:
        while not self._stopping:
            with self._changed:
                work = self._next()
                self._idle = work is None
                self._changed.notify_all()
                if work is None:
                    self._changed.wait(_TICK_SECONDS)
                    continue
            work()

    @contextlib.contextmanager
    def _change(self) -> Iterator[None]:
        """Something is about to be different: the thread looks for work again."""
        with self._changed:
            yield
            self._idle = False
            self._changed.notify_all()

    def _next(self) -> Callable[[], None] | None:
        """The next thing to do, or nothing."""
        self._formed = self._formed or self.has_quorum
        if self._formed and not self.has_quorum:
            return self._lose_quorum
        found = (self._next_of(group) for group in self.groups)
        return next((work for work in found if work is not None), None)

    def _next_of(self, group: Group) -> Callable[[], None] | None:
        if not self._can_own(group.node):
            group.goal = self._next_node(group) or group.node
        elif not self._can_own(group.goal):
            group.goal = group.node
        leaving = group.goal is not group.node or not self._can_own(group.node)
        for resource in reversed(group.ordered()):
            needs_more = any(self.resource(name).state != "Online" for name in resource.depends)
            if resource.state == "Online" and (leaving or not resource.wanted or needs_more):
                return partial(self._take_offline, group, resource)
        if leaving:
            return partial(self._arrive, group) if self._can_own(group.goal) else None
        return self._next_failure(group) or self._next_start(group)

    def _next_failure(self, group: Group) -> Callable[[], None] | None:
        for resource in group.resources:
            dead = resource.broken or not resource.type.is_alive(resource, group.node)
            if resource.state == "Online" and dead and group.node.host.powered:
                return partial(self._end_failed, group, resource)
        return None

    def _next_start(self, group: Group) -> Callable[[], None] | None:
        for resource in group.ordered():
            ready = all(self.resource(name).state == "Online" for name in resource.depends)
            if resource.wanted and resource.state == "Offline" and ready:
                return partial(self._bring_online, group, resource)
        return None

    def _arrive(self, group: Group) -> None:
        """Nothing of the group is left on the old node; what had failed there gets another chance."""
        with self._change():
            group.node = group.goal
            for resource in group.resources:
                resource.state, resource.failures = "Offline", 0

    def _bring_online(self, group: Group, resource: Resource) -> None:
        node = group.node
        with self._change():
            resource.state, resource.broken = "Online Pending", False
        code = _fault(node, resource) or resource.type.online(resource, node)
        with self._change():
            resource.state = "Online"
            if code and node.up and node.host.powered:
                self._failed(group, resource, code)
        self.on_change()

    def _take_offline(self, group: Group, resource: Resource) -> None:
        with self._change():
            resource.state = "Offline Pending"
        resource.type.offline(resource, group.node)
        with self._change():
            resource.state = "Offline"
        self.on_change()

    def _end_failed(self, group: Group, resource: Resource) -> None:
        """What failed is cleared away before it is tried again."""
        resource.type.offline(resource, group.node)
        with self._change():
            self._failed(group, resource, _FAILED)
        self.on_change()

    def _failed(self, group: Group, resource: Resource, code: int) -> None:
        """Restart it, or let the group fail over, or give up."""
        resource.state, resource.broken = "Failed", False
        resource.failures += 1
        what = f"Cluster resource '{resource.name}' in clustered service or application '{group.name}' failed"
        _log(group.node, 1069, f"{what}: {message(code)}")
        successor = self._next_node(group)
        if resource.failures <= int(resource.common[RESTART_THRESHOLD]):
            resource.state = "Offline"
        elif successor is not None and group.failovers < len(self.nodes) - 1:
            group.failovers += 1
            group.goal = successor

    def _lose_quorum(self) -> None:
        """The cluster service ends on all nodes that are left."""
        with self._change():
            self._formed = False
        for node in [node for node in self.nodes if node.up]:
            _log(node, 1177, "The Cluster service is shutting down because quorum was lost.")
            node.host.services.fail(SERVICE, _ENDED)

    def _refuse_quorum(self, *resources: Resource) -> None:
        if self.quorum in resources:
            raise Win32Error(5020)


def _held(group: Group) -> bool:
    return any(resource.state not in ("Offline", "Failed") for resource in group.resources)


def _want(resource: Resource, *, online: bool) -> None:
    """What is asked for again is not held to its failures."""
    resource.wanted, resource.failures = online, 0
    if resource.state == "Failed":
        resource.state = "Offline"


def _fault(node: Node, resource: Resource) -> int:
    """A fault of kind ``resource``: a "stall" is slept here, everything else is a Win32 error."""
    fault = node.host.faults.match(node.host.name, "resource", resource.name)
    if fault is None:
        return 0
    if fault.action == "stall":
        node.host.sleep(fault.seconds)
        return 0
    return fault.code or _ONLINE_FAILED


def _log(node: Node, number: int, text: str) -> None:
    node.host.event_log.append(
        {
            "log": "System",
            "source": "Microsoft-Windows-FailoverClustering",
            "id": number,
            "level": "error",
            "message": text,
        }
    )


def _named(things: Sequence[_Thing], name: str, code: int) -> _Thing:
    found = next((thing for thing in things if thing.name.lower() == name.lower()), None)
    if found is None:
        raise Win32Error(code, name)
    return found


def _refuse_double(things: Sequence[_Named], name: str) -> None:
    if any(thing.name.lower() == name.lower() for thing in things):
        raise Win32Error(5010, name)


def _dump(group: Group) -> dict[str, Any]:
    resources = {
        resource.name: {
            "type": resource.type.name,
            "state": resource.state,
            "depends": sorted(resource.depends),
            "private": dict(resource.private),
        }
        for resource in group.resources
    }
    return {"node": group.node.name, "state": group.state, "resources": resources}
