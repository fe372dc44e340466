# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of the runbook view that moves: the step under way at the foot of the terminal. Private to opsmgr.recovery."""

from __future__ import annotations

import atexit
import contextlib
import threading
import typing as t
from dataclasses import dataclass

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.runbook.text import TEXT_COLUMN, clock

try:
    from rich.console import Console
    from rich.constrain import Constrain
    from rich.live import Live
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text
except ImportError:
    HAS_RICH = False
else:
    HAS_RICH = True

_REFRESH_SECONDS = 0.25
# Shorter steps are over before anybody has read a bar.
_BAR_AFTER_SECONDS = 2
_CLOCK_WIDTH = 8
# For the ^C that a terminal shows: in the next line it would keep the step from being removed.
_MARGIN = 3


def can_draw() -> bool:
    """Whether the standard output is a terminal whose cursor can be moved. Needs rich."""
    console = Console()
    return bool(console.is_terminal) and not console.is_dumb_terminal


@dataclass(frozen=True)
class UnderWay:
    """The step under way. `percent` is None where nobody can tell; `detail` says what the bar is about."""

    number: int
    name: str
    seconds: float
    percent: int | None = None
    detail: str = ""


class Foot:
    """Draws the step under way below everything that is printed, and keeps its clock ticking. Needs rich.

    `lock` is the lock under which all others print. Everything is drawn under it: a process that is forked meanwhile
    gets no lock in a locked state.
    """

    def __init__(self, lock: t.ContextManager[t.Any], look: t.Callable[[], UnderWay | None], *, color: bool) -> None:
        self._lock = lock
        self._look = look
        self._console = Console(color_system="auto" if color else None, no_color=not color, highlight=False)
        self._live: Live | None = None
        # An interrupted run must not leave half a step behind.
        atexit.register(self.hide)

    def show(self) -> None:
        """Draw it from now on. What others print goes above it."""
        with self._lock:
            if self._live is not None:
                return
            self._live = live = Live(
                console=self._console, get_renderable=self._drawn, auto_refresh=False, transient=True
            )
            live.start(refresh=True)
            # rich hides it, and a run that is killed could not bring it back.
            self._console.show_cursor(True)
        threading.Thread(target=self._tick, args=(live,), daemon=True).start()

    def hide(self) -> None:
        """Remove it, so that somebody else can have the terminal."""
        with self._lock:
            live, self._live = self._live, None
            # The terminal may be gone, and that is no reason to fail.
            with contextlib.suppress(OSError):
                if live is not None:
                    live.stop()

    def _tick(self, live: Live) -> None:
        pause = threading.Event()
        with contextlib.suppress(OSError):
            while not pause.wait(_REFRESH_SECONDS):
                with self._lock:
                    if self._live is not live:
                        return
                    live.refresh()

    def _drawn(self) -> Constrain | str:
        step = self._look()
        if step is None:
            return ""
        table = Table.grid(expand=True)
        table.add_column(width=TEXT_COLUMN, no_wrap=True)
        table.add_column(ratio=1, overflow="fold")
        table.add_column(justify="right", width=_CLOCK_WIDTH, no_wrap=True)
        table.add_row(Text(f"{step.number:>4}  now"), Text(step.name, "bold"), Text(clock(step.seconds)))
        if step.percent is not None or step.seconds >= _BAR_AFTER_SECONDS:
            # Not in rich's red: nothing is wrong.
            progress = ProgressBar(
                100,
                step.percent or 0,
                pulse=step.percent is None,
                complete_style="cyan",
                finished_style="cyan",
                pulse_style="cyan",
            )
            percent = Text()
            if step.percent is not None:
                percent = Text(f"{step.percent}%")
            table.add_row("", progress, percent)
        if step.detail:
            table.add_row("", Text(step.detail), "")
        return Constrain(table, self._console.width - _MARGIN)
