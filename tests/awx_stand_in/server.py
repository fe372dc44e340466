# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The API on a loopback address, behind a login."""

from __future__ import annotations

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from awx_stand_in.api import PREFIX, Api
from awx_stand_in.checks import Refused, Tree
from awx_stand_in.people import Person


class StandIn(Api):
    """AWX as far as the tests need it, running between ``with`` and its end. ``strangers`` are the requests that it
    does not know.
    """

    username = "admin"
    password = "Argonaut 7 <&>"
    token = "an-odyssey-token"

    def __init__(self, address: str, *, playbooks: tuple[str, ...], local_paths: tuple[str, ...] = ()) -> None:
        super().__init__(playbooks, local_paths)
        self.strangers: list[str] = []
        self.changes: list[str] = []
        """Requests that were made to change something, except logins."""
        basic = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        self.logins = {f"Bearer {self.token}": self.person, f"Basic {basic}": self.person}
        """Who is who."""
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer((address, 0), type("Handler", (_Handler,), {"stand_in": self}))
        self._thread = threading.Thread(target=self._server.serve_forever, name="AWX stand-in")
        self.url = f"http://{address}:{self._server.server_port}"

    def __enter__(self) -> StandIn:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def serve(self, method: str, target: str, login: str, body: Tree) -> tuple[int, Tree]:
        """Answer one request, with all that AWX would answer to it, errors included."""
        split = urlsplit(target)
        with self._lock:
            try:
                if split.path == "/api/":
                    return 200, {"description": "AWX REST API", "current_version": PREFIX}
                if login not in self.logins:
                    raise Refused({"detail": "Authentication credentials were not provided."}, 401)
                if method != "GET":
                    self.changes.append(f"{method} {split.path}")
                self.person = self.logins[login]
                return self.answer(method, split.path, dict(parse_qsl(split.query)), body)
            except Refused as refused:
                return refused.status, refused.answer
            except LookupError as unknown:
                self.strangers.append(f"{method} {target}: {unknown}")
                return 404, {"detail": str(unknown)}

    def log_in(self, person: Person) -> str:
        """A token for somebody."""
        token = f"token-of-{person.username}"
        self.logins[f"Bearer {token}"] = person
        return token


class _Handler(BaseHTTPRequestHandler):
    stand_in: StandIn
    protocol_version = "HTTP/1.1"

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else {}
        status, tree = self.stand_in.serve(self.command, self.path, self.headers.get("Authorization", ""), body)
        data = b"" if status == 204 else json.dumps(tree).encode()
        self.send_response(status)
        self.send_header("X-API-Product-Name", "AWX")
        self.send_header("X-API-Product-Version", "24.6.1")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PATCH = do_DELETE = _serve

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing is logged: tests look at what is kept."""
