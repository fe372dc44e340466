# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows Installer of a simulated host: its client, its service, its log, its exit codes."""

from __future__ import annotations

import pytest
from unit.lab.windows_prompt import finish, make_host, out, run, start
from waiting import until

from lab.faults import Fault
from lab.windows.host import WindowsHost
from lab.windows.process import Process

PACKAGE = "C:\\Setup\\thing.msi"
INSTALL = f'msiexec /i "{PACKAGE}" /qn /norestart /l*v C:\\thing.log'


def host_with(code: int = 0, seconds: float = 0.0) -> WindowsHost:
    """A host with a package that works for so long and ends with that code."""
    host = make_host()

    def package(process: Process) -> int:
        process.say(f"given {' '.join(process.argv[1:])}")
        process.sleep(seconds)
        host.registry.set("HKLM\\SOFTWARE\\Thing", "Installed", "yes")
        return code

    host.install_program(PACKAGE, package, b"\xd0\xcf\x11\xe0 a package")
    return host


def installed(host: WindowsHost) -> bool:
    return host.registry.get("HKLM\\SOFTWARE\\Thing", "Installed") == "yes"


@pytest.mark.parametrize("code", [0, 3010, 1603])
def test_start_wait_gives_the_package_s_exit_code_and_the_log_is_utf_16(code: int) -> None:
    host = host_with(code)
    assert run(host, f'start "" /wait {INSTALL} NAME="a value" OTHER=1').code == code
    log = host.fs.read("C:\\thing.log")
    assert log.startswith(b"\xff\xfe")
    text = log.decode("utf-16")
    assert "given NAME=a value OTHER=1\r\n" in text
    assert f"MainEngineThread is returning {code}\r\n" in text
    assert f"MainEngineThread is returning {code}" in out(host, "type C:\\thing.log")


def test_cmd_does_not_wait_for_a_program_with_windows() -> None:
    host = host_with(1603, seconds=0.3)
    assert run(host, INSTALL).code == 0
    assert not installed(host)
    assert run(host, f'start "" {INSTALL}').code == 0


def test_a_second_installation_is_refused_while_one_works() -> None:
    host = host_with(seconds=0.5)
    first = start(host, f'start "" /wait {INSTALL}')
    until(host.installing.locked)
    assert run(host, f'start "" /wait {INSTALL}').code == 1618
    assert finish(first).code == 0
    assert run(host, f'start "" /wait {INSTALL}').code == 0


@pytest.mark.parametrize("survives", [True, False])
def test_the_work_is_the_service_s_and_may_survive_its_client(survives: bool) -> None:
    host = host_with(seconds=0.3)
    host.settings["installer_survives"] = survives
    command = start(host, f'start "" /wait {INSTALL}')
    until(host.installing.locked)
    command.terminate()
    until(lambda: not host.installing.locked())
    assert installed(host) is survives


def test_the_service_s_process_stays_behind() -> None:
    host = host_with()
    assert "msiexec.exe" not in out(host, "tasklist /nh")
    run(host, f'start "" /wait {INSTALL}')
    assert host.services["msiserver"].state == "running"
    assert out(host, "tasklist /nh").count("msiexec.exe") == 1


@pytest.mark.parametrize(
    ("line", "code"),
    [("msiexec /i C:\\nowhere.msi /qn", 1619), ("msiexec /i C:\\text.msi /qn", 1620), ("msiexec /qn", 1639), (f"msiexec /i {PACKAGE} /qn lower=1", 1639),
     (f"msiexec /i {PACKAGE} /qn /l*v C:\\no\\folder\\log", 1622)],
)  # fmt: skip
def test_what_cannot_be_installed(line: str, code: int) -> None:
    host = host_with()
    host.fs.write("C:\\text.msi", b"text")
    assert run(host, f'start "" /wait {line}').code == code


def test_a_fault_can_make_it_busy() -> None:
    host = host_with()
    host.faults.add(Fault("hydra", "command", "msiexec", "fail", code=1618))
    assert run(host, f'start "" /wait {INSTALL}').code == 1618
    assert run(host, f'start "" /wait {INSTALL}').code == 0


def test_start_takes_what_is_first_in_quotation_marks_for_a_title() -> None:
    host = host_with()
    assert run(host, 'start "hostname"').code == 0
    assert run(host, 'start "x" /wait hostname').out == "hydra\r\n"
    assert run(host, "start /nonsense hostname").err == 'Invalid switch - "/NONSENSE".\r\n'
