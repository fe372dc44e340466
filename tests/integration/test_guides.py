# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every command in every guide is run, in the situation that its section is about, and says what the guide says."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from guides import COMMANDS, GUIDES, TYPED, Block, Desk, Section, sections
from labs import network
from playing import REPOSITORY

from awx_stand_in import StandIn
from lab.drill import SCENARIOS
from lab.topologies import load_topology

KINDS = {*TYPED, "ini", "sql not-in-lab", "text", "yaml"}
AWX_PLAYBOOKS = tuple(f"playbooks/{name}.yml" for name in ("rms_key_backup", "rms_failover", "rms_failback", "repoint"))
FAILOVER = "ansible-playbook -i inventory.yml opsmgr.recovery.rms_failover -e rms_failover_target=deathsting"
TOOLS = "ansible -i inventory.yml opsmgr_rms:opsmgr_management_servers -m opsmgr.recovery.support_tools"
SERVICES = "ansible -i inventory.yml hydra -m opsmgr.recovery.management_services"
DISASTER = (TOOLS, "ansible-playbook -i inventory.yml opsmgr.recovery.rms_key_backup", "python -m lab power hydra off")
BACKUPS = r"C:\Program Files\Microsoft SQL Server\MSSQL10.MSSQLSERVER\MSSQL\Backup"

# Where ansible-galaxy installs without being told another place.
HOME_COLLECTIONS = ("mkdir .ansible; ln -s ../collections .ansible/collections",)


@dataclass(frozen=True)
class Scene:
    """In which situation the commands of a section make sense: the lab, files beside the inventory, and what happened
    before.
    """

    topology: str | None = "odyssey"
    before: tuple[str, ...] = ()
    files: dict[str, Any] = field(default_factory=dict)
    checkout: bool = True
    installed: bool = True
    awx: bool = False
    soak: bool = False


SCENES = {
    "AWX.md: 1. The image": Scene(None, before=(f"{REPOSITORY}/tests/tools/build $PWD/.build/dist",)),
    "AWX.md: 2. The repository": Scene(None, checkout=False),
    "AWX.md: 4. Set up AWX": Scene(None, awx=True, soak=True),
    "RUNBOOK_VIEW.md: The runbook view": Scene(soak=True),
    "RUNBOOK_VIEW.md: The confirmation": Scene(soak=True),
    "README.md: Install it where you work": Scene(
        before=(f"{REPOSITORY}/tests/tools/build $PWD/.build/dist",), installed=False
    ),
    "README.md: Move the RMS": Scene(before=(TOOLS,), soak=True),
    "FIRST_DRILL.md: By hand": Scene(),
    "FIRST_DRILL.md: Without a checkout": Scene(None, before=HOME_COLLECTIONS, checkout=False, soak=True),
    "LAB.md: Play with it": Scene(soak=True),
    "PREPARE_SERVERS.md: The inventory": Scene(before=HOME_COLLECTIONS),
    "PREPARE_SERVERS.md: WinRM": Scene(),
    "PREPARE_SERVERS.md: The account": Scene(),
    "PREPARE_SERVERS.md: Delegation, and why the key needs none": Scene(),
    "PREPARE_SERVERS.md: The tools and the media": Scene(),
    "PREPARE_SERVERS.md: Check it": Scene(before=(TOOLS,)),
    "NIGHT.md: The RMS is down": Scene(before=DISASTER),
    "NIGHT.md: The RMS has to go": Scene(soak=True),
    "NIGHT.md: A failover was interrupted": Scene(
        before=(
            "python -m lab fault add --host deathsting --name ManagementServerConfigTool:after-database --action drop",
            f"! {FAILOVER}",
        ),
        soak=True,
    ),
    "NIGHT.md: Back to the old RMS": Scene(
        before=(f"{SERVICES} -a 'health_service=stopped sdk_service=stopped config_service=stopped'",)
    ),
    "NIGHT.md: The lost RMS is back": Scene(
        before=(*DISASTER, f"{FAILOVER} -e rms_failover_mode=disaster", "python -m lab power hydra on"), soak=True
    ),
    "NIGHT.md: The cluster is lost": Scene(
        "odyssey-cluster-new",
        before=tuple(
            rf"python -m lab carry thunder '{BACKUPS}\RMS-key.bin' {node} 'C:\RMS-key.bin'"
            for node in ("castor", "pollux")
        ),
        files={
            "restore.yml": {
                "clustered_rms_restore_database_backup": rf"{BACKUPS}\OperationsManager.bak",
                "clustered_rms_restore_key_file": r"C:\RMS-key.bin",
                "clustered_rms_restore_backup_password": "for rehearsals only",
            }
        },
        soak=True,
    ),
    "NIGHT.md: The key is lost": Scene("odyssey-no-key", soak=True),
    "NIGHT.md: Something names the wrong RMS": Scene(
        before=(f"""{FAILOVER} -e '{{"rms_failover_reporting_servers": [], "rms_failover_web_consoles": []}}'""",),
        soak=True,
    ),
    "NIGHT.md: When it is over": Scene(before=(FAILOVER,), soak=True),
}
SECTIONS = {section.name: section for guide in GUIDES for section in sections(guide)}
# Which of them takes a person's hands, and not only a look at the Makefile.
PLAYED = [section for section in SECTIONS.values() if section.of(*TYPED) and not section.asks_make_alone]


