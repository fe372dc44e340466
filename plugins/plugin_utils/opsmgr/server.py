# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An Operations Manager 2007 server: what is installed, its role, services, tools and key, and its two tools that ask.

Private to opsmgr.recovery.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import secrets
import typing as t
from dataclasses import dataclass, field, replace

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.module_utils.versions import (
    ServerVersion,
    require_supported,
    unsupported,
    version_or_none,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr import principal_names, restored_key
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.key_fingerprint import (
    TELL_COMPARISON,
    compared_command,
    fingerprint_command,
    parse_comparison,
    parse_fingerprint,
    remove_leftovers_command,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.promotion import (
    CONFIG_TOOL,
    MARK_COMMAND,
    PROCESSES_COMMAND,
    PromotionState,
    read_state,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.windows.host import (
    Answer,
    Questions,
    ServiceState,
    WindowsHost,
    decode_certutil,
    directory_join,
    parse_registry,
    quote,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.conversation import (
    ConversationError,
    Exchange,
    HeldConversation,
    converse,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.faults import (
    CommandTimeout,
    ConnectionLost,
    ShellFault,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.shell import PIPE

# [field] registry, native view; MOMBins under 3.0 is [assumed] for 2007.
REGISTRY = r"HKLM\SOFTWARE\Microsoft\Microsoft Operations Manager\3.0"
SETUP_KEY = REGISTRY + r"\Setup"
VERSION_VALUES = ("serverversion", "uiversion", "currentversion")
GROUPS_KEY = REGISTRY + r"\Server Management Groups"
GROUPS_COMMAND = f'reg query "{GROUPS_KEY}" /s'
KEY_MATERIAL_KEY = REGISTRY + r"\MOMBins"
KEY_MATERIAL_VALUE = "Value1"
# The RMS that consoles on a computer open; the reporting server has a value of the same name [field].
MACHINE_SETTINGS_KEY = REGISTRY + r"\Machine Settings"
RMS_VALUE = "DefaultSDKServiceMachine"

HEALTH_SERVICE = "HealthService"
SDK_SERVICE = "OMSDK"
CONFIG_SERVICE = "OMCFG"
SERVICES = (HEALTH_SERVICE, SDK_SERVICE, CONFIG_SERVICE)
CLUSTER_SERVICE = "ClusSvc"

BACKUP_TOOL = "SecureStorageBackup.exe"
TOOLS = (BACKUP_TOOL, CONFIG_TOOL)

# Prompt wording is from memory [ms] or the book; all of it is an option of the modules that use it.
PASSWORD_PROMPT = r"(?i)password[^\r\n]*[:?>]\s*$"
CONFIRMATION_PROMPT = r"(?i)(password|re-?enter|re-?type|confirm|again)[^\r\n]*[:?>]\s*$"
PROMOTION_PROMPT = r"(?i)type\s+\W?Y\W?\s+to\s+continue"
DEMOTION_PROMPT = r"(?i)type\s+\W?Y\W?\s+to\s+continue|\(Y/N\)"
# re keeps them, so that the processes which ansible-core forks for each host need not compile them.
for _prompt in (PASSWORD_PROMPT, CONFIRMATION_PROMPT, PROMOTION_PROMPT, DEMOTION_PROMPT):
    re.compile(_prompt)
_DWORD = re.compile(r"0x[0-9a-fA-F]{1,8}")
_SIZE = re.compile(r"\[size (\d+)\]")

# "Readable by administrators only" is the well-known test for one: the key of the Local Service account.
ADMINISTRATOR_TEST = r'reg query "HKU\S-1-5-19">nul'
# Questions whose answers the work with a key does not need.
# Answers that not every look asks for.
OPTIONAL = ("fingerprint",)
NOT_FOR_KEY = ("architecture", "console", "media", "running", "mark")
MINIMUM_PASSWORD_CHARACTERS = 8  # [book]

# %PROCESSOR_ARCHITECTURE% and the folder below \SupportTools that is for it [book].
MEDIA_FOLDERS = {"AMD64": "amd64", "X86": "i386", "IA64": "ia64"}

ROOT_ADVICE = "Set it to a REG_DWORD, 1 on the root management server and 0 on any other management server, then rerun"
PIPE_ADVICE = (
    "Run it on the server's console, or on a server whose WinRM service gives a console: "
    "this server gives programs a pipe instead, and a program that reads single keys cannot be answered through a pipe"
)


@dataclass(frozen=True)
class ManagementServer:
    """What was observed on a server. None means "could not be observed", never "no".

    :ivar version: of the management server, None where only other components are installed
    :ivar product_version: of whatever component of Operations Manager is installed
    """

    computer_name: str
    administrator: bool
    install_directory: str | None
    version: ServerVersion | None
    product_version: ServerVersion | None
    management_group: str | None
    is_rms: bool | None
    reports_to: str | None
    console_rms: str | None
    database_server: str | None
    database_name: str | None
    clustered: bool
    services: t.Mapping[str, ServiceState]
    tools: t.Mapping[str, bool]
    media: str | None
    key_present: bool
    key_fingerprint: str | None
    promotion: PromotionState
    sdk_account: str | None = None
    principal_names: principal_names.Listed | None = None

    @property
    def installed(self) -> bool:
        """Whether Operations Manager is installed here."""
        return self.install_directory is not None

    def tool(self, name: str) -> str:
        """The command line prefix that runs a tool from the install directory, which the tools insist on [book]."""
        return f"cd /d {quote(str(self.install_directory))}&& {name}"

    @property
    def key_text(self) -> str:
        """The key for a person: its fingerprint where that is known."""
        if not self.key_present:
            return "absent"
        return self.key_fingerprint or "present, fingerprint unknown"

    def as_result(self) -> dict[str, t.Any]:
        """The observation as plain data for a module's result. Nothing in it is a secret."""
        return {
            "computer_name": self.computer_name,
            "administrator": self.administrator,
            "installed": self.installed,
            "install_directory": self.install_directory,
            "version": str(self.version) if self.version else None,
            "product": self.version.product if self.version else None,
            "unsupported": unsupported(self.product_version),
            "management_group": self.management_group,
            "is_rms": self.is_rms,
            "reports_to": self.reports_to,
            "console_rms": self.console_rms,
            "database_server": self.database_server,
            "database_name": self.database_name,
            "clustered": self.clustered,
            "services": {
                name: {"state": service.state, "start_mode": service.start_mode}
                for name, service in self.services.items()
            },
            "tools": dict(self.tools),
            "media": self.media,
            "key": {"present": self.key_present, "fingerprint": self.key_fingerprint},
            "promotion_running": self.promotion.running,
            "promotion": self.promotion.as_result(),
            "sdk_account": self.sdk_account,
            "principal_names": self.principal_names,
        }


@dataclass(frozen=True)
class RoleSeen:
    """What the registry of a server says of its place in its management group, and services seen in the same look.

    :ivar is_rms: whether it calls the server the RMS
    :ivar reports_to: the RMS that an ordinary management server reports to
    """

    management_group: str | None
    is_rms: bool | None
    reports_to: str | None
    services: t.Mapping[str, ServiceState] = field(default_factory=dict)


@dataclass(frozen=True)
class KeyBackup:
    """A key file as the tool wrote it (encrypted with the backup password), and the conversation that made it."""

    content: bytes
    talk: HeldConversation


@dataclass(frozen=True)
class KeyRestore:
    """The conversation that restored a key, and whether the key is another one than before (SAME or OTHER); None where
    that was not compared.
    """

    talk: HeldConversation
    comparison: str | None


class OpsMgrHost:
    """An Operations Manager server on top of a Windows host."""

    def __init__(
        self, windows: WindowsHost, media: str | None = None, key_registry_key: str = KEY_MATERIAL_KEY
    ) -> None:
        self.windows = windows
        self._media = media
        self._key_material = quote(key_registry_key)
        self._token = secrets.token_hex(4)

    def observe(
        self,
        probe: bool = False,
        only_key: bool = False,
        after_seconds: int = 0,
        fingerprint: bool = False,
        first: bool = False,
        names_of: t.Sequence[str] | None = None,
    ) -> ManagementServer:
        """Look at the server in one round trip.

        :param probe: find out the kind of standard input on the way
        :param after_seconds: wait on the server first
        :param fingerprint: have the server compute the fingerprint of its key, for which the key is on its disk for a
            moment; else it is not known
        :param first: the first look of a task, which removes what runs that were cut off left with the key in it
        :param only_key: leave out services, media and promotions, which the work with a key does not need
        :param names_of: list the service principal names of this computer, of the account of the SDK service, and of
            these other computers; None lists none
        """
        questions = self.windows.questions(after_seconds)
        for name, command in self._commands().items():
            if not (only_key and name in NOT_FOR_KEY):
                questions.ask(name, command)
        if first:
            questions.ask("leftovers", remove_leftovers_command())
        if fingerprint:
            questions.ask("fingerprint", fingerprint_command(self._key_material, KEY_MATERIAL_VALUE))
        if not only_key:
            self.windows.ask_services(questions, (*SERVICES, CLUSTER_SERVICE))
        if names_of is not None:
            principal_names.ask(questions, SDK_SERVICE, names_of)
        answers = self.windows.ask(questions, probe)
        server = self._read(answers, only_key)
        if names_of is None:
            return server
        listed = principal_names.read(answers, server.computer_name, server.sdk_account, names_of)
        return replace(server, principal_names=listed)

    def role(self, services: t.Sequence[str] = (), after_seconds: int = 0) -> RoleSeen:
        """What the registry says of this server's place in its management group, with the state of some services."""
        questions = self.windows.questions(after_seconds)
        self.ask_role(questions, services)
        return self.read_role(self.windows.ask(questions), services)

    def ask_role(self, questions: Questions, services: t.Sequence[str] = ()) -> None:
        """Add the questions that read_role() answers."""
        questions.ask("groups", GROUPS_COMMAND)
        self.windows.ask_services(questions, services)

    def read_role(self, answers: t.Mapping[str, Answer], services: t.Sequence[str] = ()) -> RoleSeen:
        """What ask_role() asked for."""
        seen = read_role(answers["groups"].text)
        return replace(seen, services=self.windows.read_services(answers, services))

    def require_server(
        self, step: str, probe: bool = False, only_key: bool = False, fingerprint: bool = False
    ) -> ManagementServer:
        """The first look of a task: observe(), and refuse a server that no step of a recovery can work on.

        :raises OpsmgrError: the account is not an administrator, Operations Manager is not installed, or it is of a
            version that this collection does not change
        """
        server = self.observe(probe, only_key, fingerprint=fingerprint, first=True)
        require_administrator(step, server.administrator)
        if not server.installed:
            raise OpsmgrError(
                step,
                f"Operations Manager is not installed here: {SETUP_KEY} is missing",
                "Check that the inventory names the right server.",
            )
        require_supported(step, server.product_version)
        return server

    def require_tool(self, server: ManagementServer, tool: str, step: str) -> None:
        """Refuse when a tool is not in the install directory.

        :raises OpsmgrError: it is not there
        """
        if not server.tools[tool]:
            raise OpsmgrError(
                step,
                f"{tool} is not in {server.install_directory}",
                "Copy it there from \\SupportTools on the installation media; opsmgr.recovery.support_tools does that.",
            )

    def back_up_key(self, server: ManagementServer, password: str, prompts: t.Sequence[str]) -> KeyBackup:
        """Run `SecureStorageBackup Backup` and bring the file here; nothing stays on the server.

        :param prompts: the patterns of its two questions
        :raises OpsmgrError: the tool did not behave, or there is no file
        """
        path = self.windows.temporary_path(f"{self._token}.key")
        fetch = (
            f'(for %f in ("{path}") do @echo [size %~zf])& certutil -f -encode "{path}" "{path}.out">nul&& type "{path}.out"'
            f'& certutil -hashfile "{path}" SHA256'
        )
        command = f'{server.tool(BACKUP_TOOL)} Backup "{path}"'
        exchanges = [Exchange(prompt, password, secret=True) for prompt in prompts]
        try:
            talk = converse(
                self.windows.shell,
                command,
                exchanges,
                then=f'(if exist "{path}" ({fetch}))& del /f /q "{path}" "{path}.out"',
            )
        except ConversationError as error:
            with contextlib.suppress(ConnectionLost, ShellFault, CommandTimeout):
                self.windows.remove_temporary(f"{self._token}.key")
            raise self.conversation_problem("back up the key", BACKUP_TOOL, error) from error
        try:
            return KeyBackup(_fetched(talk.private_output), talk)
        except ValueError as error:
            raise self.no_effect("back up the key", BACKUP_TOOL, str(error), talk) from None

    def restore_key(
        self, server: ManagementServer, password: str, prompts: t.Sequence[str], content: bytes, source: str
    ) -> KeyRestore:
        """Bring a key file to the server, run `SecureStorageBackup Restore` on it and remove it again.

        What the tool did must be read back from the registry with observe().

        :param prompts: the patterns of its question and of a second one
        :param source: the SHA-256 of the file, for the mark
        """
        # One fixed name: a file left by a run that was cut off is overwritten and removed by the next one.
        try:
            path = self.windows.put_temporary("restore.key", content)
            return self.restore_key_file(server, password, prompts, path, source, then=f'del /f /q "{path}"')
        except BaseException:
            # What happened before is what the user must see, not that the file could not be removed.
            with contextlib.suppress(ConnectionLost, ShellFault, CommandTimeout):
                self.windows.remove_temporary("restore.key")
            raise

    def restore_key_file(
        self,
        server: ManagementServer,
        password: str,
        prompts: t.Sequence[str],
        path: str,
        source: str | None,
        then: str = "",
    ) -> KeyRestore:
        """Run `SecureStorageBackup Restore` on a file that the server can reach; `path` is safe inside quotation marks.

        Where there is a key and no fingerprint of it, the server compares the key before and after.

        The book says that it asks once. The wizard of the same program wants the password repeated for a restore, too: so
        a second question is answered if it comes.

        :param prompts: the patterns of its question and of a second one
        :param source: the SHA-256 of the file, for the mark; None where the server cannot tell it
        :param then: what is done when the tool has ended
        """
        command, compared = f'{server.tool(BACKUP_TOOL)} Restore "{path}"', ""
        if server.key_fingerprint is not None or not server.key_present:
            command = restored_key.marking(source, server.key_fingerprint) + command if source else command
        else:
            command, compared = compared_command(self._key_material, KEY_MATERIAL_VALUE, command), TELL_COMPARISON
        first, second = prompts
        exchanges = [Exchange(first, password, secret=True), Exchange(second, password, secret=True, optional=True)]
        try:
            talk = converse(self.windows.shell, command, exchanges, then="& ".join(filter(None, [compared, then])))
        except ConversationError as error:
            raise self.conversation_problem("restore the key", BACKUP_TOOL, error) from error
        return KeyRestore(talk, parse_comparison(talk.private_output))

    def promotion_command(self, server: ManagementServer, delete_existing_rms: bool) -> str:
        """The command line of `PromoteRMS`."""
        return f"{server.tool(CONFIG_TOOL)} PromoteRMS /DeleteExistingRMS:{str(delete_existing_rms).lower()}"

    def demote(self, server: ManagementServer, prompt: str) -> HeldConversation:
        """Run `UpdateDemotedRMS`, which may or may not ask for Y [ms]. How it must be answered is found out first."""
        self.windows.find_out_input_kind()
        try:
            return converse(
                self.windows.shell,
                f"{server.tool(CONFIG_TOOL)} UpdateDemotedRMS",
                [Exchange(prompt, "Y", decides=True, optional=True)],
            )
        except ConversationError as error:
            raise self.conversation_problem("demote this former RMS", CONFIG_TOOL, error) from error

    def copy_tools(self, server: ManagementServer, tools: t.Sequence[str]) -> dict[str, bool]:
        """Copy tools from the media under a temporary name, compare, and only then give each its name. Return which of
        all tools are there afterwards.
        """
        orders = self.windows.questions()
        for tool in tools:
            source = quote(directory_join(str(server.media), tool))
            target = directory_join(str(server.install_directory), tool)
            temporary = quote(target + ".new")
            copy, same = f"copy /b /y {source} {temporary}>nul", f"fc /b {source} {temporary}>nul"
            orders.ask(f"copy {tool}", f"{copy}&& {same}&& move /y {temporary} {quote(target)}>nul")
        return self._tools_after(orders)

    def remove_tools(self, server: ManagementServer, tools: t.Sequence[str]) -> dict[str, bool]:
        """Remove tools from the install directory. Return which of all tools are there afterwards."""
        orders = self.windows.questions()
        paths = " ".join(quote(directory_join(str(server.install_directory), tool)) for tool in tools)
        orders.ask("remove", f"del /f /q {paths}")
        return self._tools_after(orders)

    def _tools_after(self, orders: Questions) -> dict[str, bool]:
        orders.ask("tools", self._tools_command())
        listed = self.windows.order(orders)["tools"].text.split()
        return {tool: tool in listed for tool in TOOLS}

    @staticmethod
    def conversation_problem(step: str, tool: str, error: ConversationError) -> OpsmgrError:
        """A conversation's failure as the one error a user sees: what happened, what the tool wrote, what to do."""
        said = f"; it wrote: {error.transcript}" if error.transcript else "; it wrote nothing"
        advice = (
            PIPE_ADVICE
            if error.input_kind == PIPE
            else "Compare what it wrote with the prompt options of this module, then rerun"
        )
        return OpsmgrError(step, f"{tool}: {error}{said}", advice)

    def no_effect(self, step: str, tool: str, what: str, talk: HeldConversation) -> OpsmgrError:
        """A tool ended, but the world is not as it should be."""
        said = f"; it wrote: {talk.transcript}" if talk.transcript else "; it wrote nothing"
        advice = PIPE_ADVICE if self.windows.shell.input_kind == PIPE else "Fix what it reports, then rerun"
        code = "not known" if talk.exit_code is None else talk.exit_code
        return OpsmgrError(step, f"{tool} ended (exit code {code}) but {what}{said}", advice)

    def _commands(self) -> dict[str, str]:
        return {
            "administrator": ADMINISTRATOR_TEST,
            "computer": "echo %COMPUTERNAME%",
            "architecture": "echo %PROCESSOR_ARCHITECTURE%",
            "setup": f'reg query "{SETUP_KEY}"',
            "groups": GROUPS_COMMAND,
            "console": f'reg query "{MACHINE_SETTINGS_KEY}" /v {RMS_VALUE}',
            "key": f"reg query {self._key_material} /v {KEY_MATERIAL_VALUE}>nul",
            "tools": self._tools_command(),
            "media": self._media_command(),
            "running": PROCESSES_COMMAND,
            "mark": MARK_COMMAND,
        }

    @staticmethod
    def _tools_command() -> str:
        """List the tools in the install directory, which only the registry knows: "2*" takes the rest of the value's
        line.
        """
        return (
            f'for /f "tokens=2*" %a in (\'reg query "{SETUP_KEY}" /v InstallDirectory ^| find "REG_SZ"\') do '
            f'@(if exist "%b\\{BACKUP_TOOL}" echo {BACKUP_TOOL})&(if exist "%b\\{CONFIG_TOOL}" echo {CONFIG_TOOL})'
        )

    def _media_command(self) -> str:
        """List the folders of the installation media that hold both tools: flat, or one for each processor [book]."""
        places = [self._media] if self._media else [f"{drive}:\\SupportTools" for drive in "DEFGHC"]
        folders = [
            place
            for media in places
            for place in (*(directory_join(media, name) for name in MEDIA_FOLDERS.values()), media)
        ]
        return f'for %d in ({" ".join(map(quote, folders))}) do @if exist "%~d\\{BACKUP_TOOL}" if exist "%~d\\{CONFIG_TOOL}" echo %~d'

    def _read(self, asked: t.Mapping[str, Answer], only_key: bool = False) -> ManagementServer:
        answers = {**dict.fromkeys((*NOT_FOR_KEY, *OPTIONAL), Answer(False, "")), **asked}
        setup = _values(answers["setup"])
        services = {} if only_key else self.windows.read_services(answers, (*SERVICES, CLUSTER_SERVICE))
        role = read_role(answers["groups"].text)
        cluster = services.pop(CLUSTER_SERVICE, ServiceState(None, None))
        return ManagementServer(
            computer_name=answers["computer"].text.strip(),
            administrator=answers["administrator"].succeeded,
            install_directory=setup.get("installdirectory") or None,
            version=_version(setup.get("serverversion")),
            product_version=product_version(setup),
            management_group=role.management_group,
            is_rms=role.is_rms,
            reports_to=role.reports_to,
            console_rms=_values(answers["console"]).get(RMS_VALUE.lower()) or None,
            database_server=setup.get("databaseservername"),
            database_name=setup.get("databasename"),
            clustered=cluster.state == "running",
            services=services,
            tools={tool: tool in answers["tools"].text.split() for tool in TOOLS},
            media=_media_folder(answers["media"].text, answers["architecture"].text.strip()),
            key_present=answers["key"].succeeded,
            key_fingerprint=parse_fingerprint(answers["fingerprint"].text),
            # Who may not read the key of the Local Service account may not read the mark either.
            promotion=read_state(answers["mark"], answers["running"], readable=answers["administrator"].succeeded),
            sdk_account=services[SDK_SERVICE].account if SDK_SERVICE in services else None,
        )


def require_administrator(step: str, administrator: bool) -> None:
    """Refuse an account that may not do what any step needs; `administrator` is the outcome of ADMINISTRATOR_TEST.

    :raises OpsmgrError: it is not an administrator of the server
    """
    if not administrator:
        raise OpsmgrError(
            step,
            "the account is not an administrator of this server",
            "Use an account that is a member of its Administrators group",
        )


def _fetched(text: str) -> bytes:
    """The key file in what back_up_key()'s command wrote, compared with its size and, where certutil can, its hash.

    :raises ValueError: there is no file, it is empty, or it did not arrive whole
    """
    size = _SIZE.search(text)
    if size is None or size[1] == "0":
        raise ValueError("wrote no backup file" if size is None else "wrote an empty backup file")
    content = decode_certutil(text)
    hashed = parse_fingerprint(text)
    if len(content) != int(size[1]) or hashed not in (None, "sha256:" + hashlib.sha256(content).hexdigest()):
        raise ValueError("the backup file that arrived is not the one it wrote")
    return content


def registry_number(data: str, key: str, name: str, advice: str) -> int:
    """A number as reg writes it, "0x1" for a REG_DWORD.

    :raises OpsmgrError: it is not a number, so that its meaning cannot be told
    """
    try:
        return int(data, 0)
    except ValueError:
        raise OpsmgrError(
            "look at the server", f"{name} in the registry key {key} is {data!r} and not a number", advice
        ) from None


def _values(answer: Answer) -> dict[str, str]:
    """The values of the first key in a registry answer, by lower-case name."""
    for values in parse_registry(answer.text).values():
        return {name.lower(): data for name, data in values.items()}
    return {}


def read_role(text: str) -> RoleSeen:
    """What GROUPS_COMMAND wrote.

    :raises OpsmgrError: it cannot be told whether the registry calls the server the RMS
    """
    return RoleSeen(*_group(text), _parent(text))


def _group(text: str) -> tuple[str | None, bool | None]:
    """The management group this server belongs to, and whether its registry calls it the RMS."""
    marker = "\\server management groups\\"
    for path, values in parse_registry(text).items():
        name = path[path.lower().rfind(marker) + len(marker) :] if marker in path.lower() else ""
        if name and "\\" not in name:
            root = next((data for key, data in values.items() if key.lower() == "isroothealthservice"), "0x0")
            return name, registry_number(root, path, "IsRootHealthService", ROOT_ADVICE) == 1
    return None, None


def _parent(text: str) -> str | None:
    """The server that an ordinary management server reports to, the RMS; None on the RMS itself and where it is not
    recorded [field].
    """
    for path, values in parse_registry(text).items():
        name = next((data for key, data in values.items() if key.lower() == "networkname"), "")
        if "\\parent health services\\" in path.lower() and name:
            return name
    return None


def product_version(setup: t.Mapping[str, str]) -> ServerVersion | None:
    """The version of what is installed, by the values below SETUP_KEY, whose names are in lower case. Only a management
    server has the first of them; the others are every component's [field].
    """
    return next(filter(None, (version_or_none(setup.get(name)) for name in VERSION_VALUES)), None)


def _version(text: str | None) -> ServerVersion | None:
    return ServerVersion.parse(text) if text else None


def _media_folder(listing: str, architecture: str) -> str | None:
    """The folder to copy the tools from: the one for this processor, else a flat one."""
    # A path with a percent sign comes back with the quotation marks that quote() put around the sign.
    folders = [line.strip().replace('"', "") for line in listing.splitlines() if line.strip()]
    wanted = MEDIA_FOLDERS.get(architecture.upper(), "")
    fitting = [folder for folder in folders if folder.lower().endswith("\\" + wanted)]
    flat = [folder for folder in folders if folder.lower().rsplit("\\", 1)[-1] not in MEDIA_FOLDERS.values()]
    return next(iter(fitting + flat), None)
