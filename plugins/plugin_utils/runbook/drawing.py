# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A management group as a drawing: where the boxes and arrows are. Management servers on the left, what names the RMS
on the right.

Private to opsmgr.recovery. All lengths are CSS pixels.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.opsmgr.recovery.plugins.module_utils.optional import phrase
from ansible_collections.opsmgr.recovery.plugins.module_utils.server_names import name_key
from ansible_collections.opsmgr.recovery.plugins.module_utils.utc import seconds_between
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.failover_steps import StepOutcome
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.runbook.topology import (
    NO_ANSWER,
    RMS,
    Component,
    DrawnServer,
    Topology,
)

# It fits beside another one on A4, and alone on a telephone.
WIDTH = 336
BOX_WIDTH = 144
BOX_HEIGHT = 56
GAP = 12
# Left of the servers, where their arrows run.
GUTTER = 18
RIGHT = WIDTH - BOX_WIDTH - 1
# How many characters of each line a box holds, in the widest of the usual fonts.
NAME_LENGTH = 15
LINE_LENGTH = 20
# A column of more boxes than these would not fit on the page.
MOST = 8


@dataclass(frozen=True)
class Box:
    """A box with a name and two lines below it. `full_name` is what a pointer shows that rests on it."""

    x: int
    y: int
    kind: str
    name: str
    lines: list[str]
    full_name: str


@dataclass(frozen=True)
class Bar:
    """When a step ran, in percent of the whole run."""

    left: float
    width: float


@dataclass(frozen=True)
class Arrow:
    """A line and its head, each as an SVG path."""

    line: str
    head: str


@dataclass(frozen=True)
class Drawing:
    """What is drawn, and the same in words for who does not see it."""

    width: int
    height: int
    box_width: int
    box_height: int
    boxes: list[Box]
    arrows: list[Arrow]
    words: str


def draw(topology: Topology) -> Drawing:
    """Lay a management group out."""
    servers = [_server_box(server, _row(number)) for number, server in enumerate(topology.servers[:MOST])]
    parts = [Component(topology.database_host, topology.database, topology.rms), *topology.components]
    components = [_component_box(part, _row(number)) for number, part in enumerate(parts[:MOST])]
    places = {name: box for server, box in zip(topology.servers, servers, strict=False) for name in _names(server)}
    arrows = [
        _from_right(box, places[_named(part)])
        for part, box in zip(parts, components, strict=False)
        if _named(part) in places
    ]
    arrows += [
        _from_left(box, places[_named(server)])
        for server, box in zip(topology.servers, servers, strict=False)
        if _named(server) in places
    ]
    more = [
        _more(x, len(all_of) - MOST) for x, all_of in ((GUTTER, topology.servers), (RIGHT, parts)) if len(all_of) > MOST
    ]
    boxes = servers + components + more
    return Drawing(
        WIDTH,
        max(box.y for box in boxes) + BOX_HEIGHT + 1,
        BOX_WIDTH,
        BOX_HEIGHT,
        boxes,
        arrows,
        "; ".join(map(_words, boxes)),
    )


def bars(steps: t.Sequence[StepOutcome]) -> list[Bar | None]:
    """A bar for each step, None for one that did not run. They begin with the first step: before it somebody may have
    taken an hour to confirm.
    """
    began_at = min((step.started_at for step in steps if step.started_at), default="")
    ends = [
        seconds_between(began_at, step.started_at) + (step.elapsed_seconds or 0) for step in steps if step.started_at
    ]
    return [_bar(step.started_at, step.elapsed_seconds, began_at, max([1.0, *ends])) for step in steps]


def _bar(started_at: str | None, elapsed_seconds: float | None, began_at: str, seconds: float) -> Bar | None:
    if started_at is None:
        return None
    left = min(100 * seconds_between(began_at, started_at) / seconds, 99.0)
    return Bar(round(left, 1), round(min(max(100 * (elapsed_seconds or 0) / seconds, 1.0), 100 - left), 1))


def _row(number: int) -> int:
    return 1 + number * (BOX_HEIGHT + GAP)


def _more(x: int, count: int) -> Box:
    return Box(x, _row(MOST), "more", f"and {count} more", ["", ""], f"and {count} more")


def _names(server: DrawnServer) -> list[str]:
    return [name_key(name) for name in (server.computer_name, server.host) if name]


def _named(thing: DrawnServer | Component) -> str:
    return name_key(thing.names or "")


def _server_box(server: DrawnServer, y: int) -> Box:
    kind = {RMS: "rms", NO_ANSWER: "gone"}.get(server.role, "server")
    key = phrase("key {}", (server.key_fingerprint or "").partition(":")[2][:8])
    last = ", ".join(filter(None, [_product(server), key]))
    return Box(
        GUTTER,
        y,
        kind,
        _fitted(server.host, NAME_LENGTH),
        [_fitted(server.role, LINE_LENGTH), _fitted(last, LINE_LENGTH)],
        server.host,
    )


def _product(server: DrawnServer) -> str | None:
    if not server.product:
        return server.version
    return server.product.removeprefix("2007 ")


def _component_box(part: Component, y: int) -> Box:
    named = "not asked"
    if part.names:
        named = f"names {name_key(part.names)}"
    return Box(
        RIGHT,
        y,
        "component",
        _fitted(part.host, NAME_LENGTH),
        [_fitted(part.kind, LINE_LENGTH), _fitted(named, LINE_LENGTH)],
        part.host,
    )


def _fitted(text: str, length: int) -> str:
    """What fits into a box: without the domain of a name if that helps, else without the end."""
    if len(text) > length and " " not in text and not text[:1].isdigit():
        text = text.split(".", 1)[0]
    if len(text) > length:
        text = f"{text[: length - 1]}…"
    return text


def _from_right(box: Box, target: Box) -> Arrow:
    """From something on the right to the server that it names."""
    x, start, end = GUTTER + BOX_WIDTH, box.y + BOX_HEIGHT // 2, target.y + BOX_HEIGHT // 2
    middle = (x + RIGHT) // 2
    return Arrow(f"M{RIGHT} {start} C{middle} {start} {middle} {end} {x + 7} {end}", f"M{x} {end} l8 -4 v8 z")


def _from_left(box: Box, target: Box) -> Arrow:
    """From a server to the one that it reports to, around the boxes between."""
    start, end = box.y + BOX_HEIGHT // 2, target.y + BOX_HEIGHT // 2
    return Arrow(f"M{GUTTER} {start} H4 V{end} H{GUTTER - 7}", f"M{GUTTER} {end} l-8 -4 v8 z")


def _words(box: Box) -> str:
    return ", ".join(text for text in (box.full_name, *box.lines) if text)
