# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of a failover in their order: the one place that describes them. The role, its messages, the runbook view
and the report read them here.

Private to opsmgr.recovery.
"""

from __future__ import annotations

import typing as t

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.step_plan import StepPlan, hosts_if

if t.TYPE_CHECKING:
    from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.failover import FailoverRequest, Plan

COPY_TOOLS = "support tools copied to *"


def planned_steps(plan: Plan, request: FailoverRequest) -> list[StepPlan]:
    """Every step that a failover can have; whether and where this one needs it, the step says."""
    return [
        *_opening(plan, request),
        *_promotion(plan, request),
        *_services(plan, request),
        *_database_and_agents(plan, request),
        *_components(plan, request),
        *_undoing(plan, request),
    ]


def _step(id: str, text: str, hosts: t.Iterable[str | None], *, when: bool = True, **more: t.Any) -> StepPlan:
    """A step that is needed where there is a host for it."""
    places = hosts_if(when, hosts)
    return StepPlan(id, text, places, needed=bool(places), **more)


def _optional(id: str, text: str, hosts: t.Iterable[str | None]) -> StepPlan:
    """A step that is done only if something else shows that it has to be."""
    return StepPlan(id, text, [host for host in hosts if host], needed=False)


def _clustered(request: FailoverRequest) -> str:
    return f"clustered RMS {request.virtual_server or ''}".rstrip()


def _comes_from_cluster(plan: Plan, request: FailoverRequest) -> bool:
    """The services of a clustered RMS are the cluster's: they are never started or stopped behind its back."""
    return plan.old_rms in request.cluster_nodes


def _goes_to_cluster(request: FailoverRequest) -> bool:
    return request.target in request.cluster_nodes


def _needs_fresh_backup(plan: Plan, request: FailoverRequest) -> bool:
    """Whether the key comes from the old RMS, and not from the escrow."""
    return plan.promotion_needed and request.is_planned


def _opening(plan: Plan, request: FailoverRequest) -> list[StepPlan]:
    text = "operational database, which a killed run had left closed, opened to all"
    return [_step("open_database", text, [request.sql_server], when=plan.open_database)]


def _promotion(plan: Plan, request: FailoverRequest) -> list[StepPlan]:
    """Everything before the point of no return, and the step across it."""
    needed, fresh = plan.promotion_needed, _needs_fresh_backup(plan, request)
    from_cluster = _comes_from_cluster(plan, request)
    target, old, quiet = [request.target], [plan.old_rms], [plan.quiet_node]
    clustered = _clustered(request)
    return [
        _step("copy_tools", COPY_TOOLS, target, when=needed, undone_by="remove_tools"),
        _step("copy_tools_to_old_rms", COPY_TOOLS, old, when=fresh, undone_by="remove_tools"),
        _step("back_up_key", "key of * backed up into the escrow", old, when=fresh),
        _step("restore_key", "key restored on *", target, when=needed),
        _step(
            "back_up_database",
            "operational database backed up",
            [request.sql_server],
            when=needed and request.database_backup,
            place="path",
        ),
        _step(
            "stop_old_rms",
            "services of * stopped",
            old,
            when=needed and plan.old_rms_answers and not from_cluster,
            undone_by="start_old_rms",
        ),
        _step(
            "take_cluster_offline",
            f"{clustered} taken offline",
            quiet,
            when=needed and from_cluster,
            undone_by="bring_cluster_back_online",
        ),
        _step(
            "prepare_cluster",
            f"name and disk of {request.virtual_server or 'the clustered RMS'} online on *",
            target,
            when=needed and _goes_to_cluster(request),
            undone_by="take_cluster_back_offline",
        ),
        _step("promote", "* promoted to the RMS", target, when=needed, point_of_no_return=True),
    ]


def _services(plan: Plan, request: FailoverRequest) -> list[StepPlan]:
    """After the promotion: the new RMS works, and every former one that answers is an ordinary management server."""
    to_cluster, clustered = _goes_to_cluster(request), _clustered(request)
    running = "services of * running and set to start by themselves"
    return [
        _step("start_services", running, [request.target], when=not to_cluster and not plan.at_work),
        _step("bring_cluster_online", f"{clustered} brought online on *", [request.target], when=to_cluster),
        _step("keep_cluster_offline", f"{clustered} kept offline", [plan.quiet_node]),
        _step("demote", "* made an ordinary management server", plan.demote),
    ]


def _database_and_agents(plan: Plan, request: FailoverRequest) -> list[StepPlan]:
    return [
        _step("turn_on_broker", "Service Broker of the operational database turned on", [request.sql_server]),
        _step("restart_health_service", "HealthService of * restarted", plan.restart),
    ]


def _components(plan: Plan, request: FailoverRequest) -> list[StepPlan]:
    """Other components to update after moving the RMS [book]."""
    reporting, web, consoles = request.reporting_servers, request.web_consoles, request.consoles
    # Any other of these computers may have a console, too: the registry says so.
    others = [host for host in dict.fromkeys([*reporting, *web, *plan.consoles]) if host not in consoles]
    points, opens = "pointed at the new RMS", "consoles on * open the new RMS"
    return [
        _step("point_reporting_server", f"reporting server * {points}", reporting, part="reporting server"),
        _step("point_web_console", f"web console * {points}", web, part="web console"),
        _step("point_console", opens, consoles, part="console"),
        _optional("point_other_console", opens, others),
    ]


def _undoing(plan: Plan, request: FailoverRequest) -> list[StepPlan]:
    """What follows a failure before the point of no return."""
    clustered = _clustered(request)
    tools = [request.target, *hosts_if(_needs_fresh_backup(plan, request), [plan.old_rms])]
    return [
        _optional("start_old_rms", "services of * running again", [plan.old_rms]),
        _optional("bring_cluster_back_online", f"{clustered} online again on *", [plan.quiet_node]),
        _optional("take_cluster_back_offline", f"{clustered} offline again on *", [request.target]),
        _optional("remove_tools", "support tools removed again from *", tools),
    ]
