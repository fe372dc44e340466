# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run at a time changes a management group: the lock, by real ansible-playbook processes that work at the same time
or are killed.
"""

from __future__ import annotations

import threading
from typing import Any

import pytest
from labs import StartLab
from playing import PASSWORD, Player, Run

from lab.drill import unproven

pyodbc = pytest.importorskip("pyodbc")
if "FreeTDS" not in pyodbc.drivers():
    pytest.skip("FreeTDS is not installed", allow_module_level=True)

LOCK = "opsmgr.recovery.management_group_lock"
ELSEWHERE = {"boot": "another", "namespace": 4026531836, "machine": "", "pid": 4242, "started": 5, "command": 1}
SOMEBODY = {"user": "somebody", "controller": "control2", "process": ELSEWHERE}


def notes(player: Player) -> dict[str, Any]:
    found: dict[str, Any] = player.lab.dump()["sql"]["thunder"]["databases"]["OperationsManager"]["extended_properties"]
    return found


def connection(player: Player) -> dict[str, Any]:
    server, login = player.lab.sql["thunder"], player.lab.topology.sql.login
    return {"server": server.address, "login_user": login.name, "login_password": login.password}


def locking(player: Player, name: str, **options: Any) -> dict[str, Any]:
    """A task that uses the lock from the controller."""
    local = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    return {
        "name": name,
        LOCK: {**connection(player), **options},
        "delegate_to": "localhost",
        "vars": local,
        "register": "lock",
    }


def plays(player: Player, **options: Any) -> list[dict[str, Any]]:
    """Take the lock, work, and release it."""
    tasks = [
        locking(player, "Take", **{"purpose": "test", "target": "hydra", **options}),
        {
            "name": "Work",
            "ansible.builtin.command": "sleep 3",
            "delegate_to": "localhost",
            "vars": {"ansible_connection": "local"},
        },
        locking(player, "Renew", purpose="test", target="hydra", run_id="{{ lock.run_id }}"),
        locking(player, "Release", state="released"),
    ]
    return [{"hosts": "hydra", "gather_facts": False, "tasks": tasks}]


def test_a_run_has_it_renews_it_and_releases_it(odyssey: Player) -> None:
    before = odyssey.lab.dump()
    run = odyssey.play(plays(odyssey))
    assert run.ended_well, run.output
    [taken], [renewed], [released] = (run.results(name) for name in ("Take", "Renew", "Release"))
    assert (taken["taken"], renewed["taken"], released["held"]) == (True, False, False)
    assert renewed["run_id"] == taken["run_id"]
    assert taken["lock"]["pid"], "the process of ansible-playbook is known"
    assert odyssey.lab.dump() == before


def test_a_run_that_was_killed_has_left_it(odyssey: Player) -> None:
    """Also when its last task, a process of its own, is not killed with it: that is waited for."""
    odyssey.play(plays(odyssey), cut="Work+0.5")
    assert notes(odyssey)
    run = odyssey.play(plays(odyssey))
    assert run.ended_well, run.output
    [taken] = run.results("Take")
    assert "left by" in taken["taken_over_from"]
    assert "is gone" in taken["taken_over_from"]
    assert notes(odyssey) == {}


def test_a_run_on_another_controller_is_respected_until_a_person_says_otherwise(odyssey: Player) -> None:
    theirs = odyssey.task(
        "management_group_lock",
        "localhost",
        {**connection(odyssey), "purpose": "failover", "target": "jupiter", "holder": SOMEBODY},
    )
    run = odyssey.play(plays(odyssey))
    assert not run.ended_well
    assert (
        "it is held by somebody on controller control2, process 4242, for failover (target jupiter)" in run.failures[-1]
    )
    assert odyssey.play(plays(odyssey, break_lock=theirs["run_id"])).ended_well
    assert notes(odyssey) == {}


def held_by_somebody(player: Player) -> None:
    options = {**connection(player), "purpose": "failover", "target": "jupiter", "holder": SOMEBODY}
    assert player.task("management_group_lock", "localhost", options)["held"] is True


OTHERS = {
    "rms_recover_without_key": (
        "odyssey-no-key",
        {
            "rms_recover_without_key_target": "deathsting",
            "rms_recover_without_key_confirm": "ODYSSEY",
            "rms_recover_without_key_backup_password": PASSWORD,
        },
    ),
    "clustered_rms_restore": (
        "odyssey-cluster",
        {
            "clustered_rms_restore_setup": False,
            "clustered_rms_restore_database": False,
            "clustered_rms_restore_key": False,
        },
    ),
}


@pytest.mark.parametrize("role", OTHERS)
def test_nothing_else_is_done_to_a_group_while_a_run_has_it(start_lab: StartLab, role: str) -> None:
    topology, variables = OTHERS[role]
    player = start_lab(topology)
    held_by_somebody(player)
    before = player.lab.dump()
    for check in (True, False):
        run = player.play(
            f"playbooks/{role}.yml", check=check, only={**variables, f"{role}_escrow": str(player.escrow)}
        )
        assert not run.ended_well
        assert "it is held by somebody on controller control2" in run.failures[-1], run.output
        assert "Nothing was changed" in run.failures[-1]
        assert player.lab.dump() == before


def promoted(player: Player) -> list[str]:
    dump = player.lab.dump()
    return [name for name, role in dump["groups"]["ODYSSEY"]["roles"].items() if role == "rms"]


def test_two_operators_promote_two_servers_at_once(odyssey: Player) -> None:
    runs: dict[str, Run] = {}

    def promote(target: str) -> None:
        runs[target] = odyssey.play(rms_failover_target=target, rms_failover_confirm=target)

    threads = [threading.Thread(target=promote, args=(target,)) for target in ("deathsting", "jupiter")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    well = [target for target, run in runs.items() if run.ended_well]
    assert len(well) == 1, {target: run.output for target, run in runs.items()}
    [refused] = [run for target, run in runs.items() if target != well[0]]
    assert f"failover (target {well[0]})" in refused.failures[-1]
    assert "Nothing was changed" in refused.failures[-1]
    assert refused.changed == 0
    assert promoted(odyssey) == well
    assert unproven(odyssey.lab.dump(), well[0]) == []
    assert notes(odyssey) == {}
