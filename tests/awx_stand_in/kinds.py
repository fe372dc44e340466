# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of objects, as tables: fields, what is required, what refers to what, and what belongs together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Field:
    """One field: the Python type of its JSON value, and the value that AWX gives it when it is left out."""

    type: type
    default: Any = None
    required: bool = False
    refers: str = ""
    """Collection that holds the object whose id this is."""
    choices: tuple[Any, ...] = ()
    read_only: bool = False
    """Taken and not heeded, as AWX does."""
    fixed: bool = False
    """Cannot be changed once the object is there."""


def text(default: str | None = "", **options: Any) -> Field:
    return Field(str, default, **options)


def flag(default: bool = False, **options: Any) -> Field:
    return Field(bool, default, **options)


def number(default: int | None = 0) -> Field:
    return Field(int, default)


def link(collection: str, **options: Any) -> Field:
    return Field(int, None, refers=collection, **options)


@dataclass(frozen=True)
class Kind:
    """A collection: the type of its objects, their fields, and the collections whose objects can be associated, by the
    name of the list.
    """

    type: str
    fields: Mapping[str, Field]
    unique: tuple[str, ...]
    lists: Mapping[str, str] = field(default_factory=dict)
    related: tuple[str, ...] = ()
    """Other addresses below an object."""
    roles: tuple[str, ...] = ()
    """What somebody may be to it."""


NAMED = {"name": text(None, required=True), "description": text()}
ORGANIZATION = link("organizations")
NODES = "workflow_job_template_nodes"
ASKS = {
    f"ask_{what}_on_launch": flag()
    for what in (
        "scm_branch", "diff_mode", "variables", "limit", "tags", "skip_tags", "job_type", "verbosity", "inventory", "credential", "execution_environment",
        "labels", "forks", "job_slice_count", "timeout", "instance_groups",
    )
}  # fmt: skip
TOLD = {f"notification_templates_{when}": "notification_templates" for when in ("started", "success", "error")}
JOB_TYPES = ("run", "check")

