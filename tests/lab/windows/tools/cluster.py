# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
r"""cluster.exe: ``cluster [[/cluster:]name] node|group|resource [name] [/option[:value] ...]`` and ``cluster [name] /quorum``.

Tables are those of published listings [field]; a name longer than its column pushes the rest of the line to the right
[assumed].  Options may be shortened as documented (``/stat``, ``/on``, ``/off``, ``/move``, ``/prop``, ``/priv``, ``/listdep``,
``/adddep``, ``/removedep``) [ms].  What cluster.exe says goes to standard output, errors too; the exit code is the Win32 error
[ms], 87 for a command line it does not understand [assumed].

Bringing online, taking offline and moving wait ten seconds, or as long as ``/wait[:seconds]`` says [ms]; what is not done by
then goes on without cluster.exe, which ends with 997 [assumed], and what has failed by then with 5038 [assumed].
Host setting ``cluster_wait_seconds``: another number for the ten; ``cluster_states``: what states are called, by their English
words, for a Windows of another language [assumed: no such listing was found].
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ...cluster.cluster import Cluster
from ...cluster.resources import Group, Node, Resource
from ..errors import Win32Error, message
from ..process import Process, Program

FILE = "cluster.exe"
_WAIT_SECONDS = 10
_POLL_SECONDS = 0.05
_PENDING = 997
_ENDPOINT_NOT_REGISTERED = 1753
_STORED_FOR_LATER = 5024
_RESOURCE_FAILED = 5038
_INVALID = 87
_NOUNS = {"node": "node", "group": "group", "res": "resource", "resource": "resource"}
_OPTIONS = {
    "/stat": "status", "/status": "status", "/on": "online", "/online": "online", "/off": "offline", "/offline": "offline",
    "/move": "moveto", "/moveto": "moveto", "/wait": "wait", "/create": "create", "/delete": "delete", "/fail": "fail",
    "/group": "group", "/type": "type", "/prop": "prop", "/properties": "prop", "/priv": "priv", "/privproperties": "priv",
    "/listdep": "listdep", "/listdependencies": "listdep", "/adddep": "adddep", "/adddependency": "adddep",
    "/removedep": "removedep", "/removedependency": "removedep", "/quorum": "quorum", "/quorumresource": "quorum",
}  # fmt: skip
USAGE = (
    "The syntax of this command is:",
    "",
    "CLUSTER [[/CLUSTER:]cluster-name] NODE [node-name] [/STATUS]",
    "CLUSTER [[/CLUSTER:]cluster-name] GROUP [group-name] [/option]",
    "CLUSTER [[/CLUSTER:]cluster-name] RES[OURCE] [resource-name] [/option]",
    "CLUSTER [[/CLUSTER:]cluster-name] /QUORUM",
)


class _SyntaxError(Exception):
    """The command line is not one of cluster.exe's."""


@dataclass
class _Request:
    """A command line: what it is about, the name, the options in their order, and ``name=value`` pairs."""

    process: Process
    cluster: Cluster
    noun: str = ""
    name: str = ""
    options: dict[str, str | None] = field(default_factory=dict)
    assignments: list[str] = field(default_factory=list)

    def takes(self, *allowed: str) -> None:
        """Refuse options beside these."""
        if set(self.options) - set(allowed):
            raise _SyntaxError

    def value(self, option: str) -> str:
        """What was given with an option that needs it."""
        value = self.options.get(option)
        if not value:
            raise _SyntaxError
        return value


def cluster_exe(cluster: Cluster) -> Program:
    """The program as it is on the nodes of a cluster."""

    def program(process: Process) -> int:
        try:
            request = _parse(process, cluster)
            action = _ACTIONS.get((request.noun, next(iter(request.options), "status")))
            if action is None or (request.assignments and not {"prop", "priv"} & set(request.options)):
                raise _SyntaxError
            if not process.session.is_admin:
                raise Win32Error(5)
            if not cluster.serves(process.host):
                raise Win32Error(_ENDPOINT_NOT_REGISTERED)
            return action(request)
        except _SyntaxError:
            process.say(*USAGE)
            return _INVALID
        except Win32Error as error:
            return _refused(process, error.code)

    return program


