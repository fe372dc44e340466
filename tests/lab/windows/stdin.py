# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Standard input as a Windows program sees it: a console that takes keystrokes, or a pipe that takes bytes.

The three ways of reading follow the table in DOMAIN.md, measured with real console programs:

=================  ==========  =======================  ==========  ===========  =========  =========
reads with         console CR  console CR LF ("two")    console LF  pipe CR LF   pipe LF    pipe CR
=================  ==========  =======================  ==========  ===========  =========  =========
``read_key``       Enter       Enter, Enter             Enter       exception    exception  exception
``getch``          Enter       Enter, Enter             a char      blocks       blocks     blocks
``read_line``      Enter       Enter, Enter             a char      a line       a line     blocks
=================  ==========  =======================  ==========  ===========  =========  =========

``crlf`` says what an LF right after a CR is on a console: ``"two"`` a second Enter, ``"one"`` nothing (the server
merged both), ``"character"`` the first character of the next answer for the readers that do not take LF for Enter
(also seen; ``read_key`` still takes it for Enter).  "End" means nothing on a console.
"""

from __future__ import annotations

import codecs
import threading
from typing import Literal

from .codepages import codec
from .lifeline import Lifeline

Crlf = Literal["two", "one", "character"]
ENTER = "\r"
LINE_FEED = "\n"
CTRL_Z = "\x1a"
BACKSPACES = "\b\x7f"


class InvalidOperation(Exception):
    """.NET's InvalidOperationException of Console.ReadKey when standard input is not a console [ms]."""

    def __init__(self) -> None:
        super().__init__(
            "Cannot read keys when either application does not have a console or when console input has been "
            "redirected from a file. Try Console.Read."
        )


class _Buffer:
    """What was fed and not read yet, shared by all programs that inherit the same handle."""

    def __init__(self, console: bool, crlf: Crlf, encoding: str | int) -> None:
        self.changed = threading.Condition()
        self.console = console
        self.crlf = crlf
        self.codec = codec(encoding)
        self.decoder = codecs.getincrementaldecoder(self.codec)("replace")
        self.keys: list[str] = []
        self.after_cr = False
        self.cooked: list[str] = []
        self.partial: list[str] = []
        self.data = bytearray()
        self.ended = False

    def feed(self, data: bytes, end: bool) -> None:
        with self.changed:
            if self.console:
                for char in self.decoder.decode(data):
                    self._press(char)
            elif not self.ended:
                self.data += data
                self.ended = end
            self.changed.notify_all()

    def _press(self, char: str) -> None:
        """One keystroke; an LF after a CR is what ``crlf`` says."""
        second = char == LINE_FEED and self.after_cr
        self.after_cr = char == ENTER
        if second and self.crlf == "one":
            return
        self.keys.append(ENTER if second and self.crlf == "two" else char)

    def cook(self) -> str | None:
        """The next line of a console in line mode, without its Enter; None until there is one."""
        if self.cooked:
            return self.cooked.pop(0)
        while self.keys:
            char = self.keys.pop(0)
            if char == ENTER:
                lines = "".join(self.partial).split(LINE_FEED)
                self.partial.clear()
                self.cooked.extend(lines[1:])
                return lines[0]
            if char not in BACKSPACES:
                self.partial.append(char)
            elif self.partial:
                self.partial.pop()
        return None

    def take_line(self) -> bytes | None:
        """The next line of the pipe without its LF, at End what is left; None until there is one; EOFError after the
        last.
        """
        position = self.data.find(b"\n")
        if position < 0 and not self.ended:
            return None
        if position < 0 and not self.data:
            raise EOFError
        end = position if position >= 0 else len(self.data)
        line = bytes(self.data[:end])
        del self.data[: end + 1]
        return line


class Stdin:
    """A standard input handle, bound to the program that reads it.

    ``encoding`` is a Python codec name or a Windows code page number.
    """

    def __init__(
        self,
        console: bool = False,
        crlf: Crlf = "two",
        encoding: str | int = "utf-8",
        *,
        lifeline: Lifeline | None = None,
    ) -> None:
        self._buffer = _Buffer(console, crlf, encoding)
        self._lifeline = lifeline or Lifeline()
        self._lifeline.on_cut(self._wake)

    def bound_to(self, lifeline: Lifeline) -> Stdin:
        """The same input, read by another program (that inherited the handle)."""
        if lifeline is self._lifeline:
            return self
        twin = Stdin.__new__(Stdin)
        twin._buffer = self._buffer
        twin._lifeline = lifeline
        lifeline.on_cut(twin._wake)
        return twin

    @property
    def console(self) -> bool:
        """Whether this is a console."""
        return self._buffer.console

    def shares(self, other: Stdin) -> bool:
        """Whether both are the same input."""
        return self._buffer is other._buffer

    def feed(self, data: bytes, end: bool = False) -> None:
        """What the client sent; ``end`` closes a pipe and means nothing on a console."""
        self._buffer.feed(data, end)

    def read_key(self) -> str:
        """.NET Console.ReadKey: one character, Enter as CR (CR and LF both are Enter)."""
        if not self.console:
            raise InvalidOperation
        key = self._next_key()
        return ENTER if key == LINE_FEED else key

    def getch(self) -> str:
        """C ``_getch``: one key of the console, Enter as CR, LF as it is; on a pipe nothing ever comes."""
        return self._next_key()

    def read_line(self) -> str | None:
        """Console.ReadLine or C stdio: a line without its end; None at the end of a pipe.

        On a pipe a line ends at LF, a CR before it is dropped, and CR alone ends nothing; on a console it ends at
        Enter.
        """
        if self.console:
            return self._next_console_line()
        raw = self._next_pipe_line()
        return None if raw is None else raw.decode(self._buffer.codec, "replace").removesuffix(ENTER)

    def read_all_pipe(self) -> bytes:
        """Everything until End, as findstr, more and sort read; on a console lines until one that begins with Ctrl+Z."""
        if self.console:
            return self._console_until_ctrl_z()
        buffer = self._buffer
        with buffer.changed:
            while not buffer.ended:
                self._wait()
            data, buffer.data = bytes(buffer.data), bytearray()
        return data

    def _console_until_ctrl_z(self) -> bytes:
        lines: list[str] = []
        while not (line := self._next_console_line()).startswith(CTRL_Z):
            lines.append(line + "\r\n")
        return "".join(lines).encode(self._buffer.codec, "replace")

    def _next_key(self) -> str:
        with self._buffer.changed:
            while not self._buffer.keys:
                self._wait()
            return self._buffer.keys.pop(0)

    def _next_console_line(self) -> str:
        with self._buffer.changed:
            while (line := self._buffer.cook()) is None:
                self._wait()
            return line

    def _next_pipe_line(self) -> bytes | None:
        with self._buffer.changed:
            try:
                while (line := self._buffer.take_line()) is None:
                    self._wait()
            except EOFError:
                return None
            return line

    def _wait(self) -> None:
        self._lifeline.check()
        self._buffer.changed.wait()
        self._lifeline.check()

    def _wake(self) -> None:
        with self._buffer.changed:
            self._buffer.changed.notify_all()


def empty_stdin() -> Stdin:
    """Standard input of a program started with ``<nul``: at its end."""
    stdin = Stdin()
    stdin.feed(b"", end=True)
    return stdin
