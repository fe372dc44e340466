# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs in the box, as far as the lab's users call them."""

from __future__ import annotations

from ..process import Program
from ..profiles import Profile
from .certutil import certutil
from .copying import robocopy, xcopy
from .filters import fc, find, more, sort, where
from .findstr import findstr
from .msiexec import msiexec
from .net import net
from .reg import reg
from .sc import sc
from .setspn import setspn
from .small import attrib, cacls, chcp, hostname, icacls, ping, timeout, whoami
from .tasks import taskkill, tasklist

EVERYWHERE: dict[str, Program] = {
    "attrib.exe": attrib,
    "cacls.exe": cacls,
    "certutil.exe": certutil,
    "chcp.com": chcp,
    "fc.exe": fc,
    "find.exe": find,
    "findstr.exe": findstr,
    "hostname.exe": hostname,
    "icacls.exe": icacls,
    "more.com": more,
    "msiexec.exe": msiexec,
    "net.exe": net,
    "ping.exe": ping,
    "reg.exe": reg,
    "sc.exe": sc,
    "sort.exe": sort,
    "taskkill.exe": taskkill,
    "tasklist.exe": tasklist,
    "timeout.exe": timeout,
    "where.exe": where,
    "whoami.exe": whoami,
    "xcopy.exe": xcopy,
}
"""File name in system32 -> what it does, on both profiles."""

NEWER: dict[str, Program] = {"robocopy.exe": robocopy, "setspn.exe": setspn}
"""What came after Windows Server 2003."""


def inbox_tools(profile: Profile) -> dict[str, Program]:
    """The programs in system32 of a profile."""
    return {**EVERYWHERE, **(NEWER if profile.wide else {})}
