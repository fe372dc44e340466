# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runbook view of real runs of ansible-playbook, where the output is not a terminal: nothing is hidden but secrets."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from unit.plugins.plugin_utils.test_new_key import SETUP, lost

ROOT = Path(__file__).resolve().parents[4]
COLLECTIONS = ROOT / ".build" / "collections"
ANSIBLE_PLAYBOOK = str(Path(sys.executable).with_name("ansible-playbook"))
SECRET = "tr0ub4dor&3"
HOSTS = {"opsmgr_rms": {"hosts": {"hydra": None}}, "opsmgr_management_servers": {"hosts": {"deathsting": None}}}
NOWHERE = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
RULE = "=" * 60


def play(
    folder: Path, tasks: Sequence[dict[str, Any]], *arguments: str, hosts: str = "hydra", **settings: Any
) -> tuple[int, str]:
    """Run a play with these tasks on hosts that are this machine; the exit code and what was printed."""
    inventory = {
        "all": {
            "children": HOSTS,
            "vars": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable},
        }
    }
    (folder / "inventory.yml").write_text(yaml.safe_dump(inventory), encoding="utf-8")
    plays = [{"name": "The play", "hosts": hosts, "gather_facts": False, **settings, "tasks": list(tasks)}]
    (folder / "play.yml").write_text(yaml.safe_dump(plays, sort_keys=False), encoding="utf-8")
    command = [ANSIBLE_PLAYBOOK, "-i", str(folder / "inventory.yml"), str(folder / "play.yml"), *arguments]
    variables = {
        **os.environ,
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_STDOUT_CALLBACK": "opsmgr.recovery.runbook",
    }
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        text=True,
    )
    # What Ansible says when a callback itself goes wrong.
    assert "Failure using method" not in done.stdout, done.stdout
    assert "Callback dispatch" not in done.stdout, done.stdout
    return done.returncode, done.stdout


def task(name: str, module: str, arguments: Any = None, **keywords: Any) -> dict[str, Any]:
    return {"name": name, f"ansible.builtin.{module}": arguments, **keywords}


def test_steps_are_numbered_and_what_only_arranges_things_is_not_shown(tmp_path: Path) -> None:
    tasks = [
        task("A fact", "set_fact", {"fact": 1}),
        task("Skipped", "command", "true", when=False),
        task("Everything is looked at", "command", "true", changed_when=False),
        task("It is true", "assert", {"that": True, "quiet": True}),
        task("Things are done", "command", "true"),
        task("POINT OF NO RETURN - the old one is gone", "command", "true", delegate_to="localhost"),
        task("The report", "debug", {"msg": ["Done:", "a lot"]}),
    ]
    code, shown = play(tmp_path, tasks)
    assert code == 0, shown
    lines = re.sub(r", \d+:\d\d$", "", shown, flags=re.M).splitlines()
    assert lines[:-1] == [
        "",
        "The play",
        "   1  ok        Everything is looked at: hydra (RMS)",
        "   2  changed   Things are done: hydra (RMS)",
        RULE,
        "   3            POINT OF NO RETURN: the old one is gone.",
        "                From here there is no way back. If this stops, or anything after it, run the same command again: it does what is left.",
        RULE,
        "   3  changed   POINT OF NO RETURN - the old one is gone: controller",
        "                The report: hydra (RMS)",
        "                Done:",
        "                a lot",
        "",
    ]
    assert re.fullmatch(r"ENDED WELL after \d:\d\d: 3 steps, 2 changed something\.", lines[-1])


WRONG = [
    task("It fails, and that is ignored", "command", "cat /nowhere", ignore_errors=True),
    task("It fails, and that is called a success", "command", "cat /nowhere", failed_when=False),
    task("Some of them fail", "command", "cat {{ item }}", loop=["/dev/null", "/nowhere"], ignore_errors=True),
    task("It does not answer, and that is ignored", "command", "true", vars=NOWHERE, ignore_unreachable=True),
    {
        "name": "A block",
        "block": [task("It fails, and is rescued", "fail", {"msg": "hydra: a step: something was found. Do this."})],
        "rescue": [task("The rescue", "command", "true")],
    },
    task("It fails at last", "fail", {"msg": ["Nothing was changed. 2 problem(s):", "hydra: one.", "argus: another."]}),
]


