# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operational database as services and tools of the lab see it: a real session of the lab's SQL Server."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from ..sql.messages import SessionEnded, SqlError
from ..sql.opsmgr_schema import new_id
from ..sql.server import SqlServer, SqlSession
from .key import WrongKeyError, decrypt_secret, encrypt_secret

# What is deleted and not groomed away yet does not count. A gateway is marked as a management server, too, and cannot be
# promoted [field].
_LIVING = (
    "FROM dbo.MT_HealthService AS hs JOIN dbo.BaseManagedEntity AS bme ON bme.BaseManagedEntityId = hs.BaseManagedEntityId "
    "WHERE bme.IsDeleted = 0"
)
_NAMED = "BaseManagedEntityId IN (SELECT BaseManagedEntityId FROM dbo.BaseManagedEntity WHERE IsDeleted = 0 AND DisplayName = ?)"
_OTHERS = "BaseManagedEntityId IN (SELECT BaseManagedEntityId FROM dbo.BaseManagedEntity WHERE IsDeleted = 0 AND DisplayName <> ?)"
_ROOTS = "BaseManagedEntityId IN (SELECT BaseManagedEntityId FROM dbo.MT_HealthService WHERE IsRHS = 1)"
_SELECT_ROOT = f"SELECT bme.DisplayName {_LIVING} AND hs.IsRHS = 1"
_SELECT_SERVER = f"SELECT hs.IsRHS {_LIVING} AND bme.DisplayName = ? AND hs.IsManagementServer = 1 AND hs.IsGateway = 0"
_SELECT_SERVERS = f"SELECT bme.DisplayName {_LIVING} AND hs.IsManagementServer = 1 AND hs.IsGateway = 0"
_SELECT_ACCESS = "SELECT user_access_desc FROM sys.databases WHERE name = ?"
_SELECT_SECRETS = "SELECT Domain, UserName, Data FROM dbo.CredentialManagerSecureStorage ORDER BY Domain, UserName"
_SELECT_CHECK = "SELECT Data FROM dbo.LabKeyCheck"
_DELETE_CHECK = "DELETE FROM dbo.LabKeyCheck"
_INSERT_CHECK = "INSERT INTO dbo.LabKeyCheck (Data) VALUES (?)"
_SELECT_GROUP = "SELECT ManagementGroupName FROM dbo.__MOMManagementGroupInfo__"
_SELECT_REMAINS = f"SELECT bme.DisplayName {_LIVING} AND bme.DisplayName = ? AND hs.IsManagementServer = 0"
_DELETE_ROOT = f"UPDATE dbo.BaseManagedEntity SET IsDeleted = 1 WHERE IsDeleted = 0 AND DisplayName <> ? AND {_ROOTS}"
_GROOM = (
    "DELETE FROM dbo.MT_HealthService WHERE BaseManagedEntityId IN (SELECT BaseManagedEntityId FROM dbo.BaseManagedEntity WHERE IsDeleted = 1)",
    "DELETE FROM dbo.BaseManagedEntity WHERE IsDeleted = 1",
)
_EMPTY_ROOT = f"UPDATE dbo.MT_HealthService SET IsRHS = 0, IsManagementServer = 0 WHERE {_NAMED}"
_DEMOTE_ROOT = f"UPDATE dbo.MT_HealthService SET IsRHS = 0 WHERE IsRHS = 1 AND {_OTHERS}"
_PROMOTE = f"UPDATE dbo.MT_HealthService SET IsRHS = 1 WHERE {_NAMED}"
_REVIVE = f"UPDATE dbo.MT_HealthService SET IsManagementServer = 1 WHERE {_NAMED}"
_INSERT_NAME = "INSERT INTO dbo.BaseManagedEntity (BaseManagedEntityId, DisplayName, IsDeleted) VALUES (?, ?, 0)"
_INSERT_SERVER = (
    "INSERT INTO dbo.MT_HealthService (BaseManagedEntityId, IsRHS, IsManagementServer, IsGateway, IsAgent, Version) "
    "VALUES (?, 0, 1, 0, 0, ?)"
)


_CHECKED = "LabKeyCheck"


class UnreachableError(Exception):
    """The database cannot be used now; the text says why."""


