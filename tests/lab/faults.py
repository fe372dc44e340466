# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults a lab can be told to have: any message, command, service, cluster resource or SQL statement fails, stalls or
is dropped.

A message can also be cut off by a TCP reset, and its answer can arrive damaged or in part.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Literal

Kind = Literal["message", "command", "service", "resource", "sql"]
Action = Literal["fail", "stall", "drop", "reset", "corrupt", "truncate"]
MESSAGE_ACTIONS = ("reset", "corrupt", "truncate")
"""What can happen to a message only."""
AFTER = "after"
EITHER = "either"


@dataclass
class Fault:
    """One thing that goes wrong.

    ``name`` is a pattern: a WinRM action (``Send``), a program (``sc``), a service's key name, a cluster resource or
    the start of a SQL statement.  The fault begins at the ``nth`` match from now and hits ``times`` matches (0: for
    ever). What ``fail`` answers (``code``, ``text``) is the layer's natural error; ``drop``, ``reset`` and ``stall``
    with the text ``after`` perform a message's operation and lose or delay only the answer, with ``either`` it is the
    one or the other.

    With a ``fraction``, only so many of those matches are hit, 0.02 being 2 %.  Which ones depends on ``seed``, the
    host and how many matches that host had before, so the same conversation suffers the same.
    """

    host: str
    kind: Kind
    name: str
    action: Action
    nth: int = 1
    times: int = 1
    seconds: float = 0
    code: int | None = None
    text: str = ""
    fraction: float = 1.0
    seed: int = 0
    seen: int = field(default=0, compare=False)
    _seen_of: Counter[str] = field(default_factory=Counter, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.action in MESSAGE_ACTIONS and self.kind != "message":
            raise ValueError(f"{self.action} can only happen to a message")

    def concerns(self, host: str, kind: str, name: str) -> bool:
        """Whether this is a fault of that host, layer and name; upper and lower case are the same."""
        return (
            self.kind == kind
            and (self.host == "*" or self.host.lower() == host.lower())
            and fnmatchcase(name.lower(), self.name.lower())
        )

    def strike(self, host: str) -> Fault | None:
        """Count one match; the fault as it happens now, if this match is one of those that go wrong."""
        self.seen += 1
        self._seen_of[host.lower()] += 1
        if self.seen < self.nth or (self.times != 0 and self.seen >= self.nth + self.times):
            return None
        chance = random.Random(f"{self.seed} {host.lower()} {self._seen_of[host.lower()]}")
        if self.fraction < 1 and chance.random() >= self.fraction:
            return None
        return replace(self, text=chance.choice(["", AFTER])) if self.text == EITHER else self

    @property
    def used_up(self) -> bool:
        """Whether it cannot strike again."""
        return self.times != 0 and self.seen >= self.nth + self.times - 1


class Faults:
    """The faults of one lab; every layer asks :meth:`match` at each message, command, service change or statement."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Let this go wrong from now on."""
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        """Nothing goes wrong any more."""
        with self._lock:
            self._faults.clear()

    def match(self, host: str, kind: Kind, name: str) -> Fault | None:
        """Count this event with every fault it concerns and return the first that strikes now."""
        with self._lock:
            struck = [now for fault in self._faults if fault.concerns(host, kind, name) and (now := fault.strike(host))]
            self._faults = [fault for fault in self._faults if not fault.used_up]
        return struck[0] if struck else None

    def pending(self) -> list[Fault]:
        """The faults that can still strike."""
        with self._lock:
            return list(self._faults)
