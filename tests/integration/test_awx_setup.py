# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""awx_setup against a stand-in of AWX: what it makes, what it leaves alone, what it refuses, and that it says the truth before."""

from __future__ import annotations

import fcntl
import json
import os
import pickle
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from awx_playing import ESCROW, PLAYBOOKS, named, play, variables
from labs import network
from playing import REPOSITORY, Player, Run

from awx_stand_in import StandIn

GUIDE = (REPOSITORY / "docs" / "AWX.md").read_text(encoding="utf-8")
# The guide's awx.yml is what is tested.
GIVEN: dict[str, Any] = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)[0])
SECRETS = {
    "awx_setup_windows_password": "Nausicaa's {{ pass }} 1",
    "awx_setup_sql_password": "Calypso & 'co' 2",
    "awx_setup_backup_password": 'Polyphemus "3"',
    "awx_setup_seal_passphrase": "Penelope %4%",
}
WINDOWS, SQL, SEAL = "Operations Manager Windows account", "Operations Manager SQL login", "Operations Manager key backup seal"
DO = [("RMS failover: do", "rms_failover_target"), ("RMS failback: do", "rms_failback_target")]


@pytest.fixture
def awx() -> Iterator[StandIn]:
    with StandIn(f"{network()}.0.2", playbooks=PLAYBOOKS, local_paths=("fleet",)) as running:
        yield running
        assert running.strangers == []
        assert running.tokens == [], "a login was not given back"


def again(awx: StandIn, **more: Any) -> dict[str, Any]:
    """What the guide says, with the secrets that may be given, and more."""
    return {**GIVEN, **SECRETS, **named(**{"host": awx.url, "oauth_token": awx.token, **more})}


@dataclass
class First:
    """The first check and the first run against an empty AWX, and what they left. Made once, and kept in a file for all workers."""

    checked: Run
    changes_of_check: list[str]
    done: Run
    kept: dict[str, Any]


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> First:
    base = tmp_path_factory.getbasetemp()
    file = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "awx_setup.pickle"
    with file.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not file.exists():
            file.write_bytes(pickle.dumps(set_up_first(tmp_path_factory.mktemp("awx"))))
        made: First = pickle.loads(file.read_bytes())
        return made


def set_up_first(folder: Path) -> First:
    with StandIn(f"{network()}.0.3", playbooks=PLAYBOOKS) as awx:
        given = again(awx)
        checked = play(folder, given, check=True, verbosity=4)
        changes = list(awx.changes)
        done = play(folder, given, verbosity=4)
        assert (awx.strangers, awx.tokens) == ([], [])
        assert done.ended_well, done.output
        return First(checked, changes, done, awx.dump())


@pytest.fixture
def set_up(awx: StandIn, first: First) -> StandIn:
    """AWX after the first run."""
    awx.load(first.kept)
    return awx


def test_check_mode_changes_nothing_and_predicts_and_a_second_run_has_nothing_to_do(set_up: StandIn, first: First, tmp_path: Path) -> None:
    assert first.checked.ended_well, first.checked.output
    assert (first.changes_of_check, first.checked.changed > 0) == ([], True)
    [predicted] = first.checked.results("These would be made, or changed to refer to what would be made")
    assert predicted["msg"] == [
        "execution environment", "project", "inventory", "inventory source", "credentials", "job templates", "workflows", "schedules",
    ]  # fmt: skip
    for check in (True, False):
        run = play(tmp_path, again(set_up), check=check)
        assert run.ended_well, run.output
        assert (run.changed, set_up.changes) == (0, [])


def test_no_secret_is_seen_anywhere(set_up: StandIn, first: First) -> None:
    inputs = {name: set_up.named("credentials", name)["inputs"] for name in (WINDOWS, SQL, SEAL)}
    assert [inputs[WINDOWS]["password"], inputs[SQL]["password"], *inputs[SEAL].values()] == list(SECRETS.values()), "AWX has them"
    text = first.checked.output + first.done.output + json.dumps([first.checked.events, first.done.events])
    for secret in (*SECRETS.values(), set_up.token):
        for form in (secret, json.dumps(secret)[1:-1], json.dumps(json.dumps(secret)[1:-1])[1:-1]):
            assert form not in text


