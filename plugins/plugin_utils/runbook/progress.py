# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The watching end of the file in which a long task tells how far it is. Private to opsmgr.recovery."""

from __future__ import annotations

import os
import tempfile

from ansible_collections.opsmgr.recovery.plugins.module_utils.progress_file import ENVIRONMENT_VARIABLE, last_progress


class ProgressFile:
    """Named in the environment, which the workers of Ansible and the modules on this machine inherit. One that is named
    there already is used.
    """

    def __init__(self) -> None:
        self._made: str | None = None
        if ENVIRONMENT_VARIABLE not in os.environ:
            handle, self._made = tempfile.mkstemp(prefix="opsmgr-recovery-progress-")
            os.close(handle)
            os.environ[ENVIRONMENT_VARIABLE] = self._made
        self._path = os.environ[ENVIRONMENT_VARIABLE]
        self._seen = 0

    def forget(self) -> None:
        """What is in it now is about earlier tasks."""
        self._seen = len(self._read())

    def last(self) -> tuple[str, int] | None:
        """What the task under way is doing, and its percent; None when it says nothing."""
        return last_progress(self._read()[self._seen :].decode("utf-8", "replace"))

    def remove(self) -> None:
        """Nobody looks at it any more."""
        if self._made is not None:
            os.environ.pop(ENVIRONMENT_VARIABLE, None)
            os.unlink(self._made)
            self._made = None

    def _read(self) -> bytes:
        try:
            with open(self._path, "rb") as stream:
                return stream.read()
        except OSError:
            return b""
