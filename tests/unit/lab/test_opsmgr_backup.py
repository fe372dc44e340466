# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SecureStorageBackup.exe, right and wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from unit.lab.opsmgr_prompt import (
    DIRECTORY,
    PASSWORD,
    carry_key,
    finish,
    group_of,
    provide_tools,
    quick_lab,
    run,
    settings,
    start,
    states,
)

from lab.faults import Fault
from lab.lab import Lab
from lab.opsmgr.key import KeyBackup, backup_version, new_key, pack_backup, unpack_backup

BACKUP = "SecureStorageBackup Backup C:\\key.bin"
RESTORE = "SecureStorageBackup Restore C:\\key.bin"
TWICE = f"{PASSWORD}\r{PASSWORD}\r"
ONCE = f"{PASSWORD}\r"
QUESTION = "Please enter the password to use for storage/retrieval: "


@pytest.fixture
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """odyssey with the tools in place; a parameter is a topology's overrides."""
    with quick_lab(**getattr(request, "param", {})) as made:
        provide_tools(made, "hydra", "deathsting")
        yield made


def with_settings(*values: dict[str, Any]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("lab", [settings(**value) for value in values], indirect=True, ids=str)


def test_the_media_has_the_tools_and_the_install_directory_has_not() -> None:
    with quick_lab() as lab:
        fs = lab.hosts["hydra"].fs
        for architecture in ("i386", "amd64", "ia64"):
            assert fs.exists(f"D:\\SupportTools\\{architecture}\\SecureStorageBackup.exe")
            assert fs.exists(f"D:\\SupportTools\\{architecture}\\ManagementServerConfigTool.exe")
        assert fs.exists(DIRECTORY + "\\HealthService.exe")
        assert not fs.exists(DIRECTORY + "\\SecureStorageBackup.exe")


@with_settings({}, {"tool_reads": "getch"}, {"tool_reads": "readline"}, {"prompts": "pieces"}, {"prompts": "at_end"})
def test_a_backup_holds_the_key_of_the_group(lab: Lab) -> None:
    ended = run(lab, "hydra", BACKUP, TWICE)
    assert (ended.exit_code, ended.err) == (0, "")
    assert QUESTION in ended.out
    assert "re-enter" in ended.out
    assert PASSWORD not in ended.out
    data = lab.hosts["hydra"].fs.read("C:\\key.bin")
    assert unpack_backup(data, PASSWORD) == KeyBackup(lab.groups["ODYSSEY"].key, "ODYSSEY", "6.0.6278.0")


def test_a_restored_key_opens_the_group_s_secrets(lab: Lab) -> None:
    assert group_of(lab)["key"] == {"hydra": "right", "deathsting": "none", "jupiter": "none"}
    carry_key(lab, "hydra", "deathsting")
    assert group_of(lab)["key"] == {"hydra": "right", "deathsting": "right", "jupiter": "none"}
    assert all(group_of(lab)["run_as"]["deathsting"].values())


def test_questions_wait_for_their_answers_and_have_no_line_end(lab: Lab) -> None:
    command = start(lab, "hydra", BACKUP)
    assert command.read(5).stdout.decode() == QUESTION
    command.feed(ONCE.encode(), False)
    seen = command.read(5).stdout.decode()
    while "re-enter" not in seen:
        seen += command.read(5).stdout.decode()
    assert not seen.endswith("\n")
    command.feed(ONCE.encode(), False)
    assert finish(command).exit_code == 0


@with_settings({"prompts": {"SecureStorageBackup": "pieces"}})
def test_a_question_in_pieces(lab: Lab) -> None:
    chunks = run(lab, "hydra", BACKUP, TWICE).chunks
    assert QUESTION in "".join(chunks)
    assert not any(QUESTION in chunk for chunk in chunks)


@with_settings({"prompts": "at_end"})
def test_questions_that_come_at_the_end_only(lab: Lab) -> None:
    command = start(lab, "hydra", BACKUP)
    assert command.read(0.2).stdout == b""
    command.feed(TWICE.encode(), False)
    assert QUESTION in finish(command).out


@with_settings({"tool_language": "de"})
def test_another_language(lab: Lab) -> None:
    assert "Geben Sie das Kennwort für die Speicherung" in run(lab, "hydra", BACKUP, TWICE).out


@with_settings({"texts": {"password": "Password, please> "}, "password_echo": "*"})
def test_other_words_and_stars(lab: Lab) -> None:
    assert "Password, please> *************\r\n" in run(lab, "hydra", BACKUP, TWICE).out


def test_backspace_takes_a_key_back(lab: Lab) -> None:
    run(lab, "hydra", BACKUP, f"{PASSWORD}x\b\r{PASSWORD}\r")
    assert unpack_backup(lab.hosts["hydra"].fs.read("C:\\key.bin"), PASSWORD).group == "ODYSSEY"


def test_a_tool_that_reads_keys_breaks_on_a_pipe(lab: Lab) -> None:
    ended = run(lab, "hydra", BACKUP, TWICE, console=False)
    assert ended.exit_code == 3762507597
    assert "Unhandled Exception: System.InvalidOperationException: Cannot read keys" in ended.err
    assert not lab.hosts["hydra"].fs.exists("C:\\key.bin")


@with_settings({"tool_reads": "readline"})
def test_a_tool_that_reads_lines_works_on_a_pipe(lab: Lab) -> None:
    assert run(lab, "hydra", BACKUP, TWICE.replace("\r", "\r\n"), console=False).exit_code == 0


@with_settings({"tool_reads": "getch"})
def test_a_tool_that_reads_the_console_waits_for_ever_on_a_pipe(lab: Lab) -> None:
    command = start(lab, "hydra", BACKUP, console=False)
    command.feed(TWICE.encode(), True)
    assert not command.wait(0.3)
    command.terminate("terminate")
    assert command.wait(5)


@with_settings({}, {"tool_reads": "getch"}, {"tool_reads": "readline"})
def test_on_a_console_the_line_feed_answers_the_second_question(lab: Lab) -> None:
    ended = run(lab, "hydra", BACKUP, TWICE.replace("\r", "\r\n"))
    assert ended.exit_code == 1
    assert "do not match" in ended.out


@with_settings({"console_crlf": "one"})
def test_unless_the_server_makes_one_enter_of_both(lab: Lab) -> None:
    assert run(lab, "hydra", BACKUP, TWICE.replace("\r", "\r\n")).exit_code == 0


WRONG = [
    ("hydra", BACKUP, "short\rshort\r", "at least 8 characters"),
    ("hydra", BACKUP, f"{PASSWORD}\r{PASSWORD}!\r", "do not match"),
    ("hydra", "SecureStorageBackup Backup X:\\key.bin", TWICE, "Could not find file 'X:\\key.bin'"),
    ("hydra", "SecureStorageBackup Restore C:\\nothing.bin", ONCE, "Could not find file 'C:\\nothing.bin'"),
    ("deathsting", BACKUP, TWICE, "no encryption keys on this computer"),
    ("hydra", "SecureStorageBackup Frobnicate C:\\key.bin", "", "Usage: SecureStorageBackup.exe"),
    ("hydra", "SecureStorageBackup Backup", "", "Usage: SecureStorageBackup.exe"),
    ("hydra", "SecureStorageBackup", "", "Usage: SecureStorageBackup.exe"),
]


def test_what_is_wrong_is_said_and_changes_nothing(lab: Lab) -> None:
    before = lab.dump()
    for host, line, typed, words in WRONG:
        ended = run(lab, host, line, typed)
        assert (ended.exit_code, words in ended.out) == (1, True), (line, ended)
    assert lab.dump() == before


@with_settings({"tool_exit_codes": "always_zero"})
def test_exit_codes_may_be_worth_nothing(lab: Lab) -> None:
    ended = run(lab, "hydra", BACKUP, "short\rshort\r")
    assert ended.exit_code == 0
    assert "at least 8 characters" in ended.out


def test_a_tool_that_is_elsewhere_or_run_from_elsewhere_misses_its_libraries(lab: Lab) -> None:
    for line, cwd in (
        (BACKUP, "D:\\SupportTools\\amd64"),
        (f'"{DIRECTORY}\\SecureStorageBackup.exe" Backup C:\\key.bin', "C:\\"),
        ("D:\\SupportTools\\amd64\\SecureStorageBackup.exe Backup C:\\key.bin", DIRECTORY),
    ):
        ended = run(lab, "hydra", line, TWICE, cwd=cwd)
        assert ended.exit_code, line
        assert "is not registered" in ended.err, line
    assert not lab.hosts["hydra"].fs.exists("C:\\key.bin")


def test_a_fault_strikes_the_tool_at_its_start(lab: Lab) -> None:
    lab.faults.add(Fault("hydra", "command", "securestoragebackup", "fail", code=9, text="boom"))
    ended = run(lab, "hydra", BACKUP, TWICE)
    assert (ended.exit_code, ended.err.strip()) == (9, "boom")
    assert run(lab, "hydra", BACKUP, TWICE).exit_code == 0


def test_only_administrators_may_run_it(lab: Lab) -> None:
    ended = run(lab, "hydra", BACKUP, TWICE, is_admin=False)
    assert ended.exit_code == 1
    assert "Administrators group" in ended.out


def test_an_existing_file_is_overwritten(lab: Lab) -> None:
    lab.hosts["hydra"].fs.write("C:\\key.bin", b"old")
    assert run(lab, "hydra", BACKUP, TWICE).exit_code == 0
    assert lab.hosts["hydra"].fs.read("C:\\key.bin") != b"old"


@pytest.mark.parametrize(
    ("data", "typed", "words"),
    [
        (b"garbage", ONCE, "not a valid backup"),
        (
            pack_backup(KeyBackup(new_key(), "ODYSSEY", "6.0.6278.0"), PASSWORD),
            "another one\r",
            "password is not correct",
        ),
        (pack_backup(KeyBackup(new_key(), "ODYSSEY", "6.0.5000.0"), PASSWORD), ONCE, "created by version 6.0.5000.0"),
    ],
)
def test_a_backup_that_cannot_be_restored_leaves_the_key_as_it_was(
    lab: Lab, data: bytes, typed: str, words: str
) -> None:
    lab.hosts["deathsting"].fs.write("C:\\key.bin", data)
    ended = run(lab, "deathsting", RESTORE, typed)
    assert ended.exit_code == 1
    assert words in ended.out
    assert lab.installation("deathsting").key is None


@with_settings({"restore_asks_twice": True}, {"restore_asks_twice": {"SecureStorageBackup": True}})
def test_a_restore_may_want_the_password_repeated(lab: Lab) -> None:
    assert run(lab, "hydra", BACKUP, TWICE).exit_code == 0
    wrong = run(lab, "hydra", RESTORE, f"{PASSWORD}\rsomething else\r")
    assert (wrong.exit_code, "do not match" in wrong.out) == (1, True)
    right = run(lab, "hydra", RESTORE, TWICE)
    assert (right.exit_code, "re-enter" in right.out) == (0, True)


def test_the_key_of_another_group_restores_and_the_sdk_service_finds_out(lab: Lab) -> None:
    lab.hosts["hydra"].fs.write("C:\\key.bin", pack_backup(KeyBackup(new_key(), "ILIAD", "6.0.6278.0"), PASSWORD))
    assert run(lab, "hydra", RESTORE, ONCE).exit_code == 0
    assert group_of(lab)["key"]["hydra"] == "wrong"
    assert states(lab, "hydra")["OMSDK"] == ("running", "auto")
    services = lab.hosts["hydra"].services
    services.stop("OMSDK")
    services.settle()
    services.start("OMSDK")
    assert states(lab, "hydra")["OMSDK"] == ("stopped", "auto")
    assert "cannot be decrypted" in lab.hosts["hydra"].event_log[-1]["message"]


def test_a_share_is_out_of_reach_without_delegation(lab: Lab) -> None:
    lab.hosts["jupiter"].fs.mkdir("C:\\backups")
    lab.hosts["jupiter"].fs.shares["backups"] = "C:\\backups"
    line = "SecureStorageBackup Backup \\\\jupiter\\backups\\key.bin"
    ended = run(lab, "hydra", line, TWICE)
    assert ended.exit_code == 1
    assert "Access to the path '\\\\jupiter\\backups\\key.bin' is denied" in ended.out
    assert run(lab, "hydra", line, TWICE, can_delegate=True).exit_code == 0
    assert backup_version(lab.hosts["jupiter"].fs.read("C:\\backups\\key.bin")) == "6.0.6278.0"


def test_an_rtm_key_restores_on_rtm() -> None:
    with quick_lab("odyssey-rtm") as lab:
        provide_tools(lab, "hydra", "deathsting")
        carry_key(lab, "hydra", "deathsting")
        assert group_of(lab)["key"]["deathsting"] == "right"


@pytest.mark.parametrize("topology", ["odyssey", "odyssey-r2"])
def test_where_the_console_is_setup_has_brought_the_tool_and_without_arguments_it_opens_a_window(topology: str) -> None:
    with quick_lab(topology, hosts={"hydra": {"roles": ["rms", "console"]}}) as lab:
        assert lab.hosts["hydra"].fs.exists(f"{DIRECTORY}\\SecureStorageBackup.exe")
        assert not lab.hosts["hydra"].fs.exists(f"{DIRECTORY}\\ManagementServerConfigTool.exe")
        command = start(lab, "hydra", "SecureStorageBackup")
        assert not command.wait(0.3)
        command.terminate("terminate")
        assert command.wait(5)
        assert run(lab, "hydra", BACKUP, TWICE).exit_code == 0


@pytest.mark.parametrize(("topology", "roles"), [("odyssey-r2", ["rms"]), ("odyssey-rtm", ["rms", "console"])])
def test_elsewhere_it_is_not_there_and_opens_no_window(topology: str, roles: list[str]) -> None:
    with quick_lab(topology, hosts={"hydra": {"roles": roles}}) as lab:
        assert not lab.hosts["hydra"].fs.exists(f"{DIRECTORY}\\SecureStorageBackup.exe")
        provide_tools(lab, "hydra")
        assert "Usage:" in run(lab, "hydra", "SecureStorageBackup").out


def test_a_console_alone_has_no_tool() -> None:
    with quick_lab() as lab:
        assert not lab.hosts["hermes"].fs.exists(f"{DIRECTORY}\\SecureStorageBackup.exe")


def test_the_hard_topology_works_too() -> None:
    with quick_lab("odyssey-hard") as lab:
        provide_tools(lab, "hydra")
        folder = lab.topology.hosts["hydra"].install_directory
        ended = run(lab, "hydra", BACKUP, "p%PATH%^&\"!' ü8\r" * 2, cwd=folder)
        assert ended.exit_code == 0
        assert unpack_backup(lab.hosts["hydra"].fs.read("C:\\key.bin"), "p%PATH%^&\"!' ü8").group == "ODYSSEY"
