# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""rms_new_key and management_server_setup as a task sees them: when nothing is run, what is run, and what is proof."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from unit.plugins.action.bench import Connection, run
from unit.plugins.plugin_utils.doubles import Clock, Ends
from unit.plugins.plugin_utils.recorded_server import FINGERPRINT, OTHER_FINGERPRINT, RecordedServer

from ansible_collections.opsmgr.recovery.plugins.module_utils.versions import ServerVersion
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.actions import windows as action_base
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.key_escrow import open_escrow, seal_for_writing
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.store import BackupOrigin
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs import shell as winrs

ARCHITECTURES = [r"D:\Server\i386\MOM.msi", r"D:\Server\amd64\MOM.msi", r"E:\MOM.msi"]
SETUP = {"management_group": "ODYSSEY", "database_server": "SQL01"}


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(winrs, "time", clock)
    monkeypatch.setattr(action_base, "time", clock)
    return clock


@dataclass
class Server(RecordedServer):
    """With packages on its media, and our mark of a new key."""

    packages: list[str] = field(default_factory=lambda: list(ARCHITECTURES))
    new_key_mark: str | None = None

    def _answers(self) -> dict[str, tuple[bool, str]]:
        own = {"MOM.msi": (True, "".join(f"{path}\r\n" for path in self.packages)), "new_key": self._mark()}
        return {**own, **super()._answers()}

    def _answer(self, command: str) -> tuple[bool, str]:
        if command.startswith("reg add") and "new_key" in command:
            self.new_key_mark = command.split('"')[-2]
        return super()._answer(command)

    def _mark(self) -> tuple[bool, str]:
        key = r"HKEY_LOCAL_MACHINE\SOFTWARE\opsmgr.recovery.new_key"
        return self.new_key_mark is not None, self._query(key, NewKey=self.new_key_mark) if self.new_key_mark else ""

    def sets_up(self, exit_code: int = 0, **effect: Any) -> None:
        """Let the setup end so, with this effect on the server."""
        self.scripts["msiexec /i"] = [Ends(exit_code)]
        self.effects["msiexec /i"] = lambda: self.__dict__.update(effect)


def new_key(server: Server, escrow: Path, check_mode: bool = False, **options: Any) -> dict[str, Any]:
    return run(
        "rms_new_key", Connection(server), check_mode, **{"confirm": "ODYSSEY", "escrow": str(escrow), **options}
    )


def keyless(clock: Clock, **changes: Any) -> Server:
    return Server(clock, **{"is_rms": False, "fingerprint": None, **changes})


def test_a_new_key(clock: Clock, tmp_path: Path) -> None:
    server = keyless(clock)
    server.sets_up(is_rms=True, fingerprint=FINGERPRINT)
    result = new_key(server, tmp_path)
    assert (result["changed"], result["is_rms"], result["exit_code"], result["backup"]) == (True, True, 0, None)
    assert result["key"] == {"present": True, "fingerprint": "sha256:" + FINGERPRINT}
    assert result["command"] == (
        'start "" /wait msiexec /i "D:\\Server\\amd64\\MOM.msi" /qn /norestart /l*v "%TEMP%\\opsmgr-recovery-setup.log" CREATE_NEWKEY="1" '
        'MANAGEMENT_GROUP="ODYSSEY" MOM_DB_SERVER="SQL01" SDK_USE_COMPUTER_ACCOUNT="1"'
    )
    assert result["diff"]["before"] == "RMS: False\nkey: absent\n"
    assert server.ran('del /f /q "%TEMP%\\opsmgr-recovery-setup.log"')


DOMAIN_ACCOUNT = {"OMSDK": "ODYSSEY\\svc-sdk", "OMCFG": "ODYSSEY\\svc-sdk"}


def test_a_setup_is_told_of_no_account_but_the_computers(clock: Clock, tmp_path: Path) -> None:
    server = keyless(clock, accounts=DOMAIN_ACCOUNT)
    server.sets_up(is_rms=True, fingerprint=FINGERPRINT)
    result = new_key(server, tmp_path)
    assert (result["changed"], result.get("failed", False)) == (True, False)
    assert "ACCOUNT" not in result["command"]


