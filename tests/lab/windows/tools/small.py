# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small programs: whoami, hostname, chcp, attrib, timeout, ping, icacls, cacls."""

from __future__ import annotations

import re

from .. import paths
from ..codepages import is_installed
from ..errors import Win32Error
from ..filesystem import File, Node
from ..process import Process

ADMINISTRATORS = "S-1-5-32-544"


def whoami(process: Process) -> int:
    """``whoami [/user | /groups] [/fo csv] [/nh]``."""
    flags = {word.lower() for word in process.argv[1:]}
    session = process.session
    if "/groups" in flags:
        groups: list[tuple[str, ...]] = [
            ("Everyone", "Well-known group", "S-1-1-0"),
            ("BUILTIN\\Users", "Alias", "S-1-5-32-545"),
        ]
        groups += [("BUILTIN\\Administrators", "Alias", ADMINISTRATORS)] if session.is_admin else []
        return _table(process, flags, ("Group Name", "Type", "SID"), groups)
    if "/user" in flags:
        return _table(process, flags, ("User Name", "SID"), [(session.user.lower(), session.sid)])
    process.say(session.user.lower())
    return 0


def _table(process: Process, flags: set[str], headers: tuple[str, ...], rows: list[tuple[str, ...]]) -> int:
    shown = [*([] if "/nh" in flags else [headers]), *rows]
    if "csv" in flags:
        process.say(*(",".join(f'"{cell}"' for cell in row) for row in shown))
        return 0
    widths = [max(len(row[index]) for row in shown) for index in range(len(headers))]
    lines = [" ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in shown]
    if "/nh" not in flags:
        lines.insert(1, " ".join("=" * width for width in widths))
    process.say("", *lines)
    return 0


def hostname(process: Process) -> int:
    """``hostname``."""
    process.say(process.host.name)
    return 0


def chcp(process: Process) -> int:
    """``chcp [number]``: the console's code page, for everything that comes after."""
    words = process.argv[1:]
    if not words:
        process.say(f"Active code page: {process.codepage}")
        return 0
    if not words[0].isdigit():
        process.complain(f"Parameter format not correct - {words[0]}")
        return 1
    if not is_installed(int(words[0])):
        process.complain("Invalid code page")
        return 1
    process.command.codepage = int(words[0])
    process.say(f"Active code page: {words[0]}")
    return 0


_ATTRIBUTES = {"r": "readonly", "h": "hidden", "s": "system", "a": "archive"}


def attrib(process: Process) -> int:
    """``attrib [+r|-r|+h|-h|+s|-s|+a|-a] [path]``."""
    words = [word for word in process.argv[1:] if not word.startswith("/")]
    changes = [word.lower() for word in words if re.fullmatch(r"[+-][rhsaRHSA]", word)]
    targets = [word for word in words if word.lower() not in changes] or ["*"]
    for target in targets:
        found = _nodes(process, target)
        if not found:
            process.say(f"File not found - {target}")
        for path, node in found:
            if changes and not process.session.is_admin:
                process.say(f"Access denied - {path}")
                continue
            for change in changes:
                if hasattr(node, _ATTRIBUTES[change[1]]):
                    setattr(node, _ATTRIBUTES[change[1]], change[0] == "+")
            if not changes and isinstance(node, File):
                process.say(_attribute_line(path, node))
    return 0


def _nodes(process: Process, target: str) -> list[tuple[str, Node]]:
    full = process.files.absolute(target)
    folder, _backslash, name = full.rpartition("\\")
    try:
        if not paths.has_wildcard(name):
            return [(full, process.files.node(full))]
        return [(paths.join(folder + "\\", node.name), node) for node in process.files.entries(folder + "\\", name)]
    except Win32Error:
        return []


def _attribute_line(path: str, node: File) -> str:
    letters = [letter.upper() if getattr(node, _ATTRIBUTES[letter]) else " " for letter in "ashr"]
    return "{}  {}{}{}     ".format(*letters) + path


def timeout(process: Process) -> int:
    """``timeout /t seconds``: refuses to run without a console [field]."""
    if not process.stdin.console:
        process.complain("ERROR: Input redirection is not supported, exiting the process immediately.")
        return 1
    match = re.search(r"(?:/t\s+)?(-?\d+)", process.command_line, re.IGNORECASE)
    if match is None:
        process.complain("ERROR: Invalid syntax. Timeout value is not specified.", 'Type "TIMEOUT /?" for usage.')
        return 1
    process.out(f"\r\nWaiting for {match.group(1)} seconds, press a key to continue ...", apart=False)
    process.sleep(max(int(match.group(1)), 0))
    process.say("")
    return 0


def ping(process: Process) -> int:
    """``ping [-n count] name``: one second between two; 1 when nobody answers."""
    words = process.argv[1:]
    count = 4
    for switch in ("-n", "/n", "-w", "/w"):
        if switch in words and words.index(switch) + 1 < len(words):
            index = words.index(switch)
            count = int(words[index + 1]) if switch.endswith("n") else count
            del words[index : index + 2]
    name = next((word for word in words if word[:1] not in "-/"), "")
    target = process.host.find(name)
    if target is None:
        process.say(f"Ping request could not find host {name}. Please check the name and try again.")
        return 1
    process.say("", f"Pinging {name} [{target.address}] with 32 bytes of data:")
    for number in range(count):
        process.sleep(1 if number else 0)
        answer = f"Reply from {target.address}: bytes=32 time<1ms TTL=128"
        process.say(answer if target.powered else "Request timed out.")
    lost = 0 if target.powered else count
    process.say(
        "", f"Ping statistics for {target.address}:",
        f"    Packets: Sent = {count}, Received = {count - lost}, Lost = {lost} ({100 * lost // count if count else 0}% loss),",
    )  # fmt: skip
    return 0 if target.powered else 1


def icacls(process: Process) -> int:
    """``icacls path [...]``: every path shows the default list, every change is accepted and not kept."""
    return _access_list(process, "Successfully processed {} files; Failed processing {} files")


def cacls(process: Process) -> int:
    """``cacls path [...]``: as :func:`icacls`, in the older words."""
    return _access_list(process, "")


def _access_list(process: Process, summary: str) -> int:
    target = process.argv[1] if len(process.argv) > 1 else ""
    try:
        process.files.node(target)
    except Win32Error as error:
        process.complain(f"{target}: {error.text}" if summary else error.text)
        process.say(*([summary.format(0, 1)] if summary else []))
        return error.code if summary else 1
    if len(process.argv) > 2 and not process.session.is_admin:
        process.complain(f"{target}: Access is denied.")
        process.say(*([summary.format(0, 1)] if summary else []))
        return 5
    pad = " " * len(target)
    rights = ("(F)", "(F)", "(RX)") if summary else ("F", "F", "R")
    accounts = ("BUILTIN\\Administrators", "NT AUTHORITY\\SYSTEM", "BUILTIN\\Users")
    lines = [f"{target if index == 0 else pad} {name}:{rights[index]}" for index, name in enumerate(accounts)]
    if len(process.argv) == 2:
        process.say(*lines, "")
    else:
        process.say(f"processed {'file' if summary else 'dir'}: {target}")
    process.say(*([summary.format(1, 0)] if summary else []))
    return 0
