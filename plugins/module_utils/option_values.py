# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an argument spec cannot say of a value: a number's range, and the characters that no text, path or password can
have.

Asked before anything is contacted, so that a value never ends in the middle of the work in a library's own words.

This file is private to the collection: others must not import it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError

ADVICE = "Correct the value, then rerun"
Spec = Mapping[str, Mapping[str, Any]]

WEEK_SECONDS = 7 * 24 * 3600
# Far above every range below, and what every type of number can hold.
LARGEST = 1e15
CENTURY_HOURS = 100 * 366 * 24


@dataclass(frozen=True)
class Range:
    """Which numbers an option takes. C(least) itself is one of them unless C(above)."""

    least: float
    most: float
    unit: str
    above: bool = False

    def problem(self, number: float) -> str | None:
        """Why the number is not one of them, or None when it is one."""
        first, fits = "at least", self.least <= number <= self.most
        if self.above:
            first, fits = "more than", self.least < number <= self.most
        if math.isfinite(number) and fits:
            return None
        return f"it must be {first} {self.least:g} and at most {self.most:g}{self.unit}"


AGE = Range(0, CENTURY_HOURS, " hours")
TIMEOUT = Range(0, WEEK_SECONDS, " seconds", above=True)
# What is said to have no limit, or to look once, with 0.
TIMEOUT_OR_NONE = Range(0, WEEK_SECONDS, " seconds")
PORT = Range(1, 65535, "")
# 0 stands for the port that the instance's own service names.
PORT_OR_NONE = Range(0, 65535, "")
COUNT = Range(0, 1_000_000, "")
POSITION = Range(1, 1_000_000, "")

# By what the option's name ends with, the longest first.
_RANGES: dict[str, Range] = {
    "max_age": AGE,
    "timeout": TIMEOUT,
    "answer_ahead_after": TIMEOUT_OR_NONE,
    "stable_seconds": TIMEOUT_OR_NONE,
    "sql_port": PORT_OR_NONE,
    "port": PORT,
    "position": POSITION,
}


def range_of(option: str, spec: Mapping[str, Any]) -> Range:
    """Which numbers an option takes, by its name. An option whose default is 0 takes 0."""
    fitting = [ending for ending in _RANGES if option == ending or option.endswith("_" + ending)]
    if not fitting:
        return COUNT
    found = _RANGES[max(fitting, key=len)]
    if found is TIMEOUT and spec.get("default") == 0:
        return TIMEOUT_OR_NONE
    return found


def require_usable(values: Mapping[str, Any], spec: Spec, step: str) -> None:
    """Refuse a value that no server should ever see.

    :raises OpsmgrError: naming the option and what is wrong, and never a secret
    """
    for option, described in spec.items():
        problem = value_problem(option, values.get(option), described)
        if problem:
            raise OpsmgrError(step, f"the option {option} cannot be used: {problem}", ADVICE)


def require_any_usable(values: Mapping[str, Any], step: str) -> None:
    """The same for values whose spec is not known here: what cannot be used whatever the option is.

    :raises OpsmgrError: naming the option and what is wrong, and never a secret
    """
    for option, value in values.items():
        problem = value_problem(option, value, {})
        if isinstance(value, (int, float)) and not -LARGEST <= value <= LARGEST:
            problem = "it is not a number that anything can have"
        if problem:
            raise OpsmgrError(step, f"the option {option} cannot be used: {problem}", ADVICE)


def value_problem(option: str, value: Any, spec: Mapping[str, Any]) -> str | None:
    """Why an option cannot have that value, or None when it can. What the argument spec refuses itself is not looked at
    here.
    """
    if spec.get("type") in ("int", "float"):
        return _number_problem(option, value, spec)
    return next((problem for text in _texts(value) if (problem := text_problem(text))), None)


def _number_problem(option: str, value: Any, spec: Mapping[str, Any]) -> str | None:
    if value is None or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return f"it is not a number ({type(value).__name__})"
    except OverflowError:
        return range_of(option, spec).problem(math.inf)
    return range_of(option, spec).problem(number)


def text_problem(text: str) -> str | None:
    """Why a text can stand in no command, path, password or file, or None when it can."""
    if "\0" in text:
        return "it has a NUL character"
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return "it has half a character (a lone surrogate), which no text file and no server takes"
    return None


def _texts(value: Any) -> Iterator[str]:
    """Every text in a value, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from _texts(key)
            yield from _texts(each)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _texts(each)
