# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab as a process of its own, ruled through its control socket."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .control import ControlServer
from .faults import Fault
from .inventory import WinRMAccess
from .lab import Lab
from .topologies import Topology

_WATCH_SECONDS = 1.0
_LAST_ANSWER_SECONDS = 0.1


def serve(topology: Topology, directory: Path, access: WinRMAccess) -> None:
    """Run a lab until it is told to stop, by its socket or by a signal, or its directory is removed."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    lab = Lab(topology, directory=directory)
    try:
        lab.start()
        lab.write_files(access=access)
        server = ControlServer(directory, Handler(lab, stop))
        server.start()
        while not stop.wait(_WATCH_SECONDS) and server.can_be_reached:
            pass
        time.sleep(_LAST_ANSWER_SECONDS)
        server.stop()
    finally:
        lab.stop()
        lab.remove_files()


class Handler:
    """What the control socket can ask of a running lab."""

    def __init__(self, lab: Lab, stop: threading.Event) -> None:
        self._lab = lab
        self._stop = stop

    def __call__(self, asked: dict[str, Any]) -> Any:
        """Answer one request."""
        action = str(asked.pop("action"))
        actions: dict[str, Callable[..., Any]] = {
            "ping": self._ping,
            "dump": self._lab.dump,
            "power": self._lab.power,
            "carry": self._lab.carry,
            "fault_add": lambda fault: self._lab.faults.add(Fault(**fault)),
            "fault_clear": self._lab.faults.clear,
            "stop": self._stop.set,
        }
        if action not in actions:
            raise ValueError(f"unknown action {action!r}")
        return actions[action](**asked)

    def _ping(self) -> dict[str, Any]:
        return {"pid": os.getpid(), "topology": self._lab.topology.name}
