# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an XML document says, and where in its text that is written: expat tells both.

Offsets count characters of the text. Nothing is fetched, and no entity is expanded: a document that uses one of its own
is refused.

This file is private to the collection: others must not import it.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from xml.parsers import expat

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.repoint.encoding import position
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.repoint.errors import UnreadableConfig

PLAIN_XML = "Write the value in its place and remove the document type declaration"
_GOOD_COPY = "Correct the file or put a good copy in its place"

# All that stands outside an element's own text and attributes, or between: an edit must leave it as it is.
_MARKUP = ("XmlDecl", "StartNamespaceDecl", "Comment", "ProcessingInstruction")
# Between namespace and local name, as expat hands out names. It is in no namespace's name.
_SEPARATOR = "\n"

# expat has read the tag before: so these need not tell good from bad.
_TAG = re.compile(r"""(?P<name><[^ \t\r\n/>]+)(?:[^>"']|"[^"]*"|'[^']*')*>""")
_ATTRIBUTE = re.compile(
    r"""(?P<name>[^ \t\r\n="'/>]+)[ \t\r\n]*=[ \t\r\n]*(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)')"""
)
_REFERENCE = re.compile(r"&([^#;&\s][^;&\s]*);")
_ATTRIBUTE_RUN = re.compile(r"&[^;]*;|\r\n|[^&\r]+|\r")
_ATTRIBUTE_SPACE = re.compile(r"\r\n|[\r\n\t]")


@dataclass(frozen=True)
class TextRun:
    """Characters of a value, and from where to where they are written: literally, or a single one by a reference or by
    the two characters of a line end. References do not work where C(is_cdata).
    """

    value: str
    start: int
    end: int
    is_cdata: bool = False


@dataclass
class Element:
    """An element, written from C(start) to C(end): its name up to C(name_end), its start tag up to C(tag_end). C(runs)
    are its own text without its children's. C(name) has its namespace, as the names of C(attributes) have.
    """

    name: str
    attributes: dict[str, str]
    parent: Element | None = field(repr=False)
    start: int
    name_end: int
    tag_end: int
    end: int
    runs: list[TextRun] = field(default_factory=list)
    has_children: bool = False

    @property
    def local_name(self) -> str:
        """The name without prefix and namespace."""
        return self.name.rpartition(_SEPARATOR)[2]

    @property
    def text(self) -> str:
        """The own text."""
        return "".join(run.value for run in self.runs)

    def is_below(self, local_name: str) -> bool:
        """Whether it is somewhere inside an element of that name."""
        ancestor = self.parent
        while ancestor and ancestor.local_name != local_name:
            ancestor = ancestor.parent
        return ancestor is not None


