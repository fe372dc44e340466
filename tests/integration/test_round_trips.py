# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Round trips are the cost: how many WinRM requests and bytes a task may take."""

from __future__ import annotations

from playing import PASSWORD, Player

MAXIMUM_REQUESTS = 16
MAXIMUM_BYTES = 64 * 1024


def test_one_backup_with_the_tools_in_place(odyssey: Player) -> None:
    odyssey.task("support_tools", "hydra", {})
    seen = len(odyssey.lab.recorder.entries)
    odyssey.task("secure_storage_backup", "hydra", {"escrow": str(odyssey.escrow), "backup_password": PASSWORD})
    messages = [
        entry
        for entry in odyssey.lab.recorder.entries[seen:]
        if entry["kind"] == "winrm" and entry["action"] != "login"
    ]
    assert len(messages) <= MAXIMUM_REQUESTS, [entry["action"] for entry in messages]
    assert sum(entry["bytes_in"] + entry["bytes_out"] for entry in messages) <= MAXIMUM_BYTES
    assert [entry["action"] for entry in messages].count("Create") == 1
