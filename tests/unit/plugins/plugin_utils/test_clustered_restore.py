# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A table of situations, and what a restore of the clustered RMS rmsvs on castor and pollux would do in each."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from messages import Line, Problem, about, saying
from unit.plugins.plugin_utils.test_failover import server

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.clustered_restore import (
    ClusteredRestorePlan,
    ClusteredRestoreReport,
    ClusteredRestoreRequest,
    ClusterObservation,
    make_plan,
    make_report,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.step_plan import StepPlan

ROLE = Path(__file__).resolve().parents[4] / "roles" / "clustered_rms_restore"
NODES = ("castor", "pollux")
KEY, OTHER_KEY = "sha256:original", "sha256:other"
BY_CLUSTER = {"state": "running", "start_mode": "demand"}
BACKUP = r"D:\Backups\OperationsManager.bak"
REQUEST = ClusteredRestoreRequest(
    nodes=NODES,
    management_group="ODYSSEY",
    cluster_group="RMS",
    virtual_server="rmsvs",
    disk="R:",
    database_host="thunder",
    database_backup=BACKUP,
    escrow="/srv/key_escrow",
    backup_password="long enough",
)

Situation = dict[str, Any]
Change = Callable[[Situation], None]


def node(name: str) -> dict[str, Any]:
    """A node of the clustered RMS as management_server_info describes it."""
    services = {service: dict(BY_CLUSTER) for service in ("HealthService", "OMSDK", "OMCFG")}
    return {**server(name, rms=True), "clustered": True, "services": services, "database_server": "thunder.odyssey.com"}


def cluster(state: str = "online", key: str | None = KEY) -> dict[str, Any]:
    """What a node says of the group and keeps for itself, as rms_cluster_group describes it."""
    return {
        "group": {"name": "RMS", "node": "CASTOR", "state": state},
        "registry": {"is_root": True, "has_parent": False, "consistent": True, "key_fingerprint": key},
    }


def database() -> dict[str, Any]:
    """The operational database as management_group_info describes it."""
    return {
        "reachable": True,
        "problem": None,
        "problem_kind": None,
        "problems": [],
        "management_group": "ODYSSEY",
        "database": {"name": "OperationsManager", "state": "ONLINE", "user_access": "MULTI_USER", "closed_by_us": None},
        "servers": [
            {"name": "rmsvs.odyssey.com", "roles": ["rms", "management_server"]},
            {"name": "kraken.odyssey.com", "roles": ["management_server"]},
        ],
    }


def at_work() -> Situation:
    """The clustered RMS works, with the key of the escrow."""
    kraken = {**server("kraken"), "database_server": None}
    return {
        "request": REQUEST,
        "servers": {**{name: {"server": node(name)} for name in NODES}, "kraken": {"server": kraken}},
        "cluster": {name: cluster() for name in NODES},
        "group": database(),
        "lock": {"held": True, "taken": True, "problem": None},
        "setup_preview": {},
        "services_preview": {"commands": []},
        "database_preview": {"files": []},
        "key_preview": {name: {"backup": {"key_fingerprint": KEY}} for name in NODES},
        "escrow_backups": {"backups": [backup()]},
        "found_before": [],
        "sql_services_started": False,
    }


def backup(group: str = "ODYSSEY", verified: str = "opened", problem: str | None = None) -> dict[str, Any]:
    """A backup as key_escrow_info describes it."""
    return {"management_group": group, "verified": verified, "problem": problem, "key_fingerprint": KEY}


def lost() -> Situation:
    """The nodes are without Operations Manager, and the database is a new one."""
    empty = {
        name: {"server": {**node(name), "installed": False, "management_group": None, "database_server": None}}
        for name in NODES
    }
    situation = at_work()
    return {
        **situation,
        "servers": {**empty, "kraken": situation["servers"]["kraken"]},
        "cluster": {},
        "key_preview": {},
        "setup_preview": {name: {"command": "start /wait msiexec"} for name in NODES},
        "services_preview": {"commands": ["cluster resource OMSDK /create"]},
        "database_preview": {"files": [r"D:\Data\OperationsManager.mdf"]},
    }


def observed(situation: Situation, *changes: Change) -> tuple[ClusteredRestoreRequest, ClusterObservation]:
    """The situation after the changes, as the plan takes it."""
    for change in changes:
        change(situation)
    loops = ("servers", "cluster", "setup_preview", "key_preview")
    results = {name: [{"item": host, **each} for host, each in situation[name].items()] for name in loops}
    return situation["request"], ClusterObservation.from_results({**situation, **results})


def decide(situation: Situation, *changes: Change) -> ClusteredRestorePlan:
    return make_plan(*observed(situation, *changes))


def request(**changes: Any) -> Change:
    return lambda situation: situation.update(request=replace(situation["request"], **changes))


def on(name: str, **changes: Any) -> Change:
    return lambda situation: situation["servers"][name]["server"].update(changes)


def off(name: str, reachability: str = "silent") -> Change:
    """Nothing of this host could be looked at."""

    def change(situation: Situation) -> None:
        look = {"server": None, "problem": "it does not answer", "reachability": reachability}
        situation["servers"][name] = look
        situation["cluster"].pop(name, None)
        situation["key_preview"].pop(name, None)

    return change


def ordinary(name: str) -> Change:
    """A management server on which Windows itself starts the services."""
    return on(
        name, services={service: {"state": "running", "start_mode": "auto"} for service in node(name)["services"]}
    )


def registry(name: str, **changes: Any) -> Change:
    return lambda situation: situation["cluster"][name]["registry"].update(changes)


def state(value: str) -> Change:
    """The state of the group by all nodes."""
    return lambda situation: [each["group"].update(state=value) for each in situation["cluster"].values()] and None


def group(**changes: Any) -> Change:
    return lambda situation: situation["group"].update(changes)


def access(**changes: Any) -> Change:
    return lambda situation: situation["group"]["database"].update(changes)


def unreachable(kind: str) -> Change:
    problem = f"connect to SQL Server thunder: the {kind} is the trouble. Do something."
    return group(reachable=False, problem=problem, problem_kind=kind, servers=None, management_group=None)


def seen(name: str, **changes: Any) -> Change:
    return lambda situation: situation[name].update(changes)


def to_restore(situation: Situation) -> None:
    situation["database_preview"]["files"] = [r"D:\Data\OperationsManager.mdf"]


def failed(name: str) -> Change:
    """The look at this host failed half way."""
    look = {"server": None, "problem": None, "msg": f"{name}: look at it: the registry broke. Rerun."}

    def change(situation: Situation) -> None:
        off(name)(situation)
        situation["servers"][name] = look

    return change


def seen_before(problem: str) -> Change:
    return lambda situation: situation["found_before"].append(problem)


KEEP_DATABASE = request(database=False, database_backup="")
KEY_ONLY = request(setup=False, database=False, database_backup="")


# --- what is to be done


def test_a_clustered_rms_that_works_is_left_alone() -> None:
    plan = decide(at_work(), KEEP_DATABASE)
    assert (plan.problems, plan.refusal, plan.remarks, plan.person, plan.unfinished) == ([], [], [], [], [])
    assert (plan.join, plan.build, plan.database, plan.key, plan.closed, plan.outage) == ([], *[False] * 5)
    assert [step.id for step in plan.steps if step.needed] == []


def test_nodes_without_operations_manager_are_set_up_and_get_database_and_key() -> None:
    plan = decide(lost())
    assert plan.problems == []
    assert (plan.installed, plan.missing, plan.present) == ([], ["castor", "pollux"], ["castor", "pollux"])
    assert (plan.join, plan.join_first, plan.join_others) == (["castor", "pollux"], True, ["pollux"])
    assert (plan.build, plan.database, plan.key, plan.outage) == (True, True, True, True)
    assert [step.id for step in plan.steps if step.needed] == [
        "setup",
        "services",
        "first_node",
        "other_nodes",
        "offline",
        "restored",
        "key",
        "online",
    ]
    assert [step.id for step in plan.steps if step.point_of_no_return] == ["restored"]
    assert "in /srv/key_escrow.new_cluster" in plan.person[1]


def named(*names: str) -> list[Change]:
    """These nodes are named, all as castor is."""

    def more(situation: Situation) -> None:
        request(nodes=names)(situation)
        for kind in ("servers", "cluster", "setup_preview", "key_preview"):
            of_castor = situation[kind].get("castor")
            added = {} if of_castor is None else dict.fromkeys(names, of_castor)
            rest = {name: each for name, each in situation[kind].items() if name not in NODES}
            situation[kind] = {**added, **rest}

    return [more]


@pytest.mark.parametrize(
    ("situation", "names", "refused", "told"),
    [
        (lost, ("castor", "pollux"), False, False),
        (lost, ("castor", "pollux", "helena"), True, True),
        (lost, ("castor",), False, True),
        (at_work, ("castor", "pollux"), False, False),
        (at_work, ("castor", "pollux", "helena"), False, True),
        (at_work, ("castor",), False, True),
    ],
)
def test_exactly_two_nodes_are_supported(
    situation: Callable[[], Situation], names: tuple[str, ...], refused: bool, told: bool
) -> None:
    """A clustered RMS that is there gets its key back all the same."""
    plan = decide(situation(), *named(*names))
    assert [problem for problem in plan.problems if "exactly two nodes" in problem] == (
        plan.problems if refused else []
    )
    assert bool(plan.problems) is refused
    assert any("exactly two nodes" in line for line in plan.person) is told


@pytest.mark.parametrize(
    ("version", "said"), [("6.0.6278.0", True), ("6.1.7221.0", False), ("6.1.7695.0", False), (None, False)]
)
def test_before_r2_a_group_that_exists_is_not_clustered(version: str | None, said: bool) -> None:
    servers = [on(name, version=version) for name in (*NODES, "kraken")]
    [problem] = decide(at_work(), ordinary("castor"), *servers).problems
    assert ("cannot be clustered" in problem, str(version) in problem) == (said, said)


def test_in_check_mode_no_step_is_predicted_on_a_node_that_is_still_to_be_set_up() -> None:
    plan = decide(lost(), request(check_mode=True))
    assert (plan.present, plan.join, plan.join_first, plan.join_others) == ([], ["castor", "pollux"], False, [])
    half = decide(lost(), request(check_mode=True), on("castor", installed=True), ordinary("castor"))
    assert (half.present, half.missing, half.join_first) == (["castor"], ["pollux"], True)


DECISIONS = [
    # Which nodes have to join.
    ("a node that Windows starts", at_work, [ordinary("pollux")], {"join": ["pollux"], "build": True}),
    ("without setup, none joins", at_work, [ordinary("pollux"), request(setup=False)], {"join": [], "build": False}),
    (
        "one service that Windows starts is enough",
        at_work,
        [on("castor", services={**node("castor")["services"], "OMCFG": {"state": "stopped", "start_mode": "auto"}})],
        {"join": ["castor"]},
    ),
    ("resources are missing", at_work, [seen("services_preview", commands=["create"])], {"join": [], "build": True}),
    # Whether the database is restored.
    ("the preview names files", at_work, [to_restore], {"database": True, "key": True, "outage": True}),
    ("the database stays", at_work, [to_restore, KEEP_DATABASE], {"database": False, "outage": False}),
    # Whether the key is restored.
    ("another key on one node", at_work, [registry("pollux", key_fingerprint=OTHER_KEY)], {"key": True}),
    ("no key on one node", at_work, [registry("pollux", key_fingerprint=None)], {"key": True, "outage": True}),
    (
        "another key on one node, and a key file, of which nothing is known",
        at_work,
        [registry("pollux", key_fingerprint=OTHER_KEY), seen("key_preview", castor={}, pollux={})],
        {"key": True},
    ),
    (
        "one key on all nodes, and it is not the one of the escrow",
        at_work,
        [registry(name, key_fingerprint=OTHER_KEY) for name in NODES],
        {"key": True, "outage": True},
    ),
    (
        "a key file, of which nothing is known",
        at_work,
        [request(key_file="C:\\RMS-key.bin"), seen("key_preview", castor={}, pollux={})],
        {"key": False},
    ),
    (
        "nodes that cannot compute a fingerprint, online",
        at_work,
        [registry(name, key_fingerprint=None) for name in NODES],
        {"key": False, "outage": False},
    ),
    ("the group is offline", at_work, [state("offline")], {"key": True, "outage": True}),
    ("the group cannot be seen", at_work, [seen("cluster", castor={}, pollux={})], {"key": True}),
    ("a node is still to be set up", lost, [KEEP_DATABASE], {"key": True}),
    ("the key is not asked for", at_work, [state("offline"), request(key=False)], {"key": False, "outage": False}),
    # What else needs an outage.
    ("a registry to repair", at_work, [registry("pollux", consistent=False)], {"key": False, "outage": True}),
    (
        "a run of this collection left the database closed",
        at_work,
        [KEEP_DATABASE, access(user_access="SINGLE_USER", closed_by_us=True)],
        {"closed": True, "outage": True, "problems": []},
    ),
    ("nobody told whether it is closed", at_work, [access(user_access=None)], {"closed": False, "outage": False}),
    # Who is there.
    ("the group is on the other node", at_work, [seen("cluster", castor={})], {"active": "castor"}),
    ("the owner does not answer", at_work, [off("castor")], {"active": None, "first_answers": False}),
    ("names of the nodes", at_work, [on("pollux", computer_name="POLLUX2")], {"names": [*NODES, "pollux2", "rmsvs"]}),
    ("the SQL Server by the first registry", at_work, [], {"database_server": "thunder.odyssey.com"}),
    ("no registry names a SQL Server", lost, [], {"database_server": None}),
]


@pytest.mark.parametrize(("what", "situation", "changes", "expected"), DECISIONS, ids=[row[0] for row in DECISIONS])
def test_what_is_to_be_done(
    what: str, situation: Callable[[], Situation], changes: list[Change], expected: dict[str, Any]
) -> None:
    plan = decide(situation(), *changes)
    assert {name: getattr(plan, name) for name in expected} == expected, what


# --- what stands in the way


CLOSED = {"user_access": "RESTRICTED_USER", "closed_by_us": False}
PROBLEMS = [
    # The controller.
    (
        "what a task before has found",
        [seen_before("controller: preflight: lxml cannot be imported.")],
        [about("controller", "preflight", "lxml")],
    ),
    (
        "the name of the group",
        [request(cluster_group="")],
        [about("controller", "preflight", "clustered_rms_restore_cluster_group")],
    ),
    (
        "the virtual server",
        [request(virtual_server="")],
        [about("controller", "preflight", "clustered_rms_restore_virtual_server")],
    ),
    ("the disk", [request(disk="")], [about("controller", "preflight", "clustered_rms_restore_disk")]),
    (
        "the host",
        [request(database_host="")],
        [about("controller", "preflight", "clustered_rms_restore_database_host")],
    ),
    (
        "the file of the database",
        [request(database_backup="")],
        [about("controller", "preflight", "file", advice="clustered_rms_restore_database_backup")],
    ),
    ("no file for a database that stays", [KEEP_DATABASE], []),
    (
        "a short password",
        [request(backup_password="short")],
        [about("controller", "preflight", "password", "8")],
    ),
    (
        "a password nobody can type",
        [request(backup_password="a\nbcdefgh")],
        [about("controller", "preflight", "password", "control character")],
    ),
    ("no password without a key", [request(backup_password="", key=False)], []),
    (
        "a password for the key that goes from node to node",
        [request(backup_password="", key=False), ordinary("castor"), ordinary("pollux"), to_restore],
        [about("controller", "preflight", "no backup password")],
    ),
    (
        "no password for the first node alone",
        [request(backup_password="", key=False), ordinary("castor"), to_restore],
        [],
    ),
    # The lock.
    (
        "another run",
        [seen("lock", msg="thunder: take the lock: held.", problem="held")],
        ["thunder: take the lock: held."],
    ),
    ("no right to lock", [seen("lock", msg="thunder: take the lock: denied.")], ["thunder: take the lock: denied."]),
    ("a lost database is not locked", [seen("lock", msg="thunder: no database."), unreachable("database")], []),
    # The nodes.
    (
        "a silent node",
        [off("pollux")],
        [about("pollux", "preflight", "not answer", advice="Start it")],
    ),
    (
        "a node that refuses",
        [off("pollux", "refused")],
        [about("pollux", "preflight", "not answer", advice="at work")],
    ),
    ("a look that failed half way", [failed("pollux")], ["pollux: look at it: the registry broke. Rerun."]),
    ("another management server that is silent", [off("kraken")], []),
    (
        "no administrator",
        [on("pollux", administrator=False)],
        [about("pollux", "preflight", "not an administrator")],
    ),
    ("no cluster", [on("pollux", clustered=False)], [about("pollux", "preflight", "ClusSvc", "not run")]),
    (
        "a node of another management group",
        [on("pollux", management_group="TRAINING")],
        [about("pollux", "preflight", "TRAINING", "not ODYSSEY")],
    ),
    (
        "a node of another management group that Windows starts",
        [on("pollux", management_group="TRAINING"), ordinary("pollux"), KEY_ONLY],
        [about("pollux", "preflight", "TRAINING", "not ODYSSEY")],
    ),
    (
        "no node, and no setup",
        [ordinary("pollux"), KEY_ONLY],
        [about("pollux", "preflight", "not a node")],
    ),
    (
        "the registry of another server",
        [registry("pollux", consistent=False)],
        [about("pollux", "preflight", "registry", "node", advice="clustered_rms_restore_repair_registry")],
    ),
    ("a registry to repair", [registry("pollux", consistent=False), request(repair_registry=True)], []),
    (
        "no look at the cluster",
        [seen("cluster", pollux={"msg": "pollux: look after the cluster group: no such group.", "registry": None})],
        [
            about("pollux", "preflight", "registry", "node"),
            about("pollux", "look after the cluster group", "no such group"),
        ],
    ),
    # What could be predicted.
    ("no package", [seen("setup_preview", pollux={"msg": "pollux: no MOM.msi."})], ["pollux: no MOM.msi."]),
    (
        "no disk resource",
        [seen("services_preview", msg="castor: no resource RMS Disk.")],
        ["castor: no resource RMS Disk."],
    ),
    ("a database in use", [seen("database_preview", msg="thunder: not a new one.")], ["thunder: not a new one."]),
    ("a key that is sealed", [seen("key_preview", pollux={"msg": "pollux: sealed."})], ["pollux: sealed."]),
    # The database.
    (
        "a database that stays and is closed",
        [KEEP_DATABASE, access(**CLOSED)],
        [about("thunder", "preflight", "RESTRICTED_USER", "no run")],
    ),
    (
        "who closed a database that stays cannot be told",
        [KEEP_DATABASE, access(user_access="SINGLE_USER", closed_by_us=None, sessions=["session 53: dba"])],
        [about("thunder", "preflight", "SINGLE_USER", "cannot be told", "session 53: dba")],
    ),
    ("a closed database that is replaced", [access(**CLOSED)], []),
    (
        "another management group",
        [group(management_group="TRAINING")],
        [about("thunder", "preflight", "TRAINING")],
    ),
    (
        "another RMS in a database that stays",
        [KEEP_DATABASE, request(virtual_server="other")],
        [about("thunder", "preflight", "RMS", "rmsvs.odyssey.com", "not other")],
    ),
    (
        "no RMS in a database that stays",
        [KEEP_DATABASE, group(servers=[])],
        [about("thunder", "preflight", "RMS", "nobody", "not rmsvs")],
    ),
    ("another RMS in a database that is replaced", [group(servers=[])], []),
    ("a lost database is what a restore is for", [unreachable("database")], []),
    (
        "a lost database that stays",
        [KEEP_DATABASE, unreachable("database")],
        [about("", "connect to SQL Server thunder", "the database is the trouble")],
    ),
    (
        "a login that is refused",
        [unreachable("login")],
        [about("", "connect to SQL Server thunder", "the login is the trouble")],
    ),
    (
        "no new database for nodes to be set up",
        [ordinary("castor")],
        [about("thunder", "preflight", "castor", "new operational database")],
    ),
    ("a new database for nodes to be set up", [ordinary("castor"), to_restore], []),
    (
        "nodes to be set up, and what is there could not be predicted",
        [ordinary("castor"), seen("database_preview", msg="thunder: not a new one.")],
        ["thunder: not a new one."],
    ),
]


@pytest.mark.parametrize(("what", "changes", "expected"), PROBLEMS, ids=[row[0] for row in PROBLEMS])
def test_what_stands_in_the_way(what: str, changes: list[Change], expected: list[str | Problem]) -> None:
    assert decide(at_work(), *changes).problems == expected, what


ESCROW = [
    ("a backup that opens", [], []),
    ("a backup that is as it was", [seen("escrow_backups", backups=[backup(verified="intact")])], []),
    ("an escrow that cannot be read", [seen("escrow_backups", msg="controller: no right.")], ["controller: no right."]),
    (
        "another group's backup",
        [seen("escrow_backups", backups=[backup("TRAINING")])],
        [about("controller", "preflight", "/srv/key_escrow", "no key backup", "ODYSSEY")],
    ),
    (
        "no backup",
        [seen("escrow_backups", backups=[])],
        [about("controller", "preflight", "/srv/key_escrow", "no key backup")],
    ),
    (
        "the newest one is faulty",
        [seen("escrow_backups", backups=[backup(verified="faulty", problem="it was changed."), backup()])],
        [
            about(
                "controller",
                "preflight",
                "newest",
                "faulty",
                "it was changed",
                advice="clustered_rms_restore_seal_passphrase",
            )
        ],
    ),
    ("a key file instead", [seen("escrow_backups", backups=[]), request(key_file="C:\\RMS-key.bin")], []),
    ("no key is asked for", [seen("escrow_backups", backups=[]), request(key=False)], []),
]


@pytest.mark.parametrize(("what", "changes", "expected"), ESCROW, ids=[row[0] for row in ESCROW])
def test_the_escrow_has_the_key_for_nodes_that_are_still_to_be_set_up(
    what: str, changes: list[Change], expected: list[str | Problem]
) -> None:
    assert decide(lost(), *changes).problems == expected, what


def test_on_nodes_that_are_installed_the_key_is_asked_for_itself() -> None:
    assert decide(at_work(), seen("escrow_backups", backups=[])).problems == []


def test_all_problems_are_told_at_once_and_each_once() -> None:
    failure = {"msg": "controller: the seal cannot be opened."}
    plan = decide(at_work(), seen("key_preview", castor=failure, pollux=failure), on("castor", clustered=False))
    assert len(plan.problems) == 2
    assert plan.refusal == [saying("Nothing", "2"), *plan.problems]
    started = decide(at_work(), on("castor", clustered=False), lambda each: each.update(sql_services_started=True))
    assert started.refusal[0] == saying("but", "SQL services", "started", "1")


def test_another_management_server_that_is_silent_is_worth_a_remark() -> None:
    [remark] = decide(at_work(), off("kraken")).remarks
    assert remark == about("kraken", "preflight", "does not answer")
    silent = at_work()
    off("kraken")(silent)
    assert report(at_work(), request(check_mode=True), before=silent).lines[-2:] == ["Remarks:", remark]
    assert remark not in report(at_work(), before=silent).lines


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([], []),
        ([state("offline")], [about("controller", "preflight", "group RMS", "offline")]),
        ([seen("cluster", castor={}, pollux={})], [about("controller", "preflight", "group RMS", "not seen")]),
        ([off("castor")], [about("controller", "preflight", "RMS", "CASTOR", advice="clustered_rms_restore_nodes")]),
        ([unreachable("login")], [about("", "connect to SQL Server thunder", "the login is the trouble")]),
    ],
)
def test_backups_are_made_of_a_clustered_rms_that_works(changes: list[Change], expected: list[Problem]) -> None:
    assert decide(at_work(), *changes).backup_problems == expected


