# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a setup on an installed server is told of accounts, and whether it left them as they were."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.service_accounts import kept_accounts, require_kept
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.windows.host import ServiceState

SVC = "ODYSSEY\\svc-sdk"


def services(sdk: str | None, config: str | None, health: str | None = "LocalSystem") -> dict[str, ServiceState]:
    accounts = {"HealthService": health, "OMSDK": sdk, "OMCFG": config}
    return {name: ServiceState("stopped", "disabled", account) for name, account in accounts.items()}


@pytest.mark.parametrize(
    ("sdk", "config", "given", "expected"),
    [
        ("LocalSystem", "LocalSystem", {}, {"SDK_USE_COMPUTER_ACCOUNT": "1"}),
        ("localsystem", "LocalSystem", {}, {"SDK_USE_COMPUTER_ACCOUNT": "1"}),
        ("LocalSystem", "LocalSystem", {"SDK_USE_COMPUTER_ACCOUNT": "1"}, {"SDK_USE_COMPUTER_ACCOUNT": "1"}),
        ("LocalSystem", "LocalSystem", {"SDK_USE_COMPUTER_ACCOUNT": None}, {"SDK_USE_COMPUTER_ACCOUNT": "1"}),
        (SVC, SVC, {}, {}),
        (SVC, SVC, {"SDK_ACCOUNT": SVC.lower()}, {}),
        (SVC, SVC, {"SDK_USE_COMPUTER_ACCOUNT": "0"}, {}),
        (SVC, SVC, {"ACTIONS_USE_COMPUTER_ACCOUNT": "1"}, {}),
        (SVC, "LocalSystem", {}, {}),
        ("NT AUTHORITY\\NetworkService", "NT AUTHORITY\\NetworkService", {}, {}),
    ],
)
def test_only_what_is_so_already_is_said(
    sdk: str, config: str, given: dict[str, Any], expected: dict[str, str]
) -> None:
    assert kept_accounts("do it", services(sdk, config), given) == expected


@pytest.mark.parametrize(
    ("sdk", "config", "given", "names"),
    [
        (None, SVC, {}, ["OMSDK"]),
        (SVC, None, {}, ["OMCFG"]),
        (SVC, SVC, {"SDK_USE_COMPUTER_ACCOUNT": "1"}, ["OMSDK", SVC, "LocalSystem"]),
        (SVC, SVC, {"SDK_USE_COMPUTER_ACCOUNT": 1}, ["OMSDK", SVC, "LocalSystem"]),
        ("LocalSystem", SVC, {"SDK_USE_COMPUTER_ACCOUNT": "1"}, ["OMCFG", SVC]),
        ("LocalSystem", "LocalSystem", {"SDK_ACCOUNT": SVC}, ["OMSDK", SVC, "LocalSystem"]),
    ],
)
def test_what_is_not_known_or_would_change_is_refused(
    sdk: str | None, config: str | None, given: dict[str, Any], names: list[str]
) -> None:
    with pytest.raises(OpsmgrError) as caught:
        kept_accounts("do it", services(sdk, config), given)
    assert all(name in caught.value.found for name in names)


def test_accounts_that_stayed() -> None:
    require_kept("do it", services(SVC, SVC), services(SVC.upper(), SVC))


@pytest.mark.parametrize(
    ("after", "named"),
    [
        (services("LocalSystem", SVC), ["OMSDK"]),
        (services("LocalSystem", "LocalSystem"), ["OMSDK", "OMCFG"]),
        (services(SVC, None), ["OMCFG"]),
        (services(SVC, SVC, "NT AUTHORITY\\LocalService"), ["HealthService"]),
    ],
)
def test_accounts_that_changed_are_named(after: dict[str, ServiceState], named: list[str]) -> None:
    with pytest.raises(OpsmgrError) as caught:
        require_kept("do it", services(SVC, SVC), after)
    assert [name for name in ("HealthService", "OMSDK", "OMCFG") if f"{name} ran as" in caught.value.found] == sorted(
        named, key=["HealthService", "OMSDK", "OMCFG"].index
    )
