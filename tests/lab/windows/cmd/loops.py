# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``for`` in its five forms."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from .. import paths
from ..errors import Win32Error
from ..filesystem import Directory
from ..streams import Capture
from .common import CmdExit, Handles
from .nodes import For, Node

if TYPE_CHECKING:
    from .interpreter import Interpreter

_WORD = re.compile(r'(?:[^ \t,;="]|"[^"]*"?)+')


def _iterate(shell: Interpreter, node: For, handles: Handles, values: Iterator[dict[str, str]]) -> int:
    """Run the body once for each set of values; the last return code."""
    code = 0
    outer = shell.loop_values
    for found in values:
        shell.loop_values = {**outer, **found}
        try:
            _show(shell, node.body, handles)
            code = shell.execute(node.body, handles)
        finally:
            shell.loop_values = outer
    return code


def _show(shell: Interpreter, body: Node, handles: Handles) -> None:
    """With echo on, every run of the body is shown behind a prompt, unless ``@`` is before it [field]."""
    if shell.echo and not body.quiet:
        text = f"\r\n{shell.prompt()}{shell.expand(body.text())} \r\n"
        handles.output(1).write(shell.process.encode(text), apart=False)


def _plain(shell: Interpreter, node: For, handles: Handles) -> int:
    """``for %a in (words and patterns)``."""
    return _iterate(shell, node, handles, ({node.variable: item} for item in _items(shell, node, folders=False)))


def _folders(shell: Interpreter, node: For, handles: Handles) -> int:
    """``for /d``: patterns mean folders."""
    return _iterate(shell, node, handles, ({node.variable: item} for item in _items(shell, node, folders=True)))


def _items(shell: Interpreter, node: For, *, folders: bool) -> Iterator[str]:
    for word in _WORD.findall(shell.expand(node.items)):
        if paths.has_wildcard(word):
            yield from _matching(shell, word.replace('"', ""), folders=folders)
        else:
            yield word


def _matching(shell: Interpreter, pattern: str, *, folders: bool) -> Iterator[str]:
    prefix, backslash, name = pattern.rpartition("\\")
    try:
        entries = shell.process.files.entries(prefix + backslash or ".", name)
    except Win32Error:
        return
    for entry in entries:
        if isinstance(entry, Directory) == folders and not entry.hidden:
            yield prefix + backslash + entry.name


def _recursive(shell: Interpreter, node: For, handles: Handles) -> int:
    """``for /r [folder]``: the set in the folder and all below it."""
    root = shell.process.files.absolute(shell.expand(node.options).replace('"', "") or ".")

    def values() -> Iterator[dict[str, str]]:
        for folder in _tree(shell, root):
            for word in _WORD.findall(shell.expand(node.items)):
                bare = word.replace('"', "")
                full = paths.join(folder, bare)
                found = _matching(shell, full, folders=False) if paths.has_wildcard(bare) else [full]
                yield from ({node.variable: item} for item in found)

    return _iterate(shell, node, handles, values())


def _tree(shell: Interpreter, folder: str) -> Iterator[str]:
    if not shell.process.files.is_dir(folder):
        return
    yield folder
    for entry in shell.process.files.entries(folder):
        if isinstance(entry, Directory):
            yield from _tree(shell, paths.join(folder, entry.name))


def _counting(shell: Interpreter, node: For, handles: Handles) -> int:
    """``for /l %a in (start,step,end)``."""
    numbers = [_number(word) for word in _WORD.findall(shell.expand(node.items))] + [0, 0, 0]
    start, step, end = numbers[:3]

    def values() -> Iterator[dict[str, str]]:
        current = start
        while current <= end if step >= 0 else current >= end:
            shell.process.lifeline.check()
            yield {node.variable: str(current)}
            current += step

    return _iterate(shell, node, handles, values())


def _number(word: str) -> int:
    try:
        return int(word, 0)
    except ValueError:
        return 0


@dataclass
class _LineRules:
    """The options of ``for /f``."""

    eol: str = ";"
    skip: int = 0
    delims: str = " \t"
    tokens: list[int] = field(default_factory=lambda: [1])
    rest: bool = False
    usebackq: bool = False


