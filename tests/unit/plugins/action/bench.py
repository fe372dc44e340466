# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a real action plugin on a recorded server: only connection, templar and loader are doubles."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

from ansible.playbook.task import Task
from ansible.plugins.loader import action_loader
from unit.plugins.plugin_utils.recorded_server import RecordedServer


class Connection:
    """The part of ansible-core's winrm connection that the actions use."""

    def __init__(
        self, recorded: RecordedServer | None, error: Exception | None = None, transport: str = "winrm"
    ) -> None:
        self.transport = transport
        self.shell_id: str | None = None
        self.protocol: Any = None
        self.closed_shells: list[str | None] = []
        self._shell = SimpleNamespace(tmpdir=None)
        self._recorded = recorded
        self._error = error
        self._opened = 0

    def _connect(self) -> None:
        if self._error is not None:
            raise self._error
        assert self._recorded is not None
        self._opened += 1
        self.protocol, self.shell_id = self._recorded.protocol, f"shell-{self._opened}"

    def get_option(self, option: str) -> str:
        return {"remote_addr": "hydra.odyssey.com"}[option]

    def close(self) -> None:
        self.closed_shells.append(self.shell_id)
        self.shell_id = self.protocol = None


def run(
    name: str,
    connection: Connection,
    check_mode: bool = False,
    task_vars: dict[str, Any] | None = None,
    **arguments: Any,
) -> dict[str, Any]:
    """The result of one task; `task_vars` are values and not templates."""
    task = Task()
    task.action = f"opsmgr.recovery.{name}"
    task.args = arguments
    task.check_mode = check_mode
    action = action_loader.get(
        task.action,
        task=task,
        connection=connection,
        play_context=Mock(),
        loader=Mock(),
        templar=Mock(template=lambda value: value),
        shared_loader_obj=Mock(),
    )
    result: dict[str, Any] = action.run(task_vars={"inventory_hostname": "hydra", **(task_vars or {})})
    return result


def texts(value: object) -> list[str]:
    """Every text in a result, keys included."""
    if isinstance(value, dict):
        return [text for key, each in value.items() for text in (str(key), *texts(each))]
    if isinstance(value, (list, tuple)):
        return [text for each in value for text in texts(each)]
    return [str(value)]
