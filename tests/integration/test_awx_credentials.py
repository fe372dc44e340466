# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What awx_setup has AWX hand to jobs is what the playbooks need: read from the stand-in, filled in as AWX does, and run against the lab."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from awx_playing import PLAYBOOKS, play, unsafe, variables
from jinja2.sandbox import ImmutableSandboxedEnvironment
from labs import network
from playing import PASSWORD, Player, Run
from unit.plugins.plugin_utils.officers import Officer, hire

from awx_stand_in import StandIn
from lab.inventory import administrator

Inputs = dict[str, dict[str, str]]


def injected(kind: dict[str, Any], inputs: dict[str, str], folder: Path) -> dict[str, Any]:
    """The extra variables of a credential. A field that is empty is none, and a file is written."""
    environment, names = ImmutableSandboxedEnvironment(), {name: value for name, value in inputs.items() if value}
    if "file" in kind["injectors"]:
        path = folder / "credential"
        path.write_text(environment.from_string(kind["injectors"]["file"]["template"]).render(names), encoding="utf-8")
        names["tower"] = SimpleNamespace(filename=str(path))  # type: ignore[assignment]
    return {name: environment.from_string(template).render(names) for name, template in kind["injectors"]["extra_vars"].items()}


def run_job(player: Player, awx: StandIn, name: str, inputs: Inputs, **answers: Any) -> Run:
    """Run a job template's playbook as AWX would: its variables, then the answers, then its credentials."""
    template = awx.named("job_templates", name)
    given = {**json.loads(template["extra_vars"]), **unsafe(answers)}
    for credential in awx.members("job_templates", template["id"], "credentials"):
        kind = awx.objects["credential_types"][awx.objects["credentials"][credential]["credential_type"]]
        given.update(unsafe(injected(kind, inputs[kind["name"]], player.directory)))
    return player.play(template["playbook"], check=template["job_type"] == "check", only=given)


def inputs_of(player: Player, officers: list[Officer]) -> Inputs:
    """What people fill in in AWX."""
    account, login = administrator(player.lab.topology.hosts["hydra"]), player.lab.topology.sql.login
    return {
        "Operations Manager Windows": {"username": account.name, "password": account.password},
        "Operations Manager SQL": {"username": login.name, "password": login.password},
        "Operations Manager key backup": {
            "backup_password": PASSWORD,
            "seal_certificates": "".join(officer.certificate.read_text(encoding="ascii") for officer in officers),
        },
        "Operations Manager recovery officer": {"private_key": officers[1].private_key.read_text(encoding="ascii")},
    }


@pytest.mark.soak
def test_a_backup_for_two_officers_and_a_failover_that_one_of_them_makes_possible(odyssey: Player, tmp_path: Path) -> None:
    officers = [hire(tmp_path, "anna"), hire(tmp_path, "ben")]
    inputs = inputs_of(odyssey, officers)
    folder = tmp_path / "setup"
    folder.mkdir()
    with StandIn(f"{network()}.0.2", playbooks=PLAYBOOKS) as awx:
        more = {"escrow": str(odyssey.escrow), "officer_credential": "Recovery officer", "failover_variables": {"rms_failover_stable_seconds": 2}}
        backup = {"rms_key_backup_find_rms": True, "rms_key_backup_support_tools": True}
        assert play(folder, variables(awx, backup_variables=backup, **more)).ended_well

        backed_up = run_job(odyssey, awx, "RMS key backup", inputs)
        assert backed_up.ended_well, backed_up.output
        [manifest] = [json.loads(path.read_text(encoding="utf-8")) for path in odyssey.escrow.rglob("*.json")]
        assert len(manifest["recipients"]) == 2

        odyssey.lab.power("hydra", False)
        answers = {"rms_failover_target": "deathsting", "rms_failover_mode": "disaster"}
        before = odyssey.lab.dump()
        look = run_job(odyssey, awx, "RMS failover: look", inputs, **answers)
        assert look.ended_well, look.output
        assert odyssey.lab.dump() == before
        done = run_job(odyssey, awx, "RMS failover: do", inputs, **answers, awx_workflow_job_id=7)
        assert done.ended_well, done.output
    assert odyssey.lab.dump()["groups"]["ODYSSEY"]["rms"].startswith("deathsting")
    assert PASSWORD not in backed_up.output + look.output + done.output
