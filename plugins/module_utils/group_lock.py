# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose the lock of a management group is, and whether it may be taken: pure decisions over what was read.

A lock is a note on the operational database, written by another run, perhaps of another version, perhaps by nobody we
know: it is untrusted.

This file is private to the collection: others must not import it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from ansible_collections.opsmgr.recovery.plugins.module_utils.extended_properties import LONGEST_VALUE, PREFIX
from ansible_collections.opsmgr.recovery.plugins.module_utils.processes import Process
from ansible_collections.opsmgr.recovery.plugins.module_utils.utc import moment, text_of

# The first lock. Whoever takes one over adds a note whose name ends in the identity of the run that had it.
FIRST = PREFIX + "lock"

LONGEST_LEASE = 7 * 24 * 3600
# What the parts of a note may be at most, so that the whole fits into a property.
_LONGEST_TEXT = 200
_RUN_ID = re.compile(r"[0-9a-f]{16}\Z")

FREE, OURS, LEFT, HELD, LOST = "free", "ours", "left", "held", "lost"


@dataclass(frozen=True)
class Run:
    """A run that wants the lock or has it: which, who, where, and what for.

    C(process) is None where processes cannot be told from each other. C(target) is empty for a run that only lets go
    what it has.
    """

    run_id: str
    user: str
    controller: str
    purpose: str
    target: str
    process: Process | None = None


@dataclass(frozen=True)
class Lock:
    """A lock as it was read. C(run) is None when the note makes no sense; C(key) names it all the same. Times are the
    SQL Server's, in UTC.
    """

    name: str
    key: str
    run: Run | None = None
    since: datetime | None = None
    renewed: datetime | None = None
    lease: int = 0

    @property
    def until(self) -> datetime | None:
        """When it is over unless it is renewed; None when that is not known."""
        if self.renewed is None:
            return None
        return self.renewed + timedelta(seconds=self.lease)

    @property
    def successor(self) -> str:
        """The name of the note of whoever takes it over."""
        return f"{FIRST}.{self.key}"


@dataclass(frozen=True)
class LockVerdict:
    """What a lock means for this run: C(kind) is C(free), C(ours), C(left), C(held) or C(lost); C(why) says what is
    known of its holder.
    """

    kind: str
    why: str = ""


def write(run: Run, since: datetime, renewed: datetime, lease: int) -> str:
    """The text of a note."""
    texts = {name: _bounded(getattr(run, name)) for name in ("user", "controller", "purpose", "target")}
    note = {**asdict(run), **texts, "since": text_of(since), "renewed": text_of(renewed), "lease": lease}
    return json.dumps(note, sort_keys=True, ensure_ascii=False)


def read(name: str, text: str) -> Lock:
    """A note as a lock. What makes no sense is a lock of somebody unknown."""
    unknown = Lock(name, hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16])
    if len(text) > LONGEST_VALUE:
        return unknown
    try:
        note = json.loads(text)
        run = _run(note)
        lease = note["lease"]
        if not is_whole_number(lease) or not 0 < lease <= LONGEST_LEASE:
            return unknown
        return Lock(name, run.run_id, run, moment(str(note["since"])), moment(str(note["renewed"])), lease)
    except (ValueError, TypeError, LookupError, RecursionError):
        return unknown


def holder_of(notes: Mapping[str, str]) -> Lock | None:
    """The lock that counts among the notes of a database: the last of the chain that begins with the first lock, or
    None when there is no first.

    Every takeover names the run that it took the lock from. So a note that was written for a lock that is gone by now
    holds nothing.
    """
    by_name = {name.lower(): (name, text) for name, text in notes.items()}
    found: Lock | None = None
    name = FIRST
    while name in by_name:
        found = read(*by_name.pop(name))
        name = found.successor
    return found


