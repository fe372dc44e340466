# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A table of situations, and what a failover of ODYSSEY from hydra to deathsting would do in each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from messages import Problem, about, saying

from ansible_collections.opsmgr.recovery.plugins.module_utils.server_names import name_key
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.failover import FailoverRequest, Plan, make_plan
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.observation import Observation, ServerObservation

RUNNING = {"state": "running", "start_mode": "auto"}
DISABLED = {"state": "stopped", "start_mode": "disabled"}
TOOLS = {"SecureStorageBackup.exe": True, "ManagementServerConfigTool.exe": True}
REQUEST = FailoverRequest("deathsting", "planned", True, ["hydra"], "ODYSSEY")

SERVERS = ("castor", "pollux", "hydra", "deathsting", "kraken")

Situation = dict[str, Any]
Change = Callable[[Situation], None]


def server(name: str, *, rms: bool = False, of: str = "hydra") -> dict[str, Any]:
    """A management server as management_server_info describes it, in a group where `of` is the RMS."""
    sdk = RUNNING if rms else DISABLED
    return {
        "computer_name": name.upper(),
        "administrator": True,
        "installed": True,
        "install_directory": r"C:\Program Files\System Center Operations Manager 2007",
        "version": "6.1.7221.0",
        "management_group": "ODYSSEY",
        "is_rms": rms,
        "reports_to": None if rms else f"{of.title()}.Odyssey.com",
        "console_rms": f"{of}.odyssey.com",
        "clustered": False,
        "services": {"HealthService": dict(RUNNING), "OMSDK": dict(sdk), "OMCFG": dict(sdk)},
        "tools": dict(TOOLS),
        "media": None,
        "key": {"present": rms, "fingerprint": None},
    }


def database(rms: str = "hydra") -> dict[str, Any]:
    """The operational database as management_group_info describes it."""
    names = ("hydra", "deathsting", "kraken")
    return {
        "reachable": True,
        "problem": None,
        "problems": [],
        "management_group": "ODYSSEY",
        "database": {"name": "OperationsManager", "state": "ONLINE", "user_access": "MULTI_USER"},
        "servers": [
            {"name": f"{name}.odyssey.com", "roles": ["management_server", *(["rms"] if name == rms else [])]}
            for name in names
        ],
    }


def healthy() -> Situation:
    return {
        "request": REQUEST,
        "hydra": server("hydra", rms=True),
        "deathsting": server("deathsting"),
        "kraken": server("kraken"),
        "database": database(),
    }


def failed_over() -> Situation:
    servers = {
        name: server(name, rms=name == "deathsting", of="deathsting") for name in ("hydra", "deathsting", "kraken")
    }
    return {**healthy(), **servers, "database": database("deathsting")}


def decide(situation: Situation, *changes: Change) -> Plan:
    """Make the plan; of a server that could not be looked at the situation has management_server_info's whole result."""
    for change in changes:
        change(situation)
    looks = []
    for name in (name for name in SERVERS if name in situation):
        seen = situation[name]
        looks.append(ServerObservation.from_result({"item": name, **(seen if "server" in seen else {"server": seen})}))
    return make_plan(situation["request"], Observation(looks, situation["database"]))


def down(name: str, reachability: str = "silent") -> Change:
    return lambda situation: situation.update(
        {name: {"problem": "connection refused", "reachability": reachability, "server": None}}
    )


def request(**changes: Any) -> Change:
    return lambda situation: situation.update(request=replace(situation["request"], **changes))


def on(name: str, **changes: Any) -> Change:
    return lambda situation: situation[name].update(changes)


def state(name: str, value: str) -> Change:
    return lambda situation: situation["database"]["database"].update({name: value})


def roles(name: str, *values: str) -> Change:
    def change(situation: Situation) -> None:
        for each in situation["database"]["servers"]:
            if each["name"].startswith(name):
                each["roles"] = list(values)

    return change


def no_servers(situation: Situation) -> None:
    situation["database"]["servers"] = None


def stopped(name: str, service: str) -> Change:
    return lambda situation: situation[name]["services"].update({service: {"state": "stopped", "start_mode": "auto"}})


# --- nothing in the way -----------------------------------------------------------------------------------------------


def test_a_healthy_group_and_a_planned_failover() -> None:
    plan = decide(healthy())
    assert (plan.problems, plan.remarks, plan.follow_up) == ([], [], [])
    assert (plan.old_rms, plan.old_rms_answers, plan.promotion_needed, plan.demote) == ("hydra", True, True, ["hydra"])
    assert plan.unfinished[0] == saying("deathsting", "not the RMS")


