# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""rms_failover_plan: what a failover would do and everything that stands in its way. Runs on the controller, changes
nothing.
"""

from __future__ import annotations

import os
import typing as t
from dataclasses import fields

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import CONTROLLER, OpsmgrError, error_sentence
from ansible_collections.opsmgr.recovery.plugins.module_utils.optional import if_known
from ansible_collections.opsmgr.recovery.plugins.module_utils.utc import now_text
from ansible_collections.opsmgr.recovery.plugins.module_utils.versions import ServerVersion
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.actions.controller import Arguments, ControllerAction
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.awx.job_storage import lost_with_job
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.key_escrow import (
    ESCROW_SPEC,
    PRIVATE_KEY_SPEC,
    SIGNING_SPEC,
    TRUST_SPEC,
    describe,
    fitting_backup,
    open_backup,
    open_escrow,
    private_key_from,
    seal_for_writing,
    signer_from,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.writability import (
    attempts,
    directory_problems,
    password_problems,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.failover import (
    DISASTER,
    PLANNED,
    STEP,
    FailoverRequest,
    Plan,
    make_plan,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.failover_result import (
    PlannedFailover,
    without_arguments,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.observation import Observation

# Its variables are named in what this says.
ROLE = "rms_failover"
# ansible-runner, and so AWX, plays in a terminal that nobody sits at, and sets this variable of the environment.
RUNNER_VARIABLE = "AWX_ISOLATED_DATA_DIR"


class ActionModule(ControllerAction):
    SPEC = {
        **ESCROW_SPEC,
        **PRIVATE_KEY_SPEC,
        **TRUST_SPEC,
        **SIGNING_SPEC,
        "target": {"type": "str", "required": True},
        "mode": {"type": "str", "default": PLANNED, "choices": [PLANNED, DISASTER]},
        "management_group": {"type": "str"},
        "inventory_rms": {"type": "list", "elements": "str", "default": []},
        "servers": {"type": "list", "elements": "dict", "required": True},
        "database": {"type": "dict", "required": True},
        "delete_existing_rms": {"type": "bool", "default": True},
        "data_warehouse_workaround": {"type": "bool", "default": True},
        "cluster_nodes": {"type": "list", "elements": "str", "default": []},
        "virtual_server": {"type": "str"},
        "old_rms_is_off": {"type": "bool", "default": False},
        "confirm": {"type": "str"},
        "sql_server": {"type": "str", "default": FailoverRequest.sql_server},
        "database_backup": {"type": "bool", "default": True},
        "reporting_servers": {"type": "list", "elements": "str", "default": []},
        "web_consoles": {"type": "list", "elements": "str", "default": []},
        "consoles": {"type": "list", "elements": "str", "default": []},
        "report": {"type": "path"},
        "lock": {"type": "dict", "default": {}},
    }

    def tell(self, arguments: Arguments, task_vars: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        request = FailoverRequest(**{each.name: arguments[each.name] for each in fields(FailoverRequest)})
        seen = without_arguments(arguments)
        observation = Observation.from_results(seen)
        plan = make_plan(request, observation)
        plan.problems += _report(arguments["report"])
        plan.problems += _not_locked(arguments["lock"], observation.database)
        backup = None
        if plan.promotion_needed:
            plan.remarks += _passing(arguments["escrow"])
            backup, problems = _key(request, observation, arguments)
            # What cannot open a seal is found twice: by itself, and with the backup to be opened.
            plan.problems += [problem for number, problem in enumerate(problems) if problem not in problems[:number]]
            if arguments["confirm"] is not None:
                plan.problems += _unconfirmed(plan, arguments["confirm"], check_mode=bool(self._task.check_mode))
        return {**PlannedFailover(plan, request, seen, now_text()).as_result(), "backup": backup}


def _unconfirmed(plan: Plan, confirmed: str, *, check_mode: bool) -> list[str]:
    """Why the promotion is not confirmed, where nobody will be asked for it."""
    target = plan.new_rms
    if confirmed not in ("", target):
        found = f"rms_failover_confirm is '{confirmed}', and the server to promote is {target}"
        return [_problem(found, f"If the role is to move there, set it to {target}")]
    if confirmed or check_mode or not os.environ.get(RUNNER_VARIABLE):
        return []
    advice = f"Set rms_failover_confirm to {target} if the role is to move to {target}"
    return [_problem("the promotion is not confirmed, and there is nobody to ask", advice)]


def _key(
    request: FailoverRequest, observation: Observation, arguments: Arguments
) -> tuple[dict[str, t.Any] | None, list[str]]:
    """What stands in the way of the key: the password, the escrow, the seal, and in a disaster the backup itself."""
    problems = [
        *password_problems(arguments, STEP, ROLE),
        *attempts(lambda: seal_for_writing(arguments["seal_passphrase"]), lambda: private_key_from(arguments)),
    ]
    escrow_problems = directory_problems(arguments["escrow"], STEP, ROLE)
    if request.mode == PLANNED:
        return None, [*problems, *attempts(lambda: signer_from(arguments)), *escrow_problems]
    if not arguments["escrow"]:
        return None, [*problems, *escrow_problems]
    server = observation.told_by(request.target)
    group = request.management_group or server.get("management_group")
    if group is None:
        return None, problems
    try:
        escrow = open_escrow(arguments["escrow"], arguments["trusted_signers"])
        entry = fitting_backup(escrow, group, if_known(ServerVersion.parse, server.get("version") or None))
        open_backup(escrow, entry, arguments["seal_passphrase"], private_key_from(arguments))
    except OpsmgrError as error:
        return None, [*problems, error.sentence(CONTROLLER)]
    return describe(entry), problems


def _passing(directory: str | None) -> list[str]:
    """That the escrow is lost with a job of AWX. It stops no failover, because the key is on the server by then."""
    why = directory and lost_with_job(directory)
    if not why:
        return []
    advice = "Back up the key of the new RMS with rms_key_backup, into an escrow that is kept"
    return [_problem(f"the escrow {directory} is lost with this job: {why.rstrip('.')}", advice)]


def _not_locked(lock: t.Mapping[str, t.Any], database: t.Mapping[str, t.Any]) -> list[str]:
    """Why the management group is not reserved for this run. A database that does not answer is a problem of its own."""
    answered = lock.get("problem") or database.get("reachable")
    return [str(lock["msg"])] if answered and lock.get("msg") else []


def _report(path: str | None) -> list[str]:
    """Why the report cannot be written."""
    if path is None:
        return []
    directory = os.path.dirname(os.path.abspath(path))
    if not path.endswith(".html"):
        found = "its name does not end in .html"
    elif os.path.isdir(path):
        found = "it is a directory"
    elif not os.path.isdir(directory) or not os.access(directory, os.W_OK | os.X_OK):
        found = f"{directory} is not a directory that this user may write to"
    else:
        return []
    return [
        _problem(
            f"the report {path} cannot be written: {found}",
            "Set rms_failover_report to a file that can be, or leave it out",
        )
    ]


def _problem(found: str, what_to_do: str) -> str:
    return error_sentence(CONTROLLER, STEP, found, what_to_do)
