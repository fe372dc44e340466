# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a tool wrote after it was given a secret, shown only as far as it is known to hold none of it.

The secret itself is replaced where it stands. A line that still has a long part in common with it is left out whole, in
whichever form the part is there: in other case, backwards, as UTF-16, in hexadecimal or Base64, with line ends or
blanks in between, or cut off.

This file is private to the collection: others must not import it.
"""

from __future__ import annotations

import base64
import typing as t

REDACTED = "********"
# How much of a secret in common is long. Shorter parts give nothing away, and stand in every text.
PART_CHARACTERS = 4
# A shorter beginning of a secret at the end of a text gives nothing away.
BEGINNING_CHARACTERS = 2
# The shortest password that the tools take [book].
SECRET_CHARACTERS = 8
# Three bytes: less is in every text of that kind.
CODED_CHARACTERS = 6


def redact_whole(text: str, secrets: t.Iterable[str]) -> str:
    """Only whole secrets, and only such as no sentence holds by chance: for the collection's own words around what a
    server said.
    """
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, REDACTED) if len(secret) >= SECRET_CHARACTERS else text
    return text


def redact(text: str, secrets: t.Iterable[str]) -> str:
    """The text without the secrets, in whichever form."""
    by_length = sorted({secret for secret in secrets if secret}, key=len, reverse=True)
    if not by_length:
        return text
    # Longest first, so that no part of one is left over.
    for secret in by_length:
        text = text.replace(secret, REDACTED)
    lines = text.splitlines(keepends=True)
    hidden = _lines_with_parts(lines, _parts(by_length))
    shown = "".join(REDACTED + _line_end(line) if number in hidden else line for number, line in enumerate(lines))
    return _without_beginning(shown, by_length)


def _without_beginning(text: str, secrets: t.Iterable[str]) -> str:
    """Without the beginning of a secret at the very end: a program was just echoing it when it was cut off."""
    for secret in secrets:
        for length in range(len(secret) - 1, BEGINNING_CHARACTERS - 1, -1):
            if text.endswith(secret[:length]):
                return text[:-length] + REDACTED
    return text


def _line_end(line: str) -> str:
    return line[len(line.rstrip("\r\n")) :]


def _lines_with_parts(lines: t.Sequence[str], parts: t.Mapping[int, t.AbstractSet[str]]) -> set[int]:
    """The numbers of the lines that a part of a secret touches, also one that goes over several lines."""
    characters: list[str] = []
    numbers: list[int] = []
    for number, line in enumerate(lines):
        # What stands for a secret that was replaced ends every part.
        for character in _letters(line.replace(REDACTED, "\n")):
            characters.append(character)
            numbers.append(number)
    joined = "".join(characters)
    hidden: set[int] = set()
    for length, found in parts.items():
        for start in range(len(joined) - length + 1):
            if joined[start : start + length] in found:
                hidden.update(numbers[start : start + length])
    return hidden


def _parts(secrets: t.Iterable[str]) -> dict[int, set[str]]:
    """Everything that gives a part of a secret away, by its length."""
    parts: dict[int, set[str]] = {}
    for secret in secrets:
        plain = _letters(secret)
        for form in (plain, plain[::-1]):
            _add(parts, form, PART_CHARACTERS)
        for form in _coded(secret):
            _add(parts, _letters(form), CODED_CHARACTERS)
    return parts


def _add(parts: dict[int, set[str]], form: str, length: int) -> None:
    length = min(length, len(form))
    if length > 1:
        parts.setdefault(length, set()).update(form[start : start + length] for start in range(len(form) - length + 1))


def _coded(secret: str) -> t.Iterator[str]:
    """The secret in hexadecimal and in Base64, there with each of the three beginnings that what stands before can give
    it.
    """
    for encoding in ("utf-8", "utf-16-le", "utf-16-be"):
        data = secret.encode(encoding, "surrogatepass")
        yield data.hex()
        for before in range(3):
            # The first and the last characters depend on what is beside the secret.
            yield (
                base64.b64encode(b"\0" * before + data).decode("ascii")[4 if before else 0 :].rstrip("=")[: -1 or None]
            )


def _letters(text: str) -> str:
    """Without what can stand between the characters of a secret: blanks, line ends, the zero bytes of UTF-16,
    separators of hexadecimal digits.
    """
    kept = (
        character for character in text.casefold() if not character.isspace() and character not in "\0\ufffd\ufeff:-"
    )
    return "".join(kept)
