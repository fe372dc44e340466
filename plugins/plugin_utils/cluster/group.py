# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Windows server cluster seen through cluster.exe of one of its nodes: nodes, groups, resources, and orders to them.

Private to opsmgr.recovery. The only English words of a Windows tool that this collection needs are the states in
STATES: no exit code tells them. What another language calls them, a user can say.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.events import events_of
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.windows.host import Answer, Questions, WindowsHost, quote
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.shell import Deadline

UP = "up"
ONLINE = "online"
OFFLINE = "offline"
FAILED = "failed"
PENDING = "pending"
# What cluster.exe of an English Windows calls the states of nodes, groups and resources [ms].
STATES = {
    "Up": UP,
    "Down": "down",
    "Paused": "paused",
    "Joining": "joining",
    "Online": ONLINE,
    "Offline": OFFLINE,
    "Failed": FAILED,
    "Partially Online": "partially_online",
    "PartialOnline": "partially_online",
    "Pending": PENDING,
    "Online Pending": "online_pending",
    "Offline Pending": "offline_pending",
}
GENERIC_SERVICE = "Generic Service"
SERVICE_PROPERTY = "ServiceName"
# The services of a clustered RMS must take the virtual server's name for their computer's [assumed].
NAME_PROPERTY = "UseNetworkName"

# Win32 errors [ms].
ERROR_DEPENDENCY_ALREADY_EXISTS = 5003
ERROR_OBJECT_ALREADY_EXISTS = 5010
ERROR_RESOURCE_PROPERTIES_STORED = 5024
# An order that is carried out, or was before.
DONE = (ERROR_DEPENDENCY_ALREADY_EXISTS, ERROR_OBJECT_ALREADY_EXISTS, ERROR_RESOURCE_PROPERTIES_STORED)
ERROR_ADVICE = {
    5: "Use an account that may administer the cluster",
    1722: "Start the cluster service (ClusSvc) of this node, or ask another node",
    1753: "Start the cluster service (ClusSvc) of this node, or ask another node",
    5019: "Take the group offline first (opsmgr.recovery.rms_cluster_group), then rerun",
}
USUAL_ADVICE = "Fix this in the cluster, then rerun"

# Seconds between two looks, and how many looks in a row that show no change mean that the cluster has given up: it
# starts a resource that failed again by itself, and reports a group as pending while it works on it [ms].
LOOK_SECONDS = 2
STEADY_LOOKS = 5

_DASHES = re.compile(r"\s*-+( +-+)+\s*")
_ERROR_NUMBER = re.compile(r"\(0x([0-9a-fA-F]{1,8})\)")


@dataclass(frozen=True)
class ClusterGroup:
    """A group: the node that owns it, and its state."""

    name: str
    node: str
    state: str


@dataclass(frozen=True)
class Resource:
    """A resource of a group, and its state."""

    name: str
    group: str
    state: str


@dataclass(frozen=True)
class Cluster:
    """What the cluster said of itself at one moment. Names are looked up as Windows does, whatever their case."""

    nodes: t.Mapping[str, str]
    groups: t.Sequence[ClusterGroup]
    resources: t.Sequence[Resource]

    def group(self, name: str) -> ClusterGroup | None:
        """The group of that name, or None."""
        return next((group for group in self.groups if same(group.name, name)), None)

    def resource(self, name: str) -> Resource | None:
        """The resource of that name, in whatever group, or None."""
        return next((resource for resource in self.resources if same(resource.name, name)), None)

    def members(self, group: str) -> list[Resource]:
        """The resources of a group."""
        return [resource for resource in self.resources if same(resource.group, group)]


def same(one: str, other: str) -> bool:
    """Whether two names of a cluster mean the same."""
    return one.lower() == other.lower()


def table_rows(text: str) -> list[str]:
    """The rows of a table of cluster.exe: what follows the line of dashes, up to an empty line."""
    lines = iter(text.splitlines())
    for line in lines:
        if _DASHES.fullmatch(line):
            break
    rows = []
    for line in lines:
        if not line.strip():
            break
        rows.append(line.rstrip())
    return rows


