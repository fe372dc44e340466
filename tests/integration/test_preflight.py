# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that is wrong is said before anything is changed: all of it at once, and the lab stays as it was."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playing import PASSWORD, SEAL, Player, Run, until


@dataclass
class Trouble:
    """One thing that is wrong: how to bring it about, and what must be said about it."""

    said: tuple[str, ...]
    cause: Callable[[Player], None] = lambda player: None
    variables: dict[str, Any] = field(default_factory=dict)
    overrides: dict[str, Any] = field(default_factory=dict)


def back_up(player: Player, password: str = PASSWORD) -> None:
    player.task("support_tools", "hydra", {})
    player.task(
        "secure_storage_backup",
        "hydra",
        {"escrow": str(player.escrow), "backup_password": password, "seal_passphrase": SEAL},
    )
    player.task("support_tools", "hydra", {"state": "absent"})


def rewrite_manifest(player: Player, old: str, new: str) -> None:
    """A backup of another version: the manifest is readable text."""
    for manifest in player.escrow.rglob("*.json"):
        manifest.write_text(manifest.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")


def backup_of_rtm(player: Player) -> None:
    back_up(player)
    rewrite_manifest(player, '"6.0.6278.0"', '"6.0.5000.0"')


def backup_with_another_password(player: Player) -> None:
    back_up(player, "another password entirely")


def backup_of_another_group(player: Player) -> None:
    back_up(player)
    (player.escrow / "ODYSSEY").rename(player.escrow / "ILIAD")
    rewrite_manifest(player, '"ODYSSEY"', '"ILIAD"')


def lock_out(player: Player, host: str = "hydra") -> None:
    """The server works, and the account's password there is another one than the inventory's."""
    for user in player.lab.hosts[host].users:
        user.password = "changed yesterday"


def back_up_and_lock_out(player: Player) -> None:
    back_up(player)
    lock_out(player)


def stop_health_service(player: Player) -> None:
    player.lab.hosts["deathsting"].services.stop("HealthService")
    player.lab.hosts["deathsting"].services.settle()


def stop_sql_server(player: Player) -> None:
    player.lab.hosts["thunder"].services.stop("MSSQLSERVER")
    player.lab.hosts["thunder"].services.settle()


DISASTER = {"rms_failover_mode": "disaster"}
TROUBLES = {
    "the RMS is unreachable": Trouble(
        ("hydra: preflight: the RMS cannot be reached", "set rms_failover_mode to disaster"),
        lambda player: player.lab.power("hydra", False),
    ),
    "the RMS lets nobody in": Trouble(
        ("hydra: preflight: the RMS cannot be reached: the server answers, but gives no access",), lock_out
    ),
    "the RMS lets nobody in, and that is taken for a disaster": Trouble(
        (
            "hydra: preflight: a disaster failover needs an RMS that is off, and it may be at work: the server answers, but gives no access",
        ),
        back_up_and_lock_out,
        DISASTER,
    ),
    "the server to promote is unreachable": Trouble(
        ("deathsting: preflight: the server to promote cannot be used",),
        lambda player: player.lab.power("deathsting", False),
    ),
    "no tools and no media": Trouble(
        (
            "deathsting: preflight: SecureStorageBackup.exe and ManagementServerConfigTool.exe not in",
            "hydra: preflight: SecureStorageBackup.exe and",
        ),
        overrides={"hosts": {"deathsting": {"media": None}, "hydra": {"media": None}}},
    ),
    "the Health Service is stopped": Trouble(("deathsting: preflight: HealthService is stopped",), stop_health_service),
    "a short password": Trouble(
        ("controller: preflight: the backup password has 5 characters", "at least 8"),
        variables={"rms_failover_backup_password": "short"},
    ),
    "confirmed for another server": Trouble(
        ("controller: preflight: rms_failover_confirm is 'jupiter', and the server to promote is deathsting",),
        variables={"rms_failover_confirm": "jupiter"},
    ),
    "nobody there to confirm it": Trouble(
        ("Nothing was changed. controller: confirmation: no name was typed", "set rms_failover_confirm to deathsting"),
        variables={"rms_failover_confirm": ""},
    ),
    "no password": Trouble(
        ("controller: preflight: no backup password is given",), variables={"rms_failover_backup_password": ""}
    ),
    "the database is down": Trouble(("SQL Server 127.",), stop_sql_server),
    "a wrong SQL login": Trouble(("18456",), variables={"rms_failover_sql_login_password": "not the password"}),
    "an empty escrow": Trouble(("no key backup of management group ODYSSEY",), variables=DISASTER),
    "a key of an older version": Trouble(("before Service Pack 1",), backup_of_rtm, DISASTER),
    "a key of another group": Trouble(
        ("no key backup of management group ODYSSEY, only of ILIAD",), backup_of_another_group, DISASTER
    ),
    "a wrong seal passphrase": Trouble(
        ("controller: ",), back_up, {**DISASTER, "rms_failover_seal_passphrase": "not the passphrase"}
    ),
    "a wrong backup password": Trouble(
        ("deathsting: restore the key: SecureStorageBackup.exe", "The role has not moved"),
        backup_with_another_password,
        DISASTER,
    ),
    "another management group": Trouble(
        ("it belongs to management group ODYSSEY, and the inventory says ILIAD",),
        variables={"rms_failover_management_group": "ILIAD", "opsmgr_management_group": "ILIAD"},
    ),
}


@pytest.mark.parametrize("name", TROUBLES)
def test_every_trouble_is_said_and_nothing_is_changed(start_lab: Any, name: str) -> None:
    trouble = TROUBLES[name]
    player = start_lab(overrides=trouble.overrides)
    trouble.cause(player)
    before = player.lab.dump()
    run = player.play(**trouble.variables)
    assert not run.ended_well
    for words in trouble.said:
        assert words in message(run), run.output
    assert "Traceback" not in run.output
    assert player.lab.dump() == before


def test_an_rms_that_lets_nobody_in_and_is_known_to_be_off_is_a_disaster(odyssey: Player) -> None:
    back_up_and_lock_out(odyssey)
    odyssey.lab.hosts["hydra"].services.stop("OMSDK")
    run = odyssey.play(check=True, rms_failover_mode="disaster", rms_failover_old_rms_is_off=True)
    assert run.ended_well, run.output


def without_library(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A controller on which the library is not installed; the lab, which runs in this process, has it."""
    (folder / f"{name}.py").write_text(f"raise ImportError('No module named {name}')", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]))


@pytest.mark.parametrize(
    ("library", "said"),
    [
        ("pyodbc", "pyodbc"),
        ("winrm", "this controller could not ask the server: winrm or requests is not installed"),
        (
            "requests_ntlm",
            "this controller could not ask the server: ntlm: requested auth method is ntlm, but requests_ntlm is not installed",
        ),
    ],
)
def test_a_library_that_a_later_step_needs_is_missed_first(
    odyssey: Player, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str, said: str
) -> None:
    before = odyssey.lab.dump()
    without_library(library, tmp_path, monkeypatch)
    run = odyssey.play()
    assert not run.ended_well
    assert said in message(run), run.output
    assert "Traceback" not in run.output
    assert odyssey.lab.dump() == before


def test_a_misspelt_group_is_said_in_a_play_of_ones_own(odyssey: Player) -> None:
    """The playbooks have asked by then; a play of one's own has not."""
    misspell = {"name": "Misspell", "ansible.builtin.add_host": {"name": "argus", "groups": ["opsmgr_rms_clusters"]}}
    own = [
        {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [misspell]},
        {"hosts": "deathsting", "gather_facts": False, "roles": [{"role": "opsmgr.recovery.rms_failover"}]},
    ]
    before = odyssey.lab.dump()
    run = odyssey.play(own)
    assert "rename the group opsmgr_rms_clusters to opsmgr_rms_cluster" in message(run), run.output
    assert odyssey.lab.dump() == before


def test_who_cannot_ask_does_not_take_it_for_a_disaster(odyssey: Player) -> None:
    back_up(odyssey)
    before = odyssey.lab.dump()
    run = odyssey.play(rms_failover_mode="disaster", ansible_winrm_transport="kerberos")
    assert not run.ended_well
    said = "hydra: preflight: a disaster failover needs an RMS that is off, and whether it is at work is not known: this controller could not ask"
    assert said in message(run), run.output
    assert odyssey.lab.dump() == before


def message(run: Run) -> str:
    """The last failure: what the person reads."""
    return run.failures[-1] if run.failures else ""


def test_an_account_that_is_no_administrator_is_named(odyssey: Player) -> None:
    operator = next(user for user in odyssey.lab.hosts["deathsting"].users if not user.is_admin)
    odyssey.lab.hosts["deathsting"].settings["winrm_for_users"] = True
    before = odyssey.lab.dump()
    accounts = {"ansible_user": operator.name, "ansible_password": operator.password}
    for host in ("hydra", "jupiter"):
        odyssey.lab.hosts[host].settings["winrm_for_users"] = True
        next(user for user in odyssey.lab.hosts[host].users if user.name == operator.name).password = operator.password
    run = odyssey.play(**accounts)
    assert "deathsting: preflight: the account is not an administrator of this server" in message(run), run.output
    assert "hydra: preflight: the account is not an administrator of this server" in message(run)
    assert odyssey.lab.dump() == before


def test_all_problems_are_said_at_once(odyssey: Player) -> None:
    stop_health_service(odyssey)
    stop_sql_server(odyssey)
    odyssey.lab.power("hydra", False)
    run = odyssey.play(rms_failover_backup_password="short")
    for words in ("hydra: preflight", "HealthService is stopped", "SQL Server", "has 5 characters"):
        assert words in message(run), run.output


@pytest.mark.parametrize("target", ["", "nobody", "thunder"])
def test_the_server_to_promote_must_be_one_of_the_management_servers(odyssey: Player, target: str) -> None:
    run = odyssey.play(rms_failover_target=target)
    assert "Set rms_failover_target to the inventory name" in message(run), run.output


@pytest.mark.parametrize("target", ["deathsting", "hydra"])
@pytest.mark.parametrize("access", ["RESTRICTED_USER", "SINGLE_USER"])
def test_a_database_that_a_dba_closed_stays_closed_whoever_is_the_rms(
    odyssey: Player, access: str, target: str
) -> None:
    """The role is at hydra already, and what would be left to do does not justify to throw out the DBA either."""
    for host in ("hydra", "deathsting", "jupiter"):
        for service in ("OMSDK", "OMCFG", "HealthService") if access == "SINGLE_USER" else ():
            odyssey.lab.hosts[host].services.stop(service)
    server = odyssey.lab.sql["thunder"]
    until(lambda: access != "SINGLE_USER" or not server.seat("OperationsManager"))
    server.databases["OperationsManager"].user_access = access
    with server.connect("Management Studio", "OperationsManager", host="ITHACA"):
        before = odyssey.lab.dump()
        run = odyssey.play(
            rms_failover_target=target, rms_failover_confirm=target, rms_failover_report="/nowhere/failover.html"
        )
        assert not run.ended_well
        for words in (
            f"the operational database is in {access}",
            "Management Studio, on ITHACA",
            "failover.html cannot be written",
            "Nothing was changed",
        ):
            assert words in message(run), run.output
        assert odyssey.lab.dump() == before
