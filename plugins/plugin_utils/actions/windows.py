# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The base class of the Windows-side action plugins: argument spec, check mode, one shell, one error style, one result.

Private to opsmgr.recovery.
"""

from __future__ import annotations

import contextlib
import copy
import re
import time
import typing as t
from abc import abstractmethod
from dataclasses import dataclass, field

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.module_utils.option_values import require_any_usable, require_usable
from ansible_collections.opsmgr.recovery.plugins.module_utils.server_text import harmless, harmless_values
from ansible_collections.opsmgr.recovery.plugins.module_utils.utc import now_text
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.opsmgr.server import KEY_MATERIAL_KEY, OpsMgrHost
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.windows.host import UnquotableError, WindowsHost
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.faults import (
    CommandTimeout,
    ConnectionLost,
    ShellFault,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.reachability import (
    connection_advice,
    why_unreachable,
)
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.redaction import redact, redact_whole
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.session import WinRMSession
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.winrs.shell import ConversationOptions, Shell, Trace

Arguments = t.Mapping[str, t.Any]
Facts = t.Mapping[str, t.Any]

# What the server, one of its tools or the network can do to a step. Everything else is a mistake in this collection.
FAILURES = (OpsmgrError, CommandTimeout, ConnectionLost, ShellFault)

# What in a result is text for people, and may repeat what a server said.
SENTENCES = ("msg", "problem", "transcript")
USUAL_ADVICE = "Check that the server and its WinRM service answer, then rerun"
# With fewer -v nothing is told of what goes on between this controller and a server.
LEAST_VERBOSITY = 2
# What the names of options end with that hold a regular expression.
PATTERN_OPTIONS = ("_prompt", "_pattern")

# Twin of doc_fragments/key_material.py.
KEY_MATERIAL_SPEC: dict[str, dict[str, t.Any]] = {
    "key_registry_key": {"type": "str", "default": KEY_MATERIAL_KEY, "no_log": False}
}
# Twin of doc_fragments/conversation.py.
CONVERSATION_SPEC: dict[str, dict[str, t.Any]] = {
    "input_kind": {"type": "str", "default": "auto", "choices": ["auto", "console", "pipe"]},
    "line_end": {"type": "str", "default": "auto", "choices": ["auto", "cr", "crlf", "lf"]},
    "conversation_timeout": {"type": "float", "default": 120.0},
    "answer_ahead_after": {"type": "float", "default": 4.0},
}


@dataclass(frozen=True)
class Work:
    """What a step of an action works with.

    :ivar arguments: the validated options of the task
    :ivar check_mode: predict, change nothing
    :ivar opsmgr: the server
    :ivar result: the result so far; it is whole on failure too
    :ivar host: the inventory name of the host that the task really talks to
    :ivar address: what the inventory says where to reach it
    """

    arguments: Arguments = field(repr=False)
    check_mode: bool
    opsmgr: OpsMgrHost
    result: dict[str, t.Any]
    host: str = ""
    address: str = ""


@contextlib.contextmanager
def changing(work: Work, before: Facts, look: t.Callable[[], Facts], unknown: Facts | None = None) -> t.Iterator[None]:
    """Everything that changes the server stands in here: when it fails, the result still says what was done.

    :param before: keys of the result with what was observed before
    :param look: looks again and returns the same keys
    :param unknown: what the result has when it cannot be looked again; by default each key is None
    """
    try:
        yield
    except FAILURES as error:
        # A command whose end nobody saw may have had its effect, or may have it later.
        unseen = not isinstance(error, OpsmgrError) or work.opsmgr.windows.shell.left_running
        seen = None
        with contextlib.suppress(*FAILURES):
            seen = look()
        unknown = dict.fromkeys(before) if unknown is None else unknown
        work.result.update(unknown if seen is None else seen)
        work.result["changed"] = work.result["changed"] or unseen or seen != before
        raise


class OpsmgrAction(ActionBase):
    """One task, one shell. Subclasses name their STEP and SPEC and say what to do in act()."""

    _supports_check_mode = True
    _supports_async = False
    STEP: t.ClassVar[str]
    SPEC: t.ClassVar[dict[str, dict[str, t.Any]]]
    REQUIRED: t.ClassVar[dict[str, t.Any]] = {}
    RESULT: t.ClassVar[dict[str, t.Any]] = {}

    @abstractmethod
    def act(self, work: Work) -> None:
        """Do the step, or predict it; fill work.result. Raises OpsmgrError."""

    def check_arguments(self, arguments: Arguments) -> None:
        """Refuse what the argument spec cannot express, before a connection is opened. Raises OpsmgrError."""

    def when_unreachable(self, error: AnsibleConnectionFailure, arguments: Arguments, result: dict[str, t.Any]) -> None:
        """What it means that there is no connection; returning means that it is an answer. By default the host is
        unreachable.

        A host that another one delegates to fails instead: else that other one would be out of its play, and its rescue
        would not run.
        """
        if self._task.delegate_to and not self._task.ignore_unreachable:
            raise OpsmgrError(self.STEP, why_unreachable(error), connection_advice(error)) from None
        raise AnsibleConnectionFailure(harmless(why_unreachable(error))) from None

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Validate, open the shell, act, and turn every failure into one sentence."""
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        del tmp
        host = self._host_name(task_vars or {})
        try:
            # ansible-core itself breaks at a number that is not finite.
            require_any_usable(self._task.args, self.STEP)
        except OpsmgrError as error:
            return {
                **result,
                "failed": True,
                "changed": False,
                **copy.deepcopy(self.RESULT),
                "msg": error.sentence(host),
            }
        _validated, arguments = self.validate_argument_spec(self.SPEC, **self.REQUIRED)
        result.update({"changed": False, **copy.deepcopy(self.RESULT), "started_at": now_text()})
        started = time.monotonic()
        try:
            require_usable(arguments, self.SPEC, self.STEP)
            self._check_patterns(arguments)
            self.check_arguments(arguments)
            self._with_shell(arguments, result, host)
        except OpsmgrError as error:
            result.update({"failed": True, "msg": error.sentence(host)})
        except UnquotableError as error:
            result.update(
                {
                    "failed": True,
                    "msg": OpsmgrError(self.STEP, str(error), "Correct the option, then rerun").sentence(host),
                }
            )
        except (CommandTimeout, ConnectionLost, ShellFault) as error:
            # Not "unreachable": the server answered at first, so something may have been done, and a play's rescue must
            # run.
            advice = getattr(error, "what_to_do", "") or USUAL_ADVICE
            result.update({"failed": True, "msg": OpsmgrError(self.STEP, str(error), advice).sentence(host)})
        result["elapsed_seconds"] = round(time.monotonic() - started, 1)
        return shown(result, self._secrets(arguments))

    def _secrets(self, arguments: Arguments) -> list[str]:
        given = [arguments[option] for option, spec in self.SPEC.items() if spec.get("no_log")]
        texts = [text for value in given for text in (value.values() if isinstance(value, dict) else [value])]
        return [text for text in texts if text and isinstance(text, str)]

    def _check_patterns(self, arguments: Arguments) -> None:
        """Refuse an incorrect regular expression before it is needed in the middle of a conversation."""
        for option in (option for option in self.SPEC if option.endswith(PATTERN_OPTIONS)):
            try:
                re.compile(arguments[option])
            except re.error as error:
                raise OpsmgrError(
                    self.STEP, f"{option} is not a regular expression: {error}", "Correct the option, then rerun"
                ) from None

    def _with_shell(self, arguments: Arguments, result: dict[str, t.Any], host: str) -> None:
        """Open the connection's shell, act, and always close it: a server allows a user only five."""
        if self._connection.transport != "winrm":
            raise OpsmgrError(
                self.STEP,
                f"the connection plugin is {self._connection.transport}, which cannot hold a conversation with a console program",
                "Set ansible_connection to winrm for this host",
            )
        session = WinRMSession(self._connection)
        try:
            protocol, shell_id = session.open()
        except AnsibleError as error:
            # For a missing library, and when the time was over, it is no AnsibleConnectionFailure.
            self.when_unreachable(AnsibleConnectionFailure(str(error)), arguments, result)
            return
        shell = Shell(protocol, shell_id, _manner(arguments), session, _trace(host, self._secrets(arguments)))
        try:
            address = str(self._connection.get_option("remote_addr") or "")
            self.act(Work(arguments, self._task.check_mode, self._opsmgr(shell, arguments), result, host, address))
        finally:
            session.close(leave_shell=shell.left_running)

    @staticmethod
    def _opsmgr(shell: Shell, arguments: Arguments) -> OpsMgrHost:
        return OpsMgrHost(
            WindowsHost(shell), arguments.get("media"), arguments.get("key_registry_key", KEY_MATERIAL_KEY)
        )

    def _host_name(self, task_vars: t.Mapping[str, t.Any]) -> str:
        """The inventory name of the host that the task really talks to."""
        return str(self._task.delegate_to or task_vars.get("inventory_hostname") or "this host")


