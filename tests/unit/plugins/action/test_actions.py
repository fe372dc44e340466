# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Windows-side actions as a task sees them: whole results, one sentence for each failure, closed connections, no
secret anywhere.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from unit.plugins.action.bench import Connection, run, texts
from unit.plugins.plugin_utils.doubles import Breaks, Clock, Ends, Happens, Hears, Script, Silence, fault
from unit.plugins.plugin_utils.recorded_server import (
    AGAIN,
    ASK,
    CONFIG_TOOL,
    FINGERPRINT,
    OTHER_FINGERPRINT,
    PASSWORD,
    WARNING,
    R,
    RecordedServer,
    fetched,
)
from unit.plugins.plugin_utils.recorded_server import KEY as KEY_FILE

from ansible_collections.opsmgr.recovery.plugins.plugin_utils.actions import windows as action_base
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs import shell as winrs

PASSPHRASE = "seal it well & twice"
UNREACHABLE = AnsibleConnectionFailure(
    "ntlm: HTTPConnectionPool: Max retries exceeded: [Errno 111] Connection refused'))"
)

# Each action with arguments that it accepts, and the keys of its result.
ACTIONS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "management_server_info": ({}, {"server"}),
    "management_server_rms": ({"rms": "deathsting.odyssey.com"}, {"reports_to", "services", "restarted", "warnings"}),
    "management_services": ({"sdk_service": "running"}, {"services"}),
    "rms_demotion": ({}, {"is_rms", "services", "command", "transcript", "copied", "warnings"}),
    "rms_promotion": (
        {"existing_rms_clustered": False},
        {"is_rms", "command", "transcript", "exit_code", "past_point_of_no_return"},
    ),
    "secure_storage_backup": ({"escrow": "/nowhere", "backup_password": PASSWORD}, {"backup", "reused"}),
    "secure_storage_restore": ({"escrow": "/nowhere", "backup_password": PASSWORD}, {"backup", "key", "warnings"}),
    "sql_server_services": ({}, {"services"}),
    "support_tools": ({}, {"install_directory", "media", "copied", "removed"}),
}


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(winrs, "time", clock)
    monkeypatch.setattr(action_base, "time", clock)
    return clock


def no_secret(result: dict[str, Any]) -> None:
    for text in texts(result):
        for secret in (PASSWORD, PASSPHRASE, KEY_FILE.decode()):
            assert secret not in text


# --- every action -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("check_mode", [False, True])
@pytest.mark.parametrize("name", ACTIONS)
def test_a_failure_has_the_whole_result_and_one_sentence(clock: Clock, name: str, check_mode: bool) -> None:
    arguments, keys = ACTIONS[name]
    recorded = RecordedServer(clock)
    recorded.protocol.start_error = fault(5, "Access is denied.")
    connection = Connection(recorded)
    result = run(name, connection, check_mode, **arguments)
    assert keys | {"changed", "failed", "msg", "started_at", "elapsed_seconds"} <= result.keys()
    assert (result["changed"], result["failed"]) == (False, True)
    assert result["msg"].startswith("hydra: ")
    assert (
        "Access is denied. (ERROR_ACCESS_DENIED 5). Use an account that is a local administrator of this server."
        in result["msg"]
    )
    assert connection.closed_shells == ["shell-1"]
    no_secret(result)


@pytest.mark.parametrize("name", ACTIONS)
def test_a_server_that_does_not_answer_is_unreachable_and_not_failed(name: str) -> None:
    if name == "rms_promotion":
        result = run(name, Connection(None, UNREACHABLE), **ACTIONS[name][0])
        assert result["msg"] == (
            "hydra: promote this server to the RMS: the server does not answer: [Errno 111] Connection refused. Make sure that it answers, then rerun."
        )
        return
    with pytest.raises(AnsibleConnectionFailure):
        run(name, Connection(None, UNREACHABLE), **ACTIONS[name][0])


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        (None, None),
        ([], ["HYDRA"]),
        (["deathsting.odyssey.com", "10.0.0.7", 'x" & format'], ["DEATHSTING", "HYDRA"]),
    ],
)
def test_management_server_info_lists_names_of_computers_that_can_have_some(
    clock: Clock, given: list[str] | None, asked: list[str] | None
) -> None:
    recorded = RecordedServer(clock, spns={"%COMPUTERNAME%": []})
    options = {} if given is None else {"principal_names_of": given}
    names = run("management_server_info", Connection(recorded), **options)["server"]["principal_names"]
    assert (names and sorted(names)) == asked
    assert recorded.ran("setspn") == (asked is not None)
    assert not recorded.ran("format")


