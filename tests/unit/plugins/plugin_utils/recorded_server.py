# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An Operations Manager server as far as the plugins see one: it answers with what real commands are known to write."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from unit.plugins.plugin_utils.doubles import Clock, Ends, Hears, Script, ScriptedProtocol, Silence, answer_batch

KEY = b"a key, encrypted with the backup password " * 20
FINGERPRINT = "0123456789abcdef" * 4
OTHER_FINGERPRINT = "f" * 64
PASSWORD = "p%PATH%^&\"!' ü8"
R = r"HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\Microsoft Operations Manager\3.0"
DIRECTORY = "C:\\Program Files\\System Center Operations Manager 2007\\"
CONFIG_TOOL = "ManagementServerConfigTool.exe"
NUMBERS = {"stopped": 1, "start_pending": 2, "stop_pending": 3, "running": 4}
MODES = {"auto": 2, "demand": 3, "disabled": 4}
RESTORE_MARK = r"HKEY_LOCAL_MACHINE\SOFTWARE\opsmgr.recovery.key"
MISSING_KEY = "ERROR: The system was unable to find the specified registry key or value.\r\n"
ASK = b"Please enter the password to use for storage/retrieval:"
AGAIN = b"Please re-enter the password to use for storage/retrieval:"
# tasklist lists itself.
LISTER = '"tasklist.exe","4712","Services","0","5,000 K"\r\n'
WARNING = (
    b"Running this tool can cause irreversible damage to your Operations Database. "
    b"Type Y to continue to promote the Management Server to become the Root Management Server."
)


def encoded(content: bytes) -> str:
    """What `certutil -encode` writes."""
    body = base64.encodebytes(content).decode().replace("\n", "\r\n")
    return f"-----BEGIN CERTIFICATE-----\r\n{body}-----END CERTIFICATE-----\r\n"


def fetched(content: bytes, size: int | None = None, sha256: str | None = "") -> str:
    """What the end of the backup's command line writes about its file; no hash on Windows Server 2003."""
    digits = hashlib.sha256(content).hexdigest() if sha256 == "" else sha256
    spaced = " ".join(digits[at : at + 2] for at in range(0, 64, 2)) if digits else "CertUtil: Unknown arg: -hashfile"
    return f"[size {len(content) if size is None else size}]\r\n{encoded(content)}SHA256 hash of file:\r\n{spaced}\r\nCertUtil: ok\r\n"


SERVICE_TEST = re.compile(r'sc queryex (\S+)\|findstr /r /c:": (\d)  \*\[A-Z\]">nul&& ')


