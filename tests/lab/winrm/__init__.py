# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A WinRM server: the WS-Management and WinRS subset that pywinrm, pypsrp and Ansible use.

From the wire inwards: ``server`` (listeners, one thread for each connection), ``http``, ``authentication`` and
``encryption``, ``soap`` and ``wsfaults``, ``operations`` and ``shells``.  What a command does is the host's affair:
``interfaces`` says what a host must offer.
"""
