# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a configuration file of .NET does not show: sections in other files, encrypted sections, entries that others undo
or override.

This file is private to the collection: others must not import it.
"""

from __future__ import annotations

import ntpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.repoint.document import Document
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.repoint.errors import HiddenEntry
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.repoint.xml_source import Element

APP_SETTINGS = "appSettings"
# Attributes that .NET itself reads in any section, and the element that an encrypted one holds [ms].
SOURCE_ATTRIBUTE = "configSource"
PROTECTION_ATTRIBUTE = "configProtectionProvider"
ENCRYPTED = "EncryptedData"
# Of appSettings alone: a file whose keys override those that stand here [ms].
FILE_ATTRIBUTE = "file"


@dataclass(frozen=True)
class OverridingFile:
    """A file whose keys override those of appSettings: the line that names it, and its full path."""

    line: int
    path: str


def require_shown(document: Document, section: str | None = None) -> None:
    """Refuse a file that keeps a section elsewhere or encrypted; C(section) is the name of the only one that matters.

    Raises HiddenEntry.
    """
    for element in document.source.elements:
        if section is not None and element.local_name != section and not element.is_below(section):
            continue
        source = element.attributes.get(SOURCE_ATTRIBUTE, "").strip()
        if source:
            other = beside(document.path, source)
            reason = f"the section <{element.local_name}> is not in this file but in {other} ({SOURCE_ATTRIBUTE})"
            raise HiddenEntry(
                document.path, reason, f"Name that file in the option path: {other}", document.line(element)
            )
        if PROTECTION_ATTRIBUTE in element.attributes or element.local_name == ENCRYPTED:
            reason = f"the section at <{element.local_name}> is encrypted, so what it names cannot be read"
            raise HiddenEntry(document.path, reason, _decrypt(document, element), document.line(element))


def _decrypt(document: Document, element: Element) -> str:
    name = element.parent.local_name if element.local_name == ENCRYPTED and element.parent else element.local_name
    folder = ntpath.dirname(document.path)
    return (
        f'Decrypt it on that server (aspnet_regiis -pdf "{name}" "{folder}"), rerun, and encrypt it again (-pef); '
        "or change the entry by hand"
    )


def overriding_files(document: Document) -> list[OverridingFile]:
    """The files whose keys override those of appSettings."""
    found = [(element, element.attributes.get(FILE_ATTRIBUTE, "").strip()) for element in document.named(APP_SETTINGS)]
    return [OverridingFile(document.line(element), beside(document.path, name)) for element, name in found if name]


def beside(path: str, name: str) -> str:
    """The full path of a file that is named relative to the folder of another one."""
    return ntpath.normpath(ntpath.join(ntpath.dirname(path), name))


def undone_by(document: Document, entries: Sequence[Element], key: str) -> Element | None:
    """The element that takes the key away again behind the last of C(entries) in its section: <remove> or <clear>."""
    last_of_section = {id(entry.parent): entry for entry in entries}
    for entry in last_of_section.values():
        for later in _behind(document, entry):
            removes = later.local_name == "remove" and later.attributes.get("key", "").lower() == key.lower()
            if removes or later.local_name == "clear":
                return later
    return None


def _behind(document: Document, entry: Element) -> Iterator[Element]:
    return (each for each in document.source.elements if each.parent is entry.parent and each.start > entry.start)
