# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Setup's work: what a management server, a reporting server and a web console server have after their installation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from xml.etree import ElementTree

from ..windows.directory import service_names
from ..windows.errors import Win32Error
from ..windows.host import WindowsHost
from ..windows.process import Program
from ..windows.services import Service
from .installation import (
    CONSOLE,
    GROUPS,
    MACHINE_SETTINGS,
    PRODUCT_KEY,
    REPORTING,
    SERVER_PORT,
    SETUP,
    STATE_FOLDER,
    Installation,
)
from .versions import Version, is_before_sp1

ARCHITECTURES = ("i386", "amd64", "ia64")
_INSTALLED_ON = "Fri Feb 22 10:15:42 2008"
_SQL_KEY = "HKLM\\SOFTWARE\\Microsoft\\Microsoft SQL Server"
_DEFAULT_INSTANCE = "MSSQLSERVER"
_SERVICE_SPECIFIC_ERROR = 1066
_FILES = ("HealthService.exe", "HealthServiceMessages.dll", "MOMConnector.dll", "Microsoft.Mom.Sdk.ServiceHost.exe")


@dataclass(frozen=True)
class Membership:
    """What Setup was told about the management group."""

    group: str
    root_fqdn: str
    database_server: str
    database: str
    warehouse: str


def install_product(host: WindowsHost, version: Version, directory: str, membership: Membership) -> Installation:
    """What every component of Operations Manager writes [field]."""
    values = {
        "InstallDirectory": directory + "\\",
        "InstalledOn": _INSTALLED_ON,
        "Product": version.product,
        "UIVersion": version.server_version,
        "CurrentVersion": version.server_version,
        "DatabaseServerName": membership.database_server,
        "DatabaseName": membership.database,
        "DataWarehouseDBServerName": membership.database_server,
        "DataWarehouseDBName": membership.warehouse,
    }
    for name, value in values.items():
        host.registry.set(SETUP, name, value)
    host.registry.set(MACHINE_SETTINGS, "DefaultSDKServiceMachine", membership.root_fqdn)
    host.fs.mkdir(directory, exist_ok=True)
    return Installation(host)


def install_management_server(
    host: WindowsHost, version: Version, directory: str, membership: Membership, root_key: bytes | None
) -> Installation:
    """A management server: the root when it is given the key."""
    installation = install_product(host, version, directory, membership)
    host.registry.set(SETUP, "ServerVersion", version.server_version)
    host.registry.set(SETUP, "ManagementServerPort", SERVER_PORT)
    host.registry.create(f"{GROUPS}\\{membership.group}")
    installation.set_root(root_key is not None)
    if root_key is None:
        installation.set_parent(membership.root_fqdn)
    else:
        installation.store_key(root_key)
    for file in _FILES:
        host.fs.write(f"{directory}\\{file}", file.encode())
    host.fs.mkdir(f"{directory}\\{STATE_FOLDER}", exist_ok=True)
    if host.directory is not None:
        # That the computer has them from Setup on, and not from its Health Service's first start, is assumed.
        host.directory.register(host.name, *service_names("MSOMHSvc", host.fqdn))
    return installation


def install_console(
    host: WindowsHost, version: Version, directory: str, membership: Membership, backup_tool: Program
) -> None:
    """The Operations console.  Beside a management server, Setup brings the backup tool, too, whose wizard is Setup's last
    page [ms: from SP1 on].
    """
    installation = install_product(host, version, directory, membership)
    host.fs.write(f"{directory}\\{CONSOLE}", CONSOLE.encode())
    if installation.is_management_server and not is_before_sp1(version.server_version):
        name = "SecureStorageBackup"
        host.install_program(f"{directory}\\{name}.exe", backup_tool, tool_content(name, version))


def install_media(host: WindowsHost, directory: str, layout: str, tools: dict[str, tuple[Program, bytes]]) -> None:
    """The installation media's support tools, in one folder or below it one for each architecture [book][field]."""
    folders = [f"{directory}\\{architecture}" for architecture in ARCHITECTURES] if layout != "flat" else [directory]
    for folder in folders:
        host.fs.mkdir(folder, exist_ok=True)
        for name, (program, content) in tools.items():
            host.install_program(f"{folder}\\{name}.exe", program, content)


def tool_content(name: str, version: Version) -> bytes:
    """The bytes of a tool's file: unlike for each tool and version, and large enough to be worth a hash."""
    return b"MZ\x90\x00" + f"{name} {version.server_version}\r\n".encode() * 2000


def register_sql_server(host: WindowsHost, version: str) -> None:
    """What tells that there is a SQL Server here, and where [field]."""
    instance = "MSSQL.1" if version.startswith("9.") else "MSSQL10.MSSQLSERVER"
    host.registry.set(_SQL_KEY + "\\Instance Names\\SQL", "MSSQLSERVER", instance)
    folder = f"C:\\Program Files\\Microsoft SQL Server\\{instance}\\MSSQL"
    host.registry.set(f"{_SQL_KEY}\\{instance}\\Setup", "SQLPath", folder)
    host.registry.set(f"{_SQL_KEY}\\{instance}\\MSSQLServer", "BackupDirectory", folder + "\\Backup")
    for below in ("Data", "Backup"):
        host.fs.mkdir(f"{folder}\\{below}", exist_ok=True)


