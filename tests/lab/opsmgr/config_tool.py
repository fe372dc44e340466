# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ManagementServerConfigTool.exe: the role of the root management server moves here, or has moved away from here.

``PromoteRMS [/DeleteExistingRMS:true|false]`` runs on the server to promote, after the key was restored there; without
the switch it is ``false`` [field].  It warns and waits for ``Y`` [book]; ``y`` will do, anything else changes nothing
[assumed]. ``true`` deletes the old root from the database, ``false`` demotes it [book][field].  ``UpdateDemotedRMS``
runs on the old root when it can be reached again [assumed: no page was found that names it].

``InstallCluster /vs:<virtual server> /Disk:<disk resource or drive>`` runs on the root that becomes the first node,
``AddRMSNode`` with the same options on every other one, after the key was restored there [ms].  Both warn and wait for
``Y`` [assumed]; the first wants the disk online here, the second does not [assumed].  The first also wants the three
services to be Generic Service resources of the virtual server's group, which are created before [ms].  On a node
``PromoteRMS`` gives the role back to the virtual server and leaves the services to the cluster; it wants the disk
online here [assumed].  A clustered root that ``true`` deleted cannot be created again before R2 [field], and neither
can one in a management group that exists [ms], which is told by management servers that are no nodes [assumed].

The order of work is database, registry, services [assumed].  Besides the fault that every program start asks for, there
are ``ManagementServerConfigTool:before-change``, ``:after-database`` and ``:after-registry``: a tool that fails or is
dropped there leaves what it did so far, and running it again does the rest.  ``UpdateDemotedRMS`` has the first and the
last. Whether this is the root already is asked of the registry, for the same reason [assumed].

Host settings: ``promote_seconds`` (0.3), ``promote_starts_services`` (true: ``OMSDK`` and ``OMCFG`` become automatic
and are started; ``enable``: only automatic; false: untouched), ``update_demoted_asks`` (false),
``update_demoted_known`` (true; false: there is no such action), ``deleted_root_lingers`` (true: what the database
deletes keeps its rows, marked as deleted, as until it is groomed away).  Exit codes as in ``secure_storage_backup.py``
[assumed].  ``install_cluster_asks`` (true): whether the cluster's two actions wait for ``Y``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..cluster.build import SERVICES
from ..cluster.cluster import Cluster
from ..cluster.resources import GenericService, Group, NetworkName, PhysicalDisk, Resource, drive_letter
from ..windows.process import TERMINATED, Program
from .dialogue import Dialogue, ToolDiedError, ToolFailedError, tool_program
from .installation import ROOT_SERVICES, STATE_FOLDER, Installation
from .operational_database import Databases, OperationalDatabase, UnreachableError
from .secure_storage_backup import check_surroundings
from .versions import find_version

TOOL = "ManagementServerConfigTool"
_SWITCH = "/deleteexistingrms"
_TRUTH = {"true": True, "false": False}
_PROMOTE_SECONDS = 0.3


def config_tool(databases: Databases, clusters: Mapping[str, Cluster]) -> Program:
    """The tool as a program of hosts that find their databases and clusters there."""

    def promote(dialogue: Dialogue, databases: Databases, options: list[str]) -> None:
        _promote(dialogue, databases, options, clusters)

    def install_cluster(dialogue: Dialogue, databases: Databases, options: list[str]) -> None:
        _install_cluster(dialogue, databases, _ClusterPlace.find(dialogue, clusters, options))

    def add_node(dialogue: Dialogue, databases: Databases, options: list[str]) -> None:
        _add_node(dialogue, databases, _ClusterPlace.find(dialogue, clusters, options))

    actions: Mapping[str, Callable[[Dialogue, Databases, list[str]], None]] = {
        "promoterms": promote,
        "updatedemotedrms": _update_demoted,
        "installcluster": install_cluster,
        "addrmsnode": add_node,
    }

    def body(dialogue: Dialogue) -> None:
        arguments = dialogue.process.argv[1:]
        if not arguments:
            raise ToolFailedError("config_usage", always_one=True)
        action = actions.get(arguments[0].lower())
        if action is _update_demoted and dialogue.setting("update_demoted_known", "true").lower() == "false":
            action = None
        if action is None:
            dialogue.say("unknown_action", action=arguments[0])
            raise ToolFailedError("config_usage", always_one=True)
        action(dialogue, databases, arguments[1:])

    return tool_program(TOOL, body)