def test_the_password_is_in_no_plan_and_in_no_traceback() -> None:
    assert REQUEST.backup_password not in repr(REQUEST) + repr(decide(lost()))


# --- after the work


UNFINISHED = [
    ("all is well", [], []),
    ("a node that does not answer", [off("pollux")], [saying("pollux", "not a sound node")]),
    ("a node that Windows starts", [ordinary("pollux")], [saying("pollux", "not a sound node")]),
    ("a registry of another server", [registry("castor", consistent=False)], [saying("castor", "not a sound node")]),
    (
        "different keys",
        [registry("pollux", key_fingerprint=OTHER_KEY)],
        [saying("different keys", KEY, OTHER_KEY)],
    ),
    (
        "one key that is not known",
        [registry("pollux", key_fingerprint=None)],
        [saying("different keys", KEY, "not known")],
    ),
    ("keys that cannot be compared", [registry(name, key_fingerprint=None) for name in NODES], []),
    ("the group is offline", [state("failed")], [saying("group RMS", "failed")]),
    (
        "the database cannot be asked",
        [unreachable("login")],
        [about("", "connect to SQL Server thunder", "the login is the trouble")],
    ),
    ("what the database complains of", [group(problems=["Service Broker is off."])], ["Service Broker is off."]),
    (
        "nothing could be seen of the cluster",
        [seen("cluster", castor={}, pollux={})],
        [saying("castor"), saying("pollux"), saying("key", "no node"), saying("group RMS", "not seen")],
    ),
]


