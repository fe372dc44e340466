# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the bytes of an XML file to its text, and how to write a piece of text back in the same encoding.

This file is private to the collection: others must not import it.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.repoint.errors import UnreadableConfig

# UTF-32 before UTF-16: its little-endian mark begins with the other's. No .NET Framework 2.0 program writes it.
_UTF32_MARKS = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))

# Declared name, lower case -> codec. The single-byte ones are those that .NET Framework and Python both know [ms].
_CODECS = {
    "utf-8": "utf-8",
    "us-ascii": "ascii",
    **{f"iso-8859-{part}": f"iso8859-{part}" for part in (1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 15)},
    **{f"windows-125{last}": f"cp125{last}" for last in range(9)},
}
_UTF16_NAMES = frozenset(("utf-16", "ucs-2", "iso-10646-ucs-2"))

_DECLARED = re.compile(
    rb"<\?xml[ \t\r\n][^>]*?[ \t\r\n]encoding[ \t\r\n]*=[ \t\r\n]*[\"']([A-Za-z][A-Za-z0-9._-]*)[\"']"
)

# What XML takes for a line end. str.splitlines() knows more.
LINE_END = re.compile(r"\r\n|\r|\n")

_SAVE_AGAIN = "Save the file again as UTF-8, or put a good copy in its place"


@dataclass(frozen=True)
class Decoded:
    """A file's text without its byte order mark (C(mark)), and the codec of the rest."""

    text: str
    mark: bytes
    codec: str

    def encode(self, text: str) -> bytes:
        """Another text as such a file. The same text gives the same bytes: each of the codecs writes it in one way."""
        return self.mark + text.encode(self.codec)


def decode(content: bytes, path: str) -> Decoded:
    """Decode a file by its byte order mark or its XML declaration: UTF-8, UTF-16 with a mark, ASCII, ISO-8859-x,
    Windows-125x.

    A mark and a declaration that contradict each other are refused: the XML recommendation calls that an error, .NET
    goes by the declaration, and other programs by the mark. Raises UnreadableConfig, with C(path) in it.
    """
    if not content.strip(b"\0 \t\r\n"):
        found = "the file holds nothing but zero bytes and white space" if content else "the file is empty"
        raise UnreadableConfig(path, found, "Put a good copy in its place, from a backup or from the installation")
    mark, codec = _encoding(content, path)
    body = content[len(mark) :]
    try:
        return Decoded(body.decode(codec), mark, codec)
    except UnicodeDecodeError as error:
        line, column = position(body[: error.start].decode(codec), None)
        bad = body[error.start : error.end].hex(" ")
        raise UnreadableConfig(path, f"the bytes {bad} are no {codec} text", _SAVE_AGAIN, line, column) from error


def position(text: str, offset: int | None) -> tuple[int, int]:
    """Line and column, both from 1, of the character at C(offset) of the text, or of its end."""
    before = text[:offset]
    line_ends = before.count("\n") + before.count("\r") - before.count("\r\n")
    return line_ends + 1, len(before) - max(before.rfind("\n"), before.rfind("\r"))


def _encoding(content: bytes, path: str) -> tuple[bytes, str]:
    if content.startswith(_UTF32_MARKS):
        raise UnreadableConfig(path, "the file is UTF-32", _SAVE_AGAIN)
    for mark, codec in _MARKS:
        if content.startswith(mark):
            _check_mark(content[len(mark) :], codec, path)
            return mark, codec
    if content.startswith((b"<\0", b"\0<")):
        raise UnreadableConfig(path, "the file is UTF-16 without a byte order mark", _SAVE_AGAIN)
    declared = _declared(content)
    if declared in _UTF16_NAMES:
        raise UnreadableConfig(path, f"the file declares {declared} and is not", _SAVE_AGAIN)
    if declared and declared not in _CODECS:
        raise UnreadableConfig(path, f"the file declares the encoding {declared}, which is not edited", _SAVE_AGAIN)
    return b"", _CODECS[declared or "utf-8"]


def _check_mark(body: bytes, codec: str, path: str) -> None:
    if codec == "utf-8":
        declared, allowed = _declared(body), frozenset(("utf-8",))
    else:
        # The declaration is ASCII; what follows it may be anything.
        declared, allowed = _declared(body[:512].decode(codec, "replace").encode("ascii", "replace")), _UTF16_NAMES
    if declared and declared not in allowed:
        raise UnreadableConfig(
            path, f"the file begins with the byte order mark of {codec} and declares {declared}", _SAVE_AGAIN
        )


def _declared(body: bytes) -> str | None:
    match = _DECLARED.match(body)
    return match.group(1).decode("ascii").lower() if match else None
