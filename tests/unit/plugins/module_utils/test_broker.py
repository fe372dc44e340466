# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The decisions of the repair of Service Broker, over a server of a few lines and a clock that nobody waits for. What a
real driver and the lab's SQL Server make of the statements is in test_service_broker.py.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from ansible_collections.opsmgr.recovery.plugins.module_utils import broker
from ansible_collections.opsmgr.recovery.plugins.module_utils.broker import (
    AccessGuard,
    AccessProblem,
    BrokerProblem,
    BrokerRepair,
    TimeLeft,
    alter_advice,
    cause,
    state_result,
)
from ansible_collections.opsmgr.recovery.plugins.module_utils.closed_database import ANYBODYS
from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.module_utils.management_group import DATABASE, DatabaseState
from ansible_collections.opsmgr.recovery.plugins.module_utils.sessions import SESSIONS, Session
from ansible_collections.opsmgr.recovery.plugins.module_utils.sql_options import OptionProblem, SqlOptions
from ansible_collections.opsmgr.recovery.plugins.module_utils.sqlserver import UNREACHABLE, ConnectionProblem, SqlError

NAME = "OperationsManager"
OFF = DatabaseState(NAME, "ONLINE", "MULTI_USER", False, "FULL")
ON = replace(OFF, is_broker_enabled=True)
CLOSED = replace(OFF, user_access="SINGLE_USER")
SDK = Session(51, "ODYSSEY\\sdk", "OpsMgr SDK Service", "HYDRA")
USE, SINGLE, ENABLE, NEW, MULTI, OPEN = (
    f"USE [{NAME}]",
    f"ALTER DATABASE [{NAME}] SET SINGLE_USER WITH ROLLBACK IMMEDIATE",
    f"ALTER DATABASE [{NAME}] SET ENABLE_BROKER",
    f"ALTER DATABASE [{NAME}] SET NEW_BROKER",
    f"ALTER DATABASE [{NAME}] SET MULTI_USER",
    f"ALTER DATABASE [{NAME}] SET MULTI_USER WITH ROLLBACK IMMEDIATE",
)
LEAVE, FORGET = "leave the note", "remove the note"
# What may be better a moment later: a seat that is taken, a lost deadlock, a reason that the driver hides.
TAKEN = (924, 5061, 5064, 5070, 1205, 5069)


def sql_error(number: int, waited_seconds: int | None = None) -> SqlError:
    return SqlError(number, "42000", "It failed.", "ALTER", "sql1:1433", waited_seconds)


def no_connection(kind: str) -> ConnectionProblem:
    return ConnectionProblem(kind, "sql1:1433", "it is gone", "look for it")


@dataclass
class Server:
    """A SQL Server with one database, and whoever asks it.

    :ivar faults: which statements fail, each once: a part of the statement, and why
    :ivar closed_by_us: what can be told of who closed the database, at each look; the last one stays
    :ivar timeouts: the seconds that each connection gives a statement
    """

    state: DatabaseState | None = OFF
    sessions: list[Session] = field(default_factory=list)
    twins: list[str] = field(default_factory=list)
    hidden_twin: bool = False
    note: bool = False
    allowed: int | None = 1
    closed_by_us: list[bool | None] = field(default_factory=lambda: [False])
    faults: list[tuple[str, Exception]] = field(default_factory=list)
    now: float = 100.0
    pauses: list[float] = field(default_factory=list)
    timeouts: list[int] = field(default_factory=list)
    connections: list[Connection] = field(default_factory=list)
    versions: list[str] = field(default_factory=list)

    def refuse(self, statement: str) -> None:
        for fault in self.faults:
            if fault[0] in statement:
                self.faults.remove(fault)
                raise fault[1]

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    def who_closed(self, _connection: object, state: DatabaseState | None) -> bool | None:
        if state is None or state.user_access == "MULTI_USER":
            return False
        return self.closed_by_us.pop(0) if len(self.closed_by_us) > 1 else self.closed_by_us[0]


