# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What sc, reg, certutil and tasklist write in other languages, and in the forms that were seen; in cases/ are whole
outputs.
"""

from __future__ import annotations

import itertools

import pytest
from unit.plugins import case_files

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.key_fingerprint import parse_fingerprint
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.promotion import CONFIG_TOOL, Phase, read_state
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.windows.host import (
    Answer,
    ServiceState,
    parse_registry,
    parse_service,
    process_ids,
    win32_error,
)

NOTHING = Answer(True, "")


def found(name: str) -> str:
    """A file as pywinrm hands out what a program wrote: with the line ends of Windows."""
    return case_files.text(name)


def oem(text: str, page: str) -> str:
    """A text as it arrives from a program that writes another code page than UTF-8."""
    return text.encode(page, "replace").decode("utf-8", "replace")


# --- sc ---------------------------------------------------------------------------------------------------------------


def test_a_russian_service() -> None:
    assert parse_service(Answer(True, found("sc_query_ru.txt")), NOTHING).state == "running"


def test_a_delayed_start_and_dependencies_over_several_lines() -> None:
    assert parse_service(Answer(True, found("sc_query_ru.txt")), Answer(True, found("sc_qc_2008.txt"))) == ServiceState(
        "running", "auto"
    )


STATES = ["stopped", "start_pending", "stop_pending", "running", "continue_pending", "pause_pending", "paused"]
KINDS = ["10  WIN32_OWN_PROCESS", "20  WIN32_SHARE_PROCESS", "110  WIN32_OWN_PROCESS (interactive)"]
FLAGS = ["(STOPPABLE,NOT_PAUSABLE,ACCEPTS_SHUTDOWN)", "(STOPPABLE, NOT_PAUSABLE, ACCEPTS_SHUTDOWN)", ""]
LABELS = [
    ("TYPE", "STATE"),
    ("TYP", "STATUS"),
    ("Тип", "Состояние"),
    ("TYPE\ufffd", "\ufffdTAT\ufffd"),
    ("类型", "状态"),
]


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("labels", LABELS)
def test_every_state_type_and_label(state: str, labels: tuple[str, str]) -> None:
    for kind, flags in itertools.product(KINDS, FLAGS):
        lines = [
            "SERVICE_NAME: OMSDK",
            f"        {labels[0]:19}: {kind} ",
            f"        {labels[1]:19}: {STATES.index(state) + 1}  WORD ",
            f"                                {flags}",
        ]
        assert parse_service(Answer(True, "\r\n".join(["", *lines, ""])), NOTHING).state == state


@pytest.mark.parametrize("group", ["+NetworkProvider", "", "RpcSs"])
def test_a_path_with_a_colon_and_a_group(group: str) -> None:
    text = (
        "\r\nSERVICE_NAME: X\r\n        TYPE               : 20  WIN32_SHARE_PROCESS \r\n        START_TYPE         : 4   DISABLED\r\n"
        f"        BINARY_PATH_NAME   : C:\\4  x\\y.exe\r\n        LOAD_ORDER_GROUP   : {group}\r\n        TAG                : 0  \r\n"
    )
    assert parse_service(Answer(True, text), Answer(True, text)).start_mode == "disabled"


@pytest.mark.parametrize("page", ["utf-8", "cp850", "cp1252"])
def test_a_french_error_number(page: str) -> None:
    """In the code page of a console, the no-break space before the colon is no UTF-8."""
    for text in (found("sc_start_fr.txt"), found("sc_start_fr.txt").replace(" :", "\xa0:")):
        assert win32_error(oem(text, page)) == 1056


@pytest.mark.parametrize(
    "text",
    [
        "[SC] OpenService FAILED 1060:\r\n\r\nThe specified service does not exist as an installed service.\r\n",
        "[SC] EnumQueryServicesStatus:OpenService FAILED 1060:\r\n",
        "[SC] OpenService FEHLER 1060:\r\n\r\nDer angegebene Dienst ist kein installierter Dienst.\r\n",
        "[SC] OpenService échec(s) 1060 :\r\n",
        "[SC] OpenService: ошибка: 1060:\r\n",
        "[SC] OpenService 失败 1060:\r\n",
        "[SC] OpenService 失败1060：\r\n",
        "[SC] OpenService FAILED 1060:\r\n\r\n指定されたサービスはインストールされたサービスとして存在しません。\r\n",
    ],
)
def test_the_number_of_an_error(text: str) -> None:
    assert win32_error(text) == 1060
    assert parse_service(Answer(False, text), Answer(False, text)) == ServiceState(None, None)
    # A build that ends with 0 all the same is said to exist.
    assert not parse_service(Answer(True, text), Answer(True, text)).exists


# --- reg --------------------------------------------------------------------------------------------------------------


def test_a_german_registry() -> None:
    """Empty data has nothing behind the type, and the blanks in a path stay."""
    assert parse_registry(found("reg_query_de.txt")) == {
        r"HKEY_LOCAL_MACHINE\SOFTWARE\X\Setup": {
            "(Standard)": "(Wert nicht festgelegt)",
            "Leer": "",
            "InstallDirectory": "D:\\OpsMgr    2007\\",
        }
    }


def test_a_registry_of_windows_2003_with_a_default_value() -> None:
    text = "\r\n! REG.EXE VERSION 3.0\r\n\r\nHKEY_LOCAL_MACHINE\\SOFTWARE\\X\r\n    <NO NAME>\tREG_SZ\tD:\\Ops    Mgr\r\n    A B\tREG_DWORD\t0x1\r\n\r\n"
    assert parse_registry(text) == {r"HKEY_LOCAL_MACHINE\SOFTWARE\X": {"<NO NAME>": "D:\\Ops    Mgr", "A B": "0x1"}}


# --- certutil ---------------------------------------------------------------------------------------------------------

HASH = "ab" * 32
SPACED = " ".join(["ab"] * 32)


def test_a_german_hash() -> None:
    assert parse_fingerprint(found("certutil_hash_de.txt")) == f"sha256:{HASH}"
    assert parse_fingerprint(found("certutil_hash_de.txt").replace(HASH, SPACED)) == f"sha256:{HASH}"


@pytest.mark.parametrize(
    "text",
    [
        "SHA256 hash of x.key:\r\n{}\r\nCertUtil: -hashfile command completed successfully.\r\n",
        "SHA256 hash of file x.key:\r\n{}\r\nCertUtil: -hashfile command completed successfully.\r\n",
        "SHA256-Hash der Datei x.key:\r\n{}\r\nCertUtil: -hashfile-Befehl wurde erfolgreich ausgef\ufffdhrt.\r\n",
        "SHA256 哈希(x.key):\r\n{}\r\nCertUtil: -hashfile 命令成功完成。\r\n",
    ],
)
@pytest.mark.parametrize("digits", [HASH, SPACED, HASH.upper()])
def test_a_hash_in_every_form(text: str, digits: str) -> None:
    assert parse_fingerprint(text.format(digits)) == f"sha256:{HASH}"


@pytest.mark.parametrize(
    "text",
    [
        "Unknown verb\r\n",
        "CertUtil: Unknown arg: -hashfile\r\n",
        "CertUtil: Unbekanntes Argument: -hashfile\r\n",
        f"SHA1 hash of x.key:\r\n{'ab' * 20}\r\n",
        f"SHA256 hash of {HASH}.key:\r\nCertUtil: -hashfile command FAILED: 0x80070002\r\n",
    ],
)
def test_what_is_no_hash(text: str) -> None:
    assert parse_fingerprint(text) is None


# --- tasklist ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        found("tasklist_critical_error.txt"),
        "ERROR: The search filter cannot be recognized.\r\n",
        "错误: 存储不足，无法完成此操作。\r\n",
        "INFORMACIÓN: no hay tareas ejecutándose que coincidan con los criterios especificados.\r\n",
        "INFO: No tasks are running which match the specified criteria.\r\n",
        oem("INFORMACIÓN: no hay tareas ejecutándose", "cp850"),
        "",
    ],
)
@pytest.mark.parametrize("succeeded", [True, False])
def test_a_list_that_does_not_show_itself_tells_nothing(text: str, succeeded: bool) -> None:
    """Nor does a promotion that was answered count as ended by it: a second one must not be started."""
    assert process_ids(Answer(succeeded, text), CONFIG_TOOL) is None
    mark = r"HKEY_LOCAL_MACHINE\SOFTWARE\opsmgr.recovery" + "\r\n    PromotionAnswered    REG_DWORD    0x2\r\n"
    state = read_state(Answer(True, mark), Answer(succeeded, text), readable=True)
    assert (state.running, state.phase) == (None, Phase.CANNOT_BE_TOLD)
