# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Transact-SQL text into tokens: quoted identifiers, national strings and nested comments included."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from .messages import SqlError, error, message

Kind = Literal["word", "quoted", "string", "number", "binary", "variable", "op"]

_PATTERNS: tuple[tuple[Kind | None, re.Pattern[str]], ...] = (
    (None, re.compile(r"\s+|--[^\r\n]*")),
    ("string", re.compile(r"[Nn]?'(?:[^']|'')*'")),
    ("quoted", re.compile(r"\[(?:[^\]]|\]\])*\]|\"(?:[^\"]|\"\")*\"")),
    ("binary", re.compile(r"0[xX][0-9A-Fa-f]*")),
    ("number", re.compile(r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")),
    ("variable", re.compile(r"@@?[\w@$#]*")),
    ("word", re.compile(r"[^\W\d][\w@$#]*|#[\w@$#]+")),
    ("op", re.compile(r"<>|<=|>=|!=|!<|!>|\|\||[-+*/%=<>!(),.;:&|^~]")),
)


@dataclass(frozen=True)
class Token:
    """One token and where it stands in the text."""

    kind: Kind
    text: str
    start: int
    end: int

    @property
    def value(self) -> str:
        """A name without its quotes, a string's characters, or the text itself."""
        if self.kind == "string":
            return self.text[self.text.index("'") + 1 : -1].replace("''", "'")
        if self.kind == "quoted":
            close = self.text[-1]
            return self.text[1:-1].replace(close * 2, close)
        return self.text

    @property
    def keyword(self) -> str:
        """The upper-case word if this is an unquoted word, the text of an operator, else nothing."""
        if self.kind == "word":
            return self.text.upper()
        return self.text if self.kind == "op" else ""

    @property
    def is_name(self) -> bool:
        """Whether it can be an identifier."""
        return self.kind in ("word", "quoted")


def quote(name: str) -> str:
    """An identifier as Transact-SQL writes it: ``we]ird`` becomes ``[we]]ird]``."""
    return "[" + name.replace("]", "]]") + "]"


def _skip_comment(sql: str, start: int) -> int:
    """The position after a block comment; they nest [ms]."""
    depth, at = 1, start + 2
    while depth:
        mark = re.compile(r"/\*|\*/").search(sql, at)
        if mark is None:
            raise error(113)
        depth += 1 if mark.group() == "/*" else -1
        at = mark.end()
    return at


def _next(sql: str, at: int) -> tuple[Kind | None, int]:
    for kind, pattern in _PATTERNS:
        found = pattern.match(sql, at)
        if found is not None:
            return kind, found.end()
    rest = sql[at + 1 :]
    if sql[at] in "'\"[":
        raise SqlError(message(105, rest), message(102, rest))
    raise error(102, sql[at])


def tokenize(sql: str) -> list[Token]:
    """All tokens of a batch; raises 105, 113 or 102 for text that has none."""
    tokens: list[Token] = []
    at = 0
    while at < len(sql):
        if sql.startswith("/*", at):
            at = _skip_comment(sql, at)
            continue
        kind, end = _next(sql, at)
        if kind is not None:
            tokens.append(Token(kind, sql[at:end], at, end))
        at = end
    return tokens
