# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""setspn.exe, in the box from Windows Server 2008 on.

``-L`` prints the account's distinguished name and each name behind a tab, ``-Q`` the accounts that have a name, as
published transcripts show it [field]. What an unknown account gets, on standard error, is in two of them; that it ends
with 1 then is assumed. Nobody who logs on to a host of the lab is a domain administrator, so ``-A``, ``-S`` and ``-D``
are refused with 8344 [field]; ``-R``, ``-X`` and the other switches are not here.
"""

from __future__ import annotations

from ..directory import Account
from ..process import Process

USAGE = (
    "Usage: setspn [modifiers switch] [accountname] ",
    '  Where "accountname" can be the name or domain\\name',
    "  of the target computer or user account",
)
NO_SUCH_DOMAIN = "0x0000054B"
NO_SUCH_USER = "0x00000525"
FAILED = 1


def setspn(process: Process) -> int:
    """The program."""
    words = process.argv[1:]
    switch = words.pop(0).lower() if words and words[0][:1] in "-/" else "-l"
    verb = switch[1:]
    if verb == "q" and len(words) == 1:
        return _query(process, words[0])
    if verb == "l" and len(words) == 1:
        account = _account(process, words[0])
        if account is None:
            return FAILED
        process.say(f"Registered ServicePrincipalNames for {account.distinguished_name}:")
        process.say(*(f"\t{spn}" for spn in account.spns))
        return 0
    if verb in ("a", "s", "d") and len(words) == 2:
        return _refuse(process, words[1], "remove" if verb == "d" else "assign")
    process.say(*USAGE)
    return FAILED


def _account(process: Process, name: str) -> Account | None:
    directory = process.host.directory
    account = directory.find(name) if directory is not None else None
    if account is None:
        code = NO_SUCH_DOMAIN if directory is None else NO_SUCH_USER
        process.complain(
            f"FindDomainForAccount: Call to DsGetDcNameWithAccountW failed with return value {code}",
            f"Could not find account {name}",
        )
    return account


def _query(process: Process, pattern: str) -> int:
    directory = process.host.directory
    if directory is None:
        process.complain("Ldap Error(0x51 -- Server Down): ldap_connect")
        return FAILED
    process.say("Checking domain " + ",".join(f"DC={part}" for part in directory.domain.split(".")))
    holders = directory.holders(pattern)
    for account in holders:
        process.say(account.distinguished_name, *(f"\t{spn}" for spn in account.spns))
    process.say("", "Existing SPN found!" if holders else "No such SPN found.")
    return 0 if holders else FAILED


def _refuse(process: Process, name: str, what: str) -> int:
    account = _account(process, name)
    if account is not None:
        process.complain(
            f"Failed to {what} SPN on account '{account.distinguished_name}', error 0x2098/8344 -> "
            "Insufficient access rights to perform the operation."
        )
    return FAILED
