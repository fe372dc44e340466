# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the error numbers of SQL Server mean here, and what to do. The numbers are documented [ms].

A server may speak any language, so the number is the only certain part of an error. Each text here also says what the
number means.

This file is private to the collection: others must not import it.
"""

from __future__ import annotations

from ansible_collections.opsmgr.recovery.plugins.module_utils.sql_options import in_inventory

OTHERWISE = "Look up the number in the documentation of SQL Server, then rerun"
# The driver's own, which has no number.
WITHOUT_NUMBER = "Check the driver's message, then rerun"
NO_ANSWER = "Find out what keeps SQL Server waiting (EXEC sp_who2, column BlkBy), then rerun"

_SERVER = in_inventory("server")
_MIRRORED = (
    "Take the database out of its mirroring or availability group, where SQL Server refuses this (ALTER DATABASE ... SET PARTNER OFF, "
    "or ALTER AVAILABILITY GROUP ... REMOVE DATABASE ...), rerun, and put it back afterwards"
)
_SECONDARY = (
    f"Set server to the primary replica of the database, or to the listener of the availability group{_SERVER}: "
    "this SQL Server has a secondary replica, which cannot be used"
)
_READ_ONLY = "Find out why the database is read-only; if it may be written to, type ALTER DATABASE ... SET READ_WRITE, then rerun"
_DAMAGED = "Check the error log of SQL Server; a database that it cannot open must be restored from a backup"

# What can be said wherever the number comes from.
_ADVICE = {
    208: "Check that this is the operational database of OpsMgr",
    229: "Give this login the right to read it (db_datareader)",
    262: "Give this login the right that the message names",
    916: "Make this login a user of that database",
    926: _DAMAGED,
    945: _DAMAGED,
    954: f"Set server to the SQL Server that has the principal{_SERVER}: this one has the mirror of the database",
    955: "Bring the mirroring partner or the witness back, then rerun: the mirrored database has no quorum",
    976: _SECONDARY,
    978: _SECONDARY,
    983: _SECONDARY,
    1105: "Make room on the disk of the data files, or let them grow, then rerun: they are full",
    1205: "Rerun: SQL Server ended this statement to resolve a deadlock",
    1222: "Find the session that blocks this one (EXEC sp_who2, column BlkBy), let it end, then rerun",
    1468: _MIRRORED,
    3906: _READ_ONLY,
    5004: _READ_ONLY,
    9001: _DAMAGED,
    9002: "Back up the transaction log, which is full, or make room on its disk (log_reuse_wait_desc in sys.databases says what it waits for), "
    "then rerun",
}

_OTHER_PLACES = "Set data_directory, log_directory or move to a place that can be used"
_PLACES = "set data_directory, log_directory or move to a place that can be used"
_DO_NOT_RELY = "Make or use another backup; do not rely on this one, which is damaged"
_NO_ROOM = "Make room on that volume, or set data_directory and log_directory to another one"
_EDITION = (
    "Restore the database on the edition of SQL Server that it comes from: it uses a feature that this edition lacks"
)
_NOT_CREATED = (
    "Check that the directory of the database file exists, that the account that SQL Server runs as may write there, and that "
    f"no such file is in it; or {_PLACES}"
)
_NOT_READ = "Copy the file again, check its disk or the network to its share, or use another backup: it could not be read to its end"

# What it means when the statement is about a backup file.
_FILE_ADVICE = {
    262: "Log in as a member of sysadmin: looking into backup files takes the right to create databases",
    905: _EDITION,
    909: _EDITION,
    916: "Log in as a member of sysadmin",
    948: "Restore it on a SQL Server that is at least as new as the one that made the backup",
    1834: f"{_OTHER_PLACES}: a file of that name belongs to another database",
    # Severity 16 after a 262 of severity 14, and FreeTDS shows only the most severe message.
    3013: "Log in as a member of sysadmin, which most often is the reason; otherwise check the error log of SQL Server",
    3101: "Stop what uses the database (the OpsMgr services first), then rerun",
    3104: _MIRRORED,
    3110: "Log in as a member of sysadmin or dbcreator, or as the owner of the database",
    3132: "Make or use a backup in a single file: this one was striped over several",
    3154: "Check path and position: the file holds a backup of a different database. Only overwrite: any replaces the database all the same",
    3156: f"{_OTHER_PLACES}: a file of the database cannot be put where it was when the backup was made",
    3169: "Restore it on a SQL Server that is at least as new as the one that made the backup",
    3183: _DO_NOT_RELY,
    3189: _DO_NOT_RELY,
    3201: "Check the path, and that the account that SQL Server runs as may use it; a share needs rights for that account, not for yours",
    3202: "Check whether the disk of the file is full or failing, then rerun: the file could not be written to its end",
    3203: _NOT_READ,
    3241: "Check the path: the file is not a backup of SQL Server, or damaged",
    3242: "Check the path: the file is not a backup of SQL Server, or damaged",
    3257: _NO_ROOM,
    3271: _NOT_READ,
    3279: "Make or use a backup without a password: this one has one, which cannot be given here",
    5120: _NOT_CREATED,
    5123: _NOT_CREATED,
    5133: _NOT_CREATED,
    5149: _NO_ROOM,
    5170: _NOT_CREATED,
    33111: "Restore the certificate with its private key on this SQL Server: the database or its backup is encrypted "
    "(CREATE CERTIFICATE ... FROM FILE, in master), then rerun",
}  # fmt: skip

# What to do about a refused login whose name and password are not the reason.
_LOGIN_ADVICE = {
    18401: "Wait until SQL Server has finished starting, then rerun: it is still updating itself",
    18451: "Wait, or start SQL Server in the usual way, then rerun: it lets only administrators in at the moment",
    18461: "Start SQL Server in the usual way, then rerun: it runs for a single administrator (start parameter -m)",
    18470: "Enable this login (ALTER LOGIN ... ENABLE), or use another one{login}",
    18486: "Unlock this login (ALTER LOGIN ... WITH PASSWORD = ... UNLOCK), or use another one{login}",
    18487: "Give this login a new password, because the old one has expired, and set login_password{login}",
    18488: "Give this login a new password, because it has to be changed before its first use, and set login_password{login}",
}

# What to do about a database that cannot be opened, where more can be said than to look at its state.
_DATABASE_ADVICE = {
    911: f"Check its name{in_inventory('database')}",
    924: "Wait until the database is open to all again: it is open for one user alone, and somebody is in it. If a run of this collection was cut off, "
    "service_broker opens it",
    927: "Finish the interrupted restore (RESTORE DATABASE ... WITH RECOVERY, or database_restore), then rerun",
    942: "Bring it online (ALTER DATABASE ... SET ONLINE), then rerun",
}


def advice(number: int) -> str:
    """What to do about an error of any statement; 0 is the driver's."""
    if not number:
        return WITHOUT_NUMBER
    return _ADVICE.get(number, OTHERWISE)


def file_advice(number: int) -> str | None:
    """What to do about an error of a statement about a backup file; None where that makes no difference."""
    return _FILE_ADVICE.get(number)


def login_advice(number: int) -> str | None:
    """What to do about a refused login; None when the reason is its name, its password or its kind."""
    found = _LOGIN_ADVICE.get(number)
    return found and found.format(login=in_inventory("login_user", "login_password"))


def database_advice(number: int) -> str | None:
    """What to do about a database that cannot be opened; None where there is no more to say than to look."""
    return _DATABASE_ADVICE.get(number) or _ADVICE.get(number)
