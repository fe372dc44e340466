# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for what a test needs to have happened. How long that takes decides nothing: a machine with other work to do
is slow.
"""

from __future__ import annotations

import time
from collections.abc import Callable

LONG_ENOUGH_SECONDS = 120


def until(condition: Callable[[], object]) -> None:
    """Wait until it is so, and fail if that never happens."""
    deadline = time.monotonic() + LONG_ENOUGH_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"this has not become true in {LONG_ENOUGH_SECONDS} seconds"
        time.sleep(0.01)
