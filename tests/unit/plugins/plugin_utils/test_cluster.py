# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What cluster.exe writes is read as it is meant, and orders are waited for as long as the cluster works on them."""

from __future__ import annotations

import pytest
from unit.plugins import case_files
from unit.plugins.plugin_utils.doubles import Clock
from unit.plugins.plugin_utils.recorded_node import RecordedNode, RecordedResource, table

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.cluster.group import (
    LOOK_SECONDS,
    STATES,
    ClusterGroup,
    ClusterHost,
    Resource,
    StateWords,
    error_number,
    refused,
    split_names,
    split_node,
    split_row,
    table_rows,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.windows.host import WindowsHost
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs import shell as winrs
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.shell import Shell

STEP = "look after it"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(winrs, "time", clock)
    return clock


def host(node: RecordedNode) -> ClusterHost:
    return ClusterHost(WindowsHost(Shell(node.protocol, "shell")), STEP)


def test_rows_are_what_follows_the_dashes_up_to_an_empty_line() -> None:
    text = table(
        "Irgendein Satz:",
        [("Gruppe", 20), ("Knoten", 15), ("Status", 6)],
        [("RMS", "CASTOR", "Online"), ("Other", "POLLUX", "Offline")],
    )
    assert [row.split() for row in table_rows(text + "One more sentence.\r\n")] == [
        ["RMS", "CASTOR", "Online"],
        ["Other", "POLLUX", "Offline"],
    ]


@pytest.mark.parametrize(
    "text",
    ["", "The command completed successfully.\r\n", "Group Node Status\r\n------\r\nRMS CASTOR Online\r\n"],
)
def test_without_a_line_of_dashes_there_is_no_table(text: str) -> None:
    assert table_rows(text) == []


ENGLISH = StateWords(STEP)
NODES = ["CASTOR", "POLLUX"]


@pytest.mark.parametrize("word", STATES)
@pytest.mark.parametrize(
    "front", ["A group with blanks", "CASTOR", "Disk of POLLUX", "A name that is longer than its column is wide"]
)
def test_every_state_stands_behind_the_node(word: str, front: str) -> None:
    for node in ("CASTOR", "pollux"):
        assert split_row(ENGLISH, f"{front:20} {node:15} {word} ", NODES) == (front, node, STATES[word])


@pytest.mark.parametrize(
    "word",
    [
        "Teilweise online",
        "Parcialmente Online",
        "En attente Offline",
        "Partiellement en ligne",
        "En línea",
        "В сети",
        "联机",
    ],
)
def test_a_state_of_another_language_is_an_error_that_shows_it(word: str) -> None:
    """Also one whose last word is an English state."""
    with pytest.raises(OpsmgrError) as caught:
        split_row(ENGLISH, f"RMS                  CASTOR          {word}", NODES)
    assert repr(word) in caught.value.found
    assert "state_words" in caught.value.what_to_do


def test_what_a_user_says_of_the_words() -> None:
    words = StateWords(STEP, {"Parcialmente en línea": "partially_online", "En  línea": "online", "Activo": "up"})
    assert words.problem() is None
    assert split_row(words, "RMS   CASTOR   parcialmente  EN línea", NODES) == ("RMS", "CASTOR", "partially_online")
    assert split_row(words, "RMS   CASTOR   Online", NODES) == ("RMS", "CASTOR", "online")
    assert split_node(words, "CASTOR               1 Activo") == ("CASTOR", "up")
    assert "'Activo' is said to mean 'on'" in str(StateWords(STEP, {"Activo": "on"}).problem())


@pytest.mark.parametrize("row", ["RMS   ATHENA   Online", "RMS   Online", "RMS", "CASTOR   Online"])
def test_a_row_without_a_node_that_is_known_is_not_guessed(row: str) -> None:
    with pytest.raises(OpsmgrError, match="a row that is not understood"):
        split_row(ENGLISH, row, NODES)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("NODE1                1 Up", ("NODE1", "up")),
        ("ABCDEFGHIJKLMNO     12 Paused", ("ABCDEFGHIJKLMNO", "paused")),
    ],
)
def test_a_node(row: str, expected: tuple[str, str]) -> None:
    assert split_node(ENGLISH, row) == expected


