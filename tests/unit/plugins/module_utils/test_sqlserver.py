# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection against a small stand-in for pyodbc, with messages as FreeTDS and Microsoft's driver really word them."""

from __future__ import annotations

import copy
import pickle
import traceback
from typing import Any

import pytest

from ansible_collections.opsmgr.recovery.plugins.module_utils import sqlserver
from ansible_collections.opsmgr.recovery.plugins.module_utils.sql_options import SqlOptions
from ansible_collections.opsmgr.recovery.plugins.module_utils.sqlserver import (
    ConnectionProblem,
    Diagnostic,
    PyodbcMissing,
    SqlError,
    connect,
    diagnostics,
)

OPTIONS = SqlOptions(server="sql1", login_user="sa", login_password="s3cr3t")


class Error(Exception):
    pass


class FakeCursor:
    """Plays result sets, each a (columns, rows) pair, a row count or an exception."""

    def __init__(self, results: list[Any], log: list[Any]) -> None:
        self.results = results
        self.log = log
        self.description: Any = None

    def execute(self, statement: str, *values: object) -> None:
        self.log.append((statement, *values))
        self._take()

    def nextset(self) -> bool:
        if not self.results:
            return False
        self._take()
        return True

    def fetchall(self) -> list[Any]:
        return list(self._rows)

    def close(self) -> None:
        self.log.append("cursor closed")

    def _take(self) -> None:
        result = self.results.pop(0)
        if isinstance(result, Exception):
            raise result
        columns, self._rows = result if isinstance(result, tuple) else ([], [])
        self.description = [(name, str) for name in columns] or None


class FakeConnection:
    """Answers the first statement, which is the USE of connecting, with C(use)."""

    def __init__(self) -> None:
        self.use: Any = None
        self.results: list[Any] = []
        self.log: list[Any] = []
        self.timeout = 0

    def cursor(self) -> FakeCursor:
        return FakeCursor(self.results if self.log else [self.use], self.log)

    def execute(self, statement: str) -> FakeCursor:
        self.log.append(statement)
        return FakeCursor([], [])

    def close(self) -> None:
        self.log.append("closed")


class FakePyodbc:
    Error = Error

    def __init__(self, outcome: Any) -> None:
        self.outcome = outcome
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def connect(self, text: str, **options: Any) -> Any:
        self.calls.append((text, options))
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    def drivers(self) -> list[str]:
        return ["FreeTDS"]


@pytest.fixture
def pyodbc(monkeypatch: pytest.MonkeyPatch) -> FakePyodbc:
    fake = FakePyodbc(FakeConnection())
    monkeypatch.setattr(sqlserver, "pyodbc", fake, raising=False)
    monkeypatch.setattr(sqlserver, "PYODBC_IMPORT_ERROR", None)
    return fake


def test_connecting(pyodbc: FakePyodbc) -> None:
    with connect(OPTIONS, query_timeout_seconds=5) as connection:
        assert connection.server == "sql1:1433"
    ((text, options),) = pyodbc.calls
    assert "PWD=s3cr3t;" in text
    assert options == {"autocommit": True, "timeout": 15}
    assert pyodbc.outcome.timeout == 5
    assert connection.statements == []
    assert pyodbc.outcome.log == [("USE [OperationsManager]",), "cursor closed", "USE [master]", "closed"]


def test_rows_by_column_name_with_bound_values(pyodbc: FakePyodbc) -> None:
    pyodbc.outcome.results = [7, (["name", "size"], [("a", 1), ("b", 2)]), (["other"], [("x",)])]
    connection = connect(OPTIONS)
    assert connection.rows("SELECT ? ", "value") == [{"name": "a", "size": 1}, {"name": "b", "size": 2}]
    assert connection.statements == ["SELECT ? "]
    assert pyodbc.outcome.log[2:] == [("SELECT ? ", "value"), "cursor closed"]
    assert pyodbc.outcome.results == []


class Ended(BaseException):
    """As a signal's handler raises it while the driver works."""


def test_what_a_signal_raised_is_told_apart_from_what_the_interpreter_wraps_it_in(pyodbc: FakePyodbc) -> None:
    wrapped = SystemError("<method 'execute'> returned a result with an exception set")
    wrapped.__cause__ = Ended("SIGTERM")
    pyodbc.outcome.results = [wrapped]
    connection = connect(OPTIONS)
    with pytest.raises(Ended, match="SIGTERM"):
        connection.execute("RESTORE")


