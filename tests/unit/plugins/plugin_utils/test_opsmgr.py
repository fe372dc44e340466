# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read of an Operations Manager server, and its two tools."""

from __future__ import annotations

import contextlib
import re
from typing import Any

import pytest
from unit.plugins.plugin_utils.doubles import Clock, Ends, Hears, Script
from unit.plugins.plugin_utils.recorded_server import (
    AGAIN,
    ASK,
    FINGERPRINT,
    KEY,
    PASSWORD,
    WARNING,
    R,
    RecordedServer,
    fetched,
)

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.server import (
    CONFIG_TOOL,
    CONFIRMATION_PROMPT,
    PASSWORD_PROMPT,
    PROMOTION_PROMPT,
    KeyBackup,
    OpsMgrHost,
    parse_fingerprint,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.windows.host import COMMAND_LINE_LIMIT, WindowsHost
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs import shell as winrs
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.shell import PROBE, Shell


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(winrs, "time", clock)
    return clock


def opsmgr(server: RecordedServer, media: str | None = None) -> OpsMgrHost:
    return OpsMgrHost(WindowsHost(Shell(server.protocol, "shell-1")), media)


# --- observe ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("windows_2003", [False, True])
def test_an_rms(clock: Clock, windows_2003: bool) -> None:
    recorded = RecordedServer(clock, windows_2003=windows_2003)
    result = opsmgr(recorded).observe(probe=True, fingerprint=True).as_result()
    assert len(recorded.commands) == 1
    assert result == {
        "computer_name": "HYDRA",
        "administrator": True,
        "installed": True,
        "install_directory": "C:\\Program Files\\System Center Operations Manager 2007\\",
        "version": "6.1.7221.0",
        "product": "2007 R2",
        "unsupported": None,
        "management_group": "ODYSSEY",
        "is_rms": True,
        "reports_to": None,
        "console_rms": None,
        "database_server": "SQL01",
        "database_name": "OperationsManager",
        "clustered": False,
        "services": {name: {"state": "running", "start_mode": "auto"} for name in ("HealthService", "OMSDK", "OMCFG")},
        "tools": {"SecureStorageBackup.exe": True, "ManagementServerConfigTool.exe": True},
        "media": None,
        "key": {"present": True, "fingerprint": "sha256:" + FINGERPRINT},
        "promotion_running": False,
        "promotion": {"phase": "none", "running": False, "exit_code": None},
        "sdk_account": "LocalSystem",
        "principal_names": None,
    }


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"is_rms": False}, {"is_rms": False, "reports_to": "Hydra.Odyssey.com"}),
        ({"groups": ""}, {"is_rms": None, "management_group": None}),
        ({"installed": False}, {"installed": False, "install_directory": None, "version": None, "product": None}),
        ({"administrator": False}, {"administrator": False}),
        ({"fingerprint": None}, {"key": {"present": False, "fingerprint": None}}),
        ({"hashfile": False}, {"key": {"present": True, "fingerprint": None}}),
        (
            {"tools": ["SecureStorageBackup.exe"]},
            {"tools": {"SecureStorageBackup.exe": True, "ManagementServerConfigTool.exe": False}},
        ),
        ({"services": {"ClusSvc": ("running", "auto")}}, {"clustered": True}),
        ({"services": {"ClusSvc": ("stopped", "disabled")}}, {"clustered": False}),
        ({"promotion_running": [True]}, {"promotion_running": True}),
        ({"version": "6.0.5000.0"}, {"version": "6.0.5000.0", "product": "2007 RTM"}),
    ],
)
def test_what_differs_on_other_servers(clock: Clock, changes: dict[str, Any], expected: dict[str, Any]) -> None:
    result = opsmgr(RecordedServer(clock, **changes)).observe().as_result()
    assert {name: result[name] for name in expected} == expected


def test_the_names_in_the_directory_are_listed_on_the_way(clock: Clock) -> None:
    recorded = RecordedServer(clock, spns={"%COMPUTERNAME%": ["MSOMHSvc/HYDRA"]})
    result = opsmgr(recorded).observe(names_of=["deathsting"]).as_result()
    assert len(recorded.commands) == 1
    assert result["principal_names"] == {"HYDRA": ["MSOMHSvc/HYDRA"], "deathsting": None}


def test_no_list_of_servers_makes_the_command_too_long(clock: Clock) -> None:
    recorded = RecordedServer(clock)
    servers = [f"server-{number:08}" for number in range(20)]
    opsmgr(recorded).observe(probe=True, fingerprint=True, first=True, names_of=servers)
    assert max(map(len, recorded.commands)) < COMMAND_LINE_LIMIT


