# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the statements of a batch for one session."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from . import alter, backup, procedures, tables
from .batch import If, Node, Statement, parse_batch
from .catalog import View, find_view
from .dialect import Source, Translated, translate
from .lexer import Token
from .messages import Message, SqlError, error, message
from .sessions import Session, refusal, require_administrator
from .store import Database, stored_name
from .values import SqlType, parse_type, to_storage, type_of
from .wire_answer import SELECT_COMMAND, Changed, Done, Outcome, ResultSet

if TYPE_CHECKING:
    from .server import SqlServer

COMMANDS = {
    "SELECT": SELECT_COMMAND,
    "INSERT": 0xC3,
    "DELETE": 0xC4,
    "UPDATE": 0xC5,
    "ALTER DATABASE": 0xD7,
    "DROP DATABASE": 0xCC,
}
_WRITES = frozenset({"INSERT", "UPDATE", "DELETE"})
_POLL_SECONDS = 0.05


class _BatchEnds(Exception):
    """The rest of the batch is not run."""


class Engine:
    """One batch of one session."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.server: SqlServer = session.server
        self.outcome = Outcome()
        self.variables: dict[str, Any] = {}
        self.kinds: dict[str, SqlType] = {}
        self.shown: list[tuple[str, View, Database]] = []
        self.called_in = session.database

    def batch(self, sql: str, parameters: Mapping[str, Any]) -> Outcome:
        """Run a batch; its errors are part of the outcome."""
        for name, value in parameters.items():
            plain = name.lower().lstrip("@")
            self.variables[plain] = to_storage(value)
            self.kinds[plain] = type_of(value)
        try:
            self.nodes(parse_batch(sql))
        except SqlError as problem:
            self.failed(problem, "")
        except _BatchEnds:
            pass
        return self.outcome

    def nodes(self, nodes: list[Node]) -> None:
        """Run statements one after the other."""
        for node in nodes:
            if isinstance(node, If):
                with self.server.lock:
                    chosen = node.then if self.is_true(node.condition) else node.otherwise
                self.nodes(chosen)
            else:
                self.statement(node)

    def statement(self, statement: Statement) -> None:
        """Run one; an error that ends only the statement lets the batch go on, as on the server [ms]."""
        head = statement.head
        try:
            self.session.check()
            self.server.strike(self.session, head)
            with self.server.lock:
                self.session.check()
                self.session.last_error = 0
                handler_of(head)(self, statement)
        except SqlError as problem:
            self.failed(problem, head)
            if problem.ends_batch:
                raise _BatchEnds from None
        except (ValueError, TypeError, LookupError, ArithmeticError) as problem:
            self.failed(SqlError(Message(50000, 16, 1, f"The lab cannot run this statement: {problem}")), head)

    def failed(self, problem: SqlError, head: str) -> None:
        """Report an error."""
        self.session.last_error = problem.number
        self.outcome.events.extend(problem.messages)
        self.outcome.events.append(Done(failed=True, command=COMMANDS.get(head, 0xFD)))

    def tell(self, *events: Message | Changed | Done | ResultSet) -> None:
        """Add to the answer."""
        self.outcome.events.extend(events)

    def wait(self, condition: Callable[[], bool], seconds: float | None) -> bool:
        """Wait, without the server's lock, until something is so; False when the time is over first."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while not condition():
            if deadline is not None and time.monotonic() >= deadline:
                return False
            self.server.changed.wait(_POLL_SECONDS)
            self.session.check()
        return True

    def change_database(self, database: Database) -> None:
        """Make a database the session's current one."""
        old, self.session.database = self.session.database, database
        self.tell(Changed("database", database.name, old.name), message(5701, database.name))
        self.server.notify()

    # queries

    def resolve(self, database: str, schema: str, name: str) -> Source:
        """Where a table is; the session must be allowed into its database."""
        found = self.server.find(database) if database else self.session.database
        if found is None:
            raise error(208, ".".join(part for part in (database, schema, name) if part))
        if found is not self.session.database:
            self.admit(found)
        view = find_view(schema, name)
        if view is None and (schema.lower() == "sys" or name.lower() == "sysdatabases"):
            view = find_view("sys", {"sysdatabases": "databases"}.get(name.lower(), name))
        if view is not None:
            full, definition = view
            stored = full if definition.of_server else f"{found.id}|{full}"
            self.shown.append((stored, definition, found))
            return Source(stored, definition.columns, 0)
        table = found.table(schema, name)
        if table is None:
            raise error(208, ".".join(part for part in (database, schema, name) if part))
        columns = [(column.name, column.type) for column in table.columns]
        return Source(stored_name(found, table.schema, table.name), columns, found.id)

    def admit(self, database: Database) -> None:
        """Raise what keeps the session out of a database."""
        refused = refusal(self.session.login, self.session, database, self.server.session_list())
        if refused is not None:
            raise SqlError(refused)

    def query(self, statement: Statement) -> None:
        """SELECT, INSERT, UPDATE or DELETE."""
        translated = self.translate(statement.text)
        head = statement.head
        self.prepare(translated, writes=head in _WRITES)
        cursor = self.run(translated, head)
        if cursor.description is None:
            self.session.rowcount = cursor.rowcount
            self.tell(Done(None if self.session.nocount else cursor.rowcount, command=COMMANDS[head]))
            return
        rows = cursor.fetchall()
        self.session.rowcount = len(rows)
        if translated.assigned:
            self.assign(translated.assigned, rows)
            return
        self.tell(ResultSet.of(_columns(translated, cursor.description, rows), rows))
        self.tell(Done(len(rows), command=SELECT_COMMAND))

    def translate(self, text: str) -> Translated:
        """A statement for sqlite."""
        self.shown.clear()
        return translate(text, self.resolve, self.kinds)

    def prepare(self, translated: Translated, *, writes: bool) -> None:
        """Wait for other sessions' transactions, open one's own, fill the catalogue views."""
        store = self.server.store
        if translated.names and self.session.implicit_transactions and not self.session.trancount:
            self.session.trancount = 1

        def free() -> bool:
            if store.owner in (None, self.session):
                return True
            return not writes and not translated.databases.intersection(store.written)

        if not self.wait(free, self.session.lock_timeout):
            raise error(1222)
        if writes and self.session.trancount:
            store.begin(self.session)
            store.written.update(translated.databases)
        for name, view, database in self.shown:
            store.show(name, view.columns, view.rows(self.server, self.session, database))

    def run(self, translated: Translated, head: str) -> sqlite3.Cursor:
        """Run a translated statement, with SQL Server's errors for sqlite's."""
        self.server.current = self.session
        self.server.function_problem = None
        try:
            return self.server.store.run(translated.sql, self.variables)
        except sqlite3.Error as problem:
            raise _sqlite_error(problem, self.server.function_problem, head) from None

    def assign(self, names: list[str], rows: list[tuple[Any, ...]]) -> None:
        """``SELECT @a = ...``: the last row counts; without rows nothing changes."""
        for name in names:
            if name not in self.variables:
                raise error(137, "@" + name)
        if rows:
            self.variables.update(zip(names, rows[-1], strict=True))

    def value(self, expression: str) -> Any:
        """The value of an expression."""
        translated = self.translate("SELECT " + expression)
        self.prepare(translated, writes=False)
        return self.run(translated, "SELECT").fetchone()[0]

    def is_true(self, condition: Statement) -> bool:
        """Whether an IF's condition holds."""
        return bool(self.value(f"CASE WHEN {condition.text} THEN 1 ELSE 0 END"))

    # statements

    def use(self, statement: Statement) -> None:
        """USE."""
        name = _argument(statement.tokens, 1)
        database = self.server.find(name.value)
        if database is None:
            raise error(911, name.value)
        self.admit(database)
        self.change_database(database)

    def set_option(self, statement: Statement) -> None:
        """SET of an option or a variable."""
        name = _argument(statement.tokens, 1)
        if name.kind == "variable":
            variable = name.value[1:].lower()
            if variable not in self.variables:
                raise error(137, name.value)
            self.variables[variable] = self.value(_after(statement, 3))
            return
        value = statement.tokens[-1].value.upper()
        names = [token.value.upper() for token in statement.tokens[1:-1] if token.kind == "word"]
        for option in names:
            self.session.options[option] = value
        if "IMPLICIT_TRANSACTIONS" in names:
            self.session.implicit_transactions = value == "ON"
        if "NOCOUNT" in names:
            self.session.nocount = value == "ON"
        if "LOCK_TIMEOUT" in names:
            milliseconds = int(value) * (-1 if statement.tokens[-2].text == "-" else 1)
            self.session.lock_timeout = None if milliseconds < 0 else milliseconds / 1000

    def declare(self, statement: Statement) -> None:
        """DECLARE @a type [= value], ..."""
        at, tokens = 1, statement.tokens
        while at < len(tokens):
            name = _argument(tokens, at)
            if name.kind != "variable":
                raise error(102, name.value)
            end = _next_comma(tokens, at)
            equals = next((place for place in range(at, end) if tokens[place].text == "="), end)
            text = (
                statement.text[tokens[equals].end - tokens[0].start : tokens[end - 1].end - tokens[0].start]
                if equals < end
                else ""
            )
            kind = statement.text[name.end - tokens[0].start : tokens[min(equals, end) - 1].end - tokens[0].start]
            variable = name.value[1:].lower()
            self.kinds[variable] = parse_type(kind.removeprefix(" AS ").removeprefix(" as "))
            self.variables[variable] = self.value(text) if text else None
            at = end + 1

    def begin(self, statement: Statement) -> None:
        """BEGIN TRANSACTION."""
        self.session.trancount += 1
        if self.session.trancount == 1:
            self.tell(Changed("begin", str(self.session.spid), "0"))

    def commit(self, statement: Statement) -> None:
        """COMMIT."""
        if not self.session.trancount:
            raise error(3902)
        self.session.trancount -= 1
        if not self.session.trancount:
            self.finish("commit")

    def rollback(self, statement: Statement) -> None:
        """ROLLBACK, of all levels."""
        if not self.session.trancount:
            raise error(3903)
        self.session.trancount = 0
        self.finish("rollback")

    def finish(self, how: str) -> None:
        """The outermost transaction ends."""
        self.server.store.end(self.session, commit=how == "commit")
        self.tell(Changed(how, "0", str(self.session.spid)))
        self.server.notify()

    def print_text(self, statement: Statement) -> None:
        """PRINT."""
        value = self.value(_after(statement, 1))
        self.tell(Message(0, 0, 1, "" if value is None else str(value)))

    def raise_error(self, statement: Statement) -> None:
        """RAISERROR (message, severity, state, values...)."""
        tokens = statement.tokens
        close = max((place for place, token in enumerate(tokens) if token.text == ")"), default=0)
        values, at = [], 2
        while at < close:
            end = min(_next_comma(tokens, at), close)
            values.append(
                self.value(statement.text[tokens[at].start - tokens[0].start : tokens[end - 1].end - tokens[0].start])
            )
            at = end + 1
        if len(values) < 3:
            raise error(102, tokens[-1].value)
        text, severity, state = values[0], int(values[1]), max(int(values[2]), 1)
        number = text if isinstance(text, int) else 50000
        rest = iter(values[3:])
        filled = re.sub(r"%[-+ #0]*\d*[sdiuxX]", lambda found: str(next(rest, found.group())), str(text))
        raised = Message(number, 0 if severity <= 10 else severity, state, filled)
        if severity > 10:
            raise SqlError(raised)
        self.tell(raised)

    def kill(self, statement: Statement) -> None:
        """KILL spid."""
        number = _argument(statement.tokens, 1)
        require_administrator(self.session, 6102)
        spid = int(number.value) if number.kind == "number" else -1
        if not 0 < spid <= 32767:
            raise error(6101, number.value, 32767)
        if spid == self.session.spid:
            raise error(6104)
        victim = self.server.sessions.get(spid)
        if victim is None:
            raise error(6106, spid)
        self.server.end_session(victim, "kill")

    def wait_for(self, statement: Statement) -> None:
        """WAITFOR DELAY 'h:m:s'."""
        if _argument(statement.tokens, 1).keyword != "DELAY":
            raise error(102, statement.tokens[1].value)
        hours, minutes, seconds = (["0", "0", *_argument(statement.tokens, 2).value.split(":")])[-3:]
        self.wait(lambda: False, int(hours) * 3600 + int(minutes) * 60 + float(seconds))

    def execute(self, statement: Statement) -> None:
        """EXEC of text, of sp_executesql, or of a procedure that does not exist."""
        tokens = statement.tokens
        at = 1 if tokens[0].keyword in ("EXEC", "EXECUTE") else 0
        if _argument(tokens, at).text == "(":
            self.nested(str(self.value(_after(statement, at))), {})
            return
        after = tokens[at + 1 :]
        if at == 0 and after and after[0].kind == "word":
            raise error(156, after[0].text)
        place = next(
            (place for place in range(at, len(tokens)) if tokens[place].is_name and _ends_name(tokens, place)), at
        )
        name, arguments = tokens[place].value, tokens[place + 1 :]
        if name.lower() == "sp_executesql" and arguments and arguments[0].kind in ("string", "variable"):
            self.nested(str(self.value(arguments[0].text)), self.variables)
            return
        self.called_in = self.database_of(tokens[at:place])
        procedures.call(self, name, arguments)

    def database_of(self, prefix: tuple[Token, ...]) -> Database:
        """The database that a procedure's name begins with, or the current one; what is before the name may be schema
        or database and schema.
        """
        if sum(token.text == "." for token in prefix) < 2:
            return self.session.database
        database = self.server.find(prefix[0].value)
        if database is None:
            raise error(911, prefix[0].value)
        if database is not self.session.database:
            self.admit(database)
        return database

    def variable(self, token: Token) -> Any:
        """The value of a variable; raises 137."""
        name = token.value[1:].lower()
        if name not in self.variables:
            raise error(137, token.value)
        return self.variables[name]

    def nested(self, sql: str, variables: Mapping[str, Any]) -> None:
        """Run text inside this batch."""
        inner = Engine(self.session)
        inner.outcome = self.outcome
        inner.batch(sql, variables)

    def nothing(self, statement: Statement) -> None:
        """A statement that has no effect here."""

    def return_now(self, statement: Statement) -> None:
        """RETURN."""
        raise _BatchEnds


