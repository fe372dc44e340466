# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks as jobs of AWX: sliced or not, and with an escrow that outlives the job or does not."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from awx_jobs import Job, run_job, run_sliced
from labs import StartLab
from playing import PASSWORD, Player

from lab.drill import unproven
from lab.opsmgr.key import unpack_backup
from lab.topologies.fleet import fleet

GROUPS = 8


def variables(**more: Any) -> dict[str, Any]:
    return {"rms_key_backup_password": PASSWORD, "rms_key_backup_support_tools": True, **more}


def keys_in(escrow: Path) -> dict[str, bytes]:
    """The key of each management group in an escrow that is not sealed, by the lab's own means."""
    backups = [unpack_backup(path.read_bytes(), PASSWORD) for path in escrow.rglob("*.key")]
    assert len(backups) == len({backup.group for backup in backups})
    return {backup.group: backup.key for backup in backups}


def seen(jobs: list[Job]) -> str:
    return "".join(job.output + json.dumps(job.events) for job in jobs)


def temporary() -> set[Path]:
    return set(Path(tempfile.gettempdir()).glob("key_escrow.*"))


@pytest.mark.parametrize(
    "slices", [pytest.param(1, marks=pytest.mark.soak), pytest.param(2, marks=pytest.mark.soak), 7]
)
def test_however_a_job_is_sliced_the_escrow_is_the_same(start_lab: StartLab, slices: int) -> None:
    player = start_lab(overrides=fleet(GROUPS))
    mounted = variables(rms_key_backup_escrow=str(player.escrow))
    jobs = run_sliced(player, "rms_key_backup", mounted, slices)
    assert [job.returncode for job in jobs] == [0] * slices, seen(jobs)
    assert keys_in(player.escrow) == {name: group.key for name, group in player.lab.groups.items()}
    assert PASSWORD not in seen(jobs)
    again = run_sliced(player, "rms_key_backup", mounted, slices)
    assert [job.stats["changed"] for job in again] == [{}] * slices
    assert len(keys_in(player.escrow)) == GROUPS


def test_an_escrow_that_is_lost_with_the_job_is_refused(odyssey: Player) -> None:
    job = run_job(odyssey, "rms_key_backup", variables())
    assert job.returncode == 2
    assert "Nothing was done. The escrow" in job.output
    assert "would be lost with this job: it lies in the private directory of the job" in job.output
    assert [entry for entry in odyssey.lab.recorder.entries if entry["kind"] == "winrm"] == []


def sink_of(folder: Path) -> dict[str, Any]:
    return variables(
        rms_key_backup_sink_store=["cp", "--recursive", "--no-clobber", "{escrow}/.", str(folder)],
        rms_key_backup_sink_fetch=["cp", "--recursive", f"{folder}/.", "{escrow}"],
    )


def test_a_sink_keeps_what_the_job_would_lose(odyssey: Player) -> None:
    sink = odyssey.directory / "sink"
    before = temporary()
    absent = run_job(odyssey, "rms_key_backup", sink_of(sink))
    assert (
        absent.returncode,
        "Nothing was done. The backups could not be fetched from the sink: cp ended with 1:" in absent.output,
    ) == (2, True)
    sink.mkdir()
    checked = run_job(odyssey, "rms_key_backup", sink_of(sink), check=True)
    assert (checked.returncode, list(sink.iterdir())) == (0, []), checked.output
    assert "hydra, ODYSSEY 6.0.6278.0: would be made" in checked.output
    first = run_job(odyssey, "rms_key_backup", sink_of(sink))
    assert first.returncode == 0, first.output
    assert keys_in(sink) == {"ODYSSEY": odyssey.lab.groups["ODYSSEY"].key}
    assert "Escrow: the sink" in first.output
    second = run_job(odyssey, "rms_key_backup", sink_of(sink))
    assert (second.returncode, second.stats["changed"]) == (0, {})
    assert "left as it is" in second.output
    assert temporary() == before


def test_what_a_sink_does_not_take_is_a_failure_that_says_so(odyssey: Player) -> None:
    sink = odyssey.directory / "sink"
    sink.mkdir()
    deaf = {**sink_of(sink), "rms_key_backup_sink_store": ["sh", "-c", "echo the vault is full >&2; exit 9"]}
    job = run_job(odyssey, "rms_key_backup", deaf)
    assert job.returncode == 2
    assert "there is no backup of management group ODYSSEY" in job.output
    assert "The sink: sh failed: the vault is full. Fix the cause, then rerun." in job.output
    one_half = {**sink_of(sink), "rms_key_backup_sink_fetch": []}
    assert (
        "A sink needs both rms_key_backup_sink_store and rms_key_backup_sink_fetch"
        in run_job(odyssey, "rms_key_backup", one_half).output
    )


def test_a_failover_is_a_job(odyssey: Player) -> None:
    job = run_job(odyssey, "rms_failover", {**odyssey.variables, "ansible_winrm_read_timeout_sec": 90})
    assert job.returncode == 0, job.output
    assert unproven(odyssey.lab.dump()) == []
    assert PASSWORD not in seen([job])
