# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make release` folds the fragments once, and refuses what would be released unseen or twice."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "GIT_"))},
    "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
}


def run(checkout: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=checkout, env=ENVIRONMENT, capture_output=True, text=True, check=False)


def commit(checkout: Path) -> None:
    run(checkout, "git", "add", "--all")
    who = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.invalid")
    assert run(checkout, "git", *who, "commit", "--quiet", "--message=what there is").returncode == 0


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A collection with the project's way to keep a changelog, and one change in it that nobody has released."""
    for name in ("galaxy.yml", "changelogs/config.yaml", "tests/tools/release"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "changelogs" / "changelog.yaml").write_text("ancestor: null\nreleases: {}\n", encoding="utf-8")
    write_fragment(tmp_path, "hydra is not the RMS any more.")
    run(tmp_path, "git", "init", "--quiet")
    commit(tmp_path)
    return tmp_path


def write_fragment(checkout: Path, sentence: str) -> None:
    fragments = checkout / "changelogs" / "fragments"
    fragments.mkdir(exist_ok=True)
    (fragments / "change.yml").write_text(yaml.safe_dump({"minor_changes": [sentence]}), encoding="utf-8")


def release(checkout: Path) -> subprocess.CompletedProcess[str]:
    return run(checkout, "tests/tools/release")


def test_it_folds_the_fragments_into_the_changelog(checkout: Path) -> None:
    done = release(checkout)
    assert done.returncode == 0, done.stdout + done.stderr
    version = yaml.safe_load((checkout / "galaxy.yml").read_text(encoding="utf-8"))["version"]
    changelog = (checkout / "CHANGELOG.rst").read_text(encoding="utf-8")
    assert f"v{version}" in changelog
    assert "hydra is not the RMS any more." in changelog
    assert not (checkout / "changelogs" / "fragments" / "change.yml").exists()


def test_it_releases_no_version_twice(checkout: Path) -> None:
    version = yaml.safe_load((checkout / "galaxy.yml").read_text(encoding="utf-8"))["version"]
    released = f"ancestor: null\nreleases:\n  {version}:\n    release_date: '2026-01-01'\n"
    (checkout / "changelogs" / "changelog.yaml").write_text(released, encoding="utf-8")
    commit(checkout)
    assert release(checkout).returncode == 1
    assert not (checkout / "CHANGELOG.rst").exists()


def test_it_refuses_what_is_not_committed(checkout: Path) -> None:
    write_fragment(checkout, "jupiter is.")
    assert release(checkout).returncode == 1
    assert not (checkout / "CHANGELOG.rst").exists()


def test_it_refuses_a_release_of_nothing(checkout: Path) -> None:
    (checkout / "changelogs" / "fragments" / "change.yml").unlink()
    commit(checkout)
    assert release(checkout).returncode == 1
    assert not (checkout / "CHANGELOG.rst").exists()
