# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the groups of the inventory are those that a run needs: pure decisions.

Private to opsmgr.recovery. A play whose groups have no host is skipped by Ansible with exit code 0, so a misspelt group
would be a success.
"""

from __future__ import annotations

import difflib
import re
import typing as t
from dataclasses import dataclass

from ansible_collections.opsmgr.recovery.plugins.module_utils.server_names import name_key

# Every group that a playbook or role of this collection looks at.
KNOWN_GROUPS = (
    "opsmgr_rms",
    "opsmgr_rms_cluster",
    "opsmgr_management_servers",
    "opsmgr_database",
    "opsmgr_reporting",
    "opsmgr_web_console",
    "opsmgr_consoles",
)
# What says to which management group a host belongs.
GROUP_VARIABLE = "opsmgr_management_group"
# Below that a name is another name.
_SIMILARITY = 0.85
_LISTED = 10
# What Ansible itself makes.
_OF_ANSIBLE = ("all", "ungrouped")


@dataclass(frozen=True)
class Inventory:
    """What is known of an inventory and of the part of it that this run may touch.

    :ivar groups: each group with all of its hosts
    :ivar hosts: the hosts that --limit leaves; all of them without it
    :ivar limit: as it was given
    :ivar sources: files, directories or a list of hosts
    """

    groups: t.Mapping[str, t.Sequence[str]]
    hosts: t.Collection[str]
    limit: str | None = None
    sources: t.Sequence[str] = ()

    def has(self, group: str) -> bool:
        """Whether there is a host in it."""
        return bool(self.groups.get(group))

    @property
    def name(self) -> str:
        """How it is called in a message."""
        return f"the inventory {', '.join(self.sources)}" if self.sources else "the inventory"


def management_group_hosts(
    wanted: t.Sequence[str],
    groups: t.Mapping[str, t.Sequence[str]],
    group_of: t.Callable[[str], str],
    management_group: str = "",
    without: t.Sequence[str] = (),
) -> list[str]:
    """The hosts of the inventory groups `wanted` that belong to a management group, each once.

    :param group_of: the management group of a host, as its variables say
    :param management_group: with an empty one, every host belongs to it
    :param without: names of servers to leave out
    """
    left_out = {name_key(name) for name in without if name}
    hosts = dict.fromkeys(host for group in wanted for host in groups.get(group, ()))
    return [
        host
        for host in hosts
        if name_key(host) not in left_out and (not management_group or group_of(host) == management_group)
    ]


def run_problem(wanted: t.Sequence[str], read: t.Sequence[str], inventory: Inventory) -> str | None:
    """Why a play on the hosts of the groups `wanted`, which looks at the groups `read` too, would do nothing or not
    enough; None if it would not.
    """
    misspelt = misspelt_problems([*wanted, *read], inventory.groups)
    if misspelt:
        return " ".join(misspelt)
    hosts = list(dict.fromkeys(host for group in wanted for host in inventory.groups.get(group, ())))
    if not hosts:
        return _no_host(wanted, inventory)
    if not any(host in inventory.hosts for host in hosts):
        what = f"Name one of {'them' if len(hosts) > 1 else 'its hosts'} with --limit, or leave --limit out"
        return (
            f"--limit {inventory.limit or ''}".rstrip()
            + f" leaves out every host of {_either(wanted)} ({_some(hosts)}). {what}."
        )
    return None


def controller_problem(inventory: Inventory) -> str | None:
    """Why a play on the controller would do nothing: --limit holds for it, too."""
    if inventory.limit is None or "localhost" in re.split(r"[,:&\s]+", inventory.limit):
        return None
    return f"--limit {inventory.limit} leaves out localhost, where this playbook works. Leave --limit out."


def misspelt_problems(expected: t.Iterable[str], groups: t.Mapping[str, t.Sequence[str]]) -> list[str]:
    """Groups whose names are nearly those that are looked at and have no host."""
    missing = [name for name in dict.fromkeys(expected) if not groups.get(name)]
    strange = [name for name in groups if name not in (*KNOWN_GROUPS, *_OF_ANSIBLE) and groups[name]]
    pairs = [(name, _nearest(name, strange)) for name in missing if strange]
    return [
        f"The inventory has the group {found}, and no host in {name}. If it is meant, rename the group {found} to {name}; if not, give it a name of its own."
        for name, found in pairs
        if _similarity(name, found) >= _SIMILARITY and name == _nearest(found, KNOWN_GROUPS)
    ]


def _nearest(name: str, others: t.Sequence[str]) -> str:
    return max(others, key=lambda other: _similarity(name, other))


def _similarity(name: str, other: str) -> float:
    return difflib.SequenceMatcher(None, _plain(name), _plain(other)).ratio()


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _no_host(wanted: t.Sequence[str], inventory: Inventory) -> str:
    what = f"Put the hosts into {_either(wanted)}"
    if not inventory.has("all"):
        return f"There is no host in {inventory.name}. Correct the option -i, or the file: a file that cannot be read counts as empty. {what}."
    there = [name for name in inventory.groups if name not in _OF_ANSIBLE]
    found = f"its groups are {_some(there)}" if there else "it has no groups"
    return f"No host of {inventory.name} is in {_either(wanted)}; {found}. {what}, or correct the option -i."


def _either(names: t.Sequence[str]) -> str:
    return " or ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _some(names: t.Sequence[str]) -> str:
    listed = ", ".join(names[:_LISTED])
    return listed if len(names) <= _LISTED else f"{listed} and {len(names) - _LISTED} more"
