# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong is told as Windows tells it: codes, subcodes, HTTP statuses; and limits are WinRM 2.0's."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pypsrp.shell import Process, WinRS
from unit.lab.test_winrm.conftest import PASSWORD, USER
from unit.lab.test_winrm.scripted_host import ScriptedHost
from waiting import until
from winrm.exceptions import WinRMOperationTimeoutError, WinRMTransportError, WSManFaultError
from winrm.protocol import Protocol

from lab.winrm import soap
from lab.winrm.server import WinRMServer

Connect = Callable[..., Protocol]
NO_SHELL = str(uuid.uuid4()).upper()


def fault_of(call: Callable[..., Any], *arguments: Any, **options: Any) -> tuple[int | None, str | None, str | None]:
    """Code, fault code and subcode of the fault a call ends in; the HTTP status is always 500."""
    with pytest.raises(WSManFaultError) as raised:
        call(*arguments, **options)
    assert raised.value.code == 500
    return raised.value.wsman_fault_code, raised.value.fault_code, raised.value.fault_subcode


def test_a_silent_command_times_out_and_goes_on(host: ScriptedHost, protocol: Connect) -> None:
    connection = protocol(operation_timeout_sec=1, read_timeout_sec=60)
    shell = connection.open_shell()
    command = connection.run_command(shell, "wait")
    started = time.monotonic()
    with pytest.raises(WinRMOperationTimeoutError):
        connection.get_command_output_raw(shell, command)
    assert time.monotonic() - started > 0.9
    assert host.recorder.entries[-1]["fault"] == 2150858793
    connection.send_command_input(shell, command, b"", end=True)
    assert connection.get_command_output(shell, command)[2] == 0


def test_unknown_shell(protocol: Connect) -> None:
    expected = (2150858843, "s:Sender", "w:InvalidSelectors")
    connection = protocol()
    shell = connection.open_shell()
    assert fault_of(connection.run_command, NO_SHELL, "ver") == expected
    connection.close_shell(shell, close_session=False)
    assert fault_of(connection.run_command, shell, "ver") == expected
    assert fault_of(connection.close_shell, shell) == expected


def test_unknown_command(protocol: Connect) -> None:
    connection = protocol()
    shell = connection.open_shell()
    expected = (2150858843, "s:Sender", "w:InvalidSelectors")
    for call in (connection.get_command_output_raw, connection.cleanup_command):
        assert fault_of(call, shell, NO_SHELL) == expected
    assert fault_of(connection.send_command_input, shell, NO_SHELL, b"x") == expected


def test_a_command_is_gone_once_it_is_terminated(protocol: Connect) -> None:
    connection = protocol()
    shell = connection.open_shell()
    command = connection.run_command(shell, "ver")
    connection.get_command_output(shell, command)
    connection.cleanup_command(shell, command)
    assert fault_of(connection.get_command_output_raw, shell, command)[0] == 2150858843
    assert fault_of(connection.cleanup_command, shell, command)[0] == 2150858843


def test_a_program_that_is_not_there(protocol: Connect) -> None:
    connection = protocol()
    assert fault_of(connection.run_command, connection.open_shell(), "nonsense")[0] == 2


def test_an_empty_command_line(protocol: Connect) -> None:
    connection = protocol()
    assert fault_of(connection.run_command, connection.open_shell(), "") == (87, "s:Sender", "w:InvalidParameter")


def test_input_for_a_command_that_has_ended(protocol: Connect) -> None:
    connection = protocol()
    shell = connection.open_shell()
    command = connection.run_command(shell, "ver")
    connection.get_command_output(shell, command)
    assert fault_of(connection.send_command_input, shell, command, b"late")[0] == 109


def test_a_pending_receive_ends_when_the_shell_is_deleted(host: ScriptedHost, protocol: Connect) -> None:
    connection, other = protocol(), protocol()
    shell = connection.open_shell()
    command = connection.run_command(shell, "wait")
    other.transport.build_session()
    timer = threading.Timer(0.2, other.close_shell, (shell,))
    timer.start()
    assert fault_of(connection.get_command_output_raw, shell, command)[0] == 995
    timer.join()
    assert host.commands[0].terminated_by == "terminate"


@pytest.mark.parametrize("signal", ["ctrl_c", "ctrl_break"])
def test_signals_reach_the_command(host: ScriptedHost, wsman: Callable[..., Any], signal: str) -> None:
    with wsman("ntlm", False) as connection, WinRS(connection) as shell:
        process = Process(shell, "wait")
        process.begin_invoke()
        process.signal(f"http://schemas.microsoft.com/wbem/wsman/1/windows/shell/signal/{signal}")
        process.end_invoke()
    assert host.commands[0].terminated_by == signal


def test_the_sixth_shell_of_a_user(host: ScriptedHost, protocol: Connect) -> None:
    connection = protocol()
    shells = [connection.open_shell() for _number in range(5)]
    with pytest.raises(WSManFaultError, match="maximum number of 5 concurrent shells") as raised:
        connection.open_shell()
    assert (raised.value.wsman_fault_code, raised.value.fault_subcode) == (2150859173, "w:QuotaLimit")
    connection.close_shell(shells[0], close_session=False)
    connection.open_shell()
    host.add_user("other", "other")
    protocol(username="other", password="other").open_shell()


