# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""rms_cluster_node: this server is a node of the clustered RMS."""

from __future__ import annotations

import re
import typing as t
from dataclasses import replace

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.actions.windows import (
    CONVERSATION_SPEC,
    FAILURES,
    KEY_MATERIAL_SPEC,
    Arguments,
    Facts,
    OpsmgrAction,
    Work,
    changing,
    diff,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.cluster.group import ClusterHost, StateWords
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.cluster.node import (
    PARENT_KEY,
    ROOT_VALUE,
    NodeRegistry,
    join_cluster,
    read_registry,
    wrong_in,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.cluster.services import services_without_resource
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.promotion import CONFIG_TOOL
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.server import (
    DEMOTION_PROMPT,
    HEALTH_SERVICE,
    SERVICES,
    ManagementServer,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.service_states import describe
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.windows.host import ServiceChange
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.conversation import HeldConversation
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.shell import Deadline

STEP = "make this server a node of the clustered RMS"
# Seconds. The tool has ended when its effect is looked for; the registry only needs a moment at the most.
EFFECT_SECONDS = 15
# The start mode of the three services on a node: the cluster starts and stops them [ms].
BY_CLUSTER = "demand"


class ActionModule(OpsmgrAction):
    STEP = STEP
    SPEC = {
        **CONVERSATION_SPEC,
        **KEY_MATERIAL_SPEC,
        "virtual_server": {"type": "str", "required": True},
        "disk": {"type": "str", "required": True},
        "first": {"type": "bool", "default": False},
        "state_words": {"type": "dict", "default": {}},
        "cluster_prompt": {"type": "str", "default": DEMOTION_PROMPT},
    }
    RESULT = {"registry": None, "services": None, "command": None, "transcript": None}

    def check_arguments(self, arguments: Arguments) -> None:
        problem = StateWords(STEP, arguments["state_words"]).problem()
        if problem:
            raise OpsmgrError(STEP, problem, "Correct the option state_words and rerun")
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,15}", arguments["virtual_server"]):
            found = f"{arguments['virtual_server']!r} is not a NetBIOS name"
            raise OpsmgrError(STEP, found, "Give the name of the virtual server without its domain, such as rmsvs")
        if not re.fullmatch("[A-Za-z]:", arguments["disk"]):
            raise OpsmgrError(
                STEP, f"{arguments['disk']!r} is not a drive", "Give the drive of the cluster's disk, such as X:"
            )

    def act(self, work: Work) -> None:
        server = _after_any_running_tool(work, work.opsmgr.require_server(STEP, probe=True, fingerprint=True))
        registry = _look(work, server)
        before = _facts(server, registry)
        joins, modes = not _is_node(work, server, registry), _modes_to_set(server)
        predicted = before
        if joins or modes:
            _require_ready(work, server, joins)
            predicted = {ROOT_VALUE: True, PARENT_KEY: False, **dict.fromkeys(SERVICES, BY_CLUSTER)}
        if joins:
            action = "AddRMSNode"
            if work.arguments["first"]:
                action = "InstallCluster"
            options = [action, f"/vs:{work.arguments['virtual_server']}", f"/disk:{work.arguments['disk']}"]
            work.result["command"] = " ".join([CONFIG_TOOL, *options])
        if not work.check_mode:

            def look() -> Facts:
                now = replace(work.opsmgr.observe(), key_fingerprint=server.key_fingerprint)
                return _observed(now, read_registry(work.opsmgr.windows, now))

            with changing(work, _observed(server, registry), look):
                if joins:
                    server = _join(work, server, options)
                _set_modes(work, server)
        work.result.update(changed=bool(joins or modes), diff=diff(before, predicted, server.computer_name))


def _after_any_running_tool(work: Work, server: ManagementServer) -> ManagementServer:
    """Let a tool that an interrupted run started come to its end: two at once could spoil the database."""
    deadline = Deadline(work.arguments["conversation_timeout"])
    while server.promotion.running and not work.check_mode:
        if deadline.passed():
            found = f"{CONFIG_TOOL} runs on this server already and does not end"
            raise OpsmgrError(
                STEP,
                found,
                "Check it on the server's console; end it in the Task Manager if it still waits for an answer",
            )
        # The tool leaves the key as it is.
        server = replace(work.opsmgr.observe(after_seconds=3), key_fingerprint=server.key_fingerprint)
    return server


def _look(work: Work, server: ManagementServer) -> NodeRegistry:
    registry = read_registry(work.opsmgr.windows, server)
    work.result.update(_observed(server, registry))
    return registry


def _observed(server: ManagementServer, registry: NodeRegistry) -> Facts:
    return {"registry": registry.as_result(), "services": describe(server.services, SERVICES)}


def _is_node(work: Work, server: ManagementServer, registry: NodeRegistry) -> bool:
    """Whether the effect is there. The first node was the RMS before, whose services start by themselves: only that
    tells the two apart.
    """
    modes = [server.services[name].start_mode for name in SERVICES]
    return registry.consistent and (not work.arguments["first"] or BY_CLUSTER in modes)


def _modes_to_set(server: ManagementServer) -> list[str]:
    return [name for name in SERVICES if server.services[name].start_mode != BY_CLUSTER]


def _require_ready(work: Work, server: ManagementServer, joins: bool) -> None:
    """What can be known before anything is changed. In check mode earlier steps were only predicted."""
    if not server.clustered:
        found = "the cluster service (ClusSvc) does not run on this server"
        raise OpsmgrError(STEP, found, "Make the server a node of the cluster and start the cluster service")
    if work.check_mode or not joins:
        return
    work.opsmgr.require_tool(server, CONFIG_TOOL, STEP)
    if not server.key_present:
        raise OpsmgrError(
            STEP,
            "the group's key is not on this server",
            "Restore it first; opsmgr.recovery.secure_storage_restore does that",
        )
    if work.arguments["first"] and not server.is_rms:
        raise OpsmgrError(
            STEP,
            "the registry does not call this server the RMS",
            "Run it on the RMS, or leave out the option first for any other node",
        )
    if work.arguments["first"]:
        _require_resources(work)


def _require_resources(work: Work) -> None:
    """`InstallCluster` comes after the resources of the services [ms]."""
    cluster = ClusterHost(work.opsmgr.windows, STEP, work.arguments["state_words"])
    missing = services_without_resource(cluster, SERVICES)
    if missing:
        raise OpsmgrError(
            STEP,
            f"the cluster has no resource that starts {' or '.join(missing)}, and InstallCluster wants one for each service",
            "Create them first; opsmgr.recovery.rms_cluster_services does that",
        )


def _join(work: Work, server: ManagementServer, options: list[str]) -> ManagementServer:
    """Run the tool, and return the server as the node that it is then."""
    try:
        talk = join_cluster(work.opsmgr, server, options, work.arguments["cluster_prompt"], STEP)
    except FAILURES:
        # The server knows what the tool did. While the tool runs, or nobody can tell whether it runs, nothing else is
        # done.
        work.result["changed"] = work.opsmgr.windows.shell.left_running
        now = replace(work.opsmgr.observe(), key_fingerprint=server.key_fingerprint)
        if not _is_node(work, now, _look(work, now)) or now.promotion.running is not False:
            raise
        work.result["changed"] = True
        return now
    work.result.update(changed=True, transcript=talk.transcript)
    deadline = Deadline(EFFECT_SECONDS)
    while True:
        server = replace(work.opsmgr.observe(), key_fingerprint=server.key_fingerprint)
        registry = _look(work, server)
        if _is_node(work, server, registry):
            return server
        if deadline.passed():
            raise _no_effect(work, registry, talk)
        work.opsmgr.windows.pause(1)


def _no_effect(work: Work, registry: NodeRegistry, talk: HeldConversation) -> OpsmgrError:
    if not registry.consistent:
        return work.opsmgr.no_effect(
            STEP, CONFIG_TOOL, f"the registry is not that of a node: {wrong_in(registry)}", talk
        )
    problem = work.opsmgr.no_effect(
        STEP, CONFIG_TOOL, f"none of the services has the start mode {BY_CLUSTER}, as they have on a node", talk
    )
    # That the tool sets it is assumed.
    advice = f"Set the start mode of {HEALTH_SERVICE} to manual and rerun if the operational database calls {work.arguments['virtual_server']} the RMS"
    return OpsmgrError(STEP, problem.found, f"{advice}; otherwise fix what the tool reports")


def _set_modes(work: Work, server: ManagementServer) -> None:
    """What starts by itself would run on a node behind the cluster's back."""
    names = _modes_to_set(server)
    if names:
        work.opsmgr.windows.change_services([ServiceChange.start_mode(name, BY_CLUSTER) for name in names])
        work.result.update(changed=True, services=describe(work.opsmgr.windows.services(SERVICES), SERVICES))


def _facts(server: ManagementServer, registry: NodeRegistry) -> dict[str, t.Any]:
    return {
        ROOT_VALUE: registry.is_root,
        PARENT_KEY: registry.has_parent,
        **{name: server.services[name].start_mode for name in SERVICES},
    }
