# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows Installer as the plugins drive it: the command line, who is busy, what the log says, and what an exit code
means.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from unit.plugins import case_files
from unit.plugins.plugin_utils.doubles import (
    Breaks,
    Clock,
    Ends,
    Script,
    ScriptedProtocol,
    Silence,
    answer_batch,
    fault,
)
from unit.plugins.plugin_utils.recorded_server import LISTER

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.windows import installer as windows_installer
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.windows.host import (
    Answer,
    UnquotableError,
    WindowsHost,
    process_ids,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.windows.installer import (
    EXIT_CODES,
    NOT_BEGUN,
    SUCCESSES,
    Outcome,
    WindowsInstaller,
    install_command,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.windows.installer_log import PATTERNS, find_failure
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs import shell as winrs
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.faults import ShellFault
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.shell import Shell
from lab.windows.tools.findstr import translate

STEP = "install the thing"
SERVICE = "SERVICE_NAME: msiserver\r\n        TYPE               : 10  WIN32_OWN_PROCESS\r\n        PID                : 912\r\n"
ENGLISH = "Action ended 2:40:11: _MakeIt. Return value 3.\r\n"
GERMAN = "Aktion beendet um 2:40:11: _MakeIt. Rückgabewert 3.\r\n"
OUTER = "Action ended 2:40:12: INSTALL. Return value 3.\r\n"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(winrs, "time", clock)
    return clock


class Server:
    """A server with Windows Installer: `others` are process ids beside the service's own, `codes` what each setup ends
    with.
    """

    def __init__(self, clock: Clock, codes: list[int], others: list[list[int]] | None = None, log: str = "") -> None:
        self.clock = clock
        self.codes = codes
        self.others = others or []
        self.log = log
        self.setups = 0
        self.protocol = ScriptedProtocol(self.respond, clock)
        self.shell = Shell(self.protocol, "shell-1")
        self.windows = WindowsHost(self.shell)
        self.setup: Callable[[int], Script] = lambda code: [*([] if code == 1618 else [Silence(300)]), Ends(code)]

    def installer(self, timeout_seconds: float = 3600) -> WindowsInstaller:
        return WindowsInstaller(self.windows, STEP, timeout_seconds)

    def respond(self, command: str) -> Script:
        if command.startswith("start "):
            self.setups += 1
            return self.setup(self.codes.pop(0))
        if command.startswith("ping"):
            return [Silence(10), Ends()]
        if "findstr /b" in command:
            return [Ends(0, "".join(f"{line}\r\n" for line in self.numbered(command)).encode())]
        return [*([Silence(10)] if "ping" in command else []), Ends(0, answer_batch(command, self.answer).encode())]

    def numbered(self, command: str) -> list[str]:
        wanted = command.rpartition('"')[0].rpartition('"')[2].split()
        return [f"{number}:{line}" for number, line in enumerate(self.log.splitlines(), 1) if f"{number}:" in wanted]

    def answer(self, command: str) -> tuple[bool, str]:
        if command.startswith("tasklist"):
            pids = [912, *(self.others.pop(0) if self.others else [])]
            return True, "".join(f'"msiexec.exe","{pid}","Services","0","4,096 K"\r\n' for pid in pids) + LISTER
        if command.startswith("sc "):
            return True, SERVICE
        if "findstr /n /r" in command:
            # In findstr's own kind of regular expressions.
            patterns = [translate(part) for part in re.findall(r'/c:"([^"]*)"', command)]
            lines = [
                f"{number}:{line}\r\n"
                for number, line in enumerate(self.log.splitlines(), 1)
                if any(re.search(pattern, line) for pattern in patterns)
            ]
            return bool(lines), "".join(lines)
        if "find /c" in command:
            return True, f"{len(self.log.splitlines())}\r\n"
        return True, "C:\\Temp\\setup.log\r\n" if self.log and command.startswith("for") else ""


def test_the_command_line() -> None:
    line = install_command("D:\\100% new\\thing.msi", {"NAME": "a value", "OTHER_1": ""}, "%TEMP%\\x.log")
    assert (
        line
        == 'start "" /wait msiexec /i "D:\\100"^%" new\\thing.msi" /qn /norestart /l*v "%TEMP%\\x.log" NAME="a value" OTHER_1=""'
    )


def test_what_cannot_be_on_it() -> None:
    with pytest.raises(UnquotableError):
        install_command("x.msi", {"NAME": 'a"b'}, "x.log")
    for name in ("name", "A B", "A&B", ""):
        with pytest.raises(OpsmgrError, match="is not the name of a public property"):
            install_command("x.msi", {name: "1"}, "x.log")


def test_process_ids_in_any_language() -> None:
    setups = '"msiexec.exe","912","Services","0","4.096 K"\r\n"msiexec.exe","4711","","0","1 K"\r\n'
    assert process_ids(Answer(True, setups), "msiexec.exe") == (912, 4711)
    assert process_ids(Answer(True, LISTER), "msiexec.exe") == ()
    nothing = "INFORMATION: Es werden keine Aufgaben mit den angegebenen Kriterien ausgef\xfchrt.\r\n"
    assert process_ids(Answer(True, nothing), "msiexec.exe") is None, (
        "a list that does not hold tasklist proves nothing"
    )


@pytest.mark.parametrize("code", SUCCESSES)
def test_success(clock: Clock, code: int) -> None:
    server = Server(clock, [code])
    outcome = server.installer().bring_about("x.msi", {}, lambda: False)
    assert outcome == Outcome(code)
    assert outcome.reboot_required is (code != 0)
    assert not server.shell.left_running


def test_nothing_is_run_when_the_effect_is_there_after_waiting(clock: Clock) -> None:
    server = Server(clock, [], others=[[4711], [4711], []])
    assert server.installer().bring_about("x.msi", {}, lambda: True) is None
    assert (server.setups, clock.now) == (0, 1020.0)


def test_busy_is_waited_for_and_looked_at_again(clock: Clock) -> None:
    server = Server(clock, [1618, 1618, 0])
    looks: list[int] = []
    outcome = server.installer().bring_about("x.msi", {}, lambda: bool(looks.append(1)))
    assert (outcome, server.setups, len(looks)) == (Outcome(0), 3, 3)
    done = Server(clock, [1618])
    assert done.installer().bring_about("x.msi", {}, lambda: done.setups == 1) is None


def test_busy_for_too_long(clock: Clock) -> None:
    server = Server(clock, [1618] * 10)
    outcome = server.installer(timeout_seconds=45).bring_about("x.msi", {}, lambda: False)
    assert outcome is not None
    assert (outcome.exit_code, outcome.began) == (1618, False)
    waiting = Server(clock, [], others=[[4711]] * 10)
    with pytest.raises(OpsmgrError, match="a setup is running on this server") as caught:
        waiting.installer(timeout_seconds=45).bring_about("x.msi", {}, lambda: False)
    assert caught.value.step == STEP


def test_a_setup_that_takes_too_long_is_not_killed(clock: Clock) -> None:
    server = Server(clock, [0])
    with pytest.raises(OpsmgrError, match="did not end within 60 seconds, and goes on"):
        server.installer(timeout_seconds=60).bring_about("x.msi", {}, lambda: False)
    assert server.shell.left_running
    assert not server.protocol.programs[-1].cleaned_up


def test_a_setup_whose_server_goes_away_is_not_killed(clock: Clock) -> None:
    server = Server(clock, [0])
    server.setup = lambda code: [Breaks(fault(2150858843)), Ends(code)]
    with pytest.raises(ShellFault):
        server.installer().bring_about("x.msi", {}, lambda: False)
    assert server.shell.left_running
    assert not server.protocol.programs[-1].cleaned_up


CUSTOM = "CustomAction {} returned actual error code {} (note this may not be 100% accurate if translation happened inside sandbox)"
ENDS = {
    "en": "Action ended 3:01:24: {}. Return value 3.",
    "zh-CN": "操作结束 23:49:51: {}。返回值 3。",
    "ja": "操作終了 16:40:01: {}。 戻り値 3。",
    # Not seen: what other languages may be like.
    "de": "Aktion beendet um 2:40:11: {}. Rückgabewert 3.",
    "fr": "Fin de l'action 2:40:11 : {}. Valeur renvoyée 3.",
    "it": "Azione terminata alle 2.40.11: {}. Valore restituito 3.",
    "ko": "작업 종료 2:40:11: {}. 반환 값 3입니다.",
}


def numbered(*lines: str) -> str:
    """What findstr /n writes."""
    return "".join(f"{number}:{line}\r\n" for number, line in enumerate(lines, 1))


@pytest.mark.parametrize("language", ENDS)
@pytest.mark.parametrize("action", ["_MakeIt", "InstallFinalize", "Merged.5B0C_3A", "Foo3"])
def test_the_end_of_an_action_in_every_language(language: str, action: str) -> None:
    failure = find_failure(numbered("Action start 3:01:23: Foo3.", ENDS[language].format(action)))
    assert (failure.ended, failure.action, failure.line) == (action, action, 2)


@pytest.mark.parametrize("language", ENDS)
def test_what_is_sought_on_the_server_finds_it_in_every_language(language: str) -> None:
    expressions = [translate(pattern) for pattern in PATTERNS]
    wanted = (
        ENDS[language].format("InstallFinalize"),
        CUSTOM.format("X", 1603),
        "MSI (s): MainEngineThread is returning 1603",
    )
    assert all(any(re.search(expression, line) for expression in expressions) for line in wanted)


@pytest.mark.parametrize(
    ("lines", "action", "line"),
    [
        pytest.param([CUSTOM.format("SomeDeferred", 1603), ENDS["en"].format("InstallFinalize")], "SomeDeferred", 2, id="deferred"),
        pytest.param([CUSTOM.format("BindPort", 1603), ENDS["zh-CN"].format("InstallFinalize")], "BindPort", 2, id="deferred, Chinese"),
        pytest.param([CUSTOM.format("_MakeIt", 1603), ENDS["ja"].format("_MakeIt")], "_MakeIt", 2, id="immediate"),
        pytest.param(
            [CUSTOM.format("Earlier", 1603), ENDS["en"].format("_MakeIt")], "_MakeIt", 2, id="another action failed"
        ),
        pytest.param(
            [CUSTOM.format("Cosmetic", "1 but will be translated to success due to continue marking"),
             ENDS["en"].format("InstallFinalize")], "InstallFinalize", 2, id="an error that is ignored"),
        pytest.param([CUSTOM.format("One", 0), ENDS["en"].format("InstallFinalize")], "InstallFinalize", 2, id="no error"),
        pytest.param(
            [ENDS["en"].format("InstallFinalize"), CUSTOM.format("Rollback", 1603)], "InstallFinalize", 1, id="in the rollback"
        ),
        pytest.param([CUSTOM.format("First", 1), CUSTOM.format("Second", 1603)], "Second", 2, id="a language that is not understood"),
        pytest.param(["MSI (s): MainEngineThread is returning 1603"], None, 1, id="only its end"),
        pytest.param(["Action ended 3:01:24: _Fine. Return value 1.", "Action ended 3:01:24: _Skip. Return value 13."], None, None, id="nothing"),
    ],
)  # fmt: skip
def test_who_failed(lines: list[str], action: str | None, line: int | None) -> None:
    failure = find_failure(numbered(*lines))
    assert (failure.action, failure.line) == (action, line)


@pytest.mark.parametrize("ended", [ENGLISH, GERMAN])
def test_the_action_that_failed_first_and_the_lines_before_it(clock: Clock, ended: str) -> None:
    log = (
        "".join(f"line {number}\r\n" for number in range(1, 31))
        + "Error 1920.\r\n"
        + ended
        + "more\r\n"
        + OUTER
        + "the end\r\n"
    )
    outcome = Server(clock, [1603], log=log).installer().bring_about("x.msi", {}, lambda: False)
    assert outcome is not None
    assert (outcome.failed_action, outcome.log) == ("_MakeIt", "C:\\Temp\\setup.log")
    lines = (outcome.excerpt or "").splitlines()
    assert (lines[0], lines[-2], lines[-1], len(lines)) == ("line 13", "Error 1920.", ended.strip(), 20)


@pytest.mark.parametrize(
    ("name", "ended", "action"),
    [
        ("installer_log_zh.txt", "InstallFinalize", "BindPort"),
        ("installer_log_en.txt", "InstallFinalize", "SomeDeferred"),
    ],
)
def test_logs_as_they_were_found(name: str, ended: str, action: str) -> None:
    text = case_files.text(name)
    failure = find_failure(numbered(*text.splitlines()))
    assert (failure.ended, failure.action) == (ended, action)


def test_a_log_that_names_no_action_and_no_log_at_all(clock: Clock) -> None:
    ended = (
        Server(clock, [1603], log="one\r\nReturn value 3.\r\nlast\r\n")
        .installer()
        .bring_about("x.msi", {}, lambda: False)
    )
    assert ended == Outcome(1603, None, "C:\\Temp\\setup.log", "one\nReturn value 3.\nlast")
    assert Server(clock, [1619]).installer().bring_about("x.msi", {}, lambda: False) == Outcome(1619)


@pytest.mark.parametrize("code", [*EXIT_CODES, 99])
def test_every_failure_says_what_it_means_and_what_to_do(code: int) -> None:
    sentence = Outcome(code, "_MakeIt", "C:\\x.log", "the reason").problem(STEP, "x.msi").sentence("vesta")
    assert sentence.startswith(f"vesta: {STEP}: the setup x.msi ended with {code}, ")
    assert "the action that failed is _MakeIt; the log says: the reason. " in sentence
    assert sentence.endswith(". The log is C:\\x.log on the server.")
    assert Outcome(code).began is (code not in NOT_BEGUN)


def test_poll_and_log_limits_are_what_the_documentation_says() -> None:
    assert (windows_installer.LOG_LINES, windows_installer.LOG_NAME) == (20, "setup.log")
