# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What on a host names the root management server: registry values and entries of configuration files."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree

from ..windows.errors import Win32Error
from ..windows.host import WindowsHost
from .installation import GROUPS, MACHINE_SETTINGS, REPORTING

_DEFAULT = "DefaultSDKServiceMachine"


def root_named_by(host: WindowsHost) -> dict[str, list[str]]:
    """Place to the names that stand there, for every place that names a root at all."""
    found = {path: list(_in_file(host, path)) for path in _configuration_files(host)}
    values = [(REPORTING, _DEFAULT), (MACHINE_SETTINGS, _DEFAULT)]
    values += [
        (f"{GROUPS}\\{group}\\Parent Health Services\\0", "NetworkName") for group in host.registry.subkeys(GROUPS)
    ]
    for key, value in values:
        name = host.registry.get(key, value, "")
        if name:
            found[f"{key}\\{value}"] = [str(name)]
    return found


def _configuration_files(host: WindowsHost) -> list[str]:
    return [path for path in host.fs.dump() if path.lower().endswith(("\\rsreportserver.config", "\\web.config"))]


def _in_file(host: WindowsHost, path: str) -> Iterator[str]:
    try:
        tree = ElementTree.fromstring(host.fs.read(path))
    except (Win32Error, ElementTree.ParseError) as error:
        yield f"unreadable: {error}"
        return
    for entry in tree.iter():
        if entry.tag == "ServerName":
            yield (entry.text or "").strip()
        elif entry.tag == "add" and (entry.get("key") or "").lower() == "momserver":
            yield entry.get("value") or ""
