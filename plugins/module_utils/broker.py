# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Service Broker of the operational database: on, and the database in MULTI_USER whatever happens on the way.

Microsoft turns it on by one statement, while everybody is out of the database [KB 941409]. Where somebody is in it, the
statements are the book's three, which end the sessions of others. Every error number here is in SQL Server's documentation
[ms].

This file is private to the collection: others must not import it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from ansible_collections.opsmgr.recovery.plugins.module_utils.closed_database import (
    ANYBODYS,
    OURS,
    closed_by_us,
    drop_closed_note,
    has_closed_note,
    leave_closed_note,
    note_statements,
    proof_missing,
)
from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.module_utils.group_version import require_supported_group
from ansible_collections.opsmgr.recovery.plugins.module_utils.management_group import DatabaseState, read_database
from ansible_collections.opsmgr.recovery.plugins.module_utils.optional import phrase
from ansible_collections.opsmgr.recovery.plugins.module_utils.sessions import Session, read_sessions, sessions_text
from ansible_collections.opsmgr.recovery.plugins.module_utils.sql_options import (
    OptionProblem,
    SqlOptions,
    quote_identifier,
)
from ansible_collections.opsmgr.recovery.plugins.module_utils.sqlserver import (
    UNREACHABLE,
    ConnectionProblem,
    SqlConnection,
    SqlError,
    connect,
)

_Answer = TypeVar("_Answer")

# HAS_PERMS_BY_NAME is NULL when it cannot tell; only 0 is a refusal.
RIGHT = "SELECT HAS_PERMS_BY_NAME(?, 'DATABASE', 'ALTER') AS allowed"

# Whose broker is on under the same id: what error 9772 is about.
TWINS = (
    "SELECT name FROM sys.databases WHERE is_broker_enabled = 1 AND name <> ? "
    "AND service_broker_guid = (SELECT service_broker_guid FROM sys.databases WHERE name = ?) ORDER BY name"
)

# "ALTER DATABASE statement failed", the last of several messages. FreeTDS shows only the most severe one, so that it
# hides those of severity 13 and 14: a lost deadlock (1205) and missing rights (5011).
_REASON_LOST = 5069
# The only seat is taken (924, 5064), or the database cannot be had alone at the moment (5061, 5070); 1205 is a lost
# deadlock.
_TAKEN = frozenset((924, 5061, 5064, 5070, 1205, _REASON_LOST))
_SAME_BROKER = 9772
_NO_RIGHT = frozenset((5011, 15135, 15247, 262, 297, 300))
_RIGHT_ADVICE = "Log in as a member of sysadmin, as the owner of the database, or as one with ALTER on it"
# How often the whole is begun again after the connection or the seat was lost.
_TRIES = 3
_LONGEST_PAUSE_SECONDS = 5.0
_SHORTEST_RESTORE_SECONDS = 30
_PROOF_PAUSE_SECONDS = 1.0
# How long the one statement alone may wait for a database that nobody was seen in. It takes no time by itself.
_ALONE_SECONDS = 10


class BrokerProblem(OpsmgrError):
    """The database is not as wanted. Field: C(number), of SQL Server, or 0."""

    goal = "turn on Service Broker of the database {database}"

    def __init__(self, database: str, found: str, what_to_do: str, number: int = 0) -> None:
        super().__init__(self.goal.format(database=database), found, what_to_do)
        self.database = database
        self.number = number

    def __reduce__(self) -> tuple[type[BrokerProblem], tuple[str, str, str, int]]:
        return type(self), (self.database, self.found, self.what_to_do, self.number)

    def preceded_by(self, first: str) -> BrokerProblem:
        """The same problem with the reason of the failure that came before it."""
        return type(self)(self.database, f"{self.found}. Before that: {first}", self.what_to_do, self.number)


class AccessProblem(BrokerProblem):
    """The database is closed to OpsMgr, and could not be opened."""

    goal = "bring the database {database} back to MULTI_USER"


@dataclass
class BrokerReport:
    """What was seen and sent so far. It is filled while the work goes on, so that a failure has it too."""

    before: DatabaseState | None = None
    after: DatabaseState | None = None
    sessions: list[Session] | None = None
    # Whether a run of this collection closed the database; None when it cannot be told.
    closed_by_us: bool | None = None
    statements: list[str] = field(default_factory=list)


