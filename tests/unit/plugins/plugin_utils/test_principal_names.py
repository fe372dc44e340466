# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What setspn lists, read by its structure; and whose account a service has."""

from __future__ import annotations

import pytest

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr import principal_names
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.windows.host import (
    Answer,
    Questions,
    UnquotableError,
    parse_service,
)

# As published transcripts have it: the distinguished name may be broken, names stand behind a tab or behind blanks.
LISTED = (
    "Registered ServicePrincipalNames for CN=SCSM Service Account,CN=Users,DC=lab,DC=example:\r\n"
    "\tMSOMSdkSvc/LabVM05.lab.example\r\n\tMSOMSdkSvc/LabVM05\r\n\tHTTP/LabVM05\r\n"
)
BROKEN = "Registered ServicePrincipalNames for CN=x,CN=Users,\nDC=lab,DC=example\n    msomhsvc/LABVM05\n"
NONE_AT_ALL = "Registered ServicePrincipalNames for CN=x,CN=Users,DC=lab,DC=example:\r\n"
TRANSLATED = "Registrierte Dienstprinzipalnamen f\u00fcr CN=x,CN=Computers,DC=lab,DC=example:\r\n\tMSOMHSvc/X\r\n"
NOT_FOUND = (
    "FindDomainForAccount: Call to DsGetDcNameWithAccountW failed with return value 0x0000054B\r\n"
    "Could not find account help\r\n"
)
NO_SUCH_PROGRAM = (
    "'setspn' is not recognized as an internal or external command,\r\noperable program or batch file.\r\n"
)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (LISTED, ["MSOMSdkSvc/LabVM05", "MSOMSdkSvc/LabVM05.lab.example"]),
        (BROKEN, ["msomhsvc/LABVM05"]),
        (NONE_AT_ALL, []),
        (TRANSLATED, ["MSOMHSvc/X"]),
        (LISTED + "\tMSOMSdkSvc/a b\r\n\tMSOMSdkSvc/x\x1b[2J\r\n\tMSOMSdkSvc/" + "y" * 300 + "\r\n", None),
        (NOT_FOUND, None),
        (NO_SUCH_PROGRAM, None),
        ("", None),
    ],
)
def test_names_that_are_listed(text: str, names: list[str] | None) -> None:
    expected = ["MSOMSdkSvc/LabVM05", "MSOMSdkSvc/LabVM05.lab.example"] if "\x1b" in text else names
    assert principal_names.listed_names(text) == expected


def test_an_account_with_more_names_than_anybody_has_is_cut() -> None:
    many = NONE_AT_ALL + "".join(f"\tMSOMSdkSvc/x{number}\r\n" for number in range(5000))
    assert len(principal_names.listed_names(many) or []) == 200


@pytest.mark.parametrize(
    ("account", "own"),
    [
        ("LocalSystem", True),
        ("localsystem", True),
        (".\\LocalSystem", True),
        ("NT AUTHORITY\\NetworkService", True),
        ("nt authority\\network service", True),
        ("NT SERVICE\\OMSDK", True),
        ("ODYSSEY\\svc-sdk", False),
        ("svc-sdk@odyssey.com", False),
        (".\\somebody", False),
    ],
)
def test_whose_account_it_is(account: str, own: bool) -> None:
    assert principal_names.is_own_account(account) == own


@pytest.mark.parametrize(
    ("account", "expected"),
    [
        ("LocalSystem", {"HYDRA": [], "deathsting": None}),
        (None, {"HYDRA": [], "deathsting": None}),
        ("ODYSSEY\\svc", {"HYDRA": [], "deathsting": None, "ODYSSEY\\svc": ["MSOMHSvc/X"]}),
    ],
)
def test_what_is_asked_is_read(account: str | None, expected: dict[str, list[str] | None]) -> None:
    questions = Questions()
    principal_names.ask(questions, "OMSDK", ["deathsting"])
    answers = {
        "names of computer": Answer(True, NONE_AT_ALL),
        "names of service": Answer(True, TRANSLATED),
        "names 0": Answer(False, NOT_FOUND),
    }
    assert all(name in questions.command_line() for name in answers)
    assert principal_names.read(answers, "HYDRA", account, ["deathsting"]) == expected


def test_a_name_that_cannot_be_quoted_is_not_asked_for() -> None:
    with pytest.raises(UnquotableError):
        principal_names.ask(Questions(), "OMSDK", ['x" & del'])


# Nine properties; the second dependency has no label of its own.
RUSSIAN = """
[SC] QueryServiceConfig: успех

Имя_службы: OMSDK
        Тип                : 10  WIN32_OWN_PROCESS
        Тип_запуска        : 2   AUTO_START  (DELAYED)
        Управление_ошибками: 1   NORMAL
        Имя_двоичного_файла: "C:\\x y\\Microsoft.Mom.Sdk.ServiceHost.exe"
        Группа_запуска     :
        Тег                : 0
        Выводимое_имя      : OpsMgr: SDK
        Зависимости        : RPCSS
                           : WINMGMT
        Имя_начальника     : ODYSSEY\\svc sdk
"""


@pytest.mark.parametrize(
    ("configuration", "account"),
    [
        (RUSSIAN, "ODYSSEY\\svc sdk"),
        (RUSSIAN.replace("\n", "\r\n"), "ODYSSEY\\svc sdk"),
        (RUSSIAN.replace("                           : WINMGMT\n", ""), "ODYSSEY\\svc sdk"),
        (RUSSIAN.partition("        Имя_начальника")[0], None),
        (RUSSIAN.replace("svc sdk", "x" * 1000), None),
        (RUSSIAN.replace("ODYSSEY\\svc sdk", ""), None),
        ("[SC] OpenService FAILED 1060:\n\nThe specified service does not exist.\n", None),
        ("", None),
    ],
)
def test_the_account_of_a_service(configuration: str, account: str | None) -> None:
    query = Answer(True, "\n        TYPE : 10  X \n        STATE : 4  RUNNING \n")
    assert parse_service(query, Answer(True, configuration)).account == account
