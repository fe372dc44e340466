# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of role rms_key_backup: names cannot break it, it needs no other file, and it shows what is old and what does not fit."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from jinja2 import Environment, StrictUndefined

ROLE = Path(__file__).resolve().parents[3] / "roles" / "rms_key_backup"
HOSTILE = "<script>alert('&\"')</script>{{ 7 * 7 }}"
TEMPLATE = (ROLE / "templates" / "report.html.j2").read_text(encoding="utf-8")


def row(host: str, **values: Any) -> dict[str, Any]:
    backup = {"taken_at": "2026-01-31T02:03:04Z", "age_hours": 7.5, "server_version": "6.0.6278.0", "seal": "cms"}
    usual = {"server": host, "management_group": "ODYSSEY", "server_version": "6.0.6278.0", "outcome": "made", "problem": "", "in_escrow": ""}
    return {"host": host, **usual, "backup": backup, "other_version": False, **values}


def page(*rows: dict[str, Any], **values: Any) -> str:
    data = {
        "made_at": "2026-01-31T02:04:00Z", "escrow": "/srv/escrow", "max_age_hours": 24.0, "counts": {"all": 1, "failed": 0, "good": 1},
        "hosts": list(rows), "not_tried": [], "groups_left": [], "escrow_problems": [], **values,
    }  # fmt: skip
    return Environment(undefined=StrictUndefined, trim_blocks=True).from_string(TEMPLATE).render(__rms_key_backup_data=data)


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
        self.references += [name for name, _value in attrs if name in ("src", "href", "srcset", "action", "data") or name.startswith("on")]

    def handle_endtag(self, tag: str) -> None:
        self.closed.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_hostile_names_are_only_text() -> None:
    backup = {"taken_at": HOSTILE, "age_hours": 1.0, "server_version": HOSTILE, "seal": HOSTILE}
    texts = dict.fromkeys(("server", "management_group", "server_version", "problem", "in_escrow"), HOSTILE)
    lists: dict[str, Any] = {name: [HOSTILE] for name in ("not_tried", "groups_left", "escrow_problems")}
    bad, good = row(HOSTILE + "2", **texts, backup=backup, other_version=True), row("hydra", outcome=HOSTILE)
    parsed = Page(page(bad, good, **lists, escrow=HOSTILE, made_at=HOSTILE, counts=dict.fromkeys(("all", "failed", "good"), HOSTILE)))
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
