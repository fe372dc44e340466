# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Python a checkout takes, and which system packages it asks for, on machines that have different ones."""

from __future__ import annotations

import subprocess
from collections.abc import Collection
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[1] / "tools"
# Everything that the tools call, but no Python and no package manager.
PROGRAMS = ("bash", "dirname", "env", "grep", "sed")
WITH_VENV = "#!/bin/sh\nexit 0\n"
WITHOUT_VENV = "#!/bin/sh\ncase $2 in *venv*) exit 1 ;; esac\n"
NOT_INSTALLED = "#!/bin/sh\nexit 1\n"
ORDINARY_USER = "#!/bin/sh\necho 1000\n"


def run_tool(folder: Path, name: str, programs: dict[str, str], python: str = "") -> subprocess.CompletedProcess[str]:
    """Run a tool on a machine that has these programs."""
    for program in PROGRAMS:
        (folder / program).symlink_to(Path("/usr/bin") / program)
    for program, text in programs.items():
        (folder / program).write_text(text, encoding="utf-8")
        (folder / program).chmod(0o755)
    environment = {"PATH": str(folder), "PYTHON": python}
    return subprocess.run([TOOLS / name], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("with_venv", "without_venv", "chosen"),
    [
        ({"python3.11"}, set(), "python3.11"),
        ({"python3.12", "python3.13"}, {"python3.11"}, "python3.13"),
        ({"python3.14"}, set(), "python3.14"),
        # It can be used at once, and the newer one cannot.
        ({"python3.12"}, {"python3.13"}, "python3.12"),
        (set(), {"python3.11", "python3.13"}, "python3.13"),
        ({"python3.10", "python3.15"}, set(), ""),
        (set(), set(), ""),
    ],
)
def test_the_python_of_a_checkout(
    tmp_path: Path, with_venv: Collection[str], without_venv: Collection[str], chosen: str
) -> None:
    programs = dict.fromkeys(with_venv, WITH_VENV) | dict.fromkeys(without_venv, WITHOUT_VENV)
    assert run_tool(tmp_path, "python", programs).stdout.strip() == chosen


@pytest.mark.parametrize(
    ("there", "wished", "package"),
    [
        ({}, "", "python3-venv"),
        ({"python3.13": WITHOUT_VENV}, "", "python3.13-venv"),
        ({"python3.13": WITH_VENV, "python3.12": WITHOUT_VENV}, "python3.12", "python3.12-venv"),
        ({"python3.13": WITH_VENV}, "python3.12", "python3.12-venv"),
        ({"python3.13": WITH_VENV}, "", None),
    ],
)
def test_the_package_that_makes_environments(
    tmp_path: Path, there: dict[str, str], wished: str, package: str | None
) -> None:
    done = run_tool(tmp_path, "system_packages", {**there, "dpkg-query": NOT_INSTALLED, "id": ORDINARY_USER}, wished)
    assert done.returncode == 1
    [named] = [
        line.partition(":")[2].split()
        for line in done.stderr.splitlines()
        if line.startswith("Missing system packages:")
    ]
    assert [name for name in named if name.endswith("-venv")] == ([package] if package else [])
    assert {"git", "libodbc2", "openssh-client", "openssl", "tdsodbc"} <= set(named)
