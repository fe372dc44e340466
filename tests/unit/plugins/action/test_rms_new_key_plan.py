# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan as a task sees it: plain data, and no secret."""

from __future__ import annotations

from typing import Any

import pytest
from unit.plugins.action.bench import Connection, run, texts
from unit.plugins.plugin_utils.recorded_server import PASSWORD
from unit.plugins.plugin_utils.test_new_key import SETUP, lost


def plan(**arguments: Any) -> dict[str, Any]:
    situation = lost()
    given = {
        "target": "deathsting",
        "management_group": "ODYSSEY",
        "servers": [{"item": name, **situation[name]} for name in ("hydra", "deathsting", "jupiter")],
        "database": situation["database"],
        "new_key": {"command": SETUP, "is_rms": False, "key": {"present": False}, "backup": None},
        "escrow": "/tmp",
        "backup_password": PASSWORD,
        "database_host": "thunder",
    }
    connection = Connection(None, AssertionError("was opened"), transport="local")
    result = run("rms_new_key_plan", connection, check_mode=True, **{**given, **arguments})
    assert not any(PASSWORD in text for text in texts(result))
    return result


def test_a_plan_is_plain_data() -> None:
    result = plan()
    assert (result["changed"], result["problems"], result["new_rms"], result["needed"]) == (
        False,
        [],
        "deathsting",
        True,
    )
    assert result["steps"][0] == {
        "id": "back_up_database",
        "text": "operational database on * backed up",
        "hosts": ["thunder"],
        "needed": True,
        "undone_by": None,
        "point_of_no_return": False,
        "part": None,
        "place": None,
    }


def test_every_option_counts() -> None:
    [no_lock] = plan(lock={"msg": "database: take the lock: it is held by somebody."})["problems"]
    assert no_lock == "database: take the lock: it is held by somebody."
    assert plan(lock={"held": True, "problem": None})["problems"] == []
    [refused] = plan(new_key={"msg": "deathsting: make a new key: confirm is ''.", "command": None})["problems"]
    assert refused == "deathsting: make a new key: confirm is ''."
    assert len(plan(management_group="ILIAD")["problems"]) == 1
    assert plan(database_backup=False)["steps"][0]["needed"] is False
    locked_out = [{"item": "hydra", "server": None, "reachability": "refused", "problem": "rejected"}]
    servers = locked_out + [
        {"item": name, "server": {**lost()[name]["server"], "key": {"present": name == "jupiter"}}}
        for name in ("deathsting", "jupiter")
    ]
    assert len(plan(servers=servers)["problems"]) == 2
    assert plan(servers=servers, old_rms_is_off=True, discard_keys=True)["problems"] == []


def settled() -> dict[str, Any]:
    """What rms_new_key says where the key is there, and in the escrow."""
    return {"command": None, "is_rms": True, "key": {"present": True}, "backup": {"path": "x"}}


@pytest.mark.parametrize(
    ("arguments", "variable"),
    [
        pytest.param({"backup_password": None}, "rms_recover_without_key_backup_password", id="no password"),
        pytest.param({"backup_password": "seven77"}, "rms_recover_without_key_backup_password", id="too short"),
        pytest.param(
            {"backup_password": "eight or\tmore"}, "rms_recover_without_key_backup_password", id="a tab in it"
        ),
        pytest.param({"seal_passphrase": " "}, "seal passphrase", id="a blank seal"),
        pytest.param({"escrow": None}, "rms_recover_without_key_escrow", id="no escrow"),
        pytest.param({"escrow": "/dev/null/escrow"}, "rms_recover_without_key_escrow", id="an escrow that cannot be"),
        pytest.param(
            {"signing_key": "/none", "signing_certificate": "/none"}, "/none", id="a signing key that is lost"
        ),
    ],
)
def test_a_key_that_could_not_be_backed_up_is_not_made(arguments: dict[str, Any], variable: str) -> None:
    [problem] = plan(**arguments)["problems"]
    assert variable in problem


def test_an_escrow_that_nothing_is_put_into_need_not_be_writable() -> None:
    assert plan(new_key=settled(), escrow="/dev/null/escrow")["problems"] == []
    assert len(plan(new_key=settled(), backup_password=None)["problems"]) == 1
