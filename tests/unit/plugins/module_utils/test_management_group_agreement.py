# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A table of situations in ODYSSEY, and what is said about each."""

from __future__ import annotations

from typing import Any

import pytest
from messages import Line, saying

from ansible_collections.opsmgr.recovery.plugins.module_utils.management_group import GroupFacts, ListedServer
from ansible_collections.opsmgr.recovery.plugins.module_utils.management_group_agreement import (
    Agreement,
    LocalView,
    compare,
    read_views,
)
from ansible_collections.opsmgr.recovery.plugins.module_utils.sql_options import OptionProblem

SP1, RTM = "6.0.6278.0", "6.0.5000.0"


def result(
    name: str, *, rms: bool | None = False, running: tuple[str, ...] | None = None, **changes: Any
) -> dict[str, Any]:
    """One result of a loop with management_server_info."""
    running = (("OMSDK", "OMCFG") if rms else ()) if running is None else running
    states = {
        service: "running" if service in (*running, "HealthService") else "stopped"
        for service in ("HealthService", "OMSDK", "OMCFG")
    }
    server = {
        "computer_name": name.upper(),
        "administrator": True,
        "installed": True,
        "version": SP1,
        "management_group": "ODYSSEY",
        "is_rms": rms,
        "clustered": False,
        "services": {service: {"state": state, "start_mode": "auto"} for service, state in states.items()},
    }
    return {
        "item": name,
        "ansible_loop_var": "item",
        "changed": False,
        "reachable": True,
        "problem": None,
        "server": {**server, **changes},
    }


def silent(name: str, **more: Any) -> dict[str, Any]:
    return {
        "item": name,
        "ansible_loop_var": "item",
        "reachable": False,
        "problem": "the server does not answer: timed out",
        "server": None,
        **more,
    }


HYDRA, DEATHSTING, JUPITER = result("hydra", rms=True), result("deathsting"), result("jupiter")
FORMER = result("hydra", rms=True)
HEALTHY = [HYDRA, DEATHSTING, JUPITER]


def database(
    rms: str = "Hydra", version: str | None = SP1, names: tuple[str, ...] = ("DeathSting", "Hydra", "jupiter")
) -> GroupFacts:
    servers = [ListedServer(f"{name}.Odyssey.com", name in rms.split(), True, False, version) for name in names]
    return GroupFacts(
        management_group="ODYSSEY", servers=[*servers, ListedServer("gate.ithaca.com", False, False, True, None)]
    )


def disagreement(host: str, *values: str) -> Line:
    """A problem of that host, which begins with its name."""
    return saying(f"{host}: ", *values)


