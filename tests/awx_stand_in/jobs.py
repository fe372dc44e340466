# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What AWX makes of a job template when a job starts: the files below ``env`` of its private directory, and the
arguments of ansible-playbook.

As AWX 24.6.1 was seen to do it. Every text of a variable is written as ``!unsafe '<text>'``, but for a variable of the
job template itself that nobody answered otherwise. A field that is not filled in is an empty text, and secrets leave
AWX by files and by answers to prompts.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml
from jinja2.sandbox import ImmutableSandboxedEnvironment

from awx_stand_in.api import Api
from awx_stand_in.checks import Tree

SETTING = "ALLOW_JINJA_IN_EXTRA_VARS"


class _Marked(yaml.SafeDumper):
    """Writes every text, keys included, as one that Ansible must not take for a template."""

    def represent_data(self, data: Any) -> yaml.Node:
        return self.represent_scalar("!unsafe", data) if isinstance(data, str) else super().represent_data(data)


def variables_file(variables: Tree, trusted: Tree) -> str:
    """Extra variables as AWX writes them: one document's worth of lines for each, marked unless they are what is
    trusted.
    """
    lines = []
    for name, value in variables.items():
        dumper = yaml.SafeDumper if name in trusted and trusted[name] == value else _Marked
        lines.append(yaml.dump({name: value}, Dumper=dumper, default_flow_style=False))
    return "".join(lines)


@dataclass
class Start:
    """How a job is started: the arguments, which AWX keeps and shows, and what ansible-runner answers to prompts, which
    it does not.
    """

    playbook: str
    arguments: list[str] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)


def start(awx: Api, template_name: str, private: Path, answers: Tree, meta: Mapping[str, Any]) -> Start:
    """Write what a job reads below its private directory. `answers` are those to the survey, `meta` what AWX tells each
    job about itself.
    """
    template = awx.named("job_templates", template_name)
    own = json.loads(template["extra_vars"] or "{}")
    started = Start(template["playbook"], ["--check"] if template["job_type"] == "check" else [])
    (private / "env").mkdir(parents=True, exist_ok=True)
    trusted = own if awx.settings[SETTING] == "template" else {}
    (private / "env" / "extravars").write_text(variables_file({**own, **answers, **meta}, trusted), encoding="utf-8")
    held = [
        awx.objects["credentials"][number] for number in awx.members("job_templates", template["id"], "credentials")
    ]
    kinds = [awx.objects["credential_types"][credential["credential_type"]] for credential in held]
    users = [
        credential["inputs"].get("username") or "root"
        for credential, kind in zip(held, kinds, strict=True)
        if kind["name"] == "Machine"
    ]
    started.arguments += ["-u", *(users or ["root"])]
    for credential, kind in zip(held, kinds, strict=True):
        if kind["managed"]:
            _answer_prompts(credential["inputs"], started)
        else:
            _inject(kind, credential["inputs"], private, started)
    started.arguments += [f"--forks={template['forks']}"] if template["forks"] else []
    started.arguments += ["-l", template["limit"]] if template["limit"] else []
    started.arguments += ["-t", template["job_tags"]] if template["job_tags"] else []
    return started


def _answer_prompts(inputs: Mapping[str, str], started: Start) -> None:
    """The kinds that AWX brings along: Machine and Vault."""
    if inputs.get("password"):
        started.arguments.append("--ask-pass")
        started.answers[r"SSH password:\s*?$"] = inputs["password"]
    if inputs.get("vault_password"):
        started.arguments.append("--ask-vault-pass")
        started.answers[r"Vault password:\s*?$"] = inputs["vault_password"]


def _inject(kind: Tree, inputs: Mapping[str, str], private: Path, started: Start) -> None:
    variables = _injected(kind, inputs, private)
    if variables:
        started.arguments += ["-e", f"@{_put(private, variables_file(variables, {}))}"]


def injected(awx: Api, kind: str, inputs: Mapping[str, str], private: Path) -> dict[str, str]:
    """The variables of a credential of this type; its files are written."""
    return _injected(awx.named("credential_types", kind), inputs, private)


def _injected(kind: Tree, inputs: Mapping[str, str], private: Path) -> dict[str, str]:
    environment = ImmutableSandboxedEnvironment()
    names: dict[str, Any] = {name: given for name, given in inputs.items() if given}
    files = SimpleNamespace(filename=SimpleNamespace())
    for label, template in kind["injectors"].get("file", {}).items():
        path = _put(private, environment.from_string(template).render(names))
        if "." in label:
            setattr(files.filename, label.partition(".")[2], path)
        else:
            files.filename = path
    names["tower"] = files
    return {
        environment.from_string(name).render(names): environment.from_string(template).render(names)
        for name, template in kind["injectors"].get("extra_vars", {}).items()
    }


def _put(private: Path, content: str) -> str:
    """A file under a name that nobody knows beforehand, for its owner only."""
    with tempfile.NamedTemporaryFile("w", dir=private / "env", delete=False, encoding="utf-8") as file:
        file.write(content)
    return file.name
