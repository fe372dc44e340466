# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a recovery without a key would do, and everything that stands in its way: pure decisions over what was observed.

Private to opsmgr.recovery.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import error_sentence
from ansible_collections.opsmgr.recovery.plugins.module_utils.optional import if_known, phrase
from ansible_collections.opsmgr.recovery.plugins.module_utils.server_names import name_key
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.observation import Observation, ServerObservation
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.step_plan import StepPlan
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.reachability import SILENT

STEP = "preflight"
DATABASE = "database"


@dataclass(frozen=True)
class NewKeyRequest:
    """What the user asked for."""

    target: str
    management_group: str | None = None
    discard_keys: bool = False
    old_rms_is_off: bool = False
    database_host: str | None = None
    database_backup: bool = True


@dataclass(frozen=True)
class NewKeyPrediction:
    """What rms_new_key said in check mode on the target.

    :ivar problem: why it refuses, or None
    :ivar command: the setup that it would run; None when there is nothing to do, or nothing could be said
    :ivar key_present: whether the target has a key
    :ivar key_is_new: whether that key is the RMS's, or may be of the making of an earlier run
    :ivar key_is_backed_up: whether the escrow holds a backup that restores on the target
    """

    problem: str | None = None
    command: str | None = None
    key_present: bool = False
    key_is_new: bool = False
    key_is_backed_up: bool = False

    @classmethod
    def from_result(cls, result: t.Mapping[str, t.Any]) -> NewKeyPrediction:
        """From the result of the task, also of one that was skipped."""
        return cls(
            problem=if_known(str, result.get("msg") or None),
            command=result.get("command"),
            key_present=bool((result.get("key") or {}).get("present")),
            key_is_new=bool(result.get("is_rms") or result.get("begun_before")),
            key_is_backed_up=result.get("backup") is not None,
        )


@dataclass
class NewKeyPlan:
    """The decision. Nothing may be changed while `problems` has an entry.

    :ivar needed: whether a new key has to be made
    :ivar backup_needed: whether the key that the target has in the end is in no backup
    :ivar left_closed: whether an earlier run closed the database and was killed; the failover at the end opens it
    """

    new_rms: str
    needed: bool
    backup_needed: bool
    left_closed: bool
    problems: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    steps: list[StepPlan] = field(default_factory=list)


def make_plan(
    request: NewKeyRequest,
    observation: Observation,
    prediction: NewKeyPrediction,
    lock_problem: str | None = None,
) -> NewKeyPlan:
    """Decide what is to be done, with every problem of every host and of the database. `lock_problem` says why this run
    does not have the management group for itself.
    """
    unsupported = observation.unsupported(STEP)
    if unsupported:
        return NewKeyPlan(request.target, needed=False, backup_needed=False, left_closed=False, problems=unsupported)
    needed = prediction.command is not None
    state = observation.database.get("database") or {}
    plan = NewKeyPlan(
        new_rms=request.target,
        needed=needed,
        backup_needed=needed or not prediction.key_is_backed_up,
        left_closed=state.get("closed_by_us") is True and not needed,
    )
    plan.problems += _target_problems(request, observation)
    if prediction.problem:
        plan.problems.append(prediction.problem)
    plan.problems += _database_problems(plan, request, observation, lock_problem)
    if needed:
        roots = [look for look in _others(request, observation) if look.is_rms]
        unknown = [look for look in _others(request, observation) if _may_be_at_work(look)]
        holders = _key_holders(request, observation, prediction)
        plan.problems += [_root_problem(look.host) for look in roots]
        if request.old_rms_is_off:
            plan.remarks += [_trusted_to_be_off(look) for look in unknown]
        else:
            plan.problems += [_unknown_problem(look) for look in unknown]
        if request.discard_keys:
            plan.remarks += [_given_up(host) for host in holders]
        else:
            plan.problems += [_holder_problem(host) for host in holders]
        plan.remarks.append("After the new key comes everything else that opsmgr.recovery.rms_failover does.")
    plan.steps = _steps(plan, request)
    return plan


def _problem(host: str, found: str, what_to_do: str) -> str:
    return error_sentence(host, STEP, found, what_to_do)


def _others(request: NewKeyRequest, observation: Observation) -> list[ServerObservation]:
    return [look for look in observation.servers if look.host != request.target]


def _target_problems(request: NewKeyRequest, observation: Observation) -> list[str]:
    if observation.told_by(request.target):
        return []
    found = f"the server that is to become the RMS cannot be used: {observation.why_unseen(request.target)}"
    return [_problem(request.target, found, "Fix that, or choose another management server")]