@dataclass(frozen=True)
class StateWords:
    """What cluster.exe calls the states: in English, and as the user says. `step` is what an error says was being done."""

    step: str
    others: t.Mapping[str, str] = field(default_factory=dict)

    def state(self, what: str, word: str) -> str:
        """The state that a word means; `what` is in that state.

        :raises OpsmgrError: the state is not known
        """
        known = {name.lower(): state for name, state in {**STATES, **self.others}.items()}
        found = known.get(" ".join(word.split()).lower())
        if found is None:
            advice = (
                f"Set the option state_words to what this word means (only those of an English Windows are known: {', '.join(STATES)}), "
                "or do this step with the cluster's own administration tool"
            )
            raise OpsmgrError(self.step, f"cluster.exe wrote a state of {what} that is not known: {word!r}", advice)
        return found

    def problem(self) -> str | None:
        """What is wrong with the words of the user, or None."""
        states = sorted(set(STATES.values()))
        wrong = next((word for word, state in self.others.items() if state not in states), None)
        return (
            f"{wrong!r} is said to mean {self.others[wrong]!r}, which is not one of {', '.join(states)}"
            if wrong
            else None
        )


def split_node(words: StateWords, row: str) -> tuple[str, str]:
    """Name and state in a row of the table of nodes: the number between them tells them apart.

    :raises OpsmgrError: it is no such row, or the state is not known
    """
    found = re.fullmatch(r"(\S.*?)\s+\d+\s+(\S.*)", row.strip())
    if found is None:
        raise _unreadable(words.step, row)
    return found[1], words.state(f"the node {found[1]}", found[2])


def split_row(words: StateWords, row: str, nodes: t.Iterable[str]) -> tuple[str, str, str]:
    """Read a row of groups or resources: what stands before the node, the node, and the state.

    The node is known, and tells where the state begins: it may have several words, and a name that is longer than its
    column pushes the others away.

    :raises OpsmgrError: it contains none of the nodes, or the state is not known
    """
    names = "|".join(map(re.escape, sorted(nodes, key=len, reverse=True)))
    # The name of a group may have a node's in it: the last one is the column.
    found = re.fullmatch(rf"(\S.*)\s+({names})\s+(\S.*)", row.strip(), re.IGNORECASE) if names else None
    if found is None:
        raise _unreadable(words.step, row)
    return found[1].strip(), found[2], words.state(found[1].strip(), found[3])


def _unreadable(step: str, row: str) -> OpsmgrError:
    found = f"cluster.exe wrote a row that is not understood: {row.strip()!r}"
    return OpsmgrError(step, found, "Check the cluster with its own administration tool, and rerun when it is at rest")


def error_number(text: str) -> int | None:
    """The number in `System error 5007 has occurred (0x0000138f).`, in every language in parentheses."""
    found = _ERROR_NUMBER.search(text)
    return int(found[1], 16) if found else None


def refused(step: str, what: str, text: str) -> OpsmgrError:
    """The error for an order that cluster.exe did not carry out."""
    advice = ERROR_ADVICE.get(error_number(text) or 0, USUAL_ADVICE)
    return OpsmgrError(step, f"cluster.exe did not {what}: {text.strip() or 'it wrote nothing'}", advice)


