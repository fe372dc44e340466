# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of each RMS of a fleet: good, made, failed with its cause, and what the escrow has all the same."""

from __future__ import annotations

from typing import Any

import pytest
from messages import Line, Problem, about, saying

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.key_backup_summary import (
    Attempt,
    Fleet,
    row_of,
    sink_failures,
)

SEEN = {
    "computer_name": "HYDRA",
    "management_group": "ODYSSEY",
    "version": "6.0.6278.0",
    "is_rms": True,
    "key": {"present": True, "fingerprint": None},
}
BACKUP = {"taken_at": "2026-01-31T02:03:04Z", "age_hours": 7.5, "server_version": "6.0.6278.0", "seal": "cms"}
MADE = {"server": SEEN, "reused": False, "elapsed_seconds": 1.0}
REUSED = {**MADE, "reused": True}
REFUSED = {
    "server": SEEN,
    "reused": False,
    "failed": True,
    "msg": "hydra: back up the key: it broke. Fix it.",
    "elapsed_seconds": 1.0,
}
SILENT = {"unreachable": True, "msg": "ntlm: HTTPConnectionPool(...): [Errno 111] Connection refused')"}
NEVER_BEGAN = {"failed": True, "msg": "'vault_password' is undefined"}


def attempt(*results: dict[str, Any], **more: Any) -> Attempt:
    return Attempt("hydra", "by inventory", list(results), **more)


def row(made: Attempt, sentence: str = "", check_mode: bool = False, **server: Any) -> dict[str, Any]:
    return row_of(made, {"backup": BACKUP, "problem": None, **server}, sentence, check_mode)


@pytest.mark.parametrize(
    ("result", "check_mode", "outcome"),
    [
        (MADE, False, "made"),
        (REUSED, False, "left as it is"),
        (MADE, True, "would be made"),
        (REUSED, True, "left as it is"),
    ],
)
def test_what_came_of_a_good_one(result: dict[str, Any], check_mode: bool, outcome: str) -> None:
    found = row(attempt(result), check_mode=check_mode)
    assert (found["outcome"], found["problem"], found["in_escrow"]) == (outcome, "", "")
    assert (found["management_group"], found["server_version"], found["server"]) == ("ODYSSEY", "6.0.6278.0", "hydra")


@pytest.mark.parametrize(
    ("result", "problem"),
    [
        (REFUSED, REFUSED["msg"]),
        (
            SILENT,
            about("hydra", "back up the key", "not answer", "[Errno 111] Connection refused"),
        ),
        (NEVER_BEGAN, about("hydra", "back up the key", "'vault_password' is undefined")),
    ],
)
def test_why_one_failed_and_what_there_is_all_the_same(result: dict[str, Any], problem: str | Problem) -> None:
    found = row(attempt(result))
    assert (found["outcome"], found["problem"], found["in_escrow"]) == (
        "failed",
        problem,
        "a backup of 2026-01-31T02:03:04Z that fits",
    )
    assert row(attempt(result), problem="no backup exists", backup=None)["in_escrow"] == "no backup exists"


def test_a_server_that_was_not_seen_has_the_group_of_the_inventory_and_no_version() -> None:
    found = row(attempt(SILENT))
    assert (found["management_group"], found["server_version"], found["other_version"]) == ("by inventory", "", False)


def test_a_backup_that_does_not_fit_is_a_failure_though_it_was_made() -> None:
    assert (
        row(attempt(MADE), "it is not the RMS")["outcome"],
        row(attempt(MADE), "it is not the RMS")["in_escrow"],
    ) == ("failed", "")


def test_a_backup_of_another_version_is_marked() -> None:
    assert row(attempt(REUSED), backup={**BACKUP, "server_version": "6.0.5000.0"})["other_version"] is True


def test_of_several_nodes_the_one_that_was_backed_up_counts() -> None:
    found = attempt({**REFUSED, "item": "castor"}, {**MADE, "item": "pollux"})
    assert (found.server, found.done, found.trouble) == ("pollux", True, "")


def test_when_no_node_works_each_says_why() -> None:
    found = attempt({**SILENT, "item": "castor"}, {**REFUSED, "item": "pollux"})
    assert found.trouble == about("castor", "back up the key", "not answer", "[Errno 111]")
    assert found.trouble.endswith("hydra: back up the key: it broke. Fix it.")


def test_the_tools_say_first_why_the_backup_could_not_be_made() -> None:
    tools = {"failed": True, "msg": "hydra: copy the support tools: no media. Insert it.", "elapsed_seconds": 1.0}
    assert (
        attempt(REFUSED, tools=[tools]).trouble
        == "hydra: copy the support tools: no media. Insert it. hydra: back up the key: it broke. Fix it."
    )
    # A server that does not answer says so once.
    assert attempt(SILENT, tools=[SILENT]).trouble.count("Connection refused") == 1


def test_a_rms_that_was_not_found_is_a_failure_though_the_inventory_s_was_backed_up() -> None:
    found = row(attempt(MADE, not_found="hydra: find the RMS: nobody knows. Ask."))
    assert (found["outcome"], found["problem"]) == ("failed", "hydra: find the RMS: nobody knows. Ask.")


def test_only_a_backup_that_would_be_made_is_predicted() -> None:
    assert attempt(MADE).predicted(check_mode=True)
    assert not attempt(MADE).predicted(check_mode=False)
    assert not attempt(REUSED).predicted(check_mode=True)
    assert not attempt(REFUSED).predicted(check_mode=True)
    assert not attempt({**MADE, "server": {**SEEN, "is_rms": False}}).predicted(check_mode=True)


def test_the_lines_begin_with_the_sum_and_the_failures() -> None:
    rows = [row(attempt(MADE)), row(attempt(REFUSED))]
    fleet = Fleet(rows, ["argo"], ["ILIAD"], ["controller: verify the escrow: a file is damaged. Look at it."])
    assert fleet.counts == {"all": 4, "failed": 3, "good": 1}
    assert fleet.lines("/srv/key_escrow", check_mode=False) == [
        saying("1 of 4", "have", "3 failed", "/srv/key_escrow"),
        saying("FAILED argo", "see above"),
        saying("FAILED", "ILIAD", "opsmgr_rms"),
        saying("FAILED " + REFUSED["msg"], "2026-01-31T02:03:04Z", "fits"),
        saying("good hydra", "ODYSSEY", "6.0.6278.0", "made", "7.5 h", "cms"),
        saying("escrow controller", "verify the escrow", "damaged"),
    ]
    assert Fleet([]).lines("the sink", check_mode=True) == [saying("0 of 0", "would have", "0 failed", "the sink")]


@pytest.mark.parametrize(
    ("results", "sentences"),
    [
        ([{}, {"rc": 0, "cmd": ["cp"]}, {"skipped": True}], []),
        (
            [{"rc": 9, "cmd": ["sh", "-c"], "stderr": "the vault\n is full\n", "failed": True}],
            [saying("sink", "sh failed", "the vault is full")],
        ),
        (
            [{"failed": True, "msg": "No such file"}],
            [saying("sink", "the command failed", "No such file")],
        ),
    ],
)
def test_what_a_sink_did_not_take(results: list[dict[str, Any]], sentences: list[Line]) -> None:
    assert sink_failures(results) == sentences


def test_a_group_without_a_host_says_what_to_do() -> None:
    [sentence] = Fleet([], groups_left=["BEOWULF"]).missed_groups
    assert sentence == saying("BEOWULF", "opsmgr_rms", "Add one")
