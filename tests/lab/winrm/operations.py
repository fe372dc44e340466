# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations of the cmd shell: Create, Command, Send, Receive, Signal, Delete."""

from __future__ import annotations

import base64
import binascii
import re
import uuid
from collections.abc import Callable
from typing import Any
from xml.sax.saxutils import escape

from lxml import etree

from ..windows.codepages import codec, is_installed
from ..windows.errors import Win32Error
from . import soap, wsfaults
from .interfaces import Host, LogonSession
from .shells import IDLE_SECONDS, Chunk, Command, Shell, Shells

MAX_ENVELOPE = 150 * 1024  # WinRM 2.0's MaxEnvelopeSizekb [ms]
MIN_ENVELOPE = 8192
MAX_TIMEOUT = 60.0  # WinRM 2.0's MaxTimeoutms [ms]
_STREAM_BYTES = 12288  # how much output goes into one Stream element
_ENVELOPE_OVERHEAD = 2048
_STREAM_OVERHEAD = 128
_STATE = f"{soap.SHELL}/CommandState"
_SHELL_ELEMENTS = frozenset(
    ("ShellId", "Name", "InputStreams", "OutputStreams", "Environment", "WorkingDirectory", "IdleTimeOut", "Lifetime")
)
_BOOLEANS = {"TRUE": True, "1": True, "FALSE": False, "0": False}
_SIGNALS = ("terminate", "ctrl_c", "ctrl_break")
_STREAM_TEXT = re.compile(r"(<(?:\w+:)?Stream\b[^>]*>)[^<]*(</)")


