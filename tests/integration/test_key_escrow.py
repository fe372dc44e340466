# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A key sealed for recovery officers: each brings it back, with and without this collection, and the escrow knows who
lacks one.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from playing import PASSWORD, Player, Run
from unit.plugins.plugin_utils.officers import Officer, hire

from lab.opsmgr.installation import SETUP

PASSPHRASE = "only Ben knows this"


@pytest.fixture
def officers(tmp_path: Path) -> list[Officer]:
    return [hire(tmp_path, "anna"), hire(tmp_path, "ben", PASSPHRASE)]


def sealing(player: Player, officers: list[Officer], **options: Any) -> dict[str, Any]:
    certificates = [str(officers[0].certificate), officers[1].certificate.read_text(encoding="ascii")]
    return {"escrow": str(player.escrow), "backup_password": PASSWORD, "seal_certificates": certificates, **options}


def back_up(player: Player, officers: list[Officer], **options: Any) -> dict[str, Any]:
    for host in ("hydra", "deathsting"):
        player.task("support_tools", host, {})
    return player.task("secure_storage_backup", "hydra", sealing(player, officers, **options))


def key_on(player: Player, host: str) -> str:
    return str(player.lab.dump()["groups"]["ODYSSEY"]["key"][host])


def kept(player: Player) -> set[str]:
    return {str(path) for path in player.escrow.rglob("*") if path.is_file()}


def test_check_run_check_run(odyssey: Player, officers: list[Officer]) -> None:
    odyssey.task("support_tools", "hydra", {})
    before = odyssey.lab.dump()
    options = sealing(odyssey, officers, keep=1)
    assert odyssey.task("secure_storage_backup", "hydra", options, check=True)["changed"] is True
    assert (odyssey.lab.dump(), odyssey.escrow.exists()) == (before, False)
    first = odyssey.task("secure_storage_backup", "hydra", options)
    files = kept(odyssey)
    assert (first["changed"], files) == (True, {first["backup"]["file"], first["backup"]["manifest"]})
    assert odyssey.task("secure_storage_backup", "hydra", options, check=True)["changed"] is False
    again = odyssey.task("secure_storage_backup", "hydra", options)
    assert (again["changed"], again["backup"], kept(odyssey)) == (False, first["backup"], files)
    forced = {**options, "max_age": 0}
    assert odyssey.task("secure_storage_backup", "hydra", forced, check=True)["removed"] == [first["backup"]["file"]]
    newer = odyssey.task("secure_storage_backup", "hydra", forced)
    assert newer["removed"] == [first["backup"]["file"]]
    assert kept(odyssey) == {newer["backup"]["file"], newer["backup"]["manifest"]}


def test_an_officer_brings_the_key_back(odyssey: Player, officers: list[Officer]) -> None:
    back_up(odyssey, officers)
    refused = odyssey.task(
        "secure_storage_restore", "deathsting", {"escrow": str(odyssey.escrow), "backup_password": PASSWORD}
    )
    assert "is sealed for O=Odyssey,CN=anna; O=Odyssey,CN=ben and no private key was given" in refused["msg"]
    options = {
        "escrow": str(odyssey.escrow),
        "backup_password": PASSWORD,
        "seal_private_key": str(officers[1].private_key),
        "seal_private_key_passphrase": PASSPHRASE,
    }
    assert odyssey.task("secure_storage_restore", "deathsting", options, check=True)["changed"] is True
    assert key_on(odyssey, "deathsting") == "none"
    assert odyssey.task("secure_storage_restore", "deathsting", options)["changed"] is True
    assert key_on(odyssey, "deathsting") == "right"
    assert odyssey.task("secure_storage_restore", "deathsting", options)["changed"] is False


