# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether what a run says about the role is true: pure functions of its output and of the lab's dumps."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MOVED = "has_moved"
NOT_MOVED = "has_not_moved"
CANNOT_BE_TOLD = "cannot_be_told"
HALF = "half"
"""The lab's truth when database and registries do not agree."""

SENTENCES = {
    "The role has moved": MOVED,
    "The role has not moved": NOT_MOVED,
    "It cannot be told whether the role has moved": CANNOT_BE_TOLD,
}
# With its capital: "promote only if the role has not moved" says nothing about the role.
_SENTENCE = re.compile("|".join(map(re.escape, SENTENCES)))
SERVICES = ("HealthService", "OMSDK", "OMCFG")


def said_in(text: str) -> list[str]:
    """What a text says about the role, in its order. Lines may be wrapped anywhere; the name of a task says what is to
    come, and no more.
    """
    lines = [line for line in text.splitlines() if not line.startswith(("TASK [", "PLAY [", "RUNNING HANDLER ["))]
    return [SENTENCES[found] for found in _SENTENCE.findall(" ".join(" ".join(lines).split()))]


def stated(output: str, failures: Sequence[str], *, ended_well: bool) -> str | None:
    """What a run says last about the role: its last failure that names it, else its last line that does. A failover
    that ended well says that it has moved.
    """
    if ended_well:
        return MOVED
    for text in [*reversed(failures), output]:
        said = said_in(text)
        if said:
            return said[-1]
    return None


def truth(dump: Mapping[str, Any], target: str, old: str, group: str = "ODYSSEY") -> str:
    """Where the role is, by the database and by the registries of both servers. The old RMS may call itself so until it
    is demoted.
    """
    found = dump["groups"][group]
    by_database = str(found["rms"]).partition(".")[0].lower()
    roles = {name: role == "rms" for name, role in found["roles"].items()}
    if by_database == target and roles.get(target):
        return MOVED
    if by_database == old and roles.get(old) and not roles.get(target):
        return NOT_MOVED
    return HALF


@dataclass(frozen=True)
class Case:
    """One run, and what the lab knew.

    :ivar at_end: the truth when the run had ended
    :ivar settled: the truth when every program had ended as well
    :ivar was_killed: the run had no chance to say anything
    """

    stated: str | None
    at_end: str
    settled: str
    failed: bool = True
    was_killed: bool = False
    sentences: tuple[str, ...] = ()
    programs_ran: bool = False

    @property
    def problem(self) -> str | None:
        """What is wrong with the sentence, or None."""
        if self.stated is None:
            return None if self.was_killed or not self.failed else "the run failed and says nothing about the role"
        if len(set(self.sentences)) > 1:
            return f"one message says {' and '.join(self.sentences)}"
        if self.stated == CANNOT_BE_TOLD:
            return None
        wrong = next(
            (
                when
                for when, is_so in {"at its end": self.at_end, "later": self.settled}.items()
                if is_so != self.stated
            ),
            None,
        )
        return (
            f"the run says {self.stated}, and {wrong} the lab says {self.at_end if wrong == 'at its end' else self.settled}"
            if wrong
            else None
        )

    @property
    def could_have_been_told(self) -> bool:
        """No lie, but of no use: nothing ran any more, and database and registries agreed."""
        return self.stated == CANNOT_BE_TOLD and not self.programs_ran and self.at_end == self.settled != HALF


def stopped_services(dump: Mapping[str, Any], host: str) -> list[str]:
    """The services of an RMS that do not run."""
    services = dump["hosts"][host]["services"]
    return [name for name in SERVICES if services.get(name, {}).get("state") != "running"]


def named_as_down(text: str, services: Iterable[str]) -> bool:
    """Whether a message names every service that is down."""
    return all(service.lower() in text.lower() for service in services)
