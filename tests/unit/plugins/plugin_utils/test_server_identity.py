# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which server is the one that the inventory means."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.server_identity import Expected, require_expected


def server(name: str = "HYDRA", group: str = "ODYSSEY") -> Any:
    return SimpleNamespace(computer_name=name, management_group=group)


@pytest.mark.parametrize(
    "expected",
    [
        Expected("hydra", "127.10.0.10", "ODYSSEY"),
        Expected("hydra.odyssey.com", "10.0.0.1"),
        Expected("rms-of-odyssey", "hydra.odyssey.com", ""),
        Expected("rms-of-odyssey", "10.0.0.1", "ODYSSEY", ["castor", "Hydra"]),
        # Nothing but addresses: there is nothing to compare.
        Expected("10.0.0.1", "10.0.0.1", None),
        Expected("fe80::1", "[fe80::1]"),
    ],
)
def test_the_server_that_is_meant(expected: Expected) -> None:
    require_expected(server(), expected)


def test_a_netbios_name_is_the_beginning_of_a_long_one() -> None:
    require_expected(server("ROOT-MANAGEMENT"), Expected("root-management-server.odyssey.com"))


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        (
            Expected("hydra", "10.0.0.1", "ILIAD"),
            "management group ODYSSEY, and the inventory that it belongs to ILIAD",
        ),
        (
            Expected("hydra", "10.0.0.1", "odyssey"),
            "management group ODYSSEY, and the inventory that it belongs to odyssey",
        ),
        (Expected("argo", "10.0.0.1", "ODYSSEY"), "calls itself HYDRA, and the inventory calls it argo"),
        (Expected("argo", "argo"), "calls it argo"),
        (Expected("argo", "argo.odyssey.com"), "calls it argo or argo.odyssey.com"),
        (Expected("hydra", "hydra", computer_names=["castor", "pollux"]), "calls it castor or pollux"),
    ],
)
def test_another_one_is_refused(expected: Expected, found: str) -> None:
    with pytest.raises(OpsmgrError) as caught:
        require_expected(server(), expected)
    assert found in caught.value.found
    assert "inventory" in caught.value.what_to_do
