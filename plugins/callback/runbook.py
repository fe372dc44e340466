# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Callback runbook: a run of ansible-playbook as a numbered runbook, for the person who waits for it."""

from __future__ import annotations

DOCUMENTATION = r"""
name: runbook
type: stdout
short_description: Show a failover as a numbered runbook
version_added: 1.0.0
author:
  - opsmgr.recovery contributors (@opsmgr-recovery)
description:
  - Shows a run of the playbooks of this collection, or of any other, as numbered steps, one line for each step that has ended, with the hosts and what they
    are for.
  - On a terminal the step under way stands at the foot with its elapsed time, and with a bar when it takes long. For the backup and the restore of a database
    the bar shows the percents that the SQL Server tells.
  - A task whose name begins with V(POINT OF NO RETURN) is announced before it begins.
  - What fails or does not answer is told at once and whole, also when the play goes on. What was skipped and tasks that only arrange things are not shown.
  - A run that is ended by Ctrl and C, or by SIGTERM, says in which step it was, on which side of the point of no return, and which command goes on. In that
    command the values of variables whose names are those of secrets are left out.
  - With C(-v) and more, results are shown as by P(ansible.builtin.default#callback). The results of tasks with C(no_log) are never shown.
  - Where the output is not a terminal there are no control characters, and lines are not broken.
requirements:
  - set as stdout in configuration
  - rich (Python library), for the step under way at the foot of a terminal; without it each step is shown when it has ended
options:
  view:
    description:
      - V(auto) draws the step under way where the output is a terminal that can do it, and rich is there.
      - V(lines) never does. It suits slow lines and screen readers.
    type: str
    choices: [auto, lines]
    default: auto
    env:
      - name: OPSMGR_RECOVERY_RUNBOOK_VIEW
    ini:
      - section: callback_runbook
        key: view
extends_documentation_fragment:
  - result_format_callback
notes:
  - Choose it with E(ANSIBLE_STDOUT_CALLBACK=opsmgr.recovery.runbook), or with C(stdout_callback) in C(ansible.cfg). The default callback of Ansible works with
    everything in this collection, too.
  - Colours are those of Ansible, and E(NO_COLOR) and E(ANSIBLE_NOCOLOR) switch them off.
  - While it draws, it names a temporary file in the environment variable E(OPSMGR_RECOVERY_PROGRESS_FILE), unless that is set already.
    M(opsmgr.recovery.database_backup) and M(opsmgr.recovery.database_restore) tell their progress there.
"""

import atexit
import contextlib
import os
import shutil
import signal
import sys
import threading
import time
import typing as t
from dataclasses import replace

from ansible import constants as C
from ansible import context
from ansible.plugins.callback import CallbackBase

from ansible_collections.opsmgr.recovery.plugins.module_utils.server_text import harmless, harmless_values
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.runbook import book, text
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.runbook.command import shown_command
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.runbook.live import HAS_RICH, Foot, UnderWay, can_draw
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.runbook.progress import ProgressFile
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.runbook.results import Result, short_action

# They arrange things for others; only their failures are news.
QUIET_ACTIONS = frozenset((
    "add_host", "assert", "clustered_rms_restore_plan", "debug", "group_by", "import_role", "import_tasks",
    "include_role", "include_tasks", "include_vars", "meta", "pause", "preflight_info", "role_variables",
    "set_fact", "set_stats", "validate_argument_spec", "variable_names",
))  # fmt: skip
# It asks the person at the terminal, who must not be drawn over.
ASKING_ACTION = "pause"
MESSAGE_ACTION = "debug"
PLAN_ACTION = "rms_failover_plan"
NEW_KEY_PLAN_ACTION = "rms_new_key_plan"
NO_RICH = (
    "With the Python package rich, the step under way would be shown, too. Install it for the Python that runs Ansible."
)
COLORS = {
    text.HEADING: C.COLOR_HIGHLIGHT,
    text.NOTE: C.COLOR_SKIP,
    text.POINT: C.COLOR_WARN,
    text.WARNING: C.COLOR_WARN,
    text.ERROR: C.COLOR_ERROR,
    text.GOOD: C.COLOR_OK,
    text.CHANGE: C.COLOR_CHANGED,
    text.PLAIN: None,
}


