# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions of Operations Manager: what they are called, which of them this collection changes, and which key backup fits
which server.

This file is private to the collection: others must not import it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
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
        if not isinstance(text, str):
            raise VersionError(text)
        match = _PATTERN.match(text.strip())
        if match is None:
            raise VersionError(text)
        return cls(*(int(number) for number in match.groups("0")))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.build}.{self.revision}"

    @property
    def product(self) -> str:
        """C(2007 RTM) to C(2025), or C(unknown) for betas and other products."""
        found = _generation(self)
        if found is None:
            return UNKNOWN_PRODUCT
        return found.name

    @property
    def is_supported(self) -> bool:
        """Whether this collection changes servers and databases of this version.

        Betas of 2007 go by its rules. What is not in the table from 7.0 on is a release that nobody here has read about.
        """
        found = _generation(self)
        if found is None:
            return self < FIRST_WITHOUT_RMS
        return found.is_supported

    @property
    def is_sp1_or_later(self) -> bool:
        """Whether key backups of this server have the format that came with Service Pack 1 [book]."""
        return self >= SP1


RTM = ServerVersion(6, 0, 5000)
SP1 = ServerVersion(6, 0, 6278)
R2 = ServerVersion(6, 1, 7221)
# From 2012 on, all management servers are peers: there is no RMS, and the rules of 2007 are wrong for them [ms].
FIRST_WITHOUT_RMS = ServerVersion(7, 0, 0)


@dataclass(frozen=True)
class _Generation:
    """One release: its first version, the first one that is no longer it, and whether this collection changes it."""

    first: ServerVersion
    after: ServerVersion
    name: str
    is_supported: bool


# The one place that knows what is supported. Hotfixes raise build or revision inside a range [ms].
_GENERATIONS = (
    _Generation(RTM, SP1, "2007 RTM", is_supported=True),
    _Generation(SP1, ServerVersion(6, 1, 0), "2007 SP1", is_supported=True),
    _Generation(R2, ServerVersion(6, 2, 0), "2007 R2", is_supported=True),
    _Generation(FIRST_WITHOUT_RMS, ServerVersion(7, 1, 0), "2012", is_supported=False),
    _Generation(ServerVersion(7, 1, 0), ServerVersion(7, 2, 0), "2012 R2", is_supported=False),
    _Generation(ServerVersion(7, 2, 0), ServerVersion(7, 3, 0), "2016", is_supported=False),
    _Generation(ServerVersion(7, 3, 0), ServerVersion(7, 3, 13261), "1801", is_supported=False),
    _Generation(ServerVersion(7, 3, 13261), ServerVersion(7, 4, 0), "1807", is_supported=False),
    _Generation(ServerVersion(10, 19, 0), ServerVersion(10, 20, 0), "2019", is_supported=False),
    _Generation(ServerVersion(10, 22, 0), ServerVersion(10, 23, 0), "2022", is_supported=False),
    _Generation(ServerVersion(10, 25, 0), ServerVersion(10, 26, 0), "2025", is_supported=False),
)


def _generation(version: ServerVersion) -> _Generation | None:
    return next((each for each in _GENERATIONS if each.first <= version < each.after), None)


def unsupported(version: ServerVersion | None) -> str | None:
    """What is said where a version is found that this collection does not change; None for one that it does, and for one
    that is not known.
    """
    if version is None or version.is_supported:
        return None
    return (
        f"this is Operations Manager {_named(version)}, and this collection changes only Operations Manager 2007: "
        "see Microsoft's documentation of that version"
    )


def require_supported(step: str, version: ServerVersion | None) -> None:
    """Refuse a version that this collection does not change. Raises OpsmgrError."""
    found = unsupported(version)
    if found is not None:
        raise OpsmgrError(step, found, "")


def version_or_none(text: object) -> ServerVersion | None:
    """A version as somebody wrote it; None for anything else."""
    try:
        return ServerVersion.parse(str(text or ""))
    except VersionError:
        return None


def newest(texts: Iterable[object]) -> ServerVersion | None:
    """The newest of the versions that are written there, in an upgrade of a management group the one that it goes to;
    None without one.
    """
    known = [version for version in map(version_or_none, texts) if version is not None]
    return max(known, default=None)


def key_backup_problem(backup_version: ServerVersion, server_version: ServerVersion) -> str | None:
    """Say why a key backup made at one version must not be restored on another, or None when it may be.

    A backup from before SP1 does not restore on SP1 or later [book]. The other direction is refused too: nobody
    documents that the older tool reads the newer format [assumed]. From 2012 on, no backup of the key is documented at
    all: management servers have it from each other [ms].
    """
    made, now = _named(backup_version), _named(server_version)
    if max(backup_version, server_version) >= FIRST_WITHOUT_RMS:
        return f"the key backup was made on {made} and does not restore on {now}: only Operations Manager 2007 has such backups"
    if backup_version.is_sp1_or_later == server_version.is_sp1_or_later:
        return None
    if server_version.is_sp1_or_later:
        return f"the key backup was made on {made}, before Service Pack 1, and does not restore on {now}"
    return f"the key backup was made on {made} and does not restore on {now}, which is older than Service Pack 1"


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
