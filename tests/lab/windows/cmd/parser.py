# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""cmd.exe's second phase: a line whose %variables% are expanded already becomes commands.

The rules are those of the well known descriptions of cmd.exe's phases [field]: quotes switch off everything up to the
next quote or the end of the line, ``^`` takes the next character as it is, ``)`` ends a block only inside one,
operators bind ``|`` before ``&&`` before ``||`` before ``&``, and the body of ``if`` and ``for`` is the rest of the
line.
"""

from __future__ import annotations

from .nodes import Block, For, If, Node, Redirection, Sequence, Simple

DELIMITERS = " \t,;="
SPECIAL = "&|<>()"
UNARY = ("errorlevel", "exist", "defined", "cmdextversion")
COMPARISONS = ("equ", "neq", "lss", "leq", "gtr", "geq")
LEVELS = ("&", "||", "&&", "|")


class ParseError(Exception):
    """The line is no command; the message is what cmd.exe says."""


def unexpected(token: str) -> ParseError:
    """The error for a token in the wrong place."""
    return ParseError(f"{token} was unexpected at this time.")


def incorrect() -> ParseError:
    """The error for a command that ends too early."""
    return ParseError("The syntax of the command is incorrect.")


def parse(line: str) -> Node | None:
    """The commands of a line (up to its first LF); None for an empty one."""
    parser = Parser(line.partition("\n")[0].replace("\r", ""))
    parser.skip_delimiters()
    if parser.at_end():
        return None
    node = parser.sequence(0)
    parser.skip_blanks()
    if not parser.at_end():
        raise unexpected(parser.unexpected_token())
    return node


class Parser:
    """A recursive descent over the characters of one line."""

    def __init__(self, line: str) -> None:
        self.line = line
        self.position = 0
        self.depth = 0

    # Characters

    def at_end(self) -> bool:
        """Whether nothing is left."""
        return self.position >= len(self.line)

    def peek(self, count: int = 1) -> str:
        """The next characters."""
        return self.line[self.position : self.position + count]

    def skip_delimiters(self) -> None:
        """Skip what separates words."""
        while not self.at_end() and self.peek() in DELIMITERS:
            self.position += 1

    def skip_blanks(self) -> None:
        """Skip blanks and tabs."""
        while not self.at_end() and self.peek() in " \t":
            self.position += 1

    def unexpected_token(self) -> str:
        """What an error message names: an operator or the next word."""
        if self.peek(2) in ("&&", "||", ">>", "<<"):
            return self.peek(2)
        return self.peek() if self.peek() in SPECIAL else self.word()

    def word(self, stop: str = DELIMITERS) -> str:
        """The next word: quotes protect, ``^`` is resolved."""
        text, quoted = "", False
        while not self.at_end():
            char = self.peek()
            if not quoted and (char in stop or char in "&|<>" or (char == ")" and self.depth)):
                break
            if char == "^" and not quoted:
                self.position += 1
                char = self.peek()
            quoted ^= char == '"'
            text += char
            self.position += 1
        return text

    def next_word_is(self, *words: str) -> str:
        """The keyword that comes next as a whole word, lower case; empty when another thing comes."""
        for word in words:
            after = self.line[self.position + len(word) : self.position + len(word) + 1]
            if self.peek(len(word)).lower() == word and (not after or after in DELIMITERS + SPECIAL + "/"):
                return word
        return ""

    def take_keyword(self, *words: str) -> str:
        """Skip blanks and the keyword that comes next; empty when another thing comes."""
        self.skip_delimiters()
        word = self.next_word_is(*words)
        self.position += len(word)
        return word

    # Commands

    def sequence(self, level: int) -> Node:
        """Commands with operators of this level or closer binding ones between them."""
        if level == len(LEVELS):
            return self.command()
        left = self.sequence(level + 1)
        operator = LEVELS[level]
        self.skip_blanks()
        if not self._at_operator(operator):
            return left
        self.position += len(operator)
        self.skip_delimiters()
        if operator == "&" and (self.at_end() or (self.peek() == ")" and self.depth)):
            return left
        return Sequence(operator, left, self.sequence(level), quiet=left.quiet)

    def _at_operator(self, operator: str) -> bool:
        here = self.peek(2)
        return here == operator if len(operator) == 2 else here[:1] == operator and here != operator * 2

    def command(self) -> Node:
        """One command: simple, block, ``if``, ``for`` or ``rem``, with redirections in front."""
        self.skip_delimiters()
        quiet = False
        while self.peek() == "@":
            quiet = True
            self.position += 1
            self.skip_delimiters()
        redirections = self.redirections()
        if self.at_end():
            if redirections:
                return Simple("", "", redirections, quiet)
            raise incorrect()
        if self.peek() in "&|)":
            raise unexpected(self.unexpected_token())
        node = self._compound() or self.simple()
        node.redirections = redirections + node.redirections
        node.quiet = quiet
        return node

    def _compound(self) -> Block | If | For | Simple | None:
        if self.peek() == "(":
            return self.block()
        keyword = self.next_word_is("if", "for", "rem")
        if not keyword or (
            keyword != "rem" and self.line[self.position + len(keyword) :].lstrip(DELIMITERS)[:2] == "/?"
        ):
            return None
        self.position += len(keyword)
        if keyword == "if":
            return self.conditional()
        return self.loop() if keyword == "for" else self.remark()

    def block(self) -> Block:
        """``( commands ) redirections``."""
        self.position += 1
        self.depth += 1
        self.skip_delimiters()
        if self.at_end():
            raise incorrect()
        body = self.sequence(0)
        self.skip_blanks()
        if self.at_end():
            raise incorrect()
        if self.peek() != ")":
            raise unexpected(self.unexpected_token())
        self.position += 1
        self.depth -= 1
        redirections = self.redirections()
        self.skip_blanks()
        if not self.at_end() and self.peek() not in "&|)" and not self.next_word_is("else"):
            raise unexpected(self.unexpected_token())
        return Block(body, redirections)

    def remark(self) -> Simple:
        """``rem``: its first word is read as any other, the rest is not looked at; an ``&`` right after it ends it."""
        self.skip_blanks()
        if self.at_end() or self.peek() in "&|<>" or (self.peek() == ")" and self.depth):
            return Simple("rem")
        end = self.line.find(")", self.position) if self.depth else -1
        end = end if end >= 0 else len(self.line)
        text, self.position = self.line[self.position : end], end
        return Simple("rem", " " + text)

    def simple(self) -> Simple:
        """A command's token and its arguments, redirections taken out."""
        text, redirections, quoted = "", [], False
        while not self.at_end():
            char = self.peek()
            if not quoted and (char in "&|" or (char == ")" and self.depth)):
                break
            if not quoted and char in "<>":
                handle, text = _handle_before(text, char)
                redirections.append(self.redirection(handle))
                continue
            if char == "^" and not quoted:
                self.position += 1
                char = self.peek()
            else:
                quoted ^= char == '"'
            text += char
            self.position += 1
        name, arguments = split_name(text)
        return Simple(name, arguments, redirections)

    # Redirections

    def redirections(self) -> list[Redirection]:
        """Redirections that stand before or after a command."""
        found: list[Redirection] = []
        while True:
            self.skip_delimiters()
            ahead = self.peek(2)
            if ahead[:1] in ("<", ">"):
                found.append(self.redirection(None))
            elif ahead[:1].isdigit() and ahead[1:] in ("<", ">"):
                self.position += 1
                found.append(self.redirection(int(ahead[0])))
            else:
                return found

    def redirection(self, handle: int | None) -> Redirection:
        """An operator and its target; the handle was read before."""
        operator = ">>" if self.peek(2) == ">>" else self.peek()
        self.position += len(operator)
        if self.peek() == "&":
            self.position += 1
            target = self.peek()
            if not target.isdigit():
                raise unexpected("&" if not target or target in DELIMITERS else target)
            self.position += 1
            operator = operator[0] + "&"
        else:
            self.skip_delimiters()
            target = self.word(DELIMITERS + "(") if self.peek() == "(" else self.word()
            if not target:
                raise incorrect() if self.at_end() else unexpected(self.unexpected_token())
        return Redirection((0 if operator[0] == "<" else 1) if handle is None else handle, operator, target)

    # if

    def conditional(self) -> If:
        """``if [/i] [not] condition commands [else commands]``."""
        ignore_case = bool(self.take_keyword("/i"))
        negated = bool(self.take_keyword("not"))
        ignore_case |= bool(self.take_keyword("/i"))
        operator, left = self.take_keyword(*UNARY), ""
        if not operator:
            left, operator = self._comparison()
        self.skip_delimiters()
        right = self.word()
        if not right:
            raise self._missing()
        then = self.sequence(0)
        otherwise = self.sequence(0) if self.take_keyword("else") else None
        return If(operator, left, right, negated, ignore_case, then, otherwise)

    def _comparison(self) -> tuple[str, str]:
        left = self.word()
        if not left:
            raise self._missing()
        self.skip_blanks()
        if self.peek(2) == "==":
            self.position += 2
            return left, "=="
        operator = self.take_keyword(*COMPARISONS)
        if not operator:
            raise incorrect() if self.at_end() else unexpected(self.unexpected_token())
        return left, operator

    def _missing(self) -> ParseError:
        return incorrect() if self.at_end() else unexpected(self.unexpected_token())

    # for

    def loop(self) -> For:
        """``for [switch] %v in (items) do commands``."""
        kind, options = self._loop_switch()
        self.skip_delimiters()
        variable = self.word()
        if len(variable) != 2 or variable[0] != "%":
            raise unexpected(variable) if variable else self._missing()
        if not self.take_keyword("in"):
            raise unexpected(self.unexpected_token()) if not self.at_end() else incorrect()
        self.skip_delimiters()
        if self.peek() != "(":
            raise unexpected(self.unexpected_token()) if not self.at_end() else incorrect()
        self.position += 1
        items = self._items()
        if not self.take_keyword("do"):
            raise unexpected(self.unexpected_token()) if not self.at_end() else incorrect()
        return For(kind, options, variable[1], items, self.sequence(0))

    def _loop_switch(self) -> tuple[str, str]:
        kind = self.take_keyword("/d", "/r", "/l", "/f")[1:]
        self.skip_delimiters()
        options = self.word() if kind in ("r", "f") and self.peek() not in ("%", "") else ""
        return kind, options

    def _items(self) -> str:
        """Everything up to the closing parenthesis; operators must be quoted or escaped there."""
        self.depth += 1
        text = ""
        while not self.at_end() and self.peek() != ")":
            if self.peek() in "&|<>":
                raise unexpected(self.unexpected_token())
            piece = self.word("")
            text += piece
        self.depth -= 1
        if self.at_end():
            raise incorrect()
        self.position += 1
        return text


def _handle_before(text: str, operator: str) -> tuple[int | None, str]:
    """A digit right before ``<`` or ``>`` is a handle when it begins a word."""
    if text[-1:].isdigit() and (len(text) == 1 or text[-2] in DELIMITERS + "("):
        return int(text[-1]), text[:-1]
    return None, text


def split_name(text: str) -> tuple[str, str]:
    """The command's token (up to the first delimiter outside quotes) and the rest."""
    quoted = False
    for index, char in enumerate(text):
        quoted ^= char == '"'
        if char in DELIMITERS and not quoted:
            return text[:index], text[index:]
    return text, ""
