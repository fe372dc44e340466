# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module that is told to end says so, whatever ran when the signal arrived."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from ansible_collections.opsmgr.recovery.plugins.module_utils.sql_module import Interrupted, interruptible


def nothing(error: BaseException) -> BaseException:
    return error


def other_words(error: BaseException) -> BaseException:
    """As Python's codecs do it before 3.11: the same class, with the text of the codec around it."""
    return Interrupted(f"decoding with 'utf-16le' codec failed ({error})")


def wrapped(_error: BaseException) -> BaseException:
    """As Python does it where an extension returns a result all the same."""
    return SystemError("returned a result with an exception set")


def interrupted_work(number: signal.Signals, done_to_it: Callable[[BaseException], BaseException]) -> None:
    with interruptible():
        try:
            signal.raise_signal(number)
        except Interrupted as error:
            raise done_to_it(error) from error


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("done_to_it", [nothing, other_words, wrapped])
def test_a_signal_is_named(number: signal.Signals, done_to_it: Callable[[BaseException], BaseException]) -> None:
    before = signal.getsignal(number)
    with pytest.raises(Interrupted) as caught:
        interrupted_work(number, done_to_it)
    assert str(caught.value) == number.name
    assert signal.getsignal(number) == before


def test_an_error_of_the_interpreter_without_a_signal_stays_one() -> None:
    with pytest.raises(SystemError), interruptible():
        raise SystemError("broken")
