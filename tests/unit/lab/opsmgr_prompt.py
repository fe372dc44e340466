# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A person at the command prompt of a lab's server, for the tests of tools and services."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lab.lab import Lab
from lab.topologies import merge
from lab.windows.process import RunningCommand

QUICK: dict[str, Any] = {"defaults": {"settings": {"service_seconds": 0.02, "promote_seconds": 0.02}}}
DIRECTORY = "C:\\Program Files\\System Center Operations Manager 2007"
PASSWORD = "correct horse"


@dataclass
class Ended:
    """The outcome of a command."""

    exit_code: int
    out: str
    err: str
    chunks: list[str]


def quick_lab(topology: str = "odyssey", **overrides: Any) -> Lab:
    """A lab whose services and tools lose no time; ``overrides`` are a topology's."""
    return Lab(topology, network=own_network(), overrides=merge(QUICK, overrides))


def own_network() -> str:
    """Addresses that no test beside this one uses, whatever runs at the same time."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    return f"127.{60 + int(worker.removeprefix('gw'))}" if worker else "127.33"


def settings(**values: Any) -> dict[str, Any]:
    """An override of all hosts' settings."""
    return {"defaults": {"settings": values}}


def start(
    lab: Lab, host: str, line: str, *, cwd: str = DIRECTORY, console: bool = True, **session: bool
) -> RunningCommand:
    """Start a command as an administrator, unless ``is_admin=False``."""
    computer = lab.hosts[host]
    return computer.start_command(computer.session("ODYSSEY\\administrator", **session), line, cwd=cwd, console=console)


def run(lab: Lab, host: str, line: str, typed: str | bytes = "", **how: Any) -> Ended:
    """Run a command to its end; everything is typed ahead."""
    command = start(lab, host, line, **how)
    command.feed(typed if isinstance(typed, bytes) else typed.encode("cp437"), False)
    return finish(command)


def finish(command: RunningCommand, timeout: float = 10.0) -> Ended:
    """Wait for the end of a command."""
    out, err, chunks = b"", b"", []
    while True:
        piece = command.read(timeout)
        out, err = out + piece.stdout, err + piece.stderr
        if piece.stdout:
            chunks.append(piece.stdout.decode("cp437"))
        if piece.done:
            return Ended(piece.exit_code or 0, out.decode("cp437"), err.decode("cp437"), chunks)
        if not piece.stdout and not piece.stderr:
            command.terminate("terminate")
            raise AssertionError(f"still running after {timeout} s; printed {out!r}")


def provide_tools(lab: Lab, *hosts: str) -> None:
    """Copy the tools from the media into the install directories, as the book says."""
    for name in hosts:
        computer, spec = lab.hosts[name], lab.topology.hosts[name]
        media = spec.media.directory if spec.media else ""
        source = media if spec.media and spec.media.layout == "flat" else f"{media}\\amd64"
        for tool in ("SecureStorageBackup.exe", "ManagementServerConfigTool.exe"):
            computer.fs.write(f"{spec.install_directory}\\{tool}", computer.fs.read(f"{source}\\{tool}"))


def carry_key(lab: Lab, source: str, target: str, file: str = "C:\\key.bin") -> None:
    """Back the key up on one server, carry the file and restore it on another."""
    backup = run(lab, source, f"SecureStorageBackup Backup {file}", f"{PASSWORD}\r{PASSWORD}\r")
    if backup.exit_code:
        raise AssertionError(backup)
    lab.hosts[target].fs.write(file, lab.hosts[source].fs.read(file))
    restore = run(lab, target, f"SecureStorageBackup Restore {file}", f"{PASSWORD}\r")
    if restore.exit_code:
        raise AssertionError(restore)


def states(lab: Lab, host: str) -> dict[str, tuple[str, str]]:
    """State and start mode of the three services, once they have settled."""
    services = lab.hosts[host].services
    services.settle()
    return {key: (services[key].state, services[key].start) for key in ("HealthService", "OMSDK", "OMCFG")}


def group_of(lab: Lab) -> Mapping[str, Any]:
    """The truth about the group ODYSSEY."""
    found: Mapping[str, Any] = lab.dump()["groups"]["ODYSSEY"]
    return found
