# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service control manager, sc.exe and net.exe."""

from __future__ import annotations

import re
import threading

import pytest
from unit.lab.windows_prompt import make_host, out, run

from lab.faults import Fault
from lab.windows.host import WindowsHost
from lab.windows.services import Service


def host_with_services(profile: str = "2008r2") -> WindowsHost:
    host = make_host(profile)
    for key, display in (
        ("HealthService", "OpsMgr Health Service"),
        ("OMSDK", "OpsMgr SDK Service"),
        ("OMCFG", "OpsMgr Config Service"),
    ):
        host.services.add(
            Service(
                key, display, f"C:\\Program Files\\OpsMgr\\{key}.exe", start="auto", state="running", start_seconds=0.05
            )
        )
    return host


@pytest.fixture(name="host")
def newer_host() -> WindowsHost:
    return host_with_services()


def test_queryex(host: WindowsHost) -> None:
    assert out(host, "sc queryex omsdk") == (
        "\r\nSERVICE_NAME: OMSDK\r\n"
        "        TYPE               : 10  WIN32_OWN_PROCESS \r\n"
        "        STATE              : 4  RUNNING \r\n"
        "                                (STOPPABLE, NOT_PAUSABLE, ACCEPTS_SHUTDOWN)\r\n"
        "        WIN32_EXIT_CODE    : 0  (0x0)\r\n"
        "        SERVICE_EXIT_CODE  : 0  (0x0)\r\n"
        "        CHECKPOINT         : 0x0\r\n"
        "        WAIT_HINT          : 0x0\r\n"
        f"        PID                : {host.services['OMSDK'].pid}\r\n"
        "        FLAGS              : \r\n"
    )


def test_a_stopped_service_shows_its_flags_on_2003_only(host: WindowsHost) -> None:
    older = host_with_services("2003")
    for one in (host, older):
        one.services.stop("OMSDK")
        assert one.services.wait("OMSDK", "stopped")
    assert "STATE              : 1  STOPPED \r\n        WIN32" in out(host, "sc query OMSDK")
    assert "STOPPED \r\n                                (NOT_STOPPABLE,NOT_PAUSABLE,IGNORES_SHUTDOWN)\r\n" in out(
        older, "sc query OMSDK"
    )


def test_qc(host: WindowsHost) -> None:
    text = out(host, "sc qc OMCFG")
    assert text.startswith("[SC] QueryServiceConfig SUCCESS\r\n\r\nSERVICE_NAME: OMCFG\r\n")
    assert "        START_TYPE         : 2   AUTO_START\r\n" in text
    assert "        DISPLAY_NAME       : OpsMgr Config Service  \r\n" in text
    assert out(host_with_services("2003"), "sc qc OMCFG").startswith("[SC] GetServiceConfig SUCCESS")


@pytest.mark.parametrize(
    ("line", "code", "call"),
    [
        ("sc query nope", 1060, "EnumQueryServicesStatus:OpenService"),
        ("sc qc nope", 1060, "OpenService"),
        ("sc stop nope", 1060, "OpenService"),
        ("sc start nope", 1060, "StartService: OpenService"),
        ("sc config nope start= auto", 1060, "OpenService"),
        ("sc start OMSDK", 1056, "StartService"),
    ],
)
def test_refusals(host: WindowsHost, line: str, code: int, call: str) -> None:
    ended = run(host, line)
    assert ended.code == code
    assert ended.out.startswith(f"[SC] {call} FAILED {code}:\r\n\r\n")


def test_stopping_and_starting_take_time_and_say_so(host: WindowsHost) -> None:
    assert "STATE              : 3  STOP_PENDING " in out(host, "sc stop OMSDK")
    assert run(host, "sc stop OMSDK").code == 1061
    assert host.services.wait("OMSDK", "stopped")
    assert run(host, "sc stop OMSDK").code == 1062
    assert "STATE              : 2  START_PENDING " in out(host, "sc start OMSDK")
    assert run(host, "sc start OMSDK").code == 1056
    assert host.services.wait("OMSDK", "running")


def test_config_needs_the_blank(host: WindowsHost) -> None:
    assert run(host, "sc config OMSDK start=disabled").code == 1639
    assert run(host, "sc config OMSDK start= sometimes").code == 1639
    assert host.services.dump()["OMSDK"]["start"] == "auto"
    assert out(host, "sc config OMSDK start= disabled") == "[SC] ChangeServiceConfig SUCCESS\r\n"
    assert host.services.dump()["OMSDK"]["start"] == "disabled"
    assert host.registry.get("HKLM\\SYSTEM\\CurrentControlSet\\Services\\OMSDK", "Start") == 4
    run(host, "net stop OMSDK")
    assert run(host, "sc start OMSDK").code == 1058
    assert "System error 1058 has occurred." in run(host, "net start OMSDK").err


def test_others_may_look_and_not_touch(host: WindowsHost) -> None:
    assert run(host, "sc query OMSDK", is_admin=False).code == 0
    for line in ("sc stop OMSDK", "sc start OMSDK", "sc config OMSDK start= demand"):
        assert run(host, line, is_admin=False).code == 5
    refused = run(host, "net stop OMSDK", is_admin=False)
    assert (refused.code, refused.err) == (2, "System error 5 has occurred.\r\n\r\nAccess is denied.\r\n\r\n")


