# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What else may name a former RMS: what was seen is named, what was not is told to be unknown."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.named_elsewhere import UNSEEN, named_elsewhere

STYX = {"name": "styx.odyssey.com", "roles": ["gateway"]}
HYDRA = {"name": "hydra.odyssey.com", "roles": ["management_server"]}


def parent(name: str, agents: int = 0, gateways: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"name": name, "agents": agents, "gateways": list(gateways)}


@pytest.mark.parametrize(
    ("database", "seen", "unknown"),
    [
        pytest.param({}, [], ["agents", "gateways"], id="the database was not asked"),
        pytest.param({"servers": None}, [], ["agents", "gateways"], id="it does not tell its servers"),
        pytest.param({"servers": [HYDRA]}, [], ["agents"], id="it knows no gateway"),
        pytest.param({"servers": [HYDRA, STYX]}, ["styx.odyssey.com"], ["agents"], id="it knows a gateway"),
        pytest.param(
            {"servers": [HYDRA, STYX], "parents": [parent("HYDRA.odyssey.com", 412, ("styx.odyssey.com",))]},
            ["412", "styx.odyssey.com"],
            [],
            id="it knows who reports to it",
        ),
        pytest.param(
            {"servers": [HYDRA, STYX], "parents": [parent("jupiter.odyssey.com", 412, ("styx.odyssey.com",))]},
            [],
            [],
            id="all report to another server",
        ),
        pytest.param(
            {"servers": [HYDRA], "parents": [parent("hydra.odyssey.com", 3)]}, ["3 agent"], [], id="only agents"
        ),
    ],
)
def test_what_was_seen_is_named(database: dict[str, Any], seen: list[str], unknown: list[str]) -> None:
    *named, last = named_elsewhere("hydra", database)
    assert len(named) == bool(seen)
    assert all(each in named[0] for each in seen)
    assert [each for each in ("agents", "gateways") if each in last] == unknown
    assert all(each in last for each in UNSEEN)
    assert all("hydra" in line for line in (*named, last))
