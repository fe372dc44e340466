# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions of Operations Manager 2007, and which key backup fits which server.

This file is private to the collection: others must not import it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError

# The twin of `version` in galaxy.yml, which an installed collection does not have.
COLLECTION_VERSION = "1.0.0"

UNKNOWN_PRODUCT = "unknown"

# Three or four numbers: the registry's ServerVersion has four [field].
_PATTERN = re.compile(r"([0-9]{1,9})\.([0-9]{1,9})\.([0-9]{1,9})(?:\.([0-9]{1,9}))?\Z")


class VersionError(OpsmgrError):
    """A text that is no version of Operations Manager. Field C(text): what was given."""

    def __init__(self, text: object) -> None:
        super().__init__(
            "read the OpsMgr version",
            f"{text!r} is not a version such as 6.0.6278.0",
            "Compare it with ServerVersion in the server's registry, below Microsoft Operations Manager\\3.0\\Setup",
        )
        self.text = text

    def __reduce__(self) -> tuple[type[VersionError], tuple[object]]:
        return type(self), (self.text,)


@dataclass(frozen=True, order=True)
class ServerVersion:
    """The ServerVersion of a management server: C(6.0.6278.0). Compares by its numbers."""

    major: int
    minor: int
    build: int
    revision: int = 0

    @classmethod
    def parse(cls, text: str) -> ServerVersion:
        """Read C(6.0.6278.0) or C(6.0.6278). Raises VersionError for everything else."""
        match = _PATTERN.match(text.strip()) if isinstance(text, str) else None
        if match is None:
            raise VersionError(text)
        return cls(*(int(number) for number in match.groups("0")))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.build}.{self.revision}"

    @property
    def product(self) -> str:
        """C(2007 RTM), C(2007 SP1), C(2007 R2), or C(unknown) for betas and other products."""
        for first, after, name in _PRODUCTS:
            if first <= self < after:
                return name
        return UNKNOWN_PRODUCT

    @property
    def is_sp1_or_later(self) -> bool:
        """Whether key backups of this server have the format that came with Service Pack 1 [book]."""
        return self >= SP1


RTM = ServerVersion(6, 0, 5000)
SP1 = ServerVersion(6, 0, 6278)
R2 = ServerVersion(6, 1, 7221)

# First version of a product, first version that is no longer it, name. Hotfixes raise build or revision inside a range
# [ms].
_PRODUCTS = (
    (RTM, SP1, "2007 RTM"),
    (SP1, ServerVersion(6, 1, 0), "2007 SP1"),
    (R2, ServerVersion(6, 2, 0), "2007 R2"),
)


def key_backup_problem(backup_version: ServerVersion, server_version: ServerVersion) -> str | None:
    """Say why a key backup made at one version must not be restored on another, or None when it may be.

    A backup from before SP1 does not restore on SP1 or later [book]. The other direction is refused too: nobody
    documents that the older tool reads the newer format [assumed].
    """
    if backup_version.is_sp1_or_later == server_version.is_sp1_or_later:
        return None
    if server_version.is_sp1_or_later:
        return f"the key backup was made on {_named(backup_version)}, before Service Pack 1, and does not restore on {_named(server_version)}"
    return f"the key backup was made on {_named(backup_version)} and does not restore on {_named(server_version)}, which is older than Service Pack 1"


def key_backup_warning(backup_version: ServerVersion, server_version: ServerVersion) -> str | None:
    """Say what is odd about restoring across versions that are not refused, or None when they are equal or refused."""
    if backup_version == server_version or key_backup_problem(backup_version, server_version):
        return None
    made, now = _named(backup_version), _named(server_version)
    return f"the key backup was made on {made} and the server is at {now}: it should restore, but a backup made after the upgrade is safer"


def _named(version: ServerVersion) -> str:
    if version.product == UNKNOWN_PRODUCT:
        return str(version)
    return f"{version.product} ({version})"