def _manner(arguments: Arguments) -> ConversationOptions:
    usual = ConversationOptions()
    return ConversationOptions(
        input_kind=arguments.get("input_kind", usual.input_kind),
        line_end=arguments.get("line_end", usual.line_end),
        timeout_seconds=arguments.get("conversation_timeout", usual.timeout_seconds),
        answer_ahead_seconds=arguments.get("answer_ahead_after", usual.answer_ahead_seconds),
    )


def _trace(host: str, secrets: t.Sequence[str]) -> Trace | None:
    """Shows with -vv and -vvv what goes on between this controller and the server, without the secrets of the task in
    any form.
    """
    display = Display()
    if display.verbosity < LEAST_VERBOSITY:
        return None
    return lambda verbosity, text: display.verbose(harmless(redact(text, secrets)), host=host, caplevel=verbosity - 1)


def shown(result: t.Mapping[str, t.Any], secrets: t.Sequence[str]) -> dict[str, t.Any]:
    """A result with what a server said in it made harmless, and without the secrets that a server may have said back."""
    told = {
        key: redact_whole(value, secrets)
        for key, value in result.items()
        if key in SENTENCES and isinstance(value, str)
    }
    return {str(key): harmless_values(value) for key, value in {**result, **told}.items()}


def diff(before: t.Mapping[str, t.Any], after: t.Mapping[str, t.Any], header: str) -> dict[str, str]:
    """A diff for the result: one line for each fact, so that --diff shows only what differs. Never give it a secret."""
    return {
        "before": "".join(f"{name}: {value}\n" for name, value in before.items()),
        "after": "".join(f"{name}: {value}\n" for name, value in after.items()),
        "before_header": header,
        "after_header": header,
    }
