# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The domain's directory, as far as setspn shows it: accounts and their service principal names.

Names of accounts and of services are the same in any case [ms].
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any


@dataclass
class Account:
    """A computer or a user; ``name`` is what stands behind ``CN=``."""

    name: str
    container: str
    domain: str
    spns: list[str] = field(default_factory=list)

    @property
    def distinguished_name(self) -> str:
        """``CN=HYDRA,CN=Computers,DC=odyssey,DC=com``."""
        return ",".join([f"CN={self.name}", f"CN={self.container}", *(f"DC={part}" for part in self.domain.split("."))])


class ActiveDirectory:
    """One domain. ``domain`` is its DNS name; its NetBIOS name is the first part of that in capitals."""

    def __init__(self, domain: str) -> None:
        self.domain = domain
        self._lock = threading.Lock()
        self._accounts: dict[str, Account] = {}

    @property
    def netbios_domain(self) -> str:
        """The name before the backslash of an account."""
        return self.domain.partition(".")[0].upper()

    def add_computer(self, name: str) -> Account:
        """A computer's account, with what every computer registers for itself [ms]."""
        account = Account(name.upper(), "Computers", self.domain)
        account.spns = [f"HOST/{name.upper()}", f"HOST/{name}.{self.domain}"]
        return self._accounts.setdefault(name.lower(), account)

    def add_user(self, name: str) -> Account:
        r"""A user's account; ``name`` may be ``DOMAIN\name``."""
        short = name.rpartition("\\")[2]
        return self._accounts.setdefault(short.lower(), Account(short, "Users", self.domain))

    def find(self, name: str) -> Account | None:
        r"""The account that setspn takes ``name``, ``DOMAIN\name`` or a computer's ``name$`` for."""
        domain, _backslash, short = name.rpartition("\\")
        if domain.lower() not in ("", self.netbios_domain.lower(), self.domain.lower()):
            return None
        return self._accounts.get(short.removesuffix("$").lower())

    def holders(self, pattern: str) -> list[Account]:
        """The accounts with a name that fits; ``*`` stands for anything."""
        wanted = pattern.lower()
        return [each for each in self.accounts() if any(fnmatchcase(spn.lower(), wanted) for spn in each.spns)]

    def accounts(self) -> list[Account]:
        """All accounts by name."""
        with self._lock:
            return [self._accounts[key] for key in sorted(self._accounts)]

    def register(self, account: str, *spns: str) -> None:
        """Give an account names, as a domain administrator does, or a computer for itself. KeyError without it."""
        found = self.find(account)
        if found is None:
            raise KeyError(account)
        with self._lock:
            has = {spn.lower() for spn in found.spns}
            found.spns += [spn for spn in spns if spn.lower() not in has]

    def delete(self, account: str, spn: str) -> None:
        """Take a name from an account, as a domain administrator does. KeyError without the account."""
        found = self.find(account)
        if found is None:
            raise KeyError(account)
        with self._lock:
            found.spns = [each for each in found.spns if each.lower() != spn.lower()]

    def dump(self) -> dict[str, list[str]]:
        """All accounts with their names."""
        return {account.name: sorted(account.spns) for account in self.accounts()}

    def kept(self) -> dict[str, Any]:
        """What :meth:`restore` brings back."""
        with self._lock:
            return {key: list(account.spns) for key, account in self._accounts.items()}

    def restore(self, kept: dict[str, Any]) -> None:
        """Be as when this was kept."""
        with self._lock:
            self._accounts = {key: account for key, account in self._accounts.items() if key in kept}
            for key, account in self._accounts.items():
                account.spns = list(kept[key])


def is_computer(account: str) -> bool:
    """Whether a service with this account is the computer's own to the rest of the domain [ms]."""
    return account.partition("\\")[0] in ("LocalSystem", "NT AUTHORITY")


def service_names(service: str, fqdn: str) -> tuple[str, str]:
    """A service's two names for a server: by NetBIOS name and by full name [field]."""
    return f"{service}/{fqdn.partition('.')[0].upper()}", f"{service}/{fqdn}"
