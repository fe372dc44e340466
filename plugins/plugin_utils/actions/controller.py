# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The base class of the action plugins that work on the controller alone, on what other tasks saw and on the escrow.
They change nothing.

Private to opsmgr.recovery.
"""

from __future__ import annotations

import typing as t
from abc import abstractmethod

from ansible.plugins.action import ActionBase

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import CONTROLLER, OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.module_utils.option_values import require_any_usable, require_usable
from ansible_collections.opsmgr.recovery.plugins.module_utils.server_text import harmless_values

Arguments = t.Mapping[str, t.Any]
STEP = "read the options"


class ControllerAction(ActionBase):
    """A task that asks nobody. Subclasses name their SPEC and say in tell() what comes into the result."""

    _supports_check_mode = True
    _supports_async = False
    SPEC: t.ClassVar[dict[str, dict[str, t.Any]]]

    @abstractmethod
    def tell(self, arguments: Arguments, task_vars: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """What comes into the result. Raises OpsmgrError."""

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Validate, tell, and turn a failure into one sentence."""
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        del tmp
        result["changed"] = False
        try:
            # ansible-core itself breaks at a number that is not finite.
            require_any_usable(self._task.args, STEP)
            _validated, arguments = self.validate_argument_spec(self.SPEC)
            require_usable(arguments, self.SPEC, STEP)
            result.update(self.tell(arguments, task_vars or {}))
        except OpsmgrError as error:
            result.update(failed=True, msg=error.sentence(CONTROLLER))
        return dict(harmless_values(result))
