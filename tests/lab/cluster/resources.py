# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Resources, the groups they are in, and what each type of them does on a node that brings it online."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ..windows.filesystem import Volume
from ..windows.host import WindowsHost

ResourceState = Literal["Online", "Offline", "Failed", "Online Pending", "Offline Pending"]
"""The states in the words of cluster.exe [ms]."""
RESTART_THRESHOLD = "RestartThreshold"
_FILE_NOT_FOUND = 2
_INVALID_PARAMETER = 87
_ALREADY_RUNNING = 1056
_ENDED = 1067


@dataclass
class Node:
    """A member of the cluster; ``up`` while its cluster service runs."""

    name: str
    number: int
    host: WindowsHost
    up: bool = False


@dataclass
class Resource:
    """A resource.  ``wanted`` is what was asked for last and outlives every failure [ms: PersistentState]."""

    name: str
    type: ResourceType
    depends: list[str] = field(default_factory=list)
    private: dict[str, str] = field(default_factory=dict)
    common: dict[str, str] = field(default_factory=lambda: {"Description": "", RESTART_THRESHOLD: "1"})
    wanted: bool = False
    state: ResourceState = "Offline"
    broken: bool = False
    failures: int = 0


@dataclass
class Group:
    """Resources that are online on one node, never on two.  ``goal`` is the node where they shall be."""

    name: str
    node: Node
    goal: Node
    resources: list[Resource] = field(default_factory=list)
    failovers: int = 0

    @property
    def state(self) -> str:
        """The state in the words of cluster.exe [ms]; an empty group is offline [assumed]."""
        states = {resource.state for resource in self.resources}
        if self.goal is not self.node or states & {"Online Pending", "Offline Pending"}:
            return "Pending"
        if "Failed" in states:
            return "Failed"
        if "Online" not in states:
            return "Offline"
        return "Online" if states == {"Online"} else "Partially Online"

    def ordered(self) -> list[Resource]:
        """The resources, each after all that it depends on."""
        found: list[Resource] = []
        while len(found) < len(self.resources):
            names = {resource.name for resource in found}
            found += [
                resource for resource in self.resources if resource not in found and names.issuperset(resource.depends)
            ][:1]
        return found

    def dependents(self, resource: Resource) -> list[Resource]:
        """All that need this one, directly or not."""
        found = [resource]
        for other in self.ordered():
            if other not in found and {each.name for each in found} & set(other.depends):
                found.append(other)
        return found[1:]

    def dependencies(self, resource: Resource) -> list[Resource]:
        """All that this one needs, directly or not."""
        return [other for other in self.resources if resource in self.dependents(other)]


class ResourceType(ABC):
    """What resources of a type have and do."""

    name: str
    properties: Mapping[str, str]
    """Private property -> value of a new resource."""

    @abstractmethod
    def online(self, resource: Resource, node: Node) -> int:
        """Bring it online on a node: 0 or the Win32 error why that failed."""

    @abstractmethod
    def offline(self, resource: Resource, node: Node) -> None:
        """Leave nothing of it on a node, whether that still has power or not."""

    def is_alive(self, resource: Resource, node: Node) -> bool:
        """Whether what was brought online is still there."""
        return True


class PhysicalDisk(ResourceType):
    """A disk that all nodes are connected to and only one of them sees.  The real private properties are disk
    signatures; ``Drive`` stands for them [assumed].
    """

    name = "Physical Disk"
    properties = {"Drive": ""}

    def __init__(self) -> None:
        self.volumes: dict[str, Volume] = {}

    def online(self, resource: Resource, node: Node) -> int:
        """Mount the disk."""
        letter = drive_letter(resource)
        if letter not in self.volumes:
            return _FILE_NOT_FOUND
        with node.host.lock:
            node.host.fs.volumes[letter] = self.volumes[letter]
        return 0

    def offline(self, resource: Resource, node: Node) -> None:
        """Take the disk away."""
        letter = drive_letter(resource)
        with node.host.lock:
            if letter in self.volumes and node.host.fs.volumes.get(letter) is self.volumes[letter]:
                del node.host.fs.volumes[letter]


class IPAddress(ResourceType):
    """An address that the node answers too."""

    name = "IP Address"
    properties = {"Address": "", "SubnetMask": "255.255.255.0"}

    def online(self, resource: Resource, node: Node) -> int:
        """Take the address."""
        if not resource.private["Address"]:
            return _INVALID_PARAMETER
        node.host.aliases.add(resource.private["Address"])
        return 0

    def offline(self, resource: Resource, node: Node) -> None:
        """Let go of the address."""
        node.host.aliases.discard(resource.private["Address"])


class NetworkName(ResourceType):
    """A name, with and without the domain, by which the node is found too: the virtual server's."""

    name = "Network Name"
    properties = {"Name": ""}

    def online(self, resource: Resource, node: Node) -> int:
        """Take the name."""
        if not resource.private["Name"]:
            return _INVALID_PARAMETER
        node.host.aliases.update(self._names(resource, node))
        return 0

    def offline(self, resource: Resource, node: Node) -> None:
        """Let go of the name."""
        node.host.aliases.difference_update(self._names(resource, node))

    @staticmethod
    def _names(resource: Resource, node: Node) -> set[str]:
        name = resource.private["Name"].lower()
        return {name, f"{name}.{node.host.fqdn.partition('.')[2]}".lower()}


class GenericService(ResourceType):
    """A Windows service of the node.  It is online as soon as the service control manager says that the service runs
    [ms].
    """

    name = "Generic Service"
    properties = {"ServiceName": "", "StartupParameters": "", "UseNetworkName": "0"}

    def online(self, resource: Resource, node: Node) -> int:
        """Start the service; one that runs already will do."""
        services, key = node.host.services, resource.private["ServiceName"]
        code = services.start(key)
        if code not in (0, _ALREADY_RUNNING):
            return code
        service = services[key]
        return 0 if services.settled(service) == "running" else service.exit_code or _ENDED

    def offline(self, resource: Resource, node: Node) -> None:
        """Stop the service."""
        services = node.host.services
        service = services.get(resource.private["ServiceName"])
        if service is None or not node.host.powered:
            return
        services.settled(service)
        services.stop(service.key)
        if services.settled(service) != "stopped" and node.host.powered:
            services.fail(service.key)  # it does not stop when it is told to: its process is ended

    def is_alive(self, resource: Resource, node: Node) -> bool:
        """Whether the service runs."""
        service = node.host.services.get(resource.private["ServiceName"])
        return service is not None and service.state == "running"


def drive_letter(resource: Resource) -> str:
    """The letter of a Physical Disk's drive."""
    return resource.private["Drive"][:1].upper()
