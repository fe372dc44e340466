# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be wrong with a configuration file that is to be edited.

This file is private to the collection: others must not import it.
"""

from __future__ import annotations

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError


class ConfigError(OpsmgrError):
    """A configuration file cannot be edited; nothing was changed.

    Fields: C(path) as the caller gave it, C(reason), and C(line) and C(column) from 1, or None where there is no place.
    """

    def __init__(
        self, path: str, reason: str, what_to_do: str, line: int | None = None, column: int | None = None
    ) -> None:
        super().__init__(f"edit {path}", _place(line, column) + reason, what_to_do)
        self.path = path
        self.reason = reason
        self.line = line
        self.column = column

    def __reduce__(self) -> tuple[type[ConfigError], tuple[str, str, str, int | None, int | None]]:
        return type(self), (self.path, self.reason, self.what_to_do, self.line, self.column)


class UnreadableConfig(ConfigError):
    """The bytes are no text, or the text is no XML, or XML of a kind that is not edited."""


class MissingEntry(ConfigError):
    """The file is XML but has no entry to change."""


class HiddenEntry(ConfigError):
    """What the entry says cannot be read here: it is in another file, encrypted, overridden or taken away again."""


class AmbiguousEntry(ConfigError):
    """The file has several entries that contradict each other."""


def _place(line: int | None, column: int | None) -> str:
    if line is None:
        return ""
    return f"line {line}: " if column is None else f"line {line}, column {column}: "
