# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Descriptions compared with AWX: tables for the decisions, and walks through the stand-in without HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.awx.objects import (
    Described,
    Walk,
    differences,
    lists_to_change,
)
from awx_stand_in.api import PREFIX, Api

Tree = dict[str, Any]


@pytest.mark.parametrize(
    ("wanted", "has", "expected"),
    [
        ({"limit": ""}, {"limit": None}, []),
        ({"limit": None}, {"limit": ""}, []),
        ({"limit": ""}, {"limit": "hydra"}, ["limit"]),
        ({"verbosity": 0}, {"verbosity": None}, ["verbosity"]),
        ({"enabled": True}, {"enabled": False}, ["enabled"]),
        ({"extra_vars": {"a": 1}}, {"extra_vars": '{"a": 1}'}, []),
        ({"extra_vars": {"a": 1}}, {"extra_vars": "---\na: 1\n"}, []),
        ({"extra_vars": {}}, {"extra_vars": ""}, []),
        ({"extra_vars": {}}, {"extra_vars": "a: ["}, ["extra_vars"]),
        (
            {"notification_configuration": {"host": "a", "password": "b"}},
            {"notification_configuration": {"host": "a", "password": "$encrypted$"}},
            [],
        ),
        (
            {"notification_configuration": {"host": "a"}},
            {"notification_configuration": {"host": "b"}},
            ["notification_configuration"],
        ),
        ({"name": "a", "description": "b"}, {"name": "c", "description": "b"}, ["name"]),
    ],
)
def test_only_what_differs_in_meaning_differs(wanted: Tree, has: Tree, expected: list[str]) -> None:
    assert differences(wanted, has) == expected


@pytest.mark.parametrize(
    ("wanted", "has", "ordered", "expected"),
    [
        ([1, 2], [2, 1], False, ([], [])),
        ([1, 2], [2, 1], True, ([2, 1], [1, 2])),
        ([1, 2], [1, 2], True, ([], [])),
        ([1], [1, 2], False, ([2], [])),
        ([1, 3], [2], False, ([2], [1, 3])),
    ],
)
def test_a_list_has_what_is_wanted_and_nothing_else(
    wanted: list[int], has: list[int], ordered: bool, expected: tuple[list[int], list[int]]
) -> None:
    assert lists_to_change(wanted, has, ordered=ordered) == expected


class Direct:
    """The stand-in without HTTP."""

    def __init__(self) -> None:
        self.awx = Api(("backup.yml",), ("fleet",))
        self.changes: list[str] = []

    def _ask(self, method: str, path: str, body: Tree, query: Mapping[str, Any] | None = None) -> Tree:
        if method != "GET":
            self.changes.append(f"{method} {path}")
        return self.awx.answer(
            method, PREFIX + path, {name: str(value) for name, value in (query or {}).items()}, body
        )[1]

    def get(self, path: str, query: Mapping[str, Any] | None = None) -> Tree:
        return self._ask("GET", path, {}, query)

    def all(self, path: str, query: Mapping[str, Any] | None = None) -> list[Tree]:
        found: list[Tree] = self.get(path, query)["results"]
        return found

    def post(self, path: str, body: Tree) -> Tree:
        return self._ask("POST", path, body)

    def patch(self, path: str, body: Tree) -> Tree:
        return self._ask("PATCH", path, body)

    def delete(self, path: str) -> None:
        self._ask("DELETE", path, {})

    def wait(self, path: str, what: str) -> None:
        self.get(path)


ORGANIZATION = Described("organization", "organizations", "Operations", state="kept")
INVENTORY = Described(
    "inventory",
    "inventories",
    "Servers",
    {"organization": "organization"},
    {"description": "Servers of Operations Manager", "kind": ""},
)
BELOW = {"organization": "organization"}


def project(**fields: Any) -> Described:
    return Described(
        "project",
        "projects",
        "Fleet",
        BELOW,
        {"description": "Playbooks", "local_path": "fleet", **fields},
        refers={"credential": "git"},
    )


def git(name: str) -> Described:
    return Described(
        "git",
        "credentials",
        name,
        {**BELOW, "credential_type": "credential_types/Source Control"},
        {"inputs": {}},
        state="kept",
    )


def walk(api: Direct, *described: Described, act: bool = True) -> Walk:
    done = Walk(api, act=act)
    done.have(described)
    return done