@pytest.fixture
def desk(tmp_path: Path, section: Section) -> Iterator[Desk]:
    """A desk in the situation of a section."""
    scene = SCENES[section.name]
    desk = Desk(tmp_path)
    for name, content in scene.files.items():
        desk.put(name, content)
    if scene.checkout:
        desk.sit_in_checkout()
    if scene.installed:
        desk.install()
    with ExitStack() as stack:
        if scene.topology:
            desk.start_lab(scene.topology)
            stack.callback(desk.leave)
        if scene.awx:
            awx = stack.enter_context(StandIn(f"{network()}.0.2", playbooks=AWX_PLAYBOOKS))
            [given] = section.of("yaml")
            desk.put(
                "awx.yml", {**yaml.safe_load(given.text), "awx_setup_host": awx.url, "awx_setup_oauth_token": awx.token}
            )
        for line in scene.before:
            desk.type(line)
        yield desk


def test_each_section_with_something_to_do_has_its_scene_and_no_other_has() -> None:
    assert sorted(section.name for section in PLAYED) == sorted(SCENES)


def marks(section: Section) -> list[pytest.MarkDecorator]:
    return [pytest.mark.soak] if section.name in SCENES and SCENES[section.name].soak else []


@pytest.mark.parametrize(
    "section", [pytest.param(section, id=section.name, marks=marks(section)) for section in PLAYED]
)
def test_the_commands_of_a_section_do_what_it_says(section: Section, desk: Desk) -> None:
    said = ""
    for block in section.blocks:
        if block.kind == COMMANDS:
            said = desk.type(block.text)
        elif block.kind == "bat":
            assert [
                (line, code) for line in block.text.splitlines() if (code := desk.type_at_server("hydra", line)[0]) != 0
            ] == []
        elif block.kind == "bat not-in-lab":
            assert [
                line
                for line in block.text.splitlines()
                if "is not recognized" not in desk.type_at_server("hydra", line)[1]
            ] == []
        elif block.kind == "text":
            assert unsaid(block, said) == [], said


def unsaid(block: Block, said: str) -> list[str]:
    """The lines that a guide shows, with … for anything, and that nobody said."""
    return [
        line
        for line in block.text.splitlines()
        if not re.search(".*".join(map(re.escape, line.strip().split("…"))), said)
    ]


MAKE_LINES = [
    line
    for section in SECTIONS.values()
    for block in section.of(COMMANDS)
    for line in block.text.splitlines()
    if line.startswith("make")
]


@pytest.mark.parametrize("line", sorted(set(MAKE_LINES)))
def test_make_has_the_target_and_the_lab_what_is_asked_for(line: str) -> None:
    words = shlex.split(line, comments=True)
    asked = dict(word.split("=") for word in words[1:] if "=" in word)
    assert asked.get("SCENARIO", "failover") in SCENARIOS
    assert asked.get("MODE", "planned") in ("planned", "disaster")
    load_topology(asked.get("TOPOLOGY", "odyssey"))
    subprocess.run([*words, "--dry-run"], cwd=REPOSITORY, check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("section", SECTIONS.values(), ids=SECTIONS)
def test_each_block_is_of_a_known_kind_and_yaml_is_yaml(section: Section) -> None:
    assert {block.kind for block in section.blocks} <= KINDS
    assert all(yaml.safe_load(block.text) for block in section.of("yaml"))


def anchors(guide: Path) -> set[str]:
    """How headings are called in links."""
    headings = re.findall(r"^#+ (.*)$", guide.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


READ = [
    *GUIDES,
    REPOSITORY / "CONTRIBUTING.md",
    REPOSITORY / "tests" / "lab" / "README.md",
    *sorted(REPOSITORY.glob("roles/*/README.md")),
]


@pytest.mark.parametrize("guide", READ, ids=lambda guide: str(guide.relative_to(REPOSITORY)))
def test_each_link_leads_somewhere(guide: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", guide.read_text(encoding="utf-8"))
    led = [(path, anchor, guide.parent / path if path else guide) for path, anchor in links]
    assert [
        (path, anchor)
        for path, anchor, target in led
        if not target.exists() or (anchor and anchor not in anchors(target))
    ] == []
