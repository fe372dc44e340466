# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""database_backup against the lab's SQL Server, through the real pyodbc and FreeTDS."""

from __future__ import annotations

import datetime as dt
import itertools
import os
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
    Subject,
    fault,
    files,
    require_freetds,
)

from ansible_collections.opsmgr.recovery.plugins.module_utils import sql_module, sqlserver
from ansible_collections.opsmgr.recovery.plugins.module_utils.sql_options import quote_identifier
from ansible_collections.opsmgr.recovery.plugins.modules import database_backup
from lab.sql.media import read_sets
from lab.sql.opsmgr_schema import create_operations_manager
from lab.sql.server import SqlServer

require_freetds()

BACKUP_KEY = "HKLM\\SOFTWARE\\Microsoft\\Microsoft SQL Server\\MSSQL10.MSSQLSERVER\\MSSQLServer"
KEYS = {
    "changed",
    "path",
    "backup",
    "needed_bytes",
    "free_bytes",
    "progress",
    "problems",
    "statements",
    "started_at",
    "elapsed_seconds",
}


@pytest.fixture
def subject() -> Subject:
    return Subject(database_backup, ADMIN)


@pytest.mark.parametrize("name", [NAME, HOSTILE])
def test_check_and_run(sql: SqlServer, run: Run, name: str) -> None:
    if name == HOSTILE:
        create_operations_manager(sql, HOSTILE, "ILIAD")
    predicted = run(database=name, path=PATH, _ansible_check_mode=True)
    assert files(sql).content == {}
    real = run(database=name, path=PATH)
    assert real.keys() == predicted.keys() == KEYS
    assert predicted["changed"] is real["changed"] is True
    assert predicted["path"] == real["path"] == PATH
    assert (predicted["backup"], real["problems"]) == (None, [])
    assert predicted["statements"] == [
        f"BACKUP DATABASE {quote_identifier(name)} TO DISK = ? WITH CHECKSUM, NOINIT, COPY_ONLY",
        "RESTORE VERIFYONLY FROM DISK = ? WITH FILE = 1, CHECKSUM",
    ]
    assert [one for one in real["statements"] if one in predicted["statements"]] == predicted["statements"]
    backup = real["backup"]
    assert (backup["database"], backup["position"], backup["verified"], backup["copy_only"], backup["checksums"]) == (
        name,
        1,
        True,
        True,
        True,
    )
    assert [one.database for one in read_sets(files(sql), PATH)] == [name]
    assert (real["needed_bytes"], real["free_bytes"]) == (168 * 8192, 20480 * 2**20)
    assert [one["percent"] for one in real["progress"]] == [100.0]


def test_a_directory_gets_a_file_named_after_database_and_time(sql: SqlServer, run: Run) -> None:
    create_operations_manager(sql, HOSTILE, "ILIAD")
    path = run(database=HOSTILE, directory="D:\\Backups\\")["path"]
    assert path.startswith("D:\\Backups\\My]D'b; DROP DATABASE x --_20")
    dt.datetime.strptime(path[-19:], "%Y%m%dT%H%M%S.bak")
    assert files(sql).exists(path)


OWN = "C:\\Program Files\\Microsoft SQL Server\\MSSQL10.MSSQLSERVER\\MSSQL\\Backup"


@pytest.mark.parametrize("language", ["en", "de"])
def test_without_a_place_it_goes_to_the_servers_own_directory(sql: SqlServer, run: Run, language: str) -> None:
    sql.language = language
    predicted = run(max_age=1, _ansible_check_mode=True)
    assert predicted["changed"] is True
    assert predicted["path"].rpartition("\\")[0] == OWN
    assert files(sql).content == {}
    made = run(max_age=1)
    assert made["path"].rpartition("\\")[0] == OWN
    assert files(sql).exists(made["path"])
    for check in (True, False):
        again = run(max_age=1, _ansible_check_mode=check)
        assert (again["changed"], again["path"]) == (False, made["path"])
    assert run(max_age=1, directory=OWN.lower() + "\\")["changed"] is False


def set_own_directory(sql: SqlServer, text: str) -> None:
    sql.registry.set(BACKUP_KEY, "BackupDirectory", text)


