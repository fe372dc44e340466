# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Microsoft's parsers accept each statement that is written in the collection, for SQL Server 2005 to 2019.

What is put together is judged where it is sent: see conftest.py.
"""

from __future__ import annotations

import pytest
from transact_sql.parsers import Parsers, fillings, why_not, with_parameters, written

WRITTEN = list(written())


@pytest.fixture
def judges(parsers: Parsers | None) -> Parsers:
    if parsers is None:
        pytest.skip(str(why_not()))
    return parsers


@pytest.mark.parametrize(
    ("statement", "versions"),
    [
        ("SELECT name FROM sys.databases WHERE name = ?", []),
        # As the book prints it, and two things that came with SQL Server 2008 and 2012.
        ("SELECT is_broker_enabled FROM sys.databases WHERE name-'OperationsManager'", "all"),
        ("ALERT DATABASE OperationsManager SET MULTI_USER", "all"),
        ("DECLARE @x int = 1", ["90"]),
        ("SELECT name FROM sys.databases ORDER BY name OFFSET 1 ROWS FETCH NEXT 1 ROWS ONLY", ["90", "100"]),
    ],
)
def test_the_parsers_refuse_what_a_version_does_not_have(
    judges: Parsers, statement: str, versions: list[str] | str
) -> None:
    refused = sorted(judges.refusals(statement), key=int)
    assert refused == (["90", "100", "110", "120", "130", "140", "150"] if versions == "all" else versions)


def test_what_is_written_is_found() -> None:
    texts = [text for _place, text in WRITTEN]
    for begin in (
        "SELECT ",
        "USE ",
        "EXEC ",
        "ALTER DATABASE ",
        "BACKUP DATABASE ",
        "RESTORE DATABASE ",
        "RESTORE HEADERONLY ",
    ):
        assert any(text.startswith(begin) for text in texts), begin


@pytest.mark.parametrize(("place", "text"), WRITTEN, ids=[place.rpartition("/")[2] for place, _text in WRITTEN])
def test_a_statement_of_the_collection_is_accepted(judges: Parsers, place: str, text: str) -> None:
    refused = {}
    for statement in fillings(text):
        refused[statement] = judges.refusals(statement)
        if not refused[statement]:
            return
    pytest.fail(f"{place}: {refused}")


def test_values_are_numbered_as_freetds_does() -> None:
    assert with_parameters("SELECT ?, '?''?', [a?]]?], ?") == "SELECT @P1, '?''?', [a?]]?], @P2"