def test_a_finished_failover_leaves_nothing_to_do() -> None:
    plan = decide(failed_over())
    assert (plan.problems, plan.unfinished, plan.demote, plan.follow_up) == ([], [], [], [])
    assert (plan.restart, plan.consoles, plan.keep_sdk) == ([], [], [])
    assert (plan.promotion_needed, plan.old_rms) == (False, "hydra")


def test_a_disaster_needs_neither_the_rms_nor_its_tools() -> None:
    plan = decide(healthy(), down("hydra"), request(mode="disaster"))
    assert plan.problems == []
    assert (plan.old_rms, plan.old_rms_answers, plan.demote) == ("hydra", False, [])
    assert plan.follow_up == [saying("hydra", "not answer", "not been demoted")]


def test_a_former_rms_that_is_back_after_a_disaster_is_demoted() -> None:
    plan = decide({**failed_over(), "hydra": server("hydra", rms=True)}, request(mode="disaster"))
    assert (plan.promotion_needed, plan.problems, plan.demote, plan.follow_up) == (False, [], ["hydra"], [])
    assert plan.unfinished[0] == saying("hydra", "registry", "HealthService")
    assert saying("hydra", "OMSDK", "running (auto)", "stopped (disabled)") in plan.unfinished


def test_an_inventory_that_is_out_of_date_does_not_decide_who_the_rms_is() -> None:
    plan = decide({**failed_over(), "request": replace(REQUEST, target="kraken")})
    assert (plan.old_rms, plan.promotion_needed, plan.demote, plan.problems) == ("deathsting", True, ["deathsting"], [])


def test_the_inventory_decides_when_nothing_else_is_known() -> None:
    plan = decide(
        {**healthy(), "hydra": server("hydra")},
        lambda situation: situation.update(database={"reachable": False, "problem": "down"}),
    )
    assert plan.old_rms == "hydra"


def test_a_third_server_that_is_down_is_only_remarked_on() -> None:
    plan = decide(healthy(), down("kraken"))
    assert plan.problems == []
    assert plan.remarks == [about("kraken", "preflight", "connection refused", advice="afterwards")]


@pytest.mark.parametrize(
    ("in_database", "in_registry"),
    [("deathsting", "hydra"), ("hydra", "deathsting")],
)
def test_when_registry_and_database_disagree_the_promotion_is_still_needed(in_database: str, in_registry: str) -> None:
    situation = {
        **healthy(),
        "database": database(in_database),
        "hydra": server("hydra"),
        "deathsting": server("deathsting"),
    }
    situation[in_registry] = server(in_registry, rms=True)
    plan = decide(situation)
    assert (plan.promotion_needed, plan.old_rms) == (True, "hydra")


def test_a_service_that_stopped_after_the_failover_is_started_again_without_a_promotion() -> None:
    plan = decide(failed_over(), stopped("deathsting", "OMCFG"))
    assert (plan.promotion_needed, plan.problems) == (False, [])
    assert plan.unfinished == [saying("deathsting", "OMCFG", "stopped (auto)", "running (auto)")]


# --- who else has to know ---------------------------------------------------------------------------------------------


def test_configuration_files_name_the_new_rms_as_the_database_does() -> None:
    plan = decide(healthy())
    assert plan.rms_name == "deathsting.odyssey.com"
    assert plan.former_names == ["HYDRA", "KRAKEN", "hydra", "hydra.odyssey.com", "kraken", "kraken.odyssey.com"]


def test_a_name_that_only_the_database_knows_may_be_in_the_files_too() -> None:
    assert "vs-rms.odyssey.com" in decide(healthy(), virtual_server).former_names


def test_the_other_management_servers_and_consoles_follow_the_role() -> None:
    plan = decide(healthy())
    assert (plan.working, plan.restart) == (["kraken"], ["kraken"])
    assert plan.consoles == ["hydra", "deathsting", "kraken"]


