# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node of a clustered RMS as far as the plugins see one: cluster.exe, and the registry that each node keeps for
itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from unit.plugins.plugin_utils.doubles import Ends, Script
from unit.plugins.plugin_utils.recorded_server import R, RecordedServer

PARENT = R.replace("HKEY_LOCAL_MACHINE", "HKLM") + r"\Server Management Groups\ODYSSEY\Parent Health Services"
NOT_RUNNING = "System error 1753 has occurred (0x000006d9).\r\nThere are no more endpoints available from the endpoint mapper.\r\n"
EXISTS = "System error 5010 has occurred (0x00001392).\r\nThe object already exists.\r\n"
NOT_FOUND = "System error 5007 has occurred (0x0000138f).\r\nThe cluster resource could not be found.\r\n"


def table(sentence: str, columns: Sequence[tuple[str, int]], rows: Sequence[Sequence[str]]) -> str:
    """What cluster.exe writes: a name that is longer than its column pushes the others away."""
    lines = [[name for name, _width in columns], ["-" * width for _name, width in columns], *rows]
    padded = [
        " ".join(text.ljust(width) for text, (_name, width) in zip(line, columns, strict=True)).rstrip()
        for line in lines
    ]
    return "\r\n".join(["", sentence, "", *padded, "", ""])


@dataclass
class RecordedResource:
    """A resource; `service` is None for one that is not a Generic Service."""

    state: str = "Online"
    service: str | None = None
    needs: list[str] = field(default_factory=list)
    group: str = "RMS"


def usual_resources() -> dict[str, RecordedResource]:
    services = {
        name: RecordedResource(service=name, needs=["RMS Name", "RMS Disk"])
        for name in ("HealthService", "OMSDK", "OMCFG")
    }
    for name in ("OMSDK", "OMCFG"):
        services[name].needs.append("HealthService")
    return {
        "RMS Disk": RecordedResource(),
        "RMS Name": RecordedResource(),
        **services,
        "Cluster IP Address": RecordedResource(group="Cluster Group"),
    }


