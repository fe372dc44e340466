# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is in a database.

This file is private to the collection: others must not import it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.opsmgr.recovery.plugins.module_utils.management_group import Reader

# sys.dm_exec_sessions does not tell the database before SQL Server 2012 [ms]. Without VIEW SERVER STATE, only one's own
# session is shown.
SESSIONS = "SELECT spid, loginame, program_name, hostname FROM sys.sysprocesses WHERE dbid = DB_ID(?) AND spid <> @@SPID ORDER BY spid"


@dataclass(frozen=True)
class Session:
    """A session in a database: what a person needs to find whose it is."""

    number: int
    login: str
    program: str
    host: str

    def __str__(self) -> str:
        return f"session {self.number}: {self.login or 'unknown login'}, program {self.program or 'unknown'}, on {self.host or 'unknown host'}"


def read_sessions(reader: Reader, database: str) -> list[Session]:
    """The sessions of others in a database, as far as this login may see them. Raises SqlError."""
    return [
        Session(int(row["spid"]), *(str(row[name] or "").strip() for name in ("loginame", "program_name", "hostname")))
        for row in reader.rows(SESSIONS, database)
    ]


def sessions_result(sessions: Sequence[Session] | None) -> list[dict[str, Any]] | None:
    """What a module returns; None when they were not read."""
    if sessions is None:
        return None
    return [asdict(session) for session in sessions]


def sessions_text(sessions: Sequence[Session]) -> str:
    """The sessions in one line."""
    return "; ".join(str(session) for session in sessions)
