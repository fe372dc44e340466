# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.repoint.edit import (
    ConfigError,
    Edit,
    change_mom_server,
    change_server_names,
)

# A document is made of pieces. In them @a|b@ stands for a before the edit and b after it, and whatever else is in them
# must stay.

ENCODINGS = {
    "utf-8": ("utf-8", b""),
    "utf-8 with a mark": ("utf-8", codecs.BOM_UTF8),
    "utf-16": ("utf-16-le", codecs.BOM_UTF16_LE),
    "UTF-16": ("utf-16-be", codecs.BOM_UTF16_BE),
    "windows-1252": ("cp1252", b""),
    "iso-8859-1": ("latin-1", b""),
}

space = st.text(" \t\n", max_size=3)
blank = st.text(" \t\n", min_size=1, max_size=3)
quote = st.sampled_from("\"'")
# Characters that all encodings have; markup and the marker are left out.
plain = st.text("abcHYDRA 0.;-_#\u00e4\u00e9\u00df()[]=/?!\t\n", max_size=12)
# No two hyphens in a row: comments may not have them.
label = st.from_regex(r"[a-z](-?[A-Za-z0-9_]){0,6}[a-z0-9]", fullmatch=True)
domain = st.builds("{}.{}".format, label, label)


@dataclass(frozen=True)
class Names:
    old_label: str
    new_label: str
    old_domain: str
    new_domain: str

    @property
    def old(self) -> str:
        return f"{self.old_label}.{self.old_domain}"

    @property
    def new(self) -> str:
        return f"{self.new_label}.{self.new_domain}"


names = st.builds(Names, label, label, domain, domain).filter(lambda n: n.old_label.lower() != n.new_label.lower())


def decoys(name: str) -> st.SearchStrategy[str]:
    """Pieces that mention the name and are no entries."""
    return st.one_of(
        plain,
        st.builds(
            "<!--{}<ServerName>{}</ServerName>{}-->".format,
            plain.map(lambda text: text.replace("-", " ")),
            st.just(name),
            space,
        ),
        st.builds(
            "<![CDATA[{}<add key='MOMServer' value='{}'/>]]>".format,
            plain.map(lambda text: text.replace("]", " ")),
            st.just(name),
        ),
        st.builds("<?p{}{}{}?>".format, blank, st.just(name), plain.map(lambda text: text.replace("?", " "))),
        st.builds("<Other{}Name{}={}{q}{}{q}{}/>".format, blank, space, space, st.just(name), space, q=quote),
        st.builds("<add{}key='Other'{}value={q}{}>{q}/>".format, blank, blank, st.just(name), q=quote),
        st.sampled_from(["&amp;", "&#65;", "&#x20AC;", "&lt;ServerName&gt;", "<Empty/>", "<ServerNames/>"]),
    )


def referenced(text: str) -> st.SearchStrategy[str]:
    """The text with some of its characters written as references."""
    forms = [
        st.sampled_from([character, f"&#{ord(character)};", f"&#x{ord(character):x};", f"&#x0{ord(character):X};"])
        for character in text
    ]
    return st.tuples(*forms).map("".join)


@st.composite
def server_name_entry(draw: st.DrawFn, used: Names, *, reversible: bool) -> str:
    old, new = draw(st.sampled_from([(used.old, used.new), (used.old_label, used.new_label)]))
    capitals = draw(st.booleans())
    old, new = (old.upper(), new.upper()) if capitals else (old, new)
    if draw(st.booleans()):
        opening, closing = "<![CDATA[", "]]>"
    else:
        opening, closing = draw(st.sampled_from([("", ""), ("&#32;", "&#xA;"), ("<!--x-->", ""), ("", "<?x y?>")]))
        old = old if reversible else draw(referenced(old))
    start = draw(
        st.sampled_from(
            ["<ServerName", "<s:ServerName xmlns:s='urn:s'", "<ServerName xmlns='urn:t'", "<ServerName a='>'"]
        )
    )
    end = "</s:ServerName" if start.startswith("<s:") else "</ServerName"
    return f"{start}{draw(space)}>{draw(space)}{opening}{draw(space)}@{old}|{new}@{draw(space)}{closing}{draw(space)}{end}{draw(space)}>"


