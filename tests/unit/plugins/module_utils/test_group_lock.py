# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose the lock of a management group is: every case of a decision that lets a second run in or keeps it out."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.opsmgr.recovery.plugins.module_utils import group_lock
from ansible_collections.opsmgr.recovery.plugins.module_utils.group_lock import (
    FIRST,
    FREE,
    HELD,
    LEFT,
    LOST,
    OURS,
    Lock,
    Run,
)
from ansible_collections.opsmgr.recovery.plugins.module_utils.processes import Process

NOW = datetime(2026, 1, 31, 2, 3, 4)
PROCESS = Process("boot", 7, "machine", 4242, 1000, 77)
OTHER = replace(PROCESS, pid=4300)
OUR = Run("a" * 16, "opsadmin", "control1", "failover", "deathsting", PROCESS)
THEIR = Run("b" * 16, "somebody", "control2", "failover", "jupiter", OTHER)


def lock(run: Run | None = THEIR, age: int = 60, lease: int = 3600, name: str = FIRST) -> Lock:
    since = NOW - timedelta(seconds=age)
    return Lock(name, run.run_id, run, since, since, lease) if run else Lock(name, "c" * 16)


@pytest.mark.parametrize(
    ("found", "alive", "more", "kind"),
    [
        (None, None, {}, FREE),
        (lock(OUR), True, {}, OURS),
        (lock(OUR, age=9999), None, {"renews": True}, OURS),
        (lock(replace(THEIR, process=PROCESS, target="deathsting")), True, {}, OURS),
        (lock(replace(THEIR, process=PROCESS)), True, {}, HELD),
        (lock(replace(THEIR, process=PROCESS)), True, {"run": replace(OUR, target="")}, OURS),
        (lock(), True, {"run": replace(OUR, target="")}, HELD),
        (lock(), True, {}, HELD),
        (lock(age=9999), True, {}, HELD),
        (lock(), None, {}, HELD),
        (lock(age=3599), None, {}, HELD),
        (lock(age=3600), None, {}, LEFT),
        (lock(age=-60), None, {}, HELD),
        (lock(), False, {}, LEFT),
        (lock(replace(THEIR, process=None), age=3599), None, {}, HELD),
        (lock(), None, {"break_lock": "b" * 16}, LEFT),
        (lock(), True, {"break_lock": "b" * 16}, LEFT),
        (lock(), None, {"break_lock": "a" * 16}, HELD),
        (lock(None), None, {}, HELD),
        (lock(None), None, {"break_lock": "c" * 16}, LEFT),
        (None, None, {"renews": True}, LOST),
        (lock(), None, {"renews": True}, LOST),
        (lock(), False, {"renews": True}, LOST),
        (lock(), None, {"renews": True, "break_lock": "b" * 16}, LOST),
    ],
)
def test_what_a_lock_means(found: Lock | None, alive: bool | None, more: dict[str, Any], kind: str) -> None:
    verdict = group_lock.judge(found, now=NOW, alive=alive, **{"run": OUR, **more})
    assert verdict.kind == kind
    if kind in (HELD, LEFT) and found is not None and found.run is not None:
        for word in (found.run.user, found.run.controller, found.run.target, "since 2026-01-3"):
            assert word in verdict.why


def note(run: Run = THEIR) -> str:
    return text(lock(run))


def text(found: Lock) -> str:
    assert found.run is not None
    assert found.since is not None
    assert found.renewed is not None
    return group_lock.write(found.run, found.since, found.renewed, found.lease)


def test_a_note_is_read_as_it_was_written() -> None:
    assert group_lock.read(FIRST, note()) == lock()
    assert group_lock.read(FIRST, note(replace(THEIR, process=None))).run == replace(THEIR, process=None)


def test_a_note_fits_into_a_property_and_a_text_of_others_into_a_line() -> None:
    wide = '\U0001f600"\\\n' * 500
    written = note(Run("a" * 16, wide, wide, wide, wide, PROCESS))
    assert len(written.encode("utf-16-le")) <= 7500
    run = group_lock.read(FIRST, written).run
    assert run is not None
    assert "\n" not in run.user


WRONG: list[Any] = [
    "", "x", "[]", "null", "{}", "1e999", "[" * 100000,
    *({"lease": value} for value in (0, -1, True, "3600", 10**9, 1.5, None)),
    *({"since": value} for value in (None, 5, "yesterday")),
    *({"run_id": value} for value in (None, "", "x" * 16, "a" * 17, "'; DROP --")),
    *({"user": value} for value in (None, 7, {})),
    *({"process": value} for value in (7, "x", {}, {"pid": 1})),
]  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: str(wrong)[:30])
def test_a_note_that_makes_no_sense_is_somebody_elses(wrong: Any) -> None:
    found = group_lock.read(FIRST, wrong if isinstance(wrong, str) else json.dumps({**json.loads(note()), **wrong}))
    assert (found.run, found.until) == (None, None)
    assert group_lock.judge(found, OUR, NOW, None).kind == HELD
    assert group_lock.judge(found, OUR, NOW, None, break_lock=found.key).kind == LEFT


@settings(max_examples=50, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_anything_is_read(value: Any) -> None:
    assert group_lock.read(FIRST, json.dumps(value)).run is None


def test_the_last_of_the_chain_counts_and_a_note_for_a_lock_that_is_gone_does_not() -> None:
    first, second = lock(THEIR), lock(OUR, name=f"{FIRST}.{'b' * 16}")
    late = lock(replace(OUR, run_id="e" * 16), name=f"{FIRST}.{'d' * 16}")
    notes = {each.name: text(each) for each in (first, second, late)}
    assert group_lock.holder_of(notes) == second
    assert group_lock.holder_of({FIRST: notes[FIRST], late.name: notes[late.name]}) == first
    assert group_lock.holder_of({late.name: notes[late.name]}) is None
    circle = lock(THEIR, name=second.name)
    assert group_lock.holder_of({FIRST: text(first), circle.name: text(circle)}) is not None
