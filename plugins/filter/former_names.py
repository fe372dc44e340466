# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter former_names: under which names files may know a server that the RMS has replaced."""

from __future__ import annotations

import typing as t

from ansible_collections.opsmgr.recovery.plugins.module_utils.server_names import former_names

DOCUMENTATION = r"""
name: former_names
short_description: Select the names under which files may know a former RMS
version_added: 1.0.0
author:
  - opsmgr.recovery contributors (@opsmgr-recovery)
description:
  - Selects those of some names that can stand for a former RMS in a configuration file, sorted, each once.
  - Leaves out the names of the RMS itself, in any form, and what is no server name, such as an address.
options:
  _input:
    description: Names of management servers, as the database, the inventory and a person give them.
    type: list
    elements: str
    required: true
  rms:
    description: Name of the RMS. V("") stands for none.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show what may stand in files instead of deathsting
  ansible.builtin.debug:
    msg: "{{ ['hydra.odyssey.com', 'DeathSting', '10.0.0.1'] | opsmgr.recovery.former_names('deathsting.odyssey.com') }}"
"""

RETURN = r"""
_value:
  description: Names of servers.
  type: list
  elements: str
  sample: [hydra.odyssey.com]
"""


def filter_former_names(names: t.Iterable[t.Any], rms: t.Any) -> list[str]:
    """The filter, for names of any type that is a text."""
    return former_names([str(name) for name in names], [str(rms or "")])


class FilterModule:
    """What this file brings to templates."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"former_names": filter_former_names}
