# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""database_restore against the lab's SQL Server, through the real pyodbc and FreeTDS."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from unit.plugins.modules.sql_server import (
    ADMIN,
    HOSTILE,
    NAME,
    PATH,
    READER,
    Run,
    Service,
    Subject,
    fault,
    files,
    require_freetds,
)
from waiting import until

from ansible_collections.opsmgr.recovery.plugins.module_utils import database_restore as database_restore_utils
from ansible_collections.opsmgr.recovery.plugins.module_utils import sql_module, sqlserver
from ansible_collections.opsmgr.recovery.plugins.module_utils.closed_database import CLOSED_NOTE
from ansible_collections.opsmgr.recovery.plugins.module_utils.group_lock import FIRST
from ansible_collections.opsmgr.recovery.plugins.module_utils.sql_options import quote_identifier
from ansible_collections.opsmgr.recovery.plugins.modules import database_restore
from lab.sql.opsmgr_schema import add_health_service, create_operations_manager
from lab.sql.server import SqlServer

require_freetds()

SUBJECT = Subject(database_restore, {"path": PATH, **ADMIN})
KEYS = {
    "changed",
    "database",
    "backup",
    "files",
    "before",
    "after",
    "sessions",
    "progress",
    "problems",
    "statements",
    "diff",
    "started_at",
    "elapsed_seconds",
}
ANYBODYS = {"reopen": "anybodys"}
SAME = {"overwrite": "same_group", "management_group": "odyssey"}
ONLINE = {"state": "ONLINE", "user_access": "MULTI_USER", "is_broker_enabled": False, "management_group": "ODYSSEY"}


@pytest.fixture
def subject() -> Subject:
    return SUBJECT


@pytest.fixture
def sql(new_sql: SqlServer) -> SqlServer:
    """A server with a backup of ODYSSEY's database at PATH, in which hydra is known; deathsting came later."""
    add_health_service(new_sql, NAME, "hydra.odyssey.com", is_root=True)
    new_sql.start()
    with new_sql.connect("backup") as session:
        session.run("BACKUP DATABASE OperationsManager TO DISK = ? WITH CHECKSUM", [PATH])
    add_health_service(new_sql, NAME, "deathsting.odyssey.com")
    return new_sql


def servers(sql: SqlServer, name: str = NAME) -> list[str]:
    rows = sql.dump()["databases"][name]["tables"]["dbo.MTV_HealthService"]
    return sorted(row["DisplayName"] for row in rows)


def databases(sql: SqlServer) -> str:
    return json.dumps(sql.dump()["databases"], default=str)


def deeds(result: dict[str, Any]) -> list[str]:
    return [one for one in result["statements"] if one.startswith(("ALTER", "RESTORE DATABASE"))]


def test_check_run_check_run(sql: SqlServer, run: Run) -> None:
    before = databases(sql)
    predicted = run(**SAME, _ansible_check_mode=True)
    assert databases(sql) == before
    real = run(**SAME)
    assert real.keys() == predicted.keys() == KEYS
    assert predicted["changed"] is real["changed"] is True
    assert predicted["statements"] == deeds(real) == [
        f"RESTORE DATABASE [{NAME}] FROM DISK = ? WITH FILE = 1, MOVE ? TO ?, MOVE ? TO ?, CHECKSUM, REPLACE, RECOVERY"
    ]  # fmt: skip
    assert servers(sql) == ["hydra.odyssey.com"]
    assert (real["before"], real["after"]) == ({**ONLINE, "is_broker_enabled": True}, ONLINE)
    assert "Service Broker is off" in real["problems"][0]
    assert real["files"] == predicted["files"]
    add_health_service(sql, NAME, "jupiter.odyssey.com")
    for check in (True, False):
        again = run(**SAME, _ansible_check_mode=check)
        assert (again["changed"], deeds(again), again["after"]) == (False, [], ONLINE)
    assert "jupiter.odyssey.com" in servers(sql)
    assert run(**SAME, force=True)["changed"] is True
    assert servers(sql) == ["hydra.odyssey.com"]


FRESH = {"overwrite": "fresh", "management_group": "ODYSSEY", "fresh_servers": ["castor", "rmsvs.odyssey.com"]}


