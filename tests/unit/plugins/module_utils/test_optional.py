# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.opsmgr.recovery.plugins.module_utils.optional import if_known, phrase


@pytest.mark.parametrize(("value", "expected"), [(None, None), (0, "0"), ("", ""), (7, "7")])
def test_only_what_is_not_known_stays_so(value: object, expected: str | None) -> None:
    assert if_known(str, value) == expected


@pytest.mark.parametrize("nothing", [None, "", 0, False, [], ()])
def test_nothing_is_told_of_what_is_not_there(nothing: object) -> None:
    assert phrase(" ({})", nothing) == ""


def test_a_value_stands_in_its_phrase_as_it_is() -> None:
    assert phrase(" ({})", "{0.__class__}") == " ({0.__class__})"