def test_a_node_in_a_state_of_two_words() -> None:
    with pytest.raises(OpsmgrError, match="'Fuera de servicio'"):
        split_node(ENGLISH, "NODE1                1 Fuera de servicio")


def test_tables_as_they_were_found() -> None:
    """The name of a resource is longer than its column."""
    text = {what: case_files.text(f"cluster_{what}.txt") for what in ("node", "group", "resource")}
    nodes = dict(split_node(ENGLISH, row) for row in table_rows(text["node"]))
    assert nodes == {"NODE1": "up", "NODE2": "up"}
    groups = [split_row(ENGLISH, row, nodes) for row in table_rows(text["group"])]
    assert groups == [("Cluster Group", "NODE1", "online"), ("RMS Group", "NODE1", "online")]
    fronts = [split_row(ENGLISH, row, nodes)[0] for row in table_rows(text["resource"])]
    assert [split_names(front, [name for name, _node, _state in groups]) for front in fronts] == [
        ("SQL Network Name (HYDRAV)", "RMS Group"),
        ("SQL Server (I1)", "RMS Group"),
    ]


def test_an_error_of_the_cluster_itself() -> None:
    assert error_number("System error 5065 has occurred (0x000013c9).\r\nThe cluster network is not available.") == 5065


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("System error 5007 has occurred (0x0000138f).\r\nThe cluster resource could not be found.", 5007),
        ("Systemfehler 5013 aufgetreten (0x00001395).", 5013),
        ("'cluster' is not recognized as an internal or external command", None),
    ],
)
def test_the_number_of_an_error(text: str, number: int | None) -> None:
    assert error_number(text) == number


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        (
            "System error 1753 has occurred (0x000006d9).",
            "Start the cluster service (ClusSvc) of this node, or ask another node.",
        ),
        ("System error 5 has occurred (0x00000005).", "Use an account that may administer the cluster."),
        ("System error 5019 has occurred (0x0000139b).", "Take the group offline first"),
        ("", "it wrote nothing. Fix this in the cluster, then rerun."),
    ],
)
def test_what_to_do_about_an_error(text: str, advice: str) -> None:
    assert advice in str(refused(STEP, "do it", text))


def test_the_cluster_is_seen_in_one_round_trip(clock: Clock) -> None:
    node = RecordedNode(clock, nodes={"CASTOR": "Up", "POLLUX": "Paused"})
    seen = host(node).observe()
    assert seen.nodes == {"CASTOR": "up", "POLLUX": "paused"}
    assert seen.groups == [
        ClusterGroup("Cluster Group", "POLLUX", "online"),
        ClusterGroup("RMS", "CASTOR", "online"),
    ]
    assert seen.resources[-1] == Resource("Cluster IP Address", "Cluster Group", "online")
    assert [resource.name for resource in seen.members("rms")] == [
        "RMS Disk",
        "RMS Name",
        "HealthService",
        "OMSDK",
        "OMCFG",
    ]
    assert len(node.commands) == 1


def test_names_that_are_longer_than_their_columns(clock: Clock) -> None:
    long = "System Center Management Configuration"
    node = RecordedNode(clock)
    node.resources[long] = RecordedResource("Online Pending", "OMCFG", [long, "RMS Disk"])
    cluster = host(node)
    assert cluster.observe().resource(long.upper()) == Resource(long, "RMS", "online_pending")
    assert cluster.service_names([long, "OMSDK", "RMS Disk"]) == {long: "OMCFG", "OMSDK": "OMSDK", "RMS Disk": None}
    assert cluster.dependencies([long]) == {long: [long, "RMS Disk"]}


