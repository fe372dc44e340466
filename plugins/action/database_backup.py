# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""database_backup: runs the module of that name with its password in no file."""

from __future__ import annotations

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.actions.sql import SqlAction


class ActionModule(SqlAction):
    """The module does the work."""
