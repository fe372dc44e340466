# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The actions for a clustered RMS: what they see, what they refuse, what they change, and what a second run finds left
to do.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from unit.plugins.action.bench import Connection, run
from unit.plugins.plugin_utils.doubles import Clock, Ends, Hears, Script, Silence, fault
from unit.plugins.plugin_utils.recorded_node import RecordedNode, RecordedResource
from unit.plugins.plugin_utils.recorded_server import FINGERPRINT

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.actions import windows as action_base
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs import shell as winrs

GROUP = {"group": "RMS"}
SERVICES = {**GROUP, "network_name": "RMS Name", "disk": "RMS Disk"}
NODE = {"virtual_server": "rmsvs", "disk": "X:"}
ACTIONS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "rms_cluster_group": (GROUP, {"nodes", "group", "resources", "registry", "backup", "warnings"}),
    "rms_cluster_services": (SERVICES, {"resources", "commands"}),
    "rms_cluster_node": (NODE, {"registry", "services", "command", "transcript"}),
}
CONSISTENT = {"is_root": True, "has_parent": False, "key_fingerprint": f"sha256:{FINGERPRINT}", "consistent": True}


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(winrs, "time", clock)
    monkeypatch.setattr(action_base, "time", clock)
    return clock


def orders(node: RecordedNode) -> list[str]:
    """The orders to the group, in order."""
    return [command.partition(" /")[2] for command in node.commands if command.startswith("cluster group")]


CHANGES = re.compile(
    r"cluster (group|resource) \S.* /(?!priv\)|listdep)|reg (add|delete) |reg export .*\.reg|InstallCluster|AddRMSNode"
)


def changes(node: RecordedNode) -> list[str]:
    """Whatever changes something on the server."""
    return [command for command in node.commands if CHANGES.search(command)]


# --- every action -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("check_mode", [False, True])
@pytest.mark.parametrize("name", ACTIONS)
def test_a_failure_has_the_whole_result_and_closes_the_shell(clock: Clock, name: str, check_mode: bool) -> None:
    node = RecordedNode(clock)
    node.protocol.start_error = fault(5, "Access is denied.")
    connection = Connection(node)
    result = run(name, connection, check_mode, **ACTIONS[name][0])
    assert ACTIONS[name][1] | {"changed", "failed", "msg", "started_at", "elapsed_seconds"} <= result.keys()
    assert (result["changed"], result["failed"]) == (False, True)
    assert connection.closed_shells == ["shell-1"]


@pytest.mark.parametrize("name", ["rms_cluster_group", "rms_cluster_services"])
def test_a_node_whose_cluster_service_does_not_run(clock: Clock, name: str) -> None:
    result = run(name, Connection(RecordedNode(clock, answers=False)), **ACTIONS[name][0])
    assert "System error 1753" in result["msg"]
    assert "Start the cluster service (ClusSvc) of this node, or ask another node." in result["msg"]


@pytest.mark.parametrize("name", ["rms_cluster_group", "rms_cluster_services"])
def test_a_group_that_does_not_exist(clock: Clock, name: str) -> None:
    result = run(name, Connection(RecordedNode(clock)), **{**ACTIONS[name][0], "group": "SQL"})
    assert "the cluster has no group 'SQL', only: Cluster Group, RMS. Correct the option group" in result["msg"]


@pytest.mark.parametrize("name", ACTIONS)
def test_what_is_so_already_is_left_alone(clock: Clock, name: str) -> None:
    node = RecordedNode(clock)
    result = run(name, Connection(node), **ACTIONS[name][0])
    assert (result["changed"], result.get("failed", False), changes(node)) == (False, False, [])
    assert result["diff"]["before"] == result["diff"]["after"]


# --- rms_cluster_group ------------------------------------------------------------------------------------------------


