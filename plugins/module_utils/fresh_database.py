# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an operational database is the one that a new setup made, which nobody has used yet: proven by its content,
or not at all.

This file is private to the collection: others must not import it.
"""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.opsmgr.recovery.plugins.module_utils.database_files import BackupSet
from ansible_collections.opsmgr.recovery.plugins.module_utils.management_group import known_rows
from ansible_collections.opsmgr.recovery.plugins.module_utils.optional import phrase
from ansible_collections.opsmgr.recovery.plugins.module_utils.server_names import is_one_of, known_as
from ansible_collections.opsmgr.recovery.plugins.module_utils.sql_options import quote_identifier
from ansible_collections.opsmgr.recovery.plugins.module_utils.sqlserver import SqlConnection, SqlError

# Stays the same from backup to restore, and is another one in a database that was dropped and created again.
FAMILY = "SELECT family_guid FROM sys.database_recovery_status WHERE database_id = DB_ID(?)"
CREATED = "SELECT create_date FROM sys.databases WHERE name = ?"
# Agents and gateways are health services, too; what was deleted proves as well that the database was used. The view may
# have no names. From master, so that no seat in the database is taken.
MEMBERS = (
    "SELECT DisplayName FROM {database}.dbo.MTV_HealthService ORDER BY DisplayName",
    "SELECT bme.DisplayName AS DisplayName FROM {database}.dbo.MT_HealthService AS hs "
    "JOIN {database}.dbo.BaseManagedEntity AS bme ON bme.BaseManagedEntityId = hs.BaseManagedEntityId ORDER BY 1",
)
_NAMED = 5


def why_not_fresh(connection: SqlConnection, database: str, backup: BackupSet, servers: Sequence[str]) -> list[str]:
    """The proofs that fail, each as a part of a sentence; empty when the database is fresh.

    C(servers) are the names of those that a fresh one may know. The connection is in master.
    """
    try:
        return [
            *_age(connection, database, backup),
            *_origin(connection, database, backup),
            *_strangers(connection, database, servers),
        ]
    except SqlError as error:
        return [f"its content could not be read ({error})"]


def _age(connection: SqlConnection, database: str, backup: BackupSet) -> list[str]:
    created = next((row["create_date"] for row in connection.rows(CREATED, database)), None)
    if created is None or backup.finished is None:
        return ["it is not told when the database was created, or when the backup was finished"]
    if created < backup.finished:
        return [
            f"it was created at {created:%Y-%m-%d %H:%M:%S}, before the backup was finished at {backup.finished:%Y-%m-%d %H:%M:%S}"
        ]
    return []


def _origin(connection: SqlConnection, database: str, backup: BackupSet) -> list[str]:
    families = [str(row["family_guid"]).upper() for row in connection.rows(FAMILY, database)]
    if backup.family not in families:
        return []
    return ["it is the database that the backup was made of"]


def _strangers(connection: SqlConnection, database: str, servers: Sequence[str]) -> list[str]:
    own = frozenset[str]().union(*(known_as([server]) for server in servers))
    statements = [statement.format(database=quote_identifier(database)) for statement in MEMBERS]
    names = [str(row["DisplayName"]) for row in known_rows(connection, statements)]
    strangers = [name for name in names if not is_one_of(name.partition(".")[0], own)]
    if not strangers:
        return []
    more = phrase(" and {} more", len(strangers[_NAMED:]))
    return [f"it knows servers or agents that are not in fresh_servers: {', '.join(strangers[:_NAMED])}{more}"]
