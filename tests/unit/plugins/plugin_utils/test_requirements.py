# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run does, and which libraries it therefore needs on the controller."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.actions.requirements import (
    InventoryHost,
    can_be_imported,
    requirement_problems,
)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, InventoryHost("argus")),
        (
            {"ansible_connection": "winrm", "ansible_winrm_transport": "ntlm"},
            InventoryHost("argus", "winrm", ("ntlm",)),
        ),
        ({"ansible_winrm_transport": ["kerberos", "ntlm"]}, InventoryHost("argus", None, ("kerberos", "ntlm"))),
        ({"ansible_winrm_transport": "kerberos, ntlm"}, InventoryHost("argus", None, ("kerberos", "ntlm"))),
        ({"ansible_user": "admin@ODYSSEY.COM"}, InventoryHost("argus", None, ("kerberos",))),
        (
            {"ansible_user": "admin@ODYSSEY.COM", "ansible_winrm_transport": "basic"},
            InventoryHost("argus", None, ("basic",)),
        ),
    ],
)
def test_how_a_host_is_connected_to(variables: dict[str, Any], expected: InventoryHost) -> None:
    assert InventoryHost.of("argus", variables) == expected


NTLM = InventoryHost("argus", "winrm", ("ntlm",))
KERBEROS = InventoryHost("hermes", "winrm", ("kerberos",))
TABLE: dict[str, tuple[list[InventoryHost], bool, set[str]]] = {
    "nothing is done": ([], False, set()),
    "a host with the default transport": ([InventoryHost("argus")], False, {"pywinrm"}),
    "hosts with two transports": ([NTLM, KERBEROS], False, {"pywinrm", "requests-ntlm", "pywinrm[kerberos]"}),
    "CredSSP": ([InventoryHost("argus", "winrm", ("credssp",))], False, {"pywinrm", "pywinrm[credssp]"}),
    "a transport that needs nothing more": ([InventoryHost("argus", "winrm", ("basic",))], False, {"pywinrm"}),
    "the database": ([], True, {"pyodbc"}),
}


@pytest.mark.parametrize("case", TABLE)
def test_what_is_done_says_what_is_needed(case: str) -> None:
    hosts, sql, packages = TABLE[case]
    assert requirement_problems(hosts, lambda module: True, sql=sql) == []
    problems = requirement_problems(hosts, lambda module: False, sql=sql)
    assert len(problems) == len(packages)
    for package in packages:
        assert any(f"Install the package {package} for" in problem for problem in problems)


def test_each_library_is_asked_for_once_and_says_for_whom() -> None:
    [problem] = requirement_problems([NTLM, KERBEROS], lambda module: module != "winrm.protocol")
    assert problem.startswith(
        "controller: preflight: the Python library winrm, which talks to argus, hermes, cannot be imported. Install"
    )
    many = [InventoryHost(f"console{number}") for number in range(30)]
    [problem] = requirement_problems(many, lambda module: False)
    assert "30 hosts" in problem


@pytest.mark.parametrize(
    ("connection", "wrong"),
    [(None, False), ("winrm", False), ("ansible.builtin.winrm", False), ("ssh", True), ("psrp", True)],
)
def test_a_host_is_connected_to_through_winrm(connection: str | None, wrong: bool) -> None:
    problems = requirement_problems([InventoryHost("argus", connection)], lambda module: True)
    assert [problem.startswith("argus: preflight: the connection plugin is") for problem in problems] == (
        [True] if wrong else []
    )


def test_a_library_that_is_there_and_does_not_work_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "built_for_another_python.py").write_text("raise ImportError('undefined symbol')", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    assert not can_be_imported("built_for_another_python")
    assert not can_be_imported("not_there_at_all")
    assert can_be_imported("json")