class OperationalDatabase:
    """One session in the operational database of a management group."""

    def __init__(self, session: SqlSession, name: str) -> None:
        self.name = name
        self._session = session

    def __enter__(self) -> OperationalDatabase:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave."""
        self._session.close()

    @property
    def is_lost(self) -> bool:
        """Whether the server has ended this session."""
        return not self._session.alive

    @property
    def is_multi_user(self) -> bool:
        """Whether everybody may use the database."""
        return bool(self._first(_SELECT_ACCESS, self.name) == "MULTI_USER")

    def root(self) -> str | None:
        """The full name of the root management server."""
        found = self._first(_SELECT_ROOT)
        return None if found is None else str(found)

    def lists(self, computer: str) -> bool:
        """Whether this is one of the group's management servers."""
        return self._first(_SELECT_SERVER, computer) is not None

    def management_servers(self) -> list[str]:
        """The full names of the group's management servers."""
        return [str(name) for (name,) in self._query(_SELECT_SERVERS)]

    def add_management_server(self, computer: str, version: str) -> None:
        """Make it one of the group's ordinary management servers."""
        with self._transaction():
            self._insert_server(computer, version)

    def promote(self, computer: str, *, delete_old: bool, virtual_root: str = "", lingers: bool = True) -> None:
        """Make it the root; the old one is deleted or demoted, all at once or not at all.

        ``lingers``: the rows of what was deleted stay, and still say that it is the root.

        ``virtual_root`` is the old one's name when it is clustered.  What is deleted of it leaves an entry that is no
        server any more, as a real database keeps what it deleted for a while [assumed].
        """
        with self._transaction():
            if delete_old and virtual_root:
                self._execute(_EMPTY_ROOT, virtual_root)
            self._execute(_DELETE_ROOT if delete_old else _DEMOTE_ROOT, computer)
            if not lingers:
                for statement in _GROOM:
                    self._execute(statement)
            self._execute(_PROMOTE, computer)

    def install_virtual_server(self, computer: str, version: str) -> None:
        """Make a virtual server the root; the server that was it becomes an ordinary one, all at once or not at all."""
        with self._transaction():
            self._execute(_REVIVE, computer)
            if not self.lists(computer):
                self._insert_server(computer, version)
            self._execute(_DEMOTE_ROOT, computer)
            self._execute(_PROMOTE, computer)

    def has_remains_of(self, computer: str) -> bool:
        """Whether this was a clustered root that was deleted."""
        return self._first(_SELECT_REMAINS, computer) is not None

    def opens_with(self, key: bytes) -> dict[str, bool]:
        """Which Run As accounts this key decrypts."""
        secrets = [(account_name(domain, user), bytes(data)) for domain, user, data in self._query(_SELECT_SECRETS)]
        return {account: opens(key, account, data) for account, data in secrets}

    def accepts(self, key: bytes) -> bool:
        """Whether this is the group's key: the one that was made again, else the one that decrypts every secret."""
        check = self._first(_SELECT_CHECK)
        return all(self.opens_with(key).values()) if check is None else is_new_key(key, bytes(check))

    def replace_key(self, key: bytes) -> None:
        """This is the group's key from now on, although no secret was encrypted with it."""
        with self._transaction():
            self._execute(_DELETE_CHECK)
            self._execute(_INSERT_CHECK, encrypt_secret(key, _CHECKED, _CHECKED))

    def _insert_server(self, computer: str, version: str) -> None:
        identity = new_id()
        self._execute(_INSERT_NAME, identity, computer)
        self._execute(_INSERT_SERVER, identity, version)

    def group(self) -> str:
        """The management group's name."""
        return str(self._first(_SELECT_GROUP))

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._execute("BEGIN TRANSACTION")
        try:
            yield
        except UnreachableError:
            if not self.is_lost:
                self._execute("ROLLBACK TRANSACTION")
            raise
        self._execute("COMMIT TRANSACTION")

    def _first(self, sql: str, *values: Any) -> Any:
        rows = self._query(sql, *values)
        return rows[0][0] if rows else None

    def _query(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with _reachable():
            return [tuple(row) for row in self._session.query(sql, values)]

    def _execute(self, sql: str, *values: Any) -> None:
        with _reachable():
            self._session.execute(sql, values)


def account_name(domain: object, user: object) -> str:
    """What a person calls the account of a Run As account: ``DOMAIN\\user``, or without a domain the user alone."""
    return f"{domain}\\{user}" if domain else str(user)


def opens(key: bytes, user: str, data: bytes) -> bool:
    """Whether the key decrypts the secret of this account."""
    try:
        decrypt_secret(key, user, data)
    except WrongKeyError:
        return False
    return True


def is_new_key(key: bytes, check: bytes) -> bool:
    """Whether this is the key that was made again when ``check`` was written."""
    return opens(key, _CHECKED, check)


@contextlib.contextmanager
def _reachable() -> Iterator[None]:
    try:
        yield
    except (SqlError, SessionEnded, OSError) as error:
        raise UnreachableError(str(error)) from error


class Databases:
    """The SQL Servers that services and tools can reach, by the names of their hosts."""

    def __init__(self) -> None:
        self._servers: dict[str, SqlServer] = {}

    def add(self, server: SqlServer, *names: str) -> None:
        """A server, and what it is called."""
        self._servers.update(dict.fromkeys((name.lower() for name in names), server))

    def open(self, server: str, database: str, program: str) -> OperationalDatabase:
        """A session in this database."""
        found = self._servers.get(server.lower())
        if found is None:
            raise UnreachableError(f"no SQL Server is called {server!r}")
        with _reachable():
            return OperationalDatabase(found.connect(program, database), database)
