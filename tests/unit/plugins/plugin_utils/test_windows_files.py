# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole files: read, and replaced so that whatever goes wrong leaves the file as it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

import pytest
from unit.plugins.plugin_utils.doubles import Clock, Ends, Script, ScriptedProtocol, answer_batch, fault
from unit.plugins.plugin_utils.recorded_server import encoded
from winrm.exceptions import WinRMTransportError

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.windows.files import (
    WindowsFiles,
    backup_path,
    path_problem,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.windows.host import WindowsHost, decode_certutil
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs import shell as winrs
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.faults import ConnectionLost
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.shell import SEND_BYTES, Shell

PATH = "C:\\Inet & pub\\Web.config"
STAGED = PATH + ".opsmgr-recovery"
BACKUP = PATH + ".20260322T031530Z.bak"
OLD = b"<configuration>hydra</configuration>"
NEW = b"<configuration>deathsting</configuration>"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(winrs, "time", clock)
    return clock


@dataclass
class Disk:
    """Files of a server as far as the commands of this module see them. `fails` are parts of commands that fail;
    `before` runs ahead of one.
    """

    clock: Clock
    files: dict[str, bytes] = field(default_factory=lambda: {PATH: OLD})
    attributes: str = "A  "
    fails: set[str] = field(default_factory=set)
    before: dict[str, Callable[[], object]] = field(default_factory=dict)
    arrived: bytes | None = None

    def __post_init__(self) -> None:
        self.protocol = ScriptedProtocol(self.respond, self.clock)
        self.windows = WindowsFiles(WindowsHost(Shell(self.protocol, "shell-1")), "edit it")

    def respond(self, command: str) -> Script:
        if "findstr" in command:
            return [Ends(0, encoded(NEW if self.arrived is None else self.arrived).encode())]
        if command.startswith("del "):
            self.delete(command)
        return [Ends(0, answer_batch(command, self.reply).encode())]

    def reply(self, command: str) -> tuple[bool, str]:
        for part in [part for part in self.before if part in command]:
            self.before.pop(part)()
        if any(part in command for part in self.fails):
            return False, "Access is denied.\r\n"
        known = {
            "attrib": self.attrib,
            "if exist": self.exists,
            "if not exist": self.back_up,
            "type nul": self.stage,
            "fc ": self.swap,
            "del ": self.delete,
        }
        return next(answer for beginning, answer in known.items() if command.startswith(beginning))(command)

    def attrib(self, command: str) -> tuple[bool, str]:
        return True, f"{self.attributes:<11}{PATH}\r\n" if PATH in self.files else f"File not found - {PATH}\r\n"

    def exists(self, command: str) -> tuple[bool, str]:
        path = command.split('"')[1]
        content = self.files.get(path)
        if content is None:
            return True, ""
        if command.endswith("echo taken"):
            return True, "taken\r\n"
        return bool(content), f"[size {len(content)}]\r\n{encoded(content) if 0 < len(content) <= 262144 else ''}"

    def back_up(self, command: str) -> tuple[bool, str]:
        self.files.setdefault(command.split('"')[1], self.files[PATH])
        return True, ""

    def stage(self, command: str) -> tuple[bool, str]:
        self.files[STAGED] = NEW
        return True, ""

    def swap(self, command: str) -> tuple[bool, str]:
        if self.files[PATH] != self.files[BACKUP] or "move" in self.fails:
            return False, ""
        self.files[PATH] = self.files.pop(STAGED)
        return True, ""

    def delete(self, command: str) -> tuple[bool, str]:
        for path in command.split('"')[1::2]:
            self.files.pop(path, None)
        return True, ""

    def replace(self) -> None:
        self.windows.replace_file(PATH, OLD, NEW, BACKUP)

    def refuses(self, words: str) -> None:
        """replace_file() says `words` and leaves the file, and nothing beside it."""
        with pytest.raises(OpsmgrError, match=words):
            self.replace()
        assert self.protocol.commands[-1].startswith("del /f /q")
        assert STAGED not in self.files


# --- Paths ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", [PATH, "d:\\x", "\\\\hermes\\c$\\Web.config", "C:\\Program Files (x86)\\ü\\a^b.config"]
)
def test_paths_that_can_be_used(path: str) -> None:
    assert path_problem(path) is None


@pytest.mark.parametrize(
    "path",
    [
        "",
        "Web.config",
        "\\Web.config",
        "C:Web.config",
        "C:\\",
        "C:\\folder\\",
        "C:/Web.config",
        "\\\\hermes\\c$",
        "\\\\hermes",
    ],
)
def test_paths_that_are_not_full(path: str) -> None:
    assert path_problem(path) == f"{path!r} is not the full path of a file"


@pytest.mark.parametrize("character", ["%", "*", "?", '"', "<", ">", "|", "\n", "\0"])
def test_characters_that_no_path_may_have(clock: Clock, character: str) -> None:
    disk = Disk(clock)
    with pytest.raises(OpsmgrError, match="with which it cannot be used"):
        disk.windows.read_file(f"C:\\a{character}b")
    assert disk.protocol.commands == []


def test_a_backup_has_the_time_in_utc() -> None:
    moment = datetime(2026, 3, 22, 5, 15, 30, tzinfo=timezone(timedelta(hours=2)))
    assert backup_path(PATH, moment) == BACKUP


