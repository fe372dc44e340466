# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The session of a task: when a connection is made again, and which shells are closed over which, with a connection
plugin of a few lines. What a real one makes of a hostile server is in test_hostile_winrm.py.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleConnectionFailure
from requests import Session
from unit.plugins.plugin_utils.doubles import fault

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs import session as session_utils
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.faults import AccountRefused, ConnectionLost
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.session import WinRMSession

BROKEN = AnsibleConnectionFailure("ntlm: ('Connection aborted.', RemoteDisconnected('Remote end closed connection'))")
SILENT = AnsibleConnectionFailure("ntlm: [Errno 111] Connection refused")
REJECTED = AnsibleConnectionFailure("ntlm: the specified credentials were rejected by the server")


class Protocol:
    def __init__(self, number: int, closed: list[tuple[int, str]]) -> None:
        self.transport = SimpleNamespace(session=Session())
        self.opened: list[int] = []
        self.close_error: Exception | None = None
        self._number = number
        self._closed = closed

    def open_shell(self, codepage: int) -> str:
        self.opened.append(codepage)
        return f"another-{self._number}"

    def close_shell(self, shell_id: str, close_session: bool = True) -> None:
        assert close_session is False
        self._closed.append((self._number, shell_id))
        if self.close_error is not None:
            raise self.close_error


class Plugin:
    """ansible-core's winrm connection, as much of it as is used. `errors` are those of the next attempts to connect."""

    def __init__(self, *errors: Exception | None) -> None:
        self.errors = list(errors)
        self.attempts = 0
        self.protocol: Any = None
        self.shell_id: str | None = None
        self.close_error: Exception | None = None
        self.ended: list[str | None] = []
        # Which connection closed which shell.
        self.closed: list[tuple[int, str]] = []

    def _connect(self) -> None:
        self.attempts += 1
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error
        self.protocol, self.shell_id = Protocol(self.attempts, self.closed), f"shell-{self.attempts}"

    def close(self) -> None:
        self.ended.append(self.shell_id)
        error, self.close_error = self.close_error, None
        if error is not None:
            raise error

    def get_option(self, name: str) -> object:
        return {"remote_addr": "hydra", "port": "5986"}[name]


@pytest.fixture
def looked_for(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, float]]:
    """The addresses at which it was asked whether anybody listens; somebody does."""
    found: list[tuple[object, float]] = []

    def create_connection(address: object, timeout: float) -> Any:
        found.append((address, timeout))
        return SimpleNamespace(close=lambda: None)

    monkeypatch.setattr(session_utils.socket, "create_connection", create_connection)
    return found


@pytest.mark.parametrize("failures", [0, 1, 2])
def test_a_connection_that_is_broken_off_is_made_again(failures: int) -> None:
    plugin = Plugin(*[BROKEN] * failures)
    protocol, shell_id = WinRMSession(plugin).open()
    assert (protocol, shell_id, plugin.attempts) == (plugin.protocol, f"shell-{failures + 1}", failures + 1)
    # No proxy of the environment stands between the controller and a server.
    assert protocol.transport.session.trust_env is False


@pytest.mark.parametrize(("error", "attempts"), [(BROKEN, 3), (SILENT, 1), (REJECTED, 1)])
def test_what_does_not_pass_is_not_tried_for_ever(error: Exception, attempts: int) -> None:
    plugin = Plugin(*[error] * 9)
    with pytest.raises(AnsibleConnectionFailure):
        WinRMSession(plugin).open()
    assert plugin.attempts == attempts


@pytest.mark.parametrize("close_error", [None, fault(2150858843)])
def test_a_shell_is_replaced_over_the_same_connection(close_error: Exception | None) -> None:
    plugin = Plugin()
    session = WinRMSession(plugin)
    protocol, _shell_id = session.open()
    plugin.protocol.close_error = close_error
    assert session.renew_shell() == plugin.shell_id == "another-1"
    assert (plugin.closed, plugin.protocol.opened) == ([(1, "shell-1")], [65001])
    assert (plugin.protocol, plugin.attempts) == (protocol, 1)


@pytest.mark.parametrize(("close_old_shell", "closed"), [(True, [(2, "shell-1")]), (False, [])])
def test_the_shell_of_a_broken_connection_is_closed_over_the_next_unless_a_program_works_in_it(
    close_old_shell: bool, closed: list[tuple[int, str]]
) -> None:
    plugin = Plugin()
    session = WinRMSession(plugin)
    session.open()
    protocol, shell_id = session.reconnect(close_old_shell)
    assert (protocol, shell_id, plugin.closed) == (plugin.protocol, "shell-2", closed)
    session.reconnect(close_old_shell=True)
    assert plugin.closed == [*closed, (3, "shell-2")]


def test_a_server_that_is_gone_is_one_error_and_its_shells_are_closed_when_it_is_back() -> None:
    plugin = Plugin(None, SILENT)
    session = WinRMSession(plugin)
    session.open()
    with pytest.raises(ConnectionLost, match="the server does not answer") as caught:
        session.reconnect(close_old_shell=True)
    assert not isinstance(caught.value, AccountRefused)
    assert (plugin.protocol, plugin.shell_id) == (None, None)
    session.reconnect(close_old_shell=True)
    assert plugin.closed == [(3, "shell-1")]


def test_an_account_that_is_refused_is_not_tried_again(looked_for: list[object]) -> None:
    """Each attempt may count towards a lockout."""
    plugin = Plugin(None, REJECTED)
    session = WinRMSession(plugin)
    session.open()
    for _time in range(2):
        with pytest.raises(AccountRefused, match="credentials were rejected"):
            session.reconnect(close_old_shell=True)
    session.close(leave_shell=False)
    assert (plugin.attempts, looked_for) == (2, [])


@pytest.mark.parametrize(("leave_shell", "ended"), [(False, "shell-1"), (True, None)])
def test_the_end_of_a_task_closes_its_shell_unless_a_program_works_in_it(
    looked_for: list[object], leave_shell: bool, ended: str | None
) -> None:
    plugin = Plugin()
    session = WinRMSession(plugin)
    session.open()
    session.close(leave_shell)
    assert (plugin.ended, plugin.attempts, plugin.closed, looked_for) == ([ended], 1, [], [])


@pytest.mark.parametrize("error", [fault(5), ConnectionResetError()])
def test_a_shell_that_could_not_be_closed_is_closed_over_a_new_connection(
    looked_for: list[object], error: Exception
) -> None:
    plugin = Plugin()
    session = WinRMSession(plugin)
    session.open()
    plugin.close_error = error
    session.close(leave_shell=False)
    assert looked_for == [(("hydra", 5986), 3.0)]
    assert (plugin.closed, plugin.ended) == ([(2, "shell-1")], ["shell-1", "shell-2"])
    session.close(leave_shell=True)
    assert plugin.attempts == 2


def test_a_program_at_work_keeps_its_shell_also_when_the_connection_breaks(looked_for: list[object]) -> None:
    plugin = Plugin()
    session = WinRMSession(plugin)
    session.open()
    plugin.close_error = ConnectionResetError()
    session.close(leave_shell=True)
    assert (plugin.closed, looked_for) == ([], [])


def test_a_server_that_is_gone_keeps_nobody_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(_address: object, _timeout: float) -> Any:
        raise TimeoutError

    monkeypatch.setattr(session_utils.socket, "create_connection", nobody)
    plugin = Plugin()
    session = WinRMSession(plugin)
    session.open()
    plugin.close_error = ConnectionResetError()
    session.close(leave_shell=False)
    assert (plugin.attempts, plugin.closed) == (1, [])
