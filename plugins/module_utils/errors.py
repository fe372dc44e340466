# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one shape in which everything of this collection reports a failure.

This file is private to the collection: others must not import it.
"""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.opsmgr.recovery.plugins.module_utils.server_text import harmless_line

# Whom an error is about when it is no server.
CONTROLLER = "controller"


class OpsmgrError(Exception):
    """A failure that a user can understand and act on.

    Libraries raise it (or a type of their own derived from it), and the one place that knows the host turns it into
    text with C(sentence()). The fields never hold a secret.
    """

    def __init__(
        self, step: str, found: str, what_to_do: str, done: str | Sequence[str] | None = None, rerun: str | None = None
    ) -> None:
        # All arguments go up, so that the exception survives pickling and copying.
        super().__init__(step, found, what_to_do, done, rerun)
        self.step = step
        self.found = found
        self.what_to_do = what_to_do
        self.done = done
        self.rerun = rerun

    def __str__(self) -> str:
        return self.sentence("")

    def sentence(self, host: str) -> str:
        """Return the whole message, beginning with C(host)."""
        return error_sentence(host, self.step, self.found, self.what_to_do, self.done, self.rerun)


def error_sentence(
    host: str, step: str, found: str, what_to_do: str, done: str | Sequence[str] | None = None, rerun: str | None = None
) -> str:
    """Build C(<host>: <step>: <found>. <What to do>. Done so far: <done>. A rerun will <rerun>.).

    Empty parts are left out together with their punctuation. C(done) is one text or a sequence of finished steps;
    C(rerun) continues the words "A rerun will". Callers write C(what_to_do) as a sentence with a capital letter.
    """
    place = ": ".join(part for part in (_flat(host), _flat(step)) if part)
    reason = _ended(found)
    sentences = [": ".join(part for part in (place, reason) if part), _ended(what_to_do)]
    finished = _done_text(done)
    if finished:
        sentences.append(_ended("Done so far: " + finished))
    if rerun:
        sentences.append(_ended("A rerun will " + _flat(rerun)))
    return " ".join(sentence for sentence in sentences if sentence)


def _done_text(done: str | Sequence[str] | None) -> str:
    steps = done or []
    if isinstance(steps, str):
        # It is a sequence of its characters too, which is never what was meant.
        steps = [steps]
    return "; ".join(flat for flat in (_flat(step).rstrip(".") for step in steps) if flat)


def _flat(text: str) -> str:
    """One line: messages of servers come with line ends that would tear the sentence apart, and with worse."""
    return harmless_line(text)


def _ended(text: str) -> str:
    flat = _flat(text)
    if not flat or flat[-1] in ".!?":
        return flat
    return flat + "."
