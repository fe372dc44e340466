#!/usr/bin/python
# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module management_group_info: what the operational database says about its management group."""

from __future__ import annotations

DOCUMENTATION = r"""
module: management_group_info
short_description: Read the RMS and other facts of a management group from the operational database
version_added: 1.0.0
description:
  - Reads from the operational database of Operations Manager 2007 which server is the root management server (RMS), which other servers the
    management group has, and in which state the database is.
  - It reads that of 2012 and later as well, and judges such a group by no rule of 2007. Nothing else in this collection changes one, see RV(unsupported).
  - Only reads, and needs no more rights than to read the operational database. To see the last backup, the login must also read C(msdb).
  - A server that cannot be reached, a login that is refused and a database that cannot be opened are answers and not failures, because a caller wants to
    collect the problems of all hosts before it stops. Look at RV(reachable) and RV(problem).
  - Options that cannot work, and a missing C(pyodbc), fail.
options:
  run_as_accounts:
    description:
      - Also list the Run As accounts, which have to be entered again when the encryption key is lost.
      - Their secrets are never read, only name, description, domain and user name.
      - When left out, RV(run_as_accounts) is V(null).
    type: bool
    default: false
  parents:
    description:
      - Also tell which agents and gateways report to which management server.
      - When left out, RV(parents) is V(null).
    type: bool
    default: false
  management_servers:
    description:
      - What the management servers themselves say, to be compared with the database. The results of a loop with
        M(opsmgr.recovery.management_server_info) over all of them, or a list of single results.
      - RV(agree) is the answer then, and RV(problems) has a sentence for each server that says otherwise than the database, that has another version, or
        that was not asked.
      - When left out, RV(agree) is V(null).
    type: list
    elements: dict
extends_documentation_fragment:
  - opsmgr.recovery.sql_connection
  - opsmgr.recovery.attributes
attributes:
  check_mode:
    support: full
    details: It only reads.
  diff_mode:
    support: N/A
    details: It changes nothing.
  idempotent:
    support: full
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
seealso:
  - module: opsmgr.recovery.management_server_info
author:
  - opsmgr.recovery contributors (@opsmgr-recovery)
"""

EXAMPLES = r"""
- name: Who is the RMS, with a SQL Server login
  opsmgr.recovery.management_group_info:
    server: sql1.odyssey.com
    login_user: opsmgr_reader
    login_password: "{{ opsmgr_sql_password }}"
  register: group

- name: Stop unless hydra is the RMS
  ansible.builtin.assert:
    that:
      - group.reachable
      - group.rms | default('', true) | lower == 'hydra.odyssey.com'
    fail_msg: "{{ group.problem or 'The RMS is ' ~ group.rms }}"

- name: Look at all management servers of the group
  opsmgr.recovery.management_server_info:
    report_unreachable: true
  delegate_to: "{{ item }}"
  loop: "{{ groups['opsmgr_rms'] + groups['opsmgr_management_servers'] }}"
  run_once: true
  register: look

- name: Do they and the database agree about who is the RMS?
  opsmgr.recovery.management_group_info:
    server: sql1.odyssey.com
    login_user: opsmgr_reader
    login_password: "{{ opsmgr_sql_password }}"
    management_servers: "{{ look.results }}"
  run_once: true
  register: group

- name: Stop unless they do
  ansible.builtin.assert:
    that: group.agree is true
    fail_msg: "{{ [group.problem] + group.problems if group.problem else group.problems }}"
  run_once: true

- name: The same with a Windows account, by NTLM
  opsmgr.recovery.management_group_info:
    server: sql1.odyssey.com
    login_user: ODYSSEY\sqladmin
    login_password: "{{ opsmgr_sql_password }}"
    run_as_accounts: true

# Not tested with a real ticket.
- name: The same by Kerberos, after kinit
  opsmgr.recovery.management_group_info:
    server: sql1.odyssey.com

# Not tested with the real driver.
- name: The same with Microsoft's driver
  opsmgr.recovery.management_group_info:
    server: sql1.odyssey.com
    driver: ODBC Driver 17 for SQL Server
    encryption: require
    login_user: opsmgr_reader
    login_password: "{{ opsmgr_sql_password }}"

- name: The same with FreeTDS by the path of its library, the TDS version of SQL Server 2008, encrypted, on another port
  opsmgr.recovery.management_group_info:
    server: sql1.odyssey.com
    port: 50123
    driver: /usr/lib/x86_64-linux-gnu/odbc/libtdsodbc.so
    tds_version: '7.3'
    encryption: require
    login_user: opsmgr_reader
    login_password: "{{ opsmgr_sql_password }}"

- name: The same in a named instance, with a database of another name
  opsmgr.recovery.management_group_info:
    server: sql1.odyssey.com
    instance: OPSMGR
    database: OperationsManager_ODYSSEY
    tds_version: '7.3'
    login_user: opsmgr_reader
    login_password: "{{ opsmgr_sql_password }}"
"""

