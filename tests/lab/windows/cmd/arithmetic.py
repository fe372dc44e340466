# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``set /a``: 32-bit arithmetic with the operators of C."""

from __future__ import annotations

import re
from collections.abc import MutableMapping

_TOKEN = re.compile(r"\s*(0[xX][0-9a-fA-F]+|\d+|[^\W\d]\w*|<<=|>>=|<<|>>|[-+*/%&|^]=|[-+*/%&|^~!()=,])")
_LEVELS = (("|",), ("^",), ("&",), ("<<", ">>"), ("+", "-"), ("*", "/", "%"))


class ArithmeticProblem(Exception):
    """A message of ``set /a`` and the return code that comes with it [field]."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


def evaluate(expression: str, env: MutableMapping[str, str]) -> int:
    """The value of the last expression of a comma list; assignments change ``env``."""
    tokens, position = [], 0
    text = expression.replace('"', "").strip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise ArithmeticProblem("Missing operator.", 1073750989)
        tokens.append(match.group(1))
        position = match.end()
    machine = _Machine(tokens, env)
    result = machine.assignment()
    while machine.take(","):
        result = machine.assignment()
    if machine.tokens:
        raise ArithmeticProblem("Missing operator.", 1073750989)
    return result


class _Machine:
    def __init__(self, tokens: list[str], env: MutableMapping[str, str]) -> None:
        self.tokens = tokens
        self.env = env

    def take(self, *wanted: str) -> str:
        return self.tokens.pop(0) if self.tokens and self.tokens[0] in wanted else ""

    def assignment(self) -> int:
        if len(self.tokens) > 1 and self.tokens[1].endswith("=") and re.match(r"[^\W\d]", self.tokens[0]):
            name, operator = self.tokens.pop(0), self.tokens.pop(0)
            right = self.assignment()
            value = _apply(operator[:-1], self._variable(name), right) if operator != "=" else right
            self.env[name] = str(value)
            return value
        return self.binary(0)

    def binary(self, level: int) -> int:
        if level == len(_LEVELS):
            return self.unary()
        left = self.binary(level + 1)
        while operator := self.take(*_LEVELS[level]):
            left = _apply(operator, left, self.binary(level + 1))
        return left

    def unary(self) -> int:
        if operator := self.take("-", "+", "~", "!"):
            value = self.unary()
            return _wrap({"-": -value, "+": value, "~": ~value, "!": int(not value)}[operator])
        if self.take("("):
            value = self.assignment()
            if not self.take(")"):
                raise ArithmeticProblem("Unbalanced parenthesis.", 1073750988)
            return value
        if not self.tokens or not re.match(r"\w", self.tokens[0]):
            raise ArithmeticProblem("Missing operand.", 1073750990)
        token = self.tokens.pop(0)
        return _number(token) if token[0].isdigit() else self._variable(token)

    def _variable(self, name: str) -> int:
        try:
            return _number(self.env.get(name, "0"))
        except ArithmeticProblem:
            return 0


def _number(text: str) -> int:
    try:
        return _wrap(int(text, 8 if re.fullmatch(r"0\d+", text) else 0))
    except ValueError as error:
        raise ArithmeticProblem(
            "Invalid number.  Numeric constants are either decimal (17),\r\nhexadecimal (0x11), or octal (021).",
            1073750992,
        ) from error


def _apply(operator: str, left: int, right: int) -> int:
    if operator in ("/", "%") and right == 0:
        raise ArithmeticProblem("Divide by zero error.", 1073750993)
    quotient = abs(left) // abs(right or 1) * (1 if (left < 0) == (right < 0) else -1)
    results = {
        "+": left + right, "-": left - right, "*": left * right, "/": quotient, "%": left - quotient * right,
        "&": left & right, "|": left | right, "^": left ^ right,
        "<<": left << (right & 63), ">>": left >> (right & 63),
    }  # fmt: skip
    return _wrap(results[operator])


def _wrap(value: int) -> int:
    return (value + (1 << 31)) % (1 << 32) - (1 << 31)
