# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A simulated Windows host: everything behind its WinRM listener."""

from __future__ import annotations

import hashlib
import itertools
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..faults import Faults
from ..recorder import Recorder
from . import launch, paths
from .cmd import cmd_exe
from .codepages import is_installed
from .directory import ActiveDirectory
from .environment import Environment
from .errors import Win32Error
from .files import Files
from .filesystem import File, FileSystem
from .lifeline import Lifeline
from .process import Process, Program, RunningCommand, Stdin
from .profiles import BASE_SERVICES, PATHEXT, PROFILES
from .registry import Registry
from .services import Service, ServiceManager
from .tools import inbox_tools

NT = "HKLM\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion"
CONTROL = "HKLM\\SYSTEM\\CurrentControlSet\\Control"


@dataclass
class User:
    r"""An account that may log on: ``DOMAIN\name``, or a name alone for an account of the host itself."""

    name: str
    password: str
    is_admin: bool = True

    def is_called(self, name: str, host: str) -> bool:
        r"""Whether somebody who logs on as ``name`` means this account (``D\u``, ``u``, ``u@d.example``, ``HOST\u``, ``.\u``)."""
        domain, _at, user = self.name.rpartition("\\")
        given_domain, _at, given = name.rpartition("\\")
        if "@" in name and not given_domain:
            given, _at, given_domain = name.partition("@")
            given_domain = given_domain.split(".")[0]
        own = (domain or host).lower()
        return given.lower() == user.lower() and given_domain.lower() in ("", own, *(() if domain else (".",)))


@dataclass
class Session:
    """A logon.  ``can_delegate`` is False for NTLM and Basic: no second machine can be reached."""

    user: str
    is_admin: bool = True
    can_delegate: bool = False
    profile: str = ""
    mapped: dict[str, str] = field(default_factory=dict)
    connected: set[str] = field(default_factory=set)
    """Hosts that ``net use`` reached with a user and a password of its own."""

    @property
    def sid(self) -> str:
        """A security identifier that belongs to the account's name."""
        digest = hashlib.sha256(self.user.lower().encode()).digest()
        authority = "-".join(str(int.from_bytes(digest[start : start + 4], "big")) for start in (0, 4, 8))
        return f"S-1-5-21-{authority}-{500 if self.user.lower().endswith('administrator') else 1106}"

    @property
    def account(self) -> str:
        """The user name without domain."""
        return self.user.rpartition("\\")[2].partition("@")[0]


