# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""start: the command that starts a program and waits for it only when told to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..process import Process
from .common import Builtin, Handles

if TYPE_CHECKING:
    from .interpreter import Interpreter

_TITLE = re.compile(r'\s*"[^"]*"')
_SWITCH = re.compile(r"\s*/([A-Za-z]+)(?=\s|$)")
_KNOWN = ("b", "i", "min", "max", "low", "normal", "high", "wait")


def _start(shell: Interpreter, io: Process, arguments: str) -> int:
    """``start ["title"] [/b] [/wait] program ...``: what stands first in quotation marks is a title, whatever it looks
    like.
    """
    title = _TITLE.match(arguments)
    rest = arguments[title.end() :] if title else arguments
    switches: set[str] = set()
    while (found := _SWITCH.match(rest)) is not None:
        switches.add(found[1].lower())
        rest = rest[found.end() :]
    unknown = sorted(switches.difference(_KNOWN))
    if unknown:
        io.complain(f'Invalid switch - "/{unknown[0].upper()}".')
        return 1
    if not rest.strip():
        return 0
    return shell.start(rest, Handles(io.stdin, {1: io.stdout, 2: io.stderr}), wait="wait" in switches)


COMMANDS: dict[str, Builtin] = {"start": Builtin(_start, sets_on_success=False)}
