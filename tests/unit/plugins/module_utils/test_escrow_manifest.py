# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.opsmgr.recovery.plugins.module_utils.escrow_manifest import component_name, path_component, server_component


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
    assert component_name(component) == name


@pytest.mark.parametrize("component", ["lost+found", "%2e", "%41", "%", "%zz", "a b", "", ".", "..", "%FF", "con"])
def test_what_was_never_made_here(component: str) -> None:
    assert component_name(component) is None


def test_servers_are_in_lower_case() -> None:
    assert server_component("HYDRA.Odyssey.COM") == "hydra.odyssey.com"


names = st.text(st.characters(), min_size=1, max_size=20)


@given(names)
def test_any_name_becomes_one_safe_component_and_comes_back(name: str) -> None:
    component = path_component(name)
    assert re.fullmatch(r"[A-Za-z0-9._%-]+", component)
    assert component[0] not in ".-"
    assert component[-1] != "."
    assert component_name(component) == name


@given(names, names)
def test_two_names_never_share_a_component(one: str, other: str) -> None:
    assert (path_component(one) == path_component(other)) == (one == other)
