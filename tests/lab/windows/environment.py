# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Environment variables: names of any case, the case of the first definition kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping


class Environment(MutableMapping[str, str]):
    """The environment block of a process."""

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self._values: dict[str, tuple[str, str]] = {}
        for name, value in (values or {}).items():
            self[name] = value

    def __getitem__(self, name: str) -> str:
        return self._values[name.upper()][1]

    def __setitem__(self, name: str, value: str) -> None:
        known = self._values.get(name.upper())
        self._values[name.upper()] = (known[0] if known else name, value)

    def __delitem__(self, name: str) -> None:
        del self._values[name.upper()]

    def __iter__(self) -> Iterator[str]:
        """Names in the order of ``set``: alphabetical, whatever their case."""
        return iter([self._values[name][0] for name in sorted(self._values)])

    def __len__(self) -> int:
        return len(self._values)

    def copy(self) -> Environment:
        """What a child process inherits."""
        return Environment(self)