def test_the_group_is_the_key_below_and_not_one_of_its_parts(clock: Clock) -> None:
    above = R + "\\Server Management Groups"
    text = f"\r\n{above}\r\n    X    REG_SZ    y\r\n\r\n{above}\\Größe & Co\\Parent Health Services\r\n\r\n{above}\\Größe & Co\r\n"
    server = opsmgr(RecordedServer(clock, groups=text)).observe()
    assert (server.management_group, server.is_rms) == ("Größe & Co", False)


@pytest.mark.parametrize(
    ("architecture", "listed", "chosen"),
    [
        ("AMD64", [r"D:\SupportTools\amd64", r"D:\SupportTools\i386"], r"D:\SupportTools\amd64"),
        ("x86", [r"D:\SupportTools\amd64", r"D:\SupportTools\i386"], r"D:\SupportTools\i386"),
        ("AMD64", [r"D:\SupportTools\i386", r"E:\SupportTools"], r"E:\SupportTools"),
        ("AMD64", [r"D:\SupportTools\i386"], None),
        ("AMD64", [], None),
        ("AMD64", ['D:\\100"%"\\amd64'], r"D:\100%\amd64"),
    ],
)
def test_the_media_folder_for_this_processor(
    clock: Clock, architecture: str, listed: list[str], chosen: str | None
) -> None:
    assert opsmgr(RecordedServer(clock, architecture=architecture, media=listed)).observe().media == chosen


@pytest.mark.parametrize("data", ["", "no", "0x", "010"])
def test_a_role_that_is_no_number_tells_nothing(clock: Clock, data: str) -> None:
    recorded = RecordedServer(
        clock, groups=f"{R}\\Server Management Groups\\ODYSSEY\r\n    IsRootHealthService    REG_SZ    {data}\r\n"
    )
    with pytest.raises(
        OpsmgrError, match=f"IsRootHealthService in the registry key .*ODYSSEY is '{data}' and not a number"
    ):
        opsmgr(recorded).observe()