def judge(
    lock: Lock | None,
    run: Run,
    now: datetime,
    alive: bool | None,
    *,
    renews: bool = False,
    break_lock: str | None = None,
) -> LockVerdict:
    """What a lock means for a run. C(alive) tells whether the process that holds it still works, None when that cannot
    be told from here.

    C(renews) is for a run that has taken the lock before: it must still have it.
    """
    if lock is not None and lock.run is not None and lock.run.run_id == run.run_id:
        return LockVerdict(OURS)
    if lock is None and renews:
        return LockVerdict(LOST, "nobody holds it")
    if lock is None:
        return LockVerdict(FREE)
    if renews:
        return LockVerdict(LOST, f"it is held by {described(lock)}")
    if _is_same_process(lock.run, run):
        if lock.run is not None and run.target in ("", lock.run.target):
            return LockVerdict(OURS)
        return LockVerdict(HELD, f"this very run of Ansible holds it: {described(lock)}")
    if break_lock == lock.key:
        return LockVerdict(LEFT, f"{described(lock)}, and break_lock names it")
    if alive is False:
        return LockVerdict(LEFT, f"{described(lock)}, and that process is gone")
    if alive is None and lock.until is not None and lock.until <= now:
        return LockVerdict(LEFT, f"{described(lock)}, and it was not renewed until {text_of(lock.until)}")
    return LockVerdict(HELD, f"it is held by {described(lock)}")


def described(lock: Lock) -> str:
    """Whose a lock is and since when, for a sentence."""
    if lock.run is None or lock.since is None:
        return f"somebody unknown (the note {lock.name} on the database makes no sense to this version)"
    where = f"{lock.run.user} on controller {lock.run.controller}"
    if lock.run.process is not None:
        where += f", process {lock.run.process.pid}"
    return f"{where}, for {lock.run.purpose} (target {lock.run.target}), since {text_of(lock.since)}"


def lock_result(lock: Lock | None) -> dict[str, Any] | None:
    """A lock, for a module's result."""
    if lock is None:
        return None
    run = lock.run
    return {
        "run_id": lock.key,
        "user": run and run.user,
        "controller": run and run.controller,
        "pid": run and run.process and run.process.pid,
        "purpose": run and run.purpose,
        "target": run and run.target,
        "since": lock.since and text_of(lock.since),
        "until": lock.until and text_of(lock.until),
    }


def process_from(given: Mapping[str, Any] | None) -> Process | None:
    """A process from a note or from options. Raises ValueError, TypeError or LookupError for anything else."""
    if given is None:
        return None
    values = {each.name: given[each.name] for each in fields(Process)}
    for name in ("boot", "machine"):
        if not isinstance(values[name], str) or len(values[name]) > _LONGEST_TEXT:
            raise ValueError(name)
    for name in ("namespace", "pid", "started", "command"):
        if not is_whole_number(values[name]) or not 0 <= values[name] < 2**63:
            raise ValueError(name)
    return Process(**values)


def is_whole_number(value: Any) -> bool:
    """Whether a value from JSON is a whole number; C(true) is not one."""
    return isinstance(value, int) and not isinstance(value, bool)


def _run(note: Any) -> Run:
    if not isinstance(note["run_id"], str) or not _RUN_ID.match(note["run_id"]):
        raise ValueError("run_id")
    texts = {name: note[name] for name in ("user", "controller", "purpose", "target")}
    if not all(isinstance(text, str) for text in texts.values()):
        raise TypeError("text")
    return Run(
        note["run_id"], **{name: _bounded(text) for name, text in texts.items()}, process=process_from(note["process"])
    )


def _is_same_process(holder: Run | None, run: Run) -> bool:
    return (
        holder is not None
        and holder.process is not None
        and run.process is not None
        and holder.process.is_same(run.process)
    )


def _bounded(text: str) -> str:
    """A text of others as it may stand in a sentence: one line, of letters that can be seen, and not endless."""
    seen = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(seen.split())[:_LONGEST_TEXT] or "unknown"
