# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``opsmgr-lab drill``: start a lab, run the real playbook against it, and look at the lab itself for the proof."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .inventory import SERVER_LOG
from .problems import UserError, explained
from .topologies import load_topology

# Beside the lab that a person may have started with `make lab`, so that both can run at once.
DIRECTORY = Path(".lab") / "drill"
PACKAGE = __package__ or "lab"
NETWORK = "127.11"
GROUP = "ODYSSEY"
OLD_RMS = "hydra"
NEW_RMS = "deathsting"
SQL_SERVER = "thunder"
GROUP_DATABASE = "OperationsManager"
CLUSTER = "gemini"
CLUSTER_GROUP = "RMS"
CLUSTER_NODES = ("castor", "pollux")
VIRTUAL_SERVER = "rmsvs"
SERVICES = ("HealthService", "OMSDK", "OMCFG")
FAILOVER = "opsmgr.recovery.drill"
FAILBACK = "opsmgr.recovery.rms_failback"
CLUSTERED_RESTORE = "opsmgr.recovery.clustered_rms_restore"
LOST_CLUSTER = "odyssey-cluster-new"
WITHOUT_KEY = "opsmgr.recovery.rms_recover_without_key"
LOST_KEY = "odyssey-no-key"
KEY_FILE = "C:\\RMS-key.bin"
NOTHING_READABLE = "The new RMS can read no Run As secret, for the key that protected them is lost. A person enters each Run As account again."
# What a shell makes of a program that Ctrl and C ended.
INTERRUPTED = 130
END_SECONDS = 20
Dump = Mapping[str, Any]
Variables = dict[str, str]
Plays = list[tuple[str, Variables]]
"""Playbooks, one after the other, each with variables of its own."""