def _database_problems(
    plan: NewKeyPlan, request: NewKeyRequest, observation: Observation, lock_problem: str | None
) -> list[str]:
    """The first thing that is wrong with the database: what comes after it is only its consequence."""
    database = observation.database
    if not database.get("reachable"):
        return [_problem(DATABASE, str(database.get("problem") or database.get("msg") or "it was not asked"), "")]
    if lock_problem:
        return [lock_problem]
    state = database.get("database") or {}
    is_open = state.get("user_access") == "MULTI_USER" or plan.left_closed
    if state.get("state") != "ONLINE" or not is_open:
        what = "Find out who closed it, and why. Bring it online for everybody, then rerun"
        return [_problem(DATABASE, f"the operational database is {_described(state)}", what)]
    group = database.get("management_group")
    if request.management_group and group != request.management_group:
        what = "Correct opsmgr_database_name in the inventory"
        return [_problem(DATABASE, f"it belongs to management group {group}", what)]
    if database.get("servers") is None:
        found = " ".join(database.get("problems") or []) or "its servers could not be read"
        return [_problem(DATABASE, found, "Fix this, so that the database can say who is in the group")]
    target = observation.on_host(request.target)
    if target is not None and target.server is not None and target.name not in _listed(database["servers"]):
        found = "the database does not know it as a management server of this group"
        return [_problem(request.target, found, "Choose a management server of this group")]
    return []


def _described(state: t.Mapping[str, t.Any]) -> str:
    if not state:
        return "not there"
    inside = phrase("; in it: {}", "; ".join(state.get("sessions") or ()))
    return f"{state.get('state')}, {state.get('user_access')}{inside}"


def _listed(servers: t.Iterable[t.Mapping[str, t.Any]]) -> set[str]:
    """The management servers of the database, by their short names. A gateway cannot become the RMS."""
    named = {name_key(str(server["name"])): server["roles"] for server in servers}
    gateways = {name for name, roles in named.items() if "gateway" in roles}
    return {name for name, roles in named.items() if "management_server" in roles} - gateways


def _may_be_at_work(look: ServerObservation) -> bool:
    """Whether nobody knows what a server is. Only of a silent one is it believed that it is off."""
    return look.server is None and look.reachability != SILENT


def _key_holders(request: NewKeyRequest, observation: Observation, prediction: NewKeyPrediction) -> list[str]:
    """Servers with a key that may be the management group's. One on the target is not if an earlier run made it."""
    others = [look for look in _others(request, observation) if look.server]
    holders = [look.host for look in others if look.told["key"]["present"]]
    if prediction.key_present and not prediction.key_is_new:
        holders.append(request.target)
    return holders


def _root_problem(host: str) -> str:
    what = "If it has its key, use opsmgr.recovery.rms_failover: nothing is lost then. If it has none, switch it off"
    return _problem(host, "it answers and still acts as the RMS", what)


def _unknown_problem(look: ServerObservation) -> str:
    found = f"whether it is the RMS, or has the key, is not known: {look.trouble}"
    what = "Switch it off, or correct the inventory so that it can be asked"
    unless = "If you know that it is off, and will stay so, set rms_recover_without_key_old_rms_is_off to true"
    return _problem(look.host, found, f"{what}. {unless}")


def _holder_problem(host: str) -> str:
    found = "there is a key in its registry, perhaps that of the management group"
    what = (
        "Promote this server (opsmgr.recovery.rms_promotion) and see whether OMSDK keeps running: nothing is lost then"
    )
    unless = "Set rms_recover_without_key_discard_keys to true only if that key is known to be worthless"
    return _problem(host, found, f"{what}. {unless}")


def _trusted_to_be_off(look: ServerObservation) -> str:
    found = f"it counts as off because rms_recover_without_key_old_rms_is_off is true: {look.trouble}"
    return _problem(look.host, found, "")


def _given_up(host: str) -> str:
    return _problem(
        host, "the key in its registry is given up because rms_recover_without_key_discard_keys is true", ""
    )


def _steps(plan: NewKeyPlan, request: NewKeyRequest) -> list[StepPlan]:
    """All steps in their order. Before the new key only a backup file is written, so that there is nothing to undo."""
    database, target = [request.database_host or DATABASE], [request.target]
    backed_up = plan.needed and request.database_backup
    return [
        StepPlan("back_up_database", "operational database on * backed up", database, backed_up),
        StepPlan(
            "make_new_key", "new key of the management group made on *", target, plan.needed, point_of_no_return=True
        ),
        StepPlan("copy_tools", "support tools copied to *", target, plan.backup_needed),
        StepPlan("back_up_key", "key of * backed up into the escrow", target, plan.backup_needed),
        StepPlan("fail_over", "rest of the failover to * done by opsmgr.recovery.rms_failover", target, True),
    ]
