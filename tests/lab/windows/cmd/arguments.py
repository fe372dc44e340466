# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Arguments of the commands inside cmd.exe: words, switches and file names."""

from __future__ import annotations

from dataclasses import dataclass

DELIMITERS = " \t,;="


@dataclass
class Arguments:
    """Words without their quotes, and switches (lower case, without the slash)."""

    words: list[str]
    switches: list[str]

    def has(self, *switches: str) -> bool:
        """Whether one of the switches was given."""
        return any(switch in self.switches for switch in switches)


def unquote(word: str) -> str:
    """Without any quote."""
    return word.replace('"', "")


def split_words(text: str, delimiters: str = DELIMITERS) -> list[str]:
    """Words as typed: quotes protect delimiters and stay; a ``/`` outside quotes begins a new word."""
    words: list[str] = []
    current, quoted = "", False
    for char in text:
        if not quoted and (char in delimiters or char == "/"):
            words += [current] if current else []
            current = char if char == "/" else ""
            continue
        quoted ^= char == '"'
        current += char
    return [*words, *([current] if current else [])]


def parse_arguments(text: str, delimiters: str = DELIMITERS) -> Arguments:
    """Words and switches of a command's arguments."""
    words = split_words(text, delimiters)
    return Arguments(
        [unquote(word) for word in words if not word.startswith("/")],
        [word[1:].lower() for word in words if word.startswith("/")],
    )
