# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which databases are refused by the versions of their servers, whatever a database can tell."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.module_utils.group_version import require_supported_group
from ansible_collections.opsmgr.recovery.plugins.module_utils.sqlserver import SqlError

R2, LATER = "6.1.7221.0", "10.22.10118.0"


class Database:
    """Answers each statement with the next of these: versions, or the number of an error."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def rows(self, statement: str, *_values: object) -> list[dict[str, Any]]:
        self.asked.append(statement)
        answer = self.answers.pop(0)
        if isinstance(answer, int):
            raise SqlError(answer, "42000", "the words of the server", statement, "sql1")
        return [{"Version": version} for version in answer]


@pytest.mark.parametrize(
    ("answers", "refused"),
    [
        ([[R2, R2]], False),
        ([[LATER, LATER]], True),
        ([[R2, LATER]], True),
        ([[]], False),
        ([[None, "", "six"]], False),
        ([208, [LATER]], True),
        ([207, [R2]], False),
        ([208, 208], False),
        ([208, 207], False),
        ([924], False),
        ([229], False),
    ],
)
def test_only_what_is_told_is_refused(answers: list[Any], refused: bool) -> None:
    database = Database(*answers)
    with pytest.raises(OpsmgrError, match=LATER) if refused else nullcontext():
        require_supported_group(database, "My]D'b", "do it")  # type: ignore[arg-type]
    assert not database.answers
    assert all("[My]]D'b].dbo." in statement for statement in database.asked)
