# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A secret is read from its variable as it was written, and no message repeats a part of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[4]


def read(folder: Path, **variables: object) -> tuple[int, str, str]:
    """Read the variable password in a play: the exit code, what was printed, and the secret."""
    told = folder / "told"
    copy = {"content": "[{{ lookup('opsmgr.recovery.secret', 'password') }}]", "dest": str(told), "mode": "0600"}
    play = {"hosts": "localhost", "gather_facts": False, "tasks": [{"name": "Tell", "ansible.builtin.copy": copy}]}
    (folder / "play.yml").write_text(yaml.safe_dump([{**play, "vars": variables}]), encoding="utf-8")
    command = [
        str(Path(sys.executable).with_name("ansible-playbook")),
        "-i",
        "localhost,",
        "-c",
        "local",
        "-e",
        f"ansible_python_interpreter={sys.executable}",
        str(folder / "play.yml"),
    ]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_STDOUT_CALLBACK": "default"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr, told.read_text(encoding="utf-8") if told.exists() else ""


@pytest.mark.parametrize(
    ("variables", "secret"),
    [
        ({"password": "c0rrect horse"}, "c0rrect horse"),
        ({"password": "{{ vault_password }}", "vault_password": "0123456701"}, "0123456701"),
        ({}, ""),
        ({"password": ""}, ""),
        ({"password": None}, ""),
    ],
)
def test_a_secret_is_as_it_was_written(tmp_path: Path, variables: dict[str, object], secret: str) -> None:
    code, shown, told = read(tmp_path, **variables)
    assert (code, told) == (0, f"[{secret}]"), shown


@pytest.mark.parametrize("password", [21913025, 0.5, 0])
def test_a_number_is_refused(tmp_path: Path, password: object) -> None:
    code, shown, _told = read(tmp_path, password=password)
    assert code != 0
    assert "the variable password cannot be used: it is a number" in " ".join(shown.split())


def test_an_error_in_the_template_names_the_variable_and_repeats_nothing(tmp_path: Path) -> None:
    code, shown, _told = read(tmp_path, password="c0rrect {{ missing }}")
    assert code != 0
    assert "the variable password cannot be used" in " ".join(shown.split())
    assert "c0rrect" not in shown