KINDS: Mapping[str, Kind] = {
    "organizations": Kind("organization", {**NAMED, "max_hosts": number()}, ("name",)),
    "instance_groups": Kind("instance_group", NAMED, ("name",)),
    "labels": Kind("label", {**NAMED, "organization": ORGANIZATION}, ("name", "organization")),
    "execution_environments": Kind(
        "execution_environment",
        {
            **NAMED,
            "image": text(None, required=True),
            "organization": link("organizations", fixed=True),
            "credential": link("credentials"),
            "pull": text(choices=("always", "missing", "never", "")),
        },
        ("name",),
    ),
    "projects": Kind(
        "project",
        {
            **NAMED,
            "organization": ORGANIZATION,
            "scm_type": text(choices=("", "git", "svn", "insights", "archive")),
            "scm_url": text(),
            "scm_branch": text(),
            "scm_refspec": text(),
            "local_path": text(),
            "credential": link("credentials"),
            "scm_update_on_launch": flag(),
            "allow_override": flag(),
            "timeout": number(),
        },
        ("name", "organization"),
        TOLD,
    ),
    "inventories": Kind(
        "inventory",
        {
            **NAMED,
            "organization": link("organizations", required=True),
            "kind": text(choices=("", "smart", "constructed")),
            "host_filter": text(None),
            "variables": text(),
        },
        ("name", "organization"),
    ),
    "inventory_sources": Kind(
        "inventory_source",
        {
            **NAMED,
            "inventory": link("inventories", required=True, fixed=True),
            "organization": link("organizations", read_only=True),
            "source": text(None, required=True, choices=("scm",)),
            "source_project": link("projects"),
            **{
                name: text()
                for name in ("source_path", "source_vars", "host_filter", "enabled_var", "enabled_value", "limit")
            },
            **{name: flag() for name in ("overwrite", "overwrite_vars", "update_on_launch")},
            "credential": link("credentials"),
            "timeout": number(),
        },
        ("name", "inventory"),
        TOLD,
        ("update",),
    ),
    "credential_types": Kind(
        "credential_type",
        {
            **NAMED,
            "kind": text(None, required=True, choices=("cloud", "net")),
            "managed": flag(read_only=True),
            "inputs": Field(dict, {}),
            "injectors": Field(dict, {}),
        },
        ("name", "kind"),
    ),
    "credentials": Kind(
        "credential",
        {
            **NAMED,
            "organization": link("organizations", required=True),
            "credential_type": link("credential_types", required=True),
            "inputs": Field(dict, {}),
        },
        ("name", "organization", "credential_type"),
    ),
    "notification_templates": Kind(
        "notification_template",
        {
            **NAMED,
            "organization": link("organizations", required=True),
            "notification_type": text(
                None, required=True, choices=("email", "slack", "webhook", "mattermost", "grafana")
            ),
            "notification_configuration": Field(dict, {}),
        },
        ("name", "organization"),
    ),
    "teams": Kind(
        "team",
        {**NAMED, "organization": link("organizations", required=True)},
        ("name", "organization"),
        {"roles": "roles"},
    ),
    "job_templates": Kind(
        "job_template",
        {
            **NAMED,
            **ASKS,
            "job_type": text("run", choices=JOB_TYPES),
            "organization": link("organizations", read_only=True),
            "inventory": link("inventories", required=True),
            "project": link("projects", required=True),
            "playbook": text(None, required=True),
            "execution_environment": link("execution_environments"),
            "forks": number(),
            **{
                name: text()
                for name in (
                    "scm_branch",
                    "limit",
                    "extra_vars",
                    "job_tags",
                    "skip_tags",
                    "start_at_task",
                    "host_config_key",
                    "webhook_service",
                )
            },
            **{
                name: flag()
                for name in (
                    "survey_enabled",
                    "diff_mode",
                    "allow_simultaneous",
                    "become_enabled",
                    "force_handlers",
                    "use_fact_cache",
                )
            },
            "prevent_instance_group_fallback": flag(),
            "verbosity": Field(int, 0, choices=(0, 1, 2, 3, 4, 5)),
            "timeout": number(),
            "job_slice_count": number(1),
        },
        ("name", "organization"),
        {**TOLD, "credentials": "credentials", "instance_groups": "instance_groups", "labels": "labels"},
        ("survey_spec", "launch"),
        ("admin", "execute", "read"),
    ),
    "workflow_job_templates": Kind(
        "workflow_job_template",
        {
            **NAMED,
            "organization": ORGANIZATION,
            "extra_vars": text(),
            "survey_enabled": flag(),
            "allow_simultaneous": flag(),
            **{name: text() for name in ("limit", "job_tags", "skip_tags", "scm_branch", "webhook_service")},
            **{
                f"ask_{what}_on_launch": flag()
                for what in ("variables", "limit", "inventory", "scm_branch", "labels", "tags", "skip_tags")
            },
        },
        ("name", "organization"),
        {**TOLD, "labels": "labels", "notification_templates_approvals": "notification_templates"},
        ("survey_spec", "launch"),
        ("admin", "execute", "read", "approval"),
    ),
    NODES: Kind(
        "workflow_job_template_node",
        {
            "identifier": text(None, required=True),
            "workflow_job_template": link("workflow_job_templates", required=True, fixed=True),
            "organization": link("organizations", read_only=True),
            "unified_job_template": link("unified_job_templates"),
            "extra_data": Field(dict, {}),
            "all_parents_must_converge": flag(),
        },
        ("identifier", "workflow_job_template"),
        {"success_nodes": NODES, "failure_nodes": NODES, "always_nodes": NODES, "credentials": "credentials"},
        ("create_approval_template",),
    ),
    "workflow_approval_templates": Kind("workflow_approval_template", {**NAMED, "timeout": number()}, ()),
    "schedules": Kind(
        "schedule",
        {
            **NAMED,
            "rrule": text(None, required=True),
            "unified_job_template": link("unified_job_templates", required=True),
            "enabled": flag(True),
            "extra_data": Field(dict, {}),
            "limit": text(None),
        },
        ("name", "unified_job_template"),
    ),
}
UNIFIED = ("projects", "inventory_sources", "job_templates", "workflow_job_templates", "workflow_approval_templates")
"""What a schedule or a node can start. These share one sequence of ids, as in AWX."""