# The answer, and the problems with their hosts and values.
SITUATIONS: dict[str, tuple[GroupFacts, list[dict[str, Any]], Agreement]] = {
    "all agree": (database(), HEALTHY, Agreement(True)),
    "the group's name in another case": (
        database(),
        [result("hydra", rms=True, management_group="Odyssey"), DEATHSTING, JUPITER],
        Agreement(True),
    ),
    "the database could not be read": (GroupFacts(), HEALTHY, Agreement(None)),
    "the database tells no versions": (database(version=None), HEALTHY, Agreement(True)),
    "a former RMS that is back": (
        database("DeathSting"),
        [FORMER, result("deathsting", rms=True), JUPITER],
        Agreement(
            False,
            [
                disagreement(
                    "hydra",
                    "it is the RMS",
                    "OMSDK is running",
                    "OMCFG is running",
                    "ordinary",
                    "the RMS is DeathSting.Odyssey.com",
                    "rms_demotion",
                )
            ],
        ),
    ),
    "a promotion that ended after the database": (
        database("DeathSting"),
        [result("hydra"), DEATHSTING, JUPITER],
        Agreement(
            False,
            [
                disagreement(
                    "deathsting",
                    "not the RMS",
                    "OMSDK is stopped",
                    "OMCFG is stopped",
                    "database it is the RMS",
                    "rms_promotion",
                )
            ],
        ),
    ),
    "an RMS without a service": (
        database(),
        [result("hydra", rms=True, running=("OMCFG",)), DEATHSTING, JUPITER],
        Agreement(
            False,
            [
                disagreement(
                    "hydra",
                    "it is the RMS",
                    "OMSDK is stopped",
                    "OMCFG is running",
                    "database it is the RMS",
                    "Start",
                    "management_services",
                )
            ],
        ),
    ),
    "a management server that runs the RMS's services": (
        database(),
        [HYDRA, result("deathsting", running=("OMSDK",)), JUPITER],
        Agreement(
            False,
            [
                disagreement(
                    "deathsting",
                    "not the RMS",
                    "OMSDK is running",
                    "OMCFG is stopped",
                    "the RMS is Hydra.Odyssey.com",
                    "Disable",
                    "management_services",
                )
            ],
        ),
    ),
    "before SP1, OMSDK stays on the former RMS": (
        database(version=RTM),
        [
            result("hydra", rms=True, version=RTM),
            result("deathsting", running=("OMSDK",), version=RTM),
            result("jupiter", version=RTM),
        ],
        Agreement(True),
    ),
    "a service that is not there": (
        database(),
        [result("hydra", rms=True, services={"OMSDK": {"state": None, "start_mode": None}}), DEATHSTING, JUPITER],
        Agreement(
            False,
            [
                disagreement(
                    "hydra",
                    "it is the RMS",
                    "OMSDK is missing",
                    "OMCFG is missing",
                    "database it is the RMS",
                    "Start",
                    "management_services",
                )
            ],
        ),
    ),
    "a server that does not answer": (
        database(),
        [HYDRA, silent("deathsting"), JUPITER],
        Agreement(
            None,
            [disagreement("deathsting", "not asked", "the server does not answer: timed out")],
        ),
    ),
    "a server that is unreachable for the play": (
        database(),
        [HYDRA, {"item": "deathsting", "unreachable": True, "msg": "no route"}, JUPITER],
        Agreement(None, [disagreement("deathsting", "not asked", "no route")]),
    ),
    "a server that was skipped": (
        database(),
        [HYDRA, {"item": "deathsting", "skipped": True}, JUPITER],
        Agreement(None, [disagreement("deathsting", "not asked", "nobody looked at it")]),
    ),
    "a server that may not be looked into": (
        database(),
        [HYDRA, result("deathsting", rms=None, administrator=False), JUPITER],
        Agreement(
            None,
            [disagreement("deathsting", "not asked", "the account is not an administrator of this server")],
        ),
    ),
    "a server without Operations Manager": (
        database(),
        [HYDRA, DEATHSTING, result("jupiter", rms=None, installed=False)],
        Agreement(
            None,
            [disagreement("jupiter", "not asked", "Operations Manager is not installed there")],
        ),
    ),
    "a server without a group": (
        database(),
        [HYDRA, DEATHSTING, result("jupiter", rms=None, management_group=None)],
        Agreement(
            None,
            [disagreement("jupiter", "not asked", "its registry names no management group")],
        ),
    ),
    "a server that was forgotten": (
        database(),
        [HYDRA, DEATHSTING],
        Agreement(
            None,
            [
                disagreement(
                    "jupiter.Odyssey.com",
                    "not asked",
                    "ordinary",
                    "the RMS is Hydra.Odyssey.com",
                    "management_server_info",
                )
            ],
        ),
    ),
    "the RMS was forgotten": (
        database(),
        [DEATHSTING, JUPITER],
        Agreement(
            None,
            [disagreement("Hydra.Odyssey.com", "not asked", "database it is the RMS", "management_server_info")],
        ),
    ),
    "one says otherwise and one says nothing": (
        database(),
        [HYDRA, result("deathsting", rms=True), silent("jupiter")],
        Agreement(
            False,
            [
                disagreement(
                    "deathsting",
                    "it is the RMS",
                    "OMSDK is running",
                    "OMCFG is running",
                    "ordinary",
                    "the RMS is Hydra.Odyssey.com",
                    "rms_demotion",
                ),
                disagreement("jupiter", "not asked", "the server does not answer: timed out"),
            ],
        ),
    ),
    "a server that the database does not list": (
        database(),
        [*HEALTHY, result("kraken")],
        Agreement(
            False,
            [disagreement("kraken", "not the RMS", "not list", "the RMS is Hydra.Odyssey.com", "deleted")],
        ),
    ),
    "a server of another group": (
        database(),
        [*HEALTHY, result("achilles", rms=True, management_group="ILIAD")],
        Agreement(
            False,
            [disagreement("achilles", "ILIAD", "ODYSSEY", "management_servers")],
        ),
    ),
    # What is wrong with the database is a problem of its own already.
    "no RMS by anybody": (database(""), [result("hydra"), DEATHSTING, JUPITER], Agreement(False)),
    "two by everybody": (database("Hydra jupiter"), [HYDRA, DEATHSTING, result("jupiter", rms=True)], Agreement(False)),
    "no RMS by the database": (
        database(""),
        HEALTHY,
        Agreement(
            False,
            [
                disagreement(
                    "hydra",
                    "it is the RMS",
                    "OMSDK is running",
                    "OMCFG is running",
                    "ordinary",
                    "the RMS is nobody",
                    "rms_demotion",
                )
            ],
        ),
    ),
    "versions that differ make no difference": (
        database(),
        [HYDRA, result("deathsting", version="6.0.6278.100"), JUPITER],
        Agreement(
            True,
            [
                disagreement("deathsting", "version 6.0.6278.100", "database 6.0.6278.0", "update"),
                saying(
                    "different versions",
                    "hydra has 6.0.6278.0",
                    "deathsting has 6.0.6278.100",
                    "jupiter has 6.0.6278.0",
                ),
            ],
        ),
    ),
    "one version, written in two ways": (database(version="6.0.6278"), HEALTHY, Agreement(True)),
    "what is no version is compared as text": (
        database(version="unknown"),
        [HYDRA],
        Agreement(
            None,
            [
                disagreement(
                    "DeathSting.Odyssey.com",
                    "not asked",
                    "ordinary",
                    "the RMS is Hydra.Odyssey.com",
                    "management_server_info",
                ),
                disagreement(
                    "jupiter.Odyssey.com",
                    "not asked",
                    "ordinary",
                    "the RMS is Hydra.Odyssey.com",
                    "management_server_info",
                ),
                disagreement("hydra", "version 6.0.6278.0", "database unknown", "update"),
            ],
        ),
    ),
}


