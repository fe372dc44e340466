# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""BACKUP and RESTORE to disk files of the server's machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from lab.sql.batch import Statement
from lab.sql.messages import error

if TYPE_CHECKING:
    from lab.sql.engine import Engine


class Files(Protocol):
    """What backups are written to: a Windows host's file system fits."""

    def exists(self, path: str) -> bool:
        """Whether there is such a file."""

    def read(self, path: str) -> bytes:
        """A file's bytes."""

    def write(self, path: str, data: bytes) -> None:
        """Make or replace a file."""


class MemoryFiles:
    """Files of a server that is on no simulated machine."""

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}

    def exists(self, path: str) -> bool:
        """Whether there is such a file."""
        return path.lower() in self.content

    def read(self, path: str) -> bytes:
        """A file's bytes."""
        return self.content[path.lower()]

    def write(self, path: str, data: bytes) -> None:
        """Make or replace a file."""
        self.content[path.lower()] = data


def back_up(engine: Engine, statement: Statement) -> None:
    raise error(102, statement.head)


back_up_log = restore = verify = headers = file_list = label = back_up
