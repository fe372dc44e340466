# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""management_group_lock: says who holds the lock, which is this run of Ansible and not the module's process, and runs
the module.
"""

from __future__ import annotations

import getpass
import multiprocessing
import os
import socket
import typing as t
from dataclasses import asdict

from ansible_collections.opsmgr.recovery.plugins.module_utils.processes import describe_process
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.actions.sql import SqlAction


class ActionModule(SqlAction):
    def arguments(self, task_vars: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """The options of the task, and who holds the lock."""
        return {"holder": holder(task_vars), **self._task.args}

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Run the module with its option O(holder) set."""
        result = super().run(tmp, task_vars)
        if result.get("taken_over_from"):
            # Shown in colour even where nobody looks at the result.
            result.setdefault("warnings", []).append(result["taken_over_from"])
        return result


def holder(task_vars: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Who runs this: the user and the controller, by AWX where it says so, and the process that all tasks of the run
    have in common.
    """
    job = _awx(task_vars, "job_id")
    controller = socket.gethostname()
    if job:
        controller += f" (AWX job {job})"
    process = describe_process(_pid())
    return {
        "user": _awx(task_vars, "user_name") or _user(),
        "controller": controller,
        "process": process and asdict(process),
    }


def _pid() -> int:
    """The process of ansible-playbook, which forks one for each task."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return os.getpid()
    return parent.pid or os.getpid()


def _awx(task_vars: t.Mapping[str, t.Any], name: str) -> str:
    return str(task_vars.get(f"awx_{name}") or task_vars.get(f"tower_{name}") or "")


def _user() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):
        # A container whose user has no name.
        user = f"user {os.getuid()}"
    behind = os.environ.get("SUDO_USER")
    if behind and behind != user:
        user += f" (sudo by {behind})"
    return user