@pytest.mark.parametrize(
    ("change", "restart"),
    [
        (on("kraken", reports_to="hydra.odyssey.com"), ["kraken"]),
        (on("kraken", reports_to="DEATHSTING"), []),
        (on("kraken", reports_to=None), []),
        (stopped("kraken", "HealthService"), ["kraken"]),
        (lambda situation: situation["kraken"]["services"].update(HealthService=dict(DISABLED)), []),
        (on("kraken", administrator=False), []),
        (on("kraken", clustered=True, reports_to="hydra.odyssey.com"), []),
        (down("kraken"), []),
    ],
    ids=[
        "reports elsewhere",
        "reports by its short name",
        "does not say",
        "stopped",
        "disabled",
        "no administrator",
        "a cluster's",
        "down",
    ],
)
def test_who_is_restarted_after_the_promotion(change: Change, restart: list[str]) -> None:
    assert decide(failed_over(), change).restart == restart


def test_a_server_that_does_not_say_whom_it_reports_to_is_restarted_by_the_run_that_promotes() -> None:
    assert decide(healthy(), on("kraken", reports_to=None)).restart == ["kraken"]


def test_a_health_service_that_does_not_come_back_is_unfinished_business() -> None:
    assert decide(failed_over(), stopped("kraken", "HealthService")).unfinished == [
        saying("kraken", "HealthService", "stopped", "running")
    ]


# --- before Service Pack 1 --------------------------------------------------------------------------------------------


def rtm(situation: Situation) -> None:
    for name in ("hydra", "deathsting", "kraken"):
        situation[name]["version"] = "6.0.5000.0"


def sdk_runs(name: str) -> Change:
    return lambda situation: situation[name]["services"].update(OMSDK=dict(RUNNING))


def test_before_sp1_the_old_rms_goes_on_feeding_the_data_warehouse() -> None:
    plan = decide(healthy(), rtm)
    assert (plan.demote, plan.keep_sdk) == (["hydra"], ["hydra"])
    assert plan.remarks == [saying("hydra", "Service Pack 1", "data warehouse", "OMSDK")]
    finished = decide(failed_over(), rtm, sdk_runs("hydra"))
    assert (finished.demote, finished.unfinished, finished.keep_sdk) == ([], [], ["hydra"])


def test_it_does_not_when_the_role_moves_back() -> None:
    assert decide(failed_over(), rtm, sdk_runs("hydra"), request(data_warehouse_workaround=False)).demote == ["hydra"]


def test_from_sp1_on_it_does_not() -> None:
    assert decide(failed_over(), sdk_runs("hydra")).demote == ["hydra"]


# --- what stands in the way -------------------------------------------------------------------------------------------

