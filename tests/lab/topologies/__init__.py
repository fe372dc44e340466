# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Topologies: which hosts a lab has and what is installed on them, written as YAML beside this file.

A file can say ``extends: <other>``; what it says itself is merged over the other one, mapping by mapping.
README.md of the lab describes every key.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ..opsmgr.versions import Version, find_version

ROLES = ("rms", "rms_cluster", "management_server", "database", "reporting", "web_console", "console")
_HERE = Path(__file__).parent
_HOSTS_PER_NET = 240
_FIRST_ADDRESS = 10
_TOP_LEVEL = ("extends", "domain", "groups", "defaults", "variables", "hosts", "clusters", "sql")
_HOST_KEYS = ("roles", "group", "profile", "version", "install_directory", "installed", "media", "settings", "users")
_GROUP_KEYS = ("database", "run_as", "remains", "gateways", "agents")
_DATABASE_KEYS = ("host", "name", "warehouse", "older_view")
_REMAINS_KEYS = ("database_backup", "key_backup", "key_password")
_CLUSTER_KEYS = ("nodes", "group", "virtual_server", "disk", "quorum_disk")
_SQL_KEYS = ("version", "login", "weak_login")
Tree = dict[str, Any]


@dataclass(frozen=True)
class UserSpec:
    """An account of a Windows host; the name may be ``DOMAIN\\user``."""

    name: str
    password: str
    is_admin: bool


@dataclass(frozen=True)
class MediaSpec:
    """Where the installation media's support tools are; ``flat`` or one folder per architecture [book][field]."""

    directory: str
    layout: str


@dataclass(frozen=True)
class HostSpec:
    """One Windows host."""

    name: str
    fqdn: str
    address: str
    roles: tuple[str, ...]
    group: str
    profile: str
    version: Version
    install_directory: str
    media: MediaSpec | None
    settings: Tree
    users: tuple[UserSpec, ...]
    installed: bool = True

    @property
    def is_management_server(self) -> bool:
        """Whether the management server is installed here, root or not."""
        return self.installed and not {"rms", "rms_cluster", "management_server"}.isdisjoint(self.roles)


@dataclass(frozen=True)
class RunAsSpec:
    """A Run As account of a management group."""

    name: str
    user: str
    secret: str


@dataclass(frozen=True)
class RemainsSpec:
    """What is left of a management group that was lost: two files in the SQL Server's backup directory."""

    database_backup: str
    key_backup: str
    key_password: str


@dataclass(frozen=True)
class GroupSpec:
    """One management group and the database host that it lives on.

    ``gateways`` and ``agents`` are full names: the database knows them, and that they report to the root; no host of the
    lab is one.  ``older_view``: the database's
    view of health services has no names.
    """

    name: str
    database_host: str
    database: str
    warehouse: str
    run_as: tuple[RunAsSpec, ...]
    remains: RemainsSpec | None = None
    gateways: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()
    older_view: bool = False


@dataclass(frozen=True)
class ClusterSpec:
    """A failover cluster with one group, the virtual server's; drives are ``X:``."""

    name: str
    nodes: tuple[str, ...]
    group: str
    virtual_server: str
    fqdn: str
    address: str
    disk: str
    quorum_disk: str


@dataclass(frozen=True)
class LoginSpec:
    """A login of the SQL Servers."""

    name: str
    password: str


@dataclass(frozen=True)
class SqlSpec:
    """What all SQL Servers of the lab share: their version, an administrator's login and one that may do little."""

    version: str
    login: LoginSpec
    weak_login: LoginSpec


@dataclass(frozen=True)
class Topology:
    """A lab to be: the result of :func:`load_topology`."""

    name: str
    domain: str
    hosts: dict[str, HostSpec]
    groups: dict[str, GroupSpec]
    clusters: dict[str, ClusterSpec]
    sql: SqlSpec
    variables: Tree
    tree: Tree = field(repr=False)


