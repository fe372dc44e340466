# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes every result as a JSON line for the tests, and cuts a run off where a test asks for it."""

from __future__ import annotations

DOCUMENTATION = """
name: record
type: aggregate
short_description: Records results for the tests
description:
  - Writes every result as a JSON line into the file that the environment variable E(RECORD_FILE) names.
  - With E(RECORD_CUT) set to V(TASK) or V(TASK+SECONDS), kills the whole run, without any clean-up, when that task starts, or SECONDS later.
    A task is its number in the run or the end of its name.
options: {}
"""

import contextlib
import json
import os
import signal
import threading

import psutil
from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "record"

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self._path = os.environ["RECORD_FILE"]
        self._cut, _plus, seconds = os.environ.get("RECORD_CUT", "").partition("+")
        self._cut_after = float(seconds or 0)
        self._task = 0

    def _write(self, **event):
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(json.dumps(event, default=str) + "\n")

    def v2_playbook_on_task_start(self, task, is_conditional):
        self._task += 1
        self._write(event="task", task=task.get_name(), number=self._task)
        if self._cut and (str(self._task) == self._cut or task.get_name().endswith(self._cut)):
            if not self._cut_after:
                self._kill()
            threading.Timer(self._cut_after, self._kill).start()

    @staticmethod
    def _kill():
        # A worker has a session of its own, and would go on for a while.
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        os.killpg(0, signal.SIGKILL)

    def _result(self, status, result):
        data = result.result if hasattr(result, "result") else result._result
        host = (result.host if hasattr(result, "host") else result._host).get_name()
        task = (result.task if hasattr(result, "task") else result._task).get_name()
        self._write(event="result", status=status, host=host, task=task, result=data)

    def v2_runner_on_ok(self, result):
        self._result("ok", result)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._result("ignored" if ignore_errors else "failed", result)

    def v2_runner_on_unreachable(self, result):
        self._result("unreachable", result)

    def v2_runner_on_skipped(self, result):
        self._result("skipped", result)

    def v2_playbook_on_stats(self, stats):
        self._write(event="stats", hosts={host: stats.summarize(host) for host in stats.processed})