@dataclass
class RecordedServer:
    """Change a field to change the server; `scripts` say how its tools behave, `effects` what they do."""

    clock: Clock
    is_rms: bool = True
    # Of the management server, and of any component; without the first it is not a management server.
    version: str = "6.1.7221.0"
    component_version: str | None = None
    groups: str | None = None
    parent: str | None = "Hydra.Odyssey.com"
    administrator: bool = True
    installed: bool = True
    fingerprint: str | None = FINGERPRINT
    hashfile: bool = True
    windows_2003: bool = False
    architecture: str = "AMD64"
    media: list[str] = field(default_factory=list)
    tools: list[str] = field(default_factory=lambda: ["SecureStorageBackup.exe", "ManagementServerConfigTool.exe"])
    services: dict[str, tuple[str, str]] = field(default_factory=dict)
    # Of services; an empty one is not told.
    accounts: dict[str, str] = field(default_factory=dict)
    # For each look; None when tasklist finds nothing under load, not even itself.
    promotion_running: list[bool | None] = field(default_factory=list)
    mark: str | None = None
    ended_with: str | None = None
    conversation: str | None = None
    mark_exit_code: int = 0
    # The mark of a restore, and the hash of the file that is restored.
    restored: dict[str, str] = field(default_factory=dict)
    file_hash: str = "f" * 64
    console: bool = True
    arrives: bytes = KEY
    # Whether a former RMS learns from the start of its Health Service that it no longer is the RMS.
    restart_demotes: bool = False
    # Whom the registry of an ordinary management server names from the start of its Health Service on.
    parent_after_restart: str | None = None
    # What setspn lists, by the account that it is asked for; any other account it does not find.
    spns: dict[str, list[str]] = field(default_factory=dict)
    scripts: dict[str, Script] = field(default_factory=dict)
    effects: dict[str, Callable[[], None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        sdk = ("running", "auto") if self.is_rms else ("stopped", "disabled")
        self.services = {"HealthService": ("running", "auto"), "OMSDK": sdk, "OMCFG": sdk, **self.services}
        self.protocol = ScriptedProtocol(self.respond, self.clock)

    @property
    def commands(self) -> list[str]:
        return self.protocol.commands

    def ran(self, part: str) -> bool:
        """Whether a command line with this in it was started."""
        return any(part in command for command in self.commands)

    def backs_up(self, output: str, exit_code: int = 0) -> None:
        """Let SecureStorageBackup ask twice and then write `output` behind the mark that ends its own words."""
        typed = PASSWORD.encode() + b"\r"
        self.scripts['.exe Backup "'] = [
            ASK,
            Hears(typed),
            b"\r\n" + AGAIN,
            Hears(typed),
            b"\r\nDone.\r\n",
            Ends(exit_code, private=output.encode()),
        ]

    def respond(self, command: str) -> Script:
        self._follow_restore_mark(command)
        for name, script in self.scripts.items():
            if name in command:
                self.effects.get(name, lambda: None)()
                return script
        pauses = [int(turns) for turns in re.findall(r"ping -n (\d+) ", command)]
        if self.mark_exit_code == 0 and command.startswith("reg "):
            self._follow_mark(command)
        return [*([Silence(max(pauses) - 1)] if pauses else []), Ends(0, self._says(command).encode())]

    def _says(self, command: str) -> str:
        if command.startswith("findstr"):
            return encoded(self.arrives)
        answer = answer_batch(command, self._answer)
        if command.startswith("set /p"):
            answer = ("opsmgr_a=1\r\nopsmgr_b=2\r\n" if self.console else "opsmgr_a=1\r2\r\n") + "[probed]\r\n" + answer
        return answer

    def _answer(self, command: str) -> tuple[bool, str]:
        if command.startswith("sc "):
            return self._sc(command)
        if command.startswith("tasklist"):
            return True, self._tasks(command)
        if command.startswith("setspn -L "):
            return self._names(command.split()[-1].strip('"'))
        if self.mark_exit_code == 0:
            self._follow_mark(command)
        if command.startswith(r'reg query "HKLM\SOFTWARE\opsmgr.recovery.key"'):
            return self._restore_mark(command)
        if command.startswith("copy /b"):
            self.tools += [tool for tool in (CONFIG_TOOL,) if f"SupportTools\\{tool}" in command and self.media]
        for part, answer in self._answers().items():
            if part in command:
                return answer
        return True, ""

    def _answers(self) -> dict[str, tuple[bool, str]]:
        """By a part of the command, the first that fits."""
        return {
            "S-1-5-19": (self.administrator, "" if self.administrator else "ERROR: Access is denied.\r\n"),
            "COMPUTERNAME": (True, "HYDRA\r\n"),
            "PROCESSOR_ARCHITECTURE": (True, self.architecture + "\r\n"),
            "icacls": (True, self._hash()),
            "certutil -hashfile": (self.hashfile, self._hash_of_file()),
            "tokens=2*": (True, "".join(f"{tool}\r\n" for tool in self.tools)),
            "for %d": (True, "".join(f"{folder}\r\n" for folder in self.media)),
            "reg add": (self.mark_exit_code == 0, ""),
            'query "HKLM\\SOFTWARE\\opsmgr.recovery"': (self.mark is not None, self._mark()),
            "MOMBins": (self.fingerprint is not None, "" if self.fingerprint else MISSING_KEY),
            "Groups": (True, self._groups()),
            "\\Setup": (self.installed, self._setup() if self.installed else MISSING_KEY),
        }

    def _names(self, account: str) -> tuple[bool, str]:
        if account not in self.spns:
            return False, f"Could not find account {account}\r\n"
        names = "".join(f"\t{name}\r\n" for name in self.spns[account])
        return True, f"Registered ServicePrincipalNames for CN={account},CN=Computers,DC=odyssey,DC=com:\r\n{names}"

    def _hash_of_file(self) -> str:
        return (
            f"SHA256 hash of file x:\r\n{self.file_hash}\r\nCertUtil: ok\r\n"
            if self.hashfile
            else "CertUtil: Unknown arg\r\n"
        )

    def _hash(self) -> str:
        return (
            f"SHA256 hash of file x:\r\n{self.fingerprint}\r\nCertUtil: ok\r\n"
            if self.fingerprint and self.hashfile
            else "CertUtil: Unknown arg\r\n"
        )

    def _tasks(self, command: str) -> str:
        if "ManagementServerConfigTool" not in command:
            return LISTER
        running = self.promotion_running.pop(0) if self.promotion_running else False
        if running is None:
            return "INFO: No tasks are running.\r\n"
        tool = '"ManagementServerConfigTool.exe","4711","Services","0","9,000 K"\r\n' if running else ""
        return tool + LISTER

    def _follow_mark(self, command: str) -> None:
        """The registry remembers what our commands write to it."""
        if found := re.search(r"/v PromotionAnswered /t REG_DWORD /d (\d)", command):
            self.mark = hex(int(found[1]))
        if 'reg delete "HKLM\\SOFTWARE\\opsmgr.recovery"' in command:
            self.mark = self.ended_with = self.conversation = None

    def _follow_restore_mark(self, command: str) -> None:
        if r'reg delete "HKLM\SOFTWARE\opsmgr.recovery.key"' in command:
            self.restored.clear()
        self.restored.update(
            re.findall(r'reg add "HKLM\\SOFTWARE\\opsmgr\.recovery\.key" /v "?(\w+)"? /t REG_SZ /d "?([\w:]+)', command)
        )

    def _restore_mark(self, command: str) -> tuple[bool, str]:
        asked = re.search(r'/v "(\w+)"', command)
        values = {name: data for name, data in self.restored.items() if asked is None or name == asked[1]}
        return bool(values), self._query(RESTORE_MARK, **values) if values else MISSING_KEY

    def _mark(self) -> str:
        values = {
            "PromotionAnswered": self.mark,
            "PromotionExitCode": self.ended_with,
            "PromotionConversation": self.conversation,
        }
        return self._query(r"HKEY_LOCAL_MACHINE\SOFTWARE\opsmgr.recovery", **values)

    def _query(self, key: str, **values: str | None) -> str:
        tab = "\t" if self.windows_2003 else "    "
        kinds = {name: "REG_DWORD" if (data or "").startswith("0x") else "REG_SZ" for name, data in values.items()}
        lines = [f"    {name}{tab}{kinds[name]}{tab}{data}" for name, data in values.items() if data is not None]
        return "\r\n".join(["", *(["! REG.EXE VERSION 3.0", ""] if self.windows_2003 else []), key, *lines, "", ""])

    def _setup(self) -> str:
        return self._query(
            R + r"\Setup",
            InstallDirectory=DIRECTORY,
            ServerVersion=self.version or None,
            UIVersion=self.component_version,
            DatabaseServerName="SQL01",
            DatabaseName="OperationsManager",
        )

    def _groups(self) -> str:
        above = R + r"\Server Management Groups"
        root = "0x1" if self.is_rms else "0x0"
        own = self._query(above + r"\ODYSSEY", IsRootHealthService=root)
        parent = (
            "" if self.is_rms else self._query(above + r"\ODYSSEY\Parent Health Services\0", NetworkName=self.parent)
        )
        return own + parent if self.groups is None else self.groups

    def _sc_after(self, tested: re.Match[str], command: str) -> tuple[bool, str]:
        """What comes of a command that is given only when a service has a state."""
        if NUMBERS[self.services[tested[1]][0]] != int(tested[2]):
            return False, ""
        return self._answer(command)

    def _sc(self, command: str) -> tuple[bool, str]:
        tested = SERVICE_TEST.match(command)
        if tested:
            return self._sc_after(tested, command[tested.end() :])
        verb, name, *rest = command.split()[1:]
        if name not in self.services:
            return False, "[SC] OpenService FAILED 1060:\r\n"
        state, mode = self.services[name]
        if verb in ("start", "stop"):
            self.services[name] = ({"start": "running", "stop": "stopped"}[verb], mode)
            if (verb, name, self.restart_demotes) == ("start", "HealthService", True):
                self.is_rms = False
            if (verb, name) == ("start", "HealthService"):
                self.parent = self.parent_after_restart or self.parent
        elif verb == "config":
            self.services[name] = (state, rest[-1])
        if verb == "qc":
            return True, self._configuration(name, MODES[mode])
        return (
            True,
            f"\r\nSERVICE_NAME: {name}\r\n        TYPE : 10  WIN32_OWN_PROCESS\r\n        STATE : {NUMBERS[state]}  WORD\r\n",
        )

    def _configuration(self, name: str, mode: int) -> str:
        """What `sc qc` writes."""
        account = self.accounts.get(name, "LocalSystem")
        lines = [
            "TYPE               : 10  WIN32_OWN_PROCESS ",
            f"START_TYPE         : {mode}   WORD",
            "ERROR_CONTROL      : 1   NORMAL",
            f'BINARY_PATH_NAME   : "{DIRECTORY}{name}.exe"',
            "LOAD_ORDER_GROUP   : ",
            "TAG                : 0",
            f"DISPLAY_NAME       : OpsMgr {name}",
            "DEPENDENCIES       : rpcss",
            "                   : winmgmt",
            *([f"SERVICE_START_NAME : {account}"] if account else []),
        ]
        return f"\r\nSERVICE_NAME: {name}\r\n" + "".join(f"        {line}\r\n" for line in lines)
