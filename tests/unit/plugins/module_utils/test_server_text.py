# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server writes does nothing to a terminal, a log or AWX."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.opsmgr.recovery.plugins.module_utils.server_text import (
    LIMIT_CHARACTERS,
    harmless,
    harmless_line,
    harmless_values,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x1b[31mENDED WELL", "<U+001B>[2J<U+001B>[31mENDED WELL"),
        ("\x1b]52;c;cm0gLXJmIC8=\x07", "<U+001B>]52;c;cm0gLXJmIC8=<U+0007>"),
        ("\x9b2J", "<U+009B>2J"),
        ("failed\rENDED WELL", "failed\nENDED WELL"),
        ("one\r\ntwo\u2028three\x0cfour", "one\r\ntwo\nthree\nfour"),
        ("\u202egnp.exe", "<U+202E>gnp.exe"),
        ("a\u200bb\x00c\x7f", "a<U+200B>b<U+0000>c<U+007F>"),
        ("half \ud800", "half <U+D800>"),
        ("tab\tand line\n", "tab\tand line\n"),
        (
            "Zugriff verweigert — 管理グループ, ÖDYSSEY, می‌خواهم, 👍",
            "Zugriff verweigert — 管理グループ, ÖDYSSEY, می‌خواهم, 👍",
        ),
    ],
)
def test_what_a_terminal_would_obey_is_shown_by_its_number(text: str, shown: str) -> None:
    assert harmless(text) == shown


def test_a_server_cannot_draw_a_line_of_its_own_in_a_sentence() -> None:
    assert harmless_line("it wrote:\r\n\r\n  ENDED WELL\n") == "it wrote: ENDED WELL"


def test_every_text_of_a_result() -> None:
    result = {"a\x1b": ["\x07", ("\u202e", 1)], "n": 1.5, "none": None, "yes": True}
    assert harmless_values(result) == {"a<U+001B>": ["<U+0007>", ["<U+202E>", 1]], "n": 1.5, "none": None, "yes": True}


def test_a_flood_is_cut_off() -> None:
    shown = harmless("x" * (LIMIT_CHARACTERS + 5))
    assert (len(shown) < LIMIT_CHARACTERS + 100, shown.endswith(" [and 5 more characters]")) == (True, True)


@given(st.text(st.characters(codec=None)))
def test_nothing_is_left_to_obey(text: str) -> None:
    shown = harmless(text)
    assert not any(unicodedata.category(character) in ("Cc", "Cs") and character not in "\n\t\r" for character in shown)
    assert not any(
        unicodedata.bidirectional(character) in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
        for character in shown
    )
    assert "\r" not in shown.replace("\r\n", "")
    assert harmless(shown) == shown
    shown.encode("utf-8")