def load_topology(name: str, overrides: Mapping[str, Any] | None = None, network: str = "127.10") -> Topology:
    """Read the topology of that name (or a path to a YAML file), merge ``overrides`` over it and check it."""
    tree = merge(read_tree(name), overrides or {})
    _only_known(tree, _TOP_LEVEL, f"topology {name}")
    _give_passwords(tree)
    domain = str(tree["domain"])
    sql = _sql(tree.get("sql") or {})
    groups = {group: _group(group, body) for group, body in tree["groups"].items()}
    hosts = {
        host: _host(host, number, merge(tree.get("defaults") or {}, body or {}), domain, network, groups)
        for number, (host, body) in enumerate(tree["hosts"].items())
        if body is not False
    }
    clusters = {
        cluster: _cluster(cluster, body, domain, _address(network, number), hosts)
        for number, (cluster, body) in enumerate((tree.get("clusters") or {}).items(), len(tree["hosts"]))
    }
    for group in groups.values():
        _check_group(group, hosts, clusters)
    return Topology(name, domain, hosts, groups, clusters, sql, tree.get("variables") or {}, tree)


def read_tree(name: str) -> Tree:
    """The YAML of a topology with everything it extends merged in."""
    path = Path(name) if "/" in name else _HERE / f"{name}.yml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in _HERE.glob("*.yml")))
        raise ValueError(f"there is no topology {name!r}; known are {known}")
    tree: Tree = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    base = tree.pop("extends", None)
    return merge(read_tree(str(base)), tree) if base else tree


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> Tree:
    """``over`` merged into a copy of ``base``: mappings key by key, everything else replaced."""
    result = dict(base)
    for key, value in over.items():
        below = result.get(key)
        both = isinstance(below, Mapping) and isinstance(value, Mapping)
        result[key] = merge(below, value) if both and below is not None else value
    return result


def parse_setting(text: str) -> Tree:
    """An override from a command line: ``hosts.hydra.profile=2003``, or shorter for all hosts
    ``settings.tool_reads=getch``.
    """
    path, sign, value = text.partition("=")
    if not sign or not path:
        raise ValueError(f"{text!r} is not of the form key=value")
    keys = path.split(".")
    if keys[0] not in _TOP_LEVEL:
        keys.insert(0, "defaults")
    tree: Any = yaml.safe_load(value)
    for key in reversed(keys):
        tree = {key: tree}
    return dict(tree)


def random_password() -> str:
    """A password for one lab, as a person's password manager would make it."""
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _index in range(16)) + "!7"


def _give_passwords(tree: Tree) -> None:
    """An account that all hosts share is a domain account: it has one password everywhere."""
    users = (tree.get("defaults") or {}).get("users") or {}
    given = {name: merge({"password": random_password()}, user or {}) for name, user in users.items()}
    tree["defaults"] = merge(tree.get("defaults") or {}, {"users": given})


def _host(name: str, number: int, body: Tree, domain: str, network: str, groups: Mapping[str, GroupSpec]) -> HostSpec:
    _only_known(body, _HOST_KEYS, f"host {name}")
    group = body.get("group") or next(iter(groups))
    if group not in groups:
        raise ValueError(f"host {name} is in the management group {group!r}, which the topology does not have")
    profile = str(body.get("profile", "2008r2"))
    if profile not in ("2003", "2008r2"):
        raise ValueError(f"host {name} has the profile {profile!r}; known are 2003 and 2008r2")
    return HostSpec(
        name=name,
        fqdn=f"{name}.{domain}",
        address=_address(network, number),
        roles=_roles(name, body),
        group=group,
        profile=profile,
        version=find_version(str(body["version"])),
        install_directory=body["install_directory"],
        media=_media(body.get("media")),
        settings=dict(body.get("settings") or {}),
        users=_users(body.get("users") or {}),
        installed=bool(body.get("installed", True)),
    )