class Connection:
    def __init__(self, server: Server) -> None:
        self._server = server
        self.statements: list[str] = []
        self.is_open = True

    def rows(self, statement: str, *_values: object) -> list[dict[str, Any]]:
        server = self._server
        server.refuse(statement)
        if statement == DATABASE and server.state is not None:
            access, enabled = server.state.user_access, server.state.is_broker_enabled
            named = {"name": NAME, "state_desc": server.state.state, "user_access_desc": access}
            return [{**named, "is_broker_enabled": enabled, "recovery_model_desc": "FULL"}]
        if statement == SESSIONS:
            columns = ("spid", "loginame", "program_name", "hostname")
            return [
                dict(zip(columns, (each.number, each.login, each.program, each.host), strict=True))
                for each in server.sessions
            ]
        if statement == broker.TWINS:
            return [{"name": name} for name in server.twins]
        if statement == broker.RIGHT:
            return [{"allowed": server.allowed}]
        return [{"Version": version} for version in server.versions]

    def execute(self, statement: str) -> None:
        self.statements.append(statement)
        self._server.refuse(statement)
        state = self._server.state
        assert state is not None
        if "SINGLE_USER" in statement:
            self._server.state = replace(state, user_access="SINGLE_USER")
        elif "MULTI_USER" in statement:
            self._server.state = replace(state, user_access="MULTI_USER")
        elif "ENABLE_BROKER" in statement and self._server.hidden_twin:
            raise sql_error(9772)
        elif "_BROKER" in statement:
            self._server.state = replace(state, is_broker_enabled=True)

    def close(self) -> None:
        self.is_open = False


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    made = Server()

    class Timer(TimeLeft):
        def __init__(self, seconds: float) -> None:
            super().__init__(seconds, lambda: made.now)

    def connect(options: SqlOptions, *, query_timeout_seconds: int) -> Connection:
        # In the database itself it would take its only seat.
        assert options.database == "master"
        made.refuse("connect")
        made.timeouts.append(query_timeout_seconds)
        made.connections.append(Connection(made))
        return made.connections[-1]

    def leave(connection: Connection, _database: str) -> None:
        connection.execute(LEAVE)
        made.note = True

    def forget(connection: Connection, _database: str) -> None:
        connection.execute(FORGET)
        made.note = False

    monkeypatch.setattr(broker, "TimeLeft", Timer)
    monkeypatch.setattr(broker, "connect", connect)
    monkeypatch.setattr(broker, "closed_by_us", made.who_closed)
    monkeypatch.setattr(broker, "has_closed_note", lambda _connection, _database: made.note)
    monkeypatch.setattr(broker, "leave_closed_note", leave)
    monkeypatch.setattr(broker, "drop_closed_note", forget)
    monkeypatch.setattr(broker, "note_statements", lambda _database: (LEAVE, FORGET))
    monkeypatch.setattr(broker.time, "sleep", made.sleep)
    return made


def repair(seconds: int = 60, **options: Any) -> BrokerRepair:
    return BrokerRepair(SqlOptions("sql1", connect_timeout=7), **{"new_broker": False, "seconds": seconds, **options})


def observed(seconds: int = 60, **options: Any) -> BrokerRepair:
    made = repair(seconds, **options)
    made.observe()
    return made


@contextmanager
def refused(kind: type[BrokerProblem], number: int, *words: str) -> Iterator[None]:
    with pytest.raises(kind) as caught:
        yield
    assert (type(caught.value), caught.value.number) == (kind, number)
    assert [each for each in words if each not in str(caught.value)] == []


# What is sent


