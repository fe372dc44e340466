# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pywinrm, pypsrp and Ansible's winrm connection work with the lab's WinRM server as they are."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import winrm
from ansible.playbook.play_context import PlayContext
from ansible.plugins.loader import connection_loader
from pypsrp.exceptions import AuthenticationError
from pypsrp.shell import Process, SignalCode, WinRS
from pypsrp.wsman import WSMan
from unit.lab.test_winrm.conftest import PASSWORD, USER, next_address
from unit.lab.test_winrm.scripted_host import ScriptedCommand, ScriptedHost
from winrm.exceptions import InvalidCredentialsError, WinRMTransportError
from winrm.protocol import Protocol

from lab.winrm.certificates import CertificateAuthority
from lab.winrm.server import WinRMServer

Connect = Callable[..., Protocol]
WAYS = [("ntlm", "http", 5985), ("ntlm", "https", 5986), ("basic", "https", 5986)]


@pytest.mark.parametrize(("transport", "scheme", "port"), WAYS)
def test_pywinrm_session(
    host: ScriptedHost, server: WinRMServer, authority: CertificateAuthority, transport: str, scheme: str, port: int
) -> None:
    url = f"{scheme}://{host.address}:{port}/wsman"
    session = winrm.Session(url, (USER, PASSWORD), transport=transport, ca_trust_path=str(authority.ca_file))
    result = session.run_cmd("ver")
    assert (result.status_code, result.std_out, result.std_err) == (0, b"Microsoft Windows [Version 6.1.7601]\r\n", b"")
    assert {entry["transport"] for entry in host.recorder.entries if entry["action"] != "login"} == {transport}
    assert len(server.shells("hydra")) == 0


@pytest.mark.parametrize(
    "spelling",
    [
        "odyssey\\ADMINISTRATOR",
        "administrator@odyssey.com",
        "administrator@ODYSSEY",
        "odyssey.com\\administrator",
        "administrator",
    ],
)
def test_ways_to_write_a_user(protocol: Connect, spelling: str) -> None:
    for transport in ("ntlm", "basic"):
        connection = protocol(transport, username=spelling)
        connection.close_shell(connection.open_shell())


def test_a_local_user_comes_before_a_domain_user_of_the_same_name(host: ScriptedHost, protocol: Connect) -> None:
    host.add_user("administrator", "local password")
    for name in ("administrator", "HYDRA\\administrator", ".\\administrator"):
        connection = protocol(username=name, password="local password")
        connection.close_shell(connection.open_shell())
    assert host.recorder.entries[-1]["user"] == "administrator"


@pytest.mark.parametrize(("user", "password"), [(USER, "wrong"), ("ODYSSEY\\nobody", PASSWORD), ("OTHER\\x", PASSWORD)])
def test_wrong_credentials_are_rejected(protocol: Connect, user: str, password: str) -> None:
    for transport in ("ntlm", "basic"):
        with pytest.raises(InvalidCredentialsError):
            protocol(transport, username=user, password=password).open_shell()


def test_the_same_user_has_its_own_password_on_each_host(authority: CertificateAuthority) -> None:
    hosts = [ScriptedHost(name, next_address()) for name in ("hydra", "deathsting")]
    for host in hosts:
        host.add_user("administrator", f"password of {host.name}")
    server = WinRMServer(hosts, authority)
    server.start()
    try:
        for host in hosts:
            for other in hosts:
                url = f"http://{host.address}:5985/wsman"
                connection = Protocol(url, "ntlm", "administrator", f"password of {other.name}", ca_trust_path="")
                if other is host:
                    connection.close_shell(connection.open_shell())
                else:
                    with pytest.raises(InvalidCredentialsError):
                        connection.open_shell()
    finally:
        server.stop()


def test_basic_over_http_needs_allow_unencrypted(host: ScriptedHost, protocol: Connect) -> None:
    connection = protocol("plaintext")
    with pytest.raises(InvalidCredentialsError):
        connection.open_shell()
    host.settings["allow_unencrypted"] = True
    connection.close_shell(connection.open_shell())


def test_unencrypted_soap_after_ntlm_needs_allow_unencrypted(host: ScriptedHost, protocol: Connect) -> None:
    with pytest.raises(WinRMTransportError, match="Code 500"):
        protocol(message_encryption="never").open_shell()
    host.settings["allow_unencrypted"] = True
    connection = protocol(message_encryption="never")
    connection.close_shell(connection.open_shell())


def test_message_encryption_inside_https(
    protocol: Connect, authority: CertificateAuthority, host: ScriptedHost
) -> None:
    url = f"https://{host.address}:5986/wsman"
    connection = Protocol(
        url, "ntlm", USER, PASSWORD, ca_trust_path=str(authority.ca_file), message_encryption="always"
    )
    connection.close_shell(connection.open_shell())


