# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a test says about a message of the collection: whom it is about, in which step, and the values it must name.

`about("hydra", "preflight", "OFFLINE") == message` compares fields and not wording, which is pinned by the proof sheet
alone (tests/unit/test_proof_sheet.py). Both classes compare like `pytest.approx`: on either side of `==`, in a list, and
with `in`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

# A sentence ends where the next one begins with a capital letter; a dot in a name or a version ends none.
_NEXT_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")


@dataclass(frozen=True)
class Fields:
    """The fields of `<host>: <step>: <found>. <Advice>.`"""

    host: str
    step: str
    found: str
    advice: str


def fields(text: str) -> Fields:
    """Take a message apart that names a host and a step.

    Raises ValueError if it names none.
    """
    host, step, rest = text.split(": ", 2)
    return Fields(host, step, *_found_and_advice(rest))


def _found_and_advice(text: str) -> tuple[str, str]:
    found, *advice = _NEXT_SENTENCE.split(text, maxsplit=1)
    return found, "".join(advice)


def names(text: str, value: str) -> bool:
    """Whether a text contains a value as a whole: 3 is neither in 13 nor in 3GB, and hydra is not in hydra2."""
    before = r"(?<!\w)" if value[:1].isalnum() else ""
    after = r"(?!\w)" if value[-1:].isalnum() else ""
    return re.search(before + re.escape(value) + after, text) is not None


@dataclass(frozen=True, eq=False)
class _Expected:
    def agrees(self, other: Any) -> bool:
        raise NotImplementedError

    def __eq__(self, other: object) -> bool:
        return self.agrees(other)

    def __hash__(self) -> int:
        return id(self)


@dataclass(frozen=True, eq=False)
class Problem(_Expected):
    """A message with a host and a step, or an OpsmgrError, whose own host is not known yet."""

    host: str
    step: str
    found: tuple[str, ...]
    advice: tuple[str, ...]

    def agrees(self, other: Any) -> bool:
        if isinstance(other, str):
            place = "".join(f"{part}: " for part in (self.host, self.step) if part)
            found, advice = _found_and_advice(other[len(place) :])
            right_place = other.startswith(place)
        else:
            found, advice = getattr(other, "found", ""), getattr(other, "what_to_do", "")
            right_place = getattr(other, "step", None) == self.step
        return (
            right_place
            and all(names(found, value) for value in self.found)
            and all(names(advice, value) for value in self.advice)
        )


@dataclass(frozen=True, eq=False)
class Line(_Expected):
    """A line of a plan, a report or a list of remarks."""

    values: tuple[str, ...]

    def agrees(self, other: Any) -> bool:
        return isinstance(other, str) and all(names(other, value) for value in self.values)


def about(host: str, step: str, *found: str, advice: str | tuple[str, ...] = ()) -> Problem:
    """Expect a message of that host and step; what was found must name the values, and the advice those of `advice`.

    An empty host is for the text of an exception, which does not know its host.
    """
    return Problem(host, step, found, (advice,) if isinstance(advice, str) else advice)


def saying(*values: str) -> Line:
    """Expect a line that names all these values."""
    return Line(values)
