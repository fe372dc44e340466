# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole lab over the wire with the clients that users have, and its command line."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyodbc
import pytest
import yaml
from unit.lab.opsmgr_prompt import DIRECTORY, PASSWORD, own_network, quick_lab
from winrm.protocol import Protocol

from lab.inventory import WinRMAccess
from lab.lab import Lab
from lab.sql.messages import SqlError

TESTS = Path(__file__).parents[2]


@pytest.fixture
def lab() -> Iterator[Lab]:
    with quick_lab() as made:
        yield made


class Prompt:
    """pywinrm at work on one host of a lab."""

    def __init__(self, lab: Lab, host: str, transport: str = "ntlm") -> None:
        spec = lab.topology.hosts[host]
        scheme, port = ("https", 5986) if transport == "basic" else ("http", 5985)
        self._protocol = Protocol(
            f"{scheme}://{spec.address}:{port}/wsman",
            transport=transport,
            username=spec.users[0].name,
            password=spec.users[0].password,
            ca_trust_path=lab.ca_file,
            operation_timeout_sec=20,
            read_timeout_sec=30,
        )
        self._shell = self._protocol.open_shell(working_directory=None)

    def run(self, line: str, *replies: tuple[str, bytes]) -> tuple[str, int]:
        """Run a command line in a console; each reply goes to the question that ends the output at that time."""
        command = self._protocol.run_command(self._shell, line, console_mode_stdin=True)
        waiting, text, done, code = list(replies), "", False, -1
        while not done:
            out, err, code, done = self._protocol.get_command_output_raw(self._shell, command)
            text += (out + err).decode("cp437")
            if waiting and text.rstrip().endswith(waiting[0][0]):
                self._protocol.send_command_input(self._shell, command, waiting.pop(0)[1], end=False)
        self._protocol.cleanup_command(self._shell, command)
        return text, code

    def close(self) -> None:
        self._protocol.close_shell(self._shell, close_session=True)


def test_the_book_s_procedure_over_the_wire(lab: Lab) -> None:
    """Backup on hydra, the file carried over, restore and promotion on deathsting, hydra's Health Service restarted."""
    answer = PASSWORD.encode() + b"\r"
    hydra, deathsting = Prompt(lab, "hydra"), Prompt(lab, "deathsting", "basic")
    for prompt in (hydra, deathsting):
        for tool in ("SecureStorageBackup", "ManagementServerConfigTool"):
            assert prompt.run(f'copy /y D:\\SupportTools\\amd64\\{tool}.exe "{DIRECTORY}"')[1] == 0
    here = f'cd /d "{DIRECTORY}" && '
    question = "the password to use for storage/retrieval:"
    questions = (("Please enter " + question, answer), ("Please re-enter " + question, answer))
    backup, code = hydra.run(here + "SecureStorageBackup Backup C:\\key.bin", *questions)
    assert code == 0, backup
    lab.hosts["deathsting"].fs.write("C:\\key.bin", lab.hosts["hydra"].fs.read("C:\\key.bin"))
    restored, code = deathsting.run(here + "SecureStorageBackup Restore C:\\key.bin", ("storage/retrieval:", answer))
    assert code == 0, restored
    warning = ("Root Management Server.", b"Y\r")
    promoted, code = deathsting.run(here + "ManagementServerConfigTool PromoteRMS /DeleteExistingRMS:true", warning)
    assert code == 0, promoted
    assert hydra.run("sc stop HealthService")[1] == 0
    lab.hosts["hydra"].services.settle()
    assert hydra.run("sc start HealthService")[1] == 0
    lab.hosts["hydra"].services.settle()
    group = lab.dump()["groups"]["ODYSSEY"]
    assert group["rms"] == "deathsting.odyssey.com"
    assert group["roles"] == {"hydra": "management_server", "deathsting": "rms", "jupiter": "management_server"}
    assert group["key"]["deathsting"] == "right"
    assert "RUNNING" in deathsting.run("sc query OMSDK")[0]
    sent = [entry for entry in lab.recorder.entries if entry.get("stdin")]
    assert {entry["stdin_program"] for entry in sent} == {"SecureStorageBackup", "ManagementServerConfigTool"}
    hydra.close()
    deathsting.close()


def connect(lab: Lab, login: Any) -> pyodbc.Connection:
    server = lab.sql["thunder"]
    parts = (
        f"DRIVER=FreeTDS;SERVER={server.address};PORT=1433;TDS_Version=7.2;UID={login.name};PWD={{{login.password}}}"
    )
    return pyodbc.connect(parts + ";DATABASE=OperationsManager", autocommit=True)


def test_the_database_answers_over_odbc(lab: Lab) -> None:
    with connect(lab, lab.topology.sql.login) as connection:
        rows = connection.execute("SELECT DisplayName FROM dbo.MTV_HealthService WHERE IsRHS = 1").fetchall()
        assert [row[0] for row in rows] == ["hydra.odyssey.com"]
        assert (
            connection.execute("SELECT ManagementGroupName FROM dbo.__MOMManagementGroupInfo__").fetchone()[0]
            == "ODYSSEY"
        )
    connection.close()


