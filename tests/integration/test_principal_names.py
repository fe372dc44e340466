# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a failover says of the service principal names: the exact commands for ODYSSEY, which a person gives then."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playing import PASSWORD, SEAL, Player, Run

from lab.drill import unproven

SERVICE = "ODYSSEY\\svc-sdk"
OF_HYDRA = ["MSOMSdkSvc/HYDRA", "MSOMSdkSvc/hydra.odyssey.com"]
OF_HEALTH_SERVICE = ["MSOMHSvc/DEATHSTING", "MSOMHSvc/deathsting.odyssey.com"]
OF_DEATHSTING = ["MSOMSdkSvc/DEATHSTING", "MSOMSdkSvc/deathsting.odyssey.com"]


def commands(lines: list[str]) -> list[str]:
    return [line.partition(" (")[0] for line in lines if line.startswith("setspn ")]


def told(run: Run) -> list[str]:
    """The commands in the last message of a run."""
    [message] = run.results("Report what was done and what remains")
    return commands(message["msg"])


def obey(player: Player, orders: list[str]) -> None:
    """What a domain administrator does."""
    for order in orders:
        _setspn, verb, name, account = order.split()
        (player.lab.domain.delete if verb == "-D" else player.lab.domain.register)(account, name)


def test_a_planned_failover_names_them_and_when_they_are_right_says_nothing(start_lab: Any) -> None:
    reporting = {"gateways": ["styx.ithaca.com"], "agents": ["argos.ithaca.com", "penelope.ithaca.com"]}
    odyssey = start_lab("odyssey", overrides={"groups": {"ODYSSEY": reporting}})
    before = odyssey.lab.domain.dump()
    expected = [f"setspn -D {name} HYDRA" for name in OF_HYDRA]
    checked = odyssey.play(check=True)
    assert told(checked) == expected
    page = odyssey.directory / "failover.html"
    run = odyssey.play(rms_failover_report=str(page))
    assert run.ended_well, run.output
    assert told(run) == expected
    record = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))
    assert commands(record["left"]) == expected
    [reporting_to_hydra] = [line for line in record["left"] if "styx.ithaca.com" in line]
    assert "2 agent(s)" in reporting_to_hydra
    assert all(line in page.read_text(encoding="utf-8") for line in expected)
    # The computer's own account registered the new names, and nothing else was changed.
    after = odyssey.lab.domain.dump()
    assert after == {**before, "DEATHSTING": sorted([*before["DEATHSTING"], *OF_DEATHSTING])}
    obey(odyssey, expected)
    again = odyssey.play()
    assert again.ended_well, again.output
    assert told(again) == []
    assert unproven(odyssey.lab.dump()) == []


def test_in_a_disaster_with_a_domain_account_both_kinds_are_named(start_lab: Any) -> None:
    player = start_lab("odyssey", overrides={"defaults": {"settings": {"sdk_account": SERVICE}}})
    player.task("support_tools", "hydra", {})
    player.task(
        "secure_storage_backup",
        "hydra",
        {"escrow": str(player.escrow), "backup_password": PASSWORD, "seal_passphrase": SEAL},
    )
    player.lab.power("hydra", False)
    page = player.directory / "failover.html"
    run = player.play(rms_failover_mode="disaster", rms_failover_report=str(page))
    assert run.ended_well, run.output
    expected = [
        *(f"setspn -A {name} {SERVICE}" for name in OF_DEATHSTING),
        *(f"setspn -D {name} {SERVICE}" for name in OF_HYDRA),
    ]
    assert told(run) == expected
    record = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))
    assert commands(record["left"]) == expected


@pytest.mark.soak
def test_away_from_a_cluster_the_names_of_the_virtual_server_are_left_over(start_lab: Any) -> None:
    player = start_lab("odyssey-cluster")
    run = player.play()
    assert run.ended_well, run.output
    assert told(run) == [
        *(f"setspn -A {name} {SERVICE}" for name in OF_DEATHSTING),
        *(f"setspn -D {name} {SERVICE}" for name in ("MSOMSdkSvc/RMSVS", "MSOMSdkSvc/rmsvs.odyssey.com")),
    ]


@pytest.mark.soak
def test_windows_server_2003_cannot_look_and_says_how_to_find_out(start_lab: Any) -> None:
    player = start_lab("odyssey-2003")
    run = player.play()
    assert run.ended_well, run.output
    [message] = run.results("Report what was done and what remains")
    lines = [line for line in message["msg"] if line.startswith("setspn ")]
    assert commands(lines) == [
        *(f"setspn -A {name} DEATHSTING" for name in (*OF_DEATHSTING, *OF_HEALTH_SERVICE)),
        *(f"setspn -D {name} HYDRA" for name in OF_HYDRA),
    ]
    assert all("that could not be looked at" in line for line in lines)