def test_management_server_info_can_report_it_instead() -> None:
    result = run("management_server_info", Connection(None, UNREACHABLE), report_unreachable=True)
    assert (result["reachable"], result["problem"], result["server"]) == (
        False,
        "the server does not answer: [Errno 111] Connection refused",
        None,
    )
    assert not result.get("failed")


@pytest.mark.parametrize("name", ACTIONS)
@pytest.mark.parametrize("check_mode", [False, True])
def test_arguments_are_validated_before_anything_is_opened(name: str, check_mode: bool) -> None:
    connection = Connection(None, AssertionError("was opened"))
    with pytest.raises(AnsibleActionFail, match=r"Unsupported parameters.*no_such_option"):
        run(name, connection, check_mode, no_such_option=1, **ACTIONS[name][0])


@pytest.mark.parametrize("name", ACTIONS)
def test_only_winrm_can_hold_a_conversation(name: str) -> None:
    connection = Connection(None, transport="psrp")
    result = run(name, connection, **ACTIONS[name][0])
    assert result["failed"]
    assert result["msg"].endswith(
        "the connection plugin is psrp, which cannot hold a conversation with a console program. Set ansible_connection to winrm for this host."
    )


@pytest.mark.parametrize(
    ("name", "option"),
    [("rms_promotion", "promotion_prompt"), ("rms_demotion", "demotion_prompt"), ("secure_storage_backup", "confirmation_prompt"),
     ("secure_storage_restore", "failure_pattern")],
)  # fmt: skip
def test_a_pattern_that_is_none_is_refused_at_once(name: str, option: str) -> None:
    arguments: dict[str, Any] = {**ACTIONS[name][0], option: "(Y/N"}
    result = run(name, Connection(None, AssertionError("was opened")), **arguments)
    assert f"{option} is not a regular expression" in result["msg"]


@pytest.mark.parametrize("name", ["secure_storage_backup", "secure_storage_restore"])
def test_a_password_that_the_tool_would_refuse_is_refused_here(name: str) -> None:
    result = run(name, Connection(None, AssertionError("was opened")), escrow="/nowhere", backup_password="short")
    assert "the backup password has 5 characters, and SecureStorageBackup takes at least 8" in result["msg"]


# --- rms_promotion ----------------------------------------------------------------------------------------------------


def promotable(clock: Clock, script: Script, **changes: Any) -> RecordedServer:
    recorded = RecordedServer(clock, is_rms=False, scripts={"PromoteRMS": script}, **changes)
    promoted = Happens(lambda: setattr(recorded, "is_rms", True))
    recorded.scripts["PromoteRMS"] = [
        each for step in script for each in ([promoted, step] if isinstance(step, Ends) else [step])
    ]
    return recorded


def test_promotion(clock: Clock) -> None:
    connection = Connection(promotable(clock, [WARNING, Hears(b"Y\r"), Ends(0, b"Promoted.")]))
    result = run("rms_promotion", connection, existing_rms_clustered=False)
    assert {name: result[name] for name in ("changed", "is_rms", "past_point_of_no_return", "command")} == {
        "changed": True,
        "is_rms": True,
        "past_point_of_no_return": True,
        "command": "ManagementServerConfigTool.exe PromoteRMS /DeleteExistingRMS:true",
    }
    assert result["diff"]["after"] == "RMS: True\n"
    assert connection.closed_shells == ["shell-1"]


@pytest.mark.parametrize(
    ("after_the_answer", "found"),
    [
        ([Silence(5000)], "did not end within 1800 seconds"),
        ([Breaks(requests.exceptions.ConnectionError())], "ConnectionError: the connection to the server broke"),
        ([Breaks(ValueError("BadMICError"))], "ValueError: the connection to the server broke"),
        ([Breaks(fault(2150858843, "The shell was not found."))], "The shell was not found."),
    ],
    ids=["never ends", "connection lost", "an answer that cannot be unsealed", "shell gone"],
)
def test_past_the_point_of_no_return_nothing_is_called_undone(
    clock: Clock, after_the_answer: Script, found: str
) -> None:
    recorded = promotable(clock, [WARNING, Hears(b"Y\r"), *after_the_answer], promotion_running=[False, *[True] * 2000])
    connection = Connection(recorded)
    result = run("rms_promotion", connection, existing_rms_clustered=False)
    assert (result["failed"], result["changed"], result["past_point_of_no_return"]) == (True, True, True)
    assert found in result["msg"]
    assert "Done so far: the question was answered with Y." in result["msg"]
    assert "shell-1" not in [*connection.closed_shells, *recorded.protocol.closed], (
        "deleting the shell would kill the program in it"
    )
    assert not any(command.startswith("reg delete") for command in recorded.commands)


