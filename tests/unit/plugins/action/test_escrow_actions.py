# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The escrow as tasks see it: sealed for certificates, generations kept, opened with a private key, verified, and each
RMS covered or named.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail
from unit.plugins.action.bench import Connection, run, texts
from unit.plugins.plugin_utils.doubles import Clock, Ends, Hears
from unit.plugins.plugin_utils.officers import Officer, hire, make_certificate, pem, rsa_key
from unit.plugins.plugin_utils.recorded_server import ASK, FINGERPRINT, PASSWORD, RecordedServer, fetched
from unit.plugins.plugin_utils.recorded_server import KEY as KEY_FILE

from ansible_collections.opsmgr.recovery.plugins.module_utils.versions import R2, SP1, ServerVersion
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.actions import windows as action_base
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow import store as escrow_module
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.key_escrow import open_escrow, seal_for_writing
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.store import BackupOrigin, Entry
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs import shell as winrs

PASSPHRASE = "seal it well & twice"
KEY_PASSPHRASE = "only Ben knows this"


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(winrs, "time", clock)
    monkeypatch.setattr(action_base, "time", clock)
    return clock


@pytest.fixture
def officers(tmp_path: Path) -> list[Officer]:
    return [hire(tmp_path, "anna"), hire(tmp_path, "ben", KEY_PASSPHRASE)]


@pytest.fixture
def escrow(tmp_path: Path) -> Path:
    return tmp_path / "escrow"


def certificates(officers: list[Officer]) -> list[str]:
    return [str(officer.certificate) for officer in officers]


def no_secret(result: dict[str, Any]) -> dict[str, Any]:
    secrets = (PASSWORD, PASSPHRASE, KEY_PASSPHRASE, KEY_FILE.decode(), "PRIVATE KEY")
    assert not any(secret in text for text in texts(result) for secret in secrets)
    return result


def back_up(clock: Clock, escrow: Path, check_mode: bool = False, **options: Any) -> dict[str, Any]:
    recorded = RecordedServer(clock)
    recorded.backs_up(fetched(KEY_FILE))
    return no_secret(
        run(
            "secure_storage_backup",
            Connection(recorded),
            check_mode,
            escrow=str(escrow),
            backup_password=PASSWORD,
            **options,
        )
    )


def restore(clock: Clock, escrow: Path, **options: Any) -> dict[str, Any]:
    recorded = RecordedServer(clock, is_rms=False, fingerprint=None)
    recorded.scripts["exe Restore"] = [ASK, Hears(PASSWORD.encode() + b"\r"), PASSWORD.encode(), Ends(0, b"\r\nDone.")]
    recorded.effects["exe Restore"] = lambda: setattr(recorded, "fingerprint", FINGERPRINT)
    return no_secret(
        run("secure_storage_restore", Connection(recorded), escrow=str(escrow), backup_password=PASSWORD, **options)
    )


def keep(
    escrow: Path, hours: float, seal_passphrase: str | None = None, officers: list[Officer] | None = None, **origin: Any
) -> Entry:
    """A backup of so many hours ago."""
    usual = {
        "management_group": "ODYSSEY",
        "server": "HYDRA",
        "server_version": R2,
        "key_fingerprint": "sha256:" + FINGERPRINT,
        "inventory_host": "hydra",
    }
    described = {**usual, **origin}
    taken_at = datetime.now(timezone.utc) - timedelta(hours=hours)
    seal = seal_for_writing(seal_passphrase, None if officers is None else certificates(officers))
    return open_escrow(str(escrow)).store(KEY_FILE + b"%f" % hours, BackupOrigin(taken_at=taken_at, **described), seal)


def paths(escrow: Path) -> list[str]:
    return [entry.path for entry in open_escrow(str(escrow)).entries().entries]


# --- secure_storage_backup --------------------------------------------------------------------------------------------


