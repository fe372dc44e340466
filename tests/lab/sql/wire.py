# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way in for clients: TDS over TCP, one thread for each connection.

Packets, PRELOGIN, the TLS tunnel, LOGIN7 and the tokens are pysqlbridge's.  Its own connection class answers one
request at a time out of a buffer; here a connection also notices, while it works, that its client cancels or
leaves, and that its session is ended by another.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
import threading
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pysqlbridge.certificate import self_signed, server_context
from pysqlbridge.tds import (
    DoneStatus,
    Encryption,
    Login7,
    Message,
    PacketStatus,
    PacketType,
    Prelogin,
    TdsProtocolError,
    TlsError,
    TlsTunnel,
    TransactionRequestType,
    Version,
    build_message,
    build_packet,
    done,
    login_response,
    parse_sql_batch,
    parse_transaction_request,
    reassemble,
    server_response,
    skip_all_headers,
    sspi_token,
    wrap_handshake,
)
from pysqlbridge.tds.login import deobfuscate_password
from pysqlbridge.tds.token import negotiate

from .messages import Cancelled, SessionEnded, SqlError, error, message
from .ntlm import NtlmAcceptor
from .sessions import Login, Session
from .wire_answer import Encoder, Outcome
from .wire_call import Call, parse_call

if TYPE_CHECKING:
    from .server import SqlServer

_PACKET_SIZE = 4096
_SERVER_ERROR = 0x100
_RESET = PacketStatus.RESET_CONNECTION | PacketStatus.RESET_CONNECTION_SKIP_TRAN
_TRANSACTIONS = {
    TransactionRequestType.BEGIN_XACT: "BEGIN TRANSACTION",
    TransactionRequestType.COMMIT_XACT: "COMMIT TRANSACTION",
    TransactionRequestType.ROLLBACK_XACT: "ROLLBACK TRANSACTION",
    TransactionRequestType.SAVE_XACT: "SAVE TRANSACTION",
}
_ENDINGS = (TransactionRequestType.COMMIT_XACT, TransactionRequestType.ROLLBACK_XACT)


@lru_cache(maxsize=1)
def _tls_context() -> ssl.SSLContext:
    """One self-signed certificate for all servers of the process, as a server makes itself without one [ms]."""
    context: ssl.SSLContext = server_context(self_signed("SSL_Self_Signed_Fallback"))
    return context


