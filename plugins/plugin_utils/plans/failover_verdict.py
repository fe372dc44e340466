# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Has the role moved? The one place that turns evidence into an answer: yes, no, or "cannot be told". Asks nobody.

Evidence is what the database says, what the registries of both servers say, and how far the promotion on the target is.
Nothing that a task of this run returned is evidence, because a task that was killed returned nothing.

Private to opsmgr.recovery.
"""

from __future__ import annotations

import enum
import typing as t
from dataclasses import dataclass, field

from ansible_collections.opsmgr.recovery.plugins.module_utils.server_names import name_key
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.promotion import CONFIG_TOOL, SHOW_PROCESSES, Phase
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.server import (
    CONFIG_SERVICE,
    HEALTH_SERVICE,
    SDK_SERVICE,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.observation import Observation, ServerObservation

# A promotion in one of these phases can still move the role.
OPEN_PHASES = (Phase.AT_WORK, Phase.MAY_BE_ANSWERED, Phase.CANNOT_BE_TOLD)
# What was deleted and is not groomed away yet does not count.
ROLE_QUERY = (
    "SELECT bme.DisplayName FROM dbo.MT_HealthService AS hs "
    "JOIN dbo.BaseManagedEntity AS bme ON bme.BaseManagedEntityId = hs.BaseManagedEntityId "
    "WHERE hs.IsRHS = 1 AND bme.IsDeleted = 0"
)
REGISTRY_QUERY = r'reg query "HKLM\SOFTWARE\Microsoft\Microsoft Operations Manager\3.0\Server Management Groups" /s /v IsRootHealthService'
# The options of management_services that start a service again.
_OPTIONS = {HEALTH_SERVICE: "health_service", SDK_SERVICE: "sdk_service", CONFIG_SERVICE: "config_service"}


class RoleVerdict(enum.Enum):
    """The answer."""

    HAS_MOVED = "has_moved"
    HAS_NOT_MOVED = "has_not_moved"
    CANNOT_BE_TOLD = "cannot_be_told"


class Names(enum.Enum):
    """Whom the database names as the RMS."""

    TARGET = "the target"
    OLD_RMS = "the old RMS"
    ANOTHER = "another server, or more than one"
    NOT_KNOWN = "not known"


@dataclass(frozen=True)
class RoleEvidence:
    """What was seen, reduced to what decides.

    :ivar database: whom the database names
    :ivar target_is_rms: what the target's registry says; None when it was not seen, and on a node of a clustered RMS,
    whose registry always says yes
    :ivar target_is_node: whether the target's registry says nothing, because it is a node
    :ivar old_is_rms: the same of the old RMS
    :ivar phase: how far a promotion on the target is; None when the target was not seen
    :ivar begun: whether this run has begun the promotion, or may have
    """

    database: Names
    target_is_rms: bool | None
    target_is_node: bool
    old_is_rms: bool | None
    phase: Phase | None
    begun: bool


def judge(evidence: RoleEvidence) -> RoleVerdict:
    """The answer that follows from the evidence. Evidence that is missing or contradicts itself gives no answer."""
    if evidence.phase in OPEN_PHASES or (evidence.phase is None and evidence.begun):
        return RoleVerdict.CANNOT_BE_TOLD
    if evidence.database is Names.TARGET and (
        evidence.target_is_rms or (evidence.target_is_node and evidence.phase is not None)
    ):
        return RoleVerdict.HAS_MOVED
    if evidence.database is Names.OLD_RMS and not evidence.target_is_rms and evidence.old_is_rms is not False:
        return RoleVerdict.HAS_NOT_MOVED
    return RoleVerdict.CANNOT_BE_TOLD


@dataclass(frozen=True)
class Question:
    """Whose role is asked about.

    :ivar target: inventory name of the server to promote
    :ivar old_rms: inventory name of the server that the role is to come from
    :ivar begun: whether this run has begun the promotion, or may have
    """

    target: str
    old_rms: str | None
    begun: bool
    cluster_nodes: t.Sequence[str] = ()
    virtual_server: str | None = None


@dataclass
class Finding:
    """The answer with its reasons.

    :ivar evidence: what was seen, in sentences
    :ivar different: what differs from what the plan was made for, as far as it matters for the role
    :ivar disturbed: which services are not as they were, each with the command that starts it
    """

    verdict: RoleVerdict
    evidence: list[str]
    different: list[str] = field(default_factory=list)
    disturbed: list[str] = field(default_factory=list)


def find(question: Question, now: Observation, seen: Observation | None = None) -> Finding:
    """Judge what was seen now, and compare it with what was seen when the plan was made."""
    reduced = _reduce(question, now)
    finding = Finding(judge(reduced), _sentences(question, now, reduced))
    if seen is not None:
        # A promotion of an earlier run that was at work may have ended meanwhile. That is what was waited for.
        was_open = _phase(question, seen) in OPEN_PHASES
        if not (was_open and finding.verdict is RoleVerdict.HAS_MOVED):
            finding.different = _differences(question, seen, now)
        finding.disturbed = _disturbed(seen, now)
    return finding


def _reduce(question: Question, now: Observation) -> RoleEvidence:
    return RoleEvidence(
        database=_names(question, now),
        target_is_rms=_calls_itself_rms(question.target, question, now),
        target_is_node=question.target in question.cluster_nodes,
        old_is_rms=_calls_itself_rms(question.old_rms, question, now),
        phase=_phase(question, now),
        begun=question.begun,
    )


def _calls_itself_rms(host: str | None, question: Question, evidence: Observation) -> bool | None:
    """Whether a server's registry calls it the RMS; None when that is not known, or when it says nothing because the
    server is a node of the clustered RMS.
    """
    if host is None or host in question.cluster_nodes:
        return None
    return evidence.told_by(host).get("is_rms")


def _phase(question: Question, evidence: Observation) -> Phase | None:
    """Of the promotion on the target; None when it could not be looked at."""
    told = evidence.told_by(question.target)
    if not told:
        return None
    return Phase(told["promotion"]["phase"])


def _rms_names(evidence: Observation) -> list[str] | None:
    """The servers that the database calls the RMS; None when it does not say."""
    servers = evidence.database.get("servers")
    if not evidence.database.get("reachable") or servers is None:
        return None
    return [str(server["name"]) for server in servers if "rms" in server["roles"]]


def _names(question: Question, evidence: Observation) -> Names:
    names = _rms_names(evidence)
    if names is None:
        return Names.NOT_KNOWN
    if len(names) != 1:
        return Names.ANOTHER
    if _is_named(names[0], question.target, question, evidence):
        return Names.TARGET
    if question.old_rms is not None and _is_named(names[0], question.old_rms, question, evidence):
        return Names.OLD_RMS
    return Names.ANOTHER


def _is_named(name: str, host: str, question: Question, evidence: Observation) -> bool:
    """Whether the database's name is that of a host; a node of the clustered RMS goes by the name of the virtual
    server.
    """
    if host in question.cluster_nodes:
        return question.virtual_server is not None and name_key(name) == name_key(question.virtual_server)
    return name_key(name) == name_key(evidence.told_by(host).get("computer_name", host))


def _sentences(question: Question, now: Observation, reduced: RoleEvidence) -> list[str]:
    names = _rms_names(now)
    told = ["the database could not be asked"]
    if names is not None:
        told = [f"the database names {' and '.join(names) or 'no server'} as the RMS"]
    for host in filter(None, (question.target, question.old_rms)):
        if host not in question.cluster_nodes:
            told.append(_registry_sentence(host, now.on_host(host)))
    return [*told, _phase_sentence(question.target, reduced.phase)]


def _registry_sentence(host: str, look: ServerObservation | None) -> str:
    if look is None or look.server is None:
        return f"{host} could not be asked"
    if look.server["is_rms"]:
        return f"the registry of {host} calls it the RMS"
    return f"the registry of {host} does not call it the RMS"


_PHASES = {
    None: "whether {tool} runs on {host} could not be observed",
    Phase.NONE: "{tool} does not run on {host}",
    Phase.UNANSWERED: "{tool} on {host} waits for an answer that it did not get",
    Phase.MAY_BE_ANSWERED: "{tool} runs on {host}, and its question may have been answered",
    Phase.AT_WORK: "{tool} is at work on {host}",
    Phase.ENDED: "{tool} has ended on {host}",
    Phase.CANNOT_BE_TOLD: "a promotion was begun on {host}, and it cannot be told whether {tool} still runs there",
}


def _phase_sentence(host: str, phase: Phase | None) -> str:
    return _PHASES[phase].format(host=host, tool=CONFIG_TOOL)


def _differences(question: Question, seen: Observation, now: Observation) -> list[str]:
    """What makes the plan wrong: another RMS, another state of the database, a server of another group, a promotion
    that somebody else began.
    """
    found = []
    before, after = _rms_names(seen), _rms_names(now)
    if before != after:
        found.append(f"the database named {_listed(before)} as the RMS, and names {_listed(after)} now")
    for what in ("state", "user_access"):
        was, is_now = ((each.database.get("database") or {}).get(what) for each in (seen, now))
        if was != is_now:
            found.append(f"the database was {was}, and is {is_now} now")
    for old in seen.servers:
        found += _server_differences(old, now.on_host(old.host), needed=old.host in (question.target, question.old_rms))
    phase = _phase(question, now)
    # That a tool has ended meanwhile is not a difference: one that an earlier run left unanswered ends with its shell.
    if phase in (Phase.UNANSWERED, *OPEN_PHASES) and phase != _phase(question, seen):
        found.append(_phase_sentence(question.target, phase))
    return found


def _listed(names: t.Sequence[str] | None) -> str:
    if names is None:
        return "nobody knows whom"
    return " and ".join(names) or "no server"


def _server_differences(old: ServerObservation, new: ServerObservation | None, needed: bool) -> list[str]:
    if old.server is None:
        return []
    if new is None or new.server is None:
        if not needed:
            return []
        trouble = "it was not asked"
        if new is not None:
            trouble = str(new.trouble)
        return [f"{old.host} does not answer any more: {trouble}"]
    return [
        f"{what} of {old.host} was {old.server[key]}, and is {new.server[key]} now"
        for key, what in (
            ("is_rms", "the RMS flag in the registry"),
            ("management_group", "the management group"),
            ("version", "the version"),
        )
        if old.server[key] != new.server[key]
    ]


def _disturbed(seen: Observation, now: Observation) -> list[str]:
    """Services that ran when the plan was made and do not run now."""
    found = []
    for old in (look for look in seen.servers if look.server):
        new = now.on_host(old.host)
        ran = [name for name in _OPTIONS if _state(old, name) == "running"]
        if new is None or new.server is None:
            if ran:
                found.append(f"{old.host} does not answer, so it is not known whether its services run")
            continue
        down = [name for name in ran if _state(new, name) != "running"]
        if down:
            states = " and ".join(f"{name} is {_state(new, name)}" for name in down)
            options = " ".join(f"{_OPTIONS[name]}=running" for name in down)
            found.append(
                f'{old.host}: {states}. Start it: ansible -i INVENTORY {old.host} -m opsmgr.recovery.management_services -a "{options}"'
            )
    return found


def _state(look: ServerObservation, service: str) -> str | None:
    return t.cast("str | None", ((look.server or {}).get("services") or {}).get(service, {}).get("state"))


def message(finding: Finding, failure: str, undone: bool) -> str:
    """What the run says in the end: what failed, whether the role has moved, what is down, and what to do.

    :param failure: why the run stopped
    :param undone: whether what was stopped or copied was to be put back
    """
    because = "; ".join(finding.evidence)
    if finding.verdict is RoleVerdict.HAS_MOVED:
        told = [f"The role has moved: {because}."]
    elif finding.verdict is RoleVerdict.HAS_NOT_MOVED:
        told = [f"The role has not moved: {because}."]
        if finding.disturbed:
            told += ["Not everything is as it was:", *(f"{each}." for each in finding.disturbed)]
        elif undone:
            told += ["What was stopped or copied was put back."]
        told += ["Fix the problem, then rerun the same command."]
    else:
        told = [
            f"It cannot be told whether the role has moved: {because}. Nothing was undone, and nothing may be started by hand before that is known.",
            f"Find out on the server to promote with `{SHOW_PROCESSES}` and `{REGISTRY_QUERY}`, and in the operational database with `{ROLE_QUERY}`.",
            "When no ManagementServerConfigTool runs any more, rerun the same command: it looks first, and never promotes twice.",
        ]
    return " ".join(part for part in (failure.strip(), *told) if part)
