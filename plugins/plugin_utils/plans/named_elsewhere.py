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

GUIDE = "docs/NIGHT.md, What else names the RMS"
# Without what is looked at: gateways.
UNSEEN = (
    "agents that have no other management server",
    "Active Directory integration (the account of the new RMS in the group given to MOMADAdmin)",
    "connectors",
    "notification channels and scheduled tasks with scripts or hardware there",
    "watcher nodes",
    "ACS",
    "certificates",
)


def named_elsewhere(old_rms: str, gateways: t.Sequence[str] | None) -> list[str]:
    """Lines for a person; `gateways` are those of the management group, None when nobody could tell."""
    # One that is known not to be there is not worth a line.
    unseen = (*(["gateways"] if gateways is None else []), *UNSEEN)
    seen = (
        [f"Gateways of this management group: {', '.join(gateways)}. See that none has {old_rms} as its only parent"]
        if gateways
        else []
    )
    return [*seen, f"Not looked at, and may still name {old_rms}: {'; '.join(unseen)}. See {GUIDE}"]