def _columns(translated: Translated, description: Any, rows: list[tuple[Any, ...]]) -> list[tuple[str, SqlType]]:
    known = translated.columns
    if known is None or len(known) != len(description):
        known = [(column[0], None) for column in description]
    return [(name, kind or _guessed(place, rows)) for place, (name, kind) in enumerate(known)]


def _guessed(place: int, rows: list[tuple[Any, ...]]) -> SqlType:
    """The widest type among a column's values."""
    kinds = [type_of(row[place]) for row in rows if row[place] is not None]
    names = {kind.name for kind in kinds}
    if names <= {"int", "bigint", "float"} and names:
        return SqlType(next(name for name in ("float", "bigint", "int") if name in names))
    return kinds[0] if len(names) == 1 else (SqlType("nvarchar") if kinds else SqlType("int"))


_SQLITE_ERRORS: tuple[tuple[str, Callable[[re.Match[str], str], SqlError]], ...] = (
    (r"no such column: (?:.*\.)?(.+)", lambda found, head: error(207, found.group(1).strip('"'))),
    # A view whose table was dropped.
    (r"no such table: (?:.*\|)?(.+)", lambda found, head: error(208, found.group(1).strip('"'))),
    (r".*has no column named (.+)", lambda found, head: error(207, found.group(1))),
    (r"no such function: (.+)", lambda found, head: error(195, found.group(1))),
    (
        r"You did not supply a value for binding (?:parameter )?:(\w+)\.?",
        lambda found, head: error(137, "@" + found.group(1)),
    ),
    (r'near "(.*)": syntax error', lambda found, head: error(102, found.group(1))),
    (r".*(?:values for|has) \d+ .*columns?.*", lambda found, head: error(213)),
    (
        r"NOT NULL constraint failed: (?:\d+\|)?(.+)\.([^.]+)",
        lambda found, head: error(515, found.group(2), found.group(1).replace("|", "."), head),
    ),
    (
        r"UNIQUE constraint failed: \d+\|([^.]+)\..*",
        lambda found, head: error(2627, "PRIMARY KEY", "PK", found.group(1).replace("|", ".")),
    ),
)


