# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which names are those of former RMSs, and which instance of Reporting Services is meant."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.repoint import check_names, former_names
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.reporting import ReportingServices, choose_instance

RMS = "deathsting.odyssey.com"


def arguments(former: list[str] | None, rms: str = RMS) -> dict[str, Any]:
    return {"rms": rms, "former_rms": former}


@pytest.mark.parametrize(
    ("former", "registered", "expected"),
    [
        (["hydra.odyssey.com"], "zeus.odyssey.com", ["hydra.odyssey.com"]),
        (["hydra", "zeus.other.com"], None, ["hydra", "zeus.other.com", "hydra.odyssey.com"]),
        (["DeathSting.Odyssey.com", "hydra.odyssey.com"], None, ["hydra.odyssey.com"]),
        (None, "hydra.odyssey.com", ["hydra.odyssey.com"]),
        # Nothing known: then no other name is taken for a former RMS.
        ([], "hydra.odyssey.com", [RMS]),
        (None, None, [RMS]),
        (None, RMS.upper(), [RMS]),
        (None, "not a name", [RMS]),
    ],
)
def test_names_of_former_rmss(former: list[str] | None, registered: str | None, expected: list[str]) -> None:
    assert former_names(arguments(former), registered) == expected


@pytest.mark.parametrize(("rms", "former"), [("deathsting", []), ("10.1.2.3", []), ("", []), (RMS, ["hy dra"]), (RMS, ["hydra", ""])])
def test_names_that_no_server_has(rms: str, former: list[str]) -> None:
    with pytest.raises(OpsmgrError, match="is not usable as a server's name"):
        check_names("edit it", arguments(former, rms))


TWO = ["MSSQLSERVER", "OPSMGR"]


@pytest.mark.parametrize(
    ("instances", "wanted", "registered", "expected"),
    [
        (["MSSQLSERVER"], None, None, "MSSQLSERVER"),
        (["OPSMGR"], None, None, "OPSMGR"),
        (TWO, None, "ARGUS", "MSSQLSERVER"),
        (TWO, None, "ARGUS\\opsmgr", "OPSMGR"),
        (TWO, None, "opsmgr", "OPSMGR"),
        (TWO, "opsmgr", "ARGUS", "OPSMGR"),
        (TWO, "ARGUS\\OPSMGR", None, "OPSMGR"),
    ],
)
def test_the_instance_that_is_meant(instances: list[str], wanted: str | None, registered: str | None, expected: str) -> None:
    assert choose_instance("edit it", instances, wanted, registered) == expected


@pytest.mark.parametrize(
    ("instances", "wanted", "registered", "words"),
    [
        ([], None, None, "not exactly one instance of Reporting Services here; the registry lists: none"),
        (TWO, None, None, "not exactly one instance of Reporting Services here; the registry lists: MSSQLSERVER, OPSMGR"),
        (TWO, "OTHER", "ARGUS", "no instance OTHER"),
        (["OPSMGR"], None, "ARGUS", "no instance ARGUS"),
        (TWO, None, "ARGUS\\OTHER", r"no instance ARGUS\\OTHER"),
        (["A&B"], None, None, "is no name of an instance"),
    ],
)
def test_an_instance_that_cannot_be_told(instances: list[str], wanted: str | None, registered: str | None, words: str) -> None:
    with pytest.raises(OpsmgrError, match=words):
        choose_instance("edit it", instances, wanted, registered)


def test_the_service_of_an_instance() -> None:
    assert ReportingServices("MSSQLSERVER", "x").service == "ReportServer"
    assert ReportingServices("OPSMGR", "x").service == "ReportServer$OPSMGR"
