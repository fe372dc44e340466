# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the parser makes of a line, and back to text (cmd.exe hands the sides of a pipe to a new cmd.exe as text)."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Redirection:
    """``2>>file``: handle, operator (``<``, ``>``, ``>>``, ``>&``, ``<&``), target (a file as typed or a handle)."""

    handle: int
    operator: str
    target: str

    def text(self) -> str:
        """As a line would have it."""
        return f" {self.handle}{self.operator}{self.target}"


@dataclass
class Simple:
    """One command: its token, and the rest as typed, blanks and quotes included."""

    name: str
    arguments: str = ""
    redirections: list[Redirection] = field(default_factory=list)
    quiet: bool = False

    def text(self) -> str:
        """As a line would have it."""
        return self.name + self.arguments + "".join(item.text() for item in self.redirections)


@dataclass
class Block:
    """``( ... )``."""

    body: Node
    redirections: list[Redirection] = field(default_factory=list)
    quiet: bool = False

    def text(self) -> str:
        """As a line would have it."""
        return "(" + self.body.text() + ")" + "".join(item.text() for item in self.redirections)


@dataclass
class Sequence:
    """Two commands with ``&``, ``&&``, ``||`` or ``|`` between them."""

    operator: str
    left: Node
    right: Node
    quiet: bool = False

    def text(self) -> str:
        """As a line would have it."""
        return f"{self.left.text()} {self.operator} {self.right.text()}"


@dataclass
class If:
    """``if``; ``operator`` is ``errorlevel``, ``exist``, ``defined``, ``cmdextversion``, ``==`` or ``equ`` and the
    like.
    """

    operator: str
    left: str
    right: str
    negated: bool
    ignore_case: bool
    then: Node
    otherwise: Node | None = None
    redirections: list[Redirection] = field(default_factory=list)
    quiet: bool = False

    def text(self) -> str:
        """As a line would have it."""
        head = "if " + ("/i " if self.ignore_case else "") + ("not " if self.negated else "")
        unary = self.operator in ("errorlevel", "exist", "defined", "cmdextversion")
        condition = f"{self.operator} {self.right}" if unary else f"{self.left} {self.operator} {self.right}"
        tail = f" else {self.otherwise.text()}" if self.otherwise else ""
        return f"{head}{condition} {self.then.text()}{tail}"


@dataclass
class For:
    """``for``; ``kind`` is ``""``, ``d``, ``r``, ``l`` or ``f``."""

    kind: str
    options: str
    variable: str
    items: str
    body: Node
    redirections: list[Redirection] = field(default_factory=list)
    quiet: bool = False

    def text(self) -> str:
        """As a line would have it."""
        switch = f"/{self.kind} " if self.kind else ""
        options = f"{self.options} " if self.options else ""
        return f"for {switch}{options}%{self.variable} in ({self.items}) do {self.body.text()}"


Node = Simple | Block | Sequence | If | For
