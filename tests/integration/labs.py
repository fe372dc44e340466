# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Labs for the integration tests: each test gets its own, on loopback addresses of its own worker."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from playing import Player

from lab.lab import Lab

StartLab = Callable[..., Player]


RESERVED_PORT = 49151


@lru_cache
def network() -> str:
    """Addresses that no other process uses, be it another worker or another run of the tests; reserved as long as this
    one lives.
    """
    for number in range(40, 100):
        reservation = socket.socket()
        try:
            reservation.bind((f"127.{number}.0.1", RESERVED_PORT))
        except OSError:
            reservation.close()
        else:
            RESERVATIONS.append(reservation)
            return f"127.{number}"
    raise RuntimeError("all addresses for labs are in use")


RESERVATIONS: list[socket.socket] = []


@pytest.fixture
def start_lab(tmp_path: Path) -> Iterator[StartLab]:
    """Start a lab: `start_lab("odyssey", overrides={...})`."""
    with ExitStack() as stack:

        def start(topology: str = "odyssey", overrides: dict[str, Any] | None = None) -> Player:
            lab = stack.enter_context(Lab(topology, network=network(), overrides=overrides))
            return Player(lab, tmp_path)

        yield start


@pytest.fixture
def odyssey(start_lab: StartLab) -> Player:
    """The book's management group, running."""
    return start_lab("odyssey")
