# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects of AWX as they are described: what is there, what differs, and the requests that set it right.

A description names other objects by their keys, never by ids, so that it can be compared with an AWX that has none of
them yet.

Private to opsmgr.recovery.
"""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass, field

import yaml

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError

Tree = dict[str, t.Any]
STEP = "set up AWX"
HIDDEN = "********"
# What an object is called by, where that is not its name.
IDENTITIES = {"workflow_job_template_nodes": "identifier"}
# Only superusers may make or change them.
FOR_SUPERUSERS = ("organizations", "credential_types", "settings")
# What is in them may be secret.
SECRET_FIELDS = ("inputs", "notification_configuration")
# Lists of which the order counts.
ORDERED = ("instance_groups",)
# Those that go when what they belong to goes.
FOLLOWERS = ("workflow_job_template_nodes", "schedules", "inventory_sources")
# Those that start by themselves or are started by people: a second one with the same description would do the work
# twice.
DOERS = ("job_templates", "workflow_job_templates", "schedules")
SHOWN = "AWX_ISOLATION_SHOW_PATHS"


class Api(t.Protocol):
    """What is asked of AWX."""

    def get(self, path: str, query: t.Mapping[str, t.Any] | None = None) -> Tree: ...
    def all(self, path: str, query: t.Mapping[str, t.Any] | None = None) -> list[Tree]: ...
    def post(self, path: str, body: Tree) -> Tree: ...
    def patch(self, path: str, body: Tree) -> Tree: ...
    def delete(self, path: str) -> None: ...
    def wait(self, path: str, what: str) -> None: ...


@dataclass(frozen=True)
class Described:
    """One object as it is to be."""

    key: str
    kind: str
    name: str
    below: t.Mapping[str, str] = field(default_factory=dict)
    """What it belongs to, as keys by the fields that say so. Names are unique only within that."""
    fields: t.Mapping[str, t.Any] = field(default_factory=dict)
    templates: t.Mapping[str, str] = field(default_factory=dict)
    """Expressions by the variables that they are worked out to when a job starts."""
    refers: t.Mapping[str, str] = field(default_factory=dict)
    """Keys by fields. What is not described has `kind/name` for a key, and must be there."""
    lists: t.Mapping[str, t.Sequence[str]] = field(default_factory=dict)
    survey: t.Mapping[str, t.Any] | None = None
    approval: t.Mapping[str, t.Any] | None = None
    """Of a node that waits for a person."""
    nodes: t.Sequence[str] | None = None
    """Of a workflow: the identifiers of all that it consists of. Others are removed."""
    roles: t.Sequence[t.Sequence[str]] = ()
    """Of a team: key and role. It loses all other roles on what is described."""
    state: str = "present"
    """`present`; `kept`: made when it is not there, and left as it is then; `absent`."""

    @property
    def wanted(self) -> Tree:
        """The fields as they are compared, before they are put as AWX wants them."""
        variables = {name: "{{ %s }}" % expression for name, expression in self.templates.items()}
        more = {"extra_vars": {**self.fields.get("extra_vars", {}), **variables}} if variables else {}
        return {self.identity: self.name, **self.fields, **more}

    @property
    def identity(self) -> str:
        return IDENTITIES.get(self.kind, "name")

    @property
    def title(self) -> str:
        return f"{singular(self.kind).replace('_', ' ')} {self.name}"


@dataclass(frozen=True)
class ObjectChange:
    """One change, made or predicted."""

    title: str
    before: t.Mapping[str, t.Any]
    after: t.Mapping[str, t.Any]
    for_superusers: bool = False

    def as_diff(self) -> dict[str, str]:
        """What --diff shows."""
        texts = {
            name: yaml.safe_dump(dict(side), sort_keys=False) if side else ""
            for name, side in (("before", self.before), ("after", self.after))
        }
        return {**texts, "before_header": self.title, "after_header": self.title}


def singular(kind: str) -> str:
    """What AWX calls one object of a collection."""
    return f"{kind[:-3]}y" if kind.endswith("ies") else kind.rstrip("s")


def comparable(name: str, value: t.Any) -> t.Any:
    """A field's value as it is compared: an empty text is as good as none, and variables are what they say, in JSON or
    YAML.
    """
    if name == "extra_vars" and isinstance(value, str):
        try:
            value = yaml.safe_load(value)
        except yaml.YAMLError:
            return value
        return value or {}
    return None if value == "" else value


def differences(wanted: t.Mapping[str, t.Any], has: t.Mapping[str, t.Any]) -> list[str]:
    """The names of the fields that are not as wanted."""
    return [
        name
        for name, value in wanted.items()
        if comparable(name, value) != comparable(name, _known(value, has.get(name)))
    ]


def _known(wanted: t.Any, has: t.Any) -> t.Any:
    """What is there, with what AWX does not tell taken to be as wanted, and without what nobody asked for."""
    if has == "$encrypted$":
        return wanted
    if isinstance(wanted, dict) and isinstance(has, dict) and "$encrypted$" in has.values():
        return {
            name: wanted.get(name) if value == "$encrypted$" else value for name, value in has.items() if name in wanted
        }
    return has


def lists_to_change(
    wanted: t.Sequence[t.Any], has: t.Sequence[t.Any], *, ordered: bool
) -> tuple[list[t.Any], list[t.Any]]:
    """What goes out of a list, and what comes in. To change an order, all goes out first."""
    if ordered:
        return ([], []) if list(wanted) == list(has) else (list(has), list(wanted))
    return [item for item in has if item not in wanted], [item for item in wanted if item not in has]


@dataclass(frozen=True)
class Part:
    """One thing about an object that differs, and how it is set right."""

    before: Tree
    after: Tree
    change: t.Callable[[], t.Any]


class Walk:
    """Goes through descriptions in their order, and changes what differs; or only says so.

    :param act: whether anything is changed
    """

    def __init__(self, api: Api, *, act: bool) -> None:
        self._api = api
        self._act = act
        self._found: dict[str, Tree] = {}
        self._names: dict[str, str] = {}
        self._to_come: set[tuple[str, ...]] = set()
        self.steps: list[ObjectChange] = []
        self.warnings: list[str] = []

    def have(self, described: t.Sequence[Described]) -> None:
        """Have everything as it is described. A team's roles come last, when all is there that they are on."""
        described = self._named(described)
        for item in described:
            self._have(item)
        for item in described:
            if item.roles:
                self._set(item, self._roles(item, described))

    def remove(self, described: t.Sequence[Described]) -> None:
        """Remove what have() would have made, from the end to the beginning. Organizations stay, and what somebody else
        made.
        """
        mine: dict[tuple[str, int], Described] = {}
        for item in self._named(described):
            found = self._look(item)
            made_elsewhere = item.state == "kept" and found and found["description"] != item.fields.get("description")
            if found and not made_elsewhere and item.kind not in (*FOLLOWERS, "organizations"):
                mine.setdefault((item.kind, found["id"]), item)
        for item in reversed(mine.values()):
            self._set(item, [self._removal(item)])

    def show_path(self, path: str, *, shown: bool) -> None:
        """Have a directory of the host among those that jobs see, or not. Whoever has it there in another way keeps it."""
        paths = self._api.get("settings/all")[SHOWN]
        own = f"{path}:{path}:z"
        there = [entry for entry in paths if (entry.split(":") * 2)[1] == path]
        wanted = sorted({*paths, own}) if shown else [entry for entry in paths if entry != own]
        if len(wanted) != len(paths) and not (shown and there):
            part = Part({SHOWN: paths}, {SHOWN: wanted}, lambda: self._api.patch("settings/all", {SHOWN: wanted}))
            self._set(Described("", "settings", SHOWN), [part])

    def _named(self, described: t.Sequence[Described]) -> list[Described]:
        """Those that have a name. One without is not an object, and what refers to it refers to none."""
        self._names.update({item.key: item.name for item in described})
        keys = {key for item in described for key in _keys(item)}
        for key in sorted(keys - set(self._names)):
            kind, slash, name = key.partition("/")
            if not slash:
                raise OpsmgrError(
                    STEP, f"{key} is referred to and not described", "Describe it, or refer to it as kind/name"
                )
            self._names[key] = name
            if name and self._look(Described(key, kind, name)) is None:
                raise OpsmgrError(
                    STEP,
                    f"AWX has no {Described(key, kind, name).title}",
                    "Make it there, or correct the variable that names it",
                )
        return [item for item in described if item.name]

    def _look(self, item: Described) -> Tree | None:
        """Find an object, by its name; or, when none has it, the one that was renamed: its description says what it is."""
        scope = {name: self._id(key) for name, key in item.below.items()}
        if None in scope.values():
            return None
        found = self._api.all(item.kind, {item.identity: item.name, **scope})
        description = item.fields.get("description")
        if description and (not found or item.kind in DOERS):
            alike = [
                other for other in self._api.all(item.kind, {"description": description, **scope}) if other not in found
            ]
            if found and alike:
                self.warnings.append(_twins(item, alike))
            found = found or alike
        if len(found) > 1:
            raise OpsmgrError(
                STEP,
                f"AWX has {len(found)} objects that may be the {item.title}",
                "Remove or rename those that are not meant",
            )
        if found:
            self._found[item.key] = found[0]
        return found[0] if found else None

    def _have(self, item: Described) -> None:
        found = self._look(item)
        if item.state == "absent" and found is not None:
            self._set(item, [self._removal(item)])
        elif (item.state == "present" or (item.state == "kept" and found is None)) and self._is_news(item, found):
            self._set(item, [part for part in self._parts(item, found) if part is not None], new=found is None)

    def _is_news(self, item: Described, found: Tree | None) -> bool:
        """An object may be described twice. When it is only predicted, the second description does not find it."""
        place = (item.kind, item.name, *item.below.values())
        known = place in self._to_come
        if found is None:
            self._to_come.add(place)
        return not known

    def _set(self, item: Described, parts: t.Sequence[Part], *, new: bool = False) -> None:
        """One step for all that differs about an object."""
        if parts:
            before, after = (
                {name: value for part in parts for name, value in getattr(part, side).items()}
                for side in ("before", "after")
            )
            self.steps.append(ObjectChange(item.title, {} if new else before, after, item.kind in FOR_SUPERUSERS))
        for part in parts if self._act else ():
            part.change()

    def _parts(self, item: Described, found: Tree | None) -> t.Iterator[Part | None]:
        yield self._fields(item, found)
        yield self._strange_nodes(item, found)
        yield self._survey(item, found)
        yield self._approval(item, found)
        yield self._lists(item, found)

    def _id(self, key: str) -> int | None:
        return self._found[key]["id"] if key in self._found else None

    def _path(self, item: Described, *more: str) -> str:
        return "/".join([item.kind, str(self._id(item.key)), *more])

    def _fields(self, item: Described, found: Tree | None) -> Part | None:
        body = {**item.wanted, **{name: self._id(key) for name, key in item.refers.items()}}
        shown = {**item.wanted, **{name: self._names[key] for name, key in item.refers.items()}}
        if found is None:
            return Part({}, _readable(shown, shown), lambda: self._make(item))
        named = {
            name: summary.get("name")
            for name, summary in found.get("summary_fields", {}).items()
            if isinstance(summary, dict)
        }
        wrong = differences(body, found)
        wrong += [
            name
            for name, key in item.refers.items()
            if self._names[key] and self._id(key) is None and name not in wrong
        ]
        if not wrong:
            return None
        change = _sent({name: body[name] for name in wrong})
        before, after = _readable(wrong, {**found, **named}), _readable(wrong, shown)
        return Part(before, after, lambda: self._updated(item, self._api.patch(self._path(item), change)))

    def _make(self, item: Described) -> None:
        links = {name: self._id(key) for name, key in {**item.below, **item.refers}.items()}
        made = self._api.post(item.kind, {**_sent(item.wanted), **links})
        self._found[item.key] = self._api.get(f"{item.kind}/{made['id']}")
        self._updated(item, made)

    def _updated(self, item: Described, answer: Tree) -> None:
        """Wait until AWX has fetched a project, and read an inventory, that were changed."""
        update = answer.get("summary_fields", {}).get("current_update", {}).get("id")
        if item.kind == "projects" and update:
            self._api.wait(f"project_updates/{update}", f"fetching the {item.title}")
        if item.kind == "inventory_sources":
            update = self._api.post(self._path(item, "update"), {})["id"]
            self._api.wait(f"inventory_updates/{update}", f"reading the {item.title}")

    def _strange_nodes(self, item: Described, found: Tree | None) -> Part | None:
        if item.nodes is None or found is None:
            return None
        nodes = self._api.all("workflow_job_template_nodes", {"workflow_job_template": found["id"]})
        strange = [node for node in nodes if node["identifier"] not in (item.nodes or ())]
        if not strange:
            return None
        names = [
            node.get("summary_fields", {}).get("unified_job_template", {}).get("name", node["identifier"])
            for node in strange
        ]
        return Part({"also": names}, {}, lambda: self._delete_nodes(strange))

    def _delete_nodes(self, nodes: t.Sequence[Tree]) -> None:
        for node in nodes:
            self._api.delete(f"workflow_job_template_nodes/{node['id']}")

    def _survey(self, item: Described, found: Tree | None) -> Part | None:
        if item.survey is None:
            return None
        wanted = dict(item.survey)
        has = {} if found is None else self._api.get(self._path(item, "survey_spec"))
        return (
            None
            if has == wanted
            else Part(
                {"survey": has}, {"survey": wanted}, lambda: self._api.post(self._path(item, "survey_spec"), wanted)
            )
        )

    def _approval(self, item: Described, found: Tree | None) -> Part | None:
        """A node of a workflow that asks a person. It is no longer one when something else was put into its place."""
        if item.approval is None:
            return None
        wanted, there = dict(item.approval), (found or {}).get("summary_fields", {}).get("unified_job_template", {})
        if there.get("unified_job_type") != "workflow_approval":
            make = self._path
            return Part(
                {"approval": there.get("name")},
                {"approval": wanted},
                lambda: self._api.post(make(item, "create_approval_template"), wanted),
            )
        path = f"workflow_approval_templates/{there['id']}"
        has = self._api.get(path)
        wrong = differences(wanted, has)
        return (
            Part(_readable(wrong, has), _readable(wrong, wanted), lambda: self._api.patch(path, wanted))
            if wrong
            else None
        )

    def _lists(self, item: Described, found: Tree | None) -> Part | None:
        """All lists at once: what leaves one of them may be in the way of what comes into another."""
        before: Tree = {}
        after: Tree = {}
        leave: list[tuple[str, int]] = []
        enter: list[tuple[str, str]] = []
        for name, all_keys in item.lists.items():
            keys = [key for key in all_keys if self._names[key]]
            has = (
                {}
                if found is None
                else {member["id"]: _called(member) for member in self._api.all(self._path(item, name))}
            )
            outward, inward = lists_to_change(
                [self._id(key) or key for key in keys], list(has), ordered=name in ORDERED
            )
            if outward or inward:
                before[name], after[name] = list(has.values()), [self._names[key] for key in keys]
                leave += [(name, number) for number in outward]
                enter += [(name, key) for key in keys if (self._id(key) or key) in inward]
        return Part(before, after, lambda: self._change_lists(item, leave, enter)) if leave or enter else None

    def _change_lists(
        self, item: Described, leave: t.Sequence[tuple[str, int]], enter: t.Sequence[tuple[str, str]]
    ) -> None:
        for name, number in leave:
            self._api.post(self._path(item, name), {"id": number, "disassociate": True})
        for name, key in enter:
            self._api.post(self._path(item, name), {"id": self._id(key)})

    def _roles(self, item: Described, described: t.Sequence[Described]) -> list[Part]:
        """What a team may do with the described objects: that, and no more."""
        on = {(singular(other.kind), self._id(other.key)) for other in described}
        has = {
            role["id"]: role for role in (self._api.all(self._path(item, "roles")) if item.key in self._found else [])
        }
        roles = [(key, role) for key, role in item.roles if self._names[key]]
        wanted = [self._role(key, role) for key, role in roles]
        lost = [role for number, role in has.items() if _role_is_on(role) in on and number not in wanted]
        lacking = [(key, role) for key, role in roles if self._role(key, role) not in has]
        if not lost and not lacking:
            return []
        before = [f"{role['name']} on {role['summary_fields']['resource_name']}" for role in lost]
        after = [f"{role} on {self._names[key]}" for key, role in lacking]
        return [
            Part(
                {"roles": before},
                {"roles": after},
                lambda: self._change_roles(item, [role["id"] for role in lost], lacking),
            )
        ]

    def _role(self, key: str, role: str) -> int | None:
        return self._found[key]["summary_fields"]["object_roles"][role]["id"] if key in self._found else None

    def _change_roles(self, item: Described, lost: t.Sequence[int], lacking: t.Sequence[t.Sequence[str]]) -> None:
        for number in lost:
            self._api.post(self._path(item, "roles"), {"id": number, "disassociate": True})
        for key, role in lacking:
            self._api.post(self._path(item, "roles"), {"id": self._role(key, role)})

    def _removal(self, item: Described) -> Part:
        path = self._path(item)
        return Part({item.identity: _called(self._found.pop(item.key))}, {}, lambda: self._api.delete(path))


def _keys(item: Described) -> set[str]:
    lists = [key for keys in item.lists.values() for key in keys]
    return {*item.below.values(), *item.refers.values(), *lists, *(key for key, _role in item.roles)}


def _sent(fields: Tree) -> Tree:
    """Fields as AWX wants them: variables are a text in JSON."""
    return {name: json.dumps(value) if name == "extra_vars" else value for name, value in fields.items()}


def _called(found: Tree) -> t.Any:
    return found.get("name") or found.get("identifier")


def _role_is_on(role: Tree) -> tuple[t.Any, t.Any]:
    on = role["summary_fields"]
    return on.get("resource_type"), on.get("resource_id")


def _readable(names: t.Iterable[str], values: Tree) -> Tree:
    """Fields as people read them, without what may be secret."""
    return {name: HIDDEN if name in SECRET_FIELDS else comparable(name, values.get(name)) for name in names}


def _twins(item: Described, alike: t.Sequence[Tree]) -> str:
    names = ", ".join(other["name"] for other in alike)
    return f"Beside the {item.title} there is {names}, with the same description. What it is for would be done twice: remove it, or describe it otherwise."
