# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The RMS in the configuration files of Reporting Services and of the web console [book].

Bytes in, bytes out: a name is replaced and not one other byte changes. All functions are for files in UTF-8, UTF-16
with a byte order mark, ASCII, ISO-8859-x and Windows-125x. A name that the encoding cannot hold is written with
character references. New names are written as given: who calls has checked that they are names.

This file is private to the collection: others must not import it.
"""

from __future__ import annotations

from collections.abc import Collection

from ansible_collections.opsmgr.recovery.plugins.module_utils.server_names import (
    in_capitals,
    is_one_of,
    known_as,
    short_name,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.repoint.document import (
    XML_SPACE,
    Change,
    Document,
    Edit,
    Untouched,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.repoint.errors import (
    AmbiguousEntry,
    ConfigError,
    HiddenEntry,
    MissingEntry,
    UnreadableConfig,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.repoint.hidden import (
    APP_SETTINGS,
    overriding_files,
    require_shown,
    undone_by,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.repoint.xml_source import Element

__all__ = [
    "AmbiguousEntry",
    "Change",
    "ConfigError",
    "Edit",
    "HiddenEntry",
    "MissingEntry",
    "UnreadableConfig",
    "Untouched",
    "change_mom_server",
    "change_server_names",
    "mom_server",
    "names_server",
    "overriding_paths",
]

SERVER_NAME = "ServerName"
MOM_SERVER = "MOMServer"

_RIGHT_FILE = "Check that this is the right file, and that OpsMgr is installed there"


def change_server_names(
    content: bytes, old_names: Collection[str], new_name: str, *, path: str = "rsreportserver.config"
) -> Edit:
    """Write the new RMS into every C(<ServerName>) of rsreportserver.config that names the old one [book: there are
    two].

    C(old_names) are names of the old RMS, with or without domain; an entry is recognised by the NetBIOS name, the FQDN
    and in any case. When no domain of the old RMS is given, it is taken to be in that of the new one. C(new_name) is
    the FQDN of the new RMS. Where there was a short name, the short one is written. An entry in capitals stays in
    capitals, unless the old name was given so: then the way back gives the original bytes.

    ServerName counts with any prefix, in any namespace and at any depth. Case matters in XML: C(<servername>) is no
    entry, and is returned as untouched. Entries with the new name are left, entries with another name too, and the
    latter are returned as untouched.

    C(path) is for messages. Raises UnreadableConfig, MissingEntry, HiddenEntry, or ConfigError.
    """
    document = Document.read(content, path)
    require_shown(document)
    entries = _server_name_entries(document)
    old, new = known_as(old_names, domain=new_name.partition(".")[2]), known_as([new_name])
    replacements, untouched = [], _other_spellings(document)
    for entry in entries:
        value = entry.text.strip(XML_SPACE)
        if entry.has_children:
            untouched.append(Untouched(document.line(entry), value, "it holds other elements"))
        elif is_one_of(value, new):
            continue
        elif is_one_of(value, old):
            replacements.append(document.replacement(entry, None, _in_form(value, old_names, new_name)))
        else:
            untouched.append(
                Untouched(document.line(entry), value, "it names another server" if value else "it is empty")
            )
    return document.replaced(replacements, sorted(untouched, key=lambda left: left.line))


def names_server(content: bytes, name: str, *, path: str = "rsreportserver.config") -> bool:
    """Whether a C(<ServerName>) of rsreportserver.config names the server with this FQDN, recognised as by
    change_server_names(). Raises as that does.
    """
    names = known_as([name])
    entries = _server_name_entries(Document.read(content, path))
    return any(is_one_of(entry.text.strip(XML_SPACE), names) for entry in entries if not entry.has_children)


def change_mom_server(content: bytes, new_fqdn: str, *, path: str = "Web.config") -> Edit:
    """Write the FQDN of the new RMS into C(<add key="MOMServer" value="..."/>) of the web console's Web.config [book].

    The entry may stand anywhere below C(<configuration>), or in a file that holds C(<appSettings>) alone. ASP.NET
    ignores the case of the key and nothing else [ms]. Two such entries are both changed when they name the same server.
    When they do not, the file is refused: ASP.NET takes the last one of a section, but in another section, or below
    C(<location>), an entry is for somebody else, and only a person knows whom. A file whose C(<appSettings>) are in
    another file, or encrypted, is refused. Whether another file overrides them is for the caller to find out, see
    overriding_paths().

    C(path) is for messages. Raises UnreadableConfig, MissingEntry, HiddenEntry, AmbiguousEntry, or ConfigError.
    """
    document = Document.read(content, path)
    require_shown(document, APP_SETTINGS)
    entries = _mom_server_entries(document)
    values = [entry.attributes["value"].strip(XML_SPACE) for entry in entries]
    if len({value.lower() for value in values}) > 1:
        found = "; ".join(
            f"line {document.line(entry)}: {value or 'nothing'}" for entry, value in zip(entries, values, strict=True)
        )
        advice = "Remove the entry that is not in use, or let all of them name the same server"
        raise AmbiguousEntry(
            path,
            f"the key {MOM_SERVER} is there {len(entries)} times, with different values ({found})",
            advice,
            document.line(entries[0]),
        )
    fqdn = frozenset((new_fqdn.lower(),))
    return document.replaced(
        [
            document.replacement(entry, "value", new_fqdn)
            for entry, value in zip(entries, values, strict=True)
            if not is_one_of(value, fqdn)
        ]
    )


def overriding_paths(content: bytes, *, path: str = "Web.config") -> list[tuple[int, str]]:
    """The files whose keys override the appSettings of Web.config [ms], with the lines that name them. Nothing is
    overridden by one that is not there. Raises UnreadableConfig.
    """
    return [(other.line, other.path) for other in overriding_files(Document.read(content, path))]


def mom_server(content: bytes, *, path: str = "Web.config") -> str | None:
    """The RMS that a file names last, or None when it names none. Raises UnreadableConfig, or HiddenEntry."""
    document = Document.read(content, path)
    require_shown(document, APP_SETTINGS)
    entries = _named_mom_server(document)
    return entries[-1].attributes.get("value", "").strip(XML_SPACE) if entries else None


def _server_name_entries(document: Document) -> list[Element]:
    """The elements. Raises MissingEntry."""
    entries = list(document.named(SERVER_NAME))
    if not entries:
        raise MissingEntry(document.path, f"there is no <{SERVER_NAME}> in it", _RIGHT_FILE)
    return entries


def _in_form(entry: str, old_names: Collection[str], new_name: str) -> str:
    """The new name in the form of the entry: short or with its domain, in capitals or as given."""
    name = new_name if "." in entry else short_name(new_name)
    given = {*old_names, *map(short_name, old_names)}
    return in_capitals(name) if entry.isupper() and entry not in given else name


def _other_spellings(document: Document) -> list[Untouched]:
    return [
        Untouched(
            document.line(element),
            element.text.strip(XML_SPACE),
            f"<{element.local_name}> is not <{SERVER_NAME}>: case matters in XML",
        )
        for element in document.source.elements
        if element.local_name != SERVER_NAME and element.local_name.lower() == SERVER_NAME.lower()
    ]


def _mom_server_entries(document: Document) -> list[Element]:
    """The elements, each with a value. Raises MissingEntry, or HiddenEntry."""
    entries = _named_mom_server(document)
    if not entries:
        raise MissingEntry(
            document.path, f'there is no <add key="{MOM_SERVER}" .../> below <configuration>', _RIGHT_FILE
        )
    undone = undone_by(document, entries, MOM_SERVER)
    if undone is not None:
        reason = f"<{undone.local_name}> takes the key {MOM_SERVER} away again, which stands above it"
        advice = "Remove that line, or the entry above it if it is not in use"
        raise HiddenEntry(document.path, reason, advice, document.line(undone))
    for entry in entries:
        if "value" not in entry.attributes:
            advice = 'Write value="" into it, or put a good copy of the file in its place'
            raise MissingEntry(
                document.path, f'<add key="{MOM_SERVER}"> has no attribute value', advice, document.line(entry)
            )
    return entries


def _named_mom_server(document: Document) -> list[Element]:
    root = document.source.elements[0]
    return [
        element
        for element in document.named("add")
        if element.attributes.get("key", "").lower() == MOM_SERVER.lower()
        and (element.is_below("configuration") or (element.parent is root and root.local_name == APP_SETTINGS))
    ]