def _refused(process: Process, code: int) -> int:
    process.say("", f"System error {code} has occurred (0x{code:08x}).", message(code))
    return code


def _parse(process: Process, cluster: Cluster) -> _Request:
    request = _Request(process, cluster)
    words = process.argv[1:]
    if words and words[0].lower() not in _NOUNS and _option(words[0])[0] == "":
        called = words.pop(0)
        called = called[len("/cluster:") :] if called.lower().startswith("/cluster:") else called
        if called.startswith("/"):
            raise _SyntaxError
        if called.lower() not in (".", cluster.name.lower()):
            raise Win32Error(1722)
    if words and words[0].lower() in _NOUNS:
        request.noun = _NOUNS[words.pop(0).lower()]
    if words and not words[0].startswith("/"):
        request.name = words.pop(0)
    for word in words:
        option, value = _option(word)
        if option and option not in request.options:
            request.options[option] = value
        elif "=" in word and not word.startswith("/"):
            request.assignments.append(word)
        else:
            raise _SyntaxError
    return request


def _option(word: str) -> tuple[str, str | None]:
    name, colon, value = word.partition(":")
    return _OPTIONS.get(name.lower(), ""), value if colon else None


# What cluster.exe can do


def _node_status(request: _Request) -> int:
    request.takes("status")
    nodes = [request.cluster.node(request.name)] if request.name else request.cluster.nodes
    title = f"Listing status for node '{request.name}':" if request.name else "Listing status for all available nodes:"
    request.process.say(title, "")
    _say_table(
        request.process,
        (("Node", -14), ("Node ID", 7), ("Status", -21)),
        (_node_row(request, node) for node in nodes),
    )
    return 0


def _node_row(request: _Request, node: Node) -> tuple[str, ...]:
    return node.name, str(node.number), _called(request.process, request.cluster.state_of(node))


def _called(process: Process, state: str) -> str:
    return str((process.host.settings.get("cluster_states") or {}).get(state, state))


def _group_status(request: _Request) -> int:
    request.takes("status")
    groups = [request.cluster.group(request.name)] if request.name else request.cluster.groups
    title = (
        f"Listing status for resource group '{request.name}':"
        if request.name
        else "Listing status for all available resource groups:"
    )
    request.process.say(title, "")
    _say_groups(request.process, groups)
    return 0


def _group_online(request: _Request) -> int:
    request.takes("online", "wait")
    return _change_group(request, "Bringing resource group '{}' online...", _group_to_online)


def _group_to_online(request: _Request, group: Group) -> None:
    node = request.options["online"]
    request.cluster.online(group, request.cluster.node(node) if node else None)


def _group_offline(request: _Request) -> int:
    request.takes("offline", "wait")
    return _change_group(
        request, "Taking resource group '{}' offline...", lambda request, group: request.cluster.offline(group)
    )


def _group_move(request: _Request) -> int:
    request.takes("moveto", "wait")
    return _change_group(request, "Moving resource group '{}'...", _group_to_move)


def _group_to_move(request: _Request, group: Group) -> None:
    node = request.options["moveto"]
    request.cluster.move(group, request.cluster.node(node) if node else None)


def _change_group(request: _Request, sentence: str, change: Callable[[_Request, Group], None]) -> int:
    group = request.cluster.group(_needed(request.name))
    request.process.say("", sentence.format(group.name), "")
    change(request, group)
    code = _wait(request, lambda: group.state)
    _say_groups(request.process, [group])
    return _told(request.process, code)


def _group_create(request: _Request) -> int:
    request.takes("create")
    request.process.say("", f"Creating resource group '{_needed(request.name)}'...", "")
    _say_groups(request.process, [request.cluster.create_group(request.name)])
    return 0


def _group_delete(request: _Request) -> int:
    request.takes("delete")
    group = request.cluster.group(_needed(request.name))
    request.process.say("", f"Deleting resource group '{group.name}'...", "")
    request.cluster.delete_group(group)
    return 0


def _resource_status(request: _Request) -> int:
    request.takes("status")
    resources = [request.cluster.resource(request.name)] if request.name else request.cluster.resources()
    title = (
        f"Listing status for resource '{request.name}':"
        if request.name
        else "Listing status for all available resources:"
    )
    request.process.say(title, "")
    _say_resources(request, resources)
    return 0


