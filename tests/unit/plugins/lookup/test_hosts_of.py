# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every playbook, with real runs of ansible-playbook: on an inventory that has nothing for it, it fails in one
sentence.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[4]
ANSIBLE_PLAYBOOK = str(Path(sys.executable).with_name("ansible-playbook"))
# Each playbook and a group that it names when there is no host in it.
PLAYBOOKS = {
    "clustered_rms_restore": "opsmgr_rms_cluster",
    "drill": "opsmgr_rms",
    "repoint": "opsmgr_reporting",
    "rms_failback": "opsmgr_rms",
    "rms_failover": "opsmgr_rms",
    "rms_key_backup": "opsmgr_rms",
    "rms_recover_without_key": "opsmgr_rms",
}
ON_THE_CONTROLLER = "awx_setup"


def play(playbook: str, *arguments: str, callback: str = "ansible.builtin.default") -> tuple[int, str]:
    """The exit code and what was printed, on one line."""
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_STDOUT_CALLBACK": callback}
    command = [ANSIBLE_PLAYBOOK, *arguments, f"playbooks/{playbook}.yml"]
    pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False, text=True, **pipes)
    return done.returncode, " ".join(done.stdout.split())


@pytest.fixture
def elsewhere(tmp_path: Path) -> str:
    """An inventory with a host that no playbook works on."""
    path = tmp_path / "inventory.ini"
    path.write_text(
        "[windows]\nargus\n\n[opsmgr_rms]\nhydra\n\n[opsmgr_rms_cluster]\ncastor\n\n[opsmgr_reporting]\nhermes\n",
        encoding="utf-8",
    )
    return str(path)


def test_all_playbooks_are_here() -> None:
    assert {path.stem for path in (ROOT / "playbooks").glob("[!.]*.yml") if "." not in path.stem} == {
        *PLAYBOOKS,
        ON_THE_CONTROLLER,
    }


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_an_inventory_file_that_is_not_there_is_no_success(playbook: str, tmp_path: Path) -> None:
    # With --limit, too: ansible-core does not mind one that matches nothing, if the inventory is empty.
    code, said = play(playbook, "-i", str(tmp_path / "inventroy.yml"), "--limit", "hydra")
    assert code != 0
    assert "There is no host in the inventory" in said
    assert PLAYBOOKS[playbook] in said
    assert "Traceback" not in said


@pytest.mark.parametrize("playbook", ["rms_failback", "rms_key_backup"])
def test_a_limit_that_leaves_nobody_is_no_success(playbook: str, elsewhere: str) -> None:
    code, said = play(playbook, "-i", elsewhere, "--limit", "argus")
    assert code != 0
    assert "--limit argus leaves out every host of" in said
    assert PLAYBOOKS[playbook] in said


@pytest.mark.parametrize("callback", ["ansible.builtin.default", "opsmgr.recovery.runbook"])
def test_a_misspelt_group_is_no_success(tmp_path: Path, callback: str) -> None:
    path = tmp_path / "inventory.ini"
    path.write_text("[opsmgr_rsm]\nhydra\n", encoding="utf-8")
    code, said = play("rms_key_backup", "-i", str(path), callback=callback)
    assert code != 0
    assert "rename the group opsmgr_rsm to opsmgr_rms" in said
    assert "ENDED WELL" not in said


def test_a_limit_without_the_controller_is_no_success(elsewhere: str) -> None:
    code, said = play(ON_THE_CONTROLLER, "-i", elsewhere, "--limit", "argus")
    assert code != 0
    assert "--limit argus leaves out localhost" in said


@pytest.mark.parametrize("option", ["--syntax-check", "--list-tasks", "--list-tags", "--list-hosts"])
def test_who_only_looks_at_a_playbook_needs_no_inventory(option: str) -> None:
    code, said = play("rms_failover", option)
    assert code == 0, said
