# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs as AWX starts them: ansible-runner on a private directory that is removed afterwards, the inventory as a script,
whole or one slice of it.

Only the container is missing, because nothing here can start one.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playing import REPOSITORY, TIMEOUT_SECONDS, Player

from awx_stand_in import StandIn
from awx_stand_in.jobs import injected, start

Inputs = dict[str, dict[str, str]]
PROGRAMS = Path(sys.executable).parent
PROJECT = "- name: The project's playbook\n  ansible.builtin.import_playbook: opsmgr.recovery.{playbook}\n"


@dataclass
class Job:
    """A job that ran: its exit code, what it printed, and the events that AWX would keep."""

    returncode: int
    output: str
    events: list[dict[str, Any]] = field(repr=False)

    @property
    def stats(self) -> dict[str, dict[str, int]]:
        """Of the last event: how many hosts had which outcome."""
        [stats] = [event["event_data"] for event in self.events if event["event"] == "playbook_on_stats"]
        return {name: stats[name] for name in ("changed", "failures", "dark")}


def run_job(player: Player, playbook: str, variables: dict[str, Any], *, check: bool = False) -> Job:
    """Run a playbook of the collection as one job."""
    return _run_playbook(player.directory / f"awx_{playbook}", playbook, variables, inventory_of(player), check)


def run_template(
    player: Player, awx: StandIn, name: str, *, workflow: bool = False, each: Inputs | None = None, **answers: Any
) -> Job:
    """Run a job template as it is in AWX, with its credentials, and the inventory without accounts.

    `each` fills the seal's credential once for each host. AWX has one for all; here their variables become those of the
    hosts.
    """
    private = player.directory / f"awx_{'_'.join(re.findall('[a-z]+', name))}_{len(list(player.directory.iterdir()))}"
    meta = {"awx_job_id": 1, "awx_job_launch_type": "manual", **({"awx_workflow_job_id": 7} if workflow else {})}
    try:
        started = start(awx, name, private, answers, meta)
        inventory = inventory_of(player) if each else without_accounts(inventory_of(player))
        for host, inputs in (each or {}).items():
            inventory["_meta"]["hostvars"][host].update(injected(awx, "Operations Manager key backup", inputs, private))
        if each:
            started.arguments = [
                argument for argument in started.arguments if argument != "-e" and not argument.startswith("@")
            ]
        _prepare(private, Path(started.playbook).stem, inventory)
        (private / "env" / "passwords").write_text(json.dumps(started.answers), encoding="utf-8")
        (private / "env" / "cmdline").write_text(shlex.join(started.arguments), encoding="utf-8")
        return _run(private)
    finally:
        shutil.rmtree(private, ignore_errors=True)


def without_accounts(inventory: dict[str, Any]) -> dict[str, Any]:
    """An inventory whose accounts and passwords are AWX's credentials."""
    named = ("ansible_user", "ansible_password", "opsmgr_sql_login_user", "opsmgr_sql_login_password")
    hosts = {
        host: {name: value for name, value in has.items() if name not in named}
        for host, has in inventory["_meta"]["hostvars"].items()
    }
    return {**inventory, "_meta": {"hostvars": hosts}}


def run_sliced(player: Player, playbook: str, variables: dict[str, Any], count: int) -> list[Job]:
    """All slices of a job, two at a time."""
    inventory = inventory_of(player)

    def run(number: int) -> Job:
        return _run_playbook(
            player.directory / f"awx_{playbook}_{number}of{count}",
            playbook,
            variables,
            slice_of(inventory, number, count),
        )

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(run, range(1, count + 1)))


def inventory_of(player: Player) -> dict[str, Any]:
    """The lab's inventory as data, with the variables of groups at the groups."""
    folder = player.directory / "source"
    player.lab.write_files(folder)
    command = [str(PROGRAMS / "ansible-inventory"), "-i", str(folder / "inventory.yml"), "--list", "--export"]
    data: dict[str, Any] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return data


def slice_of(inventory: dict[str, Any], number: int, count: int) -> dict[str, Any]:
    """A slice, as AWX makes it: every `count`-th host of all hosts by name; groups stay, with their variables, without
    the other hosts.
    """
    every = sorted(
        {host for group in inventory.values() for host in group.get("hosts", [])} | set(inventory["_meta"]["hostvars"])
    )
    mine = set(every[number - 1 :: count])
    groups = {
        name: {**group, "hosts": [host for host in group.get("hosts", []) if host in mine]}
        for name, group in inventory.items()
        if name != "_meta"
    }
    return {**groups, "_meta": {"hostvars": {host: inventory["_meta"]["hostvars"].get(host, {}) for host in mine}}}


def _run_playbook(
    private: Path, playbook: str, variables: dict[str, Any], inventory: dict[str, Any], check: bool = False
) -> Job:
    """Run a job with these variables on a private directory, and remove it."""
    try:
        _prepare(private, playbook, inventory)
        extra = {**variables, "awx_job_id": 1, "tower_job_id": 1, "awx_job_launch_type": "scheduled"}
        (private / "env" / "extravars").write_text(json.dumps(extra), encoding="utf-8")
        return _run(private, *(["--cmdline=--check"] if check else []))
    finally:
        shutil.rmtree(private, ignore_errors=True)


def _run(private: Path, *more: str) -> Job:
    arguments = ["run", str(private), "--playbook", "site.yml", "--ident", "job", *more]
    done = subprocess.run(
        [str(PROGRAMS / "ansible-runner"), *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        timeout=TIMEOUT_SECONDS, check=False,
    )  # fmt: skip
    events = [
        json.loads(path.read_text(encoding="utf-8"))
        for path in (private / "artifacts" / "job" / "job_events").glob("*-*.json")
    ]
    return Job(
        done.returncode, done.stdout.decode("utf-8", "replace"), sorted(events, key=lambda event: int(event["counter"]))
    )


def _prepare(private: Path, playbook: str, inventory: dict[str, Any]) -> None:
    for folder in ("project", "inventory", "env"):
        (private / folder).mkdir(parents=True, mode=0o700, exist_ok=True)
    (private / "project" / "site.yml").write_text(PROJECT.format(playbook=playbook), encoding="utf-8")
    script = private / "inventory" / "hosts"
    script.write_text(f"#!/usr/bin/env python3\nprint({json.dumps(inventory)!r})\n", encoding="utf-8")
    script.chmod(0o700)
    environment = {
        "PATH": f"{PROGRAMS}:{os.environ['PATH']}",
        "AWX_PRIVATE_DATA_DIR": str(private),
        "ANSIBLE_COLLECTIONS_PATH": str(REPOSITORY / ".build" / "collections"),
        "ANSIBLE_FORKS": "5",
        "JOB_ID": "1",
    }
    (private / "env" / "envvars").write_text(json.dumps(environment), encoding="utf-8")
