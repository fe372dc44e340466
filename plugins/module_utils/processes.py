# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which process is it, and does it still work? On Linux, by /proc; elsewhere nothing is known, and nothing is claimed.

The number of a process is used again, even on the same machine, and each container counts for itself. So a process is
its number, the moment at which it started, the boot of the kernel that runs it, and the namespace of its number.

This file is private to the collection: others must not import it.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

PROC = Path("/proc")
_MACHINE_ID = Path("/etc/machine-id")
# The namespace that the kernel starts with has always this number (PROC_PID_INIT_INO of the kernel): no container, so
# that the machine's identity is the machine's.
INITIAL_NAMESPACE = 0xEFFFFFFC
# Fields of /proc/PID/stat behind the name: parent and start time in ticks since the boot [proc(5)].
_PARENT, _STARTED = 1, 19
_ENDED = ("Z", "X", "x")

WORKS, LEFT_CHILDREN, GONE = "works", "left_children", "gone"


@dataclass(frozen=True)
class Process:
    """A process that can be told from any other. C(command) is 16 bits of its command line's checksum: enough to know
    children by, too few to guess from.
    """

    boot: str
    namespace: int
    machine: str
    pid: int
    started: int
    command: int = 0

    def is_same(self, other: Process) -> bool:
        """Whether it is the same process."""
        return replace(self, command=0, machine="") == replace(other, command=0, machine="")

    def is_on_same_kernel(self, other: Process) -> bool:
        """Whether both are seen in one table of processes."""
        return (self.boot, self.namespace) == (other.boot, other.namespace)

    def ended_with_boot_before(self, other: Process) -> bool:
        """Whether the machine was started again since: the same machine, in no container, and another boot."""
        same = self.machine == other.machine and self.machine != ""
        return same and self.namespace == other.namespace == INITIAL_NAMESPACE and self.boot != other.boot


@dataclass(frozen=True)
class _Entry:
    """One process in the table."""

    pid: int
    state: str
    parent: int
    started: int


def describe_process(pid: int, proc: Path = PROC) -> Process | None:
    """The process of that number here, or None where that cannot be told."""
    entry = _entry(proc, pid)
    if entry is None:
        return None
    try:
        boot = (proc / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        namespace = int(os.readlink(proc / "self/ns/pid").rpartition("[")[2].rstrip("]"))
    except (OSError, ValueError):
        return None
    return Process(boot, namespace, _machine(), pid, entry.started, _command(proc, pid))


def look_for(wanted: Process, seen_from: Process, proc: Path = PROC) -> str | None:
    """Whether a process works, is gone, or is gone and has left another behind that it forked. None when that cannot be
    told from here.

    C(seen_from) is a process of this run, whose own children are none of the other's.
    """
    here = describe_process(os.getpid(), proc)
    if here is None:
        return None
    if not here.is_on_same_kernel(wanted):
        if wanted.ended_with_boot_before(here):
            return GONE
        return None
    table = {entry.pid: entry for entry in _entries(proc)}
    if 1 not in table:
        # Processes of other users are hidden here (hidepid): what is not seen may be there.
        return None
    itself = table.get(wanted.pid)
    if itself is not None and itself.started == wanted.started and itself.state not in _ENDED:
        return WORKS
    for _orphan in _orphans(wanted, seen_from, table, proc):
        return LEFT_CHILDREN
    return GONE


def _orphans(wanted: Process, seen_from: Process, table: dict[int, _Entry], proc: Path) -> Iterable[_Entry]:
    """What forked from it and did not become another program: such a process has its command line, and started later."""
    for entry in table.values():
        may_be = (
            entry.started >= wanted.started
            and entry.state not in _ENDED
            and not _is_below(entry.pid, seen_from.pid, table)
        )
        if may_be and wanted.command and _command(proc, entry.pid) == wanted.command:
            yield entry


def _is_below(pid: int, ancestor: int, table: dict[int, _Entry]) -> bool:
    seen: set[int] = set()
    while pid not in seen:
        if pid == ancestor:
            return True
        if pid not in table:
            return False
        seen.add(pid)
        pid = table[pid].parent
    return False


def _entries(proc: Path) -> Iterable[_Entry]:
    for name in os.listdir(proc):
        if not name.isdecimal():
            continue
        entry = _entry(proc, int(name))
        if entry is not None:
            yield entry


def _entry(proc: Path, pid: int) -> _Entry | None:
    try:
        text = (proc / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
        # The name stands in parentheses, and may contain them.
        fields = text.rpartition(")")[2].split()
        return _Entry(pid, fields[0], int(fields[_PARENT]), int(fields[_STARTED]))
    except (OSError, ValueError, IndexError):
        return None


def _command(proc: Path, pid: int) -> int:
    """0 when it does not exist or cannot be read."""
    try:
        text = (proc / str(pid) / "cmdline").read_bytes()
    except OSError:
        return 0
    if not text:
        return 0
    return zlib.crc32(text) & 0xFFFF or 1


def _machine() -> str:
    """The machine's identity, hashed as machine-id(5) wants it where others see it."""
    try:
        identity = _MACHINE_ID.read_bytes().strip()
    except OSError:
        return ""
    if not identity:
        return ""
    return hashlib.sha256(b"opsmgr.recovery" + identity).hexdigest()[:16]
