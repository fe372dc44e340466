# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Times in results: UTC, to the second, so that their texts sort as they do.

This file is private to the collection: others must not import it.
"""

from __future__ import annotations

from datetime import datetime, timezone

_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


def now_text() -> str:
    """The present time, such as C(2026-01-31T02:03:04Z)."""
    return text_of(datetime.now(timezone.utc))


def text_of(time: datetime) -> str:
    """A time in UTC as such a text."""
    return time.strftime(_FORMAT)


def moment(text: str) -> datetime:
    """The time of such a text, without a time zone as SQL Server has it. Raises ValueError for another text."""
    return datetime.strptime(text, _FORMAT)


def seconds_between(earlier: str, later: str) -> float:
    """Seconds from one such text to the other. Raises ValueError for another text."""
    return (moment(later) - moment(earlier)).total_seconds()
