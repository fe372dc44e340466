# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which key a server got from which backup, by the mark that the restore left there."""

from __future__ import annotations

import pytest

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.restored_key import ABSENT, RestoreMark, read_mark

FILE, OTHER_FILE, KEY, OTHER_KEY = ("sha256:" + digit * 64 for digit in "abcd")


@pytest.mark.parametrize(
    ("mark", "source", "fingerprint", "proves"),
    [
        (RestoreMark(FILE, ABSENT, KEY), FILE, KEY, True),
        (RestoreMark(FILE, KEY, KEY), FILE, KEY, True),
        (RestoreMark(FILE, ABSENT, KEY), OTHER_FILE, KEY, False),
        (RestoreMark(FILE, ABSENT, KEY), FILE, OTHER_KEY, False),
        (RestoreMark(FILE, ABSENT, KEY), None, KEY, False),
        (RestoreMark(FILE, ABSENT, KEY), FILE, None, False),
        # The run was cut off while the tool ran.
        (RestoreMark(FILE, ABSENT, None), FILE, KEY, True),
        (RestoreMark(FILE, OTHER_KEY, None), FILE, KEY, True),
        (RestoreMark(FILE, KEY, None), FILE, KEY, False),
        (RestoreMark(FILE, None, None), FILE, KEY, False),
        (RestoreMark(None, ABSENT, None), None, KEY, False),
        (RestoreMark(), FILE, KEY, False),
    ],
)
def test_what_a_mark_proves(mark: RestoreMark, source: str | None, fingerprint: str | None, proves: bool) -> None:
    assert mark.proves(source, fingerprint) is proves


@pytest.mark.parametrize(
    ("lines", "mark"),
    [
        ([("RestoredFrom", FILE), ("KeyBefore", ABSENT), ("KeyAfter", KEY)], RestoreMark(FILE, ABSENT, KEY)),
        ([("restoredfrom", FILE), ("KeyBefore", KEY)], RestoreMark(FILE, KEY, None)),
        ([("RestoredFrom", "C:\\key.bin"), ("KeyBefore", "none"), ("KeyAfter", ABSENT)], RestoreMark()),
        ([], RestoreMark()),
    ],
)
def test_a_mark_is_read_and_what_is_not_understood_is_not_there(
    lines: list[tuple[str, str]], mark: RestoreMark
) -> None:
    text = "\r\nHKEY_LOCAL_MACHINE\\SOFTWARE\\opsmgr.recovery.key\r\n" + "".join(
        f"    {name}    REG_SZ    {data}\r\n" for name, data in lines
    )
    assert read_mark(text) == mark