def test_a_look_at_the_group(clock: Clock) -> None:
    result = run("rms_cluster_group", Connection(RecordedNode(clock)), **GROUP)
    assert {name: result[name] for name in ("nodes", "group", "registry", "backup", "warnings")} == {
        "nodes": {"CASTOR": "up", "POLLUX": "up"},
        "group": {"name": "RMS", "node": "CASTOR", "state": "online"},
        "registry": CONSISTENT,
        "backup": None,
        "warnings": [],
    }
    assert result["resources"] == dict.fromkeys(["RMS Disk", "RMS Name", "HealthService", "OMSDK", "OMCFG"], "online")


@pytest.mark.parametrize(
    ("found", "arguments", "expected"),
    [
        ("Offline", {"state": "online"}, ["/online"]),
        ("Failed", {"state": "online"}, ["/online"]),
        ("Online", {"state": "offline"}, ["/offline"]),
        ("Failed", {"state": "offline"}, ["/offline"]),
        ("Online", {"node": "pollux"}, ['/moveto:"pollux"']),
        ("Offline", {"node": "pollux"}, ['/moveto:"pollux"']),
        ("Online", {"node": "pollux", "state": "online"}, ['/moveto:"pollux"']),
        ("Offline", {"node": "pollux", "state": "online"}, ['/moveto:"pollux"', "/online"]),
        # Nothing is started on a node only to be stopped again.
        ("Online", {"node": "pollux", "state": "offline"}, ["/offline", '/moveto:"pollux"']),
        ("Online", {"node": "castor", "state": "online"}, []),
        ("Offline", {"node": "CASTOR", "state": "offline"}, []),
    ],
)
def test_orders_check_run_run(clock: Clock, found: str, arguments: dict[str, Any], expected: list[str]) -> None:
    node = RecordedNode(clock)
    node.goes(found)
    predicted = run("rms_cluster_group", Connection(node), True, **GROUP, **arguments)
    assert (predicted["changed"], changes(node)) == (bool(expected), [])
    result = run("rms_cluster_group", Connection(node), **GROUP, **arguments)
    assert ["/" + order for order in orders(node)] == expected
    assert result["changed"] is bool(expected)
    assert result["group"]["state"] == arguments.get("state", found.lower())
    assert result["group"]["node"].lower() == arguments.get("node", "castor").lower()
    assert result["diff"]["after"].lower() == predicted["diff"]["after"].lower()
    assert run("rms_cluster_group", Connection(node), **GROUP, **arguments)["changed"] is False


@pytest.mark.parametrize(("found", "node_name"), [("Online", "castor"), ("Offline", "castor"), ("Offline", "pollux")])
def test_prepared_is_everything_online_but_the_services(clock: Clock, found: str, node_name: str) -> None:
    node = RecordedNode(clock)
    node.goes(found)
    wanted = {**GROUP, "state": "prepared", "node": node_name}
    predicted = run("rms_cluster_group", Connection(node), True, **wanted)
    assert (predicted["changed"], changes(node)) == (True, [])
    result = run("rms_cluster_group", Connection(node), **wanted)
    assert result["resources"] == {
        "RMS Disk": "online",
        "RMS Name": "online",
        "HealthService": "offline",
        "OMSDK": "offline",
        "OMCFG": "offline",
    }
    assert result["group"]["node"].lower() == node_name
    assert result["diff"]["after"].lower() == predicted["diff"]["after"].lower()
    assert run("rms_cluster_group", Connection(node), **wanted)["changed"] is False


def test_a_disk_that_does_not_come_online_is_named(clock: Clock) -> None:
    node = RecordedNode(clock, failing="RMS Disk")
    node.goes("Offline")
    result = run("rms_cluster_group", Connection(node), state="prepared", timeout=20, **GROUP)
    assert "the resource RMS Disk is failed" in result["msg"]


def test_a_failed_start_names_the_resource_and_a_rerun_finishes_it(clock: Clock) -> None:
    node = RecordedNode(clock, failing="OMSDK")
    node.goes("Offline")
    result = run("rms_cluster_group", Connection(node), state="online", **GROUP)
    assert result["changed"] is True
    assert "the group RMS is failed on CASTOR and not online; the resource OMSDK is failed" in result["msg"]
    assert (result["group"]["state"], result["resources"]["OMSDK"]) == ("failed", "failed")
    node.failing = None
    assert run("rms_cluster_group", Connection(node), state="online", **GROUP)["group"]["state"] == "online"


