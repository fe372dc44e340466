# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many management groups at once, as overrides of odyssey's topology."""

from __future__ import annotations

from . import Tree, read_tree

_GROUPS_ON_ONE_SERVER = 50


def fleet(groups: int) -> Tree:
    """``groups`` management groups, the first of them ODYSSEY, with nothing but an RMS each; fifty share a SQL Server."""
    body = read_tree("odyssey")["groups"]["ODYSSEY"]
    tree: Tree = {"groups": {}, "hosts": dict.fromkeys(("deathsting", "jupiter", "argus", "hermes"), False)}
    for number in range(1, groups):
        group, sql = f"GROUP{number:03}", f"sql{number // _GROUPS_ON_ONE_SERVER:02}"
        tree["groups"][group] = {
            **body,
            "database": {"host": sql, "name": f"OM{number:03}", "warehouse": f"DW{number:03}"},
        }
        tree["hosts"][f"rms{number:03}"] = {"roles": ["rms"], "group": group}
        tree["hosts"].setdefault(sql, {"roles": ["database"], "group": group, "media": None})
    return tree
