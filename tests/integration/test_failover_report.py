# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a failover tells what the lab itself says, also of a failover that stopped, and can be read on any
screen and on paper.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from browser import A4_WIDTH, Browser, luminance
from playing import PASSWORD, SEAL, Player, Run

from lab.drill import short, unproven
from lab.faults import Fault

NO_SERVICE = Fault("deathsting", "service", "OMSDK", "fail", code=1053, times=0)


def fail_over(
    player: Player, name: str = "failover", playbook: str = "playbooks/rms_failover.yml", **variables: Any
) -> tuple[Run, Path]:
    """Run it, and say where its report is."""
    page = player.directory / f"{name}.html"
    return player.play(playbook, rms_failover_report=str(page), rms_failover_service_timeout=8, **variables), page


def record_of(page: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))
    return record


def assert_it_can_be_read(browser: Browser, page: Path) -> None:
    for width in (360, 1280):
        for scheme in ("light", "dark"):
            view = browser.look(page, width=width, scheme=scheme)
            assert view.faults == [], (width, scheme)
            assert (luminance(view.texts[0].color) > 0.5) == (scheme == "dark")
    assert browser.look(page, width=A4_WIDTH, scheme="dark", media="print").faults == []
    assert len(browser.pages(page)) in (1, 2)


def assert_it_is_true(topology: Mapping[str, Any], dump: Mapping[str, Any]) -> None:
    """What the report says of the end is what the lab's own state says."""
    group = dump["groups"]["ODYSSEY"]
    assert short(topology["rms"]) == short(group["rms"])
    assert {
        server["host"]: "rms" if server["is_rms"] else "management_server" for server in topology["servers"]
    } == group["roles"]
    fingerprints = {server["host"]: server["key_fingerprint"] for server in topology["servers"]}
    assert {host: "right" if fingerprint else "none" for host, fingerprint in fingerprints.items()} == group["key"]
    for server in topology["servers"]:
        services = {name: state.split(", ")[0] for name, state in server["services"].items()}
        assert services == {name: dump["hosts"][server["host"]]["services"][name]["state"] for name in services}
    for component in topology["components"]:
        assert component["names"].lower() in {
            name.lower() for names in group["root_named_by"][component["host"]].values() for name in names
        }


def assert_no_secret_is_told(player: Player, page: Path) -> None:
    told = page.read_text(encoding="utf-8") + page.with_suffix(".json").read_text(encoding="utf-8")
    keys = [key.hex() for name in ("hydra", "deathsting") if (key := player.lab.installation(name).key)]
    passwords = [host.users[0].password for host in player.lab.hosts.values()]
    for secret in (PASSWORD, SEAL, player.lab.topology.sql.login.password, *keys, *passwords):
        assert secret not in told
        assert secret.upper() not in told


def test_of_a_failover_that_ended_well(odyssey: Player, browser: Browser) -> None:
    before = odyssey.lab.dump()
    run, page = fail_over(odyssey)
    assert run.ended_well, run.output
    record = record_of(page)
    assert (record["outcome"], record["headline"]) == ("finished", "deathsting is the RMS, and hydra no longer")
    assert_it_is_true(record["before"], before)
    assert_it_is_true(record["after"], odyssey.lab.dump())
    assert {step["outcome"] for step in record["steps"]} == {"done", "as it was"}
    assert [step["title"] for step in record["steps"] if step["point_of_no_return"]] == [
        "deathsting promoted to the RMS"
    ]
    assert [step["title"] for step in record["steps"] if not step["started_at"] or not step["evidence"]] == []
    [restored] = [step for step in record["steps"] if step["title"] == "Key restored on deathsting"]
    assert (
        restored["evidence"][-1]
        == f"key on the server: {record['after']['servers'][1]['key_fingerprint']}, the one of the backup"
    )
    assert any(
        "BACKUP DATABASE [OperationsManager]" in statement
        for step in record["steps"]
        for statement in step["statements"]
    )
    assert record["versions"]["operations_manager"] == ["2007 SP1 (6.0.6278.0)"]
    assert_no_secret_is_told(odyssey, page)
    assert_it_can_be_read(browser, page)


