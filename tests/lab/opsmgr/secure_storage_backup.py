# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SecureStorageBackup.exe: the key of the root management server to and from a file.

``Backup <file>`` asks for a password twice, ``Restore <file>`` once [book], or with the host setting
``restore_asks_twice`` twice, as the wizard of the same program does [sm].  At least eight characters [book]; the
length is checked before the second question, a file to restore before the first one [assumed].  An existing file is
overwritten [assumed].  The tool knows nothing of management groups: the key of another one restores without complaint
[assumed].

Exit codes are undocumented.  Here [assumed]: 0 done, 1 every refusal, 0xE0434F4D an unhandled .NET exception; with the
host setting ``tool_exit_codes: always_zero`` a refusal ends with 0 too.  Messages go to standard output, the report of
an unhandled exception to standard error.

Where the console is installed, the tool without arguments is a wizard [ms: from SP1 on], that is a window, which nobody
sees or closes in a remote shell.  What it does without arguments elsewhere is not known; here it shows its usage.
"""

from __future__ import annotations

from ..windows.errors import Win32Error
from ..windows.process import Process
from .dialogue import Dialogue, ToolFailedError, UnhandledError, tool_program
from .installation import Installation
from .key import (
    KeyBackup,
    NotABackupError,
    WrongPasswordError,
    backup_version,
    pack_backup,
    unpack_backup,
)
from .versions import is_before_sp1, key_generation

TOOL = "SecureStorageBackup"
SHORTEST_PASSWORD = 8
_AN_HOUR = 3600.0
_FILE_ERRORS = {2: "missing_file", 3: "missing_file", 5: "access_denied", 53: "missing_file", 67: "missing_file"}


def check_surroundings(dialogue: Dialogue) -> Installation:
    """What both tools need: to lie in the install directory, to be run from there [book], by an administrator [book]."""
    process = dialogue.process
    installation = Installation(process.host)
    places = (process.cwd, process.image.rpartition("\\")[0])
    here = _folder(process, installation.install_directory)
    if not here or any(_folder(process, place) != here for place in places):
        raise UnhandledError(
            "System.Runtime.InteropServices.COMException (0x80040154)",
            "Retrieving the COM class factory failed because the DLL MOMSecureStorage.dll is not registered: 80040154 "
            "(REGDB_E_CLASSNOTREG)",
            (f"Microsoft.EnterpriseManagement.{dialogue.tool}.Program.Main(String[] args)",),
        )
    if not process.session.is_admin:
        raise ToolFailedError("not_an_administrator")
    return installation


def _folder(process: Process, path: str) -> str:
    """A path to compare: short names and case do not matter; a share is no local folder."""
    local = process.host.fs.long_path(path) if path[1:2] == ":" else path
    return local.rstrip("\\").lower()


def _body(dialogue: Dialogue) -> None:
    arguments = dialogue.process.argv[1:]
    action = arguments[0].lower() if arguments else ""
    while not arguments and _has_wizard(dialogue):
        dialogue.process.sleep(_AN_HOUR)
    if action not in ("backup", "restore") or len(arguments) != 2:
        raise ToolFailedError("backup_usage", always_one=True)
    installation = check_surroundings(dialogue)
    work = _backup if action == "backup" else _restore
    try:
        work(dialogue, installation, arguments[1])
    except Win32Error as error:
        raise ToolFailedError(
            _FILE_ERRORS.get(error.code, "file_error"), file=arguments[1], reason=error.text
        ) from error


def _has_wizard(dialogue: Dialogue) -> bool:
    installation = Installation(dialogue.process.host)
    version = installation.server_version
    return bool(version) and not is_before_sp1(version) and installation.has_console


def _backup(dialogue: Dialogue, installation: Installation, file: str) -> None:
    key = installation.key
    if key is None:
        raise ToolFailedError("no_key_to_back_up")
    password = dialogue.ask("password", secret=True)
    if len(password) < SHORTEST_PASSWORD:
        raise ToolFailedError("too_short")
    if dialogue.ask("password_again", secret=True) != password:
        raise ToolFailedError("mismatch")
    backup = KeyBackup(key, installation.group, installation.server_version)
    dialogue.process.files.write(file, pack_backup(backup, password))
    dialogue.say("backed_up", file=file)


def _restore(dialogue: Dialogue, installation: Installation, file: str) -> None:
    data = dialogue.process.files.read(file)
    password = dialogue.ask("password", secret=True)
    asks_twice = dialogue.setting("restore_asks_twice", "false").lower() == "true"
    if asks_twice and dialogue.ask("password_again", secret=True) != password:
        raise ToolFailedError("mismatch")
    try:
        written_by = backup_version(data)
        if key_generation(written_by) != key_generation(installation.server_version):
            raise ToolFailedError("other_generation", version=written_by)
        backup = unpack_backup(data, password)
    except NotABackupError as error:
        raise ToolFailedError("not_a_backup", file=file) from error
    except WrongPasswordError as error:
        raise ToolFailedError("wrong_password") from error
    installation.store_key(backup.key)
    dialogue.say("restored", file=file)


secure_storage_backup = tool_program(TOOL, _body)
"""The tool as a program of a simulated host."""
