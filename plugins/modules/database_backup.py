#!/usr/bin/python
# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module database_backup: a verified full backup of the operational database in a file on the SQL Server."""

from __future__ import annotations

DOCUMENTATION = r"""
module: database_backup
short_description: Back up the operational database to a file on the SQL Server
version_added: 1.0.0
description:
  - Makes a full backup of the operational database with checksums, reads it back from its file, and verifies it with C(RESTORE VERIFYONLY).
  - The file is written by the SQL Server itself, under the account that it runs as, on its own machine or on a share that this account may use.
  - Before that it checks the right to back up, that no file is in the way, and the free space where the server tells it, which it does for local drives only.
options:
  path:
    description:
      - Full path of the backup file, as the SQL Server sees it.
      - When left out, a file of its own in O(directory).
      - Mutually exclusive with O(directory).
    type: str
  directory:
    description:
      - Directory, as the SQL Server sees it, for a file named after the database and the time of the SQL Server, as in
        C(OperationsManager_20260131T020304.bak). It must exist.
      - When this and O(path) are left out, the directory that the SQL Server itself uses for backups, as C(xp_instance_regread) tells it
        (C(BackupDirectory) in its registry). Setup makes it beside the databases. A server that does not tell it is an error that asks for this option.
    type: str
  existing:
    description:
      - What to do when the file exists already.
      - V(fail) leaves it as it is and fails.
      - V(append) adds the backup to those in the file.
      - V(overwrite) replaces ALL BACKUPS IN THE FILE. When the new backup then fails, the old ones are lost.
      - A file that is not a backup is never written to.
    type: str
    choices: [fail, append, overwrite]
    default: fail
  copy_only:
    description:
      - Make a backup that does not disturb other backup plans, with C(COPY_ONLY), which SQL Server has since 2005.
      - When V(false), later differential backups are based on this one.
    type: bool
    default: true
  verify:
    description:
      - Read the whole backup again and compare its checksums.
      - When V(false), a backup that cannot be read shows only when it is needed.
    type: bool
    default: true
  max_age:
    description:
      - Hours for which a backup is good enough. A full backup with checksums that is younger, lies at O(path) or in O(directory) and is still
        there is returned, and nothing is changed.
      - When left out, each run makes a new backup.
    type: float
  timeout:
    description:
      - Seconds that one statement may take, the backup or its verification. It is cancelled then.
      - V(0) waits as long as it takes.
    type: int
    default: 0
  progress_file:
    description:
      - A file, where the task runs, that gets a line for every 5 percent while the backup runs, by what the server says. It is appended to, and can be
        followed with C(tail -f).
      - A terminal is a file, too. With C(-e progress=$(tty)) on the command line and V("{{ progress }}") here, the lines appear in the terminal of the person
        who waits, between those of Ansible. That takes a task without C(delegate_to), which runs on the controller as the same user.
      - A module cannot show anything before it ends. When this is left out, it is the file that the environment variable
        E(OPSMGR_RECOVERY_PROGRESS_FILE) names where the task runs, as the callback P(opsmgr.recovery.runbook#callback) sets it; without that
        the milestones are seen only in RV(progress).
    type: path
extends_documentation_fragment:
  - opsmgr.recovery.sql_connection
  - opsmgr.recovery.attributes
attributes:
  check_mode:
    support: full
    details: It reads everything that decides, and predicts file and statements. The time in the name of a new file is that of the check.
  diff_mode:
    support: none
    details: There is nothing to compare.
  idempotent:
    support: partial
    details: With O(max_age), a backup that is young enough is left as it is. Without it, each run makes a new one.
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
  - The login must be a member of C(sysadmin), or have the role C(db_backupoperator) and the right C(CREATE DATABASE), which looking into backup files takes.
    Progress needs C(VIEW SERVER STATE); without it, RV(problems) says so.
seealso:
  - module: opsmgr.recovery.database_restore
  - module: opsmgr.recovery.management_group_info
author:
  - opsmgr.recovery contributors (@opsmgr-recovery)
"""

EXAMPLES = r"""
- name: Back up the operational database, unless that was done within the last hour
  opsmgr.recovery.database_backup:
    server: sql1.odyssey.com
    directory: D:\Backups
    max_age: 1
    login_user: ODYSSEY\sqladmin
    login_password: "{{ opsmgr_sql_password }}"

- name: The same, in the directory that the SQL Server itself uses for backups
  opsmgr.recovery.database_backup:
    server: sql1.odyssey.com
    max_age: 1
    login_user: ODYSSEY\sqladmin
    login_password: "{{ opsmgr_sql_password }}"

- name: Back up to one file, and watch it with tail -f /tmp/odyssey-backup.log
  opsmgr.recovery.database_backup:
    server: sql1.odyssey.com
    path: \\nas1.odyssey.com\opsmgr\before-failover.bak
    existing: append
    progress_file: /tmp/odyssey-backup.log
    login_user: ODYSSEY\sqladmin
    login_password: "{{ opsmgr_sql_password }}"
"""