def _resource_online(request: _Request) -> int:
    request.takes("online", "wait")
    return _change_resource(request, "Bringing resource '{}' online...", request.cluster.bring_online)


def _resource_offline(request: _Request) -> int:
    request.takes("offline", "wait")
    return _change_resource(request, "Taking resource '{}' offline...", request.cluster.take_offline)


def _resource_fail(request: _Request) -> int:
    request.takes("fail")
    return _change_resource(request, "Failing resource '{}'...", request.cluster.fail)


def _change_resource(request: _Request, sentence: str, change: Callable[[Resource], None]) -> int:
    resource = request.cluster.resource(_needed(request.name))
    request.process.say("", sentence.format(resource.name), "")
    change(resource)
    code = _wait(request, lambda: resource.state)
    _say_resources(request, [resource])
    return _told(request.process, code)


def _resource_create(request: _Request) -> int:
    request.takes("create", "group", "type")
    group, kind = request.cluster.group(request.value("group")), request.value("type")
    request.process.say("", f"Creating resource '{_needed(request.name)}'...", "")
    _say_resources(request, [request.cluster.create_resource(request.name, group, kind)])
    return 0


def _resource_delete(request: _Request) -> int:
    request.takes("delete")
    resource = request.cluster.resource(_needed(request.name))
    request.process.say("", f"Deleting resource '{resource.name}'...", "")
    request.cluster.delete_resource(resource)
    return 0


def _resource_list_dependencies(request: _Request) -> int:
    request.takes("listdep")
    resource = request.cluster.resource(_needed(request.name))
    request.process.say("", f"Listing resource dependencies for '{resource.name}':", "")
    _say_resources(request, [request.cluster.resource(name) for name in resource.depends])
    return 0


def _resource_add_dependency(request: _Request) -> int:
    request.takes("adddep")
    resource, needed = _two_resources(request, "adddep")
    request.process.say("", f"Making resource '{resource.name}' depend on resource '{needed.name}'...", "")
    request.cluster.add_dependency(resource, needed)
    return 0


def _resource_remove_dependency(request: _Request) -> int:
    request.takes("removedep")
    resource, needed = _two_resources(request, "removedep")
    request.process.say("", f"Removing the dependency of resource '{resource.name}' on resource '{needed.name}'...", "")
    request.cluster.remove_dependency(resource, needed)
    return 0


def _two_resources(request: _Request, option: str) -> tuple[Resource, Resource]:
    return request.cluster.resource(_needed(request.name)), request.cluster.resource(request.value(option))


def _resource_private(request: _Request) -> int:
    request.takes("priv")
    return _properties(request, "private properties", lambda resource: resource.private, lambda resource: ())


def _resource_common(request: _Request) -> int:
    request.takes("prop")

    def fixed(resource: Resource) -> tuple[tuple[str, str], ...]:
        return ("Name", resource.name), ("Type", resource.type.name), ("PersistentState", str(int(resource.wanted)))

    return _properties(request, "properties", lambda resource: resource.common, fixed)


def _properties(
    request: _Request,
    what: str,
    kept: Callable[[Resource], dict[str, str]],
    fixed: Callable[[Resource], Sequence[tuple[str, str]]],
) -> int:
    """Show a resource's properties, or change those that were given."""
    resource = request.cluster.resource(_needed(request.name))
    if request.assignments:
        return _assign(request.process, resource, kept(resource), request.assignments)
    rows = [("SR", name, value) for name, value in fixed(resource)]
    rows += [("D" if value.isdigit() else "S", name, value) for name, value in kept(resource).items()]
    request.process.say("", f"Listing {what} for '{resource.name}':", "")
    columns = (("T", -2), ("Resource", -20), ("Name", -30), ("Value", -23))
    _say_table(request.process, columns, ((kind, resource.name, name, _shown(value)) for kind, name, value in rows))
    return 0


