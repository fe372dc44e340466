# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an operational database is that of a management group that this collection changes, by the versions of its
management servers.

This file is private to the collection: others must not import it.
"""

from __future__ import annotations

from ansible_collections.opsmgr.recovery.plugins.module_utils.sql_options import quote_identifier
from ansible_collections.opsmgr.recovery.plugins.module_utils.sqlserver import SqlConnection, SqlError
from ansible_collections.opsmgr.recovery.plugins.module_utils.versions import newest, require_supported

# From whatever database, so that no seat in this one is taken. Gateways may be of another version [ms].
VERSIONS = (
    "SELECT Version FROM {database}.dbo.MTV_HealthService WHERE (IsRHS = 1 OR IsManagementServer = 1) AND IsGateway = 0"
)


def require_supported_group(connection: SqlConnection, database: str, step: str) -> None:
    """Refuse a database whose management servers have a version that this collection does not change.

    Where they cannot be read nothing is refused: which column of a database of 2007 holds the version is assumed, and a
    database that is closed or damaged says nothing. Raises OpsmgrError, ConnectionProblem.
    """
    try:
        rows = connection.rows(VERSIONS.format(database=quote_identifier(database)))
    except SqlError:
        return
    require_supported(step, newest(row["Version"] for row in rows))