TABLE: dict[str, tuple[list[Change], list[Problem]]] = {
    "the RMS is down, planned": (
        [down("hydra")],
        [
            about("hydra", "preflight", "RMS", "connection refused", advice=("rms_failover_mode", "disaster"))
        ],
    ),
    "the target is down": (
        [down("deathsting")],
        [about("deathsting", "preflight", "to promote", "connection refused")],
    ),
    "the target is not in the inventory": (
        [request(target="medusa")],
        [about("medusa", "preflight", "to promote", "inventory")],
    ),
    "the database is down": (
        [lambda situation: situation.update(database={"reachable": False, "problem": "connection refused. Start it."})],
        [about("database", "preflight", "connection refused", advice="Start it")],
    ),
    "the database is offline": (
        [state("state", "OFFLINE"), no_servers],
        [about("database OperationsManager", "preflight", "OFFLINE", advice="online")],
    ),
    "somebody closed the database": (
        [state("user_access", "RESTRICTED_USER"), state("closed_by_us", False), state("sessions", ["session 53: dba"])],
        [about("database OperationsManager", "preflight", "RESTRICTED_USER", "no run", "session 53: dba", advice="reopen")],
    ),
    "somebody closed the database to one user": (
        [state("user_access", "SINGLE_USER"), state("closed_by_us", False)],
        [about("database OperationsManager", "preflight", "SINGLE_USER", "no run", advice="reopen")],
    ),
    "the only seat of the database is taken": (
        [state("user_access", "SINGLE_USER"), state("closed_by_us", None), state("sessions", ["session 53: OMSDK"]), no_servers,
         lambda situation: situation["database"].update(reachable=False, problem="error 924.")],
        [about("database OperationsManager", "preflight", "SINGLE_USER", "cannot be told", "session 53: OMSDK", advice="Stop")],
    ),
    "a killed run closed the database": ([state("user_access", "SINGLE_USER"), state("closed_by_us", True)], []),
    "another group's database": (
        [lambda situation: situation["database"].update(management_group="ILIAD")],
        [about("database OperationsManager", "preflight", "ILIAD", "inventory", "ODYSSEY", advice="opsmgr_management_group")],
    ),
    "no RMS in the database": (
        [roles("hydra", "management_server")],
        [about("database OperationsManager", "preflight", "no server", "RMS")],
    ),
    "two in the database": (
        [roles("kraken", "rms")],
        [about("database OperationsManager", "preflight", "hydra.odyssey.com", "kraken.odyssey.com", "RMS", "one")],
    ),
    "the servers cannot be read": (
        [no_servers, lambda situation: situation["database"].update(problems=["Could not read the servers: error 229."])],
        [about("database OperationsManager", "preflight", "servers", "error 229", advice="who the RMS is")],
    ),
    "the Health Service is stopped": (
        [stopped("deathsting", "HealthService")],
        [
            about("deathsting", "preflight", "HealthService", "stopped", advice="sc start HealthService")
        ],
    ),
    "no tools and no media": (
        [on("deathsting", tools={**TOOLS, "ManagementServerConfigTool.exe": False}), on("hydra", tools=dict.fromkeys(TOOLS, False))],
        [
            about("deathsting", "preflight", "ManagementServerConfigTool.exe", r"C:\Program Files", "media", advice="rms_failover_media"),
            about("hydra", "preflight", "SecureStorageBackup.exe and ManagementServerConfigTool.exe", "media", advice="rms_failover_media"),
        ],
    ),
    "no tools, but media": ([on("deathsting", tools=dict.fromkeys(TOOLS, False), media=r"D:\SupportTools\amd64")], []),
    "not an administrator anywhere": (
        [on("hydra", administrator=False), on("deathsting", administrator=False)],
        [about("deathsting", "preflight", "not an administrator"), about("hydra", "preflight", "not an administrator")],
    ),
    "not installed": ([on("deathsting", installed=False)], [about("deathsting", "preflight", "not installed", advice="inventory")]),
    "another group that the inventory does not know of": (
        [request(management_group=None), on("kraken", management_group="ILIAD")],
        [about("kraken", "preflight", "ILIAD", "deathsting", "ODYSSEY")],
    ),
    "an RMS of another group": (
        [request(management_group=None), on("kraken", management_group="ILIAD", is_rms=True)],
        [about("kraken", "preflight", "ILIAD", "deathsting", "ODYSSEY")],
    ),
    "the database of another group": (
        [request(management_group=None), lambda situation: situation["database"].update(management_group="ILIAD")],
        [about("database OperationsManager", "preflight", "ILIAD", "deathsting", "ODYSSEY")],
    ),
    "another group's RMS that is down": (
        [request(management_group=None, inventory_rms=["hydra", "castor"]), down("castor")],
        [about("castor", "preflight", "not answer", "database")],
    ),
    "another group": ([on("hydra", management_group="ILIAD")], [about("hydra", "preflight", "ILIAD", "inventory", "ODYSSEY")]),
    "a gateway": ([roles("deathsting", "gateway")], [about("deathsting", "preflight", "gateway")]),
    "unknown to the database": (
        [lambda situation: situation["database"]["servers"].pop(1)],
        [about("deathsting", "preflight", "database", "not know")],
    ),
    "another version": (
        [on("deathsting", version="6.0.6278.0")],
        [about("deathsting", "preflight", "6.0.6278.0", "hydra", "6.1.7221.0", advice="same version")],
    ),
    "clustered": (
        [on("hydra", clustered=True)],
        [
            about("hydra", "preflight", "clustered", "/DeleteExistingRMS:true", advice="rms_failover_delete_existing_rms")
        ],
    ),
    "clustered, and it may stay": ([on("hydra", clustered=True), request(delete_existing_rms=False)], []),
    "no key on the RMS": ([on("hydra", key={"present": False, "fingerprint": None})], [about("hydra", "preflight", "no key")]),
    # What is needed to back up its key is no question where its key comes from the escrow, or where nothing may be changed.
    "a disaster, and the RMS answers without tools and key": (
        [request(mode="disaster"), on("hydra", tools=dict.fromkeys(TOOLS, False), key={"present": False, "fingerprint": None})],
        [],
    ),
    "no administrator on the RMS, and no tools": (
        [on("hydra", administrator=False, tools=dict.fromkeys(TOOLS, False))],
        [about("hydra", "preflight", "not an administrator")],
    ),
    "nobody is the RMS": (
        [request(inventory_rms=[]), on("hydra", is_rms=False), roles("hydra", "management_server")],
        [about("database OperationsManager", "preflight", "no server", "RMS"), about("deathsting", "preflight", "no server", "inventory", "RMS")],
    ),
    "another former RMS cannot be demoted": (
        [request(inventory_rms=["hydra", "kraken"]), on("kraken", administrator=False), stopped("kraken", "OMSDK")],
        [about("kraken", "preflight", "not an administrator")],
    ),
    "everything at once": (
        [down("hydra"), state("user_access", "SINGLE_USER"), roles("kraken", "rms"), on("deathsting", tools=dict.fromkeys(TOOLS, False)),
         stopped("deathsting", "HealthService"), roles("deathsting", "gateway")],
        [about("database OperationsManager", "preflight", "SINGLE_USER"),
         about("database OperationsManager", "preflight", "hydra.odyssey.com", "kraken.odyssey.com"),
         about("deathsting", "preflight", "HealthService"),
         about("deathsting", "preflight", "SecureStorageBackup.exe"),
         about("deathsting", "preflight", "gateway"),
         about("hydra", "preflight", "connection refused")],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "expected"), TABLE.values(), ids=list(TABLE))
