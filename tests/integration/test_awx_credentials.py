# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What awx_setup has AWX hand to jobs is what the playbooks need: read from the stand-in, started as AWX starts jobs,
and run against the lab.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from string import printable

import pytest
from awx_jobs import run_template
from awx_playing import PLAYBOOKS, play, variables
from labs import StartLab, network
from playing import Player
from unit.plugins.plugin_utils.officers import Officer, hire

from awx_stand_in import StandIn
from lab.inventory import administrator
from lab.opsmgr.key import WrongPasswordError, unpack_backup
from lab.topologies.fleet import fleet

# To YAML an octal number, and to a person a password.
PASSWORD = "0123456701"
BACKUP = {"rms_key_backup_find_rms": True, "rms_key_backup_support_tools": True}
Fill = Callable[..., None]


@pytest.fixture
def awx(odyssey: Player, tmp_path: Path) -> Iterator[StandIn]:
    """AWX as awx_setup leaves it, with an officer's credential; accounts are filled in."""
    folder = tmp_path / "setup"
    folder.mkdir()
    with StandIn(f"{network()}.0.2", playbooks=PLAYBOOKS) as running:
        more = {
            "escrow": str(odyssey.escrow),
            "officer_credential": "Recovery officer",
            "failover_variables": {"rms_failover_stable_seconds": 2},
        }
        done = play(folder, variables(running, backup_variables=BACKUP, **more))
        assert done.ended_well, done.output
        account, login = administrator(odyssey.lab.topology.hosts["hydra"]), odyssey.lab.topology.sql.login
        fill(running, "Operations Manager Windows account", username=account.name, password=account.password)
        fill(running, "Operations Manager SQL login", username=login.name, password=login.password)
        yield running


def fill(awx: StandIn, credential: str, **inputs: str) -> None:
    """Do what people do in AWX."""
    awx.named("credentials", credential)["inputs"] = inputs


def certificates(officers: list[Officer]) -> str:
    return "".join(officer.certificate.read_text(encoding="ascii") for officer in officers)


def manifests(player: Player) -> list[dict[str, object]]:
    return [json.loads(path.read_text(encoding="utf-8")) for path in player.escrow.rglob("*.json")]


def test_a_backup_that_is_not_sealed_opens_with_the_password_that_was_written_down(
    odyssey: Player, awx: StandIn
) -> None:
    fill(awx, "Operations Manager key backup seal", backup_password=PASSWORD)
    job = run_template(odyssey, awx, "RMS key backup")
    assert job.returncode == 0, job.output
    [file] = odyssey.escrow.rglob("*.key")
    assert unpack_backup(file.read_bytes(), PASSWORD).key == odyssey.lab.groups["ODYSSEY"].key
    assert PASSWORD not in job.output + json.dumps(job.events)


@pytest.mark.soak
def test_a_backup_that_is_sealed_with_a_passphrase(odyssey: Player, awx: StandIn) -> None:
    fill(awx, "Operations Manager key backup seal", backup_password=PASSWORD, seal_passphrase="1.500000e+3")
    job = run_template(odyssey, awx, "RMS key backup")
    assert job.returncode == 0, job.output
    info = odyssey.task("key_escrow_info", "hydra", {"escrow": str(odyssey.escrow), "seal_passphrase": "1.500000e+3"})
    assert info["backups"][0]["verified"] == "opened"


@pytest.mark.soak
def test_a_backup_for_two_officers_and_a_failover_that_one_of_them_makes_possible(
    odyssey: Player, awx: StandIn, tmp_path: Path
) -> None:
    officers = [hire(tmp_path, "anna"), hire(tmp_path, "ben")]
    fill(awx, "Operations Manager key backup seal", backup_password=PASSWORD, seal_certificates=certificates(officers))
    fill(awx, "Recovery officer", private_key=officers[1].private_key.read_text(encoding="ascii"))
    backed_up = run_template(odyssey, awx, "RMS key backup")
    assert backed_up.returncode == 0, backed_up.output
    assert [len(manifest["recipients"]) for manifest in manifests(odyssey)] == [2]

    odyssey.lab.power("hydra", False)
    answers = {"rms_failover_target": "deathsting", "rms_failover_mode": "disaster"}
    before = odyssey.lab.dump()
    look = run_template(odyssey, awx, "RMS failover: look", workflow=True, **answers)
    assert look.returncode == 0, look.output
    assert odyssey.lab.dump() == before
    done = run_template(odyssey, awx, "RMS failover: do", workflow=True, **answers)
    assert done.returncode == 0, done.output
    assert odyssey.lab.dump()["groups"]["ODYSSEY"]["rms"].startswith("deathsting")
    assert PASSWORD not in backed_up.output + look.output + done.output


