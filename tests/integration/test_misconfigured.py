# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An inventory, a command line or a controller with one mistake: a sentence names the variable or the package and the
value, and nothing is changed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from labs import network
from playing import Player

from lab.lab import Lab

Inventory = dict[str, Any]
SQL = "thunder"
NOBODY = "127.255.0.1"


@dataclass(frozen=True)
class Mistake:
    """One mistake, and the words that the message must have."""

    said: tuple[str, ...]
    extra: dict[str, Any] = field(default_factory=dict)
    """Extra variables beside those that are right; None takes one of these away."""
    edit: Callable[[Inventory], None] = lambda inventory: None
    """What is done to the inventory."""
    missing: str = ""
    """A Python module that cannot be imported."""
    server: tuple[str, str, Any] | None = None
    """A host of the lab and a setting of it."""


def sql(**variables: Any) -> Callable[[Inventory], None]:
    """Variables of the database's host; None takes one away."""

    def edit(inventory: Inventory) -> None:
        host = inventory["all"]["children"]["opsmgr_database"]["hosts"][SQL]
        host.update(variables)
        for name in [name for name, value in variables.items() if value is None]:
            del host[name]

    return edit


def host(name: str, group: str = "opsmgr_management_servers", **variables: Any) -> Callable[[Inventory], None]:
    return lambda inventory: inventory["all"]["children"][group]["hosts"][name].update(variables)


def misspell(wrong: str, right: str) -> Callable[[Inventory], None]:
    """A variable of the database's host under another name."""

    def edit(inventory: Inventory) -> None:
        variables = inventory["all"]["children"]["opsmgr_database"]["hosts"][SQL]
        variables[wrong] = variables.pop(right)

    return edit


def without_group(name: str) -> Callable[[Inventory], None]:
    return lambda inventory: inventory["all"]["children"][name].update(hosts={})


def rename_group(right: str, wrong: str) -> Callable[[Inventory], None]:
    def edit(inventory: Inventory) -> None:
        inventory["all"]["children"][wrong] = inventory["all"]["children"].pop(right)

    return edit


def without_hosts(inventory: Inventory) -> None:
    for group in inventory["all"]["children"].values():
        group["hosts"] = {}


def of_group(name: str) -> Callable[[Inventory], None]:
    return lambda inventory: inventory["all"]["vars"].update(opsmgr_management_group=name)


