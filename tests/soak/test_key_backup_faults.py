# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ten thousand key backups, each through a fault by chance, and each followed by a clean one: no good backup is lost,
and nothing false is called good.

OPSMGR_SOAK_BACKUPS says how many, OPSMGR_SOAK_SEED where the chances begin. A run is repeated with the seed that the
test's name says.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from labs import network
from unit.plugins.plugin_utils.officers import Officer, hire, rsa_key

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.certificate_seal import PrivateKeyOpener
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.store import Entry, Escrow
from lab.faults import AFTER, Fault
from lab.inventory import administrator
from lab.lab import Lab
from lab.opsmgr.installation import Installation
from lab.opsmgr.key import NotABackupError, WrongPasswordError, unpack_backup

BACKUPS = int(os.environ.get("OPSMGR_SOAK_BACKUPS", "10000"))
FIRST_SEED = int(os.environ.get("OPSMGR_SOAK_SEED", "1"))
# Pairs of a faulty run and a clean one, with one lab.
PAIRS = int(os.environ.get("OPSMGR_SOAK_PAIRS", "125"))
PASSWORD = "c0rrect horse battery"
KEEP = 3
RMS = "hydra"
STALL_SECONDS = 3.0
SETTLED_SECONDS = 0.5
# Where a run puts files on the server.
OURS = ("opsmgr-recovery-", "\\opsmgr.recovery\\")


def message(random_: random.Random, action: str, text: str = "", **more: Any) -> dict[str, Any]:
    return {"fault": Fault(RMS, "message", "*", action, nth=random_.randint(1, 12), text=text, **more)}  # type: ignore[arg-type]


def command(random_: random.Random, action: str, **more: Any) -> dict[str, Any]:
    name = random_.choice(["SecureStorageBackup", "certutil", "reg", "SecureStorageBackup"])
    return {"fault": Fault(RMS, "command", name, action, nth=random_.randint(1, 3), **more)}  # type: ignore[arg-type]


FAULTS: dict[str, Callable[[random.Random], dict[str, Any]]] = {
    "dropped": lambda chance: message(chance, "drop"),
    "dropped after delivery": lambda chance: message(chance, "drop", AFTER),
    "reset": lambda chance: message(chance, "reset"),
    "reset after delivery": lambda chance: message(chance, "reset", AFTER),
    "stalled": lambda chance: message(chance, "stall", seconds=STALL_SECONDS),
    "truncated": lambda chance: message(chance, "truncate"),
    "corrupted": lambda chance: message(chance, "corrupt", seed=chance.randrange(10**6)),
    "500": lambda chance: message(chance, "fail", code=chance.choice([5, 2150858843, 2150859174, 2147943418])),
    "502 or 503": lambda chance: {"status": [chance.choice([502, 503]), chance.randint(1, 16)]},
    "tool crashed": lambda chance: command(chance, "drop"),
    "tool failed, as with a full disk": lambda chance: command(
        chance, "fail", code=112, text="There is not enough space on the disk."
    ),
    "full disk here": lambda chance: {
        "disk_full": [chance.choice(["fsync", "link", "open", "fchmod"]), chance.randint(1, 8)]
    },
    "killed": lambda chance: {"kill_after": chance.uniform(0.0, 0.5)},
}


@dataclass
class Course:
    """What happened with one seed."""

    faults: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    orphans: int = 0


class Bench:
    """One lab, one escrow, and a process that makes backups."""

    def __init__(self, lab: Lab, directory: Path, seed: int) -> None:
        self.lab = lab
        self.chance = random.Random(seed)
        self.opened: dict[tuple[str, int], bool] = {}
        self.officer: Officer = hire(directory, "anna")
        self.escrow = Escrow(str(directory / "escrow"))
        self.host = lab.topology.hosts[RMS]
        tool = "SecureStorageBackup.exe"
        lab.hosts[RMS].fs.copy(f"D:\\SupportTools\\amd64\\{tool}", f"{self.host.install_directory}\\{tool}")
        command = [sys.executable, str(Path(__file__).with_name("backup_worker.py"))]
        self.worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def back_up(self, max_age: float, **fault: Any) -> dict[str, Any]:
        user = administrator(self.host)
        options = {
            "escrow": self.escrow.directory,
            "backup_password": PASSWORD,
            "seal_certificates": [str(self.officer.certificate)],
        }
        options |= {"keep": KEEP, "max_age": max_age, "management_group": "ODYSSEY", "conversation_timeout": 5}
        variables = {
            "host": self.host.address,
            "port": 5985,
            "user": user.name,
            "password": user.password,
            "winrm_transport": ["ntlm"],
        }
        extras = {"ansible_winrm_operation_timeout_sec": 1, "ansible_winrm_read_timeout_sec": 2}
        named = {
            "_extras": extras,
            "ansible_winrm_scheme": "http",
            **{f"ansible_{name}": value for name, value in variables.items()},
        }
        job = {"host": RMS, "options": options, "variables": named, **fault}
        assert self.worker.stdin is not None
        assert self.worker.stdout is not None
        self.worker.stdin.write(json.dumps(job) + "\n")
        self.worker.stdin.flush()
        found: dict[str, Any] = json.loads(self.worker.stdout.readline())
        if os.environ.get("OPSMGR_SOAK_TIMES"):
            print(found.get("elapsed_seconds"), str(found.get("msg"))[:150], fault, file=sys.stderr)
        return found

    def good(self) -> list[Entry]:
        """The backups in the escrow that would bring the key back, newest first."""
        return [entry for entry in self.escrow.entries("ODYSSEY").entries if self.restores(entry)]

    def restores(self, entry: Entry) -> bool:
        state = (entry.path, os.stat(entry.path).st_mtime_ns)
        if state not in self.opened:
            self.opened[state] = self._opens(entry)
        return self.opened[state]

    def _opens(self, entry: Entry) -> bool:
        try:
            content = self.escrow.open(entry, PrivateKeyOpener(rsa_key("anna"), entry.recipients))
            return unpack_backup(content, PASSWORD).key == Installation(self.lab.hosts[RMS]).key
        except (OpsmgrError, NotABackupError, WrongPasswordError):
            return False

    def left_on_server(self) -> list[str]:
        # The directory for administrators stays, and is empty.
        files = [path.rstrip("\\").lower() for path in self.lab.hosts[RMS].fs.dump()]
        return [path for path in files if any(part in path for part in OURS)]


