"""Argument specs, sidecars, fragments, results and module_defaults groups say the same."""

from __future__ import annotations

import dataclasses
import importlib
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.plugin_docs import read_docstring
from ansible.plugins.loader import fragment_loader
from ansible.utils.plugin_docs import add_fragments

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.actions.windows import (
    CONVERSATION_SPEC,
    KEY_MATERIAL_SPEC,
    OpsmgrAction,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.key_escrow import ESCROW_SPEC
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.clustered_restore import (
    ClusteredRestorePlan,
    ClusteredRestoreReport,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.failover import Plan
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.key_backup import KeyBackupPlan
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.new_key import NewKeyPlan

ROOT = Path(__file__).resolve().parents[3]
PLUGINS = ROOT / "plugins"
PACKAGE = "ansible_collections.opsmgr.recovery.plugins"
# Around ordinary modules, which have their documentation and their argument spec themselves.
AROUND_MODULES = {
    "database_backup",
    "database_restore",
    "management_group_info",
    "management_group_lock",
    "service_broker",
}
ACTIONS = sorted({path.stem for path in (PLUGINS / "action").glob("[!_]*.py")} - AROUND_MODULES)
SIDECARS = sorted(path.stem for path in (PLUGINS / "modules").glob("*.yml"))
FRAGMENT_TWINS = {"conversation": CONVERSATION_SPEC, "escrow": ESCROW_SPEC, "key_material": KEY_MATERIAL_SPEC}
# Present in every documentation, with a verdict.
ATTRIBUTES = {"check_mode", "diff_mode", "idempotent", "platform", "action", "async", "bypass_host_loop"}
# What Ansible itself puts into a result, or reads from it.
ANSIBLE_KEYS = {"changed", "failed", "msg", "diff"}
# What a spec and a documentation must agree in; the value is what is meant when it is not said.
COMPARED = {"type": "str", "default": None, "choices": None, "required": False, "elements": None}


# What ansible-core reads of an option in a spec; a misspelled no_log would show a secret.
SPEC_KEYS = {"type", "elements", "required", "default", "choices", "no_log", "aliases", "options", "fallback"}

# What a result has of a plan besides its fields: what it was made of, and the key's backup.
PLAN_EXTRAS = {"request", "seen", "made_at", "backup"}


def action_class(name: str) -> type[Any]:
    module = importlib.import_module(f"{PACKAGE}.action.{name}")
    return module.ActionModule


def spec_of(name: str) -> dict[str, dict[str, Any]]:
    spec: dict[str, dict[str, Any]] = action_class(name).SPEC
    return spec


def result_keys(name: str) -> set[str]:
    cls = action_class(name)
    if issubclass(cls, OpsmgrAction):
        return {*cls.RESULT, "started_at", "elapsed_seconds"}
    others = {
        "awx_objects": {"steps", "warnings"},
        "clustered_rms_restore_plan": {
            field.name
            for result in (ClusteredRestorePlan, ClusteredRestoreReport)
            for field in dataclasses.fields(result)
        },
        "key_backup_plan": {*(field.name for field in dataclasses.fields(KeyBackupPlan)), "find_rms", "problems"},
        "key_backup_servers": {"servers", "problem"},
        "key_backup_summary": {"lines", "problems", "shared", "summary"},
        "key_escrow_info": {"backups", "lost_with_job", "unusable", "servers", "problems", "warnings"},
        "preflight_info": {"problems"},
        "rms_failover_record": {"record", "settled", "drawings", "lines", "left_undone"},
        "rms_failover_verdict": {"started_at", "verdict", "evidence", "different", "disturbed", "message"},
        "variable_names": set(),
        "role_variables": {"checked"},
        "rms_failover_plan": {*(field.name for field in dataclasses.fields(Plan)), *PLAN_EXTRAS},
        "rms_new_key_plan": {field.name for field in dataclasses.fields(NewKeyPlan)},
    }
    return others[name]


def sidecar(name: str) -> dict[str, Any]:
    return yaml.safe_load((PLUGINS / "modules" / f"{name}.yml").read_text(encoding="utf-8"))


def documentation(name: str) -> dict[str, Any]:
    """As ansible-doc sees it: with the fragments merged."""
    path = str(PLUGINS / "modules" / f"{name}.yml")
    found = read_docstring(path, verbose=True, ignore_errors=False)["doc"]
    add_fragments(found, path, fragment_loader=fragment_loader, is_module=True)
    return found


def compared(option: dict[str, Any]) -> dict[str, Any]:
    return {key: option.get(key, default) for key, default in COMPARED.items()}


def secrets_of(name: str) -> set[str]:
    return {option for option, spec in spec_of(name).items() if spec.get("no_log")}


def tasks(text: str) -> list[dict[str, Any]]:
    """The arguments of every task of this collection in some examples."""
    return [
        arguments or {}
        for task in yaml.safe_load(text)
        for key, arguments in task.items()
        if key.startswith("opsmgr.recovery.")
    ]


def all_keys(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value) | {key for each in value.values() for key in all_keys(each)}
    return {key for each in value for key in all_keys(each)} if isinstance(value, list) else set()


def action_groups() -> dict[str, list[str]]:
    return yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text(encoding="utf-8"))["action_groups"]


def test_there_was_something_to_read() -> None:
    assert "rms_promotion" in ACTIONS


def test_every_action_has_a_sidecar_and_a_stub() -> None:
    assert [name for name in ACTIONS if not (PLUGINS / "modules" / f"{name}.py").exists()] == []
    assert SIDECARS == ACTIONS


@pytest.mark.parametrize("name", SIDECARS)
def test_a_stub_is_nothing_but_comments(name: str) -> None:
    lines = (PLUGINS / "modules" / f"{name}.py").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not line.startswith("#")] == []


