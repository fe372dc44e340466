# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A table of what the directory shows, and the names that a domain administrator adds and deletes then."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.observation import Observation, ServerObservation
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.principal_names import (
    ADD,
    DELETE,
    NamedServer,
    NameOrder,
    full_name,
    listed_names,
    name_orders,
    named_server,
    named_virtual_server,
    sdk_account,
)

SERVICE = "ODYSSEY\\svc-sdk"
OWN_NEW = ["MSOMHSvc/DEATHSTING", "MSOMHSvc/deathsting.odyssey.com"]
SDK_NEW = ["MSOMSdkSvc/DEATHSTING", "MSOMSdkSvc/deathsting.odyssey.com"]
SDK_OLD = ["MSOMSdkSvc/HYDRA", "MSOMSdkSvc/hydra.odyssey.com"]
OTHERS = ["hydra", "hydra.odyssey.com", "jupiter.odyssey.com"]

NEW = NamedServer("DEATHSTING", "deathsting.odyssey.com", "DEATHSTING", "where deathsting says")
OLD = NamedServer("HYDRA", "hydra.odyssey.com", "HYDRA", "where hydra says")
NEW_SERVICE, OLD_SERVICE = replace(NEW, sdk_account=SERVICE), replace(OLD, sdk_account=SERVICE)
NEW_UNKNOWN, OLD_UNKNOWN = replace(NEW, sdk_account=None), replace(OLD, sdk_account=None)

Order = tuple[str, str, str | None, bool]


def add(names: list[str], account: str | None, *, seen: bool = True) -> list[Order]:
    return [(ADD, name, account, seen) for name in names]


def delete(names: list[str], account: str | None, *, seen: bool = True) -> list[Order]:
    return [(DELETE, name, account, seen) for name in names]


@pytest.mark.parametrize(
    ("rms", "former", "listed", "expected"),
    [
        pytest.param(NEW, OLD, {"DEATHSTING": OWN_NEW + SDK_NEW, "HYDRA": []}, [], id="all is right"),
        pytest.param(
            NEW, OLD, {"DEATHSTING": [name.lower() for name in OWN_NEW + SDK_NEW], "HYDRA": []}, [], id="in any case"
        ),
        pytest.param(
            NEW, OLD, {"DEATHSTING": OWN_NEW + SDK_NEW, "HYDRA": SDK_OLD}, delete(SDK_OLD, "HYDRA"), id="left over"
        ),
        pytest.param(
            NEW_SERVICE,
            OLD_SERVICE,
            {"DEATHSTING": OWN_NEW, "HYDRA": [], SERVICE: SDK_OLD},
            add(SDK_NEW, SERVICE) + delete(SDK_OLD, SERVICE),
            id="on the service's account",
        ),
        pytest.param(
            NEW_SERVICE,
            OLD_SERVICE,
            {"DEATHSTING": OWN_NEW + SDK_NEW, SERVICE: SDK_NEW},
            delete(SDK_NEW, "DEATHSTING"),
            id="also on the wrong account",
        ),
        pytest.param(
            NEW, OLD, {"DEATHSTING": SDK_NEW, "HYDRA": []}, add(OWN_NEW, "DEATHSTING"), id="the Health Service's"
        ),
        pytest.param(
            NEW_SERVICE,
            OLD_SERVICE,
            {"DEATHSTING": OWN_NEW, SERVICE: [*SDK_NEW, "MSOMSdkSvc/OTHERS-RMS", "MSOMSdkSvc/JUPITER:5724"]},
            delete(["MSOMSdkSvc/JUPITER:5724"], SERVICE),
            id="another management group uses the account too",
        ),
        pytest.param(
            NEW,
            OLD,
            {"DEATHSTING": None, "HYDRA": None},
            add(SDK_NEW + OWN_NEW, "DEATHSTING", seen=False) + delete(SDK_OLD, "HYDRA", seen=False),
            id="no setspn",
        ),
        pytest.param(
            NEW_UNKNOWN,
            OLD_UNKNOWN,
            {},
            add(SDK_NEW, None, seen=False) + add(OWN_NEW, "DEATHSTING", seen=False) + delete(SDK_OLD, None, seen=False),
            id="not even the accounts are known",
        ),
        pytest.param(
            NEW_SERVICE,
            OLD_UNKNOWN,
            {"DEATHSTING": OWN_NEW, SERVICE: SDK_NEW + SDK_OLD[:1], "HYDRA": []},
            delete(SDK_OLD[:1], SERVICE),
            id="the old RMS is silent, and its name is found on the account that both have",
        ),
        pytest.param(
            NEW_SERVICE,
            OLD_UNKNOWN,
            {"DEATHSTING": OWN_NEW, SERVICE: SDK_NEW, "HYDRA": []},
            delete(SDK_OLD, None, seen=False),
            id="the old RMS is silent, and its name is found nowhere",
        ),
        pytest.param(
            replace(NEW, full_name=None),
            OLD,
            {"DEATHSTING": OWN_NEW + SDK_NEW[:1], "HYDRA": []},
            add(["MSOMSdkSvc/<full name of DEATHSTING>"], "DEATHSTING")
            + add(["MSOMHSvc/<full name of DEATHSTING>"], "DEATHSTING"),
            id="its full name is not known",
        ),
    ],
)
def test_what_is_to_be_done(
    rms: NamedServer, former: NamedServer, listed: dict[str, list[str] | None], expected: list[Order]
) -> None:
    orders = name_orders(rms, [former], OTHERS, listed)
    assert [(order.verb, order.name, order.account, order.seen) for order in orders] == expected


