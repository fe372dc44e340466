# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection options of the modules that talk to SQL Server: the twin of sql_connection_spec() in
module_utils/sql_options.py.
"""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  server:
    description:
      - Host name or address of the SQL Server, without instance and port.
      - Kerberos needs the fully qualified name.
      - For a clustered SQL Server, its virtual name.
    type: str
    required: true
  port:
    description:
      - TCP port.
      - When left out, V(1433), or with O(instance) the port that the SQL Server Browser service names.
      - When set, it is used, and O(instance) is not looked up.
    type: int
  instance:
    description:
      - Name of a named instance.
      - Without O(port), its port is asked of the SQL Server Browser service, UDP port 1434 on O(server).
      - When left out, the default instance.
    type: str
  driver:
    description:
      - ODBC driver, by its name in C(odbcinst.ini) or as the path of its library.
      - A driver with C(freetds) or C(tdsodbc) in its name is FreeTDS; any other one is taken for Microsoft's C(ODBC Driver 1x for SQL Server).
      - SQL Server 2005 and 2008 offer TLS 1.0 at best, which Microsoft's current drivers and many systems refuse. FreeTDS reaches them.
    type: str
    default: FreeTDS
  tds_version:
    description:
      - Version of the TDS protocol, for FreeTDS only.
      - V(7.2) is SQL Server 2005, V(7.3) 2008, V(7.4) 2012. A server understands its own and all older ones.
      - V(auto) lets FreeTDS try.
    type: str
    default: '7.2'
  encryption:
    description:
      - Whether the connection is encrypted.
      - V(off) encrypts nothing, the login included. The password of a SQL Server login then crosses the network in a form that anybody can
        read; NTLM and Kerberos logins do not send it.
      - V(request) encrypts the login when the server can, as all since SQL Server 2005 do, and the rest only when the server insists on it.
      - V(require) encrypts or fails. The certificate is not verified, because SQL Server 2005 and 2008 make their own.
      - With Microsoft's driver, V(off) means the same as V(request).
    type: str
    choices: ['off', request, require]
    default: request
  login_user:
    description:
      - A SQL Server login, or C(DOMAIN\\user), which logs in by NTLM and needs FreeTDS.
      - When left out, the login is by Kerberos, with the ticket of the user who runs the task.
    type: str
  login_password:
    description:
      - Password of O(login_user). Required with it, and refused without it.
      - It may contain any character but NUL. FreeTDS cannot be given one that contains V(}) and in addition V(;) or V({) at its start.
    type: str
  database:
    description:
      - Name of the operational database.
      - The login itself goes to C(master), so that it can be told why a database does not open.
    type: str
    default: OperationsManager
  connect_timeout:
    description:
      - Seconds that connecting and logging in may take.
      - When O(instance) has to be looked up and nobody answers, FreeTDS asks for about 16 seconds first.
    type: int
    default: 15
requirements:
  - pyodbc
  - unixODBC
  - an ODBC driver for SQL Server (FreeTDS, package C(tdsodbc) or C(freetds-libs); or Microsoft's C(msodbcsql17) or C(msodbcsql18))
notes:
  - The database of a management group of 2012 or later, by the versions of its management servers there, is only looked at. Whatever changes a database
    refuses it.
  - 'SQL Server login: O(login_user=opsmgr_reader) and O(login_password). The server must accept SQL Server logins ("mixed mode").'
  - 'Windows login by NTLM: O(login_user=ODYSSEY\\sqladmin) and O(login_password), with O(driver=FreeTDS).'
  - 'Kerberos: neither O(login_user) nor O(login_password), the fully qualified name as O(server), and a ticket from C(kinit) for the user who runs
    the task. The SQL Server needs its service principal name, C(MSSQLSvc/sql1.odyssey.com:1433).'
  - 'FreeTDS: O(driver=FreeTDS), or the path of its library, as V(/usr/lib/x86_64-linux-gnu/odbc/libtdsodbc.so), where C(odbcinst.ini) does not name it.
    O(tds_version=7.2) and O(encryption=request) suit all versions of SQL Server from 2005 on. Where the TLS of the two sides does not fit, O(encryption=off)
    connects, with what is said there.'
  - 'Microsoft''s driver: O(driver=ODBC Driver 17 for SQL Server). It needs a TLS version that the server has, too, and ignores O(tds_version).'
  - 'Named instance: O(instance=OPSMGR), and O(port) where UDP port 1434 is closed.'
  - SQL Server logins, NTLM, all values of O(encryption), TDS 7.2 to 7.4, ports, and instances by the SQL Server Browser service are tested with FreeTDS
    against a simulated server.
    KERBEROS AND MICROSOFT'S DRIVER ARE NOT. What they are given follows their documentation, and is tested as text alone.
  - Examples of all these connections are with M(opsmgr.recovery.management_group_info).
  - The module runs on the controller, with the Python that runs Ansible and as its user, whatever the host of the play is and without C(become). The
    requirements must be there. The SQL Server itself needs nothing.
  - With C(delegate_to), the module runs on that host, which needs the requirements. A Windows server is refused.
  - A host with C(ansible_connection=local) is the controller, and its C(ansible_python_interpreter) applies.
"""