def test_everything_about_a_shell_reaches_the_command(host: ScriptedHost, protocol: Connect) -> None:
    connection = protocol()
    shell = connection.open_shell(
        working_directory="C:\\Program Files\\R&D", env_vars={"A": "1 < 2", "B": ""}, codepage=850, idle_timeout="PT60S"
    )
    command = connection.run_command(shell, "ver", console_mode_stdin=False, skip_cmd_shell=True)
    connection.get_command_output(shell, command)
    connection.cleanup_command(shell, command)
    connection.close_shell(shell)
    started = host.commands[0].started_with
    assert (started["cwd"], started["env"], started["codepage"]) == (
        "C:\\Program Files\\R&D",
        {"A": "1 < 2", "B": ""},
        850,
    )
    assert (started["console"], started["skip_cmd_shell"]) == (False, True)


def test_arguments_make_one_command_line(host: ScriptedHost, protocol: Connect) -> None:
    line = 'copy "C:\\a & b\\x" "D:\\ü"'
    host.scripts[line] = lambda command: 3
    connection = protocol()
    shell = connection.open_shell()
    command = connection.run_command(shell, "copy", ['"C:\\a & b\\x"', '"D:\\ü"'])
    assert connection.get_command_output(shell, command) == (b"", b"", 3)


def test_exit_codes_are_unsigned(host: ScriptedHost, protocol: Connect) -> None:
    host.scripts["fail"] = lambda command: -1
    connection = protocol()
    shell = connection.open_shell()
    assert connection.get_command_output(shell, connection.run_command(shell, "fail"))[2] == 4294967295


def test_a_conversation(host: ScriptedHost, protocol: Connect) -> None:
    def ask(command: ScriptedCommand) -> int:
        command.out(b"Password: ")
        answer = command.read_until(b"\r")
        command.err(b"you said " + answer)
        return 0

    host.scripts["ask"] = ask
    connection = protocol()
    shell = connection.open_shell()
    command = connection.run_command(shell, "ask")
    assert connection.get_command_output_raw(shell, command)[0] == b"Password: "
    connection.send_command_input(shell, command, b"s\xe4cret\r")
    assert connection.get_command_output(shell, command) == (b"", b"you said s\xe4cret\r", 0)
    sent = [entry for entry in host.recorder.entries if entry["action"] == "Send"]
    assert (sent[0]["stdin"], sent[0]["stdin_program"]) == (b"s\xe4cret\r".decode("cp437"), "ask")


def test_input_reaches_a_command_while_another_connection_waits_for_output(
    host: ScriptedHost, protocol: Connect
) -> None:
    host.scripts["echo"] = lambda command: command.out(command.read_until(b"\n"))
    waiting, sending = protocol(), protocol()
    shell = waiting.open_shell()
    command = waiting.run_command(shell, "echo")
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(waiting.get_command_output_raw(shell, command)))
    thread.start()
    time.sleep(0.1)
    sending.send_command_input(shell, command, b"now\n")
    thread.join(5)
    assert results[0][0] == b"now\n"


def test_end_of_input(host: ScriptedHost, protocol: Connect) -> None:
    connection = protocol()
    shell = connection.open_shell()
    command = connection.run_command(shell, "wait")
    connection.send_command_input(shell, command, b"", end=True)
    assert connection.get_command_output(shell, command) == (b"", b"", 0)


@pytest.mark.parametrize("ssl", [False, True])
@pytest.mark.parametrize("auth", ["ntlm", "negotiate", "basic"])
def test_pypsrp_winrs(host: ScriptedHost, wsman: Callable[..., WSMan], auth: str, ssl: bool) -> None:
    encryption = "auto" if ssl or auth != "basic" else "never"
    host.settings["allow_unencrypted"] = encryption == "never"
    host.scripts["sort /r file"] = lambda command: command.out(command.read_until(b"\n"))
    shell = WinRS(wsman(auth, ssl, encryption=encryption), codepage=65001, working_directory="C:\\", idle_time_out=60)
    with shell:
        assert (str(shell.idle_time_out), str(shell.owner)) == ("PT60.000S", USER)
        process = Process(shell, "sort", ["/r", "file"])
        process.begin_invoke()
        process.send(b"line\n", end=True)
        process.end_invoke()
        process.signal(SignalCode.TERMINATE)
        assert (process.rc, process.stdout, process.stderr) == (0, b"line\n", b"")
    assert host.commands[0].started_with["console"] is False


def test_pypsrp_wrong_password(wsman: Callable[..., WSMan]) -> None:
    connection = wsman("ntlm", False)
    connection.transport.password = "wrong"
    with pytest.raises(AuthenticationError):
        WinRS(connection).open()


@pytest.mark.parametrize(("transport", "port"), [("ntlm", 5985), ("basic", 5986)])
def test_ansible_winrm_connection(
    host: ScriptedHost, server: WinRMServer, authority: CertificateAuthority, transport: str, port: int
) -> None:
    connection = connection_loader.get("ansible.builtin.winrm", PlayContext(), None)
    connection.set_options(
        var_options={
            "ansible_host": host.address, "ansible_port": port, "ansible_user": USER, "ansible_password": PASSWORD,
            "ansible_winrm_transport": [transport], "_extras": {"ansible_winrm_ca_trust_path": str(authority.ca_file)},
        }
    )  # fmt: skip
    connection._connect()
    command = connection.protocol.run_command(connection.shell_id, "ver")
    assert connection.protocol.get_command_output(connection.shell_id, command)[0].startswith(b"Microsoft Windows")
    connection.close()
    assert len(server.shells("hydra")) == 0
