# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories on the controller into which files are only ever added whole.

Everything goes through directory descriptors: a symbolic link that someone puts in the way between a check and its use
is refused, not followed. Errors are OSError with the full path as file name.

This file is private to the collection: others must not import it.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType

TEMPORARY_PREFIX = ".unfinished-"

_READ = os.O_RDONLY | os.O_CLOEXEC
_DIRECTORY = _READ | os.O_DIRECTORY
# Without O_NONBLOCK, opening a named pipe that someone left there would wait for ever.
_FILE = _READ | os.O_NOFOLLOW | os.O_NONBLOCK
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

# What file systems without hard links answer to link(): SMB shares, FAT, some FUSE file systems.
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
# What file systems answer that cannot flush a directory.
_NO_DIRECTORY_SYNC = (errno.EINVAL, errno.ENOTSUP)


class Folder:
    """An open directory. Close it, or use it in a C(with) statement."""

    def __init__(self, path: str, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    @classmethod
    def open(cls, path: str, *, create: bool = False) -> Folder:
        """Open the directory C(path), which may be a symbolic link; C(create) makes it with mode 0700."""
        if create:
            os.makedirs(path, mode=0o700, exist_ok=True)
        return cls(path, os.open(path, _DIRECTORY))

    def close(self) -> None:
        os.close(self._descriptor)

    def __enter__(self) -> Folder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def folder(self, name: str, *, create: bool = False) -> Folder:
        """Open the directory C(name) in this one, never through a symbolic link; C(create) makes it with mode 0700."""
        if create:
            self._make(name)
        with self._located(name):
            self._refuse_link(name)
            return Folder(self.path_of(name), os.open(name, _DIRECTORY | os.O_NOFOLLOW, dir_fd=self._descriptor))

    def path_of(self, name: str) -> str:
        """The full path of C(name) in this directory."""
        return os.path.join(self.path, name)

    def names(self) -> list[str]:
        """All names in this directory, sorted."""
        return sorted(os.listdir(self._descriptor))

    def is_folder(self, name: str) -> bool:
        """Whether C(name) is a directory, or a symbolic link, which opening then refuses by name."""
        mode = self._mode(name)
        return stat.S_ISDIR(mode) or stat.S_ISLNK(mode)

    def is_file(self, name: str) -> bool:
        """Whether C(name) is there and an ordinary file."""
        return stat.S_ISREG(self._mode(name))

    def read(self, name: str, *, limit_bytes: int) -> bytes:
        """Return the content of the ordinary file C(name). Raises OSError EFBIG for more than C(limit_bytes)."""
        with self._located(name):
            self._refuse_link(name)
            descriptor = os.open(name, _FILE, dir_fd=self._descriptor)
            with os.fdopen(descriptor, "rb") as stream:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise OSError(errno.EINVAL, "is not an ordinary file")
                content = stream.read(limit_bytes + 1)
            if len(content) > limit_bytes:
                raise OSError(errno.EFBIG, f"is larger than {limit_bytes} bytes")
            return content

    def add(self, name: str, content: bytes) -> None:
        """Add the file C(name), mode 0600, whole, on disk and read back, or not at all. Raises FileExistsError rather
        than replace.

        After another OSError it is not there, unless it can be neither flushed nor removed: ask is_file() then.
        """
        temporary = TEMPORARY_PREFIX + secrets.token_hex(8)
        with self._located(name):
            try:
                self._write(temporary, content)
                self._read_back(temporary, content)
                self._give_name(temporary, name)
            finally:
                # One that stays is listed as a problem. It must not make an error of what has its name by now.
                self.remove_quietly(temporary)
            try:
                self._sync()
            except OSError:
                self.remove_quietly(name)
                raise

    def remove(self, name: str) -> None:
        """Remove the file C(name) if it is there."""
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._descriptor)

    def remove_quietly(self, name: str) -> None:
        """Remove the file C(name) if that is possible: for what is done after an error, which is the one to report."""
        with suppress(OSError):
            self.remove(name)

    def _make(self, name: str) -> None:
        with self._located(name):
            try:
                os.mkdir(name, 0o700, dir_fd=self._descriptor)
            except FileExistsError:
                return
            self._sync()

    def _write(self, name: str, content: bytes) -> None:
        # The mode is there before the content, whatever the umask.
        with os.fdopen(os.open(name, _NEW_FILE, 0o600, dir_fd=self._descriptor), "wb") as stream:
            os.fchmod(stream.fileno(), 0o600)
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())

    def _read_back(self, name: str, content: bytes) -> None:
        if self.read(name, limit_bytes=len(content)) != content:
            raise OSError(errno.EIO, "reads back differently than it was written")

    def _give_name(self, temporary: str, name: str) -> None:
        here = self._descriptor
        try:
            # link() fails when the name exists; rename() would replace what is there.
            os.link(temporary, name, src_dir_fd=here, dst_dir_fd=here, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            self._reserve_and_rename(temporary, name)

    def _reserve_and_rename(self, temporary: str, name: str) -> None:
        # The empty file is ours by O_EXCL, so that rename() replaces nothing of anybody else.
        os.close(os.open(name, _NEW_FILE, 0o600, dir_fd=self._descriptor))
        try:
            os.rename(temporary, name, src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)
        except OSError:
            self.remove_quietly(name)
            raise

    def _sync(self) -> None:
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            if error.errno not in _NO_DIRECTORY_SYNC:
                raise

    def _mode(self, name: str) -> int:
        try:
            return os.stat(name, dir_fd=self._descriptor, follow_symlinks=False).st_mode
        except FileNotFoundError:
            return 0

    def _refuse_link(self, name: str) -> None:
        # Only for the message: O_NOFOLLOW is what refuses, but says no more than "not a directory".
        if stat.S_ISLNK(self._mode(name)):
            raise OSError(errno.ELOOP, "is a symbolic link")

    @contextmanager
    def _located(self, name: str) -> Iterator[None]:
        """Give errors the full path: with directory descriptors the system knows only the last part."""
        try:
            yield
        except OSError as error:
            error.filename = self.path_of(name)
            error.filename2 = None
            raise
