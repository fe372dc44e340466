# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The roles that repoint: defaults, argument specs, READMEs and the options of the module that each runs are the same."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROLES = Path(__file__).resolve().parents[3] / "roles"
MODULES = {
    "reporting_repoint": "reporting_server_rms",
    "web_console_repoint": "web_console_rms",
    "console_repoint": "console_rms",
}
# Options that have another name in the role.
NAMES = {"timeout": "service_timeout"}


def load(role: str, path: str) -> Any:
    file = ROLES / role / path
    return yaml.safe_load(file.read_text(encoding="utf-8")) if file.exists() else {}


def options(role: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = load(role, "meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    return found


@pytest.mark.parametrize("role", MODULES)
def test_every_option_of_the_module_is_a_variable_and_used(role: str) -> None:
    spec = importlib.import_module(
        f"ansible_collections.opsmgr.recovery.plugins.action.{MODULES[role]}"
    ).ActionModule.SPEC
    [task] = load(role, "tasks/main.yml")
    given = task[f"opsmgr.recovery.{MODULES[role]}"]
    assert set(given) == set(spec)
    for option, text in spec.items():
        variable = f"{role}_{NAMES.get(option, option)}"
        described = options(role)[variable]
        assert variable in given[option]
        assert (described["type"], described.get("required", False)) == (text["type"], text.get("required", False))
        if "default" in text:
            assert described["default"] == text["default"]
    assert len(options(role)) == len(spec)


@pytest.mark.parametrize("role", MODULES)
def test_defaults_are_those_of_the_argument_spec(role: str) -> None:
    assert load(role, "defaults/main.yml") == {
        name: option["default"] for name, option in options(role).items() if not option.get("required")
    }


@pytest.mark.parametrize("role", MODULES)
def test_the_readme_lists_every_variable(role: str) -> None:
    readme = (ROLES / role / "README.md").read_text(encoding="utf-8")
    assert [name for name in options(role) if f"`{name}`" not in readme] == []
