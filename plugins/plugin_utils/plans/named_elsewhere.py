# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What else may name a former RMS, which no step of this collection changes: pure decisions over what was observed.

Private to opsmgr.recovery. Nothing published says that any of it moves with the role by itself. The list follows what
people check before they remove a management server [field], and the documentation of agents, gateways and Active
Directory integration [ms]; docs/NIGHT.md says where each is looked for.
"""

from __future__ import annotations

import typing as t

from ansible_collections.opsmgr.recovery.plugins.module_utils.optional import phrase
from ansible_collections.opsmgr.recovery.plugins.module_utils.server_names import name_key

GUIDE = "docs/NIGHT.md, What else names the RMS"
UNSEEN = (
    "Active Directory integration (the account of the new RMS in the group given to MOMADAdmin)",
    "connectors",
    "notification channels and scheduled tasks with scripts or hardware there",
    "watcher nodes",
    "ACS",
    "certificates",
)


def named_elsewhere(old_rms: str, database: t.Mapping[str, t.Any]) -> list[str]:
    """Lines for a person.

    :param old_rms: the former RMS, a clustered one by the name of the virtual server
    :param database: what management_group_info observed
    """
    parents, servers = database.get("parents"), database.get("servers")
    if parents is not None:
        own = [parent for parent in parents if name_key(str(parent["name"])) == name_key(old_rms)]
        return [*(line for parent in own for line in _children(old_rms, parent)), _unseen(old_rms, ())]
    if servers is None:
        return [_unseen(old_rms, ("agents", "gateways"))]
    lines = []
    gateways = ", ".join(str(each["name"]) for each in servers if "gateway" in each["roles"])
    if gateways:
        lines.append(f"Gateways of this management group: {gateways}. See that none has {old_rms} as its only parent")
    return [*lines, _unseen(old_rms, ("agents that have no other management server",))]


def _children(old_rms: str, parent: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    """Who reports to it by the database; where they go without it, the database does not tell."""
    agents = phrase("{} agent(s)", parent["agents"])
    gateways = phrase("the gateway(s) {}", ", ".join(map(str, parent["gateways"])))
    if agents or gateways:
        yield (
            f"By the database, {' and '.join(filter(None, [agents, gateways]))} report to {old_rms} first. "
            f"See that each has another management server, too"
        )


def _unseen(old_rms: str, more: t.Iterable[str]) -> str:
    return f"Not looked at, and may still name {old_rms}: {'; '.join([*more, *UNSEEN])}. See {GUIDE}"
