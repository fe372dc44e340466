# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which changes `make mutants` makes, in a file of a few lines, and how they get into functions that are loaded."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / "tests" / "tools" / "mutants"
SOURCE = '''"""Who is it?"""
from __future__ import annotations

LIMIT = 3


def is_small(number: int, names: list[str]) -> bool:
    """Whether it is."""
    if number > LIMIT:
        return False
    names.append("small")
    return "small" in names


class Names:
    @staticmethod
    def of(name: str) -> str:
        return f"{name} the first" if name else "no one at all"
'''


def load(path: Path, name: str) -> ModuleType:
    """The tool, whose name does not end in .py, or the file of a few lines."""
    loader = importlib.machinery.SourceFileLoader(name, str(path))
    spec = importlib.util.spec_from_loader(name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    write, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    loader.exec_module(module)
    sys.dont_write_bytecode = write
    return module


mutants: Any = load(TOOL, "mutants_tool")


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(mutants, "ROOT", tmp_path)
    (tmp_path / "small.py").write_text(SOURCE, encoding="utf-8")
    return tmp_path


@pytest.mark.usefixtures("checkout")
def test_annotations_docstrings_and_sentences_are_not_changed() -> None:
    changes = {(change.line, change.before, change.after) for change in mutants.Changes(Path("small.py"))}
    assert changes == {
        (4, "3", "(4)"),
        (9, "number > LIMIT", "(not (number > LIMIT))"),
        (9, "number > LIMIT", "(number >= LIMIT)"),
        (10, "False", "True"),
        (11, 'names.append("small")', "pass"),
        (11, '"small"', "'smallX'"),
        (12, 'return "small" in names', "return None"),
        (12, '"small" in names', "('small' not in names)"),
        (12, '"small"', "'smallX'"),
        (18, 'return f"{name} the first" if name else "no one at all"', "return None"),
        (18, "name", "(not (name))"),
    }


def test_a_change_inside_of_a_function_gets_into_the_loaded_one(checkout: Path) -> None:
    loaded: Any = load(checkout / "small.py", "small_module")
    assert [loaded.is_small(3, []), loaded.Names.of("")] == [True, "no one at all"]
    put = {}
    functions = mutants.loaded_functions(checkout)[Path("small.py")]
    for change in mutants.Changes(Path("small.py")):
        if change.after in ("(4)", "(number >= LIMIT)", "(not (name))"):
            put[change.after] = mutants.put_into(functions, change, SOURCE.encode())
    assert put == {"(4)": False, "(number >= LIMIT)": True, "(not (name))": True}
    assert [loaded.is_small(3, []), loaded.Names.of("")] == [False, " the first"]


def test_a_change_of_a_constant_gets_to_where_it_is_known(checkout: Path) -> None:
    loaded: Any = load(checkout / "small.py", "small_module")
    other: Any = ModuleType("other_module")
    sys.modules["other_module"] = other
    other.LIMIT = loaded.LIMIT
    put = {
        change.after: mutants.put_into_constant(change, SOURCE.encode()) for change in mutants.Changes(Path("small.py"))
    }
    assert [after for after, is_there in put.items() if is_there] == ["(4)"]
    assert [loaded.LIMIT, other.LIMIT, loaded.is_small(4, [])] == [4, 4, True]


def test_what_makes_no_difference_is_there_and_has_a_reason() -> None:
    listed = mutants.Equivalent(mutants.EQUIVALENT)
    known = {
        (str(change.path), change.code, " ".join(change.before.split()), " ".join(change.after.split()))
        for path in {row["path"] for row in listed.rows}
        for change in mutants.Changes(Path(path))
    }
    for row in listed.rows:
        assert row["reason"].endswith(".")
        assert (row["path"], row["code"], row["before"], row["after"]) in known


def test_the_tests_of_a_change_are_those_that_run_its_statement() -> None:
    recording = mutants.Recording()
    path = "plugins/small.py"
    runs = {path: {"tests/test_a.py::slow": [9, 10], "tests/test_a.py::quick": [9], "tests/test_a.py::other": [18]}}
    seconds = {"tests/test_a.py::slow": 2.0, "tests/test_a.py::quick": 0.5, "tests/test_a.py::other": 0.1}
    recording.add({"seconds": {**seconds, "tests/test_a.py::third": 0.2}, "runs": runs})
    recording.add({"seconds": {"tests/test_b.py::stranger": 0.1}, "runs": {}})
    change = mutants.Change(Path(path), 9, "", 0, 0, range(9, 10), "", "")
    assert recording.near(change) == ["tests/test_a.py::quick", "tests/test_a.py::slow"]
    assert recording.far(change) == ["tests/test_a.py::other", "tests/test_a.py::third"]