def test_every_problem_is_found_and_no_other(changes: list[Change], expected: list[Problem]) -> None:
    problems = decide(healthy(), *changes).problems
    assert problems == expected
    assert all(problem.endswith(".") for problem in problems)


@pytest.mark.parametrize("situation", [healthy, failed_over])
@pytest.mark.parametrize(
    ("access", "ours", "opens", "problems"),
    [("MULTI_USER", False, False, 0), ("SINGLE_USER", True, True, 0), ("SINGLE_USER", False, False, 1), ("SINGLE_USER", None, False, 1),
     ("RESTRICTED_USER", False, False, 1)],
)  # fmt: skip
def test_only_a_database_that_a_killed_run_left_closed_is_opened(
    situation: Callable[[], Situation], access: str, ours: bool | None, opens: bool, problems: int
) -> None:
    plan = decide(situation(), state("user_access", access), state("closed_by_us", ours))
    assert (plan.open_database, len(plan.problems)) == (opens, problems)


def test_a_finished_failover_does_not_ask_for_what_only_a_promotion_needs() -> None:
    plan = decide(
        failed_over(),
        on("deathsting", tools=dict.fromkeys(TOOLS, False)),
        stopped("deathsting", "HealthService"),
        down("hydra"),
    )
    assert plan.problems == []


@pytest.mark.parametrize("name", ["HYDRA", "hydra", "Hydra.odyssey.com"])
def test_names_are_compared_without_domain_and_case(name: str) -> None:
    assert name_key(name) == "hydra"


@pytest.mark.parametrize("kind", ["refused", "cannot_ask"])
def test_in_a_disaster_an_rms_that_may_be_at_work_keeps_its_role(kind: str) -> None:
    planned = decide(healthy(), down("hydra", kind))
    assert len(planned.problems) == 1
    assert "disaster" not in planned.problems[0]
    refused = decide(healthy(), down("hydra", kind), request(mode="disaster"))
    assert refused.problems == [about("hydra", "preflight", "disaster", "off")]
    assert decide(healthy(), down("hydra", kind), request(mode="disaster", old_rms_is_off=True)).problems == []
    # Of the others it does not matter.
    assert decide(healthy(), down("hydra"), down("kraken", kind), request(mode="disaster")).problems == []
    assert (
        decide({**failed_over(), "hydra": server("hydra")}, down("hydra", kind), request(mode="disaster")).problems
        == []
    )


def test_in_a_disaster_no_node_of_the_cluster_may_be_at_work() -> None:
    gone = decide(clustered(), down("castor"), down("pollux"), request(mode="disaster"))
    may_work = decide(clustered(), down("castor"), down("pollux", "refused"), request(mode="disaster"))
    assert [problem for problem in may_work.problems if problem not in gone.problems] == [
        problem for problem in may_work.problems if problem == about("pollux", "preflight", "disaster", "off")
    ]
    assert len(may_work.problems) == len(gone.problems) + 1


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ({"reachability": "silent", "problem": "the server does not answer"}, "silent"),
        ({"reachability": "cannot_ask", "problem": "no Kerberos"}, "cannot_ask"),
        ({"unreachable": True, "msg": "ntlm: [Errno 111] Connection refused"}, "silent"),
        ({"unreachable": True, "msg": "ntlm: the specified credentials were rejected by the server"}, "refused"),
        # It answered at first, and then the look failed.
        (
            {"reachability": "reachable", "failed": True, "msg": "hydra: look at the server: the connection broke."},
            "refused",
        ),
        ({"failed": True, "msg": "hydra: look at the server: the connection broke."}, "refused"),
        ({}, "cannot_ask"),
        ({"server": {"computer_name": "HYDRA"}}, "reachable"),
    ],
)
def test_how_a_server_could_be_reached(result: dict[str, Any], expected: str) -> None:
    assert ServerObservation.from_result({"item": "hydra", "server": None, **result}).reachability == expected