class Source:
    """A text that was read: its C(elements) in document order, and all its C(markup). C(path) is for messages."""

    def __init__(self, text: str, path: str) -> None:
        """Raises UnreadableConfig: it is no XML, or XML of a kind that is not edited."""
        self.text = text
        self.path = path
        self.elements: list[Element] = []
        self.markup: list[tuple[Any, ...]] = []
        self._open: list[Element] = []
        self._in_cdata = False
        self._references = {each[1]: each.start() for each in _REFERENCE.finditer(text)}
        self._utf8, self._bytes, self._characters = text.encode(), 0, 0
        # Whatever the XML declaration says: the text was decoded before.
        self._parser = expat.ParserCreate("utf-8", _SEPARATOR)
        for kind in _MARKUP:
            setattr(self._parser, f"{kind}Handler", partial(self._note, kind))
        self._parser.StartDoctypeDeclHandler = self._document_type
        self._parser.EntityDeclHandler = self._entity
        self._parser.DefaultHandler = self._other
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._data
        self._parser.StartCdataSectionHandler = partial(self._cdata, True)
        self._parser.EndCdataSectionHandler = partial(self._cdata, False)
        try:
            self._parser.Parse(self._utf8, True)
        except expat.ExpatError as error:
            reason = f"this is no well-formed XML ({expat.ErrorString(error.code)})"
            raise UnreadableConfig(path, reason, _GOOD_COPY, error.lineno, error.offset + 1) from error

    def attribute(self, element: Element, name: str) -> tuple[int, int, list[TextRun]] | None:
        """From where to where the inside of an attribute's quotes is, and its characters. None when it is not written,
        but comes from the document type declaration.
        """
        for written in _ATTRIBUTE.finditer(self.text, element.name_end, element.tag_end):
            if written["name"] == name:
                quotes = "single" if written["double"] is None else "double"
                start, end = written.span(quotes)
                return start, end, [_attribute_run(each) for each in _ATTRIBUTE_RUN.finditer(self.text, start, end)]
        return None

    def _here(self) -> int:
        """Where expat is. It counts bytes, and comes past each once."""
        index = self._parser.CurrentByteIndex
        self._characters += len(self._utf8[self._bytes : index].decode())
        self._bytes = index
        return self._characters

    def _note(self, kind: str, *facts: object) -> None:
        self.markup.append((kind, *facts))

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        parent = self._open[-1] if self._open else None
        if parent:
            parent.has_children = True
        start = self._here()
        tag = _TAG.match(self.text, start)
        if tag is None:
            raise self._unreadable("a tag of an unexpected form", _GOOD_COPY, start)
        element = Element(name, attributes, parent, start, tag.end("name"), tag.end(), tag.end())
        self.elements.append(element)
        self._open.append(element)
        self._note("start")

    def _end(self, _name: str) -> None:
        element = self._open.pop()
        if not self.text.startswith("/>", element.tag_end - 2):
            element.end = self.text.index(">", self._here()) + 1
        self._note("end")

    def _cdata(self, begins: bool) -> None:
        self._in_cdata = begins

    def _data(self, value: str) -> None:
        start = self._here()
        end = start + len(value)
        if self.text.startswith("&", start) and not self._in_cdata:
            end = self.text.index(";", start) + 1
        elif self.text.startswith("\r\n", start):
            end = start + 2
        self._open[-1].runs.append(TextRun(value, start, end, self._in_cdata))

    def _document_type(self, name: str, system_id: str | None, public_id: str | None, _has_subset: bool) -> None:
        self._note("document type", name)
        if system_id is not None or public_id is not None:
            raise self._refused_document_type()

    def _entity(self, name: str, is_parameter: bool, value: str | None, *_outside: object) -> None:
        if is_parameter or value is None:
            raise self._refused_document_type()
        # It may hold anything, also the entry that is looked for, and expand to any length.
        if name in self._references:
            found = "an entity declared in the file is used here"
            raise self._unreadable(found, PLAIN_XML, self._references[name])

    def _other(self, data: str) -> None:
        # After a reference to a parameter entity, unknown ones are skipped without an error.
        if data.startswith(("%", "&")):
            raise self._refused_document_type()

    def _refused_document_type(self) -> UnreadableConfig:
        reason = "the document type declaration refers to something outside the file, or to parameter entities"
        return self._unreadable(reason, PLAIN_XML, self.text.rfind("<!DOCTYPE", 0, self._here()))

    def _unreadable(self, reason: str, what_to_do: str, offset: int) -> UnreadableConfig:
        return UnreadableConfig(self.path, reason, what_to_do, *position(self.text, offset))


def part(runs: Sequence[TextRun], first: int, last: int) -> list[TextRun]:
    """The characters of a value from C(first) to C(last), in as few runs as possible. What stands between them in the
    text is something else: a comment, or the end of a CDATA section.
    """
    found: list[TextRun] = []
    for run in runs:
        low, high = max(first, 0), min(last, len(run.value))
        first, last = first - len(run.value), last - len(run.value)
        if low >= high:
            continue
        value, start, end = run.value[low:high], run.start, run.end
        if end - start == len(run.value):
            start, end = run.start + low, run.start + high
        if found and found[-1].end == start:
            before = found.pop()
            value, start = before.value + value, before.start
        found.append(TextRun(value, start, end, run.is_cdata))
    return found


def _attribute_run(written: re.Match[str]) -> TextRun:
    """White space in an attribute becomes spaces (XML 1.0, 3.3.3)."""
    text = written.group()
    value = html.unescape(text) if text.startswith("&") else _ATTRIBUTE_SPACE.sub(" ", text)
    return TextRun(value, *written.span())
