# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A full backup of one database to a file on the SQL Server, verified.

This file is private to the collection: others must not import it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ansible_collections.opsmgr.recovery.plugins.module_utils.database_files import (
    BackupSet,
    FileProblem,
    check_path,
    drive_of,
    file_name,
    joined,
    parent,
    read_backup_directory,
    read_free_bytes,
    read_sets_if_there,
    same_path,
    space_problem,
    verify_statement,
)
from ansible_collections.opsmgr.recovery.plugins.module_utils.database_job import DatabaseJob
from ansible_collections.opsmgr.recovery.plugins.module_utils.group_version import require_supported_group
from ansible_collections.opsmgr.recovery.plugins.module_utils.progress import Progress, watched
from ansible_collections.opsmgr.recovery.plugins.module_utils.sql_options import SqlOptions
from ansible_collections.opsmgr.recovery.plugins.module_utils.sqlserver import SqlConnection, SqlError

NOW = "SELECT GETDATE() AS now"
RIGHT = "SELECT HAS_PERMS_BY_NAME(?, 'DATABASE', 'BACKUP DATABASE') AS allowed"

# Pages of 8 KiB in use by data files: what a backup holds. FILEPROPERTY only knows the current database.
USED = "SELECT SUM(CAST(FILEPROPERTY(name, 'SpaceUsed') AS bigint)) AS pages FROM sys.database_files WHERE type = 0"
_PAGE_BYTES = 8192

# Full backups of this server to a disk file (2, 102) with checksums. After a restore, msdb also lists backups that were
# made elsewhere.
HISTORY = (
    "SELECT s.backup_set_uuid AS set_guid, s.backup_finish_date AS finished, f.physical_device_name AS path, "
    "DATEDIFF(second, s.backup_finish_date, GETDATE()) AS age_seconds "
    "FROM msdb.dbo.backupset AS s JOIN msdb.dbo.backupmediafamily AS f ON f.media_set_id = s.media_set_id "
    "WHERE s.database_name = ? AND s.type = 'D' AND s.server_name = @@SERVERNAME AND s.has_backup_checksums = 1 AND s.is_damaged = 0 "
    "AND f.device_type IN (2, 102) ORDER BY s.backup_finish_date DESC"
)

# COPY_ONLY is there since SQL Server 2005.
_COPY_ONLY_MAJOR = 9
# How many recent backups are looked at for one whose file is still there.
_CANDIDATES = 3


@dataclass(frozen=True)
class BackupRequest:
    """What is asked for. With neither C(path) nor C(directory), the server's own directory; C(existing) is C(fail),
    C(append) or C(overwrite).
    """

    path: str | None = None
    directory: str | None = None
    existing: str = "fail"
    copy_only: bool = True
    verify: bool = True
    max_age_hours: float | None = None


@dataclass
class BackupReport:
    """What was seen and done so far, filled while the work goes on."""

    path: str | None = None
    backup: dict[str, Any] | None = None
    needed_bytes: int | None = None
    free_bytes: int | None = None
    problems: list[str] = field(default_factory=list)
    statements: list[str] = field(default_factory=list)


