# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock of a management group, as notes on its operational database: taken, taken over, renewed and released by
single statements that fail for all but one.

Every decision is made on notes that were read a moment before, so each deed is proved afterwards:

* the first lock is added: SQL Server lets one of several do that
* a lock that was left is taken over by adding the note that is named after the run that had it; then that run's own
note must still be as it was
* a lock is renewed by changing one's own note; then it must still be the one that counts
* a lock that is over soon is renewed before it is released, so that nobody takes it over in between

This file is private to the collection: others must not import it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.module_utils.extended_properties import (
    NO_RIGHT,
    add_property,
    drop_property,
    read_properties,
    update_property,
)
from ansible_collections.opsmgr.recovery.plugins.module_utils.group_lock import (
    FIRST,
    FREE,
    HELD,
    LEFT,
    LONGEST_LEASE,
    LOST,
    OURS,
    Lock,
    LockVerdict,
    Run,
    holder_of,
    judge,
    write,
)
from ansible_collections.opsmgr.recovery.plugins.module_utils.group_version import require_supported_group
from ansible_collections.opsmgr.recovery.plugins.module_utils.optional import if_known, phrase
from ansible_collections.opsmgr.recovery.plugins.module_utils.processes import GONE, LEFT_CHILDREN, look_for
from ansible_collections.opsmgr.recovery.plugins.module_utils.sql_options import OptionProblem
from ansible_collections.opsmgr.recovery.plugins.module_utils.sqlserver import SqlConnection, SqlError
from ansible_collections.opsmgr.recovery.plugins.module_utils.utc import text_of

NOW = "SELECT GETUTCDATE() AS now"

_TRIES = 5
_PAUSE_SECONDS = 1.0
# Releasing takes two statements, each of which SQL Server may keep waiting for a minute.
_RELEASE_SECONDS = 150


class LockProblem(OpsmgrError):
    """The lock of a management group cannot be had. Field: C(held), whether that is because another run has it."""

    goal = "take the lock of the management group (a note on the database {database})"

    def __init__(self, database: str, found: str, what_to_do: str, held: bool = False) -> None:
        super().__init__(self.goal.format(database=database), found, what_to_do)
        self.database = database
        self.held = held

    def __reduce__(self) -> tuple[type[LockProblem], tuple[str, str, str, bool]]:
        return type(self), (self.database, self.found, self.what_to_do, self.held)


@dataclass(frozen=True)
class LockRequest:
    """What is asked for. C(lease) and C(patience) are in seconds; C(renews) says that the lock was taken before;
    C(break_lock) is a lock's key.
    """

    run: Run
    lease: int
    patience: int
    renews: bool = False
    break_lock: str | None = None


@dataclass
class LockReport:
    """What was seen and done so far."""

    verdict: LockVerdict | None = None
    # The lock that counts now, and whether it is ours.
    lock: Lock | None = None
    held: bool = False
    taken: bool = False
    has_begun: bool = False
    taken_over_from: str | None = None
    problem: str | None = None
    statements: list[str] = field(default_factory=list)