def _cluster(name: str, body: Tree, domain: str, address: str, hosts: Mapping[str, HostSpec]) -> ClusterSpec:
    _only_known(body, _CLUSTER_KEYS, f"cluster {name}")
    nodes = tuple(body["nodes"])
    for node in nodes:
        if node not in hosts or "rms_cluster" not in hosts[node].roles:
            raise ValueError(f"cluster {name} has the node {node!r}, which is no host with the role rms_cluster")
    virtual_server = str(body["virtual_server"])
    return ClusterSpec(
        name=name,
        nodes=nodes,
        group=str(body["group"]),
        virtual_server=virtual_server,
        fqdn=f"{virtual_server}.{domain}",
        address=address,
        disk=str(body["disk"]),
        quorum_disk=str(body.get("quorum_disk") or ""),
    )


def _address(network: str, number: int) -> str:
    return f"{network}.{1 + number // _HOSTS_PER_NET}.{_FIRST_ADDRESS + number % _HOSTS_PER_NET}"


def _roles(name: str, body: Tree) -> tuple[str, ...]:
    roles = tuple(body.get("roles") or ())
    for role in roles:
        if role not in ROLES:
            raise ValueError(f"host {name} has the role {role!r}; known are {', '.join(ROLES)}")
    return roles


def _media(body: Tree | None) -> MediaSpec | None:
    if not body:
        return None
    layout = str(body.get("layout", "architectures"))
    if layout not in ("flat", "architectures"):
        raise ValueError(f"media layout {layout!r} is neither 'flat' nor 'architectures'")
    return MediaSpec(str(body["directory"]), layout)


def _users(body: Tree) -> tuple[UserSpec, ...]:
    return tuple(
        UserSpec(name, str(user.get("password") or random_password()), bool(user.get("admin", False)))
        for name, user in ((name, user or {}) for name, user in body.items())
    )


def _group(name: str, body: Tree) -> GroupSpec:
    _only_known(body, _GROUP_KEYS, f"management group {name}")
    database = body["database"]
    _only_known(database, _DATABASE_KEYS, f"database of management group {name}")
    accounts = ((account, value or {}) for account, value in (body.get("run_as") or {}).items())
    run_as = tuple(
        RunAsSpec(account, str(value["user"]), str(value.get("secret") or random_password()))
        for account, value in accounts
    )
    return GroupSpec(
        name=name,
        database_host=database["host"],
        database=database["name"],
        warehouse=database["warehouse"],
        run_as=run_as,
        remains=_remains(name, body.get("remains")),
        gateways=tuple(str(gateway) for gateway in body.get("gateways") or ()),
        agents=tuple(str(agent) for agent in body.get("agents") or ()),
        older_view=bool(database.get("older_view", False)),
    )


def _remains(group: str, body: Tree | None) -> RemainsSpec | None:
    if not body:
        return None
    _only_known(body, _REMAINS_KEYS, f"remains of management group {group}")
    return RemainsSpec(str(body["database_backup"]), str(body["key_backup"]), str(body["key_password"]))


def _sql(body: Tree) -> SqlSpec:
    _only_known(body, _SQL_KEYS, "sql")
    return SqlSpec(
        version=str(body.get("version", "10.0")),
        login=_login(body.get("login") or {}, "opsmgr_recovery"),
        weak_login=_login(body.get("weak_login") or {}, "opsmgr_reader"),
    )


def _login(body: Tree, name: str) -> LoginSpec:
    return LoginSpec(str(body.get("name") or name), str(body.get("password") or random_password()))


def _check_group(group: GroupSpec, hosts: Mapping[str, HostSpec], clusters: Mapping[str, ClusterSpec]) -> None:
    roots = [host.name for host in hosts.values() if host.group == group.name and "rms" in host.roles]
    roots += [cluster.name for cluster in clusters.values() if hosts[cluster.nodes[0]].group == group.name]
    if len(roots) != 1:
        raise ValueError(
            f"management group {group.name} needs exactly one host with the role rms, not {len(roots)} (a cluster is one)"
        )
    if group.database_host not in hosts or "database" not in hosts[group.database_host].roles:
        raise ValueError(
            f"management group {group.name} is on {group.database_host!r}, which is no host with the role database"
        )


def _only_known(body: Tree, known: tuple[str, ...], where: str) -> None:
    unknown = sorted(set(body) - set(known))
    if unknown:
        raise ValueError(f"{where}: unknown {', '.join(unknown)}; known are {', '.join(known)}")
