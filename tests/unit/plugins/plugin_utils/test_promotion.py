# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a promotion is, by the mark on the server and its processes, and who writes that mark when."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from unit.plugins.plugin_utils.doubles import Breaks, Clock, Ends, Hears, Owner, Script, Silence
from unit.plugins.plugin_utils.recorded_server import WARNING, RecordedServer

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.promotion import (
    Phase,
    Promotion,
    PromotionState,
    read_state,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.server import PROMOTION_PROMPT
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.windows.host import Answer, WindowsHost
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs import shell as winrs
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.conversation import (
    ConversationError,
    ConversationLost,
    Decision,
    EndedEarly,
    NeverEnded,
    PromptNeverCame,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.faults import ConnectionLost
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.shell import ConversationOptions, Shell

TOOL = '"ManagementServerConfigTool.exe","4711","Services","0","9,000 K"\r\n'
LISTER = '"tasklist.exe","4712","Services","0","5,000 K"\r\n'
LISTS = {
    "runs": TOOL + LISTER,
    "does not": LISTER,
    "cannot be told": "ERROR: Critical error\r\n",
    "nothing found under load": "INFO: No tasks are running which match the specified criteria.\r\n",
}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(winrs, "time", clock)
    return clock


def mark(**values: str) -> str:
    lines = "".join(
        f"    {name}    {'REG_DWORD' if name == 'PromotionAnswered' else 'REG_SZ'}    {data}\r\n"
        for name, data in values.items()
    )
    return f"\r\nHKEY_LOCAL_MACHINE\\SOFTWARE\\opsmgr.recovery\r\n{lines}\r\n"


@pytest.mark.parametrize(
    ("written", "runs", "does_not", "cannot_be_told"),
    [
        # No mark: no promotion of ours. Somebody else's counts when it is seen.
        ("", Phase.AT_WORK, Phase.NONE, Phase.NONE),
        (mark(PromotionAnswered="0x0"), Phase.UNANSWERED, Phase.NONE, Phase.CANNOT_BE_TOLD),
        (mark(PromotionAnswered="0x1"), Phase.MAY_BE_ANSWERED, Phase.ENDED, Phase.CANNOT_BE_TOLD),
        (mark(PromotionAnswered="0x2"), Phase.AT_WORK, Phase.ENDED, Phase.CANNOT_BE_TOLD),
        # With the exit code, the end is known without the list of processes.
        (mark(PromotionAnswered="0x2", PromotionExitCode="1"), Phase.AT_WORK, Phase.ENDED, Phase.ENDED),
        (mark(PromotionAnswered="0x1", PromotionExitCode="-1"), Phase.AT_WORK, Phase.ENDED, Phase.ENDED),
        (
            mark(PromotionAnswered="0x2", PromotionExitCode="%opsmgr_exit%"),
            Phase.AT_WORK,
            Phase.ENDED,
            Phase.CANNOT_BE_TOLD,
        ),
        # What this version does not understand is not guessed.
        (mark(PromotionAnswered="0x7"), Phase.CANNOT_BE_TOLD, Phase.CANNOT_BE_TOLD, Phase.CANNOT_BE_TOLD),
        (mark(PromotionAnswered="yes"), Phase.CANNOT_BE_TOLD, Phase.CANNOT_BE_TOLD, Phase.CANNOT_BE_TOLD),
    ],
)
def test_the_phase_follows_from_mark_and_processes(
    written: str, runs: Phase, does_not: Phase, cannot_be_told: Phase
) -> None:
    phases = {
        name: read_state(Answer(bool(written), written), Answer(True, text), readable=True).phase
        for name, text in LISTS.items()
    }
    assert phases == {
        "runs": runs,
        "does not": does_not,
        "cannot be told": cannot_be_told,
        "nothing found under load": cannot_be_told,
    }


def test_a_mark_that_may_not_be_read_is_not_an_absent_one() -> None:
    assert read_state(Answer(False, ""), Answer(True, LISTER), readable=False).phase is Phase.CANNOT_BE_TOLD


def test_an_exit_code_is_unsigned_as_windows_returns_it() -> None:
    state = read_state(
        Answer(True, mark(PromotionAnswered="0x2", PromotionExitCode="-1")), Answer(True, LISTER), readable=True
    )
    assert state.as_result() == {"phase": "ended", "running": False, "exit_code": 4294967295}


# --- carrying it out --------------------------------------------------------------------------------------------------


def carry_out(recorded: RecordedServer, look_again: Any = lambda: None) -> winrs.HeldConversation:
    windows = WindowsHost(Shell(recorded.protocol, "shell-1", ConversationOptions(input_kind="console")))
    return Promotion(windows, "promote").carry_out("tool.exe PromoteRMS", PROMOTION_PROMPT, 1800, look_again)


def steps(recorded: RecordedServer) -> list[str]:
    """What was ordered, in short."""
    known = {
        "call reg add": "tool with its end mark",
        "PromotionAnswered /t REG_DWORD /d 0": "asked",
        "PromotionAnswered /t REG_DWORD /d 1": "may be answered",
        "PromotionAnswered /t REG_DWORD /d 2": "answered",
        "reg delete": "clear",
    }
    return [next(short for part, short in known.items() if part in command) for command in recorded.commands]


ANSWERED = ["asked", "tool with its end mark", "may be answered", "answered"]


def test_each_step_of_a_promotion_is_marked_on_the_server(clock: Clock) -> None:
    recorded = RecordedServer(
        clock, is_rms=False, scripts={"PromoteRMS": [WARNING, Hears(b"Y\r"), Silence(900), Ends(1, b"Failed.")]}
    )
    talk = carry_out(recorded)
    assert (talk.exit_code, steps(recorded)) == (1, ANSWERED)
    assert "/v PromotionExitCode /t REG_SZ /d %^opsmgr_exit% " in recorded.commands[1], (
        "cmd.exe expands it only when the tool has ended"
    )
    assert '/v PromotionConversation /t REG_SZ /d "shell-1 1 ' in recorded.commands[2]


@pytest.mark.parametrize(
    ("script", "raised", "decision", "expected"),
    [
        ([Silence(9000)], PromptNeverCame, Decision.NOT_SENT, ["asked", "tool with its end mark", "clear"]),
        ([b"No key.", Ends(1)], EndedEarly, Decision.NOT_SENT, ["asked", "tool with its end mark", "clear"]),
        ([WARNING, Hears(b"Y\r"), Silence(9000)], NeverEnded, Decision.SENT, ANSWERED),
        (
            [WARNING, Hears(b"Y\r"), Breaks(requests.exceptions.ConnectionError())],
            ConversationLost,
            Decision.SENT,
            ANSWERED,
        ),
    ],
)
def test_the_mark_goes_only_when_nothing_was_answered(
    clock: Clock, script: Script, raised: type[ConversationError], decision: Decision, expected: list[str]
) -> None:
    recorded = RecordedServer(clock, is_rms=False, scripts={"PromoteRMS": script})
    with pytest.raises(raised) as caught:
        carry_out(recorded)
    assert (caught.value.decision, steps(recorded)) == (decision, expected)


def test_a_connection_lost_before_the_answer_leaves_the_mark_for_the_next_run(clock: Clock) -> None:
    """Nobody saw whether the tool was ended."""
    recorded = RecordedServer(
        clock, is_rms=False, scripts={"PromoteRMS": [Breaks(requests.exceptions.ConnectionError())]}
    )
    with pytest.raises(ConnectionLost):
        carry_out(recorded)
    assert steps(recorded) == ["asked", "tool with its end mark"]


def test_without_its_mark_a_promotion_is_not_begun(clock: Clock) -> None:
    recorded = RecordedServer(
        clock, is_rms=False, mark_exit_code=1, scripts={"PromoteRMS": [WARNING, Hears(b"Y\r"), Ends()]}
    )
    with pytest.raises(OpsmgrError, match="could not be written"):
        carry_out(recorded)
    assert not recorded.ran("PromoteRMS")


def test_what_the_second_look_finds_ends_the_tool_and_answers_nothing(clock: Clock) -> None:
    def look_again() -> None:
        raise OpsmgrError("promote", "another server is the RMS now", "Find out who else works here")

    recorded = RecordedServer(clock, is_rms=False, scripts={"PromoteRMS": [WARNING, Hears(b"Y\r"), Ends()]})
    with pytest.raises(OpsmgrError, match="another server"):
        carry_out(recorded, look_again)
    assert steps(recorded) == ["asked", "tool with its end mark", "clear"]
    assert recorded.protocol.programs[1].cleaned_up
    assert not recorded.protocol.programs[1].typed


def test_the_shell_is_not_replaced_while_the_tool_runs_in_it(clock: Clock) -> None:
    """Windows kills a program with its shell, also one that promotes."""
    recorded = RecordedServer(
        clock,
        is_rms=False,
        scripts={"PromoteRMS": [WARNING, Hears(b"Y\r"), Ends()], "hostname": [Ends(0, b"HYDRA\r\n")]},
    )
    owner = Owner(recorded.protocol)
    shell = Shell(recorded.protocol, "shell-1", ConversationOptions(input_kind="console"), owner)
    renewed: list[int] = []

    def look_again() -> None:
        for _index in range(winrs.COMMANDS_PER_SHELL + 1):
            shell.run("hostname")
        renewed.append(owner.renewed)

    Promotion(WindowsHost(shell), "promote").carry_out("tool.exe PromoteRMS", PROMOTION_PROMPT, 1800, look_again)
    assert renewed == [0]
    shell.run("hostname")
    assert owner.renewed == 1


@pytest.mark.parametrize("process_ids", [(), (4711, 4712), None])
def test_only_the_one_process_that_waits_is_ended(clock: Clock, process_ids: tuple[int, ...] | None) -> None:
    recorded = RecordedServer(clock)
    windows = WindowsHost(Shell(recorded.protocol, "shell-1", ConversationOptions(input_kind="console")))
    with pytest.raises(OpsmgrError):
        Promotion(windows, "promote").end_unanswered(PromotionState(answered=0, process_ids=process_ids))
    assert not recorded.ran("taskkill")
