# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file in which a long task tells how far it is, while the person who waits looks at something else.

This file is private to the collection: others must not import it.
"""

from __future__ import annotations

import re
import time

# Who shows a run names the file here; a task that runs on the same machine finds it.
ENVIRONMENT_VARIABLE = "OPSMGR_RECOVERY_PROGRESS_FILE"

_LINE = re.compile(r"^\S+ (?P<what>.+): (?P<percent>\d+) percent after \d+ seconds$")


def append_progress(path: str, what: str, percent: float, seconds: float) -> None:
    """Add a line. OSError when the file cannot be written."""
    with open(path, "a", encoding="utf-8") as stream:
        stream.write(
            f"{time.strftime('%Y-%m-%dT%H:%M:%S')} {what}: {percent:.0f} percent after {seconds:.0f} seconds\n"
        )


def last_progress(text: str) -> tuple[str, int] | None:
    """What the last whole line of the file's text is about, and its percent; None without one."""
    whole, _newline, _unfinished = text.rpartition("\n")
    found = _LINE.match(whole.rpartition("\n")[2])
    if not found:
        return None
    return found["what"], int(found["percent"])
