#!/usr/bin/python
# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module database_restore: the operational database comes from this backup, and is in use by nobody but OpsMgr."""

from __future__ import annotations

DOCUMENTATION = r"""
module: database_restore
short_description: Restore the operational database from a file on the SQL Server
version_added: 1.0.0
description:
  - Restores the operational database from a full backup, and makes sure that it is V(ONLINE) and in V(MULTI_USER) afterwards.
  - Before anything is changed it reads the backup's header and its list of files, decides where the files go, checks that no file of another database is in
    the way, checks the free space where the server tells it, and reads the whole backup once (O(verify)).
  - A database that exists is overwritten only when O(overwrite) allows it, and one that is in use only with O(disconnect).
  - A database that is V(RESTORING) is restored over without being asked, because an interrupted restore leaves one like that. SQL Server itself
    refuses that with the backup of another database.
  - A database that is closed (V(SINGLE_USER), V(RESTRICTED_USER)) is neither overwritten nor opened unless a run of this collection closed it, or the restore
    of a backup that was made in V(SINGLE_USER); see O(reopen).
  - The lock of the management group (M(opsmgr.recovery.management_group_lock)) is not a part of a backup. Whoever holds it before the restore holds it
    afterwards.
  - Service Broker is off after most restores. RV(after) tells, and M(opsmgr.recovery.service_broker) turns it on.
options:
  path:
    description: Full path of the backup file, as the SQL Server sees it.
    type: str
    required: true
  position:
    description:
      - Which backup of the file, from 1.
      - When left out, the last full backup of a database in the file.
    type: int
  management_group:
    description:
      - Name of the management group that the database belongs to.
      - After the restore, a database of another group is an error. Whose backup it is cannot be told before.
      - When left out, that is not checked.
    type: str
  overwrite:
    description:
      - Whether a database that exists may be overwritten. EVERYTHING IN IT IS LOST then.
      - V(never) refuses.
      - V(fresh) overwrites only what its content proves to be the database of O(management_group), which is required with it, as a new setup makes it. It was
        created after the backup was finished, it does not come from the same database as the backup, and it knows no server and no agent but O(fresh_servers).
        Each proof that fails is named.
      - V(same_group) overwrites the database of O(management_group), which is required with it, and refuses any other and one whose group cannot be read.
      - V(any) overwrites whatever is there.
    type: str
    choices: [never, fresh, same_group, any]
    default: never
  fresh_servers:
    description:
      - Names of the servers that the database may know with O(overwrite=fresh), with or without their domains. These are the servers that were set up with it,
        and the virtual server of a cluster.
    type: list
    elements: str
    default: []
  disconnect:
    description:
      - Whether the sessions of others are ended, and their open transactions rolled back. The database is taken offline for that, so that nobody gets
        back in; when the restore then fails before it began, it is brought online again.
      - When V(false), a database in use is an error that names the sessions.
    type: bool
    default: false
  data_directory:
    description:
      - Directory for data files, as the SQL Server sees it.
      - When left out, a file goes where the existing database has the one of the same name, else to the directory of the existing database, else to the one
        of C(master).
    type: str
  log_directory:
    description: The same as O(data_directory), for transaction logs.
    type: str
  move:
    description:
      - Paths of single files, by their logical names. They win over the directories.
      - A logical name that the backup does not have is an error.
    type: dict
    default: {}
  verify:
    description:
      - Read the whole backup before anything is changed.
      - When V(false), a backup that cannot be read may show only when the old database is gone.
    type: bool
    default: true
  force:
    description:
      - Restore even if the last restore into this database was from this very backup. WHAT WAS WRITTEN SINCE THEN IS LOST.
      - O(overwrite) must allow it, too.
    type: bool
    default: false
  timeout:
    description:
      - Seconds that one statement may take. It is cancelled then, and a restore under way leaves the database V(RESTORING).
      - V(0) waits as long as it takes.
    type: int
    default: 0
  progress_file:
    description:
      - A file, where the task runs, that gets a line for every 5 percent while the restore runs, by what the server says. It is appended to, and can be
        followed with C(tail -f).
      - A terminal is a file, too. With C(-e progress=$(tty)) on the command line and V("{{ progress }}") here, the lines appear in the terminal of the person
        who waits, between those of Ansible. That takes a task without C(delegate_to), which runs on the controller as the same user.
      - A module cannot show anything before it ends. When this is left out, it is the file that the environment variable
        E(OPSMGR_RECOVERY_PROGRESS_FILE) names where the task runs, as the callback P(opsmgr.recovery.runbook#callback) sets it; without that
        the milestones are seen only in RV(progress).
    type: path
extends_documentation_fragment:
  - opsmgr.recovery.sql_connection
  - opsmgr.recovery.reopen
  - opsmgr.recovery.attributes
attributes:
  check_mode:
    support: full
    details: It checks everything that can be read, refuses what would be refused, and predicts files and statements. It does not read the whole backup.
  diff_mode:
    support: full
  idempotent:
    support: full
    details:
      - When the last restore into the database, by C(msdb), was from this very backup, nothing is restored. What was written since stays.
      - With O(force=true), each run restores.
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
    details: Only with C(delegate_to), and not together with O(login_password), which ansible-core would write into a file then.
  bypass_host_loop:
    support: none
notes:
  - The login must be a member of C(sysadmin), or of C(dbcreator). Whose sessions are in the way and how far the restore is takes C(VIEW SERVER STATE).
  - When the existing database is not V(ONLINE), its management group cannot be read, so that only O(overwrite=any) overwrites it.
  - With O(overwrite=fresh), times are compared as the servers wrote them. A backup that was made on another server must come from a clock that agrees.
seealso:
  - module: opsmgr.recovery.database_backup
  - module: opsmgr.recovery.service_broker
author:
  - opsmgr.recovery contributors (@opsmgr-recovery)
"""

