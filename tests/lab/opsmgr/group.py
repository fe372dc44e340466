# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A management group: its key, its Run As accounts, its databases, and the truth about who has what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lab.opsmgr.installation import Installation
from lab.opsmgr.key import encrypt_secret, new_key
from lab.opsmgr.operational_database import opens
from lab.opsmgr.setup import Membership
from lab.sql import opsmgr_schema
from lab.sql.server import SqlServer
from lab.topologies import GroupSpec
from lab.windows.host import WindowsHost


class ManagementGroup:
    """One management group.  ``key`` is what its secrets were encrypted with when it was made."""

    def __init__(self, spec: GroupSpec, root: str, servers: Sequence[str], host: WindowsHost, sql: SqlServer) -> None:
        self.spec = spec
        self.key = new_key()
        self._sql = sql
        self.membership = Membership(spec.name, root, host.fqdn, spec.database, spec.warehouse)

    @property
    def name(self) -> str:
        """The group's name."""
        return self.spec.name