@pytest.mark.parametrize(("what", "changes", "expected"), UNFINISHED, ids=[row[0] for row in UNFINISHED])
def test_what_is_still_open(what: str, changes: list[Change], expected: list[str | Line | Problem]) -> None:
    assert decide(at_work(), *changes).unfinished == expected, what
    assert report(at_work(), *changes).open == expected, what


def report(
    situation: Situation, *changes: Change, before: Situation | None = None, **results: Any
) -> ClusteredRestoreReport:
    """The end of a run that began with `before`, and whose tasks returned `results`."""
    asked, after = observed(situation, *changes)
    plan = asdict(decide({**(before or at_work()), "request": asked}))
    return make_report(plan, asked, after, results)


def test_the_report_tells_each_change_once_with_its_host_and_its_time() -> None:
    told = report(
        at_work(),
        before=lost(),
        setup={
            "results": [
                {"item": "castor", "changed": True, "elapsed_seconds": 412.3, "reboot_required": None},
                {"item": "pollux", "changed": True, "elapsed_seconds": 401.0, "reboot_required": True},
            ]
        },
        first_node={"changed": True},
        restored={"changed": True, "elapsed_seconds": 7.0},
        tools={"results": [{"item": "castor", "changed": False}]},
        opened={"changed": False, "skipped": True},
        key={"results": [{"item": "castor", "changed": True}, {"item": "pollux", "skipped": True}]},
        others={"results": []},
    )
    assert told.done == [
        saying("castor", "set up", "(412.3 s)"),
        saying("pollux", "set up", "(401.0 s)"),
        saying("castor", "virtual server"),
        saying("database", "restored", BACKUP, "(7.0 s)"),
        saying("key", "restored", "castor"),
    ]
    assert told.person[-1] == saying("Restart", "pollux")
    assert told.lines == ["Done:", *told.done, "Manual follow-up:", *told.person]


