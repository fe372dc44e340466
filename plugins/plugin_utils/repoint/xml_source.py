# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where things are in the text of an XML document, which parsers do not tell.

It reads documents that a real parser found well-formed already, and is compared with that parser afterwards: so it
checks no rules of XML, and gives up on whatever it does not expect. Offsets count characters.

This file is private to the collection: others must not import it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_NAME = r"""[^ \t\r\n<>/=!?&"']+"""
_SPACE = r"[ \t\r\n]"
_ATTRIBUTE = rf"""{_SPACE}+{_NAME}{_SPACE}*={_SPACE}*(?:"[^"<]*"|'[^'<]*')"""
_ATTRIBUTE_PARTS = re.compile(
    rf"""{_SPACE}+(?P<name>{_NAME}){_SPACE}*={_SPACE}*(?:"(?P<double>[^"<]*)"|'(?P<single>[^'<]*)')"""
)

_TOKEN = re.compile(
    rf"""(?P<comment><!--.*?-->)|(?P<instruction><\?.*?\?>)|(?P<cdata><!\[CDATA\[.*?\]\]>)|(?P<doctype><!DOCTYPE)"""
    rf"""|(?P<end></{_NAME}{_SPACE}*>)|(?P<tag><(?P<name>{_NAME})(?:{_ATTRIBUTE})*{_SPACE}*(?P<empty>/?)>)|(?P<text>[^<]+)""",
    re.DOTALL,
)
_DOCTYPE_TOKEN = re.compile(
    r"""(?P<skip><!--.*?-->|<\?.*?\?>|"[^"]*"|'[^']*')|(?P<open>\[)|(?P<close>\])|(?P<end>>)|[^]["'<>]+|<""", re.DOTALL
)
# A parameter entity's name is never seen: it can only be declared with a percent sign, or referred to with one.
_OUTSIDE_ENTITY = re.compile(r"%|<!ENTITY[^>]*[ \t\r\n](?:SYSTEM|PUBLIC)\b|<!DOCTYPE[^[>]*[ \t\r\n](?:SYSTEM|PUBLIC)\b")

_CHARACTER = re.compile(
    r"&#x(?P<hexadecimal>[0-9A-Fa-f]+);|&#(?P<decimal>[0-9]+);|&(?P<entity>[^;&\s]+);|(?P<line_end>\r\n|\r|\n)|.",
    re.DOTALL,
)
_LITERAL = re.compile(r"(?P<line_end>\r\n|\r|\n)|.", re.DOTALL)
_PREDEFINED = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}

_CDATA_START, _CDATA_END = len("<![CDATA["), len("]]>")


class SourceError(ValueError):
    """The text is not what this reader expects. Fields: C(offset), C(reason)."""

    def __init__(self, offset: int, reason: str) -> None:
        super().__init__(offset, reason)
        self.offset = offset
        self.reason = reason


@dataclass(frozen=True)
class Span:
    """A piece of the text that holds characters of a value: an attribute's inside the quotes, an element's text or
    CDATA.
    """

    start: int
    end: int
    is_cdata: bool = False
    is_attribute: bool = False


@dataclass(frozen=True)
class Character:
    """One character of a value, and the characters of the text that stand for it. References do not work where
    C(is_cdata).
    """

    value: str
    start: int
    end: int
    is_cdata: bool


@dataclass
class Element:
    """An element as it is written: from C(start) to C(end), its start tag up to C(tag_end), its own text without its
    children's.
    """

    name: str
    start: int
    tag_end: int
    end: int
    attributes: dict[str, Span]
    text: list[Span] = field(default_factory=list)
    has_children: bool = False


def read_elements(text: str) -> list[Element]:
    """Find all elements, in document order. Raises SourceError."""
    elements: list[Element] = []
    ancestors: list[Element] = []
    for kind, match in _tokens(text):
        if kind == "tag":
            _open(match, elements, ancestors)
        elif kind == "end" and ancestors:
            ancestors.pop().end = match.end()
        elif kind == "text" and ancestors:
            ancestors[-1].text.append(Span(match.start(), match.end()))
        elif kind == "cdata" and ancestors:
            ancestors[-1].text.append(Span(match.start() + _CDATA_START, match.end() - _CDATA_END, is_cdata=True))
    if ancestors:
        raise SourceError(ancestors[-1].start, "an element without an end")
    return elements


def read_characters(text: str, span: Span) -> list[Character]:
    """The characters of a value, as a parser would hand them out. Raises SourceError for an entity that is not
    predefined.
    """
    pattern = _LITERAL if span.is_cdata else _CHARACTER
    matches = pattern.finditer(text, span.start, span.end)
    return [Character(_value(match, span), match.start(), match.end(), span.is_cdata) for match in matches]


def _value(match: re.Match[str], span: Span) -> str:
    kind, found = match.lastgroup, match.group()
    if kind == "hexadecimal":
        return chr(int(match.group(kind), 16))
    if kind == "decimal":
        return chr(int(match.group(kind)))
    if kind == "entity" and match.group(kind) not in _PREDEFINED:
        raise SourceError(match.start(), f"the entity {found} stands where a server's name is looked for")
    if kind == "entity":
        return _PREDEFINED[match.group(kind)]
    if span.is_attribute:
        # XML 1.0, 3.3.3: white space in an attribute becomes spaces.
        return " " if found in ("\r\n", "\r", "\n", "\t") else found
    return "\n" if kind == "line_end" else found


def _tokens(text: str) -> Iterator[tuple[str | None, re.Match[str]]]:
    offset = 0
    while offset < len(text):
        match = _TOKEN.match(text, offset)
        if match is None:
            raise SourceError(offset, "markup of an unexpected form")
        # The last group to close, which for a tag is the one around its name.
        kind = match.lastgroup
        offset = _doctype_end(text, match) if kind == "doctype" else match.end()
        yield kind, match


def _open(match: re.Match[str], elements: list[Element], ancestors: list[Element]) -> None:
    attributes = {}
    # Not finditer(): searching would look at a long run of spaces again from each of them.
    attribute = _ATTRIBUTE_PARTS.match(match.string, match.end("name"), match.end())
    while attribute:
        quoted = "single" if attribute.group("double") is None else "double"
        attributes[attribute.group("name")] = Span(attribute.start(quoted), attribute.end(quoted), is_attribute=True)
        attribute = _ATTRIBUTE_PARTS.match(match.string, attribute.end(), match.end())
    element = Element(match.group("name"), match.start(), match.end(), match.end(), attributes)
    elements.append(element)
    if ancestors:
        ancestors[-1].has_children = True
    if not match.group("empty"):
        ancestors.append(element)


def _doctype_end(text: str, opening: re.Match[str]) -> int:
    """Where the document type declaration ends, comments, quotes and its internal subset respected. Raises SourceError
    for outside entities.
    """
    offset, depth, seen = opening.end(), 0, [opening.group()]
    while True:
        match = _DOCTYPE_TOKEN.match(text, offset)
        if match is None:
            raise SourceError(offset, "a document type declaration of an unexpected form")
        offset = match.end()
        if match.lastgroup != "skip":
            seen.append(match.group())
        depth += {"open": 1, "close": -1}.get(match.lastgroup or "", 0)
        if match.lastgroup == "end" and depth == 0:
            break
    if _OUTSIDE_ENTITY.search("".join(seen)):
        raise SourceError(
            opening.start(),
            "the document type declaration refers to something outside the file, or to parameter entities",
        )
    return offset