def test_sealed_for_certificates_once_and_then_reused(clock: Clock, escrow: Path, officers: list[Officer]) -> None:
    first = back_up(clock, escrow, seal_certificates=certificates(officers))
    assert (first["changed"], first["reused"], first["backup"]["seal"]) == (True, False, "cms")
    assert [recipient["subject"] for recipient in first["backup"]["recipients"]] == [
        "O=Odyssey,CN=anna",
        "O=Odyssey,CN=ben",
    ]
    second = back_up(clock, escrow, seal_certificates=certificates(officers[::-1]))
    assert (second["changed"], second["reused"], second["backup"]) == (False, True, first["backup"])


def test_check_mode_says_for_whom_it_would_be_sealed(clock: Clock, escrow: Path, officers: list[Officer]) -> None:
    result = back_up(clock, escrow, check_mode=True, seal_certificates=certificates(officers), keep=1)
    assert (result["changed"], result["backup"]["seal"], len(result["backup"]["recipients"]), result["removed"]) == (
        True,
        "cms",
        2,
        [],
    )
    assert set(result["backup"]) == set(back_up(clock, escrow, seal_certificates=certificates(officers))["backup"])


def damage(path: str) -> None:
    os.truncate(path, os.path.getsize(path) - 1)


def test_a_backup_for_other_officers_or_a_damaged_one_is_not_reused(
    clock: Clock, escrow: Path, officers: list[Officer]
) -> None:
    first = back_up(clock, escrow, seal_certificates=certificates(officers[:1]))
    second = back_up(clock, escrow, seal_certificates=certificates(officers))
    assert (second["reused"], second["backup"]["file"] != first["backup"]["file"]) == (False, True)
    damage(second["backup"]["file"])
    assert back_up(clock, escrow, seal_certificates=certificates(officers))["reused"] is False


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"seal_certificates": [pem(make_certificate("anna", rsa_key("anna"), first_day=-9, last_day=-2))]},
            "is refused: it expired at",
        ),
        ({"seal_certificates": ["/nowhere/anna.pem"]}, "/nowhere/anna.pem: No such file or directory"),
        ({"seal_certificates": []}, "seal_certificates is empty"),
        ({"keep": -1}, "the option keep cannot be used: it must be at least 0"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_opened(
    escrow: Path, options: dict[str, Any], message: str
) -> None:
    connection = Connection(None, AssertionError("was opened"))
    result = run("secure_storage_backup", connection, escrow=str(escrow), backup_password=PASSWORD, **options)
    assert result["failed"]
    assert message in result["msg"]
    assert not escrow.exists()


def test_there_is_one_kind_of_seal(escrow: Path, officers: list[Officer]) -> None:
    options = {"seal_passphrase": PASSPHRASE, "seal_certificates": certificates(officers)}
    with pytest.raises(AnsibleActionFail, match=r"mutually exclusive: seal_passphrase\|seal_certificates"):
        run(
            "secure_storage_backup",
            Connection(None, AssertionError("was opened")),
            escrow=str(escrow),
            backup_password=PASSWORD,
            **options,
        )


def test_older_generations_go_when_the_new_one_is_there(clock: Clock, escrow: Path, officers: list[Officer]) -> None:
    old = [keep(escrow, hours).path for hours in (100, 75, 50)]
    other = keep(escrow, 99, server="DEATHSTING").path
    seal = {"seal_certificates": certificates(officers)}
    predicted = back_up(clock, escrow, check_mode=True, keep=2, **seal)
    assert predicted["removed"] == [old[1], old[0]]
    assert len(paths(escrow)) == 4
    done = back_up(clock, escrow, keep=2, **seal)
    assert (done["changed"], done["removed"]) == (True, predicted["removed"])
    assert set(paths(escrow)) == {done["backup"]["file"], old[2], other}
    again = back_up(clock, escrow, keep=2, **seal)
    assert (again["changed"], again["reused"], again["removed"]) == (False, True, [])
    fewer = back_up(clock, escrow, keep=1, **seal)
    assert (fewer["changed"], fewer["reused"], fewer["removed"]) == (True, True, [old[2]])
    assert set(paths(escrow)) == {done["backup"]["file"], other}


def test_a_backup_that_could_not_be_stored_costs_no_older_one(
    clock: Clock, escrow: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = [keep(escrow, hours).path for hours in (50, 75)]
    (escrow / "ODYSSEY").rename(escrow / "aside")
    (escrow / "ODYSSEY").symlink_to("aside")
    result = back_up(clock, escrow, keep=1, max_age=0)
    assert (result["failed"], result["changed"], result["removed"], result["backup"]) == (True, False, [], None)
    assert "ODYSSEY: is a symbolic link" in result["msg"]
    (escrow / "ODYSSEY").unlink()
    (escrow / "aside").rename(escrow / "ODYSSEY")
    assert paths(escrow) == old


def test_a_full_disk_costs_no_older_one(clock: Clock, escrow: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = keep(escrow, 50).path

    def fsync(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        result = back_up(clock, escrow, keep=1, max_age=0)
    assert "No space left on device. Free space on that file system" in result["msg"]
    assert paths(escrow) == [old]
    assert len([path for path in escrow.rglob("*") if path.is_file()]) == 2


def test_an_older_one_that_cannot_be_removed_is_told_with_the_new_one(
    clock: Clock, escrow: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(escrow, 50)

    def remove(escrow: object, entry: Entry) -> None:
        raise escrow_module.EscrowError("remove", "Permission denied", "Fix that")

    monkeypatch.setattr(escrow_module.Escrow, "remove", remove)
    result = back_up(clock, escrow, keep=1, max_age=0)
    assert (result["failed"], result["changed"], result["removed"]) == (True, True, [])
    assert result["backup"]["file"] in paths(escrow)


# --- A hostile server, and what somebody put into the escrow ---


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (
            {"management_group": "ILIAD"},
            "the server says that it belongs to management group ODYSSEY, and the inventory that it belongs to ILIAD",
        ),
        ({"computer_names": ["argo"]}, "the server calls itself HYDRA, and the inventory calls it argo"),
    ],
)
def test_a_server_that_says_that_it_is_another_one_costs_no_backup(
    clock: Clock, escrow: Path, options: dict[str, Any], found: str
) -> None:
    genuine = [keep(escrow, hours).path for hours in (10, 20, 30)]
    result = back_up(clock, escrow, keep=1, max_age=0, **options)
    assert (result["failed"], result["changed"], result["removed"], result["backup"]) == (True, False, [], None)
    assert found in result["msg"]
    assert paths(escrow) == genuine


def test_backups_made_for_another_host_of_the_inventory_stay(clock: Clock, escrow: Path) -> None:
    genuine = [keep(escrow, hours, inventory_host="argo").path for hours in (10, 20, 30)]
    result = back_up(clock, escrow, keep=1, max_age=0)
    assert (result["removed"], result["backup"]["inventory_host"]) == ([], "hydra")
    assert set(genuine) < set(paths(escrow))


@pytest.mark.parametrize("check_mode", [False, True])
def test_a_backup_dated_in_the_future_is_not_fresh_and_pushes_none_out(
    clock: Clock, escrow: Path, check_mode: bool
) -> None:
    genuine, planted = keep(escrow, 30).path, keep(escrow, -0.01).path
    result = back_up(clock, escrow, check_mode, keep=2)
    assert (result["reused"], result["changed"], result["removed"]) == (False, True, [])
    assert {genuine, planted} <= set(paths(escrow))


def test_a_backup_that_the_job_did_not_sign_is_not_fresh_and_is_reported(
    clock: Clock, escrow: Path, tmp_path: Path
) -> None:
    """Whoever may write in the escrow knows the certificates of the officers, and the fingerprint of the key from the
    other manifests.
    """
    job = hire(tmp_path, "job", PASSPHRASE)
    signing = {
        "signing_key": str(job.private_key),
        "signing_key_passphrase": PASSPHRASE,
        "signing_certificate": str(job.certificate),
    }
    genuine = back_up(clock, escrow, **signing)
    assert back_up(clock, escrow, **signing)["backup"] == genuine["backup"]
    planted = keep(escrow, 0)
    after = back_up(clock, escrow, keep=1, max_age=0.001, **signing)
    assert (after["reused"], planted.path in after["removed"]) == (True, False)
    trust = {"trusted_signers": [str(job.certificate)]}
    known = info(escrow, look(), **trust)
    assert [backup["file"] for backup in known["backups"]] == [genuine["backup"]["file"]]
    assert [problem["path"] for problem in known["unusable"]] == [planted.manifest_path]
    assert planted.manifest_path in known["problems"][0]
    restored = restore(clock, escrow, **trust)
    assert restored["backup"]["file"] == genuine["backup"]["file"]
    refused = restore(clock, escrow, backup={"management_group": "ODYSSEY", "sha256": planted.sha256}, **trust)
    assert (refused["failed"], refused["changed"]) == (True, False)


def test_a_signing_key_that_does_not_fit_is_refused_before_anything_is_opened(
    escrow: Path, officers: list[Officer]
) -> None:
    options = {"signing_key": str(officers[0].private_key), "signing_certificate": str(officers[1].certificate)}
    result = run(
        "secure_storage_backup",
        Connection(None, AssertionError("was opened")),
        escrow=str(escrow),
        backup_password=PASSWORD,
        **options,
    )
    assert (result["failed"], "is not the private key of O=Odyssey,CN=ben" in result["msg"]) == (True, True)


# --- secure_storage_restore and rms_failover_plan ---------------------------------------------------------------------


def test_what_was_sealed_for_certificates_is_restored_with_a_private_key(
    clock: Clock, escrow: Path, officers: list[Officer]
) -> None:
    back_up(clock, escrow, seal_certificates=certificates(officers))
    result = restore(
        clock, escrow, seal_private_key=str(officers[1].private_key), seal_private_key_passphrase=KEY_PASSPHRASE
    )
    assert (result.get("msg"), result["changed"], result["key"]["fingerprint"]) == (None, True, "sha256:" + FINGERPRINT)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "is sealed for O=Odyssey,CN=anna; O=Odyssey,CN=ben and no private key was given. Give seal_private_key"),
        ({"seal_private_key": "stranger.key"}, "the private key is of none of those it was sealed for"),
        ({"seal_private_key": "ben.key"}, "ben.key is encrypted and no passphrase was given"),
        ({"seal_private_key": "ben.key", "seal_private_key_passphrase": "wrong"}, "or the passphrase is wrong"),
        ({"seal_private_key": "nowhere.key"}, "nowhere.key: No such file or directory"),
    ],
)
def test_what_does_not_open_is_not_restored(
    clock: Clock, escrow: Path, officers: list[Officer], tmp_path: Path, options: dict[str, str], message: str
) -> None:
    back_up(clock, escrow, seal_certificates=certificates(officers))
    hire(tmp_path, "stranger")
    given = {name: str(tmp_path / value) if name == "seal_private_key" else value for name, value in options.items()}
    result = restore(clock, escrow, **given)
    assert (result["failed"], result["changed"]) == (True, False)
    assert message in result["msg"]