def test_a_service_that_stops_again(clock: Clock) -> None:
    node = RecordedNode(clock)
    node.goes("Offline")
    answer = node._answer

    def later(command: str) -> tuple[bool, str]:
        if "ping -n 8 " in command:
            node.resources["OMSDK"].state = "Failed"
        return answer(command)

    node._answer = later  # type: ignore[method-assign]
    result = run("rms_cluster_group", Connection(node), state="online", stable_seconds=7, **GROUP)
    assert "the resource OMSDK is failed" in result["msg"]


@pytest.mark.parametrize(
    ("node_state", "expected"), [("Down", "the node pollux is down"), ("Paused", "the node pollux is paused")]
)
def test_a_node_that_is_not_up_gets_no_group(clock: Clock, node_state: str, expected: str) -> None:
    node = RecordedNode(clock, nodes={"CASTOR": "Up", "POLLUX": node_state})
    result = run("rms_cluster_group", Connection(node), node="pollux", **GROUP)
    assert expected in result["msg"]
    assert (result["changed"], changes(node)) == (False, [])


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"is_rms": False}, "IsRootHealthService is not 1"),
    ({"has_parent": True}, "the key Parent Health Services is there"),
    ({"is_rms": False, "has_parent": True}, "IsRootHealthService is not 1 and the key Parent Health Services is there"),
    ({"groups": ""}, "it belongs to no management group"),
]


@pytest.mark.parametrize(("fields", "words"), WRONG)
@pytest.mark.parametrize("arguments", [{"state": "online"}, {"node": "pollux"}])
def test_nothing_comes_online_on_a_node_whose_registry_is_wrong(
    clock: Clock, fields: dict[str, Any], words: str, arguments: dict[str, str]
) -> None:
    node = RecordedNode(clock, **fields)
    node.goes("Offline" if "state" in arguments else "Online")
    predicted = run("rms_cluster_group", Connection(node), True, **GROUP, **arguments)
    assert predicted["warnings"] == [
        f"This will be refused if no earlier task puts the registry of this node right: {words}."
    ]
    result = run("rms_cluster_group", Connection(node), **GROUP, **arguments)
    assert f"the registry of this node is not that of a clustered RMS: {words}. Set registry to repair" in result["msg"]
    assert (result["changed"], changes(node), result["registry"]["consistent"]) == (False, [], False)


@pytest.mark.parametrize("arguments", [{}, {"state": "offline"}, {"state": "online", "registry": "ignore"}])
def test_the_registry_is_only_told_where_it_does_not_matter(clock: Clock, arguments: dict[str, str]) -> None:
    node = RecordedNode(clock, is_rms=False)
    node.goes("Offline" if arguments.get("state") == "online" else "Online")
    result = run("rms_cluster_group", Connection(node), **GROUP, **arguments)
    assert (result.get("failed", False), result["registry"]["consistent"]) == (False, False)


@pytest.mark.parametrize(("fields", "words"), WRONG[:3])
def test_the_registry_is_exported_and_repaired_check_run_run(clock: Clock, fields: dict[str, Any], words: str) -> None:
    node = RecordedNode(clock, **fields)
    node.goes("Offline")
    predicted = run("rms_cluster_group", Connection(node), True, registry="repair", **GROUP)
    assert (predicted["changed"], predicted["backup"], node.exported, node.has_parent) == (
        True,
        None,
        [],
        fields.get("has_parent", False),
    )
    result = run("rms_cluster_group", Connection(node), registry="repair", **GROUP)
    assert (result["changed"], result["registry"], result["warnings"]) == (True, CONSISTENT, [])
    assert node.exported == [result["backup"]]
    assert re.fullmatch(
        r"C:\\Program Files\\System Center Operations Manager 2007\\ServerManagementGroups-\d{8}T\d{6}Z\.reg",
        result["backup"],
    )
    assert result["diff"] == predicted["diff"]
    again = run("rms_cluster_group", Connection(node), registry="repair", **GROUP)
    assert (again["changed"], again["backup"]) == (False, None)


