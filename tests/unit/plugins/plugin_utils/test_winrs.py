# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands and conversations over a pywinrm Protocol whose programs follow a script. No test sleeps."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import requests
from spnego.exceptions import BadMICError
from unit.plugins.plugin_utils.doubles import (
    Breaks,
    Clock,
    Ends,
    Errors,
    Happens,
    Hears,
    Owner,
    Script,
    ScriptedProtocol,
    Silence,
    fault,
)
from winrm.exceptions import InvalidCredentialsError, WinRMError, WinRMOperationTimeoutError, WinRMTransportError

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs import shell as winrs
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.conversation import (
    CommandReference,
    ConversationError,
    ConversationLost,
    Decision,
    EndedEarly,
    Exchange,
    HeldConversation,
    NeverEnded,
    PromptNeverCame,
    UnexpectedQuestion,
    converse,
    rejoin,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.faults import (
    AccountRefused,
    CommandTimeout,
    ConnectionLost,
    ShellFault,
    call_pywinrm,
    close_quietly,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.redaction import redact
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.shell import ConversationOptions, Shell

PASSWORD = "p%PATH%^&\"!' ü8"
TYPED = PASSWORD.encode()
ASK = rb"Please enter the password to use for storage/retrieval:"
AGAIN = rb"Please re-enter the password to use for storage/retrieval:"
WARNING = b'Type "Y" to continue'
ENTER = Exchange("enter the password.*:", PASSWORD, secret=True)
REPEAT = Exchange("re-enter the password.*:", PASSWORD, secret=True)
DECIDE = Exchange('Type "Y" to continue', "Y", decides=True)
CONSOLE = ConversationOptions(input_kind="console")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(winrs, "time", clock)
    return clock


class GSSError(Exception):
    """As the Kerberos libraries call it."""


class Desk:
    """A shell in which every command follows one script (or the next of several)."""

    def __init__(
        self, clock: Clock, *scripts: Script, options: ConversationOptions = CONSOLE, owned: bool = False
    ) -> None:
        self.clock = clock
        self.scripts = list(scripts)
        self.protocol = ScriptedProtocol(lambda _command: self.scripts.pop(0), clock)
        self.owner = Owner(self.protocol)
        self.traced: list[tuple[int, str]] = []
        self.shell = Shell(
            self.protocol,
            "shell-1",
            options,
            self.owner if owned else None,
            lambda verbosity, text: self.traced.append((verbosity, text)),
        )

    def converse(self, *exchanges: Exchange, then: str = "") -> HeldConversation:
        return converse(self.shell, "tool", exchanges, then)

    def fails(self, kind: type[ConversationError], *exchanges: Exchange) -> ConversationError:
        with pytest.raises(ConversationError) as caught:
            self.converse(*exchanges)
        assert caught.type is kind
        return caught.value

    @property
    def cleaned_up(self) -> list[bool]:
        """For each command whether nothing of it is left: one that has ended by itself goes with its shell at the
        latest.
        """
        return [program.cleaned_up or program.ended for program in self.protocol.programs]


# --- run --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "stdout", "stderr", "exit_code"),
    [
        pytest.param([Ends(0, b"hydra\r\n")], "hydra\r\n", "", 0, id="all at once"),
        pytest.param([b"hy", b"dra\r\n", Ends()], "hydra\r\n", "", 0, id="in pieces"),
        pytest.param([Silence(50), b"late", Ends()], "late", "", 0, id="silent for longer than one Receive"),
        pytest.param([b"out", Errors(b"wrong"), Ends(1)], "out", "wrong", 1, id="standard error apart"),
        pytest.param([Ends(4294967295)], "", "", 4294967295, id="-1 comes back unsigned"),
        pytest.param(
            [b"M\xc3", b"\xbcnchen ", b"\xe2\x82", b"\xac", Ends()],
            "München €",
            "",
            0,
            id="characters split between pieces",
        ),
        pytest.param([b"\x81", Ends()], "�", "", 0, id="what is no UTF-8 is replaced"),
    ],
)
def test_run_collects_what_a_command_writes(
    clock: Clock, script: Script, stdout: str, stderr: str, exit_code: int
) -> None:
    desk = Desk(clock, script)
    completed = desk.shell.run("hostname")
    assert (completed.stdout, completed.stderr, completed.exit_code) == (stdout, stderr, exit_code)
    assert desk.cleaned_up == [True]


def test_standard_input_is_a_pipe_that_is_closed_behind_the_text(clock: Clock) -> None:
    desk = Desk(clock, [Hears(b"line\r\n"), Ends()])
    desk.shell.run("findstr x", stdin=b"line\r\n")
    program = desk.protocol.programs[0]
    assert (program.console, program.input_ended, bytes(program.typed)) == (False, True, b"")


def test_a_command_that_does_not_end_is_terminated(clock: Clock) -> None:
    desk = Desk(clock, [b"so far", Silence(1000)])
    with pytest.raises(CommandTimeout, match="did not end within 60 seconds") as caught:
        desk.shell.run("hang", timeout_seconds=60)
    assert caught.value.output == "so far"
    assert desk.cleaned_up == [True]
    assert clock.now == 1060


@pytest.mark.parametrize(("of_connection", "expected"), [(20, [20, 20, 5]), (60, [20, 20, 5]), (5, [5] * 9)])
def test_a_receive_is_never_longer_than_the_connection_allows(
    clock: Clock, of_connection: int, expected: list[int]
) -> None:
    """ansible_winrm_read_timeout_sec is only a little more than ansible_winrm_operation_timeout_sec: a longer Receive
    would break off.
    """
    desk = Desk(clock, [Silence(1000)])
    desk.protocol.operation_timeout_sec = of_connection
    with pytest.raises(CommandTimeout):
        desk.shell.run("hang", timeout_seconds=45)
    assert desk.protocol.waits == expected
    assert desk.protocol.operation_timeout_sec == of_connection


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (fault(5, "Access is denied."), "Access is denied. (ERROR_ACCESS_DENIED 5)"),
        (fault(2150858843, "\n Not found. \n"), "Not found. (ERROR_WSMAN_INVALID_SELECTORS 2150858843)"),
        (fault(None, wmi=2150859174), "The reason. (ERROR_WSMAN_QUOTA_MAX_OPERATIONS 2150859174)"),
        (fault(99, "Odd."), "Odd. (WSMan fault 99)"),
        (fault(None, "Odd."), "Odd."),
    ],
)
def test_a_fault_becomes_a_sentence(clock: Clock, error: Exception, sentence: str) -> None:
    desk = Desk(clock, [Breaks(error)])
    with pytest.raises(ShellFault) as caught:
        desk.shell.run("hostname")
    assert str(caught.value) == sentence
    assert desk.cleaned_up == [True]


