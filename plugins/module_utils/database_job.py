# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a backup and a restore of a database have in common: where they run, and how they tell of a statement that
failed.

This file is private to the collection: others must not import it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ansible_collections.opsmgr.recovery.plugins.module_utils.database_files import explained
from ansible_collections.opsmgr.recovery.plugins.module_utils.management_group import read_sql_server_version
from ansible_collections.opsmgr.recovery.plugins.module_utils.progress import Progress
from ansible_collections.opsmgr.recovery.plugins.module_utils.sql_options import SqlOptions, quote_identifier
from ansible_collections.opsmgr.recovery.plugins.module_utils.sqlserver import SqlConnection, SqlError


class DatabaseJob:
    """One database and a backup file. C(verb) is what is done to the database; C(problems) is that list of the report."""

    def __init__(
        self, verb: str, connection: SqlConnection, options: SqlOptions, progress: Progress, problems: list[str]
    ) -> None:
        self._connection = connection
        self._options = options
        self._database = options.database
        self._name = quote_identifier(options.database)
        self._step = f"{verb} the database {options.database}"
        self._progress = progress
        self._problems = problems

    @contextmanager
    def _explaining(self, path: str, left: str) -> Iterator[None]:
        """Turn the failure of a statement about C(path) into a FileProblem. C(left) says what is left behind."""
        try:
            yield
        except SqlError as error:
            raise explained(error, self._step, path, left) from error

    def _note(self, what: str, error: SqlError) -> None:
        """A statement failed that is not worth a failure: only say so."""
        self._problems.append(f"{what}: {error.reason}.")

    def _server_version(self) -> tuple[str, int | None]:
        """The version of SQL Server, and its major number; empty and None when it is not told."""
        version = read_sql_server_version(self._connection) or ""
        major = version.partition(".")[0]
        if not major.isdecimal():
            return version, None
        return version, int(major)
