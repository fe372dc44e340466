# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the operational database knows about its management group. Everything here only reads.

Names of tables and columns come from published scripts [field], which are of later versions. Each part is asked for
alone, and in more than one way where 2007 may have other names. A part that cannot be read in any way costs one answer:
that answer is then None, and a problem says why.

This file is private to the collection: others must not import it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol, TypeVar

from ansible_collections.opsmgr.recovery.plugins.module_utils.optional import if_known
from ansible_collections.opsmgr.recovery.plugins.module_utils.sqlserver import SqlError
from ansible_collections.opsmgr.recovery.plugins.module_utils.versions import newest, unsupported, version_or_none

GROUP_NAME = "SELECT ManagementGroupName FROM dbo.__MOMManagementGroupInfo__"

# Where health services are, the surest first. What was deleted keeps its rows, marked as such in BaseManagedEntity, until
# it is groomed away; published queries leave it out [field]. The view may have no names, and the names of the tables
# behind it are known of later versions only: so the next one is asked when a name is not known (207, 208). The last one
# shows what was deleted as if it were there.
_MARKED = "JOIN dbo.BaseManagedEntity AS bme ON bme.BaseManagedEntityId = hs.BaseManagedEntityId"
_SOURCES = (
    f"hs.DisplayName AS DisplayName, {{columns}} FROM dbo.MTV_HealthService AS hs {_MARKED} WHERE bme.IsDeleted = 0 AND",
    f"bme.DisplayName AS DisplayName, {{columns}} FROM dbo.MT_HealthService AS hs {_MARKED} WHERE bme.IsDeleted = 0 AND",
    "hs.DisplayName AS DisplayName, {columns} FROM dbo.MTV_HealthService AS hs WHERE",
)


def _of_servers(columns: str) -> tuple[str, ...]:
    """The statements that ask for columns of all servers. Agents are health services too, and not asked for."""
    servers = "(hs.IsRHS = 1 OR hs.IsManagementServer = 1 OR hs.IsGateway = 1)"
    return tuple(f"SELECT {source.format(columns=columns)} {servers} ORDER BY 1" for source in _SOURCES)


SERVERS = _of_servers("hs.IsRHS, hs.IsManagementServer, hs.IsGateway")

# Asked apart from the servers: which column holds it is assumed.
VERSIONS = _of_servers("hs.Version")

# Works from any database of the server, which matters when the wanted one cannot be opened.
DATABASE = "SELECT name, state_desc, user_access_desc, is_broker_enabled, recovery_model_desc FROM sys.databases WHERE name = ?"

# SERVERPROPERTY returns sql_variant, which ODBC drivers cannot all read.
SQL_SERVER_VERSION = "SELECT CAST(SERVERPROPERTY('ProductVersion') AS nvarchar(128)) AS version"

# D is a full backup of a database [ms].
LAST_FULL_BACKUP = (
    "SELECT MAX(backup_finish_date) AS finished FROM msdb.dbo.backupset WHERE database_name = ? AND type = 'D'"
)

# Never Data, the column with the secret [field]. Without names the accounts alone are worth something, too.
RUN_AS_ACCOUNTS = (
    "SELECT Name, Description, Domain, UserName FROM dbo.CredentialManagerSecureStorage ORDER BY Name, UserName",
    "SELECT UserName FROM dbo.CredentialManagerSecureStorage ORDER BY UserName",
)

# Invalid column name, invalid object name [ms].
_NAME_NOT_KNOWN = frozenset((207, 208))

_Answer = TypeVar("_Answer")


class Reader(Protocol):
    """What is needed of a connection."""

    def rows(self, statement: str, *values: object) -> list[dict[str, Any]]:
        """Run a statement and return its rows by column name. Raises SqlError."""


