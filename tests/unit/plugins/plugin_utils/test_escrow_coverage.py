# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which RMS has a backup that would restore, and what is said of one that has none."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from ansible_collections.opsmgr.recovery.plugins.module_utils.versions import R2, RTM, SP1, ServerVersion
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.store import Entry
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.escrow_coverage import Checked, Coverage, cover
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.observation import ServerObservation

NOW = datetime(2026, 3, 2, 2, 0, tzinfo=timezone.utc)
KEY = "sha256:" + "1" * 64
OTHER_KEY = "sha256:" + "2" * 64
RMS = {
    "computer_name": "HYDRA",
    "management_group": "ODYSSEY",
    "version": str(R2),
    "is_rms": True,
    "key": {"present": True, "fingerprint": KEY},
}


def backup(
    hours: float = 1,
    version: ServerVersion = R2,
    group: str = "ODYSSEY",
    server: str = "HYDRA",
    key: str | None = KEY,
    problem: str | None = None,
) -> Checked:
    entry = Entry(
        "/e/x.key",
        "/e/x.json",
        group,
        server,
        version,
        NOW - timedelta(hours=hours),
        "0" * 64,
        9,
        "none",
        "0" * 64,
        key,
        "1.0.0",
    )
    return Checked(entry, "faulty" if problem else "opened", problem)


def covered(*backups: Checked, trouble: str | None = None, **server: Any) -> Coverage:
    return cover(
        ServerObservation("hydra", None if trouble else {**RMS, **server}, trouble),
        backups,
        NOW - timedelta(hours=48),
        NOW,
    )


@pytest.mark.parametrize(
    "good",
    [backup(), backup(47.9), backup(0), backup(server="DEATHSTING"), backup(key=None)],
    ids=["fresh", "just fresh", "made just now", "made on another server of the group", "from Windows Server 2003"],
)
def test_a_good_backup(good: Checked) -> None:
    assert (covered(good).backup, covered(good).problem) == (good, None)


def test_where_the_server_cannot_tell_its_key() -> None:
    assert covered(backup(key=OTHER_KEY), key={"present": True, "fingerprint": None}).problem is None


def test_a_good_one_behind_a_bad_one_is_enough() -> None:
    good = backup(5)
    assert covered(backup(1, problem="damaged"), backup(2, version=SP1), good).backup is good


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        (backup(49), "the newest backup, of 2026-02-28T01:00:00Z, is too old"),
        (backup(48), "is too old"),
        (backup(problem="x.key: another SHA-256"), "is not usable: x.key: another SHA-256"),
        (backup(key=OTHER_KEY), "is WORTHLESS: it holds another key than the server has now"),
        (
            backup(version=SP1),
            "is WORTHLESS after the upgrade: it was made at version 6.0.6278.0, and the server is at 6.1.7221.0 now",
        ),
        (
            backup(version=RTM),
            "is WORTHLESS after the upgrade: the key backup was made on 2007 RTM (6.0.5000.0), before Service Pack 1, and does not restore",
        ),
    ],
)
def test_a_backup_that_is_not_good_enough(bad: Checked, problem: str) -> None:
    found = covered(bad, backup(99))
    assert found.backup is bad
    assert problem in str(found.problem)
    assert "backup" in found.what_to_do


def test_what_is_dated_in_the_future_covers_nothing_and_hides_nothing() -> None:
    old, fresh = backup(99), backup(1)
    assert covered(backup(-1)).problem == "the newest backup, of 2026-03-02T03:00:00Z, is dated in the future"
    assert covered(backup(-0.01), old).backup is old
    assert (covered(backup(-1), fresh).backup, covered(backup(-1), fresh).problem) == (fresh, None)


def test_the_backups_of_other_groups_are_none() -> None:
    found = covered(backup(group="ILIAD"), backup(group="odyssey"))
    assert (found.backup, found.problem) == (None, "there is no backup of management group ODYSSEY")


@pytest.mark.parametrize(
    ("server", "problem"),
    [
        ({"is_rms": False}, "it is not the RMS by its own registry"),
        ({"management_group": None}, "does not say which management group"),
        ({"version": None}, "does not say which management group and version"),
    ],
)
def test_what_is_no_rms_is_not_covered_by_any_backup(server: dict[str, Any], problem: str) -> None:
    found = covered(backup(), **server)
    assert found.backup is None
    assert problem in str(found.problem)


def test_a_server_that_does_not_answer_is_named_with_what_there_is() -> None:
    newest = backup(server="Hydra.Odyssey.com")
    found = covered(backup(server="KRAKEN"), newest, backup(9), trouble="the server does not answer")
    assert found.backup is newest
    assert (
        found.problem
        == "the server does not answer; its newest backup, of 2026-03-02T01:00:00Z, cannot be compared with it"
    )
    assert covered(trouble="gone").problem == "gone; there is no backup that was made on it"