EXAMPLES = r"""
# ansible-playbook restore.yml -e progress=$(tty)
- name: Restore the operational database over the empty one of a new clustered RMS, and show how far it is on this terminal
  opsmgr.recovery.database_restore:
    server: sql1.odyssey.com
    path: D:\Backups\OperationsManager_20260131T020304.bak
    management_group: ODYSSEY
    overwrite: fresh
    fresh_servers: [castor, pollux, rmsvs]
    disconnect: true
    progress_file: "{{ progress | default(omit) }}"
    login_user: ODYSSEY\sqladmin
    login_password: "{{ opsmgr_sql_password }}"

- name: Restore a copy beside the original, to look at
  opsmgr.recovery.database_restore:
    server: sql1.odyssey.com
    database: OperationsManager_Copy
    path: D:\Backups\OperationsManager_20260131T020304.bak
    data_directory: E:\Copy
    log_directory: E:\Copy
    login_user: ODYSSEY\sqladmin
    login_password: "{{ opsmgr_sql_password }}"
"""

RETURN = r"""
database:
  description: Name of the database.
  returned: always
  type: str
  sample: OperationsManager
backup:
  description: The chosen backup, by its header. V(null) when none was chosen yet.
  returned: always
  type: dict
  contains:
    path:
      description: Its file.
      type: str
      sample: D:\Backups\OperationsManager_20260131T020304.bak
    position:
      description: Its place in the file, from 1.
      type: int
      sample: 1
    set_guid:
      description: Its identity.
      type: str
      sample: 6C2B1F2E-3A47-4D0B-9C55-0C1F5C7C9A10
    database:
      description: The database that it was made of.
      type: str
      sample: OperationsManager
    server:
      description: The server that made it.
      type: str
      sample: SQL1
    finished:
      description: When it was finished, in the local time of that server.
      type: str
      sample: '2026-01-31T02:03:09'
    size_bytes:
      description: Its size.
      type: int
      sample: 734003200
    copy_only:
      description: Whether it was made with C(COPY_ONLY).
      type: bool
      sample: true
    checksums:
      description: Whether it has checksums.
      type: bool
      sample: true
  sample:
    path: D:\Backups\OperationsManager_20260131T020304.bak
    position: 1
    set_guid: 6C2B1F2E-3A47-4D0B-9C55-0C1F5C7C9A10
    database: OperationsManager
    server: SQL1
    finished: '2026-01-31T02:03:09'
    size_bytes: 734003200
    copy_only: true
    checksums: true
files:
  description: Where the files go. Empty when nothing was to be restored, or it failed before that was decided.
  returned: always
  type: list
  elements: dict
  contains:
    logical_name:
      description: Name of the file in the database.
      type: str
      sample: MOM_DATA
    path:
      description: Its path.
      type: str
      sample: E:\SQLData\OperationsManager.mdf
    size_bytes:
      description: Its size.
      type: int
      sample: 1073741824
  sample:
    - {logical_name: MOM_DATA, path: 'E:\SQLData\OperationsManager.mdf', size_bytes: 1073741824}
    - {logical_name: MOM_LOG, path: 'F:\SQLLog\OperationsManager.ldf', size_bytes: 536870912}
before:
  description: State of the database at the start, in SQL Server's own words; V(null) when there was none, or it could not be read.
  returned: always
  type: dict
  sample: {state: ONLINE, user_access: MULTI_USER, is_broker_enabled: true, management_group: ODYSSEY}
after:
  description:
    - State of the database at the end, read back; V(null) when it does not exist or could not be read.
    - In check mode V(null) when it would be restored, because a backup does not tell.
  returned: always
  type: dict
  sample: {state: ONLINE, user_access: MULTI_USER, is_broker_enabled: false, management_group: ODYSSEY}
sessions:
  description: The sessions in the existing database, as far as this login may see them; V(null) when that was not asked or not told.
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
  sample: []
progress:
  description: Milestones of the restore. One that ends within two seconds has only the last one.
  returned: always
  type: list
  elements: dict
  contains:
    percent:
      description: What the server said to have done.
      type: float
      sample: 45.0
    seconds:
      description: Seconds since the beginning.
      type: float
      sample: 12.1
  sample:
    - {percent: 45.0, seconds: 12.1}
    - {percent: 100.0, seconds: 27.3}
problems:
  description: What could not be checked, and what is still to be done.
  returned: always
  type: list
  elements: str
  sample:
    - Service Broker is off in OperationsManager, as after most restores. Turn it on with service_broker.
statements:
  description:
    - The SQL statements that were sent, the reading ones included. Values bound to them are not part of the text.
    - In check mode, those that would change something.
  returned: always
  type: list
  elements: str
  sample:
    - RESTORE VERIFYONLY FROM DISK = ? WITH FILE = 1, CHECKSUM
    - RESTORE DATABASE [OperationsManager] FROM DISK = ? WITH FILE = 1, MOVE ? TO ?, MOVE ? TO ?, CHECKSUM, REPLACE, RECOVERY
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
from dataclasses import replace
from typing import Any

from ansible.module_utils.basic import AnsibleModule, env_fallback

from ansible_collections.opsmgr.recovery.plugins.module_utils.broker import state_result
from ansible_collections.opsmgr.recovery.plugins.module_utils.closed_database import reopen_spec
from ansible_collections.opsmgr.recovery.plugins.module_utils.database_backup import backup_result
from ansible_collections.opsmgr.recovery.plugins.module_utils.database_restore import (
    DatabaseRestore,
    RestoreReport,
    RestoreRequest,
)
from ansible_collections.opsmgr.recovery.plugins.module_utils.management_group import DatabaseState
from ansible_collections.opsmgr.recovery.plugins.module_utils.progress_file import ENVIRONMENT_VARIABLE
from ansible_collections.opsmgr.recovery.plugins.module_utils.sessions import sessions_result
from ansible_collections.opsmgr.recovery.plugins.module_utils.sql_module import LongSqlWork, run_sql_module
from ansible_collections.opsmgr.recovery.plugins.module_utils.sql_options import SqlOptions, sql_connection_spec
from ansible_collections.opsmgr.recovery.plugins.module_utils.sqlserver import connect

SPEC: dict[str, dict[str, Any]] = {
    "path": {"type": "str", "required": True},
    "position": {"type": "int"},
    "management_group": {"type": "str"},
    "overwrite": {"type": "str", "choices": ["never", "fresh", "same_group", "any"], "default": "never"},
    "fresh_servers": {"type": "list", "elements": "str", "default": []},
    "disconnect": {"type": "bool", "default": False},
    "data_directory": {"type": "str"},
    "log_directory": {"type": "str"},
    "move": {"type": "dict", "default": {}},
    "verify": {"type": "bool", "default": True},
    "force": {"type": "bool", "default": False},
    **reopen_spec(),
    "timeout": {"type": "int", "default": 0},
    "progress_file": {"type": "path", "fallback": (env_fallback, [ENVIRONMENT_VARIABLE])},
}


class RestoreWork(LongSqlWork):
    """One run of the module: its result can be asked for at any time."""

    after_interruption = "see after for the state that the database is in, and rerun"

    def __init__(self, params: dict[str, Any]) -> None:
        super().__init__(params)
        self._report = RestoreReport()

    @contextmanager
    def deed(self) -> Iterator[DatabaseRestore]:
        options = SqlOptions.from_params(self._params)
        request = RestoreRequest(
            **{name: self._params[name] for name in SPEC if name not in ("timeout", "progress_file")}
        )
        with connect(replace(options, database="master"), query_timeout_seconds=self._statement_seconds) as connection:
            restore = DatabaseRestore(connection, options, request, self._progress)
            self._report = restore.report
            yield restore

    @property
    def has_changed(self) -> bool:
        return self._report.has_begun

    @property
    def result(self) -> dict[str, Any]:
        report = self._report
        before, after = _state(report.before, report.group_before), _state(report.after, report.group_after)
        return {
            "database": self._params["database"],
            "backup": self._backup(),
            "files": report.files,
            "before": before,
            "after": after,
            "sessions": sessions_result(report.sessions),
            **self._watched_result(report.problems),
            "statements": report.statements,
            "diff": {"before": before or {}, "after": after or {}},
        }

    def _backup(self) -> dict[str, Any] | None:
        if self._report.backup is None:
            return None
        shown = backup_result(self._report.backup, self._params["path"])
        del shown["verified"]
        return shown


def _state(state: DatabaseState | None, group: str | None) -> dict[str, Any] | None:
    shown = state_result(state)
    return shown and {**shown, "management_group": group}


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(sql_connection_spec(), **SPEC),
        required_if=[("overwrite", choice, ("management_group",)) for choice in ("fresh", "same_group")],
        supports_check_mode=True,
    )
    run_sql_module(module, RestoreWork(module.params))


if __name__ == "__main__":
    main()
