# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of role rms_key_backup: names cannot break it, it needs no other file, and it shows what is old and what
does not fit.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from browser import A4_WIDTH, Browser, luminance
from jinja2 import Environment, StrictUndefined

ROLE = Path(__file__).resolve().parents[3] / "roles" / "rms_key_backup"
HOSTILE = "<script>alert('&\"')</script>{{ 7 * 7 }}"
TEMPLATE = (ROLE / "templates" / "report.html.j2").read_text(encoding="utf-8")


def row(host: str, **values: Any) -> dict[str, Any]:
    backup = {"taken_at": "2026-01-31T02:03:04Z", "age_hours": 7.5, "server_version": "6.0.6278.0", "seal": "cms"}
    usual = {
        "server": host,
        "management_group": "ODYSSEY",
        "server_version": "6.0.6278.0",
        "outcome": "made",
        "problem": "",
        "in_escrow": "",
    }
    return {"host": host, **usual, "backup": backup, "other_version": False, **values}


def page(*rows: dict[str, Any], **values: Any) -> str:
    data = {
        "made_at": "2026-01-31T02:04:00Z", "escrow": "/srv/escrow", "max_age_hours": 24.0, "counts": {"all": 1, "failed": 0, "good": 1},
        "hosts": list(rows), "not_tried": [], "groups_left": [], "escrow_problems": [], **values,
    }  # fmt: skip
    return (
        Environment(undefined=StrictUndefined, trim_blocks=True)
        .from_string(TEMPLATE)
        .render(__rms_key_backup_data=data)
    )


