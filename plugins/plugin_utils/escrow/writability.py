# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a key backup that will be made later can be kept: asked while nothing has happened yet.

Private to opsmgr.recovery.
"""

from __future__ import annotations

import os
import typing as t

from ansible_collections.opsmgr.recovery.plugins.module_utils.errors import CONTROLLER, OpsmgrError, error_sentence
from ansible_collections.opsmgr.recovery.plugins.plugin_utils.escrow.key_escrow import (
    password_problem,
    seal_for_writing,
    signer_from,
)

Arguments = t.Mapping[str, t.Any]


def writing_problems(arguments: Arguments, step: str, role: str) -> list[str]:
    """Why a backup could not be written into the escrow: its password, its seal, its signature, the directory.

    :param arguments: the options `escrow`, `backup_password`, `seal_passphrase`, and those of SIGNING_SPEC where there are any
    :param role: the role whose variables these are, to name them
    """
    return [
        *password_problems(arguments, step, role),
        *attempts(lambda: seal_for_writing(arguments["seal_passphrase"]), lambda: signer_from(arguments)),
        *directory_problems(arguments["escrow"], step, role),
    ]


def password_problems(arguments: Arguments, step: str, role: str) -> list[str]:
    """Why the backup password cannot be used."""
    password = arguments["backup_password"]
    if not password:
        found, advice = "no backup password is given", f"Set {role}_backup_password (from a vault)"
        return [error_sentence(CONTROLLER, step, found, advice)]
    problem = password_problem(password)
    return [error_sentence(CONTROLLER, step, problem, f"Set another {role}_backup_password")] if problem else []


def attempts(*works: t.Callable[[], object]) -> list[str]:
    """What these pieces of work fail with, as sentences."""
    problems = []
    for work in works:
        try:
            work()
        except OpsmgrError as error:
            problems.append(error.sentence(CONTROLLER))
    return problems


def directory_problems(directory: str | None, step: str, role: str) -> list[str]:
    """Why the escrow's directory, which need not be there yet, cannot be written."""
    if not directory:
        return [error_sentence(CONTROLLER, step, "no escrow directory is given", f"Set {role}_escrow")]
    existing = os.path.abspath(directory)
    while not os.path.lexists(existing):
        existing = os.path.dirname(existing)
    if os.path.isdir(existing) and os.access(existing, os.W_OK | os.X_OK):
        return []
    found = f"the escrow {directory} cannot be written: {existing} is not a directory that this user may write to"
    return [error_sentence(CONTROLLER, step, found, f"Set {role}_escrow to one")]