def test_a_repair_below_running_services_warns(clock: Clock) -> None:
    node = RecordedNode(clock, has_parent=True)
    result = run("rms_cluster_group", Connection(node), registry="repair", **GROUP)
    assert "was repaired while the group RMS is online there" in result["warnings"][0]


def test_without_an_export_the_registry_stays_as_it_is(clock: Clock) -> None:
    node = RecordedNode(clock, is_rms=False, has_parent=True, exports=False)
    result = run("rms_cluster_group", Connection(node), registry="repair", state="offline", **GROUP)
    assert "could not be exported to C:\\Program Files" in result["msg"]
    assert (result["changed"], result["backup"], node.has_parent, orders(node)) == (False, None, True, [])


def test_a_server_of_no_management_group_is_not_repaired(clock: Clock) -> None:
    result = run("rms_cluster_group", Connection(RecordedNode(clock, groups="")), registry="repair", **GROUP)
    assert "this node belongs to no management group" in result["msg"]


def test_a_repair_that_does_not_hold_is_an_error(clock: Clock) -> None:
    node = RecordedNode(clock, has_parent=True)
    answer = node._answer

    def stubborn(command: str) -> tuple[bool, str]:
        return (False, "Access is denied.") if command.startswith("reg delete") else answer(command)

    node._answer = stubborn  # type: ignore[method-assign]
    result = run("rms_cluster_group", Connection(node), registry="repair", **GROUP)
    assert "the key Parent Health Services is there" in result["msg"]
    assert (result["changed"], [result["backup"]]) == (True, node.exported)


# --- rms_cluster_services ---------------------------------------------------------------------------------------------


def bare(clock: Clock, **resources: RecordedResource) -> RecordedNode:
    """A node whose group has network name and disk, and perhaps more."""
    node = RecordedNode(clock)
    node.resources = {
        **{name: node.resources[name] for name in ("RMS Disk", "RMS Name", "Cluster IP Address")},
        **resources,
    }
    return node


def test_services_check_run_run(clock: Clock) -> None:
    node = bare(clock)
    predicted = run("rms_cluster_services", Connection(node), True, **SERVICES)
    assert (predicted["changed"], set(node.resources)) == (True, {"RMS Disk", "RMS Name", "Cluster IP Address"})
    assert predicted["resources"] == {"HealthService": None, "OMSDK": None, "OMCFG": None}
    result = run("rms_cluster_services", Connection(node), **SERVICES)
    assert (result["changed"], result["commands"], result["diff"]) == (True, predicted["commands"], predicted["diff"])
    both = ["RMS Name", "RMS Disk"]
    assert {
        name: (resource.service, resource.needs) for name, resource in node.resources.items() if resource.service
    } == {
        "HealthService": ("HealthService", both),
        "OMSDK": ("OMSDK", [*both, "HealthService"]),
        "OMCFG": ("OMCFG", [*both, "HealthService"]),
    }
    again = run("rms_cluster_services", Connection(node), **SERVICES)
    assert (again["changed"], again["commands"], again["resources"]) == (False, [], result["resources"])


def test_resources_are_known_by_their_service_whatever_their_name(clock: Clock) -> None:
    node = bare(clock, **{
        "RMS Health Service": RecordedResource(service="healthservice", needs=["RMS Name"]),
        "RMS SDK Service": RecordedResource(service="OMSDK", needs=["RMS Name", "RMS Disk"]),
        "RMS Config Service": RecordedResource(service="OMCFG", needs=["RMS Disk", "RMS Name", "RMS Health Service", "Something else"]),
        "Something else": RecordedResource(),
    })  # fmt: skip
    result = run("rms_cluster_services", Connection(node), **SERVICES)
    assert result["commands"] == [
        'cluster resource "RMS Health Service" /adddep:"RMS Disk"',
        'cluster resource "RMS SDK Service" /adddep:"RMS Health Service"',
    ]
    assert node.resources["RMS Config Service"].needs[-1] == "Something else"


