"""Role clustered_rms_restore: its defaults, its argument spec and what its tasks use are the same variables."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

ROLE = Path(__file__).resolve().parents[3] / "roles" / "clustered_rms_restore"
# None: the inventory tells everything else, and what is missing is a problem among others.
REQUIRED: set[str] = set()
SECRETS = {"clustered_rms_restore_backup_password", "clustered_rms_restore_seal_passphrase"}


def load(path: str) -> Any:
    return yaml.safe_load((ROLE / path).read_text(encoding="utf-8"))


DEFAULTS: dict[str, Any] = load("defaults/main.yml")
OPTIONS: dict[str, dict[str, Any]] = load("meta/argument_specs.yml")["argument_specs"]["main"]["options"]


def depends_on_the_inventory(default: Any) -> bool:
    return isinstance(default, str) and "{{" in default


STATIC = {name: default for name, default in DEFAULTS.items() if not depends_on_the_inventory(default)}


def texts() -> dict[str, str]:
    return {str(path.relative_to(ROLE)): path.read_text(encoding="utf-8") for path in sorted(ROLE.glob("[tv]a*/*.yml"))}


def test_options_are_the_defaults_and_what_is_required() -> None:
    assert set(OPTIONS) == set(DEFAULTS) | REQUIRED
    assert {name for name, option in OPTIONS.items() if option.get("required")} == REQUIRED


@pytest.mark.parametrize("name", OPTIONS)
def test_every_option_is_described(name: str) -> None:
    option = OPTIONS[name]
    assert option["type"]
    assert option["description"]
    if name not in REQUIRED and name not in STATIC:
        assert "When left out" in " ".join(option["description"])


@pytest.mark.parametrize("name", DEFAULTS)
def test_defaults_are_the_same(name: str) -> None:
    if name in STATIC:
        assert OPTIONS[name]["default"] == STATIC[name]
    else:
        assert "default" not in OPTIONS[name]


def test_static_defaults_are_accepted() -> None:
    spec = {name: {key: value for key, value in OPTIONS[name].items() if key not in ("description", "default")} for name in STATIC}
    assert ArgumentSpecValidator(spec).validate(STATIC).error_messages == []


def test_secrets_are_marked() -> None:
    assert {name for name, option in OPTIONS.items() if option.get("no_log")} == SECRETS


def test_tasks_use_only_what_is_described_or_private() -> None:
    used = {name for text in texts().values() for name in re.findall(r"(?<![\w.])clustered_rms_restore_[a-z_]+", text)}
    assert used <= set(OPTIONS)


def test_every_variable_is_used() -> None:
    everything = "".join([*texts().values(), *map(str, DEFAULTS.values())])
    assert [name for name in OPTIONS if not re.search(rf"\b{name}\b", everything)] == []


def test_private_variables_say_so() -> None:
    registered = {name for text in texts().values() for name in re.findall(r"register: (\w+)", text)} | set(load("vars/main.yml"))
    assert [name for name in registered if not name.startswith("__clustered_rms_restore_")] == []


def test_the_readme_lists_every_variable() -> None:
    readme = (ROLE / "README.md").read_text(encoding="utf-8")
    assert [name for name in OPTIONS if f"`{name}`" not in readme] == []