def test_the_report_names_the_backup_of_a_database_that_stays() -> None:
    told = report(at_work(), KEEP_DATABASE, saved={"changed": True, "path": BACKUP, "elapsed_seconds": 3.1})
    assert told.done == [saying("database", "backed up", BACKUP, "(3.1 s)")]


SERVICE = "ODYSSEY\\svc-sdk"
HEALTH_OF_RMSVS = ["MSOMHSvc/RMSVS", "MSOMHSvc/rmsvs.odyssey.com"]
SDK_OF_RMSVS = ["MSOMSdkSvc/RMSVS", "MSOMSdkSvc/rmsvs.odyssey.com"]
DID = {"online": {"changed": True}}
PRINCIPAL_NAMES = [
    (
        "all is right",
        [on("castor", sdk_account=SERVICE, principal_names={SERVICE: SDK_OF_RMSVS, "rmsvs": HEALTH_OF_RMSVS})],
        {},
        [],
    ),
    (
        "a new cluster with a domain account, and a server that had the role",
        [
            on("castor", sdk_account="LocalSystem", principal_names={"CASTOR": [], "rmsvs": []}),
            on("pollux", sdk_account=SERVICE, principal_names={SERVICE: ["MSOMSdkSvc/KRAKEN", "MSOMSdkSvc/OTHER"]}),
        ],
        DID,
        [
            *(f"setspn -A {name} {SERVICE}" for name in SDK_OF_RMSVS),
            *(f"setspn -A {name} RMSVS" for name in HEALTH_OF_RMSVS),
            f"setspn -D MSOMSdkSvc/KRAKEN {SERVICE}",
        ],
    ),
    (
        "accounts of the nodes themselves",
        [on("castor", sdk_account="LocalSystem", principal_names={"CASTOR": [], "rmsvs": HEALTH_OF_RMSVS})],
        DID,
        [f"setspn -A {name} ACCOUNT" for name in SDK_OF_RMSVS],
    ),
    (
        "nothing could be looked at, and something was done",
        [],
        DID,
        [
            *(f"setspn -A {name} ACCOUNT" for name in SDK_OF_RMSVS),
            *(f"setspn -A {name} RMSVS" for name in HEALTH_OF_RMSVS),
        ],
    ),
    ("nothing could be looked at, and nothing was done", [], {}, []),
    ("the name of the virtual server is not known", [request(virtual_server="")], DID, []),
]


