# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a job of AWX loses when it ends, and what it keeps."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.awx.job_storage import lost_with_job

POD = {"AWX_PRIVATE_DATA_DIR": "/var/lib/awx/job_7", "KUBERNETES_SERVICE_HOST": "10.0.0.1"}
DESK = {"HOME": "/home/anna"}
# A pod: its own root, the private directory, a persistent volume below it and one beside it, one with a blank in its
# name, and memory.
MOUNTS = r"""
600 500 0:99 / / rw,relatime - overlay overlay rw,lowerdir=/a,upperdir=/b
601 600 8:1 /var/lib/pods/1 /runner rw,relatime - ext4 /dev/sda1 rw
602 600 8:17 / /srv/key_escrow rw,relatime shared:1 - ext4 /dev/sdb1 rw
603 600 0:50 / /srv/the\040vault rw,relatime - nfs4 vault:/keys rw
604 601 8:17 / /runner/kept rw,relatime - xfs /dev/sdc1 rw
605 600 0:60 / /dev/shm rw,nosuid - tmpfs tmpfs rw
""".strip()


@pytest.mark.parametrize(
    ("directory", "part"),
    [
        ("/runner/project/key_escrow", "it lies in the private directory of the job, /runner, which AWX removes."),
        (
            "/var/lib/awx/job_7/inventory/key_escrow",
            "it lies in the private directory of the job, /var/lib/awx/job_7, which AWX removes.",
        ),
        (
            "/home/runner/key_escrow",
            "it lies in the container of the job, on / (overlay), and nothing of the host is mounted there.",
        ),
        (
            "/dev/shm/key_escrow",
            "it lies in the container of the job, on /dev/shm (tmpfs), and nothing of the host is mounted there.",
        ),
        (
            "/srv/key_escrow_of_others",
            "it lies in the container of the job, on / (overlay), and nothing of the host is mounted there.",
        ),
        ("/srv/key_escrow", None),
        ("/srv/key_escrow/ODYSSEY", None),
        ("/srv/the vault/keys", None),
        ("/runner/kept/keys", None),
    ],
)
def test_in_a_pod(directory: str, part: str | None) -> None:
    assert lost_with_job(directory, POD, MOUNTS) == part


@pytest.mark.parametrize("directory", ["/home/anna/key_escrow", "/runner/key_escrow", "/dev/shm/key_escrow"])
def test_at_the_desk_nothing_is_said(directory: str) -> None:
    assert lost_with_job(directory, DESK, MOUNTS) is None


def test_a_job_without_a_container_keeps_what_lies_outside_its_private_directory(tmp_path: Path) -> None:
    environment = {"AWX_PRIVATE_DATA_DIR": str(tmp_path / "job_7")}
    assert lost_with_job(str(tmp_path / "key_escrow"), environment) is None
    assert lost_with_job(str(tmp_path / "job_7" / "key_escrow"), environment) is not None


def test_a_link_into_the_private_directory_is_followed(tmp_path: Path) -> None:
    (tmp_path / "job_7").mkdir()
    (tmp_path / "key_escrow").symlink_to(tmp_path / "job_7")
    assert lost_with_job(str(tmp_path / "key_escrow"), {"AWX_PRIVATE_DATA_DIR": str(tmp_path / "job_7")}) is not None
