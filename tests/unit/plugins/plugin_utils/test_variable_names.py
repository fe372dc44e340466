# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which names of variables are mistakes, and that none of those that the collection itself uses is one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.inventory.variable_names import (
    known_variables,
    misspelt_variables,
)

ROOT = Path(__file__).resolve().parents[4]


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        # Of hosts
        ("opsmgr_sql_sever", "opsmgr_sql_server"),
        ("opsmgr_sql_login_pasword", "opsmgr_sql_login_password"),
        ("opsmgr_databasename", "opsmgr_database_name"),
        ("opsmgr_managment_group", "opsmgr_management_group"),
        ("opsmgr_sql_password", "opsmgr_sql_login_password"),
        ("opsmgr_virtual_servers", "opsmgr_virtual_server"),
        # Of roles and playbooks
        ("rms_failover_taget", "rms_failover_target"),
        ("rms_failover_backup_pasword", "rms_failover_backup_password"),
        ("rms_key_backup_seal_pass", "rms_key_backup_seal_passphrase"),
        ("rms_key_backup_colour", ""),
        ("rms_key_backup_max_ages", "rms_key_backup_max_age"),
        ("clustered_rms_restore_discs", "clustered_rms_restore_disk"),
        ("repoint_former_rmss", "repoint_former_rms"),
        ("rms_failback_taget", "rms_failback_target"),
        # The mistake is at the beginning
        ("rms_failver_target", "rms_failover_target"),
        ("opsmr_sql_server", "opsmgr_sql_server"),
    ],
)
def test_a_mistake_and_what_was_meant(name: str, nearest: str) -> None:
    assert misspelt_variables([name], known_variables()) == [(name, nearest)]


@pytest.mark.parametrize(
    "name",
    [
        "opsmgr_sql_server",
        "rms_failover_target",
        "opsmgr_room",
        "opsmgr_contact_person",
        "site",
        "failover_target",
        "ansible_host",
        "__rms_failover_plan",
        "rms",
    ],
)
def test_no_mistake(name: str) -> None:
    assert misspelt_variables([name], known_variables()) == []


def test_all_are_named_in_order() -> None:
    found = misspelt_variables(["rms_failover_taget", "site", "opsmgr_sql_sever"], known_variables())
    assert [str(each) for each in found] == [
        "opsmgr_sql_sever (the nearest name is opsmgr_sql_server)",
        "rms_failover_taget (the nearest name is rms_failover_target)",
    ]


def test_what_the_collection_itself_uses_is_known() -> None:
    files = [path for folder in ("roles", "playbooks") for path in (ROOT / folder).rglob("*.yml")]
    groups = {
        "opsmgr_rms",
        "opsmgr_rms_cluster",
        "opsmgr_management_servers",
        "opsmgr_reporting",
        "opsmgr_web_console",
        "opsmgr_consoles",
        "opsmgr_database",
    }
    # A variable is set, compared or put into a template: `name:`, `name is defined`, `{{ name }}`. What follows a dot
    # or a quote is something else.
    texts = [file.read_text(encoding="utf-8") for file in files]
    used = {
        name
        for text in texts
        for name in re.findall(r"(?<![\w.'\"/-])(?:opsmgr|rms|repoint|clustered)_\w*[a-z](?![\w.*])", text)
    }
    modules = {path.stem for path in (ROOT / "plugins" / "modules").glob("*.yml")} | {
        path.stem for path in (ROOT / "plugins" / "modules").glob("*.py")
    }
    names = used - groups - modules - {path.name for path in (ROOT / "roles").iterdir()}
    assert misspelt_variables(names, known_variables()) == []