class TimeLeft:
    """A moment after which nothing new is begun. C(seconds) from now."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._end = clock() + seconds

    @property
    def left(self) -> float:
        """Seconds left, not below 0."""
        return max(0.0, self._end - self._clock())


class AccessGuard:
    """Brings one database back to MULTI_USER, with as many tries as the time allows. It ends nobody's session by KILL."""

    def __init__(self, options: SqlOptions, statements: list[str]) -> None:
        self._options = replace(options, database="master")
        self._database = options.database
        self._statements = statements

    @property
    def by_hand(self) -> str:
        """The statement that a person has to type when this cannot."""
        return f"ALTER DATABASE {quote_identifier(self._database)} SET MULTI_USER WITH ROLLBACK IMMEDIATE"

    def reopen(self, seconds: float) -> None:
        """Make the database MULTI_USER. Raises AccessProblem, with what is in the way, when that fails for C(seconds)."""
        deadline, pause = TimeLeft(seconds), 0.25
        while True:
            try:
                self._try(deadline)
                return
            except (SqlError, ConnectionProblem) as error:
                if not _passes(error) or deadline.left <= pause:
                    raise self._left_closed(error) from error
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    def _try(self, deadline: TimeLeft) -> None:
        with self.connect(deadline) as connection:
            found = read_database(connection, self._database)
            if found is not None and found.user_access != "MULTI_USER":
                connection.execute(self.by_hand)
                drop_closed_note(connection, self._database)

    @contextmanager
    def connect(self, deadline: TimeLeft) -> Iterator[SqlConnection]:
        """A session in master, whose statements are recorded even if it is lost."""
        connection = connect(self._options, query_timeout_seconds=max(1, round(deadline.left)))
        try:
            yield connection
        finally:
            self._statements.extend(connection.statements)
            connection.close()

    def _left_closed(self, error: SqlError | ConnectionProblem) -> AccessProblem:
        found, sessions = self._look()
        state = "in a state that could not be read, possibly SINGLE_USER"
        if found is not None:
            state = f"in {found.user_access}"
        holders = ". This login cannot see who is in it"
        if sessions:
            holders = f". In it: {sessions_text(sessions)}"
        return AccessProblem(
            self._database,
            f"THE DATABASE IS LEFT {state}, so that OpsMgr cannot use it, because: {cause(error)}{holders}",
            f"Stop those programs (the OpsMgr services first), then rerun, or type: {self.by_hand}",
            _number(error),
        )

    def _look(self) -> tuple[DatabaseState | None, list[Session]]:
        found: DatabaseState | None = None
        try:
            with self.connect(TimeLeft(self._options.connect_timeout)) as connection:
                found = read_database(connection, self._database)
                return found, read_sessions(connection, self._database)
        except (SqlError, ConnectionProblem):
            return found, []


