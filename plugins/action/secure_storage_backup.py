# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""secure_storage_backup: the key is backed up, fetched, verified, sealed and in the escrow; older backups than wanted
are removed.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.actions.windows import (
    CONVERSATION_SPEC,
    KEY_MATERIAL_SPEC,
    Arguments,
    OpsmgrAction,
    Work,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.key_escrow import (
    ESCROW_SPEC,
    FAULTY,
    SIGNING_SPEC,
    TRUST_SPEC,
    describe,
    describe_recipients,
    open_escrow,
    password_problem,
    seal_for_writing,
    signer_from,
    signers_that_count,
    verify_backup,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.store import BackupOrigin, Entry, Escrow, Seal
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.server import (
    BACKUP_TOOL,
    CONFIRMATION_PROMPT,
    PASSWORD_PROMPT,
    ManagementServer,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.server_identity import Expected, require_expected

STEP = "back up the key"
# What key_escrow_info needs to compare a server with the escrow.
SEEN = ("computer_name", "management_group", "version", "is_rms", "key")


class ActionModule(OpsmgrAction):
    STEP = STEP
    SPEC = {
        **ESCROW_SPEC,
        **CONVERSATION_SPEC,
        **KEY_MATERIAL_SPEC,
        "escrow": {"type": "path", "required": True},
        "backup_password": {"type": "str", "required": True, "no_log": True},
        **TRUST_SPEC,
        **SIGNING_SPEC,
        "management_group": {"type": "str"},
        "computer_names": {"type": "list", "elements": "str", "default": []},
        "seal_certificates": {"type": "list", "elements": "str"},
        "max_age": {"type": "float", "default": 24.0},
        "keep": {"type": "int", "default": 0},
        "password_prompt": {"type": "str", "default": PASSWORD_PROMPT, "no_log": False},
        "confirmation_prompt": {"type": "str", "default": CONFIRMATION_PROMPT},
    }
    REQUIRED = {
        "mutually_exclusive": [("seal_passphrase", "seal_certificates")],
        "required_together": [("signing_key", "signing_certificate")],
        "required_by": {"signing_key_passphrase": ["signing_key"]},
    }
    RESULT = {"server": None, "backup": None, "reused": False, "removed": []}

    def check_arguments(self, arguments: Arguments) -> None:
        problem = password_problem(arguments["backup_password"])
        if problem:
            raise OpsmgrError(STEP, problem, "Choose a longer one in the option backup_password")
        _seal(arguments)
        signer_from(arguments)
        _escrow(arguments)

    def act(self, work: Work) -> None:
        server = work.opsmgr.require_server(STEP, probe=True, only_key=True, fingerprint=True)
        work.result["server"] = {fact: value for fact, value in server.as_result().items() if fact in SEEN}
        _require_group(server)
        require_expected(
            server,
            Expected(work.host, work.address, work.arguments["management_group"], work.arguments["computer_names"]),
        )
        escrow, seal = _escrow(work.arguments), _seal(work.arguments)
        fresh = _fresh_backup(escrow, server, work.arguments["max_age"], seal, work.arguments["seal_passphrase"])
        if fresh is not None:
            work.result.update(backup=describe(fresh), reused=True)
        elif work.check_mode:
            work.result.update(changed=True, backup=_predicted(_origin(work, server), seal))
        else:
            fresh = _back_up(work, server, escrow, seal)
            work.result.update(changed=True, backup=describe(fresh))
        if work.arguments["keep"]:
            _remove_superseded(work, escrow, _origin(work, server), fresh)


def _seal(arguments: Arguments) -> Seal:
    return seal_for_writing(arguments["seal_passphrase"], arguments["seal_certificates"])


def _escrow(arguments: Arguments) -> Escrow:
    return open_escrow(arguments["escrow"], signers_that_count(arguments))


def _back_up(work: Work, server: ManagementServer, escrow: Escrow, seal: Seal) -> Entry:
    origin = _origin(work, server)
    work.opsmgr.require_tool(server, BACKUP_TOOL, STEP)
    prompts = (work.arguments["password_prompt"], work.arguments["confirmation_prompt"])
    backup = work.opsmgr.back_up_key(server, work.arguments["backup_password"], prompts)
    return escrow.store(backup.content, origin, seal, signer_from(work.arguments))


def _remove_superseded(work: Work, escrow: Escrow, origin: BackupOrigin, newest: Entry | None) -> None:
    """Keep as many generations as wanted; in check mode only say which would go."""
    for entry in escrow.superseded(
        origin.management_group, origin.server, work.arguments["keep"], newest, made_for=origin.inventory_host
    ):
        if not work.check_mode:
            escrow.remove(entry)
        work.result["changed"] = True
        work.result["removed"].append(entry.path)


def _require_group(server: ManagementServer) -> None:
    """Whether there is a key is for the tool to say: where the registry keeps it is not known for certain."""
    if server.management_group is None or server.version is None:
        raise OpsmgrError(
            STEP,
            "the registry does not say which management group and version this server has",
            "Check that it is a management server",
        )


def _fresh_backup(
    escrow: Escrow, server: ManagementServer, max_age_hours: float, seal: Seal, passphrase: str | None
) -> Entry | None:
    """A backup of this very key at this very version that is young enough, sealed as wanted, and sound as far as can be
    seen here.

    One dated after now is not young: a wrong clock made it, or somebody planted it.

    Where the key's fingerprint could not be observed (Windows Server 2003) no backup counts: the key may be another one by
    now.
    """
    if server.key_fingerprint is None:
        return None
    now = datetime.now(timezone.utc)
    oldest = now - timedelta(hours=max_age_hours)
    for entry in escrow.entries(server.management_group, server.computer_name).entries:
        same = entry.key_fingerprint == server.key_fingerprint and entry.server_version == server.version
        if (
            same
            and oldest < entry.taken_at <= now
            and _sealed_as(entry, seal)
            and verify_backup(escrow, entry, passphrase)[0] != FAULTY
        ):
            return entry
    return None


def _sealed_as(entry: Entry, seal: Seal) -> bool:
    return entry.seal == seal.name and {each.sha256 for each in entry.recipients} == {
        each.sha256 for each in seal.recipients
    }


def _origin(work: Work, server: ManagementServer) -> BackupOrigin:
    if server.management_group is None or server.version is None:
        raise OpsmgrError(
            STEP, "the server's management group or version is not known", "Check that it is a management server"
        )
    now = datetime.now(timezone.utc)
    return BackupOrigin(
        server.management_group, server.computer_name, server.version, now, server.key_fingerprint, work.host
    )


def _predicted(origin: BackupOrigin, seal: Seal) -> dict[str, object]:
    """What the result's backup will look like; what only the real backup can tell is None."""
    unknown = dict.fromkeys(("file", "manifest", "taken_at", "sha256", "size"))
    return {
        **unknown,
        "management_group": origin.management_group,
        "server": origin.server,
        "server_version": str(origin.server_version),
        "seal": seal.name,
        "recipients": describe_recipients(seal.recipients),
        "key_fingerprint": origin.key_fingerprint,
        "inventory_host": origin.inventory_host,
    }
