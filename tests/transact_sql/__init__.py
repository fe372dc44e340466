# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Microsoft's own parsers of Transact-SQL, one for each version of SQL Server from 2005 to 2019, for the tests.

They are .NET. A process of its own runs them (:mod:`transact_sql.host`), so that nothing of a runtime from 2018 is in the
process of a test; :class:`transact_sql.parsers.Parsers` asks it.
"""
