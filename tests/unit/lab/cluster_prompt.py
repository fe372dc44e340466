# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A person at cluster.exe on a node of the cluster gemini, for the tests of clusters."""

from __future__ import annotations

import time
from typing import Any

from unit.lab.opsmgr_prompt import Ended, run

from lab.lab import Lab

ALL_RUN = dict.fromkeys(("HealthService", "OMSDK", "OMCFG"), ("running", "demand"))
NONE_RUNS = dict.fromkeys(("HealthService", "OMSDK", "OMCFG"), ("stopped", "demand"))
_UNNOTICED_SECONDS = 0.15
"""Longer than the cluster needs to see that a service is gone."""


def cluster(lab: Lab, line: str, host: str = "castor", **how: Any) -> Ended:
    """Run cluster.exe on a node."""
    return run(lab, host, f"cluster {line}", cwd="C:\\", **how)


def settled(lab: Lab) -> dict[str, Any]:
    """The group RMS, once the cluster has nothing left to do and the services have looked around."""
    quiet = 0
    before: Any = None
    while quiet < 3:
        for host in ("castor", "pollux"):
            lab.hosts[host].services.settle()
        time.sleep(_UNNOTICED_SECONDS)
        if not lab.clusters["gemini"].settle():
            raise AssertionError(lab.dump()["clusters"])
        now = lab.dump()["clusters"]["gemini"]["groups"]["RMS"]
        quiet, before = (quiet + 1 if now == before else 0), now
    found: dict[str, Any] = before
    return found


def where(lab: Lab) -> tuple[str, str]:
    """Node and state of the group RMS."""
    group = settled(lab)
    return group["node"], group["state"]
