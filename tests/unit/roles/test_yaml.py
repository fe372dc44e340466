# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible reads every YAML file of roles and playbooks without a warning."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
FILES = sorted(path for folder in ("roles", "playbooks") for path in (ROOT / folder).rglob("*.yml"))


def mappings(node: yaml.Node) -> Iterator[yaml.MappingNode]:
    if isinstance(node, yaml.MappingNode):
        yield node
        for _key, value in node.value:
            yield from mappings(value)
    elif isinstance(node, yaml.SequenceNode):
        for element in node.value:
            yield from mappings(element)


def keys(node: yaml.MappingNode) -> list[str]:
    """The keys of a mapping and of those that are merged into it."""
    found = []
    for key, value in node.value:
        found += keys(value) if key.value == "<<" else [key.value]
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_key_is_given_twice(path: Path) -> None:
    """Ansible warns of a key that overrides one that is merged in, at each run."""
    document = yaml.compose(path.read_text(encoding="utf-8"))
    twice = (
        [key for mapping in mappings(document) for key in set(keys(mapping)) if keys(mapping).count(key) > 1]
        if document
        else []
    )
    assert twice == []
