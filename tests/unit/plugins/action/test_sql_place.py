# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module that talks to SQL Server runs on the controller, with the Python that runs Ansible, whatever host its play is
about; a task that says where it runs is believed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[4]
ASK = {"opsmgr.recovery.service_broker": {"server": "127.0.0.1", "port": 1, "connect_timeout": 1}}
# What the module says when nobody answers: it ran, and where pyodbc is.
RAN = "no connection within 1 seconds"
NOBODY = "/nobody/has/this/python"
WINDOWS = {
    "ansible_connection": "winrm",
    "ansible_host": "192.0.2.1",
    "ansible_shell_type": "powershell",
    "ansible_become": True,
    "ansible_become_method": "runas",
    "ansible_become_user": "SYSTEM",
    "ansible_python_interpreter": NOBODY,
}
HOSTS: dict[str, dict[str, Any]] = {
    "windows": WINDOWS,
    # As an inventory is that forgets to say how a server is reached.
    "forgotten": {"ansible_host": "192.0.2.1"},
    "controller": {"ansible_connection": "local"},
    "controller_with_python": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable},
    "controller_without_python": {"ansible_connection": "local", "ansible_python_interpreter": NOBODY},
}


def told(host: str, **keywords: Any) -> str:
    """What one task on a host says."""
    play = {"hosts": host, "gather_facts": False, "tasks": [{**ASK, **keywords}]}
    with tempfile.TemporaryDirectory(prefix="sql") as folder:
        (Path(folder) / "play.yml").write_text(yaml.safe_dump([play]), encoding="utf-8")
        (Path(folder) / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": HOSTS}}), encoding="utf-8")
        done = subprocess.run(
            ["ansible-playbook", "-i", "hosts.yml", "play.yml"],
            cwd=folder,
            env={
                **os.environ,
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
                "ANSIBLE_LOCAL_TEMP": folder,
            },
            capture_output=True,
            text=True,
            check=False,
        )
    return done.stdout + done.stderr


@pytest.mark.parametrize("host", ["windows", "forgotten", "controller", "controller_with_python"])
def test_it_runs_on_the_controller(host: str) -> None:
    assert RAN in told(host)


@pytest.mark.parametrize("host", ["localhost", "controller_with_python"])
def test_it_runs_where_it_is_delegated_to(host: str) -> None:
    assert RAN in told("windows", delegate_to=host)


@pytest.mark.parametrize(
    ("host", "keywords"),
    [("controller_without_python", {}), ("windows", {"delegate_to": "controller_without_python"})],
)
def test_the_python_of_a_host_that_is_the_controller_counts(host: str, keywords: dict[str, Any]) -> None:
    output = told(host, **keywords)
    assert RAN not in output
    assert NOBODY in output


def test_a_windows_server_is_no_place_for_it() -> None:
    assert "delegate_to names windows, a Windows server" in told("controller", delegate_to="windows")


def test_a_task_with_async_says_where_it_runs() -> None:
    assert "a task with async must say where it runs" in told("windows", **{"async": 60, "poll": 1})
