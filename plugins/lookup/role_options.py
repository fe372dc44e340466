# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lookup role_options: the variables of a role as the options of a module."""

from __future__ import annotations

DOCUMENTATION = r"""
name: role_options
short_description: Turn variables of a role into options of a module
version_added: 1.0.0
author:
  - opsmgr.recovery contributors (@opsmgr-recovery)
description:
  - Returns options of a module with the values of variables of the role that the task belongs to.
  - A variable that is an empty text, list or mapping is left out, so that the default of the module applies.
options:
  _terms:
    description:
      - Names of variables. C(rms_failover_escrow) of the role C(rms_failover) becomes the option C(escrow).
      - >-
        Where the names differ, a mapping of options to variables, as V({timeout: rms_failover_service_timeout}).
      - A list of names and mappings is taken apart.
    type: list
    elements: raw
    required: true
  none_if_zero:
    description: Options that are left out, too, when their value is V(0).
    type: list
    elements: str
    default: []
  even_if_empty:
    description: Options that are given, too, when their value is empty, so that the module says what is missing.
    type: list
    elements: str
    default: []
notes:
  - The result may hold a password. Use it for C(module_defaults), and never print it.
"""

EXAMPLES = r"""
- name: Back up the key with the escrow, the seal and the timeout that the variables of this role give
  opsmgr.recovery.secure_storage_backup:
    max_age: 0
  module_defaults:
    opsmgr.recovery.secure_storage_backup: >-
      {{ lookup('opsmgr.recovery.role_options', 'my_role_escrow', 'my_role_backup_password', 'my_role_seal_passphrase',
                {'conversation_timeout': 'my_role_timeout'}) }}
"""

RETURN = r"""
_raw:
  description: One dictionary of module options.
  type: list
  elements: dict
  sample: [{escrow: /srv/escrow, conversation_timeout: 120}]
"""

import typing as t

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.inventory.role_options import (
    given_options,
    variable_of_each_option,
)


class LookupModule(LookupBase):
    def run(
        self, terms: list[t.Any], variables: t.Mapping[str, t.Any] | None = None, **kwargs: t.Any
    ) -> list[dict[str, t.Any]]:
        known = variables or {}
        self.set_options(var_options=known, direct=kwargs)
        try:
            names = variable_of_each_option(terms, str(known.get("role_name") or ""))
        except ValueError as error:
            raise AnsibleLookupError(str(error)) from None
        missing = [name for name in names.values() if name not in known]
        if missing:
            raise AnsibleLookupError(f"there is no variable {', '.join(missing)}")
        values = {option: self._value(known[name]) for option, name in names.items()}
        return [given_options(values, self.get_option("none_if_zero"), self.get_option("even_if_empty"))]

    def _value(self, raw: t.Any) -> t.Any:
        value = self._templar.template(raw)
        # A value that only the vault password opens: before ansible-core 2.19 it is not a text yet.
        return str(value) if hasattr(value, "__ENCRYPTED__") else value