@pytest.mark.parametrize(
    "result", [{"item": "hydra"}, {"item": "hydra", "server": None, "unreachable": True, "msg": ""}]
)
def test_a_host_that_says_nothing_did_not_answer(result: dict[str, Any]) -> None:
    look = ServerObservation.from_result(result)
    assert (look.server, look.trouble, look.name, look.is_rms) == (None, "it did not answer", "hydra", False)


def virtual_server(situation: Situation) -> None:
    """The database knows the RMS by a name that no host of the inventory has, as that of a cluster whose nodes are
    down.
    """
    situation["database"]["servers"][0]["name"] = "vs-rms.odyssey.com"


def test_an_rms_that_the_inventory_does_not_know_may_be_a_cluster_and_is_not_deleted() -> None:
    plan = decide(healthy(), request(mode="disaster"), down("hydra"), virtual_server)
    assert [problem for problem in plan.problems if "vs-rms.odyssey.com" in problem] == [
        about(
            "database OperationsManager",
            "preflight",
            "vs-rms.odyssey.com",
            "no server",
            advice=("opsmgr_rms_cluster", "rms_failover_delete_existing_rms"),
        )
    ]
    kept = decide(healthy(), request(mode="disaster", delete_existing_rms=False), down("hydra"), virtual_server)
    assert kept.problems == []


# --- a clustered RMS --------------------------------------------------------------------------------------------------

VIRTUAL = "rmsvs.odyssey.com"
CLUSTER_WISH = FailoverRequest(
    "deathsting", "planned", False, [], "ODYSSEY", cluster_nodes=["castor", "pollux"], virtual_server="RMSVS"
)


def node(name: str, *, active: bool = False) -> dict[str, Any]:
    """A node of the clustered RMS: its registry calls it RMS, and the cluster starts its services."""
    state = {"state": "running" if active else "stopped", "start_mode": "demand"}
    services = {service: dict(state) for service in ("HealthService", "OMSDK", "OMCFG")}
    return {
        **server(name, rms=True, of="rmsvs"),
        "clustered": True,
        "services": services,
        "key": {"present": True, "fingerprint": "sha256:1"},
    }


def clustered() -> Situation:
    """The virtual server is the RMS; castor works, pollux waits."""
    situation = {
        "request": CLUSTER_WISH,
        "castor": node("castor", active=True),
        "pollux": node("pollux"),
        "database": database("nobody"),
    }
    situation["database"]["servers"][0] = {"name": VIRTUAL, "roles": ["management_server", "rms"]}
    return {**situation, "deathsting": server("deathsting", of="rmsvs"), "kraken": server("kraken", of="rmsvs")}


def away_from_the_cluster() -> Situation:
    """Deathsting has the role, and the cluster is quiet."""
    situation = {**clustered(), "castor": node("castor"), "deathsting": server("deathsting", rms=True, of="deathsting")}
    situation["database"]["servers"][0]["roles"] = ["management_server"]
    situation["database"]["servers"][1]["roles"] = ["management_server", "rms"]
    return {**situation, "kraken": server("kraken", of="deathsting")}


def to_castor(situation: Situation) -> None:
    situation["request"] = replace(CLUSTER_WISH, target="castor")


def test_away_from_a_cluster_its_group_is_taken_offline_and_no_node_is_demoted() -> None:
    plan = decide(clustered())
    assert (plan.problems, plan.promotion_needed, plan.demote) == ([], True, [])
    assert (plan.old_rms, plan.old_rms_answers, plan.quiet_node) == ("castor", True, "castor")
    assert plan.restart == ["kraken"]
    assert VIRTUAL in plan.former_names
    assert plan.remarks[0] == saying("TEMPORARY STATE", "RMSVS", "out of service")


