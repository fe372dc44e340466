# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""management_server_rms: the Health Service of an ordinary management server runs and reports to this RMS."""

from __future__ import annotations

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.module_utils.server_names import is_one_of, known_as
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.actions.repoint import check_names
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.actions.windows import (
    Arguments,
    Facts,
    OpsmgrAction,
    Work,
    changing,
    diff,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.events import events_of
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.server import (
    HEALTH_SERVICE,
    ManagementServer,
    RoleSeen,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.service_states import (
    describe,
    restart_health_service,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.shell import Deadline

STEP = "let this management server report to the RMS"


class ActionModule(OpsmgrAction):
    STEP = STEP
    SPEC = {
        "rms": {"type": "str", "required": True},
        "restart_unknown": {"type": "bool", "default": False},
        "timeout": {"type": "float", "default": 120.0},
    }
    RESULT = {"reports_to": None, "services": None, "restarted": False, "warnings": []}

    def check_arguments(self, arguments: Arguments) -> None:
        check_names(STEP, arguments)

    def act(self, work: Work) -> None:
        server = work.opsmgr.require_server(STEP)
        _require_ordinary(server)
        needed = _is_needed(work, server)
        before = _facts(server)
        work.result.update(_observed(server))
        after = before
        if needed:
            after = {**before, HEALTH_SERVICE: "running, auto, restarted", "RMS": work.arguments["rms"]}
        if needed and not work.check_mode:
            with changing(work, _observed(server), lambda: _observed(work.opsmgr.observe())):
                seen = restart_health_service(work.opsmgr, STEP, work.arguments["timeout"])
            work.result.update(changed=True, restarted=True)
            after = _facts(_read_back(work, server.computer_name, seen))
        work.result["changed"] = needed
        work.result["diff"] = diff(before, after, server.computer_name)


def _require_ordinary(server: ManagementServer) -> None:
    """Refuse where the Health Service is not this module's to restart."""
    if server.is_rms:
        raise OpsmgrError(
            STEP,
            "the registry of this server calls it the RMS itself",
            "Demote it first (opsmgr.recovery.rms_demotion)",
        )
    if server.clustered:
        raise OpsmgrError(
            STEP,
            f"this is a cluster node, and {HEALTH_SERVICE} belongs to its cluster",
            "Use opsmgr.recovery.rms_cluster_group",
        )
    if not server.services[HEALTH_SERVICE].exists:
        raise OpsmgrError(
            STEP,
            f"there is no service {HEALTH_SERVICE} here",
            "Check that this is an Operations Manager management server",
        )
    if server.services[HEALTH_SERVICE].start_mode == "disabled":
        raise OpsmgrError(
            STEP,
            f"{HEALTH_SERVICE} is disabled",
            f"Run `sc config {HEALTH_SERVICE} start= auto` if the server is to work again",
        )


def _is_needed(work: Work, server: ManagementServer) -> bool:
    if server.services[HEALTH_SERVICE].state != "running":
        return True
    if server.reports_to is None:
        return bool(work.arguments["restart_unknown"])
    return not _reports_to(server, work.arguments["rms"])


def _reports_to(server: ManagementServer | RoleSeen, rms: str) -> bool:
    return server.reports_to is not None and is_one_of(server.reports_to, known_as([rms]))


def _read_back(work: Work, computer_name: str, seen: RoleSeen) -> RoleSeen:
    """Wait until the registry names the RMS, as far as it names any.

    :param seen: what was read after the restart
    """
    deadline = Deadline(work.arguments["timeout"])
    while True:
        work.result.update(_observed(seen))
        if seen.reports_to is None or _reports_to(seen, work.arguments["rms"]):
            return seen
        if deadline.passed():
            # Only a warning: that an ordinary management server records its RMS there is not documented [assumed].
            told = f"{HEALTH_SERVICE} was restarted, and the registry still says that this server reports to {seen.reports_to}"
            work.result["warnings"].append(
                f"{told}. Look at the Operations Manager event log of {computer_name}{events_of([HEALTH_SERVICE])}."
            )
            return seen
        seen = work.opsmgr.role([HEALTH_SERVICE], after_seconds=1)


def _observed(server: ManagementServer | RoleSeen) -> Facts:
    return {"reports_to": server.reports_to, "services": describe(server.services, [HEALTH_SERVICE])}


def _facts(server: ManagementServer | RoleSeen) -> dict[str, object]:
    return {"RMS": server.reports_to, **describe(server.services, [HEALTH_SERVICE])}
