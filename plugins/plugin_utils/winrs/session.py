# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A task's session with a server: ansible-core's winrm connection and the one shell in it, made again when it breaks.

Private to opsmgr.recovery.
"""

from __future__ import annotations

import contextlib
import re
import socket
import typing as t
from functools import partial

from ansible.errors import AnsibleConnectionFailure, AnsibleError

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.bounded_transport import bounded_sessions
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.faults import (
    AccountRefused,
    ConnectionLost,
    ShellFault,
    call_pywinrm,
    close_quietly,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.reachability import account_refused, why_unreachable
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.shell import (
    SHELL_CODE_PAGE,
    Protocol,
    ignore_environment_proxies,
)

# How often a connection is tried at most that is broken off while it is made. Opening a shell changes nothing on a
# server.
CONNECT_ATTEMPTS = 3
# Seconds. A server that is gone keeps nobody at the end of a task.
ANSWERS_AT_ONCE_SECONDS = 3.0
# What a connection plugin reports of a connection that was made and broke, apart from one that nobody answers and one
# that is refused.
_BROKEN_OFF = re.compile(
    r"Connection aborted|Connection broken|reset by peer|Broken pipe|RemoteDisconnected|IncompleteRead|BadMIC|SpnegoError|Code 400",
    re.IGNORECASE,
)


class WinRMSession:
    """Owns the connection of one task and its shell."""

    def __init__(self, connection: t.Any) -> None:
        """:param connection: ansible-core's winrm connection plugin"""
        self._connection = connection
        # Shells of connections that broke, to be closed over the next one: a server allows a user only five.
        self._old_shells: list[str] = []
        # The account was refused when the connection was made again. It is not tried once more: that may lock it.
        self._refused: str | None = None

    def open(self) -> tuple[Protocol, str]:
        """Connect, open a shell, and return the connection's Protocol and the shell's id.

        :raises AnsibleConnectionFailure: the server does not answer or does not let us in
        """
        for _attempt in range(CONNECT_ATTEMPTS - 1):
            try:
                return self._connect()
            except AnsibleConnectionFailure as error:
                if not _BROKEN_OFF.search(str(error)):
                    raise
        return self._connect()

    def _connect(self) -> tuple[Protocol, str]:
        # ansible-core's own actions call this through exec_command; it opens the shell.
        with bounded_sessions():
            self._connection._connect()
        ignore_environment_proxies(self._connection.protocol)
        return self._connection.protocol, str(self._connection.shell_id)

    def renew_shell(self) -> str:
        """Close the shell and open another over the same connection, as ansible-core's own _connect does."""
        protocol = self._connection.protocol
        with contextlib.suppress(ShellFault):
            # A shell that is gone cannot be closed.
            call_pywinrm(protocol.close_shell, self._connection.shell_id, close_session=False)
        self._connection.shell_id = protocol.open_shell(codepage=SHELL_CODE_PAGE)
        return str(self._connection.shell_id)

    def reconnect(self, close_old_shell: bool) -> tuple[Protocol, str]:
        """Connect again after the connection broke. Return the new connection's Protocol and the id of its shell.

        :param close_old_shell: False when a program still works in it
        :raises ConnectionLost: the server does not answer any more
        :raises AccountRefused: it does not let the account in any more
        """
        if self._refused is not None:
            raise AccountRefused(self._refused)
        if close_old_shell and self._connection.shell_id is not None:
            self._old_shells.append(self._connection.shell_id)
        self._connection.protocol = self._connection.shell_id = None
        try:
            protocol, shell_id = self.open()
        except AnsibleError as error:
            self._connection.shell_id = None
            found = why_unreachable(error)
            if account_refused(error):
                self._refused = found
                raise AccountRefused(found) from None
            raise ConnectionLost(found) from None
        while self._old_shells:
            close_quietly(partial(protocol.close_shell, self._old_shells.pop(), close_session=False))
        return protocol, shell_id

    def close(self, leave_shell: bool) -> None:
        """Close the connection, and the shell unless a program still works in it."""
        if leave_shell:
            # Deleting the shell would kill the program in it; ansible-core deletes what it knows of when the task ends.
            self._connection.shell_id = None
        shell_id = self._connection.shell_id
        try:
            call_pywinrm(self._connection.close)
        except (ConnectionLost, ShellFault):
            # Whether it is closed is not known. A server allows a user only five.
            self._old_shells += [shell_id] if shell_id else []
        if self._old_shells and self._refused is None:
            self._close_old_shells()

    def _close_old_shells(self) -> None:
        """Close what a broken connection left open, over a new one, if the server answers at once."""
        self._connection.protocol = self._connection.shell_id = None
        address = (self._connection.get_option("remote_addr"), int(self._connection.get_option("port") or 0))
        with contextlib.suppress(OSError, AnsibleConnectionFailure, ConnectionLost, ShellFault):
            socket.create_connection(address, ANSWERS_AT_ONCE_SECONDS).close()
            protocol, _shell_id = self._connect()
            for shell_id in self._old_shells:
                close_quietly(partial(protocol.close_shell, shell_id, close_session=False))
            self._old_shells.clear()
            close_quietly(self._connection.close)
