# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole failovers over a network that resets 2 % of all messages: none is refused for a reset in a look, none says what
is not true.

SWEEP_SEEDS=1-20 takes some of the seeds only. SWEEP_LOG names a file that gets a JSON line for each run.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from playing import Player
from resets import suffer_resets

FIRST, _dash, LAST = os.environ.get("SWEEP_SEEDS", "1-200").partition("-")


@pytest.mark.parametrize("seed", range(int(FIRST), int(LAST or FIRST) + 1))
def test_resets_all_the_way(odyssey: Player, record_property: pytest.RecordProperty, seed: int) -> None:
    told = suffer_resets(odyssey, seed)
    record_property("resets", "ended well" if told.ended_well else f"says {told.said}")
    if "SWEEP_LOG" in os.environ:
        with open(Path(os.environ["SWEEP_LOG"]), "a", encoding="utf-8") as file:
            file.write(json.dumps(vars(told)) + "\n")
    assert told.problems == []
