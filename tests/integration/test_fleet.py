# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet of which ten have something wrong, each something else: each is told with its cause, and the next run does
only what is left.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from labs import StartLab
from playing import PASSWORD, Player, Run
from unit.plugins.plugin_utils.officers import Officer, hire

from lab.faults import Fault
from lab.lab import Lab
from lab.opsmgr.installation import KEY_MATERIAL, SETUP
from lab.opsmgr.key import unpack_backup
from lab.topologies import merge
from lab.topologies.fleet import fleet

ADMINISTRATOR, OPERATOR = "ODYSSEY\\administrator", "ODYSSEY\\operator"
# What is said of each host that has something wrong, after its name.
CAUSES = {
    "rms001": r"back up the key: the server does not answer: \[Errno 111\] Connection refused[.] Check that it answers, then rerun[.]",
    "rms002": r"back up the key: the server answers, but gives no access: the specified credentials were rejected by the server[.] Correct its account",
    "rms003": r"back up the key: the account is not an administrator of this server[.] Use an account .*",
    "rms004": r"back up the key: Operations Manager is not installed here: .* is missing[.] Check that the inventory names the right server[.]",
    "rms005": r"back up the key: SecureStorageBackup[.]exe is not in C:\\.*[.] Copy it there .*",
    "rms006": r"back up the key: SecureStorageBackup[.]exe: the program ended .* before .* was asked and answered; it wrote nothing[.].*",
    "rms007": r"back up the key: SecureStorageBackup[.]exe: the program did not end within 20 seconds after its questions were answered.*",
    "rms008": r"back up the key: .*the connection to the server broke[.] Check that the server and its WinRM service answer, then rerun[.]",
    "rms009": r"verify the escrow: it is not the RMS by its own registry.*",
    "rms010": r"back up the key: SecureStorageBackup[.]exe: the program ended .*; it wrote: .*no encryption key.*",
}


def sick_fleet(groups: int) -> dict[str, Any]:
    return merge(fleet(groups), {"hosts": {"rms003": {"settings": {"winrm_for_users": True}}}})


class Sickness:
    """What is wrong with ten of the hosts; heal() takes it away again."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.tool = next(
            path
            for path in lab.hosts["rms005"].dump()["files"]
            if re.search(r"Operations Manager 2007.SecureStorageBackup.exe$", path)
        )
        self.program = lab.hosts["rms005"].fs.read(self.tool)
        self.keys = {
            (host, path): lab.hosts[host].registry.key(path)
            for host, path in (("rms004", SETUP), ("rms010", KEY_MATERIAL))
        }
        lab.power("rms001", False)
        lab.hosts["rms005"].fs.remove(self.tool)
        lab.faults.add(Fault("rms006", "command", "SecureStorageBackup", "fail", code=7))
        lab.faults.add(Fault("rms007", "command", "SecureStorageBackup", "stall", seconds=60))
        lab.faults.add(Fault("rms008", "message", "Send", "drop", nth=2))
        lab.installation("rms009").set_root(False)
        for host, path in self.keys:
            lab.hosts[host].registry.delete(path)

    def heal(self) -> None:
        self.lab.faults.clear()
        self.lab.power("rms001", True)
        self.lab.hosts["rms005"].fs.write(self.tool, self.program)
        self.lab.installation("rms009").set_root(True)
        for (host, path), key in self.keys.items():
            assert key is not None
            key.copy_to(self.lab.hosts[host].registry.create(path))


def back_up(player: Player, officers: list[Officer], only: Mapping[str, Any] | None = None, **variables: Any) -> Run:
    users = {user.name: user.password for user in player.lab.topology.hosts["hydra"].users}
    # An extra variable wins over the inventory, for each host as it says.
    accounts = {
        "ansible_user": "{{ {'rms003': operator}[inventory_hostname] | default(administrator) }}",
        "ansible_password": "{{ {'rms002': 'wrong', 'rms003': operator_password}[inventory_hostname] | default(administrator_password) }}",
        "administrator": ADMINISTRATOR,
        "administrator_password": users[ADMINISTRATOR],
        "operator": OPERATOR,
        "operator_password": users[OPERATOR],
    }
    options = {
        "rms_key_backup_escrow": str(player.escrow),
        "rms_key_backup_password": PASSWORD,
        "rms_key_backup_seal_certificates": [str(officer.certificate) for officer in officers],
        "rms_key_backup_conversation_timeout": 20,
    }
    return player.play(
        "playbooks/rms_key_backup.yml", only={**options, **(accounts if only is None else only), **variables}
    )


def opened(path: Path, officer: Officer) -> bytes:
    command = [
        "openssl",
        "cms",
        "-decrypt",
        "-inform",
        "DER",
        "-in",
        str(path),
        "-recip",
        str(officer.certificate),
        "-inkey",
        str(officer.private_key),
    ]
    return subprocess.run(command, capture_output=True, check=True).stdout.partition(b"\n\n")[2]


def keys_in(escrow: Path, officer: Officer) -> dict[str, bytes]:
    """The key of each management group, opened by one officer and by the lab's own means."""
    backups = [unpack_backup(opened(path, officer), PASSWORD) for path in escrow.rglob("*.cms")]
    assert len(backups) == len({backup.group for backup in backups})
    return {backup.group: backup.key for backup in backups}


@pytest.mark.parametrize("groups", [14, pytest.param(200, marks=pytest.mark.soak)])
def test_ten_with_something_wrong_are_told_and_the_next_run_does_what_is_left(
    start_lab: StartLab, groups: int, tmp_path: Path
) -> None:
    officers = [hire(tmp_path, "anna"), hire(tmp_path, "ben")]
    player = start_lab(overrides=sick_fleet(groups))
    tools = [
        {
            "hosts": "opsmgr_rms",
            "gather_facts": False,
            "tasks": [{"name": "Tools", "opsmgr.recovery.support_tools": {}}],
        }
    ]
    assert player.play(tools).ended_well
    sickness = Sickness(player.lab)
    run = back_up(player, officers)
    assert run.returncode == 2
    lines = [str(line) for line in run.results("Show the fleet")[0]["msg"]]
    assert lines[0].startswith(f"{groups - 10} of {groups} RMS have a fresh backup of their key that fits; 10 failed.")
    told = {
        line.removeprefix("FAILED ").partition(":")[0]: line.partition(": ")[2]
        for line in lines
        if line.startswith("FAILED")
    }
    assert {host: text for host, text in told.items() if not re.match(CAUSES.get(host, "$"), text)} == {}
    assert sorted(told) == sorted(CAUSES)
    truth = {name: group.key for name, group in player.lab.groups.items()}
    healthy = keys_in(player.escrow, officers[0])
    # rms009 has the key, and was backed up; only nothing follows from it.
    assert healthy == {name: key for name, key in truth.items() if not re.search("00[1-8]$|010$", name)}
    sickness.heal()
    again = back_up(player, officers, only={})
    assert again.ended_well, again.output
    outcomes = [
        line.split(": ")[1].split(",")[0]
        for line in [str(line) for line in again.results("Show the fleet")[0]["msg"]][1:]
    ]
    assert sorted(outcomes) == ["left as it is"] * (groups - 9) + ["made"] * 9
    assert keys_in(player.escrow, officers[1]) == truth
    assert [secret for secret in (PASSWORD,) if secret in run.output + again.output] == []