def set_up_anew(sql: SqlServer, *, group: str = "ODYSSEY", older_view: bool = False) -> None:
    """The database as a new setup makes it, with two servers of the new cluster in it."""
    sql.remove_database(sql.databases[NAME])
    create_operations_manager(sql, NAME, group, older_view=older_view)
    add_health_service(sql, NAME, "RMSVS.odyssey.com", is_root=True)
    add_health_service(sql, NAME, "castor.odyssey.com")


@pytest.mark.parametrize("older_view", [False, True])
def test_a_fresh_database_is_replaced_check_run_check_run(sql: SqlServer, run: Run, older_view: bool) -> None:
    set_up_anew(sql, older_view=older_view)
    before = databases(sql)
    assert run(**FRESH, _ansible_check_mode=True)["changed"] is True
    assert databases(sql) == before
    assert run(**FRESH)["changed"] is True
    assert servers(sql) == ["hydra.odyssey.com"]
    for check in (True, False):
        assert run(**FRESH, _ansible_check_mode=check)["changed"] is False


def test_a_restore_over_a_fresh_database_that_was_cut_off_is_finished(sql: SqlServer, run: Run) -> None:
    set_up_anew(sql)
    sql.databases[NAME].state = "RESTORING"
    assert run(**FRESH)["after"] == ONLINE
    assert servers(sql) == ["hydra.odyssey.com"]


@pytest.mark.parametrize(
    ("stranger", "created", "group", "words"),
    [
        (
            "agent7.odyssey.com",
            None,
            "ODYSSEY",
            ["servers or agents that are not in fresh_servers: agent7.odyssey.com"],
        ),
        ("castor2.odyssey.com", None, "ODYSSEY", ["castor2.odyssey.com"]),
        (
            None,
            dt.datetime(2008, 2, 22, 10, 15),
            "ODYSSEY",
            ["it was created at 2008-02-22 10:15:00, before the backup was finished"],
        ),
        ("agent7.odyssey.com", dt.datetime(2008, 2, 22), "ODYSSEY", ["agent7", "created at 2008-02-22"]),
        (None, None, "ILIAD", ["of the management group ILIAD, not ODYSSEY"]),
    ],
)
def test_what_is_not_fresh_is_kept_and_each_proof_that_fails_is_named(
    sql: SqlServer, run: Run, stranger: str | None, created: dt.datetime | None, group: str, words: list[str]
) -> None:
    set_up_anew(sql, group=group)
    if stranger:
        add_health_service(sql, NAME, stranger)
    if created:
        sql.databases[NAME].create_date = created
    before = databases(sql)
    for check in (True, False):
        result = run(**FRESH, _ansible_check_mode=check)
        assert result["failed"] is True
        assert [word for word in words if word not in result["msg"]] == []
    assert databases(sql) == before


def test_the_original_database_is_not_fresh(sql: SqlServer, run: Run) -> None:
    result = run(**{**FRESH, "fresh_servers": ["hydra", "deathsting"]})
    assert "it is the database that the backup was made of" in result["msg"]
    assert "set overwrite to same_group" in result["msg"]
    assert servers(sql) == ["deathsting.odyssey.com", "hydra.odyssey.com"]


def test_a_database_whose_servers_cannot_be_read_is_not_fresh(sql: SqlServer, run: Run) -> None:
    set_up_anew(sql)
    with sql.connect("somebody", NAME) as session:
        session.run("DROP TABLE dbo.MT_HealthService")
    assert "its content could not be read" in run(**FRESH)["msg"]


@pytest.mark.parametrize("name", ["Copy", HOSTILE])
def test_a_copy_beside_the_original(sql: SqlServer, run: Run, name: str) -> None:
    result = run(database=name, management_group="ODYSSEY")
    assert (result["changed"], result["before"], result["after"]) == (True, None, ONLINE)
    assert f"RESTORE DATABASE {quote_identifier(name)} " in deeds(result)[0]
    assert "REPLACE" not in deeds(result)[0]
    paths = [one["path"] for one in result["files"]]
    assert len(set(paths)) == 2
    assert all("\\DATA\\" in path for path in paths)
    assert servers(sql, name) == ["hydra.odyssey.com"]
    assert servers(sql) == ["deathsting.odyssey.com", "hydra.odyssey.com"]
    assert run(database=name)["changed"] is False