@pytest.mark.parametrize("situation", SITUATIONS)
def test_what_is_said_about_a_situation(situation: str) -> None:
    facts, results, expected = SITUATIONS[situation]
    assert compare(facts, read_views(results)) == expected


LATER = "10.22.10118.0"
WHY = "this is Operations Manager 2022"


def peer(name: str, **changes: Any) -> dict[str, Any]:
    """A management server of 2022: all run OMSDK and none has OMCFG. What IsRootHealthService says there is not known."""
    return result(name, running=("OMSDK",), version=LATER, unsupported=WHY, **changes)


@pytest.mark.parametrize("told_by", ["the database", "the servers", "both"])
@pytest.mark.parametrize("rms", ["Hydra", "", "Hydra DeathSting"])
def test_no_rule_of_2007_is_applied_to_a_later_group(told_by: str, rms: str) -> None:
    facts = database(rms, version=LATER if told_by != "the servers" else None)
    facts.unsupported = WHY if told_by != "the servers" else None
    looks = [peer(name) for name in ("hydra", "deathsting")]
    if told_by == "the database":
        looks = [result("hydra"), silent("deathsting")]
    assert compare(facts, read_views(looks)) == Agreement(None)


def test_a_server_of_another_later_group_is_named_all_the_same() -> None:
    facts = database(version=LATER)
    facts.unsupported = WHY
    agreement = compare(facts, read_views([peer("hydra"), peer("troy", management_group="ILIAD")]))
    assert agreement.agree is None
    assert [problem.partition(":")[0] for problem in agreement.problems] == ["troy"]


def test_a_later_server_of_another_group_does_not_excuse_this_one() -> None:
    looks = [HYDRA, DEATHSTING, JUPITER, peer("troy", management_group="ILIAD")]
    agreement = compare(database(), read_views(looks))
    assert agreement.agree is False
    assert [problem.partition(":")[0] for problem in agreement.problems] == ["troy"]


def node(name: str, *running: str, rms: bool = True) -> dict[str, Any]:
    return result(name, rms=rms, running=running, clustered=True)


ACTIVE, PASSIVE = node("node1", "OMSDK", "OMCFG"), node("node2")
BY_NAME = {**ACTIVE, "item": "rmsvs"}
CLUSTERS: dict[str, tuple[list[dict[str, Any]], bool | None, list[str]]] = {
    "one node works": ([ACTIVE, PASSIVE], True, []),
    "asked by the virtual name too": ([BY_NAME, ACTIVE, PASSIVE], True, []),
    "asked by an address too": ([{**ACTIVE, "item": "10.0.0.9"}, ACTIVE, PASSIVE], True, []),
    "no node works": (
        [node("node1"), PASSIVE],
        False,
        ["RMSVS.Odyssey.com: by the database it is the RMS, so OMSDK and OMCFG should run on one node"],
    ),
    "both nodes work": (
        [ACTIVE, node("node2", "OMSDK", "OMCFG")],
        False,
        ["on node1 OMSDK is running and OMCFG is running; on node2 OMSDK is running"],
    ),
    "half a node works": ([ACTIVE, node("node2", "OMSDK")], False, ["on node2 OMSDK is running and OMCFG is stopped"]),
    "a node that was not asked": ([ACTIVE, silent("node2")], None, ["node2: it was not asked"]),
    "the virtual name does not answer": ([silent("rmsvs"), ACTIVE, PASSIVE], None, ["rmsvs: it was not asked"]),
}