@pytest.mark.parametrize(
    "script",
    [
        [Silence(5000)],
        [b"No key.", Ends(1)],
        [Breaks(requests.exceptions.ConnectionError())],
        [b"Sure?", Silence(5000)],
    ],
)
def test_before_the_point_of_no_return_nothing_is_changed(clock: Clock, script: Script) -> None:
    recorded = promotable(clock, script)
    connection = Connection(recorded)
    result = run("rms_promotion", connection, existing_rms_clustered=False)
    assert (result["failed"], result["changed"], result["past_point_of_no_return"]) == (True, False, False)
    assert "diff" not in result
    assert connection.closed_shells == ["shell-1"]


def test_a_promotion_whose_connection_broke_is_looked_at_until_it_has_ended(clock: Clock) -> None:
    recorded = RecordedServer(clock, is_rms=False, promotion_running=[False, True, True])
    ends = Happens(lambda: vars(recorded).update(is_rms=True, ended_with="0"))
    lost = Breaks(requests.exceptions.ConnectionError())
    recorded.scripts["PromoteRMS"] = [WARNING, Hears(b"Y\r"), ends, lost]
    result = run("rms_promotion", Connection(recorded), existing_rms_clustered=False)
    assert (result.get("failed"), result["is_rms"], result["exit_code"], result["past_point_of_no_return"]) == (
        None,
        True,
        0,
        True,
    )
    assert sum("PromoteRMS" in command for command in recorded.commands) == 1


def test_promotion_without_effect_is_past_the_point_and_failed(clock: Clock) -> None:
    recorded = RecordedServer(
        clock,
        is_rms=False,
        scripts={"PromoteRMS": [WARNING, Hears(b"Y\r"), Ends(1, b"Error.")]},
    )
    result = run("rms_promotion", Connection(recorded), existing_rms_clustered=False)
    assert (result["failed"], result["past_point_of_no_return"], result["is_rms"]) == (True, True, False)
    assert "the registry does not call this server the RMS" in result["msg"]


def test_the_command_line_of_a_promotion_reads_back_whether_the_role_is_here(clock: Clock) -> None:
    recorded = RecordedServer(clock, is_rms=False)
    promoted = recorded._groups().replace("0x0", "0x1").encode()
    recorded.scripts["PromoteRMS"] = [WARNING, Hears(b"Y\r"), Ends(0, b"Done.", private=promoted)]
    result = run("rms_promotion", Connection(recorded), existing_rms_clustered=False)
    assert (result.get("failed", False), result["is_rms"]) == (False, True)
    assert "Server Management Groups" not in result["transcript"]
    tool = next(command for command in recorded.commands if "PromoteRMS" in command)
    assert "Server Management Groups" in tool.partition("PromoteRMS")[2]
    # The first look, the tool's own command line, and the look before the reply.
    assert len([command for command in recorded.commands if "Server Management Groups" in command]) == 3


def test_check_mode_predicts_a_promotion_and_changes_nothing(clock: Clock) -> None:
    recorded = promotable(clock, [Ends()])
    result = run("rms_promotion", Connection(recorded), check_mode=True, existing_rms_clustered=False)
    assert (result["changed"], result["past_point_of_no_return"], len(recorded.commands)) == (True, False, 1)


def test_the_rms_is_not_promoted_again(clock: Clock) -> None:
    recorded = RecordedServer(clock)
    assert run("rms_promotion", Connection(recorded), existing_rms_clustered=False)["changed"] is False
    assert len(recorded.commands) == 1


@pytest.mark.parametrize(("mark", "killed"), [("0x0", True), ("0x2", False), (None, False)])
def test_a_promotion_that_runs_already(clock: Clock, mark: str | None, killed: bool) -> None:
    recorded = promotable(clock, [WARNING, Hears(b"Y\r"), Ends()], promotion_running=[True, not killed], mark=mark)
    result = run("rms_promotion", Connection(recorded), existing_rms_clustered=False)
    assert result["is_rms"] is True
    assert recorded.ran("taskkill") is killed
    assert sum("PromoteRMS" in command for command in recorded.commands) == 1


@pytest.mark.parametrize("mark", ["0x0", "0x1", "0x2", "0x9"])
def test_never_a_second_one_without_proof_that_the_first_has_ended(clock: Clock, mark: str) -> None:
    """tasklist fails, or finds nothing under load."""
    recorded = promotable(clock, [WARNING, Hears(b"Y\r"), Ends()], promotion_running=[None] * 2000, mark=mark)
    result = run("rms_promotion", Connection(recorded), existing_rms_clustered=False)
    assert (result["failed"], recorded.ran("PromoteRMS"), recorded.ran("taskkill"), recorded.mark) == (
        True,
        False,
        False,
        mark,
    )


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        ({"existing_rms_clustered": True}, "Set delete_existing_rms to false."),
        ({}, "set existing_rms_clustered to false, or set delete_existing_rms to false."),
        ({"delete_existing_rms": True}, "set existing_rms_clustered to false, or set delete_existing_rms to false."),
    ],
)
@pytest.mark.parametrize("check_mode", [False, True])
def test_a_clustered_rms_is_never_deleted(check_mode: bool, arguments: dict[str, bool], advice: str) -> None:
    result = run("rms_promotion", Connection(None, AssertionError("was opened")), check_mode, **arguments)
    assert result["msg"].endswith(advice)


