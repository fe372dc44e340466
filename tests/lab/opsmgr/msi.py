# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MOM.msi: Setup of a management server, and with ``CREATE_NEWKEY=1`` the way back without a key backup.

On a computer without Operations Manager it installs an ordinary management server of the group that the database
belongs to; it wants ``ADDLOCAL=MOMServer``, ``MANAGEMENT_GROUP``, ``MOM_DB_SERVER`` and for each of ``ACTIONS`` and
``SDK`` either ``..._USE_COMPUTER_ACCOUNT=1`` or an account with its password [ms, from memory].  The first server of a
group becomes its root and makes the key [ms].  On a management server that is installed already it changes nothing,
except with ``CREATE_NEWKEY=1`` from SP1 on [book]: the server gets a new key, which the database from now on takes for
the group's, and no Run As secret can be read any more.  The accounts that it is given are those of services and actions
from then on; others stay [assumed], or with the host setting ``new_key_resets_accounts`` become the computer's.  The
server becomes the root by database and registry, and the old root an ordinary management server in the database
[assumed]; with the host setting ``new_key_promotes: false`` it only has the key, and is to be promoted.

A failed Setup puts the registry back as it was, and not the database [assumed].  Besides the fault that every program
start asks for, there are ``MOM:before-change``, ``:after-key``, ``:after-database`` and ``:after-registry``, and for a
new server ``:deferred`` inside ``InstallFinalize``: ``fail`` makes the action fail that is under way, ``drop`` ends
Setup as a power failure does, and nothing is put back.  A property that the version does not know is ignored [ms].

Host settings: ``setup_seconds`` (0.5), ``setup_wants_reboot`` (false), ``new_key_promotes`` (true),
``new_key_resets_accounts`` (false),
``windows_language`` (``en``, ``de``, ``ja``, ``zh``: of the log; those but ``de`` are as real logs have them).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence

from ..windows.errors import Win32Error
from ..windows.process import TERMINATED, Process, Program
from ..windows.tools.msiexec import INSTALL_FAILURE
from .installation import COMPUTER_ACCOUNT, KEY_MATERIAL, ROOT_SERVICES, Installation
from .key import new_key
from .operational_database import Databases, OperationalDatabase, UnreachableError
from .setup import Membership, install_management_server
from .versions import Version

PACKAGE = "MOM"
FOLDER = "Server"
"""Where the package is on the media, beside ``SupportTools`` and laid out like it [assumed]."""
FEATURE = "MOMServer"
OTHER_VERSION_INSTALLED = 1638
REBOOT_WANTED = 3010
_DIRECTORY = "C:\\Program Files\\System Center Operations Manager 2007"
_DATABASE = "OperationsManager"
_WAREHOUSE = "OperationsManagerDW"
_SETUP_SECONDS = 0.5
_ENDED = {
    "en": "Action ended 2:40:11: {action}. Return value {value}.",
    "de": "Aktion beendet um 2:40:11: {action}. Rückgabewert {value}.",  # [assumed]
    "ja": "操作終了 2:40:11: {action}。 戻り値 {value}。",
    "zh": "操作结束 2:40:11: {action}。返回值 {value}。",
}


class _FailedError(Exception):
    """An action fails, and Setup with it; the text is for the log."""


class _EndsError(Exception):
    """Setup ends with this code without another action."""

    def __init__(self, code: int) -> None:
        super().__init__(str(code))
        self.code = code


def package_content(version: Version) -> bytes:
    """The bytes of the package: unlike for each version."""
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + f"MOM.msi {version.server_version}\r\n".encode() * 2000


def package_path(media: str, architecture: str | None) -> str:
    """Where the package is on media whose support tools are in ``media``."""
    folder = f"{media.rpartition(chr(92))[0]}\\{FOLDER}"
    return f"{folder}\\{architecture}\\{PACKAGE}.msi" if architecture else f"{folder}\\{PACKAGE}.msi"


RegisterServices = Callable[[Installation, Version], None]
"""Makes the services of a management server known to its host."""


