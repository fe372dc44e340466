# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which service principal names a domain administrator has to add and to delete after the RMS has moved: pure decisions
over what was observed.

Private to opsmgr.recovery. The names of the SDK service are those of the RMS, by NetBIOS name and with the domain, on the
account of that service. The names of a Health Service are on its computer's account. A clustered RMS has the virtual
server's names, those of its Health Service on the virtual server's account. Names of a former RMS are to be deleted
[management pack 6.1.7695.0, rule SdkSpnRegistration; field]. Only a domain administrator may do either.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ansible_collections.opsmgr.recovery.plugins.module_utils.server_names import in_capitals, name_key, short_name
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.principal_names import (
    HEALTH_CLASS,
    SDK_CLASS,
    is_own_account,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.observation import Observation, ServerObservation

ADD = "-A"
DELETE = "-D"
ADMINISTRATOR = "as a domain administrator"
# What a person puts in place of an account that could not be observed.
PLACEHOLDER = "ACCOUNT"
_PLAIN_ACCOUNT = re.compile(r"[\w.@$\\-]+")

Listed = t.Mapping[str, "t.Sequence[str] | None"]


@dataclass(frozen=True)
class NamedServer:
    """A server that is the RMS, or was.

    :ivar name: the NetBIOS name, of a clustered RMS the virtual server's
    :ivar full_name: the name with the domain; None when it is not known
    :ivar sdk_account: the account of its SDK service, as the directory calls it; None when it is not known
    :ivar whose_account: how to find that account
    """

    name: str
    full_name: str | None
    sdk_account: str | None
    whose_account: str

    def names(self, service_class: str) -> list[str]:
        """The two names of a service; in place of a full name that is not known, which one it is."""
        return [f"{service_class}/{name}" for name in (self.name, self.full_name or f"<full name of {self.name}>")]


@dataclass(frozen=True)
class NameOrder:
    """One name to add or to delete.

    :ivar verb: ADD or DELETE
    :ivar account: as setspn takes it; None when a person has to find it
    :ivar seen: whether the names of the account were listed, so that this is known to be needed
    :ivar whose_account: how to find the account
    """

    verb: str
    name: str
    account: str | None
    seen: bool
    whose_account: str = ""

    @property
    def line(self) -> str:
        """The command, and in parentheses who gives it, and when."""
        account = _quoted(self.account or PLACEHOLDER)
        return f"setspn {self.verb} {self.name} {account} ({ADMINISTRATOR}{self._condition(account)})"

    def _condition(self, account: str) -> str:
        if self.seen and self.verb == ADD:
            return ": this name is missing"
        if self.seen:
            return ": this name is left over"
        when = {ADD: "unless", DELETE: "if"}[self.verb]
        if self.account is None:
            return f", {when} setspn -Q {self.name} finds it; {PLACEHOLDER} is {self.whose_account}"
        return f", {when} setspn -L {account} shows it: that could not be looked at"


def name_orders(
    rms: NamedServer,
    former: t.Sequence[NamedServer] = (),
    others: t.Collection[str] = (),
    listed: Listed | None = None,
    *,
    adds_own: bool = False,
) -> list[NameOrder]:
    """What is to be added for the RMS, and what is to be deleted of other servers.

    :param former: servers that were the RMS, whose names may be left on an account that was not listed
    :param others: names of servers of this management group that are not the RMS; other groups may use the same account
    :param listed: the names of each account that was asked for; None for one that could not be looked at
    :param adds_own: leave out names that the SDK service is still to add by itself
    """
    seen = {account.lower(): names for account, names in (listed or {}).items()}
    deleted = _left_over(rms, {name_key(name) for name in others} - {name_key(rms.name)}, listed or {})
    known = {name_key(_server_of(order.name)) for order in deleted}
    added: list[NameOrder] = []
    if not adds_own:
        added += _missing(rms.names(SDK_CLASS), rms.sdk_account, rms.whose_account, seen)
    return [
        *added,
        *_missing(rms.names(HEALTH_CLASS), rms.name, "", seen),
        *deleted,
        *(order for server in former if name_key(server.name) not in known for order in _unseen(server, seen)),
    ]


def sdk_account(server: t.Mapping[str, t.Any]) -> str | None:
    """The account of a server's SDK service as the directory calls it: the computer's name where it is Windows' own."""
    account = server.get("sdk_account")
    if account and is_own_account(account):
        return str(server["computer_name"])
    return account


def listed_names(observation: Observation) -> dict[str, list[str] | None]:
    """The names of each account, by any server that could list them; None where none could."""
    listed: dict[str, list[str] | None] = {}
    known: dict[str, str] = {}
    for look in observation.servers:
        for account, names in ((look.server or {}).get("principal_names") or {}).items():
            spelled = known.setdefault(account.lower(), account)
            if listed.get(spelled) is None:
                listed[spelled] = names
    return listed


def full_name(name: str, known: t.Iterable[str]) -> str | None:
    """The one with a domain among the names that are known of a server."""
    with_domain = [each for each in known if "." in each]
    return next((each for each in with_domain if name_key(each) == name_key(name)), None)


def named_server(look: ServerObservation, known: t.Iterable[str]) -> NamedServer:
    """A server as its own look has it; what it did not say is not known."""
    name = str(look.told.get("computer_name") or in_capitals(short_name(look.host)))
    whose = f"that of OMSDK on {look.host}, which sc qc OMSDK shows there, and {name} for LocalSystem"
    return NamedServer(name, full_name(name, known), sdk_account(look.told), whose)


def named_virtual_server(virtual_server: str, node: ServerObservation | None, known: t.Iterable[str]) -> NamedServer:
    """A clustered RMS; an account that is a node's own is not the virtual server's."""
    name = in_capitals(short_name(virtual_server))
    account = None
    if node is not None:
        account = node.told.get("sdk_account")
    if account and is_own_account(account):
        account = None
    whose = "the domain account that OMSDK has to have on all nodes"
    return NamedServer(name, full_name(name, [virtual_server, *known]), account or None, whose)


def _missing(names: t.Iterable[str], account: str | None, whose_account: str, seen: Listed) -> t.Iterator[NameOrder]:
    has = None
    if account is not None:
        has = seen.get(account.lower())
    lower = {name.lower() for name in has or ()}
    for name in names:
        if name.lower() not in lower:
            yield NameOrder(ADD, name, account, has is not None, whose_account)


def _left_over(rms: NamedServer, others: t.Collection[str], listed: Listed) -> list[NameOrder]:
    """Names of the SDK service that are listed for a server that is not the RMS, or for the RMS on another account."""
    found = []
    for account, names in listed.items():
        wrong = set(others)
        if rms.sdk_account is not None and account.lower() != rms.sdk_account.lower():
            wrong.add(name_key(rms.name))
        sdk_names = (name for name in names or () if name.lower().startswith(f"{SDK_CLASS}/".lower()))
        found += [NameOrder(DELETE, name, account, True) for name in sdk_names if name_key(_server_of(name)) in wrong]
    return found


def _unseen(server: NamedServer, seen: Listed) -> t.Iterator[NameOrder]:
    """Names of a former RMS on an account that nobody could list."""
    if server.sdk_account is None or seen.get(server.sdk_account.lower()) is None:
        for name in server.names(SDK_CLASS):
            yield NameOrder(DELETE, name, server.sdk_account, False, server.whose_account)


def _server_of(name: str) -> str:
    return name.partition("/")[2].partition(":")[0]


def _quoted(account: str) -> str:
    if _PLAIN_ACCOUNT.fullmatch(account):
        return account
    return f'"{account}"'