@pytest.mark.parametrize("check_mode", [False, True])
def test_a_node_of_a_cluster_deletes_no_rms_whatever_is_said(clock: Clock, check_mode: bool) -> None:
    recorded = promotable(clock, [Ends()], services={"ClusSvc": ("running", "auto")})
    result = run("rms_promotion", Connection(recorded), check_mode, existing_rms_clustered=False)
    assert "this server is a node of a cluster, which may be that of the RMS" in result["msg"]
    assert (result["past_point_of_no_return"], recorded.ran("PromoteRMS")) == (False, False)


@pytest.mark.parametrize("clustered", [None, False, True])
def test_nothing_needs_to_be_said_to_keep_the_existing_rms(clock: Clock, clustered: bool | None) -> None:
    recorded = promotable(clock, [WARNING, Hears(b"Y\r"), Ends()], services={"ClusSvc": ("running", "auto")})
    said = {} if clustered is None else {"existing_rms_clustered": clustered}
    result = run("rms_promotion", Connection(recorded), delete_existing_rms=False, **said)
    assert (result["is_rms"], result["command"]) == (
        True,
        "ManagementServerConfigTool.exe PromoteRMS /DeleteExistingRMS:false",
    )


# --- the key ----------------------------------------------------------------------------------------------------------


def back_up(
    clock: Clock, escrow: Path, check_mode: bool = False, **options: Any
) -> tuple[dict[str, Any], RecordedServer]:
    recorded = RecordedServer(clock, **options.pop("server", {}))
    recorded.backs_up(fetched(KEY_FILE))
    return run(
        "secure_storage_backup",
        Connection(recorded),
        check_mode,
        escrow=str(escrow),
        backup_password=PASSWORD,
        **options,
    ), recorded


def test_a_backup_is_made_once_and_then_reused(clock: Clock, tmp_path: Path) -> None:
    first, _recorded = back_up(clock, tmp_path, seal_passphrase=PASSPHRASE)
    assert (first["changed"], first["reused"], first["backup"]["seal"]) == (True, False, "ansible-vault")
    second, recorded = back_up(clock, tmp_path, seal_passphrase=PASSPHRASE)
    assert (second["changed"], second["reused"], second["backup"]) == (False, True, first["backup"])
    assert len(recorded.commands) == 1
    no_secret(first)
    no_secret(second)


@pytest.mark.parametrize(
    "options",
    [{"seal_passphrase": PASSPHRASE}, {"max_age": 0}, {"server": {"fingerprint": OTHER_FINGERPRINT}}, {"server": {"hashfile": False}},
     {"server": {"version": "6.0.6278.0"}}],
    ids=["another seal", "too old", "another key", "nobody knows which key", "another version"],
)  # fmt: skip
def test_a_backup_that_does_not_answer_for_this_key_is_not_reused(
    clock: Clock, tmp_path: Path, options: dict[str, Any]
) -> None:
    back_up(clock, tmp_path, server={"hashfile": options.get("server", {}).get("hashfile", True)})
    assert back_up(clock, tmp_path, **options)[0]["reused"] is False


def test_check_mode_predicts_a_backup(clock: Clock, tmp_path: Path) -> None:
    result, recorded = back_up(clock, tmp_path / "escrow", check_mode=True)
    assert (result["changed"], result["backup"]["sha256"], result["backup"]["server"], len(recorded.commands)) == (
        True,
        None,
        "HYDRA",
        1,
    )
    assert not (tmp_path / "escrow").exists()


def restore(
    clock: Clock, escrow: Path, effect: str | None, words: bytes = b"Done.", check_mode: bool = False, **server: Any
) -> dict[str, Any]:
    """Restore on a server whose key has the fingerprint `effect` afterwards."""
    recorded = RecordedServer(clock, is_rms=False, **{"fingerprint": None, **server})
    recorded.scripts["exe Restore"] = [
        ASK,
        Hears(PASSWORD.encode() + b"\r"),
        PASSWORD.encode(),
        Ends(0, b"\r\n" + words),
    ]
    recorded.effects["exe Restore"] = lambda: setattr(recorded, "fingerprint", effect)
    return run("secure_storage_restore", Connection(recorded), check_mode, escrow=str(escrow), backup_password=PASSWORD)


