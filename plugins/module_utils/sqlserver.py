# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A connection to SQL Server over pyodbc, whose errors say what to do.

This file is private to the collection: others must not import it.
"""

from __future__ import annotations

import re
import traceback
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.module_utils.freetds_file import old_tls
from ansible_collections.opsmgr.recovery.plugins.module_utils.optional import phrase
from ansible_collections.opsmgr.recovery.plugins.module_utils.sql_errors import (
    NO_ANSWER,
    advice,
    database_advice,
    login_advice,
)
from ansible_collections.opsmgr.recovery.plugins.module_utils.sql_options import (
    ConnectionString,
    SqlOptions,
    in_inventory,
    quote_identifier,
)

PYODBC_IMPORT_ERROR: str | None = None
try:
    import pyodbc  # type: ignore[import-not-found]
except ImportError:
    # Also when the driver manager's library is missing.
    PYODBC_IMPORT_ERROR = traceback.format_exc()
else:
    # Asked only once in a process, when pyodbc is first used. Where that was earlier, or odbcinst.ini says Pooling =
    # Yes, connections are pooled all the same, and no program can turn that off: see SqlConnection.close().
    pyodbc.pooling = False

# The kinds of ConnectionProblem.
UNREACHABLE = "unreachable"
LOGIN = "login"
DATABASE = "database"
DRIVER = "driver"

DEFAULT_QUERY_TIMEOUT_SECONDS = 60

_LOGIN_VARIABLES = in_inventory("login_user", "login_password")
# "Cannot open database", for the login's default database [ms].
_DATABASE_NUMBERS = frozenset((4060, 4064))
# Login failed, and its variants: server in single-user mode, untrusted domain, disabled, locked, expired, must be
# changed [ms].
_LOGIN_NUMBERS = frozenset((18401, 18450, 18451, 18452, 18456, 18461, 18463, 18470, 18486, 18487, 18488))
# No connection, gone, failed while it was used. Not the whole class 08: 08004 is what FreeTDS makes of 911, no such
# database.
_LOST_STATES = frozenset(("08001", "08003", "08007", "08S01"))
# FreeTDS' own numbers for a connection that is gone: read and write failed, not there, end of file, dead
# (include/sybdb.h). Their SQLSTATE can be 01000, which is a warning's.
_FREETDS_LOST = frozenset((20004, 20006, 20009, 20017, 20047))
# The driver stopped waiting for an answer [ms]; FreeTDS has a number of its own for it, too.
_TIMEOUT_STATES = frozenset(("HYT00", "HYT01"))
_FREETDS_TIMEOUT = 20003
# A message that only says that the statement was not prepared, beside the one that says why [ms].
_NOT_THE_REASON = frozenset((0, 8180))

# What pyodbc makes of the driver's diagnostic records: "[42S02] [FreeTDS][SQL Server]Text (208) (SQLExecDirectW);
# [42000] ...".
_RECORD = re.compile(
    r"(?:^|; )\[(?P<state>[0-9A-Z]{5})\] (?P<text>.*?) \((?P<number>-?[0-9]+)\)(?: \(SQL[A-Za-z]+\))?(?=\Z|; \[)",
    re.DOTALL,
)
_PREFIXES = re.compile(r"(?:\[[^\]]*\])+")


class PyodbcMissing(OpsmgrError):
    """pyodbc, or the driver manager under it, is not installed for the Python that runs this."""

    def __init__(self) -> None:
        super().__init__(
            "connect to SQL Server",
            "the Python library pyodbc cannot be imported",
            "Install pyodbc (pip) and unixODBC (package unixodbc or unixODBC) where this task runs",
        )

    def __reduce__(self) -> tuple[type[PyodbcMissing], tuple[()]]:
        return type(self), ()


class ConnectionProblem(OpsmgrError):
    """No connection. Fields: C(kind) is C(unreachable), C(login), C(database) or C(driver); C(server) names the server."""

    def __init__(self, kind: str, server: str, found: str, what_to_do: str) -> None:
        super().__init__(f"connect to SQL Server {server}", found, what_to_do)
        self.kind = kind
        self.server = server

    def __reduce__(self) -> tuple[type[ConnectionProblem], tuple[str, str, str, str]]:
        return type(self), (self.kind, self.server, self.found, self.what_to_do)


class SqlError(OpsmgrError):
    """A statement that failed. Fields: C(number) of SQL Server (0: the driver's), C(state) (SQLSTATE), C(message),
    C(statement), C(server), C(reason), which is the failure in a few words, and C(waited_seconds): after how long the
    driver stopped waiting for an answer, or None when there was one.
    """

    def __init__(
        self, number: int, state: str, message: str, statement: str, server: str, waited_seconds: int | None = None
    ) -> None:
        self.reason = _reason_text(number, message.rstrip("."), waited_seconds)
        what_to_do = NO_ANSWER
        if waited_seconds is None:
            what_to_do = advice(number)
        super().__init__(f"run SQL on {server}", f"{self.reason} from: {statement}", what_to_do)
        self.number = number
        self.state = state
        self.message = message
        self.statement = statement
        self.server = server
        self.waited_seconds = waited_seconds

    def __reduce__(self) -> tuple[type[SqlError], tuple[int, str, str, str, str, int | None]]:
        fields = (self.number, self.state, self.message, self.statement, self.server, self.waited_seconds)
        return type(self), fields


@dataclass(frozen=True)
class Diagnostic:
    """One diagnostic record: SQLSTATE, native error number, and the message without the drivers' prefixes."""

    state: str
    number: int
    message: str


class SqlConnection:
    """An open connection, always in autocommit: C(ALTER DATABASE) is refused inside a transaction (226) [ms].

    C(statements) lists every statement that was sent, without the values bound to it.
    """

    def __init__(self, connection: pyodbc.Connection, server: str) -> None:
        self._connection = connection
        self.server = server
        self.statements: list[str] = []
        # Whether the server has answered the last statement to its end, so that it takes another one at once.
        self._is_idle = True
        # Whether it is in master, where every connection begins.
        self._is_in_master = True

    def __enter__(self) -> SqlConnection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connection back to the server. A connection that is gone already is no error.

        A driver manager that pools connections keeps it open, as long as this process lives. In master it is in
        nobody's way; in a single-user database it would keep the only seat.
        """
        with suppress(pyodbc.Error):
            if self._is_idle and not self._is_in_master:
                self._connection.execute("USE [master]").close()
        with suppress(pyodbc.Error):
            self._connection.close()

    def rows(self, statement: str, *values: object) -> list[dict[str, Any]]:
        """Run a statement with its values bound to C(?), and return the rows of its first result set by column name.

        Raises SqlError, or ConnectionProblem when the connection is lost.
        """
        names, found = self._run(statement, values)
        return [dict(zip(names, row, strict=True)) for row in found]

    def tuples(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """The same with the values of each row by their place, for columns whose names a server may translate."""
        return self._run(statement, values)[1]

    def execute(self, statement: str, *values: object) -> None:
        """Run a statement to its end, whatever it returns. Raises like C(rows())."""
        self._run(statement, values)

    def _run(self, statement: str, values: tuple[object, ...]) -> tuple[list[str], list[tuple[Any, ...]]]:
        self.statements.append(statement)
        self._is_idle = False
        try:
            cursor = self._connection.cursor()
            try:
                cursor.execute(statement, *values)
                result = _first_result(cursor)
            finally:
                cursor.close()
        except pyodbc.Error as error:
            problem = self._translated(error, statement)
            self._is_idle = isinstance(problem, SqlError)
            raise problem from error
        except SystemError as error:
            # A signal's handler has raised while the driver worked. On Python 3.10, pyodbc returns a result all the same,
            # and the interpreter wraps the handler's exception in this one.
            cause = error.__cause__
            if isinstance(cause, BaseException):
                raise cause.with_traceback(cause.__traceback__) from None
            raise
        self._is_idle = True
        if statement.startswith("USE "):
            self._is_in_master = statement == "USE [master]"
        return result

    def _translated(self, error: pyodbc.Error, statement: str) -> OpsmgrError:
        records = diagnostics(error)
        record = _reason(records)
        if _is_lost(record):
            return ConnectionProblem(
                UNREACHABLE,
                self.server,
                f"the connection was lost ({record.message}) during: {statement}",
                "Check that SQL Server is running, then rerun",
            )
        waited = None
        if _is_timeout(record):
            waited = self._connection.timeout
        return SqlError(record.number, record.state, record.message, statement, self.server, waited)


def connect(options: SqlOptions, *, query_timeout_seconds: int = DEFAULT_QUERY_TIMEOUT_SECONDS) -> SqlConnection:
    """Open a connection and the database. C(query_timeout_seconds) ends each statement that takes longer; 0 waits for
    ever.

    Raises OptionProblem, PyodbcMissing or ConnectionProblem. None of them contains the password.
    """
    if PYODBC_IMPORT_ERROR is not None:
        raise PyodbcMissing()
    try:
        with old_tls(options) as named:
            connection = pyodbc.connect(
                ConnectionString(options, named).reveal(), autocommit=True, timeout=options.connect_timeout
            )
        connection.timeout = query_timeout_seconds
    except pyodbc.Error as error:
        raise _connection_problem(error, options) from error
    opened = SqlConnection(connection, options.label)
    try:
        _use(opened, options)
    except OpsmgrError:
        opened.close()
        raise
    return opened


def diagnostics(error: pyodbc.Error) -> list[Diagnostic]:
    """Take a pyodbc exception apart; at least one record comes back."""
    # The state and the message: the first or both may be missing.
    state, text = ["", "", *map(str, error.args)][-2:]
    found = [
        Diagnostic(match["state"], int(match["number"]), _PREFIXES.sub("", match["text"], count=1).strip())
        for match in _RECORD.finditer(text)
    ]
    if found:
        return found
    return [Diagnostic(state, 0, _PREFIXES.sub("", text, count=1).strip() or type(error).__name__)]


def _reason(records: list[Diagnostic]) -> Diagnostic:
    return next((record for record in records if record.number not in _NOT_THE_REASON), records[0])


def _use(connection: SqlConnection, options: SqlOptions) -> None:
    try:
        connection.execute("USE " + quote_identifier(options.database))
    except SqlError as error:
        found, what_to_do = _database_text(Diagnostic(error.state, error.number, error.message), options)
        raise ConnectionProblem(DATABASE, options.label, found, what_to_do) from error
    # It is part of connecting, and was no more than that.
    connection.statements.clear()


def _reason_text(number: int, message: str, waited_seconds: int | None) -> str:
    if waited_seconds is not None:
        return f"no answer within {waited_seconds} seconds"
    if not number:
        return f"an error of the driver ({message})"
    return f"error {number} ({message})"


def _is_timeout(record: Diagnostic) -> bool:
    return record.state in _TIMEOUT_STATES or record.number == _FREETDS_TIMEOUT


def _is_lost(record: Diagnostic) -> bool:
    return record.number in _FREETDS_LOST or record.state in _LOST_STATES


def _first_result(cursor: pyodbc.Cursor) -> tuple[list[str], list[tuple[Any, ...]]]:
    # Every result set is fetched: errors of later ones only show up then, and BACKUP runs no longer than it is listened
    # to.
    result: tuple[list[str], list[tuple[Any, ...]]] | None = None
    while True:
        if cursor.description and result is None:
            result = [column[0] for column in cursor.description], [tuple(row) for row in cursor.fetchall()]
        if not cursor.nextset():
            return result or ([], [])


def _connection_problem(error: pyodbc.Error, options: SqlOptions) -> ConnectionProblem:
    records = diagnostics(error)
    kind, record = _kind(records)
    found, what_to_do = _TEXTS[kind](record, options)
    return ConnectionProblem(kind, options.label, _without(found, options.login_password), what_to_do)


def _kind(records: list[Diagnostic]) -> tuple[str, Diagnostic]:
    # "Cannot open database" comes together with "Login failed", and is the reason for it: so it is asked first.
    for kind, numbers in ((DATABASE, _DATABASE_NUMBERS), (LOGIN, _LOGIN_NUMBERS)):
        for record in records:
            if record.number in numbers:
                return kind, record
    record = _reason(records)
    if record.state == "28000":
        return LOGIN, record
    # IM002 to IM005: the driver manager does not know the driver or cannot load it.
    if record.state.startswith("IM00") or "Can't open lib" in record.message:
        return DRIVER, record
    return UNREACHABLE, record


def _driver_text(record: Diagnostic, options: SqlOptions) -> tuple[str, str]:
    known = ", ".join(pyodbc.drivers()) or "none"
    package = "msodbcsql18 or msodbcsql17"
    if options.is_freetds:
        package = "tdsodbc (Debian, Ubuntu) or freetds-libs (Red Hat)"
    return (
        f"the ODBC driver {options.driver} cannot be used ({_quoted(record)}); installed are: {known}",
        f"Install the package {package} where this task runs, or set driver to one that is there{in_inventory('driver')}",
    )


def _login_text(record: Diagnostic, options: SqlOptions) -> tuple[str, str]:
    known = login_advice(record.number)
    if known is not None:
        account = options.login_user or "by Kerberos"
        return f"the login {account} was refused ({_quoted(record)})", known
    if options.login_user is None:
        return (
            f"the login by Kerberos was refused ({_quoted(record)})",
            f"Check with klist whose ticket is there, and that this account is a login on the server; or set login_user and login_password{_LOGIN_VARIABLES}",
        )
    if "\\" in options.login_user:
        advice = f"Check login_user, login_password{_LOGIN_VARIABLES}, and that this account is a login on the server"
    else:
        advice = f"Check login_user and login_password{_LOGIN_VARIABLES}, and that the server accepts SQL Server logins and not only Windows ones"
    return f"the login {options.login_user} was refused ({_quoted(record)})", advice


def _database_text(record: Diagnostic, options: SqlOptions) -> tuple[str, str]:
    return (
        f"the database {options.database} cannot be opened ({_quoted(record)})",
        database_advice(record.number)
        or f"Check its name{in_inventory('database')}, its state (offline, restoring, single-user), and that this login is a user in it",
    )


def _unreachable_text(record: Diagnostic, options: SqlOptions) -> tuple[str, str]:
    reachable = "Check that SQL Server is running and reachable on this port"
    advice = f"{reachable}{in_inventory('server', 'port')}"
    if options.is_found_by_instance:
        advice = f"{reachable}{in_inventory('server', 'instance')}"
        advice += ", and that SQL Server Browser answers on UDP port 1434, or set port"
    if options.login_user is None:
        advice += ", and with klist that there is a Kerberos ticket (FreeTDS reports a missing one so)"
    if options.encryption == "require" or not options.is_freetds:
        advice += f", and that driver and server have a TLS version in common (see encryption and driver{in_inventory('encryption', 'driver')})"
    return f"no connection within {options.connect_timeout} seconds or refused ({_quoted(record)})", advice


_TEXTS = {DRIVER: _driver_text, LOGIN: _login_text, DATABASE: _database_text, UNREACHABLE: _unreachable_text}


def _quoted(record: Diagnostic) -> str:
    return phrase("{}: ", record.number) + record.message.rstrip(".")


def _without(text: str, secret: str | None) -> str:
    if not secret:
        return text
    # No driver is known to repeat the password. This holds even if one does.
    return text.replace(secret, "********")
