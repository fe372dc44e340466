# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Workflows, nox and pre-commit run what `make` runs, on the versions that tests/matrix names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
WORKFLOW: dict[str, Any] = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8"))
JOBS: dict[str, Any] = WORKFLOW["jobs"]


def targets_of(job: dict[str, Any]) -> set[str]:
    """The targets of make that a job runs."""
    commands = [step["run"].replace("${{ matrix.target }}", "").split() for step in job["steps"] if "run" in step]
    named = {word for words in commands if words[0] == "make" for word in words[1:] if re.fullmatch("[a-z-]+", word)}
    return named | set(job["strategy"]["matrix"].get("target", [])) if "strategy" in job else named


def test_the_workflow_runs_all_that_a_change_must_pass() -> None:
    run = set().union(*map(targets_of, JOBS.values()))
    assert {"lint", "sanity", "unit", "integration", "docs", "importer", "drill", "matrix", "build"} <= run
    assert run <= TARGETS


def test_the_workflow_tries_the_versions_of_the_matrix() -> None:
    tried = {f"{each['release']}:{each['python']}" for each in JOBS["matrix"]["strategy"]["matrix"]["include"]}
    named = {
        f"{path.stem}:{python}"
        for path in (ROOT / "tests/matrix").glob("*.txt")
        for python in path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# Python ").split()
    }
    assert tried == named


def test_the_workflow_may_only_read_and_knows_no_secret() -> None:
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert "secrets." not in (ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8")


def test_sessions_of_nox_are_targets_of_make() -> None:
    [sessions] = re.findall(r"^for target in \((.*)\):$", (ROOT / "noxfile.py").read_text(encoding="utf-8"), re.M)
    assert set(re.findall(r'"(.*?)"', sessions)) <= TARGETS


def test_hooks_of_pre_commit_are_targets_of_make() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0]["hooks"]
    assert {hook["entry"].split()[0] for hook in hooks} == {"make"}
    assert {hook["entry"].split()[1] for hook in hooks} <= TARGETS


@pytest.mark.parametrize("name", ["bug", "fact", "feature"])
def test_a_form_for_issues_warns_of_secrets_or_asks_for_no_output(name: str) -> None:
    form = (ROOT / ".github/ISSUE_TEMPLATE" / f"{name}.yml").read_text(encoding="utf-8")
    assert "render: text" not in form or "Leave out passwords" in form