# Names and numbers of wsmerror.h and winerror.h, and whether a new shell can help.
CODES = [
    (5, "ERROR_ACCESS_DENIED", False),
    (2150858843, "ERROR_WSMAN_INVALID_SELECTORS", True),
    (2150859173, "ERROR_WSMAN_QUOTA_MAX_SHELLS", False),
    (2150859174, "ERROR_WSMAN_QUOTA_MAX_OPERATIONS", True),
    (2150859175, "ERROR_WSMAN_QUOTA_USER", False),
    (2150859176, "ERROR_WSMAN_QUOTA_SYSTEM", False),
    (2150859179, "ERROR_WSMAN_QUOTA_MAX_SHELLUSERS", False),
    (2150859180, "ERROR_WSMAN_REMOTESHELLS_NOT_ALLOWED", False),
    (2150859236, "ERROR_WSMAN_QUOTA_MAX_SHELLS_PPQ", False),
    (2150859237, "ERROR_WSMAN_QUOTA_MAX_USERS_PPQ", False),
    (2150859238, "ERROR_WSMAN_QUOTA_MAX_PLUGINSHELLS_PPQ", False),
    (2150859239, "ERROR_WSMAN_QUOTA_MAX_PLUGINOPERATIONS_PPQ", True),
    (2150859240, "ERROR_WSMAN_QUOTA_MAX_OPERATIONS_USER_PPQ", True),
    (2150859241, "ERROR_WSMAN_QUOTA_MAX_COMMANDS_PER_SHELL_PPQ", True),
    (2150859242, "ERROR_WSMAN_QUOTA_MIN_REQUIREMENT_NOT_AVAILABLE_PPQ", False),
    (2147943418, "ERROR_KEY_DELETED", True),
]


@pytest.mark.parametrize(("code", "name", "new_shell"), CODES)
def test_what_is_known_of_a_code(clock: Clock, code: int, name: str, new_shell: bool) -> None:
    known = ShellFault("The reason.", code)
    assert str(known) == f"The reason. ({name} {code})"
    assert known.what_to_do
    desk = Desk(clock, [b"HYDRA\r\n", Ends()], owned=True)
    desk.owner.on_renew = lambda: setattr(desk.protocol, "start_error", None)
    desk.protocol.start_error = fault(code)
    if new_shell:
        assert desk.shell.run("hostname").stdout == "HYDRA\r\n"
    else:
        with pytest.raises(ShellFault):
            desk.shell.run("hostname")
    assert desk.owner.renewed == int(new_shell)


@pytest.mark.parametrize("code", [2150859181, 2150859182, 0, None])
def test_of_what_is_no_quota_nothing_is_said(code: int | None) -> None:
    """2150859182 is ERROR_WSMAN_DEPRECATED_CONFIG_SETTING."""
    assert ShellFault("The reason.", code).what_to_do == ""


def test_a_second_fault_is_not_met_with_a_third_shell(clock: Clock) -> None:
    desk = Desk(clock, owned=True)
    desk.protocol.start_error = fault(2150859174)
    with pytest.raises(ShellFault):
        desk.shell.run("hostname")
    assert desk.owner.renewed == 1


@pytest.mark.parametrize(
    "error",
    [
        InvalidCredentialsError("the specified credentials were rejected by the server"),
        GSSError(("The referenced context has expired", 786432)),
    ],
)
def test_an_account_that_is_no_longer_let_in_is_tried_once_more_and_not_again(clock: Clock, error: Exception) -> None:
    desk = Desk(clock, [Breaks(error)], [Breaks(error)], [Ends()], owned=True)
    with pytest.raises(AccountRefused) as caught:
        desk.shell.read("hostname")
    assert len(desk.protocol.commands) == 2
    assert "account" in caught.value.what_to_do


