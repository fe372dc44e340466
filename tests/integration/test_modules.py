# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each Windows-side module: checked, run, checked again and run again, with an independent look at the lab after each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playing import PASSWORD, SEAL, Player

from lab.faults import Fault

SECRETS = {"backup_password": PASSWORD, "seal_passphrase": SEAL}


def escrow(player: Player) -> dict[str, Any]:
    return {"escrow": str(player.escrow), **SECRETS}


def nothing(player: Player) -> None:
    pass


def tools(player: Player) -> None:
    for host in ("hydra", "deathsting"):
        player.task("support_tools", host, {})


def backup(player: Player) -> None:
    tools(player)
    player.task("secure_storage_backup", "hydra", escrow(player))


def key_restored(player: Player) -> None:
    backup(player)
    player.task("secure_storage_restore", "deathsting", escrow(player))


def promoted(player: Player) -> None:
    key_restored(player)
    player.task("rms_promotion", "deathsting", {"existing_rms_clustered": False})


def state(player: Player, host: str, service: str) -> str:
    return str(player.lab.dump()["hosts"][host]["services"][service]["state"])


CASES: dict[
    str, tuple[Callable[[Player], None], str, Callable[[Player], dict[str, Any]], Callable[[Player], Any], Any]
] = {
    # module: what must be there first, host, options, a look at the lab, what is seen there afterwards
    "support_tools": (
        nothing,
        "hydra",
        lambda player: {},
        lambda player: player.lab.hosts["hydra"].fs.exists(
            "C:\\Program Files\\System Center Operations Manager 2007\\SecureStorageBackup.exe"
        ),
        True,
    ),
    "secure_storage_backup": (tools, "hydra", escrow, lambda player: len(list(player.escrow.rglob("*.vault"))), 1),
    "secure_storage_restore": (
        backup,
        "deathsting",
        escrow,
        lambda player: player.lab.dump()["groups"]["ODYSSEY"]["key"]["deathsting"],
        "right",
    ),
    "rms_promotion": (
        key_restored,
        "deathsting",
        lambda player: {"existing_rms_clustered": False},
        lambda player: player.lab.dump()["groups"]["ODYSSEY"]["roles"]["deathsting"],
        "rms",
    ),
    "rms_demotion": (
        promoted,
        "hydra",
        lambda player: {},
        lambda player: player.lab.dump()["groups"]["ODYSSEY"]["roles"]["hydra"],
        "management_server",
    ),
    "management_services": (
        nothing,
        "hydra",
        lambda player: {"sdk_service": "disabled", "config_service": "stopped"},
        lambda player: state(player, "hydra", "OMSDK"),
        "stopped",
    ),
}


@pytest.mark.parametrize("module", CASES)
def test_check_run_check_run(odyssey: Player, module: str) -> None:
    prepare, host, options, look, seen = CASES[module]
    prepare(odyssey)
    odyssey.lab.settle()
    before = odyssey.lab.dump()
    assert odyssey.task(module, host, options(odyssey), check=True)["changed"] is True
    assert odyssey.lab.dump() == before
    assert odyssey.task(module, host, options(odyssey))["changed"] is True
    assert look(odyssey) == seen
    odyssey.lab.settle()
    after = odyssey.lab.dump()
    assert odyssey.task(module, host, options(odyssey), check=True)["changed"] is False
    assert odyssey.task(module, host, options(odyssey))["changed"] is False
    assert odyssey.lab.dump() == after


def test_management_server_info_tells_what_the_lab_knows(odyssey: Player) -> None:
    result = odyssey.task("management_server_info", "hydra", {})
    server = result["server"]
    assert (server["computer_name"], server["management_group"], server["is_rms"], server["product"]) == (
        "HYDRA",
        "ODYSSEY",
        True,
        "2007 SP1",
    )
    assert server["services"]["OMSDK"] == {"state": "running", "start_mode": "auto"}
    assert server["key"]["present"] is True
    assert server["key"]["fingerprint"].startswith("sha256:")
    assert result["changed"] is False


def test_the_fingerprint_tells_keys_apart(odyssey: Player) -> None:
    backup(odyssey)
    of_rms = odyssey.task("management_server_info", "hydra", {})["server"]["key"]
    before = odyssey.task("management_server_info", "deathsting", {})["server"]["key"]
    odyssey.task("secure_storage_restore", "deathsting", escrow(odyssey))
    after = odyssey.task("management_server_info", "deathsting", {})["server"]["key"]
    assert before == {"present": False, "fingerprint": None}
    assert after == of_rms


def test_a_key_can_be_restored_from_a_file_on_the_server_but_not_from_a_share(odyssey: Player) -> None:
    tools(odyssey)
    odyssey.task("secure_storage_backup", "hydra", {"escrow": str(odyssey.escrow), "backup_password": PASSWORD})
    [key_file] = odyssey.escrow.rglob("*.key")
    odyssey.lab.hosts["deathsting"].fs.write("C:\\keys & more.bin", key_file.read_bytes())
    odyssey.lab.hosts["hydra"].fs.mkdir("C:\\shared")
    odyssey.lab.hosts["hydra"].fs.write("C:\\shared\\key.bin", key_file.read_bytes())
    odyssey.lab.hosts["hydra"].fs.shares["keys"] = "C:\\shared"
    refused = odyssey.task(
        "secure_storage_restore", "deathsting", {"path": "\\\\hydra\\keys\\key.bin", "backup_password": PASSWORD}
    )
    assert "a WinRM logon cannot reach a file share on another machine" in refused["msg"]
    arguments = {"path": "C:\\keys & more.bin", "backup_password": PASSWORD}
    assert odyssey.task("secure_storage_restore", "deathsting", arguments)["changed"] is True
    assert odyssey.task("secure_storage_restore", "deathsting", arguments)["changed"] is False
    assert odyssey.lab.dump()["groups"]["ODYSSEY"]["key"]["deathsting"] == "right"


def test_true_against_a_clustered_rms_is_refused_by_the_module_itself(odyssey: Player) -> None:
    result = odyssey.task("rms_promotion", "deathsting", {"delete_existing_rms": True, "existing_rms_clustered": True})
    assert result["failed"]
    assert "cannot be created again later" in result["msg"]


def test_temporary_files_are_removed_even_when_the_backup_fails(odyssey: Player) -> None:
    tools(odyssey)
    before = odyssey.lab.dump()
    options = {**escrow(odyssey), "confirmation_prompt": "never asked", "conversation_timeout": 3}
    assert odyssey.task("secure_storage_backup", "hydra", options)["failed"]
    assert odyssey.lab.dump() == before
    assert list(odyssey.escrow.rglob("*")) == []


def test_an_account_that_is_locked_in_the_middle_is_the_cause_and_is_tried_once_more(odyssey: Player) -> None:
    odyssey.lab.faults.add(Fault("hydra", "message", "Receive", "fail", code=401))
    odyssey.lab.faults.add(Fault("hydra", "message", "login", "fail", nth=2, times=0))
    seen = len(odyssey.lab.recorder.entries)
    failed = odyssey.task("management_server_info", "hydra", {})
    assert failed["failed"]
    assert "the account is locked" in failed["msg"]
    opened = [entry for entry in odyssey.lab.recorder.entries[seen:] if entry.get("action") == "Create"]
    assert len(opened) == 1, "the shell of the one logon that worked"
