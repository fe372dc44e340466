# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking the parsers, and what they are asked about."""

from __future__ import annotations

import ast
import itertools
import json
import platform
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from transact_sql import host

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".build" / "transact_sql"
# What a statement begins with, wherever it stands in the collection.
_STATEMENT = re.compile(
    r"(?:SELECT|USE|EXEC|KILL|INSERT INTO|DELETE FROM|UPDATE \S+ SET|(?:ALTER|CREATE|DROP) DATABASE|(?:BACKUP|RESTORE) [A-Z]+) \S",
    re.DOTALL,
)
_HOLE = "\0"
# What can stand where a statement is put together: a name, a number, a condition, an option of BACKUP and RESTORE, a part of a name.
_FILLINGS = ("[a]]b]", "1", "1 = 1", "CHECKSUM", "[a].", "SINGLE_USER", "name")
# What the tests of this recorder call a client's login, which is no statement.
_LOGIN = "login"


class Parsers:
    """The process that runs the parsers, until it is closed. No statement is judged twice."""

    def __init__(self) -> None:
        self._judged: dict[str, dict[str, list[str]]] = {}
        self._process = subprocess.Popen(
            [sys.executable, host.__file__, str(FOLDER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self._answer()

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def refusals(self, statement: str) -> dict[str, list[str]]:
        """What the parsers say that refuse a statement, by the version of SQL Server; ``?`` is a value, as in ODBC."""
        text = with_parameters(statement)
        if text not in self._judged:
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(text) + "\n")
            self._process.stdin.flush()
            self._judged[text] = self._answer()
        return self._judged[text]

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            _out, error = self._process.communicate()
            raise RuntimeError(
                f"Microsoft's parser of Transact-SQL does not run with Python {platform.python_version()}: {error[-2000:]}"
            )
        return json.loads(line)


def why_not() -> str | None:
    """Why no statement can be judged on a machine like this, or None."""
    machine = (platform.system(), platform.machine())
    return (
        None
        if machine == ("Linux", "x86_64")
        else f"Microsoft's parser of Transact-SQL does not run on {' '.join(machine)}"
    )


def with_parameters(statement: str) -> str:
    """A statement as FreeTDS sends it: a number for each ``?`` that is in no text and no name."""
    numbers = itertools.count(1)
    parts = re.split(r"('(?:[^']|'')*'|\[(?:[^\]]|\]\])*\]|\"[^\"]*\")", statement)
    return "".join(
        part if place % 2 else re.sub(r"\?", lambda _found: f"@P{next(numbers)}", part)
        for place, part in enumerate(parts)
    )


def sent(entries: list[dict[str, Any]]) -> set[str]:
    """The statements that clients sent to a SQL Server of the lab, by its recorder."""
    return {str(entry["statement"]) for entry in entries if entry["kind"] == "sql"} - {_LOGIN}


def written() -> Iterator[tuple[str, str]]:
    """Each statement that is written in the collection, with its place. What is put in later is a hole in it."""
    for path in sorted((ROOT / "plugins").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        inner = {
            id(part)
            for node in ast.walk(tree)
            if isinstance(node, ast.JoinedStr)
            for part in ast.walk(node)
            if part is not node
        }
        for node in ast.walk(tree):
            text = _text(node)
            if text is not None and id(node) not in inner and _STATEMENT.match(text):
                yield f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}", text


def fillings(text: str) -> Iterator[str]:
    """All ways to fill the holes of a statement."""
    first, *others = text.split(_HOLE)
    for chosen in itertools.product(_FILLINGS, repeat=len(others)):
        yield first + "".join(filling + other for filling, other in zip(chosen, others, strict=True))


def refused_by(parsers: Parsers, statements: set[str]) -> Mapping[str, dict[str, list[str]]]:
    """Those of the statements that a parser refuses, with what it says."""
    judged = {statement: parsers.refusals(statement) for statement in sorted(statements)}
    return {statement: said for statement, said in judged.items() if said}


def _text(node: ast.AST) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.sub(r"\{\w+\}", _HOLE, node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_HOLE if isinstance(part, ast.FormattedValue) else _text(part) or "" for part in node.values)
    return None
