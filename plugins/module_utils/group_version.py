# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an operational database is that of a management group that this collection changes, by the versions of its
management servers.

This file is private to the collection: others must not import it.
"""

from __future__ import annotations

from ansible_collections.opsmgr.recovery.plugins.module_utils.management_group import known_rows
from ansible_collections.opsmgr.recovery.plugins.module_utils.sql_options import quote_identifier
from ansible_collections.opsmgr.recovery.plugins.module_utils.sqlserver import SqlConnection, SqlError
from ansible_collections.opsmgr.recovery.plugins.module_utils.versions import newest, require_supported

# From whatever database, so that no seat in this one is taken. Gateways may be of another version [ms], and what was
# deleted says nothing of those that are there.
_SERVERS = "(hs.IsRHS = 1 OR hs.IsManagementServer = 1) AND hs.IsGateway = 0"
VERSIONS = (
    "SELECT hs.Version FROM {database}.dbo.MTV_HealthService AS hs JOIN {database}.dbo.BaseManagedEntity AS bme "
    f"ON bme.BaseManagedEntityId = hs.BaseManagedEntityId WHERE bme.IsDeleted = 0 AND {_SERVERS}",
    f"SELECT hs.Version FROM {{database}}.dbo.MTV_HealthService AS hs WHERE {_SERVERS}",
)


def require_supported_group(connection: SqlConnection, database: str, step: str) -> None:
    """Refuse a database whose management servers have a version that this collection does not change.

    Where they cannot be read nothing is refused: which column of a database of 2007 holds the version is assumed, and a
    database that is closed or damaged says nothing. Raises OpsmgrError, ConnectionProblem.
    """
    try:
        rows = known_rows(connection, [each.format(database=quote_identifier(database)) for each in VERSIONS])
    except SqlError:
        return
    require_supported(step, newest(row["Version"] for row in rows))