class WindowsHost:
    """One host.  ``network`` maps names to all hosts that can be reached by share."""

    def __init__(
        self,
        name: str,
        fqdn: str,
        address: str,
        profile: str = "2008r2",
        recorder: Recorder | None = None,
        faults: Faults | None = None,
        network: Mapping[str, WindowsHost] | None = None,
    ) -> None:
        self.name, self.fqdn, self.address = name, fqdn, address
        self.profile = profile
        self.windows = PROFILES[profile]
        self.recorder = recorder if recorder is not None else Recorder()
        self.faults = faults if faults is not None else Faults()
        self.network: Mapping[str, WindowsHost] = network if network is not None else {}
        self.lock = threading.RLock()
        self.users: list[User] = []
        self.directory: ActiveDirectory | None = None
        """That of the domain this host is a member of."""
        self.settings: dict[str, Any] = {"console_mode": "console", "console_crlf": "two", "oem_codepage": 437}
        self.event_log: list[dict[str, Any]] = []
        self.aliases: set[str] = set()
        """Other names and addresses that this host answers now, in lower case: those of a virtual server."""
        self.programs: dict[str, Program] = {}
        self.fs = FileSystem(self.lock)
        self.registry = Registry(self.lock)
        self._behaviours: dict[str, Program] = {}
        self._installed: dict[str, str] = {}
        self._pids = itertools.count(1204, 4)
        self._power = Lifeline()
        self._commands: list[RunningCommand] = []
        self._install_windows()
        self.services = ServiceManager(self)
        for key, name_2003, name_2008 in BASE_SERVICES:
            display = name_2008 if self.windows.wide else name_2003
            self.services.add(Service(key, display, start="auto", state="running"))
        self.services.add(Service("msiserver", "Windows Installer", f"{self.windows.system32}\\msiexec.exe /V"))
        self.installing = threading.Lock()

    # Names and places

    @property
    def domain(self) -> str:
        """The domain's NetBIOS name."""
        return self.fqdn.partition(".")[2].split(".")[0].upper() or self.name.upper()

    @property
    def system_root(self) -> str:
        """The Windows folder."""
        return self.windows.system_root

    def find(self, name: str) -> WindowsHost | None:
        """The host of the network that is called so (name, full name or address)."""
        wanted = name.lower()
        for host in (self, *self.network.values()):
            if wanted in (host.name.lower(), host.fqdn.lower(), host.address.lower(), *host.aliases):
                return host
        return self if wanted in ("localhost", "127.0.0.1") else None

    def files(self, session: Session, cwd: str) -> Files:
        """The files as a program with this session and current directory sees them."""
        return Files(self, session, cwd)

    def next_pid(self) -> int:
        """A process id that was not used yet."""
        return next(self._pids)

    # Accounts

    def logon(self, user: str, password: str) -> Session | None:
        """Log on: a session, or None for an unknown user or a wrong password.  Creates the profile folder."""
        for account in self.users:
            if account.is_called(user, self.name) and account.password == password:
                return self.session(account.name, is_admin=account.is_admin)
        return None

    def session(self, user: str, *, is_admin: bool = True, can_delegate: bool = False) -> Session:
        """A session of an account without asking for its password."""
        name = user if "\\" in user else f"{self.name.upper()}\\{user}"
        session = Session(name, is_admin, can_delegate)
        session.profile = paths.join(self.windows.profiles, session.account)
        self.fs.mkdir(paths.join(session.profile, self.windows.temp), exist_ok=True).inbox = True
        return session

    def environment(self, session: Session) -> Environment:
        """The environment that a logon's first program gets [ms]."""
        profile = self.windows
        domain, _at, account = session.user.rpartition("\\")
        temp = (
            self.fs.short_path(paths.join(session.profile, profile.temp))
            if session.profile
            else f"{self.system_root}\\Temp"
        )
        env = Environment(
            {
                "ALLUSERSPROFILE": profile.all_users,
                "CommonProgramFiles": "C:\\Program Files\\Common Files",
                "COMPUTERNAME": self.name.upper(),
                "ComSpec": f"{profile.system32}\\cmd.exe",
                "NUMBER_OF_PROCESSORS": "2",
                "OS": "Windows_NT",
                "Path": f"{profile.system32};{self.system_root};{self.system_root}\\System32\\Wbem",
                "PATHEXT": PATHEXT + (";.MSC" if profile.wide else ""),
                "PROCESSOR_ARCHITECTURE": profile.architecture,
                "ProgramFiles": "C:\\Program Files",
                "PROMPT": "$P$G",
                "SystemDrive": "C:",
                "SystemRoot": self.system_root,
                "TEMP": temp,
                "TMP": temp,
                "USERDOMAIN": domain or self.name.upper(),
                "USERNAME": account,
                "USERPROFILE": session.profile,
                "windir": self.system_root,
            }
        )
        if profile.wide:
            env.update(
                {
                    "CommonProgramFiles(x86)": "C:\\Program Files (x86)\\Common Files",
                    "ProgramData": profile.all_users,
                    "ProgramFiles(x86)": "C:\\Program Files (x86)",
                    "ProgramW6432": "C:\\Program Files",
                    "PUBLIC": "C:\\Users\\Public",
                }
            )
        return env

    # Programs

    def install_program(self, path: str, program: Program, content: bytes) -> None:
        """Put a program file and its behaviour in place; any copy with the same content behaves the same, on every
        host.
        """
        digest = hashlib.sha256(content).hexdigest()
        full = paths.absolute(path, "C:\\")
        with self.lock:
            self.fs.mkdir(paths.parent(full), exist_ok=True)
            self.fs.write(full, content)
            self.programs[full.lower()] = program
            self._behaviours[digest] = program
            self._installed[full.lower()] = digest

    def behaviour(self, path: str, node: File) -> Program | None:
        """What the program in a file does, by its content; by its path for what was put into :attr:`programs` by hand."""
        digest = node.sha256
        for host in (self, *self.network.values()):
            if digest in host._behaviours:
                return host._behaviours[digest]
        by_hand = path.lower() not in self._installed
        return self.programs.get(path.lower()) if by_hand else None

    def start_command(
        self,
        session: Session,
        command_line: str,
        *,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        console: bool = False,
        skip_cmd_shell: bool = False,
        codepage: int | None = None,
    ) -> RunningCommand:
        """Start a command for a client; ``console`` asks for a console as standard input (``settings`` decide what
        comes).

        Win32 error 267 for a current directory that does not exist, 87 for an unknown code page, 2 for a program that a
        command line without cmd.exe does not find.
        """
        page = codepage or int(self.settings["oem_codepage"])
        folder = paths.absolute(cwd or session.profile or "C:\\", "C:\\")
        if not is_installed(page):
            raise Win32Error(87, str(page))
        if not self.files(session, folder).is_dir(folder):
            raise Win32Error(267, folder)
        lifeline = Lifeline(self._power)
        is_console = console and self.settings["console_mode"] == "console"
        stdin = Stdin(is_console, self.settings["console_crlf"], page, lifeline=lifeline)
        command = RunningCommand(command_line, stdin, lifeline, page)
        environment = self.environment(session)
        environment.update(env or {})
        cmd_line = f' /C "{command_line}"'
        process = Process(
            host=self, session=session, argv=["cmd.exe"], command_line=cmd_line, cwd=folder, env=environment,
            stdin=stdin, stdout=command.output.sink("stdout"), stderr=command.output.sink("stderr"),
            image=f"{self.windows.system32}\\cmd.exe", command=command, lifeline=lifeline, pid=self.next_pid(),
        )  # fmt: skip
        if skip_cmd_shell:
            process = direct(process, command_line)
        program = launch.load(process)
        with self.lock:
            self._commands = [*(known for known in self._commands if known.output.exit_code is None), command]
        command.start(lambda: launch.run(process, program, recorded=skip_cmd_shell))
        return command

    def running(self) -> list[Process]:
        """All programs that run now."""
        with self.lock:
            commands = list(self._commands)
        return [process for command in commands for process in command.processes()]

    # Life

    @property
    def powered(self) -> bool:
        """Whether the host is up: switched off, its commands and services are gone and its listeners refuse
        connections.
        """
        return not self._power.is_cut

    @powered.setter
    def powered(self, on: bool) -> None:
        if on == self.powered:
            return
        if on:
            self._power = Lifeline()
            self.services.power_on()
        else:
            self._power.cut()
            self.services.power_off()

    def stop(self) -> None:
        """End everything that runs, for good (services' hooks are not called)."""
        self._power.cut()

    def sleep(self, seconds: float) -> None:
        """Sleep as a part of this host does: the end of the host's power ends it."""
        power = self._power
        done = threading.Event()
        power.on_cut(done.set)
        done.wait(seconds)
        power.forget(done.set)

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Do something later, unless the host is switched off by then."""

        def wait() -> None:
            self.sleep(seconds)
            if not power.is_cut:
                action()

        power = self._power
        threading.Thread(target=wait, daemon=True, name=f"{self.name} later").start()

    def dump(self) -> dict[str, Any]:
        """The stable state: equal dumps mean that nothing changed."""
        return {
            "profile": self.windows.name,
            "powered": self.powered,
            "files": self.fs.dump(),
            "shares": dict(sorted(self.fs.shares.items())),
            "registry": self.registry.dump(),
            "services": self.services.dump(),
        }

    # Setup

    def _install_windows(self) -> None:
        """The folders, files and registry keys of a fresh system."""
        profile = self.windows
        folders = [
            profile.system32,
            f"{profile.system_root}\\Temp",
            f"{profile.all_users}",
            f"{profile.system32}\\Wbem",
        ]
        for folder in [*folders, *(f"{program_files}\\Common Files" for program_files in profile.program_files)]:
            self.fs.mkdir(folder, exist_ok=True)
        tools: dict[str, Program] = {"cmd.exe": cmd_exe, **inbox_tools(profile)}
        for name, program in tools.items():
            content = b"MZ\x90\x00" + f"{name} of {profile.product}".encode()
            self.install_program(f"{profile.system32}\\{name}", program, content)
            self.fs.file(f"{profile.system32}\\{name}").inbox = True
        for name, data in (
            ("ProductName", profile.product),
            ("CurrentVersion", profile.version),
            ("CurrentBuildNumber", profile.build),
            ("CSDVersion", profile.service_pack),
            ("SystemRoot", profile.system_root),
        ):
            self.registry.set(NT, name, data)
        self.registry.set(f"{CONTROL}\\ComputerName\\ComputerName", "ComputerName", self.name.upper())
        self.registry.set(f"{CONTROL}\\Session Manager\\Environment", "PROCESSOR_ARCHITECTURE", profile.architecture)


def direct(shell: Process, command_line: str) -> Process:
    """The process that CreateProcess makes of a command line: ``.exe`` only, found beside WinRS' host, in the current
    directory, system32, Windows, PATH; an unquoted path is tried up to each blank [ms].
    """
    line = command_line.lstrip()
    if line.startswith('"'):
        name, _quote, tail = line[1:].partition('"')
        tokens = [(name, tail)]
    else:
        cuts = [index for index, char in enumerate(line) if char in " \t"] + [len(line)]
        tokens = [(line[:cut], line[cut:]) for cut in cuts]
    for name, tail in tokens:
        if name and (image := launch.find_executable(shell, name, [".exe"])):
            process = launch.child(shell, image, name, tail)
            process.stdin, process.lifeline = shell.stdin, shell.lifeline
            return process
    raise Win32Error(2, command_line)
