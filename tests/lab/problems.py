# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the operating system refuses, as a sentence for the person at the keyboard."""

from __future__ import annotations

import errno
import os
import pwd
from pathlib import Path


class UserError(Exception):
    """Something to tell the person at the keyboard, without a traceback."""


def explained(error: OSError) -> str:
    """What could not be done, and what to do about it."""
    place = str(error.filename or "")
    said = f"{place}: {error.strerror}" if place else str(error)
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{said}{_owner(Path(place))}. Use a directory that you can write to, or a checkout of your own"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{said}. Free some space, or use a directory on another disk"
    return said


def _owner(path: Path) -> str:
    """Whose a path, or what is there of it, is; nothing where it is one's own."""
    for place in (path, *path.parents):
        try:
            owner = place.stat().st_uid
        except OSError:
            continue
        return "" if owner == os.geteuid() else f" (it is {_name(owner)}'s)"
    return ""


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"
