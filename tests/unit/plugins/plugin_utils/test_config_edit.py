# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import codecs
import copy
import itertools
import pickle
import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from lxml import etree
from unit.plugins import case_files

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.repoint import document as config_document
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.repoint.edit import (
    AmbiguousEntry,
    Change,
    ConfigError,
    Edit,
    HiddenEntry,
    MissingEntry,
    UnreadableConfig,
    Untouched,
    change_mom_server,
    change_server_names,
    names_server,
    overriding_paths,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.repoint.edit import mom_server as mom_server_of
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.repoint.encoding import _CODECS, decode
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.repoint.xml_source import Source

OLD, NEW = "hydra.odyssey.com", "deathsting.odyssey.com"

# In the texts below @a|b@ stands for a before the edit and b after it: everything else must stay.


def sides(marked: str) -> tuple[str, str]:
    before, after = (re.sub(r"@([^|@]*)\|([^|@]*)@", side, marked) for side in (r"\1", r"\2"))
    return before, after


@dataclass(frozen=True)
class File:
    marked: str
    codec: str = "utf-8"
    mark: bytes = b""

    def sides(self) -> tuple[bytes, bytes]:
        before, after = sides(self.marked)
        return self.mark + before.encode(self.codec), self.mark + after.encode(self.codec)


def server_names(content: bytes) -> Edit:
    return change_server_names(content, ["hydra", OLD], NEW)


def mom_server(content: bytes) -> Edit:
    return change_mom_server(content, NEW)


RSREPORTSERVER = """<?xml version="1.0"{encoding}?>
<!-- <ServerName>hydra.odyssey.com</ServerName> is the RMS, ü and > and ' here -->
<Configuration>
\t<Dsn>AQAAANCMnd8BFdERjHoAwE/Cl+s==</Dsn>
\t<Add  Key="SecureConnectionLevel"   Value='0'/>
\t<Extensions>
\t\t<!--<ServerName>
hydra</ServerName>-->
\t\t<Security>
\t\t\t<Extension Name="Windows" Type="Microsoft.EnterpriseManagement.Reporting.Security.AuthorizationExtension, b > a">
\t\t\t\t<Configuration><ServerName>@hydra.odyssey.com|deathsting.odyssey.com@</ServerName></Configuration>
\t\t\t</Extension>
\t\t</Security>
\t\t<?hydra <ServerName>hydra</ServerName> ?>
\t\t<Authentication>
\t\t\t<Extension Name='Windows' Server="hydra">
\t\t\t\t<ServerName >
\t\t\t\t\t@hydra|deathsting@
\t\t\t\t</ServerName\t>
\t\t\t\t<Else><![CDATA[ <ServerName>hydra</ServerName> ]]></Else><Empty /> <Empty></Empty>
\t\t\t</Extension>
\t\t</Authentication>
\t</Extensions>\x20\x20
</Configuration>
<!-- the end of hydra é -->

"""

WEB_CONFIG = """<?xml version="1.0"{encoding}?>
<!-- <add key="MOMServer" value="hydra.odyssey.com"/> ü -->
<configuration xmlns="http://schemas.microsoft.com/.NetConfiguration/v2.0">
  <appSettings>
    <!--This is internal connection between the web server and the MOM server .-->
    <add key= "MOMServer" value="@Hydra.Odyssey.com|deathsting.odyssey.com@"/>
    <add key="Other" value="Hydra.Odyssey.com, &quot;MOMServer&quot; &#233; ' >"/>
    <add key="Port"\tvalue='5724'   />
  </appSettings>
  <system.web><identity impersonate="true" userName="hydra" password="a&amp;b"/></system.web>
</configuration>
"""

DOCUMENTS = {"rsreportserver": (RSREPORTSERVER, server_names, 2), "web": (WEB_CONFIG, mom_server, 1)}
ENCODINGS = {
    "utf-8, nothing declared": ("", "utf-8", b""),
    "utf-8": (' encoding="utf-8"', "utf-8", b""),
    "UTF-8 with a mark": (" encoding='UTF-8'", "utf-8", codecs.BOM_UTF8),
    "mark, nothing declared": ("", "utf-8", codecs.BOM_UTF8),
    "utf-16 little endian": (' encoding="utf-16"', "utf-16-le", codecs.BOM_UTF16_LE),
    "utf-16 big endian": (' encoding="UTF-16"', "utf-16-be", codecs.BOM_UTF16_BE),
    "utf-16, nothing declared": ("", "utf-16-le", codecs.BOM_UTF16_LE),
    "windows-1252": (' encoding = "Windows-1252"', "cp1252", b""),
    "iso-8859-1": (" encoding='ISO-8859-1' standalone='yes'", "latin-1", b""),
    "iso-8859-15": (' encoding="iso-8859-15"', "iso8859-15", b""),
    "windows-1250": (' encoding="windows-1250"', "cp1250", b""),
}


def crlf(text: str) -> str:
    return text.replace("\n", "\r\n")


def mixed(text: str) -> str:
    ends = itertools.cycle(["\n", "\r\n", "\r\n", "\n", "\r"])
    return "".join(line + next(ends) for line in text.split("\n")[:-1])


LINE_ENDS: dict[str, Callable[[str], str]] = {
    "lf": str,
    "crlf": crlf,
    "mixed": mixed,
    "cr": lambda text: text.replace("\n", "\r"),
}


@pytest.mark.parametrize("line_ends", LINE_ENDS)
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("document", DOCUMENTS)
def test_whole_files_in_every_encoding(document: str, encoding: str, line_ends: str) -> None:
    template, edit, count = DOCUMENTS[document]
    declaration, codec, mark = ENCODINGS[encoding]
    before, after = File(LINE_ENDS[line_ends](template.replace("{encoding}", declaration)), codec, mark).sides()
    result = edit(before)
    assert result.content == after
    assert result.changed
    assert len(result.changes) == count
    assert not result.untouched
    assert edit(after) == Edit(after)


SERVER_NAME_FILES = {
    "one": File("<c><ServerName>@hydra|deathsting@</ServerName></c>"),
    "five": File("<c>" + "<x><ServerName>@hydra|deathsting@</ServerName></x>" * 5 + "</c>"),
    "the root": File("<ServerName>@hydra|deathsting@</ServerName>"),
    "capitals stay capitals": File("<c><ServerName>@HYDRA|DEATHSTING@</ServerName></c>"),
    "FQDN in capitals": File("<c><ServerName>@HYDRA.ODYSSEY.COM|DEATHSTING.ODYSSEY.COM@</ServerName></c>"),
    "mixed case": File("<c><ServerName>@Hydra.Odyssey.Com|deathsting.odyssey.com@</ServerName></c>"),
    "with the dot of the root": File("<c><ServerName>@hydra.odyssey.com.|deathsting.odyssey.com@</ServerName></c>"),
    "both forms": File(
        "<c><ServerName>@hydra|deathsting@</ServerName><ServerName>@hydra.odyssey.com|deathsting.odyssey.com@</ServerName></c>"
    ),
    "one is right already": File(
        "<c><ServerName>DeathSting</ServerName><ServerName>@hydra|deathsting@</ServerName></c>"
    ),
    "white space around": File("<c><ServerName> \t\r\n @hydra|deathsting@\n\n\t</ServerName></c>"),
    "white space as references": File("<c><ServerName>&#32;&#xA;@hydra|deathsting@&#9;</ServerName></c>"),
    "white space in the tags": File("<c\n><ServerName\t\n>@hydra|deathsting@</ServerName \r\n></c >"),
    "attributes": File("""<c><ServerName a = 'x > y' b="'/>'"\n>@hydra|deathsting@</ServerName></c>"""),
    "decimal reference": File("<c><ServerName>@&#104;ydra|deathsting@</ServerName></c>"),
    "hexadecimal references": File("<c><ServerName>@&#x48;&#x79;dr&#x61;|deathsting@</ServerName></c>"),
    "CDATA": File("<c><ServerName><![CDATA[@hydra|deathsting@]]></ServerName></c>"),
    "CDATA with white space": File(
        "<c><ServerName> <![CDATA[\r\n@hydra.odyssey.com|deathsting.odyssey.com@ ]]>\n</ServerName></c>"
    ),
    "text and CDATA": File("<c><ServerName>@hy|deathsting@<![CDATA[@dra|@]]></ServerName></c>"),
    "empty CDATA": File("<c><ServerName><![CDATA[]]>@hydra|deathsting@</ServerName></c>"),
    "comment after": File("<c><ServerName>@hydra|deathsting@<!-- hydra --></ServerName></c>"),
    "comment before": File("<c><ServerName><!--hydra--> @hydra|deathsting@</ServerName></c>"),
    "comment inside": File("<c><ServerName>@hyd|deathsting@<!-- - --><?a?>@ra|@</ServerName></c>"),
    "instruction inside": File("<c><ServerName><?hydra hydra?>@hydra|deathsting@</ServerName></c>"),
    "prefix": File("<c xmlns:r='urn:r'><r:ServerName>@hydra|deathsting@</r:ServerName></c>"),
    "default namespace": File(
        '<c xmlns="urn:r"><ServerName xmlns="">@hydra|deathsting@</ServerName><ServerName>@hydra|deathsting@</ServerName></c>'
    ),
    "the same text everywhere": File(
        """<hydra hydra="hydra"><!--<ServerName>hydra</ServerName>--><Name>hydra</Name><ServerNames>hydra</ServerNames>"""
        """<![CDATA[<ServerName>hydra</ServerName>]]><ServerName hydra='hydra'>@hydra|deathsting@</ServerName>hydra</hydra>"""
    ),
    "escaped markup": File(
        "<c>&lt;ServerName&gt;hydra&lt;/ServerName&gt;<ServerName>@hydra|deathsting@</ServerName></c>"
    ),
    "document type": File(
        """<!DOCTYPE c [ <!-- it's ]> "--> <!ENTITY e "]><ServerName>hydra</ServerName>"> <?p ]>?> <!ELEMENT c ANY><!ATTLIST c a CDATA '>'> ] >"""
        "\n<c><ServerName>@hydra|deathsting@</ServerName></c>"
    ),
    "bare document type": File("<!DOCTYPE c><c><ServerName>@hydra|deathsting@</ServerName></c>"),
    "entities elsewhere": File("<c a='&amp;&lt;&#13;'>&amp;&#x20AC;<ServerName>@hydra|deathsting@</ServerName></c>"),
    "one long line": File("<c>" + "<x y='z'/>" * 5000 + "<ServerName>@hydra|deathsting@</ServerName></c>"),
    "astral and combining characters": File(
        "<c>\U0001f600e\u0301<ServerName>@hydra|deathsting@</ServerName>\U0001f600</c>"
    ),
    "astral in utf-16": File(
        "<c>\U0001f600<ServerName>@hydra|deathsting@</ServerName>\U0001f600</c>", "utf-16-le", codecs.BOM_UTF16_LE
    ),
    "odd white space is text": File("<c>\u2028\u0085\u00a0<ServerName>@hydra|deathsting@</ServerName></c>"),
    "ascii": File(
        '<?xml version="1.0" encoding="us-ascii"?><c><ServerName>@hydra|deathsting@</ServerName></c>', "ascii"
    ),
    "text after the root": File(
        "<c><ServerName>@hydra|deathsting@</ServerName></c><!--<ServerName>hydra</ServerName>--><?hydra?>\n\n"
    ),
}

MOM_SERVER_FILES = {
    "the book's": File(
        '<configuration><add key= "MOMServer" value="@Hydra.Odyssey.com|deathsting.odyssey.com@"/></configuration>'
    ),
    "single quotes": File(
        "<configuration><add key='MOMServer' value='@hydra|deathsting.odyssey.com@'/></configuration>"
    ),
    "quotes of both kinds": File(
        """<configuration><add key='MOMServer' value="@it's|deathsting.odyssey.com@"/></configuration>"""
    ),
    "escaped quotes": File(
        """<configuration><add key='MOMServer' value="@&quot;a&amp;b&quot;|deathsting.odyssey.com@"/></configuration>"""
    ),
    "value first": File(
        """<configuration><add value="@hydra|deathsting.odyssey.com@" key="MOMServer"/></configuration>"""
    ),
    "other attributes": File(
        """<configuration><add a="value='x'" key="MOMServer" b='key="x"' value="@hydra|deathsting.odyssey.com@" c="/>"/></configuration>"""
    ),
    "spaces": File(
        "<configuration><add\n\t key  =\r\n 'MOMServer'\n value\t= '@hydra|deathsting.odyssey.com@'\n/></configuration>"
    ),
    "long form": File(
        "<configuration><add key='MOMServer' value='@hydra|deathsting.odyssey.com@'>\n</add></configuration>"
    ),
    "case of the key": File(
        "<configuration><add key='momSERVER' value='@hydra|deathsting.odyssey.com@'/></configuration>"
    ),
    "key with references": File(
        "<configuration><add key='MOM&#x53;erver' value='@hydra|deathsting.odyssey.com@'/></configuration>"
    ),
    "value with references": File(
        "<configuration><add key='MOMServer' value='@&#72;ydra.&#x6f;dyssey.com|deathsting.odyssey.com@'/></configuration>"
    ),
    "empty value": File("<configuration><add key='MOMServer' value='@|deathsting.odyssey.com@'/></configuration>"),
    "blank value": File("<configuration><add key='MOMServer' value='@ \n |deathsting.odyssey.com@'/></configuration>"),
    "white space around": File(
        "<configuration><add key='MOMServer' value=' \r\n\t@hydra|deathsting.odyssey.com@&#10; '/></configuration>"
    ),
    "value over lines": File(
        "<configuration><add key='MOMServer' value='@hy\r\ndra|deathsting.odyssey.com@'/></configuration>"
    ),
    "short name of the new one": File(
        "<configuration><add key='MOMServer' value='@deathsting|deathsting.odyssey.com@'/></configuration>"
    ),
    "deep inside": File(
        "<configuration><location path='x'><a><add key='MOMServer' value='@hydra|deathsting.odyssey.com@'/></a></location></configuration>"
    ),
    "prefix": File(
        "<n:configuration xmlns:n='urn:n'><n:add key='MOMServer' value='@hydra|deathsting.odyssey.com@'/></n:configuration>"
    ),
    "prefixed attributes": File(
        "<configuration xmlns:n='urn:n'><add n:value='hydra' key='MOMServer' value='@hydra|deathsting.odyssey.com@'/></configuration>"
    ),
    "other keys": File(
        "<configuration><add key='MOMServers' value='hydra'/><add key=' MOMServer' value='hydra'/><Add key='MOMServer' value='hydra'/>"
        "<add name='MOMServer' value='hydra'/><add Key='MOMServer' value='hydra'/><add key='MOMServer' value='@hydra|deathsting.odyssey.com@'/></configuration>"
    ),
    "two alike": File(
        "<configuration><a><add key='MOMServer' value='@hydra|deathsting.odyssey.com@'/></a>"
        '<b><add value="@HYDRA|deathsting.odyssey.com@" key="momserver"/></b></configuration>'
    ),
    "comments": File(
        "<!--<add key='MOMServer' value='hydra'/>--><configuration><!--\n<add key='MOMServer' value='hydra'/>\n-->"
        "<add key='MOMServer' value='@hydra|deathsting.odyssey.com@'/><!-- <add key='MOMServer' value='hydra'/> --></configuration>"
    ),
    "a file with the section alone": File(
        "<appSettings><add key='MOMServer' value='@hydra|deathsting.odyssey.com@'/></appSettings>"
    ),
    "cleared between two": File(
        "<configuration><appSettings><add key='MOMServer' value='@hydra|deathsting.odyssey.com@'/><clear/>"
        "<add key='MOMServer' value='@hydra|deathsting.odyssey.com@'/></appSettings></configuration>"
    ),
    "cleared before it": File(
        "<configuration><appSettings><clear/><remove key='MOMServer'/>"
        "<add key='MOMServer' value='@hydra|deathsting.odyssey.com@'/></appSettings></configuration>"
    ),
    "another section encrypted or elsewhere": File(
        "<configuration><connectionStrings configProtectionProvider='X'><EncryptedData/></connectionStrings><pages configSource='p.config'/>"
        "<appSettings><add key='MOMServer' value='@hydra|deathsting.odyssey.com@'/><remove key='Other'/></appSettings></configuration>"
    ),
    "default of another attribute": File(
        "<!DOCTYPE configuration [<!ATTLIST add lockItem CDATA 'no'>]>"
        "<configuration><add key='MOMServer' value='@hydra|deathsting.odyssey.com@'/></configuration>"
    ),
}


@pytest.mark.parametrize("case", SERVER_NAME_FILES)
def test_server_names(case: str) -> None:
    before, after = SERVER_NAME_FILES[case].sides()
    result = server_names(before)
    assert result.content == after
    assert server_names(after) == Edit(after)


@pytest.mark.parametrize("case", MOM_SERVER_FILES)
def test_mom_server(case: str) -> None:
    before, after = MOM_SERVER_FILES[case].sides()
    assert mom_server(before).content == after
    assert mom_server(after) == Edit(after)


@pytest.mark.parametrize(
    ("entry", "old_names", "found"),
    [
        ("hydra", ["hydra.odyssey.com"], True),
        ("hydra.odyssey.com", ["hydra"], True),
        ("hydra.odyssey.com", ["HYDRA", "x"], True),
        ("hydra.troy.com", ["hydra"], False),
        ("hydra.troy.com", ["hydra", "hydra.troy.com"], True),
        ("hydra.odyssey.com", ["hydra", "hydra.troy.com"], False),
        ("hydra.troy.com", ["hydra.odyssey.com"], False),
        ("managementserve", ["managementserver01.odyssey.com"], True),
        ("managementserver01", ["managementserver01.odyssey.com"], True),
        ("managementserve.odyssey.com", ["managementserver01.odyssey.com"], False),
        ("hydra2", ["hydra"], False),
        ("hydra:5723", ["hydra"], False),
        ("hydra.", ["hydra"], False),
        ("hy dra", ["hydra"], False),
        ("10.1.2.3", ["hydra"], False),
    ],
)
def test_which_entries_name_the_old_rms(entry: str, old_names: list[str], found: bool) -> None:
    content = f"<c>\n<ServerName>{entry}</ServerName></c>".encode()
    result = change_server_names(content, old_names, NEW)
    assert result.changed is found
    assert result.untouched == (() if found else (Untouched(2, entry, "it names another server"),))
    assert (result.content == content) is not found


def test_what_is_not_an_entry_or_names_another_server_is_told() -> None:
    content = b"<c>\n<servername>hydra</servername>\n<ServerName/><ServerName> athena </ServerName>\r\n<ServerName>hydra<x/></ServerName></c>"
    assert server_names(content) == Edit(
        content,
        (),
        (
            Untouched(2, "hydra", "<servername> is not <ServerName>: case matters in XML"),
            Untouched(3, "", "it is empty"),
            Untouched(3, "athena", "it names another server"),
            Untouched(4, "hydra", "it holds other elements"),
        ),
    )


def test_a_short_name_that_both_have_is_left() -> None:
    content = b"<c><ServerName>hydra</ServerName></c>"
    assert change_server_names(content, ["hydra.odyssey.com"], "hydra.troy.com") == Edit(content)


def test_capitals_that_were_given_are_no_form() -> None:
    result = change_server_names(b"<c><ServerName>HYDRA</ServerName></c>", ["HYDRA.odyssey.com"], NEW)
    assert result.content == b"<c><ServerName>deathsting</ServerName></c>"


def test_capitals_that_would_make_another_name() -> None:
    result = change_server_names(b"<c><ServerName>HYDRA</ServerName></c>", ["hydra"], "stra\u00dfe.odyssey.com")
    assert result.content.decode() == "<c><ServerName>stra\u00dfe</ServerName></c>"


def test_a_name_beyond_the_encoding_becomes_references() -> None:
    declared = '<?xml version="1.0" encoding="windows-1252"?>'
    entry = declared + "<c>\u20ac<ServerName>{}</ServerName></c>"
    result = change_server_names(entry.format("hydra").encode("cp1252"), ["hydra"], "\u03c7\u00e4.odyssey.com")
    assert result.content == entry.format("&#967;\u00e4").encode("cp1252")
    assert result.changes[0].new_value == "\u03c7\u00e4"
    assert change_server_names(result.content, ["\u03c7\u00e4"], "hydra.odyssey.com").content == entry.format(
        "hydra"
    ).encode("cp1252")
    web = declared + '<configuration><add key="MOMServer" value="{}"/></configuration>'
    result = change_mom_server(web.format("hydra").encode("cp1252"), "\u03c7\u00e4.odyssey.com")
    assert result.content == web.format("&#967;\u00e4.odyssey.com").encode("cp1252")


def test_a_name_beyond_the_encoding_in_cdata() -> None:
    content = b'<?xml version="1.0" encoding="us-ascii"?>\n<c>\n<ServerName><![CDATA[hydra]]></ServerName></c>'
    with pytest.raises(ConfigError) as caught:
        change_server_names(content, ["hydra"], "\u00e4.odyssey.com")
    assert (caught.value.line, "CDATA" in caught.value.reason) == (3, True)


def test_changes_and_diff() -> None:
    content = crlf(
        "<c>\n  <ServerName>&#72;ydra</ServerName> \n  <pw>x</pw><ServerName>\n hydra.odyssey.com\n</ServerName><pw>y</pw></c>"
    ).encode()
    result = server_names(content)
    assert result.changes == (
        Change(
            2, "  <ServerName>&#72;ydra</ServerName> ", "  <ServerName>deathsting</ServerName> ", "Hydra", "deathsting"
        ),
        Change(4, " hydra.odyssey.com", " deathsting.odyssey.com", "hydra.odyssey.com", "deathsting.odyssey.com"),
    )
    assert result.diff("x.config") == (
        "--- x.config\n+++ x.config\n@@ -2 +2 @@\n-  <ServerName>&#72;ydra</ServerName> \n+  <ServerName>deathsting</ServerName> \n"
        "@@ -4 +4 @@\n- hydra.odyssey.com\n+ deathsting.odyssey.com\n"
    )
    assert server_names(result.content).diff("x.config") == ""


def test_the_diff_shows_nothing_else_of_the_line() -> None:
    content = b'<configuration><add key="pw" value="geheim"/><add key="MOMServer" value="hydra"/><x pw="secret">p</x></configuration>'
    result = mom_server(content)
    assert result.changes[0].before == '...<add key="MOMServer" value="hydra"/>...'
    assert result.changes[0].after == f'...<add key="MOMServer" value="{NEW}"/>...'
    long_form = b'<configuration><add key="MOMServer" value="hydra">secret</add></configuration>'
    assert mom_server(long_form).changes[0].before == '...<add key="MOMServer" value="hydra">...'


def test_diff_of_a_value_over_several_lines() -> None:
    result = mom_server(b'<configuration>\n<add key="MOMServer" value="hy\n\ndra"/>\n</configuration>')
    assert result.diff("w").splitlines()[2:] == [
        "@@ -2,3 +2 @@",
        '-<add key="MOMServer" value="hy',
        "-",
        '-dra"/>',
        f'+<add key="MOMServer" value="{NEW}"/>',
    ]


@pytest.mark.parametrize("codec", sorted({*_CODECS.values(), "utf-16-le", "utf-16-be"}))
def test_a_text_is_written_in_the_bytes_it_was_read_from(codec: str) -> None:
    """A file is written from its text: so no codec may have two ways to write one character."""
    if codec.startswith("utf-"):
        content = "".join(map(chr, [*range(0xD800), *range(0xE000, 0x110000, 7)])).encode(codec)
    else:
        content = bytes(range(256)).decode(codec, "ignore").encode(codec)
        assert len(content) >= 128
        assert all(bytes([byte]).decode(codec).encode(codec) == bytes([byte]) for byte in content)
    assert content.decode(codec).encode(codec) == content


@pytest.mark.parametrize("case", SERVER_NAME_FILES)
def test_another_parser_finds_the_same_elements(case: str) -> None:
    content, _after = SERVER_NAME_FILES[case].sides()
    elements = Source(decode(content, "x").text, "x").elements
    nodes = list(etree.fromstring(content).iter("*"))
    assert [element.local_name for element in elements] == [etree.QName(node).localname for node in nodes]
    for element, node in zip(elements, nodes, strict=True):
        names = {name: "{{{}}}{}".format(*name.split("\n")) if "\n" in name else name for name in element.attributes}
        assert set(names.values()) >= set(node.keys())
        # Not values(), which has no default values of the document type declaration.
        assert element.attributes == {name: node.get(clark) for name, clark in names.items()}
    assert [element.text for element in elements] == [
        "".join(filter(None, [node.text, *(child.tail for child in node)])) for node in nodes
    ]


def test_depth_and_length_have_no_end() -> None:
    deep = "<x>" * 20000 + "<ServerName>@hydra|deathsting@</ServerName>" + "</x>" * 20000
    before, after = File(f"<c a{' ' * 50000}={' ' * 50000}'x'{' ' * 50000}>{'<!--é-->' * 20000}{deep}</c>").sides()
    assert server_names(before).content == after


@pytest.mark.parametrize(
    ("entries", "named"),
    [
        ("<ServerName>DeathSting</ServerName>", True),
        ("<ServerName>hydra</ServerName><x:ServerName xmlns:x='urn:x'> deathsting.odyssey.com.\n</x:ServerName>", True),
        ("<ServerName><![CDATA[deathsting]]></ServerName>", True),
        ("<ServerName>hydra</ServerName>", False),
        ("<ServerName>deathsting.troy.com</ServerName>", False),
        ("<ServerName>deathsting<x/></ServerName>", False),
        ("<servername>deathsting</servername><ServerName/>", False),
    ],
)
def test_whether_an_entry_names_the_server(entries: str, named: bool) -> None:
    assert names_server(f"<c>{entries}</c>".encode(), NEW) is named


@pytest.mark.parametrize("name", ['a".com', "a'/><x y='.com", "a<b>.com", "a&b.com", "a&amp;b.com", "a\0.com"])
def test_a_name_that_would_be_markup_changes_nothing(name: str) -> None:
    """Who calls has checked names; what is written is checked even so."""
    with pytest.raises(ConfigError) as caught:
        change_mom_server(b'<configuration><add key="MOMServer" value="hydra"/></configuration>', name)
    assert caught.value.what_to_do


UNREADABLE: dict[str, tuple[bytes, str, int | None, int | None]] = {
    "empty": (b"", "the file is empty", None, None),
    "zeros after a crash": (b"\0" * 512, "zero bytes", None, None),
    "only a mark": (codecs.BOM_UTF8, "no well-formed XML", 1, 1),
    "no XML": (b"[rms]\nname=hydra\n", "no well-formed XML", 1, 1),
    "cut off": (b"<c>\n<ServerName>hydra</Serv", "no well-formed XML", 2, None),
    "wrong end": (b"<c>\r\n<ServerName>hydra</c>", "no well-formed XML (mismatched tag)", 2, None),
    "attribute twice": (b"<c>\n\n<add key='a' key='a'/></c>", "duplicate attribute", 3, None),
    "prefix not declared": (b"<c><x:ServerName>hydra</x:ServerName></c>", "unbound prefix", 1, None),
    "undeclared entity": (b"<c><ServerName>&rms;</ServerName></c>", "undefined entity", 1, None),
    "no utf-8": (b"<c>\r\n<!-- \xfc --><ServerName>hydra</ServerName></c>", "the bytes fc are no utf-8 text", 2, 6),
    "no windows-1252": (b"<?xml version='1.0' encoding='windows-1252'?>\n<c>\x81</c>", "the bytes 81 are no cp1252 text", 2, 4),
    "half a character": (codecs.BOM_UTF16_LE + "<c/>".encode("utf-16-le") + b"\n", "the bytes 0a are no utf-16-le text", 1, 5),
    "utf-32": (codecs.BOM_UTF32_LE + "<c/>".encode("utf-32-le"), "UTF-32", None, None),
    "utf-16 without a mark": ("<c/>".encode("utf-16-be"), "UTF-16 without a byte order mark", None, None),
    "declares utf-16 and is not": (b'<?xml version="1.0" encoding="utf-16"?><c/>', "declares utf-16 and is not", None, None),
    "mark against declaration": (codecs.BOM_UTF8 + b'<?xml version="1.0" encoding="iso-8859-1"?><c/>', "mark of utf-8 and declares iso-8859-1", None, None),
    "utf-16 declared as utf-8": (
        codecs.BOM_UTF16_LE + '<?xml version="1.0" encoding="utf-8"?><c/>'.encode("utf-16-le"),
        "mark of utf-16-le and declares utf-8",
        None,
        None,
    ),
    "unknown encoding": (b'<?xml version="1.0" encoding="shift_jis"?><c/>', "the encoding shift_jis", None, None),
    "external document type": (b'<!DOCTYPE c SYSTEM "http://127.0.0.1:1/c.dtd">\n<c/>', "outside the file", 1, 1),
    "public document type": (b"<!DOCTYPE c PUBLIC '-//c' 'c.dtd'><c/>", "outside the file", 1, 1),
    "external entity": (b'<!--x-->\n<!DOCTYPE c [<!ENTITY e SYSTEM "file:///etc/passwd">]>\n<c>&e;</c>', "outside the file", 2, 1),
    "parameter entity": (b'<!DOCTYPE c [<!ENTITY % e "<!ELEMENT c ANY>"> %e;]><c/>', "parameter entities", 1, 1),
    "parameter entity of nobody": (b"<!DOCTYPE c [ %e; ]><c/>", "parameter entities", 1, 1),
    "entity in an attribute elsewhere": (b"<!DOCTYPE c [<!ENTITY e 'x'>]>\n<c a='&e;'/>", "an entity declared in the file", 2, 7),
    "entity in a default": (b"<!DOCTYPE c [\n<!ENTITY e 'x'><!ATTLIST c a CDATA '&e;'>]><c/>", "an entity declared in the file", 2, 37),
    "entity in the text": (b'<!DOCTYPE c [<!ENTITY e "<ServerName>hydra</ServerName>">]>\n<c>\n<x>&e;</x></c>', "an entity declared in the file", 3, None),
}  # fmt: skip


@pytest.mark.parametrize("edit", [server_names, mom_server])
@pytest.mark.parametrize("case", UNREADABLE)
def test_unreadable(case: str, edit: Callable[[bytes], Edit]) -> None:
    content, reason, line, column = UNREADABLE[case]
    with pytest.raises(UnreadableConfig) as caught:
        edit(content)
    assert reason in caught.value.reason
    assert caught.value.line == line
    assert column is None or caught.value.column == column
    assert caught.value.what_to_do


@pytest.mark.parametrize("content", [b"<c><!-- secret -- --></c>", b"<c><!-- secret"])
def test_a_complaint_about_a_comment_does_not_show_it(content: bytes) -> None:
    with pytest.raises(UnreadableConfig, match="no well-formed XML") as caught:
        server_names(content)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("element", ['<add key="MOMServer" value="&e11;"/>', '<x a="&e11;"/>', "<x>&e11;</x>", ""])
def test_an_entity_bomb_is_not_expanded(element: str) -> None:
    levels = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    content = f'<!DOCTYPE configuration [<!ENTITY e0 "x">{levels}]><configuration>{element}</configuration>'.encode()
    with pytest.raises(UnreadableConfig, match="an entity declared in the file"):
        mom_server(content)


@pytest.mark.parametrize(
    "content",
    [
        b"<c><!--<ServerName>hydra</ServerName>--></c>",
        b"<c><servername>hydra</servername></c>",
        b"<c ServerName='hydra'><![CDATA[<ServerName>hydra</ServerName>]]></c>",
    ],
)
def test_no_server_name(content: bytes) -> None:
    with pytest.raises(MissingEntry, match="there is no <ServerName> in it"):
        server_names(content)


@pytest.mark.parametrize(
    ("content", "reason", "line"),
    [
        (b"<configuration/>", "there is no <add", None),
        (b"<configuration><!--<add key='MOMServer' value='hydra'/>--></configuration>", "there is no <add", None),
        (b"<a><appSettings><add key='MOMServer' value='hydra'/></appSettings></a>", "below <configuration>", None),
        (b"<appSettings><a><add key='MOMServer' value='hydra'/></a></appSettings>", "below <configuration>", None),
        (b"<configuration>\n<add key='MOMServer'/></configuration>", "no attribute value", 2),
        (b"<configuration>\n<add key='MOMServer' Value='hydra'/></configuration>", "no attribute value", 2),
    ],
)
def test_no_mom_server(content: bytes, reason: str, line: int | None) -> None:
    with pytest.raises(MissingEntry) as caught:
        mom_server(content)
    assert reason in caught.value.reason
    assert caught.value.line == line


ENTRY = "<add key='MOMServer' value='hydra'/>"


@pytest.mark.parametrize(
    ("section", "line", "named"),
    [
        ("\n<appSettings configSource='appsettings.config'/>", 2, "D:\\Web\\appsettings.config"),
        ("\n\n<appSettings configSource='..\\x\\a.config'/>", 3, "D:\\x\\a.config"),
        ("<location path='x'><appSettings configSource='a.config'/></location><appSettings>" + ENTRY + "</appSettings>", 1, "D:\\Web\\a.config"),
        ("<appSettings configProtectionProvider='DataProtectionConfigurationProvider'><EncryptedData/></appSettings>", 1,
         'aspnet_regiis -pdf "appSettings" "D:\\Web"'),
        ("<appSettings>\n<EncryptedData xmlns='http://www.w3.org/2001/04/xmlenc#'/></appSettings>", 2, 'aspnet_regiis -pdf "appSettings"'),
        ("<appSettings>" + ENTRY + "\n<clear/></appSettings>", 2, "Remove that line"),
        ("<appSettings>" + ENTRY + "\n<remove key='momserver'/></appSettings>", 2, "Remove that line"),
    ],
    ids=["configSource", "another folder", "another section", "encrypted", "encrypted, by its element", "cleared", "removed"],
)  # fmt: skip
def test_what_does_not_show_is_refused_with_the_place_and_what_to_do(section: str, line: int, named: str) -> None:
    with pytest.raises(HiddenEntry) as caught:
        change_mom_server(f"<configuration>{section}</configuration>".encode(), NEW, path="D:\\Web\\Web.config")
    assert caught.value.line == line
    assert named in caught.value.what_to_do


@pytest.mark.parametrize(
    "hidden",
    [
        "<Extensions configSource='e.config'/>",
        "<Security configProtectionProvider='X'><EncryptedData/></Security>",
        "<Security><EncryptedData/></Security>",
    ],
)
@pytest.mark.parametrize("shown", ["", "<ServerName>hydra</ServerName>"])
def test_a_part_of_the_report_server_s_file_that_does_not_show_is_refused(hidden: str, shown: str) -> None:
    with pytest.raises(HiddenEntry) as caught:
        server_names(f"<Configuration>{shown}\n{hidden}</Configuration>".encode())
    assert caught.value.line == 2


@pytest.mark.parametrize(
    ("attribute", "paths"),
    [
        ("", []),
        ("file=''", []),
        ("file='user.config'", [(2, "D:\\Web\\user.config")]),
        ("file='..\\user.config'", [(2, "D:\\user.config")]),
        ("file='E:\\x.config'", [(2, "E:\\x.config")]),
    ],
)
def test_which_file_overrides_the_settings(attribute: str, paths: list[tuple[int, str]]) -> None:
    content = f"<configuration>\n<appSettings {attribute}>{ENTRY}</appSettings></configuration>".encode()
    assert overriding_paths(content, path="D:\\Web\\Web.config") == paths


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("<appSettings/>", None),
        ("<appSettings><add key='Other' value='x'/></appSettings>", None),
        (f"<appSettings>{ENTRY}</appSettings>", "hydra"),
        (f"<appSettings>{ENTRY}<add key='MOMSERVER' value=' zeus '/></appSettings>", "zeus"),
        ("<appSettings><add key='MOMServer'/></appSettings>", ""),
    ],
)
def test_whom_an_overriding_file_names(content: str, named: str | None) -> None:
    assert mom_server_of(content.encode()) == named


