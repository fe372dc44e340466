# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backup files and database files on the machine of a SQL Server, as far as the server itself tells about them.

Columns of RESTORE HEADERONLY and FILELISTONLY, msdb's tables and error numbers are documented [ms]; xp_fixeddrives and
xp_instance_regread are not, and widely used [field].

This file is private to the collection: others must not import it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.module_utils.management_group import Reader
from ansible_collections.opsmgr.recovery.plugins.module_utils.optional import if_known
from ansible_collections.opsmgr.recovery.plugins.module_utils.sql_errors import file_advice
from ansible_collections.opsmgr.recovery.plugins.module_utils.sqlserver import SqlError

HEADERS = "RESTORE HEADERONLY FROM DISK = ?"
FILE_LIST = "RESTORE FILELISTONLY FROM DISK = ? WITH FILE = {position}"
VERIFY = "RESTORE VERIFYONLY FROM DISK = ? WITH FILE = {position}"
FREE_SPACE = "EXEC master.dbo.xp_fixeddrives"

# What Setup and the server's properties call the default directory for backups. Every login may ask; the procedure puts
# the instance's own key in the place of MSSQLServer [field].
BACKUP_DIRECTORY = r"EXEC master.dbo.xp_instance_regread N'HKEY_LOCAL_MACHINE', N'SOFTWARE\Microsoft\MSSQLServer\MSSQLServer', N'BackupDirectory'"

# Cannot open the file, with the operating system's number in the text.
CANNOT_OPEN = 3201
# Windows' number for a file that is not there; it stands before its text in every language, in some with a wide bracket.
_NOT_FOUND = re.compile(r"(?<![0-9])2 ?[(（]")
FULL_BACKUP = 1

_SQL_MAX_PATH = 259
_FORBIDDEN_IN_NAMES = re.compile(r'[\x00-\x1f<>:"/\\|?*]')


class FileProblem(OpsmgrError):
    """A path or file on the SQL Server that cannot be used. Field: C(path)."""

    def __init__(self, step: str, path: str, found: str, what_to_do: str) -> None:
        super().__init__(step, found, what_to_do)
        self.path = path

    def __reduce__(self) -> tuple[type[FileProblem], tuple[str, str, str, str]]:
        return type(self), (self.step, self.path, self.found, self.what_to_do)


def explained(error: SqlError, step: str, path: str, left: str) -> FileProblem:
    """A statement's failure as what it means for this file. C(left) says what is left behind."""
    found = f"{error.reason} about {path}. {left}"
    return FileProblem(step, path, found, file_advice(error.number) or error.what_to_do)


@dataclass(frozen=True)
class BackupSet:
    """One backup in a file, by its header. Times are in the local time of the server that made it."""

    identity: str
    position: int
    kind: int
    database: str
    server: str
    started: datetime | None
    finished: datetime | None
    size_bytes: int
    has_checksums: bool
    is_damaged: bool
    is_copy_only: bool
    family: str
    server_major: int | None
    # Whether the database was in SINGLE_USER, as it is after a restore, too.
    is_single_user: bool = False

    @property
    def is_full(self) -> bool:
        """Whether it holds a whole database."""
        return self.kind == FULL_BACKUP


@dataclass(frozen=True)
class StoredFile:
    """One database file in a backup: C(kind) is C(D) (data), C(L) (log) or another letter of SQL Server's."""

    logical_name: str
    path: str
    kind: str
    size_bytes: int

    @property
    def is_log(self) -> bool:
        """Whether it is a transaction log."""
        return self.kind == "L"


def read_backup_sets(reader: Reader, path: str) -> list[BackupSet]:
    """All backups in a file, by position. Raises SqlError."""
    return [_backup_set(row) for row in reader.rows(HEADERS, path)]


def read_sets_if_there(reader: Reader, path: str) -> list[BackupSet] | None:
    """The same, or None when there is no such file. Raises SqlError for a file that cannot be read, or is not a backup."""
    try:
        return read_backup_sets(reader, path)
    except SqlError as error:
        # The path is part of the text, and may contain anything.
        if error.number == CANNOT_OPEN and _NOT_FOUND.search(error.message.replace(path, "")):
            return None
        raise


