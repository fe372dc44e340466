# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A batch into statements: Transact-SQL needs no semicolons, so a statement ends where the next one can begin."""

from __future__ import annotations

from dataclasses import dataclass, field

from .lexer import Token, tokenize
from .messages import error

STARTERS = frozenset(
    "SELECT INSERT UPDATE DELETE CREATE ALTER DROP TRUNCATE USE SET DECLARE EXEC EXECUTE BEGIN COMMIT ROLLBACK SAVE IF "
    "PRINT RAISERROR BACKUP RESTORE KILL WAITFOR GRANT DENY REVOKE RETURN DBCC CHECKPOINT END ELSE".split()
)
_CONTINUES_SELECT = frozenset({"UNION", "ALL", "EXCEPT", "INTERSECT"})
_QUERIES = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "EXEC", "EXECUTE"})
_ONCE = {
    "UPDATE": frozenset({"SET"}),
    "INSERT": frozenset({"SELECT", "EXEC", "EXECUTE"}),
    "WITH": _QUERIES,
}


@dataclass(frozen=True)
class Statement:
    """One statement: its tokens and its text."""

    tokens: tuple[Token, ...]
    text: str

    @property
    def words(self) -> list[str]:
        """The keywords in order, empty strings for what is no keyword."""
        return [token.keyword for token in self.tokens]

    @property
    def head(self) -> str:
        """What the statement is called in messages and faults: ``ALTER DATABASE``, ``SELECT``, ``BEGIN TRANSACTION``."""
        words = self.words
        first = {"EXECUTE": "EXEC", "WITH": "SELECT"}.get(words[0], words[0])
        if first in ("ALTER", "CREATE", "DROP", "BACKUP", "RESTORE", "TRUNCATE") and len(words) > 1:
            return f"{first} {words[1]}"
        if first in ("BEGIN", "COMMIT", "ROLLBACK", "SAVE"):
            return f"{first} TRANSACTION"
        return first or "EXEC"


@dataclass(frozen=True)
class If:
    """``IF condition statement [ELSE statement]``."""

    condition: Statement
    then: list[Node]
    otherwise: list[Node] = field(default_factory=list)


Node = Statement | If


class _Parser:
    def __init__(self, sql: str) -> None:
        self.sql = sql
        self.tokens = tokenize(sql)
        self.at = 0

    def keyword(self, ahead: int = 0) -> str:
        place = self.at + ahead
        return self.tokens[place].keyword if place < len(self.tokens) else ""

    def block(self, closing: bool) -> list[Node]:
        nodes: list[Node] = []
        while self.at < len(self.tokens):
            if self.keyword() == ";":
                self.at += 1
            elif self.keyword() == "END" and closing:
                return nodes
            else:
                nodes.extend(self.one())
        if closing:
            raise error(102, self.tokens[-1].value)
        return nodes

    def one(self) -> list[Node]:
        word = self.keyword()
        if word == "IF":
            return [self.conditional()]
        if word == "BEGIN" and self.keyword(1) not in ("TRAN", "TRANSACTION"):
            self.at += 1
            nodes = self.block(closing=True)
            self.at += 1
            return nodes
        if word in ("END", "ELSE"):
            raise error(156, self.tokens[self.at].text)
        return [self.simple()]

    def conditional(self) -> If:
        self.at += 1
        condition = self.until_next()
        if not condition.tokens or self.at >= len(self.tokens):
            raise error(102, self.tokens[-1].value)
        then = self.one()
        if self.keyword() == ";" and self.keyword(1) == "ELSE":
            self.at += 1
        otherwise: list[Node] = []
        if self.keyword() == "ELSE":
            self.at += 1
            if self.at >= len(self.tokens):
                raise error(102, self.tokens[-1].value)
            otherwise = self.one()
        return If(condition, then, otherwise)

    def simple(self) -> Statement:
        first = self.tokens[self.at]
        known = first.keyword in STARTERS or first.keyword == "WITH"
        if not known and not (self.at == 0 and first.is_name):
            raise error(102, first.value)
        return self.until_next()

    def until_next(self) -> Statement:
        """The tokens up to where another statement begins: a semicolon, or a word that cannot belong to this one."""
        start = self.at
        spent: set[str] = set()
        depth = cases = 0
        while self.at < len(self.tokens):
            word = self.keyword()
            depth += {"(": 1, ")": -1}.get(word, 0)
            cases += {"CASE": 1}.get(word, 0)
            if depth == 0 and word == ";":
                break
            if word in STARTERS and depth == 0 and self.at > start:
                if cases and word in ("ELSE", "END"):
                    cases -= word == "END"
                elif not self.continues(start, word, spent):
                    break
            self.at += 1
        tokens = tuple(self.tokens[start : self.at])
        return Statement(tokens, self.sql[tokens[0].start : tokens[-1].end] if tokens else "")

    def continues(self, start: int, word: str, spent: set[str]) -> bool:
        """Whether a word that can begin a statement belongs to the one that began at ``start``."""
        head, second = (
            self.tokens[start].keyword,
            self.tokens[start + 1].keyword if start + 1 < len(self.tokens) else "",
        )
        previous = self.tokens[self.at - 1].keyword
        if head == "ALTER":
            mine = ("SET",) if second == "DATABASE" else ("SET", "DROP", "ALTER")
            return (word == "ROLLBACK" and previous == "WITH") or (word in mine and self.first_time(head, spent))
        if head in ("GRANT", "DENY", "REVOKE") or (
            head == "CREATE" and second in ("VIEW", "PROCEDURE", "PROC", "TRIGGER")
        ):
            return True
        if (head == "DROP" and word == "IF") or (word == "SELECT" and previous in _CONTINUES_SELECT):
            return True
        return word in _ONCE.get(head, ()) and not self.has_values(start) and self.first_time(head, spent)

    def has_values(self, start: int) -> bool:
        return any(token.keyword == "VALUES" for token in self.tokens[start : self.at])

    @staticmethod
    def first_time(mark: str, spent: set[str]) -> bool:
        fresh = mark not in spent
        spent.add(mark)
        return fresh


def parse_batch(sql: str) -> list[Node]:
    """The statements of a batch in order; raises an error of severity 15 before anything has run."""
    return _Parser(sql).block(closing=False)