class Operations:
    """Carries out the requests to one host; :class:`Shells` keeps what must last."""

    def __init__(self, host: Host, shells: Shells) -> None:
        self._host = host
        self._shells = shells
        self._in_shell: dict[str, Callable[[soap.Request, Shell, dict[str, Any]], str]] = {
            "Command": self._command,
            "Send": self._send,
            "Receive": self._receive,
            "Signal": self._signal,
            "Delete": self._delete,
        }

    def perform(self, request: soap.Request, session: LogonSession, client_ip: str, notes: dict[str, Any]) -> str:
        """The body of the answer to an authenticated user, or the fault; ``notes``, for the recorder, fills in either
        case.
        """
        self._check(request, session)
        if request.name == "Create":
            return self._create(request, session, client_ip, notes)
        shell_id = request.selectors.get("ShellId", "").strip()
        notes["shell"] = shell_id or None
        shell = self._shells.find(shell_id, session)
        self._shells.touch(shell, 1)
        try:
            return self._in_shell[request.name](request, shell, notes)
        finally:
            self._shells.touch(shell, -1)

    def _check(self, request: soap.Request, session: LogonSession) -> None:
        """What is wrong with a request before its body is looked at."""
        if request.not_understood:
            raise request.not_understood[0]
        if not (request.action and request.message_id and request.resource_uri):
            raise wsfaults.WSManFault(wsfaults.HEADER_REQUIRED)
        if not (session.is_admin or self._host.settings.get("winrm_for_users", False)):
            raise wsfaults.WSManFault(wsfaults.ACCESS_DENIED)
        if request.resource_uri != soap.CMD_SHELL:
            raise wsfaults.WSManFault(wsfaults.RESOURCE_NOT_FOUND)
        if request.action not in soap.ACTIONS:
            raise wsfaults.WSManFault(wsfaults.ACTION_NOT_SUPPORTED)
        if request.max_envelope_size is not None and request.max_envelope_size < MIN_ENVELOPE:
            raise wsfaults.WSManFault(wsfaults.MIN_ENVELOPE_SIZE)

    def _create(self, request: soap.Request, session: LogonSession, client_ip: str, notes: dict[str, Any]) -> str:
        wanted = _child(request.body, "Shell")
        for element in wanted:
            if etree.QName(element).localname not in _SHELL_ELEMENTS:
                raise wsfaults.invalid_element(etree.QName(element).localname)
        shell = Shell(
            session=session,
            client_ip=client_ip,
            cwd=_text(wanted, "WorkingDirectory") or None,
            env=_environment(wanted),
            codepage=_codepage(request, int(self._host.settings.get("oem_codepage", 437))),
            idle_seconds=self._idle_seconds(wanted),
            input_streams=_text(wanted, "InputStreams") or "stdin",
            output_streams=_text(wanted, "OutputStreams") or "stdout stderr",
        )
        self._shells.open(shell)
        notes["shell"] = shell.id
        return self._created(shell)

    def _idle_seconds(self, wanted: etree._Element) -> float:
        text = _text(wanted, "IdleTimeOut")
        if text:
            return soap.duration(text, wsfaults.invalid_element("IdleTimeOut"))
        return float(self._host.settings.get("shell_idle_timeout", IDLE_SECONDS))

    def _created(self, shell: Shell) -> str:
        """ResourceCreated, which every client reads, and rsp:Shell, which newer servers add [field]."""
        return (
            f"<x:ResourceCreated><a:Address>http://{self._host.fqdn}:5985/wsman</a:Address><a:ReferenceParameters>"
            f"<w:ResourceURI>{soap.CMD_SHELL}</w:ResourceURI><w:SelectorSet>"
            f'<w:Selector Name="ShellId">{shell.id}</w:Selector></w:SelectorSet></a:ReferenceParameters></x:ResourceCreated>'
            f"<rsp:Shell><rsp:ShellId>{shell.id}</rsp:ShellId><rsp:ResourceUri>{soap.CMD_SHELL}</rsp:ResourceUri>"
            f"<rsp:Owner>{escape(shell.session.user)}</rsp:Owner><rsp:ClientIP>{shell.client_ip}</rsp:ClientIP>"
            f"<rsp:IdleTimeOut>PT{shell.idle_seconds:.3f}S</rsp:IdleTimeOut>"
            f"<rsp:InputStreams>{escape(shell.input_streams)}</rsp:InputStreams>"
            f"<rsp:OutputStreams>{escape(shell.output_streams)}</rsp:OutputStreams>"
            "<rsp:ShellRunTime>P0DT0H0M0S</rsp:ShellRunTime><rsp:ShellInactivity>P0DT0H0M0S</rsp:ShellInactivity></rsp:Shell>"
        )

    def _command(self, request: soap.Request, shell: Shell, notes: dict[str, Any]) -> str:
        wanted = _child(request.body, "CommandLine")
        line = _command_line(wanted)
        notes["command"] = line
        command_id = (wanted.get("CommandId") or str(uuid.uuid4())).upper()
        console = _option(request, "WINRS_CONSOLEMODE_STDIN")
        direct = _option(request, "WINRS_SKIP_CMD_SHELL")
        if command_id in shell.commands:
            raise wsfaults.WSManFault(wsfaults.ALREADY_EXISTS)
        self._shells.count_command(shell)
        try:
            running = self._host.start_command(
                shell.session,
                line,
                cwd=shell.cwd,
                env=shell.env,
                console=console,
                skip_cmd_shell=direct,
                codepage=shell.codepage,
            )
        except Win32Error as error:  # no such program or directory
            raise wsfaults.WSManFault(error.code, f"{error.text} ") from error
        shell.add(Command(command_id, line, running))
        notes["command_id"] = command_id
        return f"<rsp:CommandResponse><rsp:CommandId>{command_id}</rsp:CommandId></rsp:CommandResponse>"

    def _send(self, request: soap.Request, shell: Shell, notes: dict[str, Any]) -> str:
        text = codec(shell.codepage)
        notes["stdin"] = ""
        for stream in _child(request.body, "Send").findall(f"{{{soap.SHELL}}}Stream"):
            command = _find_command(shell, stream, notes)
            try:
                data = base64.b64decode("".join((stream.text or "").split()), validate=True)
            except (binascii.Error, ValueError) as error:
                raise wsfaults.invalid_element("Stream") from error
            notes["stdin"] += data.decode(text, "replace")
            if command.ended:
                raise wsfaults.WSManFault(wsfaults.BROKEN_PIPE)
            notes["stdin_program"] = command.running.reading_program()
            command.running.feed(data, (stream.get("End") or "").lower() in ("true", "1"))
        return "<rsp:SendResponse/>"

    def _receive(self, request: soap.Request, shell: Shell, notes: dict[str, Any]) -> str:
        desired = _child(_child(request.body, "Receive"), "DesiredStream")
        command = _find_command(shell, desired, notes)
        last = command.last_answer
        if last is not None and last[0] == request.message_id:
            chunk = last[1]  # the client asks again because the answer was lost on the way [field]
        else:
            limit = request.max_envelope_size or MAX_ENVELOPE
            seconds = MAX_TIMEOUT if request.operation_timeout is None else request.operation_timeout
            chunk = command.fetch(min(seconds, MAX_TIMEOUT), _payload(min(limit, MAX_ENVELOPE)))
            command.last_answer = (request.message_id, chunk)
        text = codec(shell.codepage)
        notes["stdout"], notes["stderr"] = chunk.stdout.decode(text, "replace"), chunk.stderr.decode(text, "replace")
        return _received(command.id, chunk, (desired.text or "stdout stderr").split())

    def _signal(self, request: soap.Request, shell: Shell, notes: dict[str, Any]) -> str:
        wanted = _child(request.body, "Signal")
        command = _find_command(shell, wanted, notes)
        code = _text(wanted, "Code").rpartition("/")[2].lower()
        if code not in _SIGNALS:
            raise wsfaults.WSManFault(wsfaults.INVALID_PARAMETER)
        if code == "terminate":
            command.abort(code)
            shell.commands.pop(command.id, None)
        else:
            command.running.terminate(code)
        return "<rsp:SignalResponse/>"

    def _delete(self, request: soap.Request, shell: Shell, notes: dict[str, Any]) -> str:
        self._shells.delete(shell)
        return ""


