# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The floor of the fleet's bench: the same backups with pywinrm alone, twenty at a time, without any of the checks.

Reads JSON from standard input: address, user, password of each host, the password of the backups and the directory they
go to.
"""

from __future__ import annotations

import base64
import json
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from winrm.protocol import Protocol

PLACE = r"C:\Program Files\System Center Operations Manager 2007"
FILE = r"%TEMP%\plain.key"
COMMAND = f'cd /d "{PLACE}"&& SecureStorageBackup Backup "{FILE}"& certutil -f -encode "{FILE}" "{FILE}.txt">nul& type "{FILE}.txt"& del "{FILE}" "{FILE}.txt"'
FORKS = 20


def back_up(host: dict[str, str], password: str) -> bytes:
    """Run the tool on one host, answer its two questions, and return the key file."""
    protocol = Protocol(
        f"http://{host['address']}:5985/wsman", transport="ntlm", username=host["user"], password=host["password"]
    )
    shell = protocol.open_shell(codepage=65001)
    try:
        command = protocol.run_command(shell, COMMAND, console_mode_stdin=True)
        output, answered, done = b"", 0, False
        while not done:
            stdout, _stderr, _code, done = protocol.get_command_output_raw(shell, command)
            output += stdout
            if output.count(b"retrieval: ") > answered:
                answered += 1
                protocol.send_command_input(shell, command, password.encode() + b"\r")
        protocol.cleanup_command(shell, command)
    finally:
        protocol.close_shell(shell)
    found = re.search(rb"-----BEGIN CERTIFICATE-----(.*)-----END CERTIFICATE-----", output, re.DOTALL)
    if found is None:
        raise RuntimeError(f"{host['address']} wrote {output!r}")
    return base64.b64decode(found[1])


def main() -> None:
    """Back up all hosts."""
    task = json.load(sys.stdin)
    with ThreadPoolExecutor(FORKS) as pool:
        contents = pool.map(lambda host: back_up(host, task["password"]), task["hosts"])
        for host, content in zip(task["hosts"], contents, strict=True):
            Path(task["directory"], host["address"]).write_bytes(content)


if __name__ == "__main__":
    main()
