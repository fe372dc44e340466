# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A WinRM server that means harm. It is not a part of the lab, which is strict and honest."""

from hostile_winrm.server import Deed, Exchange, HostileServer

__all__ = ["Deed", "Exchange", "HostileServer"]
