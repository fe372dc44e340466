# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Ansible's results say to a person. Results are those that a callback gets, of any ansible-core. Private to
opsmgr.recovery.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import CONTROLLER
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.runbook.book import (
    CHANGED,
    FAILED,
    IGNORED,
    OK,
    UNREACHABLE,
)

# They work on the database, from wherever they run.
_DATABASE_ACTIONS = frozenset(
    ("database_backup", "database_restore", "management_group_info", "management_group_lock", "service_broker")
)
_DATABASE = "database"
_CONTROLLERS = ("localhost", "127.0.0.1")
# What a result says beside its message when a command or a module went wrong.
_DETAILS = ("reason", "stderr", "stdout", "module_stderr", "module_stdout")


@dataclass(frozen=True)
class Result:
    """One host's result, or that of one item of a loop."""

    task: t.Any
    host: str
    data: t.Mapping[str, t.Any]

    @classmethod
    def of(cls, result: t.Any) -> Result:
        """From what a callback gets. ansible-core before 2.19 has only the names with an underscore."""
        if hasattr(result, "task"):
            return cls(result.task, result.host.get_name(), result.result)
        return cls(result._task, result._host.get_name(), result._result)

    @property
    def action(self) -> str:
        """The task's action, without its collection."""
        return short_action(self.task)

    @property
    def place(self) -> str:
        """Where it was done: the host it was delegated to, if it was."""
        if self.action in _DATABASE_ACTIONS:
            return _DATABASE
        delegated = (self.data.get("_ansible_delegated_vars") or {}).get(
            "ansible_delegated_host"
        ) or self.task.delegate_to
        place = str(delegated or self.host)
        if delegated and place in _CONTROLLERS:
            return CONTROLLER
        return place

    @property
    def is_whole_loop(self) -> bool:
        """Whether it sums up a loop whose items were reported one by one."""
        return bool(self.task.loop) and "results" in self.data

    @property
    def outcome(self) -> str:
        """For a result that Ansible takes for a success. One that only `failed_when` made a success did not do its
        work.
        """
        if "failed_when_result" in self.data and self.data.get("msg"):
            return IGNORED
        if self.data.get("changed"):
            return CHANGED
        return OK

    @property
    def outcome_of_failed_item(self) -> str:
        """For an item that Ansible takes for a failure."""
        outcome, ignored = FAILED, self.task.ignore_errors
        if self.data.get("unreachable"):
            outcome, ignored = UNREACHABLE, self.task.ignore_unreachable
        if ignored is True:
            return IGNORED
        return outcome

    @property
    def past_point(self) -> bool | None:
        """What it says about the point of no return."""
        return self.data.get("past_point_of_no_return")

    @property
    def messages(self) -> list[str]:
        """What it says to a person, whole. A result that no_log hides says only that."""
        if "censored" in self.data:
            return [str(self.data["censored"])]
        told = _texts(self.data.get("msg"))
        for name in _DETAILS:
            told += [f"{name}: {detail}" for detail in _texts(self.data.get(name)) if detail not in told]
        return told


def short_action(task: t.Any) -> str:
    """A task's action without its collection: a user may write it either way."""
    return str(task.action).rpartition(".")[2]


def _texts(value: t.Any) -> list[str]:
    """A message, or a list of them, as texts."""
    if not isinstance(value, list):
        value = [value]
    texts = [str(each).strip() for each in value if each is not None]
    return [text for text in texts if text]
