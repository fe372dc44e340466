# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SQL Server's messages: number, severity, state and text, as ``sys.messages`` lists them [ms].

States are those that a real server was seen to send where somebody published them [field], 1 elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass

# number: (severity, state, text)
MESSAGES: dict[int, tuple[int, int, str]] = {
    102: (15, 1, "Incorrect syntax near '{0}'."),
    105: (15, 1, "Unclosed quotation mark after the character string '{0}'."),
    113: (15, 1, "Missing end comment mark '*/'."),
    137: (15, 2, 'Must declare the scalar variable "{0}".'),
    156: (15, 1, "Incorrect syntax near the keyword '{0}'."),
    195: (15, 10, "'{0}' is not a recognized built-in function name."),
    207: (16, 1, "Invalid column name '{0}'."),
    201: (16, 4, "Procedure or function '{0}' expects parameter '@{1}', which was not supplied."),
    208: (16, 1, "Invalid object name '{0}'."),
    213: (16, 1, "Column name or number of supplied values does not match table definition."),
    226: (16, 6, "{0} statement not allowed within multi-statement transaction."),
    262: (14, 1, "{0} permission denied in database '{1}'."),
    515: (
        16,
        2,
        "Cannot insert the value NULL into column '{0}', table '{1}'; column does not allow nulls. {2} fails.",
    ),
    574: (16, 0, "{0} statement cannot be used inside a user transaction."),
    596: (21, 1, "Cannot continue the execution because the session is in the kill state."),
    911: (16, 1, "Database '{0}' does not exist. Make sure that the name is entered correctly."),
    916: (
        14,
        1,
        'The server principal "{0}" is not able to access the database "{1}" under the current security context.',
    ),
    923: (
        14,
        1,
        "Database '{0}' is in restricted mode. Only the database owner and members of the dbcreator and sysadmin roles can access it.",
    ),
    924: (14, 1, "Database '{0}' is already open and can only have one user at a time."),
    927: (14, 2, "Database '{0}' cannot be opened. It is in the middle of a restore."),
    942: (14, 4, "Database '{0}' cannot be opened because it is offline."),
    1222: (16, 45, "Lock request time out period exceeded."),
    1834: (16, 1, "The file '{0}' cannot be overwritten.  It is being used by database '{1}'."),
    1801: (16, 3, "Database '{0}' already exists. Choose a different database name."),
    2627: (14, 1, "Violation of {0} constraint '{1}'. Cannot insert duplicate key in object '{2}'."),
    2714: (16, 6, "There is already an object named '{0}' in the database."),
    2812: (16, 62, "Could not find stored procedure '{0}'."),
    3013: (16, 1, "{0} is terminating abnormally."),
    3014: (0, 1, "{0} successfully processed {1} pages in {2:.3f} seconds ({3:.3f} MB/sec)."),
    3021: (16, 0, "Cannot perform a backup or restore operation within a transaction."),
    3101: (16, 1, "Exclusive access could not be obtained because the database is in use."),
    3102: (
        16,
        1,
        "{0} cannot process database '{1}' because it is in use by this session. "
        "It is recommended that the master database be used when performing this operation.",
    ),
    3110: (14, 1, "User does not have permission to RESTORE database '{0}'."),
    3119: (
        16,
        1,
        "Problems were identified while planning for the RESTORE statement. Previous messages provide details.",
    ),
    3153: (16, 1, "The database is already fully recovered."),
    3156: (16, 4, "File '{0}' cannot be restored to '{1}'. Use WITH MOVE to identify a valid location for the file."),
    3154: (16, 4, "The backup set holds a backup of a database other than the existing '{0}' database."),
    3159: (
        16,
        1,
        'The tail of the log for the database "{0}" has not been backed up. Use BACKUP LOG WITH NORECOVERY to backup '
        "the log if it contains work you do not want to lose. Use the WITH REPLACE or WITH STOPAT clause of the RESTORE "
        "statement to just overwrite the contents of the log.",
    ),
    3189: (16, 1, "Damage to the backup set was detected."),
    3187: (
        16,
        1,
        "RESTORE WITH CHECKSUM cannot be specified because the backup set does not contain checksum information.",
    ),
    3234: (
        16,
        2,
        "Logical file '{0}' is not part of database '{1}'. Use RESTORE FILELISTONLY to list the logical file names.",
    ),
    3201: (16, 2, "Cannot open backup device '{0}'. Operating system error {1}."),
    3211: (0, 1, "{0} percent processed."),
    3241: (
        16,
        0,
        "The media family on device '{0}' is incorrectly formed. SQL Server cannot process this media family.",
    ),
    3262: (0, 1, "The backup set on file {0} is valid."),
    3701: (11, 5, "Cannot drop the {0} '{1}', because it does not exist or you do not have permission."),
    3702: (16, 4, 'Cannot drop database "{0}" because it is currently in use.'),
    3705: (16, 1, "Cannot use DROP TABLE with '{0}' because '{0}' is a view. Use DROP VIEW."),
    3902: (16, 1, "The COMMIT TRANSACTION request has no corresponding BEGIN TRANSACTION."),
    3903: (16, 1, "The ROLLBACK TRANSACTION request has no corresponding BEGIN TRANSACTION."),
    4035: (0, 1, "Processed {0} pages for database '{1}', file '{2}' on file {3}."),
    4038: (16, 1, "Cannot find file ID {0} on device '{1}'."),
    4145: (
        15,
        1,
        "An expression of non-boolean type specified in a context where a condition is expected, near '{0}'.",
    ),
    4060: (11, 1, 'Cannot open database "{0}" requested by the login. The login failed.'),
    5011: (
        14,
        5,
        "User does not have permission to alter database '{0}', the database does not exist, "
        "or the database is not in a state that allows access checks.",
    ),
    5052: (16, 1, "{0} is not permitted while a database is in the {1} state."),
    5058: (16, 5, "Option '{0}' cannot be set in database '{1}'."),
    5060: (0, 1, "Nonqualified transactions are being rolled back. Estimated rollback completion: {0}%."),
    5061: (16, 1, "ALTER DATABASE failed because a lock could not be placed on database '{0}'. Try again later."),
    5062: (
        16,
        1,
        'The option "{0}" conflicts with another requested option. The options cannot both be requested at the same time.',
    ),
    5064: (
        16,
        1,
        "Changes to the state or options of database '{0}' cannot be made at this time. "
        "The database is in single-user mode, and a user is currently connected to it.",
    ),
    5068: (0, 1, "Failed to restart the current database. The current database is switched to master."),
    5069: (16, 1, "ALTER DATABASE statement failed."),
    5070: (16, 2, "Database state cannot be changed while other users are using the database '{0}'"),
    5701: (0, 2, "Changed database context to '{0}'."),
    6101: (16, 1, "Process ID {0} is not a valid process ID. Choose a number between 1 and {1}."),
    6102: (14, 1, "User does not have permission to use the KILL statement."),
    6104: (16, 1, "Cannot use KILL to kill your own process."),
    6106: (16, 1, "Process ID {0} is not an active process ID."),
    8114: (16, 5, "Error converting data type {0} to {1}."),
    8134: (16, 1, "Divide by zero error encountered."),
    8144: (16, 2, "Procedure or function {0} has too many arguments specified."),
    8145: (16, 1, "@{1} is not a parameter for procedure {0}."),
    8169: (16, 2, "Conversion failed when converting from a character string to uniqueidentifier."),
    8179: (16, 2, "Could not find prepared statement with handle {0}."),
    9772: (
        16,
        1,
        'The Service Broker in database "{0}" cannot be enabled because there is already an enabled Service Broker '
        "with the same ID.",
    ),
    15097: (16, 1, "The size associated with an extended property cannot be more than 7,500 bytes."),
    15135: (16, 1, "Object is invalid. Extended properties are not permitted on '{0}', or the object does not exist."),
    15217: (16, 1, "Property cannot be updated or deleted. Property '{0}' does not exist for '{1}'."),
    15233: (16, 1, "Property cannot be added. Property '{0}' already exists for '{1}'."),
    15247: (16, 1, "User does not have permission to perform this action."),
    15600: (15, 1, "An invalid parameter or option was specified for procedure '{0}'."),
    18456: (14, 1, "Login failed for user '{0}'."),
    22001: (1, 1, "{0}() returned error {1}, '{2}'"),
}

