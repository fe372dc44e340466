# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""secure_storage_restore: the key of a backup is on this server."""

from __future__ import annotations

import re
import typing as t
from dataclasses import replace

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.module_utils.versions import (
    ServerVersion,
    key_backup_problem,
    key_backup_warning,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.actions.windows import (
    CONVERSATION_SPEC,
    KEY_MATERIAL_SPEC,
    Arguments,
    Facts,
    OpsmgrAction,
    Work,
    changing,
    diff,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.key_escrow import (
    ESCROW_SPEC,
    PRIVATE_KEY_SPEC,
    TRUST_SPEC,
    describe,
    fitting_backup,
    open_backup,
    open_escrow,
    password_problem,
    private_key_from,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.store import Entry, Escrow
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr import restored_key
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.key_fingerprint import OTHER
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.server import (
    BACKUP_TOOL,
    CONFIRMATION_PROMPT,
    PASSWORD_PROMPT,
    KeyRestore,
    ManagementServer,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.windows.host import quote

STEP = "restore the key"
# What check mode needs to know of a backup that secure_storage_backup only predicted.
PREDICTED = {"management_group", "server_version", "key_fingerprint"}
# [assumed] Words of an error; only used where the key's fingerprint cannot tell.
FAILURE_PATTERN = r"(?i)\b(error|fail(ed|ure)?|exception|invalid|incorrect|denied|cannot|could not|unable|wrong)\b"


OTHER_BYTES = (
    "the tool restored a key, but the registry holds other bytes than on the server of the backup; "
    "whether the key is right shows when the SDK service stays up on the promoted server"
)
UNPROVEN = (
    "nothing proves that the key was restored: there is the same key as before, which is right if it was this one, and wrong if the tool refused "
    "in words that are not known"
)
UNPROVEN_ADVICE = (
    "Read what it wrote. If it restored the key, rerun with accept_unproven; if it refused, fix what it reports, and add its words "
    "to failure_pattern"
)
SHARE_ADVICE = "Use escrow instead of path, or copy the file to this server: a WinRM logon cannot reach a file share on another machine"


class ActionModule(OpsmgrAction):
    STEP = STEP
    SPEC = {
        **ESCROW_SPEC,
        **PRIVATE_KEY_SPEC,
        **TRUST_SPEC,
        **CONVERSATION_SPEC,
        **KEY_MATERIAL_SPEC,
        "backup_password": {"type": "str", "required": True, "no_log": True},
        "backup": {"type": "dict"},
        "management_group": {"type": "str"},
        "path": {"type": "str"},
        "password_prompt": {"type": "str", "default": PASSWORD_PROMPT, "no_log": False},
        "confirmation_prompt": {"type": "str", "default": CONFIRMATION_PROMPT},
        "failure_pattern": {"type": "str", "default": FAILURE_PATTERN},
        "accept_unproven": {"type": "bool", "default": False},
    }
    REQUIRED = {
        "required_one_of": [("escrow", "path")],
        "mutually_exclusive": [
            ("escrow", "path"),
            ("backup", "path"),
            ("seal_passphrase", "path"),
            ("seal_private_key", "path"),
        ],
    }
    RESULT = {"backup": None, "key": None, "warnings": []}

    def check_arguments(self, arguments: Arguments) -> None:
        problem = password_problem(arguments["backup_password"])
        if problem:
            raise OpsmgrError(STEP, problem, "Give the password that was typed when the backup was made")
        private_key_from(arguments)

    def act(self, work: Work) -> None:
        server = work.opsmgr.require_server(STEP, probe=True, only_key=True, fingerprint=True)
        if work.arguments["path"] is not None:
            path = quote(work.arguments["path"])[1:-1]
            source = restored_key.hash_of_file(work.opsmgr.windows, path)
            _restore(work, server, None, source, lambda: _restore_path(work, server, path, source))
            return
        escrow = open_escrow(work.arguments["escrow"], work.arguments["trusted_signers"])
        manifest, entry = _choose(work, server, escrow)
        _require_fitting(manifest, server)
        work.result["backup"] = manifest
        if entry is None:
            _predict(work, server, manifest["key_fingerprint"])
            return
        content = open_backup(escrow, entry, work.arguments["seal_passphrase"], private_key_from(work.arguments))
        source = f"sha256:{entry.sha256}"
        _restore(work, server, entry.key_fingerprint, source, lambda: _restore_content(work, server, content, source))


def _choose(work: Work, server: ManagementServer, escrow: Escrow) -> tuple[dict[str, t.Any], Entry | None]:
    """The backup to restore: the one given, else the newest that fits. No entry for one that check mode only predicted."""
    given = work.arguments["backup"]
    if given is None:
        entry = fitting_backup(
            escrow, work.arguments["management_group"] or str(server.management_group), server.version
        )
        return describe(entry), entry
    if work.check_mode and given.get("sha256") is None and given.keys() >= PREDICTED:
        return given, None
    found = escrow.find(str(given.get("management_group")), str(given.get("sha256")))
    if found is None:
        raise OpsmgrError(
            STEP,
            f"the backup with SHA-256 {given.get('sha256')} is not in {escrow.directory}",
            "Give the backup that secure_storage_backup returned, or leave the option out",
        )
    return describe(found), found


def _require_fitting(manifest: t.Mapping[str, t.Any], server: ManagementServer) -> None:
    """Refuse a backup of another management group, or one that does not restore on this version [book]."""
    if server.management_group is not None and manifest["management_group"] != server.management_group:
        raise OpsmgrError(
            STEP,
            f"the backup is of management group {manifest['management_group']}, and this server belongs to {server.management_group}",
            "Give the backup of its own management group",
        )
    if server.version is None:
        return
    problem = key_backup_problem(ServerVersion.parse(manifest["server_version"]), server.version)
    if problem:
        raise OpsmgrError(STEP, problem, "Give a backup that was made after the last upgrade")


def _restore(
    work: Work, before: ManagementServer, wanted: str | None, source: str | None, run_tool: t.Callable[[], KeyRestore]
) -> None:
    """Restore unless the key is there already, and prove it by reading the registry back.

    :param wanted: the fingerprint that the key had on the server of the backup, where that is known
    :param source: the SHA-256 of the backup, where that is known
    """
    if before.key_fingerprint is not None and before.key_fingerprint == wanted:
        _leave(work, before)
        return
    mark = restored_key.RestoreMark()
    if before.key_fingerprint is not None:
        mark = restored_key.find_mark(work.opsmgr.windows)
    if mark.proves(source, before.key_fingerprint):
        if mark.after is None and not work.check_mode:
            # The run that restored it was cut off.
            restored_key.complete(work.opsmgr.windows, str(before.key_fingerprint))
        _leave(work, before)
        return
    if work.check_mode:
        _predict(work, before, wanted)
        return
    work.opsmgr.require_tool(before, BACKUP_TOOL, STEP)
    with changing(work, _observed(before), lambda: _look_at_key(work)):
        talk = run_tool()
        after = work.opsmgr.observe(only_key=True, fingerprint=True)
        try:
            _require_restored(work, before, after, wanted, talk)
        except OpsmgrError:
            restored_key.forget(work.opsmgr.windows)
            raise
        if source is not None and after.key_fingerprint is not None:
            restored_key.complete(work.opsmgr.windows, after.key_fingerprint)
    _predict(work, before, wanted)
    if wanted is not None and after.key_fingerprint not in (None, wanted):
        work.result["warnings"].append(OTHER_BYTES)
    unchanged = after.key_fingerprint is not None and after.key_fingerprint == before.key_fingerprint
    _report(work, before, after.key_fingerprint, changed=not unchanged)


def _leave(work: Work, server: ManagementServer) -> None:
    _report(work, server, server.key_fingerprint, changed=False)
    _warn_of_version(work, server)


def _observed(server: ManagementServer) -> Facts:
    return {"key": {"present": server.key_present, "fingerprint": server.key_fingerprint}}


def _look_at_key(work: Work) -> Facts:
    now = work.opsmgr.observe(only_key=True, fingerprint=True)
    if now.key_present and now.key_fingerprint is None:
        # Nobody can see whether it is still the key that was there before.
        work.result["changed"] = True
    return _observed(now)


def _predict(work: Work, before: ManagementServer, wanted: str | None) -> None:
    """Report what a restore will do, and warn of what is odd about it."""
    _report(work, before, wanted, changed=wanted is None or wanted != before.key_fingerprint)
    _warn_of_version(work, before)


def _warn_of_version(work: Work, before: ManagementServer) -> None:
    if before.version is not None and work.result["backup"]:
        warning = key_backup_warning(ServerVersion.parse(work.result["backup"]["server_version"]), before.version)
        work.result["warnings"] = list(filter(None, [warning]))


def _report(work: Work, before: ManagementServer, fingerprint: str | None, changed: bool) -> None:
    shown = after = {"key": before.key_text}
    if changed:
        after = {"key": replace(before, key_present=True, key_fingerprint=fingerprint).key_text}
    work.result.update(
        changed=changed,
        key={"present": True, "fingerprint": fingerprint},
        diff=diff(shown, after, before.computer_name),
    )


def _restore_content(work: Work, server: ManagementServer, content: bytes, source: str) -> KeyRestore:
    return work.opsmgr.restore_key(server, work.arguments["backup_password"], _prompts(work), content, source)


def _prompts(work: Work) -> tuple[str, str]:
    return work.arguments["password_prompt"], work.arguments["confirmation_prompt"]


def _restore_path(work: Work, server: ManagementServer, path: str, source: str | None) -> KeyRestore:
    try:
        return work.opsmgr.restore_key_file(server, work.arguments["backup_password"], _prompts(work), path, source)
    except OpsmgrError as error:
        if not path.startswith("\\\\"):
            raise
        raise OpsmgrError(error.step, error.found, SHARE_ADVICE) from error


def _require_restored(
    work: Work, before: ManagementServer, after: ManagementServer, wanted: str | None, restore: KeyRestore
) -> None:
    """The wanted fingerprint in the registry is proof. Another fingerprint disproves nothing: nobody knows that every server
    keeps the same bytes.

    Then the key material must at least be another one than before. The tool's words and exit code are undocumented, and
    in any language.
    """
    talk = restore.talk
    if not after.key_present:
        found = f"there is still no key in the registry below {work.arguments['key_registry_key']}"
        raise work.opsmgr.no_effect(STEP, BACKUP_TOOL, found, talk)
    if wanted is not None and wanted == after.key_fingerprint:
        return
    if wanted is not None and after.key_fingerprint is not None and after.key_fingerprint == before.key_fingerprint:
        raise work.opsmgr.no_effect(
            STEP,
            BACKUP_TOOL,
            "the key in the registry is still another one: the password is wrong, or the tool failed",
            talk,
        )
    if talk.exit_code != 0 or re.search(work.arguments["failure_pattern"], talk.transcript):
        raise work.opsmgr.no_effect(STEP, BACKUP_TOOL, "it complained", talk)
    if not _is_another_key(before, after, restore.comparison) and not work.arguments["accept_unproven"]:
        problem = work.opsmgr.no_effect(STEP, BACKUP_TOOL, UNPROVEN, talk)
        raise OpsmgrError(STEP, problem.found, UNPROVEN_ADVICE)


def _is_another_key(before: ManagementServer, after: ManagementServer, comparison: str | None) -> bool:
    """Whether there is a key now that was not there before: the tool put it there."""
    if not before.key_present or comparison == OTHER:
        return True
    return (
        None not in (before.key_fingerprint, after.key_fingerprint) and before.key_fingerprint != after.key_fingerprint
    )
