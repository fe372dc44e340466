# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small, strict stand-in of the API of AWX 24, for what the role awx_setup does with it.

It keeps objects in memory and answers as AWX's sources say: what is required, unknown or not among the choices is
refused with 400, secrets are answered as ``$encrypted$``, a wrong login gets 401, and who lacks a role 403. What AWX
would overlook, such as a field, a filter or an address that it does not know, is an error here, and listed in
``strangers``. ``jobs`` starts a job as AWX 24.6.1 was measured to do. It runs no job, fetches no repository, and checks
recurrence rules by their outer form only.
"""

from __future__ import annotations

from awx_stand_in.server import StandIn

__all__ = ["StandIn"]
