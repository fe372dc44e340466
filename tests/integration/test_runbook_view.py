# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runbook view at real pseudo-terminals: what a person sees of a run that ends well, of one that is refused, and of
one that stops half way.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from playing import ANSIBLE_PLAYBOOK, REPOSITORY, Player
from terminal import STYLE, Terminal

from lab.drill import unproven
from lab.faults import Fault

WIDTHS = [
    pytest.param(80, True, id="80 columns, coloured"),
    pytest.param(120, False, id="120 columns, plain", marks=pytest.mark.soak),
    pytest.param(80, False, id="80 columns, plain", marks=pytest.mark.soak),
    pytest.param(120, True, id="120 columns, coloured", marks=pytest.mark.soak),
]
BACKUP = "Back up the operational database"
ANNOUNCED = "POINT OF NO RETURN: promote this server to the RMS."
PROMOTED = "POINT OF NO RETURN - promote this server to the RMS: deathsting (new RMS)"
# The lines of the question for the new RMS's name, by their beginnings.
QUESTION = (
    "Nothing stands in the way.",
    "deathsting becomes the RMS",
    "While the role moves",
    "What fails before",
    "POINT OF NO RETURN: what",
    "Type ",
)
WRONG_KEY = (
    "deathsting: set the Operations Manager services: OMSDK is stopped and not running, OMCFG is stopped and not running. "
    "Check the Operations Manager event log there (OpsMgr SDK Service 26322: the database; 26380: an exception; 26371: only an SPN): "
    "most often the database cannot be reached, or the key on this server is not the key of the management group."
)


def numbers(terminal: Terminal) -> list[int]:
    """Of the steps, as they were told."""
    return [
        int(found[1])
        for line in terminal.lines
        if (found := re.match(r" {0,3}(\d+)  (?:ok|changed|FAILED|ignored|NO ANSWER) ", line))
    ]


def require_tidy(terminal: Terminal, *, color: bool) -> None:
    """Colours only where they are wanted, and a margin where a line had to be broken."""
    assert bool(STYLE.search(terminal.sent)) is color
    margin = re.compile(
        r"$| {0,3}\d+  | {16}|  \S|\[|Move the RMS role|=+$|ENDED|STOPPED|The point of no return|What to do"
    )
    assert [line for line in terminal.lines if not margin.match(line) and not line.startswith(QUESTION)] == []
    # The step under way is gone, and the cursor can be seen.
    assert "━" not in "".join(terminal.lines)
    assert terminal.sent.rfind(b"\x1b[?25h") > terminal.sent.rfind(b"\x1b[?25l")


@pytest.mark.parametrize(("columns", "color"), WIDTHS)
def test_a_run_that_ends_well(odyssey: Player, columns: int, color: bool) -> None:
    odyssey.lab.faults.add(Fault("thunder", "sql", "BACKUP DATABASE", "stall", seconds=6))
    terminal = odyssey.watch(columns, color=color, rms_failover_confirm="")
    terminal.wait_for("Type deathsting to go on, anything else to leave everything as it is:")
    for words in (
        "Nothing was changed so far.",
        "deathsting becomes the RMS instead of hydra.",
        "POINT OF NO RETURN: what fails after it is completed by a rerun",
    ):
        assert words in terminal.screen_text
    terminal.type("deathsting")
    screens = list(terminal.screens())
    assert terminal.exit_code == 0, terminal.lines
    assert unproven(odyssey.lab.dump()) == []
    # Under way, with a number, a clock, and a bar with the percents that the SQL Server tells.
    under_way = [
        screen for screen in screens if any(re.match(rf" +\d+  now +{BACKUP} +\d:\d\d$", line) for line in screen)
    ]
    assert under_way, terminal.lines
    percents = {int(found) for screen in under_way for line in screen for found in re.findall(r"━.* (\d+)%$", line)}
    assert len(percents) > 2
    assert any("BACKUP of OperationsManager" in line for line in under_way[-1])
    assert not any(f"changed   {BACKUP}" in line for line in under_way[-1])
    require_tidy(terminal, color=color)
    assert numbers(terminal) == list(range(1, len(numbers(terminal)) + 1))
    said = terminal.text
    for words in (
        "The RMS role moves from hydra (old RMS) to deathsting (new RMS). POINT OF NO RETURN ahead: the promotion of deathsting",
        PROMOTED,
    ):
        assert words in said, said
    assert said.index("POINT OF NO RETURN ahead") < said.index(BACKUP) < said.index(ANNOUNCED) < said.index(PROMOTED)
    assert "reporting server at the new RMS: argus (reporting)" in said
    assert re.search(rf"ENDED WELL after \d:\d\d: {len(numbers(terminal))} steps, 12 changed something\.", said)


