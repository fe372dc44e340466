# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m lab.drill``: start a lab, run the real playbook against it, and look at the lab itself for the proof."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
# Beside the lab that a person may have started with `make lab`, so that both can run at once.
DIRECTORY = REPOSITORY / ".lab" / "drill"
NETWORK = "127.11"
GROUP = "ODYSSEY"
OLD_RMS = "hydra"
NEW_RMS = "deathsting"
SERVICES = ("HealthService", "OMSDK", "OMCFG")
Dump = Mapping[str, Any]


def main(arguments: list[str] | None = None) -> int:
    """Run a drill; 0 when the lab itself proves that the role moved and the key survived."""
    options = _parser().parse_args(arguments)
    shutil.rmtree(DIRECTORY, ignore_errors=True)
    _lab("up", "--topology", "odyssey", "--network", NETWORK)
    try:
        before = _dump()
        seconds, played = _play(options.mode)
        after = _dump()
    finally:
        _lab("down")
    say = sys.stdout.write
    say(table(before, after))
    failures = ([] if played else ["the playbook failed"]) + unproven(after)
    for failure in failures:
        say(f"NOT PROVEN: {failure}\n")
    say(f"\nThe drill ({options.mode}) {'FAILED' if failures else 'ended well'}: the playbook took {seconds:.0f} s.\n")
    return 1 if failures else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab.drill", description=__doc__)
    parser.add_argument("--mode", choices=("planned", "disaster"), default="planned", help="whether the old RMS still answers")
    return parser


def _lab(*arguments: str) -> str:
    command = [sys.executable, "-m", "lab", arguments[0], "--directory", str(DIRECTORY), *arguments[1:]]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def _dump() -> Dump:
    dumped: Dump = json.loads(_lab("dump"))
    return dumped


def _play(mode: str) -> tuple[float, bool]:
    """Run the drill's playbook; how long it took and whether it ended well."""
    variables = DIRECTORY / "drill.json"
    # In a file that only its owner can read: an argument stands in every process listing.
    with open(os.open(variables, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump(_variables(mode), file)
    command = ["ansible-playbook", "-i", str(DIRECTORY / "inventory.yml"), "-e", f"@{variables}", "playbooks/drill.yml"]
    sys.stdout.flush()
    started = time.monotonic()
    # The playbook's own calls of the lab run in another directory.
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "tests")}
    played = subprocess.run(command, cwd=REPOSITORY, env=environment, check=False).returncode == 0
    return time.monotonic() - started, played


def _variables(mode: str) -> dict[str, str]:
    return {
        "drill_lab_directory": str(DIRECTORY),
        "rms_failover_mode": mode,
        "rms_failover_target": NEW_RMS,
        "rms_failover_escrow": str(DIRECTORY / "escrow"),
        "rms_failover_backup_password": secrets.token_urlsafe(15),
        "rms_failover_seal_passphrase": secrets.token_urlsafe(15),
    }


def unproven(after: Dump) -> list[str]:
    """What the lab's state does not prove, in words; empty when everything is proven."""
    group = after["groups"][GROUP]
    secrets_readable = group["run_as"].get(NEW_RMS, {})
    claims = {
        f"the database names {NEW_RMS} as RMS": short(group["rms"]) == NEW_RMS,
        f"only the registry of {NEW_RMS} calls it the RMS": [name for name, rms in group["roles"].items() if rms == "rms"] == [NEW_RMS],
        f"{NEW_RMS} has the group's key": group["key"][NEW_RMS] == "right",
        f"every Run As secret can be decrypted on {NEW_RMS}": bool(secrets_readable) and all(secrets_readable.values()),
        f"the three services run on {NEW_RMS}": _services(after, NEW_RMS) == ["running"] * 3,
        f"{OLD_RMS} runs only its Health Service": _services(after, OLD_RMS) == ["running", "stopped", "stopped"],
    }
    return [claim for claim, true in claims.items() if not true]


def short(name: str | None) -> str:
    """A server's name without its domain, lower case."""
    return (name or "").split(".")[0].lower()


def _services(dump: Dump, host: str) -> list[str]:
    return [dump["hosts"][host]["services"][name]["state"] for name in SERVICES]


def table(before: Dump, after: Dump) -> str:
    """Both servers before and after, side by side."""
    rows: list[tuple[str, ...]] = [("", OLD_RMS + " before", OLD_RMS + " after", NEW_RMS + " before", NEW_RMS + " after")]
    cells = [_cells(dump, host) for host in (OLD_RMS, NEW_RMS) for dump in (before, after)]
    rows += [(name, *(cell[name] for cell in cells)) for name in cells[0]]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n" + "\n".join(lines) + "\n\n"


def _cells(dump: Dump, host: str) -> dict[str, str]:
    group = dump["groups"][GROUP]
    readable = group["run_as"].get(host, {})
    return {
        "role by database": "RMS" if short(group["rms"]) == host else "management server",
        "role by registry": "RMS" if group["roles"][host] == "rms" else "management server",
        "key": group["key"][host],
        "Run As secrets read": f"{sum(readable.values())} of {len(readable)}",
        **{name: dump["hosts"][host]["services"][name]["state"] for name in SERVICES},
    }


if __name__ == "__main__":
    sys.exit(main())
