# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose key is to be backed up: which hosts stand for an RMS by the inventory, and which of them the operational database
names.

Private to opsmgr.recovery.
"""

from __future__ import annotations

import typing as t
from collections.abc import Callable
from dataclasses import dataclass, field

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import error_sentence
from ansible_collections.opsmgr.recovery.plugins.module_utils.server_names import name_key

RMS, MANAGEMENT_SERVERS = "opsmgr_rms", "opsmgr_management_servers"
CLUSTER, DATABASES = "opsmgr_rms_cluster", "opsmgr_database"
GROUP_VARIABLE = "opsmgr_management_group"
ADDRESS_VARIABLE = "ansible_host"
VIRTUAL_VARIABLE = "opsmgr_virtual_server"
STEP = "find the RMS"

Groups = t.Mapping[str, t.Sequence[str]]
# The value of a variable of a host, an empty text where it has none.
Variable = Callable[[str, str], str]


@dataclass(frozen=True)
class Candidate:
    """A host of the inventory that may be an RMS.

    :ivar name: its name in the inventory, for comparing
    :ivar address: where it is connected to, for comparing
    :ivar virtual_server: the name of the clustered RMS that it is a node of, for comparing; else empty
    """

    host: str
    management_group: str
    name: str
    address: str = ""
    virtual_server: str = ""


@dataclass(frozen=True)
class KeyBackupPlan:
    """Who stands for which RMS.

    :ivar hosts: those that back up a key, each for itself or for its management group
    :ivar groups_left: management groups whose RMS nobody can look for, because no host of opsmgr_rms is of them
    :ivar candidates: hosts that may turn out to be the RMS, if the database is asked
    :ivar databases: for each management group the host of its operational database
    :ivar nodes_behind: for each virtual server of the inventory the nodes that may answer
    """

    hosts: list[str]
    groups_left: list[str] = field(default_factory=list)
    candidates: list[Candidate] = field(default_factory=list)
    databases: dict[str, str] = field(default_factory=dict)
    nodes_behind: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class RmsOfDatabase:
    """The hosts that may be the RMS which the database names; why nobody of the inventory is it, or an empty text."""

    servers: list[str]
    problem: str = ""


def plan_key_backups(
    groups: Groups, variable: Variable, play_hosts: t.Collection[str], *, find_rms: bool
) -> KeyBackupPlan:
    """Each RMS of the inventory stands for itself; when the database is asked, one of each management group does."""
    ours = sorted(host for host in groups.get(RMS, ()) if host in play_hosts)
    nodes_behind = _nodes_behind(groups, variable)
    if not find_rms:
        return KeyBackupPlan(ours, nodes_behind=nodes_behind)
    candidates = [_candidate(host, variable) for host in _listed(groups)]
    of_groups: dict[str, str] = {}
    for each in candidates:
        if each.host in ours:
            of_groups.setdefault(each.management_group, each.host)
    covered = {each.management_group for each in candidates if each.host in groups.get(RMS, ())}
    all_groups = dict.fromkeys(each.management_group for each in candidates)
    databases: dict[str, str] = {}
    for host in groups.get(DATABASES, ()):
        databases.setdefault(variable(host, GROUP_VARIABLE), host)
    return KeyBackupPlan(
        [of_groups[group] for group in sorted(of_groups)],
        [group for group in all_groups if group not in covered],
        candidates,
        databases,
        nodes_behind,
    )


def _listed(groups: Groups) -> list[str]:
    return list(dict.fromkeys(host for name in (RMS, MANAGEMENT_SERVERS, CLUSTER) for host in groups.get(name, ())))


def _candidate(host: str, variable: Variable) -> Candidate:
    address, virtual = variable(host, ADDRESS_VARIABLE), variable(host, VIRTUAL_VARIABLE)
    return Candidate(host, variable(host, GROUP_VARIABLE), name_key(host), name_key(address), name_key(virtual))


def _nodes_behind(groups: Groups, variable: Variable) -> dict[str, list[str]]:
    """Behind a virtual server, one of its nodes answers, and calls itself by its own name."""
    nodes: dict[str, list[str]] = {}
    for node in groups.get(CLUSTER, ()):
        nodes.setdefault(name_key(variable(node, VIRTUAL_VARIABLE)), []).append(node)
    listed = (host for name in (RMS, MANAGEMENT_SERVERS) for host in groups.get(name, ()))
    return {host: nodes[name_key(host)] for host in listed if name_key(host) in nodes}


def rms_of_database(
    host: str, management_group: str, candidates: t.Iterable[Candidate], database: t.Mapping[str, t.Any], asked: str
) -> RmsOfDatabase:
    """The hosts that the database's answer means.

    :param host: who stands for the management group; without an answer there is still the inventory, and a backup more
    than needed does no harm
    :param database: the result of management_group_info, empty when it was not asked
    :param asked: the host of the database, empty without one
    """
    name = str(database.get("rms") or "")
    found = _hosts_named(name_key(name), [each for each in candidates if each.management_group == management_group])
    if name and found:
        return RmsOfDatabase(found)
    return RmsOfDatabase([host], _why_not_found(host, management_group, name, database, asked))


def _hosts_named(name: str, mates: t.Sequence[Candidate]) -> list[str]:
    """The database names a clustered RMS by its virtual server; where that is not in the inventory, its nodes are tried."""
    by_name = [each.host for each in mates if each.name == name]
    by_address = [each.host for each in mates if each.address == name]
    return (by_name + by_address)[:1] or [each.host for each in mates if each.virtual_server == name]


def _why_not_found(host: str, group: str, name: str, database: t.Mapping[str, t.Any], asked: str) -> str:
    if not asked:
        found = f"opsmgr_database has no host of management group '{group}'"
        return error_sentence(host, STEP, found, "Add it to the inventory, or set rms_key_backup_find_rms to false")
    if not name:
        told = (
            database.get("unsupported")
            or database.get("problem")
            or database.get("msg")
            or " ".join(database.get("problems") or [])
        )
        reason = str(told or "it names none")
        return error_sentence(host, STEP, f"the operational database does not say which server it is: {reason}", "")
    found = f"it is {name} by the operational database, and no host of the inventory in management group '{group}' has that name"
    return error_sentence(host, STEP, found, "Add it to opsmgr_rms")