@pytest.fixture
def api() -> Direct:
    direct = Direct()
    walk(direct, ORGANIZATION, INVENTORY, git("Git"), project())
    direct.changes.clear()
    return direct


def test_a_prediction_has_the_steps_of_the_deed_and_does_none_of_them() -> None:
    direct = Direct()
    predicted = walk(direct, ORGANIZATION, INVENTORY, git("Git"), project(), act=False)
    assert direct.changes == []
    assert walk(direct, ORGANIZATION, INVENTORY, git("Git"), project()).steps == predicted.steps
    assert walk(direct, ORGANIZATION, INVENTORY, git("Git"), project()).steps == []


def test_only_an_object_for_superusers_is_marked(api: Direct) -> None:
    kind = Described(
        "type",
        "credential_types",
        "SQL",
        fields={"description": "Login", "kind": "cloud", "inputs": {}, "injectors": {}},
    )
    steps = walk(
        api, kind, Described("team", "teams", "On call", {"organization": "organizations/Operations"}), act=False
    ).steps
    assert [(step.title, step.for_superusers) for step in steps] == [
        ("credential type SQL", True),
        ("team On call", False),
    ]


def test_a_renamed_object_gets_its_name_back_and_stays_the_same_object(api: Direct) -> None:
    number = api.awx.named("inventories", "Servers")["id"]
    api.awx.named("inventories", "Servers")["name"] = "Old servers"
    [step] = walk(api, ORGANIZATION, INVENTORY).steps
    assert (step.before, step.after) == ({"name": "Old servers"}, {"name": "Servers"})
    assert api.awx.named("inventories", "Servers")["id"] == number


def test_an_object_without_a_name_is_none_and_is_taken_out_of_what_refers_to_it(api: Direct) -> None:
    [step] = walk(api, ORGANIZATION, git(""), project()).steps
    assert (step.before, step.after) == ({"credential": "Git"}, {"credential": None})
    assert api.awx.named("projects", "Fleet")["credential"] is None


@pytest.mark.parametrize(
    ("key", "sentence"),
    [("credentials/Vault", "AWX has no credential Vault"), ("vault", "vault is referred to and not described")],
)
def test_what_is_referred_to_must_be_there(api: Direct, key: str, sentence: str) -> None:
    item = Described("project", "projects", "Fleet", BELOW, refers={"credential": key})
    with pytest.raises(OpsmgrError, match=sentence):
        walk(api, ORGANIZATION, item)
    assert api.changes == []


def test_two_that_may_be_meant_are_refused(api: Direct) -> None:
    for name in ("Servers 1", "Servers 2"):
        walk(api, ORGANIZATION, Described("more", "inventories", name, BELOW, {"kind": ""}))
        api.awx.named("inventories", name)["description"] = INVENTORY.fields["description"]
    api.awx.named("inventories", "Servers").update(name="Other", description="")
    with pytest.raises(OpsmgrError, match="AWX has 2 objects that may be the inventory Servers"):
        walk(api, ORGANIZATION, INVENTORY)


def test_what_is_kept_is_made_once_and_left_alone(api: Direct) -> None:
    api.awx.named("credentials", "Git")["inputs"] = {"username": "ben"}
    assert walk(api, ORGANIZATION, git("Git")).steps == []


def test_no_secret_is_in_a_diff() -> None:
    item = Described("git", "credentials", "Git", fields={"inputs": {"password": "open sesame"}})
    assert "open sesame" not in str([step.as_diff() for step in walk(Direct(), item, act=False).steps])


def test_what_differs_is_all_that_is_sent(api: Direct) -> None:
    walk(api, ORGANIZATION, git("Git"), project(scm_update_on_launch=True))
    assert api.changes == [f"PATCH projects/{api.awx.named('projects', 'Fleet')['id']}"]
    assert api.awx.named("projects", "Fleet")["scm_update_on_launch"] is True


def test_removal_leaves_the_organization_and_what_somebody_else_made(api: Direct) -> None:
    team = Described("team", "teams", "On call", BELOW, {"description": "Ours"}, state="kept")
    walk(api, ORGANIZATION, team)
    api.awx.named("teams", "On call")["description"] = "Theirs"
    Walk(api, act=True).remove([ORGANIZATION, INVENTORY, project(), git(""), team])
    left = {
        kind for kind, items in api.awx.objects.items() if [item for item in items.values() if not item.get("managed")]
    }
    assert left == {"organizations", "teams", "credentials"}