def _sqlite_error(problem: sqlite3.Error, function_problem: Exception | None, head: str) -> SqlError:
    if isinstance(function_problem, SqlError):
        return function_problem
    for pattern, make in _SQLITE_ERRORS:
        found = re.fullmatch(pattern, str(problem), re.DOTALL)
        if found is not None:
            return make(found, head)
    return SqlError(Message(50000, 16, 1, f"The lab cannot run this statement: {problem}"))


def _argument(tokens: tuple[Token, ...], at: int) -> Token:
    if at >= len(tokens):
        raise error(102, tokens[-1].value)
    return tokens[at]


def _after(statement: Statement, count: int) -> str:
    """The text after that many tokens."""
    token = _argument(statement.tokens, count)
    return statement.text[token.start - statement.tokens[0].start :]


def _ends_name(tokens: tuple[Token, ...], place: int) -> bool:
    """Whether no dot follows: the last part of a name of several."""
    return place + 1 >= len(tokens) or tokens[place + 1].text != "."


def _next_comma(tokens: tuple[Token, ...], at: int) -> int:
    depth = 0
    for place in range(at, len(tokens)):
        depth += {"(": 1, ")": -1}.get(tokens[place].text, 0)
        if tokens[place].text == "," and depth == 0:
            return place
    return len(tokens)


