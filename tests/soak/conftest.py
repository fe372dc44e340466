# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The soak tests use the labs of the integration tests, some of which are for the soak, too."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "integration"))

from labs import odyssey, start_lab

__all__ = ["odyssey", "start_lab"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.soak)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what the tests have counted."""
    reports = [
        report
        for kind in ("passed", "failed")
        for report in terminalreporter.stats.get(kind, [])
        if report.when == "call"
    ]
    counted = [(report.nodeid, *each) for report in reports for each in report.user_properties]
    for nodeid, name, text in counted:
        if name == "counts":
            terminalreporter.write_line(f"{nodeid.rpartition('::')[2]}: {text}")
    for text, count in Counter(text for _nodeid, name, text in counted if name == "resets").items():
        terminalreporter.write_line(f"runs with resets: {count} {text}")
