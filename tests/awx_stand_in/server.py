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

TOKENS = PREFIX + "tokens/"


class StandIn(Api):
    """AWX as far as the tests need it, running between ``with`` and its end. ``strangers`` are the requests that it does not know."""

    username = "admin"
    password = "Argonaut 7 <&>"
    token = "an-odyssey-token"

    def __init__(self, address: str, *, playbooks: tuple[str, ...], local_paths: tuple[str, ...] = ()) -> None:
        super().__init__(playbooks, local_paths)
        self.strangers: list[str] = []
        self.changes: list[str] = []
        """Requests that were made to change something, except logins."""
        self.tokens: list[str] = []
        """Tokens that were given out and not given back."""
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer((address, 0), type("Handler", (_Handler,), {"stand_in": self}))
        self._thread = threading.Thread(target=self._server.serve_forever, name="AWX stand-in")
        self.url = f"http://{address}:{self._server.server_port}"

    def __enter__(self) -> StandIn:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def serve(self, method: str, target: str, login: str, body: Tree) -> tuple[int, Tree]:
        """Answer one request, with all that AWX would answer to it, errors included."""
        split = urlsplit(target)
        with self._lock:
            try:
                if split.path.startswith(TOKENS):
                    return self._log_in(method, split.path, login)
                if login not in [f"Bearer {token}" for token in (self.token, *self.tokens)]:
                    raise Refused({"detail": "Authentication credentials were not provided."}, 401)
                if method != "GET":
                    self.changes.append(f"{method} {split.path}")
                return self.answer(method, split.path, dict(parse_qsl(split.query)), body)
            except Refused as refused:
                return refused.status, refused.answer
            except LookupError as unknown:
                self.strangers.append(f"{method} {target}: {unknown}")
                return 404, {"detail": str(unknown)}

    def _log_in(self, method: str, path: str, login: str) -> tuple[int, Tree]:
        if login != "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode():
            raise Refused({"detail": "Invalid username/password."}, 401)
        if method == "DELETE":
            self.tokens.remove(f"temporary-{path.removeprefix(TOKENS).strip('/')}")
            return 204, {}
        self.last_id += 1
        self.tokens.append(f"temporary-{self.last_id}")
        return 201, {"id": self.last_id, "token": self.tokens[-1]}


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