def test_a_restore_that_asks_twice_is_answered_twice(clock: Clock, tmp_path: Path) -> None:
    back_up(clock, tmp_path)
    recorded = RecordedServer(clock, is_rms=False, fingerprint=None)
    typed = Hears(PASSWORD.encode() + b"\r")
    recorded.scripts["exe Restore"] = [ASK, typed, b"\r\n" + AGAIN, typed, Ends(0, b"\r\nDone.")]
    recorded.effects["exe Restore"] = lambda: setattr(recorded, "fingerprint", FINGERPRINT)
    result = run("secure_storage_restore", Connection(recorded), escrow=str(tmp_path), backup_password=PASSWORD)
    assert (result["changed"], result["key"]["fingerprint"]) == (True, "sha256:" + FINGERPRINT)
    no_secret(result)


def test_a_restore_is_proved_by_the_registry(clock: Clock, tmp_path: Path) -> None:
    back_up(clock, tmp_path)
    result = restore(clock, tmp_path, FINGERPRINT, b"An error occurred.")
    assert (result["changed"], result["key"]) == (True, {"present": True, "fingerprint": "sha256:" + FINGERPRINT})
    assert result["diff"]["before"] == "key: absent\n"
    no_secret(result)


@pytest.mark.parametrize(
    ("before", "effect", "said", "found"),
    [
        (None, None, b"Done.", "there is still no key in the registry below HKLM"),
        (
            OTHER_FINGERPRINT,
            OTHER_FINGERPRINT,
            b"Done.",
            "the key in the registry is still another one: the password is wrong, or the tool failed",
        ),
        (None, OTHER_FINGERPRINT, b"An error occurred.", "it complained"),
    ],
)
def test_a_restore_that_failed_is_no_success(
    clock: Clock, tmp_path: Path, before: str | None, effect: str | None, said: bytes, found: str
) -> None:
    back_up(clock, tmp_path)
    result = restore(clock, tmp_path, effect, said, fingerprint=before)
    assert (result["failed"], result["changed"]) == (True, before != effect)
    assert found in result["msg"]
    assert "diff" not in result
    no_secret(result)


def test_other_bytes_in_the_registry_are_no_failure_but_a_warning(clock: Clock, tmp_path: Path) -> None:
    """That every server keeps the same bytes for the same key is only assumed."""
    back_up(clock, tmp_path)
    result = restore(clock, tmp_path, OTHER_FINGERPRINT, b"Done.", fingerprint=None)
    assert (result["changed"], result["key"]["fingerprint"]) == (True, "sha256:" + OTHER_FINGERPRINT)
    assert [warning.split(";")[0] for warning in result["warnings"]] == [
        "the tool restored a key, but the registry holds other bytes than on the server of the backup"
    ]


def restore_file(
    recorded: RecordedServer, effect: str, check_mode: bool = False, words: bytes = b"Done."
) -> dict[str, Any]:
    """Restore a key file that the server reaches itself; `effect` is the fingerprint that its key gives."""
    recorded.scripts["exe Restore"] = [
        ASK,
        Hears(PASSWORD.encode() + b"\r"),
        PASSWORD.encode(),
        Ends(0, b"\r\n" + words),
    ]
    recorded.effects["exe Restore"] = lambda: setattr(recorded, "fingerprint", effect)
    result = run(
        "secure_storage_restore", Connection(recorded), check_mode, path="C:\\key.bin", backup_password=PASSWORD
    )
    no_secret(result)
    return result


def test_a_file_that_was_restored_is_not_restored_again_unless_file_or_key_is_another(clock: Clock) -> None:
    recorded = RecordedServer(clock, is_rms=False, fingerprint=None)
    assert restore_file(recorded, FINGERPRINT, check_mode=True)["changed"] is True
    assert recorded.restored == {}
    assert restore_file(recorded, FINGERPRINT)["changed"] is True
    assert recorded.restored == {
        "KeyBefore": "absent",
        "RestoredFrom": "sha256:" + "f" * 64,
        "KeyAfter": "sha256:" + FINGERPRINT,
    }
    started = len(recorded.commands)
    assert [restore_file(recorded, FINGERPRINT, check_mode)["changed"] for check_mode in (True, False)] == [
        False,
        False,
    ]
    assert not any("exe Restore" in command for command in recorded.commands[started:])
    recorded.file_hash = "e" * 64
    assert restore_file(recorded, OTHER_FINGERPRINT)["changed"] is True
    recorded.fingerprint = FINGERPRINT
    assert restore_file(recorded, OTHER_FINGERPRINT)["changed"] is True


