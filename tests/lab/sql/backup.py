# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""BACKUP and RESTORE to and from disk files of the server's machine."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .batch import Statement
from .lexer import Token
from .media import BackupSet, append, put_back, read_sets, take
from .messages import Message, SqlError, error, message
from .sessions import others, refusal
from .store import Database, stored_name
from .values import BIGINT, BIT, DATETIME, GUID, INT, NAME, SqlType, to_storage
from .wire_answer import SELECT_COMMAND, Done, ResultSet

if TYPE_CHECKING:
    from .engine import Engine


@dataclass
class Device:
    """What a statement says: the database, the file, the options after WITH."""

    database: str
    path: str
    options: dict[str, str] = field(default_factory=dict)
    moves: dict[str, str] = field(default_factory=dict)

    def has(self, option: str) -> bool:
        """Whether an option is given."""
        return option in self.options


def parse(engine: Engine, statement: Statement, *, names_database: bool) -> Device:
    """Read ``BACKUP|RESTORE what [database] [TO|FROM DISK = path] [WITH options]``; raises 102 or 137."""
    tokens = statement.tokens
    at = 2
    database = ""
    if names_database:
        database = _value(engine, tokens, at)
        at += 1
    path = ""
    if at < len(tokens) and tokens[at].keyword in ("TO", "FROM"):
        if [token.keyword for token in tokens[at + 1 : at + 3]] != ["DISK", "="]:
            raise error(102, tokens[min(at + 1, len(tokens) - 1)].value)
        path = _value(engine, tokens, at + 3)
        at += 4
    device = Device(database, path)
    if at < len(tokens):
        if tokens[at].keyword != "WITH":
            raise error(102, tokens[at].value)
        _options(engine, device, tokens[at + 1 :])
    return device


def _value(engine: Engine, tokens: tuple[Token, ...], at: int) -> str:
    if at >= len(tokens):
        raise error(102, tokens[-1].value)
    token = tokens[at]
    if token.kind != "variable":
        return token.value
    name = token.value[1:].lower()
    if name not in engine.variables:
        raise error(137, token.value)
    return str(engine.variables[name])


def _options(engine: Engine, device: Device, tokens: tuple[Token, ...]) -> None:
    at = 0
    while at < len(tokens):
        end = next((place for place in range(at, len(tokens)) if tokens[place].text == ","), len(tokens))
        part = tokens[at:end]
        if not part or part[0].kind != "word":
            raise error(102, tokens[min(at, len(tokens) - 1)].value)
        if part[0].keyword == "MOVE" and len(part) == 4:
            device.moves[_value(engine, part, 1).lower()] = _value(engine, part, 3)
        else:
            device.options[part[0].keyword] = _value(engine, part, len(part) - 1) if len(part) > 1 else ""
        at = end + 1


def _whole(what: str) -> Callable[[Callable[[Engine, Statement], None]], Callable[[Engine, Statement], None]]:
    """Every failure of such a statement ends with 3013."""

    def wrap(run: Callable[[Engine, Statement], None]) -> Callable[[Engine, Statement], None]:
        def guarded(engine: Engine, statement: Statement) -> None:
            try:
                run(engine, statement)
            except SqlError as problem:
                if problem.messages[0].severity == 15:
                    raise
                raise SqlError(*problem.messages, message(3013, what)) from None

        guarded.__doc__ = run.__doc__
        return guarded

    return wrap


def _no_transaction(engine: Engine) -> None:
    if engine.session.trancount or engine.session.implicit_transactions:
        raise error(3021)


def _open_database(engine: Engine, name: str, what: str) -> Database:
    database = engine.server.find(name)
    if database is None:
        raise error(911, name)
    refused = refusal(engine.session.login, engine.session, database, engine.server.session_list())
    if refused is not None:
        raise SqlError(refused)
    if not engine.session.login.may_administer(database):
        raise error(262, what, database.name)
    return database


def _progress(device: Device) -> list[Message]:
    """``STATS = 10`` reports every ten percent, which is also what STATS alone means [ms]."""
    if not device.has("STATS"):
        return []
    step = int(device.options["STATS"] or 10)
    return [message(3211, percent) for percent in range(step, 101, step)]


