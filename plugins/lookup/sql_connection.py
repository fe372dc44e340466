# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lookup sql_connection: how the inventory says that the operational database is reached."""

from __future__ import annotations

DOCUMENTATION = r"""
name: sql_connection
short_description: Read the connection of an operational database from the inventory
version_added: 1.0.0
author:
  - opsmgr.recovery contributors (@opsmgr-recovery)
description:
  - Returns the options of the modules that connect to SQL Server, as the variables V(opsmgr_sql_server), V(opsmgr_sql_port),
    V(opsmgr_sql_instance), V(opsmgr_sql_driver), V(opsmgr_sql_tds_version), V(opsmgr_sql_encryption),
    V(opsmgr_sql_login_user), V(opsmgr_sql_login_password) and V(opsmgr_database_name) of a host give them.
  - What a variable does not give, or gives as an empty text, is left out, so that the module's default applies.
  - Without V(opsmgr_sql_server) the server is the host itself.
options:
  _terms:
    description: The host that stands for the database, as a rule the one of the management group in V(opsmgr_database).
    type: list
    elements: str
    required: true
notes:
  - The result holds a password. Use it for C(module_defaults), and never print it.
"""

EXAMPLES = r"""
- name: Ask the operational database
  hosts: localhost
  gather_facts: false
  module_defaults:
    group/opsmgr.recovery.sql: "{{ lookup('opsmgr.recovery.sql_connection', 'thunder.odyssey.com') }}"
  tasks:
    - name: Observe the management group
      opsmgr.recovery.management_group_info:
"""

RETURN = r"""
_raw:
  description: One dictionary of module options for each host.
  type: list
  elements: dict
  sample: [{server: thunder.odyssey.com, database: OperationsManager}]
"""

import typing as t

from ansible.plugins.lookup import LookupBase

from ansible_collections.opsmgr.recovery.plugins.module_utils.sql_options import connection_of


class LookupModule(LookupBase):
    def run(
        self, terms: list[str], variables: t.Mapping[str, t.Any] | None = None, **kwargs: t.Any
    ) -> list[dict[str, t.Any]]:
        hostvars = (variables or {}).get("hostvars") or {}
        hosts = [str(term) for term in terms]
        # For a host that is not in the inventory get() would return what is undefined.
        return [connection_of(host, hostvars[host] if host in hostvars else {}) for host in hosts]  # noqa: SIM401