def test_a_logon_that_was_only_lost_goes_on(clock: Clock) -> None:
    rejected = InvalidCredentialsError("the specified credentials were rejected by the server")
    desk = Desk(clock, [Breaks(rejected)], [b"HYDRA", Ends()], owned=True)
    assert desk.shell.read("hostname").stdout == "HYDRA"


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (WinRMTransportError("http", 503, "busy"), "Bad HTTP response returned from server. Code 503"),
        (
            InvalidCredentialsError("the specified credentials were rejected by the server"),
            "the specified credentials were rejected by the server",
        ),
        (WinRMError("odd"), "odd"),
        (
            requests.exceptions.ConnectionError("HTTPConnectionPool(host='127.10.0.1')"),
            "ConnectionError: the connection to the server broke",
        ),
        (requests.exceptions.ReadTimeout(), "ReadTimeout: the connection to the server broke"),
        (AssertionError(), "the answer is not one of a WinRM service"),
    ],
)
def test_a_broken_connection_is_one_kind_of_error(clock: Clock, error: Exception, sentence: str) -> None:
    desk = Desk(clock, [Breaks(error)])
    desk.protocol.cleanup_error = error
    with pytest.raises(ConnectionLost) as caught:
        desk.shell.run("hostname")
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    "error", [WinRMOperationTimeoutError(), fault(5), requests.exceptions.ReadTimeout(), AssertionError()]
)
def test_that_cleaning_up_fails_spoils_nothing(clock: Clock, error: Exception) -> None:
    desk = Desk(clock, [Ends(0, b"hydra")])
    desk.protocol.cleanup_error = error
    assert desk.shell.run("hostname").stdout == "hydra"


def test_a_server_that_does_not_even_start_the_command(clock: Clock) -> None:
    desk = Desk(clock, [])
    desk.protocol.start_error = WinRMOperationTimeoutError()
    with pytest.raises(ConnectionLost, match="did not answer in time"):
        desk.shell.run("hostname")


@pytest.mark.parametrize("error", [fault(109, "The pipe has been ended."), WinRMOperationTimeoutError()])
def test_what_a_program_said_before_it_stopped_listening_is_not_lost(clock: Clock, error: Exception) -> None:
    desk = Desk(clock, [b"The password is too short.\r\n" + ASK, Ends(1)])
    desk.protocol.send_error = error
    talk = desk.converse(ENTER)
    assert (talk.exit_code, talk.transcript.splitlines()[0]) == (1, "The password is too short.")


def test_a_used_up_shell_is_replaced_but_never_below_a_running_command(clock: Clock) -> None:
    scripts: list[Script] = [[Ends()] for _index in range(winrs.COMMANDS_PER_SHELL + 1)]
    desk = Desk(clock, *scripts, owned=True)
    for _index in range(winrs.COMMANDS_PER_SHELL):
        desk.shell.run("hostname")
    assert desk.shell._shell_id == "shell-1"
    desk.shell.run("hostname")
    assert desk.shell._shell_id == "shell-2"


def test_each_shell_takes_as_many_commands(clock: Clock) -> None:
    desk = Desk(clock, *[[Ends()] for _index in range(2 * winrs.COMMANDS_PER_SHELL + 1)], owned=True)
    for _index in range(2 * winrs.COMMANDS_PER_SHELL):
        desk.shell.run("hostname")
    assert desk.owner.renewed == 1
    desk.shell.run("hostname")
    assert desk.owner.renewed == 2
    assert [verbosity for verbosity, text in desk.traced if "replaced by another one" in text] == [3, 3]


@pytest.mark.parametrize(("words", "is_read"), [(b"12345", True), (b"123456", False)])
def test_what_a_command_writes_to_both_streams_has_one_limit(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, words: bytes, is_read: bool
) -> None:
    monkeypatch.setattr(winrs, "OUTPUT_BYTES", 10)
    desk = Desk(clock, [Errors(b"123"), b"12", Ends(0, words)], [Ends()], owned=True)
    if is_read:
        completed = desk.shell.run("hostname")
        assert (completed.stdout, completed.stderr, completed.exit_code) == ("1212345", "123", 0)
    else:
        with pytest.raises(ConnectionLost, match="the command wrote more than"):
            desk.shell.run("hostname")
    desk.shell.run("hostname")
    # What is still on its way would be taken for the next answer.
    assert len(desk.owner.reconnected) == (0 if is_read else 1)


