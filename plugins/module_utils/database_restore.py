# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One database restored from a full backup in a file on the SQL Server, without losing another by mistake.

This file is private to the collection: others must not import it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.opsmgr.recovery.plugins.module_utils.broker import (
    AccessGuard,
    TimeLeft,
    alter_advice,
    cause,
)
from ansible_collections.opsmgr.recovery.plugins.module_utils.closed_database import (
    ANYBODYS,
    OURS,
    closed_by_us,
    proof_missing,
)
from ansible_collections.opsmgr.recovery.plugins.module_utils.database_files import (
    BackupSet,
    FileProblem,
    StoredFile,
    base_name,
    check_path,
    drive_of,
    explained,
    file_name,
    joined,
    parent,
    read_backup_sets,
    read_free_bytes,
    read_stored_files,
    same_path,
    space_problem,
    verify_statement,
)
from ansible_collections.opsmgr.recovery.plugins.module_utils.database_job import DatabaseJob
from ansible_collections.opsmgr.recovery.plugins.module_utils.extended_properties import (
    PREFIX,
    add_property,
    drop_property,
    read_properties,
)
from ansible_collections.opsmgr.recovery.plugins.module_utils.fresh_database import FAMILY, why_not_fresh
from ansible_collections.opsmgr.recovery.plugins.module_utils.group_lock import FIRST
from ansible_collections.opsmgr.recovery.plugins.module_utils.group_version import require_supported_group
from ansible_collections.opsmgr.recovery.plugins.module_utils.management_group import DatabaseState, read_database
from ansible_collections.opsmgr.recovery.plugins.module_utils.optional import phrase
from ansible_collections.opsmgr.recovery.plugins.module_utils.progress import Progress, watched
from ansible_collections.opsmgr.recovery.plugins.module_utils.sessions import Session, read_sessions, sessions_text
from ansible_collections.opsmgr.recovery.plugins.module_utils.sql_options import SqlOptions
from ansible_collections.opsmgr.recovery.plugins.module_utils.sqlserver import (
    ConnectionProblem,
    SqlConnection,
    SqlError,
)

# The last thing that was restored into a database; restorehistory outlives the database.
LAST_RESTORE = (
    "SELECT TOP 1 s.backup_set_uuid AS set_guid, h.restore_type AS kind "
    "FROM msdb.dbo.restorehistory AS h JOIN msdb.dbo.backupset AS s ON s.backup_set_id = h.backup_set_id "
    "WHERE h.destination_database_name = ? ORDER BY h.restore_history_id DESC"
)

FILES = (
    "SELECT d.name AS database_name, f.name AS logical_name, f.physical_name AS path, f.type AS kind, f.size AS pages "
    "FROM sys.master_files AS f JOIN sys.databases AS d ON d.database_id = f.database_id ORDER BY f.database_id, f.file_id"
)

# From master, so that no seat in the database is taken.
GROUP_NAME = "SELECT ManagementGroupName FROM {database}.dbo.__MOMManagementGroupInfo__"

NEVER, FRESH, SAME_GROUP, ANY = "never", "fresh", "same_group", "any"
_PAGE_BYTES = 8192
_LOG = 1
_REOPEN_SECONDS = 30


@dataclass(frozen=True)
class RestoreRequest:
    """What is asked for. C(overwrite) is C(never), C(fresh), C(same_group) or C(any); C(move) is from logical names to
    paths.
    """

    path: str
    position: int | None = None
    management_group: str | None = None
    overwrite: str = NEVER
    fresh_servers: list[str] = field(default_factory=list)
    disconnect: bool = False
    data_directory: str | None = None
    log_directory: str | None = None
    move: dict[str, str] = field(default_factory=dict)
    verify: bool = True
    force: bool = False
    reopen: str = OURS


@dataclass(frozen=True)
class DatabaseFile:
    """A file of a database that is there: C(is_log) or data."""

    database: str
    logical_name: str
    path: str
    is_log: bool
    size_bytes: int