def test_the_key_comes_from_the_node_that_works() -> None:
    assert decide({**clustered(), "castor": node("castor"), "pollux": node("pollux", active=True)}).old_rms == "pollux"


def test_a_clustered_rms_is_never_deleted() -> None:
    [problem] = decide(clustered(), request(delete_existing_rms=True)).problems
    assert problem == about("castor", "preflight", "clustered", "/DeleteExistingRMS:true")


def test_nodes_without_the_name_of_the_virtual_server_are_refused() -> None:
    nameless = about("castor", "preflight", "virtual server", "not known", advice="opsmgr_virtual_server")
    assert nameless in decide(clustered(), request(virtual_server=None)).problems


def test_when_all_nodes_are_down_each_is_left_for_later() -> None:
    plan = decide(clustered(), down("castor"), down("pollux"), request(mode="disaster"))
    assert (plan.problems, plan.quiet_node) == ([], None)
    assert [line.split(" ", 1)[0] for line in plan.follow_up] == ["castor", "pollux"]


def test_after_the_way_there_nothing_is_left_but_to_keep_the_cluster_quiet() -> None:
    plan = decide(away_from_the_cluster())
    assert (plan.problems, plan.promotion_needed, plan.demote, plan.restart) == ([], False, [], [])
    assert (plan.unfinished, plan.quiet_node) == ([], "castor")


def test_a_node_that_calls_itself_rms_is_not_taken_for_the_old_rms() -> None:
    """It does so at all times: only the database knows whether the cluster has the role."""
    plan = decide(away_from_the_cluster(), request(inventory_rms=[]))
    assert (plan.old_rms, plan.old_rms_answers) == (None, False)


def test_a_node_that_comes_back_and_starts_its_health_service_is_unfinished_business() -> None:
    plan = decide({**away_from_the_cluster(), "pollux": node("pollux", active=True)})
    assert plan.quiet_node == "pollux"
    assert plan.unfinished == [saying("pollux", "HealthService and OMSDK and OMCFG", "not run", "deathsting")]


def test_the_way_back_to_the_cluster() -> None:
    plan = decide(away_from_the_cluster(), to_castor)
    assert (plan.problems, plan.promotion_needed, plan.rms_name) == ([], True, VIRTUAL)
    assert (plan.old_rms, plan.demote, plan.quiet_node) == ("deathsting", ["deathsting"], None)
    assert not {"castor", VIRTUAL} & set(plan.former_names)


def test_a_cluster_that_has_the_role_back_runs_on_exactly_one_node() -> None:
    assert decide(clustered(), to_castor).unfinished == []
    assert (
        decide({**clustered(), "castor": node("castor"), "pollux": node("pollux", active=True)}, to_castor).unfinished
        == []
    )
    [both] = decide({**clustered(), "pollux": node("pollux", active=True)}, to_castor).unfinished
    assert both == saying(
        "one node",
        "castor HealthService and OMSDK and OMCFG",
        "pollux HealthService and OMSDK and OMCFG",
    )


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (on("pollux", is_rms=False), about("pollux", "preflight", "registry", "node")),
        (
            on("pollux", reports_to="deathsting.odyssey.com"),
            about("pollux", "preflight", "registry", "node"),
        ),
        (
            on("pollux", key={"present": True, "fingerprint": "sha256:2"}),
            about("castor and pollux", "preflight", "same key"),
        ),
        (
            on("pollux", key={"present": False, "fingerprint": None}),
            about("castor and pollux", "preflight", "same key"),
        ),
    ],
    ids=["not root", "has a parent", "another key", "no key"],
)
def test_a_node_that_is_not_fit_for_the_role_is_found_before_it_moves(change: Change, problem: Problem) -> None:
    assert decide(away_from_the_cluster(), to_castor, change).problems == [problem]


# --- service principal names ------------------------------------------------------------------------------------------

SDK_OF_HYDRA = ["MSOMSdkSvc/HYDRA", "MSOMSdkSvc/hydra.odyssey.com"]
SDK_OF_DEATHSTING = ["MSOMSdkSvc/DEATHSTING", "MSOMSdkSvc/deathsting.odyssey.com"]
HEALTH_OF_DEATHSTING = ["MSOMHSvc/DEATHSTING", "MSOMHSvc/deathsting.odyssey.com"]


def listed(host: str, names: dict[str, list[str] | None], account: str = "LocalSystem") -> Change:
    return on(host, sdk_account=account, principal_names=names)