def test_an_error_of_the_interpreter_stays_one(pyodbc: FakePyodbc) -> None:
    pyodbc.outcome.results = [SystemError("broken")]
    connection = connect(OPTIONS)
    with pytest.raises(SystemError, match="broken"):
        connection.execute("RESTORE")


def test_rows_by_place_whatever_the_columns_are_called(pyodbc: FakePyodbc) -> None:
    pyodbc.outcome.results = [(["", ""], [("C", 1), ("D", 2)])]
    assert connect(OPTIONS).tuples("EXEC master.dbo.xp_fixeddrives") == [("C", 1), ("D", 2)]


def test_an_error_after_the_first_result_is_not_lost(pyodbc: FakePyodbc) -> None:
    pyodbc.outcome.results = [
        (["done"], [(1,)]),
        Error(
            "42000", "[42000] [FreeTDS][SQL Server]BACKUP DATABASE is terminating abnormally. (3013) (SQLMoreResults)"
        ),
    ]
    connection = connect(OPTIONS)
    with pytest.raises(SqlError) as caught:
        connection.execute("BACKUP DATABASE x")
    assert caught.value.number == 3013
    assert connection.statements == ["BACKUP DATABASE x"]
    assert pyodbc.outcome.log[-1] == "cursor closed"


def test_closing_a_connection_that_is_gone(pyodbc: FakePyodbc, monkeypatch: pytest.MonkeyPatch) -> None:
    def close() -> None:
        raise Error("08S01", "[08S01] gone (0)")

    monkeypatch.setattr(pyodbc.outcome, "close", close)
    connect(OPTIONS).close()


STATEMENTS = [
    pytest.param(
        ("42S02", "[42S02] [FreeTDS][SQL Server]Invalid object name 'dbo.X'. (208) (SQLExecDirectW)"),
        (208, "42S02", "Invalid object name 'dbo.X'."),
        "Check that this is the operational database",
        id="FreeTDS",
    ),
    pytest.param(
        (
            "42000",
            "[42000] [Microsoft][ODBC Driver 17 for SQL Server][SQL Server]Statement(s) could not be prepared. (8180) (SQLExecDirectW); "
            "[42000] [Microsoft][ODBC Driver 17 for SQL Server][SQL Server]The SELECT permission was denied on the object 'X' [db]; (sic). (229)",
        ),
        (229, "42000", "The SELECT permission was denied on the object 'X' [db]; (sic)."),
        "db_datareader",
        id="Microsoft's driver, the reason comes second",
    ),
    pytest.param(
        ("HYT00", "[HYT00] [FreeTDS][SQL Server]Timeout expired (0) (SQLExecDirectW)"),
        (0, "HYT00", "Timeout expired"),
        "sp_who2",
        id="query timeout",
    ),
    pytest.param(
        ("HYT00", "[HYT00] [Microsoft][ODBC Driver 17 for SQL Server]Query timeout expired (0) (SQLExecDirectW)"),
        (0, "HYT00", "Query timeout expired"),
        "sp_who2",
        id="query timeout of Microsoft's driver",
    ),
    pytest.param(
        ("42000", "[42000] [FreeTDS][SQL Server]Etwas Neues. (50001) (SQLExecDirectW)"),
        (50001, "42000", "Etwas Neues."),
        "documentation of SQL Server",
        id="a number that nobody thought of",
    ),
    pytest.param(("odd",), (0, "", "odd"), "the driver's message", id="nothing to take apart"),
    pytest.param((), (0, "", "Error"), "the driver's message", id="nothing at all"),
]


@pytest.mark.parametrize(("arguments", "expected", "advice"), STATEMENTS)
def test_a_statement_that_fails(
    pyodbc: FakePyodbc, arguments: tuple[str, ...], expected: tuple[int, str, str], advice: str
) -> None:
    pyodbc.outcome.results = [Error(*arguments)]
    with pytest.raises(SqlError) as caught:
        connect(OPTIONS).rows("SELECT 1")
    error = caught.value
    assert (error.number, error.state, error.message) == expected
    assert (error.statement, error.server) == ("SELECT 1", "sql1:1433")
    assert advice in error.what_to_do