@_whole("BACKUP DATABASE")
def back_up(engine: Engine, statement: Statement) -> None:
    """BACKUP DATABASE."""
    _back_up(engine, parse(engine, statement, names_database=True), "D", "BACKUP DATABASE")


@_whole("BACKUP LOG")
def back_up_log(engine: Engine, statement: Statement) -> None:
    """BACKUP LOG: a set without rows, which only tells that it was taken."""
    device = parse(engine, statement, names_database=True)
    _back_up(engine, device, "L", "BACKUP LOG")
    if device.has("NORECOVERY"):
        _open_database(engine, device.database, "BACKUP LOG").state = "RESTORING"


def _back_up(engine: Engine, device: Device, kind: str, what: str) -> None:
    _no_transaction(engine)
    database = _open_database(engine, device.database, what)
    if not device.path:
        raise error(102, device.database)
    started = dt.datetime.now()
    taken = take(
        database,
        engine.server.store,
        engine.server.files_of(database),
        name=device.options.get("NAME", ""),
        user=engine.session.user,
        server=engine.server.name.upper(),
        started=to_storage(started),
        finished=to_storage(dt.datetime.now()),
        copy_only=device.has("COPY_ONLY"),
        checksum=device.has("CHECKSUM"),
        kind="I" if device.has("DIFFERENTIAL") else kind,
        software=list(engine.server.wire_version),
    )
    if kind == "L":
        taken.tables = []
    position = append(engine.server.files, device.path, taken, overwrite=device.has("INIT") or device.has("FORMAT"))
    _remember(engine, device.path, taken, position)
    engine.tell(*_progress(device))
    names = [logical for _kind, logical, _path in taken.files]
    engine.tell(
        message(4035, taken.pages, database.name, names[0], position),
        message(4035, 2, database.name, names[1], position),
    )
    engine.tell(message(3014, what, taken.pages + 2, 0.21, (taken.pages + 2) / 128 / 0.21), Done())


def _remember(engine: Engine, path: str, taken: BackupSet, position: int) -> int:
    """The rows that msdb keeps of a backup; returns the set's number."""
    number = _rows_in(engine, "backupset") + 1
    row = (
        number, number, taken.name or None, taken.user, taken.database, taken.server, taken.kind, position, taken.started, taken.finished,
        taken.size, taken.copy_only, taken.checksum, False, taken.recovery_model, taken.identity,
    )  # fmt: skip
    _keep(engine, "backupset", row)
    _keep(engine, "backupmediafamily", (number, 1, path, 2))
    return number


def _remember_restore(engine: Engine, device: Device, taken: BackupSet) -> None:
    """The rows that msdb keeps of a restore: the backup too, if it was made elsewhere [ms]."""
    store, msdb = engine.server.store, engine.server.databases["msdb"]
    name = stored_name(msdb, "dbo", "backupset")
    found = store.run(f'SELECT backup_set_id FROM "{name}" WHERE backup_set_uuid = ?', [taken.identity]).fetchone()
    number = found[0] if found else _remember(engine, device.path, taken, int(device.options.get("FILE") or 1))
    row = (
        _rows_in(engine, "restorehistory") + 1, to_storage(dt.datetime.now()), device.database, engine.session.user, number, taken.kind,
        device.has("REPLACE"), not device.has("NORECOVERY"),
    )  # fmt: skip
    _keep(engine, "restorehistory", row)


def _rows_in(engine: Engine, table: str) -> int:
    name = stored_name(engine.server.databases["msdb"], "dbo", table)
    return int(engine.server.store.run(f'SELECT COUNT(*) FROM "{name}"').fetchone()[0])


def _keep(engine: Engine, table: str, row: tuple[Any, ...]) -> None:
    msdb = engine.server.databases["msdb"]
    definition = msdb.table("dbo", table)
    if definition is not None:
        engine.server.store.insert(msdb, definition, [row])


def _chosen(engine: Engine, device: Device) -> BackupSet:
    """The set of a file that FILE names, the first without it."""
    sets = read_sets(engine.server.files, device.path)
    position = int(device.options.get("FILE") or 1)
    if not 0 < position <= len(sets):
        raise error(4038, position, device.path)
    return sets[position - 1]


