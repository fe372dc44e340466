# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What else may name a former RMS: what was seen is named, what was not is told to be unknown."""

from __future__ import annotations

import pytest

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.named_elsewhere import UNSEEN, named_elsewhere


@pytest.mark.parametrize(
    ("gateways", "named", "unknown"),
    [(["styx.odyssey.com", "lethe.odyssey.com"], True, False), ([], False, False), (None, False, True)],
)
def test_gateways_are_named_where_the_database_tells(gateways: list[str] | None, named: bool, unknown: bool) -> None:
    lines = named_elsewhere("hydra", gateways)
    assert any("styx.odyssey.com" in line and "lethe.odyssey.com" in line for line in lines) == named
    assert ("; gateways;" in lines[-1] or ": gateways;" in lines[-1]) == unknown
    assert all(each in lines[-1] for each in UNSEEN)
    assert all("hydra" in line for line in lines)
