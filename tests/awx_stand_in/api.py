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
from awx_stand_in.kinds import KINDS, NODES, UNIFIED
from awx_stand_in.people import EVERYBODY_READS, HOLDS, ONLY_SUPERUSERS, Person

PREFIX = "/api/v2/"
ENCRYPTED = "$encrypted$"
DONE = {
    "status": "successful",
    "failed": False,
    "finished": "2026-01-01T00:00:00Z",
    "elapsed": 1.0,
    "started": "2026-01-01T00:00:00Z",
}
# Whose organization is that of another object.
HEIRS = {
    "job_templates": ("project", "projects"), "inventory_sources": ("inventory", "inventories"), NODES: ("workflow_job_template", "workflow_job_templates"),
}  # fmt: skip
FETCHED = {"scm_type", "scm_url", "scm_branch", "scm_refspec"}
SHOWN = "AWX_ISOLATION_SHOW_PATHS"


def _field(name: str, *, secret: bool = False) -> Tree:
    return {"id": name, "label": name, "type": "string", "secret": secret}


# Of the credential types that AWX brings along, those that these tests meet.
BUILT_IN_TYPES = (
    {
        "name": "Machine",
        "kind": "ssh",
        "inputs": {
            "fields": [_field("username"), _field("password", secret=True), _field("become_password", secret=True)]
        },
    },
    {
        "name": "Vault",
        "kind": "vault",
        "inputs": {"fields": [_field("vault_password", secret=True), _field("vault_id")]},
    },
    {
        "name": "Source Control",
        "kind": "scm",
        "inputs": {"fields": [_field("username"), _field("password", secret=True)]},
    },
    {
        "name": "Container Registry",
        "kind": "registry",
        "inputs": {"fields": [_field("host"), _field("username"), _field("password", secret=True)]},
    },
)
KEPT = ("objects", "lists", "surveys", "roles", "settings", "updates", "last_id")


