# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server cannot do to the client of its WinRM service: hold it for ever, fill its memory, or send its messages
elsewhere.

Private to opsmgr.recovery. requests follows redirects, reads whatever comes, and knows no deadline but one between two
bytes. An exchange with a WinRM service is short and small, and never goes elsewhere.
"""

from __future__ import annotations

import contextlib
import threading
import typing as t

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.faults import ConnectionLost

# The winrm connection plugin refuses by name to connect without these, and says it best.
HAS_PYWINRM = False
with contextlib.suppress(ImportError):
    from requests.adapters import HTTPAdapter
    from winrm.transport import Transport

    HAS_PYWINRM = True

# Bytes of one answer. WinRM's envelopes have 150 to 500 KB [ms].
ANSWER_BYTES = 8 * 1024 * 1024
# Seconds beyond the connection's own read timeout, which is the longest that a server may take to begin an answer, for
# the rest of the exchange.
GRACE_SECONDS = 10.0
CHUNK_BYTES = 64 * 1024
# The attribute of a session that is bounded already.
MARK = "opsmgr_recovery_bounded"

Result = t.TypeVar("Result")


class ServerMisbehaves(ConnectionLost):
    """The server did what no WinRM service does. The text is one sentence, and nothing in it comes from the server."""


@contextlib.contextmanager
def bounded_sessions() -> t.Iterator[None]:
    """Bound every session that pywinrm makes meanwhile, from its first message on. It stays bounded."""
    if not HAS_PYWINRM:
        yield
        return
    name = "_send_message_request"
    original = getattr(Transport, name)

    def send(transport: t.Any, session: t.Any, request: t.Any) -> t.Any:
        bound(session, float(transport.read_timeout_sec) + GRACE_SECONDS)
        return original(transport, session, request)

    setattr(Transport, name, send)
    try:
        yield
    finally:
        setattr(Transport, name, original)


def bound(session: t.Any, seconds: float) -> None:
    """Let each exchange of a session of requests take so many seconds at most, by the clock, and its answers have
    ANSWER_BYTES.
    """
    if getattr(session, MARK, False):
        return
    setattr(session, MARK, True)
    original = session.send

    def send(request: t.Any, **options: t.Any) -> t.Any:
        options["allow_redirects"] = False
        response = within(seconds, lambda: original(request, **options))
        if response.is_redirect:
            raise ServerMisbehaves(
                "the server wanted the message to be sent to another address, which no WinRM service does"
            )
        return response

    session.send = send
    for scheme in ("http://", "https://"):
        session.mount(scheme, _bounded_adapter())


def within(seconds: float, work: t.Callable[[], Result]) -> Result:
    """The result of `work`, or ServerMisbehaves when it takes longer. Then it is left behind with its connection, in a
    thread that nobody waits for.
    """
    outcome: list[Result] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if failure:
        raise failure[0]
    if not outcome:
        raise ServerMisbehaves(f"the server did not end its answer within {seconds:g} seconds")
    return outcome[0]


def _bounded_adapter() -> t.Any:
    """Reads no more than ANSWER_BYTES of an answer, also of those that authentication reads on its way."""
    adapter: t.Any = HTTPAdapter()
    original = adapter.send

    def send(*arguments: t.Any, **options: t.Any) -> t.Any:
        response: t.Any = original(*arguments, **options)
        stream = response.raw.stream
        response.raw.stream = lambda _amount=CHUNK_BYTES, decode_content=None: _counted(
            stream(CHUNK_BYTES, decode_content=decode_content)
        )
        return response

    adapter.send = send
    return adapter


def _counted(chunks: t.Iterable[bytes]) -> t.Iterator[bytes]:
    read = 0
    for chunk in chunks:
        read += len(chunk)
        if read > ANSWER_BYTES:
            raise ServerMisbehaves(f"the server sent an answer of more than {ANSWER_BYTES // (1024 * 1024)} MB")
        yield chunk