def test_a_setup_that_changed_an_account_all_the_same(clock: Clock, tmp_path: Path) -> None:
    """The key is made, so that a rerun makes no other one."""
    server = keyless(clock, accounts=DOMAIN_ACCOUNT)
    server.sets_up(fingerprint=FINGERPRINT, accounts={})
    result = new_key(server, tmp_path)
    assert (result["failed"], result["changed"], server.new_key_mark) == (True, True, "made")
    for account in ("ODYSSEY\\svc-sdk", "LocalSystem"):
        assert account in result["msg"]
    assert new_key(server, tmp_path)["changed"] is False


def test_a_setup_that_only_makes_the_key_is_remembered(clock: Clock, tmp_path: Path) -> None:
    server = keyless(clock)
    server.sets_up(fingerprint=FINGERPRINT)
    result = new_key(server, tmp_path)
    assert (result["changed"], result["is_rms"], result["begun_before"], server.new_key_mark) == (
        True,
        False,
        False,
        "made",
    )
    again = new_key(server, tmp_path)
    assert (again["changed"], again["command"], again["begun_before"]) == (False, None, True)


def test_a_setup_that_was_cut_off_is_begun_again(clock: Clock, tmp_path: Path) -> None:
    """Its key may be there already, and nobody knows what else it has done."""
    server = keyless(clock, fingerprint=OTHER_FINGERPRINT, new_key_mark="begun")
    server.sets_up(is_rms=True, fingerprint=FINGERPRINT)
    result = new_key(server, tmp_path)
    assert (result["changed"], result["begun_before"], result["is_rms"]) == (True, True, True)
    assert server.ran('reg delete "HKLM\\SOFTWARE\\opsmgr.recovery.new_key" /f')


def test_an_rms_with_a_key_is_left_alone_and_the_mark_goes(clock: Clock, tmp_path: Path) -> None:
    server = Server(clock, new_key_mark="begun")
    assert new_key(server, tmp_path, check_mode=True)["changed"] is False
    assert not server.ran("reg delete")
    assert new_key(server, tmp_path)["changed"] is False
    assert server.ran('reg delete "HKLM\\SOFTWARE\\opsmgr.recovery.new_key" /f')
    assert not server.ran("msiexec /i")


def test_check_mode_predicts(clock: Clock, tmp_path: Path) -> None:
    server = keyless(clock)
    result = new_key(server, tmp_path / "escrow", check_mode=True)
    assert (result["changed"], result["exit_code"], result["diff"]["after"]) == (
        True,
        None,
        "key: present, a new one\n",
    )
    assert not server.ran("start ")


@pytest.mark.parametrize(
    ("effect", "before", "found"),
    [
        ({}, None, "there is no key in the registry below HKLM"),
        ({}, OTHER_FINGERPRINT, "the key in the registry is the same as before"),
    ],
)
def test_a_setup_without_effect_is_no_success(
    clock: Clock, tmp_path: Path, effect: dict[str, Any], before: str | None, found: str
) -> None:
    server = keyless(clock, fingerprint=before)
    server.sets_up(**effect)
    result = new_key(server, tmp_path)
    assert (result["failed"], result["changed"]) == (True, True)
    assert found in result["msg"]