def test_directories_and_moves(sql: SqlServer, run: Run) -> None:
    options = {"data_directory": "E:\\Data\\", "log_directory": "E:\\Log", "database": "Copy"}
    predicted = run(**options, _ansible_check_mode=True)
    assert [one["path"] for one in predicted["files"]] == [
        "E:\\Data\\Copy_OperationsManager.mdf",
        "E:\\Log\\Copy_OperationsManager_log.ldf",
    ]
    moved = run(**options, move={"OperationsManager": "E:\\it's; --.mdf"})
    assert moved["files"][0]["path"] == "E:\\it's; --.mdf"
    assert sql.databases["Copy"].options["DATA_FILE"] == "E:\\it's; --.mdf"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "set overwrite to same_group"),
        ({"overwrite": "same_group", "management_group": "ILIAD"}, "of the management group ODYSSEY, not ILIAD"),
        ({"overwrite": "same_group"}, "management_group"),
        ({"overwrite": "fresh"}, "management_group"),
        ({"database": "Copy", "move": {"OperationsManager": "E:\\x.mdf", "Nope": "E:\\y"}}, "move names Nope"),
        (
            {"database": "Copy", "move": {"OperationsManager": "E:\\x", "OperationsManager_log": "e:\\X"}},
            "two files of the backup would go to",
        ),
        ({"database": "Copy", "move": {"OperationsManager": "x.mdf"}}, "no full path"),
        ({"database": "Copy", "position": 2}, "no full backup of a database at position 2"),
        ({"database": "Copy", "path": "D:\\none.bak"}, "3201"),
        ({"path": "om.bak"}, "no full path"),
        ({"port": 70000}, "port is 70000"),
    ],
)
def test_refusals_change_nothing(sql: SqlServer, run: Run, options: dict[str, Any], words: str) -> None:
    before = databases(sql)
    for check in (True, False):
        result = run(**options, _ansible_check_mode=check)
        assert result["failed"] is True
        assert words in result["msg"]
    assert databases(sql) == before


def test_a_file_of_another_database_is_not_taken(sql: SqlServer, run: Run) -> None:
    path = sql.files_of(sql.databases["model"])[0][2]
    assert f"{path.upper()} is a file of the database model" in run(database="Copy", move={NAME: path.upper()})["msg"]


def test_any_overwrites_what_is_no_database_of_opsmgr(sql: SqlServer, run: Run) -> None:
    sql.add_database("Other")
    assert "that could not be read" in run(database="Other", **SAME)["msg"]
    result = run(database="Other", overwrite="any")
    assert (result["changed"], result["after"]) == (True, ONLINE)
    assert "REPLACE" in deeds(result)[0]


def test_a_database_in_use_is_refused_and_its_sessions_named(sql: SqlServer, run: Run) -> None:
    with sql.connect("OpsMgr SDK Service", NAME, host="HYDRA"):
        result = run(**SAME)
        assert "in use: session 51: NT AUTHORITY\\SYSTEM, program OpsMgr SDK Service, on HYDRA" in result["msg"]
        assert result["sessions"][0]["host"] == "HYDRA"
    assert "deathsting.odyssey.com" in servers(sql)


def test_disconnect_keeps_services_out_until_the_restore_is_done(sql: SqlServer, run: Run, service: Service) -> None:
    predicted = run(**SAME, disconnect=True, _ansible_check_mode=True)
    result = run(**SAME, disconnect=True)
    assert deeds(result)[:2] == predicted["statements"]
    assert predicted["statements"][0] == f"ALTER DATABASE [{NAME}] SET OFFLINE WITH ROLLBACK IMMEDIATE"
    assert (result["changed"], result["after"]) == (True, ONLINE)
    assert servers(sql) == ["hydra.odyssey.com"]


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_restore_utils, "_REOPEN_SECONDS", 2)


@pytest.mark.parametrize("action", ["fail", "drop"])
@pytest.mark.usefixtures("hasty")
def test_a_fault_at_any_statement_leaves_multi_user(sql: SqlServer, run: Run, action: str) -> None:
    assert sql.faults is not None
    options = {**SAME, "disconnect": True, "force": True}
    for nth in itertools.count(1):
        add_health_service(sql, NAME, f"server{nth}")
        fault(sql, "*", action, nth=nth)
        result = run(**options)
        found = sql.databases[NAME]
        assert (found.state, found.user_access) == ("ONLINE", "MULTI_USER"), nth
        # What did not begin left everything; what ended well restored it.
        assert result["changed"] or f"server{nth}" in servers(sql), nth
        assert result.get("failed") or f"server{nth}" not in servers(sql), nth
        # The state is what was seen at the end, or nothing.
        assert result["after"] in (
            None,
            {**ONLINE, "is_broker_enabled": found.is_broker_enabled},
            {**ONLINE, "management_group": None},
        ), nth
        if sql.faults.pending():
            break
        assert run(**options)["after"] == ONLINE
    assert nth > 15


