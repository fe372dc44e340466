# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running real playbooks against a lab, and reading their outcome."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import yaml
from prepared import ANSIBLE_PLAYBOOK, REPOSITORY, PreparedAnsible, PreparedRun
from terminal import ROWS, Terminal
from waiting import until

from lab.inventory import WinRMAccess
from lab.lab import Lab

PASSWORD = "Correct horse 8 battery"
SEAL = "a seal passphrase"
TIMEOUT_SECONDS = 300
# What Ansible has packed of each Python module, kept for the other runs of this process.
PAYLOADS = tempfile.TemporaryDirectory(prefix="opsmgr-payloads-")


def run_environment() -> dict[str, str]:
    """The environment of a run, without what is its own."""
    return {
        **{name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"},
        "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"),
        "ANSIBLE_CALLBACK_PLUGINS": str(REPOSITORY / "tests" / "integration" / "callbacks"),
        "ANSIBLE_CALLBACKS_ENABLED": "record,economy",
        "ANSIBLE_NOCOLOR": "1",
        "ECONOMY_PAYLOADS": PAYLOADS.name,
    }


USUAL_ENVIRONMENT = run_environment()
PREPARED = PreparedAnsible(USUAL_ENVIRONMENT)


@dataclass
class Run:
    """A playbook that ran: its exit code, its terminal output, and every result as data."""

    returncode: int
    output: str
    events: list[dict[str, Any]] = field(default_factory=list)

    @property
    def ended_well(self) -> bool:
        return self.returncode == 0

    @property
    def tasks(self) -> list[str]:
        """The tasks that were started, in order."""
        return [event["task"] for event in self.events if event["event"] == "task"]

    @property
    def changed(self) -> int:
        """How many results changed something, over all hosts."""
        stats = [event["hosts"] for event in self.events if event["event"] == "stats"]
        return sum(host["changed"] for hosts in stats for host in hosts.values())

    def results(self, task: str) -> list[dict[str, Any]]:
        """Results of the tasks whose name ends so, with what ansible itself keeps from callbacks: whether each failed."""
        found = [event for event in self.events if event["event"] == "result" and event["task"].endswith(task)]
        return [{**event["result"], "failed": event["status"] in ("failed", "unreachable")} for event in found]

    @property
    def failures(self) -> list[str]:
        """The messages of results that failed and were not ignored, last one last."""
        return [
            str(event["result"].get("msg"))
            for event in self.events
            if event["event"] == "result" and event["status"] == "failed"
        ]


