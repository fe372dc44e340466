# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The listeners of all simulated hosts: one acceptor thread, and one thread for each connection."""

from __future__ import annotations

import contextlib
import itertools
import resource
import selectors
import socket
import ssl
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ..faults import AFTER, Fault
from . import encryption, http, soap, wsfaults
from .authentication import Authenticator, Login
from .certificates import CertificateAuthority
from .http import BadRequest, Header, HttpConnection, HttpRequest
from .interfaces import Host
from .operations import MAX_ENVELOPE, Operations, without_stream_text
from .shells import Shells

HTTP_PORT, HTTPS_PORT = 5985, 5986
# The code of a planned fault that is no fault: the server asks for the credentials again.
UNAUTHORIZED = 401
_SOAP_TYPE = "application/soap+xml;charset=UTF-8"
_MAX_BODY = MAX_ENVELOPE + 8192  # an encrypted envelope is a little longer than the envelope
_TICK_SECONDS = 0.1
_HANDSHAKE_SECONDS = 30.0
_CONNECTIONS_PER_HOST = 2
_OTHER_FILES = 512


def _allow_files(count: int) -> None:
    """Hundreds of hosts need more open files than a process usually may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


@dataclass
class HostState:
    """What the server keeps for one host."""

    host: Host
    shells: Shells
    operations: Operations
    listeners: dict[str, socket.socket] = field(default_factory=dict)
    connections: set[Connection] = field(default_factory=set)
    tls: ssl.SSLContext | None = None


class WinRMServer:
    """WinRM for any number of hosts, each on its own loopback address.

    Listeners follow ``host.powered``: a host without power refuses connections and has lost its shells.
    Without a certificate authority there is no HTTPS.
    """

    def __init__(
        self,
        hosts: Iterable[Host],
        authority: CertificateAuthority | None = None,
        http_port: int = HTTP_PORT,
        https_port: int = HTTPS_PORT,
    ) -> None:
        self.stopping = threading.Event()
        self._authority = authority
        self._ports = {"http": http_port} | ({"https": https_port} if authority else {})
        self._states: dict[str, HostState] = {}
        for host in hosts:
            shells = Shells(host)
            self._states[host.name.lower()] = HostState(host, shells, Operations(host, shells))
        self._lock = threading.RLock()
        self._numbers = itertools.count(1)
        self._selector = selectors.DefaultSelector()
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._thread = threading.Thread(target=self._serve, name="winrm-acceptor", daemon=True)

    def start(self) -> None:
        """Open the listeners of all powered hosts; they answer when this returns."""
        _allow_files(len(self._states) * (len(self._ports) + _CONNECTIONS_PER_HOST))
        self._selector.register(self._wake_reader, selectors.EVENT_READ)
        try:
            self.refresh()
        except OSError:
            self.stop()
            raise
        self._thread.start()

    def stop(self) -> None:
        """Close everything and free the ports; once is enough, and twice does no harm."""
        if self.stopping.is_set():
            return
        self.stopping.set()
        self._wake_writer.send(b".")
        if self._thread.is_alive():
            self._thread.join()
        for state in self._states.values():
            self._power_off(state)
        self._selector.close()
        self._wake_reader.close()
        self._wake_writer.close()

    def shells(self, host_name: str) -> Shells:
        """The open shells of a host."""
        return self._states[host_name.lower()].shells

    def refresh(self) -> None:
        """Follow ``powered`` of all hosts now; otherwise it is followed within a tenth of a second."""
        with self._lock:
            for state in self._states.values():
                if state.host.powered and not state.listeners:
                    self._power_on(state)
                elif not state.host.powered and state.listeners:
                    self._power_off(state)

    def tls_context(self, state: HostState) -> ssl.SSLContext:
        """The host's TLS context, made when the first client comes."""
        with self._lock:
            if state.tls is None and self._authority is not None:
                host = state.host
                state.tls = self._authority.server_context(
                    host.name, host.fqdn, host.address, host.settings.get("certificate_valid_in_days", -1)
                )
            if state.tls is None:
                raise RuntimeError("no certificate authority was given")
            return state.tls

    def forget(self, state: HostState, connection: Connection) -> None:
        """A connection has ended."""
        with self._lock:
            state.connections.discard(connection)

    def _power_on(self, state: HostState) -> None:
        try:
            for scheme, port in self._ports.items():
                listener = socket.create_server((state.host.address, port), backlog=64)
                listener.setblocking(False)
                self._selector.register(listener, selectors.EVENT_READ, (state, scheme))
                state.listeners[scheme] = listener
        except OSError:
            self._power_off(state)
            raise

    def _power_off(self, state: HostState) -> None:
        with self._lock:
            for listener in state.listeners.values():
                self._selector.unregister(listener)
                listener.close()
            state.listeners.clear()
            connections = list(state.connections)
        for connection in connections:
            connection.cut()
        state.shells.close_all()

    def _serve(self) -> None:
        while not self.stopping.is_set():
            ready = self._selector.select(_TICK_SECONDS)
            for key, _events in ready:
                if key.data is not None and isinstance(key.fileobj, socket.socket):
                    self._accept(key.fileobj, *key.data)
            with contextlib.suppress(OSError):  # the port is not free yet: at the next turn
                self.refresh()
            for state in self._states.values():
                state.shells.expire()

    def _accept(self, listener: socket.socket, state: HostState, scheme: str) -> None:
        try:
            sock, peer = listener.accept()
        except OSError:
            return  # the client has gone already
        sock.setblocking(True)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = Connection(self, state, scheme, sock, peer[0], next(self._numbers))
        with self._lock:
            state.connections.add(connection)
        connection.start()


