# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server cannot do to a client, over sessions and answers of a few lines. What a real client makes of a hostile
server is in test_hostile_winrm.py.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs import bounded_transport
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.bounded_transport import (
    ANSWER_BYTES,
    ServerMisbehaves,
    bound,
    bounded_sessions,
    within,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.faults import ConnectionLost


class Session:
    """As much of a session of requests as is used."""

    def __init__(self, is_redirect: bool = False) -> None:
        self._is_redirect = is_redirect
        self.sent: list[tuple[Any, dict[str, Any]]] = []
        self.adapters: dict[str, Any] = {}

    def send(self, request: Any, **options: Any) -> Any:
        self.sent.append((request, options))
        return SimpleNamespace(is_redirect=self._is_redirect)

    def mount(self, scheme: str, adapter: Any) -> None:
        self.adapters[scheme] = adapter


class Adapter:
    """Gives answers of so many bytes, in the pieces that are asked for."""

    bytes = 0

    def send(self, *_arguments: Any, **_options: Any) -> Any:
        def stream(amount: int, decode_content: bool | None = None) -> Iterator[bytes]:
            assert (amount, decode_content) == (64 * 1024, True)
            for start in range(0, self.bytes, amount):
                yield b"x" * min(amount, self.bytes - start)

        return SimpleNamespace(raw=SimpleNamespace(stream=stream))


# Redirects


def test_a_message_goes_nowhere_else() -> None:
    session = Session()
    bound(session, 5)
    session.send("envelope", allow_redirects=True, timeout=3)
    assert session.sent == [("envelope", {"allow_redirects": False, "timeout": 3})]


def test_a_server_that_wants_it_elsewhere_misbehaves() -> None:
    session = Session(is_redirect=True)
    bound(session, 5)
    with pytest.raises(ServerMisbehaves, match="to another address"):
        session.send("envelope")


def test_a_session_is_bounded_once() -> None:
    session = Session()
    bound(session, 5)
    send, adapters = session.send, dict(session.adapters)
    bound(session, 5)
    assert session.send is send
    assert session.adapters == adapters


# Time


def test_an_exchange_has_its_result_or_its_failure() -> None:
    assert within(5, lambda: "answer") == "answer"
    assert within(5, lambda: None) is None
    with pytest.raises(KeyError):
        within(5, lambda: {}["nothing"])


def test_who_answers_for_ever_is_left_behind() -> None:
    over = threading.Event()
    threads: list[threading.Thread] = []

    def work() -> bool:
        threads.append(threading.current_thread())
        return over.wait(20)

    with pytest.raises(ServerMisbehaves, match=r"within 0\.05 seconds") as caught:
        within(0.05, work)
    # Who misbehaves is as good as gone, and a program ends without waiting for it.
    assert isinstance(caught.value, ConnectionLost)
    assert [thread.daemon for thread in threads] == [True]
    over.set()
    threads[0].join(20)


def test_a_session_has_its_time_for_an_exchange() -> None:
    session, over = Session(), threading.Event()
    session.send = lambda request, **options: over.wait(20)  # type: ignore[method-assign]
    bound(session, 0.05)
    with pytest.raises(ServerMisbehaves, match=r"0\.05 seconds"):
        session.send("envelope")
    over.set()


# Size


@pytest.mark.parametrize(("size", "is_read"), [(0, True), (ANSWER_BYTES, True), (ANSWER_BYTES + 1, False)])
@pytest.mark.parametrize("scheme", ["http://", "https://"])
def test_an_answer_is_read_to_a_limit(monkeypatch: pytest.MonkeyPatch, scheme: str, size: int, is_read: bool) -> None:
    monkeypatch.setattr(bounded_transport, "HTTPAdapter", Adapter)
    monkeypatch.setattr(Adapter, "bytes", size)
    session = Session()
    bound(session, 5)
    answer = session.adapters[scheme].send("envelope")
    if is_read:
        assert sum(map(len, answer.raw.stream(1, decode_content=True))) == size
    else:
        with pytest.raises(ServerMisbehaves, match="more than 8 MB"):
            list(answer.raw.stream(1, decode_content=True))


# Every session of pywinrm


class Transport:
    read_timeout_sec = 30

    def _send_message_request(self, session: Any, request: Any) -> Any:
        return session, request


def test_sessions_are_bounded_while_they_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds: list[float] = []
    monkeypatch.setattr(bounded_transport, "Transport", Transport)
    monkeypatch.setattr(bounded_transport, "bound", lambda _session, given: seconds.append(given))
    original = Transport._send_message_request
    with bounded_sessions():
        assert Transport()._send_message_request("session", "request") == ("session", "request")
    # The longest that a server may take to begin an answer, and ten for the rest.
    assert seconds == [40.0]
    assert Transport._send_message_request is original
    with pytest.raises(KeyError), bounded_sessions():
        raise KeyError
    assert Transport._send_message_request is original


def test_without_pywinrm_there_is_nothing_to_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_transport, "HAS_PYWINRM", False)
    monkeypatch.delattr(bounded_transport, "Transport")
    with bounded_sessions():
        pass
