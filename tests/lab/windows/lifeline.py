# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ends programs: a tree of lifelines, one for each running program, cut from outside."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Killed(Exception):
    """Raised inside a simulated program when it, or the command it belongs to, was terminated."""


class Lifeline:
    """Alive until cut; cutting one cuts its children and wakes everything that waits on behalf of them."""

    def __init__(self, parent: Lifeline | None = None) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._on_cut: list[Callable[[], None]] = []
        self._parent = parent
        if parent is not None:
            parent.on_cut(self.cut)

    @property
    def is_cut(self) -> bool:
        """Whether the program was terminated."""
        return self._event.is_set()

    def cut(self) -> None:
        """Terminate: set the mark and wake everyone."""
        with self._lock:
            if self._event.is_set():
                return
            self._event.set()
            callbacks, self._on_cut = self._on_cut, []
        for callback in callbacks:
            callback()

    def on_cut(self, callback: Callable[[], None]) -> None:
        """Call this when cut; at once when that has happened already."""
        with self._lock:
            if not self._event.is_set():
                self._on_cut.append(callback)
                return
        callback()

    def forget(self, callback: Callable[[], None]) -> None:
        """The callback's owner has ended by itself."""
        with self._lock:
            if callback in self._on_cut:
                self._on_cut.remove(callback)

    def release(self) -> None:
        """What it stands for has ended by itself: its parent need not cut it any more."""
        if self._parent is not None:
            self._parent.forget(self.cut)

    def check(self) -> None:
        """Raise :class:`Killed` when cut."""
        if self._event.is_set():
            raise Killed

    def sleep(self, seconds: float) -> None:
        """Sleep, or raise :class:`Killed` as soon as it is cut."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if self._event.wait(left):
                raise Killed
        self.check()