def test_names_that_the_service_adds_by_itself_are_left_to_it() -> None:
    assert name_orders(NEW, [], OTHERS, {"DEATHSTING": OWN_NEW}, adds_own=True) == []


@pytest.mark.parametrize(
    ("order", "beginning", "has"),
    [
        (
            NameOrder(ADD, SDK_NEW[0], SERVICE, True),
            "setspn -A MSOMSdkSvc/DEATHSTING ODYSSEY\\svc-sdk (as a domain administrator: ",
            "missing",
        ),
        (
            NameOrder(DELETE, SDK_OLD[1], "ODYSSEY\\svc sdk", True),
            'setspn -D MSOMSdkSvc/hydra.odyssey.com "ODYSSEY\\svc sdk" (as a domain administrator: ',
            "left over",
        ),
        (
            NameOrder(ADD, SDK_NEW[0], "DEATHSTING", False),
            "setspn -A MSOMSdkSvc/DEATHSTING DEATHSTING (as a domain administrator, unless ",
            "setspn -L DEATHSTING",
        ),
        (
            NameOrder(DELETE, SDK_OLD[0], "HYDRA", False),
            "setspn -D MSOMSdkSvc/HYDRA HYDRA (as a domain administrator, if ",
            "setspn -L HYDRA",
        ),
        (
            NameOrder(DELETE, SDK_OLD[0], None, False, "the one there"),
            "setspn -D MSOMSdkSvc/HYDRA ACCOUNT (as a domain administrator, if setspn -Q MSOMSdkSvc/HYDRA ",
            "ACCOUNT is the one there",
        ),
    ],
)
def test_the_command_stands_first(order: NameOrder, beginning: str, has: str) -> None:
    assert order.line.startswith(beginning)
    assert has in order.line


@pytest.mark.parametrize(
    ("account", "expected"),
    [("LocalSystem", "HYDRA"), ("NT AUTHORITY\\NetworkService", "HYDRA"), (SERVICE, SERVICE), (None, None)],
)
def test_the_account_that_the_directory_knows(account: str | None, expected: str | None) -> None:
    assert sdk_account({"computer_name": "HYDRA", "sdk_account": account}) == expected


def look(host: str, **server: Any) -> ServerObservation:
    return ServerObservation(host, {"computer_name": host.upper(), **server}, None)


def test_names_are_known_if_one_server_could_list_them() -> None:
    looks = [
        look("hydra", principal_names=None),
        look("deathsting", principal_names={"DEATHSTING": [], "hydra": None, SERVICE: None}),
        look("jupiter", principal_names={"HYDRA": SDK_OLD, SERVICE.lower(): SDK_NEW}),
        ServerObservation("kraken", None, "it is off"),
    ]
    assert listed_names(Observation(looks, {})) == {"DEATHSTING": [], "hydra": SDK_OLD, SERVICE: SDK_NEW}


def test_servers_by_what_is_known_of_them() -> None:
    known = ["deathsting.odyssey.com", "RMSVS.odyssey.com"]
    silent = named_server(ServerObservation("hydra.odyssey.com", None, "it is off"), known)
    assert (silent.name, silent.full_name, silent.sdk_account) == ("HYDRA", None, None)
    assert "sc qc OMSDK" in silent.whose_account
    answers = named_server(look("deathsting", sdk_account="LocalSystem"), known)
    assert (answers.name, answers.full_name, answers.sdk_account) == (
        "DEATHSTING",
        "deathsting.odyssey.com",
        "DEATHSTING",
    )
    assert full_name("x", known) is None


@pytest.mark.parametrize(
    ("account", "expected"), [(SERVICE, SERVICE), ("LocalSystem", None), ("NT AUTHORITY\\NetworkService", None)]
)
def test_a_node_s_own_account_is_not_the_virtual_server_s(account: str, expected: str | None) -> None:
    named = named_virtual_server("rmsvs", look("castor", sdk_account=account), ["RMSVS.odyssey.com"])
    assert (named.name, named.full_name, named.sdk_account) == ("RMSVS", "RMSVS.odyssey.com", expected)
