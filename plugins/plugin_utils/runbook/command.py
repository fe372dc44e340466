# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command that is under way, as a person may type it again. Private to opsmgr.recovery."""

from __future__ import annotations

import os
import re
import shlex
import typing as t

HIDDEN = "***"
_SECRET = re.compile(r"(?i)pass|secret|token|phrase|credential|pwd")
_VARIABLES = ("-e", "--extra-vars")


def shown_command(argv: t.Sequence[str]) -> str:
    """A command line without the directory of its program, and without the values of variables whose names say that
    they are secret.

    Whoever gave a secret as an argument showed it to the process listing. It need not stand in a log, too.
    """
    program, *arguments = argv or ["ansible-playbook"]
    shown = [os.path.basename(program)]
    follows = False
    for argument in arguments:
        option, joined, value = argument.partition("=")
        if follows:
            shown.append(_without_secrets(argument))
        elif option == _VARIABLES[1] and joined:
            shown.append(f"{option}={_without_secrets(value)}")
        elif argument.startswith(_VARIABLES[0]) and argument not in _VARIABLES:
            shown.append(_VARIABLES[0] + _without_secrets(argument.removeprefix(_VARIABLES[0])))
        else:
            shown.append(argument)
        follows = argument in _VARIABLES
    return shlex.join(shown)


def _without_secrets(variables: str) -> str:
    """The argument of -e: a file, JSON or YAML, or assignments."""
    if variables.startswith("@") or not _SECRET.search(variables):
        return variables
    if variables.lstrip().startswith(("{", "[")):
        return HIDDEN
    try:
        assignments = shlex.split(variables)
    except ValueError:
        return HIDDEN
    return " ".join(_assignment(each) for each in assignments)


def _assignment(text: str) -> str:
    name, equals, value = text.partition("=")
    if not equals:
        return HIDDEN
    if _SECRET.search(name):
        return f"{name}={HIDDEN}"
    return f"{name}={shlex.quote(value)}"
