# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines of the runbook view: what they say, and how they are broken."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.runbook import book
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.runbook.text import (
    Line,
    broken_off_lines,
    clock,
    hosts_text,
    interrupted_lines,
    message_lines,
    new_key_plan_lines,
    plan_lines,
    point_lines,
    recap_lines,
    step_line,
    trouble_lines,
)

PATH = "database backed up to C:\\Program Files\\Microsoft SQL Server\\MSSQL10.MSSQLSERVER\\MSSQL\\Backup\\OperationsManager_20260131T020304.bak"


def step(outcomes: list[tuple[str, str]], seconds: float = 0, name: str = "The key is restored") -> book.Step:
    run = book.Runbook(0)
    begun = run.begin("key", name, 0)
    for host, outcome in outcomes:
        run.report("key", host, outcome, seconds)
    run.end()
    return begun


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.9, "0:00"), (59.99, "0:59"), (61, "1:01"), (3600, "1:00:00"), (7325, "2:02:05")]
)
def test_seconds_are_shown_as_a_clock(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown


def test_many_hosts_are_counted_and_a_host_is_named_once() -> None:
    assert hosts_text(["a", "b", "a"]) == "a, b"
    assert hosts_text(list("abcde")) == "5 hosts"


@pytest.mark.parametrize(
    ("outcomes", "seconds", "line"),
    [
        ([("hydra", book.OK)], 0.5, "   1  ok        The key is restored: hydra"),
        ([("hydra", book.CHANGED)], 75, "   1  changed   The key is restored: hydra, 1:15"),
        (
            [("hydra", book.OK), ("argus", book.CHANGED)],
            0,
            "   1  changed   The key is restored: changed: argus; ok: hydra",
        ),
    ],
)
def test_a_step_is_one_line(outcomes: list[tuple[str, str]], seconds: float, line: str) -> None:
    assert step_line(step(outcomes, seconds)).text == line


def test_trouble_is_told_whole_and_its_lines_stay_lines() -> None:
    lines = trouble_lines(
        step([("hydra", book.FAILED)]),
        "hydra",
        book.FAILED,
        ["hydra: one thing. Do this.\nAnd that.", "argus: another."],
    )
    assert [line.text.strip() for line in lines] == [
        "1  FAILED    The key is restored: hydra",
        "hydra: one thing. Do this.",
        "And that.",
        "argus: another.",
    ]


def pieces(text: str) -> list[str]:
    """Words and parts of paths."""
    return [piece for piece in re.split(r"\s+|(?<=\\)", text) if piece]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_lines_are_broken_between_words_and_parts_of_paths(width: int) -> None:
    [line] = message_lines([PATH])
    shown = line.wrapped(width).split("\n")
    assert all(len(part) <= width for part in shown)
    assert all(part.startswith(" " * line.indent) for part in shown[1:])
    assert {piece for part in shown for piece in pieces(part)} == set(pieces(PATH))


def test_without_a_terminal_nothing_is_broken() -> None:
    assert Line(PATH * 3).wrapped(None) == PATH * 3


@given(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1), st.integers(30, 130))
def test_nothing_is_lost_by_breaking(words: str, width: int) -> None:
    [line] = message_lines([words])
    assert "".join(line.wrapped(width).split()) == "".join(words.split())


def test_the_plan_names_both_servers_and_the_point_of_no_return() -> None:
    text = " ".join(line.text.strip() for line in plan_lines("deathsting (new RMS)", "hydra (old RMS)"))
    assert "moves from hydra (old RMS) to deathsting (new RMS)" in text
    assert "POINT OF NO RETURN ahead" in text
    assert "deathsting becomes the RMS." in plan_lines("deathsting", None)[0].text


def test_the_plan_of_a_new_key_names_the_server_and_the_point_of_no_return() -> None:
    text = " ".join(line.text.strip() for line in new_key_plan_lines("deathsting (new RMS)"))
    assert "deathsting (new RMS) gets a new key and becomes the RMS." in text
    assert "POINT OF NO RETURN ahead: the new key." in text


def test_the_point_of_no_return_is_announced_and_in_check_mode_only_mentioned() -> None:
    marked = step([], name="POINT OF NO RETURN - promote this server to the RMS")
    announced = " ".join(line.text for line in point_lines(marked, 12, check_mode=False))
    assert "12            POINT OF NO RETURN: promote this server to the RMS." in announced
    assert "From here there is no way back" in announced
    [mentioned] = point_lines(marked, 12, check_mode=True)
    assert "would be reached here: promote this server to the RMS. In check mode it is not passed." in mentioned.text


