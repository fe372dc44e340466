# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The password of a SQL Server login is in no file, also when ansible-core is told to keep the files of its modules."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[4]
PASSWORD = "S3cret-of-the-login"
CONNECTION = {
    "server": "127.0.0.1",
    "port": 1,
    "connect_timeout": 1,
    "login_user": "sa",
    "login_password": PASSWORD,
    "database": "OperationsManager",
}
TASKS: dict[str, dict[str, Any]] = {
    "management_group_info": {},
    "service_broker": {},
    "database_backup": {"path": "C:\\x.bak"},
    "database_restore": {"path": "C:\\x.bak"},
}


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder with a short path: from 2.21 on ansible-core has a socket in its temporary directory, and the path of a
    socket has at most 107 bytes.
    """
    with tempfile.TemporaryDirectory(prefix="sql") as folder:
        yield Path(folder)


def play(place: Path, task: dict[str, Any], **environment: str) -> subprocess.CompletedProcess[str]:
    """One task on this machine, with every place where ansible-core leaves files below place."""
    tasks = [{"ignore_errors": True, **task}]
    (place / "play.yml").write_text(
        yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]), encoding="utf-8"
    )
    places = {
        name: str(place / name)
        for name in ("ANSIBLE_LOCAL_TEMP", "ANSIBLE_REMOTE_TMP", "TMPDIR", "ANSIBLE_ASYNC_DIR", "ANSIBLE_LOG_PATH")
    }
    (place / "TMPDIR").mkdir()
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    variables = {**os.environ, **places, "PATH": path, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), **environment}
    command = [
        "ansible-playbook",
        "-i",
        "localhost,",
        "-c",
        "local",
        "-vvvvv",
        "-e",
        f"ansible_python_interpreter={sys.executable}",
        "play.yml",
    ]
    return subprocess.run(command, cwd=place, env=variables, capture_output=True, text=True, check=False)


def files_with_password(place: Path) -> list[str]:
    own = place / "play.yml"
    return [
        str(path)
        for path in place.rglob("*")
        if path.is_file() and path != own and PASSWORD.encode() in path.read_bytes()
    ]


@pytest.mark.parametrize("name", TASKS)
def test_no_file_holds_the_password_even_when_files_are_kept(place: Path, name: str) -> None:
    task = {f"opsmgr.recovery.{name}": {**CONNECTION, **TASKS[name]}}
    done = play(place, task, ANSIBLE_KEEP_REMOTE_FILES="1", ANSIBLE_PIPELINING="0")
    assert "no connection within 1 seconds" in done.stdout, done.stdout[-1000:] + done.stderr[-2000:]
    assert (PASSWORD in done.stdout + done.stderr, files_with_password(place)) == (False, [])


def test_a_task_that_could_not_do_without_a_file_is_refused(place: Path) -> None:
    task = {"opsmgr.recovery.management_group_info": CONNECTION, "async": 60, "poll": 1}
    done = play(place, task, ANSIBLE_KEEP_REMOTE_FILES="1")
    assert "a task with async cannot run without a file that would hold the password" in done.stdout
    assert (PASSWORD in done.stdout + done.stderr, files_with_password(place)) == (False, [])
