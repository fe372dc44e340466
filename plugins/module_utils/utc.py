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
    return datetime.now(timezone.utc).strftime(_FORMAT)


def seconds_between(earlier: str, later: str) -> float:
    """Seconds from one such text to the other. Raises ValueError for another text."""
    return (datetime.strptime(later, _FORMAT) - datetime.strptime(earlier, _FORMAT)).total_seconds()