# --- Reading ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attributes", "read_only"), [("A  ", False), ("", False), ("A  R", True), ("     R", True), ("A  SHR", True)]
)
def test_a_file_is_read_with_its_attribute(clock: Clock, attributes: str, read_only: bool) -> None:
    file = Disk(clock, attributes=attributes).windows.read_file(PATH)
    assert file is not None
    assert (file.content, file.read_only) == (OLD, read_only)


def test_a_missing_and_an_empty_file(clock: Clock) -> None:
    assert Disk(clock, files={}).windows.read_file(PATH) is None
    empty = Disk(clock, files={PATH: b""}).windows.read_file(PATH)
    assert empty is not None
    assert empty.content == b""


def test_a_large_file_is_not_fetched(clock: Clock) -> None:
    with pytest.raises(OpsmgrError, match="has 262145 bytes, which no configuration file has"):
        Disk(clock, files={PATH: bytes(262145)}).windows.read_file(PATH)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("Access is denied.\r\n", "could not be read: Access is denied"),
        ("[size 36]\r\nAccess is denied.\r\n", "could not be read: certutil's text is missing"),
        ("[size 35]\r\n" + encoded(OLD), "did not arrive whole"),
    ],
)
def test_a_file_that_cannot_be_read(clock: Clock, monkeypatch: pytest.MonkeyPatch, answer: str, words: str) -> None:
    disk = Disk(clock)
    monkeypatch.setattr(disk, "exists", lambda command: (True, answer))
    with pytest.raises(OpsmgrError, match=words):
        disk.windows.read_file(PATH)


# --- Replacing --------------------------------------------------------------------------------------------------------


def test_the_new_file_is_there_and_the_old_one_beside_it(clock: Clock) -> None:
    disk = Disk(clock)
    disk.replace()
    assert disk.files == {PATH: NEW, BACKUP: OLD}
    assert not any("deathsting" in command for command in disk.protocol.commands)


def test_content_travels_in_pieces_that_a_message_holds(clock: Clock) -> None:
    large = bytes(range(256)) * 800
    disk = Disk(clock, arrived=large)
    sent: list[tuple[int, bool]] = []
    send = disk.protocol.send_command_input

    def watched(shell_id: str, command_id: str, stdin_input: bytes, end: bool = False) -> None:
        sent.append((len(stdin_input), end))
        send(shell_id, command_id, stdin_input, end)

    disk.protocol.send_command_input = watched  # type: ignore[method-assign]
    WindowsHost(Shell(disk.protocol, "shell-1")).put_temporary("large", large)
    assert decode_certutil(disk.protocol.programs[0].typed.decode("ascii")) == large
    assert [end for _size, end in sent] == [False] * (len(sent) - 1) + [True]
    assert len(sent) > 1
    assert max(size for size, _end in sent) <= SEND_BYTES


def test_what_did_not_arrive_changes_nothing(clock: Clock) -> None:
    disk = Disk(clock, arrived=NEW[:-1])
    disk.refuses("the file that arrived is not the one that was sent")
    assert disk.files == {PATH: OLD}


def test_an_earlier_backup_is_never_overwritten(clock: Clock) -> None:
    disk = Disk(clock, files={PATH: OLD, BACKUP: b"an earlier one"})
    disk.refuses("there is a backup .* already")
    assert disk.files == {PATH: OLD, BACKUP: b"an earlier one"}


@pytest.mark.parametrize("command", ["if not exist", "type nul", "move"])
def test_what_cannot_be_written_leaves_the_file_as_it_was(clock: Clock, command: str) -> None:
    disk = Disk(clock, fails={command})
    disk.refuses("could not be (written|replaced)")
    assert disk.files == {PATH: OLD}


def test_a_file_that_became_read_only_is_left(clock: Clock) -> None:
    disk = Disk(clock, attributes="A  R")
    disk.refuses("has the attribute read-only")
    assert disk.files == {PATH: OLD}


@pytest.mark.parametrize("moment", ["if not exist", "fc "])
def test_a_file_that_was_changed_meanwhile_is_left_as_it_is_now(clock: Clock, moment: str) -> None:
    disk = Disk(clock)
    disk.before[moment] = lambda: disk.files.update({PATH: b"<theirs/>"})
    disk.refuses("was changed by someone else meanwhile")
    assert disk.files == {PATH: b"<theirs/>"}


def test_a_change_right_after_the_swap_keeps_the_backup(clock: Clock) -> None:
    disk = Disk(clock)
    swap = disk.swap

    def then_theirs(command: str) -> tuple[bool, str]:
        done = swap(command)
        disk.files[PATH] = b"<theirs/>"
        return done

    disk.swap = then_theirs  # type: ignore[method-assign]
    with pytest.raises(OpsmgrError, match="was replaced, and changed by someone else at once"):
        disk.replace()
    assert disk.files == {PATH: b"<theirs/>", BACKUP: OLD}


def test_a_lost_connection_is_what_the_user_sees(clock: Clock) -> None:
    disk = Disk(clock)
    disk.protocol.cleanup_error = fault(5)

    def lost() -> None:
        disk.protocol.start_error = WinRMTransportError("http", 500, "gone")
        raise ConnectionLost("gone")

    disk.before["fc "] = lost
    with pytest.raises(ConnectionLost, match="gone"):
        disk.replace()
    assert disk.files[PATH] == OLD