def test_two_mom_servers_that_differ() -> None:
    content = (
        b"<configuration>\n<add key='MOMServer' value='hydra'/>\n<add key='momserver' value='athena'/></configuration>"
    )
    with pytest.raises(AmbiguousEntry) as caught:
        mom_server(content)
    assert "line 2: hydra; line 3: athena" in caught.value.reason


@pytest.mark.parametrize(
    ("document_type", "attribute"),
    [
        ("<!ATTLIST add value CDATA 'hydra'>", ""),
        ("<!ATTLIST add value CDATA ''>", ""),
        ("<!ENTITY e 'hydra'>", "value='&e;'"),
        # This type takes away white space that the text has.
        ("<!ATTLIST add value NMTOKEN #IMPLIED>", "value='  hydra '"),
    ],
)
def test_a_value_that_the_document_type_makes(document_type: str, attribute: str) -> None:
    content = (
        f"<!DOCTYPE c [{document_type}]>\n<configuration><add key='MOMServer' {attribute}/></configuration>".encode()
    )
    with pytest.raises(UnreadableConfig) as caught:
        mom_server(content)
    assert caught.value.line == 2


@pytest.mark.parametrize("damage", [b"<!---->", b"x", b"</c>"])
def test_a_wrong_result_is_not_handed_out(monkeypatch: pytest.MonkeyPatch, damage: bytes) -> None:
    genuine = config_document.Document._spliced
    monkeypatch.setattr(config_document.Document, "_spliced", lambda self, splices: genuine(self, splices) + damage)
    with pytest.raises(ConfigError, match="the edited file"):
        server_names(b"<c><ServerName>hydra</ServerName></c>")


