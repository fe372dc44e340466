# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""del and erase."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import paths
from ..errors import Win32Error
from ..filesystem import Directory, File
from ..process import Process
from .arguments import Arguments, parse_arguments
from .common import Builtin
from .questions import sure

if TYPE_CHECKING:
    from .interpreter import Interpreter


def _del(shell: Interpreter, io: Process, arguments: str) -> int:
    """``del [/f] [/q] [/s] paths``: a folder means all files in it.

    The return code says nothing of files that are missing, in use or read-only: it is 0 for them [field]; 1 for a path
    that cannot be.
    """
    found = parse_arguments(arguments)
    if not found.words:
        io.complain("The syntax of the command is incorrect.")
        return 1
    return max([_delete_one(io, word, found) for word in found.words])


def _delete_one(io: Process, word: str, options: Arguments) -> int:
    path = paths.join(word, "*") if io.files.is_dir(word) else word
    full = io.files.absolute(path)
    folder, _backslash, name = full.rpartition("\\")
    folder = folder + "\\" if len(folder) == 2 else folder
    if name in ("*", "*.*") and not options.has("q") and not sure(io, full):
        return 0
    try:
        deleted = _delete_in(io, folder, name, options)
    except Win32Error as error:
        io.complain(error.text)
        return 1
    if not deleted:
        io.complain(f"Could Not Find {full}")
    return 0


def _delete_in(io: Process, folder: str, name: str, options: Arguments) -> int:
    """Delete in one folder, with ``/s`` below it too; how many files fitted."""
    count = 0
    for entry in io.files.entries(folder):
        path = paths.join(folder, entry.name)
        if isinstance(entry, Directory):
            count += _delete_in(io, path, name, options) if options.has("s") else 0
        elif _fits(entry, name, options):
            count += 1
            _delete_file(io, path, options)
    return count


def _fits(entry: File, name: str, options: Arguments) -> bool:
    hidden_wanted = any(switch.startswith("a") for switch in options.switches)
    fits = paths.matches(name, entry.name, entry.short) if paths.has_wildcard(name) else _same(entry, name)
    return fits and (hidden_wanted or not (entry.hidden or entry.system))


def _same(entry: File, name: str) -> bool:
    return name.lower() in (entry.name.lower(), entry.short.lower())


def _delete_file(io: Process, path: str, options: Arguments) -> None:
    try:
        io.files.remove(path, force=options.has("f"))
    except Win32Error as error:
        io.complain(path, error.text)
    else:
        if options.has("s"):
            io.say(f"Deleted file - {path}")


COMMANDS: dict[str, Builtin] = {"del": Builtin(_del), "erase": Builtin(_del)}