@pytest.mark.soak
def test_a_job_signs_its_backups_and_a_planted_one_is_not_restored(
    odyssey: Player, awx: StandIn, tmp_path: Path
) -> None:
    job_key, planter = hire(tmp_path, "job", "the job's own"), hire(tmp_path, "planter", "the job's own")

    def sign_as(signer: Officer) -> None:
        texts = {
            "signing_key": signer.private_key.read_text(encoding="ascii"),
            "signing_certificate": signer.certificate.read_text(encoding="ascii"),
        }
        fill(
            awx,
            "Operations Manager key backup seal",
            backup_password=PASSWORD,
            signing_key_passphrase="the job's own",
            **texts,
        )

    sign_as(planter)
    assert run_template(odyssey, awx, "RMS key backup").returncode == 0
    odyssey.lab.power("hydra", False)
    sign_as(job_key)
    answers = {"rms_failover_target": "deathsting", "rms_failover_mode": "disaster"}
    look = run_template(odyssey, awx, "RMS failover: look", workflow=True, **answers)
    assert look.returncode == 2, look.output
    odyssey.lab.power("hydra", True)
    assert run_template(odyssey, awx, "RMS key backup").returncode == 0
    odyssey.lab.power("hydra", False)
    look = run_template(odyssey, awx, "RMS failover: look", workflow=True, **answers)
    assert look.returncode == 0, look.output


def test_where_awx_works_no_templates_out_nothing_is_backed_up(odyssey: Player, awx: StandIn) -> None:
    fill(awx, "Operations Manager key backup seal", backup_password=PASSWORD)
    awx.settings["ALLOW_JINJA_IN_EXTRA_VARS"] = "never"
    job = run_template(odyssey, awx, "RMS key backup")
    assert (job.returncode, "Only On Job Template Definitions" in job.output) == (2, True), job.output
    assert [entry for entry in odyssey.lab.recorder.entries if entry["kind"] == "winrm"] == []


# What YAML, Ansible or Jinja might take for something else than a text.
TRAPS = (
    "0123456701", "1_000_0000", "0x1F2E3D4C", "12:34:56:07", "00000000", "123456.70", "1.500000e+3", "12345678", "0123456789", "2024-01-01", "0b10101010",
    "+.infinity", "-12345678", "falsefalse", "'0123456701'", '"12345678"', "{{ 7 * 7 }}", "{% raw %}x", "{# none #}", "['a', 'b']", "{'a': 'b'}", "!unsafe 12",
    "&anchor12", "*anchor12", "- - - - -", "? a: b: c", "| folded", "> literal", "%YAML 1.2", "a: b # c:", "~~~~~~~~", "nullnull", "#comment#", "@at@at@at",
    "`back`tick", " leading1", "trailing ", "$ANSIBLE_V", "\\\\n\\t\\x41", "%APPDATA%", "a^&b|c<d>", "!!binary a", "--help --v", "<<: merge", "=equals==",
)  # fmt: skip


def passwords(count: int) -> list[str]:
    """The traps, then numbers in all ways, then anything that can be typed; the same ones each time."""
    random = Random(12)
    signs, endings = "+-0 ", ("", ".0", "e5", "_0", ":59")
    numbers = [
        f"{random.choice(signs)}{random.randrange(10**7, 10**12)}{random.choice(endings)}".strip()
        for _number in range(count // 4)
    ]
    anything = ["".join(random.choices(printable[:95], k=random.randint(8, 30))) for _number in range(count)]
    return [*TRAPS, *numbers, *anything][:count]


@pytest.mark.parametrize(("hosts", "rounds"), [(25, 2), pytest.param(100, 5, marks=pytest.mark.soak)])
def test_every_password_reaches_the_tool_as_it_was_typed_in(
    start_lab: StartLab, tmp_path: Path, hosts: int, rounds: int
) -> None:
    player = start_lab(overrides=fleet(hosts))
    given = iter(passwords(hosts * rounds))
    (tmp_path / "setup").mkdir()
    with StandIn(f"{network()}.0.2", playbooks=PLAYBOOKS) as awx:
        done = play(
            tmp_path / "setup",
            variables(awx, escrow=str(player.escrow), backup_variables={"rms_key_backup_max_age": 0}),
        )
        assert done.ended_well, done.output
        for number in range(rounds):
            wanted = {host: next(given) for host in sorted(player.lab.hosts) if "rms" in host or host == "hydra"}
            job = run_template(
                player,
                awx,
                "RMS key backup",
                each={host: {"backup_password": password} for host, password in wanted.items()},
            )
            assert job.returncode == 0, job.output
            changed = [
                host
                for host, password in wanted.items()
                if opened(player, host, number, password) != player.lab.groups[group_of(player, host)].key
            ]
            assert changed == [], [wanted[host] for host in changed]


def group_of(player: Player, host: str) -> str:
    group = player.lab.topology.hosts[host].group
    assert group is not None
    return group


def opened(player: Player, host: str, number: int, password: str) -> bytes | None:
    """The key in a host's backup of this round, by the lab's own means; None if it does not open."""
    file = sorted((player.escrow / group_of(player, host)).rglob("*.key"))[number]
    try:
        return unpack_backup(file.read_bytes(), password).key
    except WrongPasswordError:
        return None
