# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong between this controller and a WinRM service, and the one place that calls pywinrm.

Private to opsmgr.recovery.
"""

from __future__ import annotations

import contextlib
import typing as t
from xml.etree import ElementTree

# The winrm connection plugin refuses by name to connect without these, so nothing here is reached when one is missing.
with contextlib.suppress(ImportError):
    from winrm.exceptions import WinRMError, WinRMOperationTimeoutError, WinRMTransportError, WSManFaultError

# What Send gets when the program has ended: no error, its output and exit code are still to be received [field].
ERROR_BROKEN_PIPE = 109

# Too many operations or shells of this user [ms].
QUOTA_FAULTS = (2150859173, 2150859174, 2150859182)
# WSMan fault codes with their names and what to do [ms].
FAULTS = {
    5: ("ERROR_ACCESS_DENIED", "Use an account that is a local administrator of this server."),
    2150858843: ("ERROR_WSMAN_INVALID_SELECTORS", "The shell is gone; run it again."),
    2150859173: (
        "ERROR_WSMAN_QUOTA_MAX_SHELLS",
        "This user has too many open shells on the server; they close by themselves after a few minutes.",
    ),
    2150859174: (
        "ERROR_WSMAN_QUOTA_MAX_SHELLS_PPQ",
        "This user has too many open shells on the server; they close by themselves after a few minutes.",
    ),
    2150859182: (
        "ERROR_WSMAN_QUOTA_USER",
        "This user has too many open shells on the server; they close by themselves after a few minutes.",
    ),
}


class ConnectionLost(Exception):
    """The server could not be reached, did not let us in, or went away. What a running command did is not known."""


class TimedOut(ConnectionLost):
    """The server did not answer within the operation timeout: for Receive and Send an answer like another, else an
    error.
    """

    def __init__(self) -> None:
        super().__init__("the WinRM service did not answer in time")


class ShellFault(Exception):
    """The WinRM service answered with a fault.

    :ivar reason: the server's own words
    :ivar code: the WSMan fault code, or None
    """

    def __init__(self, reason: str, code: int | None) -> None:
        name, advice = FAULTS.get(code or 0, ("", ""))
        super().__init__(
            " ".join(
                part for part in (reason.strip(), f"({name or 'WSMan fault'} {code})" if code else "", advice) if part
            )
        )
        self.reason = reason
        self.code = code


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
    except (WinRMError, WinRMTransportError) as error:
        raise ConnectionLost(str(error)) from None
    except Exception as error:
        raise ConnectionLost(f"{type(error).__name__}: the connection to the server broke") from None


def close_quietly(close: t.Callable[[], None]) -> None:
    """Close a connection; that it fails no longer matters, and must not hide what happened before."""
    with contextlib.suppress(ConnectionLost, ShellFault):
        call_pywinrm(close)