@pytest.mark.parametrize("listed", [("RMSVS", "jupiter"), ("RMSVS", "node1", "node2", "jupiter")])
@pytest.mark.parametrize("situation", CLUSTERS)
def test_nodes_of_a_clustered_rms_speak_for_its_virtual_name(situation: str, listed: tuple[str, ...]) -> None:
    nodes, agree, words = CLUSTERS[situation]
    found = compare(database("RMSVS", names=listed), read_views([*nodes, JUPITER]))
    assert found.agree is agree
    assert len(found.problems) == bool(words)
    assert all(word in found.problems[0] for word in words)


def test_a_node_that_was_not_prepared() -> None:
    nodes = [ACTIVE, node("node2", rms=False)]
    found = compare(database("RMSVS", names=("RMSVS", "jupiter")), read_views([*nodes, JUPITER]))
    assert found.agree is False
    [problem] = found.problems
    assert problem.startswith("node2: its registry says that it is not the RMS")
    assert "IsRootHealthService" in problem


def test_the_virtual_name_alone_speaks_for_the_active_node() -> None:
    facts = database("RMSVS", names=("RMSVS", "node1", "node2", "jupiter"))
    found = compare(facts, read_views([BY_NAME, JUPITER]))
    assert (found.agree, [problem.partition(":")[0] for problem in found.problems]) == (None, ["node2.Odyssey.com"])
    found = compare(facts, read_views([{**node("node1"), "item": "rmsvs"}, JUPITER, result("node2", clustered=True)]))
    assert (found.agree, [problem.partition(":")[0] for problem in found.problems]) == (False, ["rmsvs"])


def test_nodes_whose_cluster_is_not_the_rms_any_more() -> None:
    facts = database("jupiter", names=("RMSVS", "jupiter"))
    found = compare(facts, read_views([ACTIVE, result("jupiter", rms=True)]))
    assert (found.agree, [problem.partition(":")[0] for problem in found.problems]) == (
        False,
        ["node1", "RMSVS.Odyssey.com"],
    )


def test_a_node_with_another_version_is_named() -> None:
    other = result("node2", rms=True, running=(), clustered=True, version=RTM)
    found = compare(database("RMSVS", names=("RMSVS", "jupiter")), read_views([ACTIVE, other, JUPITER]))
    assert (found.agree, len(found.problems)) == (True, 1)
    assert "node2 has 6.0.5000.0" in found.problems[0]


NAMES: list[tuple[dict[str, Any], str]] = [
    ({**HYDRA, "item": "rms.example.com"}, "rms.example.com"),
    ({**HYDRA, "ansible_loop_var": "host", "host": "h1"}, "h1"),
    ({**HYDRA, "item": {"name": "hydra"}}, "HYDRA"),
    ({"server": HYDRA["server"]}, "HYDRA"),
    ({"reachable": False, "server": None}, "entry 1 of management_servers"),
]


@pytest.mark.parametrize(("entry", "name"), NAMES)
def test_servers_are_named_as_the_play_does(entry: dict[str, Any], name: str) -> None:
    assert [look.host for look in read_views([entry])] == [name]


@pytest.mark.parametrize(
    "entry",
    [{}, {"item": "hydra", "changed": False}, {"server": "hydra"}, {"server": {"name": "hydra"}}, HYDRA["server"]],
)
def test_what_is_no_result_is_refused(entry: dict[str, Any]) -> None:
    with pytest.raises(OptionProblem, match="entry 2 of management_servers is not a result of management_server_info"):
        read_views([HYDRA, entry])


@pytest.mark.parametrize(
    ("seen", "name", "same"),
    [
        ("HYDRA", "Hydra.Odyssey.com", True),
        ("HYDRA", "hydra", True),
        ("HYDRA", "Hydra2.Odyssey.com", False),
        ("A-VERY-LONG-NAM", "a-very-long-name.odyssey.com", True),
    ],
)
def test_a_servers_netbios_name_is_the_databases_full_name(seen: str, name: str, same: bool) -> None:
    look = LocalView("x", computer_name=seen)
    assert (look.is_computer(name), look.is_called(name)) == (same, same)
