# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The conditions of ``if``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import paths
from ..errors import Win32Error
from .common import signed
from .nodes import If

if TYPE_CHECKING:
    from .interpreter import Interpreter


def holds(shell: Interpreter, node: If) -> bool:
    """Whether the condition of an ``if`` holds, before ``not``; ValueError for an incorrect number."""
    if node.operator == "errorlevel":
        return signed(shell.errorlevel) >= int(node.right)
    if node.operator == "cmdextversion":
        return int(node.right) <= 2
    if node.operator == "defined":
        return shell.variable(node.right) is not None
    if node.operator == "exist":
        return _exists(shell, node.right.replace('"', ""))
    return _compare(node.left, node.operator, node.right, node.ignore_case)


def _exists(shell: Interpreter, path: str) -> bool:
    """``if exist``: a trailing backslash asks for a folder; patterns are looked for; ``nul`` exists in every folder."""
    files = shell.process.files
    folder, _backslash, name = files.absolute(path).rpartition("\\")
    if paths.is_device(path):
        return files.is_dir(folder + "\\")
    if path.endswith(("\\", "/")):
        return files.is_dir(path)
    if not paths.has_wildcard(name):
        return files.exists(path)
    try:
        return bool(files.entries(folder + "\\", name))
    except Win32Error:
        return False


def _compare(left: str, operator: str, right: str, ignore_case: bool) -> bool:
    """``==`` compares text; ``equ`` and the like numbers when both sides are numbers."""
    if ignore_case:
        left, right = left.lower(), right.lower()
    if operator == "==":
        return left == right
    order: int
    try:
        order = (int(left, 0) > int(right, 0)) - (int(left, 0) < int(right, 0))
    except ValueError:
        order = (left > right) - (left < right)
    answers = {
        "equ": order == 0,
        "neq": order != 0,
        "lss": order < 0,
        "leq": order <= 0,
        "gtr": order > 0,
        "geq": order >= 0,
    }
    return answers[operator]
