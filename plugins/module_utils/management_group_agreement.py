# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the servers of a management group and its database say the same about who is the RMS.

What the servers say comes from management_server_info, what the database says from management_group. Nothing here asks
anybody.

This file is private to the collection: others must not import it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import error_sentence
from ansible_collections.opsmgr.recovery.plugins.module_utils.management_group import GroupFacts, ListedServer
from ansible_collections.opsmgr.recovery.plugins.module_utils.server_names import is_one_of, known_as
from ansible_collections.opsmgr.recovery.plugins.module_utils.sql_options import OptionProblem
from ansible_collections.opsmgr.recovery.plugins.module_utils.versions import ServerVersion, VersionError

SDK, CONFIG = "OMSDK", "OMCFG"

# What a result has that is no view but says why it is missing.
_NO_LOOK = ("unreachable", "failed", "skipped")


@dataclass(frozen=True)
class LocalView:
    """What one server said. C(host) is what the play calls it; C(trouble) says why the rest is not known."""

    host: str
    trouble: str = ""
    computer_name: str = ""
    management_group: str | None = None
    version: str | None = None
    is_rms: bool = False
    is_clustered: bool = False
    states: Mapping[str, str | None] = field(default_factory=dict)
    unsupported: str | None = None

    @property
    def running(self) -> list[str]:
        """Those of OMSDK and OMCFG that run."""
        return [name for name in (SDK, CONFIG) if self.states.get(name) == "running"]

    @property
    def opinion(self) -> str:
        """What registry and services say, for a sentence."""
        if self.is_rms:
            return f"its registry says that it is the RMS, and {self.services}"
        return f"its registry says that it is not the RMS, and {self.services}"

    @property
    def services(self) -> str:
        """What OMSDK and OMCFG do, for a sentence."""
        return " and ".join(f"{name} is {self.states.get(name) or 'missing'}" for name in (SDK, CONFIG))

    def is_computer(self, name: str) -> bool:
        """Whether the database's C(name) is this computer's."""
        return bool(self.computer_name) and is_one_of(self.computer_name, known_as([name]))

    def is_called(self, name: str) -> bool:
        """Whether the database's C(name) is this computer's, or what the play calls it."""
        return self.is_computer(name) or is_one_of(self.host, known_as([name]))


@dataclass
class Agreement:
    """C(agree) is None while somebody who is needed for the answer was not asked. Each of C(problems) is a whole
    sentence.
    """

    agree: bool | None = None
    problems: list[str] = field(default_factory=list)


def read_views(results: Sequence[Mapping[str, Any]]) -> list[LocalView]:
    """Take the results of a loop with management_server_info apart. Raises OptionProblem for anything else."""
    return [_view(place, result) for place, result in enumerate(results, 1)]


def compare(facts: GroupFacts, views: Sequence[LocalView]) -> Agreement:
    """Compare registries and services with the database. Without the database's opinion there is nothing to compare, and
    without an RMS neither: from 2012 on, all management servers are alike.
    """
    if facts.servers is None:
        return Agreement()
    comparison = _Comparison(facts, facts.servers, views)
    if facts.unsupported or comparison.has_unsupported():
        return Agreement(None, comparison.strangers())
    disagreements = comparison.disagreements()
    not_asked = comparison.not_asked()
    agree: bool | None = True
    if disagreements or len(facts.rms_names) != 1:
        agree = False
    elif not_asked:
        agree = None
    return Agreement(agree, disagreements + not_asked + comparison.versions())


def _view(place: int, result: Mapping[str, Any]) -> LocalView:
    item = result.get(str(result.get("ansible_loop_var", "item")))
    server = result.get("server")
    if isinstance(server, Mapping) and {"computer_name", "is_rms", "services"} <= server.keys():
        if not isinstance(item, str):
            item = str(server["computer_name"])
        return _answer(item, server)
    if server is not None or not ("server" in result or any(result.get(key) for key in _NO_LOOK)):
        raise OptionProblem(
            f"entry {place} of management_servers is not a result of management_server_info",
            "Give it the results of a loop with that module",
        )
    if not isinstance(item, str):
        item = f"entry {place} of management_servers"
    return LocalView(item, str(result.get("problem") or result.get("msg") or "nobody looked at it"))


