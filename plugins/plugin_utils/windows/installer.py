# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows Installer of a host: run a package, wait for what runs already, and say from the log why a setup failed.

Private to opsmgr.recovery. Knows nothing of Operations Manager. What a setup did is for the caller to look at: this
only runs it.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.windows.host import (
    WindowsHost,
    process_ids,
    processes_command,
    quote,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.windows.installer_log import PATTERNS, find_failure
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.faults import CommandTimeout, ConnectionLost
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.shell import Deadline

SERVICE = "msiserver"
PROGRAM = "msiexec.exe"
SUCCESS = 0
BUSY = 1618
REBOOT_STARTED = 1641
REBOOT_WANTED = 3010
SUCCESSES = (SUCCESS, REBOOT_STARTED, REBOOT_WANTED)

_READ_LOG = "Read the log, put that right, then rerun"
# Exit codes of msiexec with what they mean and what to do [ms].
EXIT_CODES = {
    5: ("access is denied", "Use an account that is a member of the server's Administrators group"),
    1601: (
        "the Windows Installer service could not be used",
        f"See that the service {SERVICE} can start, then rerun",
    ),
    1602: ("the setup was cancelled", "Rerun"),
    1603: ("a fatal error during the setup", _READ_LOG),
    BUSY: ("another setup is running", "Rerun when that one has ended"),
    1619: (
        "the package could not be opened",
        "See that the file is there and can be read. A WinRM logon cannot reach a share on another machine",
    ),
    1620: ("the file is no package of Windows Installer", "Name the right file in the option package"),
    1622: (
        "the log file could not be written",
        "See that the user's temporary directory exists and the drive has free space",
    ),
    1625: ("a policy of this server forbids the setup", "Ask who is responsible for the policy"),
    1633: (
        "the package is for another processor",
        "Name the package for this server's processor in the option package",
    ),
    1638: (
        "another version of the product is installed",
        "Name the package of the installed version, service pack included",
    ),
    1639: ("msiexec did not accept its command line", "Look at the option properties"),
    1642: ("the product that was to be updated is not there", _READ_LOG),
}
# With these the setup has not begun.
NOT_BEGUN = (5, 1601, BUSY, 1619, 1620, 1622, 1625, 1633, 1638, 1639)
# Seconds between two looks at a setup that runs already.
POLL_SECONDS = 10
LOG_LINES = 20
LINE_CHARACTERS = 300
LOG_NAME = "setup.log"
_PROPERTY = re.compile(r"[A-Z_][A-Z0-9_.]*")


@dataclass(frozen=True)
class Outcome:
    """How a setup ended. The last three are None after a success.

    :ivar failed_action: the first action that failed, a deferred custom action by its own name; None when the log names
        none
    :ivar log: path of the log on the server, where it was left
    :ivar effect_seen: whether the effect is there, for a setup whose exit code is lost with the connection
    :ivar excerpt: the lines of the log up to the end of that action, or its last ones
    """

    exit_code: int | None
    failed_action: str | None = None
    log: str | None = None
    excerpt: str | None = None
    effect_seen: bool = False

    @property
    def succeeded(self) -> bool:
        """Whether msiexec calls it a success; without an exit code, whether the effect was seen."""
        return self.effect_seen if self.exit_code is None else self.exit_code in SUCCESSES

    @property
    def began(self) -> bool:
        """Whether something may have been changed."""
        return self.exit_code not in NOT_BEGUN

    @property
    def reboot_required(self) -> bool:
        """Whether the server wants to be restarted."""
        return self.exit_code in (REBOOT_STARTED, REBOOT_WANTED)

    def problem(self, step: str, package: str) -> OpsmgrError:
        """The failure as the one error a user sees."""
        if self.exit_code is None:
            found = "the connection broke while the setup ran; it has ended, and its effect is not there"
            return OpsmgrError(step, found, f"{_READ_LOG}. The log is {self.log} on the server. Then rerun")
        meaning, advice = EXIT_CODES.get(self.exit_code, ("a code of which nothing is known here", _READ_LOG))
        parts = [f"the setup {package} ended with {self.exit_code}, {meaning}"]
        parts += [f"the action that failed is {self.failed_action}"] if self.failed_action else []
        parts += [f"the log says: {self.excerpt}"] if self.excerpt else []
        return OpsmgrError(
            step, "; ".join(parts), f"{advice}. The log is {self.log} on the server" if self.log else advice
        )


def install_command(package: str, properties: t.Mapping[str, str], log: str) -> str:
    """The command line of a setup without questions and without a restart.

    cmd.exe waits for a program with windows only behind start /wait, and then takes over its exit code [ms].

    :param log: safe inside quotation marks
    :raises OpsmgrError: the name of a property is not valid
    :raises UnquotableError: a value or the path has a quotation mark or a line end
    """
    for name in properties:
        if not _PROPERTY.fullmatch(name):
            raise OpsmgrError(
                "run the setup",
                f"{name!r} is not the name of a public property",
                "Write it in capitals: letters, digits, _ and .",
            )
    given = "".join(f" {name}={quote(value)}" for name, value in properties.items())
    return f'start "" /wait msiexec /i {quote(package)} /qn /norestart /l*v "{log}"{given}'


class WindowsInstaller:
    """Windows Installer of one host; `step` is what an error says was being done."""

    def __init__(self, windows: WindowsHost, step: str, timeout_seconds: float) -> None:
        """:param timeout_seconds: one deadline for everything: setups that run already, and the one to be run"""
        self._windows = windows
        self._step = step
        self._deadline = Deadline(timeout_seconds)
        self._log = windows.temporary_path(LOG_NAME)

    def wait_until_idle(self) -> None:
        """Wait for setups that run already: one that an interrupted run of ours started, or somebody else's.

        :raises OpsmgrError: one of them does not end in time
        """
        pause = 0
        while self._is_busy(pause):
            if self._deadline.left() <= POLL_SECONDS:
                found = f"a setup is running on this server ({PROGRAM}) and did not end within {self._deadline.seconds:g} seconds"
                raise OpsmgrError(
                    self._step, found, "Check on the server's console what it is; rerun when it has ended"
                )
            pause = POLL_SECONDS

    def bring_about(
        self, package: str, properties: t.Mapping[str, str], is_done: t.Callable[[], bool]
    ) -> Outcome | None:
        """Run a setup unless its effect is there; None when it was, perhaps only after waiting for a setup that ran
        already.

        :raises OpsmgrError: it does not end in time; it goes on then, and the next run waits for it
        """
        command = install_command(package, properties, self._log)
        while True:
            self.wait_until_idle()
            if is_done():
                return None
            exit_code = self._run(command)
            if exit_code is None:
                return self._judge_by_effect(is_done)
            if exit_code != BUSY or self._deadline.left() <= POLL_SECONDS:
                return Outcome(exit_code) if exit_code in SUCCESSES else self._failure(exit_code)
            # The processes showed nothing, but Windows Installer knows better: the service may still be at work for a
            # client that is gone.
            self._windows.pause(POLL_SECONDS)

    def remove_log(self) -> None:
        """Remove the log of a setup whose effect is there."""
        self._windows.remove_temporary(LOG_NAME)

    def _is_busy(self, after_seconds: int) -> bool:
        """Whether a setup runs: the service's own process stays for some minutes after its work, others of that name do
        not [field].

        While the processes cannot be listed, that is not known, so it counts as running.
        """
        questions = self._windows.questions(after_seconds)
        questions.ask("processes", processes_command(PROGRAM))
        questions.ask("service", f"sc queryex {SERVICE}")
        answers = self._windows.ask(questions)
        running = process_ids(answers["processes"], PROGRAM)
        own = re.findall(r"\b\d+\b", answers["service"].text)
        return running is None or any(str(number) not in own for number in running)

    def _judge_by_effect(self, is_done: t.Callable[[], bool]) -> Outcome:
        """A setup whose connection broke goes on. Wait for its end, and look for its effect; its exit code is lost."""
        self.wait_until_idle()
        return Outcome(None, log=self._log, effect_seen=is_done())

    def _run(self, command: str) -> int | None:
        """The exit code of the setup; None when the connection broke while it ran."""
        shell = self._windows.shell
        # Whatever goes wrong while it works, it must not be killed in the middle: the shell is left open then.
        shell.left_running = True
        try:
            completed = shell.run(command, timeout_seconds=self._deadline.left())
        except CommandTimeout as error:
            found = f"the setup did not end within {self._deadline.seconds:g} seconds, and goes on"
            raise OpsmgrError(
                self._step, found, "Give it more time in the option timeout. Rerun: it waits for the setup first"
            ) from error
        except ConnectionLost:
            return None
        shell.left_running = False
        return completed.exit_code

    def _failure(self, exit_code: int) -> Outcome:
        questions = self._windows.questions()
        questions.ask("path", f'for %f in ("{self._log}") do @if exist %f echo %~f')
        # The log is UTF-16, which type translates and findstr cannot read by itself [field].
        patterns = " ".join(f'/c:"{pattern}"' for pattern in PATTERNS)
        questions.ask("failed", f'type "{self._log}" | findstr /n /r {patterns}')
        questions.ask("lines", f'type "{self._log}" | find /c /v ""')
        answers = self._windows.ask(questions)
        path = answers["path"].text.strip()
        if not path:
            return Outcome(exit_code)
        failure = find_failure(answers["failed"].text)
        count = answers["lines"].text.strip()
        last = failure.line or (int(count) if count.isdecimal() else 0)
        return Outcome(exit_code, failure.action, path, self._excerpt(last))

    def _excerpt(self, last: int) -> str:
        """The lines of the log up to number `last`, at most LOG_LINES of them."""
        numbers = " ".join(f"{number}:" for number in range(max(1, last - LOG_LINES + 1), last + 1))
        if not numbers:
            return ""
        written = self._windows.shell.read(f'type "{self._log}" | findstr /n "^" | findstr /b /l "{numbers}"').stdout
        return "\n".join(
            line.partition(":")[2].strip()[:LINE_CHARACTERS] for line in written.splitlines() if line.strip()
        )
