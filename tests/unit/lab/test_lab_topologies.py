# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Topologies and the files that are written from them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.inventory import WinRMAccess, description, inventory, write_private
from lab.topologies import load_topology, merge, parse_setting

NTLM = WinRMAccess()


def read(text: str) -> Any:
    """The inventory as Ansible would read it, with the values it must not template marked."""

    class Loader(yaml.SafeLoader):
        pass

    Loader.add_constructor("!unsafe", lambda _loader, node: ("unsafe", node.value))
    return yaml.load(text, Loader)["all"]


def test_odyssey_is_the_book_s_management_group() -> None:
    odyssey = load_topology("odyssey", network="127.33")
    assert {host.name: (host.roles, host.address) for host in odyssey.hosts.values()} == {
        "hydra": (("rms",), "127.33.1.10"),
        "deathsting": (("management_server",), "127.33.1.11"),
        "jupiter": (("management_server",), "127.33.1.12"),
        "thunder": (("database",), "127.33.1.13"),
        "argus": (("reporting",), "127.33.1.14"),
        "hermes": (("web_console", "console"), "127.33.1.15"),
    }
    assert odyssey.hosts["hydra"].fqdn == "hydra.odyssey.com"
    assert odyssey.hosts["hydra"].version.server_version == "6.0.6278.0"
    assert odyssey.groups["ODYSSEY"].database == "OperationsManager"


@pytest.mark.parametrize(
    "name", ["odyssey", "odyssey-2003", "odyssey-hard", "odyssey-rtm", "odyssey-r2", "odyssey-no-key"]
)
def test_every_topology_is_sound(name: str) -> None:
    topology = load_topology(name)
    assert set(read(inventory(topology, NTLM))["children"]) == {
        "opsmgr_rms",
        # Empty: Ansible warns of a group that a playbook names and that is not there.
        "opsmgr_rms_cluster",
        "opsmgr_management_servers",
        "opsmgr_reporting",
        "opsmgr_web_console",
        "opsmgr_consoles",
        "opsmgr_database",
    }


def test_a_domain_account_has_one_password_and_each_lab_another() -> None:
    labs = (load_topology("odyssey"), load_topology("odyssey"))
    passwords = [{host.users[0].password for host in lab.hosts.values()} for lab in labs]
    assert len(passwords[0]) == len(passwords[1]) == 1
    assert passwords[0] != passwords[1]


def test_a_topology_says_only_what_differs_from_the_one_it_extends() -> None:
    hard = load_topology("odyssey-hard").hosts["deathsting"]
    assert hard.install_directory.startswith("D:\\Program Files & Tools\\")
    assert hard.settings["tool_reads"] == "getch"
    assert hard.users[0].password == "p%PATH%^&\"!' ü8"
    assert hard.media is not None
    assert hard.media.layout == "architectures"


def test_overrides_are_merged_deeply_and_for_one_host() -> None:
    lab = load_topology("odyssey", {"hosts": {"jupiter": {"profile": "2003", "settings": {"x": 1}}}})
    assert (lab.hosts["jupiter"].profile, lab.hosts["jupiter"].settings) == ("2003", {"x": 1})
    assert (lab.hosts["hydra"].profile, lab.hosts["hydra"].settings) == ("2008r2", {})
    assert lab.hosts["jupiter"].roles == ("management_server",)


def test_merge_changes_neither_side() -> None:
    base, over = {"a": {"b": 1}}, {"a": {"c": 2}}
    assert merge(base, over) == {"a": {"b": 1, "c": 2}}
    assert (base, over) == ({"a": {"b": 1}}, {"a": {"c": 2}})


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("hosts.hydra.profile=2003", {"hosts": {"hydra": {"profile": 2003}}}),
        ("settings.tool_reads=getch", {"defaults": {"settings": {"tool_reads": "getch"}}}),
        ("version=R2", {"defaults": {"version": "R2"}}),
        ("settings.texts={password: 'Kennwort='}", {"defaults": {"settings": {"texts": {"password": "Kennwort="}}}}),
    ],
)
def test_settings_of_a_command_line(text: str, tree: dict[str, Any]) -> None:
    assert parse_setting(text) == tree


@pytest.mark.parametrize(
    ("overrides", "complaint"),
    [
        ({"hosts": {"hydra": {"roles": ["king"]}}}, "host hydra has the role 'king'; known are rms"),
        ({"hosts": {"jupiter": {"roles": ["rms"]}}}, "needs exactly one host with the role rms, not 2"),
        ({"hosts": {"jupiter": {"group": "ILIAD"}}}, "'ILIAD', which the topology does not have"),
        ({"hosts": {"jupiter": {"profil": "2003"}}}, "host jupiter: unknown profil; known are roles"),
        ({"defaults": {"version": "SP7"}}, "unknown Operations Manager version 'SP7'"),
        ({"defaults": {"profile": "nt4"}}, "known are 2003 and 2008r2"),
        ({"groups": {"ODYSSEY": {"database": {"host": "argus"}}}}, "'argus', which is no host with the role database"),
        ({"defaults": {"media": {"layout": "round"}}}, "neither 'flat' nor 'architectures'"),
        ({"colour": "blue"}, "topology odyssey: unknown colour"),
    ],
)
def test_mistakes_are_named(overrides: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        load_topology("odyssey", overrides)


def test_an_unknown_topology_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="odyssey, odyssey-2003, odyssey-cluster, odyssey-cluster-new, odyssey-hard"):
        load_topology("iliad")