@dataclass(frozen=True)
class ListedServer:
    """A server of the management group; a clustered RMS is listed by its virtual name [field]. C(version) is None when
    it is not told.
    """

    name: str
    is_rms: bool
    is_management_server: bool
    is_gateway: bool
    version: str | None = None

    @property
    def roles(self) -> list[str]:
        """C(rms), C(management_server) and C(gateway), as far as they apply; from 2012 on C(rms_emulator), which is marked
        as the RMS was [field].

        The database marks a gateway as a management server, too [field]. It cannot become the RMS.
        """
        rms = "rms"
        if unsupported(version_or_none(self.version)):
            rms = "rms_emulator"
        is_full = self.is_management_server and not self.is_gateway
        flags = {rms: self.is_rms, "management_server": is_full, "gateway": self.is_gateway}
        return [role for role, applies in flags.items() if applies]


@dataclass(frozen=True)
class RunAsAccount:
    """A Run As account; what the database does not tell is empty."""

    name: str
    description: str
    domain: str
    user_name: str

    def __str__(self) -> str:
        account = self.user_name
        if self.domain:
            account = f"{self.domain}\\{account}"
        if not self.name:
            return account
        return f"{self.name} ({account})"


@dataclass(frozen=True)
class DatabaseState:
    """A row of sys.databases, in SQL Server's own words: C(ONLINE), C(MULTI_USER), C(FULL)."""

    name: str
    state: str
    user_access: str
    is_broker_enabled: bool
    recovery_model: str


@dataclass
class GroupFacts:
    """All that could be read; None where it could not. C(last_full_backup) is in the local time of the SQL Server."""

    management_group: str | None = None
    servers: list[ListedServer] | None = None
    database: DatabaseState | None = None
    sql_server_version: str | None = None
    last_full_backup: datetime | None = None
    run_as_accounts: list[RunAsAccount] | None = None
    # Why no rule of 2007 holds for the group, and nothing in it is changed; None where they do, or nobody can tell.
    unsupported: str | None = None
    problems: list[str] = field(default_factory=list)

    @property
    def rms(self) -> str | None:
        """The one server that the database calls the RMS. None when it names no server, or several.

        From 2012 on it marks the RMS emulator so, which is no RMS.
        """
        if self.unsupported or len(self.rms_names) != 1:
            return None
        return self.rms_names[0]

    @property
    def rms_names(self) -> list[str]:
        """All servers that the database calls RMS: more than one means that a promotion went wrong."""
        return [server.name for server in self.servers or [] if server.is_rms]


def read_group(reader: Reader, database: str, *, run_as_accounts: bool = False) -> GroupFacts:
    """Read everything, each part on its own, and judge it. Raises ConnectionProblem when the connection is lost."""
    facts = GroupFacts()
    problems = facts.problems
    facts.management_group = _tried(problems, "the management group's name", lambda: read_group_name(reader))
    if facts.management_group is None and not problems:
        problems.append(
            "The database does not name exactly one management group. Check that it is an operational database of OpsMgr."
        )
    facts.servers = _tried(problems, "the servers", lambda: read_servers(reader))
    if facts.servers is not None:
        versions = _tried(problems, "the versions of the servers", lambda: read_versions(reader)) or {}
        facts.servers = [replace(server, version=versions.get(server.name)) for server in facts.servers]
        # Gateways may be of another version [ms].
        facts.unsupported = unsupported(newest(each.version for each in facts.servers if not each.is_gateway))
    facts.database = _tried(problems, "the state of the database", lambda: read_database(reader, database))
    facts.sql_server_version = _tried(problems, "the version of SQL Server", lambda: read_sql_server_version(reader))
    facts.last_full_backup = _tried(
        problems, "the last backup of the database", lambda: read_last_full_backup(reader, database)
    )
    if run_as_accounts:
        facts.run_as_accounts = _tried(problems, "the Run As accounts", lambda: read_run_as_accounts(reader))
    problems.extend(_judged(facts))
    return facts


