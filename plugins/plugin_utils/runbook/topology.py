# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A management group before and after a failover: who is the RMS, and who names whom.

Private to opsmgr.recovery.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace

from ansible_collections.opsmgr.recovery.plugins.module_utils.server_names import name_key
from ansible_collections.opsmgr.recovery.plugins.module_utils.versions import UNKNOWN_PRODUCT
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.failover_steps import Result, StepRun
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.observation import Observation, ServerObservation

RMS = "RMS"
CALLS_ITSELF_RMS = "calls itself RMS"
MANAGEMENT_SERVER = "management server"
NO_ANSWER = "does not answer"
CLUSTERED = "virtual server"


@dataclass(frozen=True)
class DrawnGroup:
    """What is known of the management group without asking it."""

    target: str
    rms_name: str | None
    database: str
    database_host: str
    cluster_nodes: t.Sequence[str] = ()
    virtual_server: str | None = None


@dataclass(frozen=True)
class DrawnServer:
    """A management server as it was seen, or that it did not answer; what was not seen is None."""

    host: str
    role: str
    answers: bool
    computer_name: str | None = None
    product: str | None = None
    version: str | None = None
    is_rms: bool | None = None
    key_fingerprint: str | None = None
    services: dict[str, str] = field(default_factory=dict)
    names: str | None = None


@dataclass(frozen=True)
class Component:
    """What names the RMS without being a management server. `names` is None when nobody read it."""

    host: str
    kind: str
    names: str | None


@dataclass(frozen=True)
class Topology:
    """`rms` is what the database calls the RMS; None when it was not asked since the role moved."""

    rms: str | None
    database: str
    database_host: str
    servers: list[DrawnServer]
    components: list[Component]


def before(group: DrawnGroup, seen: Observation, runs: t.Iterable[StepRun], begun_at: str) -> Topology:
    """The group as it was found."""
    return _topology(group, _rms(seen), seen.servers, _components(group, runs, begun_at, _named_before))


def after(
    group: DrawnGroup,
    seen: Observation,
    runs: t.Sequence[StepRun],
    begun_at: str,
    *,
    asked_again_at: str,
    rms_is_known: bool,
) -> Topology:
    """The group as it was left: as everyone was asked last, and as the steps since then read it back.

    :param rms_is_known: whether the database's word is still true
    """
    results = [(host, result) for run in runs for host, result in run.fresh(asked_again_at).items()]
    looks = [_updated(look, results) for look in seen.servers]
    rms = None
    if rms_is_known:
        rms = _rms(seen)
    return _topology(group, rms, looks, _components(group, runs, begun_at, _named_after))


def _rms(seen: Observation) -> str | None:
    return t.cast("str | None", seen.database.get("rms"))


def _updated(look: ServerObservation, results: t.Iterable[tuple[str, Result]]) -> ServerObservation:
    """A look with what the steps on this host read back since."""
    if look.server is None:
        return look
    server = dict(look.server)
    for result in (result for host, result in results if host == look.host):
        states = {
            name: dict(zip(("state", "start_mode"), state.split(", "), strict=False))
            for name, state in (result.get("services") or {}).items()
        }
        server["services"] = {**server["services"], **states}
        server.update({name: result[name] for name in ("is_rms", "key", "reports_to") if result.get(name) is not None})
    if server["is_rms"]:
        server["reports_to"] = None
    return replace(look, server=server)


def _topology(
    group: DrawnGroup, rms: str | None, looks: t.Iterable[ServerObservation], components: list[Component]
) -> Topology:
    servers = [_server(look, rms, group) for look in looks]
    if group.virtual_server and group.cluster_nodes:
        role = CLUSTERED
        if rms and name_key(rms) == name_key(group.virtual_server):
            role = RMS
        servers.insert(0, DrawnServer(group.virtual_server, role, True, computer_name=group.virtual_server))
    return Topology(rms, group.database, group.database_host, servers, components)


def _server(look: ServerObservation, rms: str | None, group: DrawnGroup) -> DrawnServer:
    if look.server is None:
        return DrawnServer(look.host, NO_ANSWER, False)
    seen = look.server
    return DrawnServer(
        host=look.host,
        role=_role(look, rms, group),
        answers=True,
        computer_name=seen["computer_name"],
        product=None if seen["product"] == UNKNOWN_PRODUCT else seen["product"],
        version=seen["version"],
        is_rms=seen["is_rms"],
        key_fingerprint=seen["key"]["fingerprint"],
        services={
            name: ", ".join(str(value) for value in service.values() if value)
            for name, service in seen["services"].items()
        },
        names=seen["reports_to"],
    )


def _role(look: ServerObservation, rms: str | None, group: DrawnGroup) -> str:
    """By registry and database; without the database's word, the server that was promoted is the RMS if its registry
    says so.
    """
    if look.host in group.cluster_nodes:
        return f"node of {group.virtual_server}"
    if not look.is_rms:
        return MANAGEMENT_SERVER
    is_named = look.host == group.target
    if rms:
        is_named = look.name == name_key(rms)
    if is_named:
        return RMS
    return CALLS_ITSELF_RMS


def _components(
    group: DrawnGroup, runs: t.Iterable[StepRun], begun_at: str, named: t.Callable[[DrawnGroup, Result], str | None]
) -> list[Component]:
    found = []
    for run in (run for run in runs if run.plan.part):
        fresh = run.fresh(begun_at)
        names = {host: named(group, result) for host, result in fresh.items()}
        found += [Component(host, str(run.plan.part), names.get(host)) for host in run.plan.hosts]
    return found


def _named_before(group: DrawnGroup, result: Result) -> str | None:
    changes = result.get("changes") or [{}]
    return changes[0].get("before") or result.get("registry_before") or _named_after(group, result)


def _named_after(group: DrawnGroup, result: Result) -> str | None:
    """A file in which nothing had to be changed names the RMS already."""
    changes, untouched = result.get("changes") or [{}], result.get("untouched") or [{}]
    if "msg" in result:
        return untouched[0].get("value") or result.get("registry")
    return changes[0].get("after") or result.get("registry") or group.rms_name