def test_a_state_that_cannot_be_read_after_the_restore(sql: SqlServer, run: Run) -> None:
    def forbid() -> None:
        until(lambda: any(session.command == "RESTORE DATABASE" for session in sql.session_list()))
        fault(sql, "SELECT*", "fail", times=0, code=229)

    fault(sql, "RESTORE DATABASE", "stall", seconds=0.5)
    forbidding = threading.Thread(target=forbid)
    forbidding.start()
    result = run(**SAME)
    forbidding.join()
    assert (result["failed"], result["changed"], result["after"]) == (True, True, None)
    assert "it was restored, and its state could not be read afterwards: error 229" in result["msg"]
    assert sql.faults is not None
    sql.faults.clear()
    assert (run(**SAME)["changed"], run(**SAME)["after"]) == (False, ONLINE)


OFFLINE_REFUSED = [
    (5011, "Log in as a member of sysadmin, as the owner of the database"),
    (15247, "Log in as a member of sysadmin"),
    (5069, "most often the login may not alter"),
    (5061, "Stop what uses the database (the OpsMgr services first)"),
    (5064, "Stop what uses the database"),
    (50000, "Look up the number in the documentation"),
]


@pytest.mark.parametrize(("code", "advice"), OFFLINE_REFUSED)
def test_a_database_that_cannot_be_taken_offline(sql: SqlServer, run: Run, code: int, advice: str) -> None:
    fault(sql, "ALTER DATABASE", "fail", code=code)
    with sql.connect("OpsMgr SDK Service", NAME, host="HYDRA"):
        result = run(**SAME, disconnect=True)
    assert result["failed"] is True
    assert f"it could not be taken offline: error {code}" in result["msg"]
    assert (
        "In it: session 51: NT AUTHORITY\\SYSTEM, program OpsMgr SDK Service, on HYDRA. The database is ONLINE, MULTI_USER."
        in result["msg"]
    )
    assert advice in result["msg"]
    assert "deathsting.odyssey.com" in servers(sql)


@pytest.mark.parametrize("name", [NAME, HOSTILE])
def test_a_single_seat_that_is_taken(sql: SqlServer, run: Run, name: str) -> None:
    if name == HOSTILE:
        create_operations_manager(sql, HOSTILE, "ODYSSEY")
    sql.databases[name].user_access = "SINGLE_USER"
    with sql.lock:
        thief = sql.connect("sqlcmd", name, host="PENELOPE")
    untold = run(overwrite="any", database=name, disconnect=True)
    assert (untold["failed"], untold["changed"]) == (True, False)
    for words in (
        "it cannot be told who closed it",
        "session 51: NT AUTHORITY\\SYSTEM, program sqlcmd, on PENELOPE",
        "Nothing was changed",
    ):
        assert words in untold["msg"]
    refused = run(**SAME, **ANYBODYS, database=name, disconnect=True)
    assert "the database exists (ONLINE, SINGLE_USER), of the management group that could not be read" in refused["msg"]
    assert "Bring it back to MULTI_USER with service_broker" in refused["msg"]
    assert "error 924" in refused["problems"][0]
    assert refused["changed"] is False
    result = run(**ANYBODYS, overwrite="any", database=name, disconnect=True)
    for words in (
        "it could not be taken offline: error 5064",
        "In it: session 51: NT AUTHORITY\\SYSTEM, program sqlcmd, on PENELOPE",
        f"SINGLE_USER; to open it, type: ALTER DATABASE {quote_identifier(name)} SET MULTI_USER WITH ROLLBACK IMMEDIATE",
    ):
        assert words in result["msg"]
    thief.close()
    assert run(**ANYBODYS, overwrite="any", database=name, disconnect=True)["after"] == ONLINE


