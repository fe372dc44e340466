# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""service_broker against the lab's SQL Server, by pyodbc and FreeTDS: the database ends in MULTI_USER, or the message
says why not.
"""

from __future__ import annotations

import itertools
import json
import signal
import threading
import time
from typing import Any

import pytest
import yaml
from unit.plugins.modules.sql_server import ADMIN, HOSTILE, NAME, READER, Run, Service, Subject, fault, require_freetds
from waiting import until

from ansible_collections.opsmgr.recovery.plugins.module_utils import broker as broker_utils
from ansible_collections.opsmgr.recovery.plugins.module_utils import sql_module, sqlserver
from ansible_collections.opsmgr.recovery.plugins.module_utils.closed_database import CLOSED_NOTE
from ansible_collections.opsmgr.recovery.plugins.modules import service_broker
from lab.sql.opsmgr_schema import create_operations_manager
from lab.sql.server import SqlServer, SqlSession

require_freetds()

ANYBODYS = {"reopen": "anybodys"}
SUBJECT = Subject(service_broker, {"timeout": 5, **ADMIN})
KEYS = {
    "changed",
    "database",
    "before",
    "after",
    "closed_by_us",
    "sessions",
    "statements",
    "diff",
    "started_at",
    "elapsed_seconds",
}


@pytest.fixture
def subject() -> Subject:
    return SUBJECT


@pytest.fixture
def sql(new_sql: SqlServer) -> SqlServer:
    new_sql.databases[NAME].is_broker_enabled = False
    new_sql.start()
    return new_sql


@pytest.fixture
def visitor(sql: SqlServer) -> SqlSession:
    """Somebody in the database who does not come back."""
    return sql.connect("Management Studio", NAME, host="ITHACA")


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker_utils, "_SHORTEST_RESTORE_SECONDS", 3)
    monkeypatch.setattr(broker_utils, "_ALONE_SECONDS", 1)


def state(sql: SqlServer, name: str = NAME) -> tuple[str, bool]:
    return sql.databases[name].user_access, sql.databases[name].is_broker_enabled


def alter_fault(sql: SqlServer, action: Any, nth: int = 1, **more: Any) -> None:
    fault(sql, "ALTER DATABASE", action, nth=nth, **more)


def alterations(result: dict[str, Any]) -> list[str]:
    return [statement for statement in result["statements"] if statement.startswith("ALTER")]


@pytest.mark.parametrize("name", [NAME, HOSTILE])
@pytest.mark.parametrize("used", [False, True])
def test_check_run_check_run(sql: SqlServer, run: Run, name: str, used: bool) -> None:
    if name == HOSTILE:
        create_operations_manager(sql, HOSTILE, "ILIAD")
        sql.databases[HOSTILE].is_broker_enabled = False
    if used:
        sql.connect("Management Studio", name)
    predicted = run(database=name, _ansible_check_mode=True)
    assert state(sql, name) == ("MULTI_USER", False)
    real = run(database=name)
    assert state(sql, name) == ("MULTI_USER", True)
    assert predicted["changed"] is real["changed"] is True
    assert (
        predicted["after"]
        == real["after"]
        == {"state": "ONLINE", "user_access": "MULTI_USER", "is_broker_enabled": True}
    )
    assert predicted["before"] == real["before"] == {**real["after"], "is_broker_enabled": False}
    assert predicted["statements"] == [
        statement for statement in real["statements"] if not statement.startswith("SELECT ")
    ]
    assert ("SINGLE_USER" in " ".join(alterations(real))) is used
    assert len(predicted["statements"]) == (6 if used else 1)
    assert real.keys() == KEYS
    for check in (True, False):
        again = run(database=name, _ansible_check_mode=check)
        assert (again["changed"], alterations(again)) == (False, [])


def leave(sql: SqlServer, name: str = NAME) -> None:
    """As a run that was killed leaves a database."""
    sql.databases[name].user_access = "SINGLE_USER"
    sql.databases[name].properties[CLOSED_NOTE] = (CLOSED_NOTE, "Set to SINGLE_USER by opsmgr.recovery")


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize(
    ("access", "options"), [("ours", {}), ("SINGLE_USER", ANYBODYS), ("RESTRICTED_USER", ANYBODYS)]
)
def test_a_database_that_was_left_closed_is_opened(
    sql: SqlServer, run: Run, access: str, options: dict[str, str], enabled: bool
) -> None:
    if access == "ours":
        leave(sql)
    else:
        sql.databases[NAME].user_access = access
    sql.databases[NAME].is_broker_enabled = enabled
    predicted = run(**options, _ansible_check_mode=True)
    result = run(**options)
    assert (result["changed"], state(sql)) == (True, ("MULTI_USER", True))
    assert predicted["closed_by_us"] is result["closed_by_us"] is (access == "ours")
    assert len(alterations(result)) == (1 if enabled else 2)
    assert [text for text in predicted["statements"] if text.startswith("ALTER")] == alterations(result)
    assert sql.databases[NAME].properties == {}


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize(
    ("access", "note"), [("SINGLE_USER", False), ("RESTRICTED_USER", False), ("RESTRICTED_USER", True)]
)
def test_a_database_that_somebody_else_closed_stays_so(
    sql: SqlServer, run: Run, access: str, note: bool, enabled: bool
) -> None:
    if note:
        leave(sql)
    sql.databases[NAME].user_access = access
    sql.databases[NAME].is_broker_enabled = enabled
    before = sql.dump()["databases"]
    for check in (True, False):
        result = run(_ansible_check_mode=check)
        assert (result["failed"], result["changed"], result["closed_by_us"]) == (True, False, False)
        for words in (
            f"it is in {access}, and no run of this collection closed it",
            "Nothing was changed",
            "set reopen to anybodys",
            "SET MULTI_USER",
        ):
            assert words in result["msg"]
    assert sql.dump()["databases"] == before


@pytest.mark.parametrize("enabled", [True, False])
def test_a_note_that_was_left_on_an_open_database_is_removed(sql: SqlServer, run: Run, enabled: bool) -> None:
    leave(sql)
    sql.databases[NAME].user_access = "MULTI_USER"
    sql.databases[NAME].is_broker_enabled = enabled
    assert run(_ansible_check_mode=True)["changed"] is True
    assert run()["changed"] is True
    assert (state(sql), sql.databases[NAME].properties) == (("MULTI_USER", True), {})
    assert run()["changed"] is False


def test_someone_who_holds_a_connection_is_named_and_thrown_out(sql: SqlServer, run: Run, service: Service) -> None:
    result = run()
    assert (result["changed"], state(sql)) == (True, ("MULTI_USER", True))
    assert result["sessions"] == [
        {"number": 51, "login": "NT AUTHORITY\\SYSTEM", "program": "OpsMgr SDK Service", "host": "HYDRA"}
    ]


def test_an_issuer_that_does_not_keep_the_seat_loses_nothing(sql: SqlServer, run: Run, service: Service) -> None:
    sql.issuer_keeps_seat = False
    assert run()["changed"] is True
    assert state(sql) == ("MULTI_USER", True)


@pytest.mark.parametrize("enabled", [True, False])
def test_a_seat_that_is_taken_is_waited_for(sql: SqlServer, run: Run, enabled: bool) -> None:
    leave(sql)
    sql.databases[NAME].is_broker_enabled = enabled
    with sql.lock:
        thief = sql.connect("sqlcmd", NAME)
    threading.Timer(1, thief.close).start()
    assert run()["changed"] is True
    assert state(sql) == ("MULTI_USER", True)


@pytest.mark.parametrize("name", [NAME, HOSTILE])
def test_a_seat_that_stays_taken_is_explained(sql: SqlServer, run: Run, name: str) -> None:
    if name == HOSTILE:
        create_operations_manager(sql, HOSTILE, "ILIAD").is_broker_enabled = False
    leave(sql, name)
    with sql.lock:
        thief = sql.connect("sqlcmd", name, host="PENELOPE")
    holder = "session 51: NT AUTHORITY\\SYSTEM, program sqlcmd, on PENELOPE"
    by_hand = f"or type: ALTER DATABASE {sqlserver.quote_identifier(name)} SET MULTI_USER WITH ROLLBACK IMMEDIATE"
    for check in (True, False):
        result = run(database=name, timeout=1, _ansible_check_mode=check)
        assert (result["failed"], result["changed"], result["closed_by_us"], state(sql, name)) == (
            True,
            False,
            None,
            ("SINGLE_USER", False),
        )
        for words in ("it cannot be told who closed it", holder, "Nothing was changed", by_hand):
            assert words in result["msg"]
    forced = run(database=name, timeout=1, **ANYBODYS)
    for words in (
        f"bring the database {name} back to MULTI_USER: THE DATABASE IS LEFT in SINGLE_USER",
        "5064",
        holder,
        by_hand,
    ):
        assert words in forced["msg"]
    thief.close()
    assert run(database=name)["after"]["user_access"] == "MULTI_USER"


@pytest.mark.parametrize("nth", [1, 2, 3])
@pytest.mark.parametrize("action", ["drop", "fail"])
@pytest.mark.usefixtures("visitor")
def test_a_statement_that_fails_or_a_connection_that_is_cut(sql: SqlServer, run: Run, action: str, nth: int) -> None:
    alter_fault(sql, action, nth)
    result = run()
    # What was reached counts: the third one only opens the database again, and that is done otherwise.
    reached = action == "drop" or nth == 3
    assert (result["changed"], state(sql)) == (reached, ("MULTI_USER", reached))
    assert result.get("failed", False) is not reached
    if not reached:
        assert "After that it is in MULTI_USER, Service Broker is off" in result["msg"]


def test_one_statement_that_fails(sql: SqlServer, run: Run) -> None:
    alter_fault(sql, "fail", 1, times=0, code=1468)
    result = run()
    assert (result["failed"], result["changed"], state(sql)) == (True, False, ("MULTI_USER", False))
    assert len(alterations(result)) == 1


def test_a_connection_that_is_cut_when_the_broker_is_on(sql: SqlServer, run: Run) -> None:
    alter_fault(sql, "drop")
    result = run()
    assert (result["changed"], state(sql), sql.databases[NAME].properties) == (True, ("MULTI_USER", True), {})


@pytest.mark.parametrize("nth", [1, 2, 3])
@pytest.mark.usefixtures("visitor")
def test_a_statement_that_never_answers(sql: SqlServer, run: Run, nth: int) -> None:
    alter_fault(sql, "stall", nth, seconds=60)
    started = time.monotonic()
    result = run(timeout=3)
    assert time.monotonic() - started < 15
    assert state(sql) == ("MULTI_USER", nth == 3)
    assert result["after"] == {"state": "ONLINE", "user_access": "MULTI_USER", "is_broker_enabled": nth == 3}
    if nth == 3:
        assert result["changed"] is True
        return
    verb = {1: "SINGLE_USER WITH ROLLBACK IMMEDIATE", 2: "ENABLE_BROKER"}[nth]
    for words in (
        f"no answer within 3 seconds to: ALTER DATABASE [{NAME}] SET {verb} (the option timeout is 3)",
        "session 51: NT AUTHORITY\\SYSTEM, program Management Studio, on ITHACA",
        "After that it is in MULTI_USER, Service Broker is off",
        "with a longer timeout",
    ):
        assert words in result["msg"]
    assert "error 0" not in result["msg"]


def test_the_reason_of_a_first_try_survives_a_second_one(sql: SqlServer, run: Run) -> None:
    alter_fault(sql, "fail", 1, code=5061, text="A lock could not be placed.")
    alter_fault(sql, "fail", 2, code=9002, text="The transaction log is full.")
    result = run()
    assert (result["failed"], state(sql)) == (True, ("MULTI_USER", False))
    assert "error 9002 (The transaction log is full); a try before failed: error 5061" in result["msg"]


def test_somebody_who_enters_while_one_statement_alone_is_tried(sql: SqlServer, run: Run) -> None:
    entered: list[SqlSession] = []

    def enter(fault_name: str) -> None:
        entered.append(sql.connect(fault_name, NAME))

    # The look at the sessions is over when the lab's server gets the statement.
    real = sql.strike

    def strike(session: Any, head: str) -> None:
        if head == "ALTER DATABASE" and not entered:
            enter("late")
        real(session, head)

    sql.strike = strike  # type: ignore[method-assign]
    result = run(timeout=10)
    assert (result["changed"], state(sql)) == (True, ("MULTI_USER", True))
    assert alterations(result) == [
        f"ALTER DATABASE [{NAME}] SET {what}"
        for what in ("ENABLE_BROKER", "SINGLE_USER WITH ROLLBACK IMMEDIATE", "ENABLE_BROKER", "MULTI_USER")
    ]


# What ALTER DATABASE is told where the database cannot be altered now, or never: the message says what that means.
REFUSALS = [
    (1468, "The operation cannot be performed on database.", "availability group"),
    (976, "The target database is participating in an availability group.", "primary replica"),
    (3906, "Failed to update database because the database is read-only.", "READ_WRITE"),
    (5004, "To use ALTER DATABASE, the database must be in a writable state.", "READ_WRITE"),
    (9002, "The transaction log for database is full.", "log_reuse_wait_desc"),
    (1105, "Could not allocate space.", "Make room"),
    (1222, "Lock request time out period exceeded.", "sp_who2"),
]


@pytest.mark.parametrize(("code", "text", "words"), REFUSALS)
@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.usefixtures("visitor")
def test_what_a_refusal_means(sql: SqlServer, run: Run, nth: int, code: int, text: str, words: str) -> None:
    alter_fault(sql, "fail", nth, code=code, text=text)
    result = run()
    assert (result["failed"], state(sql)) == (True, ("MULTI_USER", False))
    assert f"error {code} ({text.rstrip('.')}). After that it is in MULTI_USER, Service Broker is off" in result["msg"]
    assert words in result["msg"]


@pytest.mark.usefixtures("visitor")
def test_the_reason_of_a_first_failure_survives_a_second_one(sql: SqlServer, run: Run) -> None:
    alter_fault(sql, "fail", 2, code=9002, text="The transaction log is full.")
    alter_fault(sql, "fail", 3, times=0, code=5004, text="The database must be in a writable state.")
    result = run()
    assert (result["failed"], state(sql)) == (True, ("SINGLE_USER", False))
    for words in (
        "THE DATABASE IS LEFT in SINGLE_USER",
        "error 5004",
        "Before that: error 9002 (The transaction log is full)",
    ):
        assert words in result["msg"]


@pytest.mark.parametrize("used", [False, True])
@pytest.mark.parametrize("action", ["drop", "fail"])
def test_a_fault_at_any_statement_leaves_multi_user(sql: SqlServer, run: Run, action: str, used: bool) -> None:
    assert sql.faults is not None
    for nth in itertools.count(1):
        sql.databases[NAME].is_broker_enabled = False
        if used:
            sql.connect("Management Studio", NAME)
        fault(sql, "*", action, nth=nth)
        result = run()
        assert state(sql)[0] == "MULTI_USER", nth
        assert state(sql)[1] or result["failed"], nth
        if sql.faults.pending():
            break
        assert run()["after"] == {"state": "ONLINE", "user_access": "MULTI_USER", "is_broker_enabled": True}
    assert nth > len(alterations(result)) + 5


@pytest.mark.parametrize("code", [924, 5061, 5064, 5070, 1205])
@pytest.mark.parametrize("nth", [1, 2, 3, 4])
@pytest.mark.usefixtures("visitor")
def test_a_seat_that_is_lost_for_a_moment(sql: SqlServer, run: Run, nth: int, code: int) -> None:
    if nth == 4:
        # One USE to connect for the look, one for the second look at who is there, one for the repair, and then the one
        # that enters the database.
        fault(sql, "USE", "fail", nth=4, code=code)
    else:
        alter_fault(sql, "fail", nth, code=code)
    result = run()
    assert (result["changed"], state(sql)) == (True, ("MULTI_USER", True))


def test_a_thief_after_a_cut_connection(sql: SqlServer, run: Run, quick_thief: Service) -> None:
    alter_fault(sql, "drop", 2)
    threading.Timer(1.5, quick_thief.stop).start()
    assert run()["changed"] is True
    assert state(sql) == ("MULTI_USER", True)


def test_a_thief_after_a_cut_connection_who_stays(sql: SqlServer, run: Run, quick_thief: Service) -> None:
    alter_fault(sql, "drop", 2)
    result = run()
    assert (result["failed"], state(sql)) == (True, ("SINGLE_USER", False))
    assert "program OpsMgr SDK Service, on HYDRA" in result["msg"]
    assert "SET MULTI_USER WITH ROLLBACK IMMEDIATE" in result["msg"]
    assert result["after"]["user_access"] == "SINGLE_USER"
    quick_thief.stop()
    assert run()["changed"] is True
    assert state(sql) == ("MULTI_USER", True)


def test_a_seat_that_is_refused_all_the_time_still_ends_in_multi_user(sql: SqlServer, run: Run) -> None:
    for nth in (1, 3, 5):
        alter_fault(sql, "fail", nth, code=5064)
    result = run()
    assert state(sql)[0] == "MULTI_USER"
    assert result.get("failed") or state(sql)[1]


@pytest.mark.usefixtures("visitor")
def test_a_server_that_goes_down_in_between(sql: SqlServer, run: Run) -> None:
    alter_fault(sql, "stall", 2, seconds=30)
    until_single = threading.Thread(target=lambda: (until(lambda: state(sql)[0] == "SINGLE_USER"), sql.stop()))
    until_single.start()
    result = run(connect_timeout=1)
    until_single.join()
    assert result["failed"] is True
    assert "in a state that could not be read, possibly SINGLE_USER" in result["msg"]
    assert result["after"] is None
    assert sql.faults is not None
    sql.faults.clear()
    sql.start()
    assert run()["after"] == {"state": "ONLINE", "user_access": "MULTI_USER", "is_broker_enabled": True}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("nth", [2, 3])
@pytest.mark.usefixtures("visitor")
def test_a_killed_process(sql: SqlServer, run: Run, number: signal.Signals, nth: int) -> None:
    alter_fault(sql, "stall", nth, seconds=2)
    process = SUBJECT.start()
    until(lambda: state(sql) == ("SINGLE_USER", nth == 3))
    time.sleep(0.2)
    process.send_signal(number)
    assert process.stdout is not None
    output = process.stdout.read()
    process.wait(20)
    until(lambda: not sql.sessions)
    if number == signal.SIGTERM:
        assert state(sql)[0] == "MULTI_USER"
        result = json.loads(output)
        assert "ended by SIGTERM" in result["msg"]
        assert result["after"]["user_access"] == "MULTI_USER"
    else:
        assert state(sql)[0] == "SINGLE_USER"
    assert run()["after"] == {"state": "ONLINE", "user_access": "MULTI_USER", "is_broker_enabled": True}
    assert state(sql) == ("MULTI_USER", True)


@pytest.fixture
def twin(sql: SqlServer) -> SqlServer:
    copy = sql.add_database("Copy")
    copy.service_broker_guid = sql.databases[NAME].service_broker_guid
    return sql


@pytest.mark.parametrize("access", ["MULTI_USER", "SINGLE_USER"])
def test_a_copy_with_the_same_id_is_explained_before_anything_happens(twin: SqlServer, run: Run, access: str) -> None:
    if access == "SINGLE_USER":
        leave(twin)
    twin.databases[NAME].conversations = 7
    for check in (True, False):
        result = run(_ansible_check_mode=check)
        assert result["failed"] is True
        assert "Copy has the same broker id" in result["msg"]
        assert "9772" in result["msg"]
        assert "new_broker: true" in result["msg"]
    assert state(twin) == ("MULTI_USER", False)
    assert not any("SINGLE_USER" in statement for statement in result["statements"])
    assert twin.databases[NAME].conversations == 7


def test_a_new_broker_on_request(twin: SqlServer, run: Run) -> None:
    result = run(new_broker=True)
    assert "ALTER DATABASE [OperationsManager] SET NEW_BROKER" in result["statements"]
    assert state(twin) == ("MULTI_USER", True)
    identity = twin.databases[NAME].service_broker_guid
    assert run(new_broker=True)["changed"] is False
    assert twin.databases[NAME].service_broker_guid == identity != twin.databases["Copy"].service_broker_guid


def test_a_new_broker_is_not_taken_without_need(sql: SqlServer, run: Run) -> None:
    identity = sql.databases[NAME].service_broker_guid
    assert run(new_broker=True)["changed"] is True
    assert sql.databases[NAME].service_broker_guid == identity


@pytest.mark.parametrize("new_broker", [True, False])
def test_a_copy_that_nobody_sees_beforehand(
    twin: SqlServer, run: Run, monkeypatch: pytest.MonkeyPatch, new_broker: bool
) -> None:
    monkeypatch.setattr(broker_utils, "TWINS", "SELECT name FROM sys.databases WHERE name = ? AND name = ? AND 1 = 2")
    result = run(new_broker=new_broker)
    assert state(twin) == ("MULTI_USER", new_broker)
    assert new_broker or "9772" in result["msg"]


def test_a_login_without_rights_changes_nothing(sql: SqlServer, run: Run) -> None:
    for check in (True, False):
        result = run(**READER, _ansible_check_mode=check)
        assert result["failed"] is True
        assert "the login may not alter it" in result["msg"]
        assert "sysadmin" in result["msg"]
        assert alterations(result) == []


def test_a_reason_that_the_driver_hides(sql: SqlServer, run: Run) -> None:
    alter_fault(sql, "fail", 1, times=0, code=5069)
    result = run()
    assert "most often the login may not alter" in result["msg"]
    assert state(sql) == ("MULTI_USER", False)


@pytest.mark.parametrize("code", [5011, 15247])
def test_a_right_that_turns_out_to_be_missing(sql: SqlServer, run: Run, code: int) -> None:
    alter_fault(sql, "fail", 1, times=2, code=code)
    result = run()
    assert f"the login may not alter it (error {code}" in result["msg"]
    assert (result["changed"], state(sql)) == (False, ("MULTI_USER", False))


@pytest.mark.parametrize("there", ["missing", "RESTORING", "OFFLINE"])
def test_a_database_that_cannot_be_repaired(sql: SqlServer, run: Run, there: str) -> None:
    if there == "missing":
        sql.remove_database(sql.databases[NAME])
    else:
        sql.databases[NAME].state = there
    for check in (True, False):
        result = run(_ansible_check_mode=check)
        assert result["failed"] is True
        assert ("no such database" if there == "missing" else f"it is {there}") in result["msg"]
        assert result.keys() == KEYS | {"msg", "failed"}
        assert alterations(result) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"timeout": 0}, "the option timeout cannot be used"),
        ({"port": 70000}, "port is 70000"),
        ({"login_password": "wrong"}, "refused"),
    ],
)
def test_options_that_cannot_work(sql: SqlServer, run: Run, options: dict[str, Any], words: str) -> None:
    result = run(**options)
    assert result["failed"] is True
    assert words in result["msg"]


def test_missing_pyodbc_fails_by_name(sql: SqlServer, monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    monkeypatch.setattr(sqlserver, "PYODBC_IMPORT_ERROR", "no module")
    monkeypatch.setattr(sql_module, "PYODBC_IMPORT_ERROR", "no module")
    assert "(pyodbc)" in run()["msg"]


def test_the_documentation_has_the_real_keys() -> None:
    assert yaml.safe_load(service_broker.RETURN).keys() == KEYS - {"changed", "diff"}
