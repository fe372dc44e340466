# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""management_group_lock against the lab's SQL Server, by pyodbc and FreeTDS: of several runs one has the lock, whatever
they do at the same time.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import threading
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import pytest
from unit.plugins.modules.sql_server import ADMIN, NAME, READER, Run, Subject, fault, require_freetds

from ansible_collections.opsmgr.recovery.plugins.module_utils import database_lock, group_lock, processes
from ansible_collections.opsmgr.recovery.plugins.module_utils.database_lock import GroupLock, LockRequest
from ansible_collections.opsmgr.recovery.plugins.module_utils.extended_properties import ADD, DROP, READ
from ansible_collections.opsmgr.recovery.plugins.module_utils.group_lock import FIRST
from ansible_collections.opsmgr.recovery.plugins.module_utils.sql_options import SqlOptions
from ansible_collections.opsmgr.recovery.plugins.module_utils.sqlserver import SqlConnection, SqlError, connect
from ansible_collections.opsmgr.recovery.plugins.modules import management_group_lock
from lab.sql.server import SqlServer

require_freetds()

THIS = processes.describe_process(os.getpid())
ELSEWHERE = {"boot": "another", "namespace": 4026531836, "machine": "", "pid": 4242, "started": 5, "command": 1}
OURS = {"user": "opsadmin", "controller": "control1", "process": asdict(THIS) if THIS else None}
THEIRS = {"user": "somebody", "controller": "control2", "process": ELSEWHERE}
SUBJECT = Subject(
    management_group_lock,
    {**ADMIN, "state": "held", "purpose": "failover", "target": "deathsting", "holder": OURS, "patience": 0},
)
KEYS = {
    "changed",
    "held",
    "taken",
    "run_id",
    "lock",
    "taken_over_from",
    "problem",
    "statements",
    "started_at",
    "elapsed_seconds",
}


@pytest.fixture
def subject() -> Subject:
    return SUBJECT


def notes(sql: SqlServer) -> list[str]:
    return sorted(name for name, _value in sql.databases[NAME].properties.values())


def databases(sql: SqlServer) -> Any:
    return sql.dump()["databases"]


def age(sql: SqlServer, seconds: int) -> None:
    """Let a lock be older."""
    for key, (name, text) in sql.databases[NAME].properties.items():
        note = json.loads(text)
        for moment in ("since", "renewed"):
            older = datetime.strptime(note[moment], "%Y-%m-%dT%H:%M:%SZ") - timedelta(seconds=seconds)
            note[moment] = older.strftime("%Y-%m-%dT%H:%M:%SZ")
        sql.databases[NAME].properties[key] = (name, json.dumps(note))


def test_taken_renewed_and_released(sql: SqlServer, run: Run) -> None:
    before = databases(sql)
    predicted = run(_ansible_check_mode=True)
    assert databases(sql) == before
    taken = run()
    assert taken.keys() == KEYS
    assert (
        predicted["changed"]
        is taken["changed"]
        is predicted["held"]
        is taken["held"]
        is predicted["taken"]
        is taken["taken"]
        is True
    )
    told = {key: taken["lock"][key] for key in ("run_id", "user", "controller", "purpose", "target")}
    assert told == {
        "run_id": taken["run_id"],
        "user": "opsadmin",
        "controller": "control1",
        "purpose": "failover",
        "target": "deathsting",
    }
    assert notes(sql) == [FIRST]
    for more in ({"run_id": taken["run_id"], "holder": None}, {"run_id": taken["run_id"]}, {}):
        again = run(**more)
        assert (again["held"], again["taken"], again["run_id"]) == (True, False, taken["run_id"])
    released = run(state="released", purpose=None, target=None)
    assert (released["changed"], released["held"], released["lock"], released["run_id"]) == (True, False, None, None)
    assert databases(sql) == before
    for more in ({}, {"run_id": taken["run_id"]}):
        assert run(state="released", **more)["changed"] is False


def test_another_run_is_refused_by_name(sql: SqlServer, run: Run) -> None:
    theirs = run(holder=THEIRS, target="jupiter")
    before = databases(sql)
    for check in (True, False):
        refused = run(_ansible_check_mode=check)
        assert (refused["failed"], refused["changed"], refused["held"]) == (True, False, False)
        assert refused["lock"]["run_id"] == theirs["run_id"]
        for word in (
            "somebody",
            "control2",
            "4242",
            "failover",
            "jupiter",
            theirs["lock"]["since"],
            theirs["lock"]["until"],
            theirs["run_id"],
        ):
            assert word in refused["msg"]
    observed = run(state="observed", purpose=None, target=None)
    assert (observed["changed"], observed["held"], observed["lock"]) == (False, False, theirs["lock"])
    assert observed["problem"] in refused["msg"]
    assert run(state="released")["changed"] is False
    assert databases(sql) == before


