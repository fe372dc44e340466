# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What playbooks and roles ask of an inventory: hosts of a management group, the connection of its database, former names."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.opsmgr.recovery.plugins.module_utils.server_names import former_names
from ansible_collections.opsmgr.recovery.plugins.module_utils.sql_options import connection_of
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.inventory.groups import management_group_hosts

ROOT = Path(__file__).resolve().parents[4]
GROUPS = {
    "opsmgr_rms": ["hydra.odyssey.com", "castor"],
    "opsmgr_management_servers": ["deathsting", "kraken", "hydra.odyssey.com"],
    "opsmgr_database": ["thunder", "styx"],
}
MANAGEMENT_GROUPS = {"castor": "ILIAD", "kraken": "ILIAD", "styx": "ILIAD"}
SERVERS = ["opsmgr_rms", "opsmgr_management_servers"]


def hosts(wanted: list[str], management_group: str = "", without: tuple[str, ...] = ()) -> list[str]:
    return management_group_hosts(
        wanted, GROUPS, lambda host: MANAGEMENT_GROUPS.get(host, "ODYSSEY"), management_group, without
    )


@pytest.mark.parametrize(
    ("wanted", "options", "expected"),
    [
        (SERVERS, {}, ["hydra.odyssey.com", "castor", "deathsting", "kraken"]),
        (SERVERS, {"management_group": "ODYSSEY"}, ["hydra.odyssey.com", "deathsting"]),
        (SERVERS, {"management_group": "ILIAD"}, ["castor", "kraken"]),
        (SERVERS, {"management_group": "AENEID"}, []),
        # Names of one server, in whatever form.
        (SERVERS, {"without": ("HYDRA", "Kraken.odyssey.com")}, ["castor", "deathsting"]),
        (SERVERS, {"without": ("",)}, ["hydra.odyssey.com", "castor", "deathsting", "kraken"]),
        (["opsmgr_consoles"], {}, []),
    ],
)
def test_hosts_of_a_management_group(wanted: list[str], options: dict[str, Any], expected: list[str]) -> None:
    assert hosts(wanted, **options) == expected


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, {"server": "thunder"}),
        ({"opsmgr_sql_server": "sql.odyssey.com"}, {"server": "sql.odyssey.com"}),
        ({"opsmgr_sql_instance": "OPS", "opsmgr_sql_port": ""}, {"server": "thunder", "instance": "OPS"}),
        ({"opsmgr_database_name": "OpsMgr"}, {"server": "thunder", "database": "OpsMgr"}),
        ({"opsmgr_sql_login_password": "{{ 'braces' }}"}, {"server": "thunder", "login_password": "{{ 'braces' }}"}),
        ({"ansible_user": "administrator"}, {"server": "thunder"}),
    ],
)
def test_the_connection_of_a_database(variables: dict[str, Any], expected: dict[str, Any]) -> None:
    assert connection_of("thunder", variables) == expected


@pytest.mark.parametrize(
    ("known", "own", "expected"),
    [
        (["hydra", "deathsting"], ["deathsting.odyssey.com"], ["hydra"]),
        (["hydra", "HYDRA.odyssey.com", "hydra"], ["deathsting"], ["HYDRA.odyssey.com", "hydra"]),
        (["10.0.0.1", "not a name", "kraken"], [""], ["kraken"]),
        ([], ["deathsting"], []),
    ],
)
def test_names_that_files_may_still_have(known: list[str], own: list[str], expected: list[str]) -> None:
    assert former_names(known, own) == expected


def test_a_play_gets_them_by_their_names(tmp_path: Path) -> None:
    variables = {
        "opsmgr_management_group": "ODYSSEY",
        "opsmgr_sql_login_password": 'it\'s {a} "secret"',
        "opsmgr_sql_port": 1435,
    }
    inventory = {
        "opsmgr_rms": {"hosts": {"hydra": {"opsmgr_management_group": "{{ 'ODYS' ~ 'SEY' }}"}, "castor": {}}},
        "opsmgr_database": {"hosts": {"thunder": variables}},
    }
    collected = {
        "servers": "{{ query('opsmgr.recovery.management_group_hosts', 'opsmgr_rms', management_group='ODYSSEY') }}",
        "everybody": "{{ query('opsmgr.recovery.management_group_hosts', 'opsmgr_rms') }}",
        "database": "{{ lookup('opsmgr.recovery.sql_connection', 'thunder') }}",
        "stranger": "{{ lookup('opsmgr.recovery.sql_connection', 'styx') }}",
        "former": "{{ ['hydra', 'castor'] | opsmgr.recovery.former_names('castor.odyssey.com') }}",
    }
    copy = {"content": "{{ collected | to_json }}", "dest": str(tmp_path / "told.json"), "mode": "0600"}
    play = {"hosts": "localhost", "gather_facts": False, "vars": {"collected": collected}}
    play["tasks"] = [{"name": "Tell", "ansible.builtin.copy": copy}]
    (tmp_path / "inventory.yml").write_text(yaml.safe_dump(inventory), encoding="utf-8")
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]), encoding="utf-8")
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(tmp_path / "inventory.yml")]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_STDOUT_CALLBACK": "default"}
    done = subprocess.run(
        [*command, str(tmp_path / "play.yml")], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    assert json.loads((tmp_path / "told.json").read_text(encoding="utf-8")) == {
        "servers": ["hydra"],
        "everybody": ["castor", "hydra"],
        "database": {"server": "thunder", "port": 1435, "login_password": 'it\'s {a} "secret"'},
        "stranger": {"server": "styx"},
        "former": ["hydra"],
    }
