# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The SOAP faults of WinRM, with the codes and words of Windows.

Codes and texts are those of ``wsmerror.h`` in the Windows SDK [ms]; the ones marked [field] were seen in captured
answers of Windows servers; [assumed] marks a guess at which of them Windows would choose.
"""

from __future__ import annotations

ADDRESSING_FAULT = "http://schemas.xmlsoap.org/ws/2004/08/addressing/fault"
WSMAN_FAULT = "http://schemas.dmtf.org/wbem/wsman/1/wsman/fault"
_DETAIL = "http://schemas.dmtf.org/wbem/wsman/1/wsman/faultDetail/"

OPERATION_TIMED_OUT = 2150858793
UNEXPECTED_SELECTORS = 2150858843
QUOTA_MAX_SHELLS = 2150859173
QUOTA_MAX_OPERATIONS = 2150859174
RESOURCE_NOT_FOUND = 2150858752
PROVIDER_FAILURE = 2150858755
INVALID_HEADER = 2150858767
HEADER_REQUIRED = 2150858769
ACTION_NOT_SUPPORTED = 2150858771
ALREADY_EXISTS = 2150858803
INVALID_OPTIONS = 2150858809
SCHEMA_VALIDATION = 2150858817
MIN_ENVELOPE_SIZE = 2150858878
INVALID_TIMEOUT = 2150858881
ACCESS_DENIED = 5
INVALID_PARAMETER = 87
BROKEN_PIPE = 109
OPERATION_ABORTED = 995

# code -> sender or receiver, subcode, fault detail, reason
_TABLE: dict[int, tuple[str, str, str, str]] = {
    OPERATION_TIMED_OUT: (
        "s:Receiver", "w:TimedOut", "",
        "The WS-Management service cannot complete the operation within the time specified in OperationTimeout.  ",
    ),
    UNEXPECTED_SELECTORS: (
        "s:Sender", "w:InvalidSelectors", "UnexpectedSelectors",
        "The WS-Management service cannot process the request because the request contained invalid selectors for the resource. ",
    ),
    QUOTA_MAX_SHELLS: ("s:Sender", "w:QuotaLimit", "", ""),
    QUOTA_MAX_OPERATIONS: ("s:Sender", "w:QuotaLimit", "", ""),
    RESOURCE_NOT_FOUND: (
        "s:Sender", "a:DestinationUnreachable", "InvalidResourceURI",
        "The WS-Management service cannot process the request. The service cannot find the resource identified by "
        "the resource URI and selectors. ",
    ),
    PROVIDER_FAILURE: ("s:Receiver", "w:InternalError", "", "An error was encountered inside the plugin. "),
    INVALID_HEADER: (
        "s:Sender", "a:InvalidMessageInformationHeader", "",
        "The WS-Management service cannot process the request. The request contains one or more invalid SOAP headers. ",
    ),
    HEADER_REQUIRED: (
        "s:Sender", "a:MessageInformationHeaderRequired", "",
        "The WS-Management service cannot process the request. The request does not have all the expected SOAP headers. ",
    ),
    ACTION_NOT_SUPPORTED: (
        "s:Sender", "a:ActionNotSupported", "",
        "The WS-Management service does not support the action specified in the request. ",
    ),
    ALREADY_EXISTS: (
        "s:Sender", "w:AlreadyExists", "", "The WS-Management service cannot create the resource because it already exists. ",
    ),
    INVALID_OPTIONS: (
        "s:Sender", "w:InvalidOptions", "InvalidValue",
        "The WS-Management service cannot process the request because one or more options are not valid. The option names or "
        "values may not be valid or they are used in incorrect combinations. Retrieve the catalog entry for the resource and "
        "determine how to correct the invalid option values. ",
    ),
    SCHEMA_VALIDATION: (
        "s:Sender", "w:SchemaValidationError", "",
        "The SOAP XML in the message does not match the corresponding XML schema definition. Change the XML and retry. ",
    ),
    MIN_ENVELOPE_SIZE: (
        "s:Sender", "w:EncodingLimit", "MinimumEnvelopeLimit",
        "The WS-Management service cannot process the request because the envelope size in the request is too small. ",
    ),
    INVALID_TIMEOUT: (
        "s:Sender", "a:InvalidMessageInformationHeader", "",
        "The WS-Management service cannot process the request because the timeout header in the request is invalid. ",
    ),
    ACCESS_DENIED: ("s:Sender", "w:AccessDenied", "", "Access is denied. "),
    INVALID_PARAMETER: ("s:Sender", "w:InvalidParameter", "InvalidValue", "The parameter is incorrect. "),
    BROKEN_PIPE: ("s:Receiver", "w:InternalError", "", "The pipe has been ended. "),  # seen for Send to an ended process [field]
    OPERATION_ABORTED: (
        "s:Receiver", "w:InternalError", "",
        "The I/O operation has been aborted because of either a thread exit or an application request. ",
    ),
}  # fmt: skip
_OTHER = ("s:Receiver", "w:InternalError", "", "")


class WSManFault(Exception):
    """A request that is answered with HTTP 500 and a SOAP fault."""

    def __init__(self, code: int, message: str = "") -> None:
        self.code = code
        self.sender, self.subcode, detail, reason = _TABLE.get(code, _OTHER)
        self.detail = _DETAIL + detail if detail else ""
        self.reason = reason or message or f"Error {code}. "
        self.message = message or self.reason
        super().__init__(self.message)


class NotUnderstood(Exception):
    """A header with mustUnderstand that this server does not know; the answer has no code at all [field]."""

    reason = (
        "The WS-Management service cannot process a SOAP header in the request that is marked as mustUnderstand by the client. "
        " This could be caused by the use of a version of the protocol which is not supported, or may be an incompatibility "
        " between the client and server implementations. "
    )

    def __init__(self, prefix: str, name: str, namespace: str) -> None:
        super().__init__(name)
        self.prefix = prefix or "h"
        self.name = name
        self.namespace = namespace


def planned(code: int | None, text: str) -> WSManFault:
    """A fault that somebody wants to see, with the words they want to see."""
    fault = WSManFault(code or PROVIDER_FAILURE, text)
    fault.reason = text or fault.reason
    return fault


def shell_not_found(shell_id: str) -> WSManFault:
    """No such shell: never opened, deleted, or idle for too long [field]."""
    return WSManFault(
        UNEXPECTED_SELECTORS,
        f"The request for the Windows Remote Shell with ShellId {shell_id} failed because the shell was not found on the "
        "server. Possible causes are: the specified ShellId is incorrect or the shell no longer exists on the server. "
        "Provide the correct ShellId or create a new shell and retry the operation. ",
    )


def command_not_found() -> WSManFault:
    """No such command in the shell; seen when a client asks for the output of a process that is gone [field]."""
    return WSManFault(UNEXPECTED_SELECTORS)


def too_many_shells(limit: int) -> WSManFault:
    """One shell more than MaxShellsPerUser [field]."""
    return WSManFault(
        QUOTA_MAX_SHELLS,
        f"The WS-Management service cannot process the request. This user is allowed a maximum number of {limit} concurrent "
        "shells, which has been exceeded. Close existing shells or raise the quota for this user. ",
    )


def too_many_operations(limit: int) -> WSManFault:
    """One command more than MaxConcurrentOperationsPerUser allows [field]."""
    return WSManFault(
        QUOTA_MAX_OPERATIONS,
        f"The WS-Management service cannot process the request. This user is allowed a maximum number of {limit} concurrent "
        "operations, which has been exceeded. Close existing operations for this user, or raise the quota for this user. ",
    )


def invalid_element(name: str) -> WSManFault:
    """An element that the shell's schema does not know or a value it does not allow [field]."""
    return WSManFault(
        SCHEMA_VALIDATION,
        f"The Windows Remote Shell cannot process the request. The SOAP packet contains an element {name} that is invalid. "
        "Retry the request with the correct XML element. ",
    )


def missing_element(name: str) -> WSManFault:
    """An element that must be there is not [assumed]."""
    return WSManFault(
        SCHEMA_VALIDATION,
        f"The Windows Remote Shell cannot process the request. The SOAP packet does not contain the element {name}. "
        "Retry the request with the correct XML element. ",
    )
