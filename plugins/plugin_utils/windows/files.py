# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole files of a Windows host as bytes: read one, or replace one so that the old one or the new one is there at any
time.

Private to opsmgr.recovery. A replacement is made beside the file with its access rights, compared, and renamed over it
by the same command line that makes sure the file is still the one that was read. A backup of it stays beside it.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import typing as t
from dataclasses import dataclass, field
from datetime import datetime, timezone

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.windows.host import (
    Answer,
    Questions,
    WindowsHost,
    decode_certutil,
    quote,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.faults import (
    CommandTimeout,
    ConnectionLost,
    ShellFault,
)

# A configuration file has some 20 KB. What is larger is not read: it would cross the network as text.
FILE_LIMIT_BYTES = 256 * 1024
# Beside the file, so that the swap is a rename. IIS serves no file with one of these endings: it knows no MIME type for
# them [ms].
STAGED_SUFFIX = ".opsmgr-recovery"
BACKUP_SUFFIX = ".bak"

_ABSOLUTE = re.compile(r"(?:[A-Za-z]:\\|\\\\[^\\]+\\[^\\]+\\)[^\\]")
_NOT_IN_A_PATH = re.compile(r'[%*?"<>|\r\n\0]')
# attrib writes the letters of the attributes in columns, then the path.
_ATTRIBUTES = re.compile(r"^([A-Z ]*?)\s*(?:[A-Za-z]:\\|\\\\)", re.MULTILINE)


@dataclass(frozen=True)
class RemoteFile:
    """A file as it was read."""

    path: str
    content: bytes = field(repr=False)
    read_only: bool


def path_problem(path: str) -> str | None:
    """Say why a path cannot be that of a file to be read or replaced, or None when it can."""
    if not _ABSOLUTE.match(path) or path.endswith("\\"):
        return f"{path!r} is not the full path of a file"
    # % is legal in a path, but cmd.exe gives it to its loops only within quotation marks of its own.
    unusable = _NOT_IN_A_PATH.search(path)
    return f"{path!r} has a {unusable[0]!r}, with which it cannot be used" if unusable else None


def backup_path(path: str, now: datetime | None = None) -> str:
    """Where the backup of a file goes: beside it, with the time in UTC in its name."""
    moment = (now or datetime.now(timezone.utc)).astimezone(timezone.utc)
    return f"{path}.{moment:%Y%m%dT%H%M%SZ}{BACKUP_SUFFIX}"


class WindowsFiles:
    """Reads and replaces files of one host; `step` is what an error says was being done."""

    def __init__(self, windows: WindowsHost, step: str) -> None:
        self._windows = windows
        self._step = step

    def read_file(self, path: str) -> RemoteFile | None:
        """A file, or None without one.

        :raises OpsmgrError: the path is unusable, or the file is too large or cannot be read
        """
        problem = path_problem(path)
        if problem:
            raise OpsmgrError(self._step, problem, "Give the full path of the file")
        questions = Questions()
        self._ask_file(questions, "file", path)
        questions.ask("attributes", f"attrib {quote(path)}")
        return self._read(path, self._windows.ask(questions))

    def require_writable(self, file: RemoteFile) -> None:
        """Refuse a read-only file, before anything is changed; also for check mode.

        :raises OpsmgrError: it is read-only
        """
        if file.read_only:
            advice = f'Find out why it is, remove the attribute (attrib -r "{file.path}"), then rerun'
            raise OpsmgrError(self._step, f"{file.path} has the attribute read-only and was left as it is", advice)

    def replace_file(self, path: str, old: bytes, new: bytes, backup: str) -> None:
        """Put `new` in the place of `old`, and leave `old` in `backup`. Neither may be empty: certutil knows no empty
        file.

        Only when it returns the file is another one, except when the connection is lost: then read it again.

        :raises OpsmgrError: the file is read-only or no longer `old`, or something could not be written; the file is as
            it was
        """
        try:
            arrived = self._windows.put_temporary(_purpose(path), new)
            self._stage(path, old, backup, arrived)
            self._swap(path, old, new, backup)
        except BaseException:
            with contextlib.suppress(ConnectionLost, ShellFault, CommandTimeout):
                self._discard(path)
            raise

    def _stage(self, path: str, old: bytes, backup: str, arrived: str) -> None:
        """Make the backup and the replacement, both with the access rights of the file, and compare what was copied."""
        staged = path + STAGED_SUFFIX
        questions = Questions()
        questions.ask("attributes", f"attrib {quote(path)}")
        questions.ask("taken", f"if exist {quote(backup)} echo taken")
        questions.ask("copied", f"if not exist {quote(backup)} ({_copy_with_rights(path, backup)})")
        self._ask_file(questions, "backup", backup)
        questions.ask(
            "staged",
            f'{_copy_with_rights(path, staged)}&& copy /b /y "{arrived}" {quote(staged)}>nul&& fc /b "{arrived}" {quote(staged)}>nul',
        )
        answers = self._windows.order(questions)
        if answers["taken"].text.strip():
            raise OpsmgrError(
                self._step, f"there is a backup {backup} already", "Rerun: the next backup has another name"
            )
        try:
            self._check_staged(path, old, backup, answers)
        except OpsmgrError:
            self._windows.shell.run(f"del /f /q {quote(backup)}")
            raise

    def _check_staged(self, path: str, old: bytes, backup: str, answers: t.Mapping[str, Answer]) -> None:
        self.require_writable(RemoteFile(path, b"", _read_only(answers["attributes"])))
        if not answers["copied"].succeeded or not answers["backup"].succeeded:
            raise self._unwritable(backup, answers["copied"].text)
        if self._content(backup, answers["backup"]) != old:
            raise self._changed_meanwhile(path)
        if not answers["staged"].succeeded:
            raise self._unwritable(path + STAGED_SUFFIX, answers["staged"].text)

    def _swap(self, path: str, old: bytes, new: bytes, backup: str) -> None:
        """Rename the replacement over the file if that is still what the backup is, and read it back."""
        staged, temporary = quote(path + STAGED_SUFFIX), self._windows.temporary_path(_purpose(path))
        questions = Questions()
        questions.ask("same", f"fc /b {quote(path)} {quote(backup)}>nul&& move /y {staged} {quote(path)}>nul")
        self._ask_file(questions, "file", path)
        questions.ask("tidied", f'del /f /q {staged} "{temporary}"')
        answers = self._windows.order(questions)
        now = self._content(path, answers["file"])
        if now == new:
            return
        if answers["same"].succeeded:
            found = f"{path} was replaced, and changed by someone else at once; before that it was as in {backup}"
            raise OpsmgrError(self._step, found, "Compare both and rerun when nobody else works on it")
        self._windows.shell.run(f"del /f /q {quote(backup)}")
        if now == old:
            found = f"{path} could not be replaced and is as it was: {answers['same'].text}"
            raise OpsmgrError(
                self._step, found, "Close what has the file open, look at the rights on its folder, then rerun"
            )
        raise self._changed_meanwhile(path)

    def _discard(self, path: str) -> None:
        self._windows.shell.run(f"del /f /q {quote(path + STAGED_SUFFIX)} 2>nul")
        self._windows.remove_temporary(_purpose(path))

    def _ask_file(self, questions: Questions, name: str, path: str) -> None:
        """Add the question that _content() answers. The text that certutil makes of the file is removed again by the
        next one.
        """
        text = f"{self._windows.temporary_path(_purpose(path))}.out"
        encode = f'if %~zf LEQ {FILE_LIMIT_BYTES} if not %~zf==0 certutil -f -encode {quote(path)} "{text}">nul&& type "{text}"'
        questions.ask(name, f"if exist {quote(path)} for %f in ({quote(path)}) do @echo [size %~zf]& {encode}")
        questions.ask(f"{name} tidied", f'del /f /q "{text}"')

    def _read(self, path: str, answers: t.Mapping[str, Answer]) -> RemoteFile | None:
        if not answers["file"].text.strip():
            return None
        return RemoteFile(path, self._content(path, answers["file"]), _read_only(answers["attributes"]))

    def _content(self, path: str, answer: Answer) -> bytes:
        """The bytes that the answer to _ask_file() holds, which must be as many as the file is said to have."""
        size = re.search(r"\[size (\d+)\]", answer.text)
        if size is None:
            raise OpsmgrError(
                self._step,
                f"{path} could not be read: {answer.text}",
                "Check the file and the rights on it, then rerun",
            )
        if int(size[1]) > FILE_LIMIT_BYTES:
            found = f"{path} has {size[1]} bytes, which no configuration file has"
            raise OpsmgrError(self._step, found, f"Name the right file: at most {FILE_LIMIT_BYTES} bytes are read")
        try:
            content = decode_certutil(answer.text) if int(size[1]) else b""
        except ValueError as error:
            raise OpsmgrError(
                self._step,
                f"{path} could not be read: {error}",
                "Check the file and the rights on it, then rerun",
            ) from None
        if len(content) != int(size[1]):
            raise OpsmgrError(self._step, f"{path} did not arrive whole", "Rerun")
        return content

    def _changed_meanwhile(self, path: str) -> OpsmgrError:
        found = f"{path} was changed by someone else meanwhile and was left as it is now"
        return OpsmgrError(self._step, found, "Check it and rerun when nobody else works on it")

    def _unwritable(self, path: str, said: str) -> OpsmgrError:
        return OpsmgrError(
            self._step,
            f"{path} could not be written: {said}",
            "Check the rights on its folder and the free space there, then rerun",
        )


def _purpose(path: str) -> str:
    """One name for each file: what a run that was cut off has left is overwritten and removed by the next, and no other
    file's work is disturbed.
    """
    return f"file-{hashlib.sha256(path.lower().encode('utf-8', 'replace')).hexdigest()[:12]}"


def _copy_with_rights(source: str, target: str) -> str:
    """A command that copies a file with owner and access rights, which copy does not.

    xcopy asks whether a target that is not there is a file, and gives up without a word when it has no standard input
    [field].
    """
    return f"type nul>{quote(target)}&& xcopy /o /h /k /r /y /q {quote(source)} {quote(target)}<nul>nul"


def _read_only(answer: Answer) -> bool:
    letters = _ATTRIBUTES.search(answer.text)
    return letters is not None and "R" in letters[1]
