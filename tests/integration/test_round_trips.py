# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Round trips are the cost: how many WinRM requests and bytes a task may take."""

from __future__ import annotations

from typing import Any

from playing import PASSWORD, Player

MAXIMUM_REQUESTS = 16
MAXIMUM_BYTES = 64 * 1024
# Of the book's group. How often a server is asked for output depends on how busy it is, so Receive is not counted here;
# in a quiet moment there are 210 and 34 requests with it.
FAILOVER_REQUESTS = 132
SECOND_RUN_REQUESTS = 24


def sent(player: Player, seen: int) -> list[dict[str, Any]]:
    """The WinRM messages since then, without the logon."""
    entries = player.lab.recorder.entries[seen:]
    return [entry for entry in entries if entry["kind"] == "winrm" and entry["action"] != "login"]


def test_one_backup_with_the_tools_in_place(odyssey: Player) -> None:
    odyssey.task("support_tools", "hydra", {})
    seen = len(odyssey.lab.recorder.entries)
    odyssey.task("secure_storage_backup", "hydra", {"escrow": str(odyssey.escrow), "backup_password": PASSWORD})
    messages = sent(odyssey, seen)
    assert len(messages) <= MAXIMUM_REQUESTS, [entry["action"] for entry in messages]
    assert sum(entry["bytes_in"] + entry["bytes_out"] for entry in messages) <= MAXIMUM_BYTES
    assert [entry["action"] for entry in messages].count("Create") == 1


def test_a_whole_failover_and_its_second_run(odyssey: Player) -> None:
    for most in (FAILOVER_REQUESTS, SECOND_RUN_REQUESTS):
        seen = len(odyssey.lab.recorder.entries)
        odyssey.play()
        actions = [entry["action"] for entry in sent(odyssey, seen) if entry["action"] != "Receive"]
        assert len(actions) <= most, actions