def test_a_restore_of_a_file_that_was_cut_off_is_finished_by_the_next_run(clock: Clock) -> None:
    recorded = RecordedServer(clock, is_rms=False, fingerprint=FINGERPRINT)
    recorded.restored = {"KeyBefore": "sha256:" + OTHER_FINGERPRINT, "RestoredFrom": "sha256:" + "f" * 64}
    assert restore_file(recorded, FINGERPRINT)["changed"] is False
    assert recorded.restored["KeyAfter"] == "sha256:" + FINGERPRINT


def test_a_restore_that_the_tool_complains_of_is_not_taken_for_done_by_the_next_run(clock: Clock) -> None:
    recorded = RecordedServer(clock, is_rms=False, fingerprint=FINGERPRINT)
    for key in (OTHER_FINGERPRINT, OTHER_FINGERPRINT):
        result = restore_file(recorded, key, words=b"An error occurred.")
        assert (result["failed"], "it complained" in result["msg"], recorded.restored) == (True, True, {})


def test_a_file_of_which_the_same_key_comes_is_not_proven_by_itself(clock: Clock) -> None:
    result = restore_file(RecordedServer(clock, is_rms=False, fingerprint=FINGERPRINT), FINGERPRINT)
    assert (result["failed"], "accept_unproven" in result["msg"]) == (True, True)


def test_a_backup_whose_key_has_other_bytes_here_is_not_restored_again(clock: Clock, tmp_path: Path) -> None:
    _backup, _recorded = back_up(clock, tmp_path)
    recorded = RecordedServer(clock, is_rms=False, fingerprint=None)
    recorded.scripts["exe Restore"] = [ASK, Hears(PASSWORD.encode() + b"\r"), PASSWORD.encode(), Ends(0, b"\r\nDone.")]
    recorded.effects["exe Restore"] = lambda: setattr(recorded, "fingerprint", OTHER_FINGERPRINT)
    changed = [
        run("secure_storage_restore", Connection(recorded), escrow=str(tmp_path), backup_password=PASSWORD)["changed"]
        for _time in range(2)
    ]
    assert changed == [True, False]


def test_a_key_that_is_there_is_not_restored_again(clock: Clock, tmp_path: Path) -> None:
    back_up(clock, tmp_path)
    assert restore(clock, tmp_path, OTHER_FINGERPRINT, fingerprint=FINGERPRINT)["changed"] is False


def test_check_mode_predicts_a_restore(clock: Clock, tmp_path: Path) -> None:
    back_up(clock, tmp_path)
    result = restore(clock, tmp_path, None, check_mode=True)
    assert (result["changed"], result["key"]["fingerprint"]) == (True, "sha256:" + FINGERPRINT)


# --- the others -------------------------------------------------------------------------------------------------------


ORDINARY = {"HealthService": "running, auto", "OMSDK": "stopped, disabled", "OMCFG": "stopped, disabled"}


def test_the_restart_of_the_health_service_demotes_and_the_tool_is_not_needed(clock: Clock) -> None:
    recorded = RecordedServer(clock, restart_demotes=True, tools=[])
    result = run("rms_demotion", Connection(recorded))
    assert (result["changed"], result["is_rms"], result["command"], result["warnings"]) == (True, False, None, [])
    assert result["services"] == ORDINARY
    assert not recorded.ran("UpdateDemotedRMS")
    # The first look, the services that stop, and the restart with what it has brought about; nobody is asked a question.
    assert len(recorded.commands) == 3
    assert not recorded.ran("set /p")
    again = run("rms_demotion", Connection(recorded))
    assert (again["changed"], again["diff"]["before"]) == (False, again["diff"]["after"])


def test_it_stops_to_act_as_the_rms_before_it_is_restarted(clock: Clock) -> None:
    recorded = RecordedServer(clock, restart_demotes=True)
    run("rms_demotion", Connection(recorded))
    orders = [command for command in recorded.commands if "sc stop" in command]
    assert "sc stop OMSDK" in orders[0]
    assert "HealthService" in orders[-1]


def test_the_tool_is_run_only_when_the_registry_still_says_rms(clock: Clock) -> None:
    recorded = RecordedServer(clock, scripts={"UpdateDemotedRMS": [Ends(0, b"Done.")]})
    recorded.effects["UpdateDemotedRMS"] = lambda: setattr(recorded, "is_rms", False)
    result = run("rms_demotion", Connection(recorded))
    assert (result["changed"], result["is_rms"], result["transcript"]) == (True, False, "Done.")
    tool = next(index for index, command in enumerate(recorded.commands) if "UpdateDemotedRMS" in command)
    assert recorded.commands[tool - 1].startswith("set /p"), "how it must be answered is found out first"
    assert (result["services"], result["warnings"]) == (ORDINARY, [])