def read_stored_files(reader: Reader, path: str, position: int) -> list[StoredFile]:
    """The database files in one backup. Raises SqlError."""
    return [
        StoredFile(str(row["LogicalName"]), str(row["PhysicalName"]), str(row["Type"]).strip(), int(row["Size"]))
        for row in reader.rows(FILE_LIST.format(position=position), path)
    ]


def verify_statement(position: int, *, checksum: bool) -> str:
    """The statement that reads a whole backup, with its checksums where it has them."""
    statement = VERIFY.format(position=position)
    if checksum:
        statement += ", CHECKSUM"
    return statement


class PlaceReader(Protocol):
    """What is needed of a connection to ask the procedures whose columns a server may call by names of its language."""

    def tuples(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Run a statement and return the values of its rows by their place. Raises SqlError."""


def read_free_bytes(reader: PlaceReader) -> dict[str, int]:
    """Free space by the letter of each local drive. Raises SqlError where that is not allowed."""
    return {str(drive).upper(): int(megabytes) * 2**20 for drive, megabytes, *_more in reader.tuples(FREE_SPACE)}


def read_backup_directory(reader: PlaceReader) -> str | None:
    """The directory that the server itself uses for backups, or None when it names none. Raises SqlError where that is
    not allowed.
    """
    for _name, data in reader.tuples(BACKUP_DIRECTORY):
        return str(data or "").strip() or None
    return None


def drive_of(path: str) -> str | None:
    """The letter of the local drive of a path; None for shares and anything else."""
    if not re.match(r"[A-Za-z]:\\", path):
        return None
    return path[0].upper()


def check_path(path: str, option: str, step: str) -> str:
    """Return the path, or raise FileProblem for one that SQL Server could only misunderstand."""
    if not re.match(r"[A-Za-z]:\\|\\\\[^\\]+\\[^\\]", path):
        raise FileProblem(
            step,
            path,
            f"{option} is {path}, which is no full path",
            r"Use a full path on the SQL Server, as D:\Backups, or on a share",
        )
    if len(path) > _SQL_MAX_PATH or re.search(r"[\x00-\x1f]", path):
        raise FileProblem(
            step,
            path,
            f"{option} is longer than {_SQL_MAX_PATH} characters or has control characters",
            f"Correct {option}",
        )
    return path


def joined(directory: str, name: str) -> str:
    """A path in a directory of Windows."""
    return directory.rstrip("\\/") + "\\" + name


def parent(path: str) -> str:
    """The directory of a path."""
    return path.rpartition("\\")[0]


def base_name(path: str) -> str:
    """The last part of a path."""
    return path.rpartition("\\")[2]


def same_path(left: str, right: str) -> bool:
    """Whether two paths are the same on Windows, where case does not count."""
    return left.replace("/", "\\").lower() == right.replace("/", "\\").lower()


def file_name(text: str) -> str:
    """A name that Windows takes for a file, close to the given one."""
    return _FORBIDDEN_IN_NAMES.sub("_", text).rstrip(" .") or "_"


def space_problem(step: str, needed: dict[str, int], free: dict[str, int]) -> FileProblem | None:
    """The error for the first drive without enough space, or None; drives whose space is unknown pass."""
    for drive, bytes_needed in sorted(needed.items()):
        if drive in free and free[drive] < bytes_needed:
            found = f"drive {drive}: of the SQL Server has {_megabytes(free[drive])} free, and about {_megabytes(bytes_needed)} are needed"
            return FileProblem(step, drive, f"{found}. Nothing was changed", "Make room there, or use another drive")
    return None


def _megabytes(count: int) -> str:
    return f"{-(-count // 2**20)} MB"


def _backup_set(row: dict[str, Any]) -> BackupSet:
    return BackupSet(
        identity=str(row["BackupSetGUID"]).upper(),
        position=int(row["Position"]),
        kind=int(row["BackupType"]),
        database=str(row["DatabaseName"]),
        server=str(row["ServerName"]),
        started=row["BackupStartDate"],
        finished=row["BackupFinishDate"],
        size_bytes=int(row["BackupSize"] or 0),
        has_checksums=bool(row["HasBackupChecksums"]),
        is_damaged=bool(row["IsDamaged"]),
        is_copy_only=bool(row["IsCopyOnly"]),
        family=str(row["FamilyGUID"]).upper(),
        server_major=if_known(int, row.get("SoftwareVersionMajor")),
        is_single_user=bool(row.get("IsSingleUser")),
    )
