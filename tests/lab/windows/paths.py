# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows paths and file name patterns."""

from __future__ import annotations

import functools
import re

from .errors import Win32Error

DEVICES = {"nul", "con", "aux", "prn", *(f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10))}
ILLEGAL = re.compile(r'[<>"|?*:\x00-\x1f]')
DRIVE = re.compile(r"^[A-Za-z]:")
MAX_PATH = 260


def is_unc(path: str) -> bool:
    """Whether it names a share."""
    return path.startswith("\\\\") and not path.startswith("\\\\?\\")


def is_device(path: str) -> bool:
    """Whether the last part is a device such as ``nul``, with any extension [ms]."""
    return path.replace("/", "\\").rsplit("\\", 1)[-1].split(".")[0].split(":")[0].rstrip(" ").lower() in DEVICES


def absolute(path: str, cwd: str) -> str:
    r"""A full path, relative to ``cwd``: ``/`` turned, ``.`` and ``..`` resolved, dots and blanks at a part's end dropped."""
    path = path.replace("/", "\\").removeprefix("\\\\?\\")
    if is_unc(path):
        server, _sign, rest = path[2:].partition("\\")
        share, _sign, tail = rest.partition("\\")
        return _joined(f"\\\\{server}\\{share}", tail)
    if DRIVE.match(path):
        drive, rest = path[:2].upper(), path[2:]
    else:
        drive, rest = root_of(cwd).rstrip("\\"), path
    if not rest.startswith("\\"):
        same_drive = root_of(cwd).rstrip("\\").lower() == drive.lower()
        rest = (cwd[len(root_of(cwd)) :] if same_drive else "") + "\\" + rest
    return _joined(drive, rest)


def root_of(path: str) -> str:
    r"""``C:\`` or ``\\server\share\``."""
    if is_unc(path):
        return "\\".join(path.split("\\")[:4]) + "\\"
    return path[:2] + "\\"


def _joined(root: str, rest: str) -> str:
    parts: list[str] = []
    for part in rest.split("\\"):
        if part == "..":
            del parts[-1:]
            continue
        clean = part.rstrip(". ") if part != "." else ""
        if clean:
            parts.append(clean)
    return root + "\\" + "\\".join(parts)


def split(path: str) -> tuple[str, list[str]]:
    r"""Drive letter and the parts of an absolute local path; error 123 for characters no name can have."""
    parts = [part for part in path[3:].split("\\") if part]
    if len(path) >= MAX_PATH:
        raise Win32Error(206 if len(path) > MAX_PATH else 3, path)
    if not DRIVE.match(path) or any(ILLEGAL.search(part) for part in parts):
        raise Win32Error(123, path)
    return path[0].upper(), parts


def parent(path: str) -> str:
    """The folder a path is in."""
    head = path.rstrip("\\").rpartition("\\")[0]
    return head + "\\" if re.fullmatch(r"[A-Za-z]:", head) else head


def join(folder: str, name: str) -> str:
    """A name in a folder."""
    return folder.rstrip("\\") + "\\" + name


def has_wildcard(name: str) -> bool:
    """Whether it is a pattern."""
    return "*" in name or "?" in name


@functools.lru_cache(maxsize=256)
def _pattern(text: str) -> re.Pattern[str]:
    """FindFirstFile's rules: ``*.*`` is everything, a dot before ``*`` may be the end, ``?`` at the end may be nothing
    [ms].
    """
    if text == "*.*":
        text = "*"
    regex = ""
    for index, char in enumerate(text):
        rest = text[index + 1 :]
        if char == "*":
            regex += ".*"
        elif char == "?":
            regex += "[^.]?" if not rest.strip("?*") or rest.lstrip("?").startswith(".") else "."
        elif char == "." and rest and not rest.strip("*?"):
            regex += r"(?:\.|$)"
        else:
            regex += re.escape(char)
    return re.compile(regex, re.IGNORECASE | re.DOTALL)


def matches(pattern: str, name: str, short: str = "") -> bool:
    """Whether a file's long or short name fits the pattern (NTFS with 8.3 names looks at both [ms])."""
    regex = _pattern(pattern)
    return bool(regex.fullmatch(name) or (short and regex.fullmatch(short)))


def needs_short_name(name: str) -> bool:
    """Whether a name is not 8.3 by itself."""
    return not re.fullmatch(r"[A-Za-z0-9!#$%&'()@^_`{}~-]{1,8}(\.[A-Za-z0-9!#$%&'()@^_`{}~-]{1,3})?", name)


def short_name(name: str, taken: set[str]) -> str:
    """The 8.3 name NTFS gives: six characters, a tilde and a number; empty when the name needs none."""
    if not needs_short_name(name):
        return ""
    stem, _dot, extension = name.upper().rpartition(".") if "." in name.strip(".") else (name.upper(), "", "")
    stem, extension = (re.sub(r"[^A-Z0-9!#$%&'()@^_`{}~-]", "", part.replace(" ", "")) for part in (stem, extension))
    for number in range(1, 100000):
        tail = f"~{number}"
        candidate = stem[: 8 - len(tail) if number > 9 else 6] + tail + (f".{extension[:3]}" if extension else "")
        if candidate.lower() not in taken:
            return candidate
    raise Win32Error(80, name)