@pytest.mark.parametrize(
    ("what", "changes", "results", "expected"), PRINCIPAL_NAMES, ids=[row[0] for row in PRINCIPAL_NAMES]
)
def test_service_principal_names_are_left_for_a_person(
    what: str, changes: list[Change], results: dict[str, Any], expected: list[str]
) -> None:
    told = report(at_work(), KEEP_DATABASE, *changes, **results)
    assert [line.partition(" (")[0] for line in told.person] == expected, what


def test_nothing_lost_nothing_done() -> None:
    told = report(at_work(), KEEP_DATABASE)
    assert (told.lines, told.open) == ([saying("rmsvs", "Nothing to do")], [])


def test_check_mode_tells_what_no_task_can_predict() -> None:
    told = report(lost(), request(check_mode=True), before=lost())
    assert told.lines[0] == "This would be done:"
    assert told.done == [
        saying("castor", "node", "original key"),
        saying("pollux", "node", "original key"),
        saying("Service Broker", "if it is off"),
    ]


def test_check_mode_says_nothing_of_the_broker_of_a_database_that_stays() -> None:
    told = report(lost(), request(check_mode=True), KEEP_DATABASE, before=lost())
    assert [line for line in told.done if "Service Broker" in line] == []


def test_other_management_servers_that_do_not_work_yet_are_open() -> None:
    others = [
        {"item": "kraken", "unreachable": True, "msg": "connection refused"},
        {"item": "jupiter", "msg": "jupiter: HealthService does not start."},
        {"item": "argus", "changed": True},
    ]
    told = report(at_work(), others={"results": others})
    assert told.open == [saying("kraken", "connection refused"), others[1]["msg"]]
    assert told.done == [saying("HealthService", "argus", "started")]