def install_reporting(
    host: WindowsHost, version: Version, directory: str, membership: Membership, sql_version: str
) -> None:
    """A reporting server: two ``<ServerName>`` entries name the root [book], and a registry value does [field].

    SQL Server 2005 numbers its instances, 2008 names them [field].  Host setting ``reporting_instance``: its name
    (MSSQLSERVER).
    """
    install_product(host, version, directory, membership)
    instance = str(host.settings.get("reporting_instance", _DEFAULT_INSTANCE))
    named = instance != _DEFAULT_INSTANCE
    identity = "MSSQL.2" if sql_version.startswith("9.") else f"MSRS10.{instance}"
    folder = f"C:\\Program Files\\Microsoft SQL Server\\{identity}\\Reporting Services"
    host.registry.set(REPORTING, "DefaultSDKServiceMachine", membership.root_fqdn)
    host.registry.set(REPORTING, "SRSInstance", host.name.upper() + (f"\\{instance}" if named else ""))
    host.registry.set(_SQL_KEY + "\\Instance Names\\RS", instance, identity)
    host.registry.set(f"{_SQL_KEY}\\{identity}\\Setup", "SQLPath", folder)
    configuration = folder + "\\ReportServer\\rsreportserver.config"
    host.fs.mkdir(folder + "\\ReportServer", exist_ok=True)
    host.fs.write(configuration, _windows_text(_REPORT_SERVER_CONFIG.format(root=membership.root_fqdn)))
    host.services.add(
        Service(
            f"ReportServer${instance}" if named else "ReportServer",
            f"SQL Server Reporting Services ({instance})",
            f'"{folder}\\ReportServer\\bin\\ReportingServicesService.exe"',
            start="auto",
            on_running=_reads_its_configuration(host, configuration),
        )
    )


def _reads_its_configuration(host: WindowsHost, path: str) -> Callable[[Service], None]:
    """Reporting Services starts, reads its configuration file, and ends by itself when that is missing or no XML
    [assumed in detail].
    """

    def on_running(service: Service) -> None:
        try:
            ElementTree.fromstring(host.fs.read(path))
        except (Win32Error, ElementTree.ParseError) as error:
            message = f"Report Server ({service.display_name}) cannot load the file {path}: {error}"
            host.event_log.append(
                {
                    "log": "Application",
                    "source": "Report Server Windows Service",
                    "id": 128,
                    "level": "error",
                    "message": message,
                }
            )
            if service.state == "running":
                host.services.fail(service.key, _SERVICE_SPECIFIC_ERROR, 1)

    return on_running


def install_web_console(host: WindowsHost, version: Version, directory: str, membership: Membership) -> None:
    """A web console server: ``Web.config`` names the root by its full name [book]."""
    install_product(host, version, directory, membership)
    folder = directory + "\\Web Console"
    host.registry.set(PRODUCT_KEY + "\\Web Console", "WebConsoleDirectory", folder + "\\")
    host.fs.mkdir(folder, exist_ok=True)
    host.fs.write(folder + "\\Web.config", _windows_text(_WEB_CONFIG.format(root=membership.root_fqdn)))
    host.services.add(Service("W3SVC", "World Wide Web Publishing Service", start="auto"))


def _windows_text(text: str) -> bytes:
    return "\ufeff".encode() + text.replace("\n", "\r\n").encode()


_REPORT_SERVER_CONFIG = """<Configuration>
  <Dsn>AQAAANCMnd8BFdERjHoAwE/Cl+sBAAAAq3zTlK2M</Dsn>
  <ConnectionType>Default</ConnectionType>
  <Add Key="SecureConnectionLevel" Value="0"/>
  <Add Key="CleanupCycleMinutes" Value="10"/>
  <Service>
    <IsSchedulingService>True</IsSchedulingService>
    <IsNotificationService>True</IsNotificationService>
  </Service>
  <Extensions>
    <Security>
      <Extension Name="Windows" Type="Microsoft.EnterpriseManagement.Mom.DataAccess.ReportingSecurity, MOMReportingSecurity">
        <Configuration>
          <RootManagementServer>
            <!-- the root management server that is asked for roles -->
            <ServerName>{root}</ServerName>
          </RootManagementServer>
        </Configuration>
      </Extension>
    </Security>
    <Authentication>
      <Extension Name="Windows" Type="Microsoft.EnterpriseManagement.Mom.DataAccess.Authentication, MOMReportingSecurity">
        <Configuration>
          <ServerName>{root}</ServerName>
        </Configuration>
      </Extension>
    </Authentication>
  </Extensions>
</Configuration>
"""

_WEB_CONFIG = """<?xml version="1.0" encoding="utf-8"?>
<configuration>
  <appSettings>
    <!--This is internal connection between the web server and the MOM server .-->
    <add key="MOMServer" value="{root}"/>
    <add key="CookieTimeout" value="30"/>
  </appSettings>
  <system.web>
    <authentication mode="Forms"/>
  </system.web>
</configuration>
"""
