# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""rms_cluster_group: the group of the clustered RMS is online, offline, or on that node; the registry of this node is
fit for it.
"""

from __future__ import annotations

import typing as t

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.actions.windows import (
    KEY_MATERIAL_SPEC,
    Arguments,
    Facts,
    OpsmgrAction,
    Work,
    changing,
    diff,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.cluster.group import (
    OFFLINE,
    ONLINE,
    ClusterGroup,
    ClusterHost,
    StateWords,
    same,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.cluster.node import (
    PARENT_KEY,
    ROOT_VALUE,
    NodeRegistry,
    export_path,
    read_registry,
    repair_registry,
    require_consistent,
    wrong_in,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.server import SERVICES, ManagementServer

STEP = "look after the cluster group of the RMS"
# Everything online but the services.
PREPARED = "prepared"


class ActionModule(OpsmgrAction):
    STEP = STEP
    SPEC = {
        **KEY_MATERIAL_SPEC,
        "group": {"type": "str", "required": True},
        "state": {"type": "str", "choices": [ONLINE, OFFLINE, PREPARED]},
        "node": {"type": "str"},
        "registry": {"type": "str", "default": "check", "choices": ["ignore", "check", "repair"]},
        "timeout": {"type": "float", "default": 300.0},
        "state_words": {"type": "dict", "default": {}},
        "stable_seconds": {"type": "int", "default": 5},
    }
    RESULT = {"nodes": None, "group": None, "resources": None, "registry": None, "backup": None, "warnings": []}

    def check_arguments(self, arguments: Arguments) -> None:
        problem = StateWords(STEP, arguments["state_words"]).problem()
        if problem:
            raise OpsmgrError(STEP, problem, "Correct the option state_words and rerun")

    def act(self, work: Work) -> None:
        server = work.opsmgr.require_server(STEP, only_key=True, fingerprint=True)
        registry = read_registry(work.opsmgr.windows, server)
        work.result["registry"] = registry.as_result()
        cluster = ClusterHost(work.opsmgr.windows, STEP, work.arguments["state_words"])
        try:
            _act(work, server, registry, cluster)
        finally:
            work.result.update(_observed(work, cluster))


def _act(work: Work, server: ManagementServer, registry: NodeRegistry, cluster: ClusterHost) -> None:
    arguments = work.arguments
    cluster.observe()
    group = cluster.require_group(arguments["group"])
    node = arguments["node"] or group.node
    if not same(node, group.node):
        cluster.require_up(node)
    if arguments["state"] == PREPARED and cluster.prepared(group.name, SERVICES):
        group = ClusterGroup(group.name, group.node, PREPARED)
    wanted = ClusterGroup(group.name, node, arguments["state"] or group.state)
    repair = arguments["registry"] == "repair" and not registry.consistent
    moves = not same(wanted.node, group.node) or wanted.state != group.state
    if moves and wanted.state != OFFLINE and arguments["registry"] == "check":
        _require_fit(work, registry)
    before = _facts(group, registry)
    predicted = _facts(wanted, registry)
    if repair:
        predicted = _facts(wanted, NodeRegistry(True, False, registry.key_fingerprint))
    if not work.check_mode:
        if repair:
            registry = _repair(work, server)
            _warn_if_active(work, server, group)
        if moves:
            # An order stands even when nobody sees what becomes of it.
            work.result["changed"] = True
            with changing(work, _observed(work, cluster), lambda: _look(work, cluster)):
                _bring_about(work, cluster, wanted)
        if wanted.state != PREPARED:
            wanted = cluster.require_group(group.name)
        predicted = _facts(wanted, registry)
    work.result.update(
        changed=repair or moves,
        diff=diff(before, predicted, f"cluster group {group.name}, registry of {server.computer_name}"),
    )


def _require_fit(work: Work, registry: NodeRegistry) -> None:
    """Nothing comes online while the registry of this node is wrong. In check mode an earlier task was only predicted."""
    if not work.check_mode:
        require_consistent(STEP, registry)
    elif not registry.consistent:
        work.result["warnings"].append(
            f"This will be refused if no earlier task puts the registry of this node right: {wrong_in(registry)}."
        )


def _repair(work: Work, server: ManagementServer) -> NodeRegistry:
    """Repair the registry of this node and read it back."""
    backup = export_path(server)
    with changing(work, {"registry": work.result["registry"]}, lambda: {"registry": _read_again(work).as_result()}):
        repair_registry(work.opsmgr.windows, STEP, server, backup)
    work.result.update(changed=True, backup=backup)
    registry = _read_again(work)
    work.result["registry"] = registry.as_result()
    require_consistent(STEP, registry)
    return registry


def _read_again(work: Work) -> NodeRegistry:
    return read_registry(work.opsmgr.windows, work.opsmgr.observe(only_key=True, fingerprint=True))


def _warn_if_active(work: Work, server: ManagementServer, group: ClusterGroup) -> None:
    if same(group.node, server.computer_name) and group.state == ONLINE and work.arguments["state"] != OFFLINE:
        told = f"The registry of {server.computer_name} was repaired while the group {group.name} is online there: its services read it when they start"
        work.result["warnings"].append(f"{told}. Take the group offline and online again.")


def _bring_about(work: Work, cluster: ClusterHost, wanted: ClusterGroup) -> None:
    """Stop first, move then, start last: nothing is started on a node only to be stopped again."""
    timeout = work.arguments["timeout"]
    state = work.arguments["state"]
    if state in (OFFLINE, PREPARED) and cluster.require_group(wanted.name).state != OFFLINE:
        cluster.take_offline(wanted.name, timeout)
    if not same(cluster.require_group(wanted.name).node, wanted.node):
        cluster.move(wanted.name, wanted.node, timeout)
    if state == PREPARED:
        cluster.prepare(wanted.name, SERVICES, timeout)
    if state == ONLINE and cluster.require_group(wanted.name).state != ONLINE:
        cluster.bring_online(wanted.name, timeout)
    if cluster.require_group(wanted.name).state == ONLINE and work.arguments["stable_seconds"]:
        cluster.stay_online(wanted.name, work.arguments["stable_seconds"])


def _look(work: Work, cluster: ClusterHost) -> Facts:
    cluster.observe()
    return _observed(work, cluster)


def _observed(work: Work, cluster: ClusterHost) -> Facts:
    """What was seen last, also after a failure."""
    facts: dict[str, t.Any] = {"nodes": None, "group": None, "resources": None}
    if cluster.seen is None:
        return facts
    facts["nodes"] = dict(cluster.seen.nodes)
    group = cluster.seen.group(work.arguments["group"])
    if group:
        facts["group"] = {"name": group.name, "node": group.node, "state": group.state}
        facts["resources"] = {resource.name: resource.state for resource in cluster.seen.members(group.name)}
    return facts


def _facts(group: ClusterGroup, registry: NodeRegistry) -> dict[str, t.Any]:
    return {"node": group.node, "state": group.state, ROOT_VALUE: registry.is_root, PARENT_KEY: registry.has_parent}