# --- key_backup_summary -----------------------------------------------------------------------------------------------


def summary(escrow: Path, hostvars: dict[str, Any], **options: Any) -> dict[str, Any]:
    arguments = {"escrow": str(escrow), "hosts": list(hostvars), "backup_variable": "tried", **options}
    return run(
        "key_backup_summary",
        Connection(None, error=AssertionError("no server is asked")),
        task_vars={"hostvars": hostvars},
        **arguments,
    )


def test_a_fleet_is_summed_up_from_what_its_hosts_registered(clock: Clock, escrow: Path) -> None:
    made = {**back_up(clock, escrow), "item": "hydra"}
    hosts = {
        "hydra": {"tried": made, "opsmgr_management_group": "ODYSSEY"},
        "argo": {"tried": {"unreachable": True, "msg": "timed out"}},
    }
    found = summary(escrow, hosts)
    assert list(found["problems"]) == ["argo"]
    assert [row["host"] for row in found["summary"]["hosts"]] == ["argo", "hydra"]
    assert found["lines"][0].startswith("1 of 2 RMS have a fresh backup of their key that fits; 1 failed.")
    assert [row["outcome"] for row in found["summary"]["hosts"]] == ["failed", "made"]


def test_a_host_that_registered_nothing_is_one_sentence(escrow: Path) -> None:
    found = summary(escrow, {"hydra": {"tried": {"skipped": True, "changed": False}}})
    assert found["failed"]
    assert found["msg"].startswith(
        "controller: sum up the key backups: hydra has no result in tried. Register a task with secure_storage_backup"
    )


