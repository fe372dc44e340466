# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The built-in functions that look at the server, its databases and the session that asks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .functions import register
from .lexer import tokenize
from .messages import SessionEnded, error
from .sessions import Session, refusal

if TYPE_CHECKING:
    from .server import SqlServer

VERSIONS = {
    "9.0": ("9.00.4035.00", "SP3", "Microsoft SQL Server 2005 - 9.00.4035.00 (X64)", (9, 0, 4035), 90),
    "10.0": ("10.0.2531.0", "SP1", "Microsoft SQL Server 2008 (SP1) - 10.0.2531.0 (X64)", (10, 0, 2531), 100),
}
"""What the server says about itself: product version, level, @@VERSION, the version on the wire, compatibility level
[ms].
"""


class ServerFunctions:
    """The functions of one server; while a statement runs, ``server.current`` is its session."""

    def __init__(self, server: SqlServer) -> None:
        self._server = server

    def register(self) -> None:
        """Give the server's sqlite all functions."""
        register(self._server.store.sqlite, self._functions(), self._failed)

    def _failed(self, problem: Exception) -> None:
        self._server.function_problem = problem

    def _session(self) -> Session:
        if self._server.current is None:
            raise SessionEnded("no statement runs")
        return self._server.current

    def _owns(self) -> bool:
        return self._session().login.may_administer(self._session().database)

    def _functions(self) -> dict[str, tuple[int, Callable[..., Any]]]:
        return {
            "LAB_GLOBAL": (1, self._global),
            "SERVERPROPERTY": (1, lambda name: self._properties().get(str(name).lower())),
            "DB_NAME": (-1, self._db_name),
            "DB_ID": (-1, self._db_id),
            "DATABASEPROPERTYEX": (2, self._database_property),
            "HAS_DBACCESS": (1, self._has_access),
            "OBJECT_ID": (-1, self._object_id),
            "HAS_PERMS_BY_NAME": (-1, self._has_permission),
            "FILEPROPERTY": (2, self._file_property),
            "IS_SRVROLEMEMBER": (-1, self._is_role_member),
            "IS_MEMBER": (1, lambda role: int(str(role).lower() == "public" or self._owns())),
            "SUSER_SNAME": (-1, lambda *sid: self._session().user),
            "SUSER_NAME": (-1, lambda *sid: self._session().user),
            "ORIGINAL_LOGIN": (0, lambda: self._session().user),
            "USER_NAME": (-1, lambda *number: "dbo" if self._owns() else self._session().user),
            "HOST_NAME": (0, lambda: self._session().host),
            "APP_NAME": (0, lambda: self._session().program),
            "XACT_STATE": (0, lambda: int(self._session().trancount > 0)),
            "CONNECTIONPROPERTY": (
                1,
                lambda name: {"net_transport": "TCP", "auth_scheme": "SQL"}.get(str(name).lower()),
            ),
        }

    def _properties(self) -> dict[str, Any]:
        product, level, _text, (major, minor, _build), _compatibility = VERSIONS[self._server.version]
        return {
            "productversion": product,
            "productlevel": level,
            "productmajorversion": str(major),
            "productminorversion": str(minor),
            "edition": "Enterprise Edition (64-bit)",
            "engineedition": 3,
            "servername": self._server.name.upper(),
            "machinename": self._server.name.upper(),
            "computernamephysicalnetbios": self._server.name.upper(),
            "instancename": None,
            "collation": "SQL_Latin1_General_CP1_CI_AS",
            "isclustered": 0,
            "isintegratedsecurityonly": 0,
            "issingleuser": 0,
        }

    def _global(self, name: str) -> Any:
        session = self._session()
        values: dict[str, Callable[[], Any]] = {
            "VERSION": lambda: VERSIONS[self._server.version][2],
            "SERVERNAME": self._server.name.upper,
            "SERVICENAME": lambda: "MSSQLSERVER",
            "SPID": lambda: session.spid,
            "TRANCOUNT": lambda: session.trancount,
            "ROWCOUNT": lambda: session.rowcount,
            "ERROR": lambda: session.last_error,
            "OPTIONS": lambda: 2 if session.implicit_transactions else 0,
            "LOCK_TIMEOUT": lambda: -1 if session.lock_timeout is None else int(session.lock_timeout * 1000),
            "LANGUAGE": lambda: "us_english",
            "MAX_PRECISION": lambda: 38,
            "MICROSOFTVERSION": lambda: VERSIONS[self._server.version][3][0] << 24,
            "IDENTITY": lambda: self._server.store.run("SELECT last_insert_rowid()").fetchone()[0],
        }
        if name not in values:
            raise error(137, "@@" + name)
        return values[name]()

    def _db_name(self, number: Any = 0, *_rest: Any) -> str | None:
        if not number:
            return self._session().database.name
        return next((database.name for database in self._server.databases.values() if database.id == number), None)

    def _db_id(self, name: Any = "", *_rest: Any) -> int | None:
        database = self._server.find(str(name)) if name else self._session().database
        return database.id if database is not None else None

    def _database_property(self, name: Any, wanted: Any) -> Any:
        database = self._server.find(str(name))
        if database is None:
            return None
        writable = database.options.get("READ_ONLY") != "ON"
        values = {
            "status": database.state,
            "useraccess": database.user_access,
            "recovery": database.recovery_model,
            "updateability": "READ_WRITE" if writable else "READ_ONLY",
            "collation": "SQL_Latin1_General_CP1_CI_AS",
            "version": 655,
        }
        return values.get(str(wanted).lower())

    def _has_access(self, name: Any) -> int | None:
        database, session = self._server.find(str(name)), self._session()
        if database is None:
            return None
        return int(refusal(session.login, session, database, self._server.session_list()) is None)

    def _has_permission(self, securable: Any, kind: Any, permission: Any, *_rest: Any) -> int | None:
        """Only what may be done to a database is known."""
        names = [token.value for token in tokenize(str(securable)) if token.is_name]
        database = self._server.find(names[0]) if names and str(kind).upper() == "DATABASE" else None
        return None if database is None else int(self._session().login.may_administer(database))

    def _file_property(self, name: Any, wanted: Any) -> int | None:
        """The pages in use of a file of the current database."""
        server, database = self._server, self._session().database
        names = [logical.lower() for _kind, logical, _path in server.files_of(database)]
        if str(name).lower() not in names or str(wanted).lower() != "spaceused":
            return None
        return 168

    def _object_id(self, name: Any, kind: Any = None, *_rest: Any) -> int | None:
        parts = ("", "", *(token.value for token in tokenize(str(name)) if token.is_name))[-3:]
        database = self._server.find(parts[0]) if parts[0] else self._session().database
        table = database.table(parts[1], parts[2]) if database is not None else None
        return table.object_id if table is not None and str(kind or "U").strip().upper() == "U" else None

    def _is_role_member(self, role: Any, user: Any = None, *_rest: Any) -> int | None:
        login = self._server.logins.get(str(user).casefold()) if user else self._session().login
        known = (
            "sysadmin",
            "serveradmin",
            "setupadmin",
            "securityadmin",
            "processadmin",
            "dbcreator",
            "diskadmin",
            "bulkadmin",
            "public",
        )
        if login is None or str(role).lower() not in known:
            return None
        return int(login.is_sysadmin or str(role).lower() == "public")
