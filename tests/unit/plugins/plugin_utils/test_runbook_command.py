# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command that is shown to be typed again: exact, and without secrets."""

from __future__ import annotations

import pytest

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.runbook.command import shown_command

TABLE = [
    (["/usr/bin/ansible-playbook", "-i", "my inventory.yml", "a.b.c"], "ansible-playbook -i 'my inventory.yml' a.b.c"),
    (
        ["ansible-playbook", "-e", "rms_failover_target=deathsting", "p.yml"],
        "ansible-playbook -e rms_failover_target=deathsting p.yml",
    ),
    (["ansible-playbook", "-e", "@secrets.yml", "p.yml"], "ansible-playbook -e @secrets.yml p.yml"),
    (
        ["ansible-playbook", "-e", "a=1 backup_password=hunter2 b='x y'"],
        "ansible-playbook -e 'a=1 backup_password=*** b='\"'\"'x y'\"'\"''",
    ),
    (["ansible-playbook", "-eseal_passphrase=hunter2"], "ansible-playbook '-eseal_passphrase=***'"),
    (
        ["ansible-playbook", "--extra-vars=seal_passphrase=hunter2"],
        "ansible-playbook '--extra-vars=seal_passphrase=***'",
    ),
    (["ansible-playbook", "--extra-vars", '{"password": "hunter2"}'], "ansible-playbook --extra-vars '***'"),
    (
        ["ansible-playbook", "-e", '{"rms_failover_target": "deathsting"}'],
        """ansible-playbook -e '{"rms_failover_target": "deathsting"}'""",
    ),
    (["ansible-playbook", "-e", "password='hunter2"], "ansible-playbook -e '***'"),
    (["ansible-playbook", "-e", "password: hunter2"], "ansible-playbook -e '*** ***'"),
    (
        ["ansible-playbook", "--vault-password-file", "vault.txt", "p.yml"],
        "ansible-playbook --vault-password-file vault.txt p.yml",
    ),
    ([], "ansible-playbook"),
]


@pytest.mark.parametrize(("argv", "shown"), TABLE)
def test_a_command_is_shown(argv: list[str], shown: str) -> None:
    assert shown_command(argv) == shown
    assert "hunter2" not in shown_command(argv)
