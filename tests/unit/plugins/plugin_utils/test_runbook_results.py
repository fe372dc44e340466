# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What results of Ansible say to a person, with the names of old and new ansible-core."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.runbook.book import (
    CHANGED,
    FAILED,
    IGNORED,
    OK,
    UNREACHABLE,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.runbook.results import Result


def result(data: dict[str, Any], *, old: bool = False, **task: Any) -> Result:
    """As a callback gets it, from ansible-core 2.19 or older."""
    parts = {
        "host": SimpleNamespace(get_name=lambda: "deathsting"),
        "task": SimpleNamespace(
            **{"action": "opsmgr.recovery.management_services", "delegate_to": None, "loop": None, **task}
        ),
        "result": data,
    }
    return Result.of(SimpleNamespace(**{f"_{name}" if old else name: part for name, part in parts.items()}))


@pytest.mark.parametrize("old", [False, True])
def test_both_kinds_of_results_are_read(old: bool) -> None:
    told = result({"msg": "a message"}, old=old)
    assert (told.place, told.action, told.messages) == ("deathsting", "management_services", ["a message"])


@pytest.mark.parametrize(
    ("data", "task", "place"),
    [
        ({}, {}, "deathsting"),
        ({}, {"delegate_to": "hydra"}, "hydra"),
        ({"_ansible_delegated_vars": {"ansible_delegated_host": "jupiter"}}, {"delegate_to": "{{ item }}"}, "jupiter"),
        ({}, {"delegate_to": "localhost"}, "controller"),
        ({}, {"delegate_to": "localhost", "action": "opsmgr.recovery.database_backup"}, "database"),
    ],
)
def test_the_place_is_where_it_was_done(data: dict[str, Any], task: dict[str, Any], place: str) -> None:
    assert result(data, **task).place == place


@pytest.mark.parametrize(
    ("data", "outcome"),
    [
        ({}, OK),
        ({"changed": True}, CHANGED),
        ({"failed_when_result": False}, OK),
        ({"failed_when_result": False, "msg": "hydra: it did not stop."}, IGNORED),
        ({"msg": "All assertions passed"}, OK),
    ],
)
def test_what_only_failed_when_made_a_success_is_not_taken_for_one(data: dict[str, Any], outcome: str) -> None:
    assert result(data).outcome == outcome


@pytest.mark.parametrize(
    ("data", "task", "outcome"),
    [
        ({"failed": True}, {"ignore_errors": None, "ignore_unreachable": None}, FAILED),
        ({"failed": True}, {"ignore_errors": True, "ignore_unreachable": None}, IGNORED),
        ({"failed": True}, {"ignore_errors": "{{ a_condition }}", "ignore_unreachable": None}, FAILED),
        ({"unreachable": True}, {"ignore_errors": True, "ignore_unreachable": None}, UNREACHABLE),
        ({"unreachable": True}, {"ignore_errors": None, "ignore_unreachable": True}, IGNORED),
    ],
)
def test_an_item_that_failed(data: dict[str, Any], task: dict[str, Any], outcome: str) -> None:
    assert result(data, **task).outcome_of_failed_item == outcome


@pytest.mark.parametrize(
    ("data", "messages"),
    [
        ({}, []),
        ({"msg": ["Two problems:", "one", "two"]}, ["Two problems:", "one", "two"]),
        (
            {"msg": "non-zero return code", "stderr": "no such file", "stdout": ""},
            ["non-zero return code", "stderr: no such file"],
        ),
        ({"msg": "MODULE FAILURE", "module_stdout": "MODULE FAILURE"}, ["MODULE FAILURE"]),
        ({"msg": 5}, ["5"]),
        ({"censored": "hidden", "msg": "the password is x"}, ["hidden"]),
    ],
)
def test_messages_are_whole_and_what_is_hidden_stays_hidden(data: dict[str, Any], messages: list[str]) -> None:
    assert result(data).messages == messages


def test_a_loop_is_summed_up_by_its_items() -> None:
    assert result({"results": []}, loop=["a"]).is_whole_loop
    assert not result({"msg": "No items in the list"}, loop="{{ [] }}").is_whole_loop
    assert not result({"results": []}).is_whole_loop
