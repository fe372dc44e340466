# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Headless Chromium, for tests that look at a page as a person does."""

from __future__ import annotations

import base64
import io
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

from pypdf import PdfReader
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

# Red, green and blue from 0 to 255, and opacity from 0 to 1.
Color = tuple[float, float, float, float]

LOOK = (Path(__file__).parent / "look.js").read_text(encoding="utf-8")
# Web Content Accessibility Guidelines 2.2, success criterion 1.4.3.
LEAST_CONTRAST = 4.5
# CSS pixels. What is smaller cannot be read at arm's length.
LEAST_SIZE = 10.0
WHITE: Color = (255, 255, 255, 1)
A4_INCHES = (8.27, 11.69)
# What Chromium leaves of its width between the margins, in CSS pixels.
A4_WIDTH = 717
# It asks nobody: no name is looked up, nothing is fetched, nothing is kept.
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)


def luminance(color: Color) -> float:
    """Relative luminance of an opaque colour, from 0 for black to 1 for white (WCAG 2.2)."""
    shares = [part / 255 for part in color[:3]]
    red, green, blue = (share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def over(upper: Color, lower: Color) -> Color:
    """The colour that is seen when `upper` lies on the opaque `lower`."""
    red, green, blue = (
        above * upper[3] + below * (1 - upper[3]) for above, below in zip(upper[:3], lower[:3], strict=True)
    )
    return (red, green, blue, 1)


def contrast(text: Color, behind: list[Color]) -> float:
    """Contrast ratio of a text, 1 to 21. `behind` goes from the text down to the white canvas."""
    back = reduce(lambda lower, upper: over(upper, lower), reversed(behind), WHITE)
    darker, lighter = sorted((luminance(over(text, back)), luminance(back)))
    return (lighter + 0.05) / (darker + 0.05)


@dataclass(frozen=True)
class Text:
    """A text on the page: its size in CSS pixels, its colour, and what it lies on; nothing if it is hidden by something
    else.
    """

    text: str
    size: float
    color: Color
    behind: list[Color]

    @property
    def faults(self) -> Iterator[str]:
        if not self.behind:
            yield f"something lies on {self.text!r}"
        elif (ratio := contrast(self.color, self.behind)) < LEAST_CONTRAST:
            yield f"contrast {ratio:.1f} of {self.text!r}"
        if self.size < LEAST_SIZE:
            yield f"{self.size:.1f} px small: {self.text!r}"


@dataclass(frozen=True)
class View:
    """What was seen of a page, and all that is wrong with it."""

    texts: list[Text]
    faults: list[str]


class Browser:
    """Chromium with a profile of its own. It shows one page at a time."""

    def __init__(self, driver: Chrome) -> None:
        self._driver = driver

    def look(self, page: Path, *, width: int, scheme: str, media: str = "screen") -> View:
        """Show a page, `width` CSS pixels wide, to somebody who likes it `light` or `dark`, as for `screen` or `print`.
        A picture is laid beside it.
        """
        self._show(page, width, scheme, media)
        seen = self._driver.execute_script(LOOK, width)
        texts = [Text(**text) for text in seen["texts"]]
        page.with_name(f"{page.stem}-{media}-{width}-{scheme}.png").write_bytes(self._driver.get_screenshot_as_png())
        faults = [fault for text in texts for fault in text.faults] + [
            f"sticks out: {name}" for name in seen["sticking_out"]
        ]
        if seen["page_width"] > width:
            faults.append(f"{seen['page_width']} px wide on a screen of {width} px")
        return View(texts, faults + self._messages() + self._requests(page))

    def _show(self, page: Path, width: int, scheme: str, media: str) -> None:
        self._messages(), self._requests(page)
        liking = [{"name": "prefers-color-scheme", "value": scheme}]
        self._driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": liking})
        self._resize(width, 800)
        self._open(page)
        # What is outside of the screen cannot be asked what lies on it.
        self._resize(width, self.measure("document.documentElement.scrollHeight"))

    def _open(self, page: Path) -> None:
        # Chromium shows a page of its own for a file that is missing.
        page.stat()
        self._driver.get(page.as_uri())
        # It is loaded, and not painted yet: printed now, it would fail now and then.
        self._driver.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")

    def _resize(self, width: int, height: int) -> None:
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self._driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def measure(self, expression: str) -> Any:
        """The value of a JavaScript expression on the page that is shown."""
        return self._driver.execute_script(f"return {expression}")

    def boxes(self, selector: str) -> list[dict[str, float]]:
        """Where the elements are that a CSS selector finds: `left`, `top`, `width`, `height` and so on in CSS pixels."""
        script = (
            "return [...document.querySelectorAll(arguments[0])].map((each) => each.getBoundingClientRect().toJSON())"
        )
        found: list[dict[str, float]] = self._driver.execute_script(script, selector)
        return found

    def pages(self, page: Path) -> list[str]:
        """Print it on A4 into a PDF beside it, and return the text of each sheet."""
        self._open(page)
        width, height = A4_INCHES
        printed = self._driver.execute_cdp_cmd(
            "Page.printToPDF", {"paperWidth": width, "paperHeight": height, "printBackground": False}
        )
        content = base64.b64decode(printed["data"])
        page.with_suffix(".pdf").write_bytes(content)
        return [sheet.extract_text() for sheet in PdfReader(io.BytesIO(content)).pages]

    def _messages(self) -> list[str]:
        """What the console said since it was last asked."""
        # The browser's own pages complain, too: on a slow machine the new tab says that the network is slow.
        return [f"console: {message}" for message in self._log("browser") if not message.startswith("chrome://")]

    def _requests(self, page: Path) -> list[str]:
        """What the page asked for since that was last asked, other than itself."""
        events = [json.loads(message)["message"] for message in self._log("performance")]
        asked = [event["params"] for event in events if event["method"] == "Network.requestWillBeSent"]
        # Chromium's own first page also asks for this and that.
        own = [event["request"]["url"] for event in asked if event["documentURL"] == page.as_uri()]
        return [f"asks for {url}" for url in own if url != page.as_uri()]

    def _log(self, kind: str) -> list[str]:
        return [entry["message"] for entry in self._driver.get_log(kind)]  # type: ignore[no-untyped-call]


@contextmanager
def chromium(profile: Path) -> Iterator[Browser]:
    """Start Chromium with an empty directory for its profile, and end it."""
    options = ChromeOptions()
    options.binary_location = _program("chromium")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    # With both paths given, selenium looks for nothing and downloads nothing.
    with Chrome(options, Service(_program("chromedriver"))) as driver:
        yield Browser(driver)


def _program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise RuntimeError(
            f"{name} is missing: it is one of the system packages in bindep.txt, which make setup installs"
        )
    return path
