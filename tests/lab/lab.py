# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab: hosts, SQL Servers and management groups of one topology, behind real listeners on loopback."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .cluster.build import add_services, build_cluster, virtual_server
from .cluster.cluster import Cluster
from .cluster.virtual_server import VirtualServer
from .faults import Faults
from .inventory import (
    INVENTORY,
    LAB_JSON,
    LOG,
    SQL_PORT,
    WinRMAccess,
    description,
    inventory,
    to_json,
    write_private,
)
from .opsmgr.config_tool import TOOL as CONFIG_TOOL
from .opsmgr.config_tool import config_tool
from .opsmgr.group import ManagementGroup
from .opsmgr.installation import STATE_FOLDER, Installation
from .opsmgr.msi import mom_package, package_content, package_path
from .opsmgr.operational_database import Databases
from .opsmgr.pointers import root_named_by
from .opsmgr.secure_storage_backup import TOOL as BACKUP_TOOL
from .opsmgr.secure_storage_backup import secure_storage_backup
from .opsmgr.services import ManagementServices, SessionKeeper
from .opsmgr.setup import (
    ARCHITECTURES,
    install_console,
    install_management_server,
    install_media,
    install_reporting,
    install_web_console,
    register_sql_server,
    tool_content,
)
from .opsmgr.versions import Version
from .recorder import Recorder
from .sql.server import SqlServer
from .sql.sessions import Login
from .topologies import ClusterSpec, GroupSpec, HostSpec, MediaSpec, Topology, load_topology
from .windows.directory import ActiveDirectory, is_computer, service_names
from .windows.errors import Win32Error
from .windows.filesystem import Directory
from .windows.host import User, WindowsHost
from .windows.process import Program
from .windows.services import Service
from .winrm.certificates import make_ca
from .winrm.server import WinRMServer
from .winrm.shells import Shells

_CERTIFICATES = "certificates"
_SQL_SERVICE = "MSSQLSERVER"