class Listener:
    """Accepts connections on one address until it is closed."""

    def __init__(self, server: SqlServer, address: str, port: int) -> None:
        self._server = server
        self._connections: set[Connection] = set()
        self._lock = threading.Lock()
        self._socket = socket.create_server((address, port), backlog=64)
        self._thread = threading.Thread(target=self._accept, daemon=True, name=f"{server.name}-tds")
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _address = self._socket.accept()
            except OSError:
                return
            connection = Connection(self._server, client, self._forget)
            with self._lock:
                self._connections.add(connection)
            connection.start()

    def _forget(self, connection: Connection) -> None:
        with self._lock:
            self._connections.discard(connection)

    def close(self) -> None:
        """Stop listening and cut every connection."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(2)
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            connection.abort()


class Connection(threading.Thread):
    """One client."""

    def __init__(self, server: SqlServer, client: socket.socket, forget: Any) -> None:
        super().__init__(daemon=True, name=f"{server.name}-client")
        self._server = server
        self._socket = client
        self._forget = forget
        self._received = bytearray()
        self._tunnel: TlsTunnel | None = None
        self._login_packet: Message | None = None
        self._encrypted = False
        self._session: Session | None = None
        self._encoder = Encoder(server.name.upper(), 0x74000004)
        self._tds_version = 0x74000004
        self._busy = False
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def run(self) -> None:
        """Serve the client until one side has enough."""
        try:
            if self._enter():
                while True:
                    self._serve(self._receive())
        except (OSError, TdsProtocolError, TlsError, SessionEnded):
            pass
        finally:
            if self._session is not None:
                self._session.on_end = None
                self._server.end_session(self._session, "closed")
            self.abort()
            self._forget(self)

    def _enter(self) -> bool:
        """PRELOGIN and LOGIN7; whatever cannot be read as these ends the connection."""
        try:
            self._prelogin()
            return self._log_in()
        except (ValueError, IndexError, struct.error):
            return False

    def abort(self) -> None:
        """Cut the connection."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    # bytes

    def _feed(self) -> None:
        data = self._socket.recv(65536)
        if not data:
            raise SessionEnded("the client left")
        self._received += self._tunnel.unwrap(data) if self._encrypted and self._tunnel is not None else data

    def _receive(self) -> Message:
        while (found := reassemble(self._received)) is None:
            self._feed()
        del self._received[: found.consumed]
        return found

    def _send(self, payload: bytes) -> None:
        spid = self._session.spid if self._session is not None else 0
        packets = build_message(PacketType.TABULAR_RESULT, payload, packet_size=_PACKET_SIZE, spid=spid)
        data = b"".join(packets)
        self._socket.sendall(self._tunnel.wrap(data) if self._encrypted and self._tunnel is not None else data)

    def _poll(self) -> None:
        """Look, while a request runs, whether the client cancels it or has left."""
        while select.select([self._socket], [], [], 0)[0]:
            self._feed()
        found = reassemble(self._received)
        if found is not None and found.type is PacketType.ATTENTION:
            del self._received[: found.consumed]
            raise Cancelled

    # logging in

    def _prelogin(self) -> None:
        asked = Prelogin.parse(self._receive().payload)
        agreed = {
            None: Encryption.NOT_SUPPORTED,
            Encryption.NOT_SUPPORTED: Encryption.NOT_SUPPORTED,
            Encryption.OFF: Encryption.OFF,
        }.get(asked.encryption, Encryption.ON)
        response = server_response(version=Version(*self._server.wire_version), encryption=agreed, asked=asked)
        self._socket.sendall(build_packet(PacketType.TABULAR_RESULT, response.build()))
        if agreed is not Encryption.NOT_SUPPORTED:
            self._shake_hands(stay=agreed is Encryption.ON)

    def _shake_hands(self, *, stay: bool) -> None:
        """Build the tunnel; with encryption off it carries the login packet and nothing else."""
        self._tunnel = TlsTunnel(_tls_context())
        while not self._tunnel.handshake_complete:
            records = self._tunnel.advance_handshake(self._receive().payload)
            for packet in wrap_handshake(records) if records else []:
                self._socket.sendall(packet)
        self._received = bytearray(self._tunnel.unwrap(bytes(self._received)))
        self._encrypted = True
        self._login_packet = self._receive()
        self._encrypted = stay

    def _log_in(self) -> bool:
        packet = self._login_packet or self._receive()
        if packet.type is not PacketType.LOGIN7:
            raise TdsProtocolError("a login was expected")
        asked = Login7.parse(packet.payload)
        self._tds_version = negotiate(asked.tds_version)
        self._encoder = Encoder(self._server.name.upper(), self._tds_version)
        user = asked.user_name
        try:
            self._server.suffer(self._poll, "login")
            if asked.sspi:
                login = self._accept_windows(asked.sspi)
                user = login.name
                session = self._server.open_session(
                    login, asked.database, asked.app_name, asked.host_name, asked.client_interface_name
                )
            else:
                password = deobfuscate_password(asked.password)
                session = self._server.login(user, password, asked.database, asked.app_name, asked.host_name)
        except SqlError as problem:
            self._server.record(user, asked.database, "login", None, list(problem.messages))
            self._refuse(problem, DoneStatus.ERROR)
            return False
        self._open(session, asked)
        return True

    def _accept_windows(self, token: bytes) -> Login:
        """NTLM: negotiate, challenge, authenticate."""
        acceptor = NtlmAcceptor(self._server.name, self._server.logins.values())
        self._send(sspi_token(acceptor.challenge(token)))
        login = acceptor.authenticate(self._receive().payload)
        if login is None:
            raise error(18456, acceptor.user)
        return login

    def _open(self, session: Session, asked: Login7) -> None:
        self._session = session
        session.is_client = True
        session.poll = self._poll
        session.on_end = self._ended
        session.interface = asked.client_interface_name
        self._server.record(session.user, session.database.name, "login", None, [])
        self._send(
            login_response(
                version=self._server.wire_version,
                server_name=self._server.name.upper(),
                database=session.database.name,
                packet_size=_PACKET_SIZE,
                tds_version=self._tds_version,
            )
        )

    def _refuse(self, problem: SqlError, status: int) -> None:
        tokens = b"".join(self._encoder.message(one) for one in problem.messages)
        self._send(tokens + done(status=DoneStatus(status), tds_version=self._tds_version))

    def _ended(self, why: str) -> None:
        """Another session or a stopped server ended this one: let a running request say so, then cut."""
        deadline = time.monotonic() + (1 if why != "stopped" else 0)
        while self._busy and time.monotonic() < deadline:
            time.sleep(0.01)
        self.abort()

    # requests

    def _serve(self, packet: Message) -> None:
        session = self._session
        if session is None or packet.type is PacketType.SSPI:
            return
        if packet.type is PacketType.ATTENTION:
            self._confirm_cancel()
            return
        if packet.status & _RESET:
            self._server.reset(session, keep_transaction=bool(packet.status & PacketStatus.RESET_CONNECTION_SKIP_TRAN))
        self._busy = True
        try:
            self._send(self._answer(session, packet))
        except Cancelled:
            self._confirm_cancel()
        except SessionEnded as end:
            if end.args[0] in ("kill", "rollback"):
                self._refuse(error(596), DoneStatus.ERROR | _SERVER_ERROR)
            raise
        finally:
            self._busy = False

    def _confirm_cancel(self) -> None:
        self._send(done(status=DoneStatus.FINAL | DoneStatus.ATTENTION, tds_version=self._tds_version))

    def _answer(self, session: Session, packet: Message) -> bytes:
        if packet.type is PacketType.SQL_BATCH:
            return self._encoder.batch(self._run(session, parse_sql_batch(packet.payload, self._tds_version), {}))
        if packet.type is PacketType.RPC:
            return self._call(session, parse_call(packet.payload, self._tds_version))
        if packet.type is PacketType.TRANSACTION_MANAGER:
            return self._encoder.batch(self._run(session, _transaction(packet.payload, self._tds_version), {}))
        raise TdsProtocolError(f"unexpected {packet.type.name}")

    def _run(self, session: Session, sql: str, parameters: dict[str, Any]) -> Outcome:
        database = session.database.name
        try:
            outcome = self._server.execute(session, sql, parameters)
        except (SessionEnded, Cancelled) as end:
            self._server.record(
                session.user, database, sql, parameters or None, [message(596)] if isinstance(end, SessionEnded) else []
            )
            raise
        self._server.record(session.user, database, sql, parameters or None, outcome.errors)
        return outcome

    def _call(self, session: Session, call: Call) -> bytes:
        handler = _CALLS.get(call.procedure.lower())
        if handler is None:
            outcome = self._run(session, "EXEC " + call.procedure, {})
            return self._encoder.call(outcome, -1, None)
        outcome, handle = handler(self, session, call)
        return self._encoder.call(outcome, 0 if not outcome.errors else outcome.errors[0].number, handle)

    def _execute_sql(self, session: Session, call: Call) -> tuple[Outcome, int | None]:
        """sp_executesql statement, declarations, values."""
        statement, declared = _texts(call, 0)
        return self._run(session, statement, _bound(declared, call.parameters[2:])), None

    def _prepare_and_execute(self, session: Session, call: Call) -> tuple[Outcome, int | None]:
        """sp_prepexec handle OUTPUT, declarations, statement, values."""
        declared, statement = _texts(call, 1)
        handle = _remember(session, statement, declared)
        return self._run(session, statement, _bound(declared, call.parameters[3:])), handle

    def _prepare(self, session: Session, call: Call) -> tuple[Outcome, int | None]:
        """sp_prepare handle OUTPUT, declarations, statement, options."""
        declared, statement = _texts(call, 1)
        return Outcome(), _remember(session, statement, declared)

    def _execute_prepared(self, session: Session, call: Call) -> tuple[Outcome, int | None]:
        """sp_execute handle, values."""
        handle = call.parameters[0].value
        if handle not in session.prepared:
            return Outcome([message(8179, handle)]), None
        statement, names = session.prepared[handle]
        return self._run(session, statement, _bound(names, call.parameters[1:])), None

    def _unprepare(self, session: Session, call: Call) -> tuple[Outcome, int | None]:
        """sp_unprepare handle."""
        session.prepared.pop(call.parameters[0].value, None)
        return Outcome(), None