def test_a_windows_account_may_log_in_too(lab: Lab) -> None:
    connection = connect(lab, lab.topology.hosts["thunder"].users[0])
    assert connection.execute("SELECT IS_SRVROLEMEMBER('sysadmin')").fetchone()[0] == 1
    connection.close()


def test_the_weak_login_may_look_and_not_change(lab: Lab) -> None:
    connection = connect(lab, lab.topology.sql.weak_login)
    assert connection.execute("SELECT COUNT(*) FROM dbo.MTV_HealthService").fetchone()[0] == 3
    with pytest.raises(pyodbc.Error, match="ALTER DATABASE statement failed"):
        connection.execute("ALTER DATABASE OperationsManager SET ENABLE_BROKER")
    connection.close()


def test_a_database_backup_is_a_file_on_the_server(lab: Lab) -> None:
    connection = connect(lab, lab.topology.sql.login)
    cursor = connection.execute("BACKUP DATABASE OperationsManager TO DISK = N'C:\\ops.bak' WITH CHECKSUM")
    while cursor.nextset():
        pass
    connection.close()
    assert lab.hosts["thunder"].fs.exists("C:\\ops.bak")


def test_everything_can_be_on_one_machine() -> None:
    overrides: dict[str, Any] = {
        "hosts": {"hydra": {"roles": ["rms", "database", "reporting", "web_console"]}},
        "groups": {"ODYSSEY": {"database": {"host": "hydra"}}},
    }
    with quick_lab(**overrides) as lab:
        assert lab.hosts["hydra"].services["OMSDK"].state == "running"
        assert lab.dump()["groups"]["ODYSSEY"]["key"]["hydra"] == "right"


def test_a_fleet_has_several_groups_side_by_side() -> None:
    fleet: dict[str, Any] = {
        "groups": {
            "ILIAD": {
                "database": {"host": "troy", "name": "OpsDB", "warehouse": "OpsDW"},
                "run_as": {"Action Account": {"user": "ODYSSEY\\priam"}},
            }
        },
        "hosts": {"achilles": {"roles": ["rms"], "group": "ILIAD"}, "troy": {"roles": ["database"], "group": "ILIAD"}},
    }
    with quick_lab(**fleet) as lab:
        groups = lab.dump()["groups"]
        assert (groups["ODYSSEY"]["rms"], groups["ILIAD"]["rms"]) == ("hydra.odyssey.com", "achilles.odyssey.com")
        assert groups["ILIAD"]["run_as"] == {"achilles": {"ODYSSEY\\priam": True}}
        assert lab.hosts["achilles"].services["OMSDK"].state == "running"


def test_a_gateway_and_a_view_without_names() -> None:
    with quick_lab("odyssey-hard") as lab, lab.sql["thunder"].connect("test", "OperationsManager") as session:
        with pytest.raises(SqlError, match="207"):
            session.query("SELECT DisplayName FROM dbo.MTV_HealthService")
        rows = session.query(
            "SELECT bme.DisplayName, hs.IsManagementServer, hs.IsGateway FROM dbo.MTV_HealthService AS hs "
            "JOIN dbo.BaseManagedEntity AS bme ON bme.BaseManagedEntityId = hs.BaseManagedEntityId WHERE hs.IsGateway = 1"
        )
        assert [tuple(row) for row in rows] == [("gate.ithaca.com", True, True)]
        # It could never be the root.
        assert "gate.ithaca.com" not in lab.dump()["groups"]["ODYSSEY"]["servers"]


def test_dumps_are_equal_until_something_changes(lab: Lab) -> None:
    before = lab.dump()
    prompt = Prompt(lab, "hydra")
    prompt.run("sc query OMSDK & dir C:\\")
    assert lab.dump() == before
    prompt.run("echo x> C:\\x")
    assert lab.dump() != before
    json.dumps(before)
    prompt.close()


def test_a_host_without_power_refuses_and_comes_back(lab: Lab) -> None:
    address = lab.topology.hosts["hydra"].address
    lab.power("hydra", False)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((address, 5985), timeout=5)
    assert lab.dump()["hosts"]["hydra"]["powered"] is False
    lab.power("hydra", True)
    socket.create_connection((address, 5985), timeout=5).close()
    lab.hosts["hydra"].services.settle()
    assert lab.hosts["hydra"].services["OMSDK"].state == "running"


def test_a_switched_off_sql_server_host_takes_the_database_with_it(lab: Lab) -> None:
    lab.power("thunder", False)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((lab.sql["thunder"].address, 1433), timeout=5)
    assert lab.dump()["groups"]["ODYSSEY"]["rms"] == "hydra.odyssey.com"
    with pytest.raises(ValueError, match="no host 'troy'; known are hydra"):
        lab.power("troy", False)


