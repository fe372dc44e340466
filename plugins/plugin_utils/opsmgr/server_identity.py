# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a server is the one that the inventory means. What it says of itself decides where its backup goes, so it is
compared first.

Private to opsmgr.recovery.
"""

from __future__ import annotations

import ipaddress
import typing as t
from dataclasses import dataclass

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.module_utils.server_names import is_one_of, known_as

if t.TYPE_CHECKING:
    from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.server import ManagementServer

STEP = "compare the server with the inventory"


@dataclass(frozen=True)
class Expected:
    """What the inventory says of a server.

    :ivar host: its inventory name
    :ivar address: where it is reached, a name or an IP address
    :ivar management_group: the group it belongs to; empty or None when the inventory does not say
    :ivar computer_names: names it may have, where neither inventory name nor address is its own
    """

    host: str
    address: str = ""
    management_group: str | None = None
    computer_names: t.Sequence[str] = ()

    @property
    def names(self) -> list[str]:
        """The names that the server may give itself."""
        return [*self.computer_names] or [name for name in (self.host, self.address) if name and not is_address(name)]


def is_address(name: str) -> bool:
    """Whether it is an IP address, which no server calls itself."""
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def require_expected(server: ManagementServer, expected: Expected) -> None:
    """Refuse a server that is another one than the inventory means, or says so of itself.

    :raises OpsmgrError: it belongs to another management group, or has another name
    """
    # Names of management groups are case-sensitive [ms].
    if expected.management_group and server.management_group != expected.management_group:
        found = (
            f"the server says that it belongs to management group {server.management_group}, "
            f"and the inventory that it belongs to {expected.management_group}"
        )
        raise OpsmgrError(
            STEP,
            found,
            "Correct opsmgr_management_group or the address in the inventory, or find out why the server says so",
        )
    # Where the inventory has addresses alone, there is nothing to compare.
    if expected.names and not is_one_of(server.computer_name, known_as(expected.names)):
        found = f"the server calls itself {server.computer_name}, and the inventory calls it {' or '.join(dict.fromkeys(expected.names))}"
        raise OpsmgrError(
            STEP, found, "Correct the address in the inventory, or set computer_names if this is the right server"
        )