def test_an_officer_brings_the_key_back_without_this_collection(odyssey: Player, officers: list[Officer]) -> None:
    """As the documentation of secure_storage_backup says: openssl, and the last bytes of what it opens."""
    backup = back_up(odyssey, officers)["backup"]
    opened = subprocess.run(
        [
            "openssl",
            "cms",
            "-decrypt",
            "-inform",
            "DER",
            "-in",
            backup["file"],
            "-recip",
            str(officers[0].certificate),
            "-inkey",
            str(officers[0].private_key),
        ],
        capture_output=True,
        check=True,
    ).stdout
    manifest = json.loads(Path(backup["manifest"]).read_text(encoding="ascii"))
    header, _empty_line, key_file = opened.partition(b"\n\n")
    assert json.loads(header) == {
        name: value for name, value in manifest.items() if name not in ("file", "sealed_sha256")
    }
    tail = subprocess.run(["tail", "-c", str(manifest["size"])], input=opened, capture_output=True, check=True).stdout
    assert tail == key_file
    odyssey.lab.hosts["deathsting"].fs.write("C:\\key.bin", tail)
    assert (
        odyssey.task("secure_storage_restore", "deathsting", {"path": "C:\\key.bin", "backup_password": PASSWORD})[
            "changed"
        ]
        is True
    )
    assert key_on(odyssey, "deathsting") == "right"


def test_nothing_of_the_private_key_is_seen_anywhere(odyssey: Player, officers: list[Officer]) -> None:
    back_up(odyssey, officers)
    options = {
        "escrow": str(odyssey.escrow),
        "seal_private_key": str(officers[1].private_key),
        "seal_private_key_passphrase": PASSPHRASE,
    }
    play = {
        "hosts": "deathsting",
        "gather_facts": False,
        "tasks": [
            {"name": "Restored", "opsmgr.recovery.secure_storage_restore": {**options, "backup_password": PASSWORD}},
            {"name": "Verified", "opsmgr.recovery.key_escrow_info": options},
        ],
    }
    run = odyssey.play([play], verbosity=5)
    assert run.ended_well
    assert run.results("Verified")[0]["backups"][0]["verified"] == "opened"
    lines = officers[1].private_key.read_text(encoding="ascii").splitlines()[1:-1]
    seen = (
        run.output + json.dumps(run.events) + json.dumps(odyssey.lab.recorder.entries, ensure_ascii=False, default=str)
    )
    assert [secret for secret in (PASSPHRASE, *lines) if secret in seen] == []


def escrow_info(player: Player, **options: Any) -> tuple[Run, dict[str, Any]]:
    """As the documentation of key_escrow_info shows it."""
    looks = {
        "name": "Look",
        "opsmgr.recovery.management_server_info": {"report_unreachable": True},
        "delegate_to": "{{ item }}",
        "loop": ["hydra"],
        "register": "looked",
    }
    info = {
        "name": "Compare",
        "opsmgr.recovery.key_escrow_info": {"escrow": str(player.escrow), "servers": "{{ looked.results }}", **options},
    }
    run = player.play([{"hosts": "localhost", "gather_facts": False, "tasks": [looks, info]}])
    [result] = run.results("Compare")
    return run, result


def test_the_escrow_knows_who_lacks_a_backup(odyssey: Player, officers: list[Officer]) -> None:
    _run, before = escrow_info(odyssey)
    assert before["problems"] == [
        "hydra: verify the escrow: there is no backup of management group ODYSSEY. Make a backup with secure_storage_backup while the RMS runs."
    ]
    back_up(odyssey, officers)
    _run, good = escrow_info(odyssey, seal_private_key=str(officers[0].private_key))
    assert (good["problems"], good["servers"][0]["covered"], good["servers"][0]["backup"]["verified"]) == (
        [],
        True,
        "opened",
    )
    odyssey.lab.hosts["hydra"].registry.set(SETUP, "ServerVersion", "6.1.7221.0")
    run, upgraded = escrow_info(odyssey)
    assert run.ended_well
    assert upgraded["changed"] is False
    assert (
        "WORTHLESS after the upgrade: it was made at version 6.0.6278.0, and the server is at 6.1.7221.0 now"
        in upgraded["problems"][0]
    )
    assert "[WARNING]: hydra: verify the escrow: the newest backup" in run.output.replace("\n", " ")