RETURN = r"""
path:
  description: The backup file; in check mode the one that would be written. V(null) when it was not decided yet.
  returned: always
  type: str
  sample: D:\Backups\OperationsManager_20260131T020304.bak
backup:
  description: The backup, by its header in the file. V(null) without a backup, as in check mode.
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
      description: Its identity, also known to C(msdb).
      type: str
      sample: 6C2B1F2E-3A47-4D0B-9C55-0C1F5C7C9A10
    database:
      description: The database that it holds.
      type: str
      sample: OperationsManager
    server:
      description: The server that made it.
      type: str
      sample: SQL1
    finished:
      description: When it ended, in the local time of that server.
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
    verified:
      description: V(true) when this run verified it; V(null) when it did not, as for a backup that is returned because of O(max_age).
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
    verified: true
needed_bytes:
  description: Bytes in use in the database, which is about what the backup takes; V(null) when not asked for or not told.
  returned: always
  type: int
  sample: 734003200
free_bytes:
  description: Free bytes on the local drive of the SQL Server; V(null) when not asked for or not told, as for a share.
  returned: always
  type: int
  sample: 53687091200
progress:
  description: Milestones of the backup. A backup that ends within two seconds has only the last one.
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
  description: What could not be checked or observed, and why.
  returned: always
  type: list
  elements: str
  sample: []
statements:
  description:
    - The SQL statements that were sent, the reading ones included. Values bound to them are not part of the text.
    - In check mode, those that would make and verify the backup.
  returned: always
  type: list
  elements: str
  sample:
    - BACKUP DATABASE [OperationsManager] TO DISK = ? WITH CHECKSUM, NOINIT, COPY_ONLY
    - RESTORE VERIFYONLY FROM DISK = ? WITH FILE = 1, CHECKSUM
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
from dataclasses import asdict
from typing import Any

from ansible.module_utils.basic import AnsibleModule, env_fallback

from ansible_collections.opsmgr.recovery.plugins.module_utils.database_backup import (
    BackupReport,
    BackupRequest,
    DatabaseBackup,
)
from ansible_collections.opsmgr.recovery.plugins.module_utils.progress_file import ENVIRONMENT_VARIABLE
from ansible_collections.opsmgr.recovery.plugins.module_utils.sql_module import LongSqlWork, run_sql_module
from ansible_collections.opsmgr.recovery.plugins.module_utils.sql_options import SqlOptions, sql_connection_spec
from ansible_collections.opsmgr.recovery.plugins.module_utils.sqlserver import connect

SPEC: dict[str, dict[str, Any]] = {
    "path": {"type": "str"},
    "directory": {"type": "str"},
    "existing": {"type": "str", "choices": ["fail", "append", "overwrite"], "default": "fail"},
    "copy_only": {"type": "bool", "default": True},
    "verify": {"type": "bool", "default": True},
    "max_age": {"type": "float"},
    "timeout": {"type": "int", "default": 0},
    "progress_file": {"type": "path", "fallback": (env_fallback, [ENVIRONMENT_VARIABLE])},
}


class BackupWork(LongSqlWork):
    """One run of the module: its result can be asked for at any time."""

    def __init__(self, params: dict[str, Any]) -> None:
        super().__init__(params)
        self._report = BackupReport()

    @contextmanager
    def deed(self) -> Iterator[DatabaseBackup]:
        options = SqlOptions.from_params(self._params)
        names = ("path", "directory", "existing", "copy_only", "verify")
        request = BackupRequest(max_age_hours=self._params["max_age"], **{name: self._params[name] for name in names})
        with connect(options, query_timeout_seconds=self._statement_seconds) as connection:
            backup = DatabaseBackup(connection, options, request, self._progress)
            self._report = backup.report
            yield backup

    @property
    def result(self) -> dict[str, Any]:
        return {**asdict(self._report), **self._watched_result(self._report.problems)}


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(sql_connection_spec(), **SPEC),
        mutually_exclusive=[("path", "directory")],
        supports_check_mode=True,
    )
    run_sql_module(module, BackupWork(module.params))


if __name__ == "__main__":
    main()