def test_a_statement_that_is_waited_for_in_vain(pyodbc: FakePyodbc) -> None:
    pyodbc.outcome.results = [Error("HYT00", "[HYT00] [FreeTDS][SQL Server]Timeout expired (0) (SQLExecDirectW)")]
    with pytest.raises(SqlError) as caught:
        connect(OPTIONS, query_timeout_seconds=7).execute("SELECT 1")
    assert (caught.value.waited_seconds, caught.value.reason) == (7, "no answer within 7 seconds")
    assert "error 0" not in str(caught.value)


def test_the_sentence_of_a_failed_statement() -> None:
    error = SqlError(208, "42S02", "Invalid object name 'dbo.X'.", "SELECT * FROM dbo.X", "sql1:1433")
    assert str(error) == (
        "run SQL on sql1:1433: error 208 (Invalid object name 'dbo.X') from: SELECT * FROM dbo.X. Check that this is the operational database of OpsMgr."
    )


@pytest.mark.parametrize(
    ("state", "text"),
    [
        ("08S01", "[FreeTDS][SQL Server]Write to the server failed (20006)"),
        ("01000", "[FreeTDS][SQL Server]Unexpected EOF from the server (20017)"),
        ("08S01", "[FreeTDS][SQL Server]Communication link failure (0)"),
        ("08S01", "[Microsoft][ODBC Driver 17 for SQL Server]TCP Provider: Error code 0x68 (104)"),
    ],
)
def test_a_connection_that_is_lost_on_the_way(pyodbc: FakePyodbc, state: str, text: str) -> None:
    pyodbc.outcome.results = [Error(state, f"[{state}] {text} (SQLExecDirectW)")]
    with pytest.raises(ConnectionProblem, match="the connection was lost") as caught:
        connect(OPTIONS).rows("SELECT 1")
    assert caught.value.kind == "unreachable"


TDS = "[FreeTDS][SQL Server]"
REFUSALS = [
    pytest.param(
        (
            "08S01",
            f"[08S01] {TDS}Unable to connect: Adaptive Server is unavailable or does not exist (20009) (SQLDriverConnect)",
        ),
        {},
        "unreachable",
        ["20009", "within 15 seconds", "running and reachable"],
        id="nobody listens",
    ),
    pytest.param(
        ("08001", f"[08001] {TDS}Unable to connect to data source (0) (SQLDriverConnect)"),
        {"login_user": None, "login_password": None},
        "unreachable",
        ["Kerberos ticket"],
        id="no ticket",
    ),
    pytest.param(
        ("HYT00", "[HYT00] [Microsoft][ODBC Driver 17 for SQL Server]Login timeout expired (0) (SQLDriverConnect)"),
        {"driver": "ODBC Driver 17 for SQL Server"},
        "unreachable",
        ["Login timeout expired", "TLS version"],
        id="timeout",
    ),
    pytest.param(
        ("08S01", f"[08S01] {TDS}Unable to connect (20009) (SQLDriverConnect)"),
        {"instance": "OPSMGR"},
        "unreachable",
        ["sql1\\OPSMGR", "1434"],
        id="browser",
    ),
    pytest.param(
        (
            "28000",
            f"[28000] {TDS}Login failed for user 'sa'. (18456) (SQLDriverConnect); [08001] {TDS}Unable to connect to data source (0)",
        ),
        {},
        "login",
        ["the login sa was refused", "18456", "SQL Server logins and not only Windows"],
        id="wrong password",
    ),
    pytest.param(
        ("28000", f"[28000] {TDS}Login failed. The login is from an untrusted domain. (18452) (SQLDriverConnect)"),
        {"login_user": "ODYSSEY\\sa"},
        "login",
        ["ODYSSEY\\sa", "this account is a login"],
        id="untrusted domain",
    ),
    pytest.param(
        ("28000", "[28000] [Microsoft][SQL Server]Login failed for user 'ODYSSEY\\me'. (18456) (SQLDriverConnect)"),
        {"login_user": None, "login_password": None},
        "login",
        ["Kerberos", "klist"],
        id="Kerberos account without login",
    ),
    pytest.param(("28000", f"[28000] {TDS}odd (0) (SQLDriverConnect)"), {}, "login", ["odd"], id="by SQLSTATE alone"),
    pytest.param(
        (
            "28000",
            f"[28000] {TDS}Login failed for user 'sa'. (18456) (SQLDriverConnect); [42000] {TDS}Cannot open database \"OperationsManager\" requested by "
            "the login. The login failed. (4060)",
        ),
        {},
        "database",
        ["OperationsManager cannot be opened", "4060", "single-user"],
        id="database, with the login's failure before it",
    ),
    pytest.param(
        ("01000", "[01000] [unixODBC][Driver Manager]Can't open lib 'FreeTDS' : file not found (0) (SQLDriverConnect)"),
        {},
        "driver",
        ["FreeTDS cannot be used", "installed are: FreeTDS", "tdsodbc"],
        id="FreeTDS missing",
    ),
    pytest.param(
        (
            "IM002",
            "[IM002] [unixODBC][Driver Manager]Data source name not found and no default driver specified (0) (SQLDriverConnect)",
        ),
        {"driver": "ODBC Driver 18 for SQL Server"},
        "driver",
        ["ODBC Driver 18 for SQL Server cannot be used", "msodbcsql18"],
        id="Microsoft's driver missing",
    ),
]


