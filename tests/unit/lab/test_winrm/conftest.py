# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A scripted host behind a real WinRM server, and the real clients to talk to it."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pypsrp.wsman import WSMan
from unit.lab.test_winrm.scripted_host import ScriptedHost
from winrm.protocol import Protocol

from lab.winrm.certificates import CertificateAuthority, make_ca
from lab.winrm.server import WinRMServer

USER, PASSWORD = "ODYSSEY\\administrator", "p%PATH%^&\"!' ü8:x"
_numbers = itertools.count(1)


def next_address() -> str:
    """A loopback address that no other test uses, whatever runs at the same time."""
    number = next(_numbers)
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return f"127.31.{worker * 8 + number // 250}.{number % 250 + 1}"


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    """The lab's certificate authority."""
    return make_ca(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def host() -> ScriptedHost:
    """hydra, with an administrator and a few scripts."""
    machine = ScriptedHost("hydra", next_address())
    machine.add_user(USER, PASSWORD)
    machine.scripts["ver"] = lambda command: command.out(b"Microsoft Windows [Version 6.1.7601]\r\n")
    machine.scripts["wait"] = lambda command: command.wait_for_end()
    return machine


@pytest.fixture
def server(host: ScriptedHost, authority: CertificateAuthority) -> Iterator[WinRMServer]:
    """The running WinRM server of hydra."""
    running = WinRMServer([host], authority)
    running.start()
    yield running
    running.stop()


@pytest.fixture
def protocol(host: ScriptedHost, server: WinRMServer, authority: CertificateAuthority) -> Callable[..., Protocol]:
    """Makes pywinrm's Protocol for hydra; ``transport`` is ntlm (over HTTP) or basic (over HTTPS)."""

    def connect(transport: Any = "ntlm", **options: Any) -> Protocol:
        scheme, port = ("https", 5986) if transport == "basic" else ("http", 5985)
        defaults = {"username": USER, "password": PASSWORD, "ca_trust_path": str(authority.ca_file)}
        return Protocol(f"{scheme}://{host.address}:{port}/wsman", transport=transport, **defaults | options)

    return connect


@pytest.fixture
def wsman(host: ScriptedHost, server: WinRMServer, authority: CertificateAuthority) -> Callable[..., WSMan]:
    """Makes pypsrp's WSMan for hydra."""

    def connect(auth: str, ssl: bool, **options: Any) -> WSMan:
        options["cert_validation"] = str(authority.ca_file)
        return WSMan(host.address, ssl=ssl, auth=auth, username=USER, password=PASSWORD, **options)

    return connect