def test_no_failure_is_hidden_whatever_comes_after_it(tmp_path: Path) -> None:
    code, shown = play(tmp_path, WRONG)
    assert code == 2
    for words in (
        "   1  ignored   It fails, and that is ignored: hydra (RMS)",
        "stderr: cat: /nowhere: No such file or directory",
        "   2  ignored   It fails, and that is called a success: hydra (RMS)",
        "   3  ignored   Some of them fail: hydra (RMS)",
        "   3  changed   Some of them fail: hydra (RMS)",
        "   4  ignored   It does not answer, and that is ignored: hydra (RMS)",
        "   5  FAILED    It fails, and is rescued: hydra (RMS)",
        "                hydra: a step: something was found. Do this.",
        "   6  changed   The rescue: hydra (RMS)",
        "   7  FAILED    It fails at last: hydra (RMS)",
        "                hydra: one.\n                argus: another.\n",
        "  step 5 FAILED: It fails, and is rescued: hydra (RMS)\n  step 7 FAILED: It fails at last: hydra (RMS)\n",
        "What to do: fix the problems above",
    ):
        assert words in shown, shown
    assert re.search(r"STOPPED after \d:\d\d: 7 steps, 2 changed something\. It failed on hydra \(RMS\)\.", shown)


def test_a_host_that_does_not_answer_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    variables = {
        "ansible_connection": "{{ 'ssh' if inventory_hostname == 'hydra' else 'local' }}",
        "ansible_host": "127.0.0.1",
        "ansible_port": 1,
    }
    code, shown = play(tmp_path, [task("Work", "command", "true")], hosts="all", vars=variables)
    assert code == 4, shown
    assert "   1  NO ANSWER Work: hydra (RMS)" in shown, shown
    assert "   1  changed   Work: deathsting (management server)" in shown
    assert "It failed on hydra (RMS)." in shown


@pytest.mark.parametrize("verbosity", ["-v", "-vvvvv"])
def test_what_no_log_hides_stays_hidden(tmp_path: Path, verbosity: str) -> None:
    # Not in the playbook's text, which ansible-core may quote.
    (tmp_path / "secret.yml").write_text(yaml.safe_dump({"secret": SECRET}), encoding="utf-8")
    tasks = [
        task("A secret is used", "debug", {"msg": "{{ secret }}"}, no_log=True),
        task("Secrets are used", "debug", {"msg": "{{ item }}"}, loop=["{{ secret }}"], no_log=True),
        task("A secret fails", "fail", {"msg": "{{ secret }}"}, no_log=True, ignore_errors=True),
        task("Secrets fail", "fail", {"msg": "{{ item }}"}, loop=["{{ secret }}"], no_log=True),
    ]
    code, shown = play(tmp_path, tasks, verbosity, "-e", f"@{tmp_path / 'secret.yml'}")
    assert code == 2
    assert SECRET not in shown, shown
    assert "the output has been hidden due to the fact that 'no_log: true' was specified" in shown


def test_more_verbose_runs_show_results_and_warnings_are_always_shown(tmp_path: Path) -> None:
    tasks = [task("It is told", "command", "echo the-result"), task("A strange name", "group_by", {"key": "not-valid"})]
    _code, quiet = play(tmp_path, tasks)
    assert "the-result" not in quiet
    assert "[WARNING]: Invalid characters were found in group names" in quiet
    _code, shown = play(tmp_path, tasks, "-v")
    assert '"stdout": "the-result"' in shown


def test_differences_are_shown_and_a_check_is_called_one(tmp_path: Path) -> None:
    tasks = [
        task("A file is written", "copy", {"content": "the new line\n", "dest": str(tmp_path / "file")}),
        task("POINT OF NO RETURN - it is used", "file", {"path": str(tmp_path / "used"), "state": "touch"}),
    ]
    code, shown = play(tmp_path, tasks, "--check", "--diff")
    assert code == 0, shown
    assert "+the new line" in shown
    assert "POINT OF NO RETURN would be reached here: it is used. In check mode it is not passed." in shown
    assert re.search(
        r"CHECKED after \d:\d\d: 2 steps, 2 would change something\. Nothing was changed: this was a check\.", shown
    )