def test_a_program_has_a_moment_to_answer_before_it_is_asked_for_output(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asking too early costs a round trip more."""
    pauses: list[float] = []
    monkeypatch.setattr(clock, "sleep", pauses.append)
    Desk(clock, [Hears(b"text"), Ends()]).shell.run("sort", stdin=b"text")
    assert pauses == [winrs.SETTLE_SECONDS]


def test_what_takes_its_time_is_not_asked_for_output_before(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(clock, "sleep", pauses.append)
    desk = Desk(clock, [Ends()], [Ends()], [Ends()])
    desk.shell.run("ping", usual_seconds=5)
    desk.shell.read("ping", usual_seconds=5)
    desk.shell.run("ping", usual_seconds=5, timeout_seconds=2)
    assert pauses == [winrs.SETTLE_SECONDS + 5, winrs.SETTLE_SECONDS + 5, winrs.SETTLE_SECONDS + 1]


def test_a_receive_says_whether_something_was_written(clock: Clock) -> None:
    desk = Desk(clock, [b"out", Errors(b"wrong"), Silence(30), Ends()])
    with desk.shell.open_command("hostname", console=True) as running:
        assert [desk.shell.receive(running, 5) for _time in range(3)] == [True, True, False]


def test_commands_that_have_ended_go_with_their_shell(clock: Clock) -> None:
    """Each release would be a round trip, and the shell's end releases all of them."""
    desk = Desk(clock, *[[Ends()] for _index in range(winrs.COMMANDS_PER_SHELL)], owned=True)
    for _index in range(winrs.COMMANDS_PER_SHELL):
        desk.shell.run("hostname")
    assert not any(program.cleaned_up for program in desk.protocol.programs)


@pytest.mark.parametrize(
    ("waited", "left", "passed"), [(0, 5.0, False), (4.5, 0.5, False), (5, 0.0, True), (9, 0.0, True)]
)
def test_a_deadline(clock: Clock, waited: float, left: float, passed: bool) -> None:
    deadline = winrs.Deadline(5)
    clock.pass_seconds(waited)
    assert (deadline.seconds, deadline.left(), deadline.passed()) == (5, left, passed)


# --- the probe --------------------------------------------------------------------------------------------------------

PROBED_CONSOLE = b"opsmgr_a=1\r\nopsmgr_b=2\r\n[probed]\r\n"
PROBED_PIPE = b"opsmgr_a=1\r2\r\n[probed]\r\n"
AUTO = ConversationOptions()


@pytest.mark.parametrize(
    ("script", "kind", "line_end"),
    [
        ([Hears(b"1\r2\r"), PROBED_CONSOLE + b"hydra\r\n", Ends()], "console", b"\r"),
        ([Hears(b"1\r2\r"), b"1\r\n2\r\n" + PROBED_CONSOLE, b"hydra\r\n", Ends()], "console", b"\r"),
        ([Hears(b"1\r2\r"), PROBED_PIPE[:12], PROBED_PIPE[12:] + b"hydra\r\n", Ends()], "pipe", b"\r\n"),
        ([Hears(b"1\r2\r"), b"opsmgr_a=12\r\n[probed]\r\nhydra\r\n", Ends()], None, b"\r"),
        ([b"[probed]\r\nhydra\r\n", Ends()], None, b"\r"),
    ],
    ids=["console", "console that echoes", "pipe, in pieces", "something else", "no answer at all"],
)
def test_the_probe_finds_out_what_standard_input_is(
    clock: Clock, script: Script, kind: str | None, line_end: bytes
) -> None:
    desk = Desk(clock, script, options=AUTO)
    assert desk.shell.run_and_probe("hostname").stdout == "hydra\r\n"
    assert desk.shell.input_kind == kind
    assert desk.shell.options.line_end_for(kind) == line_end
    assert len(desk.protocol.commands) == 1


def test_when_the_probe_hangs_the_command_runs_again_alone(clock: Clock) -> None:
    desk = Desk(clock, [Silence(1000)], [Ends(0, b"hydra\r\n")], options=AUTO)
    assert desk.shell.run_and_probe("hostname").stdout == "hydra\r\n"
    assert desk.shell.input_kind is None
    assert desk.protocol.commands == [winrs.PROBE + "hostname", "hostname"]
    assert desk.cleaned_up == [True, True]


@pytest.mark.parametrize("kind", ["console", "pipe"])
def test_no_probe_when_the_user_says_what_it_is(clock: Clock, kind: str) -> None:
    desk = Desk(clock, [Ends()], options=ConversationOptions(input_kind=kind))
    desk.shell.run_and_probe("hostname")
    assert desk.protocol.commands == ["hostname"]
    assert desk.shell.input_kind == kind


# --- conversations that go well ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "typed"),
    [
        (ConversationOptions(input_kind="console"), TYPED + b"\r"),
        (ConversationOptions(input_kind="pipe"), TYPED + b"\r\n"),
        (ConversationOptions(), TYPED + b"\r"),
        (ConversationOptions(input_kind="console", line_end="crlf"), TYPED + b"\r\n"),
        (ConversationOptions(input_kind="pipe", line_end="cr"), TYPED + b"\r"),
        (ConversationOptions(line_end="lf"), TYPED + b"\n"),
    ],
)
def test_a_reply_ends_as_the_input_needs_it(clock: Clock, options: ConversationOptions, typed: bytes) -> None:
    desk = Desk(clock, [ASK, Hears(typed), Ends()], options=options)
    assert desk.converse(ENTER).answered == 1
    assert not desk.protocol.programs[0].typed


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(
            [ASK, Hears(TYPED + b"\r"), b"\r\n" + AGAIN, Hears(TYPED + b"\r"), Ends(0, b"\r\nDone.")], id="whole"
        ),
        pytest.param(
            [b"Please en", b"ter the pass", b"word:", Hears(TYPED + b"\r"), AGAIN, Hears(TYPED + b"\r"), Ends()],
            id="in pieces",
        ),
        pytest.param(
            [Errors(ASK), Hears(TYPED + b"\r"), Errors(AGAIN), Hears(TYPED + b"\r"), Ends()], id="on standard error"
        ),
        pytest.param(
            [Silence(3), ASK, Silence(2), Hears(TYPED + b"\r"), Silence(3), AGAIN, Hears(TYPED + b"\r"), Ends()],
            id="slowly",
        ),
        pytest.param([Hears(TYPED + b"\r"), Hears(TYPED + b"\r"), Ends(0, ASK + AGAIN)], id="prompts only at the end"),
        pytest.param(
            [
                b"\xc3\x9cber ",
                b"\xc3",
                b"\xa4 " + ASK,
                Hears(TYPED + b"\r"),
                b"\xe2\x82",
                b"\xac" + AGAIN,
                Hears(TYPED + b"\r"),
                Ends(),
            ],
            id="split",
        ),
    ],
)
def test_two_questions_are_answered(clock: Clock, script: Script) -> None:
    desk = Desk(clock, script)
    talk = desk.converse(ENTER, REPEAT)
    assert (talk.answered, talk.exit_code) == (2, 0)
    assert desk.cleaned_up == [True]
    assert desk.shell.left_running is False
    assert not desk.protocol.programs[0].typed


