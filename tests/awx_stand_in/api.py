# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The API without HTTP: a method, a path, a query and a body in, a status and a tree out."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from awx_stand_in import checks
from awx_stand_in.checks import Refused, Tree
from awx_stand_in.kinds import KINDS, UNIFIED

PREFIX = "/api/v2/"
ENCRYPTED = "$encrypted$"
# Every object has them, and awx.awx may send them back.
GIVEN_BY_AWX = {"id", "type", "url", "related", "summary_fields"}
DONE = {"status": "successful", "failed": False, "finished": "2026-01-01T00:00:00Z", "elapsed": 1.0, "started": "2026-01-01T00:00:00Z"}
# Whose organization is that of another object.
HEIRS = {"job_templates": ("project", "projects"), "inventory_sources": ("inventory", "inventories")}
SHOWN = "AWX_ISOLATION_SHOW_PATHS"


def _field(name: str, *, secret: bool = False) -> Tree:
    return {"id": name, "label": name, "type": "string", "secret": secret}


# Of the credential types that AWX brings along, those that these tests meet.
BUILT_IN_TYPES = (
    {"name": "Machine", "kind": "ssh", "inputs": {"fields": [_field("username"), _field("password", secret=True), _field("become_password", secret=True)]}},
    {"name": "Vault", "kind": "vault", "inputs": {"fields": [_field("vault_password", secret=True), _field("vault_id")]}},
    {"name": "Source Control", "kind": "scm", "inputs": {"fields": [_field("username"), _field("password", secret=True)]}},
    {"name": "Container Registry", "kind": "registry", "inputs": {"fields": [_field("host"), _field("username"), _field("password", secret=True)]}},
)
KEPT = ("objects", "lists", "surveys", "settings", "updates", "last_id")