@pytest.mark.parametrize("restored", [True, False])
@pytest.mark.parametrize("access", ["SINGLE_USER", "RESTRICTED_USER"])
def test_a_database_that_somebody_else_closed_is_left_alone(
    sql: SqlServer, run: Run, access: str, restored: bool
) -> None:
    if restored:
        run(**SAME)
    sql.databases[NAME].user_access = access
    before = databases(sql)
    for check in (True, False):
        refused = run(overwrite="any", disconnect=True, _ansible_check_mode=check)
        assert (refused["failed"], refused["changed"]) == (True, False)
        for words in (
            f"it is in {access}, and no run of this collection closed it",
            "Nothing was changed",
            "set reopen to anybodys",
        ):
            assert words in refused["msg"]
    assert databases(sql) == before
    assert run(**ANYBODYS, overwrite="any", disconnect=True)["after"] == ONLINE


def test_the_lock_of_the_management_group_is_no_part_of_a_backup(sql: SqlServer, run: Run) -> None:
    properties = sql.databases[NAME].properties
    for name in (FIRST, CLOSED_NOTE, "opsmgr.recovery.lock.old", "of somebody else"):
        properties[name] = (name, "in the backup")
    with sql.connect("backup") as session:
        session.run("BACKUP DATABASE OperationsManager TO DISK = ? WITH CHECKSUM, INIT", [PATH])
    properties.clear()
    held = {FIRST: (FIRST, "held"), f"{FIRST}.{'a' * 16}": (f"{FIRST}.{'a' * 16}", "taken over")}
    properties.update(held)
    result = run(**SAME)
    assert (result["after"], result["problems"][1:]) == (ONLINE, [])
    assert sql.databases[NAME].properties == {**held, "of somebody else": ("of somebody else", "in the backup")}
    assert run(database="Copy")["changed"] is True
    assert list(sql.databases["Copy"].properties) == ["of somebody else"]


def test_a_lock_that_cannot_be_put_back_is_said(sql: SqlServer, run: Run) -> None:
    sql.databases[NAME].properties[FIRST] = (FIRST, "held")
    fault(sql, "EXEC", "fail", nth=2, code=15135)
    result = run(**SAME)
    assert result["changed"] is True
    assert any("The lock of the management group could not be put back" in problem for problem in result["problems"])


@pytest.fixture
def single_user_backup(sql: SqlServer) -> SqlServer:
    """A restore of this backup gives a database with one seat."""
    sql.databases[NAME].user_access = "SINGLE_USER"
    with sql.connect("backup") as session:
        session.run("BACKUP DATABASE OperationsManager TO DISK = ? WITH CHECKSUM", [PATH])
    sql.databases[NAME].user_access = "MULTI_USER"
    return sql


def test_a_service_that_takes_the_only_seat_after_the_restore_is_waited_for(
    single_user_backup: SqlServer, run: Run, quick_thief: Service
) -> None:
    threading.Timer(1.5, quick_thief.stop).start()
    assert run(**SAME, disconnect=True)["after"] == ONLINE


@pytest.mark.usefixtures("hasty")
def test_a_service_that_keeps_the_only_seat_after_the_restore_is_named(
    single_user_backup: SqlServer, run: Run, quick_thief: Service
) -> None:
    result = run(**SAME, disconnect=True)
    assert (result["failed"], result["changed"], result["after"]["user_access"]) == (True, True, "SINGLE_USER")
    for words in (
        "bring the database OperationsManager back to MULTI_USER: THE DATABASE IS LEFT in SINGLE_USER",
        "program OpsMgr SDK Service, on HYDRA",
        "ALTER DATABASE [OperationsManager] SET MULTI_USER WITH ROLLBACK IMMEDIATE",
    ):
        assert words in result["msg"]
    quick_thief.stop()
    repaired = run(**SAME)
    assert (repaired["changed"], repaired["after"]) == (True, ONLINE)


def test_a_database_that_is_offline(sql: SqlServer, run: Run) -> None:
    sql.databases[NAME].state = "OFFLINE"
    for check in (True, False):
        refused = run(**SAME, _ansible_check_mode=check)
        assert (
            "Bring it online (ALTER DATABASE [OperationsManager] SET ONLINE), then rerun. Only overwrite: any"
            in refused["msg"]
        )
    result = run(overwrite="any")
    assert (result["before"]["state"], result["after"]) == ("OFFLINE", ONLINE)