def commands(plan: Plan) -> list[str]:
    """The setspn commands that are manual follow-up."""
    return [line.partition(" (")[0] for line in plan.left if line.startswith("setspn ")]


@pytest.mark.parametrize("made", [healthy, failed_over])
def test_the_old_names_are_deleted_and_the_sdk_service_adds_its_own(made: Callable[[], Situation]) -> None:
    plan = decide(
        made(),
        listed("hydra", {"HYDRA": SDK_OF_HYDRA}),
        listed("deathsting", {"DEATHSTING": HEALTH_OF_DEATHSTING + (SDK_OF_DEATHSTING if made is failed_over else [])}),
    )
    assert commands(plan) == [f"setspn -D {name} HYDRA" for name in SDK_OF_HYDRA]


def test_a_domain_account_gets_its_names_from_an_administrator() -> None:
    service = "ODYSSEY\\svc-sdk"
    names = {"DEATHSTING": HEALTH_OF_DEATHSTING, service: SDK_OF_HYDRA}
    plan = decide(failed_over(), listed("hydra", {"HYDRA": []}, service), listed("deathsting", names, service))
    assert commands(plan) == [
        *(f"setspn -A {name} {service}" for name in SDK_OF_DEATHSTING),
        *(f"setspn -D {name} {service}" for name in SDK_OF_HYDRA),
    ]


def test_a_lost_rms_that_the_database_has_deleted_is_still_named() -> None:
    situation = failed_over()
    situation["database"]["servers"] = [
        each for each in situation["database"]["servers"] if "hydra" not in each["name"]
    ]
    down("hydra")(situation)
    listed("deathsting", {"DEATHSTING": HEALTH_OF_DEATHSTING + SDK_OF_DEATHSTING, "hydra": None})(situation)
    looks = [
        ServerObservation.from_result({"item": name, **(seen if "server" in seen else {"server": seen})})
        for name, seen in situation.items()
        if name in SERVERS
    ]
    plan = make_plan(situation["request"], Observation(looks, situation["database"]), ["hydra.odyssey.com"])
    assert commands(plan) == ["setspn -D MSOMSdkSvc/HYDRA ACCOUNT", "setspn -D MSOMSdkSvc/hydra.odyssey.com ACCOUNT"]


def test_a_former_rms_that_still_works_for_the_data_warehouse_keeps_its_names() -> None:
    names = {"DEATHSTING": HEALTH_OF_DEATHSTING + SDK_OF_DEATHSTING}
    plan = decide(
        failed_over(),
        on("hydra", version="6.0.5000.0", services={**server("hydra", rms=True)["services"]}),
        on("deathsting", version="6.0.5000.0"),
        listed("hydra", {"HYDRA": SDK_OF_HYDRA}),
        listed("deathsting", names),
    )
    assert plan.keep_sdk == ["hydra"]
    assert commands(plan) == []


def test_the_names_of_a_clustered_rms_are_those_of_the_virtual_server() -> None:
    service = "ODYSSEY\\svc-sdk"
    situation = failed_over()
    situation["castor"] = server("castor", rms=True, of="rmsvs")
    situation["database"]["servers"][0]["name"] = "RMSVS.odyssey.com"
    names = {"DEATHSTING": HEALTH_OF_DEATHSTING, service: ["MSOMSdkSvc/RMSVS", *SDK_OF_DEATHSTING]}
    plan = decide(
        situation,
        request(inventory_rms=["castor"], cluster_nodes=["castor"], virtual_server="rmsvs"),
        listed("castor", {"CASTOR": [], service: names[service]}, service),
        listed("deathsting", names, service),
    )
    assert commands(plan) == [f"setspn -D MSOMSdkSvc/RMSVS {service}"]


@pytest.mark.parametrize(
    ("old", "changes"),
    [("hydra", []), ("rmsvs", [request(cluster_nodes=["hydra"], virtual_server="rmsvs")])],
)
def test_what_else_may_name_the_old_rms_is_left_for_a_person(old: str, changes: list[Change]) -> None:
    situation = healthy()
    situation["database"]["servers"].append({"name": "styx.odyssey.com", "roles": ["gateway"]})
    if changes:
        situation["database"]["servers"][0]["name"] = "RMSVS.odyssey.com"
    told = [line for line in decide(situation, *changes).by_hand if old in line]
    assert any("styx.odyssey.com" in line for line in told)
    assert any("MOMADAdmin" in line for line in told)