# --- key_escrow_info --------------------------------------------------------------------------------------------------


def info(escrow: Path, *servers: dict[str, Any], **options: Any) -> dict[str, Any]:
    connection = Connection(None, AssertionError("was opened"), transport="local")
    return no_secret(
        run("key_escrow_info", connection, check_mode=True, escrow=str(escrow), servers=list(servers), **options)
    )


def look(host: str = "hydra", group: str = "ODYSSEY", version: ServerVersion = R2, **server: Any) -> dict[str, Any]:
    """A result of management_server_info in a loop."""
    key = {"present": True, "fingerprint": "sha256:" + FINGERPRINT}
    return {
        "item": host,
        "server": {
            "computer_name": host.upper(),
            "management_group": group,
            "version": str(version),
            "is_rms": True,
            "key": key,
            **server,
        },
    }


def test_a_fleet_with_a_good_backup_each(escrow: Path, officers: list[Officer]) -> None:
    keep(escrow, 1, officers=officers)
    keep(escrow, 2, management_group="ILIAD", server="AJAX")
    result = info(escrow, look(), look("ajax", "ILIAD"))
    assert (result["problems"], result["warnings"], result["unusable"], result["changed"]) == ([], [], [], False)
    assert [(server["host"], server["covered"], server["backup"]["verified"]) for server in result["servers"]] == [
        ("hydra", True, "intact"),
        ("ajax", True, "opened"),
    ]
    assert [(backup["server"], backup["age_hours"]) for backup in result["backups"]] == [("HYDRA", 1.0), ("AJAX", 2.0)]