def without_stream_text(text: str) -> str:
    """A Send's SOAP text without its base64: what was sent is recorded decoded, in a place of its own."""
    return _STREAM_TEXT.sub(r"\1\2", text)


def _child(parent: etree._Element, name: str) -> etree._Element:
    child = parent.find(f"{{{soap.SHELL}}}{name}")
    if child is None:
        raise wsfaults.missing_element(name)
    return child


def _text(parent: etree._Element, name: str) -> str:
    return (parent.findtext(f"{{{soap.SHELL}}}{name}") or "").strip()


def _environment(wanted: etree._Element) -> dict[str, str]:
    variables = wanted.findall(f"{{{soap.SHELL}}}Environment/{{{soap.SHELL}}}Variable")
    return {str(each.get("Name", "")): each.text or "" for each in variables}


def _command_line(wanted: etree._Element) -> str:
    """The command and all its Arguments elements with a space between, as winrshost does; an empty one is refused
    [field].
    """
    parts = []
    for element in wanted:
        name = etree.QName(element).localname
        if name not in ("Command", "Arguments"):
            raise wsfaults.invalid_element(name)
        parts.append(element.text or "")
    line = " ".join(parts).strip()
    if not line:
        raise wsfaults.WSManFault(wsfaults.INVALID_PARAMETER)
    return line


def _option(request: soap.Request, name: str) -> bool:
    value = request.options.get(name, "FALSE").strip().upper()
    if value not in _BOOLEANS:
        raise wsfaults.WSManFault(wsfaults.INVALID_OPTIONS)
    return _BOOLEANS[value]


def _codepage(request: soap.Request, default: int) -> int:
    value = request.options.get("WINRS_CODEPAGE", str(default)).strip()
    if not (value.isdecimal() and is_installed(int(value))):
        raise wsfaults.WSManFault(wsfaults.INVALID_OPTIONS)
    return int(value)


def _find_command(shell: Shell, element: etree._Element, notes: dict[str, Any]) -> Command:
    """The command an element names; without a CommandId the parameter is incorrect [field]."""
    command_id = (element.get("CommandId") or "").strip()
    notes["command_id"] = command_id or None
    if not command_id:
        raise wsfaults.WSManFault(wsfaults.INVALID_PARAMETER)
    return shell.command(command_id)


def _payload(envelope: int) -> int:
    """How many bytes of output fit into an envelope of this size."""
    for_streams = envelope - _ENVELOPE_OVERHEAD
    per_stream = _STREAM_BYTES // 3 * 4 + _STREAM_OVERHEAD
    return max(1, for_streams * _STREAM_BYTES // per_stream - 2 * _STREAM_OVERHEAD)


def _received(command_id: str, chunk: Chunk, streams: list[str]) -> str:
    parts = []
    for name, data in (("stdout", chunk.stdout), ("stderr", chunk.stderr)):
        if name in streams:
            parts += [
                f'<rsp:Stream Name="{name}" CommandId="{command_id}">'
                f"{base64.b64encode(data[at : at + _STREAM_BYTES]).decode()}</rsp:Stream>"
                for at in range(0, len(data), _STREAM_BYTES)
            ]
    if chunk.done:
        parts += [f'<rsp:Stream Name="{name}" CommandId="{command_id}" End="true"></rsp:Stream>' for name in streams]
        state = f'State="{_STATE}/Done"><rsp:ExitCode>{chunk.exit_code}</rsp:ExitCode></rsp:CommandState>'
    else:
        state = f'State="{_STATE}/Running"></rsp:CommandState>'
    parts.append(f'<rsp:CommandState CommandId="{command_id}" {state}')
    return f"<rsp:ReceiveResponse>{''.join(parts)}</rsp:ReceiveResponse>"