def test_own_names(clock: Clock) -> None:
    node = bare(clock)
    result = run(
        "rms_cluster_services", Connection(node), health_resource="H", sdk_resource="S", config_resource="C", **SERVICES
    )
    assert [each["name"] for each in result["resources"].values()] == ["H", "S", "C"]
    assert node.resources["S"].needs == ["RMS Name", "RMS Disk", "H"]


@pytest.mark.parametrize("cut", range(14))
def test_a_run_that_was_cut_off_is_finished_by_the_next(clock: Clock, cut: int) -> None:
    node = bare(clock)
    commands = run("rms_cluster_services", Connection(node), True, **SERVICES)["commands"]
    for command in commands[:cut]:
        node._answer(command)
    result = run("rms_cluster_services", Connection(node), **SERVICES)
    assert result["commands"] == commands[cut:]
    assert run("rms_cluster_services", Connection(node), **SERVICES)["changed"] is False


@pytest.mark.parametrize(
    ("option", "name", "where"),
    [
        ("disk", "Disk Q:", "it does not exist"),
        ("network_name", "Cluster IP Address", "it is in the group Cluster Group"),
    ],
)
def test_network_name_and_disk_must_be_in_the_group(clock: Clock, option: str, name: str, where: str) -> None:
    result = run("rms_cluster_services", Connection(RecordedNode(clock)), **{**SERVICES, option: name})
    assert (
        f"the resource {name!r} is not in the group RMS: {where}; the group has: RMS Disk, RMS Name, HealthService, OMSDK, OMCFG"
        in result["msg"]
    )


@pytest.mark.parametrize(
    ("resource", "words"),
    [
        (RecordedResource(service="Spooler"), "the resource OMSDK is there, but starts Spooler and not OMSDK"),
        (
            RecordedResource(service="OMSDK", group="Cluster Group"),
            "the resource 'OMSDK' is not in the group RMS: it is in the group Cluster Group",
        ),
    ],
)
def test_a_name_that_is_taken(clock: Clock, resource: RecordedResource, words: str) -> None:
    node = bare(clock, OMSDK=resource)
    result = run("rms_cluster_services", Connection(node), **SERVICES)
    assert words in result["msg"]
    assert changes(node) == []


def test_commands_without_effect_are_an_error(clock: Clock) -> None:
    node = bare(clock)
    node._private = lambda name, resource, setting: ""  # type: ignore[method-assign]
    result = run("rms_cluster_services", Connection(node), **SERVICES)
    assert (
        'is still needed: cluster resource "HealthService" /priv ServiceName=HealthService UseNetworkName=1; '
        in result["msg"]
    )
    assert result["changed"] is True


def test_a_dependency_that_cannot_be_added_while_online(clock: Clock) -> None:
    node = RecordedNode(clock)
    node.resources["OMSDK"].needs.remove("RMS Disk")
    answer = node._resource

    def online(command: str) -> tuple[bool, str]:
        return (False, "System error 5019 has occurred (0x0000139b).") if "/adddep" in command else answer(command)

    node._resource = online  # type: ignore[method-assign]
    result = run("rms_cluster_services", Connection(node), **SERVICES)
    assert 'carry out cluster resource "OMSDK" /adddep:"RMS Disk": System error 5019' in result["msg"]
    assert "Take the group offline first" in result["msg"]


# --- rms_cluster_node -------------------------------------------------------------------------------------------------


def joining(clock: Clock, action: str, script: Script, works: bool = True, **fields: Any) -> RecordedNode:
    """A server that becomes a node when the tool has run."""
    node = RecordedNode(clock, scripts={action: script}, **fields)

    def effect() -> None:
        if works:
            node.is_rms, node.has_parent = True, False
            node.services["HealthService"] = ("stopped", "demand")

    node.effects[action] = effect
    return node


