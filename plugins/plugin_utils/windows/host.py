# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Windows host seen through cmd.exe and the tools in the box: files, registry, services, processes.

Private to opsmgr.recovery. Quoting for cmd.exe lives here and nowhere else. Nothing here depends on English words:
structure, numbers and exit codes are the same in every language.
"""

from __future__ import annotations

import base64
import binascii
import re
import secrets
import typing as t
from dataclasses import dataclass, field

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.shell import RUN_TIMEOUT_SECONDS, Shell

# Characters of a command line that cmd.exe accepts [ms].
COMMAND_LINE_LIMIT = 8191

SERVICE_STATES = {
    1: "stopped",
    2: "start_pending",
    3: "stop_pending",
    4: "running",
    5: "continue_pending",
    6: "pause_pending",
    7: "paused",
}
START_MODES = {0: "boot", 1: "system", 2: "auto", 3: "demand", 4: "disabled"}

# Win32 errors that mean "it is so already" [ms].
ERROR_SERVICE_ALREADY_RUNNING = 1056
ERROR_SERVICE_NOT_ACTIVE = 1062
ERROR_SERVICE_CANNOT_ACCEPT_CTRL = 1061

SERVICE_ERRORS = {
    5: "access denied: the account is not an administrator",
    1053: "the service did not answer the start request in time",
    1058: "the service is disabled",
    1060: "there is no such service",
    1069: "the service's account could not log on",
    1068: "a service it depends on did not start",
}
# What a process that ansible-core forked would compile again is compiled here, once for all hosts.
_UNQUOTABLE = re.compile(r'["\r\n\0]')
_BASE64_BODY = re.compile(r"-----BEGIN CERTIFICATE-----\s*(.*?)\s*-----END CERTIFICATE-----", re.DOTALL)
# tasklist with a filter finds nothing under load, and says so with exit code 0 [KB 2732840]. A list without a filter
# proves itself: it holds tasklist.
_LISTER = "tasklist.exe"
_PROCESS = re.compile(r'(?m)^"([^"\r\n]*)","(\d{1,10})"')
# A line of `sc qc` with a label; the label may be translated.
_PROPERTY = re.compile(r"(?m)^[^\S\r\n]+[^\s:][^:\r\n]*:([^\r\n]*)")
_ACCOUNT_PLACE = 8
# Longer than any name of a domain and any name in it [ms].
_ACCOUNT_LIMIT = 512
_REGISTRY_VALUE = re.compile(r"^(?:\t| {4})(.+?)(?:\t| {4})(REG_[A-Z_]+)(?:(?:\t| {4})(.*))?$")


class UnquotableError(ValueError):
    """A text cannot be given to cmd.exe: it has a quotation mark, a line end or a NUL."""


def quote(text: str) -> str:
    """Quote one argument or path for a cmd.exe command line.

    Inside quotation marks only % is special. A percent sign is put outside, behind a caret: the variable name that
    cmd.exe then looks for begins with a quotation mark and does not exist, so the sign stays and the caret goes.

    :raises UnquotableError: the text has a quotation mark, a line end or a NUL; none of them can be in a Windows path
    """
    if _UNQUOTABLE.search(text):
        raise UnquotableError(
            "a name with a quotation mark, a line end or a NUL cannot be used on a Windows command line"
        )
    return '"' + text.replace("%", '"^%"') + '"'


def directory_join(directory: str, name: str) -> str:
    """Join a directory and a name with exactly one backslash."""
    return directory.rstrip("\\/") + "\\" + name


@dataclass(frozen=True)
class Answer:
    """The answer to one question of a Questions batch: whether the command succeeded, and what it wrote."""

    succeeded: bool
    text: str


class Questions:
    """Many small questions in one command line, because round trips are the cost.

    :ivar usual_seconds: how long the server takes for them as a rule, beyond a moment
    """

    def __init__(self, usual_seconds: float = 0.0) -> None:
        self.usual_seconds = usual_seconds
        self._commands: dict[str, str] = {}
        self._mark = secrets.token_hex(4)

    def ask(self, name: str, command: str) -> None:
        """Add a question; `command` is complete, quoted and writes nothing but its answer."""
        self._commands[name] = command

    def command_line(self) -> str:
        """The command line that asks everything. Markers carry a random word, so that no output can be taken for one."""
        asked = [
            f"echo [{self._mark} {name}]& ({command})2>&1&& echo [{self._mark} yes]|| echo [{self._mark} no]"
            for name, command in self._commands.items()
        ]
        return "& ".join([*asked, f"echo [{self._mark} end]"])

    def answers(self, output: str) -> dict[str, Answer]:
        """Take the output apart.

        :raises OpsmgrError: an answer is missing, so the command line was cut off
        """
        found = re.finditer(rf"\[{self._mark} ([^\]]+)\]\s*?\n(.*?)\[{self._mark} (yes|no)\]", output, re.DOTALL)
        answers = {name: Answer(end == "yes", text) for name, text, end in (answer.groups() for answer in found)}
        missing = [name for name in self._commands if name not in answers]
        if missing:
            raise OpsmgrError(
                "look at the server",
                f"the answer about {missing[0]} is missing from what cmd.exe wrote",
                "Rerun; if it stays so, look at the server's WinRM service.",
            )
        return answers


@dataclass(frozen=True)
class ServiceState:
    """One service: state "running", "stopped", ...; start_mode "auto", "demand", "disabled"; both None when it does not
    exist. `account` is None when it was not seen, and no part of a comparison.
    """

    state: str | None
    start_mode: str | None
    account: str | None = field(default=None, compare=False)

    @property
    def exists(self) -> bool:
        """Whether the service control manager knows it."""
        return self.state is not None


@dataclass(frozen=True)
class ServiceChange:
    """One order to the service control manager. `accepted` are errors that mean "it is so already"."""

    what: str
    command: str
    accepted: tuple[int, ...] = ()

    @classmethod
    def start_mode(cls, name: str, mode: str) -> ServiceChange:
        """Set a start mode: "auto", "demand" or "disabled"."""
        # The space behind "start=" is part of sc's syntax: without it sc answers 1639.
        return cls(f"set service {name} to {mode}", f"sc config {name} start= {mode}")

    @classmethod
    def start(cls, name: str) -> ServiceChange:
        """Start a service."""
        return cls(f"start service {name}", f"sc start {name}", (ERROR_SERVICE_ALREADY_RUNNING,))

    @classmethod
    def stop(cls, name: str) -> ServiceChange:
        """Stop a service."""
        return cls(
            f"stop service {name}", f"sc stop {name}", (ERROR_SERVICE_NOT_ACTIVE, ERROR_SERVICE_CANNOT_ACCEPT_CTRL)
        )


def parse_registry(text: str) -> dict[str, dict[str, str]]:
    """What `reg query` wrote, as {key path: {value name: data}}; REG_DWORD stays "0x1".

    The layout differs between Windows Server 2003 (tabs, a version header) and later (four spaces); both are read.
    """
    keys: dict[str, dict[str, str]] = {}
    current: dict[str, str] = {}
    for line in text.splitlines():
        value = _REGISTRY_VALUE.match(line)
        if value:
            current[value[1]] = (value[3] or "").strip()
        elif line.upper().startswith(("HKEY_", "HKLM\\", "HKU\\")):
            current = keys.setdefault(line.strip(), {})
    return keys


def parse_service(query: Answer, configuration: Answer) -> ServiceState:
    """A service from what `sc queryex` and `sc qc` wrote.

    sc translates its labels but keeps the order and the numbers: type, state, ... and type, start mode, ...
    """
    if not query.succeeded:
        return ServiceState(None, None)
    state = _numbers(query.text)[1:2]
    mode = _numbers(configuration.text)[1:2]
    return ServiceState(
        SERVICE_STATES.get(state[0]) if state else None,
        START_MODES.get(mode[0]) if mode else None,
        _account(configuration.text),
    )


def _account(text: str) -> str | None:
    """SERVICE_START_NAME, the ninth property of `sc qc`. Further dependencies stand in lines without a label."""
    values = [value.strip() for value in _PROPERTY.findall(text)]
    account = values[_ACCOUNT_PLACE] if len(values) > _ACCOUNT_PLACE else ""
    return account if 0 < len(account) <= _ACCOUNT_LIMIT else None


def _numbers(text: str) -> list[int]:
    # Only indented lines: SERVICE_NAME stands at the margin, and a service may be called FADE.
    return [int(found, 16) for found in re.findall(r"(?m)^[^\S\r\n]+\S[^:\r\n]*:[^\S\r\n]+([0-9a-fA-F]+)\s", text)]


def processes_command(image: str) -> str:
    """The command that lists the processes of a program, for process_ids()."""
    return f'tasklist /nh /fo csv| findstr /i /c:"{image}" /c:"{_LISTER}"'


def process_ids(processes: Answer, image: str) -> tuple[int, ...] | None:
    """The process ids of a program in the answer to processes_command(); None when the list does not even hold the
    program that made it.
    """
    found = [(name.lower(), int(number)) for name, number in _PROCESS.findall(processes.text)]
    own = tuple(number for name, number in found if name == image.lower())
    return own if own or any(name == _LISTER for name, _number in found) else None


def win32_error(text: str) -> int | None:
    """The number of the error that sc reports: `[SC] StartService FAILED 1056:`, in every language before a colon.

    French has a no-break space between them, which arrives as U+FFFD from a console of another code page.
    """
    found = re.search(r"(?<!\d)(\d{1,5})[\s\ufffd]*[:：]", text)
    return int(found[1]) if found else None


def pause_command(seconds: int) -> str:
    """A command that waits. ping is in the box everywhere, timeout is not."""
    return f"ping -n {seconds + 1} 127.0.0.1>nul"


def decode_certutil(text: str) -> bytes:
    """The bytes of a file that `certutil -encode` wrote as text.

    :raises ValueError: there is no complete text, or it is not Base64
    """
    found = _BASE64_BODY.search(text)
    if found is None:
        raise ValueError("certutil's text is missing or incomplete")
    try:
        return base64.b64decode("".join(found[1].split()), validate=True)
    except binascii.Error as error:
        raise ValueError("certutil's text is not Base64") from error


class WindowsHost:
    """Files and services of one host, on top of a shell."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell

    def ask(self, questions: Questions, probe: bool = False) -> dict[str, Answer]:
        """Ask a batch of questions that change nothing, in one command. They are asked again when the connection
        breaks.

        :param probe: find out on the way what standard input programs get
        """
        return questions.answers(self.shell.read(questions.command_line(), probe, questions.usual_seconds).stdout)

    def order(self, orders: Questions, timeout_seconds: float = RUN_TIMEOUT_SECONDS) -> dict[str, Answer]:
        """Give a batch of commands that change something, in one command. They are never sent twice."""
        completed = self.shell.run(
            orders.command_line(), timeout_seconds=timeout_seconds, usual_seconds=orders.usual_seconds
        )
        return orders.answers(completed.stdout)

    def temporary_path(self, purpose: str) -> str:
        """A path in the user's own temporary directory, which only this user and administrators can read.

        %TEMP% is left for cmd.exe to expand, so the path may stand in quotation marks but not be quoted by quote().
        """
        return f"%TEMP%\\opsmgr-recovery-{purpose}"

    def put_temporary(self, purpose: str, content: bytes) -> str:
        """Write a temporary file, read it back, and return its path for use inside quotation marks.

        The bytes travel on standard input, never in a command line, because those are in every process listing.

        :raises OpsmgrError: what arrived is not what was sent
        """
        path = self.temporary_path(purpose)
        # With the lines around it that certutil itself writes: that every version reads it without them is not
        # documented.
        lines = b"-----BEGIN CERTIFICATE-----\n%b-----END CERTIFICATE-----\n" % base64.encodebytes(content)
        command = (
            f'findstr "^">"{path}.in"&& certutil -f -decode "{path}.in" "{path}">nul&& certutil -f -encode "{path}" "{path}.out">nul&& type "{path}.out"'
            f'& del /f /q "{path}.in" "{path}.out"'
        )
        written = self.shell.run(command, stdin=lines.replace(b"\n", b"\r\n"))
        try:
            arrived = decode_certutil(written.stdout)
        except ValueError:
            arrived = b""
        if arrived != content:
            self.remove_temporary(purpose)
            raise OpsmgrError(
                "copy the file to the server",
                "the file that arrived is not the one that was sent",
                "Check the free space on the server's system drive, then rerun.",
            )
        return path

    def remove_temporary(self, purpose: str) -> None:
        """Remove a temporary file and what stood beside it while it was written."""
        path = self.temporary_path(purpose)
        self.shell.run(f'del /f /q "{path}" "{path}.in" "{path}.out" 2>nul')

    def set_registry_text(self, key: str, name: str, text: str, step: str) -> None:
        """Set a REG_SZ value and read it back; `key` begins with HKLM.

        :raises OpsmgrError: it does not have the value afterwards
        """
        questions = Questions()
        questions.ask("add", f"reg add {quote(key)} /v {quote(name)} /t REG_SZ /d {quote(text)} /f")
        questions.ask("query", f"reg query {quote(key)} /v {quote(name)}")
        answers = self.order(questions)
        stored = [data for values in parse_registry(answers["query"].text).values() for data in values.values()]
        if stored != [text]:
            found = f"{name} in the registry key {key} could not be written: {answers['add'].text}"
            raise OpsmgrError(step, found, "Check the rights on that key, then rerun")

    def ask_services(self, questions: Questions, names: t.Iterable[str]) -> None:
        """Add the questions that read_services() answers."""
        for name in names:
            questions.ask(f"{name} query", f"sc queryex {name}")
            questions.ask(f"{name} qc", f"sc qc {name}")

    def read_services(self, answers: t.Mapping[str, Answer], names: t.Iterable[str]) -> dict[str, ServiceState]:
        """The services that ask_services() asked for."""
        return {name: parse_service(answers[f"{name} query"], answers[f"{name} qc"]) for name in names}

    @staticmethod
    def questions(after_seconds: int = 0) -> Questions:
        """An empty batch; `after_seconds` are waited on the server before its first question."""
        questions = Questions(after_seconds)
        if after_seconds:
            questions.ask("pause", pause_command(after_seconds))
        return questions

    def services(self, names: t.Sequence[str], after_seconds: int = 0) -> dict[str, ServiceState]:
        """State and start mode of services, in one round trip; `after_seconds` are waited on the server first."""
        questions = self.questions(after_seconds)
        self.ask_services(questions, names)
        return self.read_services(self.ask(questions), names)

    def change_services(self, changes: t.Sequence[ServiceChange]) -> None:
        """Order changes of services, all in one round trip.

        :raises OpsmgrError: the service control manager refused one of them
        """
        if not changes:
            return
        questions = Questions()
        for change in changes:
            questions.ask(change.what, change.command)
        self.require_accepted(changes, self.order(questions))

    @staticmethod
    def require_accepted(changes: t.Iterable[ServiceChange], answers: t.Mapping[str, Answer]) -> None:
        """Refuse when the service control manager did, as far as the answers tell of a change.

        :raises OpsmgrError: it refused one of them, and not because it is so already
        """
        for change in changes:
            answer = answers.get(change.what, Answer(True, ""))
            error = win32_error(answer.text)
            if not answer.succeeded and error not in change.accepted:
                reason = SERVICE_ERRORS.get(error or 0) or " ".join(answer.text.split())
                found = f"the service control manager refused with error {error}: {reason}"
                raise OpsmgrError(change.what, found, "Fix this on the server, then rerun")

    def find_out_input_kind(self) -> None:
        """Find out what standard input programs get here, unless that is known."""
        if self.shell.input_kind is None:
            self.shell.read("cd>nul", probe=True)

    def pause(self, seconds: int) -> None:
        """Wait on the server: one command instead of a poll from here."""
        self.shell.read(pause_command(seconds))
