# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which closed database may be opened: the twin of reopen_spec() in module_utils/closed_database.py."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  reopen:
    description:
      - Which database may be brought to V(MULTI_USER) that is found in V(SINGLE_USER) or V(RESTRICTED_USER).
      - V(ours) is one that a run of this collection closed and could not open again, because it was killed. The proof is a note that such a run leaves on the
        database (the extended property V(opsmgr.recovery.single_user)). Any other one, and each in V(RESTRICTED_USER), was closed by somebody who had a reason.
        It is refused, and nothing is changed.
      - V(anybodys) opens it whoever closed it.
    type: str
    choices: [ours, anybodys]
    default: ours
"""