def test_a_tool_that_is_missing_is_copied_from_the_media(clock: Clock) -> None:
    recorded = RecordedServer(
        clock, tools=[], media=["D:\\SupportTools"], scripts={"UpdateDemotedRMS": [Ends(0, b"Done.")]}
    )
    recorded.effects["UpdateDemotedRMS"] = lambda: setattr(recorded, "is_rms", False)
    result = run("rms_demotion", Connection(recorded))
    assert (result["copied"], result["is_rms"]) == ([CONFIG_TOOL], False)


@pytest.mark.parametrize(
    ("tools", "script", "hindrance"),
    [
        ([], [], "ManagementServerConfigTool.exe is not in"),
        (None, [Ends(1, b"The action is not known.")], None),
        (None, [b"Sind Sie sicher?", Silence(5000)], "Sind Sie sicher?"),
        (None, [Ends(0, b"Done.")], None),
    ],
    ids=["no tool", "no such verb", "another question", "no effect"],
)
def test_a_server_that_cannot_be_demoted_is_left_for_a_person_and_no_failure(
    clock: Clock, tools: list[str] | None, script: Script, hindrance: str | None
) -> None:
    recorded = RecordedServer(clock, scripts={"UpdateDemotedRMS": script})
    recorded.tools = recorded.tools if tools is None else tools
    result = run("rms_demotion", Connection(recorded))
    assert (result.get("failed", False), result["changed"], result["is_rms"]) == (False, True, True)
    assert result["services"] == ORDINARY
    [warning] = result["warnings"]
    assert "still calls this server the RMS" in warning
    assert hindrance is None or hindrance in warning


def test_a_demotion_in_check_mode(clock: Clock) -> None:
    recorded = RecordedServer(clock)
    result = run("rms_demotion", Connection(recorded), check_mode=True)
    assert result["changed"] is True
    assert (
        result["diff"]["after"]
        == "RMS: False\nHealthService: running, auto\nOMSDK: stopped, disabled\nOMCFG: stopped, disabled\n"
    )
    assert len(recorded.commands) == 1


def test_a_demotion_before_sp1_leaves_the_sdk_service_running(clock: Clock) -> None:
    recorded = RecordedServer(clock, version="6.0.5000.0", scripts={"UpdateDemotedRMS": [Ends(0, b"Done.")]})
    demoted = {**recorded.services, "OMSDK": ("stopped", "disabled")}
    recorded.effects["UpdateDemotedRMS"] = lambda: vars(recorded).update(is_rms=False, services=demoted)
    result = run("rms_demotion", Connection(recorded), sdk_service="running")
    assert result["services"] == {
        "HealthService": "running, auto",
        "OMSDK": "running, auto",
        "OMCFG": "stopped, disabled",
    }
    assert run("rms_demotion", Connection(recorded), sdk_service="running")["changed"] is False


RMS = "deathsting.odyssey.com"


def follower(clock: Clock, parent: str | None = "Hydra.Odyssey.com", **changes: Any) -> RecordedServer:
    """An ordinary management server, whose registry names the RMS when its Health Service starts."""
    recorded = RecordedServer(clock, is_rms=False, parent=parent, **changes)
    recorded.effects["sc start HealthService"] = lambda: setattr(recorded, "parent", RMS if parent else None)
    recorded.scripts["sc start HealthService"] = [Ends(0, b"")]
    return recorded


def test_a_management_server_that_reports_to_the_old_rms_restarts_its_health_service(clock: Clock) -> None:
    recorded = follower(clock)
    checked = run("management_server_rms", Connection(recorded), check_mode=True, rms=RMS)
    assert (checked["changed"], checked["restarted"], checked["reports_to"]) == (True, False, "Hydra.Odyssey.com")
    assert not recorded.ran("sc stop")


def test_the_restart_reads_back_whom_the_server_reports_to(clock: Clock) -> None:
    recorded = RecordedServer(clock, is_rms=False, parent_after_restart=RMS)
    result = run("management_server_rms", Connection(recorded), rms=RMS)
    assert (result["changed"], result["restarted"], result["reports_to"]) == (True, True, RMS)
    assert (result["services"], result["warnings"]) == ({"HealthService": "running, auto"}, [])
    assert len(recorded.commands) == 2


def test_a_server_that_still_reports_elsewhere_after_its_restart_is_looked_at_again(clock: Clock) -> None:
    recorded = RecordedServer(clock, is_rms=False)
    result = run("management_server_rms", Connection(recorded), rms=RMS, timeout=3)
    assert (result.get("failed", False), result["restarted"]) == (False, True)
    assert (result["reports_to"], len(result["warnings"])) == ("Hydra.Odyssey.com", 1)
    assert len(recorded.commands) > 3


