# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tools may read their answers in three ways, from a console or a pipe, and show their questions whole, in pieces
or at the end.
"""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from playing import PASSWORD, Player

from lab.drill import unproven

AT_END = {"SecureStorageBackup": "at_end"}
READS, CRLF, PROMPTS = (
    ("readkey", "getch", "readline"),
    ("two", "one"),
    {"whole": "whole", "pieces": "pieces", "at_end": AT_END},
)


# So that the tool is needed for the demotion, too, and its conversation is held.
TOOL_DEMOTES = {"restart_demotes": False}


def manner(number_of_reads: int, number_of_crlf: int, number_of_prompts: int) -> Any:
    """One combination. Half of them are enough for any two settings to meet; the others are for the soak."""
    reads, crlf, prompts = READS[number_of_reads], CRLF[number_of_crlf], list(PROMPTS)[number_of_prompts]
    marks = [pytest.mark.soak] if (number_of_reads + number_of_crlf + number_of_prompts) % 2 else []
    return pytest.param(reads, crlf, PROMPTS[prompts], marks=marks, id=f"{reads}-{crlf}-{prompts}")


def back_up_restore_promote(player: Player) -> list[dict[str, Any]]:
    """The three conversations of a failover, one after the other, in one playbook; their results."""
    secret = {
        "escrow": str(player.escrow),
        "backup_password": PASSWORD,
        "conversation_timeout": 8,
        "answer_ahead_after": 0.5,
    }
    talk = {"conversation_timeout": 8, "answer_ahead_after": 0.5}
    steps = [
        ("hydra", "secure_storage_backup", secret),
        ("deathsting", "secure_storage_restore", secret),
        ("deathsting", "rms_promotion", {**talk, "existing_rms_clustered": False}),
        ("hydra", "rms_demotion", {**talk, "timeout": 3}),
    ]
    plays: list[dict[str, Any]] = [
        {
            "hosts": "hydra:deathsting",
            "gather_facts": False,
            "tasks": [{"name": "Tools", "opsmgr.recovery.support_tools": {}}],
        }
    ]
    for host, module, options in steps:
        plays.append(
            {"hosts": host, "gather_facts": False, "tasks": [{"name": module, f"opsmgr.recovery.{module}": options}]}
        )
    run = player.play(plays)
    return [result for _host, module, _options in steps for result in run.results(module)]


@pytest.mark.parametrize(
    ("reads", "crlf", "prompts"), [manner(*numbers) for numbers in itertools.product(range(3), range(2), range(3))]
)
def test_on_a_console_every_manner_works(start_lab: Any, reads: str, crlf: str, prompts: Any) -> None:
    player = start_lab(
        overrides={
            "defaults": {"settings": {"tool_reads": reads, "console_crlf": crlf, "prompts": prompts, **TOOL_DEMOTES}}
        }
    )
    results = back_up_restore_promote(player)
    assert [result.get("msg") for result in results if result.get("failed")] == []
    assert player.lab.dump()["groups"]["ODYSSEY"]["roles"]["deathsting"] == "rms"


@pytest.mark.parametrize("prompts", PROMPTS.values(), ids=PROMPTS)
def test_on_a_pipe_lines_work(start_lab: Any, prompts: Any) -> None:
    player = start_lab(
        overrides={
            "defaults": {
                "settings": {"tool_reads": "readline", "console_mode": "pipe", "prompts": prompts, **TOOL_DEMOTES}
            }
        }
    )
    results = back_up_restore_promote(player)
    assert [result.get("msg") for result in results if result.get("failed")] == []
    assert player.lab.dump()["groups"]["ODYSSEY"]["roles"]["deathsting"] == "rms"


@pytest.mark.parametrize(
    "settings",
    [
        {"tool_reads": "readkey", "prompts": "whole"},
        {"tool_reads": "getch", "console_crlf": "two", "prompts": "pieces"},
        {"tool_reads": "readline", "prompts": "at_end"},
        {"tool_reads": "readline", "console_mode": "pipe", "prompts": "whole"},
        {"tool_reads": "readline", "console_mode": "pipe", "prompts": "at_end"},
    ],
    ids=["keys", "keys, in pieces", "lines, at the end", "a pipe", "a pipe, at the end"],
)
def test_a_restore_that_asks_twice(start_lab: Any, settings: dict[str, Any]) -> None:
    player = start_lab(overrides={"defaults": {"settings": {**settings, "restore_asks_twice": True}}})
    restored = back_up_restore_promote(player)[1]
    assert (restored.get("failed", False), restored["changed"]) == (False, True), restored.get("msg")
    assert player.lab.dump()["groups"]["ODYSSEY"]["key"]["deathsting"] == "right"


@pytest.mark.parametrize("reads", ["readkey", "getch"])
def test_keys_on_a_pipe_cannot_work_and_the_error_says_so(start_lab: Any, reads: str) -> None:
    player = start_lab(overrides={"defaults": {"settings": {"tool_reads": reads, "console_mode": "pipe"}}})
    [result] = back_up_restore_promote(player)
    assert result["failed"]
    assert result["msg"].startswith("hydra: back up the key: SecureStorageBackup.exe")
    assert "this server gives programs a pipe instead" in result["msg"]


def test_a_question_that_decides_is_not_answered_before_it_is_seen(start_lab: Any) -> None:
    player = start_lab(overrides={"defaults": {"settings": {"prompts": "at_end", "tool_reads": "readline"}}})
    *_others, promotion = back_up_restore_promote(player)
    assert promotion["failed"]
    assert "never came within 8 seconds" in promotion["msg"]
    assert promotion["past_point_of_no_return"] is False
    assert player.lab.dump()["groups"]["ODYSSEY"]["roles"]["deathsting"] == "management_server"


@pytest.mark.soak
@pytest.mark.parametrize(
    "settings",
    [
        {
            "tool_reads": "getch",
            "console_crlf": "two",
            "prompts": "pieces",
            "update_demoted_asks": True,
            **TOOL_DEMOTES,
        },
        {
            **TOOL_DEMOTES,
            "tool_reads": "readline",
            "console_mode": "pipe",
            "update_demoted_asks": True,
            "promote_starts_services": False,
        },
        {"tool_reads": "readkey", "console_crlf": "one", "prompts": AT_END, "tool_exit_codes": "always_zero"},
    ],
    ids=["keys", "lines on a pipe", "prompts at the end"],
)
def test_the_whole_failover_in_other_manners(start_lab: Any, settings: dict[str, Any]) -> None:
    player = start_lab(overrides={"defaults": {"settings": settings}})
    run = player.play(rms_failover_service_timeout=10)
    assert run.ended_well, run.output
    assert unproven(player.lab.dump()) == []
