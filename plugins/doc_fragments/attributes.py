# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the attributes of the modules mean. None has a verdict here: each module must give its own."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in check mode, and then predicts the changed status without changing anything.
  diff_mode:
    description: Shows in diff mode what changed, or in check mode what would change. Secrets are shown as present, absent or a fingerprint.
  idempotent:
    description: Run again with the same options, with nothing else changed meanwhile, it changes nothing and says so.
  platform:
    description: The systems that the module examines or changes.
  action:
    description: Has an action plugin, so that it works on the controller and needs neither Python nor PowerShell on the target.
  async:
    description: Can be used with the task keyword C(async).
  bypass_host_loop:
    description: Runs once for the whole play instead of once for each host.
"""
