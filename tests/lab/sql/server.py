# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's SQL Server: databases, logins, sessions, and the way in for clients and for the lab's own services."""

from __future__ import annotations

import itertools
import re
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, overload

from ..windows.registry import Registry
from .catalog import BACKUPMEDIAFAMILY, BACKUPSET, RESTOREHISTORY, copy_table
from .engine import Engine
from .media import Files, MemoryFiles
from .messages import MESSAGES, Message, SessionEnded, SqlError, error, message
from .procedures import INSTANCES
from .server_functions import VERSIONS, ServerFunctions
from .sessions import Login, Session, others, refusal
from .store import Database, Store
from .wire import Listener
from .wire_answer import Outcome, ResultSet

if TYPE_CHECKING:
    from ..faults import Faults
    from ..recorder import Recorder

SYSTEM_DATABASES = ("master", "tempdb", "model", "msdb")
FIRST_SPID = 51
SERVICE = Login("NT AUTHORITY\\SYSTEM", is_sysadmin=True, is_windows=True)
"""Who the lab's own services are."""


class SqlServer:
    """One SQL Server instance on one address."""

    def __init__(
        self,
        name: str,
        address: str,
        port: int = 1433,
        recorder: Recorder | None = None,
        faults: Faults | None = None,
        version: str = "10.0",
        logins: Mapping[str, str | Login] | None = None,
        files: Files | None = None,
        registry: Registry | None = None,
    ) -> None:
        self.name = name
        self.address = address
        self.port = port
        self.recorder = recorder
        self.faults = faults
        self.version = version
        self.files: Files = files if files is not None else MemoryFiles()
        self.registry = registry if registry is not None else self._own_registry()
        self.issuer_keeps_seat = True
        self.language = "en"
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.store = Store()
        self.databases: dict[str, Database] = {}
        self.sessions: dict[int, Session] = {}
        self.logins: dict[str, Login] = {}
        self.current: Session | None = None
        self.function_problem: Exception | None = None
        self._powered = False
        self._listener: Listener | None = None
        ServerFunctions(self).register()
        for system in SYSTEM_DATABASES:
            self.add_database(system, broker=system == "msdb")
        for table in (BACKUPSET, BACKUPMEDIAFAMILY, RESTOREHISTORY):
            self.store.create(self.databases["msdb"], copy_table(table))
        for user, given in (logins or {}).items():
            self.add_login(given if isinstance(given, Login) else Login(user, given, is_windows="\\" in user))

    # power

    def start(self) -> None:
        """Listen for clients."""
        with self.lock:
            if self._listener is None:
                self._listener = Listener(self, self.address, self.port)
            self._powered = True

    def stop(self) -> None:
        """Refuse clients and end all sessions; databases keep what was committed."""
        with self.lock:
            listener, self._listener = self._listener, None
            self._powered = False
            for session in self.session_list():
                self.end_session(session, "stopped")
        if listener is not None:
            listener.close()

    @property
    def powered(self) -> bool:
        """Whether the server runs."""
        return self._powered

    @powered.setter
    def powered(self, wanted: bool) -> None:
        if wanted != self._powered:
            (self.start if wanted else self.stop)()

    # databases and logins

    def add_database(self, name: str, *, broker: bool = True, owner: str = "sa") -> Database:
        """Create an empty database; the server numbers it."""
        with self.lock:
            used = {database.id for database in self.databases.values()}
            number = next(candidate for candidate in range(1, 32768) if candidate not in used)
            database = Database(
                name, number, owner=owner, is_broker_enabled=broker, compatibility_level=VERSIONS[self.version][4]
            )
            self.databases[name] = database
            return database

    def remove_database(self, database: Database) -> None:
        """Forget a database and its rows."""
        with self.lock:
            self.store.drop_all(database)
            self.release_seat(database)
            del self.databases[database.name]

    def find(self, name: str) -> Database | None:
        """The database of that name in any case."""
        wanted = name.casefold().rstrip(" ")
        return next((database for key, database in self.databases.items() if key.casefold() == wanted), None)

    def database_list(self) -> list[Database]:
        """All databases by number."""
        return sorted(self.databases.values(), key=lambda database: database.id)

    def add_login(self, login: Login) -> Login:
        """Let an account log in."""
        with self.lock:
            self.logins[login.name.casefold()] = login
        return login

    def broker_twin(self, database: Database) -> Database | None:
        """Another database with the same broker id whose broker is enabled."""
        for other in self.databases.values():
            if (
                other is not database
                and other.is_broker_enabled
                and other.service_broker_guid == database.service_broker_guid
            ):
                return other
        return None

    @staticmethod
    def renew_broker(database: Database) -> None:
        """Give a database a new broker id, without its open conversations, and enable its broker."""
        database.service_broker_guid = str(uuid.uuid4()).upper()
        database.conversations = 0
        database.is_broker_enabled = True

    def files_of(self, database: Database) -> list[tuple[str, str, str]]:
        """A database's files: kind, logical name, path."""
        folder = self.folder + "\\DATA\\"
        name = database.options.get("LOGICAL_NAME", database.name)
        data = database.options.get("DATA_FILE", folder + database.name + ".mdf")
        return [
            ("ROWS", name, data),
            ("LOG", name + "_log", database.options.get("LOG_FILE", folder + database.name + "_log.ldf")),
        ]

    @property
    def wire_version(self) -> tuple[int, int, int]:
        """Major version, minor version and build."""
        return VERSIONS[self.version][3]

    @property
    def instance_id(self) -> str:
        """What Setup calls the default instance in paths and keys: SQL Server 2005 numbers them, 2008 names them
        [field].
        """
        major = self.wire_version[0]
        return "MSSQL.1" if major == 9 else f"MSSQL{major}.MSSQLSERVER"

    @property
    def folder(self) -> str:
        """Where the instance is installed."""
        return f"C:\\Program Files\\Microsoft SQL Server\\{self.instance_id}\\MSSQL"

    def _own_registry(self) -> Registry:
        """What Setup writes, for a server that is on no simulated machine."""
        registry = Registry()
        registry.set(f"HKLM\\{INSTANCES}\\{self.instance_id}\\MSSQLServer", "BackupDirectory", self.folder + "\\Backup")
        return registry

    # sessions

    def login(self, user: str, password: str, database: str, program: str = "", host: str = "") -> Session:
        """Log a client in with a name and a password; raises 18456 or 4060 with 18456."""
        login = self.logins.get(user.casefold())
        if login is None or login.password != password:
            raise error(18456, user)
        return self.open_session(login, database, program, host)

    def open_session(
        self, login: Login, database: str = "", program: str = "", host: str = "", interface: str = "ODBC"
    ) -> Session:
        """Begin the session of an account that has proved who it is; raises 4060 with 18456."""
        with self.lock:
            wanted = database or login.default_database
            found = self.find(wanted)
            if found is None or refusal(login, None, found, self.session_list()) is not None:
                raise SqlError(message(4060, wanted), message(18456, login.name))
            spid = next(number for number in range(FIRST_SPID, 32768) if number not in self.sessions)
            session = Session(self, spid, login, found, program, host, interface)
            self.sessions[spid] = session
            return session

    def session_list(self) -> list[Session]:
        """All sessions by number."""
        return [self.sessions[spid] for spid in sorted(self.sessions)]

    def end_session(self, session: Session, why: str) -> None:
        """End a session: its transaction is rolled back, its seats are free, its owner is told in a thread of its own."""
        with self.lock:
            if self.sessions.pop(session.spid, None) is None:
                return
            session.ended = why
            session.held.clear()
            session.trancount = 0
            self.store.end(session, commit=False)
            self.notify()
        if session.on_end is not None:
            threading.Thread(
                target=session.on_end, args=(why,), daemon=True, name=f"{self.name}-{session.spid}-ended"
            ).start()

    def reset(self, session: Session, *, keep_transaction: bool) -> None:
        """Give a pooled connection's next user a fresh session, when the client asks for that."""
        with self.lock:
            if not keep_transaction:
                self.store.end(session, commit=False)
                session.trancount = 0
            session.implicit_transactions = session.nocount = False
            session.lock_timeout = None
            session.options.clear()
            self.notify()

    def release_seat(self, database: Database) -> None:
        """Nobody keeps the only seat of a database any more unless by being in it."""
        for session in self.session_list():
            session.held.discard(database.id)
        self.notify()

    def notify(self) -> None:
        """Wake the sessions that wait for something to change."""
        with self.lock:
            self.changed.notify_all()

    def seat(self, database: str) -> list[Session]:
        """The sessions that occupy a database."""
        with self.lock:
            found = self.find(database)
            return [] if found is None else others(None, found, self.session_list())

    def connect(
        self,
        program_name: str,
        database: str = "",
        login: str | None = None,
        host: str = "",
        on_end: Callable[[str], None] | None = None,
    ) -> SqlSession:
        """Open a session from inside the lab, like any other to the server.

        ``on_end(why)`` is called in a thread of its own when somebody ends the session ("rollback", "kill", "stopped").
        Raises ConnectionRefusedError while the server is down, SqlError (4060) when the database cannot be opened.
        """
        if not self._powered:
            raise ConnectionRefusedError(f"{self.name} is down")
        account = SERVICE if login is None else self.logins[login.casefold()]
        session = self.open_session(account, database, program_name, host or self.name, ".Net SqlClient Data Provider")
        session.on_end = on_end
        return SqlSession(session)

    # running statements

    def execute(self, session: Session, sql: str, parameters: Mapping[str, Any] | None = None) -> Outcome:
        """Run a batch in a session; raises SessionEnded or Cancelled, every other failure is part of the outcome."""
        session.check()
        session.running = True
        try:
            return Engine(session).batch(sql, parameters or {})
        finally:
            session.running = False

    def strike(self, session: Session, head: str) -> None:
        """Let a fault happen to a client's statement; the lab's own services have none."""
        session.command, session.percent_complete = head, 0
        if session.is_client:
            self.suffer(session.poll, head, session)

    def suffer(self, poll: Callable[[], None], name: str, session: Session | None = None) -> None:
        """Let a fault of that name happen, if there is one; a stalled statement's share that is done grows."""
        fault = self.faults.match(self.name, "sql", name) if self.faults is not None else None
        if fault is None:
            return
        if fault.action == "drop":
            raise SessionEnded("dropped")
        if fault.action == "fail":
            raise SqlError(_failure(fault.code or 50000, fault.text))
        pause = threading.Event()
        steps = int(fault.seconds * 20)
        for step in range(steps):
            poll()
            if session is not None:
                session.percent_complete = 100 * step / steps
            pause.wait(0.05)

    def record(self, user: str, database: str, statement: str, parameters: Any, outcome: list[Message]) -> None:
        """Write a client's batch to the recorder."""
        if self.recorder is not None:
            first = outcome[0].number if outcome else None
            self.recorder.record(
                "sql", self.name, user=user, database=database, statement=statement, parameters=parameters, error=first
            )

    # dump

    def dump(self) -> dict[str, Any]:
        """The whole server as plain data, stable between equal states; no password, bytes only as their SHA-256."""
        with self.lock:
            return {
                "name": self.name,
                "version": VERSIONS[self.version][0],
                "powered": self._powered,
                "logins": sorted(login.name for login in self.logins.values()),
                "sessions": [session.describe() for session in self.session_list()],
                "databases": {database.name: self._dump(database) for database in self.database_list()},
            }

    def _dump(self, database: Database) -> dict[str, Any]:
        return {
            "state": database.state,
            "user_access": database.user_access,
            "is_broker_enabled": database.is_broker_enabled,
            "service_broker_guid": database.service_broker_guid,
            "recovery_model": database.recovery_model,
            "extended_properties": {name: str(value) for name, value in sorted(database.properties.values())},
            "tables": self.store.dump(database),
        }