def test_the_servers_own_directory_can_be_a_share(sql: SqlServer, run: Run) -> None:
    set_own_directory(sql, "\\\\nas1\\It's; --\\")
    result = run()
    assert result["path"].startswith("\\\\nas1\\It's; --\\OperationsManager_20")
    assert (result["changed"], result["free_bytes"]) == (True, None)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            None,
            "does not tell its backup directory: its registry has no value BackupDirectory. Nothing was changed. Set directory to",
        ),
        (" ", "does not tell its backup directory"),
        ("Backup", "the backup directory of the SQL Server is Backup, which is no full path"),
    ],
)
def test_a_server_that_names_no_usable_directory(sql: SqlServer, run: Run, text: str | None, words: str) -> None:
    if text is None:
        sql.registry.delete(BACKUP_KEY)
    else:
        set_own_directory(sql, text)
    for check in (True, False):
        result = run(_ansible_check_mode=check)
        assert (result["failed"], result["changed"], result["path"]) == (True, False, None)
        assert words in result["msg"]
    assert run(directory="D:\\Backups")["changed"] is True


def test_a_server_that_refuses_to_tell_its_directory(sql: SqlServer, run: Run) -> None:
    fault(sql, "EXEC", "fail", code=229, text="The EXECUTE permission was denied on the object 'xp_instance_regread'.")
    result = run()
    assert "does not tell its backup directory: error 229 (The EXECUTE permission was denied" in result["msg"]
    assert "Set directory to" in result["msg"]
    assert files(sql).content == {}


@pytest.mark.parametrize("where", [{"path": PATH}, {"directory": "d:\\back'ups; --"}])
def test_max_age(sql: SqlServer, run: Run, where: dict[str, str]) -> None:
    first = run(path=PATH)
    for check in (True, False):
        again = run(max_age=1, _ansible_check_mode=check, **where)
        assert (again["changed"], again["path"]) == (False, PATH)
        assert again["backup"] == {**first["backup"], "verified": None}
        assert not any(one.startswith("BACKUP") for one in again["statements"])
    assert run(max_age=1, directory="D:\\Elsewhere")["changed"] is True


def test_an_old_or_a_lost_backup_is_not_good_enough(sql: SqlServer, run: Run) -> None:
    run(directory="D:\\Backups")
    sql.store.run('UPDATE "4|dbo|backupset" SET backup_finish_date = ?', ["2026-01-31 02:03:04.000"])
    assert run(directory="D:\\Backups", max_age=1, existing="append")["changed"] is True
    for path in list(files(sql).content):
        del files(sql).content[path]
    assert run(directory="D:\\Backups", max_age=1)["changed"] is True


def test_a_file_that_exists(sql: SqlServer, run: Run) -> None:
    run(path=PATH)
    refused = run(path=PATH)
    assert refused["failed"] is True
    assert "exists and holds 1 backup(s). Nothing was changed" in refused["msg"]
    appended = run(path=PATH, existing="append", _ansible_check_mode=True)
    assert appended["statements"][-1].endswith("FILE = 2, CHECKSUM")
    assert run(path=PATH, existing="append")["backup"]["position"] == 2
    assert run(path=PATH, existing="overwrite", copy_only=False, verify=False)["backup"]["position"] == 1
    taken = read_sets(files(sql), PATH)
    assert [one.copy_only for one in taken] == [False]


@pytest.mark.parametrize("existing", ["fail", "append", "overwrite"])
def test_a_file_that_is_no_backup_is_never_touched(sql: SqlServer, run: Run, existing: str) -> None:
    files(sql).write(PATH, b"a letter")
    assert "is not a backup of SQL Server" in run(path=PATH, existing=existing)["msg"]
    assert files(sql).read(PATH) == b"a letter"


def test_progress_and_its_file(sql: SqlServer, run: Run, tmp_path: Path) -> None:
    fault(sql, "BACKUP DATABASE", "stall", seconds=5)
    result = run(path=PATH, progress_file=str(tmp_path / "progress"))
    percents = [one["percent"] for one in result["progress"]]
    assert len(percents) > 2
    assert percents == sorted(percents)
    assert percents[-1] == 100
    lines = (tmp_path / "progress").read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(percents)
    assert "BACKUP of OperationsManager: 100 percent" in lines[-1]


def test_progress_on_a_terminal(sql: SqlServer, run: Run) -> None:
    fault(sql, "BACKUP DATABASE", "stall", seconds=3)
    screen, terminal = os.openpty()
    result = run(path=PATH, progress_file=os.ttyname(terminal))
    shown = os.read(screen, 10000).decode().splitlines()
    os.close(terminal)
    os.close(screen)
    assert (result["problems"], len(shown)) == ([], len(result["progress"]))
    assert "BACKUP of OperationsManager: 100 percent" in shown[-1]


def test_a_single_seat_that_is_taken(sql: SqlServer, run: Run) -> None:
    sql.databases[NAME].user_access = "SINGLE_USER"
    with sql.lock:
        thief = sql.connect("sqlcmd", NAME)
    result = run(path=PATH)
    assert (result["failed"], result["changed"]) == (True, False)
    assert "the database OperationsManager cannot be opened (924" in result["msg"]
    thief.close()
    assert run(path=PATH)["changed"] is True


