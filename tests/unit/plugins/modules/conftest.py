# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's SQL Server, and the module under test: each test module says with its own `subject` which, and prepares the
server in its own `sql`.

Every statement that the server is sent is judged by Microsoft's parsers, too, when the test has ended.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from ansible.module_utils import basic
from transact_sql.parsers import FOLDER, Parsers, refused_by, sent, why_not
from unit.plugins.modules.sql_server import Run, Service, Subject, assert_no_password, odyssey_server
from waiting import until

from ansible_collections.opsmgr.recovery.plugins.module_utils.broker import AccessGuard
from lab.recorder import Recorder
from lab.sql.server import SqlServer


@pytest.fixture(scope="session")
def parsers() -> Iterator[Parsers | None]:
    """Microsoft's parsers of Transact-SQL; None on a machine that they cannot run on, which test_transact_sql.py says."""
    if why_not() is not None:
        yield None
        return
    if not FOLDER.is_dir():
        pytest.fail(f"There is no {FOLDER}: run make setup, which brings Microsoft's parser of Transact-SQL there.")
    running = Parsers()
    yield running
    running.close()


@pytest.fixture
def new_sql(parsers: Parsers | None) -> Iterator[SqlServer]:
    """A server that is not started yet."""
    server = odyssey_server()
    yield server
    server.stop()
    assert isinstance(server.recorder, Recorder)
    assert parsers is None or refused_by(parsers, sent(server.recorder.entries)) == {}


@pytest.fixture
def sql(new_sql: SqlServer) -> SqlServer:
    new_sql.start()
    return new_sql


@pytest.fixture
def run(subject: Subject, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the module's main() as Ansible does, and returns what it printed."""

    def call(**options: Any) -> dict[str, Any]:
        monkeypatch.setattr(basic, "_ANSIBLE_ARGS", subject.arguments(**options))
        monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
        with pytest.raises(SystemExit):
            subject.module.main()
        result: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert "Traceback" not in json.dumps(result)
        assert_no_password(json.dumps(result))
        # Before 2.21, ansible-core adds the options that were given.
        result.pop("invocation", None)
        return result

    return call


@pytest.fixture
def service(sql: SqlServer) -> Iterator[Service]:
    made = Service(sql)
    yield made
    made.stop()


@pytest.fixture
def quick_thief(service: Service, monkeypatch: pytest.MonkeyPatch) -> Service:
    """A service that is always faster than the module."""
    real = AccessGuard.reopen

    def late(guard: AccessGuard, seconds: float) -> None:
        until(lambda: service.stopped or (service.session is not None and service.session.alive))
        real(guard, seconds)

    monkeypatch.setattr(AccessGuard, "reopen", late)
    return service