@pytest.mark.parametrize(
    ("parent", "restart_unknown", "changed"), [("DEATHSTING", False, False), (None, False, False), (None, True, True)]
)
def test_one_that_is_not_known_to_report_elsewhere_is_left_alone_unless_told_to(
    clock: Clock, parent: str | None, restart_unknown: bool, changed: bool
) -> None:
    result = run(
        "management_server_rms",
        Connection(follower(clock, parent)),
        check_mode=True,
        rms=RMS,
        restart_unknown=restart_unknown,
    )
    assert result["changed"] is changed


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"is_rms": True}, "the registry of this server calls it the RMS itself. Demote it first"),
        (
            {"services": {"ClusSvc": ("running", "auto")}},
            "this is a cluster node, and HealthService belongs to its cluster",
        ),
        (
            {"services": {"HealthService": ("stopped", "disabled")}},
            "HealthService is disabled. Run `sc config HealthService start= auto`",
        ),
    ],
    ids=["the RMS", "a cluster node", "disabled"],
)
def test_a_health_service_that_is_not_to_be_restarted(clock: Clock, changes: dict[str, Any], message: str) -> None:
    recorded = RecordedServer(clock, **{"is_rms": False, **changes})
    result = run("management_server_rms", Connection(recorded), rms=RMS)
    assert (result["failed"], result["changed"]) == (True, False)
    assert message in result["msg"]
    assert not recorded.ran("sc stop")


@pytest.mark.parametrize("check_mode", [False, True])
def test_a_backup_that_is_none_is_refused(clock: Clock, tmp_path: Path, check_mode: bool) -> None:
    connection = Connection(RecordedServer(clock))
    result = run(
        "secure_storage_restore",
        connection,
        check_mode,
        escrow=str(tmp_path),
        backup_password=PASSWORD,
        backup={"file": "x"},
    )
    assert "the backup with SHA-256 None is not in" in result["msg"]


def test_support_tools_without_media(clock: Clock) -> None:
    result = run("support_tools", Connection(RecordedServer(clock, tools=[])))
    assert "SecureStorageBackup.exe, ManagementServerConfigTool.exe is missing in C:\\Program Files" in result["msg"]


def test_support_tools_are_copied_from_the_media(clock: Clock) -> None:
    recorded = RecordedServer(clock, tools=[], media=[r"D:\SupportTools\amd64"])
    recorded.scripts['copy /b /y "D:'] = [Ends()]
    recorded.effects['copy /b /y "D:'] = lambda: setattr(
        recorded, "tools", ["SecureStorageBackup.exe", "ManagementServerConfigTool.exe"]
    )
    result = run("support_tools", Connection(recorded))
    assert (result["changed"], result["copied"]) == (
        True,
        ["SecureStorageBackup.exe", "ManagementServerConfigTool.exe"],
    )


def test_services_are_changed_and_described(clock: Clock) -> None:
    recorded = RecordedServer(clock)
    result = run("management_services", Connection(recorded), sdk_service="stopped", health_service="running")
    assert result["services"] == {"HealthService": "running, auto", "OMSDK": "stopped, auto"}
    assert run("management_services", Connection(recorded), sdk_service="stopped")["changed"] is False


def test_services_in_check_mode(clock: Clock) -> None:
    recorded = RecordedServer(clock)
    result = run("management_services", Connection(recorded), check_mode=True, sdk_service="disabled")
    assert (result["changed"], result["diff"]["after"]) == (True, "OMSDK: stopped, disabled\n")
    assert len(recorded.commands) == 1


@pytest.mark.parametrize("name", ACTIONS)
def test_a_registry_value_that_is_no_number_is_one_sentence(clock: Clock, name: str) -> None:
    """Where it is looked at."""
    if name == "sql_server_services":
        return
    groups = f"{R}\\Server Management Groups\\ODYSSEY\r\n    IsRootHealthService    REG_SZ    yes\r\n"
    result = run(name, Connection(RecordedServer(clock, groups=groups)), **ACTIONS[name][0])
    assert (result["failed"], result["changed"]) == (True, False)
    assert "and not a number" in result["msg"]


# --- preflight_info ---------------------------------------------------------------------------------------------------


def test_preflight_info_knows_the_hosts_and_the_groups_of_the_inventory() -> None:
    known = {
        "groups": {"all": ["argus"], "opsmgr_reportng": ["argus"]},
        "hostvars": {"argus": {"ansible_connection": "ssh"}},
    }
    told = run(
        "preflight_info",
        Connection(None),
        task_vars=known,
        windows_hosts=["argus", "nobody", "argus"],
    )
    assert told["changed"] is False
    misspelt, connection = told["problems"]
    assert misspelt.startswith("controller: preflight: The inventory has the group opsmgr_reportng")
    assert connection.startswith("argus: preflight: the connection plugin is ssh")
    assert run("preflight_info", Connection(None), task_vars=known, groups=["opsmgr_rms"])["problems"] == []
