# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs secure_storage_backup as often as it is told, each time in a process of its own that can be killed: one JSON
object a line in, one out.

A process that is started again each time would spend most of its time with imports.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
import time
from typing import Any
from unittest.mock import Mock

import requests
from ansible.playbook.play_context import PlayContext
from ansible.playbook.task import Task
from ansible.plugins.loader import action_loader, connection_loader, init_plugin_loader

LONGEST_SECONDS = 120.0


def run(job: dict[str, Any]) -> dict[str, Any]:
    """The result of one task, as ansible-core would have it."""
    connection = connection_loader.get("ansible.builtin.winrm", PlayContext(), "/dev/null")
    connection.set_options(var_options={"_extras": {}, **job["variables"]})
    task = Task()
    task.action, task.args = "opsmgr.recovery.secure_storage_backup", job["options"]
    doubles: dict[str, Any] = {"play_context": Mock(), "loader": Mock(), "templar": Mock(), "shared_loader_obj": Mock()}
    try:
        action = action_loader.get(task.action, task=task, connection=connection, **doubles)
        result: dict[str, Any] = action.run(task_vars={"inventory_hostname": job["host"]})
    except Exception as error:
        return {"failed": True, "raised": type(error).__name__, "msg": str(error)}
    return result


def break_something(job: dict[str, Any]) -> None:
    """What can go wrong on this side: a disk that is full at the nth attempt, an answer of a machine in between."""
    calls = 0
    if job.get("disk_full"):
        name, nth = job["disk_full"]
        real = getattr(os, name)

        def full(*arguments: Any, **options: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls >= nth:
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(*arguments, **options)

        setattr(os, name, full)
    if job.get("status"):
        status, nth = job["status"]
        send = requests.adapters.HTTPAdapter.send

        def answer(adapter: Any, request: Any, *arguments: Any, **options: Any) -> Any:
            nonlocal calls
            calls += 1
            response = send(adapter, request, *arguments, **options)
            if calls == nth:
                response.status_code = status
            return response

        requests.adapters.HTTPAdapter.send = answer  # type: ignore[method-assign]


def in_child(job: dict[str, Any]) -> dict[str, Any]:
    """Run it in a process of its own, and kill that after so many seconds if wanted."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        break_something(job)
        found = json.dumps(run(job), default=str).encode()
        with os.fdopen(write, "wb") as stream:
            stream.write(found)
        os._exit(0)
    os.close(write)
    if job.get("kill_after") is not None:
        time.sleep(job["kill_after"])
        os.kill(child, signal.SIGKILL)
    with os.fdopen(read, "rb") as stream:
        found = stream.read()
    os.waitpid(child, 0)
    return json.loads(found) if found else {"killed": True}


def main() -> None:
    init_plugin_loader()
    for line in sys.stdin:
        print(json.dumps(in_child(json.loads(line)), default=str), flush=True)


if __name__ == "__main__":
    main()