def test_the_same_run_is_refused_for_another_target(sql: SqlServer, run: Run) -> None:
    run()
    assert "this very run" in run(target="jupiter")["msg"]


def test_a_lock_is_broken_by_its_own_name_only(sql: SqlServer, run: Run) -> None:
    theirs = run(holder=THEIRS)
    assert run(break_lock="f" * 16)["failed"] is True
    taken = run(break_lock=theirs["run_id"])
    assert (taken["held"], taken["taken"]) == (True, True)
    assert "somebody on controller control2" in taken["taken_over_from"]
    lost = run(holder=THEIRS, run_id=theirs["run_id"])
    assert (lost["failed"], lost["held"]) == (True, False)
    assert "has lost it" in lost["msg"]
    assert run(holder=THEIRS, state="released", run_id=theirs["run_id"])["changed"] is False
    assert run(state="released")["changed"] is True
    assert notes(sql) == []


def test_a_lease_that_is_over(sql: SqlServer, run: Run) -> None:
    run(holder=THEIRS, lease=100)
    age(sql, 99)
    assert run()["failed"] is True
    age(sql, 2)
    taken = run()
    assert (taken["held"], "was not renewed until" in taken["taken_over_from"]) == (True, True)
    assert notes(sql) == sorted([FIRST, f"{FIRST}.{json.loads(sql.databases[NAME].properties[FIRST][1])['run_id']}"])


@pytest.mark.skipif(THIS is None, reason="There is no /proc")
def test_a_run_whose_process_is_gone_has_left_it_and_one_that_works_has_not(sql: SqlServer, run: Run) -> None:
    sleeper = subprocess.Popen(["sleep", "60"])
    process = processes.describe_process(sleeper.pid)
    assert process is not None
    run(holder={**THEIRS, "process": asdict(process)})
    age(sql, 10**6)
    assert run()["failed"] is True, "its process works"
    sleeper.kill()
    sleeper.wait()
    predicted = run(_ansible_check_mode=True)
    taken = run()
    assert predicted["taken_over_from"] == taken["taken_over_from"]
    assert "is gone" in taken["taken_over_from"]


