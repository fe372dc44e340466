# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the boxes and arrows of a management group are, and what stands in them."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.failover_steps import StepOutcome
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.runbook.drawing import Bar, Drawing, bars, draw
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.runbook.topology import Component, DrawnServer, Topology

FQDN = "hydra.odyssey.com"


def drawn(servers: list[DrawnServer], components: list[Component] | None = None, rms: str | None = FQDN) -> Drawing:
    return draw(Topology(rms, "OperationsManager", "sql", servers, components or []))


def server(host: str, role: str = "management server", **values: Any) -> DrawnServer:
    return DrawnServer(host, role, True, computer_name=host.split(".")[0].upper(), **values)


def test_servers_are_on_the_left_and_what_names_the_rms_on_the_right() -> None:
    drawing = drawn([server("hydra", "RMS"), server("deathsting")], [Component("hermes", "web console", None)])
    assert [(box.name, box.x, box.y, box.kind) for box in drawing.boxes] == [
        ("hydra", 18, 1, "rms"),
        ("deathsting", 18, 69, "server"),
        ("sql", 191, 1, "component"),
        ("hermes", 191, 69, "component"),
    ]
    assert (drawing.width, drawing.height) == (336, 126)
    assert drawing.words.startswith(
        "hydra, RMS; deathsting, management server; sql, OperationsManager, names hydra; hermes, web console, not asked"
    )


@pytest.mark.parametrize(
    ("names", "arrows"),
    [(FQDN, 1), ("HYDRA", 1), ("zeus.odyssey.com", 0), (None, 0)],
)
def test_an_arrow_goes_to_the_server_that_is_named_if_it_is_there(names: str | None, arrows: int) -> None:
    drawing = drawn([server(FQDN, "RMS")], [Component("hermes", "web console", names)], rms=None)
    assert len(drawing.arrows) == arrows
    assert all(arrow.line == "M191 97 C176 97 176 29 169 29" for arrow in drawing.arrows)
    assert all(arrow.head == "M162 29 l8 -4 v8 z" for arrow in drawing.arrows)


def test_a_server_that_reports_to_another_has_an_arrow_around_those_between() -> None:
    [arrow] = drawn([server("hydra", "RMS"), server("deathsting"), server("jupiter", names=FQDN)], rms=None).arrows
    assert (arrow.line, arrow.head) == ("M18 165 H4 V29 H11", "M18 29 l-8 -4 v8 z")


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("hydra", "hydra"),
        ("hydra.odyssey.com", "hydra"),
        ("a-very-long-name-of-a-server.odyssey.com", "a-very-long-na…"),
        ("fifteen-letters", "fifteen-letters"),
        ("192.168.100.200", "192.168.100.200"),
    ],
)
def test_names_are_cut_to_what_fits_and_whole_for_a_pointer(host: str, name: str) -> None:
    box = drawn([server(host)]).boxes[0]
    assert (box.name, box.full_name) == (name, host)


def test_version_and_key_stand_in_the_box_of_a_server() -> None:
    seen = server("hydra", "RMS", product="2007 SP1", version="6.0.6278.0", key_fingerprint="sha256:5f1c0f4b2f6e")
    unknown = server("deathsting", version="6.3.1.0")
    later = server("kraken", product="2012 R2", version="7.1.10226.0")
    gone = DrawnServer("jupiter", "does not answer", False)
    boxes = drawn([seen, unknown, later, gone]).boxes
    assert [box.lines[1] for box in boxes[:4]] == ["SP1, key 5f1c0f4b", "6.3.1.0", "2012 R2", ""]
    assert boxes[3].kind == "gone"


def test_a_group_of_many_servers_still_fits_on_a_page() -> None:
    drawing = drawn([server(f"ms{number}") for number in range(30)])
    assert (drawing.boxes[-1].name, drawing.boxes[-1].y) == ("and 22 more", 545)
    assert drawing.height < 620


def ran(started_at: str | None, elapsed: float | None) -> StepOutcome:
    return StepOutcome("It is done", ["hydra"], "done", started_at=started_at, elapsed_seconds=elapsed)


def test_a_bar_is_where_and_as_long_as_the_step_was() -> None:
    steps = [
        ran("2026-01-31T02:03:04Z", 25.0),
        ran(None, None),
        ran("2026-01-31T02:03:54Z", 0.1),
        ran("2026-01-31T02:04:43Z", 1.0),
    ]
    assert bars(steps) == [Bar(0.0, 25.0), None, Bar(50.0, 1.0), Bar(99.0, 1.0)]


@pytest.mark.parametrize("steps", [[], [ran(None, None)]])
def test_what_did_not_run_has_no_bar(steps: list[StepOutcome]) -> None:
    assert bars(steps) == [None for _step in steps]
