# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measured, not tested: what the key backup of 200 and of 500 management groups costs the controller and the wire,
beside its peers.

All run against the same lab, one after the other, each several times in turn, because the machine may be doing other
things: the least of each counts. The lab works in this process; what is measured is the other one and its forks.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from labs import StartLab
from playing import PASSWORD, REPOSITORY, Player
from unit.plugins.plugin_utils.officers import hire

from lab.topologies.fleet import fleet
from lab.windows.process import Process

FORKS = 20
ROUNDS = 3
POWERSHELL = "C:\\Windows\\System32\\powershell.exe"


@dataclass(frozen=True)
class Cost:
    """What one run cost, for each host."""

    wall_seconds: float
    cpu_milliseconds: float
    requests: float
    kibibytes: float
    peak_mebibytes: float


def swallow(process: Process) -> int:
    """A PowerShell that takes all it is sent and reports success: only what it costs to send that is measured."""
    if not process.stdin.console:
        process.stdin.read_all_pipe()
    process.say('{"changed": false, "rc": 0}')
    return 0


class Bench:
    """Runs commands against one lab and measures them."""

    def __init__(self, player: Player, hosts: int) -> None:
        self.player = player
        self.hosts = hosts
        self.inventory = player.directory / "bench"
        player.lab.write_files(self.inventory)

    def play(self, playbook: str | list[dict[str, Any]], variables: dict[str, Any] | None = None) -> Cost:
        """Measure ansible-playbook."""
        path = self.player.directory / "playbook.yml"
        if not isinstance(playbook, str):
            path.write_text(json.dumps(playbook), encoding="utf-8")
        extra = self.player.directory / "variables.json"
        extra.write_text(json.dumps(variables or {}), encoding="utf-8")
        program = str(Path(sys.executable).with_name("ansible-playbook"))
        options = ["--forks", str(FORKS), "-i", str(self.inventory / "inventory.yml"), "-e", f"@{extra}"]
        return self._measure([program, *options, playbook if isinstance(playbook, str) else str(path)], b"")

    def plain(self) -> Cost:
        """Measure pywinrm alone."""
        accounts = {
            name: next(user for user in spec.users if user.is_admin)
            for name, spec in self.player.lab.topology.hosts.items()
            if "rms" in spec.roles
        }
        addresses = {name: self.player.lab.topology.hosts[name].address for name in accounts}
        hosts = [
            {"address": addresses[name], "user": user.name, "password": user.password}
            for name, user in accounts.items()
        ]
        directory = self.player.directory / "plain"
        directory.mkdir(exist_ok=True)
        task = json.dumps({"hosts": hosts, "password": PASSWORD, "directory": str(directory)}).encode()
        return self._measure([sys.executable, str(Path(__file__).with_name("plain_backup.py"))], task)

    def _measure(self, command: list[str], stdin: bytes) -> Cost:
        environment = {name: os.environ[name] for name in ("PATH", "HOME", "LC_ALL") if name in os.environ}
        environment |= {"ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
        seen = self.player.lab.recorder.last_seq
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        process = subprocess.Popen(
            command,
            cwd=REPOSITORY,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        with peak_memory(process.pid) as peak:
            output = process.communicate(stdin)[0]
        seconds, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
        assert process.returncode == 0, output.decode()[:3000]
        entries = [
            entry
            for entry in self.player.lab.recorder.since(seen)
            if entry["kind"] == "winrm" and entry["action"] != "login"
        ]
        size = sum(entry["bytes_in"] + entry["bytes_out"] for entry in entries)
        self.player.lab.recorder.clear()
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return Cost(seconds, 1000 * cpu / self.hosts, len(entries) / self.hosts, size / 1024 / self.hosts, peak[0])


@contextmanager
def peak_memory(pid: int) -> Iterator[list[float]]:
    """MiB that a process and all its forks have at most, shared pages counted once; looked at four times a second."""
    peak, done = [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.25):
            peak[0] = max(peak[0], _memory_of(pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()


def _memory_of(pid: int) -> float:
    total = 0
    try:
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    for process in family:
        try:
            total += process.memory_full_info().pss
        except (psutil.NoSuchProcess, psutil.AccessDenied):  # it has ended
            continue
    return total / 2**20


def on_each(*tasks: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"name": "A peer", "hosts": "opsmgr_rms", "gather_facts": False, "tasks": list(tasks)}]


@pytest.mark.parametrize("groups", [200, 500])
def test_the_fleet(start_lab: StartLab, groups: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    player = start_lab(overrides=fleet(groups))
    for host in player.lab.hosts.values():
        host.install_program(POWERSHELL, swallow, b"PowerShell")
    bench = Bench(player, groups)
    bench.play(on_each({"name": "Tools", "opsmgr.recovery.support_tools": {"tools": ["SecureStorageBackup.exe"]}}))
    officer = hire(tmp_path, "anna")
    backup = {"rms_key_backup_password": PASSWORD, "rms_key_backup_seal_certificates": [str(officer.certificate)]}
    command = {"name": "Five", "ansible.windows.win_command": "whoami"}
    costs: dict[str, list[Cost]] = {}
    for number in range(ROUNDS):
        escrow = {**backup, "rms_key_backup_escrow": str(tmp_path / f"escrow{number}")}
        costs.setdefault("one raw", []).append(bench.play(on_each({"name": "One", "ansible.builtin.raw": "ver"})))
        costs.setdefault("rms_key_backup, every key", []).append(bench.play("playbooks/rms_key_backup.yml", escrow))
        costs.setdefault("rms_key_backup, all fresh", []).append(bench.play("playbooks/rms_key_backup.yml", escrow))
        costs.setdefault("pywinrm alone, every key", []).append(bench.plain())
        assert len(list((tmp_path / f"escrow{number}").rglob("*.cms"))) == groups
    # ansible.windows sends more in one message than WinRM 2.0 takes, so for this peer alone the servers have the limits
    # of WinRM 3.0.
    monkeypatch.setattr("lab.winrm.server.MAX_ENVELOPE", 500 * 1024)
    monkeypatch.setattr("lab.winrm.server._MAX_BODY", 510 * 1024)
    costs["five win_command"] = [bench.play(on_each(*[command] * 5))]
    show(groups, {name: min(each, key=lambda cost: cost.cpu_milliseconds) for name, each in costs.items()})


def show(groups: int, costs: dict[str, Cost]) -> None:
    raw = costs["one raw"].cpu_milliseconds
    print(f"\n{groups} management groups, {FORKS} forks; each for one host, and memory for all")
    for name, cost in costs.items():
        print(
            f"{name:28} {cost.wall_seconds:6.1f} s wall  {cost.cpu_milliseconds:6.1f} ms CPU ({cost.cpu_milliseconds / raw:4.2f} raw)"
            f"  {cost.requests:5.1f} requests  {cost.kibibytes:7.1f} KiB  {cost.peak_mebibytes:6.0f} MiB"
        )
