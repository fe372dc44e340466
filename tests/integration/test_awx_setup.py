# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""awx_setup against a stand-in of AWX: what it makes, what it corrects, what it leaves alone, what it refuses, and
that it says the truth before.
"""

from __future__ import annotations

import fcntl
import json
import os
import pickle
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from awx_playing import ESCROW, PLAYBOOKS, named, play, variables
from labs import network
from playing import REPOSITORY, Player, Run

from awx_stand_in import StandIn
from awx_stand_in.people import Person

GUIDE = (REPOSITORY / "docs" / "AWX.md").read_text(encoding="utf-8")
# The guide's awx.yml is what is tested.
GIVEN: dict[str, Any] = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)[0])
SECRETS = {
    "windows": {"username": "ODYSSEY\\opsadmin", "password": "Nausicaa's {{ pass }} 1"},
    "sql": {"username": "sa", "password": "Calypso & 'co' 2"},
    "seal": {"backup_password": 'Polyphemus "3"', "seal_passphrase": "Penelope %4%"},
}
WINDOWS, SQL, SEAL = (
    "Operations Manager Windows account",
    "Operations Manager SQL login",
    "Operations Manager key backup seal",
)
DO = [("RMS failover: do", "rms_failover_target"), ("RMS failback: do", "rms_failback_target")]


@pytest.fixture
def awx() -> Iterator[StandIn]:
    with StandIn(f"{network()}.0.2", playbooks=PLAYBOOKS, local_paths=("fleet",)) as running:
        yield running
        assert running.strangers == []


def again(awx: StandIn, **more: Any) -> dict[str, Any]:
    """What the guide says, with the secrets that may be given, and more."""
    return {**GIVEN, **named(**{"credential_inputs": SECRETS, "host": awx.url, "oauth_token": awx.token, **more})}


@dataclass
class First:
    """The first check and the first run against an empty AWX, and what they left. Made once, and kept in a file for all
    workers.
    """

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
        assert awx.strangers == []
        assert done.ended_well, done.output
        return First(checked, changes, done, awx.dump())


@pytest.fixture
def set_up(awx: StandIn, first: First) -> StandIn:
    """AWX after the first run."""
    awx.load(first.kept)
    return awx


def test_check_mode_changes_nothing_and_predicts_and_a_second_run_has_nothing_to_do(
    set_up: StandIn, first: First, tmp_path: Path
) -> None:
    assert first.checked.ended_well, first.checked.output
    assert (first.changes_of_check, first.checked.changed > 0) == ([], True)
    [predicted], [done] = (run.results("Configure AWX") for run in (first.checked, first.done))
    assert predicted["steps"] == done["steps"]
    named = {
        "make project Operations Manager recovery",
        "make job template RMS key backup",
        "make team On call",
        "change setting AWX_ISOLATION_SHOW_PATHS",
    }
    assert named <= set(done["steps"])
    for check in (True, False):
        run = play(tmp_path, again(set_up), check=check)
        assert run.ended_well, run.output
        assert (run.changed, set_up.changes) == (0, [])


def test_no_secret_is_seen_anywhere(set_up: StandIn, first: First) -> None:
    inputs = {name: set_up.named("credentials", name)["inputs"] for name in (WINDOWS, SQL, SEAL)}
    assert list(inputs.values()) == list(SECRETS.values()), "AWX has them"
    text = first.checked.output + first.done.output + json.dumps([first.checked.events, first.done.events])
    secrets = [given for filled in SECRETS.values() for name, given in filled.items() if name != "username"]
    for secret in (*secrets, set_up.token):
        for form in (secret, json.dumps(secret)[1:-1], json.dumps(json.dumps(secret)[1:-1])[1:-1]):
            assert form not in text


def test_the_job_templates_do_what_they_say(set_up: StandIn) -> None:
    names = {item["name"]: item for item in set_up.objects["job_templates"].values()}
    ids = {name: set_up.named("credentials", name)["id"] for name in (WINDOWS, SQL, SEAL)}
    looks = {"RMS failover: look": "rms_failover", "RMS failback: look": "rms_failback"}
    does = {"RMS failover: do": "rms_failover", "RMS failback: do": "rms_failback"}
    others = {"RMS key backup": "rms_key_backup", "Repoint to the RMS": "repoint"}
    assert {name: item["playbook"] for name, item in names.items()} == {
        name: f"playbooks/{book}.yml" for name, book in {**looks, **does, **others}.items()
    }
    assert {name for name, item in names.items() if item["job_type"] == "check"} == set(looks)
    for name, item in names.items():
        has = set(set_up.members("job_templates", item["id"], "credentials"))
        assert has == set(ids.values()) - ({ids[SEAL]} if name == "Repoint to the RMS" else set())
        assert (item["inventory"], item["execution_environment"] is None, item["allow_simultaneous"]) == (
            names["RMS key backup"]["inventory"],
            False,
            False,
        )
        assert item["ask_variables_on_launch"] is False, "nobody slips a confirmation in"
    backup = names["RMS key backup"]
    own = {name: value for name, value in json.loads(backup["extra_vars"]).items() if "{{" not in str(value)}
    usual = {"rms_key_backup_max_age": 20, "rms_key_backup_support_tools": True}
    assert own == {**usual, **GIVEN["awx_setup_backup_variables"], "rms_key_backup_escrow": ESCROW}
    assert (backup["job_slice_count"], backup["ask_limit_on_launch"], backup["forks"]) == (1, True, 20)
    assert {name: item["timeout"] for name, item in names.items() if not 0 < item["timeout"] <= 14400} == dict.fromkeys(
        does, 0
    ), "a promotion is not cut off"


def test_all_that_jobs_are_given_are_variables_of_the_roles(set_up: StandIn) -> None:
    known = {
        "ansible_user",
        "ansible_password",
        "opsmgr_sql_login_user",
        "opsmgr_sql_login_password",
        "rms_failback_target",
        "repoint_rms",
    }
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
        assert secret == {field["id"] for field in item["inputs"]["fields"] if re.search("pass|_key$", field["id"])}


@pytest.mark.parametrize("name", ["RMS failover", "RMS failback"])
def test_the_workflow_looks_then_asks_a_person_then_acts(set_up: StandIn, name: str) -> None:
    workflow = set_up.named("workflow_job_templates", name)
    nodes = {
        node["identifier"]: node
        for node in set_up.objects["workflow_job_template_nodes"].values()
        if node["workflow_job_template"] == workflow["id"]
    }

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
    surveys += [
        set_up.surveys["job_templates", nodes[node]["unified_job_template"]] if node != "approve" else surveys[0]
        for node in nodes
    ]
    assert all(survey == surveys[0] for survey in surveys), "each job knows what the workflow was asked"


@pytest.mark.parametrize(("name", "target"), DO)
def test_only_a_workflow_gives_the_confirmation(set_up: StandIn, tmp_path: Path, name: str, target: str) -> None:
    (tmp_path / "template.json").write_text(set_up.named("job_templates", name)["extra_vars"], encoding="utf-8")
    show = {"name": "Show", "ansible.builtin.debug": {"msg": "{{ rms_failover_confirm }} in {{ rms_failover_escrow }}"}}
    (tmp_path / "show.yml").write_text(
        json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": [show]}]), encoding="utf-8"
    )
    arguments = [
        "-i",
        "localhost,",
        "-e",
        f"@{tmp_path / 'template.json'}",
        "-e",
        f"{target}=deathsting",
        str(tmp_path / "show.yml"),
    ]
    (tmp_path / "alone").mkdir()
    (tmp_path / "workflow").mkdir()
    alone = Player.run_ansible(tmp_path / "alone", arguments)
    in_workflow = Player.run_ansible(tmp_path / "workflow", ["-e", "awx_workflow_job_id=7", *arguments])
    assert [run.results("Show")[0]["msg"] for run in (alone, in_workflow)] == [
        f" in {ESCROW}",
        f"deathsting in {ESCROW}",
    ]


def test_the_schedules_and_the_escrow_outlive_a_night(set_up: StandIn) -> None:
    schedules = {
        item["name"]: (item["unified_job_template"], item["rrule"]) for item in set_up.objects["schedules"].values()
    }
    daily = "DTSTART:20260101T0{}00Z RRULE:FREQ=DAILY;INTERVAL=1"
    assert schedules == {
        "Fetch the project": (set_up.named("projects", "Operations Manager recovery")["id"], daily.format("100")),
        "Read the inventory": (
            set_up.named("inventory_sources", "Operations Manager servers from the project")["id"],
            daily.format("130"),
        ),
        "Back up the RMS keys": (set_up.named("job_templates", "RMS key backup")["id"], daily.format("200")),
    }
    assert set_up.settings["AWX_ISOLATION_SHOW_PATHS"] == [f"{ESCROW}:{ESCROW}:z"]
    project, source = (set_up.named(kind, name) for kind, name in (
        ("projects", "Operations Manager recovery"), ("inventory_sources", "Operations Manager servers from the project"),
    ))  # fmt: skip
    assert set_up.updates == [project["id"], source["id"]], "fetched and read once, so that the first job has hosts"


def edit_survey(awx: StandIn) -> None:
    awx.surveys["workflow_job_templates", awx.named("workflow_job_templates", "RMS failover")["id"]]["spec"].pop()


def take_credential(awx: StandIn) -> None:
    awx.lists["job_templates", awx.named("job_templates", "RMS key backup")["id"], "credentials"].pop()


def edit(collection: str, called: str, /, **fields: Any) -> Callable[[StandIn], None]:
    return lambda awx: awx.named(collection, called).update(fields)


def approve_by_itself(awx: StandIn) -> None:
    """Somebody leads around the approval: the look goes straight on."""
    look, *_rest, do = nodes_of(awx, "RMS failover")
    awx.lists["workflow_job_template_nodes", look, "success_nodes"] = []
    awx.lists["workflow_job_template_nodes", look, "always_nodes"] = [do]


def replace_approval(awx: StandIn) -> None:
    node = awx.objects["workflow_job_template_nodes"][nodes_of(awx, "RMS failback")[1]]
    node["unified_job_template"] = awx.named("job_templates", "Repoint to the RMS")["id"]


def add_node(awx: StandIn) -> None:
    node = awx.objects["workflow_job_template_nodes"][nodes_of(awx, "RMS failover")[-1]]
    awx.last_id += 1
    awx.objects["workflow_job_template_nodes"][awx.last_id] = {**node, "id": awx.last_id, "identifier": "2c1f9a44"}


def let_operators_do(awx: StandIn) -> None:
    on = ("job_templates", awx.named("job_templates", "RMS failover: do")["id"], "execute")
    awx.lists["teams", awx.named("teams", "On call")["id"], "roles"].append(
        next(number for number, role in awx.roles.items() if role == on)
    )


def hide_escrow(awx: StandIn) -> None:
    awx.settings["AWX_ISOLATION_SHOW_PATHS"] = ["/etc/pki"]


def nodes_of(awx: StandIn, workflow: str) -> list[int]:
    """The ids of look, approve and do."""
    number = awx.named("workflow_job_templates", workflow)["id"]
    nodes = [
        node for node in awx.objects["workflow_job_template_nodes"].values() if node["workflow_job_template"] == number
    ]
    return [next(node["id"] for node in nodes if node["identifier"] == name) for name in ("look", "approve", "do")]


BACKUP, FAILOVER_DO = "RMS key backup", "RMS failover: do"
EDITS: dict[str, Callable[[StandIn], None]] = {
    "the nightly backup is switched off": edit("schedules", "Back up the RMS keys", enabled=False),
    "it is limited to one server": edit("schedules", "Back up the RMS keys", limit="hydra"),
    "it is renamed": edit("schedules", "Back up the RMS keys", name="Keys, at night"),
    "the backup is limited": edit(
        "job_templates", BACKUP, limit="hydra", job_tags="none", skip_tags="all", timeout=1, verbosity=5
    ),
    "it loses a credential": take_credential,
    "it is renamed, too": edit("job_templates", BACKUP, name="Backup (old)"),
    "a confirmation can be given at launch": edit(
        "job_templates", FAILOVER_DO, ask_variables_on_launch=True, ask_job_type_on_launch=True
    ),
    "a confirmation is given": edit("job_templates", FAILOVER_DO, extra_vars="rms_failover_confirm: deathsting"),
    "the look is no look": edit("job_templates", "RMS failover: look", job_type="run"),
    "a workflow has variables": edit(
        "workflow_job_templates", "RMS failback", extra_vars="{}\n", ask_variables_on_launch=True, limit="hydra"
    ),
    "it has a confirmation": edit(
        "workflow_job_templates", "RMS failover", extra_vars='{"rms_failover_confirm": "deathsting"}'
    ),
    "a question is missing": edit_survey,
    "nobody is asked": approve_by_itself,
    "a job stands where a person was asked": replace_approval,
    "a node acts at once": add_node,
    "an approval waits for ever": edit("workflow_approval_templates", "RMS failover: go on?", timeout=0),
    "the project lets templates choose a branch": edit(
        "projects", "Operations Manager recovery", allow_override=True, scm_update_on_launch=True
    ),
    "the inventory leaves servers out": edit(
        "inventory_sources", "Operations Manager servers from the project", host_filter="rms.*", overwrite=False
    ),
    "the image is another one": edit(
        "execution_environments", "Operations Manager recovery environment", image="elsewhere:latest"
    ),
    "a password is shown": edit(
        "credential_types", "Operations Manager SQL", injectors={"extra_vars": {"password": "{{ password }}"}}
    ),
    "the operators may act alone": let_operators_do,
    "jobs do not see the escrow": hide_escrow,
}


def test_what_people_changed_is_set_right_and_then_there_is_nothing_to_do(set_up: StandIn, tmp_path: Path) -> None:
    wanted = set_up.dump()
    for change in EDITS.values():
        change(set_up)
    account = set_up.named("credentials", WINDOWS)
    account["inputs"] = wanted["objects"]["credentials"][account["id"]]["inputs"] = {"username": "ben"}
    checked = play(tmp_path, again(set_up), check=True)
    assert (checked.ended_well, set_up.changes) == (True, []), checked.output
    run = play(tmp_path, again(set_up))
    assert run.ended_well, run.output
    assert checked.results("Configure AWX")[0]["steps"] == run.results("Configure AWX")[0]["steps"]
    assert understood(set_up.dump()) == understood(
        {**wanted, "settings": {**wanted["settings"], "AWX_ISOLATION_SHOW_PATHS": ["/etc/pki", SHOWN]}}
    )
    assert play(tmp_path, again(set_up)).changed == 0


SHOWN = f"{ESCROW}:{ESCROW}:z"


def understood(dump: dict[str, Any]) -> dict[str, Any]:
    """What is kept, without what tells nothing: ids that were given, in which order a list has them, and how variables
    are written.
    """
    objects = {
        collection: list(items.values())
        for collection, items in dump["objects"].items()
        if collection != "workflow_approval_templates"
    }
    for template in (*objects["job_templates"], *objects["workflow_job_templates"]):
        template["extra_vars"] = yaml.safe_load(template["extra_vars"])
    for node in objects["workflow_job_template_nodes"]:
        node.pop("unified_job_template") if node["identifier"] == "approve" else None
    lists = {place: sorted(members) for place, members in dump["lists"].items() if members}
    return {"objects": objects, "lists": lists, "surveys": dump["surveys"], "settings": dump["settings"]}


@pytest.mark.parametrize("name", EDITS)
@pytest.mark.soak
def test_each_change_by_itself_is_seen(set_up: StandIn, tmp_path: Path, name: str) -> None:
    EDITS[name](set_up)
    assert play(tmp_path, again(set_up), check=True).changed == 1


def test_a_diff_shows_what_would_be_changed(set_up: StandIn, tmp_path: Path) -> None:
    set_up.named("job_templates", BACKUP).update(limit="hydra", extra_vars="rms_key_backup_keep: 1")
    run = play(tmp_path, again(set_up), check=True)
    assert "-limit: hydra" in run.output
    assert re.search(r"^\+ +rms_key_backup_keep: 31$", run.output, re.M), run.output


def test_a_copy_that_would_do_the_work_twice_is_named_and_left_alone(set_up: StandIn, tmp_path: Path) -> None:
    set_up.last_id += 1
    set_up.objects["job_templates"][set_up.last_id] = {
        **set_up.named("job_templates", BACKUP),
        "id": set_up.last_id,
        "name": "RMS key backup @ 11:04",
    }
    run = play(tmp_path, again(set_up))
    assert (run.ended_well, run.changed, "RMS key backup @ 11:04" in run.output) == (True, 0, True)


def test_who_is_no_superuser_is_told_before_anything_is_made_and_does_the_rest_afterwards(
    awx: StandIn, tmp_path: Path
) -> None:
    awx.last_id += 1
    awx.objects["organizations"][awx.last_id] = {
        "id": awx.last_id,
        "name": "Operations",
        "description": "",
        "max_hosts": 0,
    }
    token = awx.log_in(Person("penelope", administers={awx.last_id}))
    for check in (True, False):
        refused = play(tmp_path, again(awx, oauth_token=token), check=check)
        [failure] = refused.failures
        assert failure.startswith(
            "controller: set up AWX: nothing was changed: penelope is not a superuser of AWX, and only a superuser may make or change "
        )
        assert "credential type Operations Manager SQL" in failure
        assert awx.changes == []
    assert play(tmp_path, again(awx, only_for_superusers=True)).ended_well
    assert {name for name, items in awx.objects.items() if items} == {"organizations", "credential_types"}
    assert awx.settings["AWX_ISOLATION_SHOW_PATHS"] == [SHOWN]
    rest = play(tmp_path, again(awx, oauth_token=token))
    assert rest.ended_well, rest.output
    assert "only superusers may read that setting" in rest.output
    assert len(awx.objects["job_templates"]) == 6
    assert play(tmp_path, again(awx)).changed == 0


def test_who_may_not_change_the_organization_is_told(set_up: StandIn, tmp_path: Path) -> None:
    token = set_up.log_in(Person("irus", teams={"On call"}))
    [failure] = play(tmp_path, again(set_up, oauth_token=token)).failures
    assert failure == (
        "controller: set up AWX: nothing was changed: irus is not an administrator of the organization Operations. Use the login of one, or of a superuser."
    )
    assert set_up.changes == []


def test_operators_launch_and_read_approvers_approve_and_read_and_nobody_starts_what_moves_the_role(
    set_up: StandIn,
) -> None:
    operator, approver = Person("eumaeus", teams={"On call"}), Person("mentor", teams={"Failover approvers"})
    templates = {item["name"]: ("job_templates", number) for number, item in set_up.objects["job_templates"].items()}
    workflows = {
        item["name"]: ("workflow_job_templates", number)
        for number, item in set_up.objects["workflow_job_templates"].items()
    }

    def may(person: Person, action: str) -> set[str]:
        return {name for name, on in {**templates, **workflows}.items() if set_up.may(person, action, *on)}

    behind = {"RMS failover: look", "RMS failback: look", "RMS failover: do", "RMS failback: do"}
    assert may(operator, "execute") == {*workflows, *templates} - {"RMS failover: do", "RMS failback: do"}
    assert may(operator, "read") == {*workflows, *templates}
    assert (may(operator, "approval"), may(operator, "admin"), may(approver, "execute"), may(approver, "admin")) == (
        set(),
        set(),
        set(),
        set(),
    )
    assert may(approver, "approval") == set(workflows)
    assert may(approver, "read") == {*workflows, *behind}
    for collection in ("credentials", "inventories", "projects", "schedules", "workflow_job_template_nodes"):
        assert not [
            number for number in set_up.objects[collection] if set_up.may(operator, "admin", collection, number)
        ]


def test_all_of_it_can_be_removed(set_up: StandIn, tmp_path: Path) -> None:
    set_up.settings["AWX_ISOLATION_SHOW_PATHS"].append("/etc/pki")
    set_up.named("teams", "On call")["description"] = "Was there before"
    checked = play(tmp_path, again(set_up, state="absent"), check=True)
    assert (checked.changed, set_up.changes) == (1, [])
    run = play(tmp_path, again(set_up, state="absent"))
    assert run.ended_well, run.output
    left = {
        name: [item["name"] for item in items.values() if not item.get("managed")]
        for name, items in set_up.objects.items()
    }
    left.pop("workflow_approval_templates")
    assert {name: names for name, names in left.items() if names} == {
        "organizations": ["Operations"],
        "teams": ["On call"],
    }
    assert set_up.settings["AWX_ISOLATION_SHOW_PATHS"] == ["/etc/pki"]
    assert play(tmp_path, again(set_up, state="absent")).changed == 0


def test_notifications_groups_and_credentials_that_are_somebody_elses(awx: StandIn, tmp_path: Path) -> None:
    missing = play(tmp_path, variables(awx, instance_groups=["escrow hosts"]))
    assert missing.failures == [
        "controller: set up AWX: AWX has no instance group escrow hosts. Make it there, or correct the variable that names it."
    ]
    assert awx.changes == []
    for collection, name in (
        ("instance_groups", "escrow hosts"),
        ("instance_groups", "near"),
        ("notification_templates", "Chat"),
    ):
        awx.last_id += 1
        awx.objects[collection][awx.last_id] = {
            "id": awx.last_id,
            "name": name,
            "description": "",
            "notification_configuration": {},
        }
    given = variables(awx, instance_groups=["near", "escrow hosts"], notification="Chat")
    assert play(tmp_path, given).ended_well
    backup, workflow = (
        awx.named("job_templates", BACKUP)["id"],
        awx.named("workflow_job_templates", "RMS failover")["id"],
    )
    chat = [awx.named("notification_templates", "Chat")["id"]]
    assert awx.members("job_templates", backup, "notification_templates_error") == chat
    assert awx.members("workflow_job_templates", workflow, "notification_templates_approvals") == chat
    groups = [
        awx.objects["instance_groups"][number]["name"]
        for number in awx.members("job_templates", backup, "instance_groups")
    ]
    assert (groups, awx.named("job_templates", BACKUP)["prevent_instance_group_fallback"]) == (
        ["near", "escrow hosts"],
        True,
    )
    assert play(tmp_path, given).changed == 0


def test_a_manual_project_without_credentials_with_a_password_to_log_in(awx: StandIn, tmp_path: Path) -> None:
    given = {
        **variables(
            awx,
            oauth_token="",
            username=awx.username,
            password=awx.password,
            project_url="",
            project_local_path="fleet",
            playbooks="playbooks",
        ),
        **{f"awx_setup_{name}_credential": "" for name in ("windows", "sql", "seal")},
        "awx_setup_backup_variables": {"rms_key_backup_find_rms": True, "rms_key_backup_max_age": 12},
    }
    run = play(tmp_path, given, verbosity=4)
    assert run.ended_well, run.output
    assert awx.password not in run.output + json.dumps(run.events)
    assert [awx.objects[name] for name in ("credentials", "inventory_sources", "execution_environments", "teams")] == [
        {}
    ] * 4
    assert [item["name"] for item in awx.objects["schedules"].values()] == ["Back up the RMS keys"]
    extra_vars = json.loads(awx.named("job_templates", "RMS key backup")["extra_vars"])
    assert extra_vars == {
        "rms_key_backup_find_rms": True, "rms_key_backup_max_age": 12, "rms_key_backup_support_tools": True, "rms_key_backup_escrow": ESCROW,
    }  # fmt: skip
    assert awx.settings["AWX_ISOLATION_SHOW_PATHS"] == []


def test_all_that_cannot_work_is_refused_at_once_before_awx_is_asked(awx: StandIn, tmp_path: Path) -> None:
    given = variables(
        awx,
        host="",
        oauth_token="",
        project_local_path="fleet",
        escrow="keys",
        slices=2,
        backup_variables={
            "rms_key_backup_find_rms": "yes",
            "rms_key_backup_report": "/srv/keys.html",
            "rms_key_backup_password": "in the open",
        },
        failover_variables={"rms_failover_confirm": "deathsting"},
        credential_inputs={
            "seal": {"seal_passphrase": "a passphrase", "seal_certificates": "-----BEGIN CERTIFICATE-----"}
        },
    )
    run = play(tmp_path, given)
    assert run.returncode == 2
    [result] = run.results("Check that nothing stands in the way")
    assert result["msg"] == [
        "Nothing was changed. 9 problem(s):",
        "No AWX is named. Set awx_setup_host, or the environment variable CONTROLLER_HOST, to its address.",
        "No login is given. Set awx_setup_oauth_token, or awx_setup_username and awx_setup_password.",
        "One of awx_setup_project_url and awx_setup_project_local_path must be set, and both are.",
        "awx_setup_escrow is 'keys'. Set it to an absolute path without a colon: what a job writes elsewhere is lost when it ends.",
        "rms_key_backup_find_rms needs one slice, and awx_setup_slices is 2: a slice does not see the other servers of a management group.",
        "rms_key_backup_report needs one slice, and awx_setup_slices is 2: each slice would replace the report of the others.",
        "awx_setup_credential_inputs has a passphrase and certificates for the seal. A backup has one seal: set one of them.",
        "rms_failover_confirm is what a workflow gives when a person has approved. Take it out of awx_setup_*_variables.",
        "rms_key_backup_password is a secret, and everybody who may read a job template would see it. Take it out of awx_setup_*_variables: "
        "credentials hold secrets.",
    ]
    assert awx.changes == []


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (
            {"oauth_token": "", "username": "admin", "password": "wrong"},
            "does not take the login: Authentication credentials were not provided.",
        ),
        ({"oauth_token": "outdated"}, "does not take the login: Authentication credentials were not provided."),
        ({"host": "http://127.0.0.1:9"}, "does not answer: "),
    ],
)
def test_awx_that_does_not_answer_or_does_not_take_the_login(
    awx: StandIn, tmp_path: Path, more: dict[str, str], reason: str
) -> None:
    run = play(tmp_path, variables(awx, **more))
    [failure] = run.failures
    assert failure.startswith(f"controller: ask AWX: {more.get('host', awx.url)} {reason}")
    assert (awx.changes, "Traceback" in run.output) == ([], False)


def test_the_playbooks_of_the_guide_are_playbooks_to_awx_and_to_ansible(tmp_path: Path) -> None:
    [commands] = re.findall(r"(?:^    .*\n)*^    for name in .*\n(?:^    .*\n)*", GUIDE, re.MULTILINE)
    subprocess.run(["bash", "-euc", commands], cwd=tmp_path, check=True, timeout=60)
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.yml")) == sorted(PLAYBOOKS)
    for path in PLAYBOOKS:
        # What AWX looks for in a file to call it a playbook.
        assert re.search(
            r"^\s*?-?\s*?(?:hosts|(ansible\.builtin\.)?import_playbook):",
            (tmp_path / path).read_text(encoding="utf-8"),
            re.MULTILINE,
        )
        folder = tmp_path / Path(path).stem
        folder.mkdir()
        run = Player.run_ansible(folder, ["-i", "localhost,", "--syntax-check", str(tmp_path / path)])
        assert run.ended_well, run.output
