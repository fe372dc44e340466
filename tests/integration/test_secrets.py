# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets stand nowhere but on the standard input of the two tools: not on the wire, in output, facts, diffs or the
manifest.
"""

from __future__ import annotations

import json

import pytest
from playing import PASSWORD, SEAL, Player

TOOLS = ("securestoragebackup", "managementserverconfigtool")


def recorded_text(player: Player) -> str:
    """Everything the lab's recorder saw, except what was typed to the two tools."""
    entries = []
    for entry in player.lab.recorder.entries:
        program = str(entry.get("stdin_program") or "").lower()
        hidden = "stdin" if program.startswith(TOOLS) else None
        entries.append({name: value for name, value in entry.items() if name != hidden})
    return json.dumps(entries, ensure_ascii=False, default=str)


def typed_text(player: Player) -> str:
    """What was typed to the two tools."""
    entries = player.lab.recorder.entries
    return "".join(
        str(entry.get("stdin") or "")
        for entry in entries
        if str(entry.get("stdin_program") or "").lower().startswith(TOOLS)
    )


def secrets_of(player: Player) -> dict[str, str]:
    keys = {
        f"key of {name} as hex": player.lab.installation(name).key.hex()
        for name in ("hydra",)
        if player.lab.installation(name).key
    }
    users = {f"password on {name}": host.users[0].password for name, host in player.lab.hosts.items()}
    return {
        "backup password": PASSWORD,
        "seal passphrase": SEAL,
        "SQL password": player.lab.topology.sql.login.password,
        **keys,
        **users,
    }


def test_no_secret_is_seen_anywhere(odyssey: Player) -> None:
    page = odyssey.directory / "failover.html"
    run = odyssey.play(verbosity=5, rms_failover_report=str(page))
    assert run.ended_well
    assert PASSWORD in typed_text(odyssey), "otherwise this test looks in the wrong place"
    manifests = "".join(path.read_text(encoding="utf-8") for path in odyssey.escrow.rglob("*.json"))
    assert "ODYSSEY" in manifests
    facts = json.dumps(run.events)
    report = page.read_text(encoding="utf-8") + page.with_suffix(".json").read_text(encoding="utf-8")
    for name, secret in secrets_of(odyssey).items():
        places = {
            "the wire": recorded_text(odyssey),
            "the output": run.output,
            "the results": facts,
            "the manifest": manifests,
            "the report": report,
        }
        for place, text in places.items():
            for form in (secret, secret.upper(), json.dumps(secret)[1:-1]):
                assert form not in text, f"{name} stands in {place}"


@pytest.mark.parametrize(
    "view", ["ansible.builtin.default", pytest.param("opsmgr.recovery.runbook", marks=pytest.mark.soak)]
)
def test_no_secret_is_seen_when_it_fails(odyssey: Player, monkeypatch: pytest.MonkeyPatch, view: str) -> None:
    monkeypatch.setenv("ANSIBLE_STDOUT_CALLBACK", view)
    odyssey.lab.hosts["deathsting"].settings["text_overrides"] = {}
    run = odyssey.play(verbosity=5, rms_failover_password_prompt="never asked", rms_failover_conversation_timeout=3)
    assert not run.ended_well
    for secret in (PASSWORD, SEAL):
        assert secret not in run.output
        assert secret not in json.dumps(run.events)
        assert secret not in recorded_text(odyssey)


def test_nothing_stays_behind_on_the_servers(odyssey: Player) -> None:
    odyssey.play()
    left = [
        path
        for host in odyssey.lab.dump()["hosts"].values()
        for path in host["files"]
        if "opsmgr-recovery" in path.lower()
    ]
    assert left == []