@pytest.mark.parametrize("check_mode", [False, True])
@pytest.mark.parametrize(
    ("changes", "options", "found"),
    [
        ({"version": "6.0.5000.0"}, {}, "2007 RTM (6.0.5000.0) cannot make a new key, only Service Pack 1 and later can"),
        ({}, {"confirm": "odyssey"}, "confirm is 'odyssey', and the management group of this server is 'ODYSSEY'"),
        ({"administrator": False}, {}, "the account is not an administrator"),
        ({"installed": False}, {}, "Operations Manager is not installed here"),
        ({"groups": ""}, {}, "does not say that this server belongs to a management group"),
        ({"packages": []}, {}, "MOM.msi on the drives D to H and C was not found"),
        ({"packages": [r"D:\Server\ia64\MOM.msi"]}, {}, "MOM.msi on the drives D to H and C was not found"),
        ({}, {"properties": {"SDK_PASSWORD": "x"}}, "the property SDK_PASSWORD would put a password on a command line"),
        ({"accounts": {"OMSDK": ""}}, {}, "the account that OMSDK runs as cannot be told"),
        ({"accounts": DOMAIN_ACCOUNT}, {"properties": {"SDK_USE_COMPUTER_ACCOUNT": 1}}, "OMSDK runs as ODYSSEY\\svc-sdk"),
        ({}, {"properties": {"SDK_ACCOUNT": "ODYSSEY\\svc-sdk"}}, "would make that ODYSSEY\\svc-sdk"),
        ({}, {"properties": {"LIST": ["x"]}}, "the property LIST is not a text"),
        ({}, {"properties": {"QUOTED": 'a"b'}}, "a name with a quotation mark"),
    ],
)  # fmt: skip
def test_refusals(
    clock: Clock, tmp_path: Path, changes: dict[str, Any], options: dict[str, Any], found: str, check_mode: bool
) -> None:
    server = keyless(clock, **changes)
    result = new_key(server, tmp_path, check_mode, **options)
    assert (result["failed"], result["changed"]) == (True, False)
    assert found in result["msg"]
    assert not server.ran("start ")


def store(escrow: Path, group: str, version: str, year: int = 2026) -> None:
    origin = BackupOrigin(group, "HYDRA", ServerVersion.parse(version), datetime(year, 3, 1, tzinfo=timezone.utc))
    open_escrow(str(escrow)).store(b"key file", origin, seal_for_writing(None))


@pytest.mark.parametrize(
    ("group", "version", "refused"),
    [("ODYSSEY", "6.0.6278.0", True), ("ODYSSEY", "6.0.5000.0", False), ("ILIAD", "6.0.6278.0", False)],
    ids=["fits", "made before Service Pack 1", "of another group"],
)
def test_only_a_backup_that_fits_forbids_a_new_key(
    clock: Clock, tmp_path: Path, group: str, version: str, refused: bool
) -> None:
    store(tmp_path, group, version)
    result = new_key(keyless(clock), tmp_path, check_mode=True)
    assert result.get("failed", False) is refused
    assert (result["backup"] is not None) is refused
    assert not refused or "of 2026-03-01. Use it: the playbook opsmgr.recovery.rms_failover" in result["msg"]


def test_a_backup_dated_in_the_future_may_hold_the_key_and_forbids_a_new_one(clock: Clock, tmp_path: Path) -> None:
    store(tmp_path, "ODYSSEY", "6.0.6278.0", year=2999)
    result = new_key(keyless(clock), tmp_path)
    assert (result["failed"], result["changed"], "of 2999-03-01" in result["msg"]) == (True, False, True)


def test_a_server_that_is_set_up(clock: Clock) -> None:
    server = Server(clock, is_rms=False)
    result = run("management_server_setup", Connection(server), **SETUP, version="6.1.7221.0")
    assert (result["changed"], result["command"], result["version"]) == (False, None, "6.1.7221.0")
    assert result["diff"]["before"] == result["diff"]["after"]


def test_a_server_to_be_set_up(clock: Clock) -> None:
    server = keyless(clock, installed=False, groups="", packages=[r"E:\MOM.msi"])
    server.sets_up(3010, installed=True, groups=None)
    result = run(
        "management_server_setup",
        Connection(server),
        **SETUP,
        database_name="OpsDB",
        install_directory=r"D:\OpsMgr",
        properties={"MOM_DB_SERVER": 7},
    )
    assert (result["changed"], result["reboot_required"], result["management_group"]) == (True, True, "ODYSSEY")
    assert result["command"].endswith(
        'ADDLOCAL="MOMServer" MANAGEMENT_GROUP="ODYSSEY" MOM_DB_SERVER="7" MOMDB="OpsDB" '
        'ACTIONS_USE_COMPUTER_ACCOUNT="1" SDK_USE_COMPUTER_ACCOUNT="1" INSTALLDIR="D:\\OpsMgr"'
    )


def test_a_setup_that_installed_something_else(clock: Clock) -> None:
    server = Server(clock, is_rms=False, installed=False, groups="")
    server.sets_up(0)
    result = run("management_server_setup", Connection(server), **SETUP)
    assert "the registry does not call this computer a management server" in result["msg"]
