# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is the same for every module that works on a Windows server: the connection it needs, and its module_defaults
group.
"""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options: {}
attributes:
  action_group:
    description:
      - Groups that a play can set defaults for in module_defaults.
      - A default goes to every module of its group, and a module fails for an option that it does not have.
    support: full
notes:
  - A server of Operations Manager 2012 or later (V(ServerVersion) 7.0 and above) is only looked at. Whatever changes a server refuses it.
  - The host needs V(ansible_connection=winrm), and nothing on the server but its WinRM service. The module uses cmd.exe and the tools in the box. No PowerShell
    and no Python is started there, so that it reaches Windows Server 2003, too.
  - The account must be a member of the server's Administrators group.
  - On failure the result has the same keys. What was not observed is V(null).
requirements:
  - pywinrm 0.5.0 or later on the controller
"""
