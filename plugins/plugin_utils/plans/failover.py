# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a failover would do, and everything that stands in its way: pure decisions over what was observed.

Private to opsmgr.recovery.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import error_sentence
from ansible_collections.opsmgr.recovery.plugins.module_utils.optional import if_known, phrase
from ansible_collections.opsmgr.recovery.plugins.module_utils.server_names import (
    former_names,
    is_one_of,
    known_as,
    name_key,
)
from ansible_collections.opsmgr.recovery.plugins.module_utils.versions import ServerVersion
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.server import (
    CONFIG_SERVICE,
    HEALTH_SERVICE,
    SDK_SERVICE,
    SERVICES,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.failover_sequence import planned_steps
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.named_elsewhere import named_elsewhere
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.observation import Observation, ServerObservation
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.principal_names import (
    NamedServer,
    listed_names,
    name_orders,
    named_server,
    named_virtual_server,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.step_plan import StepPlan
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.reachability import (
    REFUSED,
    SILENT,
)

PLANNED = "planned"
DISASTER = "disaster"
STEP = "preflight"
# State and start mode of OMSDK and OMCFG on the RMS and on every other management server [ms]; HealthService runs on
# all of them.
PROMOTED = ("running", "auto")
DEMOTED = ("stopped", "disabled")


@dataclass(frozen=True)
class FailoverRequest:
    """What the user asked for, and what the inventory knows.

    :ivar sql_server: the server that the operational database is on, as the steps name it
    :ivar database_backup: whether the operational database is backed up before the promotion
    """

    target: str
    mode: str
    delete_existing_rms: bool
    inventory_rms: t.Sequence[str]
    management_group: str | None
    data_warehouse_workaround: bool = True
    cluster_nodes: t.Sequence[str] = ()
    virtual_server: str | None = None
    old_rms_is_off: bool = False
    sql_server: str = "operational database"
    database_backup: bool = True
    reporting_servers: t.Sequence[str] = ()
    web_consoles: t.Sequence[str] = ()
    consoles: t.Sequence[str] = ()

    def nodes_of(self, host: str) -> tuple[str, ...]:
        """The hosts that are the same server to everyone else: all nodes for a node of the clustered RMS."""
        if host in self.cluster_nodes:
            return tuple(self.cluster_nodes)
        return (host,)

    @property
    def is_planned(self) -> bool:
        """Whether the key comes from the old RMS."""
        return self.mode == PLANNED

    def is_virtual(self, name: str) -> bool:
        """Whether a name is that of the virtual server, which a clustered RMS is in the database [field]."""
        return self.virtual_server is not None and name_key(name) == name_key(self.virtual_server)


# As management_server_info tells the services of an RMS that works.
AT_WORK = {"state": "running", "start_mode": "auto"}


@dataclass
class Plan:
    """The decision. Nothing may be changed while `problems` has an entry; nothing is left to do while `unfinished` has
    none. `at_work` is whether the server that has the role was seen with all its services running. `by_hand` is what
    only a person can do, and `question` asks one to confirm the promotion.
    """

    mode: str
    new_rms: str
    rms_name: str | None = None
    former_names: list[str] = field(default_factory=list)
    old_rms: str | None = None
    old_rms_answers: bool = False
    promotion_needed: bool = True
    demote: list[str] = field(default_factory=list)
    keep_sdk: list[str] = field(default_factory=list)
    restart: list[str] = field(default_factory=list)
    working: list[str] = field(default_factory=list)
    consoles: list[str] = field(default_factory=list)
    quiet_node: str | None = None
    open_database: bool = False
    at_work: bool = False
    problems: list[str] = field(default_factory=list)
    follow_up: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    by_hand: list[str] = field(default_factory=list)
    question: str = ""
    steps: list[StepPlan] = field(default_factory=list)

    @property
    def left(self) -> list[str]:
        """The whole manual follow-up."""
        return [*self.follow_up, *self.remarks, *self.by_hand]


def make_plan(request: FailoverRequest, observation: Observation, known_names: t.Sequence[str] = ()) -> Plan:
    """Decide what is to be done, with every problem of every host and of the database.

    :param known_names: names of servers that the database had before, and may not have any more
    """
    plan = Plan(request.mode, request.target)
    plan.problems = observation.unsupported(STEP)
    if plan.problems:
        plan.promotion_needed = False
        plan.steps = planned_steps(plan, request)
        return plan
    _find_old_rms(plan, request, observation)
    plan.promotion_needed = not _is_rms_everywhere(request, observation)
    _name_servers(plan, request, observation)
    _find_former(plan, request, observation)
    _find_quiet_nodes(plan, request, observation)
    _find_others(plan, request, observation)
    plan.consoles = [look.host for look in observation.servers if _names_another(look.told.get("console_rms"), plan)]
    plan.open_database = _was_left_closed(observation)
    plan.at_work = not plan.promotion_needed and _is_at_work(request, observation)
    plan.problems += _database_problems(request, observation)
    plan.problems += _target_problems(plan, request, observation)
    if plan.promotion_needed:
        plan.problems += _old_rms_problems(plan, request, observation)
    plan.problems += _former_problems(plan, request, observation)
    plan.problems += _foreign_problems(plan, request, observation)
    plan.problems += _node_problems(request, observation)
    plan.remarks += _other_servers(plan, request, observation)
    plan.unfinished += _unfinished(plan, request, observation)
    plan.by_hand += _by_hand(plan, request)
    plan.by_hand += _principal_names(plan, request, observation, known_names)
    if plan.old_rms:
        old = plan.old_rms
        if old in request.cluster_nodes:
            old = str(request.virtual_server)
        plan.by_hand += named_elsewhere(old, observation.database)
    if plan.promotion_needed:
        plan.question = _question(plan)
    plan.steps = planned_steps(plan, request)
    return plan


def _is_at_work(request: FailoverRequest, observation: Observation) -> bool:
    """Whether every service of an RMS runs on the target and starts by itself."""
    services = observation.told_by(request.target).get("services", {})
    return all(services.get(name) == AT_WORK for name in SERVICES)


def _by_hand(plan: Plan, request: FailoverRequest) -> list[str]:
    consoles = "Consoles on computers that are not in opsmgr_consoles ask for the new RMS once: it is"
    lines = [f"{consoles} {plan.rms_name}."]
    if request.target not in request.inventory_rms:
        lines.append(f"In the inventory {request.target} is not in opsmgr_rms. Put it there if it is to stay the RMS.")
    return lines


def _principal_names(
    plan: Plan, request: FailoverRequest, observation: Observation, known_names: t.Sequence[str]
) -> list[str]:
    """The service principal names that a domain administrator adds and deletes."""
    target = observation.on_host(request.target)
    if target is None or target.server is None:
        return []
    names = [*(str(server["name"]) for server in observation.database.get("servers") or []), *known_names]

    def named(look: ServerObservation) -> NamedServer:
        if look.host in request.cluster_nodes and request.virtual_server:
            return named_virtual_server(request.virtual_server, look, names)
        return named_server(look, names)

    rms = named(target)
    # Before Service Pack 1 the SDK service of a former RMS goes on, under its own name.
    apart = (*request.nodes_of(request.target), *plan.keep_sdk)
    others = [look for look in observation.servers if look.host not in apart]
    kept = {look.name for look in observation.servers if look.host in plan.keep_sdk}
    former = [named(look) for look in others if look.host in (plan.old_rms, *request.inventory_rms)]
    orders = name_orders(
        rms,
        list({server.name: server for server in former}.values()),
        [name for name in (*names, *(named(look).name for look in others)) if name_key(name) not in kept],
        listed_names(observation),
        # With the computer's own account it may, and does when it starts [Operations Manager 2012].
        adds_own=plan.promotion_needed and rms.sdk_account == rms.name,
    )
    return [order.line for order in orders]


def _question(plan: Plan) -> str:
    """What a person is asked at the terminal, the last moment at which nothing was changed."""
    lines = [
        "Nothing stands in the way. Nothing was changed so far.",
        f"{plan.new_rms} becomes the RMS{phrase(' instead of {}', plan.old_rms)}.",
    ]
    if plan.old_rms_answers:
        lines.append("While the role moves the management group has no working RMS.")
    lines += [
        "What fails before the promotion is undone. The promotion itself is the",
        "POINT OF NO RETURN: what fails after it is completed by a rerun.",
        f"Type {plan.new_rms} to go on, anything else to leave everything as it is",
    ]
    return "\n".join(lines)


def _problem(host: str, found: str, what_to_do: str) -> str:
    return error_sentence(host, STEP, found, what_to_do)


def _is_rms_everywhere(request: FailoverRequest, observation: Observation) -> bool:
    """Whether database and registry agree that the target is the RMS already."""
    target = observation.on_host(request.target)
    names = observation.who_is_rms()
    return target is not None and target.is_rms and len(names) == 1 and _is_name_of(names[0], target, request)


def _is_name_of(name: str, look: ServerObservation, request: FailoverRequest) -> bool:
    """Whether the database's name is that of a server; a node of the clustered RMS goes by the name of the virtual
    server.
    """
    if look.host in request.cluster_nodes:
        return request.is_virtual(name)
    return name_key(name) == look.name


def _named(name: str, request: FailoverRequest, observation: Observation) -> ServerObservation | None:
    """The look at the server that the database calls `name`; for the virtual server, the node that works, else one that
    answers, else any.
    """
    if not request.is_virtual(name):
        return observation.named(name)
    nodes = _node_looks(request, observation)
    return next(iter(sorted(nodes, key=lambda look: (not look.runs(SDK_SERVICE), look.server is None))), None)


def _node_looks(request: FailoverRequest, observation: Observation) -> list[ServerObservation]:
    return [look for look in observation.servers if look.host in request.cluster_nodes]


def _find_old_rms(plan: Plan, request: FailoverRequest, observation: Observation) -> None:
    """Who is the RMS is asked of the database first, then of the registries, then of the inventory, which may be out of
    date.
    """
    by_database = [_named(name, request, observation) for name in observation.who_is_rms()]
    # Nodes of a clustered RMS call themselves RMS at all times.
    ordinary = [look for look in observation.servers if look.host not in request.cluster_nodes]
    by_registry = [look for look in ordinary if look.is_rms]
    for look in (*by_database, *by_registry, *map(observation.on_host, request.inventory_rms)):
        if look is not None and look.host not in request.nodes_of(request.target):
            plan.old_rms, plan.old_rms_answers = look.host, look.server is not None
            return


def _name_servers(plan: Plan, request: FailoverRequest, observation: Observation) -> None:
    """How configuration files name the new RMS, and by which names they may know a former one."""
    target = observation.on_host(request.target)
    listed = [str(server["name"]) for server in observation.database.get("servers") or []]
    own: list[str | None] = [request.target]
    if target is not None:
        plan.rms_name = next((name for name in listed if _is_name_of(name, target, request)), None)
        own += [plan.rms_name, target.name]
    known = [
        *listed,
        *(look.host for look in observation.servers),
        *(str(look.server["computer_name"]) for look in observation.servers if look.server),
    ]
    plan.former_names = former_names(known, [name for name in own if name])


def _find_former(plan: Plan, request: FailoverRequest, observation: Observation) -> None:
    """Servers that must be ordinary management servers in the end; those that do not answer are left for a rerun."""
    apart = {None, request.target, *request.cluster_nodes}
    former = {
        plan.old_rms,
        *request.inventory_rms,
        *(look.host for look in observation.servers if _looks_like_rms(look)),
    } - apart
    for host in sorted(name for name in former if name):
        look = observation.on_host(host)
        if look is not None and look.server is not None:
            if _feeds_data_warehouse(look, request):
                plan.keep_sdk.append(host)
                plan.remarks.append(
                    f"{host} is older than Service Pack 1: the processing of the data warehouse stays there, so {SDK_SERVICE} keeps running on it [book]. "
                    f"Do not switch it off before Service Pack 1 is installed and the role was moved away and back once"
                )
            if (
                _wrong_services(look, _expected(host, plan, request))
                or look.is_rms
                or (plan.promotion_needed and host == plan.old_rms)
            ):
                plan.demote.append(host)
        else:
            plan.follow_up.append(
                f"{host} {_absent(look)} and has not been demoted. When it is back, run this playbook again before anything else is done there: "
                f"until then it still acts as the RMS"
            )


def _find_quiet_nodes(plan: Plan, request: FailoverRequest, observation: Observation) -> None:
    """While another server has the role, nothing of a clustered RMS may run on any node, least of all its Health
    Service [field][ms].
    """
    if not request.cluster_nodes or request.target in request.cluster_nodes:
        return
    nodes = _node_looks(request, observation)
    plan.quiet_node = next(
        (look.host for look in sorted(nodes, key=lambda look: not look.runs(SDK_SERVICE)) if look.server), None
    )
    plan.remarks.append(
        f"TEMPORARY STATE: the clustered RMS {request.virtual_server} is out of service, to be promoted back (playbook opsmgr.recovery.rms_failback). "
        f"Until then its group stays offline, and {HEALTH_SERVICE} must not be started on {' or '.join(request.cluster_nodes)}"
    )
    plan.follow_up += [
        f"{look.host} {_absent(look)}. When this node is back, see that {HEALTH_SERVICE} does not run on it, and rerun this playbook at once: "
        f"it takes the group of the clustered RMS offline"
        for look in nodes
        if look.server is None
    ]


def _absent(look: ServerObservation | None) -> str:
    if look is None or look.reachability == SILENT:
        return "does not answer"
    return "could not be looked at"


def _feeds_data_warehouse(look: ServerObservation, request: FailoverRequest) -> bool:
    """Before SP1 the processing of the data warehouse does not move with the role [book]."""
    version = (look.server or {}).get("version")
    return request.data_warehouse_workaround and bool(version) and not ServerVersion.parse(str(version)).is_sp1_or_later


def _find_others(plan: Plan, request: FailoverRequest, observation: Observation) -> None:
    """Ordinary management servers that answer, and those of them that do not work under the new RMS yet."""
    for look in observation.servers:
        server = look.server
        apart = {request.target, *plan.demote, *request.cluster_nodes}
        if (
            server is None
            or look.host in apart
            or look.is_rms
            or server["clustered"]
            or _server_problems(look, request.management_group)
        ):
            continue
        health = server["services"][HEALTH_SERVICE]
        if health["start_mode"] in (None, "disabled"):
            continue
        plan.working.append(look.host)
        reports_to = server["reports_to"]
        if (
            health["state"] != "running"
            or _names_another(reports_to, plan)
            or (reports_to is None and plan.promotion_needed)
        ):
            plan.restart.append(look.host)


def _names_another(name: str | None, plan: Plan) -> bool:
    """Whether a name that was read is known not to be the new RMS's."""
    return name is not None and plan.rms_name is not None and not is_one_of(name, known_as([plan.rms_name]))


def _looks_like_rms(look: ServerObservation) -> bool:
    return look.is_rms or look.runs(SDK_SERVICE) or look.runs(CONFIG_SERVICE)


def _database_problems(request: FailoverRequest, observation: Observation) -> list[str]:
    database = observation.database
    state = database.get("database") or {}
    host = f"database {state.get('name', '')}".strip()
    problems = access_problems(host, state)
    if not database.get("reachable"):
        return problems or [error_sentence(host, STEP, str(database.get("problem") or database.get("msg")), "")]
    group = _own_group(request, observation)
    if group and database.get("management_group") not in (None, group):
        says = f"{request.target} belongs to"
        if request.management_group:
            says = "the inventory says"
        found = f"the database belongs to management group {database['management_group']}, and {says} {group}"
        problems.append(
            _problem(host, found, "Correct opsmgr_database_name or opsmgr_management_group in the inventory")
        )
    if state.get("state") not in (None, "ONLINE"):
        problems.append(_problem(host, f"the operational database is {state['state']}", "Bring it online, then rerun"))
    names = observation.who_is_rms()
    if database.get("servers") is None:
        # An offline database is a problem of its own above, and has nothing to say about its servers.
        if not problems:
            what = "Fix this, so that the database can say who the RMS is"
            problems.append(
                _problem(host, " ".join(database.get("problems") or ["its servers could not be read"]), what)
            )
    else:
        problems += _rms_name_problems(host, names, request, observation)
    return problems


def is_closed(state: t.Mapping[str, t.Any]) -> bool:
    return state.get("user_access") not in (None, "MULTI_USER")


def _was_left_closed(observation: Observation) -> bool:
    """Whether a run of this collection closed the database and was killed before it opened it again."""
    state = observation.database.get("database") or {}
    return is_closed(state) and state.get("closed_by_us") is True


def access_problems(host: str, state: t.Mapping[str, t.Any]) -> list[str]:
    """A database that somebody closed stays closed: whoever did that had a reason."""
    ours = state.get("closed_by_us")
    if not is_closed(state) or ours is True:
        return []
    holders = phrase("; in it: {}", "; ".join(state.get("sessions") or ()))
    found = f"the operational database is in {state['user_access']}"
    if ours is False:
        what = "Find out who closed it, and why, and have it opened (opsmgr.recovery.service_broker with reopen: anybodys does that). Then rerun"
        return [_problem(host, f"{found}, and no run of this collection closed it{holders}", what)]
    what = "Stop what is in it (the OpsMgr services first), then rerun: then the database itself tells who closed it"
    return [
        _problem(host, f"{found}, and as long as its only seat is taken it cannot be told who closed it{holders}", what)
    ]


def _rms_name_problems(
    host: str, names: t.Sequence[str], request: FailoverRequest, observation: Observation
) -> list[str]:
    if len(names) != 1:
        found = f"the database names {' and '.join(names) or 'no server'} as RMS, and exactly one was expected"
        return [_problem(host, found, "Find out which is right before anything is changed")]
    if _named(names[0], request, observation) is None and request.delete_existing_rms:
        # A cluster whose nodes are all down looks like this, and deleting its virtual server cannot be undone [field].
        found = f"the database calls {names[0]} the RMS, and no server of the inventory has this name"
        what = (
            "If that is the virtual server of a cluster, list its nodes in opsmgr_rms_cluster, or set rms_failover_delete_existing_rms to false; "
            "else give the server this name in the inventory"
        )
        return [_problem(host, found, what)]
    return []


def _target_problems(plan: Plan, request: FailoverRequest, observation: Observation) -> list[str]:
    look = observation.on_host(request.target)
    if look is None or look.server is None:
        trouble = observation.why_unseen(request.target)
        return [
            _problem(
                request.target,
                f"the server to promote cannot be used: {trouble}",
                "Fix that, or choose another management server",
            )
        ]
    problems = _server_problems(look, request.management_group)
    if not plan.promotion_needed or problems:
        return problems
    health = look.server["services"][HEALTH_SERVICE]
    if health["state"] != "running" and look.host not in request.cluster_nodes:
        found = f"{HEALTH_SERVICE} is {health['state']}, so this is not a working management server"
        problems.append(
            _problem(look.host, found, f"Start it (sc start {HEALTH_SERVICE}), see that it stays up, then rerun")
        )
    problems += _tool_problems(look)
    problems += _role_in_database_problems(look, request, observation)
    return problems


def _server_problems(look: ServerObservation, management_group: str | None) -> list[str]:
    server = look.server or {}
    if not server["administrator"]:
        return [
            _problem(
                look.host,
                "the account is not an administrator of this server",
                "Use an account that is a member of its Administrators group",
            )
        ]
    if not server["installed"]:
        return [_problem(look.host, "Operations Manager is not installed here", "Correct the inventory")]
    if management_group and server["management_group"] != management_group:
        found = (
            f"it belongs to management group {server['management_group']}, and the inventory says {management_group}"
        )
        return [_problem(look.host, found, "Correct opsmgr_management_group in the inventory")]
    return []


def _tool_problems(look: ServerObservation) -> list[str]:
    server = look.server or {}
    missing = [tool for tool, present in server["tools"].items() if not present]
    if not missing or server["media"]:
        return []
    found = f"{' and '.join(missing)} not in {server['install_directory']}, and no installation media with them found"
    return [
        _problem(
            look.host,
            found,
            "Insert the media or copy its \\SupportTools folder to the server, and set rms_failover_media",
        )
    ]


def _role_in_database_problems(
    look: ServerObservation, request: FailoverRequest, observation: Observation
) -> list[str]:
    servers = observation.database.get("servers")
    if not observation.database.get("reachable") or servers is None:
        return []
    own = next((server for server in servers if _is_name_of(server["name"], look, request)), None)
    if own is None:
        return [
            _problem(
                look.host,
                "the database does not know it as a management server of this group",
                "Choose a management server of this group",
            )
        ]
    if "gateway" in own["roles"]:
        return [
            _problem(look.host, "it is a gateway server, which cannot become the RMS", "Choose a management server")
        ]
    return []


def _old_rms_problems(plan: Plan, request: FailoverRequest, observation: Observation) -> list[str]:
    look = if_known(observation.on_host, plan.old_rms)
    if look is None:
        return [
            _problem(
                request.target,
                "no server of the inventory is known to be the RMS now",
                "Put the RMS into the group opsmgr_rms of the inventory",
            )
        ]
    if look.server is None:
        return _absence_problems(look, request, observation)
    problems = _server_problems(look, request.management_group)
    if not problems and request.mode == PLANNED:
        problems += _tool_problems(look)
        if not look.server["key"]["present"]:
            what = "Set rms_failover_mode to disaster, which uses the newest key from the escrow; or, if it has one, see rms_failover_key_registry_key"
            problems.append(_problem(look.host, "the RMS has no key in its registry", what))
    return problems + _pair_problems(look, request, observation)


def _absence_problems(old: ServerObservation, request: FailoverRequest, observation: Observation) -> list[str]:
    """Why the role may not be taken from an RMS that could not be looked at: while it runs, two servers would be the
    RMS.
    """
    if request.mode == DISASTER:
        if request.old_rms_is_off:
            return []
        # Each node of a cluster may be the one that works.
        nodes = [look for look in observation.unseen() if look.host in request.nodes_of(old.host)]
        return [_still_there(look) for look in nodes if look.reachability != SILENT]
    found = f"the RMS cannot be reached: {old.trouble}"
    advice = {
        SILENT: "Fix its connection; or, if the server is really gone, set rms_failover_mode to disaster, which uses the newest key from the escrow",
        REFUSED: "Correct its account, password or certificate in the inventory: it may well be at work",
    }
    return [
        _problem(
            old.host,
            found,
            advice.get(
                old.reachability, "Correct this controller or the inventory: whether the server is at work is not known"
            ),
        )
    ]


def _still_there(look: ServerObservation) -> str:
    known = "whether it is at work is not known"
    if look.reachability == REFUSED:
        known = "it may be at work"
    found = f"a disaster failover needs an RMS that is off, and {known}: {look.trouble}"
    what = "Switch it off, or correct the inventory so that it can be asked"
    return _problem(
        look.host,
        found,
        f"{what}. If you know that it is off, and will stay so, set rms_failover_old_rms_is_off to true",
    )


def _former_problems(plan: Plan, request: FailoverRequest, observation: Observation) -> list[str]:
    """What would stop the demotion of a former RMS, which comes after the point of no return."""
    problems = []
    for look in map(observation.on_host, plan.demote):
        # The old RMS is judged by itself as long as it is the RMS.
        if look is not None and not (plan.promotion_needed and look.host == plan.old_rms):
            problems += _server_problems(look, request.management_group)
    return problems


def _own_group(request: FailoverRequest, observation: Observation) -> str | None:
    """The management group that all is about: as the inventory says, else as the server to promote says."""
    return request.management_group or observation.told_by(request.target).get("management_group")


def _foreign_problems(plan: Plan, request: FailoverRequest, observation: Observation) -> list[str]:
    """Servers of another management group: nothing of theirs may be changed, whatever the inventory says."""
    group = _own_group(request, observation)
    told: set[str | None] = set()
    if request.management_group:
        told = {request.target, plan.old_rms, *plan.demote}
    groups = {look.host: look.told.get("management_group") for look in observation.servers if look.host not in told}
    advice = "Set opsmgr_management_group for each host of the inventory, or leave this one out"
    problems = [
        _problem(host, f"it belongs to management group {its_group}, and {request.target} to {group}", advice)
        for host, its_group in groups.items()
        if its_group not in (None, group)
    ]
    return problems + [
        _problem(
            host,
            "it does not answer, and the database does not name it, so it cannot be told which management group it belongs to",
            advice,
        )
        for host in _unknown_hosts(request, observation)
    ]


def _unknown_hosts(request: FailoverRequest, observation: Observation) -> list[str]:
    """Hosts of which nothing says that they are of this group: with several servers that the inventory calls RMS, one
    of them may be another group's.
    """
    if request.management_group or len(request.inventory_rms) < 2:
        return []
    listed = {name_key(str(server["name"])) for server in observation.database.get("servers") or []}
    return [look.host for look in observation.unseen(request.target) if look.name not in listed]


def _node_problems(request: FailoverRequest, observation: Observation) -> list[str]:
    """What would keep the clustered RMS from working on one of its nodes, when it is to get the role."""
    if request.cluster_nodes and not request.virtual_server:
        found = "it is a node of the clustered RMS, and the name of the virtual server is not known"
        return [
            _problem(request.cluster_nodes[0], found, "Set opsmgr_virtual_server for the hosts of opsmgr_rms_cluster")
        ]
    if request.target not in request.cluster_nodes:
        return []
    looks = [look for look in _node_looks(request, observation) if look.server]
    wrong = [look.host for look in looks if not _has_registry_of_node(look)]
    found = "its registry is not that of a node of a clustered RMS (IsRootHealthService 1, no Parent Health Services)"
    problems = [
        _problem(host, found, "Run opsmgr.recovery.rms_cluster_group with registry: repair on it") for host in wrong
    ]
    keys = [look.told["key"] for look in looks]
    if not all(key["present"] for key in keys) or len({key["fingerprint"] for key in keys if key["fingerprint"]}) > 1:
        nodes = " and ".join(look.host for look in looks)
        problems.append(
            _problem(
                nodes, "not all nodes have the same key", "Restore the key of the management group on all of them first"
            )
        )
    return problems


def _pair_problems(old: ServerObservation, request: FailoverRequest, observation: Observation) -> list[str]:
    """What does not fit between the two servers."""
    new, server = observation.on_host(request.target), old.server or {}
    problems = []
    if new is not None and new.server is not None and new.server["version"] != server["version"]:
        found = f"it has version {new.server['version']}, and the RMS {old.host} has {server['version']}"
        problems.append(_problem(new.host, found, "Bring both servers to the same version first"))
    if server["clustered"] and request.delete_existing_rms:
        found = "the RMS is clustered, and /DeleteExistingRMS:true would remove it from the database for good"
        problems.append(_problem(old.host, found, "Set rms_failover_delete_existing_rms to false"))
    return problems


def _has_registry_of_node(look: ServerObservation) -> bool:
    return look.is_rms and look.told["reports_to"] is None


def _other_servers(plan: Plan, request: FailoverRequest, observation: Observation) -> list[str]:
    """Servers that take no part are only worth a warning."""
    return [
        _problem(
            look.host,
            f"this management server could not be looked at: {look.trouble}",
            "Check it afterwards: the failover does not need it",
        )
        for look in observation.unseen(request.target, plan.old_rms)
    ]


def _unfinished(plan: Plan, request: FailoverRequest, observation: Observation) -> list[str]:
    """What the database, the registries and the services still show otherwise than after a finished failover."""
    left = []
    if plan.promotion_needed:
        left.append(f"{request.target} is not the RMS by database and registry")
    apart = (request.target, *request.cluster_nodes)
    others = [look for look in observation.servers if look.host not in apart]
    left += [
        f"{look.host} still calls itself the RMS in its registry. Restart {HEALTH_SERVICE} there, and rerun"
        for look in others
        if look.is_rms
    ]
    left += _unfinished_nodes(plan, request, observation)
    for look in observation.servers:
        if look.host in request.cluster_nodes:
            continue
        if look.server is not None and (look.host == request.target or look.host in plan.demote):
            left += _wrong_services(look, _expected(look.host, plan, request))
        elif (
            look.server is not None
            and look.host in plan.restart
            and look.server["services"][HEALTH_SERVICE]["state"] != "running"
        ):
            left.append(
                f"{look.host}: {HEALTH_SERVICE} is {look.server['services'][HEALTH_SERVICE]['state']} and not running"
            )
    return left


def _unfinished_nodes(plan: Plan, request: FailoverRequest, observation: Observation) -> list[str]:
    """The three services run on exactly one node of a clustered RMS that has the role, and on none of one that has not."""
    running = {look.host: [name for name in SERVICES if look.runs(name)] for look in _node_looks(request, observation)}
    active = [host for host, names in running.items() if names]
    if request.target not in request.cluster_nodes:
        return [
            f"{host}: {' and '.join(running[host])} must not run while {plan.new_rms} is the RMS" for host in active
        ]
    if len(active) == 1 and len(running[active[0]]) == len(SERVICES):
        return []
    found = "; ".join(f"on {host} {' and '.join(names) or 'none'} runs" for host, names in running.items())
    return [f"the services of the clustered RMS must all run on exactly one node, and {found}"]


def _expected(host: str, plan: Plan, request: FailoverRequest) -> dict[str, tuple[str, str]]:
    """State and start mode of each service on the new RMS or on a former one."""
    if host == request.target:
        return dict.fromkeys((HEALTH_SERVICE, SDK_SERVICE, CONFIG_SERVICE), PROMOTED)
    expected = {HEALTH_SERVICE: PROMOTED, SDK_SERVICE: DEMOTED, CONFIG_SERVICE: DEMOTED}
    if host in plan.keep_sdk:
        expected[SDK_SERVICE] = PROMOTED
    return expected


def _wrong_services(look: ServerObservation, expected: t.Mapping[str, tuple[str, str]]) -> list[str]:
    services = (look.server or {})["services"]
    return [
        f"{look.host}: {name} is {services[name]['state']} ({services[name]['start_mode']}) and not {state} ({mode})"
        for name, (state, mode) in expected.items()
        if (services[name]["state"], services[name]["start_mode"]) != (state, mode)
    ]
