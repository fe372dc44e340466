# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Quoting for cmd.exe, and reading what the tools in the box write on Windows Server 2003 to 2008 R2, in any language."""

from __future__ import annotations

import base64
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from unit.plugins.plugin_utils.doubles import Clock, Ends, ScriptedProtocol, answer_batch

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.windows.host import (
    Answer,
    Questions,
    ServiceChange,
    ServiceState,
    UnquotableError,
    WindowsHost,
    decode_certutil,
    directory_join,
    parse_registry,
    parse_service,
    quote,
    win32_error,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs import shell as winrs
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.shell import Shell

# --- quoting ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "quoted"),
    [
        ("", '""'),
        ("key.bin", '"key.bin"'),
        (
            r"C:\Program Files\System Center Operations Manager 2007",
            r'"C:\Program Files\System Center Operations Manager 2007"',
        ),
        (r"D:\R&D", r'"D:\R&D"'),
        (r"C:\Program Files (x86)", r'"C:\Program Files (x86)"'),
        ("a^b", '"a^b"'),
        ("wow!", '"wow!"'),
        ("100%", '"100"^%""'),
        ("%PATH%", '""^%"PATH"^%""'),
        ("a,b;c=d", '"a,b;c=d"'),
        ("a|b<c>d", '"a|b<c>d"'),
        ("D:\\", '"D:\\"'),
        ("Schlüssel-Ω.bin", '"Schlüssel-Ω.bin"'),
    ],
)
def test_quote(name: str, quoted: str) -> None:
    assert quote(name) == quoted


@pytest.mark.parametrize("name", ['a"b', '"', "a\nb", "a\r", "a\0b"])
def test_what_cannot_be_in_a_windows_path_is_refused(name: str) -> None:
    with pytest.raises(UnquotableError, match="a quotation mark, a line end or a NUL"):
        quote(name)


def as_cmd_sees_it(line: str, variables: dict[str, str]) -> str:
    """A model of the two phases in which cmd.exe reads a command line [ms, field]: what a program is given as its
    command line.

    Percent phase: %NAME% is replaced where the variable exists, and stays as it is elsewhere (at the prompt, and cmd /c
    is one). Quote phase: a quotation mark switches quoting; outside, ^ makes the next character ordinary and goes, and
    & | < > ( ) end the command.
    """
    expanded = re.sub("%([^%]+)%", lambda found: variables.get(found[1].split(":")[0].upper(), found[0]), line)
    seen, quoting, characters = "", False, iter(expanded)
    for character in characters:
        if character == '"':
            quoting = not quoting
        elif not quoting and character == "^":
            character = next(characters, "")
        elif not quoting and character in "&|<>()":
            raise AssertionError(f"the command line ends at {character}")
        seen += character
    return seen


def as_program_sees_it(argument: str) -> str:
    """What is left for a program, or a command of cmd.exe, that drops quotation marks."""
    return argument.replace('"', "")


VARIABLES = {"PATH": r"C:\WINDOWS", "A": "a&b", "^": "caret", " ": "space"}
NAMES = st.text(st.sampled_from(list("abcAPTH %^&|<>()!=,;:~'ü€\\@")), max_size=12) | st.text(
    st.characters(exclude_characters='"\r\n\0', exclude_categories=["Cs"]), max_size=12
)


@given(NAMES)
@example("%PATH%")
@example("%%PATH%%")
@example("%A%&%A%")
@example("%PATH:~0,1%")
@example("^%PATH^%")
@example("a% %b")
def test_a_quoted_name_survives_cmd(name: str) -> None:
    assert as_program_sees_it(as_cmd_sees_it(f"type {quote(name)}", VARIABLES)) == f"type {name}"


def test_the_model_itself_sees_what_goes_wrong_without_quoting() -> None:
    assert as_cmd_sees_it('type "%PATH%"', VARIABLES) == r'type "C:\WINDOWS"'
    assert as_cmd_sees_it("echo ^%PATH^%", VARIABLES) == "echo %PATH%"
    with pytest.raises(AssertionError, match="ends at &"):
        as_cmd_sees_it("cd R&D", VARIABLES)


