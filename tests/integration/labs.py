# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Labs for the integration tests: each test gets its own, on loopback addresses of its own worker."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playing import Player

from lab.lab import Lab

StartLab = Callable[..., Player]


def network() -> str:
    """Addresses that no other test worker uses."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    return f"127.{40 + int(worker)}"


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