def _promote(dialogue: Dialogue, databases: Databases, options: list[str], clusters: Mapping[str, Cluster]) -> None:
    delete_old = _delete_existing(dialogue, options)
    installation = _checked(dialogue)
    if installation.is_root and not installation.virtual_server:
        raise ToolFailedError("already_root")
    if installation.key is None:
        raise ToolFailedError("no_key_to_promote")
    drive = installation.cluster_drive
    if drive and not installation.host.fs.exists(f"{drive}\\"):
        raise ToolFailedError("disk_not_here", disk=drive)
    with _open(databases, installation) as database:
        if not database.lists(installation.computer):
            raise ToolFailedError("not_in_database", database=database.name)
        old_root = database.root() or ""
    if installation.virtual_server and _same(old_root, installation.virtual_server):
        raise ToolFailedError("already_root")
    virtual_root = old_root if any(_names(cluster, old_root.partition(".")[0]) for cluster in clusters.values()) else ""
    _confirm(dialogue, "promote_warning")
    dialogue.say("promoting")
    _fault_point(dialogue, "before-change")
    dialogue.process.sleep(float(dialogue.setting("promote_seconds", str(_PROMOTE_SECONDS))))
    with _open(databases, installation) as database:
        lingers = dialogue.setting("deleted_root_lingers", "true").lower() == "true"
        database.promote(installation.computer, delete_old=delete_old, virtual_root=virtual_root, lingers=lingers)
    _fault_point(dialogue, "after-database")
    installation.set_root(True)
    _fault_point(dialogue, "after-registry")
    if not installation.virtual_server:
        _give_services(dialogue, installation)
    dialogue.say("promoted", computer=installation.computer)


def _delete_existing(dialogue: Dialogue, options: list[str]) -> bool:
    """The value of the only switch; everything else is refused."""
    delete = False
    for option in options:
        name, _colon, value = option.lower().partition(":")
        if name != _SWITCH or value not in _TRUTH:
            dialogue.say("unknown_option", option=option)
            raise ToolFailedError("config_usage", always_one=True)
        delete = _TRUTH[value]
    return delete


def _checked(dialogue: Dialogue) -> Installation:
    installation = check_surroundings(dialogue)
    if not installation.is_management_server:
        raise ToolFailedError("not_a_management_server")
    return installation


def _open(databases: Databases, installation: Installation) -> OperationalDatabase:
    """The operational database of this server, if everybody may use it now."""
    server, name = installation.database
    try:
        database = databases.open(server, name, TOOL)
    except UnreachableError as error:
        raise ToolFailedError("no_database", database=name, server=server, reason=str(error)) from error
    if not database.is_multi_user:
        database.close()
        raise ToolFailedError("single_user", database=name, server=server)
    return database


def _confirm(dialogue: Dialogue, question: str) -> None:
    if dialogue.ask(question) not in ("Y", "y"):
        raise ToolFailedError("cancelled")


def _fault_point(dialogue: Dialogue, place: str) -> None:
    """A place where a lab can be told to let the tool die."""
    process = dialogue.process
    fault = process.host.faults.match(process.host.name, "command", f"{TOOL}:{place}")
    if fault is None:
        return
    if fault.action == "stall":
        process.sleep(fault.seconds)
    elif fault.action == "fail":
        raise ToolDiedError(1 if fault.code is None else fault.code, fault.text)
    else:
        raise ToolDiedError(TERMINATED, "")


def _give_services(dialogue: Dialogue, installation: Installation) -> None:
    wanted = dialogue.setting("promote_starts_services", "true").lower()
    for key in ROOT_SERVICES:
        if wanted in ("true", "enable"):
            installation.configure_service(key, "auto")
        if wanted == "true":
            installation.start_service(key)


def _update_demoted(dialogue: Dialogue, databases: Databases, options: list[str]) -> None:
    if options:
        dialogue.say("unknown_option", option=options[0])
        raise ToolFailedError("config_usage", always_one=True)
    installation = _checked(dialogue)
    with _open(databases, installation) as database:
        if _same(database.root() or "", installation.computer):
            raise ToolFailedError("still_root", database=database.name)
    if dialogue.setting("update_demoted_asks", "false").lower() == "true":
        _confirm(dialogue, "demote_warning")
    _fault_point(dialogue, "before-change")
    installation.set_root(False)
    _fault_point(dialogue, "after-registry")
    for key in reversed(ROOT_SERVICES):
        installation.stop_service(key)
        installation.configure_service(key, "disabled")
    dialogue.say("demoted", computer=installation.computer)


