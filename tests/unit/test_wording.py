# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests/tools/wording complains about, and what it accepts, in files of a few lines."""

from __future__ import annotations

import ast
import importlib.machinery
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

TOOL = Path(__file__).resolve().parents[1] / "tools" / "wording"


def load() -> ModuleType:
    """The tool, whose name does not end in .py."""
    loader = importlib.machinery.SourceFileLoader("wording_tool", str(TOOL))
    spec = importlib.util.spec_from_loader("wording_tool", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    # A dataclass looks its module up.
    sys.modules["wording_tool"] = module
    write, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    loader.exec_module(module)
    sys.dont_write_bytecode = write
    return module


wording = load()
RULES = wording.Rules.read(wording.RULES.read_text(encoding="utf-8"))


def lines(path: str, text: str) -> list[int]:
    return [finding.line for finding in wording.judge(path, text, RULES)]


def advised(text: str) -> list[int]:
    tree = ast.parse(text)
    return [each.line for each in wording.advices("plugins/x.py", tree, wording.advice_positions([tree]), RULES)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Mend what is named", [1, 1]),
        ("a value that is none\nNone", [1]),
        ("value is None", []),
        ("Rerun exactly the command that was interrupted.", []),
        ("letter by letter", [1]),
        ("It is recommended", []),
        ("- then run it again", [1]),
        ("Left for a person:", [1]),
    ],
)
def test_a_word_to_avoid_is_found_in_any_file(text: str, found: list[int]) -> None:
    assert lines("docs/GUIDE.md", text) == found


def test_a_finding_names_the_place_and_the_better_word() -> None:
    [finding] = wording.judge("docs/GUIDE.md", "It begins anew.", RULES)
    assert (finding.path, finding.line) == ("docs/GUIDE.md", 1)
    assert '"again"' in finding.what


@pytest.mark.parametrize(
    ("title", "accepted"),
    [("Promote a management server", True), ("Have a server be the RMS", False), ("A failover as a runbook", False)],
)
def test_a_short_description_begins_with_a_verb(title: str, accepted: bool) -> None:
    text = f"module: x\nshort_description: {title}\n"
    assert lines("plugins/modules/x.yml", text) == ([] if accepted else [2])
    assert lines("docs/x.yml", text) == []


TASKS = """---
- name: Move the RMS role
  hosts: all
  tasks:
    - name: POINT OF NO RETURN - promote this server
      block:
        - name: Failover
          ansible.builtin.assert:
            that: true
          vars:
            name: Nobody
      rescue:
        - name: The rest
          ansible.builtin.command: {name: no task}
          notify: !unsafe x
"""


def test_every_play_and_task_begins_with_a_verb_and_nothing_else_must() -> None:
    assert lines("playbooks/x.yml", TASKS) == [7, 13]
    assert lines("tests/x.yml", TASKS) == []


@pytest.mark.parametrize(
    "text",
    [
        "raise OpsmgrError('step', 'found', 'It is broken')",
        "OpsmgrError('step', 'found', what_to_do='It is broken')",
        "OpsmgrError('step', 'found', f'It is broken{on}')",
        "OpsmgrError('step', 'found', 'Start it' if off else 'It is broken')",
        "OpsmgrError('step', 'found', BROKEN)",
        "problem('found', 'It is broken')",
        "Derived('step', 'found', 'It is broken')",
        "Case('It is broken')",
        "advice = 'It is broken'",
        "_USUAL_ADVICE = {1: 'Start it', 2: 'It is broken'}",
        "def _advice(): return 'It is broken'",
    ],
)
def test_an_advice_is_found_wherever_it_stands_in_the_source(text: str) -> None:
    before = """
class OpsmgrError(Exception):
    def __init__(self, step, found, what_to_do): ...
class Derived(OpsmgrError): ...
class Case:
    advice: str
def problem(found, advice): ...
BROKEN = 'It is broken'
"""
    assert len(advised(before + text)) == 1
    assert advised(before + text.replace("It is broken", "Start it").replace("BROKEN", "unknown")) == []
