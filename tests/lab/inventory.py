# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files by which others find a running lab: an Ansible inventory and ``lab.json``."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from .topologies import ClusterSpec, GroupSpec, HostSpec, Topology, UserSpec

INVENTORY = "inventory.yml"
LAB_JSON = "lab.json"
LOG = "log.jsonl"
SERVER_LOG = "server.log"
HTTP_PORT = 5985
HTTPS_PORT = 5986
SQL_PORT = 1433
INVENTORY_GROUPS = {
    "rms": "opsmgr_rms",
    "management_server": "opsmgr_management_servers",
    "reporting": "opsmgr_reporting",
    "web_console": "opsmgr_web_console",
    "console": "opsmgr_consoles",
    "database": "opsmgr_database",
}
CLUSTER_GROUP = "opsmgr_rms_cluster"
"""The nodes of clusters. The group is there without one, too: Ansible warns of a group that an inventory does not have.
"""
Tree = dict[str, Any]


@dataclass(frozen=True)
class WinRMAccess:
    """How the inventory tells Ansible to reach the hosts: ``http``/``ntlm`` by default."""

    scheme: str = "http"
    transport: str = "ntlm"
    ca_file: str = ""

    def variables(self) -> Tree:
        """The connection variables that all hosts share."""
        shared: Tree = {
            "ansible_connection": "winrm",
            "ansible_port": HTTPS_PORT if self.scheme == "https" else HTTP_PORT,
            "ansible_winrm_scheme": self.scheme,
            "ansible_winrm_transport": self.transport,
        }
        if self.scheme == "https":
            shared["ansible_winrm_ca_trust_path"] = self.ca_file
        return shared


class _Unsafe(str):
    """Text that Ansible must not take for a template."""


class _Dumper(yaml.SafeDumper):
    """Plain YAML, and ``!unsafe`` for what would be a template."""


_Dumper.add_representer(_Unsafe, lambda dumper, text: dumper.represent_scalar("!unsafe", str(text), style="'"))


def inventory(topology: Topology, access: WinRMAccess) -> str:
    """The inventory of a topology, as YAML."""
    single = len(topology.groups) == 1
    groups: Tree = {group: {"hosts": {}} for group in (*INVENTORY_GROUPS.values(), CLUSTER_GROUP)}
    for host in topology.hosts.values():
        for group in (INVENTORY_GROUPS[role] for role in host.roles if role in INVENTORY_GROUPS):
            groups[group]["hosts"][host.name] = _host_variables(topology, host, access, with_group=not single)
    for cluster in topology.clusters.values():
        nodes = [topology.hosts[name] for name in cluster.nodes]
        described = {node.name: _host_variables(topology, node, access, with_group=not single) for node in nodes}
        virtual_server = {**described[nodes[0].name], "ansible_host": cluster.address}
        groups[INVENTORY_GROUPS["rms"]]["hosts"][cluster.virtual_server] = virtual_server
        in_cluster = groups[CLUSTER_GROUP]["hosts"]
        in_cluster.update({name: {**variables, **_cluster_variables(cluster)} for name, variables in described.items()})
    tree: Tree = {"all": {"children": groups}}
    if single:
        tree["all"]["vars"] = {"opsmgr_management_group": next(iter(topology.groups)), **topology.variables}
    return "---\n" + yaml.dump(_protected(tree), Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=1000)


def _host_variables(topology: Topology, host: HostSpec, access: WinRMAccess, *, with_group: bool) -> Tree:
    user = administrator(host)
    variables: Tree = {
        "ansible_host": host.address,
        **access.variables(),
        "ansible_user": user.name,
        "ansible_password": user.password,
    }
    if with_group:
        variables["opsmgr_management_group"] = host.group
    if "database" in host.roles:
        variables.update(_sql_variables(topology, host))
    return variables


def _cluster_variables(cluster: ClusterSpec) -> Tree:
    return {
        "opsmgr_cluster_group": cluster.group,
        "opsmgr_virtual_server": cluster.virtual_server,
        "opsmgr_cluster_disk": cluster.disk,
    }


def _sql_variables(topology: Topology, host: HostSpec) -> Tree:
    return {
        "opsmgr_database_name": topology.groups[host.group].database,
        "opsmgr_sql_server": host.address,
        "opsmgr_sql_port": SQL_PORT,
        "opsmgr_sql_login_user": topology.sql.login.name,
        "opsmgr_sql_login_password": topology.sql.login.password,
        "opsmgr_sql_driver": "FreeTDS",
        "opsmgr_sql_tds_version": "7.2",
        "opsmgr_sql_encryption": "request",
    }


def description(topology: Topology, ca_file: str) -> Tree:
    """The content of ``lab.json``."""
    hosts: Tree = {}
    for host in topology.hosts.values():
        user = administrator(host)
        hosts[host.name] = {
            "address": host.address,
            "http": HTTP_PORT,
            "https": HTTPS_PORT,
            "user": user.name,
            "password": user.password,
            "fqdn": host.fqdn,
            "roles": list(host.roles),
            "powered": host.settings.get("powered", True),
        }
    described: Tree = {"pid": os.getpid(), "ca": ca_file, "hosts": hosts, "sql": _sql_description(topology)}
    if topology.clusters:
        described["clusters"] = _clusters_description(topology)
    return described


def _clusters_description(topology: Topology) -> Tree:
    return {
        cluster.name: {
            "nodes": list(cluster.nodes),
            "virtual_server": cluster.virtual_server,
            "address": cluster.address,
        }
        for cluster in topology.clusters.values()
    }


def _sql_description(topology: Topology) -> Tree:
    return {
        host.name: {
            "address": host.address,
            "port": SQL_PORT,
            "user": topology.sql.login.name,
            "password": topology.sql.login.password,
            "databases": [name for group in databases_of(topology, host) for name in (group.database, group.warehouse)],
        }
        for host in topology.hosts.values()
        if "database" in host.roles
    }


def databases_of(topology: Topology, host: HostSpec) -> list[GroupSpec]:
    """The management groups whose databases are on this host."""
    return [group for group in topology.groups.values() if group.database_host == host.name]


def administrator(host: HostSpec) -> UserSpec:
    """The first administrator of a host: whom inventory and ``lab.json`` name."""
    for user in host.users:
        if user.is_admin:
            return user
    raise ValueError(f"host {host.name} has no user who is an administrator")


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, and never half of it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    temporary.replace(path)


def to_json(value: Mapping[str, Any]) -> str:
    """JSON as people like to read it."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _protected(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _protected(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_protected(item) for item in value]
    looks_like_template = isinstance(value, str) and any(mark in value for mark in ("{{", "{%", "{#"))
    return _Unsafe(value) if looks_like_template else value