class GroupLock:
    """The lock of the management group whose operational database the connection is in: looked at by C(observe), then
    had or let go.
    """

    def __init__(self, connection: SqlConnection, database: str, request: LockRequest) -> None:
        if not 0 < request.lease <= LONGEST_LEASE:
            raise OptionProblem(f"lease is {request.lease}", f"Use 1 to {LONGEST_LEASE} seconds")
        self.report = LockReport(statements=connection.statements)
        self._connection = connection
        self._database = database
        self._request = request
        self._notes: dict[str, str] = {}
        self._now = datetime.min

    def look(self) -> LockVerdict:
        """Read the lock and judge it. Raises SqlError, ConnectionProblem."""
        self._notes = read_properties(self._connection, FIRST)
        self._now = self._connection.rows(NOW)[0]["now"]
        lock = self.report.lock = holder_of(self._notes)
        request = self._request
        seen = self._process_of(lock)
        alive = None
        if seen is not None:
            alive = seen != GONE
        verdict = judge(lock, request.run, self._now, alive, renews=request.renews, break_lock=request.break_lock)
        self.report.verdict, self.report.held = verdict, verdict.kind == OURS
        self.report.problem = None
        if verdict.kind in (HELD, LOST):
            self.report.problem = self._refusal(verdict).sentence("")
        return verdict

    def require_supported(self) -> None:
        """Raise OpsmgrError for a management group that no run changes."""
        require_supported_group(self._connection, self._database, LockProblem.goal.format(database=self._database))

    def require(self) -> None:
        """Look, and raise LockProblem unless the lock can be had. A run that was killed is given the time to end its
        last task.
        """
        deadline = time.monotonic() + self._request.patience
        verdict = self.look()
        while (
            verdict.kind == HELD and self._process_of(self.report.lock) == LEFT_CHILDREN and time.monotonic() < deadline
        ):
            time.sleep(_PAUSE_SECONDS)
            verdict = self.look()
        if verdict.kind in (HELD, LOST):
            raise self._refusal(verdict)

    def foresee(self) -> None:
        """Put into the report what C(have) would do."""
        verdict = self.report.verdict
        if verdict is not None and verdict.kind in (FREE, LEFT):
            self.report.taken, self.report.taken_over_from = True, self._sentence(verdict)
            self.report.lock = Lock(
                FIRST, self._request.run.run_id, self._request.run, self._now, self._now, self._request.lease
            )
        self.report.held = True

    def have(self) -> None:
        """Take the lock, take it over or renew it, and prove it. Raises LockProblem, SqlError, ConnectionProblem."""
        for _try in range(_TRIES):
            verdict = self.report.verdict
            self.report.has_begun = True
            if verdict is not None and self._have(verdict, self.report.lock):
                self.report.taken = verdict.kind != OURS
                self.report.taken_over_from = self._sentence(verdict)
                return
            # Another was faster.
            self.require()
        raise LockProblem(
            self._database,
            "other runs change it at the same time, again and again",
            "Find out who works on this group, then rerun",
        )

    def release(self) -> None:
        """Let the lock go, if it is ours. Raises SqlError, ConnectionProblem."""
        lock = self.report.lock
        if lock is None or not self.report.held:
            return
        ends_soon = lock.until is None or lock.until - self._now < timedelta(seconds=_RELEASE_SECONDS)
        if ends_soon and not self._renew(lock):
            return
        # The first one first: with it the chain ends, and what is left of it holds nothing.
        for name in sorted(self._notes, key=lambda name: name.lower() != FIRST):
            self._write(drop_property, name)
        self.report.has_begun = True
        self.look()

    # statements

    def _have(self, verdict: LockVerdict, lock: Lock | None) -> bool:
        if verdict.kind == OURS:
            return lock is not None and self._renew(lock)
        name, before = FIRST, None
        if lock is not None:
            name, before = lock.successor, self._notes[lock.name]
        if not self._write(add_property, name, write(self._request.run, self._now, self._now, self._request.lease)):
            return False
        self.look()
        if self._is_own() and (lock is None or self._notes.get(lock.name) == before):
            return True
        with suppress(SqlError):
            drop_property(self._connection, name)
        return False

    def _renew(self, lock: Lock) -> bool:
        """Whether the lock, which was ours a moment ago, is so still."""
        if lock.run is None or lock.since is None:
            return False
        is_there = self._write(update_property, lock.name, write(lock.run, lock.since, self._now, self._request.lease))
        return self.look().kind == OURS and is_there

    def _is_own(self) -> bool:
        lock = self.report.lock
        return lock is not None and lock.key == self._request.run.run_id

    def _write(self, deed: Callable[..., bool], name: str, *values: str) -> bool:
        try:
            return deed(self._connection, name, *values)
        except SqlError as error:
            if error.number in NO_RIGHT:
                found = f"the login may not write it ({error.reason})"
                raise LockProblem(
                    self._database, found, "Give it ALTER on that database, or make it a member of db_owner there"
                ) from error
            raise

    # texts

    def _sentence(self, verdict: LockVerdict) -> str | None:
        """Whose the lock was and since when, for one that was left."""
        if verdict.kind != LEFT:
            return None
        return f"The lock of the management group is taken over. It was left by {verdict.why}."

    def _refusal(self, verdict: LockVerdict) -> LockProblem:
        lock = self.report.lock
        if verdict.kind == LOST:
            what = "Do not go on: another run may have changed the management group. See who works on it, then rerun from the beginning"
            return LockProblem(self._database, f"this run had it and has lost it: {verdict.why}", what, True)
        until = key = ""
        if lock is not None:
            key = lock.key
            until = phrase(
                ", until {} unless it is renewed (the SQL Server's clock, UTC)", if_known(text_of, lock.until)
            )
        what = (
            "Wait until that run has ended. If it is certain that nothing of it works any more, rerun with break_lock: "
            f"{key} (for a playbook of this collection: -e opsmgr_break_lock={key})"
        )
        return LockProblem(self._database, f"{verdict.why}{until}", what, True)

    def _process_of(self, lock: Lock | None) -> str | None:
        if lock is None or lock.run is None or lock.run.process is None or self._request.run.process is None:
            return None
        return look_for(lock.run.process, self._request.run.process)


class LockDeed:
    """What the module does to the lock, by its option C(state)."""

    def __init__(self, lock: GroupLock, state: str) -> None:
        self._lock = lock
        self._state = state

    def observe(self) -> None:
        """Look. Raises LockProblem for a lock that is wanted and cannot be had, OpsmgrError for one of a management group
        that no run changes.
        """
        if self._state == "held":
            self._lock.require_supported()
            self._lock.require()
        else:
            self._lock.look()

    @property
    def needed(self) -> bool:
        """Whether a note is to be written or removed."""
        return self._state == "held" or (self._state == "released" and self._lock.report.held)

    def predict(self) -> None:
        """Report what C(carry_out) would do."""
        if self._state == "held":
            self._lock.foresee()
        elif self._state == "released" and self._lock.report.held:
            self._lock.report.held, self._lock.report.lock = False, None

    def carry_out(self) -> None:
        """Do it. Raises LockProblem, SqlError, ConnectionProblem."""
        if self._state == "held":
            self._lock.have()
        else:
            self._lock.release()
