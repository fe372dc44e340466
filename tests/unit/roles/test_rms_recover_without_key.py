# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role rms_recover_without_key: its defaults, argument spec, README and tasks speak of the same variables."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

PREFIX = "rms_recover_without_key"
ROLES = Path(__file__).resolve().parents[3] / "roles"
ROLE = ROLES / PREFIX


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


DEFAULTS: dict[str, Any] = load(ROLE / "defaults" / "main.yml")
OPTIONS: dict[str, dict[str, Any]] = load(ROLE / "meta" / "argument_specs.yml")["argument_specs"]["main"]["options"]
TASKS = "".join(path.read_text(encoding="utf-8") for path in sorted(ROLE.glob("[tv]a*/*.yml")))


def test_options_are_the_defaults_and_the_target() -> None:
    assert set(OPTIONS) == {*DEFAULTS, f"{PREFIX}_target"}
    assert {name for name, option in OPTIONS.items() if option.get("required")} == {f"{PREFIX}_target"}
    assert {name for name, option in OPTIONS.items() if option.get("no_log")} == {f"{PREFIX}_backup_password", f"{PREFIX}_seal_passphrase"}


@pytest.mark.parametrize("name", DEFAULTS)
def test_defaults_are_the_same_or_described(name: str) -> None:
    option, default = OPTIONS[name], DEFAULTS[name]
    if isinstance(default, str) and "{{" in default:
        assert "default" not in option
        assert "When left out" in " ".join(option["description"])
    else:
        assert option["default"] == default


def test_every_variable_is_used_and_every_used_one_is_described() -> None:
    used = set(re.findall(rf"(?<![\w.]){PREFIX}_[a-z_]+", TASKS + str(DEFAULTS)))
    assert used == set(OPTIONS)


def test_private_variables_say_so() -> None:
    private = [*re.findall(r"register: (\w+)", TASKS), *load(ROLE / "vars" / "main.yml")]
    assert [name for name in private if not name.startswith(f"__{PREFIX}_")] == []


def test_what_it_hands_on_are_variables_of_the_failover() -> None:
    failover = load(ROLES / "rms_failover" / "meta" / "argument_specs.yml")["argument_specs"]["main"]["options"]
    [task] = [task for task in load(ROLE / "tasks" / "main.yml") if "ansible.builtin.include_role" in task]
    assert set(task["vars"]) <= set(failover)


def test_the_readme_lists_every_variable() -> None:
    readme = (ROLE / "README.md").read_text(encoding="utf-8")
    assert [name for name in OPTIONS if f"`{name}`" not in readme] == []
