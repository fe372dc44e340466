# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host as a whole: logons, shares, programs of others, output in pieces, killing, faults, records, dumps."""

from __future__ import annotations

import threading
import time

import pytest
from unit.lab.windows_prompt import finish, make_host, out, run, start
from waiting import until

from lab.faults import Fault
from lab.windows.host import User, WindowsHost
from lab.windows.process import Process
from lab.windows.services import Service


@pytest.fixture(name="hosts")
def two_hosts() -> dict[str, WindowsHost]:
    hosts: dict[str, WindowsHost] = {}
    for name in ("hydra", "deathsting"):
        hosts[name] = make_host(name=name, network=hosts)
        hosts[name].users.append(User("ODYSSEY\\administrator", "Passw0rd!"))
    hosts["deathsting"].fs.mkdir("C:\\backups")
    hosts["deathsting"].fs.shares["backups"] = "C:\\backups"
    return hosts


def sleeper(process: Process) -> int:
    """Says that it is there and sleeps."""
    process.out("sleeping")
    process.sleep(60)
    return 0


# Accounts and shares


@pytest.mark.parametrize(
    ("user", "password", "welcome"),
    [
        ("ODYSSEY\\administrator", "Passw0rd!", True),
        ("odyssey\\Administrator", "Passw0rd!", True),
        ("administrator@odyssey.com", "Passw0rd!", True),
        ("administrator", "Passw0rd!", True),
        ("ODYSSEY\\administrator", "passw0rd!", False),
        ("OTHER\\administrator", "Passw0rd!", False),
        ("nobody", "Passw0rd!", False),
    ],
)
def test_logon(hosts: dict[str, WindowsHost], user: str, password: str, welcome: bool) -> None:
    session = hosts["hydra"].logon(user, password)
    assert (session is not None) == welcome
    assert session is None or (session.user, session.can_delegate) == ("ODYSSEY\\administrator", False)


def test_a_share_of_another_host_needs_delegation(hosts: dict[str, WindowsHost]) -> None:
    line = "echo key>\\\\deathsting\\backups\\key.bin"
    refused = run(hosts["hydra"], line)
    assert (refused.code, refused.err) == (1, "Access is denied.\r\n")
    assert run(hosts["hydra"], line, can_delegate=True).code == 0
    assert hosts["deathsting"].fs.read("C:\\backups\\key.bin") == b"key\r\n"
    assert out(hosts["deathsting"], "type \\\\deathsting.odyssey.com\\backups\\key.bin") == "key\r\n", "its own share"
    assert run(hosts["hydra"], "type \\\\deathsting\\c$\\backups\\key.bin", can_delegate=True).out == "key\r\n"
    assert run(hosts["hydra"], "dir \\\\nowhere\\x").err == "The network path was not found.\r\n"
    assert (
        run(hosts["hydra"], "type \\\\deathsting\\nope\\x", can_delegate=True).err
        == "The network name cannot be found.\r\n"
    )
    hosts["deathsting"].powered = False
    assert run(hosts["hydra"], line, can_delegate=True).err == "The network path was not found.\r\n"


def test_net_use_with_a_password_needs_none(hosts: dict[str, WindowsHost]) -> None:
    line = "net use \\\\deathsting\\backups {} /user:ODYSSEY\\administrator>nul && echo x>\\\\deathsting\\backups\\x"
    assert run(hosts["hydra"], line.format("wrong")).code == 2
    assert run(hosts["hydra"], line.format("Passw0rd!")).code == 0
    mapped = "net use Y: \\\\deathsting\\backups>nul&& Y:&& dir /b&& C:& net use Y: /delete"
    hosts["deathsting"].fs.write("C:\\backups\\x", b"")
    assert run(hosts["hydra"], mapped, can_delegate=True).lines == ["x", "Y: was deleted successfully.", ""]


def test_pushd_maps_a_share(hosts: dict[str, WindowsHost]) -> None:
    line = "pushd \\\\deathsting\\backups& echo %CD%& call echo %^CD%& popd& if not exist Z:\\ echo gone"
    assert run(hosts["hydra"], line, can_delegate=True).lines[1:] == ["Z:\\", "gone"]


# Programs


def test_copies_of_a_program_behave_as_it_does(hosts: dict[str, WindowsHost]) -> None:
    def tool(process: Process) -> int:
        process.say(f"I am {process.image}")
        return 0

    hydra, deathsting = hosts["hydra"], hosts["deathsting"]
    hydra.install_program("C:\\media\\Tool.exe", tool, b"MZ tool of the media")
    assert run(hydra, "copy C:\\media\\Tool.exe C:\\Windows\\Other.exe>nul& other").lines == [
        "I am C:\\Windows\\Other.exe"
    ]
    deathsting.fs.write("C:\\Tool.exe", hydra.fs.read("C:\\media\\Tool.exe"))
    assert run(deathsting, "C:\\tool").lines == ["I am C:\\Tool.exe"]
    deathsting.fs.write("C:\\Tool.exe", b"MZ something else")
    assert run(deathsting, "C:\\tool").code == 1
    hydra.fs.write("C:\\media\\Tool.exe", b"MZ overwritten")
    assert run(hydra, "C:\\media\\Tool.exe").code == 1
    hydra.fs.remove("C:\\media\\Tool.exe")
    assert "is not recognized" in run(hydra, "C:\\media\\Tool.exe").err