@pytest.mark.parametrize("media", [None, "D:\\" + "long folder name\\" * 12])
def test_everything_is_asked_in_a_line_that_cmd_takes(clock: Clock, media: str | None) -> None:
    recorded = RecordedServer(clock)
    opsmgr(recorded, media).observe(probe=True)
    assert recorded.commands[0].startswith(PROBE)
    # %TEMP% and %COMPUTERNAME% are longer when they are expanded.
    assert len(recorded.commands[0]) < COMMAND_LINE_LIMIT - 1000


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"administrator": False},
            "look: the account is not an administrator of this server. Use an account that is a member of its Administrators group.",
        ),
        ({"installed": False}, "look: Operations Manager is not installed here:"),
    ],
)
def test_require_server(clock: Clock, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(OpsmgrError) as caught:
        opsmgr(RecordedServer(clock, **changes)).require_server("look")
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize(
    ("text", "fingerprint"),
    [
        ("SHA256 hash of file x:\r\n" + "ab " * 31 + "ab\r\nCertUtil: ok", "sha256:" + "ab" * 32),
        ("SHA256-Hash der Datei x:\r\n" + "AB" * 32 + "\r\n", "sha256:" + "ab" * 32),
        ("ab" * 31, None),
        ("", None),
    ],
)
def test_parse_fingerprint(text: str, fingerprint: str | None) -> None:
    assert parse_fingerprint(text) == fingerprint


# --- SecureStorageBackup ----------------------------------------------------------------------------------------------


def back_up(recorded: RecordedServer) -> KeyBackup:
    host = opsmgr(recorded)
    return host.back_up_key(host.observe(), PASSWORD, (PASSWORD_PROMPT, CONFIRMATION_PROMPT))


@pytest.mark.parametrize("sha256", ["", None], ids=["with its hash", "Windows Server 2003 has no -hashfile"])
def test_the_key_file_comes_here(clock: Clock, sha256: str | None) -> None:
    recorded = RecordedServer(clock)
    recorded.backs_up(fetched(KEY, sha256=sha256))
    backup = back_up(recorded)
    assert backup.content == KEY
    assert backup.talk.transcript.endswith("Done.")
    assert PASSWORD not in repr(backup) + "".join(recorded.commands)
    assert recorded.commands[-1].startswith(
        'cd /d "C:\\Program Files\\System Center Operations Manager 2007\\"&& SecureStorageBackup.exe Backup "%TEMP%'
    )
    assert "del /f /q" in recorded.commands[-1]


@pytest.mark.parametrize(
    ("output", "found"),
    [
        ("", "wrote no backup file"),
        (fetched(KEY, size=0), "wrote an empty backup file"),
        (fetched(KEY, size=len(KEY) + 1), "the backup file that arrived is not the one it wrote"),
        (fetched(KEY, sha256="0" * 64), "the backup file that arrived is not the one it wrote"),
        (fetched(KEY)[:200], "certutil's text is missing or incomplete"),
    ],
)
def test_a_backup_that_did_not_arrive_whole_is_none(clock: Clock, output: str, found: str) -> None:
    recorded = RecordedServer(clock)
    recorded.backs_up(output, exit_code=1)
    with pytest.raises(OpsmgrError) as caught:
        back_up(recorded)
    assert found in str(caught.value)
    assert "it wrote: Please enter" in str(caught.value)
    assert "BEGIN CERTIFICATE" not in str(caught.value)


@pytest.mark.parametrize(
    ("script", "console", "sentence"),
    [
        (
            [b"The password is too short.", Ends(1)],
            True,
            "The password is too short. Compare what it wrote with the prompt options",
        ),
        ([b"InvalidOperationException", Ends(1)], False, "this server gives programs a pipe instead"),
    ],
)
def test_a_conversation_that_fails_names_tool_words_and_advice(
    clock: Clock, script: Script, console: bool, sentence: str
) -> None:
    recorded = RecordedServer(clock, console=console, scripts={'.exe Backup "': script})
    host = opsmgr(recorded)
    server = host.observe(probe=True)
    with pytest.raises(OpsmgrError) as caught:
        host.back_up_key(server, PASSWORD, (PASSWORD_PROMPT, CONFIRMATION_PROMPT))
    assert str(caught.value).startswith(
        "back up the key: SecureStorageBackup.exe: the program ended (exit code 1) before"
    )
    assert sentence in str(caught.value)
    assert recorded.commands[-1].startswith("del /f /q"), "nothing stays on the server"


RESTORED: Script = [ASK, Hears(PASSWORD.encode() + b"\r"), Ends(0, b"Done.")]


def test_restore_removes_its_file_whatever_happens(clock: Clock) -> None:
    for script in (RESTORED, [Ends(1)]):
        recorded = RecordedServer(clock, scripts={"Restore": list(script)})
        host = opsmgr(recorded)
        server = host.observe()
        with contextlib.suppress(OpsmgrError):
            host.restore_key(server, PASSWORD, (PASSWORD_PROMPT, CONFIRMATION_PROMPT), KEY, "sha256:" + "f" * 64)
        assert 'del /f /q "%TEMP%\\opsmgr-recovery-restore.key"' in recorded.commands[-1]


# --- ManagementServerConfigTool ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "script",
    [
        [Ends(0, b"Done.")],
        [b"Type Y to continue:", Hears(b"Y\r"), Ends()],
        [b"Are you sure (Y/N)?", Hears(b"Y\r"), Ends()],
    ],
)
def test_demote_whether_it_asks_or_not(clock: Clock, script: Script) -> None:
    recorded = RecordedServer(clock, scripts={"UpdateDemotedRMS": script})
    host = opsmgr(recorded)
    assert host.demote(host.observe(), r"(?i)type Y to continue|\(Y/N\)").exit_code == 0


def test_tools_are_copied_under_another_name_first(clock: Clock) -> None:
    recorded = RecordedServer(clock, media=[r"D:\R&D"])
    host = opsmgr(recorded)
    host.copy_tools(host.observe(), [CONFIG_TOOL])
    target = "C:\\Program Files\\System Center Operations Manager 2007\\ManagementServerConfigTool.exe"
    source = '"D:\\R&D\\ManagementServerConfigTool.exe"'
    assert (
        f'(copy /b /y {source} "{target}.new">nul&& fc /b {source} "{target}.new">nul&& move /y "{target}.new" "{target}">nul)'
        in recorded.commands[-1]
    )


def test_the_prompts_know_the_documented_wording() -> None:
    assert re.search(PASSWORD_PROMPT, ASK.decode())
    assert re.search(CONFIRMATION_PROMPT, AGAIN.decode())
    assert re.search(PROMOTION_PROMPT, WARNING.decode())
