# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody at the keyboard reads when a drill cannot begin, and the table that a drill ends with. The drills
themselves: make matrix.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from unit.lab.opsmgr_prompt import own_network

from lab import drill
from lab.inventory import SERVER_LOG
from lab.lab import Lab
from lab.problems import explained
from lab.topologies import load_topology

TESTS = Path(__file__).parents[2]


@pytest.mark.parametrize("scenario", ["cluster", "no-key"])
def test_a_mode_that_a_scenario_does_not_have_is_refused(scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        drill.main(["--scenario", scenario, "--mode", "disaster"])
    assert ended.value.code == 2
    assert f"the scenario {scenario} has no mode disaster" in capsys.readouterr().err


def test_a_second_drill_leaves_the_first_one_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    running = tmp_path / "drill"
    running.mkdir()
    (running / SERVER_LOG).touch()
    with open(tmp_path / "drill.lock", "a", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert drill.main(["--directory", str(running)]) == 1
    assert (running / SERVER_LOG).exists()
    assert f"A drill runs in {running} already" in capsys.readouterr().err


def test_a_directory_with_other_things_in_it_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "thesis.txt").touch()
    assert drill.main(["--directory", str(tmp_path)]) == 1
    assert (tmp_path / "thesis.txt").exists()
    assert str(tmp_path) in capsys.readouterr().err


def test_a_place_where_nothing_can_be_written_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert drill.main(["--directory", "/proc/drill"]) == 1
    said = capsys.readouterr().err
    assert "/proc/drill" in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("number", "path", "words"),
    [
        (errno.EACCES, "/proc/1", ["/proc/1: Permission denied", "a checkout of your own"]),
        (errno.EROFS, "/etc/x", ["/etc/x: Read-only file system", "Use a directory that you can write to"]),
        (errno.ENOSPC, "/tmp/x", ["/tmp/x: No space left on device", "Free some space"]),
        (errno.EIO, "/tmp/x", ["/tmp/x: Input/output error"]),
    ],
)
def test_what_the_system_refuses_is_a_sentence(number: int, path: str, words: list[str]) -> None:
    said = explained(OSError(number, os.strerror(number), path))
    assert [word for word in words if word not in said] == []


def test_whose_a_directory_is_that_one_cannot_write_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = tmp_path.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    assert "(it is " in explained(OSError(errno.EACCES, "Permission denied", str(tmp_path / "lab")))


def lab_up(directory: Path, *arguments: str, within: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    command = [*within, sys.executable, "-m", "lab", "up", "--directory", str(directory), *arguments]
    return subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(TESTS)}, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(("host", "port"), [("hydra", 5985), ("deathsting", 5986), ("thunder", 1433)])
def test_a_port_that_is_taken_is_named(tmp_path: Path, host: str, port: int) -> None:
    network = own_network().replace("127.", "127.1")
    address = load_topology("odyssey", {}, network).hosts[host].address
    with socket.create_server((address, port)):
        up = lab_up(tmp_path / "lab", "--network", network)
    assert up.returncode == 1
    assert address in up.stderr
    assert str(port) in up.stderr
    assert "Bad file descriptor" not in up.stderr


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    mounts = (
        "unshare",
        "--mount",
        "--map-root-user",
        "sh",
        "-c",
        f'mount -t tmpfs -o size=4k tmpfs {tmp_path} && exec "$@"',
        "mounts",
    )
    if subprocess.run([*mounts, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no file system of its own can be mounted here")
    up = lab_up(tmp_path / "lab", "--network", own_network().replace("127.", "127.1"), within=mounts)
    assert up.returncode == 1
    assert "0 bytes are free" in up.stderr or "No space left on device" in up.stderr


def test_the_table_shows_the_virtual_server_of_a_cluster_as_the_rms() -> None:
    dump = Lab("odyssey-cluster", network=own_network()).dump()
    role, *_others = [
        line
        for line in drill.table(dump, dump, drill.CLUSTER_NODES).splitlines()
        if line.startswith("role by database")
    ]
    assert role.count("node of rmsvs, the RMS") == 4
