# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions: who is connected, in which database, and who may enter one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .messages import Message, SessionEnded, error, message
from .store import Database

if TYPE_CHECKING:
    from .server import SqlServer

DISK_STATES = {"RESTORING": 927, "OFFLINE": 942}
"""States of a database that nobody can enter, and the error that says so."""


@dataclass
class Login:
    """An account of the server; ``databases`` lists those it may use, None means all."""

    name: str
    password: str = field(default="", repr=False)
    is_sysadmin: bool = False
    databases: frozenset[str] | None = None
    default_database: str = "master"
    is_windows: bool = False

    def may_use(self, database: Database) -> bool:
        """Whether the account is known in that database."""
        if (
            self.is_sysadmin
            or database.name.lower() in ("master", "tempdb", "msdb")
            or database.owner.lower() == self.name.lower()
        ):
            return True
        return self.databases is None or database.name.lower() in {name.lower() for name in self.databases}

    def may_administer(self, database: Database) -> bool:
        """Whether the account may alter, back up and enter the database when it is restricted."""
        return self.is_sysadmin or database.owner.lower() == self.name.lower()


@dataclass
class Session:
    """One connection's state on the server.  All of it is guarded by the server's lock."""

    server: SqlServer
    spid: int
    login: Login
    database: Database
    program: str = ""
    host: str = ""
    interface: str = "ODBC"
    is_client: bool = False
    login_time: dt.datetime = field(default_factory=dt.datetime.now)
    running: bool = False
    command: str = ""
    percent_complete: float = 0
    ended: str = ""
    trancount: int = 0
    implicit_transactions: bool = False
    nocount: bool = False
    lock_timeout: float | None = None
    rowcount: int = 0
    last_error: int = 0
    held: set[int] = field(default_factory=set)
    prepared: dict[int, tuple[str, list[str]]] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)
    poll: Callable[[], None] = lambda: None
    on_end: Callable[[str], None] | None = None

    @property
    def user(self) -> str:
        """The login's name."""
        return self.login.name

    def check(self) -> None:
        """Raise what came from outside while the session works: its end, or its client's cancellation."""
        if self.ended:
            raise SessionEnded(self.ended)
        self.poll()

    def uses(self, database: Database) -> bool:
        """Whether the session occupies the database: it is in it, or it holds its only seat."""
        return self.database is database or database.id in self.held

    def describe(self) -> dict[str, Any]:
        """The session as a dump shows it."""
        return {"user": self.user, "database": self.database.name, "program": self.program, "held": bool(self.held)}


def others(session: Session | None, database: Database, sessions: list[Session]) -> list[Session]:
    """The other sessions that occupy a database."""
    return [other for other in sessions if other is not session and other.uses(database)]


def refusal(login: Login, session: Session | None, database: Database, sessions: list[Session]) -> Message | None:
    """Why a session cannot use the database now, or None."""
    if database.state in DISK_STATES:
        return message(DISK_STATES[database.state], database.name)
    if not login.may_use(database):
        return message(916, login.name, database.name)
    if database.user_access == "RESTRICTED_USER" and not login.may_administer(database):
        return message(923, database.name)
    if database.user_access == "SINGLE_USER" and others(session, database, sessions):
        return message(924, database.name)
    return None


def require_administrator(session: Session, number: int = 15247, *values: object) -> None:
    """Raise the error (usually 15247) unless the session is a sysadmin's."""
    if not session.login.is_sysadmin:
        raise error(number, *values)
