# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A virtual server as its WinRM clients see it: whichever node has the address answers, nobody does while it is
offline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..faults import Faults
from ..recorder import Recorder
from ..windows.host import User, WindowsHost
from ..windows.process import RunningCommand
from ..winrm.interfaces import LogonSession
from .cluster import Cluster
from .resources import Resource


class VirtualServer:
    """A host of the WinRM server: name and address are its own, everything else is the active node's."""

    def __init__(self, name: str, fqdn: str, cluster: Cluster, address: Resource) -> None:
        self.name, self.fqdn = name, fqdn
        self._cluster = cluster
        self._address = address

    @property
    def active(self) -> WindowsHost:
        """The node that has the group."""
        return self._cluster.group_of(self._address).node.host

    @property
    def address(self) -> str:
        """The virtual server's own address."""
        return self._address.private["Address"]

    @property
    def powered(self) -> bool:
        """Whether a node answers this address now."""
        return self.address in self.active.aliases and self.active.powered

    @property
    def profile(self) -> str:
        """The active node's Windows."""
        return self.active.profile

    @property
    def users(self) -> Sequence[User]:
        """The active node's accounts."""
        return self.active.users

    @property
    def settings(self) -> Mapping[str, Any]:
        """The active node's settings."""
        return self.active.settings

    @property
    def recorder(self) -> Recorder:
        """The lab's recorder."""
        return self.active.recorder

    @property
    def faults(self) -> Faults:
        """The lab's faults."""
        return self.active.faults

    def logon(self, user: str, password: str) -> LogonSession | None:
        """Log on to the active node."""
        return self.active.logon(user, password)

    def start_command(self, session: Any, command_line: str, **how: Any) -> RunningCommand:
        """Start a command line on the active node."""
        return self.active.start_command(session, command_line, **how)
