# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running awx_setup against the stand-in of AWX."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from playing import Player, Run

from awx_stand_in import StandIn

PLAYBOOKS = tuple(f"playbooks/{name}.yml" for name in ("rms_key_backup", "rms_failover", "rms_failback", "repoint"))
ESCROW = "/srv/key_escrow"


def named(**given: Any) -> dict[str, Any]:
    """Variables of the role, by what stands behind its name."""
    return {f"awx_setup_{name}": value for name, value in given.items()}


def variables(awx: StandIn, **more: Any) -> dict[str, Any]:
    """What no run can do without, and more."""
    usual = {
        "host": awx.url,
        "oauth_token": awx.token,
        "project_url": "https://git.odyssey.com/fleet.git",
        "escrow": ESCROW,
    }
    return named(**{**usual, **more})


def unsafe(given: Any) -> Any:
    """Variables that Ansible must not take for templates."""
    if isinstance(given, dict):
        return {name: unsafe(value) for name, value in given.items()}
    return {"__ansible_unsafe": given} if isinstance(given, str) and "{{" in given else given


def play(
    folder: Path, given: dict[str, Any], *, check: bool = False, verbosity: int = 0, cut: str | None = None
) -> Run:
    """Run the playbook with these variables; each run has a folder of its own."""
    folder = folder / f"run{len(list(folder.iterdir()))}"
    folder.mkdir()
    (folder / "variables.json").write_text(json.dumps(unsafe(given)), encoding="utf-8")
    arguments = ["-i", "localhost,", "-e", f"@{folder / 'variables.json'}", "playbooks/awx_setup.yml"]
    arguments += ["--check", "--diff"] if check else []
    arguments += ["-" + "v" * verbosity] if verbosity else []
    return Player.run_ansible(folder, arguments, cut)
