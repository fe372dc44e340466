# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people install: the collection that is built, installed into an empty path, with nothing of the checkout beside
it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from guides import COMMANDS, sections
from playing import PASSWORD, REPOSITORY, TIMEOUT_SECONDS, Player

from lab.drill import unproven

PROGRAMS = Path(sys.executable).parent
EXAMPLE = "inventory.example"
PLAYBOOKS = sorted(path.stem for path in (REPOSITORY / "playbooks").glob("*.yml") if path.stem != EXAMPLE)


class Installation:
    """A directory with nothing but the installed collection, and what runs in it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.collection = directory / "collections" / "ansible_collections" / "opsmgr" / "recovery"
        (directory / "ansible.cfg").touch()

    def run(self, program: str, *arguments: str | Path) -> str:
        """Run one of Ansible's programs, which must end well; what it said."""
        done = subprocess.run(
            [PROGRAMS / program, *arguments], cwd=self.directory, env=self._environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, start_new_session=True, timeout=TIMEOUT_SECONDS, check=False, encoding="utf-8", errors="replace",
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        return done.stdout

    def _environment(self) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if name != "PYTHONPATH" and not name.startswith("ANSIBLE_")
        }
        return {
            **kept,
            "ANSIBLE_CONFIG": str(self.directory / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(self.directory / "collections"),
            "ANSIBLE_NOCOLOR": "1",
            "HOME": str(self.directory),
        }


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """The collection as `make build` makes it, installed as the README says."""
    installation = Installation(tmp_path_factory.mktemp("installed"))
    environment = {**os.environ, "PATH": f"{PROGRAMS}:{os.environ['PATH']}"}
    subprocess.run(
        [REPOSITORY / "tests" / "tools" / "build", installation.directory],
        check=True,
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    [tarball] = installation.directory.glob("opsmgr-recovery-*.tar.gz")
    installation.run(
        "ansible-galaxy", "collection", "install", "--offline", "--collections-path", "collections", tarball
    )
    return installation


def test_it_has_what_people_use_and_nothing_of_the_workshop(installation: Installation) -> None:
    found = {path.name for path in installation.collection.iterdir()}
    files = {
        ".ansible-lint",
        "CHANGELOG.rst",
        "FILES.json",
        "LICENSE",
        "MANIFEST.json",
        "README.md",
        "SECURITY.md",
        "bindep.txt",
        "requirements.txt",
    }
    assert found == files | {"changelogs", "docs", "meta", "playbooks", "plugins", "roles", "tests"}
    # ansible-test reads config.yml.
    assert sorted(path.name for path in (installation.collection / "tests").iterdir()) == ["config.yml", "lab"]
    assert sorted(path.stem for path in (installation.collection / "playbooks").iterdir()) == sorted(
        [*PLAYBOOKS, EXAMPLE]
    )


def test_the_readme_s_command_installs_it_also_in_the_checkout_which_is_a_collection_itself(tmp_path: Path) -> None:
    [section] = [
        section
        for section in sections(REPOSITORY / "README.md")
        if section.name == "README.md: Install it where you work"
    ]
    [line] = [
        line for block in section.of(COMMANDS) for line in block.text.splitlines() if line.startswith("ansible-galaxy")
    ]
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for name in (".build/collections", "ansible.cfg"):
        (checkout / name).parent.mkdir(exist_ok=True)
        (checkout / name).symlink_to(REPOSITORY / name)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    environment |= {"PATH": f"{PROGRAMS}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    subprocess.run(
        [REPOSITORY / "tests" / "tools" / "build", checkout / ".build" / "dist"],
        check=True,
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    for _time in ("the first", "an upgrade"):
        subprocess.run(["bash", "-c", line], check=True, cwd=checkout, env=environment, stdout=subprocess.DEVNULL)
        installed = tmp_path / ".ansible" / "collections" / "ansible_collections" / "opsmgr" / "recovery"
        assert (installed / "MANIFEST.json").is_file()
        assert (installed / "requirements.txt").is_file()


def names(folder: str, pattern: str) -> list[str]:
    return sorted(
        f"opsmgr.recovery.{path.stem}" for path in (REPOSITORY / folder).glob(pattern) if not path.stem.startswith("_")
    )


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("callback", names("plugins/callback", "*.py")),
        ("module", names("plugins/modules", "*.py")),
        ("role", names("roles", "*")),
    ],
)
def test_ansible_doc_lists_everything_and_shows_it(
    installation: Installation, kind: str, expected: Sequence[str]
) -> None:
    listed = json.loads(installation.run("ansible-doc", "--json", "--list", "--type", kind, "opsmgr.recovery"))
    assert sorted(listed) == expected
    shown = json.loads(installation.run("ansible-doc", "--json", "--type", kind, *expected))
    assert sorted(shown) == expected


def test_each_playbook_is_found_by_its_name(installation: Installation) -> None:
    said = installation.run(
        "ansible-playbook", "-i", "hydra,", "--syntax-check", *(f"opsmgr.recovery.{playbook}" for playbook in PLAYBOOKS)
    )
    found = [line.removeprefix("playbook: ") for line in said.splitlines() if line.startswith("playbook: ")]
    assert found == [str(installation.collection / "playbooks" / f"{playbook}.yml") for playbook in PLAYBOOKS]


def test_the_failover_runs_by_name(installation: Installation, odyssey: Player) -> None:
    odyssey.lab.write_files(installation.directory)
    installation.run(
        "ansible-playbook",
        "-i",
        "inventory.yml",
        "opsmgr.recovery.rms_failover",
        "-e",
        "rms_failover_confirm=deathsting",
    )
    assert unproven(odyssey.lab.dump()) == []


def test_relative_paths_begin_where_the_command_is_typed(installation: Installation, odyssey: Player) -> None:
    before = sorted(installation.collection.rglob("*"))
    odyssey.lab.write_files(installation.directory)
    (installation.directory / "store.sh").write_text(
        '#!/bin/sh\nmkdir -p sink && cp -R "$1"/. sink\n', encoding="utf-8"
    )
    (installation.directory / "fetch.sh").write_text(
        '#!/bin/sh\nmkdir -p sink && cp -R sink/. "$1"\n', encoding="utf-8"
    )
    for script in installation.directory.glob("*.sh"):
        script.chmod(0o755)
    backup = {
        "rms_key_backup_password": PASSWORD,
        "rms_key_backup_support_tools": True,
        "rms_key_backup_report": "keys.html",
        "rms_key_backup_sink_store": ["./store.sh", "{escrow}"],
        "rms_key_backup_sink_fetch": ["./fetch.sh", "{escrow}"],
    }
    failover = {
        "rms_failover_confirm": "deathsting",
        "rms_failover_report": "failover.html",
        "rms_failover_database_backup_progress_file": "percents",
    }
    for playbook, variables in (("rms_key_backup", backup), ("rms_failover", failover)):
        installation.run(
            "ansible-playbook", "-i", "inventory.yml", f"opsmgr.recovery.{playbook}", "-e", json.dumps(variables)
        )
    made = {path.name for path in installation.directory.iterdir()}
    assert made >= {"keys.html", "keys.json", "sink", "failover.html", "failover.json", "percents"}
    # What Python compiled on the way is nobody's.
    assert [
        path
        for path in sorted(installation.collection.rglob("*"))
        if path not in before and "__pycache__" not in path.parts
    ] == []


def test_the_escrow_lies_beside_the_inventory(installation: Installation, odyssey: Player) -> None:
    odyssey.lab.write_files(installation.directory)
    installation.run(
        "ansible-playbook",
        "-i",
        "inventory.yml",
        "opsmgr.recovery.rms_failover",
        "-e",
        "rms_failover_confirm=deathsting",
    )
    assert (installation.directory / "key_escrow" / "ODYSSEY").is_dir()
