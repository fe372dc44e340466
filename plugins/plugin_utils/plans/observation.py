# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was seen of a management group: its servers, its database. Every plan and every verdict is a decision over it.

Private to opsmgr.recovery.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import error_sentence
from ansible_collections.opsmgr.recovery.plugins.module_utils.server_names import name_key
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.reachability import (
    CANNOT_ASK,
    REACHABLE,
    REFUSED,
    reachability,
)

# What was seen of a management group, as an option: the results of management_server_info and of management_group_info.
SEEN_SPEC: dict[str, dict[str, t.Any]] = {
    "servers": {"type": "list", "elements": "dict", "required": True},
    "database": {"type": "dict", "required": True},
}


@dataclass(frozen=True)
class ServerObservation:
    """What was observed on one host of the inventory: `server` is management_server_info's, None when it could not be
    looked at.
    """

    host: str
    server: t.Mapping[str, t.Any] | None
    trouble: str | None
    reachability: str = REACHABLE

    @classmethod
    def from_result(cls, result: t.Mapping[str, t.Any]) -> ServerObservation:
        """From one result of a loop over hosts with management_server_info."""
        host, server = str(result["item"]), result.get("server")
        if server:
            return cls(host, server, None)
        return cls(
            host, None, str(result.get("problem") or result.get("msg") or "it did not answer"), _reachability(result)
        )

    @property
    def told(self) -> t.Mapping[str, t.Any]:
        """What the server said of itself: nothing when it could not be looked at."""
        return self.server or {}

    @property
    def name(self) -> str:
        """The NetBIOS name if known, else the inventory's name, for comparing."""
        return name_key(self.told.get("computer_name", self.host))

    @property
    def is_rms(self) -> bool:
        """Whether the server's own registry calls it the RMS."""
        return bool(self.told.get("is_rms"))

    def runs(self, service: str) -> bool:
        """Whether a service was seen running."""
        return bool(self.told.get("services", {}).get(service, {}).get("state") == "running")


@dataclass(frozen=True)
class Observation:
    """What was observed on the servers and in the database."""

    servers: t.Sequence[ServerObservation]
    database: t.Mapping[str, t.Any]

    @classmethod
    def from_results(cls, seen: t.Mapping[str, t.Any]) -> Observation:
        """From an option that SEEN_SPEC describes."""
        return cls([ServerObservation.from_result(look) for look in seen["servers"]], seen["database"])

    def who_is_rms(self) -> list[str]:
        """The names of the servers that the database calls the RMS: exactly one in a healthy group."""
        return [server["name"] for server in self.database.get("servers") or [] if "rms" in server["roles"]]

    def unsupported(self, step: str) -> list[str]:
        """A sentence for each version that was found and that this collection does not change, with the hosts that have
        it: then nothing else needs to be judged, by rules that do not hold there.
        """
        hosts: dict[str, list[str]] = {}
        for look in self.servers:
            found = look.told.get("unsupported")
            if found:
                hosts.setdefault(found, []).append(look.host)
        by_database = self.database.get("unsupported")
        if by_database and not hosts:
            hosts[by_database] = ["database"]
        return [error_sentence(", ".join(names), step, found, "") for found, names in hosts.items()]

    def on_host(self, host: str) -> ServerObservation | None:
        """What was seen of a host of the inventory."""
        return next((each for each in self.servers if each.host == host), None)

    def told_by(self, host: str) -> t.Mapping[str, t.Any]:
        """What a host of the inventory said of itself: nothing when it was not asked or could not be looked at."""
        look = self.on_host(host)
        if look is None:
            return {}
        return look.told

    def unseen(self, *apart: str | None) -> list[ServerObservation]:
        """The hosts that could not be looked at, but those named."""
        others = [look for look in self.servers if look.host not in apart]
        return [look for look in others if look.server is None]

    def why_unseen(self, host: str) -> str:
        """Of a host that could not be looked at, or was not."""
        look = self.on_host(host)
        if look is None:
            return "it is not among the servers of this management group in the inventory"
        return str(look.trouble)

    def named(self, name: str) -> ServerObservation | None:
        """What was seen of the host that the database calls `name` (an FQDN as a rule)."""
        return next((each for each in self.servers if each.name == name_key(name)), None)


def _reachability(result: t.Mapping[str, t.Any]) -> str:
    """Of a server that could not be looked at. One whose look failed half way was there."""
    if result.get("unreachable"):
        return reachability(result.get("msg"))
    told = str(result.get("reachability") or REACHABLE)
    if told != REACHABLE:
        return told
    return REFUSED if result.get("msg") else CANNOT_ASK