def test_every_rms_without_one_is_named(escrow: Path) -> None:
    keep(escrow, 1, server_version=SP1)
    keep(escrow, 100, management_group="ILIAD", server="AJAX")
    unreachable = {
        "item": "circe",
        "server": None,
        "reachable": False,
        "problem": "the server does not answer: timed out",
    }
    result = info(escrow, look(), look("ajax", "ILIAD"), look("aeneas", "AENEID"), unreachable)
    assert [server["covered"] for server in result["servers"]] == [False] * 4
    assert result["warnings"] == result["problems"]
    assert [problem.split(": ")[0] for problem in result["problems"]] == ["hydra", "ajax", "aeneas", "circe"]
    for problem, words in zip(
        result["problems"],
        ("WORTHLESS after the upgrade", "too old", "no backup of management group AENEID", "timed out"),
        strict=True,
    ):
        assert words in problem


def test_max_age_is_what_fresh_means(escrow: Path) -> None:
    keep(escrow, 100)
    assert info(escrow, look(), max_age=101)["problems"] == []


def test_with_a_private_key_every_backup_is_opened(escrow: Path, officers: list[Officer]) -> None:
    keep(escrow, 1, officers=officers)
    keep(escrow, 2, PASSPHRASE)
    given = {"seal_private_key": str(officers[1].private_key), "seal_private_key_passphrase": KEY_PASSPHRASE}
    assert [backup["verified"] for backup in info(escrow, **given)["backups"]] == ["opened", "intact"]
    assert [backup["verified"] for backup in info(escrow, seal_passphrase=PASSPHRASE, **given)["backups"]] == [
        "opened",
        "opened",
    ]