def _intact(device: Device, taken: BackupSet) -> BackupSet:
    if device.has("CHECKSUM") and not taken.checksum:
        raise error(3187)
    if taken.damaged and not device.has("CONTINUE_AFTER_ERROR"):
        raise error(3189)
    return taken


def _may_look(engine: Engine) -> None:
    if not engine.session.login.is_sysadmin:
        raise error(262, "CREATE DATABASE", "master")


@_whole("VERIFY DATABASE")
def verify(engine: Engine, statement: Statement) -> None:
    """RESTORE VERIFYONLY."""
    device = parse(engine, statement, names_database=False)
    _may_look(engine)
    _intact(device, _chosen(engine, device))
    engine.tell(*_progress(device), message(3262, int(device.options.get("FILE") or 1)), Done())


_HEADER = [
    ("BackupName", NAME), ("BackupDescription", NAME), ("BackupType", SqlType("smallint")), ("ExpirationDate", DATETIME),
    ("Compressed", BIT), ("Position", SqlType("smallint")), ("DeviceType", SqlType("tinyint")), ("UserName", NAME), ("ServerName", NAME),
    ("DatabaseName", NAME), ("DatabaseVersion", INT), ("DatabaseCreationDate", DATETIME), ("BackupSize", SqlType("decimal", None, 20, 0)),
    ("BackupStartDate", DATETIME), ("BackupFinishDate", DATETIME), ("CompatibilityLevel", SqlType("tinyint")), ("IsSnapshot", BIT),
    ("IsReadOnly", BIT), ("IsSingleUser", BIT), ("HasBackupChecksums", BIT), ("IsDamaged", BIT), ("RecoveryModel", NAME), ("IsCopyOnly", BIT),
    ("FamilyGUID", GUID), ("BackupTypeDescription", NAME), ("BackupSetGUID", GUID), ("SoftwareVersionMajor", INT),
    ("SoftwareVersionMinor", INT), ("SoftwareVersionBuild", INT),
]  # fmt: skip
_KINDS = {"D": (1, "Database"), "L": (2, "Transaction Log"), "I": (5, "Database Differential")}


def _header(taken: BackupSet, position: int) -> tuple[Any, ...]:
    number, text = _KINDS[taken.kind]
    return (
        taken.name or None, None, number, None, 0, position, 2, taken.user, taken.server, taken.database, 655, taken.create_date, taken.size,
        taken.started, taken.finished, taken.compatibility_level, 0, 0, taken.user_access == "SINGLE_USER", taken.checksum, taken.damaged,
        taken.recovery_model, taken.copy_only, taken.family, text, taken.identity, *taken.software,
    )  # fmt: skip


@_whole("RESTORE HEADERONLY")
def headers(engine: Engine, statement: Statement) -> None:
    """RESTORE HEADERONLY: a row for each set (the columns of log sequence numbers are left out)."""
    device = parse(engine, statement, names_database=False)
    _may_look(engine)
    rows = [_header(taken, position) for position, taken in enumerate(read_sets(engine.server.files, device.path), 1)]
    engine.tell(ResultSet.of(_HEADER, rows), Done(len(rows), command=SELECT_COMMAND))


_FILE = [
    ("LogicalName", NAME), ("PhysicalName", SqlType("nvarchar", 260)), ("Type", SqlType("char", 1)), ("FileGroupName", NAME),
    ("Size", SqlType("decimal", None, 20, 0)), ("MaxSize", SqlType("decimal", None, 20, 0)), ("FileId", BIGINT), ("BackupSizeInBytes", BIGINT),
]  # fmt: skip


@_whole("RESTORE FILELIST")
def file_list(engine: Engine, statement: Statement) -> None:
    """RESTORE FILELISTONLY."""
    device = parse(engine, statement, names_database=False)
    _may_look(engine)
    taken = _chosen(engine, device)
    rows = []
    for number, (kind, logical, path) in enumerate(taken.files, 1):
        is_data = kind == "ROWS"
        rows.append(
            (
                logical,
                path,
                "D" if is_data else "L",
                "PRIMARY" if is_data else None,
                10485760,
                35184372080640,
                number,
                taken.size,
            )
        )
    engine.tell(ResultSet.of(_FILE, rows), Done(len(rows), command=SELECT_COMMAND))


