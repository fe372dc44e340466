# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""setspn.exe and the names in the directory: printed as published transcripts show them, and changed by nobody here."""

from __future__ import annotations

import pytest
from unit.lab.windows_prompt import make_host, run

from lab.lab import Lab
from lab.snapshot import Snapshot
from lab.topologies import load_topology
from lab.windows.directory import ActiveDirectory
from lab.windows.host import WindowsHost

SERVICE_ACCOUNT = "ODYSSEY\\svc-sdk"


@pytest.fixture(name="host")
def host_of_a_domain() -> WindowsHost:
    host = make_host()
    host.directory = ActiveDirectory("odyssey.com")
    host.directory.add_computer("hydra")
    host.directory.add_user(SERVICE_ACCOUNT)
    host.directory.register("HYDRA", "MSOMHSvc/HYDRA")
    host.directory.register(SERVICE_ACCOUNT, "MSOMSdkSvc/HYDRA", "MSOMSdkSvc/hydra.odyssey.com")
    return host


@pytest.mark.parametrize("account", ["ODYSSEY\\svc-sdk", "svc-sdk", "odyssey.com\\SVC-SDK"])
@pytest.mark.parametrize("switch", ["-L ", "/l ", ""])
def test_names_stand_behind_a_tab_below_the_distinguished_name(host: WindowsHost, account: str, switch: str) -> None:
    ended = run(host, f"setspn {switch}{account}")
    assert ended.lines == [
        "Registered ServicePrincipalNames for CN=svc-sdk,CN=Users,DC=odyssey,DC=com:",
        "\tMSOMSdkSvc/HYDRA",
        "\tMSOMSdkSvc/hydra.odyssey.com",
    ]
    assert (ended.code, ended.err) == (0, "")


def test_an_account_that_is_not_there_is_named_on_standard_error(host: WindowsHost) -> None:
    ended = run(host, "setspn -L nobody")
    assert ended.code != 0
    assert ended.out == ""
    assert "0x00000525" in ended.err
    assert "Could not find account nobody" in ended.err


def test_without_a_domain_no_account_is_found() -> None:
    ended = run(make_host(), "setspn -L hydra")
    assert ended.code != 0
    assert "0x0000054B" in ended.err


@pytest.mark.parametrize(("pattern", "found"), [("msomsdksvc/HYDRA", True), ("*/hydra", True), ("x/hydra", False)])
def test_who_has_a_name(host: WindowsHost, pattern: str, found: bool) -> None:
    ended = run(host, f"setspn -Q {pattern}")
    assert ended.lines[0] == "Checking domain DC=odyssey,DC=com"
    assert ("CN=svc-sdk,CN=Users,DC=odyssey,DC=com" in ended.lines) == found


@pytest.mark.parametrize("order", ["-A MSOMSdkSvc/x HYDRA", "-S MSOMSdkSvc/x HYDRA", "-D MSOMHSvc/HYDRA HYDRA"])
def test_nobody_here_may_change_names(host: WindowsHost, order: str) -> None:
    assert host.directory
    before = host.directory.dump()
    ended = run(host, f"setspn {order}")
    assert ended.code != 0
    assert "0x2098/8344" in ended.err
    assert host.directory.dump() == before


def test_windows_server_2003_does_not_have_it() -> None:
    assert run(make_host("2003"), "setspn -L hydra").code != 0


def sdk_names(lab: Lab) -> dict[str, list[str]]:
    names = {account.name: [spn for spn in account.spns if "Sdk" in spn] for account in lab.domain.accounts()}
    return {account: spns for account, spns in names.items() if spns}


def test_a_service_that_is_the_computer_registers_its_names_and_a_snapshot_takes_them_back() -> None:
    with Lab("odyssey", network="127.48") as lab:
        names = ["MSOMSdkSvc/HYDRA", "MSOMSdkSvc/hydra.odyssey.com"]
        assert sdk_names(lab) == {"HYDRA": names}
        assert "MSOMHSvc/JUPITER" in lab.dump()["principal_names"]["JUPITER"]
        kept = Snapshot(lab)
        lab.domain.delete("HYDRA", names[0])
        lab.hosts["hydra"].services.stop("OMSDK")
        lab.settle()
        lab.hosts["hydra"].services.start("OMSDK")
        lab.settle()
        assert sorted(sdk_names(lab)["HYDRA"]) == names
        lab.domain.delete("HYDRA", names[1])
        kept.restore()
        assert sdk_names(lab) == {"HYDRA": names}


def test_a_service_with_a_domain_account_registers_nothing_and_says_so() -> None:
    settings = {"defaults": {"settings": {"sdk_account": SERVICE_ACCOUNT}}}
    with Lab("odyssey", network="127.48", overrides=settings) as lab:
        assert sdk_names(lab) == {"svc-sdk": ["MSOMSdkSvc/HYDRA", "MSOMSdkSvc/hydra.odyssey.com"]}
        assert 26371 in [event["id"] for event in lab.hosts["hydra"].event_log]
        assert lab.hosts["hydra"].services["OMSDK"].account == SERVICE_ACCOUNT


def test_the_names_of_a_clustered_root_are_the_virtual_server_s() -> None:
    lab = Lab(load_topology("odyssey-cluster", network="127.48"))
    try:
        assert sdk_names(lab) == {"svc-sdk": ["MSOMSdkSvc/RMSVS", "MSOMSdkSvc/rmsvs.odyssey.com"]}
        assert "MSOMHSvc/RMSVS" in lab.dump()["principal_names"]["RMSVS"]
    finally:
        lab.stop()
