# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks for those who are used to nox: each session is the target of make that has its name."""

from __future__ import annotations

import nox

nox.options.sessions = ["lint", "sanity", "unit", "integration"]


def add_session(name: str) -> None:
    """A session without an environment of its own: make has .venv."""

    @nox.session(name=name, python=False)
    def run(session: nox.Session) -> None:
        session.run("make", name, *session.posargs, external=True)


for target in ("lint", "sanity", "unit", "integration", "soak", "matrix", "docs", "importer", "drill", "build"):
    add_session(target)
