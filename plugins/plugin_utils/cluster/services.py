# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The three Generic Service resources of a clustered RMS: found by the service that they start, completed, never
removed.

Private to opsmgr.recovery.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.cluster.group import (
    Cluster,
    ClusterHost,
    add_dependency,
    create_resource,
    same,
    set_service,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.server import HEALTH_SERVICE


@dataclass(frozen=True)
class ServiceResource:
    """A resource that starts a service; `service` is None when it was created but not told yet which."""

    name: str
    service: str | None
    depends_on: tuple[str, ...]

    @property
    def text(self) -> str:
        """How the diff shows it."""
        return f"{self.name} starts {self.service}, needs {', '.join(self.depends_on)}"

    def as_result(self) -> dict[str, t.Any]:
        """As plain data for a module's result."""
        return {"name": self.name, "service": self.service, "depends_on": list(self.depends_on)}


def services_without_resource(cluster: ClusterHost, services: t.Iterable[str]) -> list[str]:
    """Those of the services that no resource of the cluster starts.

    :raises OpsmgrError: the cluster does not answer
    """
    resources = [resource.name for resource in cluster.observe().resources]
    started = {service.lower() for service in cluster.service_names(resources).values() if service is not None}
    return [service for service in services if service.lower() not in started]


# By the key name of the service; None where there is no resource.
Found = t.Mapping[str, "ServiceResource | None"]


class ServiceResources:
    """The resources as they are, and what is missing."""

    def __init__(
        self, cluster: ClusterHost, step: str, group: str, network_name: str, disk: str, names: t.Mapping[str, str]
    ) -> None:
        """:param names: how the resource for each service is called if it must be created; the Health Service's comes
        first
        """
        self._cluster = cluster
        self._step = step
        self._group = group
        self._needed_by_all = (network_name, disk)
        self._names = names

    def observe(self) -> dict[str, ServiceResource | None]:
        """The resources that there are now. The cluster must have been observed.

        :raises OpsmgrError: network name or disk are not in the group, or a name is taken by something else
        """
        seen = self._cluster.seen or self._cluster.observe()
        for name in self._needed_by_all:
            self._require_in_group(seen, name)
        services = self._cluster.service_names([resource.name for resource in seen.members(self._group)])
        chosen = {service: self._choose(seen, services, service) for service in self._names}
        needs = self._cluster.dependencies([name for name in chosen.values() if name is not None])
        return {
            service: None if name is None else ServiceResource(name, services[name], tuple(needs[name]))
            for service, name in chosen.items()
        }

    def _choose(self, seen: Cluster, services: t.Mapping[str, str | None], service: str) -> str | None:
        """The resource that starts the service, whatever it is called; else one of the wanted name that was not told
        yet what it starts.
        """
        for name, started in services.items():
            if started is not None and same(started, service):
                return name
        taken = seen.resource(self._names[service])
        if taken is None:
            return None
        self._require_in_group(seen, taken.name)
        if services[taken.name] is not None:
            found = f"the resource {taken.name} is there, but starts {services[taken.name]} and not {service}"
            raise OpsmgrError(
                self._step, found, "Give another name for the resource, or correct that one in the cluster"
            )
        return taken.name

    def _require_in_group(self, seen: Cluster, name: str) -> None:
        resource = seen.resource(name)
        if resource is None or not same(resource.group, self._group):
            members = ", ".join(each.name for each in seen.members(self._group))
            where = f"it is in the group {resource.group}" if resource else "it does not exist"
            found = f"the resource {name!r} is not in the group {self._group}: {where}; the group has: {members}"
            raise OpsmgrError(
                self._step,
                found,
                "Name a resource of the group, or create it there first, with the cluster's own administration tool",
            )

    def complete(self, found: Found) -> dict[str, ServiceResource | None]:
        """The resources as they will be."""
        resources: dict[str, ServiceResource | None] = {}
        for service in self._names:
            old = found[service] or ServiceResource(self._names[service], None, ())
            resources[service] = ServiceResource(old.name, service, (*old.depends_on, *self._missing(found, service)))
        return resources

    def commands(self, found: Found) -> list[str]:
        """What has to be run, in this order; empty when nothing is missing."""
        commands = []
        for service in self._names:
            resource = found[service]
            name = resource.name if resource else self._names[service]
            if resource is None:
                commands.append(create_resource(name, self._group))
            if resource is None or resource.service is None:
                commands.append(set_service(name, service))
            commands += [add_dependency(name, needed) for needed in self._missing(found, service)]
        return commands

    def _missing(self, found: Found, service: str) -> list[str]:
        """What the service's resource needs and is not told to need yet; OMSDK and OMCFG need the Health Service's too
        [assumed].
        """
        health = found[HEALTH_SERVICE]
        of_health = () if service == HEALTH_SERVICE else (health.name if health else self._names[HEALTH_SERVICE],)
        resource = found[service]
        present = {name.lower() for name in resource.depends_on} if resource else set()
        return [name for name in (*self._needed_by_all, *of_health) if name.lower() not in present]
