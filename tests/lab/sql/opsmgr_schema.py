# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operational database's tables, as far as anybody who recovers a management group looks into them.

Names of tables and columns are those of published queries [field], where a comment does not say otherwise.

What a health service is called is in BaseManagedEntity, what it is in MT_HealthService, and MTV_HealthService shows both
together; published queries join all three by BaseManagedEntityId.  Something deleted keeps its rows, with IsDeleted
= 1, until it is groomed away [field].  Whether the view shows it as long is not published: here it does, and nothing in it
says that it was deleted, which is the harder case.
"""

from __future__ import annotations

import uuid
from typing import Any

from .catalog import copy_table
from .server import SqlServer
from .store import Column, Database, Table
from .values import BIT, BYTES, DATETIME, GUID, SqlType, to_storage

_TEXT = SqlType("nvarchar", 256)

MANAGED_ENTITY = Table(
    "dbo",
    "BaseManagedEntity",
    [
        Column("BaseManagedEntityId", GUID, nullable=False),
        Column("DisplayName", _TEXT),
        Column("IsDeleted", BIT, nullable=False),
    ],
    ["BaseManagedEntityId"],
)
HEALTH_SERVICE = Table(
    "dbo",
    "MT_HealthService",
    [
        Column("BaseManagedEntityId", GUID, nullable=False),
        Column("IsRHS", BIT),
        Column("IsManagementServer", BIT),
        Column("IsGateway", BIT),
        Column("IsAgent", BIT),
        Column("Version", _TEXT),
    ],
    ["BaseManagedEntityId"],
)
_NAME = Column("DisplayName", _TEXT)
_JOINED = "{MT_HealthService} AS hs JOIN {BaseManagedEntity} AS bme ON bme.BaseManagedEntityId = hs.BaseManagedEntityId"
HEALTH_SERVICE_VIEW = Table(
    "dbo",
    "MTV_HealthService",
    [HEALTH_SERVICE.columns[0], _NAME, *HEALTH_SERVICE.columns[1:]],
    query=f"SELECT hs.BaseManagedEntityId, bme.DisplayName, IsRHS, IsManagementServer, IsGateway, IsAgent, Version FROM {_JOINED}",
)
# That later versions show a name there is published; of 2007 nothing is known.
OLDER_HEALTH_SERVICE_VIEW = Table(
    "dbo",
    "MTV_HealthService",
    list(HEALTH_SERVICE.columns),
    query="SELECT BaseManagedEntityId, IsRHS, IsManagementServer, IsGateway, IsAgent, Version FROM {MT_HealthService}",
)
# Whom a health service reports to first; of its columns, those that published queries use.
RELATIONSHIP = Table(
    "dbo",
    "Relationship",
    [
        Column("RelationshipId", GUID, nullable=False),
        Column("RelationshipTypeId", GUID, nullable=False),
        Column("SourceEntityId", GUID, nullable=False),
        Column("TargetEntityId", GUID, nullable=False),
        Column("IsDeleted", BIT, nullable=False),
    ],
    ["RelationshipId"],
)
COMMUNICATION = "37848E16-37A2-B81B-DAAF-60A5A626BE93"
"""The kind Microsoft.SystemCenter.HealthServiceCommunication: the source reports to the target first [field]."""
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
# Published queries of later versions also have SecureStorageId; that nothing but Data is needed to decrypt a secret is
# [assumed].
SECURE_STORAGE = Table(
    "dbo",
    "CredentialManagerSecureStorage",
    [
        Column("Name", _TEXT),
        Column("Description", _TEXT),
        Column("UserName", _TEXT),
        Column("Domain", _TEXT),
        Column("LastModified", DATETIME),
        Column("SecureStorageElementId", GUID, nullable=False),
        Column("Data", BYTES),
    ],
    ["SecureStorageElementId"],
)
# The lab's own: something encrypted with a key that Setup made again, because the old secrets cannot tell that it is the
# right one [assumed].
KEY_CHECK = Table("dbo", "LabKeyCheck", [Column("Data", BYTES)])
TABLES = (MANAGED_ENTITY, HEALTH_SERVICE, RELATIONSHIP, GROUP_INFO, SECURE_STORAGE, KEY_CHECK)


def new_id() -> str:
    """A new uniqueidentifier."""
    return str(uuid.uuid4()).upper()


def create_operations_manager(
    server: SqlServer,
    database: str,
    group_name: str,
    group_id: str | None = None,
    version: str = "6.0.6278.0",
    *,
    older_view: bool = False,
) -> Database:
    """Give a database (made if it does not exist) the tables of an operational database and its group's row.

    ``older_view``: MTV_HealthService has no names.
    """
    with server.lock:
        found = server.find(database) or server.add_database(database)
        for table in (*TABLES, OLDER_HEALTH_SERVICE_VIEW if older_view else HEALTH_SERVICE_VIEW):
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
    is_deleted: bool = False,
) -> str:
    """Add a management server (the root, a gateway or an ordinary one) or an agent; returns its id.

    A gateway is a management server, too [field].  ``is_deleted``: it is not groomed away yet.
    """
    identity = new_id()
    named = {"BaseManagedEntityId": identity, "DisplayName": display_name, "IsDeleted": is_deleted}
    insert(server, database, MANAGED_ENTITY.name, named)
    row = {
        "BaseManagedEntityId": identity,
        "IsRHS": is_root,
        "IsManagementServer": is_management_server,
        "IsGateway": is_gateway,
        "IsAgent": not is_management_server and not is_gateway,
        "Version": version,
    }
    insert(server, database, HEALTH_SERVICE.name, row)
    return identity


def add_relationship(
    server: SqlServer, database: str, source: str, target: str, kind: str = COMMUNICATION, *, is_deleted: bool = False
) -> None:
    """Relate two managed entities by their ids."""
    row = {
        "RelationshipId": new_id(),
        "RelationshipTypeId": kind,
        "SourceEntityId": source,
        "TargetEntityId": target,
        "IsDeleted": is_deleted,
    }
    insert(server, database, RELATIONSHIP.name, row)


def add_run_as(
    server: SqlServer, database: str, name: str, user: str, data: bytes, domain: str = "", description: str = ""
) -> str:
    """Add a Run As account with its encrypted secret; returns its id."""
    identity = new_id()
    row = {
        "Name": name,
        "Description": description,
        "UserName": user,
        "Domain": domain,
        "SecureStorageElementId": identity,
        "Data": data,
    }
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
