# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The API that AWX and the automation controller of Ansible Automation Platform share, over HTTP.

Private to opsmgr.recovery.
"""

from __future__ import annotations

import json
import time
import typing as t
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode

from ansible.module_utils.urls import ConnectionError as UrlConnectionError
from ansible.module_utils.urls import Request

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError

Tree = dict[str, t.Any]
STEP = "ask AWX"
TIMEOUT_SECONDS = 30
PAGE_SIZE = 200
UPDATE_SECONDS = 600
# Their answers to a wrong request may repeat what they were sent.
SECRETIVE = ("credentials", "notification_templates")


class AwxApi:
    """Asks AWX as one login, which each request carries: there is nothing to give back at the end."""

    def __init__(
        self, host: str, token: str | None, username: str | None, password: str | None, validate_certs: bool
    ) -> None:
        self.host = (host if "://" in host else f"https://{host}").rstrip("/")
        login: Tree = {"url_username": username, "url_password": password, "force_basic_auth": True}
        headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
        self._request = Request(
            headers=headers, validate_certs=validate_certs, timeout=TIMEOUT_SECONDS, **({} if token else login)
        )
        self._place = "/api/"
        # Behind the gateway of Ansible Automation Platform 2.5 and newer, the controller is one API of several.
        self._place = f"{self.get('').get('apis', {}).get('controller', '/api/').rstrip('/')}/v2/"

    def get(self, path: str, query: t.Mapping[str, t.Any] | None = None) -> Tree:
        """One answer."""
        return self._ask("GET", path, query=query)

    def all(self, path: str, query: t.Mapping[str, t.Any] | None = None) -> list[Tree]:
        """Everything in a collection that fits, however many pages it has."""
        found: list[Tree] = []
        page = 1
        while True:
            answer = self.get(path, {**(query or {}), "page_size": PAGE_SIZE, "page": page})
            found += answer["results"]
            if not answer.get("next"):
                return found
            page += 1

    def post(self, path: str, body: Tree) -> Tree:
        """Make something, or do something."""
        return self._ask("POST", path, body)

    def patch(self, path: str, body: Tree) -> Tree:
        """Change these fields."""
        return self._ask("PATCH", path, body)

    def delete(self, path: str) -> None:
        """Remove something."""
        self._ask("DELETE", path)

    def wait(self, path: str, what: str) -> None:
        """Wait until an update of a project or an inventory has ended, and ended well."""
        deadline = time.monotonic() + UPDATE_SECONDS
        while True:
            status = self.get(path)["status"]
            if status == "successful":
                return
            if status not in ("new", "pending", "waiting", "running") or time.monotonic() > deadline:
                found = (
                    f"{what} ended with the status {status}, and not well"
                    if time.monotonic() < deadline
                    else f"{what} did not end"
                )
                raise OpsmgrError(STEP, found, f"Read its output: {self.host}{self._place}{path}/stdout/?format=txt")
            time.sleep(1)

    def _ask(
        self, method: str, path: str, body: Tree | None = None, query: t.Mapping[str, t.Any] | None = None
    ) -> Tree:
        url = f"{self.host}{self._place}{path.rstrip('/') + '/' if path else ''}" + (
            f"?{urlencode(query)}" if query else ""
        )
        data = None if body is None else json.dumps(body)
        try:
            answer = self._request.open(method, url, data=data)
            text = answer.read()
        except HTTPError as error:
            raise self._refused(method, path, error) from None
        except (URLError, UrlConnectionError, OSError) as error:
            raise OpsmgrError(
                STEP,
                f"{self.host} does not answer: {getattr(error, 'reason', error)}",
                "Set awx_setup_host to the address of AWX",
            ) from None
        try:
            return json.loads(text) if text else {}
        except ValueError:
            raise OpsmgrError(
                STEP, f"{url} answers, and not as AWX does", "Set awx_setup_host to the address of AWX"
            ) from None

    def _refused(self, method: str, path: str, error: HTTPError) -> OpsmgrError:
        collection = path.split("/")[0]
        said = " ".join(_texts(error, names_only=collection in SECRETIVE))
        if error.code == 401:
            return OpsmgrError(
                STEP, f"{self.host} does not take the login: {said}", "Correct the token, or the user and the password"
            )
        if error.code == 403:
            return OpsmgrError(
                STEP,
                f"this login may not {method} {path}: {said}",
                "Use an administrator of the organization, or a superuser",
            )
        return OpsmgrError(
            STEP, f"AWX refuses {method} {path} ({error.code}): {said}", "Correct what AWX names, then rerun"
        )


def _texts(error: HTTPError, *, names_only: bool) -> t.Iterator[str]:
    """What an error says, with the names of the fields that it is about."""
    try:
        answer = json.loads(error.read())
    except ValueError:
        answer = str(error.reason)
    if not isinstance(answer, dict):
        yield str(answer)
    elif names_only and "detail" not in answer:
        yield "the fields " + ", ".join(answer)
    else:
        for name, said in answer.items():
            text = " ".join(map(str, said)) if isinstance(said, list) else str(said)
            yield text if name in ("detail", "__all__", "error", "msg") else f"{name}: {text}"
