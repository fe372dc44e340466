# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The versions of Operations Manager 2007 that a topology can name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

_NAMES_2007 = MappingProxyType(
    {"HealthService": "OpsMgr Health Service", "OMSDK": "OpsMgr SDK Service", "OMCFG": "OpsMgr Config Service"}
)
_NAMES_R2 = MappingProxyType(
    {
        "HealthService": "System Center Management",
        "OMSDK": "System Center Data Access",
        "OMCFG": "System Center Management Configuration",
    }
)


@dataclass(frozen=True)
class Version:
    """One version: what Setup writes into the registry and what differs between them.

    Display names change with R2, key names never [ms].
    """

    name: str
    server_version: str
    product: str
    service_names: Mapping[str, str]

    @property
    def can_cluster_later(self) -> bool:
        """Whether a clustered root can be made in a management group that exists already: from R2 on [ms][field]."""
        return self.name == "R2"

    @property
    def key_generation(self) -> int:
        """Backups restore only within one generation: RTM is 1, SP1 and everything after it is 2 [book]."""
        return key_generation(self.server_version)


VERSIONS = (
    Version("RTM", "6.0.5000.0", "System Center Operations Manager 2007", _NAMES_2007),
    Version("SP1", "6.0.6278.0", "System Center Operations Manager 2007", _NAMES_2007),
    Version("R2", "6.1.7221.0", "System Center Operations Manager 2007 R2", _NAMES_R2),
)

_SP1 = (6, 0, 6278, 0)


def find_version(text: str) -> Version:
    """The version with this name (``SP1``) or ``ServerVersion`` (``6.0.6278.0``)."""
    for version in VERSIONS:
        if text.upper() == version.name or text == version.server_version:
            return version
    known = ", ".join(version.name for version in VERSIONS)
    raise ValueError(f"unknown Operations Manager version {text!r}; known are {known}")


def key_generation(server_version: str) -> int:
    """Which key backups a server of this version can restore: 1 before SP1, 2 from SP1 on [book]."""
    return 1 if is_before_sp1(server_version) else 2


def is_before_sp1(server_version: str) -> bool:
    """Whether this version is older than Service Pack 1."""
    return tuple(int(part) for part in server_version.split(".")) < _SP1