def test_files_say_how_to_reach_it(lab: Lab, tmp_path: Path) -> None:
    lab.write_files(tmp_path, WinRMAccess("https", "basic"))
    tree = yaml.safe_load((tmp_path / "inventory.yml").read_text(encoding="utf-8"))
    hydra = tree["all"]["children"]["opsmgr_rms"]["hosts"]["hydra"]
    assert hydra["ansible_winrm_ca_trust_path"] == json.loads((tmp_path / "lab.json").read_text())["ca"] == lab.ca_file


def test_reporting_and_web_console_name_the_root(lab: Lab) -> None:
    report = lab.hosts["argus"].fs.read(
        "C:\\Program Files\\Microsoft SQL Server\\MSRS10.MSSQLSERVER\\Reporting Services\\ReportServer\\rsreportserver.config"
    )
    assert report.count(b"<ServerName>hydra.odyssey.com</ServerName>") == 2
    web = lab.hosts["hermes"].fs.read(f"{DIRECTORY}\\Web Console\\Web.config")
    assert b'<add key="MOMServer" value="hydra.odyssey.com"/>' in web
    assert lab.hosts["argus"].services["ReportServer"].state == "running"


@pytest.mark.parametrize(
    ("sql_version", "instance", "identity", "key"),
    [
        ("9.0", "MSSQLSERVER", "MSSQL.2", "ReportServer"),
        ("10.0", "OPSMGR", "MSRS10.OPSMGR", "ReportServer$OPSMGR"),
    ],
)
def test_reporting_services_is_where_its_version_puts_it(
    sql_version: str, instance: str, identity: str, key: str
) -> None:
    with quick_lab(
        sql={"version": sql_version}, hosts={"argus": {"settings": {"reporting_instance": instance}}}
    ) as lab:
        argus = lab.hosts["argus"]
        names = "HKLM\\SOFTWARE\\Microsoft\\Microsoft SQL Server\\Instance Names\\RS"
        assert argus.registry.get(names, instance) == identity
        assert argus.fs.exists(
            f"C:\\Program Files\\Microsoft SQL Server\\{identity}\\Reporting Services\\ReportServer\\rsreportserver.config"
        )
        assert key in argus.services


def test_reporting_services_ends_when_its_configuration_is_no_xml(lab: Lab) -> None:
    argus = lab.hosts["argus"]
    path = "C:\\Program Files\\Microsoft SQL Server\\MSRS10.MSSQLSERVER\\Reporting Services\\ReportServer\\rsreportserver.config"
    good = argus.fs.read(path)
    for content, state in ((good[:-20], "stopped"), (good, "running")):
        argus.services.stop("ReportServer")
        argus.services.settle()
        argus.fs.write(path, content)
        argus.services.start("ReportServer")
        argus.services.settle()
        assert argus.services["ReportServer"].state == state


def test_a_second_lab_on_the_same_network_is_told_so(lab: Lab) -> None:
    second = quick_lab()
    with pytest.raises(OSError, match="cannot listen"):
        second.start()
    second.stop()


def lab_command(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """``python -m lab`` in a directory with a long name."""
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    command = [sys.executable, "-m", "lab", arguments[0], "--directory", str(directory), *arguments[1:]]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)


def test_the_command_line_from_up_to_down(tmp_path: Path) -> None:
    directory = tmp_path / ("long" * 30) / ".lab"
    network = own_network().replace("127.", "127.1")
    assert lab_command(directory, "down").returncode == 0
    up = lab_command(
        directory, "up", "--topology", "odyssey-r2", "--network", network, "--set", "settings.tool_reads=readline"
    )
    try:
        assert up.returncode == 0, up.stderr
        assert f"hydra       {network}.1.10  rms" in up.stdout
        private = [file for file in directory.iterdir() if file.suffix in (".yml", ".json", ".jsonl", ".sock")]
        assert len(private) == 4
        assert all(file.stat().st_mode & 0o077 == 0 for file in private)
        again = lab_command(directory, "up")
        assert (again.returncode, "runs already" in again.stderr) == (1, True)
        before = json.loads(lab_command(directory, "dump").stdout)
        assert before["hosts"]["hydra"]["registry"]
        assert before["groups"]["ODYSSEY"]["key"]["hydra"] == "right"
        assert lab_command(directory, "power", "hydra", "off").returncode == 0
        assert json.loads(lab_command(directory, "dump").stdout)["hosts"]["hydra"]["powered"] is False
        assert lab_command(directory, "fault", "add", "--name", "sc", "--code", "5").returncode == 0
        assert lab_command(directory, "fault", "clear").returncode == 0
        refused = lab_command(directory, "power", "troy", "off")
        assert (refused.returncode, "no host 'troy'" in refused.stderr) == (1, True)
        assert lab_command(directory, "log").returncode == 0
    finally:
        down = lab_command(directory, "down")
    assert (down.returncode, down.stderr) == (0, "")
    assert not (directory / "lab.json").exists()
    assert lab_command(directory, "dump").stderr == f"no lab is running in {directory}\n"


def test_a_wrong_topology_is_told_at_once(tmp_path: Path) -> None:
    wrong = lab_command(tmp_path / ".lab", "up", "--topology", "iliad")
    assert (wrong.returncode, wrong.stderr.startswith("there is no topology 'iliad'")) == (1, True)
