# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action around the modules that talk to SQL Server: they run on the controller, and their password is never in a
file.

Private to opsmgr.recovery. A play of this collection is about Windows servers, which cannot run a module in Python. So
a module runs on the controller, with the Python that runs Ansible, unless the task has delegate_to.

ansible-core writes a module with its arguments into a file where it runs, unless it pipelines, which it does only when
asked, and not with ANSIBLE_KEEP_REMOTE_FILES. These modules are always given to Python's standard input.
"""

from __future__ import annotations

import sys
import typing as t

from ansible.playbook.play_context import PlayContext
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import connection_loader
from ansible.utils.vars import merge_hash

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import CONTROLLER, OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.module_utils.option_values import require_any_usable
from ansible_collections.opsmgr.recovery.plugins.module_utils.server_text import harmless_values

STEP = "read the options"
INTERPRETER = "ansible_python_interpreter"
LOCAL = "local"
NO_FILE = "without a file that would hold the password"


class SqlAction(ActionBase):
    """Runs the module of the same name: on the controller, or where delegate_to says."""

    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Refuse what no text can hold, and run the module."""
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        del tmp
        variables = dict(task_vars or {})
        arguments = self.arguments(variables)
        try:
            require_any_usable(arguments, STEP)
            if not self._task.delegate_to:
                variables = self._move_to_controller(variables)
            self._require_python()
            wrap_async = bool(self._task.async_val) and not self._connection.has_native_async
            self._require_no_file(wrap_async)
        except OpsmgrError as error:
            return {**result, "failed": True, "changed": False, "msg": error.sentence(CONTROLLER)}
        result = merge_hash(
            result, self._execute_module(module_args=arguments, task_vars=variables, wrap_async=wrap_async)
        )
        if not wrap_async:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return dict(harmless_values(result))

    def arguments(self, task_vars: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """The options that the module gets: those of the task."""
        return dict(self._task.args)

    def _move_to_controller(self, variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """Work on the controller from now on; the variables with the Python that runs Ansible. A host that is the
        controller keeps its connection and the Python that it names.

        :raises OpsmgrError: the task has async: ansible-core would look for its job on the host
        """
        if self._connection.transport == LOCAL:
            return {INTERPRETER: sys.executable, **variables}
        if self._task.async_val:
            raise OpsmgrError(
                STEP,
                "a task with async must say where it runs",
                "Add delegate_to: localhost to the task, or leave out async",
            )
        # Of its own: the task's names the shell and the user of its host.
        self._connection: t.Any = connection_loader.get(f"ansible.builtin.{LOCAL}", PlayContext())
        return {**variables, INTERPRETER: sys.executable}

    def _require_python(self) -> None:
        """:raises OpsmgrError: the task is delegated to a Windows server"""
        if getattr(self._connection._shell, "_IS_WINDOWS", False):
            found = f"delegate_to names {self._task.delegate_to}, a Windows server, which cannot run a module in Python"
            raise OpsmgrError(STEP, found, "Leave out delegate_to, so that the module runs on the controller")

    def _require_no_file(self, wrap_async: bool) -> None:
        """A password that cannot reach the module otherwise does not go at all.

        :raises OpsmgrError: there is one, and it would
        """
        if not self._task.args.get("login_password") or self._is_pipelining_enabled("new", wrap_async):
            return
        if wrap_async:
            found, advice = (
                f"a task with async cannot run {NO_FILE}",
                "Leave out async: the option progress_file shows how far a long task is",
            )
        else:
            found = f"the connection plugin {self._connection.transport} cannot run a module {NO_FILE}"
            advice = "Leave out delegate_to, so that the module runs on the controller, or leave out become_method su"
        raise OpsmgrError(STEP, found, advice)

    def _is_pipelining_enabled(self, module_style: str, wrap_async: bool = False) -> bool:
        """Always, where the connection can: whatever the configuration says, also when files are to be kept."""
        become = self._connection.become
        # A become plugin that needs a terminal cannot be given a module on standard input.
        possible = self._connection.has_pipelining and (
            become is None or getattr(become, "pipelining", become.name != "su")
        )
        return bool(possible and module_style == "new" and not wrap_async)