SILENT: Script = [Ends(0, b"Done.")]
ASKS: Script = [b"This changes the database. Type Y to continue:", Hears(b"Y\r"), Ends(0, b"\r\nDone.")]
OFF = ("stopped", "disabled")
RUNS = ("running", "auto")
ORDINARY: dict[str, Any] = {
    "is_rms": False,
    "has_parent": True,
    "services": {"HealthService": RUNS, "OMSDK": OFF, "OMCFG": OFF},
}
FIRST: dict[str, Any] = {"services": dict.fromkeys(("HealthService", "OMSDK", "OMCFG"), RUNS)}


@pytest.mark.parametrize("script", [SILENT, ASKS])
@pytest.mark.parametrize(
    ("first", "action", "fields"), [(False, "AddRMSNode", ORDINARY), (True, "InstallCluster", FIRST)]
)
def test_a_node_joins_check_run_run(
    clock: Clock, script: Script, first: bool, action: str, fields: dict[str, Any]
) -> None:
    node = joining(clock, action, script, **fields)
    predicted = run("rms_cluster_node", Connection(node), True, first=first, **NODE)
    assert (predicted["changed"], changes(node)) == (True, [])
    result = run("rms_cluster_node", Connection(node), first=first, **NODE)
    assert (result["changed"], result["registry"], result["diff"]) == (True, CONSISTENT, predicted["diff"])
    assert {text.partition(", ")[2] for text in result["services"].values()} == {"demand"}
    assert result["command"] == predicted["command"] == f"ManagementServerConfigTool.exe {action} /vs:rmsvs /disk:X:"
    assert result["transcript"].endswith("Done.")
    assert node.ran(
        'cd /d "C:\\Program Files\\System Center Operations Manager 2007\\"&& ManagementServerConfigTool.exe'
    )
    again = run("rms_cluster_node", Connection(node), first=first, **NODE)
    assert (again["changed"], again["command"], len(changes(node))) == (False, None, 1)


@pytest.mark.parametrize("missing", ["HealthService", "OMSDK", "OMCFG"])
def test_the_services_are_resources_before_the_cluster_is_installed(clock: Clock, missing: str) -> None:
    node = joining(clock, "InstallCluster", ASKS, **FIRST)
    del node.resources[missing]
    predicted = run("rms_cluster_node", Connection(node), True, first=True, **NODE)
    assert (predicted["changed"], predicted.get("failed", False)) == (True, False)
    result = run("rms_cluster_node", Connection(node), first=True, **NODE)
    assert (result["failed"], result["changed"], missing in result["msg"]) == (True, False, True)
    assert changes(node) == []


@pytest.mark.parametrize(("words", "joins"), [({}, False), ({"Aktiv": "up"}, True)])
def test_the_resources_are_found_whatever_cluster_exe_calls_states(
    clock: Clock, words: dict[str, str], joins: bool
) -> None:
    node = joining(clock, "InstallCluster", ASKS, nodes={"CASTOR": "Aktiv", "POLLUX": "Aktiv"}, **FIRST)
    result = run("rms_cluster_node", Connection(node), first=True, state_words=words, **NODE)
    assert (result["changed"], bool(changes(node))) == (joins, joins)
    assert joins or "state_words" in result["msg"]


def test_a_further_node_joins_without_a_look_at_the_resources(clock: Clock) -> None:
    node = joining(clock, "AddRMSNode", ASKS, **ORDINARY)
    node.resources.clear()
    assert run("rms_cluster_node", Connection(node), first=False, **NODE)["changed"] is True