def read_group_name(reader: Reader) -> str | None:
    """The name of the management group, or None when the table does not hold exactly one."""
    rows = reader.rows(GROUP_NAME)
    if len(rows) != 1:
        return None
    return str(rows[0]["ManagementGroupName"])


def read_servers(reader: Reader) -> list[ListedServer]:
    """RMS, management servers and gateways, by name."""
    return [
        ListedServer(
            str(row["DisplayName"]), bool(row["IsRHS"]), bool(row["IsManagementServer"]), bool(row["IsGateway"])
        )
        for row in known_rows(reader, SERVERS)
    ]


def read_versions(reader: Reader) -> dict[str, str]:
    """The versions of the same servers, by their names."""
    return {str(row["DisplayName"]): str(row["Version"]) for row in known_rows(reader, VERSIONS) if row["Version"]}


def read_database(reader: Reader, name: str) -> DatabaseState | None:
    """The state of a database, or None when the server has none of that name (or hides it from this login)."""
    for row in reader.rows(DATABASE, name):
        return DatabaseState(
            name=str(row["name"]),
            state=str(row["state_desc"]),
            user_access=str(row["user_access_desc"]),
            is_broker_enabled=bool(row["is_broker_enabled"]),
            recovery_model=str(row["recovery_model_desc"]),
        )
    return None


def read_sql_server_version(reader: Reader) -> str | None:
    """The product version of SQL Server: C(10.0.6556.0)."""
    for row in reader.rows(SQL_SERVER_VERSION):
        return if_known(str, row["version"])
    return None


def read_last_full_backup(reader: Reader, database: str) -> datetime | None:
    """When the last full backup of the database ended, in the server's local time; None without one."""
    for row in reader.rows(LAST_FULL_BACKUP, database):
        if isinstance(row["finished"], datetime):
            return row["finished"]
    return None


def read_run_as_accounts(reader: Reader) -> list[RunAsAccount]:
    """The Run As accounts. Their secrets are never asked for."""
    return [
        RunAsAccount(*(str(row.get(column) or "") for column in ("Name", "Description", "Domain", "UserName")))
        for row in known_rows(reader, RUN_AS_ACCOUNTS)
    ]


def known_rows(reader: Reader, statements: Sequence[str]) -> list[dict[str, Any]]:
    """The rows of the first statement whose names this database knows. Raises SqlError: the first one when none does."""
    unknown: SqlError | None = None
    for statement in statements:
        try:
            return reader.rows(statement)
        except SqlError as error:
            if error.number not in _NAME_NOT_KNOWN:
                raise
            unknown = unknown or error
    if unknown is None:
        raise ValueError("no statement")
    raise unknown


def database_problems(database: DatabaseState) -> list[str]:
    """What is wrong with the state of the operational database, as sentences."""
    name = database.name
    if database.state != "ONLINE":
        return [f"The database {name} is {database.state}, not ONLINE."]
    problems = []
    if database.user_access != "MULTI_USER":
        problems.append(f"The database {name} is in {database.user_access}, so that OpsMgr cannot work with it.")
    if not database.is_broker_enabled:
        problems.append(f"Service Broker is off in the database {name}, so that discovery and tasks do not work.")
    return problems


def _tried(problems: list[str], what: str, read: Callable[[], _Answer]) -> _Answer | None:
    try:
        return read()
    except SqlError as error:
        problems.append(f"Could not read {what}: {error.reason}. {error.what_to_do}.")
        return None


def _judged(facts: GroupFacts) -> list[str]:
    problems = []
    if facts.servers is not None and not facts.rms_names and not facts.unsupported:
        problems.append("No server is the RMS according to the database.")
    if len(facts.rms_names) > 1 and not facts.unsupported:
        problems.append(f"More than one server is the RMS according to the database: {', '.join(facts.rms_names)}.")
    if facts.database is not None:
        problems.extend(database_problems(facts.database))
    return problems
