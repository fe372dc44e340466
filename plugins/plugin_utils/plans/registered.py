# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tasks registered.

Private to opsmgr.recovery.
"""

from __future__ import annotations

import typing as t

Result = t.Mapping[str, t.Any]


def loop_results(registered: Result | None) -> list[Result]:
    """What a task registered, one result for each item of its loop; of a task without a loop, its only one."""
    if not registered:
        return []
    return results_that_ran(registered.get("results", [registered]))


def results_that_ran(results: t.Iterable[Result]) -> list[Result]:
    """Without those of the items that were skipped."""
    return [result for result in results if not result.get("skipped")]
