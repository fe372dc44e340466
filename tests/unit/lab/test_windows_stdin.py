# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DOMAIN.md's table of line ends, cell by cell: a program asks for a password twice."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from unit.lab.windows_prompt import finish, make_host, run, start

from lab.windows.host import WindowsHost
from lab.windows.lifeline import Killed, Lifeline
from lab.windows.process import Process, RunningCommand
from lab.windows.stdin import Stdin

WORKS, DIFFERENT, HANGS, EXCEPTION = "works", "do not match", "hangs", "exception"
CR, CRLF, LF = b"\r", b"\r\n", b"\n"

TABLE = [
    # reads with   a console                                    a pipe
    #              CR           CR LF             LF            CR LF             LF                CR
    ("read_key", {CR: WORKS, CRLF: DIFFERENT, LF: WORKS}, {CRLF: EXCEPTION, LF: EXCEPTION, CR: EXCEPTION}),
    ("getch", {CR: WORKS, CRLF: DIFFERENT, LF: HANGS}, {CRLF: HANGS, LF: HANGS, CR: HANGS}),
    ("read_line", {CR: WORKS, CRLF: DIFFERENT, LF: HANGS}, {CRLF: WORKS, LF: WORKS, CR: HANGS}),
]
CELLS = [
    pytest.param(reader, console, line_end, expected, id=f"{reader} {'console' if console else 'pipe'} {line_end!r}")
    for reader, on_console, on_pipe in TABLE
    for console, cells in ((True, on_console), (False, on_pipe))
    for line_end, expected in cells.items()
]


def keys(read: Callable[[], str]) -> str:
    """What is typed up to Enter."""
    password = ""
    while (key := read()) != "\r":
        password += key
    return password


def asks_twice(process: Process) -> int:
    """A tool such as SecureStorageBackup; its first argument says how it reads."""
    stdin = process.stdin
    reader = process.argv[1]
    answers: list[str | None] = []
    for prompt in ("Password: ", "Again: "):
        process.out(prompt)
        answers.append(stdin.read_line() if reader == "read_line" else keys(getattr(stdin, reader)))
    process.out("\r\nsame\r\n" if answers[0] == answers[1] == "secret12" else f"\r\ndo not match {answers}\r\n")
    return 0 if answers[0] == answers[1] else 1


@pytest.fixture(name="host")
def host_with_tool() -> WindowsHost:
    host = make_host()
    host.install_program("C:\\tool.exe", asks_twice, b"MZ tool")
    return host


def in_pieces(data: bytes, size: int) -> list[bytes]:
    return [data[position : position + size] for position in range(0, len(data), size)]


def outcome(command: RunningCommand, expected: str) -> str:
    ended = finish(command, 0.15 if expected == HANGS else 10)
    if ended.code is None:
        command.terminate("terminate")
        return HANGS
    if "InvalidOperationException" in ended.err:
        return EXCEPTION
    return WORKS if "same" in ended.out else DIFFERENT


@pytest.mark.parametrize("size", [1, 5, 100])
@pytest.mark.parametrize(("reader", "console", "line_end", "expected"), CELLS)
def test_every_cell_of_the_table(
    host: WindowsHost, reader: str, console: bool, line_end: bytes, expected: str, size: int
) -> None:
    command = start(host, f"C:\\tool.exe {reader}", console=console)
    for piece in in_pieces((b"secret12" + line_end) * 2, size):
        command.feed(piece, False)
    assert outcome(command, expected) == expected


@pytest.mark.parametrize(("reader", "console", "line_end", "expected"), CELLS)
def test_end_of_input_changes_only_a_line_reader_on_a_pipe(
    host: WindowsHost, reader: str, console: bool, line_end: bytes, expected: str
) -> None:
    command = start(host, f"C:\\tool.exe {reader}", console=console)
    command.feed((b"secret12" + line_end) * 2, True)
    hanging_pipe_line = reader == "read_line" and not console and line_end == CR
    assert outcome(command, expected) == (DIFFERENT if hanging_pipe_line else expected)


@pytest.mark.parametrize("reader", ["read_key", "getch", "read_line"])
@pytest.mark.parametrize("size", [1, 9, 100])
def test_a_server_that_makes_one_enter_of_cr_lf(host: WindowsHost, reader: str, size: int) -> None:
    host.settings["console_crlf"] = "one"
    command = start(host, f"C:\\tool.exe {reader}", console=True)
    for piece in in_pieces(b"secret12\r\nsecret12\r\n", size):
        command.feed(piece)
    assert outcome(command, WORKS) == WORKS


