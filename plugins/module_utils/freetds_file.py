# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS 1.0 for FreeTDS, which SQL Server 2005 and 2008 need to encrypt anything.

FreeTDS 1.4 and newer speak it only when freetds.conf says so, no connection string can, and they read that file only
for a server that it names and the connection string calls C(SERVERNAME). So it is written for one connection.

This file is private to the collection: others must not import it.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from ansible_collections.opsmgr.recovery.plugins.module_utils.sql_options import DEFAULT_PORT, SqlOptions

# Set in the image of execution-environment.yml, whose OpenSSL and GnuTLS are told to let TLS 1.0 pass.
WANTED = "OPSMGR_SQL_TLS_1_0"
FILE = "FREETDSCONF"
SECTION = "opsmgr"


@contextmanager
def old_tls(options: SqlOptions) -> Iterator[str | None]:
    """For as long as the driver connects, the server's name in the file; None where nobody asked for TLS 1.0, or
    nothing is encrypted.
    """
    if os.environ.get(WANTED) != "yes" or not options.is_freetds or options.encryption == "off":
        yield None
        return
    before = os.environ.get(FILE)
    with tempfile.NamedTemporaryFile("w", prefix="opsmgr-", suffix=".conf", encoding="utf-8") as file:
        file.write(freetds_file(options))
        file.flush()
        os.environ[FILE] = file.name
        try:
            yield SECTION
        finally:
            del os.environ[FILE]
            if before is not None:
                os.environ[FILE] = before


def freetds_file(options: SqlOptions) -> str:
    """What the file says: the place, and that old encryption is better than none. Which library does it depends on how
    FreeTDS was built.
    """
    place = f"port = {options.port or DEFAULT_PORT}"
    if options.is_found_by_instance:
        place = f"instance = {options.instance}"
    lines = [f"host = {options.server}", place, "enable tls v1 = yes", "openssl ciphers = DEFAULT:@SECLEVEL=0"]
    return "".join(f"{line}\n" for line in [f"[{SECTION}]", *lines])
