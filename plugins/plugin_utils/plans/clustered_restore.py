# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a restore of the clustered RMS would do, what stands in its way, and what is still open after it: pure decisions
over what was observed.

Private to opsmgr.recovery.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import CONTROLLER, error_sentence
from ansible_collections.opsmgr.recovery.plugins.module_utils.optional import if_known
from ansible_collections.opsmgr.recovery.plugins.module_utils.server_names import name_key
from ansible_collections.opsmgr.recovery.plugins.module_utils.versions import R2, newest
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.key_escrow import (
    FAULTY,
    password_problem,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.server import MINIMUM_PASSWORD_CHARACTERS, SERVICES
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.failover import access_problems, is_closed
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.observation import Observation, ServerObservation
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.principal_names import (
    listed_names,
    name_orders,
    named_virtual_server,
    sdk_account,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.registered import loop_results, results_that_ran
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.step_plan import StepPlan, hosts_if
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.reachability import SILENT

STEP = "preflight"
ROLE = "clustered_rms_restore"
# Only on nodes does the cluster start the services.
STARTED_BY_CLUSTER = "demand"
ONLINE = "online"
# An active and a passive one: only that is supported [ms].
SUPPORTED_NODES = 2
# What the inventory or the user must name.
REQUIRED = ("management_group", "cluster_group", "virtual_server", "disk", "database_host")

Result = t.Mapping[str, t.Any]


@dataclass(frozen=True)
class ClusteredRestoreRequest:
    """What the user asked for. The first of the nodes is the one that the play works from.

    :ivar setup: set up nodes that are not nodes of the clustered RMS yet
    :ivar database: restore the operational database; false when the original one is still there
    :ivar key: restore the key of the management group on all nodes
    :ivar key_file: the key file on each node; empty when the key comes from the escrow
    :ivar check_mode: nothing is set up before the other steps, so that they can only be predicted where it is
    """

    nodes: t.Sequence[str]
    management_group: str = ""
    cluster_group: str = ""
    virtual_server: str = ""
    disk: str = ""
    database_host: str = ""
    setup: bool = True
    database: bool = True
    key: bool = True
    repair_registry: bool = False
    database_backup: str = ""
    escrow: str = ""
    key_file: str = ""
    backup_password: str = field(default="", repr=False)
    check_mode: bool = False

    @property
    def new_key_escrow(self) -> str:
        """Where the key of the new cluster is kept, apart from the backups of the management group's own key."""
        return f"{self.escrow}.new_cluster"


@dataclass(frozen=True)
class NodeObservation:
    """What rms_cluster_group observed on one node.

    :ivar state: of the cluster group, None when the node could not tell
    :ivar owner: the node that owns the group, by its computer name
    :ivar consistent: whether the registry is that of a node of a clustered RMS, None when it was not read
    :ivar key_fingerprint: None when there is no key, or the node cannot compute one
    """

    host: str
    state: str | None = None
    owner: str | None = None
    consistent: bool | None = None
    key_fingerprint: str | None = None
    problem: str | None = None

    @classmethod
    def from_result(cls, result: Result) -> NodeObservation:
        """From one result of a loop over nodes with rms_cluster_group."""
        group, registry = result.get("group") or {}, result.get("registry") or {}
        return cls(
            host=str(result["item"]),
            state=group.get("state"),
            owner=group.get("node"),
            consistent=registry.get("consistent"),
            key_fingerprint=registry.get("key_fingerprint"),
            problem=_message(result),
        )


@dataclass(frozen=True)
class Preview:
    """What a task in check mode said of what it would do.

    :ivar due: whether it would do anything
    :ivar key_fingerprint: of the key that it would restore, None when it is not known
    :ivar problem: why it would fail
    """

    due: bool = False
    key_fingerprint: str | None = None
    problem: str | None = None

    @classmethod
    def from_result(cls, result: Result, evidence: str = "changed") -> Preview:
        """From a result; what it holds at `evidence` says whether there is anything to do."""
        backup = result.get("backup") or {}
        return cls(bool(result.get(evidence)), backup.get("key_fingerprint"), _message(result))


@dataclass(frozen=True)
class EscrowObservation:
    """What key_escrow_info observed: the backups, newest first."""

    backups: t.Sequence[t.Mapping[str, t.Any]] = ()
    problem: str | None = None

    @classmethod
    def from_result(cls, result: Result) -> EscrowObservation:
        """From the result of key_escrow_info."""
        return cls(result.get("backups") or (), _message(result))


@dataclass(frozen=True)
class ClusterObservation:
    """Everything that was observed. What was not looked at yet is empty.

    :ivar failed_looks: why the look at a server failed half way, by host
    :ivar lock_held: why the lock cannot be had from another run
    :ivar lock_failure: why the lock could not be taken, whatever the reason
    :ivar found_before: problems that were found before anything was looked at
    :ivar sql_services_started: whether SQL services had to be started before the database could be asked
    """

    group: Observation
    failed_looks: t.Mapping[str, str] = field(default_factory=dict)
    nodes: t.Sequence[NodeObservation] = ()
    setup: t.Sequence[Preview] = ()
    services: Preview = Preview()
    database: Preview = Preview()
    keys: t.Sequence[Preview] = ()
    escrow: EscrowObservation = EscrowObservation()
    lock_held: str | None = None
    lock_failure: str | None = None
    found_before: t.Sequence[str] = ()
    sql_services_started: bool = False

    @classmethod
    def from_results(cls, results: t.Mapping[str, t.Any]) -> ClusterObservation:
        """From what the tasks returned; one that did not run returned nothing of use."""
        looks, lock = results_that_ran(results["servers"]), results["lock"]
        return cls(
            group=Observation([ServerObservation.from_result(each) for each in looks], results["group"]),
            failed_looks={str(each["item"]): str(each["msg"]) for each in looks if _failed_half_way(each)},
            nodes=[NodeObservation.from_result(each) for each in results_that_ran(results["cluster"])],
            setup=[Preview.from_result(each) for each in results_that_ran(results["setup_preview"])],
            services=Preview.from_result(results["services_preview"], "commands"),
            # The preview names files only for a database that is to be restored.
            database=Preview.from_result(results["database_preview"], "files"),
            keys=[Preview.from_result(each) for each in results_that_ran(results["key_preview"])],
            escrow=EscrowObservation.from_result(results["escrow_backups"]),
            lock_held=lock.get("problem"),
            lock_failure=_message(lock),
            found_before=results["found_before"],
            sql_services_started=results["sql_services_started"],
        )

    @property
    def state(self) -> str | None:
        """The state of the cluster group, by the first node that could tell."""
        return next((node.state for node in self.nodes if node.state), None)

    @property
    def owner(self) -> str | None:
        """The computer name of the node that owns the cluster group."""
        return next((node.owner for node in self.nodes if node.owner), None)

    @property
    def fingerprints(self) -> list[str | None]:
        """The different keys of the nodes whose registry was read; None stands for one that is not known."""
        return list(dict.fromkeys(node.key_fingerprint for node in self.nodes if node.consistent is not None))

    @property
    def consistent(self) -> list[str]:
        """The nodes whose registry is that of a node of a clustered RMS."""
        return [node.host for node in self.nodes if node.consistent]

    @property
    def inconsistent(self) -> list[str]:
        """The nodes whose registry was read and is not that of a node of a clustered RMS."""
        return [node.host for node in self.nodes if node.consistent is False]


@dataclass
class ClusteredRestorePlan:
    """The decision. Nothing may be changed while `problems` has an entry; nothing is left to do while `unfinished` has
    none.
    """

    installed: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    present: list[str] = field(default_factory=list)
    first_answers: bool = False
    names: list[str] = field(default_factory=list)
    database_server: str | None = None
    active: str | None = None
    new_key_escrow: str = ""
    join: list[str] = field(default_factory=list)
    join_first: bool = False
    join_others: list[str] = field(default_factory=list)
    build: bool = False
    database: bool = False
    key: bool = False
    closed: bool = False
    outage: bool = False
    problems: list[str] = field(default_factory=list)
    refusal: list[str] = field(default_factory=list)
    backup_problems: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    person: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    steps: list[StepPlan] = field(default_factory=list)


@dataclass(frozen=True)
class ClusteredRestoreReport:
    """The end of a run: what was done (in check mode: would be done), what is open, the manual follow-up.

    :ivar lines: all of it as lines of a report, but for what is open
    """

    done: list[str]
    open: list[str]
    person: list[str]
    lines: list[str]


def make_plan(request: ClusteredRestoreRequest, seen: ClusterObservation) -> ClusteredRestorePlan:
    """Decide what is to be done, with every problem of every host, of the database and of the key."""
    plan = ClusteredRestorePlan(new_key_escrow=request.new_key_escrow)
    _find_nodes(plan, request, seen)
    plan.problems = plan.backup_problems = seen.group.unsupported(STEP)
    if plan.problems:
        plan.refusal = _refusal(plan, seen)
        return plan
    if request.setup:
        # Of a node that does not answer it is not known.
        looks = [look for look in _node_looks(request, seen) if look.server]
        plan.join = [look.host for look in looks if look.host not in _started_by_cluster(request, seen)]
    # In check mode, no tool can be asked on a node that is still to be set up.
    ready = [node for node in plan.join if node in plan.present]
    plan.join_first = request.nodes[0] in ready
    plan.join_others = [node for node in ready if node != request.nodes[0]]
    plan.build = bool(plan.join) or seen.services.due
    plan.database = request.database and seen.database.due
    plan.closed = is_closed(seen.group.database.get("database") or {})
    plan.key = request.key and _key_due(plan, seen)
    plan.outage = plan.database or plan.key or plan.closed or bool(seen.inconsistent)
    plan.problems = list(dict.fromkeys(_problems(plan, request, seen)))
    if plan.problems:
        plan.refusal = _refusal(plan, seen)
    plan.backup_problems = _backup_problems(plan, request, seen)
    plan.remarks = _remarks(request, seen)
    plan.person = _odd_topology(request)
    if plan.join:
        plan.person += _left_by_setup(plan)
    plan.unfinished = list(dict.fromkeys(_unfinished(request, seen)))
    plan.steps = _steps(plan, request, seen)
    return plan


def make_report(
    plan: t.Mapping[str, t.Any],
    request: ClusteredRestoreRequest,
    seen: ClusterObservation,
    results: t.Mapping[str, t.Any],
) -> ClusteredRestoreReport:
    """What a run with `plan`, as its result has it, did by the `results` of its steps' tasks, and what is still open by
    what was `seen` after it.
    """
    steps = [StepPlan(**step) for step in plan["steps"]]
    done = [line for step in steps for line in _done(step, request, results)]
    if request.check_mode:
        done += _predicted(plan, request)
    restart = [
        f"Restart {result['item']}, because the setup asks for it. Move the group away from it first."
        for result in loop_results(results.get("setup"))
        if result.get("reboot_required")
    ]
    others = [_trouble(result) for result in loop_results(results.get("others")) if "msg" in result]
    still_open = dict.fromkeys([*_unfinished(request, seen), *others])
    person = [*plan["person"], *_principal_names(request, seen, anything_done=bool(done)), *restart]
    return ClusteredRestoreReport(done, list(still_open), person, _lines(done, person, plan["remarks"], request))


def _lines(
    done: t.Sequence[str], person: t.Sequence[str], remarks: t.Sequence[str], request: ClusteredRestoreRequest
) -> list[str]:
    lines = []
    if not done:
        lines.append(f"The clustered RMS {request.virtual_server} works on all its nodes. Nothing to do.")
    elif request.check_mode:
        lines += ["This would be done:", *done]
    else:
        lines += ["Done:", *done]
    if person:
        lines += ["Manual follow-up:", *person]
    # After the work, what does not answer is open.
    if remarks and request.check_mode:
        lines += ["Remarks:", *remarks]
    return lines


def _message(result: Result) -> str | None:
    # Only what failed has one.
    return if_known(str, result.get("msg"))


def _failed_half_way(look: Result) -> bool:
    return "msg" in look and not look.get("server")


def _problem(host: str, found: str, what_to_do: str) -> str:
    return error_sentence(host, STEP, found, what_to_do)


def _find_nodes(plan: ClusteredRestorePlan, request: ClusteredRestoreRequest, seen: ClusterObservation) -> None:
    """On which nodes Operations Manager is, what names they go by, and which of them owns the group."""
    servers = {look.host: look.server for look in _node_looks(request, seen) if look.server}
    plan.installed = [host for host, server in servers.items() if server["installed"]]
    plan.missing = [host for host, server in servers.items() if not server["installed"]]
    plan.present = list(request.nodes)
    if request.check_mode:
        plan.present = plan.installed
    plan.first_answers = request.nodes[0] in servers
    computers = {host: str(server["computer_name"]) for host, server in servers.items()}
    names = [*request.nodes, *computers.values(), request.virtual_server]
    plan.names = list(dict.fromkeys(name.lower() for name in names if name))
    told = [look.server["database_server"] for look in seen.group.servers if look.server]
    plan.database_server = next((name for name in told if name), None)
    owner = name_key(seen.owner or "")
    plan.active = next((host for host, name in computers.items() if name_key(name) == owner), None)


def _node_looks(request: ClusteredRestoreRequest, seen: ClusterObservation) -> list[ServerObservation]:
    return [look for look in seen.group.servers if look.host in request.nodes]


def _started_by_cluster(request: ClusteredRestoreRequest, seen: ClusterObservation) -> list[str]:
    """The nodes on which all services are the cluster's to start."""
    return [look.host for look in _node_looks(request, seen) if _is_started_by_cluster(look)]


def _is_started_by_cluster(look: ServerObservation) -> bool:
    if not look.told.get("installed"):
        return False
    modes = {(look.told["services"].get(name) or {}).get("start_mode") for name in SERVICES}
    return modes == {STARTED_BY_CLUSTER}


def _key_due(plan: ClusteredRestorePlan, seen: ClusterObservation) -> bool:
    """The group comes online only when the key is on all nodes, and stays online only with the right key: so only where
    it is online nothing may be due.
    """
    if plan.database or plan.missing or seen.state != ONLINE:
        return True
    keys = set(seen.fingerprints)
    if len(keys) > 1:
        return True
    wanted = {preview.key_fingerprint for preview in seen.keys if preview.key_fingerprint}
    # Without a fingerprint on the nodes nothing can be compared.
    return any(keys) and bool(wanted) and keys != wanted


def _rms(seen: ClusterObservation) -> str | None:
    """Whom the database names as the RMS; None when it names nobody or several."""
    names = seen.group.who_is_rms()
    if len(names) != 1:
        return None
    return names[0]


def _problems(
    plan: ClusteredRestorePlan, request: ClusteredRestoreRequest, seen: ClusterObservation
) -> t.Iterator[str]:
    yield from seen.found_before
    # A database that is lost cannot be locked. It is locked when it is restored.
    if seen.lock_failure and (seen.lock_held or seen.group.database.get("reachable")):
        yield seen.lock_failure
    yield from _request_problems(plan, request)
    if plan.join and len(request.nodes) > SUPPORTED_NODES:
        found = (
            f"a clustered RMS has exactly two nodes, an active and a passive one, and {len(request.nodes)} are named"
        )
        advice = f"Leave all but two out of {ROLE}_nodes, and evict the others from the cluster"
        yield _problem(CONTROLLER, f"{found}: {', '.join(request.nodes)}", advice)
    if request.key and not request.key_file and plan.missing:
        yield from _escrow_problems(request, seen)
    for look in _node_looks(request, seen):
        yield from _node_problems(look, request, seen)
    yield from (preview.problem for preview in (*seen.setup, *seen.keys) if preview.problem)
    yield from (node.problem for node in seen.nodes if node.problem)
    yield from (preview.problem for preview in (seen.services, seen.database) if preview.problem)
    yield from _database_problems(plan, request, seen)


def _refusal(plan: ClusteredRestorePlan, seen: ClusterObservation) -> list[str]:
    """The problems, behind a line that says what was changed before they were found."""
    changed = "Nothing was changed"
    if seen.sql_services_started:
        changed += ", but SQL services were started"
    return [f"{changed}. {len(plan.problems)} problem(s):", *plan.problems]


def _request_problems(plan: ClusteredRestorePlan, request: ClusteredRestoreRequest) -> t.Iterator[str]:
    for name in REQUIRED:
        if not getattr(request, name):
            yield _problem(CONTROLLER, f"{ROLE}_{name} is not set, and the inventory does not tell it", "Set it")
    if request.database and not request.database_backup:
        yield _problem(
            CONTROLLER,
            "it is not said from which file the database is to be restored",
            f"Set {ROLE}_database_backup to the path of the backup of the original, as the SQL Server sees it; "
            f"or {ROLE}_database to false if the database is the original one",
        )
    # With several nodes to join, the key of the new cluster goes from the first one to the others.
    if request.key or len(plan.join) > 1:
        yield from _password_problems(request.backup_password)


def _password_problems(password: str) -> t.Iterator[str]:
    found = password_problem(password)
    if len(password) < MINIMUM_PASSWORD_CHARACTERS:
        found = f"no backup password of at least {MINIMUM_PASSWORD_CHARACTERS} characters is given"
    if found:
        yield _problem(CONTROLLER, found, f"Set {ROLE}_backup_password (from a vault)")


def _escrow_problems(request: ClusteredRestoreRequest, seen: ClusterObservation) -> t.Iterator[str]:
    """Why the escrow has no key for nodes that are still to be set up. On the others, the key is asked for itself."""
    own = [each for each in seen.escrow.backups if each["management_group"] == request.management_group]
    if seen.escrow.problem:
        yield seen.escrow.problem
    elif not own:
        found = f"{request.escrow} holds no key backup of the management group {request.management_group}"
        yield _problem(CONTROLLER, found, f"Set {ROLE}_escrow, or {ROLE}_key_file")
    elif own[0]["verified"] == FAULTY:
        advice = f"Correct {ROLE}_seal_passphrase, or take that backup out of the escrow"
        yield _problem(CONTROLLER, f"the newest key backup is faulty: {own[0]['problem']}", advice)


def _node_problems(
    look: ServerObservation, request: ClusteredRestoreRequest, seen: ClusterObservation
) -> t.Iterator[str]:
    node, server = look.host, look.server
    if server is None:
        yield seen.failed_looks.get(node) or _absence(look)
        return
    if not server["administrator"]:
        found = "the account is not an administrator of this server"
        yield _problem(node, found, "Use an account that is a member of its Administrators group")
    if not server["clustered"]:
        found = "its cluster service (ClusSvc) does not run"
        yield _problem(node, found, "Make it a node of the cluster and start the cluster service")
    group, is_node = server["management_group"], _is_started_by_cluster(look)
    if server["installed"] and group != request.management_group:
        found = f"its management group is {group}, not {request.management_group}"
        yield _problem(node, found, "Correct the inventory, or remove Operations Manager from it first")
    elif not is_node and not request.setup:
        yield _problem(node, "it is not a node of the clustered RMS yet", f"Set {ROLE}_setup to true")
    elif is_node and node not in seen.consistent and not request.repair_registry:
        yield _problem(
            node,
            "the cluster starts its services, but its registry is not that of a node "
            "(IsRootHealthService 1, no Parent Health Services)",
            f"Check that it belongs to this cluster and set {ROLE}_repair_registry to true",
        )


def _absence(look: ServerObservation) -> str:
    advice = "Correct this controller, or the node's account and connection in the inventory: the node may be at work"
    if look.reachability == SILENT:
        advice = (
            f"Start it, or take it out of {ROLE}_nodes and never let it become the active node "
            "before this was done for it, too"
        )
    everyone = "The key has to be on all nodes, so all of them must answer"
    return _problem(look.host, look.trouble or "", f"{everyone}. {advice}")


def _database_problems(
    plan: ClusteredRestorePlan, request: ClusteredRestoreRequest, seen: ClusterObservation
) -> t.Iterator[str]:
    host, database = request.database_host, seen.group.database
    closed = []
    # A restore takes the place of a database that is closed.
    if not request.database:
        closed = access_problems(host, database.get("database") or {})
    if closed:
        yield from closed
    elif database.get("reachable"):
        yield from _group_problems(request, seen)
    elif not request.database or database.get("problem_kind") != "database":
        # That the database itself is not there is what a restore of it is for.
        yield _silence(request, seen)
    new = bool(database.get("reachable")) and plan.database
    if plan.join and not seen.database.problem and not new:
        yield _problem(
            host,
            f"{', '.join(plan.join)} are still to be set up as nodes, and that takes the new operational database of "
            f"{request.management_group} that the setup makes on the SQL Server. That is not what is there{_only_r2(seen)}",
            "Let the setup make it (feature MOMDB), then rerun; the original database is restored over it",
        )


def _only_r2(seen: ClusterObservation) -> str:
    """That the RMS of a group that exists is not clustered before R2, where the servers are older."""
    version = newest(look.server.get("version") for look in seen.group.servers if look.server)
    if version is None or version >= R2:
        return ""
    return f", and before 2007 R2 (6.1) the RMS of a management group that exists cannot be clustered: the servers are at {version}"


def _silence(request: ClusteredRestoreRequest, seen: ClusterObservation) -> str:
    """Why the operational database could not be asked, as management_group_info says it."""
    asked = seen.group.database.get("problem")
    return str(asked or _problem(request.database_host, "the operational database was not asked", ""))


def _group_problems(request: ClusteredRestoreRequest, seen: ClusterObservation) -> t.Iterator[str]:
    host, group, rms = request.database_host, seen.group.database.get("management_group"), _rms(seen)
    if group != request.management_group:
        found = f"the database belongs to the management group {group}"
        yield _problem(host, found, "Correct opsmgr_database_name in the inventory")
    elif not request.database and name_key(rms or "") != name_key(request.virtual_server):
        found = f"by the database, which is to stay, the RMS is {rms or 'nobody'}, not {request.virtual_server}"
        advice = f"Correct {ROLE}_virtual_server, or give the role back with opsmgr.recovery.rms_failover"
        yield _problem(host, found, advice)


def _backup_problems(
    plan: ClusteredRestorePlan, request: ClusteredRestoreRequest, seen: ClusterObservation
) -> list[str]:
    """Why no backup can be made: only a clustered RMS that works has the key and the database that a restore needs."""
    problems = []
    if seen.state != ONLINE:
        found = f"the group {request.cluster_group} is {seen.state or 'not seen'}"
        problems.append(_problem(CONTROLLER, found, "Back up a clustered RMS that works: bring the group online first"))
    elif plan.active is None:
        found = f"the group {request.cluster_group} is online on {seen.owner}, which is not among the nodes that answer"
        problems.append(_problem(CONTROLLER, found, f"Correct {ROLE}_nodes, or start that node"))
    if not seen.group.database.get("reachable"):
        problems.append(_silence(request, seen))
    return problems


def _remarks(request: ClusteredRestoreRequest, seen: ClusterObservation) -> list[str]:
    """Other management servers are only started again, so that one that does not answer does not stand in the way."""
    advice = "Start it, then rerun the playbook: the restore continues without it"
    return [
        _problem(look.host, f"this management server could not be looked at: {look.trouble}", advice)
        for look in seen.group.unseen(*request.nodes)
    ]


def _odd_topology(request: ClusteredRestoreRequest) -> list[str]:
    """What is not supported is no reason to leave a clustered RMS without its key."""
    if len(request.nodes) == SUPPORTED_NODES:
        return []
    named = f"A clustered RMS is supported with exactly two nodes, an active and a passive one, and {ROLE}_nodes names {', '.join(request.nodes)}."
    if len(request.nodes) > SUPPORTED_NODES:
        return [f"{named} Evict the others from the cluster."]
    return [f"{named} The other one must never become the active node before this was done for it, too."]


def _left_by_setup(plan: ClusteredRestorePlan) -> list[str]:
    return [
        "The setup gives OMSDK and OMCFG the computer's account, which is another one on each node: "
        "give them the same domain account on all nodes.",
        f"The new cluster's own key, in {plan.new_key_escrow}, is worthless now: remove it.",
        "Remove the key backups that may have been made of the new cluster before its database was replaced.",
    ]


def _unfinished(request: ClusteredRestoreRequest, seen: ClusterObservation) -> t.Iterator[str]:
    """What everyone shows otherwise than after a finished restore."""
    sound = set(_started_by_cluster(request, seen)) & set(seen.consistent)
    for node in request.nodes:
        if node not in sound:
            found = (
                "it is not a sound node of the clustered RMS: start modes or registry are wrong, or it does not answer"
            )
            yield f"{node}: {found}."
    keys = seen.fingerprints
    if not keys:
        yield "The key of no node could be seen."
    elif len(keys) > 1:
        yield f"The nodes have different keys: {', '.join(key or 'one that is not known' for key in keys)}."
    if seen.state != ONLINE:
        yield f"The group {request.cluster_group} is {seen.state or 'not seen'}."
    if not seen.group.database.get("reachable"):
        yield _silence(request, seen)
    yield from seen.group.database.get("problems") or ()


def _principal_names(
    request: ClusteredRestoreRequest, seen: ClusterObservation, *, anything_done: bool
) -> t.Iterator[str]:
    """The service principal names that a domain administrator adds and deletes, as the last step of a new clustered RMS
    [ms]. What could not be looked at is only told of a run that did something.
    """
    if not request.virtual_server:
        return
    servers = [str(server["name"]) for server in seen.group.database.get("servers") or []]
    rms = named_virtual_server(request.virtual_server, _node_with_domain_account(request, seen), servers)
    for order in name_orders(rms, others=servers, listed=listed_names(seen.group)):
        if order.seen or anything_done:
            yield order.line


def _node_with_domain_account(request: ClusteredRestoreRequest, seen: ClusterObservation) -> ServerObservation | None:
    """A node whose SDK service has an account that all nodes can have."""
    for look in _node_looks(request, seen):
        if look.server and sdk_account(look.server) not in (None, look.server["computer_name"]):
            return look
    return None


def _trouble(result: Result) -> str:
    """Of another management server that does not work yet."""
    if result.get("unreachable"):
        return f"{result['item']}: {result['msg']}."
    return str(result["msg"])


def _steps(plan: ClusteredRestorePlan, request: ClusteredRestoreRequest, seen: ClusterObservation) -> list[StepPlan]:
    """The steps in the order in which the role does them."""
    return [*_building(plan, request), *_replacing(plan, request, seen), *_finishing(plan, request, seen)]


def _building(plan: ClusteredRestorePlan, request: ClusteredRestoreRequest) -> list[StepPlan]:
    to_set_up = hosts_if(request.setup, plan.missing)
    tools_on = hosts_if(plan.build, plan.present)
    first = [node for node in plan.join if node == request.nodes[0]]
    others = [node for node in plan.join if node not in first]
    copied = "Delete the tools from the folder of Operations Manager"
    created = "Take the group offline and delete the resources (cluster resource NAME /delete)"
    return [
        StepPlan("sql_first", "SQL services started", [request.database_host], undone_by="Stop them"),
        StepPlan("setup", "* set up as a management server", to_set_up, bool(to_set_up)),
        StepPlan("tools_built", "support tools copied to *", tools_on, undone_by=copied),
        StepPlan("services", "services made resources of the cluster", [request.nodes[0]], plan.build, created),
        StepPlan("first_node", "* made the virtual server", first, bool(first)),
        StepPlan("other_nodes", "* made a node of the clustered RMS", others, bool(others)),
    ]


def _replacing(
    plan: ClusteredRestorePlan, request: ClusteredRestoreRequest, seen: ClusterObservation
) -> list[StepPlan]:
    group, nodes = request.cluster_group, hosts_if(plan.outage, plan.present)
    restored = f"operational database restored from {request.database_backup}"
    kept = plan.outage and not request.database
    back = "Bring the group online, as long as neither the database nor the key has been replaced"
    ours = "Close it again (ALTER DATABASE ... SET SINGLE_USER)"
    keyed = hosts_if(request.key, nodes)
    source = "key"
    if request.key_file:
        source = "key_file"
    exported = "Import the file that the task exported the registry to"
    copied = "Delete the tools from the folder of Operations Manager"
    return [
        StepPlan("offline", f"group {group} taken offline", [request.nodes[0]], plan.outage or plan.build, back),
        StepPlan("stopped", "services of * stopped that ran behind the cluster's back", nodes, undone_by="Start them"),
        StepPlan(
            "saved",
            "operational database backed up",
            [request.database_host],
            kept and not plan.closed,
            "Delete the file",
            place="path",
        ),
        StepPlan("restored", restored, [request.database_host], plan.database, point_of_no_return=plan.database),
        StepPlan("opened", "operational database opened to all", [request.database_host], kept and plan.closed, ours),
        StepPlan("tools", "support tools copied to *", keyed, undone_by=copied),
        StepPlan(source, "key restored on *", keyed, plan.key),
        StepPlan("registry", "registry of * repaired", seen.inconsistent, bool(seen.inconsistent), exported),
    ]


def _finishing(
    plan: ClusteredRestorePlan, request: ClusteredRestoreRequest, seen: ClusterObservation
) -> list[StepPlan]:
    group, first = request.cluster_group, [request.nodes[0]]
    moved = plan.outage or plan.build or seen.state != ONLINE
    others = [look.host for look in seen.group.servers if look.host not in request.nodes]
    again = f"group {group} brought online again, and with it OMSDK restarted by the cluster"
    return [
        StepPlan("online", f"group {group} brought online", first, moved, "Take the group offline"),
        StepPlan("consoles", "consoles on * open the virtual server", plan.present),
        StepPlan("broker", "Service Broker of the operational database turned on", [request.database_host]),
        StepPlan("restarted", again, first),
        StepPlan("sql_last", "SQL services started", [request.database_host], undone_by="Stop them"),
        StepPlan("others", "HealthService of * started", others, undone_by="Stop it"),
    ]


def _done(step: StepPlan, request: ClusteredRestoreRequest, results: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    """A line for each host on which the step's task changed something."""
    for result in loop_results(results.get(step.id)):
        if not result.get("changed"):
            continue
        line = step.title([str(result.get("item", request.nodes[0]))], result)
        if "elapsed_seconds" in result:
            line += f" ({result['elapsed_seconds']} s)"
        yield line


def _predicted(plan: t.Mapping[str, t.Any], request: ClusteredRestoreRequest) -> list[str]:
    """What no task can predict, because the setup that it needs is only predicted itself."""
    lines = [
        f"{node} made a node of the clustered RMS, with the original key"
        for node in plan["join"]
        if node not in plan["present"]
    ]
    if plan["database"]:
        lines.append("Service Broker of the operational database turned on, if it is off after the restore")
    return lines