RETURN = r"""
reachable:
  description:
    - Whether the operational database could be opened.
    - When V(false), RV(problem) says why, and what could not be read is V(null).
  returned: success
  type: bool
  sample: true
problem:
  description: Why the database could not be opened, as one text with what to do; else V(null).
  returned: success
  type: str
  sample: >-
    connect to SQL Server sql1.odyssey.com:1433: the login opsmgr_reader was refused (18456: Login failed for user 'opsmgr_reader'). Check login_user and
    login_password, and that the server accepts SQL Server logins and not only Windows ones.
problem_kind:
  description:
    - What RV(problem) is about, or V(null).
    - V(unreachable), V(login), V(database) or V(driver).
  returned: success
  type: str
  sample: login
management_group:
  description: Name of the management group.
  returned: success
  type: str
  sample: ODYSSEY
rms:
  description:
    - The root management server by the database; V(null) when it names none or several, and RV(problems) says which.
    - One that was deleted from the management group, but is not groomed away yet, does not count.
    - V(null) from 2012 on, which no longer have one.
  returned: success
  type: str
  sample: Hydra.Odyssey.com
servers:
  description: RMS, management servers and gateways of the management group, by name.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Fully qualified name. A clustered RMS has its virtual name.
      type: str
      sample: Hydra.Odyssey.com
    roles:
      description:
        - V(rms), or from 2012 on V(rms_emulator), V(management_server) and V(gateway), as far as they apply.
        - A gateway has no other role.
      type: list
      elements: str
      sample: [rms, management_server]
    version:
      description: Its version by the database; V(null) when the database does not tell it.
      type: str
      sample: 6.0.6278.0
  sample:
    - name: DeathSting.Odyssey.com
      roles: [management_server]
      version: 6.0.6278.0
    - name: Hydra.Odyssey.com
      roles: [rms, management_server]
      version: 6.0.6278.0
agree:
  description:
    - Whether the O(management_servers) and the database agree about who is the RMS.
    - V(true) when the registry of the one server that the database names says so, C(OMSDK) and C(OMCFG) run there, and neither is so on any other server.
      Before Service Pack 1, C(OMSDK) may also run on a former RMS, for the data warehouse.
    - The database knows a clustered RMS by its virtual name. All its nodes must say that they are the RMS, and one of them runs the services. Ask the nodes;
      the virtual server can be asked besides.
    - V(false) when somebody says otherwise; the sentences about that are in RV(problems). Different versions are named there, too, but make no difference here.
    - V(null) when O(management_servers) was left out, the database could not be read, or nobody disagrees but not all were asked.
    - V(null) from 2012 on, too, when all management servers are alike.
    - Gateways are not expected to be asked.
  returned: success
  type: bool
  sample: true
database:
  description:
    - State of the operational database, in SQL Server's own words.
    - Also given when the database cannot be opened but the server tells its state; V(null) when that could not be read.
  returned: success
  type: dict
  contains:
    name:
      description: Name of the database.
      type: str
      sample: OperationsManager
    state:
      description: V(ONLINE), V(OFFLINE), V(RESTORING) and so on.
      type: str
      sample: ONLINE
    user_access:
      description: V(MULTI_USER), V(SINGLE_USER) or V(RESTRICTED_USER).
      type: str
      sample: MULTI_USER
    is_broker_enabled:
      description: Whether Service Broker is on, which OpsMgr needs.
      type: bool
      sample: true
    recovery_model:
      description: V(SIMPLE), V(FULL) or V(BULK_LOGGED).
      type: str
      sample: SIMPLE
    last_full_backup:
      description: When the last full backup ended, in the local time of the SQL Server; V(null) when it does not exist or could not be read.
      type: str
      sample: '2026-01-31T02:03:04'
    closed_by_us:
      description:
        - Whether a run of this collection set the database to V(SINGLE_USER) and was killed before it opened it again.
        - V(false) when it is open to all, or when somebody else closed it. V(RESTRICTED_USER) is always somebody else's.
        - V(null) when it cannot be told, as a rule because somebody has the only seat.
      type: bool
      sample: false
    sessions:
      description:
        - Who is in a database that is closed, as far as this login may see them, one text each.
        - V(null) when the database is open to all, or when that could not be read.
      type: list
      elements: str
      sample: ['session 53: ODYSSEY\\dba, program SQL Server Management Studio, on ITHACA']
  sample:
    name: OperationsManager
    state: ONLINE
    user_access: MULTI_USER
    is_broker_enabled: true
    recovery_model: SIMPLE
    last_full_backup: '2026-01-31T02:03:04'
    closed_by_us: false
    sessions: null
sql_server_version:
  description: Product version of the SQL Server.
  returned: success
  type: str
  sample: 10.0.6556.0
run_as_accounts:
  description:
    - The Run As accounts by name, if O(run_as_accounts=true). What the database does not tell of them is empty.
    - V(null) when they were not asked for, or could not be read.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Its name in the Operations console.
      type: str
      sample: SQL Server Monitoring
    description:
      description: Its description there.
      type: str
      sample: Reads the databases of the shops
    domain:
      description: Domain of the account.
      type: str
      sample: ODYSSEY
    user_name:
      description: The account, without its domain.
      type: str
      sample: svc-sqlmon
    text:
      description: Name and account in one line.
      type: str
      sample: SQL Server Monitoring (ODYSSEY\svc-sqlmon)
  sample:
    - name: SQL Server Monitoring
      description: ''
      domain: ODYSSEY
      user_name: svc-sqlmon
      text: SQL Server Monitoring (ODYSSEY\svc-sqlmon)
unsupported:
  description:
    - Why this collection changes nothing in the management group, as a part of a sentence, when a management server of it is of 2012 or later by the
      database.
    - V(null) for a group of 2007, and when the database does not tell the versions.
  returned: success
  type: str
  sample: >-
    this is Operations Manager 2022 (10.22.10118.0), and this collection changes only Operations Manager 2007: see Microsoft's documentation of that version
parents:
  description:
    - Who reports to which management server first, if O(parents=true). Where an agent or a gateway goes when that one does not answer is not part of it.
    - V(null) where the database does not tell, because its tables are known of later versions only. This is not one of RV(problems).
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The management server, by its name in the database.
      type: str
      sample: hydra.odyssey.com
    agents:
      description: How many agents report to it.
      type: int
      sample: 412
    gateways:
      description: The gateways that report to it.
      type: list
      elements: str
      sample: [styx.odyssey.com]
  sample:
    - name: hydra.odyssey.com
      agents: 412
      gateways: [styx.odyssey.com]
problems:
  description: What is wrong with the group, and what could not be read and why. RV(problem) is not repeated here.
  returned: success
  type: list
  elements: str
  sample:
    - Service Broker is off in the database OperationsManager, so that discovery and tasks do not work.
statements:
  description: The SQL statements that were sent. Values bound to them are not part of the text.
  returned: success
  type: list
  elements: str
  sample:
    - SELECT ManagementGroupName FROM dbo.__MOMManagementGroupInfo__
"""