@pytest.mark.parametrize(("arguments", "options", "kind", "words"), REFUSALS)
def test_why_there_is_no_connection(
    pyodbc: FakePyodbc, arguments: tuple[str, ...], options: dict[str, Any], kind: str, words: list[str]
) -> None:
    pyodbc.outcome = Error(*arguments)
    with pytest.raises(ConnectionProblem) as caught:
        connect(SqlOptions(**{"server": "sql1", "login_user": "sa", "login_password": "s3cr3t", **options}))
    assert caught.value.kind == kind
    for word in [*words, "connect to SQL Server sql1"]:
        assert word in str(caught.value)
    assert "[" not in caught.value.found


MICROSOFT = "[Microsoft][ODBC Driver 17 for SQL Server]"
# How connecting fails in the field, by driver, and what each is about.
KINDS = [
    ("28000", f"{TDS}Login failed. The login is from an untrusted domain (18452)", "login", "Check login_user"),
    ("08S01", f"{TDS}Unable to connect: Adaptive Server is unavailable (20009)", "unreachable", "is running"),
    ("08001", f"{TDS}Adaptive Server connection failed (20002)", "unreachable", "is running"),
    ("08S01", f"{TDS}Unexpected EOF from the server (20017)", "unreachable", "is running"),
    ("IM002", "[unixODBC][Driver Manager]Data source name not found (0)", "driver", "Install the package"),
    ("01000", "[unixODBC][Driver Manager]Can't open lib 'x' : file not found (0)", "driver", "Install the package"),
    (
        "08001",
        "[Microsoft][ODBC Driver 18 for SQL Server]TCP Provider: Error code 0x2746 (10054)",
        "unreachable",
        "TLS",
    ),
    (
        "08001",
        f"{MICROSOFT}SSL Provider: [error:1425F102:SSL routines::unsupported protocol] (-1)",
        "unreachable",
        "TLS",
    ),
    ("HY000", f"{MICROSOFT}SSPI Provider: No Kerberos credentials available (851968)", "unreachable", "klist"),
    ("28000", f"{TDS}Login failed for user 'sa'. The password of the account has expired. (18487)", "login", "expired"),
    (
        "28000",
        f"{TDS}Login failed for user 'sa'. Reason: script upgrade mode. (18401)",
        "login",
        "still updating itself",
    ),
    ("28000", f"{TDS}Login failed for user 'sa'. The account is locked out. (18486)", "login", "UNLOCK"),
    ("28000", f"{TDS}Login failed for user 'sa'. The password must be changed. (18488)", "login", "new password"),
    ("28000", f"{TDS}Login failed for user 'sa'. The account is disabled. (18470)", "login", "ENABLE"),
    ("28000", f"{TDS}Login failed for user 'sa'. Only one administrator can connect. (18461)", "login", "-m"),
]


@pytest.mark.parametrize(("state", "text", "kind", "words"), KINDS)
def test_what_a_failed_connection_is_about(pyodbc: FakePyodbc, state: str, text: str, kind: str, words: str) -> None:
    pyodbc.outcome = Error(state, f"[{state}] {text} (SQLDriverConnect)")
    login = {} if "Kerberos" in text else {"login_user": "sa", "login_password": "s3cr3t"}
    driver = "FreeTDS" if "FreeTDS" in text else "ODBC Driver 17 for SQL Server"
    with pytest.raises(ConnectionProblem) as caught:
        connect(SqlOptions(server="sql1", driver=driver, **login))
    assert caught.value.kind == kind
    assert words in caught.value.what_to_do


