# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The browser of the tests notices what is wrong with a page; otherwise no page could fail."""

from __future__ import annotations

from pathlib import Path

import pytest
from browser import Browser, Color, contrast

BLACK: Color = (0, 0, 0, 1)
WHITE: Color = (255, 255, 255, 1)
NOTHING: Color = (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("text", "behind", "expected"),
    [
        (BLACK, [], 21.0),
        (WHITE, [NOTHING, BLACK, WHITE], 21.0),
        # The greys on both sides of 4.5 on white that everybody quotes.
        ((118, 118, 118, 1), [WHITE], 4.54),
        ((119, 119, 119, 1), [WHITE], 4.48),
        ((0, 0, 0, 0.5), [(255, 255, 255, 0.5), WHITE], 3.95),
        (WHITE, [WHITE], 1.0),
    ],
)
def test_contrast_is_that_of_the_guidelines(text: Color, behind: list[Color], expected: float) -> None:
    assert contrast(text, behind) == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("<p style='color: #999'>pale</p>", "contrast 2.8 of 'pale'"),
        (
            "<svg width=90 height=20><rect width=90 height=20 fill='black'/><text y=15 fill='#333'>dark</text></svg>",
            "contrast 1.7 of 'dark'",
        ),
        ("<p style='font-size: 8px'>tiny</p>", "8.0 px small: 'tiny'"),
        ("<p>under</p><div style='position: absolute; inset: 0; background: #fff'></div>", "something lies on 'under'"),
        ("<p style='width: 500px'>wide</p>", "500 px wide on a screen of 360 px"),
        (
            "<p style='width: 9rem; overflow: hidden'>Abcdefghijklmnopqrstuvwxyz</p>",
            "sticks out: <p> Abcdefghijklmnopqrstuvwxyz",
        ),
        ("<svg width=40 height=20><text y=15>too long for it</text></svg>", "sticks out: <text> too long for it"),
        ("<script>console.error('oh')</script>", "oh"),
        ("<img src='other.png' alt=''>", "asks for file://"),
    ],
)
def test_it_sees_what_is_wrong(browser: Browser, tmp_path: Path, body: str, fault: str) -> None:
    page = tmp_path / "page.html"
    page.write_text(
        f"<!DOCTYPE html><meta name=viewport content='width=device-width'><body style='margin: 0'>{body}",
        encoding="utf-8",
    )
    assert [found for found in browser.look(page, width=360, scheme="light").faults if fault in found] != []


def test_a_good_page_has_no_fault(browser: Browser, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(
        "<!DOCTYPE html><meta name=viewport content='width=device-width'><p>good</p><p style='break-before: page'>too",
        encoding="utf-8",
    )
    assert browser.look(page, width=360, scheme="dark").faults == []
    assert browser.pages(page) == ["good", "too"]