@pytest.mark.parametrize(
    ("directory", "joined"), [("D:", r"D:\x"), ("D:\\", r"D:\x"), (r"C:\a b", r"C:\a b\x"), ("C:/a/", r"C:/a\x")]
)
def test_directory_join(directory: str, joined: str) -> None:
    assert directory_join(directory, "x") == joined


# --- reg query --------------------------------------------------------------------------------------------------------

SETUP_2008 = r"""
HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\Microsoft Operations Manager\3.0\Setup
    InstallDirectory    REG_SZ    C:\Program Files\System Center Operations Manager 2007\
    ServerVersion    REG_SZ    6.1.7221.0
    InstalledOn    REG_SZ
    Current Version    REG_DWORD    0x1
    Names    REG_MULTI_SZ    hydra\0deathsting
    Value1    REG_BINARY    0102AB

HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\Microsoft Operations Manager\3.0\Setup\Sub Key
    (Default)    REG_SZ    (value not set)
    (Standard)    REG_EXPAND_SZ    %ProgramFiles%
"""
SETUP_2003 = (
    "\r\n! REG.EXE VERSION 3.0\r\n\r\nHKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\Microsoft Operations Manager\\3.0\\Setup\r\n"
    "    InstallDirectory\tREG_SZ\tC:\\Program Files\\System Center Operations Manager 2007\\\r\n"
    "    ServerVersion\tREG_SZ\t6.0.6278.0\r\n    InstalledOn\tREG_SZ\t\r\n    <NO NAME>\tREG_SZ\t\r\n    Current Version\tREG_DWORD\t0x1\r\n\r\n"
)
SETUP = r"HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\Microsoft Operations Manager\3.0\Setup"


def test_registry_of_windows_2008() -> None:
    keys = parse_registry(SETUP_2008)
    assert keys == {
        SETUP: {
            "InstallDirectory": "C:\\Program Files\\System Center Operations Manager 2007\\",
            "ServerVersion": "6.1.7221.0",
            "InstalledOn": "",
            "Current Version": "0x1",
            "Names": r"hydra\0deathsting",
            "Value1": "0102AB",
        },
        SETUP + r"\Sub Key": {"(Default)": "(value not set)", "(Standard)": "%ProgramFiles%"},
    }


def test_registry_of_windows_2003() -> None:
    assert parse_registry(SETUP_2003) == {
        SETUP: {
            "InstallDirectory": "C:\\Program Files\\System Center Operations Manager 2007\\",
            "ServerVersion": "6.0.6278.0",
            "InstalledOn": "",
            "<NO NAME>": "",
            "Current Version": "0x1",
        }
    }


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ERROR: The system was unable to find the specified registry key or value.\r\n",
        "FEHLER: Der angegebene Registrierungsschlüssel bzw. Wert wurde nicht gefunden.\r\n",
        "\r\nError:  The system was unable to find the specified registry key or value\r\n",
    ],
)
def test_a_missing_key_has_no_values(text: str) -> None:
    assert parse_registry(text) == {}


def test_group_names_with_every_language_and_keys_without_values() -> None:
    above = "HKEY_LOCAL_MACHINE\\SOFTWARE\\X\\"
    text = f"{above}Größe & Co (2)\r\n    IsRootHealthService    REG_DWORD    0x0\r\n\r\n{above}管理\r\n"
    assert parse_registry(text) == {above + "Größe & Co (2)": {"IsRootHealthService": "0x0"}, above + "管理": {}}


# --- sc ---------------------------------------------------------------------------------------------------------------