@_whole("RESTORE LABELONLY")
def label(engine: Engine, statement: Statement) -> None:
    """RESTORE LABELONLY, as far as it proves that the file is a backup."""
    device = parse(engine, statement, names_database=False)
    read_sets(engine.server.files, device.path)
    columns = [("MediaName", NAME), ("FamilyCount", INT), ("SoftwareName", NAME), ("MediaDate", DATETIME)]
    engine.tell(ResultSet.of(columns, [(None, 1, "Microsoft SQL Server", None)]), Done(1, command=SELECT_COMMAND))


@_whole("RESTORE DATABASE")
def restore(engine: Engine, statement: Statement) -> None:
    """RESTORE DATABASE, from a file or only WITH RECOVERY."""
    device = parse(engine, statement, names_database=True)
    _no_transaction(engine)
    found = engine.server.find(device.database)
    _may_restore(engine, device.database, found)
    if not device.path:
        _recover(found, device.database)
        return
    taken = _intact(device, _chosen(engine, device))
    if found is not None:
        _check_overwrite(device, found, taken)
    files = _places(engine, device, taken, found)
    database = found or engine.server.add_database(device.database, owner=engine.session.user)
    put_back(taken, database, engine.server.store)
    database.options.update(LOGICAL_NAME=taken.files[0][1], DATA_FILE=files[0], LOG_FILE=files[1])
    _set_state(engine, device, database)
    _remember_restore(engine, device, taken)
    engine.tell(*_progress(device))
    engine.tell(
        message(4035, taken.pages, database.name, taken.files[0][1], 1),
        message(4035, 2, database.name, taken.files[1][1], 1),
    )
    engine.tell(message(3014, "RESTORE DATABASE", taken.pages + 2, 0.19, (taken.pages + 2) / 128 / 0.19), Done())


def _may_restore(engine: Engine, name: str, found: Database | None) -> None:
    if not engine.session.login.is_sysadmin and (found is None or not engine.session.login.may_administer(found)):
        raise error(3110, name)
    if found is not None and engine.session.database is found:
        raise error(3102, "RESTORE", found.name)
    if found is not None and others(engine.session, found, engine.server.session_list()):
        raise error(3101)


def _recover(found: Database | None, name: str) -> None:
    """The end of a restore that was left open by NORECOVERY."""
    if found is None:
        raise error(911, name)
    if found.state != "RESTORING":
        raise error(3153)
    found.state = "ONLINE"


def _check_overwrite(device: Device, found: Database, taken: BackupSet) -> None:
    """Without REPLACE only the same database can be restored over, and only when no log is lost."""
    if device.has("REPLACE") or found.state == "RESTORING":
        return
    if found.family != taken.family:
        raise error(3154, found.name)
    if found.recovery_model != "SIMPLE":
        raise error(3159, found.name)


def _places(engine: Engine, device: Device, taken: BackupSet, found: Database | None) -> list[str]:
    """Where the files go; places that other databases use are errors."""
    logical = {one[1].lower() for one in taken.files}
    for name in device.moves:
        if name not in logical:
            raise error(3234, name, device.database)
    used = {
        path.lower(): one
        for one in engine.server.database_list()
        if one is not found
        for _k, _n, path in engine.server.files_of(one)
    }
    places, problems = [], []
    for _kind, name, path in taken.files:
        place = device.moves.get(name.lower(), path)
        places.append(place)
        if place.lower() in used:
            problems += [message(1834, place, used[place.lower()].name), message(3156, name, place)]
    if problems:
        raise SqlError(*problems, message(3119))
    return places


def _set_state(engine: Engine, device: Device, database: Database) -> None:
    """A restored database's broker is off unless the statement asks for it [ms]."""
    database.state = "RESTORING" if device.has("NORECOVERY") else "ONLINE"
    if device.has("RESTRICTED_USER"):
        database.user_access = "RESTRICTED_USER"
    database.is_broker_enabled = False
    if device.has("NEW_BROKER"):
        engine.server.renew_broker(database)
    elif device.has("ENABLE_BROKER"):
        database.is_broker_enabled = engine.server.broker_twin(database) is None
    engine.server.release_seat(database)
