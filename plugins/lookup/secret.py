# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lookup secret: the value of a variable that holds a secret, and errors that do not repeat a part of it."""

from __future__ import annotations

DOCUMENTATION = r"""
name: secret
short_description: Read a secret from a variable
version_added: 1.0.0
author:
  - opsmgr.recovery contributors (@opsmgr-recovery)
description:
  - Returns the value of a variable that holds a password or a passphrase, and V("") for one that is not defined.
  - Fails for a number. V(0123456701) without quotes is 21913025 to YAML, and a key backup would open with that only.
  - When the variable's template has an error, the message names the variable and not the template, in which a part of
    the secret may stand.
options:
  _terms:
    description: Names of variables.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Back up the key of the management group
  opsmgr.recovery.secure_storage_backup:
    escrow: /srv/escrow
    backup_password: "{{ lookup('opsmgr.recovery.secret', 'rms_key_backup_password') }}"
"""

RETURN = r"""
_raw:
  description: Values of the variables.
  type: list
  elements: str
"""

import typing as t

from ansible.errors import AnsibleError, AnsibleLookupError
from ansible.plugins.lookup import LookupBase


class LookupModule(LookupBase):
    def run(self, terms: list[str], variables: t.Mapping[str, t.Any] | None = None, **kwargs: t.Any) -> list[str]:
        return [self._secret(str(name), variables or {}) for name in terms]

    def _secret(self, name: str, variables: t.Mapping[str, t.Any]) -> str:
        try:
            value = self._templar.template(variables.get(name, ""))
        except AnsibleError as error:
            raise AnsibleLookupError(f"the variable {name} cannot be used: {type(error).__name__}") from None
        if isinstance(value, (int, float)):
            raise AnsibleLookupError(
                f"the variable {name} cannot be used: it is a number, and what was written may have been another one. "
                "Write it in quotes"
            )
        return str(value or "")
