# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lookup management_group_hosts: hosts of some groups of the inventory that belong to one management group."""

from __future__ import annotations

DOCUMENTATION = r"""
name: management_group_hosts
short_description: List the hosts of one management group
version_added: 1.0.0
author:
  - opsmgr.recovery contributors (@opsmgr-recovery)
description:
  - Lists the hosts of some inventory groups that belong to one management group, in the order of the groups, each once.
  - A host belongs to the management group that its variable V(opsmgr_management_group) names. When no management group
    is given, the whole inventory is taken for one.
  - An inventory group that is missing has no hosts. Use P(opsmgr.recovery.hosts_of#lookup) where it has to be there.
options:
  _terms:
    description: Names of inventory groups.
    type: list
    elements: str
    required: true
  management_group:
    description: Name of the management group. V("") stands for any.
    type: str
    default: ""
  without:
    description:
      - Servers to leave out, by any name. V(hydra) leaves out C(hydra.odyssey.com) as well.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Observe the management servers of ODYSSEY
  opsmgr.recovery.management_server_info:
  delegate_to: "{{ item }}"
  loop: >-
    {{ query('opsmgr.recovery.management_group_hosts', 'opsmgr_rms', 'opsmgr_management_servers',
             management_group='ODYSSEY') }}

- name: Show where the operational database is
  ansible.builtin.debug:
    msg: "{{ query('opsmgr.recovery.management_group_hosts', 'opsmgr_database', management_group='ODYSSEY') | first }}"
"""

RETURN = r"""
_raw:
  description: Names of hosts as the inventory has them.
  type: list
  elements: str
  sample: [hydra.odyssey.com, deathsting.odyssey.com]
"""

import typing as t

from ansible.plugins.lookup import LookupBase

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.inventory.groups import (
    GROUP_VARIABLE,
    management_group_hosts,
)


class LookupModule(LookupBase):
    def run(self, terms: list[str], variables: t.Mapping[str, t.Any] | None = None, **kwargs: t.Any) -> list[str]:
        known = variables or {}
        self.set_options(var_options=known, direct=kwargs)
        hostvars = known.get("hostvars") or {}
        return management_group_hosts(
            [str(term) for term in terms],
            known.get("groups") or {},
            lambda host: str(hostvars[host].get(GROUP_VARIABLE) or "") if host in hostvars else "",
            str(self.get_option("management_group") or ""),
            [str(name) for name in self.get_option("without") or ()],
        )