@dataclass
class RestoreReport:
    """What was seen and done so far, filled while the work goes on."""

    backup: BackupSet | None = None
    before: DatabaseState | None = None
    after: DatabaseState | None = None
    group_before: str | None = None
    group_after: str | None = None
    sessions: list[Session] | None = None
    files: list[dict[str, Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    statements: list[str] = field(default_factory=list)
    # Whether anything that changes the database was sent.
    has_begun: bool = False


class DatabaseRestore(DatabaseJob):
    """One restore: look, plan, restore. The connection is in master."""

    def __init__(
        self, connection: SqlConnection, options: SqlOptions, request: RestoreRequest, progress: Progress
    ) -> None:
        self.report = RestoreReport(statements=connection.statements)
        super().__init__("restore", connection, options, progress, self.report.problems)
        self._request = request
        self._guard = AccessGuard(options, connection.statements)
        self._is_there = False
        self._locks: dict[str, str] = {}

    def observe(self) -> None:
        """Read everything that decides. Raises FileProblem for what must not or cannot be restored, OpsmgrError for a
        database that no run changes, SqlError, ConnectionProblem.
        """
        self._check_wish()
        self.report.backup = self._chosen()
        self._check_version(self.report.backup)
        self._look(self._connection)
        if self.report.after is not None and self.report.after.state == "ONLINE":
            require_supported_group(self._connection, self._database, self._step)
        self.report.before, self.report.group_before = self.report.after, self.report.group_after
        self._is_there = not self._request.force and self._was_restored_from(self.report.backup)
        self._require_ours(self.report.backup)
        if self._is_there:
            return
        self._require_overwritable(self.report.backup)
        self._require_unused()
        self._place_files(self.report.backup)

    @property
    def needed(self) -> bool:
        """Whether the database is to be restored or, restored already, to be brought to MULTI_USER."""
        return not self._is_there or self._is_closed

    def predict(self) -> None:
        """Put the statements that change something into the report, where the state after them is unknown."""
        if self.needed:
            self.report.statements, self.report.after = self._plan, None

    @property
    def _is_closed(self) -> bool:
        before = self.report.before
        return before is not None and before.user_access != "MULTI_USER"

    @property
    def _plan(self) -> list[str]:
        if self._is_there:
            return [self._guard.by_hand]
        if self._takes_offline:
            return [self._offline, self._statement()]
        return [self._statement()]

    def carry_out(self) -> None:
        """Restore, bring the database to MULTI_USER, and read the state back. Raises FileProblem, BrokerProblem,
        ConnectionProblem.
        """
        if not self._is_there:
            self._verify()
        self.report.has_begun = True
        if not self._is_there:
            self._keep_locks()
            self._restore()
            self._put_locks_back()
        self._read_back()
        if self.report.after is not None and self.report.after.user_access != "MULTI_USER":
            self._guard.reopen(_REOPEN_SECONDS)
            self._read_back()
        self._require_wanted()

    # looking

    def _check_wish(self) -> None:
        request = self._request
        for option, path in {
            "path": request.path,
            "data_directory": request.data_directory,
            "log_directory": request.log_directory,
        }.items():
            if path is not None:
                check_path(path, option, self._step)
        for name, path in request.move.items():
            check_path(str(path), f"move of {name}", self._step)
        if request.overwrite in (FRESH, SAME_GROUP) and not request.management_group:
            raise self._problem(
                f"overwrite is {request.overwrite}, and management_group is not set",
                "Set management_group to the name of the management group",
            )

    def _chosen(self) -> BackupSet:
        with self._explaining(self._request.path, "Nothing was changed"):
            sets = read_backup_sets(self._connection, self._request.path)
        wanted = [one for one in sets if one.position == self._request.position]
        if self._request.position is None:
            wanted = [one for one in sets if one.is_full]
        if not wanted or not wanted[-1].is_full:
            where = phrase(" at position {}", self._request.position)
            found = f"{self._request.path} has no full backup of a database{where}; it holds {len(sets)} backup(s)"
            raise self._problem(found, "Choose another file or position")
        if wanted[-1].is_damaged:
            raise self._problem(
                f"the backup at position {wanted[-1].position} of {self._request.path} is marked as damaged",
                "Use another backup",
            )
        return wanted[-1]

    def _check_version(self, backup: BackupSet) -> None:
        version, major = self._server_version()
        if backup.server_major is not None and major is not None and backup.server_major > major:
            found = f"the backup was made by SQL Server {backup.server_major}, and this one is {version}"
            raise self._problem(found, "Restore it on a SQL Server that is at least as new")

    def _look(self, connection: SqlConnection) -> None:
        """Read the state of the database, and whose it is."""
        self.report.after = self.report.group_after = None
        self.report.after = read_database(connection, self._database)
        if self.report.after is None or self.report.after.state != "ONLINE":
            return
        try:
            rows = connection.rows(GROUP_NAME.format(database=self._name))
        except SqlError as error:
            self._note(f"The management group of {self._database} could not be read", error)
            return
        if len(rows) == 1:
            self.report.group_after = str(rows[0]["ManagementGroupName"])

    def _was_restored_from(self, backup: BackupSet) -> bool:
        before = self.report.before
        if before is None or before.state != "ONLINE":
            return False
        try:
            last = self._connection.rows(LAST_RESTORE, self._database)
            family = self._connection.rows(FAMILY, self._database)
        except SqlError as error:
            self._note("The history of restores could not be read", error)
            return False
        if family and str(family[0]["family_guid"]).upper() != backup.family:
            return False
        return (
            bool(last) and str(last[0]["kind"]).strip() == "D" and str(last[0]["set_guid"]).upper() == backup.identity
        )

    def _require_ours(self, backup: BackupSet) -> None:
        """Refuse a database that is closed, unless by a run of this collection, or by a restore that was cut off before
        it opened it.
        """
        before = self.report.before
        if before is None or before.state != "ONLINE" or not self._is_closed or self._request.reopen == ANYBODYS:
            return
        ours = closed_by_us(self._connection, before)
        by_restore = self._is_there and backup.is_single_user and before.user_access == "SINGLE_USER"
        if ours or by_restore:
            return
        self._note_sessions()
        found = f"{proof_missing(before, ours, self.report.sessions)}. Nothing was changed"
        what = f"Find out who closed it, and why. If it may be opened, set reopen to anybodys, or type: {self._guard.by_hand}"
        raise self._problem(found, what)

    def _require_overwritable(self, backup: BackupSet) -> None:
        before, request = self.report.before, self._request
        # What is RESTORING holds nothing that could be used: an earlier restore was cut off.
        if before is None or before.state == "RESTORING" or request.overwrite == ANY:
            return
        owner = f"the database exists ({before.state}, {before.user_access}), of the management group {self.report.group_before or 'that could not be read'}"
        if request.overwrite == NEVER:
            raise self._problem(
                owner,
                "Restore under another name, or set overwrite to same_group with management_group; what is in it is lost then",
            )
        if (
            self.report.group_before is None
            or self.report.group_before.lower() != (request.management_group or "").lower()
        ):
            advice = self._to_see_the_group or "Check database and management_group"
            raise self._problem(
                f"{owner}, not {request.management_group}", f"{advice}. Only overwrite: any overwrites it all the same"
            )
        if request.overwrite == FRESH:
            self._require_fresh(backup)

    def _require_fresh(self, backup: BackupSet) -> None:
        reasons = why_not_fresh(self._connection, self._database, backup, self._request.fresh_servers)
        if reasons:
            found = f"the database is not proven to be a new one that nobody has used yet: {'; '.join(reasons)}"
            advice = (
                "Check database, path and fresh_servers. If everything in it may be lost, set overwrite to same_group"
            )
            raise self._problem(found, advice)

    @property
    def _to_see_the_group(self) -> str | None:
        """What makes the management group of a closed database readable."""
        before = self.report.before
        if before is not None and before.state == "OFFLINE":
            return f"Bring it online (ALTER DATABASE {self._name} SET ONLINE), then rerun"
        if self._is_closed:
            return "Bring it back to MULTI_USER with service_broker, then rerun"
        return None

    def _require_unused(self) -> None:
        if self.report.before is None:
            return
        self._note_sessions()
        if self.report.sessions and not self._request.disconnect:
            found = f"the database is in use: {sessions_text(self.report.sessions)}"
            raise self._problem(
                found, "Stop those programs (the OpsMgr services first), or set disconnect: true to end their sessions"
            )

    def _note_sessions(self) -> None:
        try:
            self.report.sessions = read_sessions(self._connection, self._database)
        except SqlError as error:
            self._note("The sessions could not be read", error)

    # where the files go

    def _place_files(self, backup: BackupSet) -> None:
        with self._explaining(self._request.path, "Nothing was changed"):
            stored = read_stored_files(self._connection, self._request.path, backup.position)
        present = [
            DatabaseFile(
                str(row["database_name"]),
                str(row["logical_name"]),
                str(row["path"]),
                int(row["kind"]) == _LOG,
                int(row["pages"]) * _PAGE_BYTES,
            )
            for row in self._connection.rows(FILES)
        ]
        unknown = sorted(self._request.move.keys() - {one.logical_name for one in stored})
        if unknown:
            names = ", ".join(one.logical_name for one in stored)
            raise self._problem(
                f"move names {', '.join(unknown)}, and the backup has the files {names}", "Correct move"
            )
        self.report.files = [
            {"logical_name": one.logical_name, "path": self._place(one, backup, present), "size_bytes": one.size_bytes}
            for one in stored
        ]
        self._require_free_places(present)
        self._require_space(present)

    def _place(self, one: StoredFile, backup: BackupSet, present: list[DatabaseFile]) -> str:
        directory = self._request.data_directory
        if one.is_log:
            directory = self._request.log_directory
        if one.logical_name in self._request.move:
            return self._request.move[one.logical_name]
        own = [other for other in present if self._is_own(other)]
        same = [other.path for other in own if other.logical_name.lower() == one.logical_name.lower()]
        if directory is None and same:
            return same[0]
        if directory is None:
            # The first files of the server are those of master, which are where its files go unless somebody said
            # otherwise.
            directory = parent(next(other.path for other in [*own, *present] if other.is_log == one.is_log))
        name = base_name(one.path)
        if backup.database.lower() != self._database.lower():
            name = file_name(f"{self._database}_{one.logical_name}") + "." + (name.rpartition(".")[2] or "ndf")
        return check_path(joined(directory, name), "the path of a database file", self._step)

    def _is_own(self, other: DatabaseFile) -> bool:
        return other.database.lower() == self._database.lower()

    def _require_free_places(self, present: list[DatabaseFile]) -> None:
        paths = [str(one["path"]) for one in self.report.files]
        for path, count in Counter(path.lower() for path in paths).items():
            if count > 1:
                raise self._problem(
                    f"two files of the backup would go to {path}", "Give each one a path of its own with move"
                )
        for path in paths:
            for other in present:
                if same_path(other.path, path) and not self._is_own(other):
                    raise self._problem(
                        f"{path} is a file of the database {other.database}",
                        "Set move, or data_directory and log_directory, to another place",
                    )

    def _require_space(self, present: list[DatabaseFile]) -> None:
        needed: Counter[str] = Counter()
        for one in self.report.files:
            replaced = sum(other.size_bytes for other in present if same_path(other.path, str(one["path"])))
            needed[drive_of(str(one["path"])) or ""] += max(0, int(one["size_bytes"]) - replaced)
        try:
            free = read_free_bytes(self._connection)
        except SqlError as error:
            self._note("The free space could not be checked", error)
            return
        problem = space_problem(self._step, dict(needed), free)
        if problem is not None:
            raise problem

    # deeds

    @property
    def _offline(self) -> str:
        # Nobody can come back into a database that is offline; in SINGLE_USER, somebody else could take the seat.
        return f"ALTER DATABASE {self._name} SET OFFLINE WITH ROLLBACK IMMEDIATE"

    @property
    def _takes_offline(self) -> bool:
        return self._request.disconnect and self.report.before is not None and self.report.before.state == "ONLINE"

    def _statement(self) -> str:
        backup, before = self.report.backup, self.report.before
        position = 1
        if backup is not None:
            position = backup.position
        options = [f"FILE = {position}", *["MOVE ? TO ?"] * len(self.report.files)]
        if backup is not None and backup.has_checksums:
            options.append("CHECKSUM")
        if before is not None and (before.state != "RESTORING" or self._request.overwrite == ANY):
            options.append("REPLACE")
        return f"RESTORE DATABASE {self._name} FROM DISK = ? WITH {', '.join(options)}, RECOVERY"

    def _verify(self) -> None:
        backup = self.report.backup
        if not self._request.verify or backup is None:
            return
        with self._explaining(self._request.path, "The backup does not verify. Nothing was changed"):
            self._connection.execute(
                verify_statement(backup.position, checksum=backup.has_checksums), self._request.path
            )

    def _restore(self) -> None:
        values = [text for one in self.report.files for text in (one["logical_name"], one["path"])]
        try:
            if self._takes_offline:
                self._take_offline()
            with watched(self._connection, self._options, self._progress, f"RESTORE of {self._database}"):
                self._connection.execute(self._statement(), self._request.path, *values)
        except SqlError as error:
            raise explained(error, self._step, self._request.path, self._left()) from error
        except ConnectionProblem as error:
            raise self._problem(f"{error.found}. {self._left()}", error.what_to_do) from error
        except FileProblem:
            raise
        except BaseException:
            self._left()
            raise

    def _keep_locks(self) -> None:
        """Whoever holds the lock of the management group holds it still when the database is another one."""
        before = self.report.before
        if before is None or before.state != "ONLINE":
            return
        try:
            self._locks = read_properties(self._connection, FIRST, self._database)
        except SqlError as error:
            self._note("The lock of the management group could not be read, and is lost with the database", error)

    def _put_locks_back(self) -> None:
        """What the backup has in it is neither a lock nor a proof: it tells of the time when it was made."""
        try:
            with self._guard.connect(TimeLeft(_REOPEN_SECONDS)) as connection:
                for name in read_properties(connection, PREFIX, self._database):
                    drop_property(connection, name, self._database)
                for name, value in self._locks.items():
                    add_property(connection, name, value, self._database)
        except (SqlError, ConnectionProblem) as error:
            self.report.problems.append(f"The lock of the management group could not be put back: {cause(error)}.")

    def _take_offline(self) -> None:
        try:
            self._connection.execute(self._offline)
        except SqlError as error:
            users = phrase(". In it: {}", sessions_text(self.report.sessions or []))
            raise self._problem(
                f"it could not be taken offline: {cause(error)}{users}. {self._left()}", alter_advice(error)
            ) from error

    def _read_back(self) -> None:
        """Over a connection of its own: the restore is done, even if its connection is lost by now."""
        try:
            with self._guard.connect(TimeLeft(_REOPEN_SECONDS)) as connection:
                self._look(connection)
        except (SqlError, ConnectionProblem) as error:
            found = f"it was restored, and its state could not be read afterwards: {cause(error)}"
            raise self._problem(found, "Rerun: it finds the database restored, and only looks at it") from error

    def _left(self) -> str:
        """What a failed restore left, after bringing back a database that was only taken offline."""
        try:
            with self._guard.connect(TimeLeft(_REOPEN_SECONDS)) as connection:
                found = read_database(connection, self._database)
                if found is not None and found.state == "OFFLINE" and self._takes_offline:
                    connection.execute(f"ALTER DATABASE {self._name} SET ONLINE")
                    found = read_database(connection, self._database)
        except (SqlError, ConnectionProblem):
            self.report.after = None
            return f"The state of the database could not be read afterwards; if it is OFFLINE, type: ALTER DATABASE {self._name} SET ONLINE"
        self.report.after = found
        if found is None or found.state != "ONLINE":
            self.report.group_after = None
        if found is None and self.report.before is None:
            return "There is no such database now, as before"
        if found is None:
            return "The database is gone"
        if found.state == "RESTORING":
            return "The database is left RESTORING and cannot be used until it is restored; rerun"
        left = f"The database is {found.state}, {found.user_access}"
        if found.user_access != "MULTI_USER":
            left += f"; to open it, type: {self._guard.by_hand}"
        return left

    def _require_wanted(self) -> None:
        after, wanted = self.report.after, self._request.management_group
        if after is None or after.state != "ONLINE" or after.user_access != "MULTI_USER":
            state = "cannot be seen"
            if after is not None:
                state = f"is {after.state}, {after.user_access}"
            raise self._problem(
                f"it was restored, and {state}",
                f"Look into the error log of SQL Server, or type: {self._guard.by_hand}",
            )
        if wanted and self.report.group_after is None:
            advice = "Check problems. Restore another backup if this is not an operational database of OpsMgr; otherwise rerun"
            raise self._problem("it was restored, and its management group could not be read", advice)
        if wanted and str(self.report.group_after).lower() != wanted.lower():
            found = f"it was restored, and belongs to the management group {self.report.group_after}, not {wanted}"
            raise self._problem(
                found,
                "This is the wrong backup, or the wrong name in management_group. Do not start OpsMgr with this database",
            )
        if not after.is_broker_enabled:
            self.report.problems.append(
                f"Service Broker is off in {self._database}, as after most restores. Turn it on with service_broker."
            )

    def _problem(self, found: str, what_to_do: str) -> FileProblem:
        return FileProblem(self._step, self._request.path, found, what_to_do)
