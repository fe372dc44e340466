# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who reports to whom, as rows of the database; and a database that does not know the tables."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.opsmgr.recovery.plugins.module_utils.parent_servers import (
    COMMUNICATION,
    ParentServer,
    read_parents,
)
from ansible_collections.opsmgr.recovery.plugins.module_utils.sqlserver import ConnectionProblem, SqlError


class Answer:
    """A connection that has one answer; an exception is raised."""

    def __init__(self, answer: list[dict[str, Any]] | Exception) -> None:
        self.answer = answer
        self.values: tuple[object, ...] = ()

    def rows(self, statement: str, *values: object) -> list[dict[str, Any]]:
        self.values = values
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def row(parent: str, gateway: str | None, children: int) -> dict[str, Any]:
    return {"Parent": parent, "Gateway": gateway, "Children": children}


def test_agents_are_counted_and_gateways_named() -> None:
    answer = Answer(
        [row("hydra.x", None, 412), row("hydra.x", "lethe.x", 1), row("hydra.x", "styx.x", 1), row("y", None, 3)]
    )
    assert read_parents(answer) == [ParentServer("hydra.x", 412, ["lethe.x", "styx.x"]), ParentServer("y", 3)]
    assert answer.values == (COMMUNICATION,)


def test_nobody_reports_to_anybody() -> None:
    assert read_parents(Answer([])) == []


def test_a_database_without_these_tables_does_not_tell() -> None:
    assert read_parents(Answer(SqlError(208, "42S02", "Invalid object name", "SELECT", "sql1:1433"))) is None


def test_a_connection_that_is_lost_is_another_matter() -> None:
    lost = ConnectionProblem("unreachable", "sql1:1433", "it is gone", "wait")
    with pytest.raises(ConnectionProblem):
        read_parents(Answer(lost))
