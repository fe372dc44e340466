# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A management group of 2022: each role refuses it before anything is changed, and says so in one sentence for the servers
and one for the database.
"""

from __future__ import annotations

from typing import Any

import pytest
from labs import StartLab
from playing import PASSWORD, Player

from lab.opsmgr.installation import SETUP
from lab.windows.services import Service

VERSION = "10.22.10118.0"
FOUND = f"Operations Manager 2022 ({VERSION})"


def upgrade(player: Player) -> None:
    """Versions as in 2022. The lab plays only 2007, so this is for what looks at them first."""
    lab = player.lab
    for host in lab.hosts.values():
        for name in ("ServerVersion", "UIVersion", "CurrentVersion"):
            if host.registry.get(SETUP, name, ""):
                host.registry.set(SETUP, name, VERSION)
    with lab.sql["thunder"].connect("upgrade", "OperationsManager") as session:
        session.execute(f"UPDATE dbo.MT_HealthService SET Version = '{VERSION}'")


def give_all_the_same_services(player: Player) -> None:
    for host in (player.lab.hosts[name] for name in ("hydra", "deathsting", "jupiter")):
        for name in ("OMCFG", "OMSDK"):
            host.services.stop(name)
            host.services.settle()
            host.services.remove(name)
        for name in ("OMSDK", "cshost"):
            host.services.add(Service(name, name, start="auto", state="running"))


@pytest.fixture
def later(start_lab: StartLab) -> Player:
    started = start_lab("odyssey")
    upgrade(started)
    give_all_the_same_services(started)
    return started


def keyless(player: Player) -> dict[str, Any]:
    return {
        "rms_recover_without_key_target": "deathsting",
        "rms_recover_without_key_confirm": "ODYSSEY",
        "rms_recover_without_key_escrow": str(player.escrow),
        "rms_recover_without_key_backup_password": PASSWORD,
    }


def key_backup(player: Player) -> dict[str, Any]:
    return {"rms_key_backup_escrow": str(player.escrow), "rms_key_backup_password": PASSWORD}


@pytest.mark.parametrize(
    ("playbook", "variables"),
    [
        ("rms_failover", lambda player: player.variables),
        ("rms_recover_without_key", keyless),
        ("rms_key_backup", key_backup),
    ],
)
def test_each_playbook_refuses_it(later: Player, playbook: str, variables: Any) -> None:
    before = later.lab.dump()
    run = later.play(f"playbooks/{playbook}.yml", only=variables(later))
    assert not run.ended_well
    assert FOUND in run.output
    assert later.lab.dump() == before
    assert not list(later.escrow.rglob("*.vault"))


def test_what_looks_calls_a_healthy_group_healthy(later: Player) -> None:
    looks = {"name": "Look", "hosts": "opsmgr_management_servers:opsmgr_rms", "gather_facts": False}
    look = {"name": "Look at it", "opsmgr.recovery.management_server_info": {}, "register": "seen"}
    ask = {
        "name": "Ask the database",
        "opsmgr.recovery.management_group_info": {
            "management_servers": "{{ ansible_play_hosts | map('extract', hostvars, 'seen') | list }}"
        },
        "module_defaults": {"group/opsmgr.recovery.sql": "{{ lookup('opsmgr.recovery.sql_connection', 'thunder') }}"},
        "delegate_to": "localhost",
        "run_once": True,
        "vars": {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"},
    }
    run = later.play([{**looks, "tasks": [look, ask]}], only={})
    assert run.ended_well, run.output
    [asked] = run.results("Ask the database")
    assert (asked["rms"], asked["agree"], asked["problems"]) == (None, None, [])
    assert VERSION in asked["unsupported"]


@pytest.mark.parametrize(
    ("module", "host"),
    [("reporting_server_rms", "argus"), ("web_console_rms", "hermes"), ("console_rms", "hermes")],
)
def test_what_names_the_rms_is_left_alone(later: Player, module: str, host: str) -> None:
    before = later.lab.dump()
    result = later.task(module, host, {"rms": "deathsting.odyssey.com"})
    assert (result["failed"], result["changed"], FOUND in result["msg"]) == (True, False, True)
    assert later.lab.dump() == before


def test_a_clustered_restore_refuses_it(start_lab: StartLab) -> None:
    gemini = start_lab("odyssey-cluster")
    upgrade(gemini)
    before = gemini.lab.dump()
    variables = {
        "clustered_rms_restore_database_backup": "C:\\OperationsManager.bak",
        "clustered_rms_restore_escrow": str(gemini.escrow),
        "clustered_rms_restore_backup_password": PASSWORD,
    }
    run = gemini.play("playbooks/clustered_rms_restore.yml", only=variables)
    assert not run.ended_well
    assert FOUND in run.output
    assert gemini.lab.dump() == before