@pytest.mark.parametrize("name", ACTIONS)
def test_options_are_those_of_the_spec(name: str) -> None:
    documented = {option: compared(text) for option, text in documentation(name)["options"].items()}
    assert documented == {option: compared(spec) for option, spec in spec_of(name).items()}


@pytest.mark.parametrize("fragment", FRAGMENT_TWINS)
def test_fragments_are_twins_of_the_shared_specs(fragment: str) -> None:
    cls = importlib.import_module(f"{PACKAGE}.doc_fragments.{fragment}").ModuleDocFragment
    options = yaml.safe_load(cls.DOCUMENTATION)["options"]
    assert {option: compared(text) for option, text in options.items()} == {
        option: compared(spec) for option, spec in FRAGMENT_TWINS[fragment].items()
    }


@pytest.mark.parametrize("name", ACTIONS)
def test_every_option_is_described_and_says_what_happens_without_it(name: str) -> None:
    for option, text in documentation(name)["options"].items():
        assert text.get("description"), option
        words = " ".join(text["description"]).lower()
        assert text.get("required") or text.get("default") is not None or "left out" in words or "either o(" in words, (
            option
        )


@pytest.mark.parametrize("name", ACTIONS)
def test_every_result_key_is_documented_with_a_sample(name: str) -> None:
    returned = sidecar(name)["RETURN"]
    assert set(returned) - ANSIBLE_KEYS == result_keys(name)
    assert [key for key, text in returned.items() if "sample" not in text and "contains" not in text] == []


@pytest.mark.parametrize("name", ACTIONS)
def test_every_attribute_has_a_verdict(name: str) -> None:
    attributes = documentation(name)["attributes"]
    assert set(attributes) >= ATTRIBUTES
    assert [key for key in attributes if "support" not in attributes[key]] == []
    cls = action_class(name)
    assert (attributes["check_mode"]["support"] != "none") is cls._supports_check_mode
    assert (attributes["async"]["support"] != "none") is cls._supports_async
    assert attributes["bypass_host_loop"]["support"] == ("full" if cls.BYPASS_HOST_LOOP else "none")


@pytest.mark.parametrize("name", SIDECARS)
def test_examples_are_tasks_that_the_spec_accepts(name: str) -> None:
    own = [
        task[f"opsmgr.recovery.{name}"] or {}
        for task in yaml.safe_load(sidecar(name)["EXAMPLES"])
        if f"opsmgr.recovery.{name}" in task
    ]
    assert own
    spec = spec_of(name)
    for arguments in own:
        assert set(arguments) <= set(spec)
        assert {option for option, text in spec.items() if text.get("required")} <= set(arguments)


@pytest.mark.parametrize("name", ACTIONS)
def test_passwords_and_passphrases_are_kept_from_logs(name: str) -> None:
    spec = spec_of(name)
    assert {key for option in spec.values() for key in option} <= SPEC_KEYS
    named_so = {
        option for option, text in spec.items() if re.search(r"pass(word|phrase)\Z", option) and text["type"] == "str"
    }
    assert named_so <= secrets_of(name)


@pytest.mark.parametrize("name", SIDECARS)
def test_no_secret_is_written_down(name: str) -> None:
    secrets = {secret for action in ACTIONS for secret in secrets_of(action)} | {"login_password"}
    texts = sidecar(name)
    assert all_keys(texts["RETURN"]) & secrets == set()
    for arguments in tasks(texts["EXAMPLES"]):
        assert [
            key for key in secrets & set(arguments) if not re.fullmatch(r"\{\{ vault_\w+ \}\}", arguments[key])
        ] == []


@pytest.mark.parametrize("name", SIDECARS)
def test_markup_is_semantic(name: str) -> None:
    assert re.findall(r"\b[CI]\([^)]*\)", (PLUGINS / "modules" / f"{name}.yml").read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("name", SIDECARS)
def test_action_groups_are_those_that_are_documented(name: str) -> None:
    member_of = {f"opsmgr.recovery.{group}" for group, members in action_groups().items() if name in members}
    documented = documentation(name)["attributes"].get("action_group", {}).get("membership", [])
    assert set(documented) == member_of


@pytest.mark.parametrize(("group", "spec"), FRAGMENT_TWINS.items())
def test_a_group_of_shared_options_holds_who_has_them(group: str, spec: dict[str, Any]) -> None:
    assert set(action_groups()[group]) == {name for name in ACTIONS if set(spec) <= set(spec_of(name))}


def test_windows_is_what_works_on_windows() -> None:
    windows = {name for name in ACTIONS if issubclass(action_class(name), OpsmgrAction)}
    assert set(action_groups()["windows"]) == windows
    assert [
        name
        for name in windows
        if "opsmgr.recovery.windows" not in sidecar(name)["DOCUMENTATION"]["extends_documentation_fragment"]
    ] == []