from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.opsmgr.recovery.plugins.module_utils.closed_database import Closed, read_closed
from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.module_utils.management_group import (
    GroupFacts,
    ListedServer,
    RunAsAccount,
    read_database,
    read_group,
)
from ansible_collections.opsmgr.recovery.plugins.module_utils.management_group_agreement import (
    Agreement,
    LocalView,
    compare,
    read_views,
)
from ansible_collections.opsmgr.recovery.plugins.module_utils.option_values import require_usable
from ansible_collections.opsmgr.recovery.plugins.module_utils.optional import if_known
from ansible_collections.opsmgr.recovery.plugins.module_utils.parent_servers import ParentServer, read_parents
from ansible_collections.opsmgr.recovery.plugins.module_utils.sql_options import (
    SqlOptions,
    beside_the_connection,
    sql_connection_spec,
)
from ansible_collections.opsmgr.recovery.plugins.module_utils.sqlserver import (
    DATABASE,
    PYODBC_IMPORT_ERROR,
    ConnectionProblem,
    PyodbcMissing,
    SqlError,
    connect,
)


def observe(
    options: SqlOptions, *, run_as_accounts: bool, looks: list[LocalView] | None, parents: bool = False
) -> dict[str, Any]:
    """Return the module's result. C(looks) are what the management servers said, if they were asked.

    Raises PyodbcMissing and OptionProblem; what the SQL Server does is part of the result.
    """
    statements: list[str] = []
    try:
        with connect(options) as connection:
            # The same list, so that a connection that is lost on the way still leaves what was sent.
            statements = connection.statements
            facts = read_group(connection, options.database, run_as_accounts=run_as_accounts)
            closed = read_closed(connection, facts.database)
            reporting = None
            if parents:
                reporting = read_parents(connection)
            agreement = Agreement()
            if looks is not None:
                agreement = compare(facts, looks)
            return _result(facts, closed, agreement, statements, parents=reporting)
    except ConnectionProblem as problem:
        facts, closed = GroupFacts(), Closed()
        if problem.kind == DATABASE:
            facts, closed = _state_from_outside(options, statements)
        return _result(facts, closed, Agreement(), statements, problem)