class Api:
    """The objects, and what can be asked about them. ``playbooks`` are those of every repository, ``local_paths`` the directories for manual projects."""

    def __init__(self, playbooks: Sequence[str], local_paths: Sequence[str]) -> None:
        self.objects: dict[str, dict[int, Tree]] = {collection: {} for collection in KINDS}
        self.lists: dict[tuple[str, int, str], list[int]] = {}
        self.surveys: dict[tuple[str, int], Tree] = {}
        self.settings: Tree = {SHOWN: [], "ALLOW_JINJA_IN_EXTRA_VARS": "template"}
        self.updates: list[int] = []
        """Ids of projects and inventory sources that were updated, in order."""
        self._playbooks = playbooks
        self._local_paths = local_paths
        self.last_id = 0
        for built_in in BUILT_IN_TYPES:
            self.last_id += 1
            self.objects["credential_types"][self.last_id] = {"id": self.last_id, "description": "", "injectors": {}, "managed": True, **built_in}

    def answer(self, method: str, path: str, query: Mapping[str, str], body: Tree) -> tuple[int, Tree]:
        """Answer one request. Raises Refused for what AWX refuses, and LookupError for what is not part of this stand-in."""
        parts = path.removeprefix(PREFIX).strip("/").split("/")
        match method, parts:
            case "GET" | "PATCH", ["settings", "all"]:
                return 200, self._set(body) if method == "PATCH" else copy.deepcopy(self.settings)
            case "GET", ["project_updates" | "inventory_updates", _]:
                return 200, {"id": int(parts[1]), "event_processing_finished": True, "scm_revision": "1", **DONE}
            case "GET", ["unified_job_templates"]:
                return 200, self._found(UNIFIED, query)
            case "GET", [collection]:
                return 200, self._found([collection], query)
            case "POST", [collection]:
                return 201, self._create(collection, body)
            case _, [collection, number]:
                return self._one(method, collection, int(number), body)
            case _, [collection, number, name]:
                self._get(collection, int(number))
                return self._below(method, collection, int(number), name, body)
        raise LookupError(f"{method} {path}")

    def dump(self) -> Tree:
        """All that is kept, secrets included."""
        return copy.deepcopy({name: getattr(self, name) for name in KEPT})

    def load(self, dump: Tree) -> None:
        """Be as another one was when it was dumped."""
        for name, kept in copy.deepcopy(dump).items():
            setattr(self, name, kept)

    def named(self, collection: str, name: str) -> Tree:
        """The one object with this name, or identifier, as it is kept."""
        [found] = [item for item in self.objects[collection].values() if name in (item.get("name"), item.get("identifier"))]
        return found

    def members(self, collection: str, owner: int, name: str) -> list[int]:
        """The ids in one of an object's lists."""
        return self.lists.get((collection, owner, name), [])

    def _one(self, method: str, collection: str, number: int, body: Tree) -> tuple[int, Tree]:
        item = self._get(collection, number)
        if method == "DELETE":
            del self.objects[collection][number]
            return 204, {}
        if method == "PATCH":
            changed = {name: given for name, given in body.items() if item.get(name) != given}
            self._check(collection, {**item, **changed}, changed, item)
            item.update(self._heeded(collection, changed))
        elif method != "GET":
            raise LookupError(f"{method} of {collection}")
        return 200, self._shown(collection, item)

    def _below(self, method: str, collection: str, number: int, name: str, body: Tree) -> tuple[int, Tree]:
        if name in KINDS[collection].lists:
            return self._list(method, collection, number, name, body)
        if name not in KINDS[collection].related:
            raise LookupError(f"{name} of {collection}")
        match method, name:
            case "GET", "survey_spec":
                return 200, copy.deepcopy(self.surveys.get((collection, number), {}))
            case "POST", "survey_spec":
                checks.survey(body)
                self.surveys[collection, number] = body
                return 200, {}
            case "POST", "update":
                return 202, self._update("inventory_updates", number)
            case "POST", "create_approval_template":
                made = self._create("workflow_approval_templates", body)
                self.objects[collection][number]["unified_job_template"] = made["id"]
                return 201, made
        raise LookupError(f"{method} of {name} of {collection}")

    def _list(self, method: str, collection: str, number: int, name: str, body: Tree) -> tuple[int, Tree]:
        members, other = self.lists.setdefault((collection, number, name), []), KINDS[collection].lists[name]
        if method == "GET":
            return 200, _page([self._shown(other, self.objects[other][member]) for member in members])
        if set(body) - {"id", "disassociate"}:
            raise LookupError(f"{sorted(body)} for {name} of {collection}")
        self._get(other, body["id"])
        if body.get("disassociate"):
            members.remove(body["id"])
        elif body["id"] not in members:
            self._check_member(other, members, body["id"])
            members.append(body["id"])
        return 204, {}

    def _check_member(self, other: str, members: Sequence[int], new: int) -> None:
        if other == "credentials":
            types = [self.objects[other][member]["credential_type"] for member in [*members, new]]
            if len(set(types)) < len(types):
                raise Refused({"error": "Cannot assign multiple credentials of one type."})

    def _found(self, collections: Sequence[str], query: Mapping[str, str]) -> Tree:
        found = [self._shown(collection, item) for collection in collections for item in self._collection(collection).values()]
        either = {name.removeprefix("or__"): wanted for name, wanted in query.items() if name.startswith("or__")}
        every = {name: wanted for name, wanted in query.items() if not name.startswith("or__")}
        for name in [*either, *every]:
            if not [collection for collection in collections if name == "id" or name in KINDS[collection].fields]:
                raise LookupError(f"filter {name} of {', '.join(collections)}")
        found = [item for item in found if all(str(item.get(name)) == wanted for name, wanted in every.items())]
        return _page([item for item in found if not either or any(str(item.get(name)) == wanted for name, wanted in either.items())])

    def _create(self, collection: str, body: Tree) -> Tree:
        self._collection(collection)
        fields = KINDS[collection].fields
        item = {name: copy.deepcopy(field.default) for name, field in fields.items()} | self._heeded(collection, body)
        self._check(collection, item, body, {})
        self.last_id += 1
        item["id"] = self.last_id
        if collection in HEIRS:
            name, owners = HEIRS[collection]
            item["organization"] = self.objects[owners][item[name]]["organization"]
        self.objects[collection][self.last_id] = item
        shown = self._shown(collection, item)
        if collection == "projects" and item["scm_type"]:
            shown["summary_fields"]["current_update"] = self._update("project_updates", item["id"])
        return shown

    def _update(self, kind: str, number: int) -> Tree:
        self.updates.append(number)
        return {"id": len(self.updates), "status": "pending", "url": f"{PREFIX}{kind}/{len(self.updates)}/"}

    def _heeded(self, collection: str, body: Tree) -> Tree:
        fields = KINDS[collection].fields
        return {name: given for name, given in body.items() if name in fields and not fields[name].read_only}

    def _check(self, collection: str, item: Tree, given: Tree, before: Tree) -> None:
        """Check what an object would be. Only what was given is checked by itself."""
        kind = KINDS[collection]
        strange = set(given) - GIVEN_BY_AWX - set(kind.fields)
        if strange:
            raise LookupError(f"fields {sorted(strange)} of {collection}")
        for name, field in kind.fields.items():
            if field.required and item.get(name) is None:
                raise Refused({name: ["This field is required."]})
            if name in given:
                checks.value(name, field, given[name])
                self._check_change(name, field.fixed, field.refers, given[name], before)
        same = [other for other in self.objects[collection].values() if all(other[name] == item[name] for name in kind.unique)]
        if kind.unique and not before and same:
            raise Refused({"__all__": [f"{kind.type} with this {' and '.join(kind.unique)} already exists."]})
        self._check_more(collection, item)

    def _check_change(self, name: str, fixed: bool, refers: str, given: Any, before: Tree) -> None:
        if fixed and before:
            raise Refused({name: ["Cannot be changed."]})
        known = [number for collection in (UNIFIED if refers == "unified_job_templates" else [refers]) for number in self.objects.get(collection, {})]
        if refers and given is not None and given not in known:
            raise Refused({name: [f'Invalid pk "{given}" - object does not exist.']})

    def _check_more(self, collection: str, item: Tree) -> None:
        match collection:
            case "projects":
                if not item["scm_type"] and item["local_path"] not in self._local_paths:
                    raise Refused({"local_path": ["Invalid path choice."]})
                if item["scm_type"] and not item["scm_url"]:
                    raise Refused({"scm_url": ["SCM URL is required."]})
            case "inventory_sources":
                if not item["source_project"] or not self.objects["projects"][item["source_project"]]["scm_type"]:
                    raise Refused({"source_project": ["Cannot use manual project for SCM-based inventory."]})
            case "credential_types":
                checks.credential_type(item["inputs"], item["injectors"])
            case "credentials":
                checks.credential(item["inputs"], self.objects["credential_types"][item["credential_type"]])
            case "job_templates":
                checks.extra_vars(item["extra_vars"])
                if item["playbook"] not in self._playbooks:
                    raise Refused({"playbook": ["Playbook not found for project."]})
            case "schedules":
                checks.rrule(item["rrule"])

    def _collection(self, name: str) -> dict[int, Tree]:
        if name not in KINDS:
            raise LookupError(f"collection {name}")
        return self.objects[name]

    def _get(self, collection: str, number: int) -> Tree:
        try:
            return self._collection(collection)[number]
        except KeyError:
            raise Refused({"detail": "Not found."}, status=404) from None

    def _shown(self, collection: str, item: Tree) -> Tree:
        """An object as the API answers it."""
        kind, url = KINDS[collection], f"{PREFIX}{collection}/{item['id']}/"
        related = {name: f"{url}{name}/" for name in (*kind.lists, *kind.related)}
        if item.get("unified_job_template"):
            [owner] = [other for other in UNIFIED if item["unified_job_template"] in self.objects[other]]
            related["unified_job_template"] = f"{PREFIX}{owner}/{item['unified_job_template']}/"
        shown = {**copy.deepcopy(item), "type": kind.type, "url": url, "related": related, "summary_fields": {}}
        if collection == "projects":
            shown["scm_revision"] = "1"
        if collection == "credentials":
            fields = self.objects["credential_types"][item["credential_type"]]["inputs"]["fields"]
            secret = {field["id"] for field in fields if field.get("secret")}
            shown["inputs"] = {name: ENCRYPTED if name in secret else given for name, given in item["inputs"].items()}
        return shown

    def _set(self, body: Tree) -> Tree:
        if set(body) != {SHOWN}:
            raise LookupError(f"settings {sorted(body)}")
        checks.shown_paths(body[SHOWN])
        self.settings[SHOWN] = sorted(body[SHOWN])
        return copy.deepcopy(self.settings)


def _page(items: Sequence[Tree]) -> Tree:
    return {"count": len(items), "next": None, "previous": None, "results": list(items)}
