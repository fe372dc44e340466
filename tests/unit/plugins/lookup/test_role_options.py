# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of a role as the options of a module."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.inventory.role_options import (
    given_options,
    variable_of_each_option,
)

ROOT = Path(__file__).resolve().parents[4]


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        ([], {}),
        (["drill_escrow"], {"escrow": "drill_escrow"}),
        ([{"timeout": "drill_service_timeout"}], {"timeout": "drill_service_timeout"}),
        (["drill_a", ["drill_b", {"d": "drill_c"}]], {"a": "drill_a", "b": "drill_b", "d": "drill_c"}),
        (["drill_drill_a"], {"drill_a": "drill_drill_a"}),
    ],
)
def test_the_variable_of_each_option(terms: list[Any], expected: dict[str, str]) -> None:
    assert variable_of_each_option(terms, "drill") == expected


@pytest.mark.parametrize("name", ["escrow", "drill_", "drilling_escrow", "rms_failover_escrow"])
def test_a_variable_of_another_role_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        variable_of_each_option([name], "drill")


@pytest.mark.parametrize("empty", [None, "", [], {}])
def test_what_is_empty_is_left_out(empty: Any) -> None:
    assert given_options({"a": empty}) == {}


def test_what_must_be_given_is_given_even_if_empty() -> None:
    assert given_options({"server": "", "instance": ""}, even_if_empty=["server", "port"]) == {"server": ""}


@pytest.mark.parametrize("value", [False, 0, 0.0, "0", " ", "text", [""], {"a": ""}])
def test_a_value_is_kept(value: Any) -> None:
    assert given_options({"a": value}) == {"a": value}


@pytest.mark.parametrize(
    ("value", "kept"), [(0, False), ("0", False), (0.0, False), (1433, True), ("1433", True), ("a port", True)]
)
def test_zero_stands_for_nothing_where_it_is_said(value: Any, kept: bool) -> None:
    assert ("port" in given_options({"port": value}, ["port"])) == kept


DEFAULTS = {
    "drill_text": "{{ drill_number }} {{ inventory_hostname }}",
    "drill_number": 5,
    "drill_off": False,
    "drill_worked_out": "{{ drill_names | length > 2 }}",
    "drill_names": ["hydra", "deathsting"],
    "drill_path": "",
    "drill_port": 0,
}


def write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content), encoding="utf-8")


def test_a_role_gives_a_module_what_its_variables_say(tmp_path: Path) -> None:
    terms = "*(drill_all + [{'port': 'drill_port', 'secret': 'drill_password', 'braces': 'drill_braces'}])"
    copy = {
        "dest": str(tmp_path / "told"),
        "mode": "0600",
        "content": "{{ lookup('opsmgr.recovery.role_options', " + terms + ", none_if_zero=['port']) | to_json }}",
    }
    role = tmp_path / "roles" / "drill"
    write(role / "tasks" / "main.yml", [{"name": "Tell", "ansible.builtin.copy": copy}])
    write(role / "defaults" / "main.yml", DEFAULTS)
    write(role / "vars" / "main.yml", {"drill_all": [name for name in DEFAULTS if name != "drill_port"]})
    sealed = VaultLib([("default", VaultSecret(b"opens it"))]).encrypt("s3cret").decode().replace("\n", "\n      ")
    (tmp_path / "play.yml").write_text(
        "- hosts: localhost\n  gather_facts: false\n  roles: [drill]\n  vars:\n"
        "    drill_braces: !unsafe '{{ 7 * 7 }}'\n    drill_password: !vault |\n      " + sealed,
        encoding="utf-8",
    )
    (tmp_path / "password").write_text("opens it", encoding="utf-8")
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", "-c", "local"]
    command += [
        "-e",
        f"ansible_python_interpreter={sys.executable}",
        "--vault-password-file",
        str(tmp_path / "password"),
    ]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_STDOUT_CALLBACK": "default"}
    done = subprocess.run(
        [*command, str(tmp_path / "play.yml")], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((tmp_path / "told").read_text(encoding="utf-8")) == {
        "text": "5 localhost",
        "number": 5,
        "off": False,
        "worked_out": False,
        "names": ["hydra", "deathsting"],
        "secret": "s3cret",
        "braces": "{{ 7 * 7 }}",
    }
