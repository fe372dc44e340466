# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The questions that commands inside cmd.exe ask.  At the end of a pipe the answer is no."""

from __future__ import annotations

from ..process import Process


def sure(io: Process, what: str) -> bool:
    """``what, Are you sure (Y/N)?`` until Y or N comes."""
    while True:
        io.out(f"{what}, Are you sure (Y/N)? ", apart=True)
        line = io.stdin.read_line()
        if line is None:
            io.say("")
            return False
        if line[:1].lower() in ("y", "n"):
            return line[:1].lower() == "y"


class Overwriting:
    """``Overwrite target? (Yes/No/All):`` unless ``/y``."""

    def __init__(self, io: Process, always: bool) -> None:
        self._io = io
        self._always = always

    def allowed(self, target: str) -> bool:
        """Whether an existing target may be replaced."""
        while not self._always:
            self._io.out(f"Overwrite {target}? (Yes/No/All): ", apart=True)
            line = self._io.stdin.read_line()
            if line is None:
                self._io.say("")
                return False
            answer = line[:1].lower()
            self._always = answer == "a"
            if answer in ("y", "n"):
                return answer == "y"
        return True