ENGLISH = """
SERVICE_NAME: OMSDK
        TYPE               : 10  WIN32_OWN_PROCESS
        STATE              : 4  RUNNING
                                (STOPPABLE, NOT_PAUSABLE, ACCEPTS_SHUTDOWN)
        WIN32_EXIT_CODE    : 0  (0x0)
        SERVICE_EXIT_CODE  : 0  (0x0)
        CHECKPOINT         : 0x0
        WAIT_HINT          : 0x0
        PID                : 1234
        FLAGS              :
"""
ENGLISH_QC = """[SC] QueryServiceConfig SUCCESS

SERVICE_NAME: OMSDK
        TYPE               : 10  WIN32_OWN_PROCESS
        START_TYPE         : 2   AUTO_START  (DELAYED)
        ERROR_CONTROL      : 1   NORMAL
        BINARY_PATH_NAME   : "C:\\Program Files\\System Center Operations Manager 2007\\Microsoft.Mom.Sdk.ServiceHost.exe"
        LOAD_ORDER_GROUP   :
        TAG                : 0
        DISPLAY_NAME       : System Center Data Access
        DEPENDENCIES       : RPCSS
        SERVICE_START_NAME : ODYSSEY\\momaction
"""
GERMAN = """
SERVICE_NAME: HealthService
        TYP                : 110  WIN32_OWN_PROCESS (interactive)
        STATUS             : 1  STOPPED
                                (NOT_STOPPABLE,NOT_PAUSABLE,IGNORES_SHUTDOWN)
        WIN32_EXITCODE     : 1077       (0x435)
        DIENST_EXITCODE    : 0  (0x0)
"""
GERMAN_QC = """[SC] QueryServiceConfig ERFOLG

SERVICE_NAME: HealthService
        TYP                : 110  WIN32_OWN_PROCESS (interactive)
        STARTTYP           : 4   DISABLED
        FEHLERSTEUERUNG    : 1   NORMAL
"""
FRENCH = """
SERVICE_NAME\xa0: OMCFG
        TYPE\xa0              : 20  WIN32_SHARE_PROCESS
        ÉTAT\xa0              : 3  STOP_PENDING
"""
FRENCH_QC = """[SC] QueryServiceConfig réussite(s)

SERVICE_NAME\xa0: OMCFG
        TYPE\xa0              : 20  WIN32_SHARE_PROCESS
        TYPE_DÉMARRAGE\xa0    : 3   DEMAND_START
"""
CR_LF = [text.replace("\n", "\r\n") for text in (ENGLISH, ENGLISH_QC)]
MISSING = "[SC] EnumQueryServicesStatus:OpenService FAILED 1060:\n\nThe specified service does not exist as an installed service.\n"


@pytest.mark.parametrize(
    ("query", "configuration", "expected"),
    [
        pytest.param(Answer(True, ENGLISH), Answer(True, ENGLISH_QC), ServiceState("running", "auto"), id="English"),
        pytest.param(Answer(True, GERMAN), Answer(True, GERMAN_QC), ServiceState("stopped", "disabled"), id="German"),
        pytest.param(
            Answer(True, FRENCH), Answer(True, FRENCH_QC), ServiceState("stop_pending", "demand"), id="French"
        ),
        pytest.param(Answer(True, CR_LF[0]), Answer(True, CR_LF[1]), ServiceState("running", "auto"), id="CR LF"),
        pytest.param(Answer(False, MISSING), Answer(False, MISSING), ServiceState(None, None), id="1060"),
        pytest.param(
            Answer(True, ENGLISH),
            Answer(False, "[SC] OpenService FAILED 5:"),
            ServiceState("running", None),
            id="configuration refused",
        ),
        pytest.param(
            Answer(True, ENGLISH.replace("OMSDK", "FADE")),
            Answer(True, ENGLISH_QC),
            ServiceState("running", "auto"),
            id="a name like a number",
        ),
        pytest.param(Answer(True, ""), Answer(True, ""), ServiceState(None, None), id="nothing"),
    ],
)
def test_parse_service(query: Answer, configuration: Answer, expected: ServiceState) -> None:
    state = parse_service(query, configuration)
    assert state == expected
    assert state.exists == (expected.state is not None)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("[SC] StartService FAILED 1056:\n\nAn instance of the service is already running.\n", 1056),
        ("[SC] OpenService FEHLER 1060:\n\nDer angegebene Dienst ist kein installierter Dienst.\n", 1060),
        ("[SC] ControlService ÉCHEC(S) 1062\xa0:\n\nLe service n\u2019a pas été démarré.\n", 1062),
        ("", None),
    ],
)
def test_win32_error(text: str, number: int | None) -> None:
    assert win32_error(text) == number


