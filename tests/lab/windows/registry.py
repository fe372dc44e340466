# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry of a simulated host: one native view, as DOMAIN.md's key paths mean it."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from .errors import Win32Error

if TYPE_CHECKING:
    from .host import Session

Type = Literal["REG_SZ", "REG_EXPAND_SZ", "REG_DWORD", "REG_QWORD", "REG_BINARY", "REG_MULTI_SZ", "REG_NONE"]
Data = str | int | bytes | list[str]
TYPES: dict[Type, tuple[type, Data]] = {
    "REG_SZ": (str, ""),
    "REG_EXPAND_SZ": (str, ""),
    "REG_DWORD": (int, 0),
    "REG_QWORD": (int, 0),
    "REG_BINARY": (bytes, b""),
    "REG_MULTI_SZ": (list, []),
    "REG_NONE": (bytes, b""),
}
"""Type name -> the Python type of its data, and the data of an empty value."""

ROOTS = {
    "HKLM": "HKEY_LOCAL_MACHINE",
    "HKU": "HKEY_USERS",
    "HKCU": "HKEY_CURRENT_USER",
    "HKCR": "HKEY_CLASSES_ROOT",
    "HKCC": "HKEY_CURRENT_CONFIG",
}
ALIASES = {
    "HKCR": ("HKLM", "SOFTWARE\\Classes"),
    "HKCC": ("HKLM", "SYSTEM\\CurrentControlSet\\Hardware Profiles\\Current"),
}
"""Roots that are a place below another one [ms]."""
SERVICE_ACCOUNTS = ("S-1-5-18", "S-1-5-19", "S-1-5-20")
"""Hives of LocalSystem, LocalService, NetworkService: closed to everyone who is not an administrator [field]."""


@dataclass
class Value:
    """A registry value; the default value of a key has the name ``""``."""

    name: str
    type: Type
    data: Data


@dataclass
class Key:
    """A registry key."""

    name: str
    values: dict[str, Value] = field(default_factory=dict)
    subkeys: dict[str, Key] = field(default_factory=dict)

    def copy_to(self, target: Key) -> None:
        """Put copies of all values and subkeys into another key."""
        for name, value in self.values.items():
            target.values[name] = Value(value.name, value.type, value.data)
        for name, subkey in self.subkeys.items():
            subkey.copy_to(target.subkeys.setdefault(name, Key(subkey.name)))


def split_root(path: str) -> tuple[str, str]:
    """The short name of a path's root, and the rest; error 87 for no root known."""
    root, _sign, rest = path.partition("\\")
    for short, long in ROOTS.items():
        if root.upper() in (short, long):
            return short, rest.strip("\\")
    raise Win32Error(87, path)


def full_name(path: str) -> str:
    """The path with the root's long name, as reg.exe prints it."""
    short, rest = split_root(path)
    return ROOTS[short] + ("\\" + rest if rest else "")