@pytest.mark.parametrize(("password", "is_announced"), [("eight or more", True), ("", False)])
def test_a_new_key_that_nothing_stands_in_the_way_of_is_announced(
    tmp_path: Path, password: str, is_announced: bool
) -> None:
    situation = lost()
    plan = {
        "target": "hydra",
        "servers": [{"item": "hydra", **situation["deathsting"]}],
        "database": {**situation["database"], "servers": [{"name": "deathsting", "roles": ["management_server"]}]},
        "new_key": {"command": SETUP},
        "escrow": str(tmp_path / "escrow"),
        "backup_password": password,
    }
    _code, shown = play(tmp_path, [{"name": "Decide", "opsmgr.recovery.rms_new_key_plan": plan}])
    assert ("hydra (new RMS) gets a new key" in shown) is is_announced, shown
    assert ("POINT OF NO RETURN ahead: the new key" in shown) is is_announced


def test_a_strategy_that_does_not_wait_loses_nothing(tmp_path: Path) -> None:
    tasks = [
        task("The first", "command", "sleep {{ 1 if inventory_hostname == 'hydra' else 0 }}"),
        task("The second", "fail", {"msg": "it failed"}),
    ]
    code, shown = play(tmp_path, tasks, hosts="all", strategy="ansible.builtin.free")
    assert code == 2
    for host in ("hydra (RMS)", "deathsting (management server)"):
        assert re.search(rf"changed   The first: .*{re.escape(host)}", shown), shown
        assert f"FAILED    The second: {host}" in shown


def test_there_are_no_control_characters_and_nothing_is_broken(tmp_path: Path) -> None:
    long = "a long sentence " * 20
    _code, shown = play(tmp_path, [task("It is long", "debug", {"msg": long})])
    assert long.strip() in shown
    assert re.findall(r"[\x00-\x09\x0b-\x1f\x7f]", shown) == []


INTERRUPTED_WHILE_IT_IS_TIDIED_UP = """
import os, signal, time
from ansible_collections.opsmgr.recovery.plugins.callback.runbook import _Ending

def tidy():
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.1)
    print("tidy", flush=True)

signal.signal(signal.SIGINT, signal.default_int_handler)
ending = _Ending(tidy, lambda interrupted: print("interrupted", interrupted, flush=True))
ending.expect()
os.kill(os.getpid(), signal.SIGINT)
time.sleep(60)
"""


INTERRUPTED_WHILE_IT_DRAWS = """
import os, signal, time
from ansible_collections.opsmgr.recovery.plugins.callback.runbook import CallbackModule

class Foot:
    def show(self):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.1)
        print("drawn", flush=True)

    def hide(self):
        print("hidden", flush=True)

# A process in the background is born with interruptions ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
callback = CallbackModule()
callback._foot = Foot()
callback._ending.expect()
try:
    callback._show_foot()
except KeyboardInterrupt:
    print("KeyboardInterrupt", flush=True)
    callback._ending.came()
"""


def run_python(program: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(COLLECTIONS), *sys.path])}
    return subprocess.run(
        [sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, check=False, text=True, timeout=50
    )


def test_an_interruption_waits_until_the_step_is_drawn() -> None:
    done = run_python(INTERRUPTED_WHILE_IT_DRAWS)
    assert done.stdout.splitlines() == ["drawn", "hidden", "KeyboardInterrupt"]
    assert done.returncode == 0


def test_a_second_interruption_waits_until_the_terminal_is_tidy_and_the_last_word_is_said() -> None:
    done = run_python(INTERRUPTED_WHILE_IT_IS_TIDIED_UP)
    assert done.stdout.splitlines() == ["tidy", "interrupted True"]
    assert done.returncode == -signal.SIGINT
