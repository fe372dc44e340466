# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files as one program sees them: relative paths, shares, and the rights of its session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import paths
from .errors import Win32Error
from .filesystem import Directory, File, FileSystem, Node, Tree

if TYPE_CHECKING:
    from .host import Session, WindowsHost


class Files(Tree):
    r"""The file calls of a program.

    A share of another host needs a session that can delegate (a WinRM logon without CredSSP or delegation reaches the
    other machine as nobody: access denied [field]); shares of the own host do not.  Errors are :class:`Win32Error`.
    """

    def __init__(self, host: WindowsHost, session: Session, cwd: str) -> None:
        self._host = host
        self._session = session
        self.cwd = cwd

    def absolute(self, path: str) -> str:
        """The full path, drives mapped to shares resolved."""
        full = paths.absolute(path, self.cwd)
        mapped = self._session.mapped.get(full[:1].upper()) if full[1:2] == ":" else None
        return paths.absolute(mapped + full[2:], self.cwd) if mapped else full

    def locate(self, path: str) -> tuple[FileSystem, str]:
        """The file system and the local path behind a path."""
        full = self.absolute(path)
        if not paths.is_unc(full):
            return self._host.fs, full
        server, share, rest = [*full[2:].split("\\", 2), "", ""][:3]
        owner = self._owner(server)
        folder = owner.fs.shares.get(share.lower()) or self._admin_share(owner, share)
        if folder is None:
            raise Win32Error(67, path)
        return owner.fs, paths.join(folder, rest) if rest else folder

    def _owner(self, server: str) -> WindowsHost:
        owner = self._host.find(server)
        if owner is None or not owner.powered:
            raise Win32Error(53, server)
        if owner is not self._host and not self._session.can_delegate and owner.name not in self._session.connected:
            raise Win32Error(5, server)
        return owner

    def _admin_share(self, owner: WindowsHost, share: str) -> str | None:
        """``C$`` and ``ADMIN$``, for administrators."""
        folder = owner.system_root if share.lower() == "admin$" else None
        if len(share) == 2 and share[1] == "$" and share[0].upper() in owner.fs.volumes:
            folder = share[0].upper() + ":\\"
        if folder is not None and not self._session.is_admin:
            raise Win32Error(5, share)
        return folder

    # Looking

    def node(self, path: str) -> Node:
        """The entry of a path."""
        files, local = self.locate(path)
        return files.node(local)

    def entries(self, path: str, pattern: str = "*") -> list[Node]:
        """The entries of a folder that fit a pattern."""
        files, local = self.locate(path)
        return files.entries(local, pattern)

    def read(self, path: str) -> bytes:
        """A file's content; ``nul`` is empty."""
        if paths.is_device(path):
            return b""
        files, local = self.locate(path)
        return files.read(local)

    # Changing

    def write(self, path: str, data: bytes, *, append: bool = False) -> None:
        """Create a file or replace its content; ``nul`` swallows it."""
        if not paths.is_device(path):
            files, local = self._changeable(path)
            files.write(local, data, append=append)

    def mkdir(self, path: str) -> None:
        """Create a folder and those above it."""
        files, local = self._changeable(path)
        files.mkdir(local)

    def remove(self, path: str, *, force: bool = False) -> None:
        """Delete a file."""
        files, local = self._changeable(path)
        files.remove(local, force=force)

    def rmdir(self, path: str, *, recursive: bool = False) -> None:
        """Delete a folder."""
        files, local = self._changeable(path)
        files.rmdir(local, recursive=recursive)

    def copy(self, source: str, target: str) -> None:
        """Copy a file with its time and attributes."""
        data = self.read(source)
        if paths.is_device(target):
            return
        files, local = self._changeable(target)
        created = files.write(local, data)
        original = self.lookup(source)
        if isinstance(original, File):
            created.modified, created.readonly = original.modified, original.readonly

    def move(self, source: str, target: str, *, replace: bool = False) -> None:
        """Rename or move a file or folder; a file may go to another drive or share."""
        files, local = self._changeable(source)
        to_files, to_local = self._changeable(target)
        if files is to_files and local[:1].lower() == to_local[:1].lower():
            files.move(local, to_local, replace=replace)
            return
        if isinstance(files.node(local), Directory):
            raise Win32Error(5, source)
        if to_files.exists(to_local) and not replace:
            raise Win32Error(183, target)
        self.copy(source, target)
        files.remove(local, force=True)

    def _changeable(self, path: str) -> tuple[FileSystem, str]:
        """As :meth:`locate`; 5 where accounts that are not administrators may only look."""
        files, local = self.locate(path)
        if not self._session.is_admin and not self._users_may_write(files.long_path(local)):
            raise Win32Error(5, path)
        return files, local

    def _users_may_write(self, path: str) -> bool:
        folders = (self._session.profile, paths.join(self._host.system_root, "Temp"))
        return any(folder and path.lower().startswith(folder.lower() + "\\") for folder in folders)
