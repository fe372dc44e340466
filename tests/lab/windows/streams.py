# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a simulated program's output goes: the client, a pipe, a file, nowhere."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Literal, Protocol

from .stdin import Stdin

LINGER = 0.01
"""A reader that got output waits this long for the command's end, so that a quick command is one answer."""


class Sink(Protocol):
    """An output handle."""

    def write(self, data: bytes, *, apart: bool) -> None:
        """Take one piece; ``apart`` pieces are never joined with others on their way to the client."""


class NullSink:
    """``nul``."""

    def write(self, data: bytes, *, apart: bool) -> None:
        """Forget it."""


class Capture:
    """Keeps everything, for ``for /f`` and tests."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pieces: list[bytes] = []

    def write(self, data: bytes, *, apart: bool) -> None:
        """Keep it."""
        with self._lock:
            self._pieces.append(data)

    @property
    def data(self) -> bytes:
        """What was written so far."""
        with self._lock:
            return b"".join(self._pieces)


class PipeSink:
    """The writing end of a pipe whose reading end is another program's standard input."""

    def __init__(self, stdin: Stdin) -> None:
        self._stdin = stdin

    def write(self, data: bytes, *, apart: bool) -> None:
        """Hand it to the reader."""
        self._stdin.feed(data, end=False)


@dataclass
class Output:
    """What a running command said since the last time; ``exit_code`` (unsigned) is there when it is ``done``."""

    stdout: bytes
    stderr: bytes
    done: bool
    exit_code: int | None


@dataclass
class _Piece:
    stream: Literal["stdout", "stderr"]
    data: bytes
    apart: bool


class ClientOutput:
    """The two output pipes of a command as its client reads them."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._pieces: list[_Piece] = []
        self._exit_code: int | None = None

    def sink(self, stream: Literal["stdout", "stderr"]) -> Sink:
        """The handle that a program writes to."""
        return _ClientSink(self, stream)

    def append(self, stream: Literal["stdout", "stderr"], data: bytes, apart: bool) -> None:
        """One piece of output; readers see it at once."""
        with self._changed:
            if data and self._exit_code is None:
                self._pieces.append(_Piece(stream, data, apart))
                self._changed.notify_all()

    def finish(self, exit_code: int) -> None:
        """The command has ended."""
        with self._changed:
            if self._exit_code is None:
                self._exit_code = exit_code & 0xFFFFFFFF
            self._changed.notify_all()

    @property
    def exit_code(self) -> int | None:
        """The exit code once it has ended."""
        with self._changed:
            return self._exit_code

    def wait(self, timeout: float | None) -> bool:
        """Wait for the end."""
        with self._changed:
            return self._changed.wait_for(lambda: self._exit_code is not None, timeout)

    def read(self, timeout: float) -> Output:
        """What came since the last time; waits until there is something, it is done, or ``timeout``."""
        with self._changed:
            self._changed.wait_for(lambda: self._pieces or self._exit_code is not None, timeout)
            self._linger()
            taken = self._take()
            done = self._exit_code is not None and not self._pieces
            return Output(
                b"".join(piece.data for piece in taken if piece.stream == "stdout"),
                b"".join(piece.data for piece in taken if piece.stream == "stderr"),
                done,
                self._exit_code if done else None,
            )

    def _linger(self) -> None:
        """Wait a moment for the end, as long as nothing came that must arrive apart from the rest."""
        deadline = time.monotonic() + LINGER
        while self._pieces and self._exit_code is None:
            left = deadline - time.monotonic()
            if left <= 0 or not self._changed.wait(left):
                return

    def _take(self) -> list[_Piece]:
        """The first piece, with all that follow it and may be joined."""
        count = 1
        if self._pieces and not self._pieces[0].apart:
            while count < len(self._pieces) and not self._pieces[count].apart:
                count += 1
        taken, self._pieces = self._pieces[:count], self._pieces[count:]
        return taken


class _ClientSink:
    def __init__(self, output: ClientOutput, stream: Literal["stdout", "stderr"]) -> None:
        self._output = output
        self._stream = stream

    def write(self, data: bytes, *, apart: bool) -> None:
        self._output.append(self._stream, data, apart)
