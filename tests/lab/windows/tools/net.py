# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""net.exe: start, stop, session, user, use, helpmsg.

Services are found by key name or display name.  ``net`` waits until a service has started or stopped; errors go to
standard error with exit code 2, usage errors with 1 [field].
"""

from __future__ import annotations

import re
from collections.abc import Callable

from ..errors import MESSAGES, Win32Error, message
from ..process import Process
from ..services import Service

DONE = "The command completed successfully."
FAILED = 2
USAGE_FAILED = 1
NOBODY_ANSWERS = 0xFFFFFFFF  # -1: seen with NUL as standard input [field]
_MORE_HELP = "More help is available by typing NET HELPMSG {}."
_DOT_SECONDS = 2.5

HELP_MESSAGES = {
    2182: "The requested service has already been started.",
    2185: "The service name is invalid.",
    2221: "The user name could not be found.",
    2250: "The network connection could not be found.",
    3534: "The service did not report an error.",
    3547: "A service specific error occurred: {}.",
}


def _complaint(process: Process, number: int, text: str = "") -> int:
    process.complain(text or HELP_MESSAGES[number], "", _MORE_HELP.format(number), "")
    return FAILED


def _system_error(process: Process, code: int) -> int:
    process.complain(f"System error {code} has occurred.", "", message(code), "")
    return FAILED


def _usage(process: Process, *lines: str) -> int:
    process.complain("The syntax of this command is:", "", *lines, "")
    return USAGE_FAILED


# start and stop


def _start(process: Process, words: list[str]) -> int:
    """``net start [service]``; a name with blanks needs quotes."""
    services = process.host.services
    if not words:
        running = sorted(service.display_name for service in services.all() if service.state == "running")
        process.say("These Windows services are started:", "", *(f"   {name}" for name in running), "", DONE, "")
        return 0
    if len(words) > 1:
        return _usage(process, "NET START", "[service]")
    service = services.find(words[0])
    if service is None:
        return _complaint(process, 2185)
    code = services.start(service.key, process.session)
    if code:
        return _complaint(process, 2182) if code == 1056 else _system_error(process, code)
    process.out(f"The {service.display_name} service is starting.", apart=False)
    _wait(process, service)
    process.say("")
    return _started(process, service)


def _wait(process: Process, service: Service) -> None:
    """A dot every two and a half seconds until it is running or stopped."""
    while process.host.services.settled(service, _DOT_SECONDS) not in ("running", "stopped"):
        process.lifeline.check()
        process.out(".", apart=False)


def _started(process: Process, service: Service) -> int:
    if service.state == "running":
        process.say(f"The {service.display_name} service was started successfully.", "")
        return 0
    process.complain(f"The {service.display_name} service could not be started.", "")
    if service.exit_code == 1066:
        return _complaint(process, 3547, HELP_MESSAGES[3547].format(service.specific_code))
    if service.exit_code == 0:
        return _complaint(process, 3534)
    process.complain("A system error has occurred.", "")
    return _system_error(process, service.exit_code)


def _stop(process: Process, words: list[str]) -> int:
    """``net stop service [/y]``: with the services that depend on it, after a question."""
    names = [word for word in words if word.lower() not in ("/y", "/yes")]
    if len(names) != 1:
        return _usage(process, "NET STOP", "service")
    service = process.host.services.find(names[0])
    if service is None:
        return _complaint(process, 2185)
    if service.state == "stopped":
        return _complaint(process, 3521, f"The {service.display_name} service is not started.")
    dependents = process.host.services.dependents(service)
    if dependents and process.session.is_admin:
        agreed = _agreed(process, service, dependents, asked=len(names) == len(words))
        if not agreed:
            return NOBODY_ANSWERS if agreed is None else FAILED
    for one in [*dependents, service]:
        code = _stop_one(process, one)
        if code:
            return code
    return 0


def _agreed(process: Process, service: Service, dependents: list[Service], *, asked: bool) -> bool | None:
    """Whether somebody agrees; None when standard input has ended, as with NUL."""
    process.say(
        f"The following services are dependent on the {service.display_name} service.",
        f"Stopping the {service.display_name} service will also stop these services.",
        "",
        *(f"   {one.display_name}" for one in dependents),
        "",
    )
    while asked:
        process.out("Do you want to continue this operation? (Y/N) [N]: ", apart=True)
        line = process.stdin.read_line()
        if line is None:
            return None
        answer = line.strip().upper()
        if answer in ("Y", "N", ""):
            process.say("")
            return answer == "Y"
    return True


def _stop_one(process: Process, service: Service) -> int:
    code = process.host.services.stop(service.key, process.session)
    if code:
        return _system_error(process, code)
    process.out(f"The {service.display_name} service is stopping.", apart=False)
    _wait(process, service)
    process.say("")
    if service.state != "stopped":
        process.complain(f"The {service.display_name} service could not be stopped.", "")
        return FAILED
    process.say(f"The {service.display_name} service was stopped successfully.", "")
    return 0


# the rest


def _session(process: Process, words: list[str]) -> int:
    """``net session``: the well known question whether somebody is an administrator."""
    if not process.session.is_admin:
        return _system_error(process, 5)
    process.say("There are no entries in the list.", "")
    return 0


def _user(process: Process, words: list[str]) -> int:
    """``net user [name]``: the host's own accounts."""
    local = [user for user in process.host.users if "\\" not in user.name]
    if not words:
        names = "".join(user.name.ljust(25) for user in local)
        process.say("", f"User accounts for \\\\{process.host.name.upper()}", "", "-" * 79, names, DONE, "")
        return 0
    found = next((user for user in local if user.name.lower() == words[0].lower()), None)
    if found is None:
        return _complaint(process, 2221)
    groups = "*Administrators" if found.is_admin else "*Users"
    rows = (("User name", found.name), ("Account active", "Yes"), ("Local Group Memberships", groups))
    process.say(*(f"{name:<29}{value}" for name, value in rows), DONE, "")
    return 0


