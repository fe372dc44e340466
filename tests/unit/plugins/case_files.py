# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files in cases/: whole inputs as they were found."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent / "cases"
# How a carriage return is written there, so that it is seen in an editor, and that no tool takes it away.
CARRIAGE_RETURN = "\N{SYMBOL FOR CARRIAGE RETURN}"


def content(name: str) -> bytes:
    """A file of cases/, with its real line ends."""
    return (FOLDER / name).read_bytes().replace(CARRIAGE_RETURN.encode(), b"\r")


def text(name: str) -> str:
    """The same as text, which is UTF-8."""
    return content(name).decode("utf-8")
