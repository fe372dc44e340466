#!/usr/bin/python
# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module service_broker: Service Broker of the operational database is on, and the database in MULTI_USER."""

from __future__ import annotations

DOCUMENTATION = r"""
module: service_broker
short_description: Turn on Service Broker of the operational database
version_added: 1.0.0
description:
  - Makes sure that Service Broker of the operational database of Operations Manager 2007 is on, and that the database is in V(MULTI_USER). Without
    the broker, discovery and tasks do not work; it is off after a restore.
  - Turning it on needs the database alone. Stop C(OMSDK) and C(OMCFG) of the RMS and C(HealthService) of all management servers first, and
    everything else that uses the database. When nobody is in it, one statement turns the broker on, and that is all.
  - When others are in it, their sessions are ended and their open transactions rolled back by V(SINGLE_USER). OpsMgr services connect again at
    once.
  - One session goes from V(SINGLE_USER) to V(MULTI_USER) then. When it fails, is lost, or the task is ended (SIGTERM), the database is brought back to
    V(MULTI_USER), with as many tries as O(timeout) allows, but for at least 30 seconds. When even that fails, the message says what state was left, who is in
    the database, and which statement to type.
  - A database that a run of this collection closed, and left so because it was killed (SIGKILL), is brought to V(MULTI_USER), with the broker on or off.
    One that somebody else closed is opened only with O(reopen=anybodys).
  - Nobody's session is ended by C(KILL). Who holds the only seat of a database in V(SINGLE_USER) is waited for until O(timeout), and then named.
options:
  new_broker:
    description:
      - Whether the database may get a new broker id when another database of the server has the same one and its broker on (error 9772). That is so
        when one was restored from a backup of the other.
      - A NEW ID DROPS ALL OPEN CONVERSATIONS of the database.
      - When V(false), such a database is an error and nothing is lost. When no other database has the id, both values do the same.
    type: bool
    default: false
  timeout:
    description:
      - Seconds that the repair may take, waiting for others included. After that nothing new is tried.
      - A statement that waits in vain is cancelled. The message names it, the seconds, and who was in the database.
      - Rolling back the transactions of others is part of it, and can take as long as they did.
    type: int
    default: 120
extends_documentation_fragment:
  - opsmgr.recovery.sql_connection
  - opsmgr.recovery.reopen
  - opsmgr.recovery.attributes
attributes:
  check_mode:
    support: full
    details: It reads everything that decides, and predicts the statements. It cannot predict who enters the database, or takes its only seat, meanwhile.
  diff_mode:
    support: full
  idempotent:
    support: full
    details: With the broker on and the database in V(MULTI_USER) nothing is sent that changes anything, O(new_broker=true) included.
  platform:
    support: full
    platforms: posix
  action:
    support: full
    details:
      - The work is an ordinary module's. Its action runs the module on the controller, unless the task has C(delegate_to), and lets no file hold
        O(login_password), whatever C(pipelining) and C(ANSIBLE_KEEP_REMOTE_FILES) say.
  async:
    support: partial
    details: Only with C(delegate_to), and not together with O(login_password), which ansible-core would write into a file then. Ending the job
      with SIGTERM brings the database back to V(MULTI_USER) first.
  bypass_host_loop:
    support: none
notes:
  - Before the database is closed, a note on it says so, an extended property of the database. It is removed when the database is open again.
  - Whoever enters the database while one statement alone turns the broker on makes it wait. After 10 seconds at most it is cancelled, and the sessions of
    others are ended.
  - The login must be a member of C(sysadmin), the owner of the database, or have C(ALTER) on it.
  - To see whose sessions are in the way it needs C(VIEW SERVER STATE).
seealso:
  - module: opsmgr.recovery.management_group_info
  - module: opsmgr.recovery.management_services
  - module: opsmgr.recovery.database_restore
author:
  - opsmgr.recovery contributors (@opsmgr-recovery)
"""

EXAMPLES = r"""
- name: Turn on Service Broker
  opsmgr.recovery.service_broker:
    server: sql1.odyssey.com
    login_user: ODYSSEY\sqladmin
    login_password: "{{ opsmgr_sql_password }}"

- name: The same for a copy that was restored beside the original
  opsmgr.recovery.service_broker:
    server: sql1.odyssey.com
    database: OperationsManager_Copy
    new_broker: true
    timeout: 300
    login_user: ODYSSEY\sqladmin
    login_password: "{{ opsmgr_sql_password }}"
"""