def test_errors_name_the_file_and_the_place() -> None:
    with pytest.raises(OpsmgrError) as caught:
        change_mom_server(b"<configuration>", NEW, path="C:\\Web Console\\Web.config")
    assert str(caught.value).startswith(
        "edit C:\\Web Console\\Web.config: line 1, column 16: this is no well-formed XML ("
    )


@pytest.mark.parametrize(
    "error",
    [UnreadableConfig("p", "r", "W", 1, 2), MissingEntry("p", "r", "W")],
)
def test_errors_survive_pickling_and_copying(error: OpsmgrError) -> None:
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(twin) is type(error)
        assert vars(twin) == vars(error)


# --- files as they were found ------------------------------------------------------------------------------------------


def found(name: str) -> bytes:
    return case_files.content(name)


def test_line_ends_of_both_kinds_stay() -> None:
    before = found("rsreportserver_mixed_line_ends.config")
    edit = change_server_names(before, ["hydra"], NEW)
    assert [(each.old_value, each.new_value) for each in edit.changes] == [
        ("HYDRA.odyssey.com", NEW),
        ("hydra", "deathsting"),
    ]
    expected = before.replace(b"HYDRA.odyssey.com", NEW.encode()).replace(b">hydra<", b">deathsting<")
    assert edit.content == expected


def test_a_report_server_on_which_nothing_of_operations_manager_is() -> None:
    with pytest.raises(MissingEntry):
        server_names(found("rsreportserver_before_opsmgr.config"))


def test_a_fragment_is_no_file() -> None:
    with pytest.raises(UnreadableConfig) as caught:
        server_names(found("rsreportserver_fragment.config"))
    assert caught.value.line is not None
    assert caught.value.column is not None


def test_settings_in_another_file() -> None:
    with pytest.raises(HiddenEntry, match=r"appsettings\.config"):
        mom_server(found("web_config_source.config"))


def test_a_file_of_the_administration_tool_of_asp_net_2() -> None:
    before = found("web_lower_case_key.config")
    assert mom_server(before).content == before.replace(b"hydra.odyssey.com", NEW.encode())