def test_net_waits(host: WindowsHost) -> None:
    stopped = run(host, 'net stop "OpsMgr SDK Service"')
    assert (stopped.code, host.services["OMSDK"].state) == (0, "stopped")
    assert stopped.out == (
        "The OpsMgr SDK Service service is stopping.\r\nThe OpsMgr SDK Service service was stopped successfully.\r\n\r\n"
    )
    again = run(host, "net stop OMSDK")
    assert (again.code, again.err) == (
        2, "The OpsMgr SDK Service service is not started.\r\n\r\nMore help is available by typing NET HELPMSG 3521.\r\n\r\n",
    )  # fmt: skip
    assert run(host, "net start omsdk").out.endswith("The OpsMgr SDK Service service was started successfully.\r\n\r\n")
    assert "NET HELPMSG 2182" in run(host, "net start omsdk").err
    assert "NET HELPMSG 2185" in run(host, "net start nope").err
    assert "   OpsMgr SDK Service\r\n" in out(host, "net start")


def test_the_book_s_line_without_quotes_fails(host: WindowsHost) -> None:
    ended = run(host, "Net Stop OpsMgr Health Service")
    assert ended.code == 1
    assert host.services["HealthService"].state == "running"


def test_dependents(host: WindowsHost) -> None:
    host.services["OMCFG"].depends = ["OMSDK"]
    assert run(host, "sc stop OMSDK").code == 1051
    assert run(host, "net stop OMSDK<nul").code == 0xFFFFFFFF
    assert host.services["OMSDK"].state == "running"
    refused = run(host, "net stop OMSDK", b"n\r\n")
    assert refused.code == 2
    assert "   OpsMgr Config Service\r\n\r\nDo you want to continue this operation? (Y/N) [N]: " in refused.out
    assert run(host, "net stop OMSDK /y").code == 0
    assert (host.services["OMSDK"].state, host.services["OMCFG"].state) == ("stopped", "stopped")
    assert run(host, "net start OMCFG").code == 0
    assert host.services["OMSDK"].state == "running", "what it depends on is started first"


def test_hooks(host: WindowsHost) -> None:
    said: list[str] = []
    service = host.services["OMSDK"]
    service.on_start = lambda _service: said.append("start") or 0  # type: ignore[func-returns-value]
    service.on_running = lambda one: said.append(f"running {one.state}")
    service.on_stop = lambda _service: said.append("stop")
    run(host, "net stop OMSDK& net start OMSDK")
    assert host.services.settle()
    assert said == ["stop", "start", "running running"]


def test_a_service_that_fails_to_start(host: WindowsHost) -> None:
    run(host, "net stop OMSDK")
    host.services["OMSDK"].on_start = lambda _service: 1067
    failed = run(host, "net start OMSDK")
    assert failed.code == 2
    assert (
        "could not be started.\r\n\r\nA system error has occurred.\r\n\r\nSystem error 1067 has occurred." in failed.err
    )
    assert "WIN32_EXIT_CODE    : 1067  (0x42b)" in out(host, "sc query OMSDK")


def test_a_service_that_ends_by_itself(host: WindowsHost) -> None:
    ended = threading.Event()
    service = host.services["OMSDK"]
    service.on_stop = lambda _service: ended.set()
    service.on_running = lambda one: host.services.fail(one.key, 1066, 3)
    run(host, "net stop OMSDK& sc start OMSDK")
    assert host.services.settle()
    assert (service.state, service.exit_code, service.specific_code, ended.is_set()) == ("stopped", 1066, 3, True)


def test_faults(host: WindowsHost) -> None:
    host.services["OMSDK"].state = "stopped"
    host.faults.add(Fault("hydra", "service", "OMSDK", "fail", code=1053))
    assert "System error 1053" in run(host, "net start OMSDK").err
    host.faults.add(Fault("*", "service", "om*", "stall", seconds=0.2))
    assert "START_PENDING" in out(host, "sc start OMSDK")
    assert not host.services.wait("OMSDK", "running", timeout=0.1)
    assert host.services.wait("OMSDK", "running", timeout=5)


def test_power(host: WindowsHost) -> None:
    host.services.configure("OMCFG", start="disabled")
    host.powered = False
    assert {service["state"] for service in host.services.dump().values()} == {"stopped"}
    host.powered = True
    assert host.services.settle()
    states = host.services.dump()
    assert states["OMSDK"] == {"state": "running", "start": "auto"}
    assert states["OMCFG"] == {"state": "stopped", "start": "disabled"}


def test_sc_lists(host: WindowsHost) -> None:
    names = re.findall(r"SERVICE_NAME: (\w+)\r\nDISPLAY_NAME: ", out(host, "sc query"))
    assert {"OMSDK", "HealthService", "WinRM"} <= set(names)
    assert run(host, "sc \\\\nowhere query").code == 1722
    assert "Name = OMSDK" in out(host, 'sc getkeyname "OpsMgr SDK Service"')


def test_net_session_tells_administrators(host: WindowsHost) -> None:
    assert run(host, "net session").code == 0
    assert run(host, "net session", is_admin=False).code == 2


def test_tasks(host: WindowsHost) -> None:
    assert '"OMSDK.exe"' in out(host, 'tasklist /fi "imagename eq omsdk.exe" /fo csv /nh')
    assert (
        out(host, 'tasklist /fi "imagename eq nope.exe"')
        == "INFO: No tasks are running which match the specified criteria.\r\n"
    )
    assert run(host, "taskkill /f /im nope.exe").code == 128
    out(host, "taskkill /f /im OMSDK.exe")
    assert (host.services["OMSDK"].state, host.services["OMSDK"].exit_code) == ("stopped", 1067)
