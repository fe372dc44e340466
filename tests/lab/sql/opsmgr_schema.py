# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operational database's tables, as far as anybody who recovers a management group looks into them.

Names of tables and columns are those of published queries [field], where a comment does not say otherwise.
"""

from __future__ import annotations

import uuid
from typing import Any

from .catalog import copy_table
from .server import SqlServer
from .store import Column, Database, Table
from .values import BIT, BYTES, DATETIME, GUID, SqlType, to_storage

_TEXT = SqlType("nvarchar", 256)

HEALTH_SERVICE = Table(
    "dbo",
    "MTV_HealthService",
    [
        Column("BaseManagedEntityId", GUID, nullable=False),
        Column("DisplayName", _TEXT),
        Column("IsRHS", BIT),
        Column("IsManagementServer", BIT),
        Column("IsGateway", BIT),
        Column("IsAgent", BIT),
        Column("Version", _TEXT),
    ],
    ["BaseManagedEntityId"],
)
GROUP_INFO = Table(
    "dbo",
    "__MOMManagementGroupInfo__",
    [
        Column("ManagementGroupName", _TEXT, nullable=False),
        Column("ManagementGroupId", GUID, nullable=False),
        Column("DBVersion", _TEXT),
        Column("MOMAdminGroup", _TEXT),
        Column("LanguageCode", SqlType("nvarchar", 3)),
    ],
)
# Published queries of later versions call the last two columns SecureStorageId and Data; what 2007 calls its secret
# is [assumed], and so is that nothing else is needed to decrypt it.
SECURE_STORAGE = Table(
    "dbo",
    "CredentialManagerSecureStorage",
    [
        Column("Name", _TEXT),
        Column("UserName", _TEXT),
        Column("Domain", _TEXT),
        Column("LastModified", DATETIME),
        Column("SecureStorageElementId", GUID, nullable=False),
        Column("SecureData", BYTES),
    ],
    ["SecureStorageElementId"],
)
# The lab's own: something encrypted with a key that Setup made again, because the old secrets cannot tell that it is the
# right one [assumed].
KEY_CHECK = Table("dbo", "LabKeyCheck", [Column("SecureData", BYTES)])
TABLES = (HEALTH_SERVICE, GROUP_INFO, SECURE_STORAGE, KEY_CHECK)


def new_id() -> str:
    """A new uniqueidentifier."""
    return str(uuid.uuid4()).upper()


def create_operations_manager(
    server: SqlServer, database: str, group_name: str, group_id: str | None = None, version: str = "6.0.6278.0"
) -> Database:
    """Give a database (made if it does not exist) the tables of an operational database and its group's row."""
    with server.lock:
        found = server.find(database) or server.add_database(database)
        for table in TABLES:
            server.store.create(found, copy_table(table))
        row = {
            "ManagementGroupName": group_name,
            "ManagementGroupId": group_id or new_id(),
            "DBVersion": version,
            "MOMAdminGroup": "BUILTIN\\Administrators",
            "LanguageCode": "ENU",
        }
        insert(server, database, GROUP_INFO.name, row)
    return found


def add_health_service(
    server: SqlServer,
    database: str,
    display_name: str,
    *,
    is_root: bool = False,
    is_management_server: bool = True,
    is_gateway: bool = False,
    version: str = "6.0.6278.0",
) -> str:
    """Add a management server (the root, a gateway or an ordinary one) or an agent; returns its id."""
    identity = new_id()
    row = {
        "BaseManagedEntityId": identity,
        "DisplayName": display_name,
        "IsRHS": is_root,
        "IsManagementServer": is_management_server,
        "IsGateway": is_gateway,
        "IsAgent": not is_management_server and not is_gateway,
        "Version": version,
    }
    insert(server, database, HEALTH_SERVICE.name, row)
    return identity


def add_run_as(server: SqlServer, database: str, name: str, user: str, data: bytes, domain: str = "") -> str:
    """Add a Run As account with its encrypted secret; returns its id."""
    identity = new_id()
    row = {"Name": name, "UserName": user, "Domain": domain, "SecureStorageElementId": identity, "SecureData": data}
    insert(server, database, SECURE_STORAGE.name, row)
    return identity


def insert(server: SqlServer, database: str, table: str, row: dict[str, Any]) -> None:
    """Add a row to a table of ``dbo``, whether the server runs or not; columns without a value are NULL."""
    with server.lock:
        found = server.find(database)
        definition = found.table("dbo", table) if found is not None else None
        if found is None or definition is None:
            raise LookupError(f"{database} has no table {table}")
        server.store.insert(found, definition, [[to_storage(row.get(column.name)) for column in definition.columns]])