def test_questions_that_come_in_one_piece_are_answered_at_once(clock: Clock) -> None:
    began = clock.now
    desk = Desk(clock, [b"User: Domain: ", Hears(b"sdk\r"), Hears(b"ODYSSEY\r"), Ends()])
    assert desk.converse(Exchange("User:", "sdk"), Exchange("Domain:", "ODYSSEY")).answered == 2
    assert clock.now == began


PERHAPS = replace(REPEAT, optional=True)
PIPED = ConversationOptions(input_kind="pipe")


@pytest.mark.parametrize(("options", "end"), [(CONSOLE, b"\r"), (PIPED, b"\r\n")], ids=["console", "pipe"])
@pytest.mark.parametrize(
    ("script", "answered"),
    [
        ([ASK, 1, AGAIN, 1, Ends()], 2),
        ([ASK, 1, b"\r\nre-en", b"ter the password", b":", 1, Ends()], 2),
        ([1, 1, Ends(0, ASK + AGAIN)], 2),
        ([ASK, 1, Ends(0, b"Done.")], 1),
        ([ASK, 1, Silence(60), Ends(0, b"Done.")], 1),
        ([ASK, 1, b"\r\nRestoring the keys ...", Silence(60), Ends(0, b"Done.")], 1),
    ],
    ids=[
        "asked",
        "asked in pieces",
        "shown at the end",
        "not asked",
        "not asked, and slow",
        "not asked, and talkative",
    ],
)
def test_a_second_question_is_answered_if_it_comes(
    clock: Clock, options: ConversationOptions, end: bytes, script: list[Any], answered: int
) -> None:
    """1 stands for a reply; a password that nobody asks for is not typed into a program that shows its questions."""
    spoken: Script = [Hears(TYPED + end) if step == 1 else step for step in script]
    desk = Desk(clock, spoken, options=options)
    assert desk.converse(ENTER, PERHAPS).answered == answered
    assert not desk.protocol.programs[0].typed


def test_a_program_that_need_not_ask_more_and_does_not_end_never_ended(clock: Clock) -> None:
    Desk(clock, [ASK, Hears(TYPED + b"\r"), Silence(1000)]).fails(NeverEnded, ENTER, PERHAPS)


def test_a_second_question_in_other_words_is_shown(clock: Clock) -> None:
    asked = [ASK, Hears(TYPED + b"\r"), "Kennwort bestätigen:".encode(), Silence(1000)]
    assert "bestätigen" in Desk(clock, asked).fails(UnexpectedQuestion, ENTER, PERHAPS).transcript


def test_an_answer_goes_ahead_only_after_silence(clock: Clock) -> None:
    desk = Desk(
        clock,
        [Hears(TYPED + b"\r"), Ends(0, ASK)],
        options=ConversationOptions(input_kind="pipe", line_end="cr", answer_ahead_seconds=7),
    )
    desk.converse(ENTER)
    assert clock.now == 1007


def test_a_question_that_need_not_come(clock: Clock) -> None:
    optional = Exchange("Type", "Y", decides=True, optional=True)
    assert Desk(clock, [b"Done.", Ends()]).converse(optional).answered == 0
    assert Desk(clock, [b"Type Y", Hears(b"Y\r"), Ends()]).converse(optional).answered == 1


def test_before_reply_is_called_when_the_prompt_is_there_and_before_anything_is_sent(clock: Clock) -> None:
    desk = Desk(clock, [WARNING, Hears(b"Y\r"), Ends()], [Ends()])
    seen: list[tuple[bytes, int]] = []

    def mark(reference: CommandReference) -> None:
        assert (reference.shell_id, reference.command_id) == ("shell-1", "0")
        program = desk.protocol.programs[0]
        seen.append((bytes(program.typed), len(program.script)))
        desk.shell.run("reg add")

    desk.converse(Exchange(DECIDE.prompt, "Y", decides=True, before_reply=mark))
    assert seen == [(b"", 2)]
    assert [command.partition("&")[0] for command in desk.protocol.commands] == ["tool", "reg add"]


def test_what_follows_a_decision_has_a_deadline_of_its_own(clock: Clock) -> None:
    patient = Exchange(DECIDE.prompt, "Y", decides=True, then_seconds=1800)
    desk = Desk(clock, [Silence(100), WARNING, Hears(b"Y\r"), Silence(1700), Ends(0, b"Promoted.")])
    assert desk.converse(patient).exit_code == 0
    assert clock.now == 2800


# --- conversations that go wrong --------------------------------------------------------------------------------------


def test_a_decision_is_never_sent_ahead_of_its_question(clock: Clock) -> None:
    desk = Desk(clock, [Silence(1000)])
    error = desk.fails(PromptNeverCame, DECIDE)
    assert not desk.protocol.programs[0].typed
    assert (error.decision, desk.cleaned_up, desk.shell.left_running) == (Decision.NOT_SENT, [True], False)
    assert str(error) == "the question 'Type \"Y\" to continue' never came within 120 seconds"
    assert clock.now == 1120


