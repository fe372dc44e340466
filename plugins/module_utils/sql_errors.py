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

OTHERWISE = "Look at the number in the documentation of SQL Server, then run it again"
# The driver's own, which has no number.
WITHOUT_NUMBER = "Look at what the driver says, then run it again"
NO_ANSWER = "Find out what keeps SQL Server waiting (EXEC sp_who2, column BlkBy), then run it again"

_SERVER = in_inventory("server")
_MIRRORED = (
    "The database is mirrored or in an availability group, where SQL Server refuses this: take it out of that (ALTER DATABASE ... SET PARTNER OFF, "
    "or ALTER AVAILABILITY GROUP ... REMOVE DATABASE ...), run this again, and put it back afterwards"
)
_SECONDARY = (
    "This SQL Server has a secondary replica of the database, and only the primary one can be used: set server to it, or to the listener of the "
    f"availability group{_SERVER}"
)
_READ_ONLY = "The database is read-only: find out why, and if it may be written to, type ALTER DATABASE ... SET READ_WRITE, then run this again"
_DAMAGED = "Look into the error log of SQL Server; a database that it cannot open has to be restored from a backup"

# What can be said wherever the number comes from.
_ADVICE = {
    208: "Check that this is the operational database of OpsMgr",
    229: "Give this login the right to read it (db_datareader)",
    262: "Give this login the right that the message names",
    916: "Make this login a user of that database",
    926: _DAMAGED,
    945: _DAMAGED,
    954: f"This SQL Server has the mirror of the database: set server to the one that has the principal{_SERVER}",
    955: "The database is mirrored and has no quorum: bring the partner or the witness back, then run this again",
    976: _SECONDARY,
    978: _SECONDARY,
    983: _SECONDARY,
    1105: "There is no room in the data files: make room on their disk, or let them grow, then run this again",
    1205: "SQL Server ended this statement to resolve a deadlock: run this again",
    1222: "Another session holds what this waits for: find it (EXEC sp_who2, column BlkBy), let it end, then run this again",
    1468: _MIRRORED,
    3906: _READ_ONLY,
    5004: _READ_ONLY,
    9001: _DAMAGED,
    9002: "The transaction log is full: back it up, or make room on its disk (log_reuse_wait_desc in sys.databases says what it waits for), "
    "then run this again",
}

_PLACES = "set data_directory, log_directory or move to a place that can be used"
_DO_NOT_RELY = "The backup is damaged. Do not rely on it; make or use another one"
_NO_ROOM = (
    "There is no room for it on that volume: make room there, or set data_directory and log_directory to another one"
)
_EDITION = (
    "The database uses a feature that this edition of SQL Server lacks: restore it on the edition that it comes from"
)
_NOT_CREATED = (
    "A file of the database could not be made: see that its directory exists, that the account that SQL Server runs as may write there, and that "
    f"no such file is in it; or {_PLACES}"
)
_NOT_READ = "The file could not be read to its end: copy it again, check its disk or the network to its share, or use another backup"

# What it means when the statement is about a backup file.
_FILE_ADVICE = {
    262: "Log in as a member of sysadmin: looking into backup files takes the right to create databases",
    905: _EDITION,
    909: _EDITION,
    916: "Log in as a member of sysadmin",
    948: "Restore it on a SQL Server that is at least as new as the one that made the backup",
    1834: f"A file of that name belongs to another database: {_PLACES}",
    # Severity 16 after a 262 of severity 14, and FreeTDS shows only the most severe message.
    3013: "Log in as a member of sysadmin, which most often is what is missing; else look into the error log of SQL Server",
    3101: "Stop what uses the database (the OpsMgr services first), then run this again",
    3104: _MIRRORED,
    3110: "Log in as a member of sysadmin or dbcreator, or as the owner of the database",
    3132: "The backup was striped over several files, and this is one of them: make or use one that is in a single file",
    3154: "The file holds a backup of a different database: check path and position. Only overwrite: any replaces it all the same",
    3156: f"A file of the database cannot be put where it was when the backup was made: {_PLACES}",
    3169: "Restore it on a SQL Server that is at least as new as the one that made the backup",
    3183: _DO_NOT_RELY,
    3189: _DO_NOT_RELY,
    3201: "Check the path, and that the account that SQL Server runs as may use it; a share needs rights for that account, not for yours",
    3202: "The file could not be written to its end: see whether its disk is full or failing, then run this again",
    3203: _NOT_READ,
    3241: "Check the path: the file is no backup of SQL Server, or damaged",
    3242: "Check the path: the file is no backup of SQL Server, or damaged",
    3257: _NO_ROOM,
    3271: _NOT_READ,
    3279: "The backup was made with a password, which cannot be given here: make or use one without",
    5120: _NOT_CREATED,
    5123: _NOT_CREATED,
    5133: _NOT_CREATED,
    5149: _NO_ROOM,
    5170: _NOT_CREATED,
    33111: "The database or its backup is encrypted, and this SQL Server does not have the certificate: restore it there with its private key "
    "(CREATE CERTIFICATE ... FROM FILE, in master), then run this again",
}  # fmt: skip

# What to do about a refused login whose name and password are not the reason.
_LOGIN_ADVICE = {
    18401: "SQL Server is still updating itself: wait until it has finished starting, then run this again",
    18451: "SQL Server lets only administrators in at the moment: wait, or start it in the usual way, then run this again",
    18461: "SQL Server runs for a single administrator (start parameter -m): start it in the usual way, then run this again",
    18470: "Enable this login (ALTER LOGIN ... ENABLE), or use another one{login}",
    18486: "Unlock this login (ALTER LOGIN ... WITH PASSWORD = ... UNLOCK), or use another one{login}",
    18487: "Give this login a new password, because the old one has expired, and set login_password{login}",
    18488: "Give this login a new password, because it has to be changed before its first use, and set login_password{login}",
}

# What to do about a database that cannot be opened, where more can be said than to look at its state.
_DATABASE_ADVICE = {
    911: f"Check its name{in_inventory('database')}",
    924: "It is open for one user alone, and somebody is in it: wait until it is open to all again. If a run of this collection was cut off, "
    "service_broker opens it",
    927: "A restore was not finished: finish it (RESTORE DATABASE ... WITH RECOVERY, or database_restore), then run this again",
    942: "Bring it online (ALTER DATABASE ... SET ONLINE), then run this again",
}


def advice(number: int) -> str:
    """What to do about an error of any statement; 0 is the driver's."""
    return _ADVICE.get(number, OTHERWISE if number else WITHOUT_NUMBER)


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
