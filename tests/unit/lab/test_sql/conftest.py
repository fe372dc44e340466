# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A running SQL Server of the lab and ways to reach it."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from typing import Any

import pyodbc
import pytest

from lab.faults import Faults
from lab.recorder import Recorder
from lab.sql import opsmgr_schema
from lab.sql.server import SqlServer
from lab.sql.sessions import Login

PASSWORD = "Tr0ub4dor&3"
_NUMBERS = itertools.count(1)

Connect = Callable[..., pyodbc.Connection]


@pytest.fixture
def server() -> Iterator[SqlServer]:
    """SQL Server 2008 with the operational database of ODYSSEY."""
    address = f"127.34.{os.getpid() % 250}.{next(_NUMBERS) % 250 + 1}"
    logins = {
        "sa": Login("sa", PASSWORD, is_sysadmin=True),
        "reader": Login("reader", PASSWORD, databases=frozenset({"OperationsManager"})),
        "ODYSSEY\\administrator": Login("ODYSSEY\\administrator", PASSWORD, is_sysadmin=True, is_windows=True),
    }
    made = SqlServer("thunder", address, recorder=Recorder(), faults=Faults(), logins=logins)
    opsmgr_schema.create_operations_manager(made, "OperationsManager", "ODYSSEY")
    opsmgr_schema.add_health_service(made, "OperationsManager", "hydra.odyssey.com", is_root=True)
    opsmgr_schema.add_health_service(made, "OperationsManager", "deathsting.odyssey.com")
    made.start()
    yield made
    made.stop()


@pytest.fixture
def connect(server: SqlServer) -> Connect:
    """Log in with pyodbc and FreeTDS."""

    def open_connection(
        database: str = "OperationsManager",
        user: str = "sa",
        password: str = PASSWORD,
        tds: str = "7.2",
        encryption: str = "off",
        autocommit: bool = True,
    ) -> pyodbc.Connection:
        text = (
            f"DRIVER={{FreeTDS}};SERVER={server.address};PORT=1433;TDS_Version={tds};Encryption={encryption};APP=drill;"
        )
        return pyodbc.connect(f"{text}UID={user};PWD={password};DATABASE={database}", timeout=5, autocommit=autocommit)

    return open_connection


@pytest.fixture
def errors(server: SqlServer) -> Callable[[], list[int]]:
    """The error numbers that the server gave to clients so far; a driver shows only one of several."""

    def numbers() -> list[int]:
        entries: list[dict[str, Any]] = server.recorder.entries if server.recorder is not None else []
        return [entry["error"] for entry in entries if entry["error"] is not None]

    return numbers