@pytest.mark.parametrize(
    ("script", "kind", "sentence", "transcript"),
    [
        (
            [b"Unregistered DLL.", Ends(3)],
            EndedEarly,
            "the program ended (exit code 3) before 'enter the password.*:' was asked",
            "Unregistered DLL.",
        ),
        (
            [ASK, Hears(TYPED + b"\r"), b" Too short.", Ends(1)],
            EndedEarly,
            "before 're-enter the password.*:' was asked",
            ASK.decode() + " Too short.",
        ),
        (
            [b"Overwrite the file?", Silence(1000)],
            UnexpectedQuestion,
            "wrote something other than the expected question",
            "Overwrite the file?",
        ),
        (
            [ASK, Hears(TYPED + b"\r"), AGAIN, Hears(TYPED + b"\r"), Silence(1000)],
            NeverEnded,
            "did not end within 120 seconds",
            (ASK + AGAIN).decode(),
        ),
    ],
    ids=["ends before any question", "ends between", "asks something else", "never ends"],
)
def test_each_way_to_fail_has_its_error(
    clock: Clock, script: Script, kind: type[ConversationError], sentence: str, transcript: str
) -> None:
    desk = Desk(clock, script)
    error = desk.fails(kind, ENTER, REPEAT)
    assert sentence in str(error)
    assert (error.transcript, error.input_kind, error.decision) == (transcript, "console", Decision.NOT_SENT)
    assert (desk.cleaned_up, desk.shell.left_running) == ([True], False)


def test_a_decision_that_the_server_refused_to_take_was_not_made(clock: Clock) -> None:
    desk = Desk(clock, [WARNING, Silence(1000)])
    desk.protocol.send_error = fault(995, "The operation was aborted.")
    with pytest.raises(ShellFault):
        desk.converse(DECIDE)
    assert (desk.cleaned_up, desk.shell.left_running) == ([True], False)


@pytest.mark.parametrize(
    ("after_the_decision", "raised", "left_running"),
    [
        ([Silence(5000)], NeverEnded, True),
        ([b"Retry?", Silence(5000)], NeverEnded, True),
        ([Breaks(requests.exceptions.ConnectionError())], ConversationLost, True),
        ([Breaks(ValueError("a message that cannot be unsealed"))], ConversationLost, True),
        ([Breaks(BadMICError())], ConversationLost, True),
        ([Breaks(GSSError(("The referenced context has expired", 786432)))], ConversationLost, True),
        ([Breaks(InvalidCredentialsError("rejected"))], ConversationLost, True),
        ([Breaks(fault(2150858843))], ConversationLost, True),
    ],
    ids=[
        "never ends",
        "asks more",
        "connection lost",
        "an exception of no known type",
        "an answer that was changed on its way",
        "a ticket that has expired",
        "an account that was locked",
        "shell gone",
    ],
)
def test_a_program_past_its_decision_is_never_terminated(
    clock: Clock, after_the_decision: Script, raised: type[Exception], left_running: bool
) -> None:
    desk = Desk(clock, [WARNING, Hears(b"Y\r"), *after_the_decision])
    with pytest.raises(raised):
        desk.converse(DECIDE)
    assert desk.cleaned_up == [not left_running]
    assert desk.shell.left_running is left_running


def test_a_decision_that_was_sent_into_a_breaking_connection_counts_as_made(clock: Clock) -> None:
    desk = Desk(clock, [WARNING, Silence(1000)])
    desk.protocol.send_error = requests.exceptions.ConnectionError()
    error = desk.fails(ConversationLost, DECIDE)
    assert error.decision is Decision.MAY_BE_SENT
    assert desk.shell.left_running is True
    assert desk.cleaned_up == [False]


@pytest.mark.parametrize("step", [Breaks(requests.exceptions.ConnectionError()), Breaks(fault(5))])
def test_before_the_decision_a_program_is_always_terminated(clock: Clock, step: Breaks) -> None:
    desk = Desk(clock, [b"Warning:", step])
    with pytest.raises((ConnectionLost, ShellFault)):
        desk.converse(DECIDE)
    assert (desk.cleaned_up, desk.shell.left_running) == ([True], False)


def test_when_before_reply_fails_nothing_is_decided(clock: Clock) -> None:
    def fail(_reference: CommandReference) -> None:
        raise ShellFault("no", 5)

    desk = Desk(clock, [WARNING, Silence(1000)])
    with pytest.raises(ShellFault):
        desk.converse(Exchange(DECIDE.prompt, "Y", decides=True, before_reply=fail))
    assert (desk.cleaned_up, desk.shell.left_running) == ([True], False)
    assert not desk.protocol.programs[0].typed


def test_a_program_that_ended_after_the_decision_is_not_left_running(clock: Clock) -> None:
    desk = Desk(clock, [WARNING, Hears(b"Y\r"), Ends(1)])
    error = desk.fails(EndedEarly, DECIDE, Exchange("more", "Y"))
    assert (error.decision, desk.shell.left_running, desk.cleaned_up) == (Decision.SENT, False, [True])


# --- what breaks and is asked again, or not ---------------------------------------------------------------------------

LOST = Breaks(requests.exceptions.ConnectionError())


def test_what_only_reads_is_asked_again_over_a_new_connection(clock: Clock) -> None:
    desk = Desk(clock, [LOST], [b"HYDRA", LOST], [b"HYDRA\r\n", Ends()], owned=True)
    assert desk.shell.read("hostname").stdout == "HYDRA\r\n"
    assert desk.owner.reconnected == [True, True]