class DatabaseBackup(DatabaseJob):
    """One backup: look, plan, make. The connection is in the database itself."""

    def __init__(
        self, connection: SqlConnection, options: SqlOptions, request: BackupRequest, progress: Progress
    ) -> None:
        self.report = BackupReport(statements=connection.statements)
        super().__init__("back up", connection, options, progress, self.report.problems)
        self._request = request
        self._directory = request.directory
        self._is_copy_only = request.copy_only
        self._position = 1

    def observe(self) -> None:
        """Look for a backup that is young enough, else for what a new one needs. Raises OpsmgrError, of which FileProblem
        is one, SqlError, ConnectionProblem.
        """
        self._check_wish()
        require_supported_group(self._connection, self._database, self._step)
        self._choose_directory()
        if self._request.max_age_hours is not None:
            self._find_recent(self._request.max_age_hours)
        if not self.needed:
            return
        self._require_right()
        self._choose_path()
        self._look_at_file()
        self._check_version()
        self._check_space()

    @property
    def needed(self) -> bool:
        """Whether a new backup is to be made."""
        return self.report.backup is None

    def predict(self) -> None:
        """Put the statements that make and verify the backup into the report."""
        if self.needed:
            self.report.statements = self._plan

    @property
    def _plan(self) -> list[str]:
        statements = [self._statement()]
        if self._request.verify:
            statements.append(verify_statement(self._position, checksum=True))
        return statements

    def carry_out(self) -> None:
        """Make the backup, read it back from its file, and verify it. Raises FileProblem, ConnectionProblem."""
        path = str(self.report.path)
        with self._explaining(path, "There is no new backup; a file that it began may be left"):
            with watched(self._connection, self._options, self._progress, f"BACKUP of {self._database}"):
                self._connection.execute(self._statement(), path)
        made = self._read_back(path)
        self.report.backup = backup_result(made, path)
        if self._request.verify:
            self._verify(made, path)

    def _check_wish(self) -> None:
        for option in ("path", "directory"):
            value = getattr(self._request, option)
            if value is not None:
                check_path(value, option, self._step)
        age = self._request.max_age_hours
        if age is not None and age <= 0:
            raise FileProblem(
                self._step,
                "",
                f"max_age is {age:g}",
                "Use more than 0 hours, or leave it out to make a backup each time",
            )

    def _choose_directory(self) -> None:
        if self._request.path is None and self._request.directory is None:
            self._directory = check_path(self._own_directory(), "the backup directory of the SQL Server", self._step)

    def _own_directory(self) -> str:
        try:
            found = read_backup_directory(self._connection)
        except SqlError as error:
            raise self._no_directory(error.reason) from error
        if found is None:
            raise self._no_directory("its registry has no value BackupDirectory")
        return found

    def _no_directory(self, reason: str) -> FileProblem:
        found = f"the SQL Server does not tell its backup directory: {reason}. Nothing was changed"
        return FileProblem(
            self._step, "", found, r"Set directory to a directory on the SQL Server, as D:\Backups, or on a share"
        )

    def _find_recent(self, hours: float) -> None:
        try:
            rows = self._connection.rows(HISTORY, self._database)
        except SqlError as error:
            self._note("The history of backups could not be read, so a new one is made", error)
            return
        # A backup without an end has no age.
        ended = [row for row in rows if row["age_seconds"] is not None]
        young = [row for row in ended if int(row["age_seconds"]) <= hours * 3600]
        fitting = [row for row in young if self._fits(str(row["path"]))]
        for row in fitting[:_CANDIDATES]:
            found = self._still_there(str(row["path"]), str(row["set_guid"]))
            if found is not None:
                self.report.path = str(row["path"])
                self.report.backup = backup_result(found, self.report.path)
                return

    def _fits(self, path: str) -> bool:
        if self._request.path is not None:
            return same_path(path, self._request.path)
        return same_path(parent(path), str(self._directory).rstrip("\\/"))

    def _still_there(self, path: str, identity: str) -> BackupSet | None:
        try:
            sets = read_sets_if_there(self._connection, path) or []
        except SqlError:
            return None
        sound = [one for one in sets if not one.is_damaged]
        return next((one for one in sound if one.identity == identity.upper()), None)

    def _require_right(self) -> None:
        rows = self._connection.rows(RIGHT, self._name)
        if rows and rows[0]["allowed"] == 0:
            raise FileProblem(
                self._step,
                "",
                "the login may not back it up. Nothing was changed",
                "Log in as a member of sysadmin, or give the login the role db_backupoperator in the database",
            )

    def _choose_path(self) -> None:
        self.report.path = self._request.path
        if self._request.path is None:
            now = self._connection.rows(NOW)[0]["now"]
            name = f"{file_name(self._database)}_{now:%Y%m%dT%H%M%S}.bak"
            self.report.path = check_path(joined(str(self._directory), name), "the path of the backup", self._step)

    def _look_at_file(self) -> None:
        path = str(self.report.path)
        with self._explaining(path, "Nothing was changed"):
            sets = read_sets_if_there(self._connection, path)
        if sets is not None and self._request.existing == "fail":
            found = f"{path} exists and holds {len(sets)} backup(s). Nothing was changed"
            raise FileProblem(
                self._step, path, found, "Use directory instead of path, or set existing to append or overwrite"
            )
        if sets is not None and self._request.existing == "append":
            self._position = len(sets) + 1

    def _check_version(self) -> None:
        version, major = self._server_version()
        if self._request.copy_only and major is not None and major < _COPY_ONLY_MAJOR:
            self._is_copy_only = False
            self.report.problems.append(
                f"SQL Server {version} has no COPY_ONLY, so this backup is part of the usual chain."
            )

    def _check_space(self) -> None:
        drive = drive_of(str(self.report.path))
        try:
            self.report.needed_bytes = int(self._connection.rows(USED)[0]["pages"] or 0) * _PAGE_BYTES
            if drive is not None:
                self.report.free_bytes = read_free_bytes(self._connection).get(drive)
        except SqlError as error:
            self._note("The free space could not be checked", error)
            return
        if drive is not None and self.report.free_bytes is not None:
            problem = space_problem(self._step, {drive: self.report.needed_bytes}, {drive: self.report.free_bytes})
            if problem is not None:
                raise problem

    def _statement(self) -> str:
        options = ["CHECKSUM", "NOINIT"]
        if self._request.existing == "overwrite":
            options = ["CHECKSUM", "INIT"]
        if self._is_copy_only:
            options.append("COPY_ONLY")
        return f"BACKUP DATABASE {self._name} TO DISK = ? WITH {', '.join(options)}"

    def _read_back(self, path: str) -> BackupSet:
        with self._explaining(path, "The backup was made, and could not be read back: do not rely on it"):
            sets = read_sets_if_there(self._connection, path)
        if not sets or sets[-1].database.lower() != self._database.lower() or not sets[-1].is_full:
            raise FileProblem(
                self._step,
                path,
                f"the backup was made, but is not the last one in {path}",
                "Find out who else writes to that file",
            )
        return sets[-1]

    def _verify(self, made: BackupSet, path: str) -> None:
        with self._explaining(path, "The backup was made, but does not verify: do not rely on it"):
            self._connection.execute(verify_statement(made.position, checksum=True), path)
        self.report.backup = {**backup_result(made, path), "verified": True}


def backup_result(found: BackupSet, path: str) -> dict[str, Any]:
    """A backup as a module's result shows it."""
    return {
        "path": path,
        "position": found.position,
        "set_guid": found.identity,
        "database": found.database,
        "server": found.server,
        "finished": text_of(found.finished),
        "size_bytes": found.size_bytes,
        "copy_only": found.is_copy_only,
        "checksums": found.has_checksums,
        "verified": None,
    }


def text_of(moment: datetime | None) -> str | None:
    """A server's local time as text; None stays None."""
    if moment is None:
        return None
    return moment.isoformat(timespec="seconds")