def test_the_inventory_has_what_a_playbook_needs() -> None:
    odyssey = load_topology("odyssey")
    tree = read(inventory(odyssey, NTLM))
    assert tree["vars"] == {
        "opsmgr_management_group": "ODYSSEY",
        "rms_failover_target": "deathsting",
        "rms_failover_backup_password": "for rehearsals only",
    }
    assert list(tree["children"]["opsmgr_management_servers"]["hosts"]) == ["deathsting", "jupiter"]
    assert tree["children"]["opsmgr_rms"]["hosts"]["hydra"] == {
        "ansible_host": "127.10.1.10",
        "ansible_connection": "winrm",
        "ansible_port": 5985,
        "ansible_winrm_scheme": "http",
        "ansible_winrm_transport": "ntlm",
        "ansible_user": "ODYSSEY\\administrator",
        "ansible_password": odyssey.hosts["hydra"].users[0].password,
    }
    thunder = tree["children"]["opsmgr_database"]["hosts"]["thunder"]
    assert {key: value for key, value in thunder.items() if key.startswith("opsmgr_")} == {
        "opsmgr_database_name": "OperationsManager",
        "opsmgr_sql_server": "127.10.1.13",
        "opsmgr_sql_port": 1433,
        "opsmgr_sql_login_user": "opsmgr_recovery",
        "opsmgr_sql_login_password": odyssey.sql.login.password,
        "opsmgr_sql_driver": "FreeTDS",
        "opsmgr_sql_tds_version": "7.2",
        "opsmgr_sql_encryption": "request",
    }


def test_the_inventory_can_ask_for_https_and_basic() -> None:
    tree = read(inventory(load_topology("odyssey"), WinRMAccess("https", "basic", "/somewhere/ca.pem")))
    hydra = tree["children"]["opsmgr_rms"]["hosts"]["hydra"]
    assert hydra["ansible_port"] == 5986
    assert hydra["ansible_winrm_transport"] == "basic"
    assert hydra["ansible_winrm_ca_trust_path"] == "/somewhere/ca.pem"


@pytest.mark.parametrize("password", ["p%PATH%^&\"!' ü8", "yes", "0123", "# not a comment", "- x: [", "'\"\\n"])
def test_passwords_that_yaml_could_misread_survive(password: str) -> None:
    topology = load_topology("odyssey", {"defaults": {"users": {"ODYSSEY\\administrator": {"password": password}}}})
    hydra = read(inventory(topology, NTLM))["children"]["opsmgr_rms"]["hosts"]["hydra"]
    assert hydra["ansible_password"] == password


@pytest.mark.parametrize("password", ["a{{b}}c", "{% raw", "x{#y'"])
def test_passwords_that_look_like_templates_are_marked_unsafe(password: str) -> None:
    topology = load_topology("odyssey", {"defaults": {"users": {"ODYSSEY\\administrator": {"password": password}}}})
    hydra = read(inventory(topology, NTLM))["children"]["opsmgr_rms"]["hosts"]["hydra"]
    assert hydra["ansible_password"] == ("unsafe", password)


def test_a_fleet_names_the_group_of_each_host() -> None:
    fleet = load_topology(
        "odyssey",
        {
            "groups": {"ILIAD": {"database": {"host": "troy", "name": "OpsDB", "warehouse": "OpsDW"}}},
            "hosts": {
                "achilles": {"roles": ["rms"], "group": "ILIAD"},
                "troy": {"roles": ["database"], "group": "ILIAD"},
            },
        },
    )
    tree = read(inventory(fleet, NTLM))
    assert "vars" not in tree
    assert {
        name: host["opsmgr_management_group"] for name, host in tree["children"]["opsmgr_rms"]["hosts"].items()
    } == {
        "hydra": "ODYSSEY",
        "achilles": "ILIAD",
    }
    assert tree["children"]["opsmgr_database"]["hosts"]["troy"]["opsmgr_database_name"] == "OpsDB"


def test_lab_json_describes_hosts_and_sql_servers() -> None:
    odyssey = load_topology("odyssey")
    described = description(odyssey, "/somewhere/ca.pem")
    assert set(described) == {"pid", "ca", "hosts", "sql"}
    assert described["hosts"]["hydra"] == {
        "address": "127.10.1.10",
        "http": 5985,
        "https": 5986,
        "user": "ODYSSEY\\administrator",
        "password": odyssey.hosts["hydra"].users[0].password,
        "fqdn": "hydra.odyssey.com",
        "roles": ["rms"],
        "powered": True,
    }
    assert described["sql"] == {
        "thunder": {
            "address": "127.10.1.13",
            "port": 1433,
            "user": "opsmgr_recovery",
            "password": odyssey.sql.login.password,
            "databases": ["OperationsManager", "OperationsManagerDW"],
        }
    }
    json.dumps(described)


def test_a_host_that_is_switched_off_at_first_is_said_to_be() -> None:
    assert description(load_topology("odyssey-no-key"), "/somewhere/ca.pem")["hosts"]["hydra"]["powered"] is False


def test_files_are_for_the_owner_only(tmp_path: Path) -> None:
    write_private(tmp_path / "inventory.yml", "secret")
    assert (tmp_path / "inventory.yml").stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["inventory.yml"]
