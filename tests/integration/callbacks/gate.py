# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Holds a run where a task begins, and lets copies of it go on from there: the tests of every message need the way
there only once.
"""

from __future__ import annotations

DOCUMENTATION = """
name: gate
type: aggregate
short_description: Holds a run where a task begins, and lets copies of it go on
description:
  - At each task whose name ends as one of E(GATE_TASKS) (a JSON list) says, asks the socket E(GATE_SOCKET) what to do.
  - An order is a JSON line. One with C(go) lets the run itself go on. Every other one is for a copy (fork) of the run that goes on in a session of its own,
    with the files C(output) and C(record), and C(timeout) seconds for the task if that is not null. Its process id is answered, and its status when it has
    ended.
  - Without the socket, or when it is closed, the run ends at once.
options: {}
"""

import atexit
import json
import os
import socket
import sys
import threading

from ansible.executor.task_queue_manager import FinalQueue
from ansible.plugins.callback import CallbackBase
from ansible.plugins.strategy import StrategyBase, results_thread_main


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "gate"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self._tasks = tuple(json.loads(os.environ["GATE_TASKS"]))
        self._is_copy = False

    def v2_playbook_on_task_start(self, task, is_conditional):
        if self._is_copy or not task.get_name().endswith(self._tasks):
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.connect(os.environ["GATE_SOCKET"])
            with connection.makefile("rw", encoding="utf-8") as stream:
                self._obey(stream, task)

    def _obey(self, stream, task):
        self._say(stream, ready=task.get_name())
        while True:
            line = stream.readline()
            if not line:
                os._exit(0)
            order = json.loads(line)
            if order.get("go"):
                return
            sys.stdout.flush()
            sys.stderr.flush()
            child = os.fork()
            if child == 0:
                self._become_copy(order, task)
                return
            self._say(stream, started=child)
            self._say(stream, ended=os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

    @staticmethod
    def _say(stream, **values):
        stream.write(json.dumps(values) + "\n")
        stream.flush()

    def _become_copy(self, order, task):
        """What a copy must have of its own: its session, its files, and what hands it the results of its workers."""
        self._is_copy = True
        os.setsid()
        # What the run itself removes at its end is not the copy's.
        atexit._clear()
        output = os.open(order["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        for number in (1, 2):
            os.dup2(output, number)
        strategy = _caller(StrategyBase)
        manager = strategy._tqm
        for plugin in manager._callback_plugins:
            if plugin.CALLBACK_NAME == "record":
                plugin._path = order["record"]
        if order.get("timeout") is not None:
            task.timeout = order["timeout"]
        manager._workers[:] = [None] * len(manager._workers)
        manager._final_q = strategy._final_q = FinalQueue()
        strategy._results_lock = threading.Condition(threading.Lock())
        strategy._results_thread = threading.Thread(target=results_thread_main, args=(strategy,), daemon=True)
        strategy._results_thread.start()


def _caller(kind):
    """The object of that kind which called this callback."""
    frame = sys._getframe()
    while frame is not None:
        found = frame.f_locals.get("self")
        if isinstance(found, kind):
            return found
        frame = frame.f_back
    raise LookupError(kind.__name__)
