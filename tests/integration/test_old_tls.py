# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the image asks of FreeTDS (OPSMGR_SQL_TLS_1_0): the real driver takes the place of the server from the file that
is written for it.
"""

from __future__ import annotations

import pytest
from playing import Player

from ansible_collections.opsmgr.recovery.plugins.module_utils.freetds_file import WANTED
from ansible_collections.opsmgr.recovery.plugins.module_utils.sql_options import SqlOptions
from ansible_collections.opsmgr.recovery.plugins.module_utils.sqlserver import connect

pyodbc = pytest.importorskip("pyodbc")
if "FreeTDS" not in pyodbc.drivers():
    pytest.skip("FreeTDS is not installed", allow_module_level=True)


def test_the_driver_reads_the_file(odyssey: Player, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WANTED, "yes")
    server, login = odyssey.lab.sql["thunder"], odyssey.lab.topology.sql.login
    with connect(SqlOptions(server.address, login_user=login.name, login_password=login.password)) as connection:
        assert connection.rows("SELECT DB_NAME() AS name") == [{"name": "OperationsManager"}]
