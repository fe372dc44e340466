# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""cd, pushd, popd, mkdir, rmdir and changes of drive."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .. import paths
from ..errors import Win32Error
from ..process import Process
from .arguments import parse_arguments, split_words, unquote
from .common import Builtin
from .questions import sure

if TYPE_CHECKING:
    from .interpreter import Interpreter

SYNTAX = "The syntax of the command is incorrect."


def _cd(shell: Interpreter, io: Process, arguments: str) -> int:
    """``cd [/d] path``: blanks need no quotes; another drive's folder is only remembered without ``/d`` [ms]."""
    text = arguments.strip(" \t,;=")
    change_drive = text[:2].lower() == "/d"
    path = unquote(text[2:] if change_drive else text).strip(" ")
    if not path:
        io.say(shell.process.cwd)
        return 0
    if re.fullmatch(r"[A-Za-z]:", path) and not change_drive:
        io.say(_directory_of_drive(shell, path))
        return 0
    if paths.is_unc(io.files.absolute(path)) and path.startswith("\\\\"):
        io.complain(f"'{path}'", "CMD does not support UNC paths as current directories.")
        return 1
    folder = resolve_folder(shell, io, path)
    if change_drive or folder[0].upper() == shell.process.cwd[0].upper():
        enter(shell, folder)
    else:
        shell.drive_directories[folder[0].upper()] = folder
    return 0


def resolve_folder(shell: Interpreter, io: Process, path: str) -> str:
    """The folder as it is stored on disk; error 3 when it is missing, 267 when it is a file."""
    full = paths.absolute(path, shell.process.cwd)
    if re.fullmatch(r"[A-Za-z]:", path):
        full = _directory_of_drive(shell, path)
    node = io.files.lookup(full)
    if node is None:
        raise Win32Error(123 if re.search(r'[<>"|?*]', full) else 3, path)
    if not io.files.is_dir(full):
        raise Win32Error(267, path)
    files, local = io.files.locate(full)
    return files.long_path(local) if local == full else full


def _directory_of_drive(shell: Interpreter, drive: str) -> str:
    letter = drive[0].upper()
    if letter == shell.process.cwd[0].upper():
        return shell.process.cwd
    return shell.drive_directories.get(letter, f"{letter}:\\")


def enter(shell: Interpreter, folder: str) -> None:
    """Make a folder current; what was current stays remembered for its drive."""
    shell.drive_directories[shell.process.cwd[0].upper()] = shell.process.cwd
    shell.process.cwd = folder


def _drive(shell: Interpreter, io: Process, arguments: str) -> int:
    """``D:``."""
    letter = arguments[0].upper()
    if letter not in shell.process.host.fs.volumes and letter not in shell.process.session.mapped:
        raise Win32Error(15, arguments)
    enter(shell, _directory_of_drive(shell, arguments))
    return 0


def _pushd(shell: Interpreter, io: Process, arguments: str) -> int:
    r"""``pushd path``; a share gets a drive letter, from ``Z:`` down [ms]."""
    path = unquote(arguments.strip(" \t,;="))
    if not path:
        io.say(*reversed(shell.directory_stack))
        return 0
    before = shell.process.cwd
    if paths.is_unc(path):
        full = paths.absolute(path, before)
        if not io.files.is_dir(full):
            io.files.node(full)
            raise Win32Error(267, path)
        share = "\\".join(full.split("\\")[:4])
        letter = next(letter for letter in "ZYXWVUTSRQPONMLKJIHGFEDBA" if not _taken(shell, letter))
        shell.process.session.mapped[letter] = share
        enter(shell, f"{letter}:\\" + full[len(share) :].strip("\\"))
    else:
        enter(shell, resolve_folder(shell, io, path))
    shell.directory_stack.append(before)
    return 0


def _taken(shell: Interpreter, letter: str) -> bool:
    return letter in shell.process.host.fs.volumes or letter in shell.process.session.mapped


def _popd(shell: Interpreter, io: Process, arguments: str) -> int:
    """Back; a drive letter that pushd made goes."""
    if not shell.directory_stack:
        return 1
    letter = shell.process.cwd[0].upper()
    enter(shell, shell.directory_stack.pop())
    if shell.process.cwd[0].upper() != letter:
        shell.process.session.mapped.pop(letter, None)
    return 0


def _mkdir(shell: Interpreter, io: Process, arguments: str) -> int:
    """``mkdir paths``: with all folders above."""
    words = [unquote(word) for word in split_words(arguments.replace("/", "\\"))]
    if not words:
        io.complain(SYNTAX)
        return 1
    code = 0
    for word in words:
        try:
            io.files.mkdir(word)
        except Win32Error as error:
            exists = f"A subdirectory or file {word} already exists."
            io.complain(exists if error.code == 183 else error.text)
            if len(words) > 1 and error.code != 183:
                io.complain(f"Error occurred while processing: {word}.")
            code = 1
    return code


def _rmdir(shell: Interpreter, io: Process, arguments: str) -> int:
    """``rmdir [/s [/q]] paths``: the return code is the Win32 error, which only ``||`` shows [field]."""
    found = parse_arguments(arguments)
    if not found.words:
        io.complain(SYNTAX)
        return 1
    code = 0
    for word in found.words:
        if found.has("s") and not found.has("q") and not sure(io, io.files.absolute(word)):
            continue
        try:
            _remove_folder(io, word, recursive=found.has("s"))
        except Win32Error as error:
            io.complain(error.text)
            code = error.code
    return code


def _remove_folder(io: Process, path: str, *, recursive: bool) -> None:
    node = io.files.node(path)
    if not io.files.is_dir(path):
        raise Win32Error(267, node.name)
    full = io.files.absolute(path).rstrip("\\").lower()
    current = [io.cwd, *(process.cwd for process in io.host.running() if process.pid != io.pid)]
    if any((folder.rstrip("\\").lower() + "\\").startswith(full + "\\") for folder in current):
        raise Win32Error(32, path)
    io.files.rmdir(path, recursive=recursive)


COMMANDS: dict[str, Builtin] = {
    "cd": Builtin(_cd),
    "chdir": Builtin(_cd),
    ":": Builtin(_drive),
    "md": Builtin(_mkdir),
    "mkdir": Builtin(_mkdir),
    "popd": Builtin(_popd, sets_on_success=False),
    "pushd": Builtin(_pushd),
    "rd": Builtin(_rmdir, sets_on_success=False, sets_on_error=False),
    "rmdir": Builtin(_rmdir, sets_on_success=False, sets_on_error=False),
}