def test_a_server_that_starts_is_no_reason_to_check_a_password(pyodbc: FakePyodbc) -> None:
    pyodbc.outcome = Error("28000", f"[28000] {TDS}Login failed for user 'sa'. (18401) (SQLDriverConnect)")
    with pytest.raises(ConnectionProblem) as caught:
        connect(OPTIONS)
    assert "password" not in caught.value.what_to_do


CLOSED_DATABASES = [
    (924, "open to all"),
    (926, "restored from a backup"),
    (927, "RESTORE DATABASE ... WITH RECOVERY"),
    (942, "SET ONLINE"),
    (954, "principal"),
    (976, "listener"),
    (978, "listener"),
    (983, "listener"),
    (923, "its state"),
]


@pytest.mark.parametrize(("number", "words"), CLOSED_DATABASES)
def test_what_to_do_about_a_database_that_does_not_open(pyodbc: FakePyodbc, number: int, words: str) -> None:
    pyodbc.outcome.use = Error("42000", f"[42000] {TDS}Something in another language. ({number}) (SQLExecDirectW)")
    with pytest.raises(ConnectionProblem) as caught:
        connect(OPTIONS)
    assert (caught.value.kind, words in caught.value.what_to_do) == ("database", True)


@pytest.mark.parametrize(
    ("state", "number", "message"),
    [
        ("08004", 911, "Database 'x]y' does not exist. Make sure that the name is entered correctly."),
        (
            "42000",
            916,
            'The server principal "sa" is not able to access the database "x]y" under the current security context.',
        ),
        ("42000", 924, "Database 'x]y' is already open and can only have one user at a time."),
        ("42000", 927, "Database 'x]y' cannot be opened. It is in the middle of a restore."),
    ],
)
def test_a_database_that_does_not_open_is_named_and_the_connection_closed(
    pyodbc: FakePyodbc, state: str, number: int, message: str
) -> None:
    pyodbc.outcome.use = Error(state, f"[{state}] {TDS}{message} ({number}) (SQLExecDirectW)")
    with pytest.raises(ConnectionProblem, match=f"{number}: Database|{number}: The server principal") as caught:
        connect(SqlOptions(server="sql1", database="x]y"))
    assert caught.value.kind == "database"
    assert pyodbc.outcome.log == [("USE [x]]y]",), "cursor closed", "closed"]


def test_a_connection_that_is_lost_while_the_database_is_opened(pyodbc: FakePyodbc) -> None:
    pyodbc.outcome.use = Error("08S01", f"[08S01] {TDS}Read from the server failed (20004) (SQLExecDirectW)")
    with pytest.raises(ConnectionProblem) as caught:
        connect(OPTIONS)
    assert caught.value.kind == "unreachable"
    assert pyodbc.outcome.log[-1] == "closed"


def test_a_driver_that_repeats_the_password_does_not_get_it_shown(pyodbc: FakePyodbc) -> None:
    pyodbc.outcome = Error("08001", "[08001] bad string PWD=s3cr3t (0) (SQLDriverConnect)")
    with pytest.raises(ConnectionProblem) as caught:
        connect(OPTIONS)
    assert "s3cr3t" not in str(caught.value)
    assert "s3cr3t" not in "".join(traceback.format_exception_only(caught.type, caught.value))


def test_pyodbc_is_missed_by_name_and_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlserver, "PYODBC_IMPORT_ERROR", "Traceback ...")
    with pytest.raises(PyodbcMissing, match=r"pyodbc.*Install pyodbc"):
        connect(OPTIONS)


def test_diagnostics_are_taken_apart() -> None:
    text = "[42000] [A][B]First; not [a] (record). (1) (SQLExecDirectW); [01000] [A][B]Second\nline (-2)"
    assert diagnostics(Error("42000", text)) == [
        Diagnostic("42000", 1, "First; not [a] (record)."),
        Diagnostic("01000", -2, "Second\nline"),
    ]


@pytest.mark.parametrize("clone", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])
@pytest.mark.parametrize(
    "error",
    [
        PyodbcMissing(),
        ConnectionProblem("login", "sql1", "no", "Look"),
        SqlError(208, "42S02", "m", "s", "sql1"),
        SqlError(0, "HYT00", "m", "s", "sql1", 7),
    ],
)
def test_errors_survive_copying(clone: Any, error: Exception) -> None:
    assert str(clone(error)) == str(error)
    assert vars(clone(error)) == vars(error)
