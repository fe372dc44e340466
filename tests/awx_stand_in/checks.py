# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What AWX checks beyond single fields. Each check raises Refused with what AWX answers."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from jinja2 import meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

from awx_stand_in.kinds import Field

Tree = dict[str, Any]
FIELD_KEYS = {
    "type",
    "format",
    "choices",
    "id",
    "label",
    "help_text",
    "multiline",
    "secret",
    "ask_at_runtime",
    "default",
}
INJECTORS = {"file", "env", "extra_vars"}
QUESTION_TYPES: Mapping[str, tuple[type, ...]] = {
    "text": (str,), "textarea": (str,), "password": (str,), "multiplechoice": (str,), "multiselect": (str,), "integer": (int,), "float": (float, int),
}  # fmt: skip
MOUNTS = ("z", "O", "ro", "rw")


class Refused(Exception):
    """A request that AWX answers with an error."""

    def __init__(self, answer: Tree, status: int = 400) -> None:
        super().__init__(json.dumps(answer))
        self.answer = answer
        self.status = status


def is_a(given: Any, wanted: type) -> bool:
    """Whether JSON would call it that: a boolean is no number there."""
    return isinstance(given, wanted) and isinstance(given, bool) == (wanted is bool)


def value(name: str, field: Field, given: Any) -> None:
    """A single value has the type of its field and is one of its choices."""
    if given is None and field.default is None and not field.required:
        return
    if not is_a(given, field.type):
        raise Refused({name: [f"Not a valid {field.type.__name__}: {given!r}"]})
    if field.choices and given not in field.choices:
        raise Refused({name: [f'"{given}" is not a valid choice.']})
    if field.required and given == "":
        raise Refused({name: ["This field may not be blank."]})


def credential_type(inputs: Tree, injectors: Tree) -> None:
    """Fields and injectors have the form that AWX wants, and injectors use fields that are there."""
    fields = inputs.get("fields", [])
    names = {field.get("id") for field in fields}
    for field in fields:
        if (
            set(field) - FIELD_KEYS
            or "label" not in field
            or not re.fullmatch("[a-zA-Z_][a-zA-Z0-9_]*", str(field.get("id")))
        ):
            raise Refused({"inputs": [f"Not a valid field: {field}"]})
        field.setdefault("type", "string")
    if (
        set(inputs) - {"fields", "required"}
        or not names >= set(inputs.get("required", []))
        or len(names) != len(fields)
    ):
        raise Refused({"inputs": ["Unknown keys, unknown required fields, or a field twice."]})
    if set(injectors) - INJECTORS:
        raise Refused({"injectors": [f"Unknown: {sorted(set(injectors) - INJECTORS)}"]})
    environment = ImmutableSandboxedEnvironment()
    for templates in injectors.values():
        for key, template in templates.items():
            unknown = (
                meta.find_undeclared_variables(environment.parse(template))
                - names
                - ({"tower"} if "file" in injectors else set())
            )
            if unknown or not template:
                raise Refused({"injectors": [f"{key} uses an undefined field ({unknown})"]})


def credential(inputs: Tree, kind: Tree) -> None:
    """All inputs are fields of the credential's type."""
    unknown = set(inputs) - {field["id"] for field in kind["inputs"].get("fields", [])}
    if unknown:
        raise Refused({"inputs": [f"Additional properties are not allowed ({unknown} were unexpected)"]})
    if [name for name, given in inputs.items() if not isinstance(given, str)]:
        raise Refused({"inputs": ["secret values must be of type string"]})


def extra_vars(given: str) -> None:
    """Variables are a dictionary, as JSON."""
    if given and not isinstance(json.loads(given), dict):
        raise Refused({"extra_vars": ["Must be a dictionary."]})


def survey(spec: Tree) -> None:
    """A survey has a name, a description and well-formed questions."""
    if not isinstance(spec.get("name"), str) or not isinstance(spec.get("description"), str) or not spec.get("spec"):
        raise Refused({"error": "Field 'name', 'description' or 'spec' is missing from survey spec."})
    names = [question.get("variable") for question in spec["spec"]]
    if len(set(names)) != len(names):
        raise Refused({"error": "'variable' duplicated in survey question."})
    for question in spec["spec"]:
        _question(question)


def _question(question: Tree) -> None:
    texts = [question.get(name) for name in ("type", "question_name", "variable")]
    if not all(isinstance(given, str) and given for given in texts) or not is_a(question.get("required"), bool):
        raise Refused({"error": f"missing from survey question {question}"})
    if question["type"] not in QUESTION_TYPES:
        raise Refused({"error": f"'{question['type']}' is not one of the allowed question types."})
    if "default" in question and not isinstance(question["default"], QUESTION_TYPES[question["type"]]):
        raise Refused({"error": f"Default value in survey question {question} expected to be {question['type']}."})
    if [name for name in ("min", "max") if not is_a(question.get(name, 0), int)]:
        raise Refused({"error": f"The min or max limit in survey question {question} expected to be integer."})
    if question["type"].startswith("multi") and question.get(
        "default", question.get("choices", [None])[0]
    ) not in question.get("choices", []):
        raise Refused(
            {"error": f"Survey question {question} must specify choices, and the default must be one of them."}
        )


def rrule(given: str) -> None:
    """A recurrence rule has one start with a time zone and an interval in each rule."""
    starts = re.findall(r"DTSTART(?:;TZID=[^:]+:[0-9]{8}T[0-9]{6}|:[0-9]{8}T[0-9]{6}Z)", given)
    rules = re.findall(r"RULE:\S*", given)
    if len(starts) != 1 or not rules or [rule for rule in rules if "INTERVAL=" not in rule]:
        raise Refused({"rrule": ["Valid DTSTART required in rrule, and INTERVAL in each of its rules."]})


def shown_paths(paths: Any) -> None:
    """Directories shown to jobs have the form HOST-DIR[:CONTAINER-DIR[:OPTIONS]]."""
    for path in paths:
        parts = path.split(":")
        if (
            len(parts) > 3
            or not all(part.startswith("/") for part in parts[:2])
            or (parts[2:3] and parts[2] not in MOUNTS)
        ):
            raise Refused({"AWX_ISOLATION_SHOW_PATHS": [f"{path} is not a valid path choice."]})
