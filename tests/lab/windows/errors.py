# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Win32 error codes and their English system messages (FormatMessage texts) [ms]."""

from __future__ import annotations

MESSAGES: dict[int, str] = {
    0: "The operation completed successfully.",
    1: "Incorrect function.",
    2: "The system cannot find the file specified.",
    3: "The system cannot find the path specified.",
    5: "Access is denied.",
    13: "The data is invalid.",
    15: "The system cannot find the drive specified.",
    16: "The directory cannot be removed.",
    17: "The system cannot move the file to a different disk drive.",
    19: "The media is write protected.",
    32: "The process cannot access the file because it is being used by another process.",
    53: "The network path was not found.",
    67: "The network name cannot be found.",
    80: "The file exists.",
    85: "The local device name is already in use.",
    87: "The parameter is incorrect.",
    109: "The pipe has been ended.",
    123: "The filename, directory name, or volume label syntax is incorrect.",
    145: "The directory is not empty.",
    183: "Cannot create a file when that file already exists.",
    193: "%1 is not a valid Win32 application.",
    206: "The filename or extension is too long.",
    267: "The directory name is invalid.",
    997: "Overlapped I/O operation is in progress.",
    1051: "A stop control has been sent to a service that other running services are dependent on.",
    1052: "The requested control is not valid for this service.",
    1053: "The service did not respond to the start or control request in a timely fashion.",
    1056: "An instance of the service is already running.",
    1058: "The service cannot be started, either because it is disabled or because it has no enabled devices associated with it.",
    1059: "Circular service dependency was specified.",
    1060: "The specified service does not exist as an installed service.",
    1061: "The service cannot accept control messages at this time.",
    1062: "The service has not been started.",
    1066: "The service has returned a service-specific error code.",
    1067: "The process terminated unexpectedly.",
    1068: "The dependency service or group failed to start.",
    1069: "The service did not start due to a logon failure.",
    1070: "After starting, the service hung in a start-pending state.",
    1072: "The specified service has been marked for deletion.",
    1075: "The dependency service does not exist or has been marked for deletion.",
    1077: "No attempts to start the service have been made since the last boot.",
    1115: "A system shutdown is in progress.",
    1219: "Multiple connections to a server or shared resource by the same user, using more than one user name, are not allowed. "
    "Disconnect all previous connections to the server or shared resource and try again.",
    1326: "Logon failure: unknown user name or bad password.",
    1603: "Fatal error during installation.",
    1618: "Another installation is already in progress. Complete that installation before proceeding with this install.",
    1619: "This installation package could not be opened. Verify that the package exists and that you can access it, or contact the "
    "application vendor to verify that this is a valid Windows Installer package.",
    1620: "This installation package could not be opened. Contact the application vendor to verify that this is a valid Windows "
    "Installer package.",
    1622: "Error opening installation log file. Verify that the specified log file location exists and is writable.",
    1639: "Invalid command line argument. Consult the Windows Installer SDK for detailed command line help.",
    1722: "The RPC server is unavailable.",
    1753: "There are no more endpoints available from the endpoint mapper.",
    2250: "This network connection does not exist.",
    5001: "The operation cannot be completed because other resources are dependent on this resource.",
    5002: "The cluster resource dependency cannot be found.",
    5003: "The cluster resource cannot be made dependent on the specified resource because it is already dependent.",
    5004: "The cluster resource is not online.",
    5005: "A cluster node is not available for this operation.",
    5007: "The cluster resource could not be found.",
    5010: "The object already exists.",
    5013: "The cluster group could not be found.",
    5018: "The cluster resource could not be brought online by the resource monitor.",
    5019: "The operation could not be completed because the cluster resource is online.",
    5020: "The cluster resource could not be deleted or brought offline because it is the quorum resource.",
    5024: "The properties were stored but not all changes will take effect until the next time the resource is brought online.",
    5038: "A cluster resource failed.",
    5042: "The cluster node was not found.",
    5050: "The cluster node is down.",
    5078: "The specified resource type was not found.",
}


def message(code: int) -> str:
    """The system message of a Win32 error code."""
    return MESSAGES.get(code, f"Unknown error (0x{code & 0xFFFFFFFF:x})")


class Win32Error(Exception):
    """A system call of the simulated host failed; ``code`` is what GetLastError would say."""

    def __init__(self, code: int, path: str = "") -> None:
        super().__init__(f"{message(code)} [{code}] {path}".strip())
        self.code = code
        self.path = path

    @property
    def text(self) -> str:
        """The system message."""
        return message(self.code)