@pytest.mark.parametrize("reader", ["getch", "read_line"])
def test_lf_as_first_character_of_the_next_answer(host: WindowsHost, reader: str) -> None:
    host.settings["console_crlf"] = "character"
    command = start(host, f"C:\\tool.exe {reader}", console=True)
    command.feed(b"secret12\r\nsecret12\r\n")
    assert outcome(command, DIFFERENT) == DIFFERENT


def test_answers_after_the_prompts(host: WindowsHost) -> None:
    command = start(host, "C:\\tool.exe read_key", console=True)
    assert command.read(5).stdout == b"Password: "
    assert command.reading_program() == "tool"
    command.feed(b"secret12\r")
    assert command.read(5).stdout == b"Again: "
    command.feed(b"secret12\r")
    assert finish(command).out == "\r\nsame\r\n"
    assert command.reading_program() == ""


def test_a_console_is_given_only_when_asked_for_and_when_the_host_gives_one(host: WindowsHost) -> None:
    def kind(process: Process) -> int:
        process.out("console" if process.stdin.console else "pipe")
        return 0

    host.install_program("C:\\kind.exe", kind, b"MZ kind")
    assert run(host, "C:\\kind.exe", console=True).out == "console"
    assert run(host, "C:\\kind.exe", console=False).out == "pipe"
    host.settings["console_mode"] = "pipe"
    assert run(host, "C:\\kind.exe", console=True).out == "pipe"


PROBE = "set /p opsmgr_a=& set /p opsmgr_b=& set opsmgr_"


@pytest.mark.parametrize(
    ("mode", "crlf", "line_end", "expected"),
    [
        ("console", "two", CR, "opsmgr_a=x\r\nopsmgr_b=y\r\n"),
        ("console", "two", CRLF, "opsmgr_a=x\r\n"),
        ("console", "one", CRLF, "opsmgr_a=x\r\nopsmgr_b=y\r\n"),
        ("pipe", "two", CRLF, "opsmgr_a=x\r\nopsmgr_b=y\r\n"),
        ("pipe", "two", LF, "opsmgr_a=x\r\nopsmgr_b=y\r\n"),
        ("pipe", "two", CR, "opsmgr_a=x\ry\r\n"),
    ],
)
def test_a_harmless_conversation_tells_what_the_host_gives(
    mode: str, crlf: str, line_end: bytes, expected: str
) -> None:
    host = make_host()
    host.settings.update(console_mode=mode, console_crlf=crlf)
    assert run(host, PROBE, b"x" + line_end + b"y" + line_end, console=True).out == expected


def test_set_p_leaves_the_variable_alone_at_the_end_of_a_pipe() -> None:
    ended = run(make_host(), "set opsmgr_=old& set /p opsmgr_=Question: & set opsmgr_", b"")
    assert (ended.out, ended.err) == ("Question: opsmgr_=old\r\n", "")
    assert run(make_host(), "set /p a=Question:", b"").code == 1


def test_two_programs_share_one_input() -> None:
    host = make_host()
    assert run(host, 'set /p a=& findstr "^"', b"first\r\nsecond\r\nthird").out == "second\r\nthird\r\n"


def test_ctrl_z_ends_what_reads_a_console_to_its_end() -> None:
    assert run(make_host(), 'findstr "^"', b"one\rtwo\r\x1a\r", console=True).out == "one\r\ntwo\r\n"


def test_passwords_in_the_code_page_of_the_shell(host: WindowsHost) -> None:
    for codepage, encoding in ((437, "cp437"), (850, "cp850"), (65001, "utf-8")):
        typed = "grün ß\r".encode(encoding)
        assert run(host, "set /p a=& set a", typed, console=True, codepage=codepage).out.startswith("a=grün ß\r\n")


def test_a_blocked_reader_ends_when_its_program_is_killed() -> None:
    lifeline = Lifeline()
    stdin = Stdin(console=False).bound_to(lifeline)
    raised: list[bool] = []

    def read() -> None:
        with pytest.raises(Killed):
            stdin.read_line()
        raised.append(True)

    thread = threading.Thread(target=read)
    thread.start()
    lifeline.cut()
    thread.join(5)
    assert raised