def _failure(number: int, text: str) -> Message:
    severity, state, known = MESSAGES.get(number, (16, 1, "The lab was told to let this statement fail."))
    return Message(number, severity, state, text or known)


class Row(tuple[Any, ...]):
    """A row that also knows its columns' names: ``row[0]``, ``row["DisplayName"]``, ``row.DisplayName``."""

    names: tuple[str, ...]

    @classmethod
    def make(cls, names: tuple[str, ...], values: Iterable[Any]) -> Row:
        """A row of these values."""
        row = cls(values)
        row.names = names
        return row

    @overload  # type: ignore[override]
    def __getitem__(self, place: slice) -> tuple[Any, ...]: ...

    @overload
    def __getitem__(self, place: int | str) -> Any: ...

    def __getitem__(self, place: Any) -> Any:
        if not isinstance(place, str):
            return super().__getitem__(place)
        wanted = place.lower()
        for at, name in enumerate(self.names):
            if name.lower() == wanted:
                return super().__getitem__(at)
        raise KeyError(place)

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


class SqlSession:
    """A session of one of the lab's own services; ``?`` in a statement stands for the next of its values."""

    def __init__(self, session: Session) -> None:
        self.session = session

    @property
    def alive(self) -> bool:
        """Whether nobody has ended it."""
        return not self.session.ended

    def run(self, sql: str, values: Iterable[Any] = ()) -> Outcome:
        """Run a batch; raises SqlError for its first error, SessionEnded when the session is gone."""
        text, parameters = _numbered(sql, list(values))
        outcome = self.session.server.execute(self.session, text, parameters)
        if outcome.errors:
            raise SqlError(outcome.errors[0], *outcome.errors[1:])
        return outcome

    def query(self, sql: str, values: Iterable[Any] = ()) -> list[Row]:
        """The rows of the last result set."""
        results = self.run(sql, values).results
        return _rows(results[-1]) if results else []

    def execute(self, sql: str, values: Iterable[Any] = ()) -> int:
        """The number of rows changed, -1 without any."""
        return self.run(sql, values).rowcount

    def close(self) -> None:
        """Log out; the owner is not told."""
        self.session.on_end = None
        self.session.server.end_session(self.session, "closed")

    def __enter__(self) -> SqlSession:
        return self

    def __exit__(self, *_problem: object) -> None:
        self.close()


def _rows(result: ResultSet) -> list[Row]:
    names = tuple(name for name, _kind in result.columns)
    return [Row.make(names, row) for row in result.rows]


_QUOTED_OR_PLACE = re.compile(r"'[^']*'|\"[^\"]*\"|\[(?:[^\]]|\]\])*\]|\?")


def _numbered(sql: str, values: list[Any]) -> tuple[str, dict[str, Any]]:
    """``?`` outside strings and quoted names becomes ``@P1``, ``@P2`` and so on."""
    if not values:
        return sql, {}
    marked = _mark(sql)
    return marked, {f"@P{place}": value for place, value in enumerate(values, 1)}


def _mark(sql: str) -> str:
    numbers = itertools.count(1)
    return _QUOTED_OR_PLACE.sub(lambda found: f"@P{next(numbers)}" if found.group() == "?" else found.group(), sql)
