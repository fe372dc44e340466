# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is at the other end of a connection: Basic, and NTLM with pyspnego as the acceptor."""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import struct
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import spnego
from spnego._ntlm_raw.crypto import ntowfv1  # the only part of pyspnego that makes the hash its credential file wants
from spnego.exceptions import SpnegoError

from .http import Header
from .interfaces import Host, LogonSession, User

_NTLM_SIGNATURE = b"NTLMSSP\0"
_BAD_TOKEN = (SpnegoError, ValueError, IndexError, struct.error)
# pyspnego's acceptor finds its credentials through an environment variable of the whole process, so the two steps that
# look at it are taken one at a time, each with a file that has the users of its own host only.
_environment = threading.Lock()


@dataclass
class Login:
    """An authenticated connection or request."""

    session: LogonSession
    transport: str
    context: spnego.ContextProxy | None = None


@dataclass
class Outcome:
    """The outcome of an Authorization header: a login, or headers for a 401."""

    login: Login | None
    headers: list[Header]


class Authenticator:
    """The state of one connection: NTLM authenticates a connection, Basic a request [ms]."""

    def __init__(self, host: Host, scheme: str) -> None:
        self._host = host
        self._scheme = scheme
        self._context: spnego.ContextProxy | None = None
        self._login: Login | None = None

    @property
    def unencrypted_allowed(self) -> bool:
        """Whether readable SOAP is accepted here: AllowUnencrypted matters on HTTP only [ms]."""
        return self._scheme == "https" or bool(self._host.settings.get("allow_unencrypted", False))

    @property
    def ntlm_allowed(self) -> bool:
        """Whether the policy "Restrict NTLM: Incoming NTLM traffic" lets accounts in; without Kerberos here, denying it
        leaves Basic.
        """
        return bool(self._host.settings.get("ntlm", True))

    def authenticate(self, authorization: str | None) -> Outcome:
        """Judge a request by its Authorization header, or by what this connection proved before."""
        kind, _space, value = (authorization or "").partition(" ")
        if kind.lower() == "basic" and self.unencrypted_allowed:
            return self._basic(value)
        if kind.lower() in ("negotiate", "ntlm") and self.ntlm_allowed:
            return self._negotiate(kind, value)
        if not authorization and self._login is not None:
            return Outcome(self._login, [])
        return self.refuse()

    def refuse(self) -> Outcome:
        """Forget what this connection proved and ask for credentials."""
        self._context = self._login = None
        headers = [("WWW-Authenticate", "Negotiate")]
        if self.unencrypted_allowed:
            headers.append(("WWW-Authenticate", 'Basic realm="WSMAN"'))
        return Outcome(None, headers)

    def _basic(self, value: str) -> Outcome:
        try:
            name, colon, password = _basic_text(base64.b64decode(value, validate=True)).partition(":")
        except binascii.Error:
            return self.refuse()
        account = find_account(self._host, name)
        session = self._host.logon(account.name, password) if account is not None and colon else None
        return Outcome(Login(session, "basic"), []) if session is not None else self.refuse()

    def _negotiate(self, kind: str, value: str) -> Outcome:
        try:
            reply = self._step(base64.b64decode(value, validate=True))
        except _BAD_TOKEN:
            return self.refuse()
        headers = [("WWW-Authenticate", f"{kind} {base64.b64encode(reply).decode()}")] if reply else []
        if self._context is None or not self._context.complete:
            return Outcome(None, headers)
        account = find_account(self._host, self._context.client_principal or "")
        session = self._host.logon(account.name, account.password) if account is not None else None
        if session is None:
            return self.refuse()
        self._login = Login(session, "ntlm", self._context)
        return Outcome(self._login, headers)

    def _step(self, token: bytes) -> bytes | None:
        with _credential_file(self._host):
            if self._context is None or self._context.complete:
                protocol = "ntlm" if token.startswith(_NTLM_SIGNATURE) else "negotiate"
                self._context = spnego.server(self._host.fqdn, "http", protocol=protocol)
                self._login = None
            return self._context.step(token)


def _basic_text(data: bytes) -> str:
    """Name and password: UTF-8, or Latin-1 as Python's requests sends them; what Windows takes is not known [assumed]."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def find_account(host: Host, name: str) -> User | None:
    """The account a client means: a local one first, as Windows does for a name without domain."""
    for user in _local_first(host):
        if name.lower() in (each.lower() for each in spellings(host, user)):
            return user
    return None


def _local_first(host: Host) -> list[User]:
    return sorted(host.users, key=lambda user: "\\" in user.name)


def spellings(host: Host, user: User) -> list[str]:
    """The ways to write this user's name at a logon: ``DOM\\user``, ``user@dns.domain``, ``user``."""
    domain, backslash, name = user.name.rpartition("\\")
    machine, _dot, dns_domain = host.fqdn.partition(".")
    if not backslash:
        return [name, f"{host.name}\\{name}", f"{machine}\\{name}", f".\\{name}"]
    names = [user.name, f"{name}@{domain}", name]
    if dns_domain.partition(".")[0].lower() == domain.lower():
        names += [f"{name}@{dns_domain}", f"{dns_domain}\\{name}"]
    return names


@contextlib.contextmanager
def _credential_file(host: Host) -> Iterator[None]:
    """Let pyspnego see the users of this host, and of no other, in the smbpasswd format: it takes any password."""
    lines = []
    for user in _local_first(host):
        nt_hash = ntowfv1(user.password).hex().upper()
        lines += [f"{name}:0:{'0' * 32}:{nt_hash}:[U]:LCT-00000000" for name in spellings(host, user)]
    with _environment, tempfile.NamedTemporaryFile("w", encoding="utf-8", prefix="lab-ntlm-") as file:
        file.write("\n".join(lines))
        file.flush()
        before = os.environ.get("NTLM_USER_FILE")
        os.environ["NTLM_USER_FILE"] = file.name
        try:
            yield
        finally:
            os.environ.pop("NTLM_USER_FILE")
            if before is not None:
                os.environ["NTLM_USER_FILE"] = before