@pytest.mark.parametrize(
    ("state", "sessions", "note", "sent"),
    [
        pytest.param(OFF, [], False, [ENABLE], id="nobody is in the way"),
        pytest.param(OFF, [SDK], False, [USE, LEAVE, SINGLE, ENABLE, MULTI, FORGET], id="a service is in it"),
        pytest.param(CLOSED, [], False, [OPEN, FORGET, ENABLE], id="a run was killed when it had closed it"),
        pytest.param(
            replace(CLOSED, is_broker_enabled=True), [], False, [OPEN, FORGET], id="closed, and the broker is on"
        ),
        pytest.param(OFF, [], True, [ENABLE, FORGET], id="a note was left behind, and the broker is off"),
        pytest.param(ON, [], True, [FORGET], id="a note was left behind"),
        pytest.param(ON, [SDK], False, [], id="all is well"),
    ],
)
def test_what_is_sent_is_what_was_predicted(
    server: Server, state: DatabaseState, sessions: list[Session], note: bool, sent: list[str]
) -> None:
    server.state, server.sessions, server.note, server.closed_by_us = state, sessions, note, [True]
    predicted = observed()
    predicted.predict()
    assert predicted.report.statements == sent
    assert predicted.report.after == ON
    real = observed()
    assert real.needed is bool(sent)
    if sent:
        real.carry_out()
    assert (real.report.before, real.report.after, real.report.statements) == (state, ON, sent)
    assert (server.state, server.note, server.pauses) == (ON, False, [])


def test_a_look_at_what_is_well_asks_for_no_rights(server: Server) -> None:
    server.state, server.allowed = ON, 0
    assert observed().report.sessions is None


def test_a_new_id_is_taken_only_where_the_old_one_cannot_be_kept(server: Server) -> None:
    server.twins = ["Copy"]
    made = observed(new_broker=True)
    made.carry_out()
    assert made.report.statements == [NEW]


@pytest.mark.parametrize("sessions", [[], [SDK]])
def test_a_copy_that_this_login_cannot_see_is_met_once(server: Server, sessions: list[Session]) -> None:
    server.hidden_twin, server.sessions = True, sessions
    made = observed(new_broker=True)
    made.carry_out()
    assert made.report.statements[-1 if not sessions else -3] == NEW
    assert server.state == ON


@pytest.mark.parametrize("twins", [["Copy", "Other"], []])
def test_a_copy_with_the_same_id_keeps_the_broker_off(server: Server, twins: list[str]) -> None:
    server.twins, server.hidden_twin = twins, True
    made = observed()
    with refused(BrokerProblem, 9772, "9772", ", ".join(twins) or "another database", "new_broker"):
        made.carry_out()
    assert made.report.statements == ([] if twins else [ENABLE])
    assert made.report.after == OFF
    if twins:
        with refused(BrokerProblem, 9772):
            made.predict()
        assert (made.report.statements, made.report.after) == ([], OFF)


def test_a_database_that_is_closed_is_opened_even_if_its_broker_stays_off(server: Server) -> None:
    server.state, server.twins, server.closed_by_us = CLOSED, ["Copy"], [True]
    made = observed()
    with refused(BrokerProblem, 9772):
        made.carry_out()
    assert (made.report.statements, server.state) == ([OPEN, FORGET], OFF)


def test_no_connection_stays_open(server: Server) -> None:
    server.sessions, server.faults = [SDK], [("SINGLE_USER", sql_error(5064))]
    observed().carry_out()
    assert {connection.is_open for connection in server.connections} == {False}


# What cannot be repaired


def test_a_database_of_a_later_version_is_left_alone(server: Server) -> None:
    server.versions = ["7.0.8560.0"]
    with pytest.raises(OpsmgrError, match=f"turn on Service Broker of the database {NAME}"):
        observed()
    server.versions = ["6.1.7221.0"]
    assert observed().needed


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (None, ["no such database", "Check the name"]),
        (replace(OFF, state="RESTORING"), ["RESTORING", "WITH RECOVERY"]),
        (replace(OFF, state="OFFLINE"), ["OFFLINE", "SET ONLINE"]),
        (replace(OFF, state="SUSPECT"), ["SUSPECT", "error log"]),
    ],
)
def test_a_database_that_is_not_there_or_not_online(
    server: Server, state: DatabaseState | None, words: list[str]
) -> None:
    server.state = state
    with refused(BrokerProblem, 0, *words):
        observed()


@pytest.mark.parametrize(("allowed", "is_refused"), [(0, True), (1, False), (None, False)])
def test_only_a_certain_no_is_a_missing_right(server: Server, allowed: int | None, is_refused: bool) -> None:
    server.allowed = allowed
    if is_refused:
        with refused(BrokerProblem, 0, "no ALTER permission", "Nothing was changed", "sysadmin"):
            observed()
    else:
        assert observed().needed