class Lab:
    """A management group to lose.  ``directory`` keeps certificates, log and files for others; without one it is
    temporary.
    """

    def __init__(
        self,
        topology: Topology | str = "odyssey",
        network: str = "127.10",
        directory: str | Path | None = None,
        overrides: Mapping[str, Any] | None = None,
    ) -> None:
        self.topology = load_topology(topology, overrides, network) if isinstance(topology, str) else topology
        self._temporary = directory is None
        self.directory = Path(directory) if directory is not None else Path(tempfile.mkdtemp(prefix="opsmgr-lab-"))
        (self.directory / LOG).unlink(missing_ok=True)
        self.recorder = Recorder(self.directory / LOG)
        (self.directory / LOG).chmod(0o600)
        self.faults = Faults()
        self.domain = ActiveDirectory(self.topology.domain)
        self.hosts: dict[str, WindowsHost] = {}
        self.sql: dict[str, SqlServer] = {}
        self.groups: dict[str, ManagementGroup] = {}
        self.clusters: dict[str, Cluster] = {}
        self._virtual_servers: list[VirtualServer] = []
        self._cluster_of: dict[str, Cluster] = {}
        self._databases = Databases()
        self._keeper = SessionKeeper()
        self._config_tool = config_tool(self._databases, self._cluster_of)
        self._build()
        authority = make_ca(self.directory / _CERTIFICATES)
        self.ca_file = str(authority.ca_file.resolve())
        self._winrm = WinRMServer([*self.hosts.values(), *self._virtual_servers], authority)

    def __enter__(self) -> Lab:
        self.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()

    # Life

    def start(self) -> None:
        """Switch everything on; when this returns, all listeners answer and all services have settled."""
        self._keeper.start()
        for name, server in self.sql.items():
            self.hosts[name].services.power_on()
            self.hosts[name].services.settle()
            if self.hosts[name].services[_SQL_SERVICE].state != "running":
                raise OSError(f"SQL Server cannot listen on {server.address}:{SQL_PORT}")
        for host in self.hosts.values():
            host.services.power_on()
        self.settle()
        self._winrm.start()
        for cluster in self.clusters.values():
            cluster.on_change = self._follow_virtual_servers
            cluster.start()
        for cluster in self.clusters.values():
            cluster.settle()
            for node in cluster.nodes:
                node.host.services.settle()
        for name, host in self.hosts.items():
            if not host.settings.get("powered", True):
                self.power(name, False)

    def settle(self) -> None:
        """Wait until no service is starting, stopping or looking around."""
        for host in self.hosts.values():
            host.services.settle()

    def stop(self) -> None:
        """End everything and free all ports."""
        for cluster in self.clusters.values():
            cluster.stop()
        self._winrm.stop()
        self._keeper.stop()
        for host in self.hosts.values():
            host.stop()
        for server in self.sql.values():
            server.stop()
        self.recorder.close()
        if self._temporary:
            shutil.rmtree(self.directory, ignore_errors=True)

    def power(self, host: str, on: bool) -> None:
        """Switch a host off (nothing is shut down in order) or on."""
        if host not in self.hosts:
            raise ValueError(f"there is no host {host!r}; known are {', '.join(self.hosts)}")
        self.hosts[host].powered = on
        self._winrm.refresh()

    def shells(self, host: str) -> Shells:
        """The open shells of a host."""
        return self._winrm.shells(host)

    def carry(self, source: str, path: str, target: str, new_path: str) -> None:
        """Copy a file from a host to another, as a person carries it."""
        try:
            self.hosts[target].fs.write(new_path, self.hosts[source].fs.read(path))
        except (KeyError, Win32Error) as error:
            raise ValueError(f"{path} of {source} cannot be carried to {new_path} of {target}: {error}") from error

    def _follow_virtual_servers(self) -> None:
        with contextlib.suppress(OSError):  # the port is not free yet: the server tries again
            self._winrm.refresh()

    # What others see

    def write_files(self, directory: str | Path | None = None, access: WinRMAccess | None = None) -> None:
        """Write the inventory and ``lab.json``, for the owner's eyes only."""
        folder = Path(directory) if directory is not None else self.directory
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        asked = access or WinRMAccess()
        reached = WinRMAccess(asked.scheme, asked.transport, asked.ca_file or self.ca_file)
        write_private(folder / INVENTORY, inventory(self.topology, reached))
        write_private(folder / LAB_JSON, to_json(description(self.topology, self.ca_file)))

    def remove_files(self) -> None:
        """Remove what :meth:`write_files` wrote into the lab's own directory."""
        for name in (INVENTORY, LAB_JSON):
            (self.directory / name).unlink(missing_ok=True)

    def dump(self) -> dict[str, Any]:
        """The whole state; two dumps are equal when nothing has changed between them."""
        return {
            "hosts": {name: host.dump() for name, host in self.hosts.items()},
            "groups": {
                name: {**group.dump(self._members(name)), "root_named_by": self._pointers(name)}
                for name, group in self.groups.items()
            },
            "sql": {name: server.dump() for name, server in self.sql.items()},
            "clusters": {name: cluster.dump() for name, cluster in self.clusters.items()},
            "principal_names": self.domain.dump(),
        }

    def _pointers(self, group: str) -> dict[str, dict[str, list[str]]]:
        found = {
            spec.name: root_named_by(self.hosts[spec.name])
            for spec in self.topology.hosts.values()
            if spec.group == group
        }
        return {host: places for host, places in found.items() if places}

    def installation(self, host: str) -> Installation:
        """The Operations Manager of a host."""
        return Installation(self.hosts[host])

    def _members(self, group: str) -> dict[str, Installation]:
        names = (spec.name for spec in self.topology.hosts.values() if spec.group == group)
        return {name: self.installation(name) for name in names if self.installation(name).is_management_server}

    # Construction

    def _build(self) -> None:
        for spec in self.topology.hosts.values():
            self.hosts[spec.name] = self._host(spec)
        for cluster_spec in self.topology.clusters.values():
            self._build_cluster(cluster_spec)
        for spec in self.topology.hosts.values():
            if "database" in spec.roles:
                self._install_sql_server(spec)
        for group in self.topology.groups.values():
            self.groups[group.name] = self._group(group)
        for spec in self.topology.hosts.values():
            self._install(spec)
        for built in self.groups.values():
            self._register_root(built)

    def _group(self, group: GroupSpec) -> ManagementGroup:
        members = [spec for spec in self.topology.hosts.values() if spec.group == group.name]
        servers = {
            spec.fqdn: spec.version for spec in members if spec.is_management_server or "rms_cluster" in spec.roles
        }
        clustered = [
            cluster
            for cluster in self.topology.clusters.values()
            if self.topology.hosts[cluster.nodes[0]].group == group.name
        ]
        for cluster in clustered:
            servers[_virtual_name(cluster)] = self.topology.hosts[cluster.nodes[0]].version
        root = _virtual_name(clustered[0]) if clustered else next(spec.fqdn for spec in members if "rms" in spec.roles)
        return ManagementGroup(group, root, servers, self.hosts[group.database_host], self.sql[group.database_host])

    def _build_cluster(self, spec: ClusterSpec) -> None:
        cluster = build_cluster(spec, self.hosts)
        if all(self.topology.hosts[name].installed for name in spec.nodes):
            add_services(cluster, spec.group)
            cluster.disks.volumes[spec.disk[:1].upper()].root.add(Directory(STATE_FOLDER))
        self.clusters[spec.name] = cluster
        self._cluster_of.update(dict.fromkeys(spec.nodes, cluster))
        self._virtual_servers.append(virtual_server(spec, cluster))
        self.domain.add_computer(spec.virtual_server)

    def _host(self, spec: HostSpec) -> WindowsHost:
        host = WindowsHost(spec.name, spec.fqdn, spec.address, spec.profile, self.recorder, self.faults, self.hosts)
        host.users = [User(user.name, user.password, user.is_admin) for user in spec.users]
        host.directory = self.domain
        self.domain.add_computer(spec.name)
        for user in host.users:
            host.session(user.name, is_admin=user.is_admin)  # has been here before: a logon changes nothing any more
        host.settings.update(spec.settings)
        media = spec.media.directory[:1].upper() if spec.media else ""
        for letter in sorted({spec.install_directory[:1].upper(), media} - {"", "C"}):
            host.fs.add_drive(letter, "OPSMGR2007" if letter == media else "Data")
        return host

    def _install_sql_server(self, spec: HostSpec) -> None:
        sql = self.topology.sql
        logins = {
            sql.login.name: Login(sql.login.name, sql.login.password, is_sysadmin=True),
            sql.weak_login.name: Login(sql.weak_login.name, sql.weak_login.password),
        }
        for user in spec.users:
            if "\\" in user.name and user.is_admin:  # the machine's administrators are the server's
                logins[user.name] = Login(user.name, user.password, is_sysadmin=True, is_windows=True)
        host = self.hosts[spec.name]
        server = SqlServer(
            spec.name, spec.address, SQL_PORT, self.recorder, self.faults, sql.version, logins, host.fs, host.registry
        )
        self.sql[spec.name] = server
        self._databases.add(server, spec.name, spec.fqdn, spec.address)

        def start(_service: Service) -> int:
            with contextlib.suppress(OSError):
                server.start()
                return 0
            return 1067

        display_name = "SQL Server (MSSQLSERVER)"
        service = Service(
            _SQL_SERVICE, display_name, start="auto", on_start=start, on_stop=lambda _service: server.stop()
        )
        host.services.add(service)
        register_sql_server(host, sql.version)

    def _install(self, spec: HostSpec) -> None:
        host = self.hosts[spec.name]
        group = self.groups[spec.group]
        place = (host, spec.version, spec.install_directory, group.membership)
        if spec.is_management_server:
            key = group.key if {"rms", "rms_cluster"}.intersection(spec.roles) else None
            installation = install_management_server(*place, key)
            self._register_services(installation, spec.version)
            for cluster in (cluster for cluster in self.topology.clusters.values() if spec.name in cluster.nodes):
                installation.join_virtual_server(_virtual_name(cluster), cluster.disk)
        if "reporting" in spec.roles:
            install_reporting(*place, self.topology.sql.version)
        if "web_console" in spec.roles:
            install_web_console(*place)
        if "console" in spec.roles:
            install_console(*place, secure_storage_backup)
        if spec.media:
            self._insert_media(host, spec, spec.media)

    def _register_services(self, installation: Installation, version: Version) -> None:
        group = self.groups[self.topology.hosts[installation.host.name].group]
        ManagementServices(installation, self._databases, self._keeper, group.damage_cluster).install(version)

    def _register_root(self, group: ManagementGroup) -> None:
        """What a domain administrator did when the root was made: the names of its SDK service, and of the Health
        Service of a virtual server, which nobody registers by itself [ms][field].
        """
        root = group.membership.root_fqdn
        active = next((member for member in self._members(group.name).values() if member.is_root), None)
        if active is None:
            return
        sdk_account = active.host.services["OMSDK"].account
        own = active.host.name if is_computer(sdk_account) else sdk_account
        self.domain.register(own, *service_names("MSOMSdkSvc", root))
        if active.virtual_server:
            self.domain.register(root.partition(".")[0], *service_names("MSOMHSvc", root))

    def _insert_media(self, host: WindowsHost, spec: HostSpec, media: MediaSpec) -> None:
        programs: dict[str, Program] = {BACKUP_TOOL: secure_storage_backup, CONFIG_TOOL: self._config_tool}
        tools = {name: (program, tool_content(name, spec.version)) for name, program in programs.items()}
        install_media(host, media.directory, media.layout, tools)
        for architecture in (None,) if media.layout == "flat" else ARCHITECTURES:
            package = mom_package(spec.version, self._databases, self._register_services)
            host.install_program(package_path(media.directory, architecture), package, package_content(spec.version))
        if media.directory[:1].upper() not in ("C", spec.install_directory[:1].upper()):
            host.fs.volumes[media.directory[:1].upper()].read_only = True


def _virtual_name(cluster: ClusterSpec) -> str:
    """How the database calls a virtual server: the cluster keeps its name in capitals [field]."""
    name, dot, domain = cluster.fqdn.partition(".")
    return name.upper() + dot + domain
