# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables that cmd.exe computes; a variable of the environment with the same name comes first [ms]."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from .common import signed

if TYPE_CHECKING:
    from .interpreter import Interpreter


def time_of_day() -> str:
    """The time as ``%TIME%`` shows it."""
    return time.strftime("%H:%M:%S").lstrip("0").rjust(8, "0" if time.localtime().tm_hour == 0 else " ") + ".00"


COMPUTED: dict[str, Callable[[Interpreter], str]] = {
    "CD": lambda shell: shell.process.cwd,
    "CMDCMDLINE": lambda shell: "cmd.exe" + shell.process.command_line,
    "CMDEXTVERSION": lambda _shell: "2",
    "DATE": lambda _shell: time.strftime("%a %m/%d/%Y"),
    "ERRORLEVEL": lambda shell: str(signed(shell.errorlevel)),
    "RANDOM": lambda _shell: str(random.randrange(32768)),
    "TIME": lambda _shell: time_of_day(),
}