@dataclass
class Exchange:
    """One request, from the first byte to the last of its answer, as the recorder tells it."""

    request: HttpRequest
    action: str = "login"
    notes: dict[str, Any] = field(default_factory=dict)
    message: soap.Request | None = None
    login: Login | None = None
    headers: list[Header] = field(default_factory=list)
    sealed: bool = False
    spoiled: str | None = None
    """What a fault does to the answer on its way: ``corrupt`` or ``truncate``."""


class _Dropped(Exception):
    """A fault of the lab: hang up instead of answering, in order or by a reset."""

    def __init__(self, reset: bool = False) -> None:
        super().__init__()
        self.reset = reset


class Connection:
    """One client connection, served by its own thread."""

    def __init__(
        self, server: WinRMServer, state: HostState, scheme: str, sock: socket.socket, client_ip: str, number: int
    ) -> None:
        self._server = server
        self._state = state
        self._host = state.host
        self._scheme = scheme
        self._socket = sock
        self._client_ip = client_ip
        self._number = number
        self._authenticator = Authenticator(state.host, scheme)
        self._http: HttpConnection | None = None
        self._logged_in = False

    def start(self) -> None:
        """Serve it in the background."""
        threading.Thread(target=self._run, name=f"winrm-{self._host.name}-{self._number}", daemon=True).start()

    def cut(self) -> None:
        """Take the line away under the client's hands."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def _run(self) -> None:
        try:
            if self._scheme == "https":
                self._socket.settimeout(_HANDSHAKE_SECONDS)
                self._socket = self._server.tls_context(self._state).wrap_socket(self._socket, server_side=True)
                self._socket.settimeout(None)
            self._http = HttpConnection(self._socket, _MAX_BODY)
            self._converse(self._http)
        except OSError:
            pass  # the client hung up, or did not like the certificate
        except _Dropped as dropped:
            if dropped.reset and self._http is not None:
                self._http.reset()
        finally:
            if self._http is not None:
                self._http.close()
            self._socket.close()
            self._server.forget(self._state, self)

    def _converse(self, connection: HttpConnection) -> None:
        while True:
            try:
                request = connection.read()
            except BadRequest as error:
                connection.send(http.answer(error.status, [("Connection", "close")]))
                return
            if request is None or not self._host.powered:
                return
            self._exchange(connection, Exchange(request))
            if not request.keep_alive:
                return

    def _exchange(self, connection: HttpConnection, exchange: Exchange) -> None:
        """Answer one request; it is in the recorder before the client has its answer."""
        data = b""
        try:
            status, body = self._respond(exchange)
            if exchange.sealed and body and exchange.login is not None and exchange.login.context is not None:
                body = encryption.seal(exchange.login.context, body)
                exchange.headers.append(("Content-Type", encryption.CONTENT_TYPE))
            elif body:
                exchange.headers.append(("Content-Type", _SOAP_TYPE))
            damaged = encryption.damage(body) if body and exchange.spoiled == "corrupt" else body
            data = http.answer(status, exchange.headers, damaged)
            if exchange.spoiled == "corrupt" and not body:
                data = encryption.damage(data)
            elif exchange.spoiled == "truncate":
                data = data[: len(data) - (len(body or data) + 1) // 2]
        finally:
            self._record(exchange, len(data))
        connection.send(data)
        if exchange.spoiled == "truncate":
            raise _Dropped

    def _record(self, exchange: Exchange, sent: int) -> None:
        login = exchange.login
        message = exchange.message
        self._host.recorder.record(
            "winrm",
            self._host.name,
            action=exchange.action,
            user=login.session.user if login else None,
            transport=login.transport if login else None,
            scheme=self._scheme,
            connection=self._number,
            bytes_in=exchange.request.size,
            bytes_out=sent,
            request=without_stream_text(message.text) if message is not None else None,
            **{"shell": None, "command_id": None, "fault": None, **exchange.notes},
        )

    def _respond(self, exchange: Exchange) -> tuple[int, bytes]:
        """Status and SOAP text of the answer; headers are left in the exchange."""
        path = exchange.request.path.partition("?")[0].rstrip("/")
        if path == "/wsman-anon/identify":
            return self._operate(exchange, exchange.request.body)
        if path != "/wsman":
            return 404, b""
        if exchange.request.method != "POST":
            return 405, b""
        outcome = self._authenticator.authenticate(exchange.request.headers.get("authorization"))
        exchange.headers = outcome.headers
        exchange.login = outcome.login
        if outcome.login is None:
            return 401, b""
        if not self._logged_in:
            self._logged_in = True
            struck = self._strike("login")
            if struck is not None and struck.action == "fail":
                return self._unauthorized(exchange)
            self._suffer_after(exchange, struck)
        return self._authenticated(exchange, outcome.login)

    def _unauthorized(self, exchange: Exchange) -> tuple[int, bytes]:
        """Forget the login, and let the next one on this connection be struck again."""
        exchange.headers, exchange.login = self._authenticator.refuse().headers, None
        self._logged_in = False
        return UNAUTHORIZED, b""

    def _authenticated(self, exchange: Exchange, login: Login) -> tuple[int, bytes]:
        body = exchange.request.body
        if not body:
            return 200, b""  # clients log in with an empty message before they can encrypt one
        exchange.sealed = encryption.is_sealed(exchange.request.headers.get("content-type", ""))
        if exchange.sealed:
            if login.context is None:
                return 400, b""
            try:
                body = encryption.unseal(login.context, body)
            except encryption.NOT_DECIPHERABLE:
                exchange.sealed = False
                return 400, b""
        elif not self._authenticator.unencrypted_allowed:
            return 500, b""  # Windows says no more than this [field]
        return self._operate(exchange, body)

    def _operate(self, exchange: Exchange, text: bytes) -> tuple[int, bytes]:
        if len(text) > MAX_ENVELOPE:
            exchange.action = "?"
            return 413, b""  # seen for requests above MaxEnvelopeSizekb [field]
        try:
            message = exchange.message = soap.parse(text)
        except soap.Malformed:
            exchange.action = "?"
            return 400, b""
        except wsfaults.WSManFault as problem:
            exchange.action = "?"
            return self._fault(exchange, problem, "")
        exchange.action = message.name
        return self._perform(exchange, message)

    def _perform(self, exchange: Exchange, message: soap.Request) -> tuple[int, bytes]:
        struck = self._strike(message.name)
        try:
            if struck is not None and struck.action == "fail" and struck.code == UNAUTHORIZED:
                return self._unauthorized(exchange)
            if struck is not None and struck.action == "fail":
                raise wsfaults.planned(struck.code, struck.text)
            answer = self._result(exchange, message)
        except wsfaults.NotUnderstood as problem:
            answer = 500, soap.not_understood(problem, message.message_id)
        except wsfaults.WSManFault as problem:
            answer = self._fault(exchange, problem, message.message_id)
        self._suffer_after(exchange, struck)
        return answer

    def _suffer_after(self, exchange: Exchange, struck: Fault | None) -> None:
        """What goes wrong when the work is done: with the connection, or with the answer."""
        if struck is None:
            return
        if struck.action in ("drop", "reset"):
            raise _Dropped(struck.action == "reset")
        if struck.action == "stall":
            self._server.stopping.wait(struck.seconds)
        elif struck.action in ("corrupt", "truncate"):
            exchange.spoiled = struck.action

    def _result(self, exchange: Exchange, message: soap.Request) -> tuple[int, bytes]:
        if message.is_identify:
            return 200, soap.identity(self._host.profile if exchange.login else "")
        if exchange.login is None:
            return 401, b""
        body = self._state.operations.perform(message, exchange.login.session, self._client_ip, exchange.notes)
        return 200, soap.answer(message, body)

    def _fault(self, exchange: Exchange, problem: wsfaults.WSManFault, relates_to: str) -> tuple[int, bytes]:
        exchange.notes["fault"] = problem.code
        return 500, soap.fault(problem, relates_to, self._host.fqdn)

    def _strike(self, action: str) -> Fault | None:
        """Suffer the fault planned for this message, as far as it comes before the work; what is left is returned."""
        fault = self._host.faults.match(self._host.name, "message", action)
        if fault is None:
            return None
        if fault.action == "stall" and fault.text != AFTER:
            self._server.stopping.wait(fault.seconds)
            return None
        if fault.action in ("drop", "reset") and fault.text != AFTER:
            raise _Dropped(fault.action == "reset")
        return fault