def test_what_only_reads_is_not_asked_for_ever(clock: Clock) -> None:
    desk = Desk(clock, *[[LOST] for _attempt in range(winrs.READ_ATTEMPTS)], owned=True)
    with pytest.raises(ConnectionLost):
        desk.shell.read("hostname")
    assert len(desk.protocol.commands) == winrs.READ_ATTEMPTS


def test_what_changes_something_is_sent_once(clock: Clock) -> None:
    desk = Desk(clock, [LOST], owned=True)
    with pytest.raises(ConnectionLost):
        desk.shell.run("reg add")
    assert len(desk.protocol.commands) == 1


def test_the_next_command_goes_over_a_new_connection_and_a_program_at_work_keeps_its_shell(clock: Clock) -> None:
    desk = Desk(clock, [WARNING, Hears(b"Y\r"), LOST], [b"HYDRA\r\n", Ends()], owned=True)
    desk.fails(ConversationLost, DECIDE)
    assert desk.shell.run("hostname").stdout == "HYDRA\r\n"
    assert desk.owner.reconnected == [False]
    assert desk.shell.left_running is False, "the new shell holds no program"


@pytest.mark.parametrize(
    "call",
    ["run_command", "send_command_input", "get_command_output_raw", "cleanup_command", "close_shell", "open_shell"],
)
def test_an_exception_of_no_known_type_is_a_lost_connection_that_names_it(call: str) -> None:
    def broken() -> None:
        raise Exception(f"{call} with a part of a message")

    with pytest.raises(ConnectionLost, match=r"^Exception: the connection to the server broke$"):
        call_pywinrm(broken)


class Stopped(BaseException):
    """What ansible-core raises when a task has had its time is no Exception."""


@pytest.mark.parametrize(("script", "left_running"), [([WARNING, Hears(b"Y\r")], True), ([b"Warning:"], False)])
def test_a_task_that_has_had_its_time_leaves_only_an_answered_program_running(
    clock: Clock, script: Script, left_running: bool
) -> None:
    def stop() -> None:
        raise Stopped

    desk = Desk(clock, [*script, Happens(stop)])
    with pytest.raises(Stopped):
        desk.converse(DECIDE)
    assert (desk.shell.left_running, desk.cleaned_up) == (left_running, [not left_running])


# --- a conversation that a later run takes up -------------------------------------------------------------------------

ASKED = Exchange("", "Y", decides=True, asked=True, then_seconds=1800)


@pytest.mark.parametrize(
    ("script", "typed"),
    [([Silence(6), Hears(b"Y\r"), b"Promoting.", Ends(0)], b"Y\r"), ([b"Promoting.", Silence(900), Ends(0)], b"")],
    ids=["it still waits", "it went on"],
)
def test_an_answer_that_may_have_been_lost_is_sent_only_to_a_program_that_waits(
    clock: Clock, script: Script, typed: bytes
) -> None:
    desk = Desk(clock, script)
    desk.protocol.run_command("shell-1", "tool& call echo [0123abcd %^opsmgr_exit%]")
    heard: list[bytes] = []
    original = desk.protocol.send_command_input

    def send(shell_id: str, command_id: str, stdin_input: bytes, end: bool = False) -> None:
        heard.append(stdin_input)
        original(shell_id, command_id, stdin_input, end)

    desk.protocol.send_command_input = send  # type: ignore[method-assign]
    talk = rejoin(desk.shell, CommandReference("shell-1", "0", "0123abcd"), ASKED)
    assert (b"".join(heard), talk.exit_code, talk.transcript) == (typed, 0, "Promoting.")
    assert desk.protocol.closed == ["shell-1"]


@pytest.mark.parametrize("text", ["", "a b", "a b 0123abc", 'x" & del 1 0123abcd', "a b 0123abcd extra"])
def test_what_is_not_a_reference_is_not_followed(text: str) -> None:
    assert CommandReference.parse(text) is None


# --- secrets ----------------------------------------------------------------------------------------------------------

ECHOES: Sequence[tuple[str, Script]] = [
    ("whole", [ASK, Hears(TYPED + b"\r"), TYPED + b"\r\n"]),
    ("in pieces", [ASK, Hears(TYPED + b"\r"), TYPED[:4], TYPED[4:9], TYPED[9:] + b"\r\n"]),
    ("a character split", [ASK, Hears(TYPED + b"\r"), TYPED[:-2], TYPED[-2:]]),
    ("cut off", [ASK, Hears(TYPED + b"\r"), TYPED[:7]]),
    ("twice", [ASK, Hears(TYPED + b"\r"), b"You typed <" + TYPED + b">. " + TYPED]),
    ("on standard error", [ASK, Hears(TYPED + b"\r"), Errors(b"Wrong: " + TYPED)]),
]