_HANDLERS: dict[str, Callable[[Engine, Statement], None]] = {
    **dict.fromkeys(("SELECT", "INSERT", "UPDATE", "DELETE"), Engine.query),
    **dict.fromkeys(
        ("DBCC", "CHECKPOINT", "GRANT", "DENY", "REVOKE", "SAVE TRANSACTION", "CREATE INDEX"), Engine.nothing
    ),
    "USE": Engine.use,
    "SET": Engine.set_option,
    "DECLARE": Engine.declare,
    "BEGIN TRANSACTION": Engine.begin,
    "COMMIT TRANSACTION": Engine.commit,
    "ROLLBACK TRANSACTION": Engine.rollback,
    "PRINT": Engine.print_text,
    "RAISERROR": Engine.raise_error,
    "KILL": Engine.kill,
    "WAITFOR": Engine.wait_for,
    "RETURN": Engine.return_now,
    "ALTER DATABASE": alter.run,
    "BACKUP DATABASE": backup.back_up,
    "BACKUP LOG": backup.back_up_log,
    "CREATE DATABASE": tables.create_database,
    "CREATE TABLE": tables.create_table,
    "DROP DATABASE": tables.drop_database,
    "DROP TABLE": tables.drop_table,
    "DROP VIEW": tables.drop_view,
    "TRUNCATE TABLE": tables.truncate_table,
    "RESTORE DATABASE": backup.restore,
    "RESTORE VERIFYONLY": backup.verify,
    "RESTORE HEADERONLY": backup.headers,
    "RESTORE FILELISTONLY": backup.file_list,
    "RESTORE LABELONLY": backup.label,
}


def handler_of(head: str) -> Callable[[Engine, Statement], None]:
    """What carries out a statement with this head."""
    return _HANDLERS.get(head, Engine.execute)