MISTAKES = {
    # The command line
    "no target": Mistake(
        ("rms_failover_target is not set", "deathsting, hydra, jupiter"),
        {"rms_failover_target": None},
        edit=lambda inventory: inventory["all"]["vars"].pop("rms_failover_target"),
    ),
    "a target that nobody has": Mistake(
        ("rms_failover_target is athena", "deathsting, hydra, jupiter"), {"rms_failover_target": "athena"}
    ),
    "a target that is no management server": Mistake(
        ("rms_failover_target is thunder", "deathsting, hydra, jupiter"), {"rms_failover_target": "thunder"}
    ),
    "a mode that there is not": Mistake(("rms_failover_mode", "desaster"), {"rms_failover_mode": "desaster"}),
    "a confirmation of another server": Mistake(
        ("rms_failover_confirm", "jupiter"), {"rms_failover_confirm": "jupiter"}
    ),
    "a short password": Mistake(("backup_password", "5 characters"), {"rms_failover_backup_password": "short"}),
    "a misspelt variable of the role": Mistake(
        ("rms_failover_reprot", "rms_failover_report"), {"rms_failover_reprot": "x.html"}
    ),
    "a variable whose role is misspelt": Mistake(
        ("rms_failver_mode", "rms_failover_mode"), {"rms_failver_mode": "disaster"}
    ),
    "a report where nothing can be written": Mistake(
        ("rms_failover_report", "/proc/nowhere/x.html"), {"rms_failover_report": "/proc/nowhere/x.html"}
    ),
    # SQL Server
    "a misspelt variable of the database": Mistake(
        ("opsmgr_sql_sever", "opsmgr_sql_server"), edit=misspell("opsmgr_sql_sever", "opsmgr_sql_server")
    ),
    "no SQL Server answers": Mistake(("opsmgr_sql_server", NOBODY), edit=sql(opsmgr_sql_server=NOBODY)),
    "a wrong port": Mistake(("opsmgr_sql_port", "1434"), edit=sql(opsmgr_sql_port=1434)),
    "a port that cannot be": Mistake(("rms_failover_sql_port", "65535"), edit=sql(opsmgr_sql_port=70000)),
    "an instance in the server's name": Mistake(
        ("opsmgr_sql_instance", "OPSMGR"), edit=sql(opsmgr_sql_server="thunder\\OPSMGR")
    ),
    "a wrong password of the login": Mistake(
        ("opsmgr_sql_login_password", "the login "), edit=sql(opsmgr_sql_login_password="wrong")
    ),
    "a login without a password": Mistake(
        ("opsmgr_sql_login_password", "login_user"), edit=sql(opsmgr_sql_login_password=None)
    ),
    "another database": Mistake(
        ("opsmgr_database_name", "OperationManager"), edit=sql(opsmgr_database_name="OperationManager")
    ),
    "a driver that is not installed": Mistake(
        ("opsmgr_sql_driver", "ODBC Driver 99"),
        edit=sql(opsmgr_sql_driver="ODBC Driver 99", opsmgr_sql_login_user="sa"),
    ),
    "a protocol that is too old": Mistake(("opsmgr_sql_tds_version", "4.2"), edit=sql(opsmgr_sql_tds_version="4.2")),
    "an encryption that there is not": Mistake(("sql_encryption", "maybe"), edit=sql(opsmgr_sql_encryption="maybe")),
    "no database": Mistake(("opsmgr_database",), edit=without_group("opsmgr_database")),
    # Windows
    "another management group throughout": Mistake(("ILIAD", "ODYSSEY"), edit=of_group("ILIAD")),
    "a wrong port of WinRM": Mistake(("deathsting", "does not answer"), edit=host("deathsting", ansible_port=5999)),
    "a wrong password of the account": Mistake(
        ("deathsting", "credentials"), edit=host("deathsting", ansible_password="wrong")
    ),
    "NTLM is off": Mistake(("deathsting", "NTLM"), server=("deathsting", "ntlm", False)),
    "an unknown transport": Mistake(("deathsting", "ntml"), edit=host("deathsting", ansible_winrm_transport="ntml")),
    "a clock that is a day behind": Mistake(
        ("deathsting", "not yet valid", "The clock of this controller"),
        edit=host(
            "deathsting", ansible_port=5986, ansible_winrm_scheme="https", ansible_winrm_ca_trust_path="{{ lab_ca }}"
        ),
        server=("deathsting", "certificate_valid_in_days", 1),
    ),
    # The controller
    "no pyodbc": Mistake(("pyodbc",), missing="pyodbc"),
    "no pywinrm": Mistake(("pywinrm",), missing="winrm"),
    "no asn1crypto, and backups are signed": Mistake(
        ("asn1crypto",),
        extra={"rms_failover_signing_key": "/none.key", "rms_failover_signing_certificate": "/none.pem"},
        missing="asn1crypto",
    ),
    # Groups
    "a misspelt group": Mistake(
        ("opsmgr_management_server", "opsmgr_management_servers"),
        edit=rename_group("opsmgr_management_servers", "opsmgr_management_server"),
    ),
    "no server at all": Mistake(("opsmgr_rms",), edit=without_hosts),
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One for all: nothing is ever changed in it. Somebody has looked at it before, which may leave an empty folder of
    our own on a server.
    """
    with Lab("odyssey", network=network()) as running:
        assert Player(running, tmp_path_factory.mktemp("first")).play(check=True).ended_well
        yield running


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named_and_nothing_is_changed(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    mistake = MISTAKES[name]
    player = Player(lab, tmp_path)
    if mistake.missing:
        (tmp_path / "shadow" / mistake.missing).mkdir(parents=True)
        (tmp_path / "shadow" / mistake.missing / "__init__.py").write_text(
            f"raise ModuleNotFoundError({mistake.missing!r})\n", encoding="utf-8"
        )
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "shadow"), os.environ.get("PYTHONPATH", "")]))
    if mistake.server is not None:
        where, setting, value = mistake.server
        monkeypatch.setitem(lab.hosts[where].settings, setting, value)
    folder = tmp_path / "run"
    folder.mkdir()
    lab.write_files(folder)
    inventory = yaml.safe_load((folder / "inventory.yml").read_text(encoding="utf-8"))
    mistake.edit(inventory)
    (folder / "inventory.yml").write_text(yaml.safe_dump(inventory), encoding="utf-8")
    variables = {
        key: value
        for key, value in {**player.variables, "lab_ca": lab.ca_file, **mistake.extra}.items()
        if value is not None
    }
    before = lab.dump()
    run = player.run_ansible(
        folder, ["-i", str(folder / "inventory.yml"), "-e", json.dumps(variables), "playbooks/rms_failover.yml"]
    )
    assert not run.ended_well
    failed = [
        event["result"].get("msg")
        for event in run.events
        if event["event"] == "result" and event["status"] in ("failed", "unreachable")
    ]
    said = " ".join(str(text) for text in failed) or run.output
    assert [words for words in mistake.said if words not in said] == [], run.output
    assert "Traceback" not in run.output
    assert lab.dump() == before