def test_of_one_that_stopped_after_the_point_of_no_return_and_of_none_that_cannot_be_written(
    odyssey: Player, browser: Browser
) -> None:
    odyssey.lab.faults.add(NO_SERVICE)
    run, page = fail_over(odyssey)
    assert run.returncode == 2
    record = record_of(page)
    assert (record["outcome"], record["headline"]) == (
        "stopped after the point of no return",
        "deathsting is the RMS, but the failover is not finished",
    )
    assert len(record["problems"]) == 1
    assert record["problems"][0] in run.failures[-1]
    ahead = [step["title"] for step in record["steps"] if step["outcome"] in ("failed", "not reached")]
    assert ahead[:2] == [
        "Services of deathsting running and set to start by themselves",
        "hydra made an ordinary management server",
    ]
    assert all(title in record["advice"] for title in ahead)
    # Nobody was asked again, so the database's word is not known, and the registries' is that of the steps.
    assert record["after"]["rms"] == "deathsting.odyssey.com", "the database was asked when the tool had ended"
    roles = odyssey.lab.dump()["groups"]["ODYSSEY"]["roles"]
    assert {
        server["host"]: "rms" if server["is_rms"] else "management_server" for server in record["after"]["servers"]
    } == roles
    assert_it_can_be_read(browser, page)
    odyssey.lab.faults.clear()
    # Its directory could be written when that was asked.
    page.unlink()
    page.symlink_to(odyssey.directory / "nowhere" / "failover.html")
    again, _page = fail_over(odyssey)
    assert again.ended_well, again.output
    assert unproven(odyssey.lab.dump()) == []
    [message] = again.results("Report that no report was written")
    assert message["msg"].startswith("controller: write the report: ")


@pytest.mark.soak
def test_of_one_that_stopped_before_the_point_of_no_return(odyssey: Player, browser: Browser) -> None:
    odyssey.lab.faults.add(Fault("deathsting", "command", "ManagementServerConfigTool", "fail", code=1, times=0))
    run, page = fail_over(odyssey)
    assert run.returncode == 2
    record = record_of(page)
    assert (record["outcome"], record["headline"]) == (
        "stopped before the point of no return",
        "The role has not moved: hydra is the RMS",
    )
    assert record["left"] == []
    assert_it_is_true({**record["after"], "components": []}, odyssey.lab.dump())
    undone = [step["title"] for step in record["steps"] if "again" in step["title"]]
    assert undone == ["Services of hydra running again", "Support tools removed again from deathsting and hydra"]
    assert_it_can_be_read(browser, page)


@pytest.mark.soak
def test_of_a_disaster_with_one_that_does_not_answer_and_of_what_is_left_then(
    odyssey: Player, browser: Browser
) -> None:
    odyssey.task("support_tools", "hydra", {})
    odyssey.task(
        "secure_storage_backup",
        "hydra",
        {"escrow": str(odyssey.escrow), "backup_password": PASSWORD, "seal_passphrase": SEAL},
    )
    odyssey.lab.power("hydra", False)
    odyssey.lab.power("hermes", False)
    run, page = fail_over(odyssey, rms_failover_mode="disaster")
    assert run.returncode == 2
    record = record_of(page)
    assert (record["outcome"], record["problems"]) == (
        "left undone",
        ["hermes: the server does not answer: [Errno 111] Connection refused"],
    )
    assert record["left"][0].startswith("hydra does not answer and has not been demoted")
    assert_it_can_be_read(browser, page)
    odyssey.lab.power("hydra", True)
    odyssey.lab.power("hermes", True)
    for outcome in ("finished", "unchanged"):
        again, page = fail_over(odyssey, rms_failover_mode="disaster")
        assert again.ended_well, again.output
        assert record_of(page)["outcome"] == outcome
        assert_it_is_true(record_of(page)["after"], odyssey.lab.dump())
        assert_it_can_be_read(browser, page)


@pytest.mark.soak
def test_of_a_clustered_rms_and_of_the_way_back(start_lab: Any, browser: Browser) -> None:
    player = start_lab("odyssey-cluster")
    # The way back finds its target by itself: the node that has the group.
    back = {
        **{key: value for key, value in player.variables.items() if key != "rms_failover_target"},
        "rms_failover_confirm": "castor",
    }
    for name, playbook, variables, headline in (
        ("away", "playbooks/rms_failover.yml", player.variables, "deathsting is the RMS, and rmsvs no longer"),
        ("back", "playbooks/rms_failback.yml", back, "rmsvs is the RMS, and deathsting no longer"),
    ):
        run, page = fail_over(player, name, playbook, only=variables)
        assert run.ended_well, run.output
        record = record_of(page)
        assert record["headline"] == headline
        assert short(record["after"]["rms"]) == headline.split()[0]
        assert {short(component["names"]) for component in record["after"]["components"]} == {headline.split()[0]}
        assert_it_can_be_read(browser, page)
