# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A program at a real pseudo-terminal, and what a person sees there."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pexpect
import pyte

ROWS = 24
TIMEOUT_SECONDS = 300
# Select Graphic Rendition: colours, bold and the like.
STYLE = re.compile(rb"\x1b\[[0-9;]*m")


class Terminal:
    """Starts the program at once. `sent` is every byte that it wrote, `recording` when it wrote what: seconds from the start."""

    def __init__(
        self, command: Sequence[str], *, cwd: Path, environment: Mapping[str, str], columns: int, rows: int = ROWS
    ) -> None:
        self.columns = columns
        self.sent = b""
        self.recording: list[tuple[float, bytes]] = []
        self._screen = pyte.HistoryScreen(columns, rows, history=2000)
        self._stream = pyte.ByteStream(self._screen)
        self._child = pexpect.spawn(
            command[0],
            list(command[1:]),
            cwd=str(cwd),
            env=dict(environment),
            dimensions=(rows, columns),
            timeout=TIMEOUT_SECONDS,
        )
        self._start = time.monotonic()

    def screens(self) -> Iterator[list[str]]:
        """What is on the screen, each time something was written to it, until the program ends."""
        while True:
            try:
                written = self._child.read_nonblocking(4096, TIMEOUT_SECONDS)
            except pexpect.EOF:
                self._child.close()
                return
            self.sent += written
            self.recording.append((time.monotonic() - self._start, written))
            self._stream.feed(written)
            yield self.screen

    def wait_for(self, words: str | re.Pattern[str]) -> None:
        """Read until a line on the screen has the words, or what the pattern finds."""
        pattern = re.compile(re.escape(words)) if isinstance(words, str) else words
        if not any(pattern.search(line) for screen in self.screens() for line in screen):
            raise AssertionError(f"{pattern.pattern!r} was never shown:\n" + "\n".join(self.lines))

    def type(self, line: str) -> None:
        """Type a line and Enter."""
        self._child.send(line + "\r")

    def interrupt(self) -> None:
        """Press Ctrl and C."""
        self._child.sendintr()

    def terminate(self) -> None:
        """Send it SIGTERM, as whoever stops a service does."""
        self._child.kill(signal.SIGTERM)

    def end(self) -> int:
        """Read until the program ends; its exit code."""
        for _screen in self.screens():
            pass
        return self.exit_code

    def close(self) -> None:
        """End the program as if the terminal was closed."""
        self._child.close(force=True)

    @property
    def exit_code(self) -> int:
        """Of a program that has ended; 128 and more when a signal ended it."""
        return int(128 + self._child.signalstatus if self._child.exitstatus is None else self._child.exitstatus)

    @property
    def screen(self) -> list[str]:
        """What is on the screen now."""
        return [line.rstrip() for line in self._screen.display]

    @property
    def cells(self) -> list[list[pyte.screens.Char]]:
        """The characters of the screen with their colours, row by row."""
        return [
            [self._screen.buffer[row][column] for column in range(self.columns)] for row in range(self._screen.lines)
        ]

    @property
    def screen_text(self) -> str:
        """What is on the screen now, without line breaks and indents."""
        return " ".join(" ".join(self.screen).split())

    @property
    def lines(self) -> list[str]:
        """Everything that was printed and not removed again, from the first line."""
        above = [
            "".join(line[column].data for column in range(self.columns)).rstrip() for line in self._screen.history.top
        ]
        return [*above, *self.screen]

    @property
    def text(self) -> str:
        """All lines, without line breaks and indents: what they say."""
        return " ".join(" ".join(self.lines).split())
