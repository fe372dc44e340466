# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operational database of 2012 and later: whatever changes a database refuses it, and sends nothing that changes
anything.
"""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from unit.plugins.modules.sql_server import ADMIN, NAME, PATH, Run, Subject, require_freetds

from lab.sql.opsmgr_schema import add_health_service
from lab.sql.server import SqlServer

require_freetds()

MODULES = Path(__file__).resolve().parents[4] / "plugins" / "modules"
CHANGING: dict[str, dict[str, Any]] = {
    "database_backup": {"path": PATH},
    "database_restore": {"path": PATH, "overwrite": "any"},
    "management_group_lock": {"purpose": "failover", "target": "deathsting"},
    "service_broker": {},
}
LOOKS = {"management_group_info"}
READS = re.compile(r"\s*(?:SELECT|RESTORE (?:HEADERONLY|FILELISTONLY|LABELONLY)|EXEC \S*xp_)\b", re.I)


@pytest.fixture(params=CHANGING)
def subject(request: pytest.FixtureRequest) -> Subject:
    module = importlib.import_module(f"ansible_collections.opsmgr.recovery.plugins.modules.{request.param}")
    return Subject(module, {**ADMIN, "database": NAME, **CHANGING[request.param]})


@pytest.fixture
def sql(new_sql: SqlServer) -> SqlServer:
    """A healthy group of 2022: the first has the RMS emulator. Its database was backed up."""
    add_health_service(new_sql, NAME, "Hydra.Odyssey.com", is_root=True, version="10.22.10118.0")
    add_health_service(new_sql, NAME, "DeathSting.Odyssey.com", version="10.22.10118.0")
    add_health_service(new_sql, NAME, "gate.other.com", is_gateway=True, version="8.0.10918.0")
    new_sql.start()
    session = new_sql.connect("Test", NAME)
    session.execute(f"BACKUP DATABASE [{NAME}] TO DISK = N'{PATH.replace(chr(39), chr(39) * 2)}'")
    session.execute(f"ALTER DATABASE [{NAME}] SET DISABLE_BROKER WITH ROLLBACK IMMEDIATE")
    session.close()
    return new_sql


def test_no_module_is_forgotten() -> None:
    texts = {path.stem: path.read_text(encoding="utf-8") for path in MODULES.glob("*.py")}
    of_sql = {
        name
        for name, text in texts.items()
        if "DOCUMENTATION" in text and "opsmgr.recovery.sql_connection" in str(yaml.safe_load(text.split('"""')[3]))
    }
    assert of_sql == CHANGING.keys() | LOOKS


@pytest.mark.parametrize("check_mode", [False, True])
def test_every_module_refuses_it(sql: SqlServer, run: Run, check_mode: bool) -> None:
    result = run(_ansible_check_mode=check_mode)
    assert (result["failed"], result["changed"]) == (True, False)
    assert "Operations Manager 2022 (10.22.10118.0)" in result["msg"]
    assert not [statement for statement in result["statements"] if not READS.match(statement)]


def test_a_gateway_of_a_later_version_tells_nothing(new_sql: SqlServer, run: Run, subject: Subject) -> None:
    add_health_service(new_sql, NAME, "Hydra.Odyssey.com", is_root=True)
    add_health_service(new_sql, NAME, "gate.other.com", is_gateway=True, version="8.0.10918.0")
    new_sql.start()
    assert "Operations Manager" not in run(_ansible_check_mode=True).get("msg", "")


def test_a_deleted_server_of_a_later_version_tells_nothing(new_sql: SqlServer, run: Run, subject: Subject) -> None:
    add_health_service(new_sql, NAME, "Hydra.Odyssey.com", is_root=True)
    add_health_service(new_sql, NAME, "troy.odyssey.com", is_deleted=True, version="10.22.10118.0")
    new_sql.start()
    assert "Operations Manager" not in run(_ansible_check_mode=True).get("msg", "")


def test_where_no_version_can_be_read_nothing_is_refused(new_sql: SqlServer, run: Run, subject: Subject) -> None:
    """Here because the view has lost what is behind it."""
    new_sql.start()
    session = new_sql.connect("Test", NAME)
    session.execute("DROP TABLE dbo.BaseManagedEntity")
    session.close()
    assert "Operations Manager" not in run(_ansible_check_mode=True).get("msg", "")