def test_what_cannot_be_run(hosts: dict[str, WindowsHost]) -> None:
    hosts["hydra"].fs.write("C:\\x.cmd", b"echo hello")
    assert "does not run batch files" in run(hosts["hydra"], "C:\\x").err
    older = make_host("2003")
    older.fs.write("C:\\x.exe", b"no program")
    assert run(older, "C:\\x").err == "C:\\x.exe is not a valid Win32 application.\r\n"


def test_pieces_of_output_are_seen_at_once_and_one_by_one() -> None:
    host = make_host()
    go_on = threading.Event()

    def pieces(process: Process) -> int:
        process.out("Plea")
        process.out("se: ")
        go_on.wait(5)
        process.err("!")
        return 3

    host.install_program("C:\\pieces.exe", pieces, b"MZ pieces")
    command = start(host, "C:\\pieces.exe")
    assert [command.read(5).stdout for _piece in range(2)] == [b"Plea", b"se: "]
    assert command.read(0.05).done is False
    go_on.set()
    last = command.read(5)
    assert (last.stderr, last.done, last.exit_code) == (b"!", True, 3)
    assert run(host, "echo a& echo b& C:\\pieces.exe& echo c").pieces == [b"a\r\nb\r\n", b"Plea", b"se: ", b"c\r\n"]


def test_a_quick_command_is_one_answer() -> None:
    host = make_host()
    output = start(host, "echo a& sc query WinRM& set TEMP").read(5)
    assert (output.done, output.exit_code) == (True, 0)


def test_terminating_kills_all_programs_of_a_command() -> None:
    host = make_host()
    host.install_program("C:\\Windows\\sleeper.exe", sleeper, b"MZ sleeper")
    for line in ("sleeper", "cmd /c sleeper & echo no", "sleeper | more", "set /p x=", 'findstr "^" | sort'):
        command = start(host, line)
        command.read(0.05)
        command.terminate("http://schemas.microsoft.com/wbem/wsman/1/windows/shell/signal/terminate")
        ended = finish(command)
        assert (ended.code, "no" in ended.out) == (1, False), line
    until(lambda: not host.running())
    command = start(host, "sleeper")
    command.terminate("ctrl_c")
    assert finish(command).code == 0xC000013A


def test_taskkill_kills_one_program_and_its_shell_goes_on() -> None:
    host = make_host()
    host.install_program("C:\\Windows\\sleeper.exe", sleeper, b"MZ sleeper")
    command = start(host, "sleeper& echo after")
    assert command.read(5).stdout == b"sleeping"
    assert "SUCCESS" in out(host, "taskkill /f /im sleeper.exe")
    assert finish(command).out == "after\r\n"


def test_switching_off_ends_everything() -> None:
    host = make_host()
    host.install_program("C:\\Windows\\sleeper.exe", sleeper, b"MZ sleeper")
    command = start(host, "sleeper")
    fired: list[str] = []
    host.later(0.05, lambda: fired.append("never"))
    host.powered = False
    assert finish(command).code == 1
    time.sleep(0.1)
    assert fired == []
    host.powered = True
    host.later(0, lambda: fired.append("now"))
    until(lambda: fired == ["now"])


# Faults and records


def test_faults_of_commands() -> None:
    host = make_host()
    host.faults.add(Fault("hydra", "command", "sc", "fail", nth=2, code=5, text="Access is denied."))
    assert run(host, "sc query WinRM").code == 0
    failed = run(host, "sc query WinRM")
    assert (failed.code, failed.out, failed.err) == (5, "", "Access is denied.\r\n")
    host.faults.add(Fault("*", "command", "SC*", "drop"))
    assert run(host, "sc query WinRM || echo failed").out == "failed\r\n"
    host.faults.add(Fault("*", "command", "whoami", "stall", seconds=0.1))
    before = time.monotonic()
    assert run(host, "whoami").code == 0
    assert time.monotonic() - before >= 0.1


def test_every_program_is_recorded() -> None:
    host = make_host()
    run(host, 'cd C:\\& whoami & echo x | findstr "a b"')
    entries = [entry for entry in host.recorder.entries if entry["kind"] == "program"]
    assert sorted((entry["command"], entry["cwd"], entry["exit_code"]) for entry in entries) == [
        ('findstr "a b"', "C:\\", 1),
        ("whoami ", "C:\\", 0),
    ]


# State


def test_two_dumps_are_equal_when_nothing_changed(hosts: dict[str, WindowsHost]) -> None:
    host = hosts["hydra"]
    host.services.add(Service("OMSDK", "OpsMgr SDK Service", start="auto", state="running"))
    before = host.dump()
    run(
        host,
        "echo x>%TEMP%\\y& del %TEMP%\\y& net stop OMSDK& net start OMSDK& reg query HKCU & dir /s C:\\ & tasklist",
    )
    assert host.dump() == before
    run(host, "echo x>C:\\y")
    assert host.dump() != before
    assert host.dump()["files"]["C:\\y"]["size"] == 3
    assert before["services"]["OMSDK"] == {"state": "running", "start": "auto"}