def test_the_job_templates_do_what_they_say(set_up: StandIn) -> None:
    names = {item["name"]: item for item in set_up.objects["job_templates"].values()}
    ids = {name: set_up.named("credentials", name)["id"] for name in (WINDOWS, SQL, SEAL)}
    looks = {"RMS failover: look": "rms_failover", "RMS failback: look": "rms_failback"}
    does = {"RMS failover: do": "rms_failover", "RMS failback: do": "rms_failback"}
    others = {"RMS key backup": "rms_key_backup", "Repoint to the RMS": "repoint"}
    assert {name: item["playbook"] for name, item in names.items()} == {name: f"playbooks/{book}.yml" for name, book in {**looks, **does, **others}.items()}
    assert {name for name, item in names.items() if item["job_type"] == "check"} == set(looks)
    for name, item in names.items():
        has = set(set_up.members("job_templates", item["id"], "credentials"))
        assert has == set(ids.values()) - ({ids[SEAL]} if name == "Repoint to the RMS" else set())
        assert (item["inventory"], item["execution_environment"] is None, item["allow_simultaneous"]) == (names["RMS key backup"]["inventory"], False, False)
        assert item["ask_variables_on_launch"] is False, "nobody slips a confirmation in"
    backup = names["RMS key backup"]
    own = {name: value for name, value in json.loads(backup["extra_vars"]).items() if "{{" not in str(value)}
    assert own == {"rms_key_backup_max_age": 20, **GIVEN["awx_setup_backup_variables"], "rms_key_backup_escrow": ESCROW}
    assert (backup["job_slice_count"], backup["ask_limit_on_launch"], backup["forks"]) == (1, True, 20)


def test_all_that_jobs_are_given_are_variables_of_the_roles(set_up: StandIn) -> None:
    known = {"ansible_user", "ansible_password", "opsmgr_sql_login_user", "opsmgr_sql_login_password", "rms_failback_target", "repoint_rms"}
    for specification in (REPOSITORY / "roles").glob("*/meta/argument_specs.yml"):
        known |= set(yaml.safe_load(specification.read_text(encoding="utf-8"))["argument_specs"]["main"]["options"])
    own_types = [item for item in set_up.objects["credential_types"].values() if not item.get("managed")]
    templates = [json.loads(item["extra_vars"]) for item in set_up.objects["job_templates"].values()]
    injected = {name for variables in templates for name in variables} - {"opsmgr_awx_templates"}
    asked = {question["variable"] for survey in set_up.surveys.values() for question in survey["spec"]}
    assert injected | asked <= known
    assert {"rms_key_backup_seal_certificates", "rms_failover_mode"} <= injected | asked
    for item in own_types:
        secret = {field["id"] for field in item["inputs"]["fields"] if field.get("secret")}
        assert secret == {field["id"] for field in item["inputs"]["fields"] if re.search("pass|private", field["id"])}


@pytest.mark.parametrize("name", ["RMS failover", "RMS failback"])
def test_the_workflow_looks_then_asks_a_person_then_acts(set_up: StandIn, name: str) -> None:
    workflow = set_up.named("workflow_job_templates", name)
    nodes = {node["identifier"]: node for node in set_up.objects["workflow_job_template_nodes"].values() if node["workflow_job_template"] == workflow["id"]}

    def after(node: str, outcome: str) -> list[str]:
        following = set_up.members("workflow_job_template_nodes", nodes[node]["id"], f"{outcome}_nodes")
        return [identifier for identifier, other in nodes.items() if other["id"] in following]

    assert {node: after(node, "success") for node in nodes} == {"look": ["approve"], "approve": ["do"], "do": []}
    assert [after(node, outcome) for node in nodes for outcome in ("failure", "always")] == [[]] * 6
    for node in ("look", "do"):
        assert nodes[node]["unified_job_template"] == set_up.named("job_templates", f"{name}: {node}")["id"]
    approval = set_up.objects["workflow_approval_templates"][nodes["approve"]["unified_job_template"]]
    assert (approval["timeout"], "point of no return" in approval["description"]) == (3600, True)
    surveys = [set_up.surveys["workflow_job_templates", workflow["id"]]]
    surveys += [set_up.surveys["job_templates", nodes[node]["unified_job_template"]] if node != "approve" else surveys[0] for node in nodes]
    assert all(survey == surveys[0] for survey in surveys), "each job knows what the workflow was asked"


@pytest.mark.parametrize(("name", "target"), DO)
def test_only_a_workflow_gives_the_confirmation(set_up: StandIn, tmp_path: Path, name: str, target: str) -> None:
    (tmp_path / "template.json").write_text(set_up.named("job_templates", name)["extra_vars"], encoding="utf-8")
    show = {"name": "Show", "ansible.builtin.debug": {"msg": "{{ rms_failover_confirm }} in {{ rms_failover_escrow }}"}}
    (tmp_path / "show.yml").write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": [show]}]), encoding="utf-8")
    arguments = ["-i", "localhost,", "-e", f"@{tmp_path / 'template.json'}", "-e", f"{target}=deathsting", str(tmp_path / "show.yml")]
    (tmp_path / "alone").mkdir()
    (tmp_path / "workflow").mkdir()
    alone = Player.run_ansible(tmp_path / "alone", arguments)
    in_workflow = Player.run_ansible(tmp_path / "workflow", ["-e", "awx_workflow_job_id=7", *arguments])
    assert [run.results("Show")[0]["msg"] for run in (alone, in_workflow)] == [f" in {ESCROW}", f"deathsting in {ESCROW}"]