class ClusterHost:
    """The cluster of a node. `step` is what an error says was being done.

    :ivar seen: what was observed last; None also after a look that failed
    """

    def __init__(self, windows: WindowsHost, step: str, state_words: t.Mapping[str, str] | None = None) -> None:
        """:param state_words: what cluster.exe calls states in the language of this Windows, and what they are"""
        self._windows = windows
        self._step = step
        self._words = StateWords(step, state_words or {})
        self._said = ""
        self.seen: Cluster | None = None

    def observe(self, after_seconds: int = 0) -> Cluster:
        """Look at the whole cluster in one round trip; `after_seconds` are waited on the server first.

        :raises OpsmgrError: the cluster does not answer, or a state is not known
        """
        self.seen = None
        questions = self._windows.questions(after_seconds)
        for what in ("node", "group", "resource"):
            questions.ask(what, f"cluster {what}")
        answers = self._windows.ask(questions)
        for what in ("node", "group", "resource"):
            if not answers[what].succeeded:
                raise refused(self._step, f"list the {what}s", answers[what].text)
        self.seen = self._read(answers)
        return self.seen

    def _read(self, answers: t.Mapping[str, Answer]) -> Cluster:
        nodes = dict(split_node(self._words, row) for row in table_rows(answers["node"].text))
        groups = [ClusterGroup(*parts) for parts in self._split(answers["group"], nodes)]
        by_length = sorted((group.name for group in groups), key=len, reverse=True)
        resources = []
        for front, _node, state in self._split(answers["resource"], nodes):
            name, group = split_names(front, by_length)
            resources.append(Resource(name, group, state))
        return Cluster(nodes, groups, resources)

    def _split(self, answer: Answer, nodes: t.Iterable[str]) -> list[tuple[str, str, str]]:
        return [split_row(self._words, row, nodes) for row in table_rows(answer.text)]

    def require_group(self, name: str) -> ClusterGroup:
        """The group as seen last.

        :raises OpsmgrError: no group has that name
        """
        cluster = self._latest()
        group = cluster.group(name)
        if group is None:
            known = ", ".join(each.name for each in cluster.groups)
            raise OpsmgrError(
                self._step,
                f"the cluster has no group {name!r}, only: {known}",
                "Correct the option group, then rerun",
            )
        return group

    def require_up(self, node: str) -> None:
        """Refuse a node that cannot take a group now.

        :raises OpsmgrError: the cluster, as seen last, has no such node, or it is not up
        """
        nodes = self._latest().nodes
        states = {name.lower(): state for name, state in nodes.items()}
        if node.lower() not in states:
            raise OpsmgrError(
                self._step,
                f"the cluster has no node {node!r}, only: {', '.join(nodes)}",
                "Correct the option node, then rerun",
            )
        if states[node.lower()] != UP:
            raise OpsmgrError(
                self._step,
                f"the node {node} is {states[node.lower()]}",
                "Start that server and its cluster service, or choose another node",
            )

    def _latest(self) -> Cluster:
        return self.seen or self.observe()

    def bring_online(self, group: str, timeout_seconds: float) -> None:
        """Bring a group online and wait for it. Ordered again, the cluster goes on with what is left.

        :raises OpsmgrError: it does not get there
        """
        self._order(group, "/online")
        self._settle(group, ONLINE, None, timeout_seconds)

    def take_offline(self, group: str, timeout_seconds: float) -> None:
        """Take a group offline and wait for it.

        :raises OpsmgrError: it does not get there
        """
        self._order(group, "/offline")
        self._settle(group, OFFLINE, None, timeout_seconds)

    def move(self, group: str, node: str, timeout_seconds: float) -> None:
        """Move a group to a node. What was online comes online there, what was offline stays so.

        :raises OpsmgrError: it does not get there
        """
        state = self.require_group(group).state
        self._order(group, f"/moveto:{quote(node)}")
        self._settle(group, state if state in (ONLINE, OFFLINE) else None, node, timeout_seconds)

    def prepared(self, group: str, services: t.Sequence[str]) -> bool:
        """Whether, as seen last, everything in a group is online but the resources of these services, which are
        offline.
        """
        apart = self._started_by(group, services)
        return all(
            resource.state == (OFFLINE if resource.name in apart else ONLINE)
            for resource in self._latest().members(group)
        )

    def prepare(self, group: str, services: t.Sequence[str], timeout_seconds: float) -> None:
        """Bring everything in a group online, in its order, but the resources of these services.

        :raises OpsmgrError: one of them does not get there
        """
        apart = self._started_by(group, services)
        for resource in [resource.name for resource in self._latest().members(group) if resource.name not in apart]:
            self._windows.shell.run(f"cluster resource {quote(resource)} /online")
        if not self._comes_about(lambda: self.prepared(group, services), group, timeout_seconds):
            raise self._not_settled(group, ONLINE, None)

    def _started_by(self, group: str, services: t.Sequence[str]) -> set[str]:
        """The resources of a group that start one of these services."""
        names = [resource.name for resource in self._latest().members(group)]
        wanted = {service.lower() for service in services}
        return {
            name
            for name, service in self.service_names(names).items()
            if service is not None and service.lower() in wanted
        }

    def stay_online(self, group: str, seconds: int) -> None:
        """Look once more after some seconds: a service can stop soon after it has started.

        :raises OpsmgrError: the group is no longer online
        """
        self.observe(after_seconds=seconds)
        if self.require_group(group).state != ONLINE:
            raise self._not_settled(group, ONLINE, None)

    def _order(self, group: str, order: str) -> None:
        """Give an order. Whether it is followed is looked at; what cluster.exe says of that is only of use when it is
        not.
        """
        # It waits 10 seconds at the most, 20 for a move, and then the order stands nevertheless [ms].
        answer = self._windows.shell.run(f"cluster group {quote(group)} {order}")
        self._said = " ".join((answer.stdout + answer.stderr).split()) if answer.exit_code else ""

    def _settle(self, name: str, state: str | None, node: str | None, timeout_seconds: float) -> None:
        """Wait until the group is as wanted; state None is any but pending."""

        def settled() -> bool:
            group = self.require_group(name)
            return (PENDING not in group.state if state is None else group.state == state) and (
                node is None or same(group.node, node)
            )

        if not self._comes_about(settled, name, timeout_seconds):
            raise self._not_settled(name, state, node)

    def _comes_about(self, wanted: t.Callable[[], bool], name: str, timeout_seconds: float) -> bool:
        """Look until it is as wanted, the cluster no longer works on the group, or the time is over."""
        deadline = Deadline(timeout_seconds)
        before, steady = None, 0
        while True:
            cluster = self.observe(after_seconds=0 if before is None else LOOK_SECONDS)
            if wanted():
                return True
            steady = steady + 1 if cluster == before and PENDING not in self.require_group(name).state else 0
            if steady >= STEADY_LOOKS or deadline.passed():
                return False
            before = cluster

    def _not_settled(self, name: str, state: str | None, node: str | None) -> OpsmgrError:
        group = self.require_group(name)
        wrong = [resource for resource in self._latest().members(name) if resource.state != state]
        # What failed first is the reason for the others.
        wrong.sort(key=lambda resource: resource.state != FAILED)
        found = f"the group {group.name} is {group.state} on {group.node} and not {state or 'settled'}{f' on {node}' if node else ''}"
        if wrong and state is not None:
            found += "; " + ", ".join(f"the resource {resource.name} is {resource.state}" for resource in wrong)
        if self._said:
            found += f"; cluster.exe wrote: {self._said}"
        events = events_of(resource.name for resource in wrong)
        advice = f"Check the Operations Manager and System event logs of {group.node}{events}, fix what they report, then rerun"
        return OpsmgrError(self._step, found, advice)

    def service_names(self, resources: t.Sequence[str]) -> dict[str, str | None]:
        """The service that each resource starts; None for one that starts none, or none yet."""
        answers = self._ask_resources(resources, "/priv")
        return {name: _service_name(answers[name].text) for name in resources}

    def dependencies(self, resources: t.Sequence[str]) -> dict[str, list[str]]:
        """The resources that each resource needs."""
        answers = self._ask_resources(resources, "/listdep")
        seen = self._latest()
        groups = sorted((group.name for group in seen.groups), key=len, reverse=True)
        return {
            name: [split_names(front, groups)[0] for front, _node, _state in self._split(answers[name], seen.nodes)]
            for name in resources
        }

    def _ask_resources(self, resources: t.Sequence[str], option: str) -> dict[str, Answer]:
        questions = Questions()
        for number, name in enumerate(resources):
            questions.ask(f"r{number}", f"cluster resource {quote(name)} {option}")
        answers = self._windows.ask(questions) if resources else {}
        for number, name in enumerate(resources):
            if not answers[f"r{number}"].succeeded:
                raise refused(self._step, f"tell about the resource {name} ({option})", answers[f"r{number}"].text)
        return {name: answers[f"r{number}"] for number, name in enumerate(resources)}

    def carry_out(self, commands: t.Sequence[str]) -> None:
        """Run commands of create_resource(), set_service() and add_dependency() in one round trip.

        :raises OpsmgrError: one of them failed, the first one is named
        """
        questions = Questions()
        for number, command in enumerate(commands):
            questions.ask(f"c{number}", command)
        answers = self._windows.order(questions)
        for number, command in enumerate(commands):
            answer = answers[f"c{number}"]
            if not answer.succeeded and error_number(answer.text) not in DONE:
                raise refused(self._step, f"carry out {command}", answer.text)


