# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
r"""sc.exe: query, queryex, qc, qfailure, start, stop, config, failure.

Layouts are those of Windows Server 2003 SP2 and 2008 R2 as published listings show them [field].  Everything goes to
standard output, errors too; the exit code is the Win32 error.
"""

from __future__ import annotations

from collections.abc import Callable

from ..errors import message
from ..process import Process
from ..services import START_MODES, STATES, Service, Start

STARTS: dict[str, Start] = {"auto": "auto", "delayed-auto": "auto", "demand": "demand", "disabled": "disabled"}
_START_VALUES = ("boot", "system", *STARTS)
_CONFIG_KEYS = {
    "type=": None, "start=": "start", "error=": None, "binpath=": "binary", "group=": None, "tag=": None,
    "depend=": "depends", "obj=": "account", "displayname=": "display_name", "password=": None,
}  # fmt: skip
"""Option (with its equals sign, as it must be typed) -> the service's field, None for what the lab does not keep."""

USAGE = (
    "DESCRIPTION:",
    "        SC is a command line program used for communicating with the",
    "        Service Control Manager and services.",
    "USAGE:",
    "        sc <server> [command] [service name] <option1> <option2>...",
)
CONFIG_USAGE = (
    "DESCRIPTION:",
    "        Modifies a service entry in the registry and Service Database.",
    "USAGE:",
    "        sc <server> config [service name] <option1> <option2>...",
    "",
    "OPTIONS:",
    "NOTE: The option name includes the equal sign.",
    " type= <own|share|interact|kernel|filesys|rec|adapt>",
    " start= <boot|system|auto|demand|disabled>",
    " error= <normal|severe|critical|ignore>",
    " binPath= <BinaryPathName>",
    " group= <LoadOrderGroup>",
    " tag= <yes|no>",
    " depend= <Dependencies(separated by / (forward slash))>",
    " obj= <AccountName|ObjectName>",
    " DisplayName= <display name>",
    " password= <password>",
)
SYNTAX_ERROR = 1639
NOTHING_ACCEPTED = ("NOT_STOPPABLE", "NOT_PAUSABLE", "IGNORES_SHUTDOWN")


def _failed(process: Process, call: str, code: int) -> int:
    process.say(f"[SC] {call} FAILED {code}:", "", message(code), "")
    return code


def _flags(service: Service, wide: bool) -> list[str]:
    """What the service accepts: from Vista on not for a stopped one, and with blanks after the commas [field]."""
    if service.state == "stopped" and wide:
        return []
    flags = ("STOPPABLE", "NOT_PAUSABLE", "ACCEPTS_SHUTDOWN") if service.state == "running" else NOTHING_ACCEPTED
    return ["                                (" + (", " if wide else ",").join(flags) + ")"]


def status_lines(service: Service, wide: bool, *, extended: bool = False) -> list[str]:
    """SERVICE_STATUS as sc prints it, from the TYPE line on."""
    number, word = STATES[service.state]
    wait = 2000 if service.state.endswith("pending") else 0
    lines = [
        "        TYPE               : 10  WIN32_OWN_PROCESS ",
        f"        STATE              : {number}  {word} ",
        *_flags(service, wide),
        f"        WIN32_EXIT_CODE    : {service.exit_code}  (0x{service.exit_code:x})",
        f"        SERVICE_EXIT_CODE  : {service.specific_code}  (0x{service.specific_code:x})",
        "        CHECKPOINT         : 0x0",
        f"        WAIT_HINT          : 0x{wait:x}",
    ]
    if extended:
        lines += [f"        PID                : {service.pid}", "        FLAGS              : "]
    return lines


def _show(process: Process, service: Service, *, named: bool, extended: bool) -> None:
    name = [f"DISPLAY_NAME: {service.display_name}"] if named else []
    wide = process.host.windows.wide
    process.say("", f"SERVICE_NAME: {service.key}", *name, *status_lines(service, wide, extended=extended))


def _query(process: Process, words: list[str], *, extended: bool = False) -> int:
    """``sc query [name] [type= ... state= active|inactive|all]``."""
    if words and not words[0].endswith("="):
        service = process.host.services.get(words[0])
        if service is None:
            return _failed(process, "EnumQueryServicesStatus:OpenService", 1060)
        _show(process, service, named=False, extended=extended)
        return 0
    states = dict(zip(words[::2], words[1::2], strict=False)).get("state=", "active").lower()
    for service in process.host.services.all():
        running = service.state != "stopped"
        if states == "all" or running == (states == "active"):
            _show(process, service, named=True, extended=extended)
    return 0


def _queryex(process: Process, words: list[str]) -> int:
    return _query(process, words, extended=True)


def _qc(process: Process, words: list[str]) -> int:
    """``sc qc name``: the configuration."""
    if not words:
        process.say("DESCRIPTION:", "        Queries the configuration information for a service.", "USAGE:",
                    "        sc <server> qc [service name] <bufferSize>")  # fmt: skip
        return SYNTAX_ERROR
    service = process.host.services.get(words[0])
    if service is None:
        return _failed(process, "OpenService", 1060)
    number, word = START_MODES[service.start]
    first, *rest = [*service.depends, ""] if service.depends else ["", ""]
    process.say(
        f"[SC] {'QueryServiceConfig' if process.host.windows.wide else 'GetServiceConfig'} SUCCESS",
        "",
        f"SERVICE_NAME: {service.key}",
        "        TYPE               : 10  WIN32_OWN_PROCESS ",
        f"        START_TYPE         : {number}   {word}",
        "        ERROR_CONTROL      : 1   NORMAL",
        f"        BINARY_PATH_NAME   : {service.binary}  ",
        "        LOAD_ORDER_GROUP   :   ",
        "        TAG                : 0  ",
        f"        DISPLAY_NAME       : {service.display_name}  ",
        f"        DEPENDENCIES       : {first}  ",
        *(f"                           : {name}  " for name in rest if name),
        f"        SERVICE_START_NAME : {service.account}  ",
    )
    return 0


