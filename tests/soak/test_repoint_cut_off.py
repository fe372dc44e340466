# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pointing the reporting server at another RMS, cut off at every command."""

from __future__ import annotations

import pytest
from playing import Player
from test_repoint import cut_off_and_rerun


@pytest.mark.parametrize("lost", ["", "after"], ids=["before it ran", "with its answer"])
def test_cut_off_anywhere_a_rerun_finishes_it(odyssey: Player, lost: str) -> None:
    cut_off_and_rerun(odyssey, lost, range(2, 11))
