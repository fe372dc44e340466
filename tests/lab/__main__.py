# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``opsmgr-lab``, in a checkout ``python -m lab``: start a lab in the background, look at it, hurt it, stop it; or run
a drill.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_args

from .control import NotRunningError, RefusedError, request
from .faults import Action, Kind
from .inventory import INVENTORY, LAB_JSON, LOG, SERVER_LOG, WinRMAccess
from .problems import UserError, explained
from .topologies import load_topology, merge, parse_setting

PACKAGE = __package__ or "lab"
_START_SECONDS = 90.0
_STOP_SECONDS = 20.0
_POLL = 0.1
_LAST_WORDS = 15


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit code is 0, or 1 with a sentence on standard error."""
    given = sys.argv[1:] if arguments is None else arguments
    if given[:1] == ["drill"]:
        from .drill import main as drill  # it has options of its own

        return drill(given[1:])
    options = _parser().parse_args(given)
    command: Callable[[argparse.Namespace], None] = options.run
    try:
        command(options)
    except (UserError, NotRunningError, RefusedError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"{explained(error)}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="opsmgr-lab" if PACKAGE == "opsmgr_lab" else f"python -m {PACKAGE}", description=__doc__
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    for name, run, text in (
        ("up", _up, "start a lab in the background and wait until it answers"),
        ("serve", _serve, "run a lab in the foreground until it is told to stop"),
    ):
        _add_lab_options(_command(commands, name, run, text))
    commands.add_parser("drill", add_help=False, help="lose the RMS and recover: a lab, a real playbook, and the proof")
    _command(commands, "dump", _dump, "print the whole state as JSON")
    _command(commands, "log", _log, "print what the recorder saw as JSON lines")
    _command(commands, "down", _down, "stop the lab; fine when none runs")
    power = _command(commands, "power", _power, "switch a host on or off")
    power.add_argument("host")
    power.add_argument("state", choices=("on", "off"))
    carry = _command(commands, "carry", _carry, "copy a file from one host to another, as a person carries it")
    for name in ("source", "path", "target", "new_path"):
        carry.add_argument(name)
    _add_fault_options(_command(commands, "fault", _fault, "let something go wrong, or nothing any more"))
    return parser


def _command(commands: Any, name: str, run: Callable[[argparse.Namespace], None], text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    parser.add_argument(
        "--directory", type=Path, default=Path(".lab"), help="where the lab keeps its files (default: .lab)"
    )
    parser.set_defaults(run=run)
    return parser


def _add_lab_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--topology", default="odyssey", help="a name, or a path to a YAML file (default: odyssey)")
    parser.add_argument("--network", default="127.10", help="the first two numbers of all addresses (default: 127.10)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override the topology")
    parser.add_argument(
        "--scheme", choices=("http", "https"), default="http", help="what the inventory says (default: http)"
    )
    parser.add_argument("--transport", choices=("ntlm", "basic"), default="ntlm", help="likewise (default: ntlm)")


def _add_fault_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=("add", "clear"))
    parser.add_argument("--host", default="*", help="a host's name (default: all)")
    parser.add_argument("--kind", choices=get_args(Kind), default="command")
    parser.add_argument(
        "--name", default="*", help="WinRM action, program, service or statement; * and ? are wildcards"
    )
    parser.add_argument("--action", choices=get_args(Action), default="fail")
    parser.add_argument("--nth", type=int, default=1, help="begin at this match from now")
    parser.add_argument("--times", type=int, default=1, help="how often; 0 for ever")
    parser.add_argument("--seconds", type=float, default=0.0, help="how long a stall is")
    parser.add_argument("--code", type=int, help="error code, as the layer has them")
    parser.add_argument(
        "--text", default="", help="error text; of drop, reset and stall of a message: after, or either"
    )
    parser.add_argument("--fraction", type=float, default=1.0, help="hit only so many of these matches, such as 0.02")
    parser.add_argument("--seed", type=int, default=0, help="which ones these are")


def _up(options: argparse.Namespace) -> None:
    directory: Path = options.directory
    with contextlib.suppress(NotRunningError):
        running = request(directory, "ping")
        which = f"{running['topology']}, pid {running['pid']}"
        raise UserError(f"a lab ({which}) runs already in {directory}; stop it with 'down' first")
    load_topology(options.topology, _overrides(options), options.network)  # a mistake is told here, not in a log file
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    process = _start_server(options)
    _wait_for(directory, process)
    described = json.loads((directory / LAB_JSON).read_text(encoding="utf-8"))
    _wait_for_listeners(described)
    sys.stdout.write(_table(described) + f"\ninventory: {directory / INVENTORY}\n")


def _start_server(options: argparse.Namespace) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", PACKAGE, "serve", "--directory", str(options.directory.resolve())]
    for name in ("topology", "network", "scheme", "transport"):
        command += [f"--{name}", getattr(options, name)]
    command += [f"--set={setting}" for setting in options.set]
    with open(options.directory / SERVER_LOG, "wb") as log:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)


def _wait_for(directory: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(NotRunningError):
            request(directory, "ping")
            return
        if process.poll() is not None:
            break
        time.sleep(_POLL)
    process.kill()
    process.wait()
    words = (directory / SERVER_LOG).read_text(encoding="utf-8", errors="replace").splitlines()[-_LAST_WORDS:]
    if not words:
        free = shutil.disk_usage(directory).free
        words = [
            f"it ended with {process.returncode} and wrote nothing into {directory / SERVER_LOG}; {free} bytes are free there"
        ]
    raise UserError("the lab did not start:\n" + "\n".join(words))


def _wait_for_listeners(described: Mapping[str, Any]) -> None:
    answering = [host for host in described["hosts"].values() if host["powered"]]
    doors = [(host["address"], host[scheme]) for host in answering for scheme in ("http", "https")]
    doors += [(server["address"], server["port"]) for server in described["sql"].values()]
    for door in doors:
        with socket.create_connection(door, timeout=_START_SECONDS):
            pass


def _table(described: Mapping[str, Any]) -> str:
    rows = [("HOST", "ADDRESS", "ROLES")]
    rows += [(name, host["address"], ", ".join(host["roles"])) for name, host in described["hosts"].items()]
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    return "\n".join(f"{name:<{widths[0]}}  {address:<{widths[1]}}  {roles}" for name, address, roles in rows)


def _overrides(options: argparse.Namespace) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for text in options.set:
        result = merge(result, parse_setting(text))
    return result


def _serve(options: argparse.Namespace) -> None:
    from .serve import serve  # all the rest of the lab: the other commands are quicker without

    directory: Path = options.directory
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    topology = load_topology(options.topology, _overrides(options), options.network)
    try:
        serve(topology, directory, WinRMAccess(options.scheme, options.transport))
    except OSError as error:
        # SQL Server's, and those of the operating system.
        if error.errno not in (None, errno.EADDRINUSE, errno.EADDRNOTAVAIL):
            raise
        raise UserError(f"cannot open the lab's listeners: {error}; is another lab on this network?") from error


def _dump(options: argparse.Namespace) -> None:
    sys.stdout.write(
        json.dumps(request(options.directory, "dump"), indent=2, ensure_ascii=False, sort_keys=True) + "\n"
    )


def _log(options: argparse.Namespace) -> None:
    path = options.directory / LOG
    if not path.exists():
        raise UserError(f"there is no log in {options.directory}")
    with open(path, encoding="utf-8") as file, contextlib.suppress(BrokenPipeError):
        for line in file:
            sys.stdout.write(line)


def _power(options: argparse.Namespace) -> None:
    request(options.directory, "power", host=options.host, on=options.state == "on")


def _carry(options: argparse.Namespace) -> None:
    request(
        options.directory,
        "carry",
        source=options.source,
        path=options.path,
        target=options.target,
        new_path=options.new_path,
    )


def _fault(options: argparse.Namespace) -> None:
    if options.what == "clear":
        request(options.directory, "fault_clear")
        return
    names = ("host", "kind", "name", "action", "nth", "times", "seconds", "code", "text", "fraction", "seed")
    request(options.directory, "fault_add", fault={name: getattr(options, name) for name in names})


def _down(options: argparse.Namespace) -> None:
    try:
        pid = request(options.directory, "ping")["pid"]
        request(options.directory, "stop")
    except NotRunningError:
        return
    deadline = time.monotonic() + _STOP_SECONDS
    while _runs(pid):
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            raise UserError(f"the lab (pid {pid}) did not stop in time and was killed")
        time.sleep(_POLL)


def _runs(pid: int) -> bool:
    """Whether this process is still there; one that nobody has waited for yet has ended too."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


if __name__ == "__main__":
    sys.exit(main())