def test_damage_and_what_else_lies_there_is_a_problem(escrow: Path, officers: list[Officer]) -> None:
    damage(keep(escrow, 1, officers=officers).path)
    cut_off = keep(escrow, 2)
    os.remove(cut_off.manifest_path)
    result = info(escrow, look())
    assert (result["backups"][0]["verified"], result["servers"][0]["covered"]) == ("faulty", False)
    assert [unusable["path"] for unusable in result["unusable"]] == [cut_off.path]
    assert [problem.split(":")[0] for problem in result["problems"]] == ["hydra", "controller", "controller"]
    assert "another SHA-256" in result["problems"][1]
    assert "was cut off" in result["problems"][2]


def test_an_escrow_that_does_not_exist_holds_nothing(escrow: Path) -> None:
    result = info(escrow, look())
    assert (result["backups"], len(result["problems"])) == ([], 1)
    assert not escrow.exists()


@pytest.mark.parametrize("options", [{"seal_private_key": "/nowhere/anna.key"}, {"seal_passphrase": " blank "}])
def test_a_means_that_is_none(escrow: Path, options: dict[str, Any]) -> None:
    keep(escrow, 1, PASSPHRASE)
    result = info(escrow, **options)
    assert (
        result.get("msg", "").startswith("controller: read the private key: /nowhere/anna.key")
        or "begins or ends with white space" in result["problems"][0]
    )


def test_servers_that_are_no_looks_are_refused_in_one_sentence(escrow: Path) -> None:
    result = info(escrow, {"name": "hydra"})
    assert result["failed"]
    assert (
        "an element of servers has no 'item', and so is not a result of a loop with management_server_info. Register a loop"
        in result["msg"]
    )


def test_a_file_in_the_place_of_the_escrow_is_one_sentence(escrow: Path) -> None:
    escrow.write_text("")
    result = info(escrow)
    assert (result["failed"], result["msg"].split(".")[0]) == (
        True,
        f"controller: read the escrow: {escrow}: Not a directory",
    )


# --- A restore on a server that cannot hash, in a language that nobody here knows ---


@pytest.mark.parametrize(
    ("compared", "options", "proven"),
    [
        ("[key same]", {}, False),
        ("[key other]", {}, True),
        ("", {}, False),
        ("[key same]", {"accept_unproven": True}, True),
    ],
    ids=["the same key as before", "another key than before", "not compared", "accepted"],
)
@pytest.mark.parametrize("words", ["パスワードが正しくありません。", "Das Kennwort ist falsch."])
def test_a_restore_that_nothing_proves_is_a_failure(
    clock: Clock, escrow: Path, words: str, compared: str, options: dict[str, Any], proven: bool
) -> None:
    """It ends with 0 and in another language, with the key that was there before: either that is the right one, or the tool
    refused.
    """
    keep(escrow, 1)
    recorded = RecordedServer(clock, is_rms=False, hashfile=False, windows_2003=True, arrives=KEY_FILE + b"%f" % 1)
    said = f"\r\n{words}".encode()
    recorded.scripts["exe Restore"] = [
        ASK,
        Hears(PASSWORD.encode() + b"\r"),
        PASSWORD.encode(),
        Ends(0, said, private=compared.encode()),
    ]
    result = no_secret(
        run("secure_storage_restore", Connection(recorded), escrow=str(escrow), backup_password=PASSWORD, **options)
    )
    assert (not result.get("failed"), "nothing proves" in result.get("msg", "")) == (proven, not proven), result.get(
        "msg"
    )
    assert recorded.ran('for /f "tokens=2*" %a in (')