def test_what_the_server_does_not_let_one_see_decides_nothing(server: Server) -> None:
    server.faults = [(broker.RIGHT, sql_error(229)), (SESSIONS, sql_error(297))]
    made = observed()
    assert made.report.sessions is None
    made.carry_out()
    assert made.report.statements == [ENABLE]


@pytest.mark.parametrize("number", [5011, 15135, 15247, 262, 297, 300])
def test_a_right_that_turns_out_to_be_missing(server: Server, number: int) -> None:
    server.faults = [("ENABLE_BROKER", sql_error(number))]
    with refused(
        BrokerProblem, number, f"error {number}", "After that it is in MULTI_USER, Service Broker is off", "sysadmin"
    ):
        observed().carry_out()


@pytest.mark.parametrize(("seconds", "works"), [(1, True), (0, False), (-1, False)])
def test_the_deadline_is_at_least_a_second(seconds: int, works: bool) -> None:
    if works:
        repair(seconds)
    else:
        with pytest.raises(OptionProblem, match=f"timeout is {seconds}"):
            repair(seconds)


# Who closed it


def test_who_closed_it_is_waited_for_while_its_only_seat_is_taken(server: Server) -> None:
    server.state, server.sessions, server.closed_by_us = CLOSED, [SDK], [None, None, True]
    made = observed()
    server.sessions = []
    made.carry_out()
    assert (made.report.closed_by_us, made.report.sessions, server.pauses) == (True, [], [1.0, 1.0])
    assert made.report.statements == [OPEN, FORGET, ENABLE]


def test_what_cannot_be_told_in_time_changes_nothing(server: Server) -> None:
    server.state, server.sessions, server.closed_by_us = CLOSED, [SDK], [None]
    made = observed(2)
    with refused(AccessProblem, 0, "cannot be told who closed it", "OpsMgr SDK Service", "it finds out", OPEN):
        made.carry_out()
    assert (server.pauses, made.report.statements) == ([1.0, 1.0], [])
    with refused(AccessProblem, 0, "Nothing was changed"):
        made.predict()


def test_a_look_that_fails_while_it_is_waited_is_made_again(server: Server) -> None:
    server.state, server.closed_by_us = CLOSED, [None, True]
    made = observed()
    server.faults = [("connect", no_connection(UNREACHABLE)), (DATABASE, sql_error(924))]
    made.carry_out()
    assert (len(server.pauses), server.state) == (3, ON)


def test_a_database_that_was_opened_meanwhile_needs_no_proof(server: Server) -> None:
    server.state, server.closed_by_us = replace(CLOSED, is_broker_enabled=True), [None]
    made = observed()
    server.state = ON
    made.carry_out()
    assert (made.report.statements, server.pauses) == ([], [1.0])


@pytest.mark.parametrize("closed_by_us", [False, None])
def test_what_somebody_else_closed_is_opened_on_request_alone(server: Server, closed_by_us: bool | None) -> None:
    server.state, server.closed_by_us = CLOSED, [closed_by_us]
    if closed_by_us is False:
        with refused(AccessProblem, 0, "no run of this collection closed it", "who closed it, and why", "anybodys"):
            observed()
    made = observed(reopen=ANYBODYS)
    made.carry_out()
    assert (server.state, server.pauses, made.report.closed_by_us) == (ON, [], closed_by_us)


# Failures on the way


@pytest.mark.parametrize("number", TAKEN)
@pytest.mark.parametrize("statement", ["ENABLE_BROKER", "SINGLE_USER", f"USE [{NAME}]"])
def test_what_may_be_better_a_moment_later_is_tried_again(server: Server, statement: str, number: int) -> None:
    server.sessions = [] if statement == "ENABLE_BROKER" else [SDK]
    server.faults = [(statement, sql_error(number))]
    made = observed()
    made.carry_out()
    assert (server.state, made.report.after) == (ON, ON)
    assert made.report.statements[-6:] == [USE, LEAVE, SINGLE, ENABLE, MULTI, FORGET]


