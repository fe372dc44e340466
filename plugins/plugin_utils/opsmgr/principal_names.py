# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Service principal names of Operations Manager in Active Directory, as setspn lists them: looked at, never changed.

Private to opsmgr.recovery. setspn is in the box from Windows Server 2008 on. On Windows Server 2003 it comes with the
Support Tools, and without them nothing is observed.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.windows.host import Answer, Questions, quote

# Of the SDK service, on its account, and of the Health Service, on the computer's account [field].
SDK_CLASS = "MSOMSdkSvc"
HEALTH_CLASS = "MSOMHSvc"

_SERVICES = r"HKLM\SYSTEM\CurrentControlSet\Services"
# What Windows calls itself as the account of a service, up to the backslash: the directory knows it as the computer.
_OWN_ACCOUNTS = ("LocalSystem", "NT AUTHORITY", "NT SERVICE")
# A listing begins with the account's distinguished name, in every language.
_LISTING = re.compile(r"\bDC=", re.IGNORECASE)
_NAME = re.compile(rf"(?m)^[^\S\r\n]+((?:{SDK_CLASS}|{HEALTH_CLASS})/[\w.:-]{{1,255}})[^\S\n]*$", re.IGNORECASE)
_NAMES_LIMIT = 200

Listed = dict[str, list[str] | None]


def is_own_account(account: str) -> bool:
    """Whether a service with this account is the computer itself to the rest of the domain."""
    domain = account.partition("\\")[0].lower()
    return account.lower() == ".\\localsystem" or domain in (name.lower() for name in _OWN_ACCOUNTS)


def ask(questions: Questions, service: str, computers: t.Sequence[str]) -> None:
    """Add the questions that read() answers: the names of this computer, of a service's account, and of other computers."""
    questions.ask("names of computer", "setspn -L %COMPUTERNAME%")
    questions.ask("names of service", _service_command(service))
    for number, computer in enumerate(computers):
        questions.ask(f"names {number}", f"setspn -L {quote(computer)}")


def read(
    answers: t.Mapping[str, Answer], computer_name: str, service_account: str | None, computers: t.Sequence[str]
) -> Listed:
    """The names of each account that ask() asked for; None for one that could not be looked at."""
    listed: Listed = {name: listed_names(answers[f"names {number}"].text) for number, name in enumerate(computers)}
    listed[computer_name] = listed_names(answers["names of computer"].text)
    if service_account is not None and not is_own_account(service_account):
        listed[service_account] = listed_names(answers["names of service"].text)
    return listed


def listed_names(text: str) -> list[str] | None:
    """The names of Operations Manager in what `setspn -L` wrote; None when it listed no account."""
    return sorted(set(_NAME.findall(text)), key=str.lower)[:_NAMES_LIMIT] if _LISTING.search(text) else None


def _service_command(service: str) -> str:
    """List the names of a service's account, which only the registry of the server knows: "2*" takes the rest of the
    value's line. The accounts of Windows itself are left out, because a search for them takes long.
    """
    own = " ".join(f'if /i not "%c"=="{name}"' for name in (*_OWN_ACCOUNTS, "."))
    return (
        f'for /f "tokens=2*" %a in (\'reg query "{_SERVICES}\\{service}" /v ObjectName ^| find "REG_SZ"\') do '
        f'@for /f "tokens=1 delims=\\" %c in ("%b") do @{own} setspn -L "%b"'
    )