def create_resource(resource: str, group: str) -> str:
    """The command that creates a Generic Service resource, which is offline then."""
    return f"cluster resource {quote(resource)} /create /group:{quote(group)} /type:{quote(GENERIC_SERVICE)}"


def set_service(resource: str, service: str) -> str:
    """The command that says which service a Generic Service resource starts, under the name of the virtual server."""
    return f"cluster resource {quote(resource)} /priv {SERVICE_PROPERTY}={service} {NAME_PROPERTY}=1"


def add_dependency(resource: str, needed: str) -> str:
    """The command that has a resource need another one."""
    return f"cluster resource {quote(resource)} /adddep:{quote(needed)}"


def _service_name(text: str) -> str | None:
    """The service in a table of private properties: the name of the property is the same in every language."""
    for row in table_rows(text):
        found = re.search(rf".*\b{SERVICE_PROPERTY}\s+(\S+)$", row, re.IGNORECASE)
        if found:
            return found[1]
    return None


def split_names(front: str, groups: t.Sequence[str]) -> tuple[str, str]:
    """Resource and group in what stands before node and state; of the known groups, the longest first."""
    for group in groups:
        if front.lower().endswith(f" {group.lower()}"):
            return front[: -len(group)].strip(), front[-len(group) :]
    # Only when the group was created between two questions.
    name, _blank, group = front.rpartition(" ")
    return name.strip(), group
