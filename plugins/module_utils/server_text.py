# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place that makes a server's text harmless: what a terminal, a log or AWX would obey becomes visible and does
nothing.

A server can write anything: ESC and the sequences behind it (colours, clear screen, the clipboard), a carriage return
that writes over what stands there, characters that turn the direction of a line. Letters of all alphabets stay as they
are, because names consist of them.

This file is private to the collection: others must not import it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# Half a text is better than a terminal full of it.
LIMIT_CHARACTERS = 100_000

_LINE_END = re.compile(r"\r(?!\n)|[\x0b\x0c\x85\u2028\u2029]")
# Control characters but tab and line end; what turns the direction of text; marks that are not seen; halves of
# characters; and tags.
_OBEYED = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ufffe\uffff\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)


def harmless(text: str) -> str:
    """The text as a terminal can show it: line ends are LF or CR LF, and what else it would obey stands there by its
    number.
    """
    if len(text) > LIMIT_CHARACTERS:
        text = text[:LIMIT_CHARACTERS] + f" [and {len(text) - LIMIT_CHARACTERS} more characters]"
    return _OBEYED.sub(_by_number, _LINE_END.sub("\n", text))


def harmless_line(text: str) -> str:
    """The same in one line, so that nothing in it can be taken for a line of its own."""
    return " ".join(harmless(text).split())


def harmless_values(value: Any) -> Any:
    """The same for every text in a result, keys included. What is no text stays what it is."""
    if isinstance(value, str):
        return harmless(value)
    if isinstance(value, Mapping):
        return {harmless_values(key): harmless_values(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [harmless_values(each) for each in value]
    return value


def _by_number(found: re.Match[str]) -> str:
    return f"<U+{ord(found[0]):04X}>"