def test_what_a_killed_run_has_left_behind_is_waited_for(
    sql: SqlServer, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(holder={**THEIRS, "process": {**OURS["process"], "pid": 4194303}})
    answers = itertools.chain([processes.LEFT_CHILDREN] * 4, itertools.repeat(processes.GONE))
    monkeypatch.setattr(database_lock, "_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(database_lock, "look_for", lambda wanted, seen_from: next(answers))
    assert run(patience=0)["failed"] is True
    assert run(patience=10)["held"] is True


def test_a_note_of_somebody_unknown(sql: SqlServer, run: Run) -> None:
    sql.databases[NAME].properties[FIRST] = (FIRST, "{{ 7 * 7 }}\n" * 100)
    refused = run()
    assert "somebody unknown" in refused["msg"]
    assert "49" not in refused["msg"]
    assert run(break_lock=refused["lock"]["run_id"])["held"] is True
    assert run(state="released")["changed"] is True
    assert notes(sql) == []


def test_what_an_earlier_run_left_of_a_chain_does_not_count(sql: SqlServer, run: Run) -> None:
    sql.databases[NAME].properties[f"{FIRST}.{'9' * 16}"] = (f"{FIRST}.{'9' * 16}", "whatever")
    assert run()["taken"] is True
    assert run(state="released")["changed"] is True
    assert notes(sql) == []


def test_a_login_without_the_right_is_told_which(sql: SqlServer, run: Run) -> None:
    refused = run(**READER)
    assert (refused["failed"], "db_owner" in refused["msg"]) == (True, True)
    assert run(**READER, state="observed")["problem"] is None


@pytest.mark.parametrize(
    "options", [{"lease": 0}, {"lease": 10**9}, {"purpose": None}, {"holder": {**OURS, "process": {"pid": "x"}}}]
)
def test_options_that_make_no_sense(sql: SqlServer, run: Run, options: dict[str, Any]) -> None:
    assert run(**options)["failed"] is True


def test_a_statement_that_fails(sql: SqlServer, run: Run) -> None:
    fault(sql, "EXEC", "fail", nth=1, code=1222)
    assert (run()["failed"], notes(sql)) == (True, [])
    assert run()["held"] is True


class Scripted:
    """A connection that lets others act between this one's statements."""

    def __init__(self, notes: dict[str, str], events: dict[int, Any]) -> None:
        self.notes = notes
        self.events = events
        self.now = datetime(2026, 1, 31, 2, 3, 4)
        self.statements: list[str] = []

    def _next(self, statement: str) -> None:
        self.events.get(len(self.statements), lambda: None)()
        self.statements.append(statement)

    def rows(self, statement: str, *values: object) -> list[dict[str, Any]]:
        self._next(statement)
        if statement == READ.format(place=""):
            return [{"name": name, "value": value} for name, value in self.notes.items()]
        return [{"now": self.now}]

    def execute(self, statement: str, *values: str) -> None:
        self._next(statement)
        if (values[0] in self.notes) == (statement == ADD.format(place="")):
            raise SqlError(15233 if statement == ADD.format(place="") else 15217, "42000", "", statement, "sql1")
        if statement == DROP.format(place=""):
            del self.notes[values[0]]
        else:
            self.notes[values[0]] = values[1]


def locking(shared: Scripted, letter: str, **more: Any) -> GroupLock:
    who = group_lock.Run(letter * 16, letter, letter, "failover", letter, None)
    connection: SqlConnection = shared  # type: ignore[assignment]
    return GroupLock(connection, NAME, LockRequest(who, 3600, 0, **more))


@pytest.mark.parametrize("moment", range(8))
def test_two_take_over_at_once_and_a_third_is_released_meanwhile(moment: int) -> None:
    """At each statement of one run, another takes over the same lock, ends its work and goes; then a third has the
    first lock.
    """
    shared = Scripted({}, {})
    dead = locking(shared, "d")
    dead.require()
    dead.have()
    shared.now += timedelta(hours=2)

    def meanwhile() -> None:
        shared.events = {}
        second = locking(shared, "b")
        if second.look().kind in (group_lock.FREE, group_lock.LEFT):
            second.have()
            second.release()
            third = locking(shared, "c")
            third.require()
            third.have()

    shared.events = {len(shared.statements) + moment: meanwhile}
    first = locking(shared, "a")
    try:
        first.require()
        first.have()
    except database_lock.LockProblem:
        pass
    first.look()
    others = locking(shared, "x")
    others.look()
    assert others.report.lock is not None
    assert others.report.lock.key in ("a" * 16, "c" * 16)
    assert first.report.held is (others.report.lock.key == "a" * 16)


@pytest.mark.parametrize("moment", range(10))
def test_a_lock_is_taken_over_while_its_run_renews_or_releases_it(moment: int) -> None:
    """The lease is over, and both act at once: in the end not both believe that they have it."""
    for deed in ("renew", "release"):
        shared = Scripted({}, {})
        first = locking(shared, "a")
        first.require()
        first.have()
        shared.now += timedelta(hours=2)
        second = locking(shared, "b")

        def meanwhile(second: GroupLock = second, shared: Scripted = shared) -> None:
            shared.events = {}
            if second.look().kind in (group_lock.FREE, group_lock.LEFT):
                second.have()

        shared.events = {len(shared.statements) + moment: meanwhile}
        again = locking(shared, "a", renews=deed == "renew")
        try:
            again.require()
            again.have() if deed == "renew" else again.release()
        except database_lock.LockProblem:
            pass
        claims = [each.report.held for each in (again, second)]
        second.look()
        again.look()
        assert claims != [True, True], (deed, moment)
        assert not (claims[1] and not second.report.held and shared.notes), (deed, moment)


def test_of_many_that_want_it_at_once_one_has_it(sql: SqlServer) -> None:
    options = SqlOptions(server=sql.address, **ADMIN)
    barrier = threading.Barrier(6)
    held: list[str] = []

    def want(letter: str, number: int) -> None:
        who = group_lock.Run(f"{letter * 15}{number}", letter, letter, "failover", letter, None)
        with connect(options) as connection:
            lock = GroupLock(connection, NAME, LockRequest(who, 3600, 0))
            barrier.wait()
            try:
                lock.require()
                lock.have()
                held.append(letter)
            except database_lock.LockProblem:
                pass

    for number in range(5):
        held.clear()
        threads = [threading.Thread(target=want, args=(letter, number)) for letter in "abcdef"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(held) == 1
        age(sql, 10**5)
