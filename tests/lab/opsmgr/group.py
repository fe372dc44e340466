# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A management group: its key, its Run As accounts, its databases, and the truth about who has what."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from ..sql import opsmgr_schema
from ..sql.media import append, take
from ..sql.server import SqlServer
from ..sql.values import to_storage
from ..topologies import GroupSpec, RemainsSpec
from ..windows.host import WindowsHost
from .installation import Installation
from .key import KeyBackup, encrypt_secret, new_key, pack_backup
from .operational_database import account_name, is_new_key, opens
from .setup import Membership
from .versions import Version


class ManagementGroup:
    """One management group.  ``key`` is what its secrets were encrypted with when it was made."""

    def __init__(
        self, spec: GroupSpec, root: str, servers: Mapping[str, Version], host: WindowsHost, sql: SqlServer
    ) -> None:
        self.spec = spec
        self.key = new_key()
        self._sql = sql
        sql.add_database(spec.database)
        sql.add_database(spec.warehouse, broker=False)
        self._make_database(servers[root].server_version)
        root_id = ""
        for server, version in servers.items():
            is_root = server == root
            identity = opsmgr_schema.add_health_service(
                sql, spec.database, server, is_root=is_root, version=version.server_version
            )
            root_id = identity if is_root else root_id
        for name in (*spec.gateways, *spec.agents):
            is_gateway = name in spec.gateways
            child = opsmgr_schema.add_health_service(
                sql,
                spec.database,
                name,
                is_management_server=is_gateway,
                is_gateway=is_gateway,
                version=servers[root].server_version,
            )
            opsmgr_schema.add_relationship(sql, spec.database, child, root_id)
        for account in spec.run_as:
            data = encrypt_secret(self.key, account.user, account.secret)
            domain, _backslash, user = account.user.rpartition("\\")
            opsmgr_schema.add_run_as(sql, spec.database, account.name, user, data, domain)
        self.membership = Membership(spec.name, root.lower(), host.fqdn, spec.database, spec.warehouse)
        self.cluster_damaged = False
        """Whether the Health Service was started on a node of a clustered root while another server was the root."""
        if spec.remains:
            self._lose(spec.remains, host, servers[root].server_version)

    def _make_database(self, version: str) -> None:
        opsmgr_schema.create_operations_manager(
            self._sql, self.spec.database, self.name, version=version, older_view=self.spec.older_view
        )

    @property
    def name(self) -> str:
        """The group's name."""
        return self.spec.name

    def damage_cluster(self) -> None:
        """What must never happen to a clustered root has happened."""
        self.cluster_damaged = True

    def _lose(self, remains: RemainsSpec, host: WindowsHost, version: str) -> None:
        """The group was lost: backups of database and key are left, and the database is as new."""
        sql, name = self._sql, self.spec.database
        database = sql.find(name)
        if database is None:
            raise LookupError(name)
        folder = sql.folder + "\\Backup"
        now = to_storage(dt.datetime.now())
        taken = take(
            database,
            sql.store,
            sql.files_of(database),
            name="",
            user="sa",
            server=sql.name.upper(),
            started=now,
            finished=now,
        )
        append(host.fs, f"{folder}\\{remains.database_backup}", taken, overwrite=True)
        backup = pack_backup(KeyBackup(self.key, self.name, version), remains.key_password)
        host.fs.write(f"{folder}\\{remains.key_backup}", backup)
        sql.remove_database(database)
        self._make_database(version)

    def dump(self, members: Mapping[str, Installation]) -> dict[str, Any]:
        """Who is the root by the database and by each registry, and what the key in each registry really opens.

        It looks into the tables directly: it needs no seat in the database and works while the server is down.
        """
        names = {
            row["BaseManagedEntityId"]: str(row["DisplayName"])
            for row in self._rows("BaseManagedEntity")
            if not row["IsDeleted"]
        }
        servers = {
            names[row["BaseManagedEntityId"]]: bool(row["IsRHS"])
            for row in self._rows("MT_HealthService")
            if row["BaseManagedEntityId"] in names and row["IsManagementServer"] and not row["IsGateway"]
        }
        secrets = {
            account_name(row["Domain"], row["UserName"]): bytes(row["Data"])
            for row in self._rows("CredentialManagerSecureStorage")
        }
        checks = [bytes(row["Data"]) for row in self._rows("LabKeyCheck")]
        run_as = {host: _opened(installation.key, secrets) for host, installation in members.items()}
        return {
            "rms": next((name for name, is_root in sorted(servers.items()) if is_root), None),
            "servers": sorted(servers),
            "roles": {
                host: "rms" if installation.is_root else "management_server" for host, installation in members.items()
            },
            "key": {host: _verdict(installation.key, run_as[host], checks) for host, installation in members.items()},
            "run_as": run_as,
            "cluster_damaged": self.cluster_damaged,
        }

    def _rows(self, name: str) -> list[dict[str, Any]]:
        database = self._sql.find(self.spec.database)
        table = database.table("dbo", name) if database is not None else None
        if database is None or table is None:
            return []
        with self._sql.lock:
            rows = self._sql.store.rows(database, table)
        return [dict(zip((column.name for column in table.columns), row, strict=True)) for row in rows]


def _opened(key: bytes | None, secrets: Mapping[str, bytes]) -> dict[str, bool]:
    return {user: key is not None and opens(key, user, data) for user, data in sorted(secrets.items())}


def _verdict(key: bytes | None, run_as: Mapping[str, bool], checks: Sequence[bytes]) -> str:
    """Once the key was made again, the old secrets say nothing about it."""
    if key is None:
        return "none"
    if checks:
        return "right" if is_new_key(key, checks[0]) else "wrong"
    return "right" if run_as and all(run_as.values()) else "wrong"
