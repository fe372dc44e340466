# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that is killed at an awkward moment is finished by the next one. Every moment: tests/soak."""

from __future__ import annotations

import pytest
from playing import Player, promotions

from lab.drill import unproven

CONFIG_TOOL = "managementserverconfigtool"
MOMENTS = {
    "while the key is backed up": "Back up the key from the RMS into the escrow+0.5",
    "while the old RMS stops": "so that nothing writes while the role moves+0.6",
    "at the question of the promotion": "promote this server to the RMS+0.45",
    "while the role moves": "promote this server to the RMS+0.7",
    "when the role has moved": "Start the services of the new RMS",
    "while the former RMS is demoted": "Make the former RMS an ordinary management server+0.5",
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_the_next_run_finishes_it(odyssey: Player, moment: str) -> None:
    odyssey.play(cut=MOMENTS[moment])
    run = odyssey.play()
    assert run.ended_well, run.output
    assert unproven(odyssey.lab.dump()) == []
    assert promotions(odyssey) == 1
    assert odyssey.play().changed == 0


@pytest.mark.parametrize("answered", [False, True], ids=["not answered yet", "answered"])
def test_a_promotion_that_still_runs_is_ended_or_waited_for(odyssey: Player, answered: bool) -> None:
    """The run is killed while the tool waits for its answer, or works for long after it: the next run knows which."""
    odyssey.lab.hosts["deathsting"].settings["promote_seconds"] = 6
    tool = odyssey.lab.hosts["deathsting"]
    odyssey.play(
        cut_when=lambda: (
            promotions(odyssey) > 0 if answered else CONFIG_TOOL in [process.name.lower() for process in tool.running()]
        ),
        **({} if answered else {"rms_failover_promotion_prompt": "a question that never comes"}),
    )
    assert odyssey.lab.dump()["groups"]["ODYSSEY"]["roles"]["deathsting"] == "management_server"
    run = odyssey.play()
    assert run.ended_well, run.output
    assert unproven(odyssey.lab.dump()) == []
    assert promotions(odyssey) == 1