@dataclass(frozen=True)
class _ClusterPlace:
    """What the options of the cluster's two actions mean here."""

    installation: Installation
    name: str
    """The virtual server's full name, the first part in capitals as Windows keeps it."""
    drive: str
    disk: Resource
    group: Group
    nodes: tuple[str, ...]
    """The full names of the cluster's nodes."""
    is_here: bool

    @classmethod
    def find(cls, dialogue: Dialogue, clusters: Mapping[str, Cluster], options: list[str]) -> _ClusterPlace:
        """Find the virtual server and its disk in the cluster of this host; everything that is missing is refused."""
        virtual_server, disk_name = _cluster_options(dialogue, options)
        installation = _checked(dialogue)
        if installation.key is None:
            raise ToolFailedError("no_key_to_promote")
        host = installation.host
        cluster = clusters.get(host.name)
        if cluster is None or not cluster.serves(host):
            raise ToolFailedError("no_cluster")
        names = _names(cluster, virtual_server)
        if not names:
            raise ToolFailedError("no_network_name", virtual=virtual_server)
        group = cluster.group_of(names[0])
        disks = [resource for resource in group.resources if isinstance(resource.type, PhysicalDisk)]
        wanted = disk_name.lower().rstrip("\\")
        disk = next((each for each in disks if wanted in (each.name.lower(), f"{drive_letter(each)}:".lower())), None)
        if disk is None:
            raise ToolFailedError("no_cluster_disk", disk=disk_name, virtual=virtual_server)
        is_here = disk.state == "Online" and group.node.host is host
        full_name = f"{virtual_server.upper()}.{host.fqdn.partition('.')[2]}"
        nodes = tuple(node.host.fqdn.lower() for node in cluster.nodes)
        return cls(installation, full_name, f"{drive_letter(disk)}:", disk, group, nodes, is_here)

    def service_without_resource(self) -> str:
        """The first service that the group has no resource for; empty when it has all."""
        generic = [each for each in self.group.resources if isinstance(each.type, GenericService)]
        started = {each.private["ServiceName"].lower() for each in generic}
        return next((key for key in SERVICES if key.lower() not in started), "")


def _cluster_options(dialogue: Dialogue, options: list[str]) -> tuple[str, str]:
    """The values of ``/vs:`` and ``/Disk:``; everything else is refused."""
    found: dict[str, str] = {}
    for option in options:
        name, _colon, value = option.partition(":")
        if name.lower() not in ("/vs", "/disk") or not value or name.lower() in found:
            dialogue.say("unknown_option", option=option)
            raise ToolFailedError("config_usage", always_one=True)
        found[name.lower()] = value
    if len(found) < 2:
        raise ToolFailedError("config_usage", always_one=True)
    return found["/vs"], found["/disk"]


def _names(cluster: Cluster, name: str) -> list[Resource]:
    """The Network Name resources of that name."""
    return [
        resource
        for resource in cluster.resources()
        if isinstance(resource.type, NetworkName) and _same(resource.private["Name"], name)
    ]


def _same(one: str, other: str) -> bool:
    return one.lower() == other.lower()


def _install_cluster(dialogue: Dialogue, databases: Databases, place: _ClusterPlace) -> None:
    installation = place.installation
    if installation.virtual_server:
        raise ToolFailedError("already_node", virtual=installation.virtual_server)
    if not installation.is_root:
        raise ToolFailedError("not_root")
    if not place.is_here:
        raise ToolFailedError("disk_not_here", disk=place.disk.name)
    missing = place.service_without_resource()
    if missing:
        raise ToolFailedError("no_service_resource", virtual=place.name.partition(".")[0], service=missing)
    with _open(databases, installation) as database:
        root = database.root() or ""
        if not any(_same(root, name) for name in (installation.computer, place.name)):
            raise ToolFailedError("not_root")
        if not find_version(installation.server_version).can_cluster_later:
            _require_new_group(place, database)
    _confirm_cluster(dialogue)
    _fault_point(dialogue, "before-change")
    dialogue.process.sleep(float(dialogue.setting("promote_seconds", str(_PROMOTE_SECONDS))))
    with _open(databases, installation) as database:
        database.install_virtual_server(place.name, installation.server_version)
    _fault_point(dialogue, "after-database")
    installation.host.fs.mkdir(f"{place.drive}\\{STATE_FOLDER}", exist_ok=True)
    _join(dialogue, place)


def _require_new_group(place: _ClusterPlace, database: OperationalDatabase) -> None:
    if database.has_remains_of(place.name):
        raise ToolFailedError("cluster_was_deleted", virtual=place.name, database=database.name)
    own = {*place.nodes, place.name.lower()}
    if any(name.lower() not in own for name in database.management_servers()):
        raise ToolFailedError("only_at_first", database=database.name)


def _add_node(dialogue: Dialogue, databases: Databases, place: _ClusterPlace) -> None:
    installation = place.installation
    if installation.virtual_server:
        raise ToolFailedError("already_node", virtual=installation.virtual_server)
    with _open(databases, installation) as database:
        root = database.root() or ""
        if not _same(root, place.name):
            raise ToolFailedError("other_virtual_server", database=database.name, root=root, virtual=place.name)
    _confirm_cluster(dialogue)
    _fault_point(dialogue, "before-change")
    dialogue.process.sleep(float(dialogue.setting("promote_seconds", str(_PROMOTE_SECONDS))))
    _join(dialogue, place)


def _confirm_cluster(dialogue: Dialogue) -> None:
    if dialogue.setting("install_cluster_asks", "true").lower() == "true":
        _confirm(dialogue, "cluster_warning")


def _join(dialogue: Dialogue, place: _ClusterPlace) -> None:
    place.installation.join_virtual_server(place.name, place.drive)
    _fault_point(dialogue, "after-registry")
    dialogue.say("cluster_installed", virtual=place.name)