@dataclass(frozen=True)
class Stage:
    """The directory of a drill, with the lab that runs there and all that Ansible writes."""

    directory: Path

    def lab(self, *arguments: str) -> str:
        """Run a command of the lab; what it said."""
        command = [sys.executable, "-m", PACKAGE, arguments[0], "--directory", str(self.directory), *arguments[1:]]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout

    def dump(self) -> Dump:
        dumped: Dump = json.loads(self.lab("dump"))
        return dumped

    def play(self, playbook: str, values: Variables) -> bool:
        """Run a playbook; whether it ended well."""
        variables = self.directory / "drill.json"
        variables.unlink(missing_ok=True)
        # In a file that only its owner can read: an argument stands in every process listing.
        with open(os.open(variables, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            json.dump(values, file)
        command = [_ansible_playbook(), "-i", str(self.directory / "inventory.yml"), "-e", f"@{variables}", playbook]
        sys.stdout.flush()
        environment = {
            "ANSIBLE_STDOUT_CALLBACK": "opsmgr.recovery.runbook",
            # A drill leaves nothing in anybody's home directory, and needs none.
            "ANSIBLE_LOCAL_TEMP": str(self.directory / "ansible"),
            **os.environ,
        }
        if "PYTHONPATH" in os.environ:
            # The playbook's own calls of the lab run in another directory.
            environment["PYTHONPATH"] = os.pathsep.join(
                os.path.abspath(path) for path in os.environ["PYTHONPATH"].split(os.pathsep)
            )
        with subprocess.Popen(command, env=environment) as playing:
            try:
                return playing.wait() == 0
            except KeyboardInterrupt as interruption:
                # It got the same from the terminal, and says where it was; subprocess.run would kill it before. SIGTERM
                # it gets here.
                if isinstance(interruption, _Terminated):
                    playing.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    playing.wait(END_SECONDS)
                playing.terminate()
                raise


@dataclass(frozen=True)
class Scenario:
    """What is simulated, and what must be proven by the lab's state before and after."""

    plays: Callable[[Stage, Variables, str], Plays]
    unproven: Callable[[Dump, Dump], list[str]]
    topology: str = "odyssey"
    shown: tuple[str, str] = (OLD_RMS, NEW_RMS)
    """The servers that are shown before and after."""
    modes: tuple[str, ...] = ("planned",)
    remark: str = ""
    """What a reader of the table would stumble over."""


def main(arguments: list[str] | None = None) -> int:
    """Run a drill; 0 when the lab itself proves that the role moved and the key survived."""
    options = _parsed(arguments)
    # As for Ctrl and C: the lab is stopped, too.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with _alone(options.directory) as stage:
            return _drilled(stage, options)
    except KeyboardInterrupt:
        sys.stdout.write(
            f"\nThe drill ({options.scenario}, {options.mode}) was interrupted, and its lab is gone: nothing remains to clean up. "
            f"To start it again: {_command(options.scenario, options.mode)}\n"
        )
        return INTERRUPTED
    except UserError as error:
        sys.stderr.write(f"{error}\n")
    except OSError as error:
        sys.stderr.write(f"The drill stopped: {explained(error)}\n")
    except subprocess.CalledProcessError:
        pass  # the lab has said why
    return 1


def _command(scenario: str, mode: str) -> str:
    """What a person types, in a checkout or where the lab is installed."""
    return (
        f"make drill SCENARIO={scenario} MODE={mode}"
        if PACKAGE == "lab"
        else f"opsmgr-lab drill --scenario {scenario} --mode {mode}"
    )


class _Terminated(KeyboardInterrupt):
    """SIGTERM, which only this process got."""


def _interrupt(_number: int, _frame: object) -> None:
    raise _Terminated


def _parsed(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="opsmgr-lab drill", description=__doc__)
    parser.add_argument("--scenario", choices=tuple(SCENARIOS), default="failover", help="what happens")
    parser.add_argument(
        "--mode", choices=("planned", "disaster"), default="planned", help="whether the old RMS still answers"
    )
    place = f"where the drill keeps its files; what an earlier drill left there goes first (default: {DIRECTORY})"
    parser.add_argument("--directory", type=Path, default=DIRECTORY, help=place)
    options = parser.parse_args(arguments)
    if options.mode not in SCENARIOS[options.scenario].modes:
        parser.error(f"the scenario {options.scenario} has no mode {options.mode}: its RMS is lost in any case")
    return options


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[Stage]:
    """An empty directory for this drill, and for no other at the same time."""
    directory = directory.resolve()
    directory.parent.mkdir(parents=True, exist_ok=True)
    with open(directory.with_name(f"{directory.name}.lock"), "a", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"A drill runs in {directory} already. Wait for its end, or name another directory"
            ) from None
        stage = Stage(directory)
        if directory.exists() and any(directory.iterdir()):
            if not (directory / SERVER_LOG).exists():
                raise UserError(
                    f"{directory} has something in it that is not an earlier drill's. Name an empty directory"
                )
            stage.lab("down")
            shutil.rmtree(directory)
        yield stage


def _drilled(stage: Stage, options: argparse.Namespace) -> int:
    scenario = SCENARIOS[options.scenario]
    try:
        stage.lab("up", "--topology", scenario.topology, "--network", NETWORK)
        before = stage.dump()
        started = time.monotonic()
        played = all(
            stage.play(playbook, variables)
            for playbook, variables in scenario.plays(stage, _shared_variables(stage), options.mode)
        )
        seconds = time.monotonic() - started
        after = stage.dump()
    finally:
        # Whoever presses Ctrl and C twice does not want a lab to stay.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        stage.lab("down")
        signal.signal(signal.SIGINT, signal.default_int_handler)
    say = sys.stdout.write
    say(table(before, after, scenario.shown))
    if scenario.remark:
        say(f"{scenario.remark}\n\n")
    failures = ([] if played else ["a playbook failed"]) + scenario.unproven(before, after)
    for failure in failures:
        say(f"NOT PROVEN: {failure}\n")
    say(
        f"The drill ({options.scenario}, {options.mode}) {'FAILED' if failures else 'ended well'}: the playbooks took {seconds:.0f} s.\n"
    )
    return 1 if failures else 0


def _ansible_playbook() -> str:
    """That of the same environment, if there is one: nobody has to activate it."""
    beside = Path(sys.executable).with_name("ansible-playbook")
    return str(beside) if beside.exists() else "ansible-playbook"


def _shared_variables(stage: Stage) -> Variables:
    return {
        "rms_failover_escrow": str(stage.directory / "escrow"),
        "rms_failover_backup_password": secrets.token_urlsafe(15),
        "rms_failover_seal_passphrase": secrets.token_urlsafe(15),
    }


def _failover(stage: Stage, shared: Variables, mode: str) -> Plays:
    place = {
        "drill_lab_directory": str(stage.directory),
        "drill_lab_package": PACKAGE,
        "drill_lab_python": sys.executable,
    }
    return [
        (
            FAILOVER,
            {**shared, **place, "rms_failover_mode": mode, "rms_failover_target": NEW_RMS, **_confirmed(NEW_RMS)},
        )
    ]


def _failover_and_back(stage: Stage, shared: Variables, mode: str) -> Plays:
    return [*_failover(stage, shared, mode), (FAILBACK, {**shared, **_confirmed(OLD_RMS)})]


def _confirmed(rms: str) -> Variables:
    """A drill is started by somebody who knows that it moves the role: it does not ask."""
    return {"rms_failover_confirm": rms}


def _clustered_restore(stage: Stage, shared: Variables, _mode: str) -> Plays:
    """Somebody carries the key's backup to the nodes; then the playbook, and once more to see that nothing is left."""
    remains = load_topology(LOST_CLUSTER).groups[GROUP].remains
    if remains is None:
        raise LookupError(LOST_CLUSTER)
    files = stage.dump()["hosts"][SQL_SERVER]["files"]
    paths = {
        name: next(path for path in files if path.endswith(f"\\{name}"))
        for name in (remains.database_backup, remains.key_backup)
    }
    for node in CLUSTER_NODES:
        stage.lab("carry", SQL_SERVER, paths[remains.key_backup], node, KEY_FILE)
    variables = {
        "clustered_rms_restore_database_backup": paths[remains.database_backup],
        "clustered_rms_restore_key_file": KEY_FILE,
        "clustered_rms_restore_backup_password": remains.key_password,
        "clustered_rms_restore_escrow": shared["rms_failover_escrow"],
    }
    return [(CLUSTERED_RESTORE, variables)] * 2


def _without_key(_stage: Stage, shared: Variables, _mode: str) -> Plays:
    """The playbook, and once more to see that nothing is left."""
    variables = {
        "rms_recover_without_key_target": NEW_RMS,
        "rms_recover_without_key_confirm": GROUP,
        "rms_recover_without_key_escrow": shared["rms_failover_escrow"],
        "rms_recover_without_key_backup_password": shared["rms_failover_backup_password"],
    }
    return [(WITHOUT_KEY, variables)] * 2


def _unproven_without_key(_before: Dump, after: Dump) -> list[str]:
    return unproven_new_key(after)


def _unproven_clustered_restore(_before: Dump, after: Dump) -> list[str]:
    return unproven_cluster(after)


def _unproven_failover(_before: Dump, after: Dump) -> list[str]:
    return unproven(after)


def _unproven_failback(before: Dump, after: Dump) -> list[str]:
    identical = configuration(before) == configuration(after)
    return unproven(after, OLD_RMS, NEW_RMS) + (
        [] if identical else ["the configuration files are byte for byte what they were"]
    )


def configuration(dump: Dump) -> dict[str, Any]:
    """Size and hash of the configuration files that name the RMS, by host and path."""
    group = dump["groups"][GROUP]["root_named_by"]
    files = {(host, path): dump["hosts"][host]["files"].get(path) for host, places in group.items() for path in places}
    return {f"{host}: {path}": found for (host, path), found in files.items() if found}


def unproven(after: Dump, rms: str = NEW_RMS, former: str = OLD_RMS) -> list[str]:
    """What the lab's state does not prove, in words; empty when everything is proven."""
    group = after["groups"][GROUP]
    secrets_readable = group["run_as"].get(rms, {})
    # Before Service Pack 1 the SDK service stays on the first RMS, for the data warehouse.
    sdk = "running" if _is_before_sp1(after, former) and former == OLD_RMS else "stopped"
    claims = {
        f"the database names {rms} as RMS": short(group["rms"]) == rms,
        f"only the registry of {rms} calls it the RMS": [name for name, role in group["roles"].items() if role == "rms"]
        == [rms],
        f"{rms} has the group's key": group["key"][rms] == "right",
        f"every Run As secret can be decrypted on {rms}": bool(secrets_readable) and all(secrets_readable.values()),
        f"the three services run on {rms}": _services(after, rms) == ["running"] * 3,
        f"{former} runs only what an ordinary management server does": _services(after, former)
        == ["running", sdk, "stopped"],
        "the Health Service runs on the other management servers": all(
            _services(after, host)[0] == "running" for host in group["roles"]
        ),
        **{
            f"what is on {host} names {rms}": _names(places) == {rms} for host, places in group["root_named_by"].items()
        },
        "the operational database is open to all and Service Broker is on": _database(after)["user_access"]
        == "MULTI_USER"
        and _database(after)["is_broker_enabled"],
        "the operational database was backed up": GROUP_DATABASE in _backed_up(after),
    }
    return [claim for claim, true in claims.items() if not true]


def unproven_cluster(after: Dump, cluster: str = CLUSTER) -> list[str]:
    """What the lab's state does not prove of a clustered RMS that works, in words; empty when everything is proven."""
    group, found = after["groups"][GROUP], after["clusters"][cluster]
    owner = found["groups"][CLUSTER_GROUP]["node"].lower()
    nodes = [name.lower() for name in found["nodes"]]
    claims = {
        f"the database names {VIRTUAL_SERVER} as RMS": short(group["rms"]) == VIRTUAL_SERVER,
        "the cluster's group is online": found["groups"][CLUSTER_GROUP]["state"] == "Online",
        f"the three services run on {owner}": _services(after, owner) == ["running"] * 3,
        "they run on no other node": all(_services(after, node) == ["stopped"] * 3 for node in nodes if node != owner),
        "nothing ever damaged the clustered RMS": not group["cluster_damaged"],
        **{f"the registry of {node} calls it the RMS": group["roles"].get(node) == "rms" for node in nodes},
        **{f"{node} has the group's key": group["key"].get(node) == "right" for node in nodes},
        **{
            f"every Run As secret can be decrypted on {node}": bool(group["run_as"].get(node))
            and all(group["run_as"][node].values())
            for node in nodes
        },
        "the Health Service runs on the other management servers": all(
            _services(after, host)[0] == "running" for host in group["roles"] if host not in nodes
        ),
        **{
            f"what is on {host} names {VIRTUAL_SERVER}": _names(places) == {VIRTUAL_SERVER}
            for host, places in group["root_named_by"].items()
        },
        "the operational database is open to all and Service Broker is on": _database(after)["user_access"]
        == "MULTI_USER"
        and _database(after)["is_broker_enabled"],
    }
    return [claim for claim, true in claims.items() if not true]


def unproven_new_key(after: Dump) -> list[str]:
    """What the lab's state does not prove of a group that got a new key because nobody had the old one; empty when
    everything is proven.
    """
    group = after["groups"][GROUP]
    alive = {host: places for host, places in group["root_named_by"].items() if host != OLD_RMS}
    claims = {
        f"the database names {NEW_RMS} as RMS": short(group["rms"]) == NEW_RMS,
        f"the registry of {NEW_RMS} calls it the RMS": group["roles"][NEW_RMS] == "rms",
        f"{NEW_RMS} has the new key": group["key"][NEW_RMS] == "right",
        "no old Run As secret can be decrypted with it": bool(group["run_as"][NEW_RMS])
        and not any(group["run_as"][NEW_RMS].values()),
        f"the three services run on {NEW_RMS}": _services(after, NEW_RMS) == ["running"] * 3,
        **{f"what is on {host} names {NEW_RMS}": _names(places) == {NEW_RMS} for host, places in alive.items()},
        "the operational database was backed up": GROUP_DATABASE in _backed_up(after),
        "the log of the setup is gone": not any("opsmgr-recovery" in path for path in after["hosts"][NEW_RMS]["files"]),
    }
    return [claim for claim, true in claims.items() if not true]


def _is_before_sp1(dump: Dump, host: str) -> bool:
    return "6.0.5000.0" in json.dumps(dump["hosts"][host]["registry"])


def _names(places: Mapping[str, list[str]]) -> set[str]:
    """The servers that the places on one host name."""
    return {short(name) for names in places.values() for name in names}


def _database(dump: Dump) -> Dump:
    databases: Mapping[str, Dump] = dump["sql"][SQL_SERVER]["databases"]
    return databases[GROUP_DATABASE]


def _backed_up(dump: Dump) -> list[str]:
    return [row["database_name"] for row in dump["sql"][SQL_SERVER]["databases"]["msdb"]["tables"]["dbo.backupset"]]


def short(name: str | None) -> str:
    """A server's name without its domain, lower case."""
    return (name or "").split(".")[0].lower()


def _services(dump: Dump, host: str) -> list[str]:
    services = dump["hosts"][host]["services"]
    return [services[name]["state"] if name in services else "not there" for name in SERVICES]


SCENARIOS = {
    "failover": Scenario(_failover, _unproven_failover, modes=("planned", "disaster")),
    "failback": Scenario(_failover_and_back, _unproven_failback, modes=("planned", "disaster")),
    "cluster": Scenario(_clustered_restore, _unproven_clustered_restore, LOST_CLUSTER, CLUSTER_NODES),
    "no-key": Scenario(_without_key, _unproven_without_key, LOST_KEY, remark=NOTHING_READABLE),
}


def table(before: Dump, after: Dump, shown: tuple[str, str] = (OLD_RMS, NEW_RMS)) -> str:
    """Both servers before and after, side by side, and below them what else names the RMS."""
    rows: list[tuple[str, ...]] = [("", *(f"{host} {when}" for host in shown for when in ("before", "after")))]
    cells = [_cells(dump, host) for host in shown for dump in (before, after)]
    rows += [(name, *(cell[name] for cell in cells)) for name in cells[0]]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    group = after["groups"][GROUP]["root_named_by"]
    lines += ["", *(f"{host} names {', '.join(sorted(_names(places)))} as RMS" for host, places in group.items())]
    database = _database(after)
    broker = "on" if database["is_broker_enabled"] else "OFF"
    lines += [
        f"{GROUP_DATABASE}: {database['user_access']}, Service Broker {broker}, {len(_backed_up(after))} backup(s)"
    ]
    return "\n" + "\n".join(lines) + "\n\n"


def _cells(dump: Dump, host: str) -> dict[str, str]:
    group = dump["groups"][GROUP]
    readable = group["run_as"].get(host, {})
    roles = {"rms": "RMS", "management_server": "management server"}
    return {
        "role by database": _role_by_database(dump, host),
        "role by registry": roles.get(group["roles"].get(host), "none"),
        "key": group["key"].get(host, "none"),
        "Run As secrets read": f"{sum(readable.values())} of {len(readable)}",
        **dict(zip(SERVICES, _services(dump, host), strict=True)),
    }


def _role_by_database(dump: Dump, host: str) -> str:
    """What the database says of a server: it knows the virtual server of a cluster and not its nodes."""
    named = short(dump["groups"][GROUP]["rms"])
    if named == host:
        return "RMS"
    clusters = dump.get("clusters", {}).values()
    is_node = any(host in (node.lower() for node in cluster["nodes"]) for cluster in clusters)
    if is_node:
        return f"node of {named}, the RMS" if named == VIRTUAL_SERVER else "none"
    return "management server"


if __name__ == "__main__":
    sys.exit(main())