ENDS = {
    "well": ([(book.CHANGED, None)], False, [], ["ENDED WELL after 1:05: 1 step, 1 changed something."]),
    "well, after something was fixed": (
        [(book.FAILED, None), (book.OK, None)], False, [],
        ["ENDED WELL after 1:05: 2 steps, 0 changed something.", "step 1 FAILED, and the playbook dealt with it: hydra"],
    ),
    "checked": ([(book.CHANGED, None)], True, [], ["CHECKED after 1:05: 1 step, 1 would change something. Nothing was changed: this was a check."]),
    "stopped": (
        [(book.OK, None), (book.FAILED, None)], False, ["hydra (RMS)"],
        ["STOPPED after 1:05: 2 steps, 0 changed something. It failed on hydra (RMS).", "step 2 FAILED: a step: hydra",
         "What to do: fix the problems above, then rerun the same command. It does what is left."],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ENDS)
def test_the_recap_says_how_it_ended_and_what_to_do(name: str) -> None:
    outcomes, check_mode, failed, said = ENDS[name]
    run = book.Runbook(0, check_mode=check_mode)
    for number, (outcome, past) in enumerate(outcomes):
        run.begin(str(number), "a step", 0)
        run.report(str(number), "hydra", outcome, 1, past_point=past)
        run.end()
    assert [line.text.strip() for line in recap_lines(run, failed, 65)] == ["", *said]


@pytest.mark.parametrize(
    ("outcome", "past_point", "words"),
    [
        (book.FAILED, False, "The point of no return was NOT passed."),
        (book.FAILED, True, "The point of no return IS PASSED."),
        (book.UNREACHABLE, None, "The point of no return was reached, and perhaps passed."),
    ],
)
def test_a_run_that_stopped_says_on_which_side_of_the_point_of_no_return(
    outcome: str, past_point: bool | None, words: str
) -> None:
    run = book.Runbook(0)
    run.begin("point", f"{book.MARK} - deathsting is promoted", 0)
    run.report("point", "deathsting", outcome, 1, past_point=past_point)
    run.end()
    assert words in [line.text for line in recap_lines(run, ["deathsting"], 2)]


# --- a run that does not come to its end ------------------------------------------------------------------------------

PROMOTION = "POINT OF NO RETURN - promote this server to the RMS"


def run_at(
    *names: str, ahead: bool = False, check_mode: bool = False, outcome: str | None = None, over: bool = False
) -> book.Runbook:
    """A run that has come to the last of some steps; `outcome` is that of this one, and `over` that it has ended."""
    run = book.Runbook(0, check_mode=check_mode)
    if ahead:
        run.see_point_ahead()
    for number, name in enumerate(names):
        last = number == len(names) - 1
        run.begin(name, name, 0)
        if not last or outcome:
            run.report(name, "hydra", outcome if last and outcome else book.CHANGED, 1)
        if not last or over:
            run.end()
    return run


@pytest.mark.parametrize(
    ("run", "said", "unsaid"),
    [
        (run_at(), ["before the first step", "No point of no return was reached"], ["NOT passed"]),
        (run_at("Look"), ["in step 1: Look", "No point of no return was reached"], ["NOT passed"]),
        (
            run_at("Look", "The old RMS is stopped", ahead=True),
            ["in step 2: The old RMS", "NOT passed", "Nothing was undone"],
            ["perhaps"],
        ),
        (
            run_at("Look", PROMOTION, ahead=True),
            ["in step 2: POINT OF NO RETURN", "perhaps passed"],
            ["NOT passed", "IS PASSED"],
        ),
        (
            run_at("Look", PROMOTION, ahead=True, outcome=book.UNREACHABLE),
            ["perhaps passed"],
            ["NOT passed", "IS PASSED"],
        ),
        (
            run_at("Look", PROMOTION, ahead=True, outcome=book.CHANGED, over=True),
            ["after the step: POINT OF NO RETURN", "IS PASSED"],
            ["perhaps"],
        ),
        (run_at("Look", PROMOTION, "Services run", ahead=True), ["in step 3: Services run", "IS PASSED"], ["perhaps"]),
        (
            run_at("Look", PROMOTION, ahead=True, check_mode=True),
            ["Nothing was changed: this was a check."],
            ["perhaps", "IS PASSED"],
        ),
    ],
)
def test_an_interrupted_run_says_where_it_was_and_how_it_goes_on(
    run: book.Runbook, said: list[str], unsaid: list[str]
) -> None:
    lines = [line.text for line in interrupted_lines(run, 75, "ansible-playbook a.b.c")]
    text = "\n".join(lines)
    assert lines[1].startswith("INTERRUPTED after 1:15, ")
    assert lines[-1] == "  ansible-playbook a.b.c"
    assert [words for words in said if words not in text] == []
    assert [words for words in unsaid if words in text] == []


def test_a_run_that_ansible_broke_off_says_where_it_was() -> None:
    assert [line.text for line in broken_off_lines(run_at(), 1)] == [
        "",
        "STOPPED after 0:01, before the first step. The reason stands above.",
    ]
    assert (
        broken_off_lines(run_at("Look", PROMOTION, ahead=True), 1)[-1].text
        == "The point of no return was reached, and perhaps passed."
    )


def test_a_run_that_had_no_host_did_not_end_well() -> None:
    text = " ".join(line.text for line in recap_lines(book.Runbook(0), [], 1, hosts=0))
    assert text.startswith(" NOTHING WAS DONE")
    assert "ENDED WELL" not in text