def _assign(process: Process, resource: Resource, properties: dict[str, str], assignments: Iterable[str]) -> int:
    """Change properties that the resource has; error 87 for others [assumed], 5024 when it is online [ms]."""
    known = {name.lower(): name for name in properties}
    pairs = [assignment.partition("=")[::2] for assignment in assignments]
    for name, value in pairs:
        old = properties.get(known.get(name.lower(), ""))
        if old is None or (old.isdigit() and not value.isdigit()):
            raise Win32Error(_INVALID)
    for name, value in pairs:
        properties[known[name.lower()]] = value
    return _told(process, _STORED_FOR_LATER if resource.state == "Online" else 0)


def _shown(value: str) -> str:
    return f"{value} (0x{int(value):x})" if value.isdigit() else value


def _quorum(request: _Request) -> int:
    request.takes("quorum")
    quorum = request.cluster.quorum
    row = (
        (quorum.name, f"{quorum.private['Drive']}\\MSCS\\", "4194304")
        if quorum
        else ("Majority Node Set", "", "4194304")
    )
    _say_table(request.process, (("Quorum Resource Name", -20), ("Device", -40), ("Max Log Size", -12)), [row])
    return 0


_ACTIONS: Mapping[tuple[str, str], Callable[[_Request], int]] = {
    ("node", "status"): _node_status,
    ("group", "status"): _group_status,
    ("group", "online"): _group_online,
    ("group", "offline"): _group_offline,
    ("group", "moveto"): _group_move,
    ("group", "create"): _group_create,
    ("group", "delete"): _group_delete,
    ("resource", "status"): _resource_status,
    ("resource", "online"): _resource_online,
    ("resource", "offline"): _resource_offline,
    ("resource", "fail"): _resource_fail,
    ("resource", "create"): _resource_create,
    ("resource", "delete"): _resource_delete,
    ("resource", "listdep"): _resource_list_dependencies,
    ("resource", "adddep"): _resource_add_dependency,
    ("resource", "removedep"): _resource_remove_dependency,
    ("resource", "priv"): _resource_private,
    ("resource", "prop"): _resource_common,
    ("", "quorum"): _quorum,
}
"""What the command is about and its first option -> what is done."""


def _needed(name: str) -> str:
    if not name:
        raise _SyntaxError
    return name


def _wait(request: _Request, state: Callable[[], str]) -> int:
    """Wait until the cluster has nothing left to do: 0, or why this is not what was asked for."""
    deadline = time.monotonic() + _patience(request)
    while not request.cluster.settle(0):
        if time.monotonic() >= deadline:
            return _PENDING
        request.process.sleep(_POLL_SECONDS)
    return _RESOURCE_FAILED if state() == "Failed" else 0


def _patience(request: _Request) -> float:
    if "wait" not in request.options:
        return float(request.process.host.settings.get("cluster_wait_seconds", _WAIT_SECONDS))
    seconds = request.options["wait"]
    if seconds and not seconds.isdigit():
        raise _SyntaxError
    return float(seconds) if seconds else math.inf


def _told(process: Process, code: int) -> int:
    return _refused(process, code) if code else 0


# Tables


def _say_groups(process: Process, groups: Iterable[Group]) -> None:
    rows = ((group.name, group.node.name, _called(process, group.state)) for group in groups)
    _say_table(process, (("Group", -20), ("Node", -15), ("Status", -6)), rows)


def _say_resources(request: _Request, resources: Iterable[Resource]) -> None:
    found = ((resource, request.cluster.group_of(resource)) for resource in resources)
    rows = (
        (resource.name, group.name, group.node.name, _called(request.process, resource.state))
        for resource, group in found
    )
    _say_table(request.process, (("Resource", -20), ("Group", -20), ("Node", -15), ("Status", -6)), rows)


def _say_table(process: Process, columns: Sequence[tuple[str, int]], rows: Iterable[tuple[str, ...]]) -> None:
    """Rows below a line of dashes; a column with a positive width is flush right [field]."""
    lines = [tuple(title for title, _width in columns), tuple("-" * abs(width) for _title, width in columns), *rows]
    for line in lines:
        cells = (
            cell.ljust(-width) if width < 0 else cell.rjust(width)
            for cell, (_title, width) in zip(line, columns, strict=True)
        )
        process.say(" ".join(cells).rstrip())
    process.say("")
