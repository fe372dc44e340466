# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the verbose log of a setup says about its failure, in whatever language Windows writes it.

Private to opsmgr.recovery. Two kinds of lines are never translated and serve as anchors: `CustomAction X returned actual
error code N` and `MainEngineThread is returning N`. The end of an action is translated, but has the same parts in each
language that was seen: a time, a colon, the name of the action, and at the end its return value.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# A deferred custom action runs inside one of these, which then fail with it [ms].
RUN_DEFERRED = ("InstallFinalize", "InstallExecute", "InstallExecuteAgain")
# The lines that find_failure() reads, for findstr on the server: nothing but ASCII, because what it makes of other
# characters depends on the code page.
PATTERNS = (
    "[0-9][:.][0-9][0-9] *: .*3",
    "CustomAction .* returned actual error code",
    "MainEngineThread is returning",
)

# `Action ended 3:01:24: InstallFinalize. Return value 3.`; Chinese and Japanese end a sentence with U+3002.
_ENDED = re.compile(
    r"^(?P<line>\d+):.*?\d[:.]\d\d\s*[:：]\s*(?P<action>[^\s:：。]+?)(?:\.\s|。).*(?<!\d)3(?!\d)\D*$", re.MULTILINE
)
_CUSTOM = re.compile(
    r"^(?P<line>\d+):CustomAction (?P<action>\S+) returned actual error code (?P<code>-?\d+)(?P<rest>.*)$", re.MULTILINE
)
# Such a failure is ignored: the action is marked to go on.
_IGNORED = "translated to success"
_ENGINE = re.compile(r"^(?P<line>\d+):.*MainEngineThread is returning \d+", re.MULTILINE)


@dataclass(frozen=True)
class LogFailure:
    """Where a setup failed. None for what the log does not say.

    :ivar ended: the first action that ended with 3
    :ivar custom: the custom action that returned an error before that
    :ivar line: number of the last line that tells about the failure
    """

    ended: str | None = None
    custom: str | None = None
    line: int | None = None

    @property
    def action(self) -> str | None:
        """The action that a person must look at: a deferred custom action, not the one that ran it."""
        if self.custom is not None and (self.ended is None or self.ended in RUN_DEFERRED):
            return self.custom
        return self.ended


def find_failure(text: str) -> LogFailure:
    """The failure in the lines of a log that fit one of PATTERNS, each behind its number and a colon."""
    ended = _ENDED.search(text)
    before = text[: ended.start()] if ended else text
    failed = [found for found in _CUSTOM.finditer(before) if found["code"] != "0" and _IGNORED not in found["rest"]]
    custom = failed[-1] if failed else None
    last = ended or custom or next(iter(_ENGINE.finditer(text)), None)
    return LogFailure(
        ended=ended["action"] if ended else None,
        custom=custom["action"] if custom else None,
        line=int(last["line"]) if last else None,
    )
