# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""FreeTDS is told to speak TLS 1.0 for one connection, where that is wanted, and nothing is left of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.opsmgr.recovery.plugins.module_utils.freetds_file import FILE, WANTED, freetds_file, old_tls
from ansible_collections.opsmgr.recovery.plugins.module_utils.sql_options import ConnectionString, SqlOptions


@pytest.mark.parametrize(
    ("options", "place"),
    [
        ({}, "port = 1433"),
        ({"port": 50000}, "port = 50000"),
        ({"instance": "OPSMGR"}, "instance = OPSMGR"),
        ({"instance": "A", "port": 7}, "port = 7"),
    ],
)
def test_the_file_names_the_place_and_lets_tls_1_0_pass(options: dict[str, Any], place: str) -> None:
    lines = freetds_file(SqlOptions("sql1.odyssey.com", **options)).splitlines()
    assert lines == [
        "[opsmgr]",
        "host = sql1.odyssey.com",
        place,
        "enable tls v1 = yes",
        "openssl ciphers = DEFAULT:@SECLEVEL=0",
    ]


def test_it_is_there_for_one_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WANTED, "yes")
    monkeypatch.setenv(FILE, "/etc/mine.conf")
    with old_tls(SqlOptions("sql1")) as named:
        path = Path(os.environ[FILE])
        assert path.read_text(encoding="utf-8").startswith(f"[{named}]")
        text = ConnectionString(SqlOptions("sql1", login_user="sa", login_password="secret"), named)
        assert text.reveal().startswith("DRIVER={FreeTDS};SERVERNAME=opsmgr;TDS_Version=7.2;Encryption=request")
        assert "secret" not in str(text)
    assert (path.exists(), os.environ[FILE]) == (False, "/etc/mine.conf")


@pytest.mark.parametrize(
    ("wanted", "options"),
    [("", {}), ("no", {}), ("yes", {"encryption": "off"}), ("yes", {"driver": "ODBC Driver 18 for SQL Server"})],
)
def test_nobody_else_gets_it(monkeypatch: pytest.MonkeyPatch, wanted: str, options: dict[str, Any]) -> None:
    monkeypatch.setenv(WANTED, wanted)
    monkeypatch.delenv(FILE, raising=False)
    with old_tls(SqlOptions("sql1", **options)) as named:
        assert (named, FILE in os.environ) == (None, False)
