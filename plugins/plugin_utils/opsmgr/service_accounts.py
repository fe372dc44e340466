# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The accounts of an installed management server's services, which a setup on it must leave as they are: an SDK service
with another account cannot use its database any more.

Private to opsmgr.recovery.
"""

from __future__ import annotations

import typing as t

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.server import (
    CONFIG_SERVICE,
    SDK_SERVICE,
    SERVICES,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.windows.host import ServiceState

# What sc calls the computer's account, in every language [field].
COMPUTER_ACCOUNT = "LocalSystem"
# Names of properties: the second one is published [ms], the first is from memory.
USE_COMPUTER_ACCOUNT = "SDK_USE_COMPUTER_ACCOUNT"
SDK_ACCOUNT = "SDK_ACCOUNT"
YES = "1"

Services = t.Mapping[str, ServiceState]


def kept_accounts(step: str, services: Services, given: t.Mapping[str, t.Any]) -> dict[str, str]:
    """The properties of a setup on an installed server that say which account OMSDK and OMCFG have, as far as that can be
    said without a password: only where both have the computer's. What is not said is left as it is [assumed].

    Nothing is said of the account of the actions: no service tells it, because the Health Service itself runs as the
    computer whatever it is.

    :param given: properties that the user wants; one that would change an account is refused
    :raises OpsmgrError: the account of one of the two cannot be told, or a property would change it
    """
    accounts = {name: _account(step, services, name) for name in (SDK_SERVICE, CONFIG_SERVICE)}
    wanted = _wanted(given)
    if wanted is not None:
        for name, account in accounts.items():
            if account.lower() != wanted.lower():
                raise OpsmgrError(
                    step,
                    f"{name} runs as {account}, and a property of the setup would make that {wanted}",
                    f"Take {USE_COMPUTER_ACCOUNT} and {SDK_ACCOUNT} out of the option properties",
                )
    of_computer = all(account.lower() == COMPUTER_ACCOUNT.lower() for account in accounts.values())
    return {USE_COMPUTER_ACCOUNT: YES} if of_computer else {}


def require_kept(step: str, before: Services, after: Services) -> None:
    """Compare the accounts after a setup with those before it.

    :raises OpsmgrError: one of them is another one now, or cannot be told any more
    """
    changed = [
        f"{name} ran as {before[name].account}, and now as {after[name].account or 'an account that cannot be told'}"
        for name in SERVICES
        if before[name].account and not _same(before[name].account, after[name].account)
    ]
    if changed:
        raise OpsmgrError(
            step,
            f"the setup has changed accounts of services: {'; '.join(changed)}",
            "Give each its account back, with the password, in the services of the server, and start it again: "
            "with another account the SDK service cannot use the operational database",
            "the new key is made",
        )


def _account(step: str, services: Services, name: str) -> str:
    account = services[name].account
    if not account:
        raise OpsmgrError(
            step,
            f"the account that {name} runs as cannot be told, and the setup could change it",
            f"Run `sc qc {name}` on the server and fix what keeps the account from being read. "
            "Or run the setup on the console, with that account; the task then finds its work done",
        )
    return account


def _wanted(given: t.Mapping[str, t.Any]) -> str | None:
    """The account that the user's properties would give to both services."""
    if str(given.get(USE_COMPUTER_ACCOUNT)) == YES:
        return COMPUTER_ACCOUNT
    return str(given[SDK_ACCOUNT]) if given.get(SDK_ACCOUNT) else None


def _same(one: str | None, other: str | None) -> bool:
    return (one or "").lower() == (other or "").lower()
