# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a long task is, from the one who does it to the one who shows it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.opsmgr.recovery.plugins.module_utils.progress_file import (
    ENVIRONMENT_VARIABLE,
    append_progress,
    last_progress,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.runbook.progress import ProgressFile


@pytest.fixture
def progress(monkeypatch: pytest.MonkeyPatch) -> ProgressFile:
    monkeypatch.delenv(ENVIRONMENT_VARIABLE, raising=False)
    return ProgressFile()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", None),
        (
            "2026-01-31T02:03:04 BACKUP of Operations: Manager: 40 percent after 3 seconds\n",
            ("BACKUP of Operations: Manager", 40),
        ),
        (
            "2026-01-31T02:03:04 BACKUP of OM: 40 percent after 3 seconds\n2026-01-31T02:03:05 BACKUP of OM: 45 perc",
            ("BACKUP of OM", 40),
        ),
        ("2026-01-31T02:03:04 BACKUP of OM: 40 perc", None),
        ("something that somebody else wrote\n", None),
    ],
)
def test_only_whole_lines_count(text: str, found: tuple[str, int] | None) -> None:
    assert last_progress(text) == found


def test_what_is_told_is_seen(progress: ProgressFile) -> None:
    path = os.environ[ENVIRONMENT_VARIABLE]
    assert Path(path).stat().st_mode & 0o077 == 0
    assert progress.last() is None
    append_progress(path, "BACKUP of OM", 39.6, 3.2)
    assert progress.last() == ("BACKUP of OM", 40)
    progress.forget()
    assert progress.last() is None
    append_progress(path, "RESTORE of OM", 5, 1)
    assert progress.last() == ("RESTORE of OM", 5)
    progress.remove()
    assert not Path(path).exists()
    assert ENVIRONMENT_VARIABLE not in os.environ
    assert progress.last() is None


def test_a_file_that_somebody_else_chose_is_used_and_left_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    theirs = tmp_path / "progress"
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(theirs))
    progress = ProgressFile()
    append_progress(str(theirs), "BACKUP of OM", 5, 1)
    assert progress.last() == ("BACKUP of OM", 5)
    progress.remove()
    assert theirs.exists()
    assert os.environ[ENVIRONMENT_VARIABLE] == str(theirs)
