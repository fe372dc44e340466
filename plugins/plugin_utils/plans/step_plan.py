# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One step of a plan, whichever plan it is.

Private to opsmgr.recovery.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.opsmgr.recovery.plugins.module_utils.optional import phrase


@dataclass(frozen=True)
class StepPlan:
    """A step as it is planned.

    :ivar id: by which the role hands over what its task returned
    :ivar text: what it does, as what was done; an asterisk stands for the host
    :ivar hosts: where it is done
    :ivar needed: whether the plan needs it; None when only its task finds out
    :ivar undone_by: id of the step that undoes it, or what a person does to undo it; None where nothing does
    :ivar point_of_no_return: whether nothing leads back from it
    :ivar part: what it points at the RMS: C(reporting server), C(web console), C(console)
    :ivar place: name of the value in the result that says where it went to, if the text is to end with that
    """

    id: str
    text: str
    hosts: t.Sequence[str] = ()
    needed: bool | None = None
    undone_by: str | None = None
    point_of_no_return: bool = False
    part: str | None = None
    place: str | None = None

    def title(self, hosts: t.Sequence[str], result: t.Mapping[str, t.Any]) -> str:
        """What it did on some of its hosts."""
        listed = " and ".join(filter(None, [", ".join(hosts[:-1]), hosts[-1]]))
        return self.text.replace("*", listed) + phrase(" to {}", self.place and result.get(self.place))


def hosts_if(condition: bool, hosts: t.Iterable[str | None]) -> list[str]:
    """Where a step is done: nowhere unless `condition` holds, and only on hosts that are known."""
    if not condition:
        return []
    return [host for host in hosts if host]
