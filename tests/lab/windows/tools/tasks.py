# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""tasklist and taskkill."""

from __future__ import annotations

import ntpath
import re
from dataclasses import dataclass

from ..process import Process
from ..services import Service

HEADERS = ("Image Name", "PID", "Session Name", "Session#", "Mem Usage")
WIDTHS = (25, 8, 16, 11, 12)
NOT_FOUND = 128
_SYSTEM = (
    ("System Idle Process", 0), ("System", 4), ("smss.exe", 268), ("csrss.exe", 320), ("wininit.exe", 356), ("winlogon.exe", 376), ("services.exe", 392),
    ("lsass.exe", 400), ("svchost.exe", 532), ("svchost.exe", 604), ("explorer.exe", 1388),
)  # fmt: skip
NOTHING_FOUND = "tasklist:finds-nothing"
"""A fault of this name: the list is empty, whatever runs, and the exit code is 0, as under load [field]."""


@dataclass
class Task:
    """A line of the list, with what stands behind it."""

    image: str
    pid: int
    service: Service | None = None
    process: Process | None = None

    def cells(self) -> tuple[str, str, str, str, str]:
        """As the table shows it."""
        return self.image, str(self.pid), "Services" if self.pid > 4 else "", "0", "4,096 K"


def image_of(binary: str) -> str:
    """The file name in a service's command line."""
    match = re.match(r'\s*(?:"([^"]+)"|(.+?\.exe)(?=\s|$)|(\S+))', binary, re.IGNORECASE)
    return ntpath.basename(next(group for group in match.groups() if group)) if match else binary


def tasks(process: Process) -> list[Task]:
    """Everything that runs: the system's own, services, the programs of all commands."""
    found = [Task(image, pid) for image, pid in _SYSTEM]
    found += [Task(image_of(one.binary), one.pid, service=one) for one in process.host.services.all() if one.pid]
    found += [Task(ntpath.basename(one.image), one.pid, process=one) for one in process.host.running()]
    return found


def _fits(task: Task, criterion: str) -> bool:
    """``/fi "imagename eq x"``: imagename, pid and services are known."""
    words = criterion.split(None, 2)
    if len(words) != 3:
        raise ValueError(criterion)
    name, operator, wanted = words[0].lower(), words[1].lower(), words[2].lower()
    actual = {
        "imagename": task.image.lower(),
        "pid": str(task.pid),
        "services": task.service.key.lower() if task.service else "",
    }
    if name not in actual or operator not in ("eq", "ne"):
        raise ValueError(criterion)
    same = actual[name].startswith(wanted[:-1]) if wanted.endswith("*") else actual[name] == wanted
    return same == (operator == "eq")


def _options(words: list[str], with_value: set[str]) -> tuple[dict[str, list[str]], set[str]]:
    values: dict[str, list[str]] = {}
    flags: set[str] = set()
    waiting = [re.sub(r"^-", "/", word) for word in words]
    while waiting:
        word = waiting.pop(0).lower()
        if word in with_value and waiting:
            values.setdefault(word, []).append(waiting.pop(0))
        else:
            flags.add(word)
    return values, flags


def tasklist(process: Process) -> int:
    """``tasklist [/fi filter] [/fo table|csv|list] [/nh] [/svc]``."""
    values, flags = _options(process.argv[1:], {"/fi", "/fo", "/m"})
    try:
        found = [task for task in tasks(process) if all(_fits(task, one) for one in values.get("/fi", []))]
    except ValueError:
        process.complain("ERROR: The search filter cannot be recognized.")
        return 1
    if not found or process.host.faults.match(process.host.name, "command", NOTHING_FOUND) is not None:
        process.say("INFO: No tasks are running which match the specified criteria.")
        return 0
    headers: tuple[str, ...] = HEADERS
    rows: list[tuple[str, ...]] = [task.cells() for task in found]
    if "/svc" in flags:
        headers = ("Image Name", "PID", "Services")
        rows = [(task.image, str(task.pid), task.service.key if task.service else "N/A") for task in found]
    layout = values.get("/fo", ["table"])[0].lower()
    header = [] if "/nh" in flags else [headers]
    if layout == "csv":
        process.say(*(",".join(f'"{cell}"' for cell in row) for row in [*header, *rows]))
    elif layout == "list":
        for row in rows:
            process.say("", *(f"{name + ':':<14}{cell}" for name, cell in zip(headers, row, strict=True)))
    else:
        ruler = [] if "/nh" in flags else [tuple("=" * width for width in WIDTHS[: len(headers)])]
        process.say("", *(_row(row) for row in [*header, *ruler, *rows]))
    return 0


def _row(row: tuple[str, ...]) -> str:
    cells = [
        cell[:width].rjust(width) if index in (1, 3, 4) and len(row) == 5 else cell[:width].ljust(width)
        for index, (cell, width) in enumerate(zip(row, WIDTHS, strict=False))
    ]
    return " ".join(cells)


def taskkill(process: Process) -> int:
    """``taskkill [/f] [/t] /im name | /pid number``: 128 when there is no such process."""
    values, _flags = _options(process.argv[1:], {"/im", "/pid", "/fi"})
    wanted = [("image", name) for name in values.get("/im", [])] + [
        ("pid", number) for number in values.get("/pid", [])
    ]
    if not wanted:
        process.complain(
            "ERROR: Invalid syntax. Neither /FI nor /PID nor /IM were specified.", 'Type "TASKKILL /?" for usage.'
        )
        return 1
    code = 0
    for kind, name in wanted:
        hits = [
            task
            for task in tasks(process)
            if name.lower() == (task.image.lower() if kind == "image" else str(task.pid))
        ]
        if not hits:
            process.complain(f'ERROR: The process "{name}" not found.')
            code = NOT_FOUND
        for task in hits:
            code = _kill(process, task, by_name=kind == "image") or code
    return code


def _kill(process: Process, task: Task, *, by_name: bool) -> int:
    label = f'The process "{task.image}" with PID {task.pid}' if by_name else f"The process with PID {task.pid}"
    if not process.session.is_admin or (task.service is None and task.process is None):
        process.complain(f"ERROR: {label} could not be terminated.", "Reason: Access is denied.")
        return 1
    if task.service is not None:
        process.host.services.fail(task.service.key)
    elif task.process is not None and task.process is not process:
        task.process.lifeline.cut()
    process.say(f"SUCCESS: {label} has been terminated.")
    return 0
