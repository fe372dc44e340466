# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a long statement of SQL Server is, asked over a second connection while the first one waits for it.

This file is private to the collection: others must not import it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.module_utils.progress_file import append_progress
from ansible_collections.opsmgr.recovery.plugins.module_utils.sql_options import SqlOptions
from ansible_collections.opsmgr.recovery.plugins.module_utils.sqlserver import SqlConnection, SqlError, connect

OWN_SESSION = "SELECT CAST(@@SPID AS int) AS number"

# Needs VIEW SERVER STATE for another session than one's own [ms].
PERCENT = "SELECT percent_complete FROM sys.dm_exec_requests WHERE session_id = ?"

_STEP_PERCENT = 5


@dataclass
class Progress:
    """Milestones of one statement: percent, and seconds since it began. C(problem) says why there are none."""

    milestones: list[dict[str, float]] = field(default_factory=list)
    problem: str | None = None
    file: str | None = None
    interval_seconds: float = 1.0

    def note(self, percent: float, seconds: float, what: str) -> None:
        """Keep a sample, if it is further by a step than the last one kept; and tell it in the progress file."""
        if self.milestones and percent < self.milestones[-1]["percent"] + _STEP_PERCENT:
            return
        self.milestones.append({"percent": round(percent, 1), "seconds": round(seconds, 1)})
        self._tell(what, percent, seconds)

    def finish(self, seconds: float, what: str) -> None:
        """The statement ended well."""
        self.milestones.append({"percent": 100.0, "seconds": round(seconds, 1)})
        self._tell(what, 100, seconds)

    def _tell(self, what: str, percent: float, seconds: float) -> None:
        if self.file is None:
            return
        try:
            append_progress(self.file, what, percent, seconds)
        except OSError as error:
            # Not worth a failed backup.
            self.problem = f"The progress file {self.file} cannot be written: {error.strerror}."
            self.file = None


@contextmanager
def watched(connection: SqlConnection, options: SqlOptions, progress: Progress, what: str) -> Iterator[None]:
    """While the block runs statements on C(connection), sample their progress. Whatever goes wrong with that stays in
    C(progress).
    """
    number, started, ended = _session_number(connection), time.monotonic(), threading.Event()
    watcher = threading.Thread(
        target=_watch, args=(number, replace(options, database="master"), progress, what, ended), daemon=True
    )
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join(options.connect_timeout + progress.interval_seconds)
    progress.finish(time.monotonic() - started, what)


def _session_number(connection: SqlConnection) -> int:
    return int(connection.rows(OWN_SESSION)[0]["number"])


def _watch(number: int, options: SqlOptions, progress: Progress, what: str, ended: threading.Event) -> None:
    started = time.monotonic()
    # A short statement is over before the first look, and costs no second connection.
    if ended.wait(progress.interval_seconds):
        return
    try:
        with connect(options, query_timeout_seconds=options.connect_timeout) as watching:
            while not ended.wait(progress.interval_seconds):
                for row in watching.rows(PERCENT, number):
                    progress.note(float(row["percent_complete"]), time.monotonic() - started, what)
    except SqlError as error:
        progress.problem = f"The progress could not be read: {error.reason}."
    except OpsmgrError as error:
        progress.problem = f"The progress could not be read: {error.found}."
