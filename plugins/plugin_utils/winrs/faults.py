# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong between this controller and a WinRM service, and the one place that calls pywinrm.

Private to opsmgr.recovery.
"""

from __future__ import annotations

import contextlib
import typing as t
from dataclasses import dataclass
from xml.etree import ElementTree

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.reachability import ACCOUNT_ADVICE

# The winrm connection plugin refuses by name to connect without these, so nothing here is reached when one is missing.
with contextlib.suppress(ImportError):
    from winrm.exceptions import (
        AuthenticationError,
        WinRMError,
        WinRMOperationTimeoutError,
        WinRMTransportError,
        WSManFaultError,
    )

# What Send gets when the program has ended: no error, its output and exit code are still to be received [field].
ERROR_BROKEN_PIPE = 109


@dataclass(frozen=True)
class KnownFault:
    """A code of the WinRM service.

    :ivar name: as in wsmerror.h or winerror.h
    :ivar what_to_do: for a person, when it stays so
    :ivar new_shell_helps: whether a command that got it is worth another try in a new shell. The command was refused, so
        it is not given twice
    """

    name: str
    what_to_do: str
    new_shell_helps: bool = False


_SHELLS = "Rerun in a few minutes: this user has too many open shells on the server, which close by themselves"
_OPERATIONS = "Rerun when fewer commands run on the server: it has too many at this moment"
_RATE = "Wait some minutes, then rerun: a quota of the server's WinRM service limits the requests in a period"
_BUSY = "Rerun when other users have closed their shells: the WinRM service is busy with them"

# The codes of wsmerror.h, and two of winerror.h, with what helps.
FAULTS = {
    5: KnownFault("ERROR_ACCESS_DENIED", "Use an account that is a local administrator of this server"),
    # The shell is gone: idle for too long, or the WinRM service was restarted.
    2150858843: KnownFault("ERROR_WSMAN_INVALID_SELECTORS", "Rerun: the shell is gone", new_shell_helps=True),
    2150859173: KnownFault("ERROR_WSMAN_QUOTA_MAX_SHELLS", _SHELLS),
    # A command counts until its shell is closed, even when it has ended: closing ours makes room.
    2150859174: KnownFault("ERROR_WSMAN_QUOTA_MAX_OPERATIONS", _OPERATIONS, new_shell_helps=True),
    2150859175: KnownFault("ERROR_WSMAN_QUOTA_USER", _RATE),
    2150859176: KnownFault("ERROR_WSMAN_QUOTA_SYSTEM", _RATE),
    2150859179: KnownFault("ERROR_WSMAN_QUOTA_MAX_SHELLUSERS", _BUSY),
    2150859180: KnownFault(
        "ERROR_WSMAN_REMOTESHELLS_NOT_ALLOWED",
        'Allow remote shells on the server (winrm set winrm/config/winrs @{AllowRemoteShellAccess="true"}) and rerun',
    ),
    2150859236: KnownFault("ERROR_WSMAN_QUOTA_MAX_SHELLS_PPQ", _SHELLS),
    2150859237: KnownFault("ERROR_WSMAN_QUOTA_MAX_USERS_PPQ", _BUSY),
    2150859238: KnownFault("ERROR_WSMAN_QUOTA_MAX_PLUGINSHELLS_PPQ", _BUSY),
    2150859239: KnownFault("ERROR_WSMAN_QUOTA_MAX_PLUGINOPERATIONS_PPQ", _OPERATIONS, new_shell_helps=True),
    2150859240: KnownFault("ERROR_WSMAN_QUOTA_MAX_OPERATIONS_USER_PPQ", _OPERATIONS, new_shell_helps=True),
    2150859241: KnownFault("ERROR_WSMAN_QUOTA_MAX_COMMANDS_PER_SHELL_PPQ", _OPERATIONS, new_shell_helps=True),
    2150859242: KnownFault(
        "ERROR_WSMAN_QUOTA_MIN_REQUIREMENT_NOT_AVAILABLE_PPQ",
        "Find out what uses the server's memory and resources, then rerun: too little is left for a shell",
    ),
    # 0x800703FA: Windows has unloaded the user's profile, on which the shell was opened, when another logon ended.
    2147943418: KnownFault(
        "ERROR_KEY_DELETED", "Rerun: the user's profile on the server was unloaded", new_shell_helps=True
    ),
}
_UNKNOWN = KnownFault("WSMan fault", "")
# Exceptions of the libraries that speak Kerberos, by their names: the libraries need not be there.
_KERBEROS_ERRORS = ("GSSError", "KrbError", "KerberosExchangeError", "MutualAuthenticationError")


class ConnectionLost(Exception):
    """The server could not be reached, did not let us in, or went away. What a running command did is not known.

    :ivar what_to_do: where more is known of that than "see that the server answers"
    """

    what_to_do = ""


class TimedOut(ConnectionLost):
    """The server did not answer within the operation timeout: for Receive and Send an answer like another, else an
    error.
    """

    def __init__(self) -> None:
        super().__init__("the WinRM service did not answer in time")


class AccountRefused(ConnectionLost):
    """The server answers, but no longer lets the account in."""

    what_to_do = ACCOUNT_ADVICE


class ShellFault(Exception):
    """The WinRM service answered with a fault.

    :ivar reason: the server's own words
    :ivar code: the WSMan fault code, or None
    :ivar what_to_do: for a person; empty for a code that is not known
    :ivar new_shell_helps: whether a command that got it is worth another try in a new shell
    """

    def __init__(self, reason: str, code: int | None) -> None:
        known = FAULTS.get(code or 0, _UNKNOWN)
        super().__init__(" ".join(part for part in (reason.strip(), f"({known.name} {code})" if code else "") if part))
        self.reason = reason
        self.code = code
        self.what_to_do = known.what_to_do
        self.new_shell_helps = known.new_shell_helps


class CommandTimeout(Exception):
    """A command did not end within its deadline; it was terminated."""

    def __init__(self, seconds: float, output: str) -> None:
        super().__init__(f"the command did not end within {seconds:g} seconds")
        self.output = output


def call_pywinrm(function: t.Callable[..., t.Any], *arguments: t.Any, **options: t.Any) -> t.Any:
    """Call pywinrm and translate what it raises: the one place that knows its exceptions and those of the libraries
    below it.

    :raises ConnectionLost: for everything that is not a fault of the WinRM service, also for exceptions that nobody
        expects: a message that cannot be unsealed, a Kerberos ticket that has expired. Their texts may hold a part of a
        message, so only their type is named.
    :raises AccountRefused: HTTP 401, or an error of Kerberos
    :raises ShellFault: the WinRM service answered with a fault
    """
    try:
        return function(*arguments, **options)
    except (ConnectionLost, ShellFault):
        raise
    except WinRMOperationTimeoutError:
        raise TimedOut from None
    except (AssertionError, StopIteration, ElementTree.ParseError):
        # pywinrm asserts that an answer belongs to its question, and parses without looking.
        raise ConnectionLost("the answer is not one of a WinRM service") from None
    except WSManFaultError as fault:
        raise ShellFault(fault.reason, fault.wsman_fault_code or fault.wmierror_code) from None
    except AuthenticationError as error:
        raise AccountRefused(str(error)) from None
    except (WinRMError, WinRMTransportError) as error:
        raise ConnectionLost(str(error)) from None
    except Exception as error:
        if type(error).__name__ in _KERBEROS_ERRORS:
            raise AccountRefused(f"{type(error).__name__}: Kerberos no longer vouches for this connection") from None
        raise ConnectionLost(f"{type(error).__name__}: the connection to the server broke") from None


def close_quietly(close: t.Callable[[], None]) -> None:
    """Close a connection; that it fails no longer matters, and must not hide what happened before."""
    with contextlib.suppress(ConnectionLost, ShellFault):
        call_pywinrm(close)
