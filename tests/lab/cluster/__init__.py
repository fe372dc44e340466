# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows failover clusters: nodes, quorum, groups and resources, as far as a clustered root management server needs
them.

``resources.py`` says what a resource of each type does on a node, ``cluster.py`` decides which resource is online
where, and ``virtual_server.py`` is what a client of the virtual server's address talks to.
"""