@pytest.mark.parametrize("action", ["fail", "drop"])
def test_a_fault_at_any_statement_costs_at_most_the_new_backup(sql: SqlServer, run: Run, action: str) -> None:
    assert sql.faults is not None
    for nth in itertools.count(1):
        path = f"D:\\Backups\\{nth}.bak"
        fault(sql, "*", action, nth=nth)
        result = run(path=path)
        taken = read_sets(files(sql), path) if files(sql).exists(path) else []
        assert result["changed"] or not taken, nth
        assert result.get("failed") or (len(taken) == 1 and result["backup"]["verified"]), nth
        assert not (result["backup"] or {}).get("verified") or len(taken) == 1, nth
        if sql.faults.pending():
            break
    assert nth > 10


def test_progress_that_cannot_be_read_or_told_is_no_failure(sql: SqlServer, run: Run, tmp_path: Path) -> None:
    fault(sql, "BACKUP DATABASE", "stall", seconds=3)
    result = run(path=PATH, progress_file=str(tmp_path / "none" / "progress"))
    assert (result["changed"], "cannot be written" in result["problems"][0]) == (True, True)


def test_not_enough_room(sql: SqlServer, run: Run) -> None:
    files(sql).free_megabytes["D"] = 1
    for check in (True, False):
        result = run(path=PATH, _ansible_check_mode=check)
        assert "drive D: of the SQL Server has 1 MB free, and about 2 MB are needed" in result["msg"]
    assert files(sql).content == {}
    assert run(path="\\\\nas1\\opsmgr\\om.bak")["free_bytes"] is None


def test_space_that_cannot_be_read_is_said(sql: SqlServer, run: Run) -> None:
    fault(sql, "EXEC", "fail", code=229)
    result = run(path=PATH)
    assert result["changed"] is True
    assert "The free space could not be checked" in result["problems"][0]


def test_a_backup_that_fails(sql: SqlServer, run: Run) -> None:
    fault(
        sql,
        "BACKUP DATABASE",
        "fail",
        code=3201,
        text="Cannot open backup device. Operating system error 5(Access is denied.).",
    )
    result = run(path=PATH)
    assert result["failed"] is True
    assert "There is no new backup" in result["msg"]
    assert "account that SQL Server runs as" in result["msg"]


def test_a_backup_that_does_not_verify(sql: SqlServer, run: Run) -> None:
    fault(sql, "RESTORE VERIFYONLY", "fail", code=3189)
    result = run(path=PATH)
    assert "does not verify: do not rely on it" in result["msg"]
    assert (result["changed"], result["backup"]["verified"]) == (True, None)


def test_a_connection_that_is_cut(sql: SqlServer, run: Run) -> None:
    fault(sql, "BACKUP DATABASE", "drop")
    result = run(path=PATH)
    assert "the connection was lost" in result["msg"]
    assert result.keys() == KEYS | {"failed", "msg"}


def test_a_login_without_rights(sql: SqlServer, run: Run) -> None:
    result = run(path=PATH, **READER)
    assert "the login may not back it up. Nothing was changed" in result["msg"]


@pytest.mark.parametrize("there", ["missing", "RESTORING", "OFFLINE"])
def test_a_database_that_cannot_be_backed_up(sql: SqlServer, run: Run, there: str) -> None:
    if there == "missing":
        sql.remove_database(sql.databases[NAME])
    else:
        sql.databases[NAME].state = there
    result = run(path=PATH)
    assert "the database OperationsManager cannot be opened" in result["msg"]
    assert result["changed"] is False


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"path": PATH, "directory": "D:\\"}, "mutually exclusive"),
        ({"path": "om.bak"}, "path is om.bak, which is no full path"),
        ({"path": "D:\\" + "x" * 300}, "longer than"),
        ({"path": PATH, "max_age": 0}, "max_age is 0"),
    ],
)
def test_options_that_cannot_work(sql: SqlServer, run: Run, options: dict[str, Any], words: str) -> None:
    result = run(**options)
    assert result["failed"] is True
    assert words in result["msg"]


def test_missing_pyodbc_fails_by_name(sql: SqlServer, monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    monkeypatch.setattr(sqlserver, "PYODBC_IMPORT_ERROR", "no module")
    monkeypatch.setattr(sql_module, "PYODBC_IMPORT_ERROR", "no module")
    assert "(pyodbc)" in run(path=PATH)["msg"]


def test_the_documentation_has_the_real_keys(sql: SqlServer, run: Run) -> None:
    documented = yaml.safe_load(database_backup.RETURN)
    assert documented.keys() == KEYS - {"changed"}
    assert documented["backup"]["contains"].keys() == run(path=PATH)["backup"].keys()