class _Ending:
    """Has the last word said when a run ends without v2_playbook_on_stats: by Ctrl and C, by SIGTERM, or by an error of
    Ansible itself.

    ansible-core ends the process for SIGTERM at once, so there it is said when the signal comes. After SIGINT it cleans
    up and exits as usual: what is said at the exit stands below its own words.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self, tidy: t.Callable[[], None], tell: t.Callable[..., None]) -> None:
        self._tidy = tidy
        self._tell = tell
        self._process = os.getpid()
        self._expected = False
        self._interrupted = False
        self._is_busy = False
        self._postponed: list[int] = []
        self._before: dict[int, t.Any] = {}

    def expect(self) -> None:
        """A playbook has begun."""
        self._expected = True
        if self._before:
            return
        atexit.register(self._at_exit)
        # In the moment in which Python forks, it throws an interruption away, and would say so with a traceback.
        usual = sys.unraisablehook

        def without_interruptions(unraisable: t.Any) -> None:
            if unraisable.exc_type is not KeyboardInterrupt:
                usual(unraisable)

        sys.unraisablehook = without_interruptions
        # Only a main thread may; another one has no terminal, either.
        with contextlib.suppress(ValueError):
            self._before = {number: signal.signal(number, self._on_signal) for number in self.SIGNALS}

    def came(self) -> None:
        """It has ended in the usual way."""
        self._expected = False

    def insist(self) -> None:
        """Interrupt the run, if that was wanted and thrown away.

        :raises KeyboardInterrupt: it was
        """
        if self._interrupted and self._expected and threading.current_thread() is threading.main_thread():
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def postponed(self) -> t.Iterator[None]:
        """Draw on the terminal while a signal waits. It is handled as soon as the drawing is complete."""
        if self._is_busy or threading.current_thread() is not threading.main_thread():
            yield
            return
        self._is_busy = True
        try:
            yield
        finally:
            self._is_busy = False
            if self._postponed:
                self._on_signal(self._postponed.pop(0), None)

    def _on_signal(self, number: int, frame: t.Any) -> None:
        if os.getpid() != self._process:
            # A worker in the moment in which it is forked. The handler that was there before belongs to the process
            # that forks.
            self._end(number)
            return
        if self._is_busy:
            # What is half drawn can't be removed, and a buffer that is being written can't be written once more.
            self._postponed.append(number)
            return
        again, self._interrupted = self._interrupted, True
        # What is broken off in the middle complains when Python throws it away, with a traceback.
        sys.unraisablehook = lambda _unraisable: None
        with self._undisturbed():
            self._tidy()
        if again or self._postponed or number == signal.SIGTERM:
            self._at_exit()
        if again or self._postponed:
            # Whoever is so impatient does not wait for a process to clean up.
            self._end(number)
        try:
            self._hand_on(number, frame)
        finally:
            # ansible-core wants it only once.
            signal.signal(number, self._on_signal)

    def _hand_on(self, number: int, frame: t.Any) -> None:
        before = self._before[number]
        if callable(before):
            before(number, frame)
        elif before != signal.SIG_IGN:
            self._end(number)

    @staticmethod
    def _end(number: int) -> None:
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    def _at_exit(self) -> None:
        if not self._expected or os.getpid() != self._process:
            return
        self._expected = False
        with self._undisturbed():
            self._tell(interrupted=self._interrupted)
            sys.stdout.flush()

    @contextlib.contextmanager
    def _undisturbed(self) -> t.Iterator[None]:
        """Write to the terminal while a second signal waits. The terminal may be gone, or its buffer be in use."""
        self._is_busy = True
        with contextlib.suppress(OSError, ValueError, RuntimeError):
            yield
        self._is_busy = False


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "opsmgr.recovery.runbook"

    def __init__(self) -> None:
        super().__init__()
        self._book = book.Runbook(time.monotonic())
        self._names = book.HostNames()
        self._heading = ""
        self._notes: list[text.Line] = []
        self._foot: Foot | None = None
        self._progress: ProgressFile | None = None
        self._is_terminal = sys.stdout.isatty()
        self._ending = _Ending(self._hide_foot, self._tell_ending)

    # The run, its plays and its tasks

    def v2_playbook_on_start(self, playbook: t.Any) -> None:
        self._book = book.Runbook(time.monotonic(), check_mode=bool(context.CLIARGS.get("check")))
        self._ending.expect()
        # With --step, each task is a question.
        if not self._is_terminal or self.get_option("view") != "auto" or context.CLIARGS.get("step"):
            return
        if not HAS_RICH:
            self._say([text.Line(NO_RICH, text.NOTE)])
        elif can_draw():
            self._progress = ProgressFile()
            self._foot = Foot(self._display._lock, self._under_way, color=not C.ANSIBLE_NOCOLOR)

    def v2_playbook_on_vars_prompt(self, *arguments: t.Any, **options: t.Any) -> None:
        self._end_step()

    def v2_playbook_on_play_start(self, play: t.Any) -> None:
        self._end_step()
        self._heading = play.get_name().strip()
        self._names.learn_groups(play.get_variable_manager().get_vars(play=play).get("groups", {}))

    def v2_playbook_on_no_hosts_matched(self) -> None:
        self._say([text.Line("No host of the inventory matches this play.", text.WARNING)])

    def v2_playbook_on_no_hosts_remaining(self) -> None:
        self._end_step()
        self._say([text.Line("No host is left that could go on.", text.ERROR)])

    def v2_playbook_on_task_start(self, task: t.Any, is_conditional: bool) -> None:
        self._begin_step(task)

    def v2_playbook_on_handler_task_start(self, task: t.Any) -> None:
        self._begin_step(task)

    def v2_playbook_on_stats(self, stats: t.Any) -> None:
        self._ending.came()
        self._end_step()
        if self._progress:
            self._progress.remove()
        summaries = {host: stats.summarize(host) for host in sorted(stats.processed)}
        troubles = {host: summary["failures"] + summary["unreachable"] for host, summary in summaries.items()}
        failed = [self._names.shown(host) for host, number in troubles.items() if number]
        self._say(text.recap_lines(self._book, failed, time.monotonic(), hosts=len(summaries)))

    def _show_foot(self) -> None:
        if self._foot:
            with self._ending.postponed():
                self._foot.show()

    def _hide_foot(self) -> None:
        if self._foot:
            with self._ending.postponed():
                self._foot.hide()

    def _tell_ending(self, *, interrupted: bool) -> None:
        """The end that Ansible tells no callback of."""
        self._hide_foot()
        now = time.monotonic()
        if interrupted:
            lines = text.interrupted_lines(self._book, now, shown_command(sys.argv))
        else:
            lines = text.broken_off_lines(self._book, now)
        try:
            self._say(lines)
        except RuntimeError:
            # The signal came while Ansible was writing to the buffer of standard output, which can't be entered twice.
            os.write(1, "".join(f"\n{harmless(line.text)}" for line in lines).encode() + b"\n")

    # Results

    def v2_runner_on_ok(self, result: t.Any) -> None:
        told = Result.of(result)
        if not told.is_whole_loop:
            self._report(told, told.outcome)
        if told.action == PLAN_ACTION:
            self._learn_plan(told.data)
        if told.action == NEW_KEY_PLAN_ACTION:
            self._learn_new_key_plan(told.data)

    def v2_runner_on_failed(self, result: t.Any, ignore_errors: bool = False) -> None:
        told = Result.of(result)
        if not told.is_whole_loop:
            self._report(told, book.IGNORED if ignore_errors else book.FAILED)

    def v2_runner_on_unreachable(self, result: t.Any) -> None:
        told = Result.of(result)
        if not told.is_whole_loop:
            self._report(told, book.IGNORED if told.task.ignore_unreachable is True else book.UNREACHABLE)

    def v2_runner_on_skipped(self, result: t.Any) -> None:
        told = Result.of(result)
        if not told.is_whole_loop:
            self._report(told, book.SKIPPED)

    def v2_runner_item_on_ok(self, result: t.Any) -> None:
        told = Result.of(result)
        self._report(told, told.outcome)

    def v2_runner_item_on_failed(self, result: t.Any) -> None:
        told = Result.of(result)
        self._report(told, told.outcome_of_failed_item)

    def v2_runner_item_on_skipped(self, result: t.Any) -> None:
        self._report(Result.of(result), book.SKIPPED)

    def v2_runner_retry(self, result: t.Any) -> None:
        told = Result.of(result)
        left = told.data["retries"] - told.data["attempts"]
        self._say(text.message_lines([f"{self._names.shown(told.place)}: not yet, {left} attempts left."], text.NOTE))

    def v2_on_file_diff(self, result: t.Any) -> None:
        told = Result.of(result)
        results = [told.data]
        if told.is_whole_loop:
            results = told.data["results"]
        for each in results:
            if each.get("diff") and each.get("changed"):
                self._display.display(self._get_diff(harmless_values(each["diff"])))

    # What they have in common

    def _begin_step(self, task: t.Any) -> None:
        self._ending.insist()
        self._end_step()
        if self._progress:
            self._progress.forget()
        action = short_action(task)
        # Without the name of the role: it is the same for nearly all.
        name = str(task.name or task.get_name()).strip()
        step = self._book.begin(task._uuid, name, time.monotonic(), quiet=action in QUIET_ACTIONS)
        if step.is_marked:
            self._say_below_heading(
                text.point_lines(
                    step, self._book.next_number, check_mode=self._book.check_mode or bool(task.check_mode)
                )
            )
        if action != ASKING_ACTION:
            self._show_foot()

    def _end_step(self) -> None:
        self._hide_foot()
        step = self._book.end()
        if step is not None:
            self._say_below_heading([text.step_line(step)])
        self._say(self._notes)
        self._notes = []

    def _report(self, told: Result, outcome: str) -> None:
        """Keep it, and tell at once what cannot wait until the step has ended."""
        self._ending.insist()
        key = told.task._uuid
        if not self._book.has_begun(key):
            self._begin_step(told.task)
        is_current = self._book.current is not None and self._book.current.key == key
        place = self._names.shown(told.place)
        step = self._book.report(key, place, outcome, time.monotonic(), past_point=told.past_point)
        if outcome in book.TROUBLES:
            self._say_below_heading(text.trouble_lines(step, place, outcome, told.messages))
        elif outcome != book.SKIPPED:
            self._tell_good(told, step, place, outcome, is_current=is_current)
        if self._display.verbosity > 0 and told.action != MESSAGE_ACTION:
            self._display.display(
                harmless(f"{place}: {outcome} => {self._dump_results(told.data)}"), color=C.COLOR_VERBOSE
            )
        self._tell_warnings(told)

    def _tell_good(self, told: Result, step: book.Step, place: str, outcome: str, *, is_current: bool) -> None:
        if told.action == ASKING_ACTION:
            # The answer was typed, and its line not ended.
            self._say([text.Line("")])
        elif told.action == MESSAGE_ACTION:
            self._say_below_heading(
                text.titled_lines(f"{step.name}: {place}", told.messages or [self._dump_results(told.data)])
            )
        elif not is_current and not step.quiet:
            # With the strategy free, hosts come to the end of a step long after another one has begun.
            self._say_below_heading([text.result_line(step, place, outcome)])

    def _tell_warnings(self, told: Result) -> None:
        """Warnings and deprecations as Ansible words them; the exception behind a failure only for whoever wants to see
        more.
        """
        data = t.cast("dict[str, t.Any]", told.data)
        self._handle_warnings(data)
        # ansible-core leaves the exception in a result that no_log hides, with the secret in its message.
        if self._display.verbosity > 0 and "censored" not in data:
            self._handle_exception(data)

    def _learn_plan(self, plan: t.Mapping[str, t.Any]) -> None:
        self._names.learn_plan(plan["new_rms"], plan["old_rms"], promotion_needed=plan["promotion_needed"])
        is_ahead = any(step["point_of_no_return"] and step["needed"] for step in plan["steps"])
        if is_ahead and not plan["problems"]:
            self._book.see_point_ahead()
            self._notes = text.plan_lines(
                self._names.shown(plan["new_rms"]), plan["old_rms"] and self._names.shown(plan["old_rms"])
            )

    def _under_way(self) -> UnderWay | None:
        step = self._book.current
        if step is None or step.quiet:
            return None
        what, percent = "", None
        if self._progress:
            what, percent = self._progress.last() or (what, percent)
        return UnderWay(self._book.next_number, step.name, time.monotonic() - step.started, percent, what)

    def _learn_new_key_plan(self, plan: t.Mapping[str, t.Any]) -> None:
        if plan["needed"] and not plan["problems"]:
            self._names.learn_plan(plan["new_rms"], None, promotion_needed=True)
            self._book.see_point_ahead()
            self._notes = text.new_key_plan_lines(self._names.shown(plan["new_rms"]))

    def _say_below_heading(self, lines: t.Iterable[text.Line]) -> None:
        """The heading of a play comes with the first thing that is told of it: most plays of a rerun have nothing to
        tell.
        """
        if self._heading:
            self._say(text.play_lines(self._heading))
            self._heading = ""
        self._say(lines)

    def _say(self, lines: t.Iterable[text.Line]) -> None:
        width = None
        if self._is_terminal:
            width = shutil.get_terminal_size().columns
        with self._ending.postponed():
            for line in lines:
                self._display.display(replace(line, text=harmless(line.text)).wrapped(width), color=COLORS[line.tone])
