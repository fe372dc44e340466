# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A table of bad values for every option of every module and every variable of every role, made from their argument
specs.

Each of them gets one sentence that names it, before anything is contacted or changed.
"""

from __future__ import annotations

import importlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleError
from ansible.module_utils import basic
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from unit.plugins.action.bench import Connection, run

from ansible_collections.opsmgr.recovery.plugins.module_utils.option_values import range_of

ROOT = Path(__file__).parents[3]
PLUGINS = "ansible_collections.opsmgr.recovery.plugins"
SQL_MODULES = (
    "database_backup",
    "database_restore",
    "management_group_info",
    "management_group_lock",
    "service_broker",
)
# Words of a password that no sentence may repeat.
WORD = "Tr0ub4dor"
TEXTS = {"NUL": f"{WORD}\0tail", "half a character": f"{WORD}\ud800tail"}
NUMBERS = {
    "not a number": math.nan,
    "without end": math.inf,
    "less than nothing": -1,
    "1e30": 1e30,
    "1e400": "1e400",
    "words": "soon",
    "10**400": 10**400,
}
NEVER_NUMBERS = ("not a number", "without end", "1e30", "10**400")
PLAIN = {
    "str": "text of some length",
    "path": "/nowhere/at/all",
    "bool": True,
    "int": 1,
    "float": 1.0,
    "list": [],
    "dict": {},
    "raw": "text",
}
# What a module needs one of.
ALSO_NEEDED: dict[str, dict[str, Any]] = {
    "secure_storage_restore": {"escrow": "/nowhere"},
    "management_services": {"sdk_service": "running"},
    "management_group_lock": {"state": "released"},
    "rms_failover_verdict": {"now": {"servers": [], "database": {}}},
}


@dataclass(frozen=True)
class Row:
    """One bad value: of which module or role, of which option, and why it is bad."""

    subject: str
    option: str
    kind: str
    value: Any

    def __str__(self) -> str:
        return f"{self.subject}-{self.option}-{self.kind}"

    def __repr__(self) -> str:
        # What a test runner prints must be printable.
        return str(self)


def action_specs() -> dict[str, Mapping[str, Any]]:
    names = sorted(path.stem for path in (ROOT / "plugins/action").glob("*.py") if path.stem not in SQL_MODULES)
    return {name: importlib.import_module(f"{PLUGINS}.action.{name}").ActionModule.SPEC for name in names}


def sql_specs() -> dict[str, Mapping[str, Any]]:
    """Taken from the documentation, which ansible-test compares with the code."""
    found = {}
    for name in SQL_MODULES:
        module = importlib.import_module(f"{PLUGINS}.modules.{name}")
        connection = importlib.import_module(f"{PLUGINS}.module_utils.sql_options").sql_connection_spec()
        found[name] = {**connection, **yaml.safe_load(module.DOCUMENTATION)["options"]}
    return found


def role_specs() -> dict[str, Mapping[str, Any]]:
    files = sorted((ROOT / "roles").glob("*/meta/argument_specs.yml"))
    return {
        file.parent.parent.name: yaml.safe_load(file.read_text(encoding="utf-8"))["argument_specs"]["main"]["options"]
        for file in files
    }


def rows(specs: Mapping[str, Mapping[str, Any]]) -> Iterator[Row]:
    for subject, spec in specs.items():
        for option, described in spec.items():
            for kind, value in bad_values(option, described).items():
                yield Row(subject, option, kind, value)


def bad_values(option: str, described: Mapping[str, Any]) -> dict[str, Any]:
    if described.get("choices"):
        return {"no choice": "another"}
    kind = described.get("type", "str")
    if kind in ("int", "float"):
        usable = range_of(option, described)
        return {**NUMBERS, "too much": usable.most + 1, **({"nothing": 0} if usable.above or usable.least > 0 else {})}
    if kind in ("str", "path"):
        return TEXTS
    if kind == "list" and described.get("elements") in ("str", "path"):
        return {why: [text] for why, text in TEXTS.items()}
    if kind == "dict":
        return {**{f"{why} in a key": {text: 1} for why, text in TEXTS.items()}, "words": "words"}
    return {"words": "words"}


ACTIONS, SQL, ROLES = action_specs(), sql_specs(), role_specs()
ROWS = {"actions": list(rows(ACTIONS)), "sql": list(rows(SQL)), "roles": list(rows(ROLES))}


def require_one_sentence(row: Row, told: str) -> None:
    # ansible-core does not name an option in which it cannot find a dictionary.
    assert row.option in told or told.startswith(("dictionary requested", "Elements value"))
    assert "Traceback" not in told
    assert "\n" not in told.strip()
    assert WORD not in told


def test_the_table_is_long_and_knows_every_option() -> None:
    counts = {name: len(found) for name, found in ROWS.items()}
    print(f"bad inputs: {counts}, {sum(counts.values())} in all")
    assert sum(counts.values()) >= 200
    assert all(
        {row.option for row in rows({name: spec})} == set(spec)
        for specs in (ACTIONS, SQL, ROLES)
        for name, spec in specs.items()
    )


@pytest.mark.parametrize("row", ROWS["actions"], ids=str)
def test_options_of_actions(row: Row, tmp_path: Path) -> None:
    spec = ACTIONS[row.subject]
    arguments = {option: PLAIN[described["type"]] for option, described in spec.items() if described.get("required")}
    arguments.update(ALSO_NEEDED.get(row.subject, {}))
    connection = Connection(None, AssertionError("the server was contacted"))
    try:
        result = run(row.subject, connection, task_vars={"hostvars": {}}, **{**arguments, row.option: row.value})
    except AnsibleError as error:
        require_one_sentence(row, error.message)
        return
    assert (result["failed"], result["changed"]) == (True, False)
    require_one_sentence(row, result["msg"])


@pytest.mark.parametrize("row", ROWS["sql"], ids=str)
def test_options_of_sql_modules(row: Row, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The action refuses what nothing can be, so that it never reaches the place where the module runs; the module
    refuses the rest.
    """
    spec = SQL[row.subject]
    arguments = {option: PLAIN[described["type"]] for option, described in spec.items() if described.get("required")}
    arguments.update(ALSO_NEEDED.get(row.subject, {}))
    arguments[row.option] = row.value
    if row.kind.startswith(tuple(TEXTS)) or row.kind in NEVER_NUMBERS:
        result = run(row.subject, Connection(None, transport="local"), **arguments)
        assert result["failed"]
        require_one_sentence(row, result["msg"])
        return
    monkeypatch.setattr(basic, "_ANSIBLE_ARGS", json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode())
    monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
    module = importlib.import_module(f"{PLUGINS}.modules.{row.subject}")
    monkeypatch.setattr(f"{PLUGINS}.module_utils.sqlserver.pyodbc.connect", None)
    with pytest.raises(SystemExit):
        module.main()
    printed = json.loads(capsys.readouterr().out)
    assert printed["failed"]
    require_one_sentence(row, printed["msg"])


