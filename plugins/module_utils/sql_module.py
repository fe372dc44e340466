# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a module that changes a database of SQL Server runs, and how it ends: with the same keys in every outcome.

This file is private to the collection: others must not import it.
"""

from __future__ import annotations

import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Protocol

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError
from ansible_collections.opsmgr.recovery.plugins.module_utils.option_values import require_usable
from ansible_collections.opsmgr.recovery.plugins.module_utils.progress import Progress
from ansible_collections.opsmgr.recovery.plugins.module_utils.sql_options import beside_the_connection
from ansible_collections.opsmgr.recovery.plugins.module_utils.sqlserver import PYODBC_IMPORT_ERROR, PyodbcMissing
from ansible_collections.opsmgr.recovery.plugins.module_utils.utc import now_text


class Interrupted(BaseException):
    """The process was told to end. Not an Exception, so that nobody takes it for a failed statement."""


@contextmanager
def interruptible() -> Iterator[None]:
    """Turn a polite end of the process (SIGTERM, SIGHUP) into an exception, so that C(finally) gets its turn.

    Raises Interrupted with the name of the first signal, and nothing else for it: whatever runs when the signal arrives
    (a driver, a codec) may wrap the handler's exception in one of its own, or put its own words into it.
    """
    received: list[str] = []

    def stop(number: int, _frame: object) -> None:
        received.append(signal.Signals(number).name)
        raise Interrupted(received[0])

    numbers = (signal.SIGTERM, signal.SIGHUP)
    old = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    except (Interrupted, SystemError) as error:
        if not received:
            raise
        raise Interrupted(received[0]) from error
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


class Deed(Protocol):
    """What a module does to one database: look, then predict or carry out. Each step fills a report, a failed one too."""

    @property
    def needed(self) -> bool:
        """Whether something is to be changed. To be asked after C(observe)."""

    def observe(self) -> None:
        """Read everything that decides. Raises OpsmgrError for what must not or cannot be done."""

    def predict(self) -> None:
        """Report what C(carry_out) would do. Raises OpsmgrError."""

    def carry_out(self) -> None:
        """Do what is needed. Raises OpsmgrError."""


class SqlWork(ABC):
    """One run of a module: its result can be asked for at any time."""

    # What to look at when the process was told to end. None leaves that to the system, which ends it at once.
    after_interruption: str | None = None

    def __init__(self, params: dict[str, Any]) -> None:
        self._params = params
        self._has_begun = False

    @abstractmethod
    def deed(self) -> AbstractContextManager[Deed]:
        """What is to be done, with the connection that it takes. Raises OpsmgrError."""

    @property
    def has_changed(self) -> bool:
        """Whether something may have been changed so far."""
        return self._has_begun

    @property
    @abstractmethod
    def result(self) -> dict[str, Any]:
        """The module's result, the same keys in every outcome."""

    def run(self, *, check_mode: bool) -> bool:
        """Do what is needed and return whether anything was. Raises OpsmgrError, Interrupted."""
        with self.deed() as deed:
            deed.observe()
            needed = deed.needed
            if check_mode:
                deed.predict()
            elif needed:
                self._has_begun = True
                deed.carry_out()
            return needed


class LongSqlWork(SqlWork):
    """Work whose statements take long: with the options C(timeout), C(progress_file) and the milestones."""

    def __init__(self, params: dict[str, Any]) -> None:
        super().__init__(params)
        self._progress = Progress(file=params["progress_file"])

    @property
    def _statement_seconds(self) -> int:
        return max(0, int(self._params["timeout"]))

    def _watched_result(self, problems: list[str]) -> dict[str, Any]:
        """The keys C(progress) and C(problems)."""
        told = filter(None, [self._progress.problem])
        return {"progress": self._progress.milestones, "problems": [*problems, *told]}


def run_sql_module(module: AnsibleModule, work: SqlWork) -> None:
    """The rest of a module's main(): do the work, and end the module with its result."""
    host = module.params["server"]
    started_at, started = now_text(), time.monotonic()

    def result() -> dict[str, Any]:
        return {**work.result, "started_at": started_at, "elapsed_seconds": round(time.monotonic() - started, 1)}

    try:
        require_usable(module.params, beside_the_connection(module.argument_spec), "read the options")
        with interruptible() if work.after_interruption else nullcontext():
            changed = work.run(check_mode=module.check_mode)
    except PyodbcMissing as error:
        module.fail_json(msg=f"{missing_required_lib('pyodbc')} {error.what_to_do}.", exception=PYODBC_IMPORT_ERROR)
    except OpsmgrError as error:
        module.fail_json(msg=error.sentence(host), changed=work.has_changed, **result())
    except Interrupted as signal_name:
        module.fail_json(
            msg=f"{host}: ended by {signal_name}; {work.after_interruption}.", changed=work.has_changed, **result()
        )
    module.exit_json(changed=changed, **result())