class Page(HTMLParser):
    """The tags of a page, its text, and what it refers to."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.opened: list[str] = []
        self.closed: list[str] = []
        self.text = ""
        self.references: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.opened.append(tag)
        self.references += [
            name
            for name, _value in attrs
            if name in ("src", "href", "srcset", "action", "data") or name.startswith("on")
        ]

    def handle_endtag(self, tag: str) -> None:
        self.closed.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_hostile_names_are_only_text() -> None:
    backup = {"taken_at": HOSTILE, "age_hours": 1.0, "server_version": HOSTILE, "seal": HOSTILE}
    texts = dict.fromkeys(("server", "management_group", "server_version", "problem", "in_escrow"), HOSTILE)
    lists: dict[str, Any] = {name: [HOSTILE] for name in ("not_tried", "groups_left", "escrow_problems")}
    bad, good = row(HOSTILE + "2", **texts, backup=backup, other_version=True), row("hydra", outcome=HOSTILE)
    parsed = Page(
        page(
            bad,
            good,
            **lists,
            escrow=HOSTILE,
            made_at=HOSTILE,
            counts=dict.fromkeys(("all", "failed", "good"), HOSTILE),
        )
    )
    assert "script" not in parsed.opened
    assert parsed.text.count(HOSTILE) == 18
    # Escaped where it is written: none was forgotten.
    assert [one for one in re.findall(r"{{(.*?)}}", TEMPLATE) if not one.rstrip().endswith("| e")] == []


def test_the_page_is_whole_and_needs_nothing_else() -> None:
    html = page(row("hydra", problem="it failed", in_escrow="nothing", backup={}), row("deathsting"))
    parsed = Page(html)
    void = {"meta", "br"}
    assert sorted(tag for tag in parsed.opened if tag not in void) == sorted(parsed.closed)
    assert parsed.references == []
    assert re.findall(r"(?i)url\(|@import|https?:", html) == []
    assert "prefers-color-scheme: dark" in html


@pytest.mark.parametrize(
    ("hours", "max_age", "width", "is_old", "text"),
    [
        (0.0, 24.0, 2, False, "0.0 hours"),
        (24.0, 24.0, 14, False, "24.0 hours"),
        (84.0, 24.0, 50, True, "4 days"),
        (9999.0, 24.0, 100, True, "417 days"),
        (25.0, 0.0, 15, True, "25.0 hours"),
    ],
)
def test_bars_of_age(hours: float, max_age: float, width: int, is_old: bool, text: str) -> None:
    backup = {**row("hydra")["backup"], "age_hours": hours}
    html = page(row("hydra", backup=backup), max_age_hours=max_age)
    assert f'<span class="bar{" old" if is_old else ""}"><span style="width: {width}%">' in html
    assert text in html


def test_a_version_that_does_not_fit_is_seen() -> None:
    html = page(row("hydra", server_version="6.1.7221.0", problem="worthless", other_version=True))
    assert "the backup is of 6.0.6278.0" in Page(html).text
    assert "the backup is of" not in page(row("hydra"))


LONG = "a-server-with-a-long-name-in-a-forest-of-many-domains.operations.odyssey.example.com"
EVERYTHING = page(
    row("hydra", server_version="6.1.7221.0", problem="hydra: it is worthless " * 9, in_escrow="an old one " * 9, other_version=True),
    row("aeneas", server_version="", problem=HOSTILE, backup={}),
    row(HOSTILE, management_group=HOSTILE, outcome="left as it is"),
    row(LONG, server=LONG, management_group=LONG),
    not_tried=["troilus", HOSTILE], groups_left=["BEOWULF"], escrow_problems=[f"/srv/escrow/{LONG}/{LONG}: not usable"],
)  # fmt: skip


def written(directory: Path, html: str) -> Path:
    path = directory / "report.html"
    path.write_text(html, encoding="utf-8")
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_everything_can_be_read_on_any_screen(browser: Browser, tmp_path: Path, width: int, scheme: str) -> None:
    view = browser.look(written(tmp_path, EVERYTHING), width=width, scheme=scheme)
    assert view.faults == []
    assert (luminance(view.texts[0].color) > 0.5) == (scheme == "dark")
    assert browser.measure("document.scripts.length") == 0


@pytest.mark.parametrize("width", [360, 1280])
def test_failures_are_seen_first_and_marked(browser: Browser, tmp_path: Path, width: int) -> None:
    browser.look(written(tmp_path, EVERYTHING), width=width, scheme="light")
    failed, good = browser.boxes("tbody tr.failed"), browser.boxes("tbody tr:not(.failed)")
    assert (len(failed), len(good)) == (5, 2)
    assert max(box["bottom"] for box in failed) <= min(box["top"] for box in good)
    marks = browser.measure(
        "[...document.querySelectorAll('tbody tr')].map((row) => getComputedStyle(row).borderLeftColor)"
    )
    assert marks == ["rgb(179, 38, 30)"] * 5 + ["rgba(0, 0, 0, 0)"] * 2


def test_a_bar_of_age_is_as_long_as_the_backup_is_old(browser: Browser, tmp_path: Path) -> None:
    ages = [0.0, 24.0, 84.0, 168.0, 9999.0]
    rows = [row("hydra", backup={**row("hydra")["backup"], "age_hours": age}) for age in ages]
    browser.look(written(tmp_path, page(*rows)), width=360, scheme="dark")
    shares = [
        inner["width"] / outer["width"]
        for inner, outer in zip(browser.boxes(".bar span"), browser.boxes(".bar"), strict=True)
    ]
    assert shares == pytest.approx([0.02, 0.14, 0.5, 1, 1], abs=0.01)


def test_it_is_printed_in_dark_ink_whatever_the_screen_shows(browser: Browser, tmp_path: Path) -> None:
    path = written(tmp_path, EVERYTHING)
    sheet = browser.look(path, width=A4_WIDTH, scheme="dark", media="print")
    assert (sheet.faults, [text.text for text in sheet.texts if luminance(text.color) > 0.3]) == ([], [])
    assert browser.pages(path)[0].startswith("RMS key backups")


@pytest.mark.parametrize(("failed", "color"), [(0, "rgb(27, 31, 36)"), (1, "rgb(179, 38, 30)")])
def test_no_failure_is_no_alarm(browser: Browser, tmp_path: Path, failed: int, color: str) -> None:
    browser.look(
        written(tmp_path, page(row("hydra"), counts={"all": 1, "failed": failed, "good": 1 - failed})),
        width=1280,
        scheme="light",
    )
    assert browser.measure("getComputedStyle(document.querySelector('.counts span')).color") == color


def test_the_server_that_is_the_rms_comes_first_and_not_the_one_of_the_inventory() -> None:
    text = Page(page(row("hydra", server="deathsting"))).text
    assert "deathsting hydra in the inventory" in text
