# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may do what, by the rules of AWX 24 as far as these tests need them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

# Everybody who is logged in reads them; only superusers write them.
EVERYBODY_READS = ("credential_types", "instance_groups")
ONLY_SUPERUSERS = ("organizations", "credential_types", "instance_groups", "settings")
# A role that is more than another one holds it.
HOLDS: Mapping[str, tuple[str, ...]] = {
    "admin": ("admin", "execute", "approval", "read"), "execute": ("execute", "read"), "approval": ("approval", "read"), "read": ("read",),
}  # fmt: skip


@dataclass
class Person:
    """A user, by what AWX knows: superuser, administrator of these organizations, member of these teams."""

    username: str
    is_superuser: bool = False
    administers: set[int] = field(default_factory=set)
    teams: set[str] = field(default_factory=set)
