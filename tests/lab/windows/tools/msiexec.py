# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""msiexec.exe, the client of Windows Installer: ``msiexec /i package /qn [/norestart] [/l*v log] [PROPERTY=value
...]``.

The work is done by the service ``msiserver``, whose process is called msiexec.exe, too, and stays for some minutes
after the work [field].  So a client that is killed does not end the work; with the host setting ``installer_survives:
false`` it does, because which of the two happens is not documented [assumed].  One installation at a time: a second one
gets 1618 [ms].

A package is a program of the lab: its arguments are its properties, what it says is the log, its exit code is
msiexec's. A verbose log is UTF-16 and says in the language of Windows which action ended how: ``Return value 3`` is a
failure [field].
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from .. import launch
from ..errors import Win32Error, message
from ..files import Files
from ..filesystem import File
from ..lifeline import Killed
from ..process import Process, Program
from ..streams import NullSink, Sink

SERVICE = "msiserver"
INSTALL_FAILURE = 1603
ALREADY_RUNNING = 1618
OPEN_FAILED = 1619
PACKAGE_INVALID = 1620
LOG_FAILED = 1622
INVALID_COMMAND_LINE = 1639
REBOOTS = (1641, 3010)
UTF_8 = 65001
_POLL_SECONDS = 0.05
_AN_HOUR = 3600.0
_SERVE = "/v"
_LOG = re.compile(r"[/-]l[a-z*+!]*", re.IGNORECASE)
_QUIET = re.compile(r"[/-](q[nbrf]?[+!-]*|quiet|passive)", re.IGNORECASE)
_FLAGS = ("norestart", "promptrestart", "forcerestart")
_PROPERTY = re.compile(r"[A-Z_][A-Z0-9_.]*=.*", re.DOTALL)


@dataclass
class _Request:
    package: str = ""
    log: str = ""
    quiet: bool = False
    properties: list[str] = field(default_factory=list)


class _LogSink:
    """The log file: UTF-16 with a byte order mark [field]."""

    def __init__(self, files: Files, path: str, process: Process) -> None:
        self._files, self._path, self._process = files, files.absolute(path), process
        files.write(path, b"\xff\xfe")

    def write(self, data: bytes, *, apart: bool) -> None:
        """Append to the file."""
        self._files.write(self._path, self._process.decode(data).encode("utf-16-le"), append=True)


def msiexec(process: Process) -> int:
    """The client, or with ``/V`` as its first argument the service's part of the work."""
    words = process.argv[1:]
    if words[:1] and words[0].lower() == _SERVE:
        return _serve(process, _parse(words[1:]) or _Request())
    request = _parse(words)
    if request is None:
        return INVALID_COMMAND_LINE
    while not request.quiet:  # a window that nobody sees or closes in a remote shell
        process.sleep(_AN_HOUR)
    process.host.services.start(SERVICE)
    process.host.services.settled(process.host.services[SERVICE])
    return _watch(process)


def _parse(words: list[str]) -> _Request | None:
    """None for a command line that msiexec answers with its help."""
    request, waiting = _Request(), list(words)
    while waiting:
        word = waiting.pop(0)
        if word.lower() in ("/i", "-i", "/package") and waiting:
            request.package = waiting.pop(0)
        elif _LOG.fullmatch(word) and waiting:
            request.log = waiting.pop(0)
        elif _QUIET.fullmatch(word):
            request.quiet = True
        elif _PROPERTY.fullmatch(word):
            request.properties.append(word)
        elif word[1:].lower() not in _FLAGS:
            return None
    return request if request.package else None


def _watch(process: Process) -> int:
    """Let the service do the work, in a command of its own, and wait for its end."""
    host = process.host
    work = host.start_command(
        process.session,
        f"msiexec.exe /V{process.command_line}",
        cwd=process.cwd,
        env=dict(process.env.items()),
        skip_cmd_shell=True,
    )
    try:
        while not work.wait(_POLL_SECONDS):
            process.lifeline.check()
    except Killed:
        if not host.settings.get("installer_survives", True):
            work.terminate()
        raise
    return work.output.exit_code or 0


def _serve(process: Process, request: _Request) -> int:
    if not process.host.installing.acquire(blocking=False):
        return ALREADY_RUNNING
    try:
        return _install(process, request)
    finally:
        process.host.installing.release()


def _install(process: Process, request: _Request) -> int:
    try:
        log: Sink = _LogSink(process.files, request.log, process) if request.log else NullSink()
    except Win32Error:
        return LOG_FAILED
    process.stdout = log
    # The service writes Unicode, whatever the code page of the client's console.
    process.command.codepage = UTF_8
    process.say(
        "=== Verbose logging started  Build type: SHIP UNICODE 5.00.7601.00  Calling process: C:\\Windows\\system32\\msiexec.exe ==="
    )
    process.say(
        f"MSI (c): Command Line: {' '.join(request.properties)} CURRENTDIRECTORY={process.cwd} CLIENTUILEVEL=3 CLIENTPROCESSID={process.pid}"
    )
    code = _run_package(process, request)
    process.say(*([f"MSI (s): {message(code)}"] if code not in (0, *REBOOTS) else []))
    process.say(f"MSI (c): MainEngineThread is returning {code}", "=== Verbose logging stopped ===")
    return code


def _run_package(process: Process, request: _Request) -> int:
    program = _package(process, request.package)
    if isinstance(program, int):
        return program
    package = launch.child(
        process, process.files.absolute(request.package), "", "", argv=[request.package, *request.properties]
    )
    return launch.run(package, program)


def _package(process: Process, path: str) -> Program | int:
    """The package as a program, or the error that it cannot be opened with."""
    try:
        files, local = process.files.locate(path)
        node = files.node(local)
    except Win32Error:
        return OPEN_FAILED
    program = process.host.behaviour(files.long_path(local), node) if isinstance(node, File) else None
    return program if program is not None else PACKAGE_INVALID