def _start(process: Process, words: list[str]) -> int:
    """``sc start name``: returns at once."""
    services = process.host.services
    if not words:
        process.say("DESCRIPTION:", "        Starts a service running.", "USAGE:",
                    "        sc <server> start [service name] <arg1> <arg2> ...")  # fmt: skip
        return SYNTAX_ERROR
    if words[0] not in services:
        return _failed(process, "StartService: OpenService", 1060)
    code = services.start(words[0], process.session)
    if code:
        return _failed(process, "StartService: OpenService" if code == 5 else "StartService", code)
    _show(process, services[words[0]], named=False, extended=True)
    return 0


def _stop(process: Process, words: list[str]) -> int:
    """``sc stop name``: returns at once."""
    services = process.host.services
    if not words:
        process.say("DESCRIPTION:", "        Sends a STOP control request to a service.", "USAGE:",
                    "        sc <server> stop [service name]")  # fmt: skip
        return SYNTAX_ERROR
    if words[0] not in services:
        return _failed(process, "OpenService", 1060)
    code = services.stop(words[0], process.session)
    if code:
        return _failed(process, "OpenService" if code == 5 else "ControlService", code)
    _show(process, services[words[0]], named=False, extended=False)
    return 0


def _config(process: Process, words: list[str]) -> int:
    """``sc config name start= auto``: option and value are two words; ``start=auto`` is a usage error, 1639 [field]."""
    pairs = list(zip(words[1::2], words[2::2], strict=False))
    legal = len(words) % 2 == 1 and all(key.lower() in _CONFIG_KEYS for key, _value in pairs)
    if (
        not words
        or not legal
        or any(key.lower() == "start=" and value.lower() not in _START_VALUES for key, value in pairs)
    ):
        process.say(*CONFIG_USAGE)
        return SYNTAX_ERROR
    if words[0] not in process.host.services:
        return _failed(process, "OpenService", 1060)
    changes: dict[str, str | list[str]] = {}
    for key, value in pairs:
        field = _CONFIG_KEYS[key.lower()]
        if field:
            changes[field] = [name for name in value.split("/") if name] if field == "depends" else value
    start = STARTS.get(str(changes.pop("start", "")).lower())
    code = process.host.services.configure(words[0], process.session, start=start, **changes)
    if code:
        return _failed(process, "OpenService", code)
    process.say("[SC] ChangeServiceConfig SUCCESS")
    return 0


def _failure(process: Process, words: list[str]) -> int:
    """``sc failure name reset= s actions= ...``: accepted, not kept."""
    if not words or len(words) % 2 == 0:
        process.say("DESCRIPTION:", "        Changes the actions upon failure.", "USAGE:",
                    "        sc <server> failure [service name] <option1> <option2>...")  # fmt: skip
        return SYNTAX_ERROR
    if words[0] not in process.host.services:
        return _failed(process, "OpenService", 1060)
    if not process.session.is_admin:
        return _failed(process, "OpenService", 5)
    process.say("[SC] ChangeServiceConfig2 SUCCESS")
    return 0


def _name(process: Process, words: list[str], *, key: bool) -> int:
    """``sc getkeyname "display name"`` and ``sc getdisplayname name``."""
    services = process.host.services
    wanted = words[0] if words else ""
    by_display = (service for service in services.all() if service.display_name.lower() == wanted.lower())
    found = next(by_display, None) if key else services.get(wanted)
    call = "GetServiceKeyName" if key else "GetServiceDisplayName"
    if found is None:
        return _failed(process, call, 1060)
    process.say(f"[SC] {call} SUCCESS", f"Name = {found.key if key else found.display_name}")
    return 0


COMMANDS: dict[str, Callable[[Process, list[str]], int]] = {
    "query": _query,
    "queryex": _queryex,
    "qc": _qc,
    "start": _start,
    "stop": _stop,
    "config": _config,
    "failure": _failure,
    "getkeyname": lambda process, words: _name(process, words, key=True),
    "getdisplayname": lambda process, words: _name(process, words, key=False),
}


def sc(process: Process) -> int:
    r"""The program.  ``\\server`` other than this host is answered with 1722 (the RPC server is unavailable)."""
    words = process.argv[1:]
    server = words.pop(0)[2:] if words and words[0].startswith("\\\\") else "localhost"
    if process.host.find(server) is not process.host:
        process.say("[SC] OpenSCManager FAILED 1722:", "", "The RPC server is unavailable.", "")
        return 1722
    command = COMMANDS.get(words[0].lower()) if words else None
    if command is None:
        process.say(*([] if not words else ["*** Unrecognized Command ***"]), *USAGE)
        return SYNTAX_ERROR if words else 0
    return command(process, words[1:])
