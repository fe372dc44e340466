# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What clients sent and what the lab did: every request, program and statement, for tests and for people."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any, Literal

Kind = Literal["winrm", "sql", "program"]
Entry = dict[str, Any]


class Recorder:
    """A list of everything that happened, in order, and optionally a file of JSON lines written as it happens."""

    def __init__(self, path: str | Path | None = None) -> None:
        self._lock = threading.Lock()
        self._entries: list[Entry] = []
        self._seq = 0
        self._file = open(path, "a", encoding="utf-8") if path is not None else None  # noqa: SIM115 (lives as long as the recorder)

    def record(self, kind: Kind, host: str, **fields: Any) -> None:
        """Add one entry; ``seq`` and ``time`` (seconds since the epoch) are added here."""
        with self._lock:
            self._seq += 1
            entry: Entry = {"seq": self._seq, "time": time.time(), "kind": kind, "host": host, **fields}
            self._entries.append(entry)
            if self._file is not None:
                self._file.write(json.dumps(entry, default=_readable) + "\n")
                self._file.flush()

    @property
    def entries(self) -> list[Entry]:
        """All entries so far."""
        with self._lock:
            return list(self._entries)

    @property
    def last_seq(self) -> int:
        """The number of the newest entry, 0 without any: a mark to give to :meth:`since`."""
        with self._lock:
            return self._seq

    def since(self, seq: int) -> list[Entry]:
        """The entries after number ``seq``."""
        with self._lock:
            return [entry for entry in self._entries if entry["seq"] > seq]

    def clear(self) -> None:
        """Forget the entries; numbering goes on, and the file keeps what was written."""
        with self._lock:
            self._entries.clear()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None


def _readable(value: Any) -> str:
    """JSON has no bytes: show them as text, one character for each byte."""
    return value.decode("latin-1") if isinstance(value, (bytes, bytearray)) else str(value)
