# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place that pins wording: messages that people read at night, each made by the real function.

proof_sheet.txt beside this file has their exact texts in the order of the runbook, to be read from top to bottom as a
proof. A message that was reworded on purpose is changed there by hand. All other tests compare fields and values
(tests/messages.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleConnectionFailure
from unit.plugins.action import test_actions as actions
from unit.plugins.action.bench import Connection, run
from unit.plugins.action.test_rms_failover_record import run_record
from unit.plugins.module_utils import test_broker as broker_tests
from unit.plugins.module_utils.test_broker import CLOSED, OFF, SDK
from unit.plugins.module_utils.test_group_lock import NOW, OUR, lock
from unit.plugins.module_utils.test_management_group_agreement import SITUATIONS
from unit.plugins.plugin_utils import test_clustered_restore as clustered
from unit.plugins.plugin_utils import test_failover as failover
from unit.plugins.plugin_utils import test_failover_verdict as verdict
from unit.plugins.plugin_utils import test_new_key as new_key
from unit.plugins.plugin_utils import test_runbook_text as view
from unit.plugins.plugin_utils.doubles import Clock, fault
from unit.plugins.plugin_utils.recorded_server import RecordedServer
from unit.plugins.plugin_utils.test_key_backup_summary import BACKUP, MADE, SILENT, attempt, row
from unit.plugins.plugin_utils.test_service_states import change as change_services
from unit.plugins.plugin_utils.told_failover import cut_off, planned, result, seen, told

from ansible_collections.opsmgr.recovery.plugins.module_utils import group_lock
from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.module_utils.management_group_agreement import compare, read_views
from ansible_collections.opsmgr.recovery.plugins.module_utils.sqlserver import SqlError
from ansible_collections.opsmgr.recovery.plugins.module_utils.versions import ServerVersion
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.actions import windows as action_base
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.key_escrow import (
    fitting_backup,
    open_escrow,
    seal_for_writing,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.store import BackupOrigin
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.server_identity import Expected, require_expected
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.failover_verdict import find, message
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.key_backup import rms_of_database
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.plans.key_backup_summary import Fleet
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.runbook import book
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.runbook.text import (
    Line,
    interrupted_lines,
    plan_lines,
    point_lines,
    recap_lines,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs import shell as winrs

SHEET = Path(__file__).with_name("proof_sheet.txt")
PASSWORD_REJECTED = AnsibleConnectionFailure("ntlm: the specified credentials were rejected by the server")
CLOCKS_DIFFER = AnsibleConnectionFailure("kerberos: Clock skew too great")
ESCROW = "/srv/key_escrow"

# A fixture of theirs, by a name that says here what it is.
sql_server_double = broker_tests.server


@dataclass
class Scene:
    """What a case may need: a clock that nobody waits for, a directory, a SQL Server of a few lines."""

    clock: Clock
    directory: Path
    sql: broker_tests.Server


Case = Callable[[Scene], str | Sequence[str]]


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, sql_server_double: broker_tests.Server) -> Scene:
    clock = Clock()
    monkeypatch.setattr(winrs, "time", clock)
    monkeypatch.setattr(action_base, "time", clock)
    return Scene(clock, tmp_path, sql_server_double)


def sentence_of(host: str, work: Callable[[], object]) -> str:
    """The message of what this raises."""
    with pytest.raises(OpsmgrError) as caught:
        work()
    return caught.value.sentence(host)


def texts(lines: Sequence[Line]) -> list[str]:
    return [line.text.strip() for line in lines if line.text]


def action(name: str, connection: Connection, **more: Any) -> str:
    """The message of an action that fails."""
    arguments = {**actions.ACTIONS[name][0], **more}
    return str(run(name, connection, **arguments)["msg"])


def in_failover(name: str) -> Case:
    """The problems of the plan for a situation of test_failover's table."""
    return lambda _scene: failover.decide(failover.healthy(), *failover.TABLE[name][0]).problems


def in_cluster(name: str) -> Case:
    [changes] = [row[1] for row in clustered.PROBLEMS if row[0] == name]
    return lambda _scene: clustered.decide(clustered.at_work(), *changes).problems


def without_key(name: str) -> Case:
    return lambda _scene: new_key.decide(new_key.lost(), *new_key.PROBLEMS[name][0]).problems


def agreement(name: str) -> Case:
    facts, results, _expected = SITUATIONS[name]
    return lambda _scene: compare(facts, read_views(results)).problems


def sql_error(number: int, words: str, **more: Any) -> Case:
    return lambda _scene: SqlError(
        number, "42000", words, "SELECT 1 FROM dbo.MT_HealthService", "sql1:1433", **more
    ).sentence("thunder")


def broker(**state: Any) -> Case:
    """Why Service Broker of a database in this state is not turned on."""

    def made(scene: Scene) -> str:
        for name, value in state.items():
            setattr(scene.sql, name, value)
        repair = broker_tests.repair(2)

        def work() -> None:
            repair.observe()
            repair.carry_out()

        return sentence_of("thunder", work)

    return made


def does_not_start(name: str) -> Case:
    def made(scene: Scene) -> str:
        recorded = RecordedServer(scene.clock, services={name: ("stopped", "auto")})

        def stuck(command: str) -> tuple[bool, str]:
            return (True, "") if "sc start" in command else RecordedServer._answer(recorded, command)

        recorded._answer = stuck  # type: ignore[method-assign]
        return sentence_of("deathsting", lambda: change_services(recorded, {name: "running"}))

    return made


def restored(effect: str | None, **server: Any) -> Case:
    """Why a restore is not believed, after which the key has the fingerprint `effect`."""

    def made(scene: Scene) -> str:
        actions.back_up(scene.clock, scene.directory)
        return str(actions.restore(scene.clock, scene.directory, effect, **server)["msg"])

    return made


def no_backup(scene: Scene) -> str:
    escrow = open_escrow(str(scene.directory))
    return sentence_of("hydra", lambda: fitting_backup(escrow, "ODYSSEY", None))


def older_backup(scene: Scene) -> str:
    escrow = open_escrow(str(scene.directory))
    origin = BackupOrigin(
        "ODYSSEY", "HYDRA", ServerVersion.parse("6.0.5000.0"), datetime(2026, 3, 1, tzinfo=timezone.utc)
    )
    escrow.store(b"key file", origin, seal_for_writing(None))
    return sentence_of("hydra", lambda: fitting_backup(escrow, "ODYSSEY", ServerVersion.parse("6.1.7221.0")))


def fleet(_scene: Scene) -> list[str]:
    rows = [row(attempt(MADE)), row(attempt(SILENT), backup=BACKUP)]
    known = Fleet(rows, ["argo"], ["ILIAD"])
    return [*known.lines(ESCROW, check_mode=False), *known.missed_groups]


def judged(now: Any, undone: bool = False) -> Case:
    failure = "deathsting: promote this server to the RMS: the connection broke."
    return lambda _scene: message(find(verdict.QUESTION, now, verdict.seen()), failure, undone)


def recorded(arguments: dict[str, Any]) -> Case:
    """The headline of a report, and what it says of a rerun."""

    def made(_scene: Scene) -> list[str]:
        record = run_record(arguments)["record"]
        return [record["headline"], record["advice"]]

    return made


def nothing_to_do(_scene: Scene) -> str:
    there = seen(failover.failed_over(), "2026-01-31T02:03:04Z")
    unchanged = {"turn_on_broker": result(5, changed=False)}
    first: str = run_record(told(plan=planned(there), results=unchanged))["lines"][0]
    return first


def stopped(outcome: str, past_point: bool | None) -> Case:
    """The last lines of the runbook view when the promotion ended so."""

    def made(_scene: Scene) -> list[str]:
        book_of_run = book.Runbook(0)
        book_of_run.begin("point", view.PROMOTION, 0)
        book_of_run.report("point", "deathsting", outcome, 1, past_point=past_point)
        book_of_run.end()
        return texts(recap_lines(book_of_run, ["deathsting"], 65))

    return made


def interrupted(*names: str) -> Case:
    command = "ansible-playbook opsmgr.recovery.rms_failover"
    return lambda _scene: texts(interrupted_lines(view.run_at(*names, ahead=True), 75, command))


def cluster_report(_scene: Scene) -> list[str]:
    return clustered.report(clustered.at_work(), clustered.KEEP_DATABASE).lines


def cluster_open(_scene: Scene) -> list[str]:
    return clustered.report(clustered.at_work(), clustered.registry("pollux", key_fingerprint="sha256:other")).open


# In the order of the runbook.
CASES: dict[str, Case] = {
    # Access to the servers.
    "a server that does not answer": lambda _: action("rms_promotion", Connection(None, actions.UNREACHABLE)),
    "a password that is refused": lambda _: action("rms_promotion", Connection(None, PASSWORD_REJECTED)),
    "clocks that differ": lambda _: action("rms_promotion", Connection(None, CLOCKS_DIFFER)),
    "another connection plugin": lambda _: action("rms_promotion", Connection(None, transport="psrp")),
    "an account without rights": lambda scene: action("rms_promotion", denied(scene)),
    "another management group at this address": lambda _: sentence_of(
        "hydra", lambda: require_expected(computer(), Expected("hydra", "10.0.0.1", "ILIAD"))
    ),
    "another computer at this address": lambda _: sentence_of(
        "argo", lambda: require_expected(computer(), Expected("argo", "10.0.0.1", "ODYSSEY"))
    ),
    # SQL Server and the operational database.
    "no right to read": sql_error(229, "The SELECT permission was denied on the object 'MT_HealthService'"),
    "not the operational database": sql_error(208, "Invalid object name 'dbo.MT_HealthService'"),
    "no answer": sql_error(0, "", waited_seconds=60),
    "somebody else's lock": lambda _: group_lock.judge(lock(), OUR, NOW, alive=True).why,
    "database and registry: a former RMS": agreement("a former RMS that is back"),
    "database and registry: a promotion that was cut off": agreement("a promotion that ended after the database"),
    "database and registry: a service that does not run": agreement("an RMS without a service"),
    "database and registry: a silent server": agreement("a server that does not answer"),
    "database and registry: a server that was forgotten": agreement("the RMS was forgotten"),
    "database and registry: versions": agreement("versions that differ make no difference"),
    # The key backup.
    "no database in the inventory": lambda _: rms_of_database("hydra", "ODYSSEY", [], {}, "").problem,
    "an RMS that the inventory does not know": lambda _: (
        rms_of_database("hydra", "ODYSSEY", [], {"rms": "kraken.odyssey.com"}, "thunder").problem
    ),
    "a short backup password": lambda _: action(
        "secure_storage_backup", Connection(None, AssertionError("was opened")), backup_password="short"
    ),
    "a fleet": fleet,
    # Before a failover.
    "the RMS does not answer": in_failover("the RMS is down, planned"),
    "the server to promote does not answer": in_failover("the target is down"),
    "the database is offline": in_failover("the database is offline"),
    "somebody closed the database": in_failover("somebody closed the database"),
    "nobody can tell who closed the database": in_failover("the only seat of the database is taken"),
    "the database names no RMS": in_failover("no RMS in the database"),
    "the Health Service is stopped": in_failover("the Health Service is stopped"),
    "no support tools": in_failover("no tools and no media"),
    "no administrator": in_failover("not an administrator anywhere"),
    "another management group": in_failover("another group"),
    "a gateway": in_failover("a gateway"),
    "another version": in_failover("another version"),
    "a clustered RMS": in_failover("clustered"),
    "no key on the RMS": in_failover("no key on the RMS"),
    "a disaster, and the RMS may be at work": lambda _: (
        failover.decide(
            failover.healthy(), failover.down("hydra", "refused"), failover.request(mode="disaster")
        ).problems
    ),
    "another management server does not answer": lambda _: (
        failover.decide(failover.healthy(), failover.down("kraken")).remarks
    ),
    "the question before the promotion": lambda _: failover.decide(failover.healthy()).question.splitlines(),
    # The key on the server to promote.
    "no backup in the escrow": no_backup,
    "a backup of an older version": older_backup,
    "a restore without an effect": restored(None),
    "a restore of another key": restored(actions.OTHER_FINGERPRINT, fingerprint=actions.OTHER_FINGERPRINT),
    # The promotion.
    "the plan": lambda _: texts(plan_lines("deathsting", "hydra")),
    "the point of no return": lambda _: texts(point_lines(view.step([], name=view.PROMOTION), 12, check_mode=False)),
    "the role has not moved": judged(verdict.seen(), undone=True),
    "the role has moved": judged(verdict.seen("deathsting", phase="ended")),
    "it cannot be told whether the role has moved": judged(verdict.seen(phase="at work")),
    "the SDK service does not start": does_not_start("OMSDK"),
    "the Health Service does not start": does_not_start("HealthService"),
    # Service Broker.
    "no right to turn the broker on": broker(allowed=0),
    "a copy with the same broker id": broker(twins=["OperationsManager_copy"]),
    "a database that somebody else closed": broker(state=CLOSED, sessions=[SDK]),
    "the broker of a database that is offline": broker(state=replace(OFF, state="OFFLINE")),
    # How a failover ends.
    "a failover that ended well": recorded(told()),
    "a failover that stopped before the promotion": recorded(
        cut_off("restore_key", msg="deathsting: restore the key: it failed.")
    ),
    "a failover that stopped after the promotion": recorded(
        cut_off("start_services", msg="deathsting: set services: it failed.")
    ),
    "nothing to do": nothing_to_do,
    "stopped before the point of no return": stopped(book.FAILED, past_point=False),
    "stopped after the point of no return": stopped(book.FAILED, past_point=True),
    "stopped, and nobody knows": stopped(book.UNREACHABLE, past_point=None),
    "interrupted before the promotion": interrupted("Look", "Stop the services of the old RMS"),
    "interrupted during the promotion": interrupted("Look", view.PROMOTION),
    # The restore of a clustered RMS.
    "no file to restore the database from": in_cluster("the file of the database"),
    "a node that does not answer": in_cluster("a silent node"),
    "a registry that is not that of a node": in_cluster("the registry of another server"),
    "nodes without a new database": in_cluster("no new database for nodes to be set up"),
    "a cluster that works": cluster_report,
    "nodes with different keys": cluster_open,
    # A management group without a key.
    "the lost RMS answers": without_key("the lost RMS answers"),
    "a server of which nothing is known": without_key("a server cannot be asked"),
    "another server has a key": without_key("another server has a key"),
}


def computer() -> Any:
    return SimpleNamespace(computer_name="HYDRA", management_group="ODYSSEY")


def denied(scene: Scene) -> Connection:
    recorded_server = RecordedServer(scene.clock)
    recorded_server.protocol.start_error = fault(5, "Access is denied.")
    return Connection(recorded_server)


def proofs() -> dict[str, list[str]]:
    """The texts of the sheet by their titles, which begin at the margin; headings begin with #."""
    found: dict[str, list[str]] = {}
    for text in SHEET.read_text(encoding="utf-8").splitlines():
        if text.startswith("    "):
            found[list(found)[-1]].append(text[4:])
        elif text and not text.startswith("#"):
            found[text] = []
    return found


PROOFS = proofs()


@pytest.mark.parametrize("title", CASES)
def test_a_message_reads_as_it_does_on_the_sheet(scene: Scene, title: str) -> None:
    made = CASES[title](scene)
    lines = [made] if isinstance(made, str) else list(made)
    assert [text.replace(str(scene.directory), ESCROW) for text in lines] == PROOFS.get(title)


def test_the_sheet_has_nothing_else_and_keeps_the_order_of_the_runbook() -> None:
    assert list(PROOFS) == list(CASES)
