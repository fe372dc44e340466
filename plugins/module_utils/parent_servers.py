# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who reports to which management server first, by the operational database. Only reads.

Tables, columns and the kind of relationship are those of published queries of later versions [field], and of 2007 they
are assumed: an answer that cannot be had is no problem of the management group. Where an agent goes when its server does
not answer is not in this relationship.

This file is private to the collection: others must not import it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ansible_collections.opsmgr.recovery.plugins.module_utils.management_group import Reader
from ansible_collections.opsmgr.recovery.plugins.module_utils.sqlserver import SqlError

# Microsoft.SystemCenter.HealthServiceCommunication, whose id follows from its name [field].
COMMUNICATION = "37848E16-37A2-B81B-DAAF-60A5A626BE93"

# Agents are many, so they are counted; of a gateway the name is worth a row. A server that was deleted keeps its rows
# for a while, and may still be somebody's parent.
_GATEWAY = "CASE WHEN hs.IsGateway = 1 THEN child.DisplayName ELSE NULL END"
PARENTS = (
    f"SELECT parent.DisplayName AS Parent, {_GATEWAY} AS Gateway, COUNT(*) AS Children "
    "FROM dbo.Relationship AS r "
    "JOIN dbo.MTV_HealthService AS hs ON hs.BaseManagedEntityId = r.SourceEntityId "
    "JOIN dbo.BaseManagedEntity AS child ON child.BaseManagedEntityId = r.SourceEntityId "
    "JOIN dbo.BaseManagedEntity AS parent ON parent.BaseManagedEntityId = r.TargetEntityId "
    "WHERE r.RelationshipTypeId = ? AND r.IsDeleted = 0 AND child.IsDeleted = 0 "
    f"AND (hs.IsAgent = 1 OR hs.IsGateway = 1) GROUP BY parent.DisplayName, {_GATEWAY} ORDER BY 1, 2"
)


@dataclass
class ParentServer:
    """A management server, and who reports to it first."""

    name: str
    agents: int = 0
    gateways: list[str] = field(default_factory=list)


def read_parents(reader: Reader) -> list[ParentServer] | None:
    """Every server that somebody reports to; None when the database does not tell. Raises ConnectionProblem."""
    try:
        rows = reader.rows(PARENTS, COMMUNICATION)
    except SqlError:
        return None
    parents: dict[str, ParentServer] = {}
    for row in rows:
        _add(parents.setdefault(str(row["Parent"]), ParentServer(str(row["Parent"]))), row)
    return list(parents.values())


def _add(parent: ParentServer, row: dict[str, Any]) -> None:
    if row["Gateway"] is None:
        parent.agents += int(row["Children"])
    else:
        parent.gateways.append(str(row["Gateway"]))
