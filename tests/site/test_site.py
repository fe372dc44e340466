# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person finds on the built site. `make docs` builds it and runs this; Sphinx itself fails on any warning."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urldefrag

import lxml.html
import pytest
import yaml
from browser import Browser

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / ".build" / "docs" / "html"
PLUGINS = [
    *(f"{path.stem}_module" for path in (ROOT / "plugins" / "modules").glob("*.py")),
    *(f"{path.stem}_{path.parent.name}" for kind in ("lookup", "filter", "callback")
      for path in (ROOT / "plugins" / kind).glob("*.py")),
    *(f"{path.name}_role" for path in (ROOT / "roles").iterdir()),
]  # fmt: skip
GUIDES = [path.relative_to(ROOT).with_suffix(".html") for path in (ROOT / "docs").glob("*.md")]


@pytest.fixture(scope="module")
def looked_at(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[str]]:
    """All that is read on a module's page, and all that is wrong with it. The browser lays pictures beside pages."""
    site = shutil.copytree(SITE, tmp_path_factory.mktemp("site") / "html")
    view = browser.look(site / "reference" / "rms_promotion_module.html", width=1200, scheme="light")
    return " ".join(text.text for text in view.texts), view.faults


def test_the_page_of_a_module_shows_each_of_its_options(looked_at: tuple[str, list[str]]) -> None:
    documented = yaml.safe_load((ROOT / "plugins" / "modules" / "rms_promotion.yml").read_text(encoding="utf-8"))
    options = documented["DOCUMENTATION"]["options"]
    assert options
    assert [name for name in options if name not in looked_at[0]] == []


def test_it_asks_no_other_site_for_anything(looked_at: tuple[str, list[str]]) -> None:
    assert [fault for fault in looked_at[1] if fault.startswith("asks for") and "asks for file:" not in fault] == []


def test_every_plugin_and_role_and_guide_has_its_page() -> None:
    pages = [*(Path("reference") / f"{name}.html" for name in PLUGINS), *GUIDES]
    assert [str(page) for page in pages if not (SITE / page).is_file()] == []


def test_every_link_within_the_site_leads_somewhere() -> None:
    assert sorted(set(dead_links())) == []


def dead_links() -> Iterator[str]:
    """Each link to a file that is not there, or to an anchor that its page does not have."""
    pages = {path: lxml.html.parse(path) for path in SITE.rglob("*.html")}
    anchors = {path: set(page.xpath("//@id | //a/@name")) for path, page in pages.items()}
    for path, page in pages.items():
        for _element, _attribute, link, _position in page.getroot().iterlinks():
            if "://" in link or link.startswith(("data:", "mailto:")):
                continue
            name, anchor = urldefrag(link)
            target = (path.parent / unquote(name.partition("?")[0])).resolve() if name else path
            if (
                not link
                or not target.exists()
                or (anchor and unquote(anchor) not in anchors.get(target, {unquote(anchor)}))
            ):
                yield f"{path.relative_to(SITE)}: {link}"