def _answer(host: str, server: Mapping[str, Any]) -> LocalView:
    return LocalView(
        host=host,
        trouble=_why_it_cannot_tell(server),
        computer_name=str(server["computer_name"]),
        management_group=server.get("management_group"),
        version=server.get("version"),
        unsupported=server.get("unsupported"),
        is_rms=bool(server["is_rms"]),
        is_clustered=bool(server.get("clustered")),
        states={name: service.get("state") for name, service in server["services"].items()},
    )


def _why_it_cannot_tell(server: Mapping[str, Any]) -> str:
    if not server.get("administrator"):
        return "the account is not an administrator of this server"
    if not server.get("installed"):
        return "Operations Manager is not installed there"
    if server["is_rms"] is None:
        return "its registry names no management group"
    return ""


class _Comparison:
    """One group's servers by the database, and the views of them."""

    def __init__(self, facts: GroupFacts, servers: Sequence[ListedServer], views: Sequence[LocalView]) -> None:
        self._group = facts.management_group
        self._servers = [server for server in servers if not server.is_gateway]
        self._rms = " and ".join(facts.rms_names) or "nobody"
        self._views = views
        asked = [view for view in views if not view.trouble]
        # A clustered RMS is listed by its virtual name, which is no computer's; its nodes can be listed besides or not
        # [field].
        self._virtual = [server for server in self._servers if not any(view.is_computer(server.name) for view in asked)]
        self._strangers = [view for view in asked if self._is_of_another_group(view)]
        self._own = own = [view for view in asked if view not in self._strangers]
        self._nodes = _one_each([view for view in own if self._is_node(view)])
        others = [(view, self._entry(view)) for view in own if not self._is_node(view)]
        self._known = [(view, server) for view, server in others if server is not None]
        self._unlisted = [view for view, server in others if server is None]

    def has_unsupported(self) -> bool:
        """Whether a server of this group is of a version for which the rules of 2007 do not hold."""
        return any(view.unsupported for view in self._own)

    def strangers(self) -> list[str]:
        """A sentence for each server of another group."""
        return [self._stranger_sentence(view) for view in self._strangers]

    def disagreements(self) -> list[str]:
        """A sentence for each server, or cluster, that says otherwise than the database."""
        found = self.strangers()
        found += [self._unlisted_sentence(view) for view in self._unlisted]
        found += [self._role_sentence(view, server) for view, server in self._known if not _plays(view, server.is_rms)]
        return found + self._cluster_sentences()

    def not_asked(self) -> list[str]:
        """A sentence for each server whose opinion is missing."""
        found = [
            error_sentence(
                view.host, "", f"it was not asked who is the RMS: {view.trouble}", "Fix that, then look again"
            )
            for view in self._views
            if view.trouble
        ]
        for server in self._servers:
            if not any(view.is_called(server.name) for view in self._views) and not (server.is_rms and self._nodes):
                fact = f"it was not asked who is the RMS, and by the database {self._by_database(server)}"
                found.append(error_sentence(server.name, "", fact, "Observe it with management_server_info, too"))
        return found

    def versions(self) -> list[str]:
        """A sentence for each version that differs."""
        found = []
        for view, server in self._known:
            if view.version and server.version and not _is_same_version(view.version, server.version):
                fact = f"its registry says version {view.version}, the database {server.version}"
                found.append(error_sentence(view.host, "", fact, "Find out whether an update ended half way"))
        by_registry = {
            view.host: view.version for view in [*(view for view, _server in self._known), *self._nodes] if view.version
        }
        if len(set(by_registry.values())) > 1:
            listed = ", ".join(f"{host} has {version}" for host, version in by_registry.items())
            found.append(
                f"The servers have different versions: {listed}. Bring them to the same version before the RMS role moves."
            )
        return found

    def _is_of_another_group(self, view: LocalView) -> bool:
        return bool(self._group and view.management_group and view.management_group.lower() != self._group.lower())

    def _entry(self, view: LocalView) -> ListedServer | None:
        """What the database has of the computer; of the virtual server, when it was asked by that name."""
        if view.is_clustered:
            for server in self._virtual:
                if view.is_called(server.name):
                    return server
        return next((server for server in self._servers if view.is_computer(server.name)), None)

    def _is_node(self, view: LocalView) -> bool:
        """Whether it speaks for a node of the clustered RMS, and not for the virtual server nor for itself."""
        if not view.is_clustered or not any(server.is_rms for server in self._virtual):
            return False
        server = self._entry(view)
        return server is None or (view.is_rms and not server.is_rms)

    def _by_database(self, server: ListedServer) -> str:
        if server.is_rms:
            return "it is the RMS"
        return f"it is an ordinary management server and the RMS is {self._rms}"

    def _stranger_sentence(self, view: LocalView) -> str:
        found = f"it belongs to the management group {view.management_group}, and this is the database of {self._group}"
        return error_sentence(
            view.host, "", found, "Leave it out of management_servers, or ask the database of its own group"
        )

    def _unlisted_sentence(self, view: LocalView) -> str:
        found = f"{view.opinion}; the database does not list it, and by it the RMS is {self._rms}"
        return error_sentence(
            view.host,
            "",
            found,
            "Find out whether it was deleted from the management group, or is listed by another name",
        )

    def _role_sentence(self, view: LocalView, server: ListedServer) -> str:
        return error_sentence(
            view.host,
            "",
            f"{view.opinion}; by the database {self._by_database(server)}",
            _what_to_do(view, server.is_rms),
        )

    def _cluster_sentences(self) -> list[str]:
        found = []
        for view in self._nodes:
            if not view.is_rms:
                fact = f"{view.opinion}; by the database the RMS is {self._rms}, which no other server is, so this is a node of it"
                found.append(
                    error_sentence(
                        view.host,
                        "",
                        fact,
                        "Set IsRootHealthService to 1 in the registry of every node: each must say that it is the RMS",
                    )
                )
        if self._nodes and [view.running for view in self._nodes if view.running] != [[SDK, CONFIG]]:
            opinions = "; ".join(f"on {view.host} {view.services}" for view in self._nodes)
            fact = f"by the database it is the RMS, so {SDK} and {CONFIG} should run on one node of the cluster, and {opinions}"
            found.append(error_sentence(self._rms, "", fact, "Bring the RMS's group online on one node of the cluster"))
        return found