class Registry:
    """Keys by path (``HKLM\\...`` or ``HKEY_LOCAL_MACHINE\\...``), names without regard to case.

    ``session`` given: what that session may do (5 otherwise); not given: the system itself.
    """

    def __init__(self, lock: threading.RLock | None = None) -> None:
        self._lock = lock or threading.RLock()
        self.roots = {"HKLM": Key("HKLM"), "HKU": Key("HKU")}
        for hive in (*SERVICE_ACCOUNTS, ".DEFAULT"):
            self.create(f"HKU\\{hive}\\Environment")
            self.create(f"HKU\\{hive}\\Software")

    # Looking

    def key(self, path: str, session: Session | None = None) -> Key | None:
        """The key of a path, or None; error 5 when the session may not read it."""
        root, parts = self._locate(path, session)
        self._refuse_reading(root, parts, session)
        with self._lock:
            key: Key | None = self.roots[root]
            for part in parts:
                key = key.subkeys.get(part.lower()) if key else None
            return key

    def exists(self, path: str) -> bool:
        """Whether there is such a key."""
        return self.key(path) is not None

    def get(self, path: str, name: str = "", default: Any = None) -> Any:
        """A value's data, or ``default``."""
        value = self.value(path, name)
        return default if value is None else value.data

    def value(self, path: str, name: str = "", session: Session | None = None) -> Value | None:
        """A value, or None."""
        key = self.key(path, session)
        return key.values.get(name.lower()) if key else None

    def subkeys(self, path: str) -> list[str]:
        """The names of a key's subkeys, alphabetical as the registry keeps them."""
        key = self.key(path)
        return [key.subkeys[name].name for name in sorted(key.subkeys)] if key else []

    # Changing

    def create(self, path: str, session: Session | None = None) -> Key:
        """The key of a path, created with those above it when missing."""
        root, parts = self._locate(path, session)
        self._refuse_writing(root, parts, session)
        with self._lock:
            key = self.roots[root]
            for part in parts:
                key = key.subkeys.setdefault(part.lower(), Key(part))
            return key

    def set(self, path: str, name: str, data: Data, type: Type | None = None, session: Session | None = None) -> None:
        """Set a value; its type follows from the data when it is not given (str, int, bytes, list of str)."""
        kind = type or _type_of(data)
        if not isinstance(data, TYPES[kind][0]):
            raise TypeError(f"{kind} {path}\\{name} cannot hold {data!r}")
        with self._lock:
            self.create(path, session).values[name.lower()] = Value(name, kind, data)

    def delete(self, path: str, session: Session | None = None) -> None:
        """Delete a key with everything below it; error 2 when it is missing."""
        root, parts = self._locate(path, session)
        self._refuse_writing(root, parts, session)
        with self._lock:
            parent = self.key("\\".join((root, *parts[:-1])))
            if not parts or parent is None or parts[-1].lower() not in parent.subkeys:
                raise Win32Error(2 if parts else 5, path)
            del parent.subkeys[parts[-1].lower()]

    def delete_value(self, path: str, name: str, session: Session | None = None) -> None:
        """Delete a value; error 2 when it or its key is missing."""
        root, parts = self._locate(path, session)
        self._refuse_writing(root, parts, session)
        with self._lock:
            key = self.key(path)
            if key is None or name.lower() not in key.values:
                raise Win32Error(2, path)
            del key.values[name.lower()]

    def dump(self) -> dict[str, Any]:
        """Everything, nested: ``{"keys": {name: ...}, "values": {name: [type, data]}}``; binary data only as a hash."""
        with self._lock:
            return {name: _dump(key) for name, key in self.roots.items()}

    # Rules

    def _locate(self, path: str, session: Session | None) -> tuple[str, list[str]]:
        root, rest = split_root(path)
        if root == "HKCU":
            root, rest = "HKU", (session.sid if session else ".DEFAULT") + "\\" + rest
        if root in ALIASES:
            root, rest = ALIASES[root][0], ALIASES[root][1] + "\\" + rest
        return root, [part for part in rest.split("\\") if part]

    def _refuse_reading(self, root: str, parts: list[str], session: Session | None) -> None:
        if (
            session is not None
            and not session.is_admin
            and root == "HKU"
            and parts
            and parts[0].upper() in SERVICE_ACCOUNTS
        ):
            raise Win32Error(5, "\\".join((root, *parts)))

    def _refuse_writing(self, root: str, parts: list[str], session: Session | None) -> None:
        if session is None or session.is_admin:
            return
        if root != "HKU" or not parts or parts[0].upper() != session.sid.upper():
            raise Win32Error(5, "\\".join((root, *parts)))


def _type_of(data: Data) -> Type:
    if isinstance(data, str):
        return "REG_SZ"
    if isinstance(data, int):
        return "REG_DWORD"
    return "REG_BINARY" if isinstance(data, bytes) else "REG_MULTI_SZ"


def _dump(key: Key) -> dict[str, Any]:
    keys = {key.subkeys[name].name: _dump(key.subkeys[name]) for name in sorted(key.subkeys)}
    values = {
        key.values[name].name: [key.values[name].type, _shown(key.values[name].data)] for name in sorted(key.values)
    }
    return {**({"keys": keys} if keys else {}), **({"values": values} if values else {})}


def _shown(data: Data) -> Any:
    return "sha256:" + hashlib.sha256(data).hexdigest() if isinstance(data, bytes) else data
