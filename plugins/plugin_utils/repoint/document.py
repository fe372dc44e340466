# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An XML configuration file in which values are replaced and nothing else, not one byte.

lxml knows what the file means but not where in the file that is written; xml_source knows where. Both must agree before
anything is replaced, and the result must mean, to lxml, exactly what was wanted.

This file is private to the collection: others must not import it.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.repoint.encoding import (
    LINE_END,
    Decoded,
    decode,
    position,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.repoint.errors import (
    ConfigError,
    LxmlMissing,
    UnreadableConfig,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.repoint.xml_source import (
    Character,
    Element,
    SourceError,
    Span,
    read_characters,
    read_elements,
)

LXML_IMPORT_ERROR: str | None = None
try:
    from lxml import etree
except ImportError:
    LXML_IMPORT_ERROR = traceback.format_exc()

XML_SPACE = " \t\r\n"

_BY_HAND = "Change this file by hand, and report it with the file, without its secrets, as a bug of this collection"
_PLAIN = "Write the value in its place and remove the document type declaration"
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

    element: int
    attribute: str | None
    old: str
    new: str
    value: str
    splices: tuple[Splice, ...]


@dataclass
class Document:
    """A parsed file. Elements go by their number in document order."""

    path: str
    content: bytes
    decoded: Decoded
    elements: list[Element]
    # lxml's elements, in the same order. It has types only in its stubs, and may be missing.
    nodes: list[Any] = field(repr=False)

    @classmethod
    def read(cls, content: bytes, path: str) -> Document:
        """Parse a file; C(path) is for messages. Raises UnreadableConfig, LxmlMissing."""
        if LXML_IMPORT_ERROR is not None:
            raise LxmlMissing
        decoded = decode(content, path)
        nodes = list(_parse(content, path).iter("*"))
        try:
            elements = read_elements(decoded.text)
        except SourceError as error:
            raise UnreadableConfig(path, error.reason, _PLAIN, *position(decoded.text, error.offset)) from error
        document = cls(path, content, decoded, elements, nodes)
        document._check_agreement()
        return document

    def line(self, element: int) -> int:
        """The line on which an element begins."""
        return position(self.decoded.text, self.elements[element].start)[0]

    def named(self, local_name: str) -> Iterator[int]:
        """The elements of that name, whatever their prefix and namespace; case matters, as it does in XML."""
        return (number for number, node in enumerate(self.nodes) if etree.QName(node).localname == local_name)

    def is_below(self, element: int, local_name: str) -> bool:
        """Whether an element is somewhere inside one of that name."""
        return any(etree.QName(node).localname == local_name for node in self.nodes[element].iterancestors())

    def text(self, element: int) -> str:
        """An element's own text, as lxml reads it, without its children's."""
        return _own_text(self.nodes[element])

    def replacement(self, element: int, attribute: str | None, new: str) -> Replacement:
        """Plan to replace an element's own text or an attribute; white space around the old name stays. Raises
        ConfigError.
        """
        spans = self._spans(element, attribute)
        characters = self._characters(element, attribute, spans)
        value = "".join(character.value for character in characters)
        old = value.strip(XML_SPACE)
        first = value.index(old)
        chosen = characters[first : first + len(old)]
        written = self._written(element, new, in_cdata=bool(chosen) and chosen[0].is_cdata)
        if not chosen:
            return Replacement(element, attribute, old, new, new, (Splice(spans[0].start, spans[-1].end, written),))
        return Replacement(
            element, attribute, old, new, value[:first] + new + value[first + len(old) :], _splices(chosen, written)
        )

    def replaced(self, replacements: Sequence[Replacement], untouched: Sequence[Untouched] = ()) -> Edit:
        """Replace the values, and prove that nothing else changed. Raises ConfigError; then there is no edit at all."""
        content = self._spliced([splice for replacement in replacements for splice in replacement.splices])
        self._verify(content, replacements)
        return Edit(content, tuple(map(self._change, replacements)), tuple(untouched))

    def _check_agreement(self) -> None:
        written = [element.name for element in self.elements]
        if written != [_written_name(node) for node in self.nodes]:
            raise ConfigError(self.path, "two ways of reading the file find different elements in it", _BY_HAND)
        for number, node in enumerate(self.nodes):
            # An entity may hold anything, also the entry that is looked for. lxml leaves it as it is, other programs do
            # not.
            if any(child.tag is etree.Entity for child in node.iterchildren()):
                raise UnreadableConfig(
                    self.path, "an entity declared in the file is used in this element", _PLAIN, self.line(number)
                )

    def _spans(self, element: int, attribute: str | None) -> list[Span]:
        spans = self.elements[element].text
        if attribute is not None:
            spans = [span for name, span in self.elements[element].attributes.items() if name == attribute]
        if not spans:
            # lxml takes default values of attributes from a document type declaration.
            raise UnreadableConfig(
                self.path, "the value of this element is not written in it", _PLAIN, self.line(element)
            )
        return spans

    def _characters(self, element: int, attribute: str | None, spans: Sequence[Span]) -> list[Character]:
        text = self.decoded.text
        try:
            characters = [character for span in spans for character in read_characters(text, span)]
        except SourceError as error:
            raise UnreadableConfig(self.path, error.reason, _PLAIN, *position(text, error.offset)) from error
        expected = self.text(element) if attribute is None else self.nodes[element].get(attribute)
        if "".join(character.value for character in characters) != expected:
            raise ConfigError(
                self.path,
                "two ways of reading the file find different values in this element",
                _BY_HAND,
                self.line(element),
            )
        return characters

    def _written(self, element: int, new: str, *, in_cdata: bool) -> str:
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
            start, end = self.decoded.byte_offset(splice.start), self.decoded.byte_offset(splice.end)
            pieces += [self.content[done:start], splice.new.encode(self.decoded.codec)]
            done = end
        return b"".join([*pieces, self.content[done:]])

    def _verify(self, content: bytes, replacements: Sequence[Replacement]) -> None:
        """Compare what lxml makes of the new content with the tree that was wanted."""
        wanted = _parse(self.content, self.path)
        nodes = list(wanted.iter("*"))
        for replacement in replacements:
            _replace_in_tree(nodes[replacement.element], replacement)
        try:
            found = _parse(content, self.path)
        except UnreadableConfig as error:
            raise ConfigError(
                self.path, f"the edited file could not be read again ({error.reason})", _BY_HAND
            ) from error
        if _facts(wanted) != _facts(found):
            raise ConfigError(self.path, "the edited file does not mean what it should", _BY_HAND)

    def _change(self, replacement: Replacement) -> Change:
        text, element, splices = self.decoded.text, self.elements[replacement.element], replacement.splices
        start, end = _line_around(text, splices[0].start, splices[-1].end)
        # Whatever else is on the line may be a password.
        first, last = (
            max(start, element.start),
            min(end, element.end if replacement.attribute is None else element.tag_end),
        )
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


def _parse(content: bytes, path: str) -> Any:
    # Nothing is fetched or expanded, and libxml2's limits on depth and size stay.
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        return etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        line, column = error.position
        # libxml2 quotes the beginning of a comment it complains of, in which there may be a password.
        reason = (error.msg or "no reason given").rpartition(", line ")[0].partition("<!--")[0].rstrip(": \n")
        advice = "Mend the file or put a good copy in its place"
        raise UnreadableConfig(path, f"this is no well-formed XML ({reason})", advice, line, column) from error


def _written_name(node: Any) -> str:
    local_name = etree.QName(node).localname
    return f"{node.prefix}:{local_name}" if node.prefix else local_name


def _own_text(node: Any) -> str:
    return "".join([node.text or "", *(child.tail or "" for child in node.iterchildren())])


def _replace_in_tree(node: Any, replacement: Replacement) -> None:
    if replacement.attribute is not None:
        node.set(replacement.attribute, replacement.value)
        return
    for child in node.iterchildren():
        child.tail = None
    node.text = replacement.value


def _facts(root: Any) -> list[tuple[Any, ...]]:
    """All that the document says, except where between comments an element's own text stands."""
    around = [*root.itersiblings(preceding=True), root, *root.itersiblings()]
    nodes = [node for outer in around for node in outer.iter()]
    info = root.getroottree().docinfo
    return [(info.xml_version, info.encoding, info.standalone, info.doctype), *map(_fact, nodes)]


def _fact(node: Any) -> tuple[Any, ...]:
    if not isinstance(node.tag, str):
        return node.tag, getattr(node, "target", None), node.text
    return node.tag, sorted(node.nsmap.items(), key=str), node.prefix, node.items(), _own_text(node)


def _splices(characters: Sequence[Character], new: str) -> tuple[Splice, ...]:
    """Where to write. What stands between the characters of a name (a comment, the end of a CDATA section) stays."""
    runs: list[list[int]] = []
    for character in characters:
        if runs and runs[-1][1] == character.start:
            runs[-1][1] = character.end
        else:
            runs.append([character.start, character.end])
    return tuple(Splice(start, end, "" if number else new) for number, (start, end) in enumerate(runs))


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
