# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An XML configuration file in which values are replaced and nothing else, not one byte.

The result is read again, and must say exactly what was wanted.

This file is private to the collection: others must not import it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.repoint.encoding import (
    LINE_END,
    Decoded,
    decode,
    position,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.repoint.errors import ConfigError, UnreadableConfig
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.repoint.xml_source import (
    PLAIN_XML,
    Element,
    Source,
    TextRun,
    part,
)

XML_SPACE = " \t\r\n"

_BY_HAND = "Change this file by hand, and report it with the file, without its secrets, as a bug of this collection"
_ELSEWHERE = "..."


@dataclass(frozen=True)
class Change:
    """One value that was replaced. The lines are as in the file, except that other things on them than this element are
    cut to C(...).
    """

    line: int
    before: str
    after: str
    old_value: str
    new_value: str


@dataclass(frozen=True)
class Untouched:
    """An entry of the kind looked for that names another server. C(reason) completes the sentence "It was left because
    ...".
    """

    line: int
    value: str
    reason: str


@dataclass(frozen=True)
class Edit:
    """The file after the edit (the same bytes if nothing was to be done), what changed, and which entries name
    something else.
    """

    content: bytes
    changes: tuple[Change, ...] = ()
    untouched: tuple[Untouched, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether the content is another one than before."""
        return bool(self.changes)

    def diff(self, name: str) -> str:
        """The changes in the form of a unified diff without context: lines nearby may hold passwords. Empty if nothing
        changed.
        """
        if not self.changes:
            return ""
        return "".join([f"--- {name}\n+++ {name}\n", *map(_hunk, self.changes)])


@dataclass(frozen=True)
class Splice:
    """Text to write in place of what stands from C(start) to C(end)."""

    start: int
    end: int
    new: str


@dataclass(frozen=True)
class Replacement:
    """A name C(old) to be replaced by C(new) in an element's text or in an attribute, which then has C(value) as a
    whole.
    """

    element: Element
    attribute: str | None
    old: str
    new: str
    value: str
    splices: tuple[Splice, ...]


@dataclass
class Document:
    """A file that was read."""

    path: str
    decoded: Decoded
    source: Source

    @classmethod
    def read(cls, content: bytes, path: str) -> Document:
        """Parse a file; C(path) is for messages. Raises UnreadableConfig."""
        decoded = decode(content, path)
        return cls(path, decoded, Source(decoded.text, path))

    def line(self, element: Element) -> int:
        """The line on which an element begins."""
        return position(self.decoded.text, element.start)[0]

    def named(self, local_name: str) -> Iterator[Element]:
        """The elements of that name, whatever their prefix and namespace; case matters, as it does in XML."""
        return (element for element in self.source.elements if element.local_name == local_name)

    def replacement(self, element: Element, attribute: str | None, new: str) -> Replacement:
        """Plan to replace an element's own text or an attribute; white space around the old name stays. Raises
        ConfigError.
        """
        value, runs = element.text, element.runs
        start = end = element.tag_end
        if attribute is not None:
            value = element.attributes[attribute]
            start, end, runs = self.source.attribute(element, attribute) or (start, end, [])
            if start == element.tag_end or "".join(run.value for run in runs) != value:
                found = "the value of this element is not written in it, but comes from the document type declaration"
                raise UnreadableConfig(self.path, found, PLAIN_XML, self.line(element))
        old = value.strip(XML_SPACE)
        # Of a blank value, nothing stays.
        first = value.index(old) if old else 0
        last = first + len(old) if old else len(value)
        written = part(runs, first, last) or [TextRun("", start, end)]
        names = [self._written(element, new, in_cdata=written[0].is_cdata), *[""] * (len(written) - 1)]
        splices = tuple(Splice(run.start, run.end, name) for run, name in zip(written, names, strict=True))
        return Replacement(element, attribute, old, new, value[:first] + new + value[last:], splices)

    def replaced(self, replacements: Sequence[Replacement], untouched: Sequence[Untouched] = ()) -> Edit:
        """Replace the values, and prove that nothing else changed. Raises ConfigError; then there is no edit at all."""
        content = self._spliced([splice for replacement in replacements for splice in replacement.splices])
        self._verify(content, replacements)
        return Edit(content, tuple(map(self._change, replacements)), tuple(untouched))

    def _written(self, element: Element, new: str, *, in_cdata: bool) -> str:
        """The name as it is written in this encoding. A valid name needs no escapes: it has no quotes, ampersands and
        such.
        """
        written = new.encode(self.decoded.codec, "xmlcharrefreplace").decode(self.decoded.codec)
        if in_cdata and written != new:
            found = f"the name {new} cannot be written in a CDATA section in the encoding {self.decoded.codec}"
            raise ConfigError(
                self.path, found, "Save the file as UTF-8, or write the entry without CDATA", self.line(element)
            )
        return written

    def _spliced(self, splices: Sequence[Splice]) -> bytes:
        pieces, done = [], 0
        for splice in sorted(splices, key=lambda splice: splice.start):
            pieces += [self.decoded.text[done : splice.start], splice.new]
            done = splice.end
        return self.decoded.encode("".join([*pieces, self.decoded.text[done:]]))

    def _verify(self, content: bytes, replacements: Sequence[Replacement]) -> None:
        """Compare what the new content says with what was wanted."""
        try:
            found = Document.read(content, self.path).source
        except UnreadableConfig as error:
            reason = f"the edited file could not be read again ({error.reason})"
            raise ConfigError(self.path, reason, _BY_HAND) from error
        new = {(id(each.element), each.attribute): each.value for each in replacements}
        wanted = [
            (
                element.name,
                {name: new.get((id(element), name), value) for name, value in element.attributes.items()},
                new.get((id(element), None), element.text),
            )
            for element in self.source.elements
        ]
        if found.markup != self.source.markup or [(e.name, e.attributes, e.text) for e in found.elements] != wanted:
            raise ConfigError(self.path, "the edited file does not mean what it should", _BY_HAND)

    def _change(self, replacement: Replacement) -> Change:
        text, element, splices = self.decoded.text, replacement.element, replacement.splices
        start, end = _line_around(text, splices[0].start, splices[-1].end)
        # Whatever else is on the line may be a password.
        first = max(start, element.start)
        last = min(end, element.end if replacement.attribute is None else element.tag_end)
        left, right = _blank_or_cut(text[start:first]), _blank_or_cut(text[last:end])
        after, done = "", first
        for splice in splices:
            after, done = after + text[done : splice.start] + splice.new, splice.end
        line = position(text, splices[0].start)[0]
        return Change(
            line,
            left + text[first:last] + right,
            left + after + text[done:last] + right,
            replacement.old,
            replacement.new,
        )


def _line_around(text: str, start: int, end: int) -> tuple[int, int]:
    first = max(text.rfind("\n", 0, start), text.rfind("\r", 0, start)) + 1
    line_end = LINE_END.search(text, end)
    return first, line_end.start() if line_end else len(text)


def _blank_or_cut(text: str) -> str:
    return _ELSEWHERE if text.strip(XML_SPACE) else text


def _hunk(change: Change) -> str:
    before, after = LINE_END.split(change.before), LINE_END.split(change.after)
    place = f"@@ -{_range(change.line, before)} +{_range(change.line, after)} @@\n"
    return place + "".join(f"-{line}\n" for line in before) + "".join(f"+{line}\n" for line in after)


def _range(line: int, lines: Sequence[str]) -> str:
    return str(line) if len(lines) == 1 else f"{line},{len(lines)}"
