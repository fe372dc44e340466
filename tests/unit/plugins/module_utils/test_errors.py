# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import OpsmgrError, error_sentence

SENTENCES = [
    pytest.param(
        ("deathsting", "promote", "the tool ended with exit code 1", "Read the log on the server"),
        {},
        "deathsting: promote: the tool ended with exit code 1. Read the log on the server.",
        id="the usual form",
    ),
    pytest.param(
        ("deathsting", "promote", "no answer after 60 seconds", "Look at the server"),
        {"done": ["key restored", "old RMS stopped"], "rerun": "only restart the services"},
        "deathsting: promote: no answer after 60 seconds. Look at the server. "
        "Done so far: key restored; old RMS stopped. A rerun will only restart the services.",
        id="past the point of no return",
    ),
    pytest.param(
        ("hydra", "back up", "It failed!", "Try again?"),
        {"done": "key restored."},
        "hydra: back up: It failed! Try again? Done so far: key restored.",
        id="ends that are there already, and one text as what is done",
    ),
    pytest.param(("", "back up", "no key", "Restore it"), {}, "back up: no key. Restore it.", id="no host"),
    pytest.param(("hydra", "", "no key", ""), {}, "hydra: no key.", id="no step, nothing to do"),
    pytest.param(
        ("hydra", "run", "it printed\r\nthis\n\tand that\n", "Read it\n"),
        {"done": []},
        "hydra: run: it printed this and that. Read it.",
        id="line ends do not tear it apart",
    ),
]


@pytest.mark.parametrize(("parts", "options", "expected"), SENTENCES)
def test_sentence(parts: tuple[str, str, str, str], options: dict[str, Any], expected: str) -> None:
    assert error_sentence(*parts, **options) == expected


def test_the_exception_is_the_sentence_with_its_parts_as_fields() -> None:
    error = OpsmgrError("promote", "no answer", "Look at the server", done=["key restored"], rerun="ask again")
    assert (error.step, error.found, error.what_to_do) == ("promote", "no answer", "Look at the server")
    assert (error.done, error.rerun) == (["key restored"], "ask again")
    assert str(error) == "promote: no answer. Look at the server. Done so far: key restored. A rerun will ask again."
    assert error.sentence("hydra") == "hydra: " + str(error)


@pytest.mark.parametrize("clone", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])
def test_the_exception_survives_copying(clone: Any) -> None:
    error = clone(OpsmgrError("promote", "no answer", "Look", done="nothing", rerun="start over"))
    assert vars(error) == vars(OpsmgrError("promote", "no answer", "Look", "nothing", "start over"))
