# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a directory is lost when a job of AWX ends.

AWX runs a job in a container that is thrown away, on a private directory that is removed. What outlives it is mounted
into it from outside: a path of the setting AWX_ISOLATION_SHOW_PATHS, or a volume of the container group. A volume that
is itself thrown away (emptyDir) looks like one that is not.

Private to opsmgr.recovery.
"""

from __future__ import annotations

import os
import re
import typing as t
from pathlib import Path

# What AWX tells every job. In the container the private directory is mounted at /runner, whatever the first one says.
PRIVATE_DIRECTORY = "AWX_PRIVATE_DATA_DIR"
IN_CONTAINER = "/runner"
# Signs of a container: Podman's file, and what Kubernetes tells each one.
CONTAINER_FILE = "/run/.containerenv"
CONTAINER_VARIABLE = "KUBERNETES_SERVICE_HOST"
# File systems in memory, or a container's own.
PASSING_FILE_SYSTEMS = ("overlay", "tmpfs", "ramfs", "aufs")
MOUNTS = Path("/proc/self/mountinfo")


def lost_with_job(
    directory: str, environment: t.Mapping[str, str] | None = None, mounts: str | None = None
) -> str | None:
    """Why a directory is lost when this job ends, in one sentence; None when it is kept, or this is no job of AWX.

    :param environment: of the job, by default this process's
    :param mounts: what Linux says in mountinfo, by default of this process
    """
    variables = os.environ if environment is None else environment
    private = variables.get(PRIVATE_DIRECTORY)
    if private is None:
        return None
    place = os.path.realpath(directory)
    point, file_system = _mount_of(place, _read_mounts() if mounts is None else mounts)
    for job in (private, IN_CONTAINER):
        if _is_below(place, os.path.realpath(job)) and not _is_strictly_below(point, os.path.realpath(job)):
            return f"it lies in the private directory of the job, {job}, which AWX removes."
    if _in_container(variables) and (point == "/" or file_system in PASSING_FILE_SYSTEMS):
        return f"it lies in the container of the job, on {point} ({file_system}), and nothing of the host is mounted there."
    return None


def _in_container(variables: t.Mapping[str, str]) -> bool:
    return CONTAINER_VARIABLE in variables or os.path.exists(CONTAINER_FILE)


def _read_mounts() -> str:
    try:
        return MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:  # not Linux
        return ""


def _mount_of(place: str, mounts: str) -> tuple[str, str]:
    """Mount point and type of the file system that holds a path; the last of equally long points lies on top."""
    found = ("/", "unknown")
    for line in mounts.splitlines():
        fields, _dash, rest = line.partition(" - ")
        point = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), fields.split(" ")[4])
        if _is_below(place, point) and len(point) >= len(found[0]):
            found = (point, rest.split(" ")[0])
    return found


def _is_below(path: str, directory: str) -> bool:
    return path == directory or _is_strictly_below(path, directory)


def _is_strictly_below(path: str, directory: str) -> bool:
    return path.startswith(directory.rstrip("/") + "/") and path != directory
