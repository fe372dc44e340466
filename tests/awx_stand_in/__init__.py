# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small, strict stand-in of the API of AWX 24, for what the role awx_setup does with it.

It keeps objects in memory and answers as AWX's sources say: what is required, unknown or not among the choices is refused with 400, secrets are
answered as ``$encrypted$``, a wrong login gets 401. What AWX would overlook, such as a field, a filter or an address that it does not know, is an
error here, and listed in ``strangers``. It vouches for the requests that the modules of awx.awx make, and for nothing that AWX does with them: it
runs no job, fetches no repository, renders no injector, knows no permissions, and checks recurrence rules by their outer form only. Whether a template
would start is therefore not shown.
"""

from __future__ import annotations

from awx_stand_in.server import StandIn

__all__ = ["StandIn"]
