# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which names are those of former RMSs, and which instance of Reporting Services is meant."""

from __future__ import annotations

from typing import Any

import pytest
from unit.plugins.plugin_utils.doubles import Clock, Ends, ScriptedProtocol, answer_batch

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.actions.repoint import (
    REPORTING_KEY,
    check_names,
    former_names,
    look,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.actions.reporting import (
    choose_instance,
    service_of,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.windows.host import WindowsHost
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs import shell as winrs
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.shell import Shell

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


NO_NAMES = [
    "",
    ".odyssey.com",
    "deathsting..com",
    "deathsting.odyssey.com.",
    "-a.odyssey.com",
    "a-.odyssey.com",
    "a b.com",
    'a".com',
    "a<b>.com",
    "a&b.com",
    "a.com\n",
    "\\\\a.com",
    "10.1.2.3",
    "x" * 64 + ".com",
    "\u00e4" * 32 + ".com",
    ".".join(["x" * 60] * 5),
    "\ud800.com",
]


@pytest.mark.parametrize(
    ("rms", "former"),
    [
        ("deathsting", []),
        ("deathsting", ["deathsting"]),
        (RMS, ["hydra", "hy dra"]),
        *((name, []) for name in NO_NAMES),
        *((RMS, [name]) for name in NO_NAMES),
    ],
)
def test_names_that_no_server_has(rms: str, former: list[str]) -> None:
    with pytest.raises(OpsmgrError, match="is not usable as a server's name"):
        check_names("edit it", arguments(former, rms))


@pytest.mark.parametrize(
    "name", ["a.b", "DEATH_STING.odyssey.com", "h\u00f6hle.odyssey.com", "1.odyssey.com", "x" * 63 + ".com"]
)
def test_names_that_a_server_may_have(name: str) -> None:
    check_names("edit it", arguments([name, "hydra"], name))


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
def test_the_instance_that_is_meant(
    instances: list[str], wanted: str | None, registered: str | None, expected: str
) -> None:
    assert choose_instance("edit it", instances, wanted, registered) == expected


@pytest.mark.parametrize(
    ("instances", "wanted", "registered", "words"),
    [
        ([], None, None, "not exactly one instance of Reporting Services here; the registry lists: none"),
        (
            TWO,
            None,
            None,
            "not exactly one instance of Reporting Services here; the registry lists: MSSQLSERVER, OPSMGR",
        ),
        (TWO, "OTHER", "ARGUS", "no instance OTHER"),
        (["OPSMGR"], None, "ARGUS", "no instance ARGUS"),
        (TWO, None, "ARGUS\\OTHER", r"no instance ARGUS\\OTHER"),
        (["A&B"], None, None, "is not a name of an instance"),
    ],
)
def test_an_instance_that_cannot_be_told(
    instances: list[str], wanted: str | None, registered: str | None, words: str
) -> None:
    with pytest.raises(OpsmgrError, match=words):
        choose_instance("edit it", instances, wanted, registered)


def test_the_service_of_an_instance() -> None:
    assert service_of("MSSQLSERVER") == "ReportServer"
    assert service_of("OPSMGR") == "ReportServer$OPSMGR"


# --- The registry -----------------------------------------------------------------------------------------------------


def host(monkeypatch: pytest.MonkeyPatch, **answers: str) -> tuple[WindowsHost, ScriptedProtocol]:
    """A host that answers a question with the text given for a word of it."""
    clock = Clock()
    monkeypatch.setattr(winrs, "time", clock)

    def reply(command: str) -> tuple[bool, str]:
        return True, next((text for word, text in answers.items() if word in command), "")

    protocol = ScriptedProtocol(lambda command: [Ends(0, answer_batch(command, reply).encode())], clock)
    return WindowsHost(Shell(protocol, "shell-1")), protocol


FULL_KEY = REPORTING_KEY.replace("HKLM", "HKEY_LOCAL_MACHINE")
STORED = f"\r\n{FULL_KEY}\r\n    DefaultSDKServiceMachine    REG_SZ    {RMS}\r\n\r\n"


def test_values_below_the_key_are_not_those_of_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    windows, _protocol = host(
        monkeypatch, Reporting=f"{STORED}{FULL_KEY}\\Below\r\n    SRSInstance    REG_SZ    OTHER\r\n"
    )
    assert look(windows, "edit it", {"reporting": REPORTING_KEY}) == {"reporting": {"defaultsdkservicemachine": RMS}}


def test_a_value_is_set_and_read_back(monkeypatch: pytest.MonkeyPatch) -> None:
    windows, protocol = host(monkeypatch, query=STORED)
    windows.set_registry_text(REPORTING_KEY, "DefaultSDKServiceMachine", RMS, "edit it")
    assert f'/v "DefaultSDKServiceMachine" /t REG_SZ /d "{RMS}" /f' in protocol.commands[0]


@pytest.mark.parametrize("stored", ["", STORED.replace(RMS, "hydra.odyssey.com")])
def test_a_value_that_is_not_there_afterwards(monkeypatch: pytest.MonkeyPatch, stored: str) -> None:
    windows, _protocol = host(monkeypatch, query=stored, add="ERROR: Access is denied.\r\n")
    with pytest.raises(
        OpsmgrError,
        match=r"DefaultSDKServiceMachine in the registry key .* could not be written: ERROR: Access is denied",
    ):
        windows.set_registry_text(REPORTING_KEY, "DefaultSDKServiceMachine", RMS, "edit it")