@pytest.mark.parametrize("action", ["fail", "drop"])
def test_a_restore_that_fails_after_disconnecting_brings_it_online_again(sql: SqlServer, run: Run, action: str) -> None:
    fault(sql, "RESTORE DATABASE", action, code=3013)
    result = run(**SAME, disconnect=True)
    assert result["failed"] is True
    assert "The database is ONLINE, MULTI_USER" in result["msg"]
    assert result["after"]["state"] == "ONLINE"
    assert "deathsting.odyssey.com" in servers(sql)
    assert run(**SAME, disconnect=True)["changed"] is True


def test_a_server_that_goes_down_in_between(sql: SqlServer, run: Run) -> None:
    fault(sql, "RESTORE DATABASE", "stall", seconds=30)
    stopper = threading.Thread(
        target=lambda: (until(lambda: sql.databases[NAME].state == "OFFLINE"), time.sleep(0.3), sql.stop())
    )
    stopper.start()
    result = run(**SAME, disconnect=True, connect_timeout=1)
    stopper.join()
    assert (
        "could not be read afterwards; if it is OFFLINE, type: ALTER DATABASE [OperationsManager] SET ONLINE"
        in result["msg"]
    )
    assert result["after"] is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_process(sql: SqlServer, run: Run, number: signal.Signals) -> None:
    fault(sql, "RESTORE DATABASE", "stall", seconds=2)
    process = SUBJECT.start(**SAME, disconnect=True)
    assert process.stdout is not None
    until(lambda: sql.databases[NAME].state == "OFFLINE")
    time.sleep(0.3)
    process.send_signal(number)
    output = process.stdout.read()
    process.wait(20)
    until(lambda: not sql.sessions)
    if number == signal.SIGTERM:
        # The driver does not let go before the server has answered, and may let the signal pass then.
        result = json.loads(output)
        assert result["changed"] is True
        assert "ended by SIGTERM" in result.get("msg", "ended by SIGTERM")
        assert sql.databases[NAME].state == "ONLINE"
    else:
        assert sql.databases[NAME].state == "OFFLINE"
        assert "that could not be read" in run(**SAME)["msg"]
    assert run(overwrite="any", force=True)["after"] == ONLINE


def test_a_restore_that_was_cut_off_is_repeated(sql: SqlServer, run: Run) -> None:
    sql.databases[NAME].state = "RESTORING"
    result = run()
    assert (result["changed"], result["before"]["state"], result["after"]) == (True, "RESTORING", ONLINE)
    assert "REPLACE" not in deeds(result)[0]


def test_a_backup_in_single_user_ends_in_multi_user(sql: SqlServer, run: Run) -> None:
    sql.databases[NAME].user_access = "SINGLE_USER"
    with sql.connect("backup") as session:
        session.run("BACKUP DATABASE OperationsManager TO DISK = ? WITH CHECKSUM", [PATH])
    sql.databases[NAME].user_access = "MULTI_USER"
    result = run(**SAME)
    assert result["backup"]["position"] == 2
    assert (result["changed"], result["after"]) == (True, ONLINE)
    sql.databases[NAME].user_access = "SINGLE_USER"
    repaired = run(**SAME)
    assert (repaired["changed"], repaired["after"], len(deeds(repaired))) == (True, ONLINE, 1)


def test_a_database_that_was_made_anew_is_not_taken_for_the_restored_one(sql: SqlServer, run: Run) -> None:
    run(**SAME)
    sql.remove_database(sql.databases[NAME])
    create_operations_manager(sql, NAME, "ODYSSEY")
    assert run(**SAME, _ansible_check_mode=True)["changed"] is True


def test_a_backup_of_another_group_is_found_out(sql: SqlServer, run: Run) -> None:
    result = run(database="Copy", management_group="ILIAD")
    assert (result["failed"], result["changed"]) == (True, True)
    assert "belongs to the management group ODYSSEY, not ILIAD" in result["msg"]


def test_a_damaged_backup_is_found_before_anything_is_changed(sql: SqlServer, run: Run) -> None:
    data = bytearray(files(sql).read(PATH))
    data[20] ^= 1
    files(sql).write(PATH, bytes(data))
    before = databases(sql)
    assert run(**SAME)["failed"] is True
    assert databases(sql) == before
    files(sql).write(PATH, b"a letter")
    assert "3241" in run(**SAME)["msg"]


def test_a_backup_that_does_not_verify(sql: SqlServer, run: Run) -> None:
    fault(sql, "RESTORE VERIFYONLY", "fail", code=3189)
    result = run(**SAME, disconnect=True)
    assert "does not verify. Nothing was changed" in result["msg"]
    assert (deeds(result), result["changed"], result["after"]["state"]) == ([], False, "ONLINE")


