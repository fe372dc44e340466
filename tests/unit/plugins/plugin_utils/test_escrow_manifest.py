# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.manifest import (
    components_of,
    is_component,
    path_component,
    server_component,
)


@pytest.mark.parametrize(
    ("name", "component"),
    [
        ("ODYSSEY", "ODYSSEY"),
        ("hydra.odyssey.com", "hydra.odyssey.com"),
        ("My Group", "My%20Group"),
        ("..", "%2E%2E"),
        (".", "%2E"),
        (".hidden", "%2Ehidden"),
        ("end.", "end%2E"),
        ("../../etc/passwd", "%2E.%2F..%2Fetc%2Fpasswd"),
        ("a\\b", "a%5Cb"),
        ("-rf", "%2Drf"),
        ("Con", "%43on"),
        ("lpt1.txt", "%6Cpt1.txt"),
        ("console", "console"),
        ("100%", "100%25"),
        ("ü", "%C3%BC"),
    ],
)
def test_components(name: str, component: str) -> None:
    assert path_component(name) == component
    assert is_component(component)


@pytest.mark.parametrize(
    "component",
    ["lost+found", "%2e", "%41", "%", "%zz", "a b", "", ".", "..", "%FF", "con", "a b%-" + "0" * 32, "%-" + "0" * 32],
)
def test_what_was_never_made_here(component: str) -> None:
    assert not is_component(component)


@pytest.mark.parametrize("name", ["管" * 28, "管" * 29, "管" * 256, "x" * 256, "ä" * 50, "." * 300])
def test_names_of_any_length_have_a_place_of_their_own(name: str) -> None:
    component = path_component(name)
    assert len(component) <= 255
    assert is_component(component)
    assert component.lower() in components_of(name)
    assert component != path_component(name + name[-1])


def test_a_long_name_keeps_as_much_as_there_is_room_for() -> None:
    end = "%-" + hashlib.sha256(b"x" * 256).hexdigest()[:32]
    assert path_component("x" * 256) == "x" * (255 - len(end)) + end
    assert path_component("x" * 255) == "x" * 255


def test_servers_are_in_lower_case() -> None:
    assert server_component("HYDRA.Odyssey.COM") == "hydra.odyssey.com"


def test_an_empty_name_has_no_directory() -> None:
    assert components_of("") == frozenset()


names = st.text(st.characters(), min_size=1, max_size=40)


@given(names)
def test_any_name_becomes_one_safe_component_and_is_found(name: str) -> None:
    component = path_component(name)
    assert re.fullmatch(r"[A-Za-z0-9._%-]{1,255}", component)
    assert component[0] not in ".-"
    assert component[-1] != "."
    assert is_component(component)
    assert component.lower() in components_of(name)


@given(names, names)
def test_two_names_never_share_a_component(one: str, other: str) -> None:
    assert (path_component(one) == path_component(other)) == (one == other)
