# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Notes of this collection on a database: its extended properties. They need no table, and whoever may read the
database sees them.

Whoever has ALTER on the database may write them [ms]. What is read was written by anybody who may: it is untrusted.

This file is private to the collection: others must not import it.
"""

from __future__ import annotations

from typing import Protocol

from ansible_collections.opsmgr.recovery.plugins.module_utils.management_group import Reader
from ansible_collections.opsmgr.recovery.plugins.module_utils.sql_options import quote_identifier
from ansible_collections.opsmgr.recovery.plugins.module_utils.sqlserver import SqlError

# What all names begin with.
PREFIX = "opsmgr.recovery."

# Class 0 is the database itself [ms]. A value is sql_variant, which ODBC drivers cannot all read, and has at most 7500
# bytes.
READ = "SELECT name, CAST(value AS nvarchar(3750)) AS value FROM {place}sys.extended_properties WHERE class = 0 AND name LIKE ?"
# It fails when there is one of that name already: of two who try, one gets it.
ADD = "EXEC {place}sys.sp_addextendedproperty @name = ?, @value = ?"
UPDATE = "EXEC {place}sys.sp_updateextendedproperty @name = ?, @value = ?"
DROP = "EXEC {place}sys.sp_dropextendedproperty @name = ?"

LONGEST_VALUE = 3750
_IS_THERE = 15233
_IS_NOT_THERE = 15217
# Extended properties are not permitted, or the object does not exist: what a login without the right is told [field].
NO_RIGHT = frozenset((15135, 15247))


class Writer(Reader, Protocol):
    """What is needed of a connection."""

    def execute(self, statement: str, *values: object) -> None:
        """Run a statement. Raises SqlError."""


def read_properties(reader: Reader, prefix: str, database: str | None = None) -> dict[str, str]:
    """The properties whose names begin so, of a database, which is the current one when it is not named. Raises
    SqlError.
    """
    return {str(row["name"]): str(row["value"] or "") for row in reader.rows(in_database(READ, database), prefix + "%")}


def add_property(writer: Writer, name: str, value: str, database: str | None = None) -> bool:
    """Add a property, and return whether this did; False when there is one of that name. Raises SqlError."""
    return _tried(writer, _IS_THERE, in_database(ADD, database), name, value)


def update_property(writer: Writer, name: str, value: str, database: str | None = None) -> bool:
    """Change a property, and return whether there was one. Raises SqlError."""
    return _tried(writer, _IS_NOT_THERE, in_database(UPDATE, database), name, value)


def drop_property(writer: Writer, name: str, database: str | None = None) -> bool:
    """Remove a property, and return whether there was one. Raises SqlError."""
    return _tried(writer, _IS_NOT_THERE, in_database(DROP, database), name)


def in_database(statement: str, database: str | None) -> str:
    """A statement that works in a database, which is the current one when it is not named."""
    if database is None:
        return statement.format(place="")
    return statement.format(place=quote_identifier(database) + ".")


def _tried(writer: Writer, otherwise: int, statement: str, *values: str) -> bool:
    try:
        writer.execute(statement, *values)
    except SqlError as error:
        if error.number == otherwise:
            return False
        raise
    return True