@pytest.mark.parametrize(
    ("fields", "first", "words"),
    [
        (
            {"services": {"ClusSvc": ("stopped", "auto")}},
            False,
            "the cluster service (ClusSvc) does not run on this server",
        ),
        ({"tools": []}, False, "ManagementServerConfigTool.exe is not in"),
        ({"fingerprint": None}, False, "the group's key is not on this server"),
        ({}, True, "the registry does not call this server the RMS"),
    ],
)
def test_a_server_that_is_not_ready(clock: Clock, fields: dict[str, Any], first: bool, words: str) -> None:
    node = RecordedNode(clock, **{**ORDINARY, **fields})
    result = run("rms_cluster_node", Connection(node), first=first, **NODE)
    assert words in result["msg"]
    assert (result["changed"], changes(node)) == (False, [])
    assert bool(run("rms_cluster_node", Connection(node), True, first=first, **NODE).get("failed")) is (
        "services" in fields
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"virtual_server": "rmsvs.odyssey.com"}, "'rmsvs.odyssey.com' is not a NetBIOS name"),
        ({"virtual_server": "rmsvs&del"}, "'rmsvs&del' is not a NetBIOS name"),
        ({"virtual_server": "a-name-of-sixteen"}, "is not a NetBIOS name"),
        ({"disk": "X"}, "'X' is not a drive"),
        ({"disk": "X:\\& del"}, "is not a drive"),
        ({"cluster_prompt": "(Y"}, "cluster_prompt is not a regular expression"),
    ],
)
def test_options_are_checked_before_anything_is_opened(arguments: dict[str, str], words: str) -> None:
    assert (
        words in run("rms_cluster_node", Connection(None, AssertionError("was opened")), **{**NODE, **arguments})["msg"]
    )


def test_a_tool_without_effect(clock: Clock) -> None:
    node = joining(
        clock, "AddRMSNode", [Ends(1, b"The virtual server was not found.")], works=False, seconds=1, **ORDINARY
    )
    result = run("rms_cluster_node", Connection(node), **NODE)
    assert (
        "IsRootHealthService is not 1 and the key Parent Health Services is there; it wrote: The virtual server was not found"
        in result["msg"]
    )
    assert result["changed"] is True


def test_a_tool_that_asks_something_else(clock: Clock) -> None:
    node = joining(clock, "AddRMSNode", [b"Enter the magic word:", Silence(1000)], works=False, **ORDINARY)
    result = run("rms_cluster_node", Connection(node), **NODE)
    assert "Enter the magic word:" in result["msg"]
    assert result["changed"] is False


def test_a_first_node_without_visible_effect(clock: Clock) -> None:
    node = joining(clock, "InstallCluster", [Ends(0, b"The disk is not here.")], works=False, seconds=1, **FIRST)
    result = run("rms_cluster_node", Connection(node), first=True, **NODE)
    assert (
        "none of the services has the start mode demand, as they have on a node; it wrote: The disk is not here"
        in result["msg"]
    )
    assert (
        "Set the start mode of HealthService to manual and rerun if the operational database calls rmsvs the RMS"
        in result["msg"]
    )
    assert {mode for name, (_state, mode) in node.services.items() if name != "ClusSvc"} == {"auto"}


@pytest.mark.parametrize("first", [False, True])
def test_services_that_start_by_themselves_are_left_to_the_cluster(clock: Clock, first: bool) -> None:
    node = RecordedNode(clock, services={"OMSDK": RUNS})
    predicted = run("rms_cluster_node", Connection(node), True, first=first, **NODE)
    result = run("rms_cluster_node", Connection(node), first=first, **NODE)
    assert (result["changed"], result["command"], result["diff"]) == (True, None, predicted["diff"])
    assert (node.services["OMSDK"], changes(node)) == (("running", "demand"), [])


def test_a_tool_that_runs_already_is_waited_for(clock: Clock) -> None:
    node = RecordedNode(clock, promotion_running=[True, True], **ORDINARY)
    respond = node.protocol._respond

    def ends(command: str) -> Script:
        if "ping" in command and not node.promotion_running:
            node.is_rms, node.has_parent = True, False
            node.services.update(dict.fromkeys(("HealthService", "OMSDK", "OMCFG"), ("stopped", "demand")))
        return respond(command)

    node.protocol._respond = ends
    result = run("rms_cluster_node", Connection(node), **NODE)
    assert (result["changed"], result.get("failed", False), changes(node)) == (False, False, [])


def test_a_tool_that_runs_on_and_on_is_not_started_twice(clock: Clock) -> None:
    node = RecordedNode(clock, promotion_running=[True] * 1000, seconds=3, **ORDINARY)
    result = run("rms_cluster_node", Connection(node), **NODE)
    assert "ManagementServerConfigTool.exe runs on this server already and does not end" in result["msg"]
    assert changes(node) == []