@pytest.mark.parametrize("script", [script for _name, script in ECHOES], ids=[name for name, _script in ECHOES])
@pytest.mark.parametrize("end", [Ends(1), Silence(5000), Breaks(fault(5))], ids=["ends early", "hangs", "breaks"])
def test_a_secret_that_is_echoed_stays_out_of_every_error(
    clock: Clock, script: Script, end: Ends | Silence | Breaks
) -> None:
    desk = Desk(clock, [*script, end])
    with pytest.raises((ConversationError, ShellFault)) as caught:
        desk.converse(ENTER, Exchange("never asked", "x", optional=False, decides=True))
    shown = (
        str(caught.value)
        + repr(caught.value)
        + repr(vars(caught.value))
        + "".join(traceback.format_exception(caught.value))
    )
    for beginning in (PASSWORD, PASSWORD[:7], PASSWORD[-7:]):
        assert beginning not in shown


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        pytest.param([ASK, Hears(TYPED + b"\r")], "It said ********.", id="after the secret was sent"),
        pytest.param([], f"It said {PASSWORD}.", id="before: then it is a word like another"),
    ],
)
def test_a_fault_does_not_repeat_a_secret_that_the_server_was_told(clock: Clock, script: Script, reason: str) -> None:
    desk = Desk(clock, [*script, Breaks(fault(5, f"It said {PASSWORD}."))])
    with pytest.raises(ShellFault) as caught:
        desk.converse(ENTER, REPEAT)
    assert (caught.value.reason, caught.value.code) == (reason, 5)


def test_a_connection_that_breaks_after_a_secret_is_told_as_it_is(clock: Clock) -> None:
    desk = Desk(clock, [ASK, Hears(TYPED + b"\r"), Breaks(requests.ConnectionError("reset"))])
    with pytest.raises(ConnectionLost, match="ConnectionError"):
        desk.converse(ENTER, REPEAT)


def test_neither_a_conversation_nor_an_exchange_shows_a_secret(clock: Clock) -> None:
    talk = Desk(clock, [ASK, Hears(TYPED + b"\r"), TYPED, Ends()]).converse(ENTER)
    assert talk.transcript == ASK.decode() + "********"
    assert PASSWORD not in repr(talk) + repr(ENTER)


def test_what_the_commands_behind_a_program_write_stays_out_of_the_transcript(clock: Clock) -> None:
    desk = Desk(clock, [b"Done.\r\n", Errors(b"A warning."), Ends(3, b"Bye.", private=b"LS0tLS1CRUdJTg==")])
    talk = desk.converse(then="type secret")
    assert (talk.transcript, talk.private_output.strip()) == ("Done.\r\nA warning.Bye.", "LS0tLS1CRUdJTg==")
    assert talk.exit_code == 3, "the program's own, not that of the last command"
    assert desk.protocol.commands[0].endswith("& (type secret)2>nul")


def test_the_transcript_keeps_the_last_characters(clock: Clock) -> None:
    talk = Desk(clock, [b"x" * 9000 + b"last", Ends()]).converse()
    assert len(talk.transcript) == winrs.TRANSCRIPT_CHARACTERS
    assert talk.transcript.endswith("xlast")


@pytest.mark.parametrize(
    ("text", "secrets", "expected"),
    [
        ("ab abc", ["ab", "abc"], "******** ********"),
        ("nothing", ["secret"], "nothing"),
        ("he said sec", ["secret"], "he said ********"),
        ("Please: s", ["secret"], "Please: s"),
        ("", ["secret"], ""),
    ],
)
def test_redact(text: str, secrets: list[str], expected: str) -> None:
    assert redact(text, secrets) == expected


def test_closing_quietly() -> None:
    attempts = []

    def close() -> None:
        attempts.append(1)
        raise AssertionError

    close_quietly(close)
    assert attempts == [1]


# --- What -vv and -vvv show -------------------------------------------------------------------------------------------


def test_a_command_is_traced_with_its_end_and_its_first_lines(clock: Clock) -> None:
    desk = Desk(clock, [b"line\r\n" * 50, Silence(3), Errors(b"wrong"), Ends(2)])
    desk.shell.run("hostname")
    assert desk.traced == [(2, "hostname: exit code 2 after 3.0 s"), (3, "\n".join(["line"] * 10))]


def test_what_is_written_on_standard_input_and_what_comes_back_of_it_is_not_traced(clock: Clock) -> None:
    desk = Desk(clock, [Hears(b"the key\r\n"), b"the key", Ends()])
    desk.shell.run("findstr x", stdin=b"the key\r\n")
    assert desk.traced == [(2, "findstr x: exit code 0 after 0.0 s")]


def test_a_conversation_is_traced_without_its_secret_and_without_what_stands_behind_its_end(clock: Clock) -> None:
    desk = Desk(clock, [ASK, Hears(TYPED + b"\r"), TYPED + b"\r\nDone.", Ends(0, private=b"the key")])
    desk.converse(ENTER, then="type key")
    [(first, command), (second, transcript)] = desk.traced
    assert (first, command) == (2, "tool: exit code 0, 1 answers")
    assert (second, "Done." in transcript) == (3, True)
    assert PASSWORD not in command + transcript
    assert "the key" not in transcript


def test_a_look_that_is_sent_again_is_traced(clock: Clock) -> None:
    desk = Desk(clock, [Breaks(requests.ConnectionError("reset"))], [b"hydra", Ends()], owned=True)
    desk.shell.read("hostname")
    assert [text.partition(":")[0] for verbosity, text in desk.traced if verbosity == 2] == [
        "hostname", "ConnectionError", "the connection broke, and is made again", "hostname",
    ]  # fmt: skip


def test_a_trace_that_is_cut_off_leaves_the_shell_of_a_decision_open(clock: Clock) -> None:
    desk = Desk(clock, [WARNING, Hears(b"Y\r"), Silence(1000)])

    def cut_off(_verbosity: int, _text: str) -> None:
        raise TimeoutError

    desk.shell._trace = cut_off
    with pytest.raises(TimeoutError):
        desk.converse(DECIDE)
    assert desk.shell.left_running
    assert desk.cleaned_up == [False]
