# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The local drives of a simulated host: NTFS as far as command line tools can tell."""

from __future__ import annotations

import hashlib
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from . import paths
from .errors import Win32Error

CAPACITY = 40_000_000_000
"""Bytes of a simulated drive."""


@dataclass
class File:
    """A file; ``locked`` is what another program that has it open forbids, ``inbox`` marks a file of Windows itself."""

    name: str
    data: bytes = b""
    short: str = ""
    readonly: bool = False
    hidden: bool = False
    system: bool = False
    archive: bool = True
    locked: Literal["", "write", "all"] = ""
    inbox: bool = False
    modified: float = field(default_factory=time.time)

    @property
    def sha256(self) -> str:
        """Hash of the content."""
        return hashlib.sha256(self.data).hexdigest()


@dataclass
class Directory:
    """A folder."""

    name: str
    short: str = ""
    hidden: bool = False
    system: bool = False
    readonly: bool = False
    inbox: bool = False
    children: dict[str, File | Directory] = field(default_factory=dict)
    modified: float = field(default_factory=time.time)

    def find(self, name: str) -> File | Directory | None:
        """The entry of that long or short name."""
        found = self.children.get(name.lower())
        if found is None and "~" in name:
            found = next((node for node in self.children.values() if node.short.lower() == name.lower()), None)
        return found

    def add(self, node: File | Directory) -> None:
        """Put an entry in, with a short name of its own."""
        taken = {child.short.lower() or child.name.lower() for child in self.children.values()}
        node.short = paths.short_name(node.name, taken)
        self.children[node.name.lower()] = node
        self.modified = time.time()

    def drop(self, node: File | Directory) -> None:
        """Take an entry out."""
        del self.children[node.name.lower()]
        self.modified = time.time()


Node = File | Directory


@dataclass
class Volume:
    """A drive."""

    letter: str
    label: str = ""
    serial: str = "5C1D-07A2"
    read_only: bool = False
    root: Directory = field(default_factory=lambda: Directory(""))


class Tree(ABC):
    """What can be asked of files by path, whoever asks.  Errors are :class:`Win32Error`."""

    @abstractmethod
    def node(self, path: str) -> Node:
        """The entry of a path."""

    @abstractmethod
    def entries(self, path: str, pattern: str = "*") -> list[Node]:
        """The entries of a folder that fit a pattern, in NTFS' order (alphabetical, without regard to case)."""

    def lookup(self, path: str) -> Node | None:
        """The entry of a path, or None when it is missing or cannot be reached."""
        try:
            return self.node(path)
        except Win32Error:
            return None

    def exists(self, path: str) -> bool:
        """Whether there is a file or folder (that can be reached)."""
        return self.lookup(path) is not None

    def is_dir(self, path: str) -> bool:
        """Whether it is a folder."""
        return isinstance(self.lookup(path), Directory)

    def is_file(self, path: str) -> bool:
        """Whether it is a file."""
        return isinstance(self.lookup(path), File)

    def listdir(self, path: str) -> list[str]:
        """The names in a folder, in NTFS' order."""
        return [node.name for node in self.entries(path)]