# What RESTORE is told, and what of its meaning the message has whatever the server's language is.
REFUSALS = [
    (905, "edition"),
    (909, "edition"),
    (948, "at least as new"),
    (1834, "belongs to another database"),
    (3101, "Stop what uses the database"),
    (3104, "availability group"),
    (3132, "single file"),
    (3154, "different database"),
    (3156, "data_directory, log_directory or move"),
    (3169, "at least as new"),
    (3183, "damaged"),
    (3189, "damaged"),
    (3201, "account that SQL Server runs as"),
    (3203, "Copy the file again"),
    (3241, "not a backup of SQL Server"),
    (3242, "not a backup of SQL Server"),
    (3257, "Make room"),
    (3271, "Copy the file again"),
    (3279, "without a password"),
    (5120, "account that SQL Server runs as"),
    (5123, "account that SQL Server runs as"),
    (5133, "directory of the database file exists"),
    (5149, "Make room"),
    (5170, "no such file is in it"),
    (33111, "certificate"),
]


@pytest.mark.parametrize(("code", "words"), REFUSALS)
def test_what_a_refusal_means(sql: SqlServer, run: Run, code: int, words: str) -> None:
    fault(sql, "RESTORE DATABASE", "fail", code=code, text="Etwas geht nicht.")
    result = run(**SAME)
    assert (result["failed"], words in result["msg"]) == (True, True)
    assert f"error {code} (Etwas geht nicht) about {PATH}. The database is ONLINE, MULTI_USER" in result["msg"]
    assert "Look up the number" not in result["msg"]


def test_room_is_read_whatever_the_columns_are_called(sql: SqlServer, run: Run) -> None:
    sql.language = "de"
    files(sql).free_megabytes["E"] = 3
    result = run(database="Copy", data_directory="E:\\Data", log_directory="E:\\Data")
    assert "drive E: of the SQL Server has 3 MB free, and about 20 MB are needed" in result["msg"]


def test_not_enough_room(sql: SqlServer, run: Run) -> None:
    files(sql).free_megabytes["E"] = 3
    result = run(database="Copy", data_directory="E:\\Data", log_directory="E:\\Data")
    assert "drive E: of the SQL Server has 3 MB free, and about 20 MB are needed" in result["msg"]


def test_progress(sql: SqlServer, run: Run, tmp_path: Path) -> None:
    fault(sql, "RESTORE DATABASE", "stall", seconds=4)
    result = run(**SAME, progress_file=str(tmp_path / "progress"))
    assert len(result["progress"]) > 1
    assert "RESTORE of OperationsManager: 100 percent" in (tmp_path / "progress").read_text(encoding="utf-8")


def test_a_backup_of_a_newer_server(sql: SqlServer, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    sql.version = "9.0"
    assert "made by SQL Server 10, and this one is 9.00" in run(**SAME)["msg"]


def test_a_login_without_rights(sql: SqlServer, run: Run) -> None:
    result = run(**SAME, **READER)
    assert "3013" in result["msg"]
    assert "sysadmin" in result["msg"]
    assert "Nothing was changed" in result["msg"]


def test_a_right_that_turns_out_to_be_missing(sql: SqlServer, run: Run) -> None:
    fault(sql, "RESTORE DATABASE", "fail", code=3110)
    result = run(database="Copy")
    assert "dbcreator" in result["msg"]
    assert "There is no such database now, as before" in result["msg"]


def test_what_cannot_be_read_is_said(sql: SqlServer, run: Run) -> None:
    fault(sql, "EXEC", "fail", code=229)
    result = run(database="Copy")
    assert result["changed"] is True
    assert "The free space could not be checked" in result["problems"][0]


def test_missing_pyodbc_fails_by_name(sql: SqlServer, monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    monkeypatch.setattr(sqlserver, "PYODBC_IMPORT_ERROR", "no module")
    monkeypatch.setattr(sql_module, "PYODBC_IMPORT_ERROR", "no module")
    assert "(pyodbc)" in run()["msg"]


def test_the_documentation_has_the_real_keys(sql: SqlServer, run: Run) -> None:
    documented = yaml.safe_load(database_restore.RETURN)
    assert documented.keys() == KEYS - {"changed", "diff"}
    assert documented["backup"]["contains"].keys() == run(**SAME)["backup"].keys()
