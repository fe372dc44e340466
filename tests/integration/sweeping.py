# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One thing goes wrong at one message of one task, for every message and every thing: is what the run says about the
role true, and does a rerun finish it?

A failover is held where the task begins (callbacks/gate.py). Copies of it go on from there, each in the lab as it was
at that moment, and each suffers one mishap. What a mishap leaves behind is finished by a whole run of its own, once for
each state of the world that was left.
"""

from __future__ import annotations

import json
import os
import re
import selectors
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playing import ANSIBLE_PLAYBOOK, REPOSITORY, Player, Run, promotions
from verdicts import NOT_MOVED, Case, named_as_down, said_in, stated, stopped_services, truth

from lab.drill import unproven
from lab.faults import AFTER, Fault, Kind
from lab.lab import Lab
from lab.snapshot import Snapshot, difference, wait_for_programs

PROMOTION = "promote this server to the RMS"
DEMOTION = "Make the former RMS an ordinary management server"
# The role has moved although the task failed: what comes then is what would have come anyway.
GOES_ON = "Report that the run continues"
TARGET = "deathsting"
OLD = "hydra"
# The smallest management group with a failover in it: what else names the RMS comes after the two tasks.
SMALL: dict[str, Any] = {
    "hosts": {"argus": False, "hermes": False, "jupiter": False},
    # What a dead run left behind is ended by WinRM after a while; nobody here waits a quarter of an hour for that.
    "defaults": {"settings": {"shell_idle_timeout": 20}},
}
QUICK = {"rms_failover_stable_seconds": 0, "rms_failover_service_timeout": 20}

TASK_TIMEOUT_SECONDS = 8
STALL_SECONDS = 4.0
COPY_SECONDS = 240.0
SETTLE_SECONDS = 6.0
ARRIVAL_SECONDS = 0.3
_POLL = 0.01
# Times, hashes and names that a program made up.
_CHANCE = re.compile(r"[0-9a-fA-F]{5,}|\d{2,}")


@dataclass(frozen=True)
class Mishap:
    """What goes wrong: a fault of the lab at the message, and what happens to the run meanwhile."""

    action: str
    text: str = ""
    seconds: float = 0
    task_timeout: int | None = None
    kills: bool = False

    def fault(self, message: int) -> Fault:
        return Fault("*", "message", "*", self.action, nth=message, text=self.text, seconds=self.seconds)  # type: ignore[arg-type]


MISHAPS = {
    "reset before delivery": Mishap("reset"),
    "reset after delivery": Mishap("reset", AFTER),
    "answer corrupted": Mishap("corrupt"),
    "answer truncated": Mishap("truncate"),
    "task timeout": Mishap("stall", AFTER, TASK_TIMEOUT_SECONDS + STALL_SECONDS, task_timeout=TASK_TIMEOUT_SECONDS),
    "task timeout, delivered late": Mishap(
        "stall", "", TASK_TIMEOUT_SECONDS + STALL_SECONDS, task_timeout=TASK_TIMEOUT_SECONDS
    ),
    "SIGKILL before delivery": Mishap("stall", "", 1, kills=True),
    "SIGKILL after delivery": Mishap("stall", AFTER, 1, kills=True),
}


@dataclass
class Outcome:
    """One copy of the run: what it suffered, and what is wrong with what it said or left."""

    mishap: str
    message: int
    name: str
    said: str | None
    truth: str
    problems: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    absorbed: bool = False
    output: str = ""
    left: tuple[str, ...] = ()
    """How the world differs from what it was; equal for two cases that one rerun finishes."""

    @property
    def text(self) -> str:
        return f"{self.mishap} at message {self.message} ({self.name}): {'; '.join(self.problems)}"


class HeldRun:
    """A failover that is held at a task, and the lab as it was then."""

    def __init__(self, player: Player, task: str) -> None:
        self._player = player
        self._task = task
        self._lab: Lab = player.lab
        self._number = 0
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._directory = player.directory
        path = self._directory / "gate.sock"
        self._socket.bind(str(path))
        self._socket.listen()
        self._socket.settimeout(COPY_SECONDS)
        folder, arguments = player.prepare("playbooks/rms_failover.yml", None, {**player.variables, **QUICK})
        environment = {
            **os.environ,
            "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"),
            "ANSIBLE_CALLBACK_PLUGINS": str(REPOSITORY / "tests" / "integration" / "callbacks"),
            "ANSIBLE_CALLBACKS_ENABLED": "record,gate",
            "ANSIBLE_NOCOLOR": "1",
            "RECORD_FILE": str(folder / "record.jsonl"),
            "RECORD_CUT": "",
            "GATE_SOCKET": str(path),
            "GATE_TASKS": json.dumps([task]),
        }
        self._log = open(folder / "output", "wb")  # noqa: SIM115 (lives as long as the run)
        self._process = subprocess.Popen(
            [ANSIBLE_PLAYBOOK, *arguments], cwd=REPOSITORY, env=environment, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log,
            start_new_session=True,
        )  # fmt: skip
        try:
            self._connection, _address = self._socket.accept()
        except OSError as error:
            self._process.kill()
            raise RuntimeError((folder / "output").read_text(encoding="utf-8", errors="replace")) from error
        self._stream = self._connection.makefile("r", encoding="utf-8")
        self._read()
        self.snapshot = Snapshot(self._lab)
        self._before = self._lab.dump()

    def close(self) -> None:
        """End the run where it is held."""
        self._stream.close()
        self._connection.close()
        self._socket.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        self._process.kill()
        self._process.wait()
        self._log.close()

    def _read(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self._stream.readline())
        return answer

    def count_messages(self) -> list[str]:
        """The WinRM messages of the task when nothing goes wrong, by action and in their order; the login of each
        connection is one.
        """
        self.snapshot.restore()
        faults, names, counted = self._lab.faults, list[str](), list[str]()
        match = faults.match

        def counting(host: str, kind: Kind, name: str) -> Fault | None:
            names.extend([name] if kind == "message" else [])
            return match(host, kind, name)

        def has_ended(record: list[dict[str, Any]]) -> bool:
            if self._result(record) and not counted:
                counted.extend(names)
            return bool(counted)

        faults.match = counting  # type: ignore[method-assign]
        try:
            copy = self._copy(None, until=has_ended)
        finally:
            faults.match = match  # type: ignore[method-assign]
        if not counted or self._result(copy.events) != "ok":
            raise RuntimeError(f"the task failed by itself: {copy.output}")
        return counted

    @contextmanager
    def _watching(self, fault: Fault) -> Iterator[list[tuple[str, float]]]:
        """The name of the message that the fault hits, and when it did: how often Receive is asked is a matter of time."""
        faults, struck = self._lab.faults, list[tuple[str, float]]()
        match = faults.match

        def watching(host: str, kind: Kind, name: str) -> Fault | None:
            found = match(host, kind, name)
            if found is fault:
                struck.append((f"{name} to {host}", time.monotonic()))
            return found

        faults.match = watching  # type: ignore[method-assign]
        try:
            yield struck
        finally:
            faults.match = match  # type: ignore[method-assign]

    def suffer(self, name: str, message: int) -> tuple[Outcome, Mapping[str, Any]]:
        """Let a copy of the run go on with one mishap; what is wrong with what it says, and the world that it leaves."""
        mishap = MISHAPS[name]
        self.snapshot.restore()
        fault = mishap.fault(message)
        self._lab.faults.add(fault)

        def is_struck(_record: list[dict[str, Any]]) -> bool:
            return fault not in self._lab.faults.pending()

        def went_well(record: list[dict[str, Any]]) -> bool:
            return self._result(record) == "ok" or self._result(record, GOES_ON) == "ok"

        with self._watching(fault) as struck:
            run = self._copy(mishap.task_timeout, until=is_struck if mishap.kills else went_well)
        at_end = self._lab.dump()
        programs = [process.name for host in self._lab.hosts.values() for process in host.running()]
        if mishap.action == "stall" and struck:
            # The message is on its way, or its answer is: the lab records it when it has arrived.
            time.sleep(max(0.0, struck[0][1] + mishap.seconds + ARRIVAL_SECONDS - time.monotonic()))
        wait_for_programs(self._lab, SETTLE_SECONDS)
        settled = self._lab.dump()
        self._lab.faults.clear()
        said = stated(run.output, run.failures, ended_well=run.ended_well)
        case = Case(
            said, truth(at_end, TARGET, OLD), truth(settled, TARGET, OLD), failed=not (run.ended_well or run.was_cut),
            was_killed=run.was_cut, sentences=tuple(said_in(run.failures[-1])) if run.failures else (), programs_ran=bool(programs),
        )  # fmt: skip
        place = struck[0][0] if struck else ""
        outcome = Outcome(
            name, message, place, said, case.settled, absorbed=run.was_cut and not mishap.kills, output=run.output
        )
        if not struck:
            outcome.remarks.append("there was no such message")
        outcome.problems += [case.problem] if case.problem else []
        outcome.problems += ["a traceback"] if "Traceback" in run.output else []
        outcome.problems += ["the run did not end"] if run.hung else []
        outcome.remarks += ["it could have been told"] if case.could_have_been_told else []
        down = stopped_services(settled, OLD)
        if said == NOT_MOVED and down and not named_as_down(run.failures[-1] if run.failures else run.output, down):
            outcome.problems.append(f"{', '.join(down)} of {OLD} are down, and the message does not name them")
        return outcome, settled

    def _result(self, record: list[dict[str, Any]], task: str | None = None) -> str | None:
        found = [
            event["status"]
            for event in record
            if event["event"] == "result" and event["task"].endswith(task or self._task)
        ]
        return found[-1] if found else None

    def _copy(self, task_timeout: int | None, until: Callable[[list[dict[str, Any]]], bool]) -> CopyOfRun:
        """Let a copy go on until it ends, or is to be cut off."""
        self._number += 1
        paths = {name: self._directory / f"copy{self._number}.{name}" for name in ("output", "record")}
        order = {"timeout": task_timeout, **{name: str(path) for name, path in paths.items()}}
        self._connection.sendall(json.dumps(order).encode() + b"\n")
        child = self._read()["started"]
        deadline = time.monotonic() + COPY_SECONDS
        was_cut = hung = False
        with selectors.DefaultSelector() as selector:
            selector.register(self._connection, selectors.EVENT_READ)
            size, events = 0, _records(paths["record"])
            while not selector.select(_POLL):
                hung = time.monotonic() > deadline
                grown = paths["record"].stat().st_size if paths["record"].exists() else 0
                if grown != size:
                    size, events = grown, _records(paths["record"])
                if not was_cut and (hung or until(events)):
                    was_cut = True
                    _kill_tree(child)
        code = self._read()["ended"]
        output = paths["output"].read_text(encoding="utf-8", errors="replace") if paths["output"].exists() else ""
        return CopyOfRun(code, output, _records(paths["record"]), was_cut, hung)


@dataclass
class CopyOfRun(Run):
    """How a copy ended: by itself, or cut off."""

    was_cut: bool = False
    hung: bool = False


def _records(path: Path) -> list[dict[str, Any]]:
    """The events so far; the last line may be half written."""
    if not path.exists():
        return []
    events = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        with suppress(ValueError):
            events.append(json.loads(line))
    return events


def _kill_tree(pid: int) -> None:
    """End a process and all that it started, though they have sessions of their own, at once."""
    family = [pid, *_descendants(pid)]
    for member in family:
        with suppress(ProcessLookupError):
            os.kill(member, signal.SIGKILL)


def _descendants(pid: int) -> Iterator[int]:
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            fields = (entry / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
    waiting = [pid]
    while waiting:
        children = parents.get(waiting.pop(), [])
        yield from children
        waiting += children


class Sweep:
    """All mishaps at all messages of one task."""

    def __init__(self, player: Player, task: str) -> None:
        self._player = player
        self._held = HeldRun(player, task)
        self._before = player.lab.dump()
        self._finished: dict[tuple[str, ...], list[str]] = {}
        self._seq = player.lab.recorder.last_seq
        self._promoted_before = promotions(player)
        self.messages = self._held.count_messages()
        self.outcomes: list[Outcome] = []

    def close(self) -> None:
        self._held.close()

    def run(self, mishaps: Sequence[str], messages: Sequence[int], log: Path | None = None) -> None:
        """Let each of the mishaps happen at each of the messages."""
        for message in messages:
            for name in mishaps:
                outcome = self._one(name, message)
                self.outcomes.append(outcome)
                if log is not None:
                    with open(log, "a", encoding="utf-8") as file:
                        file.write(
                            json.dumps({**vars(outcome), "output": outcome.output[-6000:] if outcome.problems else ""})
                            + "\n"
                        )

    def _one(self, name: str, message: int) -> Outcome:
        told_before = promotions(self._player)
        outcome, left = self._held.suffer(name, message)
        told = self._promoted_before + promotions(self._player) - told_before
        state = (
            *_state(self._before, left),
            str(told),
            *sorted(process.name for host in self._player.lab.hosts.values() for process in host.running()),
        )
        outcome.left = state
        if state not in self._finished:
            self._finished[state] = self._finish(told)
            outcome.remarks.append("finished by a whole run")
        outcome.problems += self._finished[state]
        return outcome

    def _finish(self, told: int) -> list[str]:
        """One clean run on top: what is wrong with the world after it."""
        before = promotions(self._player)
        self._release_lock()
        run = self._player.play(**QUICK)
        problems = [f"not proven after a rerun: {claim}" for claim in unproven(self._player.lab.dump())]
        if not run.ended_well:
            problems.append(f"the rerun failed: {run.failures[-1:] or run.output[-800:]}")
        told += promotions(self._player) - before
        if told != 1:
            problems.append(f"the tool was told Y {told} times")
        return problems

    def _release_lock(self) -> None:
        """The run that had the lock is dead. Only its copies share the process of the run that is held, which lives."""
        database: Any = self._player.lab.sql["thunder"].find("OperationsManager")
        for key in [
            key for key, (name, _text) in database.properties.items() if name.startswith("opsmgr.recovery.lock")
        ]:
            del database.properties[key]

    @property
    def problems(self) -> list[str]:
        return [outcome.text for outcome in self.outcomes if outcome.problems]

    def table(self) -> str:
        """The counts."""
        lines = [
            f"{len(self.messages)} messages, {len(self.outcomes)} cases, {len(self._finished)} states of the world, each finished by one rerun"
        ]
        for name in dict.fromkeys(outcome.mishap for outcome in self.outcomes):
            own = [outcome for outcome in self.outcomes if outcome.mishap == name]
            said = Counter(
                str(outcome.said or ("nothing: absorbed" if outcome.absorbed else "nothing")) for outcome in own
            )
            counts = ", ".join(f"{count} {what}" for what, count in sorted(said.items()))
            could = sum("it could have been told" in outcome.remarks for outcome in own)
            wrong = sum(bool(outcome.problems) for outcome in own)
            lines.append(
                f"  {name}: {len(own)} ({counts}); {wrong} wrong" + (f", {could} could have been told" if could else "")
            )
        return "\n".join(lines)


def _state(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, ...]:
    """Where the world differs from what it was, and how, as far as that is not a time or the content of a file."""
    return tuple(
        _CHANCE.sub(
            "#", place if any(part in place for part in ("/files/", "/tables/")) else f"{place}={_at(after, place)}"
        )
        for place in difference(before, after)
        if "/sessions" not in place
    )


def _at(dump: Any, place: str) -> Any:
    for name in place.split("/")[1:]:
        dump = dump.get(name) if isinstance(dump, Mapping) else None
    return dump
