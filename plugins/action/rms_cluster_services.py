# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""rms_cluster_services: the cluster group of the RMS has a resource for each of its three services, with what each
needs.
"""

from __future__ import annotations

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.module_utils.optional import if_known
from ansible_collections.opsmgr.recovery.plugins.module_utils.versions import require_supported
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.actions.windows import (
    Arguments,
    Facts,
    OpsmgrAction,
    Work,
    changing,
    diff,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.cluster.group import ClusterHost, StateWords
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.cluster.services import ServiceResource, ServiceResources
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.server import (
    CONFIG_SERVICE,
    HEALTH_SERVICE,
    SDK_SERVICE,
    require_administrator,
)

STEP = "set up the services of the clustered RMS"
OPTIONS = {"health_resource": HEALTH_SERVICE, "sdk_resource": SDK_SERVICE, "config_resource": CONFIG_SERVICE}


class ActionModule(OpsmgrAction):
    STEP = STEP
    SPEC = {
        "group": {"type": "str", "required": True},
        "network_name": {"type": "str", "required": True},
        "disk": {"type": "str", "required": True},
        "state_words": {"type": "dict", "default": {}},
        **{option: {"type": "str", "default": service} for option, service in OPTIONS.items()},
    }
    RESULT = {"resources": None, "commands": []}

    def check_arguments(self, arguments: Arguments) -> None:
        problem = StateWords(STEP, arguments["state_words"]).problem()
        if problem:
            raise OpsmgrError(STEP, problem, "Correct the option state_words and rerun")

    def act(self, work: Work) -> None:
        server = work.opsmgr.observe(only_key=True)
        require_administrator(STEP, server.administrator)
        require_supported(STEP, server.product_version)
        arguments = work.arguments
        cluster = ClusterHost(work.opsmgr.windows, STEP, work.arguments["state_words"])
        cluster.observe()
        group = cluster.require_group(arguments["group"])
        names = {service: arguments[option] for option, service in OPTIONS.items()}
        wanted = ServiceResources(cluster, STEP, group.name, arguments["network_name"], arguments["disk"], names)
        before = wanted.observe()
        commands = wanted.commands(before)
        after = before
        work.result.update(resources=_shown(before), commands=commands)

        def look() -> Facts:
            cluster.observe()
            return {"resources": _shown(wanted.observe())}

        if commands and not work.check_mode:
            with changing(work, {"resources": _shown(before)}, look):
                cluster.carry_out(commands)
            work.result["changed"] = True
            cluster.observe()
            after = wanted.observe()
            work.result["resources"] = _shown(after)
            _prove(wanted.commands(after))
        work.result["changed"] = bool(commands)
        if work.check_mode:
            after = wanted.complete(before)
        work.result["diff"] = diff(_facts(before), _facts(after), f"cluster group {group.name}")


def _prove(still_needed: list[str]) -> None:
    if still_needed:
        found = f"the cluster accepted every command, and this is still needed: {'; '.join(still_needed)}"
        raise OpsmgrError(
            STEP,
            found,
            "Rerun; if the command is still needed, run it on the console of a node and read what it reports",
        )


def _shown(resources: dict[str, ServiceResource | None]) -> dict[str, dict[str, object] | None]:
    return {service: if_known(ServiceResource.as_result, each) for service, each in resources.items()}


def _facts(resources: dict[str, ServiceResource | None]) -> dict[str, str | None]:
    return {service: each.text if each else None for service, each in resources.items()}