# --- the steps


def test_each_step_has_a_task_of_the_role_that_registers_by_its_name() -> None:
    tasks = "".join(path.read_text(encoding="utf-8") for path in (ROLE / "tasks").glob("*.yml"))
    registered = set(re.findall(r"register: __clustered_rms_restore_done_(\w+)", tasks))
    planned = decide(at_work()).steps + decide(at_work(), request(key_file="C:\\RMS-key.bin")).steps
    # The nodes join in a loop over several tasks.
    assert {step.id for step in planned} - {"other_nodes"} == registered


STEPS = [
    (
        "a key in the escrow",
        [state("offline"), KEY_ONLY],
        "key",
        {"needed": True, "undone_by": None, "hosts": [*NODES]},
    ),
    ("a key file", [state("offline"), request(key_file="D:\\key.bin")], "key_file", {"needed": True}),
    ("the group is where it can be put back", [state("offline")], "offline", {"needed": True}),
    ("resources to add", [seen("services_preview", commands=["create"])], "offline", {"needed": True}),
    ("a database that stays is backed up", [state("offline"), KEY_ONLY], "saved", {"needed": True, "place": "path"}),
    (
        "one that was left closed is opened and not backed up",
        [KEEP_DATABASE, access(user_access="SINGLE_USER", closed_by_us=True)],
        "saved",
        {"needed": False},
    ),
    (
        "one that was left closed is opened",
        [KEEP_DATABASE, access(user_access="SINGLE_USER", closed_by_us=True)],
        "opened",
        {"needed": True, "hosts": ["thunder"]},
    ),
    ("one registry", [registry("pollux", consistent=False)], "registry", {"needed": True, "hosts": ["pollux"]}),
    ("resources", [seen("services_preview", commands=["create"])], "services", {"needed": True, "hosts": ["castor"]}),
    ("a group to bring online", [state("offline"), request(key=False)], "online", {"needed": True}),
    ("a group that is online", [], "online", {"needed": False}),
    ("what only the task finds out", [], "broker", {"needed": None}),
    ("the others", [], "others", {"hosts": ["kraken"]}),
]


@pytest.mark.parametrize(("what", "changes", "name", "expected"), STEPS, ids=[row[0] for row in STEPS])
def test_a_step_says_where_it_is_needed_and_how_to_undo_it(
    what: str, changes: list[Change], name: str, expected: dict[str, Any]
) -> None:
    [step] = [step for step in decide(at_work(), *changes).steps if step.id == name]
    assert {key: getattr(step, key) for key in expected} == expected, what


def test_a_restore_over_a_database_is_the_only_point_of_no_return() -> None:
    def points(plan: ClusteredRestorePlan) -> list[StepPlan]:
        return [step for step in plan.steps if step.point_of_no_return]

    assert [step.text for step in points(decide(at_work(), to_restore))] == [
        f"operational database restored from {BACKUP}"
    ]
    assert points(decide(at_work(), KEEP_DATABASE)) == []