def _transaction(payload: bytes, tds_version: int) -> str:
    """A transaction manager request as a statement.

    A commit or rollback may ask for a new transaction at once (fBeginXact, [MS-TDS] 2.2.7.17 [ms]): FreeTDS does so
    with autocommit off.  pysqlbridge does not read that flag.
    """
    kind = parse_transaction_request(payload, tds_version).kind
    statement = _TRANSACTIONS.get(kind, "distributed transaction")
    at = skip_all_headers(payload, tds_version) + 2
    if kind in _ENDINGS and at < len(payload):
        flags = payload[at + 1 + payload[at] :][:1]
        if flags and flags[0] & 1:
            statement += "; BEGIN TRANSACTION"
    return statement


def _texts(call: Call, at: int) -> tuple[Any, Any]:
    """Two texts among a call's parameters; declarations may be missing."""
    first, second, *_rest = [*(parameter.value for parameter in call.parameters[at : at + 2]), "", ""]
    return first, second


def _remember(session: Session, statement: str, declared: Any) -> int:
    handle = max(session.prepared, default=0) + 1
    session.prepared[handle] = (statement, _names(declared))
    return handle


def _names(declared: Any) -> list[str]:
    """The parameters' names in declarations such as ``@P1 nvarchar(10), @P2 decimal(5, 2)``."""
    if isinstance(declared, list):
        return declared
    return [word for word in str(declared or "").replace(",", " ").split() if word.startswith("@")]


def _bound(declared: Any, parameters: list[Any]) -> dict[str, Any]:
    """Values by name; one without a name takes the next declared one."""
    names = _names(declared)
    return {
        parameter.name or (names[place] if place < len(names) else f"@{place}"): parameter.value
        for place, parameter in enumerate(parameters)
    }


_CALLS = {
    "sp_executesql": Connection._execute_sql,
    "sp_prepexec": Connection._prepare_and_execute,
    "sp_prepare": Connection._prepare,
    "sp_execute": Connection._execute_prepared,
    "sp_unprepare": Connection._unprepare,
}