@pytest.mark.parametrize(("columns", "color"), WIDTHS)
def test_a_run_that_is_refused(odyssey: Player, columns: int, color: bool) -> None:
    odyssey.lab.hosts["deathsting"].services.stop("HealthService")
    odyssey.lab.hosts["deathsting"].services.settle()
    before = odyssey.lab.dump()
    terminal = odyssey.watch(columns, color=color, rms_failover_backup_password="short")
    assert terminal.end() == 2
    assert odyssey.lab.dump() == before
    require_tidy(terminal, color=color)
    said = terminal.text
    assert (
        "FAILED Check that nothing stands in the way: deathsting (new RMS) Nothing was changed. 2 problem(s):" in said
    ), said
    assert (
        "deathsting: preflight: HealthService is stopped, so this is not a working management server. Start it (sc start HealthService)"
        in said
    )
    assert "SecureStorageBackup takes at least 8. Set another rms_failover_backup_password." in said
    assert "STOPPED" in terminal.screen_text
    assert "preflight: HealthService is stopped" in terminal.screen_text
    assert "point of no return" not in said.lower()


@pytest.mark.parametrize(("columns", "color"), WIDTHS)
def test_a_run_that_stops_after_the_point_of_no_return(odyssey: Player, columns: int, color: bool) -> None:
    odyssey.lab.faults.add(Fault("deathsting", "service", "OMSDK", "fail", code=1067, times=0))
    terminal = odyssey.watch(columns, color=color, rms_failover_service_timeout=5)
    assert terminal.end() == 2
    require_tidy(terminal, color=color)
    said = terminal.text
    assert (
        said.index(ANNOUNCED)
        < said.index(PROMOTED)
        < said.index("FAILED Start the services of the new RMS: deathsting (new RMS)")
    )
    assert (
        f"{WRONG_KEY} The role has moved: deathsting is the RMS now. Fix the cause, then rerun the same command: it does only what is left."
        in said
    )
    # All of it is on the last screen: what went wrong, on which side of the point of no return, and what to do.
    for words in (
        WRONG_KEY,
        "STOPPED after",
        "The point of no return IS PASSED.",
        "What to do: fix the problems above, then rerun the same command.",
    ):
        assert words in terminal.screen_text, terminal.screen_text


def test_another_name_than_that_of_the_new_rms_changes_nothing(odyssey: Player) -> None:
    before = odyssey.lab.dump()
    terminal = odyssey.watch(80, color=True, rms_failover_confirm="")
    terminal.wait_for("Type deathsting to go on")
    terminal.type("hydra")
    assert terminal.end() == 2
    assert (
        "Nothing was changed. controller: confirmation: 'hydra' was typed, and the server to promote is deathsting."
        in terminal.text
    )
    assert odyssey.lab.dump() == before


@pytest.mark.soak
def test_ansible_runner_has_a_terminal_and_nobody_at_it(odyssey: Player, monkeypatch: Any) -> None:
    monkeypatch.setenv("AWX_ISOLATED_DATA_DIR", "/runner/artifacts")
    before = odyssey.lab.dump()
    terminal = odyssey.watch(80, color=True, rms_failover_confirm="")
    assert terminal.end() == 2
    assert "controller: preflight: the promotion is not confirmed, and there is nobody to ask." in terminal.text
    assert odyssey.lab.dump() == before


@pytest.mark.soak
def test_a_check_asks_nothing(odyssey: Player) -> None:
    terminal = odyssey.watch(80, color=True, check=True, rms_failover_confirm="")
    assert terminal.end() == 0
    assert (
        "POINT OF NO RETURN would be reached here: promote this server to the RMS. In check mode it is not passed."
        in terminal.text
    )
    assert "CHECKED after" in terminal.text


def test_a_run_that_is_interrupted_leaves_the_terminal_usable(odyssey: Player) -> None:
    odyssey.lab.faults.add(Fault("thunder", "sql", "BACKUP DATABASE", "stall", seconds=30))
    terminal = odyssey.watch(80, color=False)
    terminal.wait_for("BACKUP of OperationsManager")
    terminal.interrupt()
    assert terminal.end() != 0
    assert "━" not in "".join(terminal.lines)
    assert not any(re.match(r" +\d+  now ", line) for line in terminal.lines)
    assert terminal.sent.rfind(b"\x1b[?25h") > terminal.sent.rfind(b"\x1b[?25l")
    said = terminal.text
    assert re.search(rf"INTERRUPTED after \d:\d\d, in step \d+: {BACKUP}\.", said), said
    assert "The point of no return was NOT passed. Nothing was undone" in said
    assert "Traceback" not in said
    # What is to be typed is the last line, whole.
    command = said.rpartition("does what is left: ")[2].replace(" ", "")
    assert (
        command
        == f"ansible-playbook-i{odyssey.directory}/run1/inventory.yml-e@{odyssey.directory}/run1/variables.jsonplaybooks/rms_failover.yml"
    )


