# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which backup the key of a server was restored from, kept on the server: without it, a second restore of the same
backup could not be told from a refusal.

The mark is written by the command line that runs the tool, with the key that was there before, and completed when the
restore is proved. Nothing in it is a secret: hashes of an encrypted file and salted hashes of the key.

Private to opsmgr.recovery.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.key_fingerprint import parse_fingerprint
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.windows.host import WindowsHost, parse_registry
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.faults import (
    CommandTimeout,
    ConnectionLost,
    ShellFault,
)

# Not below the key of a promotion, which is deleted as a whole.
MARK_KEY = r"HKLM\SOFTWARE\opsmgr.recovery.key"
SOURCE_VALUE, BEFORE_VALUE, AFTER_VALUE = "RestoredFrom", "KeyBefore", "KeyAfter"
ABSENT = "absent"
_SHA256 = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class RestoreMark:
    """What an earlier restore left on a server. None where it left nothing that is understood.

    :ivar source: the SHA-256 of the backup that was restored, as "sha256:" and 64 digits
    :ivar before: the fingerprint of the key before it, or ABSENT
    :ivar after: the fingerprint of the key when the restore had been proved; None when the run was cut off before
    """

    source: str | None = None
    before: str | None = None
    after: str | None = None

    def proves(self, source: str | None, fingerprint: str | None) -> bool:
        """Whether the key with this fingerprint is the one that a restore of this backup put there."""
        if source is None or fingerprint is None or self.source != source:
            return False
        if self.after is not None:
            return self.after == fingerprint
        # The run was cut off while the tool ran. Another key than before is what the tool put there.
        return self.before is not None and self.before != fingerprint


def find_mark(windows: WindowsHost) -> RestoreMark:
    """The mark on a server."""
    questions = windows.questions()
    questions.ask("mark", f'reg query "{MARK_KEY}"')
    return read_mark(windows.ask(questions)["mark"].text)


def hash_of_file(windows: WindowsHost, path: str) -> str | None:
    """The SHA-256 of the file `path` (safe inside quotation marks) on a server, as "sha256:" and 64 digits; None when
    the server cannot tell it.
    """
    questions = windows.questions()
    questions.ask("file", f'certutil -hashfile "{path}" SHA256')
    return parse_fingerprint(windows.ask(questions)["file"].text)


def read_mark(text: str) -> RestoreMark:
    """The mark in what `reg query` wrote."""
    values = {name.lower(): data for found in parse_registry(text).values() for name, data in found.items()}

    def understood(name: str) -> str | None:
        data = values.get(name.lower(), "")
        return data if _SHA256.fullmatch(data) or (name == BEFORE_VALUE and data == ABSENT) else None

    return RestoreMark(*map(understood, (SOURCE_VALUE, BEFORE_VALUE, AFTER_VALUE)))


def marking(source: str, before: str | None) -> str:
    """The command that marks a restore that begins. It goes before the command of the tool, in the same command line.

    :param source: the SHA-256 of the backup
    :param before: the fingerprint of the key that is there; None when there is no key
    """
    return f'(reg delete "{MARK_KEY}" /f& {_set(BEFORE_VALUE, before or ABSENT)}& {_set(SOURCE_VALUE, source)})>nul 2>nul& '


def complete(windows: WindowsHost, fingerprint: str) -> None:
    """Complete the mark of a restore that is proved.

    :raises OpsmgrError: it is not there afterwards
    """
    windows.set_registry_text(MARK_KEY, AFTER_VALUE, fingerprint, "mark the restored key")


def forget(windows: WindowsHost) -> None:
    """Remove the mark of a restore that failed: the next run must run the tool, and see again what it complains of."""
    with contextlib.suppress(ConnectionLost, ShellFault, CommandTimeout):
        windows.shell.run(f'reg delete "{MARK_KEY}" /f')


def _set(name: str, data: str) -> str:
    return f'reg add "{MARK_KEY}" /v {name} /t REG_SZ /d {data} /f'