class BrokerRepair:
    """Service Broker of one database: look, plan, repair. C(seconds) is the deadline of the repair as a whole.

    C(reopen) says whether a database that somebody else closed may be opened.
    """

    def __init__(self, options: SqlOptions, *, new_broker: bool, seconds: int, reopen: str = OURS) -> None:
        if seconds < 1:
            raise OptionProblem(f"timeout is {seconds}", "Use at least one second")
        self.report = BrokerReport()
        self._options = options
        self._database = options.database
        self._new_broker = new_broker
        self._seconds = seconds
        self._reopens_any = reopen == ANYBODYS
        self._twins: list[str] = []
        # A run was killed when it had opened the database, before it removed the note that it had closed it.
        self._left_note = False
        self._guard = AccessGuard(options, self.report.statements)
        # Who was in the database when a statement waited in vain.
        self._in_the_way: list[Session] | None = None
        # Why tries failed that were not the last one.
        self._earlier: list[str] = []

    def observe(self) -> None:
        """Read everything that decides. Raises BrokerProblem for what this cannot repair, ConnectionProblem, SqlError."""
        with self._guard.connect(TimeLeft(self._seconds)) as connection:
            self.report.before = self.report.after = read_database(connection, self._database)
            self._require_usable()
            require_supported_group(connection, self._database, BrokerProblem.goal.format(database=self._database))
            self.report.closed_by_us = closed_by_us(connection, self.report.before)
            self._left_note = not self._closed and bool(
                _if_allowed(lambda: has_closed_note(connection, self._database))
            )
            if not self.needed:
                return
            self._require_right(connection)
            self.report.sessions = _if_allowed(lambda: read_sessions(connection, self._database))
            if self.report.closed_by_us is False:
                self._require_proof()
            self._twins = [str(row["name"]) for row in connection.rows(TWINS, self._database, self._database)]

    @property
    def needed(self) -> bool:
        """Whether something is not as wanted."""
        return self._closed or self._off or self._left_note

    def predict(self) -> None:
        """Put state and statements of a repair into the report.

        Raises BrokerProblem when the broker would be refused (9772), AccessProblem when it is not proved that the
        database may be opened.
        """
        self._require_proof()
        before = self.report.before
        enabled = before is not None and (before.is_broker_enabled or not self._twin_forbids)
        self.report.after = before and replace(before, user_access="MULTI_USER", is_broker_enabled=enabled)
        self.report.statements[:] = self._plan
        self._require_possible()

    def carry_out(self) -> None:
        """Repair, and read the state back into the report. Raises BrokerProblem; its text says what was left behind."""
        deadline = TimeLeft(self._seconds)
        failure: SqlError | ConnectionProblem | None = None
        try:
            if self._closed:
                self._await_proof(deadline)
                self._guard.reopen(deadline.left)
            # Only when the access mode is repaired.
            self._require_possible()
            if self._off:
                self._enable(deadline)
            if self._left_note:
                self._forget_note(deadline)
        except (SqlError, ConnectionProblem) as error:
            failure = error
        finally:
            self._read_back()
        # What was reached counts, whatever failed on the way.
        if failure is not None and not self._is_wanted:
            raise self._explained(failure) from failure
        self._require_wanted()

    @property
    def _closed(self) -> bool:
        return self.report.before is not None and self.report.before.user_access != "MULTI_USER"

    @property
    def _off(self) -> bool:
        return self.report.before is not None and not self.report.before.is_broker_enabled

    @property
    def _is_wanted(self) -> bool:
        after = self.report.after
        return after is not None and after.user_access == "MULTI_USER" and after.is_broker_enabled

    @property
    def _twin_forbids(self) -> bool:
        return bool(self._twins) and not self._new_broker

    @property
    def _plan(self) -> list[str]:
        """The statements that a repair sends when nobody comes or goes meanwhile."""
        leave, forget = note_statements(self._database)
        statements = []
        if self._closed:
            statements += [self._guard.by_hand, forget]
        if self._off and self._twin_forbids:
            return statements
        if self._off and self.report.sessions:
            statements += self._switch_plan(leave, forget)
        elif self._off:
            statements.append(self._broker_statement)
        if self._left_note and forget not in statements:
            statements.append(forget)
        return statements

    def _switch_plan(self, leave: str, forget: str) -> list[str]:
        use, *switch = self._switch_statements()
        return [use, leave, *switch, forget]

    def _await_proof(self, deadline: TimeLeft) -> None:
        """Wait for the only seat, as long as it keeps the proof from being read. Raises AccessProblem."""
        while not self._reopens_any and self.report.closed_by_us is None and deadline.left:
            time.sleep(min(_PROOF_PAUSE_SECONDS, deadline.left))
            with suppress(SqlError, ConnectionProblem), self._guard.connect(deadline) as connection:
                state = read_database(connection, self._database)
                # Whoever closed it may have opened it meanwhile.
                if state is not None and state.user_access == "MULTI_USER":
                    return
                self.report.closed_by_us = closed_by_us(connection, state)
                self.report.sessions = _if_allowed(lambda: read_sessions(connection, self._database))
        self._require_proof()

    def _require_proof(self) -> None:
        before = self.report.before
        if before is None or not self._closed or self._reopens_any or self.report.closed_by_us:
            return
        found = f"{proof_missing(before, self.report.closed_by_us, self.report.sessions)}. Nothing was changed"
        if self.report.closed_by_us is None:
            what = "Stop those programs (the OpsMgr services first), then rerun: it finds out"
        else:
            what = "Find out who closed it, and why"
        raise AccessProblem(
            self._database,
            found,
            f"{what}. If it may be opened all the same, set reopen to anybodys, or type: {self._guard.by_hand}",
        )

    def _require_possible(self) -> None:
        if self._off and self._twin_forbids:
            raise self._same_broker(", ".join(self._twins))

    @property
    def _broker_statement(self) -> str:
        broker = "ENABLE_BROKER"
        if self._twins:
            # A new id is only taken where the old one cannot be kept: it ends all conversations.
            broker = "NEW_BROKER"
        return f"ALTER DATABASE {quote_identifier(self._database)} SET {broker}"

    def _switch_statements(self) -> list[str]:
        name = quote_identifier(self._database)
        return [
            # Being in it is what makes the only seat this session's, beyond doubt.
            f"USE {name}",
            f"ALTER DATABASE {name} SET SINGLE_USER WITH ROLLBACK IMMEDIATE",
            self._broker_statement,
            f"ALTER DATABASE {name} SET MULTI_USER",
        ]

    def _enable(self, deadline: TimeLeft) -> None:
        if self._enable_alone(deadline):
            return
        for remaining in reversed(range(_TRIES)):
            try:
                self._switch(deadline)
                return
            except (SqlError, ConnectionProblem) as error:
                goes_on = self._takes_new_id(error) or (_passes(error) and deadline.left)
                if not remaining or not goes_on:
                    raise
                self._earlier.append(self._cause(error))

    def _takes_new_id(self, error: SqlError | ConnectionProblem) -> bool:
        """Whether a database that this login cannot see has the id, and another one may be taken: then that is next."""
        is_next = _number(error) == _SAME_BROKER and self._new_broker and not self._twins
        if is_next:
            self._twins = ["another database"]
        return is_next

    def _enable_alone(self, deadline: TimeLeft) -> bool:
        """Turn the broker on without closing the database; False when somebody is, or may be, in the way."""
        try:
            with self._guard.connect(TimeLeft(min(deadline.left / 2, _ALONE_SECONDS))) as connection:
                if _if_allowed(lambda: read_sessions(connection, self._database)):
                    return False
                self._execute_noting_who_is_in_the_way(connection, self._broker_statement)
                return True
        except (SqlError, ConnectionProblem) as error:
            if self._takes_new_id(error):
                return self._enable_alone(deadline)
            if _passes(error) or _is_timeout(error):
                self._earlier.append(self._cause(error))
                return False
            raise

    def _switch(self, deadline: TimeLeft) -> None:
        try:
            with self._guard.connect(deadline) as connection:
                found = read_database(connection, self._database)
                if found is not None and found.is_broker_enabled and found.user_access == "MULTI_USER":
                    # A statement did its work before its connection was lost.
                    drop_closed_note(connection, self._database)
                    return
                use, single, broker, multi = self._switch_statements()
                connection.execute(use)
                leave_closed_note(connection, self._database)
                try:
                    self._execute_noting_who_is_in_the_way(connection, single)
                    self._execute_noting_who_is_in_the_way(connection, broker)
                except BaseException:
                    # In the session that has the only seat: any other would have to compete for it. The reason of the
                    # first failure is the one to tell.
                    with suppress(SqlError, ConnectionProblem):
                        connection.execute(multi)
                    raise
                connection.execute(multi)
                drop_closed_note(connection, self._database)
        except BaseException as error:
            self._reopen_after(error, deadline)
            raise

    def _execute_noting_who_is_in_the_way(self, connection: SqlConnection, statement: str) -> None:
        try:
            connection.execute(statement)
        except SqlError as error:
            if _is_timeout(error):
                with suppress(SqlError, ConnectionProblem):
                    self._in_the_way = read_sessions(connection, self._database)
            raise

    def _reopen_after(self, error: BaseException, deadline: TimeLeft) -> None:
        """The session is closed by now. This has time of its own: it must not fail for being late."""
        try:
            self._guard.reopen(max(deadline.left, _SHORTEST_RESTORE_SECONDS))
        except AccessProblem as problem:
            if isinstance(error, (SqlError, ConnectionProblem)):
                raise problem.preceded_by(self._cause(error)) from error
            raise

    def _forget_note(self, deadline: TimeLeft) -> None:
        with suppress(ConnectionProblem), self._guard.connect(deadline) as connection:
            drop_closed_note(connection, self._database)

    def _read_back(self) -> None:
        try:
            with self._guard.connect(TimeLeft(self._options.connect_timeout)) as connection:
                self.report.after = read_database(connection, self._database)
        except (SqlError, ConnectionProblem):
            self.report.after = None

    def _require_usable(self) -> None:
        before = self.report.before
        if before is None:
            raise BrokerProblem(
                self._database,
                "the server shows this login no such database",
                "Check the name, and that this login may see it",
            )
        if before.state != "ONLINE":
            advice = {
                "RESTORING": "Finish the restore (RESTORE DATABASE ... WITH RECOVERY), then rerun",
                "OFFLINE": "Bring it online (ALTER DATABASE ... SET ONLINE), then rerun",
            }.get(before.state, "Look into the error log of SQL Server, then rerun")
            raise BrokerProblem(
                self._database,
                f"it is {before.state}, and only a database that is ONLINE can be repaired. Nothing was changed",
                advice,
            )

    def _require_right(self, connection: SqlConnection) -> None:
        rows = _if_allowed(lambda: connection.rows(RIGHT, quote_identifier(self._database)))
        if rows and rows[0]["allowed"] == 0:
            raise self._no_right("it has no ALTER permission", 0, "Nothing was changed")

    def _require_wanted(self) -> None:
        if not self._is_wanted:
            raise BrokerProblem(
                self._database,
                f"all statements ran, and afterwards {self._state_now}",
                f"Rerun, or type: {self._guard.by_hand}",
            )

    @property
    def _state_now(self) -> str:
        """The state that was read back, for a sentence."""
        after = self.report.after
        if after is None:
            return "its state could not be read"
        broker = "off"
        if after.is_broker_enabled:
            broker = "on"
        return f"it is in {after.user_access}, Service Broker is {broker}"

    def _explained(self, error: SqlError | ConnectionProblem) -> BrokerProblem:
        number = _number(error)
        if number == _SAME_BROKER:
            return self._same_broker("another database")
        if number in _NO_RIGHT:
            return self._no_right(cause(error), number, f"After that {self._state_now}")
        last = self._cause(error)
        earlier = [text for text in self._earlier[:1] if text != last]
        before = phrase("; a try before failed: {}", "".join(earlier))
        return BrokerProblem(
            self._database, f"{last}{before}. After that {self._state_now}", self._advice(error), number
        )

    def _cause(self, error: SqlError | ConnectionProblem) -> str:
        """A failure in a few words; one of a statement that waited in vain also says for whom, as far as that is known."""
        if not isinstance(error, SqlError) or error.waited_seconds is None:
            return cause(error)
        text = f"{error.reason} to: {error.statement} (the option timeout is {self._seconds})"
        if self._in_the_way:
            return f"{text}; in the database were: {sessions_text(self._in_the_way)}"
        if self.report.sessions:
            return f"{text}; in the database were at the start: {sessions_text(self.report.sessions)}"
        return f"{text}; this login sees nobody else in the database"

    def _advice(self, error: SqlError | ConnectionProblem) -> str:
        if not _is_timeout(error):
            return alter_advice(error)
        return "Stop what uses the database (the OpsMgr services first), then rerun, with a longer timeout if rolling back takes its time"

    def _no_right(self, reason: str, number: int, state: str) -> BrokerProblem:
        return BrokerProblem(
            self._database,
            f"the login may not alter it ({reason}). {state}",
            _RIGHT_ADVICE,
            number,
        )

    def _same_broker(self, twins: str) -> BrokerProblem:
        return BrokerProblem(
            self._database,
            f"{twins} has the same broker id and its broker on, which SQL Server refuses (9772). One is a restored copy of the other. "
            "Service Broker stays off",
            f"Drop the copy or turn its broker off (ALTER DATABASE ... SET DISABLE_BROKER), or set new_broker: true, which gives {self._database} "
            "an id of its own and drops all its open conversations",
            _SAME_BROKER,
        )