@pytest.mark.parametrize("signal", ["interrupt", "terminate"])
def test_a_promotion_that_is_interrupted_has_perhaps_been_done(odyssey: Player, signal: str) -> None:
    odyssey.lab.hosts["deathsting"].settings["promote_seconds"] = 20
    terminal = odyssey.watch(120, color=False)
    terminal.wait_for(re.compile(r" +\d+  now +POINT OF NO RETURN"))
    getattr(terminal, signal)()
    # Which number it is depends on what ansible-core was doing: a worker that is killed while it is forked counts as
    # dead.
    assert terminal.end() in (1, 99, 128 + 15)
    said = terminal.text
    assert re.search(
        r"INTERRUPTED after \d:\d\d, in step \d+: POINT OF NO RETURN - promote this server to the RMS\.", said
    ), said
    assert "The point of no return was reached, and perhaps passed." in said
    assert "Traceback" not in said
    assert "ansible-playbook -i" in said.rpartition("does what is left: ")[2]


def watch_two_tasks(folder: Path, *arguments: str, seconds: int = 1, **environment: str) -> Terminal:
    """A playbook that needs no lab, at a terminal."""
    tasks = [{"name": name, "ansible.builtin.command": f"sleep {seconds}"} for name in ("The first", "The second")]
    (folder / "play.yml").write_text(
        yaml.safe_dump([{"name": "The play", "hosts": "localhost", "gather_facts": False, "tasks": tasks}]),
        encoding="utf-8",
    )
    variables = {
        "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"),
        "ANSIBLE_STDOUT_CALLBACK": "opsmgr.recovery.runbook",
        "TERM": "xterm-256color",
    }
    interpreter = f"ansible_python_interpreter={sys.executable}"
    command = [
        ANSIBLE_PLAYBOOK,
        "-i",
        "localhost,",
        "-c",
        "local",
        "-e",
        interpreter,
        str(folder / "play.yml"),
        *arguments,
    ]
    return Terminal(command, cwd=REPOSITORY, environment={**os.environ, **variables, **environment}, columns=80)


def test_who_interrupts_twice_is_told_once(tmp_path: Path) -> None:
    terminal = watch_two_tasks(tmp_path, "-e", "seal_passphrase=hunter2", seconds=20)
    terminal.wait_for(re.compile(r" +1  now +The first"))
    terminal.interrupt()
    terminal.interrupt()
    assert terminal.end() in (99, 130)
    assert terminal.text.count("INTERRUPTED after") == 1
    assert "seal_passphrase=***" in terminal.text
    assert "Traceback" not in terminal.text


def test_without_rich_it_says_so_once_and_tells_each_step_when_it_has_ended(tmp_path: Path) -> None:
    (tmp_path / "rich.py").write_text("raise ImportError('rich')", encoding="utf-8")
    terminal = watch_two_tasks(tmp_path, PYTHONPATH=str(tmp_path))
    assert terminal.end() == 0, terminal.lines
    assert terminal.text.count("With the Python package rich, the step under way would be shown, too.") == 1
    assert re.search(r"1 changed The first: localhost, \d:\d\d 2 changed The second: localhost", terminal.text)
    assert "Traceback" not in terminal.text


@pytest.mark.parametrize(
    "environment", [{"OPSMGR_RECOVERY_RUNBOOK_VIEW": "lines"}, {"TERM": "dumb"}], ids=["wanted so", "no movable cursor"]
)
def test_lines_alone_move_no_cursor(tmp_path: Path, environment: dict[str, str]) -> None:
    terminal = watch_two_tasks(tmp_path, **environment)
    assert terminal.end() == 0, terminal.lines
    assert b"\x1b" not in STYLE.sub(b"", terminal.sent)
    assert "1 changed The first: localhost" in terminal.text


def test_questions_at_each_step_are_not_drawn_over(tmp_path: Path) -> None:
    terminal = watch_two_tasks(tmp_path, "--step")
    for name in ("The first", "The second"):
        terminal.wait_for(f"Perform task: TASK: {name} (N)o/(y)es/(c)ontinue:")
        terminal.type("y")
    assert terminal.end() == 0
    assert "2 changed The second: localhost" in terminal.text
