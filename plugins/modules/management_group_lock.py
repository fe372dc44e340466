#!/usr/bin/python
# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module management_group_lock: one run at a time changes a management group."""

from __future__ import annotations

DOCUMENTATION = r"""
module: management_group_lock
short_description: Reserve a management group for one run at a time
version_added: 1.0.0
description:
  - Takes, renews and releases the lock of a management group. While a run holds it, every other run that asks for it is refused by name, on whichever
    controller it works.
  - The lock is a note on the operational database (an extended property of the database). It needs no table and keeps no connection open. Whoever reads the
    database sees it, and B(what a note says is not a secret).
  - A note says who holds the lock, on which controller, what for, and since when by the clock of the SQL Server.
  - B(A lock that was left by a dead run is taken over), and RV(taken_over_from) says whose it was and since when. A run is dead when its process is known to
    be gone, which only the same controller can tell, or else when its O(lease) is over. A run whose process works is never taken for dead.
  - A process that a killed run has left behind, because its last task has not ended, is waited for, O(patience) seconds.
  - Anything else takes a person who says so, with O(break_lock).
  - The roles of this collection hold the lock from before their first look to their last.
options:
  state:
    description:
      - V(held) takes the lock, or renews it when this run has it. It fails, and changes nothing, while another run has it.
      - V(released) lets it go. A lock of somebody else stays, and is not a failure.
      - V(observed) only looks. RV(problem) says then why V(held) would be refused.
    type: str
    choices: [held, released, observed]
    default: held
  purpose:
    description:
      - What the lock is taken for, in a few words. Others read it when they are refused.
      - Required with O(state=held).
    type: str
  target:
    description:
      - The server that all is about. The same run of Ansible may take the lock several times for the same target, and is refused for another.
      - Required with O(state=held).
    type: str
  run_id:
    description:
      - What a task before returned as RV(run_id).
      - With O(state=held), the lock must still be held by that run. If it is not, the task fails, because another run may have changed the group since.
    type: str
  lease:
    description:
      - Seconds after which the lock of a run counts as left, if it was not renewed and nobody can see whether its process still works.
    type: int
    default: 3600
  patience:
    description:
      - Seconds to wait for what a killed run has left behind on this controller.
    type: int
    default: 60
  break_lock:
    description:
      - RV(lock.run_id) of a lock that is held, as the refusal names it. This confirms that nothing of that run works any more.
      - A lock of another run is not touched by it.
    type: str
  holder:
    description:
      - Who takes the lock. The action plugin of the same name sets it.
    type: dict
    suboptions:
      user:
        description: The user, of AWX or of the controller.
        type: str
        required: true
      controller:
        description: The controller, and the job of AWX.
        type: str
        required: true
      process:
        description: The process that all tasks of a run of Ansible have in common; left out where processes cannot be told from each other.
        type: dict
extends_documentation_fragment:
  - opsmgr.recovery.sql_connection
  - opsmgr.recovery.attributes
attributes:
  check_mode:
    support: full
    details: It only looks. It fails when the lock could not be taken.
  diff_mode:
    support: none
  idempotent:
    support: partial
    details: A lock that this run has is renewed.
  platform:
    support: full
    platforms: posix
  action:
    support: full
    details: The action plugin says who holds the lock, and runs the module on the controller, unless the task has C(delegate_to).
  async:
    support: none
  bypass_host_loop:
    support: none
notes:
  - The login needs C(ALTER) on the operational database. O(state=observed) and check mode take no more than to read it.
seealso:
  - module: opsmgr.recovery.management_group_info
author:
  - opsmgr.recovery contributors (@opsmgr-recovery)
"""

EXAMPLES = r"""
- name: Change the management group, alone
  module_defaults:
    opsmgr.recovery.management_group_lock:
      server: sql1.odyssey.com
      login_user: ODYSSEY\opsadmin
      login_password: "{{ opsmgr_sql_password }}"
  block:
    - name: No other run changes this management group
      opsmgr.recovery.management_group_lock:
        purpose: restart of all services
        target: hydra
      register: lock

    - name: The work
      opsmgr.recovery.management_services:
        sdk_service: running
        config_service: running
        health_service: running
      delegate_to: hydra

    - name: It is still ours, for another hour
      opsmgr.recovery.management_group_lock:
        purpose: restart of all services
        target: hydra
        run_id: "{{ lock.run_id }}"
  always:
    - name: Others may change it again
      opsmgr.recovery.management_group_lock:
        state: released
        run_id: "{{ lock.run_id | default(omit, true) }}"

- name: Who works on this management group?
  opsmgr.recovery.management_group_lock:
    state: observed
    server: sql1.odyssey.com
    login_user: ODYSSEY\opsadmin
    login_password: "{{ opsmgr_sql_password }}"
"""