class Api:
    """The objects, and what can be asked about them. ``playbooks`` are those of every repository, ``local_paths`` the
    directories for manual projects.
    """

    def __init__(self, playbooks: Sequence[str], local_paths: Sequence[str]) -> None:
        self.objects: dict[str, dict[int, Tree]] = {collection: {} for collection in KINDS}
        self.lists: dict[tuple[str, int, str], list[int]] = {}
        self.surveys: dict[tuple[str, int], Tree] = {}
        self.settings: Tree = {SHOWN: [], "ALLOW_JINJA_IN_EXTRA_VARS": "template"}
        self.updates: list[int] = []
        """Ids of projects and inventory sources that were updated, in order."""
        self.jobs: list[tuple[str, int]] = []
        """What was launched, in order."""
        self._playbooks = playbooks
        self._local_paths = local_paths
        self.last_id = 0
        self.roles: dict[int, tuple[str, int, str]] = {}
        """What a role is on, and which one."""
        self.person = Person("admin", is_superuser=True)
        """Who asks."""
        for built_in in BUILT_IN_TYPES:
            self.last_id += 1
            self.objects["credential_types"][self.last_id] = {
                "id": self.last_id,
                "description": "",
                "injectors": {},
                "managed": True,
                **built_in,
            }

    def answer(self, method: str, path: str, query: Mapping[str, str], body: Tree) -> tuple[int, Tree]:
        """Answer one request. Raises Refused for what AWX refuses, and LookupError for what is not part of this
        stand-in.
        """
        parts = path.removeprefix(PREFIX).strip("/").split("/")
        match method, parts:
            case "GET", ["me"]:
                return 200, _page(
                    [{"id": 1, "username": self.person.username, "is_superuser": self.person.is_superuser}]
                )
            case "GET" | "PATCH", ["settings", "all"]:
                self.require("read", "settings", 0)
                return 200, self._set(body) if method == "PATCH" else copy.deepcopy(self.settings)
            case "GET", ["project_updates" | "inventory_updates", _]:
                return 200, {"id": int(parts[1]), **DONE}
            case "GET", ["jobs", number]:
                self.require("read", *self.jobs[int(number) - 1])
                return 200, {"id": int(number), **DONE}
            case "GET", [collection]:
                return 200, self._found(collection, query)
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
        [found] = [
            item for item in self.objects[collection].values() if name in (item.get("name"), item.get("identifier"))
        ]
        return found

    def members(self, collection: str, owner: int, name: str) -> list[int]:
        """The ids in one of an object's lists."""
        return self.lists.get((collection, owner, name), [])

    def may(self, person: Person, action: str, collection: str, number: int) -> bool:
        """Whether somebody may read, execute, approve (`approval`) or change (`admin`) an object."""
        if person.is_superuser or (action == "read" and collection in EVERYBODY_READS):
            return True
        if self._organization(collection, number) in person.administers:
            return action == "read" or collection not in ONLY_SUPERUSERS[1:]
        teams = [team for team in self.objects["teams"].values() if team["name"] in person.teams]
        granted = [self.roles[role] for team in teams for role in self.members("teams", team["id"], "roles")]
        if collection in ("organizations", "teams"):
            return action == "read" and bool(teams)
        return any(
            (collection, number) == on and action in HOLDS[role] for *on_list, role in granted if (on := tuple(on_list))
        )

    def require(self, action: str, collection: str, number: int) -> None:
        """Refuse what the one who asks may not."""
        if not self.may(self.person, action, collection, number):
            raise Refused({"detail": "You do not have permission to perform this action."}, 403)

    def _organization(self, collection: str, number: int) -> int | None:
        if collection == "organizations":
            return number
        item = self.objects.get(collection, {}).get(number, {})
        if collection == "schedules":
            return self._organization(*self._unified(item["unified_job_template"]))
        if collection == "workflow_approval_templates":
            return next(
                (
                    node["organization"]
                    for node in self.objects[NODES].values()
                    if node["unified_job_template"] == number
                ),
                None,
            )
        organization: int | None = item.get("organization")
        return organization

    def _unified(self, number: int) -> tuple[str, int]:
        [owner] = [collection for collection in UNIFIED if number in self.objects[collection]]
        return owner, number

    def _one(self, method: str, collection: str, number: int, body: Tree) -> tuple[int, Tree]:
        item = self._get(collection, number)
        self.require("read" if method == "GET" else "admin", collection, number)
        if method == "DELETE":
            self._delete(collection, number)
            return 204, {}
        if method == "PATCH":
            changed = {name: given for name, given in body.items() if item.get(name) != given}
            self._check(collection, {**item, **changed}, changed, item)
            item.update(self._heeded(collection, changed))
            if collection == "projects" and item["scm_type"] and FETCHED & set(changed):
                return 200, self._fetched(item)
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
                self.require("admin", collection, number)
                checks.survey(body)
                self.surveys[collection, number] = body
                return 200, {}
            case "POST", "launch":
                self.require("execute", collection, number)
                self.jobs.append((collection, number))
                return 201, {"id": len(self.jobs)}
            case "POST", "update":
                self.require("admin", collection, number)
                return 202, self._update("inventory_updates", number)
            case "POST", "create_approval_template":
                self.require("admin", collection, number)
                made = self._create("workflow_approval_templates", body)
                self.objects[collection][number]["unified_job_template"] = made["id"]
                return 201, made
        raise LookupError(f"{method} of {name} of {collection}")

    def _list(self, method: str, collection: str, number: int, name: str, body: Tree) -> tuple[int, Tree]:
        members, other = self.lists.setdefault((collection, number, name), []), KINDS[collection].lists[name]
        if method == "GET":
            self.require("read", collection, number)
            return 200, _page(
                [
                    self._role(member) if other == "roles" else self._shown(other, self.objects[other][member])
                    for member in members
                ]
            )
        if set(body) - {"id", "disassociate"}:
            raise LookupError(f"{sorted(body)} for {name} of {collection}")
        self.require("admin", collection, number)
        if other == "roles":
            self.require("admin", *self.roles[body["id"]][:2])
        else:
            self._get(other, body["id"])
        if body.get("disassociate"):
            members.remove(body["id"])
        elif body["id"] not in members:
            self._check_member(collection, number, name, body["id"])
            members.append(body["id"])
        return 204, {}

    def _check_member(self, collection: str, number: int, name: str, new: int) -> None:
        if name == "credentials":
            types = [
                self.objects["credentials"][member]["credential_type"]
                for member in [*self.members(collection, number, name), new]
            ]
            if len(set(types)) < len(types):
                raise Refused({"error": "Cannot assign multiple credentials of one type."})
        if name.endswith("_nodes") and any(
            new in self.members(collection, number, f"{outcome}_nodes") for outcome in ("success", "failure", "always")
        ):
            raise Refused({"Error": "Relationship not allowed."})

    def _role(self, number: int) -> Tree:
        collection, on, name = self.roles[number]
        summary = {
            "resource_type": KINDS[collection].type,
            "resource_id": on,
            "resource_name": self.objects[collection][on]["name"],
        }
        return {"id": number, "name": name.title(), "summary_fields": summary}

    def _delete(self, collection: str, number: int) -> None:
        """An object goes with all that belongs to it; what refers to it loses it."""
        if collection == "credential_types" and any(
            item["credential_type"] == number for item in self.objects["credentials"].values()
        ):
            raise Refused({"detail": "Credential types that are in use cannot be deleted"}, 403)
        del self.objects[collection][number]
        for kind, owner in (
            (NODES, "workflow_job_template"),
            ("schedules", "unified_job_template"),
            ("inventory_sources", "inventory"),
        ):
            for item in [item for item in self.objects[kind].values() if item[owner] == number]:
                self._delete(kind, item["id"])
        gone = [role for role, on in self.roles.items() if on[:2] == (collection, number)]
        for (owner_kind, owner_number, name), members in self.lists.items():
            held = KINDS[owner_kind].lists[name]
            self.lists[owner_kind, owner_number, name] = [
                member for member in members if (member not in gone if held == "roles" else member in self.objects[held])
            ]  # fmt: skip

    def _found(self, collection: str, query: Mapping[str, str]) -> Tree:
        wanted = {name: given for name, given in query.items() if name not in ("page", "page_size")}
        unknown = (
            [name for name in wanted if name not in KINDS[collection].fields] if collection in KINDS else [collection]
        )
        if unknown:
            raise LookupError(f"filter {unknown} of {collection}")
        items = [
            item for item in self.objects[collection].values() if self.may(self.person, "read", collection, item["id"])
        ]
        found = [item for item in items if all(str(item.get(name)) == given for name, given in wanted.items())]
        return _page([self._shown(collection, item) for item in found])

    def _create(self, collection: str, body: Tree) -> Tree:
        self._collection(collection)
        self._require_creation(collection, body)
        fields = KINDS[collection].fields
        item = {name: copy.deepcopy(field.default) for name, field in fields.items()} | self._heeded(collection, body)
        self._check(collection, item, body, {})
        self.last_id += 1
        item["id"] = self.last_id
        if collection in HEIRS:
            name, owners = HEIRS[collection]
            item["organization"] = self.objects[owners][item[name]]["organization"]
        self.objects[collection][item["id"]] = item
        for name in KINDS[collection].roles:
            self.last_id += 1
            self.roles[self.last_id] = (collection, item["id"], name)
        return self._fetched(item) if collection == "projects" and item["scm_type"] else self._shown(collection, item)

    def _require_creation(self, collection: str, body: Tree) -> None:
        """Who makes something must be administrator of the organization that it comes to."""
        if self.person.is_superuser:
            return
        if collection in ONLY_SUPERUSERS:
            raise Refused({"detail": "You do not have permission to perform this action."}, 403)
        owners = {
            "project": "projects",
            "inventory": "inventories",
            "workflow_job_template": "workflow_job_templates",
            "organization": "organizations",
        }
        if "unified_job_template" in body and collection == "schedules":
            self.require("admin", *self._unified(body["unified_job_template"]))
        for name, owner in owners.items():
            if body.get(name):
                self.require("admin", owner, body[name])

    def _fetched(self, project: Tree) -> Tree:
        shown = self._shown("projects", project)
        shown["summary_fields"]["current_update"] = self._update("project_updates", project["id"])
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
        strange = set(given) - set(kind.fields)
        if strange:
            raise LookupError(f"fields {sorted(strange)} of {collection}")
        for name, field in kind.fields.items():
            if field.required and item.get(name) is None:
                raise Refused({name: ["This field is required."]})
            if name in given:
                checks.value(name, field, given[name])
                self._check_change(name, field.fixed, field.refers, given[name], before)
        same = [
            other
            for other in self.objects[collection].values()
            if all(other[name] == item[name] for name in kind.unique)
        ]
        if kind.unique and not before and same:
            raise Refused({"__all__": [f"{kind.type} with this {' and '.join(kind.unique)} already exists."]})
        self._check_more(collection, item)

    def _check_change(self, name: str, fixed: bool, refers: str, given: Any, before: Tree) -> None:
        if fixed and before:
            raise Refused({name: ["Cannot be changed."]})
        known = [
            number
            for collection in (UNIFIED if refers == "unified_job_templates" else [refers])
            for number in self.objects.get(collection, {})
        ]
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
                if item["credential"] and self._type_of(item["credential"]) in ("vault", "insights"):
                    raise Refused(
                        {
                            "credential": [
                                "Credentials of type insights and vault are disallowed for scm inventory sources."
                            ]
                        }
                    )
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

    def _type_of(self, credential: int) -> str:
        kind: str = self.objects["credential_types"][self.objects["credentials"][credential]["credential_type"]]["kind"]
        return kind

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
        kind = KINDS[collection]
        summary: Tree = {
            name: self._summary(name, field.refers, item[name])
            for name, field in kind.fields.items()
            if field.refers and item.get(name)
        }
        roles = {
            f"{name}_role": {"id": role, "name": name.title()}
            for role, (*on, name) in self.roles.items()
            if on == [collection, item["id"]]
        }
        if roles:
            summary["object_roles"] = roles
        if collection == "organizations":
            summary["user_capabilities"] = {"edit": self.may(self.person, "admin", collection, item["id"])}
        shown = {**copy.deepcopy(item), "type": kind.type, "summary_fields": summary}
        if collection == "credentials":
            fields = self.objects["credential_types"][item["credential_type"]]["inputs"]["fields"]
            secret = {field["id"] for field in fields if field.get("secret")}
            shown["inputs"] = {name: ENCRYPTED if name in secret else given for name, given in item["inputs"].items()}
        if collection == "notification_templates" and "password" in item["notification_configuration"]:
            shown["notification_configuration"]["password"] = ENCRYPTED
        return shown

    def _summary(self, name: str, refers: str, number: int) -> Tree:
        if refers != "unified_job_templates":
            return {"id": number, "name": self.objects[refers][number]["name"]}
        owner, _number = self._unified(number)
        job = {"job_templates": "job", "workflow_approval_templates": "workflow_approval"}.get(owner, owner)
        return {"id": number, "name": self.objects[owner][number]["name"], "unified_job_type": job}

    def _set(self, body: Tree) -> Tree:
        if set(body) != {SHOWN}:
            raise LookupError(f"settings {sorted(body)}")
        checks.shown_paths(body[SHOWN])
        self.settings[SHOWN] = sorted(body[SHOWN])
        return copy.deepcopy(self.settings)


def _page(items: Sequence[Tree]) -> Tree:
    return {"count": len(items), "next": None, "previous": None, "results": list(items)}
