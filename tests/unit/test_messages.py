# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests/messages.py takes for the same message, and what for another."""

from __future__ import annotations

import pytest
from messages import Problem, about, fields, saying

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError, error_sentence

ERROR = OpsmgrError("look", "hydra has version 6.0.6278.0, and 3 of 13 files", "Update it. Then rerun")
TEXT = ERROR.sentence("castor and pollux")


def test_the_fields_of_a_message_are_those_of_the_error() -> None:
    told = fields(TEXT)
    assert (told.host, told.step) == ("castor and pollux", ERROR.step)
    assert (told.found, told.advice) == (ERROR.found + ".", ERROR.what_to_do + ".")


@pytest.mark.parametrize(
    ("expected", "same"),
    [
        (about("castor and pollux", "look"), True),
        (about("castor and pollux", "look", "hydra", "6.0.6278.0", advice="rerun"), True),
        (about("castor", "look"), False),
        (about("castor and pollux", "preflight"), False),
        (about("castor and pollux", "look", "hydra", "6.1.7221.0"), False),
        (about("castor and pollux", "look", "3", "13"), True),
        (about("castor and pollux", "look", "1"), False),
        (about("castor and pollux", "look", "rerun"), False),
        (about("castor and pollux", "look", advice="hydra"), False),
    ],
)
def test_a_problem_is_that_of_a_host_and_step_with_its_values(expected: Problem, same: bool) -> None:
    assert (expected == TEXT) is same
    assert (expected == TEXT) is same
    assert (expected in [TEXT]) is same
    assert ([expected] == [TEXT]) is same


def test_an_error_has_no_host_to_compare() -> None:
    assert about("", "look", "hydra", advice="Update") == ERROR
    assert str(ERROR) == about("", "look", "hydra", advice="Update")
    assert about("", "promote", "hydra") != ERROR
    assert about("", "look", "pollux") != ERROR
    assert about("", "look") != ValueError("look")


def test_a_line_names_all_its_values() -> None:
    assert saying("castor", "412.3 s") == "castor set up (412.3 s)"
    assert saying("castor", "2.3 s") != "castor set up (412.3 s)"
    assert saying("castor") != "castor2 set up"


def test_a_message_without_a_host_is_no_message() -> None:
    with pytest.raises(ValueError, match="not enough"):
        fields(error_sentence("", "", "something", ""))
