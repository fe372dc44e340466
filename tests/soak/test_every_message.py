# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every mishap at every WinRM message of the promotion and of the demotion: the last sentence about the role is true,
and one clean rerun finishes it.

SWEEP_EVERY=5 takes every fifth message only. SWEEP_LOG names a file that gets a JSON line for each case.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from labs import StartLab
from sweeping import DEMOTION, MISHAPS, PROMOTION, SMALL, Sweep

EVERY = int(os.environ.get("SWEEP_EVERY", "1"))
LOG = Path(os.environ["SWEEP_LOG"]) if "SWEEP_LOG" in os.environ else None


@pytest.mark.parametrize("mishap", MISHAPS)
@pytest.mark.parametrize("task", [PROMOTION, DEMOTION], ids=["promotion", "demotion"])
def test_the_last_sentence_is_true(
    start_lab: StartLab, record_property: pytest.RecordProperty, task: str, mishap: str
) -> None:
    sweep = Sweep(start_lab("odyssey", SMALL), task)
    try:
        sweep.run([mishap], range(1, len(sweep.messages) + 1, EVERY), LOG)
    finally:
        sweep.close()
        record_property("counts", sweep.table())
    assert sweep.problems == []