def _use(process: Process, words: list[str]) -> int:
    r"""``net use [X:] \\server\share [password] [/user:name]``, ``net use X: /delete``.

    With a user and a password the other machine is reached whatever the session may delegate [field].
    """
    switches = [word for word in words if word.startswith("/")]
    names = [word for word in words if not word.startswith("/")]
    mapped = process.session.mapped
    if not names:
        connections = (f"OK           {one}:        {mapped[one]}" for one in mapped)
        process.say("New connections will be remembered.", "", *connections, DONE, "")
        return 0
    letter = names.pop(0)[0].upper() if re.fullmatch(r"[A-Za-z]:", names[0]) else ""
    if any(switch.lower() in ("/d", "/delete", "/del") for switch in switches):
        return _disconnect(process, letter, names)
    if letter and (letter in mapped or letter in process.host.fs.volumes):
        return _system_error(process, 85)
    if not names:
        return _complaint(process, 2250)
    user = next((switch[6:] for switch in switches if switch.lower().startswith("/user:")), "")
    code = _connect(process, names[0], names[1] if len(names) > 1 else "", user)
    if code:
        return _system_error(process, code)
    if letter:
        mapped[letter] = names[0]
    process.say(DONE, "")
    return 0


def _connect(process: Process, share: str, password: str, user: str) -> int:
    owner = process.host.find(share.strip("\\").split("\\")[0])
    if owner is None or not owner.powered:
        return 53
    if user:
        if owner.logon(user, password) is None:
            return 1326
        process.session.connected.add(owner.name)
    try:
        process.files.node(share + "\\")
    except Win32Error as error:
        return error.code
    return 0


def _disconnect(process: Process, letter: str, names: list[str]) -> int:
    if letter:
        if process.session.mapped.pop(letter, None) is None:
            return _complaint(process, 2250)
    else:
        owner = process.host.find(names[0].strip("\\").split("\\")[0]) if names else None
        if owner is None or owner.name not in process.session.connected:
            return _complaint(process, 2250)
        process.session.connected.discard(owner.name)
    process.say(f"{letter + ':' if letter else names[0]} was deleted successfully.", "")
    return 0


def _helpmsg(process: Process, words: list[str]) -> int:
    number = int(words[0]) if words and words[0].isdigit() else 0
    text = HELP_MESSAGES.get(number) or MESSAGES.get(number)
    if text is None:
        return _complaint(process, 3871, f"{number} is not a valid Windows network message number.")
    process.say("", text, "")
    return 0


COMMANDS: dict[str, Callable[[Process, list[str]], int]] = {
    "start": _start,
    "stop": _stop,
    "session": _session,
    "sessions": _session,
    "user": _user,
    "use": _use,
    "helpmsg": _helpmsg,
}


def net(process: Process) -> int:
    """The program."""
    words = process.argv[1:]
    command = COMMANDS.get(words[0].lower()) if words else None
    if command is None:
        return _usage(process, "NET", "[ ACCOUNTS | COMPUTER | CONFIG | CONTINUE | FILE | GROUP | HELP |",
                      "  HELPMSG | LOCALGROUP | PAUSE | SESSION | SHARE | START |",
                      "  STATISTICS | STOP | TIME | USE | USER | VIEW ]")  # fmt: skip
    return command(process, words[1:])
