# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A simulated SQL Server 2005 or 2008 behind real TDS: :class:`lab.sql.server.SqlServer`.

Ask from the ground up: ``lexer`` and ``batch`` read Transact-SQL, ``dialect`` turns queries into sqlite's SQL,
``store`` keeps the rows, ``sessions`` knows who may enter which database, ``engine`` runs statements (``alter``,
``backup``, ``tables`` and ``procedures`` hold the larger ones), ``wire`` brings clients in, ``server`` is the whole.

What it cannot vouch for:

* What other sessions feel of ALTER DATABASE follows a published capture of SQL Server 2025.  There the session that
says SINGLE_USER
  keeps the seat although it works from master; that 2005 and 2008 do the same is assumed.  ``issuer_keeps_seat =
  False`` is the other, harsher possibility.
* A waiting ALTER DATABASE does not make newcomers wait behind it, a transaction locks whole databases, and nothing
deadlocks.
* TLS is 1.2 with a certificate of today; the real servers offer TLS 1.0 at best.  Kerberos is not offered, NTLM only as
NTLMv2.
* An answer is sent when its batch has ended.  A real server sends a backup's messages as they come, and some drivers
cancel the
  backup when the statement is closed before all of them were read.
* varchar goes over the wire as nvarchar, SERVERPROPERTY as nvarchar and not as sql_variant, datetime2 as datetime;
texts that are
  too long for a column are kept whole (no error 8152).
* Extended properties are those of databases and not of what is in them, do not roll back, and are text on the wire and
not sql_variant.
* A backup file is the lab's own format; sizes, pages and seconds in the messages are made up.
"""