@st.composite
def mom_server_entry(draw: st.DrawFn, used: Names, *, reversible: bool) -> str:
    old = (
        used.old
        if reversible
        else draw(st.sampled_from(["", used.old, used.old_label, "a &amp; b"]) | referenced(used.old))
    )
    first, second = draw(quote), draw(quote)
    key = (
        f"{draw(blank)}key{draw(space)}={draw(space)}{first}{draw(st.sampled_from(['MOMServer', 'momserver']))}{first}"
    )
    around = draw(space) if old else ""
    value = f"{draw(blank)}value{draw(space)}={draw(space)}{second}{around}@{old}|{used.new}@{around}{second}"
    other = draw(st.sampled_from(["", " x='MOMServer'", " y=\"value=''>\""]))
    return f"<add{''.join(draw(st.permutations([key, value, other])))}{draw(space)}/>"


@st.composite
def documents(
    draw: st.DrawFn, root: str, entry: st.SearchStrategy[str], used: Names, *, entries: int
) -> tuple[bytes, bytes]:
    """A document before and after."""
    encoding = draw(st.sampled_from(sorted(ENCODINGS)))
    codec, mark = ENCODINGS[encoding]
    declaration = f'<?xml version="1.0" encoding="{encoding.split(" ")[0]}"?>'
    pieces = [*draw(st.lists(decoys(used.old), max_size=6)), *draw(st.lists(entry, min_size=1, max_size=entries))]
    inside = "".join(draw(st.permutations(pieces))).replace("]]><!", "]]> <!")
    text = f"{declaration}{draw(space)}<{root}{draw(space)}>{inside}</{root}>{draw(space)}"
    text = re.sub("\n", lambda _end: draw(st.sampled_from(["\n", "\r\n", "\r"])), text)
    before, after = (re.sub(r"@([^|@]*)\|([^|@]*)@", side, text) for side in (r"\1", r"\2"))
    return mark + before.encode(codec), mark + after.encode(codec)


def to_new(content: bytes, used: Names) -> Edit:
    return change_server_names(content, [used.old], used.new)


@settings(deadline=None, max_examples=60)
@given(st.data(), names)
def test_server_names_change_and_nothing_else(data: st.DataObject, used: Names) -> None:
    before, after = data.draw(documents("c", server_name_entry(used, reversible=False), used, entries=5))
    result = to_new(before, used)
    assert result.content == after
    assert to_new(after, used) == Edit(after)


@settings(deadline=None, max_examples=60)
@given(st.data(), names)
def test_server_names_there_and_back(data: st.DataObject, used: Names) -> None:
    before, _after = data.draw(documents("c", server_name_entry(used, reversible=True), used, entries=5))
    there = to_new(before, used)
    back = change_server_names(there.content, [used.new], used.old)
    assert back.content == before
    assert len(back.changes) == len(there.changes)


@settings(deadline=None, max_examples=60)
@given(st.data(), names)
def test_mom_server_changes_and_nothing_else(data: st.DataObject, used: Names) -> None:
    before, after = data.draw(documents("configuration", mom_server_entry(used, reversible=False), used, entries=1))
    result = change_mom_server(before, used.new)
    assert result.content == after
    assert change_mom_server(after, used.new) == Edit(after)


@settings(deadline=None, max_examples=60)
@given(st.data(), names)
def test_mom_server_there_and_back(data: st.DataObject, used: Names) -> None:
    before, _after = data.draw(documents("configuration", mom_server_entry(used, reversible=True), used, entries=2))
    assert change_mom_server(change_mom_server(before, used.new).content, used.old).content == before


@settings(deadline=None, max_examples=60)
@given(st.data(), names)
def test_a_damaged_file_is_refused_or_edited_but_never_a_crash(data: st.DataObject, used: Names) -> None:
    content, _after = data.draw(documents("c", server_name_entry(used, reversible=False), used, entries=2))
    start = data.draw(st.integers(0, len(content)))
    end = start + data.draw(st.integers(0, 3))
    hostile = st.sampled_from(
        [b"", b"<", b">", b"]]>", b"-->", b"&", b"&x;", b"'", b"<!DOCTYPE c>", b"\0", b"\xff", b"<ServerName>", b"]"]
    )
    damaged = content[:start] + data.draw(hostile) + content[end:]
    try:
        result = to_new(damaged, used)
    except ConfigError:
        return
    assert result.changed == (result.content != damaged)
    again = to_new(result.content, used)
    assert again.content == result.content
    assert again.untouched == result.untouched
