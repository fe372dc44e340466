# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys of a fleet: one that fails stops no other, the report tells, and the RMS is found when the inventory is out
of date.
"""

from __future__ import annotations

import json
import re
from typing import Any

from labs import StartLab
from playing import PASSWORD, SEAL, Player, Run

from lab.faults import Fault
from lab.opsmgr.installation import SETUP
from lab.topologies import read_tree

PLAYBOOK = "playbooks/rms_key_backup.yml"
ILIAD = "ILIAD <b>&"


def fleet() -> dict[str, Any]:
    """Two more management groups beside ODYSSEY, as overrides of its topology."""
    odyssey = read_tree("odyssey")["groups"]["ODYSSEY"]
    overrides: dict[str, Any] = {"groups": {}, "hosts": {}}
    for group, rms, sql in ((ILIAD, "achilles", "troy"), ("AENEID", "aeneas", "carthage")):
        overrides["groups"][group] = {**odyssey, "database": {**odyssey["database"], "host": sql}}
        overrides["hosts"][rms] = {"roles": ["rms"], "group": group, "version": "R2"}
        overrides["hosts"][sql] = {"roles": ["database"], "group": group, "media": None}
    return overrides


def back_up(player: Player, *, check: bool = False, **variables: Any) -> Run:
    options = {
        "escrow": str(player.escrow),
        "password": PASSWORD,
        "seal_passphrase": SEAL,
        "support_tools": True,
        **variables,
    }
    return player.play(PLAYBOOK, check=check, only={f"rms_key_backup_{name}": value for name, value in options.items()})


def lines(run: Run) -> list[str]:
    return [str(line) for line in run.results("Show the fleet")[0]["msg"]]


def test_one_that_fails_stops_no_other_and_the_next_run_does_what_is_left(start_lab: StartLab) -> None:
    player = start_lab("odyssey", overrides=fleet())
    report = player.directory / "fleet.html"
    player.lab.power("aeneas", False)
    # hydra's password is not known.
    run = back_up(
        player,
        report=str(report),
        password="{{ {'achilles': '" + PASSWORD + "', 'aeneas': '" + PASSWORD + "'}[inventory_hostname] }}",
    )
    assert run.returncode == 2
    data = json.loads(report.with_suffix(".json").read_text(encoding="utf-8"))
    assert data["counts"] == {"all": 3, "failed": 2, "good": 1}
    rows = [(row["host"], row["outcome"], row["management_group"]) for row in data["hosts"]]
    assert rows == [("aeneas", "failed", "AENEID"), ("hydra", "failed", "ODYSSEY"), ("achilles", "made", ILIAD)]
    cause = "aeneas: back up the key: the server does not answer: [Errno 111] Connection refused. Check that it answers, then rerun."
    assert data["hosts"][0]["problem"] == cause
    assert cause in run.failures
    assert re.fullmatch(
        r"hydra: back up the key: .*'backup_password'.* Fix the cause, then rerun[.]", data["hosts"][1]["problem"]
    )
    assert [line.split()[0:2] for line in lines(run)[1:]] == [
        ["FAILED", "aeneas:"],
        ["FAILED", "hydra:"],
        ["good", "achilles,"],
    ]
    page = report.read_text(encoding="utf-8")
    assert ("ILIAD &lt;b&gt;&amp;" in page, ILIAD in page, cause.replace("'", "&#39;") in page) == (True, False, True)
    assert [secret for secret in (PASSWORD, SEAL) if secret in page + json.dumps(data) + run.output] == []
    player.lab.power("aeneas", True)
    again = back_up(player)
    assert again.ended_well, again.output
    assert [line.split(": ")[-1].split(",")[0] for line in lines(again)[1:]] == ["left as it is", "made", "made"]
    assert back_up(player).changed == 0


def test_the_rms_is_found_when_the_inventory_is_out_of_date(odyssey: Player) -> None:
    assert odyssey.play().ended_well
    trusting = back_up(odyssey)
    assert trusting.returncode == 2
    assert trusting.failures[-1].startswith("hydra: verify the escrow: it is not the RMS by its own registry")
    found = back_up(odyssey, find_rms=True, max_age=0)
    assert found.ended_well, found.output
    assert lines(found)[1].startswith("good deathsting (hydra in the inventory), ODYSSEY 6.0.6278.0: made")
    odyssey.lab.power("thunder", False)
    deaf = back_up(odyssey, find_rms=True)
    assert deaf.returncode == 2
    assert deaf.failures[-1].startswith(
        "hydra: find the RMS: the operational database does not say which server it is: connect to SQL Server"
    )


def test_check_mode_of_a_clustered_rms_tells_what_is_done_then(start_lab: StartLab) -> None:
    player = start_lab("odyssey-cluster")
    player.task("support_tools", "rmsvs", {})
    before = player.lab.dump()
    checked = back_up(
        player, check=True, find_rms=True, support_tools=False, report=str(player.directory / "fleet.html")
    )
    assert checked.ended_well, checked.output
    assert lines(checked)[1] == "good rmsvs, ODYSSEY 6.0.6278.0: would be made"
    assert (player.lab.dump(), player.escrow.exists(), list(player.directory.glob("fleet.*"))) == (before, False, [])
    done = back_up(player, find_rms=True, support_tools=False)
    assert done.ended_well, done.output
    assert lines(done)[1] == "good rmsvs, ODYSSEY 6.0.6278.0: made, 0.0 h old, sealed ansible-vault"


def test_a_backup_from_before_an_upgrade_does_not_count(odyssey: Player) -> None:
    assert back_up(odyssey).ended_well
    odyssey.lab.hosts["hydra"].registry.set(SETUP, "ServerVersion", "6.1.7221.0")
    odyssey.lab.faults.add(Fault("hydra", "command", "SecureStorageBackup", "fail", code=1))
    report = odyssey.directory / "fleet.html"
    run = back_up(odyssey, report=str(report))
    assert run.returncode == 2
    assert run.failures[-1].startswith("hydra: back up the key: SecureStorageBackup")
    assert "In the escrow: the newest backup, of " in lines(run)[1]
    assert "is WORTHLESS after the upgrade" in lines(run)[1]
    assert "the backup is of 6.0.6278.0" in report.read_text(encoding="utf-8")
    assert back_up(odyssey).ended_well