RETURN = r"""
database:
  description: Name of the database.
  returned: always
  type: str
  sample: OperationsManager
before:
  description: State at the start, in SQL Server's own words; V(null) when it could not be read.
  returned: always
  type: dict
  sample: {state: ONLINE, user_access: MULTI_USER, is_broker_enabled: false}
after:
  description: State at the end, read back over a fresh connection; in check mode the predicted one. V(null) when it could not be read.
  returned: always
  type: dict
  sample: {state: ONLINE, user_access: MULTI_USER, is_broker_enabled: true}
closed_by_us:
  description:
    - Whether the database was found in V(SINGLE_USER) and a run of this collection had set it so. V(false) for one that is open to all.
    - V(null) when it cannot be told, because the only seat in the database is taken, or when it was not asked.
  returned: always
  type: bool
  sample: false
sessions:
  description:
    - The sessions in the database before anything was changed, as far as this login may see them. They are the ones that are ended; when
      there are none, the database is not closed.
    - V(null) when nothing had to be changed, or they could not be read.
  returned: always
  type: list
  elements: dict
  contains:
    number:
      description: Number of the session.
      type: int
      sample: 53
    login:
      description: Its login.
      type: str
      sample: ODYSSEY\svc-sdk
    program:
      description: The program, as it calls itself.
      type: str
      sample: OpsMgr SDK Service
    host:
      description: The computer that it comes from.
      type: str
      sample: HYDRA
  sample:
    - {number: 53, login: ODYSSEY\svc-sdk, program: OpsMgr SDK Service, host: HYDRA}
statements:
  description:
    - The SQL statements that were sent, the reading ones included. Values bound to them are not part of the text.
    - In check mode, those that would change something.
  returned: always
  type: list
  elements: str
  sample:
    - USE [OperationsManager]
    - EXEC [OperationsManager].sys.sp_addextendedproperty @name = ?, @value = ?
    - ALTER DATABASE [OperationsManager] SET SINGLE_USER WITH ROLLBACK IMMEDIATE
    - ALTER DATABASE [OperationsManager] SET ENABLE_BROKER
    - ALTER DATABASE [OperationsManager] SET MULTI_USER
    - EXEC [OperationsManager].sys.sp_dropextendedproperty @name = ?
started_at:
  description: When the task began, in UTC by the clock of the computer that it ran on.
  returned: always
  type: str
  sample: '2026-01-31T02:03:04Z'
elapsed_seconds:
  description: How long the task took.
  returned: always
  type: float
  sample: 27.9
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.opsmgr.recovery.plugins.module_utils.broker import BrokerRepair, BrokerReport, state_result
from ansible_collections.opsmgr.recovery.plugins.module_utils.closed_database import reopen_spec
from ansible_collections.opsmgr.recovery.plugins.module_utils.sessions import sessions_result
from ansible_collections.opsmgr.recovery.plugins.module_utils.sql_module import SqlWork, run_sql_module
from ansible_collections.opsmgr.recovery.plugins.module_utils.sql_options import SqlOptions, sql_connection_spec


class BrokerWork(SqlWork):
    """One run of the module: its result can be asked for at any time."""

    after_interruption = "see after for the state that the database is in"

    def __init__(self, params: dict[str, Any]) -> None:
        super().__init__(params)
        self._report = BrokerReport()

    @contextmanager
    def deed(self) -> Iterator[BrokerRepair]:
        options, params = SqlOptions.from_params(self._params), self._params
        repair = BrokerRepair(
            options, new_broker=params["new_broker"], seconds=params["timeout"], reopen=params["reopen"]
        )
        self._report = repair.report
        yield repair

    @property
    def has_changed(self) -> bool:
        return self._report.before != self._report.after

    @property
    def result(self) -> dict[str, Any]:
        report = self._report
        before, after = state_result(report.before), state_result(report.after)
        return {
            "database": self._params["database"],
            "before": before,
            "after": after,
            "closed_by_us": report.closed_by_us,
            "sessions": sessions_result(report.sessions),
            "statements": report.statements,
            "diff": {"before": before or {}, "after": after or {}},
        }


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            sql_connection_spec(),
            **reopen_spec(),
            new_broker={"type": "bool", "default": False},
            timeout={"type": "int", "default": 120},
        ),
        supports_check_mode=True,
    )
    run_sql_module(module, BrokerWork(module.params))


if __name__ == "__main__":
    main()
