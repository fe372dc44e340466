# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the guides, and doing what they say in a directory of its own with a lab of its own.

In a guide, an indented block is what a person types on the controller. A fenced block says what it is: `bat` is typed
at a Windows server, `text` is what somebody sees, `yaml` is a file. What the lab cannot do is `bat not-in-lab` or `sql
not-in-lab`, and the guide says why.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from labs import network
from markdown_it import MarkdownIt
from playing import PASSWORD, REPOSITORY, SEAL
from winrm.protocol import Protocol

GUIDES = sorted([REPOSITORY / "README.md", REPOSITORY / "SECURITY.md", *(REPOSITORY / "docs").glob("*.md")])
COMMANDS = "sh"
TYPED = (COMMANDS, "bat", "bat not-in-lab")
TIMEOUT_SECONDS = 600


@dataclass(frozen=True)
class Block:
    """A block of code: what it is, what is in it, and where."""

    kind: str
    text: str
    line: int


@dataclass(frozen=True)
class Section:
    """What is below a heading, up to the next one."""

    name: str
    blocks: list[Block] = field(default_factory=list)

    def of(self, *kinds: str) -> list[Block]:
        return [block for block in self.blocks if block.kind in kinds]

    @property
    def asks_make_alone(self) -> bool:
        """Whether all that is typed are commands of make."""
        return {line.split()[0] for block in self.of(*TYPED) for line in block.text.splitlines()} == {"make"}


def sections(guide: Path) -> Iterator[Section]:
    """The sections of a guide; their names are like `NIGHT.md: The RMS is down`."""
    section = Section(guide.name)
    tokens = MarkdownIt().parse(guide.read_text(encoding="utf-8"))
    for before, token in pairwise(tokens):
        if before.type == "heading_open":
            yield section
            section = Section(f"{guide.name}: {token.content}")
        elif token.type in ("code_block", "fence"):
            kind = COMMANDS if token.type == "code_block" else token.info
            section.blocks.append(Block(kind, token.content, (token.map or [0])[0] + 1))
    yield section


class Desk:
    """A directory as a person has it: with a vault, and as the situation is, the checkout, the installed collection, a
    lab and its inventory.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.programs = directory / "stand-ins"
        self.put("group_vars/all.yml", VAULT)
        self.programs.mkdir()
        for name, script in STAND_INS.items():
            (self.programs / name).write_text(f"#!/bin/bash\nset -euo pipefail\n{script}\n", encoding="utf-8")
            (self.programs / name).chmod(0o755)

    def start_lab(self, topology: str) -> None:
        """Start a lab, and describe its management group in the inventory."""
        self.type(f"python -m lab up --network {network()} --topology {topology}")
        shutil.copy(self.directory / ".lab" / "inventory.yml", self.directory)
        (self.directory / ".lab" / "group_vars").symlink_to("../group_vars")

    def sit_in_checkout(self) -> None:
        """Have what the guides use of a checkout."""
        for name in (".venv", "bindep.txt", "execution-environment.yml", "playbooks", "requirements.txt", "tests"):
            (self.directory / name).symlink_to(REPOSITORY / name)

    def install(self) -> None:
        """Put the checkout where the installed collection would be."""
        place = self.directory / "collections" / "ansible_collections"
        (place / "opsmgr").mkdir(parents=True)
        (place / "opsmgr" / "recovery").symlink_to(REPOSITORY)

    def put(self, name: str, content: Any) -> None:
        """Write a file with variables."""
        (self.directory / name).parent.mkdir(exist_ok=True)
        (self.directory / name).write_text(json.dumps(content), encoding="utf-8")

    def type(self, text: str) -> str:
        """Type lines into a shell, which stops at the first that fails; what was said."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text], cwd=self.directory, env=self._environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, start_new_session=True, timeout=TIMEOUT_SECONDS, check=False, encoding="utf-8", errors="replace",
        )  # fmt: skip
        assert done.returncode == 0, f"{text}\nended with {done.returncode} and said:\n{done.stdout}"
        return done.stdout

    def type_at_server(self, server: str, line: str) -> tuple[int, str]:
        """Run a line in cmd.exe of a server; its exit code, and what it said."""
        described = json.loads((self.directory / ".lab" / "lab.json").read_text(encoding="utf-8"))
        host = described["hosts"][server]
        address = f"http://{host['address']}:{host['http']}/wsman"
        protocol = Protocol(
            address, transport="ntlm", username=host["user"], password=host["password"], ca_trust_path=described["ca"]
        )
        shell = protocol.open_shell()
        command = protocol.run_command(shell, line)
        stdout, stderr, code = protocol.get_command_output(shell, command)
        protocol.close_shell(shell)
        return code, (stdout + stderr).decode("utf-8", "replace")

    def leave(self) -> None:
        self.type("python -m lab down")

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
        return {
            **kept,
            "PATH": f"{self.programs}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(REPOSITORY / "tests"),
            "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(self.directory / "collections"),
            "ANSIBLE_NOCOLOR": "1",
            "HOME": str(self.directory),
        }


# What the guides say is in the vault, and what a person types when asked.
VAULT = {
    "rms_failover_confirm": "{{ rms_failover_target }}",
    "rms_failover_backup_password": PASSWORD,
    "rms_failover_seal_passphrase": SEAL,
    "rms_failover_stable_seconds": 2,
    "rms_key_backup_password": PASSWORD,
    "rms_key_backup_seal_passphrase": SEAL,
    "rms_recover_without_key_backup_password": PASSWORD,
    "rms_recover_without_key_seal_passphrase": SEAL,
}
# What takes too long, changes the machine or the world: a target that make has, a package that bindep.txt has, an image
# that could be built and sent.
STAND_INS = {
    "ansible-builder": 'test "$1 $2" = "build --tag"; exec .venv/bin/ansible-builder create --context context',
    "pip": 'test "$1" = install; for argument in "${@:2}"; do test "$argument" = -r || test -e "$argument"; done',
    "opsmgr-lab": 'exec python -m lab "$@"',
    "podman": 'test "$1" = push',
    "make": f'exec /usr/bin/make --dry-run --directory {REPOSITORY} "$@"',
    "apt-get": 'for package in "${@:2}"; do grep "^$package " bindep.txt; done',
}
