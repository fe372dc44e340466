# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measured, not tested: WinRM requests, bytes and seconds of each module and of the whole failover."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from playing import PASSWORD, Player


def measured(player: Player, name: str, work: Any) -> None:
    seen = len(player.lab.recorder.entries)
    started = time.monotonic()
    work()
    seconds = time.monotonic() - started
    entries = [entry for entry in player.lab.recorder.entries[seen:] if entry["kind"] == "winrm"]
    messages = [entry for entry in entries if entry["action"] != "login"]
    kilobytes = sum(entry["bytes_in"] + entry["bytes_out"] for entry in messages) / 1024
    kinds = ", ".join(f"{count} {action}" for action, count in Counter(entry["action"] for entry in messages).items())
    print(f"{name:28} {len(messages):4} requests {kilobytes:8.1f} KiB {seconds:6.1f} s   {kinds}")


def test_each_step(odyssey: Player) -> None:
    print()
    secret = {"escrow": str(odyssey.escrow), "backup_password": PASSWORD}
    measured(odyssey, "management_server_info", lambda: odyssey.task("management_server_info", "hydra", {}))
    measured(odyssey, "support_tools", lambda: odyssey.task("support_tools", "hydra", {}))
    measured(odyssey, "secure_storage_backup", lambda: odyssey.task("secure_storage_backup", "hydra", secret))
    odyssey.task("support_tools", "deathsting", {})
    measured(odyssey, "secure_storage_restore", lambda: odyssey.task("secure_storage_restore", "deathsting", secret))
    measured(
        odyssey, "rms_promotion", lambda: odyssey.task("rms_promotion", "deathsting", {"existing_rms_clustered": False})
    )
    measured(odyssey, "rms_demotion", lambda: odyssey.task("rms_demotion", "hydra", {}))


def test_the_whole_failover(odyssey: Player) -> None:
    print()
    measured(odyssey, "rms_failover", odyssey.play)
    measured(odyssey, "rms_failover, second run", odyssey.play)
