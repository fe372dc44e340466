# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What it means that no connection to a server came about: it is silent, it lets nobody in, or this controller could
not ask.

Private to opsmgr.recovery. ansible-core's winrm connection plugin hands on the texts of pywinrm, requests and urllib3,
and no types.
"""

from __future__ import annotations

import errno
import re

REACHABLE = "reachable"
SILENT = "silent"
REFUSED = "refused"
CANNOT_ASK = "cannot_ask"

_SENTENCES = {
    SILENT: "the server does not answer",
    REFUSED: "the server answers, but gives no access",
    CANNOT_ASK: "this controller could not ask the server",
}
# Nothing listens, or nothing is there. A network or a name that cannot be found (ENETUNREACH, DNS) says nothing about
# the server.
_SILENT_ERRORS = (errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.EHOSTDOWN, errno.ETIMEDOUT)
_SILENT = re.compile(rf"\[Errno (?:{'|'.join(map(str, _SILENT_ERRORS))})\]|ConnectTimeoutError|\(connect timeout=")
_CREDENTIALS_REJECTED = "the specified credentials were rejected by the server"
# Whoever sends one of these, or an answer that is not WinRM's, is there.
_REFUSED = re.compile(
    rf"\[Errno {errno.ECONNRESET}\]|"
    rf"{_CREDENTIALS_REJECTED}|Bad HTTP response returned from server|extended fault data|Read timed out"
    r"|Connection aborted|\[SSL: |TLS/SSL connection has been closed|certificate verify failed"
    r"|the connection attempt timed out|no element found|not well-formed|syntax error"
    # How spnego and requests_ntlm complain about what a server answered.
    r"|SpnegoError|BadMICError|Server did not respond"
)
_ASKED_ANOTHER = re.compile(r"ProxyError|Cannot connect to proxy|Tunnel connection failed")
# Kerberos refuses clocks that differ by more than five minutes [RFC 4120]; TLS refuses a certificate whose time has not
# come.
_CLOCKS_DIFFER = re.compile(r"Clock skew too great|certificate is not yet valid")
ACCOUNT_ADVICE = (
    "Check the account, not the service: whether user and password are right, whether the account is locked, disabled or expired, whether its "
    "password was changed or has expired, and with Kerberos whether the ticket is still valid (klist). Rerun only then: each attempt may count "
    "towards a lockout"
)
USUAL_ADVICE = "Make sure that it answers, then rerun"
CLOCKS = "The clock of this controller and those of the servers differ. Correct the one that is wrong, on this controller with timedatectl"
# The reason in a message, without the client's inner life around it.
_REASONS = (
    re.compile(r"\[Errno -?\d+\] [^'\")]+"),
    re.compile(r"\[SSL: [^'\"]+?(?= \(_ssl)"),
    re.compile(rf"{_CREDENTIALS_REJECTED}|Bad HTTP response returned from server\. Code \d+|Read timed out"),
    re.compile(r"Connection to \S+ timed out"),
    re.compile(r"Clock skew too great"),
)


def reachability(message: object) -> str:
    """SILENT, REFUSED or CANNOT_ASK, from a connection plugin's message. SILENT is only what is proven: another server
    may be promoted for it.
    """
    text = str(message)
    for kind, sentence in _SENTENCES.items():
        if text.startswith(sentence):
            return kind
    # First, because a server chooses part of the words in its own answer; and one of several transports that got an
    # answer is enough.
    if _REFUSED.search(text):
        return REFUSED
    if _ASKED_ANOTHER.search(text):
        return CANNOT_ASK
    return SILENT if _SILENT.search(text) else CANNOT_ASK


def why_unreachable(message: object) -> str:
    """A connection plugin's message as part of a sentence. What this function returned before stays as it is."""
    text = str(message)
    if text.startswith(tuple(_SENTENCES.values())):
        return text
    reason = next((found[0] for found in (pattern.search(text) for pattern in _REASONS) if found), text)
    clocks = f". {CLOCKS}" if _CLOCKS_DIFFER.search(text) else ""
    return f"{_SENTENCES[reachability(text)]}: {reason}{clocks}"


def account_refused(message: object) -> bool:
    """Whether a connection plugin's message says that the server answered and did not accept the account."""
    text = str(message)
    return _CREDENTIALS_REJECTED in text and reachability(text) == REFUSED


def connection_advice(message: object) -> str:
    """What a person does about a connection plugin's message."""
    return ACCOUNT_ADVICE if account_refused(message) else USUAL_ADVICE
