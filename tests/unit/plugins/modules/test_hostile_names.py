# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever a user writes into an option reaches the SQL Server as a bound value or as a quoted identifier: read from
what the server received.
"""

from __future__ import annotations

from typing import Any

import pytest
from unit.plugins.modules.sql_server import ADMIN, PATH, Run, Subject, require_freetds

from ansible_collections.opsmgr.recovery.plugins.module_utils.sql_options import quote_identifier
from ansible_collections.opsmgr.recovery.plugins.modules import (
    database_backup,
    database_restore,
    management_group_info,
    service_broker,
)
from lab.recorder import Recorder
from lab.sql.opsmgr_schema import create_operations_manager
from lab.sql.server import SqlServer

require_freetds()

NAMES = ["My]D'b; DROP DATABASE x --", "]", "''", '"; --', "a]]b", "[x].[y]", "%s {0} ?", "/* ü", "Odyssée ]'☃"]
GROUP = "Gr]o'up; --"
FOLDER = "E:\\it's; -- ]["
RESTORE = {
    "path": PATH,
    "management_group": GROUP,
    "overwrite": "same_group",
    "disconnect": True,
    "force": True,
    "data_directory": FOLDER,
    "log_directory": FOLDER,
}
OPTIONS: dict[str, tuple[Any, dict[str, Any]]] = {
    "management_group_info": (management_group_info, {"run_as_accounts": True}),
    "service_broker": (service_broker, {"new_broker": True}),
    "database_backup to a path": (database_backup, {"path": PATH, "existing": "append"}),
    "database_backup to a directory": (database_backup, {"directory": FOLDER, "max_age": 1}),
    "database_restore": (database_restore, RESTORE),
}


@pytest.fixture(params=OPTIONS)
def subject(request: pytest.FixtureRequest) -> Subject:
    module, options = OPTIONS[request.param]
    return Subject(module, {**ADMIN, **options})


def received(sql: SqlServer) -> list[str]:
    """The text of every statement that came from a client."""
    assert isinstance(sql.recorder, Recorder)
    return [str(entry["statement"]) for entry in sql.recorder.entries if entry.get("statement")]


@pytest.mark.parametrize("name", NAMES)
def test_what_a_user_wrote_is_never_part_of_a_statement(sql: SqlServer, run: Run, subject: Subject, name: str) -> None:
    database = create_operations_manager(sql, name, GROUP)
    database.is_broker_enabled = False
    # Its broker id is another one's too, so that the way with NEW_BROKER is taken.
    sql.add_database("twin").service_broker_guid = database.service_broker_guid
    with sql.connect("backup") as session:
        session.run(f"BACKUP DATABASE {quote_identifier(name)} TO DISK = ? WITH CHECKSUM", [PATH])
    before = set(sql.databases)
    result = run(database=name)
    assert not result.get("failed"), result["msg"]
    assert set(sql.databases) == before
    assert result["changed"] is (subject.module is not management_group_info)
    texts = [text.replace(quote_identifier(name), "") for text in received(sql)]
    assert len(texts) > 5
    for text in texts:
        for written in (GROUP, FOLDER, PATH, *([name] if len(name) > 2 else [])):
            assert written not in text
