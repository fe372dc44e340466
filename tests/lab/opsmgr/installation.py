# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is installed on one host, as its registry says: services and tools know nothing else about their server."""

from __future__ import annotations

import contextlib
from typing import Literal

from ..windows.errors import Win32Error
from ..windows.host import WindowsHost
from .key import check_value

PRODUCT_KEY = "HKLM\\SOFTWARE\\Microsoft\\Microsoft Operations Manager\\3.0"
SETUP = PRODUCT_KEY + "\\Setup"
KEY_MATERIAL = PRODUCT_KEY + "\\MOMBins"
MACHINE_SETTINGS = PRODUCT_KEY + "\\Machine Settings"
CLUSTER = PRODUCT_KEY + "\\Cluster"
"""Where a node keeps which virtual server it belongs to and that server's disk [assumed]."""
STATE_FOLDER = "Health Service State"
"""What the Health Service keeps in its folder here, or on the disk of the clustered root [ms]."""
CONSOLE = "Microsoft.MOM.UI.Console.exe"
"""The program of the Operations console, in the install directory [field]."""
REPORTING = PRODUCT_KEY + "\\Reporting"
GROUPS = PRODUCT_KEY + "\\Server Management Groups"
ROOT_SERVICES = ("OMSDK", "OMCFG")
"""The services that only the root management server runs, in the order of their start [ms]."""
SERVER_PORT = 5723
COMPUTER_ACCOUNT = "LocalSystem"


class Installation:
    """The Operations Manager of one host."""

    def __init__(self, host: WindowsHost) -> None:
        self.host = host

    @property
    def computer(self) -> str:
        """The name by which the database knows the server whose services run here: on a node of a clustered root the
        virtual one's.
        """
        return self.virtual_server or self.host.fqdn

    @property
    def virtual_server(self) -> str:
        """The full name of the clustered root that this server is a node of; empty on every other server."""
        return str(self.host.registry.get(CLUSTER, "VirtualServer", ""))

    @property
    def cluster_drive(self) -> str:
        """The drive of the clustered root's disk, as ``X:``; empty when this is not a node of one."""
        return str(self.host.registry.get(CLUSTER, "Drive", ""))

    def join_virtual_server(self, name: str, drive: str) -> None:
        """Be a node of this clustered root from now on: the registry says root on every node, and the cluster starts
        the services [field].
        """
        self.host.registry.set(CLUSTER, "VirtualServer", name)
        self.host.registry.set(CLUSTER, "Drive", drive)
        self.set_root(True)
        for key in ("OMCFG", "OMSDK", "HealthService"):
            self.stop_service(key)
            self.configure_service(key, "demand")

    @property
    def install_directory(self) -> str:
        """Where it is installed, without a backslash at the end; empty when it is not."""
        return str(self.host.registry.get(SETUP, "InstallDirectory", "")).rstrip("\\")

    @property
    def has_console(self) -> bool:
        """Whether the Operations console is installed, too."""
        return bool(self.install_directory) and self.host.fs.exists(f"{self.install_directory}\\{CONSOLE}")

    @property
    def server_version(self) -> str:
        """``ServerVersion`` of Setup; empty when this is no management server."""
        return str(self.host.registry.get(SETUP, "ServerVersion", ""))

    @property
    def is_management_server(self) -> bool:
        """Whether Setup installed a management server, root or not."""
        return bool(self.server_version and self.group)

    @property
    def group(self) -> str:
        """The management group that this server is a member of; empty without any."""
        return next(iter(self.host.registry.subkeys(GROUPS)), "")

    @property
    def database(self) -> tuple[str, str]:
        """Server and name of the operational database."""
        values = (self.host.registry.get(SETUP, name, "") for name in ("DatabaseServerName", "DatabaseName"))
        server, name = (str(value) for value in values)
        return server, name

    @property
    def is_root(self) -> bool:
        """Whether this server calls itself the root management server."""
        return bool(self.host.registry.get(f"{GROUPS}\\{self.group}", "IsRootHealthService", 0) == 1)

    def set_root(self, root: bool) -> None:
        """Take this server for the root or for an ordinary one, which has a parent [field for clusters, else assumed]."""
        group = f"{GROUPS}\\{self.group}"
        self.host.registry.set(group, "IsRootHealthService", int(root))
        if root:
            with contextlib.suppress(Win32Error):
                self.host.registry.delete(group + "\\Parent Health Services")

    def set_parent(self, root_fqdn: str) -> None:
        """Name the root that this ordinary management server reports to."""
        parent = f"{GROUPS}\\{self.group}\\Parent Health Services\\0"
        for name, value in (("AuthenticationName", root_fqdn), ("NetworkName", root_fqdn), ("Port", SERVER_PORT)):
            self.host.registry.set(parent, name, value)

    @property
    def has_parent(self) -> bool:
        """Whether the registry names a server that this one reports to."""
        return self.host.registry.exists(f"{GROUPS}\\{self.group}\\Parent Health Services")

    @property
    def parent(self) -> str:
        """The root that this server reports to; empty on the root itself."""
        parent = f"{GROUPS}\\{self.group}\\Parent Health Services\\0"
        return str(self.host.registry.get(parent, "NetworkName", ""))

    @property
    def key(self) -> bytes | None:
        """The key that is stored here, whatever it is good for."""
        value = self.host.registry.get(KEY_MATERIAL, "Value1")
        return value if isinstance(value, bytes) and value else None

    def store_key(self, key: bytes) -> None:
        """Keep this key from now on."""
        self.host.registry.set(KEY_MATERIAL, "Value1", key)
        self.host.registry.set(KEY_MATERIAL, "Value2", check_value(key))

    def configure_service(self, key: str, start: Literal["auto", "demand", "disabled"]) -> None:
        """Change a service's start mode."""
        self.host.services.configure(key, start=start)

    @property
    def action_account(self) -> str:
        """The account that agents' and server's actions run as, the computer's or another one. No service tells it: the
        Health Service itself always runs as the computer [ms]. Where it is kept is the lab's own.
        """
        return str(self.host.registry.get(SETUP, "LabActionAccount", COMPUTER_ACCOUNT))

    def set_accounts(self, *, sdk: str | None = None, action: str | None = None) -> None:
        """Give other accounts to the SDK and config services, which share one [ms], or to the actions."""
        if sdk is not None:
            for key in ROOT_SERVICES:
                self.host.services.configure(key, account=sdk)
        if action is not None:
            self.host.registry.set(SETUP, "LabActionAccount", action)

    def start_service(self, key: str) -> None:
        """Start a service and wait for the outcome; one that runs or cannot start is left as it is."""
        self.host.services.start(key)
        self.host.services.settled(self.host.services[key])

    def stop_service(self, key: str) -> None:
        """Stop a service and wait until it is stopped."""
        self.host.services.stop(key)
        self.host.services.settled(self.host.services[key])
