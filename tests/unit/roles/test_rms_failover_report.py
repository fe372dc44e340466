# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of role rms_failover: names cannot break it, it needs no other file, and it can be read on any screen and
on paper.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from browser import A4_WIDTH, Browser, luminance
from jinja2 import Environment, StrictUndefined
from unit.plugins.action.bench import Connection, run
from unit.plugins.plugin_utils.told_failover import cut_off, planned, told
from unit.roles.test_rms_key_backup import HOSTILE, Page

TEMPLATE = (Path(__file__).resolve().parents[3] / "roles" / "rms_failover" / "templates" / "report.html.j2").read_text(
    encoding="utf-8"
)
SENTENCE = "deathsting: promote: it did not end well: " + "a long story " * 20


def page(arguments: dict[str, Any]) -> str:
    record = run("rms_failover_record", Connection(None, AssertionError("was opened"), transport="local"), **arguments)
    return (
        Environment(undefined=StrictUndefined, trim_blocks=True)
        .from_string(TEMPLATE)
        .render(__rms_failover_record=record)
    )


def hostile(value: Any) -> Any:
    """The same with every text that has not a meaning of its own replaced."""
    if isinstance(value, dict):
        kept = ("started_at", "made_at", "id", "undone_by", "part", "version")
        return {key: each if key in kept else hostile(each) for key, each in value.items()}
    if isinstance(value, list):
        return [hostile(each) for each in value]
    return HOSTILE if isinstance(value, str) else value


PAGES = {
    "ended well": page(told()),
    "stopped before": page(cut_off("promote", msg=SENTENCE, past_point_of_no_return=False)),
    "stopped after": page(cut_off("start_services", msg=SENTENCE)),
    "hostile": page(hostile(told(plan=planned(virtual_server="rmsvs", cluster_nodes=["hydra"])))),
}
# The texts of a drawing that are not inside their boxes.
OUTSIDE = """[...document.querySelectorAll("svg g text")].filter((text) => {
    const [inner, outer] = [text, text.parentElement.querySelector("rect")].map((each) => each.getBoundingClientRect());
    return inner.left < outer.left || inner.right > outer.right || inner.top < outer.top || inner.bottom > outer.bottom;
}).map((text) => text.textContent)"""
each_page = pytest.mark.parametrize("name", PAGES)


@pytest.fixture
def path(name: str, tmp_path: Path) -> Path:
    written = tmp_path / "report.html"
    written.write_text(PAGES[name], encoding="utf-8")
    return written


@each_page
def test_the_page_is_whole_and_needs_nothing_else(name: str) -> None:
    html = PAGES[name]
    parsed = Page(html)
    void = {"meta", "br"}
    assert html.lstrip().startswith("<!DOCTYPE html>")
    assert sorted(tag for tag in parsed.opened if tag not in void) == sorted(parsed.closed)
    assert parsed.references == []
    assert re.findall(r"(?i)url\(|@import|https?:", html) == []


def test_hostile_names_are_only_text() -> None:
    parsed = Page(PAGES["hostile"])
    assert "script" not in parsed.opened
    assert parsed.text.count(HOSTILE) > 30
    # Escaped where it is written: none was forgotten. A drawing is a macro, and does so inside.
    expressions = [one.strip() for one in re.findall(r"{{(.*?)}}", TEMPLATE)]
    assert [one for one in expressions if not one.endswith("| e") and not one.startswith("drawing(")] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
@each_page
def test_it_can_be_read_on_any_screen(browser: Browser, path: Path, width: int, scheme: str) -> None:
    view = browser.look(path, width=width, scheme=scheme)
    assert view.faults == []
    assert (luminance(view.texts[0].color) > 0.5) == (scheme == "dark")
    assert browser.measure("document.scripts.length") == 0
    assert browser.measure(OUTSIDE) == []
    columns = browser.boxes("figure")
    assert (columns[0]["top"] == columns[1]["top"]) == (width == 1280)


@each_page
def test_it_can_be_read_on_paper(browser: Browser, path: Path) -> None:
    sheet = browser.look(path, width=A4_WIDTH, scheme="dark", media="print")
    assert (sheet.faults, [text.text for text in sheet.texts if luminance(text.color) > 0.3]) == ([], [])
    sheets = browser.pages(path)
    assert len(sheets) in (1, 2)
    assert sheets[0].startswith("RMS failover of ")


@pytest.mark.parametrize(
    ("name", "strong", "failed"), [("ended well", "rgb(26, 127, 55)", 0), ("stopped after", "rgb(179, 38, 30)", 1)]
)
def test_the_verdict_is_seen_first(browser: Browser, path: Path, strong: str, failed: int) -> None:
    browser.look(path, width=360, scheme="light")
    verdict, drawings = browser.boxes(".verdict")[0], browser.boxes(".drawings")[0]
    assert verdict["bottom"] < 800 < drawings["bottom"]
    assert browser.measure("getComputedStyle(document.querySelector('.verdict strong')).color") == strong
    assert len(browser.boxes("tbody tr.failed")) == failed


@pytest.mark.parametrize("name", ["ended well"])
def test_the_rms_is_marked_in_both_drawings_and_arrows_end_at_its_box(browser: Browser, path: Path) -> None:
    browser.look(path, width=1280, scheme="light")
    marked = browser.measure("[...document.querySelectorAll('.rms .name')].map((name) => name.textContent)")
    assert marked == ["hydra", "deathsting"]
    boxes, heads = browser.boxes(".rms rect"), browser.boxes(".head")
    assert len(heads) == 2 * 6
    for box, ends in zip(boxes, (heads[:6], heads[6:]), strict=True):
        assert all(box["top"] < (head["top"] + head["bottom"]) / 2 < box["bottom"] for head in ends)
        assert all(min(abs(head["left"] - box["right"]), abs(head["right"] - box["left"])) <= 2 for head in ends)


@pytest.mark.parametrize("name", ["ended well"])
def test_a_bar_is_where_its_step_was(browser: Browser, path: Path) -> None:
    browser.look(path, width=1280, scheme="light")
    lefts = [
        inner["left"] - outer["left"]
        for inner, outer in zip(browser.boxes(".bar span"), browser.boxes(".bar"), strict=True)
    ]
    assert lefts == sorted(lefts)


@pytest.mark.parametrize("name", ["ended well"])
@pytest.mark.parametrize("width", [400, 1280])
def test_the_point_of_no_return_is_a_line_above_its_step(browser: Browser, path: Path, width: int) -> None:
    browser.look(path, width=width, scheme="light")
    red = "[...document.querySelectorAll('tr, td')].filter((each) => getComputedStyle(each).borderTopColor === 'rgb(179, 38, 30)')"
    shown = (
        f"{red}.filter((each) => parseFloat(getComputedStyle(each).borderTopWidth) > 0).map((each) => each.className)"
    )
    assert browser.measure(shown) == ["done no-return"]
