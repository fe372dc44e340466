"""Dependencies point one way, and the lab and the collection know nothing of each other: read from the imports."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COLLECTION = "ansible_collections.opsmgr.recovery"

# What the Python files of a folder may import, by the beginning of the dotted name; a file below a longer path obeys
# the longer one.
COLLECTION_IMPORTS = {
    "plugins/module_utils": ("plugins.module_utils",),
    "plugins/modules": ("plugins.module_utils",),
    "plugins/doc_fragments": (),
    "plugins/action": ("plugins.plugin_utils", "plugins.module_utils"),
    "plugins/callback": ("plugins.plugin_utils", "plugins.module_utils"),
    "plugins/filter": ("plugins.module_utils",),
    "plugins/lookup": ("plugins.plugin_utils", "plugins.module_utils"),
}
# The rooms of plugin_utils, and the other rooms that each may use; all may use module_utils.
ROOMS = {
    "winrs": (),
    "windows": ("winrs",),
    "opsmgr": ("windows", "winrs"),
    "cluster": ("opsmgr", "windows", "winrs"),
    "escrow": ("opsmgr",),
    "repoint": (),
    "plans": ("escrow", "opsmgr", "winrs"),
    "runbook": ("plans",),
    "actions": ("cluster", "escrow", "inventory", "opsmgr", "repoint", "windows", "winrs"),
    "inventory": (),
    "awx": (),
}
COLLECTION_IMPORTS |= {
    f"plugins/plugin_utils/{room}": (
        "plugins.module_utils",
        *(f"plugins.plugin_utils.{each}" for each in (room, *others)),
    )
    for room, others in ROOMS.items()
}
# These wrap the libraries that speak to another machine (folders where it is not decided which): nothing else imports
# them.
WINRM = ("plugins/plugin_utils/winrs/",)
WRAPPED = {"winrm": WINRM, "requests": WINRM, "pyodbc": ("plugins/module_utils",)}


def imports(source: str, module: str) -> Iterator[str]:
    """Every dotted name that `source`, the text of `module`, imports, relative ones resolved."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = ".".join(module.split(".")[: -node.level]) + "." if node.level else ""
            base = f"{above}{node.module or ''}".rstrip(".")
            yield from (f"{base}.{alias.name}" for alias in node.names)


def begins_with(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(prefix + ".")


def python_files(folder: str) -> list[str]:
    return sorted(str(path.relative_to(ROOT)) for path in (ROOT / folder).rglob("*.py"))


def imports_of(path: str) -> set[str]:
    inside = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    if path.endswith("/__init__.py"):
        inside += ".__init__"
    name = f"{COLLECTION}.{inside}" if path.startswith("plugins/") else inside.removeprefix("tests.")
    return set(imports((ROOT / path).read_text(encoding="utf-8"), name))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("import a.b, c", {"a.b", "c"}),
        ("from a.b import c as d", {"a.b.c"}),
        ("from . import x", {"p.q.x"}),
        ("from .x import y", {"p.q.x.y"}),
        ("from ..x import y", {"p.x.y"}),
        ("def f():\n    import late", {"late"}),
    ],
)
def test_imports_are_read(line: str, expected: set[str]) -> None:
    assert set(imports(line, "p.q.module")) == expected


@pytest.mark.parametrize("path", python_files("plugins"))
def test_plugins_import_downwards(path: str) -> None:
    rules = [place for place in COLLECTION_IMPORTS if path == place or path.startswith(place + "/")]
    assert rules, f"{path}: no rule says what this folder may import"
    allowed = COLLECTION_IMPORTS[max(rules, key=len)]
    found = {name.removeprefix(COLLECTION + ".") for name in imports_of(path) if begins_with(name, COLLECTION)}
    assert sorted(name for name in found if not any(begins_with(name, prefix) for prefix in allowed)) == []


@pytest.mark.parametrize("path", python_files("plugins"))
def test_plugins_reach_other_machines_through_their_wrappers(path: str) -> None:
    roots = {name.partition(".")[0] for name in imports_of(path)}
    strangers = {library for library in roots & WRAPPED.keys() if not path.startswith(WRAPPED[library])}
    assert strangers == set()


@pytest.mark.parametrize("path", python_files("plugins"))
def test_plugins_know_no_lab(path: str) -> None:
    assert [name for name in imports_of(path) if begins_with(name, "lab") or begins_with(name, "tests")] == []


@pytest.mark.parametrize("path", python_files("tests/lab"))
def test_the_lab_knows_no_plugin(path: str) -> None:
    assert [
        name for name in imports_of(path) if begins_with(name, "ansible_collections") or begins_with(name, "plugins")
    ] == []


def test_each_room_says_what_it_is_for() -> None:
    folder = ROOT / "plugins" / "plugin_utils"
    assert {path.name for path in folder.iterdir() if path.is_dir() and path.name != "__pycache__"} == set(ROOMS)
    assert [path.name for path in folder.glob("*.py")] == []
    for room in ROOMS:
        assert ast.get_docstring(ast.parse((folder / room / "__init__.py").read_text(encoding="utf-8")))


def test_no_two_rooms_use_each_other() -> None:
    def all_below(room: str) -> set[str]:
        return {room}.union(*(all_below(each) for each in ROOMS[room]))

    for room, others in ROOMS.items():
        assert not any(room in all_below(each) for each in others)


def test_there_was_something_to_read() -> None:
    assert python_files("plugins")
    assert python_files("tests/lab")


def test_the_lab_names_its_modules_relatively() -> None:
    """It is the package lab here, and opsmgr_lab where it is installed."""
    lab = Path(__file__).resolve().parents[1] / "lab"
    absolute = re.compile(r"^\s*(from|import) lab\b", re.M)
    assert [path.name for path in lab.rglob("*.py") if absolute.search(path.read_text(encoding="utf-8"))] == []