# --- questions --------------------------------------------------------------------------------------------------------


def asked(*names: str) -> tuple[Questions, str]:
    questions = Questions()
    for name in names:
        questions.ask(name, f"echo {name}")
    return questions, re.findall(r"\[([0-9a-f]{8}) end\]", questions.command_line())[0]


def test_the_command_line_asks_everything_and_marks_each_answer() -> None:
    questions, mark = asked("computer", "OMSDK qc")
    assert questions.command_line() == (
        f"echo [{mark} computer]& (echo computer)2>&1&& echo [{mark} yes]|| echo [{mark} no]& "
        f"echo [{mark} OMSDK qc]& (echo OMSDK qc)2>&1&& echo [{mark} yes]|| echo [{mark} no]& echo [{mark} end]"
    )


def test_no_two_batches_have_the_same_mark() -> None:
    assert asked("a")[1] != asked("a")[1]


def test_answers_are_told_apart() -> None:
    questions, mark = asked("computer", "setup", "nothing")
    output = f"[{mark} computer]\r\nHYDRA\r\n[{mark} yes]\r\n[{mark} setup] \r\nline 1\r\nline 2[{mark} no]\r\n"
    output += f"[{mark} nothing]\r\n[{mark} yes]\r\n[{mark} end]\r\n"
    assert questions.answers(output) == {
        "computer": Answer(True, "HYDRA\r\n"),
        "setup": Answer(False, "line 1\r\nline 2"),
        "nothing": Answer(True, ""),
    }


def test_output_that_looks_like_a_marker_is_not_taken_for_one() -> None:
    questions, mark = asked("computer")
    hostile = "[00000000 no]\r\n[computer]\r\n[yes]\r\n"
    assert questions.answers(f"[{mark} computer]\r\n{hostile}[{mark} yes]\r\n")["computer"] == Answer(True, hostile)


@pytest.mark.parametrize(
    "output", ["", "[{mark} computer]\r\nHYDRA", "The command line is too long.\r\n", "HYDRA\r\n[{mark} yes]\r\n"]
)
def test_a_missing_answer_is_an_error_and_not_a_no(output: str) -> None:
    questions, mark = asked("computer")
    with pytest.raises(OpsmgrError, match="the answer about computer is missing"):
        questions.answers(output.replace("{mark}", mark))


def test_no_question_is_a_command_line_too() -> None:
    assert re.fullmatch(r"echo \[[0-9a-f]{8} end\]", Questions().command_line())


# --- certutil ---------------------------------------------------------------------------------------------------------


def encoded(content: bytes) -> str:
    body = base64.encodebytes(content).decode().replace("\n", "\r\n")
    return f"-----BEGIN CERTIFICATE-----\r\n{body}-----END CERTIFICATE-----\r\n"


@given(st.binary(min_size=1, max_size=300))
def test_decode_certutil(content: bytes) -> None:
    assert decode_certutil("noise\r\n" + encoded(content) + "CertUtil: ok\r\n") == content


@pytest.mark.parametrize(
    "text",
    [
        "",
        "AQID",
        encoded(b"key")[:-10],
        "-----BEGIN CERTIFICATE-----\r\nA!==\r\n-----END CERTIFICATE-----",
        encoded(b"k" * 99).replace("a2tr", "a2t", 1),
    ],
)
def test_what_is_not_certutils_text(text: str) -> None:
    with pytest.raises(ValueError, match="certutil's text"):
        decode_certutil(text)


# --- a host -----------------------------------------------------------------------------------------------------------


class Host:
    """A Windows host whose commands are answered by `answers`, the first whose pattern is found; whatever else succeeds
    silently.
    """

    def __init__(self, clock: Clock, **answers: str) -> None:
        self.answers = answers
        self.protocol = ScriptedProtocol(lambda command: [Ends(0, self.answer(command).encode())], clock)
        self.windows = WindowsHost(Shell(self.protocol, "shell-1"))

    def answer(self, command: str) -> str:
        return next((text for pattern, text in self.answers.items() if pattern in command), "")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(winrs, "time", clock)
    return clock


