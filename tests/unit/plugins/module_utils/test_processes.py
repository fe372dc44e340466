# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a process still works: told only where it is known."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.opsmgr.recovery.plugins.module_utils import processes
from ansible_collections.opsmgr.recovery.plugins.module_utils.processes import (
    GONE,
    INITIAL_NAMESPACE,
    LEFT_CHILDREN,
    WORKS,
    Process,
)

if not Path("/proc/self/stat").exists():
    pytest.skip("There is no /proc", allow_module_level=True)


COLLECTIONS = Path(__file__).resolve().parents[4] / ".build" / "collections"


def own() -> Process:
    found = processes.describe_process(os.getpid())
    assert found is not None
    return found


def test_a_process_works_until_it_is_gone() -> None:
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    found = processes.describe_process(sleeper.pid)
    assert found is not None
    assert processes.look_for(found, own()) == WORKS
    assert processes.look_for(replace(found, started=found.started - 1), own()) == GONE
    sleeper.kill()
    deadline = time.monotonic() + 10
    while processes.look_for(found, own()) != GONE and time.monotonic() < deadline:
        time.sleep(0.01)
    assert processes.look_for(found, own()) == GONE, "one that nobody has waited for is gone, too"
    sleeper.wait()
    assert processes.look_for(found, own()) == GONE
    assert processes.describe_process(sleeper.pid) is None


FORKS = """
import os, sys, time
if not os.fork():
    os.setsid()
    time.sleep(60)
print(flush=True)
time.sleep(60)
"""


def test_what_a_killed_run_has_left_behind_still_works_for_it() -> None:
    run = subprocess.Popen([sys.executable, "-c", FORKS], stdout=subprocess.PIPE)
    assert run.stdout is not None
    run.stdout.readline()
    found = processes.describe_process(run.pid)
    assert found is not None
    run.kill()
    run.wait()
    assert processes.look_for(found, own()) == LEFT_CHILDREN
    assert processes.look_for(replace(found, command=0), own()) == GONE
    table = {entry.pid: entry for entry in processes._entries(processes.PROC)}
    [orphan] = processes._orphans(found, own(), table, processes.PROC)
    os.kill(orphan.pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while processes.look_for(found, own()) != GONE and time.monotonic() < deadline:
        time.sleep(0.01)
    assert processes.look_for(found, own()) == GONE


RERUN = """
import os
from dataclasses import replace
from ansible_collections.opsmgr.recovery.plugins.module_utils import processes

this = processes.describe_process(os.getpid())
killed = replace(this, pid=4194303, started=this.started - 1)
if os.fork():
    os.wait()
else:
    print(processes.look_for(killed, this), end="", flush=True)
"""


def test_ones_own_children_are_not_anothers() -> None:
    """A rerun has the same command line as the run that was killed, and so have the processes that it forks."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(COLLECTIONS), *sys.path])}
    assert (
        subprocess.run(
            [sys.executable, "-c", RERUN], env=environment, capture_output=True, text=True, check=True
        ).stdout
        == GONE
    )


@pytest.mark.parametrize(
    ("wanted", "answer"),
    [
        (replace(own(), boot="another", machine="another"), None),
        (replace(own(), namespace=5), None),
        (replace(own(), boot="another", namespace=INITIAL_NAMESPACE, machine=""), None),
    ],
)
def test_what_is_not_in_this_table_of_processes_cannot_be_told(wanted: Process, answer: str | None) -> None:
    assert processes.look_for(wanted, own()) is answer


def test_a_machine_that_was_started_again_has_no_process_of_before() -> None:
    before = Process("boot 1", INITIAL_NAMESPACE, "machine", 7, 1)
    after = Process("boot 2", INITIAL_NAMESPACE, "machine", 9, 1)
    assert before.ended_with_boot_before(after)
    for other in (
        replace(after, boot="boot 1"),
        replace(after, machine="another"),
        replace(after, namespace=8),
    ):
        assert not before.ended_with_boot_before(other)
    assert not replace(before, machine="").ended_with_boot_before(replace(after, machine=""))


def test_where_processes_of_others_are_hidden_nothing_is_gone(tmp_path: Path) -> None:
    """/proc with hidepid."""
    for pid, text in ((os.getpid(), "1 (x) S 0 " + "0 " * 17 + "5"),):
        folder = tmp_path / str(pid)
        folder.mkdir()
        (folder / "stat").write_text(text)
    (tmp_path / "sys/kernel/random").mkdir(parents=True)
    (tmp_path / "sys/kernel/random/boot_id").write_text("boot")
    (tmp_path / "self/ns").mkdir(parents=True)
    (tmp_path / "self/ns/pid").symlink_to("pid:[7]")
    here = processes.describe_process(os.getpid(), tmp_path)
    assert here is not None
    assert (here.boot, here.namespace, here.started) == ("boot", 7, 5)
    assert processes.look_for(replace(here, pid=99), here, tmp_path) is None


def test_where_there_is_no_proc_nothing_is_known(tmp_path: Path) -> None:
    assert processes.describe_process(os.getpid(), tmp_path) is None
    assert processes.look_for(own(), own(), tmp_path) is None
