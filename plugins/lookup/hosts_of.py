# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lookup hosts_of: the groups for the hosts keyword of a play, or the reason why the play would do nothing."""

from __future__ import annotations

DOCUMENTATION = r"""
name: hosts_of
short_description: List groups for a play and refuse groups without hosts
version_added: 1.0.0
author:
  - opsmgr.recovery contributors (@opsmgr-recovery)
description:
  - Gives the keyword C(hosts) of a play those of some groups that are in the inventory.
  - Ansible skips a play that no host matches and ends with exit code 0, so that a job with a misspelt group, or with an inventory file that is not there,
    succeeds every night. This lookup fails instead, in one sentence that names the groups.
  - It fails when the inventory has no host, when none of its hosts is in one of the groups, when C(--limit) leaves none of them, and when a group is missing
    and another one has nearly its name.
options:
  _terms:
    description: Names of groups. At least one of them must have a host that C(--limit) leaves. V(localhost) stands for the controller.
    type: list
    elements: str
    required: true
  reads:
    description: Groups whose hosts the play works on or looks at besides. They may be missing, but not misspelt.
    type: list
    elements: str
    default: []
notes:
  - It looks at nothing with C(--syntax-check), C(--list-hosts), C(--list-tasks) and C(--list-tags), which often come without an inventory.
"""

EXAMPLES = r"""
- name: Observe the management servers
  hosts: "{{ query('opsmgr.recovery.hosts_of', 'opsmgr_rms', 'opsmgr_management_servers') }}"
  gather_facts: false
  tasks:
    - name: Look
      opsmgr.recovery.management_server_info:
"""

RETURN = r"""
_raw:
  description: Those of the groups that have a host.
  type: list
  elements: str
  sample: [opsmgr_rms, opsmgr_management_servers]
"""

import typing as t

from ansible import context
from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.inventory.groups import (
    Inventory,
    controller_problem,
    run_problem,
)

LOCALHOST = "localhost"
# Nothing is run with these options.
_LOOKING_ON = ("syntax", "listhosts", "listtasks", "listtags")


class LookupModule(LookupBase):
    def run(self, terms: list[str], variables: t.Mapping[str, t.Any] | None = None, **kwargs: t.Any) -> list[str]:
        known = variables or {}
        self.set_options(var_options=known, direct=kwargs)
        wanted = [str(term) for term in terms]
        if any(context.CLIARGS.get(option) for option in _LOOKING_ON):
            return wanted
        # While the hosts of a play are a template, all that --limit leaves are the hosts of the play.
        hosts = set(known.get("ansible_play_hosts_all") or ())
        inventory = Inventory(
            known.get("groups") or {}, hosts, known.get("ansible_limit"), known.get("ansible_inventory_sources") or ()
        )
        if wanted == [LOCALHOST]:
            problem = controller_problem(inventory)
        else:
            problem = run_problem(wanted, self.get_option("reads"), inventory)
        if problem:
            raise AnsibleLookupError(problem)
        return [name for name in wanted if name == LOCALHOST or inventory.has(name)]
