# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which names of an inventory's variables are probably misspelt. Ansible itself leaves a variable that nobody asks for
alone, so that the default is used.

Private to opsmgr.recovery.
"""

from __future__ import annotations

import typing as t
from difflib import SequenceMatcher, get_close_matches
from functools import cache
from pathlib import Path

import yaml

ROLES = Path(__file__).resolve().parents[3] / "roles"
# What hosts and groups of the inventory have. The roles take their defaults from it.
OF_HOSTS = frozenset((
    "opsmgr_management_group", "opsmgr_virtual_server", "opsmgr_cluster_group", "opsmgr_cluster_disk", "opsmgr_database_name", "opsmgr_sql_server",
    "opsmgr_sql_port", "opsmgr_sql_instance", "opsmgr_sql_driver", "opsmgr_sql_tds_version", "opsmgr_sql_encryption", "opsmgr_sql_login_user",
    "opsmgr_sql_login_password",
))  # fmt: skip
# What the playbooks take beside the variables of their roles, or keep for themselves.
OF_PLAYBOOKS = frozenset((
    "repoint_rms", "repoint_former_rms", "rms_failback_target", "rms_failover_wanted", "rms_failover_wishes", "rms_failover_targets",
    "rms_recover_without_key_wanted", "rms_recover_without_key_wishes", "rms_recover_without_key_targets",
))  # fmt: skip
# A name that begins with the word that all variables of the collection share may be somebody's own; it is a mistake
# only if it is nearly one of ours.
SHARED_PREFIX = "opsmgr_"
PLAYBOOK_PREFIXES = ("repoint_", "rms_failback_")
# Ansible's own, private ones, and those that credentials of AWX bring into a job.
LEFT_ALONE = ("_", "ansible_", "opsmgr_awx_")
# From here on, difflib's ratio, what follows the same beginning is nearly the same.
NEARLY = 0.65
# Where not even the beginning of a name says that it is ours: a letter or two differ.
HARDLY_TO_BE_TOLD_APART = 0.95


class Misspelt(t.NamedTuple):
    """A variable that nothing asks for, and the one that was probably meant; empty when none is near."""

    name: str
    nearest: str

    def __str__(self) -> str:
        return f"{self.name} (the nearest name is {self.nearest})" if self.nearest else self.name


class Known(t.NamedTuple):
    """The names of all variables that mean something here, and how the names begin that belong to roles and playbooks
    alone.
    """

    names: frozenset[str]
    prefixes: tuple[str, ...]


@cache
def known_variables(roles: Path = ROLES) -> Known:
    """What the argument specs of the roles describe, and what belongs to hosts and playbooks."""
    specs = {path.parents[1].name: path.read_text(encoding="utf-8") for path in roles.glob("*/meta/argument_specs.yml")}
    described = [
        entry["options"] for text in specs.values() for entry in yaml.safe_load(text)["argument_specs"].values()
    ]
    names = {name for options in described for name in options}
    return Known(frozenset(names | OF_HOSTS | OF_PLAYBOOKS), tuple(f"{role}_" for role in specs) + PLAYBOOK_PREFIXES)


def misspelt_variables(names: t.Iterable[str], known: Known) -> list[Misspelt]:
    """Those of the names that are probably mistakes, in order."""
    found = (_judged(name, known) for name in sorted(set(names) - known.names) if not name.startswith(LEFT_ALONE))
    return [misspelt for misspelt in found if misspelt is not None]


def _judged(name: str, known: Known) -> Misspelt | None:
    prefix = next((prefix for prefix in (*known.prefixes, SHARED_PREFIX) if name.startswith(prefix)), "")
    nearest = _nearest(name, prefix, known, NEARLY if prefix else HARDLY_TO_BE_TOLD_APART)
    is_ours = prefix in known.prefixes
    return Misspelt(name, nearest) if nearest or is_ours else None


def _nearest(name: str, prefix: str, known: Known, cutoff: float) -> str:
    """The name that has the same beginning, and is nearest in what follows."""
    rest = name.removeprefix(prefix)
    rests = (other.removeprefix(prefix) for other in sorted(known.names) if other.startswith(prefix))
    # Letters alone tell most of them apart, before difflib looks at their order.
    near = [other for other in rests if SequenceMatcher(None, rest, other).quick_ratio() >= cutoff]
    return next((prefix + other for other in get_close_matches(rest, near, 1, cutoff)), "")