def test_a_connection_that_broke_is_tried_again_and_one_that_is_refused_is_not(server: Server) -> None:
    made = observed()
    server.faults = [("connect", no_connection(UNREACHABLE))]
    made.carry_out()
    assert server.state == ON
    server.state = OFF
    made = observed()
    server.faults = [("connect", no_connection("login"))]
    with refused(BrokerProblem, 0, "it is gone", "look for it"):
        made.carry_out()
    assert made.report.statements == []


def test_three_tries_to_have_it_alone_are_enough(server: Server) -> None:
    server.sessions = [SDK]
    server.faults = [("SINGLE_USER", sql_error(5064)) for _try in range(9)]
    made = observed()
    with refused(
        BrokerProblem, 5064, "error 5064", "it is in MULTI_USER, Service Broker is off", "OpsMgr services first"
    ):
        made.carry_out()
    assert made.report.statements.count(SINGLE) == 3


def test_the_reason_of_an_earlier_try_is_told_too(server: Server) -> None:
    server.sessions = [SDK]
    server.faults = [("SINGLE_USER", sql_error(5064)), ("SINGLE_USER", sql_error(5061)), ("SINGLE_USER", sql_error(8))]
    with refused(BrokerProblem, 8, "error 8", "a try before failed: error 5064"):
        observed().carry_out()


def test_a_first_reason_that_is_also_the_last_is_told_once(server: Server) -> None:
    server.sessions = [SDK]
    server.faults = [("SINGLE_USER", sql_error(number)) for number in (5064, 5061, 5064)]
    with pytest.raises(BrokerProblem) as caught:
        observed().carry_out()
    assert "a try before" not in str(caught.value)


def test_what_helps_nothing_later_is_tried_once(server: Server) -> None:
    server.faults = [("ENABLE_BROKER", sql_error(9002))]
    made = observed()
    with refused(BrokerProblem, 9002, "error 9002"):
        made.carry_out()
    assert made.report.statements == [ENABLE]