def _line_rules(options: str) -> _LineRules:
    rules = _LineRules()
    text = options.strip().strip('"')
    while text := text.lstrip(" "):
        if text.lower().startswith("usebackq"):
            rules.usebackq, text = True, text[8:]
        elif match := re.match(r"eol=(.)", text, re.IGNORECASE):
            rules.eol, text = match.group(1), text[match.end() :]
        elif match := re.match(r"skip=(\d+)", text, re.IGNORECASE):
            rules.skip, text = int(match.group(1)), text[match.end() :]
        elif match := re.match(r"tokens=([\d,*-]+)", text, re.IGNORECASE):
            rules.tokens, rules.rest = _tokens(match.group(1))
            text = text[match.end() :]
        elif match := re.match(r"delims=(.*?)(?=$| +(?:tokens|eol|skip|usebackq)\b)", text, re.IGNORECASE | re.DOTALL):
            rules.delims, text = match.group(1), text[match.end() :]
        else:
            raise ValueError(text)
    return rules


def _tokens(text: str) -> tuple[list[int], bool]:
    numbers: set[int] = set()
    for part in text.rstrip("*").strip(",").split(","):
        first, _dash, last = part.partition("-")
        if first:
            numbers |= set(range(int(first), int(last or first) + 1))
    return sorted(numbers), text.endswith("*")


def _lines(shell: Interpreter, node: For, handles: Handles) -> int:
    """``for /f``: lines of files, of a string, or of a command's output, split into tokens."""
    try:
        rules = _line_rules(node.options)
    except ValueError as error:
        shell.process.complain(f"{error} was unexpected at this time.")
        return 1
    try:
        text = _source(shell, rules, shell.expand(node.items).strip(), handles)
    except Win32Error as error:
        missing = f"The system cannot find the file {error.path}."
        handles.output(2).write(
            shell.process.encode((missing if error.code == 2 else error.text) + "\r\n"), apart=False
        )
        return 1
    found = (_split(line, rules, node.variable) for line in re.split(r"\r?\n", text)[rules.skip :])
    return _iterate(shell, node, handles, (values for values in found if values))


def _source(shell: Interpreter, rules: _LineRules, items: str, handles: Handles) -> str:
    string, command = ("'", "`") if rules.usebackq else ('"', "'")
    if len(items) > 1 and items[0] == items[-1] == command:
        return _output_of(shell, items[1:-1], handles)
    if len(items) > 1 and items[0] == items[-1] == string:
        return items[1:-1]
    files = [word.replace('"', "") for word in _WORD.findall(items)]
    return "".join(shell.process.decode(shell.process.files.read(name)) for name in files)


def _output_of(shell: Interpreter, line: str, handles: Handles) -> str:
    """The output of ``cmd /c line``, a new cmd.exe."""
    capture = Capture()
    process = replace(
        shell.process, env=shell.process.env.copy(), stdin=handles.stdin, stdout=capture, stderr=handles.output(2)
    )
    with contextlib.suppress(CmdExit):
        type(shell)(process).execute_line(line)
    return shell.process.decode(capture.data)


def _split(line: str, rules: _LineRules, variable: str) -> dict[str, str]:
    """The variables of one line; none for an empty line, one that begins with ``eol``, or one without the first token."""
    tokens: list[tuple[int, int]] = []
    position = 0
    while position < len(line):
        while position < len(line) and line[position] in rules.delims:
            position += 1
        start = position
        while position < len(line) and line[position] not in rules.delims:
            position += 1
        if position > start:
            tokens.append((start, position))
    first = tokens[0][0] if tokens else 0
    if not tokens or line[first] == rules.eol:
        return {}
    wanted = [line[slice(*tokens[number - 1])] if number <= len(tokens) else "" for number in rules.tokens]
    if rules.rest:
        last = max(rules.tokens, default=0)
        wanted.append(line[tokens[last][0] :] if last < len(tokens) else "")
    return {chr(ord(variable) + index): value for index, value in enumerate(wanted)} if any(wanted) else {}


LOOPS: dict[str, Callable[[Interpreter, For, Handles], int]] = {
    "": _plain,
    "d": _folders,
    "r": _recursive,
    "l": _counting,
    "f": _lines,
}
"""The switch of ``for`` -> what runs it."""
