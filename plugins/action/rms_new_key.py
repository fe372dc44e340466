# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""rms_new_key: this management server has a new key for its management group, because there is no backup of the old
one.
"""

from __future__ import annotations

from datetime import datetime, timezone

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.module_utils.optional import if_known
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.actions.setup_package import (
    DEFAULT_DATABASE,
    SETUP_RESULT,
    SETUP_SPEC,
    check_properties,
    database_properties,
    prepare,
    run_setup,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.actions.windows import (
    KEY_MATERIAL_SPEC,
    Arguments,
    Facts,
    OpsmgrAction,
    Work,
    changing,
    diff,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.key_escrow import describe, open_escrow
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.store import Entry
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.server import ManagementServer
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.service_accounts import (
    kept_accounts,
    require_kept,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.windows.host import parse_registry
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.windows.installer import WindowsInstaller

STEP = "make a new key"
# Our own mark on a server that is not the RMS yet: the setup was begun, so that a key here may be of its making, or it
# has made the new key.
MARK_KEY = r"HKLM\SOFTWARE\opsmgr.recovery.new_key"
MARK_VALUE = "NewKey"
BEGUN = "begun"
MADE = "made"

END_OF_TIME = datetime.max.replace(tzinfo=timezone.utc)


class ActionModule(OpsmgrAction):
    STEP = STEP
    SPEC = {
        **KEY_MATERIAL_SPEC,
        **SETUP_SPEC,
        "confirm": {"type": "str", "required": True},
        "escrow": {"type": "path", "required": True},
    }
    RESULT = {**SETUP_RESULT, "is_rms": None, "key": None, "backup": None, "begun_before": None}

    def check_arguments(self, arguments: Arguments) -> None:
        check_properties(STEP, arguments["properties"])

    def act(self, work: Work) -> None:
        installer = WindowsInstaller(work.opsmgr.windows, STEP, work.arguments["timeout"])
        if not work.check_mode:
            installer.wait_until_idle()
        before = work.opsmgr.require_server(STEP, fingerprint=True)
        _require_confirmed(work, before)
        work.result.update(_observed(before))
        backup = _fitting_backup(work, before)
        work.result["backup"] = if_known(describe, backup)
        mark = _read_mark(work)
        work.result["begun_before"] = mark is not None
        if _has_new_key(before, mark):
            _clear_mark(work, before, mark)
            if mark is not None and not work.check_mode:
                installer.remove_log()
            work.result["diff"] = diff(_facts(before), _facts(before), before.computer_name)
            return
        _require_no_backup(work, backup)
        accounts = kept_accounts(STEP, before.services, work.arguments["properties"])
        setup = prepare(work, STEP, {**_properties(before), **accounts})
        if work.check_mode:
            work.result.update(
                changed=True, diff=diff(_facts(before), {"key": "present, a new one"}, before.computer_name)
            )
            return
        work.opsmgr.windows.set_registry_text(MARK_KEY, MARK_VALUE, BEGUN, STEP)
        with changing(work, _observed(before), lambda: _observed(work.opsmgr.observe(fingerprint=True))):
            run_setup(work, STEP, installer, setup, lambda: _has_new_key(work.opsmgr.observe(), _read_mark(work)))
            after = work.opsmgr.observe(fingerprint=True)
            _require_new_key(work, before, after)
        work.result.update(_observed(after))
        work.opsmgr.windows.set_registry_text(MARK_KEY, MARK_VALUE, MADE, STEP)
        _clear_mark(work, after, MADE)
        installer.remove_log()
        work.result["diff"] = diff(_facts(before), _facts(after), before.computer_name)
        # Last, because the key is made all the same.
        require_kept(STEP, before.services, after.services)


def _require_confirmed(work: Work, server: ManagementServer) -> None:
    """Everything that forbids a new key whatever else is the case."""
    if server.management_group is None or server.version is None:
        found = "the registry does not say that this server belongs to a management group"
        raise OpsmgrError(
            STEP, found, "Choose a management server of the group; opsmgr.recovery.management_server_setup installs one"
        )
    if not server.version.is_sp1_or_later:
        found = f"{server.version.product} ({server.version}) cannot make a new key, only Service Pack 1 and later can"
        raise OpsmgrError(
            STEP,
            found,
            "Search again for a backup of the key: without one, the management group must be reinstalled",
        )
    if work.arguments["confirm"] != server.management_group:
        found = f"confirm is {work.arguments['confirm']!r}, and the management group of this server is {server.management_group!r}"
        advice = "Set confirm to exactly this name if no backup of the key exists anywhere and every Run As account can be entered again"
        raise OpsmgrError(STEP, found, advice)


def _fitting_backup(work: Work, server: ManagementServer) -> Entry | None:
    # One dated in the future counts here, too: whatever may hold the old key forbids a new one.
    return open_escrow(work.arguments["escrow"]).newest(
        str(server.management_group), server_version=server.version, now=END_OF_TIME
    )


def _require_no_backup(work: Work, backup: Entry | None) -> None:
    """Refuse while the escrow may hold the old key: with it nothing is lost."""
    if backup is not None:
        found = (
            f"the escrow holds a backup of this management group's key: {backup.path}, of {backup.taken_at:%Y-%m-%d}"
        )
        raise OpsmgrError(
            STEP,
            found,
            "Use it: the playbook opsmgr.recovery.rms_failover with rms_failover_mode disaster loses nothing",
        )
    problems = open_escrow(work.arguments["escrow"]).entries().problems
    if problems:
        first = f"{problems[0].path}: {problems[0].found}"
        found = f"{len(problems)} file(s) in the escrow cannot be read as a backup and may still hold the key; the first is {first}"
        raise OpsmgrError(STEP, found, "Find out what they are. Move what is worthless out of the escrow, then rerun")


def _properties(server: ManagementServer) -> dict[str, str]:
    database = database_properties(
        str(server.management_group), server.database_server or "", server.database_name or DEFAULT_DATABASE
    )
    return {"CREATE_NEWKEY": "1", **{name: value for name, value in database.items() if value}}


def _has_new_key(server: ManagementServer, mark: str | None) -> bool:
    """Whether there is nothing to do: an RMS with a key, or a server on which a setup has made a new one."""
    return server.key_present and (bool(server.is_rms) or mark == MADE)


def _read_mark(work: Work) -> str | None:
    questions = work.opsmgr.windows.questions()
    questions.ask("mark", f'reg query "{MARK_KEY}" /v {MARK_VALUE}')
    values = parse_registry(work.opsmgr.windows.ask(questions)["mark"].text).values()
    return next((value for found in values for value in found.values()), None)


def _clear_mark(work: Work, server: ManagementServer, mark: str | None) -> None:
    """On the RMS itself the mark has nothing to say any more."""
    if server.is_rms and mark is not None and not work.check_mode:
        work.opsmgr.windows.shell.run(f'reg delete "{MARK_KEY}" /f')


def _require_new_key(work: Work, before: ManagementServer, after: ManagementServer) -> None:
    """Proof by the registry: there is a key, and another one than before."""
    advice = "Check the Application and Operations Manager event logs there; whether setup knows CREATE_NEWKEY depends on the package's version"
    if not after.key_present:
        found = f"the setup ended well, but there is no key in the registry below {work.arguments['key_registry_key']}"
        raise OpsmgrError(STEP, found, advice)
    if after.key_fingerprint is not None and after.key_fingerprint == before.key_fingerprint and not after.is_rms:
        raise OpsmgrError(STEP, "the setup ended well, but the key in the registry is the same as before", advice)


def _observed(server: ManagementServer) -> Facts:
    return {"is_rms": server.is_rms, "key": {"present": server.key_present, "fingerprint": server.key_fingerprint}}


def _facts(server: ManagementServer) -> dict[str, object]:
    return {"RMS": server.is_rms, "key": server.key_text}
