# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told of each kind of result, and that nothing else is."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.failover_steps import evidence

KEY = "sha256:" + "5f1c" * 16
BACKUP = {
    "file": "/srv/escrow/ODYSSEY/hydra/one.vault", "server": "HYDRA", "taken_at": "2026-01-31T02:03:04Z", "sha256": "9f86", "seal": "cms",
    "key_fingerprint": KEY,
}  # fmt: skip
IN_ESCROW = "backup of 2026-01-31T02:03:04Z on HYDRA: /srv/escrow/ODYSSEY/hydra/one.vault, sealed: cms"
DATABASE = {"path": "D:\\one.bak", "set_guid": "6C2B", "size_bytes": 4452, "verified": True, "checksums": True}
BROKER = {"is_broker_enabled": True, "user_access": "MULTI_USER"}


@pytest.mark.parametrize(
    ("result", "lines"),
    [
        ({"command": "PromoteRMS", "is_rms": True}, ["command: PromoteRMS", "registry: it is the RMS"]),
        ({"command": None, "is_rms": False}, ["registry: it is not the RMS"]),
        ({"is_rms": None, "services": None, "warnings": [], "copied": []}, []),
        ({"copied": ["one.exe", "two.exe"]}, ["copied: one.exe, two.exe"]),
        (
            {"services": {"OMSDK": "running, auto", "OMCFG": "stopped, disabled"}},
            ["OMSDK: running, auto; OMCFG: stopped, disabled"],
        ),
        (
            {"backup": BACKUP, "reused": False},
            [IN_ESCROW, "SHA-256 of the key file: 9f86", f"fingerprint of the key: {KEY}"],
        ),
        (
            {"backup": BACKUP, "key": {"present": True, "fingerprint": KEY}},
            [IN_ESCROW, f"key on the server: {KEY}, the one of the backup"],
        ),
        (
            {"backup": BACKUP, "key": {"present": True, "fingerprint": "sha256:0"}},
            [IN_ESCROW, "key on the server: sha256:0"],
        ),
        ({"key": {"present": True, "fingerprint": None}}, ["key on the server: present"]),
        ({"key": {"present": False, "fingerprint": None}}, ["key on the server: none"]),
        ({"path": "D:\\one.bak", "backup": DATABASE}, ["backup set 6C2B, 4452 bytes, verified, with checksums"]),
        ({"backup": {**DATABASE, "verified": None}}, ["backup set 6C2B, 4452 bytes, not verified by this run"]),
        ({"backup": "C:\\Web.config.bak"}, ["the file as it was: C:\\Web.config.bak"]),
        ({"changes": [{"line": 5, "before": "a", "after": "b"}]}, ["line 5: a became b"]),
        (
            {"untouched": [{"line": 5, "value": "zeus", "reason": "it names another server"}]},
            ["line 5 still has zeus: it names another server"],
        ),
        ({"registry": "deathsting.odyssey.com"}, ["registry: the RMS is deathsting.odyssey.com"]),
        ({"registry": {"consistent": True, "key_fingerprint": KEY}}, [f"registry of the node: consistent, key {KEY}"]),
        (
            {"service": {"name": "ReportServer", "state": "running", "start_mode": "auto"}},
            ["ReportServer: running, auto"],
        ),
        ({"group": {"name": "RMS", "state": "online", "node": "CASTOR"}}, ["cluster group RMS: online on CASTOR"]),
        ({"resources": {"RMS Disk": "online", "RMS Name": "offline"}}, ["RMS Disk: online; RMS Name: offline"]),
        ({"before": {**BROKER, "is_broker_enabled": False}, "after": BROKER}, ["Service Broker: on, MULTI_USER"]),
        ({"reports_to": "{registry}"}, ["registry: it reports to {registry}"]),
        (
            {
                "transcript": "it wrote a secret",
                "backup_password": "a secret",
                "invocation": {"module_args": "a secret"},
            },
            [],
        ),
    ],
)
def test_what_is_told_of_a_result(result: dict[str, Any], lines: list[str]) -> None:
    assert evidence(result) == lines