def test_the_number_of_shells_is_a_setting(host: ScriptedHost, protocol: Connect) -> None:
    host.settings["max_shells"] = 1
    connection = protocol()
    connection.open_shell()
    assert fault_of(connection.open_shell)[0] == 2150859173


def test_ended_commands_count_against_a_users_operations_until_the_shell_is_closed(
    host: ScriptedHost, protocol: Connect
) -> None:
    host.settings["max_operations"] = 2
    connection = protocol()
    shell = connection.open_shell()
    for _number in range(2):
        command = connection.run_command(shell, "ver")
        connection.get_command_output(shell, command)
        connection.cleanup_command(shell, command)
    assert fault_of(connection.run_command, shell, "ver")[0] == 2150859174
    other = connection.open_shell()
    assert fault_of(connection.run_command, other, "ver")[0] == 2150859174
    connection.close_shell(shell, close_session=False)
    connection.run_command(other, "ver")


def test_an_idle_shell_is_closed(host: ScriptedHost, server: WinRMServer, protocol: Connect) -> None:
    connection = protocol()
    shell = connection.open_shell(idle_timeout="PT0.2S")
    connection.run_command(shell, "wait")
    until(lambda: not server.shells("hydra"))
    assert host.commands[0].terminated_by == "terminate"
    assert fault_of(connection.run_command, shell, "ver")[0] == 2150858843


def test_an_idle_timeout_is_a_duration(protocol: Connect) -> None:
    assert fault_of(protocol().open_shell, idle_timeout="60")[::2] == (2150858817, "w:SchemaValidationError")


def test_users_need_the_right_to_use_winrm(host: ScriptedHost, protocol: Connect) -> None:
    host.add_user("guest", "guest", is_admin=False)
    connection = protocol(username="guest", password="guest")
    assert fault_of(connection.open_shell) == (5, "s:Sender", "w:AccessDenied")
    host.settings["winrm_for_users"] = True
    connection.close_shell(connection.open_shell())


def test_a_shell_belongs_to_its_user(host: ScriptedHost, protocol: Connect) -> None:
    host.add_user("other", "other")
    shell = protocol().open_shell()
    assert fault_of(protocol(username="other", password="other").run_command, shell, "ver")[0] == 5


def test_a_dropped_connection_does_not_end_commands(host: ScriptedHost, protocol: Connect) -> None:
    first = protocol()
    shell = first.open_shell()
    command = first.run_command(shell, "wait")
    first.transport.close_session()
    second = protocol()
    second.send_command_input(shell, command, b"", end=True)
    assert second.get_command_output(shell, command)[2] == 0


class Raw:
    """Sends hand-made requests over HTTPS with Basic."""

    def __init__(self, host: ScriptedHost, ca_file: str) -> None:
        self._host = host
        self._ca_file = ca_file

    def post(self, data: str | Iterator[bytes], path: str = "/wsman", **options: Any) -> requests.Response:
        """POST something."""
        url = f"https://{self._host.address}:5986{path}"
        auth: Any = (USER.encode(), PASSWORD.encode())  # as bytes: requests would send text as Latin-1
        body = data.encode() if isinstance(data, str) else data
        return requests.post(url, body, auth=auth, verify=self._ca_file, timeout=5, **options)

    def message(self, header: str = "", **changes: str) -> requests.Response:
        """POST a Create envelope with other header values or more headers; an empty value leaves a header out."""
        create = "http://schemas.xmlsoap.org/ws/2004/09/transfer/Create"
        values = {"a:Action": create, "a:MessageID": "uuid:1", "w:ResourceURI": soap.CMD_SHELL}
        values |= {name.replace("_", ":"): value for name, value in changes.items()}
        headers = "".join(f"<{name}>{value}</{name}>" for name, value in values.items() if value)
        return self.post(
            f'<s:Envelope xmlns:s="{soap.SOAP}" xmlns:a="{soap.ADDRESSING}" xmlns:w="{soap.WSMAN}" xmlns:rsp="{soap.SHELL}">'
            f"<s:Header>{headers}{header}</s:Header><s:Body><rsp:Shell/></s:Body></s:Envelope>"
        )


@pytest.fixture
def raw(host: ScriptedHost, server: WinRMServer, authority: Any) -> Raw:
    """A client that can send nonsense."""
    return Raw(host, str(authority.ca_file))