def test_the_schedules_and_the_escrow_outlive_a_night(set_up: StandIn) -> None:
    schedules = {item["name"]: (item["unified_job_template"], item["rrule"]) for item in set_up.objects["schedules"].values()}
    daily = "DTSTART:20260101T0{}00Z RRULE:FREQ=DAILY;INTERVAL=1"
    assert schedules == {
        "Fetch the project": (set_up.named("projects", "Operations Manager recovery")["id"], daily.format("100")),
        "Read the inventory": (set_up.named("inventory_sources", "Operations Manager servers from the project")["id"], daily.format("130")),
        "Back up the RMS keys": (set_up.named("job_templates", "RMS key backup")["id"], daily.format("200")),
    }
    assert set_up.settings["AWX_ISOLATION_SHOW_PATHS"] == [f"{ESCROW}:{ESCROW}:z"]
    project, source = (set_up.named(kind, name) for kind, name in (
        ("projects", "Operations Manager recovery"), ("inventory_sources", "Operations Manager servers from the project"),
    ))  # fmt: skip
    assert set_up.updates == [project["id"], source["id"]], "fetched and read once, so that the first job has hosts"


@pytest.mark.soak
def test_what_was_changed_is_set_right_and_what_belongs_to_people_is_left(set_up: StandIn, tmp_path: Path) -> None:
    backup, workflow = set_up.named("job_templates", "RMS key backup"), set_up.named("workflow_job_templates", "RMS failover")
    wanted = set_up.dump()
    set_up.surveys["workflow_job_templates", workflow["id"]]["spec"].pop()
    set_up.lists["job_templates", backup["id"], "credentials"].pop()
    set_up.named("job_templates", "RMS failover: look")["job_type"] = "run"
    set_up.named("credentials", WINDOWS)["inputs"] = wanted_inputs = {"username": "ODYSSEY\\telemachus", "password": "typed in in AWX"}
    set_up.settings["AWX_ISOLATION_SHOW_PATHS"] = ["/etc/pki", f"/exports/keys:{ESCROW}:rw"]
    given = again(set_up, slices=3, backup_variables={}, backup_rrule="")
    checked = play(tmp_path, given, check=True)
    assert (checked.ended_well, set_up.changes) == (True, []), checked.output
    run = play(tmp_path, given)
    assert run.ended_well, run.output
    assert checked.changed == run.changed == 4
    assert set_up.surveys == wanted["surveys"]
    assert (backup["job_slice_count"], len(set_up.members("job_templates", backup["id"], "credentials"))) == (3, 3)
    assert set_up.named("job_templates", "RMS failover: look")["job_type"] == "check"
    assert set_up.named("credentials", WINDOWS)["inputs"] == wanted_inputs
    assert set_up.settings["AWX_ISOLATION_SHOW_PATHS"] == ["/etc/pki", f"/exports/keys:{ESCROW}:rw"]
    assert "Back up the RMS keys" not in [item["name"] for item in set_up.objects["schedules"].values()]


def test_a_manual_project_without_credentials_with_a_password_to_log_in(awx: StandIn, tmp_path: Path) -> None:
    given = {
        **variables(awx, oauth_token="", username=awx.username, password=awx.password, project_url="", project_local_path="fleet", playbooks="playbooks"),
        **{f"awx_setup_{name}_credential": "" for name in ("windows", "sql", "seal")},
        "awx_setup_backup_variables": {"rms_key_backup_find_rms": True, "rms_key_backup_max_age": 12},
    }
    run = play(tmp_path, given, verbosity=4)
    assert run.ended_well, run.output
    assert awx.password not in run.output + json.dumps(run.events)
    assert (awx.objects["credentials"], awx.objects["inventory_sources"], awx.objects["execution_environments"]) == ({}, {}, {})
    assert [item["name"] for item in awx.objects["schedules"].values()] == ["Back up the RMS keys"]
    extra_vars = json.loads(awx.named("job_templates", "RMS key backup")["extra_vars"])
    assert extra_vars == {"rms_key_backup_find_rms": True, "rms_key_backup_max_age": 12, "rms_key_backup_escrow": ESCROW}
    assert awx.settings["AWX_ISOLATION_SHOW_PATHS"] == []


