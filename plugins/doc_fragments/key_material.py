# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the key is seen: the twin of KEY_MATERIAL_SPEC in plugin_utils/actions/windows.py."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  key_registry_key:
    description:
      - Registry key below which the server keeps the key of the management group, in its value C(Value1). Only its presence and a salted hash are used.
      - The default is where Operations Manager 2007 is believed to keep it. Change it if a server that certainly has the key is said to have none.
    type: str
    default: 'HKLM\SOFTWARE\Microsoft\Microsoft Operations Manager\3.0\MOMBins'
"""
