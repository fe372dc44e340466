# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `make metrics` counts, and what it does not, in files of a few lines."""

from __future__ import annotations

import ast
import importlib.machinery
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

TOOL = Path(__file__).resolve().parents[1] / "tools" / "metrics"
TASKS = """---
- name: Keep a fact
  ansible.builtin.set_fact:
    fact: "{{ 1 }}"
- name: Say two things
  ansible.builtin.debug:
    msg: "{{ {'a': {'b': 1}} }} and {{ 'set_fact: {{' }}"  # {# is no comment here
"""
ROLE = {
    "roles/night/tasks/main.yml": TASKS,
    "roles/night/vars/main.yml": "---\ntext: |-\n  {% if one %}\n  {{ two }}\n  {%- endif %}\n",
    "roles/night/meta/argument_specs.yml": "---\n",
    "roles/night/templates/report.html.j2": "{% for one in many %}\n{{ one }}\n{% endfor %}\n",
    "roles/night/README.md": "{{ no_task }}\n",
    "roles/awx_setup/defaults/main.yml": '---\nname: "{{ other }}"\n',
}


def load() -> ModuleType:
    """The tool, whose name does not end in .py."""
    loader = importlib.machinery.SourceFileLoader("metrics_tool", str(TOOL))
    spec = importlib.util.spec_from_loader("metrics_tool", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    write, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    loader.exec_module(module)
    sys.dont_write_bytecode = write
    return module


metrics = load()


def test_the_yaml_of_roles_is_counted_with_and_without_the_one_that_sets_up_awx() -> None:
    numbers = metrics.measure_roles(ROLE)
    for title, lines, defaults, expressions in (
        ("roles without awx_setup", 13, 0, 4),
        ("roles with awx_setup", 15, 2, 5),
    ):
        assert numbers[f"{title}: lines of YAML"] == str(lines)
        assert numbers[f"{title}:   in tasks"] == "7"
        assert numbers[f"{title}:   in defaults"] == str(defaults)
        assert numbers[f"{title}: Jinja expressions"] == str(expressions)
        assert numbers[f"{title}: Jinja statements"] == "2"
        assert numbers[f"{title}: set_fact tasks"] == "1"
    assert numbers["templates of roles: lines"] == "3"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one: text", []),
        ('one: "{{ two }} and {{- three -}}"', ["{{ two }}", "{{- three -}}"]),
        ("one: >-\n  {{ two\n     | three }}", ["{{ two | three }}"]),
        ("one: \"{{ {'a': {}} }}\"", ["{{ {'a': {}} }}"]),
        ("one: \"{{ '}}' }}\"", ["{{ '}}' }}"]),
        ("when: one | default(two)", []),
    ],
)
def test_expressions_of_jinja(text: str, expected: list[str]) -> None:
    assert metrics.expressions(text) == expected


@pytest.mark.parametrize(("length", "long"), [(120, "0"), (121, "1")])
def test_an_expression_is_as_long_as_it_is_in_one_line(length: int, long: str) -> None:
    name = "x" * (length - len("{{ a | }}") - 1)
    numbers = metrics.measure_roles({"roles/night/vars/main.yml": f"---\none: >-\n  {{{{ a\n\n      | {name} }}}}\n"})
    assert numbers["roles without awx_setup:   of more than 120 characters"] == long


@pytest.mark.parametrize(
    ("line", "tangled"),
    [
        ("[x for x in y]", 0),
        ("[x for x in y if x]", 0),
        ("[x for x in y if x and z]", 1),
        ("{x for x in y if not (x or z)}", 1),
        ("{x: 1 for x in y if x if z}", 1),
        ("any(x for y in z if y for x in y if x)", 1),
        ("[x for x in y if a(b and c)]", 0),
        ("[x and z for x in y]", 0),
    ],
)
def test_comprehensions_with_more_than_one_condition(line: str, tangled: int) -> None:
    assert metrics.tangled_comprehensions(ast.parse(line)) == tangled