KEY = bytes(range(256)) * 3


def test_a_temporary_file_travels_on_standard_input_and_is_read_back(clock: Clock) -> None:
    host = Host(clock, findstr=encoded(KEY))
    path = host.windows.put_temporary("restore.key", KEY)
    program = host.protocol.programs[0]
    assert path == r"%TEMP%\opsmgr-recovery-restore.key"
    assert decode_certutil(program.typed.decode("ascii")) == KEY
    assert (program.console, program.input_ended) == (False, True)
    assert base64.b64encode(KEY[:30]).decode() not in program.command


@pytest.mark.parametrize(
    "arrived", ["", encoded(KEY[:-1]), encoded(KEY)[:-30]], ids=["nothing", "one byte less", "cut off"]
)
def test_a_file_that_did_not_arrive_whole_is_removed_and_refused(clock: Clock, arrived: str) -> None:
    host = Host(clock, findstr=arrived)
    with pytest.raises(OpsmgrError, match="the file that arrived is not the one that was sent"):
        host.windows.put_temporary("restore.key", KEY)
    assert host.protocol.commands[-1].startswith('del /f /q "%TEMP%\\opsmgr-recovery-restore.key"')


class Services(Host):
    """A host whose service control manager answers each command of a batch."""

    def __init__(self, clock: Clock, refusals: dict[str, str] | None = None) -> None:
        super().__init__(clock)
        self.refusals = refusals or {}

    def answer(self, command: str) -> str:
        return answer_batch(command, self.reply)

    def reply(self, asked: str) -> tuple[bool, str]:
        refusal = next((text for part, text in self.refusals.items() if part in asked), None)
        return (True, "") if refusal is None else (False, refusal)


def test_several_changes_are_one_command(clock: Clock) -> None:
    host = Services(clock)
    host.windows.change_services([ServiceChange.start_mode("OMSDK", "disabled"), ServiceChange.stop("OMSDK")])
    [command] = host.protocol.commands
    assert command.index("(sc config OMSDK start= disabled)") < command.index("(sc stop OMSDK)")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            ServiceChange.start("OMSDK"),
            "[SC] StartService FAILED 1056:\r\n\r\nAn instance of the service is already running.\r\n",
        ),
        (ServiceChange.stop("OMSDK"), "[SC] ControlService FEHLER 1062:\r\n\r\nDer Dienst wurde nicht gestartet.\r\n"),
        (ServiceChange.stop("OMSDK"), "[SC] ControlService FAILED 1061:\r\n\r\n"),
    ],
)
def test_what_is_so_already_is_no_error(clock: Clock, change: ServiceChange, text: str) -> None:
    Services(clock, {"sc ": text}).windows.change_services([change])


@pytest.mark.parametrize(
    ("change", "text", "sentence"),
    [
        (
            ServiceChange.start("OMSDK"),
            "[SC] StartService FAILED 1058:\r\n",
            "start service OMSDK: the service control manager refused with error 1058: the service is disabled. "
            "Fix this on the server, then rerun.",
        ),
        (
            ServiceChange.stop("OMSDK"),
            "[SC] OpenService FAILED 5:\r\n\r\nDenied.\r\n",
            "error 5: access denied: the account is not an administrator.",
        ),
        (
            ServiceChange.start_mode("OMSDK", "auto"),
            "[SC] X FAILED 87:\r\n\r\nWrong.\r\n",
            "error 87: [SC] X FAILED 87: Wrong.",
        ),
    ],
)
def test_a_refusal_of_the_service_control_manager(
    clock: Clock, change: ServiceChange, text: str, sentence: str
) -> None:
    with pytest.raises(OpsmgrError) as caught:
        Services(clock, {"sc ": text}).windows.change_services([change])
    assert sentence in str(caught.value)
