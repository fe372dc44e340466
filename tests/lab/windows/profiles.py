# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between the Windows versions that the lab knows, as tables [ms]."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ProfileName = Literal["2003", "2008r2"]


@dataclass(frozen=True)
class Profile:
    """One Windows version; ``{user}`` and ``{root}`` (the Windows folder) are filled in."""

    name: ProfileName
    product: str
    version: str
    ver_line: str
    build: str
    service_pack: str
    system_root: str
    system32: str
    profiles: str
    temp: str
    all_users: str
    program_files: tuple[str, ...]
    architecture: str
    banner: str

    @property
    def wide(self) -> bool:
        """Whether this is a 64-bit system with tools of Vista or newer."""
        return self.name == "2008r2"


PROFILES: dict[str, Profile] = {
    "2003": Profile(
        name="2003",
        product="Microsoft Windows Server 2003",
        version="5.2",
        ver_line="Microsoft Windows [Version 5.2.3790]",
        build="3790",
        service_pack="Service Pack 2",
        system_root="C:\\WINDOWS",
        system32="C:\\WINDOWS\\system32",
        profiles="C:\\Documents and Settings",
        temp="Local Settings\\Temp",
        all_users="C:\\Documents and Settings\\All Users",
        program_files=("C:\\Program Files",),
        architecture="x86",
        banner="(C) Copyright 1985-2003 Microsoft Corp.",
    ),
    "2008r2": Profile(
        name="2008r2",
        product="Windows Server 2008 R2 Standard",
        version="6.1",
        ver_line="Microsoft Windows [Version 6.1.7601]",
        build="7601",
        service_pack="Service Pack 1",
        system_root="C:\\Windows",
        system32="C:\\Windows\\system32",
        profiles="C:\\Users",
        temp="AppData\\Local\\Temp",
        all_users="C:\\ProgramData",
        program_files=("C:\\Program Files", "C:\\Program Files (x86)"),
        architecture="AMD64",
        banner="Copyright (c) 2009 Microsoft Corporation.  All rights reserved.",
    ),
}

PATHEXT = ".COM;.EXE;.BAT;.CMD;.VBS;.VBE;.JS;.JSE;.WSF;.WSH"

BASE_SERVICES: tuple[tuple[str, str, str], ...] = (
    ("Eventlog", "Event Log", "Windows Event Log"),
    ("LanmanServer", "Server", "Server"),
    ("LanmanWorkstation", "Workstation", "Workstation"),
    ("RpcSs", "Remote Procedure Call (RPC)", "Remote Procedure Call (RPC)"),
    ("Winmgmt", "Windows Management Instrumentation", "Windows Management Instrumentation"),
    ("WinRM", "Windows Remote Management (WS-Management)", "Windows Remote Management (WS-Management)"),
)
"""Running services of every host: key name, display name on 2003, on 2008 R2."""