@pytest.mark.parametrize("row", ROWS["roles"], ids=str)
def test_variables_of_roles(row: Row) -> None:
    """What ansible-core refuses when a role begins, or the role's first task does."""
    described = ROLES[row.subject][row.option]
    try:
        wrong = ArgumentSpecValidator({row.option: described}).validate({row.option: row.value}).error_messages
    except OverflowError:
        # ansible-core's own words, and it ends there.
        return
    if wrong:
        require_one_sentence(row, " ".join(wrong))
        return
    specs = str(ROOT / "roles" / row.subject / "meta/argument_specs.yml")
    result = run(
        "role_variables",
        Connection(None, AssertionError("the server was contacted")),
        specs=specs,
        task_vars={row.option: row.value},
    )
    assert result["failed"]
    require_one_sentence(row, result["msg"])


@pytest.mark.parametrize("role", ROLES)
def test_each_role_looks_at_its_variables_before_anything_else(role: str) -> None:
    tasks = ROOT / "roles" / role / "tasks"
    first, *others = yaml.safe_load((tasks / "main.yml").read_text(encoding="utf-8"))
    if "opsmgr.recovery.variable_names" in first:
        # It looks at names alone.
        first, *others = others
    if role == "rms_key_backup":
        first = yaml.safe_load((tasks / "choose.yml").read_text(encoding="utf-8"))[1]
    # A role of one task leaves it to the module.
    assert "opsmgr.recovery.role_variables" in first or not others
