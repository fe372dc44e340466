# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server of 2012 or later: whatever changes a server refuses it, and nothing that changes anything is sent."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from unit.plugins.action.bench import Connection, run
from unit.plugins.plugin_utils.doubles import Clock
from unit.plugins.plugin_utils.recorded_server import PASSWORD, RecordedServer

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.actions import windows as action_base
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs import shell as winrs

MODULES = Path(__file__).resolve().parents[4] / "plugins" / "modules"
RMS = {"rms": "deathsting.odyssey.com"}
CLUSTER = {"group": "RMS Group", "network_name": "RMS Name", "disk": "RMS Disk"}
# Each with what it is asked to change on hydra, by the rules of 2007 an RMS that works.
CHANGING: dict[str, dict[str, Any]] = {
    "console_rms": RMS,
    "management_server_rms": RMS,
    "management_server_setup": {"management_group": "ODYSSEY", "database_server": "SQL01"},
    "management_services": {"sdk_service": "disabled"},
    "reporting_server_rms": RMS,
    "rms_cluster_group": {"group": "RMS Group", "state": "online"},
    "rms_cluster_node": {"virtual_server": "rmsvs", "disk": "X:"},
    "rms_cluster_services": CLUSTER,
    "rms_demotion": {},
    "rms_new_key": {"confirm": "ODYSSEY"},
    "rms_promotion": {"existing_rms_clustered": False},
    "secure_storage_backup": {"backup_password": PASSWORD},
    "secure_storage_restore": {"backup_password": PASSWORD},
    "support_tools": {"state": "absent"},
    "web_console_rms": RMS,
}
TAKES_ESCROW = {"rms_new_key", "secure_storage_backup", "secure_storage_restore"}
LOOKS = {"management_server_info"}
# SQL Server is not a part of Operations Manager, and its host knows no version of it.
OF_SQL_SERVER = {"sql_server_services"}
VERSIONS = (
    "7.0.8560.0",
    "7.1.10226.0",
    "7.2.11719.0",
    "7.3.13142.0",
    "10.19.10050.0",
    "10.22.10118.0",
    "10.25.10132.0",
)
# What changes something, at the beginning of a command or behind another one. That the fingerprint of a key is computed
# is a look.
CHANGES = re.compile(
    r"(?:^|[&(|]\s*)(?:reg (?:add|import)|sc \S*\s*(?:start|stop|config)|msiexec|copy /b /y .?[a-z]:|move|net st|cluster .*/\w|cd /d .*\.exe)",
    re.I,
)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(winrs, "time", clock)
    monkeypatch.setattr(action_base, "time", clock)
    return clock


def windows_modules() -> set[str]:
    """All whose documentation says that they work on a server."""
    documented = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in MODULES.glob("*.yml")}
    fragments = {
        name: each["DOCUMENTATION"].get("extends_documentation_fragment", []) for name, each in documented.items()
    }
    return {name for name, used in fragments.items() if "opsmgr.recovery.windows" in used}


def test_no_module_is_forgotten() -> None:
    assert windows_modules() == CHANGING.keys() | LOOKS | OF_SQL_SERVER


@pytest.mark.parametrize("check_mode", [False, True])
@pytest.mark.parametrize("name", CHANGING)
def test_every_module_refuses_it(clock: Clock, tmp_path: Path, name: str, check_mode: bool) -> None:
    recorded = RecordedServer(clock, version="10.22.10118.0")
    services = dict(recorded.services)
    options = {**CHANGING[name], **({"escrow": str(tmp_path / "escrow")} if name in TAKES_ESCROW else {})}
    result = run(name, Connection(recorded), check_mode, **options)
    assert (result["failed"], result["changed"]) == (True, False)
    assert "Operations Manager 2022 (10.22.10118.0)" in result["msg"]
    assert recorded.services == services
    assert not [command for command in recorded.commands if CHANGES.search(command)]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_since_2012_is_refused(clock: Clock, version: str) -> None:
    recorded = RecordedServer(clock, version=version)
    result = run("rms_promotion", Connection(recorded), existing_rms_clustered=False)
    assert version in result["msg"]
    assert not recorded.ran("PromoteRMS")


def test_a_look_says_so_and_is_no_failure(clock: Clock) -> None:
    result = run("management_server_info", Connection(RecordedServer(clock, version="10.22.10118.0")))
    assert not result.get("failed")
    assert (result["server"]["version"], result["server"]["product"]) == ("10.22.10118.0", "2022")
    assert "Operations Manager 2022 (10.22.10118.0)" in result["server"]["unsupported"]


def test_a_console_of_a_later_version_is_no_place_for_a_management_server(clock: Clock) -> None:
    """It has no ServerVersion, which only a management server has."""
    recorded = RecordedServer(clock, version="", component_version="10.22.10118.0")
    result = run("management_server_setup", Connection(recorded), **CHANGING["management_server_setup"])
    assert "Operations Manager 2022 (10.22.10118.0)" in result["msg"]
    assert not recorded.ran("msiexec /i")
