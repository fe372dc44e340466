# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lookup step_results: what the tasks of a plan's steps returned so far."""

from __future__ import annotations

DOCUMENTATION = r"""
name: step_results
short_description: Collect what the tasks of the steps of a plan returned
version_added: 1.0.0
author:
  - opsmgr.recovery contributors (@opsmgr-recovery)
description:
  - Returns a dictionary with an entry for each step of a plan, by the C(id) of the step. The value is what the task of the step registered, and empty for a
    step that was not reached.
  - The task of a step registers a variable that is named by a prefix and the C(id).
options:
  _terms:
    description: The prefix.
    type: list
    elements: str
    required: true
  steps:
    description: RV(opsmgr.recovery.rms_failover_plan#module:steps) of a plan, or those of another plan of this collection.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Back up the key from the RMS
  opsmgr.recovery.secure_storage_backup:
    max_age: 0
  register: done_back_up_key

- name: Record the failover
  opsmgr.recovery.rms_failover_record:
    plan: "{{ plan }}"
    results: "{{ lookup('opsmgr.recovery.step_results', 'done_', steps=plan.steps) }}"
    database: OperationsManager
    database_host: thunder
    seen_again: {servers: "{{ servers.results }}", database: "{{ group }}"}
"""

RETURN = r"""
_raw:
  description: One dictionary for each prefix.
  type: list
  elements: dict
  sample: [{back_up_key: {changed: true, failed: false}, restore_key: {}}]
"""

import typing as t

from ansible.plugins.lookup import LookupBase


class LookupModule(LookupBase):
    def run(
        self, terms: list[str], variables: t.Mapping[str, t.Any] | None = None, **kwargs: t.Any
    ) -> list[dict[str, t.Any]]:
        known = variables or {}
        self.set_options(var_options=known, direct=kwargs)
        ids = [str(step["id"]) for step in self.get_option("steps")]
        # What a task registered is data and no template.
        return [{each: known.get(f"{prefix}{each}", {}) for each in ids} for prefix in terms]