@pytest.mark.parametrize(
    ("changes", "code", "subcode"),
    [
        ({"w_ResourceURI": "http://schemas.microsoft.com/nonsense"}, 2150858752, "a:DestinationUnreachable"),
        ({"w_ResourceURI": ""}, 2150858769, "a:MessageInformationHeaderRequired"),
        ({"a_Action": "http://schemas.microsoft.com/nonsense"}, 2150858771, "a:ActionNotSupported"),
        ({"w_OperationTimeout": "20"}, 2150858881, "a:InvalidMessageInformationHeader"),
        ({"w_MaxEnvelopeSize": "100"}, 2150858878, "w:EncodingLimit"),
    ],
)
def test_bad_headers(raw: Raw, changes: dict[str, str], code: int, subcode: str) -> None:
    answer = raw.message(**changes)
    assert answer.status_code == 500
    assert f'Code="{code}"' in answer.text
    assert f"<s:Value>{subcode}</s:Value>" in answer.text


def test_a_header_that_must_be_understood(raw: Raw) -> None:
    answer = raw.message('<x:New xmlns:x="urn:new" s:mustUnderstand="true"/>')
    assert answer.status_code == 500
    assert "<s:Value>s:MustUnderstand</s:Value>" in answer.text
    assert 'qname="x:New"' in answer.text
    assert raw.message('<x:New xmlns:x="urn:new" s:mustUnderstand="false"/>').status_code == 200


@pytest.mark.parametrize(
    "text",
    [
        "<not xml",
        "<html/>",
        f'<!DOCTYPE a [<!ENTITY b "c">]><s:Envelope xmlns:s="{soap.SOAP}"><s:Header/><s:Body>&b;</s:Body></s:Envelope>',
    ],
)
def test_what_is_no_envelope_is_a_bad_request(raw: Raw, text: str) -> None:
    assert raw.post(text).status_code == 400


def test_a_request_above_150_kilobytes(host: ScriptedHost, raw: Raw, protocol: Connect) -> None:
    assert raw.post("x" * 153601).status_code == 413
    connection = protocol()
    shell = connection.open_shell()
    command = connection.run_command(shell, "wait")
    connection.send_command_input(shell, command, b"x" * 110000)
    with pytest.raises(WinRMTransportError, match="Code 413"):
        connection.send_command_input(shell, command, b"x" * 116000)
    assert len(host.commands[0].received) == 110000


def test_other_paths_and_methods(raw: Raw, host: ScriptedHost) -> None:
    assert raw.post("", "/other").status_code == 404
    assert requests.get(f"http://{host.address}:5985/wsman", timeout=5).status_code == 405


def test_identify_needs_a_login_except_at_its_own_address(raw: Raw, host: ScriptedHost) -> None:
    text = f'<s:Envelope xmlns:s="{soap.SOAP}" xmlns:i="{soap.IDENTITY}"><s:Header/><s:Body><i:Identify/></s:Body></s:Envelope>'
    assert "OS: 6.1.7601" in raw.post(text).text
    assert requests.post(f"http://{host.address}:5985/wsman", text, timeout=5).status_code == 401
    anonymous = requests.post(f"http://{host.address}:5985/wsman-anon/identify", text, timeout=5)
    assert (anonymous.status_code, "OS: 0.0.0" in anonymous.text) == (200, True)


def test_chunked_requests(raw: Raw, host: ScriptedHost) -> None:
    assert raw.post(iter([b"<not ", b"xml"])).status_code == 400
    assert host.recorder.entries[-1]["action"] == "?"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.sampled_from(["", "Create", "Command", "Send", "Receive", "Signal", "Delete"]),
    body=st.sampled_from(
        ["<rsp:Shell/>", "<rsp:CommandLine/>", "<rsp:Send/>", "<!--x--><rsp:Receive/>", "<?x y?>", "x"]
    ),
    junk=st.text(alphabet="<>&/:\"'= \n\0\ud7ff0aS", max_size=12),
    at=st.integers(0, 900),
)
def test_no_nonsense_ends_the_server(
    keep_alive: requests.Session, host: ScriptedHost, path: str, body: str, junk: str, at: int
) -> None:
    action = f"{soap.TRANSFER if path in ('Create', 'Delete') else soap.SHELL}/{path}"
    text = (
        f'<s:Envelope xmlns:s="{soap.SOAP}" xmlns:a="{soap.ADDRESSING}" xmlns:w="{soap.WSMAN}" xmlns:rsp="{soap.SHELL}">'
        f"<s:Header><a:Action>{action}</a:Action><a:MessageID>uuid:1</a:MessageID><w:ResourceURI>{soap.CMD_SHELL}</w:ResourceURI>"
        f'<w:SelectorSet><w:Selector Name="ShellId">1</w:Selector></w:SelectorSet></s:Header><s:Body>{body}</s:Body></s:Envelope>'
    )
    answer = keep_alive.post(f"http://{host.address}:5985/wsman", (text[:at] + junk + text[at:]).encode(), timeout=5)
    assert answer.status_code in (200, 400, 500)


@pytest.fixture
def keep_alive(host: ScriptedHost, server: WinRMServer) -> Iterator[requests.Session]:
    """One connection with Basic, on which readable requests are allowed."""
    host.settings.update(allow_unencrypted=True, max_shells=10000)
    with requests.Session() as session:
        session.auth = (USER, PASSWORD)
        yield session