ENDS_BATCH = frozenset({137, 207, 208, 213, 911, 916, 923, 924, 927, 942})
"""Errors after which the rest of the batch does not run (besides all of severity 15 and of 20 and more)."""


@dataclass(frozen=True)
class Message:
    """One message on its way to a client: informational below severity 11, an error from there on."""

    number: int
    severity: int
    state: int
    text: str
    procedure: str = ""

    @property
    def is_error(self) -> bool:
        """Whether a client takes it for an error."""
        return self.severity > 10


def message(number: int, *values: object, state: int | None = None) -> Message:
    """The server's message of that number with its places filled."""
    severity, usual_state, text = MESSAGES[number]
    return Message(number, severity, usual_state if state is None else state, text.format(*values))


class SqlError(Exception):
    """A statement failed; ``messages`` are sent to the client in this order."""

    def __init__(self, first: Message, *following: Message) -> None:
        super().__init__(f"[{first.number}] {first.text}")
        self.messages = (first, *following)

    @property
    def number(self) -> int:
        """The number of the first message, the one that a driver reports."""
        return self.messages[0].number

    @property
    def ends_batch(self) -> bool:
        """Whether the rest of the batch is not run."""
        first = self.messages[0]
        return first.number in ENDS_BATCH or first.severity == 15 or first.severity >= 20


def error(number: int, *values: object, state: int | None = None) -> SqlError:
    """The error of that number, ready to be raised."""
    return SqlError(message(number, *values, state=state))


class SessionEnded(Exception):
    """The session was ended from outside (KILL, ROLLBACK IMMEDIATE, a stopped server, a lost client)."""


class Cancelled(Exception):
    """The client asked for its running request to be cancelled (attention)."""