def test_when_the_time_is_over_no_other_try_is_begun(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.sessions, server.faults = [SDK], [("SINGLE_USER", sql_error(5064)) for _try in range(9)]
    made = observed(5)
    monkeypatch.setattr(server, "sessions", [SDK])
    slow = broker.leave_closed_note

    def leave(connection: Any, database: str) -> None:
        server.now += 9
        slow(connection, database)

    monkeypatch.setattr(broker, "leave_closed_note", leave)
    with refused(BrokerProblem, 5064):
        made.carry_out()
    assert made.report.statements.count(SINGLE) == 1


def test_a_statement_that_did_its_work_before_its_connection_broke_is_enough(server: Server) -> None:
    server.sessions = [SDK]
    made = observed()
    server.faults = [(MULTI, no_connection(UNREACHABLE))]
    made.carry_out()
    assert made.report.statements == [USE, LEAVE, SINGLE, ENABLE, MULTI, OPEN, FORGET, FORGET]
    assert (server.state, server.note) == (ON, False)


def test_what_was_reached_counts_whatever_failed_on_the_way(server: Server) -> None:
    server.note = True
    made = observed()
    server.faults = [(FORGET, no_connection("login"))]
    made.carry_out()
    assert made.report.after == ON
    server.state, server.note = OFF, True
    made = observed()
    server.faults = [(FORGET, sql_error(229))]
    made.carry_out()
    assert made.report.after == ON


@pytest.mark.parametrize("state", [None, OFF, replace(ON, user_access="RESTRICTED_USER")])
def test_statements_that_ran_are_no_proof(
    server: Server, monkeypatch: pytest.MonkeyPatch, state: DatabaseState | None
) -> None:
    made = observed()
    monkeypatch.setattr(Connection, "execute", lambda _connection, _statement: setattr(server, "state", state))
    told = "its state could not be read" if state is None else f"it is in {state.user_access}, Service Broker is "
    told += "" if state is None else "on" if state.is_broker_enabled else "off"
    with refused(BrokerProblem, 0, "all statements ran", told, OPEN):
        made.carry_out()
    assert made.report.after == state


@pytest.mark.parametrize("why", [no_connection(UNREACHABLE), sql_error(924)])
def test_a_state_that_cannot_be_read_back_is_not_known(server: Server, why: Exception) -> None:
    made = observed()
    server.faults = [("ENABLE_BROKER", sql_error(9002)), (DATABASE, why)]
    with refused(BrokerProblem, 9002, "After that its state could not be read"):
        made.carry_out()
    assert made.report.after is None


# Waiting in vain


@pytest.mark.parametrize(
    ("at_the_start", "then", "told"),
    [
        pytest.param(
            [SDK],
            [replace(SDK, program="sqlcmd")],
            "in the database were: session 51: ODYSSEY\\sdk, program sqlcmd",
            id="then",
        ),
        pytest.param([SDK], [], "in the database were at the start: session 51", id="at the start"),
        pytest.param([], [], "this login sees nobody else in the database", id="nobody"),
    ],
)
def test_who_was_waited_for_in_vain_is_named(
    server: Server, monkeypatch: pytest.MonkeyPatch, at_the_start: list[Session], then: list[Session], told: str
) -> None:
    server.sessions = at_the_start
    made = observed(50)

    def execute(connection: Connection, statement: str) -> None:
        connection.statements.append(statement)
        if statement in (SINGLE, ENABLE):
            server.sessions = then
            raise sql_error(0, waited_seconds=50)

    monkeypatch.setattr(Connection, "execute", execute)
    with refused(
        BrokerProblem, 0, told, "the option timeout is 50", "longer timeout", "After that it is in MULTI_USER"
    ):
        made.carry_out()
    # Alone it waits for nobody: the sessions are ended then.
    assert (ENABLE in made.report.statements) is not bool(at_the_start)
    assert SINGLE in made.report.statements


def test_a_session_that_cannot_be_looked_at_does_not_hide_the_reason(server: Server) -> None:
    server.sessions = [SDK]
    made = observed()
    server.faults = [("SINGLE_USER", sql_error(0, waited_seconds=60))]
    sessions = iter([[SDK]])

    def rows(connection: Connection, statement: str, *values: object, _real: Any = Connection.rows) -> Any:
        if statement == SESSIONS and next(sessions, None) is None:
            raise no_connection(UNREACHABLE)
        return _real(connection, statement, *values)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Connection, "rows", rows)
        with refused(BrokerProblem, 0, "in the database were at the start: session 51"):
            made.carry_out()


@pytest.mark.parametrize(("seconds", "alone"), [(60, 10), (12, 6), (1, 1)])
def test_the_time_that_statements_get(server: Server, seconds: int, alone: int) -> None:
    """The look has all of it, one statement alone half of it and ten seconds at most; to read back is a look again."""
    observed(seconds).carry_out()
    assert server.timeouts == [seconds, alone, 7]


# Opening


def guard() -> AccessGuard:
    return AccessGuard(SqlOptions("sql1", connect_timeout=7), [])


def test_a_database_is_opened_as_soon_as_its_seat_is_free(server: Server) -> None:
    server.state = CLOSED
    server.faults = [("MULTI_USER", sql_error(5064)) for _try in range(8)]
    guard().reopen(60)
    assert server.pauses == [0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0, 5.0]
    assert server.state == OFF


@pytest.mark.parametrize("state", [OFF, None])
def test_what_is_open_or_not_there_is_left_alone(server: Server, state: DatabaseState | None) -> None:
    server.state = state
    statements: list[str] = []
    AccessGuard(SqlOptions("sql1"), statements).reopen(60)
    assert (statements, server.state) == ([], state)


def test_a_database_that_stays_closed_is_told_with_who_is_in_it(server: Server) -> None:
    server.state, server.sessions = CLOSED, [SDK]
    server.faults = [("MULTI_USER", sql_error(5064)) for _try in range(99)]
    words = ("LEFT in SINGLE_USER", "error 5064", "In it: session 51", "OpsMgr services first", OPEN)
    with refused(AccessProblem, 5064, *words):
        guard().reopen(3)
    # It is given up when the next pause would go beyond the deadline.
    assert server.pauses == [0.25, 0.5, 1.0]
    assert server.timeouts[-1] == 7