class FileSystem(Tree):
    """Files by absolute path, for the system itself: no rights are asked.  Errors are :class:`Win32Error`."""

    def __init__(self, lock: threading.RLock | None = None) -> None:
        self._lock = lock or threading.RLock()
        self.volumes: dict[str, Volume] = {}
        self.shares: dict[str, str] = {}
        self.denied: dict[str, Literal["read", "write"]] = {}
        """Path (lower case) -> what nobody may do there and below, administrators included."""
        self.add_drive("C")

    def add_drive(self, letter: str, label: str = "", *, read_only: bool = False) -> Volume:
        """Add a drive; ``read_only`` for media."""
        serial = hashlib.sha256(f"{letter}{label}".encode()).hexdigest()[:8].upper()
        volume = Volume(letter.upper(), label, f"{serial[:4]}-{serial[4:]}", read_only)
        self.volumes[letter.upper()] = volume
        return volume

    def volume(self, path: str) -> Volume:
        """The drive of a path; error 3 if it does not exist."""
        volume = self.volumes.get(path[:1].upper())
        if volume is None:
            raise Win32Error(3, path)
        return volume

    # Looking

    def node(self, path: str) -> Node:
        """The entry of a path: error 3 when a folder on the way is missing, 2 when only the last part is."""
        _letter, parts = paths.split(self._absolute(path))
        with self._lock:
            here: Node = self.volume(path).root
            for index, part in enumerate(parts):
                found = here.find(part) if isinstance(here, Directory) else None
                if found is None:
                    raise Win32Error(2 if index == len(parts) - 1 and isinstance(here, Directory) else 3, path)
                here = found
            return here

    def directory(self, path: str) -> Directory:
        """The folder of that path; 3 when it is missing, 267 when it is a file."""
        node = self.lookup(path)
        if node is None:
            raise Win32Error(3, path)
        if isinstance(node, File):
            raise Win32Error(267, path)
        self._refuse(path, "read")
        return node

    def file(self, path: str) -> File:
        """The file of that path; 2 or 3 when it is missing, 5 when it is a folder."""
        node = self.node(path)
        if isinstance(node, Directory):
            raise Win32Error(5, path)
        return node

    def entries(self, path: str, pattern: str = "*") -> list[Node]:
        """The entries of a folder that fit a pattern, in NTFS' order."""
        with self._lock:
            nodes = sorted(self.directory(path).children.values(), key=lambda node: node.name.upper())
        return [node for node in nodes if paths.matches(pattern, node.name, node.short)]

    def walk(self, path: str) -> Iterator[tuple[str, Node]]:
        """Everything below a folder, with full paths."""
        for node in self.entries(path):
            full = paths.join(path, node.name)
            yield full, node
            if isinstance(node, Directory):
                yield from self.walk(full)

    def read(self, path: str) -> bytes:
        """A file's content."""
        with self._lock:
            node = self.file(path)
            self._refuse(path, "read")
            if node.locked == "all":
                raise Win32Error(32, path)
            return node.data

    def long_path(self, path: str) -> str:
        """The path with the names as they are stored: no short names, case as created."""
        letter, parts = paths.split(self._absolute(path))
        here: Node | None = self.volume(path).root
        names: list[str] = []
        for part in parts:
            here = here.find(part) if isinstance(here, Directory) else None
            names.append(here.name if here else part)
        return f"{letter}:\\" + "\\".join(names)

    def short_path(self, path: str) -> str:
        """The path with 8.3 names."""
        letter, parts = paths.split(self._absolute(path))
        here: Node | None = self.volume(path).root
        names: list[str] = []
        for part in parts:
            here = here.find(part) if isinstance(here, Directory) else None
            names.append((here.short or here.name) if here else part)
        return f"{letter}:\\" + "\\".join(names)

    # Changing

    def write(self, path: str, data: bytes, *, append: bool = False) -> File:
        """Create a file or replace its content."""
        with self._lock:
            node = self.lookup(path)
            folder = self._changeable_parent(path)
            if isinstance(node, Directory):
                raise Win32Error(5, path)
            if node is None:
                node = File(paths.split(self._absolute(path))[1][-1])
                folder.add(node)
            self._refuse_change(node, path)
            node.data = node.data + data if append else data
            node.modified, node.inbox, node.archive = time.time(), False, True
            return node

    def mkdir(self, path: str, *, exist_ok: bool = False) -> Directory:
        """Create a folder and those above it."""
        with self._lock:
            node = self.lookup(path)
            if node is not None:
                if exist_ok and isinstance(node, Directory):
                    return node
                raise Win32Error(183, path)
            parts = paths.split(self._absolute(path))[1]
            above = paths.parent(path)
            if len(parts) > 1 and not self.exists(above):
                self.mkdir(above)
            created = Directory(parts[-1])
            self._changeable_parent(path).add(created)
            return created

    def remove(self, path: str, *, force: bool = False) -> None:
        """Delete a file; a read-only one only with ``force``."""
        with self._lock:
            node = self.file(path)
            if node.readonly and not force:
                raise Win32Error(5, path)
            self._changeable_parent(path)
            if node.locked:
                raise Win32Error(32, path)
            self._drop(path, node)

    def rmdir(self, path: str, *, recursive: bool = False) -> None:
        """Delete a folder: 145 when it is not empty, unless ``recursive``."""
        with self._lock:
            node = self.directory(path)
            self._changeable_parent(path)
            if node.children and not recursive:
                raise Win32Error(145, path)
            for child in list(node.children.values()):
                full = paths.join(path, child.name)
                if isinstance(child, Directory):
                    self.rmdir(full, recursive=True)
                else:
                    self.remove(full, force=True)
            self._drop(path, node)

    def move(self, source: str, target: str, *, replace: bool = False) -> None:
        """Rename or move a file or folder; 183 when the target exists, unless ``replace``."""
        with self._lock:
            node = self.node(source)
            existing = self.lookup(target)
            self._changeable_parent(source)
            self._changeable_parent(target)
            if isinstance(node, File) and node.locked:
                raise Win32Error(32, source)
            if existing is not None and existing is not node:
                if not replace or isinstance(existing, Directory):
                    raise Win32Error(183 if not replace else 5, target)
                self._refuse_change(existing, target)
                self._drop(target, existing)
            self._drop(source, node)
            node.name = paths.split(self._absolute(target))[1][-1]
            self.directory(paths.parent(target)).add(node)

    def copy(self, source: str, target: str) -> File:
        """Copy a file with its time and attributes."""
        with self._lock:
            data = self.read(source)
            original = self.file(source)
            created = self.write(target, data)
            created.modified, created.readonly = original.modified, original.readonly
            return created

    def used(self, letter: str) -> int:
        """Bytes in the files of a drive."""
        return sum(len(node.data) for _path, node in self.walk(f"{letter}:\\") if isinstance(node, File))

    @property
    def free_megabytes(self) -> dict[str, int]:
        """The free space of each drive."""
        return {letter: (CAPACITY - self.used(letter)) // 2**20 for letter in self.volumes}

    def dump(self) -> dict[str, dict[str, object]]:
        """All files and empty folders that are not of Windows itself: path -> size, hash, attribute."""
        found: dict[str, dict[str, object]] = {}
        with self._lock:
            for letter in sorted(self.volumes):
                for path, node in self.walk(f"{letter}:\\"):
                    if isinstance(node, File) and not node.inbox:
                        found[path] = {"size": len(node.data), "sha256": node.sha256, "readonly": node.readonly}
                    elif isinstance(node, Directory) and not node.children and not node.inbox:
                        found[path + "\\"] = {}
        return found

    # Rules

    def _absolute(self, path: str) -> str:
        return paths.absolute(path, "C:\\")

    def _refuse(self, path: str, what: Literal["read", "write"]) -> None:
        """5 where :attr:`denied` says so."""
        lowered = self._absolute(path).lower()
        for denied, kind in self.denied.items():
            below = lowered == denied.lower() or lowered.startswith(denied.lower().rstrip("\\") + "\\")
            if below and kind in (what, "read"):
                raise Win32Error(5, path)

    def _changeable_parent(self, path: str) -> Directory:
        """The folder of a path that is about to change."""
        volume = self.volume(path)
        if not paths.split(self._absolute(path))[1]:
            raise Win32Error(5, path)
        folder = self.lookup(paths.parent(self._absolute(path)))
        if not isinstance(folder, Directory):
            raise Win32Error(3, path)
        if volume.read_only:
            raise Win32Error(19, path)
        self._refuse(path, "write")
        return folder

    def _refuse_change(self, node: Node, path: str) -> None:
        if isinstance(node, File) and node.locked:
            raise Win32Error(32, path)
        if isinstance(node, File) and (node.readonly or node.hidden):
            raise Win32Error(5, path)

    def _drop(self, path: str, node: Node) -> None:
        folder = self.directory(paths.parent(self._absolute(path)))
        folder.drop(node)