class Player:
    """Runs ansible-playbook against one lab, with a directory of its own for escrow and records."""

    def __init__(self, lab: Lab, directory: Path) -> None:
        self.lab = lab
        self.directory = directory
        self.escrow = directory / "escrow"
        self._number = 0

    @property
    def variables(self) -> dict[str, Any]:
        """What a person gives for a failover of the book's group."""
        return {
            "rms_failover_target": "deathsting",
            "rms_failover_confirm": "deathsting",
            "rms_failover_escrow": str(self.escrow),
            "rms_failover_backup_password": PASSWORD,
            "rms_failover_seal_passphrase": SEAL,
            "rms_failover_stable_seconds": 2,
        }

    def play(
        self,
        playbook: str | Sequence[Mapping[str, Any]] = "playbooks/rms_failover.yml",
        *,
        check: bool = False,
        cut: str | None = None,
        cut_when: Callable[[], bool] | None = None,
        verbosity: int = 0,
        access: WinRMAccess | None = None,
        only: Mapping[str, Any] | None = None,
        **variables: Any,
    ) -> Run:
        """Run a playbook, a file of the collection or plays given as data; variables are added to the usual ones, or to
        `only` these.

        The whole run is killed at the task, or so many seconds later, that `cut` names, or as soon as it is so in the
        lab: `cut_when`.
        """
        folder, arguments = self.prepare(playbook, access, {**(self.variables if only is None else only), **variables})
        arguments += ["--check", "--diff"] if check else []
        arguments += ["-" + "v" * verbosity] if verbosity else []
        return self.run_ansible(folder, arguments, cut, cut_when)

    def watch(self, columns: int, *, color: bool, check: bool = False, rows: int = ROWS, **variables: Any) -> Terminal:
        """Start the failover in the runbook view, at a terminal of its own; variables are added to the usual ones."""
        _folder, arguments = self.prepare("playbooks/rms_failover.yml", None, {**self.variables, **variables})
        environment = {
            **{name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "ANSIBLE_NOCOLOR")},
            **({} if color else {"NO_COLOR": "1"}),
            "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"),
            "ANSIBLE_STDOUT_CALLBACK": "opsmgr.recovery.runbook",
            "TERM": "xterm-256color",
        }
        command = [ANSIBLE_PLAYBOOK, *arguments, *(["--check"] if check else [])]
        return Terminal(command, cwd=REPOSITORY, environment=environment, columns=columns, rows=rows)

    def prepare(
        self, playbook: str | Sequence[Mapping[str, Any]], access: WinRMAccess | None, variables: Mapping[str, Any]
    ) -> tuple[Path, list[str]]:
        """A folder for one run, with inventory and variables, and the arguments that name them."""
        self._number += 1
        folder = self.directory / f"run{self._number}"
        folder.mkdir()
        self.lab.write_files(folder, access)
        path = playbook if isinstance(playbook, str) else self._written(folder, playbook)
        (folder / "variables.json").write_text(json.dumps(variables), encoding="utf-8")
        return folder, ["-i", str(folder / "inventory.yml"), "-e", f"@{folder / 'variables.json'}", path]

    def task(
        self, module: str, host: str, options: Mapping[str, Any], *, check: bool = False, **settings: Any
    ) -> dict[str, Any]:
        """Run one module on one host and return its result."""
        play = {
            "hosts": host,
            "gather_facts": False,
            "tasks": [{"name": "The task", f"opsmgr.recovery.{module}": dict(options)}],
        }
        [result] = self.play([play], check=check, **settings).results("The task")
        return result

    @staticmethod
    def _written(folder: Path, plays: Sequence[Mapping[str, Any]]) -> str:
        path = folder / "playbook.yml"
        path.write_text(yaml.safe_dump(list(plays), allow_unicode=True, sort_keys=False), encoding="utf-8")
        return str(path)

    @staticmethod
    def run_ansible(
        folder: Path, arguments: Sequence[str], cut: str | None = None, cut_when: Callable[[], bool] | None = None
    ) -> Run:
        """Run ansible-playbook with these arguments; its records go into the folder."""
        record = folder / "record.jsonl"
        said = folder / "output"
        variables = {"RECORD_FILE": str(record), "RECORD_CUT": cut or ""}
        with said.open("wb") as output, start_ansible(arguments, variables, output.fileno()) as process:
            if cut_when is not None:
                until(lambda: process.poll() is not None or cut_when())
                kill_all(process.pid)
            try:
                process.wait(TIMEOUT_SECONDS)
            finally:
                kill_all(process.pid)
        events = (
            [json.loads(line) for line in record.read_text(encoding="utf-8").splitlines()] if record.exists() else []
        )
        return Run(process.wait(), said.read_text(encoding="utf-8", errors="replace"), events)


def start_ansible(
    arguments: Sequence[str], variables: Mapping[str, str], output: int
) -> subprocess.Popen[bytes] | PreparedRun:
    """Start ansible-playbook; as the plain command where a test has changed the environment."""
    environment = run_environment()
    if environment == USUAL_ENVIRONMENT:
        return PREPARED.start(arguments, variables, output)
    return subprocess.Popen(
        [ANSIBLE_PLAYBOOK, *arguments], cwd=REPOSITORY, env={**environment, **variables},
        stdout=output, stderr=output, stdin=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip


def kill_all(pid: int) -> None:
    """Kill a process, if it still runs, and all that it has started: Ansible's workers have sessions of their own."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for one in [*process.children(recursive=True), process]:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()


def promotions(player: Player) -> int:
    """How often the tool was told Y."""
    return sum(
        1
        for entry in player.lab.recorder.entries
        if entry["kind"] == "winrm"
        and entry["action"] == "Send"
        and str(entry.get("stdin_program")).lower().startswith("managementserverconfigtool")
        and str(entry.get("stdin")).strip() == "Y"
    )
