# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who closed a database: a run of this collection, or somebody else, whose business it is.

A run that sets SINGLE_USER leaves a note on the database first, in the same session, and removes it when the database
is open again. So a database in SINGLE_USER with the note was closed by a run that was killed. RESTRICTED_USER is
nothing that this collection sets.

This file is private to the collection: others must not import it.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from ansible_collections.opsmgr.recovery.plugins.module_utils.extended_properties import (
    ADD,
    DROP,
    PREFIX,
    Writer,
    add_property,
    drop_property,
    in_database,
    read_properties,
    update_property,
)
from ansible_collections.opsmgr.recovery.plugins.module_utils.management_group import DatabaseState, Reader
from ansible_collections.opsmgr.recovery.plugins.module_utils.sessions import Session, read_sessions, sessions_text
from ansible_collections.opsmgr.recovery.plugins.module_utils.sqlserver import SqlError
from ansible_collections.opsmgr.recovery.plugins.module_utils.utc import now_text

CLOSED_NOTE = PREFIX + "single_user"

# Which closed database may be opened: values of the option C(reopen).
OURS, ANYBODYS = "ours", "anybodys"


def reopen_spec() -> dict[str, dict[str, object]]:
    """The option of the modules that open a database. Its twin is plugins/doc_fragments/reopen.py."""
    return {"reopen": {"type": "str", "choices": [OURS, ANYBODYS], "default": OURS}}


def closed_by_us(reader: Reader, state: DatabaseState | None) -> bool | None:
    """Whether a run of this collection closed a database; False for one that is open, None when it cannot be told.
    Raises ConnectionProblem.
    """
    if state is None:
        return None
    if state.user_access != "SINGLE_USER":
        return False
    if state.state != "ONLINE":
        return None
    try:
        return has_closed_note(reader, state.name)
    except SqlError:
        # The only seat is taken, as a rule (924).
        return None


@dataclass(frozen=True)
class Closed:
    """What is known of a closed database: whether a run of this collection closed it, and who is in it; None where it
    cannot be told.
    """

    by_us: bool | None = None
    sessions: list[Session] | None = None


def read_closed(reader: Reader, state: DatabaseState | None) -> Closed:
    """Ask who closed a database, and who is in it. Raises ConnectionProblem."""
    ours = closed_by_us(reader, state)
    if state is None or state.user_access == "MULTI_USER":
        return Closed(ours)
    try:
        return Closed(ours, read_sessions(reader, state.name))
    except SqlError:
        return Closed(ours)


def has_closed_note(reader: Reader, database: str) -> bool:
    """Whether the note is on a database. Raises SqlError."""
    return CLOSED_NOTE in read_properties(reader, CLOSED_NOTE, database)


def leave_closed_note(writer: Writer, database: str) -> None:
    """Say who closes a database, before it is closed. Raises SqlError."""
    value = f"Set to SINGLE_USER by opsmgr.recovery on {socket.gethostname()[:100]} at {now_text()}"
    if not add_property(writer, CLOSED_NOTE, value, database):
        update_property(writer, CLOSED_NOTE, value, database)


def note_statements(database: str) -> tuple[str, str]:
    """The statements that leave the note and that remove it."""
    return in_database(ADD, database), in_database(DROP, database)


def drop_closed_note(writer: Writer, database: str) -> None:
    """Remove the note from a database that is open again. One that cannot be removed is worth no failure."""
    with suppress(SqlError):
        drop_property(writer, CLOSED_NOTE, database)


def proof_missing(state: DatabaseState, ours: bool | None, sessions: Sequence[Session] | None) -> str:
    """Why a closed database is not opened, as a part of a sentence."""
    holders = ""
    if sessions is None:
        holders = ". This login cannot see who is in it"
    elif sessions:
        holders = f". In it: {sessions_text(sessions)}"
    if ours is None:
        return f"it is in {state.user_access}, and it cannot be told who closed it, because its only seat is taken{holders}"
    return f"it is in {state.user_access}, and no run of this collection closed it: that would have left the note {CLOSED_NOTE} on it{holders}"
