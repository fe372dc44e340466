# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the two support tools print, as tables.

The warning of ``PromoteRMS`` is the book's; the password questions are Microsoft's, from memory [ms]; all the rest is
[assumed], and so is every German sentence.  A host's setting ``texts`` (a mapping of the names below to other words)
replaces any of them, the setting ``tool_language`` chooses the table.  What a language does not have is said in
English, as half-translated programs do.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

_ENGLISH = {
    # SecureStorageBackup
    "backup_usage": (
        "Usage: SecureStorageBackup.exe <Backup|Restore> <BackupFile>\r\n"
        "  Backup      Backs up encryption keys to file specified as <BackupFile>\r\n"
        "  Restore     Restores encryption keys stored from <BackupFile>\r\n"
        "  BackupFile  Specifies file name where the keys will be backed up to and restored from\r\n"
    ),
    "password": "Please enter the password to use for storage/retrieval: ",
    "password_again": "Please re-enter the password to use for storage/retrieval: ",
    "too_short": "The password must be at least 8 characters long.",
    "mismatch": "The passwords do not match.",
    "no_key_to_back_up": "There are no encryption keys on this computer that can be backed up.",
    "backed_up": "The encryption keys have been backed up to {file}.",
    "restored": "The encryption keys have been restored from {file}.",
    "missing_file": "Could not find file '{file}'.",
    "access_denied": "Access to the path '{file}' is denied.",
    "file_error": "The file '{file}' cannot be used: {reason}",
    "not_a_backup": "The file '{file}' is not a valid backup of the encryption keys.",
    "other_generation": "The backup file was created by version {version}, which this version cannot restore.",
    "wrong_password": "The password is not correct for this backup file.",
    # ManagementServerConfigTool
    "config_usage": (
        "Usage: ManagementServerConfigTool.exe <Action> [Options]\r\n"
        "  PromoteRMS [/DeleteExistingRMS:<true|false>]\r\n"
        "      Promotes this Management Server to become the Root Management Server.\r\n"
        "  UpdateDemotedRMS\r\n"
        "      Updates this former Root Management Server to be a Management Server.\r\n"
        "  InstallCluster /vs:<virtual server> /Disk:<disk resource or drive>\r\n"
        "      Makes a virtual server of this Root Management Server, which becomes its first node.\r\n"
        "  AddRMSNode /vs:<virtual server> /Disk:<disk resource or drive>\r\n"
        "      Adds this Management Server as a node to the virtual Root Management Server.\r\n"
    ),
    "unknown_action": "The action '{action}' is not known.",
    "unknown_option": "The option '{option}' is not valid.",
    "promote_warning": (
        "Running this tool can cause irreversible damage to your Operations Database.\r\n"
        "Type Y to continue to promote the Management Server to become the Root Management Server. "
    ),
    "demote_warning": "Type Y to continue to update this computer to become a Management Server. ",
    "cancelled": "The operation has been cancelled. No changes have been made.",
    "cluster_warning": (
        "Running this tool can cause irreversible damage to your Operations Database.\r\n"
        "Type Y to continue to configure this computer as a node of the Root Management Server cluster. "
    ),
    "not_root": "This computer is not the Root Management Server.",
    "no_cluster": "The cluster service is not running on this computer, or this computer is not a node of a cluster.",
    "no_network_name": "The cluster has no Network Name resource for '{virtual}'.",
    "no_cluster_disk": "'{disk}' is no Physical Disk resource of the group that the Network Name '{virtual}' is in.",
    "disk_not_here": "The disk '{disk}' is not online on this computer.",
    "no_service_resource": "The group of '{virtual}' has no Generic Service resource for the service {service}.",
    "only_at_first": (
        "The database {database} has other Management Servers. This version clusters the Root Management Server only when "
        "the management group is installed."
    ),
    "other_virtual_server": "The Root Management Server in the database {database} is {root}, not {virtual}.",
    "cluster_was_deleted": "{virtual} was deleted from the database {database}. This version cannot create it again.",
    "already_node": "This computer is already a node of the Root Management Server {virtual}.",
    "cluster_installed": "The Root Management Server is now {virtual}, and this computer is a node of it.",
    "not_a_management_server": "This computer is not a Management Server.",
    "already_root": "This computer is already the Root Management Server.",
    "no_key_to_promote": "The encryption keys of the Root Management Server have not been restored on this computer.",
    "no_database": "Cannot connect to the database {database} on {server}: {reason}",
    "single_user": "The database {database} on {server} is not in multi-user mode.",
    "not_in_database": "This computer is not listed as a Management Server in the database {database}.",
    "promoting": "Promoting the Management Server. This can take several minutes.",
    "promoted": "The Management Server {computer} has been promoted to become the Root Management Server.",
    "still_root": "The database {database} names this computer as the Root Management Server. Promote another one first.",
    "demoted": "The former Root Management Server {computer} has been updated to be a Management Server.",
    # both
    "not_an_administrator": "You must be a member of the Administrators group on this computer to run this tool.",
}

_GERMAN = {
    "password": "Geben Sie das Kennwort für die Speicherung/den Abruf ein: ",
    "password_again": "Geben Sie das Kennwort für die Speicherung/den Abruf erneut ein: ",
    "too_short": "Das Kennwort muss mindestens 8 Zeichen lang sein.",
    "mismatch": "Die Kennwörter stimmen nicht überein.",
    "no_key_to_back_up": "Auf diesem Computer sind keine Verschlüsselungsschlüssel vorhanden.",
    "backed_up": "Die Verschlüsselungsschlüssel wurden in {file} gesichert.",
    "restored": "Die Verschlüsselungsschlüssel wurden aus {file} wiederhergestellt.",
    "missing_file": "Die Datei '{file}' konnte nicht gefunden werden.",
    "access_denied": "Der Zugriff auf den Pfad '{file}' wurde verweigert.",
    "wrong_password": "Das Kennwort für diese Sicherungsdatei ist falsch.",
    "promote_warning": (
        "Das Ausführen dieses Tools kann die Operations-Datenbank irreparabel beschädigen.\r\n"
        "Geben Sie Y ein, um den Verwaltungsserver zum Stammverwaltungsserver heraufzustufen. "
    ),
    "demote_warning": "Geben Sie Y ein, um diesen Computer als Verwaltungsserver zu aktualisieren. ",
    "cancelled": "Der Vorgang wurde abgebrochen. Es wurden keine Änderungen vorgenommen.",
    "promoted": "Der Verwaltungsserver {computer} wurde zum Stammverwaltungsserver heraufgestuft.",
    "demoted": "Der ehemalige Stammverwaltungsserver {computer} wurde als Verwaltungsserver aktualisiert.",
}

LANGUAGES: Mapping[str, Mapping[str, str]] = MappingProxyType({"en": _ENGLISH, "de": {**_ENGLISH, **_GERMAN}})


def text_of(settings: Mapping[str, Any], name: str, **values: str) -> str:
    """The words a tool on a host with these settings uses."""
    own: Mapping[str, str] = settings.get("texts") or {}
    words = own.get(name) or LANGUAGES[str(settings.get("tool_language", "en"))][name]
    return words.format(**values) if values else words
