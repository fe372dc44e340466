# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who has only ansible-core and the collection's tarball can drill: one pip command, then one command that plays a
playbook.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from guides import COMMANDS, sections
from playing import REPOSITORY

PROGRAMS = Path(sys.executable).parent
GUIDE = REPOSITORY / "docs" / "FIRST_DRILL.md"
SECTION = "FIRST_DRILL.md: Without a checkout"


def test_the_drill_of_the_installed_collection(tmp_path: Path) -> None:
    fresh = tmp_path / "environment"
    kept = {
        name: value for name, value in os.environ.items() if name != "PYTHONPATH" and not name.startswith("ANSIBLE_")
    }
    environment = {
        **kept,
        "HOME": str(tmp_path),
        "PATH": f"{fresh / 'bin'}:/usr/bin:/bin",
        "PIP_CACHE_DIR": pip_cache(),
    }
    subprocess.run([sys.executable, "-m", "venv", fresh], check=True)

    def type_line(line: str) -> str:
        done = subprocess.run(
            ["bash", "-c", line], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    type_line(f"pip install --quiet ansible-core=={version('ansible-core')}")
    building = {**os.environ, "PATH": f"{PROGRAMS}:{os.environ['PATH']}"}
    subprocess.run(
        [REPOSITORY / "tests" / "tools" / "build", tmp_path], check=True, env=building, stdout=subprocess.DEVNULL
    )
    [tarball] = tmp_path.glob("opsmgr-recovery-*.tar.gz")
    type_line(f"ansible-galaxy collection install --offline {tarball}")
    [section] = [section for section in sections(GUIDE) if section.name == SECTION]
    pip, drill = [line for block in section.of(COMMANDS) for line in block.text.splitlines()]
    assert pip.startswith("pip install ")
    type_line(pip)
    assert "The drill (failover, planned) ended well" in type_line(drill)
    # Nothing is left in the collection, which somebody else may have installed.
    lab = tmp_path / ".ansible" / "collections" / "ansible_collections" / "opsmgr" / "recovery" / "tests" / "lab"
    assert [path.name for path in lab.iterdir() if path.name in ("build", "dist") or path.suffix == ".egg-info"] == []


def pip_cache() -> str:
    return subprocess.run(
        [sys.executable, "-m", "pip", "cache", "dir"], check=True, capture_output=True, text=True
    ).stdout.strip()
