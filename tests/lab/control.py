# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Talking to a lab in the background: one JSON line there and one back, through a unix socket in the lab's directory.

Only the owner of the directory's socket (mode 0600) can reach it.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

SOCKET = "control.sock"
_TIMEOUT = 60.0
Handler = Callable[[dict[str, Any]], Any]


class NotRunningError(Exception):
    """No lab answers in this directory."""


class RefusedError(Exception):
    """The lab answered that it cannot do that."""


@contextlib.contextmanager
def _short_path(directory: Path) -> Iterator[str]:
    """The socket's path by way of an open directory: the real one may be longer than a socket address can be."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{handle}/{SOCKET}"
    finally:
        os.close(handle)


class ControlServer:
    """Answers the requests that arrive in a directory; ``handler`` gives the result or raises ``ValueError``."""

    def __init__(self, directory: Path, handler: Handler) -> None:
        self._directory = directory
        self._handler = handler
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)

    def start(self) -> None:
        """Listen; a socket that a dead lab left behind is replaced."""
        (self._directory / SOCKET).unlink(missing_ok=True)
        with _short_path(self._directory) as path:
            self._socket.bind(path)
        (self._directory / SOCKET).chmod(0o600)
        self._socket.listen()
        threading.Thread(target=self._accept, daemon=True, name="control").start()

    @property
    def can_be_reached(self) -> bool:
        """Whether the socket is still there; somebody may have removed the whole directory."""
        return (self._directory / SOCKET).exists()

    def stop(self) -> None:
        """Answer no more."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        (self._directory / SOCKET).unlink(missing_ok=True)

    def _accept(self) -> None:
        while True:
            try:
                connection, _address = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True, name="control request").start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rwb") as stream, contextlib.suppress(OSError):
            stream.write(json.dumps(self._result(stream.readline())).encode() + b"\n")

    def _result(self, line: bytes) -> dict[str, Any]:
        try:
            return {"result": self._handler(json.loads(line))}
        except (ValueError, KeyError, TypeError) as error:
            return {"error": str(error) or type(error).__name__}


def request(directory: Path, action: str, **values: Any) -> Any:
    """Ask the lab of this directory; raises NotRunningError or RefusedError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_TIMEOUT)
        try:
            with _short_path(directory) as path:
                connection.connect(path)
            connection.sendall(json.dumps({"action": action, **values}).encode() + b"\n")
            line = connection.makefile("rb").readline()
        except OSError as error:
            raise NotRunningError(f"no lab is running in {directory}") from error
    if not line:
        raise NotRunningError(f"the lab in {directory} ended before it answered")
    answer = json.loads(line)
    if "error" in answer:
        raise RefusedError(answer["error"])
    return answer["result"]