@dataclass
class RecordedNode(RecordedServer):
    """Change a field to change the cluster. Orders take `looks` looks to be carried out; `failing` never comes online."""

    nodes: dict[str, str] = field(default_factory=lambda: {"CASTOR": "Up", "POLLUX": "Up"})
    owner: str = "CASTOR"
    resources: dict[str, RecordedResource] = field(default_factory=usual_resources)
    has_parent: bool = False
    looks: int = 2
    failing: str | None = None
    obeys: bool = True
    answers: bool = True
    exported: list[str] = field(default_factory=list)
    exports: bool = True
    pending: list[str] = field(default_factory=list)
    # What each command takes on the clock.
    seconds: float = 0

    def __post_init__(self) -> None:
        by_cluster = dict.fromkeys(("HealthService", "OMSDK", "OMCFG"), ("running", "demand"))
        self.services = {"ClusSvc": ("running", "auto"), **by_cluster, **self.services}
        super().__post_init__()

    def goes(self, state: str) -> None:
        """Bring the resources of the group into a state at once."""
        for resource in self._members():
            resource.state = state

    def _members(self) -> list[RecordedResource]:
        return [resource for resource in self.resources.values() if resource.group == "RMS"]

    @property
    def group_state(self) -> str:
        if self.pending:
            return "Pending"
        states = {resource.state for resource in self._members()}
        if len(states) == 1:
            return states.pop()
        return "Failed" if "Failed" in states else "Partially Online"

    def respond(self, command: str) -> Script:
        self.clock.pass_seconds(self.seconds)
        for part, answer in self._single().items():
            if command.startswith(part):
                return [Ends(*answer(command))]
        return super().respond(command)

    def _single(self) -> dict[str, Callable[[str], tuple[int, bytes]]]:
        """Commands that are no batch, by their beginning."""
        return {
            "cluster group": self._order,
            "cluster resource": self._start_resource,
            "reg query": self._query_parent,
            "if not exist": self._export,
        }

    def _start_resource(self, command: str) -> tuple[int, bytes]:
        [name] = re.findall(r'^cluster resource "([^"]+)" /online$', command)
        self.resources[name].state = "Failed" if name == self.failing else "Online"
        return 0, b""

    def _query_parent(self, command: str) -> tuple[int, bytes]:
        assert PARENT in command
        return (0 if self.has_parent else 1), b""

    def _export(self, command: str) -> tuple[int, bytes]:
        [path] = set(re.findall(r'"([^"]+\.reg)"', command))
        if not self.exports:
            return 0, b"[size ]\r\n"
        self.exported.append(path)
        return 0, b"[size 4711]\r\n"

    def _order(self, command: str) -> tuple[int, bytes]:
        if not self.obeys:
            return 5023, b"System error 5023 has occurred (0x0000139f).\r\n"
        verb, _colon, node = command.split(" /", 1)[1].partition(":")
        self.pending = ["look"] * self.looks
        if verb == "moveto":
            self.owner = node.strip('"').upper()
        else:
            self.goes(verb.capitalize())
        if verb == "online" and self.failing:
            self.resources[self.failing].state = "Failed"
        return 997, b"The order was given.\r\n"

    def _answer(self, command: str) -> tuple[bool, str]:
        if command.startswith("cluster "):
            return self._cluster(command) if self.answers else (False, NOT_RUNNING)
        if command.startswith("reg add") and "IsRootHealthService" in command:
            self.is_rms = True
            return True, ""
        if command.startswith("reg delete") and PARENT in command:
            self.has_parent = False
            return True, ""
        return (True, "CASTOR\r\n") if "COMPUTERNAME" in command else super()._answer(command)

    def _cluster(self, command: str) -> tuple[bool, str]:
        if command == "cluster node":
            rows = [(name, f"{number:>7}", state) for number, (name, state) in enumerate(self.nodes.items(), start=1)]
            return True, table(
                "Listing status for all available nodes:", [("Node", 14), ("Node ID", 7), ("Status", 21)], rows
            )
        if command == "cluster group":
            groups = [("Cluster Group", "POLLUX", "Online"), ("RMS", self.owner, self.group_state)]
            self.pending = self.pending[1:]
            return True, table(
                "Listing status for all available resource groups:",
                [("Group", 20), ("Node", 15), ("Status", 6)],
                groups,
            )
        if command == "cluster resource":
            return True, self._list(list(self.resources))
        return self._resource(command)

    def _list(self, names: list[str]) -> str:
        rows = [(name, self.resources[name].group, self.owner, self.resources[name].state) for name in names]
        return table(
            "Listing status for all available resources:",
            [("Resource", 20), ("Group", 20), ("Node", 15), ("Status", 6)],
            rows,
        )

    def _resource(self, command: str) -> tuple[bool, str]:
        found = re.fullmatch(r'cluster resource "([^"]+)" /(\w+)[ :]?(.*)', command)
        assert found, command
        name, verb, rest = found[1], found[2], found[3].replace('"', "")
        if verb == "create":
            if name in self.resources:
                return False, EXISTS
            self.resources[name] = RecordedResource(state="Offline", service="")
            return True, ""
        if name not in self.resources:
            return False, NOT_FOUND
        resource = self.resources[name]
        if verb == "priv":
            return True, self._private(name, resource, rest)
        if verb == "adddep":
            resource.needs.append(rest)
            return True, ""
        assert verb == "listdep"
        return True, self._list(resource.needs)

    @staticmethod
    def _private(name: str, resource: RecordedResource, setting: str) -> str:
        if setting:
            resource.service = re.fullmatch(r"ServiceName=(\w+) UseNetworkName=1", setting)[1]  # type: ignore[index]
            return ""
        rows = (
            [("S", name, "ServiceName", resource.service), ("S", name, "StartupParameters", "")]
            if resource.service is not None
            else []
        )
        columns = [("T", 2), ("Resource", 20), ("Name", 30), ("Value", 23)]
        return table(
            f"Listing private properties for '{name}':", columns, rows or [("D", name, "Signature", "1234 (0x4d2)")]
        )
