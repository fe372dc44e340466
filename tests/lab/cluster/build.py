# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster as its administrator leaves it: quorum, and a group with the virtual server's disk, address and name."""

from __future__ import annotations

from collections.abc import Mapping

from ..topologies import ClusterSpec
from ..windows.filesystem import Volume
from ..windows.host import WindowsHost
from ..windows.tools.cluster import FILE, cluster_exe
from .cluster import Cluster
from .resources import Group, Resource
from .virtual_server import VirtualServer

CORE_GROUP = "Cluster Group"
DISK, ADDRESS, NAME, QUORUM_DISK = "RMS Disk", "RMS Address", "RMS Name", "Quorum Disk"
SERVICES = ("HealthService", "OMSDK", "OMCFG")
"""The Generic Service resources, called like their services, in the order in which they come online."""


def build_cluster(spec: ClusterSpec, hosts: Mapping[str, WindowsHost]) -> Cluster:
    """The cluster of a topology, with cluster.exe on its nodes."""
    nodes = [hosts[name] for name in spec.nodes]
    cluster = Cluster(spec.name, nodes)
    core = cluster.create_group(CORE_GROUP)
    if spec.quorum_disk:
        cluster.quorum = _disk(cluster, core, QUORUM_DISK, spec.quorum_disk)
    group = cluster.create_group(spec.group)
    _disk(cluster, group, DISK, spec.disk)
    address = _resource(cluster, group, ADDRESS, "IP Address", Address=spec.address)
    _resource(cluster, group, NAME, "Network Name", Name=spec.virtual_server.upper()).depends.append(address.name)
    for host in nodes:
        content = b"MZ\x90\x00" + f"{FILE} of {host.windows.product} on {cluster.name}".encode()
        host.install_program(f"{host.windows.system32}\\{FILE}", cluster_exe(cluster), content)
        host.fs.file(f"{host.windows.system32}\\{FILE}").inbox = True
    return cluster


def add_services(cluster: Cluster, group_name: str) -> None:
    """The three services of a clustered root as resources, each after network name and disk, the others also after the
    first [assumed].
    """
    group = cluster.group(group_name)
    for key in SERVICES:
        resource = _resource(cluster, group, key, "Generic Service", ServiceName=key, UseNetworkName="1")
        resource.depends += [NAME, DISK, *([] if key == SERVICES[0] else [SERVICES[0]])]


def virtual_server(spec: ClusterSpec, cluster: Cluster) -> VirtualServer:
    """The virtual server of a cluster."""
    return VirtualServer(spec.virtual_server, spec.fqdn, cluster, cluster.resource(ADDRESS))


def _disk(cluster: Cluster, group: Group, name: str, drive: str) -> Resource:
    cluster.disks.volumes[drive[:1].upper()] = Volume(drive[:1].upper(), name)
    return _resource(cluster, group, name, cluster.disks.name, Drive=drive)


def _resource(cluster: Cluster, group: Group, name: str, type_name: str, **private: str) -> Resource:
    resource = cluster.create_resource(name, group, type_name)
    resource.private.update(private)
    resource.wanted = True
    return resource
