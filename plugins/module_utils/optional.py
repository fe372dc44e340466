# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values that may not be known, and what is said of them.

This file is private to the collection: others must not import it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

Known = TypeVar("Known")
Result = TypeVar("Result")


def if_known(function: Callable[[Known], Result], value: Known | None) -> Result | None:
    """What C(function) makes of a value; None of one that is not known."""
    if value is None:
        return None
    return function(value)


def phrase(template: str, value: object) -> str:
    """The part of a sentence that tells C(value), which stands for C({}) in C(template), or nothing when there is
    nothing to tell: None, zero, false and what is empty.
    """
    if not value:
        return ""
    return template.format(value)