def _if_allowed(read: Callable[[], _Answer]) -> _Answer | None:
    """An answer that helps but decides nothing: None where the server refuses it."""
    try:
        return read()
    except SqlError:
        return None


def _is_timeout(error: BaseException) -> bool:
    return isinstance(error, SqlError) and error.waited_seconds is not None


def _passes(error: SqlError | ConnectionProblem) -> bool:
    """Whether it may be better a moment later."""
    if isinstance(error, SqlError):
        return error.number in _TAKEN
    return error.kind == UNREACHABLE


def _number(error: SqlError | ConnectionProblem) -> int:
    if isinstance(error, SqlError):
        return error.number
    return 0


def alter_advice(error: SqlError | ConnectionProblem) -> str:
    """What to do when ALTER DATABASE fails."""
    number = _number(error)
    if number in _NO_RIGHT:
        return _RIGHT_ADVICE
    if number == _REASON_LOST:
        return (
            "Check the error log of SQL Server for the reason; most often the login may not alter the database, "
            "or it is a mirror or a secondary replica here"
        )
    if number in _TAKEN:
        return "Stop what uses the database (the OpsMgr services first), then rerun"
    return error.what_to_do


def cause(error: SqlError | ConnectionProblem) -> str:
    """A failure in a few words."""
    if isinstance(error, SqlError):
        return error.reason
    return error.found


def state_result(state: DatabaseState | None) -> dict[str, Any] | None:
    """The part of a state that a repair is about, for a module's result."""
    if state is None:
        return None
    return {"state": state.state, "user_access": state.user_access, "is_broker_enabled": state.is_broker_enabled}