@pytest.mark.soak
@pytest.mark.parametrize("task", ["The project", "The credentials are there", "Fail over", "The approval leads to it"])
def test_cut_off_the_next_run_goes_on(awx: StandIn, first: First, tmp_path: Path, task: str) -> None:
    assert play(tmp_path, again(awx), cut=f"{task}+1").returncode < 0
    run = play(tmp_path, again(awx))
    assert run.ended_well, run.output
    assert {name: len(items) for name, items in awx.objects.items()} == {name: len(items) for name, items in first.kept["objects"].items()}
    assert play(tmp_path, again(awx)).changed == 0


def test_all_that_cannot_work_is_refused_at_once_before_awx_is_asked(awx: StandIn, tmp_path: Path) -> None:
    given = variables(
        awx,
        host="",
        oauth_token="",
        project_local_path="fleet",
        escrow="keys",
        slices=2,
        backup_variables={"rms_key_backup_find_rms": "yes", "rms_key_backup_report": "/srv/keys.html", "rms_key_backup_password": "in the open"},
        seal_passphrase="a passphrase",
        seal_certificates="-----BEGIN CERTIFICATE-----",
    )
    run = play(tmp_path, given)
    assert run.returncode == 2
    [result] = run.results("Nothing stands in the way")
    assert result["msg"] == [
        "Nothing was changed. 8 problem(s):",
        "No AWX is named. Set awx_setup_host, or the environment variable CONTROLLER_HOST, to its address.",
        "No login is given. Set awx_setup_oauth_token, or awx_setup_username and awx_setup_password.",
        "One of awx_setup_project_url and awx_setup_project_local_path must be set, and both are.",
        "awx_setup_escrow is 'keys'. Set it to an absolute path without a colon: what a job writes elsewhere is lost when it ends.",
        "rms_key_backup_find_rms needs one slice, and awx_setup_slices is 2: a slice does not see the other servers of a management group.",
        "rms_key_backup_report needs one slice, and awx_setup_slices is 2: each slice would replace the report of the others.",
        "awx_setup_seal_passphrase and awx_setup_seal_certificates are both set. A backup has one seal: set one of them.",
        "rms_key_backup_password is a secret, and everybody who may read a job template would see it. Take it out of awx_setup_*_variables: "
        "credentials hold secrets.",
    ]
    assert awx.changes == []


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"oauth_token": "", "username": "admin", "password": "wrong"}, "Failed to get token: HTTP Error 401: Unauthorized"),
        ({"oauth_token": "outdated"}, "Invalid authentication credentials for /api/v2/organizations/ (HTTP 401)."),
        ({"host": "http://127.0.0.1:9"}, "Connection refused"),
    ],
)
def test_awx_that_does_not_answer_or_does_not_take_the_login(awx: StandIn, tmp_path: Path, more: dict[str, str], reason: str) -> None:
    run = play(tmp_path, variables(awx, **more))
    assert run.returncode == 2
    [failure] = run.failures
    assert failure.startswith(f"Nothing was changed. {more.get('host', awx.url)}: have the organization Default: ")
    assert reason in failure
    assert failure.endswith("See that awx_setup_host is the address of AWX, and that its login may change this organization.")
    assert "Traceback" not in run.output


def test_without_the_collection_one_sentence_says_what_to_install(awx: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "collections" / "ansible_collections" / "opsmgr"
    place.mkdir(parents=True)
    (place / "recovery").symlink_to(REPOSITORY)
    monkeypatch.setenv("ANSIBLE_COLLECTIONS_PATH", str(tmp_path / "collections"))
    run = play(tmp_path, variables(awx))
    assert run.returncode == 2
    assert run.results("Nothing stands in the way")[0]["msg"] == [
        "Nothing was changed. 1 problem(s):",
        "The collection awx.awx is missing. Install it: ansible-galaxy collection install awx.awx",
    ]
    assert len(run.failures) == 1


def test_the_playbooks_of_the_guide_are_playbooks_to_awx_and_to_ansible(tmp_path: Path) -> None:
    [commands] = re.findall(r"(?:^    .*\n)*^    for name in .*\n(?:^    .*\n)*", GUIDE, re.MULTILINE)
    subprocess.run(["bash", "-euc", commands], cwd=tmp_path, check=True, timeout=60)
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.yml")) == sorted(PLAYBOOKS)
    for path in PLAYBOOKS:
        # What AWX looks for in a file to call it a playbook.
        assert re.search(r"^\s*?-?\s*?(?:hosts|(ansible\.builtin\.)?import_playbook):", (tmp_path / path).read_text(encoding="utf-8"), re.MULTILINE)
        folder = tmp_path / Path(path).stem
        folder.mkdir()
        run = Player.run_ansible(folder, ["-i", "localhost,", "--syntax-check", str(tmp_path / path)])
        assert run.ended_well, run.output
