# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The roles that a playbook runs: defaults, argument spec, README and what the tasks use are the same variables."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from unit.plugins.plugin_utils.test_failover import decide, healthy

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.failover_steps import TASKS_OF_TWO

ROLES = Path(__file__).resolve().parents[3] / "roles"


class Loader(yaml.SafeLoader):
    """Reads YAML as Ansible does, as far as these files go: `!unsafe` marks a text."""


Loader.add_constructor("!unsafe", lambda loader, node: loader.construct_scalar(node))


@dataclass(frozen=True)
class Role:
    """A role. What is required has no default: the role must not guess it."""

    name: str
    required: frozenset[str]
    secrets: frozenset[str]

    def load(self, path: str) -> Any:
        return yaml.load((ROLES / self.name / path).read_text(encoding="utf-8"), Loader)

    @property
    def defaults(self) -> dict[str, Any]:
        found: dict[str, Any] = self.load("defaults/main.yml")
        return found

    @property
    def static(self) -> dict[str, Any]:
        """The defaults that do not depend on the inventory."""
        return {
            name: default
            for name, default in self.defaults.items()
            if not (isinstance(default, str) and "{{" in default)
        }

    @property
    def options(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = self.load("meta/argument_specs.yml")["argument_specs"]["main"]["options"]
        return found

    @property
    def text(self) -> str:
        """All that its tasks and its own variables say."""
        return "".join(path.read_text(encoding="utf-8") for path in sorted((ROLES / self.name).glob("[tv]a*/*.yml")))

    def marked(self, mark: str) -> set[str]:
        return {name for name, option in self.options.items() if option.get(mark)}


def role(name: str, required: tuple[str, ...] = (), secrets: tuple[str, ...] = ()) -> Role:
    """A role whose variables are named by what stands behind its own name."""
    return Role(name, *(frozenset(f"{name}_{ending}" for ending in endings) for endings in (required, secrets)))


FAILOVER = role(
    "rms_failover",
    ("target",),
    (
        "backup_password",
        "seal_passphrase",
        "seal_private_key_passphrase",
        "signing_key_passphrase",
        "sql_login_password",
    ),
)
ALL = [
    FAILOVER,
    role("rms_recover_without_key", ("target",), ("backup_password", "seal_passphrase", "signing_key_passphrase")),
    role(
        "clustered_rms_restore",
        (),
        ("backup_password", "seal_passphrase", "seal_private_key_passphrase", "signing_key_passphrase"),
    ),
    role("rms_key_backup", (), ("password", "seal_passphrase", "signing_key_passphrase")),
    role("awx_setup", ("escrow",), ("password", "oauth_token", "credential_inputs", "notification_configuration")),
]
each_role = pytest.mark.parametrize("role", ALL, ids=lambda role: role.name)


@each_role
def test_options_are_the_defaults_and_what_is_required(role: Role) -> None:
    assert set(role.options) == set(role.defaults) | role.required
    assert (role.marked("required"), role.marked("no_log")) == (role.required, role.secrets)


@each_role
def test_every_option_is_described_with_what_happens_without_it(role: Role) -> None:
    for name, option in role.options.items():
        assert option["type"], name
        if name not in role.required and name not in role.static:
            assert "When left out" in " ".join(option["description"]), name


@each_role
def test_defaults_are_the_same_unless_they_depend_on_the_inventory(role: Role) -> None:
    assert {name: option["default"] for name, option in role.options.items() if "default" in option} == role.static


@each_role
def test_static_defaults_are_accepted(role: Role) -> None:
    spec = {
        name: {key: value for key, value in role.options[name].items() if key not in ("description", "default")}
        for name in role.static
    }
    assert ArgumentSpecValidator(spec).validate(role.static).error_messages == []


@each_role
def test_what_the_tasks_use_is_described_and_what_is_described_is_used(role: Role) -> None:
    modules = {path.stem for path in (ROLES.parent / "plugins" / "modules").glob("*.py")}
    used = set(re.findall(rf"(?<![\w.]){role.name}_[a-z_]+", role.text))
    assert used - modules <= set(role.options)
    assert [name for name in role.options if not re.search(rf"\b{name}\b", role.text + str(role.defaults))] == []


@each_role
def test_private_variables_say_so(role: Role) -> None:
    private = [*re.findall(r"register: (\w+)", role.text), *role.load("vars/main.yml")]
    assert [name for name in private if not name.startswith(f"__{role.name}_")] == []


@each_role
def test_the_readme_lists_every_variable(role: Role) -> None:
    readme = (ROLES / role.name / "README.md").read_text(encoding="utf-8")
    assert [name for name in role.options if f"`{name}`" not in readme] == []


def test_what_a_recovery_without_key_hands_on_are_variables_of_the_failover() -> None:
    blocks = [task for task in ALL[1].load("tasks/main.yml") if "block" in task]
    [task] = [task for whole in blocks for task in whole["block"] if "ansible.builtin.include_role" in task]
    assert set(task["vars"]) <= set(FAILOVER.options)


def test_the_failover_hands_over_what_each_step_of_its_plan_returned() -> None:
    """The steps are described by the plan alone; what the role hands over goes by their ids."""
    registered = set(re.findall(r"register: __rms_failover_done_(\w+)", FAILOVER.text))
    steps = {step.id for step in decide(healthy()).steps}
    assert registered == steps - set(TASKS_OF_TWO)
    assert set(TASKS_OF_TWO.values()) <= registered


def test_the_failover_asks_only_for_steps_that_its_plan_has() -> None:
    asked = set(re.findall(r"__rms_failover_step\.(\w+)", FAILOVER.text))
    assert asked <= {step.id for step in decide(healthy()).steps}
    assert "promote" in asked
