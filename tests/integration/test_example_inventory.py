# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory that people copy is complete: with its vault, and its names leading to the lab, nothing else has to be
set.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from playing import PASSWORD, REPOSITORY, SEAL, Player, Run

from lab.drill import unproven
from lab.inventory import CLUSTER_GROUP, INVENTORY_GROUPS, administrator
from lab.topologies import UserSpec

EXAMPLE = REPOSITORY / "playbooks" / "inventory.example.yml"
TARGET = {"rms_failover_target": "deathsting"}


def account(player: Player) -> UserSpec:
    """The administrator of the domain, who may log in to SQL Server too."""
    return administrator(player.lab.topology.hosts["hydra"])


def vault(player: Player) -> dict[str, str]:
    """What the example says that the vault has to have."""
    return {
        "vault_opsadmin_password": account(player).password,
        "vault_backup_password": PASSWORD,
        "vault_seal_passphrase": SEAL,
    }


def in_the_lab(player: Player) -> dict[str, Any]:
    """The example, in which nothing but addresses and accounts has become the lab's."""
    example: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    known = player.lab.topology.hosts
    example["all"]["vars"]["ansible_user"] = account(player).name
    for group in example["all"]["children"].values():
        for name, variables in group["hosts"].items():
            if variables and "ansible_host" in variables:
                variables["ansible_host"] = known[name].address
    database = example["all"]["children"]["opsmgr_database"]["hosts"]["sql"]
    database |= {"opsmgr_sql_server": known["thunder"].address, "opsmgr_sql_login_user": account(player).name}
    return example


def play(player: Player, folder: Path, playbook: str, **variables: Any) -> Run:
    (folder / "group_vars").mkdir(parents=True)
    (folder / "group_vars" / "all.yml").write_text(json.dumps(vault(player)), encoding="utf-8")
    (folder / "inventory.yml").write_text(yaml.safe_dump(in_the_lab(player)), encoding="utf-8")
    return player.run_ansible(
        folder, ["-i", str(folder / "inventory.yml"), "-e", json.dumps(variables), f"playbooks/{playbook}.yml"]
    )


def test_it_has_every_group_and_the_variables_of_the_lab_s_own_inventory(odyssey: Player, tmp_path: Path) -> None:
    odyssey.lab.write_files(tmp_path)
    own = yaml.safe_load((tmp_path / "inventory.yml").read_text(encoding="utf-8"))["all"]["children"]
    example = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))["all"]["children"]
    assert set(example) == {*INVENTORY_GROUPS.values(), CLUSTER_GROUP}
    of_database = {name for name in own["opsmgr_database"]["hosts"]["thunder"] if name.startswith("opsmgr_")}
    assert of_database <= set(example["opsmgr_database"]["hosts"]["sql"])


def test_a_failover_and_a_backup_of_the_key_need_nothing_else(odyssey: Player, tmp_path: Path) -> None:
    assert odyssey.task("support_tools", "hydra", {})["changed"] is True
    backup = play(odyssey, tmp_path / "backup", "rms_key_backup")
    assert backup.ended_well, backup.output
    failover = play(
        odyssey,
        tmp_path / "failover",
        "rms_failover",
        **TARGET,
        rms_failover_confirm="deathsting",
        rms_failover_stable_seconds=2,
    )
    assert failover.ended_well, failover.output
    assert "[WARNING]" not in failover.output
    # jupiter is not in the example, and goes on reporting to hydra.
    assert unproven(odyssey.lab.dump()) == ["what is on jupiter names deathsting"]


@pytest.mark.parametrize("name", ["vault_opsadmin_password", "vault_backup_password", "vault_seal_passphrase"])
def test_the_guide_names_each_value_of_the_vault(name: str) -> None:
    guide = (REPOSITORY / "docs" / "PREPARE_SERVERS.md").read_text(encoding="utf-8")
    assert f"`{name}`" in guide
    assert f"{name}:" in EXAMPLE.read_text(encoding="utf-8")