def test_a_cluster_that_does_not_answer(clock: Clock) -> None:
    with pytest.raises(OpsmgrError, match=r"There are no more endpoints .* Start the cluster service"):
        host(RecordedNode(clock, answers=False)).observe()


def test_a_group_or_a_node_that_is_not_there_is_named_beside_those_that_are(clock: Clock) -> None:
    cluster = host(RecordedNode(clock, nodes={"CASTOR": "Up", "POLLUX": "Down"}))
    with pytest.raises(OpsmgrError, match="no group 'SQL', only: Cluster Group, RMS"):
        cluster.require_group("SQL")
    with pytest.raises(OpsmgrError, match="no node 'hydra', only: CASTOR, POLLUX"):
        cluster.require_up("hydra")
    with pytest.raises(OpsmgrError, match="the node pollux is down"):
        cluster.require_up("pollux")
    cluster.require_up("castor")


@pytest.mark.parametrize("looks", [0, 1, 40])
def test_an_order_is_waited_for_as_long_as_the_cluster_works_on_it(clock: Clock, looks: int) -> None:
    node = RecordedNode(clock, looks=looks)
    cluster = host(node)
    cluster.take_offline("rms", 300)
    assert cluster.require_group("RMS").state == "offline"
    assert sum("cluster group)" in command for command in node.commands) == looks + 1


def test_a_resource_that_fails_is_named_first(clock: Clock) -> None:
    node = RecordedNode(clock, failing="OMSDK")
    node.goes("Offline")
    node.resources["RMS Disk"].state = "Offline"
    with pytest.raises(OpsmgrError) as caught:
        host(node).bring_online("RMS", 300)
    assert caught.value.found == (
        "the group RMS is failed on CASTOR and not online; the resource OMSDK is failed; cluster.exe wrote: The order was given."
    )
    assert "event logs of CASTOR" in caught.value.what_to_do


def test_when_the_cluster_gives_up_the_deadline_is_not_waited_for(clock: Clock) -> None:
    node = RecordedNode(clock, obeys=False)
    with pytest.raises(
        OpsmgrError, match=r"online on CASTOR and not offline; the resource RMS Disk is online, .*System error 5023"
    ):
        host(node).take_offline("RMS", 3000)
    assert sum(f"ping -n {LOOK_SECONDS + 1}" in command for command in node.commands) < 10


def test_a_cluster_that_never_stops_working_meets_the_deadline(clock: Clock) -> None:
    node = RecordedNode(clock, looks=10_000, seconds=LOOK_SECONDS)
    with pytest.raises(OpsmgrError, match="the group RMS is pending on CASTOR and not offline"):
        host(node).take_offline("RMS", 60)
    assert clock.now < 1100


@pytest.mark.parametrize("state", ["Online", "Offline", "Failed"])
def test_a_move_keeps_the_state(clock: Clock, state: str) -> None:
    node = RecordedNode(clock)
    node.goes(state)
    cluster = host(node)
    cluster.move("RMS", "pollux", 300)
    assert cluster.require_group("RMS") == ClusterGroup("RMS", "POLLUX", state.lower())


def test_a_group_that_does_not_stay_online(clock: Clock) -> None:
    node = RecordedNode(clock)
    cluster = host(node)
    cluster.stay_online("RMS", 5)
    node.resources["OMSDK"].state = "Failed"
    with pytest.raises(
        OpsmgrError, match="the group RMS is failed on CASTOR and not online; the resource OMSDK is failed"
    ):
        cluster.stay_online("RMS", 5)


def test_the_first_command_that_fails_is_named(clock: Clock) -> None:
    cluster = host(RecordedNode(clock))
    cluster.carry_out(['cluster resource "OMSDK" /create /group:"RMS" /type:"Generic Service"'])
    with pytest.raises(OpsmgrError, match=r'did not carry out cluster resource "None" /adddep:"A": System error 5007'):
        cluster.carry_out(['cluster resource "None" /adddep:"A"', 'cluster resource "None too" /adddep:"A"'])
