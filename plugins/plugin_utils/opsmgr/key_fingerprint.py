# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which key a server has, without reading it out: the commands that tell, and that leave nothing behind.

Private to opsmgr.recovery. The key never crosses the network, and never stands in a command line or an environment
variable.
"""

from __future__ import annotations

import re

# A salt that keeps the fingerprint apart from any other hash of the same bytes. The key itself is random, so it need
# not be secret.
FINGERPRINT_SALT = "opsmgr.recovery key fingerprint 1"
# The one place on a server that holds the key for a moment: only administrators may make something in %SystemRoot%, and
# only they and the system may look into this directory. One name, so that whatever a run that was cut off left there is
# removed by the next one.
DIRECTORY = r"%SystemRoot%\opsmgr.recovery"
FILES = DIRECTORY + r"\key.*"
# By number, because names of groups are translated: the administrators and the system [ms].
_ONLY_ADMINISTRATORS = '"*S-1-5-32-544:(OI)(CI)F" "*S-1-5-18:(OI)(CI)F"'
# What earlier versions left when they were cut off, and key files of backups that were, in the temporary directories of
# all users who are in the usual place.
_LEFTOVERS = ("opsmgr-recovery-*.fp*", "opsmgr-recovery-*.key*")
_TEMPORARY = (r"AppData\Local\Temp", r"Local Settings\Temp")
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")

SAME, OTHER = "same", "other"
_COMPARISON = "opsmgr_key"
# cmd.exe expands %NAME% when it reads a line. Behind a caret it is left alone, and `call` expands it when it is its
# turn [field].
TELL_COMPARISON = f"call echo [key %^{_COMPARISON}%]"


def parse_fingerprint(text: str) -> str | None:
    """The hash in what `certutil -hashfile` wrote, with or without spaces between the bytes; None without one."""
    for line in text.splitlines():
        digits = line.replace(" ", "").strip()
        if _SHA256.fullmatch(digits):
            return "sha256:" + digits.lower()
    return None


def remove_leftovers_command() -> str:
    """Remove what runs that were cut off have left on the server."""
    own = " ".join(f'"%TEMP%\\{name}"' for name in _LEFTOVERS)
    of_others = " ".join(f'"%u\\{folder}\\{name}"' for folder in _TEMPORARY for name in _LEFTOVERS)
    return f'(del /f /q "{FILES}" {own} & for /d %u in ("%USERPROFILE%\\..\\*") do @del /f /q {of_others})>nul 2>nul'


def fingerprint_command(key: str, value: str) -> str:
    """A salted hash of the key material below the registry key `key` (quoted), computed on the server.

    certutil hashes files only, so reg exports into the protected directory, after the directory has its rights and
    certutil has shown that it can hash: Windows Server 2003's cannot, and there the key does not touch the disk. The
    export is gone when the command ends.
    """
    salt, export, both = (f"{DIRECTORY}\\key.{ending}" for ending in ("s", "r", "b"))
    protected = f'icacls "{DIRECTORY}" /inheritance:r /grant:r {_ONLY_ADMINISTRATORS}>nul'
    return (
        f'(reg query {key} /v {value}>nul&& (if not exist "{DIRECTORY}\\" md "{DIRECTORY}")&& {protected}'
        f'&& (echo {FINGERPRINT_SALT})>"{salt}"&& certutil -hashfile "{salt}" SHA256>nul'
        f'&& reg export {key} "{export}">nul&& copy /b /y "{salt}"+"{export}" "{both}">nul&& certutil -hashfile "{both}" SHA256)'
        # The directory goes, too, unless another file is in it: a look changes nothing.
        f'& del /f /q "{FILES}"& rd "{DIRECTORY}" 2>nul'
    )


def compared_command(key: str, value: str, command: str) -> str:
    """Run `command`, and keep whether the key is another one than before, for servers that cannot hash; TELL_COMPARISON
    tells it.

    The key stays in a variable of cmd.exe's own loop, which no other program gets. Where there was no key before,
    `command` does not run.
    """
    query = f'reg query {key} /v {value} ^| find "REG_BINARY"'
    compare = f'for /f "tokens=2*" %c in (\'{query}\') do @if "%b"=="%d" (set {_COMPARISON}={SAME}) else set {_COMPARISON}={OTHER}'
    return f"for /f \"tokens=2*\" %a in ('{query}') do @({command}& {compare})"


def parse_comparison(text: str) -> str | None:
    """SAME or OTHER in what TELL_COMPARISON wrote, or None when it does not say."""
    found = re.search(rf"\[key ({SAME}|{OTHER})\]", text)
    return found[1] if found else None
