# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-playbook, started without importing Ansible each time, which is most of a short run.

A process imports what the command imports and does nothing else. Each run is a fork of it: a process and a session of
its own, with the command line, the environment and the files that the command would have, in which the command's own
`main` begins. Ansible reads its settings when it is imported, so this serves runs with the usual environment alone.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
ANSIBLE_PLAYBOOK = str(Path(sys.executable).with_name("ansible-playbook"))
# Room for the command line of a run: the kernel shows what stands where the one of the first process stood.
ROOM = "-" * 4096
# Fields of /proc/self/stat behind the name: where the command line begins and ends [proc(5)].
ARG_START, ARG_END = 45, 46
# What every run loads, beside the command itself.
MODULES = (
    "ansible.executor.process.worker",
    "ansible.plugins.connection.local",
    "ansible.plugins.connection.psrp",
    "ansible.plugins.connection.ssh",
    "ansible.plugins.connection.winrm",
    "ansible.plugins.shell.powershell",
    "ansible.plugins.strategy.linear",
    "psutil",
)


class PreparedRun:
    """A run, to be waited for as a `subprocess.Popen` is."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lines = connection.makefile("r", encoding="ascii")
        self.pid = int(self._lines.readline())
        self.returncode: int | None = None

    def __enter__(self) -> PreparedRun:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.wait()
        self._lines.close()
        self._connection.close()

    def poll(self) -> int | None:
        """The exit code, if it has ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and return the exit code; raises subprocess.TimeoutExpired."""
        if self.returncode is None:
            if not select.select([self._connection], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(ANSIBLE_PLAYBOOK, timeout or 0)
            self.returncode = int(self._lines.readline())
        return self.returncode


class PreparedAnsible:
    """The process with the imports; started for the first run, and ended with this one."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        self._control: socket.socket | None = None

    def start(self, arguments: Sequence[str], variables: Mapping[str, str], output: int) -> PreparedRun:
        """Start a run, with variables of its own in the environment, that writes into this file."""
        if self._control is None:
            self._control = self._prepare()
        connection, other = socket.socketpair()
        with other:
            socket.send_fds(self._control, [b"!"], [other.fileno(), output])
        order = {"arguments": list(arguments), "environment": {**self._environment, **variables}}
        connection.sendall(json.dumps(order).encode() + b"\n")
        return PreparedRun(connection)

    def _prepare(self) -> socket.socket:
        control, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with other:
            subprocess.Popen(
                [sys.executable, __file__, str(other.fileno()), ROOM], cwd=REPOSITORY, env=self._environment,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, pass_fds=[other.fileno()],
            )  # fmt: skip
        return control


def wait_for_order(control: socket.socket) -> dict[str, Any]:
    """Fork for each order, and return what it asks for in the process that is to be the run."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        message, handles, _flags, _address = socket.recv_fds(control, 1, 2)
        if not message:
            sys.exit()
        if os.fork() == 0:
            break
        for handle in handles:
            os.close(handle)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    control.close()
    answers, output = socket.socket(fileno=handles[0]), handles[1]
    with answers, answers.makefile("r", encoding="utf-8") as orders:
        order: dict[str, Any] = json.loads(orders.readline())
        run = os.fork()
        if run:
            # Its parent, as the tests are of a command: it alone is told how the run ends.
            os.close(output)
            answers.sendall(f"{run}\n".encode())
            status = os.waitstatus_to_exitcode(os.waitpid(run, 0)[1])
            with contextlib.suppress(OSError):
                answers.sendall(f"{status}\n".encode())
            os._exit(0)
    os.setsid()
    for number in (1, 2):
        os.dup2(output, number)
    os.close(output)
    return order


def show_command_line(arguments: Sequence[str]) -> None:
    """Let the table of processes show these: the collection knows the forks of a run that was killed by them."""
    fields = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    start, end = int(fields[ARG_START]), int(fields[ARG_END])
    text = "".join(f"{argument}\0" for argument in arguments).encode()
    if len(text) > end - start:
        raise ValueError(f"a command line of more than {end - start} bytes")
    ctypes.memmove(start, text.ljust(end - start, b"\0"), end - start)


def main() -> None:
    """Import, wait for orders, and be the command."""
    control = socket.socket(fileno=int(sys.argv[1]))
    sys.argv[:] = [ANSIBLE_PLAYBOOK]
    sys.path[0] = str(Path(ANSIBLE_PLAYBOOK).parent)
    from ansible import constants
    from ansible.cli import playbook
    from ansible.utils.path import cleanup_tmp_file

    for name in MODULES:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    order = wait_for_order(control)
    sys.argv += order["arguments"]
    show_command_line([sys.executable, *sys.argv])
    os.environ.clear()
    os.environ.update(order["environment"])
    # Each run has a directory of its own for what it keeps, and removes that alone.
    atexit.unregister(cleanup_tmp_file)
    constants.DEFAULT_LOCAL_TMP = constants.config.get_config_value("DEFAULT_LOCAL_TMP")
    sys.exit(playbook.main())


if __name__ == "__main__":
    main()