def _one_each(views: Sequence[LocalView]) -> list[LocalView]:
    """The first look at each computer: a node can be asked by several addresses."""
    first: dict[str, LocalView] = {}
    for view in views:
        first.setdefault(view.computer_name.lower(), view)
    return list(first.values())


def _plays(view: LocalView, is_rms: bool) -> bool:
    """Whether registry and services of a server are those of its role."""
    if view.is_rms != is_rms:
        return False
    if is_rms:
        return view.running == [SDK, CONFIG]
    # Before SP1, OMSDK stays on a former RMS for the data warehouse [book].
    return not view.running or (view.running == [SDK] and _is_before_sp1(view.version))


def _what_to_do(view: LocalView, is_rms: bool) -> str:
    if is_rms and not view.is_rms:
        return "Rerun rms_promotion on it: a promotion may have been cut off"
    if is_rms:
        return f"Start {SDK} and {CONFIG} there with management_services"
    if view.is_rms:
        return "Run rms_demotion on it if another server was promoted in its place"
    return f"Disable {SDK} and {CONFIG} there with management_services"


def _is_before_sp1(version: str | None) -> bool:
    parsed = _parsed(version)
    return parsed is not None and not parsed.is_sp1_or_later


def _is_same_version(left: str, right: str) -> bool:
    return left == right or (_parsed(left) is not None and _parsed(left) == _parsed(right))


def _parsed(version: str | None) -> ServerVersion | None:
    try:
        return ServerVersion.parse(version or "")
    except VersionError:
        return None