RETURN = r"""
held:
  description: Whether this run has the lock at the end; in check mode, whether it would have it.
  returned: always
  type: bool
  sample: true
taken:
  description:
    - Whether this task took the lock, or would take it.
    - V(false) when this run had it before. Whoever took it should release it.
  returned: always
  type: bool
  sample: true
run_id:
  description: What names this run while it has the lock, to be given to later tasks; else V(null).
  returned: always
  type: str
  sample: 3f0c9a5be1d27846
lock:
  description: The lock that counts at the end, whoever has it; V(null) when nobody has, or when it could not be read.
  returned: always
  type: dict
  contains:
    run_id:
      description: The run that has it. To be given to O(break_lock) by whoever is certain that nothing of that run works any more.
      type: str
      sample: 3f0c9a5be1d27846
    user:
      description: Who started that run. V(null), as all that follows, for a note that makes no sense to this version.
      type: str
      sample: opsadmin
    controller:
      description: Where it works.
      type: str
      sample: control1 (AWX job 4711)
    pid:
      description: Number of its process there; V(null) when it is not known.
      type: int
      sample: 4242
    purpose:
      description: What it does.
      type: str
      sample: failover
    target:
      description: The server that it is about.
      type: str
      sample: deathsting
    since:
      description: When it took the lock, in UTC by the clock of the SQL Server.
      type: str
      sample: '2026-01-31T02:03:04Z'
    until:
      description: When its lease is over, unless it is renewed.
      type: str
      sample: '2026-01-31T03:03:04Z'
  sample:
    run_id: 3f0c9a5be1d27846
    user: opsadmin
    controller: control1 (AWX job 4711)
    pid: 4242
    purpose: failover
    target: deathsting
    since: '2026-01-31T02:03:04Z'
    until: '2026-01-31T03:03:04Z'
taken_over_from:
  description: Whose the lock was, since when, and why it counts as left, as a sentence; V(null) when it was not taken over.
  returned: always
  type: str
  sample: >-
    The lock of the management group is taken over. It was left by opsadmin on controller control1, process 4242, for failover (target deathsting), since
    2026-01-31T02:03:04Z, and that process is gone.
problem:
  description: Why the lock cannot be had, as a sentence; V(null) when it can. It is what O(state=held) fails with.
  returned: always
  type: str
  sample: >-
    take the lock of the management group (a note on the database OperationsManager): it is held by opsadmin on controller control1, process 4242, for
    failover (target deathsting), since 2026-01-31T02:03:04Z, until 2026-01-31T03:03:04Z unless it is renewed (the SQL Server's clock, UTC). Wait until that
    run has ended. If it is certain that nothing of it works any more, rerun with break_lock: 3f0c9a5be1d27846 (for a playbook of this collection:
    -e opsmgr_break_lock=3f0c9a5be1d27846).
statements:
  description: The SQL statements that were sent. Values bound to them are not part of the text.
  returned: always
  type: list
  elements: str
  sample:
    - EXEC sys.sp_addextendedproperty @name = ?, @value = ?
started_at:
  description: When the task began, in UTC by the clock of the computer that it ran on.
  returned: always
  type: str
  sample: '2026-01-31T02:03:04Z'
elapsed_seconds:
  description: How long the task took.
  returned: always
  type: float
  sample: 0.2
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.opsmgr.recovery.plugins.module_utils.database_lock import (
    GroupLock,
    LockDeed,
    LockReport,
    LockRequest,
)
from ansible_collections.opsmgr.recovery.plugins.module_utils.group_lock import Run, lock_result, process_from
from ansible_collections.opsmgr.recovery.plugins.module_utils.sql_module import SqlWork, run_sql_module
from ansible_collections.opsmgr.recovery.plugins.module_utils.sql_options import (
    OptionProblem,
    SqlOptions,
    sql_connection_spec,
)
from ansible_collections.opsmgr.recovery.plugins.module_utils.sqlserver import connect

UNKNOWN: dict[str, Any] = {"user": "unknown", "controller": "unknown", "process": None}


class LockWork(SqlWork):
    """One run of the module: its result can be asked for at any time."""

    def __init__(self, params: dict[str, Any]) -> None:
        super().__init__(params)
        self._report = LockReport()

    @contextmanager
    def deed(self) -> Iterator[LockDeed]:
        options = SqlOptions.from_params(self._params)
        request = self._request()
        with connect(options) as connection:
            lock = GroupLock(connection, options.database, request)
            self._report = lock.report
            yield LockDeed(lock, self._params["state"])

    def _request(self) -> LockRequest:
        params = self._params
        who: dict[str, Any] = self._params["holder"] or UNKNOWN
        try:
            process = process_from(who["process"])
        except (ValueError, TypeError, LookupError) as error:
            raise OptionProblem(f"holder.process is not a process: {error}", "Leave holder out") from error
        run_id = params["run_id"] or secrets.token_hex(8)
        run = Run(run_id, who["user"], who["controller"], params["purpose"] or "", params["target"] or "", process)
        renews = bool(params["run_id"]) and params["state"] == "held"
        return LockRequest(run, params["lease"], params["patience"], renews, params["break_lock"])

    @property
    def has_changed(self) -> bool:
        return self._report.has_begun

    @property
    def result(self) -> dict[str, Any]:
        report = self._report
        run_id = None
        if report.held and report.lock is not None:
            run_id = report.lock.key
        return {
            "held": report.held,
            "taken": report.taken,
            "run_id": run_id,
            "lock": lock_result(report.lock),
            "taken_over_from": report.taken_over_from,
            "problem": report.problem,
            "statements": report.statements,
        }


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            sql_connection_spec(),
            state={"type": "str", "choices": ["held", "released", "observed"], "default": "held"},
            purpose={"type": "str"},
            target={"type": "str"},
            run_id={"type": "str"},
            lease={"type": "int", "default": 3600},
            patience={"type": "int", "default": 60},
            break_lock={"type": "str"},
            holder={
                "type": "dict",
                "options": {
                    "user": {"type": "str", "required": True},
                    "controller": {"type": "str", "required": True},
                    "process": {"type": "dict"},
                },
            },
        ),
        required_if=[("state", "held", ("purpose", "target"))],
        supports_check_mode=True,
    )
    run_sql_module(module, LockWork(module.params))


if __name__ == "__main__":
    main()