def test_a_pause_that_would_end_with_the_deadline_is_not_made(server: Server) -> None:
    server.state = CLOSED
    server.faults = [("MULTI_USER", sql_error(5064)) for _try in range(99)]
    with refused(AccessProblem, 5064):
        guard().reopen(0.75)
    assert server.pauses == [0.25]


def test_what_helps_nothing_later_is_given_up_at_once(server: Server) -> None:
    server.state = CLOSED
    server.faults = [("MULTI_USER", sql_error(5011)), (SESSIONS, sql_error(297))]
    with refused(AccessProblem, 5011, "LEFT in SINGLE_USER", "cannot see who is in it"):
        guard().reopen(60)
    assert server.pauses == []


def test_a_server_that_is_gone_leaves_a_state_that_nobody_knows(server: Server) -> None:
    server.faults = [("connect", no_connection("login")), ("connect", no_connection("login"))]
    with refused(AccessProblem, 0, "could not be read, possibly SINGLE_USER", "it is gone"):
        guard().reopen(60)


@pytest.mark.parametrize(("seconds", "restore"), [(5, 30), (60, 60)])
def test_to_open_it_again_has_time_of_its_own(server: Server, seconds: int, restore: int) -> None:
    server.sessions = [SDK]
    made = observed(seconds)
    server.faults = [("MULTI_USER", no_connection("login"))]
    with refused(BrokerProblem, 0, "it is gone"):
        # The broker is still off: the statement for it failed.
        server.faults.insert(0, ("ENABLE_BROKER", no_connection("login")))
        made.carry_out()
    assert server.timeouts[3] == restore
    assert server.state == OFF


def test_a_database_that_is_left_closed_tells_the_first_reason_too(server: Server) -> None:
    server.sessions = [SDK]
    made = observed()
    server.faults = [
        ("ENABLE_BROKER", sql_error(9002)),
        ("MULTI_USER", sql_error(5064)),
        ("MULTI_USER WITH", sql_error(5011)),
    ]
    with refused(AccessProblem, 5011, "LEFT in SINGLE_USER", "Before that: error 9002", OPEN):
        made.carry_out()
    assert made.report.after == CLOSED


# Words and fields


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        *((sql_error(number), "sysadmin") for number in (5011, 15135, 15247, 262, 297, 300)),
        *((sql_error(number), "Stop what uses the database") for number in (924, 5061, 5064, 5070, 1205)),
        (sql_error(5069), "error log of SQL Server"),
        (no_connection("login"), "look for it"),
    ],
)
def test_what_to_do_when_a_database_cannot_be_altered(error: SqlError | ConnectionProblem, advice: str) -> None:
    assert advice in alter_advice(error)


def test_a_failure_in_a_few_words() -> None:
    assert "error 5064" in cause(sql_error(5064))
    assert cause(no_connection("login")) == "it is gone"


@pytest.mark.parametrize("kind", [BrokerProblem, AccessProblem])
def test_a_problem_is_whole_after_a_process_handed_it_on(kind: type[BrokerProblem]) -> None:
    problem = pickle.loads(pickle.dumps(kind(NAME, "it failed", "look", 5064)))
    assert (type(problem), str(problem)) == (kind, str(kind(NAME, "it failed", "look", 5064)))
    assert (problem.database, problem.number) == (NAME, 5064)


def test_a_state_as_a_result() -> None:
    assert state_result(None) is None
    assert state_result(ON) == {"state": "ONLINE", "user_access": "MULTI_USER", "is_broker_enabled": True}


def test_time_runs_out_and_is_never_negative() -> None:
    now = [10.0]
    time_left = TimeLeft(5, lambda: now[0])
    assert time_left.left == 5.0
    now[0] = 14.0
    assert time_left.left == 1.0
    now[0] = 99.0
    assert time_left.left == 0.0


def test_each_problem_says_what_was_to_be_done() -> None:
    assert BrokerProblem(NAME, "", "").step == f"turn on Service Broker of the database {NAME}"
    assert AccessProblem(NAME, "", "").step == f"bring the database {NAME} back to MULTI_USER"