def mom_package(version: Version, databases: Databases, register_services: RegisterServices) -> Program:
    """The package as a program of hosts that find their databases there."""

    def program(process: Process) -> int:
        return _Setup(process, version, databases, register_services).run()

    return program


class _Setup:
    """One run of the package; what it says goes into the log."""

    def __init__(
        self, process: Process, version: Version, databases: Databases, register_services: RegisterServices
    ) -> None:
        self._process = process
        self._host = process.host
        self._version = version
        self._databases = databases
        self._register_services = register_services
        self._installation = Installation(process.host)
        self._given = dict(word.split("=", 1) for word in process.argv[1:])

    def run(self) -> int:
        """Do the work; the exit code of msiexec."""
        try:
            with self._action("INSTALL"):
                self._check_conditions()
                if not self._installation.is_management_server:
                    self._install()
                elif self._given.get("CREATE_NEWKEY") == "1" and self._version.key_generation > 1:
                    self._create_new_key()
        except _FailedError:
            return INSTALL_FAILURE
        except _EndsError as end:
            return end.code
        return REBOOT_WANTED if self._host.settings.get("setup_wants_reboot") else 0

    @contextlib.contextmanager
    def _action(self, name: str) -> Iterator[None]:
        self._process.say(f"Action start 2:40:10: {name}.")
        try:
            yield
        except _FailedError as failure:
            self._process.say(*([f"MSI (s): {failure}"] if str(failure) else []), self._ended(name, 3))
            raise _FailedError from failure
        self._process.say(self._ended(name, 1))

    @contextlib.contextmanager
    def _deferred(self, name: str) -> Iterator[None]:
        """A deferred custom action: ``InstallFinalize`` runs it and fails with it. The line that names it is not
        translated [field].
        """
        try:
            yield
        except _FailedError:
            note = "(note this may not be 100% accurate if translation happened inside sandbox)"
            self._process.say(f"CustomAction {name} returned actual error code {INSTALL_FAILURE} {note}")
            raise

    def _ended(self, action: str, value: int) -> str:
        return _ENDED[str(self._host.settings.get("windows_language", "en"))].format(action=action, value=value)

    def _fault_point(self, place: str) -> None:
        fault = self._host.faults.match(self._host.name, "command", f"{PACKAGE}:{place}")
        if fault is None:
            return
        if fault.action == "stall":
            self._process.sleep(fault.seconds)
        elif fault.action == "fail":
            raise _FailedError(fault.text or "Error 25218.Failed to configure the management server.")
        else:
            raise _EndsError(TERMINATED)

    def _check_conditions(self) -> None:
        with self._action("LaunchConditions"):
            if not self._process.session.is_admin:
                raise _FailedError("You must be a member of the Administrators group to install this product.")
        installed = self._installation.server_version
        if installed and installed != self._version.server_version:
            raise _EndsError(OTHER_VERSION_INSTALLED)

    def _wanted(self, name: str) -> str:
        value = self._given.get(name, "")
        if not value:
            raise _FailedError(f"The property {name} is required for an unattended setup.")
        return value

    def _check_properties(self) -> None:
        with self._action("_ValidateProperties"):
            if FEATURE not in self._wanted("ADDLOCAL").split(","):
                raise _FailedError(f"The feature {FEATURE} is not selected.")
            for role, account in (("ACTIONS", "ACTIONSUSER"), ("SDK", "SDK_ACCOUNT")):
                if self._given.get(f"{role}_USE_COMPUTER_ACCOUNT") != "1":
                    self._wanted(account)
                    self._wanted(
                        account.removesuffix("USER").removesuffix("_ACCOUNT")
                        + ("PASSWORD" if role == "ACTIONS" else "_PASSWORD")
                    )

    @contextlib.contextmanager
    def _open(self, server: str, name: str) -> Iterator[OperationalDatabase]:
        try:
            with self._databases.open(server, name, PACKAGE) as database:
                if not database.is_multi_user:
                    raise _FailedError(f"The database {name} on {server} is not in multi-user mode.")
                yield database
        except UnreachableError as error:
            raise _FailedError(f"Error 26203. Cannot use the database {name} on {server}: {error}") from error

    def _check_group(self, database: OperationalDatabase, group: str) -> None:
        if database.group() != group:
            raise _FailedError(f"The database belongs to the management group {database.group()}.")

    def _pass_time(self) -> None:
        self._process.sleep(float(self._host.settings.get("setup_seconds", _SETUP_SECONDS)))

    # A management server

    def _install(self) -> None:
        self._check_properties()
        group, server = self._wanted("MANAGEMENT_GROUP"), self._wanted("MOM_DB_SERVER")
        name = self._given.get("MOMDB", _DATABASE)
        with self._action("_ConfigureDatabase"), self._open(server, name) as database:
            self._check_group(database, group)
            self._fault_point("before-change")
            if not database.lists(self._host.fqdn):
                database.add_management_server(self._host.fqdn, self._version.server_version)
            if database.root() is None:
                database.promote(self._host.fqdn, delete_old=False)
            root = database.root() or ""
            self._fault_point("after-database")
        is_root = root.lower() == self._host.fqdn.lower()
        self._pass_time()
        with self._action("InstallFinalize"), self._deferred("_InstallServices"):
            self._fault_point("deferred")
            directory = self._given.get("INSTALLDIR", _DIRECTORY).rstrip("\\")
            membership = Membership(group, root, server, name, _WAREHOUSE)
            key = new_key() if is_root else None
            installed = install_management_server(self._host, self._version, directory, membership, key)
            self._register_services(installed, self._version)
            for service in ("HealthService", *(ROOT_SERVICES if is_root else ())):
                installed.start_service(service)

    # A new key

    def _create_new_key(self) -> None:
        group = self._installation.group
        with self._action("_CheckManagementGroup"):
            if self._given.get("MANAGEMENT_GROUP", group) != group:
                raise _FailedError(f"This computer is a management server of {group}.")
        with self._action("_CreateNewKey"), self._kept_registry(), self._open(*self._installation.database) as database:
            self._check_group(database, group)
            self._fault_point("before-change")
            self._pass_time()
            key = new_key()
            self._installation.store_key(key)
            self._fault_point("after-key")
            database.replace_key(key)
            if self._promotes:
                database.promote(self._installation.computer, delete_old=False)
            self._fault_point("after-database")
            if self._promotes:
                self._installation.set_root(True)
            self._fault_point("after-registry")
        with self._action("_SetServiceAccounts"):
            self._installation.set_accounts(
                sdk=self._account("SDK", "SDK_ACCOUNT"), action=self._account("ACTIONS", "ACTIONSUSER")
            )
        if self._promotes:
            self._start_services(ROOT_SERVICES)

    def _account(self, role: str, name: str) -> str | None:
        """The account that Setup was given; None leaves the one that there is."""
        if self._given.get(f"{role}_USE_COMPUTER_ACCOUNT") == "1":
            return COMPUTER_ACCOUNT
        resets = bool(self._host.settings.get("new_key_resets_accounts", False))
        return self._given.get(name) or (COMPUTER_ACCOUNT if resets else None)

    @property
    def _promotes(self) -> bool:
        return bool(self._host.settings.get("new_key_promotes", True))

    @contextlib.contextmanager
    def _kept_registry(self) -> Iterator[None]:
        """Rollback: what was in the registry before comes back when the action fails."""
        before, was_root = self._installation.key, self._installation.is_root
        parent = self._installation.parent
        try:
            yield
        except _FailedError:
            if before is None:
                with contextlib.suppress(Win32Error):
                    self._host.registry.delete(KEY_MATERIAL)
            else:
                self._installation.store_key(before)
            if self._installation.is_root != was_root:
                self._installation.set_root(was_root)
                self._installation.set_parent(parent)
            raise

    def _start_services(self, keys: Sequence[str]) -> None:
        with self._action("StartServices"):
            for key in keys:
                self._installation.configure_service(key, "auto")
                self._installation.start_service(key)
