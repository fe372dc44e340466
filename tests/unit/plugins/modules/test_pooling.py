# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A driver manager that pools connections keeps them open after close(), because odbcinst.ini says so or because
somebody used pyodbc before.
"""

from __future__ import annotations

import configparser
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from unit.plugins.modules.sql_server import ADDRESS, ADMIN, COLLECTIONS, NAME, require_freetds

from lab.sql.server import SqlServer

require_freetds()

# A program that closes its connection and lives on, until its standard input ends.
PROGRAM = f"""
import os, sys
import pyodbc
if os.environ["SOMEBODY_WAS_FIRST"]:
    pyodbc.drivers()
from ansible_collections.opsmgr.recovery.plugins.module_utils.sql_options import SqlOptions
from ansible_collections.opsmgr.recovery.plugins.module_utils.sqlserver import connect
for _time in range(2):
    with connect(SqlOptions(server={ADDRESS!r}, database={NAME!r}, **{ADMIN!r})) as connection:
        print(connection.rows("SELECT DB_NAME() AS name")[0]["name"], flush=True)
print("closed", flush=True)
sys.stdin.read()
"""


@pytest.fixture(params=["odbcinst.ini pools", "somebody used pyodbc before"])
def program(request: pytest.FixtureRequest, sql: SqlServer, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    known = configparser.RawConfigParser()
    known.optionxform = str  # type: ignore[assignment]  # as the drivers read them
    known.read("/etc/odbcinst.ini", encoding="utf-8")
    known["FreeTDS"]["CPTimeout"] = "600"
    known["ODBC"] = {"Pooling": "Yes" if request.param.startswith("odbcinst") else "No"}
    with (tmp_path / "odbcinst.ini").open("w", encoding="utf-8") as file:
        known.write(file)
    environment = {
        **os.environ,
        "ODBCSYSINI": str(tmp_path),
        "PYTHONPATH": os.pathsep.join([str(COLLECTIONS), *sys.path]),
        "SOMEBODY_WAS_FIRST": "yes" if request.param.startswith("somebody") else "",
    }
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
    ) as process:
        yield process


def test_a_closed_connection_takes_no_seat_in_the_database(program: subprocess.Popen[str], sql: SqlServer) -> None:
    assert program.stdout is not None
    assert [program.stdout.readline().strip() for _line in range(3)] == [NAME, NAME, "closed"]
    assert program.poll() is None
    assert sql.seat(NAME) == []