@pytest.fixture
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    with Lab("odyssey", network=network()) as lab:
        made = Bench(lab, tmp_path, request.node.callspec.params["seed"])
        yield made
        made.worker.kill()
        made.worker.wait()


@pytest.mark.parametrize("seed", range(FIRST_SEED, FIRST_SEED + max(1, BACKUPS // (2 * PAIRS))))
def test_key_backups_through_faults(bench: Bench, seed: int, record_property: Callable[[str, object], None]) -> None:
    course = Course()
    for number in range(PAIRS):
        suffer(bench, course, f"seed {seed}, pair {number}")
    told = f"{2 * PAIRS} backups, faults {dict(course.faults)}, outcomes {dict(course.outcomes)}, shells left to the server's idle time {course.orphans}"
    record_property("counts", told)
    assert course.broken == []


def suffer(bench: Bench, course: Course, where: str) -> None:
    """One backup through a fault and one without, and what must hold after each."""
    kind = bench.chance.choice(list(FAULTS))
    planned = FAULTS[kind](bench.chance)
    course.faults[kind] += 1
    if "fault" in planned:
        bench.lab.faults.add(planned.pop("fault"))
    faulty = attempt(bench, course, f"{where}, {kind}", bench.chance.choice([0.0, 24.0]), planned)
    bench.lab.faults.clear()
    course.outcomes["killed" if "killed" in faulty else "failed" if faulty.get("failed") else "ok"] += 1
    begun = time.monotonic()
    clean = attempt(bench, course, f"{where}, clean after {kind}", bench.chance.choice([0.0, 24.0]), {})
    if clean.get("failed") or "killed" in clean:
        course.broken.append(f"{where}: the clean run after {kind} failed: {clean.get('msg')}")
    left = bench.left_on_server()
    if left:
        course.broken.append(f"{where}: left after {kind}: {left}")
    if kind == "stalled":
        # What stalled is done late, when nobody waits for it any more: the shell of such a Create is not the next run's.
        time.sleep(max(0.0, begun + STALL_SECONDS + SETTLED_SECONDS - time.monotonic()))
    settle_shells(bench, course, f"{where}, {kind}", orphans=kind in ("killed", *LOSES_IDS))


# Faults that can take the answer which holds the id of a new shell: nobody but the server knows that shell then.
LOSES_IDS = ("dropped after delivery", "reset after delivery", "stalled", "truncated", "corrupted", "502 or 503")


def attempt(bench: Bench, course: Course, where: str, max_age: float, planned: dict[str, Any]) -> dict[str, Any]:
    before = bench.good()
    result = bench.back_up(max_age, **planned)
    after = bench.good()
    kept = {entry.path for entry in after}
    newer = [entry for entry in after if not before or entry.taken_at >= before[0].taken_at]
    if before and (not newer or len(after) < min(KEEP, len(before))):
        course.broken.append(
            f"{where}: a good backup was lost: {[entry.path for entry in before]} became {sorted(kept)}: {result}"
        )
    if not result.get("failed") and "killed" not in result and result["backup"]["file"] not in kept:
        course.broken.append(f"{where}: called good and is not: {result}")
    if result.get("failed") and (
        "Traceback" in str(result.get("msg")) or result.get("raised") not in (None, "AnsibleConnectionFailure")
    ):
        course.broken.append(f"{where}: not one sentence: {result}")
    return result


def settle_shells(bench: Bench, course: Course, where: str, *, orphans: bool) -> None:
    shells = bench.lab.shells(RMS)
    if len(shells) and not orphans:
        course.broken.append(f"{where}: {len(shells)} shell(s) left")
    course.orphans += len(shells)
    shells.close_all()
