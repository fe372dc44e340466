# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""awx_objects: the objects of AWX are as they are described. Runs on the controller and speaks to AWX alone."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.actions.controller import Arguments, ControllerAction
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.awx.api import AwxApi
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.awx.objects import (
    FOR_SUPERUSERS,
    STEP,
    Described,
    ObjectChange,
    Walk,
)

OBJECT = {
    "key": {"type": "str", "required": True, "no_log": False},
    "kind": {"type": "str", "required": True},
    "name": {"type": "str", "required": True},
    "below": {"type": "dict"},
    "fields": {"type": "dict"},
    "templates": {"type": "dict"},
    "refers": {"type": "dict"},
    "lists": {"type": "dict"},
    "survey": {"type": "dict"},
    "approval": {"type": "dict"},
    "nodes": {"type": "list", "elements": "str"},
    "roles": {"type": "list", "elements": "list"},
    "state": {"type": "str", "choices": ["present", "kept", "absent"], "default": "present"},
}
NOT_TOLD = "Whether jobs see {path} cannot be told: only superusers may read that setting."


class ActionModule(ControllerAction):
    SPEC = {
        "host": {"type": "str", "required": True},
        "token": {"type": "str", "no_log": True},
        "username": {"type": "str"},
        "password": {"type": "str", "no_log": True},
        "validate_certs": {"type": "bool", "default": True},
        "objects": {"type": "list", "elements": "dict", "required": True, "options": OBJECT},
        "shown_path": {"type": "str"},
        "only_for_superusers": {"type": "bool", "default": False},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    }

    def tell(self, arguments: Arguments, task_vars: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        # Texts of Ansible know where they come from, and encrypted ones know their text; others write neither.
        plain = json.loads(json.dumps(arguments["objects"], default=str))
        described = [Described(**{name: given for name, given in item.items() if given is not None}) for item in plain]
        if arguments["only_for_superusers"]:
            described = [item for item in described if item.kind in FOR_SUPERUSERS]
        api = AwxApi(*(arguments[name] for name in ("host", "token", "username", "password", "validate_certs")))
        [user] = api.all("me")
        predicted = _walk(api, described, arguments, user, act=False)
        _require_rights(api, predicted, described, user)
        if self._task.check_mode or not predicted.steps:
            return _told(predicted)
        done = _walk(api, described, arguments, user, act=True)
        left = _walk(api, described, arguments, user, act=False)
        if left.steps:
            names = ", ".join(f"{step.title} ({', '.join(step.after or step.before)})" for step in left.steps)
            raise OpsmgrError(
                STEP, f"AWX took all changes and still differs: {names}", "Inspect these objects in AWX, then rerun"
            )
        return _told(done)


def _walk(
    api: AwxApi, described: t.Sequence[Described], arguments: Arguments, user: t.Mapping[str, t.Any], *, act: bool
) -> Walk:
    walk = Walk(api, act=act)
    present = arguments["state"] == "present"
    if present:
        walk.have(described)
    else:
        walk.remove(described)
    if arguments["shown_path"]:
        if user["is_superuser"]:
            walk.show_path(arguments["shown_path"], shown=present)
        else:
            walk.warnings.append(NOT_TOLD.format(path=arguments["shown_path"]))
    return walk


def _require_rights(
    api: AwxApi, predicted: Walk, described: t.Sequence[Described], user: t.Mapping[str, t.Any]
) -> None:
    """Refuse, before anything is changed, what AWX would refuse half way."""
    if user["is_superuser"]:
        return
    missing = [step.title for step in predicted.steps if step.for_superusers]
    if missing:
        found = f"nothing was changed: {user['username']} is not a superuser of AWX, and only a superuser may make or change {', '.join(missing)}"
        raise OpsmgrError(
            STEP,
            found,
            "Ask a superuser to run this once with awx_setup_only_for_superusers: true; then this login does the rest",
        )
    for item in described:
        if item.kind == "organizations":
            [organization] = api.all(item.kind, {"name": item.name})
            if not organization["summary_fields"]["user_capabilities"]["edit"]:
                found = f"nothing was changed: {user['username']} is not an administrator of the {item.title}"
                raise OpsmgrError(STEP, found, "Use the login of one, or of a superuser")


def _verb(step: ObjectChange) -> str:
    if not step.after:
        return "remove"
    if not step.before:
        return "make"
    return "change"


def _told(walk: Walk) -> dict[str, t.Any]:
    return {
        "changed": bool(walk.steps),
        "diff": [step.as_diff() for step in walk.steps],
        "steps": [f"{_verb(step)} {step.title}" for step in walk.steps],
        "warnings": walk.warnings,
    }
