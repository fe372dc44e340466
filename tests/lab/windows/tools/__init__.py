# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs in the box, as far as the lab's users call them."""

from __future__ import annotations

from lab.windows.process import Program
from lab.windows.profiles import Profile
from lab.windows.tools.reg import reg
from lab.windows.tools.sc import sc

EVERYWHERE: dict[str, Program] = {
    "reg.exe": reg,
    "sc.exe": sc,
}
"""File name in system32 -> what it does, on both profiles."""


def inbox_tools(profile: Profile) -> dict[str, Program]:
    """The programs in system32 of a profile."""
    return dict(EVERYWHERE)
