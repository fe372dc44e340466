# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run says about the role is true when the answer Y, or what follows it, is lost or damaged. Every message:
tests/soak.
"""

from __future__ import annotations

from labs import StartLab
from sweeping import PROMOTION, SMALL, Sweep

AT_THE_ANSWER = ("reset before delivery", "reset after delivery")
AFTER_IT = ("answer corrupted", "task timeout")


def test_mishaps_around_the_answer(start_lab: StartLab) -> None:
    sweep = Sweep(start_lab("odyssey", SMALL), PROMOTION)
    answer = max(number for number, name in enumerate(sweep.messages, start=1) if name == "Send")
    try:
        sweep.run(AT_THE_ANSWER, [answer])
        sweep.run(AFTER_IT, [answer + 1])
    finally:
        sweep.close()
    assert sweep.problems == []