SOURCE = """
class Thing:
    def _twice(self): self._once(); self._twice()
    def _once(self): return _once_and_named()
    def __init__(self): self._twice()
def _once_and_named(): return map(_once_and_named, [])
def _never(): pass
def _handed_on(): return map(_handed_on, [])
def public(): return public()
"""


def test_private_functions_and_those_that_one_place_calls() -> None:
    assert metrics.private_functions(ast.parse(SOURCE)) == {
        "_twice": False,
        "_once": True,
        "_once_and_named": False,
        "_never": False,
        "_handed_on": False,
    }


def test_plugins_their_rooms_and_names_of_classes() -> None:
    numbers = metrics.measure_plugins(
        {
            "plugins/action/one.py": "class ActionModule: pass\nclass Look: pass\n",
            "plugins/action/two.py": "class ActionModule: pass\n\nclass Look: pass\n",
            "plugins/plugin_utils/__init__.py": "",
            "plugins/plugin_utils/flat.py": "x = 1 if y else 2\n",
            "plugins/plugin_utils/room/__init__.py": '"""A room."""\n',
            "plugins/plugin_utils/room/three.py": f"x = '{'x' * 120}'\n",
            "plugins/modules/one.yml": f"{'x' * 121}\n",
        }
    )
    assert numbers == {
        "plugins: lines of Python": "8",
        "plugins: lines of more than 120 columns, of those that are not empty": "14.3 %",
        "plugins: ternaries per 1,000 lines": "125.0",
        "plugins: comprehensions with more than one condition": "0",
        "plugins: private functions": "0",
        "plugins:   called from one place only": "0",
        "plugins: names of classes that several files define": "1",
        "files that define the class: Look": "2",
        "files of plugin_utils: no room": "1",
        "files of plugin_utils: room": "1",
    }


def test_without_anything_to_count_there_is_no_share() -> None:
    assert metrics.measure_plugins({})["plugins: ternaries per 1,000 lines"] == "0.0"


def test_columns_stand_beside_each_other_and_what_one_lacks_is_a_dash() -> None:
    shown = metrics.table({"v1": {"a: x": "1", "b: y": "20"}, "now": {"a: x": "3", "a: z": "4", "b: y": "5"}})
    assert [line.split() for line in shown.splitlines()] == [
        ["v1", "now"],
        ["a:", "x", "1", "3"],
        ["a:", "z", "-", "4"],
        ["b:", "y", "20", "5"],
    ]
    assert len(set(map(len, shown.splitlines()))) == 1


def committed(folder: Path) -> str:
    """A repository with one revision of one role, which was changed since; the revision."""

    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=somebody", "-c", "user.email=somebody@odyssey.com"]
        return subprocess.run(
            ["git", *identity, *arguments], cwd=folder, check=True, stdout=subprocess.PIPE, text=True
        ).stdout

    tasks = folder / "roles" / "night" / "tasks" / "main.yml"
    tasks.parent.mkdir(parents=True)
    (folder / "plugins").mkdir()
    (folder / "plugins" / "one.py").write_text("x = 1\n", encoding="utf-8")
    (folder / ".gitignore").write_text("ignored.yml\n", encoding="utf-8")
    tasks.write_text("---\n", encoding="utf-8")
    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "--message", "The first")
    tasks.write_text(TASKS, encoding="utf-8")
    tasks.with_name("new.yml").write_text("---\n", encoding="utf-8")
    tasks.with_name("ignored.yml").write_text("---\n", encoding="utf-8")
    return git("rev-parse", "HEAD").strip()


def test_a_checkout_is_compared_with_a_revision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    revision = committed(tmp_path)
    monkeypatch.setattr(metrics, "ROOT", tmp_path)
    assert metrics.main(["--compare", revision]) == 0
    heading, first, *_others = capsys.readouterr().out.splitlines()
    assert heading.split() == [revision, "now"]
    assert first.split()[-2:] == ["1", "8"]
    assert metrics.main([]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[-1] == "8"


def test_a_revision_that_does_not_exist_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    committed(tmp_path)
    monkeypatch.setattr(metrics, "ROOT", tmp_path)
    with pytest.raises(SystemExit, match="nowhere"):
        metrics.main(["--compare", "nowhere"])