def _state_from_outside(options: SqlOptions, statements: list[str]) -> tuple[GroupFacts, Closed]:
    """Ask the server about a database that cannot be opened: offline, restoring, single-user, or not there at all."""
    facts, closed = GroupFacts(), Closed()
    try:
        with connect(replace(options, database="master")) as connection:
            try:
                facts.database = read_database(connection, options.database)
                closed = read_closed(connection, facts.database)
            finally:
                statements.extend(connection.statements)
    except (ConnectionProblem, SqlError) as error:
        facts.problems.append(f"Could not ask the server for the state of {options.database}: {error}")
        return facts, closed
    facts.problems.append(_state_text(options.database, facts))
    return facts, closed


def _state_text(database: str, facts: GroupFacts) -> str:
    if facts.database is None:
        return f"The server shows this login no database {database}."
    return f"The server says that the database {database} is {facts.database.state} and {facts.database.user_access}."


def _result(
    facts: GroupFacts,
    closed: Closed,
    agreement: Agreement,
    statements: list[str],
    problem: ConnectionProblem | None = None,
    parents: list[ParentServer] | None = None,
) -> dict[str, Any]:
    return {
        "changed": False,
        "reachable": problem is None,
        "problem": if_known(str, problem),
        "problem_kind": problem and problem.kind,
        "management_group": facts.management_group,
        "rms": facts.rms,
        "servers": if_known(_server_results, facts.servers),
        "agree": agreement.agree,
        "unsupported": facts.unsupported,
        "database": _database_result(facts, closed),
        "sql_server_version": facts.sql_server_version,
        "run_as_accounts": if_known(_account_results, facts.run_as_accounts),
        "parents": if_known(_parent_results, parents),
        "problems": facts.problems + agreement.problems,
        "statements": statements,
    }


def _server_results(servers: Iterable[ListedServer]) -> list[dict[str, Any]]:
    return [{"name": one.name, "roles": one.roles, "version": one.version} for one in servers]


def _account_results(accounts: Iterable[RunAsAccount]) -> list[dict[str, Any]]:
    return [{**asdict(one), "text": str(one)} for one in accounts]


def _parent_results(parents: Iterable[ParentServer]) -> list[dict[str, Any]]:
    return [asdict(parent) for parent in parents]


def _database_result(facts: GroupFacts, closed: Closed) -> dict[str, Any] | None:
    if facts.database is None:
        return None
    backup = sessions = None
    if facts.last_full_backup is not None:
        backup = facts.last_full_backup.isoformat(timespec="seconds")
    if closed.sessions is not None:
        sessions = [str(session) for session in closed.sessions]
    return {
        **asdict(facts.database),
        "last_full_backup": backup,
        "closed_by_us": closed.by_us,
        "sessions": sessions,
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            sql_connection_spec(),
            run_as_accounts={"type": "bool", "default": False},
            parents={"type": "bool", "default": False},
            management_servers={"type": "list", "elements": "dict"},
        ),
        supports_check_mode=True,
    )
    params = module.params
    try:
        require_usable(params, beside_the_connection(module.argument_spec), "read the options")
        options = SqlOptions.from_params(params)
        looks = if_known(read_views, params["management_servers"])
        result = observe(options, run_as_accounts=params["run_as_accounts"], looks=looks, parents=params["parents"])
    except PyodbcMissing as error:
        module.fail_json(msg=f"{missing_required_lib('pyodbc')} {error.what_to_do}.", exception=PYODBC_IMPORT_ERROR)
    except OpsmgrError as error:
        module.fail_json(msg=error.sentence(params["server"]))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
