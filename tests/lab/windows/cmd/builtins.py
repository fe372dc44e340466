# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands inside cmd.exe."""

from __future__ import annotations

from . import copying, deleting, directories, listing, starting, words
from .common import Builtin

BUILTINS: dict[str, Builtin] = {
    **words.COMMANDS,
    **directories.COMMANDS,
    **copying.COMMANDS,
    **deleting.COMMANDS,
    **listing.COMMANDS,
    **starting.COMMANDS,
}
"""Name -> what it does.  ``:`` stands for ``C:`` and the like."""
